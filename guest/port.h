/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The virtio-serial port to the host, and frames over it. */

#include <stdint.h>

#include "../proto/frame.h"

struct port {
        int fd;
        struct kt_frame_decoder decoder;
};

/* Find and open the port named KT_GUEST_PORT_NAME; its device may take a moment to appear, at most
 * timeout_ms. 0, or -ENODEV: it did not. It stays open as long as the agent lives. */
int port_open(struct port *p, int timeout_ms);

/* Send one frame, blocking until the host's queue takes it. Failures are ignored: without a host there is
 * nobody to tell. */
void port_send(struct port *p, uint32_t type, const void *payload, uint32_t size);

/* Read what is there into the decoder: bytes read, 0 when the host has closed, -errno. Blocks when nothing
 * is there. */
int port_receive(struct port *p);

/* The next frame received, as kt_frame_decoder_next(): 1 with *ret, whose payload is borrowed until the next
 * call; 0 when more has to be received; -errno for good. */
int port_next(struct port *p, struct kt_frame *ret);
