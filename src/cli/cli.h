/* cli: the `edn` command. */
#ifndef EDN_CLI_H
#define EDN_CLI_H

/* The whole program: returns the exit code (edn_cli_exit). */
int edn_cli_main(int argc, char **argv);

#endif
