#include "keys/keys_priv.h"

/* The sealed inside of a batch: two layers, sealed and opened here and nowhere else.
 *
 *      0               176     200       232                        248 + padded   312 + padded
 *      | header        | nonce | com     | ciphertext ‖ tag         | signature    |
 *
 *      outer plaintext: u32 body length ‖ body ‖ zeros up to the padded length
 *      body:            LP(heads) ‖ LP(records)                                          (src/wire)
 *      a record's box:  seal(entry key, aad = T("EDNv1/aad/rec"; its place), operations)
 *
 * The outer layer hides how many records there are and whose; the inner one binds each to its entry, so that content
 * cannot be moved between entries even by who holds the space key. */

enum { BOX_AT = EDN_BATCH_HEADER_SIZE, PT_AT = BOX_AT + EDN_SEAL_HEAD_SIZE, BODY_AT = 4, RECORD_AAD_SIZE_MAX = 256 };

/* The hash of the heads that stand at the beginning of a body. */
static edn_status body_heads_hash(edn_bytes body, edn_hash *out)
{
    edn_reader r = edn_reader_init(body);
    edn_reader heads = edn_reader_init(edn_read_lp(&r, 4 + EDN_HEADS_MAX * EDN_HEAD_SIZE, "heads"));
    uint32_t n = edn_read_u32(&heads, "head count");
    edn_t_hash h;

    if (edn_reader_status(&r) != EDN_OK || n > EDN_HEADS_MAX || edn_reader_left(&heads) != (size_t)n * EDN_HEAD_SIZE)
        return EDN_E_FORMAT;
    edn_t_hash_begin(&h, EDN_LABEL_HEADS, n);
    for (uint32_t i = 0; i < n; i++)
        edn_t_hash_field(&h, edn_read_bytes(&heads, EDN_HEAD_SIZE, "head"));
    *out = edn_t_hash_end(&h);
    return EDN_OK;
}

edn_status edn_batch_seal(edn_buf *out, edn_batch_header *h, edn_padding padding, const edn_space_key *k,
                          const edn_sign_sk *sk, edn_bytes body, const edn_random *rng)
{
    edn_batch_header head = *h;
    edn_signature sig;
    edn_hash c_hash;
    edn_status st;
    uint8_t rnd[32], *at, *pt;
    size_t box_size;

    if (body.n > EDN_BATCH_SIZE_MAX) /* and so it fits the u32 before it */
        return EDN_E_LIMIT;
    if ((st = body_heads_hash(body, &head.heads_hash)) != EDN_OK)
        return st;
    head.suite = EDN_SUITE_1;
    head.padded_size = edn_padded_size(padding, (uint32_t)body.n + BODY_AT);
    if (head.padded_size > EDN_BATCH_SIZE_MAX - EDN_BATCH_OVERHEAD)
        return EDN_E_LIMIT;
    at = edn_buf_grow(out, head.padded_size + EDN_BATCH_OVERHEAD);
    if (!at)
        return edn_buf_status(out);

    edn_buf header = {at, 0, EDN_BATCH_HEADER_SIZE, EDN_BATCH_HEADER_SIZE, EDN_OK};
    edn_batch_header_put(&header, &head);
    pt = at + PT_AT;
    edn_store_u32(pt, (uint32_t)body.n);
    memcpy(pt + BODY_AT, body.p, body.n);
    memset(pt + BODY_AT + body.n, 0, head.padded_size - BODY_AT - body.n);
    rng->fill(rng->ctx, rnd, sizeof rnd);
    edn_seal_in_place(at + BOX_AT, head.padded_size, k->b, EDN_SUITE_1, edn_buf_view(&header), rnd);

    box_size = head.padded_size + EDN_SEAL_OVERHEAD;
    c_hash = edn_h32(edn_bytes_of(pt, box_size - EDN_SEAL_HEAD_SIZE));
    edn_batch_sign(&sig, edn_buf_view(&header), edn_bytes_of(at + BOX_AT, EDN_SEAL_NONCE_SIZE),
                   edn_bytes_of(at + BOX_AT + EDN_SEAL_NONCE_SIZE, EDN_SEAL_COMMITMENT_SIZE), &c_hash, sk);
    memcpy(at + BOX_AT + box_size, sig.b, sizeof sig.b);
    *h = head;
    return EDN_OK;
}

static bool all_zero(const uint8_t *p, size_t n) { return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0); }

/* What the author promised of an authentic outer plaintext: its bucket, its padding, its heads. */
static edn_status outer_check(edn_bytes outer, const edn_batch_header *h, edn_bytes *body)
{
    edn_reader r = edn_reader_init(outer);
    edn_bytes inside = edn_read_lp(&r, EDN_BATCH_SIZE_MAX, "body");
    edn_hash heads_hash;

    if (edn_reader_status(&r) != EDN_OK || !all_zero(r.p, edn_reader_left(&r)))
        return EDN_E_FORMAT;
    if (edn_padded_size(EDN_PADDING_P1, (uint32_t)inside.n + BODY_AT) != outer.n &&
        edn_padded_size(EDN_PADDING_P2, (uint32_t)inside.n + BODY_AT) != outer.n)
        return EDN_E_FORMAT;
    if (body_heads_hash(inside, &heads_hash) != EDN_OK || memcmp(&heads_hash, &h->heads_hash, sizeof heads_hash) != 0)
        return EDN_E_FORMAT;
    *body = inside;
    return EDN_OK;
}

edn_status edn_batch_open(edn_buf *out, const edn_batch *b, const edn_space_key *k)
{
    size_t before = out->n;
    edn_bytes outer, body;
    edn_status st;

    if ((st = edn_unseal(out, k->b, b->header.suite, b->header_bytes, b->box)) != EDN_OK)
        return st == EDN_E_COMMIT ? EDN_E_AUTH : st;
    outer = edn_bytes_of(out->p + before, out->n - before);
    if ((st = outer_check(outer, &b->header, &body)) != EDN_OK) {
        edn_wipe(out->p + before, outer.n);
        out->n = before;
        return st;
    }
    memmove(out->p + before, body.p, body.n); /* over the length before it */
    out->n = before + body.n;
    return EDN_OK;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static edn_bytes record_aad(edn_buf *to, const edn_record_place *at)
{
    edn_t_put(to, EDN_LABEL_AAD_REC,
              EDN_FIELDS_(EDN_F(at->space), EDN_F(at->journal), EDN_F(at->entry), EDN_F_U32(at->journal_epoch),
                          EDN_F_U32(at->key_version), EDN_F_U8(at->type), EDN_F(at->device), EDN_F_U64(at->dseq),
                          EDN_F_U32(at->index)));
    return edn_buf_view(to);
}

edn_status edn_record_seal(edn_buf *out, const edn_entry_key *k, const edn_record_place *at, edn_bytes ops,
                           const edn_random *rng)
{
    uint8_t aad_bytes[RECORD_AAD_SIZE_MAX], rnd[32];
    edn_buf aad = EDN_BUF_OVER(aad_bytes);

    if (ops.n > EDN_RECORD_SIZE_MAX - EDN_SEAL_OVERHEAD)
        return EDN_E_LIMIT;
    rng->fill(rng->ctx, rnd, sizeof rnd);
    return edn_seal(out, k->b, EDN_SUITE_1, record_aad(&aad, at), ops, rnd);
}

edn_status edn_record_open(edn_buf *out, const edn_entry_key *k, const edn_record_place *at, edn_bytes box)
{
    uint8_t aad_bytes[RECORD_AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(aad_bytes);
    edn_status st;

    if (box.n > EDN_RECORD_SIZE_MAX)
        return EDN_E_AUTH; /* none of that size was ever sealed */
    st = edn_unseal(out, k->b, EDN_SUITE_1, record_aad(&aad, at), box);
    return st == EDN_E_COMMIT || st == EDN_E_FORMAT ? EDN_E_AUTH : st;
}
