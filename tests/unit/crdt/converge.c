/* Random documents against the naive model: any graph, any split into messages, any order of delivery. */
#include "model.h"

#define PEERS_MAX 5
static const char *const names[] = {"title", "mood", "x"};
static const char *const tags[] = {"a", "b", "c"};
static const uint32_t scalars[] = {'a', 'b', 'c', ' ', '\n', 0xe9, 0x4e2d, 0x1f600};

typedef struct peer {
    edn_doc *doc;
    edn_agent_id id;
    edn_buf mirror; /* an editor that is only ever patched */
} peer;

typedef struct world {
    model m;
    peer p[PEERS_MAX];
    size_t n;
    check_rng r;
    size_t places; /* insertions fall on the first so many places: few, so that they meet */
} world;

static void mirror_patch(void *ctx, const edn_doc_patch *patch)
{
    edn_buf *b = ctx;
    edn_buf fresh = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t from = edn_utf8_offset(edn_buf_view(b), patch->pos);
    size_t to = from + edn_utf8_offset(edn_bytes_of(b->p + from, b->n - from), patch->deleted);

    CHECK(edn_utf8_count(edn_buf_view(b)) >= patch->pos + patch->deleted);
    edn_put_bytes(&fresh, b->p, from);
    edn_put_bytes(&fresh, patch->inserted.p, patch->inserted.n);
    edn_put_bytes(&fresh, b->p + to, b->n - to);
    edn_buf_dispose(b);
    *b = fresh;
}

static void world_init(world *w, size_t n, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->n = n;
    w->r.s = seed;
    w->places = 1 + check_below(&w->r, 30);
    model_init(&w->m);
    for (size_t i = 0; i < n; i++) {
        peer *p = &w->p[i];
        for (size_t k = 0; k < 16; k++)
            p->id.b[k] = (uint8_t)check_next(&w->r);
        p->mirror = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        CHECK_OK(edn_doc_new(&p->doc));
        edn_doc_author(p->doc, p->id, 1000 + i);
    }
}

static void world_dispose(world *w)
{
    for (size_t i = 0; i < w->n; i++) {
        edn_doc_free(w->p[i].doc);
        edn_buf_dispose(&w->p[i].mirror);
    }
    model_dispose(&w->m);
}

/* The frontier as it is before an event: a copy, for the document's own changes with the event. */
static edn_version version_now(const peer *p, edn_event_id *copy)
{
    edn_version v = edn_doc_frontier(p->doc);

    assert_true(v.n <= PEERS_MAX);
    for (size_t i = 0; i < v.n; i++)
        copy[i] = v.ids[i];
    return (edn_version){copy, v.n};
}

static model_event *event_add(world *w, peer *p, model_kind kind, size_t k, edn_version before)
{
    edn_event_id id = {p->id, edn_doc_agent_next(p->doc, p->id) + k};
    edn_event_id prev = {p->id, id.seq - 1};

    return model_add(&w->m, id, k ? (edn_version){&prev, 1} : before, kind);
}

static void insert_random(world *w, peer *p)
{
    edn_event_id copy[PEERS_MAX];
    edn_version v = version_now(p, copy);
    size_t n = 1 + check_below(&w->r, check_below(&w->r, 4) ? 3 : 12), len = edn_doc_text_count(p->doc);
    size_t pos = check_below(&w->r, EDN_MIN(len, w->places) + 1);
    edn_buf text = EDN_BUF_INIT(256);

    for (size_t i = 0; i < n; i++) {
        uint8_t t[4];
        model_event *e = event_add(w, p, M_INS, i, v);
        e->pos = pos + i;
        e->scalar = scalars[check_below(&w->r, EDN_COUNT(scalars))];
        edn_put_bytes(&text, t, edn_utf8_put(t, e->scalar));
    }
    CHECK_OK(edn_doc_insert(p->doc, pos, edn_buf_view(&text)));
    mirror_patch(&p->mirror, &(edn_doc_patch){pos, 0, edn_buf_view(&text)});
    edn_buf_dispose(&text);
}

static void delete_random(world *w, peer *p)
{
    edn_event_id copy[PEERS_MAX];
    edn_version v = version_now(p, copy);
    size_t len = edn_doc_text_count(p->doc), n, pos;

    if (len == 0)
        return;
    pos = check_below(&w->r, EDN_MIN(len, w->places));
    n = 1 + check_below(&w->r, EDN_MIN(len - pos, 4));
    if (check_below(&w->r, 3) == 0) { /* backspaces */
        for (size_t i = 0; i < n; i++) {
            event_add(w, p, M_DEL, 0, v)->pos = pos + n - 1 - i;
            CHECK_OK(edn_doc_delete(p->doc, pos + n - 1 - i, 1));
            v = version_now(p, copy);
        }
    } else {
        for (size_t i = 0; i < n; i++)
            event_add(w, p, M_DEL, i, v)->pos = pos;
        CHECK_OK(edn_doc_delete(p->doc, pos, n));
    }
    mirror_patch(&p->mirror, &(edn_doc_patch){pos, n, EDN_BYTES_EMPTY});
}

static void meta_random(world *w, peer *p)
{
    edn_event_id copy[PEERS_MAX];
    edn_version v = version_now(p, copy);
    model_event *e;
    const char *name;

    switch (check_below(&w->r, 6)) {
    case 0:
    case 1:
        e = event_add(w, p, M_FIELD, 0, v);
        strcpy(e->name, names[check_below(&w->r, EDN_COUNT(names))]);
        if (check_below(&w->r, 4))
            snprintf(e->value, sizeof e->value, "%u", (unsigned)check_below(&w->r, 1000));
        CHECK_OK(edn_doc_set(p->doc, edn_bytes_str(e->name), edn_bytes_str(e->value)));
        break;
    case 2:
    case 3: {
        uint64_t set[MODEL_WORDS];
        bool add = check_below(&w->r, 2);
        name = tags[check_below(&w->r, EDN_COUNT(tags))];
        model_past(&w->m, v, set);
        if (model_tag(&w->m, set, name) != add)
            strcpy(event_add(w, p, add ? M_TAG : M_UNTAG, 0, v)->name, name);
        CHECK_OK(edn_doc_tag(p->doc, edn_bytes_str(name), add));
        break;
    }
    case 4:
        event_add(w, p, M_REMOVE, 0, v);
        CHECK_OK(edn_doc_remove(p->doc));
        break;
    default:
        event_add(w, p, M_REVIVE, 0, v);
        CHECK_OK(edn_doc_revive(p->doc));
        break;
    }
}

static void edit_random(world *w, peer *p)
{
    uint64_t pick = check_below(&w->r, 20);

    if (check_below(&w->r, 8) == 0)
        edn_doc_author(p->doc, p->id, check_below(&w->r, 1u << 30));
    if (pick < 11)
        insert_random(w, p);
    else if (pick < 18)
        delete_random(w, p);
    else
        meta_random(w, p);
}

static void place_is(edn_doc_place got, edn_doc_place want)
{
    CHECK_INT(got.scalar, want.scalar);
    CHECK_INT(got.byte, want.byte);
    CHECK_INT(got.utf16, want.utf16);
    CHECK_INT(got.line, want.line);
    CHECK_INT(got.column, want.column);
}

/* Every place of the text, found in every unit, by a walk over the text. */
static void places_agree(const edn_doc *doc, edn_bytes text)
{
    edn_doc_place p = {0, 0, 0, 0, 0};

    place_is(edn_doc_place_of(doc, EDN_UNIT_LINE, 0), p);
    for (size_t at = 0;;) {
        edn_doc_place before = p;
        place_is(edn_doc_place_of(doc, EDN_UNIT_SCALAR, p.scalar), p);
        place_is(edn_doc_place_of(doc, EDN_UNIT_BYTE, p.byte), p);
        place_is(edn_doc_place_of(doc, EDN_UNIT_UTF16, p.utf16), p);
        if (p.column == 0)
            place_is(edn_doc_place_of(doc, EDN_UNIT_LINE, p.line), p);
        if (at == text.n)
            break;
        uint32_t c = edn_utf8_next(text, &at);
        p.scalar++;
        p.byte = at;
        p.utf16 += c > 0xffff ? 2 : 1;
        p.line += c == '\n';
        p.column = c == '\n' ? 0 : p.column + 1;
        if (c > 0xffff) /* inside a scalar */
            place_is(edn_doc_place_of(doc, EDN_UNIT_UTF16, before.utf16 + 1), before);
    }
    place_is(edn_doc_place_of(doc, EDN_UNIT_SCALAR, SIZE_MAX), p);
    place_is(edn_doc_place_of(doc, EDN_UNIT_LINE, p.line + 1), p);
}

static void checks_equal(world *w, peer *p)
{
    uint64_t set[MODEL_WORDS];
    edn_buf want = EDN_BUF_INIT(EDN_BUF_UNLIMITED), got = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t events = 0;

    model_past(&w->m, edn_doc_frontier(p->doc), set);
    for (size_t i = 0; i < w->m.n; i++)
        events += set_has(set, i);
    CHECK_INT(edn_doc_event_count(p->doc), events);
    model_text(&w->m, set, &want);
    CHECK_OK(edn_doc_text(p->doc, &got));
    CHECK_BYTES(edn_buf_view(&got), edn_buf_view(&want));
    CHECK_BYTES(edn_buf_view(&p->mirror), edn_buf_view(&want));
    CHECK_INT(edn_doc_text_count(p->doc), edn_utf8_count(edn_buf_view(&want)));
    places_agree(p->doc, edn_buf_view(&want));
    for (size_t i = 0; i < EDN_COUNT(names); i++) {
        edn_bytes value;
        const char *expect = model_field(&w->m, set, names[i]);
        CHECK_STATUS(edn_doc_get(p->doc, edn_bytes_str(names[i]), &value), expect ? EDN_OK : EDN_E_MISSING);
        CHECK_STR(value, expect ? expect : "");
    }
    size_t n_tags = 0;
    for (size_t i = 0; i < EDN_COUNT(tags); i++) {
        edn_bytes tag;
        if (model_tag(&w->m, set, tags[i])) {
            CHECK(edn_doc_tag_at(p->doc, n_tags++, &tag));
            CHECK_STR(tag, tags[i]);
        }
    }
    edn_bytes none;
    CHECK(!edn_doc_tag_at(p->doc, n_tags, &none));
    CHECK_INT(edn_doc_state_of(p->doc), model_state(&w->m, set));
    edn_buf_dispose(&want);
    edn_buf_dispose(&got);
}

/* One message of `agent`'s events that `from` has, to `to`; perhaps from too early, perhaps from too late. */
static void deliver(world *w, peer *from, peer *to, const peer *agent, size_t size_max, bool exact)
{
    uint64_t have = edn_doc_agent_next(to->doc, agent->id), seq = have, next;
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st;

    if (!exact && check_below(&w->r, 4) == 0)
        seq = check_below(&w->r, edn_doc_agent_next(from->doc, agent->id) + 1);
    bool bare = check_below(&w->r, 2);
    CHECK_OK((bare ? edn_doc_encode_bare : edn_doc_encode_events)(from->doc, agent->id, seq, size_max, &b, &next));
    if (next > seq && size_max >= 320) { /* the short way to a message and the long one agree */
        edn_buf same = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        uint64_t same_next;
        CHECK_OK(
            (bare ? edn_doc_encode_bare : edn_doc_encode_events)(from->doc, agent->id, seq, 319, &same, &same_next));
        if (same_next == next)
            CHECK_BYTES(edn_buf_view(&same), edn_buf_view(&b));
        edn_buf_dispose(&same);
    }
    if (next > seq) {
        uint64_t before = edn_doc_event_count(to->doc);
        if (bare) {
            st = edn_doc_merge_bare(to->doc, agent->id, edn_buf_view(&b), mirror_patch, &to->mirror);
        } else {
            edn_event_id first;
            uint64_t count;
            CHECK_OK(edn_doc_message_events(edn_buf_view(&b), &first, &count));
            CHECK(memcmp(&first.agent, &agent->id, 16) == 0);
            CHECK_INT(first.seq, seq);
            CHECK_INT(count, next - seq);
            st = edn_doc_merge(to->doc, edn_buf_view(&b), mirror_patch, &to->mirror);
        }
        if (st != EDN_E_PARENTS) {
            CHECK_OK(st);
            CHECK_INT(edn_doc_agent_next(to->doc, agent->id), EDN_MAX(have, next));
        } else {
            CHECK_INT(edn_doc_event_count(to->doc), before);
        }
        if (seq > have)
            CHECK_STATUS(st, EDN_E_PARENTS);
    }
    edn_buf_dispose(&b);
}

static void sync_all(world *w, peer *from, peer *to)
{
    if (check_below(&w->r, 3) == 0) {
        edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        edn_status st = edn_doc_encode_since(from->doc, edn_doc_frontier(to->doc), &b);
        if (st == EDN_OK && b.n)
            CHECK_OK(edn_doc_merge(to->doc, edn_buf_view(&b), mirror_patch, &to->mirror));
        CHECK(st == EDN_OK || st == EDN_E_MISSING);
        edn_buf_dispose(&b);
    }
    /* Messages wait for each other's parents: round and round until nothing is missing. */
    for (bool more = true; more;) {
        more = false;
        for (size_t a = 0; a < w->n; a++) {
            uint64_t had = edn_doc_agent_next(to->doc, w->p[a].id), has = edn_doc_agent_next(from->doc, w->p[a].id);
            if (had >= has)
                continue;
            deliver(w, from, to, &w->p[a], 1 + check_below(&w->r, 800), true);
            more = true;
        }
    }
}

static edn_buf encoding(const edn_doc *doc)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_doc_encode(doc, &b));
    return b;
}

static void reopen(peer *p)
{
    edn_buf b = encoding(p->doc), again;
    edn_doc *doc;

    CHECK_OK(edn_doc_decode(edn_buf_view(&b), &doc));
    again = encoding(doc);
    CHECK_BYTES(edn_buf_view(&again), edn_buf_view(&b));
    edn_buf_dispose(&again);
    edn_buf_dispose(&b);
    edn_doc_free(p->doc);
    p->doc = doc;
    edn_doc_author(doc, p->id, 5);
}

static void world_run(world *w, size_t steps)
{
    for (size_t i = 0; i < steps && w->m.n + 64 < MODEL_EVENTS_MAX; i++) {
        peer *p = &w->p[check_below(&w->r, w->n)], *q = &w->p[check_below(&w->r, w->n)];
        uint64_t pick = check_below(&w->r, 100);
        if (pick < 60) {
            edit_random(w, p);
        } else if (pick < 90 && p != q) {
            /* One draw a statement: the order of a call's arguments is the compiler's, and worlds must not be. */
            const peer *agent = &w->p[check_below(&w->r, w->n)];
            size_t size_max = 1 + check_below(&w->r, 800);
            deliver(w, p, q, agent, size_max, false);
        } else if (pick < 94 && p != q) {
            sync_all(w, p, q);
        } else if (pick < 97) {
            reopen(p);
        }
        if (check_below(&w->r, 30) == 0)
            checks_equal(w, q);
    }
}

static void world_end(world *w)
{
    edn_buf first;
    edn_version v;

    for (size_t i = 1; i < w->n; i++)
        sync_all(w, &w->p[i], &w->p[0]);
    for (size_t i = 1; i < w->n; i++)
        sync_all(w, &w->p[0], &w->p[i]);
    first = encoding(w->p[0].doc);
    v = edn_doc_frontier(w->p[0].doc);
    for (size_t i = 0; i < w->n; i++) {
        edn_buf b = encoding(w->p[i].doc);
        edn_version u = edn_doc_frontier(w->p[i].doc);
        checks_equal(w, &w->p[i]);
        CHECK_BYTES(edn_buf_view(&b), edn_buf_view(&first));
        CHECK_INT(u.n, v.n);
        CHECK(memcmp(u.ids, v.ids, v.n * sizeof *v.ids) == 0);
        edn_buf_dispose(&b);
    }
    edn_buf_dispose(&first);
}

/* Any version is what it was: the document at a random event's version. */
static void past_check(world *w)
{
    peer was = w->p[0];
    size_t e = check_below(&w->r, w->m.n);

    if (w->m.n == 0)
        return;
    CHECK_OK(edn_doc_at(w->p[0].doc, (edn_version){&w->m.e[e].id, 1}, &was.doc));
    was.mirror = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    CHECK_OK(edn_doc_text(was.doc, &was.mirror));
    checks_equal(w, &was);
    edn_doc_free(was.doc);
    edn_buf_dispose(&was.mirror);
}

static void replicas_converge_to_the_model(void **state)
{
    (void)state;
    const char *rounds = getenv("EDN_ROUNDS");
    uint64_t seed = check_seed(), n = rounds ? strtoull(rounds, NULL, 0) : 400;

    for (uint64_t i = 0; i < n; i++) {
        world w;
        world_init(&w, 2 + (seed + i) % 4, (seed + i) * 0x9e3779b97f4a7c15u | 1);
        print_message("# EDN_SEED=%llu\n", (unsigned long long)(seed + i));
        world_run(&w, 20 + check_below(&w.r, 130));
        world_end(&w);
        past_check(&w);
        world_dispose(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(replicas_converge_to_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
