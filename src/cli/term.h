/* term: the three streams: what may be written to each, how wide it is, and how far long work has come. */
#ifndef EDN_CLI_TERM_H
#define EDN_CLI_TERM_H

#include <edn/client.h>

#include "base/base.h"

typedef struct edn_cli_term {
    int fd;
    bool tty; /* a person looks at it */
    bool color;
    size_t width; /* columns */
} edn_cli_term;

edn_cli_term edn_cli_term_of(int fd, bool color_wanted);

typedef enum edn_cli_style {
    EDN_STYLE_PLAIN,
    EDN_STYLE_BOLD,
    EDN_STYLE_DIM,
    EDN_STYLE_GREEN,
    EDN_STYLE_RED,
    EDN_STYLE_CYAN
} edn_cli_style;
/* Begins and ends a style; nothing without colours. */
void edn_cli_style_put(edn_buf *out, const edn_cli_term *t, edn_cli_style style);

/* Text of a diary in a line (or as it is, EDN_SAFE_TEXT): escaped for a terminal, and raw when piped, where only a
 * line's own ends become blanks. */
void edn_cli_put_text(edn_buf *out, const edn_cli_term *t, edn_bytes text, bool line);

/* Writes all of a buffer and empties it. EDN_E_IO, EDN_E_FULL. */
EDN_MUST_USE edn_status edn_cli_flush(const edn_cli_term *t, edn_buf *out);

/* ---- progress ---------------------------------------------------------------------------------------------------- */

/* "import 1,200 of 3,413 entries, 2,400 a second, 1 s left" on one line that is drawn anew, some times a second, on a
 * terminal only. Also what makes Ctrl-C stop long work cleanly. */
typedef struct edn_cli_progress {
    const edn_cli_term *term; /* standard error */
    bool shown;
    uint64_t begun_ms, drawn_ms;
    edn_progress progress; /* for the client */
} edn_cli_progress;
void edn_cli_progress_init(edn_cli_progress *p, const edn_cli_term *term, bool quiet);
/* Takes the line away, so that what is said next stands alone; it comes back with the next call. */
void edn_cli_progress_clear(edn_cli_progress *p);
/* Takes it away for good. */
void edn_cli_progress_end(edn_cli_progress *p);
/* False: stop. */
bool edn_cli_progress_tell(edn_cli_progress *p, const char *what, uint64_t done, uint64_t total);

/* Milliseconds by the clock that never jumps. */
uint64_t edn_cli_monotonic_ms(void);
/* Milliseconds since 1970 by the machine's clock. */
uint64_t edn_cli_now_ms(void);

#endif
