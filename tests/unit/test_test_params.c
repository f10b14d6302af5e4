/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a scheduler and its test declare, put together. */
#include <string.h>

#include "../../client/test_params.h"
#include "../../proto/codec.h"
#include "unit.h"

static struct json_object *json(const char *text)
{
        struct json_object *o = NULL;

        if (text)
                ck_assert_int_eq(kt_json_parse(text, strlen(text), &o, NULL), 0);
        return o;
}

static void assert_args(const char *scheduler_text, const char *test_text, const char *expected)
{
        _cleanup_json_ struct json_object *scheduler = json(scheduler_text), *test = json(test_text), *args;

        args = test_params_sched_args(scheduler, test);
        ck_assert_str_eq(json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN |
                                                                      JSON_C_TO_STRING_NOSLASHESCAPE),
                         expected);
}

START_TEST(arguments_have_their_order)
{
        assert_args("{}", "{}", "[]");
        assert_args("{\"sched_args\": [\"-a\", \"\"]}", "{\"extra_sched_args\": [\"-b\"]}",
                    "[\"-a\",\"\",\"-b\"]");
        assert_args("{\"sched_args\": [\"-a\"], \"config_file\": \"conf/x.json\"}",
                    "{\"extra_sched_args\": [\"-b\"]}",
                    "[\"--config\",\"/include-files/x.json\",\"-a\",\"-b\"]");
}
END_TEST

START_TEST(a_tests_own_file_stands_where_the_template_says)
{
        const char *scheduler = "{\"config_arg\": \"--c={file}:{file}\", \"config_guest_path\": \"/etc/a\"}";

        assert_args(scheduler, "{\"config\": \"x\"}", "[\"--c=/etc/a:/etc/a\"]");
        assert_args(scheduler, "{}", "[]");
}
END_TEST

static void assert_checks(const char *scheduler_text, const char *test_text, const char *expected)
{
        _cleanup_json_ struct json_object *scheduler = json(scheduler_text), *test = json(test_text),
                                          *checks;

        checks = test_params_checks(scheduler, test);
        ck_assert_str_eq(json_object_to_json_string_ext(checks, JSON_C_TO_STRING_PLAIN), expected);
}

START_TEST(the_last_layer_that_says_something_wins)
{
        assert_checks(NULL, "{}", "{}");
        assert_checks("{\"checks\": {\"max_gap_ms\": 5, \"isolation\": true}}",
                      "{\"checks\": {\"max_gap_ms\": -1}}", "{\"max_gap_ms\":-1,\"isolation\":true}");
        assert_checks("{\"checks\": {\"isolation\": true}}", "{\"checks\": {\"isolation\": false}}",
                      "{\"isolation\":false}");
}
END_TEST

START_TEST(declared_values_stay_as_they_are)
{
        _cleanup_json_ struct json_object *scheduler = json("{\"checks\": {\"max_gap_ms\": 5}}"),
                                          *test = json("{\"checks\": {\"max_gap_ms\": 7}}"), *merged, *again;

        merged = test_params_checks(scheduler, test);
        again = test_params_checks(scheduler, NULL);
        ck_assert_int_eq(kt_json_int(merged, "max_gap_ms", 0), 7);
        ck_assert_int_eq(kt_json_int(again, "max_gap_ms", 0), 5);
}
END_TEST

UNIT_MAIN("test_params", arguments_have_their_order, a_tests_own_file_stands_where_the_template_says,
          the_last_layer_that_says_something_wins, declared_values_stay_as_they_are)
