/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The cache on disk: listing, finding, importing, leasing, removing. */

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "../../daemon/kcache_internal.h"
#include "../../daemon/kernel_resolve.h"
#include "../../proto/errors.h"
#include "kcache_fixture.h"
#include "kernel_bytes.h"
#include "unit.h"

static int import_bytes(struct cache *t, const struct kb *b, struct kernel **ret, bool *existed,
                        struct kt_error *reterr)
{
        _cleanup_close_ int fd = kb_file(b->data, b->size);
        struct kernel_file file = {.name = "vmlinux", .fd = fd};
        struct kernel_source from = {.files = &file, .n_files = 1};

        return kernel_import(t->c, &from, ret, existed, reterr);
}

/* Import such a kernel; its key, malloced. */
static char *import(struct cache *t, const struct kb_kernel *what)
{
        _kb_ struct kb b = kb_elf(what);
        struct kernel *k = NULL;
        char *key;

        ck_assert_int_eq(import_bytes(t, &b, &k, NULL, NULL), 0);
        key = strdup(k->key);
        kernel_free(k);
        return key;
}

static void import_release(struct cache *t, const char *release)
{
        free(import(t, &(struct kb_kernel){.release = release}));
}

static unsigned n_temporary(struct cache *t)
{
        struct dirent **entries = NULL;
        int n = scandir(kcache_root(t->c), &entries, NULL, NULL);
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

START_TEST(a_missing_root_is_made)
{
        _cache_ struct cache t = cache_new();
        struct kernel **list;
        struct stat st;

        ck_assert_int_eq(stat(kcache_root(t.c), &st), 0);
        ck_assert(S_ISDIR(st.st_mode));
        ck_assert_int_eq(kcache_list(t.c, &list, NULL), 0);
        ck_assert_ptr_null(list[0]);
        kernel_list_free(list);
}
END_TEST

START_TEST(a_root_that_cannot_be_is_told)
{
        struct kt_error err = KT_ERROR_INIT;
        struct kcache *c = NULL;

        ck_assert_int_lt(kcache_open("/dev/null/kernels", &c, &err), 0);
        ck_assert_ptr_null(c);
        ck_assert_str_eq(err.name, KT_E_IO);
        ck_assert_ptr_nonnull(strstr(err.message, "/dev/null/kernels"));
        kt_error_done(&err);
}
END_TEST

START_TEST(what_nobody_holds_is_swept_and_what_somebody_holds_is_not)
{
        _cache_ struct cache t = cache_new();
        _cleanup_free_ char *held = NULL, *left = NULL;
        struct kcache *again;
        int held_fd, left_fd;

        ck_assert_int_eq(kcache_stage(t.c, &held, &held_fd, NULL), 0);
        ck_assert_int_eq(kcache_stage(t.c, &left, &left_fd, NULL), 0);
        ck_assert_int_eq(kt_publish_file(left_fd, "vmlinux", "x", 1, 0644), 0);
        close(left_fd);
        ck_assert_int_eq(kcache_open(kcache_root(t.c), &again, NULL), 0);
        ck_assert(exists(&t, held));
        ck_assert(!exists(&t, left));
        close(held_fd);
        kcache_free(again);
        ck_assert_int_eq(kcache_open(kcache_root(t.c), &again, NULL), 0);
        ck_assert(!exists(&t, held));
        kcache_free(again);
}
END_TEST

START_TEST(what_is_published_can_be_leased_at_once)
{
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int fd = -1, lease = -1;
        _cleanup_free_ char *temp = NULL;

        ck_assert_int_eq(kcache_stage(t.c, &temp, &fd, NULL), 0);
        ck_assert_int_eq(kcache_publish(t.c, temp, fd, "key", NULL), 0);
        /* While its maker still has it open. */
        ck_assert_int_eq(kcache_lease(t.c, "key", &lease, NULL), 0);
}
END_TEST

START_TEST(nothing_is_published_over_something)
{
        _cache_ struct cache t = cache_new();
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *temp = NULL;
        struct kcache *again;

        ck_assert_int_eq(mkdirat(t.c->root_fd, "key", 0755), 0);
        ck_assert_int_eq(kcache_stage(t.c, &temp, &fd, NULL), 0);
        ck_assert_int_eq(kcache_publish(t.c, temp, fd, "key", NULL), -EEXIST);
        /* It is still ours, and safe from a sweep. */
        ck_assert_int_eq(kcache_open(kcache_root(t.c), &again, NULL), 0);
        kcache_free(again);
        ck_assert(exists(&t, temp));
        ck_assert_int_eq(kcache_publish(t.c, temp, fd, "key2", NULL), 0);
}
END_TEST

START_TEST(a_lease_keeps_it)
{
        _cache_ struct cache t = cache_new();
        _cleanup_free_ char *key = import(&t, &(struct kb_kernel){});
        struct kt_error err = KT_ERROR_INIT;
        int first, second;

        ck_assert_int_eq(kcache_lease(t.c, key, &first, NULL), 0);
        ck_assert_int_eq(kcache_lease(t.c, key, &second, NULL), 0);
        ck_assert_int_eq(kcache_remove(t.c, key, &err), -EBUSY);
        ck_assert_str_eq(err.name, KT_E_BUSY);
        close(first);
        ck_assert_int_eq(kcache_remove(t.c, key, &err), -EBUSY);
        ck_assert(exists(&t, key));
        close(second);
        ck_assert_int_eq(kcache_remove(t.c, key, NULL), 0);
        ck_assert(!exists(&t, key));
        ck_assert_uint_eq(n_temporary(&t), 0);
        ck_assert_int_lt(kcache_lease(t.c, key, &first, &err), 0);
        ck_assert_str_eq(err.name, KT_E_NO_SUCH_KERNEL);
        kt_error_done(&err);
}
END_TEST

START_TEST(what_is_being_removed_cannot_be_leased)
{
        _cache_ struct cache t = cache_new();
        _cleanup_free_ char *key = import(&t, &(struct kb_kernel){});
        _cleanup_close_ int remover = openat(t.c->root_fd, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int lease;

        ck_assert_int_eq(flock(remover, LOCK_EX), 0);
        ck_assert_int_eq(kcache_lease(t.c, key, &lease, NULL), -EBUSY);
}
END_TEST

START_TEST(removing_gets_by_what_a_killed_remover_left)
{
        _cache_ struct cache t = cache_new();
        _cleanup_free_ char *key = import(&t, &(struct kb_kernel){});

        ck_assert_int_eq(kt_mkdir_p(t.c->root_fd, ".tmp-gone-000000/x", 0755), 0);
        ck_assert_int_eq(kcache_remove(t.c, key, NULL), 0);
        ck_assert(!exists(&t, key));
        ck_assert(exists(&t, ".tmp-gone-000000/x"));
        ck_assert_uint_eq(n_temporary(&t), 1);
}
END_TEST

START_TEST(what_is_not_there_is_named_in_full)
{
        static const char *const keys[] = {"nosuchkey", "", "..", "a/b", ".locks"};
        _cache_ struct cache t = cache_new();
        struct kernel *k;

        ck_assert_int_eq(kt_publish_file(t.c->root_fd, "file", "x", 1, 0644), 0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(keys); i++) {
                struct kt_error err = KT_ERROR_INIT;

                ck_assert_int_lt(kcache_get(t.c, keys[i], &k, &err), 0);
                ck_assert_str_eq(err.name, KT_E_NO_SUCH_KERNEL);
                ck_assert_str_eq(err.field, "key");
                ck_assert_int_lt(kcache_remove(t.c, keys[i], &err), 0);
                ck_assert_str_eq(err.name, KT_E_NO_SUCH_KERNEL);
                kt_error_done(&err);
        }
        ck_assert_int_eq(kcache_get(t.c, "file", &k, NULL), -ENOENT);
        ck_assert_int_eq(kcache_remove(t.c, "file", NULL), -ENOENT);
        ck_assert(exists(&t, "file"));
}
END_TEST

/* --- importing --- */

START_TEST(an_import_is_an_entry)
{
        _cache_ struct cache t = cache_new();
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){.ikconfig = KB_CONFIG});
        struct kernel *k, *same;
        bool existed = true;

        ck_assert_int_eq(import_bytes(&t, &b, &k, &existed, NULL), 0);
        ck_assert(!existed);
        ck_assert_str_eq(k->key, "6.18.1-test-img-x86_64");
        ck_assert(k->sched_ext && k->has_btf && k->has_config);
        ck_assert_int_eq(import_bytes(&t, &b, &same, &existed, NULL), 0);
        ck_assert(existed);
        ck_assert_str_eq(same->key, k->key);
        ck_assert_uint_eq(n_temporary(&t), 0);
        kernel_free(k);
        kernel_free(same);
}
END_TEST

START_TEST(a_look_stores_nothing)
{
        _cache_ struct cache t = cache_new();
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){});
        _cleanup_close_ int fd = kb_file(b.data, b.size);
        struct kernel_file file = {.name = "vmlinux", .fd = fd};
        struct kernel_source from = {.files = &file, .n_files = 1};
        struct kernel **list, *k;

        ck_assert_int_eq(kernel_look(t.c, &from, &k, NULL), 0);
        ck_assert_str_eq(k->key, "6.18.1-test-img-x86_64");
        kernel_free(k);
        ck_assert_int_eq(kcache_list(t.c, &list, NULL), 0);
        ck_assert_ptr_null(list[0]);
        kernel_list_free(list);
        ck_assert_uint_eq(n_temporary(&t), 0);
}
END_TEST

START_TEST(a_refused_import_leaves_nothing)
{
        _cache_ struct cache t = cache_new();
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){.ikconfig = KB_CONFIG, .debug = 200});
        struct kernel *k;

        for (size_t size = 0; size < b.size; size += 41) {
                const struct kb cut = {b.data, size};
                struct kt_error err = KT_ERROR_INIT;

                ck_assert_int_lt(import_bytes(&t, &cut, &k, NULL, &err), 0);
                ck_assert_str_eq(err.name, KT_E_BAD_KERNEL);
                ck_assert_uint_eq(n_temporary(&t), 0);
                kt_error_done(&err);
        }
}
END_TEST

START_TEST(stages_are_told_in_order_and_to_whom_asked)
{
        _cache_ struct cache t = cache_new();
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){});
        _cleanup_close_ int fd = kb_file(b.data, b.size);
        struct kernel_file file = {.name = "vmlinux", .fd = fd};
        char told[256] = "";
        struct kernel *k;

        void on_stage(void *userdata, const char *stage)
        {
                strcat(userdata, stage);
                strcat(userdata, ";");
        }
        struct kernel_source from = {.files = &file, .n_files = 1, .on_stage = on_stage, .userdata = told};

        ck_assert_int_eq(kernel_import(t.c, &from, &k, NULL, NULL), 0);
        ck_assert_str_eq(told, "decompressing;looking at it;storing;");
        kernel_free(k);
}
END_TEST

START_TEST(a_fifo_is_not_waited_for)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_path_join(dir.path, "fifo");
        _cleanup_close_ int fd = -1;

        ck_assert_int_eq(mkfifo(path, 0600), 0);
        fd = kernel_open(NULL, AT_FDCWD, path, NULL);
        ck_assert_int_ge(fd, 0);
}
END_TEST

START_TEST(what_cannot_be_opened_is_named)
{
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(kernel_open(NULL, AT_FDCWD, "/nonexistent/vmlinuz", &err), -ENOENT);
        ck_assert_str_eq(err.name, KT_E_BAD_KERNEL);
        ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent/vmlinuz"));
        kt_error_done(&err);
}
END_TEST

/* --- finding --- */

START_TEST(a_list_is_newest_first_and_corrupt_last)
{
        static const char *const expected[] = {"7.0.0-a-img-x86_64",
                                               "6.19.0-a-img-x86_64",
                                               "6.19.0-rc10-a-img-x86_64",
                                               "6.19.0-rc2-a-img-x86_64",
                                               "6.18.10-cloud-a-img-x86_64",
                                               "6.18.10-a-img-x86_64",
                                               "6.9.1-a-img-x86_64",
                                               "8.0.0-corrupt",
                                               "9.0.0-corrupt"};
        _cache_ struct cache t = cache_new();
        struct kernel **list;
        size_t n = 0;

        import_release(&t, "6.18.10-a");
        import_release(&t, "6.19.0-rc10-a");
        import_release(&t, "7.0.0-a");
        import_release(&t, "6.19.0-rc2-a");
        import_release(&t, "6.9.1-a");
        import_release(&t, "6.18.10-cloud-a");
        import_release(&t, "6.19.0-a");
        ck_assert_int_eq(mkdirat(t.c->root_fd, "9.0.0-corrupt", 0755), 0);
        ck_assert_int_eq(mkdirat(t.c->root_fd, "8.0.0-corrupt", 0755), 0);
        ck_assert_int_eq(kcache_list(t.c, &list, NULL), 0);
        for (; list[n]; n++)
                ck_assert_str_eq(list[n]->key, expected[n]);
        ck_assert_uint_eq(n, KT_ARRAY_SIZE(expected));
        kernel_list_free(list);
}
END_TEST

/* The key that a spec leads to; "" for none. */
static const char *resolved(struct cache *t, const char *spec)
{
        static char key[256];
        struct kernel *k;

        key[0] = '\0';
        if (kernel_resolve_as(t->c, NULL, spec, false, &k, NULL) >= 0) {
                snprintf(key, sizeof(key), "%s", k->key);
                kernel_free(k);
        }
        return key;
}

START_TEST(a_name_leads_to_what_it_names_or_to_nothing)
{
        _cache_ struct cache t = cache_new();

        ck_assert_str_eq(resolved(&t, NULL), "");
        free(import(&t, &(struct kb_kernel){.release = "7.1.1-old", .btf_without_sched_ext = true}));
        ck_assert_str_eq(resolved(&t, NULL), "");
        import_release(&t, "6.18.2-a");
        import_release(&t, "6.18.10-a");
        import_release(&t, "6.15.0-rc3");
        ck_assert_str_eq(resolved(&t, NULL), "6.18.10-a-img-x86_64");
        ck_assert_str_eq(resolved(&t, "6.18"), "6.18.10-a-img-x86_64");
        ck_assert_str_eq(resolved(&t, "6.18.2"), "6.18.2-a-img-x86_64");
        ck_assert_str_eq(resolved(&t, "6.18.2-a"), "6.18.2-a-img-x86_64");
        ck_assert_str_eq(resolved(&t, "6.18.2-a-img-x86_64"), "6.18.2-a-img-x86_64");
        ck_assert_str_eq(resolved(&t, "7.1"), "7.1.1-old-img-x86_64");
        ck_assert_str_eq(resolved(&t, "6.15-rc3"), "6.15.0-rc3-img-x86_64");
        ck_assert_str_eq(resolved(&t, "6.15"), "");
        ck_assert_str_eq(resolved(&t, "6.1"), "");
        ck_assert_str_eq(resolved(&t, "6.18.1"), "");
        ck_assert_str_eq(resolved(&t, ""), "");
}
END_TEST

START_TEST(where_nothing_is_found_it_is_told_what_there_is)
{
        _cache_ struct cache t = cache_new();
        struct kt_error err = KT_ERROR_INIT;
        struct kernel *k;

        free(import(&t, &(struct kb_kernel){.release = "7.1.1-old", .btf_without_sched_ext = true}));
        free(import(&t,
                    &(struct kb_kernel){.release = "7.1.2-bare", .no_btf = true, .ikconfig = KB_CONFIG}));
        ck_assert_int_eq(mkdirat(t.c->root_fd, "bad", 0755), 0);
        ck_assert_int_eq(kernel_resolve_as(t.c, NULL, "6.18", false, &k, &err), -ENOENT);
        ck_assert_str_eq(err.name, KT_E_NO_SUCH_KERNEL);
        ck_assert_str_eq(err.field, "kernel");
        for (size_t i = 0; i < 5; i++) {
                static const char *const words[] = {"'6.18'", "7.1.1-old-img-x86_64 (no sched_ext)",
                                                    "7.1.2-bare-img-x86_64 (no BTF)", "bad (corrupt)",
                                                    "`ktstrctl kernel import"};

                ck_assert_msg(strstr(err.message, words[i]) != NULL, "'%s' is not in: %s", words[i],
                              err.message);
        }
        ck_assert_int_eq(kernel_resolve_as(t.c, NULL, "bad", false, &k, &err), -ENOENT);
        ck_assert_ptr_nonnull(strstr(err.message, "corrupt"));
        kt_error_done(&err);
}
END_TEST

/* The versions with blanks between them. */
static char *in_words(char **versions)
{
        char *text = strdup("");

        for (char **v = versions; *v; v++) {
                char *longer = kt_format("%s%s%s", text, *text ? " " : "", *v);

                free(text);
                text = longer;
        }
        return text;
}

START_TEST(versions_of_a_range_are_what_is_cached_and_what_is_added)
{
        _cache_ struct cache t = cache_new();
        static const char *const released[] = {"6.17.3", "6.15.0",        "6.16.9",   "6.16.12",
                                               "6.19",   "next-20260101", "6.16-rc3", "6.16.9"};
        _cleanup_free_ char *before = NULL, *after = NULL;
        struct kernel_spec range;
        char **versions;

        import_release(&t, "6.15.0-a");
        import_release(&t, "6.16.10-a");
        import_release(&t, "6.16.10-cloud-a");
        import_release(&t, "6.18.2-a");
        ck_assert_int_eq(kernel_spec_parse("6.15..6.17", &range, NULL), 0);
        ck_assert_int_eq(kernel_versions(t.c, &range, &versions, NULL), 0);
        before = in_words(versions);
        ck_assert_str_eq(before, "6.15 6.16.10");
        for (size_t i = 0; i < KT_ARRAY_SIZE(released); i++)
                ck_assert_int_eq(kernel_versions_add(&versions, &range, released[i]), 0);
        after = in_words(versions);
        ck_assert_str_eq(after, "6.15 6.16.9 6.16.10 6.16.12 6.17.3");
        for (char **v = versions; *v; v++)
                free(*v);
        free(versions);
        kernel_spec_done(&range);
}
END_TEST

START_TEST(a_path_is_imported_or_looked_at_as_asked)
{
        _cache_ struct cache t = cache_new();
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){.release = "6.18.7-path"});
        _cleanup_free_ char *path = kt_path_join(t.dir.path, "image");
        struct kernel *k;

        ck_assert_int_eq(kt_publish_file(AT_FDCWD, path, b.data, b.size, 0644), 0);
        ck_assert_int_eq(kernel_resolve_as(t.c, NULL, path, false, &k, NULL), 0);
        ck_assert_str_eq(k->key, "6.18.7-path-img-x86_64");
        kernel_free(k);
        ck_assert(!exists(&t, "6.18.7-path-img-x86_64"));
        ck_assert_int_eq(kernel_resolve_as(t.c, NULL, path, true, &k, NULL), 0);
        ck_assert(exists(&t, k->key));
        kernel_free(k);
}
END_TEST

UNIT_MAIN("kcache", a_missing_root_is_made, a_root_that_cannot_be_is_told,
          what_nobody_holds_is_swept_and_what_somebody_holds_is_not, what_is_published_can_be_leased_at_once,
          nothing_is_published_over_something, a_lease_keeps_it, what_is_being_removed_cannot_be_leased,
          removing_gets_by_what_a_killed_remover_left, what_is_not_there_is_named_in_full,
          an_import_is_an_entry, a_look_stores_nothing, a_refused_import_leaves_nothing,
          stages_are_told_in_order_and_to_whom_asked, a_fifo_is_not_waited_for,
          what_cannot_be_opened_is_named, a_list_is_newest_first_and_corrupt_last,
          a_name_leads_to_what_it_names_or_to_nothing, where_nothing_is_found_it_is_told_what_there_is,
          versions_of_a_range_are_what_is_cached_and_what_is_added, a_path_is_imported_or_looked_at_as_asked)
