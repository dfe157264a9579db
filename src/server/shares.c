#include "server_priv.h"

/* A machine with nothing left asks for shares that others keep: it puts a key there, and whoever keeps one finds the
 * key, compares it with the person by voice, and puts the share there, sealed to it. The server is a board on the wall:
 * which key is whose it cannot say, and what it says of it is not believed (src/keys/request.c).
 *
 * What holds:
 *   1. there are requests only while a recovery of the same set is under way, so every device of the account has been
 *      told before anybody can be asked for a share; what begins or cancels a recovery takes them away;
 *   2. requests do not push each other aside, and what was given stays: who has a page and asks under many keys costs
 *      the owner nothing until all places are taken, and then it is said;
 *   3. the same request and the same give are kept once, so each can be repeated.
 *
 * Who knows the account and the id of its set may ask, as for a recovery; all that does not fit is answered alike. */

typedef struct board {
    edn_server *s;
    const edn_msg_share_ask *ask;
    edn_msg_shares m; /* the answer */
    size_t keys_n, gives_n;
    bool wanted, given; /* this key is there; and under it this very give */
} board;

static edn_status gather_give(board *b, const edn_meta_share *row)
{
    if (b->gives_n == EDN_SHARE_GIVES_MAX)
        return EDN_E_DAMAGED; /* no put lets one more in */
    b->given |= edn_bytes_equal(row->body, b->ask->give);
    return edn_arena_copy(&b->s->arena, row->body, &b->m.gives[b->gives_n++]) ? EDN_OK : EDN_E_NOMEM;
}

static edn_status gather(void *cb, const edn_meta_share *row)
{
    board *b = cb;
    bool is_asked = memcmp(row->key, b->ask->key, sizeof row->key) == 0;

    if (row->number > 0)
        return is_asked ? gather_give(b, row) : EDN_OK;
    if (b->keys_n == EDN_SHARE_REQUESTS_MAX)
        return EDN_E_DAMAGED;
    b->wanted |= is_asked;
    memcpy(b->m.keys[b->keys_n++].b, row->key, sizeof row->key);
    return EDN_OK;
}

/* One row, in a commit of its own. */
static edn_status keep(edn_server *s, const server_account *a, const edn_meta_share *row)
{
    edn_status st = edn_server_begin(s);

    if (st == EDN_OK && (st = s->meta.share_put(s->meta.ctx, a->row.n, row)) == EDN_OK)
        return edn_server_commit(s);
    edn_server_rollback(s);
    return st;
}

static edn_status want(board *b, const server_account *a, edn_server_answer *out)
{
    edn_meta_share row = {.number = 0};

    b->m.gives_n = b->gives_n;
    if (b->wanted)
        return EDN_OK;
    if (b->keys_n == EDN_SHARE_REQUESTS_MAX) {
        edn_server_problem(out, 507, "full", "too many machines ask for shares of this account");
        return EDN_OK;
    }
    memcpy(row.key, b->ask->key, sizeof row.key);
    return keep(b->s, a, &row);
}

static edn_status give(board *b, const server_account *a, edn_server_answer *out)
{
    edn_meta_share row = {.number = b->gives_n + 1, .body = b->ask->give};

    if (!b->wanted) {
        edn_server_problem(out, 409, "recovery", "no machine asks for shares under this key");
        return EDN_OK;
    }
    if (b->given)
        return EDN_OK;
    if (b->gives_n == EDN_SHARE_GIVES_MAX) {
        edn_server_problem(out, 507, "full", "too much was given for this request");
        return EDN_OK;
    }
    memcpy(row.key, b->ask->key, sizeof row.key);
    return keep(b->s, a, &row);
}

static edn_status answer(board *b, const server_account *a, edn_server_answer *out)
{
    edn_arena *arena = &b->s->arena;
    bool under_way = b->m.state == EDN_HELD_WAITING || b->m.state == EDN_HELD_READY;
    edn_status st = EDN_OK;

    b->m.keys = edn_arena_calloc(arena, EDN_SHARE_REQUESTS_MAX, sizeof *b->m.keys);
    b->m.gives = edn_arena_calloc(arena, EDN_SHARE_GIVES_MAX, sizeof *b->m.gives);
    if (!b->m.keys || !b->m.gives)
        return EDN_E_NOMEM;
    if (under_way && (st = b->s->meta.shares_each(b->s->meta.ctx, a->row.n, gather, b)) == EDN_OK) {
        if (b->ask->kind == EDN_SHARES_WANT)
            st = want(b, a, out);
        else if (b->ask->kind == EDN_SHARES_GIVE)
            st = give(b, a, out);
        else
            b->m.keys_n = b->keys_n;
    }
    if (st == EDN_OK && out->status == 0) {
        out->status = 200;
        edn_shares_put(&out->body, &b->m);
    }
    return st;
}

/* ---- POST /v1/shares --------------------------------------------------------------------------------------------- */

void edn_server_shares(edn_server *s, const edn_server_request *rq, edn_server_answer *out)
{
    server_account *a;
    edn_msg_share_ask m;
    board b = {.s = s, .ask = &m};
    edn_status st = edn_share_ask_decode(&s->arena, rq->body, &m);

    if (st != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    if ((st = edn_server_recovery_state(s, &m.account, m.set, &a, &b.m.state)) == EDN_OK)
        st = answer(&b, a, out);
    if (st == EDN_E_DENIED) {
        edn_server_denied(out);
        s->stats.denied++;
    } else if (st != EDN_OK) {
        edn_server_failed(out, st);
    }
}
