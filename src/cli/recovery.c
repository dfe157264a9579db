/* Commands about one's own recovery shares: recovery setup, recovery drill, recovery status, recovery cancel. */
#include "cli/cli_priv.h"

#include <edn/recovery.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/json.h"
#include "cli/recovery_page.h"
#include "cli/text.h"

/* ---- pages ------------------------------------------------------------------------------------------------------- */

typedef struct pages {
    edn_cli *c;
    const char *dir; /* NULL: standard output */
    char date[11];
    unsigned made; /* files, in this order: share-1.txt, share-1.html, share-2.txt, … */
} pages;

static void page_path(const pages *p, unsigned number, const char *ending, char out[4096])
{
    snprintf(out, 4096, "%s/share-%u.%s", p->dir, number, ending);
}

edn_status edn_cli_page_save(edn_cli *c, const char *path, const edn_buf *bytes)
{
    edn_cli_term to = {.fd = -1};
    edn_buf copy = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = EDN_E_IO;

    to.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to.fd < 0)
        return edn_fail(&c->err, EDN_E_IO, "could not make %s: %s", path, strerror(errno));
    edn_buf_reserve(&copy, bytes->n);
    edn_put_bytes(&copy, bytes->p, bytes->n);
    if (edn_buf_status(&copy) == EDN_OK && edn_cli_flush(&to, &copy) == EDN_OK && fsync(to.fd) == 0)
        st = EDN_OK;
    if (close(to.fd) != 0)
        st = EDN_E_IO;
    if (st != EDN_OK)
        (void)unlink(path); /* half of it would mislead; the failure is told either way */
    edn_buf_wipe(&copy);
    return st == EDN_OK ? st : edn_fail(&c->err, st, "could not write %s", path);
}

static edn_status page_write(pages *p, unsigned number, const char *ending, const edn_buf *bytes)
{
    char path[4096];
    edn_status st;

    page_path(p, number, ending, path);
    st = edn_cli_page_save(p->c, path, bytes);
    p->made += st == EDN_OK;
    return st;
}

static edn_status page_files(pages *p, const edn_recovery_page *page)
{
    edn_buf bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st;

    edn_buf_reserve(&bytes, (size_t)1 << 20); /* so that no piece of it is left where it grew from */
    edn_cli_page_text(&bytes, page, p->date);
    st = edn_buf_status(&bytes);
    if (st == EDN_OK)
        st = page_write(p, page->number, "txt", &bytes);
    edn_buf_reset(&bytes);
    if (st == EDN_OK && (st = edn_cli_page_html(&bytes, page, p->date)) == EDN_OK)
        st = page_write(p, page->number, "html", &bytes);
    edn_buf_wipe(&bytes);
    return st;
}

static edn_status page_one(void *ctx, const edn_recovery_page *page)
{
    pages *p = ctx;

    if (p->dir)
        return page_files(p, page);
    edn_put_str(&p->c->buf, page->number > 1 ? "\n\f\n" : "");
    edn_cli_page_text(&p->c->buf, page, p->date);
    return edn_cli_flush(&p->c->out, &p->c->buf);
}

/* The account does not know of these shares: they would only mislead. */
static void pages_remove(const pages *p)
{
    char path[4096];

    for (unsigned i = 0; i < p->made; i++) {
        page_path(p, i / 2 + 1, i % 2 ? "html" : "txt", path);
        (void)unlink(path); /* if it cannot be removed, the failure that is told leads there */
    }
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static edn_status number_of(edn_cli *c, edn_cli_opt opt, unsigned preset, unsigned *out)
{
    const char *value = edn_cli_value(&c->args, opt);
    uint64_t n;

    *out = preset;
    if (!value)
        return EDN_OK;
    if (!edn_cli_read_count(value, EDN_RECOVERY_SHARES_MAX, &n))
        return edn_cli_usage(c, "'--%s %s' is not a number up to %u", edn_cli_options[opt].name, value,
                             EDN_RECOVERY_SHARES_MAX);
    *out = (unsigned)n;
    return EDN_OK;
}

/* What a set with contacts in it asks of them, and what it lets them do. */
static void note_contacts(edn_cli *c, const edn_recovery_plan *plan)
{
    if (plan->contacts_n == 0)
        return;
    edn_cli_note(
        c, "Each contact was sent a share, and keeps it with 'edn recovery keep', within 30 days: tell them. 'edn "
           "recovery drill' says who has.");
    if (plan->contacts_n >= plan->needed)
        edn_cli_warn(
            c,
            "%zu contacts hold shares, and %u are enough: together these contacts can open your diary, without "
            "any page, once the server's wait is over",
            plan->contacts_n, plan->needed);
    if (plan->contacts_n == plan->n)
        edn_cli_warn(c,
                     "no share is on paper: what 'edn recover' asks for (server, name, set) each of your contacts can "
                     "tell you from 'edn recovery held'");
}

edn_status edn_cli_shares_make(edn_cli *c, const char *dir, const edn_recovery_plan *plan, edn_bytes passphrase)
{
    pages p = {.c = c, .dir = dir};
    edn_status st = EDN_OK;

    if (dir && mkdir(dir, 0700) != 0 && errno != EEXIST)
        st = edn_fail(&c->err, EDN_E_IO, "could not make the folder %s: %s", dir, strerror(errno));
    edn_cli_date_local(p.date, edn_cli_now_ms(), 0);
    if (st == EDN_OK)
        st = edn_client_recovery_setup(c->client, passphrase, plan, page_one, &p, &c->err);
    if (st != EDN_OK) {
        pages_remove(&p);
        if (!dir)
            edn_cli_warn(c, "the account was not changed: shares that were shown are worth nothing");
        return st;
    }
    edn_cli_note(
        c, "The shares are good from now on, and all earlier ones are not. %s%s%s%s",
        dir && plan->contacts_n < plan->n ? "Print the pages in " : "", dir && plan->contacts_n < plan->n ? dir : "",
        dir && plan->contacts_n < plan->n ? ", then take the files away. " : "", "Try them: 'edn recovery drill'.");
    note_contacts(c, plan);
    return EDN_OK;
}

typedef struct again {
    char ids[EDN_RECOVERY_SHARES_MAX][33];
    const char *contacts[EDN_RECOVERY_SHARES_MAX];
    size_t n;
} again;

static edn_status again_one(void *ctx, const edn_recovery_keeper *h)
{
    again *a = ctx;

    if (h->removed || h->state == EDN_KEEPER_REFUSES || a->n == EDN_RECOVERY_SHARES_MAX)
        return EDN_OK;
    memcpy(a->ids[a->n], h->id, sizeof h->id);
    a->contacts[a->n] = a->ids[a->n];
    a->n++;
    return EDN_OK;
}

edn_status edn_cli_shares_again(edn_cli *c, const char *dir, edn_bytes passphrase)
{
    again a = {.n = 0};
    edn_recovery_info info;
    edn_recovery_plan plan;
    edn_status st = edn_client_recovery_info(c->client, &info, &c->err);

    if (st == EDN_OK)
        st = edn_client_recovery_keepers(c->client, again_one, &a, &c->err);
    plan = (edn_recovery_plan){.needed = info.needed, .n = info.n, .contacts = a.contacts, .contacts_n = a.n};
    return st == EDN_OK ? edn_cli_shares_make(c, dir, &plan, passphrase) : st;
}

edn_status edn_cli_recovery_setup(edn_cli *c)
{
    const char *contacts[EDN_RECOVERY_SHARES_MAX], *who;
    edn_recovery_plan plan = {.contacts = contacts};
    edn_cli_secret passphrase = {NULL, 0};
    edn_status st;

    for (size_t at = 0; (who = edn_cli_next(&c->args, EDN_OPT_KEEPER, &at)) != NULL;) {
        if (plan.contacts_n == EDN_COUNT(contacts))
            return edn_cli_usage(c, "at most %u contacts can hold shares", EDN_RECOVERY_SHARES_MAX);
        contacts[plan.contacts_n++] = who;
    }
    if ((st = number_of(c, EDN_OPT_THRESHOLD, 3, &plan.needed)) != EDN_OK ||
        (st = number_of(c, EDN_OPT_SHARES, 5, &plan.n)) != EDN_OK ||
        (st = edn_cli_open_with_passphrase(c, &passphrase)) != EDN_OK)
        return st;
    st = edn_cli_shares_make(c, edn_cli_value(&c->args, EDN_OPT_PAGES), &plan, edn_cli_secret_view(&passphrase));
    edn_cli_secret_dispose(&passphrase);
    return st;
}

/* ---- taking shares ----------------------------------------------------------------------------------------------- */

/* What is wrong with one share is said, and another asked for. */
static bool share_is_wrong(edn_status st) { return st == EDN_E_INVALID || st == EDN_E_AUTH || st == EDN_E_EXISTS; }

edn_status edn_cli_share_take(edn_cli *c, edn_recovery *r, const char *prompt, bool *blank, unsigned *have,
                              unsigned *needed)
{
    char line[1024];
    unsigned before = *have;
    edn_status st = edn_cli_ask_line(c, prompt, line, sizeof line);

    if (st == EDN_OK && blank && (*blank = line[strspn(line, " \t")] == 0))
        return EDN_OK;
    if (st == EDN_OK) {
        st = edn_recovery_add(r, edn_bytes_str(line), have, needed, &c->err);
        if (share_is_wrong(st) && (*have == before || *have < *needed)) {
            edn_cli_warn(c, "%s", c->err.text);
            st = EDN_OK;
        } else if (st == EDN_OK) {
            edn_cli_note(c, "Share %u of the %u that are needed is good.", *have, *needed);
        }
    }
    edn_wipe(line, sizeof line);
    return st;
}

/* `most`: stop there though they are not enough; 0: go on until they are. */
static edn_status take_up_to(edn_cli *c, edn_recovery *r, unsigned most, unsigned *have, unsigned *needed)
{
    char prompt[80];
    edn_status st = EDN_OK;

    *have = *needed = 0;
    do {
        snprintf(prompt, sizeof prompt, "Share %u%s: ", *have + 1, *have ? "" : " (33 words, any order of shares)");
        st = edn_cli_share_take(c, r, prompt, NULL, have, needed);
    } while (st == EDN_OK && (*needed == 0 || *have < *needed) && (most == 0 || *have < most));
    return st;
}

edn_status edn_cli_shares_take(edn_cli *c, edn_recovery *r)
{
    unsigned have, needed;

    return take_up_to(c, r, 0, &have, &needed);
}

/* ---- who keeps them ---------------------------------------------------------------------------------------------- */

typedef struct keepers {
    edn_cli *c; /* NULL: they are only counted */
    unsigned n, keep;
} keepers;

static edn_status put_keeper(void *ctx, const edn_recovery_keeper *h)
{
    static const char *const words[] = {"has not answered", "keeps it", "does not keep it"};
    keepers *x = ctx;
    edn_cli *c = x->c;
    char when[EDN_CLI_TIME_MAX];

    x->n++;
    x->keep += h->state == EDN_KEEPER_KEEPS && !h->removed;
    if (!c)
        return EDN_OK;
    edn_cli_putf(&c->buf, "Share %u: ", h->number);
    edn_cli_put_text(&c->buf, &c->out, h->name, true);
    edn_cli_putf(&c->buf, " %s", words[h->state]);
    if (h->state != EDN_KEEPER_SILENT) {
        edn_cli_time_local(when, h->time_ms, 0);
        edn_cli_putf(&c->buf, ", as of %.10s", when);
    }
    edn_put_str(&c->buf, h->removed ? " (no contact any more)\n" : "\n");
    return edn_cli_out(c);
}

/* Says who keeps shares of the present set; *n, *keep: how many contacts have one, and said that they keep it. */
static edn_status say_keepers(edn_cli *c, keepers *x)
{
    *x = (keepers){.c = c};
    return edn_client_recovery_keepers(c->client, put_keeper, x, &c->err);
}

/* ---- drill ------------------------------------------------------------------------------------------------------- */

/* Contacts' shares are not used: they stay where they are. They are asked anew, and what they said is told. */
static edn_status drill_contacts(edn_cli *c, keepers *x)
{
    edn_status st;

    *x = (keepers){.c = NULL};
    if ((st = edn_client_recovery_keepers(c->client, put_keeper, x, &c->err)) != EDN_OK || x->n == 0)
        return st;
    if ((st = edn_client_recovery_answers(c->client, &c->err)) != EDN_OK || (st = say_keepers(c, x)) != EDN_OK)
        return st;
    if ((st = edn_client_recovery_ask_keepers(c->client, &c->err)) == EDN_OK)
        edn_cli_note(c, "Each of them is asked again now, and answers with 'edn recovery keep'.");
    return st;
}

static edn_status drill_pages(edn_cli *c, const edn_recovery_info *info, const keepers *x)
{
    unsigned have, needed, on_paper = info->n - x->n;
    edn_recovery *r = NULL;
    edn_status st;

    if (on_paper == 0) {
        edn_cli_putf(&c->buf, "There are no pages to try: %u of the %u shares that are needed are kept by contacts.\n",
                     x->keep, info->needed);
        return x->keep >= info->needed
                   ? edn_cli_out(c)
                   : edn_fail(&c->err, EDN_E_MISSING,
                              "not enough contacts have said that they keep their share: speak with "
                              "them, or make a new set");
    }
    if ((st = edn_recovery_drill(c->client, &r, &c->err)) == EDN_OK)
        st = take_up_to(c, r, on_paper < info->needed ? on_paper : 0, &have, &needed);
    edn_recovery_free(r);
    if (st != EDN_OK)
        return st;
    if (have == needed) {
        edn_put_str(&c->buf, "The shares are alive: together they open the account. Nothing was changed.\n");
        return edn_cli_out(c);
    }
    edn_cli_putf(&c->buf,
                 "The pages are alive: %u of the %u shares that are needed, and contacts keep %u. Nothing was "
                 "changed.\n",
                 have, needed, x->keep);
    return have + x->keep >= needed ? edn_cli_out(c)
                                    : edn_fail(&c->err, EDN_E_MISSING,
                                               "with these pages and the contacts who have answered it is not enough: "
                                               "speak with them, or make a new set");
}

edn_status edn_cli_recovery_drill(edn_cli *c)
{
    edn_recovery_info info;
    keepers x;
    edn_status st;

    if ((st = edn_cli_need(c)) != EDN_OK || (st = edn_client_recovery_info(c->client, &info, &c->err)) != EDN_OK)
        return st;
    if (!info.there)
        return edn_fail(&c->err, EDN_E_MISSING, "this account has no recovery shares; 'edn recovery setup' makes them");
    if ((st = drill_contacts(c, &x)) != EDN_OK || (st = drill_pages(c, &info, &x)) != EDN_OK)
        return st;
    return info.current ? EDN_OK
                        : edn_fail(&c->err, EDN_E_EPOCH,
                                   "the shares are alive, but keys were made anew since: they no longer open what is "
                                   "written now. Make a new set: 'edn recovery setup'");
}

void edn_cli_warn_of_shares(edn_cli *c)
{
    edn_recovery_info info;
    edn_err ignored;

    if (edn_client_recovery_info(c->client, &info, &ignored) == EDN_OK && info.there && !info.current)
        edn_cli_warn(c,
                     "the recovery shares no longer open what is written from now on: 'edn recovery setup' makes new "
                     "ones");
}

edn_status edn_cli_recovery_status(edn_cli *c)
{
    edn_recovery_info info;
    char when[EDN_CLI_TIME_MAX];
    keepers x;
    edn_status st;

    if ((st = edn_cli_need(c)) != EDN_OK || (st = edn_client_recovery_info(c->client, &info, &c->err)) != EDN_OK)
        return st;
    if (!info.there) {
        edn_put_str(&c->buf, "There are no recovery shares; 'edn recovery setup' makes them.\n");
        return edn_cli_out(c);
    }
    edn_cli_time_local(when, info.time_ms, 0);
    edn_cli_putf(&c->buf, "Set %s, made %.10s: %u of %u shares recover the account.\n", info.set, when, info.needed,
                 info.n);
    edn_put_str(&c->buf, info.current
                             ? "They open the present keys.\n"
                             : "Keys were made anew since: they no longer open what is written now. Make a new "
                               "set: 'edn recovery setup'.\n");
    if ((st = edn_cli_out(c)) != EDN_OK)
        return st;
    return say_keepers(c, &x);
}

/* ---- one that is under way --------------------------------------------------------------------------------------- */

void edn_cli_warn_of_recovery(edn_cli *c)
{
    edn_recovery_wait wait;
    char asked[EDN_CLI_TIME_MAX], ready[EDN_CLI_TIME_MAX];
    edn_err ignored;

    if (edn_client_recovery_held(c->client, &wait, &ignored) != EDN_OK ||
        (wait.state != EDN_RECOVERY_WAITING && wait.state != EDN_RECOVERY_READY))
        return;
    edn_cli_time_local(asked, wait.asked_ms, 0);
    edn_cli_time_local(ready, wait.ready_ms, 0);
    edn_cli_warn(c,
                 "SOMEBODY RECOVERS THIS ACCOUNT: with one of the recovery shares it was asked for at %s. %s %s the "
                 "server %s the sealed box, which enough shares open. If that is not you: 'edn recovery cancel', now, "
                 "and then 'edn recovery setup'",
                 asked, wait.state == EDN_RECOVERY_WAITING ? "After" : "Since", ready,
                 wait.state == EDN_RECOVERY_WAITING ? "gives out" : "has given out, to whoever asked,");
}

void edn_cli_put_recovery_json(edn_cli *c)
{
    static const char *const names[] = {"none", "none", "waiting", "ready", "cancelled"};
    edn_recovery_wait wait;
    edn_err ignored;

    if (edn_client_recovery_held(c->client, &wait, &ignored) != EDN_OK)
        return;
    edn_json_open(&c->buf, "recovery", '{');
    edn_json_string(&c->buf, "state", edn_bytes_str(names[wait.state]));
    edn_json_time(&c->buf, "asked", wait.asked_ms);
    edn_json_time(&c->buf, "ready", wait.ready_ms);
    edn_json_string(&c->buf, "cancelled_by", edn_bytes_str(wait.by));
    edn_json_close(&c->buf, '}');
}

edn_status edn_cli_recovery_cancel(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK)
        st = edn_client_recovery_cancel(c->client, &c->err);
    if (st == EDN_OK)
        edn_cli_note(c, "The recovery is cancelled, and the machine that asked for it will be told so. Who has a page "
                        "can ask again: 'edn recovery setup' makes all pages worthless that are out there now.");
    return st;
}
