/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * The frames that host and guest exchange: over the virtio-serial port, and, host to guest only, laid end
 * to end in the mailbox (mailbox.h). Both sides link this file; it does no I/O.
 *
 * A frame is a 16-byte header and a payload. All integers are little-endian.
 *
 *   offset 0   u32  magic    "KTF1"
 *   offset 4   u32  type     enum kt_frame_type
 *   offset 8   u32  size     bytes of payload, at most KT_FRAME_PAYLOAD_MAX, of a RESULT KT_FRAME_RESULT_MAX
 *   offset 12  u32  crc      CRC-32 (zlib) of the payload
 *
 * The guest is hostile: a decoder refuses a wrong magic, size or checksum at once, and stays refused, since a
 * byte stream that lost its framing cannot be trusted to find it again. JSON payloads are described in guestmsg.h.
 */
/* clang-format on */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KT_FRAME_MAGIC 0x3146544bU /* "KTF1" read as little-endian */
#define KT_FRAME_HEADER_SIZE 16U
#define KT_FRAME_PAYLOAD_MAX (1024U * 1024U)
/* A body's result (KT_BODY_LINE_MAX) and what the agent says besides. */
#define KT_FRAME_RESULT_MAX (9U * 1024U * 1024U)

enum kt_frame_type {
        /* guest to host */
        KT_FRAME_HELLO = 1,  /* JSON: the agent is up, or awake again */
        KT_FRAME_EVENT = 2,  /* JSON: progress */
        KT_FRAME_OUTPUT = 3, /* one byte of enum kt_output_stream, then raw bytes */
        KT_FRAME_RESULT = 4, /* JSON: the last frame of a job */
        KT_FRAME_PARKED = 5, /* JSON, as HELLO: the answer to PARK */

        /* host to guest */
        KT_FRAME_JOB = 16,    /* JSON: what to do */
        KT_FRAME_FILE = 17,   /* JSON: a file begins; its bytes follow in DATA frames */
        KT_FRAME_DATA = 18,   /* raw bytes of the file begun last; `size` of them in all */
        KT_FRAME_GO = 19,     /* empty: job and files are complete, start */
        KT_FRAME_CANCEL = 20, /* empty: stop what runs, report, end */
        KT_FRAME_INPUT = 21,  /* raw bytes for the command's standard input; empty: end of file */
        KT_FRAME_PARK =
                22, /* JSON: rehearse, answer PARKED, and be ready to be stopped until a job is there */
        KT_FRAME_WAKE = 23, /* empty: say HELLO again; the job comes over the port */
};

enum kt_output_stream {
        KT_OUTPUT_SCHED_STDOUT = 1,
        KT_OUTPUT_SCHED_STDERR = 2,
        KT_OUTPUT_STDOUT = 3, /* of `exec` */
        KT_OUTPUT_STDERR = 4,
        KT_OUTPUT_KERNEL = 5, /* /dev/kmsg, one "[   12.345678] text\n" line each */
};

struct kt_frame {
        uint32_t type;
        uint32_t size;
        const uint8_t *payload; /* borrowed from the decoder until its next call; never NUL-terminated */
};

/* Bytes that the payload of such a frame may have. */
uint32_t kt_frame_payload_max(uint32_t type);

/* Write the 16 header bytes for this payload. size <= kt_frame_payload_max(type), asserted. */
void kt_frame_header(uint8_t ret[KT_FRAME_HEADER_SIZE], uint32_t type, const void *payload, uint32_t size);

struct kt_frame_decoder {
        uint8_t *buf;
        size_t start, len, allocated;
        int failed; /* the -errno that ended the stream, else 0 */
};

void kt_frame_decoder_init(struct kt_frame_decoder *d);
void kt_frame_decoder_done(struct kt_frame_decoder *d);

/* Append received bytes (copied). 0, -ENOMEM, or the earlier failure. */
int kt_frame_decoder_feed(struct kt_frame_decoder *d, const void *data, size_t size);

/* The next whole frame. 1 with *ret filled, 0 when more bytes are needed, -EBADMSG (magic or checksum),
 * -EMSGSIZE. After an error every further call returns that error. */
int kt_frame_decoder_next(struct kt_frame_decoder *d, struct kt_frame *ret);
