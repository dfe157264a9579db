/* Shared journals beside a person's own store: made, opened, locked and dropped, and found again whatever happens in
 * between. The spaces are accounts of diaries that were made for it (tests/support/shared.h). */
#include "diarist.h"

#include <math.h>
#include <sqlite3.h>

#include "client/finding/index.h"
#include "crashvfs.h"
#include "shared.h"

/* Made once: stretching a passphrase is what costs. "home" is an account without a server. */
static struct ground {
    world *w;
    shared one, two;
    uint8_t key[EDN_SESSION_KEY_SIZE];
} g;

static edn_client *open_home(const char *name) { return world_open_with(g.w, name, g.key); }

static edn_client *init_home(const char *name)
{
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init = {.device_name = "desk", .strength = EDN_STRENGTH_FLOOR};
    edn_client *c;
    edn_err err;

    world_home(g.w, name, home);
    o = world_options(g.w, home);
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err));
    CHECK_OK(edn_client_session_key(c, g.key));
    return c;
}

static int ground_make(void **state)
{
    (void)state;
    g.w = world_new();
    shared_make(g.w, "Garden", &g.one);
    shared_make(g.w, "Boat", &g.two);
    edn_client_close(init_home("home"));
    return 0;
}

static int ground_unmake(void **state)
{
    (void)state;
    shared_dispose(&g.one);
    shared_dispose(&g.two);
    world_free(g.w);
    return 0;
}

/* A copy of "home" under a name of its own. */
static edn_client *fresh(const char *name)
{
    world_home_copy(g.w, "home", name);
    return open_home(name);
}

static edn_client *adopt(edn_client *c, const shared *s)
{
    edn_client *k = NULL;
    edn_err err = {EDN_OK, ""};
    edn_status st = family_add(c, s->e, &s->h, &k, &err);

    if (st != EDN_OK)
        print_error("%s\n", err.text);
    CHECK_OK(st);
    CHECK(client_is_shared(k) && k->parent == c);
    return k;
}

static size_t children(edn_client *c)
{
    size_t n = 0;
    edn_client *k;
    edn_err err;

    for (size_t at = 0;; n++) {
        CHECK_OK(family_next(c, &at, &k, &err));
        if (!k)
            return n;
    }
}

/* ---- making, finding, dropping ----------------------------------------------------------------------------------- */

static void a_space_becomes_a_store_of_its_own(void **state)
{
    edn_client *c = fresh("own"), *one, *other, *found;
    edn_entry_id id;
    edn_err err;

    (void)state;
    CHECK(!family_has(c));
    one = adopt(c, &g.one);
    other = adopt(c, &g.two);
    CHECK(one != other && family_has(c));
    CHECK_INT(children(c), 2);
    CHECK_STATUS(family_add(c, g.one.e, &g.one.h, &found, &err), EDN_E_EXISTS);
    CHECK_OK(family_find(c, &g.two.e->id.account, &found, &err));
    CHECK(found == other);
    CHECK_OK(family_of_journal(c, &client_id(one)->journal, &found, &err));
    CHECK(found == one);
    CHECK_OK(family_of_journal(c, &client_id(c)->journal, &found, &err));
    CHECK(found == c);
    CHECK_OK(family_of_journal(c, NULL, &found, &err));
    CHECK(found == c);
    id = diary_add(one, "1661-01-01", "", "in the garden");
    CHECK_OK(family_of_entry(c, &id, &found, &err));
    CHECK(found == one);
    id = diary_add(c, "1661-01-01", "", "mine");
    CHECK_OK(family_of_entry(c, &id, &found, &err));
    CHECK(found == c);
    memset(id.b, 7, sizeof id.b);
    CHECK_OK(family_of_entry(c, &id, &found, &err));
    CHECK(found == c);
    edn_client_close(c);
}

static void it_is_there_after_locking_and_in_other_processes(void **state)
{
    edn_client *c = fresh("again"), *other = open_home("again"), *k;
    edn_entry_id id = diary_add(adopt(c, &g.one), "1661-01-01", "", "in the garden");
    edn_err err;

    (void)state;
    edn_client_lock(c);
    CHECK_STATUS(family_find(c, &g.one.e->id.account, &k, &err), EDN_E_MISSING);
    CHECK_OK(edn_client_unlock_session(c, g.key, &err));
    CHECK_OK(family_find(c, &g.one.e->id.account, &k, &err));
    diary_check_text(k, &id, "in the garden");
    (void)diary_see(other, false); /* a transaction */
    CHECK_OK(family_find(other, &g.one.e->id.account, &k, &err));
    diary_check_text(k, &id, "in the garden");
    edn_client_close(other);
    edn_client_close(c);
}

static void what_no_server_has_is_not_dropped(void **state)
{
    edn_client *c = fresh("drop"), *k;
    const edn_account_id *space = &g.one.e->id.account;
    edn_entry_id id = diary_add(adopt(c, &g.one), "1661-01-01", "", "in the garden");
    edn_err err;

    (void)state;
    CHECK_STATUS(family_drop(c, space, false, &err), EDN_E_CONFLICT);
    CHECK_OK(family_find(c, space, &k, &err));
    diary_check_text(k, &id, "in the garden");
    CHECK_OK(family_drop(c, space, true, &err));
    CHECK_STATUS(family_find(c, space, &k, &err), EDN_E_MISSING);
    CHECK_STATUS(family_drop(c, space, true, &err), EDN_E_MISSING);
    CHECK_INT(children(c), 0);
    k = adopt(c, &g.one); /* as if it had never been here */
    CHECK_STATUS(edn_client_show(k, &id, diary_put_text, NULL, &err), EDN_E_MISSING);
    edn_client_close(c);
}

static void one_whose_server_is_not_asked_yet_is_no_part_of_the_diary(void **state)
{
    edn_client *c = fresh("begun"), *k;
    new_home h = g.one.h;
    edn_err err;

    (void)state;
    h.begun = BEGUN_INIT;
    CHECK_OK(family_add(c, g.one.e, &h, &k, &err));
    CHECK_INT(children(c), 0);
    edn_client_close(c);
    c = open_home("begun");
    CHECK_INT(children(c), 0);
    CHECK_OK(family_find(c, &g.one.e->id.account, &k, &err));
    CHECK_OK(family_finish(c, &g.one.e->id.account, &err));
    CHECK_INT(children(c), 1);
    CHECK_STATUS(family_finish(c, &g.two.e->id.account, &err), EDN_E_MISSING);
    edn_client_close(c);
}

/* The row of the parent was lost with a restored copy; the store beside it was not. */
static void a_store_without_a_row_is_taken_back_with_all_that_is_in_it(void **state)
{
    edn_client *c = fresh("orphan"), *k;
    edn_entry_id id = diary_add(adopt(c, &g.one), "1661-01-01", "", "nobody else has this");
    edn_err err;

    (void)state;
    CHECK_OK(client_begin_write(c, &err));
    CHECK_OK(client_end_write(c, meta_del(c, "family", EDN_BYTES_EMPTY), &err));
    edn_client_close(c);
    c = open_home("orphan");
    CHECK_INT(children(c), 0);
    k = adopt(c, &g.one);
    diary_check_text(k, &id, "nobody else has this");
    edn_client_close(c);
}

/* ---- power ------------------------------------------------------------------------------------------------------- */

enum { MAKE, DROP };

/* How many children the row lists, in whatever state. */
static uint32_t rows(edn_client *c)
{
    edn_buf row = EDN_BUF_INIT(65536);
    edn_status st = meta_get(c, "family", EDN_BYTES_EMPTY, &row);
    uint32_t n = st == EDN_OK ? edn_load_u32(row.p + 1) : 0;

    edn_buf_dispose(&row);
    return n;
}

static edn_status do_it(edn_client *c, int what, edn_err *err)
{
    edn_client *k;

    return what == MAKE ? family_add(c, g.two.e, &g.two.h, &k, err) : family_drop(c, &g.one.e->id.account, true, err);
}

/* Power goes at every change of the disk: the store is there as a whole or not at all, the others are as they were, and
 * doing it again does it. */
static void cut_everywhere(int what)
{
    crashvfs *before = crashvfs_new("family-before");
    edn_client *c, *k;
    edn_entry_id mine, garden;
    uint64_t from, op;
    bool done = false;
    struct ground whole = g;
    edn_err err;

    g.w->device_vfs = "family-before";
    c = init_home("power");
    garden = diary_add(adopt(c, &g.one), "1661-01-01", "", "in the garden");
    mine = diary_add(c, "1661-01-01", "", "mine");
    edn_client_close(c);
    for (op = 1; !done; op++) {
        crashvfs *run = crashvfs_copy(before, "family-run");
        g.w->device_vfs = "family-run";
        c = open_home("power");
        from = crashvfs_ops(run);
        crashvfs_cut_at(run, from + op);
        done = do_it(c, what, &err) == EDN_OK && !crashvfs_is_dark(run);
        crashvfs_cut_at(run, 0);
        crashvfs_cut(run);
        edn_client_close(c);
        crashvfs_power(run, (crashvfs_fate)(op % CRASHVFS_FATES), op);
        c = open_home("power");
        diary_check_text(c, &mine, "mine");
        if (what == MAKE || family_find(c, &g.one.e->id.account, &k, &err) == EDN_OK) {
            CHECK_OK(family_find(c, &g.one.e->id.account, &k, &err));
            diary_check_text(k, &garden, "in the garden");
        }
        CHECK_INT(rows(c), children(c)); /* nothing of what was begun is left */
        if (what == MAKE && family_find(c, &g.two.e->id.account, &k, &err) == EDN_OK) {
            diary_check_verified(k);
        } else {
            edn_status st = do_it(c, what, &err);
            CHECK(st == EDN_OK || (what == DROP && st == EDN_E_MISSING));
        }
        CHECK_INT(children(c), what == MAKE ? 2 : 0);
        edn_client_close(c);
        crashvfs_free(run);
    }
    CHECK(op > 10);
    g = whole;
    g.w->device_vfs = NULL;
    crashvfs_free(before);
}

static void making_one_withstands_power_cuts(void **state)
{
    (void)state;
    cut_everywhere(MAKE);
}

static void dropping_one_withstands_power_cuts(void **state)
{
    (void)state;
    cut_everywhere(DROP);
}

/* ---- one diary --------------------------------------------------------------------------------------------------- */

/* A home with two shared journals; ids of "Garden" and "Boat". */
typedef struct scene {
    edn_client *c, *garden, *boat;
    edn_journal_id own_id, garden_id, boat_id;
} scene;

static scene scene_open(const char *name)
{
    scene s = {.c = fresh(name)};

    s.garden = adopt(s.c, &g.one);
    s.boat = adopt(s.c, &g.two);
    s.own_id = client_id(s.c)->journal;
    s.garden_id = client_id(s.garden)->journal;
    s.boat_id = client_id(s.boat)->journal;
    return s;
}

static edn_entry_id add(const scene *s, const edn_journal_id *j, const char *date, const char *text)
{
    edn_draft d = {.date = edn_bytes_str(date), .text = edn_bytes_str(text), .journal = j};
    edn_entry_id id;

    g.w->now_ms++; /* of one day, the order in which they were written */
    CHECK_OK(edn_client_add(s->c, &d, &id, NULL));
    return id;
}

/* "[journal] date text|" for each. */
static edn_status put_line(void *ctx, const edn_entry *e)
{
    edn_put_str(ctx, "[");
    edn_put_bytes(ctx, e->journal_name.p, e->journal_name.n);
    edn_put_str(ctx, "] ");
    edn_put_bytes(ctx, e->date.p, e->date.n);
    edn_put_str(ctx, " ");
    edn_put_bytes(ctx, e->text.p, e->text.n);
    edn_put_str(ctx, e->deleted ? " deleted|" : "|");
    return EDN_OK;
}

static void check_list(const scene *s, const edn_filter *f, const char *want)
{
    edn_buf got = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_client_list(s->c, f, put_line, &got, NULL));
    CHECK_STR(edn_buf_view(&got), want);
    edn_buf_dispose(&got);
}

static void check_shown(const scene *s, const edn_entry_id *id, const char *want)
{
    edn_buf got = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_client_show(s->c, id, put_line, &got, NULL));
    CHECK_STR(edn_buf_view(&got), want);
    edn_buf_dispose(&got);
}

static void entries_of_all_stores_are_one_list(void **state)
{
    scene s = scene_open("list");
    edn_filter limited = {.limit = 2}, newest = {.newest_first = true, .limit = 3}, boat = {.journal = &s.boat_id},
               own = {.journal = &s.own_id}, march = {.from = edn_bytes_str("1660-03-01")},
               all = {.deleted = true, .from = edn_bytes_str("1660-03-01")};
    edn_entry_id id;

    (void)state;
    add(&s, &s.boat_id, "1660-01-02", "b1");
    add(&s, NULL, "1660-01-01", "p1");
    add(&s, &s.garden_id, "1660-01-01", "g1");
    add(&s, &s.own_id, "1660-02-01", "p2");
    id = add(&s, &s.garden_id, "1660-03-01", "g2");
    add(&s, &s.boat_id, "1660-03-01", "b2");
    check_list(&s, NULL,
               "[Diary] 1660-01-01 p1|[Garden] 1660-01-01 g1|[Boat] 1660-01-02 b1|[Diary] 1660-02-01 p2|"
               "[Garden] 1660-03-01 g2|[Boat] 1660-03-01 b2|");
    check_list(&s, &limited, "[Diary] 1660-01-01 p1|[Garden] 1660-01-01 g1|");
    check_list(&s, &newest, "[Boat] 1660-03-01 b2|[Garden] 1660-03-01 g2|[Diary] 1660-02-01 p2|");
    check_list(&s, &boat, "[Boat] 1660-01-02 b1|[Boat] 1660-03-01 b2|");
    check_list(&s, &own, "[Diary] 1660-01-01 p1|[Diary] 1660-02-01 p2|");
    CHECK_OK(edn_client_remove(s.c, &id, NULL));
    check_list(&s, &march, "[Boat] 1660-03-01 b2|");
    check_list(&s, &all, "[Garden] 1660-03-01 g2 deleted|[Boat] 1660-03-01 b2|");
    CHECK_OK(edn_client_undelete(s.c, &id, NULL));
    check_list(&s, &march, "[Garden] 1660-03-01 g2|[Boat] 1660-03-01 b2|");
    edn_client_close(s.c);
}

static void a_person_calls_entries_of_any_store_alike(void **state)
{
    scene s = scene_open("find");
    edn_entry_id own = add(&s, NULL, "1660-01-01", "p1"), garden = add(&s, &s.garden_id, "1660-01-02", "g1"), got;
    char hex[33];
    edn_err err;

    (void)state;
    CHECK_OK(edn_client_find(s.c, "last", &got, &err));
    CHECK_BYTES(id_bytes(&got), id_bytes(&garden));
    CHECK_OK(edn_client_find(s.c, "1660-01-02", &got, &err));
    CHECK_BYTES(id_bytes(&got), id_bytes(&garden));
    CHECK_OK(edn_client_find(s.c, "1660-01-01", &got, &err));
    CHECK_BYTES(id_bytes(&got), id_bytes(&own));
    edn_hex_encode(hex, garden.b, sizeof garden.b);
    hex[12] = 0;
    CHECK_OK(edn_client_find(s.c, hex, &got, &err));
    CHECK_BYTES(id_bytes(&got), id_bytes(&garden));
    add(&s, &s.boat_id, "1660-01-01", "b1");
    CHECK_STATUS(edn_client_find(s.c, "1660-01-01", &got, &err), EDN_E_AMBIGUOUS);
    CHECK(strstr(err.text, "2 entries") != NULL);
    CHECK_STATUS(edn_client_find(s.c, "1660-01-03", &got, &err), EDN_E_MISSING);
    edn_client_close(s.c);
}

static edn_status count_history(void *ctx, const edn_history_item *item)
{
    *(uint32_t *)ctx = item->version;
    return EDN_OK;
}

static edn_status put_piece(void *ctx, edn_piece_kind kind, edn_bytes text)
{
    edn_put_str(ctx, kind == EDN_PIECE_INSERTED ? "+" : kind == EDN_PIECE_DELETED ? "-" : "=");
    edn_put_bytes(ctx, text.p, text.n);
    return EDN_OK;
}

static edn_status put_blame(void *ctx, const edn_blame_item *item)
{
    edn_put_bytes(ctx, item->text.p, item->text.n);
    return EDN_OK;
}

static edn_status see_whole(void *ctx, const edn_entry *e)
{
    edn_put_bytes(ctx, e->title.p, e->title.n);
    for (size_t i = 0; i < e->tags_n; i++)
        edn_put_lp(ctx, e->tags[i]);
    for (size_t i = 0; i < e->fields_n; i++) {
        edn_put_lp(ctx, e->fields[i].name);
        edn_put_lp(ctx, e->fields[i].value);
    }
    edn_put_u64(ctx, e->created_ms);
    edn_put_lp(ctx, e->text);
    return EDN_OK;
}

static void an_entry_is_worked_on_where_it_lies(void **state)
{
    scene s = scene_open("edit");
    edn_entry_id id = add(&s, &s.garden_id, "1660-01-01", "one");
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint32_t versions = 0;

    (void)state;
    g.w->now_ms += 60000;
    CHECK_OK(edn_client_edit(s.c, &id, EDN_BYTES_EMPTY, edn_bytes_str("one two"), NULL));
    g.w->now_ms += 60000;
    CHECK_OK(edn_client_set(s.c, &id, edn_bytes_str("mood"), edn_bytes_str("glad"), NULL));
    CHECK_OK(edn_client_tag(s.c, &id, edn_bytes_str("sea"), true, NULL));
    CHECK_OK(edn_client_history(s.c, &id, count_history, &versions, NULL));
    CHECK_INT(versions, 3);
    CHECK_OK(edn_client_diff(s.c, &id, (edn_moment){1, 0}, (edn_moment){0, 0}, put_piece, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "=one+ two");
    edn_buf_reset(&b);
    CHECK_OK(edn_client_blame(s.c, &id, put_blame, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "one two");
    edn_buf_reset(&b);
    CHECK_OK(edn_client_show_version(s.c, &id, (edn_moment){1, 0}, put_line, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "[Garden] 1660-01-01 one|");
    CHECK_OK(edn_client_restore(s.c, &id, (edn_moment){1, 0}, NULL));
    check_shown(&s, &id, "[Garden] 1660-01-01 one|");
    CHECK_OK(edn_client_remove(s.c, &id, NULL));
    check_shown(&s, &id, "[Garden] 1660-01-01 one deleted|");
    CHECK_OK(edn_client_undelete(s.c, &id, NULL));
    diary_check_text(s.garden, &id, "one");
    CHECK_STATUS(edn_client_show(s.boat, &id, put_line, &b, NULL), EDN_E_MISSING);
    edn_buf_dispose(&b);
    edn_client_close(s.c);
}

static edn_status put_journal(void *ctx, const edn_journal *j)
{
    char text[64];

    edn_put_bytes(ctx, j->name.p, j->name.n);
    snprintf(text, sizeof text, " %u%s|", (unsigned)j->entries, j->shared ? " shared" : "");
    edn_put_str(ctx, text);
    return EDN_OK;
}

static void a_shared_journal_is_one_of_the_journals(void **state)
{
    scene s = scene_open("journals");
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_journal_id id, stray;
    edn_entry_id entry;
    edn_err err;

    (void)state;
    add(&s, &s.garden_id, "1660-01-01", "g1");
    entry = add(&s, &s.garden_id, "1660-01-01", "g2");
    add(&s, NULL, "1660-01-01", "p1");
    /* What a member of the space may write into an entry makes no journal of its own. */
    memset(stray.b, 9, sizeof stray.b);
    CHECK_OK(edn_client_move(s.garden, &entry, &stray, &err));
    CHECK_OK(edn_client_journals(s.c, put_journal, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "Diary 1|Garden 2 shared|Boat 0 shared|");
    CHECK_OK(edn_client_journal_find(s.c, "Boat", &id, &err));
    CHECK(memcmp(id.b, s.boat_id.b, sizeof id.b) == 0);
    CHECK_OK(edn_client_journal_find(s.c, "garden", &id, &err));
    CHECK(memcmp(id.b, s.garden_id.b, sizeof id.b) == 0);
    CHECK_STATUS(edn_client_journal_new(s.c, edn_bytes_str("Boat"), &id, &err), EDN_E_EXISTS);
    CHECK_OK(edn_client_journal_rename(s.c, &s.boat_id, edn_bytes_str("Ship"), &err));
    CHECK_OK(edn_client_journal_find(s.c, "Ship", &id, &err));
    CHECK(memcmp(id.b, s.boat_id.b, sizeof id.b) == 0);
    CHECK_STATUS(edn_client_journal_find(s.c, "Boat", &id, &err), EDN_E_MISSING);
    CHECK_STATUS(edn_client_journal_new(s.c, edn_bytes_str("Ship"), &id, &err), EDN_E_EXISTS);
    edn_buf_dispose(&b);
    edn_client_close(s.c);
}

/* ---- moving ------------------------------------------------------------------------------------------------------ */

static void an_entry_moves_with_all_but_its_history(void **state)
{
    scene s = scene_open("move");
    static const edn_bytes tags[] = {{(const uint8_t *)"sea", 3}, {(const uint8_t *)"sky", 3}};
    const edn_field mood = {edn_bytes_str("mood"), edn_bytes_str("glad")};
    edn_draft d = {.date = edn_bytes_str("1660-01-01"),
                   .title = edn_bytes_str("A day"),
                   .text = edn_bytes_str("secret words"),
                   .tags = tags,
                   .tags_n = 2,
                   .fields = &mood,
                   .fields_n = 1};
    edn_filter deleted = {.deleted = true};
    edn_buf before = EDN_BUF_INIT(EDN_BUF_UNLIMITED), after = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    const edn_journal_id *way[] = {&s.garden_id, &s.boat_id, &s.own_id, &s.boat_id, &s.garden_id};
    edn_entry_id id, got;
    uint32_t versions = 0;
    edn_err err;

    (void)state;
    CHECK_OK(edn_client_add(s.c, &d, &id, &err));
    g.w->now_ms += 60000;
    CHECK_OK(edn_client_edit(s.c, &id, EDN_BYTES_EMPTY, edn_bytes_str("words"), &err));
    CHECK_OK(edn_client_show(s.c, &id, see_whole, &before, &err));
    for (size_t i = 0; i < EDN_COUNT(way); i++) {
        g.w->now_ms += 60000;
        CHECK_OK(edn_client_move(s.c, &id, way[i], &err));
        edn_buf_reset(&after);
        CHECK_OK(edn_client_show(s.c, &id, see_whole, &after, &err));
        CHECK_BYTES(edn_buf_view(&after), edn_buf_view(&before));
        check_list(&s, &deleted,
                   way[i] == &s.own_id      ? "[Diary] 1660-01-01 words|"
                   : way[i] == &s.garden_id ? "[Garden] 1660-01-01 words|"
                                            : "[Boat] 1660-01-01 words|");
        CHECK_OK(edn_client_find(s.c, "last", &got, &err));
        CHECK_OK(edn_client_edit(s.c, &id, EDN_BYTES_EMPTY, edn_bytes_str("words"), &err)); /* where it is */
        if (i == 0) {
            CHECK_OK(edn_client_history(s.c, &id, count_history, &versions, &err));
            CHECK_INT(versions, 1); /* nothing of what was crossed out went along */
        }
    }
    /* Deleted where it is now, and brought back there. */
    CHECK_OK(edn_client_remove(s.c, &id, &err));
    check_list(&s, NULL, "");
    check_list(&s, &deleted, "[Garden] 1660-01-01 words deleted|");
    CHECK_OK(edn_client_undelete(s.c, &id, &err));
    check_list(&s, NULL, "[Garden] 1660-01-01 words|");
    CHECK_OK(edn_client_move(s.c, &id, &s.garden_id, &err)); /* it is there */
    check_list(&s, NULL, "[Garden] 1660-01-01 words|");
    memset(id.b, 3, sizeof id.b);
    CHECK_STATUS(edn_client_move(s.c, &id, &s.garden_id, &err), EDN_E_MISSING);
    edn_buf_dispose(&before);
    edn_buf_dispose(&after);
    edn_client_close(s.c);
}

static edn_status count_entry(void *ctx, const edn_entry *e)
{
    (void)e;
    ++*(unsigned *)ctx;
    return EDN_OK;
}

static edn_client *find_child(edn_client *c, const shared *of)
{
    edn_client *k;
    edn_err err;

    CHECK_OK(family_find(c, &of->e->id.account, &k, &err));
    return k;
}

/* Power goes at every change of the disk while an entry moves: it is in one or in both, never in neither, and once it
 * is settled in one. */
static void a_move_withstands_power_cuts(void **state)
{
    crashvfs *before = crashvfs_new("move-before");
    scene s = {NULL};
    struct ground whole = g;
    edn_entry_id id;
    edn_err err;

    (void)state;
    g.w->device_vfs = "move-before";
    s.c = init_home("power-move");
    s.garden = adopt(s.c, &g.one);
    s.boat = adopt(s.c, &g.two);
    s.garden_id = client_id(s.garden)->journal;
    s.boat_id = client_id(s.boat)->journal;
    s.own_id = client_id(s.c)->journal;
    id = add(&s, &s.garden_id, "1660-01-01", "words");
    edn_client_close(s.c);
    for (unsigned way = 0; way < 2; way++) {
        const edn_journal_id *to = way ? &s.boat_id : &s.own_id;
        const char *there = way ? "[Boat] 1660-01-01 words|" : "[Diary] 1660-01-01 words|";
        bool done = false;
        uint64_t op;
        for (op = 1; !done; op++) {
            crashvfs *run = crashvfs_copy(before, "move-run");
            unsigned seen = 0;
            g.w->device_vfs = "move-run";
            s.c = open_home("power-move");
            (void)find_child(s.c, &g.one); /* opening writes too */
            (void)find_child(s.c, &g.two);
            crashvfs_cut_at(run, crashvfs_ops(run) + op);
            done = edn_client_move(s.c, &id, to, &err) == EDN_OK && !crashvfs_is_dark(run);
            crashvfs_cut_at(run, 0);
            crashvfs_cut(run);
            edn_client_close(s.c);
            crashvfs_power(run, (crashvfs_fate)(op % CRASHVFS_FATES), op);
            s.c = open_home("power-move");
            CHECK_OK(edn_client_list(s.c, NULL, count_entry, &seen, &err));
            CHECK(seen == 1 || (seen == 2 && !done));
            if (op % 2)
                CHECK_OK(family_settle(s.c, &err));
            seen = 0;
            CHECK_OK(edn_client_list(s.c, NULL, count_entry, &seen, &err));
            CHECK(seen == 1 || op % 2 == 0);
            CHECK_OK(edn_client_move(s.c, &id, to, &err)); /* which settles too */
            check_list(&s, NULL, there);
            diary_check_verified(s.c);
            edn_client_close(s.c);
            crashvfs_free(run);
        }
        CHECK(op > 10);
    }
    g = whole;
    g.w->device_vfs = NULL;
    crashvfs_free(before);
}

/* ---- bringing in and taking out ---------------------------------------------------------------------------------- */

static edn_status next_item(void *ctx, edn_import_item *item, bool *done)
{
    static const char *const journals[] = {"Garden", "New", "", "Garden", "New"};
    unsigned *n = ctx;

    if ((*done = *n == EDN_COUNT(journals)))
        return EDN_OK;
    item->draft.date = edn_bytes_str("1660-02-02");
    item->draft.text = edn_bytes_str("brought in");
    item->journal_name = edn_bytes_str(journals[*n]);
    item->has_id = true;
    memset(item->id.b, 0x40 + (int)++*n, sizeof item->id.b);
    return EDN_OK;
}

static edn_status next_bad(void *ctx, edn_import_item *item, bool *done)
{
    edn_status st = next_item(ctx, item, done);

    if (*done) {
        *done = false;
        item->draft.text = edn_bytes_str("\xff");
    }
    return st;
}

static void an_import_goes_where_journals_are_called_so(void **state)
{
    scene s = scene_open("import");
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_import_result r;
    unsigned n = 0;
    edn_err err;

    (void)state;
    CHECK_STATUS(edn_client_import(s.c, next_bad, &n, NULL, &r, &err), EDN_E_UTF8);
    check_list(&s, NULL, "");
    n = 0;
    CHECK_OK(edn_client_import(s.c, next_item, &n, NULL, &r, &err));
    CHECK(r.added == 5 && r.known == 0);
    CHECK_OK(edn_client_journals(s.c, put_journal, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "Diary 1|New 2|Garden 2 shared|Boat 0 shared|");
    n = 0;
    CHECK_OK(edn_client_import(s.c, next_item, &n, NULL, &r, &err));
    CHECK(r.added == 0 && r.known == 5);
    edn_buf_reset(&b);
    add(&s, &s.boat_id, "1660-02-01", "b1");
    CHECK_OK(edn_client_export(s.c, NULL, put_line, &b, NULL, &err));
    CHECK_STR(edn_buf_view(&b),
              "[Boat] 1660-02-01 b1|[Garden] 1660-02-02 brought in|[New] 1660-02-02 brought in|"
              "[Diary] 1660-02-02 brought in|[Garden] 1660-02-02 brought in|[New] 1660-02-02 brought in|");
    edn_buf_dispose(&b);
    edn_client_close(s.c);
}

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

static edn_status call_back(void *ctx, const edn_entry *e)
{
    edn_client *c = ctx;
    edn_err err;

    CHECK_STATUS(edn_client_set(c, &e->id, edn_bytes_str("mood"), edn_bytes_str("glad"), &err), EDN_E_BUSY);
    CHECK_STATUS(edn_client_list(c, NULL, call_back, c, &err), EDN_E_BUSY);
    edn_client_lock(c);
    CHECK(edn_client_unlocked(c));
    return EDN_OK;
}

static void a_callback_cannot_use_the_diary_whichever_store_it_came_from(void **state)
{
    scene s = scene_open("busy");
    edn_entry_id id = add(&s, &s.garden_id, "1660-01-01", "g1");
    edn_filter garden = {.journal = &s.garden_id};

    (void)state;
    CHECK_OK(edn_client_show(s.c, &id, call_back, s.c, NULL));
    CHECK_OK(edn_client_list(s.c, NULL, call_back, s.c, NULL));
    CHECK_OK(edn_client_list(s.c, &garden, call_back, s.c, NULL));
    edn_client_close(s.c);
}

/* ---- searching --------------------------------------------------------------------------------------------------- */

static edn_status put_hit(void *ctx, const edn_hit *hit) { return put_line(ctx, hit->entry); }

static uint64_t check_found(const scene *s, const char *query, const edn_filter *f, const char *want)
{
    edn_buf got = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_search_options o = {.filter = f};
    edn_search_result r;

    CHECK_OK(edn_client_search(s->c, edn_bytes_str(query), &o, put_hit, &got, &r, NULL));
    CHECK_STR(edn_buf_view(&got), want);
    edn_buf_dispose(&got);
    return r.found;
}

static edn_status put_month(void *ctx, const edn_month_count *m)
{
    char text[64];

    snprintf(text, sizeof text, "%s %u/%u|", m->month, (unsigned)m->entries, (unsigned)m->words);
    edn_put_str(ctx, text);
    return EDN_OK;
}

static edn_status put_tag(void *ctx, edn_bytes tag, uint64_t entries)
{
    char text[64];

    snprintf(text, sizeof text, "#%.*s %u|", (int)tag.n, (const char *)tag.p, (unsigned)entries);
    edn_put_str(ctx, text);
    return EDN_OK;
}

static void a_search_is_one_over_all_stores(void **state)
{
    scene s = scene_open("search");
    edn_filter newest = {.newest_first = true}, one = {.limit = 1}, garden = {.journal = &s.garden_id};
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_search_result r;
    edn_entry_id id;
    edn_err err;

    (void)state;
    add(&s, NULL, "1660-01-01", "the lighthouse and the long white road to the village");
    id = add(&s, &s.garden_id, "1660-02-01", "lighthouse lighthouse");
    add(&s, &s.boat_id, "1660-03-01", "a harbour without roses");
    add(&s, &s.boat_id, "1660-03-02", "roses at the lighthouse, and a village");
    CHECK_OK(edn_client_tag(s.c, &id, edn_bytes_str("sea"), true, &err));
    CHECK_INT(check_found(&s, "lighthouse", NULL,
                          "[Garden] 1660-02-01 lighthouse lighthouse|"
                          "[Boat] 1660-03-02 roses at the lighthouse, and a village|"
                          "[Diary] 1660-01-01 the lighthouse and the long white road to the village|"),
              3);
    CHECK_INT(check_found(&s, "lighthouse", &newest,
                          "[Boat] 1660-03-02 roses at the lighthouse, and a village|"
                          "[Garden] 1660-02-01 lighthouse lighthouse|"
                          "[Diary] 1660-01-01 the lighthouse and the long white road to the village|"),
              3);
    CHECK_INT(check_found(&s, "lighthouse", &one, "[Garden] 1660-02-01 lighthouse lighthouse|"), 3);
    CHECK_INT(check_found(&s, "lighthouse", &garden, "[Garden] 1660-02-01 lighthouse lighthouse|"), 1);
    CHECK_INT(
        check_found(&s, "lighthouse journal:boat", NULL, "[Boat] 1660-03-02 roses at the lighthouse, and a village|"),
        1);
    CHECK_INT(check_found(&s, "lighthouse -journal:boat -journal:garden", NULL,
                          "[Diary] 1660-01-01 the lighthouse and the long white road to the village|"),
              1);
    CHECK_STATUS(edn_client_search(s.c, edn_bytes_str("journal:nobody"), NULL, NULL, NULL, &r, &err), EDN_E_MISSING);
    /* A word that another store has is no mistake here. */
    CHECK_OK(edn_client_search(s.c, edn_bytes_str("harbour"), NULL, NULL, NULL, &r, &err));
    CHECK(r.found == 1 && !r.instead[0]);
    CHECK_OK(edn_client_search(s.c, edn_bytes_str("harbour road"), NULL, NULL, NULL, &r, &err));
    CHECK(r.found == 0 && !r.instead[0]);
    CHECK_OK(edn_client_search(s.c, edn_bytes_str("lighthuose"), NULL, NULL, NULL, &r, &err));
    CHECK_INT(r.found, 3);
    CHECK_STR(edn_bytes_str(r.instead), "lighthouse for lighthuose");
    CHECK_OK(edn_client_similar(s.c, &id, 5, NULL, put_hit, &b, &err));
    CHECK(diary_count(edn_buf_view(&b), "[Boat]") == 1 && diary_count(edn_buf_view(&b), "[Diary]") == 1);
    edn_buf_reset(&b);
    CHECK_OK(edn_client_stats(s.c, NULL, NULL, put_month, put_tag, &b, &err));
    CHECK_STR(edn_buf_view(&b), "1660-01 1/10|1660-02 1/3|1660-03 2/11|#sea 1|");
    CHECK_OK(edn_client_reindex(s.c, NULL, &err));
    CHECK_INT(check_found(&s, "roses harbour", NULL, "[Boat] 1660-03-01 a harbour without roses|"), 1);
    edn_buf_dispose(&b);
    edn_client_close(s.c);
}

typedef struct weighed {
    edn_buf texts;
    double scores[64];
    size_t n;
} weighed;

static edn_status weigh(void *ctx, const edn_hit *hit)
{
    weighed *w = ctx;

    edn_put_lp(&w->texts, hit->entry->text);
    CHECK(w->n < EDN_COUNT(w->scores));
    w->scores[w->n++] = hit->score;
    return EDN_OK;
}

/* Two homes with the same entries: in the first all are the person's own, in the second each third is. */
static void a_hit_weighs_the_same_in_whichever_store_it_lies(void **state)
{
    static const char *const queries[] = {"lighthouse", "lighthouse OR village", "road village", "ro*"};
    scene one = scene_open("whole"), s = scene_open("apart");
    const edn_journal_id *journals[] = {NULL, &s.garden_id, &s.boat_id};
    edn_err err;

    (void)state;
    for (unsigned i = 0; i < 36; i++) {
        char date[11], text[400] = "", word[40];
        snprintf(date, sizeof date, "%u-02-03", 1660 + i);
        for (unsigned k = 0; k <= i * i % 11; k++) { /* long and short, and words as rare as they come */
            snprintf(word, sizeof word, "%s filler%u ",
                     i % 4 == k % 4 ? "lighthouse"
                     : i % 5 == k   ? "village"
                                    : "road",
                     k);
            strcat(text, word);
        }
        add(&one, NULL, date, text);
        add(&s, journals[i * 7 % 3], date, text);
    }
    for (size_t q = 0; q < EDN_COUNT(queries); q++) {
        weighed a = {.texts = EDN_BUF_INIT(65536)}, b = {.texts = EDN_BUF_INIT(65536)};
        CHECK_OK(edn_client_search(one.c, edn_bytes_str(queries[q]), NULL, weigh, &a, NULL, &err));
        CHECK_OK(edn_client_search(s.c, edn_bytes_str(queries[q]), NULL, weigh, &b, NULL, &err));
        CHECK(a.n > 3 && a.n == b.n);
        for (size_t i = 0; i < a.n; i++)
            CHECK(fabs(a.scores[i] - b.scores[i]) < 1e-4 * a.scores[i]);
        CHECK_BYTES(edn_buf_view(&b.texts), edn_buf_view(&a.texts));
        edn_buf_dispose(&a.texts);
        edn_buf_dispose(&b.texts);
    }
    edn_client_close(one.c);
    edn_client_close(s.c);
}

static void note_finding(void *ctx, const edn_finding *f) { memcpy(ctx, f->text, sizeof f->text); }

/* Spoils rows of a child's table. */
static void spoil(edn_client *k, edn_table t, const char *which)
{
    char path[600], sql[200];
    sqlite3 *db;

    snprintf(path, sizeof path, "%s/diary.edn", k->home);
    snprintf(sql, sizeof sql, "UPDATE kv SET v = zeroblob(100) WHERE t = %d AND %s", (int)t, which);
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_changes(db) > 0);
    CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void a_damaged_index_of_one_store_is_made_anew(void **state)
{
    scene s = scene_open("mend");
    edn_search_options o = {.on_finding = note_finding};
    char text[sizeof((edn_finding *)0)->text] = "";
    edn_search_result r;
    edn_err err;

    (void)state;
    add(&s, NULL, "1660-01-01", "roses");
    add(&s, &s.garden_id, "1660-02-01", "roses");
    s.garden->index->fold_min = 1;
    CHECK_OK(edn_client_search(s.c, edn_bytes_str("roses"), NULL, NULL, NULL, &r, &err));
    spoil(s.garden, EDN_TABLE_INDEX, "substr(k, 1, 1) = x'02'"); /* pages */
    edn_client_lock(s.c);
    CHECK_OK(edn_client_unlock_session(s.c, g.key, &err));
    o.ctx = text;
    CHECK_OK(edn_client_search(s.c, edn_bytes_str("roses"), &o, NULL, NULL, &r, &err));
    CHECK_INT(r.found, 2);
    CHECK(strstr(text, "made anew") != NULL);
    edn_client_close(s.c);
}

/* ---- what is wrong, and what stands where ------------------------------------------------------------------------ */

static void status_and_verify_speak_of_all_stores(void **state)
{
    scene s = scene_open("status");
    edn_client_status st;
    edn_verify_result v;
    edn_finding f = {.status = EDN_E_FORK, .time_ms = 1, .text = "something is odd"};
    edn_entry_id id;
    edn_err err;

    (void)state;
    add(&s, NULL, "1660-01-01", "p1");
    add(&s, &s.garden_id, "1660-01-01", "g1");
    id = add(&s, &s.boat_id, "1660-01-01", "b1");
    CHECK_OK(edn_client_remove(s.c, &id, &err));
    CHECK_OK(client_begin_write(s.garden, &err));
    CHECK_OK(client_end_write(s.garden, finding_save(s.garden, &f), &err));
    CHECK_OK(edn_client_status_get(s.c, &st, &err));
    CHECK(st.entries == 2 && st.deleted == 1 && st.journals == 3);
    CHECK_INT(st.unsent, 7); /* the device, and in each store an entry and the journal */
    CHECK_INT(st.findings_n, 1);
    CHECK_STR(edn_bytes_str(st.findings[0].text), "journal \"Garden\": something is odd");
    CHECK_OK(edn_client_verify(s.c, NULL, NULL, NULL, &v, &err));
    CHECK(v.entries == 3 && v.damaged == 0);
    edn_client_close(s.c);
}

static void a_damaged_store_keeps_nobody_from_the_others(void **state)
{
    scene s = scene_open("damaged");
    edn_entry_id own = add(&s, NULL, "1660-01-01", "p1"), garden = add(&s, &s.garden_id, "1660-01-01", "g1");
    edn_client_status st;
    edn_verify_result v;
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_err err;

    (void)state;
    add(&s, &s.boat_id, "1660-01-02", "b1");
    spoil(s.garden, EDN_TABLE_META, "1");
    edn_client_close(s.c);
    s.c = open_home("damaged");
    check_list(&s, NULL, "[Diary] 1660-01-01 p1|[Boat] 1660-01-02 b1|");
    check_shown(&s, &own, "[Diary] 1660-01-01 p1|");
    CHECK_STATUS(edn_client_show(s.c, &garden, put_line, &b, &err), EDN_E_MISSING);
    CHECK_STATUS(edn_client_add(s.c, &(edn_draft){.journal = &s.garden_id}, &own, &err), EDN_E_DAMAGED);
    check_found(&s, "b1", NULL, "[Boat] 1660-01-02 b1|");
    CHECK_OK(edn_client_status_get(s.c, &st, &err));
    CHECK_INT(st.findings_n, 1);
    CHECK(st.findings[0].status == EDN_E_DAMAGED && !st.synced);
    CHECK_OK(edn_client_verify(s.c, NULL, NULL, NULL, &v, &err));
    CHECK_INT(v.damaged, 1);
    edn_buf_dispose(&b);
    edn_client_close(s.c);
}

/* Whoever may read only, by the log of the space: here one whose only device was let in without the right to write is
 * one that is not in the log at all. */
static void who_may_not_write_is_told_so(void **state)
{
    scene s = scene_open("read");
    edn_entry_id id = add(&s, &s.garden_id, "1660-01-01", "g1"), own = add(&s, NULL, "1660-01-01", "p1");
    identity *who;
    edn_err err;

    (void)state;
    CHECK_OK(client_begin_write(s.garden, &err));
    who = &s.garden->secret->id;
    memset(who->device.b, 5, sizeof who->device.b);
    CHECK_OK(client_end_write(s.garden, identity_save(s.garden, who), &err));
    CHECK_STATUS(edn_client_edit(s.c, &id, EDN_BYTES_EMPTY, edn_bytes_str("mine now"), &err), EDN_E_DENIED);
    CHECK_STATUS(edn_client_restore(s.c, &id, (edn_moment){1, 0}, &err), EDN_E_DENIED);
    CHECK_STATUS(edn_client_add(s.c, &(edn_draft){.journal = &s.garden_id}, &own, &err), EDN_E_DENIED);
    CHECK_STATUS(edn_client_move(s.c, &own, &s.garden_id, &err), EDN_E_DENIED);
    CHECK_STATUS(edn_client_move(s.c, &id, &s.own_id, &err), EDN_E_DENIED);
    CHECK_STATUS(edn_client_journal_rename(s.c, &s.garden_id, edn_bytes_str("Mine"), &err), EDN_E_DENIED);
    check_list(&s, NULL, "[Garden] 1660-01-01 g1|[Diary] 1660-01-01 p1|");
    edn_client_close(s.c);
}

/* What one member writes must not show in its length what the others wrote. */
static void what_is_sent_of_a_shared_journal_is_not_compressed(void **state)
{
    scene s = scene_open("raw");
    uint8_t same[4096] = {0};
    edn_buf own = EDN_BUF_INIT(EDN_BUF_UNLIMITED), theirs = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    bool due = true;
    edn_err err;

    (void)state;
    CHECK_OK(codec_pack(s.c, edn_bytes_of(same, sizeof same), CODEC_LEVEL_RECORD, &own));
    CHECK(own.n < 100);
    CHECK_OK(client_begin_write(s.garden, &err));
    CHECK_OK(codec_pack(s.garden, edn_bytes_of(same, sizeof same), CODEC_LEVEL_RECORD, &theirs));
    CHECK_INT(theirs.n, 1 + sizeof same);
    CHECK_OK(dictionary_due(s.garden, 100000, &due));
    CHECK(!due); /* nor is anything learned from what they wrote */
    CHECK_OK(client_end_write(s.garden, EDN_OK, &err));
    edn_buf_dispose(&own);
    edn_buf_dispose(&theirs);
    edn_client_close(s.c);
}

/* ---- syncing ----------------------------------------------------------------------------------------------------- */

/* A home of `w` with a "Garden" that its server knows, and a "Boat" that it has yet to hear of. */
static edn_client *open_synced(world *w)
{
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_init_options init = {.server = WORLD_ORIGIN, .name = "kim", .strength = EDN_STRENGTH_FLOOR};
    edn_client_options o;
    edn_client *c = world_open(w, "a"), *kim;
    shared there;

    world_home(w, "kim", home);
    o = world_options(w, home);
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &kim, NULL));
    shared_of(kim, "Garden", &there);
    (void)adopt(c, &there);
    edn_client_close(kim);
    memcpy(g.two.e->id.server, WORLD_ORIGIN, sizeof WORLD_ORIGIN);
    memcpy(g.two.e->id.name, "boat", sizeof "boat"); /* an account of a person has one */
    g.two.h.remote = &there.remote;
    (void)adopt(c, &g.two);
    g.two.h.remote = NULL;
    g.two.e->id.server[0] = 0;
    shared_dispose(&there);
    return c;
}

typedef struct told {
    unsigned n;
    edn_finding last;
} told;

static void note(void *ctx, const edn_finding *f)
{
    told *t = ctx;

    t->n++;
    t->last = *f;
}

static void a_sync_goes_on_to_every_shared_journal(void **state)
{
    world *w = world_of_two();
    edn_client *c = open_synced(w), *k;
    told t = {.n = 0};
    edn_sync_options o = {.on_finding = note, .ctx = &t};
    edn_sync_result r;
    size_t at = 0;
    edn_err err;

    (void)state;
    CHECK_OK(family_next(c, &at, &k, &err));
    diary_add(c, "1660-01-01", "", "p1");
    diary_add(k, "1660-01-01", "", "g1");
    CHECK_OK(edn_client_sync(c, &o, &r, &err));
    CHECK(r.synced && r.findings == 0 && r.batches_sent >= 3); /* of all stores */
    CHECK_OK(edn_client_sync(c, &o, &r, &err));
    CHECK(r.synced && r.round_trips == 3 && t.n == 0);
    w->down_from = w->exchanges + 3; /* the second child finds nobody */
    CHECK_OK(edn_client_sync(c, &o, &r, &err));
    CHECK(!r.synced && r.findings == 1 && t.n == 1);
    CHECK(t.last.status == EDN_E_NETWORK && strstr(t.last.text, "journal \"Boat\": ") == t.last.text);
    w->down = true; /* the first still asks */
    CHECK_STATUS(edn_client_sync(c, &o, &r, &err), EDN_E_NETWORK);
    CHECK_INT(t.n, 3);
    edn_client_close(c);
    world_free(w);
}

/* A stream that a test plays: time passes in it. */
typedef struct watched {
    world *w;
    edn_transport real;
    unsigned syncs, seconds;
    bool last_synced;
} watched;

static edn_status exchange_on(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err)
{
    watched *x = ctx;
    return x->real.exchange(x->real.ctx, rq, out, err);
}

static edn_status quiet_stream(void *ctx, const char *path, const char *bearer, int wake_fd,
                               bool (*on_event)(void *cb, edn_bytes data), void *cb, edn_err *err)
{
    watched *x = ctx;

    (void)path;
    (void)bearer;
    (void)wake_fd;
    (void)err;
    for (unsigned i = 0; i < 60; i++, x->seconds++) {
        x->w->now_ms += 1000;
        if (!on_event(cb, EDN_BYTES_EMPTY))
            return EDN_OK;
    }
    return EDN_E_SERVER;
}

static bool twice(void *ctx, const edn_sync_result *last)
{
    watched *x = ctx;

    x->syncs += last != NULL;
    return x->syncs < 3;
}

static void a_watch_asks_for_shared_journals_every_now_and_then(void **state)
{
    watched x = {.w = world_of_two()};
    edn_client *c;
    edn_err err;

    (void)state;
    x.real = x.w->transport;
    c = open_synced(x.w);
    edn_client_close(c);
    x.w->transport = (edn_transport){.ctx = &x, .exchange = exchange_on, .events = quiet_stream};
    c = world_open(x.w, "a");
    diary_add(c, "1660-01-01", "", "so that there is something to log in for");
    CHECK_OK(edn_client_watch(c, NULL, twice, &x, &err));
    CHECK_INT(x.syncs, 3);
    CHECK(x.seconds >= 2 * 14 && x.seconds <= 2 * 16);
    edn_client_close(c);
    x.w->transport = x.real;
    world_free(x.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_space_becomes_a_store_of_its_own),
        cmocka_unit_test(it_is_there_after_locking_and_in_other_processes),
        cmocka_unit_test(what_no_server_has_is_not_dropped),
        cmocka_unit_test(one_whose_server_is_not_asked_yet_is_no_part_of_the_diary),
        cmocka_unit_test(a_store_without_a_row_is_taken_back_with_all_that_is_in_it),
        cmocka_unit_test(making_one_withstands_power_cuts),
        cmocka_unit_test(dropping_one_withstands_power_cuts),
        cmocka_unit_test(entries_of_all_stores_are_one_list),
        cmocka_unit_test(a_person_calls_entries_of_any_store_alike),
        cmocka_unit_test(an_entry_is_worked_on_where_it_lies),
        cmocka_unit_test(a_shared_journal_is_one_of_the_journals),
        cmocka_unit_test(an_entry_moves_with_all_but_its_history),
        cmocka_unit_test(a_move_withstands_power_cuts),
        cmocka_unit_test(an_import_goes_where_journals_are_called_so),
        cmocka_unit_test(a_search_is_one_over_all_stores),
        cmocka_unit_test(a_hit_weighs_the_same_in_whichever_store_it_lies),
        cmocka_unit_test(a_damaged_index_of_one_store_is_made_anew),
        cmocka_unit_test(status_and_verify_speak_of_all_stores),
        cmocka_unit_test(a_damaged_store_keeps_nobody_from_the_others),
        cmocka_unit_test(who_may_not_write_is_told_so),
        cmocka_unit_test(what_is_sent_of_a_shared_journal_is_not_compressed),
        cmocka_unit_test(a_sync_goes_on_to_every_shared_journal),
        cmocka_unit_test(a_watch_asks_for_shared_journals_every_now_and_then),
        cmocka_unit_test(a_callback_cannot_use_the_diary_whichever_store_it_came_from),
    };
    return cmocka_run_group_tests(tests, ground_make, ground_unmake);
}
