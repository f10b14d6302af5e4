/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../proto/frame.h"

#define CHILD_STACK_SIZE (64U * 1024U)
#define STREAM_CHUNK (64U * 1024U)

void agent_init(struct agent *a)
{
        memset(a, 0, sizeof(*a));
        a->port.fd = -1;
        a->kmsg.fd = -1;
        a->child_fd = -1;
        for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                a->streams[i].fd = -1;
}

uint64_t agent_now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

void agent_add_stream(struct agent *a, int fd, uint8_t id)
{
        for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                if (a->streams[i].fd < 0) {
                        a->streams[i] = (struct stream){fd, id};
                        return;
                }
        close(fd);
}

/* One read's worth from a pipe to the host. */
static void forward(struct agent *a, struct stream *s)
{
        static uint8_t buf[1 + STREAM_CHUNK];
        ssize_t n = read(s->fd, buf + 1, STREAM_CHUNK);

        if (n > 0) {
                buf[0] = s->id;
                port_send(&a->port, KT_FRAME_OUTPUT, buf, (uint32_t)n + 1);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                close(s->fd);
                s->fd = -1;
        }
}

static void forward_kernel_log(struct agent *a)
{
        char line[KMSG_LINE_MAX + 1];
        size_t size;

        line[0] = KT_OUTPUT_KERNEL;
        while ((size = kmsg_next(&a->kmsg, line + 1, KMSG_LINE_MAX)) > 0)
                port_send(&a->port, KT_FRAME_OUTPUT, line, (uint32_t)size + 1);
}

static void hear_host(struct agent *a)
{
        struct kt_frame frame;
        int r;

        if (port_receive(&a->port) < 0) {
                a->cancelled = true;
                return;
        }
        while ((r = port_next(&a->port, &frame)) > 0)
                if (frame.type == KT_FRAME_CANCEL)
                        a->cancelled = true;
        if (r < 0)
                a->cancelled = true;
}

void agent_poll(struct agent *a, int timeout_ms)
{
        struct pollfd p[AGENT_STREAMS_MAX + 3];
        nfds_t n = 0;

        /* A negative descriptor is skipped by poll. */
        for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                p[n++] = (struct pollfd){.fd = a->streams[i].fd, .events = POLLIN};
        p[n++] = (struct pollfd){.fd = a->kmsg.fd, .events = POLLIN};
        p[n++] = (struct pollfd){.fd = a->cancelled ? -1 : a->port.fd, .events = POLLIN};
        p[n++] = (struct pollfd){.fd = a->child_fd, .events = POLLIN};
        if (poll(p, n, timeout_ms) <= 0)
                return;
        for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                if (p[i].revents)
                        forward(a, &a->streams[i]);
        if (p[AGENT_STREAMS_MAX].revents & POLLIN)
                forward_kernel_log(a);
        if (p[AGENT_STREAMS_MAX + 1].revents & POLLIN)
                hear_host(a);
}

void agent_drain(struct agent *a, int timeout_ms)
{
        uint64_t end = agent_now_ns() + (uint64_t)timeout_ms * 1000000ULL;
        bool open = true;

        while (open && agent_now_ns() < end) {
                open = false;
                for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                        open |= a->streams[i].fd >= 0;
                if (open)
                        agent_poll(a, 20);
        }
        forward_kernel_log(a);
}

void agent_event(struct agent *a, const char *kind, const char *fields_fmt, ...)
{
        char text[2048];
        int n = snprintf(text, sizeof(text), "{\"t_ns\":%llu,\"kind\":\"%s\"",
                         (unsigned long long)agent_now_ns(), kind);

        if (fields_fmt) {
                va_list ap;

                text[n++] = ',';
                va_start(ap, fields_fmt);
                int more = vsnprintf(text + n, sizeof(text) - (size_t)n - 1, fields_fmt, ap);
                va_end(ap);
                if (more < 0 || (size_t)more >= sizeof(text) - (size_t)n - 1)
                        return;
                n += more;
        }
        text[n++] = '}';
        port_send(&a->port, KT_FRAME_EVENT, text, (uint32_t)n);
}

static void become_child(const int out[2], const int err[2])
{
        struct sched_param param = {};
        sigset_t none;
        int null = open("/dev/null", O_RDWR);

        setpgid(0, 0);
        sched_setscheduler(0, SCHED_OTHER, &param);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL); /* ours alone is ignored; the table of handlers is not shared */
        dup2(null, STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        close_range(3, ~0U, 0);
}

struct spawn {
        int out[2], err[2];
        void (*child)(void *data);
        void *data;
};

static int run_child(void *data)
{
        struct spawn *s = data;

        become_child(s->out, s->err);
        s->child(s->data);
        _exit(127);
}

pid_t agent_spawn(struct agent *a, uint8_t out_id, uint8_t err_id, void (*child)(void *data), void *data)
{
        static char stack[CHILD_STACK_SIZE] __attribute__((aligned(16)));
        struct spawn s = {.out = {-1, -1}, .err = {-1, -1}, .child = child, .data = data};
        pid_t pid = -1;

        if (pipe2(s.out, O_CLOEXEC) == 0 && pipe2(s.err, O_CLOEXEC) == 0)
                pid = clone(run_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &s);
        int r = -errno;
        kt_closep(&s.out[1]);
        kt_closep(&s.err[1]);
        if (pid < 0) {
                kt_closep(&s.out[0]);
                kt_closep(&s.err[0]);
                return r;
        }
        fcntl(s.out[0], F_SETFL, O_NONBLOCK);
        fcntl(s.err[0], F_SETFL, O_NONBLOCK);
        agent_add_stream(a, s.out[0], out_id);
        agent_add_stream(a, s.err[0], err_id);
        return pid;
}
