/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "../../guest/cmdline.h"
#include "unit.h"

static void expect(const char *cmdline, int r, uint64_t addr, uint64_t size)
{
        uint64_t got_addr = 0, got_size = 0;

        ck_assert_int_eq(cmdline_mailbox(cmdline, &got_addr, &got_size), r);
        if (r == 0) {
                ck_assert_uint_eq(got_addr, addr);
                ck_assert_uint_eq(got_size, size);
        }
}

START_TEST(the_mailbox_is_found_wherever_it_stands)
{
        expect("ktstr.mailbox=0x4600000,0x2000000", 0, 0x4600000, 0x2000000);
        expect("quiet ktstr.mailbox=0x1000,0x10 panic=-1\n", 0, 0x1000, 0x10);
        expect("xktstr.mailbox=0x1,0x1 ktstr.mailbox=0x1000,0x10\n", 0, 0x1000, 0x10);
}
END_TEST

START_TEST(none_is_told_from_a_malformed_one)
{
        expect("quiet panic=-1", -ENOENT, 0, 0);
        expect("", -ENOENT, 0, 0);
        expect("xktstr.mailbox=0x1,0x1", -ENOENT, 0, 0);
        expect("ktstr.mailbox=", -EINVAL, 0, 0);
        expect("ktstr.mailbox=0x1000", -EINVAL, 0, 0);
        expect("ktstr.mailbox=0x1000,", -EINVAL, 0, 0);
        expect("ktstr.mailbox=0x1000,0", -EINVAL, 0, 0);
        expect("ktstr.mailbox=0x1000,0x10z", -EINVAL, 0, 0);
        expect("ktstr.mailbox=0x10000000000000000,0x10", -EINVAL, 0, 0);
}
END_TEST

UNIT_MAIN("cmdline", the_mailbox_is_found_wherever_it_stands, none_is_told_from_a_malformed_one)
