/* Recovery shares that contacts keep: given, kept, asked for by a bare machine, and every way in which a server, a
 * contact or a stranger can put something false in between (A26, A27). */
#include "diarist.h"

#include "client/client_priv.h"
#include "client/recovery/entrusted.h"

#include <edn/recovery.h>
#include <edn/sharing.h>

#define FRESH "quite another one"
#define WAIT_MS (EDN_SERVER_RECOVERY_WAIT_S * 1000ull)

enum { ANNA, BEN, CARL, PEOPLE };
static const char *const names[PEOPLE] = {"anna", "ben", "carl"};

/* Three people who have compared their numbers, made once. */
static struct {
    world *w;
    uint8_t keys[PEOPLE][EDN_SESSION_KEY_SIZE];
} ground;

typedef struct people {
    world *w;
    edn_client *c[PEOPLE];
} people;

typedef struct pages {
    char words[EDN_RECOVERY_SHARES_MAX][EDN_RECOVERY_WORDS_MAX];
    char set[EDN_RECOVERY_SET_MAX];
    unsigned n;
} pages;

static edn_client_options options_of(world *w, const char *device, char home[256])
{
    world_home(w, device, home);
    return world_options(w, home);
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
    edn_client *c[PEOPLE];
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];

    (void)state;
    ground.w = world_new();
    for (size_t i = 0; i < PEOPLE; i++) {
        edn_init_options init = {
            .server = WORLD_ORIGIN, .name = names[i], .device_name = names[i], .strength = EDN_STRENGTH_FLOOR};
        edn_client_options o = options_of(ground.w, names[i], home);
        CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c[i], NULL));
        CHECK_OK(edn_client_session_key(c[i], ground.keys[i]));
    }
    for (size_t i = BEN; i < PEOPLE; i++) {
        meet(c[ANNA], names[i]);
        meet(c[i], "anna");
    }
    diary_add(c[ANNA], "1660-01-01", "One", "kept for ever");
    for (size_t i = 0; i < PEOPLE; i++) {
        diary_sync(c[i]);
        edn_client_close(c[i]);
    }
    return 0;
}

static int ground_unmake(void **state)
{
    (void)state;
    world_free(ground.w);
    return 0;
}

static people people_open(void)
{
    people p = {.w = world_copy(ground.w)};
    char home[256];

    for (size_t i = 0; i < PEOPLE; i++) {
        edn_client_options o = options_of(p.w, names[i], home);
        CHECK_OK(edn_client_open(&o, &p.c[i], NULL));
        CHECK_OK(edn_client_unlock_session(p.c[i], ground.keys[i], NULL));
    }
    return p;
}

static void people_close(people *p)
{
    for (size_t i = 0; i < PEOPLE; i++)
        edn_client_close(p->c[i]);
    world_free(p->w);
}

static edn_status keep_page(void *ctx, const edn_recovery_page *page)
{
    pages *p = ctx;

    CHECK_INT(page->number, p->n + 1);
    strcpy(p->words[p->n++], page->words);
    strcpy(p->set, page->set);
    return EDN_OK;
}

static edn_status setup(edn_client *c, unsigned needed, unsigned n, const char *const *contacts, size_t contacts_n,
                        pages *p, edn_err *err)
{
    edn_recovery_plan plan = {.needed = needed, .n = n, .contacts = contacts, .contacts_n = contacts_n};

    p->n = 0;
    return edn_client_recovery_setup(c, edn_bytes_str(WORLD_PASSPHRASE), &plan, keep_page, p, err);
}

static const char *const both[] = {"ben", "carl"};

/* Three of five: three pages, and ben and carl, who keep theirs. */
static pages entrusted(people *p)
{
    edn_recovery_info info;
    pages out;

    CHECK_OK(setup(p->c[ANNA], 3, 5, both, 2, &out, NULL));
    CHECK_INT(out.n, 3);
    CHECK_OK(edn_client_recovery_info(p->c[ANNA], &info, NULL));
    CHECK_STR(edn_bytes_str(info.set), out.set);
    CHECK_OK(edn_client_entrusted_keep(p->c[BEN], "anna", NULL));
    CHECK_OK(edn_client_entrusted_keep(p->c[CARL], "anna", NULL));
    return out;
}

/* ---- a bare machine ---------------------------------------------------------------------------------------------- */

typedef struct came {
    unsigned good, bad, number;
    char text[512];
} came;

static edn_status see_came(void *ctx, const edn_recovery_came *x)
{
    came *c = ctx;

    c->good += x->good;
    c->bad += !x->good;
    c->number = x->number;
    snprintf(c->text, sizeof c->text, "%s", x->text);
    return EDN_OK;
}

typedef struct bare {
    edn_recovery *r;
    edn_recovery_wait wait;
    char words[EDN_RECOVERY_REQUEST_MAX];
    unsigned have, needed;
} bare;

static bare bare_begin(people *p, const char *device, const char *set)
{
    char home[256];
    edn_client_options o = options_of(p->w, device, home);
    bare b = {.have = 0};

    CHECK_OK(edn_recovery_begin(&o, WORLD_ORIGIN, "anna", set, &b.r, NULL));
    CHECK_OK(edn_recovery_request(b.r, device, EDN_STRENGTH_FLOOR, edn_bytes_str(FRESH), &b.wait, NULL));
    CHECK_INT(b.wait.state, EDN_RECOVERY_WAITING);
    CHECK_OK(edn_recovery_words(b.r, b.words, NULL));
    return b;
}

static came collect(bare *b)
{
    came c = {.good = 0};

    CHECK_OK(edn_recovery_collect(b->r, see_came, &c, &b->wait, &b->have, &b->needed, NULL));
    return c;
}

/* Another process. */
static void bare_again(people *p, const char *device, bare *b)
{
    char home[256];
    edn_client_options o = options_of(p->w, device, home);
    bool again;

    edn_recovery_free(b->r);
    CHECK_OK(edn_recovery_resume(&o, edn_bytes_str(FRESH), &b->r, &b->wait, &again, NULL));
    CHECK(!again);
}

static edn_status add(bare *b, const char *words)
{
    return edn_recovery_add(b->r, edn_bytes_str(words), &b->have, &b->needed, NULL);
}

static void give(people *p, size_t who, const bare *b)
{
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_client_entrusted_give(p->c[who], "anna", b->words, &err);

    if (st != EDN_OK)
        print_error("%s\n", err.text);
    CHECK_OK(st);
}

static void contacts_and_paper_bring_it_back(void **state)
{
    people p = people_open();
    pages paper = entrusted(&p);
    edn_client *c;
    bare b = bare_begin(&p, "new", paper.set);
    char words[EDN_RECOVERY_REQUEST_MAX];
    came seen;

    (void)state;
    seen = collect(&b);
    CHECK_INT(seen.good + seen.bad, 0);
    CHECK_INT(b.needed, 3);
    CHECK_STATUS(edn_recovery_finish(b.r, edn_bytes_str(FRESH), &c, NULL), EDN_E_MISSING);
    give(&p, BEN, &b);
    give(&p, BEN, &b); /* twice: he was not sure */
    seen = collect(&b);
    CHECK_INT(seen.good, 1);
    CHECK_INT(seen.number, 4);
    CHECK_INT(seen.bad, 0);
    CHECK_INT(b.have, 1);
    bare_again(&p, "new", &b);
    CHECK_OK(edn_recovery_words(b.r, words, NULL));
    CHECK_STR(edn_bytes_str(words), b.words); /* the same machine still */
    CHECK_OK(add(&b, paper.words[1]));
    CHECK_INT(b.have, 2);
    CHECK_STATUS(add(&b, paper.words[1]), EDN_E_EXISTS);
    bare_again(&p, "new", &b); /* what was typed is kept too */
    CHECK(!edn_recovery_enough(b.r));
    p.w->now_ms += WAIT_MS;
    seen = collect(&b);
    CHECK_INT(seen.good + seen.bad, 0); /* ben's is here already */
    CHECK_INT(b.have, 2);
    CHECK_INT(b.wait.state, EDN_RECOVERY_READY);
    CHECK_STATUS(edn_recovery_finish(b.r, edn_bytes_str(FRESH), &c, NULL), EDN_E_MISSING); /* two of three */
    give(&p, CARL, &b);
    seen = collect(&b);
    CHECK_INT(seen.good, 1);
    CHECK(edn_recovery_enough(b.r));
    CHECK_STATUS(add(&b, paper.words[0]), EDN_E_EXISTS);
    bare_again(&p, "new", &b);
    CHECK(edn_recovery_enough(b.r));
    CHECK_INT(b.wait.state, EDN_RECOVERY_READY);
    CHECK_OK(edn_recovery_finish(b.r, edn_bytes_str(FRESH), &c, NULL));
    diary_sync(c);
    CHECK_INT(diary_see(c, false).entries, 1);
    diary_check_verified(c);
    edn_recovery_free(b.r);
    edn_client_close(c);
    people_close(&p);
}

/* ---- what is false ----------------------------------------------------------------------------------------------- */

/* Puts something on the board for a machine, past every client. */
static void put_give(people *p, const edn_share_request *q, edn_bytes what)
{
    edn_msg_share_ask m = {.kind = EDN_SHARES_GIVE, .account = q->account, .give = what};
    edn_arena a = edn_arena_init(1 << 16);
    edn_msg_shares got;

    memcpy(m.set, q->set.b, sizeof m.set);
    memcpy(m.key, q->key.b, sizeof m.key);
    CHECK_OK(shares_call(p->c[CARL], WORLD_ORIGIN, &m, &a, &got, NULL));
    edn_arena_dispose(&a);
}

static edn_share_request request_of(const bare *b)
{
    edn_share_request q = {.account = b->r->account, .set = b->r->at.set.id};

    edn_dh_keypair(&b->r->secret->request, &q.key);
    return q;
}

static edn_entrusted kept_by(edn_client *c, edn_client *owner)
{
    edn_entry_id id = account_entry(&client_id(owner)->account);
    edn_entrusted e;

    CHECK_OK(client_begin_read(c, NULL));
    CHECK_OK(client_end_read(c, entrusted_load(c, &id, &e), NULL));
    return e;
}

static void seal(people *p, const edn_share_request *q, const edn_share *s, edn_buf *out)
{
    edn_buf_reset(out);
    CHECK_OK(edn_give_seal(out, q, s, &p->c[CARL]->random));
}

static void each_false_share_is_named_at_once(void **state)
{
    people p = people_open();
    pages paper = entrusted(&p);
    bare b = bare_begin(&p, "new", paper.set), other = bare_begin(&p, "other", paper.set);
    edn_share_request q = request_of(&b), q2 = request_of(&other);
    edn_buf sealed = EDN_BUF_INIT(EDN_GIVE_SIZE);
    edn_entrusted ben, carl;
    came seen;
    pages ignored;

    (void)state;
    (void)collect(&b);
    (void)collect(&other);
    ben = kept_by(p.c[BEN], p.c[ANNA]);
    carl = kept_by(p.c[CARL], p.c[ANNA]);
    CHECK(memcmp(ben.share.blind, carl.share.blind, sizeof ben.share.blind) != 0); /* each is hidden by its own */
    for (size_t i = 0; i < 3; i++) { /* number, value, blind: each altered by who keeps it */
        edn_share s = ben.share;
        if (i == 0)
            s.x = 5;
        else if (i == 1)
            s.y[31] ^= 1;
        else
            s.blind[0] ^= 1;
        seal(&p, &q, &s, &sealed);
        put_give(&p, &q, edn_buf_view(&sealed));
        seen = collect(&b);
        CHECK_INT(seen.bad, 1);
        CHECK_INT(seen.number, i == 0 ? 5 : 4);
        CHECK(strstr(seen.text, "somebody changed it"));
    }
    seal(&p, &q, &ben.share, &sealed); /* altered on the way */
    sealed.p[60] ^= 1;
    put_give(&p, &q, edn_buf_view(&sealed));
    seen = collect(&b);
    CHECK_INT(seen.bad, 1);
    CHECK_INT(seen.number, 0);
    put_give(&p, &q, edn_bytes_str("nothing of the kind"));
    CHECK_INT(collect(&b).bad, 1);
    seal(&p, &q2, &ben.share, &sealed); /* what was given to another machine, played to this one */
    put_give(&p, &q2, edn_buf_view(&sealed));
    put_give(&p, &q, edn_buf_view(&sealed));
    seen = collect(&b);
    CHECK_INT(seen.bad, 1);
    CHECK(strstr(seen.text, "of another one"));
    CHECK_INT(collect(&other).good, 1);
    CHECK_INT(collect(&b).bad, 0); /* each is named once */
    CHECK_INT(b.have, 0);
    give(&p, BEN, &b); /* and the good one counts all the same */
    CHECK_INT(collect(&b).good, 1);
    /* A share of another account, of which carl keeps one too. */
    CHECK_OK(setup(p.c[BEN], 2, 3, (const char *const[]){"anna"}, 1, &ignored, NULL));
    CHECK_OK(edn_client_entrusted_keep(p.c[ANNA], "ben", NULL));
    carl = kept_by(p.c[ANNA], p.c[BEN]);
    seal(&p, &q, &carl.share, &sealed);
    put_give(&p, &q, edn_buf_view(&sealed));
    CHECK_INT(collect(&b).bad, 1);
    /* And one of ben's pages among anna's. */
    CHECK_STATUS(add(&b, ignored.words[0]), EDN_E_AUTH);
    CHECK_INT(b.have, 1);
    edn_recovery_free(b.r);
    edn_recovery_free(other.r);
    edn_buf_dispose(&sealed);
    people_close(&p);
}

/* A page whose words say another id, exponent or group than the set's, with a checksum that fits. */
static void what_no_commitment_covers_changes_nothing(void **state)
{
    people p = people_open();
    pages paper = entrusted(&p);
    bare b = bare_begin(&p, "new", paper.set);
    edn_word words[EDN_WORDS_MAX];
    edn_word_share w;
    char text[EDN_RECOVERY_WORDS_MAX];
    size_t n, at = 0;

    (void)state;
    CHECK_OK(edn_words_parse(edn_bytes_str(paper.words[0]), &w, NULL));
    w.id ^= 0x155;
    w.exponent = 3;
    w.extendable = false;
    edn_words_of(&w, words, &n);
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s ", words[i].text);
    (void)collect(&b);
    CHECK_OK(add(&b, text));
    CHECK_OK(add(&b, paper.words[1]));
    CHECK_OK(add(&b, paper.words[2]));
    CHECK(edn_recovery_enough(b.r));
    edn_recovery_free(b.r);
    people_close(&p);
}

/* ---- a server that lies ------------------------------------------------------------------------------------------ */

typedef struct swapping {
    edn_hash key;
    bool beside; /* not in the place of the true ones */
    unsigned gives;
    edn_arena a;
} swapping;

/* Shows a key of its own to who keeps a share. */
static void swap_key(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    swapping *s = ctx;
    edn_msg_share_ask ask;
    edn_msg_shares m;
    edn_hash keys[2];

    (void)w;
    if (strcmp(rq->path, "/v1/shares") != 0 || edn_share_ask_decode(&s->a, rq->body, &ask) != EDN_OK)
        return;
    s->gives += ask.kind == EDN_SHARES_GIVE;
    if (ask.kind != EDN_SHARES_LOOK)
        return;
    CHECK_OK(edn_shares_decode(&s->a, edn_buf_view(&answer->body), &m));
    CHECK_INT(m.keys_n, 1);
    keys[0] = s->key;
    keys[1] = m.keys[0];
    m.keys = keys;
    m.keys_n = s->beside ? 2 : 1;
    edn_buf_reset(&answer->body);
    edn_shares_put(&answer->body, &m);
}

static void a_key_of_the_servers_own_gets_nothing(void **state)
{
    people p = people_open();
    pages paper = entrusted(&p);
    bare b = bare_begin(&p, "new", paper.set);
    swapping s = {.a = edn_arena_init(1 << 20)};
    edn_dh_sk sk = {{7}};
    edn_dh_pk pk;
    edn_err err;

    (void)state;
    (void)collect(&b);
    edn_dh_keypair(&sk, &pk);
    memcpy(s.key.b, pk.b, sizeof s.key.b);
    p.w->tamper = swap_key;
    p.w->tamper_ctx = &s;
    CHECK_STATUS(edn_client_entrusted_give(p.c[BEN], "anna", b.words, &err), EDN_E_AUTH);
    CHECK(strstr(err.text, "nothing was given"));
    CHECK_INT(s.gives, 0);
    s.beside = true; /* the words find the true one */
    CHECK_OK(edn_client_entrusted_give(p.c[BEN], "anna", b.words, &err));
    CHECK_INT(s.gives, 1);
    p.w->tamper = NULL;
    b.words[2] = b.words[2] == 'q' ? 'z' : 'q';
    CHECK_STATUS(edn_client_entrusted_give(p.c[CARL], "anna", b.words, &err), EDN_E_AUTH); /* misheard */
    CHECK_STATUS(edn_client_entrusted_give(p.c[CARL], "anna", "", &err), EDN_E_AUTH);
    CHECK_INT(collect(&b).good, 1);
    edn_arena_dispose(&s.a);
    edn_recovery_free(b.r);
    people_close(&p);
}

/* Another log in the place of a pinned one. */
static void pin_another(edn_client *c, edn_client *of)
{
    contact k;

    CHECK_OK(client_begin_write(c, NULL));
    CHECK_OK(contact_load(c, &client_id(of)->account, &k));
    k.head.b[0] ^= 1;
    CHECK_OK(client_end_write(c, contact_save(c, &k), NULL));
}

static void a_contact_whose_log_changed_stops_everything(void **state)
{
    people p = people_open();
    pages paper = entrusted(&p), more;
    bare b = bare_begin(&p, "new", paper.set);
    edn_recovery_info info;
    edn_status st;

    (void)state;
    (void)collect(&b);
    pin_another(p.c[ANNA], p.c[CARL]);
    /* The server tells a stranger nothing, not even that it is another log: no witness fits. */
    st = setup(p.c[ANNA], 3, 5, both, 2, &more, NULL);
    CHECK(st == EDN_E_FORK || st == EDN_E_MISSING);
    CHECK_INT(more.n, 0); /* before a page was shown, and before ben was sent anything */
    CHECK_OK(edn_client_recovery_info(p.c[ANNA], &info, NULL));
    CHECK_STR(edn_bytes_str(info.set), paper.set);
    pin_another(p.c[BEN], p.c[ANNA]);
    st = edn_client_entrusted_give(p.c[BEN], "anna", b.words, NULL);
    CHECK(st == EDN_E_FORK || st == EDN_E_MISSING);
    CHECK_INT(collect(&b).good, 0);
    edn_recovery_free(b.r);
    people_close(&p);
}

/* ---- who keeps what ---------------------------------------------------------------------------------------------- */

typedef struct seen {
    unsigned n, offered, kept, old, asked, forked;
    edn_entrusted_share last;
} seen;

static edn_status see_share(void *ctx, const edn_entrusted_share *x)
{
    seen *s = ctx;

    s->n++;
    s->offered += x->state == EDN_ENTRUSTED_OFFERED;
    s->kept += x->state == EDN_ENTRUSTED_KEPT;
    s->old += x->state == EDN_ENTRUSTED_OLD;
    s->forked += x->state == EDN_ENTRUSTED_FORKED;
    s->asked += x->asked;
    s->last = *x;
    return EDN_OK;
}

static seen shares_at(edn_client *c)
{
    seen s = {.n = 0};

    CHECK_OK(edn_client_entrusted(c, see_share, &s, NULL));
    return s;
}

typedef struct keepers {
    unsigned n, state[EDN_RECOVERY_SHARES_MAX + 1];
    bool removed[EDN_RECOVERY_SHARES_MAX + 1];
    uint64_t time_ms[EDN_RECOVERY_SHARES_MAX + 1];
} keepers;

static edn_status see_keeper(void *ctx, const edn_recovery_keeper *x)
{
    keepers *h = ctx;

    h->n++;
    CHECK(x->number >= 1 && x->number <= EDN_RECOVERY_SHARES_MAX);
    h->state[x->number] = x->state;
    h->removed[x->number] = x->removed;
    h->time_ms[x->number] = x->time_ms;
    return EDN_OK;
}

static keepers keepers_of(edn_client *c)
{
    keepers h = {.n = 0};

    CHECK_OK(edn_client_recovery_answers(c, NULL));
    CHECK_OK(edn_client_recovery_keepers(c, see_keeper, &h, NULL));
    return h;
}

static void a_share_is_kept_refused_and_confirmed(void **state)
{
    people p = people_open();
    pages paper;
    keepers h;
    uint64_t first;
    seen s;

    (void)state;
    CHECK_OK(setup(p.c[ANNA], 3, 5, both, 2, &paper, NULL));
    h = keepers_of(p.c[ANNA]);
    CHECK_INT(h.n, 2);
    CHECK_INT(h.state[4] + h.state[5], EDN_KEEPER_SILENT);
    s = shares_at(p.c[BEN]);
    CHECK_INT(s.offered, 1);
    CHECK_INT(s.n, 1);
    CHECK(s.last.known && s.last.verified && !s.last.asked);
    CHECK_STR(edn_bytes_str(s.last.set), paper.set);
    CHECK_INT(s.last.number, 4);
    CHECK_STATUS(edn_client_entrusted_asked(p.c[BEN], "anna", see_share, &s, NULL), EDN_E_MISSING); /* not kept yet */
    CHECK_OK(edn_client_entrusted_keep(p.c[BEN], "anna", NULL));
    CHECK_OK(edn_client_entrusted_refuse(p.c[CARL], "anna", NULL));
    CHECK_INT(shares_at(p.c[CARL]).n, 0);
    s = shares_at(p.c[BEN]);
    CHECK_INT(s.kept, 1);
    CHECK_INT(s.n, 1);
    h = keepers_of(p.c[ANNA]);
    CHECK_INT(h.state[4], EDN_KEEPER_KEEPS);
    CHECK_INT(h.state[5], EDN_KEEPER_REFUSES);
    first = h.time_ms[4];
    CHECK_STATUS(edn_client_contact_remove(p.c[BEN], "anna", NULL), EDN_E_DENIED); /* not by the way */
    /* Asked again, and answered again. */
    p.w->now_ms += 60000;
    CHECK_OK(edn_client_recovery_ask_keepers(p.c[ANNA], NULL));
    s = shares_at(p.c[BEN]);
    CHECK_INT(s.asked, 1);
    CHECK_OK(edn_client_entrusted_keep(p.c[BEN], "anna", NULL));
    CHECK_INT(shares_at(p.c[BEN]).asked, 0);
    CHECK(keepers_of(p.c[ANNA]).time_ms[4] > first);
    /* An answer from before, brought late, counts no more. */
    p.w->now_ms += 60000;
    CHECK_OK(edn_client_entrusted_refuse(p.c[BEN], "anna", NULL));
    CHECK_INT(keepers_of(p.c[ANNA]).state[4], EDN_KEEPER_REFUSES);
    CHECK_STATUS(edn_client_entrusted_keep(p.c[BEN], "anna", NULL), EDN_E_MISSING);
    CHECK_OK(edn_client_contact_remove(p.c[BEN], "anna", NULL));
    CHECK_OK(edn_client_contact_remove(p.c[ANNA], "carl", NULL));
    h = keepers_of(p.c[ANNA]);
    CHECK_INT(h.n, 2);
    CHECK(h.removed[5] && !h.removed[4]);
    people_close(&p);
}

typedef struct copying {
    edn_buf letter; /* the first that was put */
} copying;

static void copy_letter(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    copying *x = ctx;
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_inbox m;

    (void)w;
    (void)answer;
    if (strcmp(rq->path, "/v1/inbox") == 0 && edn_inbox_decode(&a, rq->body, &m) == EDN_OK && m.kind == EDN_INBOX_PUT &&
        x->letter.n == 0)
        edn_put_bytes(&x->letter, m.message.p, m.message.n);
    edn_arena_dispose(&a);
}

/* The server puts a letter into an inbox once more. */
static void play_again(people *p, size_t to, edn_bytes letter)
{
    const edn_account_id *account = &client_id(p->c[to])->account;
    edn_msg_inbox m = {.kind = EDN_INBOX_PUT, .to = *account, .message = letter};
    edn_buf rq = EDN_BUF_INIT(EDN_INBOX_ASK_SIZE_MAX), answer = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    contact k;

    CHECK_OK(client_begin_read(p->c[BEN], NULL));
    CHECK_OK(client_end_read(p->c[BEN], contact_load(p->c[BEN], account, &k), NULL));
    m.witness = edn_witness_of(k.seq, &k.head);
    edn_inbox_put(&rq, &m);
    CHECK_OK(account_call(p->c[BEN], WORLD_ORIGIN, "/v1/inbox", NULL, edn_buf_view(&rq), &answer, NULL, NULL));
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
}

static void an_answer_that_is_played_again_counts_no_more(void **state)
{
    people p = people_open();
    copying x = {.letter = EDN_BUF_INIT(EDN_INBOX_LETTER_SIZE_MAX)};
    pages paper;

    (void)state;
    CHECK_OK(setup(p.c[ANNA], 3, 5, both, 2, &paper, NULL));
    p.w->tamper = copy_letter;
    p.w->tamper_ctx = &x;
    CHECK_OK(edn_client_entrusted_keep(p.c[BEN], "anna", NULL));
    p.w->tamper = NULL;
    CHECK(x.letter.n > 0);
    CHECK_INT(keepers_of(p.c[ANNA]).state[4], EDN_KEEPER_KEEPS);
    p.w->now_ms += 1000;
    CHECK_OK(edn_client_entrusted_refuse(p.c[BEN], "anna", NULL));
    CHECK_INT(keepers_of(p.c[ANNA]).state[4], EDN_KEEPER_REFUSES);
    play_again(&p, ANNA, edn_buf_view(&x.letter));
    CHECK_INT(keepers_of(p.c[ANNA]).state[4], EDN_KEEPER_REFUSES);
    CHECK_OK(setup(p.c[ANNA], 3, 5, both, 2, &paper, NULL)); /* nor of the share of that number in another set */
    play_again(&p, ANNA, edn_buf_view(&x.letter));
    CHECK_INT(keepers_of(p.c[ANNA]).state[4], EDN_KEEPER_SILENT);
    edn_buf_dispose(&x.letter);
    people_close(&p);
}

static void nobody_keeps_what_is_not_a_share_of_the_sender(void **state)
{
    people p = people_open();
    pages paper;
    edn_entrusted e = {.needed = 3, .n = 5}, wrong;
    edn_buf payload = EDN_BUF_INIT(256);
    fetched_log got = {0};
    contact k;

    (void)state;
    CHECK_OK(setup(p.c[ANNA], 3, 5, both, 1, &paper, NULL));
    CHECK_OK(edn_client_entrusted_keep(p.c[BEN], "anna", NULL));
    e = kept_by(p.c[BEN], p.c[ANNA]);
    CHECK_OK(client_begin_read(p.c[ANNA], NULL));
    CHECK_OK(client_end_read(p.c[ANNA], contact_load(p.c[ANNA], &client_id(p.c[CARL])->account, &k), NULL));
    for (size_t i = 0; i < 5; i++) { /* another set, threshold, number of shares, number, value */
        wrong = e;
        wrong.set.b[0] ^= i == 0;
        wrong.needed -= i == 1;
        wrong.n += i == 2;
        wrong.share.x -= i == 3;
        wrong.share.y[0] ^= i == 4;
        edn_buf_reset(&payload);
        edn_entrusted_put(&payload, &wrong);
        CHECK_OK(contact_log(p.c[ANNA], &k, &got, NULL));
        CHECK_OK(letter_send(p.c[ANNA], &k, got.log, EDN_LETTER_SHARE, edn_buf_view(&payload), NULL));
        fetched_log_dispose(&got);
    }
    CHECK_INT(shares_at(p.c[CARL]).n, 0);
    CHECK_STATUS(edn_client_entrusted_keep(p.c[CARL], "anna", NULL), EDN_E_MISSING);
    p.w->now_ms += 60000;                                           /* the server counts lookups by the minute */
    CHECK_OK(edn_client_entrusted_refuse(p.c[CARL], "anna", NULL)); /* the letters go */
    /* One who is no contact of carl's: to be kept when he is. */
    CHECK_OK(edn_client_contact_remove(p.c[CARL], "anna", NULL));
    CHECK_OK(setup(p.c[ANNA], 2, 3, both, 2, &paper, NULL));
    CHECK_INT(shares_at(p.c[CARL]).offered, 1);
    CHECK_STATUS(edn_client_entrusted_keep(p.c[CARL], "anna", NULL), EDN_E_DENIED);
    meet(p.c[CARL], "anna");
    CHECK_OK(edn_client_entrusted_keep(p.c[CARL], "anna", NULL));
    edn_buf_dispose(&payload);
    people_close(&p);
}

static void a_new_set_makes_the_old_one_worthless(void **state)
{
    people p = people_open();
    pages old = entrusted(&p), paper;
    bare b;
    keepers h;
    seen s = {.n = 0};

    (void)state;
    CHECK_OK(setup(p.c[ANNA], 2, 3, (const char *const[]){"carl"}, 1, &paper, NULL)); /* without ben */
    CHECK_INT(shares_at(p.c[BEN]).old, 1);
    CHECK_STATUS(edn_client_entrusted_keep(p.c[BEN], "anna", NULL), EDN_E_AUTH);
    h = keepers_of(p.c[ANNA]);
    CHECK_INT(h.n, 1);
    CHECK_INT(h.state[3], EDN_KEEPER_SILENT); /* what carl said was of the old one */
    CHECK_INT(shares_at(p.c[CARL]).offered, 1);
    CHECK_OK(edn_client_entrusted_keep(p.c[CARL], "anna", NULL));
    CHECK_INT(keepers_of(p.c[ANNA]).state[3], EDN_KEEPER_KEEPS);
    b = bare_begin(&p, "new", paper.set);
    (void)collect(&b);
    CHECK_STATUS(edn_client_entrusted_asked(p.c[BEN], "anna", see_share, &s, NULL), EDN_E_AUTH);
    CHECK_STATUS(edn_client_entrusted_give(p.c[BEN], "anna", b.words, NULL), EDN_E_AUTH);
    CHECK_INT(s.n, 0);
    CHECK_STATUS(add(&b, old.words[0]), EDN_E_AUTH);
    give(&p, CARL, &b);
    CHECK_INT(collect(&b).good, 1);
    CHECK_OK(add(&b, paper.words[0]));
    CHECK(edn_recovery_enough(b.r));
    edn_recovery_free(b.r);
    people_close(&p);
}

static void contacts_alone_can_hold_a_set(void **state)
{
    people p = people_open();
    pages paper = {.n = 0};
    edn_recovery_info info;
    bare b;

    (void)state;
    CHECK_OK(setup(p.c[ANNA], 2, 2, both, 2, &paper, NULL));
    CHECK_INT(paper.n, 0);
    CHECK_OK(edn_client_entrusted_keep(p.c[BEN], "anna", NULL));
    CHECK_OK(edn_client_entrusted_keep(p.c[CARL], "anna", NULL));
    CHECK_OK(edn_client_recovery_info(p.c[ANNA], &info, NULL));
    b = bare_begin(&p, "new", shares_at(p.c[BEN]).last.set);
    (void)collect(&b);
    give(&p, CARL, &b);
    give(&p, BEN, &b);
    CHECK_INT(collect(&b).good, 2);
    CHECK(edn_recovery_enough(b.r));
    edn_recovery_free(b.r);
    people_close(&p);
}

static void whom_nobody_verified_gets_no_share(void **state)
{
    people p = people_open();
    const char *const twice[] = {"ben", "ben"}, *const nobody[] = {"ben", "dora"};
    edn_recovery_info info;
    edn_contact k;
    pages paper;

    (void)state;
    CHECK_OK(edn_client_contact_remove(p.c[ANNA], "carl", NULL));
    CHECK_OK(edn_client_contact_add(p.c[ANNA], "carl", NULL, NULL, keep_contact, &k, NULL));
    CHECK_STATUS(setup(p.c[ANNA], 3, 5, both, 2, &paper, NULL), EDN_E_DENIED);
    CHECK_STATUS(setup(p.c[ANNA], 3, 5, twice, 2, &paper, NULL), EDN_E_INVALID);
    CHECK_STATUS(setup(p.c[ANNA], 3, 5, nobody, 2, &paper, NULL), EDN_E_MISSING);
    CHECK_STATUS(setup(p.c[ANNA], 2, 2, (const char *const[]){"ben", "carl", "x"}, 3, &paper, NULL), EDN_E_INVALID);
    CHECK_INT(paper.n, 0);
    CHECK_OK(edn_client_recovery_info(p.c[ANNA], &info, NULL));
    CHECK(!info.there);
    CHECK_INT(shares_at(p.c[BEN]).n, 0);
    people_close(&p);
}

/* The link did not come after the letters: a share of no set. */
static void no_set_is_good_whose_letters_were_not_sent(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        people p = people_open();
        edn_recovery_info info;
        pages paper;
        edn_status st;
        uint64_t from = p.w->exchanges;
        p.w->down_from = from + at;
        st = setup(p.c[ANNA], 2, 3, both, 2, &paper, NULL);
        CHECK(st == EDN_OK || st == EDN_E_NETWORK);
        p.w->down_from = 0;
        CHECK_OK(edn_client_recovery_info(p.c[ANNA], &info, NULL));
        CHECK(info.there == (st == EDN_OK));
        CHECK_INT(shares_at(p.c[BEN]).offered + shares_at(p.c[CARL]).offered, st == EDN_OK ? 2 : 0);
        people_close(&p);
        if (st == EDN_OK)
            break;
        CHECK(at < 30);
    }
}

typedef struct replaying {
    edn_buf answer; /* to who asked about the newer set */
    bool play;
} replaying;

static void replay_held(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    replaying *x = ctx;

    (void)w;
    if (strcmp(rq->path, "/v1/recovery") != 0)
        return;
    if (!x->play) {
        edn_put_bytes(&x->answer, answer->body.p, answer->body.n);
        return;
    }
    answer->status = 200;
    edn_buf_reset(&answer->body);
    edn_put_bytes(&answer->body, x->answer.p, x->answer.n);
}

/* Shares that were held against one set would count for another. */
static void a_log_with_a_newer_set_is_not_taken_for_that_of_the_old_one(void **state)
{
    people p = people_open();
    pages paper = entrusted(&p), newer;
    replaying x = {.answer = EDN_BUF_INIT(EDN_PULL_SIZE_MAX)};
    bare b = bare_begin(&p, "new", paper.set);
    edn_recovery *other;
    edn_client_options o;
    char home[256];
    edn_err err;
    came c = {.good = 0};

    (void)state;
    (void)collect(&b);
    CHECK_OK(add(&b, paper.words[0]));
    CHECK_OK(setup(p.c[ANNA], 2, 2, NULL, 0, &newer, NULL));
    p.w->tamper = replay_held;
    p.w->tamper_ctx = &x;
    o = options_of(p.w, "other", home);
    CHECK_OK(edn_recovery_begin(&o, WORLD_ORIGIN, "anna", newer.set, &other, NULL));
    x.play = true;
    CHECK_STATUS(edn_recovery_collect(b.r, see_came, &c, &b.wait, &b.have, &b.needed, &err), EDN_E_AUTH);
    CHECK(strstr(err.text, "not sound"));
    CHECK_INT(b.r->at.set.needed, 3);
    CHECK_STATUS(add(&b, newer.words[0]), EDN_E_AUTH);
    edn_recovery_free(b.r);
    edn_recovery_free(other);
    edn_buf_dispose(&x.answer);
    people_close(&p);
}

/* Between the looking and the giving. */
static void cancelled_meanwhile(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_share_ask ask;
    edn_msg_shares m = {.state = EDN_HELD_CANCELLED};

    (void)ctx;
    (void)w;
    if (strcmp(rq->path, "/v1/shares") == 0 && edn_share_ask_decode(&a, rq->body, &ask) == EDN_OK &&
        ask.kind == EDN_SHARES_GIVE) {
        edn_buf_reset(&answer->body);
        edn_shares_put(&answer->body, &m);
    }
    edn_arena_dispose(&a);
}

static void a_device_cancels_and_nobody_gives_any_more(void **state)
{
    people p = people_open();
    pages paper = entrusted(&p);
    bare b = bare_begin(&p, "new", paper.set);
    edn_err err;
    came seen_;

    (void)state;
    (void)collect(&b);
    p.w->tamper = cancelled_meanwhile;
    CHECK_STATUS(edn_client_entrusted_give(p.c[BEN], "anna", b.words, &err), EDN_E_MISSING);
    CHECK(strstr(err.text, "ended just now"));
    p.w->tamper = NULL;
    give(&p, BEN, &b);
    CHECK_OK(edn_client_recovery_cancel(p.c[ANNA], NULL));
    CHECK_STATUS(edn_client_entrusted_give(p.c[CARL], "anna", b.words, &err), EDN_E_MISSING);
    CHECK(strstr(err.text, "cancelled"));
    seen_ = collect(&b);
    CHECK_INT(b.wait.state, EDN_RECOVERY_CANCELLED);
    CHECK_INT(seen_.good, 0);
    CHECK_INT(b.have, 0);
    edn_recovery_abandon(b.r);
    edn_recovery_free(b.r);
    people_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contacts_and_paper_bring_it_back),
        cmocka_unit_test(each_false_share_is_named_at_once),
        cmocka_unit_test(what_no_commitment_covers_changes_nothing),
        cmocka_unit_test(a_key_of_the_servers_own_gets_nothing),
        cmocka_unit_test(a_contact_whose_log_changed_stops_everything),
        cmocka_unit_test(a_share_is_kept_refused_and_confirmed),
        cmocka_unit_test(an_answer_that_is_played_again_counts_no_more),
        cmocka_unit_test(nobody_keeps_what_is_not_a_share_of_the_sender),
        cmocka_unit_test(a_new_set_makes_the_old_one_worthless),
        cmocka_unit_test(contacts_alone_can_hold_a_set),
        cmocka_unit_test(whom_nobody_verified_gets_no_share),
        cmocka_unit_test(no_set_is_good_whose_letters_were_not_sent),
        cmocka_unit_test(a_log_with_a_newer_set_is_not_taken_for_that_of_the_old_one),
        cmocka_unit_test(a_device_cancels_and_nobody_gives_any_more),
    };
    return cmocka_run_group_tests(tests, ground_make, ground_unmake);
}
