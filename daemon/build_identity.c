/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "caller_rights.h"

#define BUILD_USER "ktstrd-build"

void build_identity_done(struct build_identity *identity)
{
        free(identity->note);
        *identity = (struct build_identity){};
}

/* A cache in somebody's home, a program in another's: can that user get there at all? */
static bool can_reach(const struct process_user *user, const char *folder, const char *program)
{
        struct caller_rights rights;
        struct stat st;
        bool can;

        if (caller_rights_take(user->uid, user->gid, &rights, NULL) < 0)
                return false;
        can = faccessat(AT_FDCWD, program, X_OK, AT_EACCESS) == 0 && stat(folder, &st) == 0;
        caller_rights_drop(&rights);
        return can;
}

static bool find_build_user(struct process_user *ret)
{
        struct passwd pw, *found = NULL;
        char buf[4096];

        if (getpwnam_r(BUILD_USER, &pw, buf, sizeof(buf), &found) != 0 || !found)
                return false;
        *ret = (struct process_user){found->pw_uid, found->pw_gid};
        return true;
}

bool build_identity_of_nobody(const char *folder, const char *program, struct process_user *ret)
{
        return geteuid() == 0 && find_build_user(ret) && can_reach(ret, folder, program);
}

int build_identity_of_owner(const char *folder, const char *program, uid_t uid, gid_t gid,
                            struct build_identity *ret, struct kt_error *reterr)
{
        const struct build_identity identity = {.becomes = geteuid() == 0 && uid != 0, .user = {uid, gid}};

        if (identity.becomes && !can_reach(&identity.user, folder, program))
                return kt_error_set(reterr, -EACCES, KT_E_PERMISSION_DENIED,
                                    "uid %u, as which it would run, cannot get at %s and %s", (unsigned)uid,
                                    folder, program);
        *ret = identity;
        return 0;
}

int build_identity_find(const char *folder, const char *program, uid_t uid, gid_t gid,
                        struct build_identity *ret, struct kt_error *reterr)
{
        struct build_identity identity = {.becomes = true};
        struct process_user user;
        int r;

        if (build_identity_of_nobody(folder, program, &identity.user)) {
                *ret = identity;
                return 0;
        }
        /* A makefile does what its author wants: nobody has root do that but root. */
        r = build_identity_of_owner(folder, program, uid, gid, &identity, reterr);
        if (r < 0)
                return r;
        if (geteuid() == 0) {
                identity.note =
                        find_build_user(&user)
                                ? kt_format("built as uid %u: the user " BUILD_USER " cannot get at %s",
                                            (unsigned)uid, folder)
                                : kt_format("built as uid %u: there is no user " BUILD_USER, (unsigned)uid);
                if (!identity.note)
                        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        *ret = identity;
        return 0;
}
