/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../../client/render.h"
#include "../../proto/codec.h"
#include "unit.h"

static char *render(const char *verdict, bool colours)
{
        _cleanup_json_ struct json_object *v = NULL;
        char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);

        ck_assert_int_eq(kt_json_parse(verdict, strlen(verdict), &v, NULL), 0);
        render_verdict(f, v, "scx_mine", colours);
        fclose(f);
        return text;
}

START_TEST(the_reason_comes_first_then_the_error_then_the_rest)
{
        _cleanup_free_ char *text = render(
                "{\"verdict\":\"fail\",\"reason\":\"scx_mine never attached: R1 "
                "invalid\",\"elapsed_ms\":1234,\"details\":[\"a note\"],"
                "\"scheduler\":{\"outcome\":\"not_attached\",\"error_text\":\"R1 invalid\",\"exit_code\":1,"
                "\"verifier_log\":\"first\\nlast\\n\"},\"checks\":[],\"cgroups\":[],\"workers\":[],\"result_"
                "dir\":\"/r\"}",
                false);

        ck_assert_str_eq(text, "FAIL scx_mine: scx_mine never attached: R1 invalid (1.2 s)\n"
                               "  error:     R1 invalid\n"
                               "  scheduler: not_attached, exit status 1\n"
                               "  verifier log:\n"
                               "    first\n"
                               "    last\n"
                               "  note:      a note\n"
                               "  logs:      /r\n");
}
END_TEST

START_TEST(which_cpus_of_the_host_it_had_is_a_line)
{
        _cleanup_free_ char *budget = render("{\"verdict\":\"pass\",\"reason\":\"r\",\"placement\":{"
                                             "\"performance_mode\":false,\"host_cpus\":\"0-1\"}}",
                                             false),
                            *performance = render(
                                    "{\"verdict\":\"pass\",\"reason\":\"r\",\"placement\":{\"performance_"
                                    "mode\":true,\"host_cpus\":\"0,4-5\",\"vcpus\":[4,5],\"rest\":0}}",
                                    false);

        ck_assert_ptr_nonnull(strstr(budget, "\n  host CPUs: 0-1\n"));
        ck_assert_ptr_nonnull(strstr(performance,
                                     "\n  host CPUs: 0,4-5, one for each vCPU and CPU 0 for the "
                                     "rest; no other job ran\n"));
}
END_TEST

START_TEST(of_many_checks_of_one_name_the_first_are_shown)
{
        _cleanup_free_ char *json = NULL, *text = NULL;
        size_t size;
        FILE *f = open_memstream(&json, &size);

        fputs("{\"verdict\":\"fail\",\"reason\":\"r\",\"details\":[],\"checks\":[", f);
        for (int i = 0; i < 20; i++)
                fprintf(f, "{\"name\":\"gap\",\"verdict\":\"fail\",\"text\":\"number %d\"},", i);
        fputs("{\"name\":\"spread\",\"verdict\":\"pass\",\"text\":\"fine\"}]}", f);
        fclose(f);
        text = render(json, false);
        ck_assert_ptr_nonnull(strstr(text, "number 7\n                             … and 12 more\n  spread  "
                                           "     pass          fine\n"));
        ck_assert_ptr_null(strstr(text, "number 8"));
}
END_TEST

START_TEST(a_note_of_several_lines_is_one_block)
{
        _cleanup_free_ char *text =
                render("{\"verdict\":\"pass\",\"reason\":\"fine\",\"details\":[\"one\\ntwo\\n\"]}", false);

        ck_assert_str_eq(text, "PASS scx_mine: fine (0.0 s)\n  note:      one\n             two\n");
}
END_TEST

START_TEST(what_the_test_said_comes_before_what_was_checked)
{
        _cleanup_free_ char *text = render(
                "{\"verdict\":\"fail\",\"reason\":\"lost 3\",\"details\":[\"d\"],"
                "\"messages\":[{\"outcome\":\"fail\",\"text\":\"lost "
                "3\"},{\"outcome\":\"inconclusive\",\"text\":\"too\\nshort\"}],"
                "\"metrics\":[{\"name\":\"rps\",\"value\":12.5,\"unit\":\"/s\",\"better\":\"higher\"},"
                "{\"name\":\"n\",\"value\":7,\"unit\":\"\"}],"
                "\"checks\":[{\"name\":\"gap\",\"verdict\":\"pass\",\"text\":\"fine\"}],"
                "\"cgroups\":[{\"name\":\"cg_0\",\"workers\":2,\"cpus\":1,\"spread_pct\":0.5,\"gap_ms\":3,"
                "\"migrations\":4,"
                "\"iterations\":5,\"wakes\":9,\"wake_p50_ns\":1500,\"wake_p99_ns\":20000}]}",
                false);

        ck_assert_str_eq(text, "FAIL scx_mine: lost 3 (0.0 s)\n"
                               "  inconclusive: too\n"
                               "             short\n"
                               "  gap          pass          fine\n"
                               "  metric:    rps = 12.5 /s (higher is better)\n"
                               "  metric:    n = 7\n"
                               "  cg_0: workers=2 cpus=1 spread=0.5% gap=3ms migrations=4 iter=5 wakes=9 "
                               "p50=1.5us p99=20.0us\n"
                               "  note:      d\n");
}
END_TEST

START_TEST(of_many_cgroups_the_first_are_shown)
{
        _cleanup_free_ char *json = NULL, *text = NULL;
        size_t size;
        FILE *f = open_memstream(&json, &size);

        fputs("{\"verdict\":\"pass\",\"reason\":\"r\",\"details\":[],\"cgroups\":[{\"name\":\"cg_0\"}", f);
        for (int i = 1; i < 20; i++)
                fprintf(f, ",{\"name\":\"cg_%d\"}", i);
        fputs("]}", f);
        fclose(f);
        text = render(json, false);
        ck_assert_ptr_nonnull(strstr(text, "  cg_15: "));
        ck_assert_ptr_nonnull(strstr(text, "\n  … and 4 more cgroups\n"));
        ck_assert_ptr_null(strstr(text, "cg_16"));
}
END_TEST

static char *hundred_lines(const char *member)
{
        _cleanup_free_ char *log = NULL, *json = NULL;
        size_t size;
        FILE *f = open_memstream(&log, &size);

        for (int i = 0; i < 100; i++)
                fprintf(f, "line %d\\n", i);
        fclose(f);
        json = kt_format("{\"verdict\":\"fail\",\"reason\":\"r\",\"details\":[],"
                         "\"scheduler\":{\"outcome\":\"ejected\",\"%s\":\"%s\"}}",
                         member, log);
        return render(json, false);
}

START_TEST(of_a_long_log_the_end_is_shown)
{
        _cleanup_free_ char *text = hundred_lines("verifier_log");

        ck_assert_ptr_nonnull(strstr(text, "  verifier log (its end):\n    line 60\n"));
        ck_assert_ptr_nonnull(strstr(text, "    line 99\n"));
        ck_assert_ptr_null(strstr(text, "line 59\n"));
}
END_TEST

START_TEST(of_a_long_dump_the_beginning_is_shown)
{
        _cleanup_free_ char *text = hundred_lines("dump");

        ck_assert_ptr_nonnull(strstr(text, "  debug dump (its beginning):\n    line 0\n"));
        ck_assert_ptr_nonnull(strstr(text, "    line 39\n"));
        ck_assert_ptr_null(strstr(text, "line 40\n"));
}
END_TEST

START_TEST(a_trace_is_shown_however_it_ended)
{
        _cleanup_free_ char *whole = render("{\"verdict\":\"pass\",\"reason\":\"fine\",\"details\":[],"
                                            "\"trace\":[\"a\",\"b\"]}",
                                            false),
                            *part = render("{\"verdict\":\"pass\",\"reason\":\"fine\",\"details\":[],"
                                           "\"trace\":[\"a\"],\"trace_error\":\"f\"}",
                                           false),
                            *none = render("{\"verdict\":\"pass\",\"reason\":\"fine\",\"details\":[],"
                                           "\"trace_error\":\"no tracefs\"}",
                                           false);

        ck_assert_str_eq(whole, "PASS scx_mine: fine (0.0 s)\n  trace (its end):\n    a\n    b\n");
        ck_assert_str_eq(
                part, "PASS scx_mine: fine (0.0 s)\n  trace:     without: f\n  trace (its end):\n    a\n");
        ck_assert_str_eq(none, "PASS scx_mine: fine (0.0 s)\n  trace:     none: no tracefs\n");
}
END_TEST

START_TEST(what_went_well_shows_no_logs)
{
        _cleanup_free_ char *text = render("{\"verdict\":\"pass\",\"reason\":\"fine\",\"details\":[],"
                                           "\"scheduler\":{\"outcome\":\"stopped\","
                                           "\"error_text\":\"e\",\"verifier_log\":\"v\",\"dump\":\"d\"}}",
                                           false);

        ck_assert_str_eq(text, "PASS scx_mine: fine (0.0 s)\n  scheduler: stopped\n");
}
END_TEST

START_TEST(colours_are_only_around_the_verdict)
{
        _cleanup_free_ char *text =
                render("{\"verdict\":\"pass\",\"reason\":\"fine\",\"details\":[]}", true);

        ck_assert_str_eq(text, "\033[1;32mPASS\033[0m scx_mine: fine (0.0 s)\n");
}
END_TEST

START_TEST(what_came_of_a_build_is_one_line)
{
        _cleanup_free_ char
                *built = render("{\"verdict\":\"pass\",\"reason\":\"built: KEY\",\"elapsed_ms\":272000,"
                                "\"details\":[],\"build\":{\"source\":\"s\",\"existed\":false},"
                                "\"result_dir\":\"/r\"}",
                                true),
                *there = render("{\"verdict\":\"pass\",\"reason\":\"already cached: KEY\",\"elapsed_ms\":5,"
                                "\"details\":[],\"build\":{\"source\":\"s\",\"existed\":true}}",
                                false),
                *failed = render("{\"verdict\":\"fail\",\"reason\":\"a.c:1: error\",\"elapsed_ms\":5000,"
                                 "\"details\":[\"more\"],\"build\":{\"source\":\"linux-6.14.tar.xz\"},"
                                 "\"result_dir\":\"/r\"}",
                                 false);

        ck_assert_str_eq(built, "built: KEY (4 min 32 s)\n");
        ck_assert_str_eq(there, "already cached: KEY\n");
        ck_assert_str_eq(failed, "FAIL linux-6.14.tar.xz: a.c:1: error (5.0 s)\n"
                                 "  note:      more\n"
                                 "  logs:      /r\n");
}
END_TEST

UNIT_MAIN("render", which_cpus_of_the_host_it_had_is_a_line, what_came_of_a_build_is_one_line,
          of_many_checks_of_one_name_the_first_are_shown, what_the_test_said_comes_before_what_was_checked,
          of_many_cgroups_the_first_are_shown, a_note_of_several_lines_is_one_block,
          the_reason_comes_first_then_the_error_then_the_rest, a_trace_is_shown_however_it_ended,
          of_a_long_log_the_end_is_shown, of_a_long_dump_the_beginning_is_shown,
          what_went_well_shows_no_logs, colours_are_only_around_the_verdict)
