/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../daemon/accel.h"
#include "../../daemon/qemu_check.h"
#include "../../proto/errors.h"

static struct accel_report both_usable(void)
{
        return (struct accel_report){
                .of = {[ACCEL_KVM] = {.usable = true, .reason = "fast"},
                       [ACCEL_TCG] = {.usable = true, .reason = "slow"}},
                .chosen = ACCEL_KVM,
        };
}

/* A program that answers like a QEMU, from a shell text. */
static void write_program(char path[static 32], const char *text)
{
        int fd;

        strcpy(path, "/tmp/ktstr-accel-XXXXXX");
        fd = mkstemp(path);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        ck_assert_int_eq(fchmod(fd, 0700), 0);
        close(fd);
}

static void check_program(const char *text, struct qemu_check *ret)
{
        char path[32];

        write_program(path, text);
        qemu_check_run(path, ret);
        unlink(path);
}

static unsigned count_fds(void)
{
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

START_TEST(auto_takes_what_the_probe_chose)
{
        struct accel_report report = both_usable();
        enum accel a = _ACCEL_MAX;

        ck_assert_int_eq(accel_pick(&report, "auto", &a, NULL), 0);
        ck_assert_int_eq(a, ACCEL_KVM);
        report.chosen = ACCEL_TCG;
        ck_assert_int_eq(accel_pick(&report, NULL, &a, NULL), 0);
        ck_assert_int_eq(a, ACCEL_TCG);
}
END_TEST

START_TEST(asked_for_and_usable_is_taken)
{
        struct accel_report report = both_usable();
        enum accel a = _ACCEL_MAX;

        ck_assert_int_eq(accel_pick(&report, "tcg", &a, NULL), 0);
        ck_assert_int_eq(a, ACCEL_TCG);
        ck_assert_int_eq(accel_pick(&report, "kvm", &a, NULL), 0);
        ck_assert_int_eq(a, ACCEL_KVM);
}
END_TEST

START_TEST(asked_for_and_unusable_is_an_error_with_the_reason)
{
        struct accel_report report = both_usable();
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        enum accel a = _ACCEL_MAX;

        report.of[ACCEL_KVM].usable = false;
        strcpy(report.of[ACCEL_KVM].reason, "gave up at shlx");
        report.chosen = ACCEL_TCG;
        ck_assert_int_lt(accel_pick(&report, "kvm", &a, &err), 0);
        ck_assert_str_eq(err.name, KT_E_ACCEL_UNUSABLE);
        ck_assert_ptr_nonnull(strstr(err.message, "gave up at shlx"));
        ck_assert_int_eq(a, _ACCEL_MAX);
}
END_TEST

START_TEST(auto_with_nothing_usable_is_an_error)
{
        struct accel_report report = {.chosen = ACCEL_TCG};
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        enum accel a = _ACCEL_MAX;

        strcpy(report.of[ACCEL_TCG].reason, "no QEMU");
        ck_assert_int_lt(accel_pick(&report, "auto", &a, &err), 0);
        ck_assert_str_eq(err.name, KT_E_ACCEL_UNUSABLE);
        ck_assert_ptr_nonnull(strstr(err.message, "no QEMU"));
        ck_assert_int_eq(a, _ACCEL_MAX);
}
END_TEST

START_TEST(unknown_word_is_an_invalid_parameter)
{
        struct accel_report report = both_usable();
        const char *const words[] = {"", "KVM", "hvf", "tcg "};

        for (size_t i = 0; i < KT_ARRAY_SIZE(words); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                enum accel a = _ACCEL_MAX;

                ck_assert_int_eq(accel_pick(&report, words[i], &a, &err), -EINVAL);
                ck_assert_str_eq(err.name, KT_E_INVALID_PARAMETER);
                ck_assert_str_eq(err.field, "accel");
        }
}
END_TEST

START_TEST(probe_fills_every_line_and_chooses_what_is_usable)
{
        struct accel_report report;
        const unsigned fds = count_fds();

        accel_probe("/usr/bin/qemu-system-x86_64", &report);
        for (enum accel a = 0; a < _ACCEL_MAX; a++)
                ck_assert_uint_gt(strlen(report.of[a].reason), 0);
        ck_assert_int_eq(report.chosen, report.of[ACCEL_KVM].usable ? ACCEL_KVM : ACCEL_TCG);
        ck_assert_uint_eq(count_fds(), fds);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
}
END_TEST

START_TEST(without_qemu_nothing_is_usable)
{
        struct accel_report report;

        accel_probe("/nonexistent/qemu", &report);
        ck_assert(!report.of[ACCEL_KVM].usable);
        ck_assert(!report.of[ACCEL_TCG].usable);
        ck_assert_ptr_nonnull(strstr(report.of[ACCEL_TCG].reason, "/nonexistent/qemu"));
        ck_assert_ptr_nonnull(strstr(report.of[ACCEL_TCG].reason, "install"));
}
END_TEST

START_TEST(qemu_of_x86_64_runs)
{
        struct qemu_check check;

        check_program("#!/bin/sh\n"
                      "echo '{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 0, \"major\": "
                      "10}}}}'\n"
                      "echo '{\"return\": {}}'\n"
                      "echo 'a warning' >&2\n"
                      "echo '{\"return\": {\"arch\": \"x86_64\"}}'\n"
                      "echo '{\"return\": {\"enabled\": false, \"present\": true}}'\n",
                      &check);
        ck_assert_msg(check.runs, "%s", check.reason);
        ck_assert(check.has_kvm);
        ck_assert_str_eq(check.version, "10.0.2");
        ck_assert(check.parallel_tcg);
}
END_TEST

START_TEST(qemu_before_8_1_has_no_parallel_tcg)
{
        static const struct {
                int major, minor;
                bool parallel;
        } versions[] = {{7, 2, false}, {8, 0, false}, {8, 1, true}, {9, 0, true}};
        struct qemu_check check;
        char script[256];

        for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
                snprintf(script, sizeof(script),
                         "#!/bin/sh\n"
                         "echo '{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": %d, \"major\": "
                         "%d}}}}'\n"
                         "echo '{\"return\": {\"arch\": \"x86_64\"}}'\n",
                         versions[i].minor, versions[i].major);
                check_program(script, &check);
                ck_assert_msg(check.runs, "%s", check.reason);
                ck_assert_int_eq(check.parallel_tcg, versions[i].parallel);
        }
}
END_TEST

START_TEST(qemu_of_another_architecture_is_named)
{
        struct qemu_check check;

        check_program("#!/bin/sh\necho '{\"return\": {\"arch\": \"aarch64\"}}'\n", &check);
        ck_assert(!check.runs);
        ck_assert_ptr_nonnull(strstr(check.reason, "aarch64"));
}
END_TEST

START_TEST(what_qemu_complains_about_is_passed_on)
{
        struct qemu_check check;

        check_program("#!/bin/sh\necho 'qemu: -accel tcg: invalid accelerator tcg' >&2\nexit 1\n", &check);
        ck_assert(!check.runs);
        ck_assert_ptr_nonnull(strstr(check.reason, "invalid accelerator tcg"));
}
END_TEST

START_TEST(program_that_floods_or_says_nothing_is_no_qemu)
{
        struct qemu_check check;

        check_program("#!/bin/sh\nhead -c 1000000 /dev/zero\n", &check);
        ck_assert(!check.runs);
        check_program("#!/bin/sh\n", &check);
        ck_assert(!check.runs);
        ck_assert_uint_gt(strlen(check.reason), 0);
}
END_TEST

START_TEST(file_that_cannot_be_executed_is_no_qemu)
{
        struct qemu_check check;

        qemu_check_run("/etc/passwd", &check);
        ck_assert(!check.runs);
        ck_assert_ptr_nonnull(strstr(check.reason, "/etc/passwd"));
        qemu_check_run("/", &check);
        ck_assert(!check.runs);
        qemu_check_run(NULL, &check);
        ck_assert(!check.runs);
        ck_assert_ptr_nonnull(strstr(check.reason, "qemu-system-x86"));
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("accel");
        TCase *pick = tcase_create("pick"), *probe = tcase_create("probe");
        SRunner *runner;
        int failed;

        tcase_add_test(pick, auto_takes_what_the_probe_chose);
        tcase_add_test(pick, asked_for_and_usable_is_taken);
        tcase_add_test(pick, asked_for_and_unusable_is_an_error_with_the_reason);
        tcase_add_test(pick, auto_with_nothing_usable_is_an_error);
        tcase_add_test(pick, unknown_word_is_an_invalid_parameter);
        suite_add_tcase(suite, pick);
        tcase_set_timeout(probe, 120);
        tcase_add_test(probe, probe_fills_every_line_and_chooses_what_is_usable);
        tcase_add_test(probe, without_qemu_nothing_is_usable);
        tcase_add_test(probe, qemu_of_x86_64_runs);
        tcase_add_test(probe, qemu_before_8_1_has_no_parallel_tcg);
        tcase_add_test(probe, qemu_of_another_architecture_is_named);
        tcase_add_test(probe, what_qemu_complains_about_is_passed_on);
        tcase_add_test(probe, program_that_floods_or_says_nothing_is_no_qemu);
        tcase_add_test(probe, file_that_cannot_be_executed_is_no_qemu);
        suite_add_tcase(suite, probe);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
