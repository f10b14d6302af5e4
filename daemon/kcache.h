/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel cache on disk: listing, finding, importing, removing. Everything here blocks and may run on a
 * worker thread, several calls at once. Several daemons may share a root: a store is a temp folder and a
 * rename under a lock in {root}/.locks; who uses an entry has a shared flock on its folder, and who removes
 * or replaces it an exclusive one.
 */

#include <sys/types.h>

#include "kernel.h"

struct kcache;

/* Creates the root (0755) if missing and sweeps temp folders that nobody holds the lock of. */
int kcache_open(const char *root, struct kcache **ret, struct kt_error *reterr);
void kcache_free(struct kcache *c);
const char *kcache_root(const struct kcache *c);

/* Bytes on disk that the entries may take together; UINT64_MAX (which it is at first): as many as there is
 * room for. Before the first store. What is stored beyond it pushes out entries that were built here and can
 * be had again, those that were not used for longest first, never one in use. */
void kcache_set_max(struct kcache *c, uint64_t max_bytes);
uint64_t kcache_max(const struct kcache *c);

/* All entries, newest version first (at equal version the cloud flavour first, then the one imported last),
 * corrupt ones last; NULL-terminated, free with kernel_list_free(). */
int kcache_list(struct kcache *c, struct kernel ***ret, struct kt_error *reterr);
void kernel_list_free(struct kernel **list);

/* One entry by its key; -ENOENT with KT_E_NO_SUCH_KERNEL. A corrupt entry is returned with its error. */
int kcache_get(struct kcache *c, const char *key, struct kernel **ret, struct kt_error *reterr);

/* Whose rights open files: what a caller names is opened as that caller may, and as nobody else. */
struct kernel_caller {
        uid_t uid;
        gid_t gid;
};

/* Open for reading, without waiting for a FIFO's other end. caller NULL: with the daemon's own rights. A
 * text with KT_E_BAD_KERNEL, or KT_E_PERMISSION_DENIED when the rights cannot be had. Returns the
 * descriptor. */
int kernel_open(const struct kernel_caller *caller, int dir_fd, const char *path, struct kt_error *reterr);

/* A file to import. */
struct kernel_file {
        const char *name; /* as the caller named it, for messages */
        const char *path; /* set when opened by path: what stands beside it is looked at too; else NULL */
        int fd;           /* open for reading; borrowed. For a folder (source tree) a directory descriptor */
};

/* stage texts go to on_stage (may be NULL), called on the calling thread. */
typedef void (*kernel_stage_cb)(void *userdata, const char *stage);

/* What to import. */
struct kernel_source {
        const struct kernel_file *files;
        size_t n_files;
        const struct kernel_caller *caller; /* opens what is in a tree or beside a file; NULL: the daemon */
        kernel_stage_cb on_stage;
        void *userdata;
};

/*
 * Import one kernel; see io.ktstrd.Kernel.Import. The same content (image, configuration if it came along,
 * modules) under the same key is not written again (*ret_existed); other content under an existing key gets
 * the key with "-" and eight digits of its SHA-256.
 */
int kernel_import(struct kcache *c, const struct kernel_source *from, struct kernel **ret, bool *ret_existed,
                  struct kt_error *reterr);

/* A built kernel: the tree it was built in, and what is known of where that is from. */
struct kernel_build_result {
        struct kernel_file tree;   /* its vmlinux is taken; a directory descriptor, opened as `caller` */
        struct kernel_file config; /* with which it was built; name NULL: the tree's .config */
        const struct kernel_caller *caller; /* NULL: the daemon */
        const char *key;
        const char *name;   /* what was built, for a person: "linux-6.14.2.tar.xz" */
        const char *source; /* "tarball", "git", "local" */
        const char *profile, *kconfig_hash, *config_hash;
        const char *extra_kconfig_hash, *git_url, *git_ref, *git_hash, *tree_path,
                *source_sha256; /* or NULL */
};

/*
 * Store a built kernel under its key. What is under that key already is replaced, by one rename, unless a
 * job or a template that is being built has it (-EBUSY); whoever looks meanwhile sees the old one or the new
 * one. When it is the same kernel (image, configuration) the old one is kept, and returned. What the pool
 * has of a kernel that was replaced is of no use any more: see kcache_take_removed().
 */
int kernel_store_built(struct kcache *c, const struct kernel_build_result *built, struct kernel **ret,
                       struct kt_error *reterr);

/* kernel_import() without the last step: what would be stored. Its paths lead nowhere. */
int kernel_look(struct kcache *c, const struct kernel_source *from, struct kernel **ret,
                struct kt_error *reterr);

/* The same, and what the entry would hold; both malloced, or NULL when it has none. */
int kernel_look_inside(struct kcache *c, const struct kernel_source *from, struct kernel **ret,
                       char **ret_config, void **ret_btf, size_t *ret_btf_size, struct kt_error *reterr);

/* Which kernel does `spec` name? NULL: the newest with sched_ext and BTF. A version ("6.18", "6.18.15":
 * newest that matches), a key, or an absolute path to an image or tree, opened as `caller` and imported if
 * `import_path`, else looked at only. Never another than named. */
int kernel_resolve_as(struct kcache *c, const struct kernel_caller *caller, const char *spec,
                      bool import_path, struct kernel **ret, struct kt_error *reterr);

/* Remove an entry and what was made of it. -EBUSY while leased. */
int kcache_remove(struct kcache *c, const char *key, struct kt_error *reterr);

/* Which entries kcache_clean() removes: all that are corrupt, and the valid ones but the `keep` newest. */
struct kcache_clean {
        unsigned keep;
        bool corrupt_only;       /* no valid one */
        bool dry_run;            /* none: only say which it would be */
        const char *const *only; /* none but these, NULL-terminated; NULL: any */
};

/* Of the result both are NULL-terminated lists of keys for kcache_keys_free(): what was removed, and what
 * stayed only because it is in use. One of `only` that is not there any more counts as removed. */
int kcache_clean(struct kcache *c, const struct kcache_clean *what, char ***ret_removed, char ***ret_in_use,
                 struct kt_error *reterr);

/* The keys of entries that were removed, replaced or pushed out by this process since the last call: what
 * was made of them elsewhere (templates, guests) is to go too. NULL-terminated, for kcache_keys_free();
 * NULL: none.
 */
char **kcache_take_removed(struct kcache *c);
void kcache_keys_free(char **keys);

/* What an entry takes on disk, with what was made of it in the cache. */
uint64_t kcache_entry_bytes(struct kcache *c, const char *key);

/* A shared flock on the entry that keeps it from being removed; close(*ret_fd) gives it back. -ENOENT, or
 * -EBUSY while it is just being removed, both with KT_E_NO_SUCH_KERNEL; KT_E_IO where that cannot be told.
 */
int kcache_lease(struct kcache *c, const char *key, int *ret_fd, struct kt_error *reterr);

/*
 * A lease on an entry that is going to be used, and its content is what was stored: image, BTF and
 * configuration have the SHA-256 of their metadata. Files that are the same as at an earlier look are not
 * read again (file_hash.h). Where one is another, the entry is marked as corrupt, and -EBADMSG with
 * KT_E_IO says what to do. image_sha256 (NULL: any) is what the image must have: -ESTALE when the
 * entry is another by now. ret (may be NULL) gets the entry as it is now, to be freed by the caller; it is
 * untouched on failure.
 */
int kcache_use(struct kcache *c, const char *key, const char *image_sha256, struct kernel **ret, int *ret_fd,
               struct kt_error *reterr);

/*
 * A lock on a key, whether there is such an entry or not: whoever builds a kernel has it from before it
 * looks whether it is there until it has stored it, so that two daemons never build the same one. wait:
 * block until it can be had, which may take as long as a build; otherwise -EBUSY, without a text.
 * close(*ret_fd) gives it back. Its file, {root}/.locks/KEY.lock, stays until the entry is removed while
 * nobody has the lock.
 */
int kcache_lock_key(struct kcache *c, const char *key, bool wait, int *ret_fd, struct kt_error *reterr);
