#include "links.h"

static void fill(links *l, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)check_next(&l->rng);
}

static uint64_t below(links *l, uint64_t n) { return check_below(&l->rng, n); }

static edn_sign_pk new_keypair(links *l, edn_sign_sk *sk)
{
    uint8_t seed[32];
    edn_sign_pk pk;

    fill(l, seed, sizeof seed);
    edn_sign_keypair(seed, &pk, sk);
    return pk;
}

static void put_random(links *l, edn_buf *b, size_t n)
{
    uint8_t *p = edn_buf_grow(b, n);

    CHECK(p);
    fill(l, p, n);
}

edn_bytes links_at(const links *l, size_t i)
{
    size_t start = i ? l->ends[i - 1] : 0;

    return edn_bytes_of(l->bytes.p + start, l->ends[i] - start);
}

void links_new_device(links *l, links_device *d)
{
    static const uint32_t caps[] = {7, 7, 3, 1}, space_caps[] = {15, 11, 11, 9, 7, 3, 3, 1};

    memset(d, 0, sizeof *d);
    d->cert.sign = new_keypair(l, &d->sk);
    fill(l, d->cert.enc.b, 32);
    d->cert.caps = l->space ? space_caps[below(l, EDN_COUNT(space_caps))] : caps[below(l, EDN_COUNT(caps))];
    fill(l, d->cert.name_hash.b, 32);
    d->id = edn_device_id_of(&d->cert.sign, &d->cert.enc);
    d->active = true;
}

/* A random device that fits, or NULL. */
static links_device *pick(links *l, bool active, uint32_t caps)
{
    size_t start = (size_t)below(l, l->devices_n ? l->devices_n : 1);

    for (size_t i = 0; i < l->devices_n; i++) {
        links_device *d = &l->devices[(start + i) % l->devices_n];
        if (d->active == active && (d->cert.caps & caps) == caps)
            return d;
    }
    return NULL;
}

/* A member key that is no admin, or NULL. */
static links_device *pick_member(links *l)
{
    size_t start = (size_t)below(l, l->devices_n ? l->devices_n : 1);

    for (size_t i = 0; i < l->devices_n; i++) {
        links_device *d = &l->devices[(start + i) % l->devices_n];
        if (d->active && (d->cert.caps & 12) == 8)
            return d;
    }
    return NULL;
}

static bool is_id(const edn_device_id *a, const edn_device_id *b) { return memcmp(a->b, b->b, sizeof a->b) == 0; }

/* The key by which a person came in: the uppermost that no admin lies between. */
static const links_device *person_of(const links *l, const links_device *d)
{
    for (;;) {
        const links_device *parent = NULL;
        for (size_t i = 0; i < l->devices_n && !parent; i++)
            parent = is_id(&l->devices[i].id, &d->by) ? &l->devices[i] : NULL;
        if (!parent || (parent->cert.caps & 4))
            return d;
        d = parent;
    }
}

static void sign_by(link_draft *d, const links_device *by)
{
    d->signer = by->id;
    d->sk = by->sk;
}

static void put_pop(edn_buf *body, const link_draft *d, const edn_sign_pk *aik)
{
    edn_buf cert = EDN_BUF_INIT(200);
    edn_signature pop;

    edn_cert_put(&cert, &d->device.cert);
    edn_sign_t(&pop, &d->device.sk, EDN_LABEL_SIG_POP, EDN_F(d->prev), EDN_F_U64(d->seq), EDN_F(d->signer), EDN_F(*aik),
               edn_buf_view(&cert));
    edn_put_bytes(body, pop.b, sizeof pop.b);
    edn_buf_dispose(&cert);
}

static void genesis_body(links *l, link_draft *d)
{
    edn_put_bytes(&d->body, d->new_aik.b, 32);
    edn_cert_put(&d->body, &d->device.cert);
    put_random(l, &d->body, 32 + 32);
    put_pop(&d->body, d, &d->new_aik);
}

static void add_device_body(links *l, link_draft *d)
{
    edn_buf_reset(&d->body);
    edn_cert_put(&d->body, &d->device.cert);
    put_random(l, &d->body, 32);
    put_pop(&d->body, d, &l->aik);
}

void links_revoke_body(links *l, edn_buf *body, const edn_device_id *ids, uint32_t n, uint32_t cuts_n, uint32_t epoch)
{
    edn_buf_reset(body);
    edn_put_u32(body, n);
    for (uint32_t i = 0; i < n; i++) {
        edn_put_bytes(body, ids[i].b, 16);
        edn_put_u32(body, cuts_n);
        for (uint32_t k = 0; k < cuts_n; k++) {
            edn_space_id *space = &l->spaces[l->spaces_n++ % EDN_COUNT(l->spaces)];
            fill(l, space->b, sizeof space->b);
            edn_put_bytes(body, space->b, sizeof space->b);
            put_random(l, body, 8 + 32);
        }
    }
    edn_put_u32(body, epoch);
    put_random(l, body, 32 + 32 + 32);
}

/* `by`: the member key that signs, and then only who came in by it; NULL: anybody. */
static void revoke_body(links *l, link_draft *d, const links_device *by)
{
    edn_device_id ids[2];
    uint32_t n = 0;
    links_device *a = pick(l, true, 0), *b = pick(l, true, 0);

    a = a && by && person_of(l, a) != person_of(l, by) ? NULL : a;
    b = b && by && person_of(l, b) != person_of(l, by) ? NULL : b;
    if (a && below(l, 3))
        ids[n++] = a->id;
    if (n && b && b != a && below(l, 2))
        ids[n++] = b->id;
    links_revoke_body(l, &d->body, ids, n, (uint32_t)below(l, 3), edn_devlog_epoch(l->log) + 1);
}

static void recovery_body(links *l, edn_buf *body)
{
    uint8_t n = (uint8_t)(1 + below(l, 16));

    edn_put_u8(body, (uint8_t)(1 + below(l, n)));
    edn_put_u8(body, n);
    put_random(l, body, 16 + (size_t)n * 32 + 32);
}

static void policy_body(links *l, link_draft *d)
{
    uint8_t floor = (uint8_t)(edn_devlog_kdf_floor(l->log) + below(l, 2));

    edn_put_u16(&d->body, 1);
    edn_put_u8(&d->body, floor);
    d->flags = l->flags | 1u << below(l, 32);
    edn_put_u32(&d->body, d->flags);
}

static void rotate_body(links *l, link_draft *d)
{
    edn_signature sig;

    edn_sign_t(&sig, &d->new_aik_sk, EDN_LABEL_SIG_AIK, EDN_F(d->prev), EDN_F_U64(d->seq), EDN_F(d->account),
               EDN_F(d->new_aik));
    (void)l;
    edn_put_bytes(&d->body, d->new_aik.b, 32);
    edn_put_bytes(&d->body, sig.b, 64);
}

/* Bases of up to two devices in one space, above those that there are. */
static void reseal_body(links *l, link_draft *d)
{
    static const edn_space_id space = {{0x5e}};
    size_t first = (size_t)below(l, l->devices_n), n = (size_t)below(l, 3);

    n = EDN_MIN(n, l->devices_n);
    edn_buf_reset(&d->body);
    edn_put_u32(&d->body, edn_devlog_epoch(l->log));
    edn_put_u32(&d->body, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        const links_device *of = &l->devices[(first + i) % l->devices_n];
        uint64_t dseq;
        edn_hash hash;
        edn_devlog_base(l->log, &of->id, &space, &dseq, &hash);
        edn_put_bytes(&d->body, space.b, sizeof space.b);
        edn_put_bytes(&d->body, of->id.b, sizeof of->id.b);
        edn_put_u64(&d->body, dseq + 1 + below(l, 9));
        put_random(l, &d->body, 32);
    }
}

/* Who signs a good link of this type; the member key is returned when it is one without admin. */
static links_device *choose_signer(links *l, link_draft *d, edn_link_type type)
{
    links_device *admin = pick(l, true, EDN_CAP_ADMIN), *any = pick(l, true, 0), *member = pick_member(l);
    bool delegated = type == EDN_LINK_ADD_DEVICE || type == EDN_LINK_REVOKE_ROTATE;

    if (l->space && member && delegated && below(l, 3)) {
        sign_by(d, member);
        d->device.cert.caps &= member->cert.caps;
        return member;
    }
    if (type == EDN_LINK_CHECKPOINT && any)
        sign_by(d, any);
    else if (type != EDN_LINK_ROTATE_AIK && admin && below(l, 4))
        sign_by(d, admin);
    return NULL;
}

void links_draft(links *l, link_draft *d, edn_link_type type)
{
    links_device *member;

    memset(d, 0, sizeof *d);
    memcpy(d->magic, l->space ? "EDNS" : "EDNL", 4);
    d->label = l->space ? EDN_LABEL_SIG_SPACE : EDN_LABEL_SIG_LINK;
    d->version = 1;
    d->suite = 1;
    d->body = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    d->time_ms = 1790000000000u + below(l, 1u << 30);
    d->sk = l->aik_sk;
    d->new_aik = new_keypair(l, &d->new_aik_sk);
    links_new_device(l, &d->device);
    d->type = (uint8_t)type;
    if (type == EDN_LINK_GENESIS) {
        d->sk = d->new_aik_sk;
        d->device.cert.caps = l->space ? 15 : 7;
        genesis_body(l, d);
        return;
    }
    d->seq = edn_devlog_count(l->log);
    d->prev = edn_devlog_head(l->log);
    d->account = edn_devlog_account(l->log);
    member = choose_signer(l, d, type);
    switch (type) {
    case EDN_LINK_ADD_DEVICE:
        add_device_body(l, d);
        break;
    case EDN_LINK_REVOKE_ROTATE:
        revoke_body(l, d, member);
        break;
    case EDN_LINK_SET_KDF:
        put_random(l, &d->body, 64);
        edn_put_bytes(&d->body, d->new_aik.b, 32);
        break;
    case EDN_LINK_SET_RECOVERY:
        recovery_body(l, &d->body);
        break;
    case EDN_LINK_CHECKPOINT: {
        uint32_t n = (uint32_t)below(l, 4);
        edn_put_u32(&d->body, n);
        put_random(l, &d->body, n * 88);
        break;
    }
    case EDN_LINK_SET_POLICY:
        policy_body(l, d);
        break;
    case EDN_LINK_RESEAL:
        reseal_body(l, d);
        break;
    default:
        rotate_body(l, d);
        break;
    }
}

void links_put(edn_buf *out, const link_draft *d)
{
    size_t before = out->n;
    edn_signature sig;

    edn_put_bytes(out, d->magic, 4);
    edn_put_u8(out, d->version);
    edn_put_u8(out, d->type);
    edn_put_u16(out, d->suite);
    edn_put_u64(out, d->seq);
    edn_put_bytes(out, d->prev.b, 32);
    edn_put_bytes(out, d->account.b, 32);
    edn_put_bytes(out, d->signer.b, 16);
    edn_put_u64(out, d->time_ms);
    edn_put_lp(out, edn_buf_view(&d->body));
    CHECK_OK(edn_buf_status(out));
    edn_sign_t(&sig, &d->sk, d->label, edn_bytes_of(out->p + before, out->n - before));
    edn_put_bytes(out, sig.b, 64);
    CHECK_OK(edn_buf_status(out));
}

/* The log takes the link, and what the draft brought is known from here on. */
static void take(links *l, link_draft *d)
{
    CHECK(l->n < LINKS_MAX && l->devices_n < LINKS_DEVICES_MAX);
    links_put(&l->bytes, d);
    l->ends[l->n++] = l->bytes.n;
    CHECK_OK(edn_devlog_append(l->log, links_at(l, l->n - 1)));
    if (d->type == EDN_LINK_GENESIS || d->type == EDN_LINK_ADD_DEVICE)
        d->device.by = d->signer, l->devices[l->devices_n++] = d->device;
    if (d->type == EDN_LINK_GENESIS || d->type == EDN_LINK_ROTATE_AIK) {
        l->aik = d->new_aik;
        l->aik_sk = d->new_aik_sk;
    }
    if (d->type == EDN_LINK_SET_POLICY)
        l->flags = d->flags;
    for (size_t i = 0; i < l->devices_n; i++)
        l->devices[i].active = edn_device_active(edn_devlog_device_find(l->log, &l->devices[i].id));
    edn_buf_dispose(&d->body);
}

static void init(links *l, uint64_t seed, bool space)
{
    link_draft d;

    memset(l, 0, sizeof *l);
    l->space = space;
    l->rng.s = seed ? seed : 1;
    for (int i = 0; i < 8; i++)
        (void)check_next(&l->rng); /* small seeds grow apart */
    l->bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    l->ends = calloc(LINKS_MAX, sizeof *l->ends);
    l->devices = calloc(LINKS_DEVICES_MAX, sizeof *l->devices);
    CHECK(l->ends && l->devices);
    CHECK_OK(edn_devlog_new(&l->log));
    links_draft(l, &d, EDN_LINK_GENESIS);
    take(l, &d);
}

void links_init(links *l, uint64_t seed) { init(l, seed, false); }
void links_init_space(links *l, uint64_t seed) { init(l, seed, true); }

void links_dispose(links *l)
{
    edn_devlog_free(l->log);
    edn_buf_dispose(&l->bytes);
    free(l->ends);
    free(l->devices);
}

static size_t active_count(const links *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->devices_n; i++)
        n += l->devices[i].active;
    return n;
}

static edn_link_type type_at_random(links *l)
{
    /* Devices come more often than they go. */
    static const uint8_t types[] = {2, 2, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9}, space_types[] = {2, 2, 2, 2, 3, 3, 6, 7, 8};
    edn_link_type type = (edn_link_type)(l->space ? space_types[below(l, EDN_COUNT(space_types))]
                                                  : types[below(l, EDN_COUNT(types))]);

    if (type == EDN_LINK_CHECKPOINT && active_count(l) == 0)
        type = EDN_LINK_ADD_DEVICE;
    if (type == EDN_LINK_ADD_DEVICE && active_count(l) >= EDN_DEVICES_MAX)
        type = EDN_LINK_REVOKE_ROTATE;
    if (type == EDN_LINK_SET_POLICY && edn_devlog_kdf_floor(l->log) > 200)
        type = EDN_LINK_CHECKPOINT;
    return type;
}

void links_step(links *l, edn_link_type type)
{
    link_draft d;

    links_draft(l, &d, type ? type : type_at_random(l));
    take(l, &d);
}

/* ---- breaking ---------------------------------------------------------------------------------------------------- */

/* Points that are no keys: of small order, of mixed order, not on the curve, and not written the one way. */
static const char *const bad_points[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "55ae61520ca466adcc4ae4a32dc1633a5d749c64a5b50f136fc3469f27e487e6",
    "0200000000000000000000000000000000000000000000000000000000000000",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};
/* u coordinates of small order, RFC 7748 section 6.1 and its relatives with the high bit set. */
static const char *const bad_us[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

static void from_list(links *l, const char *const *list, size_t n, uint8_t out[32])
{
    CHECK(edn_hex_decode(out, 32, edn_bytes_str(list[below(l, n)])));
}

/* The draft of another link: forgets the first. */
static void redraft(links *l, link_draft *d, edn_link_type type)
{
    edn_buf_dispose(&d->body);
    links_draft(l, d, type);
}

static void rebuild_add(links *l, link_draft *d, const links_device *device)
{
    d->device = *device;
    add_device_body(l, d);
}

static void break_revoke(links *l, link_draft *d)
{
    links_device *active = pick(l, true, 0), *revoked = pick(l, false, 0);
    edn_device_id ids[3];
    uint32_t n = 0;

    if (active && below(l, 2))
        ids[n++] = active->id;
    switch (below(l, 3)) {
    case 0:
        fill(l, ids[n++].b, 16);
        break;
    case 1:
        if (revoked)
            ids[n++] = revoked->id;
        break;
    default:
        if (active) {
            ids[0] = ids[1] = active->id;
            n = 2;
        }
    }
    links_revoke_body(l, &d->body, ids, n, (uint32_t)below(l, 2), edn_devlog_epoch(l->log) + 1);
}

/* One space, cut twice. */
static void break_cuts(links *l, link_draft *d)
{
    links_device *active = pick(l, true, 0);

    if (!active)
        return;
    links_revoke_body(l, &d->body, &active->id, 1, 3, edn_devlog_epoch(l->log) + 1);
    memcpy(d->body.p + 24 + 2 * 72, d->body.p + 24 + 72 * below(l, 2), 32);
}

static void break_proof(links *l, link_draft *d)
{
    redraft(l, d, below(l, 4) ? EDN_LINK_ADD_DEVICE : EDN_LINK_ROTATE_AIK);
    switch (below(l, 3)) {
    case 0: /* a bit of it */
        d->body.p[d->body.n - 1 - below(l, 64)] ^= (uint8_t)(1u << below(l, 8));
        break;
    case 1: /* made for another place */
        d->seq++;
        if (d->type == EDN_LINK_ADD_DEVICE)
            rebuild_add(l, d, &(links_device){d->device.id, d->device.cert, d->device.sk, true});
        d->seq--;
        break;
    default: /* made by another key */
        if (d->type == EDN_LINK_ADD_DEVICE) {
            links_device other;
            links_new_device(l, &other);
            d->device.sk = other.sk;
            add_device_body(l, d);
        }
    }
}

static void break_keys(links *l, link_draft *d)
{
    static const edn_link_type types[] = {EDN_LINK_ADD_DEVICE, EDN_LINK_ADD_DEVICE, EDN_LINK_REVOKE_ROTATE,
                                          EDN_LINK_SET_KDF, EDN_LINK_ROTATE_AIK};
    size_t n;

    redraft(l, d, types[below(l, EDN_COUNT(types))]);
    n = d->body.n;
    switch (d->type) {
    case EDN_LINK_ADD_DEVICE:
        if (below(l, 2))
            from_list(l, bad_points, EDN_COUNT(bad_points), d->body.p);
        else
            from_list(l, bad_us, EDN_COUNT(bad_us), d->body.p + 32);
        break;
    case EDN_LINK_REVOKE_ROTATE:
        from_list(l, bad_us, EDN_COUNT(bad_us), d->body.p + n - 96);
        break;
    case EDN_LINK_SET_KDF:
        from_list(l, bad_points, EDN_COUNT(bad_points), d->body.p + 64);
        break;
    default:
        from_list(l, bad_points, EDN_COUNT(bad_points), d->body.p);
    }
}

static void break_policy(links *l, link_draft *d)
{
    redraft(l, d, EDN_LINK_SET_POLICY);
    switch (below(l, 3)) {
    case 0:
        edn_store_u16(d->body.p, (uint16_t)below(l, 3)); /* 0 is lower, 2 is higher */
        break;
    case 1:
        d->body.p[2] = (uint8_t)(edn_devlog_kdf_floor(l->log) - 1 + below(l, 2));
        break;
    default:
        /* some flags fall, and others may rise: as a number it can be higher all the same */
        edn_store_u32(d->body.p + 3, (uint32_t)check_next(&l->rng) & (below(l, 2) ? l->flags : UINT32_MAX));
        break;
    }
}

static void break_rights(links *l, link_draft *d)
{
    links_device *poor = NULL;

    for (size_t i = 0; i < l->devices_n && !poor; i++)
        if (l->devices[i].active && !(l->devices[i].cert.caps & EDN_CAP_ADMIN))
            poor = &l->devices[i];
    switch (below(l, 3)) {
    case 0: /* a device rotates the AIK */
        redraft(l, d, EDN_LINK_ROTATE_AIK);
        if (pick(l, true, 0))
            sign_by(d, pick(l, true, 0));
        break;
    case 1: /* the AIK checkpoints */
        redraft(l, d, EDN_LINK_CHECKPOINT);
        memset(&d->signer, 0, sizeof d->signer);
        d->sk = l->aik_sk;
        break;
    default:
        if (poor && d->type != EDN_LINK_CHECKPOINT)
            sign_by(d, poor);
    }
}

static void break_recovery(links *l, link_draft *d)
{
    redraft(l, d, EDN_LINK_SET_RECOVERY);
    if (below(l, 2)) {
        d->body.p[0] = below(l, 2) ? 0 : (uint8_t)(d->body.p[1] + 1);
    } else { /* seventeen shares, and none */
        uint8_t n = below(l, 2) ? 17 : 0;
        edn_buf_reset(&d->body);
        edn_put_u8(&d->body, n ? 1 : 0);
        edn_put_u8(&d->body, n);
        put_random(l, &d->body, 16 + (size_t)n * 32 + 32);
    }
}

static void break_signer(links *l, link_draft *d)
{
    links_device *revoked = pick(l, false, 0);

    if (revoked && below(l, 2))
        sign_by(d, revoked);
    else
        fill(l, d->signer.b, 16);
}

static void break_duplicate(links *l, link_draft *d)
{
    redraft(l, d, EDN_LINK_ADD_DEVICE);
    rebuild_add(l, d, &l->devices[below(l, l->devices_n)]);
}

static void break_caps(links *l, link_draft *d)
{
    redraft(l, d, EDN_LINK_ADD_DEVICE);
    d->device.cert.caps |= 8u << below(l, 29);
    add_device_body(l, d);
}

/* A member key gives what it has not, or takes out who did not come in by it. */
static void break_membership(links *l, link_draft *d)
{
    links_device *member, *other;

    redraft(l, d, below(l, 2) ? EDN_LINK_ADD_DEVICE : EDN_LINK_REVOKE_ROTATE);
    member = pick_member(l);
    other = pick(l, below(l, 8), 0);
    if (member)
        sign_by(d, member);
    if (d->type == EDN_LINK_ADD_DEVICE) {
        d->device.cert.caps = (uint32_t)below(l, 16);
        add_device_body(l, d);
    } else if (other) {
        links_revoke_body(l, &d->body, &other->id, 1, (uint32_t)below(l, 2), edn_devlog_epoch(l->log) + 1);
    }
}

/* A link of the other kind, signed as such; or only half of it. */
static void break_kind(links *l, link_draft *d)
{
    uint64_t how = below(l, 3);

    if (how != 1)
        memcpy(d->magic, l->space ? "EDNL" : "EDNS", 4);
    if (how != 2)
        d->label = l->space ? EDN_LABEL_SIG_LINK : EDN_LABEL_SIG_SPACE;
}

/* A place that is none, one device twice, one that is not there, another epoch, a base that falls or moves aside. */
static void break_reseal(links *l, link_draft *d)
{
    const edn_pin *bases;
    size_t n = edn_devlog_bases(l->log, &bases);
    uint8_t *pin;

    do
        redraft(l, d, EDN_LINK_RESEAL);
    while (d->body.n < 8 + 88);
    pin = d->body.p + 8;
    switch (below(l, 6)) {
    case 0:
        edn_store_u64(pin + 48, 0);
        break;
    case 1:
        edn_buf_reserve(&d->body, 88); /* the body may move, and the pin with it */
        edn_put_bytes(&d->body, d->body.p + 8, 88);
        edn_store_u32(d->body.p + 4, edn_load_u32(d->body.p + 4) + 1);
        break;
    case 2:
        fill(l, pin + 32, 16);
        break;
    case 3:
        edn_store_u32(d->body.p, edn_devlog_epoch(l->log) + (below(l, 2) ? 1 : UINT32_MAX));
        break;
    default:
        if (!n)
            break;
        bases += below(l, n);
        memcpy(pin, bases->space.b, 32);
        memcpy(pin + 32, bases->device.b, 16);
        edn_store_u64(pin + 48, bases->dseq - (bases->dseq > 1 ? below(l, 2) : 0));
        edn_store_u32(d->body.p + 4, 1);
        d->body.n = 8 + 88;
    }
}

static void break_epoch(links *l, link_draft *d)
{
    static const uint32_t add[] = {0, 2, UINT32_MAX, 0x10001, 0x80000001};

    redraft(l, d, EDN_LINK_REVOKE_ROTATE);
    edn_store_u32(d->body.p + d->body.n - 100, edn_devlog_epoch(l->log) + add[below(l, EDN_COUNT(add))]);
}

/* Before the link is signed. */
static void break_draft(links *l, link_draft *d, unsigned how)
{
    static const uint16_t suites[] = {0, 2, 3, 0x7777, 0xfe00, 0x0101};

    switch (how) {
    case 0:
        break; /* as good as it was */
    case 1:
        d->magic[below(l, 4)] ^= 1;
        break;
    case 2:
        d->version = (uint8_t)(below(l, 2) * 2);
        break;
    case 3:
        d->type = (uint8_t)(below(l, 2) ? check_next(&l->rng) : below(l, 11));
        break;
    case 4:
        d->suite = suites[below(l, EDN_COUNT(suites))];
        break;
    case 5:
        d->seq += below(l, 2) ? 1 : UINT64_MAX;
        break;
    case 6:
        d->prev.b[below(l, 32)] ^= 1;
        break;
    case 7:
        d->account.b[below(l, 32)] ^= 0x80;
        break;
    case 8:
        break_signer(l, d);
        break;
    case 9:
        (void)new_keypair(l, &d->sk);
        break;
    case 10:
        edn_put_u8(&d->body, 0);
        break;
    case 11:
        d->body.n -= d->body.n ? 1 : 0;
        break;
    case 12:
        if (d->body.n)
            d->body.p[below(l, d->body.n)] ^= (uint8_t)(1u << below(l, 8));
        break;
    case 13:
    case 14:
        break_keys(l, d);
        break;
    case 15:
        break_duplicate(l, d);
        break;
    case 16:
    case 17:
        break_proof(l, d);
        break;
    case 18:
        redraft(l, d, EDN_LINK_REVOKE_ROTATE);
        break_revoke(l, d);
        break;
    case 19:
        break_epoch(l, d);
        break;
    case 20:
        break_policy(l, d);
        break;
    case 21:
        break_caps(l, d);
        break;
    case 22:
    case 23:
        break_rights(l, d);
        break;
    case 24:
        break_recovery(l, d);
        break;
    case 25:
        redraft(l, d, EDN_LINK_REVOKE_ROTATE);
        break_cuts(l, d);
        break;
    case 26:
        redraft(l, d, EDN_LINK_GENESIS);
        break; /* a second beginning, of another account */
    case 32:
    case 33:
    case 34:
        break_membership(l, d);
        break;
    case 35:
        break_kind(l, d);
        break;
    case 36: /* not in a space log */
        redraft(l, d, below(l, 3) == 0 ? EDN_LINK_RESEAL : below(l, 2) ? EDN_LINK_SET_KDF : EDN_LINK_SET_RECOVERY);
        break;
    case 37: /* the other kind's rights */
        redraft(l, d, EDN_LINK_ADD_DEVICE);
        d->device.cert.caps |= 8;
        add_device_body(l, d);
        break;
    case 38:
    case 39:
        break_reseal(l, d);
        break;
    default:
        break;
    }
}

/* After it: bytes change, and the signature does not know. */
static void break_bytes(links *l, edn_buf *out, size_t before, unsigned how)
{
    size_t n = out->n - before;
    uint8_t *p = out->p + before;

    switch (how) {
    case 27:
        p[below(l, n)] ^= (uint8_t)(1u << below(l, 8));
        break;
    case 28:
        p[n - 1 - below(l, 64)] ^= (uint8_t)(1u << below(l, 8));
        break;
    case 29:
        p[104 + below(l, 4)] ^= (uint8_t)(1u << below(l, 8));
        break;
    case 30:
        out->n -= 1 + (size_t)below(l, n - 1);
        break;
    case 31:
        edn_put_u8(out, 0);
        break;
    default:
        break;
    }
}

void links_broken(links *l, unsigned how, edn_buf *out)
{
    unsigned also = below(l, 4) ? how : (unsigned)below(l, LINKS_BREAKS);
    size_t before = out->n;
    link_draft d;

    links_draft(l, &d, type_at_random(l));
    break_draft(l, &d, how);
    if (also != how)
        break_draft(l, &d, also);
    links_put(out, &d);
    break_bytes(l, out, before, how);
    if (also != how)
        break_bytes(l, out, before, also);
    edn_buf_dispose(&d.body);
}
