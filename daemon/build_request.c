/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build_request.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "build_spec.h"
#include "builds.h"
#include "call.h"
#include "kernel.h"
#include "server.h"
#include "subscription.h"

#define EXTRA_KCONFIG_MAX (1024U * 1024U)
#define JOBS_MAX 4096
#define TEXT_MAX 4096U

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static int bad(const char *field, const char *value, const char *what, struct kt_error *reterr)
{
        return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, field, "'%.128s' is %s", value,
                                  what);
}

static int copy(const char *text, char **ret, struct kt_error *reterr)
{
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? oom(reterr) : 0;
}

/* One word that no program takes for an option. */
static bool is_word(const char *text)
{
        if (!*text || *text == '-' || strlen(text) > TEXT_MAX)
                return false;
        for (; *text; text++)
                if ((unsigned char)*text <= ' ' || *text == 0x7f)
                        return false;
        return true;
}

/* "ext::sh -c …" and the like are programs in disguise. */
static bool is_git_url(const char *url)
{
        const char *colons = strstr(url, "::");

        return is_word(url) && !(colons && strcspn(url, "/@:") == (size_t)(colons - url));
}

static bool is_package(const char *name)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789+.-";

        return *name && strspn(name, allowed) == strlen(name) && strlen(name) <= 128 && *name != '-' &&
               *name != '.' && *name != '+';
}

static void strip_slashes(char *text)
{
        for (size_t n = strlen(text); n > 1 && text[n - 1] == '/'; n--)
                text[n - 1] = '\0';
}

static int take_version(struct call *call, struct build_spec *spec, struct kt_error *reterr)
{
        const char *version = kt_json_str(call->parameters, "version");

        /* As the tags have it. */
        if (version && *version == 'v')
                version++;
        if (version && !kernel_version_is(version))
                return bad("version", version, "no version like 6.14.2, 6.15-rc3 or 6.12", reterr);
        return copy(version, &spec->version, reterr);
}

static int take_tarball(struct call *call, struct build_spec *spec, struct kt_error *reterr)
{
        struct json_object *o = kt_json_get(call->parameters, "tarball");
        const char *path = kt_json_str(o, "path"), *name = kt_json_str(o, "name");
        bool has_fd = kt_json_get(o, "file_fd") != NULL;
        int r;

        if ((path != NULL) == has_fd || (path && path[0] != '/'))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "tarball",
                                          "a tarball needs either an absolute path or file_fd");
        if (!*name || strlen(name) > TEXT_MAX)
                return bad("tarball.name", name, "no name", reterr);
        r = copy(name, &spec->tarball_name, reterr);
        if (r >= 0)
                r = copy(path, &spec->tarball_path, reterr);
        if (r >= 0 && has_fd)
                r = call_take_fd(call, kt_json_int(o, "file_fd", -1), "tarball.file_fd", &spec->tarball_fd,
                                 reterr);
        return r;
}

static int take_package(struct call *call, struct build_spec *spec, struct kt_error *reterr)
{
        const char *name = kt_json_str(call->parameters, "package");

        return is_package(name) ? copy(name, &spec->package, reterr)
                                : bad("package", name, "no name of a package", reterr);
}

static int take_git(struct call *call, struct build_spec *spec, struct kt_error *reterr)
{
        const char *url = kt_json_str(call->parameters, "git_url"),
                   *ref = kt_json_str(call->parameters, "git_ref") ?: "HEAD";
        int r;

        if (!is_git_url(url))
                return bad("git_url", url, "no URL that git could fetch from", reterr);
        if (!is_word(ref))
                return bad("git_ref", ref, "no name of a branch, a tag or a commit", reterr);
        r = copy(url, &spec->git_url, reterr);
        if (r >= 0)
                strip_slashes(spec->git_url);
        return r < 0 ? r : copy(ref, &spec->git_ref, reterr);
}

static int take_tree(struct call *call, struct build_spec *spec, struct kt_error *reterr)
{
        const char *tree = kt_json_str(call->parameters, "tree");
        int r;

        if (tree[0] != '/' || strlen(tree) > TEXT_MAX)
                return bad("tree", tree, "no absolute path", reterr);
        if (geteuid() != 0 && call->uid != geteuid())
                return kt_error_set(reterr, -EPERM, KT_E_PERMISSION_DENIED,
                                    "this daemon runs as uid %u and cannot build in a tree for uid %u",
                                    (unsigned)geteuid(), (unsigned)call->uid);
        r = copy(tree, &spec->tree, reterr);
        if (r >= 0)
                strip_slashes(spec->tree);
        return r;
}

static int take_source(struct call *call, struct build_spec *spec, struct kt_error *reterr)
{
        static const struct {
                const char *field;
                int (*take)(struct call *call, struct build_spec *spec, struct kt_error *reterr);
                enum build_source source;
        } sources[] = {{"version", take_version, BUILD_VERSION},
                       {"tarball", take_tarball, BUILD_TARBALL},
                       {"package", take_package, BUILD_PACKAGE},
                       {"git_url", take_git, BUILD_GIT},
                       {"tree", take_tree, BUILD_TREE}};
        size_t found = 0, n = 0;

        for (size_t i = 0; i < KT_ARRAY_SIZE(sources); i++)
                if (kt_json_get(call->parameters, sources[i].field)) {
                        found = i;
                        n++;
                }
        if (n > 1)
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, sources[found].field,
                                          "only one of version, tarball, package, git_url and tree can be "
                                          "built");
        if (kt_json_get(call->parameters, "git_ref") && !kt_json_get(call->parameters, "git_url"))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "git_ref",
                                          "git_ref is of no use without git_url");
        spec->source = sources[found].source;
        return sources[found].take(call, spec, reterr);
}

static int take_rest(struct call *call, struct build_spec *spec, struct kt_error *reterr)
{
        const char *profile = kt_json_str(call->parameters, "profile"),
                   *extra = kt_json_str(call->parameters, "extra_kconfig");
        int64_t jobs = kt_json_int(call->parameters, "jobs", 0);

        if (profile && kconfig_profile_from(profile, &spec->profile) < 0)
                return bad("profile", profile, "no profile", reterr);
        if (extra && strlen(extra) > EXTRA_KCONFIG_MAX)
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "extra_kconfig",
                                          "a configuration of %zu bytes is too long; at most %u are taken",
                                          strlen(extra), EXTRA_KCONFIG_MAX);
        if (jobs < 0 || jobs > JOBS_MAX)
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "jobs",
                                          "jobs is from 0 to %d, not %lld", JOBS_MAX, (long long)jobs);
        spec->jobs = (unsigned)jobs;
        spec->force = kt_json_bool(call->parameters, "force", false);
        spec->clean = kt_json_bool(call->parameters, "clean", false);
        return extra && *extra ? copy(extra, &spec->extra_kconfig, reterr) : 0;
}

void build_request(struct call *call)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct server *s = call->server;
        struct build_spec *spec = build_spec_new();
        struct job *job;
        int r = spec ? take_source(call, spec, &err) : oom(&err);

        if (r >= 0)
                r = take_rest(call, spec, &err);
        if (r < 0) {
                build_spec_free(spec);
                call_fail(call, &err);
                return;
        }
        if (builds_submit(s, spec, call->uid, call->gid, &job, &err) < 0) {
                call_fail(call, &err);
                return;
        }
        subscription_begin(call, job);
        builds_pump(s); /* the call may be gone by now */
}
