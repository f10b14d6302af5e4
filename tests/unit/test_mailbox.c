/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../proto/mailbox.h"
#include "unit.h"

START_TEST(header_reads_back)
{
        uint8_t header[KT_MAILBOX_HEADER_SIZE];
        uint64_t size = 0;
        uint32_t flags = 0;

        kt_mailbox_header(header, 12345678, KT_MAILBOX_MORE);
        ck_assert_mem_eq(header, "MAILBOX1", 8);
        ck_assert_int_eq(kt_mailbox_parse(header, KT_MAILBOX_SIZE, &size, &flags), 1);
        ck_assert_uint_eq(size, 12345678);
        ck_assert_uint_eq(flags, KT_MAILBOX_MORE);
}
END_TEST

START_TEST(untouched_memory_is_an_empty_mailbox)
{
        uint8_t header[KT_MAILBOX_HEADER_SIZE] = {0};
        uint64_t size = 7;
        uint32_t flags = 7;

        ck_assert_int_eq(kt_mailbox_parse(header, KT_MAILBOX_SIZE, &size, &flags), 0);
        memset(header, 0xff, sizeof(header));
        ck_assert_int_eq(kt_mailbox_parse(header, KT_MAILBOX_SIZE, &size, &flags), 0);
        ck_assert_uint_eq(size, 7);
}
END_TEST

START_TEST(size_may_fill_the_mailbox_and_no_more)
{
        uint8_t header[KT_MAILBOX_HEADER_SIZE];
        uint64_t size;
        uint32_t flags;

        kt_mailbox_header(header, 4096 - KT_MAILBOX_HEADER_SIZE, 0);
        ck_assert_int_eq(kt_mailbox_parse(header, 4096, &size, &flags), 1);
        kt_mailbox_header(header, 4096 - KT_MAILBOX_HEADER_SIZE + 1, 0);
        ck_assert_int_eq(kt_mailbox_parse(header, 4096, &size, &flags), -EBADMSG);
        kt_mailbox_header(header, UINT64_MAX, 0);
        ck_assert_int_eq(kt_mailbox_parse(header, 4096, &size, &flags), -EBADMSG);
        kt_mailbox_header(header, 0, 0);
        ck_assert_int_eq(kt_mailbox_parse(header, KT_MAILBOX_HEADER_SIZE - 1, &size, &flags), -EBADMSG);
}
END_TEST

START_TEST(damaged_header_is_refused)
{
        for (size_t at = 8; at < 24; at++) {
                uint8_t header[KT_MAILBOX_HEADER_SIZE];
                uint64_t size;
                uint32_t flags;

                kt_mailbox_header(header, 100, 0);
                header[at] ^= 1;
                ck_assert_int_eq(kt_mailbox_parse(header, 4096, &size, &flags), -EBADMSG);
        }
}
END_TEST

UNIT_MAIN("mailbox", header_reads_back, untouched_memory_is_an_empty_mailbox,
          size_may_fill_the_mailbox_and_no_more, damaged_header_is_refused)
