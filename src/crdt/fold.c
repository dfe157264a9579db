#include "doc.h"

#include <stdlib.h>

/* A folded document: 0x43, then text and head as a document has them (code.c), then for each agent, rising, what a
 * message counts from:
 *
 *   time     milliseconds, of its last event
 *   end      where that ended; 0 when it was no edit of the text
 *
 * In the log, one event stands for all of an agent's, with the name of the last: first those that are not in the
 * frontier, each on top of the one before, then those that are, each on top of the last of the others. They do nothing
 * to the text, which is the text of the walker's beginning. Only events that have them all in their past are taken in,
 * so whatever order they had among themselves decides nothing any more: not who wins a field, and not which addition a
 * removal has seen. */

#define FORM_FOLDED 0x43u

edn_status edn_doc_fold(const edn_doc *doc, edn_buf *out)
{
    const edn_log *log = &doc->log;
    size_t before = out->n;
    edn_status st = edn_doc_load(doc);

    if (st != EDN_OK)
        return st;
    edn_put_u8(out, FORM_FOLDED);
    edn_put_varint(out, doc->rope.sum.bytes);
    if ((st = edn_doc_text(doc, out)) == EDN_OK) {
        edn_doc_head_put(doc, out);
        for (uint32_t i = 0; i < log->n_agents; i++) {
            uint32_t agent = log->by_id[i];
            edn_block_before last;
            if (log->agents[agent].next == 0)
                continue;
            last = edn_block_before_of(log, agent, log->agents[agent].next);
            edn_put_varint(out, last.time_ms);
            edn_put_varint(out, last.end);
        }
        st = edn_buf_status(out);
    }
    if (st != EDN_OK)
        out->n = before;
    return st;
}

/* The event that stands for an agent's. Memory was set aside. */
static void agent_fold(edn_doc *doc, uint32_t agent, bool head, bool removed, uint64_t time_ms)
{
    edn_log *log = &doc->log;
    edn_log_agent *a = &log->agents[agent];
    edn_lv lv = log->n++, under = head ? log->folded - log->heads : lv;

    log->graph[log->n_graph] = (edn_graph_run){.lv = lv,
                                               .agent = agent,
                                               .seq = a->next - 1,
                                               .par_at = under ? under - 1 : 0,
                                               .n_par = under > 0,
                                               .full = under == lv};
    a->runs[a->n_runs++] = log->n_graph++;
    a->times[a->n_times++] = (edn_time_run){a->next - 1, time_ms};
    log->ops[log->n_ops++] = (edn_op){lv, 0, 0, 1, removed ? EDN_OP_REMOVE : EDN_OP_REVIVE};
    log->folded_more += a->next - 1;
    if (head)
        doc->front[lv - under] = lv;
}

/* `at` holds, for each agent of the head, what its event before left behind. */
static edn_status log_fold(edn_doc *doc, const edn_block_before *at)
{
    edn_log *log = &doc->log;
    uint32_t n = log->n_agents, removed = 0;
    edn_status st = EDN_OK;

    log->n = 0; /* the head counted what is folded */
    log->folded = n;
    log->heads = doc->n_front;
    st = edn_log_reserve(log, &(edn_log_need){.events = n, .runs = n, .ops = n});
    for (uint32_t i = 0; st == EDN_OK && i < n; i++)
        st = edn_log_reserve_agent(log, i, 1, 1);
    if (st != EDN_OK)
        return st;
    if (doc->file_state != EDN_DOC_LIVE)
        removed = doc->file_state == EDN_DOC_DELETED ? doc->n_front : 1;
    for (int heads = 0; heads < 2; heads++) {
        for (uint32_t i = 0, k = 0; i < n; i++) {
            bool head = k < log->heads && edn_agent_id_compare(&doc->ids[k].agent, &log->agents[i].id) == 0;
            k += head;
            log->agents[i].folded_end = at[i].end;
            if (head == (heads == 1))
                agent_fold(doc, i, head, head && k <= removed, at[i].time_ms);
        }
    }
    return EDN_OK;
}

edn_status edn_doc_unfold(edn_bytes in, edn_doc **out)
{
    edn_reader r = edn_reader_init(in);
    edn_block_before *at = NULL;
    edn_doc *doc;
    edn_status st = edn_doc_new(&doc);

    *out = NULL;
    if (st != EDN_OK)
        return st;
    (void)edn_doc_head_read(doc, &r, FORM_FOLDED); /* where the text ended is of no use here */
    if ((st = edn_reader_status(&r)) != EDN_OK)
        goto out;
    st = EDN_E_NOMEM;
    if (!(at = calloc(doc->log.n_agents + 1u, sizeof *at)) || !edn_doc_front_room(doc, doc->n_front + 1))
        goto out;
    for (uint32_t i = 0; i < doc->log.n_agents; i++) {
        uint64_t end;
        at[i].time_ms = edn_read_varint(&r, "time");
        end = edn_read_varint(&r, "end");
        at[i].end = (uint32_t)end;
        if (end > EDN_LOG_EVENTS_MAX)
            edn_reader_fail(&r, EDN_E_FORMAT, "end");
    }
    if ((st = edn_reader_end(&r)) != EDN_OK || (st = log_fold(doc, at)) != EDN_OK)
        goto out;
    *out = doc;
    doc = NULL;
out:
    free(at);
    edn_doc_free(doc);
    return st;
}
