/* Compression before sealing: u8 method ‖ payload.
 *
 *     0   the bytes as they are
 *     1   varint size ‖ one zstd frame (RFC 8878) without checksum, content size and dictionary id
 *     2   dictionary tag 4 ‖ varint size ‖ one such frame made with that dictionary
 *
 * Diary entries are short, and most of what a compressor could use stands in the other entries: a dictionary trained on
 * some of them makes a frame a third smaller, and faster to make. Dictionaries are the account's own, sealed and sent
 * like anything else
 *
 *     EDN_TABLE_META   "dictionary" ‖ tag 4    the dictionary         tag = the first 4 bytes of its H32
 *                      "dictionary-current"    tag 4 ‖ u64 live entries when it was made; 0: it came from elsewhere
 *                      "dictionary-tried"      u64 live entries when one was last trained, or was not to be had
 *
 * and used only where one person wrote it all (SECURITY 2.8): records of a shared space are sent as they are, so
 * lengths tell nobody about anybody else's words. The size stands in front, so that a frame cannot make its reader
 * allocate more than its caller allows. */
#include "client/client_priv.h"

#include <stdlib.h>
/* The trainer with its parameters given: searching for them costs ten times as much. */
#define ZDICT_STATIC_LINKING_ONLY
#include <zdict.h>
#include <zstd.h>

enum { METHOD_RAW = 0, METHOD_ZSTD = 1, METHOD_DICTIONARY = 2 };
#define PACK_SIZE_MIN 48u                      /* below this a frame's own bytes eat the gain */
#define DICTIONARY_USE_MAX ((size_t)256 << 10) /* a long text is its own best dictionary */
#define DICTIONARIES_MAX 16u                   /* held ready at one time */
#define LEVELS 2u

typedef struct dictionary {
    uint8_t tag[4];
    ZSTD_CDict *c[LEVELS]; /* made when they are first needed */
    ZSTD_DDict *d;
    edn_buf bytes;
    uint64_t used;
} dictionary;

struct codec {
    ZSTD_CCtx *c;
    ZSTD_DCtx *d;
    dictionary at[DICTIONARIES_MAX];
    size_t n;
    bool current_known; /* whether `current` was looked up since the last codec_forget */
    bool has_current;
    uint8_t current[4];
    uint64_t clock;
};

edn_status codec_new(codec **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? EDN_OK : EDN_E_NOMEM;
}

/* zstd's workspaces are made when they are needed. */
static bool have_workspaces(codec *k)
{
    if (!k->c)
        k->c = ZSTD_createCCtx();
    if (!k->d)
        k->d = ZSTD_createDCtx();
    return k->c && k->d;
}

static void dictionary_dispose(dictionary *d)
{
    for (size_t i = 0; i < LEVELS; i++)
        ZSTD_freeCDict(d->c[i]);
    ZSTD_freeDDict(d->d);
    edn_buf_wipe(&d->bytes);
    memset(d, 0, sizeof *d);
}

void codec_forget(codec *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->n; i++)
        dictionary_dispose(&k->at[i]);
    k->n = 0;
    k->current_known = false;
}

void codec_lock(codec *k)
{
    codec_forget(k);
    if (!k)
        return;
    ZSTD_freeCCtx(k->c);
    ZSTD_freeDCtx(k->d);
    k->c = NULL;
    k->d = NULL;
}

void codec_free(codec *k)
{
    codec_lock(k);
    free(k);
}

/* ---- dictionaries ------------------------------------------------------------------------------------------------ */

static dictionary *take_place(codec *k)
{
    size_t oldest = 0;

    if (k->n < DICTIONARIES_MAX)
        return &k->at[k->n++];
    for (size_t i = 1; i < k->n; i++)
        if (k->at[i].used < k->at[oldest].used)
            oldest = i;
    dictionary_dispose(&k->at[oldest]);
    return &k->at[oldest];
}

/* EDN_E_MISSING: it has not arrived. */
static edn_status find_dictionary(edn_client *c, const uint8_t tag[4], dictionary **out)
{
    codec *k = c->codec;
    edn_buf bytes = EDN_BUF_INIT(DICTIONARY_SIZE_MAX);
    edn_status st;

    for (size_t i = 0; i < k->n; i++) {
        if (memcmp(k->at[i].tag, tag, 4) == 0) {
            k->at[i].used = ++k->clock;
            *out = &k->at[i];
            return EDN_OK;
        }
    }
    if ((st = meta_get(c, "dictionary", edn_bytes_of(tag, 4), &bytes)) != EDN_OK) {
        edn_buf_dispose(&bytes);
        return st;
    }
    *out = take_place(k);
    memcpy((*out)->tag, tag, 4);
    (*out)->bytes = bytes;
    (*out)->used = ++k->clock;
    return EDN_OK;
}

static ZSTD_CDict *compress_dictionary(dictionary *d, int level)
{
    ZSTD_CDict **at = &d->c[level == CODEC_LEVEL_LOCAL ? 0 : 1];

    if (!*at)
        *at = ZSTD_createCDict(d->bytes.p, d->bytes.n, level);
    return *at;
}

static edn_status load_current(edn_client *c, uint64_t *entries)
{
    codec *k = c->codec;
    edn_buf row = EDN_BUF_INIT(64);
    edn_status st = meta_get(c, "dictionary-current", EDN_BYTES_EMPTY, &row);

    *entries = 0;
    k->has_current = st == EDN_OK && row.n == 12;
    if (k->has_current) {
        memcpy(k->current, row.p, 4);
        *entries = edn_load_u64(row.p + 4);
    }
    k->current_known = st == EDN_OK || st == EDN_E_MISSING;
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status current_save(edn_client *c, const uint8_t tag[4], uint64_t live)
{
    uint8_t row[12];

    memcpy(row, tag, 4);
    edn_store_u64(row + 4, live);
    c->codec->current_known = false;
    return meta_put(c, "dictionary-current", EDN_BYTES_EMPTY, edn_bytes_of(row, sizeof row));
}

edn_status dictionary_save(edn_client *c, edn_bytes bytes, uint64_t live)
{
    edn_hash h = edn_h32(bytes);
    edn_status st = meta_put(c, "dictionary", edn_bytes_of(h.b, 4), bytes);

    return st == EDN_OK ? current_save(c, h.b, live) : st;
}

edn_status dictionary_drop(edn_client *c)
{
    c->codec->current_known = false;
    return meta_del(c, "dictionary-current", EDN_BYTES_EMPTY);
}

edn_status dictionary_due(edn_client *c, uint64_t live, bool *out)
{
    edn_buf row = EDN_BUF_INIT(16);
    uint64_t then, tried = 0;
    uint8_t now[8];
    edn_status st;

    *out = false;
    if (client_is_shared(c))
        return EDN_OK;
    st = load_current(c, &then);
    if (st != EDN_OK || live < DICTIONARY_ENTRIES_MIN)
        return st;
    /* Another device's comes before the entries that it was made of: it counts as made for what is here by now. */
    if (c->codec->has_current && then == 0)
        return current_save(c, c->codec->current, live);
    st = meta_get(c, "dictionary-tried", EDN_BYTES_EMPTY, &row);
    if (st == EDN_OK && row.n == sizeof now)
        tried = edn_load_u64(row.p);
    edn_buf_dispose(&row);
    if (st != EDN_OK && st != EDN_E_MISSING)
        return st;
    /* A first one as soon as there is enough to learn from; a better one each time the diary has grown eightfold. */
    *out = live / 2 >= tried && (!c->codec->has_current || live / 8 >= EDN_MAX(then, (uint64_t)DICTIONARY_ENTRIES_MIN));
    edn_store_u64(now, live);
    return *out ? meta_put(c, "dictionary-tried", EDN_BYTES_EMPTY, edn_bytes_of(now, sizeof now)) : EDN_OK;
}

edn_status dictionary_train(const edn_buf *samples, const size_t *sizes, unsigned n, edn_buf *out)
{
    ZDICT_fastCover_params_t how = {
        .k = 200, .d = 8, .f = 18, .accel = 5, .zParams.compressionLevel = CODEC_LEVEL_RECORD};
    size_t size = EDN_MIN(samples->n / 8, (size_t)64 << 10), made;
    uint8_t *to;

    if (size < 4096)
        return EDN_E_MISSING; /* not enough text */
    to = edn_buf_grow(out, size);
    if (!to)
        return edn_buf_status(out);
    made = ZDICT_trainFromBuffer_fastCover(to, size, samples->p, sizes, n, how);
    out->n -= size;
    if (ZDICT_isError(made))
        return EDN_E_MISSING; /* samples too alike or too few: it goes without */
    out->n += made;
    return EDN_OK;
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

static edn_status put_raw(edn_buf *out, edn_bytes raw)
{
    edn_put_u8(out, METHOD_RAW);
    edn_put_bytes(out, raw.p, raw.n);
    return edn_buf_status(out);
}

/* A frame without what is known already: the seal is the checksum, the size and the dictionary stand before it. */
static bool set_parameters(codec *k, int level, const ZSTD_CDict *dict)
{
    return !ZSTD_isError(ZSTD_CCtx_reset(k->c, ZSTD_reset_session_and_parameters)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(k->c, ZSTD_c_compressionLevel, level)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(k->c, ZSTD_c_contentSizeFlag, 0)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(k->c, ZSTD_c_checksumFlag, 0)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(k->c, ZSTD_c_dictIDFlag, 0)) &&
           (!dict || !ZSTD_isError(ZSTD_CCtx_refCDict(k->c, dict)));
}

/* The dictionary to pack with; NULL: none. */
static edn_status choose_dictionary(edn_client *c, size_t n, dictionary **out)
{
    codec *k = c->codec;
    uint64_t entries;
    edn_status st;

    *out = NULL;
    if (client_is_shared(c))
        return EDN_OK; /* it would be made of the others' words */
    st = k->current_known ? EDN_OK : load_current(c, &entries);
    if (st == EDN_OK && k->has_current && n <= DICTIONARY_USE_MAX)
        st = find_dictionary(c, k->current, out);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status pack_with(codec *k, dictionary *d, edn_bytes raw, int level, edn_buf *out)
{
    size_t begin = out->n, bound = ZSTD_compressBound(raw.n), n;
    ZSTD_CDict *dict = NULL;

    if (raw.n < PACK_SIZE_MIN)
        return put_raw(out, raw);
    if (d && !(dict = compress_dictionary(d, level)))
        return EDN_E_NOMEM;
    if (!have_workspaces(k) || !set_parameters(k, level, dict))
        return EDN_E_NOMEM;
    edn_put_u8(out, d ? METHOD_DICTIONARY : METHOD_ZSTD);
    if (d)
        edn_put_bytes(out, d->tag, sizeof d->tag);
    edn_put_varint(out, raw.n);
    edn_buf_reserve(out, bound);
    if (edn_buf_status(out) != EDN_OK)
        return edn_buf_status(out);
    n = ZSTD_compress2(k->c, out->p + out->n, bound, raw.p, raw.n);
    if (ZSTD_isError(n))
        return EDN_E_NOMEM; /* with room for the bound, memory is all that can lack */
    if (out->n + n - begin > raw.n) {
        out->n = begin;
        return put_raw(out, raw);
    }
    out->n += n;
    return EDN_OK;
}

edn_status codec_pack(edn_client *c, edn_bytes raw, int level, edn_buf *out)
{
    dictionary *d = NULL;
    edn_status st;

    /* A text of several authors: what one of them puts in would show in its length how much of it the others wrote. */
    if (client_is_shared(c) && level == CODEC_LEVEL_RECORD)
        return put_raw(out, raw);
    st = raw.n < PACK_SIZE_MIN ? EDN_OK : choose_dictionary(c, raw.n, &d);
    return st == EDN_OK ? pack_with(c->codec, d, raw, level, out) : st;
}

edn_status codec_pack_plain(edn_client *c, edn_bytes raw, edn_buf *out)
{
    return pack_with(c->codec, NULL, raw, CODEC_LEVEL_RECORD, out);
}

/* ---- unpacking --------------------------------------------------------------------------------------------------- */

/* One frame as pack_with makes them and nothing behind it: no second frame, no skippable one, none of the fields that
 * it leaves out. */
static bool is_our_frame(edn_bytes frame)
{
    static const uint8_t begin[] = {0x28, 0xb5, 0x2f, 0xfd, 0}; /* magic; descriptor: no size, checksum or dictionary */

    return frame.n > sizeof begin && memcmp(frame.p, begin, sizeof begin) == 0 &&
           ZSTD_findFrameCompressedSize(frame.p, frame.n) == frame.n;
}

static edn_status unpack_frame(edn_client *c, edn_reader *r, bool with_dictionary, size_t size_max, edn_buf *out)
{
    codec *k = c->codec;
    edn_bytes tag = with_dictionary ? edn_read_bytes(r, 4, "dictionary") : EDN_BYTES_EMPTY;
    uint64_t size = edn_read_varint(r, "size");
    edn_bytes frame = edn_read_bytes(r, edn_reader_left(r), "frame");
    dictionary *d = NULL;
    uint8_t *to;
    size_t n;
    edn_status st;

    if (edn_reader_status(r) != EDN_OK || !is_our_frame(frame))
        return EDN_E_FORMAT;
    if (size > size_max)
        return EDN_E_LIMIT;
    if (with_dictionary) {
        if ((st = find_dictionary(c, tag.p, &d)) != EDN_OK)
            return st;
        if (!d->d && !(d->d = ZSTD_createDDict(d->bytes.p, d->bytes.n)))
            return EDN_E_NOMEM;
    }
    if (!have_workspaces(k))
        return EDN_E_NOMEM;
    to = edn_buf_grow(out, (size_t)size);
    if (!to)
        return edn_buf_status(out);
    n = d ? ZSTD_decompress_usingDDict(k->d, to, (size_t)size, frame.p, frame.n, d->d)
          : ZSTD_decompressDCtx(k->d, to, (size_t)size, frame.p, frame.n);
    if (ZSTD_isError(n) || n != size) {
        out->n -= (size_t)size;
        return EDN_E_FORMAT;
    }
    return EDN_OK;
}

edn_status codec_unpack(edn_client *c, edn_bytes packed, size_t size_max, edn_buf *out)
{
    edn_reader r = edn_reader_init(packed);
    uint8_t method = edn_read_u8(&r, "method");
    edn_bytes raw;

    if (edn_reader_status(&r) != EDN_OK || method > METHOD_DICTIONARY)
        return EDN_E_FORMAT;
    if (method != METHOD_RAW)
        return unpack_frame(c, &r, method == METHOD_DICTIONARY, size_max, out);
    raw = edn_read_bytes(&r, edn_reader_left(&r), "bytes");
    if (raw.n > size_max)
        return EDN_E_LIMIT;
    edn_put_bytes(out, raw.p, raw.n);
    return edn_buf_status(out);
}
