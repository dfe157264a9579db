#define _GNU_SOURCE 1 /* memmem */
/* Words that must not be anywhere: every place where a person can put a word gets one, and then every byte that went
 * to a disk or over a wire is searched for them; and after `lock`, every byte of this process's memory that can be
 * written, for them and for the keys. */
#include "diarist.h"

#include "client/client_priv.h"
#include "crashvfs.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/stat.h>

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

static edn_status look_hit(void *ctx, const edn_entry *e, edn_bytes snippet)
{
    (void)e;
    *(size_t *)ctx += snippet.n;
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
    CHECK_OK(edn_client_restore(s->c, &s->id, 1, NULL));
    CHECK_OK(edn_client_import(s->c, next_item, &given, NULL, &imported, NULL));
    CHECK_OK(edn_client_search(s->c, edn_bytes_str(words[SEARCH]), NULL, look_hit, &seen, NULL));
    CHECK_OK(edn_client_search(s->c, edn_bytes_str(words[TITLE]), NULL, look_hit, &seen, NULL));
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
    uint8_t b[32];
} veiled;

static veiled veil(const char *name, void *key)
{
    veiled v = {.name = name};

    for (size_t i = 0; i < 32; i++)
        v.b[i] = ((uint8_t *)key)[i] ^ VEIL;
    edn_wipe(key, 32);
    return v;
}

typedef struct finds {
    const veiled *keys;
    size_t keys_n, n;
} finds;

static void scan_range(const uint8_t *p, size_t n, const char *map, finds *f)
{
    for (size_t i = 0; i < EDN_COUNT(words); i++)
        for (const uint8_t *at = p; (at = memmem(at, (size_t)(p + n - at), words[i], strlen(words[i]))); at++) {
            print_error("\"%s\" at %p in %s", words[i], (const void *)at, map);
            f->n++;
        }
    for (const uint8_t *at = p; (at = memmem(at, (size_t)(p + n - at), PASSPHRASE, strlen(PASSPHRASE))); at++) {
        print_error("the passphrase at %p in %s", (const void *)at, map);
        f->n++;
    }
    for (size_t k = 0; k < f->keys_n; k++)
        for (size_t i = 0; i + 32 <= n; i++) {
            size_t j = 0;
            while (j < 32 && p[i + j] == (uint8_t)(f->keys[k].b[j] ^ VEIL))
                j++;
            if (j == 32) {
                print_error("%s at %p in %s", f->keys[k].name, (const void *)(p + i), map);
                f->n++;
            }
        }
}

/* Every map that can be written, but for the disks of this test, which live in memory, and are sealed. */
static void scan_memory(finds *f)
{
    static char lines[512][256];
    size_t n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");

    assert_non_null(maps);
    while (n < EDN_COUNT(lines) && fgets(lines[n], sizeof lines[n], maps))
        n++;
    fclose(maps);
    for (size_t i = 0; i < n; i++) {
        uintptr_t from, to;
        char mode[5];
        if (sscanf(lines[i], "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, mode) == 3 && mode[0] == 'r' &&
            mode[1] == 'w')
            scan_range((const uint8_t *)from, to - from, lines[i], f);
    }
}

static void __attribute__((noinline)) take_keys(scene *s, veiled keys[3])
{
    uint8_t session[EDN_SESSION_KEY_SIZE];
    edn_root_key rk;
    edn_journal_key jk;
    edn_journal_id j = client_id(s->c)->journal;
    uint32_t epoch;
    bool made;

    CHECK_OK(edn_client_session_key(s->c, session));
    keys[0] = veil("the local key", session);
    CHECK_OK(client_begin_write(s->c, NULL));
    CHECK_OK(keys_root(s->c, 0, &rk));
    CHECK_OK(keys_journal_current(s->c, &j, &epoch, &jk, &made));
    CHECK_OK(client_end_write(s->c, EDN_OK, NULL));
    keys[1] = veil("the root key", &rk);
    keys[2] = veil("a journal's key", &jk);
}

/* What any call may leave: a word in a frame that nothing happens to overwrite. */
static void __attribute__((noinline)) leave_on_stack(void)
{
    char frame[20000];

    memset(frame, 0, sizeof frame);
    memcpy(frame + 100, words[TEXT], strlen(words[TEXT]));
    __asm__ volatile("" : : "r"(frame) : "memory");
}

static void after_lock_neither_words_nor_keys_are_in_memory(void **state)
{
    scene s;
    veiled keys[3];
    finds f = {.keys = keys, .keys_n = EDN_COUNT(keys)};

    (void)state;
#ifndef EDN_WIPEFREE
    skip(); /* sanitizers have an allocator of their own */
#endif
    scene_open(&s);
    live(&s);
    edn_client_lock(s.c);
    CHECK_OK(edn_client_unlock(s.c, edn_bytes_str(PASSPHRASE), NULL));
    live(&s);
    take_keys(&s, keys);
    leave_on_stack();
    edn_client_lock(s.c);
    scan_memory(&f);
    CHECK_INT(f.n, 0);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_word_reaches_a_disk_or_a_wire),
        cmocka_unit_test(after_lock_neither_words_nor_keys_are_in_memory),
    };
    cmocka_set_test_filter(getenv("T"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
