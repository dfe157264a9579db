#include "server_priv.h"

/* Recovery from shares on paper: who has a page knows the account's name and the id of the set, which the account's log
 * has and nobody else was told. That is enough to read the log (public keys) and the box that enough shares open. What
 * is done with it comes back by /v1/accounts, signed by the account's own key. Whatever does not fit gets one
 * answer. */

typedef struct gathering {
    edn_server *s;
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

static edn_status look(edn_server *s, const edn_msg_set_ask *m, gathering *g, edn_buf *box)
{
    server_account *a;
    edn_status st = edn_server_account_get(s, &m->account, &a);

    if (st != EDN_OK)
        return st == EDN_E_MISSING ? EDN_E_DENIED : st;
    g->max = (size_t)edn_devlog_count(a->log);
    g->links = edn_arena_calloc(&s->arena, g->max + 1, sizeof *g->links);
    if (!g->links)
        return EDN_E_NOMEM;
    if ((st = s->meta.links_each(s->meta.ctx, a->row.n, 0, gather, g)) != EDN_OK)
        return st;
    if (!g->found || !edn_equal_ct(g->set.id.b, m->set, sizeof m->set))
        return EDN_E_DENIED;
    st = s->meta.box_find(s->meta.ctx, a->row.n, &g->set.box_hash, box);
    return st == EDN_E_MISSING ? EDN_E_DENIED : st;
}

void edn_server_recovery(edn_server *s, const edn_server_request *rq, edn_server_answer *out)
{
    edn_buf box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    gathering g = {.s = s};
    edn_msg_set_ask m;
    edn_msg_log_append answer;
    edn_bytes boxes[1];
    edn_status st = edn_set_ask_decode(&s->arena, rq->body, &m);

    if (st != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    st = look(s, &m, &g, &box);
    if (st == EDN_OK) {
        boxes[0] = edn_buf_view(&box);
        answer = (edn_msg_log_append){g.links, g.n, boxes, 1};
        out->status = 200;
        edn_log_append_put(&out->body, &answer);
    } else if (st == EDN_E_DENIED) {
        edn_server_denied(out);
        s->stats.denied++;
    } else {
        edn_server_failed(out, st);
    }
    edn_buf_dispose(&box);
}
