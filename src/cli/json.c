#include "cli/json.h"

#include "cli/text.h"

static void quoted_put(edn_buf *out, edn_bytes s)
{
    static const char letters[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    size_t from = 0;

    edn_buf_reserve(out, s.n + 2);
    edn_put_u8(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        /* C1 controls are U+0080 to U+009F: 0xc2 and 0x80 to 0x9f. */
        bool c1 = c == 0xc2 && i + 1 < s.n && s.p[i + 1] < 0xa0;
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f && !c1)
            continue;
        edn_put_bytes(out, s.p + from, i - from);
        if (c == '"' || c == '\\')
            edn_cli_putf(out, "\\%c", c);
        else if (c < 0x20 && letters[c])
            edn_cli_putf(out, "\\%c", letters[c]);
        else
            edn_cli_putf(out, "\\u%04x", c1 ? s.p[++i] : c);
        from = i + 1;
    }
    edn_put_bytes(out, s.p + from, s.n - from);
    edn_put_u8(out, '"');
}

/* What stands before decides: after an opening bracket, a line's end, or a space (Markdown's "tags: [") comes no comma.
 * Strings end with a quote, so that nothing inside one is mistaken for these. */
static void name_put(edn_buf *out, const char *name)
{
    uint8_t before = out->n ? out->p[out->n - 1] : '\n';

    if (before != '{' && before != '[' && before != '\n' && before != ' ')
        edn_put_u8(out, ',');
    if (name) {
        quoted_put(out, edn_bytes_str(name));
        edn_put_u8(out, ':');
    }
}

void edn_json_open(edn_buf *out, const char *name, char bracket)
{
    name_put(out, name);
    edn_put_u8(out, (uint8_t)bracket);
}

void edn_json_close(edn_buf *out, char bracket) { edn_put_u8(out, (uint8_t)bracket); }

void edn_json_string(edn_buf *out, const char *name, edn_bytes value)
{
    name_put(out, name);
    quoted_put(out, value);
}

void edn_json_pair(edn_buf *out, edn_bytes name, edn_bytes value)
{
    name_put(out, NULL);
    quoted_put(out, name);
    edn_put_u8(out, ':');
    quoted_put(out, value);
}

void edn_json_number(edn_buf *out, const char *name, uint64_t value)
{
    name_put(out, name);
    edn_cli_putf(out, "%llu", (unsigned long long)value);
}

void edn_json_bool(edn_buf *out, const char *name, bool value)
{
    name_put(out, name);
    edn_put_str(out, value ? "true" : "false");
}

void edn_json_time(edn_buf *out, const char *name, uint64_t time_ms)
{
    char text[EDN_CLI_TIME_MAX];

    edn_cli_time_utc(text, time_ms);
    edn_json_string(out, name, edn_bytes_str(text));
}

void edn_json_hex(edn_buf *out, const char *name, const uint8_t *p, size_t n)
{
    char text[129];

    EDN_ASSERT(2 * n < sizeof text);
    edn_hex_encode(text, p, n);
    edn_json_string(out, name, edn_bytes_str(text));
}
