/* Journals, devices, contacts and shared spaces: small documents of their own, with their names kept in short lists
 * beside them.
 *
 *     EDN_TABLE_META   "journals"   n × (id 16 ‖ LP(name)), in the order in which they came
 *                      "devices", "contacts", "spaces"   the same for those */
#include "client/account/account_priv.h"
#include "client/sharing/space.h"

#include <stdio.h>
#include <utf8proc.h>
#include <stdlib.h>

#define NAME_SIZE_MAX 256u
#define NAMES_SIZE_MAX ((size_t)8 << 20)

static const char *list_of(edn_record_type type)
{
    switch (type) {
    case EDN_RECORD_JOURNAL:
        return "journals";
    case EDN_RECORD_CONTACT:
        return "contacts";
    case EDN_RECORD_SPACE:
        return "spaces";
    default:
        return "devices";
    }
}

static edn_status names_load(edn_client *c, const char *list, edn_buf *out)
{
    edn_status st = meta_get(c, list, EDN_BYTES_EMPTY, out);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

/* Rewrites the list with one name put in, or changed in its place. */
static edn_status names_put(edn_client *c, const char *list, const edn_entry_id *id, edn_bytes name)
{
    edn_buf old = EDN_BUF_INIT(NAMES_SIZE_MAX), now = EDN_BUF_INIT(NAMES_SIZE_MAX);
    edn_status st = names_load(c, list, &old);
    edn_reader r = edn_reader_init(edn_buf_view(&old));
    bool found = false;

    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_bytes key = edn_read_bytes(&r, sizeof id->b, "id"), value = edn_read_lp(&r, NAMES_SIZE_MAX, "name");
        if (edn_bytes_equal(key, id_bytes(id))) {
            found = true;
            value = name;
        }
        edn_put_bytes(&now, key.p, key.n);
        edn_put_lp(&now, value);
        if (edn_reader_status(&r) != EDN_OK)
            st = EDN_E_DAMAGED;
    }
    if (!found) {
        edn_put_bytes(&now, id->b, sizeof id->b);
        edn_put_lp(&now, name);
    }
    if (st == EDN_OK)
        st = edn_buf_status(&now);
    if (st == EDN_OK)
        st = meta_put(c, list, EDN_BYTES_EMPTY, edn_buf_view(&now));
    edn_buf_wipe(&old);
    edn_buf_wipe(&now);
    return st;
}

static edn_status names_find(edn_client *c, const char *list, const uint8_t id[16], edn_buf *out)
{
    edn_buf row = EDN_BUF_INIT(NAMES_SIZE_MAX);
    edn_status st = names_load(c, list, &row), found = EDN_E_MISSING;
    edn_reader r = edn_reader_init(edn_buf_view(&row));

    while (st == EDN_OK && found != EDN_OK && edn_reader_left(&r) > 0) {
        edn_bytes key = edn_read_bytes(&r, 16, "id"), value = edn_read_lp(&r, NAMES_SIZE_MAX, "name");
        if (key.n == 16 && memcmp(key.p, id, 16) == 0) {
            edn_put_bytes(out, value.p, value.n);
            found = edn_buf_status(out);
        }
    }
    edn_buf_wipe(&row);
    return st == EDN_OK ? found : st;
}

edn_status names_update(edn_client *c, const object *o)
{
    edn_bytes name;
    edn_status st;

    if (o->type == EDN_RECORD_DEVICE && !client_is_shared(c) && (st = account_key_heard(c, o->doc)) != EDN_OK)
        return st;
    if (edn_doc_get(o->doc, edn_bytes_str(FIELD_NAME), &name) != EDN_OK)
        return EDN_OK; /* not named yet */
    /* What another device wrote may be longer than what is taken here; the document keeps all of it. */
    return names_put(c, list_of(o->type), &o->id, text_cut(name, NAME_SIZE_MAX));
}

edn_status journal_name(edn_client *c, const edn_journal_id *j, edn_buf *out)
{
    return names_find(c, "journals", j->b, out);
}

/* In a shared journal a device is called by whose it is; in a locked one, whose are all, as it is called elsewhere. */
edn_status device_name(edn_client *c, const edn_device_id *d, edn_buf *out)
{
    edn_statement says;

    if (family_is_locked(c) && statement_load(c, d, &says) == EDN_OK)
        return names_find(c->parent, "devices", says.device.b, out);
    if (client_is_shared(c))
        return member_name(c, d, out);
    return names_find(c, "devices", d->b, out);
}

edn_status named_set(edn_client *c, const edn_entry_id *id, edn_record_type type, const char *field, edn_bytes value)
{
    object *o;
    uint64_t before;
    edn_status st = object_get(c, id, &o);

    if (st == EDN_E_MISSING)
        st = object_new(c, id, type, &o);
    if (st == EDN_OK && o->type != type)
        st = EDN_E_MISSING;
    if (st != EDN_OK)
        return st;
    object_author(c, o);
    before = edn_doc_agent_next(o->doc, client_agent(c));
    if ((st = edn_doc_set(o->doc, edn_bytes_str(field), value)) == EDN_OK)
        st = object_wrote(c, o, before);
    return st;
}

edn_status named_get(edn_client *c, const edn_entry_id *id, edn_record_type type, const char *field, edn_buf *out)
{
    object *o;
    edn_bytes value;
    edn_status st = object_get(c, id, &o);

    if (st == EDN_OK && o->type != type)
        st = EDN_E_MISSING;
    if (st == EDN_OK)
        st = edn_doc_get(o->doc, edn_bytes_str(field), &value);
    if (st != EDN_OK)
        return st;
    edn_put_bytes(out, value.p, value.n);
    return edn_buf_status(out);
}

edn_status named_put(edn_client *c, const edn_entry_id *id, edn_record_type type, const char *field, edn_bytes value)
{
    edn_buf was = EDN_BUF_INIT(4096);
    edn_status st = named_get(c, id, type, field, &was);
    bool same = st == EDN_OK && edn_bytes_equal(edn_buf_view(&was), value);

    edn_buf_wipe(&was);
    if (st != EDN_OK && st != EDN_E_MISSING)
        return st;
    return same ? EDN_OK : named_set(c, id, type, field, value);
}

static edn_status name_set(edn_client *c, const uint8_t id[16], edn_record_type type, edn_bytes name)
{
    edn_entry_id key;

    memcpy(key.b, id, sizeof key.b);
    return named_set(c, &key, type, FIELD_NAME, name);
}

edn_status device_rename(edn_client *c, const edn_device_id *d, const char *name)
{
    return name_set(c, d->b, EDN_RECORD_DEVICE, edn_bytes_str(name));
}

edn_status device_name_set(edn_client *c, const char *name) { return device_rename(c, &client_id(c)->device, name); }

edn_status journal_create(edn_client *c, const edn_journal_id *j, edn_bytes name)
{
    return name_set(c, j->b, EDN_RECORD_JOURNAL, name);
}

edn_status names_each(edn_client *c, edn_record_type type, named_fn *fn, void *ctx)
{
    edn_buf row = EDN_BUF_INIT(NAMES_SIZE_MAX);
    edn_status st = names_load(c, list_of(type), &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));

    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_entry_id id;
        edn_read_into(&r, id.b, sizeof id.b, "id");
        edn_bytes name = edn_read_lp(&r, NAMES_SIZE_MAX, "name");
        st = edn_reader_status(&r) == EDN_OK ? fn(ctx, &id, name) : EDN_E_DAMAGED;
    }
    edn_buf_wipe(&row);
    return st;
}

typedef struct journal_walk {
    journal_id_fn *fn;
    void *ctx;
} journal_walk;

static edn_status as_journal(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    const journal_walk *w = ctx;
    edn_journal_id j;

    memcpy(j.b, id->b, sizeof j.b);
    return w->fn(w->ctx, &j, name);
}

edn_status journals_each(edn_client *c, journal_id_fn *fn, void *ctx)
{
    journal_walk w = {fn, ctx};

    return names_each(c, EDN_RECORD_JOURNAL, as_journal, &w);
}

/* ---- the public half --------------------------------------------------------------------------------------------- */

edn_status journal_name_check(edn_bytes name, edn_err *err)
{
    size_t at = edn_utf8_check(name, NULL);

    if (at != name.n)
        return edn_fail(err, EDN_E_UTF8, "the journal's name is not UTF-8 at byte %zu", at);
    if (name.n == 0 || name.n > NAME_SIZE_MAX)
        return edn_fail(err, EDN_E_INVALID, "a journal's name has 1 to %u bytes", NAME_SIZE_MAX);
    return EDN_OK;
}

typedef struct named_journal {
    edn_bytes name;
    edn_journal_id *id;
    bool *found, closed;
} named_journal;

static edn_status match_exactly(void *ctx, edn_client *c, const edn_journal_id *j, edn_bytes name)
{
    named_journal *n = ctx;

    if (!*n->found && edn_bytes_equal(name, n->name)) {
        *n->id = *j;
        *n->found = true;
        n->closed = !c;
    }
    return EDN_OK;
}

edn_status journal_named(edn_client *c, edn_bytes name, edn_journal_id *id, bool *found, edn_err *err)
{
    named_journal n = {name, id, found, false};
    edn_status st;

    *found = false;
    st = family_journals(c, match_exactly, &n, err);
    return st == EDN_OK && n.closed ? family_closed(err) : st;
}

edn_status edn_client_journal_new(edn_client *c, edn_bytes name, edn_journal_id *out, edn_err *err)
{
    bool found = false;
    edn_status st;

    if ((st = journal_name_check(name, err)) != EDN_OK || (st = client_begin_write(c, err)) != EDN_OK)
        return st;
    st = journal_named(c, name, out, &found, err);
    if (found)
        st = edn_fail(err, EDN_E_EXISTS, "there is a journal of that name already");
    if (st == EDN_OK) {
        client_random(c, out->b, sizeof out->b);
        st = journal_create(c, out, name);
    }
    return client_end_write(c, st, err);
}

edn_status edn_client_journal_rename(edn_client *c, const edn_journal_id *id, edn_bytes name, edn_err *err)
{
    edn_buf old = EDN_BUF_INIT(NAMES_SIZE_MAX);
    edn_status st;

    if ((st = journal_name_check(name, err)) != EDN_OK || (st = family_of_journal(c, id, &c, err)) != EDN_OK ||
        (st = family_begin_change(c, err)) != EDN_OK)
        return st;
    st = journal_name(c, id, &old);
    if (st == EDN_E_MISSING)
        st = edn_fail(err, st, "there is no such journal");
    if (st == EDN_OK)
        st = journal_create(c, id, name);
    edn_buf_dispose(&old);
    st = client_end_write(c, st, err);
    return st == EDN_OK && family_is_locked(c) ? locked_renamed(c, name, err) : st;
}

typedef struct journal_list {
    edn_arena a;
    edn_journal *list;
    size_t n, cap;
    size_t own; /* how many of the first are the person's own */
    bool kept;  /* those were counted as they were written */
} journal_list;

static edn_status gather_journal(void *ctx, edn_client *c, const edn_journal_id *j, edn_bytes name)
{
    journal_list *l = ctx;
    edn_journal *k;
    uint64_t deleted;

    if (!edn_array_room(&l->list, &l->cap, l->n + 1, sizeof *l->list))
        return EDN_E_NOMEM;
    k = &l->list[l->n++];
    *k = (edn_journal){
        .id = *j, .closed = !c, .locked = !c || family_has_second(c), .shared = c && c->parent && !family_is_locked(c)};
    if (!edn_arena_copy(&l->a, name, &k->name))
        return EDN_E_NOMEM;
    if (!c || c->parent)
        return c ? catalog_counts(c, &k->entries, &deleted) : EDN_OK;
    l->own++;
    return l->kept ? catalog_journal_count(c, j, &k->entries, &l->kept) : EDN_OK;
}

static edn_status count_entry(void *ctx, const catalog_item *it)
{
    journal_list *l = ctx;

    for (size_t i = 0; !it->deleted && i < l->own; i++)
        if (memcmp(l->list[i].id.b, it->journal.b, sizeof it->journal.b) == 0)
            l->list[i].entries++;
    return EDN_OK;
}

edn_status edn_client_journals(edn_client *c, edn_journal_fn *fn, void *ctx, edn_err *err)
{
    journal_list l = {.a = edn_arena_init(NAMES_SIZE_MAX), .kept = true};
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK)
        return st;
    st = family_journals(c, gather_journal, &l, err);
    for (size_t i = 0; !l.kept && i < l.own; i++)
        l.list[i].entries = 0;
    if (st == EDN_OK && !l.kept)
        st = catalog_list(c, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, count_entry, &l);
    for (size_t i = 0; st == EDN_OK && i < l.n; i++)
        st = fn(ctx, &l.list[i]);
    free(l.list);
    edn_arena_dispose(&l.a);
    return client_end_read(c, st, err);
}

typedef struct journal_search {
    const char *what;
    edn_journal_id exact, folded, prefix;
    unsigned exact_n, folded_n, prefix_n;
    bool exact_closed, folded_closed, prefix_closed;
} journal_search;

#define FOLDED_MAX (3u * NAME_SIZE_MAX) /* code points; longer ones are nobody's name */

/* How many code points; negative: it cannot be folded. */
static utf8proc_ssize_t name_fold(edn_bytes name, utf8proc_int32_t out[FOLDED_MAX])
{
    const utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD;
    utf8proc_ssize_t n = utf8proc_decompose(name.p, (utf8proc_ssize_t)name.n, out, FOLDED_MAX, how);

    return n < 0 || n > (utf8proc_ssize_t)FOLDED_MAX ? -1 : utf8proc_normalize_utf32(out, n, how);
}

bool names_equal_folded(edn_bytes a, const char *b)
{
    utf8proc_int32_t fa[FOLDED_MAX], fb[FOLDED_MAX];
    utf8proc_ssize_t na = name_fold(a, fa), nb = name_fold(edn_bytes_str(b), fb);

    return na >= 0 && na == nb && memcmp(fa, fb, (size_t)na * sizeof *fa) == 0;
}

static edn_status match_journal(void *ctx, edn_client *c, const edn_journal_id *j, edn_bytes name)
{
    journal_search *s = ctx;
    char hex[33];

    edn_hex_encode(hex, j->b, sizeof j->b);
    if (edn_bytes_equal(name, edn_bytes_str(s->what))) {
        s->exact = *j;
        s->exact_closed = !c;
        s->exact_n++;
    }
    if (names_equal_folded(name, s->what)) {
        s->folded = *j;
        s->folded_closed = !c;
        s->folded_n++;
    }
    if (strlen(s->what) >= 4 && strncmp(hex, s->what, strlen(s->what)) == 0) {
        s->prefix = *j;
        s->prefix_closed = !c;
        s->prefix_n++;
    }
    return EDN_OK;
}

edn_status edn_client_journal_find(edn_client *c, const char *what, edn_journal_id *out, edn_err *err)
{
    journal_search s = {.what = what};
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK)
        return st;
    st = family_journals(c, match_journal, &s, err);
    if (st == EDN_OK) {
        bool closed = false;
        if (s.exact_n == 1) {
            *out = s.exact;
            closed = s.exact_closed;
        } else if (s.exact_n == 0 && s.folded_n == 1) {
            *out = s.folded;
            closed = s.folded_closed;
        } else if (s.exact_n == 0 && s.folded_n == 0 && s.prefix_n == 1) {
            *out = s.prefix;
            closed = s.prefix_closed;
        } else if (s.exact_n + s.folded_n + s.prefix_n > 1)
            st = edn_fail(err, EDN_E_AMBIGUOUS,
                          "several journals are called \"%.200s\"; name one by its id (edn journal list)", what);
        else
            st = edn_fail(err, EDN_E_MISSING, "no journal is called \"%.200s\"; 'edn journal list' shows them", what);
        if (closed)
            st = family_closed(err);
    }
    return client_end_read(c, st, err);
}
