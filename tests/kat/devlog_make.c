/* usage: devlog_make SEED CASES
 *
 * Writes device logs and space logs as JSON, one a line, for devlog_check.py: each some good links and one that is
 * broken (or not), with what src/devlog gave and, when the last link was taken, what the log then says. */
#include "links.h"

#include <inttypes.h>

static void print_hex(const char *name, const void *p, size_t n, const char *after)
{
    char *hex = malloc(2 * n + 1);

    CHECK(hex);
    edn_hex_encode(hex, p, n);
    printf("\"%s\": \"%s\"%s", name, hex, after);
    free(hex);
}
#define PRINT(name, x) print_hex((name), (x).b, sizeof(x).b, ", ")

static void print_links(const links *l, edn_bytes last)
{
    printf("\"links\": [");
    for (size_t i = 0; i <= l->n; i++) {
        edn_bytes link = i < l->n ? links_at(l, i) : last;
        char *hex = malloc(2 * link.n + 1);
        CHECK(hex);
        edn_hex_encode(hex, link.p, link.n);
        printf("%s\"%s\"", i ? ", " : "", hex);
        free(hex);
    }
    printf("], ");
}

static void print_devices(const edn_devlog *log)
{
    const edn_device *d;

    printf("\"devices\": [");
    for (size_t i = 0; (d = edn_devlog_device(log, i)); i++) {
        const edn_device *member = edn_devlog_membership(log, &d->id);
        printf("%s{", i ? ", " : "");
        print_hex("id", d->id.b, 16, ", ");
        print_hex("name_hash", d->cert.name_hash.b, 32, ", ");
        print_hex("member", member ? member->id.b : NULL, member ? 16 : 0, ", ");
        printf("\"caps\": %" PRIu32 ", \"added\": %" PRIu64 ", \"time\": %" PRIu64 ", \"revoked\": %" PRId64 "}",
               d->cert.caps, d->added_seq, d->added_time_ms, (int64_t)d->revoked_seq);
    }
    printf("], ");
}

static void print_pins(const char *name, const edn_pin *pins, size_t n)
{
    printf("\"%s\": [", name);
    for (size_t i = 0; i < n; i++) {
        printf("%s{", i ? ", " : "");
        PRINT("space", pins[i].space);
        PRINT("device", pins[i].device);
        print_hex("hash", pins[i].hash.b, 32, "");
        printf(", \"dseq\": %" PRIu64 "}", pins[i].dseq);
    }
    printf("], ");
}

/* Every revoked device in every space that any cut was drawn for. */
static void print_cuts(const links *l, const edn_devlog *log)
{
    const edn_device *d;
    const char *comma = "";

    printf("\"cuts\": [");
    for (size_t i = 0; (d = edn_devlog_device(log, i)); i++) {
        for (size_t k = 0; k < EDN_MIN(l->spaces_n, EDN_COUNT(l->spaces)); k++) {
            uint64_t dseq;
            edn_hash hash;
            if (!edn_devlog_cut(log, &d->id, &l->spaces[k], &dseq, &hash))
                continue;
            printf("%s{", comma);
            PRINT("device", d->id);
            PRINT("space", l->spaces[k]);
            print_hex("hash", hash.b, 32, "");
            printf(", \"dseq\": %" PRIu64 "}", dseq);
            comma = ", ";
        }
    }
    printf("], ");
}

static void print_state(const links *l, const edn_devlog *log)
{
    edn_hash kdf, box;
    edn_sign_pk login;
    bool has_kdf = edn_devlog_kdf(log, &kdf, &box, &login);
    const edn_pin *pins;
    size_t n;

    printf(", \"state\": {");
    PRINT("account", edn_devlog_account(log));
    PRINT("head", edn_devlog_head(log));
    PRINT("aik", edn_devlog_aik(log));
    PRINT("aek", edn_devlog_aek(log));
    PRINT("grants", edn_devlog_grants_hash(log));
    if (has_kdf) {
        PRINT("kdf", kdf);
        PRINT("root_box", box);
        PRINT("login", login);
    }
    print_devices(log);
    n = edn_devlog_checkpoint(log, &pins);
    print_pins("pins", pins, n);
    n = edn_devlog_bases(log, &pins);
    print_pins("bases", pins, n);
    printf("\"resealed\": %" PRIu32 ", ", edn_devlog_epoch_min(log, UINT64_MAX));
    print_cuts(l, log);
    printf("\"space\": %s, ", edn_devlog_is_space(log) ? "true" : "false");
    printf("\"epoch\": %" PRIu32 ", \"suite_min\": %u, \"kdf_floor\": %u, \"count\": %" PRIu64 "}",
           edn_devlog_epoch(log), edn_devlog_suite_min(log), edn_devlog_kdf_floor(log), edn_devlog_count(log));
}

static void run_case(links *l, unsigned how)
{
    edn_buf last = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *log;
    edn_status st;

    links_broken(l, how, &last);
    CHECK_OK(edn_devlog_copy(l->log, &log));
    st = edn_devlog_append(log, edn_buf_view(&last));
    printf("{\"how\": %u, ", how);
    print_links(l, edn_buf_view(&last));
    printf("\"status\": \"%s\"", edn_status_name(st));
    if (st == EDN_OK)
        print_state(l, log);
    printf("}\n");
    edn_devlog_free(log);
    edn_buf_dispose(&last);
}

int main(int argc, char **argv)
{
    uint64_t seed;
    unsigned long cases;

    if (argc != 3 || edn_crypto_init() != EDN_OK)
        return 2;
    seed = strtoull(argv[1], NULL, 0);
    cases = strtoul(argv[2], NULL, 0);
    /* One log grows a while, and every manner of breaking it is tried at its end as it does; the first case of each
     * step is mostly a good one, which shows the whole state. Every other log is a space's. */
    for (unsigned long i = 0, log = 0; i < cases; log++) {
        links l;
        (log & 1 ? links_init_space : links_init)(&l, seed + i);
        for (unsigned step = 0; step < 14 && i < cases; step++) {
            for (unsigned k = 0; k < 9 && i < cases; k++, i++)
                run_case(&l, k == 0 ? 0 : (step * 8 + k - 1) % LINKS_BREAKS);
            links_step(&l, (edn_link_type)0);
        }
        links_dispose(&l);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
