/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../daemon/kernel_modules.h"
#include "../../proto/errors.h"
#include "unit.h"

static const char *const both[] = {"virtio_pci", "virtio_console"};

static struct unit_dir unpacked(void)
{
        struct unit_dir dir = unit_dir_new();

        ck_assert_int_eq(kt_mkdir_p(dir.fd, "from", 0755), 0);
        return dir;
}

/* depends NULL: it says nothing about that. */
static void add(const struct unit_dir *dir, const char *name, const char *depends)
{
        _cleanup_free_ char *path = kt_format("%s/from/%s.ko", dir->path, name);
        _cleanup_fclose_ FILE *f = fopen(path, "we");

        ck_assert_ptr_nonnull(f);
        fprintf(f, "ELF%clicense=GPL%c", 0, 0);
        if (depends)
                fprintf(f, "depends=%s%c", depends, 0);
        fprintf(f, "name=%s%c", name, 0);
}

/* The names in the folder, in their order, "a b c". */
static char *listed(const struct unit_dir *dir)
{
        struct dirent **entries = NULL;
        int n = scandirat(dir->fd, "to", &entries, NULL, alphasort);
        char *text = strdup("");

        for (int i = 0; i < n; i++) {
                if (entries[i]->d_name[0] != '.') {
                        char *more = kt_format("%s%s%s", text, *text ? " " : "", entries[i]->d_name);
                        free(text);
                        text = more;
                }
                free(entries[i]);
        }
        free(entries);
        return text;
}

START_TEST(what_is_depended_on_comes_first)
{
        _unit_dir_ struct unit_dir dir = unpacked();
        _cleanup_free_ char *names = NULL;

        add(&dir, "virtio_pci", "virtio,virtio_ring,virtio_pci_modern_dev");
        add(&dir, "virtio_pci_modern_dev", "virtio_ring");
        add(&dir, "virtio_ring", "virtio");
        add(&dir, "virtio", "");
        add(&dir, "virtio_console", "virtio_ring,virtio");
        add(&dir, "virtio_net", "virtio");
        ck_assert_int_eq(kernel_modules_select(dir.fd, "from", "to", both, 2, NULL), 0);
        names = listed(&dir);
        ck_assert_str_eq(names, "00-virtio.ko 01-virtio_ring.ko 02-virtio_pci_modern_dev.ko "
                                "03-virtio_pci.ko 04-virtio_console.ko");
}
END_TEST

START_TEST(only_what_is_wanted_is_taken)
{
        _unit_dir_ struct unit_dir dir = unpacked();
        _cleanup_free_ char *names = NULL;

        add(&dir, "virtio_pci", "virtio");
        add(&dir, "virtio_console", NULL);
        ck_assert_int_eq(kernel_modules_select(dir.fd, "from", "to", both + 1, 1, NULL), 0);
        names = listed(&dir);
        ck_assert_str_eq(names, "00-virtio_console.ko");
}
END_TEST

START_TEST(a_dependency_that_is_not_there_is_built_in)
{
        _unit_dir_ struct unit_dir dir = unpacked();
        _cleanup_free_ char *names = NULL;

        add(&dir, "virtio_pci", "virtio,virtio_ring");
        add(&dir, "virtio_ring", "");
        ck_assert_int_eq(kernel_modules_select(dir.fd, "from", "to", both, 1, NULL), 0);
        names = listed(&dir);
        ck_assert_str_eq(names, "00-virtio_ring.ko 01-virtio_pci.ko");
}
END_TEST

START_TEST(a_wanted_one_that_is_not_there_is_named)
{
        _unit_dir_ struct unit_dir dir = unpacked();
        struct kt_error err = KT_ERROR_INIT;

        add(&dir, "virtio_pci", "");
        ck_assert_int_eq(kernel_modules_select(dir.fd, "from", "to", both, 2, &err), -ENOENT);
        ck_assert_str_eq(err.name, KT_E_KERNEL_UNSUITABLE);
        ck_assert_ptr_nonnull(strstr(err.message, "virtio_console"));
        kt_error_done(&err);
}
END_TEST

/* Twenty that all need all: looked at once each, or this never ends. */
START_TEST(those_that_need_each_other_are_each_taken_once)
{
        _unit_dir_ struct unit_dir dir = unpacked();
        _cleanup_free_ char *all = strdup("virtio_pci"), *names = NULL;

        for (int i = 0; i < 20; i++) {
                char *more = kt_format("%s,m%d", all, i);
                free(all);
                all = more;
        }
        add(&dir, "virtio_pci", all);
        for (int i = 0; i < 20; i++) {
                char name[8];

                snprintf(name, sizeof(name), "m%d", i);
                add(&dir, name, all);
        }
        ck_assert_int_eq(kernel_modules_select(dir.fd, "from", "to", both, 1, NULL), 0);
        names = listed(&dir);
        ck_assert_ptr_nonnull(strstr(names, "20-virtio_pci.ko"));
        ck_assert_ptr_null(strstr(names, "21-"));
}
END_TEST

START_TEST(a_name_that_is_a_path_leads_nowhere)
{
        _unit_dir_ struct unit_dir dir = unpacked();
        _cleanup_free_ char *names = NULL, *left = NULL;

        ck_assert_int_eq(kt_publish_file(dir.fd, "victim.ko", "x", 1, 0644), 0);
        add(&dir, "virtio_pci", "../victim,/etc/passwd,..,a b,");
        ck_assert_int_eq(kernel_modules_select(dir.fd, "from", "to", both, 1, NULL), 0);
        names = listed(&dir);
        ck_assert_str_eq(names, "00-virtio_pci.ko");
        ck_assert_int_eq(kt_read_file(dir.fd, "victim.ko", 10, &left, NULL), 0);
}
END_TEST

START_TEST(there_may_be_too_many)
{
        _unit_dir_ struct unit_dir dir = unpacked();
        struct kt_error err = KT_ERROR_INIT;

        add(&dir, "virtio_pci", "m0");
        for (int i = 0; i < 40; i++) {
                char name[8], next[8];

                snprintf(name, sizeof(name), "m%d", i);
                snprintf(next, sizeof(next), "m%d", i + 1);
                add(&dir, name, next);
        }
        ck_assert_int_eq(kernel_modules_select(dir.fd, "from", "to", both, 1, &err), -E2BIG);
        ck_assert_str_eq(err.name, KT_E_KERNEL_UNSUITABLE);
        kt_error_done(&err);
}
END_TEST

UNIT_MAIN("kernel_modules", what_is_depended_on_comes_first, only_what_is_wanted_is_taken,
          a_dependency_that_is_not_there_is_built_in, a_wanted_one_that_is_not_there_is_named,
          those_that_need_each_other_are_each_taken_once, a_name_that_is_a_path_leads_nowhere,
          there_may_be_too_many)
