/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is built and stored: replacing, verifying, locking, cleaning, making room; and that a kill, a full
 * disk or another daemon in the middle of it leaves the old or the new, whole. */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../daemon/kcache_internal.h"
#include "../../proto/errors.h"
#include "kcache_fixture.h"
#include "kernel_bytes.h"
#include "unit.h"

#define KEY "6.18.1-tarball-x86_64-kc00000001"

/* --- a process that is killed before its Nth step --- */

/* In place of the C library's: everything by which a store changes what others see. */
static unsigned steps_left; /* 0: never */

/* Or what somebody else does before the next one, once. */
static void (*meanwhile)(void *data);
static void *meanwhile_data;

static void step(void)
{
        void (*act)(void *data) = meanwhile;

        if (act) {
                meanwhile = NULL;
                act(meanwhile_data);
        }
        if (steps_left > 0 && --steps_left == 0)
                kill(getpid(), SIGKILL);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
        step();
        return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
        step();
        return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
        step();
        return (int)syscall(SYS_unlinkat, dir, path, flags);
}

int fsync(int fd)
{
        step();
        return (int)syscall(SYS_fsync, fd);
}

int flock(int fd, int how)
{
        step();
        return (int)syscall(SYS_flock, fd, how);
}

/* --- a cache and trees --- */

static void write_vmlinux(int tree, const char *text)
{
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){.text = text});

        ck_assert_int_eq(kt_publish_file(tree, "vmlinux", b.data, b.size, 0644), 0);
}

/* A built tree of that name below the cache's folder, whose kernel has this text in it; a descriptor. */
static int make_tree(struct cache *t, const char *name, const char *text)
{
        int fd;

        ck_assert_int_eq(kt_mkdir_p(t->dir.fd, name, 0755), 0);
        fd = openat(t->dir.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        write_vmlinux(fd, text);
        ck_assert_int_eq(kt_publish_file(fd, ".config", KB_CONFIG, strlen(KB_CONFIG), 0644), 0);
        return fd;
}

static struct kernel_build_result result_of(int tree, const char *key)
{
        return (struct kernel_build_result){.tree = {.name = "tree", .fd = tree},
                                            .config = {.fd = -1},
                                            .key = key,
                                            .name = "linux-6.18.1.tar.xz",
                                            .source = "tarball",
                                            .profile = "default",
                                            .kconfig_hash = "00000001",
                                            .config_hash = "00000002"};
}

static int store_tree(struct kcache *c, int tree, const char *key, struct kernel **ret,
                      struct kt_error *reterr)
{
        const struct kernel_build_result built = result_of(tree, key);

        return kernel_store_built(c, &built, ret, reterr);
}

/* Store such a kernel; the SHA-256 of its image. */
static void store(struct cache *t, const char *key, const char *text, char *ret_sha256)
{
        _cleanup_close_ int tree = make_tree(t, "tree", text);
        struct kernel *k = NULL;

        ck_assert_int_eq(store_tree(t->c, tree, key, &k, NULL), 0);
        ck_assert_str_eq(k->key, key);
        if (ret_sha256)
                strcpy(ret_sha256, k->image_sha256);
        kernel_free(k);
}

static void import(struct cache *t, const char *release)
{
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){.release = release});
        _cleanup_close_ int fd = kb_file(b.data, b.size);
        struct kernel_file file = {.name = "vmlinux", .fd = fd};
        struct kernel_source from = {.files = &file, .n_files = 1};
        struct kernel *k;

        ck_assert_int_eq(kernel_import(t->c, &from, &k, NULL, NULL), 0);
        kernel_free(k);
}

static unsigned n_temporary(struct kcache *c)
{
        struct dirent **entries = NULL;
        int n = scandir(kcache_root(c), &entries, NULL, NULL);
        unsigned found = 0;

        for (int i = 0; i < n; i++) {
                found += strncmp(entries[i]->d_name, ".tmp-", 5) == 0;
                free(entries[i]);
        }
        free(entries);
        return found;
}

static bool exists(struct cache *t, const char *path)
{
        return faccessat(t->c->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What is listed, "KEY KEY!" with a mark behind those that are corrupt. */
static const char *listed(struct kcache *c)
{
        static char text[4096];
        struct kernel **list;

        text[0] = '\0';
        ck_assert_int_eq(kcache_list(c, &list, NULL), 0);
        for (struct kernel **k = list; *k; k++) {
                strcat(text, k == list ? "" : " ");
                strcat(text, (*k)->key);
                strcat(text, (*k)->error ? "!" : "");
        }
        kernel_list_free(list);
        return text;
}

/* The image's SHA-256, as the metadata has it. */
static const char *image_of(struct cache *t, const char *key)
{
        static char sha256[65];
        struct kernel *k;

        ck_assert_int_eq(kcache_get(t->c, key, &k, NULL), 0);
        strcpy(sha256, k->image_sha256);
        kernel_free(k);
        return sha256;
}

/* One byte of a file of it is another. */
static void spoil(struct cache *t, const char *key, const char *name)
{
        _cleanup_free_ char *path = kt_format("%s/%s", key, name);
        _cleanup_close_ int fd = openat(t->c->root_fd, path, O_RDWR | O_CLOEXEC);
        char byte;

        ck_assert_int_eq(pread(fd, &byte, 1, 7), 1);
        byte ^= 1;
        ck_assert_int_eq(pwrite(fd, &byte, 1, 7), 1);
}

/* --- storing --- */

START_TEST(what_was_built_is_an_entry)
{
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int tree = make_tree(&t, "tree", "one");
        struct kernel_build_result built = result_of(tree, KEY);
        struct kernel *k;

        built.extra_kconfig_hash = "00000003";
        built.git_hash = "0123456789012345678901234567890123456789";
        built.tree_path = "/src/linux";
        ck_assert_int_eq(kernel_store_built(t.c, &built, &k, NULL), 0);
        ck_assert_str_eq(k->key, KEY);
        ck_assert_str_eq(k->release, "6.18.1-test");
        ck_assert_str_eq(k->source, "tarball");
        ck_assert_str_eq(k->profile, "default");
        ck_assert_str_eq(k->kconfig_hash, "00000001");
        ck_assert_str_eq(k->config_hash, "00000002");
        ck_assert_str_eq(k->extra_kconfig_hash, "00000003");
        ck_assert_str_eq(k->tree_path, "/src/linux");
        ck_assert_str_eq(k->imported_from[0], "linux-6.18.1.tar.xz");
        ck_assert(k->has_config && k->has_btf && k->sched_ext && kernel_is_built(k));
        ck_assert_ptr_nonnull(k->btf_sha256);
        ck_assert_ptr_nonnull(k->config_sha256);
        ck_assert_uint_eq(n_temporary(t.c), 0);
        kernel_free(k);
}
END_TEST

START_TEST(the_configuration_may_be_in_another_file)
{
        static const char text[] = KB_CONFIG "CONFIG_MINE=y\n";
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int tree = make_tree(&t, "tree", "one"), config = kb_file(text, strlen(text));
        struct kernel_build_result built = result_of(tree, KEY);
        _cleanup_free_ char *got = NULL;
        struct kernel *k;
        size_t size;

        built.config = (struct kernel_file){.name = "build.config", .fd = config};
        ck_assert_int_eq(kernel_store_built(t.c, &built, &k, NULL), 0);
        ck_assert_int_eq(kt_read_file(AT_FDCWD, k->config_path, 4096, &got, &size), 0);
        ck_assert_str_eq(got, text);
        kernel_free(k);
}
END_TEST

START_TEST(what_cannot_serve_is_not_stored)
{
        static const char *const keys[] = {"", "..", "a/b", "a..b", ".tmp-x", "a b"};
        static const char no_virtio[] = "CONFIG_PVH=y\n# CONFIG_VIRTIO_PCI is not set\n";
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int tree = make_tree(&t, "tree", "one");
        struct kt_error err = KT_ERROR_INIT;
        struct kernel *k;

        for (size_t i = 0; i < KT_ARRAY_SIZE(keys); i++)
                ck_assert_int_eq(store_tree(t.c, tree, keys[i], &k, NULL), -EINVAL);
        ck_assert_int_eq(kt_publish_file(tree, ".config", no_virtio, strlen(no_virtio), 0644), 0);
        ck_assert_int_lt(store_tree(t.c, tree, KEY, &k, &err), 0);
        ck_assert_str_eq(err.name, KT_E_KERNEL_UNSUITABLE);
        ck_assert_int_eq(unlinkat(tree, "vmlinux", 0), 0);
        ck_assert_int_lt(store_tree(t.c, tree, KEY, &k, &err), 0);
        ck_assert_str_eq(err.name, KT_E_BAD_KERNEL);
        ck_assert_str_eq(listed(t.c), "");
        ck_assert_uint_eq(n_temporary(t.c), 0);
        kt_error_done(&err);
}
END_TEST

START_TEST(another_kernel_takes_the_place_of_the_old_one)
{
        _cache_ struct cache t = cache_new();
        char old[65], new[65];
        char **removed;

        store(&t, KEY, "one", old);
        ck_assert_ptr_null(kcache_take_removed(t.c));
        store(&t, KEY, "two", new);
        ck_assert_str_ne(old, new);
        ck_assert_str_eq(image_of(&t, KEY), new);
        ck_assert_str_eq(listed(t.c), KEY);
        ck_assert_uint_eq(n_temporary(t.c), 0);
        removed = kcache_take_removed(t.c);
        ck_assert_ptr_nonnull(removed);
        ck_assert_str_eq(removed[0], KEY);
        ck_assert_ptr_null(removed[1]);
        kcache_keys_free(removed);
        ck_assert_ptr_null(kcache_take_removed(t.c));
}
END_TEST

START_TEST(the_same_kernel_is_kept)
{
        _cache_ struct cache t = cache_new();
        struct stat before, after;

        store(&t, KEY, "one", NULL);
        ck_assert_int_eq(fstatat(t.c->root_fd, KEY, &before, 0), 0);
        store(&t, KEY, "one", NULL);
        ck_assert_int_eq(fstatat(t.c->root_fd, KEY, &after, 0), 0);
        ck_assert_uint_eq(before.st_ino, after.st_ino);
        ck_assert_ptr_null(kcache_take_removed(t.c));
}
END_TEST

START_TEST(one_in_use_is_not_replaced)
{
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int tree = -1;
        struct kt_error err = KT_ERROR_INIT;
        char old[65];
        struct kernel *k;
        int lease;

        store(&t, KEY, "one", old);
        tree = make_tree(&t, "tree", "two");
        ck_assert_int_eq(kcache_lease(t.c, KEY, &lease, NULL), 0);
        ck_assert_int_eq(store_tree(t.c, tree, KEY, &k, &err), -EBUSY);
        ck_assert_str_eq(err.name, KT_E_BUSY);
        ck_assert_ptr_nonnull(strstr(err.message, KEY));
        ck_assert_str_eq(image_of(&t, KEY), old);
        ck_assert_uint_eq(n_temporary(t.c), 0);
        close(lease);
        ck_assert_int_eq(store_tree(t.c, tree, KEY, &k, NULL), 0);
        ck_assert_str_ne(k->image_sha256, old);
        kernel_free(k);
        kt_error_done(&err);
}
END_TEST

START_TEST(what_is_corrupt_is_replaced)
{
        _cache_ struct cache t = cache_new();
        int lease;

        ck_assert_int_eq(mkdirat(t.c->root_fd, KEY, 0755), 0);
        ck_assert_str_eq(listed(t.c), KEY "!");
        store(&t, KEY, "one", NULL);
        ck_assert_str_eq(listed(t.c), KEY);
        /* And what only says that it is the same. */
        spoil(&t, KEY, "vmlinux");
        store(&t, KEY, "one", NULL);
        ck_assert_int_eq(kcache_use(t.c, KEY, NULL, NULL, &lease, NULL), 0);
        close(lease);
}
END_TEST

/* --- using --- */

START_TEST(what_was_changed_is_not_used_and_listed_as_corrupt)
{
        static const char *const files[] = {"vmlinux", "btf", "config"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(files); i++) {
                _cache_ struct cache t = cache_new();
                struct kt_error err = KT_ERROR_INIT;
                struct kernel *k = NULL;
                int lease;

                store(&t, KEY, "one", NULL);
                ck_assert_int_eq(kcache_use(t.c, KEY, NULL, &k, &lease, NULL), 0);
                ck_assert_str_eq(k->key, KEY);
                kernel_free(k);
                close(lease);
                spoil(&t, KEY, files[i]);
                ck_assert_int_eq(kcache_use(t.c, KEY, NULL, &k, &lease, &err), -EBADMSG);
                ck_assert_str_eq(err.name, KT_E_IO);
                ck_assert_ptr_nonnull(strstr(err.message, files[i]));
                ck_assert_ptr_nonnull(strstr(err.message, "ktstrctl kernel remove " KEY));
                ck_assert_str_eq(listed(t.c), KEY "!");
                ck_assert_int_eq(kcache_get(t.c, KEY, &k, NULL), 0);
                ck_assert_str_eq(k->error_kind, "unknown");
                ck_assert_ptr_nonnull(strstr(k->error, files[i]));
                kernel_free(k);
                /* Nobody has a lease left of it. */
                ck_assert_int_eq(kcache_remove(t.c, KEY, NULL), 0);
                kt_error_done(&err);
        }
}
END_TEST

START_TEST(one_that_was_replaced_is_not_taken_for_the_old_one)
{
        _cache_ struct cache t = cache_new();
        struct kt_error err = KT_ERROR_INIT;
        char old[65], new[65];
        int lease;

        store(&t, KEY, "one", old);
        store(&t, KEY, "two", new);
        ck_assert_int_eq(kcache_use(t.c, KEY, old, NULL, &lease, &err), -ESTALE);
        ck_assert_str_eq(err.name, KT_E_NO_SUCH_KERNEL);
        ck_assert_str_eq(listed(t.c), KEY);
        ck_assert_int_eq(kcache_use(t.c, KEY, new, NULL, &lease, NULL), 0);
        close(lease);
        kt_error_done(&err);
}
END_TEST

START_TEST(a_look_whether_it_is_in_use_keeps_nobody_from_using_it)
{
        _cache_ struct cache t = cache_new();
        int lease;

        store(&t, KEY, "one", NULL);
        for (unsigned i = 0; i < 3; i++) {
                char **removed, **in_use;

                ck_assert_int_eq(
                        kcache_clean(t.c, &(struct kcache_clean){.dry_run = true}, &removed, &in_use, NULL),
                        0);
                ck_assert_str_eq(removed[0], KEY);
                kcache_keys_free(removed);
                kcache_keys_free(in_use);
                ck_assert_int_eq(kcache_lease(t.c, KEY, &lease, NULL), 0);
                close(lease);
        }
}
END_TEST

/* --- locks of keys --- */

START_TEST(a_key_is_one_daemons_at_a_time)
{
        _cache_ struct cache t = cache_new();
        struct kcache *other;
        int first, second;

        ck_assert_int_eq(kcache_open(kcache_root(t.c), &other, NULL), 0);
        ck_assert_int_eq(kcache_lock_key(t.c, KEY, false, &first, NULL), 0);
        ck_assert_int_eq(kcache_lock_key(other, KEY, false, &second, NULL), -EBUSY);
        ck_assert_int_eq(kcache_lock_key(other, KEY "x", false, &second, NULL), 0);
        close(second);
        close(first);
        ck_assert_int_eq(kcache_lock_key(other, KEY, true, &second, NULL), 0);
        close(second);
        ck_assert_int_eq(kcache_lock_key(other, "../x", false, &second, NULL), -EINVAL);
        ck_assert_int_eq(kcache_lock_key(other, "store", false, &second, NULL), -EINVAL);
        kcache_free(other);
}
END_TEST

static void *wait_for_key(void *data)
{
        static int fd;

        ck_assert_int_eq(kcache_lock_key(data, KEY, true, &fd, NULL), 0);
        return &fd;
}

START_TEST(a_lock_whose_file_went_while_it_was_waited_for_is_taken_anew)
{
        _cache_ struct cache t = cache_new();
        pthread_t thread;
        void *theirs;
        int mine, third;

        ck_assert_int_eq(kcache_lock_key(t.c, KEY, false, &mine, NULL), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_for_key, t.c), 0);
        ck_assert_int_eq(unlinkat(t.c->root_fd, ".locks/" KEY ".lock", 0), 0);
        close(mine);
        ck_assert_int_eq(pthread_join(thread, &theirs), 0);
        /* Whoever comes now meets it, and not a file of their own. */
        ck_assert_int_eq(kcache_lock_key(t.c, KEY, false, &third, NULL), -EBUSY);
        close(*(int *)theirs);
}
END_TEST

START_TEST(a_lock_file_goes_with_its_entry_unless_somebody_has_it)
{
        _cache_ struct cache t = cache_new();
        int fd;

        store(&t, KEY, "one", NULL);
        ck_assert_int_eq(kcache_lock_key(t.c, KEY, false, &fd, NULL), 0);
        ck_assert_int_eq(kcache_remove(t.c, KEY, NULL), 0);
        ck_assert(exists(&t, ".locks/" KEY ".lock"));
        close(fd);
        store(&t, KEY, "one", NULL);
        ck_assert_int_eq(kcache_remove(t.c, KEY, NULL), 0);
        ck_assert(!exists(&t, ".locks/" KEY ".lock"));
}
END_TEST

/* --- cleaning --- */

/* "removed|in use". */
static const char *cleaned(struct cache *t, struct kcache_clean what)
{
        static char text[4096];
        char **removed, **in_use;

        text[0] = '\0';
        ck_assert_int_eq(kcache_clean(t->c, &what, &removed, &in_use, NULL), 0);
        for (char **k = removed; *k; k++)
                strcat(strcat(text, k == removed ? "" : " "), *k);
        strcat(text, "|");
        for (char **k = in_use; *k; k++)
                strcat(strcat(text, k == in_use ? "" : " "), *k);
        kcache_keys_free(removed);
        kcache_keys_free(in_use);
        return text;
}

static void fill(struct cache *t)
{
        import(t, "6.18.1-a");
        import(t, "6.18.2-a");
        import(t, "6.18.3-a");
        ck_assert_int_eq(mkdirat(t->c->root_fd, "bad", 0755), 0);
}

#define K(n) "6.18." #n "-a-img-x86_64"

START_TEST(clean_keeps_the_newest_valid_ones_and_no_corrupt_one)
{
        _cache_ struct cache t = cache_new();

        fill(&t);
        ck_assert_str_eq(cleaned(&t, (struct kcache_clean){.keep = 1, .dry_run = true}),
                         K(2) " " K(1) " bad|");
        ck_assert_str_eq(listed(t.c), K(3) " " K(2) " " K(1) " bad!");
        ck_assert_str_eq(cleaned(&t, (struct kcache_clean){.keep = 1}), K(2) " " K(1) " bad|");
        ck_assert_str_eq(listed(t.c), K(3));
        ck_assert_str_eq(cleaned(&t, (struct kcache_clean){.keep = 1}), "|");
        ck_assert_str_eq(cleaned(&t, (struct kcache_clean){}), K(3) "|");
        ck_assert_str_eq(listed(t.c), "");
}
END_TEST

START_TEST(clean_of_the_corrupt_leaves_the_valid)
{
        _cache_ struct cache t = cache_new();

        fill(&t);
        ck_assert_str_eq(cleaned(&t, (struct kcache_clean){.corrupt_only = true}), "bad|");
        ck_assert_str_eq(listed(t.c), K(3) " " K(2) " " K(1));
}
END_TEST

START_TEST(clean_leaves_what_is_in_use_and_says_so)
{
        _cache_ struct cache t = cache_new();
        int lease;

        fill(&t);
        ck_assert_int_eq(kcache_lease(t.c, K(2), &lease, NULL), 0);
        ck_assert_str_eq(cleaned(&t, (struct kcache_clean){.dry_run = true}), K(3) " " K(1) " bad|" K(2));
        ck_assert_str_eq(cleaned(&t, (struct kcache_clean){}), K(3) " " K(1) " bad|" K(2));
        ck_assert_str_eq(listed(t.c), K(2));
        close(lease);
        ck_assert_str_eq(cleaned(&t, (struct kcache_clean){}), K(2) "|");
}
END_TEST

START_TEST(clean_of_certain_ones_counts_those_that_went)
{
        static const char *const only[] = {K(1), "bad", "gone-meanwhile", NULL};
        _cache_ struct cache t = cache_new();

        fill(&t);
        ck_assert_str_eq(cleaned(&t, (struct kcache_clean){.only = only}), K(1) " bad gone-meanwhile|");
        ck_assert_str_eq(listed(t.c), K(3) " " K(2));
}
END_TEST

static void build_anew(void *data)
{
        store(data, KEY, "two", NULL);
}

START_TEST(clean_leaves_what_was_built_while_it_looked)
{
        _cache_ struct cache t = cache_new();

        store(&t, KEY, "one", NULL);
        spoil(&t, KEY, "metadata.json");
        ck_assert_str_eq(listed(t.c), KEY "!");
        meanwhile = build_anew;
        meanwhile_data = &t;
        ck_assert_str_eq(cleaned(&t, (struct kcache_clean){.corrupt_only = true}), "|");
        ck_assert_ptr_null(meanwhile);
        ck_assert_str_eq(listed(t.c), KEY);
}
END_TEST

START_TEST(what_cannot_be_looked_at_is_neither_gone_nor_corrupt)
{
        _cache_ struct cache t = cache_new();
        struct kt_error err = KT_ERROR_INIT;
        struct rlimit before, none;
        struct kernel *k;
        int lease, r[3];

        store(&t, KEY, "one", NULL);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        r[0] = kcache_get(t.c, KEY, &k, NULL);
        r[1] = kcache_remove_locked(t.c, KEY, NULL);
        r[2] = kcache_lease(t.c, KEY, &lease, &err);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        for (unsigned i = 0; i < KT_ARRAY_SIZE(r); i++)
                ck_assert_int_eq(r[i], -EMFILE);
        ck_assert_str_eq(err.name, KT_E_IO);
        ck_assert_str_eq(listed(t.c), KEY);
        kt_error_done(&err);
}
END_TEST

/* --- room --- */

static void used_at(struct cache *t, const char *key, time_t when)
{
        const struct timespec times[] = {{.tv_sec = when}, {.tv_sec = when}};
        _cleanup_free_ char *path = kt_format(".used/%s", key);

        kcache_touch(t->c, key);
        ck_assert_int_eq(utimensat(t->c->root_fd, path, times, 0), 0);
}

START_TEST(those_not_used_for_longest_go_first_and_only_built_ones)
{
        _cache_ struct cache t = cache_new();
        uint64_t each;
        int lease;

        import(&t, "6.1.1-imported");
        store(&t, "a", "aaaa", NULL);
        store(&t, "b", "bbbb", NULL);
        store(&t, "c", "cccc", NULL);
        each = kcache_entry_bytes(t.c, "a");
        ck_assert_uint_gt(each, 0);
        used_at(&t, "a", 3000000000);
        used_at(&t, "b", 1000000);
        /* One that was never used goes by when it was stored. */
        kcache_set_max(t.c, kcache_entry_bytes(t.c, "6.1.1-imported-img-x86_64") + 3 * each);
        store(&t, "d", "dddd", NULL);
        ck_assert(!exists(&t, "b"));
        ck_assert(exists(&t, "a") && exists(&t, "c") && exists(&t, "d"));
        used_at(&t, "d", 4000000000);
        ck_assert_int_eq(kcache_lease(t.c, "c", &lease, NULL), 0);
        store(&t, "e", "eeee", NULL);
        ck_assert(!exists(&t, "a"));
        ck_assert(exists(&t, "c") && exists(&t, "d") && exists(&t, "e"));
        ck_assert(exists(&t, "6.1.1-imported-img-x86_64"));
        close(lease);
}
END_TEST

/* At the step of another, when it has been seen that nobody uses it. */
struct user {
        struct cache *t;
        unsigned steps;
        int lease;
};

static void use_a(void *data)
{
        struct user *u = data;

        if (u->steps-- > 0)
                meanwhile = use_a;
        else
                u->lease = openat(u->t->c->root_fd, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* It may be going already. */
        if (u->lease >= 0 && syscall(SYS_flock, u->lease, LOCK_SH | LOCK_NB) < 0) {
                kt_closep(&u->lease);
                u->lease = -1;
        }
}

START_TEST(where_one_comes_into_use_the_next_one_goes)
{
        bool went = false;

        /* At each step until it is too late to use it. */
        for (unsigned steps = 0; !went && steps < 60; steps++) {
                _cache_ struct cache t = cache_new();
                struct user user = {&t, steps, -1};

                store(&t, "a", "aaaa", NULL);
                store(&t, "b", "bbbb", NULL);
                used_at(&t, "a", 1000000);
                used_at(&t, "b", 2000000);
                kcache_set_max(t.c, kcache_entry_bytes(t.c, "a") + kcache_entry_bytes(t.c, "b"));
                meanwhile = use_a;
                meanwhile_data = &user;
                store(&t, "c", "cccc", NULL);
                meanwhile = NULL;
                went = user.lease < 0;
                ck_assert(exists(&t, "c"));
                ck_assert(exists(&t, "a") != exists(&t, "b"));
                kt_closep(&user.lease);
        }
        ck_assert(went);
}
END_TEST

START_TEST(where_not_enough_may_go_nothing_goes)
{
        static char text[40000];
        _cache_ struct cache t = cache_new();
        struct kt_error err = KT_ERROR_INIT;
        _cleanup_close_ int tree = -1;
        struct kernel *k;
        int lease;

        memset(text, 'x', sizeof(text) - 1);
        store(&t, "a", "aaaa", NULL);
        store(&t, "b", "bbbb", NULL);
        kcache_set_max(t.c, kcache_entry_bytes(t.c, "a") + kcache_entry_bytes(t.c, "b"));
        ck_assert_int_eq(kcache_lease(t.c, "a", &lease, NULL), 0);
        tree = make_tree(&t, "large", text);
        ck_assert_int_eq(store_tree(t.c, tree, "c", &k, &err), -EFBIG);
        ck_assert_str_eq(err.name, KT_E_IO);
        ck_assert_ptr_nonnull(strstr(err.message, "CacheMax="));
        ck_assert_ptr_nonnull(strstr(err.message, "`ktstrctl kernel clean`"));
        /* Which of them is listed first depends on the second in which each was stored. */
        ck_assert(exists(&t, "a") && exists(&t, "b") && !exists(&t, "c"));
        ck_assert_uint_eq(n_temporary(t.c), 0);
        close(lease);
        kt_error_done(&err);
}
END_TEST

START_TEST(one_that_is_replaced_makes_room_for_the_new_one)
{
        _cache_ struct cache t = cache_new();

        store(&t, "a", "aaaa", NULL);
        store(&t, "b", "bbbb", NULL);
        kcache_set_max(t.c, kcache_entry_bytes(t.c, "a") + kcache_entry_bytes(t.c, "b"));
        store(&t, "a", "AAAA", NULL);
        ck_assert(exists(&t, "a") && exists(&t, "b"));
}
END_TEST

/* --- kill -9 --- */

/* Do it in a process that is killed before its Nth step. True: it was done before that. */
static bool killed_at(unsigned n, int (*do_it)(struct kcache *c, int tree), struct kcache *c, int tree)
{
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                steps_left = n;
                _exit(do_it(c, tree) < 0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL,
                      "step %u: status %#x", n, (unsigned)status);
        return WIFEXITED(status);
}

static int do_store(struct kcache *c, int tree)
{
        struct kernel *k = NULL;
        int r = store_tree(c, tree, KEY, &k, NULL);

        kernel_free(k);
        return r;
}

static int do_remove(struct kcache *c, int tree)
{
        return kcache_remove(c, KEY, NULL);
}

/* As after the start of another daemon: all that is there is whole and can be used, and nothing else is.
 * The SHA-256 of the entry's image, or "". */
static const char *found_whole(struct cache *t)
{
        static char sha256[65];
        struct kcache *c;
        struct kernel *k;
        int lease;

        sha256[0] = '\0';
        ck_assert_int_eq(kcache_open(kcache_root(t->c), &c, NULL), 0);
        ck_assert_uint_eq(n_temporary(c), 0);
        if (*listed(c)) {
                ck_assert_str_eq(listed(c), KEY);
                ck_assert_int_eq(kcache_use(c, KEY, NULL, &k, &lease, NULL), 0);
                strcpy(sha256, k->image_sha256);
                kernel_free(k);
                close(lease);
        }
        kcache_free(c);
        return sha256;
}

START_TEST(a_store_that_is_killed_leaves_nothing_or_all)
{
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int tree = make_tree(&t, "tree", "one");
        unsigned nothing = 0, all = 0;
        bool done = false;

        for (unsigned n = 1; !done; n++) {
                done = killed_at(n, do_store, t.c, tree);
                if (*found_whole(&t))
                        all++;
                else
                        nothing++;
                (void)kcache_remove(t.c, KEY, NULL);
        }
        ck_assert_uint_gt(nothing, 5);
        ck_assert_uint_gt(all, 1);
}
END_TEST

START_TEST(a_replacement_that_is_killed_leaves_the_old_or_the_new)
{
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int first = make_tree(&t, "first", "one"), second = make_tree(&t, "second", "two");
        unsigned n_old = 0, n_new = 0;
        char old[65], new[65];
        bool done = false;

        ck_assert_int_eq(do_store(t.c, second), 0);
        strcpy(new, image_of(&t, KEY));
        for (unsigned n = 1; !done; n++) {
                const char *found;

                ck_assert_int_eq(do_store(t.c, first), 0);
                strcpy(old, image_of(&t, KEY));
                done = killed_at(n, do_store, t.c, second);
                found = found_whole(&t);
                ck_assert_msg(strcmp(found, old) == 0 || strcmp(found, new) == 0, "step %u: '%s'", n, found);
                n_old += strcmp(found, old) == 0;
                n_new += strcmp(found, new) == 0;
        }
        ck_assert_uint_gt(n_old, 5);
        ck_assert_uint_gt(n_new, 1);
}
END_TEST

START_TEST(a_removal_that_is_killed_leaves_all_or_nothing)
{
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int tree = make_tree(&t, "tree", "one");
        unsigned nothing = 0, all = 0;
        bool done = false;

        for (unsigned n = 1; !done; n++) {
                ck_assert_int_eq(do_store(t.c, tree), 0);
                done = killed_at(n, do_remove, t.c, -1);
                if (*found_whole(&t))
                        all++;
                else
                        nothing++;
        }
        ck_assert_uint_gt(all, 1);
        ck_assert_uint_gt(nothing, 1);
}
END_TEST

/* --- a full disk --- */

/* A file system of this size at `path`, of this process alone. False, with a line that says why: that cannot
 * be had here. */
static bool mount_small(const char *path, const char *options)
{
        if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
            mount("tmpfs", path, "tmpfs", 0, options) == 0)
                return true;
        fprintf(stderr, "skipped: nothing can be mounted here: %s\n", strerror(errno));
        return false;
}

START_TEST(a_full_disk_leaves_the_old_one)
{
        static char text[400000];
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int first = make_tree(&t, "first", "one"), second = -1;
        _cleanup_free_ char *small = kt_path_join(t.dir.path, "small");
        struct kt_error err = KT_ERROR_INIT;
        struct cache on_small = {};
        struct kernel *k;
        char old[65];

        memset(text, 'x', sizeof(text) - 1);
        second = make_tree(&t, "second", text);
        ck_assert_int_eq(mkdir(small, 0755), 0);
        if (!mount_small(small, "size=256k"))
                return;
        ck_assert_int_eq(kcache_open(small, &on_small.c, NULL), 0);
        ck_assert_int_eq(do_store(on_small.c, first), 0);
        strcpy(old, image_of(&on_small, KEY));
        ck_assert_int_eq(store_tree(on_small.c, second, KEY, &k, &err), -ENOSPC);
        ck_assert_str_eq(err.name, KT_E_IO);
        ck_assert_ptr_nonnull(strstr(err.message, "no space left in"));
        ck_assert_ptr_nonnull(strstr(err.message, "`ktstrctl kernel clean`"));
        ck_assert_uint_eq(n_temporary(on_small.c), 0);
        ck_assert_str_eq(image_of(&on_small, KEY), old);
        ck_assert_int_eq(mount("tmpfs", small, "tmpfs", MS_REMOUNT, "size=4m"), 0);
        ck_assert_int_eq(do_store(on_small.c, second), 0);
        ck_assert_str_ne(image_of(&on_small, KEY), old);
        kcache_free(on_small.c);
        ck_assert_int_eq(umount2(small, MNT_DETACH), 0);
        kt_error_done(&err);
}
END_TEST

/* --- at once --- */

struct actor {
        struct kcache *c; /* its own, as another daemon's */
        int trees[2];
        unsigned wrong, used;
};

static void clean_all(struct actor *a)
{
        char **removed = NULL, **in_use = NULL;

        a->wrong += kcache_clean(a->c, &(struct kcache_clean){}, &removed, &in_use, NULL) < 0;
        kcache_keys_free(removed);
        kcache_keys_free(in_use);
}

/* What others may be at: an entry is there, whole, or it is not there, or in use. */
static void *act(void *data)
{
        struct actor *a = data;

        for (unsigned i = 0; i < 60; i++) {
                struct kernel *k = NULL;
                int lease, r = store_tree(a->c, a->trees[i % 2], KEY, &k, NULL);

                a->wrong += r < 0 && r != -EBUSY && r != -ENOENT && r != -EEXIST;
                if (r >= 0)
                        kernel_free(k);
                r = kcache_use(a->c, KEY, NULL, &k, &lease, NULL);
                a->wrong += r < 0 && r != -ENOENT;
                if (r >= 0) {
                        /* Nobody can take it away now. */
                        a->wrong += access(k->image_path, R_OK) < 0;
                        a->used++;
                        kernel_free(k);
                        close(lease);
                }
                if (i % 5 == 4)
                        clean_all(a);
        }
        return NULL;
}

START_TEST(two_daemons_store_use_and_clean_at_once)
{
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int first = make_tree(&t, "first", "one"), second = make_tree(&t, "second", "two");
        struct actor actors[2] = {{.trees = {first, second}}, {.trees = {second, first}}};
        pthread_t threads[2];

        for (unsigned i = 0; i < 2; i++) {
                ck_assert_int_eq(kcache_open(kcache_root(t.c), &actors[i].c, NULL), 0);
                ck_assert_int_eq(pthread_create(&threads[i], NULL, act, &actors[i]), 0);
        }
        for (unsigned i = 0; i < 2; i++)
                ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        for (unsigned i = 0; i < 2; i++) {
                kcache_free(actors[i].c);
                ck_assert_uint_eq(actors[i].wrong, 0);
        }
        ck_assert_uint_gt(actors[0].used + actors[1].used, 10);
        (void)found_whole(&t);
}
END_TEST

struct looker {
        struct kcache *c;
        atomic_bool over;
        unsigned wrong;
};

static void *look(void *data)
{
        struct looker *l = data;

        while (!atomic_load(&l->over)) {
                struct kernel *k = NULL;

                l->wrong += kcache_get(l->c, KEY, &k, NULL) < 0 || k->error;
                kernel_free(k);
        }
        return NULL;
}

START_TEST(who_looks_while_it_is_replaced_sees_one_of_them)
{
        static char text[40000];
        _cache_ struct cache t = cache_new();
        struct looker looker = {.c = t.c};
        pthread_t thread;

        /* Another size, by which a mixture shows. */
        memset(text, 'x', sizeof(text) - 1);
        store(&t, KEY, "one", NULL);
        ck_assert_int_eq(pthread_create(&thread, NULL, look, &looker), 0);
        for (unsigned i = 0; i < 40; i++)
                store(&t, KEY, i % 2 ? "one" : text, NULL);
        atomic_store(&looker.over, true);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_uint_eq(looker.wrong, 0);
}
END_TEST

static void *mark(void *data)
{
        struct looker *l = data;
        const char *const path = KEY "/" KERNEL_CORRUPT_MARK;

        while (!atomic_load(&l->over)) {
                _cleanup_close_ int fd = openat(l->c->root_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

                syscall(SYS_unlinkat, l->c->root_fd, path, 0);
        }
        return NULL;
}

START_TEST(one_that_is_found_corrupt_while_it_is_resolved_is_not_taken)
{
        _cache_ struct cache t = cache_new();
        struct looker marker = {.c = t.c};
        unsigned taken = 0, corrupt = 0;
        pthread_t thread;

        store(&t, KEY, "one", NULL);
        ck_assert_int_eq(pthread_create(&thread, NULL, mark, &marker), 0);
        for (unsigned i = 0; i < 2000; i++) {
                struct kernel *k = NULL;
                int r = kernel_resolve_as(t.c, NULL, i % 2 ? "6.18" : KEY, false, &k, NULL);

                taken += r >= 0 && !k->error;
                corrupt += r == -ENOENT;
                kernel_free(k);
        }
        atomic_store(&marker.over, true);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_uint_eq(taken + corrupt, 2000);
}
END_TEST

UNIT_MAIN("kcache_store", what_was_built_is_an_entry, the_configuration_may_be_in_another_file,
          what_cannot_serve_is_not_stored, another_kernel_takes_the_place_of_the_old_one,
          the_same_kernel_is_kept, one_in_use_is_not_replaced, what_is_corrupt_is_replaced,
          what_was_changed_is_not_used_and_listed_as_corrupt,
          one_that_was_replaced_is_not_taken_for_the_old_one,
          a_look_whether_it_is_in_use_keeps_nobody_from_using_it, a_key_is_one_daemons_at_a_time,
          a_lock_whose_file_went_while_it_was_waited_for_is_taken_anew,
          a_lock_file_goes_with_its_entry_unless_somebody_has_it,
          clean_keeps_the_newest_valid_ones_and_no_corrupt_one, clean_of_the_corrupt_leaves_the_valid,
          clean_leaves_what_is_in_use_and_says_so, clean_of_certain_ones_counts_those_that_went,
          clean_leaves_what_was_built_while_it_looked, what_cannot_be_looked_at_is_neither_gone_nor_corrupt,
          those_not_used_for_longest_go_first_and_only_built_ones,
          where_one_comes_into_use_the_next_one_goes, where_not_enough_may_go_nothing_goes,
          one_that_is_replaced_makes_room_for_the_new_one, a_store_that_is_killed_leaves_nothing_or_all,
          a_replacement_that_is_killed_leaves_the_old_or_the_new,
          a_removal_that_is_killed_leaves_all_or_nothing, a_full_disk_leaves_the_old_one,
          two_daemons_store_use_and_clean_at_once, who_looks_while_it_is_replaced_sees_one_of_them,
          one_that_is_found_corrupt_while_it_is_resolved_is_not_taken)
