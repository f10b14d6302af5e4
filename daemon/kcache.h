/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel cache on disk: listing, finding, importing, removing. Everything here blocks and may run on a
 * worker thread; no call keeps state between calls but the root, so calls may run at once. Several daemons
 * may share a root: a store is a temp folder and a rename under a lock in {root}/.locks.
 */

#include <sys/types.h>

#include "kernel.h"

struct kcache;

/* Creates the root (0755) if missing and sweeps temp folders that nobody holds the lock of. */
int kcache_open(const char *root, struct kcache **ret, struct kt_error *reterr);
void kcache_free(struct kcache *c);
const char *kcache_root(const struct kcache *c);

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
        struct kernel_file tree;            /* vmlinux and .config are taken; opened as `caller` */
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
 * job or a template has it (-EBUSY); whoever looks meanwhile sees the old one or the new one.
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

/* A shared flock on the entry that keeps it from being removed; close(*ret_fd) gives it back. */
int kcache_lease(struct kcache *c, const char *key, int *ret_fd, struct kt_error *reterr);

/*
 * The initramfs of a kernel: the agent as /init, busybox as /bin/busybox, the kernel's modules under
 * /modules/NN-name.ko, its configuration as /boot/config-RELEASE. Kept as {root}/.initramfs/{key}-{hash of
 * all inputs}.cpio (uncompressed newc), made when missing. busybox may be NULL.
 */
int initramfs_ensure(struct kcache *c, const struct kernel *k, const char *agent_path,
                     const char *busybox_path, char **ret_path, struct kt_error *reterr);
