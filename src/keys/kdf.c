#include "keys/keys_priv.h"

/* The record of a stretching, 32 bytes, an input of what is derived and so bound to it:
 *
 *      0  "EDNK"
 *      4  u8   version 1
 *      5  u8   algorithm 1: Argon2id 0x13
 *      6  u8   lanes 1
 *      7  u8   flags: bit 0, the account key is used; the rest zero
 *      8  u32  ops
 *     12  u32  memory, KiB
 *     16  salt 16
 *
 * It comes from a server, so its cost is bounded on both sides before anything is stretched: below, because a server
 * could ask for a login value that is cheap to search; above, because it could ask for all our memory (A15, A35). */

enum { VERSION = 1, ALGORITHM = 1, LANES = 1, FLAG_ACCOUNT_KEY = 1, OPS_AT = 8, MEM_AT = 12, SALT_SIZE = 16 };

static const uint8_t magic[4] = {'E', 'D', 'N', 'K'};

typedef struct cost {
    uint32_t ops, mem_kib;
} cost;

static const cost profiles[] = {
    [EDN_KDF_TEST] = {1, 8},
    [EDN_KDF_FLOOR] = {3, 64u << 10},
    [EDN_KDF_DEFAULT] = {3, 256u << 10},
    [EDN_KDF_HIGH] = {4, 1024u << 10},
};
static const cost ceiling = {16, 1024u << 10};

/* What a build made for tests takes as well (see meson.build: no program links it). */
#ifdef EDN_TEST_KDF
enum { PROFILE_MIN = EDN_KDF_TEST };
#else
enum { PROFILE_MIN = EDN_KDF_FLOOR };
#endif

void edn_kdf_record_make(edn_kdf_record *out, edn_kdf_profile profile, bool account_key, const uint8_t salt[16])
{
    EDN_ASSERT((size_t)profile < EDN_COUNT(profiles));
    memcpy(out->b, magic, sizeof magic);
    out->b[4] = VERSION;
    out->b[5] = ALGORITHM;
    out->b[6] = LANES;
    out->b[7] = account_key ? FLAG_ACCOUNT_KEY : 0;
    edn_store_u32(out->b + OPS_AT, profiles[profile].ops);
    edn_store_u32(out->b + MEM_AT, profiles[profile].mem_kib);
    memcpy(out->b + EDN_KDF_RECORD_SALT_AT, salt, SALT_SIZE);
}

edn_status edn_kdf_record_check(const edn_kdf_record *r, edn_kdf_profile floor)
{
    size_t least = floor > EDN_KDF_FLOOR ? (size_t)floor : (size_t)PROFILE_MIN;
    uint32_t ops = edn_load_u32(r->b + OPS_AT), mem_kib = edn_load_u32(r->b + MEM_AT);

    if (memcmp(r->b, magic, sizeof magic) != 0 || r->b[4] != VERSION || r->b[5] != ALGORITHM || r->b[6] != LANES ||
        (r->b[7] & ~FLAG_ACCOUNT_KEY) != 0)
        return EDN_E_KDF;
    if (least >= EDN_COUNT(profiles)) /* a policy of a later version: nothing here is enough */
        return EDN_E_KDF;
    if (ops < profiles[least].ops || mem_kib < profiles[least].mem_kib || ops > ceiling.ops ||
        mem_kib > ceiling.mem_kib)
        return EDN_E_KDF;
    return EDN_OK;
}

bool edn_kdf_record_uses_account_key(const edn_kdf_record *r) { return (r->b[7] & FLAG_ACCOUNT_KEY) != 0; }

edn_status edn_kdf_stretch(edn_bytes prepared, const edn_kdf_record *r, edn_stretched_key *out)
{
    edn_status st = edn_kdf_record_check(r, (edn_kdf_profile)PROFILE_MIN);

    if (st != EDN_OK)
        return st;
    return edn_argon2id(out->b, prepared, r->b + EDN_KDF_RECORD_SALT_AT, edn_load_u32(r->b + OPS_AT),
                        edn_load_u32(r->b + MEM_AT));
}

/* M: the wrap key, then the login seed. */
typedef struct unlock_pair {
    uint8_t wrap[32], login[32];
} unlock_pair;
EDN_SECRET_TYPE(unlock_pair)

edn_status edn_unlock_keys(edn_bytes prepared, const edn_account_key *s, const edn_account_id *account,
                           const edn_kdf_record *record, edn_wrap_key *wrap, edn_seed *login_seed)
{
    EDN_SECRET(edn_stretched_key) a = EDN_KEY_EMPTY;
    EDN_SECRET(unlock_pair) m = EDN_KEY_EMPTY;
    bool used = edn_kdf_record_uses_account_key(record);
    edn_status st;

    memset(wrap, 0, sizeof *wrap);
    memset(login_seed, 0, sizeof *login_seed);
    if (used && !s)
        return EDN_E_INVALID;
    if ((st = edn_kdf_stretch(prepared, record, &a)) != EDN_OK)
        return st;
    edn_kdf_t(&m, sizeof m, a.b, EDN_LABEL_MUK, used ? EDN_F(*s) : EDN_BYTES_EMPTY, EDN_F(*account), EDN_F(*record));
    memcpy(wrap->b, m.wrap, sizeof wrap->b);
    memcpy(login_seed->b, m.login, sizeof login_seed->b);
    return EDN_OK;
}
