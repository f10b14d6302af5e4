/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../proto/frame.h"
#include "rt_budget.h"

#define LAST_READS 32

void agent_init(struct agent *a)
{
        memset(a, 0, sizeof(*a));
        a->port.fd = -1;
        a->kmsg.fd = -1;
        for (int i = 0; i < AGENT_WAKES_MAX; i++)
                a->wake_fds[i] = -1;
        for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                a->streams[i].fd = -1;
}

uint64_t agent_now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

void agent_add_stream(struct agent *a, int fd, uint8_t id, uint64_t max, struct stream_line *line)
{
        for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                if (a->streams[i].fd < 0) {
                        stream_open(&a->streams[i], fd, id, max, line);
                        return;
                }
        close(fd);
}

/* What is there now, and no more: somebody may be printing without end. */
static void read_the_rest(struct agent *a, struct stream *s)
{
        for (int n = 0; n < LAST_READS && s->fd >= 0 && stream_forward(s, &a->port); n++)
                ;
}

void agent_end_line(struct agent *a, const struct stream_line *line)
{
        for (int i = 0; i < AGENT_STREAMS_MAX; i++) {
                struct stream *s = &a->streams[i];

                if (s->line != line)
                        continue;
                read_the_rest(a, s);
                s->line = NULL;
        }
}

void agent_close_streams(struct agent *a, unsigned ids)
{
        for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                if (a->streams[i].fd >= 0 && (ids >> a->streams[i].id & 1))
                        stream_close(&a->streams[i], &a->port);
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
        struct pollfd p[AGENT_STREAMS_MAX + 2 + AGENT_WAKES_MAX];
        const uint64_t now = agent_now_ns();
        nfds_t n = 0;

        if (a->rt_budget)
                rt_budget_look(a->rt_budget);
        /* A negative descriptor is skipped by poll. */
        for (int i = 0; i < AGENT_STREAMS_MAX; i++) {
                int pause_ms = stream_pause_ms(&a->streams[i], now);

                p[n++] = (struct pollfd){.fd = pause_ms > 0 ? -1 : a->streams[i].fd, .events = POLLIN};
                if (pause_ms > 0 && pause_ms < timeout_ms)
                        timeout_ms = pause_ms;
        }
        p[n++] = (struct pollfd){.fd = a->kmsg.fd, .events = POLLIN};
        p[n++] = (struct pollfd){.fd = a->cancelled ? -1 : a->port.fd, .events = POLLIN};
        for (int i = 0; i < AGENT_WAKES_MAX; i++)
                p[n++] = (struct pollfd){.fd = a->wake_fds[i], .events = POLLIN};
        if (poll(p, n, timeout_ms) <= 0)
                return;
        for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                if (p[i].revents)
                        stream_forward(&a->streams[i], &a->port);
        if (p[AGENT_STREAMS_MAX].revents & POLLIN)
                forward_kernel_log(a);
        if (p[AGENT_STREAMS_MAX + 1].revents & POLLIN)
                hear_host(a);
}

void agent_drain(struct agent *a, unsigned ids, int timeout_ms)
{
        uint64_t end = agent_now_ns() + (uint64_t)timeout_ms * 1000000ULL;
        bool open = true;

        while (open && agent_now_ns() < end) {
                open = false;
                for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                        open |= a->streams[i].fd >= 0 && (ids >> a->streams[i].id & 1);
                if (open)
                        agent_poll(a, 20);
        }
        /* Its time may have passed while we had no CPU, or while none was read. */
        for (int i = 0; i < AGENT_STREAMS_MAX; i++)
                if (a->streams[i].fd >= 0 && (ids >> a->streams[i].id & 1))
                        read_the_rest(a, &a->streams[i]);
        forward_kernel_log(a);
}

void agent_event(struct agent *a, const char *kind, const char *fields_fmt, ...)
{
        char text[8192];
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
