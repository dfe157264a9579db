/* Each allocation of a client fails: once, and from there on. What was asked for is refused as memory that ran out, and
 * changes nothing: the same call on the same handle then succeeds, the diary is what it should be, nothing is left
 * behind. The server and the disk, in the same process, have all the memory they want. */
#include "oom.h"
#include "oom_far.h"

#include "client/syncing/quarantine.h"
#include "client/syncing/snapshot.h"
#include "crashvfs.h"
#include "diarist.h"

typedef struct scene scene;
typedef edn_status act_fn(scene *s, edn_err *err);

struct scene {
    world *w;
    crashvfs *server, *a, *b; /* as the ground has them, or the copies of one run */
    edn_client *c;
    edn_entry_id id;
    size_t seen;
    bool synced;
};

static scene ground;
static edn_buf unseen[8]; /* batches of a that b does not have */
static size_t unseen_n;

/* Everything of a's behind its batch `from`. */
static void keep_unseen(edn_client *a, uint64_t from)
{
    const edn_device_id self = client_id(a)->device;
    const edn_head *own;
    heads h;

    CHECK_OK(client_begin_read(a, NULL));
    CHECK_OK(heads_load(a, &h));
    own = edn_heads_find(h.p, h.n, &self);
    for (uint64_t dseq = from + 1; own && dseq <= own->dseq; dseq++) {
        CHECK(unseen_n < EDN_COUNT(unseen));
        unseen[unseen_n] = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
        CHECK_OK(batch_load(a, &self, dseq, &unseen[unseen_n++]));
    }
    CHECK(unseen_n > 0);
    heads_dispose(&h);
    CHECK_OK(client_end_read(a, EDN_OK, NULL));
}

static uint64_t own_dseq(edn_client *c)
{
    const edn_head *own;
    uint64_t dseq;
    heads h;

    CHECK_OK(client_begin_read(c, NULL));
    CHECK_OK(heads_load(c, &h));
    own = edn_heads_find(h.p, h.n, &client_id(c)->device);
    dseq = own ? own->dseq : 0;
    heads_dispose(&h);
    CHECK_OK(client_end_read(c, EDN_OK, NULL));
    return dseq;
}

static int ground_make(void **state)
{
    edn_client *a, *b;
    edn_journal_id journal;
    uint64_t seen;

    (void)state;
    ground.server = crashvfs_new("ground-server");
    ground.a = crashvfs_new("ground-a");
    ground.b = crashvfs_new("ground-b");
    ground.w = world_new_on("ground-server");
    oom_far_side(ground.w);
    ground.w->device_vfs = "ground-a";
    a = world_init(ground.w, "a");
    ground.w->device_vfs = "ground-b";
    b = world_login(ground.w, "b");
    ground.id = diary_add(a, "1660-01-01", "A title", "[a0] Early came Mr. Vanly to me.");
    CHECK_OK(edn_client_tag(a, &ground.id, edn_bytes_str("office"), true, NULL));
    diary_sync(a);
    diary_add(b, "1660-01-02", "", "[b0]");
    diary_sync(b);
    diary_sync(a);
    seen = own_dseq(a);
    CHECK_OK(edn_client_journal_new(a, edn_bytes_str("Work"), &journal, NULL));
    CHECK_OK(edn_client_move(a, &ground.id, &journal, NULL));
    diary_edit(a, &ground.id, "[a0] Early came Mr. Vanly, and late.");
    diary_sync(a); /* b does not have this yet */
    keep_unseen(a, seen);
    diary_edit(b, &ground.id, "[a0] Early came Mr. Vanly to me. Rain.");
    diary_add(b, "1660-01-03", "", "[b1]"); /* nor the server this */
    edn_client_close(a);
    edn_client_close(b);
    world_server_stop(ground.w);
    return 0;
}

static int ground_unmake(void **state)
{
    (void)state;
    world_free(ground.w);
    crashvfs_free(ground.server);
    crashvfs_free(ground.a);
    crashvfs_free(ground.b);
    while (unseen_n)
        edn_buf_dispose(&unseen[--unseen_n]);
    return 0;
}

/* b, opened on copies of all disks. */
static void run_open(scene *s)
{
    *s = ground;
    s->server = crashvfs_copy(ground.server, "run-server");
    s->b = crashvfs_copy(ground.b, "run-b");
    s->w->server_vfs = "run-server";
    s->w->now_ms = 1800000000000u;
    oom_pause(true);
    world_server_start(s->w);
    oom_pause(false);
    s->w->device_vfs = "run-b";
    s->c = world_open(s->w, "b");
}

static void run_close(scene *s)
{
    edn_client_close(s->c);
    oom_pause(true);
    world_server_stop(s->w);
    oom_pause(false);
    crashvfs_free(s->server);
    crashvfs_free(s->b);
}

/* ---- acts -------------------------------------------------------------------------------------------------------- */

static edn_status see(void *ctx, const edn_entry *e)
{
    ((scene *)ctx)->seen += e->text.n;
    return EDN_OK;
}

static edn_status see_hit(void *ctx, const edn_hit *hit)
{
    ((scene *)ctx)->seen += hit->snippet.n;
    return EDN_OK;
}

static edn_status see_history(void *ctx, const edn_history_item *h)
{
    ((scene *)ctx)->seen += h->what.n;
    return EDN_OK;
}

static edn_status see_journal(void *ctx, const edn_journal *j)
{
    ((scene *)ctx)->seen += j->name.n;
    return EDN_OK;
}

static edn_status act_list(scene *s, edn_err *err) { return edn_client_list(s->c, NULL, see, s, err); }
static edn_status act_show(scene *s, edn_err *err) { return edn_client_show(s->c, &s->id, see, s, err); }
static edn_status act_export(scene *s, edn_err *err) { return edn_client_export(s->c, NULL, see, s, NULL, err); }
static edn_status act_history(scene *s, edn_err *err) { return edn_client_history(s->c, &s->id, see_history, s, err); }
static edn_status act_version(scene *s, edn_err *err)
{
    return edn_client_show_version(s->c, &s->id, (edn_moment){1, 0}, see, s, err);
}
static edn_status act_journals(scene *s, edn_err *err) { return edn_client_journals(s->c, see_journal, s, err); }
static edn_status act_search(scene *s, edn_err *err)
{
    return edn_client_search(s->c, edn_bytes_str("vanly"), NULL, see_hit, s, NULL, err);
}
static edn_status act_find(scene *s, edn_err *err)
{
    edn_entry_id id;

    return edn_client_find(s->c, "1660-01-02", &id, err);
}
static edn_status act_status(scene *s, edn_err *err)
{
    edn_client_status status;

    return edn_client_status_get(s->c, &status, err);
}
static edn_status act_verify(scene *s, edn_err *err)
{
    edn_verify_result r;
    edn_status st = edn_client_verify(s->c, NULL, NULL, NULL, &r, err);

    return st == EDN_OK && r.damaged ? EDN_E_DAMAGED : st;
}
static edn_status act_add(scene *s, edn_err *err)
{
    edn_bytes tags[] = {edn_bytes_str("sea"), edn_bytes_str("ship")};
    edn_field fields[] = {{edn_bytes_str("mood"), edn_bytes_str("merry")}};
    edn_draft d = {.date = edn_bytes_str("1661-05-05"),
                   .title = edn_bytes_str("Of the Fleet"),
                   .text = edn_bytes_str("[new] We went to the sea."),
                   .tags = tags,
                   .tags_n = 2,
                   .fields = fields,
                   .fields_n = 1};
    edn_entry_id id;

    return edn_client_add(s->c, &d, &id, err);
}
static edn_status act_edit(scene *s, edn_err *err)
{
    return edn_client_edit(s->c, &s->id, EDN_BYTES_EMPTY,
                           edn_bytes_str("[a0] Early came Mr. Vanly to us. Rain all day."), err);
}
static edn_status act_set(scene *s, edn_err *err)
{
    return edn_client_set(s->c, &s->id, edn_bytes_str("date"), edn_bytes_str("1666-09-02"), err);
}
static edn_status act_remove(scene *s, edn_err *err) { return edn_client_remove(s->c, &s->id, err); }
static edn_status act_sync(scene *s, edn_err *err)
{
    edn_sync_result r;
    edn_status st = edn_client_sync(s->c, NULL, &r, err);

    s->synced = st == EDN_OK && r.synced;
    return st;
}

static edn_status next_item(void *ctx, edn_import_item *item, bool *done)
{
    unsigned *n = ctx;

    *done = *n == 3;
    if (++*n > 3)
        return EDN_OK;
    item->draft.text = edn_bytes_str("[imported]");
    item->draft.date = edn_bytes_str("1670-01-01");
    item->journal_name = edn_bytes_str("Brought");
    return EDN_OK;
}
static edn_status act_import(scene *s, edn_err *err)
{
    edn_import_result r;
    unsigned n = 0;

    return edn_client_import(s->c, next_item, &n, NULL, &r, err);
}

static edn_status gather(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)value;
    if (st == EDN_OK && key.n == sizeof(edn_entry_id))
        edn_put_bytes(ctx, key.p, key.n);
    return st == EDN_OK ? edn_buf_status(ctx) : st;
}

/* Everything sealed again, as a deep re-key does it. */
static edn_status act_seal_again(scene *s, edn_err *err)
{
    edn_buf ids = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    snapshot w;
    edn_status st = client_begin_write(s->c, err);

    if (st != EDN_OK)
        return st;
    st = edn_store_scan(s->c->store, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, gather, &ids);
    if (st == EDN_OK) {
        st = snapshot_begin(&w, s->c);
        if (st == EDN_OK)
            st = snapshot_dictionaries(&w);
        for (size_t at = 0; st == EDN_OK && at < ids.n; at += sizeof(edn_entry_id)) {
            edn_entry_id id;
            memcpy(id.b, ids.p + at, sizeof id.b);
            st = snapshot_object(&w, &id);
        }
        st = snapshot_end(&w, st);
    }
    edn_buf_dispose(&ids);
    return client_end_write(s->c, st, err);
}

/* Locked and unlocked by the key of a session. */
static edn_status act_unlock(scene *s, edn_err *err)
{
    static uint8_t key[EDN_SESSION_KEY_SIZE];
    edn_status st;

    if (edn_client_unlocked(s->c))
        CHECK_OK(edn_client_session_key(s->c, key));
    edn_client_lock(s->c);
    if ((st = edn_client_unlock_session(s->c, key, err)) == EDN_OK)
        st = act_status(s, err);
    return st;
}

/* ---- the quarantine: as if a had been revoked -------------------------------------------------------------------- */

static void set_aside(scene *s)
{
    CHECK_OK(client_begin_write(s->c, NULL));
    for (size_t i = 0; i < unseen_n; i++) {
        edn_arena a = edn_arena_init(BATCH_ARENA_SIZE_MAX);
        edn_buf plain = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
        edn_sync_late late = {.status = EDN_OK};
        edn_space_key key;
        edn_hash c_hash;

        CHECK_OK(edn_batch_decode(edn_buf_view(&unseen[i]), &late.batch.batch));
        c_hash = edn_batch_c_hash(&late.batch.batch);
        late.batch.hash = edn_batch_hash(&late.batch.batch, &c_hash);
        CHECK_OK(keys_space(s->c, late.batch.batch.header.epoch, &key));
        CHECK_OK(edn_batch_open(&plain, &late.batch.batch, &key));
        CHECK_OK(edn_body_decode(&a, edn_buf_view(&plain), &late.batch.body));
        CHECK_OK(quarantine_take(s->c, &late, 1));
        edn_buf_dispose(&plain);
        edn_arena_dispose(&a);
    }
    CHECK_OK(client_end_write(s->c, EDN_OK, NULL));
}

static edn_status see_quarantined(void *ctx, const edn_quarantined *q)
{
    ((scene *)ctx)->seen += q->inserted;
    CHECK_OK(q->status);
    return EDN_OK;
}
static edn_status see_piece(void *ctx, edn_piece_kind kind, edn_bytes text)
{
    (void)kind;
    ((scene *)ctx)->seen += text.n;
    return EDN_OK;
}
static void of_a(char out[33])
{
    edn_batch b;

    CHECK_OK(edn_batch_decode(edn_buf_view(&unseen[0]), &b));
    edn_hex_encode(out, b.header.device.b, sizeof b.header.device.b);
}
static edn_status act_quarantine(scene *s, edn_err *err)
{
    return edn_client_quarantine(s->c, see_quarantined, s, err);
}
static edn_status act_quarantine_show(scene *s, edn_err *err)
{
    char device[33];

    of_a(device);
    return edn_client_quarantine_show(s->c, device, &s->id, see, see_piece, s, err);
}
static edn_status act_quarantine_keep(scene *s, edn_err *err)
{
    char device[33];
    uint64_t kept;

    of_a(device);
    return edn_client_quarantine_keep(s->c, device, &s->id, &kept, err);
}
static edn_status act_quarantine_drop(scene *s, edn_err *err)
{
    char device[33];

    of_a(device);
    return edn_client_quarantine_drop(s->c, device, NULL, err);
}

/* ---- and each of their allocations ------------------------------------------------------------------------------- */

/* What is true before an act, and after it. */
static edn_buf state_of(edn_client *c)
{
    edn_buf b = diary_bytes(c);
    edn_client_status status;

    CHECK_OK(edn_client_status_get(c, &status, NULL));
    edn_put_u64(&b, status.entries);
    edn_put_u64(&b, status.deleted);
    edn_put_u64(&b, status.journals);
    edn_put_u64(&b, status.set_aside);
    if (status.findings_n) /* nobody did anything wrong */
        print_error("%s: %s\n", edn_status_name(status.findings[0].status), status.findings[0].text);
    CHECK_INT(status.findings_n, 0);
    return b;
}

typedef struct plan {
    const char *name;
    act_fn *act;
    bool changes; /* a fresh copy for each run; else the handle is used over and over */
    bool aside;   /* with something in quarantine */
} plan;

static void told(const plan *p, size_t n, bool on, edn_status st)
{
    print_error("%s, allocation %zu%s: %s\n", p->name, n, on ? " and all later ones" : "", edn_status_name(st));
}

/* One run. False: there was no n-th allocation. */
static bool run(const plan *p, scene *s, size_t n, bool on, edn_bytes before, edn_buf *after)
{
    edn_err err = {EDN_OK, ""};
    edn_status st;
    bool failed;
    edn_buf now;

    if (on)
        oom_fail_from(n);
    else
        oom_fail_at(n);
    st = p->act(s, &err);
    failed = oom_failed();
    oom_fail_at(0);
    if (failed && st != EDN_OK) { /* a few can be done without: a cache, an advice */
        if (st != EDN_E_NOMEM || strlen(err.text) < 10)
            told(p, n, on, st);
        CHECK_STATUS(st, EDN_E_NOMEM);
        CHECK(strlen(err.text) >= 10);
        if (edn_client_unlocked(s->c)) {
            now = state_of(s->c);
            if (p->act != act_sync) /* which keeps what it has got so far */
                CHECK_BYTES(edn_buf_view(&now), before);
            edn_buf_dispose(&now);
        }
        if ((st = p->act(s, &err)) != EDN_OK)
            told(p, n, on, st);
        CHECK_OK(st);
    } else {
        CHECK_OK(st);
    }
    if (p->act == act_sync && !s->synced) {
        told(p, n, on, st);
        CHECK(s->synced);
    }
    now = state_of(s->c);
    if (!after->n)
        edn_put_bytes(after, now.p, now.n);
    edn_buf_dispose(&now);
    return failed;
}

static size_t each(const plan *p, bool on)
{
    edn_buf after = EDN_BUF_INIT(EDN_BUF_UNLIMITED), before = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t live = oom_live(), n = 0;
    bool failed = true, opened = false;
    scene s;

    while (failed) {
        if (p->changes || !opened) {
            run_open(&s);
            opened = true;
            if (p->aside)
                set_aside(&s);
            before = state_of(s.c);
        }
        failed = run(p, &s, ++n, on, edn_buf_view(&before), &after);
        if (p->changes || !failed) {
            run_close(&s);
            edn_buf_dispose(&before);
        }
        if (p->changes && oom_live() != live + (after.p != NULL)) {
            told(p, n, on, EDN_OK);
            CHECK_INT(oom_live(), live + (after.p != NULL));
        }
    }
    edn_buf_dispose(&after);
    if (oom_live() != live)
        told(p, n, on, EDN_OK);
    CHECK_INT(oom_live(), live);
    return n - 1;
}

static const plan reading[] = {
    {"list", act_list, false},
    {"show", act_show, false},
    {"export", act_export, false},
    {"history", act_history, false},
    {"an old version", act_version, false},
    {"journals", act_journals, false},
    {"search", act_search, false},
    {"find", act_find, false},
    {"status", act_status, false},
    {"verify", act_verify, false},
    {"unlock", act_unlock, false},
};
static const plan writing[] = {
    {"add", act_add, true},       {"edit", act_edit, true},     {"set a date", act_set, true},
    {"remove", act_remove, true}, {"import", act_import, true}, {"seal again", act_seal_again, true},
};
static const plan deciding[] = {
    {"list the quarantine", act_quarantine, false, true},
    {"show what is in quarantine", act_quarantine_show, false, true},
    {"keep what is in quarantine", act_quarantine_keep, true, true},
    {"drop what is in quarantine", act_quarantine_drop, true, true},
};
static const plan syncing[] = {{"sync", act_sync, true}};

static void each_of(const plan *p, size_t n)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++)
        total += each(&p[i], false) + each(&p[i], true);
    CHECK(total > 20 * n);
}

static void reading_can_run_out_of_memory_anywhere(void **state)
{
    (void)state;
    each_of(reading, EDN_COUNT(reading));
}

static void writing_can_run_out_of_memory_anywhere(void **state)
{
    (void)state;
    each_of(writing, EDN_COUNT(writing));
}

static void deciding_can_run_out_of_memory_anywhere(void **state)
{
    (void)state;
    each_of(deciding, EDN_COUNT(deciding));
}

static void a_sync_can_run_out_of_memory_anywhere(void **state)
{
    (void)state;
    each_of(syncing, EDN_COUNT(syncing));
}

/* ---- a home in the making: many allocations, so not every one is tried ------------------------------------------- */

typedef edn_status home_fn(const edn_client_options *o, const char *name, edn_client **out, edn_err *err);

static edn_status init_home(const edn_client_options *o, const char *name, edn_client **out, edn_err *err)
{
    edn_init_options init = {.server = WORLD_ORIGIN, .name = name, .strength = EDN_STRENGTH_FLOOR};
    char key[EDN_ACCOUNT_KEY_TEXT_MAX];

    return edn_client_init(o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, out, err);
}

static edn_status login_home(const edn_client_options *o, const char *name, edn_client **out, edn_err *err)
{
    edn_login_options login = {.server = WORLD_ORIGIN,
                               .name = WORLD_NAME,
                               .device_name = name,
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(ground.w->account_key)};

    return edn_client_login(o, &login, edn_bytes_str(WORLD_PASSPHRASE), out, err);
}

/* False: there was no n-th allocation. */
static bool make_home(scene *s, home_fn *make, size_t n, bool on)
{
    crashvfs *disk = crashvfs_new("run-home");
    char home[256], name[32];
    edn_client_options o;
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};
    edn_status st;
    bool failed;

    snprintf(name, sizeof name, "home-%zu-%d", n, on);
    s->w->device_vfs = "run-home";
    world_home(s->w, name, home);
    o = world_options(s->w, home);
    if (on)
        oom_fail_from(n);
    else
        oom_fail_at(n);
    st = make(&o, name, &c, &err);
    failed = oom_failed();
    oom_fail_at(0);
    if (failed && st != EDN_OK) {
        CHECK_STATUS(st, EDN_E_NOMEM);
        CHECK(c == NULL && strlen(err.text) >= 10);
        if (crashvfs_used(disk)) /* an empty store at most, in which the next one begins */
            CHECK_OK(make(&o, name, &c, &err));
    } else {
        CHECK_OK(st);
    }
    CHECK(!c || diary_sync(c).synced);
    edn_client_close(c);
    crashvfs_free(disk);
    return failed;
}

static void each_home(home_fn *make)
{
    size_t homes = 0;
    scene s;

    run_open(&s);
    for (int on = 0; on < 2; on++) {
        size_t before = oom_live(), n = 1;
        while (make_home(&s, make, n, on)) {
            /* The name's folded form comes from utf8proc, uncounted, and is freed here. */
            CHECK(before - oom_live() <= 2);
            n += n / 32 + 1;
            if (++homes % 16 == 0) { /* an account has 32 devices at the most */
                run_close(&s);
                run_open(&s);
            }
            before = oom_live();
        }
        CHECK(n > 50);
    }
    run_close(&s);
}

static void an_init_that_runs_out_of_memory_leaves_nothing(void **state)
{
    (void)state;
    each_home(init_home);
}

static void a_login_that_runs_out_of_memory_leaves_nothing(void **state)
{
    (void)state;
    each_home(login_home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_can_run_out_of_memory_anywhere),
        cmocka_unit_test(writing_can_run_out_of_memory_anywhere),
        cmocka_unit_test(deciding_can_run_out_of_memory_anywhere),
        cmocka_unit_test(a_sync_can_run_out_of_memory_anywhere),
        cmocka_unit_test(an_init_that_runs_out_of_memory_leaves_nothing),
        cmocka_unit_test(a_login_that_runs_out_of_memory_leaves_nothing),
    };
    cmocka_set_test_filter(getenv("T"));
    return cmocka_run_group_tests(tests, ground_make, ground_unmake);
}
