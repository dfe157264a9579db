/* usage: batch_make SEED CASES
 *
 * Writes batches as JSON, one a line, for batch_check.py: each with the device log, the keys and the batches before it
 * that its reader has, good or broken in one way, and what src/sync gave. Batches are put together here byte by byte,
 * so that every part can be wrong. */
#include "links.h"

#include <inttypes.h>

#include "keys/keys.h"
#include "sync/sync.h"

enum { HELD_MAX = 3, EPOCHS = 2 };

/* What the reader has. */
typedef struct reader {
    edn_devlog *log;
    edn_buf extra; /* a link that came after those of `links`; empty: none */
    edn_space_id space;
    edn_space_key keys[EPOCHS];
    edn_device_id author;
    edn_head held[HELD_MAX];
    size_t held_n;
} reader;

/* A batch before it is sealed: each part is open. */
typedef struct draft {
    edn_batch_header header;
    uint8_t version, kind;
    edn_buf plain; /* u32 length ‖ body ‖ zeros */
    edn_space_key key;
    edn_sign_sk sk;
    bool keep_heads_hash;
} draft;

/* ---- making ------------------------------------------------------------------------------------------------------ */

static void fill(check_rng *rng, void *p, size_t n)
{
    uint8_t *at = p;
    for (size_t i = 0; i < n; i++)
        at[i] = (uint8_t)check_below(rng, 256);
}

static void put_plain(edn_buf *out, edn_bytes body, uint32_t padded)
{
    edn_put_u32(out, (uint32_t)body.n);
    edn_put_bytes(out, body.p, body.n);
    if (padded > out->n)
        edn_put_zeros(out, padded - out->n);
}

static void put_body(edn_buf *out, const reader *r, check_rng *rng)
{
    uint8_t box[300];
    edn_record records[3];
    size_t n = check_below(rng, 4);

    fill(rng, box, sizeof box);
    for (size_t i = 0; i < n; i++) {
        records[i] = (edn_record){.journal_epoch = (uint32_t)i, .key_version = 1, .type = 1};
        records[i].box = edn_bytes_of(box, check_below(rng, sizeof box));
        fill(rng, records[i].entry.b, sizeof records[i].entry.b);
    }
    CHECK_OK(edn_body_encode(out, r->held, r->held_n ? 1 : 0, records, n));
}

/* The author's next good batch. */
static void draft_good(draft *d, const links *l, const reader *r, const links_device *by, check_rng *rng)
{
    const edn_head *last = r->held_n ? &r->held[r->held_n - 1] : NULL;
    edn_buf body = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    memset(d, 0, sizeof *d);
    d->plain = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    d->version = 1;
    d->kind = EDN_BATCH_OPS;
    d->header.suite = EDN_SUITE_1;
    d->header.space = r->space;
    d->header.device = by->id;
    d->header.dseq = last ? last->dseq + 1 : 1;
    d->header.epoch = check_below(rng, EPOCHS);
    d->header.log_seq = l->n - 1;
    CHECK(edn_devlog_hash_at(r->log, l->n - 1, &d->header.log_head));
    d->header.heads_hash = edn_heads_hash(r->held, r->held_n ? 1 : 0);
    if (last)
        d->header.prev = last->hash;
    put_body(&body, r, rng);
    put_plain(&d->plain, edn_buf_view(&body), edn_padded_size(EDN_PADDING_P1, (uint32_t)body.n + 4));
    d->key = r->keys[d->header.epoch];
    d->sk = by->sk;
    edn_buf_dispose(&body);
}

/* Seals and signs what is there, right or wrong. */
static void draft_seal(draft *d, check_rng *rng, edn_buf *out)
{
    size_t box_size = d->plain.n + EDN_SEAL_OVERHEAD;
    uint8_t rnd[32], *box;
    edn_signature sig;
    edn_hash c_hash;

    d->header.padded_size = (uint32_t)d->plain.n;
    edn_batch_header_put(out, &d->header);
    out->p[4] = d->version;
    out->p[5] = d->kind;
    box = edn_buf_grow(out, box_size);
    memcpy(box + EDN_SEAL_HEAD_SIZE, d->plain.p, d->plain.n);
    fill(rng, rnd, sizeof rnd);
    edn_seal_in_place(box, d->plain.n, d->key.b, EDN_SUITE_1, edn_bytes_of(out->p, EDN_BATCH_HEADER_SIZE), rnd);
    c_hash = edn_h32(edn_bytes_of(box + EDN_SEAL_HEAD_SIZE, box_size - EDN_SEAL_HEAD_SIZE));
    edn_batch_sign(&sig, edn_bytes_of(out->p, EDN_BATCH_HEADER_SIZE), edn_bytes_of(box, EDN_SEAL_NONCE_SIZE),
                   edn_bytes_of(box + EDN_SEAL_NONCE_SIZE, EDN_SEAL_COMMITMENT_SIZE), &c_hash, &d->sk);
    edn_put_bytes(out, sig.b, sizeof sig.b);
    edn_buf_dispose(&d->plain);
}

/* ---- breaking ---------------------------------------------------------------------------------------------------- */

static void plain_again(draft *d, edn_bytes body, uint32_t padded)
{
    edn_buf_reset(&d->plain);
    put_plain(&d->plain, body, padded);
}

/* The inside is not what it must be, though it is sealed and signed well. */
static void break_inside(draft *d, unsigned how, check_rng *rng)
{
    uint32_t size = edn_load_u32(d->plain.p), padded = (uint32_t)d->plain.n;
    edn_buf body = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    edn_put_bytes(&body, d->plain.p + 4, size);
    switch (how) {
    case 0: /* not only zeros behind the body */
        d->plain.p[padded - 1 - check_below(rng, padded - size - 4)] = 1;
        break;
    case 1: /* a larger bucket than it needs */
        plain_again(d, edn_buf_view(&body), 2048);
        break;
    case 2: /* longer than there is */
        edn_store_u32(d->plain.p, padded - 3);
        break;
    case 3: /* something behind the records */
        edn_put_u8(&body, 7);
        plain_again(d, edn_buf_view(&body), edn_padded_size(EDN_PADDING_P1, (uint32_t)body.n + 4));
        break;
    case 4:
        d->header.heads_hash.b[check_below(rng, 32)] ^= 1;
        break;
    case 5: /* any byte of the body */
        d->plain.p[4 + check_below(rng, size)] ^= (uint8_t)(1u << check_below(rng, 8));
        break;
    default: /* the private mode's bucket is as good */
        plain_again(d, edn_buf_view(&body), 4096);
        break;
    }
    edn_buf_dispose(&body);
}

static void break_header(draft *d, const links *l, const reader *r, unsigned how, check_rng *rng)
{
    switch (how) {
    case 0:
        d->header.space.b[0] ^= 1;
        break;
    case 1:
        d->header.prev.b[31] ^= 1;
        break;
    case 2:
        d->header.dseq++;
        break;
    case 3: /* a number that is taken, or 0 */
        d->header.dseq--;
        break;
    case 4:
        fill(rng, d->header.device.b, sizeof d->header.device.b);
        break;
    case 5:
        d->header.epoch = EPOCHS + check_below(rng, 5);
        break;
    case 6:
        d->header.log_seq = l->n + check_below(rng, 3);
        break;
    case 7:
        d->header.log_head.b[5] ^= 1;
        break;
    case 8: /* an older place in the log; the device may not be there yet, or still */
        d->header.log_seq = check_below(rng, (uint32_t)l->n);
        CHECK(edn_devlog_hash_at(r->log, d->header.log_seq, &d->header.log_head));
        break;
    case 9:
        d->header.suite = 2;
        break;
    case 10:
        d->version = 2;
        break;
    case 11:
        d->kind = (uint8_t)check_below(rng, 8);
        break;
    case 12:
        d->key.b[0] ^= 1;
        break;
    default:
        d->sk = l->devices[check_below(rng, (uint32_t)l->devices_n)].sk;
        break;
    }
}

static void break_bytes(edn_buf *out, unsigned how, check_rng *rng)
{
    if (how == 0)
        out->n -= 1 + check_below(rng, 400);
    else if (how == 1)
        edn_put_u8(out, 0);
    else
        out->p[check_below(rng, (uint32_t)out->n)] ^= (uint8_t)(1u << check_below(rng, 8));
}

/* The author is revoked by a link that comes now: what of him counts is drawn around the batch that comes. */
static void revoke_author(links *l, reader *r, check_rng *rng, const edn_head *next)
{
    edn_head cut = *next;
    link_draft d;

    links_draft(l, &d, EDN_LINK_REVOKE_ROTATE);
    edn_buf_reset(&d.body);
    edn_put_u32(&d.body, 1);
    edn_put_bytes(&d.body, r->author.b, sizeof r->author.b);
    cut.dseq = cut.dseq - 1 + check_below(rng, 3);
    cut.hash.b[0] ^= (uint8_t)check_below(rng, 2);
    edn_put_u32(&d.body, cut.dseq > 0);
    if (cut.dseq > 0) {
        edn_put_bytes(&d.body, r->space.b, sizeof r->space.b);
        edn_put_u64(&d.body, cut.dseq);
        edn_put_bytes(&d.body, cut.hash.b, sizeof cut.hash.b);
    }
    edn_put_u32(&d.body, edn_devlog_epoch(l->log) + 1);
    {
        edn_dh_pk aek = edn_devlog_aek(l->log);
        edn_put_bytes(&d.body, aek.b, sizeof aek.b);
    }
    edn_put_zeros(&d.body, 64);
    links_put(&r->extra, &d);
    edn_buf_dispose(&d.body);
    CHECK_OK(edn_devlog_append(r->log, edn_buf_view(&r->extra)));
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

static bool view_key(void *ctx, uint32_t epoch, edn_space_key *out)
{
    const reader *r = ctx;

    if (epoch >= EPOCHS)
        return false;
    *out = r->keys[epoch];
    return true;
}

static bool view_hash(void *ctx, const edn_device_id *device, uint64_t dseq, edn_hash *out)
{
    const reader *r = ctx;

    if (dseq == 0 || dseq > r->held_n || memcmp(device->b, r->author.b, sizeof device->b) != 0)
        return false;
    *out = r->held[dseq - 1].hash;
    return true;
}

/* The body as EDN read it, written again. */
static void print_verdict(reader *r, edn_bytes batch)
{
    edn_sync_view view = {.ctx = r, .space_key = view_key, .batch_hash = view_hash};
    edn_batch_check check = {.log = r->log, .space = r->space, .view = &view};
    edn_arena arena = edn_arena_init((size_t)8 << 20);
    edn_buf body = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_batch form;
    edn_sync_batch read;
    edn_status st;

    /* Of another device nothing is held. */
    if (r->held_n && edn_batch_decode(batch, &form) == EDN_OK &&
        memcmp(form.header.device.b, r->author.b, sizeof r->author.b) == 0)
        check.last = r->held[r->held_n - 1];
    st = edn_batch_check_run(&check, batch, &arena, &read);
    printf("\"status\": \"%s\"", edn_status_name(st));
    if (st == EDN_OK) {
        char hex[65];
        edn_hash h;
        CHECK_OK(edn_body_encode(&body, read.body.heads, read.body.heads_n, read.body.records, read.body.records_n));
        h = edn_h32(edn_buf_view(&body));
        edn_hex_encode(hex, h.b, sizeof h.b);
        printf(", \"body\": \"%s\"", hex);
    }
    printf("}\n");
    edn_buf_dispose(&body);
    edn_arena_dispose(&arena);
}

static void print_hex(const char *before, const void *p, size_t n, const char *after)
{
    char *hex = malloc(2 * n + 1);

    CHECK(hex);
    edn_hex_encode(hex, p, n);
    printf("%s\"%s\"%s", before, hex, after);
    free(hex);
}

static void print_case(const links *l, reader *r, unsigned how, edn_bytes batch)
{
    printf("{\"how\": %u, \"links\": [", how);
    for (size_t i = 0; i < l->n; i++)
        print_hex(i ? ", " : "", links_at(l, i).p, links_at(l, i).n, "");
    if (r->extra.n)
        print_hex(", ", r->extra.p, r->extra.n, "");
    print_hex("], \"space\": ", r->space.b, sizeof r->space.b, ", \"keys\": [");
    for (size_t i = 0; i < EPOCHS; i++)
        print_hex(i ? ", " : "", r->keys[i].b, sizeof r->keys[i].b, "");
    print_hex("], \"author\": ", r->author.b, sizeof r->author.b, ", \"held\": [");
    for (size_t i = 0; i < r->held_n; i++)
        print_hex(i ? ", " : "", r->held[i].hash.b, sizeof r->held[i].hash.b, "");
    print_hex("], \"batch\": ", batch.p, batch.n, ", ");
    print_verdict(r, batch);
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

enum {
    HEADER_BREAKS = 14,
    INSIDE_BREAKS = 7,
    BYTES_BREAKS = 6,
    HOWS = 3 + HEADER_BREAKS + INSIDE_BREAKS + BYTES_BREAKS
};

/* 0: good; 1: the last one that is held, again; 2: from one who is revoked meanwhile; then the breaks. */
static void make(links *l, reader *r, const links_device *by, unsigned how, check_rng *rng, edn_buf *out, edn_buf *last)
{
    unsigned at = how - 3;
    draft d;

    if (how == 1 && last->n) {
        edn_put_bytes(out, last->p, last->n);
        return;
    }
    draft_good(&d, l, r, by, rng);
    if (how >= 3 && at < HEADER_BREAKS)
        break_header(&d, l, r, at, rng);
    else if (how >= 3 && at - HEADER_BREAKS < INSIDE_BREAKS)
        break_inside(&d, at - HEADER_BREAKS, rng);
    draft_seal(&d, rng, out);
    if (how == 2 && edn_device_active(edn_devlog_device_find(r->log, &by->id))) {
        edn_head next = {by->id, r->held_n + 1, {{0}}};
        edn_batch b;
        edn_hash c_hash;
        CHECK_OK(edn_batch_decode(edn_buf_view(out), &b));
        c_hash = edn_batch_c_hash(&b);
        next.hash = edn_batch_hash(&b, &c_hash);
        revoke_author(l, r, rng, &next);
    }
    if (how >= 3 + HEADER_BREAKS + INSIDE_BREAKS)
        break_bytes(out, at - HEADER_BREAKS - INSIDE_BREAKS, rng);
}

static void hold(reader *r, edn_buf *bytes, uint64_t dseq)
{
    edn_batch b;
    edn_hash c_hash;

    CHECK_OK(edn_batch_decode(edn_buf_view(bytes), &b));
    c_hash = edn_batch_c_hash(&b);
    r->held[r->held_n++] = (edn_head){r->author, dseq, edn_batch_hash(&b, &c_hash)};
}

/* Mostly one who may write. */
static const links_device *author_draw(const links *l, check_rng *rng)
{
    const links_device *by = NULL;

    for (int tries = 0; tries < 6; tries++) {
        by = &l->devices[check_below(rng, (uint32_t)l->devices_n)];
        if (by->active && (by->cert.caps & EDN_CAP_WRITE))
            break;
    }
    return by;
}

static void run_case(links *l, unsigned how, check_rng *rng)
{
    const links_device *by = author_draw(l, rng);
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED), last = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    reader r = {.extra = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), .author = by->id};
    unsigned before = check_below(rng, HELD_MAX);

    CHECK_OK(edn_devlog_copy(l->log, &r.log));
    fill(rng, r.space.b, sizeof r.space.b);
    fill(rng, r.keys, sizeof r.keys);
    for (unsigned i = 0; i < before; i++) {
        edn_buf_reset(&last);
        make(l, &r, by, 0, rng, &last, &last);
        hold(&r, &last, i + 1);
    }
    make(l, &r, by, how, rng, &out, &last);
    print_case(l, &r, how, edn_buf_view(&out));
    edn_devlog_free(r.log);
    edn_buf_dispose(&r.extra);
    edn_buf_dispose(&out);
    edn_buf_dispose(&last);
}

int main(int argc, char **argv)
{
    check_rng rng;
    unsigned long cases;

    if (argc != 3 || edn_crypto_init() != EDN_OK)
        return 2;
    rng = (check_rng){strtoull(argv[1], NULL, 0)};
    cases = strtoul(argv[2], NULL, 0);
    for (unsigned long i = 0; i < cases;) {
        links l;
        links_init(&l, check_next(&rng));
        while (l.n < 4 + i % 9)
            links_step(&l, 0);
        for (unsigned k = 0; k < 2 * HOWS && i < cases; k++, i++)
            run_case(&l, k % HOWS, &rng);
        links_dispose(&l);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
