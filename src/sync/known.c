/* What is known of a server between syncs, as bytes for keeping:
 *
 *     u8 1 ‖ LP(origin) ‖ receipt_pk 32 ‖ name_hash 32 ‖ LP(token) ‖ u64 token expires s ‖ u64 clock offset s ‖
 *     u64 log count ‖ log head 32 ‖ heads ‖ u64 receipt time ms ‖ signature 64 ‖ u64 receipt local ms */
#include "sync_priv.h"

#include <stdlib.h>

#define KNOWN_VERSION 1u

void edn_sync_remote_dispose(edn_sync_remote *r)
{
    free(r->heads);
    edn_wipe(r, sizeof *r);
}

void edn_sync_remote_put(edn_buf *out, const edn_sync_remote *r)
{
    edn_put_u8(out, KNOWN_VERSION);
    edn_put_lp(out, edn_bytes_str(r->origin));
    edn_put_bytes(out, r->receipt_pk.b, sizeof r->receipt_pk.b);
    edn_put_bytes(out, r->name_hash.b, sizeof r->name_hash.b);
    edn_put_lp(out, edn_bytes_str(r->token));
    edn_put_u64(out, r->token_expires_s);
    edn_put_u64(out, (uint64_t)r->clock_offset_s);
    edn_put_u64(out, r->log_count);
    edn_put_bytes(out, r->log_head.b, sizeof r->log_head.b);
    edn_heads_put(out, r->heads, r->heads_n);
    edn_put_u64(out, r->receipt.time_ms);
    edn_put_bytes(out, r->receipt.sig.b, sizeof r->receipt.sig.b);
    edn_put_u64(out, r->receipt_local_ms);
}

/* A string of a bounded length without a zero inside. */
static void read_text(edn_reader *r, char *out, size_t size_max, const char *field)
{
    edn_bytes text = edn_read_lp(r, size_max, field);

    if (text.n && memchr(text.p, 0, text.n)) {
        edn_reader_fail(r, EDN_E_FORMAT, field);
        text.n = 0;
    }
    if (text.n)
        memcpy(out, text.p, text.n);
    out[text.n] = 0;
}

edn_status edn_sync_remote_decode(edn_bytes in, char origin[EDN_ORIGIN_SIZE_MAX + 1], edn_sync_remote *out)
{
    edn_arena arena = edn_arena_init((size_t)1 << 20);
    edn_reader r = edn_reader_init(in);
    edn_sync_remote got = {0};
    edn_head *heads = NULL;
    edn_status st;

    memset(out, 0, sizeof *out);
    if (edn_read_u8(&r, "version") != KNOWN_VERSION)
        edn_reader_fail(&r, EDN_E_FORMAT, "version");
    read_text(&r, origin, EDN_ORIGIN_SIZE_MAX, "origin");
    edn_read_into(&r, got.receipt_pk.b, sizeof got.receipt_pk.b, "receipt key");
    edn_read_into(&r, got.name_hash.b, sizeof got.name_hash.b, "name hash");
    read_text(&r, got.token, EDN_TOKEN_SIZE_MAX, "token");
    got.token_expires_s = edn_read_u64(&r, "token expires");
    got.clock_offset_s = (int64_t)edn_read_u64(&r, "clock offset");
    got.log_count = edn_read_u64(&r, "log count");
    edn_read_into(&r, got.log_head.b, sizeof got.log_head.b, "log head");
    if (edn_heads_read(&r, &arena, &heads, &got.heads_n)) {
        got.receipt.time_ms = edn_read_u64(&r, "receipt time");
        edn_read_into(&r, got.receipt.sig.b, sizeof got.receipt.sig.b, "receipt");
        got.receipt_local_ms = edn_read_u64(&r, "receipt local time");
    }
    if ((st = edn_reader_end(&r)) != EDN_OK)
        goto out;
    if (got.heads_n) {
        if (!(got.heads = malloc(got.heads_n * sizeof *got.heads))) {
            st = EDN_E_NOMEM;
            goto out;
        }
        memcpy(got.heads, heads, got.heads_n * sizeof *got.heads);
    }
    got.origin = origin;
    *out = got;
out:
    edn_wipe(&got, sizeof got); /* the token; what it owned has moved */
    edn_arena_dispose(&arena);
    return st;
}
