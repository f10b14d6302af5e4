/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../common/error.h"
#include "../common/fsutil.h"
#include "../common/log.h"
#include "base64.h"

#define PSI_PATH "/proc/pressure/memory"
/* Some task stood still for memory 200 ms of 2 s. Without privileges the window has to be a multiple of 2 s.
 */
#define PSI_TRIGGER "some 200000 2000000"

#define PAUSE_MS 1000U

/* As much as a FIFO holds is read at a time. */
#define READS_MAX 16

struct pressure {
        uv_poll_t poll;
        uv_timer_t pause;
        unsigned open_handles;
        int fd;
        bool is_stream; /* a FIFO or a socket: reports are bytes; else a PSI file, never read */
        void (*on_pressure)(void *userdata);
        void *userdata;
};

/* --- what there is to watch --- */

/* A PSI file without a trigger, or whose cgroup is gone. It reports pressure all the time. */
static bool is_dead_psi(int fd)
{
        struct pollfd poll_fd = {.fd = fd, .events = POLLPRI};

        return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLERR | POLLNVAL));
}

/* Empty it. False when nothing will ever come again. *ret_any: was there something? */
static bool drain(int fd, bool *ret_any)
{
        char buffer[4096];

        *ret_any = false;
        for (int i = 0; i < READS_MAX; i++) {
                ssize_t n = read(fd, buffer, sizeof(buffer));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return true;
                if (n <= 0)
                        return false;
                *ret_any = true;
        }
        return true;
}

static int connect_socket(const char *path, struct kt_error *reterr)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -1;

        if (strlen(path) >= sizeof(address.sun_path))
                return kt_error_set(reterr, -ENAMETOOLONG, NULL, "the path of the socket %s is too long",
                                    path);
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return kt_error_set(reterr, -errno, NULL, "cannot connect to %s: %s", path, strerror(errno));
        return TAKE_FD(fd);
}

/* Open it and write the text that asks for reports. Returns the descriptor. */
static int open_source(const char *path, const void *text, size_t size, bool *ret_is_stream,
                       struct kt_error *reterr)
{
        _cleanup_close_ int fd = -1;
        struct stat st;
        bool any;
        int r;

        if (stat(path, &st) < 0)
                return kt_error_set(reterr, -errno, NULL, "cannot look at %s: %s", path, strerror(errno));
        if (S_ISSOCK(st.st_mode))
                fd = connect_socket(path, reterr);
        else if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
                return kt_error_set(reterr, -EINVAL, NULL, "%s is no file, FIFO or socket", path);
        else {
                /* A FIFO that is open for writing here too has no end while others come and go. */
                fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
                if (fd < 0)
                        kt_error_set(reterr, -errno, NULL, "cannot open %s: %s%s", path, strerror(errno),
                                     errno == EPERM ? " (before Linux 6.5 it is root's)" : "");
        }
        if (fd < 0)
                return reterr->num;
        r = size > 0 ? kt_write_all(fd, text, size) : 0;
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "%s does not take '%.*s': %s", path, (int)size,
                                    (const char *)text, strerror(-r));
        if (S_ISFIFO(st.st_mode))
                (void)drain(fd, &any); /* what we wrote has come back to us */
        if (S_ISREG(st.st_mode) && is_dead_psi(fd))
                return kt_error_set(reterr, -EINVAL, NULL, "%s was not told when to report", path);
        *ret_is_stream = !S_ISREG(st.st_mode);
        return TAKE_FD(fd);
}

/* The one that the environment names; what it forbids or gets wrong is not made up for by another. */
static int open_any(bool *ret_is_stream, struct kt_error *reterr)
{
        const char *path = getenv("MEMORY_PRESSURE_WATCH"), *encoded = getenv("MEMORY_PRESSURE_WRITE");
        _cleanup_free_ void *text = NULL;
        size_t size = 0;
        int r;

        if (!path || !*path) {
                r = open_source(PSI_PATH, PSI_TRIGGER, sizeof(PSI_TRIGGER), ret_is_stream, reterr);
                return r < 0 ? kt_error_prefix(reterr, "this kernel does not report it to us") : r;
        }
        if (strcmp(path, "/dev/null") == 0)
                return kt_error_set(reterr, -ECANCELED, NULL, "MEMORY_PRESSURE_WATCH is /dev/null");
        if (*path != '/')
                return kt_error_set(reterr, -EINVAL, NULL, "MEMORY_PRESSURE_WATCH=%s is no absolute path",
                                    path);
        r = encoded ? base64_decode(encoded, &text, &size) : 0;
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "MEMORY_PRESSURE_WRITE is no Base64: %s", encoded);
        r = open_source(path, text, size, ret_is_stream, reterr);
        if (r < 0)
                kt_error_prefix(reterr, "MEMORY_PRESSURE_WATCH");
        return r;
}

/* --- on the loop --- */

static void on_event(uv_poll_t *handle, int status, int events);

static void start_polling(struct pressure *p)
{
        /* It fails only for a descriptor that is not the one of the handle. */
        (void)uv_poll_start(&p->poll, p->is_stream ? UV_READABLE : UV_PRIORITIZED, on_event);
}

static void on_pause_over(uv_timer_t *timer)
{
        start_polling(timer->data);
}

static void on_event(uv_poll_t *handle, int status, int events)
{
        struct pressure *p = handle->data;
        bool alive = status == 0, any = false;

        if (alive && p->is_stream)
                alive = drain(p->fd, &any);
        else if (alive)
                any = alive = !is_dead_psi(p->fd);
        if (alive && !any)
                return;
        uv_poll_stop(&p->poll);
        if (alive)
                /* What comes meanwhile is kept, by the kernel or in the stream. */
                uv_timer_start(&p->pause, on_pause_over, PAUSE_MS, 0);
        else
                kt_log_warning("memory pressure is no longer reported: what was watched is gone");
        if (any)
                p->on_pressure(p->userdata);
}

static void on_closed(uv_handle_t *handle)
{
        struct pressure *p = handle->data;

        if (--p->open_handles > 0)
                return;
        close(p->fd);
        free(p);
}

static struct pressure *pressure_new(uv_loop_t *loop, struct kt_error *reterr)
{
        struct pressure *p = calloc(1, sizeof(*p));
        _cleanup_close_ int fd = -1;
        int r = -ENOMEM;

        if (p)
                r = fd = open_any(&p->is_stream, reterr);
        if (r >= 0) {
                r = uv_poll_init(loop, &p->poll, fd);
                if (r < 0)
                        kt_error_set(reterr, r, NULL, "MEMORY_PRESSURE_WATCH: it reports nothing: %s",
                                     uv_strerror(r));
        }
        if (r < 0) {
                free(p);
                return NULL;
        }
        uv_timer_init(loop, &p->pause);
        p->open_handles = 2;
        p->poll.data = p->pause.data = p;
        p->fd = TAKE_FD(fd);
        return p;
}

int pressure_watch(uv_loop_t *loop, void (*on_pressure)(void *userdata), void *userdata,
                   struct pressure **ret, char **ret_why)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct pressure *p = pressure_new(loop, &err);

        *ret = p;
        *ret_why = NULL;
        if (p) {
                p->on_pressure = on_pressure;
                p->userdata = userdata;
                start_polling(p);
                return 0;
        }
        if (err.num != 0 && err.num != -ENOMEM)
                *ret_why = strdup(kt_error_text(&err));
        return *ret_why ? 0 : -ENOMEM;
}

void pressure_stop(struct pressure *p)
{
        if (!p || uv_is_closing((uv_handle_t *)&p->poll))
                return;
        uv_close((uv_handle_t *)&p->poll, on_closed);
        uv_close((uv_handle_t *)&p->pause, on_closed);
}
