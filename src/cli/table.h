/* The one table of commands, options, exit codes and JSON objects. Parsing, `edn help`, the man page, the shell
 * completions and docs/commands.md all come from it; nothing else knows a command's or an option's name. Pure data. */
#ifndef EDN_CLI_TABLE_H
#define EDN_CLI_TABLE_H

#include "base/base.h"

#define EDN_CLI_VERSION "0.1.0"

/* ---- exit codes -------------------------------------------------------------------------------------------------- */

/* Stable: scripts branch on them. */
typedef enum edn_cli_exit {
    EDN_EXIT_OK = 0,
    EDN_EXIT_FAILED = 1,
    EDN_EXIT_USAGE = 2,
    EDN_EXIT_NOT_FOUND = 3,
    EDN_EXIT_LOCKED = 4,
    EDN_EXIT_NETWORK = 5,
    EDN_EXIT_NOT_AUTHENTIC = 6,
    EDN_EXIT_STORAGE = 7,
    EDN_EXIT_INPUT = 8,
    EDN_EXIT_COUNT
} edn_cli_exit;

/* What each means, for the documents. */
extern const char *const edn_cli_exit_texts[EDN_EXIT_COUNT];
edn_cli_exit edn_cli_exit_of(edn_status st);

/* ---- options ----------------------------------------------------------------------------------------------------- */

typedef enum edn_cli_opt {
    EDN_OPT_NONE, /* ends a list */
    /* every command takes these */
    EDN_OPT_HOME,
    EDN_OPT_PASSPHRASE_FD,
    EDN_OPT_CA_FILE,
    EDN_OPT_PROXY,
    EDN_OPT_QUIET,
    EDN_OPT_NO_COLOR,
    EDN_OPT_HELP,
    EDN_OPT_VERSION,
    EDN_OPT_GLOBAL_END,
    /* some do */
    EDN_OPT_JSON,
    EDN_OPT_SERVER,
    EDN_OPT_SERVER_NEEDED,
    EDN_OPT_NAME,
    EDN_OPT_DEVICE_NAME,
    EDN_OPT_STRENGTH,
    EDN_OPT_NO_ACCOUNT_KEY,
    EDN_OPT_ACCOUNT_KEY_FD_OUT,
    EDN_OPT_ACCOUNT_KEY_FD_IN,
    EDN_OPT_NEW_PASSPHRASE_FD,
    EDN_OPT_SAME,
    EDN_OPT_JOURNAL_PASSPHRASE_FD,
    EDN_OPT_LOCKED,
    EDN_OPT_TIMEOUT,
    EDN_OPT_WITH,
    EDN_OPT_PIN_FD,
    EDN_OPT_DATE,
    EDN_OPT_TITLE,
    EDN_OPT_TAG,
    EDN_OPT_FIELD,
    EDN_OPT_JOURNAL,
    EDN_OPT_ALLOW_DISK,
    EDN_OPT_FROM,
    EDN_OPT_TO,
    EDN_OPT_WITH_TAG,
    EDN_OPT_IN_JOURNAL,
    EDN_OPT_LIMIT,
    EDN_OPT_LIMIT_HITS,
    EDN_OPT_BY_DATE,
    EDN_OPT_STEM,
    EDN_OPT_COUNT_ONLY,
    EDN_OPT_QUIET_SEARCH,
    EDN_OPT_PUBLISHED,
    EDN_OPT_INTERACTIVE,
    EDN_OPT_NEWEST_FIRST,
    EDN_OPT_DELETED,
    EDN_OPT_TEXT,
    EDN_OPT_REMOVE,
    EDN_OPT_FORMAT_IN,
    EDN_OPT_SKIP_BAD,
    EDN_OPT_FORMAT_OUT,
    EDN_OPT_FORCE,
    EDN_OPT_WATCH,
    EDN_OPT_PNG,
    EDN_OPT_LAN,
    EDN_OPT_LAN_PORT,
    EDN_OPT_LAN_AT,
    EDN_OPT_LAN_ADDRESS,
    EDN_OPT_THRESHOLD,
    EDN_OPT_SHARES,
    EDN_OPT_PAGES,
    EDN_OPT_SET,
    EDN_OPT_KEEPER,
    EDN_OPT_CONTACTS,
    EDN_OPT_KEEP_DEVICES,
    EDN_OPT_SHEET_DIR,
    EDN_OPT_STOLEN,
    EDN_OPT_YES,
    EDN_OPT_WITH_GUESTS,
    EDN_OPT_OF_DEVICE,
    EDN_OPT_ALL,
    EDN_OPT_AS,
    EDN_OPT_ROLE,
    EDN_OPT_UNVERIFIED,
    EDN_OPT_DEEP,
    EDN_OPT_OWN_KEY,
    EDN_OPT_COUNT
} edn_cli_opt;

typedef struct edn_cli_option {
    const char *name;    /* without the dashes; several rows may share one where commands mean different things by it */
    char letter;         /* 0: none */
    const char *value;   /* what to call its value; NULL: it takes none */
    const char *env;     /* the variable that stands in for it; NULL: none */
    const char *choices; /* the values there are, parted by spaces; NULL: any */
    const char *help;
} edn_cli_option;

extern const edn_cli_option edn_cli_options[EDN_OPT_COUNT];

/* ---- commands ---------------------------------------------------------------------------------------------------- */

typedef enum edn_cli_cmd {
    EDN_CMD_INIT,
    EDN_CMD_LOGIN,
    EDN_CMD_UNLOCK,
    EDN_CMD_LOCK,
    EDN_CMD_PASSWD,
    EDN_CMD_SERVER,
    EDN_CMD_SHEET,
    EDN_CMD_SLOT_LIST,
    EDN_CMD_SLOT_ADD,
    EDN_CMD_SLOT_REMOVE,
    EDN_CMD_DEVICE_LIST,
    EDN_CMD_DEVICE_RENAME,
    EDN_CMD_DEVICE_REVOKE,
    EDN_CMD_REKEY,
    EDN_CMD_ACCOUNT_KEY_RENEW,
    EDN_CMD_DEVICE_LINK,
    EDN_CMD_DEVICE_APPROVE,
    EDN_CMD_DEVICE_VERIFY,
    EDN_CMD_LOG,
    EDN_CMD_RECOVERY_SETUP,
    EDN_CMD_RECOVERY_DRILL,
    EDN_CMD_RECOVERY_STATUS,
    EDN_CMD_RECOVERY_CANCEL,
    EDN_CMD_RECOVERY_HELD,
    EDN_CMD_RECOVERY_KEEP,
    EDN_CMD_RECOVERY_REFUSE,
    EDN_CMD_RECOVERY_GIVE,
    EDN_CMD_RECOVER,
    EDN_CMD_EMERGENCY,
    EDN_CMD_WRITE,
    EDN_CMD_ADD,
    EDN_CMD_EDIT,
    EDN_CMD_SET,
    EDN_CMD_TAG,
    EDN_CMD_SHOW,
    EDN_CMD_TODAY,
    EDN_CMD_LIST,
    EDN_CMD_SEARCH,
    EDN_CMD_SIMILAR,
    EDN_CMD_ONTHISDAY,
    EDN_CMD_STATS,
    EDN_CMD_MV,
    EDN_CMD_RM,
    EDN_CMD_UNDELETE,
    EDN_CMD_JOURNAL_LIST,
    EDN_CMD_JOURNAL_NEW,
    EDN_CMD_JOURNAL_RENAME,
    EDN_CMD_JOURNAL_LOCK,
    EDN_CMD_JOURNAL_OPEN,
    EDN_CMD_JOURNAL_CLOSE,
    EDN_CMD_JOURNAL_PASSPHRASE,
    EDN_CMD_JOURNAL_UNLOCK,
    EDN_CMD_JOURNAL_SHARE,
    EDN_CMD_JOURNAL_MEMBERS,
    EDN_CMD_JOURNAL_UNSHARE,
    EDN_CMD_CONTACT_LIST,
    EDN_CMD_CONTACT_ADD,
    EDN_CMD_CONTACT_SHOW,
    EDN_CMD_CONTACT_VERIFY,
    EDN_CMD_CONTACT_REMOVE,
    EDN_CMD_CONTACT_CARD,
    EDN_CMD_INVITE_LIST,
    EDN_CMD_INVITE_ACCEPT,
    EDN_CMD_INVITE_REFUSE,
    EDN_CMD_HISTORY,
    EDN_CMD_DIFF,
    EDN_CMD_BLAME,
    EDN_CMD_RESTORE,
    EDN_CMD_IMPORT,
    EDN_CMD_EXPORT,
    EDN_CMD_SYNC,
    EDN_CMD_STATUS,
    EDN_CMD_VERIFY,
    EDN_CMD_QUARANTINE_LIST,
    EDN_CMD_QUARANTINE_SHOW,
    EDN_CMD_QUARANTINE_KEEP,
    EDN_CMD_QUARANTINE_DROP,
    EDN_CMD_REINDEX,
    EDN_CMD_HELP,
    EDN_CMD_VERSION,
    EDN_CMD_COUNT
} edn_cli_cmd;

/* What a completion offers for the words of a command. */
typedef enum edn_cli_kind {
    EDN_KIND_NONE,
    EDN_KIND_ENTRY,
    EDN_KIND_FILE,
    EDN_KIND_FOLDER,
    EDN_KIND_COMMAND
} edn_cli_kind;

typedef enum edn_cli_json {
    EDN_JSON_NONE,
    EDN_JSON_ENTRY,
    EDN_JSON_HIT,
    EDN_JSON_COUNTED,
    EDN_JSON_VERSION,
    EDN_JSON_CHANGE,
    EDN_JSON_RUN,
    EDN_JSON_JOURNAL,
    EDN_JSON_DEVICE,
    EDN_JSON_SLOT,
    EDN_JSON_MADE,
    EDN_JSON_IMPORT,
    EDN_JSON_EXPORT,
    EDN_JSON_SYNC,
    EDN_JSON_STATUS,
    EDN_JSON_VERIFY,
    EDN_JSON_QUARANTINED,
    EDN_JSON_ACCOUNT_CHANGE,
    EDN_JSON_CONTACT,
    EDN_JSON_ENTRUSTED,
    EDN_JSON_MEMBER,
    EDN_JSON_INVITATION,
    EDN_JSON_COUNT
} edn_cli_json;

#define EDN_CLI_OPTIONS_MAX 12u

typedef struct edn_cli_command {
    const char *name;  /* one word, or two parted by a space */
    const char *group; /* a heading in the help; commands of one group stand together */
    const char *words; /* the arguments as the help shows them; NULL: none */
    size_t words_min, words_max;
    edn_cli_kind kind;
    edn_cli_opt options[EDN_CLI_OPTIONS_MAX + 1]; /* ends with EDN_OPT_NONE */
    edn_cli_json json;                            /* what one line of --json holds */
    const char *summary;                          /* one line, no full stop */
    const char *text; /* paragraphs parted by an empty line; NULL when the summary says it all */
} edn_cli_command;

extern const edn_cli_command edn_cli_commands[EDN_CMD_COUNT];

/* Whether a command takes an option (those of every command included). */
bool edn_cli_takes(const edn_cli_command *command, edn_cli_opt opt);

/* ---- JSON objects ------------------------------------------------------------------------------------------------ */

typedef struct edn_cli_member {
    const char *name;
    const char *type;
    const char *help;
} edn_cli_member;

typedef struct edn_cli_object {
    const char *title;
    const edn_cli_member *members; /* in the order in which they are written; ends with a NULL name */
} edn_cli_object;

extern const edn_cli_object edn_cli_objects[EDN_JSON_COUNT];

/* ---- prose ------------------------------------------------------------------------------------------------------- */

/* What the man page and docs/commands.md say beside the commands. */
typedef struct edn_cli_section {
    const char *title;
    const char *text; /* paragraphs parted by an empty line */
} edn_cli_section;

extern const char *const edn_cli_tagline;
extern const edn_cli_section edn_cli_sections[]; /* ends with a NULL title */

#endif
