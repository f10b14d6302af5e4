/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "../proto/kernel_spec.h"
#include "bundle.h"
#include "kernel_choice.h"
#include "units.h"
#include "watch.h"

#define EXTRA_KCONFIG_MAX (1024U * 1024U)
#define METHOD "io.ktstrd.Kernel.Build"

enum {
        OPT_SOURCE = 256,
        OPT_GIT,
        OPT_REF,
        OPT_TARBALL,
        OPT_PACKAGE,
        OPT_TINY,
        OPT_FORCE,
        OPT_CLEAN,
        OPT_EXTRA_KCONFIG,
        OPT_JOBS,
        OPT_DETACH,
};

static const struct option options[] = {
        GLOBAL_OPTIONS,
        {"source", required_argument, NULL, OPT_SOURCE},
        {"git", required_argument, NULL, OPT_GIT},
        {"ref", required_argument, NULL, OPT_REF},
        {"tarball", required_argument, NULL, OPT_TARBALL},
        {"package", required_argument, NULL, OPT_PACKAGE},
        {"tiny", no_argument, NULL, OPT_TINY},
        {"force", no_argument, NULL, OPT_FORCE},
        {"clean", no_argument, NULL, OPT_CLEAN},
        {"extra-kconfig", required_argument, NULL, OPT_EXTRA_KCONFIG},
        {"jobs", required_argument, NULL, OPT_JOBS},
        {"detach", no_argument, NULL, OPT_DETACH},
        {"verbose", no_argument, NULL, 'v'},
        {},
};

struct wish {
        struct json_object *params;
        const char *what; /* the option that named the source; NULL: none yet */
        const char *tarball;
        bool detach, verbose;
};

/* --- what is asked for --- */

/* 0, or the exit status. */
static int take_source(struct wish *w, const char *option, const char *field, const char *value)
{
        if (w->what)
                return verb_usage_error(&verb_kernel, "%s and %s: only one kernel is built at a time",
                                        w->what, option);
        w->what = option;
        if (field)
                kt_json_add_str(w->params, field, value);
        return 0;
}

static int take_tree(struct wish *w, const char *path)
{
        _cleanup_free_ char *tree = realpath(path, NULL);
        struct stat st;

        if (!tree || stat(tree, &st) < 0 || !S_ISDIR(st.st_mode))
                return verb_usage_error(&verb_kernel, "--source: there is no folder %s", path);
        return take_source(w, "--source", "tree", tree);
}

static int take_git(struct wish *w, const char *url)
{
        _cleanup_free_ char *absolute = kernel_choice_git_url(url);

        return take_source(w, "--git", "git_url", absolute ? absolute : url);
}

static bool is_file(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A version, as against all else that names a kernel elsewhere: that is built too, and here is how. */
static int take_version(struct wish *w, const char *text)
{
        static const char *const refs[] = {
                [KERNEL_GIT_TAG] = "refs/tags/", [KERNEL_GIT_BRANCH] = "refs/heads/", [KERNEL_GIT_SHA] = ""};
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kernel_spec s;
        int r = kernel_spec_parse(text, &s, &err), status;

        if (r < 0)
                status = verb_usage_error(&verb_kernel, "%s", kt_error_text(&err));
        else if (s.kind == KERNEL_SPEC_RANGE)
                status = verb_usage_error(&verb_kernel,
                                          "build takes one version, and '%s' is a range; `ktstrctl kernel "
                                          "resolve --fetch %s` builds what is missing of it",
                                          text, text);
        else if (s.kind == KERNEL_SPEC_GIT)
                status = verb_usage_error(&verb_kernel,
                                          "'%s' is no version; of git it is `ktstrctl kernel build --git %s "
                                          "--ref %s%s`",
                                          text, s.git_url, s.git_ref_kind ? refs[s.git_ref_kind] : "",
                                          s.git_ref);
        else if (s.kind == KERNEL_SPEC_PATH || (s.kind == KERNEL_SPEC_KEY && access(text, F_OK) == 0))
                status = verb_usage_error(&verb_kernel,
                                          "'%s' is no version; %s is `ktstrctl kernel build --%s %s`", text,
                                          is_file(text) ? "a tarball" : "of a tree it",
                                          is_file(text) ? "tarball" : "source", text);
        else
                status = take_source(w, "a version", "version", text);
        kernel_spec_done(&s);
        return status;
}

/* "CONFIG_NAME=..." or "# CONFIG_NAME is not set" */
static bool sets_an_option(const char *line)
{
        const bool off = strncmp(line, "# ", 2) == 0;
        const char *name = line + (off ? 2 : 0), *end;

        if (strncmp(name, "CONFIG_", 7) != 0)
                return false;
        end = name + 7 + strspn(name + 7, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
        return end > name + 7 && (off ? strncmp(end, " is not set", 11) == 0 : *end == '=');
}

static bool is_kconfig(const char *text)
{
        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (sets_an_option(line))
                        return true;
        }
        return false;
}

static int take_extra_kconfig(struct wish *w, const char *path)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = kt_read_file(AT_FDCWD, path, EXTRA_KCONFIG_MAX, &text, &size);

        if (r < 0)
                return verb_usage_error(&verb_kernel, "--extra-kconfig: cannot read %s: %s", path,
                                        strerror(-r));
        if (strlen(text) != size)
                return verb_usage_error(&verb_kernel, "--extra-kconfig: %s is no text: it has a NUL in it",
                                        path);
        if (!is_kconfig(text))
                return verb_usage_error(&verb_kernel,
                                        "--extra-kconfig: %s sets nothing: it has no line such as "
                                        "CONFIG_NAME=y or # CONFIG_NAME is not set",
                                        path);
        kt_json_add_str(w->params, "extra_kconfig", text);
        return 0;
}

static int take_option(struct wish *w, int opt, const char *value)
{
        int64_t n;

        switch (opt) {
        case OPT_SOURCE:
                return take_tree(w, value);
        case OPT_GIT:
                return take_git(w, value);
        case OPT_REF:
                kt_json_add_str(w->params, "git_ref", value);
                return 0;
        case OPT_TARBALL:
                w->tarball = value;
                return take_source(w, "--tarball", NULL, NULL);
        case OPT_PACKAGE:
                return take_source(w, "--package", "package", value);
        case OPT_TINY:
                kt_json_add_str(w->params, "profile", "tiny");
                return 0;
        case OPT_FORCE:
                kt_json_add_bool(w->params, "force", true);
                return 0;
        case OPT_CLEAN:
                kt_json_add_bool(w->params, "clean", true);
                return 0;
        case OPT_EXTRA_KCONFIG:
                return take_extra_kconfig(w, value);
        case OPT_JOBS:
                if (parse_number(value, 1, 4096, &n) < 0)
                        return verb_usage_error(&verb_kernel, "--jobs: '%s' is no number from 1 to 4096",
                                                value);
                kt_json_add_int(w->params, "jobs", n);
                return 0;
        case OPT_DETACH:
                w->detach = true;
                return 0;
        default:
                w->verbose = true;
                return 0;
        }
}

/* -1: go on, else return this status. */
static int parse(int argc, char **argv, struct wish *w, struct globals *g)
{
        int status = 0, opt;

        while ((opt = verb_option(kernel_help("build"), argc, argv, options, g, &status)) >= 0) {
                status = take_option(w, opt, optarg);
                if (status)
                        return status;
        }
        if (opt == -2)
                return status;
        if (argc - optind > 1)
                return verb_usage_error(&verb_kernel, "build takes at most one version");
        if (optind < argc) {
                status = take_version(w, argv[optind]);
                if (status)
                        return status;
        }
        if (kt_json_get(w->params, "git_ref") && !kt_json_get(w->params, "git_url"))
                return verb_usage_error(&verb_kernel, "--ref is for --git");
        return -1;
}

static int add_tarball(struct wish *w, struct bundle *b, struct kt_error *reterr)
{
        struct json_object *o = json_object_new_object();
        int fd = open(w->tarball, O_RDONLY | O_CLOEXEC | O_NONBLOCK), index;

        kt_json_add(w->params, "tarball", o);
        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "cannot open %s: %s", w->tarball,
                                    strerror(errno));
        index = bundle_add_fd(b, fd, reterr);
        if (index < 0)
                return index;
        kt_json_add_str(o, "name", w->tarball);
        kt_json_add_int(o, "file_fd", index);
        return 0;
}

/* --- the call --- */

static const struct rpc_name names[] = {{"version", "VERSION"},
                                        {"git_url", "--git"},
                                        {"git_ref", "--ref"},
                                        {"tree", "--source"},
                                        {"tarball", "--tarball"},
                                        {"tarball.name", "--tarball"},
                                        {"tarball.file_fd", "--tarball"},
                                        {"package", "--package"},
                                        {"extra_kconfig", "--extra-kconfig"},
                                        {"jobs", "--jobs"},
                                        {}};

/* Takes params. */
static int watch_build(struct json_object *params, const struct bundle *b, bool verbose, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        struct watch w = {.verb = &verb_kernel,
                          .globals = g,
                          .verbose = verbose,
                          .build = true,
                          .cancel_on_interrupt = true};
        int status;

        if (!client_connect_or_tell(&verb_kernel, g, &rpc, &status)) {
                json_object_put(params);
                return status;
        }
        rpc.names = names;
        if (rpc_send(&rpc, METHOD, params, true, b->fds, b->n, &err) < 0)
                return client_tell(&verb_kernel, &err);
        return watch_job(&w, &rpc);
}

/* Takes params. */
static int detach_build(struct json_object *params, const struct bundle *b, const struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        _cleanup_json_ struct json_object *reply = NULL;
        bool continues;
        int status;

        kt_json_add_bool(params, "detach", true);
        if (!client_connect_or_tell(&verb_kernel, g, &rpc, &status)) {
                json_object_put(params);
                return status;
        }
        rpc.names = names;
        if (rpc_send(&rpc, METHOD, params, false, b->fds, b->n, &err) < 0 ||
            rpc_receive(&rpc, &reply, &continues, &err) < 0)
                return client_tell(&verb_kernel, &err);
        puts(g->json ? json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN |
                                                                     JSON_C_TO_STRING_NOSLASHESCAPE)
                     : kt_json_str(reply, "job"));
        return 0;
}

int kernel_build(int argc, char **argv, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(bundle_done) struct bundle b = {};
        struct wish w = {.params = json_object_new_object()};
        int status = parse(argc, argv, &w, g), r;

        if (status >= 0) {
                json_object_put(w.params);
                return status;
        }
        r = bundle_init(&b, &err);
        if (r >= 0 && w.tarball)
                r = add_tarball(&w, &b, &err);
        if (r < 0) {
                json_object_put(w.params);
                return client_tell(&verb_kernel, &err);
        }
        return w.detach ? detach_build(w.params, &b, g) : watch_build(w.params, &b, w.verbose, g);
}
