/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * The mailbox: a range of guest memory that the guest's kernel leaves alone (memmap=SIZE$ADDR), which the host
 * writes while the guest is paused and the agent maps from /dev/mem. It carries host-to-guest frames, so that a
 * job is there before the guest wakes.
 *
 * The agent learns where it is from its kernel command line: ktstr.mailbox=0xADDR,0xSIZE.
 *
 * Layout, little-endian:
 *   offset 0    u64  magic   KT_MAILBOX_MAGIC; anything else: empty
 *   offset 8    u64  size    bytes of frames that follow the header
 *   offset 16   u32  flags   KT_MAILBOX_MORE: the rest of the frames comes over the virtio-serial port
 *   offset 20   u32  crc     CRC-32 (zlib) of the 20 bytes before
 *   offset 64        frames, end to end; the last may be cut when KT_MAILBOX_MORE is set, its remainder is then the
 *                    first thing on the port
 */
/* clang-format on */

#include <stdint.h>

#define KT_MAILBOX_MAGIC 0x31584f424c49414dULL /* "MAILBOX1" read as little-endian */
#define KT_MAILBOX_HEADER_SIZE 64U
#define KT_MAILBOX_SIZE (32ULL << 20)
#define KT_MAILBOX_MORE 1U

/* Fill the header. */
void kt_mailbox_header(uint8_t ret[KT_MAILBOX_HEADER_SIZE], uint64_t size, uint32_t flags);

/* Read one: 1 when full, 0 when empty, -EBADMSG when it claims more than fits or its checksum is wrong.
 * capacity: bytes of the whole mailbox, its header included. */
int kt_mailbox_parse(const uint8_t hdr[KT_MAILBOX_HEADER_SIZE], uint64_t capacity, uint64_t *ret_size,
                     uint32_t *ret_flags);
