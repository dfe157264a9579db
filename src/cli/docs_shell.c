#include "cli/docs.h"

#include "cli/docs_priv.h"
#include "cli/text.h"

/* A completion looks at names alone: rows of one name agree on their values' kind and choices. */
static bool option_name_is_first(int opt)
{
    for (int o = EDN_OPT_NONE + 1; o < opt; o++)
        if (edn_cli_options[o].name && strcmp(edn_cli_options[o].name, edn_cli_options[opt].name) == 0)
            return false;
    return true;
}

static bool value_is(const edn_cli_option *o, const char *value) { return o->value && strcmp(o->value, value) == 0; }

/* ---- bash -------------------------------------------------------------------------------------------------------- */

/* "--name|-x" of every option that the filter takes, as a pattern of 'case'. */
static void bash_pattern_put(edn_buf *out, bool (*filter)(const edn_cli_option *))
{
    bool first = true;

    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_COUNT; o++) {
        const edn_cli_option *option = &edn_cli_options[o];
        if (!option->name || !filter(option) || !option_name_is_first(o))
            continue;
        edn_cli_putf(out, "%s--%s", first ? "" : " | ", option->name);
        if (option->letter)
            edn_cli_putf(out, " | -%c", option->letter);
        first = false;
    }
}

static bool option_has_value(const edn_cli_option *o) { return o->value; }
static bool option_has_folder(const edn_cli_option *o) { return value_is(o, "DIR"); }
static bool option_has_file(const edn_cli_option *o) { return value_is(o, "FILE"); }
static bool option_has_date(const edn_cli_option *o) { return value_is(o, "DATE"); }

static void bash_value_case_put(edn_buf *out, bool (*filter)(const edn_cli_option *), const char *reply)
{
    edn_put_str(out, "    ");
    bash_pattern_put(out, filter);
    edn_cli_putf(out, ")\n        %s\n        return\n        ;;\n", reply);
}

static void bash_values_put(edn_buf *out)
{
    edn_put_str(out, "    case $prev in\n");
    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_COUNT; o++)
        if (edn_cli_options[o].choices && option_name_is_first(o))
            edn_cli_putf(out,
                         "    --%s)\n        COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n        return\n        ;;\n",
                         edn_cli_options[o].name, edn_cli_options[o].choices);
    bash_value_case_put(out, option_has_folder, "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))");
    bash_value_case_put(out, option_has_file, "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))");
    bash_value_case_put(out, option_has_date, "COMPREPLY=($(compgen -W 'today yesterday' -- \"$cur\"))");
    bash_value_case_put(out, option_has_value, ":");
    edn_put_str(out, "    esac\n");
}

static void bash_command_put(edn_buf *out, const edn_cli_command *c)
{
    static const char *const words[] = {
        [EDN_KIND_NONE] = ":",
        [EDN_KIND_ENTRY] = "COMPREPLY=($(compgen -W 'last today yesterday' -- \"$cur\"))",
        [EDN_KIND_FILE] = "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))",
        [EDN_KIND_FOLDER] = "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))",
        [EDN_KIND_COMMAND] = "COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))",
    };
    edn_cli_putf(out, "    '%s')\n        options=\"$options", c->name);
    for (const edn_cli_opt *o = c->options; *o; o++)
        edn_cli_putf(out, " --%s", edn_cli_options[*o].name);
    edn_cli_putf(out, "\"\n        [[ $cur == -* ]] || { %s; }\n        ;;\n", words[c->kind]);
}

void edn_cli_bash(edn_buf *out)
{
    edn_put_str(out, "# bash completion for edn, made from its table of commands\n"
                     "_edn()\n{\n"
                     "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= i\n"
                     "    local commands='");
    for (size_t i = 0; i < EDN_CMD_COUNT; i++) {
        const char *name = edn_cli_commands[i].name, *second = strchr(name, ' ');
        if (!second)
            edn_cli_putf(out, "%s%s", i ? " " : "", name);
        else if (i == 0 || strncmp(edn_cli_commands[i - 1].name, name, (size_t)(second - name) + 1) != 0)
            edn_cli_putf(out, " %.*s", (int)(second - name), name);
    }
    edn_put_str(out, "'\n    local options='");
    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_GLOBAL_END; o++)
        edn_cli_putf(out, "%s--%s", o > 1 ? " " : "", edn_cli_options[o].name);
    edn_put_str(out, "'\n    COMPREPLY=()\n");
    bash_values_put(out);
    edn_put_str(out, "    for ((i = 1; i < COMP_CWORD; i++)); do\n        case ${COMP_WORDS[i]} in\n        ");
    bash_pattern_put(out, option_has_value);
    edn_put_str(out, ") ((i++)) ;;\n"
                     "        -*) ;;\n"
                     "        device | journal)\n"
                     "            [[ $command ]] && break\n"
                     "            command=${COMP_WORDS[i]}\n"
                     "            ;;\n"
                     "        *)\n"
                     "            command=\"${command:+$command }${COMP_WORDS[i]}\"\n"
                     "            break\n"
                     "            ;;\n"
                     "        esac\n"
                     "    done\n"
                     "    case $command in\n"
                     "    '') [[ $cur == -* ]] || COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\")) ;;\n"
                     "    device) [[ $cur == -* ]] || COMPREPLY=($(compgen -W 'list rename revoke' -- \"$cur\")) ;;\n"
                     "    journal) [[ $cur == -* ]] ||\n"
                     "        COMPREPLY=($(compgen -W 'list new rename lock open close' -- \"$cur\")) ;;\n");
    for (size_t i = 0; i < EDN_CMD_COUNT; i++)
        bash_command_put(out, &edn_cli_commands[i]);
    edn_put_str(out, "    esac\n"
                     "    [[ $cur == -* ]] && COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
                     "    return 0\n"
                     "}\n"
                     "complete -F _edn edn\n");
}

/* ---- zsh --------------------------------------------------------------------------------------------------------- */

/* Inside single quotes, inside a specification of _arguments. */
static void zsh_text_put(edn_buf *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (strchr(special, *text))
            edn_cli_putf(out, "\\%c", *text);
        else if (*text == '\'')
            edn_put_str(out, "'\\''");
        else
            edn_put_u8(out, (uint8_t)*text);
    }
}

static void zsh_option_put(edn_buf *out, edn_cli_opt opt)
{
    const edn_cli_option *o = &edn_cli_options[opt];

    edn_put_str(out, " \\\n        '*'");
    if (o->letter)
        edn_cli_putf(out, "{-%c%s,--%s%s}", o->letter, o->value ? "+" : "", o->name, o->value ? "=" : "");
    else
        edn_cli_putf(out, "--%s%s", o->name, o->value ? "=" : "");
    edn_put_str(out, "'[");
    zsh_text_put(out, o->help, "[]:\\");
    edn_put_u8(out, ']');
    if (o->value) {
        edn_put_u8(out, ':');
        zsh_text_put(out, o->value, ":\\");
        edn_put_u8(out, ':');
    }
    if (o->choices)
        edn_cli_putf(out, "(%s)", o->choices);
    else if (value_is(o, "DIR"))
        edn_put_str(out, "_files -/");
    else if (value_is(o, "FILE"))
        edn_put_str(out, "_files");
    else if (value_is(o, "DATE"))
        edn_put_str(out, "(today yesterday)");
    edn_put_u8(out, '\'');
}

static void zsh_command_put(edn_buf *out, const edn_cli_command *c)
{
    static const char *const words[] = {
        [EDN_KIND_NONE] = "",
        [EDN_KIND_ENTRY] = "(last today yesterday)",
        [EDN_KIND_FILE] = "_files",
        [EDN_KIND_FOLDER] = "_files -/",
        [EDN_KIND_COMMAND] = "_edn_commands",
    };
    edn_cli_putf(out, "    '%s')\n        _arguments", c->name);
    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_GLOBAL_END; o++)
        zsh_option_put(out, (edn_cli_opt)o);
    for (const edn_cli_opt *o = c->options; *o; o++)
        zsh_option_put(out, *o);
    if (c->words) {
        edn_put_str(out, " \\\n        '*:");
        zsh_text_put(out, c->words, ":\\");
        edn_cli_putf(out, ":%s'", words[c->kind]);
    }
    edn_put_str(out, "\n        ;;\n");
}

void edn_cli_zsh(edn_buf *out)
{
    edn_put_str(out, "#compdef edn\n# zsh completion for edn, made from its table of commands\n\n"
                     "_edn_commands()\n{\n    local -a commands=(");
    for (size_t i = 0; i < EDN_CMD_COUNT; i++) {
        if (strchr(edn_cli_commands[i].name, ' '))
            continue;
        edn_put_str(out, "\n        '");
        zsh_text_put(out, edn_cli_commands[i].name, ":\\");
        edn_put_u8(out, ':');
        zsh_text_put(out, edn_cli_commands[i].summary, "\\");
        edn_put_u8(out, '\'');
    }
    edn_put_str(out, "\n        'device:List, rename and revoke devices'"
                     "\n        'journal:List, make, rename and lock journals'"
                     "\n    )\n    _describe -t commands command commands\n}\n\n"
                     "_edn()\n{\n"
                     "    local curcontext=$curcontext state line name\n"
                     "    typeset -A opt_args\n"
                     "    _arguments -C");
    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_GLOBAL_END; o++)
        zsh_option_put(out, (edn_cli_opt)o);
    edn_put_str(out, " \\\n        '1:command:_edn_commands' \\\n        '*::argument:->argument'\n"
                     "    [[ $state == argument ]] || return\n"
                     "    name=$line[1]\n"
                     "    if [[ $name == device || $name == journal ]]; then\n"
                     "        if ((CURRENT == 2)); then\n"
                     "            [[ $name == device ]] && _values subcommand list rename revoke\n"
                     "            [[ $name == journal ]] && _values subcommand list new rename lock open close\n"
                     "            return\n"
                     "        fi\n"
                     "        name=\"$name $words[2]\"\n"
                     "    fi\n"
                     "    case $name in\n");
    for (size_t i = 0; i < EDN_CMD_COUNT; i++)
        zsh_command_put(out, &edn_cli_commands[i]);
    edn_put_str(out, "    esac\n}\n\n_edn \"$@\"\n");
}
