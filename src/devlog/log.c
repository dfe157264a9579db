/* The log as what it has come to mean, link by link.
 *
 * An append has three parts, and only the last one changes anything anybody can see:
 *
 *     check    the link against the state, in the order of SECURITY 2.6; the first failure decides
 *     reserve  memory for whatever it adds; may fail, and then only capacities have grown
 *     apply    cannot fail
 *
 * What holds between appends:
 *   1. hashes[i] is the hash of link i, and count is how many there are;
 *   2. devices stands in the order of the log and by_id in the order of ids: an id is in both once, for ever;
 *   3. active_n devices are not revoked, at most as many as logs of this kind may have;
 *   4. every key in a state that was not built from trusted links was checked to be of prime order. */
#include "devlog_priv.h"

#include <stdlib.h>

edn_status edn_devlog_new(edn_devlog **out)
{
    edn_devlog *log = calloc(1, sizeof *log);

    *out = log;
    if (!log)
        return EDN_E_NOMEM;
    log->suite_min = LINK_SUITE_1;
    log->kdf_floor = 1;
    return EDN_OK;
}

void edn_devlog_free(edn_devlog *log)
{
    if (!log)
        return;
    free(log->hashes);
    free(log->devices);
    free(log->by_id);
    free(log->cuts);
    free(log->pins);
    free(log->bases);
    free(log);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

bool edn_devlog_reserve(edn_devlog *log, uint32_t cuts_n, uint32_t pins_n, size_t bases_n)
{
    return edn_array_room(&log->hashes, &log->hashes_cap, (size_t)log->count + 1, sizeof *log->hashes) &&
           edn_array_room(&log->devices, &log->devices_cap, log->devices_n + 1, sizeof *log->devices) &&
           edn_array_room(&log->by_id, &log->by_id_cap, log->devices_n + 1, sizeof *log->by_id) &&
           edn_array_room(&log->cuts, &log->cuts_cap, log->cuts_n + cuts_n, sizeof *log->cuts) &&
           edn_array_room(&log->pins, &log->pins_cap, pins_n, sizeof *log->pins) &&
           edn_array_room(&log->bases, &log->bases_cap, log->bases_n + bases_n, sizeof *log->bases);
}

static void copy_array(void *to, const void *from, size_t n, size_t size)
{
    if (n)
        memcpy(to, from, n * size);
}

edn_status edn_devlog_copy(const edn_devlog *log, edn_devlog **out)
{
    edn_devlog *c = calloc(1, sizeof *c);

    *out = NULL;
    if (!c)
        return EDN_E_NOMEM;
    *c = *log;
    c->hashes = NULL;
    c->devices = NULL;
    c->by_id = NULL;
    c->cuts = NULL;
    c->pins = c->bases = NULL;
    c->hashes_cap = c->devices_cap = c->by_id_cap = c->cuts_cap = c->pins_cap = c->bases_cap = 0;
    if (!edn_devlog_reserve(c, 0, (uint32_t)log->pins_n, 0)) {
        edn_devlog_free(c);
        return EDN_E_NOMEM;
    }
    copy_array(c->hashes, log->hashes, (size_t)log->count, sizeof *c->hashes);
    copy_array(c->devices, log->devices, log->devices_n, sizeof *c->devices);
    copy_array(c->by_id, log->by_id, log->devices_n, sizeof *c->by_id);
    copy_array(c->cuts, log->cuts, log->cuts_n, sizeof *c->cuts);
    copy_array(c->pins, log->pins, log->pins_n, sizeof *c->pins);
    copy_array(c->bases, log->bases, log->bases_n, sizeof *c->bases);
    *out = c;
    return EDN_OK;
}

/* ---- devices ----------------------------------------------------------------------------------------------------- */

/* Where the id stands in by_id, or would. */
static size_t id_position(const edn_devlog *log, const edn_device_id *id)
{
    size_t lo = 0, hi = log->devices_n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (memcmp(log->devices[log->by_id[mid]].device.id.b, id->b, sizeof id->b) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static device_row *row_find(const edn_devlog *log, const edn_device_id *id)
{
    size_t at = id_position(log, id);
    device_row *row = at < log->devices_n ? &log->devices[log->by_id[at]] : NULL;

    return row && memcmp(row->device.id.b, id->b, sizeof id->b) == 0 ? row : NULL;
}

const edn_device *edn_devlog_device(const edn_devlog *log, size_t i)
{
    return i < log->devices_n ? &log->devices[i].device : NULL;
}

const edn_device *edn_devlog_device_find(const edn_devlog *log, const edn_device_id *id)
{
    const device_row *row = row_find(log, id);

    return row ? &row->device : NULL;
}

bool edn_device_active_at(const edn_device *d, uint64_t seq) { return d->added_seq <= seq && seq < d->revoked_seq; }

bool edn_devlog_cut(const edn_devlog *log, const edn_device_id *id, const edn_space_id *space, uint64_t *dseq,
                    edn_hash *hash)
{
    const device_row *row = row_find(log, id);

    *dseq = 0;
    memset(hash, 0, sizeof *hash);
    if (row && edn_device_active(&row->device))
        return false;
    for (size_t i = 0; row && i < row->cuts_n; i++) {
        const cut *c = &log->cuts[row->cuts_at + i];
        if (memcmp(c->space.b, space->b, sizeof space->b) == 0) {
            *dseq = c->dseq;
            *hash = c->hash;
        }
    }
    return true;
}

/* ---- check ------------------------------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static bool signer_is_aik(const link_form *f) { return is_zero(f->info.signer.b, sizeof f->info.signer.b); }

/* Kind, suite, type, seq, prev, account. */
static edn_status check_place(const edn_devlog *log, const link_form *f)
{
    static const edn_hash no_hash;
    static const edn_account_id no_account;
    const edn_hash *prev = log->count ? &log->hashes[log->count - 1] : &no_hash;
    const edn_account_id *account = log->count ? &log->account : &no_account;

    if (log->count && f->info.space != log->space)
        return EDN_E_FORMAT;
    if (f->suite != LINK_SUITE_1 || f->suite < log->suite_min)
        return EDN_E_SUITE;
    if (!edn_link_type_known(f->info.space, f->type))
        return EDN_E_TYPE;
    if ((f->type == EDN_LINK_GENESIS) != (log->count == 0))
        return EDN_E_TYPE;
    if (f->info.seq != log->count)
        return EDN_E_SEQ;
    if (memcmp(f->info.prev.b, prev->b, sizeof prev->b) != 0)
        return EDN_E_PREV;
    if (memcmp(f->info.account.b, account->b, sizeof account->b) != 0)
        return EDN_E_ACCOUNT;
    return EDN_OK;
}

/* Finds the signer's key: the AIK's (for the first link the one that it brings itself), or a device's, whose row goes
 * to *row. */
static edn_status find_signer(const edn_devlog *log, const link_form *f, const device_row **row, edn_sign_pk *pk)
{
    *row = NULL;
    if (!signer_is_aik(f)) {
        *row = row_find(log, &f->info.signer);
        if (*row && !edn_device_active(&(*row)->device))
            return EDN_E_SIGNER_REVOKED;
        if (!*row)
            return EDN_E_SIGNER_UNKNOWN;
        *pk = (*row)->device.cert.sign;
        return EDN_OK;
    }
    if (f->type != EDN_LINK_GENESIS) {
        *pk = log->aik;
        return EDN_OK;
    }
    if (f->info.body.n < sizeof pk->b)
        return EDN_E_FORMAT;
    memcpy(pk->b, f->info.body.p, sizeof pk->b);
    return EDN_OK;
}

/* A member key that is no admin. */
static bool is_plain_member(const device_row *row)
{
    return row && (row->device.cert.caps & (EDN_CAP_MEMBER | EDN_CAP_ADMIN)) == EDN_CAP_MEMBER;
}

static bool signer_may(const link_form *f, const device_row *row)
{
    switch ((edn_link_type)f->type) {
    case EDN_LINK_GENESIS:
    case EDN_LINK_ROTATE_AIK:
        return !row;
    case EDN_LINK_CHECKPOINT:
        return row;
    case EDN_LINK_ADD_DEVICE:
    case EDN_LINK_REVOKE_ROTATE:
        if (is_plain_member(row))
            return true; /* whom, member_may says */
        break;
    default:
        break;
    }
    return !row || (row->device.cert.caps & EDN_CAP_ADMIN);
}

/* What a member key may give and take out: no right that it has not, and no key that is not its person's. */
static bool member_may(const edn_devlog *log, edn_link_type type, const link_body *b, const device_row *by)
{
    const edn_device *person = is_plain_member(by) ? edn_devlog_membership(log, &by->device.id) : NULL;
    edn_reader r = edn_reader_init(b->revoked);

    if (!is_plain_member(by))
        return true;
    if (type == EDN_LINK_ADD_DEVICE)
        return !(b->cert.caps & ~by->device.cert.caps);
    for (uint32_t i = 0; type == EDN_LINK_REVOKE_ROTATE && i < b->revoked_n; i++) {
        uint32_t cuts_n;
        edn_device_id id = edn_revoked_next(&r, &cuts_n);
        (void)edn_read_bytes(&r, (size_t)cuts_n * CUT_SIZE, "cuts"); /* not needed for this */
        if (!person || edn_devlog_membership(log, &id) != person)
            return false;
    }
    return true;
}

static bool keys_valid(edn_link_type type, const link_body *b)
{
    switch (type) {
    case EDN_LINK_GENESIS:
        return edn_sign_pk_valid(&b->aik) && edn_sign_pk_valid(&b->cert.sign) && edn_dh_pk_valid(&b->cert.enc) &&
               edn_dh_pk_valid(&b->aek);
    case EDN_LINK_ADD_DEVICE:
        return edn_sign_pk_valid(&b->cert.sign) && edn_dh_pk_valid(&b->cert.enc);
    case EDN_LINK_REVOKE_ROTATE:
        return edn_dh_pk_valid(&b->aek);
    case EDN_LINK_SET_KDF:
        return edn_sign_pk_valid(&b->login);
    case EDN_LINK_ROTATE_AIK:
        return edn_sign_pk_valid(&b->aik);
    default:
        return true;
    }
}

/* The proof that whoever asks for a key to be believed holds it. */
static bool proof_valid(const edn_devlog *log, const link_form *f, const link_body *b)
{
    const edn_link_info *i = &f->info;

    switch ((edn_link_type)f->type) {
    case EDN_LINK_GENESIS:
        return edn_link_pop_verify(&b->proof, &i->prev, i->seq, &i->signer, &b->aik, b->cert_bytes, &b->cert.sign);
    case EDN_LINK_ADD_DEVICE:
        return edn_link_pop_verify(&b->proof, &i->prev, i->seq, &i->signer, &log->aik, b->cert_bytes, &b->cert.sign);
    case EDN_LINK_ROTATE_AIK:
        return edn_verify_checked_t(&b->proof, &b->aik, EDN_LABEL_SIG_AIK, EDN_F(i->prev), EDN_F_U64(i->seq),
                                    EDN_F(log->account), EDN_F(b->aik));
    default:
        return true;
    }
}

/* Every device in the list is active, and none is there twice: the second time it would not be active any more. */
static bool revoked_are_active(const edn_devlog *log, const link_body *b)
{
    edn_reader r = edn_reader_init(b->revoked);
    edn_device_id seen[EDN_SPACE_KEYS_MAX];

    if (b->revoked_n > log->active_n)
        return false;
    for (uint32_t i = 0; i < b->revoked_n; i++) {
        uint32_t cuts_n;
        const device_row *row;
        seen[i] = edn_revoked_next(&r, &cuts_n);
        (void)edn_read_bytes(&r, (size_t)cuts_n * CUT_SIZE, "cuts"); /* not needed for this */
        row = row_find(log, &seen[i]);
        if (!row || !edn_device_active(&row->device))
            return false;
        for (uint32_t k = 0; k < i; k++)
            if (memcmp(seen[k].b, seen[i].b, sizeof seen[i].b) == 0)
                return false;
    }
    return true;
}

static edn_pin *base_find(const edn_devlog *log, const edn_device_id *id, const edn_space_id *space)
{
    for (size_t i = 0; i < log->bases_n; i++)
        if (memcmp(log->bases[i].device.b, id->b, sizeof id->b) == 0 &&
            memcmp(log->bases[i].space.b, space->b, sizeof space->b) == 0)
            return &log->bases[i];
    return NULL;
}

/* Devices that there are, the present epoch, and no base that falls, or moves without rising. */
static edn_status bases_check(const edn_devlog *log, const link_body *b)
{
    edn_reader r = edn_reader_init(b->pins);

    for (uint32_t i = 0; i < b->pins_n; i++) {
        edn_pin p = edn_pin_next(&r);
        if (!row_find(log, &p.device))
            return EDN_E_DEVICE_UNKNOWN;
    }
    if (b->epoch != log->epoch)
        return EDN_E_EPOCH;
    r = edn_reader_init(b->pins);
    for (uint32_t i = 0; i < b->pins_n; i++) {
        edn_pin p = edn_pin_next(&r);
        const edn_pin *held = base_find(log, &p.device, &p.space);
        if (held &&
            (p.dseq < held->dseq || (p.dseq == held->dseq && memcmp(p.hash.b, held->hash.b, sizeof p.hash.b) != 0)))
            return EDN_E_POLICY;
    }
    return EDN_OK;
}

/* What a body may say here; signatures apart. */
static edn_status check_meaning(const edn_devlog *log, edn_link_type type, const link_body *b)
{
    switch (type) {
    case EDN_LINK_ADD_DEVICE:
        return log->active_n >= edn_log_kind(log->space)->active_max ? EDN_E_LIMIT : EDN_OK;
    case EDN_LINK_REVOKE_ROTATE:
        if (!revoked_are_active(log, b))
            return EDN_E_DEVICE_UNKNOWN;
        return b->epoch == log->epoch + 1 && b->epoch != 0 ? EDN_OK : EDN_E_EPOCH;
    case EDN_LINK_SET_POLICY:
        if (b->suite_min < log->suite_min || b->kdf_floor < log->kdf_floor || (log->flags & ~b->flags))
            return EDN_E_POLICY;
        return EDN_OK;
    case EDN_LINK_RESEAL:
        return bases_check(log, b);
    default:
        return EDN_OK;
    }
}

/* All of SECURITY 2.6, in its order. Trusted: all but arithmetic on curves. */
static edn_status link_check(const edn_devlog *log, const link_form *f, link_body *b, edn_device_id *added,
                             bool trusted)
{
    edn_link_type type;
    const device_row *row;
    edn_sign_pk pk;
    edn_status st;

    if ((st = check_place(log, f)) != EDN_OK || (st = find_signer(log, f, &row, &pk)) != EDN_OK)
        return st;
    type = (edn_link_type)f->type;
    if (!trusted && !edn_verify_checked_t(&f->signature, &pk, edn_log_kind(f->info.space)->sig_label, f->signed_bytes))
        return EDN_E_SIG;
    if (!signer_may(f, row))
        return EDN_E_CAP;
    if ((st = edn_link_body_read(type, &f->info, b)) != EDN_OK)
        return st;
    if (!member_may(log, type, b, row))
        return EDN_E_CAP;
    if (!trusted && !keys_valid(type, b))
        return EDN_E_KEY_INVALID;
    if (type == EDN_LINK_GENESIS || type == EDN_LINK_ADD_DEVICE) {
        *added = edn_device_id_of(&b->cert.sign, &b->cert.enc);
        if (row_find(log, added))
            return EDN_E_DUP_DEVICE;
    }
    if (!trusted && !proof_valid(log, f, b))
        return EDN_E_POP;
    return check_meaning(log, type, b);
}

/* ---- apply ------------------------------------------------------------------------------------------------------- */

static void device_add(edn_devlog *log, const edn_device_id *id, const link_form *f, const edn_cert *cert)
{
    size_t at = id_position(log, id);
    device_row *row = &log->devices[log->devices_n];
    const device_row *parent = row_find(log, &f->info.signer);

    memset(row, 0, sizeof *row);
    row->parent = parent ? (uint32_t)(parent - log->devices) : ROW_NONE;
    row->device.id = *id;
    row->device.cert = *cert;
    row->device.added_seq = f->info.seq;
    row->device.added_time_ms = f->info.time_ms;
    row->device.added_by = f->info.signer;
    row->device.revoked_seq = UINT64_MAX;
    memmove(log->by_id + at + 1, log->by_id + at, (log->devices_n - at) * sizeof *log->by_id);
    log->by_id[at] = (uint32_t)log->devices_n;
    log->devices_n++;
    log->active_n++;
}

static void devices_revoke(edn_devlog *log, const link_form *f, const link_body *b)
{
    edn_reader r = edn_reader_init(b->revoked);

    for (uint32_t i = 0; i < b->revoked_n; i++) {
        uint32_t n;
        edn_device_id id = edn_revoked_next(&r, &n);
        device_row *row = row_find(log, &id);
        row->device.revoked_seq = f->info.seq;
        row->cuts_at = log->cuts_n;
        row->cuts_n = n;
        for (uint32_t k = 0; k < n; k++)
            log->cuts[log->cuts_n++] = edn_cut_next(&r);
        log->active_n--;
    }
}

static void pins_set(edn_devlog *log, const link_body *b)
{
    edn_reader r = edn_reader_init(b->pins);

    for (uint32_t i = 0; i < b->pins_n; i++)
        log->pins[i] = edn_pin_next(&r);
    log->pins_n = b->pins_n;
}

static void bases_raise(edn_devlog *log, const link_form *f, const link_body *b)
{
    edn_reader r = edn_reader_init(b->pins);

    for (uint32_t i = 0; i < b->pins_n; i++) {
        edn_pin p = edn_pin_next(&r), *held = base_find(log, &p.device, &p.space);
        if (held)
            *held = p;
        else
            log->bases[log->bases_n++] = p;
    }
    log->reseal_seq = f->info.seq;
    log->reseal_epoch = b->epoch;
}

static void link_apply(edn_devlog *log, edn_bytes link, const link_form *f, const link_body *b,
                       const edn_device_id *added)
{
    edn_hash hash = edn_link_hash(link);

    log->hashes[log->count] = hash;
    switch ((edn_link_type)f->type) {
    case EDN_LINK_GENESIS:
        memcpy(log->account.b, hash.b, sizeof hash.b);
        log->space = f->info.space;
        log->aik = b->aik;
        log->aek = b->aek;
        log->grants_hash = b->grants_hash;
        device_add(log, added, f, &b->cert);
        break;
    case EDN_LINK_ADD_DEVICE:
        log->grants_hash = b->grants_hash;
        device_add(log, added, f, &b->cert);
        break;
    case EDN_LINK_REVOKE_ROTATE:
        devices_revoke(log, f, b);
        log->epoch = b->epoch;
        log->aek = b->aek;
        log->grants_hash = b->grants_hash;
        break;
    case EDN_LINK_SET_KDF:
        log->has_kdf = true;
        log->kdf_hash = b->kdf_hash;
        log->root_box_hash = b->root_box_hash;
        log->login = b->login;
        break;
    case EDN_LINK_CHECKPOINT:
        pins_set(log, b);
        break;
    case EDN_LINK_SET_POLICY:
        log->suite_min = b->suite_min;
        log->kdf_floor = b->kdf_floor;
        log->flags = b->flags;
        break;
    case EDN_LINK_ROTATE_AIK:
        log->aik = b->aik;
        break;
    case EDN_LINK_RESEAL:
        bases_raise(log, f, b);
        break;
    case EDN_LINK_SET_RECOVERY: /* its readers peek the link */
    default:
        break;
    }
    log->count++;
}

static edn_status append(edn_devlog *log, edn_bytes link, bool trusted)
{
    link_form f;
    link_body b;
    edn_device_id added;
    edn_status st;

    if ((st = edn_link_form_read(link, &f)) != EDN_OK || (st = link_check(log, &f, &b, &added, trusted)) != EDN_OK)
        return st;
    if (log->count >= EDN_LINKS_MAX)
        return EDN_E_LIMIT;
    if (!edn_devlog_reserve(log, b.cuts_n, b.pins_n, f.type == EDN_LINK_RESEAL ? b.pins_n : 0))
        return EDN_E_NOMEM;
    link_apply(log, link, &f, &b, &added);
    return EDN_OK;
}

edn_status edn_devlog_append(edn_devlog *log, edn_bytes link) { return append(log, link, false); }
edn_status edn_devlog_append_trusted(edn_devlog *log, edn_bytes link) { return append(log, link, true); }

/* ---- questions --------------------------------------------------------------------------------------------------- */

uint64_t edn_devlog_count(const edn_devlog *log) { return log->count; }
bool edn_devlog_is_space(const edn_devlog *log) { return log->space; }
edn_account_id edn_devlog_account(const edn_devlog *log) { return log->account; }

edn_hash edn_devlog_head(const edn_devlog *log)
{
    EDN_ASSERT(log->count > 0);
    return log->hashes[log->count - 1];
}

bool edn_devlog_hash_at(const edn_devlog *log, uint64_t seq, edn_hash *out)
{
    if (seq >= log->count) {
        memset(out, 0, sizeof *out);
        return false;
    }
    *out = log->hashes[seq];
    return true;
}

uint32_t edn_devlog_epoch(const edn_devlog *log) { return log->epoch; }
edn_sign_pk edn_devlog_aik(const edn_devlog *log) { return log->aik; }
edn_dh_pk edn_devlog_aek(const edn_devlog *log) { return log->aek; }

uint32_t edn_role_caps(edn_role role)
{
    switch (role) {
    case EDN_ROLE_READ:
        return EDN_CAP_MEMBER | EDN_CAP_READ;
    case EDN_ROLE_WRITE:
        return EDN_CAP_MEMBER | EDN_CAP_READ | EDN_CAP_WRITE;
    case EDN_ROLE_OWNER:
        return EDN_CAP_MEMBER | EDN_CAP_READ | EDN_CAP_WRITE | EDN_CAP_ADMIN;
    }
    return 0;
}

const edn_device *edn_devlog_membership(const edn_devlog *log, const edn_device_id *id)
{
    const device_row *row = row_find(log, id);

    while (row) {
        const device_row *parent = row->parent == ROW_NONE ? NULL : &log->devices[row->parent];
        if ((row->device.cert.caps & EDN_CAP_MEMBER) && (!parent || (parent->device.cert.caps & EDN_CAP_ADMIN)))
            return &row->device;
        row = parent;
    }
    return NULL;
}

bool edn_devlog_kdf(const edn_devlog *log, edn_hash *kdf_hash, edn_hash *root_box_hash, edn_sign_pk *login)
{
    *kdf_hash = log->kdf_hash;
    *root_box_hash = log->root_box_hash;
    *login = log->login;
    return log->has_kdf;
}

edn_hash edn_devlog_grants_hash(const edn_devlog *log) { return log->grants_hash; }
uint16_t edn_devlog_suite_min(const edn_devlog *log) { return log->suite_min; }
uint8_t edn_devlog_kdf_floor(const edn_devlog *log) { return log->kdf_floor; }

size_t edn_devlog_checkpoint(const edn_devlog *log, const edn_pin **pins)
{
    *pins = log->pins;
    return log->pins_n;
}

void edn_devlog_base(const edn_devlog *log, const edn_device_id *id, const edn_space_id *space, uint64_t *dseq,
                     edn_hash *hash)
{
    const edn_pin *base = base_find(log, id, space);

    *dseq = base ? base->dseq : 0;
    *hash = base ? base->hash : (edn_hash){{0}};
}

size_t edn_devlog_bases(const edn_devlog *log, const edn_pin **bases)
{
    *bases = log->bases;
    return log->bases_n;
}

uint32_t edn_devlog_epoch_min(const edn_devlog *log, uint64_t log_seq)
{
    return log->reseal_seq && log_seq >= log->reseal_seq ? log->reseal_epoch : 0;
}
