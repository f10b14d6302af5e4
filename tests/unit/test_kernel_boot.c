/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "../../daemon/kcache.h"
#include "../../daemon/kernel_boot.h"
#include "../lib/suite.h"
#include "unit.h"

static const struct kernel kernel = {.key = (char *)"6.18.1-test-img-x86_64", .image_sha256 = (char *)"abc"},
                           rebuilt = {.key = (char *)"6.18.1-test-img-x86_64",
                                      .image_sha256 = (char *)"def"};

static void make_entry(const struct unit_dir *dir)
{
        ck_assert_int_eq(kt_mkdir_p(dir->fd, kernel.key, 0755), 0);
}

static struct kernel_boot *boots_of(const struct unit_dir *dir, const struct kernel *k, size_t *ret_n)
{
        struct kernel_boot *boots = NULL;

        ck_assert_int_eq(kernel_boot_read(dir->path, k, &boots, ret_n), 0);
        return boots;
}

START_TEST(the_last_and_the_best_are_kept_for_each_machine)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ struct kernel_boot *none = NULL, *boots = NULL;
        size_t n;

        make_entry(&dir);
        none = boots_of(&dir, &kernel, &n);
        ck_assert_uint_eq(n, 0);
        ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "tcg", 4, 2000), 0);
        ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "tcg", 4, 1800), 0);
        ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "tcg", 4, 1900), 0);
        ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "kvm", 8, 300), 0);
        ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "tcg", 2, 1500), 0);
        boots = boots_of(&dir, &kernel, &n);
        ck_assert_uint_eq(n, 3);
        ck_assert_str_eq(boots[0].accel, "kvm");
        ck_assert_uint_eq(boots[1].cpus, 2);
        ck_assert_str_eq(boots[2].accel, "tcg");
        ck_assert_uint_eq(boots[2].cpus, 4);
        ck_assert(boots[2].last_ms == 1900 && boots[2].best_ms == 1800 && boots[2].boots == 3);
}
END_TEST

START_TEST(of_another_kernel_with_that_key_nothing_is_known)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ struct kernel_boot *before = NULL, *after = NULL;
        size_t n;

        make_entry(&dir);
        ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "tcg", 4, 2000), 0);
        before = boots_of(&dir, &rebuilt, &n);
        ck_assert_uint_eq(n, 0);
        ck_assert_int_eq(kernel_boot_write(dir.path, &rebuilt, "tcg", 4, 3000), 0);
        after = boots_of(&dir, &rebuilt, &n);
        ck_assert_uint_eq(n, 1);
        ck_assert(after[0].best_ms == 3000);
}
END_TEST

START_TEST(what_was_removed_is_forgotten_and_not_written_again)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ struct kernel_boot *boots = NULL;
        struct kcache *c;
        size_t n;

        make_entry(&dir);
        ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "tcg", 4, 2000), 0);
        ck_assert_int_eq(kcache_open(dir.path, &c, NULL), 0);
        ck_assert_int_eq(kcache_remove(c, kernel.key, NULL), 0);
        ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "tcg", 4, 2000), -ENOENT);
        make_entry(&dir);
        boots = boots_of(&dir, &kernel, &n);
        ck_assert_uint_eq(n, 0);
        kcache_free(c);
}
END_TEST

static const char *const damaged[] = {
        "",
        "{",
        "[]",
        "{\"image_sha256\":\"abc\"}",
        "{\"image_sha256\":\"abc\",\"boots\":1}",
        "{\"image_sha256\":7,\"boots\":[{\"accel\":\"tcg\",\"cpus\":1,\"last_ms\":1,\"best_ms\":1,\"boots\":"
        "1}]}",
        "{\"image_sha256\":\"abc\",\"boots\":[3,{},{\"accel\":\"tcg\",\"cpus\":-1,\"last_ms\":1,\"best_ms\":"
        "1,"
        "\"boots\":1},{\"accel\":\"an accelerator of a long name\",\"cpus\":1,\"last_ms\":1,\"best_ms\":1,"
        "\"boots\":1}]}",
};

START_TEST(what_is_damaged_is_not_there_and_written_anew)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ struct kernel_boot *before = NULL, *after = NULL;
        _cleanup_free_ char *path = kt_format("%s/.boot/%s.json", dir.path, kernel.key);
        size_t n;

        make_entry(&dir);
        ck_assert_int_eq(kt_mkdir_p(dir.fd, ".boot", 0755), 0);
        ck_assert_int_eq(kt_replace_file(AT_FDCWD, path, damaged[_i], strlen(damaged[_i]), 0644), 0);
        before = boots_of(&dir, &kernel, &n);
        ck_assert_uint_eq(n, 0);
        ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "tcg", 4, 2000), 0);
        after = boots_of(&dir, &kernel, &n);
        ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(a_machine_too_many_is_let_go)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ struct kernel_boot *boots = NULL;
        size_t n;

        make_entry(&dir);
        for (unsigned cpus = 1; cpus <= 70; cpus++)
                ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "tcg", cpus, 2000), 0);
        ck_assert_int_eq(kernel_boot_write(dir.path, &kernel, "tcg", 64, 1000), 0);
        boots = boots_of(&dir, &kernel, &n);
        ck_assert_uint_eq(n, 64);
        ck_assert(boots[63].best_ms == 1000);
}
END_TEST

static void *write_often(void *data)
{
        const struct unit_dir *dir = data;

        for (unsigned i = 0; i < 25; i++)
                (void)kernel_boot_write(dir->path, &kernel, "tcg", 4, 2000);
        return NULL;
}

START_TEST(none_is_lost_when_several_write)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ struct kernel_boot *boots = NULL;
        pthread_t threads[4];
        size_t n;

        make_entry(&dir);
        for (size_t i = 0; i < KT_ARRAY_SIZE(threads); i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, write_often, &dir), 0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(threads); i++)
                pthread_join(threads[i], NULL);
        boots = boots_of(&dir, &kernel, &n);
        ck_assert_uint_eq(n, 1);
        ck_assert(boots[0].boots == 100);
}
END_TEST

START_TEST(a_note_is_written_before_the_loop_ends)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ struct kernel_boot *boots = NULL;
        uv_loop_t loop;
        size_t n;

        make_entry(&dir);
        ck_assert_int_eq(uv_loop_init(&loop), 0);
        kernel_boot_note(&loop, dir.path, &kernel, "tcg", 4, 1234);
        uv_run(&loop, UV_RUN_DEFAULT);
        ck_assert_int_eq(uv_loop_close(&loop), 0);
        boots = boots_of(&dir, &kernel, &n);
        ck_assert_uint_eq(n, 1);
        ck_assert(boots[0].last_ms == 1234);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kernel_boot");
        TCase *c = tcase_create("kernel_boot");

        tcase_add_test(c, the_last_and_the_best_are_kept_for_each_machine);
        tcase_add_test(c, of_another_kernel_with_that_key_nothing_is_known);
        tcase_add_test(c, what_was_removed_is_forgotten_and_not_written_again);
        tcase_add_loop_test(c, what_is_damaged_is_not_there_and_written_anew, 0,
                            (int)KT_ARRAY_SIZE(damaged));
        tcase_add_test(c, a_machine_too_many_is_let_go);
        tcase_add_test(c, none_is_lost_when_several_write);
        tcase_add_test(c, a_note_is_written_before_the_loop_ends);
        suite_add_tcase(s, c);
        return suite_run(s);
}
