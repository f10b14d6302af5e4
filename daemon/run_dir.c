/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

/* Guests end within a moment, but on a host that swaps or has too much to do in several seconds. */
#define WAIT_MS 10000
#define POLL_MS 50

/* One that leaves removes the folder while it has the lock, so that a lock may be had of a folder that is
 * gone. */
static bool is_still_there(const char *path, int fd)
{
        struct stat by_name, by_fd;

        return stat(path, &by_name) == 0 && fstat(fd, &by_fd) == 0 && by_name.st_dev == by_fd.st_dev &&
               by_name.st_ino == by_fd.st_ino;
}

/* A daemon that leaves has its lock until its guests are gone, and nobody can reach it any more: whoever
 * starts another then is right to. */
static bool lock(int fd)
{
        static const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};

        for (unsigned waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited_ms += POLL_MS) {
                if (waited_ms >= WAIT_MS)
                        return false;
                nanosleep(&pause, NULL);
        }
        return true;
}

int run_dir_take(const char *path, int *ret_fd, struct kt_error *reterr)
{
        for (;;) {
                _cleanup_close_ int fd = -1;
                int r = kt_mkdir_p(AT_FDCWD, path, 0700);

                if (r >= 0) {
                        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        r = fd < 0 ? -errno : 0;
                }
                if (r == -ENOENT)
                        continue; /* removed in between */
                if (r < 0)
                        return kt_error_set(reterr, r, KT_E_IO, "cannot make %s: %s", path, strerror(-r));
                if (!lock(fd))
                        return kt_error_set(reterr, -EBUSY, KT_E_IO,
                                            "another daemon has its guests in %s, and does not leave; stop "
                                            "it, or have ktstrd use another --run-dir",
                                            path);
                if (is_still_there(path, fd)) {
                        *ret_fd = TAKE_FD(fd);
                        return 0;
                }
        }
}

void run_dir_leave(const char *path, int fd)
{
        if (fd < 0)
                return;
        (void)rmdir(path);
        close(fd);
}
