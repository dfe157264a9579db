#include "oom_far.h"

#include "oom.h"

static edn_status (*real_exchange)(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err);

static edn_status exchange(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err)
{
    edn_http_answer answer = {.body = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_status st;

    oom_pause(true);
    st = real_exchange(ctx, rq, &answer, err);
    oom_pause(false);
    out->status = answer.status;
    out->retry_after_s = answer.retry_after_s;
    out->bytes_sent = answer.bytes_sent;
    out->bytes_received = answer.bytes_received;
    edn_put_bytes(&out->body, answer.body.p, answer.body.n);
    oom_pause(true);
    edn_buf_dispose(&answer.body);
    oom_pause(false);
    return st == EDN_OK ? edn_buf_status(&out->body) : st;
}

void oom_far_side(world *w)
{
    real_exchange = w->transport.exchange;
    w->transport.exchange = exchange;
}
