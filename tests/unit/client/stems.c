/* Searching with endings of languages: all that has another form of a word, found by reading, and behind what has it as
 * it is. */
#include "client/finding/stemmer.h"

#include "diarist.h"
#include "search/words.h"

#define ENTRIES 120u

static const char *const stems[] = {"walk", "talk", "paint", "journey", "letter", "garden", "pony", "nation"};
static const char *const endings[] = {"", "s", "ed", "ing", "er"};

typedef struct reading {
    void *stemmer;
    const char *word;
    char exact[ENTRIES], kin[ENTRIES]; /* by entry: whether it has the word, or another form */
    edn_entry_id ids[ENTRIES];
    size_t order[ENTRIES], n;
} reading;

static size_t number_of(const reading *r, const edn_entry_id *id)
{
    size_t i = 0;

    while (memcmp(r->ids[i].b, id->b, sizeof id->b) != 0)
        i++;
    return i;
}

static edn_status read_entry(void *ctx, const edn_entry *e)
{
    reading *r = ctx;
    uint8_t want[EDN_TERM_SIZE_MAX], got[EDN_TERM_SIZE_MAX];
    edn_bytes word = edn_bytes_str(r->word), stem = {want, stemmer_stem(r->stemmer, word, want)};
    size_t i = number_of(r, &e->id);
    edn_words w;
    edn_word one;

    edn_words_init(&w, e->text);
    while (edn_words_next(&w, &one)) {
        r->exact[i] |= edn_bytes_equal(one.term, word);
        r->kin[i] |= edn_bytes_equal(edn_bytes_of(got, stemmer_stem(r->stemmer, one.term, got)), stem);
    }
    return EDN_OK;
}

static edn_status take_hit(void *ctx, const edn_hit *hit)
{
    reading *r = ctx;

    CHECK(hit->marks_n > 0);
    r->order[r->n++] = number_of(r, &hit->entry->id);
    return EDN_OK;
}

static void as_read(edn_client *c, reading *r)
{
    edn_search_options o = {.stem = "english"};
    edn_search_result found;
    size_t exact = 0, kin = 0;

    memset(r->exact, 0, sizeof r->exact);
    memset(r->kin, 0, sizeof r->kin);
    r->n = 0;
    CHECK_OK(edn_client_export(c, NULL, read_entry, r, NULL, NULL));
    CHECK_OK(edn_client_search(c, edn_bytes_str(r->word), &o, take_hit, r, &found, NULL));
    for (size_t i = 0; i < ENTRIES; i++) {
        exact += r->exact[i] != 0;
        kin += r->kin[i] != 0;
    }
    CHECK_INT(found.found, kin);
    CHECK_INT(r->n, kin);
    for (size_t i = 0; i < r->n; i++)
        CHECK(i < exact ? r->exact[r->order[i]] : r->kin[r->order[i]] && !r->exact[r->order[i]]);
}

static void other_forms_are_found_behind_the_word_itself(void **state)
{
    (void)state;
    if (!edn_client_stemming())
        skip();
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    check_rng rng = {check_seed()};
    stemmer english;
    reading r = {0};

    CHECK_OK(stemmer_init(&english, "english", NULL));
    r.stemmer = english.of[0];
    for (size_t i = 0; i < ENTRIES; i++) {
        char text[256] = "";
        for (size_t k = 0, n = 0; k < 1 + check_below(&rng, 5); k++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s ", stems[check_below(&rng, EDN_COUNT(stems))],
                                  endings[check_below(&rng, EDN_COUNT(endings))]);
        r.ids[i] = diary_add(a, "2001-02-03", "", text);
    }
    for (size_t i = 0; i < 2 * EDN_COUNT(stems); i++) {
        char word[32];
        snprintf(word, sizeof word, "%s%s", stems[i % EDN_COUNT(stems)], endings[check_below(&rng, 5)]);
        r.word = word;
        as_read(a, &r);
        diary_edit(a, &r.ids[check_below(&rng, ENTRIES)], "walking letters");
    }
    stemmer_dispose(&english);
    edn_client_close(a);
    world_free(w);
}

static uint64_t count(edn_client *c, const char *query, const char *stem)
{
    edn_search_options o = {.stem = stem};
    edn_search_result r;

    CHECK_OK(edn_client_search(c, edn_bytes_str(query), &o, NULL, NULL, &r, NULL));
    return r.found;
}

static void languages_are_told_apart_and_quotes_taken_as_they_are(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_search_options o = {.stem = "klingon"};
    edn_search_result r;
    edn_err err;

    CHECK_STATUS(edn_client_search(a, edn_bytes_str("walk"), &o, NULL, NULL, &r, &err), EDN_E_INVALID);
    CHECK(strstr(err.text, edn_client_stemming() ? "klingon" : "without libstemmer") != NULL);
    diary_add(a, "2001-01-01", "Walks", "We walked to the old houses");
    diary_add(a, "2001-01-02", "", "Die H\xc3\xa4user am Meer");
    if (edn_client_stemming()) {
        CHECK_INT(count(a, "walking house", "english"), 1);
        CHECK_INT(count(a, "walking house", NULL), 0);
        CHECK_INT(count(a, "title:walking", "english"), 1);
        CHECK_INT(count(a, "title:houses", "english"), 0);
        CHECK_INT(count(a, "\"walk to\"", "english"), 0);
        CHECK_INT(count(a, "old -walk", "english"), 1);
        CHECK_INT(count(a, "haus", "german"), 1);
        CHECK_INT(count(a, "haus", "english"), 0);
        CHECK_INT(count(a, "haus OR walking", "english,german"), 2);
    }
    edn_client_close(a);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_forms_are_found_behind_the_word_itself),
        cmocka_unit_test(languages_are_told_apart_and_quotes_taken_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
