/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../../common/fsutil.h"

#define BUSY_TRIES 3
#define BUSY_PAUSE_NS 100000000L
#define DEPTH_MAX 32

/* As people call it: without where all are. */
static const char *name_of(const char *dir)
{
        const size_t root = strlen(CGROUP_ROOT);

        return strncmp(dir, CGROUP_ROOT, root) == 0 && dir[root] == '/' ? dir + root + 1 : dir;
}

int cgroup_make(const char *dir, struct kt_error *reterr)
{
        if (mkdir(dir, 0755) < 0)
                return kt_error_set(reterr, -errno, NULL, "cannot make cgroup %s: %s", name_of(dir),
                                    errno == EEXIST ? "it is there already" : strerror(errno));
        return 0;
}

bool cgroup_exists(const char *dir)
{
        return access(dir, F_OK) == 0;
}

static int write_file(const char *dir, const char *file, const char *text)
{
        _cleanup_free_ char *path = kt_path_join(dir, file);
        _cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;

        if (!path)
                return -ENOMEM;
        return fd < 0 ? -errno : kt_write_all(fd, text, strlen(text));
}

int cgroup_write(const char *dir, const char *file, const char *text, struct kt_error *reterr)
{
        int r = write_file(dir, file, text);

        if (r == -ENOENT)
                return kt_error_set(reterr, r, NULL, "cgroup %s has no %s", name_of(dir), file);
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot write '%s' to %s of cgroup %s: %s", text, file,
                                    name_of(dir), strerror(-r));
        return 0;
}

int cgroup_move(const char *dir, pid_t pid, struct kt_error *reterr)
{
        char text[16];
        int r;

        snprintf(text, sizeof(text), "%d", (int)pid);
        r = write_file(dir, "cgroup.procs", text);
        for (int i = 0; i < BUSY_TRIES && r == -EBUSY; i++) {
                nanosleep(&(struct timespec){.tv_nsec = BUSY_PAUSE_NS}, NULL);
                r = write_file(dir, "cgroup.procs", text);
        }
        if (r < 0 && r != -ESRCH)
                return kt_error_set(reterr, r, NULL, "cannot move a worker to cgroup %s: %s", name_of(dir),
                                    strerror(-r));
        return 0;
}

void cgroup_kill(const char *dir)
{
        (void)write_file(dir, "cgroup.kill", "1");
}

bool cgroup_populated(const char *dir)
{
        _cleanup_free_ char *path = kt_path_join(dir, "cgroup.events"), *text = NULL;
        size_t size;

        return path && kt_read_file(AT_FDCWD, path, 4096, &text, &size) >= 0 && strstr(text, "populated 1");
}

static int remove_tree(const char *dir, unsigned depth)
{
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;

        if (rmdir(dir) >= 0 || errno == ENOENT)
                return 0;
        /* It says so too when there are cgroups in it. */
        if (errno != EBUSY || depth == 0)
                return -errno;
        d = opendir(dir);
        while (d && (de = readdir(d))) {
                _cleanup_free_ char *below = NULL;

                if (de->d_type != DT_DIR || de->d_name[0] == '.')
                        continue;
                below = kt_path_join(dir, de->d_name);
                if (below)
                        (void)remove_tree(below, depth - 1);
        }
        return rmdir(dir) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_remove(const char *dir, struct kt_error *reterr)
{
        int r = remove_tree(dir, DEPTH_MAX);

        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot remove cgroup %s: %s", name_of(dir),
                                    strerror(-r));
        return 0;
}
