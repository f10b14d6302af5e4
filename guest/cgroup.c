/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../common/fsutil.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define BUSY_TRIES 3
#define BUSY_PAUSE_NS 100000000L

int cgroup_make(const char *name, struct kt_error *reterr)
{
        _cleanup_free_ char *path = kt_path_join(CGROUP_ROOT, name);

        if (!path || (mkdir(path, 0755) < 0 && errno != EEXIST))
                return kt_error_set(reterr, -errno, NULL, "cannot make cgroup %s: %s", name,
                                    strerror(errno));
        return 0;
}

static int write_pid(const char *path, pid_t pid)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
        char text[16];
        int n = snprintf(text, sizeof(text), "%d", (int)pid);

        return fd < 0 ? -errno : kt_write_all(fd, text, (size_t)n);
}

int cgroup_move(const char *name, pid_t pid, struct kt_error *reterr)
{
        _cleanup_free_ char *path = kt_format(CGROUP_ROOT "/%s/cgroup.procs", name);
        int r = path ? write_pid(path, pid) : -ENOMEM;

        for (int i = 0; i < BUSY_TRIES && r == -EBUSY; i++) {
                nanosleep(&(struct timespec){.tv_nsec = BUSY_PAUSE_NS}, NULL);
                r = write_pid(path, pid);
        }
        if (r < 0 && r != -ESRCH)
                return kt_error_set(reterr, r, NULL, "cannot move a worker to cgroup %s: %s", name,
                                    strerror(-r));
        return 0;
}
