/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where there are no globals to be written: the body as a process, with this test in the agent's place. */
#include <string.h>

#include "driven_body.h"
#include "unit.h"

#define FIRST_OF(sched)                                                                                     \
        "{\"format\":1,\"test\":\"t\",\"duration_ms\":1500,\"workers\":3,\"seed\":7,\"emulated\":false,"    \
        "\"sched\":" sched "}\n"

static enum ktstr_outcome reads(struct ktstr_ctx *ctx)
{
        int64_t value = 7;
        enum ktstr_outcome outcome = ktstr_map_read(ctx, "nr_dispatched", &value);

        return value == 7 ? outcome : ktstr_fail(ctx, "it was changed to %lld", (long long)value);
}

static void is_error(struct driven *d, const char *text)
{
        struct json_object *result = end(d);

        ck_assert_str_eq(kt_json_str(result, "outcome"), "error");
        ck_assert_uint_eq(json_object_array_length(kt_json_get(result, "messages")), 1);
        ck_assert_str_eq(kt_json_str(message(result, 0), "text"), text);
}

START_TEST(eevdf_has_no_globals)
{
        struct driven d = start(reads, FIRST);

        is_error(&d, "map_read: the test has no scheduler: it runs under EEVDF");
}
END_TEST

START_TEST(a_scheduler_without_a_process_has_none)
{
        struct driven d = start(reads, FIRST_OF("{\"name\":\"x\"}"));

        is_error(&d,
                 "map_read: x has no process that has its globals: it is detached, or part of the kernel");
}
END_TEST

/* What is told of it, in a line; static. */
static const char *first_of(pid_t pid)
{
        static char text[256];

        snprintf(text, sizeof(text), FIRST_OF("{\"name\":\"x\",\"pid\":%d}"), (int)pid);
        return text;
}

/* One that is there, and no scheduler. */
static pid_t start_other(void)
{
        pid_t pid = fork();

        if (pid == 0) {
                pause();
                _exit(0);
        }
        return pid;
}

static void end_other(pid_t pid)
{
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(a_process_without_maps_is_the_tests_error)
{
        const pid_t pid = start_other();
        struct driven d = start(reads, first_of(pid));
        char text[128];

        snprintf(text, sizeof(text),
                 "map_read: x (pid %d) and what it has started have no BPF map with global variables",
                 (int)pid);
        is_error(&d, text);
        end_other(pid);
}
END_TEST

static enum ktstr_outcome is_called(struct ktstr_ctx *ctx)
{
        ktstr_note(ctx, "called");
        return KTSTR_PASS;
}

static const struct ktstr_test declares = {
        .name = "t",
        .func = is_called,
        .bpf_map_write = KTSTR_MAP_WRITES({.field = "stall", .value = 1}),
};

START_TEST(what_is_declared_and_cannot_be_is_said_without_the_function)
{
        struct driven d = start_test(is_called, &declares, FIRST);

        is_error(&d, "bpf_map_write: the test has no scheduler: it runs under EEVDF");
}
END_TEST

/* Before the body, which looks for its globals, has heard of it. */
START_TEST(of_a_scheduler_that_is_gone_nothing_is_said)
{
        const pid_t pid = start_other();
        struct json_object *result;
        struct driven d;

        end_other(pid);
        d = start_test(is_called, &declares, first_of(pid));
        tell(&d, "{\"sched_gone\":\"exited\"}\n");
        ck_assert_str_eq(json_object_get_string(wait_line(&d, "text")), "called");
        result = end(&d);
        ck_assert_str_eq(kt_json_str(result, "outcome"), "pass");
        ck_assert_uint_eq(json_object_array_length(kt_json_get(result, "messages")), 0);
}
END_TEST

static enum ktstr_outcome tells_what_it_read(struct ktstr_ctx *ctx)
{
        ktstr_metric(ctx, "outcome", reads(ctx), "");
        return KTSTR_PASS;
}

/* It is not the test's fault, and the verdict says whose it is. */
START_TEST(of_one_that_is_over_nothing_is_read)
{
        static const struct {
                const char *word;
                enum ktstr_outcome outcome;
        } words[] = {{"{\"sched_gone\":\"exited\"}\n", KTSTR_FAIL},
                     {"{\"stop\":\"time\"}\n", KTSTR_INCONCLUSIVE},
                     {"{\"stop\":\"cancelled\"}\n", KTSTR_INCONCLUSIVE}};
        const pid_t pid = start_other();

        end_other(pid);
        for (unsigned i = 0; i < KT_ARRAY_SIZE(words); i++) {
                struct json_object *result;
                struct driven d = start(tells_what_it_read, first_of(pid));

                tell(&d, words[i].word);
                result = end(&d);
                ck_assert_uint_eq(json_object_array_length(kt_json_get(result, "messages")), 0);
                ck_assert_double_eq(
                        kt_json_double(json_object_array_get_idx(kt_json_get(result, "metrics"), 0), "value",
                                       -1),
                        words[i].outcome);
        }
}
END_TEST

UNIT_MAIN("map_write", eevdf_has_no_globals, a_scheduler_without_a_process_has_none,
          a_process_without_maps_is_the_tests_error,
          what_is_declared_and_cannot_be_is_said_without_the_function,
          of_a_scheduler_that_is_gone_nothing_is_said, of_one_that_is_over_nothing_is_read)
