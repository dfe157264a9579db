#include "shared.h"

#include <stdio.h>
#include <stdlib.h>

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "shared: %s failed\n", what);
        abort();
    }
}

typedef struct rows {
    edn_arena *a;
    edn_bytes *p;
    size_t n, cap;
} rows;

static edn_status take_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    rows *r = ctx;

    (void)key;
    must(st == EDN_OK && edn_array_room(&r->p, &r->cap, r->n + 1, sizeof *r->p) &&
             edn_arena_copy(r->a, value, &r->p[r->n++]),
         "a row");
    return EDN_OK;
}

static rows take_rows(edn_client *c, edn_table t, edn_arena *a)
{
    rows r = {.a = a};

    must(edn_store_scan(c->store, t, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, take_row, &r) == EDN_OK, "a scan");
    return r;
}

void shared_of(edn_client *c, const char *journal, shared *out)
{
    rows links, boxes;
    edn_err err;

    memset(out, 0, sizeof *out);
    out->a = edn_arena_init(EDN_BUF_UNLIMITED);
    out->e = edn_secret_alloc(sizeof *out->e);
    must(out->e != NULL, "memory");
    memset(out->e, 0, sizeof *out->e);
    must(client_begin_read(c, &err) == EDN_OK, "a transaction");
    out->e->id = *client_id(c);
    out->e->epoch = edn_devlog_epoch(c->log);
    must(keys_root(c, out->e->epoch, &out->e->rk) == EDN_OK, "the root key");
    links = take_rows(c, EDN_TABLE_LINK, &out->a);
    boxes = take_rows(c, EDN_TABLE_BOX, &out->a);
    must(remote_load(c, &out->remote) == EDN_OK, "the server");
    must(client_end_read(c, EDN_OK, &err) == EDN_OK, "a transaction");
    out->e->id.device_name[0] = 0;
    out->h = (new_home){.links = links.p,
                        .links_n = links.n,
                        .boxes = boxes.p,
                        .boxes_n = boxes.n,
                        .first = true,
                        .journal_name = edn_bytes_str(journal)};
    out->remote.origin = out->e->id.server;
    if (out->e->id.server[0])
        out->h.remote = &out->remote;
}

void shared_dispose(shared *s)
{
    edn_sync_remote_dispose(&s->remote);
    edn_secret_free(s->e);
    free((void *)(uintptr_t)s->h.links);
    free((void *)(uintptr_t)s->h.boxes);
    edn_arena_dispose(&s->a);
}

void shared_make(world *w, const char *journal, shared *out)
{
    static unsigned made;
    char home[256], name[32], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init = {.strength = EDN_STRENGTH_FLOOR};
    const char *vfs = w->device_vfs;
    edn_client *c;
    edn_err err;

    snprintf(name, sizeof name, "space-%u", made++);
    world_home(w, name, home);
    w->device_vfs = NULL;
    o = world_options(w, home);
    w->device_vfs = vfs;
    must(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err) == EDN_OK, err.text);
    shared_of(c, journal, out);
    edn_client_close(c);
}
