#include "cli/docs.h"

#include "cli/docs_priv.h"
#include "cli/text.h"

bool edn_cli_paragraph_next(const char **text, edn_bytes *out)
{
    const char *end;

    if (!*text || !**text)
        return false;
    end = strstr(*text, "\n\n");
    *out = edn_bytes_of(*text, end ? (size_t)(end - *text) : strlen(*text));
    *text = end ? end + 2 : *text + out->n;
    return true;
}

bool edn_cli_group_begins(size_t command)
{
    return command == 0 || strcmp(edn_cli_commands[command].group, edn_cli_commands[command - 1].group) != 0;
}

void edn_cli_put_option(edn_buf *out, edn_cli_opt opt)
{
    const edn_cli_option *option = &edn_cli_options[opt];

    if (option->letter)
        edn_cli_putf(out, "-%c, ", option->letter);
    edn_cli_putf(out, "--%s", option->name);
    if (option->value)
        edn_cli_putf(out, " %s", option->value);
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

/* "  left side   wrapped text", the text in one column; on a line of its own when the left side is too long. */
static void row_put(edn_buf *out, edn_bytes left, const char *text, size_t column, size_t width)
{
    edn_cli_putf(out, "  %.*s", (int)left.n, (const char *)left.p);
    if (left.n + 4 > column)
        edn_cli_putf(out, "\n%*s", (int)column, "");
    else
        edn_cli_putf(out, "%*s", (int)(column - left.n - 2), "");
    edn_cli_put_wrapped(out, text, column, column, width);
}

static void option_row_put(edn_buf *out, edn_cli_opt opt, size_t width)
{
    const edn_cli_option *option = &edn_cli_options[opt];
    edn_buf left = EDN_BUF_INIT(256), text = EDN_BUF_INIT(2048);

    if (!option->letter)
        edn_put_str(&left, "    ");
    edn_cli_put_option(&left, opt);
    edn_put_str(&text, option->help);
    if (option->choices)
        edn_cli_putf(&text, " (%s)", option->choices);
    if (option->env)
        edn_cli_putf(&text, " [%s]", option->env);
    edn_put_u8(&text, 0);
    if (edn_buf_status(&left) == EDN_OK && edn_buf_status(&text) == EDN_OK)
        row_put(out, edn_buf_view(&left), (const char *)text.p, 30, width);
    else
        out->st = EDN_E_NOMEM;
    edn_buf_dispose(&left);
    edn_buf_dispose(&text);
}

static void paragraphs_put(edn_buf *out, const char *text, size_t width)
{
    edn_bytes paragraph;
    char line[2048];

    while (edn_cli_paragraph_next(&text, &paragraph)) {
        EDN_ASSERT(paragraph.n < sizeof line);
        memcpy(line, paragraph.p, paragraph.n);
        line[paragraph.n] = 0;
        edn_put_u8(out, '\n');
        edn_cli_put_wrapped(out, line, 0, 0, width);
    }
}

void edn_cli_help(edn_buf *out, size_t width)
{
    edn_cli_putf(out, "edn %s: %s\n\nUsage: edn [OPTION...] COMMAND [ARGUMENT...]\n", EDN_CLI_VERSION, edn_cli_tagline);
    for (size_t i = 0; i < EDN_CMD_COUNT; i++) {
        const edn_cli_command *c = &edn_cli_commands[i];
        if (edn_cli_group_begins(i))
            edn_cli_putf(out, "\n%s\n", c->group);
        row_put(out, edn_bytes_str(c->name), c->summary, 18, width);
    }
    edn_put_str(out, "\nOptions of every command\n");
    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_GLOBAL_END; o++)
        option_row_put(out, (edn_cli_opt)o, width);
    edn_put_str(out, "\n'edn help COMMAND' says more about one; 'man edn' all.\n");
}

void edn_cli_help_command(edn_buf *out, const edn_cli_command *c, size_t width)
{
    edn_cli_putf(out, "Usage: edn %s%s%s%s\n\n%s.\n", c->name, c->options[0] ? " [OPTION...]" : "", c->words ? " " : "",
                 c->words ? c->words : "", c->summary);
    paragraphs_put(out, c->text, width);
    if (c->options[0])
        edn_put_str(out, "\nOptions\n");
    for (const edn_cli_opt *o = c->options; *o; o++)
        option_row_put(out, *o, width);
    edn_put_str(out, "\nThose of every command are shown by 'edn help'.\n");
}
