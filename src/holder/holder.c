#include "holder/holder.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"

typedef struct known_holder {
    const char *name;
    uint8_t kind;
    const char *library; /* for a person */
    const edn_holder *loaded;
} known_holder;

static known_holder known[] = {
    {"keyring", 2, "libsecret", NULL},
    {"tpm", 3, "tpm2-tss", NULL},
    {"fido2", 4, "libfido2", NULL},
};

const char *edn_holder_name(uint8_t kind)
{
    for (size_t i = 0; i < EDN_COUNT(known); i++)
        if (known[i].kind == kind)
            return known[i].name;
    return NULL;
}

static known_holder *known_find(const char *name, uint8_t kind)
{
    for (size_t i = 0; i < EDN_COUNT(known); i++)
        if (name ? strcmp(known[i].name, name) == 0 : known[i].kind == kind)
            return &known[i];
    return NULL;
}

/* The folder of this program, as the build leaves it: its modules lie beside it in src/holder. */
static bool beside_program(char out[PATH_MAX], const char *name)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    char *slash;

    if (n <= 0)
        return false;
    exe[n] = 0;
    slash = strrchr(exe, '/');
    if (!slash)
        return false;
    *slash = 0;
    return snprintf(out, PATH_MAX, "%s/src/holder/edn-holder-%s.so", exe, name) < PATH_MAX;
}

static bool installed(char out[PATH_MAX], const char *name)
{
    return snprintf(out, PATH_MAX, "%s/edn-holder-%s.so", EDN_HOLDER_DIR, name) < PATH_MAX;
}

static void *module_open(const char *name)
{
    char path[PATH_MAX];
    void *module = NULL;

    if (installed(path, name))
        module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!module && beside_program(path, name))
        module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return module;
}

edn_status edn_holder_find(const char *name, uint8_t kind, const edn_holder **out, edn_err *err)
{
    known_holder *k = known_find(name, kind);
    void *module;

    *out = NULL;
    if (!k)
        return edn_fail(err, EDN_E_INVALID, "'%.40s' keeps no keys; there are: keyring, tpm, fido2", name ? name : "");
    if (!k->loaded && (module = module_open(k->name)) != NULL)
        k->loaded = dlsym(module, "edn_holder_module");
    if (!k->loaded)
        return edn_fail(err, EDN_E_MISSING,
                        "this build of edn has no '%s', or its library (%s) is not on this machine; unlock by the "
                        "passphrase",
                        k->name, k->library);
    *out = k->loaded;
    return EDN_OK;
}
