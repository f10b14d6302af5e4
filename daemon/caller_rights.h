/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Opening files with the rights of the user who asked, and nobody else's. On Linux the file-system
 * credentials belong to a thread, so a worker thread takes them on for the time of its opens; the other
 * threads are not touched (the raw system calls are used: glibc's wrappers would change every thread).
 */

#include <sys/types.h>

#include "../common/error.h"

struct caller_rights {
        int n_groups; /* -1: nothing was changed */
        gid_t *groups;
        uid_t uid;
        gid_t gid;
};

/* Become uid as far as files are concerned, with the groups of the user database. When the daemon is that
 * user already nothing is done; a daemon that is not root can act for nobody else: -EPERM. */
int caller_rights_take(uid_t uid, gid_t gid, struct caller_rights *ret, struct kt_error *reterr);

/* Back to the thread's own. Aborts when that fails: going on with another's rights is worse. */
void caller_rights_drop(struct caller_rights *r);
