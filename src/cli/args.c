#include "cli/args.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- nearest names ----------------------------------------------------------------------------------------------- */

#define NAME_MAX_COMPARED 32u

/* How many letters must be added, taken away, changed or swapped with their neighbour (optimal string alignment). */
static size_t name_distance(const char *a, const char *b)
{
    size_t d[NAME_MAX_COMPARED + 1][NAME_MAX_COMPARED + 1];
    size_t n = strlen(a), m = strlen(b);

    if (n > NAME_MAX_COMPARED || m > NAME_MAX_COMPARED)
        return SIZE_MAX;
    for (size_t i = 0; i <= n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            best = EDN_MIN(best, d[i - 1][j] + 1);
            best = EDN_MIN(best, d[i][j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = EDN_MIN(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    }
    return d[n][m];
}

const char *edn_cli_nearest(const char *what, const char *const *names, size_t names_n)
{
    const char *best = NULL;
    size_t best_distance = strlen(what) / 3 + 1; /* farther than that is another word */

    for (size_t i = 0; i < names_n; i++) {
        size_t distance = name_distance(what, names[i]);
        if (distance <= best_distance && (!best || distance < best_distance)) {
            best = names[i];
            best_distance = distance;
        }
    }
    /* The beginning of one name alone is meant for it, however much is missing. */
    for (size_t i = 0; !best && i < names_n && strlen(what) >= 2; i++)
        if (strncmp(names[i], what, strlen(what)) == 0)
            best = names[i];
    return best;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

bool edn_cli_read_count(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || v > (max - (uint64_t)(*text - '0')) / 10)
            return false;
        v = 10 * v + (uint64_t)(*text - '0');
    }
    *out = v;
    return v <= max;
}

bool edn_cli_read_time(const char *text, uint32_t *out_s)
{
    char digits[8];
    size_t n = strlen(text);
    uint64_t v, unit;

    if (strcmp(text, "0") == 0) {
        *out_s = 0;
        return true;
    }
    if (n < 2 || n > sizeof digits)
        return false;
    unit = text[n - 1] == 's' ? 1 : text[n - 1] == 'm' ? 60 : text[n - 1] == 'h' ? 3600 : 0;
    memcpy(digits, text, n - 1);
    digits[n - 1] = 0;
    if (!unit || !edn_cli_read_count(digits, 86400 / unit, &v))
        return false;
    *out_s = (uint32_t)(v * unit);
    return true;
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

const edn_cli_command *edn_cli_command_find(const char *first, const char *second)
{
    size_t n = strlen(first);

    for (size_t i = 0; i < EDN_CMD_COUNT; i++) {
        const char *name = edn_cli_commands[i].name;
        if (strncmp(name, first, n) != 0)
            continue;
        if (second ? name[n] == ' ' && strcmp(name + n + 1, second) == 0 : name[n] == 0)
            return &edn_cli_commands[i];
    }
    return NULL;
}

/* A family is the commands of two words that share the first: "journal list", "journal new", … Whether a command is of
 * the family `first`; *second: its other word. */
static bool family_has(const char *command, const char *first, const char **second)
{
    size_t n = strlen(first);

    *second = command + n + 1;
    return strncmp(command, first, n) == 0 && command[n] == ' ';
}

static bool family_is(const char *word)
{
    const char *second;

    for (size_t i = 0; i < EDN_CMD_COUNT; i++)
        if (family_has(edn_cli_commands[i].name, word, &second))
            return true;
    return false;
}

/* "list, new and rename" */
static void family_words(edn_buf *out, const char *first)
{
    const char *second, *held = NULL;

    for (size_t i = 0; i < EDN_CMD_COUNT; i++) {
        if (!family_has(edn_cli_commands[i].name, first, &second))
            continue;
        if (held && out->n)
            edn_put_str(out, ", ");
        if (held)
            edn_put_str(out, held);
        held = second;
    }
    if (out->n)
        edn_put_str(out, " and ");
    edn_put_str(out, held);
}

/* `word` NULL: none was given. */
static edn_status family_unknown(const char *first, const char *word, edn_err *err)
{
    edn_buf words = EDN_BUF_INIT(256);
    edn_bytes list;

    family_words(&words, first);
    list = edn_buf_view(&words);
    if (!word)
        edn_fail(err, EDN_E_INVALID, "'edn %s' needs one more word: there are %.*s", first, (int)list.n, list.p);
    else
        edn_fail(err, EDN_E_INVALID, "there is no command '%s %s'; there are %.*s", first, word, (int)list.n, list.p);
    edn_buf_dispose(&words);
    return EDN_E_INVALID;
}

static edn_status command_unknown(const char *word, edn_err *err)
{
    char firsts[EDN_CMD_COUNT][32];
    const char *names[EDN_CMD_COUNT], *near;

    for (size_t i = 0; i < EDN_CMD_COUNT; i++) {
        const char *name = edn_cli_commands[i].name;
        snprintf(firsts[i], sizeof firsts[i], "%.*s", (int)strcspn(name, " "), name);
        names[i] = firsts[i];
    }
    near = edn_cli_nearest(word, names, EDN_COUNT(names));
    if (near)
        return edn_fail(err, EDN_E_INVALID, "there is no command '%s'; did you mean '%s'?", word, near);
    return edn_fail(err, EDN_E_INVALID, "there is no command '%s'; 'edn help' lists them", word);
}

/* A word of the command line: the command's own one or two first, then its arguments. *first: the first of two was
 * there. */
static edn_status word_take(edn_cli_args *a, const char **first, const char *word, edn_err *err)
{
    if (a->command) {
        a->words[a->words_n++] = word;
        return EDN_OK;
    }
    if (*first) {
        a->command = edn_cli_command_find(*first, word);
        return a->command ? EDN_OK : family_unknown(*first, word, err);
    }
    if (family_is(word)) {
        *first = word;
        return EDN_OK;
    }
    a->command = edn_cli_command_find(word, NULL);
    return a->command ? EDN_OK : command_unknown(word, err);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static edn_status option_unknown(const edn_cli_command *command, const char *what, edn_err *err)
{
    const char *names[EDN_OPT_COUNT], *near;
    char who[64] = "there is", hint[64] = "'edn help' lists them";
    size_t n = 0;

    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_COUNT; o++)
        if (edn_cli_options[o].name && (!command || edn_cli_takes(command, (edn_cli_opt)o)))
            names[n++] = edn_cli_options[o].name;
    near = edn_cli_nearest(what, names, n);
    if (command) {
        snprintf(who, sizeof who, "'edn %s' has", command->name);
        snprintf(hint, sizeof hint, "'edn help %s' lists them", command->name);
    }
    if (near)
        snprintf(hint, sizeof hint, "did you mean '--%s'?", near);
    return edn_fail(err, EDN_E_INVALID, "%s no option '--%s'; %s", who, what, hint);
}

/* The option of that name or letter which the command takes (NULL: any command); EDN_OPT_NONE: there is none. Rows of
 * one name agree on whether there is a value, so that an option may be read before the command is known. */
static edn_cli_opt option_find(const edn_cli_command *command, const char *name, size_t n, char letter)
{
    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_COUNT; o++) {
        const edn_cli_option *option = &edn_cli_options[o];
        bool fits = option->name &&
                    (name ? strncmp(option->name, name, n) == 0 && option->name[n] == 0 : option->letter == letter);
        if (fits && (!command || edn_cli_takes(command, (edn_cli_opt)o)))
            return (edn_cli_opt)o;
    }
    return EDN_OPT_NONE;
}

static edn_status option_check_choice(const edn_cli_option *option, const char *value, edn_err *err)
{
    const char *at = option->choices;
    size_t n = strlen(value);

    while (at && *at) {
        size_t m = strcspn(at, " ");
        if (m == n && memcmp(at, value, n) == 0)
            return EDN_OK;
        at += m + (at[m] == ' ');
    }
    return at ? edn_fail(err, EDN_E_INVALID, "'--%s %s' is not one of: %s", option->name, value, option->choices)
              : EDN_OK;
}

static void option_use(edn_cli_args *a, edn_cli_opt opt, const char *value)
{
    a->uses[a->uses_n++] = (edn_cli_use){opt, value};
}

/* argv[*i] is "--name" or "--name=value". */
static edn_status option_long(edn_cli_args *a, int argc, char *const *argv, int *i, edn_err *err)
{
    const char *name = argv[*i] + 2, *value = strchr(name, '=');
    size_t n = value ? (size_t)(value - name) : strlen(name);
    edn_cli_opt opt = option_find(a->command, name, n, 0);
    char shown[64];

    if (opt == EDN_OPT_NONE) {
        snprintf(shown, sizeof shown, "%.*s", (int)EDN_MIN(n, sizeof shown - 1), name);
        return option_unknown(a->command, shown, err);
    }
    if (!edn_cli_options[opt].value && value)
        return edn_fail(err, EDN_E_INVALID, "'--%s' takes no value", edn_cli_options[opt].name);
    if (value)
        value++;
    if (edn_cli_options[opt].value && !value) {
        if (*i + 1 >= argc)
            return edn_fail(err, EDN_E_INVALID, "'--%s' needs a value: --%s %s", edn_cli_options[opt].name,
                            edn_cli_options[opt].name, edn_cli_options[opt].value);
        value = argv[++*i];
    }
    option_use(a, opt, value);
    return EDN_OK;
}

/* argv[*i] is "-x", "-xyz", "-nVALUE". */
static edn_status option_letters(edn_cli_args *a, int argc, char *const *argv, int *i, edn_err *err)
{
    for (const char *at = argv[*i] + 1; *at; at++) {
        edn_cli_opt opt = option_find(a->command, NULL, 0, *at);
        const char *value = NULL;
        if (opt == EDN_OPT_NONE)
            return edn_fail(err, EDN_E_INVALID, "there is no option '-%c'%s; 'edn help%s%s' lists them", *at,
                            a->command ? " here" : "", a->command ? " " : "", a->command ? a->command->name : "");
        if (edn_cli_options[opt].value) {
            if (at[1])
                value = at + 1;
            else if (*i + 1 < argc)
                value = argv[++*i];
            else
                return edn_fail(err, EDN_E_INVALID, "'-%c' needs a value: -%c %s", *at, *at,
                                edn_cli_options[opt].value);
            option_use(a, opt, value);
            return EDN_OK;
        }
        option_use(a, opt, NULL);
    }
    return EDN_OK;
}

/* What stood before the command was read by its name alone: now it is the command's own option of that name, or not. */
static edn_status options_settle(edn_cli_args *a, edn_err *err)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; i < a->uses_n && st == EDN_OK; i++) {
        edn_cli_use *use = &a->uses[i];
        const char *name = edn_cli_options[use->opt].name;
        use->opt = a->command ? option_find(a->command, name, strlen(name), 0) : use->opt;
        if (use->opt == EDN_OPT_NONE)
            st = option_unknown(a->command, name, err);
        else if (use->value)
            st = option_check_choice(&edn_cli_options[use->opt], use->value, err);
    }
    return st;
}

/* ---- the whole line ---------------------------------------------------------------------------------------------- */

static edn_status words_check(const edn_cli_args *a, edn_err *err)
{
    const edn_cli_command *c = a->command;

    if (!c || edn_cli_has(a, EDN_OPT_HELP) || edn_cli_has(a, EDN_OPT_VERSION))
        return EDN_OK;
    if (a->words_n < c->words_min)
        return edn_fail(err, EDN_E_INVALID, "something is missing: edn %s %s", c->name, c->words);
    if (a->words_n > c->words_max && !c->words)
        return edn_fail(err, EDN_E_INVALID, "'edn %s' takes no words, only options: what is '%s'?", c->name,
                        a->words[0]);
    if (a->words_n > c->words_max)
        return edn_fail(err, EDN_E_INVALID, "'%s' is too much: edn %s %s", a->words[c->words_max], c->name, c->words);
    return EDN_OK;
}

edn_status edn_cli_args_init(edn_cli_args *out, int argc, char *const *argv, edn_err *err)
{
    const char *first = NULL;
    edn_status st = EDN_OK;
    size_t letters = 1;
    bool words_only = false;

    *out = (edn_cli_args){0};
    for (int i = 1; i < argc; i++)
        letters += strlen(argv[i]); /* "-qqq" is three uses */
    out->uses = calloc(letters, sizeof *out->uses);
    out->words = calloc((size_t)argc + 1, sizeof *out->words);
    if (!out->uses || !out->words)
        st = edn_fail(err, EDN_E_NOMEM, "out of memory");

    for (int i = 1; i < argc && st == EDN_OK; i++) {
        const char *arg = argv[i];
        if (words_only || arg[0] != '-' || !arg[1])
            st = word_take(out, &first, arg, err);
        else if (strcmp(arg, "--") == 0)
            words_only = true;
        else if (arg[1] == '-')
            st = option_long(out, argc, argv, &i, err);
        else
            st = option_letters(out, argc, argv, &i, err);
    }
    if (st == EDN_OK && first && !out->command && !edn_cli_has(out, EDN_OPT_HELP))
        st = family_unknown(first, NULL, err);
    if (st == EDN_OK && (st = options_settle(out, err)) == EDN_OK)
        st = words_check(out, err);
    if (st != EDN_OK)
        edn_cli_args_dispose(out);
    return st;
}

void edn_cli_args_dispose(edn_cli_args *a)
{
    free(a->uses);
    free(a->words);
    *a = (edn_cli_args){0};
}

bool edn_cli_has(const edn_cli_args *a, edn_cli_opt opt)
{
    for (size_t i = 0; i < a->uses_n; i++)
        if (a->uses[i].opt == opt)
            return true;
    return false;
}

const char *edn_cli_value(const edn_cli_args *a, edn_cli_opt opt)
{
    for (size_t i = a->uses_n; i-- > 0;)
        if (a->uses[i].opt == opt)
            return a->uses[i].value;
    return NULL;
}

const char *edn_cli_next(const edn_cli_args *a, edn_cli_opt opt, size_t *at)
{
    while (*at < a->uses_n) {
        const edn_cli_use *use = &a->uses[(*at)++];
        if (use->opt == opt)
            return use->value;
    }
    return NULL;
}
