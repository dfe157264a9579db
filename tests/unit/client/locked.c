/* Journals with a second passphrase: what is seen of them while they are closed, and that nothing gets lost. */
#include "crashvfs.h"
#include "diarist.h"

#include "client/diary/catalog_priv.h"
#include "client/sharing/space.h"
#include "keys/sharing.h"

#include <edn/account.h>
#include <edn/locked.h>
#include <edn/sharing.h>
#include <stdlib.h>

#define SECOND "a second passphrase"
#define OTHER "quite another one"

/* ---- what somebody does ------------------------------------------------------------------------------------------ */

/* As edn_client_journal_new_locked and _lock, at the least cost. */
static edn_client *make(edn_client *c, const char *name, const edn_journal_id *from)
{
    const second_passphrase second = {edn_bytes_str(SECOND), EDN_KDF_TEST};
    edn_client *s = NULL;

    OK(locked_make(c, from, edn_bytes_str(name), &second, &s, &err));
    return s;
}

static void open_it(edn_client *c, const char *name)
{
    OK(edn_client_journal_open(c, name, edn_bytes_str(SECOND), &err));
}

static bool close_it(edn_client *c, const char *name)
{
    bool unsent;

    OK(edn_client_journal_close(c, name, &unsent, &err));
    return unsent;
}

static edn_journal_id journal_of(edn_client *c, const char *name)
{
    edn_journal_id j;

    OK(edn_client_journal_find(c, name, &j, &err));
    return j;
}

static edn_entry_id write_in(edn_client *c, const char *journal, const char *title, const char *text)
{
    const edn_bytes tag = edn_bytes_str("nightingale");
    edn_journal_id j = journal_of(c, journal);
    edn_draft d = {.date = edn_bytes_str("1660-01-01"),
                   .title = edn_bytes_str(title),
                   .text = edn_bytes_str(text),
                   .tags = &tag,
                   .tags_n = 1,
                   .journal = &j};
    edn_entry_id id;

    OK(edn_client_add(c, &d, &id, &err));
    return id;
}

typedef struct seen_journal {
    const char *name;
    edn_journal j;
    unsigned n;
} seen_journal;

static edn_status see_journal(void *ctx, const edn_journal *j)
{
    seen_journal *s = ctx;

    if (edn_bytes_equal(j->name, edn_bytes_str(s->name))) {
        s->j = *j;
        s->n++;
    }
    return EDN_OK;
}

static edn_journal listed(edn_client *c, const char *name)
{
    seen_journal s = {.name = name};

    OK(edn_client_journals(c, see_journal, &s, &err));
    CHECK_INT(s.n, 1);
    return s.j;
}

static edn_status count_entry(void *ctx, const edn_entry *e)
{
    (void)e;
    ++*(unsigned *)ctx;
    return EDN_OK;
}

static edn_status count_hit(void *ctx, const edn_hit *h)
{
    (void)h;
    ++*(unsigned *)ctx;
    return EDN_OK;
}

static edn_status count_month(void *ctx, const edn_month_count *m)
{
    *(uint64_t *)ctx += m->entries;
    return EDN_OK;
}

static edn_status see_tag(void *ctx, edn_bytes tag, uint64_t entries)
{
    (void)entries;
    CHECK(ctx && !edn_bytes_equal(tag, edn_bytes_str("nightingale")));
    return EDN_OK;
}

static unsigned found(edn_client *c, const char *word)
{
    edn_search_result r;
    unsigned n = 0;

    OK(edn_client_search(c, edn_bytes_str(word), NULL, count_hit, &n, &r, &err));
    return n;
}

static unsigned entries(edn_client *c, bool deleted)
{
    edn_filter f = {.deleted = deleted};
    unsigned n = 0;

    OK(edn_client_list(c, &f, count_entry, &n, &err));
    return n;
}

/* ---- closed ------------------------------------------------------------------------------------------------------ */

static void a_closed_journal_shows_nothing_but_its_name(void **state)
{
    two t = two_open();
    edn_entry_id id;
    edn_journal_id j;
    edn_filter by_date = {.from = edn_bytes_str("1660-01-01"), .to = edn_bytes_str("1660-01-01")};
    uint64_t counted = 0;
    unsigned n = 0;
    edn_client *s = make(t.a, "Vault", NULL);

    (void)state;
    diary_add(t.a, "1661-01-01", "", "a common thing");
    id = write_in(t.a, "Vault", "of the bird", "a nightingale sang");
    CHECK_INT(entries(t.a, true), 2);
    CHECK_INT(found(t.a, "nightingale"), 1);
    CHECK(listed(t.a, "Vault").locked && !listed(t.a, "Vault").closed && !listed(t.a, "Vault").shared);
    CHECK_INT(listed(t.a, "Vault").entries, 1);
    j = client_id(s)->journal;

    CHECK(!close_it(t.a, "Vault"));
    CHECK(listed(t.a, "Vault").closed && listed(t.a, "Vault").locked);
    CHECK_INT(listed(t.a, "Vault").entries, 0);
    CHECK_INT(entries(t.a, true), 1);
    CHECK_INT(found(t.a, "nightingale"), 0);
    CHECK_INT(found(t.a, "bird"), 0);
    OK(edn_client_list(t.a, &by_date, count_entry, &n, &err));
    OK(edn_client_export(t.a, &by_date, count_entry, &n, NULL, &err));
    CHECK_INT(n, 0);
    OK(edn_client_stats(t.a, NULL, NULL, count_month, see_tag, &counted, &err));
    CHECK_INT(counted, 1);
    REFUSED(edn_client_show(t.a, &id, count_entry, &n, &err), EDN_E_MISSING);
    REFUSED(edn_client_journal_find(t.a, "vault", &j, &err), EDN_E_LOCKED);
    REFUSED(edn_client_search(t.a, edn_bytes_str("journal:vault"), NULL, count_hit, &n, NULL, &err), EDN_E_LOCKED);
    edn_draft d = {.text = edn_bytes_str("x"), .journal = &j};
    REFUSED(edn_client_add(t.a, &d, &id, &err), EDN_E_LOCKED);
    REFUSED(edn_client_journal_new(t.a, edn_bytes_str("Vault"), &j, &err), EDN_E_EXISTS);
    REFUSED(
        edn_client_journal_new_locked(t.a, edn_bytes_str("Vault"), edn_bytes_str(SECOND), EDN_STRENGTH_FLOOR, &j, &err),
        EDN_E_EXISTS);
    diary_check_verified(t.a);

    open_it(t.a, "vault");
    CHECK_INT(entries(t.a, true), 2);
    CHECK_INT(found(t.a, "nightingale"), 1);
    edn_client_lock(t.a);
    OK(edn_client_unlock(t.a, edn_bytes_str(WORLD_PASSPHRASE), &err));
    CHECK_INT(entries(t.a, true), 1); /* locking the diary closes them all */
    two_close(&t);
}

static edn_status next_item(void *ctx, edn_import_item *item, bool *done)
{
    bool *given = ctx;

    *done = *given;
    *given = true;
    item->draft.text = edn_bytes_str("brought in");
    item->journal_name = edn_bytes_str("Vault");
    return EDN_OK;
}

static void nothing_is_brought_into_a_closed_one_or_one_of_its_name(void **state)
{
    two t = two_open();
    edn_import_result r;
    bool given = false;

    (void)state;
    make(t.a, "Vault", NULL);
    close_it(t.a, "Vault");
    REFUSED(edn_client_import(t.a, next_item, &given, NULL, &r, &err), EDN_E_LOCKED);
    CHECK_INT(entries(t.a, false), 0);
    open_it(t.a, "Vault");
    given = false;
    OK(edn_client_import(t.a, next_item, &given, NULL, &r, &err));
    CHECK_INT(listed(t.a, "Vault").entries, 1);
    two_close(&t);
}

static void a_wrong_passphrase_changes_nothing(void **state)
{
    two t = two_open();
    bool unsent;

    (void)state;
    make(t.a, "Vault", NULL);
    write_in(t.a, "Vault", "", "kept");
    close_it(t.a, "Vault");
    REFUSED(edn_client_journal_open(t.a, "Vault", edn_bytes_str(WORLD_PASSPHRASE), &err), EDN_E_PASSPHRASE);
    REFUSED(edn_client_journal_open(t.a, "Vault", edn_bytes_str("short"), &err), EDN_E_PASSPHRASE);
    REFUSED(edn_client_journal_unlock(t.a, "Vault", edn_bytes_str(OTHER), &err), EDN_E_PASSPHRASE);
    REFUSED(edn_client_journal_passphrase(t.a, "Vault", edn_bytes_str(OTHER), edn_bytes_str(SECOND), EDN_STRENGTH_FLOOR,
                                          &err),
            EDN_E_PASSPHRASE);
    REFUSED(edn_client_journal_passphrase(t.a, "Vault", edn_bytes_str(SECOND), edn_bytes_str("short"),
                                          EDN_STRENGTH_FLOOR, &err),
            EDN_E_INVALID);
    REFUSED(edn_client_journal_open(t.a, "Volt", edn_bytes_str(SECOND), &err), EDN_E_MISSING);
    REFUSED(edn_client_journal_close(t.a, "Volt", &unsent, &err), EDN_E_MISSING);
    CHECK(listed(t.a, "Vault").closed);
    CHECK(diary_sync(t.a).synced);
    open_it(t.a, "Vault");
    CHECK_INT(entries(t.a, false), 1);
    two_close(&t);
}

static void sync_both(two *t)
{
    for (int i = 0; i < 2; i++) {
        diary_sync(t->a);
        diary_sync(t->b);
    }
}

/* ---- two devices ------------------------------------------------------------------------------------------------- */

static void what_others_write_meanwhile_is_there_once_it_is_open(void **state)
{
    two t = two_open();
    edn_entry_id id;

    (void)state;
    make(t.a, "Vault", NULL);
    id = write_in(t.a, "Vault", "", "one two three");
    diary_sync(t.a);
    diary_sync(t.b);
    CHECK(listed(t.b, "Vault").closed);
    CHECK_INT(entries(t.b, true), 0);
    open_it(t.b, "Vault"); /* the first time on this device: all of it comes */
    diary_check_text(t.b, &id, "one two three");
    close_it(t.a, "Vault");

    diary_edit(t.b, &id, "one two three four");
    CHECK(diary_sync(t.b).synced);
    CHECK(diary_sync(t.a).synced); /* closed, and no matter */
    diary_add(t.a, "1661-01-01", "", "a common thing");
    CHECK(diary_sync(t.a).synced);
    open_it(t.a, "Vault");
    diary_edit(t.a, &id, "zero one two three");
    CHECK(diary_sync(t.a).synced);
    diary_check_text(t.a, &id, "zero one two three four");
    diary_sync(t.b);
    diary_check_same(t.a, t.b);
    two_close(&t);
}

static edn_status note_name(void *ctx, const edn_history_item *v)
{
    edn_buf *names = ctx;

    edn_put_bytes(names, v->device_name.p, v->device_name.n);
    edn_put_u8(names, ' ');
    return edn_buf_status(names);
}

static void its_history_names_devices(void **state)
{
    two t = two_open();
    edn_buf names = EDN_BUF_INIT(4096);
    edn_entry_id id;

    (void)state;
    make(t.a, "Vault", NULL);
    id = write_in(t.a, "Vault", "", "one");
    sync_both(&t);
    open_it(t.b, "Vault");
    diary_edit(t.b, &id, "one two");
    sync_both(&t);
    OK(edn_client_history(t.a, &id, note_name, &names, &err));
    CHECK_STR(edn_buf_view(&names), "a b ");
    edn_buf_dispose(&names);
    two_close(&t);
}

static bool unsent_listed;
static edn_status see_unsent(void *ctx, const edn_locked_journal *j)
{
    (void)ctx;
    CHECK(!j->open);
    unsent_listed = j->unsent;
    return EDN_OK;
}

static void what_cannot_be_sent_waits_and_is_told(void **state)
{
    two t = two_open();
    edn_client_status s;
    edn_entry_id id;

    (void)state;
    make(t.a, "Vault", NULL);
    t.w->down = true;
    id = write_in(t.a, "Vault", "", "written on a train");
    CHECK(close_it(t.a, "Vault"));
    OK(edn_client_locked_journals(t.a, see_unsent, NULL, &err));
    CHECK(unsent_listed);
    t.w->down = false;
    CHECK(diary_sync(t.a).synced);
    OK(edn_client_status_get(t.a, &s, &err));
    CHECK(!s.synced && s.closed == 1 && s.closed_unsent == 1);
    open_it(t.a, "Vault");
    CHECK(!close_it(t.a, "Vault"));
    OK(edn_client_status_get(t.a, &s, &err));
    CHECK(s.synced && s.closed == 1 && s.closed_unsent == 0);
    diary_sync(t.b);
    open_it(t.b, "Vault");
    diary_check_text(t.b, &id, "written on a train");
    two_close(&t);
}

static void put_member(edn_client *c, const edn_entry_id *space, edn_buf *out)
{
    OK(client_begin_read(c, &err));
    CHECK_OK(named_get(c, space, EDN_RECORD_SPACE, "member", out));
    OK(client_end_read(c, EDN_OK, &err));
}

static void the_second_passphrase_can_be_changed(void **state)
{
    two t = two_open();
    edn_buf had[2] = {EDN_BUF_INIT(4096), EDN_BUF_INIT(4096)};
    edn_entry_id space;

    (void)state;
    space = account_entry(&client_id(make(t.a, "Vault", NULL))->account);
    write_in(t.a, "Vault", "", "kept");
    close_it(t.a, "Vault");
    put_member(t.a, &space, &had[0]);
    OK(edn_client_journal_passphrase(t.a, "Vault", edn_bytes_str(SECOND), edn_bytes_str(OTHER), EDN_STRENGTH_FLOOR,
                                     &err));
    put_member(t.a, &space, &had[1]); /* nothing but the lock was written anew */
    CHECK_BYTES(edn_buf_view(&had[0]), edn_buf_view(&had[1]));
    CHECK(listed(t.a, "Vault").closed);
    diary_sync(t.a);
    diary_sync(t.b);
    for (int i = 0; i < 2; i++) {
        edn_client *c = i ? t.b : t.a;
        REFUSED(edn_client_journal_open(c, "Vault", edn_bytes_str(SECOND), &err), EDN_E_PASSPHRASE);
        OK(edn_client_journal_open(c, "Vault", edn_bytes_str(OTHER), &err));
        CHECK_INT(entries(c, false), 1);
        edn_buf_dispose(&had[i]);
    }
    two_close(&t);
}

static void once_taken_off_it_is_open_wherever_the_diary_is(void **state)
{
    two t = two_open();
    edn_entry_id id;
    edn_journal_id j;

    (void)state;
    make(t.a, "Vault", NULL);
    id = write_in(t.a, "Vault", "", "kept");
    diary_sync(t.a);
    diary_sync(t.b);
    close_it(t.a, "Vault");
    OK(edn_client_journal_unlock(t.a, "Vault", edn_bytes_str(SECOND), &err));
    CHECK(!listed(t.a, "Vault").locked && !listed(t.a, "Vault").shared);
    diary_sync(t.a);
    diary_sync(t.b);
    for (int i = 0; i < 2; i++) {
        edn_client *c = i ? t.b : t.a;
        edn_client_lock(c);
        OK(edn_client_unlock(c, edn_bytes_str(WORLD_PASSPHRASE), &err));
        diary_check_text(c, &id, "kept");
        REFUSED(edn_client_journal_open(c, "Vault", edn_bytes_str(SECOND), &err), EDN_E_MISSING);
    }
    j = journal_of(t.a, "Vault");
    REFUSED(edn_client_journal_lock(t.a, &j, edn_bytes_str(SECOND), EDN_STRENGTH_FLOOR, &err), EDN_E_EXISTS);
    two_close(&t);
}

/* ---- an existing journal ----------------------------------------------------------------------------------------- */

static void a_private_journal_is_locked_with_its_entries(void **state)
{
    two t = two_open();
    edn_entry_id id, before;
    edn_journal_id j;
    unsigned n = 0;

    (void)state;
    OK(edn_client_journal_new(t.a, edn_bytes_str("Vault"), &j, &err));
    id = write_in(t.a, "Vault", "of the bird", "a nightingale sang");
    diary_sync(t.a);
    diary_sync(t.b);
    make(t.a, "Vault", &j);
    CHECK_INT(listed(t.a, "Vault").entries, 1);
    CHECK_INT(listed(t.a, "Vault (before it was locked)").entries, 0);
    close_it(t.a, "Vault");
    diary_sync(t.b);
    for (int i = 0; i < 2; i++) { /* on the other device, which never had it open, too */
        edn_client *c = i ? t.b : t.a;
        CHECK_INT(entries(c, true), 0);
        CHECK_INT(found(c, "nightingale"), 0);
        REFUSED(edn_client_find(c, "1660-01-01", &before, &err), EDN_E_MISSING);
        REFUSED(edn_client_show(c, &id, count_entry, &n, &err), EDN_E_LOCKED);
        REFUSED(edn_client_edit(c, &id, EDN_BYTES_EMPTY, edn_bytes_str("x"), &err), EDN_E_LOCKED);
        open_it(c, "Vault");
        diary_check_text(c, &id, "a nightingale sang");
    }
    diary_check_same(t.a, t.b);
    two_close(&t);
}

static void a_shared_one_is_not_locked_and_a_locked_one_not_shared(void **state)
{
    two t = two_open();
    edn_journal_id j;

    (void)state;
    make(t.a, "Vault", NULL);
    j = journal_of(t.a, "Vault");
    REFUSED(edn_client_journal_lock(t.a, &j, edn_bytes_str(OTHER), EDN_STRENGTH_FLOOR, &err), EDN_E_EXISTS);
    REFUSED(edn_client_journal_share(t.a, &j, "nobody", EDN_MEMBER_READ, true, &err), EDN_E_MISSING);
    two_close(&t);
}

static void a_name_can_change_whether_it_is_open_or_not(void **state)
{
    two t = two_open();
    edn_journal_id j;

    (void)state;
    make(t.a, "Vault", NULL);
    j = journal_of(t.a, "Vault");
    OK(edn_client_journal_rename(t.a, &j, edn_bytes_str("Crypt"), &err));
    close_it(t.a, "Crypt");
    CHECK(listed(t.a, "Crypt").closed);
    REFUSED(edn_client_journal_rename(t.a, &j, edn_bytes_str("Tomb"), &err), EDN_E_LOCKED);
    open_it(t.a, "Crypt");
    CHECK_INT(listed(t.a, "Crypt").entries, 0);
    two_close(&t);
}

/* ---- without a server, and with a stolen device ------------------------------------------------------------------ */

static void a_diary_without_a_server_can_have_one(void **state)
{
    world *w = world_new();
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_init_options init = {.strength = EDN_STRENGTH_FLOOR};
    edn_client_options o;
    edn_client *c = NULL;
    edn_entry_id id;

    (void)state;
    world_home(w, "x", home);
    o = world_options(w, home);
    OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err));
    make(c, "Vault", NULL);
    id = write_in(c, "Vault", "", "kept");
    CHECK(close_it(c, "Vault"));
    open_it(c, "Vault");
    diary_check_text(c, &id, "kept");
    OK(edn_client_server_set(c, WORLD_ORIGIN, "kim", &err));
    CHECK(diary_sync(c).synced);
    CHECK(!close_it(c, "Vault"));
    edn_client_close(c);
    world_free(w);
}

static void count_finding(void *ctx, const edn_finding *f)
{
    ++*(unsigned *)ctx;
    CHECK(strstr(f->text, "Vault") != NULL);
}

static void after_a_theft_it_gets_new_keys_when_it_is_opened(void **state)
{
    two t = two_open();
    unsigned told = 0;
    edn_sync_options o = {.on_finding = count_finding, .ctx = &told};
    edn_sync_result r;
    edn_client *s;
    edn_account_id space;
    uint32_t epoch;

    (void)state;
    s = make(t.a, "Vault", NULL);
    space = client_id(s)->account;
    diary_sync(t.b);
    open_it(t.b, "Vault");
    close_it(t.a, "Vault");
    OK(edn_client_device_revoke(t.a, "b", edn_bytes_str(WORLD_PASSPHRASE), &err));
    OK(edn_client_sync(t.a, &o, &r, &err));
    CHECK(told == 1 && r.synced && r.findings == 0); /* nothing is wrong; but somebody is to know */
    open_it(t.a, "Vault");
    OK(family_find(t.a, &space, &s, &err));
    OK(client_begin_read(s, &err));
    epoch = edn_devlog_epoch(s->log);
    OK(client_end_read(s, EDN_OK, &err));
    CHECK_INT(epoch, 1);
    told = 0;
    OK(edn_client_sync(t.a, &o, &r, &err));
    CHECK(told == 0 && r.synced);
    write_in(t.a, "Vault", "", "after it");
    CHECK(diary_sync(t.a).synced);
    two_close(&t);
}

/* All devices are lost but for what is on paper: a new one has the second passphrase, and nobody who was in before. */
static void a_new_device_opens_it_when_all_others_are_gone(void **state)
{
    two t = two_open();
    edn_client *c, *s = make(t.a, "Vault", NULL);
    const edn_account_id space = client_id(s)->account;
    edn_entry_id id = write_in(t.a, "Vault", "", "kept");
    const edn_device *d;
    unsigned active = 0;

    (void)state;
    diary_sync(t.a);
    diary_sync(t.b);
    c = world_login(t.w, "c");
    diary_sync(c);
    OK(edn_client_device_revoke(c, "a", edn_bytes_str(WORLD_PASSPHRASE), &err));
    OK(edn_client_device_revoke(c, "b", edn_bytes_str(WORLD_PASSPHRASE), &err));
    REFUSED(edn_client_journal_open(c, "Vault", edn_bytes_str(OTHER), &err), EDN_E_PASSPHRASE);
    open_it(c, "Vault");
    diary_check_text(c, &id, "kept");
    diary_edit(c, &id, "kept, and going on");
    CHECK(diary_sync(c).synced);
    OK(family_find(c, &space, &s, &err));
    OK(client_begin_read(s, &err));
    for (size_t i = 0; (d = edn_devlog_device(s->log, i)) != NULL; i++)
        active += edn_device_active(d) && !(d->cert.caps & EDN_CAP_MEMBER);
    OK(client_end_read(s, EDN_OK, &err));
    CHECK_INT(active, 1);
    edn_client_close(c);
    two_close(&t);
}

/* ---- the lock itself --------------------------------------------------------------------------------------------- */

/* Another device, or whoever can write as one, says that less is enough. */
static void a_lock_that_is_too_weak_is_refused(void **state)
{
    two t = two_open();
    edn_client *s = make(t.a, "Vault", NULL);
    const edn_account_id space = client_id(s)->account;
    const edn_entry_id id = account_entry(&space);
    edn_buf box = EDN_BUF_INIT(4096);

    (void)state;
    close_it(t.a, "Vault");
    OK(client_begin_write(t.a, &err));
    CHECK_OK(named_get(t.a, &id, EDN_RECORD_SPACE, "lock", &box));
    edn_store_u32(box.p + 12, 4); /* KiB */
    CHECK_OK(named_set(t.a, &id, EDN_RECORD_SPACE, "lock", edn_buf_view(&box)));
    OK(client_end_write(t.a, EDN_OK, &err));
    REFUSED(edn_client_journal_open(t.a, "Vault", edn_bytes_str(SECOND), &err), EDN_E_KDF);
    edn_buf_dispose(&box);
    two_close(&t);
}

/* ---- what the diary's own keys open ------------------------------------------------------------------------------ */

/* Everything in the person's own store, opened: rows; documents with their histories, unpacked; records of batches. */
typedef struct reading {
    edn_client *c;
    edn_buf all;
    edn_table table;
} reading;

static edn_status read_document(reading *r, edn_bytes key)
{
    edn_entry_id id;
    object *o;
    edn_status st;

    memcpy(id.b, key.p, sizeof id.b);
    st = object_get(r->c, &id, &o);
    return st == EDN_OK ? edn_doc_encode(o->doc, &r->all) : st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status read_batch(reading *r, edn_bytes key)
{
    edn_arena a = edn_arena_init(BATCH_ARENA_SIZE_MAX);
    edn_device_id d;
    uint64_t dseq = 0;
    record_head head;
    edn_batch b;
    edn_body body;

    memcpy(d.b, key.p + 8, sizeof d.b);
    for (int i = 0; i < 8; i++)
        dseq = dseq << 8 | key.p[24 + i];
    CHECK_OK(batch_reopen(r->c, &d, dseq, &a, &b, &body));
    for (uint32_t i = 0; i < body.records_n; i++) {
        const edn_record *x = &body.records[i];
        if (x->type != EDN_RECORD_JOURNAL_KEY)
            CHECK_OK(record_has_events(x->type) ? record_message(r->c, &b.header, x, i, &r->all, &head)
                                                : record_raw(r->c, &b.header, x, i, &r->all));
    }
    edn_arena_dispose(&a);
    return EDN_OK;
}

static edn_status read_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    reading *r = ctx;

    CHECK_OK(st);
    edn_put_bytes(&r->all, value.p, value.n);
    if (r->table == EDN_TABLE_ENTRY && key.n == 16)
        CHECK_OK(read_document(r, key));
    if (r->table == EDN_TABLE_BATCH && key.n == 32)
        CHECK_OK(read_batch(r, key));
    return edn_buf_status(&r->all);
}

static size_t readable_in(edn_client *c, edn_bytes what, bool batches)
{
    reading r = {.c = c, .all = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    size_t n = 0;

    OK(client_begin_read(c, &err));
    for (int t = EDN_TABLE_OPEN; t <= EDN_TABLE_INDEX; t++) {
        r.table = (edn_table)t;
        if (r.table == EDN_TABLE_BATCH && !batches)
            continue;
        CHECK_OK(edn_store_scan(c->store, r.table, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, read_row, &r));
    }
    OK(client_end_read(c, EDN_OK, &err));
    CHECK(r.all.n > 2000);
    for (size_t at = 0; at + what.n <= r.all.n; at++)
        n += memcmp(r.all.p + at, what.p, what.n) == 0;
    edn_buf_dispose(&r.all);
    return n;
}

static size_t readable(edn_client *c, edn_bytes what) { return readable_in(c, what, true); }

#define READABLE(c, word) readable(c, edn_bytes_str(word))

/* With the diary's keys alone, the store of the journal is what another person's would be. */
static void check_store_closed(edn_client *c, const edn_account_id *space)
{
    edn_store_key_name name = edn_store_name(c->store, EDN_TABLE_META, "shared", EDN_F(*space));
    EDN_SECRET(edn_local_key) key = EDN_KEY_EMPTY;
    char home[512], hex[33];
    edn_store *store;

    edn_hex_encode(hex, name.b, sizeof name.b);
    snprintf(home, sizeof home, "%s/shared/%s", c->home, hex);
    for (int i = 0; i < 2; i++) {
        edn_store_options o = {.vfs = c->vfs};
        edn_err err;
        if (i)
            edn_kdf_t(key.b, sizeof key.b, c->secret->ldk.b, EDN_LABEL_STORE_SHARED, EDN_F(*space));
        else
            key = c->secret->ldk;
        CHECK_OK(edn_store_open(home, &o, &store, &err));
        CHECK_STATUS(edn_store_unlock(store, &key, &c->random), EDN_E_AUTH);
        edn_store_close(store);
    }
}

/* Nor are the keys under which it is at the server anything that follows from the diary's, or is kept there. */
static void check_keys_apart(edn_client *c, edn_client *s, const edn_account_id *space)
{
    static space_info info;
    const identity *own = client_id(c), *there = client_id(s);
    edn_seed sign;
    edn_dh_sk enc;
    edn_root_key mine, theirs;

    edn_space_device_keys(&sign, &enc, &own->sign_seed, &own->enc_sk, space);
    CHECK(memcmp(sign.b, there->sign_seed.b, sizeof sign.b) != 0 && memcmp(enc.b, there->enc_sk.b, sizeof enc.b) != 0);
    OK(client_begin_read(c, &err));
    CHECK_OK(keys_root(c, 0, &mine));
    CHECK_OK(space_load(c, space, &info));
    OK(client_end_read(c, EDN_OK, &err));
    OK(client_begin_read(s, &err));
    CHECK_OK(keys_root(s, 0, &theirs));
    OK(client_end_read(s, EDN_OK, &err));
    CHECK(memcmp(&mine, &theirs, sizeof mine) != 0 && memcmp(&info.root, &theirs, sizeof theirs) == 0);
    CHECK_INT(readable(c, EDN_F(theirs)), 0);
    CHECK_INT(readable(c, EDN_F(info.keys.sign)), 0);
    CHECK_INT(readable(c, EDN_F(info.keys.enc)), 0);
    CHECK_INT(readable(c, EDN_F(info.lock)), 0);
    CHECK(readable(c, EDN_F(mine)) > 0);
}

static void nothing_of_it_opens_with_the_diarys_own_keys(void **state)
{
    two t = two_open();
    edn_client *s = make(t.a, "Vault", NULL);
    const edn_account_id space = client_id(s)->account;
    edn_entry_id id;

    (void)state;
    diary_add(t.a, "1661-01-01", "", "a common thrush");
    id = write_in(t.a, "Vault", "Quetzalcoatlus", "a nightingale sang");
    diary_edit(t.a, &id, "a hummingbird sang");
    CHECK_INT(found(t.a, "thrush"), 1); /* which makes the index */
    CHECK_INT(found(t.a, "nightingale OR hummingbird"), 1);
    check_keys_apart(t.a, s, &space);
    diary_sync(t.a);
    diary_sync(t.b);
    open_it(t.b, "Vault");
    diary_sync(t.b);
    for (int i = 0; i < 2; i++) {
        edn_client *c = i ? t.b : t.a;
        close_it(c, "Vault");
        CHECK(READABLE(c, "thrush") >= 3); /* document, batch, contents: it finds what is there */
        CHECK_INT(READABLE(c, "nightingale"), 0);
        CHECK_INT(READABLE(c, "hummingbird"), 0);
        CHECK_INT(READABLE(c, "Quetzalcoatlus"), 0);
        CHECK(READABLE(c, "Vault") > 0); /* as the manual says */
        check_store_closed(c, &space);
    }
    two_close(&t);
}

/* ---- what was written before ------------------------------------------------------------------------------------- */

/* A journal with an entry that was edited, on both devices, with an index of it; then locked on the first. */
static edn_entry_id lock_old(two *t, edn_journal_id *j)
{
    edn_entry_id id;

    OK(edn_client_journal_new(t->a, edn_bytes_str("Vault"), j, &err));
    id = write_in(t->a, "Vault", "Quetzalcoatlus", "a hummingbird sang");
    diary_edit(t->a, &id, "a nightingale sang");
    diary_add(t->a, "1661-01-01", "", "a common thrush");
    sync_both(t);
    CHECK_INT(found(t->a, "nightingale"), 1);
    CHECK_INT(found(t->b, "nightingale"), 1);
    make(t->a, "Vault", j);
    return id;
}

static const char *const old_words[] = {"nightingale", "hummingbird", "Quetzalcoatlus", "1660-01-01"};

static void where_it_was_before_it_is_made_blank_and_a_deep_rekey_does_the_rest(void **state)
{
    two t = two_open();
    edn_client *c;
    edn_journal_id j;
    edn_entry_id id = lock_old(&t, &j);
    edn_rekey_result r;

    (void)state;
    close_it(t.a, "Vault");
    diary_sync(t.b);
    CHECK(readable_in(t.b, edn_bytes_str("nightingale"), false) > 0); /* there it was not opened yet */
    open_it(t.b, "Vault");
    diary_check_text(t.b, &id, "a nightingale sang");
    close_it(t.b, "Vault");
    for (size_t i = 0; i < EDN_COUNT(old_words); i++) {
        CHECK_INT(readable_in(t.a, edn_bytes_str(old_words[i]), false), 0);
        CHECK_INT(readable_in(t.b, edn_bytes_str(old_words[i]), false), 0);
    }
    CHECK(READABLE(t.a, "nightingale") > 0); /* batches, as the manual says */
    CHECK_INT(found(t.a, "thrush"), 1);
    diary_check_verified(t.a);

    OK(edn_client_rekey_deep(t.a, edn_bytes_str(WORLD_PASSPHRASE), NULL, &r, &err));
    sync_both(&t);
    c = world_login(t.w, "c");
    diary_sync(c);
    for (size_t i = 0; i < EDN_COUNT(old_words); i++) {
        CHECK_INT(READABLE(t.a, old_words[i]), 0);
        CHECK_INT(READABLE(t.b, old_words[i]), 0);
        CHECK_INT(READABLE(c, old_words[i]), 0);
    }
    CHECK(READABLE(c, "thrush") > 0);
    open_it(c, "Vault");
    diary_check_text(c, &id, "a nightingale sang");
    diary_check_verified(c);
    edn_client_close(c);
    two_close(&t);
}

/* Somebody's other device did not know, and wrote where the entry was: that is shown there again, and lost nowhere. */
static void an_edit_that_comes_late_is_shown_where_the_entry_was(void **state)
{
    two t = two_open();
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_entry_id id;
    edn_journal_id j;

    (void)state;
    OK(edn_client_journal_new(t.a, edn_bytes_str("Vault"), &j, &err));
    id = write_in(t.a, "Vault", "", "a nightingale sang");
    sync_both(&t);
    diary_edit(t.b, &id, "a nightingale sang by night");
    make(t.a, "Vault", &j);
    close_it(t.a, "Vault");
    diary_sync(t.b);
    diary_check_text(t.b, &id, "a nightingale sang by night");
    diary_sync(t.a);
    diary_text(t.a, &id, &text);
    CHECK_INT(diary_count(edn_buf_view(&text), " by night"), 1);
    CHECK_INT(diary_count(edn_buf_view(&text), "nightingale"), 0);
    edn_buf_dispose(&text);
    open_it(t.b, "Vault"); /* what is live is not made blank */
    diary_check_text(t.b, &id, "a nightingale sang by night");
    two_close(&t);
}

static void an_entry_goes_in_and_comes_back_whole(void **state)
{
    two t = two_open();
    edn_entry_id id = diary_add(t.a, "1661-01-01", "of the bird", "a nightingale sang");
    edn_journal_id own, vault;

    (void)state;
    make(t.a, "Vault", NULL);
    sync_both(&t);
    vault = journal_of(t.a, "Vault");
    own = client_id(t.a)->journal;
    OK(edn_client_move(t.a, &id, &vault, &err));
    CHECK_INT(readable_in(t.a, edn_bytes_str("nightingale"), false), 0);
    diary_check_text(t.a, &id, "a nightingale sang");
    sync_both(&t);
    OK(edn_client_move(t.a, &id, &own, &err));
    close_it(t.a, "Vault");
    sync_both(&t); /* the other device never had it open, and no blank document */
    diary_check_text(t.a, &id, "a nightingale sang");
    diary_check_text(t.b, &id, "a nightingale sang");
    diary_check_same(t.a, t.b);
    CHECK_INT(found(t.a, "nightingale"), 1);
    two_close(&t);
}

/* ---- power ------------------------------------------------------------------------------------------------------- */

static uint8_t session[EDN_SESSION_KEY_SIZE];

static edn_client *open_home(world *w)
{
    char home[256];
    edn_client_options o;
    edn_client *c;

    world_home(w, "x", home);
    o = world_options(w, home);
    OK(edn_client_open(&o, &c, &err));
    OK(edn_client_unlock_session(c, session, &err));
    return c;
}

static edn_client *init_home(world *w)
{
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_init_options init = {.strength = EDN_STRENGTH_FLOOR};
    edn_client_options o;
    edn_client *c = NULL;

    world_home(w, "x", home);
    o = world_options(w, home);
    OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err));
    OK(edn_client_session_key(c, session));
    return c;
}

static edn_status note_any(void *ctx, const edn_locked_journal *j)
{
    (void)j;
    ++*(unsigned *)ctx;
    return EDN_OK;
}

/* After whatever was interrupted: the journal is private, or it is locked; and the same once more brings it to be
 * locked, with its entries. */
static void check_goes_on(edn_client *c, const edn_journal_id *j, const edn_entry_id *id)
{
    unsigned n = 0, children = 0;
    edn_buf row = EDN_BUF_INIT(65536);
    edn_client *k;

    OK(edn_client_locked_journals(c, note_any, &n, &err));
    if (n == 0) {
        diary_check_text(c, id, "kept");
        make(c, "Vault", j);
    } else {
        open_it(c, "Vault");
    }
    diary_check_text(c, id, "kept");
    CHECK_INT(listed(c, "Vault").entries, 2);
    CHECK(listed(c, "Vault").locked);
    CHECK_INT(listed(c, "Vault (before it was locked)").entries, 0);
    OK(family_sweep(c, &err));
    for (size_t at = 0; family_next(c, &at, &k, NULL) == EDN_OK && k;)
        children++;
    CHECK_INT(children, 1);
    OK(client_begin_read(c, &err));
    CHECK_OK(meta_get(c, "family", EDN_BYTES_EMPTY, &row));
    OK(client_end_read(c, EDN_OK, &err));
    CHECK_INT(row.n, 1 + 4 + 33); /* nothing of what was begun before is left */
    edn_buf_dispose(&row);
    diary_check_verified(c);
    close_it(c, "Vault");
    CHECK_INT(entries(c, true), 1);
}

static void locking_withstands_power_cuts(void **state)
{
    crashvfs *before = crashvfs_new("lock-before");
    world *w = world_new();
    edn_journal_id j;
    edn_entry_id id;
    edn_client *c;
    bool done = false;
    uint64_t op;

    (void)state;
    w->device_vfs = "lock-before";
    c = init_home(w);
    OK(edn_client_journal_new(c, edn_bytes_str("Vault"), &j, &err));
    id = write_in(c, "Vault", "", "kept");
    write_in(c, "Vault", "", "this too");
    diary_add(c, "1661-01-01", "", "a common thing");
    edn_client_close(c);
    for (op = 1; !done; op++) {
        const second_passphrase second = {edn_bytes_str(SECOND), EDN_KDF_TEST};
        crashvfs *run = crashvfs_copy(before, "lock-run");
        edn_client *s;
        w->device_vfs = "lock-run";
        c = open_home(w);
        crashvfs_cut_at(run, crashvfs_ops(run) + op);
        done = locked_make(c, &j, edn_bytes_str("Vault"), &second, &s, NULL) == EDN_OK && !crashvfs_is_dark(run);
        crashvfs_cut_at(run, 0);
        crashvfs_cut(run);
        edn_client_close(c);
        crashvfs_power(run, (crashvfs_fate)(op % CRASHVFS_FATES), op);
        c = open_home(w);
        check_goes_on(c, &j, &id);
        edn_client_close(c);
        crashvfs_free(run);
    }
    CHECK(op > 30);
    world_free(w);
    crashvfs_free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_journal_shows_nothing_but_its_name),
        cmocka_unit_test(nothing_is_brought_into_a_closed_one_or_one_of_its_name),
        cmocka_unit_test(a_wrong_passphrase_changes_nothing),
        cmocka_unit_test(what_others_write_meanwhile_is_there_once_it_is_open),
        cmocka_unit_test(its_history_names_devices),
        cmocka_unit_test(what_cannot_be_sent_waits_and_is_told),
        cmocka_unit_test(the_second_passphrase_can_be_changed),
        cmocka_unit_test(once_taken_off_it_is_open_wherever_the_diary_is),
        cmocka_unit_test(a_private_journal_is_locked_with_its_entries),
        cmocka_unit_test(a_shared_one_is_not_locked_and_a_locked_one_not_shared),
        cmocka_unit_test(a_name_can_change_whether_it_is_open_or_not),
        cmocka_unit_test(a_diary_without_a_server_can_have_one),
        cmocka_unit_test(after_a_theft_it_gets_new_keys_when_it_is_opened),
        cmocka_unit_test(a_new_device_opens_it_when_all_others_are_gone),
        cmocka_unit_test(a_lock_that_is_too_weak_is_refused),
        cmocka_unit_test(nothing_of_it_opens_with_the_diarys_own_keys),
        cmocka_unit_test(where_it_was_before_it_is_made_blank_and_a_deep_rekey_does_the_rest),
        cmocka_unit_test(an_edit_that_comes_late_is_shown_where_the_entry_was),
        cmocka_unit_test(an_entry_goes_in_and_comes_back_whole),
        cmocka_unit_test(locking_withstands_power_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
