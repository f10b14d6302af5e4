/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "caller_rights.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../proto/errors.h"

static int set_groups(int n, const gid_t *groups)
{
        return (int)syscall(SYS_setgroups, n, groups);
}

static int groups_of(uid_t uid, gid_t gid, gid_t **ret, int *ret_n)
{
        struct passwd pw, *found = NULL;
        char buf[4096];
        int n = 64;

        *ret = calloc((size_t)n, sizeof(gid_t));
        if (!*ret)
                return -ENOMEM;
        if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) != 0 || !found) {
                (*ret)[0] = gid;
                *ret_n = 1;
                return 0;
        }
        if (getgrouplist(found->pw_name, gid, *ret, &n) < 0) {
                gid_t *grown = realloc(*ret, (size_t)n * sizeof(gid_t));
                if (!grown)
                        return -ENOMEM;
                *ret = grown;
                if (getgrouplist(found->pw_name, gid, *ret, &n) < 0)
                        return -EIO;
        }
        *ret_n = n;
        return 0;
}

int caller_rights_take(uid_t uid, gid_t gid, struct caller_rights *ret, struct kt_error *reterr)
{
        struct caller_rights r = {.uid = geteuid(), .gid = getegid(), .n_groups = -1};
        _cleanup_free_ gid_t *theirs = NULL;
        int n = 0;

        if (uid == geteuid()) {
                *ret = r;
                return 0;
        }
        if (geteuid() != 0)
                return kt_error_set(reterr, -EPERM, KT_E_PERMISSION_DENIED,
                                    "this daemon runs as uid %u and cannot open files for uid %u; pass "
                                    "descriptors instead",
                                    (unsigned)geteuid(), (unsigned)uid);
        r.n_groups = getgroups(0, NULL);
        r.groups = r.n_groups >= 0 ? calloc((size_t)r.n_groups + 1, sizeof(gid_t)) : NULL;
        if (!r.groups || getgroups(r.n_groups, r.groups) < 0 || groups_of(uid, gid, &theirs, &n) < 0 ||
            set_groups(n, theirs) < 0) {
                free(r.groups);
                return kt_error_set(reterr, -EPERM, KT_E_INTERNAL, "cannot take on the groups of uid %u",
                                    (unsigned)uid);
        }
        setfsgid(gid);
        setfsuid(uid);
        if ((uid_t)setfsuid((uid_t)-1) != uid) {
                caller_rights_drop(&r);
                return kt_error_set(reterr, -EPERM, KT_E_INTERNAL, "cannot take on the rights of uid %u",
                                    (unsigned)uid);
        }
        *ret = r;
        return 0;
}

void caller_rights_drop(struct caller_rights *r)
{
        if (r->n_groups < 0)
                return;
        setfsuid(r->uid);
        setfsgid(r->gid);
        if ((uid_t)setfsuid((uid_t)-1) != r->uid || set_groups(r->n_groups, r->groups) < 0)
                abort();
        free(r->groups);
        r->groups = NULL;
        r->n_groups = -1;
}
