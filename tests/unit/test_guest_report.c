/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../daemon/guest_report.h"
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

        ck_assert_int_eq(parse("{\"outcome\":\"sched_ejected\",\"sched\":{\"attached\":true,\"ops\":"
                               "\"mine\",\"attach_ms\":12,"
                               "\"exit_code\":1,\"stop_signal\":2,\"state_after\":\"disabled\","
                               "\"disabled_reason\":\"scx_bpf_error\",\"disabled_message\":\"no luck\"},"
                               "\"workload\":{\"started_ns\":5,\"stopped_ns\":9,\"cgroups\":[{\"name\":\"cg_"
                               "0\",\"cpus\":[0,1],"
                               "\"workers\":[{\"tid\":7,\"work_units\":1024,\"cpus_used\":[1],\"max_gap_"
                               "ns\":3,\"exit\":\"signal 9\"}]}]}}",
                               &r, NULL),
                         0);
        ck_assert_int_eq(r.outcome, REPORT_SCHED_EJECTED);
        ck_assert(r.sched.present && r.sched.attached);
        ck_assert_str_eq(r.sched.ops, "mine");
        ck_assert_int_eq(r.sched.attach_ms, 12);
        ck_assert_int_eq(r.sched.exit_code, 1);
        ck_assert_int_eq(r.sched.exit_signal, -1);
        ck_assert_str_eq(r.sched.disabled_reason, "scx_bpf_error");
        ck_assert_str_eq(r.sched.disabled_message, "no luck");
        ck_assert_uint_eq(r.workload.n_cgroups, 1);
        ck_assert_uint_eq(r.workload.cgroups[0].n_cpus, 2);
        ck_assert_int_eq(r.workload.cgroups[0].workers[0].tid, 7);
        ck_assert_uint_eq(r.workload.cgroups[0].workers[0].work_units, 1024);
        ck_assert_uint_eq(r.workload.cgroups[0].workers[0].cpus_used[0], 1);
        ck_assert_str_eq(r.workload.cgroups[0].workers[0].exit, "signal 9");
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
                {"{\"outcome\":\"done\",\"workload\":{}}", "no cgroups"},
                {"{\"outcome\":\"done\",\"workload\":{\"cgroups\":[1]}}", "a cgroup is no object"},
                {"{\"outcome\":\"done\",\"workload\":{\"cgroups\":[{\"name\":\"x\"}]}}", "no workers"},
                {"{\"outcome\":\"done\",\"workload\":{\"cgroups\":[{\"workers\":[]}]}}", "no name"},
                {"{\"outcome\":\"done\",\"workload\":{\"cgroups\":[{\"name\":\"x\",\"workers\":[7]}]}}",
                 "a worker is no object"},
                {"{\"outcome\":\"done\",\"workload\":{\"cgroups\":[{\"name\":\"x\",\"cpus\":[-1],"
                 "\"workers\":[]}]}}",
                 "CPU number"},
                {"{\"outcome\":\"done\",\"workload\":{\"cgroups\":[{\"name\":\"x\",\"cpus\":[99999],"
                 "\"workers\":[]}]}}",
                 "CPU number"},
                {"{\"outcome\":\"done\",\"workload\":{\"started_ns\":2,\"stopped_ns\":1,\"cgroups\":[]}}",
                 "before it started"},
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
        struct kt_frame f =
                frame_of(KT_FRAME_EVENT, "{\"kind\":\"note\",\"text\":\"red\\u001b[31m\\u0007 \xc3\xa9\"}");
        struct guest_event e;

        ck_assert_int_eq(guest_event_parse(&f, &e, NULL), 0);
        ck_assert_str_eq(e.text, "red?[31m? \xc3\xa9");
}
END_TEST

UNIT_MAIN("guest_report", a_whole_report_is_read, what_makes_no_sense_is_refused_and_nothing_kept,
          wrong_types_and_signs_count_as_absent, texts_cannot_steer_a_terminal)
