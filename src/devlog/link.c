/* One link as bytes (SECURITY 2.6):
 *
 *     0    4   "EDNL", "EDNS"    16   32  hash of the link before, zero in the first
 *     4    1   version 1         48   32  account id, zero in the first
 *     5    1   type              80   16  signer: device id, zero for the AIK
 *     6    2   suite             96    8  time, ms since 1970, by the signer's clock: never trusted
 *     8    8   seq              104    4  length of the body, and the body
 *                              108+n  64  signature over all before it
 *
 * Here is only what a link says; what it may say at its place in a log is log.c's. */
#include "devlog_priv.h"

const log_kind *edn_log_kind(bool space)
{
    static const log_kind device = {{'E', 'D', 'N', 'L'}, EDN_LABEL_SIG_LINK, CAPS_KNOWN, EDN_DEVICES_MAX};
    static const log_kind shared = {
        {'E', 'D', 'N', 'S'}, EDN_LABEL_SIG_SPACE, CAPS_KNOWN | EDN_CAP_MEMBER, EDN_SPACE_KEYS_MAX};

    return space ? &shared : &device;
}

bool edn_link_type_known(bool space, uint8_t type)
{
    /* Nobody signs in to a space by passphrase, nor recovers it: its members hold what opens it. And nobody in it
     * speaks for the others, as who seals everything again does. */
    if (space && (type == EDN_LINK_SET_KDF || type == EDN_LINK_SET_RECOVERY || type == EDN_LINK_RESEAL))
        return false;
    return type >= EDN_LINK_GENESIS && type <= EDN_LINK_LAST;
}

static bool is_magic(edn_bytes in, bool space)
{
    return edn_bytes_equal(in, edn_bytes_of(edn_log_kind(space)->magic, 4));
}

edn_status edn_link_form_read(edn_bytes link, link_form *out)
{
    edn_reader r = edn_reader_init(link);
    edn_bytes magic;
    link_form f;

    memset(&f, 0, sizeof f);
    if (link.n < LINK_SIZE_MIN || link.n > EDN_LINK_SIZE_MAX)
        return EDN_E_FORMAT;
    magic = edn_read_bytes(&r, 4, "magic");
    f.info.space = is_magic(magic, true);
    if (!f.info.space && !is_magic(magic, false))
        edn_reader_fail(&r, EDN_E_FORMAT, "magic");
    if (edn_read_u8(&r, "version") != LINK_VERSION)
        edn_reader_fail(&r, EDN_E_FORMAT, "version");
    f.type = edn_read_u8(&r, "type");
    f.suite = edn_read_u16(&r, "suite");
    f.info.seq = edn_read_u64(&r, "seq");
    edn_read_into(&r, f.info.prev.b, sizeof f.info.prev.b, "hash before");
    edn_read_into(&r, f.info.account.b, sizeof f.info.account.b, "account");
    edn_read_into(&r, f.info.signer.b, sizeof f.info.signer.b, "signer");
    f.info.time_ms = edn_read_u64(&r, "time");
    f.info.body = edn_read_lp(&r, link.n, "body");
    f.signed_bytes = edn_bytes_of(link.p, link.n - SIGNATURE_SIZE);
    edn_read_into(&r, f.signature.b, SIGNATURE_SIZE, "signature");
    if (edn_reader_end(&r) != EDN_OK)
        return EDN_E_FORMAT;
    *out = f;
    return EDN_OK;
}

edn_status edn_link_peek(edn_bytes link, edn_link_info *out)
{
    link_form f;
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = edn_link_form_read(link, &f)) != EDN_OK)
        return st;
    if (!edn_link_type_known(f.info.space, f.type))
        return EDN_E_TYPE;
    f.info.type = (edn_link_type)f.type;
    *out = f.info;
    return EDN_OK;
}

edn_hash edn_link_hash(edn_bytes link)
{
    EDN_ASSERT(link.n >= LINK_SIZE_MIN);
    return edn_h32_t(EDN_LABEL_HASH_LINK, edn_bytes_of(link.p, link.n - SIGNATURE_SIZE),
                     edn_bytes_of(link.p + link.n - SIGNATURE_SIZE, SIGNATURE_SIZE));
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

void edn_cert_put(edn_buf *out, const edn_cert *cert)
{
    edn_put_bytes(out, cert->sign.b, sizeof cert->sign.b);
    edn_put_bytes(out, cert->enc.b, sizeof cert->enc.b);
    edn_put_u32(out, cert->caps);
    edn_put_bytes(out, cert->name_hash.b, sizeof cert->name_hash.b);
}

static void cert_read(edn_reader *r, bool space, link_body *b)
{
    edn_reader c;

    b->cert_bytes = edn_read_bytes(r, CERT_SIZE, "certificate");
    c = edn_reader_init(b->cert_bytes);
    edn_read_into(&c, b->cert.sign.b, sizeof b->cert.sign.b, "certificate: signing key");
    edn_read_into(&c, b->cert.enc.b, sizeof b->cert.enc.b, "certificate: encryption key");
    b->cert.caps = edn_read_u32(&c, "certificate: rights");
    edn_read_into(&c, b->cert.name_hash.b, sizeof b->cert.name_hash.b, "certificate: name hash");
    if (b->cert.caps & ~edn_log_kind(space)->caps_known)
        edn_reader_fail(r, EDN_E_FORMAT, "certificate: rights");
}

edn_device_id edn_revoked_next(edn_reader *r, uint32_t *cuts_n)
{
    edn_device_id id;

    edn_read_into(r, id.b, sizeof id.b, "revoked device");
    *cuts_n = edn_read_u32(r, "cuts");
    return id;
}

cut edn_cut_next(edn_reader *r)
{
    cut c;

    edn_read_into(r, c.space.b, sizeof c.space.b, "cut: space");
    c.dseq = edn_read_u64(r, "cut: number");
    edn_read_into(r, c.hash.b, sizeof c.hash.b, "cut: hash");
    return c;
}

edn_pin edn_pin_next(edn_reader *r)
{
    edn_pin p;

    edn_read_into(r, p.space.b, sizeof p.space.b, "pin: space");
    edn_read_into(r, p.device.b, sizeof p.device.b, "pin: device");
    p.dseq = edn_read_u64(r, "pin: number");
    edn_read_into(r, p.hash.b, sizeof p.hash.b, "pin: hash");
    return p;
}

/* A space named twice for one device would leave open which cut counts. A body holds at most some 900 cuts. */
static bool cuts_repeat_a_space(edn_bytes cuts)
{
    for (size_t i = CUT_SIZE; i < cuts.n; i += CUT_SIZE)
        for (size_t k = 0; k < i; k += CUT_SIZE)
            if (memcmp(cuts.p + i, cuts.p + k, sizeof(edn_space_id)) == 0)
                return true;
    return false;
}

static void revoke_read(edn_reader *r, link_body *b)
{
    const uint8_t *start;

    b->revoked_n = edn_read_u32(r, "revoked devices");
    if (!edn_reader_has(r, b->revoked_n, sizeof(edn_device_id) + 4))
        return;
    start = r->p;
    for (uint32_t i = 0; i < b->revoked_n; i++) {
        uint32_t n;
        (void)edn_revoked_next(r, &n); /* only its form matters here */
        if (!edn_reader_has(r, n, CUT_SIZE))
            return;
        if (cuts_repeat_a_space(edn_read_bytes(r, (size_t)n * CUT_SIZE, "cuts")))
            edn_reader_fail(r, EDN_E_FORMAT, "cuts: space named twice");
        b->cuts_n += n;
    }
    if (edn_reader_status(r) == EDN_OK)
        b->revoked = edn_bytes_of(start, (size_t)(r->p - start));
    b->epoch = edn_read_u32(r, "epoch");
    edn_read_into(r, b->aek.b, sizeof b->aek.b, "account encryption key");
    edn_read_into(r, b->grants_hash.b, sizeof b->grants_hash.b, "grants hash");
    edn_read_into(r, b->prev_box_hash.b, sizeof b->prev_box_hash.b, "hash of the box of the epoch before");
}

static void recovery_read(edn_reader *r, edn_recovery_set *set)
{
    memset(set, 0, sizeof *set);
    set->needed = edn_read_u8(r, "shares needed");
    set->n = edn_read_u8(r, "shares");
    if (set->needed < 1 || set->needed > set->n || set->n > EDN_SHARES_MAX) {
        edn_reader_fail(r, EDN_E_FORMAT, "shares");
        return;
    }
    edn_read_into(r, set->id.b, sizeof set->id.b, "recovery set");
    for (size_t i = 0; i < set->n; i++)
        edn_read_into(r, set->commitments[i].b, sizeof set->commitments[i].b, "commitment");
    edn_read_into(r, set->box_hash.b, sizeof set->box_hash.b, "recovery box's hash");
}

edn_status edn_link_recovery(edn_bytes link, edn_recovery_set *out)
{
    edn_link_info info;
    edn_reader r;
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = edn_link_peek(link, &info)) != EDN_OK)
        return st;
    if (info.type != EDN_LINK_SET_RECOVERY)
        return EDN_E_TYPE;
    r = edn_reader_init(info.body);
    recovery_read(&r, out);
    if (edn_reader_end(&r) == EDN_OK)
        return EDN_OK;
    memset(out, 0, sizeof *out);
    return EDN_E_FORMAT;
}

static void checkpoint_read(edn_reader *r, link_body *b)
{
    b->pins_n = edn_read_u32(r, "pins");
    if (edn_reader_has(r, b->pins_n, PIN_SIZE))
        b->pins = edn_read_bytes(r, (size_t)b->pins_n * PIN_SIZE, "pins");
}

/* A place at 0 is none, and one named twice would leave open which counts. */
static bool bases_are_odd(edn_bytes pins)
{
    for (size_t i = 0; i < pins.n; i += PIN_SIZE) {
        if (edn_load_u64(pins.p + i + 48) == 0)
            return true;
        for (size_t k = 0; k < i; k += PIN_SIZE)
            if (memcmp(pins.p + i, pins.p + k, 48) == 0)
                return true;
    }
    return false;
}

static void reseal_read(edn_reader *r, link_body *b)
{
    b->epoch = edn_read_u32(r, "epoch");
    checkpoint_read(r, b);
    if (bases_are_odd(b->pins))
        edn_reader_fail(r, EDN_E_FORMAT, "bases");
}

edn_status edn_link_body_read(edn_link_type type, const edn_link_info *info, link_body *b)
{
    edn_reader r = edn_reader_init(info->body);

    memset(b, 0, sizeof *b);
    switch (type) {
    case EDN_LINK_GENESIS:
        edn_read_into(&r, b->aik.b, sizeof b->aik.b, "account identity key");
        cert_read(&r, info->space, b);
        edn_read_into(&r, b->aek.b, sizeof b->aek.b, "account encryption key");
        edn_read_into(&r, b->grants_hash.b, sizeof b->grants_hash.b, "grants hash");
        edn_read_into(&r, b->proof.b, sizeof b->proof.b, "proof");
        break;
    case EDN_LINK_ADD_DEVICE:
        cert_read(&r, info->space, b);
        edn_read_into(&r, b->grants_hash.b, sizeof b->grants_hash.b, "grants hash");
        edn_read_into(&r, b->proof.b, sizeof b->proof.b, "proof");
        break;
    case EDN_LINK_REVOKE_ROTATE:
        revoke_read(&r, b);
        break;
    case EDN_LINK_SET_KDF:
        edn_read_into(&r, b->kdf_hash.b, sizeof b->kdf_hash.b, "key derivation record's hash");
        edn_read_into(&r, b->root_box_hash.b, sizeof b->root_box_hash.b, "root box's hash");
        edn_read_into(&r, b->login.b, sizeof b->login.b, "login key");
        break;
    case EDN_LINK_SET_RECOVERY:
        recovery_read(&r, &b->recovery);
        break;
    case EDN_LINK_CHECKPOINT:
        checkpoint_read(&r, b);
        break;
    case EDN_LINK_SET_POLICY:
        b->suite_min = edn_read_u16(&r, "lowest suite");
        b->kdf_floor = edn_read_u8(&r, "lowest key derivation profile");
        b->flags = edn_read_u32(&r, "flags");
        break;
    case EDN_LINK_ROTATE_AIK:
    default: /* of no other type: check_place and edn_link_peek let none through */
        edn_read_into(&r, b->aik.b, sizeof b->aik.b, "account identity key");
        edn_read_into(&r, b->proof.b, sizeof b->proof.b, "proof");
        break;
    case EDN_LINK_RESEAL:
        reseal_read(&r, b);
        break;
    }
    return edn_reader_end(&r);
}

edn_status edn_link_rotation(edn_bytes link, edn_rotation *out)
{
    edn_link_info info;
    link_body b;
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = edn_link_peek(link, &info)) != EDN_OK)
        return st;
    if (info.type != EDN_LINK_REVOKE_ROTATE)
        return EDN_E_TYPE;
    if ((st = edn_link_body_read(info.type, &info, &b)) != EDN_OK)
        return st;
    out->epoch = b.epoch;
    out->aek = b.aek;
    out->grants_hash = b.grants_hash;
    out->prev_box_hash = b.prev_box_hash;
    return EDN_OK;
}

edn_status edn_link_boxes(edn_bytes link, edn_hash out[EDN_LINK_BOXES_MAX], size_t *n)
{
    edn_link_info info;
    link_body b;
    edn_status st;

    *n = 0;
    if ((st = edn_link_peek(link, &info)) != EDN_OK || (st = edn_link_body_read(info.type, &info, &b)) != EDN_OK)
        return st;
    switch (info.type) {
    case EDN_LINK_GENESIS:
    case EDN_LINK_ADD_DEVICE:
        out[(*n)++] = b.grants_hash;
        break;
    case EDN_LINK_REVOKE_ROTATE:
        out[(*n)++] = b.grants_hash;
        out[(*n)++] = b.prev_box_hash;
        break;
    case EDN_LINK_SET_KDF:
        out[(*n)++] = b.kdf_hash;
        out[(*n)++] = b.root_box_hash;
        break;
    case EDN_LINK_SET_RECOVERY:
        out[(*n)++] = b.recovery.box_hash;
        break;
    default:
        break;
    }
    return EDN_OK;
}
