/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <unistd.h>

int identity_become(uid_t uid, gid_t gid)
{
        if (gid && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0))
                return -errno;
        return uid && setresuid(uid, uid, uid) < 0 ? -errno : 0;
}
