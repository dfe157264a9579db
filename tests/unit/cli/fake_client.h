/* A client that pretends: one process's memory is its diary, and it fails on demand. For unit tests of what the
 * commands print and how they exit; the real one is driven by tests/e2e. */
#ifndef EDN_TESTS_FAKE_CLIENT_H
#define EDN_TESTS_FAKE_CLIENT_H

#include <edn/client.h>

typedef struct fake_state {
    edn_status fail; /* what the next call that can fail gives, from `fail_in` such calls on; EDN_OK: none does */
    unsigned fail_in;
    bool there, unlocked;
    char passphrase[64];
    edn_finding findings[2];
    size_t findings_n;
    edn_sync_result synced; /* what a sync gives */
    bool news;              /* something that other devices did was not told yet */
    edn_client_status status;
} fake_state;

extern fake_state fake;
/* Empties it: an unlocked diary with one journal. */
void fake_reset(void);
/* Adds an entry behind the commands' backs; the bytes are borrowed. */
void fake_entry(const char *id_hex, const char *date, const char *title, const char *text);

#endif
