/* What an old device hands to a new one where no server stands between them: the account's log, the grants of the link
 * that added it, and the newest receipt, so that it knows what the server has signed for before it ever asked it: a
 * server that then shows less is E_ROLLBACK, one that shows another log E_FORK (A10, A11). */
#include "client/pairing/pairing_priv.h"

/* ---- the old device ---------------------------------------------------------------------------------------------- */

/* All links; false: too many. */
static edn_status links_load(edn_client *c, edn_arena *a, edn_meeting_handover *out, bool *fit)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    size_t n = edn_devlog_count(c->log);
    edn_status st = EDN_OK;

    *fit = n <= EDN_MEETING_MAIL_MAX / EDN_MSG_LINK_SIZE_MIN;
    if (*fit && !(out->links = edn_arena_calloc(a, n, sizeof *out->links)))
        st = EDN_E_NOMEM;
    for (size_t size = 0; st == EDN_OK && *fit && out->links_n < n; out->links_n++) {
        edn_buf_reset(&link);
        if ((st = link_load(c, out->links_n, &link)) != EDN_OK)
            break;
        size += link.n;
        *fit = size <= EDN_MEETING_MAIL_MAX;
        if (*fit && !edn_arena_copy(a, edn_buf_view(&link), &out->links[out->links_n]))
            st = EDN_E_NOMEM;
    }
    edn_buf_dispose(&link);
    return st;
}

static edn_status grants_load(edn_client *c, uint64_t seq, edn_arena *a, edn_meeting_handover *out)
{
    edn_buf box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_hash hashes[EDN_LINK_BOXES_MAX];
    size_t n;
    edn_status st = edn_link_boxes(out->links[seq], hashes, &n);

    if (st == EDN_OK && n == 0)
        st = EDN_E_FORMAT; /* of a link that added a device there is one */
    if (st == EDN_OK)
        st = box_load(c, &hashes[0], &box);
    if (st == EDN_OK && !edn_arena_copy(a, edn_buf_view(&box), &out->grants))
        st = EDN_E_NOMEM;
    edn_buf_dispose(&box);
    return st;
}

/* The newest receipt; false: it is not of a log that has link `seq`. */
static edn_status receipt_load(edn_client *c, uint64_t seq, edn_arena *a, edn_meeting_handover *out, bool *good)
{
    edn_sync_remote remote = {0};
    edn_status st = remote_load(c, &remote);

    *good = st == EDN_OK && remote.receipt.time_ms && remote.log_count > seq;
    if (*good) {
        out->log_count = remote.log_count;
        out->log_head = remote.log_head;
        out->receipt = remote.receipt;
        out->heads_n = remote.heads_n;
        out->heads = edn_arena_calloc(a, remote.heads_n + 1, sizeof *out->heads); /* one more: never none at all */
        if (out->heads && remote.heads_n)
            memcpy(out->heads, remote.heads, remote.heads_n * sizeof *out->heads);
        st = out->heads ? EDN_OK : EDN_E_NOMEM;
    }
    edn_sync_remote_dispose(&remote);
    return st;
}

edn_status handover_make(edn_client *c, uint64_t link_seq, edn_arena *a, edn_meeting_handover *out, bool *made)
{
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = receipt_load(c, link_seq, a, out, made)) != EDN_OK || !*made ||
        (st = links_load(c, a, out, made)) != EDN_OK || !*made)
        return st;
    return grants_load(c, link_seq, a, out);
}

/* ---- the new device ---------------------------------------------------------------------------------------------- */

static edn_status links_take(joining *j, const edn_meeting_handover *h)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < h->links_n; i++)
        if ((st = edn_devlog_append(j->log, h->links[i])) == EDN_OK)
            st = account_keep_link(&j->links_arena, &j->links, &j->links_n, &j->links_cap, h->links[i]);
    return st;
}

/* It is the account's, and has the link that added this device at its place. */
static edn_status log_check(const edn_pair *p, const joining *j)
{
    const edn_meeting_welcome *w = &p->secret->meeting.welcome;
    const edn_device *self;
    edn_account_id account;
    edn_hash at;

    if (!edn_devlog_hash_at(j->log, w->link_seq, &at))
        return EDN_E_FORMAT;
    account = edn_devlog_account(j->log);
    if (memcmp(account.b, j->e->id.account.b, sizeof account.b) != 0)
        return EDN_E_ACCOUNT;
    self = edn_devlog_device_find(j->log, &j->e->id.device);
    if (memcmp(at.b, w->link_hash.b, sizeof at.b) != 0 || !self || self->added_seq != w->link_seq)
        return EDN_E_FORMAT;
    return EDN_OK;
}

/* The server has signed for that link, and for no other log. */
static edn_status receipt_check(const edn_pair *p, const joining *j, const edn_meeting_handover *h)
{
    edn_space_id space = edn_space_personal(&j->e->id.account);
    edn_hash hash = edn_heads_hash(h->heads, h->heads_n), at;

    if (h->log_count <= p->secret->meeting.welcome.link_seq || !edn_devlog_hash_at(j->log, h->log_count - 1, &at) ||
        memcmp(at.b, h->log_head.b, sizeof at.b) != 0)
        return EDN_E_FORMAT;
    return edn_receipt_verify(&h->receipt, &space, h->log_count, &h->log_head, &hash,
                              &p->secret->meeting.account.receipt_pk)
               ? EDN_OK
               : EDN_E_SIG;
}

edn_status handover_take(edn_pair *p, joining *j, edn_err *err)
{
    const edn_meeting_handover *h = p->secret->meeting.welcome.handover;
    edn_status st;

    if ((st = links_take(j, h)) == EDN_OK && (st = log_check(p, j)) == EDN_OK)
        st = receipt_check(p, j, h);
    if (st == EDN_E_NOMEM)
        return edn_fail(err, st, "out of memory");
    if (st != EDN_OK)
        return edn_fail(err, st,
                        "what the other device handed over does not hold together (%s); nothing was written here. "
                        "Update both, and begin again ('edn device link')",
                        edn_status_name(st));
    return EDN_OK;
}
