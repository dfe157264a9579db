/* Every message: what is put is decoded to the same, and any other bytes are refused or are what a put makes. */
#include "messages.h"

#include "devlog/devlog.h"
#include "wire/wire.h"

_Static_assert(EDN_MSG_LINK_SIZE_MAX == EDN_LINK_SIZE_MAX, "one limit of a link, in two modules that do not meet");

typedef void random_fn(check_rng *r, edn_arena *a, void *m);
typedef void put_fn(edn_buf *out, const void *m);
typedef edn_status decode_fn(edn_arena *a, edn_bytes in, void *m);

typedef struct kind {
    const char *name;
    size_t size;
    random_fn *random;
    put_fn *put;
    decode_fn *decode;
} kind;

#define ERASE_TYPE(name)                                                                                               \
    static void name##_random(check_rng *r, edn_arena *a, void *m) { random_##name(r, a, m); }                         \
    static void name##_put(edn_buf *out, const void *m) { edn_##name##_put(out, m); }                                  \
    static edn_status name##_decode(edn_arena *a, edn_bytes in, void *m) { return edn_##name##_decode(a, in, m); }
EDN_MESSAGES(ERASE_TYPE)

#define KIND(name) {#name, sizeof(edn_msg_##name), name##_random, name##_put, name##_decode},
static const kind kinds[] = {EDN_MESSAGES(KIND)};

typedef union any_message {
#define MEMBER(name) edn_msg_##name name;
    EDN_MESSAGES(MEMBER)
} any_message;

/* Decodes and puts again: EDN_OK only with the same bytes; whatever was refused has left a message of zeros. */
static edn_status decode_and_compare(const kind *k, edn_arena *a, edn_bytes in)
{
    static const any_message zero;
    any_message m;
    edn_buf again = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = k->decode(a, in, &m);

    if (st == EDN_OK) {
        k->put(&again, &m);
        CHECK_OK(edn_buf_status(&again));
        CHECK_BYTES(edn_buf_view(&again), in);
    } else {
        CHECK_STATUS(st, EDN_E_FORMAT);
        CHECK(memcmp(&m, &zero, k->size) == 0);
    }
    edn_buf_dispose(&again);
    edn_arena_reset(a);
    return st;
}

typedef void case_fn(const kind *k, check_rng *r, edn_bytes bytes, edn_arena *a);

static void each_message(size_t rounds, case_fn *run)
{
    check_rng r = {check_seed()};
    edn_arena made = edn_arena_init(1 << 24), decoded = edn_arena_init(1 << 24);

    for (size_t i = 0; i < EDN_COUNT(kinds); i++) {
        for (size_t round = 0; round < rounds; round++) {
            any_message m;
            edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
            kinds[i].random(&r, &made, &m);
            kinds[i].put(&b, &m);
            CHECK_OK(edn_buf_status(&b));
            run(&kinds[i], &r, edn_buf_view(&b), &decoded);
            edn_buf_dispose(&b);
            edn_arena_reset(&made);
        }
    }
    edn_arena_dispose(&made);
    edn_arena_dispose(&decoded);
}

static void check_round_trip(const kind *k, check_rng *r, edn_bytes bytes, edn_arena *a)
{
    (void)r;
    CHECK_OK(decode_and_compare(k, a, bytes));
}

static void a_message_comes_back_as_it_went(void **state)
{
    (void)state;
    each_message(200, check_round_trip);
}

static void check_truncations(const kind *k, check_rng *r, edn_bytes bytes, edn_arena *a)
{
    edn_buf longer = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    (void)r;
    for (size_t n = 0; n < bytes.n; n++)
        CHECK_STATUS(decode_and_compare(k, a, edn_bytes_of(bytes.p, n)), EDN_E_FORMAT);
    edn_put_bytes(&longer, bytes.p, bytes.n);
    edn_put_u8(&longer, 0);
    CHECK_STATUS(decode_and_compare(k, a, edn_buf_view(&longer)), EDN_E_FORMAT);
    edn_buf_dispose(&longer);
}

static void a_message_cut_or_with_a_byte_more_is_refused(void **state)
{
    (void)state;
    each_message(5, check_truncations);
}

static void check_corruptions(const kind *k, check_rng *r, edn_bytes bytes, edn_arena *a)
{
    uint8_t *copy = malloc(bytes.n);

    CHECK(copy);
    memcpy(copy, bytes.p, bytes.n);
    for (size_t i = 0; i < bytes.n; i++) {
        for (unsigned bit = 0; bit < 9; bit++) {
            /* eight flips, and one value at random */
            uint8_t other = bit < 8 ? (uint8_t)(bytes.p[i] ^ 1u << bit) : (uint8_t)check_next(r);
            copy[i] = other;
            (void)decode_and_compare(k, a, edn_bytes_of(copy, bytes.n)); /* checks both outcomes itself */
        }
        copy[i] = bytes.p[i];
    }
    copy[0] ^= 3; /* another version */
    CHECK_STATUS(decode_and_compare(k, a, edn_bytes_of(copy, bytes.n)), EDN_E_FORMAT);
    free(copy);
}

static void a_changed_byte_is_refused_or_is_another_message(void **state)
{
    (void)state;
    each_message(3, check_corruptions);
}

/* ---- rules of single messages ------------------------------------------------------------------------------------ */

static edn_status decode_patched(const kind *k, const void *m, size_t at, uint8_t byte)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_arena a = edn_arena_init(1 << 20);
    any_message out;
    edn_status st;

    k->put(&b, m);
    CHECK_OK(edn_buf_status(&b));
    b.p[at] = byte;
    st = k->decode(&a, edn_buf_view(&b), &out);
    edn_buf_dispose(&b);
    edn_arena_dispose(&a);
    return st;
}

static const kind *kind_named(const char *name)
{
    for (size_t i = 0; i < EDN_COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    fail();
    return NULL;
}

static void a_passphrase_challenge_names_no_account(void **state)
{
    const kind *k = kind_named("challenge_ask");
    edn_msg_challenge_ask m;

    (void)state;
    memset(&m, 0, sizeof m);
    m.kind = EDN_LOGIN_PASSPHRASE;
    CHECK_OK(decode_patched(k, &m, 0, 1));
    CHECK_STATUS(decode_patched(k, &m, 2, 1), EDN_E_FORMAT);  /* account */
    CHECK_STATUS(decode_patched(k, &m, 49, 1), EDN_E_FORMAT); /* device */
    CHECK_OK(decode_patched(k, &m, 50, 1));                   /* name hash */
    m.kind = EDN_LOGIN_DEVICE;
    CHECK_OK(decode_patched(k, &m, 2, 1));
    CHECK_STATUS(decode_patched(k, &m, 50, 1), EDN_E_FORMAT);
    CHECK_STATUS(decode_patched(k, &m, 1, 0), EDN_E_FORMAT);
    CHECK_STATUS(decode_patched(k, &m, 1, 3), EDN_E_FORMAT);
}

static void a_passphrase_login_names_no_device(void **state)
{
    const kind *k = kind_named("login");
    edn_msg_login m;

    (void)state;
    memset(&m, 0, sizeof m);
    m.kind = EDN_LOGIN_PASSPHRASE;
    CHECK_STATUS(decode_patched(k, &m, 34, 1), EDN_E_FORMAT);
    m.kind = EDN_LOGIN_DEVICE;
    CHECK_OK(decode_patched(k, &m, 34, 1));
}

static void a_lookup_by_name_bears_no_witness(void **state)
{
    const kind *k = kind_named("lookup");
    edn_msg_lookup m;

    (void)state;
    memset(&m, 0, sizeof m);
    m.kind = EDN_LOOKUP_NAME;
    CHECK_OK(decode_patched(k, &m, 2, 1));                    /* id */
    CHECK_STATUS(decode_patched(k, &m, 42, 1), EDN_E_FORMAT); /* the witness's first byte */
    CHECK_STATUS(decode_patched(k, &m, 49, 1), EDN_E_FORMAT);
    m.kind = EDN_LOOKUP_ACCOUNT;
    CHECK_OK(decode_patched(k, &m, 49, 1));
    CHECK_STATUS(decode_patched(k, &m, 1, 0), EDN_E_FORMAT);
    CHECK_STATUS(decode_patched(k, &m, 1, 3), EDN_E_FORMAT);
}

static void only_a_put_names_an_inbox(void **state)
{
    const kind *k = kind_named("inbox");
    edn_msg_inbox m;

    (void)state;
    memset(&m, 0, sizeof m);
    for (m.kind = EDN_INBOX_GET; m.kind <= EDN_INBOX_DROP; m.kind++) {
        CHECK_OK(decode_patched(k, &m, 42, 1));                              /* number */
        CHECK_STATUS(decode_patched(k, &m, 2, 1), EDN_E_FORMAT);             /* whose */
        CHECK_STATUS(decode_patched(k, &m, 34, 1), EDN_E_FORMAT);            /* witness */
        CHECK_STATUS(decode_patched(k, &m, 1, EDN_INBOX_PUT), EDN_E_FORMAT); /* without a message */
        CHECK_STATUS(decode_patched(k, &m, 1, 4), EDN_E_FORMAT);
        CHECK_STATUS(decode_patched(k, &m, 1, 0), EDN_E_FORMAT);
    }
    m.kind = EDN_INBOX_PUT;
    m.message = edn_bytes_str("sealed");
    CHECK_OK(decode_patched(k, &m, 2, 1));
    CHECK_OK(decode_patched(k, &m, 34, 1));
    CHECK_STATUS(decode_patched(k, &m, 42, 1), EDN_E_FORMAT);
    CHECK_STATUS(decode_patched(k, &m, 1, EDN_INBOX_GET), EDN_E_FORMAT); /* with one */
}

static void only_who_asks_for_shares_names_a_key_and_only_a_give_has_bytes(void **state)
{
    const kind *k = kind_named("share_ask");
    edn_msg_share_ask m;

    (void)state;
    memset(&m, 0, sizeof m);
    m.kind = EDN_SHARES_LOOK;
    CHECK_OK(decode_patched(k, &m, 2, 1));                    /* whose */
    CHECK_OK(decode_patched(k, &m, 34, 1));                   /* set */
    CHECK_STATUS(decode_patched(k, &m, 50, 1), EDN_E_FORMAT); /* key */
    CHECK_STATUS(decode_patched(k, &m, 1, EDN_SHARES_GIVE), EDN_E_FORMAT);
    CHECK_STATUS(decode_patched(k, &m, 1, 4), EDN_E_FORMAT);
    CHECK_STATUS(decode_patched(k, &m, 1, 0), EDN_E_FORMAT);
    m.kind = EDN_SHARES_WANT;
    CHECK_OK(decode_patched(k, &m, 50, 1));
    m.kind = EDN_SHARES_GIVE;
    m.give = edn_bytes_str("sealed");
    CHECK_OK(decode_patched(k, &m, 50, 1));
    CHECK_STATUS(decode_patched(k, &m, 1, EDN_SHARES_WANT), EDN_E_FORMAT);
}

static void letters_come_in_order(void **state)
{
    const kind *k = kind_named("letters");
    edn_msg_letter two[2] = {{4, edn_bytes_str("a")}, {5, edn_bytes_str("b")}};
    edn_msg_letters m = {two, 2};

    (void)state;
    CHECK_OK(decode_patched(k, &m, 18, 6));
    CHECK_STATUS(decode_patched(k, &m, 18, 4), EDN_E_FORMAT);
    CHECK_STATUS(decode_patched(k, &m, 18, 3), EDN_E_FORMAT);
}

static void unknown_flags_are_refused(void **state)
{
    edn_msg_pushed m;
    edn_msg_found found = {.flags = 0};

    (void)state;
    memset(&m, 0, sizeof m);
    CHECK_OK(decode_patched(kind_named("pushed"), &m, 1, EDN_PUSHED_EXPECTED));
    CHECK_STATUS(decode_patched(kind_named("pushed"), &m, 1, 2), EDN_E_FORMAT);
    CHECK_STATUS(decode_patched(kind_named("pushed"), &m, 1, 0x80), EDN_E_FORMAT);
    CHECK_OK(decode_patched(kind_named("found"), &found, 1, EDN_FOUND_MORE));
    CHECK_STATUS(decode_patched(kind_named("found"), &found, 1, 2), EDN_E_FORMAT);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static edn_status put_status(const kind *k, const void *m)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st;

    k->put(&b, m);
    st = edn_buf_status(&b);
    if (st == EDN_OK) {
        edn_arena a = edn_arena_init(1 << 26);
        CHECK_OK(decode_and_compare(k, &a, edn_buf_view(&b)));
        edn_arena_dispose(&a);
    }
    edn_buf_dispose(&b);
    return st;
}

static void an_item_is_taken_at_its_limit_and_not_past_it(void **state)
{
    static uint8_t zeros[EDN_BATCH_SIZE_MAX + 1];
    edn_bytes item = edn_bytes_of(zeros, 0);
    edn_msg_server_info info = {.origin = item};
    edn_msg_token token = {.token = item};
    edn_msg_boxes boxes = {&item, 1};
    edn_msg_push push = {.batches = &item, .batches_n = 1};
    edn_msg_log_append append = {.links = &item, .links_n = 1};
    edn_msg_found found = {.links = &item, .links_n = 1};
    edn_msg_inbox inbox = {.kind = EDN_INBOX_PUT};
    edn_msg_letter letter = {.number = 1};
    edn_msg_letters letters = {&letter, 1};
    edn_msg_share_ask ask = {.kind = EDN_SHARES_GIVE};
    edn_msg_shares shares = {.state = EDN_HELD_WAITING, .gives = &item, .gives_n = 1};
    struct {
        const char *name;
        const void *m;
        edn_bytes *item;
        size_t min, max;
    } limits[] = {
        {"server_info", &info, &info.origin, 1, EDN_ORIGIN_SIZE_MAX},
        {"token", &token, &token.token, 1, EDN_TOKEN_SIZE_MAX},
        {"boxes", &boxes, &item, 0, EDN_BOX_SIZE_MAX},
        {"push", &push, &item, EDN_BATCH_SIZE_MIN, EDN_BATCH_SIZE_MAX},
        {"log_append", &append, &item, EDN_MSG_LINK_SIZE_MIN, EDN_MSG_LINK_SIZE_MAX},
        {"found", &found, &item, EDN_MSG_LINK_SIZE_MIN, EDN_MSG_LINK_SIZE_MAX},
        {"letters", &letters, &letter.message, 1, EDN_INBOX_LETTER_SIZE_MAX},
        {"shares", &shares, &item, 1, EDN_SHARE_GIVE_SIZE_MAX},
        {"inbox", &inbox, &inbox.message, 1, EDN_INBOX_LETTER_SIZE_MAX},
        {"share_ask", &ask, &ask.give, 1, EDN_SHARE_GIVE_SIZE_MAX},
    };

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(limits); i++) {
        const kind *k = kind_named(limits[i].name);
        *limits[i].item = edn_bytes_of(zeros, limits[i].min);
        CHECK_OK(put_status(k, limits[i].m));
        limits[i].item->n = limits[i].max;
        CHECK_OK(put_status(k, limits[i].m));
        limits[i].item->n = limits[i].max + 1;
        CHECK_STATUS(put_status(k, limits[i].m), EDN_E_LIMIT);
        if (limits[i].min > 0 && limits[i].m != &inbox &&
            limits[i].m != &ask) { /* a put without a message is our own mistake */
            limits[i].item->n = limits[i].min - 1;
            CHECK_STATUS(put_status(k, limits[i].m), EDN_E_LIMIT);
        }
    }
}

static void a_list_is_taken_at_its_limit_and_not_past_it(void **state)
{
    static edn_bytes boxes[EDN_BOXES_MAX + 1];
    static edn_hash hashes[EDN_BOXES_MAX + 1];
    static edn_head heads[EDN_HEADS_MAX + 1];
    edn_msg_boxes b = {boxes, EDN_BOXES_MAX};
    edn_msg_box_ask ask = {hashes, EDN_BOXES_MAX};
    edn_msg_pull pull = {.heads = heads, .heads_n = EDN_HEADS_MAX};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(heads); i++) {
        heads[i].device.b[0] = (uint8_t)(i >> 8);
        heads[i].device.b[1] = (uint8_t)i;
        heads[i].dseq = 1;
    }
    CHECK_OK(put_status(kind_named("boxes"), &b));
    CHECK_OK(put_status(kind_named("box_ask"), &ask));
    CHECK_OK(put_status(kind_named("pull"), &pull));
    b.n = ask.n = EDN_BOXES_MAX + 1;
    pull.heads_n = EDN_HEADS_MAX + 1;
    CHECK_STATUS(put_status(kind_named("boxes"), &b), EDN_E_LIMIT);
    CHECK_STATUS(put_status(kind_named("box_ask"), &ask), EDN_E_LIMIT);
    CHECK_STATUS(put_status(kind_named("pull"), &pull), EDN_E_LIMIT);
}

static void an_inbox_is_taken_at_its_limit_and_not_past_it(void **state)
{
    edn_msg_letter letters[EDN_INBOX_LETTERS_MAX + 1];
    edn_msg_letters m = {letters, EDN_INBOX_LETTERS_MAX};
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_letters out;

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(letters); i++)
        letters[i] = (edn_msg_letter){i, edn_bytes_str("x")};
    CHECK_OK(put_status(kind_named("letters"), &m));
    m.n++;
    CHECK_STATUS(put_status(kind_named("letters"), &m), EDN_E_LIMIT);
    edn_put_u8(&b, EDN_PROTOCOL_VERSION); /* by somebody who puts them all the same */
    edn_put_u32(&b, EDN_COUNT(letters));
    for (size_t i = 0; i < EDN_COUNT(letters); i++) {
        edn_put_u64(&b, i);
        edn_put_lp(&b, edn_bytes_str("x"));
    }
    CHECK_STATUS(edn_letters_decode(&a, edn_buf_view(&b), &out), EDN_E_FORMAT);
    edn_store_u32(b.p + 1, EDN_COUNT(letters) - 1);
    CHECK_OK(edn_letters_decode(&a, edn_bytes_of(b.p, b.n - 13), &out));
    edn_arena_dispose(&a);
    edn_buf_dispose(&b);
}

static void a_whole_body_is_taken_at_its_limit_and_not_past_it(void **state)
{
    static uint8_t zeros[EDN_BATCH_SIZE_MAX];
    edn_bytes items[2] = {edn_bytes_of(zeros, EDN_BATCH_SIZE_MAX), edn_bytes_of(zeros, 0)};
    edn_msg_push m = {.batches = items, .batches_n = 2};

    (void)state;
    items[1].n = EDN_PUSH_SIZE_MAX - EDN_BATCH_SIZE_MAX - (1 + EDN_ETAG_SIZE + 4 + 4 + 4);
    CHECK_OK(put_status(kind_named("push"), &m));
    items[1].n++;
    CHECK_STATUS(put_status(kind_named("push"), &m), EDN_E_LIMIT);
}

/* What put refuses to make is written by hand here: limits hold against those who have another put. `before` zero
 * bytes, then a list of `n` items of `size`, then `after` zero bytes. */
static edn_status decode_list(const char *name, size_t before, uint32_t n, uint32_t size, size_t after)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_arena a = edn_arena_init(1 << 26);
    any_message m;
    edn_status st;

    edn_put_u8(&b, EDN_PROTOCOL_VERSION);
    edn_put_zeros(&b, before);
    edn_put_u32(&b, n);
    for (uint32_t i = 0; i < n; i++) {
        edn_put_u32(&b, size);
        edn_put_zeros(&b, size);
    }
    edn_put_zeros(&b, after);
    st = kind_named(name)->decode(&a, edn_buf_view(&b), &m);
    edn_buf_dispose(&b);
    edn_arena_dispose(&a);
    return st;
}

static edn_status decode_pull(uint32_t heads_n)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_pull m;
    edn_status st;

    edn_put_u8(&b, EDN_PROTOCOL_VERSION);
    edn_put_zeros(&b, 32 + 8 + EDN_PROBE_SIZE);
    edn_put_u32(&b, heads_n);
    for (uint32_t i = 0; i < heads_n; i++) {
        edn_put_u8(&b, (uint8_t)(i >> 8));
        edn_put_u8(&b, (uint8_t)i);
        edn_put_zeros(&b, 14);
        edn_put_u64(&b, 1);
        edn_put_zeros(&b, 32);
    }
    st = edn_pull_decode(&a, edn_buf_view(&b), &m);
    edn_buf_dispose(&b);
    edn_arena_dispose(&a);
    return st;
}

static void limits_hold_against_other_encoders(void **state)
{
    (void)state;
    CHECK_OK(decode_pull(EDN_HEADS_MAX));
    CHECK_STATUS(decode_pull(EDN_HEADS_MAX + 1), EDN_E_FORMAT);
    CHECK_OK(decode_list("boxes", 0, EDN_BOXES_MAX, 0, 0));
    CHECK_STATUS(decode_list("boxes", 0, EDN_BOXES_MAX + 1, 0, 0), EDN_E_FORMAT);
    CHECK_OK(decode_list("log_append", 0, 2, EDN_MSG_LINK_SIZE_MIN, 4));
    CHECK_STATUS(decode_list("log_append", 0, 2, EDN_MSG_LINK_SIZE_MIN - 1, 4), EDN_E_FORMAT);
    CHECK_OK(decode_list("log_append", 0, 1, EDN_MSG_LINK_SIZE_MAX, 4));
    CHECK_STATUS(decode_list("log_append", 0, 1, EDN_MSG_LINK_SIZE_MAX + 1, 4), EDN_E_FORMAT);
    /* Seven boxes of a mebibyte fit the body of an answer, eight do not. */
    CHECK_OK(decode_list("boxes", 0, 7, EDN_BOX_SIZE_MAX, 0));
    CHECK_STATUS(decode_list("boxes", 0, 8, EDN_BOX_SIZE_MAX, 0), EDN_E_FORMAT);
    CHECK_OK(decode_list("push", EDN_ETAG_SIZE, 2, EDN_PUSH_SIZE_MAX / 2 - 20, 0));
    CHECK_STATUS(decode_list("push", EDN_ETAG_SIZE, 2, EDN_PUSH_SIZE_MAX / 2, 0), EDN_E_FORMAT);
}

/* A count that promises more than follows takes no memory: the arena is too small for what it promises. */
static void a_lie_about_a_count_costs_no_memory(void **state)
{
    static const char *const names[] = {"boxes", "box_ask", "log_append"};
    edn_arena a = edn_arena_init(0);
    uint8_t bytes[5] = {1, 0xff, 0, 0, 0};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(names); i++) {
        any_message m;
        CHECK_STATUS(kind_named(names[i])->decode(&a, edn_bytes_of(bytes, sizeof bytes), &m), EDN_E_FORMAT);
    }
    CHECK(a.head == NULL);
    edn_arena_dispose(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_comes_back_as_it_went),
        cmocka_unit_test(a_message_cut_or_with_a_byte_more_is_refused),
        cmocka_unit_test(a_changed_byte_is_refused_or_is_another_message),
        cmocka_unit_test(a_passphrase_challenge_names_no_account),
        cmocka_unit_test(a_passphrase_login_names_no_device),
        cmocka_unit_test(a_lookup_by_name_bears_no_witness),
        cmocka_unit_test(only_a_put_names_an_inbox),
        cmocka_unit_test(only_who_asks_for_shares_names_a_key_and_only_a_give_has_bytes),
        cmocka_unit_test(letters_come_in_order),
        cmocka_unit_test(unknown_flags_are_refused),
        cmocka_unit_test(an_item_is_taken_at_its_limit_and_not_past_it),
        cmocka_unit_test(a_list_is_taken_at_its_limit_and_not_past_it),
        cmocka_unit_test(an_inbox_is_taken_at_its_limit_and_not_past_it),
        cmocka_unit_test(a_whole_body_is_taken_at_its_limit_and_not_past_it),
        cmocka_unit_test(limits_hold_against_other_encoders),
        cmocka_unit_test(a_lie_about_a_count_costs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
