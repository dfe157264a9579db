/* One run: days go by, people write, things break; then all is calm, and everything must have come together. */
#include "sim.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CALM_ROUNDS 4u

/* ---- telling ----------------------------------------------------------------------------------------------------- */

const char *fault_text(fault_kind k)
{
    static const char *const texts[] = {
#define X(group, name, text) text,
        SIM_FAULTS(X)
#undef X
#define X(name, text) text,
            SIM_EVILS(X)
#undef X
    };
    return texts[k];
}

void sim_stop(const char *what, const char *why)
{
    fprintf(stderr, "sim: %s: %s\n", what, why);
    abort();
}

void sim_trace(sim *s, const void *p, size_t n) { s->trace = sim_hash(s->trace, p, n); }

void sim_violation(sim *s, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (s->violations++ == 0)
        snprintf(s->first, sizeof s->first, "%s", text);
    if (s->o.verbose)
        fprintf(stderr, "VIOLATION: %s\n", text);
    sim_trace(s, text, strlen(text));
}

void sim_note(sim *s, const char *fmt, ...)
{
    char text[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (s->o.verbose)
        fprintf(stderr, "%10.3f h  %s\n", (double)(s->now_ms - SIM_BEGIN_MS) / SIM_HOUR_MS, text);
    sim_trace(s, text, strlen(text));
}

void sim_fault(sim *s, fault_kind k)
{
    s->f.faults[k]++;
    sim_trace(s, &k, sizeof k);
}

bool sim_may(const sim *s, fault_group g) { return !s->calm && s->begun && (s->o.mask >> g & 1); }

/* ---- libsodium and SQLite, which draw for themselves ------------------------------------------------------------- */

static sim_rng library_rng;

static const char *library_name(void) { return "sim"; }
static uint32_t library_random(void) { return (uint32_t)sim_next(&library_rng); }
static void library_fill(void *p, size_t n) { sim_fill(&library_rng, p, n); }

static void libraries_begin(uint64_t seed)
{
    static randombytes_implementation implementation = {
        .implementation_name = library_name, .random = library_random, .buf = library_fill};
    static bool done;

    library_rng = sim_rng_of(seed, "libraries");
    if (!done) {
        (void)randombytes_set_implementation(&implementation); /* always 0 */
        if (edn_crypto_init() != EDN_OK)
            sim_stop("crypto", "init");
        done = true;
    }
}

/* ---- days -------------------------------------------------------------------------------------------------------- */

static void session(device *d)
{
    sim *s = d->s;
    unsigned n = 1 + (unsigned)sim_below(&s->plan, 5);

    for (unsigned i = 0; i < n && d->c; i++) {
        people_act(d);
        s->now_ms += sim_below(&s->plan, 600000);
    }
}

/* The one writer goes to another device only from one that is synced, to one that becomes so. */
static bool solo_may_write(device *d)
{
    sim *s = d->s;
    device *at = &s->devices[s->writer];

    if (at != d) {
        if (at->c && !at->synced)
            (void)device_sync(at);
        if (!at->c || !at->synced || device_sync(d) != EDN_OK || !d->c || !d->synced)
            return false;
        s->writer = d->index;
    }
    return true;
}

static void step(sim *s)
{
    device *d = &s->devices[sim_below(&s->plan, s->devices_n)];

    serve_upset(s);
    if (!d->c)
        return;
    device_upset(d);
    if (!d->c)
        return;
    if (!s->solo || solo_may_write(d))
        session(d);
    if (d->c && sim_chance(&s->plan, 2, 3))
        (void)device_sync(d);
}

static void days(sim *s)
{
    unsigned steps = s->devices_n * 2;

    for (unsigned day = 0; day < s->o.days && !s->violations; day++) {
        if (s->story != STORY_NONE) {
            story_day(s);
            continue;
        }
        if (sim_may(s, GROUP_EVIL))
            evil_begin(s);
        for (unsigned i = 0; i < steps && !s->violations; i++) {
            s->now_ms += sim_below(&s->plan, 2 * SIM_DAY_MS / steps);
            step(s);
            share_step(s);
            keys_step(s);
        }
        evil_end(s);
    }
}

/* Faults stop; whoever has something says so, and after a few rounds all have all. */
static void calm(sim *s)
{
    s->calm = true;
    s->evils = 0;
    s->srv.down_until_ms = 0;
    s->srv.fail_blobs = false;
    crashvfs_set_capacity(s->srv.disk, UINT64_MAX);
    for (unsigned i = 0; i < s->devices_n; i++) {
        s->devices[i].away_until_ms = 0;
        s->devices[i].replay_path[0] = 0;
        s->devices[i].clock.still = s->devices[i].clock.backwards = false;
    }
    share_calm(s);
    keys_calm(s);
    for (; s->calm_rounds < CALM_ROUNDS; s->calm_rounds++) {
        for (unsigned i = 0; i < s->devices_n; i++) {
            s->now_ms += SIM_HOUR_MS;
            if (s->devices[i].c && !s->devices[i].split)
                (void)device_sync(&s->devices[i]);
        }
        share_sync(s);
    }
    check_converged(s);
    share_check(s);
    keys_check(s);
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void journals_begin(sim *s)
{
    edn_err err = {EDN_OK, ""};

    if (edn_client_journal_find(s->devices[0].c, "Diary", &s->journals[0], &err) != EDN_OK)
        sim_stop("journal", err.text);
    s->journals_n = 1;
}

static void account_begin(sim *s)
{
    edn_account_info info;
    edn_err err = {EDN_OK, ""};

    if (edn_client_account(s->devices[0].c, &info, &err) != EDN_OK ||
        !edn_hex_decode(s->account.b, 32, edn_bytes_str(info.account)))
        sim_stop("account", err.text);
    s->account_known = true;
}

/* What kind of seed it is: most have everything but what would excuse everything. */
static void kind_choose(sim *s)
{
    uint64_t k = sim_below(&s->plan, 10);

    s->solo = k < 3;
    if (k < 6 || k == 9)
        s->o.mask &= ~(1ull << GROUP_EVIL);
    if (k < 3 || k >= 8)
        s->o.mask &= ~(1ull << GROUP_CLONE);
    if (k < 3 || (k >= 5 && k < 8)) /* a copy of a device and an old server at once: some of it is lost for ever */
        s->o.mask &= ~(1ull << GROUP_RESTORE);
    if (k != 5)
        s->o.mask &= ~(1ull << GROUP_CLONE);
    s->honest = true;
    s->evil_only = -1;
    s->interruption.who = -1;
}

void sim_run(sim *s, const sim_options *o)
{
    memset(s, 0, sizeof *s);
    s->o = *o;
    s->now_ms = SIM_BEGIN_MS;
    s->plan = sim_rng_of(o->seed, "plan");
    s->evil_rng = sim_rng_of(o->seed, "evil");
    s->trace = 1;
    s->old_answer = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    snprintf(s->passphrase, sizeof s->passphrase, "correct horse battery staple");
    libraries_begin(o->seed);
    wrap_begin(s);
    kind_choose(s);
    s->devices_n = o->devices ? EDN_MIN(o->devices, SIM_DEVICES_MAX) : 2 + (unsigned)sim_below(&s->plan, 3);
    story_choose(s);
    share_choose(s);
    keys_choose(s);
    serve_init(s);
    for (unsigned i = 0; i < s->devices_n; i++)
        device_make(s, &s->devices[i], i, SIM_NAME, s->account_key, i == 0);
    journals_begin(s);
    account_begin(s);
    share_begin(s);
    s->begun = true;
    for (unsigned i = 0; i < s->devices_n; i++)
        (void)device_sync(&s->devices[i]);
    days(s);
    if (!s->violations)
        calm(s);
    s->f.tokens = s->model.tokens_n;
}

void sim_dispose(sim *s)
{
    for (unsigned i = 0; i < s->devices_n; i++)
        device_dispose(&s->devices[i]);
    share_dispose(s);
    keys_dispose(s);
    serve_join(s);
    serve_dispose(s);
    model_dispose(&s->model);
    edn_buf_dispose(&s->old_answer);
    free(s->states);
    s->states = NULL;
    wrap_begin(NULL);
}
