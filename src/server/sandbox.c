#define _GNU_SOURCE /* O_PATH */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

#if defined(__x86_64__)
#define SANDBOX_ARCH 0xc000003eu /* AUDIT_ARCH_X86_64 */
#elif defined(__aarch64__)
#define SANDBOX_ARCH 0xc00000b7u /* AUDIT_ARCH_AARCH64 */
#endif

edn_status ednd_sandbox_early(edn_err *err)
{
    const struct rlimit none = {0, 0};

    umask(077);
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return edn_fail(err, EDN_E_IO, "giving up privileges: %s", strerror(errno));
    return EDN_OK;
}

/* ---- Landlock ---------------------------------------------------------------------------------------------------- */

/* The folder of a file, for reading. One that cannot be found is left out: then the file cannot be read again. */
static void landlock_reading(int rules, const char *path)
{
    struct landlock_path_beneath_attr at = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE |
                                                              LANDLOCK_ACCESS_FS_READ_DIR};
    char *copy = strdup(path);

    at.parent_fd = copy ? open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (at.parent_fd >= 0) {
        (void)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &at, 0); /* see above */
        (void)close(at.parent_fd);
    }
    free(copy);
}

/* Certificates are often links to the newest of several, in a folder of their own. */
static void landlock_reading_all(int rules, const char *const *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *real = *files[i] ? realpath(files[i], NULL) : NULL;
        if (*files[i])
            landlock_reading(rules, files[i]);
        if (real)
            landlock_reading(rules, real);
        free(real);
    }
}

static edn_status landlock_enter(int data_dir, const char *const *files, size_t n, edn_err *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    /* All that version 1 knows; later ones only add. */
    const uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    struct landlock_ruleset_attr rules = {.handled_access_fs = all};
    struct landlock_path_beneath_attr data = {
        .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                          LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                          LANDLOCK_ACCESS_FS_MAKE_DIR,
        .parent_fd = data_dir,
    };
    edn_status st = EDN_OK;
    int fd;

    if (abi < 1)
        return EDN_OK; /* not in this kernel */
#ifdef LANDLOCK_ACCESS_FS_REFER
    /* From version 2 on, renaming between folders is a right of its own, and without it blobs could not be put in
     * place. */
    if (abi >= 2) {
        rules.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
        data.allowed_access |= LANDLOCK_ACCESS_FS_REFER;
    }
#endif
    fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (fd < 0)
        return edn_fail(err, EDN_E_IO, "landlock: %s", strerror(errno));
    landlock_reading_all(fd, files, n);
    if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &data, 0) != 0 ||
        syscall(SYS_landlock_restrict_self, fd, 0) != 0)
        st = edn_fail(err, EDN_E_IO, "landlock: %s", strerror(errno));
    (void)close(fd); /* the rules hold without it */
    return st;
}

/* ---- seccomp ----------------------------------------------------------------------------------------------------- */

/* What a server of requests never does: start programs, look into others, change the machine. These end it; all else
 * goes on. (The allow-list of one process a job belongs to the split into processes.) */
static const int forbidden[] = {
    SYS_execve,     SYS_execveat,    SYS_ptrace,          SYS_process_vm_readv, SYS_process_vm_writev,
    SYS_mount,      SYS_umount2,     SYS_pivot_root,      SYS_chroot,           SYS_setns,
    SYS_unshare,    SYS_bpf,         SYS_init_module,     SYS_finit_module,     SYS_delete_module,
    SYS_kexec_load, SYS_reboot,      SYS_swapon,          SYS_swapoff,          SYS_keyctl,
    SYS_add_key,    SYS_request_key, SYS_perf_event_open, SYS_userfaultfd,      SYS_setuid,
    SYS_setgid,     SYS_setgroups,
};

static edn_status seccomp_enter(edn_err *err)
{
#ifdef SANDBOX_ARCH
    struct sock_filter code[8 + 2 * EDN_COUNT(forbidden)];
    struct sock_fprog program = {.filter = code};
    unsigned short n = 0;

    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < EDN_COUNT(forbidden); i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)forbidden[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = n;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0 && errno != EINVAL)
        return edn_fail(err, EDN_E_IO, "seccomp: %s", strerror(errno));
#else
    (void)err;
#endif
    return EDN_OK;
}

edn_status ednd_sandbox_enter(int data_dir, const char *const *files, size_t n, edn_err *err)
{
    edn_status st = landlock_enter(data_dir, files, n, err);

    return st == EDN_OK ? seccomp_enter(err) : st;
}
