/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files and folders: reading whole, publishing atomically, walking, removing. All paths are the caller's;
 * all returned descriptors are CLOEXEC. Returns are 0 (or a count) or -errno. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* mkdir -p. Existing folders are left as they are. dir_fd AT_FDCWD allowed. */
int kt_mkdir_p(int dir_fd, const char *path, mode_t mode);

/* Read a whole regular or proc/sysfs file, at most max bytes (-EFBIG beyond). *ret is malloced and has a NUL
 * after its *ret_size bytes. */
int kt_read_file(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size);

/* read(2)/write(2)/pwrite(2) until done; a short read is -ENODATA. */
int kt_read_all(int fd, void *buf, size_t size);
int kt_write_all(int fd, const void *buf, size_t size);
int kt_pwrite_all(int fd, const void *buf, size_t size, uint64_t offset);

/* Publish data under dir_fd/name: temp file in the same folder, write, fsync, rename, fsync folder. Either
 * the old or the new content is there afterwards, also after a crash. The temp name starts with ".tmp-". */
int kt_publish_file(int dir_fd, const char *name, const void *data, size_t size, mode_t mode);

/* The same for what can be had again or is soon synced otherwise: a reader finds the old or the new content,
 * but after a crash of the machine perhaps neither. */
int kt_replace_file(int dir_fd, const char *name, const void *data, size_t size, mode_t mode);

/* Copy everything from the current offset of in to out (copy_file_range with fall-backs). -EFBIG when that
 * is more than max bytes, whatever size the file had at first; then no more than a piece beyond was written.
 */
int kt_copy_fd(int in, int out, uint64_t max, uint64_t *ret_bytes);

/* rm -rf below dir_fd/name, never following symlinks or crossing mounts (-EBUSY); what is not there is
 * removed. What can go goes, the first failure is returned. -ELOOP beyond 256 levels. */
int kt_remove_tree(int dir_fd, const char *name);

/* fsync a folder by descriptor or every file of a small tree. */
int kt_fsync_tree(int dir_fd);

/* a/b with exactly one slash. Malloced, NULL when memory is out. */
char *kt_path_join(const char *a, const char *b);

/* asprintf that returns the string or NULL. */
char *kt_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
