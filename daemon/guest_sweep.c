/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "guest.h"
#include "guest_pidfile.h"

#define PID_FILE "pid"
#define DIR_PREFIX "guest-"
#define EXIT_TIMEOUT_MS 2000

/* Field 22 of /proc/PID/stat, in clock ticks since boot. The second field may hold blanks and parentheses:
 * count from its end. */
static int read_start_time(pid_t pid, unsigned long long *ret)
{
        _cleanup_free_ char *text = NULL;
        char path[32];
        const char *p;
        size_t size;
        int r;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        r = kt_read_file(AT_FDCWD, path, 4096, &text, &size);
        if (r < 0)
                return r;
        p = strrchr(text, ')');
        if (!p || sscanf(p + 1,
                         " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                         ret) != 1)
                return -EBADMSG;
        return 0;
}

int guest_pidfile_write(const char *run_dir, const char *dir_name, pid_t pid)
{
        _cleanup_free_ char *path = kt_format("%s/%s/" PID_FILE, run_dir, dir_name);
        _cleanup_close_ int fd = -1;
        unsigned long long start_time;
        char text[64];
        int r;

        if (!path)
                return -ENOMEM;
        r = read_start_time(pid, &start_time);
        if (r < 0)
                return r;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        return kt_write_all(fd, text,
                            (size_t)snprintf(text, sizeof(text), "%d %llu\n", (int)pid, start_time));
}

int guest_pidfile_open(int dir_fd)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int pidfd = -1;
        unsigned long long noted, actual;
        size_t size;
        int pid, r;

        r = kt_read_file(dir_fd, PID_FILE, 256, &text, &size);
        if (r < 0)
                return r;
        if (sscanf(text, "%d %llu", &pid, &noted) != 2 || pid <= 1)
                return -EBADMSG;
        /* Opened before the start time is read: from here on it is this process or none. */
        pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0)
                return -errno;
        r = read_start_time(pid, &actual);
        if (r < 0)
                return r;
        return actual == noted ? TAKE_FD(pidfd) : -ESRCH;
}

static void kill_orphan(int pidfd, const char *dir_name)
{
        struct pollfd p = {.fd = pidfd, .events = POLLIN};

        if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0)
                return;
        if (poll(&p, 1, EXIT_TIMEOUT_MS) == 1)
                kt_log_notice("killed a QEMU that an earlier daemon left: %s", dir_name);
        else
                kt_log_warning("a QEMU that an earlier daemon left does not go: %s", dir_name);
}

static void sweep_one(int run_fd, const char *dir_name)
{
        _cleanup_close_ int dir_fd = openat(run_fd, dir_name,
                                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                            pidfd = -1;

        if (dir_fd < 0)
                return;
        pidfd = guest_pidfile_open(dir_fd);
        if (pidfd >= 0)
                kill_orphan(pidfd, dir_name);
        (void)kt_remove_tree(run_fd, dir_name);
}

void guest_sweep(const char *run_dir)
{
        _cleanup_closedir_ DIR *dir = opendir(run_dir);
        struct dirent *entry;

        if (!dir)
                return;
        while ((entry = readdir(dir)))
                if (strncmp(entry->d_name, DIR_PREFIX, strlen(DIR_PREFIX)) == 0)
                        sweep_one(dirfd(dir), entry->d_name);
}
