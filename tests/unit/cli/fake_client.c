#include "cli/fake_client.h"

#include <stdio.h>
#include <stdlib.h>

#include <edn/account.h>
#include <edn/quarantine.h>

#include "base/base.h"

#define ENTRIES_MAX 64

typedef struct fake_row {
    edn_entry_id id;
    edn_buf date, title, text, tag, field;
    bool deleted;
} fake_row;

fake_state fake;
static fake_row rows[ENTRIES_MAX];
static size_t rows_n;
static const edn_journal_id first_journal = {{7}};
static char client_here;

static edn_status step(edn_err *err)
{
    if (fake.fail == EDN_OK || fake.fail_in-- > 0)
        return EDN_OK;
    return edn_fail(err, fake.fail, "it failed as it was told");
}

static void buf_set(edn_buf *b, edn_bytes v)
{
    edn_buf_dispose(b);
    *b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_put_bytes(b, v.p, v.n);
}

static void row_dispose(fake_row *r)
{
    edn_buf_dispose(&r->date);
    edn_buf_dispose(&r->title);
    edn_buf_dispose(&r->text);
    edn_buf_dispose(&r->tag);
    edn_buf_dispose(&r->field);
}

void fake_reset(void)
{
    for (size_t i = 0; i < rows_n; i++)
        row_dispose(&rows[i]);
    memset(rows, 0, sizeof rows);
    rows_n = 0;
    fake = (fake_state){.there = true, .passphrase = "open sesame"};
    snprintf(fake.status.server, sizeof fake.status.server, "https://diary.example");
}

static fake_row *row_new(const edn_entry_id *id, const edn_draft *d)
{
    fake_row *r = &rows[rows_n++];

    EDN_ASSERT(rows_n <= ENTRIES_MAX);
    r->id = *id;
    buf_set(&r->date, d->date);
    buf_set(&r->title, d->title);
    buf_set(&r->text, d->text);
    if (d->tags_n)
        buf_set(&r->tag, d->tags[0]);
    if (d->fields_n)
        buf_set(&r->field, d->fields[0].value);
    return r;
}

void fake_entry(const char *id_hex, const char *date, const char *title, const char *text)
{
    edn_draft d = {.date = edn_bytes_str(date), .title = edn_bytes_str(title), .text = edn_bytes_str(text)};
    edn_entry_id id;

    EDN_ASSERT(edn_hex_decode(id.b, sizeof id.b, edn_bytes_str(id_hex)));
    row_new(&id, &d);
}

static fake_row *row_find(const edn_entry_id *id)
{
    for (size_t i = 0; i < rows_n; i++)
        if (memcmp(rows[i].id.b, id->b, sizeof id->b) == 0)
            return &rows[i];
    return NULL;
}

static edn_status row_give(const fake_row *r, edn_entry_fn *fn, void *ctx)
{
    edn_bytes tag = edn_buf_view(&r->tag);
    edn_field field = {edn_bytes_str("mood"), edn_buf_view(&r->field)};
    edn_entry e = {.id = r->id,
                   .journal = first_journal,
                   .journal_name = edn_bytes_str("Diary"),
                   .date = edn_buf_view(&r->date),
                   .title = edn_buf_view(&r->title),
                   .text = edn_buf_view(&r->text),
                   .tags = &tag,
                   .tags_n = tag.n > 0,
                   .fields = &field,
                   .fields_n = field.value.n > 0,
                   .deleted = r->deleted,
                   .created_ms = 1714557600500u,
                   .changed_ms = 1714557600500u,
                   .text_size = r->text.n};
    return fn(ctx, &e);
}

/* ---- the interface ----------------------------------------------------------------------------------------------- */

static edn_status made(edn_client **out, edn_err *err)
{
    edn_status st = step(err);
    *out = st == EDN_OK ? (edn_client *)&client_here : NULL;
    return st;
}

edn_status edn_client_init(const edn_client_options *o, const edn_init_options *i, edn_bytes p,
                           char key[EDN_ACCOUNT_KEY_TEXT_MAX], edn_client **out, edn_err *err)
{
    (void)o;
    (void)i;
    (void)p;
    snprintf(key, EDN_ACCOUNT_KEY_TEXT_MAX, "KEY");
    fake.there = fake.unlocked = true;
    return made(out, err);
}

edn_status edn_client_login(const edn_client_options *o, const edn_login_options *l, edn_bytes p, edn_client **out,
                            edn_err *err)
{
    (void)o;
    (void)l;
    (void)p;
    fake.there = fake.unlocked = true;
    return made(out, err);
}

edn_status edn_client_open(const edn_client_options *o, edn_client **out, edn_err *err)
{
    *out = NULL;
    if (!fake.there)
        return edn_fail(err, EDN_E_MISSING, "%s: no diary here", o->home);
    *out = (edn_client *)&client_here;
    return EDN_OK;
}

void edn_client_close(edn_client *c) { (void)c; }

edn_status edn_client_unlock(edn_client *c, edn_bytes p, edn_err *err)
{
    (void)c;
    fake.unlocked = edn_bytes_equal(p, edn_bytes_str(fake.passphrase));
    return fake.unlocked ? EDN_OK : edn_fail(err, EDN_E_PASSPHRASE, "wrong passphrase");
}

edn_status edn_client_session_key(const edn_client *c, uint8_t key[EDN_SESSION_KEY_SIZE])
{
    (void)c;
    memset(key, 1, EDN_SESSION_KEY_SIZE);
    return EDN_OK;
}

edn_status edn_client_unlock_session(edn_client *c, const uint8_t key[EDN_SESSION_KEY_SIZE], edn_err *err)
{
    (void)c;
    (void)key;
    return edn_fail(err, EDN_E_PASSPHRASE, "that key does not open it");
}

bool edn_client_heard(const edn_client *c) { return c && fake.unlocked; }

bool edn_client_unlocked(const edn_client *c) { return c && fake.unlocked; }

void edn_client_device_id(const edn_client *c, char out[33])
{
    (void)c;
    memset(out, 'f', 32);
    out[32] = 0;
}

edn_status edn_client_strength(edn_client *c, edn_strength *out, edn_err *err)
{
    (void)c;
    *out = EDN_STRENGTH_DEFAULT;
    return step(err);
}

edn_status edn_client_passphrase_change(edn_client *c, edn_bytes a, edn_bytes b, edn_strength s, edn_err *err)
{
    (void)c;
    (void)a;
    (void)b;
    (void)s;
    return step(err);
}

edn_status edn_client_device_rename(edn_client *c, const char *device, const char *name, edn_err *err)
{
    (void)c;
    (void)device;
    (void)name;
    return step(err);
}

edn_status edn_client_device_revoke(edn_client *c, const char *device, edn_bytes passphrase, edn_err *err)
{
    (void)c;
    (void)device;
    (void)passphrase;
    return step(err);
}

edn_status edn_client_devices_revoke(edn_client *c, const char *const *devices, size_t n, bool guests,
                                     edn_bytes passphrase, edn_err *err)
{
    (void)guests;
    return edn_client_device_revoke(c, n ? devices[0] : NULL, passphrase, err);
}

edn_status edn_client_quarantine(edn_client *c, edn_quarantined_fn *fn, void *ctx, edn_err *err)
{
    (void)c;
    (void)fn;
    (void)ctx;
    return step(err);
}

edn_status edn_client_quarantine_show(edn_client *c, const char *device, const edn_entry_id *id, edn_entry_fn *fn,
                                      edn_piece_fn *piece, void *ctx, edn_err *err)
{
    (void)c;
    (void)device;
    (void)id;
    (void)fn;
    (void)piece;
    (void)ctx;
    return step(err);
}

edn_status edn_client_quarantine_keep(edn_client *c, const char *device, const edn_entry_id *id, uint64_t *kept,
                                      edn_err *err)
{
    (void)c;
    (void)device;
    (void)id;
    *kept = 0;
    return step(err);
}

edn_status edn_client_quarantine_drop(edn_client *c, const char *device, const edn_entry_id *id, edn_err *err)
{
    (void)c;
    (void)device;
    (void)id;
    return step(err);
}

edn_status edn_client_account_key_renew(edn_client *c, edn_bytes passphrase, edn_err *err)
{
    (void)c;
    (void)passphrase;
    return step(err);
}

edn_status edn_client_rekey(edn_client *c, edn_bytes passphrase, bool own_key, edn_err *err)
{
    (void)own_key;
    (void)c;
    (void)passphrase;
    return step(err);
}

edn_status edn_client_rekey_deep(edn_client *c, edn_bytes passphrase, const edn_progress *progress,
                                 edn_rekey_result *out, edn_err *err)
{
    (void)c;
    (void)passphrase;
    (void)progress;
    memset(out, 0, sizeof *out);
    return step(err);
}

edn_status edn_client_server_set(edn_client *c, const char *server, const char *name, edn_err *err)
{
    (void)c;
    (void)server;
    (void)name;
    return step(err);
}

edn_status edn_client_account(edn_client *c, edn_account_info *out, edn_err *err)
{
    (void)c;
    *out = (edn_account_info){
        .account = "abcd", .account_key = "KEY", .server = "https://diary.example", .name = "ada"};
    return step(err);
}

edn_status edn_client_draft_check(const edn_draft *d, edn_err *err)
{
    for (size_t i = 0; i < d->fields_n; i++)
        if (d->fields[i].name.n > 8)
            return edn_fail(err, EDN_E_LIMIT, "the field's name is too long");
    return EDN_OK;
}

edn_status edn_client_add(edn_client *c, const edn_draft *d, edn_entry_id *out, edn_err *err)
{
    edn_status st = step(err);
    (void)c;
    if (st != EDN_OK)
        return st;
    *out = (edn_entry_id){{0xaa, (uint8_t)rows_n}};
    row_new(out, d);
    return EDN_OK;
}

edn_status edn_client_edit(edn_client *c, const edn_entry_id *id, edn_bytes base, edn_bytes text, edn_err *err)
{
    edn_status st = step(err);
    (void)c;
    (void)base;
    if (st == EDN_OK)
        buf_set(&row_find(id)->text, text);
    return st;
}

edn_status edn_client_set(edn_client *c, const edn_entry_id *id, edn_bytes name, edn_bytes value, edn_err *err)
{
    edn_status st = step(err);
    (void)c;
    if (st == EDN_OK)
        buf_set(edn_bytes_equal(name, edn_bytes_str("title")) ? &row_find(id)->title : &row_find(id)->field, value);
    return st;
}

edn_status edn_client_tag(edn_client *c, const edn_entry_id *id, edn_bytes tag, bool add, edn_err *err)
{
    edn_status st = step(err);
    (void)c;
    if (st == EDN_OK)
        buf_set(&row_find(id)->tag, add ? tag : EDN_BYTES_EMPTY);
    return st;
}

edn_status edn_client_move(edn_client *c, const edn_entry_id *id, const edn_journal_id *to, edn_err *err)
{
    (void)c;
    (void)id;
    (void)to;
    return step(err);
}

edn_status edn_client_remove(edn_client *c, const edn_entry_id *id, edn_err *err)
{
    (void)c;
    row_find(id)->deleted = true;
    return step(err);
}

edn_status edn_client_undelete(edn_client *c, const edn_entry_id *id, edn_err *err)
{
    (void)c;
    row_find(id)->deleted = false;
    return step(err);
}

edn_status edn_client_show(edn_client *c, const edn_entry_id *id, edn_entry_fn *fn, void *ctx, edn_err *err)
{
    edn_status st = step(err);
    (void)c;
    return st == EDN_OK ? row_give(row_find(id), fn, ctx) : st;
}

edn_status edn_client_list(edn_client *c, const edn_filter *f, edn_entry_fn *fn, void *ctx, edn_err *err)
{
    edn_status st = step(err);
    size_t n = f->limit ? EDN_MIN(f->limit, rows_n) : rows_n;
    (void)c;
    for (size_t i = 0; i < n && st == EDN_OK; i++)
        st = row_give(&rows[f->newest_first ? rows_n - 1 - i : i], fn, ctx);
    return st;
}

edn_status edn_client_find(edn_client *c, const char *what, edn_entry_id *out, edn_err *err)
{
    char id[33];
    edn_status st = step(err);
    (void)c;
    for (size_t i = 0; i < rows_n && st == EDN_OK; i++) {
        edn_hex_encode(id, rows[i].id.b, sizeof rows[i].id.b);
        *out = rows[i].id;
        if (strcmp(what, "last") == 0 || strncmp(id, what, strlen(what)) == 0)
            return EDN_OK;
    }
    return st != EDN_OK ? st : edn_fail(err, EDN_E_MISSING, "there is no entry \"%s\"", what);
}

edn_status edn_client_search(edn_client *c, edn_bytes query, const edn_search_options *o, edn_hit_fn *fn, void *ctx,
                             edn_search_result *out, edn_err *err)
{
    edn_entry e = {.date = edn_bytes_str("2024-05-01"), .title = edn_bytes_str("Hit")};
    edn_hit_mark mark = {0, 4};
    edn_hit hit = {.entry = &e, .snippet = query, .marks = &mark, .marks_n = 1};
    edn_status st = step(err);
    (void)c;
    (void)o;
    *out = (edn_search_result){.found = !edn_bytes_equal(query, edn_bytes_str("nothing such"))};
    return st != EDN_OK || !out->found || !fn ? st : fn(ctx, &hit);
}

edn_status edn_client_similar(edn_client *c, const edn_entry_id *id, size_t limit, const edn_search_options *o,
                              edn_hit_fn *fn, void *ctx, edn_err *err)
{
    edn_entry e = {.date = edn_bytes_str("2024-05-02"), .title = edn_bytes_str("Like it")};
    edn_hit hit = {.entry = &e};
    edn_status st = step(err);
    (void)c;
    (void)id;
    (void)o;
    return st != EDN_OK || limit == 7 ? st : fn(ctx, &hit);
}

edn_status edn_client_stats(edn_client *c, const edn_bytes *query, const edn_search_options *o,
                            edn_month_count_fn *month, edn_tag_count_fn *tag, void *ctx, edn_err *err)
{
    edn_month_count m = {.month = "2024-05", .entries = 3, .words = query ? 0 : 1234};
    edn_status st = step(err);
    (void)c;
    (void)o;
    if (st == EDN_OK && !(query && edn_bytes_equal(*query, edn_bytes_str("nothing"))))
        st = month(ctx, &m);
    return st == EDN_OK && tag ? tag(ctx, edn_bytes_str("sea"), 2) : st;
}

edn_status edn_client_fetch_index(edn_client *c, const edn_fetch_options *options, edn_fetch_result *out, edn_err *err)
{
    (void)c;
    (void)options;
    (void)err;
    *out = (edn_fetch_result){0, 0, 0};
    return EDN_OK;
}

edn_status edn_client_reindex(edn_client *c, const edn_progress *progress, edn_err *err)
{
    (void)c;
    (void)progress;
    return step(err);
}

edn_status edn_client_history(edn_client *c, const edn_entry_id *id, edn_history_fn *fn, void *ctx, edn_err *err)
{
    edn_history_item item = {.version = 1,
                             .time_ms = 1714557600500u,
                             .device = "ffffffffffffffffffffffffffffffff",
                             .what = edn_bytes_str("text"),
                             .inserted = 3};
    edn_status st = step(err);
    (void)c;
    (void)id;
    return st == EDN_OK ? fn(ctx, &item) : st;
}

edn_status edn_client_diff(edn_client *c, const edn_entry_id *id, edn_moment from, edn_moment to, edn_piece_fn *fn,
                           void *ctx, edn_err *err)
{
    static const struct {
        edn_piece_kind kind;
        const char *text;
    } pieces[] = {{EDN_PIECE_SAME, "one\ntwo "},    {EDN_PIECE_DELETED, "three\nfour"}, {EDN_PIECE_INSERTED, "3"},
                  {EDN_PIECE_SAME, " five\nsix\n"}, {EDN_PIECE_INSERTED, "seven\n"},    {EDN_PIECE_SAME, "eight"}};
    edn_status st = step(err);

    (void)c;
    (void)id;
    for (size_t i = 0; st == EDN_OK && i < EDN_COUNT(pieces); i++)
        if (from.number != to.number || from.time_ms != to.time_ms || pieces[i].kind == EDN_PIECE_SAME)
            st = fn(ctx, pieces[i].kind, edn_bytes_str(pieces[i].text));
    return st;
}

edn_status edn_client_blame(edn_client *c, const edn_entry_id *id, edn_blame_item_fn *fn, void *ctx, edn_err *err)
{
    edn_blame_item a = {.text = edn_bytes_str("one "),
                        .time_ms = 1714557600500u,
                        .device = "ffffffffffffffffffffffffffffffff"},
                   b = {.text = edn_bytes_str("two\nthree"),
                        .time_ms = 1714557500500u,
                        .device = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
                        .device_name = edn_bytes_str("desk")};
    edn_status st = step(err);

    (void)c;
    (void)id;
    return st == EDN_OK && (st = fn(ctx, &a)) == EDN_OK ? fn(ctx, &b) : st;
}

edn_status edn_client_show_version(edn_client *c, const edn_entry_id *id, edn_moment when, edn_entry_fn *fn, void *ctx,
                                   edn_err *err)
{
    if (when.time_ms && when.time_ms < 1714557600500u) /* when it was written */
        return edn_fail(err, EDN_E_MISSING, "the entry was not written yet then");
    return edn_client_show(c, id, fn, ctx, err);
}

edn_status edn_client_restore(edn_client *c, const edn_entry_id *id, edn_moment when, edn_err *err)
{
    (void)c;
    (void)id;
    (void)when;
    return step(err);
}

edn_status edn_client_journal_new(edn_client *c, edn_bytes name, edn_journal_id *out, edn_err *err)
{
    (void)c;
    (void)name;
    *out = first_journal;
    return step(err);
}

edn_status edn_client_journal_rename(edn_client *c, const edn_journal_id *id, edn_bytes name, edn_err *err)
{
    (void)c;
    (void)id;
    (void)name;
    return step(err);
}

edn_status edn_client_journals(edn_client *c, edn_journal_fn *fn, void *ctx, edn_err *err)
{
    edn_journal j = {.id = first_journal, .name = edn_bytes_str("Diary"), .entries = rows_n};
    edn_status st = step(err);
    (void)c;
    return st == EDN_OK ? fn(ctx, &j) : st;
}

edn_status edn_client_journal_find(edn_client *c, const char *what, edn_journal_id *out, edn_err *err)
{
    edn_status st = step(err);
    (void)c;
    *out = first_journal;
    return st != EDN_OK || strcmp(what, "Diary") == 0 ? st : edn_fail(err, EDN_E_MISSING, "no journal \"%s\"", what);
}

edn_status edn_client_import(edn_client *c, edn_import_fn *next, void *ctx, const edn_progress *p,
                             edn_import_result *out, edn_err *err)
{
    size_t before = rows_n;
    edn_status st = step(err);
    (void)c;
    (void)p;
    *out = (edn_import_result){0};
    while (st == EDN_OK) {
        edn_import_item item = {0};
        edn_entry_id id = {{0xbb, (uint8_t)rows_n}};
        bool done = false;
        if ((st = next(ctx, &item, &done)) != EDN_OK || done)
            break;
        if (item.has_id && row_find(&item.id)) {
            out->known++;
        } else {
            row_new(item.has_id ? &item.id : &id, &item.draft);
            out->added++;
        }
    }
    while (st != EDN_OK && rows_n > before)
        row_dispose(&rows[--rows_n]);
    return st;
}

edn_status edn_client_export(edn_client *c, const edn_filter *f, edn_entry_fn *fn, void *ctx, const edn_progress *p,
                             edn_err *err)
{
    (void)p;
    return edn_client_list(c, f, fn, ctx, err);
}

edn_status edn_client_sync(edn_client *c, const edn_sync_options *o, edn_sync_result *out, edn_err *err)
{
    (void)c;
    for (size_t i = 0; i < fake.findings_n; i++)
        o->on_finding(o->ctx, &fake.findings[i]);
    *out = fake.synced;
    return step(err);
}

edn_status edn_client_watch(edn_client *c, const edn_sync_options *o, bool (*go_on)(void *, const edn_sync_result *),
                            void *ctx, edn_err *err)
{
    (void)c;
    (void)o;
    for (int i = 0; i < 3 && go_on(ctx, i == 1 ? NULL : &fake.synced); i++)
        continue;
    return step(err);
}

edn_status edn_client_status_get(edn_client *c, edn_client_status *out, edn_err *err)
{
    (void)c;
    *out = fake.status;
    out->unlocked = fake.unlocked;
    return step(err);
}

edn_status edn_client_verify_published(edn_client *c, edn_finding_fn *fn, void *ctx, const edn_progress *p,
                                       edn_verify_result *out, edn_err *err)
{
    (void)c;
    (void)fn;
    (void)ctx;
    (void)p;
    *out = (edn_verify_result){.parts = 3};
    return step(err);
}

edn_status edn_client_verify(edn_client *c, edn_finding_fn *fn, void *ctx, const edn_progress *p,
                             edn_verify_result *out, edn_err *err)
{
    (void)c;
    (void)p;
    for (size_t i = 0; i < fake.findings_n; i++)
        fn(ctx, &fake.findings[i]);
    *out = (edn_verify_result){.links = 1, .damaged = fake.findings_n};
    return step(err);
}

edn_status edn_client_slot_needs(edn_client *c, const char *what, edn_slot_needs *out, edn_err *err)
{
    (void)c;
    (void)what;
    *out = (edn_slot_needs){false, false};
    return step(err);
}

edn_status edn_client_unlock_slot(edn_client *c, const char *what, edn_bytes pin, edn_err *err)
{
    (void)c;
    (void)what;
    (void)pin;
    return step(err);
}

edn_status edn_client_slot_add(edn_client *c, const char *holder, edn_bytes passphrase, edn_bytes pin, edn_err *err)
{
    (void)c;
    (void)holder;
    (void)passphrase;
    (void)pin;
    return step(err);
}

edn_status edn_client_slot_list(edn_client *c, edn_slot_fn *fn, void *ctx, edn_err *err)
{
    edn_slot s = {"00112233445566778899aabbccddeeff", "tpm", 1000};
    edn_status st = step(err);

    (void)c;
    return st == EDN_OK ? fn(ctx, &s) : st;
}

edn_status edn_client_slot_remove(edn_client *c, const char *what, edn_err *err)
{
    (void)c;
    (void)what;
    return step(err);
}
