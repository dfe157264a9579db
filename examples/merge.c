/* Two people write one text, apart and then together. Needs <edn/crdt.h> and libedncrdt, and nothing else of EDN:
 *
 *   cc merge.c $(pkg-config --cflags --libs edn-crdt)
 *
 * What it prints is what the comments say. */
#include <edn/crdt.h>

#include <stdio.h>
#include <stdlib.h>

#define OK(call) ok((call), #call, __LINE__)

static void ok(edn_status st, const char *call, int line)
{
    if (st == EDN_OK)
        return;
    fprintf(stderr, "merge.c:%d: %s: %s\n", line, call, edn_status_name(st));
    exit(1);
}

static void show(const char *who, const edn_doc *doc)
{
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    OK(edn_doc_text(doc, &text));
    printf("%s: %.*s\n", who, (int)text.n, (const char *)text.p);
    edn_buf_dispose(&text);
}

/* An editor's window: here it only says what it would change. */
static void window_patch(void *ctx, const edn_doc_patch *p)
{
    size_t *cursor = ctx;

    *cursor = edn_doc_patch_place(p, *cursor, EDN_BIAS_RIGHT);
    printf("  at %zu: -%zu +\"%.*s\"\n", p->pos, p->deleted, (int)p->inserted.n, (const char *)p->inserted.p);
}

/* What `who` wrote and `to` has not heard of, as one message. How it travels is the caller's business. */
static void send(const edn_doc *from, edn_agent_id who, edn_doc *to, size_t *cursor)
{
    edn_buf message = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t next;

    OK(edn_doc_encode_events(from, who, edn_doc_agent_next(to, who), EDN_BUF_UNLIMITED, &message, &next));
    if (message.n)
        OK(edn_doc_merge(to, edn_buf_view(&message), window_patch, cursor));
    edn_buf_dispose(&message);
}

static edn_status blame(void *ctx, const edn_blame *run)
{
    (void)ctx;
    printf("  %zu characters at %zu by %c\n", run->count, run->pos, run->agent.b[0]);
    return EDN_OK;
}

int main(void)
{
    /* Agents are any 16 bytes that nobody else has; one for each device that writes. */
    static const edn_agent_id ada = {{'A'}}, bea = {{'B'}};
    edn_doc *a, *b;
    edn_range mark;
    edn_undo *undo;
    edn_buf file = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t cursor_a = 0, cursor_b = 0, pos, count;

    OK(edn_doc_new(&a));
    edn_doc_author(a, ada, 1700000000000);
    OK(edn_doc_insert(a, 0, edn_bytes_str("We saw the sea.")));

    /* The whole document as bytes, and opened by somebody else. */
    OK(edn_doc_encode(a, &file));
    OK(edn_doc_decode(edn_buf_view(&file), &b));
    OK(edn_doc_check(b)); /* it came from outside */
    edn_doc_author(b, bea, 1700000001000);

    /* Ada marks a word and writes; Bea writes beside it, with her cursor at the end. */
    OK(edn_doc_range(a, 11, 3, &mark)); /* "sea" */
    OK(edn_undo_new(a, &undo));
    OK(edn_doc_delete(a, 0, 6));
    OK(edn_doc_insert(a, 0, edn_bytes_str("Nobody saw")));
    OK(edn_doc_insert(b, 11, edn_bytes_str("blue ")));
    cursor_b = edn_doc_text_count(b);

    printf("Bea hears of it:\n");
    send(a, ada, b, &cursor_b);
    printf("Ada hears of it:\n");
    send(b, bea, a, &cursor_a);
    show("Ada", a); /* Nobody saw the blue sea. */
    show("Bea", b); /* the same */
    printf("Bea's cursor is at %zu of %zu\n", cursor_b, edn_doc_text_count(b));

    OK(edn_doc_range_place(a, &mark, &pos, &count));
    printf("the mark is at %zu, %zu characters\n", pos, count); /* "sea" */
    OK(edn_doc_blame(a, blame, NULL));

    /* Ada takes back her own, and Bea's word stays. */
    OK(edn_undo_undo(undo, NULL, NULL));
    show("Ada", a); /* We saw the blue sea. */

    edn_undo_free(undo);
    edn_buf_dispose(&file);
    edn_doc_free(a);
    edn_doc_free(b);
    return 0;
}
