/* Locked journals as a person has them: locked, opened, closed, their second passphrases.
 *
 * A locked journal is a space of which the person is the only member (space.h), in a store of its own (family.h). The
 * person's own store names it and holds its lock box; all that opens anything of it lies under the lock key, which the
 * box gives for the second passphrase. So closing it is forgetting that key. */
#include <edn/locked.h>

#include "client/sharing/space.h"

#include <stdio.h>

/* ---- which journal ----------------------------------------------------------------------------------------------- */

typedef struct lookup {
    const char *what;
    space_info *info; /* guarded */
    unsigned named, prefixed;
    space_info *prefix; /* guarded */
} lookup;

static edn_status look(void *ctx, const space_info *x)
{
    lookup *l = ctx;
    const edn_journal_id j = identity_first_journal(&x->account);
    char hex[33];

    if (!x->locked || x->unlocked)
        return EDN_OK;
    edn_hex_encode(hex, j.b, sizeof j.b);
    if (names_equal_folded(edn_bytes_str(x->name), l->what)) {
        *l->info = *x;
        l->named++;
    } else if (strlen(l->what) >= 4 && strncmp(hex, l->what, strlen(l->what)) == 0) {
        *l->prefix = *x;
        l->prefixed++;
    }
    return EDN_OK;
}

/* info[0] receives it; info[1] is room. */
static edn_status find(edn_client *c, const char *what, space_info *info, edn_err *err)
{
    lookup l = {.what = what, .info = &info[0], .prefix = &info[1]};
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK || (st = client_end_read(c, spaces_each(c, look, &l), err)) != EDN_OK)
        return st;
    if (l.named == 0 && l.prefixed == 1)
        info[0] = info[1];
    else if (l.named == 0 && l.prefixed == 0)
        return edn_fail(err, EDN_E_MISSING, "no locked journal is called \"%.200s\"; 'edn journal list' shows them",
                        what);
    else if (l.named != 1)
        return edn_fail(err, EDN_E_AMBIGUOUS,
                        "several locked journals are called \"%.200s\"; name one by its id (edn journal list)", what);
    return EDN_OK;
}

static space_info *infos_new(edn_err *err)
{
    space_info *info = edn_secret_alloc(2 * sizeof *info);

    if (info)
        memset(info, 0, 2 * sizeof *info);
    else
        edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    return info;
}

/* ---- second passphrases ------------------------------------------------------------------------------------------ */

static edn_status prepare(edn_bytes passphrase, edn_strength strength, edn_buf *prepared, second_passphrase *out,
                          edn_err *err)
{
    edn_status st = edn_passphrase_prepare(passphrase, prepared, err);

    *out = (second_passphrase){edn_buf_view(prepared), strength ? (edn_kdf_profile)strength : EDN_KDF_DEFAULT};
    return st;
}

/* The lock key, of an open journal too: whoever changes something about the lock shows that they may. */
static edn_status open_box(edn_client *c, edn_bytes passphrase, space_info *info, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384);
    edn_status st = edn_passphrase_prepare(passphrase, &prepared, NULL);

    if (st == EDN_OK)
        st = edn_lock_box_open(edn_bytes_of(info->lock_box, sizeof info->lock_box), edn_buf_view(&prepared),
                               &info->account, &info->lock);
    else if (st != EDN_E_NOMEM)
        st = EDN_E_PASSPHRASE; /* what cannot be a passphrase is a wrong one */
    edn_buf_wipe(&prepared);
    if (st == EDN_E_PASSPHRASE)
        return edn_fail(err, st, "wrong passphrase for the journal \"%s\": it has one of its own", info->name);
    if (st == EDN_E_KDF || st == EDN_E_FORMAT)
        return edn_fail(err, EDN_E_KDF, "the lock of the journal \"%s\" is too weak to be ours", info->name);
    return client_fail(c, st, err);
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

/* Everything that is to be done once the key is there: coming in, when this device never was, and what was interrupted.
 * What only the network keeps from being done is for the next sync, unless nothing is here without it. */
static edn_status open_known(edn_client *c, const space_info *info, edn_err *err)
{
    const edn_journal_id journal = identity_first_journal(&info->account);
    edn_sync_result synced;
    edn_client *s;
    edn_err why = {EDN_OK, ""};
    bool here, moved;
    edn_status st = family_find(c, &info->account, &s, err);

    here = st == EDN_OK;
    if (st != EDN_OK && st != EDN_E_MISSING)
        return st;
    st = space_settle(c, &info->account, &why);
    if (st != EDN_OK && (!here || st == EDN_E_NOMEM || st == EDN_E_IO || st == EDN_E_FULL || st == EDN_E_DAMAGED))
        return edn_fail(err, st, "%s", why.text);
    if ((st = space_finish_moving(c, &info->account, &journal, &moved, err)) != EDN_OK ||
        (st = family_note(c, &info->account, false, true, err)) != EDN_OK)
        return st;
    if ((st = family_find(c, &info->account, &s, err)) == EDN_OK && !here)
        st = client_sync(s, NULL, true, &synced, err);
    return st == EDN_OK ? leftovers_blank(c, s, err) : st;
}

edn_status edn_client_journal_open(edn_client *c, const char *what, edn_bytes passphrase, edn_err *err)
{
    space_info *info = infos_new(err);
    edn_status st;

    if (!info)
        return EDN_E_NOMEM;
    if ((st = find(c, what, info, err)) == EDN_OK) {
        if ((st = open_box(c, passphrase, info, err)) == EDN_OK &&
            (st = client_fail(c, family_lock_set(c, &info->account, &info->lock), err)) == EDN_OK &&
            (st = open_known(c, info, err)) != EDN_OK && info->closed)
            family_lock_forget(c, &info->account);
    }
    edn_secret_free(info);
    return st;
}

/* What is only here is sent if that can be. */
static edn_status send_and_look(edn_client *c, edn_client *s, bool *unsent, edn_err *err)
{
    edn_sync_result synced;
    edn_err ignored;
    edn_status st = family_child_unsent(s, unsent, err);

    if (st != EDN_OK || !*unsent || !client_id(c)->server[0] ||
        client_sync(s, NULL, false, &synced, &ignored) != EDN_OK)
        return st;
    return family_child_unsent(s, unsent, err);
}

edn_status edn_client_journal_close(edn_client *c, const char *what, bool *unsent, edn_err *err)
{
    space_info *info = infos_new(err);
    edn_client *s;
    edn_status st;

    *unsent = false;
    if (!info)
        return EDN_E_NOMEM;
    if ((st = find(c, what, info, err)) == EDN_OK && info->closed)
        *unsent = family_unsent(c, &info->account);
    else if (st == EDN_OK && (st = family_find(c, &info->account, &s, err)) == EDN_OK) {
        st = send_and_look(c, s, unsent, err);
        if (st == EDN_OK || st == EDN_E_DAMAGED) /* which closes all the same */
            st = family_note(c, &info->account, false, *unsent || st != EDN_OK, err);
        family_lock_forget(c, &info->account);
    }
    edn_secret_free(info);
    return st;
}

/* ---- locking ----------------------------------------------------------------------------------------------------- */

/* The server is asked first, so that a journal is not half on its way when it cannot be reached. */
static edn_status reach(edn_client *c, edn_err *err)
{
    edn_sync_result synced;
    edn_status st = client_begin_read(c, err);
    bool has;

    if (st != EDN_OK)
        return st;
    has = client_id(c)->server[0] != 0;
    st = client_end_read(c, EDN_OK, err);
    return st == EDN_OK && has ? client_sync(c, NULL, false, &synced, err) : st;
}

/* Its content goes out before anybody hears that the entries are no longer where they were. */
static edn_status send_new(edn_client *c, edn_client *s, edn_err *err)
{
    edn_sync_result synced;
    edn_status st;

    if (!client_id(c)->server[0])
        return EDN_OK;
    st = client_sync(s, NULL, false, &synced, err);
    return st == EDN_OK ? client_sync(c, NULL, false, &synced, err) : st;
}

edn_status locked_make(edn_client *c, const edn_journal_id *from, edn_bytes name, const second_passphrase *second,
                       edn_client **s, edn_err *err)
{
    edn_account_id space;
    edn_journal_id journal;
    bool moved;
    edn_status st;

    if ((st = reach(c, err)) != EDN_OK || (st = family_sweep(c, err)) != EDN_OK ||
        (st = space_create(c, from, name, second, s, err)) != EDN_OK)
        return st;
    space = client_id(*s)->account;
    journal = client_id(*s)->journal;
    if ((st = space_settle(c, &space, err)) != EDN_OK ||
        (st = space_finish_moving(c, &space, &journal, &moved, err)) != EDN_OK ||
        (st = family_note(c, &space, false, true, err)) != EDN_OK)
        return st;
    return send_new(c, *s, err);
}

/* Why a journal cannot be locked that has a store of its own already. */
static edn_status not_lockable(edn_client *s, edn_err *err)
{
    if (!family_is_locked(s))
        return edn_fail(err, EDN_E_DENIED, "a shared journal cannot be locked: the others in it have its keys");
    return edn_fail(err, EDN_E_EXISTS,
                    "this journal has a lock already, or had one that was taken off for good: make another one ('edn "
                    "journal new NAME --locked') and move the entries there");
}

static edn_status name_of(edn_client *c, const edn_journal_id *journal, edn_buf *name, edn_err *err)
{
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = journal_name(c, journal, name)) == EDN_E_MISSING)
        st = edn_fail(err, st, "there is no such journal");
    return client_end_read(c, st, err);
}

edn_status edn_client_journal_lock(edn_client *c, const edn_journal_id *journal, edn_bytes passphrase,
                                   edn_strength strength, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384), name = EDN_BUF_INIT(4096);
    second_passphrase second;
    edn_client *s;
    edn_status st = family_of_journal(c, journal, &s, err);

    if (st == EDN_OK && s != c)
        return not_lockable(s, err);
    if (st == EDN_OK && (st = prepare(passphrase, strength, &prepared, &second, err)) == EDN_OK &&
        (st = name_of(c, journal, &name, err)) == EDN_OK)
        st = locked_make(c, journal, edn_buf_view(&name), &second, &s, err);
    edn_buf_wipe(&prepared);
    edn_buf_dispose(&name);
    return st;
}

edn_status edn_client_journal_new_locked(edn_client *c, edn_bytes name, edn_bytes passphrase, edn_strength strength,
                                         edn_journal_id *out, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384);
    second_passphrase second;
    edn_client *s;
    bool found = false;
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = journal_name_check(name, err)) == EDN_OK &&
        (st = prepare(passphrase, strength, &prepared, &second, err)) == EDN_OK &&
        (st = client_begin_read(c, err)) == EDN_OK)
        st = client_end_read(c, journal_named(c, name, out, &found, err), err);
    if (found)
        st = edn_fail(err, EDN_E_EXISTS, "there is a journal of that name already");
    if (st == EDN_OK && (st = locked_make(c, NULL, name, &second, &s, err)) == EDN_OK)
        *out = client_id(s)->journal;
    edn_buf_wipe(&prepared);
    return st;
}

/* ---- changing the lock ------------------------------------------------------------------------------------------- */

/* Of the record as it is now only the lock is changed: what another process did meanwhile stays. */
static edn_status save_lock(edn_client *c, const space_info *lock, space_info *now, edn_err *err)
{
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = space_load(c, &lock->account, now)) == EDN_OK && !now->closed) {
        memcpy(now->lock_box, lock->lock_box, sizeof now->lock_box);
        now->unlocked = lock->unlocked;
        st = space_save(c, now);
        if (st == EDN_OK && now->unlocked)
            st = family_keep_within(c, &now->account);
    }
    return client_end_write(c, st, err);
}

typedef edn_status lock_change(space_info *info, const second_passphrase *second, const edn_random *rng);

static edn_status take_off(space_info *info, const second_passphrase *second, const edn_random *rng)
{
    (void)second;
    (void)rng;
    info->unlocked = true;
    return EDN_OK;
}

static edn_status wrap_anew(space_info *info, const second_passphrase *second, const edn_random *rng)
{
    return edn_lock_box_seal(info->lock_box, second->prepared, second->profile, &info->account, &info->lock, rng);
}

/* A journal that was closed is so afterwards, unless its lock was taken off. */
static edn_status change(edn_client *c, const char *what, edn_bytes passphrase, lock_change *fn,
                         const second_passphrase *second, edn_err *err)
{
    space_info *info = infos_new(err);
    edn_err ignored;
    edn_status st;

    if (!info)
        return EDN_E_NOMEM;
    if ((st = find(c, what, info, err)) == EDN_OK && (st = open_box(c, passphrase, info, err)) == EDN_OK &&
        (st = client_fail(c, fn(info, second, &c->random), err)) == EDN_OK &&
        (st = client_fail(c, family_lock_set(c, &info->account, &info->lock), err)) == EDN_OK) {
        st = save_lock(c, info, &info[1], err);
        if (st == EDN_OK && info->unlocked)
            (void)!space_settle(c, &info->account, &ignored); /* it comes here now or with the next sync */
        if (info->closed)
            family_lock_forget(c, &info->account);
    }
    edn_secret_free(info);
    return st;
}

edn_status edn_client_journal_passphrase(edn_client *c, const char *what, edn_bytes old_passphrase,
                                         edn_bytes new_passphrase, edn_strength strength, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384);
    second_passphrase second;
    edn_status st = prepare(new_passphrase, strength, &prepared, &second, err);

    if (st == EDN_OK)
        st = change(c, what, old_passphrase, wrap_anew, &second, err);
    edn_buf_wipe(&prepared);
    return st;
}

edn_status edn_client_journal_unlock(edn_client *c, const char *what, edn_bytes passphrase, edn_err *err)
{
    return change(c, what, passphrase, take_off, NULL, err);
}

edn_status locked_renamed(edn_client *s, edn_bytes name, edn_err *err)
{
    edn_client *p = s->parent;
    const edn_account_id space = client_id(s)->account;
    space_info *info = infos_new(err);
    edn_status st = info ? client_begin_write(p, err) : EDN_E_NOMEM;

    if (st == EDN_OK) {
        if ((st = space_load(p, &space, info)) == EDN_OK) {
            snprintf(info->name, sizeof info->name, "%.*s", (int)name.n, (const char *)name.p);
            st = space_save(p, info);
        }
        st = client_end_write(p, st, err);
    }
    edn_secret_free(info);
    return st;
}

/* ---- which there are, and their keys ----------------------------------------------------------------------------- */

typedef struct giving {
    edn_client *c;
    edn_locked_fn *fn;
    void *ctx;
} giving;

static edn_status give(void *ctx, const space_info *x)
{
    const giving *g = ctx;
    const edn_locked_journal j = {.id = identity_first_journal(&x->account),
                                  .name = edn_bytes_str(x->name),
                                  .open = !x->closed,
                                  .unsent = x->closed && family_unsent(g->c, &x->account)};

    return x->locked && !x->unlocked ? g->fn(g->ctx, &j) : EDN_OK;
}

edn_status edn_client_locked_journals(edn_client *c, edn_locked_fn *fn, void *ctx, edn_err *err)
{
    giving g = {c, fn, ctx};
    edn_status st = client_begin_read(c, err);

    return st == EDN_OK ? client_end_read(c, spaces_each(c, give, &g), err) : st;
}

typedef struct by_journal {
    const edn_journal_id *journal;
    space_info *found; /* guarded */
    bool any;
} by_journal;

static edn_status is_it(void *ctx, const space_info *x)
{
    by_journal *b = ctx;
    const edn_journal_id j = identity_first_journal(&x->account);

    if (x->locked && !x->unlocked && memcmp(j.b, b->journal->b, sizeof j.b) == 0) {
        *b->found = *x;
        b->any = true;
    }
    return EDN_OK;
}

static edn_status find_id(edn_client *c, const edn_journal_id *journal, space_info *info, edn_err *err)
{
    by_journal b = {journal, info, false};
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK || (st = client_end_read(c, spaces_each(c, is_it, &b), err)) != EDN_OK)
        return st;
    return b.any ? EDN_OK : edn_fail(err, EDN_E_MISSING, "there is no such locked journal");
}

edn_status edn_client_journal_key(edn_client *c, const edn_journal_id *journal, uint8_t key[EDN_JOURNAL_KEY_SIZE],
                                  edn_err *err)
{
    space_info *info = infos_new(err);
    edn_status st = info ? find_id(c, journal, info, err) : EDN_E_NOMEM;

    memset(key, 0, EDN_JOURNAL_KEY_SIZE);
    if (st == EDN_OK && info->closed)
        st = edn_fail(err, EDN_E_MISSING, "this journal is closed");
    if (st == EDN_OK)
        memcpy(key, info->lock.b, sizeof info->lock.b);
    edn_secret_free(info);
    return st;
}

edn_status edn_client_journal_open_key(edn_client *c, const edn_journal_id *journal,
                                       const uint8_t key[EDN_JOURNAL_KEY_SIZE], edn_err *err)
{
    space_info *info = infos_new(err);
    edn_client *s;
    edn_status st = info ? find_id(c, journal, info, err) : EDN_E_NOMEM;

    if (st == EDN_OK && info->closed) {
        memcpy(info->lock.b, key, sizeof info->lock.b);
        if ((st = client_fail(c, family_lock_set(c, &info->account, &info->lock), err)) == EDN_OK &&
            (st = family_find(c, &info->account, &s, err)) != EDN_OK) {
            family_lock_forget(c, &info->account);
            if (st == EDN_E_DAMAGED) /* the key of before, or of another home */
                st = EDN_E_MISSING;
        }
    }
    edn_secret_free(info);
    return st;
}
