/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../builder/releases.h"

#include <string.h>

#include "../../proto/codec.h"
#include "unit.h"

#define ROW(version, moniker, eol)                                                                          \
        "{\"version\":\"" version "\",\"moniker\":\"" moniker "\",\"iseol\":" eol "}"

static struct json_object *list_of(const char *rows)
{
        _cleanup_free_ char *text =
                kt_format("{\"latest_stable\":{\"version\":\"7.0.3\"},\"releases\":[%s]}", rows);
        struct json_object *list;

        ck_assert_int_eq(releases_parse(text, strlen(text), &list, NULL), 0);
        return list;
}

static const char rows[] = ROW("7.1-rc4", "mainline", "false") "," ROW("7.0.3", "stable", "false") "," ROW(
        "6.19.14", "stable", "true") "," ROW("6.18.25", "longterm",
                                             "false") "," ROW("6.12.84", "longterm",
                                                              "false") "," ROW("next-20260429", "linux-next",
                                                                               "false");

START_TEST(the_newest_mature_one_is_kept_up)
{
        static const struct {
                unsigned patches;
                const char *newest;
        } cases[] = {{8, "6.18.25"}, {3, "7.0.3"}, {0, "7.0.3"}, {26, "6.12.84"}, {85, NULL}};
        _cleanup_json_ struct json_object *list = list_of(rows),
                                          *over = list_of(ROW("6.19.14", "stable", "true"));
        char text[VERSION_TEXT_MAX];
        struct version v;

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                ck_assert(releases_newest_mature(list, cases[i].patches, &v) == !!cases[i].newest);
                if (!cases[i].newest)
                        continue;
                version_text(&v, text);
                ck_assert_str_eq(text, cases[i].newest);
        }
        /* Better than none. */
        ck_assert(releases_newest_mature(over, 8, &v));
        version_text(&v, text);
        ck_assert_str_eq(text, "6.19.14");
}
END_TEST

START_TEST(the_newest_of_a_series_is_found)
{
        static const struct {
                const char *series, *newest;
                bool candidates;
        } cases[] = {{"6.12", "6.12.84", false}, {"6", "6.19.14", false},  {"7", "7.0.3", false},
                     {"7.1", NULL, false},       {"7.1", "7.1-rc4", true}, {"7.0", NULL, true},
                     {"6.1", NULL, false}};
        _cleanup_json_ struct json_object *list = list_of(rows);

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                struct version series, v;
                char text[VERSION_TEXT_MAX];

                ck_assert(version_parse(cases[i].series, &series));
                ck_assert_msg(releases_newest_of(list, &series, cases[i].candidates, &v) ==
                                      !!cases[i].newest,
                              "%s", cases[i].series);
                if (!cases[i].newest)
                        continue;
                version_text(&v, text);
                ck_assert_str_eq(text, cases[i].newest);
        }
}
END_TEST

START_TEST(the_list_is_made_plain)
{
        _cleanup_json_ struct json_object *list =
                list_of("{\"version\":\"6.1.1\",\"moniker\":\"longterm\",\"iseol\":\"yes\",\"source\":"
                        "\"https://x/y\",\"more\":[1]}");

        ck_assert_str_eq(
                json_object_to_json_string_ext(list,
                                               JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
                "{\"releases\":[{\"version\":\"6.1.1\",\"moniker\":\"longterm\",\"eol\":false,\"source\":"
                "\"https://x/y\"}],\"latest_stable\":\"7.0.3\"}");
}
END_TEST

START_TEST(what_is_no_list_is_refused)
{
        static const char *const cases[] = {"",
                                            "{",
                                            "[]",
                                            "7",
                                            "{}",
                                            "{\"releases\":{}}",
                                            "{\"releases\":[]}",
                                            "{\"releases\":[null,[],{}]}"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                struct json_object *list;

                ck_assert_msg(releases_parse(cases[i], strlen(cases[i]), &list, NULL) < 0, "%s", cases[i]);
        }
}
END_TEST

UNIT_MAIN("releases", the_newest_mature_one_is_kept_up, the_newest_of_a_series_is_found,
          the_list_is_made_plain, what_is_no_list_is_refused)
