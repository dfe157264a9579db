/* What the linker puts in front of functions of src and of the C library (-Wl,--wrap): a register of every nonce, and
 * allocations that fail. Nothing in src knows of it. A stretching that costs nothing is tests/support/stretch.c. */
#include "sim.h"

#include <stdlib.h>

#include "crypto/seal.h"

static sim *world;

/* ---- keys, which no server may hold ------------------------------------------------------------------------------ */

#define KEYS_MAX 32768u
#define KEY_SLOTS (2 * KEYS_MAX)
#define KEY_FILTER_BITS ((size_t)1 << 20)
static uint8_t keys[KEYS_MAX][32];
static size_t keys_n;
static uint16_t key_slots[KEY_SLOTS];             /* 1 + where; 0: empty */
static uint64_t key_filter[KEY_FILTER_BITS / 64]; /* by the first bytes of a key: most places are passed over by it */

static size_t key_find(const uint8_t key[32], uint64_t first)
{
    size_t at = first % KEY_SLOTS;

    while (key_slots[at] && memcmp(keys[key_slots[at] - 1], key, 32) != 0)
        at = (at + 1) % KEY_SLOTS;
    return at;
}

static void key_note(const uint8_t key[32])
{
    uint64_t first = edn_load_u64(key);
    size_t at;

    if (!world || !world->keeper.on || keys_n == KEYS_MAX || key_slots[at = key_find(key, first)])
        return;
    memcpy(keys[keys_n++], key, 32);
    key_slots[at] = (uint16_t)keys_n;
    key_filter[first % KEY_FILTER_BITS / 64] |= 1ull << first % 64;
}

/* Those of batches once more, in order. */
#define BATCH_KEYS_MAX 512u
static uint8_t batch_keys[BATCH_KEYS_MAX][32];
static size_t batch_keys_n;

static void batch_key_note(const uint8_t key[32], edn_bytes aad)
{
    if (aad.n != EDN_BATCH_HEADER_SIZE || !world || !world->keeper.on)
        return;
    for (size_t i = batch_keys_n; i-- > 0;)
        if (memcmp(batch_keys[i], key, 32) == 0)
            return;
    if (batch_keys_n == BATCH_KEYS_MAX)
        sim_stop("keys", "more keys of batches than there is room for");
    memcpy(batch_keys[batch_keys_n++], key, 32);
}

size_t wrap_batch_keys(void) { return batch_keys_n; }

bool wrap_finds_key(edn_bytes b)
{
    for (size_t i = 0; i + 32 <= b.n; i++) {
        uint64_t first = edn_load_u64(b.p + i);
        if (key_filter[first % KEY_FILTER_BITS / 64] >> first % 64 & 1 && key_slots[key_find(b.p + i, first)])
            return true;
    }
    return false;
}

/* ---- nonces ------------------------------------------------------------------------------------------------------ */

/* A key and a nonce, and what was sealed under them. */
typedef struct used {
    uint64_t pair[2], what;
} used;

static used *table;
static size_t table_n, table_cap;
#define TABLE_CAP ((size_t)1 << 15)
static unsigned alloc_paused; /* how deep */
static uint64_t turn;         /* boxes opened */

void wrap_begin(sim *s)
{
    world = s;
    table_n = 0;
    turn = 0;
    alloc_paused = 0;
    if (keys_n) {
        keys_n = batch_keys_n = 0;
        memset(key_slots, 0, sizeof key_slots);
        memset(key_filter, 0, sizeof key_filter);
    }
    if (!s && table_cap > TABLE_CAP) { /* a long seed's: memory is compared from seed to seed */
        free(table);
        table = NULL;
        table_cap = 0;
    }
    if (table)
        memset(table, 0, table_cap * sizeof *table);
}

static used *slot(used *t, size_t cap, const uint64_t pair[2])
{
    size_t at = pair[0] & (cap - 1);

    while ((t[at].pair[0] || t[at].pair[1]) && memcmp(t[at].pair, pair, 16) != 0)
        at = (at + 1) & (cap - 1);
    return &t[at];
}

static void table_grow(void)
{
    size_t cap = table_cap ? 2 * table_cap : TABLE_CAP;
    used *t = calloc(cap, sizeof *t);

    if (!t)
        sim_stop("memory", "nonces");
    for (size_t i = 0; i < table_cap; i++)
        if (table[i].pair[0] || table[i].pair[1])
            *slot(t, cap, table[i].pair) = table[i];
    free(table);
    table = t;
    table_cap = cap;
}

static void note(const uint8_t *box, const uint8_t key[32], edn_bytes aad, size_t pt_n)
{
    uint64_t pair[2], what = sim_hash(sim_hash(pt_n, aad.p, aad.n), box, pt_n + EDN_SEAL_OVERHEAD);
    used *u;

    if (!world)
        return;
    key_note(key);
    batch_key_note(key, aad);
    pair[0] = sim_hash(sim_hash(1, key, 32), box, EDN_SEAL_NONCE_SIZE);
    pair[1] = sim_hash(sim_hash(2, key, 32), box, EDN_SEAL_NONCE_SIZE);
    if (2 * table_n >= table_cap)
        table_grow();
    u = slot(table, table_cap, pair);
    if (!u->pair[0] && !u->pair[1]) {
        *u = (used){{pair[0], pair[1]}, what};
        table_n++;
    } else if (u->what != what) {
        sim_violation(world, "a nonce was used twice under one key");
    }
    world->f.checks++;
}

void __real_edn_seal_in_place(uint8_t *box, size_t pt_n, const uint8_t key[32], uint16_t suite, edn_bytes aad,
                              const uint8_t rnd[32]);
void __wrap_edn_seal_in_place(uint8_t *box, size_t pt_n, const uint8_t key[32], uint16_t suite, edn_bytes aad,
                              const uint8_t rnd[32]);
edn_status __real_edn_seal(edn_buf *out, const uint8_t key[32], uint16_t suite, edn_bytes aad, edn_bytes pt,
                           const uint8_t rnd[32]);
edn_status __wrap_edn_seal(edn_buf *out, const uint8_t key[32], uint16_t suite, edn_bytes aad, edn_bytes pt,
                           const uint8_t rnd[32]);

void __wrap_edn_seal_in_place(uint8_t *box, size_t pt_n, const uint8_t key[32], uint16_t suite, edn_bytes aad,
                              const uint8_t rnd[32])
{
    __real_edn_seal_in_place(box, pt_n, key, suite, aad, rnd);
    note(box, key, aad, pt_n);
}

edn_status __wrap_edn_seal(edn_buf *out, const uint8_t key[32], uint16_t suite, edn_bytes aad, edn_bytes pt,
                           const uint8_t rnd[32])
{
    edn_status st = __real_edn_seal(out, key, suite, aad, pt, rnd);

    if (st == EDN_OK)
        note(out->p + out->n - pt.n - EDN_SEAL_OVERHEAD, key, aad, pt.n);
    return st;
}

/* ---- boxes that were touched ------------------------------------------------------------------------------------- */

edn_status __real_edn_unseal(edn_buf *out, const uint8_t key[32], uint16_t suite, edn_bytes aad, edn_bytes box);
edn_status __wrap_edn_unseal(edn_buf *out, const uint8_t key[32], uint16_t suite, edn_bytes aad, edn_bytes box);

/* Now and then a box that opens is opened once more with one bit of its head or its end turned: it must not. */
edn_status __wrap_edn_unseal(edn_buf *out, const uint8_t key[32], uint16_t suite, edn_bytes aad, edn_bytes box)
{
    edn_status st = __real_edn_unseal(out, key, suite, aad, box);
    edn_buf ignored = EDN_BUF_INIT(EDN_BUF_UNLIMITED), copy = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t at;

    if (st == EDN_OK) {
        key_note(key);
        batch_key_note(key, aad);
    }
    if (st != EDN_OK || !world || ++turn % 97 != 0)
        return st;
    alloc_paused++;
    edn_put_bytes(&copy, box.p, box.n);
    at = turn / 97 % (EDN_SEAL_OVERHEAD);
    at = at < EDN_SEAL_HEAD_SIZE ? at : box.n - 1 - (at - EDN_SEAL_HEAD_SIZE);
    copy.p[at] ^= (uint8_t)(1u << turn % 8);
    if (__real_edn_unseal(&ignored, key, suite, aad, edn_buf_view(&copy)) == EDN_OK)
        sim_violation(world, "a sealed box opens though a bit of it was turned");
    edn_buf_dispose(&ignored);
    edn_buf_dispose(&copy);
    alloc_paused--;
    world->f.checks++;
    return st;
}

bool wrap_batch_opens(const edn_batch *b, size_t first)
{
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    bool opens = false;

    for (size_t i = 0; i < first && !opens; i++)
        opens = __real_edn_unseal(&out, batch_keys[i], b->header.suite, b->header_bytes, b->box) == EDN_OK;
    edn_buf_wipe(&out);
    return opens;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static uint64_t alloc_fail_in;
static bool alloc_failed;

void wrap_fail_alloc(uint64_t at)
{
    alloc_fail_in = at;
    alloc_failed = false;
}

bool wrap_alloc_failed(void) { return alloc_failed; }

void wrap_pause(bool on) { alloc_paused = on ? alloc_paused + 1 : alloc_paused - 1; }

static bool fails(void)
{
    if (alloc_paused || alloc_fail_in == 0 || --alloc_fail_in > 0)
        return false;
    return alloc_failed = true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }
