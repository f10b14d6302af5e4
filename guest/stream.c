/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent.h"

#define CHUNK (64U * 1024U)

/* Between two reads of one with a bound, until that is reached. A pipe holds CHUNK bytes meanwhile: a test
 * that prints byte by byte makes 200 frames a second and not a million, each of which the host would have to
 * take. */
#define PAUSE_NS 5000000ULL

void stream_open(struct stream *s, int fd, uint8_t id, uint64_t max, struct stream_line *line)
{
        fcntl(fd, F_SETFL, O_NONBLOCK);
        *s = (struct stream){.fd = fd, .id = id, .max = max, .line = line};
}

static void note_line(struct stream_line *line, const char *data, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                if (data[i] == '\n') {
                        line->ended = line->ended || line->len > 0;
                        continue;
                }
                if (line->ended) {
                        line->ended = false;
                        line->len = 0;
                }
                if (line->len < sizeof(line->text) - 1) {
                        line->text[line->len++] = data[i];
                        line->text[line->len] = '\0';
                }
        }
}

static void send_bytes(const struct stream *s, struct port *port, const void *data, size_t size)
{
        static uint8_t buf[1 + CHUNK];

        buf[0] = s->id;
        memcpy(buf + 1, data, size);
        port_send(port, KT_FRAME_OUTPUT, buf, (uint32_t)size + 1);
}

/* Bytes number s->total and on, of which none is forwarded as it comes: a ring by their number. What was
 * passed over leaves old ones in it, but never as many as are read behind it. */
static void keep_tail(struct stream *s, const char *data, size_t size)
{
        if (!s->tail)
                s->tail = malloc(STREAM_TAIL_MAX);
        if (!s->tail)
                return;
        for (size_t i = size > STREAM_TAIL_MAX ? size - STREAM_TAIL_MAX : 0; i < size; i++)
                s->tail[(s->total + i) % STREAM_TAIL_MAX] = data[i];
}

static void take(struct stream *s, struct port *port, const char *data, size_t size)
{
        uint64_t room = s->max == 0 ? size : s->total < s->max ? s->max - s->total : 0;
        size_t n = room < size ? (size_t)room : size;

        if (s->line)
                note_line(s->line, data, size);
        if (n > 0)
                send_bytes(s, port, data, n);
        s->total += n;
        if (n < size)
                keep_tail(s, data + n, size - n);
        s->total += size - n;
}

int stream_pause_ms(const struct stream *s, uint64_t now_ns)
{
        return s->paused_ns > now_ns ? (int)((s->paused_ns - now_ns) / 1000000) + 1 : 0;
}

/* Beyond the bound only the end is of use: pass over what is before it without copying it, which takes most
 * of the time of a test that prints a gigabyte. False: there is nothing to pass over. */
static bool pass_over(struct stream *s)
{
        static int null = -1;
        int there = 0;
        ssize_t n;

        if (s->line || s->max == 0 || s->total < s->max || ioctl(s->fd, FIONREAD, &there) < 0 ||
            there <= (int)STREAM_TAIL_MAX)
                return false;
        if (null < 0)
                null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        n = splice(s->fd, NULL, null, NULL, (size_t)there - STREAM_TAIL_MAX, SPLICE_F_NONBLOCK);
        if (n > 0)
                s->total += (uint64_t)n;
        return n > 0;
}

bool stream_forward(struct stream *s, struct port *port)
{
        static char buf[CHUNK];
        ssize_t n;

        (void)pass_over(s);
        n = read(s->fd, buf, sizeof(buf));

        if (n > 0) {
                take(s, port, buf, (size_t)n);
                s->paused_ns = s->max > 0 && s->total < s->max ? agent_now_ns() + PAUSE_NS : 0;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                stream_close(s, port);
        return n > 0;
}

static void send_tail(struct stream *s, struct port *port)
{
        uint64_t beyond = s->total - s->max;
        size_t n = !s->tail ? 0 : beyond < STREAM_TAIL_MAX ? (size_t)beyond : STREAM_TAIL_MAX;
        char text[STREAM_TAIL_MAX + 128];
        int head = 0;

        if (beyond > n)
                head = snprintf(text, sizeof(text),
                                "\n[ktstr: %llu of the %llu bytes printed are not kept]\n",
                                (unsigned long long)(beyond - n), (unsigned long long)s->total);
        for (size_t i = 0; i < n; i++)
                text[(size_t)head + i] = s->tail[(s->total - n + i) % STREAM_TAIL_MAX];
        send_bytes(s, port, text, (size_t)head + n);
}

void stream_close(struct stream *s, struct port *port)
{
        if (s->fd < 0)
                return;
        close(s->fd);
        s->fd = -1;
        if (s->max > 0 && s->total > s->max)
                send_tail(s, port);
        free(s->tail);
        s->tail = NULL;
}
