/* A recovery that somebody with one of the shares asked for, as a device of the account sees it: the server holds the
 * box back for a while, every sync hears when something changed about it, and this device may cancel it.
 *
 * META "held": u8 whether the person was told ‖ the server's last answer, as a message (held, without links). Its
 * number is part of the etag that a sync asks by, so that one round trip still says that nothing is new. */
#include "client/recovery/recovery_priv.h"

#include <stdio.h>

#define HELD_GOOD_MS (30u * 86400000ull) /* as the server has it: src/server/server_priv.h */
#define HELD_SIZE_MAX 1024u

typedef struct held_row {
    bool told;
    edn_msg_held held; /* no links, no boxes: nothing of it is borrowed */
} held_row;

/* None: `held.number` 0. */
static edn_status held_load(edn_client *c, held_row *out)
{
    edn_buf row = EDN_BUF_INIT(HELD_SIZE_MAX);
    edn_arena a = edn_arena_init(4096);
    edn_status st = meta_get(c, "held", EDN_BYTES_EMPTY, &row);

    *out = (held_row){.held.state = EDN_HELD_NONE};
    if (st == EDN_OK && (row.n < 1 || edn_held_decode(&a, edn_bytes_of(row.p + 1, row.n - 1), &out->held) != EDN_OK ||
                         out->held.links_n || out->held.boxes_n))
        st = EDN_E_DAMAGED;
    if (st == EDN_OK)
        out->told = row.p[0] != 0;
    edn_arena_dispose(&a);
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status held_save(edn_client *c, const held_row *row)
{
    edn_buf out = EDN_BUF_INIT(HELD_SIZE_MAX);
    edn_status st;

    edn_put_u8(&out, row->told);
    edn_held_put(&out, &row->held);
    if ((st = edn_buf_status(&out)) == EDN_OK)
        st = meta_put(c, "held", EDN_BYTES_EMPTY, edn_buf_view(&out));
    edn_buf_dispose(&out);
    return st;
}

edn_status held_number(edn_client *c, uint64_t *out)
{
    held_row row;
    edn_status st = held_load(c, &row);

    *out = row.held.number;
    return st;
}

/* ---- from the server --------------------------------------------------------------------------------------------- */

static edn_status held_ask(edn_client *c, const char *token, const edn_msg_held_ask *m, edn_msg_held *out, edn_err *err)
{
    edn_buf rq = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_arena a = edn_arena_init((size_t)1 << 16);
    edn_status st;

    edn_held_ask_put(&rq, m);
    st = account_call(c, client_id(c)->server, "/v1/held", token, edn_buf_view(&rq), &body, NULL, err);
    if (st == EDN_OK && (edn_held_decode(&a, edn_buf_view(&body), out) != EDN_OK || out->links_n || out->boxes_n))
        st = edn_fail(err, EDN_E_SERVER, "%s: the server's answer makes no sense", client_id(c)->server);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
    return st;
}

/* That nobody signed a cancelling is told, and the recovery counts as under way: the worse of the two. */
static edn_status held_check(edn_client *c, edn_msg_held *held)
{
    edn_finding f = {.status = EDN_E_SIG, .time_ms = client_now(c)};
    edn_recovery_wait wait;

    if (recovery_wait_of(held, c->log, &wait) == EDN_OK)
        return EDN_OK;
    held->state = EDN_HELD_WAITING;
    held->cancelled_ms = 0;
    memset(&held->device, 0, sizeof held->device);
    memset(&held->sig, 0, sizeof held->sig);
    snprintf(f.text, sizeof f.text,
             "The server %.200s says that a recovery of the account was cancelled by a device that has not signed "
             "that. It counts as under way. Do not trust this server.",
             client_id(c)->server);
    return finding_save(c, &f);
}

static edn_status held_take(edn_client *c, edn_msg_held *held, edn_err *err)
{
    held_row row = {.told = false};
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = held_check(c, held)) == EDN_OK) {
        row.held = *held;
        row.told = memcmp(held->device.b, client_id(c)->device.b, sizeof held->device.b) == 0; /* it did it itself */
        st = held_save(c, &row);
    }
    return client_end_write(c, st, err);
}

edn_status held_fetch(edn_client *c, const char *token, edn_err *err)
{
    edn_msg_held_ask m = {.kind = EDN_HELD_LOOK};
    edn_msg_held held;
    edn_status st = held_ask(c, token, &m, &held, err);

    return st == EDN_OK ? held_take(c, &held, err) : st;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

/* What it comes to now: shares that were made anew since end it, and so does time. */
static edn_status held_now(edn_client *c, const held_row *row, edn_recovery_wait *out)
{
    recovery_set at;
    edn_status st = recovery_set_of(c, &at);

    *out = (edn_recovery_wait){.state = EDN_RECOVERY_NONE};
    if (st != EDN_OK || memcmp(at.set.id.b, row->held.set, sizeof row->held.set) != 0)
        return st == EDN_E_MISSING ? EDN_OK : st;
    st = recovery_wait_of(&row->held, c->log, out);
    out->now_ms = client_now(c);
    out->own = memcmp(row->held.device.b, client_id(c)->device.b, sizeof row->held.device.b) == 0;
    if (out->state == EDN_RECOVERY_WAITING && out->now_ms >= out->ready_ms)
        out->state = EDN_RECOVERY_READY;
    if (out->state == EDN_RECOVERY_READY && out->now_ms >= out->ready_ms + HELD_GOOD_MS)
        out->state = EDN_RECOVERY_NONE;
    return st == EDN_E_SIG ? EDN_E_DAMAGED : st; /* it was checked before it was kept */
}

edn_status held_wait(edn_client *c, edn_recovery_wait *out, bool *told)
{
    held_row row;
    edn_status st = held_load(c, &row);

    *told = row.told;
    return st == EDN_OK ? held_now(c, &row, out) : st;
}

edn_status held_told(edn_client *c)
{
    held_row row;
    edn_status st = held_load(c, &row);

    if (st != EDN_OK || row.told || row.held.number == 0)
        return st;
    row.told = true;
    return held_save(c, &row);
}

edn_status edn_client_recovery_held(edn_client *c, edn_recovery_wait *out, edn_err *err)
{
    bool told;
    edn_status st = client_begin_read(c, err);

    *out = (edn_recovery_wait){.state = EDN_RECOVERY_NONE};
    return st == EDN_OK ? client_end_read(c, held_wait(c, out, &told), err) : st;
}

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

static edn_status cancel_sign(edn_client *c, edn_msg_held_ask *m, edn_err *err)
{
    held_row row;
    edn_recovery_wait wait;
    edn_cancel what = {.account = client_id(c)->account, .device = client_id(c)->device, .time_ms = client_now(c)};
    edn_status st = held_load(c, &row);

    if (st == EDN_OK)
        st = held_now(c, &row, &wait);
    if (st != EDN_OK)
        return st;
    if (wait.state != EDN_RECOVERY_WAITING && wait.state != EDN_RECOVERY_READY)
        return edn_fail(err, EDN_E_MISSING,
                        wait.state == EDN_RECOVERY_CANCELLED ? "the recovery was cancelled already"
                                                             : "no recovery of this account is under way");
    memcpy(what.set, row.held.set, sizeof what.set);
    what.begun = row.held.begun;
    *m = (edn_msg_held_ask){.kind = EDN_HELD_CANCEL, .begun = what.begun, .time_ms = what.time_ms};
    edn_cancel_sign(&m->sig, &what, &client_id(c)->sign_sk);
    return EDN_OK;
}

edn_status edn_client_recovery_cancel(edn_client *c, edn_err *err)
{
    edn_sync_remote remote = {0};
    edn_msg_held_ask m;
    edn_msg_held held;
    edn_status st = account_fresh_token(c, &remote, err); /* which hears of the newest, too */

    if (st == EDN_OK && (st = client_begin_read(c, err)) == EDN_OK)
        st = client_end_read(c, cancel_sign(c, &m, err), err);
    if (st == EDN_OK)
        st = held_ask(c, remote.token, &m, &held, err);
    if (st == EDN_OK && held.state != EDN_HELD_CANCELLED)
        st = edn_fail(err, EDN_E_SERVER, "%s: the server did not cancel it; do not trust it", client_id(c)->server);
    if (st == EDN_OK)
        st = held_take(c, &held, err);
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    return st;
}
