/* What a client reads back: each row of its store, and each kind of record, with any bytes in it. Both are sealed, so
 * what comes here was written by a broken version of ourselves, or by a device of the account that is not ours any
 * longer. The first byte says which.
 *
 *     0x00 row 1, bytes      the row's value, then everything that a person can ask for (and verify: row >= 0x80)
 *     0x80 | type, bytes     a record's inside, opened and taken in
 *     0xf0 size 1, bytes     something packed */
#include "fuzz.h"

#include "client/client_priv.h"
#include "crashvfs.h"

#define ROWS_MAX 64u

typedef struct row {
    edn_table t;
    edn_bytes key, value;
} row;

/* Made once: a small diary without a server, its key, and all its rows. */
static struct {
    edn_client *c;
    crashvfs *disk;
    uint8_t session[EDN_SESSION_KEY_SIZE];
    row rows[ROWS_MAX];
    size_t rows_n;
    edn_entry_id entry;
    size_t listed;
} f;

static uint64_t now(void *ctx)
{
    (void)ctx;
    return 1800000000000u;
}

static edn_bytes kept(edn_bytes b)
{
    uint8_t *p = malloc(b.n + 1);

    FUZZ_HOLDS(p != NULL);
    if (b.n)
        memcpy(p, b.p, b.n);
    return edn_bytes_of(p, b.n);
}

/* All but batches, links and boxes, whose bytes have targets of their own. */
static edn_status keep_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    if (st == EDN_OK && f.rows_n < ROWS_MAX)
        f.rows[f.rows_n++] = (row){*(edn_table *)ctx, kept(key), kept(value)};
    return EDN_OK;
}

static void row_put(const row *r, edn_bytes value)
{
    FUZZ_HOLDS(client_begin_write(f.c, NULL) == EDN_OK);
    FUZZ_HOLDS(client_end_write(f.c, edn_store_put(f.c->store, r->t, r->key, value), NULL) == EDN_OK);
}

static edn_status count(void *ctx, const edn_entry *e)
{
    (void)e;
    ++*(size_t *)ctx;
    return EDN_OK;
}

/* Rows that a diary gets only with a server. */
static void more_rows(void)
{
    edn_sync_remote remote = {.origin = "https://diary.example", .token = "a.b.c", .log_count = 2};
    edn_finding finding = {.status = EDN_E_ROLLBACK, .time_ms = 1, .text = "something was wrong"};
    uint8_t claims[4 + 84] = {1};

    FUZZ_HOLDS(client_begin_write(f.c, NULL) == EDN_OK);
    FUZZ_HOLDS(remote_save(f.c, &remote) == EDN_OK && finding_save(f.c, &finding) == EDN_OK);
    FUZZ_HOLDS(meta_put(f.c, "claims", EDN_BYTES_EMPTY, edn_bytes_of(claims, sizeof claims)) == EDN_OK);
    FUZZ_HOLDS(client_end_write(f.c, EDN_OK, NULL) == EDN_OK);
}

static void make(void)
{
    static const edn_table tables[] = {EDN_TABLE_OPEN,  EDN_TABLE_META,  EDN_TABLE_ENTRY, EDN_TABLE_CATALOG,
                                       EDN_TABLE_DIRTY, EDN_TABLE_ASIDE, EDN_TABLE_REMOTE};
    edn_client_options o = {.home = "/home", .clock = {now, NULL}, .vfs = "fuzz"};
    edn_init_options init = {.strength = EDN_STRENGTH_FLOOR};
    edn_bytes tag = edn_bytes_str("sea");
    edn_draft d = {.date = edn_bytes_str("2024-05-01"),
                   .title = edn_bytes_str("A title"),
                   .text = edn_bytes_str("We went to the sea. It rained."),
                   .tags = &tag,
                   .tags_n = 1};
    char key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_sync_result r;
    edn_err err;
    edn_entry_id id;

    f.disk = crashvfs_new("fuzz");
    FUZZ_HOLDS(edn_client_init(&o, &init, edn_bytes_str("correct horse battery"), key, &f.c, &err) == EDN_OK);
    FUZZ_HOLDS(edn_client_session_key(f.c, f.session) == EDN_OK);
    FUZZ_HOLDS(edn_client_add(f.c, &d, &f.entry, &err) == EDN_OK);
    FUZZ_HOLDS(edn_client_sync(f.c, NULL, &r, &err) == EDN_E_INVALID); /* no server; but batches are made */
    FUZZ_HOLDS(edn_client_edit(f.c, &f.entry, EDN_BYTES_EMPTY, edn_bytes_str("We went to the sea."), &err) == EDN_OK);
    FUZZ_HOLDS(edn_client_add(f.c, &d, &id, &err) == EDN_OK);
    more_rows();
    FUZZ_HOLDS(client_begin_read(f.c, NULL) == EDN_OK);
    for (size_t i = 0; i < EDN_COUNT(tables); i++) {
        edn_table t = tables[i];
        FUZZ_HOLDS(edn_store_scan(f.c->store, t, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, keep_row, &t) == EDN_OK);
    }
    FUZZ_HOLDS(client_end_read(f.c, EDN_OK, NULL) == EDN_OK);
    FUZZ_HOLDS(edn_client_list(f.c, NULL, count, &f.listed, NULL) == EDN_OK && f.listed == 2);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static edn_status see_hit(void *ctx, const edn_hit *hit)
{
    (void)hit;
    ++*(size_t *)ctx;
    return EDN_OK;
}
static edn_status see_history(void *ctx, const edn_history_item *h)
{
    (void)ctx;
    (void)h;
    return EDN_OK;
}
static edn_status see_journal(void *ctx, const edn_journal *j)
{
    (void)ctx;
    (void)j;
    return EDN_OK;
}

/* Whatever comes of it is an answer, and no crash. */
static void any(edn_status st) { FUZZ_HOLDS(st < EDN_STATUS_COUNT); }

static void ask_for_everything(bool thorough)
{
    size_t n = 0;
    edn_client_status status;
    edn_verify_result verified;
    uint64_t batches;
    edn_entry_id id;
    edn_draft d = {.date = edn_bytes_str("2024-05-01"), .text = edn_bytes_str("x")};

    any(edn_client_list(f.c, NULL, count, &n, NULL));
    any(edn_client_show(f.c, &f.entry, count, &n, NULL));
    any(edn_client_search(f.c, edn_bytes_str("sea"), NULL, see_hit, &n, NULL, NULL));
    any(edn_client_history(f.c, &f.entry, see_history, NULL, NULL));
    any(edn_client_journals(f.c, see_journal, NULL, NULL));
    any(edn_client_status_get(f.c, &status, NULL));
    if (thorough)
        any(edn_client_verify(f.c, NULL, NULL, NULL, &verified, NULL));
    any(edn_client_export(f.c, NULL, count, &n, NULL, NULL));
    /* Writing over it, and taken back. */
    if (client_begin_write(f.c, NULL) == EDN_OK) {
        edn_random random = edn_random_system();
        random.fill(random.ctx, id.b, sizeof id.b);
        edn_status st = entry_create(f.c, &id, &d, 1);
        any(st);
        if (st == EDN_OK)
            any(outbox_build(f.c, &batches));
        any(client_end_write(f.c, EDN_E_CANCELLED, NULL));
    }
}

static void rows(edn_bytes in)
{
    edn_random random = edn_random_system();
    edn_local_key ldk;
    const row *r;
    size_t n = 0;

    if (in.n < 1)
        return;
    r = &f.rows[in.p[0] % f.rows_n];
    row_put(r, edn_bytes_of(in.p + 1, in.n - 1));
    edn_client_lock(f.c);
    if (edn_client_unlock_session(f.c, f.session, NULL) == EDN_OK)
        ask_for_everything(in.p[0] >= 0x80);
    /* As it was; by the store itself, for the client may have refused to open. */
    edn_client_lock(f.c);
    memcpy(ldk.b, f.session, sizeof ldk.b);
    FUZZ_HOLDS(edn_store_unlock(f.c->store, &ldk, &random) == EDN_OK && edn_store_begin_write(f.c->store) == EDN_OK);
    FUZZ_HOLDS(edn_store_put(f.c->store, r->t, r->key, r->value) == EDN_OK && edn_store_commit(f.c->store) == EDN_OK);
    edn_client_lock(f.c);
    FUZZ_HOLDS(edn_client_unlock_session(f.c, f.session, NULL) == EDN_OK);
    FUZZ_HOLDS(edn_client_list(f.c, NULL, count, &n, NULL) == EDN_OK && n == f.listed);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

/* Sealed as a device of the account seals it, under its own name. */
static edn_status seal(const edn_batch_header *h, edn_record *r, edn_bytes ops, edn_buf *box)
{
    edn_journal_key jk;
    edn_entry_key key;
    edn_random random = edn_random_system();
    edn_record_place at = {.space = h->space, .device = h->device, .dseq = h->dseq, .type = r->type};
    bool made, meta = record_is_meta(r->type);
    edn_status st;

    if (!meta)
        r->journal = client_id(f.c)->journal;
    st = meta ? keys_meta(f.c, 0, &jk) : keys_journal_current(f.c, &r->journal, &r->journal_epoch, &jk, &made);
    if (st != EDN_OK)
        return st;
    at.journal = r->journal;
    at.entry = r->entry;
    at.journal_epoch = r->journal_epoch;
    at.key_version = r->key_version;
    edn_entry_key_of(&key, &jk, &r->journal, &r->entry, r->key_version);
    return edn_record_seal(box, &key, &at, ops, &random);
}

static void record(uint8_t type, edn_bytes ops)
{
    edn_buf box = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX), message = EDN_BUF_INIT((size_t)4 << 20);
    edn_batch_header h = {.kind = EDN_BATCH_OPS, .dseq = 9};
    edn_record r = {.key_version = 1, .type = type};
    record_head head;
    object *o;
    size_t n = 0;

    if (ops.n > EDN_RECORD_SIZE_MAX - EDN_SEAL_OVERHEAD)
        return;
    FUZZ_HOLDS(client_begin_write(f.c, NULL) == EDN_OK);
    h.space = client_id(f.c)->space;
    h.device = client_id(f.c)->device;
    h.device.b[0] ^= 1; /* another one */
    memcpy(r.entry.b, "0123456789abcdef", 16);
    FUZZ_HOLDS(seal(&h, &r, ops, &box) == EDN_OK);
    r.box = edn_buf_view(&box);
    if (type == EDN_RECORD_DICTIONARY) {
        any(record_dictionary(f.c, &h, &r, 0, &message));
    } else if (record_message(f.c, &h, &r, 0, &message, &head) == EDN_OK &&
               object_new(f.c, &r.entry, (edn_record_type)type, &o) == EDN_OK) {
        if (object_merge(f.c, o, edn_buf_view(&message), head.time_ms) == EDN_OK) {
            FUZZ_HOLDS(edn_doc_check(o->doc) == EDN_OK);
            any(objects_flush(f.c));
        } else {
            object_drop(f.c, o);
        }
    }
    any(client_end_write(f.c, EDN_E_CANCELLED, NULL));
    edn_buf_dispose(&box);
    edn_buf_dispose(&message);
    FUZZ_HOLDS(edn_client_list(f.c, NULL, count, &n, NULL) == EDN_OK && n == f.listed);
}

static void packed(edn_bytes in)
{
    edn_buf out = EDN_BUF_INIT((size_t)1 << 20), again = EDN_BUF_INIT((size_t)2 << 20), back = EDN_BUF_INIT(1 << 20);

    if (in.n < 1)
        return;
    FUZZ_HOLDS(client_begin_read(f.c, NULL) == EDN_OK);
    if (codec_unpack(f.c, edn_bytes_of(in.p + 1, in.n - 1), (size_t)in.p[0] << 8, &out) == EDN_OK) {
        FUZZ_HOLDS(out.n <= (size_t)in.p[0] << 8);
        FUZZ_HOLDS(codec_pack(f.c, edn_buf_view(&out), CODEC_LEVEL_RECORD, &again) == EDN_OK);
        FUZZ_HOLDS(codec_unpack(f.c, edn_buf_view(&again), out.n, &back) == EDN_OK);
        FUZZ_HOLDS(edn_bytes_equal(edn_buf_view(&out), edn_buf_view(&back)));
    }
    FUZZ_HOLDS(client_end_read(f.c, EDN_OK, NULL) == EDN_OK);
    edn_buf_dispose(&out);
    edn_buf_dispose(&again);
    edn_buf_dispose(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edn_bytes in = edn_bytes_of(data + 1, size ? size - 1 : 0);

    if (!f.c)
        make();
    if (size == 0)
        return 0;
    if (data[0] >= 0xf0)
        packed(in);
    else if (data[0] & 0x80)
        record(data[0] & 7, in);
    else
        rows(in);
    return 0;
}
