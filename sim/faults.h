/* faults: every kind that the simulator has, in groups that --shrink can leave out. */
#ifndef EDN_SIM_FAULTS_H
#define EDN_SIM_FAULTS_H

/* clang-format off */
#define SIM_GROUPS(X) X(NET) X(DISK) X(SERVER) X(CLOCK) X(PROCESS) X(RESTORE) X(CLONE) X(EVIL) X(STORY) X(KEYS)

#define SIM_EVILS(X) \
    X(ALTER, "alters bytes of an answer")            X(TRUNCATE, "leaves out one of a list, or its end") \
    X(SWAP, "puts one batch's bytes in another's")   X(REVERSE, "turns the order of batches round") \
    X(TWICE, "gives everything out twice")           X(OLD, "gives yesterday's answer") \
    X(WITHHOLD, "hides one device's batches")        X(GARBAGE, "gives out batches of noise") \
    X(SIGNATURE, "breaks a batch's signature")       X(HEADER, "changes a batch's header") \
    X(RECEIPT, "forges a receipt")                   X(LINK, "makes up a link of the device log") \
    X(HEADS, "claims heads that do not exist")       X(ORIGIN, "calls itself by another name") \
    X(TIME, "says that it is another decade")        X(PUSHED, "says yes without keeping anything") \
    X(FOREIGN, "gives out another account's batch")  X(GHOST, "gives out a batch of a device that nobody added") \
    X(SUITE, "names another suite in a batch")       X(COUNT, "lies about how much follows") \
    X(SWAPPED_BOX, "gives out another sealed key")   X(WEAK_KDF, "offers a weaker stretching") \
    X(LEAK, "lets batches cross between two groups that it keeps apart") \
    X(MAIL, "alters, repeats, swaps or keeps what two devices that meet tell each other")

#define SIM_FAULTS(X) \
    X(NET, DROP, "request dropped")                  X(NET, LOSE, "answer lost") \
    X(NET, DUPLICATE, "request arrives twice")       X(NET, REORDER, "request arrives again after later ones") \
    X(NET, CUT, "answer cut short")                  X(NET, LOGIN_PAGE, "a proxy's login page") \
    X(NET, EMPTY, "empty answer")                    X(NET, NOISE, "noise for an answer") \
    X(NET, E500, "HTTP 500 from in between")         X(NET, E503, "HTTP 503, wait") \
    X(NET, E429, "HTTP 429, wait")                   X(NET, SLOW, "minutes for one answer") \
    X(NET, RESET, "reset in the middle of an answer") X(NET, MINUTES, "no network for minutes") \
    X(NET, DAYS, "no network for days")              X(NET, WEEKS, "no network for weeks") \
    X(NET, HALF_OPEN, "half open: sent, and silence") X(NET, HALF_SENT, "half of a request arrives") \
    X(DISK, CUT_KEEP, "power cut, all kept")         X(DISK, CUT_DROP, "power cut, nothing kept") \
    X(DISK, CUT_PREFIX, "power cut, a prefix kept")  X(DISK, CUT_TEAR, "power cut, writes torn") \
    X(DISK, KILL, "process killed")                  X(DISK, FULL, "disk full") \
    X(DISK, WRITE, "write fails")                    X(DISK, SYNC, "sync fails") \
    X(DISK, READ, "read fails")                      X(DISK, DEAD, "every write fails from here on") \
    X(DISK, READ_ONLY, "permission to write revoked") X(DISK, DENIED, "permission to open revoked") \
    X(DISK, ROT, "a bit flips on the disk")          X(DISK, STALE, "a read gives what was there before") \
    X(SERVER, S_KEEP, "server: power cut, all kept") X(SERVER, S_DROP, "server: power cut, nothing kept") \
    X(SERVER, S_PREFIX, "server: power cut, a prefix kept") X(SERVER, S_TEAR, "server: power cut, writes torn") \
    X(SERVER, S_IN, "server: power cut inside a request") \
    X(SERVER, S_RESTART, "server restarted")         X(SERVER, S_FULL, "server: disk full") \
    X(SERVER, S_WRITE, "server: write fails")        X(SERVER, S_SYNC, "server: sync fails") \
    X(SERVER, S_DOWN, "server down for hours")       X(SERVER, S_BLOB, "server: blob store refuses") \
    X(CLOCK, AHEAD, "clock years ahead")             X(CLOCK, BEHIND, "clock years behind") \
    X(CLOCK, JUMP, "clock jumps")                    X(CLOCK, STILL, "clock stands still") \
    X(CLOCK, BACKWARDS, "clock runs backwards")      X(CLOCK, S_CLOCK, "server: clock jumps") \
    X(PROCESS, REOPEN, "closed and opened")          X(PROCESS, SLEEP, "asleep for a year") \
    X(PROCESS, MEMORY, "out of memory")              X(PROCESS, LOCKED, "locked and unlocked by passphrase") \
    X(RESTORE, S_RESTORED, "server restored from an old backup") X(RESTORE, S_WIPED, "server wiped") \
    X(CLONE, RESTORED, "device restored from an old backup") \
    X(STORY, TWINS, "two copies of one device at work") X(STORY, FORKED, "two groups kept apart for days") \
    X(STORY, LOG_FORKED, "two device logs")          X(STORY, WITHHELD, "one device's batches kept from another") \
    X(STORY, HONEST_S, "server restored, nothing lost") X(STORY, HONEST_D, "device restored, nothing lost") \
    X(STORY, S_ROT, "server: a bit flips on the disk") X(STORY, LOST, "a device is lost, a new one joins") \
    X(STORY, REVOKED, "a device is revoked")         X(STORY, REVOKED_IN, "revoked in the middle of its sync") \
    X(STORY, UNSEEN, "a revoked device had sent what nobody had seen") \
    X(STORY, PASSPHRASE, "another passphrase")       X(STORY, YEAR, "one device away for a year") \
    X(STORY, TRACE, "recorded editing, by devices in turn and at once") \
    X(STORY, STUCK, "the random source gives the same again") \
    X(KEYS, PAIRED, "a device is let in by another") X(KEYS, PAIR_FAILED, "a device is not let in, and tries again") \
    X(KEYS, PAIR_KILLED, "killed in the middle of letting a device in") \
    X(KEYS, SHARES, "shares of a recovery key are made") X(KEYS, SHARES_OLD, "an older set of shares is tried") \
    X(KEYS, ALL_LOST, "every device is lost") X(KEYS, RECOVERED, "brought back from shares") \
    X(KEYS, RECOVERY_KILLED, "power cut in the middle of a recovery") \
    X(KEYS, RECOVERY_CANCELLED, "a recovery is cancelled by a device") \
    X(KEYS, STOLEN, "a device that was revoked goes on writing") \
    X(KEYS, REKEYED, "everything sealed again under new keys") \
    X(KEYS, REKEY_BROKEN_OFF, "broken off while everything is sealed again") \
    X(KEYS, REKEY_AMONG, "others write while everything is sealed again") \
    X(KEYS, REKEY_REVOKED, "a device is revoked while everything is sealed again") \
    X(KEYS, REKEY_TWICE, "two devices seal everything again at once") \
    X(KEYS, KEY_RENEWED, "another account key") X(KEYS, PASSPHRASE_IN, "another passphrase, among faults") \
    X(KEYS, LOCKS_AT_ONCE, "account key and passphrase changed on two devices at once") \
    X(KEYS, PAIR_CODE, "a wrong code at the meeting of two devices")
/* clang-format on */

typedef enum fault_group {
#define X(name) GROUP_##name,
    SIM_GROUPS(X)
#undef X
        GROUP_COUNT
} fault_group;

typedef enum fault_kind {
#define X(group, name, text) FAULT_##name,
    SIM_FAULTS(X)
#undef X
#define X(name, text) FAULT_EVIL_##name,
        SIM_EVILS(X)
#undef X
            FAULT_KINDS
} fault_kind;

const char *fault_text(fault_kind k);

#endif
