/* gen-docs: writes what is made from the table of commands. Usage: gen-docs man|bash|zsh|markdown FILE */
#include "cli/docs.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*make)(edn_buf *out);
    } kinds[] = {{"man", edn_cli_man}, {"bash", edn_cli_bash}, {"zsh", edn_cli_zsh}, {"markdown", edn_cli_markdown}};
    edn_buf out = EDN_BUF_INIT(EDN_CLI_DOCS_MAX);
    FILE *f;
    int rc = 1;

    for (size_t i = 0; argc == 3 && i < EDN_COUNT(kinds); i++) {
        if (strcmp(argv[1], kinds[i].name) != 0)
            continue;
        kinds[i].make(&out);
        f = fopen(argv[2], "wb");
        if (edn_buf_status(&out) == EDN_OK && f && fwrite(out.p, 1, out.n, f) == out.n)
            rc = 0;
        if (f && fclose(f) != 0)
            rc = 1;
        if (rc)
            fprintf(stderr, "gen-docs: could not write %s\n", argv[2]);
        edn_buf_dispose(&out);
        return rc;
    }
    fputs("usage: gen-docs man|bash|zsh|markdown FILE\n", stderr);
    return 2;
}
