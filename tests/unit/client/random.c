/* Three devices do things at random, over a network that loses answers and a server that is put back to older
 * states: in the end all hold the same diary, byte for byte, and every word that nobody deleted. */
#include "diarist.h"

enum { DEVICES = 3, OPS = 220, ENTRIES_MAX = OPS };

typedef struct town {
    world *w;
    edn_client *c[DEVICES];
    check_rng rng;
    edn_entry_id ids[ENTRIES_MAX];
    size_t ids_n;
    unsigned tokens; /* words written so far; none is ever taken out of a text */
    bool saved;
} town;

static const char *const names[DEVICES] = {"a", "b", "c"};

static void new_token(town *t, char out[16]) { snprintf(out, 16, "[%05u]", t->tokens++); }

static void write_entry(town *t, edn_client *c)
{
    char token[16];

    new_token(t, token);
    t->ids[t->ids_n++] = diary_add(c, check_below(&t->rng, 2) ? "1660-01-01" : "1661-02-02", "", token);
}

/* A word is put into the text somewhere. EDN_E_MISSING: this device has not heard of the entry. */
static void write_word(town *t, edn_client *c, const edn_entry_id *id)
{
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED), now = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    char token[16];
    size_t at;

    if (edn_client_show(c, id, diary_put_text, &text, NULL) == EDN_OK) {
        new_token(t, token);
        at = 7 * check_below(&t->rng, text.n / 7 + 1); /* between words: all have 7 bytes */
        edn_put_bytes(&now, text.p, at);
        edn_put_str(&now, token);
        edn_put_bytes(&now, text.p + at, text.n - at);
        CHECK_OK(edn_client_edit(c, id, EDN_BYTES_EMPTY, edn_buf_view(&now), NULL));
    }
    edn_buf_dispose(&text);
    edn_buf_dispose(&now);
}

static void known_or_ok(edn_status st) { CHECK(st == EDN_OK || st == EDN_E_MISSING || st == EDN_E_EXISTS); }

static void sync_maybe(town *t, edn_client *c)
{
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    t->w->lose_answer = check_below(&t->rng, 3) ? 0 : t->w->exchanges + 1 + check_below(&t->rng, 5);
    st = edn_client_sync(c, NULL, &r, &err);
    CHECK(st == EDN_OK || (st == EDN_E_NETWORK && t->w->lose_answer));
    t->w->lose_answer = 0;
}

static void step(town *t)
{
    edn_client *c = t->c[check_below(&t->rng, DEVICES)];
    const edn_entry_id *id = &t->ids[check_below(&t->rng, t->ids_n)];
    edn_journal_id journal;
    char name[32];

    t->w->now_ms += check_below(&t->rng, 100000);
    switch (check_below(&t->rng, 12)) {
    case 0:
        write_entry(t, c);
        break;
    case 1:
        known_or_ok(edn_client_tag(c, id, edn_bytes_str("sea"), check_below(&t->rng, 2), NULL));
        break;
    case 2:
        known_or_ok(edn_client_remove(c, id, NULL));
        break;
    case 3:
        known_or_ok(edn_client_undelete(c, id, NULL));
        break;
    case 4:
        snprintf(name, sizeof name, "journal %u", (unsigned)check_below(&t->rng, 4));
        if (edn_client_journal_find(c, name, &journal, NULL) == EDN_OK)
            known_or_ok(edn_client_move(c, id, &journal, NULL));
        else
            known_or_ok(edn_client_journal_new(c, edn_bytes_str(name), &journal, NULL));
        break;
    case 5:
        known_or_ok(edn_client_set(c, id, edn_bytes_str("title"), edn_bytes_str(names[check_below(&t->rng, 3)]), NULL));
        break;
    case 6:
        if (check_below(&t->rng, 5) == 0 || !t->saved)
            world_server_save(t->w, "backup");
        else if (check_below(&t->rng, 3) == 0)
            world_server_restore(t->w, "backup");
        t->saved = true;
        break;
    case 7:
    case 8:
        sync_maybe(t, c);
        break;
    default:
        write_word(t, c, id);
    }
}

static void check_end(town *t)
{
    edn_buf all;
    char token[16];

    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < DEVICES; i++)
            CHECK(diary_sync(t->c[i]).synced || round < 2);
    diary_check_same(t->c[0], t->c[1]);
    diary_check_same(t->c[0], t->c[2]);
    all = diary_bytes(t->c[2]);
    for (unsigned i = 0; i < t->tokens; i++) {
        snprintf(token, sizeof token, "[%05u]", i);
        CHECK_INT(diary_count(edn_buf_view(&all), token), 1);
    }
    edn_buf_dispose(&all);
    for (size_t i = 0; i < DEVICES; i++) {
        diary_check_verified(t->c[i]);
        CHECK_INT(diary_findings(t->c[i], EDN_E_FORK), 0);
        CHECK_INT(diary_findings(t->c[i], EDN_E_CLONE), 0);
    }
}

static void three_devices_agree_in_the_end_and_have_lost_no_word(void **state)
{
    town t = {.w = world_of_two(), .rng = {check_seed()}};

    (void)state;
    t.c[0] = world_open(t.w, "a");
    t.c[1] = world_open(t.w, "b");
    t.c[2] = world_login(t.w, "c");
    write_entry(&t, t.c[0]);
    for (size_t i = 0; i < OPS; i++)
        step(&t);
    check_end(&t);
    for (size_t i = 0; i < DEVICES; i++)
        edn_client_close(t.c[i]);
    world_free(t.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(three_devices_agree_in_the_end_and_have_lost_no_word)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
