/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is written is read back here by the format's description
 * (Documentation/driver-api/early-userspace/buffer-format.rst), not by the library that wrote it. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../../daemon/initramfs.h"
#include "../../daemon/kcache_internal.h"
#include "../../proto/errors.h"
#include "unit.h"

struct setting {
        struct unit_dir dir;
        struct kcache *c;
        struct kernel k;
        char *agent, *busybox, *library;
        char *modules[3];
};

static void put(const struct unit_dir *dir, const char *path, const char *content)
{
        _cleanup_free_ char *full = kt_path_join(dir->path, path);

        ck_assert_int_eq(kt_publish_file(AT_FDCWD, full, content, strlen(content), 0600), 0);
}

static struct setting set_up(void)
{
        struct setting s = {.dir = unit_dir_new(), .modules = {"00-virtio.ko", "01-virtio_pci.ko"}};
        _cleanup_free_ char *root = kt_path_join(s.dir.path, "kernels");

        ck_assert_int_eq(kcache_open(root, &s.c, NULL), 0);
        ck_assert_int_eq(kt_mkdir_p(s.dir.fd, "kernels/key/modules", 0755), 0);
        put(&s.dir, "kernels/key/modules/00-virtio.ko", "first module");
        put(&s.dir, "kernels/key/modules/01-virtio_pci.ko", "second");
        put(&s.dir, "kernels/key/config", "CONFIG_X=y\n");
        put(&s.dir, "agent", "the agent");
        put(&s.dir, "busybox", "the busybox");
        put(&s.dir, "library", "the library");
        s.k = (struct kernel){.key = "key",
                              .release = "6.18.1-x",
                              .path = kt_path_join(root, "key"),
                              .config_path = kt_path_join(root, "key/config")};
        s.agent = kt_path_join(s.dir.path, "agent");
        s.busybox = kt_path_join(s.dir.path, "busybox");
        s.library = kt_path_join(s.dir.path, "library");
        return s;
}

static void tear_down(struct setting *s)
{
        kcache_free(s->c);
        free(s->k.path);
        free(s->k.config_path);
        free(s->agent);
        free(s->busybox);
        free(s->library);
        unit_dir_done(&s->dir);
}
#define _setting_ _cleanup_(tear_down)

/* The agent, and with `all` busybox and a library too. */
static int try_to_ensure(struct setting *s, bool all, struct initramfs *ret, struct kt_error *reterr)
{
        struct userland u = {};
        int r;

        ck_assert_int_eq(userland_add(&u, s->agent, "init", 0755, NULL), 0);
        if (all) {
                ck_assert_int_eq(userland_add(&u, s->busybox, "bin/busybox", 0755, NULL), 0);
                ck_assert_int_eq(userland_add(&u, s->library, "ktstr/lib/libx.so.1", 0755, NULL), 0);
        }
        r = initramfs_ensure(s->c, &s->k, &u, ret, reterr);
        userland_done(&u);
        return r;
}

/* The path of what was made, malloced. */
static char *ensure(struct setting *s, bool all)
{
        _cleanup_(initramfs_done) struct initramfs i = {};

        s->k.modules = s->modules;
        ck_assert_int_eq(try_to_ensure(s, all, &i, NULL), 0);
        return TAKE_PTR(i.path);
}

static unsigned long field(const char *header, unsigned index)
{
        char digits[9] = "";

        memcpy(digits, header + 6 + index * 8, 8);
        ck_assert_uint_eq(strspn(digits, "0123456789abcdefABCDEF"), 8);
        return strtoul(digits, NULL, 16);
}

/* "NAME MODE CONTENT;" for each member, malloced. */
static char *members(const char *path)
{
        _cleanup_free_ char *data = NULL;
        char *text = strdup("");
        size_t size, at = 0;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, path, 1 << 20, &data, &size), 0);
        for (;;) {
                unsigned long mode, file_size, name_size;
                const char *name, *content;
                char *more;

                ck_assert_uint_le(at + 110, size);
                ck_assert_mem_eq(data + at, "070701", 6);
                mode = field(data + at, 1);
                file_size = field(data + at, 6);
                name_size = field(data + at, 11);
                ck_assert_uint_eq(field(data + at, 2), 0); /* uid */
                ck_assert_uint_eq(field(data + at, 3), 0); /* gid */
                name = data + at + 110;
                at = (at + 110 + name_size + 3) & ~3UL;
                content = data + at;
                at = (at + file_size + 3) & ~3UL;
                ck_assert_uint_le(at, size);
                if (strcmp(name, "TRAILER!!!") == 0)
                        return text;
                ck_assert_uint_eq(strlen(name) + 1, name_size);
                more = kt_format("%s%s %lo %.*s;", text, name, mode, (int)file_size, content);
                free(text);
                text = more;
        }
}

START_TEST(all_that_the_agent_needs_is_in_it)
{
        _setting_ struct setting s = set_up();
        _cleanup_free_ char *path = ensure(&s, true), *got = members(path);

        ck_assert_str_eq(got,
                         "bin 40755 ;boot 40755 ;dev 40755 ;modules 40755 ;"
                         "init 100755 the agent;bin/busybox 100755 the busybox;"
                         "ktstr 40755 ;ktstr/lib 40755 ;ktstr/lib/libx.so.1 100755 the library;"
                         "boot/config-6.18.1-x 100644 CONFIG_X=y\n;"
                         "modules/00-virtio.ko 100644 first module;modules/01-virtio_pci.ko 100644 second;");
}
END_TEST

START_TEST(what_there_is_not_is_left_out)
{
        _setting_ struct setting s = set_up();
        _cleanup_free_ char *path = NULL, *got = NULL, *config = TAKE_PTR(s.k.config_path);

        s.modules[0] = NULL;
        path = ensure(&s, false);
        got = members(path);
        ck_assert_str_eq(got, "bin 40755 ;boot 40755 ;dev 40755 ;modules 40755 ;init 100755 the agent;");
}
END_TEST

START_TEST(it_lies_beside_the_kernels_and_names_its_own)
{
        _setting_ struct setting s = set_up();
        _cleanup_free_ char *path = ensure(&s, true),
                            *begin = kt_path_join(s.dir.path, "kernels/.initramfs/key-");

        ck_assert_mem_eq(path, begin, strlen(begin));
        ck_assert_str_eq(path + strlen(path) - 5, ".cpio");
        ck_assert_uint_eq(strlen(path), strlen(begin) + 16 + 5);
}
END_TEST

START_TEST(the_same_is_made_once)
{
        _setting_ struct setting s = set_up();
        _cleanup_free_ char *first = ensure(&s, true), *second = NULL;
        struct stat before, after;

        ck_assert_int_eq(stat(first, &before), 0);
        second = ensure(&s, true);
        ck_assert_str_eq(first, second);
        ck_assert_int_eq(stat(first, &after), 0);
        ck_assert_uint_eq(before.st_ino, after.st_ino);
        ck_assert_int_eq(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}
END_TEST

/* Each input on its own: the content of each file, and which files there are. */
START_TEST(another_input_is_another_file)
{
        static const char *const inputs[] = {"agent", "busybox", "library", "kernels/key/config",
                                             "kernels/key/modules/00-virtio.ko"};
        _setting_ struct setting s = set_up();
        _cleanup_free_ char *last = ensure(&s, true);

        for (size_t i = 0; i < KT_ARRAY_SIZE(inputs); i++) {
                char *next;

                put(&s.dir, inputs[i], "changed");
                next = ensure(&s, true);
                ck_assert_msg(strcmp(last, next) != 0, "%s", inputs[i]);
                free(last);
                last = next;
        }
        _cleanup_free_ char *without = ensure(&s, false);
        ck_assert_str_ne(last, without);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named_and_nothing_is_left)
{
        _setting_ struct setting s = set_up();
        _cleanup_free_ char *folder = kt_path_join(s.dir.path, "kernels/.initramfs");
        _cleanup_(initramfs_done) struct initramfs i = {};
        struct kt_error err = KT_ERROR_INIT;

        s.k.modules = s.modules;
        s.modules[1] = "02-gone.ko";
        ck_assert_int_eq(try_to_ensure(&s, false, &i, &err), -ENOENT);
        ck_assert_ptr_null(i.path);
        ck_assert_str_eq(err.name, KT_E_IO);
        ck_assert_ptr_nonnull(strstr(err.message, "02-gone.ko"));
        ck_assert_int_lt(access(folder, F_OK), 0);
        kt_error_done(&err);

        /* A folder can be opened, and not be read. */
        ck_assert_int_eq(kt_mkdir_p(s.dir.fd, "kernels/key/modules/02-gone.ko", 0755), 0);
        initramfs_done(&i);
        ck_assert_int_lt(try_to_ensure(&s, false, &i, &err), 0);
        ck_assert_ptr_null(i.path);
        kt_error_done(&err);
}
END_TEST

START_TEST(more_modules_than_there_is_room_for_are_refused)
{
        _setting_ struct setting s = set_up();
        _cleanup_(initramfs_done) struct initramfs made = {};
        char *many[100] = {};

        for (size_t i = 0; i < 99; i++)
                many[i] = "00-virtio.ko";
        s.k.modules = many;
        ck_assert_int_lt(try_to_ensure(&s, false, &made, NULL), 0);
        ck_assert_ptr_null(made.path);
}
END_TEST

static int has(const struct initramfs *i, const char *guest_path, const struct setting *s, const char *file)
{
        _cleanup_close_ int fd = openat(s->dir.fd, file, O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return initramfs_has(i, guest_path, fd);
}

/* By content and place, also when the userland's own file is another by now. */
START_TEST(it_knows_what_is_in_it)
{
        _setting_ struct setting s = set_up();
        _cleanup_(initramfs_done) struct initramfs i = {};

        s.k.modules = s.modules;
        ck_assert_int_eq(try_to_ensure(&s, true, &i, NULL), 0);
        put(&s.dir, "same", "the library");
        put(&s.dir, "library", "a newer one");
        ck_assert_int_eq(has(&i, "/ktstr/lib/libx.so.1", &s, "same"), 1);
        ck_assert_int_eq(has(&i, "/ktstr/lib/libx.so.1", &s, "library"), 0);
        ck_assert_int_eq(has(&i, "/ktstr/lib/libx.so.2", &s, "same"), 0);
        ck_assert_int_eq(has(&i, "/modules/00-virtio.ko", &s, "kernels/key/modules/00-virtio.ko"), 0);
        ck_assert_int_lt(initramfs_has(&i, "/init", s.dir.fd), 0);
}
END_TEST

START_TEST(what_is_removed_takes_its_own_with_it)
{
        static const char *const others[] = {"key-x-0123456789abcdef.cpio", "key-0123456789abcdef",
                                             "key-0123456789abcde.cpio", "key2-0123456789abcdef.cpio",
                                             "key-0123456789abcdef0.cpio"};
        _setting_ struct setting s = set_up();
        _cleanup_free_ char *path = ensure(&s, true);

        for (size_t i = 0; i < KT_ARRAY_SIZE(others); i++) {
                _cleanup_free_ char *other = kt_format("kernels/.initramfs/%s", others[i]);
                put(&s.dir, other, "x");
        }
        ck_assert_int_eq(kcache_remove(s.c, "key", NULL), 0);
        ck_assert_int_lt(access(path, F_OK), 0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(others); i++) {
                _cleanup_free_ char *other = kt_format("%s/kernels/.initramfs/%s", s.dir.path, others[i]);
                ck_assert_msg(access(other, F_OK) == 0, "%s", other);
        }
}
END_TEST

START_TEST(what_a_killed_writer_left_is_swept)
{
        _setting_ struct setting s = set_up();
        _cleanup_free_ char *path = ensure(&s, true),
                            *left = kt_path_join(s.dir.path, "kernels/.initramfs/.tmp-abcdef");
        struct kcache *again;

        put(&s.dir, "kernels/.initramfs/.tmp-abcdef", "half");
        ck_assert_int_eq(kcache_open(kcache_root(s.c), &again, NULL), 0);
        kcache_free(again);
        ck_assert_int_lt(access(left, F_OK), 0);
        ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

UNIT_MAIN("initramfs", all_that_the_agent_needs_is_in_it, what_there_is_not_is_left_out,
          it_lies_beside_the_kernels_and_names_its_own, the_same_is_made_once, another_input_is_another_file,
          a_file_that_cannot_be_read_is_named_and_nothing_is_left,
          more_modules_than_there_is_room_for_are_refused, it_knows_what_is_in_it,
          what_is_removed_takes_its_own_with_it, what_a_killed_writer_left_is_swept)
