/* server: tokens, which anybody may show, and the operator's file of options. Requests and answers are the target
 * wire's. The first byte says which. */
#define _GNU_SOURCE /* memfd_create */
#include "fuzz.h"

#include "server/config.h"
#include "server/token.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define ISSUER "https://diary.example"
#define NOW_S 1790000000u

static struct {
    bool made;
    edn_sign_pk pk;
    edn_sign_sk sk;
    edn_buf good;
} f;

static void make(void)
{
    edn_token_claims c = {.log_seq = 3, .issued_s = NOW_S, .not_before_s = NOW_S, .expires_s = NOW_S + 600};
    uint8_t seed[32] = {5};

    FUZZ_HOLDS(edn_crypto_init() == EDN_OK);
    edn_sign_keypair(seed, &f.pk, &f.sk);
    f.good = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    edn_token_make(&f.good, &c, ISSUER, "abcdefg", &f.sk);
    f.made = true;
}

static bool passes(edn_bytes token, edn_token_claims *out)
{
    edn_token_key key = {"abcdefg", f.pk};

    return edn_token_check(token, &key, 1, ISSUER, NOW_S, out);
}

/* Nobody else can sign: what passes is the one that was made. */
static void token(edn_bytes in)
{
    edn_token_claims c;

    if (passes(in, &c))
        FUZZ_HOLDS(edn_bytes_equal(in, edn_buf_view(&f.good)));
}

/* Header and claims as the input says, signed with the true key: claims are read as strictly as signatures. */
static void signed_token(edn_bytes in)
{
    edn_buf t = EDN_BUF_INIT(65536), again = EDN_BUF_INIT(65536);
    edn_token_claims c;
    edn_signature sig;
    size_t cut = 0;

    while (cut < in.n && in.p[cut] != 0xff)
        cut++;
    edn_base64url_encode(&t, edn_bytes_of(in.p, cut));
    edn_put_u8(&t, '.');
    edn_base64url_encode(&t, cut < in.n ? edn_bytes_of(in.p + cut + 1, in.n - cut - 1) : EDN_BYTES_EMPTY);
    edn_sign_raw(&sig, &f.sk, edn_buf_view(&t));
    edn_put_u8(&t, '.');
    edn_base64url_encode(&t, edn_bytes_of(sig.b, sizeof sig.b));
    if (passes(edn_buf_view(&t), &c)) {
        FUZZ_HOLDS(c.not_before_s <= NOW_S && NOW_S < c.expires_s && c.expires_s <= c.issued_s + EDN_TOKEN_TTL_MAX_S);
        edn_token_make(&again, &c, ISSUER, "abcdefg", &f.sk);
        FUZZ_HOLDS(passes(edn_buf_view(&again), &c));
    }
    edn_buf_dispose(&t);
    edn_buf_dispose(&again);
}

static void config(edn_bytes in)
{
    char path[64];
    char name[] = "ednd", flag[] = "--config";
    char *argv[] = {name, flag, path, NULL};
    int fd = memfd_create("config", 0);
    ednd_config c;
    edn_err err = {EDN_OK, ""};

    FUZZ_HOLDS(fd >= 0 && (in.n == 0 || write(fd, in.p, in.n) == (ssize_t)in.n));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (ednd_config_read(&c, 3, argv, &err) != EDN_OK)
        FUZZ_HOLDS(err.text[0]);
    else
        FUZZ_HOLDS(c.limits.quota_devices >= 1 && c.limits.quota_bytes >= 1);
    ednd_config_dispose(&c);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edn_bytes in = edn_bytes_of(data + 1, size ? size - 1 : 0);

    if (!f.made)
        make();
    if (size == 0)
        return 0;
    switch (data[0] % 3) {
    case 0:
        token(in);
        break;
    case 1:
        signed_token(in);
        break;
    default:
        config(in);
    }
    return 0;
}
