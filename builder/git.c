/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "git.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "answer.h"
#include "child.h"

#define ARGS_MAX 48
/* A fetch that brings less than 1000 bytes a second for so long ends. */
#define LOW_SPEED_S "60"
/* That what was asked for is here whole is told by this ref, which git writes last. */
#define DONE_REF "refs/ktstr/source"

static const char *const git_env[] = {
        "GIT_TERMINAL_PROMPT=0",
        "GIT_ASKPASS=true",
        "GIT_SSH_COMMAND=ssh -oBatchMode=yes",
        "GIT_ALLOW_PROTOCOL=https:http:git:ssh:file",
        "GIT_OPTIONAL_LOCKS=0",
        "GIT_LFS_SKIP_SMUDGE=1",
        NULL,
};

static bool is_hash(const char *s)
{
        return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40;
}

struct talk {
        char *said; /* the last line that tells why it failed */
        char *data; /* lines of data, when they are asked for; each with its \n */
        size_t size;
        bool wants_data, shows;
        const char *const *counted; /* what of its progress is ours too, or NULL */
};

static void talk_done(struct talk *t)
{
        free(t->said);
        free(t->data);
}

/* A fetch of less than a hundred objects unpacks them as they come. */
static const char *const fetching[] = {"Receiving objects:", "Unpacking objects:", NULL};
static const char *const checking_out[] = {"Updating files:", NULL};

/* "Receiving objects:  45% (4500/10000), 12.00 MiB" */
static void take_progress(struct talk *t, const char *line)
{
        const char *bracket = strchr(line, '(');
        long long done, total;

        if (!bracket || sscanf(bracket, "(%lld/%lld)", &done, &total) != 2 || done < 0 || total < done)
                return;
        for (const char *const *name = t->counted; *name; name++)
                if (strncmp(line, *name, strlen(*name)) == 0)
                        answer_progress(done, total, "objects", NULL);
}

static bool is_trouble(const char *line)
{
        return strncmp(line, "fatal: ", 7) == 0 || strncmp(line, "error: ", 7) == 0 ||
               strncmp(line, "ssh: ", 5) == 0;
}

static void on_line(void *userdata, const char *line, bool replaced)
{
        struct talk *t = userdata;
        size_t len = strlen(line);

        if (t->counted)
                take_progress(t, line);
        if (t->shows && !replaced && len > 0)
                answer_log_line(line);
        if (t->wants_data && t->size < 1 << 20) {
                char *grown = realloc(t->data, t->size + len + 2);

                if (grown) {
                        memcpy(grown + t->size, line, len);
                        memcpy(grown + t->size + len, "\n", 2);
                        t->data = grown;
                        t->size += len + 1;
                }
        }
        /* The first that git itself calls so; before that, whatever it says last. */
        if (len > 0 && (!t->said || !is_trouble(t->said))) {
                char *copy = strdup(line);

                if (copy) {
                        free(t->said);
                        t->said = copy;
                }
        }
}

/* Returns git's exit status, or -errno. dir NULL: no repository. */
static int run_git(struct talk *t, const char *dir, const char *const *args, struct kt_error *reterr)
{
        const char *argv[ARGS_MAX] = {"git",
                                      "-c",
                                      "safe.directory=*",
                                      "-c",
                                      "core.fsmonitor=false",
                                      "-c",
                                      "gc.auto=0",
                                      "-c",
                                      "maintenance.auto=false",
                                      "-c",
                                      "advice.detachedHead=false",
                                      "-c",
                                      "http.lowSpeedLimit=1000",
                                      "-c",
                                      "http.lowSpeedTime=" LOW_SPEED_S};
        struct child c = {
                .argv = argv, .env = git_env, .dir = dir ? dir : "/", .on_line = on_line, .userdata = t};
        size_t n = 0;

        while (argv[n])
                n++;
        for (; *args; args++) {
                assert(n < ARGS_MAX - 1);
                argv[n++] = *args;
        }
        if (!child_find("git"))
                return kt_error_set(reterr, -ENOENT, KT_E_IO,
                                    "git is not installed; install the package git");
        return child_run(&c, reterr);
}

#define git(t, dir, reterr, ...) run_git(t, dir, (const char *const[]){__VA_ARGS__, NULL}, reterr)

/* What git complains of, without its beginning. */
static const char *words(const struct talk *t)
{
        if (!t->said)
                return "git says nothing";
        return is_trouble(t->said) ? strchr(t->said, ' ') + 1 : t->said;
}

/* How near a full name is to the one that was asked for, as git itself looks names up; 0: it is another. */
static unsigned rank(const char *name, const char *ref)
{
        static const char *const before[] = {"", "refs/", "refs/tags/", "refs/heads/"};
        size_t len = strlen(name);

        if (len > 3 && strcmp(name + len - 3, "^{}") == 0)
                len -= 3;
        for (unsigned i = 0; i < KT_ARRAY_SIZE(before); i++) {
                size_t n = strlen(before[i]);

                if (len == n + strlen(ref) && strncmp(name, before[i], n) == 0 &&
                    strncmp(name + n, ref, len - n) == 0)
                        return KT_ARRAY_SIZE(before) - i;
        }
        return 0;
}

/* The best of the lines "HASH\tNAME". A tag's commit ("NAME^{}") comes after the tag, and counts. */
static int choose(char *data, const char *ref, char ret_hash[static GIT_HASH_SIZE], char **ret_name)
{
        unsigned best = 0;
        char *save = NULL;

        for (char *line = strtok_r(data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char *name = strchr(line, '\t');
                unsigned nearness;

                if (!name)
                        continue;
                *name++ = '\0';
                nearness = is_hash(line) ? rank(name, ref) : 0;
                if (nearness == 0 || nearness < best)
                        continue;
                best = nearness;
                memcpy(ret_hash, line, GIT_HASH_SIZE);
                free(*ret_name);
                *ret_name = strndup(name, strlen(name) - (strstr(name, "^{}") ? 3 : 0));
                if (!*ret_name)
                        return -ENOMEM;
        }
        return best > 0 ? 0 : -ENOENT;
}

int git_resolve(const char *url, const char *ref, char ret_hash[static GIT_HASH_SIZE], char **ret_name,
                struct kt_error *reterr)
{
        _cleanup_(talk_done) struct talk t = {.wants_data = true};
        _cleanup_free_ char *peeled = kt_format("%s^{}", ref), *name = NULL;
        int r;

        if (!peeled)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        /* A commit says itself which it is; whether they have it, the fetch will tell. */
        if (is_hash(ref)) {
                *ret_name = strdup(ref);
                memcpy(ret_hash, ref, GIT_HASH_SIZE);
                return *ret_name ? 0 : kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        r = git(&t, NULL, reterr, "ls-remote", "--", url, ref, peeled);
        if (r < 0)
                return r;
        if (r > 0)
                return kt_error_set(reterr, -EIO, KT_E_DOWNLOAD, "cannot ask %s for %s: %s", url, ref,
                                    words(&t));
        r = t.data ? choose(t.data, ref, ret_hash, &name) : -ENOENT;
        if (r == -ENOENT)
                return kt_error_set(reterr, r, KT_E_DOWNLOAD,
                                    "%s has no branch or tag '%s'; a commit must be named by all of its 40 "
                                    "digits",
                                    url, ref);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory");
        *ret_name = TAKE_PTR(name);
        return 0;
}

/* What a git that was killed leaves, and the next would trip over. */
static void remove_locks(const char *dir)
{
        _cleanup_free_ char *path = kt_path_join(dir, ".git");
        _cleanup_closedir_ DIR *d = path ? opendir(path) : NULL;
        struct dirent *e;

        while (d && (e = readdir(d))) {
                size_t len = strlen(e->d_name);

                if (len > 5 && strcmp(e->d_name + len - 5, ".lock") == 0)
                        unlinkat(dirfd(d), e->d_name, 0);
        }
}

static void remove_done_ref(const char *dir)
{
        _cleanup_free_ char *refs = kt_path_join(dir, ".git/refs/ktstr");

        if (refs)
                (void)kt_remove_tree(AT_FDCWD, refs);
}

static bool is_here(const char *dir, const char *hash)
{
        _cleanup_(talk_done) struct talk t = {.wants_data = true};
        int r = git(&t, dir, NULL, "rev-parse", "--verify", "--quiet", DONE_REF "^{commit}");

        return r == 0 && t.data && strncmp(t.data, hash, 40) == 0;
}

static int fetch_one(const char *url, const char *name, const char *dir, struct talk *t,
                     struct kt_error *reterr)
{
        _cleanup_free_ char *spec = kt_format("+%s:" DONE_REF, name);

        if (!spec)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return git(t, dir, reterr, "fetch", "--progress", "--depth", "1", "--no-tags",
                   "--no-recurse-submodules", "--no-write-fetch-head", "--", url, spec);
}

static int fetch(const char *url, const char *name, const char *hash, const char *dir,
                 struct kt_error *reterr)
{
        _cleanup_(talk_done) struct talk t = {.shows = true, .counted = fetching};
        _cleanup_(talk_done) struct talk again = {.shows = true, .counted = fetching};
        int r = fetch_one(url, name, dir, &t, reterr);

        if (r < 0)
                return r;
        if (r > 0)
                return kt_error_set(reterr, -EIO, KT_E_DOWNLOAD, "cannot fetch %s from %s: %s", name, url,
                                    words(&t));
        if (is_here(dir, hash))
                return 0;
        /* The branch has moved since we asked what it is. */
        r = fetch_one(url, hash, dir, &again, reterr);
        if (r < 0)
                return r;
        if (r > 0 || !is_here(dir, hash))
                return kt_error_set(
                        reterr, -EAGAIN, KT_E_DOWNLOAD,
                        "%s of %s is no longer %.12s, and that alone cannot be had: %s; try again", name,
                        url, hash, r > 0 ? words(&again) : "another came");
        return 0;
}

int git_fetch(const char *url, const char *name, const char *hash, const char *dir, struct kt_error *reterr)
{
        _cleanup_(talk_done) struct talk init = {0}, checkout = {.shows = true, .counted = checking_out};
        int r;

        answer_stage("clone", "%s %s", url, name);
        r = kt_mkdir_p(AT_FDCWD, dir, 0755);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot make %s: %s", dir, strerror(-r));
        remove_locks(dir);
        r = git(&init, dir, reterr, "init", "--quiet", "--initial-branch", "ktstr");
        if (r < 0)
                return r;
        if (r > 0)
                return kt_error_set(reterr, -EIO, KT_E_IO, "cannot make a repository in %s: %s", dir,
                                    words(&init));
        if (!is_here(dir, hash)) {
                remove_done_ref(dir);
                r = fetch(url, name, hash, dir, reterr);
                if (r < 0)
                        return r;
        }
        answer_stage("clone", "checking out %.12s", hash);
        r = git(&checkout, dir, reterr, "checkout", "--progress", "--force", "--detach", hash);
        if (r < 0)
                return r;
        if (r > 0)
                return kt_error_set(reterr, -EIO, KT_E_DOWNLOAD, "cannot check out %.12s of %s: %s", hash,
                                    url, words(&checkout));
        return 0;
}

/* The first line of what git said that is of this kind, ended: it may have warned of something before. */
static char *first_line(struct talk *t, bool (*is)(const char *line))
{
        char *save = NULL, *line = t->data ? strtok_r(t->data, "\n", &save) : NULL;

        while (line && !is(line))
                line = strtok_r(NULL, "\n", &save);
        return line;
}

static bool is_path(const char *line)
{
        return line[0] == '/';
}

/* " M kernel/sched/ext.c" */
static bool is_change(const char *line)
{
        return strlen(line) > 3 && line[2] == ' ';
}

/* Is dir the top of what git says is its working tree? */
static bool is_top(const char *dir, const char *top)
{
        struct stat a, b;

        return top && stat(dir, &a) == 0 && stat(top, &b) == 0 && a.st_dev == b.st_dev &&
               a.st_ino == b.st_ino;
}

int git_state(const char *dir, char ret_hash[static GIT_HASH_SIZE], bool *ret_dirty, struct kt_error *reterr)
{
        _cleanup_(talk_done) struct talk top = {.wants_data = true}, head = {.wants_data = true};
        _cleanup_(talk_done) struct talk status = {.wants_data = true};
        const char *hash;
        int r;

        ret_hash[0] = '\0';
        *ret_dirty = false;
        /* Without git nobody can say; with a tree that is none, nobody has to. */
        if (!child_find("git")) {
                _cleanup_free_ char *path = kt_path_join(dir, ".git");

                if (path && access(path, F_OK) == 0)
                        answer_warning("git is not installed: which commit %s is cannot be told", dir);
                return 0;
        }
        r = git(&top, dir, reterr, "rev-parse", "--show-toplevel");
        if (r < 0)
                return r;
        if (r > 0 || !is_top(dir, first_line(&top, is_path)))
                return 0;
        r = git(&head, dir, reterr, "rev-parse", "--verify", "--quiet", "HEAD^{commit}");
        if (r < 0)
                return r;
        hash = first_line(&head, is_hash);
        if (r > 0 || !hash)
                return 0;
        r = git(&status, dir, reterr, "status", "--porcelain", "--untracked-files=no",
                "--ignore-submodules=all");
        if (r < 0)
                return r;
        if (r > 0)
                return kt_error_set(reterr, -EIO, KT_E_IO, "git cannot tell the state of %s: %s", dir,
                                    words(&status));
        memcpy(ret_hash, hash, GIT_HASH_SIZE);
        *ret_dirty = first_line(&status, is_change) != NULL;
        return 0;
}
