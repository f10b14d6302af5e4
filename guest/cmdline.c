/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmdline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cmdline_mailbox(const char *cmdline, uint64_t *ret_addr, uint64_t *ret_size)
{
        static const char key[] = "ktstr.mailbox=";
        const char *p = cmdline;
        char *end;

        while ((p = strstr(p, key)) && p != cmdline && p[-1] != ' ')
                p++;
        if (!p)
                return -ENOENT;
        p += sizeof(key) - 1;
        errno = 0;
        *ret_addr = strtoull(p, &end, 16);
        if (errno || end == p || *end != ',')
                return -EINVAL;
        p = end + 1;
        *ret_size = strtoull(p, &end, 16);
        if (errno || end == p || (*end && *end != ' ' && *end != '\n') || *ret_size == 0)
                return -EINVAL;
        return 0;
}
