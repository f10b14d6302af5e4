/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../guest/orphans.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "unit.h"

/* A child that has ended, and is not collected. */
static pid_t ended_child(void)
{
        siginfo_t info;
        pid_t pid = fork();

        if (pid == 0)
                _exit(3);
        ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        return pid;
}

START_TEST(those_that_lost_their_parent_are_collected)
{
        pid_t parent, pid;
        siginfo_t info;
        int pair[2];

        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        ck_assert_int_eq(pipe(pair), 0);
        parent = fork();
        if (parent == 0) {
                pid = fork();
                if (pid > 0 && write(pair[1], &pid, sizeof(pid)) != sizeof(pid))
                        _exit(1);
                _exit(0);
        }
        ck_assert_int_eq(read(pair[0], &pid, sizeof(pid)), sizeof(pid));
        ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
        ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        orphans_collect(NULL, 0);
        ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
        close(pair[0]);
        close(pair[1]);
}
END_TEST

START_TEST(those_of_somebody_are_left_to_it)
{
        const pid_t own[] = {0, ended_child()}, other = ended_child();
        int status;

        orphans_collect(own, KT_ARRAY_SIZE(own));
        ck_assert_int_eq(waitpid(own[1], &status, WNOHANG), own[1]);
        ck_assert_int_eq(WEXITSTATUS(status), 3);
        orphans_collect(own, KT_ARRAY_SIZE(own));
        ck_assert_int_eq(waitpid(other, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(those_that_live_are_not_waited_for)
{
        pid_t pid = fork();

        if (pid == 0)
                for (;;)
                        pause();
        orphans_collect(NULL, 0);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        orphans_collect(NULL, 0);
}
END_TEST

UNIT_MAIN("orphans", those_that_lost_their_parent_are_collected, those_of_somebody_are_left_to_it,
          those_that_live_are_not_waited_for)
