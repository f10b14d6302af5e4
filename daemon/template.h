/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * Templates on disk: a guest of some shape, stopped when its agent was waiting for a job, kept as files of which clones
 * are started in milliseconds. They outlive the daemon.
 *
 *   ROOT/KEY/metadata.json   what the fields below say, and the hashes; written last
 *   ROOT/KEY/memory-N        node N's memory, sparse; clones map it copy-on-write
 *   ROOT/KEY/state           QEMU's device state
 *   ROOT/.tmp-XXXXXX/        one in the making; its maker holds a lock on the folder
 *
 * KEY is the shape's, so that a template either fits to the last byte or is another. Nothing in here is believed: what is
 * not owned by this user, has other sizes than the shape, or another hash than its metadata says is removed. Hashing a
 * template takes some tenths of a second and is done once in a daemon's life; later it is only looked whether the files
 * are still the same (inode, size, times).
 *
 * Everything here blocks; a template is immutable once opened, and its calls may come from any thread.
 */
/* clang-format on */

#include <sys/types.h>

#include "file_stamp.h"
#include "shape.h"

struct template
{
        char key[SHAPE_KEY_SIZE];
        unsigned n_nodes;
        int memory_fds[TOPOLOGY_NODES_MAX];
        int state_fd;
        struct file_stamp stamps[TOPOLOGY_NODES_MAX + 1]; /* the state's last */
        char *mailbox_error;                              /* of its agent, or NULL: guest_mailbox_error() */
        int64_t built_us;                                 /* CLOCK_REALTIME */
        int64_t build_ms;                                 /* what it took */
        int64_t boot_ms;                                  /* of which the guest's kernel and agent */
};

/* One in the making. */
struct template_draft {
        char *path; /* its folder */
        int dir_fd; /* holds the lock */
        unsigned n_nodes;
        int memory_fds[TOPOLOGY_NODES_MAX];
        char *state_path; /* where the device state is to be written */
};

/* The folder and memory files of a new one, empty. KT_E_IO, also when the disk of root has less room than
 * the guest has memory: a guest that meets a full disk is killed. */
int template_draft_new(const char *root, const struct shape *s, struct template_draft **ret,
                       struct kt_error *reterr);

/* What template_publish() notes. */
struct template_facts {
        const char *mailbox_error; /* or NULL */
        int64_t build_ms, boot_ms;
};

/* Hash, write to disk, and give it its name; from then on it is there after a crash too. When there is one
 * of that name already, made by another daemon meanwhile, the draft is dropped and that one is verified and
 * returned. The draft stays the caller's to free. */
int template_publish(const char *root, struct template_draft *draft, const struct shape *s,
                     const struct template_facts *facts, struct template **ret, struct kt_error *reterr);

/* Whatever is left of it on disk is removed. NULL allowed. */
void template_draft_free(struct template_draft *draft);

/* -ENOENT: there is none, reterr is untouched. -EBADMSG: there was one that could not be trusted, reterr
 * says why, and it was removed. Others: it could not be looked at, and is left as it is. */
int template_open(const char *root, const struct shape *s, struct template **ret, struct kt_error *reterr);
void template_free(struct template *t);

/* Are its files those that were verified? */
bool template_is_intact(const struct template *t);

/* It was used now, which template_root_open() goes by. Opening one is using it. */
void template_mark_used(const char *root, const char *key);

/* Remove what has this key from disk; clones that run are not disturbed. */
void template_remove(const char *root, const char *key);

/* Its first half, which takes no time: nobody finds it any more. The path of what is left to be removed,
 * malloced; NULL when there is nothing, or memory is out. */
char *template_hide(const char *root, const char *key);

/* Make root (0700) if it is missing; remove drafts whose makers are gone, templates that were not used for
 * TEMPLATE_KEEP_DAYS, and the least recently used beyond TEMPLATES_MAX. What else lies there is left alone.
 */
#define TEMPLATE_KEEP_DAYS 14
#define TEMPLATES_MAX 64U
int template_root_open(const char *root, struct kt_error *reterr);

/* A template of this shape was published: remove those that came to have another key (QEMU, the agent or the
 * kernel was changed) and were not used for TEMPLATE_SUPERSEDED_S seconds, and what template_root_open()
 * removes. */
#define TEMPLATE_SUPERSEDED_S 3600
void template_root_tidy(const char *root, const struct shape *s);
