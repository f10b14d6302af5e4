/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * As whom ktstrd-build runs. It speaks with the network and runs what it got from there, so a daemon that is
 * root never has it run as root for anybody but root: it becomes the user ktstrd-build, or who asks. (The
 * list of releases, for which nobody asks, is root's to fetch where there is no such user.) Any other daemon
 * stays what it is.
 *
 * All of it looks at the user database and at files, and blocks.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "../common/error.h"
#include "process.h"

/* Whom it becomes, and what of that is worth telling. */
struct build_identity {
        bool becomes; /* else it stays what the daemon is */
        struct process_user user;
        char *note; /* owned, or NULL */
};

/* For what is nobody's own: the user ktstrd-build; where there is none, or where that one cannot get at the
 * folder or run the program, who asks, as of build_identity_of_owner(), and a note says so. */
int build_identity_find(const char *folder, const char *program, uid_t uid, gid_t gid,
                        struct build_identity *ret, struct kt_error *reterr);

/* For a tree of theirs: who asks, with no right that the asker has not anyway. KT_E_PERMISSION_DENIED when
 * that one cannot get at the folder or run the program. */
int build_identity_of_owner(const char *folder, const char *program, uid_t uid, gid_t gid,
                            struct build_identity *ret, struct kt_error *reterr);

/* For what nobody asked for: the user ktstrd-build. False: the daemon is not root, or there is no such user
 * who could. */
bool build_identity_of_nobody(const char *folder, const char *program, struct process_user *ret);

void build_identity_done(struct build_identity *identity);
