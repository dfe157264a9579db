#include "doc.h"

#include "base/plant.h"

#include <stdlib.h>

/* Events that the walker is behind before it is thrown away: these, and at least as many as it knows, so that however
 * often it has to be made anew, an event is entered twice for each that was made. */
#define WALKER_BEHIND_MIN 4096u

edn_status edn_doc_new(edn_doc **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return EDN_E_NOMEM;
    (*out)->author_at = EDN_LV_NONE;
    return EDN_OK;
}

void edn_doc_dispose(edn_doc *doc)
{
    edn_log_dispose(&doc->log);
    edn_rope_dispose(&doc->rope);
    edn_walker_free(doc->walker);
    free(doc->front);
    free(doc->ids);
    free(doc->fields);
    free(doc->tags);
    free(doc->revivals);
    edn_graph_heap_dispose(&doc->heap);
    free(doc->file);
    free(doc->lent);
    edn_block_dispose(&doc->scratch.block);
    free(doc->scratch.agents);
    free(doc->scratch.par);
    free(doc->scratch.front);
    free(doc->scratch.edits.v);
    edn_buf_dispose(&doc->own);
}

void edn_doc_free(edn_doc *doc)
{
    if (!doc)
        return;
    edn_doc_dispose(doc);
    free(doc);
}

void edn_doc_author(edn_doc *doc, edn_agent_id agent, uint64_t time_ms)
{
    if (!doc->has_author || edn_agent_id_compare(&doc->author, &agent) != 0)
        doc->author_at = EDN_LV_NONE;
    doc->author = agent;
    doc->time_ms = time_ms;
    doc->has_author = true;
}

/* ---- frontier ---------------------------------------------------------------------------------------------------- */

bool edn_doc_front_room(edn_doc *doc, uint32_t n)
{
    return EDN_VEC_ROOM(doc->front, doc->cap_front, n) && EDN_VEC_ROOM(doc->ids, doc->cap_ids, n);
}

void edn_doc_front_set(edn_doc *doc, edn_lv lv)
{
    doc->front[0] = lv;
    doc->n_front = 1;
    doc->ids_fresh = false;
}

void edn_doc_front_add(edn_doc *doc, const edn_lv *par, uint32_t n, edn_lv lv)
{
    uint32_t kept = 0;

    for (uint32_t i = 0, k = 0; i < doc->n_front; i++) {
        while (k < n && par[k] < doc->front[i])
            k++;
        if (k == n || par[k] != doc->front[i])
            doc->front[kept++] = doc->front[i];
    }
    doc->front[kept] = lv;
    doc->n_front = kept + 1;
    doc->ids_fresh = false;
}

bool edn_doc_front_equal(const edn_doc *doc, const edn_lv *v, uint32_t n)
{
    return n == doc->n_front && (n == 0 || memcmp(v, doc->front, n * sizeof *v) == 0);
}

edn_version edn_doc_frontier(const edn_doc *doc)
{
    if (!doc->ids_fresh) {
        edn_doc *d = (edn_doc *)doc; /* a cache: no document is ever const */
        for (uint32_t i = 0; i < doc->n_front; i++) {
            edn_event_id id = edn_log_id(&doc->log, doc->front[i]);
            uint32_t k = i;
            for (; k && edn_agent_id_compare(&doc->ids[k - 1].agent, &id.agent) > 0; k--)
                d->ids[k] = doc->ids[k - 1];
            d->ids[k] = id;
        }
        d->ids_fresh = true;
    }
    return (edn_version){doc->ids, doc->n_front};
}

/* ---- local events ------------------------------------------------------------------------------------------------ */

/* Sets memory aside for local events at the frontier, and enters who makes them. After it nothing can fail. */
static edn_status local_reserve(edn_doc *doc, const edn_log_need *need, uint32_t *agent)
{
    edn_log_need all = *need;
    edn_status st;

    if (!doc->has_author)
        return EDN_E_INVALID;
    if (doc->file && (st = edn_doc_load(doc)) != EDN_OK)
        return st;
    all.runs = 1;
    all.parents = doc->n_front;
    doc->author_at = EDN_LV_NONE;
    doc->keys_left = 0;
    if ((st = edn_log_agent_add(&doc->log, &doc->author, agent)) != EDN_OK ||
        (st = edn_log_reserve(&doc->log, &all)) != EDN_OK ||
        (st = edn_log_reserve_agent(&doc->log, *agent, 1, 1)) != EDN_OK)
        return st;
    if (!edn_doc_front_room(doc, doc->n_front + 1))
        return EDN_E_NOMEM;
    doc->author_at = *agent;
    return EDN_OK;
}

static void local_begin(edn_doc *doc, uint32_t agent)
{
    edn_log_push_run(&doc->log, agent, doc->front, doc->n_front, true);
    edn_log_push_time(&doc->log, agent, doc->time_ms);
}

void edn_doc_walker_age(edn_doc *doc)
{
    edn_lv to = edn_walker_to(doc->walker), knows = to - edn_walker_from(doc->walker);

    if (!doc->whole && doc->log.n - to > EDN_MAX(WALKER_BEHIND_MIN, knows)) {
        edn_walker_free(doc->walker);
        doc->walker = NULL;
    }
}

/* After events on top of everything: they are the frontier. */
static void local_end(edn_doc *doc)
{
    edn_doc_front_set(doc, doc->log.n - 1);
    if (doc->walker)
        edn_doc_walker_age(doc);
}

edn_status edn_doc_local_begin(edn_doc *doc, const edn_log_need *need, edn_log_mark *mark)
{
    uint32_t agent;
    edn_status st = local_reserve(doc, need, &agent);

    *mark = edn_log_mark_now(&doc->log);
    if (st == EDN_OK)
        local_begin(doc, agent);
    return st;
}

void edn_doc_local_end(edn_doc *doc) { local_end(doc); }

bool edn_doc_append_ready(edn_doc *doc, uint32_t agent, uint32_t len, size_t bytes)
{
    const edn_log *log = &doc->log;

    if (agent >= log->n_agents || doc->file || doc->n_front != 1 || doc->front[0] != log->n - 1 ||
        log->graph[log->n_graph - 1].agent != agent)
        return false;
    return len <= EDN_OP_LEN_MAX && bytes < EDN_ROPE_SMALL && log->n_ops + 3u <= log->cap_ops &&
           bytes <= log->cap_text - log->n_text && len <= EDN_LOG_EVENTS_MAX - log->n && edn_rope_ready(&doc->rope) &&
           bytes <= EDN_DOC_TEXT_SIZE_MAX - doc->rope.sum.bytes;
}

static bool local_ready(edn_doc *doc, uint32_t len, size_t bytes)
{
    const edn_log_agent *a;

    if (!edn_doc_append_ready(doc, doc->author_at, len, bytes))
        return false;
    a = &doc->log.agents[doc->author_at];
    return a->times[a->n_times - 1].time_ms == doc->time_ms;
}

void edn_doc_keys_begin(edn_doc *doc)
{
    const edn_log *log = &doc->log;
    const edn_log_agent *a;

    doc->keys_agent = log->graph[log->n_graph - 1].agent;
    a = &log->agents[doc->keys_agent];
    doc->keys_time = a->times[a->n_times - 1].time_ms;
    doc->keys_left = EDN_MIN(log->cap_ops - log->n_ops, log->cap_text - log->n_text);
    doc->keys_left = EDN_MIN(doc->keys_left, EDN_LOG_EVENTS_MAX - log->n);
    doc->keys_left = EDN_MIN(doc->keys_left, (uint32_t)EDN_DOC_TEXT_SIZE_MAX - doc->rope.sum.bytes);
}

void edn_doc_append(edn_doc *doc, edn_op_kind kind, uint32_t pos, uint32_t len, edn_bytes text)
{
    edn_log_push_op(&doc->log, kind, pos, len, text);
    if (kind == EDN_OP_INS)
        edn_rope_insert(&doc->rope, pos, text);
    else
        edn_rope_delete(&doc->rope, kind == EDN_OP_BACK ? pos - (len - 1) : pos, len);
    local_end(doc);
    edn_doc_keys_begin(doc);
}

/* A keystroke of the author the shortest way, where that is open. */
static inline bool local_key(edn_doc *doc, edn_op_kind kind, size_t pos, uint8_t c)
{
    return doc->keys_agent == doc->author_at && doc->keys_time == doc->time_ms && edn_doc_key(doc, kind, pos, c);
}

/* Out of line: the short way should not pay for this one's stack. */
__attribute__((noinline)) static edn_status insert_any(edn_doc *doc, size_t pos, edn_bytes utf8)
{
    size_t count;
    uint32_t agent;
    edn_status st;

    if (utf8.n == 1 && utf8.p[0] < 0x80 && pos <= doc->rope.sum.scalars && local_ready(doc, 1, 1)) {
        edn_doc_append(doc, EDN_OP_INS, (uint32_t)pos, 1, utf8);
        return EDN_OK;
    }
    if (pos > doc->rope.sum.scalars || !doc->has_author)
        return EDN_E_INVALID;
    if (edn_utf8_check(utf8, &count) != utf8.n)
        return EDN_E_UTF8;
    if (utf8.n == 0)
        return EDN_OK;
    if (utf8.n > EDN_DOC_TEXT_SIZE_MAX - doc->rope.sum.bytes)
        return EDN_E_LIMIT;
    if ((st = local_reserve(doc, &(edn_log_need){.events = count, .ops = count / EDN_OP_LEN_MAX + 2, .text = utf8.n},
                            &agent)) != EDN_OK ||
        (st = edn_rope_reserve(&doc->rope, 1, utf8.n)) != EDN_OK)
        return st;
    local_begin(doc, agent);
    edn_log_push_op(&doc->log, EDN_OP_INS, (uint32_t)pos, (uint32_t)count, utf8);
    edn_rope_insert(&doc->rope, (uint32_t)pos, utf8);
    local_end(doc);
    return EDN_OK;
}

edn_status edn_doc_insert(edn_doc *doc, size_t pos, edn_bytes utf8)
{
    if (utf8.n == 1 && local_key(doc, EDN_OP_INS, pos, utf8.p[0]))
        return EDN_OK;
    return insert_any(doc, pos, utf8);
}

__attribute__((noinline)) static edn_status delete_any(edn_doc *doc, size_t pos, size_t count)
{
    uint32_t agent;
    edn_status st;

    if (pos > doc->rope.sum.scalars || count > doc->rope.sum.scalars - pos || !doc->has_author)
        return EDN_E_INVALID;
    if (count == 0)
        return EDN_OK;
    if (count < EDN_OP_LEN_MAX && local_ready(doc, (uint32_t)count, 0)) {
        edn_doc_append(doc, EDN_OP_DEL, (uint32_t)pos, (uint32_t)count, EDN_BYTES_EMPTY);
        return EDN_OK;
    }
    if ((st = local_reserve(doc, &(edn_log_need){.events = count, .ops = count / EDN_OP_LEN_MAX + 3}, &agent)) !=
        EDN_OK)
        return st;
    local_begin(doc, agent);
    edn_log_push_op(&doc->log, EDN_OP_DEL, (uint32_t)pos, (uint32_t)count, EDN_BYTES_EMPTY);
    edn_rope_delete(&doc->rope, (uint32_t)pos, (uint32_t)count);
    local_end(doc);
    return EDN_OK;
}

edn_status edn_doc_delete(edn_doc *doc, size_t pos, size_t count)
{
    if (count == 1 && local_key(doc, EDN_OP_DEL, pos, 0))
        return EDN_OK;
    return delete_any(doc, pos, count);
}

static edn_status local_meta(edn_doc *doc, edn_op_kind kind, edn_bytes name, edn_bytes value)
{
    uint32_t agent;
    edn_lv from;
    edn_log_mark mark;
    edn_status st;

    doc->own.size_max = EDN_BUF_UNLIMITED;
    edn_buf_reset(&doc->own);
    edn_put_bytes(&doc->own, name.p, name.n);
    edn_put_bytes(&doc->own, value.p, value.n);
    if ((st = edn_buf_status(&doc->own)) != EDN_OK ||
        (st = local_reserve(doc, &(edn_log_need){.events = 1, .ops = 1, .metas = 1, .mtext = doc->own.n}, &agent)) !=
            EDN_OK)
        return st;
    name.p = doc->own.p;
    value.p = value.n ? doc->own.p + name.n : NULL;
    from = doc->log.n;
    mark = edn_log_mark_now(&doc->log);
    local_begin(doc, agent);
    edn_log_push_meta(&doc->log, kind, name, value);
    if ((st = edn_doc_metas_reserve(doc, from)) != EDN_OK) {
        edn_log_rollback(&doc->log, &mark);
        return st;
    }
    local_end(doc);
    edn_doc_metas_apply(doc, from);
    return EDN_OK;
}

edn_status edn_doc_remove(edn_doc *doc) { return local_meta(doc, EDN_OP_REMOVE, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY); }
edn_status edn_doc_revive(edn_doc *doc) { return local_meta(doc, EDN_OP_REVIVE, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY); }

edn_status edn_doc_set(edn_doc *doc, edn_bytes name, edn_bytes value)
{
    if (name.n > EDN_DOC_FIELD_NAME_SIZE_MAX || value.n > EDN_DOC_FIELD_SIZE_MAX)
        return EDN_E_LIMIT;
    return local_meta(doc, EDN_OP_FIELD, name, value);
}

/* ---- fields and tags --------------------------------------------------------------------------------------------- */

static int name_compare(const edn_log *log, uint32_t at, uint32_t n, edn_bytes name)
{
    size_t k = EDN_MIN((size_t)n, name.n);
    int c = k ? memcmp(log->mtext + at, name.p, k) : 0;

    return c ? c : n < name.n ? -1 : n > name.n;
}

/* The first field (tag) that is not before `name`. */
static uint32_t field_place(const edn_doc *doc, edn_bytes name, bool *found)
{
    uint32_t lo = 0, hi = doc->n_fields;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (name_compare(&doc->log, doc->fields[mid].name_at, doc->fields[mid].name_n, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = lo < doc->n_fields && name_compare(&doc->log, doc->fields[lo].name_at, doc->fields[lo].name_n, name) == 0;
    return lo;
}

static uint32_t tag_place(const edn_doc *doc, edn_bytes name, bool *found)
{
    uint32_t lo = 0, hi = doc->n_tags;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (name_compare(&doc->log, doc->tags[mid].name_at, doc->tags[mid].name_n, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = lo < doc->n_tags && name_compare(&doc->log, doc->tags[lo].name_at, doc->tags[lo].name_n, name) == 0;
    return lo;
}

edn_status edn_doc_tag(edn_doc *doc, edn_bytes tag, bool add)
{
    bool there;

    if (tag.n > EDN_DOC_TAG_SIZE_MAX)
        return EDN_E_LIMIT;
    if (!doc->has_author)
        return EDN_E_INVALID;
    (void)tag_place(doc, tag, &there); /* where it is does not matter here */
    if (there == add)
        return EDN_OK;
    return local_meta(doc, add ? EDN_OP_TAG : EDN_OP_UNTAG, tag, EDN_BYTES_EMPTY);
}

edn_status edn_doc_metas_reserve(edn_doc *doc, edn_lv from)
{
    const edn_log *log = &doc->log;
    size_t fields = doc->n_fields, tags = doc->n_tags, walk = 0;

    if (from == log->n)
        return EDN_OK;
    for (uint32_t i = log->n_ops; i-- > 0 && log->ops[i].lv >= from;) {
        fields += log->ops[i].kind == EDN_OP_FIELD;
        tags += log->ops[i].kind == EDN_OP_TAG;
        /* A walk enters each run's parents once. */
        if (log->ops[i].kind == EDN_OP_UNTAG)
            walk = (size_t)log->n_graph + log->n_par + 1;
    }
    if (!EDN_VEC_ROOM(doc->fields, doc->cap_fields, fields) || !EDN_VEC_ROOM(doc->tags, doc->cap_tags, tags) ||
        !EDN_VEC_ROOM(doc->heap.v, doc->heap.cap, walk))
        return EDN_E_NOMEM;
    return EDN_OK;
}

static void field_apply(edn_doc *doc, const edn_op *op)
{
    const edn_meta *m = &doc->log.metas[op->at];
    const edn_graph_run *g = &doc->log.graph[edn_log_run_of(&doc->log, op->lv)];
    doc_field fresh = {m->name_at, m->name_n, m->value_at, m->value_n, g->lamport + (op->lv - g->lv), g->agent};
    bool found;
    uint32_t at = field_place(doc, edn_log_meta_name(&doc->log, op), &found);
    doc_field *old = doc->fields + at;

    if (!found) {
        memmove(old + 1, old, (doc->n_fields++ - at) * sizeof *old);
        *old = fresh;
    } else if (!EDN_PLANT(first_write_wins) &&
               (fresh.lamport > old->lamport ||
                (fresh.lamport == old->lamport &&
                 edn_agent_id_compare(&doc->log.agents[fresh.agent].id, &doc->log.agents[old->agent].id) > 0))) {
        *old = fresh;
    }
}

/* The short way may find no memory; edn_doc_metas_reserve has set aside what the long one needs. */
static bool tag_seen(edn_doc *doc, const edn_op *op, const doc_tag *t)
{
    bool seen;
    edn_status st = edn_log_heard(&doc->log, &doc->heap, &op->lv, 1, t->lv, &seen);

    if (st != EDN_OK)
        st = edn_log_reaches(&doc->log, &doc->heap, &op->lv, 1, t->lv, &seen);
    EDN_ASSERT(st == EDN_OK);
    return seen;
}

static void tag_apply(edn_doc *doc, const edn_op *op)
{
    edn_bytes name = edn_log_meta_name(&doc->log, op);
    bool found;
    uint32_t at = tag_place(doc, name, &found), kept;

    if (op->kind == EDN_OP_TAG) {
        while (at < doc->n_tags && name_compare(&doc->log, doc->tags[at].name_at, doc->tags[at].name_n, name) == 0)
            at++;
        memmove(doc->tags + at + 1, doc->tags + at, (doc->n_tags++ - at) * sizeof *doc->tags);
        doc->tags[at] = (doc_tag){doc->log.metas[op->at].name_at, (uint32_t)name.n, op->lv};
        return;
    }
    /* A removal takes off what it has seen; an addition beside it stays. */
    kept = at;
    for (; at < doc->n_tags && name_compare(&doc->log, doc->tags[at].name_at, doc->tags[at].name_n, name) == 0; at++)
        if (!tag_seen(doc, op, &doc->tags[at]))
            doc->tags[kept++] = doc->tags[at];
    if (kept == at)
        return;
    memmove(doc->tags + kept, doc->tags + at, (doc->n_tags - at) * sizeof *doc->tags);
    doc->n_tags -= at - kept;
}

void edn_doc_metas_apply(edn_doc *doc, edn_lv from)
{
    if (from == doc->log.n)
        return;
    for (uint32_t i = edn_log_op_of(&doc->log, from); i < doc->log.n_ops; i++) {
        const edn_op *op = &doc->log.ops[i];
        if (op->lv < from)
            continue; /* the op goes on from before: text */
        if (op->kind == EDN_OP_FIELD)
            field_apply(doc, op);
        else if (op->kind == EDN_OP_TAG || op->kind == EDN_OP_UNTAG)
            tag_apply(doc, op);
    }
}

/* ---- what it shows ----------------------------------------------------------------------------------------------- */

size_t edn_doc_text_size(const edn_doc *doc) { return doc->rope.sum.bytes; }
size_t edn_doc_text_count(const edn_doc *doc) { return doc->rope.sum.scalars; }
uint64_t edn_doc_event_count(const edn_doc *doc)
{
    return (uint64_t)doc->log.n + doc->log.folded_more; /* open: as its head says */
}

uint64_t edn_doc_agent_next(const edn_doc *doc, edn_agent_id agent)
{
    uint32_t at = edn_log_agent_find(&doc->log, &agent);

    return at == EDN_LV_NONE ? 0 : doc->log.agents[at].next;
}

static void chunk_put(void *ctx, edn_bytes chunk) { edn_put_bytes(ctx, chunk.p, chunk.n); }

edn_status edn_doc_text(const edn_doc *doc, edn_buf *out)
{
    edn_buf_reserve(out, doc->rope.sum.bytes);
    edn_rope_each(&doc->rope, 0, doc->rope.sum.scalars, chunk_put, out);
    return edn_buf_status(out);
}

edn_status edn_doc_text_part(const edn_doc *doc, size_t pos, size_t count, edn_buf *out)
{
    uint32_t from = (uint32_t)EDN_MIN(pos, (size_t)doc->rope.sum.scalars);

    edn_rope_each(&doc->rope, from, (uint32_t)EDN_MIN(count, (size_t)doc->rope.sum.scalars - from), chunk_put, out);
    return edn_buf_status(out);
}

edn_doc_place edn_doc_place_of(const edn_doc *doc, edn_doc_unit unit, size_t at)
{
    static const edn_rope_unit units[] = {EDN_ROPE_SCALARS, EDN_ROPE_BYTES, EDN_ROPE_UTF16, EDN_ROPE_LINES};
    edn_rope_sum s = edn_rope_find(&doc->rope, units[unit], at), line = s;

    if (s.lines)
        line = edn_rope_find(&doc->rope, EDN_ROPE_LINES, s.lines);
    else
        line.scalars = 0;
    return (edn_doc_place){s.scalars, s.bytes, (size_t)s.scalars + s.astral, s.lines, s.scalars - line.scalars};
}

edn_doc_place edn_doc_place_in_line(const edn_doc *doc, size_t line, edn_doc_unit unit, size_t column)
{
    edn_doc_place from = edn_doc_place_of(doc, EDN_UNIT_LINE, line), end;
    size_t at, last;

    if (from.line < line)
        return edn_doc_place_of(doc, EDN_UNIT_SCALAR, SIZE_MAX);
    end = edn_doc_place_of(doc, EDN_UNIT_LINE, line + 1);
    if (end.line > line) /* in front of the line feed */
        end = edn_doc_place_of(doc, EDN_UNIT_SCALAR, end.scalar - 1);
    at = unit == EDN_UNIT_BYTE ? from.byte : unit == EDN_UNIT_UTF16 ? from.utf16 : from.scalar;
    last = unit == EDN_UNIT_BYTE ? end.byte : unit == EDN_UNIT_UTF16 ? end.utf16 : end.scalar;
    return column < last - at ? edn_doc_place_of(doc, unit, at + column) : end;
}

edn_status edn_doc_get(const edn_doc *doc, edn_bytes name, edn_bytes *out)
{
    bool found;
    uint32_t at = field_place(doc, name, &found);

    *out = EDN_BYTES_EMPTY;
    if (!found || doc->fields[at].value_n == 0)
        return EDN_E_MISSING;
    *out = edn_bytes_of(doc->log.mtext + doc->fields[at].value_at, doc->fields[at].value_n);
    return EDN_OK;
}

bool edn_doc_field_next(const edn_doc *doc, uint32_t *at, edn_bytes *name, edn_bytes *value)
{
    while (*at < doc->n_fields) {
        const doc_field *f = &doc->fields[(*at)++];
        if (f->value_n == 0)
            continue;
        *name = edn_bytes_of(doc->log.mtext + f->name_at, f->name_n);
        *value = edn_bytes_of(doc->log.mtext + f->value_at, f->value_n);
        return true;
    }
    return false;
}

bool edn_doc_field_at(const edn_doc *doc, size_t i, edn_bytes *name, edn_bytes *value)
{
    uint32_t at = 0;

    while (edn_doc_field_next(doc, &at, name, value))
        if (i-- == 0)
            return true;
    return false;
}

bool edn_doc_tag_next(const edn_doc *doc, uint32_t *at, edn_bytes *tag)
{
    while (*at < doc->n_tags) {
        const doc_tag *t = &doc->tags[(*at)++];
        edn_bytes name = edn_bytes_of(doc->log.mtext + t->name_at, t->name_n);
        if (t > doc->tags && name_compare(&doc->log, t[-1].name_at, t[-1].name_n, name) == 0)
            continue; /* another addition of the same tag */
        *tag = name;
        return true;
    }
    return false;
}

bool edn_doc_tag_at(const edn_doc *doc, size_t i, edn_bytes *tag)
{
    uint32_t at = 0;

    while (edn_doc_tag_next(doc, &at, tag))
        if (i-- == 0)
            return true;
    return false;
}

bool edn_doc_has_tag(const edn_doc *doc, edn_bytes tag)
{
    bool there;

    (void)tag_place(doc, tag, &there); /* where it is does not matter here */
    return there;
}

edn_doc_state edn_doc_state_of(const edn_doc *doc)
{
    uint32_t removed = 0;

    if (doc->file)
        return doc->file_state;
    for (uint32_t i = 0; i < doc->n_front; i++)
        removed += doc->log.ops[edn_log_op_of(&doc->log, doc->front[i])].kind == EDN_OP_REMOVE;
    if (removed == 0)
        return EDN_DOC_LIVE;
    return removed == doc->n_front || EDN_PLANT(loses_conflict) ? EDN_DOC_DELETED : EDN_DOC_CONFLICT;
}
