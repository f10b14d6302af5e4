/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../../common/fsutil.h"

#define WRITE_MS 2000
#define BUSY_TRIES 3
#define BUSY_PAUSE_NS 100000000L
#define DEPTH_MAX 32
#define FILE_MAX_BYTES (1U << 20)
/* Who forks while its cgroup is emptied is met again. */
#define MOVE_ROUNDS 20

const char *cgroup_name(const char *dir)
{
        const size_t root = strlen(CGROUP_ROOT);

        if (strncmp(dir, CGROUP_ROOT, root) != 0)
                return dir;
        return dir[root] == '/' ? dir + root + 1 : "/";
}

static const char *why(int r)
{
        return r == -ETIMEDOUT ? "the kernel does not come to it" : strerror(-r);
}

int cgroup_make(struct sysfs_writer *s, const char *dir, struct kt_error *reterr)
{
        int r = sysfs_writer_mkdir(s, dir, WRITE_MS);

        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot make cgroup %s: %s", cgroup_name(dir),
                                    r == -EEXIST ? "it is there already" : why(r));
        return 0;
}

static int write_file(struct sysfs_writer *s, const char *dir, const char *file, const char *text)
{
        _cleanup_free_ char *path = kt_path_join(dir, file);

        return path ? sysfs_writer_write(s, path, text, WRITE_MS) : -ENOMEM;
}

static char *read_file(const char *dir, const char *file)
{
        _cleanup_free_ char *path = kt_path_join(dir, file);
        char *text;
        size_t size;

        return path && kt_read_file(AT_FDCWD, path, FILE_MAX_BYTES, &text, &size) >= 0 ? text : NULL;
}

int cgroup_write(struct sysfs_writer *s, const char *dir, const char *file, const char *text,
                 struct kt_error *reterr)
{
        int r = write_file(s, dir, file, text);

        if (r == -ENOENT)
                return kt_error_set(reterr, r, NULL, "this kernel has no %s in cgroup %s", file,
                                    cgroup_name(dir));
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot write '%s' to %s of cgroup %s: %s", text, file,
                                    cgroup_name(dir), why(r));
        return 0;
}

/* Is it one of the words in a file of words? */
static bool lists(const char *dir, const char *file, const char *word)
{
        _cleanup_free_ char *text = read_file(dir, file);
        char *save = NULL;

        for (char *w = text ? strtok_r(text, " \n", &save) : NULL; w; w = strtok_r(NULL, " \n", &save))
                if (strcmp(w, word) == 0)
                        return true;
        return false;
}

bool cgroup_has_controller(const char *dir, const char *controller)
{
        return lists(dir, "cgroup.controllers", controller);
}

/* In what is in dir. */
static int enable_below(struct sysfs_writer *s, const char *dir, const char *controller,
                        struct kt_error *reterr)
{
        _cleanup_free_ char *text = kt_format("+%s", controller);
        int r;

        if (lists(dir, "cgroup.subtree_control", controller))
                return 0;
        r = text ? write_file(s, dir, "cgroup.subtree_control", text) : -ENOMEM;
        if (r == -ENOENT)
                return kt_error_set(reterr, r, NULL, "this kernel has no %s controller for cgroups",
                                    controller);
        if (r == -EBUSY || r == -EOPNOTSUPP)
                return kt_error_set(
                        reterr, r, NULL,
                        "cgroup %s has workers of its own, so that those in it cannot have the %s "
                        "controller: give its workers a cgroup beside them",
                        cgroup_name(dir), controller);
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot enable the %s controller in cgroup %s: %s",
                                    controller, cgroup_name(dir), why(r));
        return 0;
}

int cgroup_enable(struct sysfs_writer *s, const char *dir, const char *controller, struct kt_error *reterr)
{
        _cleanup_free_ char *above = strdup(dir);
        int r = above ? 0 : kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));

        if (r < 0 || cgroup_has_controller(dir, controller))
                return r;
        /* From the root down. */
        for (char *slash = above + strlen(CGROUP_ROOT); r >= 0 && (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                r = enable_below(s, above, controller, reterr);
                *slash = '/';
        }
        return r;
}

bool cgroup_cpus(const char *dir, struct ktstr_cpus *ret)
{
        _cleanup_free_ char *text = read_file(dir, "cpuset.cpus.effective");

        return text && ktstr_cpus_parse(text, ret);
}

/* A worker that is busy in a system call of another cgroup's may be moved a moment later. */
static int write_patiently(struct sysfs_writer *s, const char *dir, const char *file, const char *text)
{
        int r = write_file(s, dir, file, text);

        for (int i = 0; i < BUSY_TRIES && r == -EBUSY; i++) {
                nanosleep(&(struct timespec){.tv_nsec = BUSY_PAUSE_NS}, NULL);
                r = write_file(s, dir, file, text);
        }
        return r;
}

int cgroup_move(struct sysfs_writer *s, const char *dir, pid_t pid, struct kt_error *reterr)
{
        char text[16];
        int r;

        snprintf(text, sizeof(text), "%d", (int)pid);
        r = write_patiently(s, dir, "cgroup.procs", text);
        if (r >= 0 || r == -ESRCH)
                return 0;
        if (r == -EBUSY)
                return kt_error_set(reterr, r, NULL,
                                    "cgroup %s has cgroups with controllers in it, so that it cannot have "
                                    "workers of its own: give these a cgroup beside them, or define it with "
                                    "no_controllers",
                                    cgroup_name(dir));
        if (r == -EOPNOTSUPP)
                return kt_error_set(
                        reterr, r, NULL,
                        "cgroup %s has controllers, and lies in one that has workers of its own: "
                        "give those a cgroup beside it",
                        cgroup_name(dir));
        return kt_error_set(reterr, r, NULL, "cannot move a worker to cgroup %s: %s", cgroup_name(dir),
                            why(r));
}

int cgroup_move_all(struct sysfs_writer *s, const char *from, const char *to, unsigned *ret_n,
                    struct kt_error *reterr)
{
        unsigned n = 0;
        int r = 0;

        for (int round = 0; r >= 0 && round < MOVE_ROUNDS; round++) {
                _cleanup_free_ char *text = read_file(from, "cgroup.procs");
                char *save = NULL, *pid = text ? strtok_r(text, "\n", &save) : NULL;

                if (!pid)
                        break;
                for (; r >= 0 && pid; pid = strtok_r(NULL, "\n", &save), n++)
                        r = cgroup_move(s, to, atoi(pid), reterr);
        }
        *ret_n = n;
        return r;
}

void cgroup_kill(struct sysfs_writer *s, const char *dir)
{
        (void)write_file(s, dir, "cgroup.kill", "1");
}

bool cgroup_event(const char *dir, const char *what)
{
        _cleanup_free_ char *text = read_file(dir, "cgroup.events"), *wanted = kt_format("%s 1", what);

        return text && wanted && strstr(text, wanted);
}

static int remove_tree(struct sysfs_writer *s, const char *dir, unsigned depth)
{
        _cleanup_closedir_ DIR *d = NULL;
        struct dirent *de;
        int r = sysfs_writer_rmdir(s, dir, WRITE_MS);

        if (r >= 0 || r == -ENOENT)
                return 0;
        /* It says so too when there are cgroups in it. */
        if (r != -EBUSY || depth == 0)
                return r;
        d = opendir(dir);
        while (d && (de = readdir(d))) {
                _cleanup_free_ char *below = NULL;

                if (de->d_type != DT_DIR || de->d_name[0] == '.')
                        continue;
                below = kt_path_join(dir, de->d_name);
                if (below)
                        (void)remove_tree(s, below, depth - 1);
        }
        r = sysfs_writer_rmdir(s, dir, WRITE_MS);
        return r == -ENOENT ? 0 : r;
}

int cgroup_remove(struct sysfs_writer *s, const char *dir, struct kt_error *reterr)
{
        int r = remove_tree(s, dir, DEPTH_MAX);

        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot remove cgroup %s: %s", cgroup_name(dir),
                                    why(r));
        return 0;
}
