#include "server_priv.h"

/* Device logs of others: what somebody needs to write to an account, or to check what it signed. A log is shown to
 *
 *   devices of accounts here             by name or by account: people of one server find each other
 *   whoever has seen some of it before   by account, with a witness
 *
 * and to nobody else. A challenge gives an id for every name, true or made up; without the witness a lookup would tell
 * which are true (SECURITY: A18). Whatever does not fit gets the one answer 404, after a fixed time. */

#define LOOKUP_SIZE_MAX (EDN_PULL_SIZE_MAX / 2u)

bool edn_server_is_person(const server_caller *c) { return c->account && !edn_devlog_is_space(c->account->log); }

bool edn_server_witnessed(const edn_devlog *log, const edn_witness *w)
{
    edn_hash kdf, box, link;
    edn_sign_pk login;

    if (!edn_devlog_kdf(log, &kdf, &box, &login))
        return true; /* it cannot have a name that could be guessed */
    for (uint64_t seq = 1; edn_devlog_hash_at(log, seq, &link); seq++) {
        edn_witness is = edn_witness_of(seq, &link);
        if (edn_equal_ct(is.b, w->b, sizeof is.b))
            return true;
    }
    return false;
}

typedef struct gathering {
    edn_server *s;
    edn_msg_found found;
    size_t max, size;
} gathering;

static edn_status gather(void *cb, uint64_t seq, edn_bytes link)
{
    gathering *g = cb;

    (void)seq;
    if (g->size >= LOOKUP_SIZE_MAX) {
        g->found.flags = EDN_FOUND_MORE;
        return EDN_OK;
    }
    if (g->found.links_n == g->max || !edn_arena_copy(&g->s->arena, link, &g->found.links[g->found.links_n]))
        return EDN_E_NOMEM;
    g->found.links_n++;
    g->size += link.n;
    return EDN_OK;
}

/* EDN_E_MISSING: nobody is there, or not for this caller. */
static edn_status look(edn_server *s, const server_caller *c, const edn_msg_lookup *m, gathering *g)
{
    edn_meta_name name;
    server_account *a;
    edn_hash hash;
    edn_status st;

    memcpy(hash.b, m->id, sizeof hash.b);
    memcpy(g->found.account.b, m->id, sizeof g->found.account.b);
    if (m->kind == EDN_LOOKUP_NAME) {
        if ((st = s->meta.name_find(s->meta.ctx, &hash, &name)) != EDN_OK)
            return st;
        g->found.account = name.account;
    }
    if ((st = edn_server_account_get(s, &g->found.account, &a)) != EDN_OK)
        return st;
    if (edn_devlog_is_space(a->log) || (!edn_server_is_person(c) && !edn_server_witnessed(a->log, &m->witness)))
        return EDN_E_MISSING;
    g->max = m->from < edn_devlog_count(a->log) ? (size_t)(edn_devlog_count(a->log) - m->from) : 0;
    g->found.links = edn_arena_calloc(&s->arena, g->max + 1, sizeof *g->found.links);
    if (!g->found.links)
        return EDN_E_NOMEM;
    return g->max ? s->meta.links_each(s->meta.ctx, a->row.n, m->from, gather, g) : EDN_OK;
}

void edn_server_lookup(edn_server *s, const server_caller *c, const edn_server_request *rq, edn_server_answer *out)
{
    gathering g = {.s = s};
    edn_msg_lookup m;
    edn_status st = edn_lookup_decode(&s->arena, rq->body, &m);

    if (st != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    if (m.kind == EDN_LOOKUP_NAME && !edn_server_is_person(c)) {
        edn_server_denied(out);
        s->stats.denied++;
        return;
    }
    st = look(s, c, &m, &g);
    if (st == EDN_OK) {
        out->status = 200;
        edn_found_put(&out->body, &g.found);
    } else if (st == EDN_E_MISSING) {
        edn_server_problem(out, 404, "missing", "there is no such account here");
    } else {
        edn_server_failed(out, st);
    }
}
