/* Two people, each with devices of their own, and a journal between them. */
#include "diarist.h"

#include "client/client_priv.h"
#include "client/finding/index.h"
#include "client/sharing/space.h"

#include <edn/sharing.h>

typedef struct people {
    world *w;
    edn_client *anna, *berta;
    char berta_key[EDN_ACCOUNT_KEY_TEXT_MAX];
} people;

static edn_client *make_person(world *w, const char *device, const char *name, char key[EDN_ACCOUNT_KEY_TEXT_MAX])
{
    char home[256];
    edn_init_options init = {
        .server = WORLD_ORIGIN, .name = name, .device_name = device, .strength = EDN_STRENGTH_FLOOR};
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};

    world_home(w, device, home);
    edn_client_options o = world_options(w, home);
    edn_status st = edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err);
    if (st != EDN_OK)
        print_error("init: %s\n", err.text);
    CHECK_OK(st);
    return c;
}

static edn_client *log_in(world *w, const char *device, const char *name, const char *key)
{
    char home[256];
    edn_login_options login = {.server = WORLD_ORIGIN,
                               .name = name,
                               .device_name = device,
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(key)};
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};

    world_home(w, device, home);
    edn_client_options o = world_options(w, home);
    edn_status st = edn_client_login(&o, &login, edn_bytes_str(WORLD_PASSPHRASE), &c, &err);
    if (st != EDN_OK)
        print_error("login: %s\n", err.text);
    CHECK_OK(st);
    return c;
}

static void sync_all(edn_client *c) { (void)diary_sync(c); }

static edn_status keep_contact(void *ctx, const edn_contact *k)
{
    *(edn_contact *)ctx = *k;
    return EDN_OK;
}

static people people_open(void)
{
    people p = {.w = world_new()};
    char key[EDN_ACCOUNT_KEY_TEXT_MAX];

    p.anna = make_person(p.w, "anna-1", "anna", key);
    p.berta = make_person(p.w, "berta-1", "berta", p.berta_key);
    memcpy(p.w->account_key, key, sizeof key);
    sync_all(p.anna);
    sync_all(p.berta);
    return p;
}

static void people_close(people *p)
{
    edn_client_close(p->anna);
    edn_client_close(p->berta);
    world_free(p->w);
}

/* They know each other, and have compared the number. */
static void meet(people *p)
{
    edn_contact k;

    OK(edn_client_contact_add(p->anna, "berta", NULL, NULL, keep_contact, &k, &err));
    OK(edn_client_contact_verify(p->anna, "berta", k.number, &err));
    OK(edn_client_contact_add(p->berta, "Anna", NULL, "anna", keep_contact, &k, &err));
    OK(edn_client_contact_verify(p->berta, "anna", k.number, &err));
}

static edn_journal_id journal_of(edn_client *c, const char *name)
{
    edn_journal_id j;

    OK(edn_client_journal_find(c, name, &j, &err));
    return j;
}

static edn_entry_id write_in(edn_client *c, const edn_journal_id *j, const char *text)
{
    edn_draft d = {.date = edn_bytes_str("1660-01-01"), .text = edn_bytes_str(text), .journal = j};
    edn_entry_id id;

    OK(edn_client_add(c, &d, &id, &err));
    return id;
}

/* Anna has a journal "Trip" with an entry, and berta is in it. */
static edn_entry_id share_trip(people *p, edn_member_role role)
{
    edn_journal_id j;
    edn_entry_id id;

    meet(p);
    OK(edn_client_journal_new(p->anna, edn_bytes_str("Trip"), &j, &err));
    id = write_in(p->anna, &j, "we went to Gravesend");
    OK(edn_client_journal_share(p->anna, &j, "berta", role, false, &err));
    OK(edn_client_invitation_accept(p->berta, "Trip", false, &err));
    sync_all(p->berta);
    return id;
}

/* ---- contacts ---------------------------------------------------------------------------------------------------- */

static void both_see_the_same_number(void **state)
{
    (void)state;
    people p = people_open();
    edn_contact at_anna, at_berta;
    char card[EDN_CARD_SIZE];

    OK(edn_client_contact_add(p.anna, "berta", NULL, NULL, keep_contact, &at_anna, &err));
    OK(edn_client_card(p.anna, card, &err));
    REFUSED(edn_client_contact_add(p.berta, card, NULL, NULL, keep_contact, &at_berta, &err), EDN_E_INVALID);
    OK(edn_client_contact_add(p.berta, card, NULL, "my friend", keep_contact, &at_berta, &err));
    CHECK_STR(edn_bytes_str(at_anna.number), at_berta.number);
    CHECK_STR(edn_bytes_str(at_anna.name), "berta");
    CHECK_STR(edn_bytes_str(at_berta.name), "my friend");
    CHECK_INT(at_berta.state, EDN_CONTACT_SEEN);
    at_anna.number[7] = at_anna.number[7] == '1' ? '2' : '1';
    REFUSED(edn_client_contact_verify(p.berta, "my friend", at_anna.number, &err), EDN_E_INVALID);
    OK(edn_client_contact_verify(p.berta, "my friend", at_berta.number, &err));
    OK(edn_client_card(p.berta, card, &err));
    OK(edn_client_contact_verify(p.anna, "berta", card, &err));
    REFUSED(edn_client_contact_verify(p.berta, "my friend", card, &err), EDN_E_INVALID); /* her own */
    REFUSED(edn_client_contact_add(p.anna, "berta", NULL, NULL, keep_contact, &at_anna, &err), EDN_E_EXISTS);
    REFUSED(edn_client_contact_add(p.anna, "nobody", NULL, NULL, keep_contact, &at_anna, &err), EDN_E_MISSING);
    REFUSED(edn_client_contact_add(p.anna, "anna", NULL, NULL, keep_contact, &at_anna, &err), EDN_E_INVALID);
    people_close(&p);
}

/* ---- journals ---------------------------------------------------------------------------------------------------- */

typedef struct seen_members {
    unsigned n, selves, owners, accepted, verified;
} seen_members;

static edn_status see_member(void *ctx, const edn_member *m)
{
    seen_members *s = ctx;

    s->n++;
    s->selves += m->self;
    s->owners += m->role == EDN_MEMBER_OWNER;
    s->accepted += m->accepted;
    s->verified += m->verified;
    return EDN_OK;
}

static seen_members members_of(edn_client *c, const char *journal)
{
    edn_journal_id j = journal_of(c, journal);
    seen_members s = {0};

    OK(edn_client_members(c, &j, see_member, &s, &err));
    return s;
}

static void what_one_writes_the_other_reads(void **state)
{
    (void)state;
    people p = people_open();
    edn_entry_id first = share_trip(&p, EDN_MEMBER_WRITE), second;
    edn_journal_id j = journal_of(p.berta, "Trip");
    seen_members m;

    diary_check_text(p.berta, &first, "we went to Gravesend");
    second = write_in(p.berta, &j, "and back by boat");
    diary_edit(p.berta, &first, "we went to Gravesend, and dined there");
    sync_all(p.berta);
    sync_all(p.anna);
    diary_check_text(p.anna, &second, "and back by boat");
    diary_check_text(p.anna, &first, "we went to Gravesend, and dined there");
    m = members_of(p.anna, "Trip");
    CHECK_INT(m.n, 2);
    CHECK_INT(m.selves, 1);
    CHECK_INT(m.owners, 1);
    CHECK_INT(m.accepted, 2);
    CHECK_INT(m.verified, 1);
    CHECK_INT(members_of(p.berta, "Trip").n, 2);
    diary_check_verified(p.anna);
    diary_check_verified(p.berta);
    people_close(&p);
}

static edn_status count_name(void *ctx, const edn_history_item *v)
{
    unsigned *n = ctx;

    n[0] += edn_bytes_equal(v->device_name, edn_bytes_str("anna"));
    n[1] += edn_bytes_equal(v->device_name, edn_bytes_str("berta"));
    return EDN_OK;
}

static void authorship_is_shown(void **state)
{
    (void)state;
    people p = people_open();
    edn_entry_id id = share_trip(&p, EDN_MEMBER_WRITE);
    unsigned n[2] = {0, 0};

    diary_edit(p.berta, &id, "we went to Gravesend, both of us");
    sync_all(p.berta);
    sync_all(p.anna);
    OK(edn_client_history(p.anna, &id, count_name, n, &err));
    CHECK(n[0] > 0 && n[1] > 0);
    people_close(&p);
}

static void nobody_unverified_is_let_in_unasked(void **state)
{
    (void)state;
    people p = people_open();
    edn_contact k;
    edn_journal_id j;

    OK(edn_client_contact_add(p.anna, "berta", NULL, NULL, keep_contact, &k, &err));
    OK(edn_client_journal_new(p.anna, edn_bytes_str("Trip"), &j, &err));
    REFUSED(edn_client_journal_share(p.anna, &j, "berta", EDN_MEMBER_WRITE, false, &err), EDN_E_DENIED);
    REFUSED(edn_client_members(p.anna, &j, see_member, NULL, &err), EDN_E_MISSING);
    OK(edn_client_journal_share(p.anna, &j, "berta", EDN_MEMBER_WRITE, true, &err));
    REFUSED(edn_client_invitation_accept(p.berta, "Trip", false, &err), EDN_E_DENIED);
    OK(edn_client_invitation_accept(p.berta, "Trip", true, &err));
    REFUSED(edn_client_invitation_accept(p.berta, "Trip", true, &err), EDN_E_MISSING);
    people_close(&p);
}

static void an_invitation_that_is_refused_is_gone(void **state)
{
    (void)state;
    people p = people_open();
    edn_journal_id j;

    meet(&p);
    OK(edn_client_journal_new(p.anna, edn_bytes_str("Trip"), &j, &err));
    OK(edn_client_journal_share(p.anna, &j, "berta", EDN_MEMBER_READ, false, &err));
    j = journal_of(p.anna, "Trip");
    REFUSED(edn_client_journal_share(p.anna, &j, "berta", EDN_MEMBER_READ, false, &err), EDN_E_EXISTS);
    OK(edn_client_invitation_refuse(p.berta, "Trip", &err));
    REFUSED(edn_client_invitation_accept(p.berta, "Trip", false, &err), EDN_E_MISSING);
    CHECK_INT(members_of(p.anna, "Trip").accepted, 1);
    people_close(&p);
}

static void a_reader_reads_and_writes_nothing(void **state)
{
    (void)state;
    people p = people_open();
    edn_entry_id id = share_trip(&p, EDN_MEMBER_READ), none;
    edn_journal_id j = journal_of(p.berta, "Trip");
    edn_draft d = {.date = edn_bytes_str("1660-01-01"), .text = edn_bytes_str("x"), .journal = &j};

    diary_check_text(p.berta, &id, "we went to Gravesend");
    REFUSED(edn_client_add(p.berta, &d, &none, &err), EDN_E_DENIED);
    REFUSED(edn_client_edit(p.berta, &id, EDN_BYTES_EMPTY, edn_bytes_str("mine"), &err), EDN_E_DENIED);
    sync_all(p.berta);
    sync_all(p.anna);
    diary_check_text(p.anna, &id, "we went to Gravesend");
    people_close(&p);
}

static void all_devices_of_a_person_come_in(void **state)
{
    (void)state;
    people p = people_open();
    edn_entry_id id = share_trip(&p, EDN_MEMBER_WRITE), second;
    edn_client *a2, *b2;
    edn_journal_id j;

    a2 = log_in(p.w, "anna-2", "anna", p.w->account_key);
    b2 = log_in(p.w, "berta-2", "berta", p.berta_key);
    sync_all(a2);
    sync_all(b2);
    diary_check_text(a2, &id, "we went to Gravesend");
    diary_check_text(b2, &id, "we went to Gravesend");
    j = journal_of(b2, "Trip");
    second = write_in(b2, &j, "by another hand of berta's");
    sync_all(b2);
    sync_all(a2);
    sync_all(p.anna);
    diary_check_text(a2, &second, "by another hand of berta's");
    diary_check_text(p.anna, &second, "by another hand of berta's");
    edn_client_close(a2);
    edn_client_close(b2);
    people_close(&p);
}

/* What a search finds, best first: text and weight. */
static edn_status put_weighed(void *ctx, const edn_hit *hit)
{
    char weight[40];

    snprintf(weight, sizeof weight, " %.5f|", hit->score);
    edn_put_bytes(ctx, hit->entry->text.p, hit->entry->text.n);
    edn_put_str(ctx, weight);
    return EDN_OK;
}

static edn_search_result look_for(edn_client *c, const char *query, edn_buf *out)
{
    edn_search_result r;

    edn_buf_reset(out);
    OK(edn_client_search(c, edn_bytes_str(query), NULL, put_weighed, out, &r, &err));
    return r;
}

/* Whatever a network lets through: a search finds all, or says that something has not come. */
static void a_new_device_says_that_a_shared_journal_has_not_come(void **state)
{
    (void)state;
    people p = people_open();
    edn_entry_id id = share_trip(&p, EDN_MEMBER_WRITE);
    edn_journal_id trip = journal_of(p.berta, "Trip");
    edn_buf all = EDN_BUF_INIT(EDN_BUF_UNLIMITED), found = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_client *second;
    edn_search_result r;
    edn_sync_result synced;
    unsigned shared_said = 0, cuts = 0;

    (void)id;
    write_in(p.berta, &trip, "a lighthouse and a long white road to it");
    write_in(p.berta, NULL, "lighthouse lighthouse");
    write_in(p.berta, NULL, "far from any lighthouse");
    p.berta->index->publish_min = 1;
    sync_all(p.berta);
    r = look_for(p.berta, "lighthouse", &all);
    CHECK(r.found == 3 && !r.lacking && r.shared_lacking == 0);

    second = log_in(p.w, "berta-2", "berta", p.berta_key);
    OK(edn_client_fetch_index(second, NULL, NULL, &err));
    r = look_for(second, "lighthouse", &found);
    CHECK(r.found == 2 && r.parts > 0 && r.lacking && r.shared_lacking == 0);
    do {
        CHECK(cuts < 60);
        p.w->down_from = p.w->exchanges + ++cuts;
        (void)!edn_client_sync(second, NULL, &synced, NULL);
        p.w->down_from = 0;
        r = look_for(second, "lighthouse", &found);
        CHECK(edn_bytes_equal(edn_buf_view(&found), edn_buf_view(&all)) || r.lacking || r.shared_lacking);
        shared_said += r.shared_lacking;
    } while (r.lacking || r.shared_lacking || r.found < 3);
    CHECK(shared_said > 0);
    CHECK_BYTES(edn_buf_view(&found), edn_buf_view(&all)); /* one list, and the same weights */
    edn_buf_dispose(&all);
    edn_buf_dispose(&found);
    edn_client_close(second);
    people_close(&p);
}

static void who_is_taken_out_reads_nothing_more(void **state)
{
    (void)state;
    people p = people_open();
    edn_entry_id old = share_trip(&p, EDN_MEMBER_WRITE), later;
    edn_journal_id j = journal_of(p.anna, "Trip");
    edn_sync_result r;
    edn_err why = {EDN_OK, ""};

    REFUSED(edn_client_journal_unshare(p.berta, &j, "anna", &err), EDN_E_DENIED);
    REFUSED(edn_client_journal_unshare(p.anna, &j, "nobody", &err), EDN_E_MISSING);
    OK(edn_client_journal_unshare(p.anna, &j, "berta", &err));
    CHECK_INT(members_of(p.anna, "Trip").n, 1);
    later = write_in(p.anna, &j, "what berta must not read");
    sync_all(p.anna);
    (void)!edn_client_sync(p.berta, NULL, &r, &why);
    diary_check_text(p.berta, &old, "we went to Gravesend");
    CHECK_STATUS(edn_client_show(p.berta, &later, diary_put_text, NULL, &why), EDN_E_MISSING);
    people_close(&p);
}

static void a_member_can_leave_and_an_owner_cannot(void **state)
{
    (void)state;
    people p = people_open();
    edn_entry_id id = share_trip(&p, EDN_MEMBER_WRITE);
    edn_journal_id j = journal_of(p.berta, "Trip");
    edn_err why = {EDN_OK, ""};

    REFUSED(edn_client_journal_unshare(p.anna, &j, "anna", &err), EDN_E_DENIED);
    OK(edn_client_journal_unshare(p.berta, &j, "berta", &err));
    CHECK_STATUS(edn_client_show(p.berta, &id, diary_put_text, NULL, &why), EDN_E_MISSING);
    sync_all(p.berta);
    CHECK_STATUS(edn_client_show(p.berta, &id, diary_put_text, NULL, &why), EDN_E_MISSING);
    diary_check_text(p.anna, &id, "we went to Gravesend");
    people_close(&p);
}

/* A device of berta's is stolen. What it knew of the shared journal opens nothing that is written afterwards. */
static void a_stolen_device_is_out_of_shared_journals_too(void **state)
{
    (void)state;
    people p = people_open();
    edn_entry_id id = share_trip(&p, EDN_MEMBER_WRITE), later, mine;
    edn_client *stolen = log_in(p.w, "berta-2", "berta", p.berta_key);
    edn_journal_id j = journal_of(p.anna, "Trip");
    edn_sync_result r;
    edn_err why = {EDN_OK, ""};

    sync_all(stolen);
    diary_check_text(stolen, &id, "we went to Gravesend");
    OK(edn_client_device_revoke(p.berta, "berta-2", edn_bytes_str(WORLD_PASSPHRASE), &err));
    sync_all(p.berta);
    sync_all(p.anna);
    later = write_in(p.anna, &j, "after the theft");
    sync_all(p.anna);
    sync_all(p.berta);
    diary_check_text(p.berta, &later, "after the theft");
    (void)!edn_client_sync(stolen, NULL, &r, &why);
    CHECK_STATUS(edn_client_show(stolen, &later, diary_put_text, NULL, &why), EDN_E_MISSING);
    mine = write_in(p.berta, &j, "berta goes on");
    sync_all(p.berta);
    sync_all(p.anna);
    diary_check_text(p.anna, &mine, "berta goes on");
    CHECK_INT(members_of(p.anna, "Trip").n, 2);
    edn_client_close(stolen);
    people_close(&p);
}

/* A reader writes nothing, so nothing proves a reader's devices: the one that makes the member key anew takes them all
 * out, and those that are still the person's come in again. */
static void devices_of_a_reader_survive_a_theft(void **state)
{
    (void)state;
    people p = people_open();
    edn_entry_id later;
    edn_client *b2, *stolen;
    edn_journal_id j;
    edn_sync_result r;
    edn_err why = {EDN_OK, ""};

    share_trip(&p, EDN_MEMBER_READ);
    sync_all(p.berta);
    b2 = log_in(p.w, "berta-2", "berta", p.berta_key);
    stolen = log_in(p.w, "berta-3", "berta", p.berta_key);
    sync_all(b2);
    sync_all(stolen);
    j = journal_of(p.anna, "Trip");
    for (unsigned round = 0; round < 2; round++) {
        OK(edn_client_device_revoke(round ? b2 : p.berta, round ? "berta-1" : "berta-3",
                                    edn_bytes_str(WORLD_PASSPHRASE), &err));
        sync_all(round ? b2 : p.berta);
        sync_all(b2);
        sync_all(p.anna);
        later = write_in(p.anna, &j, "after the theft");
        sync_all(p.anna);
        CHECK(diary_sync(b2).synced);
        CHECK_INT(diary_findings(b2, EDN_E_DENIED), 0);
        diary_check_text(b2, &later, "after the theft");
        (void)!edn_client_sync(stolen, NULL, &r, &why);
        CHECK_STATUS(edn_client_show(stolen, &later, diary_put_text, NULL, &why), EDN_E_MISSING);
    }
    (void)!edn_client_sync(p.berta, NULL, &r, &why);
    CHECK_STATUS(edn_client_show(p.berta, &later, diary_put_text, NULL, &why), EDN_E_MISSING);
    CHECK_INT(members_of(p.anna, "Trip").n, 2);
    edn_client_close(b2);
    edn_client_close(stolen);
    people_close(&p);
}

static edn_client *space_of(edn_client *p, const char *journal);

static void fill_stuck(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 7, n);
}

/* Found by the simulator: the key that was made for berta was anna's own, with all its rights. */
static void a_stuck_source_of_randomness_gives_nobody_anothers_key(void **state)
{
    (void)state;
    people p = people_open();
    space_info annas, bertas;
    edn_account_id space;
    edn_journal_id j;

    meet(&p);
    OK(edn_client_journal_new(p.anna, edn_bytes_str("Trip"), &j, &err));
    write_in(p.anna, &j, "we went to Gravesend");
    p.anna->random = (edn_random){fill_stuck, NULL};
    OK(edn_client_journal_share(p.anna, &j, "berta", EDN_MEMBER_WRITE, false, &err));
    OK(edn_client_invitation_accept(p.berta, "Trip", false, &err));
    space = client_id(space_of(p.anna, "Trip"))->account;
    OK(client_begin_read(p.anna, &err));
    OK(client_end_read(p.anna, space_load(p.anna, &space, &annas), &err));
    OK(client_begin_read(p.berta, &err));
    OK(client_end_read(p.berta, space_load(p.berta, &space, &bertas), &err));
    CHECK(memcmp(annas.keys.sign.b, bertas.keys.sign.b, 32) != 0);
    CHECK(memcmp(annas.keys.enc.b, bertas.keys.enc.b, 32) != 0);
    CHECK(memcmp(annas.keys.sign.b, annas.keys.enc.b, 32) != 0);
    CHECK(memcmp(annas.root.b, annas.keys.enc.b, 32) != 0);
    CHECK_INT(members_of(p.anna, "Trip").n, 2);
    people_close(&p);
}

/* ---- who says what of whom --------------------------------------------------------------------------------------- */

/* What berta's device says of itself, as it would be in a record: each part open. */
typedef struct claim {
    edn_statement says;
    edn_device_id in_space;
    edn_bytes links[64];
    size_t links_n;
    edn_arena arena;
} claim;

static edn_client *space_of(edn_client *p, const char *journal)
{
    edn_journal_id j = journal_of(p, journal);
    edn_client *s;

    OK(family_of_journal(p, &j, &s, &err));
    CHECK(s != p);
    return s;
}

/* A true one of `who`, for a device of the space. */
static claim claim_of(edn_client *who, const edn_account_id *space, const edn_device_id *in_space)
{
    claim c = {.in_space = *in_space, .arena = edn_arena_init(1 << 20)};
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);

    OK(client_begin_read(who, &err));
    c.links_n = (size_t)edn_devlog_count(who->log);
    CHECK(c.links_n <= EDN_COUNT(c.links));
    for (size_t i = 0; i < c.links_n; i++) {
        edn_buf_reset(&link);
        CHECK_OK(link_load(who, i, &link));
        CHECK(edn_arena_copy(&c.arena, edn_buf_view(&link), &c.links[i]));
    }
    c.says = (edn_statement){.account = client_id(who)->account,
                             .device = client_id(who)->device,
                             .log_seq = c.links_n - 1,
                             .log_head = edn_devlog_head(who->log)};
    edn_statement_sign(&c.says, space, in_space, &client_id(who)->sign_sk);
    OK(client_end_read(who, EDN_OK, &err));
    edn_buf_dispose(&link);
    return c;
}

/* How a space takes it in, from a batch of `by`; nothing is kept. */
static edn_status take_statement(edn_client *s, const claim *c, const edn_device_id *by)
{
    edn_batch_header h = {.device = *by};
    edn_record r = {.type = EDN_RECORD_STATEMENT};
    edn_buf ops = EDN_BUF_INIT(1 << 20);
    edn_status st;

    memcpy(r.entry.b, c->in_space.b, sizeof r.entry.b);
    edn_put_u8(&ops, 1);
    edn_put_bytes(&ops, c->says.account.b, 32);
    edn_put_bytes(&ops, c->says.device.b, 16);
    edn_put_u64(&ops, c->says.log_seq);
    edn_put_bytes(&ops, c->says.log_head.b, 32);
    edn_put_bytes(&ops, c->says.sig.b, 64);
    edn_put_u32(&ops, (uint32_t)c->links_n);
    for (size_t i = 0; i < c->links_n; i++)
        edn_put_lp(&ops, c->links[i]);
    OK(client_begin_write(s, &err));
    st = member_apply(s, &h, &r, edn_buf_view(&ops));
    (void)!client_end_write(s, EDN_E_CANCELLED, NULL);
    edn_buf_dispose(&ops);
    return st;
}

static void a_device_proves_itself_and_nobody_else(void **state)
{
    (void)state;
    people p = people_open();
    share_trip(&p, EDN_MEMBER_WRITE);
    sync_all(p.anna);
    edn_client *at_anna = space_of(p.anna, "Trip"), *at_berta = space_of(p.berta, "Trip");
    edn_account_id space = client_id(at_anna)->account;
    edn_device_id here = client_id(at_berta)->device, annas = client_id(at_anna)->device;
    claim c = claim_of(p.berta, &space, &here), as_anna = claim_of(p.anna, &space, &here), x;

    CHECK_OK(take_statement(at_anna, &c, &here));
    CHECK_STATUS(take_statement(at_anna, &c, &annas), EDN_E_AUTH);      /* another device brings it */
    CHECK_STATUS(take_statement(at_anna, &as_anna, &here), EDN_E_AUTH); /* true, and not who was let in by that key */
    x = c;
    x.says.sig.b[0] ^= 1;
    CHECK_STATUS(take_statement(at_anna, &x, &here), EDN_E_AUTH);
    x = c;
    x.links_n--; /* a log that does not reach so far */
    CHECK_STATUS(take_statement(at_anna, &x, &here), EDN_E_AUTH);
    x.links_n = 0;
    CHECK_STATUS(take_statement(at_anna, &x, &here), EDN_E_AUTH);
    edn_arena_dispose(&c.arena);
    edn_arena_dispose(&as_anna.arena);
    people_close(&p);
}

/* The log in a statement is held against what anna has pinned of berta. */
static void a_statement_from_another_log_than_the_pinned_one_is_named(void **state)
{
    (void)state;
    people p = people_open();
    share_trip(&p, EDN_MEMBER_WRITE);
    sync_all(p.anna);
    edn_client *at_anna = space_of(p.anna, "Trip"), *at_berta = space_of(p.berta, "Trip");
    edn_account_id space = client_id(at_anna)->account;
    edn_device_id here = client_id(at_berta)->device;
    claim c = claim_of(p.berta, &space, &here);
    edn_buf people_row = EDN_BUF_INIT(4096);
    edn_hash other = {{1}};

    edn_put_bytes(&people_row, c.says.account.b, 32);
    edn_put_u64(&people_row, 0);
    edn_put_bytes(&people_row, other.b, 32);
    edn_put_lp(&people_row, edn_bytes_str("berta"));
    OK(client_begin_write(at_anna, &err));
    OK(client_end_write(at_anna, people_save(at_anna, edn_buf_view(&people_row)), &err));
    CHECK_STATUS(take_statement(at_anna, &c, &here), EDN_E_FORK);
    edn_buf_dispose(&people_row);
    edn_arena_dispose(&c.arena);
    people_close(&p);
}

static void only_an_admin_says_whose_a_member_key_is(void **state)
{
    (void)state;
    people p = people_open();
    share_trip(&p, EDN_MEMBER_WRITE);
    sync_all(p.anna);
    edn_client *at_anna = space_of(p.anna, "Trip"), *at_berta = space_of(p.berta, "Trip");
    edn_batch_header h = {.device = client_id(at_berta)->device};
    edn_record r = {.type = EDN_RECORD_MEMBER, .entry = {{7}}};
    uint8_t ops[1 + 32 + 1 + 4] = {1};
    edn_device_id stranger = {{9}};

    ops[33] = EDN_ROLE_WRITE;
    OK(client_begin_write(at_anna, &err));
    CHECK_STATUS(member_apply(at_anna, &h, &r, edn_bytes_of(ops, sizeof ops)), EDN_E_CAP);
    h.device = client_id(at_anna)->device;
    CHECK_OK(member_apply(at_anna, &h, &r, edn_bytes_of(ops, sizeof ops)));
    for (size_t n = 0; n < sizeof ops; n++)
        CHECK_STATUS(member_apply(at_anna, &h, &r, edn_bytes_of(ops, n)), EDN_E_FORMAT);
    ops[33] = EDN_ROLE_OWNER + 1;
    CHECK_STATUS(member_apply(at_anna, &h, &r, edn_bytes_of(ops, sizeof ops)), EDN_E_FORMAT);
    /* What a device without a statement writes waits. */
    CHECK_STATUS(member_may_write(at_anna, &stranger), EDN_E_MISSING);
    (void)!client_end_write(at_anna, EDN_E_CANCELLED, NULL);
    people_close(&p);
}

/* ---- when answers are lost --------------------------------------------------------------------------------------- */

typedef edn_status step_fn(people *p, edn_err *err);

static edn_status step_share(people *p, edn_err *err)
{
    edn_journal_id j = journal_of(p->anna, "Trip");

    return edn_client_journal_share(p->anna, &j, "berta", EDN_MEMBER_WRITE, false, err);
}

static edn_status step_accept(people *p, edn_err *err)
{
    return edn_client_invitation_accept(p->berta, "Trip", false, err);
}

static edn_status step_unshare(people *p, edn_err *err)
{
    edn_journal_id j = journal_of(p->anna, "Trip");

    return edn_client_journal_unshare(p->anna, &j, "berta", err);
}

/* ---- a server that lies about who somebody is (A02) -------------------------------------------------------------- */

/* What it does to answers about device logs. */
typedef struct lookup_lie {
    edn_bytes keep; /* when set: the whole answer, of somebody else */
    bool cut;       /* the true links but the last */
    edn_bytes more; /* when set: a link behind those */
    edn_buf kept;   /* the last true answer */
    unsigned told;
} lookup_lie;

static void tell_lie(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_arena a = edn_arena_init(1 << 20);
    lookup_lie *x = ctx;
    edn_msg_found m;
    edn_bytes *links;

    (void)w;
    if (strcmp(rq->path, "/v1/lookup") == 0 && answer->status == 200) {
        edn_buf_reset(&x->kept);
        edn_put_bytes(&x->kept, answer->body.p, answer->body.n);
        CHECK_OK(edn_found_decode(&a, edn_buf_view(&x->kept), &m));
        m.links_n -= x->cut;
        if (x->more.n) {
            links = edn_arena_calloc(&a, m.links_n + 1, sizeof *links);
            CHECK(links);
            memcpy(links, m.links, m.links_n * sizeof *links);
            links[m.links_n++] = x->more;
            m.links = links;
        }
        edn_buf_reset(&answer->body);
        if (x->keep.n)
            edn_put_bytes(&answer->body, x->keep.p, x->keep.n);
        else
            edn_found_put(&answer->body, &m);
        x->told += x->keep.n || x->more.n || x->cut;
    }
    edn_arena_dispose(&a);
}

/* The log of somebody else, under a card, a name, or a pin. */
static void another_accounts_log_is_not_taken_for_a_contacts(void **state)
{
    (void)state;
    people p = people_open();
    lookup_lie lie = {.kept = EDN_BUF_INIT(1 << 20)};
    char card[EDN_CARD_SIZE], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client *mallory = make_person(p.w, "mallory-1", "mallory", key);
    edn_contact seen, true_one;
    edn_journal_id j;
    edn_buf others = EDN_BUF_INIT(1 << 20);

    p.w->tamper = tell_lie, p.w->tamper_ctx = &lie;
    sync_all(mallory);
    OK(edn_client_contact_add(p.anna, "mallory", NULL, NULL, keep_contact, &seen, &err));
    edn_put_bytes(&others, lie.kept.p, lie.kept.n);
    OK(edn_client_contact_add(p.berta, "anna", NULL, NULL, keep_contact, &true_one, &err));
    OK(edn_client_card(p.berta, card, &err));

    lie.keep = edn_buf_view(&others);
    REFUSED(edn_client_contact_add(p.anna, card, NULL, "b", keep_contact, &seen, &err), EDN_E_ACCOUNT);
    REFUSED(edn_client_contact_verify(p.anna, "b", true_one.number, &err), EDN_E_MISSING);
    CHECK_INT(lie.told, 1);
    lie.keep = EDN_BYTES_EMPTY;
    OK(edn_client_contact_add(p.anna, "berta", NULL, NULL, keep_contact, &seen, &err));
    OK(edn_client_contact_verify(p.anna, "berta", true_one.number, &err));
    OK(edn_client_journal_new(p.anna, edn_bytes_str("Trip"), &j, &err));
    lie.keep = edn_buf_view(&others);
    REFUSED(edn_client_journal_share(p.anna, &j, "berta", EDN_MEMBER_WRITE, false, &err), EDN_E_ACCOUNT);
    REFUSED(edn_client_invitation_accept(mallory, "Trip", true, &err), EDN_E_MISSING);
    edn_buf_dispose(&lie.kept);
    edn_buf_dispose(&others);
    edn_client_close(mallory);
    people_close(&p);
}

/* By a name alone nobody can tell; the number does. */
static void somebody_elses_log_under_a_name_has_another_number(void **state)
{
    (void)state;
    people p = people_open();
    lookup_lie lie = {.kept = EDN_BUF_INIT(1 << 20)};
    char key[EDN_ACCOUNT_KEY_TEXT_MAX], card[EDN_CARD_SIZE];
    edn_client *mallory = make_person(p.w, "mallory-1", "mallory", key);
    edn_buf others = EDN_BUF_INIT(1 << 20);
    edn_contact seen, true_one;

    p.w->tamper = tell_lie, p.w->tamper_ctx = &lie;
    OK(edn_client_contact_add(p.berta, "mallory", NULL, NULL, keep_contact, &seen, &err));
    edn_put_bytes(&others, lie.kept.p, lie.kept.n);
    OK(edn_client_contact_add(p.berta, "anna", NULL, NULL, keep_contact, &true_one, &err));
    lie.keep = edn_buf_view(&others);
    OK(edn_client_contact_add(p.anna, "berta", NULL, NULL, keep_contact, &seen, &err));
    CHECK(strcmp(seen.number, true_one.number) != 0);
    REFUSED(edn_client_contact_verify(p.anna, "berta", true_one.number, &err), EDN_E_INVALID);
    OK(edn_client_card(p.berta, card, &err));
    REFUSED(edn_client_contact_verify(p.anna, "berta", card, &err), EDN_E_INVALID);
    edn_buf_dispose(&lie.kept);
    edn_buf_dispose(&others);
    edn_client_close(mallory);
    people_close(&p);
}

/* Fewer links than were pinned, and another link in the place of one. */
static void a_shortened_or_forked_log_of_a_contact_stops_what_would_be_shared(void **state)
{
    (void)state;
    people p = people_open();
    lookup_lie lie = {.kept = EDN_BUF_INIT(1 << 20)};
    edn_buf other = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    const identity *id = client_id(p.berta);
    const edn_link_signer by = {&id->device, &id->sign_sk, p.w->now_ms};
    edn_arena a = edn_arena_init(1 << 20);
    edn_devlog *first;
    edn_msg_found m;
    edn_contact k;
    edn_journal_id j;

    p.w->tamper = tell_lie, p.w->tamper_ctx = &lie;
    OK(edn_client_contact_add(p.anna, "berta", NULL, NULL, keep_contact, &k, &err));
    OK(edn_client_contact_verify(p.anna, "berta", k.number, &err));
    CHECK_OK(edn_found_decode(&a, edn_buf_view(&lie.kept), &m));
    CHECK_OK(edn_devlog_new(&first));
    for (size_t i = 0; i + 1 < m.links_n; i++)
        CHECK_OK(edn_devlog_append(first, m.links[i]));
    CHECK_OK(edn_link_checkpoint(&other, first, &by, NULL, 0));
    OK(edn_client_journal_new(p.anna, edn_bytes_str("Trip"), &j, &err));

    lie.cut = true;
    REFUSED(edn_client_journal_share(p.anna, &j, "berta", EDN_MEMBER_WRITE, false, &err), EDN_E_ROLLBACK);
    lie.more = edn_buf_view(&other);
    j = journal_of(p.anna, "Trip"); /* what was begun goes on */
    REFUSED(edn_client_journal_share(p.anna, &j, "berta", EDN_MEMBER_WRITE, false, &err), EDN_E_FORK);
    CHECK_INT(lie.told, 2);
    lie.cut = false, lie.more = EDN_BYTES_EMPTY;
    REFUSED(edn_client_invitation_accept(p.berta, "Trip", true, &err), EDN_E_MISSING);
    OK(edn_client_journal_share(p.anna, &j, "berta", EDN_MEMBER_WRITE, false, &err));
    OK(edn_client_invitation_accept(p.berta, "Trip", true, &err));
    edn_devlog_free(first);
    edn_arena_dispose(&a);
    edn_buf_dispose(&lie.kept);
    edn_buf_dispose(&other);
    people_close(&p);
}

/* ---- what lengths tell of words (A30) ---------------------------------------------------------------------------- */

enum { ROUNDS = 8, WORDS = 2048 };

static void count_push(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    (void)w;
    (void)answer;
    if (strcmp(rq->path, "/v1/push") == 0)
        *(size_t *)ctx += rq->body.n;
}

static void random_words(check_rng *rng, char out[WORDS + 1])
{
    for (size_t i = 0; i < WORDS; i++)
        out[i] = "0123456789abcdef"[check_below(rng, 16)];
    out[WORDS] = 0;
}

/* Berta's words stand in an entry into which anna writes a secret: it is what berta has guessed, or it is not. How
 * much is sent. */
static size_t sent_for(people *p, const edn_journal_id *j, check_rng *rng, bool guessed)
{
    char words[WORDS + 1], secret[WORDS + 1], text[2 * WORDS + 1];
    size_t sent = 0;

    random_words(rng, words);
    random_words(rng, secret);
    snprintf(text, sizeof text, "%s%s", words, guessed ? words : secret);
    write_in(p->anna, j, text);
    p->w->tamper = count_push, p->w->tamper_ctx = &sent;
    sync_all(p->anna);
    p->w->tamper = NULL;
    CHECK(sent > 0);
    return sent;
}

/* The most that a bound on the length can tell: the largest difference of how often each lies below it, in percent. */
static unsigned advantage(people *p, const edn_journal_id *j)
{
    check_rng rng = {check_seed()};
    size_t yes[ROUNDS], no[ROUNDS];
    int best = 0;

    for (size_t i = 0; i < ROUNDS; i++) {
        yes[i] = sent_for(p, j, &rng, true);
        no[i] = sent_for(p, j, &rng, false);
    }
    for (size_t i = 0; i < 2 * (size_t)ROUNDS; i++) {
        size_t bound = i < ROUNDS ? yes[i] : no[i - ROUNDS];
        int below = 0;
        for (size_t k = 0; k < ROUNDS; k++)
            below += (yes[k] <= bound) - (no[k] <= bound);
        best = EDN_MAX(best, below < 0 ? -below : below);
    }
    return 100u * (unsigned)best / ROUNDS;
}

/* In a diary of one's own nobody else's words stand, and the same game is won there: so it can be. */
static void a30_lengths_tell_nothing_of_words_in_a_shared_entry(void **state)
{
    (void)state;
    people p = people_open();
    edn_journal_id j, own;

    share_trip(&p, EDN_MEMBER_WRITE);
    sync_all(p.anna);
    j = journal_of(p.anna, "Trip");
    OK(edn_client_journal_new(p.anna, edn_bytes_str("Own"), &own, &err));
    sync_all(p.anna);
    CHECK_INT(advantage(&p, &j), 0);
    CHECK(advantage(&p, &own) > 90);
    people_close(&p);
}

/* The step with trouble at its k-th exchange (an answer lost, or no network from there on), then again without. True:
 * it has so many exchanges. `done`: what says that it was done before. */
static bool step_with_trouble(people *p, step_fn *step, uint64_t k, bool down, edn_status done)
{
    uint64_t before = p->w->exchanges;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    *(down ? &p->w->down_from : &p->w->lose_answer) = before + k;
    st = step(p, &err);
    p->w->down_from = p->w->lose_answer = 0;
    if (p->w->exchanges < before + k) {
        CHECK_OK(st);
        return false;
    }
    if (st != EDN_OK && (st = step(p, &err)) != EDN_OK && st != done)
        print_error("again, after exchange %llu: %s\n", (unsigned long long)k, err.text);
    CHECK(st == EDN_OK || st == done);
    return true;
}

static void check_one_trip(people *p, const edn_entry_id *id, unsigned members)
{
    sync_all(p->anna);
    diary_check_text(p->anna, id, "we went to Gravesend");
    CHECK_INT(members_of(p->anna, "Trip").n, members);
    CHECK_INT(diary_see(p->anna, false).entries, 1);
    diary_check_verified(p->anna);
}

static void run_with_trouble(bool down)
{
    bool more = true;

    for (uint64_t k = 1; more; k += down ? 5 : 2) {
        people p = people_open();
        edn_journal_id j;
        edn_entry_id id;

        meet(&p);
        OK(edn_client_journal_new(p.anna, edn_bytes_str("Trip"), &j, &err));
        id = write_in(p.anna, &j, "we went to Gravesend");
        more = step_with_trouble(&p, step_share, k, down, EDN_E_EXISTS);
        check_one_trip(&p, &id, 2);
        more |= step_with_trouble(&p, step_accept, k, down, EDN_E_MISSING);
        sync_all(p.berta);
        diary_check_text(p.berta, &id, "we went to Gravesend");
        CHECK_INT(diary_see(p.berta, false).entries, 1);
        check_one_trip(&p, &id, 2);
        more |= step_with_trouble(&p, step_unshare, k, down, EDN_E_MISSING);
        check_one_trip(&p, &id, 1);
        people_close(&p);
    }
}

static void an_answer_that_is_lost_costs_nothing(void **state)
{
    (void)state;
    run_with_trouble(false);
}

static void a_network_that_goes_away_costs_nothing(void **state)
{
    (void)state;
    run_with_trouble(true);
}

/* Broken off anywhere between the two, the log has the member key that the invitation brought and the one made anew:
 * the owner sees one person, and takes out all of them. */
static void an_acceptance_that_breaks_off_leaves_one_member(void **state)
{
    (void)state;
    bool more = true;

    for (uint64_t k = 1; more; k += 2) {
        people p = people_open();
        edn_journal_id j;
        edn_err why;

        meet(&p);
        OK(edn_client_journal_new(p.anna, edn_bytes_str("Trip"), &j, &err));
        OK(step_share(&p, &err));
        p.w->down_from = p.w->exchanges + k;
        more = step_accept(&p, &why) != EDN_OK;
        p.w->down_from = 0;
        sync_all(p.anna);
        CHECK_INT(members_of(p.anna, "Trip").n, 2);
        OK(step_unshare(&p, &err));
        CHECK_INT(members_of(p.anna, "Trip").n, 1);
        REFUSED(step_unshare(&p, &err), EDN_E_MISSING);
        people_close(&p);
    }
}

/* Let in by a link whose answer was lost, the first device has nothing of the journal when the second makes the
 * member key anew and takes out what proves nothing: both are in when both have synced. */
static void a_device_comes_in_that_was_taken_out_before_it_was_in(void **state)
{
    (void)state;
    bool more = true;

    for (uint64_t k = 1; more; k++) {
        people p = people_open();
        edn_client *b2 = log_in(p.w, "berta-2", "berta", p.berta_key);
        edn_entry_id id;
        edn_journal_id j;
        edn_sync_result synced;
        edn_err why;

        meet(&p);
        OK(edn_client_journal_new(p.anna, edn_bytes_str("Trip"), &j, &err));
        id = write_in(p.anna, &j, "we went to Gravesend");
        OK(step_share(&p, &err));
        p.w->lose_answer = p.w->exchanges + k;
        p.w->down_from = p.w->lose_answer + 1;
        more = step_accept(&p, &why) != EDN_OK;
        p.w->lose_answer = p.w->down_from = 0;
        OK(client_sync(p.berta, NULL, false, &synced, &err));
        sync_all(b2);
        sync_all(p.berta); /* goes on with what was accepted; where nothing was yet, it is accepted again */
        CHECK(!more || step_accept(&p, &why) == EDN_OK || why.status == EDN_E_MISSING);
        sync_all(p.berta);
        sync_all(b2);
        diary_check_text(p.berta, &id, "we went to Gravesend");
        diary_check_text(b2, &id, "we went to Gravesend");
        edn_client_close(b2);
        people_close(&p);
    }
}

/* A home that was copied, or brought back from a copy: each copy goes on under keys of its own, in the person's account
 * and in the journal, and what either wrote reaches everybody. */
static void a_copied_home_loses_nothing_of_a_shared_journal(void **state)
{
    (void)state;
    people p = people_open();
    edn_entry_id first = share_trip(&p, EDN_MEMBER_WRITE), one, other;
    uint8_t key[EDN_SESSION_KEY_SIZE];
    edn_client_options o;
    edn_client *copy = NULL;
    edn_journal_id j = journal_of(p.berta, "Trip");
    char home[256];

    CHECK_OK(edn_client_session_key(p.berta, key));
    edn_client_close(p.berta);
    world_home_copy(p.w, "berta-1", "berta-2");
    world_home(p.w, "berta-1", home);
    o = world_options(p.w, home);
    OK(edn_client_open(&o, &p.berta, &err));
    OK(edn_client_unlock_session(p.berta, key, &err));
    world_home(p.w, "berta-2", home);
    o = world_options(p.w, home);
    OK(edn_client_open(&o, &copy, &err));
    OK(edn_client_unlock_session(copy, key, &err));
    one = write_in(p.berta, &j, "by the one");
    other = write_in(copy, &j, "by the other");
    sync_all(p.berta);
    for (unsigned i = 0; i < 3; i++) {
        edn_sync_result r;
        OK(edn_client_sync(copy, NULL, &r, &err));
    }
    sync_all(p.berta);
    sync_all(p.anna);
    diary_check_text(p.anna, &one, "by the one");
    diary_check_text(p.anna, &other, "by the other");
    diary_check_text(p.berta, &other, "by the other");
    diary_check_text(copy, &one, "by the one");
    diary_edit(copy, &first, "we went to Gravesend, all of us");
    CHECK(diary_sync(copy).synced);
    sync_all(p.anna);
    diary_check_text(p.anna, &first, "we went to Gravesend, all of us");
    edn_client_close(copy);
    people_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_see_the_same_number),
        cmocka_unit_test(what_one_writes_the_other_reads),
        cmocka_unit_test(authorship_is_shown),
        cmocka_unit_test(nobody_unverified_is_let_in_unasked),
        cmocka_unit_test(an_invitation_that_is_refused_is_gone),
        cmocka_unit_test(a_reader_reads_and_writes_nothing),
        cmocka_unit_test(all_devices_of_a_person_come_in),
        cmocka_unit_test(a_new_device_says_that_a_shared_journal_has_not_come),
        cmocka_unit_test(who_is_taken_out_reads_nothing_more),
        cmocka_unit_test(a_member_can_leave_and_an_owner_cannot),
        cmocka_unit_test(a_stolen_device_is_out_of_shared_journals_too),
        cmocka_unit_test(devices_of_a_reader_survive_a_theft),
        cmocka_unit_test(a_stuck_source_of_randomness_gives_nobody_anothers_key),
        cmocka_unit_test(a_device_proves_itself_and_nobody_else),
        cmocka_unit_test(a_statement_from_another_log_than_the_pinned_one_is_named),
        cmocka_unit_test(only_an_admin_says_whose_a_member_key_is),
        cmocka_unit_test(a_copied_home_loses_nothing_of_a_shared_journal),
        cmocka_unit_test(another_accounts_log_is_not_taken_for_a_contacts),
        cmocka_unit_test(somebody_elses_log_under_a_name_has_another_number),
        cmocka_unit_test(a_shortened_or_forked_log_of_a_contact_stops_what_would_be_shared),
        cmocka_unit_test(a30_lengths_tell_nothing_of_words_in_a_shared_entry),
        cmocka_unit_test(an_answer_that_is_lost_costs_nothing),
        cmocka_unit_test(a_network_that_goes_away_costs_nothing),
        cmocka_unit_test(an_acceptance_that_breaks_off_leaves_one_member),
        cmocka_unit_test(a_device_comes_in_that_was_taken_out_before_it_was_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
