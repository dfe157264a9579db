#include "doc.h"

#include <stdlib.h>

/* The text of one version as patches of another. One walker enters what lies between the two; its sequence holds every
 * character of both in one order. Prepare is moved to `from`, and what is shown there is written down; then to `to`,
 * and the two are read side by side:
 *
 *     from   a b b b c         runs of (character, length, shown); the order is the same,
 *     to     a b b d c c       only the cuts differ
 *
 * What comes back of the text of the walker's beginning has no event there: it is read off the document at `to`. */

typedef struct diff_run {
    uint32_t len;
    bool seen;
} diff_run;

typedef struct differ {
    const edn_doc *doc;
    edn_version to;
    edn_doc *at_to; /* made when it is needed */
    diff_run *old;
    uint32_t n_old, cap_old;
    uint32_t i, off; /* in `old`, while `to` is read */
    size_t pos;      /* in the text as patched so far */
    edn_doc_patch patch;
    edn_buf text; /* what it inserts */
    edn_doc_patch_fn *fn;
    void *ctx;
} differ;

static edn_status old_add(void *ctx, const edn_walk_seen *run)
{
    differ *d = ctx;

    if (!EDN_VEC_ROOM(d->old, d->cap_old, d->n_old + 1u))
        return EDN_E_NOMEM;
    d->old[d->n_old++] = (diff_run){run->len, run->then};
    return EDN_OK;
}

static void patch_flush(differ *d)
{
    if (d->patch.deleted || d->text.n) {
        d->patch.inserted = edn_buf_view(&d->text);
        d->fn(d->ctx, &d->patch);
    }
    edn_buf_reset(&d->text);
    d->patch = (edn_doc_patch){d->pos, 0, EDN_BYTES_EMPTY};
}

static edn_status text_of_log(differ *d, edn_lv lv, uint32_t len)
{
    const edn_log *log = &d->doc->log;

    for (uint32_t i = edn_log_op_of(log, lv); len; i++) {
        const edn_op *op = &log->ops[i];
        uint32_t skip = lv - op->lv, k = EDN_MIN(len, op->len - skip);
        edn_bytes text = edn_log_text(log, op, skip, k);
        edn_put_bytes(&d->text, text.p, text.n);
        lv += k;
        len -= k;
    }
    return edn_buf_status(&d->text);
}

static edn_status text_of_beginning(differ *d, uint32_t len)
{
    edn_status st = d->at_to ? EDN_OK : edn_doc_at(d->doc, d->to, &d->at_to);

    return st == EDN_OK ? edn_doc_text_part(d->at_to, d->pos, len, &d->text) : st;
}

/* One piece that is one character after another on both sides. */
static edn_status piece(differ *d, edn_lv lv, uint32_t len, bool was, bool is)
{
    edn_status st = EDN_OK;

    if (was && is) {
        patch_flush(d);
    } else if (was) {
        d->patch.deleted += len;
    } else if (is) {
        st = lv == EDN_LV_NONE ? text_of_beginning(d, len) : text_of_log(d, lv, len);
    }
    if (is)
        d->pos += len;
    if (was && is)
        d->patch.pos = d->pos;
    return st;
}

static edn_status new_add(void *ctx, const edn_walk_seen *run)
{
    differ *d = ctx;
    uint32_t len = run->len;
    edn_lv lv = run->lv;
    edn_status st = EDN_OK;

    while (st == EDN_OK && len) {
        const diff_run *old;
        uint32_t k;
        EDN_ASSERT(d->i < d->n_old);
        old = &d->old[d->i];
        k = EDN_MIN(len, old->len - d->off);
        st = piece(d, lv, k, old->seen, run->then);
        lv = lv == EDN_LV_NONE ? lv : lv + k;
        len -= k;
        d->off += k;
        if (d->off == old->len) {
            d->off = 0;
            d->i++;
        }
    }
    return st;
}

static int lv_compare(const void *a, const void *b)
{
    edn_lv x = *(const edn_lv *)a, y = *(const edn_lv *)b;

    return x < y ? -1 : x > y;
}

/* The walker's beginning and end: everything before the one is in both versions, nothing behind the other in any. */
static edn_status between(const edn_log *log, const edn_lv *a, size_t n_a, const edn_lv *b, size_t n_b,
                          edn_walker **out)
{
    edn_lv new_a = n_a ? a[n_a - 1] : EDN_LV_NONE, new_b = n_b ? b[n_b - 1] : EDN_LV_NONE, to = 0, from = 0;

    if (n_a)
        to = new_a + 1;
    if (n_b)
        to = EDN_MAX(to, new_b + 1);
    if (n_a && n_b)
        from = edn_walker_base(log, to, EDN_MIN(new_a, new_b));
    return edn_walker_new_endless(log, from, to, out);
}

edn_status edn_doc_diff(const edn_doc *doc, edn_version from, edn_version to, edn_doc_patch_fn *patch, void *ctx)
{
    differ d = {.doc = doc, .to = to, .text = EDN_BUF_INIT(EDN_BUF_UNLIMITED), .fn = patch, .ctx = ctx};
    edn_lv *a = NULL, *b = NULL;
    edn_walker *w = NULL;
    edn_status st;

    if ((st = edn_doc_load_all(doc)) != EDN_OK || (st = edn_doc_version_lvs(doc, from, &a)) != EDN_OK ||
        (st = edn_doc_version_lvs(doc, to, &b)) != EDN_OK)
        goto out;
    qsort(a, from.n, sizeof *a, lv_compare);
    qsort(b, to.n, sizeof *b, lv_compare);
    if ((st = between(&doc->log, a, from.n, b, to.n, &w)) == EDN_OK &&
        (st = edn_walker_each_at(w, a, (uint32_t)from.n, old_add, &d)) == EDN_OK &&
        (st = edn_walker_each_at(w, b, (uint32_t)to.n, new_add, &d)) == EDN_OK)
        patch_flush(&d);
out:
    edn_walker_free(w);
    edn_doc_free(d.at_to);
    edn_buf_dispose(&d.text);
    free(d.old);
    free(a);
    free(b);
    return st;
}

/* ---- blame ------------------------------------------------------------------------------------------------------- */

typedef struct blamer {
    const edn_log *log;
    edn_blame run; /* count 0: none yet */
    uint32_t agent;
    edn_blame_fn *fn;
    void *ctx;
} blamer;

static edn_status blame_add(blamer *b, uint32_t agent, uint64_t time_ms, uint32_t len)
{
    edn_status st = EDN_OK;

    if (b->run.count && (b->agent != agent || b->run.time_ms != time_ms)) {
        st = b->fn(b->ctx, &b->run);
        b->run.pos += b->run.count;
        b->run.count = 0;
    }
    b->run.count += len;
    b->run.agent = b->log->agents[agent].id;
    b->run.time_ms = time_ms;
    b->agent = agent;
    return st;
}

/* The events [seq, end) of one agent. */
static edn_status blame_times(blamer *b, uint32_t agent, uint32_t seq, uint32_t end)
{
    edn_status st = EDN_OK;

    while (st == EDN_OK && seq < end) {
        uint32_t to;
        uint64_t t = edn_log_time(b->log, agent, seq, &to);
        to = EDN_MIN(to, end);
        st = blame_add(b, agent, t, to - seq);
        seq = to;
    }
    return st;
}

static edn_status blame_run(void *ctx, const edn_walk_seen *seen)
{
    blamer *b = ctx;
    uint32_t len = seen->now ? seen->len : 0;
    edn_lv lv = seen->lv;
    edn_status st = EDN_OK;

    for (uint32_t run = edn_log_run_of(b->log, lv); st == EDN_OK && len; run++) {
        const edn_graph_run *g = &b->log->graph[run];
        uint32_t k = EDN_MIN(len, edn_log_run_end(b->log, run) - lv), seq = g->seq + (lv - g->lv);
        st = blame_times(b, g->agent, seq, seq + k);
        lv += k;
        len -= k;
    }
    return st;
}

edn_status edn_doc_blame(const edn_doc *doc, edn_blame_fn *fn, void *ctx)
{
    blamer b = {.log = &doc->log, .fn = fn, .ctx = ctx};
    edn_walker *w;
    edn_status st;

    if ((st = edn_doc_whole(doc, &w)) != EDN_OK || (st = edn_walker_each(w, blame_run, &b)) != EDN_OK)
        return st;
    return b.run.count ? fn(ctx, &b.run) : EDN_OK;
}

/* ---- the version at a time --------------------------------------------------------------------------------------- */

/* The events of a run that are in, counted from its first: its parents are in, and their times are not later. */
static uint32_t in_by(const edn_log *log, uint32_t run, uint64_t time_ms, const uint32_t *in)
{
    const edn_graph_run *g = &log->graph[run];
    uint32_t n_par, n = edn_log_run_end(log, run) - g->lv, seq = g->seq, end;
    const edn_lv *par = edn_log_parents(g, log, &n_par);

    for (uint32_t i = 0; i < n_par; i++) {
        uint32_t p = edn_log_run_of(log, par[i]);
        if (par[i] - log->graph[p].lv >= in[p])
            return 0;
    }
    while (seq < g->seq + n && edn_log_time(log, g->agent, seq, &end) <= time_ms)
        seq = EDN_MIN(end, g->seq + n);
    return seq - g->seq;
}

/* An agent's last event in it is in the frontier when no other one in it has it for a parent. */
static void frontier_of(const edn_log *log, const uint32_t *in, bool *covered, edn_version *out, edn_event_id *ids)
{
    for (uint32_t run = 0; run < log->n_graph; run++) {
        uint32_t n_par;
        const edn_lv *par = edn_log_parents(&log->graph[run], log, &n_par);
        for (uint32_t i = 0; in[run] && i < n_par; i++) {
            uint32_t p = edn_log_run_of(log, par[i]);
            if (par[i] - log->graph[p].lv == in[p] - 1)
                covered[p] = true;
        }
    }
    for (uint32_t i = 0; i < log->n_agents; i++) {
        const edn_log_agent *a = &log->agents[log->by_id[i]];
        uint32_t k = a->n_runs;
        while (k && in[a->runs[k - 1]] == 0)
            k--;
        if (k && !covered[a->runs[k - 1]])
            ids[out->n++] = edn_log_id(log, log->graph[a->runs[k - 1]].lv + in[a->runs[k - 1]] - 1);
    }
    out->ids = ids;
}

edn_status edn_doc_version_at(const edn_doc *doc, uint64_t time_ms, edn_version *out)
{
    const edn_log *log = &doc->log;
    uint32_t *in = NULL;
    bool *covered = NULL;
    edn_event_id *ids = NULL;
    edn_status st = edn_doc_load_all(doc);

    *out = (edn_version){NULL, 0};
    if (st != EDN_OK)
        return st;
    in = calloc(log->n_graph + 1u, sizeof *in);
    covered = calloc(log->n_graph + 1u, sizeof *covered);
    ids = calloc(log->n_agents + 1u, sizeof *ids);
    if (in && covered && ids) {
        for (uint32_t i = 0; i < log->n_graph; i++)
            in[i] = in_by(log, i, time_ms, in);
        frontier_of(log, in, covered, out, ids);
        ids = NULL;
    } else {
        st = EDN_E_NOMEM;
    }
    free(in);
    free(covered);
    free(ids);
    return st;
}

void edn_version_dispose(edn_version *version)
{
    free((void *)version->ids); /* ours, though others may only read it */
    *version = (edn_version){NULL, 0};
}
