/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "package.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../common/sha256.h"
#include "../proto/errors.h"
#include "answer.h"
#include "capture.h"
#include "deb.h"
#include "source.h"
#include "version.h"

#define LOWER_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"
#define VERSION_CHARACTERS LOWER_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZ.+~:-"
#define HEX_DIGITS (KT_SHA256_HEX_SIZE - 1)
#define NAMES_MAX 8

void apt_file_done(struct apt_file *f)
{
        free(f->file);
        free(f->version);
        free(f->sha256);
        *f = (struct apt_file){};
}

/* --- apt's texts --- */

static bool is_sha256(const char *text)
{
        return strspn(text, "0123456789abcdef") == HEX_DIGITS && !text[HEX_DIGITS];
}

/* The middle of NAME_VERSION_ARCH.deb; an epoch's colon is %3a there. */
static char *version_of_file(const char *file)
{
        const char *from = strchr(file, '_'), *to = strrchr(file, '_');
        char *version, *escaped;

        if (!from || to <= from + 1)
                return NULL;
        version = strndup(from + 1, (size_t)(to - from - 1));
        escaped = version ? strcasestr(version, "%3a") : NULL;
        if (escaped) {
                *escaped = ':';
                memmove(escaped + 1, escaped + 3, strlen(escaped + 3) + 1);
        }
        return version;
}

int apt_file_parse(const char *text, struct apt_file *ret)
{
        _cleanup_(apt_file_done) struct apt_file f = {};
        char file[256], hash[256];
        long long size;

        for (; text; text = strchr(text, '\n'), text = text ? text + 1 : NULL)
                if (sscanf(text, "'%*[^'\n]' %255[^ \n] %lld %255[^ \n]", file, &size, hash) == 3)
                        break;
        if (!text || size <= 0 || strchr(file, '/') || file[0] == '.')
                return -EBADMSG;
        f.size = size;
        f.file = strdup(file);
        f.version = version_of_file(file);
        if (!f.file)
                return -ENOMEM;
        if (!f.version || strspn(f.version, VERSION_CHARACTERS) != strlen(f.version))
                return -EBADMSG;
        if (strncmp(hash, "SHA256:", 7) == 0 && is_sha256(hash + 7)) {
                f.sha256 = strdup(hash + 7);
                if (!f.sha256)
                        return -ENOMEM;
        }
        *ret = f;
        f = (struct apt_file){};
        return 0;
}

char *apt_kernel_version(const char *package_version)
{
        const char *epoch = strchr(package_version, ':');
        _cleanup_free_ char *text = strdup(epoch ? epoch + 1 : package_version);
        char *revision = text ? strrchr(text, '-') : NULL, *rc;
        struct version v;

        if (revision)
                *revision = '\0';
        rc = text ? strstr(text, "~rc") : NULL;
        if (rc)
                *rc = '-';
        return text && version_parse(text, &v) ? TAKE_PTR(text) : NULL;
}

/* --- apt --- */

static int run_apt(const struct capture *c, struct captured *ret, struct kt_error *reterr)
{
        int r = capture(c, ret, reterr);

        if (r == -ENOENT)
                return kt_error_set(
                        reterr, r, KT_E_DOWNLOAD,
                        "%s is not here: packages are fetched by apt, on Debian and its children; name a "
                        "version, --tarball or --git instead",
                        c->argv[0]);
        return r;
}

/* NAME, NAME=VERSION or NAME/SUITE, which apt takes; and nothing that it could take for an option. */
static bool package_name_is(const char *name)
{
        size_t len = strspn(name, LOWER_DIGITS "+.-");

        if (len < 2 || !isalnum((unsigned char)name[0]))
                return false;
        return !name[len] || ((name[len] == '=' || name[len] == '/') && name[len + 1] &&
                              strspn(name + len + 1, VERSION_CHARACTERS) == strlen(name + len + 1));
}

/* The source packages that apt knows, as ": a, b", or what to do when it knows none. Malloced. */
static char *known_packages(void)
{
        static const char *const argv[] = {"apt-cache", "pkgnames", "linux-source-", NULL};
        _cleanup_(captured_done) struct captured c = {};
        _cleanup_free_ char *list = NULL;
        char *state = NULL;
        int n = 0;

        if (capture(&(struct capture){.argv = argv}, &c, NULL) < 0 || c.status != 0)
                return NULL;
        for (char *p = strtok_r(c.out, "\n", &state); p && n < NAMES_MAX;
             p = strtok_r(NULL, "\n", &state), n++) {
                char *longer = kt_format("%s%s%s", list ?: "", list ? ", " : "", p);

                free(list);
                list = longer;
        }
        return list ? kt_format("it knows %s", list) : strdup("it knows no linux-source-*; apt-get update?");
}

static int no_such_package(const char *package, struct kt_error *reterr)
{
        _cleanup_free_ char *known = known_packages();

        return kt_error_set(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "apt knows no package %s%s%s", package,
                            known ? "; " : "", known ?: "");
}

static int apt_failed(const char *package, struct captured *c, struct kt_error *reterr)
{
        static const char *const unknown[] = {"Unable to locate package", "find any package",
                                              "was not found", "no installation candidate",
                                              "find a source to download"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(unknown); i++)
                if (strstr(c->err, unknown[i]))
                        return no_such_package(package, reterr);
        return kt_error_set(reterr, -EIO, KT_E_DOWNLOAD, "apt-get download %s: %s", package,
                            last_line(c->err) ?: "it failed, and does not say why");
}

/* Where the lists go by a stronger hash, this one stands beside it. */
static int ask_sha256(const char *name, struct apt_file *f, struct kt_error *reterr)
{
        _cleanup_free_ char *which = kt_format("%s=%s", name, f->version);
        const char *argv[] = {"apt-cache", "show", "--no-all-versions", which, NULL};
        _cleanup_(captured_done) struct captured c = {};
        char *at;
        int r;

        if (!which)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = run_apt(&(struct capture){.argv = argv}, &c, reterr);
        if (r < 0)
                return r;
        at = strstr(c.out, "\nSHA256: ");
        if (at) {
                at += strlen("\nSHA256: ");
                at[strspn(at, "0123456789abcdef")] = '\0';
        }
        if (!at || !is_sha256(at))
                return kt_error_set(reterr, -EBADMSG, KT_E_DOWNLOAD, "apt states no SHA-256 of package %s",
                                    which);
        f->sha256 = strdup(at);
        return f->sha256 ? 0 : kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* ret_name: without what was said of its version. */
static int ask_apt(const char *package, struct apt_file *ret, char **ret_name, struct kt_error *reterr)
{
        const char *argv[] = {"apt-get", "-qq", "--print-uris", "download", package, NULL};
        _cleanup_(apt_file_done) struct apt_file f = {};
        _cleanup_(captured_done) struct captured c = {};
        _cleanup_free_ char *name = NULL;
        int r;

        if (!package_name_is(package))
                return kt_error_set(reterr, -EINVAL, KT_E_NO_SUCH_KERNEL,
                                    "'%s' is no name of a package; name one such as linux-source-6.12",
                                    package);
        name = strndup(package, strcspn(package, "=/"));
        if (!name)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        answer_stage("resolve", "package %s", package);
        r = run_apt(&(struct capture){.argv = argv}, &c, reterr);
        if (r < 0)
                return r;
        if (c.status != 0)
                return apt_failed(package, &c, reterr);
        r = apt_file_parse(c.out, &f);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_DOWNLOAD,
                                    "apt-get download %s: its answer is not understood", package);
        if (!f.sha256) {
                r = ask_sha256(name, &f, reterr);
                if (r < 0)
                        return r;
        }
        *ret = f;
        *ret_name = TAKE_PTR(name);
        f = (struct apt_file){};
        return 0;
}

/* --- as a source --- */

static int describe(const char *name, const struct apt_file *f, struct source *ret, struct kt_error *reterr)
{
        struct source s = {.version = apt_kernel_version(f->version),
                           .name = kt_format("%s %s", name, f->version),
                           .source_sha256 = strdup(f->sha256)};

        if (!s.name || !s.source_sha256) {
                source_done(&s);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        *ret = s;
        return 0;
}

int package_find(const char *package, struct source *ret, struct kt_error *reterr)
{
        _cleanup_(apt_file_done) struct apt_file f = {};
        _cleanup_free_ char *name = NULL;
        int r = ask_apt(package, &f, &name, reterr);

        return r < 0 ? r : describe(name, &f, ret, reterr);
}

/* "dlstatus:1:35.2:Retrieving file 1 of 1" */
static void on_status(const char *line, void *data)
{
        const struct apt_file *f = data;
        double percent;

        if (sscanf(line, "dlstatus:%*d:%lf:", &percent) == 1 && percent >= 0 && percent <= 100)
                answer_progress((int64_t)((double)f->size * percent / 100), f->size, "bytes", NULL);
}

static int check_sha256(const char *path, const struct apt_file *f, struct kt_error *reterr)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        char is[KT_SHA256_HEX_SIZE];
        int r = fd < 0 ? -errno : kt_sha256_fd(fd, is);

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s, which apt-get has fetched: %s",
                                    path, strerror(-r));
        if (strcmp(is, f->sha256) == 0)
                return 0;
        (void)unlink(path);
        return kt_error_set(reterr, -EBADMSG, KT_E_DOWNLOAD, "%s: its SHA-256 is %s, and apt's lists say %s",
                            f->file, is, f->sha256);
}

/* apt resumes and verifies; the sandbox of root's apt cannot write here, which it would only warn of. */
static int get(const char *name, struct apt_file *f, const char *work, const char *deb,
               struct kt_error *reterr)
{
        _cleanup_free_ char *which = kt_format("%s=%s", name, f->version);
        const char *argv[] = {"apt-get",  "-qq", "-o", "APT::Status-Fd=1", "-o", "APT::Sandbox::User=root",
                              "download", which, NULL};
        _cleanup_(captured_done) struct captured c = {};
        int r;

        if (!which)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        answer_stage("download", "%s", f->file);
        r = run_apt(&(struct capture){.argv = argv, .dir = work, .on_line = on_status, .data = f}, &c,
                    reterr);
        if (r < 0)
                return r;
        if (c.status != 0)
                return apt_failed(which, &c, reterr);
        answer_stage("verify", "%s", f->file);
        return check_sha256(deb, f, reterr);
}

int package_fetch(const char *package, const char *work, struct source *ret, struct kt_error *reterr)
{
        _cleanup_(apt_file_done) struct apt_file f = {};
        _cleanup_(source_done) struct source s = {};
        _cleanup_free_ char *name = NULL, *deb = NULL;
        int r;

        r = ask_apt(package, &f, &name, reterr);
        if (r >= 0)
                r = describe(name, &f, &s, reterr);
        if (r < 0)
                return r;
        r = kt_mkdir_p(AT_FDCWD, work, 0755);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot make %s: %s", work, strerror(-r));
        deb = kt_path_join(work, f.file);
        s.tarball = kt_format("%s/%s_%s.tarball", work, name, f.version);
        if (!deb || !s.tarball)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (access(s.tarball, F_OK) == 0)
                answer_note("%s is here already", s.name);
        else {
                r = get(name, &f, work, deb, reterr);
                if (r < 0)
                        return r;
                answer_stage("unpack", "%s", f.file);
                r = deb_take_source(deb, s.tarball, reterr);
                if (r < 0)
                        return r;
                (void)unlink(deb);
        }
        *ret = s;
        s = (struct source){};
        return 0;
}
