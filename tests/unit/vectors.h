/* Published test vectors (JSON, EDN_DATA/vectors) for unit tests. Without EDN_DATA the test is skipped. */
#ifndef EDN_TESTS_VECTORS_H
#define EDN_TESTS_VECTORS_H

#include "check.h"

#include <jansson.h>

typedef struct vectors {
    json_t *root;
    edn_arena arena; /* decoded fields */
} vectors;

static inline vectors vectors_open(const char *name)
{
    char path[256];
    size_t n;
    json_error_t err;
    vectors v;

    snprintf(path, sizeof path, "vectors/%s", name);
    uint8_t *text = check_data(path, &n);
    v.root = json_loadb((const char *)text, n, 0, &err);
    free(text);
    if (!v.root) {
        print_error("%s:%d: %s\n", path, err.line, err.text);
        fail();
    }
    v.arena = edn_arena_init(SIZE_MAX);
    return v;
}

static inline void vectors_close(vectors *v)
{
    json_decref(v->root);
    edn_arena_dispose(&v->arena);
}

static inline bool vector_has(const json_t *o, const char *key) { return json_object_get(o, key) != NULL; }

static inline const char *vector_str(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (!s) {
        print_error("a vector without \"%s\"\n", key);
        fail();
    }
    return s;
}

static inline uint64_t vector_int(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    if (!json_is_integer(v)) {
        print_error("a vector without the number \"%s\"\n", key);
        fail();
    }
    return (uint64_t)json_integer_value(v);
}

/* Bytes given as hex; they live as long as `v`. */
static inline edn_bytes vector_hex_of(vectors *v, const char *hex)
{
    size_t n = strlen(hex) / 2;
    uint8_t *p = edn_arena_alloc(&v->arena, n + 1);
    assert_non_null(p);
    assert_true(edn_hex_decode(p, n, edn_bytes_str(hex)));
    return edn_bytes_of(p, n);
}
static inline edn_bytes vector_hex(vectors *v, const json_t *o, const char *key)
{
    return vector_hex_of(v, vector_str(o, key));
}
/* The same, of exactly `n` bytes. */
static inline const uint8_t *vector_fixed(vectors *v, const json_t *o, const char *key, size_t n)
{
    edn_bytes b = vector_hex(v, o, key);
    assert_int_equal(b.n, n);
    return b.p;
}
#define VECTOR_INTO(to, v, o, key) memcpy(&(to), vector_fixed((v), (o), (key), sizeof(to)), sizeof(to))

#endif
