/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a child prints: pipes whose bytes go to the host as OUTPUT frames. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port.h"

#define STREAM_LINE_MAX 256
#define STREAM_TAIL_MAX 8192U

/* The last line that is not empty, of all streams that it is given to. */
struct stream_line {
        char text[STREAM_LINE_MAX]; /* "" before there is one; cut where it is longer */
        size_t len;                 /* of the line that is being written */
        bool ended;                 /* the next byte begins another */
};

struct stream {
        int fd;                   /* owned, non-blocking; -1: none */
        uint8_t id;               /* enum kt_output_stream */
        uint64_t max;             /* bytes that are forwarded as they come; 0: all */
        struct stream_line *line; /* borrowed; may be NULL */

        uint64_t total, paused_ns; /* by agent_now_ns(): one with a bound is read on from then */
        /* Beyond max: the last bytes, which end the stream, behind a line that says what is missing. */
        char *tail;
};

/* Take over fd, which becomes non-blocking. line is borrowed until the stream ends or loses it. */
void stream_open(struct stream *s, int fd, uint8_t id, uint64_t max, struct stream_line *line);

/* How long it is not to be read yet, at `now`: what is printed in small pieces goes in larger ones. 0: it
 * may be. In ms. */
int stream_pause_ms(const struct stream *s, uint64_t now_ns);

/* One read's worth to the host. At its end the stream is closed (fd is -1 then). True: there may be more. */
bool stream_forward(struct stream *s, struct port *port);

/* Close it, if it is open, with the last words of one that had more to say than is forwarded. */
void stream_close(struct stream *s, struct port *port);
