/* A line of JSON has these members, sorted, those that are empty left out but for title and text:
 *
 *     created date fields id journal tags text title
 *
 * A Markdown file has the same but text as lines "name: value" between two lines "---", each value JSON (which is YAML
 * too), then an empty line, the text, and one line end:
 *
 *     ---
 *     date: 2024-05-01
 *     id: "0123…"
 *     title: "May"
 *     ---
 *
 *     The text.
 */
#include "cli/record.h"

#include <jansson.h>
#include <stdlib.h>

#include "cli/json.h"
#include "cli/text.h"

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static const char *type_name(const json_t *v)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "a boolean", [JSON_FALSE] = "a boolean", [JSON_NULL] = "null",
    };
    return names[json_typeof(v)];
}

/* jansson's own words speak of lines of its input, which here is always one: name the byte instead. */
static edn_status json_fail(const json_error_t *e, edn_err *err)
{
    size_t n = strcspn(e->text, "\n");
    if (json_error_code(e) == json_error_out_of_memory)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    if (json_error_code(e) == json_error_invalid_utf8)
        return edn_fail(err, EDN_E_UTF8, "not UTF-8 at byte %d", e->position);
    return edn_fail(err, EDN_E_INVALID, "not JSON: %.*s (at byte %d)", (int)n, e->text, e->position);
}

static edn_bytes string_view(const json_t *v) { return edn_bytes_of(json_string_value(v), json_string_length(v)); }

static edn_status string_get(const char *name, const json_t *v, edn_bytes *out, edn_err *err)
{
    if (json_is_null(v))
        return EDN_OK;
    if (!json_is_string(v))
        return edn_fail(err, EDN_E_INVALID, "member \"%s\" is %s, not a string", name, type_name(v));
    *out = string_view(v);
    return EDN_OK;
}

static edn_status tags_get(edn_cli_record *r, const json_t *v, edn_err *err)
{
    size_t n = json_array_size(v);

    if (json_is_null(v))
        return EDN_OK;
    if (!json_is_array(v))
        return edn_fail(err, EDN_E_INVALID, "member \"tags\" is %s, not an array", type_name(v));
    r->tags = calloc(n + 1, sizeof *r->tags);
    if (!r->tags)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const json_t *tag = json_array_get(v, i);
        if (!json_is_string(tag) || json_string_length(tag) == 0)
            return edn_fail(err, EDN_E_INVALID, "member \"tags\" holds %s, not only strings",
                            json_is_string(tag) ? "an empty string" : type_name(tag));
        r->tags[i] = string_view(tag);
    }
    r->item.draft.tags = r->tags;
    r->item.draft.tags_n = n;
    return EDN_OK;
}

static edn_status field_add(edn_cli_record *r, const char *name, const json_t *v, edn_err *err)
{
    edn_draft *d = &r->item.draft;

    if (json_is_null(v))
        return EDN_OK;
    if (!json_is_string(v))
        return edn_fail(err, EDN_E_INVALID, "field \"%s\" is %s, not a string", name, type_name(v));
    for (size_t i = 0; i < d->fields_n; i++)
        if (edn_bytes_equal(r->fields[i].name, edn_bytes_str(name)))
            return edn_fail(err, EDN_E_INVALID, "field \"%s\" is there twice", name);
    r->fields[d->fields_n++] = (edn_field){edn_bytes_str(name), string_view(v)};
    return EDN_OK;
}

static edn_status fields_get(edn_cli_record *r, json_t *v, edn_err *err)
{
    const char *name;
    json_t *value;
    edn_status st;

    if (json_is_null(v))
        return EDN_OK;
    if (!json_is_object(v))
        return edn_fail(err, EDN_E_INVALID, "member \"fields\" is %s, not an object", type_name(v));
    json_object_foreach(v, name, value)
    {
        if ((st = field_add(r, name, value, err)) != EDN_OK)
            return st;
    }
    return EDN_OK;
}

static edn_status id_get(edn_cli_record *r, edn_bytes id, edn_err *err)
{
    if (id.n == 0)
        return EDN_OK;
    if (!edn_hex_decode(r->item.id.b, sizeof r->item.id.b, id))
        return edn_fail(err, EDN_E_INVALID, "member \"id\" is not 32 hex digits");
    r->item.has_id = true;
    return EDN_OK;
}

static edn_status created_get(edn_cli_record *r, edn_bytes created, edn_err *err)
{
    if (created.n > 0 && !edn_cli_time_read(created, &r->item.created_ms))
        return edn_fail(err, EDN_E_INVALID, "member \"created\" is not a time like 2024-05-01T12:00:00Z");
    return EDN_OK;
}

static edn_status date_check(edn_bytes date, edn_err *err)
{
    if (date.n == 0)
        return edn_fail(err, EDN_E_INVALID, "member \"date\" is missing");
    if (!edn_cli_date_ok(date))
        return edn_fail(err, EDN_E_INVALID, "member \"date\" is not a day as YYYY-MM-DD");
    return EDN_OK;
}

/* Every member to its place; what is not known becomes a field. */
static edn_status members_get(edn_cli_record *r, edn_bytes *id, edn_bytes *created, bool *has_text, edn_err *err)
{
    edn_draft *d = &r->item.draft;
    const char *name;
    json_t *v;
    edn_status st = EDN_OK;

    json_object_foreach((json_t *)r->root, name, v)
    {
        if (strcmp(name, "date") == 0)
            st = string_get(name, v, &d->date, err);
        else if (strcmp(name, "title") == 0)
            st = string_get(name, v, &d->title, err);
        else if (strcmp(name, "text") == 0)
            *has_text = (st = string_get(name, v, &d->text, err)) == EDN_OK;
        else if (strcmp(name, "journal") == 0)
            st = string_get(name, v, &r->item.journal_name, err);
        else if (strcmp(name, "id") == 0)
            st = string_get(name, v, id, err);
        else if (strcmp(name, "created") == 0)
            st = string_get(name, v, created, err);
        else if (strcmp(name, "tags") == 0)
            st = tags_get(r, v, err);
        else if (strcmp(name, "fields") == 0)
            st = fields_get(r, v, err);
        else
            st = field_add(r, name, v, err);
        if (st != EDN_OK)
            return st;
    }
    return EDN_OK;
}

/* Fills the item from r->root, whose text may stand elsewhere (`text` not NULL). */
static edn_status record_fill(edn_cli_record *r, const edn_bytes *text, edn_err *err)
{
    edn_bytes id = EDN_BYTES_EMPTY, created = EDN_BYTES_EMPTY;
    bool has_text = text != NULL;
    edn_status st;

    r->fields = calloc(json_object_size(r->root) + json_object_size(json_object_get(r->root, "fields")) + 1,
                       sizeof *r->fields);
    if (!r->fields)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    if ((st = members_get(r, &id, &created, &has_text, err)) != EDN_OK ||
        (st = date_check(r->item.draft.date, err)) != EDN_OK || (st = id_get(r, id, err)) != EDN_OK ||
        (st = created_get(r, created, err)) != EDN_OK)
        return st;
    if (!has_text)
        return edn_fail(err, EDN_E_INVALID, "member \"text\" is missing");
    if (text)
        r->item.draft.text = *text;
    r->item.draft.fields = r->fields;
    return EDN_OK;
}

edn_status edn_cli_record_read_json(edn_cli_record *out, edn_bytes line, edn_err *err)
{
    json_error_t e;
    edn_status st;

    *out = (edn_cli_record){0};
    out->root = json_loadb((const char *)line.p, line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!out->root)
        return json_fail(&e, err);
    st = json_is_object((json_t *)out->root)
             ? record_fill(out, NULL, err)
             : edn_fail(err, EDN_E_INVALID, "it is %s, not an object", type_name(out->root));
    if (st != EDN_OK)
        edn_cli_record_dispose(out);
    return st;
}

void edn_cli_record_dispose(edn_cli_record *r)
{
    json_decref(r->root);
    free(r->tags);
    free(r->fields);
    *r = (edn_cli_record){0};
}

/* ---- reading Markdown -------------------------------------------------------------------------------------------- */

void edn_cli_split_title(edn_bytes written, edn_bytes *title, edn_bytes *text)
{
    const uint8_t *end;
    edn_bytes rest = written;

    *title = EDN_BYTES_EMPTY;
    if (written.n >= 2 && written.p[0] == '#' && written.p[1] == ' ') {
        end = memchr(written.p, '\n', written.n);
        *title = edn_bytes_of(written.p + 2, (end ? (size_t)(end - written.p) : written.n) - 2);
        while (title->n > 0 && (title->p[title->n - 1] == '\r' || title->p[title->n - 1] == ' '))
            title->n--;
        rest = end ? edn_bytes_of(end + 1, written.n - (size_t)(end - written.p) - 1) : EDN_BYTES_EMPTY;
        while (rest.n > 0 && (rest.p[0] == '\n' || (rest.n > 1 && rest.p[0] == '\r' && rest.p[1] == '\n'))) {
            rest.n--;
            rest.p++;
        }
    }
    *text = rest;
}

/* The next line of *rest without its end. */
static bool line_next(edn_bytes *rest, edn_bytes *line)
{
    const uint8_t *end;
    size_t n;

    if (rest->n == 0)
        return false;
    end = memchr(rest->p, '\n', rest->n);
    n = end ? (size_t)(end - rest->p) : rest->n;
    *line = edn_bytes_of(rest->p, n);
    rest->p += n + (end != NULL);
    rest->n -= n + (end != NULL);
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static edn_bytes trimmed(edn_bytes s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* "name: value" becomes a member of `root`. A value that looks like JSON must be JSON; any other is a string as it
 * stands. */
static edn_status head_line_read(json_t *root, edn_bytes line, edn_err *err)
{
    const uint8_t *colon = memchr(line.p, ':', line.n);
    edn_bytes name, value;
    json_error_t e;
    json_t *v;

    if (!colon)
        return edn_fail(err, EDN_E_INVALID, "a line of the head is not \"name: value\"");
    name = trimmed(edn_bytes_of(line.p, (size_t)(colon - line.p)));
    value = trimmed(edn_bytes_of(colon + 1, line.n - (size_t)(colon - line.p) - 1));
    if (edn_utf8_check(line, NULL) != line.n || memchr(name.p, 0, name.n))
        return edn_fail(err, EDN_E_UTF8, "a line of the head is not UTF-8");
    if (value.n > 0 && strchr("\"[{", value.p[0])) {
        v = json_loadb((const char *)value.p, value.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &e);
        if (!v)
            return json_fail(&e, err);
    } else {
        v = json_stringn((const char *)value.p, value.n);
    }
    if (json_object_getn(root, (const char *)name.p, name.n)) {
        json_decref(v);
        return edn_fail(err, EDN_E_INVALID, "member \"%.*s\" is there twice", (int)name.n, (const char *)name.p);
    }
    if (json_object_setn_new(root, (const char *)name.p, name.n, v) != 0)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    return EDN_OK;
}

/* Reads the head, if there is one, and leaves *rest at the text. */
static edn_status head_read(json_t *root, edn_bytes *rest, bool *found, edn_err *err)
{
    edn_bytes at = *rest, line;
    edn_status st;

    *found = false;
    if (!line_next(&at, &line) || line.n != 3 || memcmp(line.p, "---", 3) != 0)
        return EDN_OK;
    while (line_next(&at, &line)) {
        if (line.n == 3 && memcmp(line.p, "---", 3) == 0) {
            *found = true;
            /* One empty line parts head and text, one line end follows the text. */
            if (at.n > 0 && at.p[0] == '\n') {
                at.p++;
                at.n--;
            }
            if (at.n > 0 && at.p[at.n - 1] == '\n')
                at.n--;
            *rest = at;
            return EDN_OK;
        }
        if (trimmed(line).n > 0 && (st = head_line_read(root, line, err)) != EDN_OK)
            return st;
    }
    return edn_fail(err, EDN_E_INVALID, "the head begins with \"---\" but does not end with it");
}

edn_status edn_cli_record_read_markdown(edn_cli_record *out, edn_bytes file, const char *name, edn_err *err)
{
    edn_bytes text = file, title = EDN_BYTES_EMPTY;
    size_t at;
    bool found;
    edn_status st = EDN_OK;

    *out = (edn_cli_record){0};
    if ((at = edn_utf8_check(file, NULL)) != file.n)
        return edn_fail(err, EDN_E_UTF8, "not UTF-8 at byte %zu", at);
    out->root = json_object();
    if (!out->root)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    if ((st = head_read(out->root, &text, &found, err)) != EDN_OK)
        goto out;
    if (!found)
        edn_cli_split_title(edn_bytes_of(file.p, file.n - (file.n > 0 && file.p[file.n - 1] == '\n')), &title, &text);
    if (!json_object_get(out->root, "date") && strlen(name) >= 10 && edn_cli_date_ok(edn_bytes_of(name, 10)) &&
        json_object_set_new(out->root, "date", json_stringn(name, 10)) != 0) {
        st = edn_fail(err, EDN_E_NOMEM, "out of memory");
        goto out;
    }
    if ((st = record_fill(out, &text, err)) == EDN_OK && !found)
        out->item.draft.title = title;
out:
    if (st != EDN_OK)
        edn_cli_record_dispose(out);
    return st;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void tags_put(edn_buf *out, const char *name, const edn_entry *e)
{
    edn_json_open(out, name, '[');
    for (size_t i = 0; i < e->tags_n; i++)
        edn_json_string(out, NULL, e->tags[i]);
    edn_json_close(out, ']');
}

static void fields_put(edn_buf *out, const char *name, const edn_entry *e)
{
    edn_json_open(out, name, '{');
    for (size_t i = 0; i < e->fields_n; i++)
        edn_json_pair(out, e->fields[i].name, e->fields[i].value);
    edn_json_close(out, '}');
}

void edn_cli_record_put_json(edn_buf *out, const edn_entry *e)
{
    edn_json_open(out, NULL, '{');
    if (e->created_ms)
        edn_json_time(out, "created", e->created_ms);
    edn_json_string(out, "date", e->date);
    if (e->fields_n)
        fields_put(out, "fields", e);
    edn_json_hex(out, "id", e->id.b, sizeof e->id.b);
    edn_json_string(out, "journal", e->journal_name);
    if (e->tags_n)
        tags_put(out, "tags", e);
    edn_json_string(out, "text", e->text);
    edn_json_string(out, "title", e->title);
    edn_json_close(out, '}');
    edn_put_u8(out, '\n');
}

void edn_cli_record_put_markdown(edn_buf *out, const edn_entry *e)
{
    char created[EDN_CLI_TIME_MAX];

    edn_put_str(out, "---\n");
    if (e->created_ms) {
        edn_cli_time_utc(created, e->created_ms);
        edn_cli_putf(out, "created: %s\n", created);
    }
    edn_cli_putf(out, "date: %.*s\n", (int)e->date.n, (const char *)e->date.p);
    if (e->fields_n) {
        edn_put_str(out, "fields: ");
        fields_put(out, NULL, e);
        edn_put_u8(out, '\n');
    }
    edn_put_str(out, "id: ");
    edn_json_hex(out, NULL, e->id.b, sizeof e->id.b);
    edn_put_str(out, "\njournal: ");
    edn_json_string(out, NULL, e->journal_name);
    if (e->tags_n) {
        edn_put_str(out, "\ntags: ");
        tags_put(out, NULL, e);
    }
    edn_put_str(out, "\ntitle: ");
    edn_json_string(out, NULL, e->title);
    edn_put_str(out, "\n---\n\n");
    edn_put_bytes(out, e->text.p, e->text.n);
    edn_put_u8(out, '\n');
}
