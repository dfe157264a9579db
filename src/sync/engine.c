/* The engine: what was answered comes in, what to do next comes out.
 *
 *                 ┌────────────────────────── nothing new ──────────────────────────┐
 *     IDLE ──▶ PROBE ──┐                                                            ▼
 *       └──────────────┴─▶ plan ──▶ PULL ──▶ SAVE ──▶ plan …                       DONE
 *                            │├───▶ PUSH ───────────▶ plan …                        ▲
 *                            │├───▶ APPEND ─────────▶ plan …                        │
 *                            │└──────────────── nothing left to do ─────────────────┘
 *                            └ no token: INFO ─▶ CHALLENGE ─▶ LOGIN ─▶ what was planned
 *                                                   ▲           └─▶ REGISTER (the server lost the account)
 *                                                   └───────────────────┘
 *
 * What holds in each state:
 *     IDLE                     nothing was asked
 *     PROBE, INFO, CHALLENGE,  the request is made and waits for its answer. No token is needed, and nothing that comes
 *     LOGIN, REGISTER          back is more than a hint: a probe's «nothing new» repeats what a receipt had proved
 *     PULL, APPEND, PUSH       the request is made, under a token; so is a REGISTER for which somebody stands
 *     SAVE                     what is handed out passed every check and is not durable; the next request waits for it
 *     DONE                     `status` and the figures say how it ended; there is no way out
 *
 * A sync ends: a pull that brings nothing (no link, no batch, and the server lacks no less than ever before) is a
 * stall, and STALLS_MAX of them in a row end it, as do ROUNDS_MAX requests. So does every failure of the network, after
 * which a later sync goes on from what was saved and signed. */
#include "sync_priv.h"

#include "base/plant.h"

#include <stdlib.h>

#define ANSWER_SMALL EDN_MSG_SIZE_MAX

typedef struct edn_move {
    const char *name;
    uint32_t to;
} edn_move;

#define MAY(state) (1u << (state))
/* What a plan may come to. */
#define MAY_PLAN                                                                                                       \
    (MAY(SYNC_INFO) | MAY(SYNC_CHALLENGE) | MAY(SYNC_PULL) | MAY(SYNC_APPEND) | MAY(SYNC_PUSH) | MAY(SYNC_DONE))

static const edn_move moves[SYNC_STATE_COUNT] = {
    [SYNC_IDLE] = {"idle", MAY(SYNC_PROBE) | MAY_PLAN},
    [SYNC_PROBE] = {"probe", MAY_PLAN},
    [SYNC_INFO] = {"info", MAY_PLAN},
    [SYNC_CHALLENGE] = {"challenge", MAY(SYNC_LOGIN) | MAY(SYNC_REGISTER) | MAY(SYNC_DONE)},
    [SYNC_LOGIN] = {"login", MAY(SYNC_REGISTER) | MAY_PLAN},
    [SYNC_REGISTER] = {"register", MAY(SYNC_REGISTER) | MAY(SYNC_CHALLENGE) | MAY(SYNC_DONE)},
    [SYNC_PULL] = {"pull", MAY(SYNC_SAVE) | MAY_PLAN},
    [SYNC_APPEND] = {"append", MAY_PLAN},
    [SYNC_PUSH] = {"push", MAY_PLAN},
    [SYNC_SAVE] = {"save", MAY_PLAN},
    [SYNC_DONE] = {"done", 0},
};

/* What the drawing says of a state. */
static bool sound(const edn_sync *s)
{
    bool under_token = s->state == SYNC_PULL || s->state == SYNC_APPEND || s->state == SYNC_PUSH ||
                       (s->state == SYNC_REGISTER && s->sponsored);
    bool handed_out = s->save_links_n || s->save_batches_n || s->save_late_n;

    if ((s->bearer != NULL) != under_token || handed_out != (s->state == SYNC_SAVE))
        return false;
    if (s->next_log && s->state != SYNC_SAVE)
        return false;
    return s->state == SYNC_DONE || s->verdict == EDN_OK || s->state == SYNC_SAVE;
}

static void go(edn_sync *s, sync_state to)
{
    EDN_ASSERT(moves[s->state].to & MAY(to));
    s->state = to;
    if (to == SYNC_SAVE || to == SYNC_DONE)
        s->bearer = NULL;
    EDN_ASSERT(sound(s));
}

static void done(edn_sync *s, edn_status st)
{
    s->status = st;
    s->figures.synced = st == EDN_OK && !s->save_failed && edn_sync_covered(s);
    go(s, SYNC_DONE);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static edn_status held_find(edn_sync *s, const peer *p)
{
    about a = {&p->id, p->held, NULL, EDN_BYTES_EMPTY};

    return edn_sync_find(
        s, EDN_E_CHAIN, &a,
        "Batch %llu of device %s came, but not what it follows. It stays on the server and is asked for again "
        "at the next sync.",
        (unsigned long long)p->held, edn_device_text(&p->id).s);
}

/* The server says that it holds this, and does not give it out. */
static edn_status unserved_find(edn_sync *s, const edn_head *theirs)
{
    about a = {&theirs->device, theirs->dseq, NULL, EDN_BYTES_EMPTY};

    return edn_sync_find(
        s, EDN_E_WITHHELD, &a,
        "The server %s says that it holds batch %llu of device %s, but does not give it out. Sync again; if "
        "this stays, sync that device with another server or ask whoever runs this one.",
        s->setup.remote->origin, (unsigned long long)theirs->dseq, edn_device_text(&theirs->device).s);
}

static edn_status log_unserved_find(edn_sync *s)
{
    uint64_t last = s->srv_log_count - 1;
    about a = {NULL, 0, &last, EDN_BYTES_EMPTY};

    return edn_sync_find(
        s, EDN_E_WITHHELD, &a,
        "The server %s says that the device log has %llu links, but gives out only %llu. Sync again; if this "
        "stays, ask whoever runs the server.",
        s->setup.remote->origin, (unsigned long long)s->srv_log_count, (unsigned long long)edn_devlog_count(s->log));
}

static edn_status untaken_find(edn_sync *s)
{
    about a = {0};

    return edn_sync_find(
        s, EDN_E_SERVER, &a,
        "The server %s does not take %llu batches or links that it lacks. They are safe here and are sent "
        "again at the next sync; if this stays, ask whoever runs the server.",
        s->setup.remote->origin, (unsigned long long)edn_sync_lacks_there_count(s));
}

static edn_status revoked_find(edn_sync *s)
{
    const edn_device *self = edn_devlog_device_find(s->log, &s->setup.device);
    about a = {&s->setup.device, 0, NULL, EDN_BYTES_EMPTY};

    if (!self || edn_device_active(self))
        return EDN_OK;
    return edn_sync_find(s, EDN_E_SIGNER_REVOKED, &a,
                         "This device was revoked by another device of the account: what is written here from now on "
                         "reaches nobody. What is here is kept. Add this device again if that was not meant.");
}

static edn_status unsendable_find(edn_sync *s, const peer *p)
{
    edn_head mine = edn_head_map_get(&s->have, &p->id), theirs = edn_sync_sent_until(s, &p->id);
    about a = {&p->id, theirs.dseq + 1, NULL, EDN_BYTES_EMPTY};

    if (!p->unsendable || edn_sync_effective(s, &mine).dseq <= theirs.dseq)
        return EDN_OK;
    return edn_sync_find(
        s, EDN_E_SERVER, &a,
        "The server %s refuses batch %llu of device %s, so it and those after it are not there. They are "
        "safe here and are offered again at the next sync; if this stays, ask whoever runs the server.",
        s->setup.remote->origin, (unsigned long long)a.dseq, edn_device_text(&p->id).s);
}

/* What is still not as it should be when there is nothing left to do. */
static edn_status leftovers_find(edn_sync *s)
{
    edn_status st = revoked_find(s);

    for (size_t i = 0; i < s->peers_n && st == EDN_OK; i++)
        if ((st = unsendable_find(s, &s->peers[i])) == EDN_OK && s->peers[i].held)
            st = held_find(s, &s->peers[i]);
    if (st == EDN_OK && !s->log_bad && s->srv_log_count > edn_devlog_count(s->log))
        st = log_unserved_find(s);
    for (size_t i = 0; i < s->srv.n && st == EDN_OK; i++) {
        edn_head theirs = edn_sync_effective(s, &s->srv.p[i]);
        const peer *p = edn_peer_find(s, &theirs.device);
        if (theirs.dseq > edn_head_map_get(&s->have, &theirs.device).dseq && !(p && (p->stopped || p->held)))
            st = unserved_find(s, &theirs);
    }
    if (st == EDN_OK && edn_sync_lacks_there_count(s))
        st = untaken_find(s);
    return st;
}

static void plan(edn_sync *s, uint64_t now_ms);

static void complete(edn_sync *s, uint64_t now_ms)
{
    edn_status st = leftovers_find(s);

    if (st == EDN_OK)
        st = edn_sync_claims_age(s, now_ms);
    done(s, st);
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

static bool token_good(const edn_sync *s, uint64_t now_ms)
{
    const edn_sync_remote *r = s->setup.remote;
    uint64_t now_s = now_ms / 1000 + (uint64_t)r->clock_offset_s + TOKEN_MARGIN_S;

    return r->token[0] && now_s < r->token_expires_s;
}

static bool receipt_key_known(const edn_sync *s)
{
    static const edn_sign_pk none;
    return memcmp(s->setup.remote->receipt_pk.b, none.b, sizeof none.b) != 0;
}

/* Makes the request and goes to its state; first to where a token is to be had, where that is needed. */
static void ask(edn_sync *s, uint64_t now_ms, sync_state state, const edn_msg_challenge *challenge)
{
    edn_status st;

    s->bearer = NULL;
    if (state == SYNC_PULL || state == SYNC_APPEND || state == SYNC_PUSH) {
        s->after = state;
        if (!receipt_key_known(s))
            state = SYNC_INFO;
        else if (!token_good(s, now_ms))
            state = SYNC_CHALLENGE;
        else
            s->bearer = s->setup.remote->token;
    } else if (state == SYNC_REGISTER && s->sponsored) {
        s->bearer = s->setup.sponsor;
    }
    if (s->figures.round_trips >= ROUNDS_MAX) {
        complete(s, now_ms);
        return;
    }
    st = edn_sync_request_make(s, state, challenge);
    if (st == EDN_OK)
        go(s, state);
    else if (st == EDN_E_MISSING && state == SYNC_PUSH)
        plan(s, now_ms); /* the store gave nothing of what was to be sent: those devices are marked */
    else
        done(s, st);
}

static bool suspects_open(const edn_sync *s)
{
    for (size_t i = 0; i < s->peers_n; i++)
        if (s->peers[i].suspect && !s->peers[i].stopped)
            return true;
    return false;
}

/* What is believed of the server from earlier syncs is enough to push on: it signed for the very log that is here. */
static bool push_blind(const edn_sync *s)
{
    return !s->setup.full && edn_sync_log_signed(s) && edn_sync_lacks_batches_there(s);
}

static sync_state plan_state(const edn_sync *s)
{
    bool patient = s->stalls < STALLS_MAX;

    if (!s->heard && !s->pull_first)
        return push_blind(s) ? SYNC_PUSH : SYNC_PULL;
    if (!patient)
        return SYNC_DONE;
    if (s->pull_first || s->more || suspects_open(s) || edn_sync_lacks_here(s))
        return SYNC_PULL;
    if (!s->log_bad && s->srv_log_count < edn_devlog_count(s->log))
        return SYNC_APPEND;
    if (edn_sync_lacks_batches_there(s))
        return SYNC_PUSH;
    return s->pull_last ? SYNC_PULL : SYNC_DONE;
}

static void plan(edn_sync *s, uint64_t now_ms)
{
    sync_state next;

    if (s->verdict != EDN_OK) {
        done(s, s->verdict);
        return;
    }
    next = plan_state(s);
    if (next == SYNC_DONE)
        complete(s, now_ms);
    else
        ask(s, now_ms, next, NULL);
}

static void start(edn_sync *s, uint64_t now_ms)
{
    if (!s->setup.full && receipt_key_known(s) && edn_sync_covered(s))
        ask(s, now_ms, SYNC_PROBE, NULL);
    else
        plan(s, now_ms);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

/* An answer that says nothing in this protocol (a login page of a hotel, a proxy's error), or a plain refusal. */
static void answer_strange(edn_sync *s, int http_status)
{
    static const char strange[] =
        "%s answers the %s with something that is not EDN's protocol (HTTP status %d). Is the "
        "address right, and does the network ask for a login in a browser first? Nothing was "
        "changed; sync again later.";
    static const char refused[] =
        "%s refuses the %s (HTTP status %d). It may run another version of EDN than this device, or "
        "something in between does not let it through. Nothing was changed; sync again later, "
        "and if this stays, ask whoever runs the server.";
    about a = {0};
    edn_status st = edn_sync_find(s, EDN_E_SERVER, &a, http_status >= 400 && http_status < 500 ? refused : strange,
                                  s->setup.remote->origin, moves[s->state].name, http_status);
    done(s, st == EDN_OK ? EDN_E_SERVER : st);
}

static void answer_denied(edn_sync *s)
{
    about a = {0};
    edn_status st = edn_sync_find(
        s, EDN_E_DENIED, &a,
        "The server %s does not let this device in: it knows neither the account nor the device, or "
        "the device was revoked. Look at the list of devices on another device, or set the server "
        "again.",
        s->setup.remote->origin);
    done(s, st == EDN_OK ? EDN_E_DENIED : st);
}

/* The server knows the account by another log, which is no longer than ours: whoever made ours, made two. */
static void answer_forked(edn_sync *s, uint64_t seq)
{
    about a = {.link_seq = &seq};
    edn_status st = edn_sync_find(
        s, EDN_E_FORK, &a,
        "The server %s knows this account by another device log than the one that this device has checked: they part "
        "at link %llu or before, and it does not let this device in. Nothing here was changed. Compare the account on "
        "your other devices; do not enter your passphrase for this server anywhere until you know why.",
        s->setup.remote->origin, (unsigned long long)seq);
    done(s, st == EDN_OK ? EDN_E_FORK : st);
}

static void answer_origin(edn_sync *s, edn_bytes origin)
{
    char name[65];
    size_t n = EDN_MIN(origin.n, sizeof name - 1);
    about a = {0};
    edn_status st;

    for (size_t i = 0; i < n; i++) /* a stranger's bytes, on their way to somebody's terminal */
        name[i] = origin.p[i] > ' ' && origin.p[i] <= '~' ? (char)origin.p[i] : '?';
    name[n] = 0;
    st = edn_sync_find(
        s, EDN_E_AUTH, &a,
        "The server reached as %s calls itself \"%s\": another origin, so somebody may stand between you "
        "and it. No login was made. If the server moved, set its new address.",
        s->setup.remote->origin, name);
    done(s, st == EDN_OK ? EDN_E_AUTH : st);
}

/* Whether the answer ends the sync whatever was asked. */
static bool answer_refused(edn_sync *s, uint64_t now_ms, int http_status, uint32_t retry_after_s)
{
    bool with_token = s->state == SYNC_PULL || s->state == SYNC_APPEND || s->state == SYNC_PUSH;

    if (http_status == 429 || http_status == 503) {
        s->figures.retry_after_s = retry_after_s;
        done(s, EDN_E_RATE);
    } else if (http_status == 507) {
        done(s, EDN_E_FULL);
    } else if (http_status >= 500) {
        answer_strange(s, http_status);
    } else if (with_token && http_status == 401 && !s->relogged) {
        s->relogged = true;
        s->setup.remote->token[0] = 0;
        ask(s, now_ms, s->after, NULL);
    } else if (with_token && (http_status == 401 || (http_status == 403 && s->state == SYNC_PULL))) {
        answer_denied(s);
    } else {
        return false;
    }
    return true;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void probe_answered(edn_sync *s, uint64_t now_ms, int http_status)
{
    if (http_status == 204 || EDN_PLANT(believes_any_probe))
        complete(s, now_ms);
    else if (http_status == 200 || http_status == 404)
        plan(s, now_ms);
    else
        answer_strange(s, http_status);
}

static bool origin_is_ours(const edn_sync *s, edn_bytes origin)
{
    return edn_bytes_equal(origin, edn_bytes_str(s->setup.remote->origin));
}

static void info_answered(edn_sync *s, uint64_t now_ms, int http_status, edn_bytes body)
{
    edn_msg_server_info m;

    if (http_status != 200 || edn_server_info_decode(&s->arena, body, &m) != EDN_OK ||
        !edn_sign_pk_valid(&m.receipt_pk)) {
        answer_strange(s, http_status);
    } else if (!origin_is_ours(s, m.origin)) {
        answer_origin(s, m.origin);
    } else {
        s->setup.remote->receipt_pk = m.receipt_pk;
        ask(s, now_ms, s->after, NULL);
    }
}

/* The server knows us not. Once, it is told of the account again: it may have lost everything. */
static void login_refused(edn_sync *s, uint64_t now_ms)
{
    if (s->registered) {
        answer_denied(s);
        return;
    }
    s->registered = true;
    ask(s, now_ms, SYNC_REGISTER, NULL);
}

static bool refuses_login(int http_status) { return http_status == 401 || http_status == 403 || http_status == 404; }

static void challenge_answered(edn_sync *s, uint64_t now_ms, int http_status, edn_bytes body)
{
    edn_msg_challenge m;

    if (refuses_login(http_status)) {
        login_refused(s, now_ms);
    } else if (http_status != 200 || edn_challenge_decode(&s->arena, body, &m) != EDN_OK) {
        answer_strange(s, http_status);
    } else if (!origin_is_ours(s, m.origin) && !EDN_PLANT(logs_in_anywhere)) {
        answer_origin(s, m.origin);
    } else {
        s->setup.remote->clock_offset_s = (int64_t)(m.server_time - now_ms / 1000);
        ask(s, now_ms, SYNC_LOGIN, &m);
    }
}

/* A token goes into a header line: printable characters and nothing else. */
static bool token_sound(edn_bytes token)
{
    for (size_t i = 0; i < token.n; i++)
        if (token.p[i] <= ' ' || token.p[i] > '~')
            return false;
    return token.n > 0 && token.n <= EDN_TOKEN_SIZE_MAX;
}

static void login_answered(edn_sync *s, uint64_t now_ms, int http_status, edn_bytes body)
{
    edn_sync_remote *r = s->setup.remote;
    edn_msg_token m;

    if (refuses_login(http_status)) {
        login_refused(s, now_ms);
        return;
    }
    if (http_status != 200 || edn_token_decode(&s->arena, body, &m) != EDN_OK || !token_sound(m.token)) {
        answer_strange(s, http_status);
        return;
    }
    memcpy(r->token, m.token.p, m.token.n);
    r->token[m.token.n] = 0;
    r->token_expires_s = m.expires;
    if (token_good(s, now_ms))
        ask(s, now_ms, s->after, NULL);
    else
        answer_strange(s, http_status); /* dead on arrival: asking again would go round for ever */
}

static void register_answered(edn_sync *s, uint64_t now_ms, int http_status, edn_bytes body)
{
    edn_hash head = edn_devlog_head(s->log);
    about a = {0};
    edn_msg_log_state m;
    bool decoded = edn_log_state_decode(&s->arena, body, &m) == EDN_OK;
    edn_status st = EDN_OK;

    if (http_status == 403 && s->setup.sponsor && s->setup.sponsor[0] && !s->sponsored) {
        s->sponsored = true;
        ask(s, now_ms, SYNC_REGISTER, NULL);
        return;
    }
    if (refuses_login(http_status)) { /* it takes no new accounts */
        answer_denied(s);
        return;
    }
    if (http_status == 409 && !(decoded && m.count == edn_devlog_count(s->log) && hash_equal(&m.head, &head))) {
        if (decoded && m.count > 0 && edn_devlog_hash_at(s->log, m.count - 1, &head) && !hash_equal(&m.head, &head))
            answer_forked(s, m.count - 1);
        else
            answer_denied(s); /* it does know the account, and this device is not in it */
        return;
    }
    if (http_status != 409 && !(http_status == 201 && decoded)) {
        answer_strange(s, http_status);
        return;
    }
    if (http_status == 201) {
        s->figures.links_sent += s->appending_n;
        s->pull_first = true;
        if (s->setup.remote->receipt.time_ms && !s->figures.rolled_back) {
            s->figures.rolled_back = true;
            st = edn_sync_find(
                s, EDN_E_ROLLBACK, &a,
                "The server %s had lost this account; it was registered again and is being refilled from what is "
                "here. Sync your other devices too, and ask whoever runs the server.",
                s->setup.remote->origin);
        }
    }
    if (st == EDN_OK) {
        if (s->pull_first)
            s->after = SYNC_PULL;
        ask(s, now_ms, SYNC_CHALLENGE, NULL);
    } else {
        done(s, st);
    }
}

static void pull_answered(edn_sync *s, uint64_t now_ms, int http_status, edn_bytes body)
{
    edn_status st;

    if (http_status != 200) {
        answer_strange(s, http_status);
        return;
    }
    st = edn_sync_round_take(s, now_ms, body);
    s->pull_first = s->pull_last = false;
    if (st == EDN_E_FORMAT || st == EDN_E_LIMIT) {
        edn_sync_round_end(s);
        answer_strange(s, http_status);
        return;
    }
    if (st != EDN_OK) {
        edn_sync_round_end(s);
        done(s, st);
        return;
    }
    s->stalls = s->progress ? 0 : s->stalls + 1;
    if (s->save_links_n || s->save_batches_n || s->save_late_n) {
        go(s, SYNC_SAVE);
        return;
    }
    edn_sync_round_end(s);
    plan(s, now_ms);
}

static void append_answered(edn_sync *s, uint64_t now_ms, int http_status, edn_bytes body)
{
    edn_msg_log_state m;

    bool refused = http_status == 409 || http_status == 403 || http_status == 422;

    if (!refused && (http_status != 200 || edn_log_state_decode(&s->arena, body, &m) != EDN_OK)) {
        answer_strange(s, http_status);
        return;
    }
    if (!refused)
        s->figures.links_sent += s->appending_n;
    s->pull_first = true;
    plan(s, now_ms);
}

/* What is believed of the server may be wrong. If it is not, some batch is one that this server does not take: it and
 * what follows it stay here, and the other devices' go. */
static void push_refused(edn_sync *s, uint64_t now_ms)
{
    edn_status st;
    peer *p;

    if (!s->push_single) {
        s->push_single = s->pull_first = true;
    } else if ((st = edn_peer_get(s, &s->pushing_device, &p)) == EDN_OK) {
        p->unsendable = s->pull_last = true;
    } else {
        done(s, st);
        return;
    }
    plan(s, now_ms);
}

static void push_answered(edn_sync *s, uint64_t now_ms, int http_status, edn_bytes body)
{
    edn_msg_pushed m;
    edn_status st;

    if (http_status == 409 || http_status == 403) {
        push_refused(s, now_ms);
        return;
    }
    if (http_status != 200 || edn_pushed_decode(&s->arena, body, &m) != EDN_OK) {
        answer_strange(s, http_status);
        return;
    }
    s->figures.batches_sent += s->pushing_n;
    s->figures.refilled += s->pushing_refill;
    if (!(m.flags & EDN_PUSHED_EXPECTED) && !EDN_PLANT(pushes_blindly)) {
        s->pull_first = true;
        plan(s, now_ms);
        return;
    }
    if ((st = edn_head_map_copy(&s->srv, s->pushing.p, s->pushing.n)) == EDN_OK)
        st = edn_sync_receipt_take(s, now_ms, &m.receipt, &s->pushing);
    if (st != EDN_OK) {
        done(s, st);
        return;
    }
    s->heard = true;
    plan(s, now_ms);
}

void edn_sync_answered(edn_sync *s, uint64_t now_ms, edn_status carried, int http_status, uint32_t retry_after_s,
                       edn_bytes body)
{
    edn_sync_action asked = edn_sync_step(s, now_ms);

    if (asked.kind != EDN_SYNC_REQUEST)
        return;
    s->figures.round_trips++;
    if (carried == EDN_E_LIMIT || (carried == EDN_OK && body.n > asked.answer_size_max)) {
        answer_strange(s, http_status);
        return;
    }
    if (carried != EDN_OK) {
        done(s, carried);
        return;
    }
    if (answer_refused(s, now_ms, http_status, retry_after_s))
        return;
    edn_arena_reset(&s->arena);
    switch (s->state) {
    case SYNC_PROBE:
        probe_answered(s, now_ms, http_status);
        break;
    case SYNC_INFO:
        info_answered(s, now_ms, http_status, body);
        break;
    case SYNC_CHALLENGE:
        challenge_answered(s, now_ms, http_status, body);
        break;
    case SYNC_LOGIN:
        login_answered(s, now_ms, http_status, body);
        break;
    case SYNC_REGISTER:
        register_answered(s, now_ms, http_status, body);
        break;
    case SYNC_PULL:
        pull_answered(s, now_ms, http_status, body);
        break;
    case SYNC_APPEND:
        append_answered(s, now_ms, http_status, body);
        break;
    case SYNC_PUSH:
        push_answered(s, now_ms, http_status, body);
        break;
    case SYNC_IDLE:
    case SYNC_SAVE:
    case SYNC_DONE:
    case SYNC_STATE_COUNT:
        break;
    }
}

void edn_sync_saved(edn_sync *s, uint64_t now_ms, edn_status st)
{
    if (s->state != SYNC_SAVE)
        return;
    if (st != EDN_OK) {
        s->save_failed = true;
        edn_sync_round_end(s);
        done(s, st);
        return;
    }
    s->figures.links_received += s->save_links_n;
    s->figures.batches_received += s->save_batches_n;
    if (s->next_log) {
        edn_devlog_free(s->log);
        s->log = s->next_log;
        s->next_log = NULL;
    }
    edn_sync_round_end(s);
    plan(s, now_ms);
}

/* ---- what to do next --------------------------------------------------------------------------------------------- */

edn_sync_action edn_sync_step(edn_sync *s, uint64_t now_ms)
{
    edn_sync_action a = {.kind = EDN_SYNC_REQUEST};

    if (s->state == SYNC_IDLE)
        start(s, now_ms);
    switch (s->state) {
    case SYNC_SAVE:
        a.kind = EDN_SYNC_SAVE;
        a.links = s->save_links;
        a.links_n = s->save_links_n;
        a.batches = s->save_batches;
        a.batches_n = s->save_batches_n;
        a.late = s->save_late;
        a.late_n = s->save_late_n;
        break;
    case SYNC_DONE:
        a.kind = EDN_SYNC_DONE;
        a.status = s->status;
        break;
    default:
        a.post = s->state != SYNC_PROBE && s->state != SYNC_INFO;
        a.path = s->path;
        a.bearer = s->bearer;
        a.body = edn_buf_view(&s->request);
        a.answer_size_max = s->state == SYNC_PULL ? EDN_PULL_SIZE_MAX : ANSWER_SMALL;
        break;
    }
    return a;
}

/* ---- making and freeing ------------------------------------------------------------------------------------------ */

edn_status edn_sync_new(const edn_sync_setup *options, edn_sync **out)
{
    edn_sync *s = calloc(1, sizeof *s);
    edn_status st = EDN_E_NOMEM;

    *out = NULL;
    if (!s)
        return st;
    s->setup = *options;
    s->setup.heads = s->setup.late = NULL;
    s->setup.claims = NULL;
    s->setup.log = NULL;
    s->request = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    s->answer = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    s->arena = edn_arena_init(ROUND_MEMORY_MAX);
    s->lacks_min = UINT64_MAX;
    if (!(s->claims = calloc(EDN_CLAIMS_MAX, sizeof *s->claims)) ||
        (st = edn_devlog_copy(options->log, &s->log)) != EDN_OK ||
        (st = edn_head_map_copy(&s->have, options->heads, options->heads_n)) != EDN_OK ||
        (st = edn_head_map_copy(&s->late, options->late, options->late_n)) != EDN_OK ||
        (st = edn_head_map_copy(&s->srv, options->remote->heads, options->remote->heads_n)) != EDN_OK)
        goto out;
    if ((st = edn_sync_bases_take(s)) != EDN_OK)
        goto out;
    s->claims_n = EDN_MIN(options->claims_n, (size_t)EDN_CLAIMS_MAX);
    if (s->claims_n)
        memcpy(s->claims, options->claims, s->claims_n * sizeof *s->claims);
    s->own_signed = edn_head_map_get(&s->srv, &options->device);
    s->srv_log_count = options->remote->log_count;
    s->srv_log_head = options->remote->log_head;
    *out = s;
    s = NULL;
out:
    edn_sync_free(s);
    return st;
}

void edn_sync_free(edn_sync *s)
{
    if (!s)
        return;
    edn_sync_round_end(s);
    edn_sync_findings_dispose(s);
    if (!EDN_PLANT(leaks_memory))
        edn_devlog_free(s->log);
    edn_head_map_dispose(&s->have);
    edn_head_map_dispose(&s->late);
    edn_head_map_dispose(&s->srv);
    edn_head_map_dispose(&s->pushing);
    edn_buf_dispose(&s->request);
    edn_buf_dispose(&s->answer);
    edn_arena_dispose(&s->arena);
    free(s->claims);
    free(s->peers);
    free(s);
}

const edn_devlog *edn_sync_log(const edn_sync *s) { return s->log; }

edn_sync_figures edn_sync_figures_of(const edn_sync *s) { return s->figures; }
