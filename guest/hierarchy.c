/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hierarchy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/meminfo.h"

#define ROOT "/sys/fs/cgroup"
#define CAGE ROOT "/ktstr-body"
#define CAGE_SIZE 64

/* What a process takes of memory: its task and kernel stack, its page tables, and the pages that it writes
 * to; a forked copy of a program with a few libraries some 150. */
#define PROCESS_KIB 256U
#define PROCESSES_MAX 8192U
#define PROCESSES_MIN 64U

#define DEPTH_MAX 64

static char cage[CAGE_SIZE] = CAGE;

/* The path of a file in it, in a buffer of that size. */
static const char *in_cage(const char *name, char ret[2 * CAGE_SIZE])
{
        snprintf(ret, 2 * CAGE_SIZE, "%s/%s", cage, name);
        return ret;
}

static int write_text(int dir_fd, const char *path, const char *text)
{
        _cleanup_close_ int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);

        return fd < 0 ? -errno : kt_write_all(fd, text, strlen(text));
}

/* One write each: a kernel without one of them refuses the whole line. */
static void enable_controllers(const char *dir)
{
        static const char *const controllers[] = {"+cpu", "+cpuset", "+memory", "+pids", "+io"};
        _cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        for (size_t i = 0; fd >= 0 && i < KT_ARRAY_SIZE(controllers); i++)
                (void)write_text(fd, "cgroup.subtree_control", controllers[i]);
}

void hierarchy_prepare(void)
{
        enable_controllers(ROOT);
        (void)mkdir(cage, 0755);
}

void hierarchy_renew_cage(void)
{
        static unsigned n;

        (void)rmdir(cage);
        snprintf(cage, sizeof(cage), CAGE "-%u", ++n);
        (void)mkdir(cage, 0755);
}

const char *hierarchy_cage(void)
{
        return cage + strlen(ROOT);
}

int hierarchy_make_parent(const char *path, struct kt_error *reterr)
{
        _cleanup_free_ char *dir = kt_format(ROOT "%s%s", path[0] == '/' ? "" : "/", path);

        if (!dir)
                return kt_error_set(reterr, -ENOMEM, NULL, "out of memory");
        for (char *p = dir + strlen(ROOT); *p;) {
                p += 1 + strcspn(p + 1, "/");
                char end = *p;

                *p = '\0';
                if (mkdir(dir, 0755) < 0 && errno != EEXIST)
                        return kt_error_set(reterr, -errno, NULL, "cannot make the cgroup parent %s: %s",
                                            dir, strerror(errno));
                enable_controllers(dir);
                *p = end;
        }
        return 0;
}

int hierarchy_open_cage(unsigned *ret_max)
{
        int fd = open(cage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint64_t max = kt_meminfo_available_kib() / PROCESS_KIB;
        char text[16];

        if (fd < 0)
                return -errno;
        max = max > PROCESSES_MAX ? PROCESSES_MAX : max < PROCESSES_MIN ? PROCESSES_MIN : max;
        snprintf(text, sizeof(text), "%u", (unsigned)max);
        (void)write_text(fd, "pids.max", text);
        if (ret_max)
                *ret_max = (unsigned)max;
        return fd;
}

/* The number behind this word. 0: it is not there, or does not look like that. */
static unsigned read_count(const char *path, const char *word)
{
        _cleanup_free_ char *text = NULL;
        const size_t len = strlen(word);
        size_t size;

        if (kt_read_file(AT_FDCWD, path, 4096, &text, &size) < 0 || strncmp(text, word, len) != 0)
                return 0;
        return (unsigned)strtoul(text + len, NULL, 10);
}

bool hierarchy_cage_was_full(void)
{
        char path[2 * CAGE_SIZE];

        return read_count(in_cage("pids.events", path), "max ") > 0;
}

unsigned hierarchy_count_caged(void)
{
        char path[2 * CAGE_SIZE];

        return read_count(in_cage("pids.current", path), "");
}

/* --- what is left of a test --- */

typedef void visit_cb(int dir_fd, const char *name, unsigned depth, void *data);

static void visit_folders(int parent_fd, visit_cb *visit, unsigned depth, void *data)
{
        int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        struct dirent *e;

        if (!dir && fd >= 0)
                close(fd);
        while (depth < DEPTH_MAX && dir && (e = readdir(dir)))
                if (e->d_type == DT_DIR && e->d_name[0] != '.')
                        visit(parent_fd, e->d_name, depth, data);
}

static void note_known(int dir_fd, const char *name, unsigned depth, void *data)
{
        struct hierarchy *h = data;
        char *longer = kt_format("%s%s/", h->known ?: "", name);

        free(h->known);
        h->known = longer;
}

static bool is_known(const struct hierarchy *h, const char *name)
{
        const size_t len = strlen(name);

        for (const char *p = h->known; p && *p; p += strcspn(p, "/") + 1)
                if (strncmp(p, name, len) == 0 && p[len] == '/')
                        return true;
        return false;
}

void hierarchy_begin(struct hierarchy *h, const char *parent)
{
        _cleanup_close_ int fd = open(ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        *h = (struct hierarchy){.parent = parent};
        if (fd >= 0)
                visit_folders(fd, note_known, 0, h);
}

void hierarchy_done(struct hierarchy *h)
{
        free(h->known);
        *h = (struct hierarchy){};
}

/* Before cgroup.kill (Linux 5.14). */
static void kill_each(int dir_fd)
{
        _cleanup_free_ char *text = NULL;
        char *rest = NULL;
        size_t size;

        if (kt_read_file(dir_fd, "cgroup.procs", 1U << 20, &text, &size) < 0)
                return;
        for (char *p = strtok_r(text, "\n", &rest); p; p = strtok_r(NULL, "\n", &rest))
                if (atoi(p) > 1)
                        kill(atoi(p), SIGKILL);
}

static void kill_tree(int dir_fd, const char *name, unsigned depth, void *data)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 || write_text(fd, "cgroup.kill", "1") >= 0)
                return;
        kill_each(fd);
        visit_folders(fd, kill_tree, depth + 1, data);
}

/* Frozen ones die of a SIGKILL too, so nothing has to be thawed first. */
static void remove_tree(int dir_fd, const char *name, unsigned depth, void *data)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return;
        visit_folders(fd, remove_tree, depth + 1, data);
        (void)unlinkat(dir_fd, name, AT_REMOVEDIR);
}

struct new_ones {
        const struct hierarchy *hierarchy;
        visit_cb *visit;
        void *data;
};

static void visit_if_new(int dir_fd, const char *name, unsigned depth, void *data)
{
        const struct new_ones *n = data;

        if (!is_known(n->hierarchy, name))
                n->visit(dir_fd, name, depth, n->data);
}

static void visit_all_in(const char *path, visit_cb *visit, void *data)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd >= 0)
                visit_folders(fd, visit, 0, data);
}

/* Those that are new in the root, and all in the parent and in the body's own. */
static void for_all_of_the_test(const struct hierarchy *h, visit_cb *visit, void *data)
{
        _cleanup_free_ char *parent =
                h->parent ? kt_path_join(ROOT, h->parent + strspn(h->parent, "/")) : NULL;

        visit_all_in(ROOT, visit_if_new, &(struct new_ones){h, visit, data});
        if (parent)
                visit_all_in(parent, visit, data);
        visit_all_in(cage, visit, data);
}

void hierarchy_kill(const struct hierarchy *h)
{
        for_all_of_the_test(h, kill_tree, NULL);
        kill_tree(AT_FDCWD, cage, 0, NULL);
}

void hierarchy_remove(const struct hierarchy *h)
{
        for_all_of_the_test(h, remove_tree, NULL);
}

static void note_one(int dir_fd, const char *name, unsigned depth, void *data)
{
        char *first = data;

        if (!*first)
                snprintf(first, HIERARCHY_NAME_MAX, "%s", name);
}

bool hierarchy_has_left(const struct hierarchy *h, char ret_what[HIERARCHY_NAME_MAX])
{
        _cleanup_free_ char *events = NULL;
        char path[2 * CAGE_SIZE];
        size_t size;

        ret_what[0] = '\0';
        for_all_of_the_test(h, note_one, ret_what);
        if (!ret_what[0] &&
            kt_read_file(AT_FDCWD, in_cage("cgroup.events", path), 4096, &events, &size) >= 0 &&
            strstr(events, "populated 1"))
                snprintf(ret_what, HIERARCHY_NAME_MAX, "a process");
        return ret_what[0];
}
