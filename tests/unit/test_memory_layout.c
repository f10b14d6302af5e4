/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../../common/fsutil.h"
#include "../../daemon/memory_layout.h"
#include "../../proto/errors.h"
#include "../../proto/mailbox.h"
#include "../lib/suite.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
#define KERNEL_END (70 * MIB + 123)

static struct memory_layout make(unsigned nodes, unsigned memory_mib, bool mailbox)
{
        const struct topology t = {nodes, nodes, 1, 1};
        struct memory_layout l;

        ck_assert_int_eq(memory_layout_make(&t, memory_mib, KERNEL_END, MIB, mailbox, &l, NULL), 0);
        return l;
}

START_TEST(nodes_add_up_and_the_first_has_the_kernel_on_top)
{
        const struct memory_layout l = make(4, 512, true);
        uint64_t sum = 0;

        for (unsigned i = 0; i < 4; i++)
                sum += l.node_size[i];
        ck_assert_uint_eq(sum, 512 * MIB);
        ck_assert_uint_eq(l.node_size[1], l.node_size[3]);
        ck_assert_uint_eq(l.node_size[1] % (8 * MIB), 0);
        ck_assert_uint_ge(l.node_size[0], l.node_size[1] + 54 * MIB + KT_MAILBOX_SIZE);
        ck_assert_uint_gt(l.node_size[1], 64 * MIB);
}
END_TEST

START_TEST(the_mailbox_lies_behind_the_kernel_in_the_first_node)
{
        static const struct {
                unsigned nodes, memory_mib;
        } shapes[] = {{1, 256}, {4, 256}, {1, 4096}, {2, 6000}, {128, 8192}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(shapes); i++) {
                const struct memory_layout l = make(shapes[i].nodes, shapes[i].memory_mib, true);

                ck_assert_uint_ge(l.mailbox_gpa, KERNEL_END);
                ck_assert_uint_lt(l.mailbox_gpa, KERNEL_END + 2 * MIB);
                ck_assert_uint_eq(l.mailbox_gpa % (2 * MIB), 0);
                ck_assert_uint_eq(l.mailbox_size, KT_MAILBOX_SIZE);
                ck_assert_uint_le(l.mailbox_gpa + l.mailbox_size, l.node_size[0]);
                ck_assert_uint_le(l.mailbox_gpa + l.mailbox_size, l.low_size - 16 * MIB);
        }
}
END_TEST

START_TEST(without_devmem_there_is_no_mailbox)
{
        ck_assert_uint_eq(make(1, 256, false).mailbox_size, 0);
}
END_TEST

START_TEST(the_least_that_is_said_to_be_enough_is)
{
        const struct topology t = {4, 4, 1, 1};
        struct kt_error err = KT_ERROR_INIT;
        struct memory_layout l;
        const char *text;

        ck_assert_int_eq(memory_layout_make(&t, 64, KERNEL_END, MIB, true, &l, &err), -ENOSPC);
        ck_assert_str_eq(err.name, KT_E_NEVER_FITS);
        ck_assert_str_eq(err.field, "memory_mib");
        text = strstr(err.message, "give the guest ");
        ck_assert_ptr_nonnull(text);
        ck_assert_int_eq(memory_layout_make(&t, (unsigned)atoi(text + 15), KERNEL_END, MIB, true, &l, NULL),
                         0);
        ck_assert_int_eq(
                memory_layout_make(&t, (unsigned)atoi(text + 15) - 1, KERNEL_END, MIB, true, &l, NULL),
                -ENOSPC);
        kt_error_done(&err);
}
END_TEST

START_TEST(a_large_initramfs_needs_room)
{
        const struct topology t = {1, 1, 1, 1};
        struct memory_layout l;

        ck_assert_int_eq(memory_layout_make(&t, 256, KERNEL_END, 200 * MIB, true, &l, NULL), -ENOSPC);
        ck_assert_int_eq(memory_layout_make(&t, 512, KERNEL_END, 200 * MIB, true, &l, NULL), 0);
}
END_TEST

START_TEST(default_memory_is_enough_for_every_topology)
{
        for (unsigned nodes = 1; nodes <= TOPOLOGY_NODES_MAX; nodes++) {
                const struct topology t = {nodes, nodes, 1, 1};
                struct memory_layout l;

                ck_assert_int_eq(memory_layout_make(&t, topology_default_memory_mib(&t), KERNEL_END, 8 * MIB,
                                                    true, &l, NULL),
                                 0);
        }
}
END_TEST

START_TEST(addresses_skip_the_hole)
{
        const struct memory_layout l = make(2, 6144, true);
        uint64_t offset;

        ck_assert_uint_eq(l.low_size, 2 * GIB);
        ck_assert_int_eq(memory_layout_offset(&l, 2 * GIB - 1, 1, &offset), 0);
        ck_assert_uint_eq(offset, 2 * GIB - 1);
        ck_assert_int_eq(memory_layout_offset(&l, 2 * GIB - 1, 2, &offset), -EFAULT);
        ck_assert_int_eq(memory_layout_offset(&l, 2 * GIB, 1, &offset), -EFAULT);
        ck_assert_int_eq(memory_layout_offset(&l, 4 * GIB - 1, 1, &offset), -EFAULT);
        ck_assert_int_eq(memory_layout_offset(&l, 4 * GIB, 4 * GIB, &offset), 0);
        ck_assert_uint_eq(offset, 2 * GIB);
        ck_assert_int_eq(memory_layout_offset(&l, 4 * GIB, 4 * GIB + 1, &offset), -EFAULT);
        ck_assert_int_eq(memory_layout_offset(&l, 8 * GIB, 1, &offset), -EFAULT);
        ck_assert_int_eq(memory_layout_offset(&l, UINT64_MAX, 1, &offset), -EFAULT);
        ck_assert_int_eq(memory_layout_offset(&l, 4 * GIB, UINT64_MAX, &offset), -EFAULT);
        ck_assert_int_eq(memory_layout_offset(&l, 0, UINT64_MAX, &offset), -EFAULT);
}
END_TEST

START_TEST(q35_keeps_what_is_less_than_its_hole_low)
{
        ck_assert_uint_eq(make(1, 2815, true).low_size, 2815 * MIB);
        ck_assert_uint_eq(make(1, 2816, true).low_size, 2 * GIB);
}
END_TEST

static int kernel_end_of(const void *data, size_t size, uint64_t *ret)
{
        char path[] = "/tmp/ktstr-elf-XXXXXX";
        int fd = mkstemp(path), r;

        ck_assert_int_eq(kt_write_all(fd, data, size), 0);
        close(fd);
        r = memory_layout_kernel_end(path, ret, NULL);
        unlink(path);
        return r;
}

START_TEST(the_kernels_end_is_that_of_its_last_segment)
{
        uint8_t elf[64 + 2 * 56] = {0x7f, 'E',      'L',       'F',       2,         1,
                                    1,    [16] = 2, [18] = 62, [32] = 64, [54] = 56, [56] = 2};
        const uint64_t paddr[2] = {16 * MIB, 48 * MIB}, memsz[2] = {20 * MIB, 5 * MIB + 1};
        uint64_t end;

        for (int i = 0; i < 2; i++) {
                elf[64 + 56 * i] = 1; /* PT_LOAD */
                memcpy(elf + 64 + 56 * i + 24, &paddr[i], 8);
                memcpy(elf + 64 + 56 * i + 40, &memsz[i], 8);
        }
        ck_assert_int_eq(kernel_end_of(elf, sizeof(elf), &end), 0);
        ck_assert_uint_eq(end, 53 * MIB + 1);
        ck_assert_int_eq(kernel_end_of(elf, sizeof(elf) - 1, &end), -EBADMSG);
        elf[18] = 183; /* EM_AARCH64 */
        ck_assert_int_eq(kernel_end_of(elf, sizeof(elf), &end), -EBADMSG);
        ck_assert_int_eq(kernel_end_of("", 0, &end), -EBADMSG);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("memory_layout");
        TCase *c = tcase_create("memory_layout");

        tcase_add_test(c, nodes_add_up_and_the_first_has_the_kernel_on_top);
        tcase_add_test(c, the_mailbox_lies_behind_the_kernel_in_the_first_node);
        tcase_add_test(c, without_devmem_there_is_no_mailbox);
        tcase_add_test(c, the_least_that_is_said_to_be_enough_is);
        tcase_add_test(c, a_large_initramfs_needs_room);
        tcase_add_test(c, default_memory_is_enough_for_every_topology);
        tcase_add_test(c, addresses_skip_the_hole);
        tcase_add_test(c, q35_keeps_what_is_less_than_its_hole_low);
        tcase_add_test(c, the_kernels_end_is_that_of_its_last_segment);
        suite_add_tcase(s, c);
        return suite_run(s);
}
