#include "cli/table.h"

#define MANY SIZE_MAX

/* ---- exit codes -------------------------------------------------------------------------------------------------- */

const char *const edn_cli_exit_texts[EDN_EXIT_COUNT] = {
    [EDN_EXIT_OK] = "It worked.",
    [EDN_EXIT_FAILED] = "It failed for another reason, or was given up (an editor that ended with an error).",
    [EDN_EXIT_USAGE] = "The command line is wrong; nothing was tried.",
    [EDN_EXIT_NOT_FOUND] = "No such diary, entry, version or journal, nothing found, or more than one fits.",
    [EDN_EXIT_LOCKED] = "The diary is locked, or the passphrase or account key is wrong.",
    [EDN_EXIT_NETWORK] = "No answer from the server, or it is busy: try again.",
    [EDN_EXIT_NOT_AUTHENTIC] = "The server misbehaved, or something is not authentic or damaged. The diary is safe.",
    [EDN_EXIT_STORAGE] = "This machine's disk, memory or output failed or is full.",
    [EDN_EXIT_INPUT] = "What was given cannot be taken: not UTF-8, too large, a broken line, a name in use.",
};

edn_cli_exit edn_cli_exit_of(edn_status st)
{
    switch (st) {
    case EDN_OK:
        return EDN_EXIT_OK;
    case EDN_E_MISSING:
    case EDN_E_AMBIGUOUS:
        return EDN_EXIT_NOT_FOUND;
    case EDN_E_LOCKED:
    case EDN_E_PASSPHRASE:
        return EDN_EXIT_LOCKED;
    case EDN_E_NETWORK:
    case EDN_E_RATE:
    case EDN_E_CONFLICT:
        return EDN_EXIT_NETWORK;
    case EDN_E_NOMEM:
    case EDN_E_IO:
    case EDN_E_FULL:
    case EDN_E_BUSY:
        return EDN_EXIT_STORAGE;
    case EDN_E_LIMIT:
    case EDN_E_INVALID:
    case EDN_E_UTF8:
    case EDN_E_EXISTS:
        return EDN_EXIT_INPUT;
    case EDN_E_CANCELLED:
        return EDN_EXIT_FAILED;
    default: /* everything that came over a wire or from a disk and was not what it must be */
        return EDN_EXIT_NOT_AUTHENTIC;
    }
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

const edn_cli_option edn_cli_options[EDN_OPT_COUNT] = {
    [EDN_OPT_HOME] =
        {
            .name = "home",
            .value = "DIR",
            .env = "EDN_HOME",
            .help = "The device's folder. Default: $XDG_DATA_HOME/edn, or ~/.local/share/edn.",
        },
    [EDN_OPT_PASSPHRASE_FD] =
        {
            .name = "passphrase-fd",
            .value = "N",
            .help = "Read the passphrase, one line, from this file descriptor instead of the terminal.",
        },
    [EDN_OPT_CA_FILE] =
        {
            .name = "ca-file",
            .value = "FILE",
            .env = "EDN_CA_FILE",
            .help = "Trust the certificates in this file (PEM) instead of the system's.",
        },
    [EDN_OPT_PROXY] =
        {
            .name = "proxy",
            .value = "URL",
            .env = "EDN_PROXY",
            .help = "Reach the server through this proxy, for example socks5h://127.0.0.1:9050.",
        },
    [EDN_OPT_QUIET] =
        {
            .name = "quiet",
            .letter = 'q',
            .help = "Say nothing but what was asked for, and errors.",
        },
    [EDN_OPT_NO_COLOR] =
        {
            .name = "no-color",
            .env = "NO_COLOR",
            .help = "No colours, even on a terminal.",
        },
    [EDN_OPT_HELP] =
        {
            .name = "help",
            .letter = 'h',
            .help = "Show the help of a command, or this overview.",
        },
    [EDN_OPT_VERSION] =
        {
            .name = "version",
            .letter = 'V',
            .help = "Show the version.",
        },
    [EDN_OPT_JSON] =
        {
            .name = "json",
            .help = "Print JSON, one object a line.",
        },
    [EDN_OPT_SERVER] =
        {
            .name = "server",
            .value = "URL",
            .help = "The server to sync with, https://HOST[:PORT] (http:// for loopback only). Without it the "
                    "diary stays on this machine until 'edn server'.",
        },
    [EDN_OPT_SERVER_NEEDED] =
        {
            .name = "server",
            .value = "URL",
            .help = "The server that knows the account.",
        },
    [EDN_OPT_NAME] =
        {
            .name = "name",
            .value = "NAME",
            .help = "The name by which the account is found at the server.",
        },
    [EDN_OPT_DEVICE_NAME] =
        {
            .name = "device-name",
            .value = "NAME",
            .help = "What to call this device, for people. Default: the host's name.",
        },
    [EDN_OPT_STRENGTH] =
        {
            .name = "strength",
            .value = "LEVEL",
            .choices = "floor default high",
            .help = "How much memory it costs to try a passphrase: floor 64 MiB, default 256 MiB, high 1 GiB.",
        },
    [EDN_OPT_NO_ACCOUNT_KEY] =
        {
            .name = "no-account-key",
            .help = "Make no account key. Weaker: the passphrase alone opens the account, and whoever "
                    "has the server's disk can try passphrases.",
        },
    [EDN_OPT_ACCOUNT_KEY_FD_OUT] =
        {
            .name = "account-key-fd",
            .value = "N",
            .help = "Write the account key, one line, to this file descriptor instead of the sheet.",
        },
    [EDN_OPT_ACCOUNT_KEY_FD_IN] =
        {
            .name = "account-key-fd",
            .value = "N",
            .help = "Read the account key, one line, from this file descriptor instead of the "
                    "terminal. It may be the passphrase's: the passphrase is then the first line.",
        },
    [EDN_OPT_SAME] =
        {
            .name = "same",
            .help = "Keep the passphrase; change only what --strength says.",
        },
    [EDN_OPT_NEW_PASSPHRASE_FD] =
        {
            .name = "new-passphrase-fd",
            .value = "N",
            .help = "Read the new passphrase, one line, from this file descriptor. It may be the old "
                    "one's: the old passphrase is then the first line.",
        },
    [EDN_OPT_JOURNAL_PASSPHRASE_FD] =
        {
            .name = "journal-passphrase-fd",
            .value = "N",
            .help = "Read the journal's passphrase, one line, from this file descriptor. It may be the diary's: the "
                    "diary's passphrase is then the first line.",
        },
    [EDN_OPT_LOCKED] =
        {
            .name = "locked",
            .help = "Under a second passphrase of its own, which is asked for.",
        },
    [EDN_OPT_AS] =
        {
            .name = "as",
            .value = "NAME",
            .help = "What you call this contact. Default: the name that was looked for.",
        },
    [EDN_OPT_ROLE] =
        {
            .name = "role",
            .value = "ROLE",
            .choices = "read write",
            .help = "What they may do: read the journal, or write in it too.",
        },
    [EDN_OPT_UNVERIFIED] =
        {
            .name = "unverified",
            .help = "Also with somebody whose number was not compared. Whoever runs the server could then have put "
                    "themselves in between.",
        },
    [EDN_OPT_WITH] =
        {
            .name = "with",
            .value = "SLOT",
            .help = "Unlock by this instead of the passphrase: keyring, tpm, fido2, or the beginning of a slot's id.",
        },
    [EDN_OPT_PIN_FD] =
        {
            .name = "pin-fd",
            .value = "N",
            .help = "Read the PIN, one line, from this file descriptor. It may be the passphrase's: that is then the "
                    "first line.",
        },
    [EDN_OPT_TIMEOUT] =
        {
            .name = "timeout",
            .value = "TIME",
            .help = "How long the kernel keeps the key: 90s, 15m, 2h (at most 24h), or 0 for not at all. "
                    "Default: 15m.",
        },
    [EDN_OPT_DATE] =
        {
            .name = "date",
            .letter = 'd',
            .value = "DATE",
            .help = "The entry's date: YYYY-MM-DD, today or yesterday. Default: today, by this machine's clock and "
                    "time zone.",
        },
    [EDN_OPT_TITLE] =
        {
            .name = "title",
            .letter = 't',
            .value = "TITLE",
            .help = "The entry's title.",
        },
    [EDN_OPT_TAG] =
        {
            .name = "tag",
            .value = "TAG",
            .help = "Give the entry this tag. May be repeated.",
        },
    [EDN_OPT_FIELD] =
        {
            .name = "field",
            .value = "NAME=VALUE",
            .help = "Give the entry a field such as mood=calm. May be repeated.",
        },
    [EDN_OPT_JOURNAL] =
        {
            .name = "journal",
            .letter = 'j',
            .value = "JOURNAL",
            .help = "The journal to put it into, by name or beginning of id. Default: the first.",
        },
    [EDN_OPT_ALLOW_DISK] =
        {
            .name = "allow-disk",
            .help = "Let the editor's temporary file lie on a disk when no folder in memory is to be had.",
        },
    [EDN_OPT_FROM] =
        {
            .name = "from",
            .value = "DATE",
            .help = "Not before this date (YYYY, YYYY-MM or YYYY-MM-DD).",
        },
    [EDN_OPT_TO] =
        {
            .name = "to",
            .value = "DATE",
            .help = "Not after this date (YYYY, YYYY-MM or YYYY-MM-DD).",
        },
    [EDN_OPT_WITH_TAG] =
        {
            .name = "tag",
            .value = "TAG",
            .help = "Only entries with this tag.",
        },
    [EDN_OPT_IN_JOURNAL] =
        {
            .name = "journal",
            .letter = 'j',
            .value = "JOURNAL",
            .help = "Only entries of this journal, by name or beginning of id.",
        },
    [EDN_OPT_LIMIT] =
        {
            .name = "limit",
            .letter = 'n',
            .value = "N",
            .help = "Only the newest N.",
        },
    [EDN_OPT_LIMIT_HITS] =
        {
            .name = "limit",
            .letter = 'n',
            .value = "N",
            .help = "Only the first N.",
        },
    [EDN_OPT_BY_DATE] =
        {
            .name = "by-date",
            .help = "The newest first instead of the best.",
        },
    [EDN_OPT_STEM] =
        {
            .name = "stem",
            .value = "LANGUAGES",
            .env = "EDN_STEM",
            .help = "Find other forms of a word too, by the endings of these languages: english,german.",
        },
    [EDN_OPT_QUIET_SEARCH] =
        {
            .name = "quiet-search",
            .help = "Until the diary has arrived: ask the server for parts of the index, and for what is opened, in "
                    "groups of eight.",
        },
    [EDN_OPT_PUBLISHED] =
        {
            .name = "published",
            .help = "Fetch what the server keeps of the search index for new devices, and compare it with the entries.",
        },
    [EDN_OPT_COUNT_ONLY] =
        {
            .name = "count",
            .help = "Print only how many there are.",
        },
    [EDN_OPT_INTERACTIVE] =
        {
            .name = "interactive",
            .letter = 'i',
            .help = "Search while typing. Arrow keys choose, Enter shows the entry, Esc ends.",
        },
    [EDN_OPT_NEWEST_FIRST] =
        {
            .name = "newest-first",
            .help = "The newest first instead of last.",
        },
    [EDN_OPT_DELETED] =
        {
            .name = "deleted",
            .help = "Deleted entries too.",
        },
    [EDN_OPT_TEXT] =
        {
            .name = "text",
            .help = "Print the text alone, with a line end after it.",
        },
    [EDN_OPT_REMOVE] =
        {
            .name = "remove",
            .letter = 'r',
            .value = "TAG",
            .help = "Take this tag away. May be repeated.",
        },
    [EDN_OPT_FORMAT_IN] =
        {
            .name = "format",
            .value = "FORMAT",
            .choices = "jsonl markdown",
            .help = "What the file holds. Default: told by its name, else jsonl.",
        },
    [EDN_OPT_SKIP_BAD] =
        {
            .name = "skip-bad",
            .help = "Name what cannot be read, leave it out, and bring in the rest.",
        },
    [EDN_OPT_FORMAT_OUT] =
        {
            .name = "format",
            .value = "FORMAT",
            .choices = "jsonl markdown",
            .help = "jsonl: one file, diary.jsonl (default). markdown: one file an entry.",
        },
    [EDN_OPT_FORCE] =
        {
            .name = "force",
            .help = "Write into a folder that holds other things; files of the same names are replaced.",
        },
    [EDN_OPT_OWN_KEY] =
        {
            .name = "own-key",
            .help = "Make the account's own key anew, too, which signs what no device can.",
        },
    [EDN_OPT_DEEP] =
        {
            .name = "deep",
            .help = "Seal again what is there already, too, and let the old batches go.",
        },
    [EDN_OPT_WATCH] =
        {
            .name = "watch",
            .letter = 'w',
            .help = "Go on: sync whenever something is new here or there, until Ctrl-C.",
        },
    [EDN_OPT_LAN] =
        {
            .name = "lan",
            .help = "Meet the other device directly, on the network that both are in, and not through the server.",
        },
    [EDN_OPT_LAN_PORT] =
        {
            .name = "port",
            .value = "N",
            .help = "With --lan: the TCP port to wait at, for a firewall that must let it through. Default: any.",
        },
    [EDN_OPT_LAN_AT] =
        {
            .name = "at",
            .value = "ADDRESS:PORT",
            .help = "With --lan, which it implies: where the new device waits, as it shows it, instead of looking for "
                    "it.",
        },
    [EDN_OPT_LAN_ADDRESS] =
        {
            .name = "address",
            .value = "ADDRESS",
            .help = "With --lan: only on the network on which this machine has this address. Default: on all.",
        },
    [EDN_OPT_PNG] =
        {
            .name = "png",
            .value = "FILE",
            .help = "Write the QR code into this file, too.",
        },
    [EDN_OPT_THRESHOLD] =
        {
            .name = "threshold",
            .value = "T",
            .help = "How many of the shares are needed together. Default: 3.",
        },
    [EDN_OPT_SHARES] =
        {
            .name = "shares",
            .value = "N",
            .help = "How many shares to make, 2 to 16. Default: 5.",
        },
    [EDN_OPT_SET] =
        {
            .name = "set",
            .value = "SET",
            .help = "The set of shares, 30 letters and digits, as it stands on every page.",
        },
    [EDN_OPT_KEEPER] =
        {
            .name = "contact",
            .value = "NAME",
            .help = "Give one of the shares to this contact, who must be verified. May be repeated.",
        },
    [EDN_OPT_CONTACTS] =
        {
            .name = "contacts",
            .help = "Some of the shares are kept by contacts: ask for those first, then take pages as well.",
        },
    [EDN_OPT_KEEP_DEVICES] =
        {
            .name = "keep-devices",
            .help = "Do not revoke the account's other devices. Only when none of them may be in strange hands.",
        },
    [EDN_OPT_SHEET_DIR] =
        {
            .name = "pages",
            .value = "DIR",
            .help = "Write it into this folder, as sheet.txt and as sheet.html to print, with a QR code, instead of "
                    "showing it. Best a folder in memory.",
        },
    [EDN_OPT_STOLEN] =
        {
            .name = "device",
            .value = "DEVICE",
            .help = "The device that was stolen: its name or the beginning of its id.",
        },
    [EDN_OPT_YES] =
        {
            .name = "yes",
            .help = "Ask nothing: do what must be done, and what options ask for.",
        },
    [EDN_OPT_WITH_GUESTS] =
        {
            .name = "with-guests",
            .help = "Revoke whom they let in too, without asking.",
        },
    [EDN_OPT_OF_DEVICE] =
        {
            .name = "device",
            .value = "DEVICE",
            .help = "Only what this device wrote: its name or the beginning of its id.",
        },
    [EDN_OPT_ALL] =
        {
            .name = "all",
            .help = "Everything that is in quarantine.",
        },
    [EDN_OPT_PAGES] =
        {
            .name = "pages",
            .value = "DIR",
            .help = "Write a page for each share into this folder, as text and as HTML to print, instead of showing "
                    "them. Best a folder in memory.",
        },
};

/* ---- commands ---------------------------------------------------------------------------------------------------- */

#define FILTERS EDN_OPT_FROM, EDN_OPT_TO, EDN_OPT_WITH_TAG, EDN_OPT_IN_JOURNAL

const edn_cli_command edn_cli_commands[EDN_CMD_COUNT] = {
    [EDN_CMD_INIT] =
        {
            .name = "init",
            .group = "Begin",
            .options = {EDN_OPT_SERVER, EDN_OPT_NAME, EDN_OPT_DEVICE_NAME, EDN_OPT_STRENGTH, EDN_OPT_NO_ACCOUNT_KEY,
                        EDN_OPT_ACCOUNT_KEY_FD_OUT, EDN_OPT_TIMEOUT},
            .summary = "Make a new diary on this machine",
            .text =
                "Asks for a passphrase, twice, makes the account and this device, and prints the emergency sheet with "
                "the account key. Print the sheet or copy it by hand and keep it safe: another device needs the "
                "passphrase and the account key, and nobody can give you either again.\n\n"
                "The diary is unlocked afterwards as by 'edn unlock'.",
        },
    [EDN_CMD_LOGIN] =
        {
            .name = "login",
            .group = "Begin",
            .options = {EDN_OPT_SERVER_NEEDED, EDN_OPT_NAME, EDN_OPT_DEVICE_NAME, EDN_OPT_STRENGTH,
                        EDN_OPT_ACCOUNT_KEY_FD_IN, EDN_OPT_TIMEOUT, EDN_OPT_QUIET_SEARCH},
            .summary = "Add this machine to a diary that exists",
            .text =
                "Needs --server and --name, the passphrase, and the account key from the emergency sheet (press Enter "
                "when the account was made without one). Fetches the search index that other devices have published, "
                "so that 'edn search' works at once; 'edn sync' brings the diary here.\n\n"
                "The diary is unlocked afterwards as by 'edn unlock'.",
        },
    [EDN_CMD_UNLOCK] =
        {
            .name = "unlock",
            .group = "Begin",
            .options = {EDN_OPT_WITH, EDN_OPT_PIN_FD, EDN_OPT_TIMEOUT},
            .summary = "Ask for the passphrase once, for some minutes",
            .text =
                "With --with, a slot that 'edn slot add' made takes the passphrase's place.\n\n"
                "The unlocked key is kept by the kernel, in the keyring of this login session, and forgotten after the "
                "time-out; it is never in a file. Without a session keyring every command goes on asking.",
        },
    [EDN_CMD_LOCK] =
        {
            .name = "lock",
            .group = "Begin",
            .summary = "Forget the unlocked key now",
        },
    [EDN_CMD_PASSWD] =
        {
            .name = "passwd",
            .group = "Begin",
            .options = {EDN_OPT_NEW_PASSPHRASE_FD, EDN_OPT_SAME, EDN_OPT_STRENGTH},
            .summary = "Change the passphrase",
            .text =
                "Changes it for the account and for this device, each in one step; nothing else has to be sealed "
                "again. The server must be within reach. Other devices keep their old passphrase for their own lock "
                "until it is changed there.\n\n"
                "With --same the passphrase stays and only its strength changes, which 'edn unlock' offers where it is "
                "below the default: 'edn passwd --same --strength default'.",
        },
    [EDN_CMD_SERVER] =
        {
            .name = "server",
            .group = "Begin",
            .words = "URL",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_NAME},
            .summary = "Give a diary that was made without one a server",
            .text =
                "Needs --name, by which other devices will find the account. Set again, with the same name, it takes "
                "the server's key as it is now: for a server that was set up anew, when 'edn sync' says that "
                "its receipts are signed with another key.",
        },
    [EDN_CMD_SHEET] =
        {
            .name = "sheet",
            .group = "Begin",
            .options = {EDN_OPT_SHEET_DIR},
            .summary = "Print the emergency sheet again",
            .text = "The sheet holds the account key. Whoever has it and the passphrase can read the diary.",
        },
    [EDN_CMD_SLOT_LIST] =
        {
            .name = "slot list",
            .group = "Unlock conveniently",
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_SLOT,
            .summary = "List the ways to unlock this device besides the passphrase",
        },
    [EDN_CMD_SLOT_ADD] =
        {
            .name = "slot add",
            .group = "Unlock conveniently",
            .words = "HOLDER",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_PIN_FD},
            .summary = "Let the keyring, the TPM or a security key unlock this device",
            .text =
                "HOLDER is keyring (the desktop's, unlocked when you log in), tpm (this machine's TPM 2.0, with a PIN "
                "that you choose now; the TPM stops answering after wrong ones) or fido2 (a security key with its own "
                "PIN, and a touch). Asks for the passphrase, which goes on working: no slot can lock you out. A slot "
                "opens this device only, and no other.",
        },
    [EDN_CMD_SLOT_REMOVE] =
        {
            .name = "slot remove",
            .group = "Unlock conveniently",
            .words = "SLOT",
            .words_min = 1,
            .words_max = 1,
            .summary = "Take a way to unlock away",
            .text = "SLOT is its holder's name, or the beginning of its id.",
        },
    [EDN_CMD_DEVICE_LIST] =
        {
            .name = "device list",
            .group = "Devices",
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_DEVICE,
            .summary = "List the account's devices, revoked ones too",
        },
    [EDN_CMD_DEVICE_RENAME] =
        {
            .name = "device rename",
            .group = "Devices",
            .words = "DEVICE NAME",
            .words_min = 2,
            .words_max = 2,
            .summary = "Give a device another name",
        },
    [EDN_CMD_DEVICE_REVOKE] =
        {
            .name = "device revoke",
            .group = "Devices",
            .words = "DEVICE...",
            .words_min = 1,
            .words_max = MANY,
            .options = {EDN_OPT_WITH_GUESTS},
            .summary = "Take lost or stolen devices out of the account",
            .text =
                "DEVICE is its name or the beginning of its id. Asks for the passphrase. From then on the server "
                "refuses the device, what it writes counts for nothing, and nothing that another one writes once it "
                "has synced opens with a key that the device ever had. What it has read, it has read; if somebody may "
                "know its passphrase, change that too: 'edn passwd'. The server must be within reach.\n\n"
                "Several go together or not at all. Devices that one of them had let in are named; on a terminal each "
                "is asked about, and goes with the same step.\n\n"
                "What the device had written and nobody had seen may still come: 'edn quarantine list'.",
        },
    [EDN_CMD_REKEY] =
        {
            .name = "rekey",
            .group = "Devices",
            .options = {EDN_OPT_DEEP, EDN_OPT_OWN_KEY},
            .summary = "Give the account new keys, and with --deep seal everything again under them",
            .text =
                "Asks for the passphrase; the server must be within reach. Without --deep, only what is written from "
                "now on is under the new keys; 'edn device revoke' does the same by itself.\n\n"
                "With --deep this device seals the whole diary again, sends it, and then tells the server by a signed "
                "link to delete the old batches: whoever has old keys, and gets at the server's disk later, finds "
                "nothing that they open. What somebody copied before, he keeps. It takes about as long as the first "
                "'edn sync' did. Stop it when you like: the same command goes on where it was. Other devices may "
                "write meanwhile.\n\n"
                "With --own-key, if somebody may have had your passphrase together with the account key, or enough "
                "recovery shares: they could still let a device in with the account's own key, and cannot with "
                "another one.",
        },
    [EDN_CMD_ACCOUNT_KEY_RENEW] =
        {
            .name = "account-key renew",
            .group = "Devices",
            .summary = "Make a new account key, and print the new emergency sheet",
            .text =
                "For a sheet that was lost or seen by somebody. Asks for the passphrase; a server, if there is one, "
                "must be within reach. It is one step, and costs the same whatever the diary holds. From then on the "
                "old sheet lets nobody in; devices that are in the account go on as before, and have the new key after "
                "their next 'edn sync'.",
        },
    [EDN_CMD_DEVICE_LINK] =
        {
            .name = "device link",
            .group = "Devices",
            .options = {EDN_OPT_SERVER_NEEDED, EDN_OPT_LAN, EDN_OPT_LAN_PORT, EDN_OPT_LAN_ADDRESS, EDN_OPT_DEVICE_NAME,
                        EDN_OPT_STRENGTH, EDN_OPT_PNG, EDN_OPT_TIMEOUT},
            .summary = "Add this machine to a diary, with a device at hand that has it",
            .text =
                "Run on the new device; needs neither the account's passphrase nor its account key. Asks for a "
                "passphrase that locks this device (the account's own is a good choice), then shows a QR code and a "
                "short code. Give either to 'edn device approve' on a device that has the diary. Both then show six "
                "digits: if they are the same, say so on both, and this device belongs to the account. Run 'edn sync' "
                "afterwards.\n\n"
                "The two meet through the server (--server), or directly on one network (--lan). With --lan this "
                "device waits for a TCP connection and tells the network once a second where, with nothing in it that "
                "names you; it needs no server until its first sync, and --server is not given. The other device does: "
                "it adds this one at the account's server.\n\n"
                "A code is good for five minutes and for one try: a wrong one uses it up. When output is not a "
                "terminal, the short code and the text of the QR code are printed, a line each, with --lan also where "
                "this device waits; the answer to the question is read from standard input.",
        },
    [EDN_CMD_DEVICE_APPROVE] =
        {
            .name = "device approve",
            .group = "Devices",
            .words = "[CODE]",
            .words_max = 1,
            .options = {EDN_OPT_LAN, EDN_OPT_LAN_AT, EDN_OPT_LAN_ADDRESS},
            .summary = "Let a new device in, by the code that it shows",
            .text = "CODE is what 'edn device link' shows on the new device: the short code, or what its QR code says. "
                    "Without one it is asked for. Both devices then show six digits; compare them and answer on both. "
                    "Digits that differ mean that somebody stands in between: answer no.\n\n"
                    "With --lan the new device (which was started with --lan too) is looked for on this network for "
                    "ten seconds, and spoken with directly. Where machines of a network cannot find each other, give "
                    "what the new one shows: --at ADDRESS:PORT. The account's server must be within reach of this "
                    "device all the same: the link that adds the new one goes there first.",
        },
    [EDN_CMD_DEVICE_VERIFY] =
        {
            .name = "device verify",
            .group = "Devices",
            .words = "[WORD…]",
            .words_max = 6,
            .options = {EDN_OPT_PNG},
            .summary = "Compare what this device and another were told of the account",
            .text =
                "Without words: shows six words and a QR code, which stand for the account's whole history as this "
                "device knows it. Run it on two devices: the same six words mean the same history, so no server "
                "shows them different ones. With the six words (or what the QR code says) of the other device, says "
                "whether it has the same history, or the same but not yet the newest of it.",
        },
    [EDN_CMD_LOG] =
        {
            .name = "log",
            .group = "Devices",
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_ACCOUNT_CHANGE,
            .summary = "Show what happened to the account: devices, keys, passphrase, recovery",
            .text = "The oldest first. Every line was signed, and checked here; no server can add, change or hide one. "
                    "Times are those of the devices' own clocks. What other devices did is also told after the next "
                    "'edn sync'.",
        },
    [EDN_CMD_RECOVERY_SETUP] =
        {
            .name = "recovery setup",
            .group = "Recovery",
            .options = {EDN_OPT_THRESHOLD, EDN_OPT_SHARES, EDN_OPT_KEEPER, EDN_OPT_PAGES},
            .summary = "Make shares that bring the account back when all devices are lost",
            .text =
                "Asks for the passphrase, makes a new recovery key, and cuts it into N shares of 33 words (SLIP-39), "
                "of which any T bring everything back and fewer tell nothing. Print each page, give the pages to "
                "different people or places, and take the files away. Shares made before are worth nothing from then "
                "on.\n\n"
                "Each --contact takes one of the N shares off the paper: it is sealed to that contact and sent as a "
                "letter, and they keep it with 'edn recovery keep'. With --threshold 3 --shares 5 --contact anna "
                "--contact ben three pages are printed. As many contacts as are needed together can open the diary: "
                "choose people who will not. To change who keeps what, make a new set.\n\n"
                "After a device was revoked make a new set: the old one does not open the new keys.",
        },
    [EDN_CMD_RECOVERY_DRILL] =
        {
            .name = "recovery drill",
            .group = "Recovery",
            .summary = "Prove that enough recovery shares are alive, without using them",
            .text =
                "Says which contacts keep a share, as they have answered, signed, and asks them by letter to answer "
                "anew; their shares are not used. Then asks for shares on paper, one a line, until they are enough, "
                "and opens with them what they are for; when there are fewer pages than that, each page is held "
                "against what the account says of it. Names a word that is wrong, and a share of another account or "
                "an older set. Nothing is changed.",
        },
    [EDN_CMD_RECOVERY_STATUS] =
        {
            .name = "recovery status",
            .group = "Recovery",
            .summary = "Say which recovery shares there are, who keeps them, and if they are current",
        },
    [EDN_CMD_RECOVERY_CANCEL] =
        {
            .name = "recovery cancel",
            .group = "Recovery",
            .summary = "Stop a recovery that somebody else has asked for",
            .text =
                "When somebody asks for the account with 'edn recover', the server waits (three days, unless its "
                "operator chose otherwise) and tells every device at its next sync. This stops it, with this device's "
                "signature, and the machine that asked is shown who did. Whoever has a page with a share can ask "
                "again, until 'edn recovery setup' makes new ones.",
        },
    [EDN_CMD_RECOVERY_HELD] =
        {
            .name = "recovery held",
            .group = "Recovery",
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_ENTRUSTED,
            .summary = "List the recovery shares of others that you keep, or were sent to keep",
            .text = "With each stands what 'edn recover' asks its owner for, should they have no page: server and set. "
                    "Each share is held against the owner's account as the server shows it now.",
        },
    [EDN_CMD_RECOVERY_KEEP] =
        {
            .name = "recovery keep",
            .group = "Recovery",
            .words = "CONTACT",
            .words_min = 1,
            .words_max = 1,
            .summary = "Keep the recovery share that a contact sent you, and tell them so",
            .text = "Also when they ask whether you still have it. All your devices keep it. Alone it opens nothing.",
        },
    [EDN_CMD_RECOVERY_REFUSE] =
        {
            .name = "recovery refuse",
            .group = "Recovery",
            .words = "CONTACT",
            .words_min = 1,
            .words_max = 1,
            .summary = "Do not keep a contact's recovery share, or not any longer, and tell them so",
        },
    [EDN_CMD_RECOVERY_GIVE] =
        {
            .name = "recovery give",
            .group = "Recovery",
            .words = "CONTACT",
            .words_min = 1,
            .words_max = 1,
            .summary = "Give a contact who lost everything the share that you keep for them",
            .text =
                "They run 'edn recover --contacts' on a new machine, which shows eight words. Let them read these to "
                "you, in person or by a voice that you know, and type them here (four letters of each are enough). "
                "The share is sealed to the machine whose words they are and to no other, whatever the server says. "
                "Nothing is given when no machine has these words. You still keep the share.",
        },
    [EDN_CMD_RECOVER] =
        {
            .name = "recover",
            .group = "Recovery",
            .options = {EDN_OPT_SERVER_NEEDED, EDN_OPT_NAME, EDN_OPT_SET, EDN_OPT_CONTACTS, EDN_OPT_DEVICE_NAME,
                        EDN_OPT_STRENGTH, EDN_OPT_KEEP_DEVICES, EDN_OPT_TIMEOUT},
            .summary = "Bring a diary back from recovery shares, with all devices lost",
            .text =
                "Needs --server, --name and --set, which stand on every page, and as many shares as the pages say, "
                "one a line on standard input. Says at once what is wrong with a share. Then asks for a new "
                "passphrase, and asks the server for the account. The server waits (three days, unless its "
                "operator chose otherwise), tells every device of the account, and any of them can cancel it; when "
                "none is left, it just waits. Run 'edn recover' again when it says that it may go on, or at any "
                "time to see how it stands: it asks for the new passphrase and for nothing else.\n\n"
                "With --contacts it asks the server at once, and shows eight words to read to each contact who keeps a "
                "share; they give theirs with 'edn recovery give', now or in the days of the wait. Pages count beside "
                "them. What came is kept: run 'edn recover' again to look for more.\n\n"
                "After the wait it adds this machine to the account, brings the diary here, revokes all other "
                "devices (their keys open nothing that is written from then on), and prints a new emergency sheet. "
                "Stopped anywhere, it goes on where it was when it is run again.\n\n"
                "Make new shares afterwards: 'edn recovery setup'.",
        },
    [EDN_CMD_EMERGENCY] =
        {
            .name = "emergency",
            .group = "Recovery",
            .options = {EDN_OPT_STOLEN, EDN_OPT_YES, EDN_OPT_NEW_PASSPHRASE_FD, EDN_OPT_STRENGTH, EDN_OPT_PAGES},
            .summary = "A device was stolen: do all that is to be done, one thing after the other",
            .text =
                "Asks which device was stolen, and for the passphrase. Revokes it and whichever devices it had let in, "
                "and makes all keys anew; offers a new passphrase and new recovery shares; and says what the thief can "
                "have, what not, and what to do next. Each step is noted when it is done: stopped anywhere, the same "
                "command goes on.\n\n"
                "For a script: --device NAME --yes revokes without a question, and sets a new passphrase or makes new "
                "shares only when --new-passphrase-fd or --pages is given.",
        },
    [EDN_CMD_WRITE] =
        {
            .name = "write",
            .group = "Write",
            .options = {EDN_OPT_DATE, EDN_OPT_TITLE, EDN_OPT_TAG, EDN_OPT_FIELD, EDN_OPT_JOURNAL, EDN_OPT_ALLOW_DISK,
                        EDN_OPT_JSON},
            .json = EDN_JSON_MADE,
            .summary = "Write an entry in your editor, or from standard input",
            .text =
                "Opens $VISUAL, else $EDITOR, else sensible-editor, nano or vi. When standard input is not a "
                "terminal, the text is read from there. A first line that begins with '# ' is the title. One line end "
                "at the end of the text is not part of it.\n\n"
                "The editor works on a private file in memory ($XDG_RUNTIME_DIR or /dev/shm), wiped afterwards. An "
                "editor that ends with an error, or an empty text, makes no entry. When the entry cannot be saved the "
                "text is kept, and its place named.",
        },
    [EDN_CMD_ADD] =
        {
            .name = "add",
            .group = "Write",
            .words = "TEXT...",
            .words_min = 1,
            .words_max = MANY,
            .options = {EDN_OPT_DATE, EDN_OPT_TITLE, EDN_OPT_TAG, EDN_OPT_FIELD, EDN_OPT_JOURNAL, EDN_OPT_JSON},
            .json = EDN_JSON_MADE,
            .summary = "Add a short entry from the command line",
            .text =
                "Several words are joined by spaces. Other programs on this machine can see a command line while it "
                "runs: use 'edn write' for what they must not.",
        },
    [EDN_CMD_EDIT] =
        {
            .name = "edit",
            .group = "Write",
            .words = "ENTRY",
            .words_min = 1,
            .words_max = 1,
            .kind = EDN_KIND_ENTRY,
            .options = {EDN_OPT_ALLOW_DISK},
            .summary = "Change an entry's text",
            .text =
                "As with 'edn write', in an editor or from standard input. What other devices change in the meantime "
                "is merged with what you change. A text that is left as it was changes nothing. Titles, dates and "
                "other fields: 'edn set'.",
        },
    [EDN_CMD_SET] =
        {
            .name = "set",
            .group = "Write",
            .words = "ENTRY NAME=VALUE...",
            .words_min = 2,
            .words_max = MANY,
            .kind = EDN_KIND_ENTRY,
            .summary = "Set an entry's title, date, mood, place or any other field",
            .text = "An empty VALUE takes the field away (not the date).",
        },
    [EDN_CMD_TAG] =
        {
            .name = "tag",
            .group = "Write",
            .words = "ENTRY [TAG...]",
            .words_min = 1,
            .words_max = MANY,
            .kind = EDN_KIND_ENTRY,
            .options = {EDN_OPT_REMOVE},
            .summary = "Give an entry tags, or take them away",
            .text = "A '#' before a tag is left out.",
        },
    [EDN_CMD_SHOW] =
        {
            .name = "show",
            .group = "Read",
            .words = "ENTRY[@VERSION]",
            .words_min = 1,
            .words_max = 1,
            .kind = EDN_KIND_ENTRY,
            .options = {EDN_OPT_TEXT, EDN_OPT_JSON},
            .json = EDN_JSON_ENTRY,
            .summary = "Show an entry, or what it was",
            .text = "Versions are listed by 'edn history'.",
        },
    [EDN_CMD_TODAY] =
        {
            .name = "today",
            .group = "Read",
            .options = {EDN_OPT_IN_JOURNAL, EDN_OPT_JSON},
            .json = EDN_JSON_ENTRY,
            .summary = "Show today's entries",
        },
    [EDN_CMD_LIST] =
        {
            .name = "list",
            .group = "Read",
            .options = {FILTERS, EDN_OPT_LIMIT, EDN_OPT_NEWEST_FIRST, EDN_OPT_DELETED, EDN_OPT_JSON},
            .json = EDN_JSON_ENTRY,
            .summary = "List entries, one a line, by date",
            .text =
                "Beginning of the id, date, title, tags and the text's beginning, cut to the terminal's width. When "
                "piped: the same five, whole, parted by tabs.",
        },
    [EDN_CMD_SEARCH] =
        {
            .name = "search",
            .group = "Read",
            .words = "[QUERY...]",
            .words_max = MANY,
            .options = {FILTERS, EDN_OPT_LIMIT_HITS, EDN_OPT_BY_DATE, EDN_OPT_STEM, EDN_OPT_COUNT_ONLY,
                        EDN_OPT_INTERACTIVE, EDN_OPT_QUIET_SEARCH, EDN_OPT_JSON},
            .json = EDN_JSON_HIT,
            .summary = "Find entries by their words, the best first",
            .text =
                "Words are all wanted, in any case and with any accents; \"a phrase\", begin*, this OR that, NOT other "
                "(or -other, after --), (groups), title:word, tag:travel, journal:work, from:2019 "
                "to:2020-03, on:2020-03-05. Mind the shell's quotes: edn search '\"old king\" sea'.\n\n"
                "When nothing has a word as it is given, words that differ by a letter or two are looked for instead, "
                "and named. With --stem english, or EDN_STEM, \"walk\" also finds \"walked\" and \"walking\", behind "
                "the entries that have the word as it is; not in quotes. On a terminal the first 20 are shown, with "
                "the words marked. Nothing found: exit code 3.\n\nThe index is kept sealed beside the entries and "
                "made at the first search. On a new device, until the diary has arrived, what other devices have "
                "published of it is searched as well: such a hit has its date, and 'edn show' fetches it first.",
        },
    [EDN_CMD_SIMILAR] =
        {
            .name = "similar",
            .group = "Read",
            .words = "ENTRY",
            .words_min = 1,
            .words_max = 1,
            .kind = EDN_KIND_ENTRY,
            .options = {EDN_OPT_LIMIT_HITS, EDN_OPT_JSON},
            .json = EDN_JSON_HIT,
            .summary = "Find the entries that are most like one",
            .text = "By the words that tell most about it. Ten, unless --limit says otherwise.",
        },
    [EDN_CMD_ONTHISDAY] =
        {
            .name = "onthisday",
            .group = "Read",
            .words = "[DATE]",
            .words_max = 1,
            .options = {EDN_OPT_IN_JOURNAL, EDN_OPT_JSON},
            .json = EDN_JSON_ENTRY,
            .summary = "List what was written on this day of every year, the newest first",
        },
    [EDN_CMD_STATS] =
        {
            .name = "stats",
            .group = "Read",
            .words = "[QUERY...]",
            .words_max = MANY,
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_COUNTED,
            .summary = "Count entries and words by month, and the entries of each tag",
            .text =
                "With a query, as of 'edn search': its entries by month. Tags are shown in small letters and without "
                "accents, as search takes them.",
        },
    [EDN_CMD_MV] =
        {
            .name = "mv",
            .group = "Arrange",
            .words = "ENTRY... JOURNAL",
            .words_min = 2,
            .words_max = MANY,
            .kind = EDN_KIND_ENTRY,
            .summary = "Move entries to another journal",
        },
    [EDN_CMD_RM] =
        {
            .name = "rm",
            .group = "Arrange",
            .words = "ENTRY...",
            .words_min = 1,
            .words_max = MANY,
            .kind = EDN_KIND_ENTRY,
            .summary = "Delete entries",
            .text = "'edn undelete' brings them back. An edit made elsewhere at the same time wins over the deletion.",
        },
    [EDN_CMD_UNDELETE] =
        {
            .name = "undelete",
            .group = "Arrange",
            .words = "ENTRY...",
            .words_min = 1,
            .words_max = MANY,
            .kind = EDN_KIND_ENTRY,
            .summary = "Bring deleted entries back",
            .text = "'edn list --deleted' shows their ids.",
        },
    [EDN_CMD_JOURNAL_LIST] =
        {
            .name = "journal list",
            .group = "Arrange",
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_JOURNAL,
            .summary = "List the journals",
        },
    [EDN_CMD_JOURNAL_NEW] =
        {
            .name = "journal new",
            .group = "Arrange",
            .words = "NAME",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_LOCKED, EDN_OPT_NEW_PASSPHRASE_FD, EDN_OPT_STRENGTH, EDN_OPT_TIMEOUT, EDN_OPT_JSON},
            .json = EDN_JSON_MADE,
            .summary = "Make a journal",
            .text = "With --locked it has a second passphrase, and nothing that is written in it is ever under the "
                    "diary's keys alone; 'edn help journal open' says more. It is open at first.",
        },
    [EDN_CMD_JOURNAL_RENAME] =
        {
            .name = "journal rename",
            .group = "Arrange",
            .words = "JOURNAL NAME",
            .words_min = 2,
            .words_max = 2,
            .summary = "Give a journal another name",
        },
    [EDN_CMD_JOURNAL_LOCK] =
        {
            .name = "journal lock",
            .group = "Arrange",
            .words = "JOURNAL",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_NEW_PASSPHRASE_FD, EDN_OPT_STRENGTH},
            .summary = "Give a journal a second passphrase",
            .text =
                "Asks for the new passphrase, twice. The journal's entries are written anew under keys of their own, "
                "without what was crossed out before, and it is closed: 'edn journal open' opens it. A server, if "
                "there is one, must be within reach.\n\n"
                "Nobody can open it when the second passphrase is forgotten: not the diary's passphrase, not the "
                "emergency sheet, not recovery shares.\n\n"
                "The entries' history before is not kept: what is left of them in the diary itself is made blank, "
                "here now and on each other device when the journal is first open there. What has been sent before "
                "still opens with the diary's keys, on your devices and at the server, until 'edn rekey --deep' on "
                "a device that has had the journal open. For what was never under other keys, make a new journal: "
                "'edn journal new NAME --locked'. Shared journals cannot be locked.",
        },
    [EDN_CMD_JOURNAL_OPEN] =
        {
            .name = "journal open",
            .group = "Arrange",
            .words = "JOURNAL",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_JOURNAL_PASSPHRASE_FD, EDN_OPT_TIMEOUT},
            .summary = "Open a locked journal for some minutes",
            .text =
                "Asks for its second passphrase. Its entries are then listed, searched, read and written like all "
                "others, until --timeout has passed, 'edn journal close' or 'edn lock'. Opening another begins the "
                "time anew for all. What other devices wrote is fetched if the server is within reach; the first time "
                "on a device it must be.\n\n"
                "While it is closed there is nothing of it to be found but its name and how much there is of it: not "
                "in lists, searches, statistics and exports, not on this disk and not at the server, by whoever has "
                "the diary's passphrase too.",
        },
    [EDN_CMD_JOURNAL_CLOSE] =
        {
            .name = "journal close",
            .group = "Arrange",
            .words = "JOURNAL",
            .words_min = 1,
            .words_max = 1,
            .summary = "Close a locked journal",
            .text =
                "Sends what was not sent, if the server is within reach. What is not sent then waits, sealed, until "
                "it is open again. 'edn lock' closes all at once.",
        },
    [EDN_CMD_JOURNAL_PASSPHRASE] =
        {
            .name = "journal passphrase",
            .group = "Arrange",
            .words = "JOURNAL",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_JOURNAL_PASSPHRASE_FD, EDN_OPT_NEW_PASSPHRASE_FD, EDN_OPT_STRENGTH},
            .summary = "Change a locked journal's passphrase",
            .text = "Asks for the old one, then for the new one, twice. Other devices take the new one after their "
                    "next 'edn sync'. It keeps out who learns the old one later; who knew it, and has a copy of the "
                    "diary from before, can still open that copy.",
        },
    [EDN_CMD_JOURNAL_UNLOCK] =
        {
            .name = "journal unlock",
            .group = "Arrange",
            .words = "JOURNAL",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_JOURNAL_PASSPHRASE_FD},
            .summary = "Take a locked journal's passphrase off, for good",
            .text = "Asks for it once more. From then on the journal is open wherever the diary is, on other devices "
                    "after their next 'edn sync'. It cannot be locked again: make another one and move the entries.",
        },
    [EDN_CMD_JOURNAL_SHARE] =
        {
            .name = "journal share",
            .group = "Share",
            .words = "JOURNAL CONTACT",
            .words_min = 2,
            .words_max = 2,
            .options = {EDN_OPT_ROLE, EDN_OPT_UNVERIFIED},
            .summary = "Let a contact into a journal",
            .text = "A private journal becomes a shared one: its entries are written anew there, without "
                    "what was crossed out before, and an empty private journal stays behind. The contact "
                    "is invited, and is in once they accept. Interrupted, the same command goes on.",
        },
    [EDN_CMD_JOURNAL_MEMBERS] =
        {
            .name = "journal members",
            .group = "Share",
            .words = "JOURNAL",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_MEMBER,
            .summary = "List who may read and write a shared journal",
        },
    [EDN_CMD_JOURNAL_UNSHARE] =
        {
            .name = "journal unshare",
            .group = "Share",
            .words = "JOURNAL MEMBER",
            .words_min = 2,
            .words_max = 2,
            .summary = "Take somebody out of a shared journal",
            .text = "What is written from then on is sealed under keys that they were never given. What they have read "
                    "stays read. With yourself as MEMBER you leave a journal that somebody else owns.",
        },
    [EDN_CMD_CONTACT_LIST] =
        {
            .name = "contact list",
            .group = "Share",
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_CONTACT,
            .summary = "List your contacts",
        },
    [EDN_CMD_CONTACT_ADD] =
        {
            .name = "contact add",
            .group = "Share",
            .words = "WHO",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_AS, EDN_OPT_JSON},
            .json = EDN_JSON_CONTACT,
            .summary = "Add somebody by their name at your server, or by their card",
            .text = "WHO is the name of an account at the server that you use, or a card (edn contact "
                    "card), which works between servers too. Compare the number that is shown before you "
                    "share anything: until it is verified the server could have answered with keys of its "
                    "own.",
        },
    [EDN_CMD_CONTACT_SHOW] =
        {
            .name = "contact show",
            .group = "Share",
            .words = "CONTACT",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_CONTACT,
            .summary = "Show a contact, and the number to compare",
        },
    [EDN_CMD_CONTACT_VERIFY] =
        {
            .name = "contact verify",
            .group = "Share",
            .words = "CONTACT [SHOWN]",
            .words_min = 1,
            .words_max = 2,
            .summary = "Say that the number was compared, or their card scanned",
            .text = "SHOWN is the number that they see, 60 digits with or without spaces, or their card, scanned from "
                    "their own screen (edn contact card); without it you are asked whether the number is the same. "
                    "Compare by voice or in person, not by a message.",
        },
    [EDN_CMD_CONTACT_REMOVE] =
        {
            .name = "contact remove",
            .group = "Share",
            .words = "CONTACT",
            .words_min = 1,
            .words_max = 1,
            .summary = "Forget a contact",
        },
    [EDN_CMD_CONTACT_CARD] =
        {
            .name = "contact card",
            .group = "Share",
            .options = {EDN_OPT_PNG},
            .summary = "Show the card that others add you by",
        },
    [EDN_CMD_INVITE_LIST] =
        {
            .name = "invite list",
            .group = "Share",
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_INVITATION,
            .summary = "List the journals that others invite you to",
            .text = "Nothing of a journal is fetched before you accept. What an invitation calls its "
                    "journal and its sender is what the sender wrote.",
        },
    [EDN_CMD_INVITE_ACCEPT] =
        {
            .name = "invite accept",
            .group = "Share",
            .words = "INVITATION",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_UNVERIFIED},
            .summary = "Come into a shared journal",
            .text = "INVITATION is the beginning of its id, or the journal's or the sender's name.",
        },
    [EDN_CMD_INVITE_REFUSE] =
        {
            .name = "invite refuse",
            .group = "Share",
            .words = "INVITATION",
            .words_min = 1,
            .words_max = 1,
            .summary = "Throw an invitation away",
        },
    [EDN_CMD_HISTORY] =
        {
            .name = "history",
            .group = "History",
            .words = "ENTRY",
            .words_min = 1,
            .words_max = 1,
            .kind = EDN_KIND_ENTRY,
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_VERSION,
            .summary = "List an entry's versions, oldest first",
            .text = "See one with 'edn show ENTRY@VERSION'.",
        },
    [EDN_CMD_DIFF] =
        {
            .name = "diff",
            .group = "History",
            .words = "ENTRY@VERSION [ENTRY@VERSION]",
            .words_min = 1,
            .words_max = 2,
            .kind = EDN_KIND_ENTRY,
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_CHANGE,
            .summary = "Show what changed in an entry's text between two versions",
            .text =
                "Without a second one, or without its @VERSION, up to now. Lines that went begin with '-', lines that "
                "came with '+', after the number of the line where they are. What was written is compared, not what it "
                "looks like: a word that was deleted and typed again has changed.",
        },
    [EDN_CMD_BLAME] =
        {
            .name = "blame",
            .group = "History",
            .words = "ENTRY",
            .words_min = 1,
            .words_max = 1,
            .kind = EDN_KIND_ENTRY,
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_RUN,
            .summary = "Show which device wrote each line of an entry, and when",
            .text = "A line has the time of what was written in it last. With --json, an object for every run of one "
                    "device and one time.",
        },
    [EDN_CMD_RESTORE] =
        {
            .name = "restore",
            .group = "History",
            .words = "ENTRY@VERSION",
            .words_min = 1,
            .words_max = 1,
            .kind = EDN_KIND_ENTRY,
            .summary = "Make an entry what it was, as a new change",
            .text =
                "Nothing is lost: the versions between stay in the history, and what other devices write meanwhile is "
                "merged with it.",
        },
    [EDN_CMD_IMPORT] =
        {
            .name = "import",
            .group = "In and out",
            .words = "FILE...",
            .words_min = 1,
            .words_max = MANY,
            .kind = EDN_KIND_FILE,
            .options = {EDN_OPT_FORMAT_IN, EDN_OPT_JOURNAL, EDN_OPT_SKIP_BAD, EDN_OPT_JSON},
            .json = EDN_JSON_IMPORT,
            .summary = "Bring in entries from files",
            .text =
                "JSON lines, plain or packed with zstd, '-' for standard input: an object a line with date "
                "(YYYY-MM-DD), text, and if there are any title, tags (array), fields (object), journal (its name; "
                "made when missing), created (RFC 3339) and id (32 hex digits). Other members are kept as fields when "
                "they are strings. Or Markdown files, or a folder of them, as 'edn export' writes them; a file whose "
                "name begins with a date needs no head.\n\n"
                "A broken line is named, and nothing is brought in; with --skip-bad the rest is. An entry whose id is "
                "here already is left as it is, so that an import can be repeated.",
        },
    [EDN_CMD_EXPORT] =
        {
            .name = "export",
            .group = "In and out",
            .words = "DIR",
            .words_min = 1,
            .words_max = 1,
            .kind = EDN_KIND_FOLDER,
            .options = {FILTERS, EDN_OPT_FORMAT_OUT, EDN_OPT_FORCE, EDN_OPT_JSON},
            .json = EDN_JSON_EXPORT,
            .summary = "Write the entries into a folder, readable by anyone",
            .text = "Devices that hold the same diary write the same bytes. A folder that holds something else is "
                    "refused; an earlier export is brought up to date. What is exported is no longer encrypted: mind "
                    "where you put it.",
        },
    [EDN_CMD_SYNC] =
        {
            .name = "sync",
            .group = "Sync",
            .options = {EDN_OPT_WATCH, EDN_OPT_JSON},
            .json = EDN_JSON_SYNC,
            .summary = "Send what is new here, fetch what is new there",
            .text =
                "Says what happened, and whether the server has signed that it holds everything. When the server or "
                "another device did something wrong it is named and the exit code is 6; the diary here is safe.",
        },
    [EDN_CMD_STATUS] =
        {
            .name = "status",
            .group = "Sync",
            .options = {EDN_OPT_JSON},
            .json = EDN_JSON_STATUS,
            .summary = "Say what is here, and what the server has signed that it holds",
        },
    [EDN_CMD_VERIFY] =
        {
            .name = "verify",
            .group = "Sync",
            .options = {EDN_OPT_PUBLISHED, EDN_OPT_JSON},
            .json = EDN_JSON_VERIFY,
            .summary = "Check every signature, chain and seal on this machine",
            .text = "Damage found: exit code 6. Without --published no network is needed. What of the search index is "
                    "damaged, here or at the server, is made anew from the entries.",
        },
    [EDN_CMD_QUARANTINE_LIST] =
        {
            .name = "quarantine list",
            .group = "Sync",
            .options = {EDN_OPT_OF_DEVICE, EDN_OPT_JSON},
            .json = EDN_JSON_QUARANTINED,
            .summary = "List what revoked devices had written that nobody had seen",
            .text =
                "A device that is lost for a week may hold a week of writing. What of it reaches the server when the "
                "device was revoked already counts for nothing: whoever has the device may have written it, and "
                "nothing tells the two apart, the times that it says least of all. It is kept here, sealed, in no list "
                "and no search, until you look at it and keep it or drop it, on one of your devices for all of them. "
                "Of one device 16 MiB are kept.\n\n"
                "Columns: id, device, new, changed or deleted, date, title, characters written and deleted, when as "
                "the device says.",
        },
    [EDN_CMD_QUARANTINE_SHOW] =
        {
            .name = "quarantine show",
            .group = "Sync",
            .words = "ENTRY",
            .words_min = 1,
            .words_max = 1,
            .options = {EDN_OPT_OF_DEVICE, EDN_OPT_TEXT, EDN_OPT_JSON},
            .json = EDN_JSON_ENTRY,
            .summary = "Show an entry as it would be, and what would change",
            .text = "ENTRY is the beginning of an id that 'edn quarantine list' shows. Nothing is changed by looking. "
                    "With --json or --text, the entry alone, as it would be.",
        },
    [EDN_CMD_QUARANTINE_KEEP] =
        {
            .name = "quarantine keep",
            .group = "Sync",
            .words = "[ENTRY...]",
            .words_max = MANY,
            .options = {EDN_OPT_OF_DEVICE, EDN_OPT_ALL},
            .summary = "Take entries out of quarantine into the diary",
            .text = "Read them first. Each becomes what it would have been, as a change written by this device now, so "
                    "that the others get it by their next sync; its field kept-from says which device had written it. "
                    "Decide on one device: what is kept on two at the same time stands there twice.",
        },
    [EDN_CMD_QUARANTINE_DROP] =
        {
            .name = "quarantine drop",
            .group = "Sync",
            .words = "[ENTRY...]",
            .words_max = MANY,
            .options = {EDN_OPT_OF_DEVICE, EDN_OPT_ALL},
            .summary = "Throw away what is in quarantine, on all devices",
        },
    [EDN_CMD_REINDEX] =
        {
            .name = "reindex",
            .group = "Sync",
            .summary = "Make the search index anew",
            .text = "Nothing of what was ever deleted is left in it then. A damaged index is made anew by itself.",
        },
    [EDN_CMD_HELP] =
        {
            .name = "help",
            .group = "Help",
            .words = "[COMMAND]",
            .words_max = 2,
            .kind = EDN_KIND_COMMAND,
            .summary = "Show the help of a command, or this overview",
        },
    [EDN_CMD_VERSION] =
        {
            .name = "version",
            .group = "Help",
            .summary = "Show the version",
        },
};

bool edn_cli_takes(const edn_cli_command *command, edn_cli_opt opt)
{
    if (opt > EDN_OPT_NONE && opt < EDN_OPT_GLOBAL_END)
        return true;
    for (const edn_cli_opt *o = command->options; *o; o++)
        if (*o == opt)
            return true;
    return false;
}

/* ---- JSON objects ------------------------------------------------------------------------------------------------ */

static const edn_cli_member entry_members[] = {
    {"id", "string", "32 hex digits"},
    {"date", "string", "YYYY-MM-DD"},
    {"title", "string", "empty: none"},
    {"text", "string", "the whole text (show, today)"},
    {"preview", "string", "the text's beginning (list)"},
    {"size", "number", "the text's length in bytes"},
    {"tags", "array of strings", ""},
    {"fields", "object of strings", "mood, place and so on, by name (list: left out)"},
    {"journal", "string", "the journal's name"},
    {"journal_id", "string", "32 hex digits"},
    {"deleted", "boolean", ""},
    {"conflict", "boolean", "deleted on one device while edited on another: the edit won; look at it"},
    {"created", "string", "RFC 3339, UTC: what the device's clock said"},
    {"changed", "string", "the same, for the newest change"},
    {NULL, NULL, NULL},
};

static const edn_cli_member hit_members[] = {
    {"id", "string", "32 hex digits"},
    {"date", "string", "YYYY-MM-DD"},
    {"title", "string", ""},
    {"tags", "array of strings", ""},
    {"journal", "string", "the journal's name"},
    {"snippet", "string", "the text around the words"},
    {"arriving", "boolean", "true: the entry is not here yet; its id and date are known, and words"},
    {"words", "number", "of an entry that is not here yet; else 0"},
    {"marks", "array of arrays", "where words of the query stand in the snippet: offset and length in bytes"},
    {NULL, NULL, NULL},
};

static const edn_cli_member counted_members[] = {
    {"month", "string", "YYYY-MM; 0000-00: without a date"},
    {"entries", "number", ""},
    {"words", "number", "of its entries (without a query)"},
    {"tag", "string", "in place of the month, in the lines that come last (without a query)"},
    {NULL, NULL, NULL},
};

static const edn_cli_member version_members[] = {
    {"version", "number", "1 is the oldest"},
    {"time", "string", "RFC 3339, UTC: what the device's clock said"},
    {"device", "string", "32 hex digits"},
    {"device_name", "string", "empty: not known here"},
    {"what", "string", "what changed: text, title, tag +sea, deleted"},
    {"inserted", "number", "characters"},
    {"deleted", "number", "characters"},
    {NULL, NULL, NULL},
};

static const edn_cli_member change_members[] = {
    {"at", "number", "characters of the old text before it"},
    {"deleted", "string", ""},
    {"inserted", "string", ""},
    {NULL, NULL, NULL},
};

static const edn_cli_member run_members[] = {
    {"time", "string", "RFC 3339, UTC; what the device believed"},
    {"device", "string", "32 hex digits"},
    {"device_name", "string", "empty: not known here"},
    {"text", "string", ""},
    {NULL, NULL, NULL},
};

static const edn_cli_member device_members[] = {
    {"device", "string", "32 hex digits"},
    {"name", "string", "empty: not known here"},
    {"self", "boolean", "this device"},
    {"active", "boolean", "false: revoked"},
    {"batch", "number", "of its newest batch held here; 0: none"},
    {"added", "string", "RFC 3339, UTC: when it joined, as the device that added it believed"},
    {"read", "boolean", "whether it may read"},
    {"write", "boolean", "whether it may write"},
    {"admin", "boolean", "whether it may add and revoke devices"},
    {"added_by", "string", "the device that let it in; empty: it came by the passphrase"},
    {NULL, NULL, NULL},
};

static const edn_cli_member account_change_members[] = {
    {"link", "number", "of the device log, from 0; left out for what is no link"},
    {"time", "string", "RFC 3339, UTC, by the clock of the device that made it"},
    {"type", "string",
     "genesis, add, revoke, rotate, passphrase, recovery, checkpoint, policy, key or reseal; what only the server "
     "says: recovery-asked, recovery-cancelled"},
    {"by", "string", "32 hex digits: the device that made it; empty: the account's own key"},
    {"until", "string", "recovery-asked: when it may go on; else left out"},
    {"text", "string", "what changed, in words"},
    {NULL, NULL, NULL},
};

static const edn_cli_member slot_members[] = {
    {"slot", "string", "32 hex digits"},
    {"holder", "string", "keyring, tpm or fido2"},
    {"added", "string", "RFC 3339, UTC"},
    {NULL, NULL, NULL},
};

static const edn_cli_member contact_members[] = {
    {"name", "string", "what you call them"},
    {"account", "string", "64 hex digits"},
    {"server", "string", ""},
    {"verified", "boolean", "the number was compared"},
    {"number", "string", "60 digits, the same at both ends"},
    {NULL, NULL, NULL},
};

static const edn_cli_member entrusted_members[] = {
    {"of", "string", "whose share it is: what you call them; of somebody unknown, what they call themselves"},
    {"account", "string", "64 hex digits"},
    {"server", "string", "for 'edn recover'"},
    {"set", "string", "for 'edn recover': which set of shares"},
    {"number", "number", "of the share"},
    {"needed", "number", "how many shares are enough"},
    {"shares", "number", "how many there are"},
    {"state", "string",
     "offered; kept; old: they made a newer set; forked: the server shows another account than before, so nothing is "
     "given"},
    {"known", "boolean", "they are a contact"},
    {"verified", "boolean", "the number was compared"},
    {"asked", "boolean", "they ask whether it is still kept"},
    {NULL, NULL, NULL},
};

static const edn_cli_member member_members[] = {
    {"name", "string", "what you call them; else what they call themselves"},
    {"account", "string", "64 hex digits"},
    {"role", "string", "owner, write or read"},
    {"self", "boolean", "it is you"},
    {"verified", "boolean", ""},
    {"accepted", "boolean", "a device of theirs has come in"},
    {"devices", "number", ""},
    {NULL, NULL, NULL},
};

static const edn_cli_member invitation_members[] = {
    {"id", "string", "32 hex digits"},
    {"from", "string", "what you call them; else what they call themselves"},
    {"from_account", "string", "64 hex digits"},
    {"journal", "string", "what the sender calls it"},
    {"role", "string", "write or read"},
    {"known", "boolean", "the sender is a contact"},
    {"verified", "boolean", "a verified one"},
    {"time", "string", "RFC 3339, UTC, by the sender's clock"},
    {NULL, NULL, NULL},
};

static const edn_cli_member journal_members[] = {
    {"id", "string", "32 hex digits"},
    {"name", "string", ""},
    {"entries", "number", "without deleted ones"},
    {"shared", "boolean", "several people write in it"},
    {"locked", "boolean", "it has a passphrase of its own"},
    {"closed", "boolean", "and is not open: entries is 0"},
    {NULL, NULL, NULL},
};

static const edn_cli_member made_members[] = {
    {"id", "string", "32 hex digits: the entry or journal that was made"},
    {NULL, NULL, NULL},
};

static const edn_cli_member import_members[] = {
    {"added", "number", "entries brought in"},
    {"known", "number", "left as they were: their ids are here already"},
    {"skipped", "number", "could not be read (--skip-bad)"},
    {NULL, NULL, NULL},
};

static const edn_cli_member export_members[] = {
    {"entries", "number", "written"},
    {"files", "number", "files in the export"},
    {NULL, NULL, NULL},
};

static const edn_cli_member sync_members[] = {
    {"synced", "boolean", "the server signed that it holds exactly what is here"},
    {"batches_sent", "number", ""},
    {"batches_received", "number", ""},
    {"records_received", "number", ""},
    {"refilled", "number", "batches that the server had lost or never had, sent again"},
    {"entries_changed", "number", ""},
    {"conflicts", "number", "entries to look at"},
    {"set_aside", "number", "objects waiting or refused, in all"},
    {"round_trips", "number", ""},
    {"bytes_sent", "number", "above TLS"},
    {"bytes_received", "number", "above TLS"},
    {"receipt", "string", "RFC 3339: the newest receipt, by the server's clock; empty: none"},
    {"findings", "array of objects", "what went wrong: class, time, text"},
    {"recovery", "object",
     "of the account, by shares: state (none, waiting, ready, cancelled), asked, ready, cancelled_by"},
    {"notices", "array of objects", "what other devices did to the account, each once: as 'edn log' has it"},
    {NULL, NULL, NULL},
};

static const edn_cli_member status_members[] = {
    {"home", "string", "the device's folder"},
    {"device", "string", "32 hex digits"},
    {"unlocked", "boolean", "false: what follows is left out where it cannot be known"},
    {"entries", "number", "without deleted ones"},
    {"deleted", "number", ""},
    {"journals", "number", ""},
    {"closed", "number", "locked journals that are not open"},
    {"closed_unsent", "number", "those of them of which something may be only here"},
    {"server", "string", "empty: none"},
    {"synced", "boolean", "a receipt signed by the server covers exactly the present state"},
    {"unsent", "number", "entries with changes that were not sent yet"},
    {"receipt", "string", "RFC 3339: the newest receipt, by the server's clock; empty: none"},
    {"receipt_local", "string", "when it came, by this machine's clock"},
    {"set_aside", "number", "objects waiting or refused"},
    {"quarantined", "number", "batches of revoked devices in quarantine"},
    {"devices", "array of objects", "device, name, self, active, batch, added, added_by"},
    {"recovery", "object", "as in sync"},
    {"findings", "array of objects", "class, time, text"},
    {NULL, NULL, NULL},
};

static const edn_cli_member quarantined_members[] = {
    {"id", "string", "32 hex digits: the entry; zeros: nothing of the device can be looked at, only dropped"},
    {"device", "string", "32 hex digits: which wrote it"},
    {"device_name", "string", "empty: not known here"},
    {"whole", "boolean",
     "false: it rests on something that is not here, and can only be dropped; then what follows is "
     "empty"},
    {"known", "boolean", "the entry is here, and these are changes of it"},
    {"removed", "boolean", "it would be deleted"},
    {"date", "string", "as it would be"},
    {"title", "string", "as it would be"},
    {"written", "string", "RFC 3339, UTC: when, as the device says"},
    {"inserted", "number", "characters of the text"},
    {"deleted", "number", "characters of the text"},
    {"size", "number", "bytes of its records, as they came"},
    {NULL, NULL, NULL},
};

static const edn_cli_member verify_members[] = {
    {"links", "number", "of the device log"},
    {"batches", "number", ""},
    {"records", "number", ""},
    {"entries", "number", ""},
    {"parts", "number", "of the search index at the server, with --published; else 0"},
    {"damaged", "number", "things that are not what they must be"},
    {"findings", "array of objects", "class, time, text"},
    {NULL, NULL, NULL},
};

const edn_cli_object edn_cli_objects[EDN_JSON_COUNT] = {
    [EDN_JSON_ENTRY] = {"entry", entry_members},
    [EDN_JSON_HIT] = {"hit", hit_members},
    [EDN_JSON_COUNTED] = {"count", counted_members},
    [EDN_JSON_CHANGE] = {"change", change_members},
    [EDN_JSON_RUN] = {"run", run_members},
    [EDN_JSON_VERSION] = {"version", version_members},
    [EDN_JSON_JOURNAL] = {"journal", journal_members},
    [EDN_JSON_SLOT] = {"slot", slot_members},
    [EDN_JSON_DEVICE] = {"device", device_members},
    [EDN_JSON_ACCOUNT_CHANGE] = {"account change", account_change_members},
    [EDN_JSON_CONTACT] = {"contact", contact_members},
    [EDN_JSON_ENTRUSTED] = {"entrusted share", entrusted_members},
    [EDN_JSON_MEMBER] = {"member", member_members},
    [EDN_JSON_INVITATION] = {"invitation", invitation_members},
    [EDN_JSON_MADE] = {"made", made_members},
    [EDN_JSON_IMPORT] = {"import", import_members},
    [EDN_JSON_EXPORT] = {"export", export_members},
    [EDN_JSON_SYNC] = {"sync", sync_members},
    [EDN_JSON_STATUS] = {"status", status_members},
    [EDN_JSON_VERIFY] = {"verify", verify_members},
    [EDN_JSON_QUARANTINED] = {"quarantined", quarantined_members},
};

/* ---- prose ------------------------------------------------------------------------------------------------------- */

const char *const edn_cli_tagline = "a private diary on all your devices, readable by nobody else";

const edn_cli_section edn_cli_sections[] = {
    {"Naming an entry",
     "ENTRY is 'last' (the newest by date), 'today', 'yesterday', a date (YYYY-MM-DD), or the beginning of its id, "
     "four digits or more, as 'edn list' shows it. When more than one entry fits, nothing is done and they are named. "
     "ENTRY@VERSION is the entry as it was at a version of 'edn history', or at the end of a day (last@yesterday, "
     "last@2024-05-01), or at a time (last@2024-05-01T12:30:00Z), as the clocks of its devices had it."},
    {"The passphrase",
     "It is asked for on the terminal, without echo, or read from --passphrase-fd; never taken from the command line "
     "or the environment. For a script: edn list --passphrase-fd 3 3</path/to/a/private/pipe.\n\n"
     "'edn unlock' puts the unlocked key into the kernel's session keyring as a key of type user called edn:DEVICE, "
     "which only this login session can read, and which the kernel forgets after the time-out. Where a system gives "
     "logins no session keyring of their own, the kernel's keyring for all sessions of this user takes its place, and "
     "'edn unlock' says so. Where there is no keyring at all, every command asks."},
    {"What is printed where",
     "Answers go to standard output, all else to standard error. Progress is shown only on a terminal. Control "
     "characters in titles and texts are shown as escapes on a terminal and passed on as they are when piped. "
     "Entries' times are shown in this machine's time zone; JSON has UTC."},
    {NULL, NULL},
};
