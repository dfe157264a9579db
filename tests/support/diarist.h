/* diarist: what somebody does with a diary in a test, and how diaries are compared. Each call fails the test when it
 * does not succeed. */
#ifndef EDN_TESTS_DIARIST_H
#define EDN_TESTS_DIARIST_H

#include "check.h"
#include "world.h"

edn_entry_id diary_add(edn_client *c, const char *date, const char *title, const char *text);
void diary_edit(edn_client *c, const edn_entry_id *id, const char *text);
edn_sync_result diary_sync(edn_client *c);

/* Every entry, deleted ones too, whole: equal bytes are equal diaries. */
edn_buf diary_bytes(edn_client *c);
void diary_check_same(edn_client *a, edn_client *b);
/* Appends the entry's text. */
void diary_text(edn_client *c, const edn_entry_id *id, edn_buf *out);
void diary_check_text(edn_client *c, const edn_entry_id *id, const char *want);
edn_status diary_put_text(void *ctx, const edn_entry *e); /* an edn_entry_fn onto an edn_buf */

typedef struct diary_seen {
    unsigned entries, deleted, conflicts;
} diary_seen;
diary_seen diary_see(edn_client *c, bool deleted);

/* How often a word occurs in bytes. */
size_t diary_count(edn_bytes in, const char *word);

/* `verify` finds nothing. */
void diary_check_verified(edn_client *c);

/* How many findings of a class status shows. */
unsigned diary_findings(edn_client *c, edn_status st);

/* One account on two devices. */
typedef struct two {
    world *w;
    edn_client *a, *b;
} two;
two two_open(void);
void two_close(two *t);

/* Calls that are given `&err`, which is there for them: one that must succeed, and is printed when it does not. */
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        edn_err err = {EDN_OK, ""};                                                                                    \
        edn_status st_ = (call);                                                                                       \
        if (st_ != EDN_OK)                                                                                             \
            print_error("%s\n", err.text);                                                                             \
        CHECK_OK(st_);                                                                                                 \
    } while (0)
/* And one that must fail, with a sentence. */
#define REFUSED(call, want)                                                                                            \
    do {                                                                                                               \
        edn_err err = {EDN_OK, ""};                                                                                    \
        CHECK_STATUS((call), (want));                                                                                  \
        CHECK(err.text[0]);                                                                                            \
    } while (0)

#endif
