#include "doc.h"

#include <stdlib.h>

/* ---- changes ----------------------------------------------------------------------------------------------------- */

typedef struct history {
    const edn_log *log;
    edn_change_fn *fn;
    void *ctx;
    edn_buf text; /* of the insertion at hand */
} history;

static edn_change_kind change_kind(edn_op_kind kind)
{
    switch (kind) {
    case EDN_OP_INS:
        return EDN_CHANGE_INSERT;
    case EDN_OP_DEL:
    case EDN_OP_BACK:
        return EDN_CHANGE_DELETE;
    case EDN_OP_FIELD:
        return EDN_CHANGE_FIELD;
    case EDN_OP_TAG:
        return EDN_CHANGE_TAG;
    case EDN_OP_UNTAG:
        return EDN_CHANGE_UNTAG;
    case EDN_OP_REMOVE:
        return EDN_CHANGE_REMOVE;
    case EDN_OP_REVIVE:
        return EDN_CHANGE_REVIVE;
    }
    return EDN_CHANGE_INSERT;
}

static edn_status history_text(void *ctx, edn_bytes text)
{
    history *h = ctx;

    edn_put_bytes(&h->text, text.p, text.n);
    return edn_buf_status(&h->text);
}

static edn_status history_op(void *ctx, uint32_t agent, const edn_walk_op *op)
{
    history *h = ctx;
    edn_bytes text = edn_buf_view(&h->text);

    for (uint32_t done = 0; done < op->len;) {
        edn_change c = {
            {h->log->agents[agent].id, (uint64_t)op->seq + done}, 0, 0, change_kind(op->kind), 0, {NULL, 0}};
        uint32_t end, n;
        edn_status st;
        c.time_ms = edn_log_time(h->log, agent, op->seq + done, &end);
        n = EDN_MIN(end - (op->seq + done), op->len - done);
        c.count = n;
        if (op->kind == EDN_OP_INS) {
            c.size = n == op->len - done ? text.n : edn_utf8_offset(text, n);
            text = edn_bytes_of(text.p + c.size, text.n - c.size);
        }
        if (op->kind >= EDN_OP_FIELD && op->kind <= EDN_OP_UNTAG)
            c.name = edn_log_meta_name(h->log, op->op);
        if ((st = h->fn(h->ctx, &c)) != EDN_OK)
            return st;
        done += n;
    }
    edn_buf_reset(&h->text);
    return EDN_OK;
}

edn_status edn_doc_history(const edn_doc *doc, edn_change_fn *fn, void *ctx)
{
    history h = {&doc->log, fn, ctx, EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_walk walk = {&h, NULL, history_text, history_op};
    edn_lv_ranges ranges = {0};
    edn_status st = edn_doc_load_all(doc);

    if (st == EDN_OK)
        st = edn_log_canonical(&doc->log, &ranges);
    if (st == EDN_OK)
        st = edn_log_walk(&doc->log, ranges.v, ranges.n, &walk);
    free(ranges.v);
    edn_buf_dispose(&h.text);
    return st;
}

/* ---- parts of a document ----------------------------------------------------------------------------------------- */

/* A new document of the events in `ranges`, which hold every event's past. */
static edn_status doc_of(const edn_doc *doc, const edn_lv_range *ranges, uint32_t n, edn_doc **out)
{
    edn_buf bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_doc *part = NULL;
    edn_reader r;
    edn_status st;

    *out = NULL;
    if ((st = edn_block_write(&doc->log, ranges, n, EDN_BLOCK_BUNDLE, &bytes)) != EDN_OK)
        goto out;
    r = edn_reader_init(edn_buf_view(&bytes));
    if ((st = edn_doc_new(&part)) != EDN_OK || (st = edn_block_read(&part->scratch.block, &r, NULL, 0)) != EDN_OK ||
        (st = edn_doc_take(part, &part->scratch.block, true, NULL, NULL)) != EDN_OK)
        goto out;
    *out = part;
    part = NULL;
out:
    edn_doc_free(part);
    edn_buf_dispose(&bytes);
    return st;
}

/* The same for the events [0, to): nothing has to be written and read again. */
static edn_status doc_prefix(const edn_doc *doc, edn_lv to, edn_doc **out)
{
    edn_status st = edn_doc_new(out);

    if (st != EDN_OK)
        return st;
    if ((st = edn_log_prefix(&doc->log, to, &(*out)->log)) != EDN_OK || (st = edn_doc_replay(*out)) != EDN_OK) {
        edn_doc_free(*out);
        *out = NULL;
    }
    return st;
}

/* ---- nothing to be read ------------------------------------------------------------------------------------------ */

/* A blank of as many bytes in the place of each character, so that all places in the text stay what they are. */
static bool text_blank(uint8_t *p, uint32_t n)
{
    static const uint8_t blanks[][4] = {{' '}, {0xc2, 0xa0}, {0xe3, 0x80, 0x80}, {0xf0, 0x90, 0x80, 0x80}};
    bool changed = false;

    for (uint32_t i = 0; i < n;) {
        uint32_t size = p[i] < 0x80 ? 1 : p[i] < 0xe0 ? 2 : p[i] < 0xf0 ? 3 : 4;
        changed |= memcmp(p + i, blanks[size - 1], size) != 0;
        memcpy(p + i, blanks[size - 1], size);
        i += size;
    }
    return changed;
}

static bool bytes_blank(uint8_t *p, uint32_t n)
{
    bool changed = false;

    for (uint32_t i = 0; i < n; i++) {
        changed |= p[i] != ' ';
        p[i] = ' ';
    }
    return changed;
}

static bool log_blank(edn_log *log)
{
    bool changed = log->n_text && text_blank(log->text, log->n_text);

    for (uint32_t i = 0; i < log->n_metas; i++) {
        const edn_meta *m = &log->metas[i];
        if (m->name_n && log->mtext[m->name_at] == 1)
            continue;
        changed |= bytes_blank(log->mtext + m->name_at, m->name_n);
        changed |= bytes_blank(log->mtext + m->value_at, m->value_n);
    }
    return changed;
}

edn_status edn_doc_blank(const edn_doc *doc, edn_doc **out, bool *changed)
{
    edn_doc *blank = NULL;
    edn_status st;

    *out = NULL;
    *changed = false;
    if ((st = edn_doc_load_all(doc)) != EDN_OK || (st = edn_doc_new(&blank)) != EDN_OK)
        return st;
    if ((st = edn_log_prefix(&doc->log, doc->log.n, &blank->log)) == EDN_OK) {
        *changed = log_blank(&blank->log);
        st = edn_doc_replay(blank);
    }
    if (st == EDN_OK)
        *out = blank;
    else
        edn_doc_free(blank);
    return st;
}

/* ---- any version ------------------------------------------------------------------------------------------------- */

static bool ranges_add(edn_lv_ranges *r, edn_lv from, edn_lv to)
{
    if (from == to)
        return true;
    if (!EDN_VEC_ROOM(r->v, r->cap, r->n + 1u))
        return false;
    r->v[r->n++] = (edn_lv_range){from, to};
    return true;
}

edn_status edn_doc_version_lvs(const edn_doc *doc, edn_version version, edn_lv **out)
{
    edn_lv *lvs = malloc((version.n + 1) * sizeof *lvs);

    *out = NULL;
    if (!lvs)
        return EDN_E_NOMEM;
    for (size_t i = 0; i < version.n; i++) {
        uint32_t agent = edn_log_agent_find(&doc->log, &version.ids[i].agent);
        lvs[i] = agent == EDN_LV_NONE ? EDN_LV_NONE : edn_log_lv(&doc->log, agent, version.ids[i].seq);
        if (lvs[i] == EDN_LV_NONE) {
            free(lvs);
            return EDN_E_MISSING;
        }
    }
    *out = lvs;
    return EDN_OK;
}

edn_status edn_doc_at(const edn_doc *doc, edn_version version, edn_doc **out)
{
    edn_lv_ranges past = {0};
    edn_graph_heap heap = {0};
    edn_lv *lvs = NULL;
    edn_status st;

    *out = NULL;
    if ((st = edn_doc_load_all(doc)) != EDN_OK || (st = edn_doc_version_lvs(doc, version, &lvs)) != EDN_OK)
        return st;
    st = edn_log_diff(&doc->log, &heap, lvs, (uint32_t)version.n, NULL, 0, &past, NULL);
    edn_lv_ranges_turn(&past);
    if (st == EDN_OK)
        st = past.n == 1 && past.v[0].from == 0 ? doc_prefix(doc, past.v[0].to, out) : doc_of(doc, past.v, past.n, out);
    free(lvs);
    edn_graph_heap_dispose(&heap);
    free(past.v);
    return st;
}

edn_status edn_doc_check(const edn_doc *doc)
{
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED), again = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_doc *replayed = NULL;
    edn_status st;

    if ((st = edn_doc_load_all(doc)) != EDN_OK || (st = doc_prefix(doc, doc->log.n, &replayed)) != EDN_OK ||
        (st = edn_doc_text(doc, &text)) != EDN_OK || (st = edn_doc_text(replayed, &again)) != EDN_OK)
        goto out;
    if (!edn_bytes_equal(edn_buf_view(&text), edn_buf_view(&again)))
        st = EDN_E_FORMAT;
out:
    edn_buf_dispose(&text);
    edn_buf_dispose(&again);
    edn_doc_free(replayed);
    return st;
}

edn_status edn_doc_without(const edn_doc *doc, edn_agent_id agent, uint64_t seq_from, edn_doc **out)
{
    const edn_log *log = &doc->log;
    edn_lv_ranges kept = {0};
    edn_status st = edn_doc_load_all(doc);
    uint32_t who = edn_log_agent_find(log, &agent);

    *out = NULL;
    for (uint32_t i = 0; st == EDN_OK && i < log->n_graph; i++) {
        const edn_graph_run *g = &log->graph[i];
        edn_lv end = edn_log_run_end(log, i);
        uint32_t n_par;
        const edn_lv *par = edn_log_parents(g, log, &n_par);
        if (g->agent == who) {
            if (seq_from <= g->seq)
                end = g->lv;
            else
                end = (edn_lv)EDN_MIN((uint64_t)end, g->lv + (seq_from - g->seq));
        }
        for (uint32_t k = 0; g->agent != who && k < n_par; k++) {
            const edn_graph_run *p = &log->graph[edn_log_run_of(log, par[k])];
            if (p->agent == who && (uint64_t)p->seq + (par[k] - p->lv) >= seq_from)
                st = EDN_E_INVALID;
        }
        if (st == EDN_OK && !ranges_add(&kept, g->lv, end))
            st = EDN_E_NOMEM;
    }
    if (st == EDN_OK)
        st = doc_of(doc, kept.v, kept.n, out);
    free(kept.v);
    return st;
}
