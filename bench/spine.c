/* What one person's diary costs: bringing it in, sending it, fetching it on a second device, an edit, a sync with
 * nothing new, and how long an edit takes to be seen elsewhere.
 *
 * usage: spine-bench EDND [DIARY.jsonl]
 *
 * Real clients in this process, EDND as a process of its own, HTTP over loopback. CPU is this process's and the
 * server's together (schedstat), so waiting for disks and neighbours does not count; passphrases are stretched
 * outside of what is measured. Without a diary one of the same shape is made up. One JSON object a line, as
 * server-bench prints them.
 *
 * The last part is about growth: the same acts in diaries of 1,000 and of 100,000 entries, spread over a century and
 * all of one day. `times` is the larger's cost over the smaller's: what is shown or changed is the same in both, and
 * so should be what it costs. */
#define _GNU_SOURCE /* usleep, popen */
#include <edn/client.h>

#include "base/base.h"
#include "figure.h"
#include "tempdir.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSPHRASE "correct horse battery staple"
#define EDITS 31
#define SYNCS 200

static void die(const char *what, const char *why)
{
    fprintf(stderr, "spine-bench: %s: %s\n", what, why);
    exit(2);
}

static void must(edn_status st, const char *what, const edn_err *err)
{
    if (st != EDN_OK)
        die(what, err && err->text[0] ? err->text : edn_status_name(st));
}

/* ---- clocks ------------------------------------------------------------------------------------------------------ */

static double process_cpu_s(pid_t pid)
{
    char path[64];
    unsigned long long ns = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    f = fopen(path, "r");
    if (!f || fscanf(f, "%llu", &ns) != 1)
        die(path, "cannot be read");
    fclose(f);
    return (double)ns / 1e9;
}

/* ---- the server -------------------------------------------------------------------------------------------------- */

typedef struct server {
    pid_t pid;
    char origin[64], dir[300];
} server;

static server start_server(const char *ednd, const char *dir)
{
    server s = {.pid = -1};
    int out[2];
    char line[256] = "";
    FILE *f;
    const char *url;

    snprintf(s.dir, sizeof s.dir, "%s/server", dir);
    if (pipe(out) != 0 || (s.pid = fork()) < 0)
        die("fork", strerror(errno));
    if (s.pid == 0) {
        dup2(out[1], 1);
        dup2(out[1], 2);
        execl(ednd, ednd, "--data", s.dir, "--listen", "127.0.0.1:0", "--api-per-s", "0", "--bytes-per-s", "0",
              "--passphrase-per-hour", "0", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    f = fdopen(out[0], "r");
    while (f && fgets(line, sizeof line, f) && !strstr(line, "http://"))
        ;
    url = strstr(line, "http://");
    if (!url)
        die(ednd, "did not start");
    sscanf(url, "%63s", s.origin);
    return s; /* the pipe stays open: the server may go on writing to it */
}

static void stop_server(const server *s)
{
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
}

static uint64_t folder_size(const char *dir)
{
    char command[400];
    unsigned long long n = 0;
    FILE *f;

    snprintf(command, sizeof command, "find '%s' -type f -printf '%%s\\n' | awk '{n += $1} END {print n + 0}'", dir);
    f = popen(command, "r");
    if (!f || fscanf(f, "%llu", &n) != 1)
        die("find", dir);
    pclose(f);
    return n;
}

/* ---- a diary ----------------------------------------------------------------------------------------------------- */

typedef struct diary {
    json_t **entries;
    size_t n, at;
    uint64_t text_size; /* of texts and titles */
} diary;

static json_t *made_up(unsigned i)
{
    static const char *const words[] = {"office",  "wife",     "dined", "with",  "my",   "Lord",   "to",   "bed",
                                        "and",     "the",      "King",  "up",    "by",   "water",  "home", "late",
                                        "letters", "troubled", "of",    "money", "sent", "morning"};
    char text[4096] = "", date[16];
    unsigned s = i * 2654435761u + 1, n = 150 + i * 37 % 350;

    for (unsigned k = 0; k < n && strlen(text) < sizeof text - 16; k++) {
        s = s * 1664525u + 1013904223u;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u ", words[s >> 8 & 15], s >> 28 ? 0 : s & 1023);
    }
    snprintf(date, sizeof date, "16%02u-%02u-%02u", 60 + i / 372 % 40, i / 31 % 12 + 1, i % 28 + 1);
    return json_pack("{s:s,s:s,s:s}", "date", date, "title", "A day", "text", text);
}

static diary read_diary(const char *path)
{
    diary d = {calloc(100000, sizeof *d.entries), 0, 0, 0};
    FILE *f = path ? fopen(path, "r") : NULL;

    if (path && !f)
        die(path, strerror(errno));
    for (json_t *j; d.n < 100000 && (j = f            ? json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL)
                                         : d.n < 3413 ? made_up((unsigned)d.n)
                                                      : NULL);) {
        d.text_size += strlen(json_string_value(json_object_get(j, "text"))) +
                       strlen(json_string_value(json_object_get(j, "title")));
        d.entries[d.n++] = j;
    }
    if (f)
        fclose(f);
    return d;
}

static edn_status next_entry(void *ctx, edn_import_item *item, bool *done)
{
    diary *d = ctx;
    json_t *j;

    if (d->at == d->n) {
        *done = true;
        return EDN_OK;
    }
    j = d->entries[d->at++];
    item->draft.date = edn_bytes_str(json_string_value(json_object_get(j, "date")));
    item->draft.title = edn_bytes_str(json_string_value(json_object_get(j, "title")));
    item->draft.text = edn_bytes_str(json_string_value(json_object_get(j, "text")));
    return EDN_OK;
}

/* ---- devices ----------------------------------------------------------------------------------------------------- */

typedef struct device {
    char home[300];
    edn_client *c;
} device;

static edn_client_options options(const device *d) { return (edn_client_options){.home = d->home}; }

static edn_sync_result sync_device(edn_client *c)
{
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};

    must(edn_client_sync(c, NULL, &r, &err), "sync", &err);
    return r;
}

static device first_device(const server *s, const char *dir, char key[EDN_ACCOUNT_KEY_TEXT_MAX])
{
    device d;
    edn_init_options init = {.server = s->origin, .name = "pepys", .device_name = "a", .strength = EDN_STRENGTH_FLOOR};
    edn_err err = {EDN_OK, ""};

    snprintf(d.home, sizeof d.home, "%s/a", dir);
    edn_client_options o = options(&d);
    must(edn_client_init(&o, &init, edn_bytes_str(PASSPHRASE), key, &d.c, &err), "init", &err);
    return d;
}

static device other_device(const server *s, const char *dir, const char *key)
{
    device d;
    edn_login_options login = {.server = s->origin,
                               .name = "pepys",
                               .device_name = "b",
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(key)};
    edn_err err = {EDN_OK, ""};

    snprintf(d.home, sizeof d.home, "%s/b", dir);
    edn_client_options o = options(&d);
    must(edn_client_login(&o, &login, edn_bytes_str(PASSPHRASE), &d.c, &err), "login", &err);
    return d;
}

/* ---- how long an edit takes to be seen --------------------------------------------------------------------------- */

/* A process that watches a home; writes the time of every sync that changed entries, or that sent something, to a
 * pipe. */
typedef struct watcher {
    pid_t pid;
    int fd;
} watcher;

typedef struct watching {
    int fd;
    bool sender;
} watching;

static bool report(void *ctx, const edn_sync_result *last)
{
    watching *w = ctx;
    double now = wall_s();

    if (last && (w->sender ? last->batches_sent > 0 && last->synced : last->entries_changed > 0))
        if (write(w->fd, &now, sizeof now) != (ssize_t)sizeof now)
            return false;
    return true;
}

static watcher watch(const device *d, const uint8_t session[EDN_SESSION_KEY_SIZE], bool sender)
{
    watcher w;
    int fds[2];

    if (pipe(fds) != 0 || (w.pid = fork()) < 0)
        die("fork", strerror(errno));
    if (w.pid == 0) {
        edn_client_options o = options(d);
        edn_client *c = NULL;
        edn_err err = {EDN_OK, ""};
        watching state = {fds[1], sender};
        must(edn_client_open(&o, &c, &err), "open", &err);
        must(edn_client_unlock_session(c, session, &err), "unlock", &err);
        must(edn_client_watch(c, NULL, report, &state, &err), "watch", &err);
        _exit(0);
    }
    close(fds[1]);
    w.fd = fds[0];
    return w;
}

static void stop(watcher *w)
{
    kill(w->pid, SIGTERM);
    waitpid(w->pid, NULL, 0);
    close(w->fd);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What a durable write of 4 KiB costs on this disk, at the median: the edit waits for three of them (A, server, B). */
static double disk_sync_s(const char *dir)
{
    char path[300], page[4096] = {1};
    double times[15];
    int fd;

    snprintf(path, sizeof path, "%s/disk", dir);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    for (size_t i = 0; i < EDN_COUNT(times); i++) {
        double t = wall_s();
        if (fd < 0 || write(fd, page, sizeof page) != (ssize_t)sizeof page || fdatasync(fd) != 0)
            die(path, strerror(errno));
        times[i] = wall_s() - t;
    }
    close(fd);
    qsort(times, EDN_COUNT(times), sizeof *times, compare_doubles);
    return times[EDN_COUNT(times) / 2];
}

static void edit_seen(const device *a, const device *b, const uint8_t key_a[EDN_SESSION_KEY_SIZE],
                      const uint8_t key_b[EDN_SESSION_KEY_SIZE], const char *dir)
{
    watcher wa = watch(a, key_a, true), wb = watch(b, key_b, false);
    edn_client_options o = options(a);
    edn_client *c = NULL;
    double times[EDITS], disk;
    edn_err err = {EDN_OK, ""};

    must(edn_client_open(&o, &c, &err), "open", &err);
    must(edn_client_unlock_session(c, key_a, &err), "unlock", &err);
    sleep(1); /* both have connected */
    disk = disk_sync_s(dir);
    for (size_t i = 0; i < EDITS; i++) {
        edn_draft d = {.text = edn_bytes_str("One more sentence, to be seen on the other device.")};
        edn_entry_id id;
        double begin = wall_s(), seen = 0;
        must(edn_client_add(c, &d, &id, &err), "add", &err);
        while (seen < begin) /* an earlier report is of an earlier edit */
            if (read(wb.fd, &seen, sizeof seen) != (ssize_t)sizeof seen)
                die("watch", "the other device went away");
        times[i] = seen - begin;
        usleep(20000);
    }
    edn_client_close(c);
    stop(&wa);
    stop(&wb);
    qsort(times, EDITS, sizeof *times, compare_doubles);
    /* The goal is 20 ms besides what the disk itself takes. */
    figure("an edit on A is durable at the server and seen on B, median", times[EDITS / 2] * 1e3, "ms",
           20 + 3 * disk * 1e3);
    figure("three durable writes on this disk, median", 3 * disk * 1e3, "ms", 0);
}

/* ---- the figures ------------------------------------------------------------------------------------------------- */

static double both_cpu_s(const server *s) { return own_cpu_s() + process_cpu_s(s->pid); }

static void whole_diary(const server *s, device *a, device *b, diary *d)
{
    edn_import_result imported;
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};
    double t = own_cpu_s();

    must(edn_client_import(a->c, next_entry, d, NULL, &imported, &err), "import", &err);
    figure("import of the diary, CPU", own_cpu_s() - t, "s", 0.5);
    t = both_cpu_s(s);
    r = sync_device(a->c);
    figure("first upload, CPU of client and server", both_cpu_s(s) - t, "s", 0.4);
    if (!r.synced)
        die("upload", "the server did not sign for it");
    t = both_cpu_s(s);
    r = sync_device(b->c);
    figure("download on a second device, all verified, CPU of client and server", both_cpu_s(s) - t, "s", 0.4);
    if (r.entries_changed != d->n)
        die("download", "entries are missing");
}

static void nothing_new(const server *s, device *a)
{
    edn_sync_result r = sync_device(a->c);
    double t;

    r = sync_device(a->c);
    t = both_cpu_s(s);
    for (int i = 0; i < SYNCS; i++)
        r = sync_device(a->c);
    figure("sync with nothing new, CPU of client and server", (both_cpu_s(s) - t) / SYNCS * 1e3, "ms", 1);
    figure("sync with nothing new, round trips", r.round_trips, "", 1);
    figure("sync with nothing new, heads and bodies both ways", (double)(r.bytes_sent + r.bytes_received), "B", 300);
}

static void one_sentence(device *a)
{
    edn_draft d = {
        .text = edn_bytes_str("A sentence of ordinary length, of the kind that people write in the evening.")};
    edn_entry_id id;
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};

    must(edn_client_add(a->c, &d, &id, &err), "add", &err);
    r = sync_device(a->c);
    figure("an edit of a sentence, all bytes on the wire", (double)(r.bytes_sent + r.bytes_received), "B", 2048);
    figure("an edit of a sentence, round trips", r.round_trips, "", 1);
}

/* ---- growth ------------------------------------------------------------------------------------------------------ */

enum { SCALE_SMALL = 1000, SCALE_LARGE = 100000, SCALE_TIMES = 9 };

typedef struct scale {
    double import_per_entry, list_day, last, add, sync_nothing, index_per_entry, search;
} scale;

typedef struct filler {
    unsigned n, at;
    bool one_day;
    char date[16], text[256];
} filler;

static edn_status next_made_up(void *ctx, edn_import_item *item, bool *done)
{
    filler *f = ctx;
    unsigned i = f->at++;

    *done = i == f->n;
    snprintf(f->date, sizeof f->date, "19%02u-%02u-%02u", i * 7919 % 100, i % 12 + 1, i % 28 + 1);
    snprintf(
        f->text, sizeof f->text,
        "Up betimes and to the office, where we sat all the morning; number %u. At noon home to dinner, and thence "
        "by water with my wife; %u, so home and to bed.",
        i, i * 2654435761u);
    item->draft.date = edn_bytes_str(f->one_day ? "1950-07-01" : f->date);
    item->draft.title = edn_bytes_str("A day");
    item->draft.text = edn_bytes_str(f->text);
    return EDN_OK;
}

static edn_status ignore_entry(void *ctx, const edn_entry *e)
{
    (void)e;
    ++*(unsigned *)ctx;
    return EDN_OK;
}

static edn_status ignore_hit(void *ctx, const edn_hit *hit) { return ignore_entry(ctx, hit->entry); }

/* The median of what it costs to open the diary and list a day of it. */
static double open_and_list(const char *home, const uint8_t session[EDN_SESSION_KEY_SIZE], const char *day)
{
    edn_client_options o = {.home = home};
    edn_filter f = {.from = edn_bytes_str(day), .to = edn_bytes_str(day), .limit = 20};
    double times[SCALE_TIMES];
    unsigned n = 0;
    edn_err err = {EDN_OK, ""};

    for (size_t i = 0; i < SCALE_TIMES; i++) {
        edn_client *c = NULL;
        double t = own_cpu_s();
        must(edn_client_open(&o, &c, &err), "open", &err);
        must(edn_client_unlock_session(c, session, &err), "unlock", &err);
        must(edn_client_list(c, &f, ignore_entry, &n, &err), "list", &err);
        times[i] = own_cpu_s() - t;
        edn_client_close(c);
    }
    qsort(times, SCALE_TIMES, sizeof *times, compare_doubles);
    return times[SCALE_TIMES / 2];
}

static double add_one(edn_client *c, const char *day)
{
    edn_draft d = {.date = edn_bytes_str(day), .text = edn_bytes_str("One more sentence, of the kind people write.")};
    double times[SCALE_TIMES];
    edn_err err = {EDN_OK, ""};

    for (size_t i = 0; i < SCALE_TIMES; i++) {
        edn_entry_id id;
        double t = own_cpu_s();
        must(edn_client_add(c, &d, &id, &err), "add", &err);
        times[i] = own_cpu_s() - t;
    }
    qsort(times, SCALE_TIMES, sizeof *times, compare_doubles);
    return times[SCALE_TIMES / 2];
}

static double find_last(edn_client *c)
{
    double times[SCALE_TIMES];
    edn_err err = {EDN_OK, ""};

    for (size_t i = 0; i < SCALE_TIMES; i++) {
        edn_entry_id id;
        double t = own_cpu_s();
        must(edn_client_find(c, "last", &id, &err), "last", &err);
        times[i] = own_cpu_s() - t;
    }
    qsort(times, SCALE_TIMES, sizeof *times, compare_doubles);
    return times[SCALE_TIMES / 2];
}

static scale measure_scale(const server *s, const char *dir, const char *name, unsigned n, bool one_day)
{
    scale out;
    char home[300], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    uint8_t session[EDN_SESSION_KEY_SIZE];
    edn_client_options o = {.home = home};
    edn_init_options init = {.server = s->origin, .name = name, .device_name = "a", .strength = EDN_STRENGTH_FLOOR};
    filler f = {.n = n, .one_day = one_day};
    edn_import_result imported;
    unsigned found = 0;
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};
    double t;

    snprintf(home, sizeof home, "%s/%s", dir, name);
    must(edn_client_init(&o, &init, edn_bytes_str(PASSPHRASE), key, &c, &err), "init", &err);
    must(edn_client_session_key(c, session), "session", NULL);
    t = own_cpu_s();
    must(edn_client_import(c, next_made_up, &f, NULL, &imported, &err), "import", &err);
    out.import_per_entry = (own_cpu_s() - t) / n;
    out.list_day = open_and_list(home, session, "1950-07-01");
    out.last = find_last(c);
    while (!sync_device(c).synced)
        ;
    out.add = add_one(c, "1950-07-01");
    sync_device(c);
    sync_device(c);
    t = both_cpu_s(s);
    for (int i = 0; i < SYNCS; i++)
        sync_device(c);
    out.sync_nothing = (both_cpu_s(s) - t) / SYNCS;
    t = own_cpu_s();
    must(edn_client_search(c, edn_bytes_str("nowhere"), NULL, ignore_hit, &found, NULL, &err), "search", &err);
    out.index_per_entry = (own_cpu_s() - t) / n;
    t = own_cpu_s();
    must(edn_client_search(c, edn_bytes_str("nowhere"), NULL, ignore_hit, &found, NULL, &err), "search", &err);
    out.search = own_cpu_s() - t;
    edn_client_close(c);
    return out;
}

/* At most twice as much; what takes a tenth of a millisecond is no longer asked. */
static void grown(const char *what, const char *shape, double small, double large)
{
    char name[160];

    snprintf(name, sizeof name, "%s, 100,000 entries %s", what, shape);
    figure(name, large * 1e3, "ms CPU", 2 * small * 1e3 + 0.1);
    snprintf(name, sizeof name, "%s, 100,000 entries %s, of 1,000", what, shape);
    figure(name, large / small, "times", 0);
}

static void growth(const server *s, const char *dir)
{
    static const char *const diaries[] = {"over a century", "of one day"};

    for (int one_day = 0; one_day < 2; one_day++) {
        scale a = measure_scale(s, dir, one_day ? "small-day" : "small", SCALE_SMALL, one_day);
        scale b = measure_scale(s, dir, one_day ? "large-day" : "large", SCALE_LARGE, one_day);
        grown("import, each entry", diaries[one_day], a.import_per_entry, b.import_per_entry);
        grown("opening and listing twenty of a day", diaries[one_day], a.list_day, b.list_day);
        grown("finding the last", diaries[one_day], a.last, b.last);
        grown("adding one", diaries[one_day], a.add, b.add);
        grown("sync with nothing new", diaries[one_day], a.sync_nothing, b.sync_nothing);
        grown("the first search, each entry", diaries[one_day], a.index_per_entry, b.index_per_entry);
        grown("search", diaries[one_day], a.search, b.search);
    }
}

int main(int argc, char **argv)
{
    char dir[TEMPDIR_SIZE], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    uint8_t key_a[EDN_SESSION_KEY_SIZE], key_b[EDN_SESSION_KEY_SIZE];
    diary d;
    server s;
    device a, b;
    edn_client_options o;
    edn_err err = {EDN_OK, ""};
    double t;

    if (argc < 2) {
        fprintf(stderr, "usage: spine-bench EDND [DIARY.jsonl]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    d = read_diary(argc > 2 ? argv[2] : NULL);
    tempdir_make(dir);
    s = start_server(argv[1], dir);
    a = first_device(&s, dir, key);
    sync_device(a.c);
    b = other_device(&s, dir, key);
    sync_device(b.c);
    whole_diary(&s, &a, &b, &d);
    one_sentence(&a); /* the first also hears of what b has written */
    one_sentence(&a);
    nothing_new(&s, &a);
    must(edn_client_session_key(a.c, key_a), "session", NULL);
    must(edn_client_session_key(b.c, key_b), "session", NULL);
    edn_client_close(a.c);
    edn_client_close(b.c);
    edit_seen(&a, &b, key_a, key_b, dir);
    t = own_cpu_s();
    o = options(&a);
    must(edn_client_open(&o, &a.c, &err), "open", &err);
    must(edn_client_unlock_session(a.c, key_a, &err), "unlock", &err);
    figure("opening the diary, CPU", (own_cpu_s() - t) * 1e3, "ms", 5);
    edn_client_close(a.c);
    stop_server(&s);
    figure("stored at the server, of the diary's text", (double)folder_size(s.dir) / (double)d.text_size, "", 0.6);
    s = start_server(argv[1], dir);
    growth(&s, dir);
    stop_server(&s);
    tempdir_remove(dir);
    return missed;
}
