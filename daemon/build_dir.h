/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * Where a build has its files, from when it is submitted until it has ended, so that another daemon can go on with it when this one is gone:
 *
 *   {cache}/.builds/JOB/             the daemon's; others may pass through
 *       request.json                 what was asked for, and by whom; without it the folder is of no use any more
 *       lock                         flock: that of the daemon whose job it is
 *       helper.lock                  flock: of ktstrd-build and of what it has started
 *       tarball                      the user's, copied
 *       helper.json                  the request of ktstrd-build
 *       compiling                    make has begun: what was cleaned once is not cleaned again
 *       work/                        that of ktstrd-build, who may be another user
 *   {cache}/.builds/.objects-PROFILE  how many objects such a build makes, for the next one's percentage
 *
 * What blocks says so, and belongs on a worker thread.
 */
/* clang-format on */

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "../common/error.h"
#include "build_identity.h"
#include "build_spec.h"
#include "kcache.h"

struct config;

struct build_dir {
        char *path, *work; /* absolute; NULL: there is none */
        int fd, lock_fd;
};

#define BUILD_DIR_INIT ((struct build_dir){.fd = -1, .lock_fd = -1})

/* Whose build it is. */
struct build_owner {
        uid_t uid;
        gid_t gid;
        int64_t submitted_us; /* CLOCK_REALTIME */
};

/* A new one. The request in it survives the daemon, not a crash of the machine. */
int build_dir_make(const char *cache_dir, const char *id, const struct build_spec *spec,
                   const struct build_owner *owner, struct build_dir *ret, struct kt_error *reterr);

/* One that a daemon has left. -EBUSY: its daemon lives. */
int build_dir_open(const char *cache_dir, const char *id, struct build_dir *ret, struct kt_error *reterr);

/* What was asked for. -ENOENT: it was over already. Another failure has a text, "lost: …". */
int build_dir_read(const struct build_dir *dir, struct build_spec **ret, struct build_owner *ret_owner,
                   struct kt_error *reterr);

/* The ids of all that there are, NULL-terminated, for build_dir_list_free(); NULL: none. */
char **build_dir_list(const char *cache_dir);
void build_dir_list_free(char **ids);

/* work/ as the helper's, the user's tarball, and the helper's request (*ret_request: its path, malloced).
 * jobs: of make, when the spec has none. Blocks. */
int build_dir_prepare(const struct build_dir *dir, const struct config *config,
                      const struct build_spec *spec, const struct build_owner *owner,
                      const struct build_identity *identity, unsigned jobs, char **ret_request,
                      struct kt_error *reterr);

/* Wait until nothing of an earlier helper runs any more, and take the lock for the next one: *ret_fd, to be
 * inherited by it and closed here. -ECANCELED when *give_up (may be NULL) becomes true, -ETIMEDOUT when
 * patience_ms are over. Blocks. */
int build_dir_lock_helper(const struct build_dir *dir, unsigned patience_ms, const atomic_bool *give_up,
                          int *ret_fd, struct kt_error *reterr);

/* How many objects the last build of that profile from nothing made; 0: not known. Written by whoever has
 * made so many, for the next one's percentage. */
unsigned build_objects_known(const char *cache_dir, enum kconfig_profile profile);
void build_objects_note(const char *cache_dir, enum kconfig_profile profile, unsigned n);

/* Has make begun already, in an earlier daemon? */
bool build_dir_has_compiled(const struct build_dir *dir);

/* make has begun. */
void build_dir_note_compiling(const struct build_dir *dir);

/* It is over: whatever happens now, nobody goes on with it. */
void build_dir_forget(const struct build_dir *dir);

/* Away with all of it, once nothing of the helper runs any more. Blocks. */
void build_dir_remove(const struct build_dir *dir);

/* Close it: another daemon may have it. */
void build_dir_done(struct build_dir *dir);
