/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../common/sha256.h"
#include "../proto/errors.h"
#include "answer.h"
#include "releases.h"
#include "sums.h"
#include "version.h"

/* A release on its way: what is at `path` was checked, what is at `unchecked` came whole. */
struct release {
        const struct net *net;
        const char *spec; /* as it was asked for */
        struct version version;
        char *file, *url, *path, *unchecked;
};

static void release_done(struct release *r)
{
        free(r->file);
        free(r->url);
        free(r->path);
        free(r->unchecked);
}

void source_done(struct source *s)
{
        free(s->tarball);
        free(s->version);
        free(s->name);
        free(s->url);
        free(s->source_sha256);
        *s = (struct source){};
}

static int release_init(struct release *r, const char *work, struct kt_error *reterr)
{
        char text[VERSION_TEXT_MAX];

        if (!version_parse(r->spec, &r->version))
                return kt_error_set(reterr, -EINVAL, KT_E_NO_SUCH_KERNEL, "'%s' is no version of a kernel",
                                    r->spec);
        version_text(&r->version, text);
        r->file = kt_format("linux-%s.tar.%s", text, r->version.rc ? "gz" : "xz");
        if (r->file) {
                r->url = r->version.rc
                                 ? kt_format("%s/%s", r->net->candidates, r->file)
                                 : kt_format("%s/v%u.x/%s", r->net->mirror, r->version.part[0], r->file);
                r->path = kt_path_join(work, r->file);
                r->unchecked = kt_format("%s/unchecked-%s", work, r->file);
        }
        if (!r->url || !r->path || !r->unchecked)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return 0;
}

static int not_found(const struct release *r, struct kt_error *reterr)
{
        _cleanup_free_ char *near = release_nearest(r->net, &r->version);

        return kt_error_set(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "version %s not found.%s%s", r->spec,
                            near ? " " : "", near ?: "");
}

static int get(const struct release *r, char sha256[static KT_SHA256_HEX_SIZE], struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int result = download(r->net, r->url, r->unchecked, sha256, &err);

        if (result == -ENOENT)
                return not_found(r, reterr);
        if (result < 0)
                kt_error_move(reterr, &err);
        return result;
}

/* One that an earlier time has fetched whole, or else anew. */
static int have_it(const struct release *r, char sha256[static KT_SHA256_HEX_SIZE], struct kt_error *reterr)
{
        _cleanup_close_ int fd = open(r->unchecked, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        if (fd >= 0 && kt_sha256_fd(fd, sha256) >= 0) {
                answer_note("%s is here already", r->file);
                return 0;
        }
        return get(r, sha256, reterr);
}

/* What the sums say it must be: 1; 0 and said so, when they do not say it. */
static int expected(const struct release *r, char sha256[static KT_SHA256_HEX_SIZE], struct kt_error *reterr)
{
        _cleanup_free_ char *text = NULL;
        const char *why;
        size_t size;
        int result;

        answer_stage("verify", "%s", r->file);
        if (r->version.rc) {
                answer_note("SHA-256 not checked: release candidates have no signed sums");
                return 0;
        }
        result = sums_fetch(r->net, r->version.part[0], &text, &size, reterr);
        if (result < 0)
                return result;
        if (result > 0) {
                result = sums_take_signed(r->net, &text, &size, reterr);
                if (result < 0)
                        return result;
                if (sums_find(text, size, r->file, sha256))
                        return 1;
                why = "does not list it yet";
        } else
                why = "is not there";
        /* Who wants signatures is not to be had by leaving them out. */
        if (r->net->keyring)
                return kt_error_set(
                        reterr, -EKEYREJECTED, KT_E_DOWNLOAD,
                        "%s cannot be checked, and KernelKeyring= is set: %s/v%u.x/sha256sums.asc %s; "
                        "try another mirror, or later, or unset KernelKeyring=",
                        r->file, r->net->mirror, r->version.part[0], why);
        answer_warning("SHA-256 of %s not checked: %s/v%u.x/sha256sums.asc %s", r->file, r->net->mirror,
                       r->version.part[0], why);
        return 0;
}

static int fetch_checked(const struct release *r, struct kt_error *reterr)
{
        char is[KT_SHA256_HEX_SIZE], must_be[KT_SHA256_HEX_SIZE];
        int result;

        result = have_it(r, is, reterr);
        if (result < 0)
                return result;
        result = expected(r, must_be, reterr);
        if (result < 0)
                return result;
        /* A proxy or a resumed file may be at fault: once more, and from its first byte. */
        if (result > 0 && strcmp(is, must_be) != 0) {
                (void)unlink(r->unchecked);
                answer_warning("%s has the SHA-256 %s, and not %s as the sums say: fetched once more",
                               r->file, is, must_be);
                result = get(r, is, reterr);
                if (result < 0)
                        return result;
                answer_stage("verify", "%s", r->file);
                if (strcmp(is, must_be) != 0) {
                        (void)unlink(r->unchecked);
                        return kt_error_set(reterr, -EBADMSG, KT_E_DOWNLOAD,
                                            "%s: its SHA-256 is %s, and the sums say %s; KernelMirror= in "
                                            "ktstrd.conf names "
                                            "another mirror",
                                            r->url, is, must_be);
                }
        }
        if (rename(r->unchecked, r->path) < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot write %s: %s", r->path,
                                    strerror(errno));
        return 0;
}

int release_fetch(const struct net *net, const char *version, const char *work, struct source *ret,
                  struct kt_error *reterr)
{
        _cleanup_(release_done) struct release r = {.net = net, .spec = version};
        _cleanup_(source_done) struct source s = {};
        int result;

        result = release_init(&r, work, reterr);
        if (result >= 0)
                result = net_check_keyring(net, reterr);
        if (result < 0)
                return result;
        result = kt_mkdir_p(AT_FDCWD, work, 0755);
        if (result < 0)
                return kt_error_set(reterr, result, KT_E_IO, "cannot make %s: %s", work, strerror(-result));
        if (access(r.path, F_OK) == 0)
                answer_note("%s is here already", r.file);
        else {
                result = fetch_checked(&r, reterr);
                if (result < 0)
                        return result;
        }
        s.tarball = TAKE_PTR(r.path);
        s.name = TAKE_PTR(r.file);
        s.url = TAKE_PTR(r.url);
        s.version = strdup(version);
        if (!s.version)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        *ret = s;
        s = (struct source){};
        return 0;
}
