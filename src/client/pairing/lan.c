/* A connection on the local network as a post office for two devices that meet. */
#include "client/pairing/pairing_priv.h"

#include "lan/lan.h"

static edn_status put(void *ctx, uint64_t number, edn_bytes mail, edn_err *err)
{
    return edn_lan_put(ctx, number, mail, err);
}

static edn_status get(void *ctx, uint64_t number, edn_buf *out, bool *there, edn_err *err)
{
    return edn_lan_get(ctx, number, out, there, err);
}

static void shut(void *ctx) { edn_lan_close(ctx); }

edn_status lan_post(const edn_pair_lan *lan, const edn_rendezvous_id *rendezvous, edn_pairing_side side,
                    edn_pair_post *out, edn_buf *addresses, edn_err *err)
{
    edn_lan_options o = {.address = lan->address, .port = lan->port, .at = lan->at};
    edn_lan_place place;
    edn_lan *l;
    edn_status st;

    memset(out, 0, sizeof *out);
    memcpy(place.knock, rendezvous->b, sizeof place.knock);
    edn_meeting_announce(place.tag, rendezvous);
    if (side == EDN_PAIRING_OLD)
        st = edn_lan_guest(&place, &o, &l, err);
    else
        st = edn_lan_host(&place, &o, &l, err);
    if (st != EDN_OK)
        return st;
    if (side == EDN_PAIRING_NEW)
        edn_lan_addresses(l, addresses);
    *out = (edn_pair_post){l, put, get, shut};
    return EDN_OK;
}
