/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The conversation with a test's body: the body is a function here that says what it should not, and what
 * the host would get stands in a file. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../guest/talk.h"
#include "../../proto/bodymsg.h"
#include "../../proto/codec.h"
#include "unit.h"

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static struct {
        struct agent agent;
        struct body body;
        struct talk talk;
        struct kt_error err;
        bool well, ejected;
        bool impatient; /* as in a guest; else a body that a busy host keeps from its CPU has its time */
        int well_looks; /* so often it is well yet */
        char requests[512];
        int request_result;
} f;

/* --- the scheduler's side --- */

static bool is_well(void *userdata)
{
        return f.well || f.well_looks-- > 0;
}

static bool was_ejected(void *userdata)
{
        return f.ejected;
}

static int on_request(void *userdata, enum talk_request what, const char *name, struct json_object *argv,
                      pid_t *ret_pid, struct kt_error *reterr)
{
        size_t len = strlen(f.requests);

        snprintf(f.requests + len, sizeof(f.requests) - len, "%u %s %s;", what, name ?: "-",
                 argv ? json_object_to_json_string_ext(argv, PLAIN) : "-");
        if (f.request_result < 0)
                return kt_error_set(reterr, f.request_result, NULL, "it does not want to");
        *ret_pid = 77;
        return 0;
}

static const struct talk_ops ops = {.is_well = is_well, .was_ejected = was_ejected, .request = on_request};

/* --- the run of one --- */

static const struct talk_grace patience = {.stop_ms = 50000, .gone_ms = 50000, .exit_ms = 50000};

static enum talk_end run_with(const struct talk_ops *with, int (*func)(int fd), const char *program,
                              uint64_t timeout_ms)
{
        static struct body_spec spec;
        struct json_object *begin = json_object_new_object();
        enum talk_end end;

        spec = (struct body_spec){.test = "mine", .program = program, .func = func};
        agent_init(&f.agent);
        f.agent.port.fd = memfd_create("port", 0);
        ck_assert_int_ge(f.agent.port.fd, 0);
        ck_assert_int_eq(body_start(&f.body, &f.agent, &spec, &f.err), 0);
        f.talk = (struct talk){.body = &f.body,
                               .ops = with,
                               .timeout_ms = timeout_ms,
                               .grace = f.impatient ? NULL : &patience};
        kt_json_add_int(begin, "format", KT_BODY_FORMAT);
        end = talk_run(&f.talk, begin, &f.err);
        while (!body_kill(&f.body))
                usleep(5000);
        body_done(&f.body);
        return end;
}

static enum talk_end run(int (*func)(int fd), const char *program, uint64_t timeout_ms)
{
        return run_with(&ops, func, program, timeout_ms);
}

static enum talk_end run_func(int (*func)(int fd))
{
        f.well = true;
        return run(func, NULL, 60000);
}

static void clean(void)
{
        talk_done(&f.talk);
        kt_error_done(&f.err);
        close(f.agent.port.fd);
        memset(&f, 0, sizeof(f));
}

static unsigned n_frames; /* that sent() found */

/* What the host got of this type, one after the other, each ended by a newline; without its first `skip`
 * bytes. */
static char *sent(uint32_t type, unsigned skip, uint64_t *ret_size)
{
        struct kt_frame_decoder d;
        struct kt_frame frame;
        off_t size = lseek(f.agent.port.fd, 0, SEEK_END);
        char *all = malloc((size_t)size + 1), *text = malloc(2 * (size_t)size + 1);
        size_t len = 0;

        lseek(f.agent.port.fd, 0, SEEK_SET);
        ck_assert_int_eq(kt_read_all(f.agent.port.fd, all, (size_t)size), 0);
        n_frames = 0;
        kt_frame_decoder_init(&d);
        ck_assert_int_eq(kt_frame_decoder_feed(&d, all, (size_t)size), 0);
        while (kt_frame_decoder_next(&d, &frame) == 1)
                if (frame.type == type) {
                        n_frames++;
                        memcpy(text + len, frame.payload + skip, frame.size - skip);
                        len += frame.size - skip;
                        if (skip == 0)
                                text[len++] = '\n';
                }
        text[len] = '\0';
        if (ret_size)
                *ret_size = len;
        kt_frame_decoder_done(&d);
        free(all);
        return text;
}

static void assert_sent(const char *what)
{
        _cleanup_free_ char *text = sent(KT_FRAME_EVENT, 0, NULL);

        ck_assert_msg(strstr(text, what) != NULL, "%s is not in:\n%s", what, text);
}

static void assert_error(const char *what)
{
        ck_assert_msg(strstr(kt_error_text(&f.err), what) != NULL, "%s is not in: %s", what,
                      kt_error_text(&f.err));
}

/* --- what a body does --- */

static void say(int fd, const char *text)
{
        kt_write_all(fd, text, strlen(text));
}

static const char *hear(int fd)
{
        static char line[1024];
        size_t len = 0;

        while (len < sizeof(line) - 1 && read(fd, line + len, 1) == 1 && line[len] != '\n')
                len++;
        line[len] = '\0';
        return line;
}

static int normal(int fd)
{
        if (!strstr(hear(fd), "\"format\":1"))
                return 9;
        say(fd, "{\"event\":\"workload_started\"}\n{\"event\":\"step\",\"state\":\"begin\",\"step\":\"a "
                "\\\"b\\\"\"}\n");
        say(fd, "{\"event\":\"note\",\"text\":\"he");
        say(fd, "re\"}\n{\"event\":\"step\",\"state\":\"end\",\"step\":\"a\"}\n{\"event\":\"workload_"
                "stopped\"}\n");
        say(fd, "{\"result\":{\"outcome\":\"pass\",\"metrics\":[{\"value\":0.1}]}}\n");
        return 0;
}

START_TEST(a_test_that_goes_well)
{
        ck_assert_int_eq(run_func(normal), TALK_DONE);
        ck_assert_str_eq(json_object_to_json_string_ext(f.talk.result, JSON_C_TO_STRING_PLAIN),
                         "{\"outcome\":\"pass\",\"metrics\":[{\"value\":0.1}]}");
        assert_sent("\"kind\":\"workload_started\"");
        assert_sent("\"kind\":\"step\",\"state\":\"begin\",\"step\":\"a \\\"b\\\"\"");
        assert_sent("\"kind\":\"step\",\"state\":\"end\",\"step\":\"a\"");
        assert_sent("\"kind\":\"note\",\"text\":\"here\"");
        assert_sent("\"kind\":\"workload_stopped\"");
        clean();
}
END_TEST

static int crash(int fd)
{
        hear(fd);
        say(fd, "{\"event\":\"note\",\"text\":\"still here\"}\n");
        kill(getpid(), SIGSEGV);
        return 0;
}

static int crash_late(int fd)
{
        normal(fd);
        kill(getpid(), SIGABRT);
        return 0;
}

static int leave(int fd)
{
        return 3;
}

START_TEST(a_crash_and_an_exit_are_told_apart)
{
        ck_assert_int_eq(run_func(crash), TALK_FAILED);
        assert_error("killed by signal 11 (Segmentation fault) in test mine, without a result");
        assert_sent("still here");
        clean();
        ck_assert_int_eq(run_func(leave), TALK_FAILED);
        assert_error("exited with status 3 in test mine, without a result");
        clean();
        ck_assert_int_eq(run_func(crash_late), TALK_FAILED);
        assert_error("killed by signal 6 (Aborted) in test mine, behind its result");
        ck_assert_ptr_nonnull(f.talk.result);
        clean();
}
END_TEST

START_TEST(a_program_that_cannot_be_run_says_so_in_its_output)
{
        _cleanup_free_ char *output = NULL;

        f.well = true;
        ck_assert_int_eq(run(NULL, "/no/such/program", 60000), TALK_FAILED);
        assert_error("the test program exited with status 127 in test mine");
        output = sent(KT_FRAME_OUTPUT, 1, NULL);
        ck_assert_str_eq(output, "ktstr-guest: cannot run /no/such/program: No such file or directory\n");
        clean();
}
END_TEST

static const char *garbage;

static int say_garbage(int fd)
{
        hear(fd);
        say(fd, garbage);
        pause();
        return 0;
}

START_TEST(what_is_no_line_of_a_body_is_refused_at_once)
{
        static const struct {
                const char *said, *error;
        } cases[] = {
                {"Hello\x1b world\n", "\"Hello? world\""},
                {"[1]\n", "a line is no JSON object"},
                {"{\"event\":\"party\"}\n", "an event that is not known"},
                {"{\"event\":\"step\",\"state\":\"middle\",\"step\":\"a\"}\n", "an event that is not known"},
                {"{\"ask\":\"money\"}\n", "it asks for what is not known"},
                {"{\"ask\":\"sched_replace\",\"name\":\"a\",\"argv\":[]}\n", "without name or program"},
                {"{\"result\":7}\n", "a result that is none"},
                {"{}\n", "a line that is not known"},
                {"{\"result\":{}}\n{\"event\":\"note\"}\n", "more behind its result"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                garbage = cases[i].said;
                ck_assert_int_eq(run_func(say_garbage), TALK_FAILED);
                assert_error("broke its conversation with the agent");
                assert_error(cases[i].error);
                clean();
        }
}
END_TEST

static int say_without_end(int fd)
{
        char text[4096];

        memset(text, 'x', sizeof(text));
        while (kt_write_all(fd, text, sizeof(text)) == 0)
                ;
        return 0;
}

START_TEST(a_line_has_an_end)
{
        ck_assert_int_eq(run_func(say_without_end), TALK_FAILED);
        assert_error("a line is too long");
        assert_error("xxxxxxxx");
        clean();
}
END_TEST

static int long_result(int fd)
{
        hear(fd);
        say(fd, "{\"result\":{\"text\":\"");
        for (int i = 0; i < 1024; i++)
                say(fd, "0123456789012345678901234567890123456789012345678901234567890123");
        say(fd, "\"}}\n");
        return 0;
}

START_TEST(a_long_line_comes_whole)
{
        ck_assert_int_eq(run_func(long_result), TALK_DONE);
        ck_assert_uint_eq(strlen(kt_json_str(f.talk.result, "text")), 65536);
        clean();
}
END_TEST

static int note_without_end(int fd)
{
        hear(fd);
        for (int i = 0; i < 20000; i++)
                say(fd, "{\"event\":\"note\",\"text\":\"again\"}\n");
        say(fd, "{\"event\":\"workload_stopped\"}\n{\"result\":{}}\n");
        return 0;
}

START_TEST(notes_have_an_end_and_the_test_goes_on)
{
        _cleanup_free_ char *text = NULL;
        unsigned n = 0;

        ck_assert_int_eq(run_func(note_without_end), TALK_DONE);
        text = sent(KT_FRAME_EVENT, 0, NULL);
        for (const char *p = text; (p = strstr(p, "again")); p++)
                n++;
        ck_assert_uint_eq(n, 2000);
        assert_sent("further steps and notes are not shown");
        assert_sent("workload_stopped");
        clean();
}
END_TEST

static int silence(int fd)
{
        hear(fd);
        for (;;)
                pause();
        return 0;
}

static int spin(int fd)
{
        for (volatile unsigned n = 0;; n++)
                ;
        return 0;
}

static int stop_when_told(int fd)
{
        hear(fd);
        if (strstr(hear(fd), "\"stop\":\"time\""))
                say(fd, "{\"result\":{\"outcome\":\"skip\"}}\n");
        return 0;
}

static bool has_run_wild(void *userdata, struct kt_error *reterr)
{
        kt_error_set(reterr, -EAGAIN, NULL, "it has");
        return true;
}

START_TEST(one_that_runs_wild_is_not_waited_for)
{
        static const struct talk_ops wild = {
                .is_well = is_well, .was_ejected = was_ejected, .has_run_wild = has_run_wild};

        f.well = true;
        ck_assert_int_eq(run_with(&wild, silence, NULL, 600000), TALK_FAILED);
        ck_assert_str_eq(kt_error_text(&f.err), "it has");
        clean();
}
END_TEST

START_TEST(a_test_has_its_time)
{
        f.well = f.impatient = true;
        ck_assert_int_eq(run(silence, NULL, 100), TALK_FAILED);
        assert_error("test mine did not end within 100 ms, nor when it was told to stop, and was killed");
        clean();
        f.well = f.impatient = true;
        ck_assert_int_eq(run(spin, NULL, 100), TALK_FAILED);
        assert_error("did not end within 100 ms, nor when");
        clean();
        f.well = true;
        ck_assert_int_eq(run(stop_when_told, NULL, 100), TALK_FAILED);
        assert_error("did not end within 100 ms and was stopped");
        ck_assert_str_eq(kt_json_str(f.talk.result, "outcome"), "skip");
        clean();
}
END_TEST

static int stay(int fd)
{
        normal(fd);
        for (;;)
                pause();
        return 0;
}

START_TEST(a_test_that_does_not_exit_is_not_waited_for)
{
        f.impatient = true;
        ck_assert_int_eq(run_func(stay), TALK_FAILED);
        assert_error("did not exit within 5000 ms of its result");
        clean();
}
END_TEST

static int gone_scheduler(int fd)
{
        hear(fd);
        say(fd, strstr(hear(fd), "{\"sched_gone\":\"ejected\"}") ? "{\"result\":{\"outcome\":\"fail\"}}\n"
                                                                 : "?\n");
        return 0;
}

START_TEST(a_scheduler_that_is_gone_ends_the_test)
{
        f.well_looks = 3;
        f.ejected = true;
        ck_assert_int_eq(run(gone_scheduler, NULL, 60000), TALK_SCHED_GONE);
        ck_assert_str_eq(kt_json_str(f.talk.result, "outcome"), "fail");
        clean();
        /* And what the test makes of it does not count. */
        f.well_looks = 3;
        ck_assert_int_eq(run(gone_scheduler, NULL, 60000), TALK_SCHED_GONE);
        ck_assert_ptr_null(f.talk.result);
        clean();
}
END_TEST

static const char *failed_answer = "";

static int asks(int fd)
{
        static const char *const questions[] = {
                "{\"ask\":\"sched_stop\"}\n", "{\"ask\":\"sched_start\"}\n", "{\"ask\":\"sched_restart\"}\n",
                "{\"ask\":\"sched_replace\",\"name\":\"other\",\"argv\":[\"/bin/x\",\"-y\"]}\n"};

        hear(fd);
        for (size_t i = 0; i < KT_ARRAY_SIZE(questions); i++) {
                say(fd, questions[i]);
                const char *answer = hear(fd);
                if (strcmp(answer, "{\"answer\":\"ok\",\"pid\":77}") != 0 &&
                    strcmp(answer, failed_answer) != 0)
                        return 1;
        }
        say(fd, "{\"result\":{}}\n");
        return 0;
}

/* A scheduler that takes its time, while the body has used more than is good. */
static int on_slow_request(void *userdata, enum talk_request what, const char *name,
                           struct json_object *argv, pid_t *ret_pid, struct kt_error *reterr)
{
        struct rt_budget *l = &f.body.rt_budget;

        /* Where this machine lets nobody be real-time it is on none. */
        rt_budget_init(l, f.body.pid);
        l->used_ns -= 3600 * RT_BUDGET_NS; /* too much however long ago that was */
        agent_poll(&f.agent, 0);
        snprintf(f.requests, sizeof(f.requests), "%s", l->held ? "held" : "free");
        *ret_pid = 77;
        return 0;
}

static int asks_once(int fd)
{
        hear(fd);
        say(fd, "{\"ask\":\"sched_restart\"}\n");
        hear(fd);
        say(fd, "{\"result\":{}}\n");
        return 0;
}

START_TEST(the_leash_holds_while_the_scheduler_is_waited_for)
{
        static const struct talk_ops slow = {
                .is_well = is_well, .was_ejected = was_ejected, .request = on_slow_request};

        f.well = true;
        ck_assert_int_eq(run_with(&slow, asks_once, NULL, 60000), TALK_DONE);
        ck_assert_str_eq(f.requests, "held");
        /* Of one that is gone nobody looks any more. */
        ck_assert_ptr_null(f.agent.rt_budget);
        ck_assert_int_eq(f.body.rt_budget.pid, 0);
        clean();
}
END_TEST

START_TEST(what_it_asks_is_done_and_answered)
{
        ck_assert_int_eq(run_func(asks), TALK_DONE);
        ck_assert_str_eq(f.requests, "0 - -;1 - -;2 - -;3 other [\"/bin/x\",\"-y\"];");
        clean();
        f.request_result = -EIO;
        failed_answer = "{\"answer\":\"failed\",\"error\":\"it does not want to\",\"blame\":\"agent\"}";
        ck_assert_int_eq(run_func(asks), TALK_DONE);
        clean();
        f.request_result = -ECHILD;
        failed_answer = "{\"answer\":\"failed\",\"error\":\"it does not want to\",\"blame\":\"scheduler\"}";
        ck_assert_int_eq(run_func(asks), TALK_DONE);
        clean();
}
END_TEST

static int ask_and_go_on(int fd)
{
        hear(fd);
        say(fd, "{\"ask\":\"sched_stop\"}\n{\"event\":\"note\",\"text\":\"a\"}\n{\"result\":{}}\n");
        return 0;
}

static int asleep_to_the_body(void *userdata, enum talk_request what, const char *name,
                              struct json_object *argv, pid_t *ret_pid, struct kt_error *reterr)
{
        for (int i = 0; i < AGENT_WAKES_MAX; i++)
                ck_assert_int_eq(f.agent.wake_fds[i], -1);
        return 0;
}

/* Nobody takes then what it says, nor its end: agent_poll() would not sleep any more. */
START_TEST(while_the_scheduler_is_waited_for_the_body_wakes_nobody)
{
        static const struct talk_ops waits = {
                .is_well = is_well, .was_ejected = was_ejected, .request = asleep_to_the_body};

        f.well = true;
        ck_assert_int_eq(run_with(&waits, ask_and_go_on, NULL, 60000), TALK_DONE);
        for (int i = 0; i < AGENT_WAKES_MAX; i++)
                ck_assert_int_eq(f.agent.wake_fds[i], -1);
        clean();
}
END_TEST

static int ask_and_not_hear(int fd)
{
        for (int i = 0; i < 100000; i++)
                say(fd, "{\"ask\":\"sched_stop\"}\n");
        say(fd, "{\"result\":{}}\n");
        return 0;
}

START_TEST(one_that_does_not_read_its_answers_does_not_stop_the_agent)
{
        ck_assert_int_eq(run_func(ask_and_not_hear), TALK_DONE);
        clean();
}
END_TEST

static int print_without_end(int fd)
{
        char text[4096];

        hear(fd);
        memset(text, 'a', sizeof(text));
        for (unsigned i = 0; i < 8 * BODY_OUTPUT_MAX / sizeof(text); i++)
                kt_write_all(STDOUT_FILENO, text, sizeof(text));
        say(STDOUT_FILENO, "the last words\n");
        say(fd, "{\"result\":{}}\n");
        return 0;
}

START_TEST(what_is_printed_without_end_is_kept_to_a_bound_and_its_end_is)
{
        _cleanup_free_ char *text = NULL;
        uint64_t size;

        ck_assert_int_eq(run_func(print_without_end), TALK_DONE);
        text = sent(KT_FRAME_OUTPUT, 1, &size);
        ck_assert_uint_ge(size, BODY_OUTPUT_MAX);
        ck_assert_uint_le(size, BODY_OUTPUT_MAX + 10000);
        ck_assert_str_eq(text + size - 15, "the last words\n");
        ck_assert_ptr_nonnull(strstr(text + BODY_OUTPUT_MAX, "[ktstr: "));
        ck_assert_ptr_nonnull(strstr(text + BODY_OUTPUT_MAX, " bytes printed are not kept]"));
        clean();
}
END_TEST

static int print_little_by_little(int fd)
{
        hear(fd);
        for (unsigned i = 0; i < 100000; i++)
                say(STDOUT_FILENO, "a\n");
        say(fd, "{\"result\":{}}\n");
        return 0;
}

START_TEST(what_is_printed_in_small_pieces_goes_in_larger_ones)
{
        uint64_t size;

        ck_assert_int_eq(run_func(print_little_by_little), TALK_DONE);
        free(sent(KT_FRAME_OUTPUT, 1, &size));
        ck_assert_uint_eq(size, 200000);
        ck_assert_uint_lt(n_frames, 5000);
        clean();
}
END_TEST

/* As where the agent has no CPU until the time is over. */
START_TEST(last_words_are_heard_however_late)
{
        _cleanup_free_ char *text = NULL;
        int fds[2];

        agent_init(&f.agent);
        f.agent.port.fd = memfd_create("port", 0);
        ck_assert_int_ge(f.agent.port.fd, 0);
        ck_assert_int_eq(pipe(fds), 0);
        agent_add_stream(&f.agent, fds[0], KT_OUTPUT_STDOUT, BODY_OUTPUT_MAX, NULL);
        say(fds[1], "last words\n");
        agent_drain(&f.agent, AGENT_TESTS, 0);
        text = sent(KT_FRAME_OUTPUT, 1, NULL);
        ck_assert_str_eq(text, "last words\n");
        agent_close_streams(&f.agent, AGENT_TESTS);
        close(fds[1]);
        clean();
}
END_TEST

/* A child that holds the body's end of the conversation open, and a grandchild of no parent. */
static int leave_children(int fd)
{
        hear(fd);
        if (fork() == 0) {
                if (fork() == 0)
                        silence(fd);
                silence(fd);
        }
        say(fd, "{\"result\":{}}\n");
        return 0;
}

static int leave_children_and_crash(int fd)
{
        leave_children(fd);
        kill(getpid(), SIGKILL);
        return 0;
}

START_TEST(what_it_leaves_behind_neither_hides_its_end_nor_stays)
{
        ck_assert_int_eq(run_func(leave_children), TALK_DONE);
        ck_assert_int_eq(kill(-f.body.pid, 0), -1);
        clean();
        ck_assert_int_eq(run_func(leave_children_and_crash), TALK_FAILED);
        assert_error("killed by signal 9 (Killed)");
        ck_assert_int_eq(kill(-f.body.pid, 0), -1);
        clean();
}
END_TEST

static int cancelled(int fd)
{
        say(fd,
            strstr(hear(fd), "{\"stop\":\"cancelled\"}") ? "{\"result\":{\"outcome\":\"skip\"}}\n" : "?\n");
        return 0;
}

static int cancel_request(int fd)
{
        hear(fd);
        say(fd, "{\"ask\":\"sched_stop\"}\n");
        hear(fd);
        return cancelled(fd);
}

/* The host says so while the scheduler is stopped. */
static int cancel(void *userdata, enum talk_request what, const char *name, struct json_object *argv,
                  pid_t *ret_pid, struct kt_error *reterr)
{
        f.agent.cancelled = true;
        return 0;
}

START_TEST(a_job_that_is_cancelled_ends_at_once)
{
        static const struct talk_ops cancelling = {
                .is_well = is_well, .was_ejected = was_ejected, .request = cancel};
        static struct body_spec spec = {.test = "mine", .func = cancel_request};

        f.well = true;
        agent_init(&f.agent);
        f.agent.port.fd = memfd_create("port", 0);
        ck_assert_int_eq(body_start(&f.body, &f.agent, &spec, &f.err), 0);
        f.talk = (struct talk){.body = &f.body, .ops = &cancelling, .timeout_ms = 60000, .grace = &patience};
        ck_assert_int_eq(talk_run(&f.talk, json_object_new_object(), &f.err), TALK_CANCELLED);
        ck_assert_ptr_nonnull(f.talk.result);
        body_done(&f.body);
        clean();
}
END_TEST

UNIT_MAIN("talk", a_test_that_goes_well, a_crash_and_an_exit_are_told_apart,
          a_program_that_cannot_be_run_says_so_in_its_output, what_is_no_line_of_a_body_is_refused_at_once,
          a_line_has_an_end, a_long_line_comes_whole, notes_have_an_end_and_the_test_goes_on,
          one_that_runs_wild_is_not_waited_for, a_test_has_its_time,
          a_test_that_does_not_exit_is_not_waited_for, a_scheduler_that_is_gone_ends_the_test,
          the_leash_holds_while_the_scheduler_is_waited_for, what_it_asks_is_done_and_answered,
          while_the_scheduler_is_waited_for_the_body_wakes_nobody,
          one_that_does_not_read_its_answers_does_not_stop_the_agent,
          what_is_printed_without_end_is_kept_to_a_bound_and_its_end_is,
          what_is_printed_in_small_pieces_goes_in_larger_ones, last_words_are_heard_however_late,
          what_it_leaves_behind_neither_hides_its_end_nor_stays, a_job_that_is_cancelled_ends_at_once)
