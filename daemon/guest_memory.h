/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A running guest's memory, from outside: read and written by guest physical address through /proc/PID/mem,
 * at the place where QEMU has mapped the files that hold it. Works on shared and on copy-on-write mappings
 * alike. The guest may change the memory at any time; once QEMU is gone every access fails.
 *
 * Immutable once opened: reads and writes may come from any thread.
 */

#include <sys/types.h>

#include "memory_layout.h"

struct guest_memory;

/* The file that holds one node's memory, as /proc/PID/maps names it. */
struct guest_memory_file {
        dev_t dev;
        ino_t ino;
};

/* Which one is it? Of a file that is not empty. stat(2) does not tell: overlayfs and btrfs give other
 * numbers there than in maps; so it is mapped for a moment and looked up. -errno. */
int guest_memory_file_of(int fd, struct guest_memory_file *ret);

/* files: one per node of the layout. -ENXIO when QEMU has one of them not mapped (yet), -ESRCH when it is
 * gone. */
int guest_memory_open(pid_t pid, const struct memory_layout *layout, const struct guest_memory_file *files,
                      struct guest_memory **ret, struct kt_error *reterr);
void guest_memory_free(struct guest_memory *m);

/* All or nothing is promised by neither. -EFAULT: not all memory; -EIO, -ESRCH: QEMU is gone. */
int guest_memory_read(const struct guest_memory *m, uint64_t gpa, void *buf, size_t size);
int guest_memory_write(const struct guest_memory *m, uint64_t gpa, const void *buf, size_t size);
