#include "server_priv.h"

/* Attachments and shards of the index: sealed bytes under a name that the account's devices agree on. A name never gets
 * other bytes. What is released stays for a while (sweep.c), and for good when it is put again. */

#define BLOB_PATH_SIZE (sizeof "/v1/blobs/" - 1)

static bool blob_name(const edn_server_request *rq, edn_hash *out)
{
    return edn_server_path_id(edn_bytes_of(rq->path.p + BLOB_PATH_SIZE, rq->path.n - BLOB_PATH_SIZE), out->b,
                              sizeof out->b);
}

/* Names are of one account: another's blob of the same name is another blob. */
edn_hash edn_server_blob_place(const edn_account_id *account, const edn_hash *name)
{
    return edn_h32_t(EDN_LABEL_SERVER_BLOB, EDN_F(*account), EDN_F(*name));
}

static void blob_finish(edn_server *s, server_job *job)
{
    (void)s;
    job->out->status = job->status;
}

edn_status edn_server_blob_put(edn_server *s, server_job *job)
{
    server_account *a = job->caller.account;
    edn_hash name, content = edn_h32(job->rq->body), held, place;
    uint64_t size;
    edn_status st;

    if (!blob_name(job->rq, &name) || job->rq->body.n == 0) {
        edn_server_malformed(job->out, EDN_E_FORMAT);
        return EDN_OK;
    }
    st = s->meta.blob_find(s->meta.ctx, a->row.n, &name, &size, &held);
    if (st == EDN_OK && memcmp(&held, &content, sizeof held) != 0) {
        edn_server_problem(job->out, 409, "blob", "another blob has this name");
        return EDN_OK;
    }
    job->status = st == EDN_OK ? 200 : 201;
    if (st == EDN_OK &&
        ((st = edn_server_begin(s)) != EDN_OK || (st = s->meta.blob_keep(s->meta.ctx, a->row.n, &name)) != EDN_OK))
        return st;
    if (st == EDN_E_MISSING) {
        if (!edn_server_has_room(s, a, job->rq->body.n)) {
            edn_server_problem(job->out, 507, "quota", "the account's space on this server is used up");
            return EDN_OK;
        }
        place = edn_server_blob_place(&a->row.id, &name);
        if ((st = s->blobs.put(s->blobs.ctx, &place, job->rq->body)) != EDN_OK) {
            edn_server_failed(job->out, st);
            return EDN_OK;
        }
        if ((st = edn_server_begin(s)) != EDN_OK ||
            (st = s->meta.blob_put(s->meta.ctx, a->row.n, &name, job->rq->body.n, &content)) != EDN_OK)
            return st;
        edn_server_account_stage(s, a);
        a->row.bytes += job->rq->body.n;
        a->row_dirty = true;
    }
    if (st == EDN_OK) {
        job->staged = true;
        job->finish = blob_finish;
    }
    return st;
}

/* Keeps one again; one that is not there goes to `absent`. */
static edn_status shelf_keep(edn_server *s, const server_account *a, const edn_hash *name, edn_msg_absent *absent)
{
    edn_hash content;
    uint64_t size;
    edn_status st = s->meta.blob_find(s->meta.ctx, a->row.n, name, &size, &content);

    if (st == EDN_E_MISSING) {
        absent->names[absent->names_n++] = *name;
        return EDN_OK;
    }
    return st == EDN_OK ? s->meta.blob_keep(s->meta.ctx, a->row.n, name) : st;
}

edn_status edn_server_shelf(edn_server *s, server_job *job)
{
    const server_account *a = job->caller.account;
    uint64_t now_ms = s->clock.now_ms(s->clock.ctx);
    edn_msg_absent absent = {NULL, 0};
    edn_msg_shelf m;
    edn_status st = edn_shelf_decode(&s->arena, job->rq->body, &m);

    if (st != EDN_OK) {
        edn_server_malformed(job->out, st);
        return EDN_OK;
    }
    if (!(absent.names = edn_arena_calloc(&s->arena, m.keep_n + 1, sizeof *absent.names)))
        return EDN_E_NOMEM;
    if ((st = edn_server_begin(s)) != EDN_OK)
        return st;
    for (size_t i = 0; st == EDN_OK && i < m.keep_n; i++)
        st = shelf_keep(s, a, &m.keep[i], &absent);
    for (size_t i = 0; st == EDN_OK && i < m.drop_n; i++)
        st = s->meta.blob_release(s->meta.ctx, a->row.n, &m.drop[i], now_ms);
    edn_buf_reset(&job->out->body); /* a group that failed may have left one */
    edn_absent_put(&job->out->body, &absent);
    job->status = 200;
    job->staged = st == EDN_OK;
    job->finish = blob_finish;
    return st;
}

void edn_server_blob_get(edn_server *s, const server_caller *c, const edn_server_request *rq, edn_server_answer *out)
{
    edn_hash name, content, place;
    uint64_t size;
    edn_status st;

    if (!blob_name(rq, &name)) {
        edn_server_malformed(out, EDN_E_FORMAT);
        return;
    }
    st = s->meta.blob_find(s->meta.ctx, c->account->row.n, &name, &size, &content);
    if (st == EDN_OK && rq->method == EDN_SERVER_GET) {
        place = edn_server_blob_place(&c->account->row.id, &name);
        st = s->blobs.get(s->blobs.ctx, &place, &out->body);
        if (st == EDN_E_MISSING)
            st = EDN_E_DAMAGED;
    }
    if (st == EDN_E_MISSING) {
        edn_server_problem(out, 404, "missing", "nothing is here");
    } else if (st != EDN_OK) {
        edn_server_failed(out, st);
    } else {
        out->status = 200;
        out->body_size = size;
    }
}
