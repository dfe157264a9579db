/* The account's history in words, what is told after a sync, and comparing it between devices. */
#include "diarist.h"

#include <edn/account.h>

#include "client/client_priv.h"

typedef struct told {
    char text[4096];
    unsigned n;
    edn_status give;
} told;

static edn_status hear(void *ctx, const edn_account_change *change)
{
    told *t = ctx;
    size_t at = strlen(t->text);

    CHECK(at + change->text.n + 40 < sizeof t->text);
    snprintf(t->text + at, sizeof t->text - at, "%s: %.*s\n", change->type, (int)change->text.n,
             (const char *)change->text.p);
    t->n++;
    return t->give;
}

static unsigned news(edn_client *c, told *t)
{
    memset(t, 0, sizeof *t);
    CHECK_OK(edn_client_log_news(c, hear, t, NULL));
    return t->n;
}

static void the_log_says_what_happened(void **state)
{
    two t = two_open();
    told all = {.n = 0};
    edn_client *c = world_login(t.w, "c");

    (void)state;
    diary_sync(t.b);
    diary_sync(c);
    diary_sync(t.a);
    CHECK_OK(edn_client_device_revoke(t.a, "c", edn_bytes_str(WORLD_PASSPHRASE), NULL));
    edn_client_close(c);
    diary_sync(t.b);
    diary_sync(t.a);
    CHECK_OK(edn_client_log(t.a, hear, &all, NULL));
    CHECK_INT(all.n, 6);
    CHECK(strncmp(all.text, "genesis: The account was made, with its first device \"a\" (", 57) == 0);
    CHECK(strstr(all.text, "passphrase: The lock of the account"));
    CHECK(strstr(all.text, "add: \"b\" ("));
    CHECK(strstr(all.text, ") was added with the account's own key (by somebody"));
    CHECK(strstr(all.text, "revoke: "));
    CHECK(strstr(all.text, " was revoked, and all keys were made anew for the others, by \"a\" ("));
    two_close(&t);
}

static void each_change_by_another_device_is_told_once(void **state)
{
    two t = two_open();
    told n;
    edn_client *c;

    (void)state;
    diary_sync(t.b);
    diary_sync(t.a);
    CHECK_INT(news(t.a, &n), 1); /* b joined by the account's key, which is nobody's own */
    CHECK(strstr(n.text, "\"b\""));
    CHECK_INT(news(t.a, &n), 0);
    CHECK_INT(news(t.b, &n), 0); /* what was so when it came is no news */
    c = world_login(t.w, "c");
    CHECK_INT(news(t.a, &n), 0); /* not synced yet */
    diary_sync(c);
    diary_sync(t.a);
    memset(&n, 0, sizeof n);
    n.give = EDN_E_IO;
    CHECK_STATUS(edn_client_log_news(t.a, hear, &n, NULL), EDN_E_IO); /* could not be told: told again */
    CHECK_INT(news(t.a, &n), 1);
    CHECK(strstr(n.text, "add: \"c\" ("));
    CHECK_INT(news(t.a, &n), 0);
    CHECK_OK(edn_client_device_revoke(t.a, "c", edn_bytes_str(WORLD_PASSPHRASE), NULL));
    CHECK_INT(news(t.a, &n), 0); /* its own doing */
    diary_sync(t.b);
    CHECK_INT(news(t.b, &n), 3); /* add, revoke, passphrase */
    edn_client_close(c);
    two_close(&t);
}

static edn_head_verdict compare(edn_client *c, const char *shown, uint64_t *links)
{
    edn_head_verdict v;

    CHECK_OK(edn_client_head_compare(c, edn_bytes_str(shown), &v, links, NULL));
    return v;
}

static void devices_compare_what_they_were_shown(void **state)
{
    two t = two_open();
    edn_head_shown a, b, old;
    edn_head_verdict v;
    edn_client *c;
    char other[EDN_HEAD_WORDS_MAX + 8], *last;
    uint64_t links;

    (void)state;
    diary_sync(t.a);
    CHECK_OK(edn_client_head(t.a, &a, NULL));
    CHECK_OK(edn_client_head(t.b, &b, NULL));
    CHECK_STR(edn_bytes_str(a.words), b.words);
    CHECK_STR(edn_bytes_str(a.text), b.text);
    CHECK_INT(a.links, 3);
    CHECK_INT(compare(t.a, b.words, &links), EDN_HEAD_SAME);
    CHECK_INT(compare(t.a, b.text, &links), EDN_HEAD_SAME);
    snprintf(other, sizeof other, "  %s\n", b.words);
    for (char *p = other; *p; p++)
        *p = *p == ' ' ? '-' : *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
    CHECK_INT(compare(t.a, other, &links), EDN_HEAD_SAME); /* as people write */
    old = b;
    c = world_login(t.w, "c");
    diary_sync(t.a);
    CHECK_INT(compare(t.a, old.words, &links), EDN_HEAD_BEHIND);
    CHECK_INT(links, 3);
    CHECK_INT(compare(t.a, old.text, &links), EDN_HEAD_BEHIND);
    CHECK_OK(edn_client_head(t.a, &a, NULL));
    CHECK_INT(compare(t.b, a.text, &links), EDN_HEAD_AHEAD);
    CHECK_INT(links, 4);
    CHECK_INT(compare(t.b, a.words, &links), EDN_HEAD_OTHER);
    last = &old.text[strlen(old.text) - 1];
    *last = *last == '0' ? '1' : '0'; /* another hash at the same place */
    CHECK_INT(compare(t.a, old.text, &links), EDN_HEAD_OTHER);
    CHECK_INT(compare(t.a, "academic acid acne acquire acrobat activity", &links), EDN_HEAD_OTHER);
    CHECK_STATUS(edn_client_head_compare(t.a, edn_bytes_str("academic acid acne"), &v, &links, NULL), EDN_E_INVALID);
    CHECK_STATUS(edn_client_head_compare(t.a, edn_bytes_str(""), &v, &links, NULL), EDN_E_INVALID);
    CHECK_STATUS(edn_client_head_compare(t.a, edn_bytes_str("EDN1AB"), &v, &links, NULL), EDN_E_INVALID);
    b.text[5] = b.text[5] == 'A' ? 'B' : 'A'; /* of another account */
    CHECK_STATUS(edn_client_head_compare(t.a, edn_bytes_str(b.text), &v, &links, NULL), EDN_E_ACCOUNT);
    edn_client_close(c);
    two_close(&t);
}

/* A link by the account's own key names no device: this one remembers that it made it. */
static void what_this_device_did_with_the_accounts_own_key_is_no_news_to_it(void **state)
{
    two t = two_open();
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_info info;
    told n;
    uint64_t last;

    (void)state;
    diary_sync(t.a);
    CHECK_OK(client_begin_write(t.a, NULL));
    for (last = edn_devlog_count(t.a->log) - 1;; last--) { /* the one that added b */
        edn_buf_reset(&link);
        CHECK_OK(link_load(t.a, last, &link));
        CHECK_OK(edn_link_peek(edn_buf_view(&link), &info));
        if (info.type == EDN_LINK_ADD_DEVICE)
            break;
    }
    CHECK_OK(log_own_mark(t.a, &info));
    CHECK_OK(client_end_write(t.a, EDN_OK, NULL));
    CHECK_INT(news(t.a, &n), 0);
    edn_buf_dispose(&link);
    two_close(&t);
}

/* A server that shows two devices different histories (A11), each sound by itself, is found out by six words. */
static void two_views_have_different_words(void **state)
{
    two t = two_open();
    edn_head_shown a, b;
    edn_client *c, *d;
    uint64_t links;

    (void)state;
    diary_sync(t.a);
    world_server_save(t.w, "fork");
    c = world_login(t.w, "c");
    diary_sync(t.a);
    world_server_restore(t.w, "fork");
    d = world_login(t.w, "d");
    diary_sync(t.b);
    CHECK_OK(edn_client_head(t.a, &a, NULL));
    CHECK_OK(edn_client_head(t.b, &b, NULL));
    CHECK_INT(a.links, b.links);
    CHECK(strcmp(a.words, b.words) != 0);
    CHECK_INT(compare(t.a, b.words, &links), EDN_HEAD_OTHER);
    CHECK_INT(compare(t.b, a.text, &links), EDN_HEAD_OTHER);
    edn_client_close(c);
    edn_client_close(d);
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_says_what_happened),
        cmocka_unit_test(each_change_by_another_device_is_told_once),
        cmocka_unit_test(devices_compare_what_they_were_shown),
        cmocka_unit_test(what_this_device_did_with_the_accounts_own_key_is_no_news_to_it),
        cmocka_unit_test(two_views_have_different_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
