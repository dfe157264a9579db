/* A device: the real client on a disk of ours, with a clock, a network and a fate of its own. */
#include "sim.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/finding/index.h"

/* A random source that is stuck gives the same 32 bytes to every seal; ids, which are shorter, stay apart. */
static void device_fill(void *ctx, void *p, size_t n)
{
    device *d = ctx;

    if (d->stuck && n == 32)
        memset(p, 0x5a, n);
    else
        sim_fill(&d->rng, p, n);
}

edn_client_options device_options(device *d)
{
    return (edn_client_options){.home = d->home,
                                .clock = {sim_clock_ms, &d->clock},
                                .random = {device_fill, d},
                                .transport = &d->transport,
                                .vfs = d->vfs};
}

edn_device_id device_id(const device *d)
{
    edn_device_id id;
    char hex[33];

    edn_client_device_id(d->c, hex);
    if (!edn_hex_decode(id.b, sizeof id.b, edn_bytes_str(hex)))
        sim_stop("device", "id");
    return id;
}

void device_keep_session(device *d)
{
    if (edn_client_session_key(d->c, d->session) != EDN_OK)
        sim_stop("device", "session key");
}

static void prepare(sim *s, device *d, unsigned index)
{
    *d = (device){.s = s, .index = index, .clock = {.world_ms = &s->now_ms}, .inflight = INFLIGHT_NONE};
    snprintf(d->vfs, sizeof d->vfs, "sim-d%u", index);
    snprintf(d->home, sizeof d->home, "/d%u", index);
    snprintf(d->passphrase, sizeof d->passphrase, "%s", s->passphrase);
    d->replay = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    d->rng = sim_rng_of(s->o.seed, d->vfs);
    d->transport = (edn_transport){.ctx = d, .exchange = net_exchange};
    d->views = calloc(SIM_ENTRIES_MAX, sizeof *d->views);
    if (!d->views)
        sim_stop("memory", "device");
}

void device_blank(sim *s, device *d, unsigned index)
{
    prepare(s, d, index);
    d->disk = crashvfs_new(d->vfs);
    crashvfs_watch(d->disk, check_disk, s);
}

/* The diaries here are small: what folds, merges and publishes an index does so after a few entries. */
static void hasten(edn_client *c)
{
    c->index->fold_min = 3;
    c->index->recent_max = 3;
    c->index->publish_min = 4;
}

edn_status device_adopt(device *d, edn_err *err)
{
    edn_client_options o = device_options(d);
    edn_status st;

    if ((st = edn_client_open(&o, &d->c, err)) == EDN_OK &&
        (st = edn_client_unlock(d->c, edn_bytes_str(d->passphrase), err)) == EDN_OK) {
        hasten(d->c);
        device_keep_session(d);
        return EDN_OK;
    }
    edn_client_close(d->c);
    d->c = NULL;
    return st;
}

/* A new device of whoever has this name and key. */
static edn_status join(sim *s, device *d, unsigned index, const char *who, const char *passphrase, const char *key,
                       edn_err *err)
{
    char name[48];
    edn_login_options login = {.server = SIM_ORIGIN,
                               .name = who,
                               .device_name = name,
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(key)};
    edn_client_options o;
    edn_status st;

    snprintf(name, sizeof name, SIM_CANARY " device %u", index);
    device_blank(s, d, index);
    snprintf(d->passphrase, sizeof d->passphrase, "%s", passphrase);
    o = device_options(d);
    st = edn_client_login(&o, &login, edn_bytes_str(d->passphrase), &d->c, err);
    if (st == EDN_OK) {
        edn_err ignored;
        hasten(d->c);
        device_keep_session(d);
        (void)!edn_client_fetch_index(d->c, NULL, NULL, &ignored); /* whatever the network lets through */
    }
    return st;
}

edn_status device_login(sim *s, unsigned index, edn_err *err)
{
    return join(s, &s->devices[index], index, SIM_NAME, s->passphrase, s->account_key, err);
}

edn_status device_join(sim *s, device *d, unsigned index, const char *passphrase, const char *key, edn_err *err)
{
    return join(s, d, index, SIM_NAME, passphrase, key, err);
}

void device_make(sim *s, device *d, unsigned index, const char *who, char key[EDN_ACCOUNT_KEY_TEXT_MAX], bool first)
{
    char name[48];
    edn_init_options init = {.server = SIM_ORIGIN, .name = who, .device_name = name, .strength = EDN_STRENGTH_FLOOR};
    edn_client_options o;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    if (!first) {
        if (join(s, d, index, who, s->passphrase, key, &err) != EDN_OK)
            sim_stop("device", err.text);
        return;
    }
    snprintf(name, sizeof name, SIM_CANARY " device %u", index);
    device_blank(s, d, index);
    o = device_options(d);
    st = edn_client_init(&o, &init, edn_bytes_str(d->passphrase), key, &d->c, &err);
    if (st != EDN_OK)
        sim_stop("device", err.text);
    device_keep_session(d);
}

void device_twin(device *d, unsigned index)
{
    sim *s = d->s;
    device *t = &s->devices[index];

    prepare(s, t, index);
    device_close(d);
    t->disk = crashvfs_copy(d->disk, t->vfs);
    crashvfs_watch(t->disk, check_disk, s);
    t->evidence = d->evidence;
    memcpy(t->home, d->home, sizeof t->home);
    memcpy(t->session, d->session, sizeof t->session);
    memcpy(t->passphrase, d->passphrase, sizeof t->passphrase);
    device_open(d);
    device_open(t);
    if (t->c)
        check_views(t, false);
}

edn_status device_try_open(device *d, edn_err *err)
{
    edn_client_options o = device_options(d);
    edn_status st;

    EDN_ASSERT(!d->c);
    st = edn_client_open(&o, &d->c, err);
    if (st == EDN_OK && sim_chance(&d->s->plan, 1, 8)) {
        sim_fault(d->s, FAULT_LOCKED);
        st = edn_client_unlock(d->c, edn_bytes_str(d->passphrase), err);
        if (st == EDN_E_PASSPHRASE && d->passphrase_or[0])
            st = edn_client_unlock(d->c, edn_bytes_str(d->passphrase_or), err);
    } else if (st == EDN_OK) {
        st = edn_client_unlock_session(d->c, d->session, err);
    }
    if (st == EDN_OK)
        hasten(d->c);
    if (st != EDN_OK) {
        edn_client_close(d->c);
        d->c = NULL;
    }
    return st;
}

void device_open(device *d)
{
    edn_err err = {EDN_OK, ""};
    edn_status st = device_try_open(d, &err);

    if (st != EDN_OK) {
        sim_violation(d->s, "device %u does not open again: %s %s", d->index, edn_status_name(st), err.text);
        d->gone = true;
    }
}

/* Its files are not to be had for a while: it says so, and nothing is lost by trying. */
static void deny_for_a_while(device *d)
{
    edn_err err = {EDN_OK, ""};

    sim_fault(d->s, FAULT_DENIED);
    device_close(d);
    crashvfs_deny(d->disk, true);
    if (device_try_open(d, &err) == EDN_OK)
        sim_violation(d->s, "device %u: opens though nothing may be opened", d->index);
    crashvfs_deny(d->disk, false);
    device_open(d);
}

void device_close(device *d)
{
    edn_client_close(d->c);
    d->c = NULL;
}

void device_dispose(device *d)
{
    device_close(d);
    crashvfs_free(d->disk);
    crashvfs_free(d->copy);
    for (size_t i = 0; d->views && i < SIM_ENTRIES_MAX; i++)
        shown_dispose(&d->views[i]);
    free(d->views);
    free(d->receipt_heads);
    edn_buf_dispose(&d->replay);
}

/* ---- what may happen inside a call ------------------------------------------------------------------------------- */

static void arm_disk(device *d)
{
    sim *s = d->s;
    uint64_t in = 1 + sim_below(&s->plan, sim_chance(&s->plan, 1, 2) ? 8 : 40);

    switch (sim_below(&s->plan, 9)) {
    case 8:
        crashvfs_fail_at(d->disk, crashvfs_ops(d->disk) + in, SQLITE_READONLY, true);
        d->armed = FAULT_READ_ONLY;
        break;
    case 0:
        crashvfs_fail_at(d->disk, crashvfs_ops(d->disk) + in, SQLITE_IOERR_WRITE, false);
        d->armed = FAULT_WRITE;
        break;
    case 1:
        crashvfs_fail_at(d->disk, crashvfs_ops(d->disk) + in, SQLITE_IOERR_FSYNC, false);
        d->armed = FAULT_SYNC;
        break;
    case 2:
        crashvfs_fail_read_at(d->disk, crashvfs_reads(d->disk) + in, SQLITE_IOERR_READ);
        d->armed = FAULT_READ;
        break;
    case 3:
        crashvfs_set_capacity(d->disk, crashvfs_used(d->disk) + sim_below(&s->plan, 8192));
        d->armed = FAULT_FULL;
        break;
    case 4:
        crashvfs_fail_at(d->disk, crashvfs_ops(d->disk) + in, SQLITE_IOERR_WRITE, true);
        d->armed = FAULT_DEAD;
        break;
    default:
        crashvfs_cut_at(d->disk, crashvfs_ops(d->disk) + in);
        d->armed = FAULT_CUT_TEAR;
        break;
    }
}

void device_before(device *d)
{
    sim *s = d->s;

    s->f.calls++;
    d->armed = FAULT_KINDS;
    if (sim_may(s, GROUP_DISK) && sim_chance(&s->plan, 1, 9)) {
        arm_disk(d);
    } else if (sim_may(s, GROUP_PROCESS) && sim_chance(&s->plan, 1, 25)) {
        d->armed = FAULT_MEMORY;
        wrap_fail_alloc(1 + sim_below(&s->plan, sim_chance(&s->plan, 1, 2) ? 60 : 600));
    }
}

static void disarm(device *d)
{
    crashvfs_cut_at(d->disk, 0);
    crashvfs_fail_at(d->disk, 0, 0, false);
    crashvfs_fail_read_at(d->disk, 0, 0);
    crashvfs_set_capacity(d->disk, UINT64_MAX);
    wrap_fail_alloc(0);
}

/* The process is dead; what is on the disk decides what is known. */
static void come_back(device *d)
{
    sim *s = d->s;

    s->f.crashes++;
    device_open(d);
    if (d->c)
        check_views(d, true);
}

static void power(device *d)
{
    static const fault_kind kinds[] = {FAULT_CUT_KEEP, FAULT_CUT_DROP, FAULT_CUT_PREFIX, FAULT_CUT_TEAR};
    crashvfs_fate fate = (crashvfs_fate)sim_below(&d->s->plan, CRASHVFS_FATES);

    device_close(d);
    crashvfs_power(d->disk, fate, sim_next(&d->s->plan));
    disarm(d);
    sim_fault(d->s, kinds[fate]);
    sim_note(d->s, "device %u: %s", d->index, fault_text(kinds[fate]));
}

bool device_after_blank(device *d, edn_status st)
{
    bool failed = d->armed == FAULT_MEMORY && wrap_alloc_failed();

    if (crashvfs_is_dark(d->disk)) {
        power(d);
        return true;
    }
    if (d->armed != FAULT_KINDS && d->armed != FAULT_CUT_TEAR && (failed || st != EDN_OK))
        sim_fault(d->s, d->armed);
    disarm(d);
    return false;
}

bool device_after(device *d, edn_status st)
{
    bool died = device_after_blank(d, st);

    if (died)
        come_back(d);
    return died;
}

void device_crash(device *d)
{
    d->inflight = INFLIGHT_NONE;
    if (sim_chance(&d->s->plan, 1, 3)) {
        sim_fault(d->s, FAULT_KILL);
        crashvfs_kill(d->disk);
        device_close(d);
        come_back(d);
        return;
    }
    crashvfs_cut(d->disk);
    power(d);
    come_back(d);
}

/* ---- copies of its disk ------------------------------------------------------------------------------------------ */

void device_copy_take(device *d)
{
    char name[40];

    if (!d->c)
        return;
    device_close(d);
    crashvfs_free(d->copy);
    snprintf(name, sizeof name, "%s-copy", d->vfs);
    d->copy = crashvfs_copy(d->disk, name);
    d->copy_mark = model_mark(&d->s->model);
    d->copied_at_ms = d->s->now_ms;
    memcpy(d->copy_session, d->session, sizeof d->session);
    memcpy(d->copy_passphrase, d->passphrase, sizeof d->passphrase);
    device_open(d);
}

void device_copy_restore(device *d)
{
    sim *s = d->s;

    if (!d->copy || !d->c)
        return;
    sim_fault(s, FAULT_RESTORED);
    sim_note(s, "device %u restored from its backup", d->index);
    device_close(d);
    crashvfs_free(d->disk);
    d->disk = crashvfs_copy(d->copy, d->vfs);
    crashvfs_watch(d->disk, check_disk, s);
    memcpy(d->session, d->copy_session, sizeof d->session);
    memcpy(d->passphrase, d->copy_passphrase, sizeof d->passphrase);
    model_fell_back(&s->model, (uint8_t)d->index, d->copy_mark);
    s->model.clones = true;
    for (size_t i = 0; i < SIM_ENTRIES_MAX; i++)
        shown_dispose(&d->views[i]);
    d->synced = false;
    d->receipt_heads_n = 0;
    device_open(d);
    if (d->c)
        check_views(d, false);
}

/* ---- clocks and absence ------------------------------------------------------------------------------------------ */

static void upset_clock(device *d)
{
    sim *s = d->s;
    sim_rng *r = &s->plan;
    sim_clock *c = &d->clock;

    c->still = c->backwards = false;
    c->since_ms = s->now_ms;
    switch (sim_below(r, 6)) {
    case 0:
        sim_fault(s, FAULT_AHEAD);
        c->skew_ms = (int64_t)sim_below(r, 10 * SIM_YEAR_MS);
        break;
    case 1:
        sim_fault(s, FAULT_BEHIND);
        c->skew_ms = -(int64_t)sim_below(r, 10 * SIM_YEAR_MS);
        break;
    case 2:
        sim_fault(s, FAULT_JUMP);
        c->skew_ms += (int64_t)sim_below(r, 4 * SIM_DAY_MS) - (int64_t)(2 * SIM_DAY_MS);
        break;
    case 3:
        sim_fault(s, FAULT_STILL);
        c->still = true;
        break;
    case 4:
        sim_fault(s, FAULT_BACKWARDS);
        c->backwards = true;
        break;
    default:
        c->skew_ms = 0;
        break;
    }
}

void device_upset(device *d)
{
    sim *s = d->s;
    sim_rng *r = &s->plan;

    if (sim_may(s, GROUP_CLOCK) && sim_chance(r, 1, 30))
        upset_clock(d);
    if (sim_may(s, GROUP_NET) && sim_chance(r, 1, 30)) {
        static const fault_kind kinds[] = {FAULT_MINUTES, FAULT_DAYS, FAULT_WEEKS};
        static const uint64_t lengths[] = {SIM_HOUR_MS, 3 * SIM_DAY_MS, 21 * SIM_DAY_MS};
        size_t k = sim_below(r, 10);
        k = k < 6 ? 0 : k < 9 ? 1 : 2;
        sim_fault(s, kinds[k]);
        d->away_until_ms = s->now_ms + sim_below(r, lengths[k]);
    }
    if (sim_may(s, GROUP_PROCESS) && sim_chance(r, 1, 200)) {
        sim_fault(s, FAULT_SLEEP);
        s->now_ms += SIM_YEAR_MS; /* the others sleep too: nobody writes for a year */
    }
    if (sim_may(s, GROUP_PROCESS) && !(s->o.mask >> GROUP_CLONE & 1) && sim_chance(r, 1, 40)) {
        d->stuck = !d->stuck;
        if (d->stuck)
            sim_fault(s, FAULT_STUCK);
    }
    if (sim_may(s, GROUP_PROCESS) && sim_chance(r, 1, 25)) {
        sim_fault(s, FAULT_REOPEN);
        device_close(d);
        device_open(d);
        if (d->c && sim_chance(r, 1, 3))
            check_views(d, true);
    }
    if (d->c && sim_may(s, GROUP_DISK) && sim_chance(r, 1, 40))
        device_crash(d);
    if (d->c && sim_may(s, GROUP_DISK) && sim_chance(r, 1, 120))
        deny_for_a_while(d);
    if (d->c && sim_may(s, GROUP_CLONE) && !s->solo) {
        if (sim_chance(r, 1, 20))
            device_copy_take(d);
        else if (d->copy && sim_chance(r, 1, 15))
            device_copy_restore(d);
    }
    if (sim_may(s, GROUP_NET) && sim_chance(r, 1, 6))
        net_replay(d);
}

/* ---- sync -------------------------------------------------------------------------------------------------------- */

static void on_finding(void *ctx, const edn_finding *f)
{
    device *d = ctx;

    d->findings[f->status]++;
    sim_note(d->s, "device %u: finding %s: %s", d->index, edn_status_name(f->status), f->text);
}

/* What nobody but an evil server or a copied device can cause. */
static void alarms_check(device *d, edn_status st)
{
    static const edn_status loud[] = {EDN_E_FORK,  EDN_E_CLONE,          EDN_E_SIG,   EDN_E_AUTH,   EDN_E_FORMAT,
                                      EDN_E_CHAIN, EDN_E_DEVICE_UNKNOWN, EDN_E_EPOCH, EDN_E_DAMAGED};
    sim *s = d->s;

    if (!s->honest || s->model.clones)
        return;
    for (size_t i = 0; i < EDN_COUNT(loud); i++)
        if (d->findings[loud[i]] && !(loud[i] == EDN_E_CLONE && s->story == STORY_TWINS) &&
            !(loud[i] == EDN_E_EPOCH && st != EDN_OK && s->keeper.on)) /* its key was on the way */
            sim_violation(s, "device %u: a false alarm: %s", d->index, edn_status_name(loud[i]));
    if (!s->srv.ever_restored && (d->findings[EDN_E_ROLLBACK] || d->findings[EDN_E_WITHHELD]))
        sim_violation(s, "device %u: a false alarm: the server lost nothing and withheld nothing", d->index);
}

static bool excused(const device *d, edn_status st)
{
    const sim *s = d->s;

    if (d->armed != FAULT_KINDS && (st == EDN_E_NOMEM || st == EDN_E_IO || st == EDN_E_FULL || st == EDN_E_BUSY))
        return true;
    if (st == EDN_E_NETWORK || st == EDN_E_RATE || st == EDN_E_SERVER || st == EDN_E_FULL ||
        st == EDN_E_DENIED) /* denied: a login that the network repeated is refused the second time */
        return !s->calm;
    return !s->honest || s->model.clones;
}

edn_status device_sync(device *d)
{
    sim *s = d->s;
    edn_sync_options o = {.on_finding = on_finding, .ctx = d};
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st;
    bool lost, crashed;

    serve_side(s, d->side);
    lost = !s->evils && !s->srv.rotten && check_server_lost(d);
    memset(d->findings, 0, sizeof d->findings);
    s->f.syncs++;
    d->inflight = INFLIGHT_ANY;
    device_before(d);
    st = edn_client_sync(d->c, &o, &r, &err);
    sim_note(s, "device %u: sync: %s%s %s", d->index, edn_status_name(st), st == EDN_OK && r.synced ? ", synced" : "",
             st == EDN_OK ? "" : err.text);
    if (st != EDN_OK && !excused(d, st) && !crashvfs_is_dark(d->disk))
        sim_violation(s, "device %u: sync fails without a reason: %s %s", d->index, edn_status_name(st), err.text);
    crashed = device_after(d, st);
    d->inflight = INFLIGHT_NONE;
    if (!d->c)
        return EDN_E_IO;
    alarms_check(d, st);
    d->evidence += d->findings[EDN_E_CLONE];
    if (!crashed)
        check_views(d, false);
    d->told_rollback |= d->findings[EDN_E_ROLLBACK] > 0;
    d->synced = st == EDN_OK && r.synced;
    if (st == EDN_OK && lost && s->honest && !s->model.clones && !d->told_rollback)
        sim_violation(s, "device %u: the server lost what it had signed for, and nobody said so", d->index);
    if (st == EDN_OK && !crashed) {
        if (d->synced)
            check_status_synced(d);
        check_state(d);
        if (d->synced && !s->evils && !s->srv.rotten)
            check_synced(d);
    }
    return st;
}
