#include "diarist.h"

edn_entry_id diary_add(edn_client *c, const char *date, const char *title, const char *text)
{
    edn_draft d = {.date = edn_bytes_str(date), .title = edn_bytes_str(title), .text = edn_bytes_str(text)};
    edn_entry_id id;
    edn_err err = {EDN_OK, ""};

    CHECK_OK(edn_client_add(c, &d, &id, &err));
    return id;
}

void diary_edit(edn_client *c, const edn_entry_id *id, const char *text)
{
    CHECK_OK(edn_client_edit(c, id, EDN_BYTES_EMPTY, edn_bytes_str(text), NULL));
}

edn_sync_result diary_sync(edn_client *c)
{
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_client_sync(c, NULL, &r, &err);

    if (st != EDN_OK)
        print_error("sync: %s\n", err.text);
    CHECK_OK(st);
    return r;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static edn_status put_entry(void *ctx, const edn_entry *e)
{
    edn_buf *out = ctx;

    edn_put_bytes(out, e->id.b, sizeof e->id.b);
    edn_put_lp(out, e->date);
    edn_put_lp(out, e->title);
    edn_put_lp(out, e->text);
    edn_put_lp(out, e->journal_name);
    for (size_t i = 0; i < e->tags_n; i++)
        edn_put_lp(out, e->tags[i]);
    for (size_t i = 0; i < e->fields_n; i++) {
        edn_put_lp(out, e->fields[i].name);
        edn_put_lp(out, e->fields[i].value);
    }
    edn_put_u8(out, (uint8_t)(e->deleted | e->conflict << 1));
    return EDN_OK;
}

edn_buf diary_bytes(edn_client *c)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_filter f = {.deleted = true};

    CHECK_OK(edn_client_export(c, &f, put_entry, &b, NULL, NULL));
    return b;
}

void diary_check_same(edn_client *a, edn_client *b)
{
    edn_buf x = diary_bytes(a), y = diary_bytes(b);

    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
}

edn_status diary_put_text(void *ctx, const edn_entry *e)
{
    edn_put_bytes(ctx, e->text.p, e->text.n);
    return EDN_OK;
}

void diary_text(edn_client *c, const edn_entry_id *id, edn_buf *out)
{
    CHECK_OK(edn_client_show(c, id, diary_put_text, out, NULL));
}

void diary_check_text(edn_client *c, const edn_entry_id *id, const char *want)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    diary_text(c, id, &b);
    CHECK_STR(edn_buf_view(&b), want);
    edn_buf_dispose(&b);
}

size_t diary_count(edn_bytes in, const char *word)
{
    size_t n = 0, size = strlen(word);

    for (size_t i = 0; i + size <= in.n; i++)
        n += in.p[i] == (uint8_t)word[0] && memcmp(in.p + i, word, size) == 0;
    return n;
}

static edn_status see(void *ctx, const edn_entry *e)
{
    diary_seen *s = ctx;

    s->entries++;
    s->deleted += e->deleted;
    s->conflicts += e->conflict;
    return EDN_OK;
}

diary_seen diary_see(edn_client *c, bool deleted)
{
    diary_seen s = {0, 0, 0};
    edn_filter f = {.deleted = deleted};

    CHECK_OK(edn_client_list(c, &f, see, &s, NULL));
    return s;
}

static void print_finding(void *ctx, const edn_finding *f)
{
    (void)ctx;
    print_error("verify: %s\n", f->text);
}

void diary_check_verified(edn_client *c)
{
    edn_verify_result v;

    CHECK_OK(edn_client_verify(c, print_finding, NULL, NULL, &v, NULL));
    CHECK_INT(v.damaged, 0);
}

unsigned diary_findings(edn_client *c, edn_status st)
{
    edn_client_status s;
    unsigned n = 0;

    CHECK_OK(edn_client_status_get(c, &s, NULL));
    for (size_t i = 0; i < s.findings_n; i++)
        n += s.findings[i].status == st;
    return n;
}

/* ---- two devices ------------------------------------------------------------------------------------------------- */

two two_open(void)
{
    two t = {world_of_two(), NULL, NULL};

    t.a = world_open(t.w, "a");
    t.b = world_open(t.w, "b");
    return t;
}

void two_close(two *t)
{
    edn_client_close(t->a);
    edn_client_close(t->b);
    world_free(t->w);
}
