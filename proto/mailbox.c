/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mailbox.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <zlib.h>

#define CHECKED_SIZE 20U

void kt_mailbox_header(uint8_t ret[KT_MAILBOX_HEADER_SIZE], uint64_t size, uint32_t flags)
{
        uint64_t magic = htole64(KT_MAILBOX_MAGIC), size_le = htole64(size);
        uint32_t flags_le = htole32(flags), crc;

        memset(ret, 0, KT_MAILBOX_HEADER_SIZE);
        memcpy(ret, &magic, sizeof(magic));
        memcpy(ret + 8, &size_le, sizeof(size_le));
        memcpy(ret + 16, &flags_le, sizeof(flags_le));
        crc = htole32((uint32_t)crc32(0, ret, CHECKED_SIZE));
        memcpy(ret + CHECKED_SIZE, &crc, sizeof(crc));
}

int kt_mailbox_parse(const uint8_t hdr[KT_MAILBOX_HEADER_SIZE], uint64_t capacity, uint64_t *ret_size,
                     uint32_t *ret_flags)
{
        uint64_t magic, size;
        uint32_t flags, crc;

        memcpy(&magic, hdr, sizeof(magic));
        memcpy(&size, hdr + 8, sizeof(size));
        memcpy(&flags, hdr + 16, sizeof(flags));
        memcpy(&crc, hdr + CHECKED_SIZE, sizeof(crc));

        if (le64toh(magic) != KT_MAILBOX_MAGIC)
                return 0;
        if (le32toh(crc) != (uint32_t)crc32(0, hdr, CHECKED_SIZE))
                return -EBADMSG;
        size = le64toh(size);
        if (capacity < KT_MAILBOX_HEADER_SIZE || size > capacity - KT_MAILBOX_HEADER_SIZE)
                return -EBADMSG;

        *ret_size = size;
        *ret_flags = le32toh(flags);
        return 1;
}
