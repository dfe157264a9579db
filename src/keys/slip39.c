#include "keys/keys_priv.h"

/* SLIP-0039: a secret on paper, as words (github.com/satoshilabs/slips, slip-0039.md). A word is ten bits:
 *
 *     bit  0  15  id of the set                28  4  group count - 1
 *         15   1  extendable                   32  4  member index
 *         16   4  iteration exponent           36  4  member threshold - 1
 *         20   4  group index                  40     zeros, then the share's value, up to a whole word
 *         24   4  group threshold - 1         end 30  checksum: RS1024 over all words before
 *
 * The secret is first enciphered under a passphrase (which may be empty), then split among groups, then each group's
 * share among its members. At x = 255 stands what was split, at x = 254 a digest of it: four bytes of HMAC and the
 * random rest, which is the HMAC's key.
 *
 * Words and values are secret. Reading a text keeps no account of where its words end but in masks: every letter is
 * offered to every word, every word is compared with the whole list. */

enum {
    BITS = 10,
    HEAD_WORDS = 4,
    CHECK_WORDS = 3,
    SIZE_MIN = 16,
    SECRET_X = 255,
    DIGEST_X = 254,
    DIGEST_SIZE = 4,
    TEXT_SIZE_MAX = 512,
    ROUNDS = 4,
    ROUND_ITERATIONS = 2500
};

typedef struct word_numbers {
    uint16_t b[EDN_WORDS_MAX];
} word_numbers;
EDN_SECRET_TYPE(word_numbers)

typedef struct round_passphrase {
    uint8_t b[1 + EDN_WORDS_PASSPHRASE_MAX]; /* the round's number before it */
} round_passphrase;
EDN_SECRET_TYPE(round_passphrase)

/* 32 bits, all set when a equals b. */
static uint32_t mask_equal(uint32_t a, uint32_t b)
{
    volatile uint32_t differ = a ^ b; /* volatile: or the compiler makes a branch of it */
    uint32_t d = differ;

    return ((d | (0u - d)) >> 31) - 1u;
}

/* ---- RS1024 ------------------------------------------------------------------------------------------------------ */

static uint32_t checksum_step(uint32_t sum, uint32_t word)
{
    static const uint32_t generator[BITS] = {0x00e0e040, 0x01c1c080, 0x03838100, 0x07070200, 0x0e0e0009,
                                             0x1c0c2412, 0x38086c24, 0x3090fc48, 0x21b1f890, 0x03f3f120};
    uint32_t top = sum >> 20;

    sum = (sum & 0xfffff) << BITS ^ word;
    for (unsigned i = 0; i < BITS; i++)
        sum ^= generator[i] & mask_equal(top >> i & 1, 1);
    return sum;
}

/* 1 for words whose checksum fits. Whether the set is extendable is public. */
static uint32_t checksum(const word_numbers *w, size_t n, bool extendable)
{
    const char *custom = extendable ? "shamir_extendable" : "shamir";
    uint32_t sum = 1;

    for (; *custom; custom++)
        sum = checksum_step(sum, (uint8_t)*custom);
    for (size_t i = 0; i < n; i++)
        sum = checksum_step(sum, w->b[i]);
    return sum;
}

/* The number, from 1, of the one word that, were it another, would make the checksum fit; 0 if one word is not enough.
 * The checksum is linear: what it is off by depends on the error alone, and tells nothing of the words. */
static size_t wrong_word(uint32_t off, size_t n)
{
    for (uint32_t error = 1; error < EDN_WORD_COUNT; error++) {
        uint32_t sum = error;

        for (size_t i = n; i > 0; i--) {
            if (sum == off)
                return i;
            sum = checksum_step(sum, 0);
        }
    }
    return 0;
}

/* ---- words and text ---------------------------------------------------------------------------------------------- */

/* Every word's letters in eight bytes, the last lowest. */
typedef struct packed_words {
    uint64_t b[EDN_WORDS_MAX + 1]; /* the last collects what is too much */
} packed_words;
EDN_SECRET_TYPE(packed_words)

/* 64 bits, all set when c separates words. */
static uint64_t mask_of_blank(uint8_t c)
{
    uint32_t blank = mask_equal(c, ' ') | mask_equal(c, '\n') | mask_equal(c, '\t') | mask_equal(c, '\r');

    return (uint64_t)blank << 32 | blank;
}

/* Sets how many words there are. A ninth letter pushes the first out and leaves a word that is in no list: all of its
 * bits are set. */
static void text_split(edn_bytes text, packed_words *out, size_t *n)
{
    uint64_t in_word = 0;
    uint32_t count = 0;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        uint64_t blank = mask_of_blank(c);

        count += (uint32_t)(in_word & blank & 1);
        in_word = ~blank;
        c |= 0x20; /* capitals; no other byte becomes a letter of the list that was not one */
        for (uint32_t k = 0; k <= EDN_WORDS_MAX; k++) {
            uint32_t here = mask_equal(k, count);
            uint64_t mine = ((uint64_t)here << 32 | here) & in_word;
            uint32_t room = mask_equal((uint32_t)(out->b[k] >> 56), 0);
            uint64_t next = (out->b[k] << 8 | c) | ~((uint64_t)room << 32 | room);

            out->b[k] = (next & mine) | (out->b[k] & ~mine);
        }
    }
    count += (uint32_t)(in_word & 1);
    *n = count;
}

static uint64_t listed_word(size_t i)
{
    uint64_t packed = 0;

    for (size_t k = 0; k < 8 && edn_slip39_words[i][k]; k++)
        packed = packed << 8 | (uint8_t)edn_slip39_words[i][k];
    return packed;
}

/* The numbers of the first n words; *unknown: from 1, the first that is not in the list (an empty one neither), else
 * 0. */
static void words_find(const packed_words *packed, size_t n, word_numbers *out, size_t *unknown)
{
    uint32_t first = 0;

    memset(out, 0, sizeof *out);
    for (size_t k = n; k-- > 0;) {
        uint32_t found = 0;

        for (uint32_t i = 0; i < EDN_WORD_COUNT; i++) {
            uint64_t differ = packed->b[k] ^ listed_word(i);
            uint32_t same = mask_equal((uint32_t)(differ | differ >> 32), 0);

            out->b[k] |= (uint16_t)(i & same);
            found |= same;
        }
        first = (first & found) | ((uint32_t)(k + 1) & ~found);
    }
    *unknown = first;
}

/* ---- one share --------------------------------------------------------------------------------------------------- */

static size_t value_words(size_t size) { return (8 * size + BITS - 1) / BITS; }

static void bits_put(uint16_t *w, size_t at, size_t n, unsigned value)
{
    for (size_t i = 0; i < n; i++)
        w[(at + i) / BITS] |= (uint16_t)((value >> (n - 1 - i) & 1u) << (BITS - 1 - (at + i) % BITS));
}

static unsigned bits_get(const uint16_t *w, size_t at, size_t n)
{
    unsigned value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 1 | (w[(at + i) / BITS] >> (BITS - 1 - (at + i) % BITS) & 1u);
    return value;
}

static void share_put(const edn_word_share *s, word_numbers *w, size_t *n)
{
    size_t body = HEAD_WORDS + value_words(s->size), at = body * BITS - 8 * (size_t)s->size;
    uint32_t sum;

    EDN_ASSERT(s->size >= SIZE_MIN && s->size <= EDN_SHARED_SECRET_SIZE_MAX && s->size % 2 == 0);
    memset(w, 0, sizeof *w);
    bits_put(w->b, 0, 15, s->id);
    bits_put(w->b, 15, 1, s->extendable);
    bits_put(w->b, 16, 4, s->exponent);
    bits_put(w->b, 20, 4, s->group);
    bits_put(w->b, 24, 4, s->group_needed - 1u);
    bits_put(w->b, 28, 4, s->group_n - 1u);
    bits_put(w->b, 32, 4, s->member);
    bits_put(w->b, 36, 4, s->member_needed - 1u);
    for (size_t i = 0; i < s->size; i++)
        bits_put(w->b, at + 8 * i, 8, s->value[i]);
    sum = checksum(w, body + CHECK_WORDS, s->extendable) ^ 1;
    bits_put(w->b, body * BITS, CHECK_WORDS * BITS, sum);
    *n = body + CHECK_WORDS;
}

void edn_words_of(const edn_word_share *share, edn_word words[EDN_WORDS_MAX], size_t *n)
{
    EDN_SECRET(word_numbers) w = EDN_KEY_EMPTY;

    share_put(share, &w, n);
    memset(words, 0, EDN_WORDS_MAX * sizeof *words);
    for (size_t k = 0; k < *n; k++)
        for (uint32_t i = 0; i < EDN_WORD_COUNT; i++)
            for (size_t c = 0; c < 8; c++)
                words[k].text[c] |= (char)((uint32_t)edn_slip39_words[i][c] & mask_equal(i, w.b[k]));
}

/* From words whose checksum fits. False: bits before the value that are not zero. */
static bool share_read(const word_numbers *w, size_t n, edn_word_share *out)
{
    size_t body = n - CHECK_WORDS, space = (body - HEAD_WORDS) * BITS, padding = space % 16, at;

    memset(out, 0, sizeof *out);
    out->id = (uint16_t)bits_get(w->b, 0, 15);
    out->extendable = bits_get(w->b, 15, 1);
    out->exponent = (uint8_t)bits_get(w->b, 16, 4);
    out->group = (uint8_t)bits_get(w->b, 20, 4);
    out->group_needed = (uint8_t)(bits_get(w->b, 24, 4) + 1);
    out->group_n = (uint8_t)(bits_get(w->b, 28, 4) + 1);
    out->member = (uint8_t)bits_get(w->b, 32, 4);
    out->member_needed = (uint8_t)(bits_get(w->b, 36, 4) + 1);
    out->size = (uint8_t)((space - padding) / 8);
    at = HEAD_WORDS * BITS + padding;
    for (size_t i = 0; i < out->size; i++)
        out->value[i] = (uint8_t)bits_get(w->b, at + 8 * i, 8);
    return bits_get(w->b, HEAD_WORDS * BITS, padding) == 0;
}

void edn_words_numbers(edn_bytes text, uint16_t out[EDN_WORDS_MAX], size_t *n, size_t *unknown)
{
    EDN_SECRET(packed_words) packed = EDN_KEY_EMPTY;
    EDN_SECRET(word_numbers) w = EDN_KEY_EMPTY;

    text_split(text, &packed, n);
    words_find(&packed, EDN_WORDS_MAX, &w, unknown);
    memcpy(out, w.b, sizeof w.b);
}

edn_status edn_words_share(const uint16_t words[EDN_WORDS_MAX], size_t n, edn_word_share *out, edn_err *err)
{
    EDN_SECRET(word_numbers) w = EDN_KEY_EMPTY;
    EDN_SECRET(edn_word_share) share = {.size = 0};
    uint32_t off;
    size_t wrong;

    memcpy(w.b, words, sizeof w.b);
    off = checksum(&w, n, bits_get(w.b, 15, 1)) ^ 1;
    if (off) {
        wrong = wrong_word(off, n);
        return wrong ? edn_fail(err, EDN_E_INVALID, "word %zu seems to be the wrong one, if only one is", wrong)
                     : edn_fail(err, EDN_E_INVALID, "these words do not fit together: more than one is wrong");
    }
    if (!share_read(&w, n, &share) || share.group_needed > share.group_n)
        return edn_fail(err, EDN_E_INVALID, "these words say what no share can say: it was not made properly");
    *out = share;
    return EDN_OK;
}

edn_status edn_words_parse(edn_bytes text, edn_word_share *out, edn_err *err)
{
    EDN_SECRET(word_numbers) w = EDN_KEY_EMPTY;
    size_t n, unknown;

    memset(out, 0, sizeof *out);
    if (text.n > TEXT_SIZE_MAX)
        return edn_fail(err, EDN_E_INVALID, "that is too long for a share: it has 20 or 33 words");
    edn_words_numbers(text, w.b, &n, &unknown);
    if (unknown && unknown <= n && n <= EDN_WORDS_MAX)
        return edn_fail(err, EDN_E_INVALID, "word %zu is not in the list of words", unknown);
    /* 16 bytes take 20 words, 32 take 33; between them, each length whose padding is at most one byte. */
    if (n < HEAD_WORDS + value_words(SIZE_MIN) + CHECK_WORDS || n > EDN_WORDS_MAX ||
        (n - HEAD_WORDS - CHECK_WORDS) * BITS % 16 > 8)
        return edn_fail(err, EDN_E_INVALID, "a share has 20 or 33 words, and this has %zu", n);
    return edn_words_share(w.b, n, out, err);
}

/* ---- the passphrase ---------------------------------------------------------------------------------------------- */

/* Four Feistel rounds; backwards to decipher. */
static void secret_cipher(uint8_t *secret, size_t size, edn_bytes passphrase, const edn_word_share *of, bool decipher)
{
    EDN_SECRET(round_passphrase) pass;
    uint8_t salt[8 + EDN_SHARED_SECRET_SIZE_MAX / 2] = "shamir", f[EDN_SHARED_SECRET_SIZE_MAX / 2];
    size_t half = size / 2, prefix = of->extendable ? 0 : 8;
    uint8_t l[EDN_SHARED_SECRET_SIZE_MAX / 2], r[EDN_SHARED_SECRET_SIZE_MAX / 2];

    salt[6] = (uint8_t)(of->id >> 8);
    salt[7] = (uint8_t)of->id;
    memcpy(l, secret, half);
    memcpy(r, secret + half, half);
    memcpy(pass.b + 1, passphrase.n ? passphrase.p : pass.b, passphrase.n);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pass.b[0] = (uint8_t)(decipher ? ROUNDS - 1 - i : i);
        memcpy(salt + prefix, r, half);
        edn_pbkdf2_sha256(f, half, edn_bytes_of(pass.b, 1 + passphrase.n), edn_bytes_of(salt, prefix + half),
                          (uint32_t)ROUND_ITERATIONS << of->exponent);
        for (size_t k = 0; k < half; k++)
            f[k] ^= l[k];
        memcpy(l, r, half);
        memcpy(r, f, half);
    }
    memcpy(secret, r, half);
    memcpy(secret + half, l, half);
    edn_wipe(salt, sizeof salt);
    edn_wipe(f, sizeof f);
    edn_wipe(l, sizeof l);
    edn_wipe(r, sizeof r);
}

static bool passphrase_valid(edn_bytes passphrase)
{
    uint8_t bad = 0;

    for (size_t i = 0; i < passphrase.n; i++)
        bad |= (uint8_t)((passphrase.p[i] - 32u) >> 31 | (126u - passphrase.p[i]) >> 31);
    return passphrase.n <= EDN_WORDS_PASSPHRASE_MAX && !bad;
}

/* ---- splitting and combining ------------------------------------------------------------------------------------- */

typedef struct split_values {
    uint8_t b[EDN_SHARES_MAX][EDN_SHARED_SECRET_SIZE_MAX];
} split_values;
EDN_SECRET_TYPE(split_values)

static void digest_of(uint8_t out[DIGEST_SIZE], const uint8_t *secret, const uint8_t *random, size_t size)
{
    EDN_SECRET(edn_seed) mac = EDN_KEY_EMPTY;

    edn_hmac_sha256(mac.b, edn_bytes_of(random, size - DIGEST_SIZE), edn_bytes_of(secret, size));
    memcpy(out, mac.b, DIGEST_SIZE);
}

/* The first needed - 2 shares are random, the others lie on the polynomial through them, digest and secret. */
static void value_split(split_values *out, const uint8_t *secret, size_t size, size_t needed, size_t n,
                        const edn_random *rng)
{
    EDN_SECRET(edn_seed) digest = EDN_KEY_EMPTY;
    edn_gf_point base[EDN_SHARES_MAX];
    size_t chosen = needed < 2 ? 0 : needed - 2;

    memset(out, 0, sizeof *out);
    if (needed == 1) {
        for (size_t i = 0; i < n; i++)
            memcpy(out->b[i], secret, size);
        return;
    }
    for (size_t i = 0; i < chosen; i++) {
        rng->fill(rng->ctx, out->b[i], size);
        base[i] = (edn_gf_point){(uint8_t)i, out->b[i]};
    }
    rng->fill(rng->ctx, digest.b + DIGEST_SIZE, size - DIGEST_SIZE);
    digest_of(digest.b, secret, digest.b + DIGEST_SIZE, size);
    base[chosen] = (edn_gf_point){DIGEST_X, digest.b};
    base[chosen + 1] = (edn_gf_point){SECRET_X, secret};
    for (size_t i = chosen; i < n; i++)
        edn_gf_interpolate(out->b[i], size, (uint8_t)i, base, needed);
}

/* EDN_E_AUTH: the digest says that these do not belong together. */
static edn_status value_combine(uint8_t *out, size_t size, const edn_gf_point *points, size_t needed)
{
    EDN_SECRET(edn_seed) digest = EDN_KEY_EMPTY;
    uint8_t want[DIGEST_SIZE];

    if (needed == 1) {
        memcpy(out, points[0].y, size);
        return EDN_OK;
    }
    edn_gf_interpolate(out, size, SECRET_X, points, needed);
    edn_gf_interpolate(digest.b, size, DIGEST_X, points, needed);
    digest_of(want, out, digest.b + DIGEST_SIZE, size);
    return edn_equal_ct(want, digest.b, sizeof want) ? EDN_OK : EDN_E_AUTH;
}

static bool plan_valid(const edn_words_plan *plan)
{
    if (plan->group_needed < 1 || plan->group_needed > plan->group_n || plan->group_n > EDN_SHARES_MAX ||
        plan->exponent > EDN_WORDS_EXPONENT_MAX)
        return false;
    for (size_t g = 0; g < plan->group_n; g++)
        if (plan->groups[g].needed < 1 || plan->groups[g].needed > plan->groups[g].n ||
            plan->groups[g].n > EDN_SHARES_MAX || (plan->groups[g].needed == 1 && plan->groups[g].n > 1))
            return false;
    return true;
}

edn_status edn_words_split(edn_word_share *out, const edn_words_plan *plan, edn_bytes secret, edn_bytes passphrase,
                           const edn_random *rng)
{
    EDN_SECRET(split_values) groups, members;
    EDN_SECRET(edn_seed) ciphered = EDN_KEY_EMPTY;
    edn_word_share common = {.extendable = true, .size = (uint8_t)secret.n};
    uint8_t id[2];

    if ((secret.n != 16 && secret.n != 32) || !plan_valid(plan) || !passphrase_valid(passphrase))
        return EDN_E_INVALID;
    rng->fill(rng->ctx, id, sizeof id);
    common.id = (uint16_t)((id[0] << 8 | id[1]) & 0x7fff);
    common.exponent = plan->exponent;
    common.group_needed = plan->group_needed;
    common.group_n = plan->group_n;
    memcpy(ciphered.b, secret.p, secret.n);
    secret_cipher(ciphered.b, secret.n, passphrase, &common, false);
    value_split(&groups, ciphered.b, secret.n, plan->group_needed, plan->group_n, rng);
    for (size_t g = 0; g < plan->group_n; g++) {
        value_split(&members, groups.b[g], secret.n, plan->groups[g].needed, plan->groups[g].n, rng);
        for (size_t m = 0; m < plan->groups[g].n; m++, out++) {
            *out = common;
            out->group = (uint8_t)g;
            out->member = (uint8_t)m;
            out->member_needed = plan->groups[g].needed;
            memcpy(out->value, members.b[m], secret.n);
        }
    }
    return EDN_OK;
}

/* Whether share i may stand beside those before it. */
static edn_status share_fits(const edn_word_share *shares, size_t i, edn_err *err)
{
    const edn_word_share *s = &shares[i], *a = &shares[0];

    if (s->id != a->id || s->extendable != a->extendable || s->exponent != a->exponent || s->size != a->size ||
        s->group_needed != a->group_needed || s->group_n != a->group_n)
        return edn_fail(err, EDN_E_INVALID, "share %zu is of another set than the first", i + 1);
    for (size_t k = 0; k < i; k++) {
        if (shares[k].group != s->group)
            continue;
        if (shares[k].member_needed != s->member_needed)
            return edn_fail(err, EDN_E_INVALID, "shares %zu and %zu do not agree on how many are needed", k + 1, i + 1);
        if (shares[k].member == s->member)
            return edn_fail(err, EDN_E_EXISTS, "shares %zu and %zu are the same one", k + 1, i + 1);
    }
    return EDN_OK;
}

/* The group's own share, from its first members. EDN_E_MISSING: there are too few of them. */
static edn_status group_combine(uint8_t *out, const edn_word_share *shares, size_t n, uint8_t group)
{
    edn_gf_point points[EDN_SHARES_MAX];
    size_t have = 0;

    for (size_t i = 0; i < n; i++) {
        if (shares[i].group != group)
            continue;
        points[have++] = (edn_gf_point){shares[i].member, shares[i].value};
        if (have == shares[i].member_needed)
            return value_combine(out, shares[i].size, points, have);
    }
    return EDN_E_MISSING;
}

edn_status edn_words_combine(uint8_t *secret, const edn_word_share *shares, size_t n, edn_bytes passphrase,
                             edn_err *err)
{
    EDN_SECRET(split_values) groups;
    edn_gf_point points[EDN_SHARES_MAX];
    size_t have = 0;
    edn_status st;

    if (n == 0)
        return edn_fail(err, EDN_E_MISSING, "no shares");
    if (!passphrase_valid(passphrase))
        return edn_fail(err, EDN_E_INVALID, "the passphrase of word shares is printable ASCII, at most 64 letters");
    if (shares[0].exponent > EDN_WORDS_EXPONENT_MAX)
        return edn_fail(err, EDN_E_KDF, "these shares ask for more work than any honest maker would");
    for (size_t i = 0; i < n; i++)
        if ((st = share_fits(shares, i, err)) != EDN_OK)
            return st;
    for (uint8_t g = 0; g < EDN_SHARES_MAX && have < shares[0].group_needed; g++) {
        st = group_combine(groups.b[have], shares, n, g);
        if (st == EDN_E_AUTH)
            return edn_fail(err, st, "the shares of group %u do not belong together: one of them is false", g + 1u);
        if (st == EDN_OK) {
            points[have] = (edn_gf_point){g, groups.b[have]};
            have++;
        }
    }
    if (have < shares[0].group_needed)
        return edn_fail(err, EDN_E_MISSING, "there are not enough shares yet");
    if (value_combine(secret, shares[0].size, points, have) != EDN_OK) {
        edn_wipe(secret, shares[0].size);
        return edn_fail(err, EDN_E_AUTH, "these groups do not belong together: one of them is false");
    }
    secret_cipher(secret, shares[0].size, passphrase, &shares[0], true);
    return EDN_OK;
}

/* ---- a hash as words --------------------------------------------------------------------------------------------- */

void edn_words_of_hash(char *out, size_t n, const edn_hash *h)
{
    for (size_t i = 0; i < n; i++) {
        size_t bit = 10 * i;
        unsigned three = (unsigned)h->b[bit / 8] << 16 | (unsigned)h->b[bit / 8 + 1] << 8 | h->b[bit / 8 + 2];
        const char *word = edn_slip39_words[three >> (14 - bit % 8) & 1023];

        if (i)
            *out++ = ' ';
        for (size_t k = 0; k < 8 && word[k]; k++)
            *out++ = word[k];
    }
    *out = 0;
}
