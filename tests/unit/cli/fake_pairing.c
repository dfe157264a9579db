/* The other side of edn_pair_*, pretended: it comes to comparing digits and then to its end. */
#include "cli/fake_client.h"

#include <edn/pairing.h>

#include "base/base.h"

struct edn_pair {
    bool told, same;
};
static struct edn_pair pair;
static char client_here;

edn_status edn_pair_link(const edn_client_options *options, const edn_pair_link_options *link, edn_bytes passphrase,
                         edn_pair **out, edn_err *err)
{
    (void)options;
    (void)link;
    (void)passphrase;
    *out = NULL;
    if (fake.fail != EDN_OK)
        return edn_fail(err, fake.fail, "it failed as it was told");
    pair = (struct edn_pair){false, false};
    *out = &pair;
    return EDN_OK;
}

edn_status edn_pair_approve(edn_client *c, edn_bytes shown, const edn_pair_way *way, edn_pair **out, edn_err *err)
{
    (void)c;
    (void)way;
    *out = NULL;
    if (!edn_bytes_equal(shown, edn_bytes_str("K7Q4-0W4G-P38F")))
        return edn_fail(err, EDN_E_INVALID, "that is no code of a new device");
    pair = (struct edn_pair){false, false};
    *out = &pair;
    return EDN_OK;
}

void edn_pair_free(edn_pair *p) { (void)p; }

edn_status edn_pair_step(edn_pair *p, edn_pair_state *out, edn_err *err)
{
    (void)err;
    *out = p->told ? EDN_PAIR_DONE : EDN_PAIR_COMPARE;
    return EDN_OK;
}

edn_status edn_pair_compared(edn_pair *p, bool same, edn_err *err)
{
    p->told = true;
    return same ? EDN_OK : edn_fail(err, EDN_E_CANCELLED, "the digits differ");
}

const char *edn_pair_offer(const edn_pair *p) { return p ? "04000G" : ""; }
const char *edn_pair_code(const edn_pair *p) { return p ? "K7Q4-0W4G-P38F" : ""; }
const char *edn_pair_addresses(const edn_pair *p) { return p ? "192.168.1.7:40123" : ""; }
const char *edn_pair_digits(const edn_pair *p) { return p ? "012345" : ""; }
const char *edn_pair_device(const edn_pair *p) { return p ? "attic\x1b" : ""; }
edn_client *edn_pair_take(edn_pair *p)
{
    (void)p;
    fake.there = fake.unlocked = true;
    return (edn_client *)(void *)&client_here;
}
