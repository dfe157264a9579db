/* Shared journals as a person has them: letting somebody in, who is in, taking out, invitations. */
#include "client/sharing/space.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- which space ------------------------------------------------------------------------------------------------- */

/* A space and what is kept of it; EDN_E_MISSING: the journal is a private one. */
static edn_status space_of_journal(edn_client *p, const edn_journal_id *journal, edn_client **s, space_info *info,
                                   edn_err *err)
{
    edn_account_id space;
    edn_status st = family_of_journal(p, journal, s, err);

    if (st != EDN_OK)
        return st;
    if (*s == p)
        return edn_fail(err, EDN_E_MISSING, "this journal is not shared");
    if ((st = client_begin_read(*s, err)) != EDN_OK)
        return st;
    space = client_id(*s)->account;
    if ((st = client_end_read(*s, EDN_OK, err)) != EDN_OK || (st = client_begin_read(p, err)) != EDN_OK)
        return st;
    return client_end_read(p, space_load(p, &space, info), err);
}

/* ---- making a private journal a shared one ----------------------------------------------------------------------- */

typedef struct entry_list {
    edn_entry_id *p;
    size_t n, cap;
} entry_list;

static edn_status gather_entry(void *ctx, const edn_entry *e)
{
    entry_list *l = ctx;

    if (!edn_array_room(&l->p, &l->cap, l->n + 1, sizeof *l->p))
        return EDN_E_NOMEM;
    l->p[l->n++] = e->id;
    return EDN_OK;
}

/* Each of them whole, so that what is interrupted goes on. */
static edn_status move_entries(edn_client *p, const edn_journal_id *from, const edn_journal_id *to, edn_err *err)
{
    edn_filter filter = {.journal = from};
    entry_list l = {NULL, 0, 0};
    edn_status st = edn_client_list(p, &filter, gather_entry, &l, err);

    if (st == EDN_OK && l.n && (st = family_settle(p, err)) == EDN_OK)
        st = family_move(p, p, l.p, l.n, to, err);
    free(l.p);
    return st;
}

edn_status space_finish_moving(edn_client *p, const edn_account_id *space, const edn_journal_id *to, bool *moved,
                               edn_err *err)
{
    edn_journal_id from;
    edn_status st = client_begin_read(p, err), found;

    *moved = false;
    if (st != EDN_OK)
        return st;
    found = space_origin(p, space, &from);
    if ((st = client_end_read(p, found == EDN_E_MISSING ? EDN_OK : found, err)) != EDN_OK || found == EDN_E_MISSING)
        return st;
    if ((st = move_entries(p, &from, to, err)) != EDN_OK || (st = client_begin_write(p, err)) != EDN_OK)
        return st;
    *moved = true;
    return client_end_write(p, space_origin_drop(p, space), err);
}

static edn_status make_shared(edn_client *p, const edn_journal_id *journal, edn_client **s, edn_err *err)
{
    edn_buf name = EDN_BUF_INIT(4096);
    edn_status st = client_begin_read(p, err);

    if (st != EDN_OK)
        return st;
    st = journal_name(p, journal, &name);
    if (st == EDN_OK && !client_id(p)->server[0])
        st = edn_fail(err, EDN_E_INVALID,
                      "this diary has no server yet, and sharing needs one: 'edn server URL --name NAME'");
    st = client_end_read(p, st, err);
    if (st == EDN_OK)
        st = space_create(p, journal, edn_buf_view(&name), NULL, s, err);
    edn_buf_dispose(&name);
    return st;
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

typedef struct member_row {
    member m;
    char name[EDN_LETTER_TEXT_MAX + 1];
    size_t devices;
} member_row;

typedef struct member_list {
    member_row *p;
    size_t n, cap;
} member_list;

/* A person may have several keys: one that is made anew is let in before the one before it goes, and what is done in
 * between may be broken off. */
static bool is_listed(const member_list *l, const member *m)
{
    for (size_t i = 0; i < l->n; i++)
        if (memcmp(l->p[i].m.account.b, m->account.b, sizeof m->account.b) == 0)
            return true;
    return false;
}

static edn_status list_member(edn_client *s, const edn_device *d, member_list *l)
{
    /* A key that was made anew goes on with what was said of the one that let it in. */
    const edn_device *first = edn_devlog_membership(s->log, &d->id);
    const edn_device_id *key = first ? &first->id : &d->id;
    edn_buf name = EDN_BUF_INIT(4096);
    member_row *row;
    edn_status st;

    if (!edn_array_room(&l->p, &l->cap, l->n + 1, sizeof *l->p))
        return EDN_E_NOMEM;
    row = &l->p[l->n];
    memset(row, 0, sizeof *row);
    st = member_load(s, key, &row->m);
    if (st == EDN_OK && !is_listed(l, &row->m)) {
        if ((st = member_name(s, key, &name)) == EDN_OK)
            snprintf(row->name, sizeof row->name, "%.*s", (int)name.n, (const char *)name.p);
        l->n += st == EDN_OK;
    }
    edn_buf_dispose(&name);
    return st == EDN_E_MISSING ? EDN_OK : st; /* nobody has said yet whose it is */
}

static void count_device(edn_client *s, const edn_device *d, member_list *l)
{
    const edn_device *key = edn_devlog_membership(s->log, &d->id);
    member m;

    if (!key || member_load(s, &key->id, &m) != EDN_OK)
        return;
    for (size_t i = 0; i < l->n; i++)
        if (memcmp(l->p[i].m.account.b, m.account.b, sizeof m.account.b) == 0) {
            l->p[i].devices++;
            return;
        }
}

/* Inside a transaction of the space. */
static edn_status list_members(edn_client *s, member_list *l)
{
    const edn_device *d;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && (d = edn_devlog_device(s->log, i)) != NULL; i++)
        if (edn_device_active(d) && (d->cert.caps & EDN_CAP_MEMBER))
            st = list_member(s, d, l);
    for (size_t i = 0; st == EDN_OK && (d = edn_devlog_device(s->log, i)) != NULL; i++)
        if (edn_device_active(d) && !(d->cert.caps & EDN_CAP_MEMBER))
            count_device(s, d, l);
    return st;
}

static edn_status members_of(edn_client *s, member_list *l, edn_err *err)
{
    edn_status st = client_begin_read(s, err);

    return st == EDN_OK ? client_end_read(s, list_members(s, l), err) : st;
}

edn_status edn_client_members(edn_client *p, const edn_journal_id *journal, edn_member_fn *fn, void *ctx, edn_err *err)
{
    member_list l = {NULL, 0, 0};
    edn_client *s;
    edn_status st = family_of_journal(p, journal, &s, err);

    if (st == EDN_OK && s == p)
        return edn_fail(err, EDN_E_MISSING, "this journal is not shared");
    if (st == EDN_OK && (st = members_of(s, &l, err)) == EDN_OK && (st = client_begin_read(p, err)) == EDN_OK) {
        for (size_t i = 0; st == EDN_OK && i < l.n; i++) {
            const member_row *row = &l.p[i];
            contact k;
            edn_member m = {.name = row->name, .role = (edn_member_role)row->m.role, .devices = row->devices};
            edn_hex_encode(m.account, row->m.account.b, sizeof row->m.account.b);
            m.self = memcmp(row->m.account.b, client_id(p)->account.b, sizeof row->m.account.b) == 0;
            m.verified = contact_load(p, &row->m.account, &k) == EDN_OK && k.state == EDN_CONTACT_VERIFIED;
            m.accepted = row->devices > 0;
            st = fn(ctx, &m);
        }
        st = client_end_read(p, st, err);
    }
    free(l.p);
    return st;
}

/* ---- letting in -------------------------------------------------------------------------------------------------- */

/* space account 32 ‖ LP(server) ‖ u8 role ‖ member key 64 ‖ u32 epoch ‖ root key 32 ‖ LP(journal's name) */
static void payload_put(edn_buf *out, const space_info *x)
{
    edn_put_bytes(out, x->account.b, sizeof x->account.b);
    edn_put_lp(out, edn_bytes_str(x->server));
    edn_put_u8(out, (uint8_t)x->role);
    edn_put_bytes(out, x->keys.sign.b, sizeof x->keys.sign.b);
    edn_put_bytes(out, x->keys.enc.b, sizeof x->keys.enc.b);
    edn_put_u32(out, x->root_epoch);
    edn_put_bytes(out, x->root.b, sizeof x->root.b);
    edn_put_lp(out, edn_bytes_str(x->name));
}

static void text_read(edn_reader *r, char *to, size_t size, const char *field)
{
    edn_bytes s = edn_read_lp(r, size - 1, field);

    if (edn_utf8_check(s, NULL) != s.n || (s.n && memchr(s.p, 0, s.n)))
        edn_reader_fail(r, EDN_E_FORMAT, field);
    else if (s.n)
        memcpy(to, s.p, s.n);
}

static edn_status payload_read(edn_bytes in, space_info *x)
{
    edn_reader r = edn_reader_init(in);

    memset(x, 0, sizeof *x);
    edn_read_into(&r, x->account.b, sizeof x->account.b, "space");
    text_read(&r, x->server, sizeof x->server, "server");
    x->role = (edn_role)edn_read_u8(&r, "role");
    edn_read_into(&r, x->keys.sign.b, sizeof x->keys.sign.b, "member key");
    edn_read_into(&r, x->keys.enc.b, sizeof x->keys.enc.b, "member key");
    x->root_epoch = edn_read_u32(&r, "epoch");
    edn_read_into(&r, x->root.b, sizeof x->root.b, "root key");
    text_read(&r, x->name, sizeof x->name, "journal");
    if (x->role < EDN_ROLE_READ || x->role > EDN_ROLE_WRITE || !x->server[0])
        edn_reader_fail(&r, EDN_E_FORMAT, "role");
    return edn_reader_end(&r) == EDN_OK ? EDN_OK : EDN_E_FORMAT;
}

/* Whether somebody is in already, unless what let them in was interrupted. */
static edn_status not_in_yet(edn_client *s, const contact *who, edn_err *err)
{
    member_list l = {NULL, 0, 0};
    edn_buf row = EDN_BUF_INIT(128);
    bool in = false, pending;
    edn_status st = client_begin_read(s, err);

    if (st != EDN_OK)
        return st;
    st = list_members(s, &l);
    for (size_t i = 0; i < l.n; i++)
        in |= memcmp(l.p[i].m.account.b, who->account.b, sizeof who->account.b) == 0;
    pending = meta_get(s, "inviting", EDN_F(who->account), &row) == EDN_OK;
    if (st == EDN_OK && in && !pending)
        st = edn_fail(err, EDN_E_EXISTS, "\"%s\" is in this journal already", who->name);
    free(l.p);
    edn_buf_wipe(&row);
    return client_end_read(s, st, err);
}

/* The letter, and then the note of what was under way goes. */
static edn_status invite(edn_client *p, edn_client *s, const contact *who, space_info *letter, edn_err *err)
{
    edn_buf payload = EDN_BUF_INIT(4096), name = EDN_BUF_INIT(4096);
    fetched_log got = {0};
    edn_sync_result synced;
    edn_status st = client_sync(s, NULL, false, &synced, err); /* whose the key is, before it is used */

    if (st == EDN_OK && (st = client_begin_read(s, err)) == EDN_OK) {
        letter->root_epoch = edn_devlog_epoch(s->log);
        if ((st = keys_root(s, letter->root_epoch, &letter->root)) == EDN_OK)
            st = journal_name(s, &client_id(s)->journal, &name);
        st = client_end_read(s, st, err);
    }
    snprintf(letter->name, sizeof letter->name, "%.*s", (int)name.n, (const char *)name.p);
    payload_put(&payload, letter);
    if (st == EDN_OK && (st = edn_buf_status(&payload)) == EDN_OK && (st = contact_log(p, who, &got, err)) == EDN_OK &&
        (st = letter_send(p, who, got.log, EDN_LETTER_JOURNAL, edn_buf_view(&payload), err)) == EDN_OK &&
        (st = client_begin_write(s, err)) == EDN_OK)
        st = client_end_write(s, meta_del(s, "inviting", EDN_F(who->account)), err);
    fetched_log_dispose(&got);
    edn_buf_wipe(&payload);
    edn_buf_dispose(&name);
    return st;
}

static edn_status find_verified(edn_client *p, const char *who, bool unverified, contact *out, edn_err *err)
{
    edn_status st = client_begin_read(p, err);

    if (st == EDN_OK)
        st = client_end_read(p, contact_find(p, who, out, err), err);
    if (st == EDN_OK && out->state != EDN_CONTACT_VERIFIED && !unverified)
        st = edn_fail(
            err, EDN_E_DENIED,
            "\"%s\" is not verified: compare the number of 'edn contact show' with what they see, by voice or in "
            "person, then 'edn contact verify'. (--unverified does without: whoever runs the server could then "
            "have put themselves in between)",
            out->name);
    return st;
}

static edn_status not_shareable(edn_err *err)
{
    return edn_fail(err, EDN_E_DENIED,
                    "a journal that is locked, or was, cannot be shared: move its entries to another one ('edn mv')");
}

edn_status edn_client_journal_share(edn_client *p, const edn_journal_id *journal, const char *who, edn_member_role role,
                                    bool unverified, edn_err *err)
{
    space_info *info = edn_secret_alloc(2 * sizeof *info);
    edn_sync_result synced;
    edn_client *s;
    contact k;
    bool moved;
    edn_status st;

    if (!info)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    memset(info, 0, 2 * sizeof *info);
    if ((st = find_verified(p, who, unverified, &k, err)) == EDN_OK &&
        (st = family_of_journal(p, journal, &s, err)) == EDN_OK &&
        (s != p || (st = make_shared(p, journal, &s, err)) == EDN_OK) &&
        (st = space_of_journal(p, &client_id(s)->journal, &s, info, err)) == EDN_OK &&
        (st = info->locked ? not_shareable(err) : EDN_OK) == EDN_OK &&
        (st = space_finish_moving(p, &info->account, &client_id(s)->journal, &moved, err)) == EDN_OK &&
        (st = space_settle(p, &info->account, err)) == EDN_OK) {
        if (info->role != EDN_ROLE_OWNER)
            st = edn_fail(err, EDN_E_DENIED, "only its owner lets others into the journal \"%s\"", info->name);
        else if ((st = not_in_yet(s, &k, err)) == EDN_OK &&
                 (st = space_let_in(s, &k, (edn_role)role, &info[1].keys, err)) == EDN_OK) {
            info[1].account = info->account;
            info[1].role = (edn_role)role;
            memcpy(info[1].server, info->server, sizeof info->server);
            st = invite(p, s, &k, &info[1], err);
        }
    }
    if (st == EDN_OK)
        st = client_sync(p, NULL, false, &synced, err); /* the person's other devices hear of it */
    edn_secret_free(info);
    return st;
}

/* ---- taking out -------------------------------------------------------------------------------------------------- */

static edn_status find_member(edn_client *s, const char *who, member_row *out, edn_err *err)
{
    member_list l = {NULL, 0, 0};
    size_t found = 0;
    char hex[65];
    edn_status st = members_of(s, &l, err);

    for (size_t i = 0; st == EDN_OK && i < l.n; i++) {
        edn_hex_encode(hex, l.p[i].m.account.b, sizeof l.p[i].m.account.b);
        if (strcmp(l.p[i].name, who) != 0 && (strlen(who) < 4 || strncmp(hex, who, strlen(who)) != 0))
            continue;
        *out = l.p[i];
        found++;
    }
    free(l.p);
    if (st == EDN_OK && found == 0)
        st = edn_fail(err, EDN_E_MISSING,
                      "nobody in this journal is called \"%.200s\"; 'edn journal members' shows them", who);
    if (st == EDN_OK && found > 1)
        st = edn_fail(err, EDN_E_AMBIGUOUS,
                      "several are called \"%.200s\"; name one by the beginning of the account's id", who);
    return st;
}

/* Nothing goes while something of it was not sent: it would be nobody's. */
static edn_status leave(edn_client *p, edn_client *s, space_info *info, edn_err *err)
{
    edn_sync_result synced;
    edn_status st;

    if (info->role == EDN_ROLE_OWNER)
        return edn_fail(err, EDN_E_DENIED, "its owner cannot leave a journal; take the others out of it");
    if ((st = client_sync(s, NULL, false, &synced, err)) != EDN_OK || (st = client_begin_write(p, err)) != EDN_OK)
        return st;
    info->left = true;
    if ((st = client_end_write(p, space_save(p, info), err)) != EDN_OK)
        return st;
    return family_drop(p, &info->account, false, err);
}

edn_status edn_client_journal_unshare(edn_client *p, const edn_journal_id *journal, const char *who, edn_err *err)
{
    space_info *info = edn_secret_alloc(sizeof *info);
    member_row row;
    edn_client *s;
    edn_status st;

    if (!info)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    if ((st = space_of_journal(p, journal, &s, info, err)) == EDN_OK &&
        (st = find_member(s, who, &row, err)) == EDN_OK) {
        if (memcmp(row.m.account.b, client_id(p)->account.b, sizeof row.m.account.b) == 0)
            st = leave(p, s, info, err);
        else if (info->role != EDN_ROLE_OWNER)
            st = edn_fail(err, EDN_E_DENIED, "only its owner takes others out of the journal \"%s\"", info->name);
        else
            st = space_take_out(s, &row.m.account, err);
    }
    edn_secret_free(info);
    return st;
}

/* ---- invitations ------------------------------------------------------------------------------------------------- */

typedef struct inviting {
    edn_client *p;
    const char *what; /* NULL: all of them are told */
    edn_invitation_fn *fn;
    void *ctx;
    space_info *found; /* guarded */
    letter_sender from;
    unsigned n;                              /* spaces that are meant */
    uint64_t numbers[EDN_INBOX_LETTERS_MAX]; /* of the letters that invite to the one found */
    size_t numbers_n;
    edn_account_id seen[EDN_INBOX_LETTERS_MAX]; /* a letter whose answer was lost is written twice */
    size_t seen_n;
} inviting;

/* Whether it is the first letter about a space. */
static bool is_new(inviting *v, const edn_account_id *space)
{
    for (size_t i = 0; i < v->seen_n; i++)
        if (memcmp(v->seen[i].b, space->b, sizeof space->b) == 0)
            return false;
    if (v->seen_n < EDN_COUNT(v->seen))
        v->seen[v->seen_n++] = *space;
    return true;
}

static void invitation_id(char out[33], const edn_account_id *space) { edn_hex_encode(out, space->b, 16); }

static bool is_meant(const inviting *v, const space_info *x, const letter_sender *from)
{
    char id[33];

    invitation_id(id, &x->account);
    return strcmp(v->what, x->name) == 0 || strcmp(v->what, from->k.name) == 0 ||
           (strlen(v->what) >= 4 && strncmp(id, v->what, strlen(v->what)) == 0);
}

static edn_status on_letter(void *ctx, uint64_t number, const edn_letter *l, const letter_sender *from)
{
    inviting *v = ctx;
    space_info *x;
    edn_status st = EDN_OK;

    if (l->kind != EDN_LETTER_JOURNAL)
        return EDN_OK;
    if (!(x = edn_secret_alloc(sizeof *x)))
        return EDN_E_NOMEM;
    if (payload_read(l->payload, x) == EDN_OK) {
        if (v->what && is_meant(v, x, from)) {
            v->n += is_new(v, &x->account);
            v->numbers_n = v->n == 1 ? v->numbers_n : 0;
            if (v->numbers_n < EDN_COUNT(v->numbers))
                v->numbers[v->numbers_n++] = number;
            *v->found = *x;
            v->from = *from;
        } else if (!v->what && is_new(v, &x->account)) {
            edn_invitation i = {.from = from->k.name,
                                .journal = x->name,
                                .role = (edn_member_role)x->role,
                                .known = from->known,
                                .verified = from->known && from->k.state == EDN_CONTACT_VERIFIED,
                                .time_ms = l->time_ms};
            invitation_id(i.id, &x->account);
            edn_hex_encode(i.from_account, from->k.account.b, sizeof from->k.account.b);
            st = v->fn(v->ctx, &i);
        }
    }
    edn_secret_free(x);
    return st;
}

edn_status edn_client_invitations(edn_client *p, edn_invitation_fn *fn, void *ctx, edn_err *err)
{
    inviting v = {.p = p, .fn = fn, .ctx = ctx};

    return letters_each(p, on_letter, &v, err);
}

static edn_status invitation_find(edn_client *p, const char *what, inviting *v, edn_err *err)
{
    edn_status st;

    *v = (inviting){.p = p, .what = what, .found = edn_secret_alloc(sizeof *v->found)};
    if (!v->found)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    if ((st = letters_each(p, on_letter, v, err)) != EDN_OK)
        return st;
    if (v->n == 0)
        return edn_fail(err, EDN_E_MISSING, "there is no invitation \"%.200s\"; 'edn invite list' shows them", what);
    if (v->n > 1)
        return edn_fail(err, EDN_E_AMBIGUOUS,
                        "several invitations fit \"%.200s\"; name one by its id (edn invite list)", what);
    return EDN_OK;
}

static edn_status drop_letters(const inviting *v, edn_err *err)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < v->numbers_n; i++)
        st = letter_drop(v->p, v->numbers[i], err);
    return st;
}

/* Who was a stranger is a contact from now on: what their log is was just seen. */
static edn_status accept_rows(inviting *v)
{
    edn_client *p = v->p;
    space_info had;
    contact k;
    edn_status st = space_load(p, &v->found->account, &had);

    edn_wipe(&had.keys, sizeof had.keys);
    edn_wipe(&had.root, sizeof had.root);
    if (st == EDN_OK && !had.left)
        return EDN_OK; /* accepted here or on another device; what is left to do follows */
    if (st != EDN_OK && st != EDN_E_MISSING)
        return st;
    v->found->epoch = edn_devlog_epoch(p->log);
    if ((st = space_save(p, v->found)) != EDN_OK || v->from.known)
        return st;
    st = contact_load(p, &v->from.k.account, &k);
    return st == EDN_E_MISSING ? contact_save(p, &v->from.k) : st;
}

edn_status edn_client_invitation_accept(edn_client *p, const char *what, bool unverified, edn_err *err)
{
    inviting v;
    edn_client *s;
    edn_sync_result synced;
    edn_status st = invitation_find(p, what, &v, err);

    if (st == EDN_OK && !unverified && (!v.from.known || v.from.k.state != EDN_CONTACT_VERIFIED))
        st = edn_fail(
            err, EDN_E_DENIED,
            "\"%s\" is not a verified contact: %s, compare the number, then accept. (--unverified does without)",
            v.from.k.name, v.from.known ? "'edn contact verify'" : "'edn contact add' them");
    if (st == EDN_OK && (st = client_begin_write(p, err)) == EDN_OK)
        st = client_end_write(p, accept_rows(&v), err);
    if (st == EDN_OK && (st = space_settle(p, &v.found->account, err)) == EDN_OK &&
        (st = drop_letters(&v, err)) == EDN_OK && (st = family_find(p, &v.found->account, &s, err)) == EDN_OK)
        st = client_sync(s, NULL, true, &synced, err);
    if (st == EDN_OK)
        st = client_sync(p, NULL, false, &synced,
                         err); /* the person's other devices come in by the key that is theirs */
    edn_secret_free(v.found);
    return st;
}

edn_status edn_client_invitation_refuse(edn_client *p, const char *what, edn_err *err)
{
    inviting v;
    edn_status st = invitation_find(p, what, &v, err);

    if (st == EDN_OK)
        st = drop_letters(&v, err);
    edn_secret_free(v.found);
    return st;
}
