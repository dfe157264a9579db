/* Shares that contacts keep, with an allocation that fails: whatever was asked for is refused as memory that ran out,
 * and the same call on the same handle then does it, once. Some of these write letters, of which an inbox takes few, or
 * stretch a passphrase: so not every allocation is tried, but one in each stretch of them. */
#include "oom.h"
#include "oom_far.h"

#include <edn/recovery.h>
#include <edn/sharing.h>

#include "diarist.h"

#define FRESH "quite another one"

static struct ground {
    world *w;
    edn_client *anna, *ben;
    edn_recovery *r; /* anna's bare machine */
    char page[EDN_RECOVERY_WORDS_MAX], set[EDN_RECOVERY_SET_MAX], words[EDN_RECOVERY_REQUEST_MAX];
    unsigned machines; /* homes in the making */
} g;

static edn_client *person(const char *name)
{
    edn_init_options init = {.server = WORLD_ORIGIN, .name = name, .device_name = name, .strength = EDN_STRENGTH_FLOOR};
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_client *c;

    world_home(g.w, name, home);
    o = world_options(g.w, home);
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, NULL));
    diary_sync(c);
    return c;
}

static edn_status keep_contact(void *ctx, const edn_contact *k)
{
    *(edn_contact *)ctx = *k;
    return EDN_OK;
}

static void meet(edn_client *a, const char *b)
{
    edn_contact k;

    CHECK_OK(edn_client_contact_add(a, b, NULL, NULL, keep_contact, &k, NULL));
    CHECK_OK(edn_client_contact_verify(a, b, k.number, NULL));
}

static int ground_make(void **state)
{
    (void)state;
    g.w = world_new();
    oom_far_side(g.w);
    g.anna = person("anna");
    g.ben = person("ben");
    meet(g.anna, "ben");
    meet(g.ben, "anna");
    return 0;
}

static int ground_unmake(void **state)
{
    (void)state;
    edn_recovery_free(g.r);
    edn_client_close(g.anna);
    edn_client_close(g.ben);
    world_free(g.w);
    return 0;
}

/* ---- acts -------------------------------------------------------------------------------------------------------- */

static edn_status keep_page(void *ctx, const edn_recovery_page *page)
{
    (void)ctx;
    strcpy(g.page, page->words);
    strcpy(g.set, page->set);
    return EDN_OK;
}

static edn_status act_setup(edn_err *err)
{
    const char *const contacts[] = {"ben"};
    edn_recovery_plan plan = {.needed = 2, .n = 2, .contacts = contacts, .contacts_n = 1};

    return edn_client_recovery_setup(g.anna, edn_bytes_str(WORLD_PASSPHRASE), &plan, keep_page, NULL, err);
}

static unsigned seen;
static edn_status see_share(void *ctx, const edn_entrusted_share *s)
{
    (void)ctx;
    seen += s->number == 2;
    return EDN_OK;
}

static edn_status see_keeper(void *ctx, const edn_recovery_keeper *h)
{
    (void)ctx;
    seen += h->number == 2;
    return EDN_OK;
}

static edn_status see_came(void *ctx, const edn_recovery_came *c)
{
    (void)ctx;
    CHECK(c->good && c->number == 2);
    return EDN_OK;
}

static edn_status act_held(edn_err *err)
{
    seen = 0;
    return edn_client_entrusted(g.ben, see_share, NULL, err);
}
static edn_status act_keep(edn_err *err) { return edn_client_entrusted_keep(g.ben, "anna", err); }
static edn_status act_answers(edn_err *err) { return edn_client_recovery_answers(g.anna, err); }
static edn_status act_keepers(edn_err *err)
{
    seen = 0;
    return edn_client_recovery_keepers(g.anna, see_keeper, NULL, err);
}
static edn_status act_ask(edn_err *err) { return edn_client_recovery_ask_keepers(g.anna, err); }

/* A new machine each time. The last one is anna's. */
static edn_status act_request(edn_err *err)
{
    char home[256], name[32];
    edn_client_options o;
    edn_recovery *r = NULL;
    edn_recovery_wait wait;
    edn_status st;

    snprintf(name, sizeof name, "bare-%u", g.machines++);
    world_home(g.w, name, home);
    o = world_options(g.w, home);
    st = edn_recovery_begin(&o, WORLD_ORIGIN, "anna", g.set, &r, err);
    if (st == EDN_OK)
        st = edn_recovery_request(r, name, EDN_STRENGTH_FLOOR, edn_bytes_str(FRESH), &wait, err);
    if (st == EDN_OK)
        g.r = r;
    else
        edn_recovery_free(r);
    return st;
}

static edn_status act_collect(edn_err *err)
{
    edn_recovery_wait wait;
    unsigned have, needed;

    return edn_recovery_collect(g.r, see_came, NULL, &wait, &have, &needed, err);
}
static edn_status act_asked(edn_err *err)
{
    seen = 0;
    return edn_client_entrusted_asked(g.ben, "anna", see_share, NULL, err);
}
static edn_status act_give(edn_err *err) { return edn_client_entrusted_give(g.ben, "anna", g.words, err); }
static edn_status act_add(edn_err *err)
{
    unsigned have, needed;

    return edn_recovery_add(g.r, edn_bytes_str(g.page), &have, &needed, err);
}
static edn_status act_resume(edn_err *err)
{
    char home[256], name[32];
    edn_client_options o;
    edn_recovery *r;
    edn_recovery_wait wait;
    bool again;
    edn_status st;

    snprintf(name, sizeof name, "bare-%u", g.machines - 1);
    world_home(g.w, name, home);
    o = world_options(g.w, home);
    st = edn_recovery_resume(&o, edn_bytes_str(FRESH), &r, &wait, &again, err);
    if (st == EDN_OK)
        CHECK(edn_recovery_enough(r));
    edn_recovery_free(r);
    return st;
}
static edn_status act_refuse(edn_err *err)
{
    edn_status st = edn_client_entrusted_refuse(g.ben, "anna", err);

    return st == EDN_E_MISSING ? EDN_OK : st; /* done, though an allocation failed that could */
}

/* Until a run needs no more. `step`: how far apart the failures are, in parts of their number; 0: each one. */
static void each(edn_status (*act)(edn_err *err), size_t step)
{
    size_t n = 1;

    for (bool failed = true; failed; n += 1 + (step ? n / step : 0)) {
        edn_err err = {EDN_OK, ""};
        edn_status st;
        g.w->now_ms += 3600000; /* the server counts letters and lookups */
        oom_fail_at(n);
        st = act(&err);
        failed = oom_failed();
        oom_fail_at(0);
        if (st != EDN_OK && (!failed || st != EDN_E_NOMEM))
            fail_msg("allocation %zu gave %s: %s", n, edn_status_name(st), err.text);
        if (failed && st != EDN_OK)
            if (strlen(err.text) < 10)
                fail_msg("allocation %zu gave no text", n);
    }
    CHECK(n > 2);
}

static void shares_with_contacts_survive_failing_allocations(void **state)
{
    (void)state;
    each(act_setup, 2);
    each(act_held, 8);
    CHECK_INT(seen, 1); /* of the set that is good, whatever was sent before */
    each(act_keep, 4);
    each(act_answers, 8);
    each(act_keepers, 0);
    CHECK_INT(seen, 1);
    each(act_ask, 4);
    each(act_request, 2);
    each(act_collect, 4);
    CHECK_OK(edn_recovery_words(g.r, g.words, NULL));
    each(act_asked, 4);
    CHECK_INT(seen, 1);
    each(act_give, 4);
    each(act_collect, 4);
    each(act_add, 0);
    CHECK(edn_recovery_enough(g.r));
    edn_recovery_free(g.r);
    g.r = NULL;
    each(act_resume, 2);
    each(act_refuse, 4);
    each(act_held, 8);
    CHECK_INT(seen, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(shares_with_contacts_survive_failing_allocations)};

    return cmocka_run_group_tests(tests, ground_make, ground_unmake);
}
