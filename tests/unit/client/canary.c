#define _GNU_SOURCE 1 /* memmem */
/* Words that must not be anywhere: every place where a person can put a word gets one, and then every byte that went
 * to a disk or over a wire is searched for them; and after `lock`, every byte of this process's memory that can be
 * written, for them and for the keys. */
#include "diarist.h"

#include "client/sharing/space.h"
#include "crashvfs.h"
#include "ednd.h"
#include "shared.h"

#include <edn/locked.h>

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* Literals, which lie in memory that cannot be written: whatever is found is a copy that somebody made. */
static const char *const words[] = {
    "Kanarientitel7731", "Kanarientext2204 sang", "kanarienmarke5518", "kanarienfeld6642",   "Kanarienwert9917",
    "1671-03-29",        "Kanarienbuch4471",      "Kanariengeraet883", "kanarienkonto31337", "Kanariensuche60",
    "Kanarienpapier77",  "Kanarienzusatz5",       "Kanarienordner1",
};
enum { TITLE, TEXT, TAG, FIELD, VALUE, DATE, JOURNAL, DEVICE, ACCOUNT, SEARCH, IMPORTED, EDITED, RENAMED };
#define PASSPHRASE "Kanarienpasswort mit Leerzeichen"

static bool holds(edn_bytes in, const char *word) { return in.n > 0 && memmem(in.p, in.n, word, strlen(word)) != NULL; }

static void check_clean(edn_bytes in, const char *where)
{
    for (size_t i = 0; i < EDN_COUNT(words); i++)
        if (holds(in, words[i])) {
            print_error("\"%s\" is in %s\n", words[i], where);
            CHECK(!"a word in the clear");
        }
    CHECK(!holds(in, PASSPHRASE));
}

typedef struct scene {
    world *w;
    crashvfs *disk, *server;
    edn_client *c;
    edn_entry_id id;
    char account_key[EDN_ACCOUNT_KEY_TEXT_MAX];
    size_t written, exchanged;
} scene;

static void on_written(void *ctx, const char *path, uint64_t at, edn_bytes bytes)
{
    scene *s = ctx;

    (void)at;
    s->written += bytes.n;
    check_clean(bytes, path);
}

static void on_exchange(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    scene *s = ctx;

    (void)w;
    s->exchanged += rq->body.n + answer->body.n;
    check_clean(edn_bytes_str(rq->path), "a path");
    check_clean(rq->body, "a request");
    check_clean(edn_buf_view(&answer->body), "an answer");
}

static void scene_open(scene *s)
{
    char home[256];
    edn_client_options o;
    edn_init_options init = {
        .server = WORLD_ORIGIN, .name = words[ACCOUNT], .device_name = words[DEVICE], .strength = EDN_STRENGTH_FLOOR};
    edn_err err = {EDN_OK, ""};

    memset(s, 0, sizeof *s);
    s->disk = crashvfs_new("canary-disk");
    s->server = crashvfs_new("canary-server");
    crashvfs_watch(s->disk, on_written, s);
    crashvfs_watch(s->server, on_written, s);
    s->w = world_new_on("canary-server");
    s->w->device_vfs = "canary-disk";
    s->w->tamper = on_exchange;
    s->w->tamper_ctx = s;
    world_home(s->w, "x", home);
    o = world_options(s->w, home);
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(PASSPHRASE), s->account_key, &s->c, &err));
}

static void scene_close(scene *s)
{
    edn_client_close(s->c);
    world_server_stop(s->w);
    crashvfs_free(s->disk);
    crashvfs_free(s->server);
    world_free(s->w);
}

static edn_status look(void *ctx, const edn_entry *e)
{
    *(size_t *)ctx += e->text.n;
    return EDN_OK;
}

static edn_status look_hit(void *ctx, const edn_hit *hit)
{
    *(size_t *)ctx += hit->snippet.n;
    return EDN_OK;
}

static edn_status look_history(void *ctx, const edn_history_item *h)
{
    *(size_t *)ctx += h->what.n;
    return EDN_OK;
}

static edn_status next_item(void *ctx, edn_import_item *item, bool *done)
{
    bool *given = ctx;

    *done = *given;
    *given = true;
    item->draft.text = edn_bytes_str(words[IMPORTED]);
    item->journal_name = edn_bytes_str(words[JOURNAL]);
    return EDN_OK;
}

/* Everything that a diarist does. */
static void live(scene *s)
{
    edn_bytes tags[] = {edn_bytes_str(words[TAG])};
    edn_field fields[] = {{edn_bytes_str(words[FIELD]), edn_bytes_str(words[VALUE])}};
    edn_draft d = {.date = edn_bytes_str(words[DATE]),
                   .title = edn_bytes_str(words[TITLE]),
                   .text = edn_bytes_str(words[TEXT]),
                   .tags = tags,
                   .tags_n = 1,
                   .fields = fields,
                   .fields_n = 1};
    edn_import_result imported;
    edn_verify_result verified;
    edn_sync_result synced;
    edn_client_status status;
    edn_journal_id journal;
    size_t seen = 0;
    bool given = false;

    CHECK_OK(edn_client_journal_new(s->c, edn_bytes_str(words[RENAMED]), &journal, NULL));
    CHECK_OK(edn_client_journal_rename(s->c, &journal, edn_bytes_str(words[JOURNAL]), NULL));
    d.journal = &journal;
    CHECK_OK(edn_client_add(s->c, &d, &s->id, NULL));
    CHECK_OK(edn_client_edit(s->c, &s->id, EDN_BYTES_EMPTY, edn_bytes_str(words[EDITED]), NULL));
    CHECK_OK(edn_client_restore(s->c, &s->id, (edn_moment){1, 0}, NULL));
    CHECK_OK(edn_client_import(s->c, next_item, &given, NULL, &imported, NULL));
    CHECK_OK(edn_client_search(s->c, edn_bytes_str(words[SEARCH]), NULL, look_hit, &seen, NULL, NULL));
    CHECK_OK(edn_client_search(s->c, edn_bytes_str(words[TITLE]), NULL, look_hit, &seen, NULL, NULL));
    CHECK_OK(edn_client_list(s->c, NULL, look, &seen, NULL));
    CHECK_OK(edn_client_show(s->c, &s->id, look, &seen, NULL));
    CHECK_OK(edn_client_export(s->c, NULL, look, &seen, NULL, NULL));
    CHECK_OK(edn_client_history(s->c, &s->id, look_history, &seen, NULL));
    CHECK_OK(edn_client_sync(s->c, NULL, &synced, NULL));
    CHECK(synced.synced);
    CHECK_OK(edn_client_verify(s->c, NULL, NULL, NULL, &verified, NULL));
    CHECK_OK(edn_client_status_get(s->c, &status, NULL));
    CHECK(seen > 0);
}

static void scan_folder(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *e;
    char name[1024];

    while (dir && (e = readdir(dir))) {
        struct stat st;
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        check_clean(edn_bytes_str(name), "a file's name");
        if (stat(name, &st) == 0 && S_ISDIR(st.st_mode)) {
            scan_folder(name);
        } else {
            FILE *f = fopen(name, "rb");
            uint8_t *p = malloc((size_t)st.st_size + 1);
            assert_non_null(f);
            assert_non_null(p);
            CHECK_INT(fread(p, 1, (size_t)st.st_size, f), (size_t)st.st_size);
            check_clean(edn_bytes_of(p, (size_t)st.st_size), name);
            free(p);
            fclose(f);
        }
    }
    if (dir)
        closedir(dir);
}

static void no_word_reaches_a_disk_or_a_wire(void **state)
{
    scene s;

    (void)state;
    scene_open(&s);
    live(&s);
    scan_folder(s.w->dir);
    CHECK(s.written > 20000 && s.exchanged > 2000);
    scene_close(&s);
}

/* ---- memory after lock
 * ----------------------------------------------------------------------------------------------- */

#define VEIL 0xa5

/* A key, kept so that it does not find itself. */
typedef struct veiled {
    const char *name;
    size_t n;
    uint8_t b[32];
} veiled;

#define KEYS_MAX 32u

typedef struct finds {
    veiled keys[KEYS_MAX];
    size_t keys_n, n;
    bool quiet;
    uint32_t may; /* words, by their bits, that may be there */
} finds;

/* Notes a key and wipes it where it was. */
static void veil(finds *f, const char *name, void *key, size_t size)
{
    veiled *v = &f->keys[f->keys_n++];

    CHECK(f->keys_n <= KEYS_MAX && size <= sizeof v->b);
    v->name = name;
    v->n = size;
    for (size_t i = 0; i < size; i++)
        v->b[i] = ((uint8_t *)key)[i] ^ VEIL;
    edn_wipe(key, size);
}

static void found(finds *f, const char *what, const uint8_t *from, const uint8_t *at, const char *map)
{
    if (!f->quiet)
        print_error("%s at %zu in %s", what, (size_t)(at - from), map);
    f->n++;
}

static void scan_range(const uint8_t *p, size_t n, const char *map, finds *f)
{
    for (size_t i = 0; i < EDN_COUNT(words); i++)
        for (const uint8_t *at = p; (at = memmem(at, (size_t)(p + n - at), words[i], strlen(words[i]))); at++)
            if (!(f->may & 1u << i))
                found(f, words[i], p, at, map);
    for (const uint8_t *at = p; (at = memmem(at, (size_t)(p + n - at), PASSPHRASE, strlen(PASSPHRASE))); at++)
        found(f, "the passphrase", p, at, map);
    for (size_t k = 0; k < f->keys_n; k++) {
        const veiled *v = &f->keys[k];
        for (size_t i = 0; i + v->n <= n; i++) {
            size_t j = 0;
            while (j < v->n && p[i + j] == (uint8_t)(v->b[j] ^ VEIL))
                j++;
            if (j == v->n)
                found(f, v->name, p, p + i, map);
        }
    }
}

/* Pages that nobody may touch now, as guarded memory has them, are read as a debugger would. */
static void scan_closed(int mem, uintptr_t from, size_t n, const char *map, finds *f)
{
    uint8_t *copy = malloc(n);
    ssize_t got;

    assert_non_null(copy);
    got = pread(mem, copy, n, (off_t)from);
    if (got > 0)
        scan_range(copy, (size_t)got, map, f);
    free(copy);
}

/* All memory but for what comes from files unchanged (the words above lie there). Disks of these tests, which live in
 * memory, are in it, and are sealed. */
static void scan_memory(finds *f)
{
    static char lines[512][256];
    size_t n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    int mem = open("/proc/self/mem", O_RDONLY);

    assert_non_null(maps);
    CHECK(mem >= 0);
    while (n < EDN_COUNT(lines) && fgets(lines[n], sizeof lines[n], maps))
        n++;
    fclose(maps);
    for (size_t i = 0; i < n; i++) {
        uintptr_t from, to;
        unsigned long inode;
        char mode[5];
        CHECK(sscanf(lines[i], "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu", &from, &to, mode, &inode) == 4);
        if (mode[0] == 'r' && mode[1] == 'w')
            scan_range((const uint8_t *)from, to - from, lines[i], f);
        else if (inode == 0 && to - from <= (size_t)1 << 20) /* larger: what an allocator has not begun to use */
            scan_closed(mem, from, to - from, lines[i], f);
    }
    close(mem);
}

static void __attribute__((noinline)) take_keys(edn_client *c, const edn_entry_id *entry, finds *f)
{
    identity id = *client_id(c); /* a copy: the client goes on with its own */
    uint8_t session[EDN_SESSION_KEY_SIZE];
    edn_root_key rk;
    edn_meta_key mk;
    edn_space_key sk;
    edn_journal_key jk;
    edn_entry_key ek;
    edn_local_key ldk;
    edn_store_key values;
    edn_name_key names;
    uint32_t epoch;
    bool made;

    CHECK_OK(edn_client_session_key(c, session));
    CHECK_OK(client_begin_write(c, NULL));
    CHECK_OK(keys_root(c, 0, &rk));
    CHECK_OK(keys_space(c, 0, &sk));
    CHECK_OK(keys_journal_current(c, &id.journal, &epoch, &jk, &made));
    CHECK_OK(client_end_write(c, EDN_OK, NULL));
    edn_meta_key_of(&mk, &rk, &id.account, 0);
    edn_entry_key_of(&ek, &jk, &id.journal, entry, 0);
    memcpy(ldk.b, session, sizeof ldk.b);
    edn_kdf(values.b, sizeof values.b, ldk.b, EDN_LABEL_STORE_VALUE);
    edn_kdf(names.b, sizeof names.b, ldk.b, EDN_LABEL_STORE_NAME);
    edn_wipe(&ldk, sizeof ldk);
    veil(f, "the local key", session, sizeof session);
    veil(f, "the key of the store's values", &values, sizeof values);
    veil(f, "the key of the store's names", &names, sizeof names);
    veil(f, "the root key", &rk, sizeof rk);
    veil(f, "the meta key", &mk, sizeof mk);
    veil(f, "the space's key", &sk, sizeof sk);
    veil(f, "a journal's key", &jk, sizeof jk);
    veil(f, "an entry's key", &ek, sizeof ek);
    veil(f, "the device's signing key", &id.sign_seed, sizeof id.sign_seed);
    veil(f, "the device's other key", &id.enc_sk, sizeof id.enc_sk);
    if (id.has_account_key)
        veil(f, "the account key", id.account_key.b, sizeof id.account_key.b);
    edn_wipe(&id, sizeof id);
}

/* What any call may leave: a word in a frame that nothing happens to overwrite. */
static void __attribute__((noinline)) leave_on_stack(void)
{
    char frame[20000];

    memset(frame, 0, sizeof frame);
    memcpy(frame + 100, words[TEXT], strlen(words[TEXT]));
    __asm__ volatile("" : : "r"(frame) : "memory");
}

/* Unlocked, everything done; then locked, nothing left. */
static void check_lock_forgets(scene *s)
{
    static finds f;

    memset(&f, 0, sizeof f);
    live(s);
    edn_client_lock(s->c);
    CHECK_OK(edn_client_unlock(s->c, edn_bytes_str(PASSPHRASE), NULL));
    live(s);
    take_keys(s->c, &s->id, &f);
    f.quiet = true;
    scan_memory(&f);
    CHECK(f.n > f.keys_n); /* it finds what is there */
    f.quiet = false;
    leave_on_stack();
    edn_client_lock(s->c);
    edn_wipe(s->account_key, sizeof s->account_key);
    f.n = 0;
    scan_memory(&f);
    CHECK_INT(f.n, 0);
}

static void after_lock_neither_words_nor_keys_are_in_memory(void **state)
{
    scene s;

    (void)state;
#ifndef EDN_WIPEFREE
    skip(); /* sanitizers have an allocator of their own */
#endif
    scene_open(&s);
    check_lock_forgets(&s);
    scene_close(&s);
}

/* Writes, finds and moves in a shared journal. */
static edn_client *live_shared(scene *s, edn_entry_id *id)
{
    edn_draft d = {
        .date = edn_bytes_str(words[DATE]), .title = edn_bytes_str(words[TITLE]), .text = edn_bytes_str(words[TEXT])};
    edn_journal_id own = client_id(s->c)->journal, there;
    edn_client *k;
    size_t seen = 0;
    shared of;

    shared_make(s->w, words[JOURNAL], &of);
    CHECK_OK(family_add(s->c, of.e, &of.h, &k, NULL));
    shared_dispose(&of);
    there = client_id(k)->journal;
    d.journal = &there;
    CHECK_OK(edn_client_add(s->c, &d, id, NULL));
    CHECK_OK(edn_client_edit(s->c, id, EDN_BYTES_EMPTY, edn_bytes_str(words[EDITED]), NULL));
    CHECK_OK(edn_client_move(s->c, id, &own, NULL));
    CHECK_OK(edn_client_move(s->c, id, &there, NULL));
    CHECK_OK(edn_client_list(s->c, NULL, look, &seen, NULL));
    CHECK_OK(edn_client_export(s->c, NULL, look, &seen, NULL, NULL));
    CHECK_OK(edn_client_search(s->c, edn_bytes_str(words[TITLE]), NULL, look_hit, &seen, NULL, NULL));
    CHECK(seen > 0);
    return k;
}

static void after_lock_nothing_of_a_shared_journal_is_in_memory_either(void **state)
{
    static finds f;
    edn_entry_id id;
    scene s;

    (void)state;
#ifndef EDN_WIPEFREE
    skip();
#endif
    memset(&f, 0, sizeof f);
    scene_open(&s);
    take_keys(live_shared(&s, &id), &id, &f);
    f.quiet = true;
    scan_memory(&f);
    CHECK(f.n > f.keys_n);
    f.quiet = false;
    edn_client_lock(s.c);
    edn_wipe(s.account_key, sizeof s.account_key);
    f.n = 0;
    scan_memory(&f);
    CHECK_INT(f.n, 0);
    scene_close(&s);
}

/* Writes, finds and looks around in a locked journal. */
static void live_locked(scene *s, edn_client *k, edn_entry_id *id)
{
    const edn_journal_id there = client_id(k)->journal;
    edn_draft d = {.date = edn_bytes_str(words[DATE]),
                   .title = edn_bytes_str(words[TITLE]),
                   .text = edn_bytes_str(words[TEXT]),
                   .journal = &there};
    edn_sync_result r;
    size_t seen = 0;

    CHECK_OK(edn_client_add(s->c, &d, id, NULL));
    CHECK_OK(edn_client_edit(s->c, id, EDN_BYTES_EMPTY, edn_bytes_str(words[EDITED]), NULL));
    CHECK_OK(edn_client_list(s->c, NULL, look, &seen, NULL));
    CHECK_OK(edn_client_show(s->c, id, look, &seen, NULL));
    CHECK_OK(edn_client_export(s->c, NULL, look, &seen, NULL, NULL));
    CHECK_OK(edn_client_search(s->c, edn_bytes_str(words[EDITED]), NULL, look_hit, &seen, NULL, NULL));
    CHECK_OK(edn_client_sync(s->c, NULL, &r, NULL));
    CHECK(seen > 0 && r.synced);
}

static void __attribute__((noinline)) take_lock_key(edn_client *c, const edn_client *k, finds *f)
{
    edn_lock_key lock;

    CHECK(family_lock_get(c, &client_id(k)->account, &lock));
    veil(f, "the lock key", &lock, sizeof lock);
}

/* The diary stays unlocked; a disk and a wire saw no word either. */
static void after_closing_a_locked_journal_neither_its_words_nor_its_keys_are_in_memory(void **state)
{
    static finds f;
    const second_passphrase second = {edn_bytes_str(PASSPHRASE), EDN_KDF_FLOOR};
    edn_client *k;
    edn_entry_id id;
    bool unsent;
    scene s;

    (void)state;
#ifndef EDN_WIPEFREE
    skip();
#endif
    memset(&f, 0, sizeof f);
    f.may = 1u << ACCOUNT | 1u << DEVICE;
    scene_open(&s);
    CHECK_OK(locked_make(s.c, NULL, edn_bytes_str("Tresor"), &second, &k, NULL));
    live_locked(&s, k, &id);
    take_keys(k, &id, &f);
    take_lock_key(s.c, k, &f);
    f.quiet = true;
    scan_memory(&f);
    CHECK(f.n > f.keys_n);
    f.quiet = false;
    leave_on_stack();
    CHECK_OK(edn_client_journal_close(s.c, "Tresor", &unsent, NULL));
    edn_wipe(s.account_key, sizeof s.account_key);
    f.n = 0;
    scan_memory(&f);
    CHECK_INT(f.n, 0);
    CHECK(edn_client_unlocked(s.c));
    scene_close(&s);
}

/* The same with SQLite on a real disk, and libcurl to a real server. */
static void nor_with_a_real_disk_and_a_real_network(void **state)
{
    static const char *const flags[] = {"--passphrase-per-hour", "0", "--api-per-s", "0", NULL};
    char home[256];
    edn_client_options o = {.home = home};
    edn_init_options init = {.name = words[ACCOUNT], .device_name = words[DEVICE], .strength = EDN_STRENGTH_FLOOR};
    scene s = {.w = NULL};
    ednd e;

    (void)state;
#ifndef EDN_WIPEFREE
    skip();
#endif
    if (!getenv("EDND"))
        skip(); /* by hand, without meson */
    ednd_init(&e);
    ednd_start(&e, getenv("EDND"), flags);
    snprintf(home, sizeof home, "%s/home", e.dir);
    init.server = e.origin;
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(PASSPHRASE), s.account_key, &s.c, NULL));
    check_lock_forgets(&s);
    edn_client_close(s.c);
    CHECK_INT(ednd_stop(&e, SIGTERM), 0);
    scan_folder(e.dir);
    ednd_dispose(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_word_reaches_a_disk_or_a_wire),
        cmocka_unit_test(after_lock_neither_words_nor_keys_are_in_memory),
        cmocka_unit_test(after_lock_nothing_of_a_shared_journal_is_in_memory_either),
        cmocka_unit_test(after_closing_a_locked_journal_neither_its_words_nor_its_keys_are_in_memory),
        cmocka_unit_test(nor_with_a_real_disk_and_a_real_network),
    };
    cmocka_set_test_filter(getenv("T"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
