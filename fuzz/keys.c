/* keys: what a person types and what a server hands out before anything is authentic. The first byte says which. */
#include "fuzz.h"

#include "keys/keys.h"

static void passphrase(edn_bytes in)
{
    edn_buf once = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX), twice = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    edn_err err;

    if (edn_passphrase_prepare(in, &once, &err) == EDN_OK) {
        edn_bytes p = edn_buf_view(&once);

        FUZZ_HOLDS(p.n <= EDN_PASSPHRASE_SIZE_MAX && edn_utf8_check(p, NULL) == p.n);
        FUZZ_HOLDS(edn_utf8_count(p) >= EDN_PASSPHRASE_COUNT_MIN);
        /* Blanks are stripped before NFKC, which can bring a blank to the front again (a macron is a blank and a
         * combining macron): then a second time is another passphrase. */
        if (p.p[0] != ' ' && p.p[p.n - 1] != ' ') {
            FUZZ_HOLDS(edn_passphrase_prepare(p, &twice, &err) == EDN_OK);
            fuzz_same(p, &twice);
        }
    }
    edn_buf_wipe(&twice);
    edn_buf_wipe(&once);
}

static void account_key(edn_bytes in)
{
    edn_account_key key, again;
    char text[EDN_ACCOUNT_KEY_TEXT_SIZE];

    if (edn_account_key_parse(in, &key) != EDN_OK)
        return;
    edn_account_key_text(text, &key);
    FUZZ_HOLDS(edn_account_key_parse(edn_bytes_str(text), &again) == EDN_OK);
    FUZZ_HOLDS(memcmp(&key, &again, sizeof key) == 0);
}

static void kdf_record(edn_bytes in)
{
    edn_kdf_record r;

    if (in.n != sizeof r.b)
        return;
    memcpy(r.b, in.p, in.n);
    if (edn_kdf_record_check(&r, EDN_KDF_FLOOR) == EDN_OK) {
        FUZZ_HOLDS(edn_load_u32(r.b + 8) <= 16 && edn_load_u32(r.b + 12) <= 1u << 20);
        (void)edn_kdf_record_uses_account_key(&r); /* either answer is right */
    }
}

static void grants(edn_bytes in)
{
    edn_device_id recipient = {{0}};
    edn_bytes grant;

    if (in.n >= sizeof recipient.b)
        memcpy(recipient.b, in.p, sizeof recipient.b);
    if (edn_grants_find(in, &recipient, &grant) == EDN_OK)
        FUZZ_HOLDS(grant.n == EDN_GRANT_SIZE && grant.p >= in.p && grant.p + grant.n <= in.p + in.n);
}

/* Boxes that nobody sealed under a zero key: none may open. */
static void boxes(edn_bytes in)
{
    edn_root_key key = EDN_KEY_EMPTY, root = EDN_KEY_EMPTY;
    edn_wrap_key wrap = EDN_KEY_EMPTY;
    edn_root_secret secret;
    edn_journal_key journal;
    edn_account_id account = {{0}};
    edn_space_id space = {{0}};
    edn_journal_id journal_id = {{0}};
    edn_kdf_record record = {{0}};

    FUZZ_HOLDS(edn_root_box_open(&wrap, &account, 1, &record, in, &secret) != EDN_OK);
    FUZZ_HOLDS(edn_prev_box_open(&key, &account, 2, in, &root) != EDN_OK);
    FUZZ_HOLDS(edn_journal_key_open(&key, &account, &space, &journal_id, 1, 1, in, &journal) != EDN_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(edn_bytes) = {passphrase, account_key, kdf_record, grants, boxes};

    if (edn_crypto_init() == EDN_OK && size)
        readers[data[0] % EDN_COUNT(readers)](edn_bytes_of(data + 1, size - 1));
    return 0;
}
