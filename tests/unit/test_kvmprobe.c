/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../daemon/kvmprobe.h"

/* Which outcome is right depends on the host; what is certain is tested here, the rest inside the guest of
 * tests/kvm. */

static unsigned count_fds(void)
{
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

/* Of this thread, however long it waits for a CPU. */
static uint64_t cpu_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

START_TEST(ends_in_time_and_says_something)
{
        struct kvmprobe_result result;
        const uint64_t started = cpu_ms();

        memset(&result, 0xff, sizeof(result));
        kvmprobe_run("/dev/kvm", &result);
        ck_assert_uint_lt(cpu_ms() - started, 1000);
        ck_assert_uint_gt(strnlen(result.reason, sizeof(result.reason)), 0);
        ck_assert_uint_lt(strnlen(result.reason, sizeof(result.reason)), sizeof(result.reason));
        ck_assert_ptr_null(strchr(result.reason, '\n'));
        ck_assert_int_le(result.outcome, KVMPROBE_SLOW);
}
END_TEST

START_TEST(outcome_agrees_with_the_device_node)
{
        struct kvmprobe_result result;

        kvmprobe_run("/dev/kvm", &result);
        if (access("/dev/kvm", F_OK) < 0)
                ck_assert_int_eq(result.outcome, KVMPROBE_ABSENT);
        else if (access("/dev/kvm", R_OK | W_OK) < 0)
                ck_assert_int_eq(result.outcome, KVMPROBE_DENIED);
        else
                ck_assert_int_ne(result.outcome, KVMPROBE_DENIED);
        ck_assert(result.outcome == KVMPROBE_ABSENT || result.outcome == KVMPROBE_DENIED ||
                  result.probe_us > 0);
}
END_TEST

START_TEST(missing_device_is_absent_and_names_the_modules)
{
        struct kvmprobe_result result;

        kvmprobe_run("/nonexistent/kvm", &result);
        ck_assert_int_eq(result.outcome, KVMPROBE_ABSENT);
        ck_assert_ptr_nonnull(strstr(result.reason, "/nonexistent/kvm"));
        ck_assert_ptr_nonnull(strstr(result.reason, "kvm-amd"));
        ck_assert_uint_eq(result.probe_us, 0);
}
END_TEST

START_TEST(forbidden_device_is_denied_and_names_the_group)
{
        char path[] = "/tmp/ktstr-kvmprobe-XXXXXX";
        const int fd = mkstemp(path);
        struct kvmprobe_result result;

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fchmod(fd, 0), 0);
        close(fd);
        /* Each test is a process of its own, so it may become nobody. */
        if (geteuid() == 0) {
                ck_assert_int_eq(chown(path, 0, 0), 0);
                ck_assert_int_eq(seteuid(65534), 0);
        }
        kvmprobe_run(path, &result);
        if (getuid() == 0)
                ck_assert_int_eq(seteuid(0), 0);
        unlink(path);
        ck_assert_int_eq(result.outcome, KVMPROBE_DENIED);
        ck_assert_ptr_nonnull(strstr(result.reason, "group kvm"));
}
END_TEST

START_TEST(device_that_is_no_kvm_is_refused)
{
        struct kvmprobe_result result;

        kvmprobe_run("/dev/null", &result);
        ck_assert_int_eq(result.outcome, KVMPROBE_REFUSED);
        ck_assert_uint_gt(strlen(result.reason), 0);
}
END_TEST

START_TEST(no_descriptor_and_no_signal_state_stays_behind)
{
        struct sigaction before[NSIG], after;
        struct kvmprobe_result result;
        sigset_t mask_before, mask_after, pending;
        unsigned fds;

        sigemptyset(&mask_before);
        sigaddset(&mask_before, SIGUSR2);
        pthread_sigmask(SIG_SETMASK, &mask_before, NULL);
        for (int s = 1; s < NSIG; s++)
                if (sigaction(s, NULL, &before[s]) < 0)
                        before[s].sa_handler = SIG_ERR;
        fds = count_fds();

        kvmprobe_run("/dev/kvm", &result);
        kvmprobe_run("/nonexistent/kvm", &result);
        kvmprobe_run("/dev/null", &result);

        ck_assert_uint_eq(count_fds(), fds);
        pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
        for (int s = 1; s < NSIG; s++) {
                ck_assert_int_eq(sigismember(&mask_after, s), sigismember(&mask_before, s));
                if (sigaction(s, NULL, &after) == 0)
                        ck_assert_ptr_eq((void *)after.sa_handler, (void *)before[s].sa_handler);
        }
        sigpending(&pending);
        for (int s = 1; s < NSIG; s++)
                ck_assert_int_eq(sigismember(&pending, s) == 1, false);
}
END_TEST

static void *probe_in_thread(void *data)
{
        kvmprobe_run("/dev/kvm", data);
        return NULL;
}

START_TEST(several_threads_agree)
{
        struct kvmprobe_result results[4];
        pthread_t threads[4];

        for (int i = 0; i < 4; i++)
                ck_assert_int_eq(pthread_create(&threads[i], NULL, probe_in_thread, &results[i]), 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        for (int i = 1; i < 4; i++)
                ck_assert_int_eq(results[i].outcome, results[0].outcome);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("kvmprobe");
        TCase *tc = tcase_create("probe");
        SRunner *runner;
        int failed;

        tcase_add_test(tc, ends_in_time_and_says_something);
        tcase_add_test(tc, outcome_agrees_with_the_device_node);
        tcase_add_test(tc, missing_device_is_absent_and_names_the_modules);
        tcase_add_test(tc, forbidden_device_is_denied_and_names_the_group);
        tcase_add_test(tc, device_that_is_no_kvm_is_refused);
        tcase_add_test(tc, no_descriptor_and_no_signal_state_stays_behind);
        tcase_add_test(tc, several_threads_agree);
        suite_add_tcase(suite, tc);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
