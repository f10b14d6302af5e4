/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who writes to the files of cgroupfs and sysfs. The kernel may take its time over a write: what holds the
 * lock that it needs may be a task that a scheduler under test does not run. So a thread of its own writes,
 * and the body waits for it while it hears what the agent says, but not for ever.
 *
 * Not thread-safe: there is one body, and one sysfs_writer.
 */

#include <stdbool.h>
#include <stdint.h>

#include "conversation.h"

struct sysfs_writer;

/* What takes longer than what each call says is waited for another patience_ms while talk is not over; NULL
 * with errno set when it cannot be made. talk is borrowed. */
struct sysfs_writer *sysfs_writer_new(struct conversation *talk);
void sysfs_writer_free(struct sysfs_writer *s); /* NULL is allowed */

/* 0 at first. */
void sysfs_writer_set_patience(struct sysfs_writer *s, uint64_t patience_ms);

/* What is right where the kernel's own watchdog lets a scheduler that stalls go on for watchdog_ms (0: there
 * is no scheduler), and the CPUs are emulated or not. */
uint64_t sysfs_writer_patience_ms(uint64_t watchdog_ms, bool emulated);

/* 0, the kernel's -errno, or -ETIMEDOUT: it is still at it. limit_ms as above. */
int sysfs_writer_write(struct sysfs_writer *s, const char *path, const char *text, uint64_t limit_ms);
int sysfs_writer_mkdir(struct sysfs_writer *s, const char *path, uint64_t limit_ms);
int sysfs_writer_rmdir(struct sysfs_writer *s, const char *path, uint64_t limit_ms);
