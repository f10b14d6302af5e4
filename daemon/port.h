/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The host's end of a guest's virtio-serial port: frames in, frames and raw pieces of frames out. What the
 * guest sends is checked for framing only. A guest that sends faster than PORT_BYTES_PER_SECOND or
 * PORT_FRAMES_PER_SECOND is not read for a while; QEMU then stops taking from it, so nothing piles up on the
 * host.
 *
 * Any callback may call port_stop(). on_failed and on_eof come at most once and exclude each other;
 * on_closed exactly once, last, after port_stop(); the port is freed when it returns.
 */

#include <uv.h>

#include "../common/error.h"
#include "../proto/frame.h"

#define PORT_BYTES_PER_SECOND (64ULL << 20)
#define PORT_FRAMES_PER_SECOND 50000ULL

struct port;

struct port_ops {
        /* payload borrowed for the call */
        void (*on_frame)(void *userdata, const struct kt_frame *frame);
        /* the other end is closed, and everything that it had sent was given out */
        void (*on_eof)(void *userdata);
        /* bytes that are no frames */
        void (*on_failed)(void *userdata, const struct kt_error *err);
        void (*on_closed)(void *userdata);
};

/* Takes fd on success. On failure nothing is left but what closes at the loop's next turn. */
int port_start(uv_loop_t *loop, int fd, const struct port_ops *ops, void *userdata, struct port **ret,
               struct kt_error *reterr);

/* Queue a frame (copied). A port that is closing or was closed at the other end drops it. -ENOMEM. */
int port_send(struct port *p, uint32_t type, const void *payload, uint32_t size);

/* Queue bytes that are part of a stream of frames; takes data (malloced) in any case. on_written comes
 * exactly once unless this fails; status as in uv_write_cb. */
int port_write(struct port *p, void *data, size_t size, void (*on_written)(void *userdata, int status));

/* Bytes queued and not yet taken by QEMU. */
size_t port_queued(const struct port *p);

/* Idempotent. */
void port_stop(struct port *p);
