#include "config.h"

#include "base/base.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

typedef enum option_type { OPTION_TEXT, OPTION_BOOL, OPTION_U32, OPTION_U64 } option_type;

typedef struct option {
    const char *name, *argument;
    option_type type;
    size_t at; /* in ednd_config */
    uint64_t min, max;
    const char *value; /* the default */
    const char *help;
} option;

#define AT(f) offsetof(ednd_config, f)
#define TEXT(name, argument, f, value, help)                                                                           \
    {                                                                                                                  \
        name, argument, OPTION_TEXT, AT(f), 0, 0, value, help                                                          \
    }
#define BOOL(name, f, value, help)                                                                                     \
    {                                                                                                                  \
        name, NULL, OPTION_BOOL, AT(f), 0, 0, value, help                                                              \
    }
#define U32(name, argument, f, min, max, value, help)                                                                  \
    {                                                                                                                  \
        name, argument, OPTION_U32, AT(f), min, max, value, help                                                       \
    }
#define U64(name, argument, f, min, max, value, help)                                                                  \
    {                                                                                                                  \
        name, argument, OPTION_U64, AT(f), min, max, value, help                                                       \
    }

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "sizes are read as 64 bits");

static const option options[] = {
    TEXT("config", "FILE", config, "", "read options from FILE: lines of 'name = value', # begins a comment"),
    TEXT("data", "DIR", data, "", "the folder of everything that is kept (made when missing); needed"),
    TEXT("listen", "ADDRESS:PORT", listen, "127.0.0.1:8437", "where to listen; port 0 takes any that is free"),
    TEXT("origin", "URL", origin, "", "what clients call this server; default: made from listen"),
    TEXT("tls-cert", "FILE", tls_cert, "", "certificate chain, PEM; with it, TLS 1.3 is spoken"),
    TEXT("tls-key", "FILE", tls_key, "", "its private key, PEM"),
    BOOL("behind-proxy", behind_proxy, "no", "TLS ends at a proxy in front, which sets X-Forwarded-For"),
    BOOL("sign-up", sign_up, "yes", "whether new accounts may be made; if not, only shared journals of those here"),
    BOOL("log-requests", log_requests, "no", "a line for each request on standard error, without ids"),

    U64("quota-bytes", "BYTES", limits.quota_bytes, 1, UINT64_MAX / 4, "5G", "stored bytes of one account"),
    U64("quota-batches", "N", limits.quota_batches, 1, UINT64_MAX / 4, "1000000", "stored batches of one space"),
    U32("quota-devices", "N", limits.quota_devices, 1, EDN_DEVICES_MAX, "32", "active devices of one account"),
    U32("login-account-per-min", "N", limits.login_account_per_min, 0, 1000000, "10",
        "logins of one account; 0: no limit"),
    U32("login-address-per-min", "N", limits.login_address_per_min, 0, 1000000, "30",
        "logins and new accounts from one address; 0: no limit"),
    U32("passphrase-per-hour", "N", limits.passphrase_per_hour, 0, 1000000, "5",
        "logins of one account by passphrase; 0: no limit"),
    U32("login-delay-max", "SECONDS", limits.login_delay_max_s, 1, 86400, "900",
        "longest time that a doubling login delay reaches"),
    U32("api-per-s", "N", limits.api_per_s, 0, 1000000, "20", "requests a second of one device; 0: no limit"),
    U32("api-burst", "N", limits.api_burst, 1, 1000000, "100", "how many of them may come at once"),
    U64("bytes-per-s", "BYTES", limits.bytes_per_s, 0, 1u << 30, "10M", "bodies a second of one account; 0: no limit"),
    U64("bytes-burst", "BYTES", limits.bytes_burst, 1u << 20, 1ull << 40, "64M", "how much of them may come at once"),
    U32("token-life", "SECONDS", limits.token_s, 10, 600, "600", "life of a token"),
    U32("mailbox-per-hour", "N", limits.mailbox_per_hour, 0, 1000000, "10",
        "mailboxes for new devices opened from one address; 0: no limit"),
    U32("mailbox-rate", "N", limits.mailbox_rate_per_s, 0, 1000000, "10",
        "requests a second to mailboxes from one address; 0: no limit"),
    U32("mailbox-life", "SECONDS", limits.mailbox_life_s, 1, 3600, "300", "life of a mailbox"),
    U32("mailbox-messages", "N", limits.mailbox_messages, 1, EDN_MAILS_MAX, "16", "messages in one mailbox"),
    U32("mailbox-message-max", "BYTES", limits.mailbox_message_size_max, 1024, EDN_MAIL_SIZE_MAX, "64K",
        "one message in a mailbox"),
    U64("mailbox-memory", "BYTES", limits.mailbox_size_max, 1u << 16, 1ull << 40, "16M",
        "messages in all mailboxes together"),
    U32("recovery-wait", "SECONDS", limits.recovery_wait_s, 0, 90u * 86400u, "259200",
        "how long a recovery from shares waits, so that a device may cancel it; a shorter one counts at once"),
    U32("lookup-per-min", "N", limits.lookup_per_min, 0, 1000000, "30",
        "device logs of others asked for by one account or address; 0: no limit"),
    U32("inbox-per-hour", "N", limits.inbox_per_hour, 0, 1000000, "20",
        "letters to inboxes from one address; 0: no limit"),
    U32("inbox-letters", "N", limits.inbox_letters, 1, EDN_INBOX_LETTERS_MAX, "64", "letters that wait in one inbox"),
    U32("inbox-days", "N", limits.inbox_days, 1, 365, "30", "how long they wait"),
    U32("spaces-per-day", "N", limits.spaces_per_day, 0, 1000000, "20",
        "shared journals that one account may bring when sign-up is no; 0: no limit"),
    U32("body-size-max", "BYTES", limits.body_size_max, 4096, EDN_MSG_SIZE_MAX, "64K", "body of a small request"),
    U32("push-size-max", "BYTES", limits.push_size_max, 65536, EDN_PUSH_SIZE_MAX, "4198400",
        "body of a push, of links and of a new account"),
    U32("blob-size-max", "BYTES", limits.blob_size_max, 65536, 8u << 20, "8M", "body of a blob"),
    U32("inline-size-max", "BYTES", limits.inline_size_max, 0, 1u << 20, "64K",
        "larger batches are files beside the database"),
    U64("cache-size", "BYTES", limits.cache_size_max, 1u << 16, 1ull << 40, "4M", "accounts kept in memory, about"),

    U32("connections", "N", http.connections_max, 1, 1000000, "4096", "open connections in all"),
    U32("connections-per-address", "N", http.connections_per_address, 0, 1000000, "64",
        "from one address; 0: no limit; not counted behind a proxy"),
    U32("streams-per-device", "N", http.streams_per_device, 0, 1000000, "4",
        "event streams of one device; the oldest give way; 0: no limit"),
    U32("backlog", "N", http.backlog, 1, 65535, "512", "connections that wait to be accepted"),
    U32("header-size-max", "BYTES", http.header_size_max, 1024, 16384, "8K", "the head of a request"),
    U32("header-fields-max", "N", http.header_fields_max, 8, 256, "64", "fields in it"),
    U32("header-timeout", "SECONDS", http.header_s, 1, 3600, "10", "for the first head of a connection"),
    U32("body-rate-min", "BYTES", http.body_rate_min, 0, 1u << 30, "1K", "a second, else the connection ends"),
    U32("body-grace", "SECONDS", http.body_grace_s, 1, 3600, "5", "before the body's rate is looked at"),
    U32("idle-timeout", "SECONDS", http.idle_s, 1, 86400, "60", "between two requests"),
    U32("request-timeout", "SECONDS", http.request_s, 1, 86400, "120", "for a whole request"),
    U32("upload-timeout", "SECONDS", http.upload_s, 1, 86400, "900", "for one that is larger than 64 KiB"),
    U64("body-memory", "BYTES", http.body_memory_max, 1u << 20, 1ull << 40, "64M",
        "all bodies that are being received at one time"),
    U32("events-interval", "SECONDS", http.events_s, 1, 60, "25", "between two signs of life in an event stream"),

    BOOL("help", help, "no", "say this and stop"),
    BOOL("man", man, "no", "print the manual page, in man(7) form, and stop"),
    BOOL("version", version, "no", "say which version this is and stop"),
};

/* ---- values ------------------------------------------------------------------------------------------------------ */

static bool bool_parse(const char *v, bool *out)
{
    *out = strcmp(v, "yes") == 0 || strcmp(v, "true") == 0 || strcmp(v, "1") == 0;
    return *out || strcmp(v, "no") == 0 || strcmp(v, "false") == 0 || strcmp(v, "0") == 0;
}

/* Digits, and K, M or G for powers of 1,024. */
static bool number_parse(const char *v, uint64_t *out)
{
    char *end;
    uint64_t unit = 1;

    if (*v < '0' || *v > '9')
        return false;
    errno = 0;
    *out = strtoull(v, &end, 10);
    if (errno || end - v > 20)
        return false;
    if (*end == 'K' || *end == 'k')
        unit = 1u << 10;
    else if (*end == 'M' || *end == 'm')
        unit = 1u << 20;
    else if (*end == 'G' || *end == 'g')
        unit = 1u << 30;
    if (unit > 1)
        end++;
    return *end == 0 && !__builtin_mul_overflow(*out, unit, out);
}

static edn_status text_set(char **at, const char *value, edn_err *err)
{
    free(*at);
    *at = strdup(value);
    return *at ? EDN_OK : edn_fail(err, EDN_E_NOMEM, "out of memory");
}

static edn_status option_set(ednd_config *c, const option *o, const char *value, const char *where, edn_err *err)
{
    void *at = (char *)c + o->at;
    uint64_t n;

    switch (o->type) {
    case OPTION_TEXT:
        return text_set(at, value, err);
    case OPTION_BOOL:
        if (!bool_parse(value, at))
            return edn_fail(err, EDN_E_INVALID, "%s: %s = %s: say yes or no", where, o->name, value);
        return EDN_OK;
    default:
        if (!number_parse(value, &n) || n < o->min || n > o->max)
            return edn_fail(err, EDN_E_INVALID, "%s: %s = %s: not a number from %llu to %llu", where, o->name, value,
                            (unsigned long long)o->min, (unsigned long long)o->max);
        if (o->type == OPTION_U32)
            *(uint32_t *)at = (uint32_t)n;
        else
            *(uint64_t *)at = n;
        return EDN_OK;
    }
}

static const option *option_find(const char *name, size_t n)
{
    for (size_t i = 0; i < EDN_COUNT(options); i++)
        if (strlen(options[i].name) == n && memcmp(options[i].name, name, n) == 0)
            return &options[i];
    return NULL;
}

/* ---- where they come from ---------------------------------------------------------------------------------------- */

static char *trim(char *s)
{
    size_t n;

    s += strspn(s, " \t\r\n");
    n = strlen(s);
    while (n > 0 && strchr(" \t\r\n", s[n - 1]))
        s[--n] = 0;
    return s;
}

static edn_status file_line(ednd_config *c, char *line, const char *where, edn_err *err)
{
    char *hash = strchr(line, '#'), *equals, *name;
    const option *o;

    if (hash)
        *hash = 0;
    name = trim(line);
    if (!*name)
        return EDN_OK;
    equals = strchr(name, '=');
    if (!equals)
        return edn_fail(err, EDN_E_INVALID, "%s: not 'name = value'", where);
    *equals = 0;
    name = trim(name);
    o = option_find(name, strlen(name));
    if (!o || strcmp(o->name, "config") == 0)
        return edn_fail(err, EDN_E_INVALID, "%s: '%s' is no option", where, name);
    return option_set(c, o, trim(equals + 1), where, err);
}

static edn_status file_read(ednd_config *c, edn_err *err)
{
    char line[2048], where[300];
    FILE *f;
    edn_status st = EDN_OK;

    if (!*c->config)
        return EDN_OK;
    f = fopen(c->config, "re");
    if (!f)
        return edn_fail(err, EDN_E_INVALID, "%s: %s", c->config, strerror(errno));
    for (unsigned n = 1; st == EDN_OK && fgets(line, sizeof line, f); n++) {
        snprintf(where, sizeof where, "%.250s:%u", c->config, n);
        if (strlen(line) == sizeof line - 1)
            st = edn_fail(err, EDN_E_INVALID, "%s: the line is too long", where);
        else
            st = file_line(c, line, where, err);
    }
    if (st == EDN_OK && ferror(f))
        st = edn_fail(err, EDN_E_INVALID, "%s cannot be read", c->config);
    (void)fclose(f); /* read only */
    return st;
}

static const char *environment_value(const option *o, char name[64])
{
    snprintf(name, 64, "EDND_%s", o->name);
    for (char *p = name; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    return getenv(name);
}

static edn_status environment_read(ednd_config *c, bool only_config, edn_err *err)
{
    char name[64];

    for (size_t i = 0; i < EDN_COUNT(options); i++) {
        const char *v = environment_value(&options[i], name);
        edn_status st;
        if (!v || (strcmp(options[i].name, "config") == 0) != only_config)
            continue;
        if ((st = option_set(c, &options[i], v, name, err)) != EDN_OK)
            return st;
    }
    return EDN_OK;
}

static edn_status flags_read(ednd_config *c, int argc, char **argv, bool only_config, edn_err *err)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *equals = strchr(a, '='), *value;
        const option *o = NULL;
        edn_status st;
        if (a[0] == '-' && a[1] == '-')
            o = option_find(a + 2, equals ? (size_t)(equals - a - 2) : strlen(a + 2));
        if (!o)
            return edn_fail(err, EDN_E_INVALID, "'%s' is no option: see ednd --help", a);
        if (equals)
            value = equals + 1;
        else if (o->type == OPTION_BOOL)
            value = "yes";
        else if (i + 1 < argc)
            value = argv[++i];
        else
            return edn_fail(err, EDN_E_INVALID, "%s needs %s", a, o->argument);
        if ((strcmp(o->name, "config") == 0) != only_config)
            continue;
        if ((st = option_set(c, o, value, "the command line", err)) != EDN_OK)
            return st;
    }
    return EDN_OK;
}

edn_status ednd_config_read(ednd_config *out, int argc, char **argv, edn_err *err)
{
    edn_status st;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < EDN_COUNT(options); i++)
        if ((st = option_set(out, &options[i], options[i].value, "the defaults", err)) != EDN_OK)
            return st;
    if ((st = environment_read(out, true, err)) != EDN_OK || (st = flags_read(out, argc, argv, true, err)) != EDN_OK ||
        (st = file_read(out, err)) != EDN_OK || (st = environment_read(out, false, err)) != EDN_OK ||
        (st = flags_read(out, argc, argv, false, err)) != EDN_OK)
        return st;
    if (out->help || out->man || out->version)
        return EDN_OK;
    if (!*out->data)
        return edn_fail(err, EDN_E_INVALID, "say where to keep things: --data DIR");
    if (!*out->tls_cert != !*out->tls_key)
        return edn_fail(err, EDN_E_INVALID, "tls-cert and tls-key go together");
    if (*out->tls_cert && out->behind_proxy)
        return edn_fail(err, EDN_E_INVALID, "tls-cert says that TLS ends here, behind-proxy that it does not");
    out->http.listen = out->listen;
    out->http.tls_cert = *out->tls_cert ? out->tls_cert : NULL;
    out->http.tls_key = *out->tls_key ? out->tls_key : NULL;
    out->http.behind_proxy = out->behind_proxy;
    out->http.log_requests = out->log_requests;
    return EDN_OK;
}

void ednd_config_dispose(ednd_config *c)
{
    for (size_t i = 0; i < EDN_COUNT(options); i++)
        if (options[i].type == OPTION_TEXT)
            free(*(char **)(void *)((char *)c + options[i].at));
    memset(c, 0, sizeof *c);
}

/* ---- telling about them ------------------------------------------------------------------------------------------ */

void ednd_config_help(FILE *to)
{
    fputs("usage: ednd --data DIR [--listen ADDRESS:PORT] [OPTION…]\n\n"
          "Keeps sealed diaries for devices to sync with. It can read nothing of them.\n\n",
          to);
    for (size_t i = 0; i < EDN_COUNT(options); i++) {
        const option *o = &options[i];
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        fprintf(to, "  %-34s %s", left, o->help);
        fprintf(to, *o->value && o->type != OPTION_BOOL ? " [%s]\n" : "\n", o->value);
    }
    fputs(
        "\nEach option may also stand in the file (name = value) or in the environment (EDND_NAME). Flags win over\n"
        "the environment, and that over the file. Switches take yes or no: --sign-up=no. K, M, G: powers of 1,024.\n\n"
        "exit status: 0 stopped by a signal, 1 failed, 2 options, 3 the folder or the port is in use, 4 the data\n"
        "is damaged or of another version\n",
        to);
}

static void man_text(FILE *to, const char *s)
{
    for (; *s; s++)
        if (*s == '-')
            fputs("\\-", to);
        else
            fputc(*s, to);
}

void ednd_config_man(FILE *to)
{
    fputs(
        ".TH EDND 8\n.SH NAME\nednd \\- keeps sealed diaries for devices to sync with\n"
        ".SH SYNOPSIS\n.B ednd\n\\-\\-data \\fIDIR\\fR [\\-\\-listen \\fIADDRESS:PORT\\fR] [\\fIOPTION\\fR...]\n"
        ".SH DESCRIPTION\nA server of the Efficient Diary Network. It keeps what devices sealed, and can read nothing\n"
        "of it. Each option may also stand in the file that \\-\\-config names (name = value) or in the environment\n"
        "(EDND_NAME). Flags win over the environment, and that over the file. K, M and G are powers of 1,024.\n"
        ".SH OPTIONS\n",
        to);
    for (size_t i = 0; i < EDN_COUNT(options); i++) {
        const option *o = &options[i];
        fputs(".TP\n\\fB\\-\\-", to);
        man_text(to, o->name);
        fputs("\\fR", to);
        if (o->argument)
            fprintf(to, " \\fI%s\\fR", o->argument);
        fputs("\n", to);
        man_text(to, o->help);
        if (*o->value && o->type != OPTION_BOOL) {
            fputs(" (default: ", to);
            man_text(to, o->value);
            fputs(")", to);
        }
        fputs(".\n", to);
    }
    fputs(".SH EXIT STATUS\n0 stopped by SIGTERM or SIGINT; 1 failed; 2 options; 3 the folder or the port is in use;\n"
          "4 the data is damaged, or of another version.\n.SH SEE ALSO\n.BR edn (1)\n",
          to);
}
