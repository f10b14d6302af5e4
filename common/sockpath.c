/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sockpath.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "fsutil.h"
#include "sha256.h"

#define CACHE_DIGITS 8

static const char *env_nonempty(const char *name)
{
        const char *value = getenv(name);

        return value && *value ? value : NULL;
}

/* The XDG base directory specification: a relative path counts as unset. */
static const char *env_xdg(const char *name)
{
        const char *value = env_nonempty(name);

        return value && *value == '/' ? value : NULL;
}

static int below_home(const char *what, const char *variable, const char *tail, char **ret,
                      struct kt_error *reterr)
{
        const char *home = env_nonempty("HOME");
        char *path;

        if (!home || *home != '/' || strspn(home, "/") == strlen(home))
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "cannot tell where the %s is: HOME is %s%s%s; set HOME, or set %s to a "
                                    "folder",
                                    what, home ? "'" : "", home ?: "not set", home ? "'" : "", variable);
        path = kt_path_join(home, tail);
        if (!path)
                return kt_error_set(reterr, -ENOMEM, NULL, "out of memory");
        *ret = path;
        return 0;
}

int kt_cache_dir(char **ret, struct kt_error *reterr)
{
        const char *given = env_nonempty("KTSTR_CACHE_DIR"), *xdg = env_xdg("XDG_CACHE_HOME");
        char *path;

        if (!given && !xdg)
                return below_home("kernel cache", "KTSTR_CACHE_DIR", ".cache/ktstr/kernels", ret, reterr);

        path = given ? strdup(given) : kt_path_join(xdg, "ktstr/kernels");
        if (!path)
                return kt_error_set(reterr, -ENOMEM, NULL, "out of memory");
        *ret = path;
        return 0;
}

int kt_state_dir(char **ret, struct kt_error *reterr)
{
        const char *xdg = env_xdg("XDG_STATE_HOME");
        char *path;

        if (!xdg)
                return below_home("folder of results", "XDG_STATE_HOME", ".local/state/ktstr", ret, reterr);

        path = kt_path_join(xdg, "ktstr");
        if (!path)
                return kt_error_set(reterr, -ENOMEM, NULL, "out of memory");
        *ret = path;
        return 0;
}

/* The folder's own descriptor is what gets checked, so that it cannot be swapped in between. */
static int check_private(const char *path, struct kt_error *reterr)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
                return kt_error_set(reterr, -EPERM, NULL, "%s is not a folder: remove it", path);
        if (fd < 0 && errno == EACCES)
                return kt_error_set(reterr, -EPERM, NULL,
                                    "%s belongs to somebody else: remove it, or set XDG_RUNTIME_DIR to a "
                                    "folder of yours",
                                    path);
        if (fd < 0 || fstat(fd, &st) < 0)
                return kt_error_set(reterr, -errno, NULL, "cannot open %s: %s", path, strerror(errno));
        if (st.st_uid != geteuid())
                return kt_error_set(reterr, -EPERM, NULL,
                                    "%s belongs to uid %u, not to you (uid %u): remove it, or set "
                                    "XDG_RUNTIME_DIR to a folder of yours",
                                    path, st.st_uid, geteuid());
        if (st.st_mode & 077)
                return kt_error_set(reterr, -EPERM, NULL,
                                    "%s is open to others (mode %03o): run chmod 700 %s", path,
                                    st.st_mode & 0777, path);
        return 0;
}

static int private_dir(const char *path, bool create, struct kt_error *reterr)
{
        int r;

        if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
                return kt_error_set(reterr, -errno, NULL,
                                    "cannot create %s: %s; set XDG_RUNTIME_DIR to a folder of yours", path,
                                    strerror(errno));
        r = check_private(path, reterr);
        return r == -ENOENT && !create ? 0 : r;
}

/* A relative KTSTR_CACHE_DIR is another folder for each working directory, and so must be its daemon. */
static int cache_name(char ret[CACHE_DIGITS + 1], struct kt_error *reterr)
{
        _cleanup_free_ char *dir = NULL, *cwd = NULL, *absolute = NULL;
        char hex[KT_SHA256_HEX_SIZE];
        const char *path;
        int r;

        r = kt_cache_dir(&dir, reterr);
        if (r < 0)
                return r;
        path = dir;
        if (*dir != '/') {
                cwd = getcwd(NULL, 0);
                if (!cwd)
                        return kt_error_set(reterr, -errno, NULL, "cannot tell the working directory: %s",
                                            strerror(errno));
                path = absolute = kt_path_join(cwd, dir);
                if (!absolute)
                        return kt_error_set(reterr, -ENOMEM, NULL, "out of memory");
        }
        r = kt_sha256_mem(path, strlen(path), hex);
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot compute a SHA-256: %s", strerror(-r));
        memcpy(ret, hex, CACHE_DIGITS);
        ret[CACHE_DIGITS] = '\0';
        return 0;
}

int kt_user_runtime_dir(bool create, char **ret, struct kt_error *reterr)
{
        const char *xdg = env_xdg("XDG_RUNTIME_DIR");
        _cleanup_free_ char *dir = NULL, *sub = NULL;
        char name[CACHE_DIGITS + 1];
        int r;

        dir = xdg ? kt_path_join(xdg, "ktstrd") : kt_format("/tmp/ktstrd-%u", geteuid());
        if (!dir)
                return kt_error_set(reterr, -ENOMEM, NULL, "out of memory");
        r = private_dir(dir, create, reterr);
        if (r < 0)
                return r;

        if (!env_nonempty("KTSTR_CACHE_DIR") && !env_xdg("XDG_CACHE_HOME")) {
                *ret = TAKE_PTR(dir);
                return 0;
        }

        r = cache_name(name, reterr);
        if (r < 0)
                return r;
        sub = kt_path_join(dir, name);
        if (!sub)
                return kt_error_set(reterr, -ENOMEM, NULL, "out of memory");
        r = private_dir(sub, create, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(sub);
        return 0;
}

bool kt_socket_alive(const char *path)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -1;

        if (strlen(path) >= sizeof(addr.sun_path))
                return false;
        memcpy(addr.sun_path, path, strlen(path));

        /* Non-blocking: a listener whose backlog is full (EAGAIN) lives too, and is not to be waited for. */
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return false;
        return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) >= 0 || errno == EAGAIN;
}
