// Xapian over the corpus of search-bench: building, the first 20, hit counts.   usage: xapian DIR NAME
// Prints figures as search-bench does, and the counts to DIR/NAME.xapian-hits.
#include <xapian.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

static double clock_s(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

static void figure(const std::string &name, double value, const char *unit)
{
    std::printf("xapian: %s\t%.9g\t%s\n", name.c_str(), value, unit);
}

static std::vector<std::string> split(const std::string &line, char by)
{
    std::vector<std::string> out;
    std::stringstream s(line);
    for (std::string one; std::getline(s, one, by);)
        out.push_back(one);
    return out;
}

static void build(const std::string &tsv, const std::string &to)
{
    double begin = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    Xapian::WritableDatabase db(to, Xapian::DB_CREATE_OR_OVERWRITE);
    Xapian::TermGenerator words;
    std::ifstream in(tsv);
    for (std::string line; std::getline(in, line);) {
        std::vector<std::string> f = split(line, '\t');
        if (f.size() < 4)
            continue;
        Xapian::Document doc;
        words.set_document(doc);
        words.index_text(f[1]);
        words.increase_termpos();
        words.index_text(f[3]);
        for (const std::string &tag : split(f[2], ' '))
            doc.add_boolean_term("K" + tag);
        doc.add_value(0, f[0]);
        db.add_document(doc);
    }
    db.commit();
    figure("build, CPU", clock_s(CLOCK_PROCESS_CPUTIME_ID) - begin, "s");
}

static Xapian::Query query_of(Xapian::QueryParser &parser, const std::vector<std::string> &f)
{
    const unsigned flags = Xapian::QueryParser::FLAG_PHRASE | Xapian::QueryParser::FLAG_WILDCARD;
    std::string text = f[1];
    if (f[0] == "phrase")
        text = "\"" + text + "\"";
    if (f[0].find("prefix") != std::string::npos)
        text += "*";
    Xapian::Query q = parser.parse_query(text, flags);
    if (f[0] == "tag")
        q = Xapian::Query(Xapian::Query::OP_FILTER, q, Xapian::Query("K" + f[2]));
    if (f[0] == "date")
        q = Xapian::Query(Xapian::Query::OP_FILTER, q,
                          Xapian::Query(Xapian::Query::OP_VALUE_RANGE, 0, f[2].substr(0, 8), f[2].substr(9)));
    return q;
}

static double percentile(std::vector<double> v, double p)
{
    std::sort(v.begin(), v.end());
    return v.empty() ? 0 : v[static_cast<size_t>(static_cast<double>(v.size() - 1) * p + 0.5)];
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const std::string base = std::string(argv[1]) + "/" + argv[2];
    build(base + ".tsv", base + ".xapian");
    Xapian::Database db(base + ".xapian");
    Xapian::QueryParser parser;
    parser.set_database(db);
    parser.set_default_op(Xapian::Query::OP_AND);
    std::ifstream in(base + ".queries");
    std::ofstream out(base + ".xapian-hits");
    std::vector<double> all;
    for (std::string line; std::getline(in, line);) {
        std::vector<std::string> f = split(line, '\t');
        double least = 1e9;
        f.resize(3);
        for (int round = 0; round < 3; round++) {
            double begin = clock_s(CLOCK_THREAD_CPUTIME_ID);
            Xapian::Enquire ask(db);
            ask.set_weighting_scheme(Xapian::BM25Weight(1.2, 0, 0, 0.75, 0.5));
            ask.set_query(query_of(parser, f));
            ask.get_mset(0, 20);
            least = std::min(least, clock_s(CLOCK_THREAD_CPUTIME_ID) - begin);
        }
        all.push_back(least * 1e3);
        Xapian::Enquire ask(db);
        ask.set_query(query_of(parser, f));
        out << ask.get_mset(0, 1, db.get_doccount()).get_matches_lower_bound() << '\t' << line << '\n';
    }
    figure("first 20, p50", percentile(all, 0.5), "ms");
    figure("first 20, p99", percentile(all, 0.99), "ms");
}
