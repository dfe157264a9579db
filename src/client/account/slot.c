/* Other ways to unlock this device than the passphrase: slots whose secret a holder keeps (src/holder). The
 * passphrase's slot always remains, so that a holder that fails locks nobody out. */
#include "client/client_priv.h"

#include "holder/holder.h"

_Static_assert(EDN_HELD_SECRET_SIZE == sizeof(edn_held_secret), "the two are one");

#define SLOTS_MAX 32u
#define SLOT_ROW "held:" /* EDN_TABLE_OPEN "held:" ‖ slot id 16 */

static edn_bytes slot_row(uint8_t key[sizeof SLOT_ROW - 1 + 16], const uint8_t id[16])
{
    memcpy(key, SLOT_ROW, sizeof SLOT_ROW - 1);
    memcpy(key + sizeof SLOT_ROW - 1, id, 16);
    return edn_bytes_of(key, sizeof SLOT_ROW - 1 + 16);
}

static edn_status holder_find(edn_client *c, const char *name, uint8_t kind, const edn_holder **out, edn_err *err)
{
    return (c->holders ? c->holders : edn_holder_find)(name, kind, out, err);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* The slots that a name fits: a holder's name, or the beginning of a slot's id. */
typedef struct slot_search {
    const char *what; /* NULL: all */
    edn_held_slot found[SLOTS_MAX];
    size_t n;
    edn_arena arena;
} slot_search;

static bool slot_fits(const edn_held_slot *s, const char *what)
{
    const char *holder = edn_holder_name((uint8_t)s->holder);
    char hex[33];

    edn_hex_encode(hex, s->id, sizeof s->id);
    return !what || (holder && strcmp(holder, what) == 0) ||
           (strlen(what) >= 4 && strncmp(hex, what, strlen(what)) == 0);
}

/* A row that is damaged, or of a newer version, is no slot for us; the passphrase opens all the same. */
static edn_status slot_visit(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    slot_search *x = ctx;
    edn_held_slot s;
    edn_bytes kept;

    (void)key;
    if (st != EDN_OK || x->n == SLOTS_MAX || edn_held_slot_decode(value, &s) != EDN_OK || !slot_fits(&s, x->what))
        return EDN_OK;
    if (!edn_arena_copy(&x->arena, value, &kept))
        return EDN_E_NOMEM;
    st = edn_held_slot_decode(kept, &x->found[x->n]);
    x->n += st == EDN_OK;
    return st;
}

static edn_status slots_find(edn_client *c, const char *what, slot_search *x)
{
    *x = (slot_search){.what = what, .arena = edn_arena_init(SLOTS_MAX * (EDN_HELD_SLOT_SIZE_MAX + 64) * 2)};
    return edn_store_scan(c->store, EDN_TABLE_OPEN, edn_bytes_str(SLOT_ROW), EDN_BYTES_EMPTY, false, slot_visit, x);
}

static edn_status slot_missing(edn_err *err, const char *what)
{
    return edn_fail(err, EDN_E_MISSING, "no slot is called \"%.100s\"; 'edn slot list' shows them", what);
}

edn_status edn_client_slot_list(edn_client *c, edn_slot_fn *fn, void *ctx, edn_err *err)
{
    slot_search x;
    edn_status st = slots_find(c, NULL, &x);

    for (size_t i = 0; st == EDN_OK && i < x.n; i++) {
        edn_slot shown = {.holder = edn_holder_name((uint8_t)x.found[i].holder), .made_ms = x.found[i].made_ms};
        edn_hex_encode(shown.id, x.found[i].id, sizeof x.found[i].id);
        st = fn(ctx, &shown);
    }
    edn_arena_dispose(&x.arena);
    return client_fail(c, st, err);
}

edn_status edn_client_slot_needs(edn_client *c, const char *what, edn_slot_needs *out, edn_err *err)
{
    const edn_holder *h;
    slot_search x;
    edn_status st = holder_find(c, what, 0, &h, err);

    *out = (edn_slot_needs){false, false};
    if (st == EDN_E_INVALID) { /* not a holder's name: then a slot's */
        if ((st = slots_find(c, what, &x)) == EDN_OK)
            st = x.n ? holder_find(c, NULL, (uint8_t)x.found[0].holder, &h, err) : slot_missing(err, what);
        edn_arena_dispose(&x.arena);
    }
    if (st == EDN_OK)
        *out = (edn_slot_needs){h->pin, h->touch};
    return client_fail(c, st, err);
}

/* ---- adding and removing ----------------------------------------------------------------------------------------- */

static edn_status slot_save(edn_client *c, const edn_held_slot *s, const edn_held_secret *secret,
                            const edn_local_key *ldk, edn_err *err)
{
    uint8_t key[sizeof SLOT_ROW - 1 + 16];
    edn_buf row = EDN_BUF_INIT(EDN_HELD_SLOT_SIZE_MAX);
    edn_status st = edn_held_slot_seal(&row, s, secret, &c->device, ldk, &c->random);

    if (st == EDN_OK && (st = client_begin_write(c, err)) == EDN_OK)
        st = client_end_write(c, edn_store_put(c->store, EDN_TABLE_OPEN, slot_row(key, s->id), edn_buf_view(&row)),
                              err);
    edn_buf_dispose(&row);
    return client_fail(c, st, err);
}

static edn_status slots_room(edn_client *c, edn_err *err)
{
    slot_search x;
    edn_status st = slots_find(c, NULL, &x);

    if (st == EDN_OK && x.n == SLOTS_MAX)
        st = edn_fail(err, EDN_E_LIMIT, "there are %u slots already; remove one", SLOTS_MAX);
    edn_arena_dispose(&x.arena);
    return client_fail(c, st, err);
}

/* The holder is asked before anything is kept here. What it gives back is tried at once: a slot that cannot be opened
 * would be found out on the day when it is needed. */
static edn_status slot_make(edn_client *c, const edn_holder *h, edn_bytes pin, const edn_local_key *ldk, edn_err *err)
{
    EDN_SECRET(edn_held_secret) secret = EDN_KEY_EMPTY;
    EDN_SECRET(edn_held_secret) again = EDN_KEY_EMPTY;
    edn_held_slot s = {.holder = h->kind, .made_ms = client_now(c)};
    edn_buf place = EDN_BUF_INIT(EDN_HELD_PLACE_SIZE_MAX);
    edn_status st;

    c->random.fill(c->random.ctx, s.id, sizeof s.id);
    c->random.fill(c->random.ctx, s.salt, sizeof s.salt);
    c->random.fill(c->random.ctx, secret.b, sizeof secret.b);
    st = h->keep(s.id, pin, secret.b, &place, err);
    if (st == EDN_OK)
        st = edn_buf_status(&place);
    s.place = edn_buf_view(&place);
    if (st == EDN_OK && (st = h->give(s.id, pin, s.place, again.b, err)) == EDN_OK &&
        !edn_equal_ct(secret.b, again.b, sizeof secret.b))
        st = edn_fail(err, EDN_E_IO, "%s does not give back what it was given; nothing was added", h->title);
    if (st == EDN_OK)
        st = slot_save(c, &s, &secret, ldk, err);
    edn_buf_dispose(&place);
    return client_fail(c, st, err);
}

edn_status edn_client_slot_add(edn_client *c, const char *holder, edn_bytes passphrase, edn_bytes pin, edn_err *err)
{
    EDN_SECRET(edn_local_key) ldk = EDN_KEY_EMPTY;
    const edn_holder *h;
    edn_status st;

    if ((st = holder_find(c, holder, 0, &h, err)) != EDN_OK)
        return st;
    if (pin.n > EDN_HOLDER_PIN_SIZE_MAX)
        return edn_fail(err, EDN_E_INVALID, "a PIN has at most %u bytes", EDN_HOLDER_PIN_SIZE_MAX);
    if ((st = client_open_slot(c, passphrase, &ldk, err)) != EDN_OK ||
        (!c->secret && (st = client_unlock_with(c, &ldk, err)) != EDN_OK) || (st = slots_room(c, err)) != EDN_OK)
        return st;
    return slot_make(c, h, pin, &ldk, err);
}

edn_status edn_client_slot_remove(edn_client *c, const char *what, edn_err *err)
{
    uint8_t key[sizeof SLOT_ROW - 1 + 16];
    const edn_holder *h;
    edn_err ignored;
    slot_search x;
    edn_status st = slots_find(c, what, &x);

    if (st == EDN_OK && x.n == 0)
        st = slot_missing(err, what);
    else if (st == EDN_OK && x.n > 1)
        st = edn_fail(err, EDN_E_AMBIGUOUS, "several slots are called \"%.100s\"; name one by its id", what);
    if (st == EDN_OK && (st = client_begin_write(c, err)) == EDN_OK)
        st = client_end_write(c, edn_store_del(c->store, EDN_TABLE_OPEN, slot_row(key, x.found[0].id)), err);
    /* What the holder has opens nothing any more; that it cannot be reached is no failure. */
    if (st == EDN_OK && holder_find(c, NULL, (uint8_t)x.found[0].holder, &h, &ignored) == EDN_OK && h->forget)
        (void)!h->forget(x.found[0].id, x.found[0].place, &ignored);
    edn_arena_dispose(&x.arena);
    return client_fail(c, st, err);
}

/* ---- unlocking --------------------------------------------------------------------------------------------------- */

static edn_status slot_open(edn_client *c, const edn_held_slot *s, edn_bytes pin, edn_err *err)
{
    EDN_SECRET(edn_held_secret) secret = EDN_KEY_EMPTY;
    EDN_SECRET(edn_local_key) ldk = EDN_KEY_EMPTY;
    const edn_holder *h;
    edn_status st = holder_find(c, NULL, (uint8_t)s->holder, &h, err);

    if (st == EDN_OK)
        st = h->give(s->id, pin, s->place, secret.b, err);
    if (st != EDN_OK)
        return st;
    if ((st = edn_held_slot_open(s, &secret, &c->device, &ldk)) == EDN_E_AUTH)
        return edn_fail(err, st, "what %s gave does not open this slot; unlock by the passphrase", h->title);
    return st == EDN_OK ? client_unlock_with(c, &ldk, err) : st;
}

edn_status edn_client_unlock_slot(edn_client *c, const char *what, edn_bytes pin, edn_err *err)
{
    slot_search x;
    edn_status st = slots_find(c, what, &x);

    if (st == EDN_OK && x.n == 0)
        st = slot_missing(err, what);
    /* Of several keys of one kind, only the one that is plugged in knows its slot. */
    for (size_t i = 0; i < x.n; i++) {
        st = slot_open(c, &x.found[i], pin, err);
        if (st != EDN_E_MISSING && st != EDN_E_AUTH)
            break;
    }
    edn_arena_dispose(&x.arena);
    return client_fail(c, st, err);
}
