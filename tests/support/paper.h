/* The pages of a set of recovery shares, and taking them. */
#ifndef EDN_TESTS_PAPER_H
#define EDN_TESTS_PAPER_H

#include <edn/recovery.h>

#include "diarist.h"

/* The pages of a set. */
typedef struct paper {
    char words[EDN_RECOVERY_SHARES_MAX][EDN_RECOVERY_WORDS_MAX];
    char set[EDN_RECOVERY_SET_MAX];
    unsigned n;
    edn_status give; /* of the second page */
} paper;

static inline edn_status paper_keep(void *ctx, const edn_recovery_page *page)
{
    paper *p = ctx;

    CHECK_INT(page->number, p->n + 1);
    CHECK_STR(edn_bytes_str(page->name), WORLD_NAME);
    strcpy(p->words[p->n++], page->words);
    strcpy(p->set, page->set);
    return p->n == 2 ? p->give : EDN_OK;
}

/* All of them on paper. */
static inline edn_status paper_setup(edn_client *c, const char *passphrase, unsigned needed, unsigned n, paper *p,
                                     edn_err *err)
{
    edn_recovery_plan plan = {.needed = needed, .n = n};

    return edn_client_recovery_setup(c, edn_bytes_str(passphrase), &plan, paper_keep, p, err);
}

static inline paper paper_made_with(edn_client *c, const char *passphrase, unsigned needed, unsigned n)
{
    paper p = {.n = 0};

    CHECK_OK(paper_setup(c, passphrase, needed, n, &p, NULL));
    CHECK_INT(p.n, n);
    return p;
}

static inline paper paper_made(edn_client *c, unsigned needed, unsigned n)
{
    return paper_made_with(c, WORLD_PASSPHRASE, needed, n);
}

static inline edn_status paper_add(edn_recovery *r, const char *words, unsigned *have, edn_err *err)
{
    unsigned needed;

    return edn_recovery_add(r, edn_bytes_str(words), have, &needed, err);
}

static inline edn_recovery_info paper_info(edn_client *c)
{
    edn_recovery_info i;

    CHECK_OK(edn_client_recovery_info(c, &i, NULL));
    return i;
}

#endif
