/* The difference of two texts, and the merge of three. Each byte of the input is a word, so that a few of them make a
 * text that is long enough for every way through; 0xff ends a text. */
#include "fuzz.h"

#include "client/diary/diff.h"

#define TEXTS 3

static void word_put(edn_buf *out, uint8_t c)
{
    static const char *const words[16] = {
        "a ",
        "the sea ",
        "caf\xc3\xa9 ",
        "\xe4\xb8\xad",
        "\n",
        ".",
        "x",
        "\xf0\x9f\x8c\x8a",
        "a longer line of words that stands here\n",
        "another line, as long as that one or longer\n",
        "  ",
        "\xc3\xa8",
        "rain ",
        "rains ",
        "",
        "\xc2\xa8",
    };
    unsigned times = c & 0x80 ? 8 : 1 + (c >> 4 & 1);

    for (unsigned i = 0; i < times; i++)
        edn_put_str(out, words[c & 15]);
    if (c & 0x40) { /* a word that stands nowhere else, perhaps */
        char once[3] = {(char)('a' + out->n % 26), (char)('a' + out->n / 26 % 26), 0};
        edn_put_str(out, once);
    }
}

typedef struct applied {
    edn_bytes from, to;
    size_t from_at, to_at, pos; /* bytes behind the last edit; scalars of the text as it is becoming */
} applied;

/* Between edits both texts are the same; each edit is within bounds and borrows from the new text. */
static edn_status apply(void *ctx, const edn_diff_edit *e)
{
    applied *a = ctx;
    edn_bytes rest = edn_bytes_of(a->from.p + a->from_at, a->from.n - a->from_at);
    size_t kept;

    FUZZ_HOLDS(e->pos >= a->pos && (e->deleted || e->inserted.n));
    FUZZ_HOLDS(e->pos - a->pos + e->deleted <= edn_utf8_count(rest));
    kept = edn_utf8_offset(rest, e->pos - a->pos);
    FUZZ_HOLDS(kept <= a->to.n - a->to_at && memcmp(rest.p, a->to.p + a->to_at, kept) == 0);
    a->to_at += kept;
    FUZZ_HOLDS(e->inserted.n <= a->to.n - a->to_at && memcmp(e->inserted.p, a->to.p + a->to_at, e->inserted.n) == 0);
    a->to_at += e->inserted.n;
    a->from_at += edn_utf8_offset(rest, e->pos - a->pos + e->deleted);
    a->pos = e->pos + edn_utf8_count(e->inserted);
    return EDN_OK;
}

static void check_diff(edn_bytes from, edn_bytes to)
{
    applied a = {.from = from, .to = to};

    FUZZ_HOLDS(edn_diff(from, to, apply, &a) == EDN_OK);
    FUZZ_HOLDS(edn_bytes_equal(edn_bytes_of(from.p + a.from_at, from.n - a.from_at),
                               edn_bytes_of(to.p + a.to_at, to.n - a.to_at)));
}

static void check_merge(edn_bytes base, edn_bytes ours, edn_bytes theirs, edn_bytes want)
{
    edn_buf out = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);

    FUZZ_HOLDS(edn_diff_merge(base, ours, theirs, &out) == EDN_OK);
    FUZZ_HOLDS(edn_utf8_check(edn_buf_view(&out), NULL) == out.n);
    FUZZ_HOLDS(!want.p || edn_bytes_equal(edn_buf_view(&out), want));
    edn_buf_dispose(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edn_buf text[TEXTS];
    edn_bytes v[TEXTS];
    size_t t = 0;

    for (size_t i = 0; i < TEXTS; i++) {
        text[i] = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
        edn_put_str(&text[i], "."); /* has an address */
    }
    for (size_t i = 0; i < EDN_MIN(size, (size_t)200); i++) {
        if (data[i] == 0xff)
            t = EDN_MIN(t + 1, (size_t)TEXTS - 1);
        else
            word_put(&text[t], data[i]);
    }
    for (size_t i = 0; i < TEXTS; i++)
        v[i] = edn_buf_view(&text[i]);
    check_diff(v[0], v[1]);
    check_diff(v[1], v[0]);
    check_merge(v[0], v[1], v[2], EDN_BYTES_EMPTY);
    check_merge(v[0], v[0], v[1], v[1]);
    check_merge(v[0], v[1], v[0], v[1]);
    check_merge(v[0], v[1], v[1], v[1]);
    for (size_t i = 0; i < TEXTS; i++)
        edn_buf_dispose(&text[i]);
    return 0;
}
