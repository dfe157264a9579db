#include "server_priv.h"

#include <stdlib.h>

/* Letters that waited too long, and blobs that nothing names: what an upload left that was never committed, or a
 * database that was set back. A round a day, in steps of a moment each, so that nobody waits:
 *
 *   REST ─▶ LETTERS ─▶ RELEASED (rows of blobs let go) ─▶ NAMES (blobs' rows) ─▶ LARGE (large batches' rows)
 *    ▲                                                                                                  │
 *    └────────────────────────── FILES (a 256th of the store at a time) ◀───────────────────────────────┘
 *
 * A blob that its account released loses its row after SWEEP_AGE_MS, and counts against the account until then. What is
 * named is remembered by eight bytes of its place, sorted: two places that share them keep a blob that could
 * go, never the other way. A blob is written before the row that names it is, within one call, and again when it is
 * uploaded again; so what is younger than SWEEP_AGE_MS is left alone, and a round that takes long removes nothing
 * that came meanwhile. */

#define SWEEP_AGE_MS (7ull * 86400000u)
#define SWEEP_EVERY_MS 86400000ull
#define SWEEP_FIRST_MS 600000ull /* after a start; and after a failure */
#define SWEEP_ROWS 2048u
#define SWEEP_LETTERS_MAX 64u /* they are large */

static void sweep_rest(edn_server *s, uint64_t ms)
{
    free(s->sweep.places);
    s->sweep = (server_sweep){.next_ms = s->clock.now_ms(s->clock.ctx) + ms};
}

void edn_server_sweep_init(edn_server *s) { sweep_rest(s, SWEEP_FIRST_MS); }
void edn_server_sweep_dispose(edn_server *s) { free(s->sweep.places); }

static edn_status sweep_keep(server_sweep *w, const edn_hash *place)
{
    if (!edn_array_room(&w->places, &w->cap, w->n + 1, sizeof *w->places))
        return EDN_E_NOMEM;
    w->places[w->n++] = edn_load_u64(place->b);
    return EDN_OK;
}

/* ---- what was released ------------------------------------------------------------------------------------------- */

#define SWEEP_RELEASED_MAX 256u

typedef struct released {
    int64_t account;
    edn_hash name;
    uint64_t size;
} released;

typedef struct released_list {
    released rows[SWEEP_RELEASED_MAX];
    size_t n;
} released_list;

static edn_status released_row(void *cb, int64_t account, const edn_hash *name, uint64_t size)
{
    released_list *l = cb;

    l->rows[l->n++] = (released){account, *name, size};
    return EDN_OK;
}

static edn_status released_drop(edn_server *s, const released *r)
{
    edn_meta_account row;
    server_account *a;
    edn_status st = s->meta.account_find_n(s->meta.ctx, r->account, &row);

    if (st == EDN_OK)
        st = edn_server_account_get(s, &row.id, &a);
    if (st == EDN_OK && (st = s->meta.blob_del(s->meta.ctx, r->account, &r->name)) == EDN_OK) {
        edn_server_account_stage(s, a);
        a->row.bytes -= EDN_MIN(a->row.bytes, r->size);
        a->row_dirty = true;
    }
    return st;
}

static edn_status sweep_released(edn_server *s)
{
    released_list *l = calloc(1, sizeof *l);
    uint64_t until_ms = s->sweep.began_ms - EDN_MIN(s->sweep.began_ms, SWEEP_AGE_MS);
    edn_status st = l ? s->meta.released_each(s->meta.ctx, until_ms, SWEEP_RELEASED_MAX, released_row, l) : EDN_E_NOMEM;

    if (st == EDN_OK && l->n) {
        st = edn_server_begin(s);
        for (size_t i = 0; st == EDN_OK && i < l->n; i++)
            st = released_drop(s, &l->rows[i]);
        if (st == EDN_OK)
            st = edn_server_commit(s);
        else
            edn_server_rollback(s);
    }
    if (st == EDN_OK && l->n < SWEEP_RELEASED_MAX)
        s->sweep.state = SWEEP_NAMES;
    free(l);
    return st;
}

/* ---- what nothing names ------------------------------------------------------------------------------------------ */

static edn_status sweep_name(void *cb, int64_t account, const edn_account_id *id, const edn_hash *name)
{
    edn_server *s = cb;
    edn_hash place = edn_server_blob_place(id, name);

    s->sweep.account = account;
    s->sweep.after = *name;
    s->sweep.rows++;
    return sweep_keep(&s->sweep, &place);
}

static edn_status sweep_large(void *cb, const edn_hash *batch)
{
    edn_server *s = cb;
    edn_hash place = edn_server_batch_blob(batch);

    s->sweep.after = *batch;
    s->sweep.rows++;
    return sweep_keep(&s->sweep, &place);
}

static int place_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static edn_status sweep_file(void *cb, const edn_hash *name, uint64_t modified_ms)
{
    edn_server *s = cb;
    server_sweep *w = &s->sweep;
    uint64_t key = edn_load_u64(name->b);
    edn_status st;

    if (modified_ms > w->began_ms || w->began_ms - modified_ms < SWEEP_AGE_MS ||
        (w->n && bsearch(&key, w->places, w->n, sizeof key, place_compare)))
        return EDN_OK;
    st = s->blobs.remove(s->blobs.ctx, name);
    s->stats.blobs_swept += st == EDN_OK;
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status sweep_letters(edn_server *s, size_t *n)
{
    uint64_t today = s->sweep.began_ms / 86400000u, days = s->config.limits.inbox_days;
    uint64_t now_s = s->sweep.began_ms / 1000;
    edn_status st = s->meta.begin(s->meta.ctx);

    *n = 0;
    if (st != EDN_OK)
        return st;
    st = s->meta.letters_expire(s->meta.ctx, today > days ? (uint32_t)(today - days) : 0, SWEEP_LETTERS_MAX, n);
    if (st == EDN_OK && now_s > SERVER_RECOVERY_GOOD_S)
        st = s->meta.shares_expire(s->meta.ctx, now_s - SERVER_RECOVERY_GOOD_S);
    if (st == EDN_OK)
        return s->meta.commit(s->meta.ctx);
    s->meta.rollback(s->meta.ctx);
    return st;
}

static edn_status sweep_step(edn_server *s)
{
    server_sweep *w = &s->sweep;
    edn_status st = EDN_OK;

    w->rows = 0;
    switch (w->state) {
    case SWEEP_REST:
        w->began_ms = s->clock.now_ms(s->clock.ctx);
        w->state = SWEEP_LETTERS;
        break;
    case SWEEP_LETTERS:
        st = sweep_letters(s, &w->rows);
        if (st == EDN_OK && w->rows < SWEEP_LETTERS_MAX)
            w->state = SWEEP_RELEASED;
        break;
    case SWEEP_RELEASED:
        st = sweep_released(s);
        break;
    case SWEEP_NAMES:
        st = s->meta.blobs_each(s->meta.ctx, w->account, &w->after, SWEEP_ROWS, sweep_name, s);
        if (st == EDN_OK && w->rows < SWEEP_ROWS) {
            w->state = SWEEP_LARGE;
            memset(&w->after, 0, sizeof w->after);
        }
        break;
    case SWEEP_LARGE:
        st = s->meta.large_each(s->meta.ctx, &w->after, SWEEP_ROWS, sweep_large, s);
        if (st == EDN_OK && w->rows < SWEEP_ROWS) {
            if (w->n)
                qsort(w->places, w->n, sizeof *w->places, place_compare);
            w->state = SWEEP_FILES;
        }
        break;
    case SWEEP_FILES:
        st = s->blobs.each(s->blobs.ctx, (uint8_t)w->slice, sweep_file, s);
        if (st == EDN_OK && ++w->slice == 256)
            sweep_rest(s, SWEEP_EVERY_MS);
        break;
    }
    return st;
}

void edn_server_tick(edn_server *s)
{
    if (s->sweep.state == SWEEP_REST && s->clock.now_ms(s->clock.ctx) < s->sweep.next_ms)
        return;
    if (sweep_step(s) != EDN_OK) {
        s->stats.failures++;
        sweep_rest(s, SWEEP_FIRST_MS);
    }
}
