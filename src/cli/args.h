/* args: a command line against the table. Pure: it prints nothing and reads no environment. */
#ifndef EDN_CLI_ARGS_H
#define EDN_CLI_ARGS_H

#include "cli/table.h"

typedef struct edn_cli_use {
    edn_cli_opt opt;
    const char *value; /* NULL: it takes none. Borrowed from argv */
} edn_cli_use;

typedef struct edn_cli_args {
    const edn_cli_command *command; /* NULL: none was named */
    edn_cli_use *uses;              /* in the order given */
    size_t uses_n;
    const char **words; /* what is neither command nor option; borrowed from argv */
    size_t words_n;
} edn_cli_args;

/* Reads argv (argv[0] is the program). Options may stand anywhere, "--name VALUE" or "--name=VALUE", single letters
 * together ("-qn 3"); after "--" all are words. EDN_E_INVALID: what is wrong and what was perhaps meant; EDN_E_NOMEM.
 * With --help or --version among the options the count of words is not checked. `argv` must outlive *out. */
EDN_MUST_USE edn_status edn_cli_args_init(edn_cli_args *out, int argc, char *const *argv, edn_err *err);
void edn_cli_args_dispose(edn_cli_args *a);

bool edn_cli_has(const edn_cli_args *a, edn_cli_opt opt);
/* The last value given; NULL: none. */
const char *edn_cli_value(const edn_cli_args *a, edn_cli_opt opt);
/* Each value of an option in turn: *at begins at 0. NULL: no more. */
const char *edn_cli_next(const edn_cli_args *a, edn_cli_opt opt, size_t *at);

/* The command of one or two words; NULL: none. */
const edn_cli_command *edn_cli_command_find(const char *first, const char *second);
/* The nearest of the names, for "did you mean"; NULL: none is near. */
const char *edn_cli_nearest(const char *what, const char *const *names, size_t names_n);

/* A number of file descriptor, a count, a time such as "15m", as options have them; false: it is none. */
EDN_MUST_USE bool edn_cli_read_count(const char *text, uint64_t max, uint64_t *out);
EDN_MUST_USE bool edn_cli_read_time(const char *text, uint32_t *out_s);

#endif
