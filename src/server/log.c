#include "server_priv.h"

/* The device log in: new accounts, links that continue a log, and the boxes that links name.
 *
 * A link proves itself: who brings it does not matter to what it may say. So an account that we know may also be
 * brought by someone without a token, as a whole chain from its first link: when ours is the beginning of it, the rest
 * is appended. That is how a device fills a server that was set back to before the device was added. */

/* ---- boxes ------------------------------------------------------------------------------------------------------- */

/* Hashes that links name, each of which a box may have. */
typedef struct box_names {
    edn_hash *p;
    size_t n;
} box_names;

static edn_status box_names_of(edn_server *s, const edn_bytes *links, size_t n, box_names *out)
{
    out->n = 0;
    out->p = edn_arena_calloc(&s->arena, n + 1, EDN_LINK_BOXES_MAX * sizeof *out->p);
    if (!out->p)
        return EDN_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        size_t more;
        if (edn_link_boxes(links[i], out->p + out->n, &more) == EDN_OK)
            out->n += more;
    }
    return EDN_OK;
}

static bool box_named(const box_names *names, const edn_hash *hash)
{
    for (size_t i = 0; i < names->n; i++)
        if (memcmp(&names->p[i], hash, sizeof *hash) == 0)
            return true;
    return false;
}

typedef struct box_search {
    edn_hash hash;
    bool found;
} box_search;

static edn_status box_search_link(void *cb, uint64_t seq, edn_bytes link)
{
    box_search *b = cb;
    edn_hash names[EDN_LINK_BOXES_MAX];
    size_t n;

    (void)seq;
    if (edn_link_boxes(link, names, &n) == EDN_OK)
        for (size_t i = 0; i < n; i++)
            b->found |= memcmp(&names[i], &b->hash, sizeof b->hash) == 0;
    return EDN_OK;
}

/* Whether each box is one that some link names, among those at hand or (a lost box brought back) those held. */
static edn_status boxes_check(edn_server *s, const server_account *a, const box_names *names, const edn_bytes *boxes,
                              size_t n, bool *ok)
{
    *ok = true;
    for (size_t i = 0; i < n && *ok; i++) {
        box_search b = {.hash = edn_h32(boxes[i])};
        edn_status st;
        if (box_named(names, &b.hash))
            continue;
        if (a && (st = s->meta.links_each(s->meta.ctx, a->row.n, 0, box_search_link, &b)) != EDN_OK)
            return st;
        *ok = b.found;
    }
    return EDN_OK;
}

/* The key derivation record that the log names now: among the boxes at hand, or held. */
static edn_status kdf_record_find(edn_server *s, const server_account *a, const edn_devlog *log, const edn_bytes *boxes,
                                  size_t n, uint8_t out[32], bool *found)
{
    edn_buf held = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_hash kdf, box, h;
    edn_sign_pk login;
    edn_status st = EDN_OK;

    *found = false;
    if (!edn_devlog_kdf(log, &kdf, &box, &login))
        return EDN_OK;
    for (size_t i = 0; i < n && !*found; i++) {
        h = edn_h32(boxes[i]);
        if (boxes[i].n == 32 && memcmp(&h, &kdf, sizeof h) == 0) {
            memcpy(out, boxes[i].p, 32);
            *found = true;
        }
    }
    if (!*found && a) {
        st = s->meta.box_find(s->meta.ctx, a->row.n, &kdf, &held);
        if (st == EDN_OK && held.n == 32) {
            memcpy(out, held.p, 32);
            *found = true;
        }
        st = st == EDN_E_MISSING ? EDN_OK : st;
    }
    edn_buf_dispose(&held);
    return st;
}

/* ---- staging ----------------------------------------------------------------------------------------------------- */

/* Links and boxes that passed all checks. `from` is the first new link's number. */
static edn_status log_stage(edn_server *s, server_account *a, uint64_t from, const edn_bytes *links, size_t links_n,
                            const edn_bytes *boxes, size_t boxes_n)
{
    edn_buf probe = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_status st = EDN_OK;

    for (size_t i = 0; i < links_n && st == EDN_OK; i++) {
        st = s->meta.link_put(s->meta.ctx, a->row.n, from + i, links[i]);
        a->row.bytes += links[i].n;
    }
    for (size_t i = 0; i < boxes_n && st == EDN_OK; i++) {
        edn_hash h = edn_h32(boxes[i]);
        edn_buf_reset(&probe);
        st = s->meta.box_find(s->meta.ctx, a->row.n, &h, &probe);
        if (st == EDN_E_MISSING) {
            st = s->meta.box_put(s->meta.ctx, a->row.n, &h, boxes[i]);
            a->row.bytes += boxes[i].n;
        }
    }
    a->row_dirty = true;
    edn_buf_dispose(&probe);
    return st;
}

static uint64_t sum(const edn_bytes *p, size_t n)
{
    uint64_t out = 0;

    for (size_t i = 0; i < n; i++)
        out += p[i].n;
    return out;
}

/* A space's log has its own bound, which is of keys, not of devices of one person. */
static bool devices_too_many(const edn_server *s, const edn_devlog *log)
{
    const edn_device *d;
    size_t n = 0;

    for (size_t i = 0; (d = edn_devlog_device(log, i)); i++)
        n += edn_device_active(d);
    return n > (edn_devlog_is_space(log) ? EDN_SPACE_KEYS_MAX : s->config.limits.quota_devices);
}

static bool any_link_is(const edn_bytes *links, size_t n, edn_link_type type)
{
    edn_link_info info;

    for (size_t i = 0; i < n; i++)
        if (edn_link_peek(links[i], &info) == EDN_OK && info.type == type)
            return true;
    return false;
}

static void log_answer(edn_server_answer *out, int status, uint64_t count, const edn_hash *head)
{
    edn_msg_log_state m = {count, *head};

    out->status = status;
    edn_log_state_put(&out->body, &m);
}

static void log_finish(edn_server *s, server_job *job)
{
    edn_server_reseal_finish(s, job);
    log_answer(job->out, job->status, job->log_count, &job->log_head);
}

/* Appends links that follow the account's log, and boxes. Answers when it refuses. */
static edn_status log_extend(edn_server *s, server_job *job, server_account *a, const edn_bytes *links, size_t links_n,
                             const edn_bytes *boxes, size_t boxes_n)
{
    static const edn_hash no_probe;
    edn_devlog *log = NULL;
    box_names names;
    uint8_t kdf[32];
    bool ok = true, kdf_set = any_link_is(links, links_n, EDN_LINK_SET_KDF), kdf_found = false;
    bool resealed = any_link_is(links, links_n, EDN_LINK_RESEAL);
    edn_status st;

    if ((st = edn_devlog_copy(a->log, &log)) != EDN_OK)
        goto out;
    for (size_t i = 0; i < links_n && ok; i++) {
        st = edn_devlog_append(log, links[i]);
        if (st == EDN_E_NOMEM)
            goto out;
        ok = st == EDN_OK;
        if (!ok)
            edn_server_problem_at(job->out, 422, "link", edn_status_name(st), i);
    }
    st = EDN_OK;
    if (!ok)
        goto out;
    if ((st = box_names_of(s, links, links_n, &names)) != EDN_OK ||
        (st = boxes_check(s, a, &names, boxes, boxes_n, &ok)) != EDN_OK ||
        (st = kdf_record_find(s, a, log, boxes, boxes_n, kdf, &kdf_found)) != EDN_OK)
        goto out;
    if (!ok || (kdf_set && !kdf_found)) {
        edn_server_problem(job->out, 422, "box", "boxes must be those that links name, the kdf record among them");
        goto out;
    }
    if (devices_too_many(s, log) || !edn_server_has_room(s, a, sum(links, links_n) + sum(boxes, boxes_n))) {
        edn_server_problem(job->out, 507, "quota", "the account's space on this server is used up");
        goto out;
    }
    if (resealed && (st = edn_server_reseal_check(s, a, log, &ok)) != EDN_OK)
        goto out;
    if (!ok) {
        edn_server_problem(job->out, 422, "link", edn_status_name(EDN_E_FORK));
        goto out;
    }
    if ((st = edn_server_begin(s)) != EDN_OK)
        goto out;
    edn_server_account_stage(s, a);
    if ((st = log_stage(s, a, edn_devlog_count(a->log), links, links_n, boxes, boxes_n)) != EDN_OK ||
        (kdf_found && (st = s->meta.name_set_kdf(s->meta.ctx, &a->row.id, kdf)) != EDN_OK))
        goto out;
    if (any_link_is(links, links_n, EDN_LINK_REVOKE_ROTATE)) /* who was revoked knows it */
        edn_server_account_set_probe(s, a, &no_probe);
    edn_server_account_take_log(a, log, links, links_n);
    log = NULL;
    if (resealed && (st = edn_server_reseal_stage(s, job, a)) != EDN_OK)
        goto out;
    edn_server_account_moved(a);
    edn_server_job_state(job, a);
    job->finish = log_finish;
out:
    edn_devlog_free(log);
    return st;
}

/* ---- POST /v1/log ------------------------------------------------------------------------------------------------ */

/* Whether `links` begin right after the log's last. */
static bool log_follows(const edn_devlog *log, const edn_bytes *links, size_t n)
{
    edn_link_info info;
    edn_hash head = edn_devlog_head(log);

    return n == 0 || (edn_link_peek(links[0], &info) == EDN_OK && info.seq == edn_devlog_count(log) &&
                      memcmp(&info.prev, &head, sizeof head) == 0);
}

edn_status edn_server_log(edn_server *s, server_job *job)
{
    server_account *a = job->caller.account;
    edn_msg_log_append m;
    edn_link_info info;
    edn_status st = edn_log_append_decode(&s->arena, job->rq->body, &m);

    if (st != EDN_OK) {
        edn_server_malformed(job->out, st);
        return EDN_OK;
    }
    if (job->caller.passphrase &&
        (m.links_n != 1 || edn_link_peek(m.links[0], &info) != EDN_OK || info.type != EDN_LINK_ADD_DEVICE)) {
        edn_server_denied(job->out);
        s->stats.denied++;
        return EDN_OK;
    }
    if (!log_follows(a->log, m.links, m.links_n)) {
        edn_hash head = edn_devlog_head(a->log);
        log_answer(job->out, 409, edn_devlog_count(a->log), &head);
        return EDN_OK;
    }
    job->status = 200;
    return log_extend(s, job, a, m.links, m.links_n, m.boxes, m.boxes_n);
}

/* ---- POST /v1/accounts ------------------------------------------------------------------------------------------- */

/* A request without a token may cost this many signature checks. A longer log goes on by /v1/log. */
#define ACCOUNT_LINKS_MAX 2048u

/* The whole chain must be sound. EDN_E_NOMEM, or another status with the number of the link at fault. */
static edn_status account_chain(const edn_msg_account *m, edn_devlog **out, size_t *at)
{
    edn_status st = edn_devlog_new(out);

    for (*at = 0; st == EDN_OK && *at < m->links_n; ++*at)
        if ((st = edn_devlog_append(*out, m->links[*at])) != EDN_OK)
            break;
    if (st != EDN_OK) {
        edn_devlog_free(*out);
        *out = NULL;
    }
    return st;
}

/* A chain of an account that we have: the rest of it when ours is its beginning. */
static edn_status account_known(edn_server *s, server_job *job, server_account *a, const edn_msg_account *m)
{
    uint64_t held = edn_devlog_count(a->log);
    edn_hash head = edn_devlog_head(a->log), last;

    if (m->links_n > held) {
        last = edn_link_hash(m->links[held - 1]);
        if (memcmp(&last, &head, sizeof head) == 0)
            return log_extend(s, job, a, m->links + held, m->links_n - held, m->boxes, m->boxes_n);
    }
    log_answer(job->out, 409, held, &head);
    return EDN_OK;
}

static edn_status account_new(edn_server *s, server_job *job, edn_devlog **log, const edn_msg_account *m)
{
    static const edn_hash no_name;
    bool named = memcmp(&m->name_hash, &no_name, sizeof no_name) != 0, ok, kdf_found;
    edn_meta_name row;
    server_account *a;
    box_names names;
    uint8_t kdf[32];
    edn_status st;

    if ((st = box_names_of(s, m->links, m->links_n, &names)) != EDN_OK ||
        (st = boxes_check(s, NULL, &names, m->boxes, m->boxes_n, &ok)) != EDN_OK ||
        (st = kdf_record_find(s, NULL, *log, m->boxes, m->boxes_n, kdf, &kdf_found)) != EDN_OK)
        return st;
    if (named && edn_devlog_is_space(*log)) {
        edn_server_problem(job->out, 400, "form", "a shared space has no name");
        return EDN_OK;
    }
    if (!ok || (named && !kdf_found)) {
        edn_server_problem(job->out, 422, "box", "boxes must be those that links name, the kdf record among them");
        return EDN_OK;
    }
    if (named) {
        st = s->meta.name_find(s->meta.ctx, &m->name_hash, &row);
        if (st == EDN_OK) {
            edn_server_problem(job->out, 409, "taken", "another account has this name");
            return EDN_OK;
        }
        if (st != EDN_E_MISSING)
            return st;
    }
    if (devices_too_many(s, *log) ||
        sum(m->links, m->links_n) + sum(m->boxes, m->boxes_n) > s->config.limits.quota_bytes) {
        edn_server_problem(job->out, 507, "quota", "the account's space on this server is used up");
        return EDN_OK;
    }
    if ((st = edn_server_begin(s)) != EDN_OK || (st = edn_server_account_add(s, *log, &a)) != EDN_OK)
        return st;
    *log = NULL;
    edn_server_account_take_log(a, a->log, m->links, m->links_n);
    if ((st = log_stage(s, a, 0, m->links, m->links_n, m->boxes, m->boxes_n)) != EDN_OK ||
        (st = edn_server_reseal_stage(s, job, a)) !=
            EDN_OK) /* it begins at the bases, so it can be filled from there */
        return st;
    edn_server_account_moved(a);
    if (named) {
        row.account = a->row.id;
        memcpy(row.kdf_record, kdf, sizeof row.kdf_record);
        if ((st = s->meta.name_put(s->meta.ctx, &m->name_hash, &row)) != EDN_OK)
            return st;
    }
    s->stats.accounts_added++;
    edn_server_job_state(job, a);
    job->finish = log_finish;
    return EDN_OK;
}

/* A server that takes no new accounts still takes its own people's shared spaces. That it was they is kept nowhere; a
 * count in memory keeps them from filling it. */
static bool may_register(edn_server *s, server_job *job, const edn_msg_account *m)
{
    limit_rule rule = {s->config.limits.spaces_per_day / 86400.0, s->config.limits.spaces_per_day, 0};
    edn_link_info first;
    uint32_t wait_s;

    if (s->config.sign_up)
        return true;
    if (edn_link_peek(m->links[0], &first) != EDN_OK || !first.space || !edn_server_is_person(&job->caller)) {
        edn_server_problem(job->out, 403, "closed", "this server takes no new accounts");
        return false;
    }
    if (job->weighed || edn_limit_take(&s->limits, LIMIT_SPACES, EDN_F(job->caller.account->row.id), &rule, 1,
                                       s->clock.now_ms(s->clock.ctx), &wait_s)) {
        job->weighed = true;
        return true;
    }
    edn_server_limited(s, job->out, wait_s);
    return false;
}

static edn_status account_unknown(edn_server *s, server_job *job, const edn_msg_account *m)
{
    edn_devlog *log = NULL;
    size_t at;
    edn_status st;

    if (!may_register(s, job, m))
        return EDN_OK;
    st = account_chain(m, &log, &at);
    if (st == EDN_E_NOMEM)
        return st;
    if (st != EDN_OK) {
        edn_server_problem_at(job->out, 422, "link", edn_status_name(st), at);
        return EDN_OK;
    }
    st = account_new(s, job, &log, m);
    edn_devlog_free(log);
    return st;
}

edn_status edn_server_accounts(edn_server *s, server_job *job)
{
    edn_msg_account m;
    edn_account_id id;
    edn_hash first;
    server_account *a;
    edn_status st;

    st = edn_account_decode(&s->arena, job->rq->body, &m);
    if (st != EDN_OK || m.links_n == 0) {
        edn_server_malformed(job->out, st);
        return EDN_OK;
    }
    if (m.links_n > ACCOUNT_LINKS_MAX) {
        edn_server_problem(job->out, 413, "limit", "too many links for one request: bring the rest by /v1/log");
        return EDN_OK;
    }
    job->status = 201;
    first = edn_link_hash(m.links[0]);
    memcpy(id.b, first.b, sizeof id.b);
    st = edn_server_account_get(s, &id, &a);
    if (st == EDN_OK)
        return account_known(s, job, a, &m);
    return st == EDN_E_MISSING ? account_unknown(s, job, &m) : st;
}

/* ---- POST /v1/box ------------------------------------------------------------------------------------------------ */

void edn_server_box(edn_server *s, const server_caller *c, const edn_server_request *rq, edn_server_answer *out)
{
    edn_buf bytes = EDN_BUF_INIT(EDN_PULL_SIZE_MAX - 4096u);
    edn_msg_box_ask ask;
    edn_msg_boxes m;
    size_t *end;
    edn_status st = edn_box_ask_decode(&s->arena, rq->body, &ask);

    if (st != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    m.n = ask.n;
    m.boxes = edn_arena_calloc(&s->arena, ask.n + 1, sizeof *m.boxes);
    end = edn_arena_calloc(&s->arena, ask.n + 1, sizeof *end);
    if (!m.boxes || !end)
        st = EDN_E_NOMEM;
    for (size_t i = 0; st == EDN_OK && i < ask.n; i++) {
        st = s->meta.box_find(s->meta.ctx, c->account->row.n, &ask.hashes[i], &bytes);
        end[i] = bytes.n;
        st = st == EDN_E_MISSING ? EDN_OK : st;
    }
    if (st == EDN_OK) {
        for (size_t i = 0; i < ask.n; i++)
            m.boxes[i] = edn_bytes_of(bytes.p + (i ? end[i - 1] : 0), end[i] - (i ? end[i - 1] : 0));
        out->status = 200;
        edn_boxes_put(&out->body, &m);
    } else if (st == EDN_E_LIMIT) {
        edn_server_problem(out, 413, "limit", "these boxes do not fit one answer: ask for fewer");
    } else {
        edn_server_failed(out, st);
    }
    edn_buf_dispose(&bytes);
}
