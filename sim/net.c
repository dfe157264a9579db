/* The network between a device and the server: each exchange may be lost on either way, come twice, come again later,
 * come cut or as something else altogether. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

static edn_status lost(edn_http_answer *out, edn_err *err, const char *why)
{
    edn_buf_reset(&out->body);
    out->status = 0;
    return edn_fail(err, EDN_E_NETWORK, "%s", why);
}

static edn_status instead(edn_http_answer *out, int status, const char *body, uint32_t retry_after_s)
{
    edn_buf_reset(&out->body);
    edn_put_bytes(&out->body, body, strlen(body));
    out->status = status;
    out->retry_after_s = retry_after_s;
    out->bytes_received = strlen(body);
    return edn_buf_status(&out->body);
}

/* Power may go at the server in the middle of a request. Its answer is then never sent. */
static bool serve_one(device *d, const char *path, const char *bearer, bool get, bool put, edn_bytes body,
                      edn_server_answer *answer)
{
    sim *s = d->s;
    serving *v = &s->srv;
    static const uint8_t address[4] = {127, 0, 0, 1};
    edn_server_request request = {.method = get   ? EDN_SERVER_GET
                                            : put ? EDN_SERVER_PUT
                                                  : EDN_SERVER_POST,
                                  .path = edn_bytes_str(path),
                                  .bearer = bearer ? edn_bytes_str(bearer) : EDN_BYTES_EMPTY,
                                  .address = edn_bytes_of(address, sizeof address),
                                  .body = body};
    uint64_t at = crashvfs_ops(v->disk) + 1 + sim_below(&s->plan, 12);

    memset(answer, 0, sizeof *answer);
    if (sim_may(s, GROUP_SERVER) && sim_chance(&s->plan, 1, 60))
        crashvfs_cut_at(v->disk, at);
    else if (sim_may(s, GROUP_SERVER) && sim_chance(&s->plan, 1, 60)) {
        bool sync = sim_chance(&s->plan, 1, 2);
        crashvfs_fail_at(v->disk, at, sync ? 1034 /* SQLITE_IOERR_FSYNC */ : 778 /* SQLITE_IOERR_WRITE */, false);
        sim_fault(s, sync ? FAULT_S_SYNC : FAULT_S_WRITE);
    }
    edn_server_handle(v->server, &request, 1, answer);
    crashvfs_fail_at(v->disk, 0, 0, false);
    if (crashvfs_is_dark(v->disk)) {
        edn_server_answer_dispose(answer);
        sim_fault(s, FAULT_S_IN);
        serve_crash(s, (crashvfs_fate)sim_below(&s->plan, CRASHVFS_FATES));
        return false;
    }
    crashvfs_cut_at(v->disk, 0);
    return true;
}

void net_replay(device *d)
{
    edn_server_answer answer;

    if (!d->replay_path[0] || !d->s->srv.server)
        return;
    sim_fault(d->s, FAULT_REORDER);
    if (serve_one(d, d->replay_path, d->replay_bearer[0] ? d->replay_bearer : NULL, false, false,
                  edn_buf_view(&d->replay), &answer))
        edn_server_answer_dispose(&answer);
    d->replay_path[0] = 0;
}

static void remember(device *d, const edn_http_request *rq)
{
    edn_buf_dispose(&d->replay);
    d->replay = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_put_bytes(&d->replay, rq->body.p, rq->body.n);
    snprintf(d->replay_path, sizeof d->replay_path, "%s", rq->path);
    snprintf(d->replay_bearer, sizeof d->replay_bearer, "%s", rq->bearer ? rq->bearer : "");
}

/* What the network does with this exchange, decided before it is carried out. */
static fault_kind fate_of(sim *s)
{
    static const fault_kind kinds[] = {FAULT_DROP,  FAULT_LOSE,       FAULT_DUPLICATE, FAULT_REORDER,
                                       FAULT_CUT,   FAULT_LOGIN_PAGE, FAULT_EMPTY,     FAULT_NOISE,
                                       FAULT_E500,  FAULT_E503,       FAULT_E429,      FAULT_SLOW,
                                       FAULT_RESET, FAULT_HALF_OPEN,  FAULT_HALF_SENT};

    if (!sim_may(s, GROUP_NET) || !sim_chance(&s->plan, 1, 12))
        return FAULT_KINDS;
    return kinds[sim_below(&s->plan, EDN_COUNT(kinds))];
}

static edn_status spoil(sim *s, fault_kind k, edn_http_answer *out, edn_err *err)
{
    char noise[65];

    switch (k) {
    case FAULT_HALF_OPEN:
        s->now_ms += 120000; /* until whoever waits gives up */
        return lost(out, err, "no answer came");
    case FAULT_LOSE:
    case FAULT_RESET:
        return lost(out, err, "the answer was lost");
    case FAULT_CUT:
        out->body.n -= out->body.n ? 1 + sim_below(&s->plan, out->body.n) : 0;
        return EDN_OK;
    case FAULT_LOGIN_PAGE:
        return instead(out, 200, "<html><title>Welcome to our hotel</title><form action=login></html>", 0);
    case FAULT_EMPTY:
        return instead(out, 200, "", 0);
    case FAULT_NOISE:
        sim_fill(&s->plan, noise, sizeof noise);
        noise[sizeof noise - 1] = 0;
        return instead(out, 200, noise, 0);
    case FAULT_E500:
        return instead(out, 502, "bad gateway", 0);
    case FAULT_E503:
        return instead(out, 503, "", 30);
    case FAULT_E429:
        return instead(out, 429, "", 5);
    default:
        return EDN_OK;
    }
}

static edn_status carry(device *d, const edn_http_request *rq, edn_http_answer *out, edn_err *err)
{
    sim *s = d->s;
    fault_kind k = fate_of(s);
    edn_server_answer answer;
    bool get = rq->method == EDN_HTTP_GET, put = rq->method == EDN_HTTP_PUT;

    story_interrupt(d, rq->path);
    serve_side(s, d->side);
    s->f.exchanges++;
    s->now_ms += 20 + sim_below(&s->plan, 200);
    check_wire(s, rq->path, rq->body);
    if (s->now_ms < d->away_until_ms)
        return lost(out, err, "the network is away");
    if (!s->srv.server || s->now_ms < s->srv.down_until_ms)
        return lost(out, err, "the server is away");
    if (k != FAULT_KINDS)
        sim_fault(s, k);
    if (k == FAULT_SLOW)
        s->now_ms += sim_below(&s->plan, 600000);
    if (k == FAULT_DROP)
        return lost(out, err, "the request was lost");
    if (k == FAULT_REORDER) {
        if (!s->keeper.on || strcmp(rq->path, "/v1/log") != 0) /* docs/RELIABILITY.md, "What is not simulated" */
            remember(d, rq);
        return lost(out, err, "the request is still on its way");
    }
    if (k == FAULT_DUPLICATE && serve_one(d, rq->path, rq->bearer, get, put, rq->body, &answer))
        edn_server_answer_dispose(&answer);
    if (s->evils && evil_instead(s, d, rq, out))
        return EDN_OK;
    if (k == FAULT_HALF_SENT) {
        edn_bytes half = edn_bytes_of(rq->body.p, sim_below(&s->plan, rq->body.n + 1));
        if (serve_one(d, rq->path, rq->bearer, get, put, half, &answer))
            edn_server_answer_dispose(&answer);
        return lost(out, err, "the connection broke while sending");
    }
    if (!serve_one(d, rq->path, rq->bearer, get, put, rq->body, &answer))
        return lost(out, err, "the server went away");
    out->status = answer.status;
    out->retry_after_s = answer.retry_after_s;
    edn_put_bytes(&out->body, answer.body.p, answer.body.n);
    out->bytes_sent = rq->body.n;
    out->bytes_received = answer.body.n;
    edn_server_answer_dispose(&answer);
    check_wire(s, "answer", edn_buf_view(&out->body));
    if (s->evils)
        evil_answer(s, d, rq, out);
    if (edn_buf_status(&out->body) != EDN_OK)
        return edn_fail(err, EDN_E_LIMIT, "the answer is too long");
    return spoil(s, k, out, err);
}

edn_status net_exchange(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err)
{
    device *d = ctx;
    edn_status st;

    wrap_pause(true);
    st = carry(d, rq, out, err);
    sim_trace(d->s, &out->status, sizeof out->status);
    sim_trace(d->s, out->body.p, out->body.n);
    wrap_pause(false);
    return st;
}
