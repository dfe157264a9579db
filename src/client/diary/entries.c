/* Entries: writing them, changing them, showing and finding them. */
#include "client/sharing/family.h"

#include "client/finding/arriving.h"
#include "base/plant.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/diary/diff.h"

/* ---- checks on what a person gives ------------------------------------------------------------------------------- */

static edn_status check_utf8(const char *what, edn_bytes s, size_t size_max, edn_err *err)
{
    size_t at = edn_utf8_check(s, NULL);

    if (at != s.n)
        return edn_fail(err, EDN_E_UTF8, "%s is not UTF-8 at byte %zu; nothing was changed", what, at);
    if (s.n > size_max)
        return edn_fail(err, EDN_E_LIMIT, "%s has %zu bytes; at most %zu fit", what, s.n, size_max);
    return EDN_OK;
}

static edn_status check_field(edn_bytes name, edn_bytes value, edn_err *err)
{
    edn_status st;

    if (name.n == 0 || name.n > EDN_DOC_FIELD_NAME_SIZE_MAX || name.p[0] < 0x20)
        return edn_fail(err, EDN_E_INVALID, "a field's name has 1 to %u bytes and begins with a letter",
                        EDN_DOC_FIELD_NAME_SIZE_MAX);
    if ((st = check_utf8("the field's name", name, EDN_DOC_FIELD_NAME_SIZE_MAX, err)) != EDN_OK)
        return st;
    if (edn_bytes_equal(name, edn_bytes_str(FIELD_DATE)) && !date_valid(value))
        return edn_fail(err, EDN_E_INVALID, "\"%.*s\" is not a date; write it as YYYY-MM-DD",
                        (int)EDN_MIN(value.n, (size_t)40), (const char *)value.p);
    return check_utf8("the field", value, EDN_DOC_FIELD_SIZE_MAX, err);
}

static edn_status check_tag(edn_bytes tag, edn_err *err)
{
    if (tag.n == 0)
        return edn_fail(err, EDN_E_INVALID, "a tag cannot be empty");
    return check_utf8("the tag", tag, EDN_DOC_TAG_SIZE_MAX, err);
}

edn_status edn_client_draft_check(const edn_draft *d, edn_err *err)
{
    edn_status st;

    if ((st = check_utf8("the text", d->text, EDN_DOC_TEXT_SIZE_MAX, err)) != EDN_OK ||
        (st = check_utf8("the title", d->title, EDN_DOC_FIELD_SIZE_MAX, err)) != EDN_OK ||
        (d->date.n && (st = check_field(edn_bytes_str(FIELD_DATE), d->date, err)) != EDN_OK))
        return st;
    for (size_t i = 0; i < d->fields_n; i++)
        if ((st = check_field(d->fields[i].name, d->fields[i].value, err)) != EDN_OK)
            return st;
    for (size_t i = 0; i < d->tags_n; i++)
        if ((st = check_tag(d->tags[i], err)) != EDN_OK)
            return st;
    return EDN_OK;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static edn_status set_if(edn_doc *doc, const char *name, edn_bytes value)
{
    return value.n ? edn_doc_set(doc, edn_bytes_str(name), value) : EDN_OK;
}

static edn_status fill(edn_client *c, edn_doc *doc, const edn_draft *d, uint64_t created_ms)
{
    char today[DATE_SIZE + 1];
    /* An entry that names no journal is in the first one. */
    bool elsewhere = d->journal && memcmp(d->journal->b, client_id(c)->journal.b, sizeof d->journal->b) != 0;
    uint8_t created[8];
    edn_status st;

    edn_store_u64(created, created_ms);
    date_of_ms(client_now(c), today);
    if ((elsewhere && (st = edn_doc_set(doc, edn_bytes_str(FIELD_JOURNAL), EDN_F(*d->journal))) != EDN_OK) ||
        (st = edn_doc_set(doc, edn_bytes_str(FIELD_CREATED), edn_bytes_of(created, sizeof created))) != EDN_OK ||
        (st = edn_doc_set(doc, edn_bytes_str(FIELD_DATE), d->date.n ? d->date : edn_bytes_str(today))) != EDN_OK ||
        (st = set_if(doc, FIELD_TITLE, d->title)) != EDN_OK ||
        (d->text.n && (st = edn_doc_insert(doc, 0, d->text)) != EDN_OK))
        return st;
    for (size_t i = 0; st == EDN_OK && i < d->fields_n; i++)
        st = edn_doc_set(doc, d->fields[i].name, d->fields[i].value);
    for (size_t i = 0; st == EDN_OK && i < d->tags_n; i++)
        st = edn_doc_tag(doc, d->tags[i], true);
    return st;
}

edn_status entry_create(edn_client *c, const edn_entry_id *id, const edn_draft *d, uint64_t created_ms)
{
    object *o;
    edn_status st = object_new(c, id, EDN_RECORD_ENTRY, &o);

    if (st != EDN_OK)
        return st;
    object_author(c, o);
    if ((st = fill(c, o->doc, d, created_ms)) == EDN_OK)
        st = object_wrote(c, o, 0);
    return st;
}

edn_status edn_client_add(edn_client *c, const edn_draft *d, edn_entry_id *out, edn_err *err)
{
    edn_status st;

    if ((st = edn_client_draft_check(d, err)) != EDN_OK || (st = family_of_journal(c, d->journal, &c, err)) != EDN_OK ||
        (st = family_begin_change(c, err)) != EDN_OK)
        return st;
    client_random(c, out->b, sizeof out->b);
    return client_end_write(c, entry_create(c, out, d, client_now(c)), err);
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

typedef edn_status change_fn(edn_doc *doc, void *ctx);

/* One change of one entry: a transaction around `fn`. */
static edn_status change(edn_client *c, const edn_entry_id *id, change_fn *fn, void *ctx, edn_err *err)
{
    object *o;
    uint64_t before;
    edn_status st = family_route(&c, id, err);

    if (st != EDN_OK || (st = family_begin_change(c, err)) != EDN_OK)
        return st;
    st = object_get(c, id, &o);
    if (st == EDN_E_MISSING || (st == EDN_OK && o->type != EDN_RECORD_ENTRY))
        st = edn_fail(err, EDN_E_MISSING, "there is no such entry");
    if (st == EDN_OK) {
        object_author(c, o);
        before = edn_doc_agent_next(o->doc, client_agent(c));
        if ((st = fn(o->doc, ctx)) == EDN_OK)
            st = object_wrote(c, o, before);
    }
    return client_end_write(c, st, err);
}

static edn_status apply_edit(void *ctx, const edn_diff_edit *e)
{
    edn_doc *doc = ctx;
    edn_status st = e->deleted ? edn_doc_delete(doc, e->pos, e->deleted) : EDN_OK;

    return st == EDN_OK && e->inserted.n ? edn_doc_insert(doc, e->pos, e->inserted) : st;
}

edn_status doc_edit_to(edn_doc *doc, edn_bytes text)
{
    edn_buf now = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX);
    edn_status st = edn_doc_text(doc, &now);

    if (st == EDN_OK)
        st = edn_diff(edn_buf_view(&now), text, apply_edit, doc);
    edn_buf_wipe(&now);
    return st;
}

typedef struct text_edit {
    edn_bytes base, text;
} text_edit;

static edn_status change_text(edn_doc *doc, void *ctx)
{
    const text_edit *e = ctx;
    edn_buf now = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX), merged = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX);
    edn_status st = edn_doc_text(doc, &now);

    if (st == EDN_OK && (!e->base.p || edn_bytes_equal(e->base, edn_buf_view(&now))))
        st = edn_diff(edn_buf_view(&now), e->text, apply_edit, doc);
    else if (st == EDN_OK && (st = edn_diff_merge(e->base, edn_buf_view(&now), e->text, &merged)) == EDN_OK)
        st = edn_diff(edn_buf_view(&now), edn_buf_view(&merged), apply_edit, doc);
    edn_buf_wipe(&now);
    edn_buf_wipe(&merged);
    return st;
}

edn_status edn_client_edit(edn_client *c, const edn_entry_id *id, edn_bytes base, edn_bytes text, edn_err *err)
{
    text_edit e = {base, text};
    edn_status st = check_utf8("the text", text, EDN_DOC_TEXT_SIZE_MAX, err);

    if (st == EDN_OK)
        st = check_utf8("the earlier text", base, EDN_DOC_TEXT_SIZE_MAX, err);
    return st == EDN_OK ? change(c, id, change_text, &e, err) : st;
}

static edn_status change_field(edn_doc *doc, void *ctx)
{
    const edn_field *f = ctx;
    edn_bytes old;

    if (edn_doc_get(doc, f->name, &old) != EDN_OK)
        old = EDN_BYTES_EMPTY;
    return edn_bytes_equal(old, f->value) ? EDN_OK : edn_doc_set(doc, f->name, f->value);
}

edn_status edn_client_set(edn_client *c, const edn_entry_id *id, edn_bytes name, edn_bytes value, edn_err *err)
{
    edn_field f = {name, value};
    edn_status st = check_field(name, value, err);

    return st == EDN_OK ? change(c, id, change_field, &f, err) : st;
}

typedef struct tag_change {
    edn_bytes tag;
    bool add;
} tag_change;

static edn_status change_tag(edn_doc *doc, void *ctx)
{
    const tag_change *t = ctx;
    return edn_doc_tag(doc, t->tag, EDN_PLANT(never_untags) || t->add);
}

edn_status edn_client_tag(edn_client *c, const edn_entry_id *id, edn_bytes tag, bool add, edn_err *err)
{
    tag_change t = {tag, add};
    edn_status st = check_tag(tag, err);

    return st == EDN_OK ? change(c, id, change_tag, &t, err) : st;
}

static edn_status change_nothing(edn_doc *doc, void *ctx)
{
    (void)doc;
    (void)ctx;
    return EDN_OK;
}

edn_status edn_client_move(edn_client *c, const edn_entry_id *id, const edn_journal_id *to, edn_err *err)
{
    edn_field f = {edn_bytes_str(FIELD_JOURNAL), EDN_F(*to)};
    edn_client *from, *target;
    edn_status st;

    if ((st = family_settle(c, err)) != EDN_OK || (st = family_of_entry(c, id, &from, err)) != EDN_OK ||
        (st = family_of_journal(c, to, &target, err)) != EDN_OK)
        return st;
    if (from != target)
        return family_move(c, from, id, 1, to, err);
    return client_is_shared(from) ? change(c, id, change_nothing, NULL, err) : change(c, id, change_field, &f, err);
}

static edn_status change_remove(edn_doc *doc, void *ctx)
{
    (void)ctx;
    return edn_doc_state_of(doc) == EDN_DOC_DELETED ? EDN_OK : edn_doc_remove(doc);
}

edn_status edn_client_remove(edn_client *c, const edn_entry_id *id, edn_err *err)
{
    return change(c, id, change_remove, NULL, err);
}

static edn_status change_revive(edn_doc *doc, void *ctx)
{
    edn_bytes moved;
    edn_status st = EDN_OK;

    (void)ctx;
    if (edn_doc_get(doc, edn_bytes_str(FIELD_MOVED), &moved) == EDN_OK && moved.n)
        st = edn_doc_set(doc, edn_bytes_str(FIELD_MOVED), EDN_BYTES_EMPTY);
    return st != EDN_OK || edn_doc_state_of(doc) == EDN_DOC_LIVE ? st : edn_doc_revive(doc);
}

edn_status edn_client_undelete(edn_client *c, const edn_entry_id *id, edn_err *err)
{
    return change(c, id, change_revive, NULL, err);
}

/* ---- moving ------------------------------------------------------------------------------------------------------ */

bool doc_moved_away(const edn_doc *doc)
{
    edn_bytes v;

    return edn_doc_state_of(doc) == EDN_DOC_DELETED && edn_doc_get(doc, edn_bytes_str(FIELD_MOVED), &v) == EDN_OK &&
           v.n > 0;
}

/* ---- making one document show what another shows ----------------------------------------------------------------- */

static edn_status become_fields(edn_doc *doc, const edn_doc *want)
{
    edn_bytes name, value, other;
    edn_status st = EDN_OK;

    for (uint32_t i = 0; st == EDN_OK && edn_doc_field_next(want, &i, &name, &value);)
        if (edn_doc_get(doc, name, &other) != EDN_OK || !edn_bytes_equal(other, value))
            st = edn_doc_set(doc, name, value);
    /* An emptied field stays in its place, so the walk goes on. */
    for (uint32_t i = 0; st == EDN_OK && edn_doc_field_next(doc, &i, &name, &value);)
        if (edn_doc_get(want, name, &other) != EDN_OK)
            st = edn_doc_set(doc, name, EDN_BYTES_EMPTY);
    return st;
}

/* Copies: a change of the document moves what it lent. In byte order. */
static edn_status tags_copy(const edn_doc *doc, edn_arena *a, edn_bytes **out, size_t *n)
{
    edn_bytes tag;
    uint32_t at = 0;

    for (*n = 0; edn_doc_tag_next(doc, &at, &tag);)
        ++*n;
    *out = edn_arena_calloc(a, *n + 1, sizeof **out);
    if (!*out)
        return EDN_E_NOMEM;
    at = 0;
    for (size_t i = 0; edn_doc_tag_next(doc, &at, &tag); i++)
        if (!edn_arena_copy(a, tag, &(*out)[i]))
            return EDN_E_NOMEM;
    return EDN_OK;
}

/* Both lists are in order: one walk along the two. */
static edn_status become_tags(edn_doc *doc, const edn_doc *want)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_bytes *have, *wanted;
    size_t have_n, wanted_n, i = 0, k = 0;
    edn_status st = tags_copy(doc, &a, &have, &have_n);

    if (st == EDN_OK)
        st = tags_copy(want, &a, &wanted, &wanted_n);
    while (st == EDN_OK && (i < have_n || k < wanted_n)) {
        int d = i == have_n ? 1 : k == wanted_n ? -1 : bytes_compare(have[i], wanted[k]);
        if (d < 0)
            st = edn_doc_tag(doc, have[i++], false);
        else if (d > 0)
            st = edn_doc_tag(doc, wanted[k++], true);
        else
            i++, k++;
    }
    edn_arena_dispose(&a);
    return st;
}

edn_status doc_become(edn_doc *doc, const edn_doc *want)
{
    edn_buf text = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX);
    bool deleted = edn_doc_state_of(want) == EDN_DOC_DELETED;
    edn_status st = edn_doc_text(want, &text);

    if (st == EDN_OK)
        st = doc_edit_to(doc, edn_buf_view(&text));
    if (st == EDN_OK)
        st = become_fields(doc, want);
    if (st == EDN_OK)
        st = become_tags(doc, want);
    if (st == EDN_OK && deleted && edn_doc_state_of(doc) != EDN_DOC_DELETED)
        st = edn_doc_remove(doc);
    else if (st == EDN_OK && !deleted && edn_doc_state_of(doc) != EDN_DOC_LIVE)
        st = edn_doc_revive(doc);
    edn_buf_wipe(&text);
    return st;
}

/* ---- showing ----------------------------------------------------------------------------------------------------- */

static bool own_field(edn_bytes name)
{
    return name.n == 0 || name.p[0] < 0x20 || edn_bytes_equal(name, edn_bytes_str(FIELD_DATE)) ||
           edn_bytes_equal(name, edn_bytes_str(FIELD_TITLE));
}

static edn_status describe_lists(const edn_doc *doc, edn_arena *a, edn_entry *out)
{
    edn_bytes name, value, *tags;
    edn_field *fields;
    size_t tags_n = 0, fields_n = 0;
    uint32_t at = 0;

    while (edn_doc_tag_next(doc, &at, &value))
        tags_n++;
    for (at = 0; edn_doc_field_next(doc, &at, &name, &value);)
        fields_n++;
    tags = edn_arena_calloc(a, tags_n + 1, sizeof *tags);
    fields = edn_arena_calloc(a, fields_n + 1, sizeof *fields);
    if (!tags || !fields)
        return EDN_E_NOMEM;
    for (at = 0; edn_doc_tag_next(doc, &at, &tags[out->tags_n]);)
        out->tags_n++;
    for (at = 0; edn_doc_field_next(doc, &at, &name, &value);)
        if (!own_field(name))
            fields[out->fields_n++] = (edn_field){name, value};
    out->tags = tags;
    out->fields = fields;
    return EDN_OK;
}

static edn_bytes field_of(const edn_doc *doc, const char *name)
{
    edn_bytes v;
    return edn_doc_get(doc, edn_bytes_str(name), &v) == EDN_OK ? v : EDN_BYTES_EMPTY;
}

edn_status entry_describe(edn_client *c, const edn_entry_id *id, const edn_doc *doc, edn_arena *a, edn_entry *out)
{
    edn_buf text = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX), name = EDN_BUF_INIT(4096);
    edn_doc_state state = edn_doc_state_of(doc);
    edn_bytes created = field_of(doc, FIELD_CREATED);
    edn_status st;

    memset(out, 0, sizeof *out);
    out->id = *id;
    out->journal = doc_journal(c, doc);
    out->date = field_of(doc, FIELD_DATE);
    out->title = field_of(doc, FIELD_TITLE);
    out->deleted = state == EDN_DOC_DELETED;
    out->conflict = state == EDN_DOC_CONFLICT;
    out->created_ms = created.n == 8 ? edn_load_u64(created.p) : 0;
    out->text_size = edn_doc_text_size(doc);
    st = journal_name(c, &out->journal, &name);
    if (st == EDN_E_MISSING)
        st = EDN_OK; /* its name has not arrived yet */
    if (st == EDN_OK && (st = edn_doc_text(doc, &text)) == EDN_OK &&
        (!edn_arena_copy(a, edn_buf_view(&name), &out->journal_name) ||
         !edn_arena_copy(a, edn_buf_view(&text), &out->text)))
        st = EDN_E_NOMEM;
    if (st == EDN_OK)
        st = describe_lists(doc, a, out);
    edn_buf_wipe(&text);
    edn_buf_dispose(&name);
    return st;
}

edn_status entry_show(edn_client *c, const edn_entry_id *id, edn_entry_fn *fn, void *ctx)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_entry e;
    object *o;
    edn_status st = object_get(c, id, &o);

    if (st == EDN_OK && o->type != EDN_RECORD_ENTRY)
        st = EDN_E_MISSING;
    if (st == EDN_OK && (st = entry_describe(c, id, o->doc, &a, &e)) == EDN_OK) {
        e.changed_ms = o->changed_ms;
        st = fn(ctx, &e);
    }
    edn_arena_dispose(&a);
    return st;
}

edn_status edn_client_show(edn_client *c, const edn_entry_id *id, edn_entry_fn *fn, void *ctx, edn_err *err)
{
    edn_status st = family_route(&c, id, err);

    if (st != EDN_OK || (st = client_begin_read(c, err)) != EDN_OK)
        return st;
    st = entry_show(c, id, fn, ctx);
    if (st != EDN_E_MISSING)
        return client_end_read(c, st, err);
    st = client_end_read(c, EDN_OK, err);
    /* It may be on its way. */
    if (st == EDN_OK && (st = arriving_fetch_entry(c, id, err)) == EDN_OK &&
        (st = client_begin_read(c, err)) == EDN_OK) {
        st = entry_show(c, id, fn, ctx);
        st = client_end_read(c, st, st == EDN_E_MISSING ? NULL : err);
    }
    return st == EDN_E_MISSING ? edn_fail(err, st, "there is no such entry") : st;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

edn_status filter_check(const edn_filter *f, edn_err *err)
{
    const edn_bytes dates[] = {f ? f->from : EDN_BYTES_EMPTY, f ? f->to : EDN_BYTES_EMPTY};

    for (size_t i = 0; i < EDN_COUNT(dates); i++)
        if (dates[i].n && !date_valid(dates[i]))
            return edn_fail(err, EDN_E_INVALID, "\"%.*s\" is not a date; write it as YYYY-MM-DD",
                            (int)EDN_MIN(dates[i].n, (size_t)40), (const char *)dates[i].p);
    return EDN_OK;
}

edn_status filter_fits(edn_client *c, const edn_filter *f, const catalog_item *it, bool *out)
{
    object *o;
    edn_status st;

    *out = false;
    if (it->deleted && !(f && f->deleted))
        return EDN_OK;
    if (f && f->journal && memcmp(f->journal->b, it->journal.b, sizeof it->journal.b) != 0)
        return EDN_OK;
    *out = !f || f->tag.n == 0;
    for (size_t i = 0; !*out && i < it->tags_n; i++)
        *out = edn_bytes_equal(it->tags[i], f->tag);
    if (*out || !it->more_tags)
        return EDN_OK;
    st = object_get(c, &it->id, &o); /* the others stand in the entry */
    if (st == EDN_OK)
        *out = edn_doc_has_tag(o->doc, f->tag);
    return st == EDN_E_DAMAGED || st == EDN_E_MISSING ? EDN_OK : st;
}

typedef struct listing {
    const edn_filter *filter;
    edn_entry_fn *fn;
    void *ctx;
    size_t n;
    const edn_client *named_in; /* the journal whose name is held, and its store */
    edn_journal_id name_of;
    edn_buf name;
} listing;

#define LISTING_STOP EDN_E_CANCELLED /* enough: turned back into EDN_OK */

/* Whether a deleted entry is told of in this store, or in another where it was moved to and maybe back from. */
static edn_status is_told_here(edn_client *c, const edn_entry_id *id, bool *out)
{
    edn_client *home;
    edn_status st = family_of_entry(c->parent ? c->parent : c, id, &home, NULL);

    *out = st == EDN_OK && home == c;
    return st == EDN_E_LOCKED ? EDN_OK : st;
}

static edn_status list_item(void *ctx, edn_client *c, const catalog_item *it)
{
    listing *l = ctx;
    edn_entry e = {.id = it->id,
                   .journal = it->journal,
                   .date = it->date,
                   .title = it->title,
                   .text = it->preview,
                   .tags = it->tags,
                   .tags_n = it->tags_n,
                   .deleted = it->deleted,
                   .conflict = it->conflict,
                   .created_ms = it->created_ms,
                   .changed_ms = it->changed_ms,
                   .text_size = (size_t)it->text_size};
    bool fits;
    edn_status st = filter_fits(c, l->filter, it, &fits);

    if (st == EDN_OK && fits && it->deleted && family_spread(c->parent ? c->parent : c))
        st = is_told_here(c, &it->id, &fits);
    if (st != EDN_OK || !fits)
        return st;
    if (l->named_in != c || memcmp(l->name_of.b, it->journal.b, sizeof it->journal.b) != 0) {
        edn_buf_reset(&l->name);
        st = journal_name(c, &it->journal, &l->name);
        if (st != EDN_OK && st != EDN_E_MISSING)
            return st;
        l->name_of = it->journal;
        l->named_in = c;
    }
    e.journal_name = edn_buf_view(&l->name);
    if ((st = l->fn(l->ctx, &e)) != EDN_OK)
        return st;
    return l->filter && l->filter->limit && ++l->n >= l->filter->limit ? LISTING_STOP : EDN_OK;
}

edn_status edn_client_list(edn_client *c, const edn_filter *filter, edn_entry_fn *fn, void *ctx, edn_err *err)
{
    stores s;
    listing l = {.filter = filter, .fn = fn, .ctx = ctx, .name = EDN_BUF_INIT(4096)};
    edn_filter all = {.limit = 0};
    edn_status st = filter_check(filter, err);

    if (!filter)
        l.filter = filter = &all;
    if (st != EDN_OK || (st = stores_begin(c, filter->journal, &s, err)) != EDN_OK)
        return st;
    st = contents_list(&s, filter->from, filter->to, filter->newest_first, list_item, &l);
    if (st == LISTING_STOP && filter->limit && l.n >= filter->limit)
        st = EDN_OK;
    edn_buf_dispose(&l.name);
    return stores_end(&s, st, err);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

typedef struct found {
    edn_entry_id first, seen[8]; /* two stores may know of one entry, if it was moved */
    size_t n;
    char names[200]; /* of the first few, for the message */
} found;

static void found_add(found *f, const edn_entry_id *id)
{
    char hex[33];
    size_t at = strlen(f->names);

    for (size_t i = 0; i < EDN_MIN(f->n, EDN_COUNT(f->seen)); i++)
        if (memcmp(f->seen[i].b, id->b, sizeof id->b) == 0)
            return;
    if (f->n < EDN_COUNT(f->seen))
        f->seen[f->n] = *id;
    if (f->n++ == 0)
        f->first = *id;
    edn_hex_encode(hex, id->b, sizeof id->b);
    if (f->n <= EDN_COUNT(f->seen))
        snprintf(f->names + at, sizeof f->names - at, "%s%.12s", at ? ", " : "", hex);
}

static edn_status found_live(void *ctx, edn_client *c, const catalog_item *it)
{
    (void)c;
    if (!it->deleted)
        found_add(ctx, &it->id);
    return EDN_OK;
}

static edn_status found_newest(void *ctx, edn_client *c, const catalog_item *it)
{
    (void)c;
    if (it->deleted)
        return EDN_OK;
    found_add(ctx, &it->id);
    return LISTING_STOP;
}

typedef struct prefix_scan {
    const char *prefix;
    edn_buf ids; /* 16 bytes each */
} prefix_scan;

static edn_status prefix_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    prefix_scan *s = ctx;
    char hex[33];

    (void)st;
    (void)value;
    if (key.n != sizeof(edn_entry_id))
        return EDN_OK; /* a piece of a large entry */
    edn_hex_encode(hex, key.p, key.n);
    if (strncmp(hex, s->prefix, strlen(s->prefix)) == 0)
        edn_put_bytes(&s->ids, key.p, key.n);
    return edn_buf_status(&s->ids);
}

/* Ids are rows' keys, so a prefix of an id is a range of rows. Journals and devices stand there too and are left out;
 * an entry that does not open still is one that was meant. */
static edn_status find_prefix(edn_client *c, const char *prefix, found *out)
{
    uint8_t bytes[16];
    size_t n = strlen(prefix) / 2;
    prefix_scan s = {prefix, EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_status st;

    if (!edn_hex_decode(bytes, n, edn_bytes_of(prefix, 2 * n)))
        return EDN_E_INVALID;
    st = edn_store_scan(c->store, EDN_TABLE_ENTRY, edn_bytes_of(bytes, n), EDN_BYTES_EMPTY, true, prefix_row, &s);
    edn_reader r = edn_reader_init(edn_buf_view(&s.ids));
    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_entry_id id;
        object *o;
        edn_read_into(&r, id.b, sizeof id.b, "id");
        st = object_get(c, &id, &o);
        if (st == EDN_E_DAMAGED || (st == EDN_OK && o->type == EDN_RECORD_ENTRY)) {
            found_add(out, &id);
            st = EDN_OK;
        }
    }
    edn_buf_dispose(&s.ids);
    return st;
}

/* Among those that are still on their way: by the beginning of an id, or by the day. */
typedef struct on_their_way {
    const char *what;
    bool date;
    found *out;
} on_their_way;

static edn_status found_arriving(void *ctx, const edn_segment_doc *d)
{
    const on_their_way *w = ctx;
    char name[33];

    if (w->date)
        snprintf(name, sizeof name, "%04u-%02u-%02u", d->date / 10000 % 10000, d->date / 100 % 100, d->date % 100);
    else
        edn_hex_encode(name, d->entry.b, sizeof d->entry.b);
    if (strncmp(name, w->what, strlen(w->what)) == 0)
        found_add(w->out, &d->entry);
    return EDN_OK;
}

static edn_status find_arriving(edn_client *c, const char *what, bool date, found *out)
{
    on_their_way w = {what, date, out};
    edn_status st;

    if ((st = arriving_load(c)) != EDN_OK || !c->index->arriving)
        return st;
    if ((st = index_open_pages(c)) == EDN_OK && (st = arriving_open(c)) == EDN_OK)
        st = arriving_each(c, found_arriving, &w);
    index_forget(c);
    return st == EDN_E_DAMAGED || st == EDN_E_FORMAT ? EDN_OK : st; /* the next search mends it */
}

static bool is_hex(const char *s)
{
    size_t n = strlen(s);
    return n >= 4 && n <= 32 && strspn(s, "0123456789abcdef") == n;
}

edn_status edn_client_find(edn_client *c, const char *what, edn_entry_id *out, edn_err *err)
{
    found f = {.n = 0};
    stores s;
    edn_bytes w = edn_bytes_str(what);
    edn_status st;

    if (strcmp(what, "last") != 0 && !date_valid(w) && !is_hex(what))
        return edn_fail(err, EDN_E_INVALID,
                        "\"%.100s\" names no entry: give a date (YYYY-MM-DD), 4 or more digits of an id, or 'last'",
                        what);
    if ((st = stores_begin(c, NULL, &s, err)) != EDN_OK)
        return st;
    if (strcmp(what, "last") == 0) {
        st = contents_list(&s, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, found_newest, &f);
        if (st == LISTING_STOP)
            st = EDN_OK;
    } else if (date_valid(w)) {
        st = contents_list(&s, w, w, false, found_live, &f);
    } else {
        for (size_t i = 0; st == EDN_OK && i < s.n; i++)
            st = find_prefix(s.p[i], what, &f);
    }
    if (st == EDN_OK && (date_valid(w) || is_hex(what)))
        st = find_arriving(c, what, date_valid(w), &f);
    if (st == EDN_OK && f.n == 0)
        st = edn_fail(err, EDN_E_MISSING, "there is no entry \"%.100s\"", what);
    else if (st == EDN_OK && f.n > 1)
        st = edn_fail(err, EDN_E_AMBIGUOUS, "\"%.100s\" fits %zu entries: %s%s; name one by its id", what, f.n, f.names,
                      f.n > 8 ? ", …" : "");
    else if (st == EDN_OK)
        *out = f.first;
    return stores_end(&s, st, err);
}
