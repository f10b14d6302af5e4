/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a guest is handed: its job and files as one stream of frames, made piece by piece as it is read, so
 * that no file is ever held in memory whole. The stream ends with GO. Reading blocks on the files; use it
 * from one thread at a time.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "guest.h"
#include "guest_memory.h"

struct handout;

/* Copies the items and dups their descriptors. KT_E_BAD_FILE when one cannot be placed in a guest by its
 * name. */
int handout_new(const struct guest_item *items, size_t n_items, struct handout **ret,
                struct kt_error *reterr);
void handout_free(struct handout *h);

/* The next bytes of the stream, 0 at its end. -EIO and the like with KT_E_BAD_FILE: a file could not be
 * read, or shrank. */
ssize_t handout_read(struct handout *h, void *buf, size_t size, struct kt_error *reterr);

/* Are there no files in it, so that nothing blocks? */
bool handout_is_quick(const struct handout *h);

/* True when handout_read() would give nothing more. */
bool handout_at_end(const struct handout *h);

/* Start over. */
void handout_rewind(struct handout *h);

/* Fill the mailbox with the stream's beginning and mark it full. The stream stands behind what fitted. */
int handout_fill_mailbox(struct handout *h, const struct guest_memory *m, uint64_t gpa, uint64_t size,
                         struct kt_error *reterr);
