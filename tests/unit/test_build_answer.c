/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../daemon/build_answer.h"
#include "../../proto/buildmsg.h"
#include "../../proto/errors.h"
#include "unit.h"

#define HASH40 "0123456789abcdef0123456789abcdef01234567"
#define HASH64 HASH40 "0123456789abcdef01234567"

static struct build_answer a;

static void parse(const char *line)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = build_answer_parse(line, strlen(line), &a, &err);

        ck_assert_msg(r == 0, "%s: %s", line, kt_error_text(&err));
}

/* Refused, with that in the message, and nothing left to free. */
static void refuse(const char *line, const char *text)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        ck_assert_msg(build_answer_parse(line, strlen(line), &a, &err) == -EBADMSG, "%s", line);
        ck_assert_str_eq(err.name, KT_E_INTERNAL);
        ck_assert_msg(strstr(err.message, text), "%s: %s", line, err.message);
        ck_assert_ptr_nonnull(strstr(err.message, BUILD_PROGRAM));
}

START_TEST(a_stage)
{
        static const char *const names[] = BUILD_STAGES;

        parse("{\"stage\":\"compile\",\"message\":\"linux 6.14\"}");
        ck_assert_int_eq(a.kind, BUILD_ANSWER_STAGE);
        ck_assert_int_eq(a.stage, BUILD_STAGE_COMPILE);
        ck_assert_str_eq(a.text, "linux 6.14");
        build_answer_done(&a);
        parse("{\"stage\":\"resolve\"}");
        ck_assert_ptr_null(a.text);
        build_answer_done(&a);
        /* All of them are known, and no others. */
        ck_assert_uint_eq(KT_ARRAY_SIZE(names), BUILD_STAGE_STORE);
        for (size_t i = 0; i < KT_ARRAY_SIZE(names); i++) {
                char line[64];

                snprintf(line, sizeof(line), "{\"stage\":\"%s\"}", names[i]);
                parse(line);
                ck_assert_int_eq(a.stage, (int)i);
        }
        ck_assert_str_eq(build_stage_name(BUILD_STAGE_STORE), "store");
        refuse("{\"stage\":\"store\"}", "no such stage");
        refuse("{\"stage\":7}", "no such stage");
        refuse("{\"stage\":\"compile\",\"message\":7}", "message");
}
END_TEST

START_TEST(progress)
{
        parse("{\"progress\":{\"done\":5,\"total\":-1,\"unit\":\"bytes\"}}");
        ck_assert_int_eq(a.progress.done, 5);
        ck_assert_int_eq(a.progress.total, -1);
        ck_assert_str_eq(a.progress.unit, "bytes");
        ck_assert_ptr_null(a.progress.file);
        build_answer_done(&a);
        parse("{\"progress\":{\"done\":5,\"total\":9,\"unit\":\"objects\",\"file\":\"kernel/a.o\"}}");
        ck_assert_str_eq(a.progress.unit, "objects");
        ck_assert_str_eq(a.progress.file, "kernel/a.o");
        build_answer_done(&a);
        refuse("{\"progress\":{\"done\":-1,\"total\":9,\"unit\":\"bytes\"}}", "done");
        refuse("{\"progress\":{\"done\":1,\"total\":-2,\"unit\":\"bytes\"}}", "total");
        refuse("{\"progress\":{\"done\":1.5,\"total\":2,\"unit\":\"bytes\"}}", "done");
        refuse("{\"progress\":{\"done\":1,\"total\":2,\"unit\":\"lines\"}}", "unit");
        refuse("{\"progress\":{\"total\":2,\"unit\":\"bytes\"}}", "done");
        refuse("{\"progress\":7}", "no object");
        refuse("{\"progress\":{\"done\":99999999999999999999,\"total\":2,\"unit\":\"bytes\"}}",
               "makes no sense");
}
END_TEST

START_TEST(texts_for_a_person_are_one_line_that_does_nothing_to_a_terminal)
{
        parse("{\"warning\":\"a\\nb\\u001b[31mc\\u009b2Jd\\u007f \\u00e4\"}");
        ck_assert_int_eq(a.kind, BUILD_ANSWER_WARNING);
        ck_assert_str_eq(a.text, "a b [31mc  2Jd  \xc3\xa4");
        build_answer_done(&a);
        parse("{\"note\":\"\"}");
        ck_assert_int_eq(a.kind, BUILD_ANSWER_NOTE);
        build_answer_done(&a);
        refuse("{\"warning\":[\"a\"]}", "warning");
        refuse("{\"note\":{}}", "note");
}
END_TEST

START_TEST(a_log_is_kept_as_it_is)
{
        parse("{\"log\":\"  CC a.o\\n\\u001b[1mb\\n\"}");
        ck_assert_int_eq(a.kind, BUILD_ANSWER_LOG);
        ck_assert_uint_eq(a.text_size, strlen("  CC a.o\n\x1b[1mb\n"));
        ck_assert_str_eq(a.text, "  CC a.o\n\x1b[1mb\n");
        build_answer_done(&a);
        refuse("{\"log\":7}", "log");
        refuse("{\"log\":\"a\\u0000b\"}", "makes no sense");
}
END_TEST

START_TEST(a_plan)
{
        parse("{\"plan\":{\"source\":\"git\",\"name\":\"linux\",\"version\":\"6.14.2\",\"url\":\"https://"
              "x\",\"ref\":\"v6.14\","
              "\"git_hash\":\"" HASH40 "\",\"tree_path\":\"/a/b\",\"source_sha256\":\"" HASH64
              "\",\"own_config\":\"89abcdef\",\"cacheable\":true,\"other\":1}}");
        ck_assert_int_eq(a.kind, BUILD_ANSWER_PLAN);
        ck_assert_str_eq(a.plan.source, "git");
        ck_assert_str_eq(a.plan.name, "linux");
        ck_assert_str_eq(a.plan.version, "6.14.2");
        ck_assert_str_eq(a.plan.url, "https://x");
        ck_assert_str_eq(a.plan.ref, "v6.14");
        ck_assert_str_eq(a.plan.git_hash, HASH40);
        ck_assert_str_eq(a.plan.tree_path, "/a/b");
        ck_assert_str_eq(a.plan.source_sha256, HASH64);
        ck_assert_str_eq(a.plan.own_config, "89abcdef");
        ck_assert(a.plan.cacheable);
        build_answer_done(&a);
        parse("{\"plan\":{\"source\":\"local\",\"name\":\"/a\",\"cacheable\":false,\"why\":\"it is "
              "dirty\"}}");
        ck_assert_ptr_null(a.plan.version);
        ck_assert(!a.plan.cacheable);
        ck_assert_str_eq(a.plan.why, "it is dirty");
        build_answer_done(&a);
}
END_TEST

#define PLAN(members) "{\"plan\":{\"source\":\"tarball\",\"name\":\"n\",\"cacheable\":true," members "}}"

START_TEST(what_a_plan_may_not_have)
{
        refuse("{\"plan\":{\"name\":\"n\",\"cacheable\":true}}", "source");
        refuse("{\"plan\":{\"source\":\"rpm\",\"name\":\"n\",\"cacheable\":true}}", "source");
        refuse("{\"plan\":{\"source\":\"git\",\"cacheable\":true}}", "name");
        refuse("{\"plan\":{\"source\":\"git\",\"name\":\"\",\"cacheable\":true}}", "name");
        refuse("{\"plan\":{\"source\":\"git\",\"name\":\"n\"}}", "cacheable");
        refuse("{\"plan\":{\"source\":\"git\",\"name\":\"n\",\"cacheable\":1}}", "cacheable");
        refuse("{\"plan\":{\"source\":\"git\",\"name\":\"n\",\"cacheable\":false}}", "why");
        refuse(PLAN("\"version\":\"a/b\""), "version");
        refuse(PLAN("\"version\":\".hidden\""), "version");
        refuse(PLAN("\"version\":\"\""), "version");
        refuse(PLAN("\"git_hash\":\"abc\""), "git_hash");
        refuse(PLAN("\"git_hash\":\"" HASH40 "/\""), "git_hash");
        refuse(PLAN("\"git_hash\":\"0123456789ABCDEF0123456789ABCDEF01234567\""), "git_hash");
        refuse(PLAN("\"source_sha256\":\"" HASH40 "\""), "source_sha256");
        refuse(PLAN("\"own_config\":\"89abcde\""), "own_config");
        refuse(PLAN("\"tree_path\":\"a/b\""), "tree_path");
        refuse(PLAN("\"tree_path\":\"/a/../b\""), "tree_path");
        refuse("{\"plan\":[]}", "no object");
}
END_TEST

START_TEST(a_result)
{
        parse("{\"result\":{\"tree\":\"/w/linux\",\"config\":\"/w/"
              ".config\",\"config_hash\":\"89abcdef\",\"version\":\"6.14.2\","
              "\"release\":\"6.14.2-x\",\"cacheable\":true,\"objects\":4000}}");
        ck_assert_int_eq(a.kind, BUILD_ANSWER_RESULT);
        ck_assert_str_eq(a.result.tree, "/w/linux");
        ck_assert_str_eq(a.result.config, "/w/.config");
        ck_assert_str_eq(a.result.config_hash, "89abcdef");
        ck_assert_str_eq(a.result.release, "6.14.2-x");
        ck_assert_int_eq(a.result.objects, 4000);
        build_answer_done(&a);
        parse("{\"result\":{\"tree\":\"/w\",\"cacheable\":false,\"why\":\"x\"}}");
        ck_assert_int_eq(a.result.objects, -1);
        ck_assert_ptr_null(a.result.config);
        build_answer_done(&a);
        for (size_t i = 0; i < 9; i++) {
                static const char *const trees[] = {"",      "a",      "/",       "//a",  "/a/",
                                                    "/a//b", "/a/./b", "/a/../b", "/a/.."};
                char line[128];

                snprintf(line, sizeof(line), "{\"result\":{\"tree\":\"%s\",\"cacheable\":true}}", trees[i]);
                refuse(line, "tree");
        }
        refuse("{\"result\":{\"cacheable\":true}}", "tree");
        refuse("{\"result\":{\"tree\":\"/w\",\"cacheable\":true,\"objects\":-1}}", "objects");
        refuse("{\"result\":{\"tree\":\"/w\",\"cacheable\":true,\"release\":\"a/b\"}}", "release");
        refuse("{\"result\":{\"tree\":\"/w\",\"cacheable\":true,\"config_hash\":\"x\"}}", "config_hash");
}
END_TEST

START_TEST(an_error)
{
        parse("{\"error\":{\"name\":\"" KT_E_BUILD
              "\",\"message\":\"a.c:1: error\",\"details\":[\"one\",\"t\\nwo\"]}}");
        ck_assert_int_eq(a.kind, BUILD_ANSWER_ERROR);
        ck_assert_str_eq(a.failure.name, KT_E_BUILD);
        ck_assert_str_eq(a.failure.message, "a.c:1: error");
        ck_assert_uint_eq(a.failure.n_details, 2);
        ck_assert_str_eq(a.failure.details[1], "t wo");
        build_answer_done(&a);
        /* A name of its own is none of ours. */
        parse("{\"error\":{\"name\":\"org.example.Mine\",\"message\":\"m\"}}");
        ck_assert_str_eq(a.failure.name, KT_E_INTERNAL);
        build_answer_done(&a);
        parse("{\"error\":{\"message\":\"m\",\"details\":null}}");
        ck_assert_uint_eq(a.failure.n_details, 0);
        build_answer_done(&a);
        refuse("{\"error\":{\"name\":\"x\"}}", "message");
        refuse("{\"error\":{\"message\":\"\"}}", "message");
        refuse("{\"error\":{\"message\":\"m\",\"details\":\"d\"}}", "details");
        refuse("{\"error\":{\"message\":\"m\",\"details\":[\"a\",7]}}", "details");
}
END_TEST

START_TEST(of_many_details_the_first_are_kept)
{
        char line[8192];
        size_t n =
                (size_t)snprintf(line, sizeof(line), "{\"error\":{\"message\":\"m\",\"details\":[\"first\"");

        for (int i = 0; i < 1000; i++)
                n += (size_t)snprintf(line + n, sizeof(line) - n, ",\"d\"");
        snprintf(line + n, sizeof(line) - n, "]}}");
        parse(line);
        ck_assert_uint_eq(a.failure.n_details, 256);
        ck_assert_str_eq(a.failure.details[0], "first");
        build_answer_done(&a);
}
END_TEST

START_TEST(what_is_no_answer)
{
        refuse("", "makes no sense");
        refuse("hello", "makes no sense");
        refuse("{\"note\":\"a\"} {}", "makes no sense");
        refuse("{\"note\":\"a\",\"note\":\"b\"}", "makes no sense");
        refuse("{\"note\":\"\xff\"}", "makes no sense");
        refuse("[]", "no object");
        refuse("7", "no object");
        refuse("{}", "says nothing");
        refuse("{\"dance\":1}", "says nothing");
        refuse("{\"note\":null}", "says nothing");
        refuse("{\"note\":\"a\",\"log\":\"b\"}", "two things");
}
END_TEST

UNIT_MAIN("build_answer", a_stage, progress, texts_for_a_person_are_one_line_that_does_nothing_to_a_terminal,
          a_log_is_kept_as_it_is, a_plan, what_a_plan_may_not_have, a_result, an_error,
          of_many_details_the_first_are_kept, what_is_no_answer)
