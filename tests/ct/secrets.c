/* No branch and no address hangs on a secret. Run under valgrind's memcheck: what is secret is declared undefined, so
 * that memcheck reports each jump and load that depends on it (A. Langley's ctgrind). What comes out sealed, signed
 * or as a public key is declared defined again. The verdict of opening a box is public; verdicts.supp names the places
 * that branch on it. Argon2id is left out: its second half reads memory by what it computed (RFC 9106). */
#include <stdio.h>
#include <valgrind/memcheck.h>

#include "crypto/seal.h"
#include "keys/keys_priv.h"
#include "keys/pairing.h"

static void secret(const void *p, size_t n) { (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n); }
static void public(const void *p, size_t n) { (void)VALGRIND_MAKE_MEM_DEFINED(p, n); }

static void fill_secret(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 7, n);
    secret(p, n);
}
static const edn_random rng = {fill_secret, NULL};

static edn_status seal_and_open(void)
{
    edn_bytes aad = edn_bytes_str("associated data");
    edn_seed key = {{1}};
    uint8_t pt[100] = {2}, rnd[32];
    edn_buf box = EDN_BUF_INIT(4096), out = EDN_BUF_INIT(4096);
    edn_status st;

    secret(&key, sizeof key);
    secret(pt, sizeof pt);
    fill_secret(NULL, rnd, sizeof rnd);
    st = edn_seal(&box, key.b, EDN_SUITE_1, aad, edn_bytes_of(pt, sizeof pt), rnd);
    if (st == EDN_OK) {
        public(box.p, box.n);
        st = edn_unseal(&out, key.b, EDN_SUITE_1, aad, edn_buf_view(&box));
        public(&st, sizeof st);
    }
    edn_buf_dispose(&box);
    edn_buf_dispose(&out);
    return st;
}

static edn_status sign_and_agree(void)
{
    edn_sign_pk pk;
    edn_sign_sk sk;
    edn_signature sig;
    edn_dh_sk dh_sk = {{3}};
    edn_dh_pk dh_pk;
    edn_seed seed = {{4}};

    secret(&seed, sizeof seed);
    secret(&dh_sk, sizeof dh_sk);
    edn_sign_keypair(seed.b, &pk, &sk);
    edn_sign_t(&sig, &sk, EDN_LABEL_SIG_LINK, edn_bytes_str("message"));
    edn_dh_keypair(&dh_sk, &dh_pk);
    public(&sig, sizeof sig);
    public(&pk, sizeof pk);
    public(&dh_pk, sizeof dh_pk);
    return edn_verify_t(&sig, &pk, EDN_LABEL_SIG_LINK, edn_bytes_str("message")) && edn_dh_pk_valid(&dh_pk) ? EDN_OK
                                                                                                            : EDN_E_SIG;
}

static edn_status grant(void)
{
    edn_grant_context cx = {.epoch = 1, .purpose = EDN_GRANT_ROOT};
    edn_root_key root = {{5}}, got;
    edn_dh_sk sk = {{6}};
    edn_dh_pk pk;
    edn_psk psk = {{7}};
    uint8_t out[EDN_GRANT_SIZE];
    edn_status st;

    edn_dh_keypair(&sk, &pk);
    secret(&root, sizeof root);
    secret(&sk, sizeof sk);
    secret(&psk, sizeof psk);
    st = edn_grant_seal(out, &cx, &pk, &root, &psk, edn_bytes_str("id"), &rng);
    public(&st, sizeof st);
    public(out, sizeof out);
    if (st == EDN_OK)
        st = edn_grant_open(&cx, &sk, edn_bytes_of(out, sizeof out), &psk, edn_bytes_str("id"), &got);
    public(&st, sizeof st);
    return st;
}

static edn_status hierarchy(void)
{
    edn_account_id a = {{1}};
    edn_space_id s = {{2}};
    edn_journal_id j = {{3}};
    edn_record_place at = {.dseq = 1};
    edn_root_key rk = {{4}}, before = {{5}};
    edn_journal_key jk = {{6}}, opened;
    edn_entry_key ek;
    edn_buf box = EDN_BUF_INIT(4096), prev = EDN_BUF_INIT(4096), rec = EDN_BUF_INIT(4096);
    edn_status st;

    secret(&rk, sizeof rk);
    secret(&before, sizeof before);
    secret(&jk, sizeof jk);
    if ((st = edn_prev_box_seal(&prev, &rk, &a, 1, &before, &rng)) != EDN_OK ||
        (st = edn_journal_key_seal(&box, &rk, &a, &s, &j, 1, 1, &jk, &rng)) != EDN_OK)
        goto out;
    public(box.p, box.n);
    st = edn_journal_key_open(&rk, &a, &s, &j, 1, 1, edn_buf_view(&box), &opened);
    public(&st, sizeof st);
    if (st != EDN_OK)
        goto out;
    edn_entry_key_of(&ek, &opened, &at.journal, &at.entry, 1);
    st = edn_record_seal(&rec, &ek, &at, edn_bytes_str("a line"), &rng);
out:
    edn_buf_dispose(&box);
    edn_buf_dispose(&prev);
    edn_buf_dispose(&rec);
    return st;
}

/* A share's commitment and whether it fits are public; secret, blinds and coefficients are not. */
static edn_status split_and_combine(void)
{
    edn_share_set set = {.needed = 3, .n = 5, .secret_size = 32};
    edn_recovery_key key = {{8}}, back;
    edn_share shares[5];
    edn_hash commitments[5];
    edn_status st;

    secret(&key, sizeof key);
    edn_shares_split(shares, &set, key.b, &rng);
    for (size_t i = 0; i < 5; i++) {
        commitments[i] = edn_share_commitment(&set, &shares[i]);
        public(&commitments[i], sizeof commitments[i]);
    }
    st = edn_shares_combine(back.b, &set, commitments, shares, 5, NULL);
    public(&st, sizeof st);
    if (st != EDN_OK)
        return st;
    public(&back, sizeof back);
    public(&key, sizeof key);
    return memcmp(&back, &key, sizeof key) == 0 ? EDN_OK : EDN_E_AUTH;
}

/* Words in, words out. How many they are, and that they are a share, is public, and so are the set's numbers. */
static edn_status read_and_write_words(void)
{
    char text[] = "duckling enlarge academic academic agency result length solution fridge kidney coal piece deal "
                  "husband erode duke ajar critical decision keyboard";
    edn_word_share share;
    edn_word words[EDN_WORDS_MAX];
    uint8_t back[EDN_SHARED_SECRET_SIZE_MAX];
    uint16_t numbers[EDN_WORDS_MAX];
    size_t n, unknown;
    edn_status st;

    secret(text, sizeof text - 1);
    edn_words_numbers(edn_bytes_of(text, sizeof text - 1), numbers, &n, &unknown);
    public(&n, sizeof n);
    public(numbers, 4 * sizeof *numbers); /* the set's numbers */
    st = edn_words_share(numbers, n, &share, NULL);
    public(&st, sizeof st);
    if (st != EDN_OK)
        return st;
    public(&share, offsetof(edn_word_share, value));
    edn_words_of(&share, words, &n);
    st = edn_words_combine(back, &share, 1, edn_bytes_str("TREZOR"), NULL);
    public(&st, sizeof st);
    public(words, sizeof words);
    return st == EDN_OK && n == 20 && strcmp(words[19].text, "keyboard") == 0 ? EDN_OK : EDN_E_AUTH;
}

/* What a QR code holds, to text and back. */
static edn_status write_and_read_an_offer(void)
{
    edn_pairing_offer offer = {.psk = {{1, 2, 3, 200}}};
    char text[EDN_PAIRING_OFFER_TEXT_SIZE];
    uint8_t back[81];
    bool good;

    secret(&offer, sizeof offer);
    edn_pairing_offer_text(text, &offer);
    good = edn_base32_decode(back, sizeof back, edn_bytes_of(text, sizeof text - 1));
    public(&good, sizeof good);
    public(back, sizeof back);
    return good && back[52] == 200 ? EDN_OK : EDN_E_AUTH;
}

static edn_status compare(void)
{
    uint8_t a[32] = {1}, b[32] = {1};
    bool same;

    secret(a, sizeof a);
    secret(b, sizeof b);
    same = edn_equal_ct(a, b, sizeof a);
    public(&same, sizeof same);
    return same ? EDN_OK : EDN_E_AUTH;
}

/* What this program must find: a comparison that stops at the first difference. */
static edn_status leak(void)
{
    uint8_t a[32] = {1}, b[32] = {1};

    secret(a, sizeof a);
    for (size_t i = 0; i < sizeof a; i++)
        if (a[i] != b[i])
            return EDN_E_AUTH;
    return EDN_OK;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (edn_crypto_init() != EDN_OK)
        return 2;
    if (argc > 1)
        return leak() == EDN_OK ? 0 : 1;
    if (seal_and_open() != EDN_OK || sign_and_agree() != EDN_OK || grant() != EDN_OK || hierarchy() != EDN_OK ||
        split_and_combine() != EDN_OK || read_and_write_words() != EDN_OK || write_and_read_an_offer() != EDN_OK ||
        compare() != EDN_OK) {
        fputs("a step failed\n", stderr);
        return 1;
    }
    return 0;
}
