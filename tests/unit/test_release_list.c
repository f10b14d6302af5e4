/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list of kernel releases: what is taken for one, the one that is kept, and which series have ended. */

#include <errno.h>

#include "../../daemon/release_list.h"
#include "../../proto/codec.h"
#include "../../proto/errors.h"
#include "unit.h"

#define RELEASE(version, moniker, eol)                                                                      \
        "{\"version\":\"" version "\",\"moniker\":\"" moniker "\",\"eol\":" eol ",\"source\":null}"
#define RELEASES                                                                                             \
        "{\"latest_stable\":\"6.18.2\",\"releases\":[" RELEASE("6.19-rc3", "mainline", "false") "," RELEASE( \
                "6.18.2", "stable",                                                                          \
                "false") "," RELEASE("6.17.13", "stable",                                                    \
                                     "true") "," RELEASE("6.12.63", "longterm",                              \
                                                         "false") "," RELEASE("next-20251219",               \
                                                                              "linux-next", "false") "]}"

static int parse(const char *text, struct release_list **ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;

        ck_assert_int_eq(kt_json_parse(text, strlen(text), &o, NULL), 0);
        return release_list_parse(o, ret, reterr);
}

START_TEST(a_list_is_taken_in)
{
        struct release_list *list;

        ck_assert_int_eq(parse(RELEASES, &list, NULL), 0);
        ck_assert_uint_eq(list->n, 5);
        ck_assert_str_eq(list->latest_stable, "6.18.2");
        ck_assert_str_eq(list->of[2].version, "6.17.13");
        ck_assert_str_eq(list->of[2].moniker, "stable");
        ck_assert(list->of[2].eol && !list->of[3].eol);
        ck_assert_ptr_null(list->of[0].source);
        release_list_free(list);
}
END_TEST

START_TEST(what_is_none_is_refused)
{
        static const char *const texts[] = {
                "{}",
                "{\"releases\":{}}",
                "{\"releases\":[]}",
                "{\"releases\":[1]}",
                "{\"releases\":[{\"version\":\"6.1\"}]}",
                "{\"releases\":[{\"version\":6,\"moniker\":\"stable\",\"eol\":false}]}",
                "{\"releases\":[{\"version\":\"6.1\",\"moniker\":\"stable\",\"eol\":0}]}",
                "{\"releases\":[{\"version\":\"6.1\",\"moniker\":\"stable\",\"eol\":true,\"source\":7}]}",
                "{\"latest_stable\":1,\"releases\":[" RELEASE("6.1", "stable", "true") "]}",
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(texts); i++) {
                struct kt_error err = KT_ERROR_INIT;
                struct release_list *list = NULL;

                ck_assert_msg(parse(texts[i], &list, &err) == -EBADMSG, "%s", texts[i]);
                ck_assert_str_eq(err.name, KT_E_DOWNLOAD);
                ck_assert_ptr_null(list);
                kt_error_done(&err);
        }
}
END_TEST

START_TEST(a_series_has_ended_when_it_says_so_or_is_gone)
{
        static const struct {
                const char *version;
                bool eol;
        } cases[] = {
                {"6.17.13", true},   {"6.17.1", true},         {"6.17", true},     {"6.16.12", true},
                {"6.1.3", true},     {"6.18.2", false},        {"6.18", false},    {"6.12.1", false},
                {"6.19.0", false},   {"6.19-rc1", false},      {"6.20.1", false},  {"7.0", false},
                {"6.1", true},       {"6.15-rc3", false},      {"6", false},       {"", false},
                {"nonsense", false}, {"next-20250101", false}, {"6.180.1", false},
        };
        struct release_list *list;

        ck_assert_int_eq(parse(RELEASES, &list, NULL), 0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                ck_assert_msg(release_list_says_eol(list, cases[i].version) == cases[i].eol, "%s",
                              cases[i].version);
                ck_assert(!release_list_says_eol(NULL, cases[i].version));
        }
        release_list_free(list);
}
END_TEST

START_TEST(the_one_that_is_kept_is_there_until_it_is_too_old)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_json_ struct json_object *o = NULL;
        struct release_list *list;

        ck_assert_int_eq(release_list_load(dir.path, 60000, &list), -ENOENT);
        ck_assert_int_eq(kt_json_parse(RELEASES, strlen(RELEASES), &o, NULL), 0);
        ck_assert_int_eq(release_list_store(dir.path, o), 0);
        ck_assert_int_eq(release_list_load(dir.path, 60000, &list), 0);
        ck_assert_uint_eq(list->n, 5);
        ck_assert_str_eq(list->latest_stable, "6.18.2");
        release_list_free(list);
        ck_assert_int_eq(release_list_load(dir.path, -1, &list), -ENOENT);
}
END_TEST

START_TEST(one_that_is_damaged_old_or_of_another_clock_is_none)
{
        static const char *const texts[] = {
                "",
                "{",
                "[]",
                "null",
                "{\"fetched_ms\":1,\"releases\":[" RELEASE("6.1", "stable", "true") "]}",
                "{\"fetched_ms\":99999999999999,\"releases\":[" RELEASE("6.1", "stable", "true") "]}",
                "{\"releases\":[" RELEASE("6.1", "stable", "true") "]}"};
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct release_list *list;

        for (size_t i = 0; i < KT_ARRAY_SIZE(texts); i++) {
                ck_assert_int_eq(kt_publish_file(dir.fd, ".releases.json", texts[i], strlen(texts[i]), 0644),
                                 0);
                ck_assert_msg(release_list_load(dir.path, RELEASE_LIST_MAX_AGE_MS, &list) == -ENOENT, "%s",
                              texts[i]);
        }
}
END_TEST

UNIT_MAIN("release_list", a_list_is_taken_in, what_is_none_is_refused,
          a_series_has_ended_when_it_says_so_or_is_gone, the_one_that_is_kept_is_there_until_it_is_too_old,
          one_that_is_damaged_old_or_of_another_clock_is_none)
