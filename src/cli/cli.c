#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli_priv.h"
#include "cli/docs.h"
#include "cli/signals.h"
#include "cli/text.h"
#include "crypto/verify.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#define OUT_SIZE ((size_t)64 << 10)

static edn_cli_run *const runs[EDN_CMD_COUNT] = {
    [EDN_CMD_INIT] = edn_cli_init,
    [EDN_CMD_LOGIN] = edn_cli_login,
    [EDN_CMD_UNLOCK] = edn_cli_unlock,
    [EDN_CMD_LOCK] = edn_cli_lock,
    [EDN_CMD_PASSWD] = edn_cli_passwd,
    [EDN_CMD_SERVER] = edn_cli_server,
    [EDN_CMD_SHEET] = edn_cli_sheet,
    [EDN_CMD_SLOT_LIST] = edn_cli_slot_list,
    [EDN_CMD_SLOT_ADD] = edn_cli_slot_add,
    [EDN_CMD_SLOT_REMOVE] = edn_cli_slot_remove,
    [EDN_CMD_DEVICE_LIST] = edn_cli_device_list,
    [EDN_CMD_DEVICE_RENAME] = edn_cli_device_rename,
    [EDN_CMD_DEVICE_REVOKE] = edn_cli_device_revoke,
    [EDN_CMD_QUARANTINE_LIST] = edn_cli_quarantine_list,
    [EDN_CMD_QUARANTINE_SHOW] = edn_cli_quarantine_show,
    [EDN_CMD_QUARANTINE_KEEP] = edn_cli_quarantine_keep,
    [EDN_CMD_QUARANTINE_DROP] = edn_cli_quarantine_drop,
    [EDN_CMD_REKEY] = edn_cli_rekey,
    [EDN_CMD_ACCOUNT_KEY_RENEW] = edn_cli_account_key_renew,
    [EDN_CMD_DEVICE_LINK] = edn_cli_device_link,
    [EDN_CMD_DEVICE_APPROVE] = edn_cli_device_approve,
    [EDN_CMD_DEVICE_VERIFY] = edn_cli_device_verify,
    [EDN_CMD_LOG] = edn_cli_log,
    [EDN_CMD_RECOVERY_SETUP] = edn_cli_recovery_setup,
    [EDN_CMD_RECOVERY_DRILL] = edn_cli_recovery_drill,
    [EDN_CMD_RECOVERY_STATUS] = edn_cli_recovery_status,
    [EDN_CMD_RECOVERY_CANCEL] = edn_cli_recovery_cancel,
    [EDN_CMD_RECOVERY_HELD] = edn_cli_recovery_held,
    [EDN_CMD_RECOVERY_KEEP] = edn_cli_recovery_keep,
    [EDN_CMD_RECOVERY_REFUSE] = edn_cli_recovery_refuse,
    [EDN_CMD_RECOVERY_GIVE] = edn_cli_recovery_give,
    [EDN_CMD_RECOVER] = edn_cli_recover,
    [EDN_CMD_EMERGENCY] = edn_cli_emergency,
    [EDN_CMD_WRITE] = edn_cli_write,
    [EDN_CMD_ADD] = edn_cli_add,
    [EDN_CMD_EDIT] = edn_cli_edit,
    [EDN_CMD_SET] = edn_cli_set,
    [EDN_CMD_TAG] = edn_cli_tag,
    [EDN_CMD_SHOW] = edn_cli_show,
    [EDN_CMD_TODAY] = edn_cli_today,
    [EDN_CMD_LIST] = edn_cli_list,
    [EDN_CMD_SEARCH] = edn_cli_search,
    [EDN_CMD_SIMILAR] = edn_cli_similar,
    [EDN_CMD_ONTHISDAY] = edn_cli_onthisday,
    [EDN_CMD_STATS] = edn_cli_stats,
    [EDN_CMD_REINDEX] = edn_cli_reindex,
    [EDN_CMD_MV] = edn_cli_mv,
    [EDN_CMD_RM] = edn_cli_rm,
    [EDN_CMD_UNDELETE] = edn_cli_undelete,
    [EDN_CMD_JOURNAL_LIST] = edn_cli_journal_list,
    [EDN_CMD_JOURNAL_NEW] = edn_cli_journal_new,
    [EDN_CMD_JOURNAL_RENAME] = edn_cli_journal_rename,
    [EDN_CMD_JOURNAL_LOCK] = edn_cli_journal_lock,
    [EDN_CMD_JOURNAL_OPEN] = edn_cli_journal_open,
    [EDN_CMD_JOURNAL_CLOSE] = edn_cli_journal_close,
    [EDN_CMD_JOURNAL_PASSPHRASE] = edn_cli_journal_passphrase,
    [EDN_CMD_JOURNAL_UNLOCK] = edn_cli_journal_unlock,
    [EDN_CMD_JOURNAL_SHARE] = edn_cli_journal_share,
    [EDN_CMD_JOURNAL_MEMBERS] = edn_cli_journal_members,
    [EDN_CMD_JOURNAL_UNSHARE] = edn_cli_journal_unshare,
    [EDN_CMD_CONTACT_LIST] = edn_cli_contact_list,
    [EDN_CMD_CONTACT_ADD] = edn_cli_contact_add,
    [EDN_CMD_CONTACT_SHOW] = edn_cli_contact_show,
    [EDN_CMD_CONTACT_VERIFY] = edn_cli_contact_verify,
    [EDN_CMD_CONTACT_REMOVE] = edn_cli_contact_remove,
    [EDN_CMD_CONTACT_CARD] = edn_cli_contact_card,
    [EDN_CMD_INVITE_LIST] = edn_cli_invite_list,
    [EDN_CMD_INVITE_ACCEPT] = edn_cli_invite_accept,
    [EDN_CMD_INVITE_REFUSE] = edn_cli_invite_refuse,
    [EDN_CMD_HISTORY] = edn_cli_history,
    [EDN_CMD_DIFF] = edn_cli_diff,
    [EDN_CMD_BLAME] = edn_cli_blame,
    [EDN_CMD_RESTORE] = edn_cli_restore,
    [EDN_CMD_IMPORT] = edn_cli_import,
    [EDN_CMD_EXPORT] = edn_cli_export,
    [EDN_CMD_SYNC] = edn_cli_sync,
    [EDN_CMD_STATUS] = edn_cli_status,
    [EDN_CMD_VERIFY] = edn_cli_verify,
};

/* ---- what is said ------------------------------------------------------------------------------------------------ */

static void say(const edn_cli_term *t, const char *prefix, const char *fmt, va_list ap)
{
    char text[2048];
    edn_buf line = EDN_BUF_INIT(16384);

    vsnprintf(text, sizeof text, fmt, ap);
    edn_put_str(&line, prefix);
    edn_cli_put_safe(&line, edn_bytes_str(text), EDN_SAFE_LINE);
    edn_put_u8(&line, '\n');
    if (edn_cli_flush(t, &line) != EDN_OK)
        (void)0; /* standard error is closed: there is nowhere left to say so */
    edn_buf_dispose(&line);
}

void edn_cli_note(edn_cli *c, const char *fmt, ...)
{
    va_list ap;

    if (c->quiet)
        return;
    va_start(ap, fmt);
    say(&c->note, "", fmt, ap);
    va_end(ap);
}

void edn_cli_warn(edn_cli *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(&c->note, "edn: ", fmt, ap);
    va_end(ap);
}

edn_status edn_cli_out(edn_cli *c)
{
    edn_status st = edn_buf_status(&c->buf);

    if (st == EDN_OK && c->buf.n >= OUT_SIZE)
        st = edn_cli_flush(&c->out, &c->buf);
    if (st == EDN_E_NOMEM)
        return edn_fail(&c->err, st, "out of memory");
    return st == EDN_OK ? EDN_OK : edn_fail(&c->err, st, "could not write to standard output");
}

edn_status edn_cli_usage(edn_cli *c, const char *fmt, ...)
{
    va_list ap;

    c->usage = true;
    va_start(ap, fmt);
    vsnprintf(c->err.text, sizeof c->err.text, fmt, ap);
    va_end(ap);
    return c->err.status = EDN_E_INVALID;
}

/* ---- the start --------------------------------------------------------------------------------------------------- */

/* No picture of this process is written to a disk when it dies, and no other process of the user looks into it. */
static void harden(void)
{
    struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
#ifndef SANITIZED /* a sanitizer looks for leaks from a second process */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
    umask(077);
}

const char *edn_cli_option_or_env(const edn_cli *c, edn_cli_opt opt)
{
    const char *value = edn_cli_value(&c->args, opt);

    if (!value)
        value = getenv(edn_cli_options[opt].env);
    return value && *value ? value : NULL;
}

static edn_status home_find(edn_cli *c)
{
    const char *home = edn_cli_option_or_env(c, EDN_OPT_HOME), *base = getenv("XDG_DATA_HOME"), *user = getenv("HOME");
    int n;

    if (home)
        n = asprintf(&c->home, "%s", home);
    else if (base && base[0] == '/')
        n = asprintf(&c->home, "%s/edn", base);
    else if (user && *user)
        n = asprintf(&c->home, "%s/.local/share/edn", user);
    else
        return edn_cli_usage(c, "neither --home nor EDN_HOME nor HOME says where the diary is");
    if (n < 0) {
        c->home = NULL;
        return edn_fail(&c->err, EDN_E_NOMEM, "out of memory");
    }
    c->options.home = c->home;
    c->options.ca_file = edn_cli_option_or_env(c, EDN_OPT_CA_FILE);
    c->options.proxy = edn_cli_option_or_env(c, EDN_OPT_PROXY);
    return EDN_OK;
}

static edn_status help(edn_cli *c)
{
    const edn_cli_command *about = c->args.command;
    size_t width = EDN_MIN(c->out.width, 100u);

    if (about == &edn_cli_commands[EDN_CMD_HELP] && c->args.words_n > 0) {
        about = edn_cli_command_find(c->args.words[0], c->args.words_n > 1 ? c->args.words[1] : NULL);
        if (!about)
            return edn_cli_usage(c, "there is no command '%s%s%s'; 'edn help' lists them", c->args.words[0],
                                 c->args.words_n > 1 ? " " : "", c->args.words_n > 1 ? c->args.words[1] : "");
    }
    if (about && about != &edn_cli_commands[EDN_CMD_HELP])
        edn_cli_help_command(&c->buf, about, width);
    else
        edn_cli_help(&c->buf, width);
    return edn_cli_out(c);
}

static edn_status run(edn_cli *c)
{
    const edn_cli_command *command = c->args.command;
    edn_status st;

    if (edn_cli_has(&c->args, EDN_OPT_HELP) || command == &edn_cli_commands[EDN_CMD_HELP])
        return help(c);
    if (edn_cli_has(&c->args, EDN_OPT_VERSION) || command == &edn_cli_commands[EDN_CMD_VERSION]) {
        edn_put_str(&c->buf, "edn " EDN_CLI_VERSION "\n");
        return edn_cli_out(c);
    }
    if (!command)
        return edn_cli_usage(c, "say what to do: 'edn help' lists the commands");
    if (edn_crypto_init() != EDN_OK)
        return edn_fail(&c->err, EDN_E_IO, "the system gives no randomness; nothing can be sealed without it");
    if ((st = home_find(c)) != EDN_OK)
        return st;
    return runs[command - edn_cli_commands](c);
}

/* A command that spoke with the server may have learned what other devices did to the account. That it cannot be told
 * now is no failure of the command: it is kept until it can. */
static void tell_news(edn_cli *c)
{
    edn_err err = c->err;

    if (c->client && edn_client_unlocked(c->client) && edn_client_heard(c->client) && edn_cli_news(c) != EDN_OK)
        c->err = err;
}

int edn_cli_main(int argc, char **argv)
{
    edn_cli c = {.buf = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_status st;
    int code;

    harden();
    tzset();
    st = edn_cli_args_init(&c.args, argc, argv, &c.err);
    c.usage = st == EDN_E_INVALID;
    c.quiet = edn_cli_has(&c.args, EDN_OPT_QUIET);
    c.json = edn_cli_has(&c.args, EDN_OPT_JSON);
    c.out = edn_cli_term_of(STDOUT_FILENO, !edn_cli_has(&c.args, EDN_OPT_NO_COLOR));
    c.note = edn_cli_term_of(STDERR_FILENO, !edn_cli_has(&c.args, EDN_OPT_NO_COLOR));
    if (st == EDN_OK)
        st = run(&c);
    /* What was printed before a failure is printed; a full disk behind standard output is a failure too. */
    if (edn_cli_flush(&c.out, &c.buf) != EDN_OK && st == EDN_OK)
        st = edn_fail(&c.err, EDN_E_IO, "could not write to standard output");
    if (st != EDN_OK && c.err.text[0])
        edn_cli_warn(&c, "%s", c.err.text);
    tell_news(&c);
    edn_client_close(c.client);
    code = st == EDN_OK ? EDN_EXIT_OK : c.usage ? EDN_EXIT_USAGE : edn_cli_exit_of(st);
    edn_buf_wipe(&c.buf);
    edn_cli_args_dispose(&c.args);
    free(c.home);
    edn_cli_signals_raise();
    return code;
}
