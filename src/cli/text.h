/* text: bytes on their way to a person: what a terminal may see, how wide it is, dates, times, numbers. Pure but for
 * the time zone. */
#ifndef EDN_CLI_TEXT_H
#define EDN_CLI_TEXT_H

#include "base/base.h"

void edn_cli_putf(edn_buf *out, const char *fmt, ...) EDN_PRINTF(2, 3);

/* ---- what a terminal may see ------------------------------------------------------------------------------------- */

/* How text is made safe. In both, control characters, bytes that are not UTF-8, and characters that turn the order of
 * their neighbours round come out as escapes ("\x1b", "\u{202e}"). */
typedef enum edn_cli_safe {
    EDN_SAFE_LINE, /* one line: line ends and tabs become spaces */
    EDN_SAFE_TEXT  /* line ends and tabs stay */
} edn_cli_safe;
void edn_cli_put_safe(edn_buf *out, edn_bytes text, edn_cli_safe how);

/* The columns that a line takes on a terminal. `line` is what edn_cli_put_safe made. */
size_t edn_cli_width(edn_bytes line);
/* Appends as much of `line` as fits into `columns`, with "…" in place of the rest; returns the columns used. */
size_t edn_cli_put_cut(edn_buf *out, edn_bytes line, size_t columns);
/* Appends `text` wrapped at blanks, every line but the first indented; the first stands at column `at` already. */
void edn_cli_put_wrapped(edn_buf *out, const char *text, size_t at, size_t indent, size_t width);

/* ---- dates and times --------------------------------------------------------------------------------------------- */

/* Whether it is YYYY-MM-DD and there is such a day. */
bool edn_cli_date_ok(edn_bytes date);
/* The date in the local time zone, `days` later (or earlier). */
void edn_cli_date_local(char out[11], uint64_t time_ms, int days);
/* Which days a word may stand for: one day, or the first or last of a year or month as well. */
typedef enum edn_cli_day { EDN_DAY_ONLY, EDN_DAY_FIRST, EDN_DAY_LAST } edn_cli_day;
/* "YYYY-MM-DD", "today", "yesterday"; unless EDN_DAY_ONLY also "YYYY" and "YYYY-MM". False: none of these. */
EDN_MUST_USE bool edn_cli_date_read(const char *text, uint64_t now_ms, edn_cli_day day, char out[11]);
/* The last millisecond of a "YYYY-MM-DD" here. 0: a day before 1970. */
uint64_t edn_cli_day_end_ms(const char date[11]);

/* RFC 3339 in UTC with milliseconds; empty for 0. */
#define EDN_CLI_TIME_MAX 32u
void edn_cli_time_utc(char out[EDN_CLI_TIME_MAX], uint64_t time_ms);
EDN_MUST_USE bool edn_cli_time_read(edn_bytes text, uint64_t *out_ms);
/* "12:03:11" when it is today, else "2024-05-01 12:03", in the local time zone. */
void edn_cli_time_local(char out[EDN_CLI_TIME_MAX], uint64_t time_ms, uint64_t now_ms);

/* "1,234". */
#define EDN_CLI_NUMBER_MAX 32u
const char *edn_cli_number(char out[EDN_CLI_NUMBER_MAX], uint64_t n);
/* "1 entry", "2 entries", "1,234 entries". */
const char *edn_cli_count(char out[64], uint64_t n, const char *one, const char *many);

#endif
