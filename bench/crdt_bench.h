/* What the files of this bench share. */
#ifndef EDN_BENCH_CRDT_H
#define EDN_BENCH_CRDT_H

#include <edn/crdt.h>

#include "crdt/trace.h"

#define OK(x) bench_ok((x), #x, __FILE__, __LINE__)
void bench_ok(edn_status st, const char *what, const char *file, int line);

/* Process CPU, ms. */
double cpu_ms(void);
/* Wall time for single events, µs: reading it costs much less. */
double wall_us(void);

/* Prints one figure, and a JSON line where that was asked for. */
void figure(const char *what, const char *name, const char *unit, double v);

edn_doc *doc_new(edn_agent_id who);
void txn_type(edn_doc *doc, const trace *t, const trace_txn *x);
/* `want` empty: any text; it is still put together. */
void text_check(const edn_doc *doc, edn_bytes want);
size_t packed(const edn_buf *b, int level);

/* How much a fresh process grows by one run, MiB: what stays with the document open, and the peak. False where there
 * are no processes. */
typedef edn_doc *bench_run(const void *ctx);
bool memory_grown(bench_run *fn, const void *ctx, double *open, double *peak);

/* The least CPU of `rounds` runs, ms; freeing is not counted. */
double least(bench_run *fn, const void *ctx, unsigned rounds);

/* A device that was away for 30,000 keystrokes while 30,000 were typed here; the same with 100,000. */
void away_report(unsigned rounds);
/* The merge of that alone, once, ms. */
double away_once(void);
/* Writes what was typed there as JSON, for the peers. */
void away_script(FILE *out);
/* Histories many times over, a text of 100 MB, a million events by fifty people. */
void scale_report(unsigned rounds);

#endif
