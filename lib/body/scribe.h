/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who writes to the files of cgroupfs and sysfs. The kernel may take its time over a write: what holds the
 * lock that it needs may be a task that a scheduler under test does not run. So a thread of its own writes,
 * and the body waits for it while it hears what the agent says, but not for ever.
 *
 * Not thread-safe: there is one body, and one scribe.
 */

#include <stdbool.h>
#include <stdint.h>

#include "conversation.h"

struct scribe;

/* What takes longer than what each call says is waited for another patience_ms while talk is not over; NULL
 * when it cannot be made. talk is borrowed. */
struct scribe *scribe_new(struct conversation *talk);
void scribe_free(struct scribe *s); /* NULL is allowed */

/* 0 at first. */
void scribe_set_patience(struct scribe *s, uint64_t patience_ms);

/* What is right where the kernel's own watchdog lets a scheduler that stalls go on for watchdog_ms (0: there
 * is no scheduler), and the CPUs are emulated or not. */
uint64_t scribe_patience_ms(uint64_t watchdog_ms, bool emulated);

/* 0, the kernel's -errno, or -ETIMEDOUT: it is still at it. limit_ms as above. */
int scribe_write(struct scribe *s, const char *path, const char *text, uint64_t limit_ms);
int scribe_mkdir(struct scribe *s, const char *path, uint64_t limit_ms);
int scribe_rmdir(struct scribe *s, const char *path, uint64_t limit_ms);
