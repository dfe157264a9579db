/* The query language, by recursive descent over bytes: or > and > not > primary.
 *
 * A rule gives its node, or NULL when there was nothing to look for in what it read ("!!!"); the first error sticks and
 * ends every rule. */
#include "search/query.h"

typedef struct parser {
    edn_arena *a;
    edn_bytes text;
    size_t at;
    bool typing;
    size_t words, depth, groups; /* groups: that are open */
    edn_status st;
    edn_query_error *error;
} parser;

static const char nothing[] = "give at least one word to look for";

static edn_query *parse_or(parser *p);

static edn_query *fail(parser *p, edn_status st, size_t at, const char *text)
{
    if (p->st == EDN_OK) {
        p->st = st;
        p->error->at = at;
        p->error->text = text;
    }
    return NULL;
}

static void *allocate(parser *p, size_t size)
{
    void *m = p->st == EDN_OK ? edn_arena_calloc(p->a, 1, size) : NULL;

    if (!m)
        (void)fail(p, EDN_E_NOMEM, p->at, "there is not enough memory for this query");
    return m;
}

static edn_query *node(parser *p, edn_query_kind kind, size_t from, size_t to)
{
    edn_query *q = allocate(p, sizeof *q);

    if (q)
        *q = (edn_query){.kind = kind, .at = (uint32_t)from, .size = (uint32_t)(to - from)};
    return q;
}

/* ---- characters -------------------------------------------------------------------------------------------------- */

static bool is_blank(uint32_t c)
{
    return c <= 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Any of them begins and ends a phrase: keyboards choose for people. */
static bool is_quote(uint32_t c) { return c == '"' || (c >= 0x201c && c <= 0x201f); }

/* The next character, or 0 at the end; *behind is where the one after it begins. */
static uint32_t peek(const parser *p, size_t *behind)
{
    *behind = p->at;
    return p->at < p->text.n ? edn_utf8_next(p->text, behind) : 0;
}

static void skip_blanks(parser *p)
{
    size_t behind;

    while (p->at < p->text.n && is_blank(peek(p, &behind)))
        p->at = behind;
}

/* Where the bare word at p->at ends. */
static size_t word_end(const parser *p)
{
    size_t at = p->at, next = at;

    for (; at < p->text.n; at = next) {
        uint32_t c = edn_utf8_next(p->text, &next);
        if (is_blank(c) || c == '(' || c == ')' || is_quote(c))
            break;
    }
    return at;
}

/* Takes a bare word that is exactly this one. */
static bool take(parser *p, const char *word)
{
    size_t end = word_end(p);

    if (!edn_bytes_equal(edn_bytes_of(p->text.p + p->at, end - p->at), edn_bytes_str(word)))
        return false;
    p->at = end;
    return true;
}

/* ---- words and phrases ------------------------------------------------------------------------------------------- */

/* `kind` and the term, in the arena. */
static bool put_term(parser *p, uint8_t kind, edn_bytes term, edn_bytes *out)
{
    uint8_t *m = allocate(p, term.n + 1);

    if (!m)
        return false;
    *m = kind;
    memcpy(m + 1, term.p, term.n);
    *out = kind ? edn_bytes_of(m, term.n + 1) : edn_bytes_of(m + 1, term.n);
    return true;
}

static size_t count_words(edn_bytes s)
{
    edn_words w;
    edn_word word;
    size_t n = 0;

    edn_words_init(&w, s);
    while (edn_words_next(&w, &word))
        n += !(word.flags & EDN_WORD_ALSO);
    return n;
}

/* Whether a word stands for all that begin as it does: "kin*", or the last one while typing. A letter of a script
 * without spaces is all of its word already. */
static bool is_prefix(const parser *p, size_t to, const edn_word *word, size_t end)
{
    if (word->flags & (EDN_WORD_PAIR | EDN_WORD_LETTER))
        return false;
    return (end < to && p->text.p[end] == '*') || (p->typing && end == p->text.n);
}

/* What stands in [from, to): a term, a prefix, a phrase; NULL without a word. */
static edn_query *words_node(parser *p, size_t from, size_t to, uint8_t kind)
{
    edn_bytes s = edn_bytes_of(p->text.p + from, to - from);
    size_t n = count_words(s), i = 0;
    edn_query_item *items;
    edn_words w;
    edn_word word;
    edn_query *q;
    uint32_t first = 0;

    if (n == 0)
        return NULL;
    if ((p->words += n) > EDN_QUERY_WORDS_MAX)
        return fail(p, EDN_E_LIMIT, from, "these are more words than can be looked for at once; use fewer");
    q = node(p, n == 1 ? EDN_QUERY_TERM : EDN_QUERY_PHRASE, from, to);
    items = q ? edn_arena_calloc(p->a, n, sizeof *items) : NULL;
    if (!items)
        return fail(p, EDN_E_NOMEM, from, "there is not enough memory for this query");
    edn_words_init(&w, s);
    while (edn_words_next(&w, &word)) {
        if (word.flags & EDN_WORD_ALSO)
            continue;
        if (i == 0)
            first = word.position;
        if (!put_term(p, kind, word.term, &items[i].term))
            return NULL;
        items[i].offset = word.position - first;
        items[i].accents = word.accents;
        items[i].letter = (word.flags & EDN_WORD_LETTER) != 0;
        items[i].prefix = i + 1 == n && is_prefix(p, to, &word, from + word.at + word.size);
        i++;
    }
    if (n == 1) {
        q->kind = items->prefix ? EDN_QUERY_PREFIX : EDN_QUERY_TERM;
        q->term = items->term;
        q->accents = items->accents;
        q->letter = items->letter;
    } else {
        q->items = items;
        q->items_n = n;
    }
    return q;
}

/* Reads the value at p->at, quoted or bare, without its quotes. */
static bool take_value(parser *p, size_t *from, size_t *to)
{
    size_t open = p->at, behind;

    if (!is_quote(peek(p, &behind))) {
        *from = p->at;
        *to = p->at = word_end(p);
        return true;
    }
    for (p->at = *from = behind; p->at < p->text.n; p->at = behind)
        if (is_quote(peek(p, &behind))) {
            *to = p->at;
            p->at = behind;
            return true;
        }
    *to = p->at;
    if (!p->typing)
        (void)fail(p, EDN_E_INVALID, open, "this quote is not closed; add another \" at the end of the phrase");
    return p->typing;
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

/* Julian century years before 1753 have their leap day: diaries of that time have entries on it. */
static uint32_t days_of(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0 || year < 1753);

    return month == 2 && leap ? 29 : days[month - 1];
}

/* YYYY, YYYY-MM, YYYY-MM-DD as the first and last day of it. */
static bool read_date(edn_bytes s, uint32_t *from, uint32_t *to)
{
    uint32_t part[3] = {0};
    size_t parts = s.n == 4 ? 1 : s.n == 7 ? 2 : s.n == 10 ? 3 : 0;

    for (size_t i = 0, k = 0; i < s.n && parts; i++) {
        if (i == 4 || i == 7) {
            k++;
            parts = s.p[i] == '-' ? parts : 0;
        } else if (s.p[i] >= '0' && s.p[i] <= '9') {
            part[k] = part[k] * 10 + (uint32_t)(s.p[i] - '0');
        } else {
            parts = 0;
        }
    }
    if (parts == 0 || part[0] == 0 || (parts > 1 && (part[1] < 1 || part[1] > 12)) ||
        (parts > 2 && (part[2] < 1 || part[2] > days_of(part[0], part[1]))))
        return false;
    *from = part[0] * 10000 + (parts > 1 ? part[1] : 1) * 100 + (parts > 2 ? part[2] : 1);
    part[1] = parts > 1 ? part[1] : 12;
    *to = part[0] * 10000 + part[1] * 100 + (parts > 2 ? part[2] : days_of(part[0], part[1]));
    return true;
}

typedef struct field {
    const char *name;
    enum { FIELD_TITLE, FIELD_TAG, FIELD_JOURNAL, FIELD_HAS, FIELD_FROM, FIELD_TO, FIELD_ON } kind;
    const char *lacking; /* what to say when its value is missing */
} field;

static const field fields[] = {
    {"title:", FIELD_TITLE, "title: needs a word or a phrase right behind it"},
    {"tag:", FIELD_TAG, "tag: needs the name of a tag right behind it"},
    {"journal:", FIELD_JOURNAL, "journal: needs the name of a journal right behind it"},
    {"has:", FIELD_HAS, "has: needs \"attachment\" right behind it"},
    {"from:", FIELD_FROM, "from: needs a date right behind it: 2024, 2024-03 or 2024-03-15"},
    {"to:", FIELD_TO, "to: needs a date right behind it: 2024, 2024-03 or 2024-03-15"},
    {"on:", FIELD_ON, "on: needs a date right behind it: 2024, 2024-03 or 2024-03-15"},
};

/* The field whose name stands at p->at, in any case. Other words with a colon are words: "http://…", "12:30". */
static const field *find_field(const parser *p)
{
    for (size_t i = 0; i < EDN_COUNT(fields); i++) {
        size_t n = strlen(fields[i].name), k = 0;
        while (k < n && p->at + k < p->text.n &&
               (p->text.p[p->at + k] | (fields[i].name[k] == ':' ? 0 : 32)) == fields[i].name[k])
            k++;
        if (k == n)
            return &fields[i];
    }
    return NULL;
}

static edn_query *date_node(parser *p, const field *f, size_t begin, size_t from, size_t to)
{
    edn_query *q = node(p, EDN_QUERY_DATE, begin, to);
    uint32_t first = 0, last = 0;

    if (!q)
        return NULL;
    if (!read_date(edn_bytes_of(p->text.p + from, to - from), &first, &last))
        return p->typing ? NULL : fail(p, EDN_E_INVALID, from, "this is not a date; write 2024, 2024-03 or 2024-03-15");
    q->from = f->kind == FIELD_TO ? 0 : first;
    q->to = f->kind == FIELD_FROM ? 0 : last;
    return q;
}

/* A tag or a journal: its name as a whole. */
static edn_query *name_node(parser *p, const field *f, size_t begin, size_t from, size_t to)
{
    uint8_t folded[EDN_TERM_SIZE_MAX];
    bool open = p->typing && to == p->text.n, tag = f->kind == FIELD_TAG;
    edn_query *q = node(p, tag ? EDN_QUERY_TERM : EDN_QUERY_JOURNAL, begin, to);
    size_t n;

    if (tag && to - from > 1 && p->text.p[from] == '#')
        from++;
    if (tag && to - from > 1 && p->text.p[to - 1] == '*') {
        to--;
        open = true;
    }
    n = edn_term_fold(edn_bytes_of(p->text.p + from, to - from), folded, sizeof folded);
    if (n == 0)
        return fail(p, EDN_E_INVALID, from, f->lacking);
    if (!q || !put_term(p, tag ? EDN_TERM_TAG : 0, edn_bytes_of(folded, n), &q->term))
        return NULL;
    if (tag && open)
        q->kind = EDN_QUERY_PREFIX;
    return q;
}

static edn_query *has_node(parser *p, size_t begin, size_t from, size_t to)
{
    edn_bytes value = edn_bytes_of(p->text.p + from, to - from);
    edn_query *q = node(p, EDN_QUERY_TERM, begin, to);

    if (!edn_bytes_equal(value, edn_bytes_str("attachment")))
        return p->typing ? NULL : fail(p, EDN_E_INVALID, from, "has: knows \"attachment\" only");
    return q && put_term(p, EDN_TERM_HAS, value, &q->term) ? q : NULL;
}

static edn_query *parse_field(parser *p, const field *f)
{
    size_t begin = p->at, from, to;

    p->at += strlen(f->name);
    if (!take_value(p, &from, &to))
        return NULL;
    if (from == to)
        return p->typing ? NULL : fail(p, EDN_E_INVALID, begin, f->lacking);
    switch (f->kind) {
    case FIELD_TITLE:
        return words_node(p, from, to, EDN_TERM_TITLE);
    case FIELD_TAG:
    case FIELD_JOURNAL:
        return name_node(p, f, begin, from, to);
    case FIELD_HAS:
        return has_node(p, begin, from, to);
    default:
        return date_node(p, f, begin, from, to);
    }
}

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

/* What can stand where a NOT cannot: beside nothing, and in an OR. */
static edn_query *positive(parser *p, edn_query *q)
{
    edn_query *all, *and;

    if (!q || q->kind != EDN_QUERY_NOT)
        return q;
    all = node(p, EDN_QUERY_ALL, q->at, q->at);
    and = node(p, EDN_QUERY_AND, q->at, q->at + q->size);
    if (!all || !and)
        return NULL;
    and->child = all;
    all->next = q;
    return and;
}

/* Puts `q` behind the others, of an AND all that are no NOT first. */
typedef struct siblings {
    edn_query *yes, *no;
    edn_query **yes_end, **no_end;
    size_t n;
} siblings;

static void add(siblings *s, edn_query *q)
{
    edn_query ***end = q->kind == EDN_QUERY_NOT ? &s->no_end : &s->yes_end;

    **end = q;
    *end = &q->next;
    s->n++;
}

static edn_query *join(parser *p, edn_query_kind kind, siblings *s, size_t from)
{
    edn_query *q;

    if (s->n <= 1)
        return s->yes ? s->yes : s->no;
    if (!s->yes) {
        edn_query *all = node(p, EDN_QUERY_ALL, from, from);
        if (!all)
            return NULL;
        add(s, all);
    }
    q = node(p, kind, from, p->at);
    if (!q)
        return NULL;
    *s->yes_end = s->no;
    q->child = s->yes;
    return q;
}

static edn_query *parse_group(parser *p)
{
    size_t open = p->at++;
    edn_query *q;

    p->groups++;
    q = parse_or(p);
    p->groups--;
    skip_blanks(p);
    if (p->st != EDN_OK)
        return NULL;
    if (p->at == p->text.n)
        return p->typing ? q : fail(p, EDN_E_INVALID, open, "this \"(\" is not closed; add a \")\"");
    p->at++;
    return q;
}

static edn_query *parse_not(parser *p);

static edn_query *parse_primary(parser *p)
{
    size_t behind, from, to;
    const field *f;
    uint32_t c = peek(p, &behind);

    if (c == '(')
        return parse_group(p);
    if (!is_quote(c) && (f = find_field(p)))
        return parse_field(p, f);
    return take_value(p, &from, &to) ? words_node(p, from, to, 0) : NULL;
}

static edn_query *negate(parser *p, size_t from)
{
    edn_query *q, *inner;

    skip_blanks(p);
    if (p->at == p->text.n || p->text.p[p->at] == ')')
        return p->typing ? NULL : fail(p, EDN_E_INVALID, from, "NOT needs something behind it that is not to be found");
    inner = parse_not(p);
    if (inner && inner->kind == EDN_QUERY_NOT)
        return inner->child;
    q = inner ? node(p, EDN_QUERY_NOT, from, p->at) : NULL;
    if (q)
        q->child = inner;
    return q;
}

static edn_query *parse_not(parser *p)
{
    size_t from = p->at, behind;
    edn_query *q;

    if (++p->depth > EDN_QUERY_DEPTH_MAX)
        return fail(p, EDN_E_LIMIT, from, "these parentheses and negations are nested too deep");
    if (p->text.p[from] == '-') {
        p->at++;
        q = p->at == p->text.n || is_blank(peek(p, &behind)) ? NULL : negate(p, from); /* a dash */
    } else {
        q = take(p, "NOT") ? negate(p, from) : parse_primary(p);
    }
    p->depth--;
    return q;
}

/* Operands up to OR, ")" or the end. */
static edn_query *parse_and(parser *p)
{
    siblings s = {.n = 0};
    size_t operands = 0, from;

    s.yes_end = &s.yes;
    s.no_end = &s.no;
    skip_blanks(p);
    for (from = p->at; p->st == EDN_OK; skip_blanks(p)) {
        edn_query *q;
        size_t at = p->at;
        if (at == p->text.n || (p->text.p[at] == ')' && (p->groups || !p->typing)))
            break;
        if (p->text.p[at] == ')') { /* one too many, so far */
            p->at++;
            continue;
        }
        if (take(p, "OR")) {
            p->at = at;
            break;
        }
        operands++;
        if (!take(p, "AND") && (q = parse_not(p)))
            add(&s, q);
    }
    if (operands == 0 && !p->typing)
        return fail(p, EDN_E_INVALID, p->at,
                    p->at == p->text.n ? "something to look for is missing at the end"
                                       : "something to look for is missing here");
    return p->st == EDN_OK ? join(p, EDN_QUERY_AND, &s, from) : NULL;
}

static edn_query *parse_or(parser *p)
{
    siblings s = {.n = 0};
    size_t from = p->at;

    s.yes_end = &s.yes;
    s.no_end = &s.no;
    for (;;) {
        edn_query *q = parse_and(p);
        bool more;
        skip_blanks(p);
        more = p->st == EDN_OK && take(p, "OR");
        if (q && (more || s.n))
            q = positive(p, q);
        if (q)
            add(&s, q);
        if (!more)
            return p->st == EDN_OK ? join(p, EDN_QUERY_OR, &s, from) : NULL;
    }
}

edn_status edn_query_parse(edn_arena *a, edn_bytes text, unsigned flags, edn_query **out, edn_query_error *error)
{
    parser p = {.a = a, .text = text, .typing = (flags & EDN_QUERY_TYPING) != 0, .error = error};
    edn_query *q;
    size_t bad = edn_utf8_check(text, NULL);

    *out = NULL;
    *error = (edn_query_error){0, ""};
    if (text.n > EDN_QUERY_SIZE_MAX)
        (void)fail(&p, EDN_E_LIMIT, EDN_QUERY_SIZE_MAX, "the query is too long");
    else if (bad != text.n)
        (void)fail(&p, EDN_E_UTF8, bad, "this is not UTF-8");
    if (p.st != EDN_OK)
        return p.st;
    skip_blanks(&p);
    if (p.at == text.n && !p.typing)
        (void)fail(&p, EDN_E_INVALID, 0, nothing);
    q = p.st == EDN_OK ? parse_or(&p) : NULL;
    if (p.st == EDN_OK && p.at < p.text.n)
        (void)fail(&p, EDN_E_INVALID, p.at, "there is no \"(\" for this \")\"");
    if (p.st == EDN_OK && !q && !p.typing)
        (void)fail(&p, EDN_E_INVALID, 0, nothing);
    if (p.st == EDN_OK && !q)
        q = node(&p, EDN_QUERY_ALL, 0, 0);
    q = positive(&p, q);
    if (p.st == EDN_OK)
        *out = q;
    return p.st;
}
