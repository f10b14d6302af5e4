/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is needed of git, done by git: which commit a name stands for, that commit fetched without its
 * history, and in which state a working tree is. It asks nobody for passwords, runs no remote helpers but
 * those of https, http, git, ssh and local paths, and takes no lock in a tree that is somebody else's.
 */

#include <stdbool.h>

#include "../common/error.h"

#define GIT_HASH_SIZE 41 /* 40 hex digits and a NUL; repositories of SHA-256 are refused */

/* Which commit is `ref` (branch, tag, or the commit itself) of `url`? *ret_name is what to ask the other
 * side for: a full name, or the commit; malloced. KT_E_DOWNLOAD with git's own words. */
int git_resolve(const char *url, const char *ref, char ret_hash[static GIT_HASH_SIZE], char **ret_name,
                struct kt_error *reterr);

/* That commit checked out into dir, which is ours, and may be there half from an earlier time. `name` from
 * git_resolve(). Answers with the stage "clone" and its progress. */
int git_fetch(const char *url, const char *name, const char *hash, const char *dir, struct kt_error *reterr);

/* The commit of the working tree whose top is dir, "" when dir is not the top of one. dirty (of files that
 * git knows; submodules aside) is set with it. */
int git_state(const char *dir, char ret_hash[static GIT_HASH_SIZE], bool *ret_dirty,
              struct kt_error *reterr);
