/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "hierarchy.h"

static const struct {
        const char *type, *where, *options;
        bool needed;
} mounts[] = {
        {"proc", "/proc", NULL, true},
        {"sysfs", "/sys", NULL, true},
        {"devtmpfs", "/dev", NULL, true},
        {"devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666", false},
        {"tmpfs", "/dev/shm", "mode=1777", false},
        {"tmpfs", "/tmp", "mode=1777", false},
        {"tmpfs", "/run", "mode=755", false},
        {"cgroup2", "/sys/fs/cgroup", NULL, false},
        {"bpf", "/sys/fs/bpf", NULL, false},
        {"debugfs", "/sys/kernel/debug", NULL, false},
        {"tracefs", "/sys/kernel/tracing", NULL, false},
};

static int mount_all(struct kt_error *reterr)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(mounts); i++) {
                kt_mkdir_p(AT_FDCWD, mounts[i].where, 0755);
                if (mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, mounts[i].options) < 0 &&
                    errno != EBUSY && mounts[i].needed)
                        return kt_error_set(reterr, -errno, NULL, "cannot mount %s: %s", mounts[i].where,
                                            strerror(errno));
        }
        return 0;
}

/* As udev makes them elsewhere: programs are told to write their results to /dev/stdout. */
static void link_descriptors(void)
{
        static const char *const links[][2] = {
                {"/proc/self/fd", "/dev/fd"},
                {"/proc/self/fd/0", "/dev/stdin"},
                {"/proc/self/fd/1", "/dev/stdout"},
                {"/proc/self/fd/2", "/dev/stderr"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(links); i++)
                (void)symlink(links[i][0], links[i][1]);
}

static void write_text(const char *path, const char *text)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd >= 0)
                (void)kt_write_all(fd, text, strlen(text));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* In the order of their names, which is the order of their dependencies. */
static int load_modules(struct kt_error *reterr)
{
        struct dirent **names = NULL;
        int n = scandir("/modules", &names, NULL, by_name), r = 0;

        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = kt_format("/modules/%s", names[i]->d_name);
                _cleanup_close_ int fd =
                        path && names[i]->d_name[0] != '.' ? open(path, O_RDONLY | O_CLOEXEC) : -1;

                if (fd >= 0 && r == 0 && syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
                        r = kt_error_set(reterr, -errno, NULL, "cannot load module %s: %s", names[i]->d_name,
                                         strerror(errno));
                free(names[i]);
        }
        free(names);
        return r;
}

static void install_busybox(void)
{
        pid_t pid;

        if (access("/bin/busybox", X_OK) < 0)
                return;
        kt_mkdir_p(AT_FDCWD, "/sbin", 0755);
        kt_mkdir_p(AT_FDCWD, "/usr/bin", 0755);
        kt_mkdir_p(AT_FDCWD, "/usr/sbin", 0755);
        pid = fork();
        if (pid == 0) {
                execl("/bin/busybox", "busybox", "--install", "-s", (char *)NULL);
                _exit(127);
        }
        if (pid > 0)
                waitpid(pid, NULL, 0);
}

static void raise_limits(void)
{
        const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY}, files = {1048576, 1048576};

        setrlimit(RLIMIT_MEMLOCK, &all);
        setrlimit(RLIMIT_NOFILE, &files);
}

int boot_prepare(struct kt_error *reterr)
{
        int r = mount_all(reterr);

        if (r < 0)
                return r;
        link_descriptors();
        r = load_modules(reterr);
        if (r < 0)
                return r;
        hierarchy_prepare();
        write_text("/proc/sys/kernel/sched_schedstats", "1");
        raise_limits();
        kt_mkdir_p(AT_FDCWD, "/root", 0700);
        install_busybox();
        return 0;
}
