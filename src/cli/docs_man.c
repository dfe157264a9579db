#include "cli/docs.h"

#include "cli/docs_priv.h"
#include "cli/text.h"

/* ---- man(7) ------------------------------------------------------------------------------------------------------ */

/* Text with roff's own characters made harmless. */
static void roff_put(edn_buf *out, edn_bytes text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        bool begins = i == 0 || text.p[i - 1] == '\n';
        if (begins && (c == '.' || c == '\''))
            edn_put_str(out, "\\&");
        if (c == '\\')
            edn_put_str(out, "\\e");
        else if (c == '-')
            edn_put_str(out, "\\-");
        else if (c == '\'')
            edn_put_str(out, "\\(aq");
        else if (c == '~')
            edn_put_str(out, "\\(ti");
        else if (c == '^')
            edn_put_str(out, "\\(ha");
        else
            edn_put_u8(out, c);
    }
}

static void roff_paragraphs_put(edn_buf *out, const char *text, const char *between)
{
    edn_bytes paragraph;
    bool first = true;

    while (edn_cli_paragraph_next(&text, &paragraph)) {
        if (!first)
            edn_cli_putf(out, "%s\n", between);
        roff_put(out, paragraph);
        edn_put_u8(out, '\n');
        first = false;
    }
}

static void man_option_put(edn_buf *out, edn_cli_opt opt)
{
    const edn_cli_option *option = &edn_cli_options[opt];
    edn_buf left = EDN_BUF_INIT(256);

    edn_cli_put_option(&left, opt);
    edn_put_str(out, ".TP\n.B ");
    roff_put(out, edn_buf_view(&left));
    edn_put_u8(out, '\n');
    roff_put(out, edn_bytes_str(option->help));
    if (option->choices) {
        edn_put_str(out, " One of: ");
        roff_put(out, edn_bytes_str(option->choices));
        edn_put_u8(out, '.');
    }
    if (option->env)
        edn_cli_putf(out, " The variable\n.B %s\nstands in for it.", option->env);
    edn_put_u8(out, '\n');
    edn_buf_dispose(&left);
}

static void man_command_put(edn_buf *out, const edn_cli_command *c)
{
    edn_cli_putf(out, ".SS edn %s", c->name);
    if (c->words) {
        edn_put_u8(out, ' ');
        roff_put(out, edn_bytes_str(c->words));
    }
    edn_put_u8(out, '\n');
    roff_put(out, edn_bytes_str(c->summary));
    edn_put_str(out, ".\n");
    if (c->text) {
        edn_put_str(out, ".PP\n");
        roff_paragraphs_put(out, c->text, ".PP");
    }
    for (const edn_cli_opt *o = c->options; *o; o++)
        man_option_put(out, *o);
}

static void man_json_put(edn_buf *out)
{
    edn_put_str(out, ".SH JSON\nWith\n.B \\-\\-json\na command prints one object a line. Members, in this order:\n");
    for (size_t i = EDN_JSON_NONE + 1; i < EDN_JSON_COUNT; i++) {
        edn_cli_putf(out, ".SS %s\n", edn_cli_objects[i].title);
        for (const edn_cli_member *m = edn_cli_objects[i].members; m->name; m++)
            edn_cli_putf(out, ".TP\n.B %s\n%s%s%s\n", m->name, m->type, m->help[0] ? ": " : "", m->help);
    }
}

void edn_cli_man(edn_buf *out)
{
    edn_cli_putf(out, ".TH EDN 1 \"\" \"edn %s\" \"User commands\"\n.SH NAME\nedn \\- %s\n", EDN_CLI_VERSION,
                 edn_cli_tagline);
    edn_put_str(out,
                ".SH SYNOPSIS\n.B edn\n[OPTION...] COMMAND [ARGUMENT...]\n.SH OPTIONS\nEvery command takes these.\n");
    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_GLOBAL_END; o++)
        man_option_put(out, (edn_cli_opt)o);
    edn_put_str(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < EDN_CMD_COUNT; i++)
        man_command_put(out, &edn_cli_commands[i]);
    for (const edn_cli_section *s = edn_cli_sections; s->title; s++) {
        edn_cli_putf(out, ".SH \"%s\"\n", s->title);
        roff_paragraphs_put(out, s->text, ".PP");
    }
    edn_put_str(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < EDN_EXIT_COUNT; i++)
        edn_cli_putf(out, ".TP\n.B %zu\n%s\n", i, edn_cli_exit_texts[i]);
    man_json_put(out);
    edn_put_str(out, ".SH SEE ALSO\n.BR ednd (8)\n");
}

/* ---- Markdown ---------------------------------------------------------------------------------------------------- */

/* Text in which 'edn list' becomes `edn list`: a quote that no letter precedes opens. */
static void markdown_put(edn_buf *out, edn_bytes text)
{
    bool open = false;

    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i], before = i ? text.p[i - 1] : ' ';
        bool opens = !open && (before == ' ' || before == '(');
        if (c == '\'' && (opens || open)) {
            edn_put_u8(out, '`');
            open = !open;
        } else if (c == '<' && !open) {
            edn_put_str(out, "&lt;");
        } else {
            edn_put_u8(out, c);
        }
    }
}

static void markdown_paragraphs_put(edn_buf *out, const char *text)
{
    edn_bytes paragraph;

    while (edn_cli_paragraph_next(&text, &paragraph)) {
        markdown_put(out, paragraph);
        edn_put_str(out, "\n\n");
    }
}

static void markdown_option_put(edn_buf *out, edn_cli_opt opt)
{
    const edn_cli_option *option = &edn_cli_options[opt];

    edn_put_str(out, "- `");
    edn_cli_put_option(out, opt);
    edn_put_str(out, "`: ");
    markdown_put(out, edn_bytes_str(option->help));
    if (option->choices)
        edn_cli_putf(out, " One of: %s.", option->choices);
    if (option->env)
        edn_cli_putf(out, " The variable `%s` stands in for it.", option->env);
    edn_put_u8(out, '\n');
}

static void markdown_command_put(edn_buf *out, const edn_cli_command *c)
{
    edn_cli_putf(out, "### edn %s\n\n    edn %s%s%s%s\n\n", c->name, c->name, c->options[0] ? " [OPTION...]" : "",
                 c->words ? " " : "", c->words ? c->words : "");
    markdown_put(out, edn_bytes_str(c->summary));
    edn_put_str(out, ".\n\n");
    markdown_paragraphs_put(out, c->text);
    for (const edn_cli_opt *o = c->options; *o; o++)
        markdown_option_put(out, *o);
    if (c->options[0])
        edn_put_u8(out, '\n');
}

static void markdown_tables_put(edn_buf *out)
{
    edn_put_str(out, "## Exit codes\n\n| code | meaning |\n| --- | --- |\n");
    for (size_t i = 0; i < EDN_EXIT_COUNT; i++)
        edn_cli_putf(out, "| %zu | %s |\n", i, edn_cli_exit_texts[i]);
    edn_put_str(out, "\n## JSON\n\nWith `--json` a command prints one object a line. Members come in the order given "
                     "here; more may follow in later versions.\n\n");
    for (size_t i = EDN_JSON_NONE + 1; i < EDN_JSON_COUNT; i++) {
        bool first = true;
        edn_cli_putf(out, "### %s\n\nFrom", edn_cli_objects[i].title);
        for (size_t k = 0; k < EDN_CMD_COUNT; k++) {
            if (edn_cli_commands[k].json != (edn_cli_json)i)
                continue;
            edn_cli_putf(out, "%s `edn %s`", first ? "" : ",", edn_cli_commands[k].name);
            first = false;
        }
        edn_put_str(out, ".\n\n| member | type | |\n| --- | --- | --- |\n");
        for (const edn_cli_member *m = edn_cli_objects[i].members; m->name; m++)
            edn_cli_putf(out, "| `%s` | %s | %s |\n", m->name, m->type, m->help);
        edn_put_u8(out, '\n');
    }
}

void edn_cli_markdown(edn_buf *out)
{
    edn_put_str(out, "# The edn command\n\n"
                     "<!-- Made from src/cli/table.c, which is the place to change it, by\n"
                     "     `build/src/cli/gen-docs markdown docs/commands.md`. A test compares the two. -->\n\n"
                     "    edn [OPTION...] COMMAND [ARGUMENT...]\n\n"
                     "Every command takes these options:\n\n");
    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_GLOBAL_END; o++)
        markdown_option_put(out, (edn_cli_opt)o);
    edn_put_u8(out, '\n');
    for (const edn_cli_section *s = edn_cli_sections; s->title; s++) {
        edn_cli_putf(out, "## %s\n\n", s->title);
        markdown_paragraphs_put(out, s->text);
    }
    for (size_t i = 0; i < EDN_CMD_COUNT; i++) {
        if (edn_cli_group_begins(i))
            edn_cli_putf(out, "## %s\n\n", edn_cli_commands[i].group);
        markdown_command_put(out, &edn_cli_commands[i]);
    }
    markdown_tables_put(out);
    /* The last table's empty line would be the file's last. */
    if (out->n > 0 && out->p[out->n - 1] == '\n')
        out->n--;
}
