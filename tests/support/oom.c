#include "oom.h"

#include "check.h"

static struct {
    size_t fail_at, count, live;
    bool failed, on, paused;
} oom;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static bool refused(void)
{
    if (oom.paused || oom.fail_at == 0 || ++oom.count < oom.fail_at || (oom.count > oom.fail_at && !oom.on))
        return false;
    oom.failed = true;
    return true;
}

static void *counted(void *p)
{
    oom.live += p != NULL && !oom.paused;
    return p;
}

void *__wrap_malloc(size_t n) { return refused() ? NULL : counted(__real_malloc(n)); }
void *__wrap_calloc(size_t count, size_t n) { return refused() ? NULL : counted(__real_calloc(count, n)); }

void *__wrap_realloc(void *p, size_t n)
{
    void *out;

    if (refused())
        return NULL;
    out = __real_realloc(p, n);
    if (!p)
        counted(out);
    return out;
}

char *__wrap_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *out = __wrap_malloc(n);

    if (out)
        memcpy(out, s, n);
    return out;
}

void __wrap_free(void *p)
{
    /* What a shared library allocated and ours frees was never counted; it may not bring the count below nothing. */
    if (p && oom.live && !oom.paused)
        oom.live--;
    __real_free(p);
}

static void fail_at(size_t n, bool on)
{
    oom.fail_at = n;
    oom.count = 0;
    oom.failed = false;
    oom.on = on;
}

void oom_fail_at(size_t n) { fail_at(n, false); }
void oom_fail_from(size_t n) { fail_at(n, true); }
void oom_pause(bool pause) { oom.paused = pause; }

bool oom_failed(void) { return oom.failed; }
size_t oom_live(void) { return oom.live; }

size_t oom_each(oom_fn *fn, void *ctx)
{
    for (size_t n = 1;; n++) {
        size_t before = oom.live;
        edn_status st, want;

        oom_fail_at(n);
        st = fn(ctx);
        want = oom.failed ? EDN_E_NOMEM : EDN_OK;
        oom.fail_at = 0;
        if (st != want) {
            print_error("with allocation %zu failing: %s, not %s\n", n, edn_status_name(st), edn_status_name(want));
            fail();
        }
        if (oom.live != before) {
            print_error("with allocation %zu failing: %zu allocations left behind\n", n, oom.live - before);
            fail();
        }
        if (!oom.failed)
            return n - 1;
    }
}
