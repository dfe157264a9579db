#include "doc.h"

#include <stdlib.h>

/* A message: the byte EDN_FORMAT_MESSAGE, then a block of one agent's events.
 * A document: the byte EDN_FORMAT_DOC; the size of its text, the text; a block of all events in canonical order. */

#define FORMAT_MESSAGE 0x01u
#define FORMAT_DOC 0x41u

/* ---- messages ---------------------------------------------------------------------------------------------------------- */

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

edn_status edn_doc_encode_events(const edn_doc *doc, edn_agent_id agent, uint64_t seq_from, size_t size_max,
                                 edn_buf *out, uint64_t *seq_next)
{
    const edn_log *log = &doc->log;
    uint32_t at = edn_log_agent_find(log, &agent);
    edn_lv_ranges ranges = {0};
    uint64_t count = 0;
    size_t before = out->n;
    edn_status st;

    *seq_next = seq_from;
    if (at == EDN_LV_NONE || seq_from >= log->agents[at].next)
        return EDN_OK;
    if ((st = message_ranges(log, at, (uint32_t)seq_from, size_max, &ranges)) != EDN_OK)
        goto out;
    for (uint32_t i = 0; i < ranges.n; i++)
        count += ranges.v[i].to - ranges.v[i].from;
    edn_put_u8(out, FORMAT_MESSAGE);
    if ((st = edn_block_write(log, ranges.v, ranges.n, out)) != EDN_OK)
        goto out;
    *seq_next = seq_from + count;
out:
    if (st != EDN_OK)
        out->n = before;
    free(ranges.v);
    return st;
}

edn_status edn_doc_merge(edn_doc *doc, edn_bytes message, edn_doc_patch_fn *patch, void *ctx)
{
    edn_reader r = edn_reader_init(message);
    edn_block b = {0};
    edn_status st;

    if (edn_read_u8(&r, "format") != FORMAT_MESSAGE)
        edn_reader_fail(&r, EDN_E_FORMAT, "format");
    if ((st = edn_block_read(&b, &r)) == EDN_OK && (st = edn_reader_end(&r)) == EDN_OK)
        st = edn_doc_take(doc, &b, true, patch, ctx);
    edn_block_dispose(&b);
    return st;
}

edn_status edn_doc_message_events(edn_bytes message, edn_event_id *first, uint64_t *count)
{
    edn_reader r = edn_reader_init(message);
    edn_block b = {0};
    uint32_t authors = 0;
    edn_status st;

    memset(first, 0, sizeof *first);
    *count = 0;
    if (edn_read_u8(&r, "format") != FORMAT_MESSAGE)
        edn_reader_fail(&r, EDN_E_FORMAT, "format");
    if ((st = edn_block_read(&b, &r)) == EDN_OK)
        st = edn_reader_end(&r);
    for (uint32_t i = 0; st == EDN_OK && i < b.n_agents; i++) {
        if (b.by_agent[i].n_runs == 0)
            continue; /* named as a parent only */
        authors++;
        first->agent = b.agents[i];
        first->seq = b.by_agent[i].first_seq;
    }
    if (st == EDN_OK && authors != 1)
        st = EDN_E_FORMAT;
    if (st == EDN_OK)
        *count = b.n_events;
    edn_block_dispose(&b);
    return st;
}

/* ---- whole documents ----------------------------------------------------------------------------------------------------- */

edn_status edn_doc_encode(const edn_doc *doc, edn_buf *out)
{
    edn_lv_ranges ranges = {0};
    size_t before = out->n;
    edn_status st = edn_log_canonical(&doc->log, &ranges);

    if (st == EDN_OK) {
        edn_put_u8(out, FORMAT_DOC);
        edn_put_varint(out, doc->rope.sum.bytes);
        st = edn_doc_text(doc, out);
    }
    if (st == EDN_OK)
        st = edn_block_write(&doc->log, ranges.v, ranges.n, out);
    if (st != EDN_OK)
        out->n = before;
    free(ranges.v);
    return st;
}

static edn_status doc_text_set(edn_doc *doc, edn_bytes text)
{
    edn_status st = edn_rope_reserve(&doc->rope, 1, text.n);

    if (st == EDN_OK)
        edn_rope_insert(&doc->rope, 0, text);
    return st;
}

/* One document has one encoding: whatever was read must come out the same. */
static edn_status doc_check(const edn_doc *doc, edn_bytes in)
{
    edn_buf again = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = edn_doc_encode(doc, &again);

    if (st == EDN_OK && !edn_bytes_equal(edn_buf_view(&again), in))
        st = EDN_E_FORMAT;
    edn_buf_dispose(&again);
    return st;
}

edn_status edn_doc_decode(edn_bytes in, edn_doc **out)
{
    edn_reader r = edn_reader_init(in);
    edn_block b = {0};
    edn_doc *doc = NULL;
    edn_bytes text;
    uint64_t n;
    edn_status st;

    *out = NULL;
    if (edn_read_u8(&r, "format") != FORMAT_DOC)
        edn_reader_fail(&r, EDN_E_FORMAT, "format");
    n = edn_read_varint(&r, "text's size");
    if (n > EDN_DOC_TEXT_SIZE_MAX)
        edn_reader_fail(&r, EDN_E_FORMAT, "text's size");
    text = edn_read_bytes(&r, (size_t)n, "text");
    if (edn_utf8_check(text, NULL) != text.n)
        edn_reader_fail(&r, EDN_E_FORMAT, "text");
    if ((st = edn_block_read(&b, &r)) != EDN_OK || (st = edn_reader_end(&r)) != EDN_OK ||
        (st = edn_doc_new(&doc)) != EDN_OK || (st = edn_doc_take(doc, &b, false, NULL, NULL)) != EDN_OK ||
        (st = doc_text_set(doc, text)) != EDN_OK || (st = doc_check(doc, in)) != EDN_OK)
        goto out;
    *out = doc;
    doc = NULL;
out:
    if (st == EDN_E_PARENTS)
        st = EDN_E_FORMAT; /* a whole document has no outside */
    edn_block_dispose(&b);
    edn_doc_free(doc);
    return st;
}
