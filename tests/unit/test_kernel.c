/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* kernel.h: versions, keys, and an entry's metadata. */

#include <errno.h>
#include <string.h>

#include "../../daemon/kernel.h"
#include "../../proto/codec.h"
#include "../lib/suite.h"
#include "unit.h"

/* --- versions --- */

static const struct {
        const char *release, *version;
} releases[] = {
        {"6.18.15+deb13-cloud-amd64", "6.18.15"},
        {"6.15-rc3-foo", "6.15-rc3"},
        {"6.15.0-rc3", "6.15-rc3"},
        {"6.15.0-rc12+", "6.15-rc12"},
        {"6.15.1-rc1", "6.15.1-rc1"},
        {"6.10.0", "6.10"},
        {"6.0", "6.0"},
        {"6.15.10-x", "6.15.10"},
        {"6.15.0.1-x", "6.15.0.1"},
        {"7.3.4", "7.3.4"},
        {"6.18.", "6.18"},
        {"6.18.x", "6.18"},
        {"6.18-rc", "6.18"},
        {"6.18-rcs1", "6.18"},
        {"6.12.0-55.el10.x86_64", "6.12"},
        {"next", ""},
};

START_TEST(a_version_is_how_a_release_begins)
{
        _cleanup_free_ char *version = kernel_version_of(releases[_i].release);

        ck_assert_str_eq(version, releases[_i].version);
}
END_TEST

/* In ascending order; those of one row are equal. */
static const char *const ascending[][3] = {
        {"", "x", "-"},
        {"5.19"},
        {"6.2"},
        {"6.10"},
        {"6.15-rc3", "6.15.0-rc3"},
        {"6.15-rc10", "6.15.0-rc10"},
        {"6.15", "6.15.0", "6.15.0.0"},
        {"6.15.0.1"},
        {"6.15.1-rc1"},
        {"6.15.1"},
        {"6.15.10", "6.15.10-rc", "6.15.10-"},
        {"6.180"},
        {"7"},
};

START_TEST(versions_are_ordered_as_people_mean_them)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(ascending); i++)
                for (size_t j = 0; j < KT_ARRAY_SIZE(ascending); j++)
                        for (size_t a = 0; a < 3 && ascending[i][a]; a++)
                                for (size_t b = 0; b < 3 && ascending[j][b]; b++) {
                                        int d = kernel_version_compare(ascending[i][a], ascending[j][b]);

                                        ck_assert_msg((d > 0) - (d < 0) == (i > j) - (i < j),
                                                      "%s and %s: %d", ascending[i][a], ascending[j][b], d);
                                }
}
END_TEST

static const struct {
        const char *version, *wanted;
        bool matches;
} matches[] = {
        {"6.18.15", "6.18", true},
        {"6.18.15", "6.18.15", true},
        {"6.18", "6.18", true},
        {"6.18", "6.18.0", true},
        {"6.18.0", "6.18", true},
        {"6.18.15", "6", true},
        {"6.180.1", "6.18", false},
        {"6.18.15", "6.18.1", false},
        {"6.18.1", "6.18.15", false},
        {"6.1.8", "6.18", false},
        {"6.15-rc3", "6.15-rc3", true},
        {"6.15.0-rc3", "6.15-rc3", true},
        {"6.15-rc3", "6.15.0-rc3", true},
        {"6.15-rc3", "6.15", false},
        {"6.15.0-rc3", "6.15", false},
        {"6.15.0-rc3", "6.15.0", false},
        {"6.15", "6.15-rc3", false},
        {"6.15-rc30", "6.15-rc3", false},
        {"6.15.1-rc3", "6.15-rc3", false},
        {"6.15-rc3", "6.15-rc4", false},
        {"", "6.15", false},
        {"6.15", "", false},
        {"x", "x", false},
        {"6.18.15", "5.18.15", false},
};

START_TEST(a_wanted_version_stands_for_its_patch_releases_and_no_candidate)
{
        ck_assert_msg(kernel_version_matches(matches[_i].version, matches[_i].wanted) == matches[_i].matches,
                      "%s for %s", matches[_i].version, matches[_i].wanted);
}
END_TEST

START_TEST(a_version_is_told_from_a_key)
{
        static const char *const are[] = {"6", "6.18", "6.18.15", "6.15-rc3", "6.15.0-rc3", "10.0"};
        static const char *const are_not[] = {
                "",          "6.",    "6..18",  "6.15-rc", "6.15-rc3-foo",   "6.18.15.1",
                "v6.18",     ".6",    "newest", "6.18 ",   "6.18.15-x86_64", " 6.18",
                "6.15-rc3x", "-6.18", "+6.18",  "6.18-",   "6.18.15+deb13",  "6,18"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(are); i++)
                ck_assert_msg(kernel_version_is(are[i]), "%s", are[i]);
        for (size_t i = 0; i < KT_ARRAY_SIZE(are_not); i++)
                ck_assert_msg(!kernel_version_is(are_not[i]), "%s", are_not[i]);
}
END_TEST

START_TEST(a_key_is_a_file_name)
{
        static const char *const are[] = {"6.18.15+deb13-cloud-amd64-deb-x86_64", "x", "6.19~rc1-img-x86_64",
                                          "a.b"};
        static const char *const are_not[] = {"",     ".",   "..",   ".locks", "a/b", "/",          "../a",
                                              "a\\b", "a b", "a\nb", "a\177",  "\t",  ".tmp-abcde", "a..b"};
        char longest[202];

        for (size_t i = 0; i < KT_ARRAY_SIZE(are); i++)
                ck_assert_msg(kernel_key_is_valid(are[i]), "%s", are[i]);
        for (size_t i = 0; i < KT_ARRAY_SIZE(are_not); i++)
                ck_assert_msg(!kernel_key_is_valid(are_not[i]), "'%s'", are_not[i]);
        memset(longest, 'k', sizeof(longest));
        longest[201] = '\0';
        ck_assert(!kernel_key_is_valid(longest));
        longest[200] = '\0';
        ck_assert(kernel_key_is_valid(longest));
}
END_TEST

/* --- entries --- */

static const char *const files[] = {"vmlinux", "btf", "config", "modules/00-virtio.ko",
                                    "modules/01-virtio_pci.ko"};

static char *metadata(void)
{
        char *modules[] = {"00-virtio.ko", "01-virtio_pci.ko", NULL},
             *from[] = {"./a b.deb", "\"quoted\"", NULL};
        struct kernel k = {.key = "6.18.1-x-deb-x86_64",
                           .release = "6.18.1-x",
                           .version = "6.18.1",
                           .arch = "x86_64",
                           .source = "package",
                           .built_at = "2026-01-01T00:00:00Z",
                           .image_sha256 = "abc",
                           .image_size = 7,
                           .has_btf = true,
                           .has_config = true,
                           .sched_ext = true,
                           .modules = modules,
                           .imported_from = from};

        return kernel_metadata(&k);
}

/* Without the fsync of a real store: hundreds are made here. */
static void put(const struct unit_dir *dir, const char *name, const char *content)
{
        _cleanup_free_ char *path = kt_format("%s/6.18.1-x-deb-x86_64/%s", dir->path, name);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(kt_write_all(fd, content, strlen(content)), 0);
}

static struct unit_dir entry(const char *text)
{
        struct unit_dir dir = unit_dir_new();

        ck_assert_int_eq(kt_mkdir_p(dir.fd, "6.18.1-x-deb-x86_64/modules", 0755), 0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(files); i++)
                put(&dir, files[i], "7 bytes");
        if (text)
                put(&dir, "metadata.json", text);
        return dir;
}

static struct kernel *load(const struct unit_dir *dir)
{
        struct kernel *k = NULL;

        ck_assert_int_eq(kernel_load(dir->path, "6.18.1-x-deb-x86_64", &k), 0);
        return k;
}

START_TEST(what_is_written_is_read_back)
{
        _cleanup_free_ char *text = metadata(), *again = NULL, *config = NULL;
        _unit_dir_ struct unit_dir dir = entry(text);
        struct kernel *k = load(&dir);

        ck_assert_ptr_null(k->error);
        again = kernel_metadata(k);
        ck_assert_str_eq(text, again);
        config = kt_format("%s/6.18.1-x-deb-x86_64/config", dir.path);
        ck_assert_str_eq(k->config_path, config);
        ck_assert_str_eq(k->imported_from[1], "\"quoted\"");
        ck_assert_str_eq(k->modules[1], "01-virtio_pci.ko");
        ck_assert_ptr_null(k->modules[2]);
        kernel_free(k);
}
END_TEST

static const char *kind_of(const char *text)
{
        static char kind[32];
        _unit_dir_ struct unit_dir dir = entry(text);
        struct kernel *k = load(&dir);

        snprintf(kind, sizeof(kind), "%s", k->error ? k->error_kind : "none");
        kernel_free(k);
        return kind;
}

START_TEST(each_cut_of_the_metadata_is_told_as_such)
{
        _cleanup_free_ char *text = metadata();

        for (size_t size = strlen(text) - 1; size-- > 0;) {
                text[size] = '\0';
                ck_assert_msg(strcmp(kind_of(text), "truncated") == 0, "cut to %zu: %s", size,
                              kind_of(text));
        }
}
END_TEST

static const struct {
        const char *text, *kind;
} metadatas[] = {
        {NULL, "missing"},     {"not json", "malformed"}, {"{]", "malformed"},       {"{} {}", "malformed"},
        {"{", "truncated"},    {"", "truncated"},         {"{}", "schema_drift"},    {"[]", "schema_drift"},
        {"1", "schema_drift"}, {"null", "schema_drift"},  {"\"x\"", "schema_drift"},
};

START_TEST(what_is_wrong_with_the_metadata_has_its_kind)
{
        ck_assert_str_eq(kind_of(metadatas[_i].text), metadatas[_i].kind);
}
END_TEST

START_TEST(each_member_must_be_there_and_of_its_type)
{
        static const char *const others[] = {"null", "7.5", "[null]", "[{}]", "{}", "[\"../../x\", 3]"};
        _cleanup_free_ char *text = metadata();
        _cleanup_json_ struct json_object *o = json_tokener_parse(text);
        size_t n = 0;

        json_object_object_foreach (o, key, value) {
                _cleanup_json_ struct json_object *copy = json_tokener_parse(text);

                ck_assert_ptr_nonnull(value);
                json_object_object_del(copy, key);
                ck_assert_msg(strcmp(kind_of(json_object_to_json_string(copy)), "schema_drift") == 0,
                              "without %s", key);
                for (size_t i = 0; i < KT_ARRAY_SIZE(others); i++) {
                        json_object_object_add(copy, key, json_tokener_parse(others[i]));
                        ck_assert_msg(strcmp(kind_of(json_object_to_json_string(copy)), "schema_drift") == 0,
                                      "%s: %s", key, others[i]);
                }
                n++;
        }
        ck_assert_uint_eq(n, 15);
}
END_TEST

START_TEST(a_file_that_is_gone_makes_it_corrupt)
{
        _cleanup_free_ char *text = metadata();

        for (size_t i = 0; i < KT_ARRAY_SIZE(files); i++) {
                _unit_dir_ struct unit_dir dir = entry(text);
                _cleanup_free_ char *path = kt_format("%s/6.18.1-x-deb-x86_64/%s", dir.path, files[i]);
                struct kernel *k;

                ck_assert_int_eq(unlink(path), 0);
                k = load(&dir);
                ck_assert_str_eq(k->error_kind, i == 0 ? "image_missing" : "unknown");
                ck_assert_ptr_nonnull(strstr(k->error, path));
                kernel_free(k);
        }
}
END_TEST

START_TEST(an_image_of_another_size_is_not_the_one)
{
        _cleanup_free_ char *text = metadata(), *path = NULL;
        _unit_dir_ struct unit_dir dir = entry(text);
        struct kernel *k;

        path = kt_format("%s/6.18.1-x-deb-x86_64/vmlinux", dir.path);
        ck_assert_int_eq(truncate(path, 6), 0);
        k = load(&dir);
        ck_assert_str_eq(k->error_kind, "image_missing");
        kernel_free(k);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kernel");
        TCase *c = tcase_create("kernel");

        tcase_set_timeout(c, 60);
        tcase_add_loop_test(c, a_version_is_how_a_release_begins, 0, (int)KT_ARRAY_SIZE(releases));
        tcase_add_test(c, versions_are_ordered_as_people_mean_them);
        tcase_add_loop_test(c, a_wanted_version_stands_for_its_patch_releases_and_no_candidate, 0,
                            (int)KT_ARRAY_SIZE(matches));
        tcase_add_test(c, a_version_is_told_from_a_key);
        tcase_add_test(c, a_key_is_a_file_name);
        tcase_add_test(c, what_is_written_is_read_back);
        tcase_add_test(c, each_cut_of_the_metadata_is_told_as_such);
        tcase_add_loop_test(c, what_is_wrong_with_the_metadata_has_its_kind, 0,
                            (int)KT_ARRAY_SIZE(metadatas));
        tcase_add_test(c, each_member_must_be_there_and_of_its_type);
        tcase_add_test(c, a_file_that_is_gone_makes_it_corrupt);
        tcase_add_test(c, an_image_of_another_size_is_not_the_one);
        suite_add_tcase(s, c);
        return suite_run(s);
}
