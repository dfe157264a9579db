/* Whoever is taken out opens nothing that is written afterwards: in every order of taking out, inviting, accepting,
 * revoking, adding and rotating, for an account and for a shared journal, with every key that they ever held, tried on
 * every byte that the server was sent (support/attacker.h).
 *
 * Anna owns the journal and has two devices, berta is a member and has two; the second of anna's invites. All orders of
 * so many steps are gone through, each in a process of its own that goes on from where its parent stands: EDN_DEPTH
 * says how many steps (2). Between two steps everybody writes and syncs. */
#include "diarist.h"

#include "crashvfs.h"
#include "attacker.h"

#include "client/sharing/space.h"

#include <edn/account.h>
#include <edn/sharing.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANNA, BERTA, PEOPLE };
enum { ANNA_1, ANNA_2, BERTA_1, BERTA_2, BERTA_3, DEVICES };
enum { TAKE_OUT, INVITE, ACCEPT, REVOKE_BERTAS, REVOKE_ANNAS, ROTATE, LOG_IN, STEPS };
static const char *const step_names[] = {"take berta out", "invite berta", "berta accepts", "berta revokes a device",
                                         "anna revokes",   "anna rotates", "berta logs in"};
#define NEVER UINT64_MAX

typedef struct ghost {
    held held;
    edn_account_id account;
    uint64_t from, space_from; /* links of the two logs from which on nothing may open */
    bool pending;              /* an invitation that it may have read is still open */
} ghost;

typedef struct town {
    world *w;
    edn_client *c[DEVICES];
    held held[DEVICES];
    sent_log log;
    ghost ghosts[16];
    size_t ghosts_n;
    edn_account_id account[PEOPLE], space;
    char key[PEOPLE][EDN_ACCOUNT_KEY_TEXT_MAX];
    bool in, invited;
    int path[8];
    size_t depth;
    unsigned written;
} town;

static town t;

/* Across processes. */
typedef struct figures {
    unsigned orders, later, opened;
} figures;
static figures *seen;

/* ---- people ------------------------------------------------------------------------------------------------------ */

static const char *const device_names[] = {"anna-1", "anna-2", "berta-1", "berta-2", "berta-3"};
static const char *const people[] = {"anna", "berta"};

static edn_client *space_of(edn_client *c)
{
    edn_client *s = NULL;

    return c && family_find(c, &t.space, &s, NULL) == EDN_OK ? s : NULL;
}

static void record(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    size_t had = t.log.n;

    (void)ctx;
    (void)w;
    sent_note(&t.log, rq, answer);
    if (t.log.n > had && t.log.p[had].kind == SENT_LETTER && space_of(t.c[ANNA_2]))
        held_take_passing(&t.held[ANNA_2], space_of(t.c[ANNA_2]), &t.account[BERTA]);
}

static void make(int device, int person)
{
    char home[256];
    edn_init_options init = {.server = WORLD_ORIGIN,
                             .name = people[person],
                             .device_name = device_names[device],
                             .strength = EDN_STRENGTH_FLOOR};

    world_home(t.w, device_names[device], home);
    edn_client_options o = world_options(t.w, home);
    OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), t.key[person], &t.c[device], &err));
    t.account[person] = client_id(t.c[device])->account;
}

static void log_in(int device, int person)
{
    char home[256];
    edn_login_options login = {.server = WORLD_ORIGIN,
                               .name = people[person],
                               .device_name = device_names[device],
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(t.key[person])};

    world_home(t.w, device_names[device], home);
    edn_client_options o = world_options(t.w, home);
    OK(edn_client_login(&o, &login, edn_bytes_str(WORLD_PASSPHRASE), &t.c[device], &err));
}

static edn_status keep_contact(void *ctx, const edn_contact *k)
{
    *(edn_contact *)ctx = *k;
    return EDN_OK;
}

static void meet(int device, int whom)
{
    edn_contact k;

    OK(edn_client_contact_add(t.c[device], people[whom], NULL, NULL, keep_contact, &k, &err));
    OK(edn_client_contact_verify(t.c[device], people[whom], k.number, &err));
}

/* A device that was revoked is nobody's any more. */
static void sync_all(void)
{
    for (int i = 0; i < DEVICES; i++)
        if (t.c[i])
            (void)diary_sync(t.c[i]);
}

static edn_journal_id journal_of(edn_client *c)
{
    edn_journal_id j;

    OK(edn_client_journal_find(c, "Trip", &j, &err));
    return j;
}

/* Everybody writes in the diary of their own, and in the journal if they are in it. */
static void write_all(void)
{
    for (int i = 0; i < DEVICES; i++) {
        edn_client *s = space_of(t.c[i]);
        char text[32];
        edn_entry_id id;
        if (!t.c[i])
            continue;
        snprintf(text, sizeof text, "entry %u", ++t.written);
        (void)diary_add(t.c[i], "1660-01-01", "", text);
        if (s && (i <= ANNA_2 || t.in)) {
            edn_journal_id j = journal_of(t.c[i]);
            edn_draft d = {.date = edn_bytes_str("1660-01-02"), .text = edn_bytes_str(text), .journal = &j};
            OK(edn_client_add(t.c[i], &d, &id, &err));
        }
    }
}

static void settle(void)
{
    sync_all();
    write_all();
    sync_all();
    sync_all();
    for (int i = 0; i < DEVICES; i++)
        if (t.c[i])
            held_take(&t.held[i], t.c[i], true);
}

static void base(void)
{
    edn_journal_id j;

    t.w->tamper = record;
    make(ANNA_1, ANNA);
    make(BERTA_1, BERTA);
    log_in(ANNA_2, ANNA);
    log_in(BERTA_2, BERTA);
    sync_all();
    meet(ANNA_1, BERTA);
    meet(BERTA_1, ANNA);
    sync_all();
    sync_all();
    OK(edn_client_journal_new(t.c[ANNA_1], edn_bytes_str("Trip"), &j, &err));
    diary_add(t.c[ANNA_1], "1660-01-01", "", "before all");
    sync_all();
    sync_all();
    OK(edn_client_journal_share(t.c[ANNA_2], &j, "berta", EDN_MEMBER_WRITE, false, &err));
    j = journal_of(t.c[ANNA_2]);
    {
        edn_client *s;
        OK(family_of_journal(t.c[ANNA_2], &j, &s, &err));
        t.space = client_id(s)->account;
    }
    t.invited = true;
    settle();
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static uint64_t links_of(edn_client *c)
{
    uint64_t n;

    OK(client_begin_read(c, &err));
    n = edn_devlog_count(c->log);
    OK(client_end_read(c, EDN_OK, &err));
    return n;
}

static ghost *ghost_new(int person)
{
    ghost *g = &t.ghosts[t.ghosts_n++];

    CHECK(t.ghosts_n <= EDN_COUNT(t.ghosts));
    *g = (ghost){.account = t.account[person], .from = NEVER, .space_from = NEVER};
    return g;
}

/* What a device knew, and what its person's other one, from whom it could still have it, knew then. */
static void revoke_device(int by, int who, int person)
{
    ghost *g = ghost_new(person);
    const edn_device *d;

    held_take(&t.held[who], t.c[who], true);
    held_add_all(&g->held, &t.held[who]);
    held_take(&g->held, t.c[by], false);
    d = edn_devlog_device_find(t.c[by]->log, &client_id(t.c[who])->device);
    CHECK(d);
    OK(edn_client_device_revoke(t.c[by], device_names[who], edn_bytes_str(WORLD_PASSPHRASE), &err));
    d = edn_devlog_device_find(t.c[by]->log, &client_id(t.c[who])->device);
    CHECK(d && !edn_device_active(d));
    g->from = d->revoked_seq;
    edn_client_close(t.c[who]);
    t.c[who] = NULL;
    sync_all();
    sync_all();
    if (person == BERTA && t.invited)
        g->pending = true;
    else
        g->space_from = links_of(space_of(t.c[ANNA_1])) - 1;
    if (person == ANNA && t.invited) { /* the open invitation was its making, and went with it */
        t.invited = false;
        OK(edn_client_invitation_refuse(t.c[BERTA_1], "Trip", &err));
    }
}

static bool step_is_possible(int step)
{
    switch (step) {
    case TAKE_OUT:
        return t.in || t.invited;
    case INVITE:
        return !t.in && !t.invited && t.c[ANNA_2];
    case ACCEPT:
        return t.invited;
    case REVOKE_BERTAS:
        return t.c[BERTA_2];
    case REVOKE_ANNAS:
        return t.c[ANNA_2];
    case LOG_IN:
        return !t.c[BERTA_3];
    default:
        return true;
    }
}

static void take_out(void)
{
    edn_journal_id j = journal_of(t.c[ANNA_1]);
    ghost *g = ghost_new(BERTA);

    for (int i = BERTA_1; i <= BERTA_3; i++)
        held_add_all(&g->held, &t.held[i]);
    OK(edn_client_journal_unshare(t.c[ANNA_1], &j, "berta", &err));
    g->space_from = links_of(space_of(t.c[ANNA_1])) - 1;
    g->held.deaf = t.account[BERTA];
    g->held.deaf_from = t.log.n;
    if (t.invited)
        OK(edn_client_invitation_refuse(t.c[BERTA_1], "Trip", &err));
    for (size_t i = 0; i < t.ghosts_n; i++)
        if (t.ghosts[i].pending) {
            t.ghosts[i].pending = false;
            t.ghosts[i].space_from = g->space_from;
        }
    t.in = t.invited = false;
}

static void do_step(int step)
{
    edn_journal_id j;

    switch (step) {
    case TAKE_OUT:
        take_out();
        break;
    case INVITE:
        j = journal_of(t.c[ANNA_2]);
        OK(edn_client_journal_share(t.c[ANNA_2], &j, "berta", EDN_MEMBER_WRITE, false, &err));
        t.invited = true;
        break;
    case ACCEPT:
        OK(edn_client_invitation_accept(t.c[BERTA_1], "Trip", false, &err));
        t.invited = false;
        t.in = true;
        sync_all();
        for (size_t i = 0; i < t.ghosts_n; i++)
            if (t.ghosts[i].pending) {
                t.ghosts[i].pending = false;
                t.ghosts[i].space_from = links_of(space_of(t.c[BERTA_1])) - 1;
            }
        break;
    case REVOKE_BERTAS:
        revoke_device(BERTA_1, BERTA_2, BERTA);
        break;
    case REVOKE_ANNAS:
        revoke_device(ANNA_1, ANNA_2, ANNA);
        break;
    case ROTATE:
        OK(edn_client_rekey(t.c[ANNA_1], edn_bytes_str(WORLD_PASSPHRASE), false, &err));
        break;
    default:
        log_in(BERTA_3, BERTA);
        break;
    }
    settle();
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static bool is_account(const edn_account_id *a, const edn_account_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* Written by somebody who knew that this one is out. */
static bool is_later(const ghost *g, const sent *o)
{
    if (o->kind == SENT_LETTER)
        return false; /* what a letter gives is learned from it, and tried */
    return (is_account(&o->account, &g->account) && o->seq >= g->from) ||
           (is_account(&o->account, &t.space) && o->seq >= g->space_from);
}

static void check_ghost(ghost *g)
{
    held_close(&g->held, &t.log);
    for (size_t i = 0; i < t.log.n; i++) {
        if (!is_later(g, &t.log.p[i]))
            continue;
        seen->later++;
        if (g->held.opened[i])
            print_error("object %zu, kind %d, of %s, link %llu, opens (%d)\n", i, (int)t.log.p[i].kind,
                        is_account(&t.log.p[i].account, &t.space) ? "the journal" : "the account",
                        (unsigned long long)t.log.p[i].seq, g->held.opened[i]);
        CHECK_INT(g->held.opened[i], 0);
    }
}

/* With the same tries whoever is in opens all of it. */
static void check_member(int device, const edn_account_id *account)
{
    held h = {0};

    held_take(&h, t.c[device], true);
    held_close(&h, &t.log);
    for (size_t i = 0; i < t.log.n; i++)
        if (t.log.p[i].kind == SENT_BATCH && is_account(&t.log.p[i].account, account)) {
            CHECK_INT(h.opened[i], HELD_OUTER | HELD_SOME | HELD_ALL);
            seen->opened++;
        }
    held_dispose(&h);
}

static void check_all(void)
{
    check_member(ANNA_1, &t.account[ANNA]);
    check_member(ANNA_1, &t.space);
    check_member(BERTA_1, &t.account[BERTA]);
    if (t.in) {
        edn_hash a, b;
        check_member(BERTA_1, &t.space);
        a = edn_devlog_head(space_of(t.c[ANNA_1])->log);
        b = edn_devlog_head(space_of(t.c[BERTA_1])->log);
        CHECK_BYTES(EDN_F(a), EDN_F(b));
    }
    for (size_t i = 0; i < t.ghosts_n; i++)
        check_ghost(&t.ghosts[i]);
    seen->orders++;
}

/* ---- all orders -------------------------------------------------------------------------------------------------- */

static void explore(size_t depth)
{
    if (depth == 0) {
        check_all();
        return;
    }
    for (int step = 0; step < STEPS; step++) {
        int status;
        pid_t pid;
        if (!step_is_possible(step))
            continue;
        fflush(NULL);
        pid = fork();
        if (pid == 0) {
            t.path[t.depth++] = step;
            do_step(step);
            explore(depth - 1);
            _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            print_error("…");
            for (size_t i = 0; i < t.depth; i++)
                print_error("%s, ", step_names[t.path[i]]);
            print_error("%s\n", step_names[step]);
            exit(1);
        }
    }
}

/* Outside of cmocka's tests, whose failures come back to the first process. */
int main(void)
{
    const char *depth = getenv("EDN_DEPTH");
    crashvfs *server = crashvfs_new("ghosts-server"), *disk = crashvfs_new("ghosts-disk");

    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(seen != MAP_FAILED);
    t.w = world_new_on("ghosts-server");
    t.w->device_vfs = "ghosts-disk";
    base();
    explore(depth ? strtoul(depth, NULL, 10) : 2);
    printf("%u orders, %u objects that must not open, %u that must\n", seen->orders, seen->later, seen->opened);
    CHECK(seen->orders > 20 && seen->later > 100 && seen->opened > 1000);
    for (int i = 0; i < DEVICES; i++) {
        edn_client_close(t.c[i]);
        held_dispose(&t.held[i]);
    }
    sent_dispose(&t.log);
    world_server_stop(t.w);
    crashvfs_free(server);
    crashvfs_free(disk);
    world_free(t.w);
    return 0;
}
