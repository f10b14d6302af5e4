/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a program prints into a pipe, heard whenever the body waits. Of one that prints without end the last
 * part is kept: what it comes to stands at the end.
 */

#include <stdint.h>

#include "conversation.h"

#define OUTPUT_KEPT_MIN (4U * 1024 * 1024)

struct output {
        struct conversation_watch watch;
        char *bytes; /* owned, without a NUL; the last `size` bytes, at least OUTPUT_KEPT_MIN of them where
                        there were so many */
        size_t size, allocated;
};

/* Make a pipe, whose other end is *ret_write_fd, the caller's to close (CLOEXEC). It is among talk's watches
 * from now on, so that o must neither move nor end before output_done(). -errno: there is no pipe, and
 * nothing to be done. */
int output_begin(struct output *o, struct conversation *talk, int *ret_write_fd);

/* Take what is there now, without waiting, and no more than a pipe holds. */
void output_drain(struct output *o);

/* Hear no more, and free what was kept. One that did not begin has watch.fd -1, and its link is initialised.
 */
void output_done(struct output *o);

/* The last whole JSON object or array in it, to be put by the caller; NULL: none, or memory is out. */
struct json_object *output_last_json(const struct output *o);

/* Its last line that is not empty, into text (of size bytes, 1 or more), cut where it is longer; "" when
 * there is none. */
void output_last_line(const struct output *o, char *text, size_t size);
