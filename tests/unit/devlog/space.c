/* Space logs: what differs from device logs, each rule broken once. */
#include "links.h"

enum { OWNER, OWNER_DEVICE, WRITER, READER, WRITER_DEVICE, WRITER_DEVICE_2, PEOPLE };

/* A log in which links_device i is person i of above:
 *
 *     AIK ─▶ OWNER (15) ─▶ OWNER_DEVICE (7) ─▶ WRITER (11) ─▶ WRITER_DEVICE, WRITER_DEVICE_2 (3)
 *                                           └▶ READER (9) */
typedef struct space {
    links l;
} space;

static links_device *device(space *s, size_t i) { return &s->l.devices[i]; }

static edn_status append(space *s, const link_draft *d)
{
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st;

    links_put(&link, d);
    st = edn_devlog_append(s->l.log, edn_buf_view(&link));
    edn_buf_dispose(&link);
    return st;
}

static void sign(link_draft *d, const links_device *by)
{
    d->signer = by->id;
    d->sk = by->sk;
}

/* Adds a key with these rights; on success it is the log's next. */
static edn_status add_by(space *s, edn_link_signer signer, uint32_t caps)
{
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_hash grants = {{1}};
    edn_signature pop;
    links_device d;
    edn_status st;

    links_new_device(&s->l, &d);
    d.cert.caps = caps;
    edn_link_pop(&pop, s->l.log, &signer, &s->l.aik, &d.cert, &d.sk);
    CHECK_OK(edn_link_add_device(&link, s->l.log, &signer, &d.cert, &grants, &pop));
    if ((st = edn_devlog_append(s->l.log, edn_buf_view(&link))) == EDN_OK)
        s->l.devices[s->l.devices_n++] = d;
    edn_buf_dispose(&link);
    return st;
}

/* Let in by device `by`. */
static edn_status add(space *s, size_t by, uint32_t caps)
{
    return add_by(s, (edn_link_signer){&device(s, by)->id, &device(s, by)->sk, 1}, caps);
}

/* Takes out these keys. */
static edn_status take_out(space *s, size_t by, const size_t *who, size_t n)
{
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_link_signer signer = {&device(s, by)->id, &device(s, by)->sk, 1};
    edn_device_id ids[4];
    edn_rotation r = {.revoked = ids, .revoked_n = n, .epoch = edn_devlog_epoch(s->l.log) + 1};
    edn_status st;

    for (size_t i = 0; i < n; i++)
        ids[i] = device(s, who[i])->id;
    r.aek = edn_devlog_aek(s->l.log);
    CHECK_OK(edn_link_revoke_rotate(&link, s->l.log, &signer, &r));
    st = edn_devlog_append(s->l.log, edn_buf_view(&link));
    edn_buf_dispose(&link);
    return st;
}

static void space_init(space *s)
{
    static const struct {
        size_t by;
        uint32_t caps;
    } people[PEOPLE] = {{0, 0}, {OWNER, 7}, {OWNER_DEVICE, 11}, {OWNER_DEVICE, 9}, {WRITER, 3}, {WRITER, 3}};

    memset(s, 0, sizeof *s);
    links_init_space(&s->l, check_seed());
    for (size_t i = 1; i < PEOPLE; i++)
        CHECK_OK(add(s, people[i].by, people[i].caps));
}

static void space_dispose(space *s) { links_dispose(&s->l); }

/* ---- the kind ---------------------------------------------------------------------------------------------------- */

static void a_role_is_its_rights(void **state)
{
    (void)state;
    CHECK_INT(edn_role_caps(EDN_ROLE_OWNER), 15);
    CHECK_INT(edn_role_caps(EDN_ROLE_WRITE), 11);
    CHECK_INT(edn_role_caps(EDN_ROLE_READ), 9);
    CHECK_INT(edn_role_caps((edn_role)0), 0);
    CHECK_INT(edn_role_caps((edn_role)4), 0);
}

static void its_first_link_says_that_it_is_one(void **state)
{
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_hash grants = {{1}};
    edn_dh_pk aek = {{9}};
    edn_link_info info;
    edn_devlog *log;
    links l;

    (void)state;
    links_init(&l, check_seed()); /* for keys */
    CHECK(!edn_devlog_is_space(l.log));
    CHECK_OK(edn_link_peek(links_at(&l, 0), &info));
    CHECK(!info.space);
    l.devices[0].cert.caps = 15;
    CHECK_OK(edn_link_space_genesis(&link, &l.aik, &l.aik_sk, 1, &l.devices[0].cert, &aek, &grants, &l.devices[0].sk));
    CHECK_OK(edn_link_peek(edn_buf_view(&link), &info));
    CHECK(info.space);
    CHECK_OK(edn_devlog_new(&log));
    CHECK(!edn_devlog_is_space(log));
    CHECK_OK(edn_devlog_append(log, edn_buf_view(&link)));
    CHECK(edn_devlog_is_space(log));
    edn_devlog_free(log);
    edn_buf_dispose(&link);
    links_dispose(&l);
}

static void a_link_of_the_other_kind_never_follows(void **state)
{
    space s;
    links plain;
    link_draft d;

    (void)state;
    space_init(&s);
    links_init(&plain, check_seed());
    links_draft(&s.l, &d, EDN_LINK_SET_POLICY);
    memcpy(d.magic, "EDNL", 4);
    CHECK_STATUS(append(&s, &d), EDN_E_FORMAT);
    d.label = EDN_LABEL_SIG_LINK;
    CHECK_STATUS(append(&s, &d), EDN_E_FORMAT);
    memcpy(d.magic, "EDNS", 4);
    CHECK_STATUS(append(&s, &d), EDN_E_SIG); /* signed as one of a device log */
    memcpy(d.magic, "EDNX", 4);
    d.label = EDN_LABEL_SIG_SPACE;
    CHECK_STATUS(append(&s, &d), EDN_E_FORMAT);
    memcpy(d.magic, "EDNS", 4);
    CHECK_OK(append(&s, &d));
    edn_buf_dispose(&d.body);

    links_draft(&plain, &d, EDN_LINK_SET_POLICY);
    memcpy(d.magic, "EDNS", 4);
    d.label = EDN_LABEL_SIG_SPACE;
    {
        edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        links_put(&link, &d);
        CHECK_STATUS(edn_devlog_append(plain.log, edn_buf_view(&link)), EDN_E_FORMAT);
        edn_buf_dispose(&link);
    }
    edn_buf_dispose(&d.body);
    links_dispose(&plain);
    space_dispose(&s);
}

static void nobody_signs_in_to_it_or_recovers_it(void **state)
{
    static const edn_link_type types[] = {EDN_LINK_SET_KDF, EDN_LINK_SET_RECOVERY};
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_hash boxes[EDN_LINK_BOXES_MAX];
    edn_link_info info;
    edn_recovery_set set;
    link_draft d;
    size_t n;
    space s;

    (void)state;
    space_init(&s);
    for (size_t i = 0; i < EDN_COUNT(types); i++) {
        links_draft(&s.l, &d, types[i]);
        CHECK_STATUS(append(&s, &d), EDN_E_TYPE);
        edn_buf_reset(&link);
        links_put(&link, &d);
        CHECK_STATUS(edn_link_peek(edn_buf_view(&link), &info), EDN_E_TYPE);
        CHECK_STATUS(edn_link_boxes(edn_buf_view(&link), boxes, &n), EDN_E_TYPE);
        CHECK_STATUS(edn_link_recovery(edn_buf_view(&link), &set), EDN_E_TYPE);
        edn_buf_dispose(&d.body);
    }
    edn_buf_dispose(&link);
    space_dispose(&s);
}

static void member_is_a_right_of_space_logs_alone(void **state)
{
    space s;
    link_draft d;
    links plain;
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    (void)state;
    space_init(&s);
    CHECK_OK(add(&s, OWNER, 15));
    CHECK_STATUS(add(&s, OWNER, 16), EDN_E_FORMAT);
    CHECK_STATUS(add(&s, OWNER, 31), EDN_E_FORMAT);
    links_init(&plain, check_seed());
    links_draft(&plain, &d, EDN_LINK_ADD_DEVICE);
    edn_store_u32(d.body.p + 64, 8);
    links_put(&link, &d);
    CHECK_STATUS(edn_devlog_append(plain.log, edn_buf_view(&link)), EDN_E_FORMAT);
    edn_buf_dispose(&link);
    edn_buf_dispose(&d.body);
    links_dispose(&plain);
    space_dispose(&s);
}

static void a_space_has_a_hundred_and_twenty_eight_active_keys(void **state)
{
    space s;
    size_t gone = READER;

    (void)state;
    space_init(&s);
    while (s.l.devices_n < EDN_SPACE_KEYS_MAX)
        CHECK_OK(add(&s, s.l.devices_n & 1 ? OWNER : WRITER, 3));
    CHECK_STATUS(add(&s, OWNER, 3), EDN_E_LIMIT);
    CHECK_STATUS(add(&s, WRITER, 3), EDN_E_LIMIT);
    CHECK_OK(take_out(&s, OWNER, &gone, 1));
    CHECK_OK(add(&s, WRITER, 3));
    CHECK_STATUS(add(&s, WRITER, 3), EDN_E_LIMIT);
    space_dispose(&s);
}

/* All keys but one, by one link, as it is built. */
static void all_of_a_full_space_are_taken_out_at_once(void **state)
{
    edn_device_id ids[EDN_SPACE_KEYS_MAX + 1];
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_signer by;
    edn_rotation r = {.revoked = ids, .epoch = 1};
    links plain;
    space s;

    (void)state;
    space_init(&s);
    while (s.l.devices_n < EDN_SPACE_KEYS_MAX)
        CHECK_OK(add(&s, OWNER, 3));
    for (size_t i = 0; i < EDN_SPACE_KEYS_MAX; i++)
        ids[i] = device(&s, i)->id;
    r.aek = edn_devlog_aek(s.l.log);
    by = (edn_link_signer){&device(&s, OWNER)->id, &device(&s, OWNER)->sk, 1};
    r.revoked_n = EDN_SPACE_KEYS_MAX + 1;
    CHECK_STATUS(edn_link_revoke_rotate(&link, s.l.log, &by, &r), EDN_E_LIMIT);
    r.revoked_n = EDN_SPACE_KEYS_MAX;
    CHECK_OK(edn_link_revoke_rotate(&link, s.l.log, &by, &r));
    CHECK_OK(edn_devlog_append(s.l.log, edn_buf_view(&link)));
    for (size_t i = 0; i < EDN_SPACE_KEYS_MAX; i++)
        CHECK(!edn_device_active(edn_devlog_device(s.l.log, i)));

    links_init(&plain, check_seed());
    r.revoked_n = EDN_DEVICES_MAX + 1;
    CHECK_STATUS(edn_link_revoke_rotate(&link, plain.log, &by, &r), EDN_E_LIMIT);
    links_dispose(&plain);
    edn_buf_dispose(&link);
    space_dispose(&s);
}

/* ---- what a member key may --------------------------------------------------------------------------------------- */

static void a_member_key_gives_no_right_that_it_has_not(void **state)
{
    (void)state;
    for (uint32_t caps = 0; caps < 16; caps++) {
        space s;
        space_init(&s);
        CHECK_STATUS(add(&s, WRITER, caps), caps & 4 ? EDN_E_CAP : EDN_OK);
        CHECK_STATUS(add(&s, READER, caps), caps & 6 ? EDN_E_CAP : EDN_OK);
        CHECK_STATUS(add(&s, OWNER, caps), EDN_OK);
        CHECK_STATUS(add(&s, OWNER_DEVICE, caps), EDN_OK); /* it has admin, as in a device log */
        CHECK_STATUS(add(&s, WRITER_DEVICE, caps), EDN_E_CAP);
        space_dispose(&s);
    }
}

static void a_member_key_takes_out_whom_it_let_in(void **state)
{
    static const size_t others[] = {OWNER, OWNER_DEVICE, READER};
    static const size_t devices[] = {WRITER_DEVICE, WRITER_DEVICE_2}, with_reader[] = {WRITER_DEVICE, READER};
    size_t self = WRITER, one = WRITER_DEVICE;
    space s;

    (void)state;
    space_init(&s);
    for (size_t i = 0; i < EDN_COUNT(others); i++)
        CHECK_STATUS(take_out(&s, WRITER, &others[i], 1), EDN_E_CAP);
    CHECK_STATUS(take_out(&s, WRITER, with_reader, 2), EDN_E_CAP);
    CHECK_STATUS(take_out(&s, READER, &one, 1), EDN_E_CAP);
    CHECK_STATUS(take_out(&s, WRITER_DEVICE, &one, 1), EDN_E_CAP); /* no member key: not even itself */
    CHECK_OK(take_out(&s, WRITER, NULL, 0));
    CHECK_OK(take_out(&s, WRITER, devices, 2));
    CHECK_STATUS(take_out(&s, WRITER, &one, 1), EDN_E_DEVICE_UNKNOWN); /* gone already */
    CHECK_OK(take_out(&s, WRITER, &self, 1));
    CHECK_STATUS(add(&s, WRITER, 3), EDN_E_SIGNER_REVOKED);
    space_dispose(&s);
}

/* A person changes their member key: the new one is let in by the old one, which then takes out what is not to stay. So
 * it goes on: whoever is left of the person's devices goes by a key that came after theirs. */
static void a_member_key_follows_another(void **state)
{
    enum { NEXT = PEOPLE, NEXT_DEVICE, THIRD };
    static const size_t gone[] = {WRITER_DEVICE, WRITER}, then[] = {WRITER_DEVICE_2, NEXT};
    static const size_t others[] = {OWNER, OWNER_DEVICE, READER};
    size_t next_device = NEXT_DEVICE, third = THIRD;
    const edn_device *m;
    space s;

    (void)state;
    space_init(&s);
    CHECK_OK(add(&s, WRITER, 11));
    CHECK_OK(add(&s, NEXT, 3));
    CHECK_OK(take_out(&s, WRITER, gone, 2));
    m = edn_devlog_membership(s.l.log, &device(&s, NEXT_DEVICE)->id);
    CHECK(m && memcmp(&m->id, &device(&s, WRITER)->id, sizeof m->id) == 0 && !edn_device_active(m));
    for (size_t i = 0; i < EDN_COUNT(others); i++)
        CHECK_STATUS(take_out(&s, NEXT, &others[i], 1), EDN_E_CAP);
    CHECK_OK(add(&s, NEXT, 11));
    CHECK_OK(take_out(&s, NEXT, then, 2)); /* a device that the first key let in, and itself */
    CHECK_OK(take_out(&s, THIRD, &next_device, 1));
    CHECK_OK(take_out(&s, THIRD, &third, 1));
    space_dispose(&s);
}

/* Whom the space's own key let in came in by nobody, however late. */
static void a_member_key_takes_out_nobody_of_the_spaces_own(void **state)
{
    size_t late = PEOPLE;
    space s;

    (void)state;
    space_init(&s);
    CHECK_OK(add_by(&s, (edn_link_signer){NULL, &s.l.aik_sk, 1}, 3));
    CHECK_STATUS(take_out(&s, WRITER, &late, 1), EDN_E_CAP);
    CHECK_OK(take_out(&s, OWNER, &late, 1));
    space_dispose(&s);
}

/* Two generations down, by the key at the top. */
static void a_member_key_takes_out_whom_its_own_let_in(void **state)
{
    enum { NEXT = PEOPLE, NEXT_DEVICE };
    static const size_t down[] = {NEXT_DEVICE, NEXT};
    space s;

    (void)state;
    space_init(&s);
    CHECK_OK(add(&s, WRITER, 11));
    CHECK_OK(add(&s, NEXT, 3));
    CHECK_OK(take_out(&s, WRITER, down, 2));
    space_dispose(&s);
}

static void a_member_key_makes_no_policy(void **state)
{
    space s;
    link_draft d;

    (void)state;
    space_init(&s);
    links_draft(&s.l, &d, EDN_LINK_SET_POLICY);
    sign(&d, device(&s, WRITER));
    CHECK_STATUS(append(&s, &d), EDN_E_CAP);
    sign(&d, device(&s, OWNER));
    CHECK_OK(append(&s, &d));
    edn_buf_dispose(&d.body);
    links_draft(&s.l, &d, EDN_LINK_ROTATE_AIK);
    sign(&d, device(&s, OWNER));
    CHECK_STATUS(append(&s, &d), EDN_E_CAP);
    edn_buf_dispose(&d.body);
    links_draft(&s.l, &d, EDN_LINK_CHECKPOINT);
    sign(&d, device(&s, READER));
    CHECK_OK(append(&s, &d));
    edn_buf_dispose(&d.body);
    space_dispose(&s);
}

/* The form of a body comes before what its signer may give; the keys that it brings come after. */
static void the_right_to_give_is_asked_between_form_and_keys(void **state)
{
    space s;
    link_draft d;

    (void)state;
    space_init(&s);
    links_draft(&s.l, &d, EDN_LINK_ADD_DEVICE);
    sign(&d, device(&s, READER));
    memset(d.body.p, 0, 32); /* no key */
    edn_store_u32(d.body.p + 64, 3);
    CHECK_STATUS(append(&s, &d), EDN_E_CAP);
    edn_store_u32(d.body.p + 64, 1);
    CHECK_STATUS(append(&s, &d), EDN_E_KEY_INVALID);
    edn_store_u32(d.body.p + 64, 3);
    edn_put_u8(&d.body, 0);
    CHECK_STATUS(append(&s, &d), EDN_E_FORMAT);
    edn_buf_dispose(&d.body);
    space_dispose(&s);
}

static void member_keys_write_nothing(void **state)
{
    static const bool writes[PEOPLE] = {[OWNER_DEVICE] = true, [WRITER_DEVICE] = true, [WRITER_DEVICE_2] = true};
    space s;

    (void)state;
    space_init(&s);
    for (size_t i = 0; i < PEOPLE; i++)
        CHECK_INT(edn_cert_writes(&edn_devlog_device(s.l.log, i)->cert), writes[i]);
    CHECK_OK(add(&s, READER, 1));
    CHECK(!edn_cert_writes(&edn_devlog_device(s.l.log, PEOPLE)->cert));
    space_dispose(&s);
}

/* ---- memberships ------------------------------------------------------------------------------------------------- */

static void check_membership(const space *s, size_t who, size_t want)
{
    const edn_device *m = edn_devlog_membership(s->l.log, &s->l.devices[who].id);

    CHECK(m);
    CHECK(m == edn_devlog_device(s->l.log, want));
}

static void a_membership_is_found_from_below(void **state)
{
    static const size_t want[PEOPLE] = {OWNER, OWNER, WRITER, READER, WRITER, WRITER};
    edn_device_id nobody = {{1}};
    size_t gone = WRITER;
    links plain;
    space s;

    (void)state;
    space_init(&s);
    for (size_t i = 0; i < PEOPLE; i++)
        check_membership(&s, i, want[i]);
    CHECK_OK(add(&s, OWNER, 15)); /* let in by a key with admin: a membership of its own */
    CHECK_OK(add(&s, PEOPLE, 7));
    CHECK_OK(add(&s, WRITER, 9)); /* by one without: the old one's */
    CHECK_OK(add(&s, PEOPLE + 2, 1));
    check_membership(&s, PEOPLE, PEOPLE);
    check_membership(&s, PEOPLE + 1, PEOPLE);
    check_membership(&s, PEOPLE + 2, WRITER);
    check_membership(&s, PEOPLE + 3, WRITER);
    CHECK_OK(take_out(&s, OWNER, &gone, 1)); /* the dead are named too */
    check_membership(&s, WRITER_DEVICE, WRITER);
    CHECK(!edn_devlog_membership(s.l.log, &nobody));
    space_dispose(&s);

    links_init(&plain, check_seed());
    links_step(&plain, EDN_LINK_ADD_DEVICE);
    for (size_t i = 0; i < 2; i++)
        CHECK(!edn_devlog_membership(plain.log, &plain.devices[i].id));
    links_dispose(&plain);
}

/* A device that the AIK let in directly belongs to nobody. */
static void a_key_without_a_member_key_above_has_none(void **state)
{
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_link_signer aik;
    edn_hash grants = {{1}};
    edn_signature pop;
    links_device d;
    space s;

    (void)state;
    space_init(&s);
    aik = (edn_link_signer){NULL, &s.l.aik_sk, 1};
    links_new_device(&s.l, &d);
    d.cert.caps = 7;
    edn_link_pop(&pop, s.l.log, &aik, &s.l.aik, &d.cert, &d.sk);
    CHECK_OK(edn_link_add_device(&link, s.l.log, &aik, &d.cert, &grants, &pop));
    CHECK_OK(edn_devlog_append(s.l.log, edn_buf_view(&link)));
    CHECK(!edn_devlog_membership(s.l.log, &d.id));
    edn_buf_dispose(&link);
    space_dispose(&s);
}

/* ---- at random --------------------------------------------------------------------------------------------------- */

static void trusted_links_and_images_give_the_same_log(void **state)
{
    edn_buf a = EDN_BUF_INIT(EDN_BUF_UNLIMITED), b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *log, *back;
    links l;

    (void)state;
    links_init_space(&l, check_seed());
    for (size_t i = 0; i < 150; i++)
        links_step(&l, (edn_link_type)0);
    CHECK_OK(edn_devlog_new(&log));
    for (size_t i = 0; i < l.n; i++)
        CHECK_OK(edn_devlog_append_trusted(log, links_at(&l, i)));
    edn_devlog_image_put(&a, l.log);
    edn_devlog_image_put(&b, log);
    CHECK_BYTES(edn_buf_view(&a), edn_buf_view(&b));
    CHECK_OK(edn_devlog_image_read(edn_buf_view(&a), &back));
    CHECK(edn_devlog_is_space(back));
    for (size_t i = 0; i < l.devices_n; i++) {
        const edn_device *x = edn_devlog_membership(l.log, &l.devices[i].id);
        const edn_device *y = edn_devlog_membership(back, &l.devices[i].id);
        CHECK(x ? y && memcmp(&x->id, &y->id, sizeof x->id) == 0 : !y);
    }
    edn_devlog_free(back);
    edn_devlog_free(log);
    edn_buf_dispose(&a);
    edn_buf_dispose(&b);
    links_dispose(&l);
}

static void a_refused_link_changes_nothing(void **state)
{
    edn_buf before = EDN_BUF_INIT(EDN_BUF_UNLIMITED), after = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_buf broken = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *other;
    size_t refused = 0;
    links l;

    (void)state;
    links_init_space(&l, check_seed());
    for (unsigned i = 0; i < 300; i++) {
        edn_buf_reset(&broken);
        links_broken(&l, i % LINKS_BREAKS, &broken);
        CHECK_OK(edn_devlog_copy(l.log, &other));
        edn_buf_reset(&before);
        edn_devlog_image_put(&before, other);
        if (edn_devlog_append(other, edn_buf_view(&broken)) != EDN_OK) {
            edn_buf_reset(&after);
            edn_devlog_image_put(&after, other);
            CHECK_BYTES(edn_buf_view(&before), edn_buf_view(&after));
            refused++;
        }
        edn_devlog_free(other);
        if (i % 10 == 0)
            links_step(&l, (edn_link_type)0);
    }
    CHECK(refused > 200);
    edn_buf_dispose(&broken);
    edn_buf_dispose(&before);
    edn_buf_dispose(&after);
    links_dispose(&l);
}

/* An image in which somebody came in by somebody behind them would send a walk up in circles. */
static void an_image_with_a_circle_is_refused(void **state)
{
    edn_buf image = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *log;
    const edn_device_id *id;
    size_t parent = 0;
    space s;

    (void)state;
    space_init(&s);
    edn_devlog_image_put(&image, s.l.log);
    id = &edn_devlog_device(s.l.log, OWNER_DEVICE)->id;
    while (memcmp(image.p + parent, id->b, sizeof id->b) != 0) /* its row stands before all that name it */
        parent++;
    parent += 16 + 100 + 8 + 8 + 16 + 8 + 4 + 4;
    CHECK_INT(edn_load_u32(image.p + parent), OWNER);
    for (uint32_t to = OWNER; to <= READER; to++) {
        edn_store_u32(image.p + parent, to);
        CHECK_STATUS(edn_devlog_image_read(edn_buf_view(&image), &log), to < OWNER_DEVICE ? EDN_OK : EDN_E_FORMAT);
        edn_devlog_free(log);
    }
    edn_store_u32(image.p + parent, OWNER);
    image.p[1] = 2; /* a third kind */
    CHECK_STATUS(edn_devlog_image_read(edn_buf_view(&image), &log), EDN_E_FORMAT);
    edn_buf_dispose(&image);
    space_dispose(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_role_is_its_rights),
        cmocka_unit_test(its_first_link_says_that_it_is_one),
        cmocka_unit_test(a_link_of_the_other_kind_never_follows),
        cmocka_unit_test(nobody_signs_in_to_it_or_recovers_it),
        cmocka_unit_test(member_is_a_right_of_space_logs_alone),
        cmocka_unit_test(a_space_has_a_hundred_and_twenty_eight_active_keys),
        cmocka_unit_test(all_of_a_full_space_are_taken_out_at_once),
        cmocka_unit_test(a_member_key_gives_no_right_that_it_has_not),
        cmocka_unit_test(a_member_key_takes_out_whom_it_let_in),
        cmocka_unit_test(a_member_key_follows_another),
        cmocka_unit_test(a_member_key_takes_out_nobody_of_the_spaces_own),
        cmocka_unit_test(a_member_key_takes_out_whom_its_own_let_in),
        cmocka_unit_test(a_member_key_makes_no_policy),
        cmocka_unit_test(the_right_to_give_is_asked_between_form_and_keys),
        cmocka_unit_test(member_keys_write_nothing),
        cmocka_unit_test(a_membership_is_found_from_below),
        cmocka_unit_test(a_key_without_a_member_key_above_has_none),
        cmocka_unit_test(trusted_links_and_images_give_the_same_log),
        cmocka_unit_test(a_refused_link_changes_nothing),
        cmocka_unit_test(an_image_with_a_circle_is_refused),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
