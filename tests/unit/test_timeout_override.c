/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../guest/spawn.h"
#include "../../guest/timeout_override.h"
#include "../../proto/codec.h"
#include "unit.h"

static struct timeout_override wish(const char *text)
{
        _cleanup_json_ struct json_object *o = NULL;
        struct timeout_override ret;

        if (text)
                ck_assert_int_eq(kt_json_parse(text, strlen(text), &o, NULL), 0);
        timeout_override_init(&ret, o);
        return ret;
}

START_TEST(what_is_set_goes_both_ways)
{
        const struct timeout_override o = wish("{\"timeout_ms\":5000}");

        ck_assert_uint_eq(timeout_override_decide(&o, 30000), 5000);
        ck_assert_uint_eq(timeout_override_decide(&o, 4000), 5000);
        ck_assert_uint_eq(timeout_override_decide(&o, 5000), 5000);
        ck_assert_uint_eq(timeout_override_decide(&o, 0), 5000);
}
END_TEST

START_TEST(a_bound_leaves_what_is_shorter)
{
        const struct timeout_override o = wish("{\"timeout_ms\":5000,\"at_most\":true}");

        ck_assert_uint_eq(timeout_override_decide(&o, 30000), 5000);
        ck_assert_uint_eq(timeout_override_decide(&o, 5001), 5000);
        ck_assert_uint_eq(timeout_override_decide(&o, 4000), 4000);
        /* Not the shortest of all: the kernel takes it for 30 s. */
        ck_assert_uint_eq(timeout_override_decide(&o, 0), 5000);
}
END_TEST

START_TEST(what_the_kernel_refuses_is_left_for_it)
{
        const struct timeout_override exact = wish("{\"timeout_ms\":5000}"),
                                      bound = wish("{\"timeout_ms\":5000,\"at_most\":true}"),
                                      most = wish("{\"timeout_ms\":30000}");

        ck_assert_uint_eq(timeout_override_decide(&exact, 30001), 30001);
        ck_assert_uint_eq(timeout_override_decide(&bound, UINT32_MAX), UINT32_MAX);
        ck_assert_uint_eq(timeout_override_decide(&most, 0), 0);
}
END_TEST

START_TEST(without_a_wish_nothing_is_done)
{
        static const char *const wishes[] = {NULL, "{}", "{\"timeout_ms\":0}", "{\"timeout_ms\":30001}"};

        for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
                struct timeout_override o = wish(wishes[i]);
                uint32_t own_ms;

                ck_assert_int_eq(timeout_override_begin(&o, NULL), 0);
                ck_assert_int_eq(o.fd, 0);
                ck_assert_int_eq(timeout_override_result(&o, &own_ms, NULL), 0);
                timeout_override_done(&o);
        }
}
END_TEST

/* As spawn.h gives it to what is started. That descriptor may have been check's own: nothing is asserted
 * there any more. */
static void take_on(const struct timeout_override *o)
{
        /* Who is not root may take on a filter only so. */
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (dup2(o->fd, SPAWN_KEPT_FD) < 0)
                _exit(9);
        if (timeout_override_join(o) < 0)
                _exit(127);
}

static int update_no_map(void)
{
        union bpf_attr attr = {.map_fd = (uint32_t)-1};

        return syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) < 0 ? errno : 0;
}

/* All children, the supervisors too: they end by themselves. */
static void collect_all(pid_t started)
{
        int status;
        pid_t pid;

        while ((pid = wait(&status)) > 0)
                ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s ended with %d",
                              pid == started ? "what was started" : "a supervisor", status);
        ck_assert_int_eq(errno, ECHILD);
}

/* Whatever the kernel says to the call, it says the same with a supervisor that lets it pass. */
START_TEST(other_calls_go_on_and_it_ends_with_the_last_one)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct timeout_override o = wish("{\"timeout_ms\":5000}");
        const int refused = update_no_map();
        uint32_t own_ms;
        pid_t pid;

        ck_assert_int_eq(timeout_override_begin(&o, NULL), 0);
        pid = fork();
        if (pid == 0) {
                take_on(&o);
                for (int i = 0; i < 100; i++)
                        if (update_no_map() != refused)
                                _exit(1);
                _exit(fork() > 0 || update_no_map() == refused ? 0 : 2);
        }
        timeout_override_end(&o);
        collect_all(pid);
        ck_assert_int_eq(timeout_override_result(&o, &own_ms, &err), -ENOENT);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "were not seen on their way into the kernel"));
        timeout_override_done(&o);
}
END_TEST

/* There can be one such filter only. */
START_TEST(a_filter_that_is_refused_is_said)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct timeout_override first = wish("{\"timeout_ms\":5000}"), second = first;
        uint32_t own_ms;
        pid_t pid;

        ck_assert_int_eq(timeout_override_begin(&first, NULL), 0);
        ck_assert_int_eq(timeout_override_begin(&second, NULL), 0);
        pid = fork();
        if (pid == 0) {
                const int kept = dup(second.fd);

                take_on(&first);
                second.fd = kept;
                take_on(&second);
                _exit(0);
        }
        timeout_override_end(&first);
        timeout_override_end(&second);
        collect_all(pid);
        ck_assert_int_eq(timeout_override_result(&second, &own_ms, &err), -EBUSY);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "CONFIG_SECCOMP_FILTER"));
        /* Another start has nothing to do with it. */
        timeout_override_forget(&second);
        ck_assert_int_eq(timeout_override_result(&second, &own_ms, NULL), -ENOENT);
        timeout_override_done(&first);
        timeout_override_done(&second);
}
END_TEST

START_TEST(a_supervisor_of_nothing_ends)
{
        struct timeout_override o = wish("{\"timeout_ms\":5000}");
        uint32_t own_ms;

        ck_assert_int_eq(timeout_override_result(&o, &own_ms, NULL), -ENOENT);
        ck_assert_int_eq(timeout_override_begin(&o, NULL), 0);
        timeout_override_done(&o);
        collect_all(0);
}
END_TEST

static void kill_supervisor(const struct timeout_override *o)
{
        siginfo_t info;

        ck_assert_int_eq(kill(o->supervisor, SIGKILL), 0);
        ck_assert_int_eq(waitid(P_PID, (id_t)o->supervisor, &info, WEXITED | WNOWAIT), 0);
}

static void is_lost(struct timeout_override *o, bool expected)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(timeout_override_is_lost(o, &err), expected);
        if (expected)
                ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "ended before it did"));
}

/* Each update of a map would be refused, with an error that says nothing of us. */
START_TEST(without_its_supervisor_nothing_is_executed)
{
        struct timeout_override o = wish("{\"timeout_ms\":5000}");
        int status;
        pid_t pid;

        ck_assert_int_eq(timeout_override_begin(&o, NULL), 0);
        kill_supervisor(&o);
        pid = fork();
        if (pid == 0) {
                take_on(&o);
                _exit(0);
        }
        timeout_override_end(&o);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 127);
        is_lost(&o, true);
        ck_assert_int_eq(o.supervisor, 0);
        timeout_override_forget(&o);
        is_lost(&o, false);
        timeout_override_done(&o);
}
END_TEST

START_TEST(a_supervisor_that_is_killed_is_noted)
{
        struct timeout_override o = wish("{\"timeout_ms\":5000}");
        int ready[2], go[2], status;
        char byte = 0;
        pid_t pid;

        ck_assert_int_eq(pipe(ready), 0);
        ck_assert_int_eq(pipe(go), 0);
        ck_assert_int_eq(timeout_override_begin(&o, NULL), 0);
        pid = fork();
        if (pid == 0) {
                const int say = dup(ready[1]), hear = dup(go[0]);

                take_on(&o);
                /* Only its answer shows that it has the listener. */
                (void)update_no_map();
                if (write(say, &byte, 1) != 1 || read(hear, &byte, 1) != 1)
                        _exit(1);
                _exit(update_no_map() == ENOSYS ? 0 : 2);
        }
        timeout_override_end(&o);
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        ck_assert_int_eq(timeout_override_collect(&o), o.supervisor);
        is_lost(&o, false);
        kill_supervisor(&o);
        ck_assert_int_eq(write(go[1], &byte, 1), 1);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        is_lost(&o, true);
        timeout_override_done(&o);
}
END_TEST

START_TEST(one_that_ends_with_the_last_is_not_lost)
{
        struct timeout_override o = wish("{\"timeout_ms\":5000}");
        siginfo_t info;
        pid_t pid;

        ck_assert_int_eq(timeout_override_begin(&o, NULL), 0);
        pid = fork();
        if (pid == 0) {
                take_on(&o);
                _exit(0);
        }
        timeout_override_end(&o);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        ck_assert_int_eq(waitid(P_PID, (id_t)o.supervisor, &info, WEXITED | WNOWAIT), 0);
        is_lost(&o, false);
        ck_assert_int_eq(timeout_override_collect(&o), 0);
        timeout_override_done(&o);
}
END_TEST

UNIT_MAIN("timeout_override", what_is_set_goes_both_ways, a_bound_leaves_what_is_shorter,
          what_the_kernel_refuses_is_left_for_it, without_a_wish_nothing_is_done,
          other_calls_go_on_and_it_ends_with_the_last_one, a_filter_that_is_refused_is_said,
          a_supervisor_of_nothing_ends, without_its_supervisor_nothing_is_executed,
          a_supervisor_that_is_killed_is_noted, one_that_ends_with_the_last_is_not_lost)
