/* The device log in plain words, and comparing it with another device's.
 *
 * META "log-told": u64, up to which link the person has been told what changed.
 * META "log-own" with salt u64 sequence number: empty; a link by the account's own key which this device made. */
#include <edn/account.h>
#include <stdio.h>

#include "keys/pairing.h"
#include "client/recovery/recovery_priv.h"

#define CHANGE_TEXT_SIZE_MAX ((size_t)16 << 10)

/* ---- words ------------------------------------------------------------------------------------------------------- */

static void put_id(edn_buf *out, const edn_device_id *id)
{
    char hex[33];

    edn_hex_encode(hex, id->b, sizeof id->b);
    edn_put_bytes(out, (const uint8_t *)hex, 8);
}

/* "attic" (0a1b2c3d), or the id alone. */
static edn_status put_device(edn_client *c, const edn_device_id *id, edn_buf *out)
{
    edn_buf name = EDN_BUF_INIT(4096);
    edn_status st = device_name(c, id, &name);

    if (st == EDN_OK) {
        edn_put_str(out, "\"");
        edn_put_bytes(out, name.p, name.n);
        edn_put_str(out, "\" (");
        put_id(out, id);
        edn_put_str(out, ")");
    } else if (st == EDN_E_MISSING) {
        edn_put_str(out, "device ");
        put_id(out, id);
        st = EDN_OK;
    }
    edn_buf_dispose(&name);
    return st;
}

static bool by_aik(const edn_link_info *info)
{
    static const edn_device_id aik;

    return memcmp(info->signer.b, aik.b, sizeof aik.b) == 0;
}

static edn_status put_by(edn_client *c, const edn_link_info *info, edn_buf *out)
{
    if (by_aik(info)) {
        edn_put_str(out, "with the account's own key (by somebody with the passphrase and the account key, or with "
                         "enough recovery shares)");
        return EDN_OK;
    }
    edn_put_str(out, "by ");
    return put_device(c, &info->signer, out);
}

/* The devices that link `seq` added or revoked, with "and" between them; *n how many. */
static edn_status put_devices(edn_client *c, uint64_t seq, bool added, edn_buf *out, size_t *n)
{
    const edn_device *d;
    edn_status st = EDN_OK;

    *n = 0;
    for (size_t i = 0; st == EDN_OK && (d = edn_devlog_device(c->log, i)) != NULL; i++) {
        if ((added ? d->added_seq : d->revoked_seq) != seq)
            continue;
        if ((*n)++)
            edn_put_str(out, " and ");
        st = put_device(c, &d->id, out);
    }
    return st;
}

static edn_status put_revoke(edn_client *c, const edn_link_info *info, edn_account_change *change, edn_buf *out)
{
    size_t n;
    edn_status st = put_devices(c, info->seq, false, out, &n);

    change->type = n ? "revoke" : "rotate";
    edn_put_str(out, n == 0   ? "All keys were made anew "
                     : n == 1 ? " was revoked, and all keys were made anew for the others, "
                              : " were revoked, and all keys were made anew for the others, ");
    return st == EDN_OK ? put_by(c, info, out) : st;
}

static edn_status put_recovery(edn_client *c, const edn_link_info *info, edn_bytes link, edn_buf *out)
{
    edn_recovery_set set;
    char text[120];

    if (edn_link_recovery(link, &set) != EDN_OK)
        return EDN_E_DAMAGED;
    snprintf(text, sizeof text, "The recovery shares were made anew (%u of %u recover the account) ", set.needed,
             set.n);
    edn_put_str(out, text);
    return put_by(c, info, out);
}

static edn_status put_change(edn_client *c, const edn_link_info *info, edn_bytes link, edn_account_change *change,
                             edn_buf *out)
{
    size_t n;
    edn_status st;

    switch (info->type) {
    case EDN_LINK_GENESIS:
        change->type = "genesis";
        edn_put_str(out, "The account was made, with its first device ");
        return put_devices(c, info->seq, true, out, &n);
    case EDN_LINK_ADD_DEVICE:
        change->type = "add";
        if ((st = put_devices(c, info->seq, true, out, &n)) != EDN_OK)
            return st;
        edn_put_str(out, " was added ");
        return put_by(c, info, out);
    case EDN_LINK_REVOKE_ROTATE:
        return put_revoke(c, info, change, out);
    case EDN_LINK_SET_KDF:
        change->type = "passphrase";
        edn_put_str(out, "The lock of the account (passphrase, its strength or the account key) was set ");
        return put_by(c, info, out);
    case EDN_LINK_SET_RECOVERY:
        change->type = "recovery";
        return put_recovery(c, info, link, out);
    case EDN_LINK_CHECKPOINT:
        change->type = "checkpoint";
        edn_put_str(out, "How far every device had come was noted ");
        return put_by(c, info, out);
    case EDN_LINK_SET_POLICY:
        change->type = "policy";
        edn_put_str(out, "What the account accepts was made stricter ");
        return put_by(c, info, out);
    case EDN_LINK_ROTATE_AIK:
        change->type = "key";
        edn_put_str(out, "The account's own key was replaced");
        return EDN_OK;
    case EDN_LINK_RESEAL:
        change->type = "reseal";
        edn_put_str(out, "All that was there was sealed again under new keys, and the old batches were let go, ");
        return put_by(c, info, out);
    }
    return EDN_E_DAMAGED;
}

/* ---- walking ----------------------------------------------------------------------------------------------------- */

typedef struct walk {
    edn_account_change_fn *fn;
    void *ctx;
    bool others; /* only what other devices did */
} walk;

edn_status log_own_mark(edn_client *c, const edn_link_info *info)
{
    return by_aik(info) ? meta_put(c, "log-own", EDN_F_U64(info->seq), EDN_BYTES_EMPTY) : EDN_OK;
}

/* Whether this device made the link. */
static edn_status is_own(edn_client *c, const edn_link_info *info, bool *out)
{
    edn_buf none = EDN_BUF_INIT(16);
    edn_status st = EDN_OK;

    *out = memcmp(info->signer.b, client_id(c)->device.b, sizeof info->signer.b) == 0;
    if (by_aik(info))
        *out = (st = meta_get(c, "log-own", EDN_F_U64(info->seq), &none)) == EDN_OK;
    edn_buf_dispose(&none);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status tell(edn_client *c, uint64_t seq, const walk *w)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), text = EDN_BUF_INIT(CHANGE_TEXT_SIZE_MAX);
    edn_account_change change = {.seq = seq};
    edn_link_info info;
    bool own = false;
    edn_status st = link_load(c, seq, &link);

    if (st == EDN_OK && edn_link_peek(edn_buf_view(&link), &info) != EDN_OK)
        st = EDN_E_DAMAGED;
    if (st == EDN_OK && w->others)
        st = is_own(c, &info, &own);
    if (own)
        goto out;
    if (st == EDN_OK)
        st = put_change(c, &info, edn_buf_view(&link), &change, &text);
    if (st == EDN_OK)
        st = edn_buf_status(&text);
    if (st != EDN_OK)
        goto out;
    change.time_ms = info.time_ms;
    if (!by_aik(&info))
        edn_hex_encode(change.by, info.signer.b, sizeof info.signer.b);
    change.text = edn_buf_view(&text);
    st = w->fn(w->ctx, &change);
out:
    edn_buf_dispose(&link);
    edn_buf_dispose(&text);
    return st;
}

static edn_status tell_held_line(edn_client *c, const char *type, const edn_recovery_wait *wait, const walk *w)
{
    edn_buf text = EDN_BUF_INIT(CHANGE_TEXT_SIZE_MAX);
    edn_account_change change = {.seq = UINT64_MAX, .time_ms = wait->asked_ms, .type = type};
    edn_device_id by = {{0}};
    edn_status st = EDN_OK;

    if (wait->state == EDN_RECOVERY_CANCELLED) {
        memcpy(change.by, wait->by, sizeof change.by);
        change.time_ms = wait->cancelled_ms;
        if (!edn_hex_decode(by.b, sizeof by.b, edn_bytes_str(wait->by)))
            return EDN_E_DAMAGED;
        edn_put_str(&text, "The recovery of the account that somebody with one of the shares had asked for was "
                           "cancelled by ");
        st = put_device(c, &by, &text);
    } else {
        change.until_ms = wait->ready_ms;
        edn_put_str(&text, "Somebody with one of the recovery shares asked to recover the account");
    }
    change.text = edn_buf_view(&text);
    if (st == EDN_OK && (st = edn_buf_status(&text)) == EDN_OK)
        st = w->fn(w->ctx, &change);
    edn_buf_dispose(&text);
    return st;
}

/* The recovery that waits, or was cancelled: to others, once, and not what this device did. */
static edn_status tell_held(edn_client *c, const walk *w)
{
    edn_recovery_wait wait;
    bool told;
    edn_status st = held_wait(c, &wait, &told);

    if (st != EDN_OK || wait.state == EDN_RECOVERY_NONE || (w->others && told))
        return st;
    return tell_held_line(c, wait.state == EDN_RECOVERY_CANCELLED ? "recovery-cancelled" : "recovery-asked", &wait, w);
}

static edn_status tell_from(edn_client *c, uint64_t seq, const walk *w)
{
    edn_status st = EDN_OK;

    for (; st == EDN_OK && seq < edn_devlog_count(c->log); seq++)
        st = tell(c, seq, w);
    return st == EDN_OK ? tell_held(c, w) : st;
}

edn_status edn_client_log(edn_client *c, edn_account_change_fn *fn, void *ctx, edn_err *err)
{
    walk w = {fn, ctx, false};
    edn_status st = client_begin_read(c, err);

    return st == EDN_OK ? client_end_read(c, tell_from(c, 0, &w), err) : st;
}

/* ---- news -------------------------------------------------------------------------------------------------------- */

edn_status log_told_save(edn_client *c, uint64_t count)
{
    return meta_put(c, "log-told", EDN_BYTES_EMPTY, EDN_F_U64(count));
}

/* A home that is older than this row has been told all. */
static edn_status log_told_load(edn_client *c, uint64_t *out)
{
    edn_buf row = EDN_BUF_INIT(16);
    edn_status st = meta_get(c, "log-told", EDN_BYTES_EMPTY, &row);

    if (st == EDN_OK && row.n != 8)
        st = EDN_E_DAMAGED;
    *out = st == EDN_OK ? edn_load_u64(row.p) : edn_devlog_count(c->log);
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status edn_client_log_news(edn_client *c, edn_account_change_fn *fn, void *ctx, edn_err *err)
{
    walk w = {fn, ctx, true};
    uint64_t told = 0, count = 0;
    bool held_was_told = true;
    edn_recovery_wait wait = {.state = EDN_RECOVERY_NONE};
    edn_status st = client_begin_read(c, err);

    if (st == EDN_OK) {
        count = edn_devlog_count(c->log);
        if ((st = log_told_load(c, &told)) == EDN_OK && (st = held_wait(c, &wait, &held_was_told)) == EDN_OK)
            st = tell_from(c, told, &w);
        held_was_told |= wait.state == EDN_RECOVERY_NONE;
        st = client_end_read(c, st, err);
    }
    if (st != EDN_OK || (told >= count && held_was_told) || (st = client_begin_write(c, err)) != EDN_OK)
        return st;
    if ((st = log_told_save(c, count)) == EDN_OK)
        st = held_told(c);
    return client_end_write(c, st, err);
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

/* "EDN1" ‖ account id ‖ u64 links ‖ hash of the last, in capital hexadecimal. */
#define TEXT_MARK "EDN1"
enum { TEXT_BYTES = 32 + 8 + 32 };

edn_status edn_client_head(edn_client *c, edn_head_shown *out, edn_err *err)
{
    uint8_t bytes[TEXT_BYTES];
    char hex[2 * TEXT_BYTES + 1];
    edn_hash head;
    edn_status st = client_begin_read(c, err);

    memset(out, 0, sizeof *out);
    if (st != EDN_OK)
        return st;
    out->links = edn_devlog_count(c->log);
    head = edn_devlog_head(c->log);
    edn_head_code(out->words, &client_id(c)->account, out->links - 1, &head);
    memcpy(bytes, client_id(c)->account.b, 32);
    edn_store_u64(bytes + 32, out->links);
    memcpy(bytes + 40, head.b, 32);
    edn_hex_encode(hex, bytes, sizeof bytes);
    for (char *p = hex; *p; p++)
        *p = (char)(*p >= 'a' ? *p - 'a' + 'A' : *p);
    snprintf(out->text, sizeof out->text, TEXT_MARK "%s", hex);
    return client_end_read(c, EDN_OK, err);
}

/* Lower case, one blank between words; false: not six words. */
static bool words_of(edn_bytes in, char out[EDN_HEAD_WORDS_MAX])
{
    size_t n = 0, words = 0;
    bool inside = false;

    for (size_t i = 0; i < in.n; i++) {
        uint8_t b = in.p[i];
        bool letter = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z');
        if (!letter && b != ' ' && b != '\t' && b != '\n' && b != '\r' && b != '-' && b != ',')
            return false;
        if (letter && !inside && words++ && n + 1 < EDN_HEAD_WORDS_MAX)
            out[n++] = ' ';
        inside = letter;
        if (!letter)
            continue;
        if (n + 1 >= EDN_HEAD_WORDS_MAX)
            return false;
        out[n++] = (char)(b | 0x20);
    }
    out[n] = 0;
    return words == 6;
}

static edn_head_verdict compare_words(edn_client *c, const char *words, uint64_t *links)
{
    char here[EDN_HEAD_WORDS_MAX];
    edn_hash at;

    for (uint64_t seq = edn_devlog_count(c->log); seq-- > 0;) {
        if (!edn_devlog_hash_at(c->log, seq, &at))
            break;
        edn_head_code(here, &client_id(c)->account, seq, &at);
        if (strcmp(here, words) == 0) {
            *links = seq + 1;
            return *links == edn_devlog_count(c->log) ? EDN_HEAD_SAME : EDN_HEAD_BEHIND;
        }
    }
    return EDN_HEAD_OTHER;
}

static edn_status compare_text(edn_client *c, const uint8_t bytes[TEXT_BYTES], edn_head_verdict *out, uint64_t *links,
                               edn_err *err)
{
    uint64_t n = edn_load_u64(bytes + 32);
    edn_hash at;

    if (memcmp(bytes, client_id(c)->account.b, 32) != 0)
        return edn_fail(err, EDN_E_ACCOUNT, "that is of another account");
    *links = n;
    if (n == 0 || n > edn_devlog_count(c->log)) {
        *out = n ? EDN_HEAD_AHEAD : EDN_HEAD_OTHER;
        return EDN_OK;
    }
    if (!edn_devlog_hash_at(c->log, n - 1, &at) || memcmp(at.b, bytes + 40, sizeof at.b) != 0)
        *out = EDN_HEAD_OTHER;
    else
        *out = n == edn_devlog_count(c->log) ? EDN_HEAD_SAME : EDN_HEAD_BEHIND;
    return EDN_OK;
}

static bool text_read(edn_bytes in, uint8_t bytes[TEXT_BYTES])
{
    size_t mark = sizeof TEXT_MARK - 1;
    char hex[2 * TEXT_BYTES];

    if (in.n != mark + sizeof hex || memcmp(in.p, TEXT_MARK, mark) != 0)
        return false;
    for (size_t i = 0; i < sizeof hex; i++) {
        uint8_t b = in.p[mark + i];
        hex[i] = (char)(b >= 'A' && b <= 'F' ? b - 'A' + 'a' : b);
    }
    return edn_hex_decode(bytes, TEXT_BYTES, edn_bytes_of(hex, sizeof hex));
}

static edn_status compare(edn_client *c, edn_bytes shown, edn_head_verdict *out, uint64_t *links, edn_err *err)
{
    uint8_t bytes[TEXT_BYTES];
    char words[EDN_HEAD_WORDS_MAX];

    while (shown.n && (shown.p[shown.n - 1] == '\n' || shown.p[shown.n - 1] == ' '))
        shown.n--;
    if (text_read(shown, bytes))
        return compare_text(c, bytes, out, links, err);
    if (!words_of(shown, words))
        return edn_fail(err, EDN_E_INVALID,
                        "that is neither the six words nor the QR code that 'edn device verify' shows on the other "
                        "device");
    *out = compare_words(c, words, links);
    return EDN_OK;
}

edn_status edn_client_head_compare(edn_client *c, edn_bytes shown, edn_head_verdict *out, uint64_t *links, edn_err *err)
{
    edn_status st = client_begin_read(c, err);

    *out = EDN_HEAD_OTHER;
    *links = 0;
    return st == EDN_OK ? client_end_read(c, compare(c, shown, out, links, err), err) : st;
}
