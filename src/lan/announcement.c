/* What a host tells its network once a second:
 *
 *     0    4   "EDNl"
 *     4    1   version 1
 *     5   16   tag
 *     21   2   TCP port, not 0
 *
 * The address is the sender's. There is nothing else in it: no name, no account, no device. */
#include "lan_priv.h"

#define VERSION 1u

static const uint8_t magic[4] = {'E', 'D', 'N', 'l'};

void lan_announcement_encode(uint8_t out[LAN_ANNOUNCEMENT_SIZE], const lan_announcement *a)
{
    memcpy(out, magic, sizeof magic);
    out[4] = VERSION;
    memcpy(out + 5, a->tag, sizeof a->tag);
    edn_store_u16(out + 21, a->port);
}

edn_status lan_announcement_decode(edn_bytes in, lan_announcement *out)
{
    edn_reader r = edn_reader_init(in);
    uint8_t begins[sizeof magic];

    memset(out, 0, sizeof *out);
    edn_read_into(&r, begins, sizeof begins, "magic");
    if (memcmp(begins, magic, sizeof magic) != 0)
        edn_reader_fail(&r, EDN_E_FORMAT, "magic");
    if (edn_read_u8(&r, "version") != VERSION)
        edn_reader_fail(&r, EDN_E_FORMAT, "version");
    edn_read_into(&r, out->tag, sizeof out->tag, "tag");
    if ((out->port = edn_read_u16(&r, "port")) == 0)
        edn_reader_fail(&r, EDN_E_FORMAT, "port");
    return edn_reader_end(&r);
}
