/* A shared space under a server that lies about who is in it (SECURITY A04): a ghost is not believed, an old membership
 * is not taken again, a removal that is hidden shows, another chain stops everything. And a member who helps the
 * server: what their key may not do, it cannot do by it either. */
#include "sync/world.h"

/* Devices of the world: the owner's, the writer's, the reader's. The keys of their memberships write nothing. */
enum { OWNER, WRITER, READER, PEOPLE };

typedef struct space {
    world w;
    device member[PEOPLE];
} space;

/* The keys that no device of the world holds: seeds far from those that the world counts up to. */
static void member_keys(device *d, uint8_t at)
{
    uint8_t seed[32];
    edn_dh_sk sk;

    memset(d, 0, sizeof *d);
    memset(seed, 0xf0 + at, sizeof seed);
    edn_sign_keypair(seed, &d->pk, &d->sk);
    memset(sk.b, 0xf0 + at, sizeof sk.b);
    edn_dh_keypair(&sk, &d->enc);
    d->id = edn_device_id_of(&d->pk, &d->enc);
}

/* A link that `by` makes on this log; the log of all who are in the world, and of the server, takes it. */
static void let_in(space *s, const device *by, const device *who, uint32_t caps)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);

    world_add_link(&link, s->w.srv.links.log, by, who, caps);
    links_put(&s->w.srv.links, edn_buf_view(&link));
    for (size_t i = 0; i < s->w.n; i++)
        links_put(&s->w.d[i].links, edn_buf_view(&link));
    edn_buf_dispose(&link);
}

/* A person's next device, let in by their member key. */
static device *join(space *s, size_t person, uint32_t caps)
{
    device *d = &s->w.d[s->w.n];

    if (s->w.n > 0)
        device_keys(&s->w, d);
    let_in(s, &s->member[person], d, caps);
    links_copy(&d->links, &s->w.srv.links);
    s->w.n++;
    return d;
}

/* All are in step; then the owner's and the writer's device each wrote a batch that the reader has not seen. */
static void space_init(space *s)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_hash grants = {{9}};
    edn_cert cert;

    world_keys(&s->w);
    for (uint8_t i = 0; i < PEOPLE; i++)
        member_keys(&s->member[i], i);
    cert = device_cert(&s->member[OWNER], edn_role_caps(EDN_ROLE_OWNER));
    CHECK_OK(edn_link_space_genesis(&link, &s->w.aik, &s->w.aik_sk, WORLD_T0, &cert, &s->w.aek, &grants,
                                    &s->member[OWNER].sk));
    world_begin(&s->w, edn_buf_view(&link));
    links_free(&s->w.d[OWNER].links); /* it comes in now */
    s->w.n = 0;
    (void)join(s, OWNER, 7); /* they are known by their places */
    let_in(s, &s->w.d[OWNER], &s->member[WRITER], edn_role_caps(EDN_ROLE_WRITE));
    (void)join(s, WRITER, 3);
    let_in(s, &s->w.d[OWNER], &s->member[READER], edn_role_caps(EDN_ROLE_READ));
    (void)join(s, READER, 1);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < PEOPLE; i++)
            CHECK_SYNCED(device_sync(&s->w, &s->w.d[i]));
    for (size_t i = OWNER; i <= WRITER; i++) {
        device_write(&s->w, &s->w.d[i]);
        CHECK_SYNCED(device_sync(&s->w, &s->w.d[i]));
    }
    edn_buf_dispose(&link);
}

static void space_free(space *s) { world_free(&s->w); }

/* Takes out the writer, key and device, by `by`; of the device `cut` batches count. What follows this log. */
static void removal(space *s, edn_buf *out, const edn_devlog *log, const device *by, uint64_t cut, const edn_hash *hash)
{
    edn_link_signer signer = {&by->id, &by->sk, WORLD_T0 + 5};
    edn_device_id gone[2] = {s->member[WRITER].id, s->w.d[WRITER].id};
    edn_pin pin = {s->w.space, gone[1], cut, {{0}}};
    edn_rotation r = {
        .revoked = gone, .revoked_n = 2, .cuts = &pin, .cuts_n = cut ? 1 : 0, .epoch = 1, .aek = s->w.aek};

    if (cut)
        pin.hash = *hash;
    CHECK_OK(edn_link_revoke_rotate(out, log, &signer, &r));
}

/* The owner takes out the writer; their own device and the server know it. */
static void remove_writer(space *s)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_head last = shelf_head(&s->w.srv.shelf, &s->w.d[WRITER].id);

    removal(s, &link, s->w.srv.links.log, &s->w.d[OWNER], last.dseq, &last.hash);
    links_put(&s->w.srv.links, edn_buf_view(&link));
    links_put(&s->w.d[OWNER].links, edn_buf_view(&link));
    edn_buf_dispose(&link);
}

/* ---- an answer with one link and one batch of the liar's --------------------------------------------------------- */

typedef struct lie {
    edn_bytes link, batch; /* either may be empty */
} lie;

static void lie_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    lie *l = ctx;

    if (l->batch.n) {
        edn_bytes *batches = edn_arena_calloc(a, m->batches_n + 1, sizeof *batches);
        CHECK(batches != NULL);
        if (m->batches_n)
            memcpy(batches, m->batches, m->batches_n * sizeof *batches);
        batches[m->batches_n++] = l->batch;
        m->batches = batches;
    }
    if (l->link.n) {
        m->links = edn_arena_calloc(a, 1, sizeof *m->links);
        CHECK(m->links != NULL);
        m->links[0] = l->link;
        m->links_n = 1;
        m->log_count = w->srv.links.n + 1;
        m->log_head = edn_link_hash(l->link);
    }
}

static void bend_lie(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, lie_message, ctx);
}

/* The reader is told a lie: the link is refused as `want`, what the true ones wrote is taken, and an honest server
 * brings all right. */
static void check_link_refused(space *s, edn_bytes link, edn_bytes batch, edn_status want)
{
    lie x = {link, batch};
    line l = {.ctx = &x, .bend = bend_lie};
    size_t links = s->w.d[READER].links.n;
    outcome o = device_sync_on(&s->w, &s->w.d[READER], &l);

    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, want, want != EDN_E_WITHHELD);
    if (batch.n)
        check_finding(&o, EDN_E_DEVICE_UNKNOWN, true);
    CHECK(!o.figures.synced);
    CHECK_INT(s->w.d[READER].links.n, links);
    CHECK_INT(s->w.d[READER].shelf.n, 2); /* what the true ones wrote */
    o = device_sync(&s->w, &s->w.d[READER]);
    check_mended(&o);
}

/* ---- ghosts ------------------------------------------------------------------------------------------------------ */

static edn_bytes first_batch(space *s, device *d)
{
    edn_head none = {d->id, 0, {{0}}};

    d->links = s->w.srv.links;
    return world_batch_after(&s->w, d, &none, NULL, 0, 1);
}

/* Who adds the ghost, and by which key the link is signed; the ghost's rights; what is made of it. */
static void ghost_run(size_t signer, bool member, bool own_key, uint32_t caps, edn_status want)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    device ghost, by;
    edn_bytes batch;
    space s;

    space_init(&s);
    member_keys(&ghost, 9);
    by = signer == PEOPLE ? ghost : member ? s.member[signer] : s.w.d[signer];
    if (own_key)
        by.sk = ghost.sk;
    world_add_link(&link, s.w.srv.links.log, &by, &ghost, caps);
    batch = first_batch(&s, &ghost);
    check_link_refused(&s, edn_buf_view(&link), batch, want);
    bytes_free(batch);
    edn_buf_dispose(&link);
    space_free(&s);
}

static void a_ghost_member_is_not_believed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        static const uint32_t caps[] = {3, 11, 15};
        ghost_run(PEOPLE, false, true, caps[i], EDN_E_SIGNER_UNKNOWN); /* it lets itself in */
        ghost_run(OWNER, true, true, caps[i], EDN_E_SIG);              /* in the owner's name */
        ghost_run(OWNER, false, true, caps[i], EDN_E_SIG);
        ghost_run(WRITER, true, true, caps[i], EDN_E_SIG);
    }
}

/* A member who lends the server their key gives no more than they have. */
static void a_member_lets_in_nobody_with_more_rights(void **state)
{
    (void)state;
    ghost_run(READER, true, false, 3, EDN_E_CAP);
    ghost_run(READER, true, false, 11, EDN_E_CAP);
    ghost_run(READER, true, false, 15, EDN_E_CAP);
    ghost_run(WRITER, true, false, 7, EDN_E_CAP);
    ghost_run(WRITER, true, false, 15, EDN_E_CAP);
    ghost_run(WRITER, false, false, 1, EDN_E_CAP); /* nor does their device let in anybody */
    ghost_run(READER, false, false, 1, EDN_E_CAP);
}

static void a_member_takes_out_nobody_else(void **state)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    space s;

    (void)state;
    space_init(&s);
    removal(&s, &link, s.w.srv.links.log, &s.member[READER], 0, NULL);
    check_link_refused(&s, edn_buf_view(&link), EDN_BYTES_EMPTY, EDN_E_CAP);
    edn_buf_dispose(&link);
    space_free(&s);
}

/* A true link but for its kind: signed as one of a device log by whoever might have added it. */
static void a_link_of_a_device_log_is_none_of_a_space(void **state)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_signature sig;
    device next;
    space s;

    (void)state;
    space_init(&s);
    member_keys(&next, 9);
    world_add_link(&link, s.w.srv.links.log, &s.w.d[OWNER], &next, 3);
    memcpy(link.p, "EDNL", 4);
    edn_sign_t(&sig, &s.w.d[OWNER].sk, EDN_LABEL_SIG_LINK, edn_bytes_of(link.p, link.n - sizeof sig.b));
    memcpy(link.p + link.n - sizeof sig.b, sig.b, sizeof sig.b);
    check_link_refused(&s, edn_buf_view(&link), EDN_BYTES_EMPTY, EDN_E_FORMAT);
    memcpy(link.p, "EDNS", 4);
    shelf_cut(&s.w.d[READER].shelf, 0);
    check_link_refused(&s, edn_buf_view(&link), EDN_BYTES_EMPTY, EDN_E_SIG);
    edn_buf_dispose(&link);
    space_free(&s);
}

static void a_batch_by_a_member_key_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < PEOPLE; i++) {
        lie x = {EDN_BYTES_EMPTY, EDN_BYTES_EMPTY};
        line l = {.ctx = &x, .bend = bend_lie};
        outcome o;
        space s;
        space_init(&s);
        x.batch = first_batch(&s, &s.member[i]);
        o = device_sync_on(&s.w, &s.w.d[READER], &l);
        CHECK_STATUS(o.status, EDN_OK);
        check_finding(&o, EDN_E_CAP, true);
        CHECK_INT(s.w.d[READER].shelf.n, 2);
        bytes_free(x.batch);
        space_free(&s);
    }
}

/* ---- old memberships --------------------------------------------------------------------------------------------- */

/* The links that once let the writer in, behind those that took them out. */
static void an_old_membership_is_not_taken_again(void **state)
{
    space s;
    edn_bytes old[2];

    (void)state;
    space_init(&s);
    remove_writer(&s);
    CHECK_SYNCED(device_sync(&s.w, &s.w.d[READER]));
    shelf_cut(&s.w.d[READER].shelf, 0);
    old[0] = s.w.srv.links.p[2]; /* the member key, by the owner's device */
    old[1] = s.w.srv.links.p[3]; /* the device, by the member key */
    for (size_t i = 0; i < 2; i++) {
        check_link_refused(&s, old[i], EDN_BYTES_EMPTY, EDN_E_WITHHELD); /* known, and not what was promised */
        shelf_cut(&s.w.d[READER].shelf, 0);
    }
    space_free(&s);
}

/* Made anew for its place: a key that was there does not come back, and one that was taken out lets in nobody. */
static void who_was_taken_out_does_not_come_back_by_their_own_key(void **state)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    device ghost;
    space s;

    (void)state;
    space_init(&s);
    remove_writer(&s);
    CHECK_SYNCED(device_sync(&s.w, &s.w.d[READER]));
    shelf_cut(&s.w.d[READER].shelf, 0);
    member_keys(&ghost, 9);
    world_add_link(&link, s.w.srv.links.log, &s.member[WRITER], &ghost, 3);
    check_link_refused(&s, edn_buf_view(&link), EDN_BYTES_EMPTY, EDN_E_SIGNER_REVOKED);
    shelf_cut(&s.w.d[READER].shelf, 0);
    edn_buf_reset(&link);
    world_add_link(&link, s.w.srv.links.log, &s.member[READER], &s.w.d[WRITER], 1);
    check_link_refused(&s, edn_buf_view(&link), EDN_BYTES_EMPTY, EDN_E_DUP_DEVICE);
    edn_buf_dispose(&link);
    space_free(&s);
}

static void what_they_wrote_that_nobody_had_seen_counts_for_nothing_and_before_it_stays(void **state)
{
    lie x = {EDN_BYTES_EMPTY, EDN_BYTES_EMPTY};
    line l = {.ctx = &x, .bend = bend_lie};
    edn_head last;
    outcome o;
    space s;

    (void)state;
    space_init(&s);
    last = shelf_head(&s.w.srv.shelf, &s.w.d[WRITER].id);
    x.batch = world_batch_after(&s.w, &s.w.d[WRITER], &last, NULL, 0, 1); /* under the log of before */
    remove_writer(&s);
    o = device_sync_on(&s.w, &s.w.d[READER], &l);
    CHECK_SYNCED(o);
    CHECK_INT(s.w.d[READER].shelf.n, 2);
    CHECK_INT(s.w.d[READER].late.n, 1); /* its driver decides what becomes of it */
    CHECK(shelf_find(&s.w.d[READER].shelf, &s.w.d[WRITER].id, 1));
    bytes_free(x.batch);
    space_free(&s);
}

/* ---- hidden removals --------------------------------------------------------------------------------------------- */

/* From one who knows it: the server's log is older than it was. */
static void a_removal_that_is_taken_back_is_a_rollback_and_is_sent_again(void **state)
{
    size_t links;
    outcome o;
    space s;

    (void)state;
    space_init(&s);
    remove_writer(&s);
    CHECK_SYNCED(device_sync(&s.w, &s.w.d[READER]));
    links = s.w.srv.links.n;
    links_cut(&s.w.srv.links, links - 1);
    o = device_sync(&s.w, &s.w.d[READER]);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(o.figures.rolled_back);
    check_finding(&o, EDN_E_ROLLBACK, false);
    CHECK_INT(s.w.srv.links.n, links); /* who only reads mends it as well */
    CHECK_INT(s.w.d[READER].links.n, links);
    space_free(&s);
}

static void no_links_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    (void)ctx;
    (void)w;
    (void)a;
    m->links_n = 0;
}

static void bend_no_links(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, no_links_message, ctx);
}

/* The same, and the answer does not say that there is one. */
static void older_log_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    no_links_message(ctx, w, m, a);
    m->log_count = w->srv.links.n - 1;
    CHECK(edn_devlog_hash_at(w->srv.links.log, m->log_count - 1, &m->log_head));
}

static void bend_older_log(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, older_log_message, ctx);
}

static void a_removal_that_is_named_and_not_given_is_withheld(void **state)
{
    line l = {.bend = bend_no_links};
    outcome o;
    space s;

    (void)state;
    space_init(&s);
    remove_writer(&s);
    o = device_sync_on(&s.w, &s.w.d[READER], &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(!o.figures.synced);
    check_finding(&o, EDN_E_WITHHELD, false);
    CHECK(outcome_find(&o, EDN_E_WITHHELD)->has_link);
    CHECK_SYNCED(device_sync(&s.w, &s.w.d[READER]));
    CHECK(!edn_device_active(edn_devlog_device_find(s.w.d[READER].links.log, &s.w.d[WRITER].id)));
    space_free(&s);
}

/* From one who does not know it: the next batch of one who does names a link that the server will not show. */
static void a_removal_that_is_hidden_shows_by_the_next_batch(void **state)
{
    line l = {.bend = bend_older_log};
    outcome o;
    space s;

    (void)state;
    space_init(&s);
    remove_writer(&s);
    device_write(&s.w, &s.w.d[OWNER]);
    CHECK_SYNCED(device_sync(&s.w, &s.w.d[OWNER]));
    o = device_sync_on(&s.w, &s.w.d[READER], &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(!o.figures.synced);
    CHECK(o.findings_n > 0);
    CHECK(outcome_find(&o, EDN_E_CHAIN));
    CHECK(!shelf_find(&s.w.d[READER].shelf, &s.w.d[OWNER].id, 2)); /* it waits */
    o = device_sync(&s.w, &s.w.d[READER]);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(o.figures.synced);
    CHECK(shelf_find(&s.w.d[READER].shelf, &s.w.d[OWNER].id, 2));
    space_free(&s);
}

/* ---- two chains -------------------------------------------------------------------------------------------------- */

/* The writer, told of their removal, makes another link in its place, and the server shows it to whom it likes. */
static void another_chain_stops_the_sync_and_changes_nothing(void **state)
{
    (void)state;
    for (size_t more = 0; more < 3; more++) { /* as long as the true one, and longer */
        edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
        links_kept good;
        device ghost;
        outcome o;
        size_t links;
        space s;

        space_init(&s);
        remove_writer(&s);
        CHECK_SYNCED(device_sync(&s.w, &s.w.d[READER]));
        device_write(&s.w, &s.w.d[OWNER]);
        CHECK_SYNCED(device_sync(&s.w, &s.w.d[OWNER]));
        links_copy(&good, &s.w.srv.links);
        links = good.n;
        links_cut(&s.w.srv.links, links - 1);
        for (size_t i = 0; i <= more; i++) {
            member_keys(&ghost, (uint8_t)(9 + i));
            edn_buf_reset(&link);
            world_add_link(&link, s.w.srv.links.log, &s.member[WRITER], &ghost, 3);
            links_put(&s.w.srv.links, edn_buf_view(&link));
        }
        o = device_sync(&s.w, &s.w.d[READER]);
        CHECK_STATUS(o.status, EDN_E_FORK);
        check_finding(&o, EDN_E_FORK, true);
        CHECK(!o.figures.synced);
        CHECK_INT(s.w.d[READER].links.n, links);
        CHECK(!shelf_find(&s.w.d[READER].shelf, &s.w.d[OWNER].id, 2));
        links_free(&s.w.srv.links);
        s.w.srv.links = good;
        CHECK_SYNCED(device_sync(&s.w, &s.w.d[READER]));
        edn_buf_dispose(&link);
        space_free(&s);
    }
}

/* The writer was shown another link than the reader: what they write names it. */
static void what_was_written_under_another_chain_is_a_fork(void **state)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    lie x = {EDN_BYTES_EMPTY, EDN_BYTES_EMPTY};
    line l = {.ctx = &x, .bend = bend_lie};
    device ghost;
    edn_head last;
    outcome o;
    space s;

    (void)state;
    space_init(&s);
    member_keys(&ghost, 9);
    world_add_link(&link, s.w.srv.links.log, &s.member[WRITER], &ghost, 3);
    links_put(&s.w.d[WRITER].links, edn_buf_view(&link));
    member_keys(&ghost, 10);
    edn_buf_reset(&link);
    world_add_link(&link, s.w.srv.links.log, &s.member[READER], &ghost, 1);
    links_put(&s.w.srv.links, edn_buf_view(&link));
    last = shelf_head(&s.w.srv.shelf, &s.w.d[WRITER].id);
    x.batch = world_batch_after(&s.w, &s.w.d[WRITER], &last, NULL, 0, 1);
    o = device_sync_on(&s.w, &s.w.d[READER], &l);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_FORK, true);
    CHECK(!shelf_find(&s.w.d[READER].shelf, &s.w.d[WRITER].id, 2));
    CHECK_INT(s.w.d[READER].links.n, s.w.srv.links.n);
    bytes_free(x.batch);
    edn_buf_dispose(&link);
    space_free(&s);
}

/* ---- a server that takes no new accounts ------------------------------------------------------------------------- */

/* The space's own device is nobody there: a token of an account stands for it, and is shown to who asks for it
 * alone. */
static void a_space_is_registered_under_a_token_where_it_must_be(void **state)
{
    static const struct {
        const char *wanted, *given;
        edn_status status;
        uint32_t shown;
    } cases[] = {
        {"anna's", "anna's", EDN_OK, 1},       {"anna's", NULL, EDN_E_DENIED, 0}, {"anna's", "", EDN_E_DENIED, 0},
        {"anna's", "bert's", EDN_E_DENIED, 1}, {NULL, "anna's", EDN_OK, 0}, /* it takes anybody's: nothing is shown */
    };

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(cases); i++) {
        outcome o;
        space s;
        space_init(&s);
        s.w.srv.present = false; /* it never heard of the space */
        links_cut(&s.w.srv.links, 0);
        shelf_cut(&s.w.srv.shelf, 0);
        s.w.srv.sponsor = cases[i].wanted;
        s.w.d[OWNER].sponsor = cases[i].given;
        s.w.d[OWNER].remote.token[0] = 0;
        o = device_sync(&s.w, &s.w.d[OWNER]);
        CHECK_STATUS(o.status, cases[i].status);
        CHECK_INT(o.figures.synced, cases[i].status == EDN_OK);
        CHECK_INT(s.w.srv.sponsored, cases[i].shown);
        CHECK_INT(s.w.srv.shelf.n, cases[i].status == EDN_OK ? 1 : 0);
        space_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ghost_member_is_not_believed),
        cmocka_unit_test(a_member_lets_in_nobody_with_more_rights),
        cmocka_unit_test(a_member_takes_out_nobody_else),
        cmocka_unit_test(a_link_of_a_device_log_is_none_of_a_space),
        cmocka_unit_test(a_batch_by_a_member_key_is_refused),
        cmocka_unit_test(an_old_membership_is_not_taken_again),
        cmocka_unit_test(who_was_taken_out_does_not_come_back_by_their_own_key),
        cmocka_unit_test(what_they_wrote_that_nobody_had_seen_counts_for_nothing_and_before_it_stays),
        cmocka_unit_test(a_removal_that_is_taken_back_is_a_rollback_and_is_sent_again),
        cmocka_unit_test(a_removal_that_is_named_and_not_given_is_withheld),
        cmocka_unit_test(a_removal_that_is_hidden_shows_by_the_next_batch),
        cmocka_unit_test(another_chain_stops_the_sync_and_changes_nothing),
        cmocka_unit_test(what_was_written_under_another_chain_is_a_fork),
        cmocka_unit_test(a_space_is_registered_under_a_token_where_it_must_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
