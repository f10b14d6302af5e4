/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../kconfig/kconfig.h"

#include <errno.h>
#include <string.h>

#include "../../kconfig/kernel_config.h"
#include "../../common/cleanup.h"
#include "../lib/suite.h"

/* What a guest cannot do without, in either profile. */
START_TEST(each_profile_asks_for_what_guests_need)
{
        static const char *const needed[] = {
                "SCHED_CLASS_EXT", "DEBUG_INFO_BTF", "BPF_SYSCALL", "FTRACE",
                "KPROBE_EVENTS",   "BPF_EVENTS",     "PVH",         "VIRTIO_PCI",
                "VIRTIO_CONSOLE",  "DEVMEM",         "IKCONFIG",
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(needed); i++)
                ck_assert_msg(kernel_config_get(kconfig_fragment(_i), needed[i]) == 'y', "%s lacks %s",
                              kconfig_profile_name(_i), needed[i]);
}
END_TEST

START_TEST(a_profile_is_found_by_its_name)
{
        enum kconfig_profile p;

        ck_assert_int_eq(kconfig_profile_from(kconfig_profile_name(_i), &p), 0);
        ck_assert_int_eq(p, _i);
        ck_assert_int_eq(kconfig_profile_from("huge", &p), -EINVAL);
}
END_TEST

START_TEST(another_fragment_has_another_hash)
{
        char a[KCONFIG_HASH_SIZE], b[KCONFIG_HASH_SIZE];

        kconfig_hash(KCONFIG_DEFAULT, a);
        kconfig_hash(KCONFIG_TINY, b);
        ck_assert_str_ne(a, b);
        ck_assert_uint_eq(strspn(a, "0123456789abcdef"), 8);
        /* zlib's CRC-32: that of `gzip` and of other tools of the field. */
        kconfig_hash_text("123456789", 9, a);
        ck_assert_str_eq(a, "cbf43926");
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kconfig");
        TCase *c = tcase_create("kconfig");

        tcase_add_loop_test(c, each_profile_asks_for_what_guests_need, 0, _KCONFIG_PROFILE_MAX);
        tcase_add_loop_test(c, a_profile_is_found_by_its_name, 0, _KCONFIG_PROFILE_MAX);
        tcase_add_test(c, another_fragment_has_another_hash);
        suite_add_tcase(s, c);
        return suite_run(s);
}
