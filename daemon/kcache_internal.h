/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the kernel cache share: the folder and how an entry gets into it and out of it. */

#include <pthread.h>

#include "kcache.h"

/* Names that no key has: what is being made, and is swept when its maker is gone. */
#define TEMP_PREFIX ".tmp-"

struct kcache {
        char *root;
        int root_fd;
        uint64_t max_bytes;

        pthread_mutex_t lock; /* of what follows */
        char **removed;       /* kcache_take_removed(); NULL-terminated, or NULL */
        size_t n_removed;
};

/* The store's lock, a descriptor or -errno. LOCK_SH: somebody makes a temp folder. LOCK_EX: somebody sweeps,
 * publishes, replaces or removes, or looks whether an entry is leased. Blocks unless LOCK_NB. */
int kcache_lock_store(struct kcache *c, int how);

/* A new temp folder in the root that no sweep takes away while *ret_fd (which holds its lock) is open. */
int kcache_stage(struct kcache *c, char **ret_name, int *ret_fd, struct kt_error *reterr);

/* Make the temp folder the entry `key`, durably. -EEXIST when there is one already. */
int kcache_publish(struct kcache *c, const char *temp, int temp_fd, const char *key,
                   struct kt_error *reterr);

/* The same where there is one already: they change places, and the old one is removed. -EBUSY while that is
 * leased, -ENOENT, without a text, when there is none. */
int kcache_replace(struct kcache *c, const char *temp, int temp_fd, const char *key,
                   struct kt_error *reterr);

/* kcache_remove() under the store's exclusive lock, of a valid key. -ENOENT comes without a text. */
int kcache_remove_locked(struct kcache *c, const char *key, struct kt_error *reterr);

/* Can it be removed? Under the store's exclusive lock. 0, or without a text -EBUSY while it is leased and
 * -ENOENT. */
int kcache_is_free(struct kcache *c, const char *key, struct kt_error *reterr);

/* Bytes on disk of all that is in a folder. */
uint64_t kcache_folder_bytes(int dir_fd);

/* Make room for `need` bytes beneath the cap, beside those of the entry `but` (NULL: none) which are going
 * to be free. Under the store's exclusive lock. -EFBIG with a text when there is not enough that may go;
 * then nothing went. */
int kcache_make_room(struct kcache *c, uint64_t need, const char *but, struct kt_error *reterr);

/* It was used now; it is gone. */
void kcache_touch(struct kcache *c, const char *key);
void kcache_forget_use(struct kcache *c, const char *key);

/* Remove the file of the key's lock, unless somebody has it. */
void kcache_forget_key_lock(struct kcache *c, const char *key);

/* `what` could not be done in the root; a full disk is told with what to do about it. Returns num. */
int kcache_io_error(struct kcache *c, int num, const char *what, struct kt_error *reterr);

/* Remove what writers of initramfs files left when they were killed. */
void initramfs_sweep(struct kcache *c);

/* Remove the initramfs files of an entry that was removed. */
void initramfs_forget(struct kcache *c, const char *key);

/* What they take on disk. */
uint64_t initramfs_bytes(struct kcache *c, const char *key);
