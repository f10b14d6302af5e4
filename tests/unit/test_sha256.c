/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../common/sha256.h"
#include "unit.h"

/* FIPS 180-4's examples. */
static const char empty_sum[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char abc_sum[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char million_sum[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

START_TEST(memory_sums_are_those_of_the_standard)
{
        char hex[KT_SHA256_HEX_SIZE];

        ck_assert_int_eq(kt_sha256_mem("", 0, hex), 0);
        ck_assert_str_eq(hex, empty_sum);
        ck_assert_int_eq(kt_sha256_mem("abc", 3, hex), 0);
        ck_assert_str_eq(hex, abc_sum);
}
END_TEST

START_TEST(file_is_summed_whole_and_its_offset_stays)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *data = malloc(1000000);
        _cleanup_close_ int fd = -1;
        char hex[KT_SHA256_HEX_SIZE];

        memset(data, 'a', 1000000);
        ck_assert_int_eq(kt_publish_file(dir.fd, "f", data, 1000000, 0600), 0);
        fd = openat(dir.fd, "f", O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(lseek(fd, 1234, SEEK_SET), 1234);
        ck_assert_int_eq(kt_sha256_fd(fd, hex), 0);
        ck_assert_str_eq(hex, million_sum);
        ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 1234);
}
END_TEST

START_TEST(unreadable_descriptor_is_an_error)
{
        char hex[KT_SHA256_HEX_SIZE];

        ck_assert_int_eq(kt_sha256_fd(-1, hex), -EBADF);
}
END_TEST

UNIT_MAIN("sha256", memory_sums_are_those_of_the_standard, file_is_summed_whole_and_its_offset_stays,
          unreadable_descriptor_is_an_error)
