#include "doc.h"

#include <stdlib.h>

/* Places that stay with a character. A walker that began at 0 knows each character by its event, and counts what is
 * shown before it: both ways cost its tree's height. It is the one that merges use, so it is made once and kept. */

edn_status edn_doc_whole(const edn_doc *open, edn_walker **out)
{
    edn_doc *doc = (edn_doc *)open; /* a cache: no document is ever const */
    edn_status st = edn_doc_load_all(open);

    *out = NULL;
    if (st != EDN_OK)
        return st;
    if (doc->walker && edn_walker_from(doc->walker) > 0) {
        edn_walker_free(doc->walker);
        doc->walker = NULL;
    }
    if (!doc->walker)
        st = edn_walker_new(&doc->log, 0, doc->log.n, doc->rope.sum.scalars, false, &doc->walker);
    else if ((st = edn_walker_step(doc->walker, doc->log.n, NULL)) != EDN_OK) {
        edn_walker_free(doc->walker);
        doc->walker = NULL;
    }
    doc->whole = st == EDN_OK;
    *out = doc->walker;
    return st;
}

edn_status edn_doc_anchor(const edn_doc *doc, size_t pos, edn_bias bias, edn_anchor *out)
{
    bool left = bias == EDN_BIAS_LEFT;
    edn_walker *w;
    edn_status st;

    *out = (edn_anchor){left ? EDN_ANCHOR_START : EDN_ANCHOR_END, {{{0}}, 0}};
    if (pos > doc->rope.sum.scalars)
        return EDN_E_INVALID;
    if (pos == (left ? 0 : doc->rope.sum.scalars))
        return EDN_OK;
    if ((st = edn_doc_whole(doc, &w)) != EDN_OK)
        return st;
    out->kind = left ? EDN_ANCHOR_AFTER : EDN_ANCHOR_BEFORE;
    out->id = edn_log_id(&doc->log, edn_walker_char_at(w, (uint32_t)(left ? pos - 1 : pos)));
    return EDN_OK;
}

edn_status edn_doc_anchor_place(const edn_doc *doc, const edn_anchor *anchor, size_t *pos)
{
    uint32_t agent, len = 1;
    edn_walk_spot spot;
    edn_walker *w;
    edn_lv lv;
    edn_status st;

    *pos = anchor->kind == EDN_ANCHOR_END ? doc->rope.sum.scalars : 0;
    if (anchor->kind == EDN_ANCHOR_START || anchor->kind == EDN_ANCHOR_END)
        return EDN_OK;
    if ((st = edn_doc_load_all(doc)) != EDN_OK)
        return st;
    agent = edn_log_agent_find(&doc->log, &anchor->id.agent);
    lv = agent == EDN_LV_NONE ? EDN_LV_NONE : edn_log_lv(&doc->log, agent, anchor->id.seq);
    if (lv == EDN_LV_NONE)
        return EDN_E_MISSING;
    if (doc->log.ops[edn_log_op_of(&doc->log, lv)].kind != EDN_OP_INS)
        return EDN_E_FORMAT;
    if ((st = edn_doc_whole(doc, &w)) != EDN_OK)
        return st;
    spot = edn_walker_find(w, edn_doc_revived(doc, lv, &len), 1);
    *pos = spot.pos + (anchor->kind == EDN_ANCHOR_AFTER && !spot.gone);
    return EDN_OK;
}

edn_status edn_doc_range(const edn_doc *doc, size_t pos, size_t count, edn_range *out)
{
    edn_status st;

    *out = (edn_range){{EDN_ANCHOR_START, {{{0}}, 0}}, {EDN_ANCHOR_START, {{{0}}, 0}}};
    if (count == 0 || pos > doc->rope.sum.scalars || count > doc->rope.sum.scalars - pos)
        return EDN_E_INVALID;
    if ((st = edn_doc_anchor(doc, pos, EDN_BIAS_RIGHT, &out->from)) != EDN_OK)
        return st;
    return edn_doc_anchor(doc, pos + count, EDN_BIAS_LEFT, &out->to);
}

edn_status edn_doc_range_place(const edn_doc *doc, const edn_range *range, size_t *pos, size_t *count)
{
    size_t end = 0;
    edn_status st = edn_doc_anchor_place(doc, &range->from, pos);

    *count = 0;
    if (st == EDN_OK && (st = edn_doc_anchor_place(doc, &range->to, &end)) == EDN_OK && end > *pos)
        *count = end - *pos;
    return st;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

#define FORM_ANCHOR 0x61u /* + edn_anchor_kind */
#define FORM_RANGE 0x65u

void edn_anchor_encode(const edn_anchor *a, edn_buf *out)
{
    edn_put_u8(out, (uint8_t)(FORM_ANCHOR + (unsigned)a->kind));
    if (a->kind == EDN_ANCHOR_START || a->kind == EDN_ANCHOR_END)
        return;
    edn_put_bytes(out, a->id.agent.b, sizeof a->id.agent);
    edn_put_varint(out, a->id.seq);
}

void edn_range_encode(const edn_range *range, edn_buf *out)
{
    edn_put_u8(out, FORM_RANGE);
    edn_anchor_encode(&range->from, out);
    edn_anchor_encode(&range->to, out);
}

static void anchor_read(edn_reader *r, edn_anchor *out)
{
    unsigned kind = edn_read_u8(r, "anchor") - FORM_ANCHOR;

    if (kind > EDN_ANCHOR_AFTER) {
        edn_reader_fail(r, EDN_E_FORMAT, "anchor");
        return;
    }
    out->kind = (edn_anchor_kind)kind;
    if (out->kind == EDN_ANCHOR_START || out->kind == EDN_ANCHOR_END)
        return;
    edn_read_into(r, &out->id.agent, sizeof out->id.agent, "agent");
    out->id.seq = edn_read_varint(r, "seq");
    if (out->id.seq >= EDN_LOG_EVENTS_MAX)
        edn_reader_fail(r, EDN_E_FORMAT, "seq");
}

edn_status edn_anchor_decode(edn_bytes in, edn_anchor *out)
{
    edn_reader r = edn_reader_init(in);

    *out = (edn_anchor){EDN_ANCHOR_START, {{{0}}, 0}};
    anchor_read(&r, out);
    return edn_reader_end(&r);
}

edn_status edn_range_decode(edn_bytes in, edn_range *out)
{
    edn_reader r = edn_reader_init(in);

    *out = (edn_range){{EDN_ANCHOR_START, {{{0}}, 0}}, {EDN_ANCHOR_START, {{{0}}, 0}}};
    if (edn_read_u8(&r, "range") != FORM_RANGE)
        edn_reader_fail(&r, EDN_E_FORMAT, "range");
    anchor_read(&r, &out->from);
    anchor_read(&r, &out->to);
    return edn_reader_end(&r);
}

/* ---- patches and cursors ----------------------------------------------------------------------------------------- */

size_t edn_doc_patch_place(const edn_doc_patch *patch, size_t pos, edn_bias bias)
{
    if (pos < patch->pos)
        return pos;
    pos = pos - patch->pos > patch->deleted ? pos - patch->deleted : patch->pos;
    if (patch->inserted.n && (pos > patch->pos || bias == EDN_BIAS_RIGHT))
        pos += edn_utf8_count(patch->inserted);
    return pos;
}
