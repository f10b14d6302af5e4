/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * How fast the daemon answers: `Ping` on one connection, for a while.
 *
 *   ktstr-bench-ping SOCKET SECONDS DEPTH
 *
 * DEPTH calls are kept under way: 1 is one round trip after the other, more is a client that pipelines. One
 * line of JSON comes out, times in microseconds; a round trip is from the write of a call to the read of its
 * answer.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../common/cleanup.h"

static const char call[] = "{\"method\":\"io.ktstrd.Daemon.Ping\",\"parameters\":{}}";
static const char answer[] = "{\"parameters\":{}}";

#define DEPTH_MAX 1024U
/* Times beyond this many are not kept: a round trip of 5 us for a minute would need no more. */
#define TIMES_MAX (16U * 1024U * 1024U)

struct bench {
        int fd;
        unsigned depth;
        uint64_t sent, received;
        uint64_t sent_at[DEPTH_MAX]; /* ring, by number of the call */
        float *us;                   /* of the calls answered, TIMES_MAX of them */
        size_t n_times;
        size_t at; /* bytes of the current answer seen */
};

static uint64_t now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static int connect_to(const char *path)
{
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || strlen(path) >= sizeof(addr.sun_path))
                return -1;
        strcpy(addr.sun_path, path);
        if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
                close(fd);
                return -1;
        }
        return fd;
}

static int write_all(int fd, const char *data, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return -1;
                data += n;
                size -= (size_t)n;
        }
        return 0;
}

/* Send so many calls with one write. */
static int send_calls(struct bench *b, unsigned n)
{
        static char text[DEPTH_MAX * sizeof(call)];
        const uint64_t now = now_ns();

        for (unsigned i = 0; i < n; i++) {
                memcpy(text + i * sizeof(call), call, sizeof(call));
                b->sent_at[b->sent++ % DEPTH_MAX] = now;
        }
        return write_all(b->fd, text, n * sizeof(call));
}

/* Take what has come. How many answers that were, -1 when it was no answer. */
static int receive_answers(struct bench *b)
{
        char buf[65536];
        const ssize_t n = read(b->fd, buf, sizeof(buf));
        const uint64_t now = now_ns();
        int answers = 0;

        if (n <= 0)
                return n < 0 && errno == EINTR ? 0 : -1;
        for (ssize_t i = 0; i < n; i++) {
                if (buf[i] != answer[b->at])
                        return -1;
                if (++b->at < sizeof(answer))
                        continue;
                b->at = 0;
                if (b->n_times < TIMES_MAX)
                        b->us[b->n_times++] = (float)(now - b->sent_at[b->received % DEPTH_MAX]) / 1000.0F;
                b->received++;
                answers++;
        }
        return answers;
}

static int run(struct bench *b, uint64_t until_ns)
{
        if (send_calls(b, b->depth) < 0)
                return -1;
        while (b->received < b->sent) {
                const int n = receive_answers(b);

                if (n < 0)
                        return -1;
                if (n > 0 && now_ns() < until_ns && send_calls(b, (unsigned)n) < 0)
                        return -1;
        }
        return 0;
}

static int compare(const void *a, const void *b)
{
        const float x = *(const float *)a, y = *(const float *)b;

        return (x > y) - (x < y);
}

static double percentile(const struct bench *b, double p)
{
        return (double)b->us[(size_t)(p * (double)(b->n_times - 1) + 0.5)];
}

int main(int argc, char **argv)
{
        static struct bench b;
        _cleanup_free_ float *us = NULL;
        uint64_t begin;
        double seconds;

        if (argc != 4) {
                fputs("usage: ktstr-bench-ping SOCKET SECONDS DEPTH\n", stderr);
                return 64;
        }
        seconds = atof(argv[2]);
        b.depth = (unsigned)atoi(argv[3]);
        if (seconds <= 0 || b.depth < 1 || b.depth > DEPTH_MAX) {
                fprintf(stderr, "SECONDS must be more than 0, DEPTH from 1 to %u\n", DEPTH_MAX);
                return 64;
        }
        b.us = us = malloc(TIMES_MAX * sizeof(float));
        b.fd = connect_to(argv[1]);
        if (!us || b.fd < 0) {
                fprintf(stderr, "cannot connect to %s: %s\n", argv[1], strerror(errno));
                return 69;
        }
        begin = now_ns();
        if (run(&b, begin + (uint64_t)(seconds * 1e9)) < 0) {
                fprintf(stderr, "the daemon answered something else to call %llu, or nothing\n",
                        (unsigned long long)b.received + 1);
                return 1;
        }
        seconds = (double)(now_ns() - begin) / 1e9;
        close(b.fd);
        qsort(us, b.n_times, sizeof(float), compare);
        printf("{\"calls\":%llu,\"seconds\":%.6f,\"per_second\":%.1f,\"us\":{\"min\":%.2f,\"p50\":%.2f,"
               "\"p99\":%.2f,\"max\":%.2f}}\n",
               (unsigned long long)b.received, seconds, (double)b.received / seconds, percentile(&b, 0),
               percentile(&b, 0.5), percentile(&b, 0.99), percentile(&b, 1));
        return 0;
}
