/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../daemon/guest_report.h"
#include "../../proto/bodymsg.h"
#include "../../proto/errors.h"
#include "unit.h"

static struct kt_frame frame_of(uint32_t type, const char *text)
{
        return (struct kt_frame){
                .type = type, .payload = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

static int parse(const char *text, struct guest_report *ret, struct kt_error *reterr)
{
        struct kt_frame f = frame_of(KT_FRAME_RESULT, text);

        return guest_report_parse(&f, ret, reterr);
}

START_TEST(a_whole_report_is_read)
{
        struct guest_report r;

        ck_assert_int_eq(
                parse("{\"outcome\":\"sched_ejected\",\"sched\":{\"attached\":true,\"ops\":"
                      "\"mine\",\"attach_ms\":12,"
                      "\"exit_code\":1,\"stop_signal\":2,\"ended_after_ms\":1230,\"state_after\":"
                      "\"disabled\","
                      "\"disabled_reason\":\"scx_bpf_error\",\"disabled_message\":\"no luck\"},"
                      "\"body\":{\"outcome\":\"error\",\"messages\":[{\"outcome\":\"fail\",\"text\":"
                      "\"lost\"}"
                      "],"
                      "\"metrics\":[{\"name\":\"rps\",\"value\":3,\"unit\":\"/s\",\"better\":\"higher\"}],"
                      "\"workload\":{\"started_ns\":5,\"stopped_ns\":9,\"cpus\":\"0-3\",\"scenarios\":[{"
                      "\"checks\":{\"max_"
                      "gap_ms\":7,\"isolation\":false}}],"
                      "\"cgroups\":[{\"name\":\"cg_0\",\"scenario\":0,\"cpus\":\"0-1\",\"isolated\":true,"
                      "\"started_ns\":6,\"stopped_ns\":8,"
                      "\"wakes\":{\"count\":4,\"p50_ns\":1,\"p99_ns\":2,\"max_ns\":3,\"cv\":0.5},\"pages\":{"
                      "\"total\":9,\"local\":8},"
                      "\"workers\":[{\"tid\":7,\"work\":\"CpuSpin\",\"work_units\":1024,\"cpus_used\":\"1,"
                      "1023\",\"cpus\":\"1-1023\","
                      "\"max_gap_ns\":3,"
                      "\"stopped_ns\":8,\"paused_ns\":2,\"exit\":\"signal 9\"}]}]}}}",
                      &r, NULL),
                0);
        ck_assert_int_eq(r.outcome, REPORT_SCHED_EJECTED);
        ck_assert(r.sched.present && r.sched.attached);
        ck_assert_str_eq(r.sched.ops, "mine");
        ck_assert_int_eq(r.sched.attach_ms, 12);
        ck_assert_int_eq(r.sched.ended_after_ms, 1230);
        ck_assert_int_eq(r.sched.exit_code, 1);
        ck_assert_int_eq(r.sched.exit_signal, -1);
        ck_assert_str_eq(r.sched.disabled_reason, "scx_bpf_error");
        ck_assert_str_eq(r.sched.disabled_message, "no luck");
        ck_assert(r.has_body);
        ck_assert_int_eq(r.body.outcome, KTSTR_ERROR);
        ck_assert_uint_eq(r.body.n_messages, 1);
        ck_assert_int_eq(r.body.messages[0].outcome, KTSTR_FAIL);
        ck_assert_str_eq(r.body.messages[0].text, "lost");
        ck_assert_uint_eq(r.body.n_metrics, 1);
        ck_assert_str_eq(r.body.metrics[0].name, "rps");
        ck_assert_str_eq(r.body.metrics[0].unit, "/s");
        ck_assert(r.body.metrics[0].value == 3 && r.body.metrics[0].better == KTSTR_HIGHER);
        ck_assert_uint_eq(r.body.workload.n_scenarios, 1);
        ck_assert(r.body.workload.scenarios[0].checks.max_gap_ms == 7);
        ck_assert_int_eq(r.body.workload.scenarios[0].checks.isolation, KTSTR_OFF);
        ck_assert_uint_eq(r.body.workload.n_cgroups, 1);
        ck_assert(r.body.workload.cgroups[0].isolated);
        ck_assert_uint_eq(r.body.workload.cgroups[0].started_ns, 6);
        ck_assert_uint_eq(r.body.workload.cgroups[0].wakes.p99_ns, 2);
        ck_assert(r.body.workload.cgroups[0].wakes.cv == 0.5);
        ck_assert_uint_eq(r.body.workload.cgroups[0].pages.local, 8);
        ck_assert_str_eq(r.body.workload.cgroups[0].workers[0].work, "CpuSpin");
        ck_assert_uint_eq(r.body.workload.cgroups[0].workers[0].paused_ns, 2);
        ck_assert_uint_eq(r.body.workload.cgroups[0].cpus.bits[0], 3);
        ck_assert_int_eq(r.body.workload.cgroups[0].workers[0].tid, 7);
        ck_assert_uint_eq(r.body.workload.cgroups[0].workers[0].work_units, 1024);
        ck_assert_uint_eq(r.body.workload.cgroups[0].workers[0].cpus_used.bits[0], 2);
        ck_assert(r.body.workload.cgroups[0].workers[0].has_cpus);
        ck_assert_uint_eq(ktstr_cpus_count(&r.body.workload.cgroups[0].workers[0].cpus), 1023);
        ck_assert_uint_eq(r.body.workload.cpus.bits[0], 15);
        ck_assert_str_eq(r.body.workload.cgroups[0].workers[0].exit, "signal 9");
        guest_report_done(&r);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused_and_nothing_kept)
{
        static const struct {
                const char *text, *words;
        } cases[] = {
                {"no JSON", "malformed"},
                {"[]", "no JSON object"},
                {"{}", "outcome"},
                {"{\"outcome\":\"victory\"}", "outcome"},
                {"{\"outcome\":1}", "outcome"},
                {"{\"outcome\":\"done\",\"body\":{}}", "the body's outcome"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"victory\"}}", "the body's outcome"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"fail\",\"messages\":[7]}}", "is no object"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"fail\",\"messages\":[{\"outcome\":\"fail\"}]"
                 "}}",
                 "no text"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"fail\",\"messages\":[{\"outcome\":\"odd\","
                 "\"text\":\"x\"}]}}",
                 "the body's outcome"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"metrics\":[{\"value\":1}]}}",
                 "metric has no name"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"started_ns\":2,"
                 "\"stopped_ns\":1}}}",
                 "before it started"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{"
                 "\"checks\":{\"max_gap_ms\":-7}}]}}}",
                 "max_gap_ms must be"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{"
                 "\"checks\":{\"grace\":1}}]}}}",
                 "no check 'grace'"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"scenario\":0,\"workers\":[]}]}}}",
                 "no name"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"scenario\":0}]}}}",
                 "no workers"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"scenario\":1,\"workers\":[]}]}}}",
                 "of no scenario"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"cgroups\":[{\"name\":"
                 "\"x\",\"scenario\":0,\"workers\":[]}]}}}",
                 "of no scenario"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"started_ns\":3,\"stopped_ns\":2,\"workers\":[]}]}}}",
                 "cgroup stopped before"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"workers\":[7]}]}}}",
                 "is no object"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"cpus\":[0],\"workers\":[]}]}}}",
                 "list of CPUs"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"cpus\":\"-1\",\"workers\":[]}]}}}",
                 "list of CPUs"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"cpus\":\"1,\",\"workers\":[]}]}}}",
                 "list of CPUs"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"cpus\":\"3-1\",\"workers\":[]}]}}}",
                 "list of CPUs"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"cpus\":\"0 \",\"workers\":[]}]}}}",
                 "list of CPUs"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"cpus\":\"1\\n\",\"workers\":[]}]}}}",
                 "list of CPUs"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"workers\":[{\"cpus_used\":\"1024\"}]}]}}}",
                 "list of CPUs"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"workers\":[{\"cpus_used\":\"1,1\"}]}]}}}",
                 "list of CPUs"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"workers\":[{\"cpus_used\":\"0-9,5\"}]}]}}}",
                 "list of CPUs"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"workers\":[{\"cpus_used\":1}]}]}}}",
                 "list of CPUs"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"fail\",\"workload\":{\"cpus\":\"0\","
                 "\"scenarios\":[{}],"
                 "\"cgroups\":[{\"name\":\"x\",\"scenario\":0,\"workers\":[{\"exit\":\"signal 11\"}]}]}}}",
                 "a worker ended by itself"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{}}}",
                 "which CPUs there are"},
                {"{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{\"cpus\":\"\"}}}",
                 "which CPUs there are"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                struct guest_report r;

                ck_assert_msg(parse(cases[i].text, &r, &err) == -EBADMSG, "%s", cases[i].text);
                ck_assert_str_eq(err.name, KT_E_GUEST_PROTOCOL);
                ck_assert_msg(strstr(kt_error_text(&err), cases[i].words), "%s: %s", cases[i].text,
                              kt_error_text(&err));
        }
}
END_TEST

/* `n` elements, each the same, as a list of the body's. */
static int parse_list(const char *before, const char *element, unsigned n, const char *behind)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        struct guest_report r;
        int result;

        fprintf(f, "{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",%s", before);
        for (unsigned i = 0; i < n; i++)
                fprintf(f, "%s%s", i ? "," : "", element);
        fprintf(f, "%s}}", behind);
        fclose(f);
        result = parse(text, &r, NULL);
        if (result >= 0)
                guest_report_done(&r);
        return result;
}

START_TEST(lists_have_an_end)
{
        static const char message[] = "{\"outcome\":\"pass\",\"text\":\"x\"}", metric[] = "{\"name\":\"x\"}",
                          cgroup[] = "{\"name\":\"x\",\"workers\":[{},{},{},{},{},{},{}]}";
        const char *workload = "\"workload\":{\"cpus\":\"0\",\"scenarios\":[{}],\"cgroups\":[";

        ck_assert_int_eq(parse_list("\"messages\":[", message, KT_BODY_MESSAGES_MAX, "]"), 0);
        ck_assert_int_eq(parse_list("\"messages\":[", message, KT_BODY_MESSAGES_MAX + 1, "]"), -EBADMSG);
        ck_assert_int_eq(parse_list("\"metrics\":[", metric, KT_BODY_METRICS_MAX, "]"), 0);
        ck_assert_int_eq(parse_list("\"metrics\":[", metric, KT_BODY_METRICS_MAX + 1, "]"), -EBADMSG);
        /* Workers count over all cgroups. */
        ck_assert_int_eq(parse_list(workload, cgroup, KT_BODY_WORKERS_MAX / 7, "]}"), 0);
        ck_assert_int_eq(parse_list(workload, cgroup, KT_BODY_WORKERS_MAX / 7 + 1, "]}"), -EBADMSG);
        ck_assert_int_eq(
                parse_list(workload, "{\"name\":\"x\",\"workers\":[]}", KT_BODY_CGROUPS_MAX + 1, "]}"),
                -EBADMSG);
}
END_TEST

START_TEST(names_are_one_plain_line)
{
        struct guest_report r;

        ck_assert_int_eq(parse("{\"outcome\":\"done\",\"body\":{\"outcome\":\"pass\",\"workload\":{"
                               "\"cpus\":\"0\",\"scenarios\":[{}],\"cgroups\":["
                               "{\"name\":\"a\\nb\\u007f\xc3\xa9\",\"workers\":[]}]}}}",
                               &r, NULL),
                         0);
        ck_assert_str_eq(r.body.workload.cgroups[0].name, "a?b???");
        guest_report_done(&r);
}
END_TEST

START_TEST(wrong_types_and_signs_count_as_absent)
{
        struct guest_report r;

        ck_assert_int_eq(parse("{\"outcome\":\"done\",\"sched\":{\"attached\":null,\"ops\":5,\"attach_ms\":"
                               "\"soon\",\"exit_code\":-3}}",
                               &r, NULL),
                         0);
        ck_assert(r.sched.present && !r.sched.attached && !r.sched.ops);
        ck_assert_int_eq(r.sched.attach_ms, -1);
        ck_assert_int_eq(r.sched.exit_code, -1);
        guest_report_done(&r);
}
END_TEST

START_TEST(texts_cannot_steer_a_terminal)
{
        struct kt_frame f = frame_of(
                KT_FRAME_EVENT,
                "{\"kind\":\"note\",\"text\":\"red\\u001b[31m\\u0007 \\u009b2J\\u0080\\u00a0\xc3\xa9\"}");
        struct guest_event e;

        ck_assert_int_eq(guest_event_parse(&f, &e, NULL), 0);
        ck_assert_str_eq(e.text, "red?[31m? ??2J??\xc2\xa0\xc3\xa9");
}
END_TEST

UNIT_MAIN("guest_report", a_whole_report_is_read, what_makes_no_sense_is_refused_and_nothing_kept,
          wrong_types_and_signs_count_as_absent, texts_cannot_steer_a_terminal, lists_have_an_end,
          names_are_one_plain_line)
