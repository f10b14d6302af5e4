/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/sha256.h"
#include "../kconfig/kconfig.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "answer.h"
#include "build_tools.h"
#include "compile.h"
#include "configure.h"
#include "git.h"
#include "makefile_version.h"
#include "request.h"
#include "source.h"
#include "tree.h"
#include "version.h"

/* In work: which source is in source/, and is it there whole? "half" or "whole", and what it is. */
#define STATE_FILE "source.state"
#define STATE_MAX 8192
#define FILE_MAX (4U << 20)

static const struct {
        int64_t objects;     /* about so many, of 6.12 */
        uint64_t disk_bytes; /* source, objects, vmlinux three times */
} expected[_KCONFIG_PROFILE_MAX] = {
        [KCONFIG_DEFAULT] = {2900, 6ULL << 30},
        [KCONFIG_TINY] = {1850, 3ULL << 30},
};

struct build {
        struct request q;
        struct net net;
        int work_fd; /* locked */
        int tree_fd; /* of a tree in place: locked */

        /* What will be built. */
        char *name, *version, *identity;
        char *sha256;             /* of a tarball that is no release of kernel.org's, or of a package */
        char hash[GIT_HASH_SIZE]; /* of git */
        char *git_name;
        struct tree tree; /* of one in place, as it was before */
        char *why;        /* it may not be kept; NULL: it may */

        char *dir, *config; /* where it is built; its configuration */
        char *config_text;
        int64_t objects;
        struct json_object *details;
};

static void build_done(struct build *b)
{
        kt_closep(&b->work_fd);
        kt_closep(&b->tree_fd);
        free(b->name);
        free(b->version);
        free(b->identity);
        free(b->sha256);
        free(b->git_name);
        free(b->why);
        free(b->dir);
        free(b->config);
        free(b->config_text);
        tree_done(&b->tree);
        json_object_put(b->details);
}

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* --- the folder that is ours --- */

/* The kernel's make has them in rules and hands them to shells. */
static int check_work(const char *work, struct kt_error *reterr)
{
        const char *bad = strpbrk(work, " \t\n:%$#'\"`\\;&|<>()*?![]{}");

        return bad ? kt_error_set(reterr, -EINVAL, KT_E_IO,
                                  "cannot build in %s: the kernel's make does not do with '%c' in a path; "
                                  "CacheDir= in ktstrd.conf or KTSTR_CACHE_DIR names another folder",
                                  work, *bad)
                   : 0;
}

/* One helper at a time is in it. What is left of one that was killed has it until nothing of that runs. */
static int open_work(struct build *b, struct kt_error *reterr)
{
        int r = check_work(b->q.work, reterr);

        if (r < 0)
                return r;
        r = kt_mkdir_p(AT_FDCWD, b->q.work, 0755);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot make %s: %s", b->q.work, strerror(-r));
        r = tree_lock(b->q.work, &b->work_fd, reterr);
        if (r < 0)
                return r;
        b->dir = b->q.kind == SOURCE_TREE ? strdup(b->q.path) : kt_path_join(b->q.work, "source");
        b->config = kt_path_join(b->q.work, "config");
        return b->dir && b->config ? 0 : oom(reterr);
}

static int write_state(struct build *b, const char *state, struct kt_error *reterr)
{
        _cleanup_free_ char *text = kt_format("%s %s\n", state, b->identity);
        int r;

        if (!text)
                return oom(reterr);
        r = kt_publish_file(b->work_fd, STATE_FILE, text, strlen(text), 0644);
        return r < 0 ? kt_error_set(reterr, r, KT_E_IO, "cannot write %s/" STATE_FILE ": %s", b->q.work,
                                    strerror(-r))
                     : 0;
}

static bool is_state(struct build *b, const char *text, const char *state)
{
        size_t len = strlen(state), n = strlen(b->identity);

        return strncmp(text, state, len) == 0 && text[len] == ' ' &&
               strncmp(text + len + 1, b->identity, n) == 0 && strcmp(text + len + 1 + n, "\n") == 0;
}

/* Whether the source is there whole from an earlier time. Of another source nothing stays. */
static int go_on_with_state(struct build *b, bool *ret_whole, struct kt_error *reterr)
{
        _cleanup_free_ char *text = NULL;
        int r = kt_read_file(b->work_fd, STATE_FILE, STATE_MAX, &text, NULL);

        *ret_whole = r >= 0 && is_state(b, text, "whole") && access(b->dir, F_OK) == 0;
        if (*ret_whole)
                return 0;
        if (r < 0 || !is_state(b, text, "half")) {
                r = kt_remove_tree(AT_FDCWD, b->dir);
                if (r < 0)
                        return kt_error_set(reterr, r, KT_E_IO, "cannot remove %s: %s", b->dir,
                                            strerror(-r));
        }
        return write_state(b, "half", reterr);
}

/* --- what will be built --- */

static int plan_version(struct build *b, struct kt_error *reterr)
{
        int r = net_check_keyring(&b->net, reterr);

        if (r >= 0)
                r = release_resolve(&b->net, b->q.version, &b->version, reterr);
        if (r < 0)
                return r;
        b->name = kt_format("linux-%s", b->version);
        b->identity = kt_format("release %s", b->version);
        return b->name && b->identity ? 0 : oom(reterr);
}

static int plan_tarball(struct build *b, struct kt_error *reterr)
{
        _cleanup_close_ int fd = open(b->q.path, O_RDONLY | O_CLOEXEC);
        char hex[KT_SHA256_HEX_SIZE];
        int r = fd < 0 ? -errno : kt_sha256_fd(fd, hex);

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s: %s", b->q.name, strerror(-r));
        r = tarball_version(b->q.path, b->q.name, &b->version, reterr);
        if (r < 0)
                return r;
        b->name = strdup(b->q.name);
        b->sha256 = strdup(hex);
        b->identity = kt_format("tarball %s", hex);
        return b->name && b->sha256 && b->identity ? 0 : oom(reterr);
}

static int plan_package(struct build *b, struct kt_error *reterr)
{
        struct source s = {0};
        int r = package_find(b->q.name, &s, reterr);

        if (r < 0)
                return r;
        b->version = TAKE_PTR(s.version);
        b->name = TAKE_PTR(s.name);
        b->sha256 = TAKE_PTR(s.source_sha256);
        source_done(&s);
        b->identity = kt_format("package %s %s", b->name, b->sha256 ? b->sha256 : "");
        return b->identity ? 0 : oom(reterr);
}

static int plan_git(struct build *b, struct kt_error *reterr)
{
        int r = git_resolve(b->q.url, b->q.ref, b->hash, &b->git_name, reterr);

        if (r < 0)
                return r;
        b->name = kt_format("%s %s", b->q.url, b->q.ref);
        b->identity = kt_format("git %s", b->hash);
        return b->name && b->identity ? 0 : oom(reterr);
}

static int plan_tree(struct build *b, struct kt_error *reterr)
{
        int r = tree_lock(b->q.path, &b->tree_fd, reterr);

        if (r >= 0)
                r = tree_look(b->q.path, &b->tree, reterr);
        if (r < 0)
                return r;
        /* Where the profile begins elsewhere its own configuration is nobody's concern. */
        if (b->q.profile != KCONFIG_DEFAULT)
                b->tree.own_config[0] = '\0';
        memcpy(b->hash, b->tree.git_hash, sizeof(b->hash));
        b->why = tree_why_uncacheable(b->q.path, &b->tree, &b->tree);
        b->version = strdup(b->tree.version);
        b->name = strdup(b->q.path);
        return b->version && b->name ? 0 : oom(reterr);
}

static int plan(struct build *b, struct kt_error *reterr)
{
        answer_stage("resolve", NULL);
        switch (b->q.kind) {
        case SOURCE_VERSION:
                return plan_version(b, reterr);
        case SOURCE_TARBALL:
                return plan_tarball(b, reterr);
        case SOURCE_PACKAGE:
                return plan_package(b, reterr);
        case SOURCE_GIT:
                return plan_git(b, reterr);
        default:
                return plan_tree(b, reterr);
        }
}

static const char *or_null(const char *s)
{
        return s[0] ? s : NULL;
}

static void add_cacheable(const struct build *b, struct json_object *o)
{
        kt_json_add_bool(o, "cacheable", !b->why);
        kt_json_add_str(o, "why", b->why);
}

static void answer_plan(const struct build *b)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "source",
                        b->q.kind == SOURCE_TREE  ? "local"
                        : b->q.kind == SOURCE_GIT ? "git"
                                                  : "tarball");
        kt_json_add_str(o, "version", b->version);
        kt_json_add_str(o, "name", b->name);
        kt_json_add_str(o, "url", b->q.url);
        kt_json_add_str(o, "ref", b->q.ref);
        kt_json_add_str(o, "git_hash", or_null(b->hash));
        kt_json_add_str(o, "tree_path", b->q.kind == SOURCE_TREE ? b->q.path : NULL);
        kt_json_add_str(o, "source_sha256", b->sha256);
        kt_json_add_str(o, "own_config", or_null(b->tree.own_config));
        add_cacheable(b, o);
        answer("plan", o);
}

/* 1: "go"; 0: "stop", or whoever asked is gone. */
static int wait_for_word(struct kt_error *reterr)
{
        char word[16];
        size_t n = 0;

        for (;;) {
                ssize_t got = read(STDIN_FILENO, word + n, 1);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got <= 0)
                        return 0;
                if (word[n] == '\n' || n == sizeof(word) - 2)
                        break;
                n++;
        }
        word[n] = '\0';
        if (strcmp(word, "go") == 0)
                return 1;
        if (strcmp(word, "stop") == 0)
                return 0;
        return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                            "after the plan 'go' or 'stop' is expected, not '%s'", word);
}

/* --- its source --- */

static void warn_of_disk(const struct build *b)
{
        uint64_t needed = expected[b->q.profile].disk_bytes, free_bytes;
        const char *where = b->q.kind == SOURCE_TREE ? b->dir : b->q.work;
        struct statvfs st;

        if (statvfs(where, &st) < 0)
                return;
        free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
        if (free_bytes < needed)
                answer_warning("%s has %.1f GiB free, and building may take %.0f GiB", where,
                               (double)free_bytes / (1 << 30), (double)needed / (1 << 30));
}

static int fetch_tarball(struct build *b, struct source *s, struct kt_error *reterr)
{
        if (b->q.kind == SOURCE_VERSION)
                return release_fetch(&b->net, b->version, b->q.work, s, reterr);
        if (b->q.kind == SOURCE_PACKAGE)
                return package_fetch(b->q.name, b->q.work, s, reterr);
        s->tarball = strdup(b->q.path);
        return s->tarball ? 0 : oom(reterr);
}

static int read_version(const struct build *b, char **ret, struct kt_error *reterr)
{
        _cleanup_free_ char *path = kt_path_join(b->dir, "Makefile"), *text = NULL;
        int r = path ? kt_read_file(AT_FDCWD, path, FILE_MAX, &text, NULL) : -ENOMEM;

        if (r >= 0)
                r = makefile_version(text, ret);
        return r < 0 ? kt_error_set(reterr, r, KT_E_BAD_KERNEL,
                                    "%s is no kernel source: its Makefile says no version", b->name)
                     : 0;
}

/* A mirror may have put another file in its place, sums and all; under the version that was asked for it
 * would be kept and found. */
static int check_release(const struct build *b, const struct source *s, struct kt_error *reterr)
{
        _cleanup_free_ char *says = NULL;
        struct version is = {}, wanted = {};
        int r = read_version(b, &says, reterr);

        if (r < 0)
                return r;
        if (version_parse(says, &is) && version_parse(b->version, &wanted) &&
            version_compare(&is, &wanted) == 0)
                return 0;
        (void)unlink(s->tarball);
        (void)kt_remove_tree(AT_FDCWD, b->dir);
        return kt_error_set(
                reterr, -EBADMSG, KT_E_DOWNLOAD,
                "%s: its Makefile says that it is %s, and not %s; %s in ktstrd.conf names another "
                "mirror",
                s->url, says, b->version, wanted.rc ? "KernelCandidates=" : "KernelMirror=");
}

static int get_source(struct build *b, struct kt_error *reterr)
{
        struct source s = {0};
        bool whole;
        int r;

        if (b->q.kind == SOURCE_TREE)
                return 0;
        r = go_on_with_state(b, &whole, reterr);
        if (r < 0)
                return r;
        if (whole) {
                answer_note("going on with the source in %s", b->dir);
                return 0;
        }
        if (b->q.kind == SOURCE_GIT) {
                r = git_fetch(b->q.url, b->git_name, b->hash, b->dir, reterr);
        } else {
                r = fetch_tarball(b, &s, reterr);
                if (r >= 0)
                        r = tarball_unpack(s.tarball, b->name, b->dir, reterr);
                if (r >= 0 && b->q.kind == SOURCE_VERSION)
                        r = check_release(b, &s, reterr);
                source_done(&s);
        }
        return r < 0 ? r : write_state(b, "whole", reterr);
}

/* Of git nobody knew the version before. */
static int check_source(struct build *b, struct kt_error *reterr)
{
        char *version = NULL;
        int r = read_version(b, &version, reterr);

        if (r < 0)
                return r;
        free(b->version);
        b->version = version;
        return 0;
}

/* --- building it --- */

static int configure_and_compile(struct build *b, struct kt_error *reterr)
{
        struct compile compiling = {
                .dir = b->dir,
                .config = b->config,
                .in_place = b->q.kind == SOURCE_TREE,
                .jobs = b->q.jobs,
                .estimate = b->q.objects > 0 ? b->q.objects : expected[b->q.profile].objects,
        };
        struct configure configuring = {
                .dir = b->dir,
                .config = b->config,
                .version = b->version,
                .profile = b->q.profile,
                .own_config = b->q.kind == SOURCE_TREE,
                .extra = b->q.extra_kconfig,
        };
        int r = b->q.clean ? compile_clean(&compiling, b->details, reterr) : 0;

        if (r >= 0)
                r = configure(&configuring, &b->config_text, b->details, reterr);
        if (r >= 0)
                r = build_tools_check_config(b->config_text, reterr);
        return r < 0 ? r : compile(&compiling, &b->objects, b->details, reterr);
}

/* Is a tree in place still what it was? */
static int look_again(struct build *b, struct kt_error *reterr)
{
        _cleanup_(tree_done) struct tree after = {0};
        int r;

        if (b->q.kind != SOURCE_TREE || b->why)
                return 0;
        r = tree_look(b->dir, &after, reterr);
        if (r < 0)
                return r;
        if (b->q.profile != KCONFIG_DEFAULT)
                after.own_config[0] = '\0';
        b->why = tree_why_uncacheable(b->dir, &b->tree, &after);
        if (b->why)
                answer_warning("%s: it is not kept", b->why);
        return 0;
}

static int answer_result(const struct build *b, struct kt_error *reterr)
{
        _cleanup_free_ char *release_path = kt_path_join(b->dir, "include/config/kernel.release");
        _cleanup_free_ char *image = kt_path_join(b->dir, "vmlinux"), *release = NULL;
        char config_hash[KCONFIG_HASH_SIZE];
        struct json_object *o;
        int r;

        if (!release_path || !image)
                return oom(reterr);
        if (access(image, R_OK) < 0)
                return kt_error_set(reterr, -errno, KT_E_BUILD, "make succeeded, and there is no %s: %s",
                                    image, strerror(errno));
        r = kt_read_file(AT_FDCWD, release_path, 4096, &release, NULL);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s: %s", release_path, strerror(-r));
        release[strcspn(release, "\n")] = '\0';
        kconfig_hash_text(b->config_text, strlen(b->config_text), config_hash);
        o = json_object_new_object();
        kt_json_add_str(o, "tree", b->dir);
        kt_json_add_str(o, "config", b->config);
        kt_json_add_str(o, "config_hash", config_hash);
        kt_json_add_str(o, "version", b->version);
        kt_json_add_str(o, "release", release);
        add_cacheable(b, o);
        kt_json_add_int(o, "objects", b->objects);
        answer("result", o);
        return 0;
}

static int build(struct build *b, struct json_object *request, struct kt_error *reterr)
{
        int r = request_parse(request, &b->q, reterr);

        if (r >= 0 && b->q.kind == SOURCE_VERSION)
                r = net_parse(request, &b->net, reterr);
        if (r >= 0)
                r = open_work(b, reterr);
        if (r >= 0)
                r = plan(b, reterr);
        if (r < 0)
                return r;
        answer_plan(b);
        r = wait_for_word(reterr);
        if (r <= 0)
                return r;
        r = build_tools_check(reterr);
        if (r < 0)
                return r;
        warn_of_disk(b);
        r = get_source(b, reterr);
        if (r >= 0)
                r = check_source(b, reterr);
        if (r >= 0)
                r = configure_and_compile(b, reterr);
        if (r >= 0)
                r = look_again(b, reterr);
        return r < 0 ? r : answer_result(b, reterr);
}

int command_build(struct json_object *request)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(build_done) struct build b = {
                .work_fd = -1, .tree_fd = -1, .details = json_object_new_array()};

        if (build(&b, request, &err) < 0)
                return answer_error(&err, TAKE_PTR(b.details));
        return 0;
}
