/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "../../daemon/kernel_package.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"
#include "kernel_bytes.h"
#include "unit.h"

static const char *const packings[] = {"none", "gzip", "xz", "bzip2", "lzma", "zstd"};

/* Both kinds, however they are packed: the first packings are those of a Debian package. */
#define KINDS (2 * (int)KT_ARRAY_SIZE(packings))

static bool is_rpm(int i)
{
        return i >= (int)KT_ARRAY_SIZE(packings);
}

static struct kb package(int i, const struct kb_member *members, size_t n)
{
        const char *how = packings[i % (int)KT_ARRAY_SIZE(packings)];

        return is_rpm(i) ? kb_rpm(how, members, n) : kb_deb(how, members, n);
}

static int extract(const struct kb *b, size_t size, int dir_fd, bool modules, struct kt_error *reterr)
{
        _cleanup_close_ int fd = kb_file(b->data, size);

        return kernel_package_extract(fd, "it.deb", dir_fd, modules, reterr);
}

static char *content(const struct unit_dir *dir, const char *path)
{
        char *text = NULL;

        return kt_read_file(dir->fd, path, 1 << 20, &text, NULL) < 0 ? NULL : text;
}

START_TEST(what_is_wanted_is_taken_out)
{
        static const struct kb_member members[] = {{"./boot/System.map-6.18", "map", 3},
                                                   {"./boot/config-6.18", "CONFIG_X=y", 10},
                                                   {"./boot/vmlinuz-6.18", "image", 5},
                                                   {"./usr/share/doc/x", "doc", 3}};
        _kb_ struct kb deb = package(_i, members, KT_ARRAY_SIZE(members));
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *image = NULL, *config = NULL;

        ck_assert_int_eq(extract(&deb, deb.size, dir.fd, false, NULL), 0);
        image = content(&dir, "vmlinuz");
        config = content(&dir, "config");
        ck_assert_str_eq(image, "image");
        ck_assert_str_eq(config, "CONFIG_X=y");
        ck_assert_int_eq(unlinkat(dir.fd, "vmlinuz", 0), 0);
        ck_assert_int_eq(unlinkat(dir.fd, "config", 0), 0);
        ck_assert_int_eq(rmdir(dir.path), 0);
        ck_assert_int_eq(mkdir(dir.path, 0700), 0);
}
END_TEST

static const struct {
        const char *path, *to;
} places[] = {
        {"./boot/vmlinuz-6.18.1", "vmlinuz"},
        {"boot/vmlinuz-6.18.1", "vmlinuz"},
        {"./usr/lib/modules/6.19/vmlinuz", "vmlinuz"},
        {"./lib/modules/6.19/vmlinuz", "vmlinuz"},
        {"./usr/lib/modules/6.19/config", "config"},
        {"./boot/config-6.18.1", "config"},
        {"./lib/modules/6.18/kernel/drivers/virtio/virtio_pci.ko", "modules/virtio_pci.ko"},
        {"./usr/lib/modules/6.18/kernel/drivers/char/virtio_console.ko", "modules/virtio_console.ko"},
        {"./lib/modules/6.18/kernel/drivers/char/hw_random/virtio-rng.ko", "modules/virtio_rng.ko"},
        {"./lib/modules/6.18/kernel/net/virtio_x.ko", NULL},
        {"./lib/modules/6.18/kernel/drivers/virtio/virtio_pci.txt", NULL},
        {"./lib/modules/6.18/kernel/drivers/net/tun.ko", NULL},
        {"./etc/boot/vmlinuz-6.18.1", NULL},
        {"./boot/../../evil/vmlinuz", NULL},
        {"./lib/modules/vmlinuz", NULL},
        {"./lib/modules/6.18/extra/vmlinuz", NULL},
        {"./usr/lib/modules/6.19/build/config", NULL},
};

START_TEST(each_path_goes_to_its_place)
{
        const struct kb_member members[] = {{places[_i].path, "it", 2}};
        _kb_ struct kb deb = kb_deb("none", members, 1);
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *there = NULL;

        ck_assert_int_eq(extract(&deb, deb.size, dir.fd, true, NULL), 0);
        if (places[_i].to) {
                there = content(&dir, places[_i].to);
                ck_assert_pstr_eq(there, "it");
        } else {
                ck_assert_int_eq(rmdir(dir.path), 0);
                ck_assert_int_eq(mkdir(dir.path, 0700), 0);
        }
}
END_TEST

START_TEST(modules_are_unpacked_once_more)
{
        static const char *const endings[] = {"", ".xz", ".zst", ".gz"}, *const how[] = {NULL, "xz", "zstd",
                                                                                         "gzip"};
        struct kb_member members[4] = {};
        struct kb packed[4] = {};
        char paths[4][100];
        char module[20000];
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _kb_ struct kb deb = {};

        memset(module, 'm', sizeof(module));
        for (size_t i = 0; i < 4; i++) {
                snprintf(paths[i], sizeof(paths[i]), "./lib/modules/6.18/kernel/drivers/x/virtio_%zu.ko%s",
                         i, endings[i]);
                if (how[i])
                        packed[i] = kb_compress(how[i], module, sizeof(module));
                else
                        kb_add(&packed[i], module, sizeof(module));
                members[i] = (struct kb_member){paths[i], packed[i].data, packed[i].size};
        }
        deb = kb_deb("xz", members, 4);
        ck_assert_int_eq(extract(&deb, deb.size, dir.fd, true, NULL), 0);
        for (size_t i = 0; i < 4; i++) {
                char name[64];
                _cleanup_free_ char *text = NULL;
                size_t size;

                snprintf(name, sizeof(name), "modules/virtio_%zu.ko", i);
                ck_assert_int_eq(kt_read_file(dir.fd, name, 1 << 20, &text, &size), 0);
                ck_assert_uint_eq(size, sizeof(module));
                ck_assert_mem_eq(text, module, size);
                kb_done(&packed[i]);
        }
}
END_TEST

START_TEST(links_are_not_followed_nor_made)
{
        static const struct kb_member members[] = {{"./boot/vmlinuz-6.18", NULL, 0, "/etc/passwd"},
                                                   {"./boot/config-6.18", NULL, 0, "../../../etc/passwd"}};
        _kb_ struct kb deb = kb_deb("none", members, 2);
        _unit_dir_ struct unit_dir dir = unit_dir_new();

        ck_assert_int_eq(extract(&deb, deb.size, dir.fd, false, NULL), 0);
        ck_assert_int_eq(rmdir(dir.path), 0);
        ck_assert_int_eq(mkdir(dir.path, 0700), 0);
}
END_TEST

START_TEST(each_cut_is_noticed)
{
        char image[3000];
        struct kb_member members[] = {{"./boot/vmlinuz-6.18", image, sizeof(image)}};
        _kb_ struct kb deb = {};
        _unit_dir_ struct unit_dir dir = unit_dir_new();

        for (size_t i = 0; i < sizeof(image); i++)
                image[i] = (char)(i * i >> 3);
        deb = package(_i, members, 1);
        /* A plain tar ends in blocks that say nothing. */
        for (size_t size = 0; size < deb.size - 1; size += size < 300 || _i > 0 ? 1 : 97) {
                struct kt_error err = KT_ERROR_INIT;
                int r = extract(&deb, size, dir.fd, false, &err);

                ck_assert_msg(r < 0, "cut to %zu of %zu", size, deb.size);
                ck_assert_str_eq(err.name, KT_E_BAD_KERNEL);
                ck_assert_ptr_nonnull(strstr(err.message, "it.deb"));
                ck_assert_ptr_nonnull(strstr(err.message, "fetch it again"));
                kt_error_done(&err);
        }
}
END_TEST

START_TEST(no_flipped_byte_leads_astray)
{
        static const struct kb_member members[] = {
                {"./boot/vmlinuz-6.18", "image", 5},
                {"./lib/modules/6.18/kernel/drivers/virtio/virtio_pci.ko", "module", 6}};
        _kb_ struct kb deb = package(_i, members, 2);

        for (size_t at = 0; at < deb.size && at < 1500; at++) {
                _unit_dir_ struct unit_dir dir = unit_dir_new();

                deb.data[at] ^= 0x41;
                (void)extract(&deb, deb.size, dir.fd, true, NULL);
                deb.data[at] ^= 0x41;
        }
}
END_TEST

START_TEST(a_package_is_known_by_its_first_bytes)
{
        static const struct {
                const char *bytes;
                enum kernel_package_kind is;
        } cases[] = {{"!<arch>\n", KERNEL_PACKAGE_DEB},     {"!<arch>\nx", KERNEL_PACKAGE_DEB},
                     {"!<arch>", KERNEL_PACKAGE_NONE},      {"\xed\xab\xee\xdb\3   ", KERNEL_PACKAGE_RPM},
                     {"\xed\xab\xee", KERNEL_PACKAGE_NONE}, {"", KERNEL_PACKAGE_NONE},
                     {"\177ELF....", KERNEL_PACKAGE_NONE}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_close_ int fd = kb_file(cases[i].bytes, strlen(cases[i].bytes));

                ck_assert_msg(kernel_package_kind(fd) == cases[i].is, "%zu", i);
                ck_assert(kernel_package_is(fd) == (cases[i].is != KERNEL_PACKAGE_NONE));
        }
        ck_assert(!kernel_package_is(-1));
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kernel_package");
        TCase *c = tcase_create("kernel_package");

        tcase_set_timeout(c, 120);
        tcase_add_loop_test(c, what_is_wanted_is_taken_out, 0, KINDS);
        tcase_add_loop_test(c, each_path_goes_to_its_place, 0, (int)KT_ARRAY_SIZE(places));
        tcase_add_test(c, modules_are_unpacked_once_more);
        tcase_add_test(c, links_are_not_followed_nor_made);
        tcase_add_loop_test(c, each_cut_is_noticed, 0, KINDS);
        tcase_add_loop_test(c, no_flipped_byte_leads_astray, 0, KINDS);
        tcase_add_test(c, a_package_is_known_by_its_first_bytes);
        suite_add_tcase(s, c);
        return suite_run(s);
}
