/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "leftovers.h"

#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 16

/* A line for each thing, which names it. */
struct leftovers {
        char **lines;
        size_t n, allocated;
};

static void add(struct leftovers *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct leftovers *l, const char *fmt, ...)
{
        char *line = NULL;
        va_list ap;

        if (l->n == l->allocated) {
                const size_t allocated = l->allocated ? 2 * l->allocated : 256;
                char **grown = realloc(l->lines, allocated * sizeof(*grown));

                if (!grown)
                        abort();
                l->lines = grown;
                l->allocated = allocated;
        }
        va_start(ap, fmt);
        if (vasprintf(&line, fmt, ap) < 0)
                abort();
        va_end(ap);
        l->lines[l->n++] = line;
}

/* Its beginning; "" where there is none. A command line's words are ended by NUL. */
static void read_beginning(const char *path, char *ret, size_t size)
{
        FILE *f = fopen(path, "re");
        const size_t n = f ? fread(ret, 1, size - 1, f) : 0;

        ret[n] = '\0';
        if (f)
                fclose(f);
}

/* Who is dead has no command line. A kernel thread neither: those are the kernel's matter. */
static void add_process(struct leftovers *l, const char *pid)
{
        char path[300], command[64], stat[512], *end;
        int parent = 0;
        char state = '?';

        snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
        read_beginning(path, command, sizeof(command));
        snprintf(path, sizeof(path), "/proc/%s/stat", pid);
        read_beginning(path, stat, sizeof(stat));
        end = strrchr(stat, ')');
        if (end)
                sscanf(end + 1, " %c %d", &state, &parent);
        if (command[0])
                add(l, "process %s (%s)", pid, command);
        else if (parent == getpid())
                add(l, "zombie %s (%s", pid, stat);
}

static void add_processes(struct leftovers *l)
{
        DIR *proc = opendir("/proc");
        struct dirent *d;

        while (proc && (d = readdir(proc)))
                if (isdigit((unsigned char)d->d_name[0]))
                        add_process(l, d->d_name);
        if (proc)
                closedir(proc);
}

static void add_open_files(struct leftovers *l)
{
        DIR *fds = opendir("/proc/self/fd");
        struct dirent *d;

        while (fds && (d = readdir(fds))) {
                char path[300], target[200] = "";

                snprintf(path, sizeof(path), "/proc/self/fd/%s", d->d_name);
                if (d->d_name[0] != '.' && atoi(d->d_name) != dirfd(fds) &&
                    readlink(path, target, sizeof(target) - 1) > 0)
                        add(l, "open file %s (%s)", d->d_name, target);
        }
        if (fds)
                closedir(fds);
}

/* What is in a folder; `folders`: those alone. */
static void add_tree(struct leftovers *l, const char *folder, bool folders, unsigned depth)
{
        DIR *dir = depth > 0 ? opendir(folder) : NULL;
        struct dirent *d;

        while (dir && (d = readdir(dir))) {
                char path[4096];
                struct stat st;

                snprintf(path, sizeof(path), "%s/%s", folder, d->d_name);
                if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 || lstat(path, &st) < 0)
                        continue;
                if (S_ISDIR(st.st_mode) || !folders)
                        add(l, "%s %s", folders ? "cgroup" : "file", path);
                if (S_ISDIR(st.st_mode))
                        add_tree(l, path, folders, depth - 1);
        }
        if (dir)
                closedir(dir);
}

/* Each line of a file, of which the first so many words name the thing; 0: all of it. */
static void add_lines(struct leftovers *l, const char *what, const char *path, unsigned words)
{
        FILE *f = fopen(path, "re");
        char line[4096];

        while (f && fgets(line, sizeof(line), f)) {
                size_t end = words ? 0 : strcspn(line, "\n");

                for (unsigned i = 0; i < words; i++) {
                        end += strspn(line + end, " \t");
                        end += strcspn(line + end, " \t\n");
                }
                add(l, "%s %.*s", what, (int)end, line);
        }
        if (f)
                fclose(f);
}

struct leftovers *leftovers_now(void)
{
        static const char *const folders[] = {"/tmp", "/var/tmp", "/dev/shm", "/run"};
        struct leftovers *l = calloc(1, sizeof(*l));

        if (!l)
                abort();
        add_processes(l);
        add_open_files(l);
        for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
                add_tree(l, folders[i], false, DEPTH_MAX);
        add_tree(l, "/sys/fs/cgroup", true, DEPTH_MAX);
        add_lines(l, "shared memory", "/proc/sysvipc/shm", 2);
        add_lines(l, "semaphores", "/proc/sysvipc/sem", 2);
        add_lines(l, "message queue", "/proc/sysvipc/msg", 2);
        add_lines(l, "mount", "/proc/self/mounts", 0);
        return l;
}

static void leftovers_free(struct leftovers *l)
{
        for (size_t i = 0; i < l->n; i++)
                free(l->lines[i]);
        free(l->lines);
        free(l);
}

static bool has(const struct leftovers *l, const char *line)
{
        for (size_t i = 0; i < l->n; i++)
                if (strcmp(l->lines[i], line) == 0)
                        return true;
        return false;
}

enum ktstr_outcome leftovers_judge(struct ktstr_ctx *ctx, struct leftovers *before, const char *of,
                                   enum ktstr_outcome outcome)
{
        struct leftovers *after = leftovers_now();

        for (size_t i = 0; i < after->n; i++)
                if (!has(before, after->lines[i]))
                        outcome = ktstr_worse(outcome,
                                              ktstr_error(ctx, "%s has left %s", of, after->lines[i]));
        leftovers_free(before);
        leftovers_free(after);
        return outcome;
}
