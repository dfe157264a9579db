#include "cli/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <utf8proc.h>

void edn_cli_putf(edn_buf *out, const char *fmt, ...)
{
    char small[512];
    va_list ap;
    int n;
    uint8_t *to;

    va_start(ap, fmt);
    n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    EDN_ASSERT(n >= 0);
    if ((size_t)n < sizeof small) {
        edn_put_bytes(out, small, (size_t)n);
        return;
    }
    to = edn_buf_grow(out, (size_t)n + 1);
    if (!to)
        return;
    va_start(ap, fmt);
    vsnprintf((char *)to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    out->n--; /* the terminating zero */
}

/* ---- what a terminal may see ------------------------------------------------------------------------------------- */

static bool scalar_is_control(uint32_t c) { return c < 0x20 || (c >= 0x7f && c <= 0x9f); }

/* Characters that turn the order of their neighbours round: a title could pass its end off as its beginning. */
static bool scalar_turns_order(uint32_t c) { return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069); }

void edn_cli_put_safe(edn_buf *out, edn_bytes text, edn_cli_safe how)
{
    size_t at = 0;

    while (at < text.n) {
        edn_bytes rest = edn_bytes_of(text.p + at, text.n - at);
        size_t good = edn_utf8_check(rest, NULL);
        edn_bytes part = edn_bytes_of(rest.p, good);
        for (size_t i = 0; i < good;) {
            size_t from = i;
            uint32_t c = edn_utf8_next(part, &i);
            if (c == '\n' || c == '\t')
                edn_put_u8(out, how == EDN_SAFE_TEXT ? (uint8_t)c : ' ');
            else if (how == EDN_SAFE_LINE && (c == '\r' || c == 0x85 || c == 0x2028 || c == 0x2029))
                edn_put_u8(out, ' ');
            else if (c < 0x80 && scalar_is_control(c))
                edn_cli_putf(out, "\\x%02x", c);
            else if (scalar_is_control(c) || scalar_turns_order(c))
                edn_cli_putf(out, "\\u{%x}", c);
            else
                edn_put_bytes(out, part.p + from, i - from);
        }
        if (good < rest.n) {
            edn_cli_putf(out, "\\x%02x", rest.p[good]);
            good++;
        }
        at += good;
    }
}

static size_t scalar_width(uint32_t c)
{
    int w = utf8proc_charwidth((utf8proc_int32_t)c);
    return w > 0 ? (size_t)w : 0;
}

size_t edn_cli_width(edn_bytes line)
{
    size_t columns = 0, at = 0;

    while (at < line.n)
        columns += scalar_width(edn_utf8_next(line, &at));
    return columns;
}

size_t edn_cli_put_cut(edn_buf *out, edn_bytes line, size_t columns)
{
    size_t used = 0, at = 0, fits = 0, fits_used = 0;

    while (at < line.n) {
        size_t from = at, w = scalar_width(edn_utf8_next(line, &at));
        /* What may stay when the rest must go, with a column left for the mark. */
        if (used + 1 <= columns && w > 0) {
            fits = from;
            fits_used = used;
        }
        if (used + w > columns) {
            edn_put_bytes(out, line.p, fits);
            if (columns > 0)
                edn_put_str(out, "…");
            return columns > 0 ? fits_used + 1 : 0;
        }
        used += w;
    }
    edn_put_bytes(out, line.p, line.n);
    return used;
}

void edn_cli_put_wrapped(edn_buf *out, const char *text, size_t at, size_t indent, size_t width)
{
    bool first = true;

    while (*text) {
        size_t n = strcspn(text, " "), columns;
        columns = edn_cli_width(edn_bytes_of(text, n));
        if (!first && at + 1 + columns > width) {
            edn_cli_putf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            edn_put_u8(out, ' ');
            at++;
        }
        edn_put_bytes(out, text, n);
        at += columns;
        first = false;
        text += n + (text[n] == ' ');
    }
    edn_put_u8(out, '\n');
}

/* ---- dates and times --------------------------------------------------------------------------------------------- */

static unsigned month_days(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Reads exactly n digits. */
static bool digits_read(const uint8_t *p, size_t n, unsigned *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        *out = 10 * *out + (p[i] - '0');
    }
    return true;
}

/* "YYYY", "YYYY-MM" or "YYYY-MM-DD"; what is not there is 0. */
static bool ymd_read(edn_bytes s, unsigned *year, unsigned *month, unsigned *day)
{
    *month = *day = 0;
    if ((s.n != 4 && s.n != 7 && s.n != 10) || !digits_read(s.p, 4, year) || *year == 0)
        return false;
    if (s.n >= 7 && (s.p[4] != '-' || !digits_read(s.p + 5, 2, month) || *month < 1 || *month > 12))
        return false;
    return s.n < 10 ||
           (s.p[7] == '-' && digits_read(s.p + 8, 2, day) && *day >= 1 && *day <= month_days(*year, *month));
}

bool edn_cli_date_ok(edn_bytes date)
{
    unsigned year, month, day;
    return date.n == 10 && ymd_read(date, &year, &month, &day);
}

static void date_print(char out[11], unsigned year, unsigned month, unsigned day)
{
    snprintf(out, 11, "%04u-%02u-%02u", year % 10000, month % 100, day % 100);
}

void edn_cli_date_local(char out[11], uint64_t time_ms, int days)
{
    time_t t = (time_t)(time_ms / 1000);
    struct tm tm = {0};

    localtime_r(&t, &tm);
    tm.tm_mday += days;
    tm.tm_hour = 12; /* noon is the same day whatever a change of daylight saving does */
    tm.tm_isdst = -1;
    mktime(&tm);
    date_print(out, (unsigned)tm.tm_year + 1900, (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday);
}

uint64_t edn_cli_day_end_ms(const char date[11])
{
    unsigned year = 0, month = 0, day = 0;
    struct tm tm = {.tm_isdst = -1};
    time_t t;

    EDN_ASSERT(ymd_read(edn_bytes_str(date), &year, &month, &day));
    tm.tm_year = (int)year - 1900;
    tm.tm_mon = (int)month - 1;
    tm.tm_mday = (int)day + 1;
    t = mktime(&tm);
    return t > 0 ? (uint64_t)t * 1000 - 1 : 0;
}

bool edn_cli_date_read(const char *text, uint64_t now_ms, edn_cli_day which, char out[11])
{
    unsigned year, month, day;
    bool last = which == EDN_DAY_LAST;

    if (strcmp(text, "today") == 0 || strcmp(text, "yesterday") == 0) {
        edn_cli_date_local(out, now_ms, text[0] == 't' ? 0 : -1);
        return true;
    }
    if (!ymd_read(edn_bytes_str(text), &year, &month, &day) || (!day && which == EDN_DAY_ONLY))
        return false;
    if (!month)
        month = last ? 12 : 1;
    if (!day)
        day = last ? month_days(year, month) : 1;
    date_print(out, year, month, day);
    return true;
}

void edn_cli_time_utc(char out[EDN_CLI_TIME_MAX], uint64_t time_ms)
{
    time_t t = (time_t)(time_ms / 1000);
    struct tm tm = {0};
    size_t n;

    out[0] = 0;
    if (time_ms == 0 || !gmtime_r(&t, &tm))
        return;
    n = strftime(out, EDN_CLI_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, EDN_CLI_TIME_MAX - n, ".%03uZ", (unsigned)(time_ms % 1000));
}

/* Howard Hinnant's days_from_civil: years begin in March, so that the leap day is the last. */
static int64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

bool edn_cli_time_read(edn_bytes s, uint64_t *out_ms)
{
    unsigned year, month, day, hour, minute, second, ms = 0;
    int64_t days;

    if ((s.n != 20 && s.n != 24) || s.p[s.n - 1] != 'Z' || s.p[10] != 'T' || s.p[13] != ':' || s.p[16] != ':' ||
        !ymd_read(edn_bytes_of(s.p, 10), &year, &month, &day) || !digits_read(s.p + 11, 2, &hour) ||
        !digits_read(s.p + 14, 2, &minute) || !digits_read(s.p + 17, 2, &second) || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    if (s.n == 24 && (s.p[19] != '.' || !digits_read(s.p + 20, 3, &ms)))
        return false;
    days = days_since_1970(year, month, day);
    if (days < 0)
        return false;
    *out_ms = (((uint64_t)days * 24 + hour) * 60 + minute) * 60000 + second * 1000 + ms;
    return true;
}

void edn_cli_time_local(char out[EDN_CLI_TIME_MAX], uint64_t time_ms, uint64_t now_ms)
{
    time_t t = (time_t)(time_ms / 1000);
    struct tm tm = {0};
    char day[11], today[11];

    localtime_r(&t, &tm);
    edn_cli_date_local(day, time_ms, 0);
    edn_cli_date_local(today, now_ms, 0);
    strftime(out, EDN_CLI_TIME_MAX, strcmp(day, today) == 0 ? "%H:%M:%S" : "%Y-%m-%d %H:%M", &tm);
}

const char *edn_cli_number(char out[EDN_CLI_NUMBER_MAX], uint64_t n)
{
    char digits[32];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), k = 0;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[k++] = ',';
        out[k++] = digits[i];
    }
    out[k] = 0;
    return out;
}

const char *edn_cli_count(char out[64], uint64_t n, const char *one, const char *many)
{
    char number[EDN_CLI_NUMBER_MAX];

    snprintf(out, 64, "%s %s", edn_cli_number(number, n), n == 1 ? one : many);
    return out;
}
