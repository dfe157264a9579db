/* keys: what a person types and what a server hands out before anything is authentic. The first byte says which. */
#include "fuzz.h"

#include "keys/keys.h"
#include "keys/meeting.h"

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

static void fill_counting(void *ctx, void *p, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)i;
}

static void code(edn_bytes in)
{
    edn_meeting_code c, again;
    edn_pairing_offer offer;
    char text[EDN_MEETING_CODE_TEXT_SIZE];

    if (edn_meeting_code_parse(in, &c) == EDN_OK) {
        edn_meeting_code_text(text, &c);
        FUZZ_HOLDS(edn_meeting_code_parse(edn_bytes_str(text), &again) == EDN_OK);
        FUZZ_HOLDS(memcmp(&c, &again, sizeof c) == 0);
    }
    if (edn_pairing_offer_parse(in, &offer) == EDN_OK) {
        char shown[EDN_PAIRING_OFFER_TEXT_SIZE];
        edn_pairing_offer_text(shown, &offer);
        FUZZ_HOLDS(in.n == sizeof shown - 1);
    }
}

/* Messages from somebody who has no key: u16 length ‖ message, one after the other, to either side. The first of them
 * are in the clear and may fit; nobody comes so far that a person is asked. */
static void meeting(edn_bytes in)
{
    static const edn_random rng = {fill_counting, NULL};
    edn_reader r = edn_reader_init(in);
    edn_buf out = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    edn_cert cert = {.caps = 3};
    edn_sign_sk sk = {{0}};
    edn_meeting m = {0};
    edn_meeting_code c = {.place = "K7Q4", .code = "0W4GP38F"};

    if (edn_read_u8(&r, "side") & 1)
        edn_meeting_begin_new(&m, &cert, &sk, "attic", &rng);
    else
        FUZZ_HOLDS(edn_meeting_begin_code(&m, &c, &rng, &out) == EDN_OK);
    while (m.want == EDN_MEETING_MAIL && edn_reader_left(&r) > 0) {
        edn_bytes one = edn_read_bytes(&r, edn_read_u16(&r, "length"), "message");
        edn_status st;
        if (edn_reader_status(&r) != EDN_OK)
            break;
        edn_buf_reset(&out);
        st = edn_meeting_take(&m, one, &out);
        FUZZ_HOLDS((st == EDN_OK) == (m.want != EDN_MEETING_DEAD));
        FUZZ_HOLDS(m.want == EDN_MEETING_MAIL || m.want == EDN_MEETING_DEAD);
    }
    edn_meeting_dispose(&m);
    edn_buf_dispose(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(edn_bytes) = {passphrase, account_key, kdf_record, grants, boxes};
    static void (*const later[])(edn_bytes) = {code,
                                               meeting}; /* from 240 on, so that older inputs mean what they did */

    if (edn_crypto_init() != EDN_OK || !size)
        return 0;
    (data[0] < 240 ? readers[data[0] % EDN_COUNT(readers)]
                   : later[data[0] % EDN_COUNT(later)])(edn_bytes_of(data + 1, size - 1));
    return 0;
}
