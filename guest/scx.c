/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scx.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../common/cleanup.h"

static void read_line(const char *path, const char *dflt, char ret[SCX_NAME_MAX])
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, ret, SCX_NAME_MAX - 1);

        if (n < 0)
                strcpy(ret, dflt);
        else {
                ret[n] = '\0';
                ret[strcspn(ret, "\n")] = '\0';
        }
}

void scx_state(char ret[SCX_NAME_MAX])
{
        read_line("/sys/kernel/sched_ext/state", "unavailable", ret);
}

void scx_ops(char ret[SCX_NAME_MAX])
{
        read_line("/sys/kernel/sched_ext/root/ops", "", ret);
}

bool scx_attached(char ret_ops[SCX_NAME_MAX])
{
        char state[SCX_NAME_MAX];

        scx_state(state);
        scx_ops(ret_ops);
        return strcmp(state, "enabled") == 0 && ret_ops[0];
}
