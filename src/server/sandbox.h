/* sandbox: what ednd gives up, so that a flaw in it is worth less. */
#ifndef EDN_SERVER_SANDBOX_H
#define EDN_SERVER_SANDBOX_H

#include <edn/base.h>

/* At the very start: no core dumps, nothing readable by others, no new privileges by exec. */
EDN_MUST_USE edn_status ednd_sandbox_early(edn_err *err);
/* Once all is open: of the file system only the data folder stays (Landlock, from its first version on; a kernel
 * without it is not an error), and for reading the folders of the `n` files named, which may be replaced and read again
 * ("" names none); and no program can be started any more (seccomp). */
EDN_MUST_USE edn_status ednd_sandbox_enter(int data_dir, const char *const *files, size_t n, edn_err *err);

#endif
