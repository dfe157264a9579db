#include "doc.h"

#include <stdlib.h>

/* Three kinds of bytes, told apart by the first:
 *
 *   message   see block.c: bit 7 and bit 6 are 0, bit 0 is 1
 *   bundle    FORM_BUNDLE, then a block of anybody's events
 *   document  FORM_DOC, then
 *               text     size; UTF-8
 *               agents   count; 16 bytes each, rising; then for each: 2 × next seq + whether its last event is in the
 *                        frontier (only last events can be)
 *               state    one byte: edn_doc_state
 *               fields   count; for each, by name: name size, value size, name, value (none is empty)
 *               tags     count; for each, rising: size, tag
 *               history  a block of all events in canonical order, without its table of agents
 *
 * What precedes the history is enough to show the document, and follows from the history alone. */

#define FORM_DOC 0x41u
#define FORM_BUNDLE 0x42u /* 0x43: fold.c */

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static size_t op_size(const edn_log *log, const edn_op *op, uint32_t skip, uint32_t len)
{
    if (op->kind == EDN_OP_INS)
        return 6 + edn_log_text(log, op, skip, len).n;
    if (op->kind >= EDN_OP_FIELD && op->kind <= EDN_OP_UNTAG)
        return 6 + (size_t)log->metas[op->at].name_n + log->metas[op->at].value_n;
    return 6;
}

/* How many scalars of an insertion fit into `size` bytes; one at least. */
static uint32_t op_fit(const edn_log *log, const edn_op *op, uint32_t skip, uint32_t len, size_t size)
{
    edn_bytes text = edn_log_text(log, op, skip, len);

    if (size < text.n)
        for (text.n = size; text.n && (text.p[text.n] & 0xc0) == 0x80;)
            text.n--;
    return (uint32_t)EDN_MAX(edn_utf8_count(text), (size_t)1);
}

/* Adds to *used what the events [from, to) of one graph run cost, and returns where they stop fitting. */
static edn_lv run_fit(const edn_log *log, edn_lv from, edn_lv to, size_t size_max, size_t *used, bool first)
{
    for (uint32_t i = edn_log_op_of(log, from); from < to; i++) {
        const edn_op *op = &log->ops[i];
        uint32_t skip = from - op->lv, len = EDN_MIN(op->lv + op->len, to) - from;
        size_t size = op_size(log, op, skip, len);
        if (*used + size > size_max) {
            size_t left = *used < size_max ? size_max - *used : 0;
            if (op->kind == EDN_OP_INS && (first || left > 64))
                return from + op_fit(log, op, skip, len, left);
            return first ? from + len : from;
        }
        *used += size;
        from += len;
        first = false;
    }
    return from;
}

/* The events that one message takes, as ranges. */
static edn_status message_ranges(const edn_log *log, uint32_t agent, uint32_t seq, size_t size_max, edn_lv_ranges *out)
{
    const edn_log_agent *a = &log->agents[agent];
    uint32_t run = edn_log_run_of(log, edn_log_lv(log, agent, seq)), k = 0;
    size_t used = 40;

    for (uint32_t lo = 0, hi = a->n_runs; hi - lo > 1; k = lo) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (a->runs[mid] <= run)
            lo = mid;
        else
            hi = mid;
    }
    for (; k < a->n_runs; k++) {
        const edn_graph_run *g = &log->graph[a->runs[k]];
        edn_lv from = g->lv + (seq > g->seq ? seq - g->seq : 0), to = edn_log_run_end(log, a->runs[k]), end;
        used += 6 + (g->n_par > 1 ? 20 * (size_t)g->n_par : 0);
        if (out->n && used >= size_max)
            break;
        end = run_fit(log, from, to, size_max, &used, out->n == 0);
        if (end == from)
            break;
        if (!EDN_VEC_ROOM(out->v, out->cap, out->n + 1u))
            return EDN_E_NOMEM;
        out->v[out->n++] = (edn_lv_range){from, end};
        if (end < to)
            break;
    }
    return EDN_OK;
}

/* A plain message is never longer than this. */
#define PLAIN_SIZE_MAX 448u

static edn_status events_encode(const edn_doc *doc, const edn_agent_id *agent, uint64_t seq_from, size_t size_max,
                                bool author, edn_buf *out, uint64_t *seq_next)
{
    const edn_log *log = &doc->log;
    edn_lv_ranges ranges = {0};
    uint64_t count = 0;
    size_t before = out->n;
    edn_status st;
    uint32_t at;

    *seq_next = seq_from;
    if (doc->file && (st = edn_doc_load(doc)) != EDN_OK)
        return st;
    at = edn_log_agent_find(log, agent);
    if (at == EDN_LV_NONE || seq_from >= log->agents[at].next)
        return EDN_OK;
    if (log->folded && edn_log_lv(log, at, seq_from) == EDN_LV_NONE)
        return EDN_E_MISSING;
    if (size_max >= PLAIN_SIZE_MAX && edn_message_write_plain(log, at, (uint32_t)seq_from, author, out)) {
        if ((st = edn_buf_status(out)) == EDN_OK)
            *seq_next = log->agents[at].next;
        else
            out->n = before;
        return st;
    }
    if ((st = message_ranges(log, at, (uint32_t)seq_from, size_max, &ranges)) == EDN_OK)
        st = edn_message_write(log, at, (uint32_t)seq_from, ranges.v, ranges.n, author, out);
    for (uint32_t i = 0; i < ranges.n; i++)
        count += ranges.v[i].to - ranges.v[i].from;
    if (st == EDN_OK)
        *seq_next = seq_from + count;
    else
        out->n = before;
    free(ranges.v);
    return st;
}

edn_status edn_doc_encode_events(const edn_doc *doc, edn_agent_id agent, uint64_t seq_from, size_t size_max,
                                 edn_buf *out, uint64_t *seq_next)
{
    return events_encode(doc, &agent, seq_from, size_max, true, out, seq_next);
}

edn_status edn_doc_encode_bare(const edn_doc *doc, edn_agent_id agent, uint64_t seq_from, size_t size_max, edn_buf *out,
                               uint64_t *seq_next)
{
    return events_encode(doc, &agent, seq_from, size_max, false, out, seq_next);
}

edn_status edn_doc_encode_since(const edn_doc *doc, edn_version version, edn_buf *out)
{
    edn_lv_ranges ranges = {0};
    edn_graph_heap heap = {0};
    edn_lv *lvs = NULL;
    size_t before = out->n;
    edn_status st = EDN_OK;

    if (doc->file && (st = edn_doc_load(doc)) != EDN_OK)
        return st;
    if ((st = edn_doc_version_lvs(doc, version, &lvs)) != EDN_OK ||
        (st = edn_log_diff(&doc->log, &heap, doc->front, doc->n_front, lvs, (uint32_t)version.n, &ranges, NULL)) !=
            EDN_OK ||
        ranges.n == 0)
        goto out;
    edn_lv_ranges_turn(&ranges);
    if (ranges.v[0].from < doc->log.folded) {
        st = EDN_E_MISSING;
        goto out;
    }
    edn_put_u8(out, FORM_BUNDLE);
    st = edn_block_write(&doc->log, ranges.v, ranges.n, EDN_BLOCK_BUNDLE, out);
    if (st != EDN_OK)
        out->n = before;
out:
    free(lvs);
    edn_graph_heap_dispose(&heap);
    free(ranges.v);
    return st;
}

edn_status edn_doc_message_events(edn_bytes message, edn_event_id *first, uint64_t *count)
{
    edn_reader r = edn_reader_init(message);

    return edn_message_events(&r, first, count);
}

/* Large working memory is given back: most messages are small. */
#define SCRATCH_KEPT 1024u

static void scratch_trim(edn_doc *doc)
{
    doc_scratch *s = &doc->scratch;

    if (s->block.cap_ops > SCRATCH_KEPT || s->block.cap_runs > SCRATCH_KEPT)
        edn_block_dispose(&s->block);
    if (s->edits.cap > SCRATCH_KEPT) {
        free(s->edits.v);
        s->edits = (edn_edits){0};
    }
}

/* The usual message: one op. Anything else (and most that is wrong) is left to the long way: false. */
static bool message_plain(edn_doc *doc, const edn_agent_id *author, edn_bytes message, edn_doc_patch_fn *patch,
                          void *ctx, edn_status *st)
{
    const edn_log *log = &doc->log;
    edn_doc_patch p = {0, 0, EDN_BYTES_EMPTY};
    edn_plain_op op;
    edn_bytes text;
    size_t count = 0;

    *st = EDN_OK;
    if (doc->file || !edn_message_plain(message, log, author, &doc->peer_at, &op, &text))
        return false;
    if (op.kind == EDN_OP_INS ? edn_utf8_check(text, &count) != text.n || count != op.len
                              : text.n > 0 || (op.kind == EDN_OP_BACK && op.pos + 1 < op.len))
        return false;
    p.pos = op.kind == EDN_OP_BACK ? op.pos - (op.len - 1) : op.pos;
    if (op.kind != EDN_OP_INS)
        p.deleted = op.len;
    if (doc->n_front != 1 || op.n_par != 1 || doc->front[0] != op.par[0] || !op.own || p.pos > doc->rope.sum.scalars ||
        p.deleted > doc->rope.sum.scalars - p.pos) {
        *st = edn_doc_take_plain(doc, doc->peer_at, &op, text, patch, ctx);
        return true;
    }
    if (!(op.len == 1 && text.n <= 1 && doc->keys_agent == doc->peer_at &&
          edn_doc_key(doc, op.kind, op.pos, text.n ? text.p[0] : 0))) {
        if (!edn_doc_append_ready(doc, doc->peer_at, op.len, text.n)) {
            *st = edn_doc_take_plain(doc, doc->peer_at, &op, text, patch, ctx);
            return true;
        }
        edn_doc_append(doc, op.kind, op.pos, op.len, text);
    }
    if (patch) {
        p.inserted = text;
        patch(ctx, &p);
    }
    return true;
}

static edn_status message_merge(edn_doc *doc, const edn_agent_id *author, edn_bytes message, edn_doc_patch_fn *patch,
                                void *ctx)
{
    edn_reader r = edn_reader_init(message);
    edn_block *b = &doc->scratch.block;
    edn_status st;

    if (message_plain(doc, author, message, patch, ctx, &st))
        return st;
    if (doc->file && (st = edn_doc_load(doc)) != EDN_OK)
        return st;
    if (!author && message.n && message.p[0] == FORM_BUNDLE) {
        (void)edn_read_u8(&r, "form"); /* looked at just now */
        if ((st = edn_block_read(b, &r, NULL, 0)) == EDN_OK)
            st = edn_reader_end(&r);
    } else {
        st = edn_message_read(b, &r, &doc->log, author);
    }
    if (st == EDN_OK)
        st = edn_doc_take(doc, b, true, patch, ctx);
    scratch_trim(doc);
    return st;
}

edn_status edn_doc_merge(edn_doc *doc, edn_bytes message, edn_doc_patch_fn *patch, void *ctx)
{
    return message_merge(doc, NULL, message, patch, ctx);
}

edn_status edn_doc_merge_bare(edn_doc *doc, edn_agent_id agent, edn_bytes message, edn_doc_patch_fn *patch, void *ctx)
{
    return message_merge(doc, &agent, message, patch, ctx);
}

/* ---- whole documents --------------------------------------------------------------------------------------------- */

static void agents_put(const edn_doc *doc, edn_buf *out)
{
    const edn_log *log = &doc->log;
    edn_version front = edn_doc_frontier(doc);
    uint32_t n = 0;

    for (uint32_t i = 0; i < log->n_agents; i++)
        n += log->agents[i].next > 0;
    edn_put_varint(out, n);
    for (uint32_t i = 0; i < log->n_agents; i++) {
        const edn_log_agent *a = &log->agents[log->by_id[i]];
        if (a->next)
            edn_put_bytes(out, a->id.b, sizeof a->id);
    }
    /* Both lists rise, so the frontier is met in passing. */
    for (uint32_t i = 0, k = 0; i < log->n_agents; i++) {
        const edn_log_agent *a = &log->agents[log->by_id[i]];
        bool last = k < front.n && edn_agent_id_compare(&front.ids[k].agent, &a->id) == 0;
        k += last;
        if (a->next)
            edn_put_varint(out, 2 * (uint64_t)a->next + last);
    }
}

/* Agents, state, fields and tags. */
void edn_doc_head_put(const edn_doc *doc, edn_buf *out)
{
    edn_bytes name, value;
    uint32_t at = 0;
    size_t n = 0;

    agents_put(doc, out);
    edn_put_u8(out, (uint8_t)edn_doc_state_of(doc));
    while (edn_doc_field_next(doc, &at, &name, &value))
        n++;
    edn_put_varint(out, n);
    for (at = 0; edn_doc_field_next(doc, &at, &name, &value);) {
        edn_put_varint(out, name.n);
        edn_put_varint(out, value.n);
        edn_put_bytes(out, name.p, name.n);
        edn_put_bytes(out, value.p, value.n);
    }
    for (n = 0, at = 0; edn_doc_tag_next(doc, &at, &name);)
        n++;
    edn_put_varint(out, n);
    for (at = 0; edn_doc_tag_next(doc, &at, &name);) {
        edn_put_varint(out, name.n);
        edn_put_bytes(out, name.p, name.n);
    }
}

edn_status edn_doc_encode(const edn_doc *doc, edn_buf *out)
{
    edn_lv_ranges ranges = {0};
    size_t before = out->n;
    edn_status st;

    if (doc->file) {
        edn_put_u8(out, FORM_DOC);
        edn_put_varint(out, doc->rope.sum.bytes);
        if ((st = edn_doc_text(doc, out)) == EDN_OK) {
            edn_put_bytes(out, doc->file, doc->file_n);
            st = edn_buf_status(out);
        }
        if (st != EDN_OK)
            out->n = before;
        return st;
    }
    st = doc->log.folded ? EDN_E_MISSING : edn_log_canonical(&doc->log, &ranges);
    if (st == EDN_OK) {
        edn_put_u8(out, FORM_DOC);
        edn_put_varint(out, doc->rope.sum.bytes);
        st = edn_doc_text(doc, out);
    }
    if (st == EDN_OK) {
        edn_doc_head_put(doc, out);
        st = edn_block_write(&doc->log, ranges.v, ranges.n, EDN_BLOCK_DOC, out);
    }
    if (st != EDN_OK)
        out->n = before;
    free(ranges.v);
    return st;
}

static bool head_check(edn_reader *r, bool good, const char *field)
{
    if (!good)
        edn_reader_fail(r, EDN_E_FORMAT, field);
    return good && edn_reader_status(r) == EDN_OK;
}

static void head_text_read(edn_doc *doc, edn_reader *r)
{
    uint64_t n = edn_read_varint(r, "text's size");
    edn_bytes text;
    edn_status st;

    if (!head_check(r, n <= EDN_DOC_TEXT_SIZE_MAX, "text's size"))
        return;
    text = edn_read_bytes(r, (size_t)n, "text");
    if (!head_check(r, edn_utf8_check(text, NULL) == text.n, "text"))
        return;
    if ((st = edn_rope_reserve(&doc->rope, 1, text.n)) != EDN_OK)
        edn_reader_fail(r, st, "memory");
    else
        edn_rope_insert(&doc->rope, 0, text);
}

static void head_agents_read(edn_doc *doc, edn_reader *r)
{
    uint64_t n = edn_read_varint(r, "agent count"), total = 0;
    const uint8_t *ids;

    if (!head_check(r, n <= EDN_LOG_AGENTS_MAX, "agent count") || !edn_reader_has(r, n, sizeof(edn_agent_id) + 1))
        return;
    ids = edn_read_bytes(r, (size_t)n * sizeof(edn_agent_id), "agents").p;
    if (!edn_doc_front_room(doc, (uint32_t)n + 1)) {
        edn_reader_fail(r, EDN_E_NOMEM, "memory");
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        edn_agent_id id;
        uint64_t v = edn_read_varint(r, "next seq");
        uint32_t at;
        edn_status st;
        memcpy(id.b, ids + i * sizeof id, sizeof id);
        total += v / 2;
        if (!head_check(r,
                        (i == 0 || memcmp(id.b, ids + (i - 1) * sizeof id, sizeof id) > 0) && v >= 2 &&
                            total <= EDN_LOG_EVENTS_MAX,
                        "agent"))
            return;
        if ((st = edn_log_agent_add(&doc->log, &id, &at)) != EDN_OK) {
            edn_reader_fail(r, st, "memory");
            return;
        }
        doc->log.agents[at].next = (uint32_t)(v / 2);
        if (v & 1)
            doc->ids[doc->n_front++] = (edn_event_id){id, v / 2 - 1};
    }
    doc->log.n = (uint32_t)total;
    doc->ids_fresh = true;
    head_check(r, (n > 0) == (doc->n_front > 0), "frontier");
}

/* One name that must be higher than the one before; copied to the log's mtext, whose memory was set aside. */
static uint32_t name_read(edn_doc *doc, edn_reader *r, uint64_t n, edn_bytes *last, bool first)
{
    edn_bytes name = edn_read_bytes(r, (size_t)n, "name");
    size_t k = EDN_MIN(last->n, name.n);
    int c = k && last->p ? memcmp(last->p, name.p, k) : 0;
    uint32_t at = doc->log.n_mtext;

    if (!head_check(r, first || c < 0 || (c == 0 && last->n < name.n), "names' order"))
        return at;
    if (name.n)
        memcpy(doc->log.mtext + at, name.p, name.n);
    doc->log.n_mtext += (uint32_t)name.n;
    *last = name;
    return at;
}

static void head_fields_read(edn_doc *doc, edn_reader *r)
{
    uint64_t n = edn_read_varint(r, "field count");
    edn_bytes last = EDN_BYTES_EMPTY;

    if (!edn_reader_has(r, n, 3))
        return;
    if (!EDN_VEC_ROOM(doc->fields, doc->cap_fields, n))
        edn_reader_fail(r, EDN_E_NOMEM, "memory");
    for (uint32_t i = 0; i < n && edn_reader_status(r) == EDN_OK; i++) {
        uint64_t name_n = edn_read_varint(r, "name's size"), value_n = edn_read_varint(r, "value's size");
        edn_bytes value;
        doc_field *f = &doc->fields[i];
        if (!head_check(r, name_n <= EDN_DOC_FIELD_NAME_SIZE_MAX && value_n - 1 < EDN_DOC_FIELD_SIZE_MAX, "field"))
            return;
        if (!EDN_VEC_ROOM(doc->log.mtext, doc->log.cap_mtext, doc->log.n_mtext + (size_t)(name_n + value_n)))
            edn_reader_fail(r, EDN_E_NOMEM, "memory");
        *f = (doc_field){name_read(doc, r, name_n, &last, i == 0), (uint32_t)name_n, doc->log.n_mtext, 0, 0, 0};
        value = edn_read_bytes(r, (size_t)value_n, "value");
        if (edn_reader_status(r) != EDN_OK)
            return;
        memcpy(doc->log.mtext + doc->log.n_mtext, value.p, value.n);
        doc->log.n_mtext += (uint32_t)value.n;
        f->value_n = (uint32_t)value.n;
        doc->n_fields++;
    }
}

static void head_tags_read(edn_doc *doc, edn_reader *r)
{
    uint64_t n = edn_read_varint(r, "tag count");
    edn_bytes last = EDN_BYTES_EMPTY;

    if (!edn_reader_has(r, n, 1))
        return;
    if (!EDN_VEC_ROOM(doc->tags, doc->cap_tags, n))
        edn_reader_fail(r, EDN_E_NOMEM, "memory");
    for (uint32_t i = 0; i < n && edn_reader_status(r) == EDN_OK; i++) {
        uint64_t size = edn_read_varint(r, "tag's size");
        if (!head_check(r, size <= EDN_DOC_TAG_SIZE_MAX, "tag"))
            return;
        if (!EDN_VEC_ROOM(doc->log.mtext, doc->log.cap_mtext, doc->log.n_mtext + (size_t)size))
            edn_reader_fail(r, EDN_E_NOMEM, "memory");
        doc->tags[i] = (doc_tag){name_read(doc, r, size, &last, i == 0), (uint32_t)size, 0};
        doc->n_tags++;
    }
}

size_t edn_doc_head_read(edn_doc *doc, edn_reader *r, uint8_t form)
{
    size_t head_at;
    uint8_t state;

    if (edn_read_u8(r, "form") != form)
        edn_reader_fail(r, EDN_E_FORMAT, "form");
    head_text_read(doc, r);
    head_at = (size_t)(r->p - r->start);
    head_agents_read(doc, r);
    state = edn_read_u8(r, "state");
    if (!head_check(r, state <= EDN_DOC_CONFLICT && (state != EDN_DOC_CONFLICT || doc->n_front > 1), "state"))
        return head_at;
    doc->file_state = (edn_doc_state)state;
    head_fields_read(doc, r);
    if (edn_reader_status(r) == EDN_OK)
        head_tags_read(doc, r);
    doc->history_at = (size_t)(r->p - r->start) - head_at;
    return head_at;
}

edn_status edn_doc_decode(edn_bytes in, edn_doc **out)
{
    edn_reader r = edn_reader_init(in);
    size_t head_at;
    edn_doc *doc;
    edn_status st = edn_doc_new(&doc);

    *out = NULL;
    if (st != EDN_OK)
        return st;
    head_at = edn_doc_head_read(doc, &r, FORM_DOC);
    st = edn_reader_status(&r);
    if (st == EDN_OK && !(doc->file = malloc(in.n - head_at)))
        st = EDN_E_NOMEM;
    if (st != EDN_OK) {
        edn_doc_free(doc);
        return st;
    }
    memcpy(doc->file, in.p + head_at, in.n - head_at);
    doc->file_n = in.n - head_at;
    *out = doc;
    return EDN_OK;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* Everything that edn_doc_encode would have done differently. What the block's own rules leave open: runs that are one,
 * and the order. */
static edn_status history_check(const edn_doc *doc, const edn_doc *open, const edn_block *b)
{
    edn_lv_ranges order = {0};
    edn_buf head = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = EDN_OK;

    if (doc->log.n_graph != b->n_runs)
        return EDN_E_FORMAT;
    if (doc->log.n_graph > 1 && (st = edn_log_canonical(&doc->log, &order)) == EDN_OK && order.n > 1)
        st = EDN_E_FORMAT;
    if (st == EDN_OK) {
        edn_doc_head_put(doc, &head);
        st = edn_buf_status(&head);
    }
    if (st == EDN_OK && !edn_bytes_equal(edn_buf_view(&head), edn_bytes_of(open->file, open->history_at)))
        st = EDN_E_FORMAT;
    edn_buf_dispose(&head);
    free(order.v);
    return st;
}

static edn_status history_read(const edn_doc *open, edn_doc *doc)
{
    edn_reader r = edn_reader_init(edn_bytes_of(open->file + open->history_at, open->file_n - open->history_at));
    uint32_t n = open->log.n_agents;
    edn_agent_id *agents = malloc((n + 1u) * sizeof *agents);
    edn_block *b = &doc->scratch.block;
    edn_status st;

    if (!agents)
        return EDN_E_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        agents[i] = open->log.agents[open->log.by_id[i]].id;
    if ((st = edn_block_read(b, &r, agents, n)) == EDN_OK && (st = edn_reader_end(&r)) == EDN_OK &&
        (st = edn_doc_take(doc, b, false, NULL, NULL)) == EDN_OK)
        st = history_check(doc, open, b);
    free(agents);
    return st == EDN_E_PARENTS ? EDN_E_FORMAT : st; /* a whole document has no outside */
}

edn_status edn_doc_load(const edn_doc *open)
{
    edn_doc *doc = (edn_doc *)open; /* a cache: no document is ever const */
    edn_doc full = {0};
    edn_status st;

    if (!open->file)
        return EDN_OK;
    st = history_read(open, &full);
    if (st == EDN_OK) {
        /* What was lent out stays where it is: nothing has changed. */
        free(full.ids);
        full.ids = doc->ids;
        full.cap_ids = doc->cap_ids;
        full.ids_fresh = true;
        full.lent = doc->log.mtext;
        full.rope = doc->rope;
        full.own = doc->own; /* the edit that asks may be holding its words there */
        full.author = doc->author;
        full.has_author = doc->has_author;
        full.author_at = EDN_LV_NONE;
        full.time_ms = doc->time_ms;
        doc->rope = (edn_rope){0};
        doc->own = (edn_buf){0};
        doc->ids = NULL;
        doc->log.mtext = NULL;
        edn_doc_dispose(doc);
        *doc = full;
        scratch_trim(doc);
        return EDN_OK;
    }
    edn_doc_dispose(&full);
    return st;
}

edn_status edn_doc_load_all(const edn_doc *doc)
{
    edn_status st = edn_doc_load(doc);

    return st == EDN_OK && doc->log.folded ? EDN_E_MISSING : st;
}
