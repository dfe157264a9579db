#include "server_priv.h"

/* Recovery from shares on paper: who has a page knows the account's name and the id of the set, which otherwise stands
 * in the account's log alone. That is enough to read the log (public keys), and to ask for the box that enough shares
 * open. Asking begins the wait: the account's devices are told of it, each at its next sync, and any of them can cancel
 * it with a signature. The box is given out when the wait is over and nobody did; before that it goes to devices alone.
 *
 *     (none) ── asked ─▶ waiting ── time ─▶ ready ── 30 days ─▶ (none)
 *                           └─── a device's signature ───┴─▶ cancelled ── asked again ─▶ waiting
 *
 * An account has one recovery at a time, whoever asks: a second who asks joins the first, so that nobody with one page
 * can push the owner's aside by asking often. What is done with the box comes back by /v1/accounts, signed by the
 * account's own key. To who asks without a token, whatever does not fit gets one answer. */

typedef struct gathering {
    edn_server *s;
    server_account *a;
    edn_bytes *links;
    size_t n, max;
    edn_recovery_set set;
    bool found;
} gathering;

static edn_status gather(void *cb, uint64_t seq, edn_bytes link)
{
    gathering *g = cb;
    edn_recovery_set set;

    (void)seq;
    if (g->n == g->max || !edn_arena_copy(&g->s->arena, link, &g->links[g->n++]))
        return EDN_E_NOMEM;
    if (edn_link_recovery(link, &set) == EDN_OK) { /* the newest decides */
        g->set = set;
        g->found = true;
    }
    return EDN_OK;
}

static edn_status look(edn_server *s, const edn_account_id *account, const uint8_t set[16], gathering *g)
{
    edn_status st = edn_server_account_get(s, account, &g->a);

    if (st != EDN_OK)
        return st == EDN_E_MISSING ? EDN_E_DENIED : st;
    g->max = (size_t)edn_devlog_count(g->a->log);
    g->links = edn_arena_calloc(&s->arena, g->max + 1, sizeof *g->links);
    if (!g->links)
        return EDN_E_NOMEM;
    if ((st = s->meta.links_each(s->meta.ctx, g->a->row.n, 0, gather, g)) != EDN_OK)
        return st;
    return g->found && edn_equal_ct(g->set.id.b, set, sizeof g->set.id.b) ? EDN_OK : EDN_E_DENIED;
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

/* The operator may shorten the wait of one that is under way, and not lengthen it. */
static uint64_t ready_s(const edn_server *s, const edn_meta_recovery *r)
{
    return EDN_MIN(r->ready_s, r->asked_s + s->config.limits.recovery_wait_s);
}

static uint8_t state_of(const edn_server *s, const edn_meta_recovery *r)
{
    uint64_t now = edn_server_now_s(s), ready = ready_s(s, r);

    if (r->number == 0)
        return EDN_HELD_NONE;
    if (r->cancelled)
        return EDN_HELD_CANCELLED;
    if (now < ready)
        return EDN_HELD_WAITING;
    return now - ready < SERVER_RECOVERY_GOOD_S ? EDN_HELD_READY : EDN_HELD_NONE;
}

static edn_msg_held held_of(const edn_server *s, const edn_meta_recovery *r)
{
    edn_msg_held m = {.state = state_of(s, r),
                      .number = r->number,
                      .begun = r->begun,
                      .asked_s = r->asked_s,
                      .ready_s = ready_s(s, r),
                      .now_s = edn_server_now_s(s),
                      .device = r->device,
                      .cancelled_ms = r->cancelled_ms,
                      .sig = r->sig};

    memcpy(m.set, r->set, sizeof m.set);
    return m;
}

/* A number that no device has seen, also when this server was set back to an older day. */
static uint64_t number_next(const edn_server *s, const edn_meta_recovery *r)
{
    return EDN_MAX(r->number + 1, edn_server_now_s(s));
}

/* One commit of its own; requests for shares were of the recovery before. A failure leaves nothing, and the account out
 * of memory. */
static edn_status recovery_save(edn_server *s, server_account *a, const edn_meta_recovery *row)
{
    edn_status st = edn_server_begin(s);

    if (st == EDN_OK && (st = s->meta.shares_drop(s->meta.ctx, a->row.n)) == EDN_OK &&
        (st = s->meta.recovery_put(s->meta.ctx, a->row.n, row)) == EDN_OK) {
        edn_server_account_stage(s, a);
        a->recovery = *row;
        edn_server_account_moved(a);
        return edn_server_commit(s);
    }
    edn_server_rollback(s);
    return st;
}

/* ---- POST /v1/recovery ------------------------------------------------------------------------------------------- */

static edn_status begin(edn_server *s, gathering *g)
{
    uint64_t now = edn_server_now_s(s), number = number_next(s, &g->a->recovery);
    edn_meta_recovery row = {
        .number = number, .begun = number, .asked_s = now, .ready_s = now + s->config.limits.recovery_wait_s};

    memcpy(row.set, g->set.id.b, sizeof row.set);
    return recovery_save(s, g->a, &row);
}

static bool is_under_way(uint8_t state) { return state == EDN_HELD_WAITING || state == EDN_HELD_READY; }

/* Whether what stands there is of this set, and under way. */
static bool under_way(const edn_server *s, const gathering *g)
{
    return is_under_way(state_of(s, &g->a->recovery)) &&
           memcmp(g->a->recovery.set, g->set.id.b, sizeof g->set.id.b) == 0;
}

edn_status edn_server_recovery_state(edn_server *s, const edn_account_id *account, const uint8_t set[16],
                                     server_account **a, uint8_t *state)
{
    gathering g = {.s = s};
    edn_status st = look(s, account, set, &g);

    *a = g.a;
    *state = EDN_HELD_NONE;
    if (st == EDN_OK && memcmp(g.a->recovery.set, set, sizeof g.a->recovery.set) == 0)
        *state = state_of(s, &g.a->recovery);
    return st;
}

static edn_status answer(edn_server *s, const edn_msg_set_ask *m, gathering *g, edn_server_answer *out)
{
    edn_buf box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_msg_held held;
    edn_bytes boxes[1];
    edn_status st = EDN_OK;

    if (m->kind == EDN_SET_ASK && m->begun == 0 && !under_way(s, g))
        st = begin(s, g);
    if (st != EDN_OK)
        return st;
    held = held_of(s, &g->a->recovery);
    if (is_under_way(held.state) && !under_way(s, g))
        held.state = EDN_HELD_NONE; /* it was of an older set, which the newer one ended */
    held.links = g->links;
    held.links_n = g->n;
    if (m->kind == EDN_SET_ASK && held.state == EDN_HELD_READY && under_way(s, g) &&
        (m->begun == 0 || m->begun == held.begun)) {
        st = s->meta.box_find(s->meta.ctx, g->a->row.n, &g->set.box_hash, &box);
        boxes[0] = edn_buf_view(&box);
        held.boxes = boxes;
        held.boxes_n = 1;
    }
    if (st == EDN_OK) {
        out->status = 200;
        edn_held_put(&out->body, &held);
    }
    edn_buf_dispose(&box);
    return st == EDN_E_MISSING ? EDN_E_DENIED : st;
}

void edn_server_recovery(edn_server *s, const edn_server_request *rq, edn_server_answer *out)
{
    gathering g = {.s = s};
    edn_msg_set_ask m;
    edn_status st = edn_set_ask_decode(&s->arena, rq->body, &m);

    if (st != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    if ((st = look(s, &m.account, m.set, &g)) == EDN_OK)
        st = answer(s, &m, &g, out);
    if (st == EDN_E_DENIED) {
        edn_server_denied(out);
        s->stats.denied++;
    } else if (st != EDN_OK) {
        edn_server_failed(out, st);
    }
}

/* ---- POST /v1/held ----------------------------------------------------------------------------------------------- */

static bool signed_by_caller(const server_caller *c, const edn_meta_recovery *r, const edn_msg_held_ask *m)
{
    const edn_device *d = edn_devlog_device_find(c->account->log, &c->device);
    edn_cancel what = {.account = c->account->row.id, .begun = m->begun, .device = c->device, .time_ms = m->time_ms};

    memcpy(what.set, r->set, sizeof what.set);
    return d && edn_cancel_verify(&m->sig, &what, &d->cert.sign);
}

static edn_status cancel(edn_server *s, const server_caller *c, const edn_msg_held_ask *m, edn_server_answer *out)
{
    edn_meta_recovery row = c->account->recovery;
    uint8_t state = state_of(s, &row);

    if (m->begun != row.begun || state == EDN_HELD_NONE) {
        edn_server_problem(out, 409, "recovery", "no such recovery is under way");
        return EDN_OK;
    }
    if (!signed_by_caller(c, &row, m)) {
        edn_server_problem(out, 403, "author", "the signature is not this device's");
        return EDN_OK;
    }
    if (state == EDN_HELD_CANCELLED) /* once is enough, and the first has done it */
        return EDN_OK;
    row.number = number_next(s, &row);
    row.cancelled = true;
    row.device = c->device;
    row.cancelled_ms = m->time_ms;
    row.sig = m->sig;
    return recovery_save(s, c->account, &row);
}

void edn_server_held(edn_server *s, const server_caller *c, const edn_server_request *rq, edn_server_answer *out)
{
    edn_msg_held_ask m;
    edn_msg_held held;
    edn_status st = edn_held_ask_decode(&s->arena, rq->body, &m);

    if (st != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    if (m.kind == EDN_HELD_CANCEL)
        st = cancel(s, c, &m, out);
    if (st != EDN_OK) {
        edn_server_failed(out, st);
    } else if (out->status == 0) {
        held = held_of(s, &c->account->recovery);
        out->status = 200;
        edn_held_put(&out->body, &held);
    }
}
