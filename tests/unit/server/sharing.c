/* Shared spaces, lookups and inboxes. */
#include "server_kit.h"

#define DAY_MS 86400000ull

typedef struct fixture {
    kit k;
    person p, q; /* q is of another server */
    person space;
    edn_buf token, phone, space_token; /* of p's devices 0 and 1; of the space's device 1 */
} fixture;

static void sign_in_all(fixture *f)
{
    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    person_sign_in(&f->p, 1, kit_ask, &f->k, &f->phone);
    person_sign_in(&f->space, 1, kit_ask, &f->k, &f->space_token);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    kit_init(&f->k);
    f->k.now_ms = 1700000000000u; /* within one day for all of a test */
    f->k.config.limits.lookup_per_min = f->k.config.limits.inbox_per_hour = 0;
    f->k.config.limits.login_account_per_min = 0;
    kit_close(&f->k);
    kit_open(&f->k);
    person_init(&f->p, 1);
    person_add_device(&f->p, EDN_CAP_READ | EDN_CAP_WRITE);
    person_init(&f->q, 2);
    person_init_space(&f->space, 3);
    f->token = f->phone = f->space_token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    kit_register(&f->k, &f->p);
    kit_register(&f->k, &f->space);
    sign_in_all(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    edn_buf_dispose(&f->token);
    edn_buf_dispose(&f->phone);
    edn_buf_dispose(&f->space_token);
    person_dispose(&f->p);
    person_dispose(&f->q);
    person_dispose(&f->space);
    kit_dispose(&f->k);
    free(f);
    return 0;
}

static void restart(fixture *f)
{
    kit_close(&f->k);
    kit_open(&f->k);
    sign_in_all(f);
}

/* ---- spaces ------------------------------------------------------------------------------------------------------ */

static int bring(fixture *f, const person *p, edn_bytes token)
{
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    int status;

    person_account(p, &rq);
    status = kit_ask(&f->k, "POST", "/v1/accounts", token, edn_buf_view(&rq), NULL);
    edn_buf_dispose(&rq);
    return status;
}

static void a_space_syncs_as_an_account_does(void **state)
{
    fixture *f = *state;

    CHECK_INT(kit_push_next(&f->k, &f->space, 1, 1024, edn_buf_view(&f->space_token)), 200);
    CHECK_INT(kit_push_next(&f->k, &f->space, 1, 4096, edn_buf_view(&f->space_token)), 200);
    CHECK_INT(kit_pull_count(&f->k, &f->space, edn_buf_view(&f->space_token)), 2);
    CHECK_INT(kit_pull_count(&f->k, &f->p, edn_buf_view(&f->token)), 0);
}

static void a_member_key_signs_no_batch(void **state)
{
    fixture *f = *state;
    edn_buf token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);

    person_sign_in(&f->space, 0, kit_ask, &f->k, &token); /* but links: a person's new device comes by it */
    CHECK_INT(kit_push_next(&f->k, &f->space, 0, 1024, edn_buf_view(&token)), 403);
    CHECK_INT(kit_push_next(&f->k, &f->space, 0, 1024, edn_buf_view(&f->space_token)), 403);
    CHECK_INT(kit_pull_count(&f->k, &f->space, edn_buf_view(&token)), 0);
    edn_buf_dispose(&token);
}

static void a_space_has_no_name(void **state)
{
    fixture *f = *state;
    person named;

    person_init_space(&named, 9);
    named.name.b[3] = 1;
    CHECK_INT(bring(f, &named, EDN_BYTES_EMPTY), 400);
    named.name.b[3] = 0;
    CHECK_INT(bring(f, &named, EDN_BYTES_EMPTY), 201);
    person_dispose(&named);
}

/* The quota of devices is a person's. */
static void a_space_has_more_keys_than_a_person_may_have_devices(void **state)
{
    fixture *f = *state;
    person crowd;

    f->k.config.limits.quota_devices = 3;
    restart(f);
    person_init_space(&crowd, 9);
    while (crowd.devices_n < 5)
        person_add_device(&crowd, EDN_CAP_READ);
    CHECK_INT(bring(f, &crowd, EDN_BYTES_EMPTY), 201);
    person_add_device(&crowd, EDN_CAP_READ);
    CHECK_INT(bring(f, &crowd, EDN_BYTES_EMPTY), 201);
    while (f->q.devices_n < 4)
        person_add_device(&f->q, EDN_CAP_READ);
    CHECK_INT(bring(f, &f->q, EDN_BYTES_EMPTY), 507);
    person_dispose(&crowd);
}

static void a_closed_server_takes_spaces_of_its_own_people(void **state)
{
    fixture *f = *state;
    person fresh;

    f->k.config.sign_up = false;
    restart(f);
    person_init_space(&fresh, 9);
    CHECK_INT(bring(f, &fresh, EDN_BYTES_EMPTY), 403);
    CHECK_INT(bring(f, &fresh, edn_bytes_str("no.such.token")), 401);
    CHECK_INT(bring(f, &fresh, edn_buf_view(&f->space_token)), 403); /* who is only a guest brings no guests */
    CHECK_INT(bring(f, &f->q, edn_buf_view(&f->token)), 403);        /* nor people */
    CHECK_INT(bring(f, &fresh, edn_buf_view(&f->token)), 201);
    person_add_device(&fresh, EDN_CAP_READ); /* what is known goes on without a token, as accounts do */
    CHECK_INT(bring(f, &fresh, EDN_BYTES_EMPTY), 201);
    person_dispose(&fresh);
}

static void an_account_brings_so_many_spaces_a_day(void **state)
{
    fixture *f = *state;

    f->k.config.sign_up = false;
    f->k.config.limits.spaces_per_day = 2;
    restart(f);
    for (unsigned i = 0; i < 4; i++) {
        person fresh;
        person_init_space(&fresh, 20 + i);
        if (i == 3)
            f->k.now_ms += DAY_MS / 2, sign_in_all(f);
        CHECK_INT(bring(f, &fresh, edn_buf_view(i & 1 ? &f->phone : &f->token)), i == 2 ? 429 : 201);
        person_dispose(&fresh);
    }
}

/* ---- lookups ----------------------------------------------------------------------------------------------------- */

typedef struct found {
    int status;
    bool held;
    uint8_t flags;
    edn_account_id account;
    size_t links_n, size;
    edn_hash first; /* the hash of the first link that came */
} found;

static found look(fixture *f, const edn_msg_lookup *m, edn_bytes token)
{
    edn_buf rq = EDN_BUF_INIT(4096);
    edn_arena a = edn_arena_init(16u << 20);
    edn_server_answer answer;
    edn_msg_found got;
    found out = {0};

    edn_lookup_put(&rq, m);
    kit_exchange(&f->k, "POST", "/v1/lookup", token, edn_buf_view(&rq), &answer);
    out.status = answer.status;
    out.held = answer.hold;
    if (out.status == 200) {
        CHECK_OK(edn_found_decode(&a, edn_buf_view(&answer.body), &got));
        out.flags = got.flags;
        out.account = got.account;
        out.links_n = got.links_n;
        out.size = answer.body.n;
        if (got.links_n)
            out.first = edn_link_hash(got.links[0]);
    }
    edn_server_answer_dispose(&answer);
    edn_buf_dispose(&rq);
    edn_arena_dispose(&a);
    return out;
}

static edn_msg_lookup by_account(const person *p)
{
    edn_msg_lookup m = {.kind = EDN_LOOKUP_ACCOUNT, .witness = person_witness(p)};

    memcpy(m.id, p->account.b, sizeof m.id);
    return m;
}

static edn_msg_lookup by_name(const person *p)
{
    edn_msg_lookup m = {.kind = EDN_LOOKUP_NAME};

    memcpy(m.id, p->name.b, sizeof m.id);
    return m;
}

static void a_log_is_shown_to_whoever_has_seen_some_of_it(void **state)
{
    fixture *f = *state;
    edn_msg_lookup m = by_account(&f->p);
    edn_hash link;
    found got;

    for (uint64_t seq = 1; edn_devlog_hash_at(f->p.log, seq, &link); seq++) {
        m.witness = edn_witness_of(seq, &link);
        got = look(f, &m, EDN_BYTES_EMPTY);
        CHECK_INT(got.status, 200);
        CHECK(got.held);
        CHECK_INT(got.links_n, f->p.links_n);
        CHECK_INT(got.flags, 0);
        CHECK_BYTES(EDN_F(got.first), EDN_F(f->p.account));
        CHECK_BYTES(EDN_F(got.account), EDN_F(f->p.account));
    }
    m.from = 2;
    got = look(f, &m, EDN_BYTES_EMPTY);
    CHECK_INT(got.links_n, f->p.links_n - 2);
    CHECK(edn_devlog_hash_at(f->p.log, 2, &link));
    CHECK_BYTES(EDN_F(got.first), EDN_F(link));
    m.from = f->p.links_n;
    CHECK_INT(look(f, &m, EDN_BYTES_EMPTY).links_n, 0);
    m.from = UINT64_MAX;
    CHECK_INT(look(f, &m, EDN_BYTES_EMPTY).links_n, 0);
}

/* A guessed name gives an id by a challenge, true or made up. The lookup must not tell which (A18). */
static void an_id_from_a_challenge_is_as_good_as_a_made_up_one(void **state)
{
    fixture *f = *state;
    edn_msg_lookup real = by_account(&f->p), fake = by_account(&f->p);
    edn_buf rq = EDN_BUF_INIT(4096), a = EDN_BUF_INIT(0), b = EDN_BUF_INIT(0);
    edn_server_answer x, y;

    memset(&fake.id, 0x5a, sizeof fake.id);
    for (int i = 0; i < 3; i++) {
        if (i == 0)
            memset(real.witness.b, 0, sizeof real.witness.b);
        else if (i == 1)
            memcpy(real.witness.b, f->p.account.b, sizeof real.witness.b); /* link 0's hash, which the id is */
        else
            real.witness = person_witness(&f->q);
        fake.witness = real.witness;
        edn_buf_reset(&rq);
        edn_lookup_put(&rq, &real);
        kit_exchange(&f->k, "POST", "/v1/lookup", EDN_BYTES_EMPTY, edn_buf_view(&rq), &x);
        edn_buf_reset(&rq);
        edn_lookup_put(&rq, &fake);
        kit_exchange(&f->k, "POST", "/v1/lookup", EDN_BYTES_EMPTY, edn_buf_view(&rq), &y);
        CHECK_INT(x.status, 404);
        CHECK_INT(y.status, 404);
        CHECK(x.hold && y.hold);
        CHECK_BYTES(edn_buf_view(&x.body), edn_buf_view(&y.body));
        edn_server_answer_dispose(&x);
        edn_server_answer_dispose(&y);
    }
    edn_buf_dispose(&rq);
    edn_buf_dispose(&a);
    edn_buf_dispose(&b);
}

static void people_of_one_server_find_each_other_by_name(void **state)
{
    fixture *f = *state;
    edn_msg_lookup name = by_name(&f->p), nobody = by_name(&f->q), id = by_account(&f->p);
    edn_buf passphrase = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    found got = look(f, &name, edn_buf_view(&f->phone));

    CHECK_INT(got.status, 200);
    CHECK(!got.held);
    CHECK_BYTES(EDN_F(got.account), EDN_F(f->p.account));
    CHECK_INT(got.links_n, f->p.links_n);
    CHECK_INT(look(f, &nobody, edn_buf_view(&f->phone)).status, 404);
    CHECK_INT(look(f, &name, EDN_BYTES_EMPTY).status, 401);
    CHECK_INT(look(f, &nobody, EDN_BYTES_EMPTY).status, 401);
    CHECK_INT(look(f, &name, edn_buf_view(&f->space_token)).status, 401);
    person_sign_in(&f->p, SIZE_MAX, kit_ask, &f->k, &passphrase);
    CHECK_INT(look(f, &name, edn_buf_view(&passphrase)).status, 401);
    memset(id.witness.b, 0, sizeof id.witness.b); /* they need no witness either */
    CHECK_INT(look(f, &id, edn_buf_view(&f->phone)).status, 200);
    CHECK_INT(look(f, &id, edn_buf_view(&f->space_token)).status, 404);
    edn_buf_dispose(&passphrase);
}

static void a_space_is_never_looked_up(void **state)
{
    fixture *f = *state;
    edn_msg_lookup m = by_account(&f->space);

    CHECK_INT(look(f, &m, EDN_BYTES_EMPTY).status, 404);
    CHECK_INT(look(f, &m, edn_buf_view(&f->token)).status, 404);
    CHECK_INT(look(f, &m, edn_buf_view(&f->space_token)).status, 404);
    memset(m.witness.b, 0, sizeof m.witness.b);
    CHECK_INT(look(f, &m, edn_buf_view(&f->token)).status, 404);
}

/* Appends checkpoints of 64 KiB. */
static void grow(fixture *f, size_t n)
{
    static edn_pin pins[742];
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);

    for (size_t i = 0; i < n; i++) {
        edn_link_signer by = {&f->p.devices[0].id, &f->p.devices[0].sk, 1};
        edn_msg_log_append m = {&f->p.links[f->p.links_n], 1, NULL, 0};
        uint8_t *copy;
        edn_buf_reset(&link);
        CHECK_OK(edn_link_checkpoint(&link, f->p.log, &by, pins, EDN_COUNT(pins)));
        CHECK_OK(edn_devlog_append(f->p.log, edn_buf_view(&link)));
        copy = malloc(link.n);
        CHECK(copy);
        memcpy(copy, link.p, link.n);
        f->p.links[f->p.links_n++] = edn_bytes_of(copy, link.n);
        edn_buf_reset(&rq);
        edn_log_append_put(&rq, &m);
        CHECK_INT(kit_ask(&f->k, "POST", "/v1/log", edn_buf_view(&f->token), edn_buf_view(&rq), NULL), 200);
    }
    edn_buf_dispose(&link);
    edn_buf_dispose(&rq);
}

static void a_long_log_comes_in_parts(void **state)
{
    fixture *f = *state;
    edn_msg_lookup m = by_account(&f->p);
    found got;

    f->k.config.limits.bytes_per_s = 0;
    restart(f);
    grow(f, 64);
    got = look(f, &m, EDN_BYTES_EMPTY); /* a little less than 4 MiB of them, and then one that passes it */
    CHECK_INT(got.flags, 0);
    CHECK_INT(got.links_n, f->p.links_n);
    grow(f, 2);
    got = look(f, &m, EDN_BYTES_EMPTY);
    CHECK_INT(got.flags, EDN_FOUND_MORE);
    CHECK(got.links_n < f->p.links_n && got.size > (4u << 20) && got.size < (4u << 20) + 2 * EDN_LINK_SIZE_MAX);
    m.from = got.links_n;
    got = look(f, &m, EDN_BYTES_EMPTY);
    CHECK_INT(got.flags, 0);
    CHECK_INT(got.links_n, f->p.links_n - m.from);
}

static void so_many_logs_are_shown_a_minute(void **state)
{
    fixture *f = *state;
    edn_msg_lookup m = by_account(&f->p), name = by_name(&f->p);

    f->k.config.limits.lookup_per_min = 3;
    restart(f);
    for (int i = 0; i < 4; i++)
        CHECK_INT(look(f, &m, EDN_BYTES_EMPTY).status, i < 3 ? 200 : 429);
    f->k.address[0] ^= 1;
    CHECK_INT(look(f, &m, EDN_BYTES_EMPTY).status, 200);
    for (int i = 0; i < 4; i++) /* an account's are its own, whichever device asks from wherever */
        CHECK_INT(look(f, &name, edn_buf_view(i & 1 ? &f->token : &f->phone)).status, i < 3 ? 200 : 429);
    f->k.now_ms += 20000;
    CHECK_INT(look(f, &name, edn_buf_view(&f->token)).status, 200);
    CHECK_INT(look(f, &name, edn_buf_view(&f->token)).status, 429);
}

/* ---- inboxes ----------------------------------------------------------------------------------------------------- */

static int inbox(fixture *f, const edn_msg_inbox *m, edn_bytes token, edn_server_answer *out)
{
    edn_buf rq = EDN_BUF_INIT(EDN_INBOX_ASK_SIZE_MAX);
    edn_server_answer answer;
    int status;

    edn_inbox_put(&rq, m);
    CHECK_OK(edn_buf_status(&rq));
    kit_exchange(&f->k, "POST", "/v1/inbox", token, edn_buf_view(&rq), &answer);
    status = answer.status;
    if (out)
        *out = answer;
    else
        edn_server_answer_dispose(&answer);
    edn_buf_dispose(&rq);
    return status;
}

static int put(fixture *f, const person *to, const char *text)
{
    edn_msg_inbox m = {.kind = EDN_INBOX_PUT, .to = to->account, .witness = person_witness(to)};

    m.message = edn_bytes_str(text);
    return inbox(f, &m, EDN_BYTES_EMPTY, NULL);
}

static int drop(fixture *f, uint64_t number, edn_bytes token)
{
    edn_msg_inbox m = {.kind = EDN_INBOX_DROP, .number = number};

    return inbox(f, &m, token, NULL);
}

/* What is there from a number on: "1:one 2:two ". */
static void check_inbox(fixture *f, uint64_t from, edn_bytes token, const char *want)
{
    edn_msg_inbox m = {.kind = EDN_INBOX_GET, .number = from};
    edn_arena a = edn_arena_init(16u << 20);
    edn_server_answer answer;
    edn_msg_letters got;
    char text[512] = "";

    CHECK_INT(inbox(f, &m, token, &answer), 200);
    CHECK_OK(edn_letters_decode(&a, edn_buf_view(&answer.body), &got));
    for (size_t i = 0; i < got.n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%llu:%.*s ",
                 (unsigned long long)got.letters[i].number, (int)got.letters[i].message.n,
                 (const char *)got.letters[i].message.p);
    assert_string_equal(text, want);
    edn_server_answer_dispose(&answer);
    edn_arena_dispose(&a);
}

static void letters_wait_for_every_device_until_one_drops_them(void **state)
{
    fixture *f = *state;
    edn_bytes desk = edn_buf_view(&f->token), phone = edn_buf_view(&f->phone);

    check_inbox(f, 0, desk, "");
    CHECK_INT(put(f, &f->p, "one"), 200);
    CHECK_INT(put(f, &f->p, "two"), 200);
    CHECK_INT(put(f, &f->p, "three"), 200);
    check_inbox(f, 0, desk, "1:one 2:two 3:three ");
    check_inbox(f, 2, phone, "2:two 3:three ");
    check_inbox(f, 4, phone, "");
    check_inbox(f, UINT64_MAX, phone, "");
    CHECK_INT(drop(f, 2, phone), 200);
    CHECK_INT(drop(f, 2, phone), 200); /* said again */
    CHECK_INT(drop(f, 77, phone), 200);
    check_inbox(f, 0, desk, "1:one 3:three ");
    restart(f); /* they are on disk */
    check_inbox(f, 0, edn_buf_view(&f->token), "1:one 3:three ");
    check_inbox(f, 0, edn_buf_view(&f->space_token), ""); /* another's */
}

static void a_number_is_never_used_again(void **state)
{
    fixture *f = *state;

    CHECK_INT(put(f, &f->p, "one"), 200);
    CHECK_INT(drop(f, 1, edn_buf_view(&f->token)), 200);
    restart(f);
    CHECK_INT(put(f, &f->p, "two"), 200);
    check_inbox(f, 0, edn_buf_view(&f->token), "2:two ");
}

static void the_same_letter_is_kept_once(void **state)
{
    fixture *f = *state;

    for (int i = 0; i < 3; i++)
        CHECK_INT(put(f, &f->p, "again"), 200);
    check_inbox(f, 0, edn_buf_view(&f->token), "1:again ");
    CHECK_INT(drop(f, 1, edn_buf_view(&f->token)), 200);
    CHECK_INT(put(f, &f->p, "again"), 200); /* once it is gone it may come again */
    check_inbox(f, 0, edn_buf_view(&f->token), "2:again ");
}

/* Whoever is not here, and whoever's log the sender has not seen: the answer is that of a letter that was kept. */
static void a_put_does_not_tell_who_is_here(void **state)
{
    fixture *f = *state;
    edn_msg_inbox kept = {.kind = EDN_INBOX_PUT, .to = f->p.account, .witness = person_witness(&f->p)};
    edn_msg_inbox others[4] = {kept, kept, kept, kept};
    edn_server_answer want, got;

    others[0].to = f->q.account;
    others[0].witness = person_witness(&f->q);
    others[1].witness = person_witness(&f->q);
    memset(others[2].witness.b, 0, sizeof others[2].witness.b);
    others[3].to = f->space.account; /* a space has no inbox */
    others[3].witness = person_witness(&f->space);
    kept.message = edn_bytes_str("kept");
    CHECK_INT(inbox(f, &kept, EDN_BYTES_EMPTY, &want), 200);
    CHECK(want.hold);
    for (size_t i = 0; i < EDN_COUNT(others); i++) {
        others[i].message = edn_bytes_str("lost");
        CHECK_INT(inbox(f, &others[i], EDN_BYTES_EMPTY, &got), 200);
        CHECK(got.hold);
        CHECK_BYTES(edn_buf_view(&got.body), edn_buf_view(&want.body));
        edn_server_answer_dispose(&got);
    }
    check_inbox(f, 0, edn_buf_view(&f->token), "1:kept ");
    check_inbox(f, 0, edn_buf_view(&f->space_token), "");
    edn_server_answer_dispose(&want);
}

static void only_its_devices_read_an_inbox(void **state)
{
    fixture *f = *state;
    edn_msg_inbox get = {.kind = EDN_INBOX_GET};
    edn_buf passphrase = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);

    CHECK_INT(inbox(f, &get, EDN_BYTES_EMPTY, NULL), 401);
    CHECK_INT(drop(f, 1, EDN_BYTES_EMPTY), 401);
    person_sign_in(&f->p, SIZE_MAX, kit_ask, &f->k, &passphrase);
    CHECK_INT(inbox(f, &get, edn_buf_view(&passphrase), NULL), 401);
    CHECK_INT(inbox(f, &get, edn_bytes_str("no.such.token"), NULL), 401);
    CHECK_INT(inbox(f, &get, edn_buf_view(&f->phone), NULL), 200);
    edn_buf_dispose(&passphrase);
}

static void an_inbox_holds_so_many_letters(void **state)
{
    fixture *f = *state;

    f->k.config.limits.inbox_letters = 3;
    restart(f);
    CHECK_INT(put(f, &f->p, "one"), 200);
    CHECK_INT(put(f, &f->p, "two"), 200);
    CHECK_INT(put(f, &f->p, "three"), 200);
    CHECK_INT(put(f, &f->p, "four"), 507);
    CHECK_INT(put(f, &f->p, "three"), 200); /* that is here already */
    CHECK_INT(drop(f, 1, edn_buf_view(&f->token)), 200);
    CHECK_INT(put(f, &f->p, "four"), 200);
    CHECK_INT(put(f, &f->p, "five"), 507);
    check_inbox(f, 0, edn_buf_view(&f->token), "2:two 3:three 4:four ");
}

static void a_full_inbox_is_read_at_once(void **state)
{
    fixture *f = *state;
    edn_msg_inbox m = {.kind = EDN_INBOX_PUT, .to = f->p.account, .witness = person_witness(&f->p)};
    edn_msg_inbox get = {.kind = EDN_INBOX_GET};
    static uint8_t bytes[EDN_INBOX_LETTER_SIZE_MAX + 1];
    edn_arena a = edn_arena_init(16u << 20);
    edn_server_answer answer;
    edn_msg_letters got;
    edn_buf rq = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    m.message = edn_bytes_of(bytes, EDN_INBOX_LETTER_SIZE_MAX);
    for (unsigned i = 0; i <= EDN_INBOX_LETTERS_MAX; i++) {
        edn_store_u32(bytes, i);
        CHECK_INT(inbox(f, &m, EDN_BYTES_EMPTY, NULL), i < EDN_INBOX_LETTERS_MAX ? 200 : 507);
    }
    CHECK_INT(inbox(f, &get, edn_buf_view(&f->token), &answer), 200);
    CHECK_OK(edn_letters_decode(&a, edn_buf_view(&answer.body), &got));
    CHECK_INT(got.n, EDN_INBOX_LETTERS_MAX);
    CHECK_INT(got.letters[63].message.n, EDN_INBOX_LETTER_SIZE_MAX);
    edn_server_answer_dispose(&answer);

    m.message.n = 1; /* by hand: one byte too long */
    edn_inbox_put(&rq, &m);
    edn_store_u32(rq.p + 50, EDN_INBOX_LETTER_SIZE_MAX + 1);
    edn_put_bytes(&rq, bytes, EDN_INBOX_LETTER_SIZE_MAX);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/inbox", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 400);
    edn_put_zeros(&rq, EDN_INBOX_ASK_SIZE_MAX + 1 - rq.n);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/inbox", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 413);
    edn_buf_dispose(&rq);
    edn_arena_dispose(&a);
}

static void an_address_sends_so_many_letters_an_hour(void **state)
{
    fixture *f = *state;
    char text[8];

    f->k.config.limits.inbox_per_hour = 20;
    restart(f);
    for (int i = 0; i < 21; i++) {
        snprintf(text, sizeof text, "%d", i);
        CHECK_INT(put(f, i & 1 ? &f->p : &f->q, text), i < 20 ? 200 : 429); /* whoever they are to */
    }
    f->k.address[0] ^= 1;
    CHECK_INT(put(f, &f->p, "another"), 200);
    f->k.address[0] ^= 1;
    f->k.now_ms += 3600000 / 20;
    CHECK_INT(put(f, &f->p, "later"), 200);
    CHECK_INT(put(f, &f->p, "too soon"), 429);
}

static void letters_go_after_their_days(void **state)
{
    fixture *f = *state;

    CHECK_INT(put(f, &f->p, "old"), 200);
    f->k.now_ms += DAY_MS;
    CHECK_INT(put(f, &f->p, "young"), 200);
    f->k.now_ms += 29 * DAY_MS; /* day 30 of the first */
    for (int i = 0; i < 600; i++)
        edn_server_tick(f->k.s);
    sign_in_all(f);
    check_inbox(f, 0, edn_buf_view(&f->token), "1:old 2:young ");
    f->k.now_ms += DAY_MS;
    for (int i = 0; i < 600; i++)
        edn_server_tick(f->k.s);
    sign_in_all(f);
    check_inbox(f, 0, edn_buf_view(&f->token), "2:young ");
}

/* More of them than one step takes. */
static void many_old_letters_go_in_one_round(void **state)
{
    fixture *f = *state;
    char text[8];

    for (unsigned i = 0; i < EDN_INBOX_LETTERS_MAX; i++) {
        snprintf(text, sizeof text, "%u", i);
        CHECK_INT(put(f, &f->p, text), 200);
    }
    kit_register(&f->k, &f->q);
    CHECK_INT(put(f, &f->q, "q's"), 200);
    f->k.now_ms += 40 * DAY_MS;
    for (int i = 0; i < 600; i++)
        edn_server_tick(f->k.s);
    CHECK_INT(edn_server_stats_get(f->k.s).failures, 0);
    sign_in_all(f);
    check_inbox(f, 0, edn_buf_view(&f->token), "");
    person_sign_in(&f->q, 0, kit_ask, &f->k, &f->phone);
    check_inbox(f, 0, edn_buf_view(&f->phone), "");
}

/* What one group puts, reads and drops. */
static void requests_of_a_group_do_not_harm_one_another(void **state)
{
    fixture *f = *state;
    edn_msg_inbox ms[4] = {{.kind = EDN_INBOX_PUT, .to = f->p.account, .witness = person_witness(&f->p)},
                           {.kind = EDN_INBOX_PUT, .to = f->p.account, .witness = person_witness(&f->p)},
                           {.kind = EDN_INBOX_DROP, .number = 1},
                           {.kind = EDN_INBOX_GET}};
    edn_server_request rq[4];
    edn_server_answer answers[4];
    edn_buf bodies[4];
    edn_arena a = edn_arena_init(1u << 20);
    edn_msg_letters got;

    ms[0].message = edn_bytes_str("first");
    ms[1].message = edn_bytes_str("second");
    for (int i = 0; i < 4; i++) {
        bodies[i] = EDN_BUF_INIT(4096);
        edn_inbox_put(&bodies[i], &ms[i]);
        rq[i] = (edn_server_request){.method = EDN_SERVER_POST,
                                     .path = edn_bytes_str("/v1/inbox"),
                                     .bearer = i < 2 ? EDN_BYTES_EMPTY : edn_buf_view(&f->token),
                                     .address = edn_bytes_of(f->k.address, 4),
                                     .body = edn_buf_view(&bodies[i])};
    }
    edn_server_handle(f->k.s, rq, 4, answers);
    for (int i = 0; i < 4; i++)
        CHECK_INT(answers[i].status, 200);
    CHECK_OK(edn_letters_decode(&a, edn_buf_view(&answers[3].body), &got));
    CHECK_INT(got.n, 1);
    CHECK_INT(got.letters[0].number, 2);
    for (int i = 0; i < 4; i++) {
        edn_server_answer_dispose(&answers[i]);
        edn_buf_dispose(&bodies[i]);
    }
    edn_arena_dispose(&a);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_space_syncs_as_an_account_does),
        T(a_member_key_signs_no_batch),
        T(a_space_has_no_name),
        T(a_space_has_more_keys_than_a_person_may_have_devices),
        T(a_closed_server_takes_spaces_of_its_own_people),
        T(an_account_brings_so_many_spaces_a_day),
        T(a_log_is_shown_to_whoever_has_seen_some_of_it),
        T(an_id_from_a_challenge_is_as_good_as_a_made_up_one),
        T(people_of_one_server_find_each_other_by_name),
        T(a_space_is_never_looked_up),
        T(a_long_log_comes_in_parts),
        T(so_many_logs_are_shown_a_minute),
        T(letters_wait_for_every_device_until_one_drops_them),
        T(a_number_is_never_used_again),
        T(the_same_letter_is_kept_once),
        T(a_put_does_not_tell_who_is_here),
        T(only_its_devices_read_an_inbox),
        T(an_inbox_holds_so_many_letters),
        T(a_full_inbox_is_read_at_once),
        T(an_address_sends_so_many_letters_an_hour),
        T(letters_go_after_their_days),
        T(many_old_letters_go_in_one_round),
        T(requests_of_a_group_do_not_harm_one_another),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
