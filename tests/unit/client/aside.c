/* Records that cannot be applied when they come: they wait, or are refused, and say so; and what they are moves. */
#include "check.h"

#include <time.h>

#include "client/client_priv.h"
#include "world.h"

/* A batch of `from`, as a sync would hand it to another device. */
typedef struct letter {
    edn_arena a;
    edn_sync_batch b;
} letter;

static void write_letter(edn_client *from, letter *out)
{
    const edn_head *head;
    heads h;
    uint64_t n;

    out->a = edn_arena_init(EDN_BUF_UNLIMITED);
    CHECK_OK(client_begin_write(from, NULL));
    CHECK_OK(outbox_build(from, &n));
    CHECK_INT(n, 1);
    CHECK_OK(heads_load(from, &h));
    head = edn_heads_find(h.p, h.n, &client_id(from)->device);
    CHECK(head);
    CHECK_OK(batch_reopen(from, &head->device, head->dseq, &out->a, &out->b.batch, &out->b.body));
    out->b.hash = head->hash;
    heads_dispose(&h);
    CHECK_OK(client_end_write(from, EDN_OK, NULL));
}

static void letter_free(letter *l) { edn_arena_dispose(&l->a); }

static void give(edn_client *to, letter *l)
{
    edn_sync_action save = {.batches = &l->b, .batches_n = 1};
    inbox_figures f = {.records = 0};

    CHECK_OK(client_begin_write(to, NULL));
    CHECK_OK(inbox_save(to, &save, &f));
    CHECK_OK(client_end_write(to, EDN_OK, NULL));
}

static edn_client_status status_of(edn_client *c)
{
    edn_client_status s;

    CHECK_OK(edn_client_status_get(c, &s, NULL));
    return s;
}

static void add_entries(edn_client *c, const edn_journal_id *j, size_t n)
{
    static char text[8000];
    edn_draft d = {.date = edn_bytes_str("2024-05-17"), .journal = j};

    CHECK_OK(client_begin_write(c, NULL));
    for (size_t i = 0; i < n; i++) {
        edn_entry_id id;
        client_random(c, id.b, sizeof id.b);
        for (size_t k = 0; k + 1 < sizeof text;
             k++) /* nothing that a dictionary could be learnt from, or that packs well */
            text[k] = (char)('!' + (id.b[k % 16] * 31u + k * k / 7u + i) % 90u);
        d.text = edn_bytes_str(text);
        CHECK_OK(entry_create(c, &id, &d, client_now(c)));
    }
    CHECK_OK(client_end_write(c, EDN_OK, NULL));
}

static uint32_t key_now(edn_client *c, const edn_journal_id *j, edn_journal_key *out)
{
    uint32_t epoch;
    bool made;

    CHECK_OK(client_begin_write(c, NULL));
    CHECK_OK(keys_journal_current(c, j, &epoch, out, &made));
    CHECK(!made);
    CHECK_OK(client_end_write(c, EDN_OK, NULL));
    return epoch;
}

/* The keys of a journal's epoch here become these. */
static void set_keys(edn_client *c, const edn_journal_id *j, uint32_t epoch, const edn_journal_key *keys, size_t n)
{
    uint8_t salt[20];

    memcpy(salt, j->b, sizeof j->b);
    edn_store_u32(salt + 16, epoch);
    CHECK_OK(client_begin_write(c, NULL));
    CHECK_OK(meta_del(c, "journal-key", edn_bytes_of(salt, sizeof salt)));
    keys_forget(c->keys);
    for (size_t i = 0; i < n; i++)
        CHECK_OK(keys_journal_add(c, j, epoch, 1, &keys[i]));
    CHECK_OK(client_end_write(c, EDN_OK, NULL));
}

static uint64_t aside_findings(edn_client *c)
{
    edn_client_status s = status_of(c);
    uint64_t n = 0;

    for (size_t i = 0; i < s.findings_n; i++)
        n += strstr(s.findings[i].text, "was set aside") != NULL;
    return n;
}

enum { ENTRIES = 20 };

static void what_waited_and_is_refused_says_so_and_what_is_taken_at_last_no_longer(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *b = world_open(w, "b");
    edn_sync_result r;
    edn_journal_id j;
    edn_journal_key keys[2];
    letter l;
    uint64_t entries;
    uint32_t epoch;

    CHECK_OK(edn_client_journal_new(a, edn_bytes_str("other"), &j, NULL));
    add_entries(a, &j, 1); /* takes the key along */
    CHECK_OK(edn_client_sync(a, NULL, &r, NULL));
    CHECK_OK(edn_client_sync(b, NULL, &r, NULL));
    CHECK_OK(edn_client_sync(a, NULL, &r, NULL));
    entries = status_of(b).entries;
    epoch = key_now(b, &j, &keys[0]);
    memset(&keys[1], 7, sizeof keys[1]);

    set_keys(b, &j, epoch, NULL, 0);
    add_entries(a, &j, ENTRIES);
    write_letter(a, &l);
    give(b, &l);
    letter_free(&l);
    CHECK_INT(status_of(b).set_aside, ENTRIES); /* they wait for the key */
    CHECK_INT(aside_findings(b), 0);

    set_keys(b, &j, epoch, &keys[1], 1); /* a wrong one comes */
    add_entries(a, NULL, 1);
    write_letter(a, &l);
    give(b, &l);
    letter_free(&l);
    CHECK_INT(status_of(b).set_aside, ENTRIES);
    CHECK_INT(aside_findings(b), ENTRIES);
    CHECK_INT(status_of(b).findings[0].status, EDN_E_AUTH);
    CHECK_INT(status_of(b).entries, entries + 1);

    set_keys(b, &j, epoch, keys, 2); /* and the right one */
    add_entries(a, NULL, 1);
    write_letter(a, &l);
    give(b, &l);
    letter_free(&l);
    CHECK_INT(status_of(b).set_aside, 0);
    CHECK_INT(aside_findings(b), 0);
    CHECK_INT(status_of(b).entries, entries + 2 + ENTRIES);
    edn_client_close(a);
    edn_client_close(b);
    world_free(w);
}

/* Of this thread: what others do at the same time does not count. */
static double cpu_s(void)
{
    struct timespec t;

    CHECK_INT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_batch_is_opened_once_for_all_of_its_records(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *b = world_open(w, "b");
    edn_sync_result r;
    edn_journal_id j;
    letter l, next;
    edn_arena arena = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_batch batch;
    edn_body body;
    edn_journal_key key;
    double once, all;

    CHECK_OK(edn_client_journal_new(a, edn_bytes_str("other"), &j, NULL));
    add_entries(a, &j, 1);
    CHECK_OK(edn_client_sync(a, NULL, &r, NULL));
    CHECK_OK(edn_client_sync(b, NULL, &r, NULL));
    CHECK_OK(edn_client_sync(a, NULL, &r, NULL));
    set_keys(b, &j, key_now(b, &j, &key), NULL, 0);
    add_entries(a, &j, 400);
    write_letter(a, &l);
    give(b, &l);
    CHECK_INT(status_of(b).set_aside, 400);
    add_entries(a, NULL, 1);
    write_letter(a, &next);
    CHECK_OK(client_begin_read(b, NULL));
    once = cpu_s();
    CHECK_OK(batch_reopen(b, &l.b.batch.header.device, l.b.batch.header.dseq, &arena, &batch, &body));
    once = cpu_s() - once;
    CHECK_OK(client_end_read(b, EDN_OK, NULL));
    all = cpu_s();
    give(b, &next);
    all = cpu_s() - all;
    CHECK_INT(status_of(b).set_aside, 400);
    if (all > 40 * once + 0.05)
        print_error("opening the batch takes %.4f s, trying its 400 records again %.4f s\n", once, all);
    CHECK(all <= 40 * once + 0.05); /* one by one it would be 400 times */
    edn_arena_dispose(&arena);
    letter_free(&l);
    letter_free(&next);
    edn_client_close(a);
    edn_client_close(b);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waited_and_is_refused_says_so_and_what_is_taken_at_last_no_longer),
        cmocka_unit_test(a_batch_is_opened_once_for_all_of_its_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
