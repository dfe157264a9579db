/* Folders on the real disk that a test leaves nothing of. */
#ifndef EDN_TESTS_TEMPDIR_H
#define EDN_TESTS_TEMPDIR_H

#define TEMPDIR_SIZE 64

/* A new empty folder under $TMPDIR or /tmp; aborts when it cannot be made. */
void tempdir_make(char out[TEMPDIR_SIZE]);
/* Removes it with all that is in it, whatever its modes; if it is there. */
void tempdir_remove(const char *path);

#endif
