/* What a revoked device had sent and nobody had seen: it counts for nothing, is told of once, waits for a person on
 * every device, and what is decided on one holds on all. */
#include "check.h"

#include <edn/quarantine.h>

#include "client/client_priv.h"
#include "world.h"

static edn_entry_id add_in(edn_client *c, const char *date, const char *text, const edn_journal_id *j)
{
    edn_draft d = {.date = edn_bytes_str(date), .text = edn_bytes_str(text), .journal = j};
    edn_entry_id id;
    edn_err err = {EDN_OK, ""};

    CHECK_OK(edn_client_add(c, &d, &id, &err));
    return id;
}

static edn_entry_id add(edn_client *c, const char *date, const char *text) { return add_in(c, date, text, NULL); }

static void edit(edn_client *c, const edn_entry_id *id, const char *text)
{
    CHECK_OK(edn_client_edit(c, id, EDN_BYTES_EMPTY, edn_bytes_str(text), NULL));
}

typedef struct told {
    unsigned n;
    edn_finding last;
} told;

static void on_finding(void *ctx, const edn_finding *f)
{
    told *t = ctx;

    t->n++;
    t->last = *f;
}

static edn_sync_result sync_told(edn_client *c, told *t)
{
    edn_sync_options o = {.on_finding = on_finding, .ctx = t};
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_client_sync(c, &o, &r, &err);

    if (st != EDN_OK)
        print_error("sync: %s\n", err.text);
    CHECK_OK(st);
    CHECK(r.synced);
    CHECK_INT(r.findings, t->n);
    return r;
}

static void sync_ok(edn_client *c)
{
    told t = {.n = 0};

    sync_told(c, &t);
    if (t.n)
        print_error("%s\n", t.last.text);
    CHECK_INT(t.n, 0);
}

static void sync_once_told(edn_client *c)
{
    told t = {.n = 0};

    sync_told(c, &t);
    CHECK_INT(t.n, 1);
    CHECK_STATUS(t.last.status, EDN_E_SIGNER_REVOKED);
    CHECK(strstr(t.last.text, "'edn quarantine list'"));
}

static edn_status put_entry(void *ctx, const edn_entry *e)
{
    edn_put_bytes(ctx, e->id.b, sizeof e->id.b);
    edn_put_lp(ctx, e->date);
    edn_put_lp(ctx, e->title);
    edn_put_lp(ctx, e->text);
    edn_put_u8(ctx, e->deleted);
    for (size_t i = 0; i < e->fields_n; i++)
        edn_put_lp(ctx, e->fields[i].value);
    for (size_t i = 0; i < e->tags_n; i++)
        edn_put_lp(ctx, e->tags[i]);
    return EDN_OK;
}

static edn_buf diary_of(edn_client *c)
{
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_filter f = {.deleted = true};

    CHECK_OK(edn_client_export(c, &f, put_entry, &out, NULL, NULL));
    return out;
}

static void check_same_diary(edn_client *a, edn_client *b)
{
    edn_buf x = diary_of(a), y = diary_of(b);

    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
}

static void check_diary_is(edn_client *c, edn_buf *was)
{
    edn_buf now = diary_of(c);

    CHECK_BYTES(edn_buf_view(&now), edn_buf_view(was));
    edn_buf_dispose(&now);
    edn_buf_dispose(was);
}

static edn_status keep_text(void *ctx, const edn_entry *e)
{
    edn_put_bytes(ctx, e->text.p, e->text.n);
    return EDN_OK;
}

static void check_text(edn_client *c, const edn_entry_id *id, const char *want)
{
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_client_show(c, id, keep_text, &text, NULL));
    CHECK_BYTES(edn_buf_view(&text), edn_bytes_str(want));
    edn_buf_dispose(&text);
}

static edn_status field_kept_from(void *ctx, const edn_entry *e)
{
    for (size_t i = 0; i < e->fields_n; i++)
        if (edn_bytes_equal(e->fields[i].name, edn_bytes_str("kept-from")))
            edn_put_bytes(ctx, e->fields[i].value.p, e->fields[i].value.n);
    return EDN_OK;
}

/* "a" made the account, "b" and "c" joined it. The diary has two entries; all have synced. */
typedef struct three {
    world *w;
    edn_client *a, *b, *c;
    char b_id[33];
    edn_entry_id old, other;
    bool ran;
} three;

static three three_open(void)
{
    three t = {.w = world_of_two()};

    t.a = world_open(t.w, "a");
    t.b = world_open(t.w, "b");
    t.c = world_login(t.w, "c");
    edn_client_device_id(t.b, t.b_id);
    t.old = add(t.a, "1660-01-01", "Up betimes, and to the office.");
    t.other = add(t.a, "1660-01-02", "Dined at home.");
    for (int i = 0; i < 2; i++) {
        sync_ok(t.a);
        sync_ok(t.b);
        sync_ok(t.c);
    }
    return t;
}

static void three_close(three *t)
{
    edn_client_close(t->a);
    edn_client_close(t->b);
    edn_client_close(t->c);
    world_free(t->w);
}

/* The server has it when the link that revokes "b" comes, and who made that link has not seen it. */
static void b_is_quicker(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    three *t = ctx;
    edn_sync_result r;

    (void)answer;
    if (t->ran || strcmp(rq->path, "/v1/pull") != 0)
        return;
    t->ran = true;
    w->tamper = NULL;
    CHECK_OK(edn_client_sync(t->b, NULL, &r, NULL));
    CHECK(r.batches_sent > 0);
    w->tamper = b_is_quicker;
}

static void revoke_b_too_late(three *t)
{
    edn_err err = {EDN_OK, ""};
    edn_sync_result r;

    t->w->tamper = b_is_quicker;
    t->w->tamper_ctx = t;
    t->ran = false;
    CHECK_OK(edn_client_device_revoke(t->a, t->b_id, edn_bytes_str(WORLD_PASSPHRASE), &err));
    CHECK(t->ran);
    t->w->tamper = NULL;
    CHECK_STATUS(edn_client_sync(t->b, NULL, &r, NULL), EDN_E_DENIED);
}

/* ---- what is in quarantine --------------------------------------------------------------------------------------- */

typedef struct seen {
    edn_quarantined item[16];
    char title[16][64], device_name[64];
    size_t n;
} seen;

static edn_status see(void *ctx, const edn_quarantined *q)
{
    seen *s = ctx;

    CHECK(s->n < EDN_COUNT(s->item) && q->title.n < sizeof s->title[0] && q->device_name.n < sizeof s->device_name);
    if (q->title.n)
        memcpy(s->title[s->n], q->title.p, q->title.n);
    if (q->device_name.n)
        memcpy(s->device_name, q->device_name.p, q->device_name.n);
    s->item[s->n++] = *q;
    return EDN_OK;
}

static seen quarantine_of(edn_client *c)
{
    seen s = {.n = 0};
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_client_quarantine(c, see, &s, &err);

    if (st != EDN_OK)
        print_error("quarantine: %s\n", err.text);
    CHECK_OK(st);
    return s;
}

static const edn_quarantined *item_of(const seen *s, const edn_entry_id *id)
{
    for (size_t i = 0; i < s->n; i++)
        if (memcmp(s->item[i].id.b, id->b, sizeof id->b) == 0)
            return &s->item[i];
    fail();
    return NULL;
}

static uint64_t batches_in(edn_client *c)
{
    edn_client_status s;

    CHECK_OK(edn_client_status_get(c, &s, NULL));
    CHECK(s.synced);
    CHECK_INT(s.set_aside, 0);
    return s.quarantined;
}

static edn_status no_hit(void *ctx, const edn_hit *hit)
{
    (void)ctx;
    (void)hit;
    fail();
    return EDN_OK;
}

static edn_status put_piece(void *ctx, edn_piece_kind kind, edn_bytes text)
{
    edn_put_u8(ctx, (uint8_t) "=-+"[kind]);
    edn_put_bytes(ctx, text.p, text.n);
    return EDN_OK;
}

static edn_status ignore_entry(void *ctx, const edn_entry *e)
{
    (void)ctx;
    (void)e;
    return EDN_OK;
}

static void check_shown(edn_client *c, const char *device, const edn_entry_id *id, const char *want)
{
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_client_quarantine_show(c, device, id, keep_text, NULL, &text, NULL));
    edn_buf_reset(&text);
    CHECK_OK(edn_client_quarantine_show(c, device, id, ignore_entry, put_piece, &text, NULL));
    CHECK_BYTES(edn_buf_view(&text), edn_bytes_str(want));
    edn_buf_dispose(&text);
}

/* Batches that pulls bring. */
static void count_brought(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_msg_pulled m;

    (void)w;
    if (strcmp(rq->path, "/v1/pull") == 0 && answer->status == 200) {
        CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&answer->body), &m));
        *(size_t *)ctx += m.batches_n;
    }
    edn_arena_dispose(&a);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void it_counts_for_nothing_is_told_once_and_shows_what_it_would_be(void **state)
{
    three t = three_open();
    edn_entry_id fresh, fresh_in_own;
    edn_journal_id j;
    edn_buf was;
    const edn_quarantined *q;
    edn_journal_key key;
    size_t brought = 0;
    edn_sync_result r;
    seen s;

    (void)state;
    CHECK_OK(edn_client_journal_new(t.b, edn_bytes_str("Of b alone"), &j, NULL));
    fresh = add(t.b, "1660-01-05", "A week alone with a zephyr.");
    fresh_in_own = add_in(t.b, "1660-01-06", "In a journal that nobody knows.", &j);
    CHECK_OK(edn_client_set(t.b, &fresh, edn_bytes_str("title"), edn_bytes_str("Zephyr"), NULL));
    edit(t.b, &t.old, "Up betimes, and by water to the office.");
    CHECK_OK(edn_client_remove(t.b, &t.other, NULL));
    was = diary_of(t.a);
    revoke_b_too_late(&t);
    sync_once_told(t.a);
    sync_ok(t.a);
    check_diary_is(t.a, &was);
    CHECK_OK(edn_client_search(t.a, edn_bytes_str("zephyr"), NULL, no_hit, NULL, NULL, NULL));
    CHECK_INT(batches_in(t.a), 1);
    s = quarantine_of(t.a);
    CHECK_INT(s.n, 4);
    CHECK_BYTES(edn_bytes_str(s.device_name), edn_bytes_str("b"));
    q = item_of(&s, &fresh);
    CHECK_OK(q->status);
    CHECK(!q->known && !q->removed && q->size > 0 && q->written_ms > 0);
    CHECK_INT(q->inserted, strlen("A week alone with a zephyr."));
    CHECK_BYTES(edn_bytes_str(s.title[q - s.item]), edn_bytes_str("Zephyr"));
    CHECK(strcmp(q->device, t.b_id) == 0);
    CHECK_OK(item_of(&s, &fresh_in_own)->status);
    q = item_of(&s, &t.old);
    CHECK(q->known && !q->removed);
    CHECK_INT(q->inserted, strlen("by water "));
    CHECK_INT(q->deleted, 0);
    CHECK(item_of(&s, &t.other)->removed);
    check_shown(t.a, t.b_id, &t.old, "=Up betimes, and +by water =to the office.");
    check_shown(t.a, t.b_id, &fresh, "+A week alone with a zephyr.");
    /* It is not asked for again, even when all is. */
    t.w->tamper = count_brought;
    t.w->tamper_ctx = &brought;
    CHECK_OK(client_sync(t.a, NULL, true, &r, NULL));
    CHECK_INT(r.findings, 0);
    CHECK_INT(brought, 0);
    t.w->tamper = NULL;
    /* Looking has left nothing behind, and no key of a journal that only b knew. */
    CHECK_OK(client_begin_read(t.a, NULL));
    for (uint32_t epoch = 0; epoch < 4; epoch++)
        CHECK_STATUS(keys_journal(t.a, &j, epoch, 0, &key), EDN_E_MISSING);
    CHECK_OK(client_end_read(t.a, EDN_OK, NULL));
    was = diary_of(t.c);
    check_diary_is(t.a, &was);
    CHECK_OK(edn_client_search(t.a, edn_bytes_str("zephyr"), NULL, no_hit, NULL, NULL, NULL));
    sync_once_told(t.c);
    sync_ok(t.c);
    CHECK_INT(quarantine_of(t.c).n, 4);
    three_close(&t);
}

static void what_is_kept_on_one_device_all_have_and_the_quarantine_is_empty(void **state)
{
    three t = three_open();
    edn_client *d;
    edn_entry_id fresh, inner;
    edn_journal_id j;
    edn_buf from = EDN_BUF_INIT(256);
    uint64_t kept;

    (void)state;
    CHECK_OK(edn_client_journal_new(t.b, edn_bytes_str("Of b alone"), &j, NULL));
    fresh = add(t.b, "1660-01-05", "A week alone.");
    inner = add_in(t.b, "1660-01-06", "In a journal that nobody knows.", &j);
    edit(t.b, &t.old, "Up betimes, and by water to the office.");
    CHECK_OK(edn_client_tag(t.b, &t.old, edn_bytes_str("sea"), true, NULL));
    revoke_b_too_late(&t);
    edit(t.c, &t.old, "Up betimes, and to the office. Snow.");
    sync_once_told(t.c);
    sync_once_told(t.a);
    CHECK_OK(edn_client_quarantine_keep(t.a, t.b_id, NULL, &kept, NULL));
    CHECK_INT(kept, 3);
    CHECK_INT(quarantine_of(t.a).n, 0);
    sync_ok(t.a);
    CHECK_INT(batches_in(t.a), 0);
    sync_ok(t.c);
    sync_ok(t.a);
    CHECK_INT(batches_in(t.c), 0);
    CHECK_INT(quarantine_of(t.c).n, 0);
    check_same_diary(t.a, t.c);
    check_text(t.c, &fresh, "A week alone.");
    check_text(t.c, &inner, "In a journal that nobody knows.");
    check_text(t.c, &t.old, "Up betimes, and by water to the office. Snow.");
    CHECK_OK(edn_client_show(t.c, &fresh, field_kept_from, &from, NULL));
    CHECK_INT(from.n, 10);
    CHECK_BYTES(edn_bytes_of(from.p, 2), edn_bytes_str("b "));
    CHECK(memcmp(from.p + 2, t.b_id, 8) == 0);
    /* Who comes new is given it by the server too, and has nothing to decide. */
    d = world_login(t.w, "d");
    sync_ok(d);
    CHECK_INT(batches_in(d), 0);
    check_same_diary(t.a, d);
    edn_client_close(d);
    edn_buf_dispose(&from);
    three_close(&t);
}

static void what_is_dropped_on_one_device_is_gone_from_all(void **state)
{
    three t = three_open();
    edn_buf was;

    (void)state;
    was = diary_of(t.c);
    add(t.b, "1660-01-05", "A thief was here.");
    edit(t.b, &t.old, "");
    revoke_b_too_late(&t);
    sync_once_told(t.c);
    sync_once_told(t.a);
    CHECK_OK(edn_client_quarantine_drop(t.c, t.b_id, NULL, NULL));
    CHECK_INT(batches_in(t.a), 1);
    sync_ok(t.c);
    sync_ok(t.a);
    CHECK_INT(batches_in(t.a), 0);
    CHECK_INT(batches_in(t.c), 0);
    CHECK_STATUS(edn_client_quarantine_drop(t.a, t.b_id, NULL, NULL), EDN_E_MISSING);
    check_same_diary(t.a, t.c);
    check_diary_is(t.c, &was);
    three_close(&t);
}

/* A thief's deletion beside the owner's week. */
static void entries_are_decided_one_by_one(void **state)
{
    three t = three_open();
    edn_entry_id fresh, junk;
    uint64_t kept;
    seen s;

    (void)state;
    fresh = add(t.b, "1660-01-05", "A week alone.");
    junk = add(t.b, "1660-01-06", "Ha ha.");
    CHECK_OK(edn_client_remove(t.b, &t.other, NULL));
    revoke_b_too_late(&t);
    sync_once_told(t.a);
    CHECK_OK(edn_client_quarantine_keep(t.a, t.b_id, &fresh, &kept, NULL));
    CHECK_INT(kept, 1);
    CHECK_STATUS(edn_client_quarantine_keep(t.a, t.b_id, &fresh, &kept, NULL), EDN_E_MISSING);
    sync_ok(t.a);
    sync_once_told(t.c);
    s = quarantine_of(t.c); /* the decision of one entry came with it */
    CHECK_INT(s.n, 2);
    CHECK_OK(edn_client_quarantine_drop(t.c, t.b_id, &junk, NULL));
    CHECK_INT(quarantine_of(t.c).n, 1);
    CHECK_OK(edn_client_quarantine_drop(t.c, t.b_id, &t.other, NULL));
    CHECK_INT(batches_in(t.a), 1);
    sync_ok(t.c);
    CHECK_INT(batches_in(t.c), 0); /* that was the last */
    sync_ok(t.a);
    CHECK_INT(batches_in(t.a), 0);
    check_same_diary(t.a, t.c);
    check_text(t.c, &fresh, "A week alone.");
    check_text(t.c, &t.other, "Dined at home.");
    three_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_counts_for_nothing_is_told_once_and_shows_what_it_would_be),
        cmocka_unit_test(what_is_kept_on_one_device_all_have_and_the_quarantine_is_empty),
        cmocka_unit_test(what_is_dropped_on_one_device_is_gone_from_all),
        cmocka_unit_test(entries_are_decided_one_by_one),
    };

    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
