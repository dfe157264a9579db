/* Root keys that the log speaks of and that are not here yet. One box at a time, each from the server by the hash that
 * the log names:
 *
 *     newer    a device that was here when the root key changed: its own grant, by the root key of the epoch before,
 *              upwards from the newest one that it has
 *     older    a device that joined later: the box of the epoch before, by the root key of the epoch after, downwards
 *
 * META "roots-complete": u32, the epoch up to which none is missing. */
#include "client/account/account_priv.h"

/* What is to be fetched next. */
typedef struct wanted {
    bool newer;
    uint32_t epoch; /* of the root key that the box gives */
    edn_link_info link;
    edn_rotation rotation; /* the link that made `epoch` (newer), or the epoch after it (older) */
    edn_hash box;
} wanted;

/* What is damaged is not here. EDN_E_NOMEM, EDN_E_IO, … tell nothing. */
static edn_status has_root(edn_client *c, uint32_t epoch, bool *out)
{
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    edn_status st = keys_root(c, epoch, &rk);

    *out = st == EDN_OK;
    return st == EDN_E_MISSING || st == EDN_E_DAMAGED ? EDN_OK : st;
}

edn_status roots_behind(edn_client *c, bool *out)
{
    bool has;
    edn_status st = has_root(c, edn_devlog_epoch(c->log), &has);

    *out = st == EDN_OK && !has;
    return st;
}

static edn_status complete_to(edn_client *c, uint32_t *epoch)
{
    edn_buf row = EDN_BUF_INIT(16);
    edn_status st = meta_get(c, "roots-complete", EDN_BYTES_EMPTY, &row);

    *epoch = st == EDN_OK && row.n == 4 ? edn_load_u32(row.p) : 0;
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

bool roots_incomplete(edn_client *c)
{
    uint32_t epoch;

    return complete_to(c, &epoch) == EDN_OK && epoch != edn_devlog_epoch(c->log);
}

/* The link that made an epoch. Each epoch has one, so the search goes from the newest backwards. */
static edn_status rotation_of(edn_client *c, uint32_t epoch, edn_buf *link, wanted *out)
{
    edn_status st = EDN_OK;

    for (uint64_t seq = edn_devlog_count(c->log); seq-- > 0;) {
        edn_buf_reset(link);
        if ((st = link_load(c, seq, link)) != EDN_OK)
            return st;
        st = edn_link_rotation(edn_buf_view(link), &out->rotation);
        if (st == EDN_OK && out->rotation.epoch == epoch)
            return edn_link_peek(edn_buf_view(link), &out->link);
        if (st != EDN_OK && st != EDN_E_TYPE)
            return EDN_E_DAMAGED;
    }
    return EDN_E_DAMAGED;
}

/* EDN_E_MISSING: nothing is wanted. */
static edn_status want(edn_client *c, wanted *out)
{
    uint32_t newest = edn_devlog_epoch(c->log), e = newest, complete;
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_status st = complete_to(c, &complete);

    memset(out, 0, sizeof *out);
    if (st == EDN_OK && complete == newest)
        st = EDN_E_MISSING;
    if (st != EDN_OK)
        return st;
    if ((st = roots_behind(c, &out->newer)) != EDN_OK)
        return st;
    while (e > 0) {
        bool has;
        if ((st = has_root(c, e - 1, &has)) != EDN_OK)
            return st;
        if (has == out->newer)
            break;
        e--;
    }
    if (e == 0 && !out->newer)
        return EDN_E_MISSING;
    if (e == 0)
        return EDN_E_DAMAGED; /* a device without any root key */
    out->epoch = out->newer ? e : e - 1;
    st = rotation_of(c, e, &link, out);
    out->box = out->newer ? out->rotation.grants_hash : out->rotation.prev_box_hash;
    edn_buf_dispose(&link);
    return st;
}

/* Whether a new root key is the one that the log means: nobody else can have made its AEK. */
static bool fits_the_log(edn_client *c, const wanted *w, const edn_root_key *rk)
{
    EDN_SECRET(edn_dh_sk) sk = EDN_KEY_EMPTY;
    edn_dh_pk aek;

    edn_aek_of(&sk, rk, &client_id(c)->account, w->epoch);
    edn_dh_keypair(&sk, &aek);
    return memcmp(aek.b, w->rotation.aek.b, sizeof aek.b) == 0;
}

static edn_status open_newer(edn_client *c, const wanted *w, edn_bytes box, edn_root_key *out)
{
    const identity *id = client_id(c);
    edn_grant_context cx = {.account = id->account,
                            .recipient = id->device,
                            .epoch = w->epoch,
                            .purpose = EDN_GRANT_ROOT,
                            .link_seq = w->link.seq,
                            .prev = w->link.prev};
    EDN_SECRET(edn_root_key) before = EDN_KEY_EMPTY;
    edn_status st = keys_root(c, w->epoch - 1, &before);

    if (st == EDN_OK)
        st = edn_rotation_grant_open(&cx, &id->enc_sk, box, &before, out);
    return st == EDN_OK && !fits_the_log(c, w, out) ? EDN_E_AUTH : st;
}

static edn_status open_older(edn_client *c, const wanted *w, edn_bytes box, edn_root_key *out)
{
    EDN_SECRET(edn_root_key) after = EDN_KEY_EMPTY;
    edn_status st = keys_root(c, w->epoch + 1, &after);

    return st == EDN_OK ? edn_prev_box_open(&after, &client_id(c)->account, w->epoch + 1, box, out) : st;
}

static edn_status take(edn_client *c, const wanted *w, edn_bytes box, edn_err *err)
{
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    edn_status st = w->newer ? open_newer(c, w, box, &rk) : open_older(c, w, box, &rk);

    if (st == EDN_E_MISSING || st == EDN_E_AUTH || st == EDN_E_FORMAT)
        return edn_fail(err, st,
                        "the account's keys were changed (epoch %u), and this device was given none that opens; "
                        "nothing more is read or sent here. Ask at the device that made the change",
                        (unsigned)w->epoch);
    if (st == EDN_OK)
        st = box_save(c, box);
    return st == EDN_OK ? keys_root_save(c, w->epoch, &rk) : st;
}

static edn_status note_complete(edn_client *c, edn_err *err)
{
    uint32_t epoch;
    edn_status st = client_begin_read(c, err);

    if (st == EDN_OK)
        st = client_end_read(c, complete_to(c, &epoch), err);
    if (st != EDN_OK || epoch == edn_devlog_epoch(c->log) || (st = client_begin_write(c, err)) != EDN_OK)
        return st;
    return client_end_write(c, meta_put(c, "roots-complete", EDN_BYTES_EMPTY, EDN_F_U32(edn_devlog_epoch(c->log))),
                            err);
}

edn_status roots_fetch(edn_client *c, const char *token, bool *changed, edn_err *err)
{
    edn_buf box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_status st = EDN_OK, found;
    wanted w;

    *changed = false;
    while (st == EDN_OK) {
        if ((st = client_begin_read(c, err)) != EDN_OK)
            break;
        found = want(c, &w);
        if ((st = client_end_read(c, found == EDN_E_MISSING ? EDN_OK : found, err)) != EDN_OK || found != EDN_OK)
            break;
        edn_buf_reset(&box);
        if ((st = account_fetch_box(c, client_id(c)->server, token, &w.box, &box, err)) == EDN_OK &&
            (st = client_begin_write(c, err)) == EDN_OK)
            st = client_end_write(c, take(c, &w, edn_buf_view(&box), err), err);
        *changed |= st == EDN_OK;
    }
    edn_buf_dispose(&box);
    return st == EDN_OK ? note_complete(c, err) : st;
}
