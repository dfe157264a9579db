#include "doc.h"

#include <stdlib.h>

/* Undo by new events. A step is a range of the author's own events, and undoing it makes another such range; redoing is
 * undoing that one. Nothing else is remembered but which characters came back as which:
 *
 *     typed "ab"    e0 e1                   step [0, 2)
 *     deleted "b"   e2 hits e1              step [2, 3)
 *     undo          e3 inserts "b"          step [3, 4) to redo; e1 is now e3
 *     undo          e4 e5 hit e0 and e3     because e3 stands for e1
 *     redo          e6 e7 insert "ab"       e0 is now e6, e3 (and so e1) is now e7
 *
 * What a step's events did is read off the log and the whole walker: insertions are characters, deletions lead to their
 * targets. What comes back goes between the two nearest characters that stood on either side of it before the step and
 * are still there, or are there again: the place where it was deleted would not do, because what came back earlier
 * lies beside the places where *it* was deleted, not in them. All places are taken before anything changes; then it is
 * one batch of events from left to right. */

typedef struct undo_step {
    uint32_t from, to; /* seqs of the author's */
} undo_step;

typedef struct undo_steps {
    undo_step *v;
    uint32_t n, cap;
} undo_steps;

struct edn_undo {
    edn_doc *doc;
    edn_agent_id agent;
    uint32_t seen; /* seqs below are in steps */
    undo_steps back, forth;
};

typedef struct undo_meta {
    edn_op_kind kind;
    size_t name_at, name_n, value_at, value_n; /* in `bytes` */
} undo_meta;

/* Characters that a step deleted and that come back: those from `target` on, whose last incarnation is `now`. */
typedef struct undo_return {
    edn_lv target, now;
    uint32_t len;
} undo_return;

/* One change from left to right: what is at `pos` goes, or what was at `now` comes back there. */
typedef struct undo_piece {
    uint32_t pos, len;
    uint32_t order; /* of those that come back at one place */
    edn_lv now;
    bool comes;
} undo_piece;

typedef struct undo_batch {
    edn_doc *doc;
    edn_walker *w;
    uint32_t agent;
    undo_step step;
    edn_lv first;         /* the step's first event */
    undo_return *returns; /* by target */
    uint32_t n_returns, cap_returns;
    undo_piece *pieces;
    uint32_t n_pieces, cap_pieces;
    uint32_t left;         /* while returns are placed: what is shown up to the last character that stayed */
    uint32_t open, placed; /* the first piece that waits for one that stayed on its right; pieces placed */
    edn_lv_range *others;  /* what others deleted, rising and apart */
    uint32_t n_others, cap_others;
    bool others_known;
    undo_meta *metas;
    uint32_t n_metas, cap_metas;
    edn_buf bytes;
    edn_edits edits;
    edn_status st;
} undo_batch;

static uint32_t own_next(const edn_undo *u) { return (uint32_t)edn_doc_agent_next(u->doc, u->agent); }

edn_status edn_undo_new(edn_doc *doc, edn_undo **out)
{
    *out = NULL;
    if (!doc->has_author)
        return EDN_E_INVALID;
    *out = calloc(1, sizeof **out);
    if (!*out)
        return EDN_E_NOMEM;
    (*out)->doc = doc;
    (*out)->agent = doc->author;
    (*out)->seen = own_next(*out);
    return EDN_OK;
}

void edn_undo_free(edn_undo *u)
{
    if (!u)
        return;
    free(u->back.v);
    free(u->forth.v);
    free(u);
}

edn_status edn_undo_step(edn_undo *u)
{
    uint32_t next = own_next(u);

    if (next == u->seen)
        return EDN_OK;
    if (!EDN_VEC_ROOM(u->back.v, u->back.cap, u->back.n + 1u))
        return EDN_E_NOMEM;
    u->back.v[u->back.n++] = (undo_step){u->seen, next};
    u->forth.n = 0;
    u->seen = next;
    return EDN_OK;
}

bool edn_undo_can_undo(const edn_undo *u) { return u->back.n || own_next(u) != u->seen; }
bool edn_undo_can_redo(const edn_undo *u) { return u->forth.n && own_next(u) == u->seen; }

/* ---- what came back as what -------------------------------------------------------------------------------------- */

/* The first revival that ends behind `lv`. */
static uint32_t revival_of(const edn_doc *doc, edn_lv lv)
{
    uint32_t lo = 0, hi = doc->n_revivals;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (doc->revivals[mid].old + doc->revivals[mid].len <= lv)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

edn_lv edn_doc_revived(const edn_doc *doc, edn_lv lv, uint32_t *len)
{
    for (;;) {
        uint32_t i = revival_of(doc, lv);
        const doc_revival *r;
        if (i == doc->n_revivals)
            return lv;
        r = &doc->revivals[i];
        if (r->old > lv) {
            *len = EDN_MIN(*len, r->old - lv);
            return lv;
        }
        *len = EDN_MIN(*len, r->old + r->len - lv);
        lv = r->now + (lv - r->old); /* a later event each time: it ends */
    }
}

static int revival_compare(const void *a, const void *b)
{
    const doc_revival *x = a, *y = b;

    return x->old < y->old ? -1 : x->old > y->old;
}

/* ---- text: what has to go and to come back ----------------------------------------------------------------------- */

static void piece_add(undo_batch *b, undo_piece p)
{
    if (!EDN_VEC_ROOM(b->pieces, b->cap_pieces, b->n_pieces + 1u))
        b->st = EDN_E_NOMEM;
    else
        b->pieces[b->n_pieces++] = p;
}

/* Of what the step inserted goes what is there. */
static void insertion_back(undo_batch *b, edn_lv lv, uint32_t len)
{
    while (b->st == EDN_OK && len) {
        uint32_t k = len;
        edn_lv now = edn_doc_revived(b->doc, lv, &k);
        edn_walk_spot spot = edn_walker_find(b->w, now, k);
        if (!spot.gone)
            piece_add(b, (undo_piece){spot.pos, spot.len, 0, now, false});
        lv += spot.len;
        len -= spot.len;
    }
}

static void other_add(void *ctx, edn_lv lv, edn_lv target, uint32_t len, bool back)
{
    undo_batch *b = ctx;
    edn_lv low = back ? target - (len - 1) : target;

    if (b->doc->log.graph[edn_log_run_of(&b->doc->log, lv)].agent == b->agent || b->st != EDN_OK)
        return;
    if (!EDN_VEC_ROOM(b->others, b->cap_others, b->n_others + 1u))
        b->st = EDN_E_NOMEM;
    else
        b->others[b->n_others++] = (edn_lv_range){low, low + len};
}

static int range_compare(const void *a, const void *b)
{
    const edn_lv_range *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

static void others_find(undo_batch *b)
{
    uint32_t n = 0;

    b->others_known = true;
    edn_walker_hits(b->w, 0, EDN_LV_NONE, other_add, b);
    if (b->n_others)
        qsort(b->others, b->n_others, sizeof *b->others, range_compare);
    for (uint32_t i = 0; i < b->n_others; i++) {
        if (n && b->others[n - 1].to >= b->others[i].from)
            b->others[n - 1].to = EDN_MAX(b->others[n - 1].to, b->others[i].to);
        else
            b->others[n++] = b->others[i];
    }
    b->n_others = n;
}

/* How many of the `len` characters from `lv` on are alike in this, and whether another deleted them. */
static bool others_hit(const undo_batch *b, edn_lv lv, uint32_t *len)
{
    uint32_t lo = 0, hi = b->n_others;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (b->others[mid].to <= lv)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == b->n_others)
        return false;
    if (b->others[lo].from > lv) {
        *len = EDN_MIN(*len, b->others[lo].from - lv);
        return false;
    }
    *len = EDN_MIN(*len, b->others[lo].to - lv);
    return true;
}

/* Whether the step itself inserted the characters from `lv` on, and how many of `len` are alike in this. */
static bool of_step(const undo_batch *b, edn_lv lv, uint32_t *len)
{
    const edn_log *log = &b->doc->log;
    uint32_t run = edn_log_run_of(log, lv), seq;
    const edn_graph_run *g = &log->graph[run];

    *len = EDN_MIN(*len, edn_log_run_end(log, run) - lv);
    seq = g->seq + (lv - g->lv);
    if (g->agent != b->agent || seq >= b->step.to)
        return false;
    if (seq < b->step.from) {
        *len = EDN_MIN(*len, b->step.from - seq);
        return false;
    }
    *len = EDN_MIN(*len, b->step.to - seq);
    return true;
}

/* What a deletion hit comes back, but for what the step had inserted itself, what others deleted too (itself, or what
 * stands for it now), and what is there. */
static void targets_back(undo_batch *b, edn_lv lv, uint32_t len)
{
    while (b->st == EDN_OK && len) {
        uint32_t k = len;
        bool keep = !of_step(b, lv, &k) && !others_hit(b, lv, &k);
        edn_lv now = edn_doc_revived(b->doc, lv, &k);
        edn_walk_spot spot = edn_walker_find(b->w, now, k);
        k = spot.len;
        keep = keep && spot.gone && !others_hit(b, now, &k);
        if (keep && !EDN_VEC_ROOM(b->returns, b->cap_returns, b->n_returns + 1u))
            b->st = EDN_E_NOMEM;
        else if (keep)
            b->returns[b->n_returns++] = (undo_return){lv, now, k};
        lv += k;
        len -= k;
    }
}

static void deletion_back(undo_batch *b, edn_lv lv, uint32_t len)
{
    if (!b->others_known)
        others_find(b);
    while (b->st == EDN_OK && len) {
        edn_lv target;
        bool back;
        uint32_t k = edn_walker_targets(b->w, lv, len, &target, &back);
        targets_back(b, back ? target - (k - 1) : target, k);
        lv += k;
        len -= k;
    }
}

/* ---- where it comes back ----------------------------------------------------------------------------------------- */

static int return_compare(const void *a, const void *b)
{
    const undo_return *x = a, *y = b;

    return x->target < y->target ? -1 : x->target > y->target;
}

/* Whether the character `lv` comes back, and how many of `len` are alike in this. */
static const undo_return *return_of(const undo_batch *b, edn_lv lv, uint32_t *len)
{
    uint32_t lo = 0, hi = b->n_returns;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (b->returns[mid].target + b->returns[mid].len <= lv)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == b->n_returns)
        return NULL;
    if (b->returns[lo].target > lv) {
        *len = EDN_MIN(*len, b->returns[lo].target - lv);
        return NULL;
    }
    *len = EDN_MIN(*len, b->returns[lo].target + b->returns[lo].len - lv);
    return &b->returns[lo];
}

/* A character that stood there before the step, and does now: what waits goes in front of it. */
static void stays(undo_batch *b, edn_walk_spot spot)
{
    for (; b->open < b->n_pieces; b->open++)
        b->pieces[b->open].pos = EDN_MIN(b->pieces[b->open].pos, spot.pos);
    b->left = spot.pos + spot.len;
}

/* A run of the sequence; `then`: it was shown before the step. */
static edn_status sequence_run(void *ctx, const edn_walk_seen *run)
{
    undo_batch *b = ctx;

    for (uint32_t done = 0, k; b->st == EDN_OK && done < run->len; done += k) {
        edn_lv lv = run->lv + done, now = lv;
        const undo_return *r;
        k = run->len - done;
        if ((r = return_of(b, lv, &k)) != NULL) {
            uint32_t skip = lv - r->target, pos = edn_walker_find(b->w, r->now + skip, 1).pos;
            uint32_t before = b->placed ? b->pieces[b->n_pieces - 1].pos : 0;
            pos = EDN_MAX(pos, EDN_MAX(b->left, before));
            piece_add(b, (undo_piece){pos, k, b->placed++, r->now + skip, true});
        } else if (run->then && (run->now || b->doc->n_revivals)) {
            edn_walk_spot spot;
            now = edn_doc_revived(b->doc, lv, &k);
            spot = edn_walker_find(b->w, now, k);
            k = spot.len;
            if (!spot.gone)
                stays(b, spot);
        }
    }
    return b->st;
}

/* The parents of the step's first event: the version before it. */
static const edn_lv *version_before(const undo_batch *b, edn_lv *own, uint32_t *n)
{
    const edn_log *log = &b->doc->log;
    const edn_graph_run *g = &log->graph[edn_log_run_of(log, b->first)];

    if (b->first == g->lv)
        return edn_log_parents(g, log, n);
    *own = b->first - 1;
    *n = 1;
    return own;
}

static void returns_place(undo_batch *b)
{
    edn_lv own;
    uint32_t n;
    const edn_lv *version = version_before(b, &own, &n);
    edn_status st;

    if (b->n_returns == 0 || b->st != EDN_OK)
        return;
    qsort(b->returns, b->n_returns, sizeof *b->returns, return_compare);
    b->open = b->n_pieces;
    if ((st = edn_walker_each_at(b->w, version, n, sequence_run, b)) != EDN_OK) {
        b->st = st;
        edn_walker_free(b->doc->walker);
        b->doc->walker = b->w = NULL;
    }
}

/* ---- fields, tags, the whole ------------------------------------------------------------------------------------- */

static bool same_name(const edn_log *log, const edn_op *a, const edn_op *b)
{
    return edn_bytes_equal(edn_log_meta_name(log, a), edn_log_meta_name(log, b));
}

static bool own_event(const undo_batch *b, edn_lv lv)
{
    return b->doc->log.graph[edn_log_run_of(&b->doc->log, lv)].agent == b->agent;
}

/* Whether the step has said something of the same name before `op`. */
static bool said_before(const undo_batch *b, const edn_op *op, bool field)
{
    const edn_log *log = &b->doc->log;

    for (uint32_t i = edn_log_op_of(log, b->first); log->ops[i].lv < op->lv; i++) {
        const edn_op *o = &log->ops[i];
        bool alike = field ? o->kind == EDN_OP_FIELD : o->kind == EDN_OP_TAG || o->kind == EDN_OP_UNTAG;
        if (alike && own_event(b, o->lv) && same_name(log, o, op))
            return true;
    }
    return false;
}

static void meta_add(undo_batch *b, edn_op_kind kind, edn_bytes name, edn_bytes value)
{
    undo_meta m = {kind, b->bytes.n, name.n, b->bytes.n + name.n, value.n};

    edn_put_bytes(&b->bytes, name.p, name.n);
    edn_put_bytes(&b->bytes, value.p, value.n);
    if (edn_buf_status(&b->bytes) != EDN_OK || !EDN_VEC_ROOM(b->metas, b->cap_metas, b->n_metas + 1u))
        b->st = EDN_E_NOMEM;
    else
        b->metas[b->n_metas++] = m;
}

/* The winner among the events [0, before) that set this field; NULL: none. */
static const edn_op *field_winner(const edn_log *log, const edn_op *like, edn_lv before)
{
    const edn_op *best = NULL;
    uint32_t best_lamport = 0;

    for (uint32_t i = 0; i < log->n_ops && log->ops[i].lv < before; i++) {
        const edn_op *o = &log->ops[i];
        uint32_t lamport;
        if (o->kind != EDN_OP_FIELD || !same_name(log, o, like))
            continue;
        lamport = edn_log_lamport(log, o->lv);
        if (!best || lamport > best_lamport) {
            best = o;
            best_lamport = lamport;
        } else if (lamport == best_lamport) {
            edn_event_id x = edn_log_id(log, o->lv), y = edn_log_id(log, best->lv);
            best = edn_agent_id_compare(&x.agent, &y.agent) > 0 ? o : best;
        }
    }
    return best;
}

/* The author's own event had everything before it in its past, so its field's value then is the winner of that. */
static void field_back(undo_batch *b, const edn_op *op)
{
    const edn_log *log = &b->doc->log;
    const edn_op *now = field_winner(log, op, EDN_LV_NONE), *then = field_winner(log, op, op->lv);
    edn_bytes value = then ? edn_log_meta_value(log, then) : EDN_BYTES_EMPTY;

    EDN_ASSERT(now); /* `op` itself is one */
    if (own_event(b, now->lv) && !edn_bytes_equal(value, edn_log_meta_value(log, now)))
        meta_add(b, EDN_OP_FIELD, edn_log_meta_name(log, op), value);
}

static void tag_back(undo_batch *b, const edn_op *op)
{
    const edn_doc *doc = b->doc;
    edn_bytes name = edn_log_meta_name(&doc->log, op);
    bool on = false, others = false;

    for (uint32_t i = 0; i < doc->n_tags; i++) {
        const doc_tag *t = &doc->tags[i];
        if (!edn_bytes_equal(edn_bytes_of(doc->log.mtext + t->name_at, t->name_n), name))
            continue;
        on = true;
        others = others || !own_event(b, t->lv);
    }
    if (op->kind == EDN_OP_TAG && on && !others)
        meta_add(b, EDN_OP_UNTAG, name, EDN_BYTES_EMPTY);
    if (op->kind == EDN_OP_UNTAG && !on)
        meta_add(b, EDN_OP_TAG, name, EDN_BYTES_EMPTY);
}

/* The document was deleted before the step when that is all its first event had seen last. */
static bool was_deleted(const undo_batch *b)
{
    const edn_log *log = &b->doc->log;
    edn_lv own;
    uint32_t n;
    const edn_lv *par = version_before(b, &own, &n);

    for (uint32_t i = 0; i < n; i++)
        if (log->ops[edn_log_op_of(log, par[i])].kind != EDN_OP_REMOVE)
            return false;
    return n > 0;
}

/* Comes last: whatever else happens to a deleted document brings it to life. */
static void state_back(undo_batch *b, bool removed)
{
    const edn_log *log = &b->doc->log;
    bool acts = b->n_pieces || b->n_returns || b->n_metas, own = true;

    if (was_deleted(b)) {
        for (uint32_t run = edn_log_run_of(log, b->first); run < log->n_graph; run++)
            own = own && log->graph[run].agent == b->agent;
        if (own && (acts || edn_doc_state_of(b->doc) != EDN_DOC_DELETED))
            meta_add(b, EDN_OP_REMOVE, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY);
    } else if (removed && !acts && edn_doc_state_of(b->doc) != EDN_DOC_LIVE) {
        for (uint32_t i = 0; i < b->doc->n_front; i++)
            own = own && own_event(b, b->doc->front[i]);
        if (own)
            meta_add(b, EDN_OP_REVIVE, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY);
    }
}

/* ---- a step's inverse -------------------------------------------------------------------------------------------- */

static void op_back(undo_batch *b, const edn_op *op, edn_lv from, edn_lv to, bool *removed)
{
    switch ((edn_op_kind)op->kind) {
    case EDN_OP_INS:
        insertion_back(b, from, to - from);
        break;
    case EDN_OP_DEL:
    case EDN_OP_BACK:
        deletion_back(b, from, to - from);
        break;
    case EDN_OP_FIELD:
        if (!said_before(b, op, true))
            field_back(b, op);
        break;
    case EDN_OP_TAG:
    case EDN_OP_UNTAG:
        if (!said_before(b, op, false))
            tag_back(b, op);
        break;
    case EDN_OP_REMOVE:
        *removed = true;
        break;
    case EDN_OP_REVIVE:
        break;
    }
}

/* What comes back at a place comes before what goes from there on. */
static int piece_compare(const void *a, const void *b)
{
    const undo_piece *x = a, *y = b;

    if (x->pos != y->pos)
        return x->pos < y->pos ? -1 : 1;
    if (x->comes != y->comes)
        return x->comes ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static edn_status inverse_find(undo_batch *b)
{
    const edn_log *log = &b->doc->log;
    bool removed = false;

    for (uint32_t seq = b->step.from; b->st == EDN_OK && seq < b->step.to;) {
        edn_lv lv = edn_log_lv(log, b->agent, seq), end;
        const edn_op *op = &log->ops[edn_log_op_of(log, lv)];
        if (seq == b->step.from)
            b->first = lv;
        end = EDN_MIN(op->lv + op->len, edn_log_run_end(log, edn_log_run_of(log, lv)));
        end = EDN_MIN(end, lv + (b->step.to - seq));
        op_back(b, op, lv, end, &removed);
        seq += end - lv;
    }
    if (b->st == EDN_OK && b->step.from < b->step.to)
        state_back(b, removed);
    returns_place(b);
    if (b->n_pieces)
        qsort(b->pieces, b->n_pieces, sizeof *b->pieces, piece_compare);
    return b->st;
}

/* ---- doing it ---------------------------------------------------------------------------------------------------- */

static edn_bytes piece_text(const edn_log *log, edn_lv lv, uint32_t *len)
{
    const edn_op *op = &log->ops[edn_log_op_of(log, lv)];

    *len = EDN_MIN(*len, op->lv + op->len - lv);
    return edn_log_text(log, op, lv - op->lv, *len);
}

static bool edit_add(undo_batch *b, edn_edit e, edn_log_need *need)
{
    if (!EDN_VEC_ROOM(b->edits.v, b->edits.cap, b->edits.n + 1u))
        return false;
    b->edits.v[b->edits.n++] = e;
    need->events += e.del + e.count;
    need->ops += (e.del + e.count) / EDN_OP_LEN_MAX + 3;
    need->text += e.text_n;
    return true;
}

/* The pieces as edits of the text, from left to right; what comes back does so op by op. */
static edn_status edits_make(undo_batch *b, edn_log_need *need)
{
    const edn_log *log = &b->doc->log;
    int64_t shift = 0;

    for (uint32_t i = 0; i < b->n_pieces; i++) {
        const undo_piece *p = &b->pieces[i];
        if (!p->comes) {
            if (!edit_add(b, (edn_edit){(uint32_t)(p->pos + shift), p->len, 0, 0, 0}, need))
                return EDN_E_NOMEM;
            shift -= p->len;
        }
        for (uint32_t done = 0, k; p->comes && done < p->len; done += k) {
            edn_bytes text;
            k = p->len - done;
            text = piece_text(log, p->now + done, &k);
            if (!edit_add(
                    b, (edn_edit){(uint32_t)(p->pos + shift), 0, k, (uint32_t)(text.p - log->text), (uint32_t)text.n},
                    need))
                return EDN_E_NOMEM;
            shift += k;
        }
    }
    for (uint32_t i = 0; i < b->n_metas; i++) {
        need->events++;
        need->ops++;
        need->metas += b->metas[i].kind <= EDN_OP_UNTAG;
        need->mtext += b->metas[i].name_n + b->metas[i].value_n;
    }
    return EDN_OK;
}

static void events_push(undo_batch *b)
{
    edn_log *log = &b->doc->log;

    for (uint32_t i = 0; i < b->edits.n; i++) {
        const edn_edit *e = &b->edits.v[i];
        edn_bytes text = edn_bytes_of(log->text + e->text_at, e->text_n);
        if (e->del)
            edn_log_push_op(log, EDN_OP_DEL, e->pos, e->del, EDN_BYTES_EMPTY);
        else
            edn_log_push_op(log, EDN_OP_INS, e->pos, e->count, text);
    }
    for (uint32_t i = 0; i < b->n_metas; i++) {
        const undo_meta *m = &b->metas[i];
        edn_bytes name = m->name_n ? edn_bytes_of(b->bytes.p + m->name_at, m->name_n) : EDN_BYTES_EMPTY;
        edn_bytes value = m->value_n ? edn_bytes_of(b->bytes.p + m->value_at, m->value_n) : EDN_BYTES_EMPTY;
        edn_log_push_meta(log, m->kind, name, value);
    }
}

/* The pieces that came back, by their new events, which are those from `lv` on in the order of the pieces. */
static void revivals_note(undo_batch *b, edn_lv lv)
{
    edn_doc *doc = b->doc;

    for (uint32_t i = 0; i < b->n_pieces; i++) {
        const undo_piece *p = &b->pieces[i];
        if (p->comes)
            doc->revivals[doc->n_revivals++] = (doc_revival){p->now, lv, p->len};
        lv += p->len;
    }
    if (doc->n_revivals)
        qsort(doc->revivals, doc->n_revivals, sizeof *doc->revivals, revival_compare);
}

static void text_change(const undo_batch *b, edn_doc_patch_fn *patch, void *ctx)
{
    edn_doc *doc = b->doc;

    for (uint32_t i = 0; i < b->edits.n; i++) {
        const edn_edit *e = &b->edits.v[i];
        edn_rope_delete(&doc->rope, e->pos, e->del);
        edn_rope_insert(&doc->rope, e->pos, edn_bytes_of(doc->log.text + e->text_at, e->text_n));
    }
    for (uint32_t i = 0; patch && i < b->edits.n; i++) {
        const edn_edit *e = &b->edits.v[i];
        edn_doc_patch p = {e->pos, e->del, edn_bytes_of(doc->log.text + e->text_at, e->text_n)};
        patch(ctx, &p);
    }
}

static edn_status batch_do(undo_batch *b, edn_doc_patch_fn *patch, void *ctx)
{
    edn_doc *doc = b->doc;
    edn_log_need need = {0};
    edn_log_mark mark;
    edn_status st = edits_make(b, &need);

    if (st != EDN_OK || need.events == 0)
        return st;
    if (need.text > EDN_DOC_TEXT_SIZE_MAX - doc->rope.sum.bytes)
        return EDN_E_LIMIT;
    if ((st = edn_rope_reserve(&doc->rope, b->edits.n, need.text)) != EDN_OK)
        return st;
    if (!EDN_VEC_ROOM(doc->revivals, doc->cap_revivals, (size_t)doc->n_revivals + b->n_pieces))
        return EDN_E_NOMEM;
    if ((st = edn_doc_local_begin(doc, &need, &mark)) != EDN_OK)
        return st;
    events_push(b);
    if ((st = edn_doc_metas_reserve(doc, mark.n)) != EDN_OK) {
        edn_log_rollback(&doc->log, &mark);
        return st;
    }
    edn_doc_local_end(doc);
    edn_doc_metas_apply(doc, mark.n);
    revivals_note(b, mark.n);
    text_change(b, patch, ctx);
    return EDN_OK;
}

static void batch_dispose(undo_batch *b)
{
    free(b->returns);
    free(b->pieces);
    free(b->others);
    free(b->metas);
    free(b->edits.v);
    edn_buf_dispose(&b->bytes);
}

/* Undoes the last of `from` and puts what that made on `to`. */
static edn_status take_back(edn_undo *u, undo_steps *from, undo_steps *to, edn_doc_patch_fn *patch, void *ctx)
{
    undo_batch b = {.doc = u->doc, .bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    uint32_t next = own_next(u);
    edn_status st;

    if (from->n == 0)
        return EDN_E_MISSING;
    if (edn_agent_id_compare(&u->doc->author, &u->agent) != 0)
        return EDN_E_INVALID;
    if (!EDN_VEC_ROOM(to->v, to->cap, to->n + 1u))
        return EDN_E_NOMEM;
    b.step = from->v[from->n - 1];
    if ((st = edn_doc_whole(u->doc, &b.w)) == EDN_OK) {
        b.agent = edn_log_agent_find(&u->doc->log, &u->agent);
        if ((st = inverse_find(&b)) == EDN_OK)
            st = batch_do(&b, patch, ctx);
    }
    batch_dispose(&b);
    if (st != EDN_OK)
        return st;
    from->n--;
    u->seen = own_next(u);
    to->v[to->n++] = (undo_step){next, u->seen};
    return EDN_OK;
}

edn_status edn_undo_undo(edn_undo *u, edn_doc_patch_fn *patch, void *ctx)
{
    edn_status st = edn_undo_step(u);

    return st == EDN_OK ? take_back(u, &u->back, &u->forth, patch, ctx) : st;
}

edn_status edn_undo_redo(edn_undo *u, edn_doc_patch_fn *patch, void *ctx)
{
    edn_status st = edn_undo_step(u);

    return st == EDN_OK ? take_back(u, &u->forth, &u->back, patch, ctx) : st;
}
