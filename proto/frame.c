/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

static void put_le32(uint8_t *p, uint32_t value)
{
        value = htole32(value);
        memcpy(p, &value, sizeof(value));
}

static uint32_t get_le32(const uint8_t *p)
{
        uint32_t value;

        memcpy(&value, p, sizeof(value));
        return le32toh(value);
}

static uint32_t checksum(const void *payload, uint32_t size)
{
        /* zlib returns its start value, not the sum so far, when it is handed NULL. */
        return size == 0 ? 0 : (uint32_t)crc32(0, payload, size);
}

uint32_t kt_frame_payload_max(uint32_t type)
{
        return type == KT_FRAME_RESULT ? KT_FRAME_RESULT_MAX : KT_FRAME_PAYLOAD_MAX;
}

void kt_frame_header(uint8_t ret[KT_FRAME_HEADER_SIZE], uint32_t type, const void *payload, uint32_t size)
{
        assert(size <= kt_frame_payload_max(type));
        put_le32(ret, KT_FRAME_MAGIC);
        put_le32(ret + 4, type);
        put_le32(ret + 8, size);
        put_le32(ret + 12, checksum(payload, size));
}

void kt_frame_decoder_init(struct kt_frame_decoder *d)
{
        *d = (struct kt_frame_decoder){0};
}

void kt_frame_decoder_done(struct kt_frame_decoder *d)
{
        free(d->buf);
        kt_frame_decoder_init(d);
}

/* Room for size more bytes behind those that are held: first by moving them to the front,
 * then by growing. */
static int make_room(struct kt_frame_decoder *d, size_t size)
{
        size_t want = d->allocated ?: 4096;
        uint8_t *grown;

        if (d->allocated - d->start - d->len >= size)
                return 0;
        if (d->start > 0) {
                memmove(d->buf, d->buf + d->start, d->len);
                d->start = 0;
        }
        if (d->allocated - d->len >= size)
                return 0;
        if (size > SIZE_MAX / 4 || d->len > SIZE_MAX / 4)
                return -ENOMEM;
        while (want < d->len + size)
                want *= 2;
        grown = realloc(d->buf, want);
        if (!grown)
                return -ENOMEM;
        d->buf = grown;
        d->allocated = want;
        return 0;
}

int kt_frame_decoder_feed(struct kt_frame_decoder *d, const void *data, size_t size)
{
        int r;

        if (d->failed)
                return d->failed;
        if (size == 0)
                return 0;
        r = make_room(d, size);
        if (r < 0)
                return r;
        memcpy(d->buf + d->start + d->len, data, size);
        d->len += size;
        return 0;
}

int kt_frame_decoder_next(struct kt_frame_decoder *d, struct kt_frame *ret)
{
        const uint8_t *header;
        uint32_t size;

        if (d->failed)
                return d->failed;
        if (d->len < KT_FRAME_HEADER_SIZE)
                return 0;

        header = d->buf + d->start;
        if (get_le32(header) != KT_FRAME_MAGIC)
                return d->failed = -EBADMSG;
        size = get_le32(header + 8);
        if (size > kt_frame_payload_max(get_le32(header + 4)))
                return d->failed = -EMSGSIZE;
        if (d->len - KT_FRAME_HEADER_SIZE < size)
                return 0;
        if (get_le32(header + 12) != checksum(header + KT_FRAME_HEADER_SIZE, size))
                return d->failed = -EBADMSG;

        *ret = (struct kt_frame){
                .type = get_le32(header + 4),
                .size = size,
                .payload = header + KT_FRAME_HEADER_SIZE,
        };
        d->start += KT_FRAME_HEADER_SIZE + size;
        d->len -= KT_FRAME_HEADER_SIZE + size;
        return 1;
}
