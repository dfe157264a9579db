/* cli, its own header: what a command has in its hands, and the commands. */
#ifndef EDN_CLI_PRIV_H
#define EDN_CLI_PRIV_H

#include <edn/client.h>

#include "cli/args.h"
#include "cli/secret.h"
#include "cli/term.h"

typedef struct edn_cli {
    edn_cli_args args;
    edn_client_options options; /* of the client */
    char *home;                 /* malloc'ed */
    edn_client *client;         /* NULL until a command opens it */
    edn_cli_term out, note;     /* standard output and standard error */
    bool json, quiet;
    bool usage;  /* the failure is one of the command line */
    edn_buf buf; /* on its way to standard output */
    edn_err err; /* of the call that failed */
} edn_cli;

/* A command: EDN_OK, or a status whose sentence stands in c->err. What it printed is in c->buf or flushed. */
typedef edn_status edn_cli_run(edn_cli *c);

/* ---- help for commands: cli.c, open.c ---------------------------------------------------------------------------- */

/* Something for a person, on standard error, with a line end; nothing when --quiet. */
void edn_cli_note(edn_cli *c, const char *fmt, ...) EDN_PRINTF(2, 3);
/* The same, but in any case: what a script must not miss either. */
void edn_cli_warn(edn_cli *c, const char *fmt, ...) EDN_PRINTF(2, 3);
/* Flushes c->buf when it has grown; call after each thing that was put. */
EDN_MUST_USE edn_status edn_cli_out(edn_cli *c);
/* A usage error found by a command: exit code 2. */
edn_status edn_cli_usage(edn_cli *c, const char *fmt, ...) EDN_PRINTF(2, 3);

/* An option, or what its variable says; NULL: neither, or nothing in it. */
const char *edn_cli_option_or_env(const edn_cli *c, edn_cli_opt opt);

/* Opens the diary, locked. */
EDN_MUST_USE edn_status edn_cli_open(edn_cli *c);
/* Opens and unlocks it: by --passphrase-fd, by the key in the keyring, or by asking. */
EDN_MUST_USE edn_status edn_cli_need(edn_cli *c);
/* Unlocks it when that needs no asking. */
EDN_MUST_USE edn_status edn_cli_try(edn_cli *c);
/* Unlocks by a holder's or slot's name, asking for its PIN: slot.c. */
EDN_MUST_USE edn_status edn_cli_unlock_slot(edn_cli *c, const char *what);
#define EDN_CLI_TIMEOUT_DEFAULT_S 900u
/* --timeout, or its default. */
EDN_MUST_USE edn_status edn_cli_timeout(edn_cli *c, uint32_t *out_s);
/* Puts the unlocked key into the keyring and says so; a kernel that takes none is no failure. */
EDN_MUST_USE edn_status edn_cli_keep_unlocked(edn_cli *c, uint32_t timeout_s);
/* The passphrase of an account or device that exists. */
EDN_MUST_USE edn_status edn_cli_passphrase(edn_cli *c, const char *prompt, edn_cli_secret *out);
/* Opens and unlocks the diary by the passphrase, which is asked for even when it is unlocked: `out` is for a call that
 * needs it. */
EDN_MUST_USE edn_status edn_cli_open_with_passphrase(edn_cli *c, edn_cli_secret *out);
/* A new one: from a descriptor, else asked for twice. */
EDN_MUST_USE edn_status edn_cli_passphrase_new(edn_cli *c, edn_cli_opt fd, const char *prompt, edn_cli_secret *out);
/* An option that is the number of a descriptor; -1: not given. */
EDN_MUST_USE edn_status edn_cli_fd(edn_cli *c, edn_cli_opt opt, int *out);
edn_strength edn_cli_strength(const edn_cli *c);
/* Before a home is made: says that one is in use before anything is asked, and makes the folders above it. */
EDN_MUST_USE edn_status edn_cli_home_check(edn_cli *c);
/* The emergency sheet, onto standard output. */
EDN_MUST_USE edn_status edn_cli_sheet_show(edn_cli *c);
/* --device-name, or the host's name in `space`; NULL: neither. */
const char *edn_cli_device_name(const edn_cli *c, char space[256]);

/* ENTRY, or ENTRY@VERSION when `when` is given (zeros: none was named). */
EDN_MUST_USE edn_status edn_cli_find(edn_cli *c, const char *what, edn_entry_id *out, edn_moment *when);
/* An option that names a journal; *out NULL when it was not given, else `id`. */
EDN_MUST_USE edn_status edn_cli_journal(edn_cli *c, edn_cli_opt opt, edn_journal_id *id, const edn_journal_id **out);
/* --from, --to, --tag, --journal, --limit of commands that have them. Borrows from `space`. */
typedef struct edn_cli_filter {
    edn_filter filter;
    char from[11], to[11];
    edn_journal_id journal;
} edn_cli_filter;
EDN_MUST_USE edn_status edn_cli_filter_of(edn_cli *c, edn_cli_filter *space);

/* ---- locked journals: locked.c ----------------------------------------------------------------------------------- */

/* Opens those whose keys the kernel keeps; of an unlocked diary. */
void edn_cli_journals_reopen(edn_cli *c);
/* Says which are closed, and how they are opened: what is printed is not all there is. */
void edn_cli_note_closed(edn_cli *c);
/* `journal new --locked`. */
EDN_MUST_USE edn_status edn_cli_journal_make_locked(edn_cli *c, edn_journal_id *out);

/* ---- rendering: render.c ----------------------------------------------------------------------------------------- */

typedef enum edn_cli_detail { EDN_DETAIL_WHOLE, EDN_DETAIL_ROW } edn_cli_detail;
void edn_cli_put_entry_json(edn_buf *out, const edn_entry *e, edn_cli_detail detail);
/* As `edn show` prints it. */
void edn_cli_put_entry(edn_cli *c, const edn_entry *e);
/* An edn_entry_fn with an edn_cli: the entry in the form that --json or --text asks for, and out with it. */
edn_status edn_cli_show_entry(void *ctx, const edn_entry *e);
/* One line of a list; `id_digits` is how many tell it from its neighbours. */
void edn_cli_put_row(edn_cli *c, const edn_entry *e, size_t id_digits);
/* A list: rows are kept until all are there, so that ids can be shortened. */
typedef struct edn_cli_rows edn_cli_rows;
edn_cli_rows *edn_cli_rows_new(void);
void edn_cli_rows_free(edn_cli_rows *r);
EDN_MUST_USE edn_status edn_cli_rows_add(edn_cli_rows *r, const edn_entry *e);
/* `backwards`: the last first. */
EDN_MUST_USE edn_status edn_cli_rows_print(edn_cli_rows *r, edn_cli *c, bool backwards);
/* "0a1b2c3d (2024-05-01, Title)", for sentences about one entry. */
void edn_cli_put_name(edn_buf *out, const edn_entry *e);

/* After a sync: what other devices did to the account, on standard error, each told once. */
EDN_MUST_USE edn_status edn_cli_news(edn_cli *c);
/* The same as a member "notices" of the JSON object that is open in c->buf. */
EDN_MUST_USE edn_status edn_cli_news_json(edn_cli *c);
/* Says so, every time, while somebody recovers this account; and how it stands as a member of JSON. */
void edn_cli_warn_of_recovery(edn_cli *c);
void edn_cli_put_recovery_json(edn_cli *c);
/* A new file for the owner's eyes alone, as the pages to print are. A failure leaves none. */
EDN_MUST_USE edn_status edn_cli_page_save(edn_cli *c, const char *path, const edn_buf *bytes);
/* Makes a new set, its pages into a folder or (NULL) onto standard output. */
struct edn_recovery_plan;
EDN_MUST_USE edn_status edn_cli_shares_make(edn_cli *c, const char *dir, const struct edn_recovery_plan *plan,
                                            edn_bytes passphrase);
/* The same in place of the set that there is: as many shares, with the same contacts. */
EDN_MUST_USE edn_status edn_cli_shares_again(edn_cli *c, const char *dir, edn_bytes passphrase);
/* Takes one share from standard input: what is wrong with it is said, and is no failure. *blank (NULL: that is wrong,
 * too): the line was empty. */
struct edn_recovery;
EDN_MUST_USE edn_status edn_cli_share_take(edn_cli *c, struct edn_recovery *r, const char *prompt, bool *blank,
                                           unsigned *have, unsigned *needed);
/* Takes shares until they are enough. */
EDN_MUST_USE edn_status edn_cli_shares_take(edn_cli *c, struct edn_recovery *r);
/* Says so when the account's recovery shares do not open its present keys. */
void edn_cli_warn_of_shares(edn_cli *c);

void edn_cli_put_finding(edn_cli *c, const edn_finding *f);
void edn_cli_put_findings_json(edn_buf *out, const edn_finding *findings, size_t n);

/* What would change of an entry in quarantine, as `edn diff` prints it: compare.c. */
EDN_MUST_USE edn_status edn_cli_put_quarantine_diff(edn_cli *c, const char *device, const edn_entry_id *id);

/* `edn search -i`, beginning with `query`: typing.c. */
/* On a device that is new, before it has the diary: what others have published of the index. A failure is told, and
 * costs nothing else. */
void edn_cli_fetch_index(edn_cli *c);
EDN_MUST_USE edn_status edn_cli_search_typing(edn_cli *c, edn_buf *query, const edn_search_options *options);

/* ---- commands ---------------------------------------------------------------------------------------------------- */

edn_cli_run edn_cli_init, edn_cli_login, edn_cli_unlock, edn_cli_lock, edn_cli_passwd, edn_cli_server, edn_cli_sheet;
edn_cli_run edn_cli_slot_list, edn_cli_slot_add, edn_cli_slot_remove;
edn_cli_run edn_cli_device_list, edn_cli_device_rename, edn_cli_device_revoke;
edn_cli_run edn_cli_rekey, edn_cli_account_key_renew;
edn_cli_run edn_cli_device_link, edn_cli_device_approve, edn_cli_device_verify, edn_cli_log;
edn_cli_run edn_cli_recovery_held, edn_cli_recovery_keep, edn_cli_recovery_refuse, edn_cli_recovery_give;
edn_cli_run edn_cli_recovery_setup, edn_cli_recovery_drill, edn_cli_recovery_status, edn_cli_recovery_cancel,
    edn_cli_recover, edn_cli_emergency;
edn_cli_run edn_cli_write, edn_cli_add, edn_cli_edit, edn_cli_set, edn_cli_tag, edn_cli_mv, edn_cli_rm,
    edn_cli_undelete;
edn_cli_run edn_cli_show, edn_cli_today, edn_cli_list, edn_cli_history, edn_cli_restore, edn_cli_diff, edn_cli_blame;
edn_cli_run edn_cli_search, edn_cli_similar, edn_cli_onthisday, edn_cli_stats, edn_cli_reindex;
edn_cli_run edn_cli_journal_list, edn_cli_journal_new, edn_cli_journal_rename;
edn_cli_run edn_cli_journal_lock, edn_cli_journal_open, edn_cli_journal_close, edn_cli_journal_passphrase,
    edn_cli_journal_unlock;
edn_cli_run edn_cli_journal_share, edn_cli_journal_members, edn_cli_journal_unshare;
edn_cli_run edn_cli_contact_list, edn_cli_contact_add, edn_cli_contact_show, edn_cli_contact_verify,
    edn_cli_contact_remove, edn_cli_contact_card;
edn_cli_run edn_cli_invite_list, edn_cli_invite_accept, edn_cli_invite_refuse;
edn_cli_run edn_cli_quarantine_list, edn_cli_quarantine_show, edn_cli_quarantine_keep, edn_cli_quarantine_drop;
edn_cli_run edn_cli_import, edn_cli_export, edn_cli_sync, edn_cli_status, edn_cli_verify;

#endif
