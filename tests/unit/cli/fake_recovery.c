/* Recovery, pretended: two shares of one word each; and no emergency. */
#include "cli/fake_client.h"

#include <edn/emergency.h>
#include <edn/recovery.h>
#include <stdio.h>

#include "base/base.h"

struct edn_recovery {
    unsigned have;
};
static struct edn_recovery one;

edn_status edn_client_recovery_setup(edn_client *c, edn_bytes passphrase, const edn_recovery_plan *plan,
                                     edn_recovery_page_fn *fn, void *ctx, edn_err *err)
{
    edn_status st = EDN_OK;

    (void)c;
    (void)passphrase;
    for (unsigned i = 1; st == EDN_OK && i <= plan->n - plan->contacts_n; i++) {
        edn_recovery_page page = {.number = i,
                                  .n = plan->n,
                                  .needed = plan->needed,
                                  .words = "academic acid",
                                  .set = "G20R5",
                                  .account = "00",
                                  .server = "https://a.example/<b>",
                                  .name = "sam"};
        st = fn(ctx, &page);
    }
    return st == EDN_OK && fake.fail != EDN_OK ? edn_fail(err, fake.fail, "it failed as it was told") : st;
}

edn_status edn_client_recovery_info(edn_client *c, edn_recovery_info *out, edn_err *err)
{
    (void)c;
    (void)err;
    *out = (edn_recovery_info){.there = true, .current = true, .needed = 2, .n = 3, .set = "G20R5"};
    return EDN_OK;
}

edn_status edn_recovery_drill(edn_client *c, edn_recovery **out, edn_err *err)
{
    (void)c;
    (void)err;
    one = (struct edn_recovery){0};
    *out = &one;
    return EDN_OK;
}

void edn_recovery_free(edn_recovery *r) { (void)r; }

edn_status edn_recovery_add(edn_recovery *r, edn_bytes words, unsigned *have, unsigned *needed, edn_err *err)
{
    *needed = 2;
    *have = r->have;
    if (!edn_bytes_equal(words, edn_bytes_str("good")))
        return edn_fail(err, EDN_E_INVALID, "word 1 is not in the list");
    *have = ++r->have;
    return EDN_OK;
}

edn_status edn_recovery_begin(const edn_client_options *options, const char *server, const char *name, const char *set,
                              edn_recovery **out, edn_err *err)
{
    (void)options;
    (void)server;
    (void)name;
    (void)set;
    return edn_recovery_drill(NULL, out, err);
}

edn_status edn_recovery_ask(edn_recovery *r, const char *device_name, edn_strength strength, edn_bytes passphrase,
                            edn_recovery_wait *out, edn_err *err)
{
    (void)r;
    (void)device_name;
    (void)strength;
    (void)passphrase;
    *out = (edn_recovery_wait){.state = EDN_RECOVERY_NONE};
    return edn_fail(err, EDN_E_DENIED, "the pretended account is not to be had");
}

edn_status edn_recovery_request(edn_recovery *r, const char *device_name, edn_strength strength, edn_bytes passphrase,
                                edn_recovery_wait *out, edn_err *err)
{
    return edn_recovery_ask(r, device_name, strength, passphrase, out, err);
}

edn_status edn_recovery_words(const edn_recovery *r, char out[EDN_RECOVERY_REQUEST_MAX], edn_err *err)
{
    (void)r;
    (void)err;
    strcpy(out, "academic acid");
    return EDN_OK;
}

edn_status edn_recovery_collect(edn_recovery *r, edn_recovery_came_fn *fn, void *ctx, edn_recovery_wait *wait,
                                unsigned *have, unsigned *needed, edn_err *err)
{
    (void)r;
    (void)fn;
    (void)ctx;
    *wait = (edn_recovery_wait){.state = EDN_RECOVERY_NONE};
    *have = *needed = 0;
    return edn_fail(err, EDN_E_MISSING, "nothing waits");
}

bool edn_recovery_enough(const edn_recovery *r)
{
    (void)r;
    return true;
}

edn_status edn_client_recovery_keepers(edn_client *c, edn_recovery_keeper_fn *fn, void *ctx, edn_err *err)
{
    (void)c;
    (void)fn;
    (void)ctx;
    (void)err;
    return EDN_OK;
}

edn_status edn_client_recovery_answers(edn_client *c, edn_err *err)
{
    (void)c;
    (void)err;
    return EDN_OK;
}

edn_status edn_client_recovery_ask_keepers(edn_client *c, edn_err *err)
{
    (void)c;
    (void)err;
    return EDN_OK;
}

edn_status edn_client_entrusted(edn_client *c, edn_entrusted_fn *fn, void *ctx, edn_err *err)
{
    (void)c;
    (void)fn;
    (void)ctx;
    (void)err;
    return EDN_OK;
}

edn_status edn_client_entrusted_keep(edn_client *c, const char *who, edn_err *err)
{
    (void)c;
    (void)who;
    return edn_fail(err, EDN_E_MISSING, "nothing is kept");
}

edn_status edn_client_entrusted_refuse(edn_client *c, const char *who, edn_err *err)
{
    return edn_client_entrusted_keep(c, who, err);
}

edn_status edn_client_entrusted_asked(edn_client *c, const char *who, edn_entrusted_fn *fn, void *ctx, edn_err *err)
{
    (void)fn;
    (void)ctx;
    return edn_client_entrusted_keep(c, who, err);
}

edn_status edn_client_entrusted_give(edn_client *c, const char *who, const char *words, edn_err *err)
{
    (void)words;
    return edn_client_entrusted_keep(c, who, err);
}

edn_status edn_recovery_begun(const edn_client_options *options, bool *out, edn_err *err)
{
    (void)options;
    (void)err;
    *out = false;
    return EDN_OK;
}

edn_status edn_recovery_resume(const edn_client_options *options, edn_bytes passphrase, edn_recovery **out,
                               edn_recovery_wait *wait, bool *again, edn_err *err)
{
    (void)options;
    (void)passphrase;
    (void)wait;
    *out = NULL;
    *again = false;
    return edn_fail(err, EDN_E_MISSING, "nothing waits");
}

void edn_recovery_abandon(edn_recovery *r) { (void)r; }

edn_status edn_recovery_finish(edn_recovery *r, edn_bytes passphrase, edn_client **out, edn_err *err)
{
    (void)r;
    (void)passphrase;
    *out = NULL;
    return edn_fail(err, EDN_E_MISSING, "nothing waits");
}

edn_status edn_client_recovery_held(edn_client *c, edn_recovery_wait *out, edn_err *err)
{
    (void)c;
    (void)err;
    *out = (edn_recovery_wait){.state = EDN_RECOVERY_NONE};
    return EDN_OK;
}

edn_status edn_client_recovery_cancel(edn_client *c, edn_err *err)
{
    (void)c;
    return edn_fail(err, EDN_E_MISSING, "nothing waits");
}

edn_status edn_client_recovery_lost(edn_client *c, edn_recovery_lost_fn *fn, void *ctx, edn_err *err)
{
    (void)c;
    (void)fn;
    (void)ctx;
    (void)err;
    return EDN_OK;
}

edn_status edn_client_recovery_done(edn_client *c, edn_err *err)
{
    (void)c;
    (void)err;
    return EDN_OK;
}

edn_status edn_client_emergency_get(edn_client *c, edn_emergency *out, edn_err *err)
{
    (void)c;
    (void)err;
    *out = (edn_emergency){.there = false};
    return EDN_OK;
}

edn_status edn_client_emergency_begin(edn_client *c, const char *device, edn_emergency *out, edn_err *err)
{
    (void)c;
    (void)device;
    *out = (edn_emergency){.there = false};
    return edn_fail(err, EDN_E_MISSING, "no such device");
}

edn_status edn_client_emergency_done(edn_client *c, unsigned done, edn_err *err)
{
    (void)c;
    (void)done;
    return edn_fail(err, EDN_E_MISSING, "no emergency was begun");
}

edn_status edn_client_emergency_end(edn_client *c, edn_err *err)
{
    (void)c;
    (void)err;
    return EDN_OK;
}
