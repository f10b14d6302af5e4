/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/sockpath.h"
#include "../proto/errors.h"
#include "autostart.h"
#include "exit_status.h"

static int try_connect(const char *path, int *ret)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -1;

        if (strlen(path) >= sizeof(addr.sun_path))
                return -ENAMETOOLONG;
        strcpy(addr.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
                return -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

static int connect_named(const char *path, const char *how, int *ret, struct kt_error *reterr)
{
        int r = try_connect(path, ret);

        if (r == -EACCES)
                return kt_error_set(reterr, r, KT_E_SHUTTING_DOWN,
                                    "you may not connect to %s (from %s): it is for its owner and its group",
                                    path, how);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_SHUTTING_DOWN, "no daemon at %s (from %s): %s", path,
                                    how, strerror(-r));
        return 0;
}

static int connect_user(const struct globals *g, int *ret, struct kt_error *reterr)
{
        _cleanup_free_ char *dir = NULL, *path = NULL;
        int r = kt_user_runtime_dir(!g->no_autostart, &dir, reterr);

        if (r < 0)
                return r;
        path = kt_path_join(dir, KT_SOCKET_NAME);
        if (!path)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = try_connect(path, ret);
        if (r >= 0)
                return 0;
        if (g->no_autostart)
                return kt_error_set(
                        reterr, r, KT_E_SHUTTING_DOWN,
                        "no daemon at %s, and --no-autostart; start ktstrd, or leave the option out", path);
        r = autostart(dir, path, reterr);
        if (r < 0)
                return r;
        r = try_connect(path, ret);
        return r < 0 ? kt_error_set(reterr, r, KT_E_SHUTTING_DOWN,
                                    "the daemon just started is not at %s: %s", path, strerror(-r))
                     : 0;
}

static int find(const struct globals *g, int *ret, bool *ret_private, struct kt_error *reterr)
{
        const char *from_env = getenv("KTSTRD_SOCKET");

        *ret_private = false;
        if (g->socket)
                return connect_named(g->socket, "--socket", ret, reterr);
        if (from_env && *from_env)
                return connect_named(from_env, "KTSTRD_SOCKET", ret, reterr);
        if (try_connect(KT_SYSTEM_RUNTIME_DIR "/" KT_SOCKET_NAME, ret) >= 0)
                return 0;
        *ret_private = true;
        return connect_user(g, ret, reterr);
}

int client_connect(const struct globals *g, struct rpc *ret, struct kt_error *reterr)
{
        bool private;
        int fd = -1, r = find(g, &fd, &private, reterr);

        if (r >= 0)
                r = rpc_init(ret, fd, reterr);
        if (r >= 0)
                ret->private = private;
        return r;
}

int client_tell(const struct verb *v, const struct kt_error *err)
{
        const char *text = kt_error_text(err);
        const size_t n = strlen(v->name);

        /* The parameter that is wrong may be called as the verb is. */
        if (strncmp(text, v->name, n) == 0 && strncmp(text + n, ": ", 2) == 0)
                text += n + 2;
        fprintf(stderr, "ktstrctl: %s: %s\n", v->name, text);
        return exit_status_of_error(err->name ? err->name : KT_E_INTERNAL);
}

bool client_connect_or_tell(const struct verb *v, const struct globals *g, struct rpc *ret, int *ret_status)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (client_connect(g, ret, &err) >= 0)
                return true;
        client_tell(v, &err);
        *ret_status = EXIT_STATUS_NO_DAEMON;
        return false;
}
