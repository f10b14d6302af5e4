/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "orphans.h"

#include <stdbool.h>
#include <sys/wait.h>

static bool is_among(pid_t pid, const pid_t *pids, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (pids[i] == pid)
                        return true;
        return false;
}

void orphans_collect(const pid_t *but, size_t n)
{
        for (;;) {
                siginfo_t info = {};

                if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 ||
                    is_among(info.si_pid, but, n))
                        return;
                (void)waitpid(info.si_pid, NULL, WNOHANG);
        }
}
