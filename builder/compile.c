/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "compile.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "answer.h"
#include "make_run.h"

#define DOUBTFUL_S 60

/* --- what was killed --- */

/* kbuild notes the command that made a/NAME in a/.NAME.cmd. Is this such a note? Then of which file, in buf.
 */
static bool made_file(const FTSENT *e, char *buf, size_t size)
{
        size_t len = e->fts_namelen;
        const char *name = e->fts_name;

        if (e->fts_info != FTS_F || len < 6 || name[0] != '.' || strcmp(name + len - 4, ".cmd") != 0)
                return false;
        return snprintf(buf, size, "%.*s%.*s", (int)(e->fts_pathlen - len), e->fts_path, (int)(len - 5),
                        name + 1) < (int)size;
}

static int compare_nothing(const FTSENT **a, const FTSENT **b)
{
        return 0;
}

/* Calls f for each file below dir that make has made. */
static int for_each_made(const char *dir, void (*f)(void *userdata, const FTSENT *note, const char *file),
                         void *userdata)
{
        char *paths[] = {(char *)dir, NULL}, file[4096];
        FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, compare_nothing);
        FTSENT *e;

        if (!fts)
                return -errno;
        while ((e = fts_read(fts))) {
                if (e->fts_info == FTS_D && strcmp(e->fts_name, ".git") == 0)
                        fts_set(fts, e, FTS_SKIP);
                else if (made_file(e, file, sizeof(file)))
                        f(userdata, e, file);
        }
        fts_close(fts);
        return 0;
}

static void find_newest(void *userdata, const FTSENT *note, const char *file)
{
        time_t *newest = userdata;
        struct stat st;

        if (lstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_mtime > *newest)
                *newest = st.st_mtime;
}

static void remove_newer(void *userdata, const FTSENT *note, const char *file)
{
        const time_t *newest = userdata;
        struct stat st;

        if (lstat(file, &st) < 0 || !S_ISREG(st.st_mode) || st.st_mtime < *newest - DOUBTFUL_S)
                return;
        unlink(file);
        unlink(note->fts_accpath);
}

static int remove_doubtful(const char *dir, const char *marker, struct kt_error *reterr)
{
        time_t newest = 0;
        int r;

        if (access(marker, F_OK) < 0)
                return 0;
        answer_note("an earlier build in %s was killed: what it made last is made again", dir);
        r = for_each_made(dir, find_newest, &newest);
        if (r >= 0)
                r = for_each_made(dir, remove_newer, &newest);
        return r < 0 ? kt_error_set(reterr, r, KT_E_IO, "cannot look through %s: %s", dir, strerror(-r)) : 0;
}

/* --- make --- */

struct ending {
        const char *marker;
        const char *auto_conf; /* or NULL */
};

/*
 * In the process that watches make. Of a tree in place, the configuration that make has noted is ours now;
 * its owner's next make compares times only, so ours has to look older than any .config.
 */
static void at_end(void *userdata, bool killed)
{
        static const struct timespec long_ago[2] = {{1, 0}, {1, 0}};
        const struct ending *e = userdata;

        if (!killed)
                unlink(e->marker);
        if (e->auto_conf)
                (void)utimensat(AT_FDCWD, e->auto_conf, long_ago, 0);
}

static unsigned usable_cpus(void)
{
        cpu_set_t set;

        if (sched_getaffinity(0, sizeof(set), &set) == 0)
                return (unsigned)CPU_COUNT(&set);
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        return n > 0 ? (unsigned)n : 1;
}

int compile(const struct compile *c, int64_t *ret_objects, struct json_object *details,
            struct kt_error *reterr)
{
        _cleanup_free_ char *marker = kt_path_join(c->dir, COMPILE_MARKER);
        _cleanup_free_ char *auto_conf = kt_path_join(c->dir, "include/config/auto.conf");
        _cleanup_close_ int fd = -1;
        struct ending ending = {.marker = marker, .auto_conf = c->in_place ? auto_conf : NULL};
        struct make m = {
                .dir = c->dir,
                .config = c->config,
                .target = "vmlinux",
                /* In place it would make all of it anew, and again at its owner's next make; there the
                 * configuration alone (WERROR) has to do. */
                .variable = c->in_place ? NULL : "KCFLAGS=-Wno-error",
                .jobs = c->jobs ? c->jobs : usable_cpus(),
                .estimate = c->estimate,
                .at_end = at_end,
                .userdata = &ending,
        };
        int r;

        if (!marker || !auto_conf)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        answer_stage("compile", "make -j%u vmlinux", m.jobs);
        r = remove_doubtful(c->dir, marker, reterr);
        if (r < 0)
                return r;
        fd = open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot write in %s: %s", c->dir,
                                    strerror(errno));
        return make_run(&m, ret_objects, details, reterr);
}

int compile_clean(const struct compile *c, struct json_object *details, struct kt_error *reterr)
{
        static const char *const generated[] = {"include/config", "include/generated",
                                                "arch/x86/include/generated"};
        struct make m = {.dir = c->dir, .config = c->config, .target = c->in_place ? "clean" : "mrproper"};
        int r;

        answer_stage("configure", "make %s", m.target);
        r = make_run(&m, NULL, details, reterr);
        for (size_t i = 0; r >= 0 && c->in_place && i < KT_ARRAY_SIZE(generated); i++) {
                _cleanup_free_ char *path = kt_path_join(c->dir, generated[i]);

                r = path ? kt_remove_tree(AT_FDCWD, path) : -ENOMEM;
                if (r < 0)
                        return kt_error_set(reterr, r, KT_E_IO, "cannot remove %s/%s: %s", c->dir,
                                            generated[i], strerror(-r));
        }
        return r;
}
