/* A batch on the wire (SECURITY 2.8):
 *
 *     0      176    header, which is signed and the box's associated data
 *     176    24     nonce N
 *     200    32     commitment com
 *     232    P + 16 ciphertext and tag C, where P is the padded length that the header names
 *     248+P  64     signature
 *
 * What is signed and hashed holds H32(C) in the place of C, so that the large part is read once. */
#include "wire_priv.h"

#define NONCE_SIZE 24u
#define COMMITMENT_SIZE 32u
#define TAG_SIZE 16u
#define SIGNATURE_SIZE 64u

static const char batch_magic[4] = {'E', 'D', 'N', 'B'};

void edn_batch_header_put(edn_buf *out, const edn_batch_header *h)
{
    edn_put_bytes(out, batch_magic, sizeof batch_magic);
    edn_put_u8(out, EDN_PROTOCOL_VERSION);
    edn_put_u8(out, (uint8_t)h->kind);
    edn_put_u16(out, h->suite);
    edn_put_bytes(out, h->space.b, sizeof h->space.b);
    edn_put_bytes(out, h->device.b, sizeof h->device.b);
    edn_put_u64(out, h->dseq);
    edn_put_bytes(out, h->prev.b, sizeof h->prev.b);
    edn_put_u32(out, h->epoch);
    edn_put_u64(out, h->log_seq);
    edn_put_bytes(out, h->log_head.b, sizeof h->log_head.b);
    edn_put_bytes(out, h->heads_hash.b, sizeof h->heads_hash.b);
    edn_put_u32(out, h->padded_size);
}

/* Each check fails the reader, which keeps the first failure: the order of the lines is the order of SECURITY 2.8. */
static void batch_header_read(edn_reader *r, edn_batch_header *h)
{
    edn_bytes magic = edn_read_bytes(r, sizeof batch_magic, "magic");
    uint8_t kind;

    if (!edn_bytes_equal(magic, edn_bytes_of(batch_magic, sizeof batch_magic)))
        edn_reader_fail(r, EDN_E_FORMAT, "magic");
    if (edn_read_u8(r, "version") != EDN_PROTOCOL_VERSION)
        edn_reader_fail(r, EDN_E_FORMAT, "version");
    kind = edn_read_u8(r, "kind");
    if (kind < EDN_BATCH_OPS || kind > EDN_BATCH_KEYBOX)
        edn_reader_fail(r, EDN_E_FORMAT, "kind");
    h->kind = (edn_batch_kind)kind;
    h->suite = edn_read_u16(r, "suite");
    if (h->suite != WIRE_SUITE_1)
        edn_reader_fail(r, EDN_E_SUITE, "suite");
    edn_read_into(r, h->space.b, sizeof h->space.b, "space");
    edn_read_into(r, h->device.b, sizeof h->device.b, "device");
    h->dseq = edn_read_u64(r, "number");
    edn_read_into(r, h->prev.b, sizeof h->prev.b, "hash before");
    h->epoch = edn_read_u32(r, "epoch");
    h->log_seq = edn_read_u64(r, "log position");
    edn_read_into(r, h->log_head.b, sizeof h->log_head.b, "log head");
    edn_read_into(r, h->heads_hash.b, sizeof h->heads_hash.b, "heads hash");
    h->padded_size = edn_read_u32(r, "padded length");
    if (!edn_padded_size_legal(h->padded_size))
        edn_reader_fail(r, EDN_E_FORMAT, "padded length");
}

edn_status edn_batch_decode(edn_bytes in, edn_batch *out)
{
    edn_reader r = edn_reader_init(in);
    edn_batch b;

    memset(out, 0, sizeof *out);
    memset(&b, 0, sizeof b);
    if (in.n < EDN_BATCH_SIZE_MIN || in.n > EDN_BATCH_SIZE_MAX)
        return EDN_E_FORMAT;
    batch_header_read(&r, &b.header);
    b.bytes = in;
    b.header_bytes = edn_bytes_of(in.p, EDN_BATCH_HEADER_SIZE);
    b.box = edn_read_bytes(&r, (size_t)NONCE_SIZE + COMMITMENT_SIZE + b.header.padded_size + TAG_SIZE, "box");
    edn_read_into(&r, b.signature.b, SIGNATURE_SIZE, "signature");
    if (edn_reader_end(&r) != EDN_OK)
        return edn_reader_status(&r);
    *out = b;
    return EDN_OK;
}

static edn_bytes batch_nonce(const edn_batch *b) { return edn_bytes_of(b->box.p, NONCE_SIZE); }
static edn_bytes batch_commitment(const edn_batch *b) { return edn_bytes_of(b->box.p + NONCE_SIZE, COMMITMENT_SIZE); }

edn_hash edn_batch_c_hash(const edn_batch *b)
{
    size_t skip = NONCE_SIZE + COMMITMENT_SIZE;

    return edn_h32(edn_bytes_of(b->box.p + skip, b->box.n - skip));
}

edn_hash edn_batch_hash(const edn_batch *b, const edn_hash *c_hash)
{
    return edn_h32_t(EDN_LABEL_HASH_BATCH, b->header_bytes, batch_nonce(b), batch_commitment(b), EDN_F(*c_hash),
                     EDN_F(b->signature));
}

bool edn_batch_verify(const edn_batch *b, const edn_hash *c_hash, const edn_sign_pk *pk)
{
    return edn_verify_checked_t(&b->signature, pk, EDN_LABEL_SIG_BATCH, b->header_bytes, batch_nonce(b),
                                batch_commitment(b), EDN_F(*c_hash));
}

void edn_batch_sign(edn_signature *out, edn_bytes header, edn_bytes nonce, edn_bytes commitment, const edn_hash *c_hash,
                    const edn_sign_sk *sk)
{
    EDN_ASSERT(header.n == EDN_BATCH_HEADER_SIZE && nonce.n == NONCE_SIZE && commitment.n == COMMITMENT_SIZE);
    edn_sign_t(out, sk, EDN_LABEL_SIG_BATCH, header, nonce, commitment, EDN_F(*c_hash));
}
