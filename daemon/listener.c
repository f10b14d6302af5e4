/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <uv.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../common/log.h"
#include "../common/sockpath.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "conn.h"
#include "server.h"

struct listener {
        struct server *server;
        uv_poll_t poll;
        int fd;
        char *path;
        bool own_file; /* ours to remove */
        bool stopped;
};

/* Tell a client over a limit why, in the protocol's terms, and hang up. */
static void turn_away(int fd, const struct kt_error *err)
{
        _cleanup_free_ char *text = NULL;
        struct json_object *params = json_object_new_object();
        size_t size;

        kt_json_add_str(params, "message", kt_error_text(err));
        _cleanup_json_ struct json_object *reply = kt_wire_make_error(err->name, params);
        if (reply && kt_wire_encode(reply, '\0', &text, &size) == 0)
                (void)!send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        close(fd);
}

static void accept_one(struct listener *l, int fd)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct ucred peer;
        socklen_t len = sizeof(peer);
        struct conn *c;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
                close(fd);
                return;
        }
        kt_log_scope(((struct kt_log_context){.uid = (long)peer.uid}));
        if (server_admit(l->server, peer.uid, &err) < 0) {
                kt_log_warning("turned a client away: %s", kt_error_text(&err));
                turn_away(fd, &err);
                return;
        }
        if (conn_start(l->server, fd, &c) < 0) {
                kt_log_error("cannot serve a client: out of memory or descriptors");
                close(fd);
        }
        server_changed(l->server);
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
        struct listener *l = handle->data;

        for (int i = 0; i < 64 && !l->stopped; i++) {
                int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0) {
                        if (errno == EINTR || errno == ECONNABORTED)
                                continue;
                        if (errno != EAGAIN)
                                kt_log_error("accept: %s", strerror(errno));
                        return;
                }
                accept_one(l, fd);
        }
}

/* What a daemon that was killed has left: a socket that refuses. Anything else that has this name is
 * somebody's. */
static int remove_stale(int fd, const struct sockaddr_un *addr, struct kt_error *reterr)
{
        struct stat st = {};

        if (lstat(addr->sun_path, &st) < 0 && errno == ENOENT)
                return 0;
        if (!S_ISSOCK(st.st_mode) || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) >= 0 ||
            errno != ECONNREFUSED)
                return kt_error_set(
                        reterr, -EEXIST, KT_E_IO,
                        "%s is there already and is no socket that a daemon has left; choose another "
                        "--socket, or remove it",
                        addr->sun_path);
        if (unlink(addr->sun_path) < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot replace the stale socket %s: %s",
                                    addr->sun_path, strerror(errno));
        return 0;
}

static int make_socket(const char *path, int *ret, struct kt_error *reterr)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -1;
        mode_t old;
        int r;

        if (strlen(path) >= sizeof(addr.sun_path))
                return kt_error_set(reterr, -ENAMETOOLONG, KT_E_IO,
                                    "socket path %s is longer than %zu bytes; choose a shorter --socket, or "
                                    "XDG_RUNTIME_DIR",
                                    path, sizeof(addr.sun_path) - 1);
        strcpy(addr.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "socket: %s", strerror(errno));

        if (kt_socket_alive(path))
                return kt_error_set(reterr, -EADDRINUSE, KT_E_IO, "another daemon listens on %s already",
                                    path);
        r = remove_stale(fd, &addr, reterr);
        if (r < 0)
                return r;
        old = umask(0177);
        r = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
        umask(old);
        if (r < 0 || listen(fd, SOMAXCONN) < 0)
                return kt_error_set(reterr, r < 0 ? r : -errno, KT_E_IO, "cannot listen on %s: %s", path,
                                    strerror(r < 0 ? -r : errno));
        *ret = TAKE_FD(fd);
        return 0;
}

/* The system daemon is for a team: the group ktstr may connect. */
static void open_to_group(const char *path)
{
        struct group *g = geteuid() == 0 ? getgrnam("ktstr") : NULL;

        if (g && (chown(path, 0, g->gr_gid) < 0 || chmod(path, 0660) < 0))
                kt_log_warning("cannot give %s to the group ktstr: %s", path, strerror(errno));
}

static int socket_from_systemd(int *ret)
{
        int n = sd_listen_fds(1);

        if (n < 1)
                return 0;
        *ret = SD_LISTEN_FDS_START;
        for (int i = 1; i < n; i++)
                close(SD_LISTEN_FDS_START + i);
        return fcntl(*ret, F_SETFL, fcntl(*ret, F_GETFL) | O_NONBLOCK) < 0 ? -errno : 1;
}

/* Where a socket is bound, malloced: systemd's is where its unit says, not where our configuration does. */
static char *bound_path(int fd)
{
        struct sockaddr_un addr = {};
        socklen_t len = sizeof(addr) - 1;

        if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
                return NULL;
        return strdup(addr.sun_family == AF_UNIX ? addr.sun_path : "");
}

int listener_start(struct server *server, const char *path, struct listener **ret, struct kt_error *reterr)
{
        struct listener *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        l->server = server;
        l->fd = -1;
        r = socket_from_systemd(&l->fd);
        if (r == 0) {
                r = make_socket(path, &l->fd, reterr);
                if (r < 0)
                        goto fail;
                l->own_file = true;
                open_to_group(path);
        } else if (r < 0) {
                kt_error_set(reterr, r, KT_E_IO, "the socket that systemd passed is unusable: %s",
                             strerror(-r));
                goto fail;
        }
        l->path = bound_path(l->fd);
        r = l->path ? uv_poll_init(&server->loop, &l->poll, l->fd) : -ENOMEM;
        if (r < 0) {
                kt_error_set(reterr, r, KT_E_INTERNAL, "cannot watch the socket: %s", strerror(-r));
                goto fail;
        }
        l->poll.data = l;
        uv_poll_start(&l->poll, UV_READABLE, on_readable);
        *ret = l;
        return 0;
fail:
        if (l->own_file)
                unlink(path);
        kt_closep(&l->fd);
        free(l->path);
        free(l);
        return r;
}

static void on_closed(uv_handle_t *handle)
{
        struct listener *l = handle->data;

        close(l->fd);
        free(l->path);
        free(l);
}

void listener_stop(struct listener *l)
{
        if (!l || l->stopped)
                return;
        l->stopped = true;
        if (l->own_file)
                unlink(l->path);
        uv_poll_stop(&l->poll);
        uv_close((uv_handle_t *)&l->poll, on_closed);
}

bool listener_is_asked(const struct listener *l)
{
        struct pollfd p = {.fd = l->fd, .events = POLLIN};

        return poll(&p, 1, 0) > 0;
}

const char *listener_path(const struct listener *l)
{
        return l->path;
}
