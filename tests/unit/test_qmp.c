/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/socket.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../daemon/qmp.h"
#include "../../proto/codec.h"
#include "../lib/loop_test.h"
#include "../lib/suite.h"

#define GREETING                                                                                            \
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}, "                 \
        "\"capabilities\": [\"oob\"]}}\r\n"
#define READY GREETING "{\"return\": {}, \"id\": 1}\r\n"

/* Longer than a busy host keeps this process from its CPU: the loop looks at the time before it reads what
 * has come meanwhile. */
#define PATIENT_MS 60000

/* The other end is a socket that the test writes to and reads from; everything fits into its buffer. */
struct fixture {
        struct loop_test t;
        int peer;
        struct qmp *qmp;
        bool stop_when_ready, stop_on_event, stop_on_failed, stop_on_reply;

        unsigned ready, closed, failed, events, replies;
        char version[32], event[64], event_reason[64], message[256], reply_message[256], reply_status[32];
        int error, reply_error;
};

static struct fixture f;

static void on_ready(void *userdata, const char *version)
{
        f.ready++;
        snprintf(f.version, sizeof(f.version), "%s", version);
        if (f.stop_when_ready)
                qmp_stop(f.qmp);
}

static void on_event(void *userdata, const char *name, struct json_object *data)
{
        f.events++;
        snprintf(f.event, sizeof(f.event), "%s", name);
        snprintf(f.event_reason, sizeof(f.event_reason), "%s",
                 data ? kt_json_str(data, "reason") ?: "" : "none");
        if (f.stop_on_event)
                qmp_stop(f.qmp);
}

static void on_failed(void *userdata, const struct kt_error *err)
{
        f.failed++;
        f.error = err->num;
        snprintf(f.message, sizeof(f.message), "%s", kt_error_text(err));
        if (f.stop_on_failed)
                qmp_stop(f.qmp);
}

static void on_closed(void *userdata)
{
        ck_assert_ptr_eq(userdata, &f);
        f.closed++;
        f.qmp = NULL;
}

static const struct qmp_ops ops = {on_ready, on_event, on_failed, on_closed};

static void on_reply(void *data, struct json_object *answer, const struct kt_error *err)
{
        f.replies++;
        f.reply_error = err ? err->num : 0;
        snprintf(f.reply_message, sizeof(f.reply_message), "%s", err ? kt_error_text(err) : "");
        snprintf(f.reply_status, sizeof(f.reply_status), "%s",
                 answer ? kt_json_str(answer, "status") ?: "" : "");
        if (f.stop_on_reply)
                qmp_stop(f.qmp);
}

static void connect_for(unsigned timeout_ms)
{
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        f.peer = pair[1];
        ck_assert_int_eq(qmp_start(&f.t.loop, pair[0], timeout_ms, &ops, &f, &f.qmp, NULL), 0);
}

static void setup(void)
{
        memset(&f, 0, sizeof(f));
        loop_test_begin(&f.t, 50000);
        f.stop_on_failed = true;
        connect_for(PATIENT_MS);
}

/* One that is told soon that nobody answers. */
static void connect_impatiently(void)
{
        qmp_stop(f.qmp);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.closed, 1);
        close(f.peer);
        f.closed = 0;
        connect_for(100);
}

static void teardown(void)
{
        if (f.qmp)
                qmp_stop(f.qmp);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.closed, 1);
        if (f.peer >= 0)
                close(f.peer);
        loop_test_end(&f.t);
}

static void say(const char *text)
{
        ck_assert_int_eq(kt_write_all(f.peer, text, strlen(text)), 0);
}

static void hang_up(void)
{
        close(f.peer);
        f.peer = -1;
}

static void run_until(const unsigned *counter)
{
        while (*counter == 0)
                ck_assert(uv_run(&f.t.loop, UV_RUN_ONCE) != 0 || *counter > 0);
}

static void make_ready(void)
{
        say(READY);
        run_until(&f.ready);
}

/* What the client has sent. */
static void expect_sent(const char *text)
{
        char buf[4096] = "";
        ssize_t n = 0, r;

        /* uv writes what it can at once, so that it is there by now. */
        while (n < (ssize_t)sizeof(buf) - 1 &&
               (r = recv(f.peer, buf + n, sizeof(buf) - 1 - (size_t)n, MSG_DONTWAIT)) > 0)
                n += r;
        ck_assert_msg(strstr(buf, text) != NULL, "'%s' is not in: %s", text, buf);
}

static void ask(const char *command, unsigned timeout_ms)
{
        ck_assert_int_eq(qmp_execute(f.qmp, command, NULL, timeout_ms, on_reply, NULL), 0);
}

START_TEST(greeting_and_capabilities_make_it_ready)
{
        make_ready();
        ck_assert_str_eq(f.version, "7.2.22");
        expect_sent("{\"execute\":\"qmp_capabilities\",\"id\":1}");
}
END_TEST

START_TEST(a_command_gets_its_answer)
{
        make_ready();
        ask("query-status", PATIENT_MS);
        expect_sent("\"execute\":\"query-status\",\"id\":2");
        say("{\"return\": {\"status\": \"running\"}, \"id\": 2}\r\n");
        run_until(&f.replies);
        ck_assert_int_eq(f.reply_error, 0);
        ck_assert_str_eq(f.reply_status, "running");
}
END_TEST

START_TEST(arguments_are_sent)
{
        struct json_object *arguments = json_object_new_object();

        make_ready();
        kt_json_add_str(arguments, "value", "x");
        ck_assert_int_eq(qmp_execute(f.qmp, "qom-set", arguments, PATIENT_MS, NULL, NULL), 0);
        expect_sent("{\"arguments\":{\"value\":\"x\"},\"execute\":\"qom-set\",\"id\":2}");
}
END_TEST

START_TEST(answers_may_come_in_pieces_and_in_any_order)
{
        make_ready();
        ask("query-status", PATIENT_MS);
        ask("query-name", PATIENT_MS);
        say("{\"return\": {\"status\": \"b\"}, \"id\": 3}\r\n{\"retu");
        run_until(&f.replies);
        ck_assert_str_eq(f.reply_status, "b");
        f.replies = 0;
        say("rn\": {\"status\": \"a\"}, \"id\": 2}\r\n");
        run_until(&f.replies);
        ck_assert_str_eq(f.reply_status, "a");
}
END_TEST

START_TEST(a_refusal_is_told_with_its_words)
{
        make_ready();
        ask("cont", PATIENT_MS);
        say("{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"not in this state\"}}\r\n");
        run_until(&f.replies);
        ck_assert_int_eq(f.reply_error, -EREMOTEIO);
        ck_assert_str_eq(f.reply_message, "QEMU refused cont: not in this state");
        ck_assert_uint_eq(f.failed, 0);
}
END_TEST

START_TEST(events_are_told)
{
        make_ready();
        say("{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}\r\n");
        run_until(&f.events);
        ck_assert_str_eq(f.event, "STOP");
        ck_assert_str_eq(f.event_reason, "none");
        f.events = 0;
        say("{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\r\n");
        run_until(&f.events);
        ck_assert_str_eq(f.event_reason, "guest-reset");
}
END_TEST

static const char *const broken[] = {
        "this is no JSON\r\n",
        "[]\r\n",
        "{\"hello\": 1}\r\n",
        GREETING GREETING,
        GREETING "{\"return\": {}, \"id\": 7}\r\n",
        GREETING "{\"return\": {}}\r\n",
        GREETING "{\"id\": 1}\r\n",
        "{\"QMP\": {\"version\": {\"qemu\": {}}, \"QMP\": 1, \"QMP\": 2}}\r\n",
};

START_TEST(what_is_not_qmp_fails_it)
{
        say(broken[_i]);
        run_until(&f.failed);
        ck_assert_int_eq(f.error, -EBADMSG);
        ck_assert_ptr_nonnull(strstr(f.message, "does not speak QMP"));
        ck_assert_uint_eq(f.ready, 0);
}
END_TEST

START_TEST(a_message_without_end_fails_it)
{
        static char blank[64 * 1024];

        memset(blank, '1', sizeof(blank));
        say("{\"QMP\": \"");
        while (f.failed == 0) {
                (void)!send(f.peer, blank, sizeof(blank), MSG_DONTWAIT | MSG_NOSIGNAL);
                uv_run(&f.t.loop, UV_RUN_NOWAIT);
        }
        ck_assert_int_eq(f.error, -EBADMSG);
}
END_TEST

START_TEST(a_hang_up_fails_it_and_what_is_pending)
{
        make_ready();
        ask("query-status", PATIENT_MS);
        hang_up();
        run_until(&f.failed);
        ck_assert_int_eq(f.error, -EPIPE);
        ck_assert_uint_eq(f.replies, 1);
        ck_assert_int_eq(f.reply_error, -EPIPE);
}
END_TEST

START_TEST(no_greeting_in_time_fails_it)
{
        connect_impatiently();
        run_until(&f.failed);
        ck_assert_int_eq(f.error, -ETIMEDOUT);
        ck_assert_str_eq(f.message, "QEMU does not answer on its control socket");
}
END_TEST

START_TEST(no_answer_in_time_fails_it)
{
        make_ready();
        ask("query-name", PATIENT_MS);
        ask("query-status", 100);
        run_until(&f.failed);
        ck_assert_int_eq(f.error, -ETIMEDOUT);
        ck_assert_str_eq(f.message, "QEMU does not answer query-status");
        ck_assert_uint_eq(f.replies, 2);
}
END_TEST

START_TEST(a_failed_client_takes_no_commands)
{
        f.stop_on_failed = false;
        make_ready();
        hang_up();
        run_until(&f.failed);
        ck_assert_int_eq(qmp_execute(f.qmp, "cont", json_object_new_object(), 1000, on_reply, NULL), -EPIPE);
        ck_assert_uint_eq(f.replies, 0);
}
END_TEST

START_TEST(stop_settles_what_is_pending)
{
        make_ready();
        ask("query-status", PATIENT_MS);
        qmp_stop(f.qmp);
        ck_assert_uint_eq(f.replies, 1);
        ck_assert_int_eq(f.reply_error, -ECANCELED);
        qmp_stop(f.qmp);
}
END_TEST

START_TEST(stop_in_each_callback)
{
        f.stop_when_ready = _i == 0;
        f.stop_on_event = _i == 1;
        f.stop_on_reply = _i == 2;
        say(READY);
        run_until(&f.ready);
        if (_i > 0) {
                ask("query-status", PATIENT_MS);
                say("{\"event\": \"STOP\"}\r\n{\"return\": {}, \"id\": 2}\r\n{\"event\": \"RESUME\"}\r\n");
        }
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.closed, 1);
        ck_assert_uint_eq(f.failed, 0);
        ck_assert_uint_eq(f.events, _i > 0 ? 1 : 0);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("qmp");
        TCase *c = tcase_create("qmp");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_set_timeout(c, 60);
        tcase_add_test(c, greeting_and_capabilities_make_it_ready);
        tcase_add_test(c, a_command_gets_its_answer);
        tcase_add_test(c, arguments_are_sent);
        tcase_add_test(c, answers_may_come_in_pieces_and_in_any_order);
        tcase_add_test(c, a_refusal_is_told_with_its_words);
        tcase_add_test(c, events_are_told);
        tcase_add_loop_test(c, what_is_not_qmp_fails_it, 0, (int)KT_ARRAY_SIZE(broken));
        tcase_add_test(c, a_message_without_end_fails_it);
        tcase_add_test(c, a_hang_up_fails_it_and_what_is_pending);
        tcase_add_test(c, no_greeting_in_time_fails_it);
        tcase_add_test(c, no_answer_in_time_fails_it);
        tcase_add_test(c, a_failed_client_takes_no_commands);
        tcase_add_test(c, stop_settles_what_is_pending);
        tcase_add_loop_test(c, stop_in_each_callback, 0, 3);
        suite_add_tcase(s, c);
        return suite_run(s);
}
