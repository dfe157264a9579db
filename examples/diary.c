/* A diary of one's own in a program of one's own: begun, written, listed, searched, locked. Needs <edn/client.h> and
 * libedn, and nothing else of EDN:
 *
 *   cc diary.c $(pkg-config --cflags --libs edn)
 *
 * usage: diary FOLDER     a folder that is not there yet
 *
 * There is no server here. With one, say it and a name in edn_init_options, and call edn_client_sync now and then. */
#include <edn/client.h>

#include <stdio.h>
#include <stdlib.h>

static edn_err err; /* what went wrong, in words for a person */

static void ok(edn_status st)
{
    if (st == EDN_OK)
        return;
    fprintf(stderr, "diary: %s\n", err.text[0] ? err.text : edn_status_name(st));
    exit(1);
}

/* A passphrase is a person's: a program asks for it and wipes it. */
static edn_bytes passphrase(void) { return edn_bytes_str("seven short words nobody would ever guess"); }

static edn_entry_id write_entry(edn_client *c, const char *date, const char *title, const char *text, const char *tag)
{
    edn_bytes tags[] = {edn_bytes_str(tag)};
    edn_draft draft = {.date = edn_bytes_str(date),
                       .title = edn_bytes_str(title),
                       .text = edn_bytes_str(text),
                       .tags = tags,
                       .tags_n = 1};
    edn_entry_id id;

    ok(edn_client_add(c, &draft, &id, &err));
    return id;
}

static edn_status list_one(void *ctx, const edn_entry *e)
{
    printf("%s%.*s  %.*s\n", (const char *)ctx, (int)e->date.n, (const char *)e->date.p, (int)e->title.n,
           (const char *)e->title.p);
    return EDN_OK;
}

static edn_status show_text(void *ctx, const edn_entry *e)
{
    (void)ctx;
    printf("%.*s\n", (int)e->text.n, (const char *)e->text.p);
    return EDN_OK;
}

static edn_status show_hit(void *ctx, const edn_hit *hit) { return list_one(ctx, hit->entry); }

int main(int argc, char **argv)
{
    edn_client_options options = {.home = argc > 1 ? argv[1] : ""};
    edn_init_options init = {.device_name = "example", .strength = EDN_STRENGTH_FLOOR};
    edn_filter september = {.from = edn_bytes_str("1666-09-01"), .to = edn_bytes_str("1666-09-30")};
    char account_key[EDN_ACCOUNT_KEY_TEXT_MAX], indent[] = "  ";
    edn_client *c = NULL;
    edn_entry_id fire;

    ok(edn_client_init(&options, &init, passphrase(), account_key, &c, &err)); /* the key goes on paper */
    write_entry(c, "1666-08-30", "A quiet day", "To the office, and home to bed.", "home");
    fire = write_entry(c, "1666-09-02", "The fire", "Some of our maids sitting up late last night.", "London");
    ok(edn_client_edit(c, &fire, EDN_BYTES_EMPTY,
                       edn_bytes_str("Jane called us up about three in the morning, to tell us of a great fire."),
                       &err));
    edn_client_close(c);

    /* Another day: the home is there, sealed, and opens with the passphrase. */
    ok(edn_client_open(&options, &c, &err));
    ok(edn_client_unlock(c, passphrase(), &err));
    printf("All:\n");
    ok(edn_client_list(c, NULL, list_one, indent, &err));
    printf("September:\n");
    ok(edn_client_list(c, &september, list_one, indent, &err));
    printf("With \"morning\":\n");
    ok(edn_client_search(c, edn_bytes_str("morning"), NULL, show_hit, indent, NULL, &err));
    ok(edn_client_show(c, &fire, show_text, NULL, &err));
    edn_client_close(c);
    return 0;
}
