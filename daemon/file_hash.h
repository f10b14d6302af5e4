/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The SHA-256 of files that are hashed again and again: the agent, busybox, a scheduler that is submitted a
 * hundred times. What was computed once is remembered by the file's inode, size and times, for the last
 * FILE_HASHES_MAX files. One that was changed less than a second ago is computed each time, since a change
 * right after would not show in its times.
 *
 * From any thread.
 */

#include "../common/sha256.h"

#define FILE_HASHES_MAX 64U

/* As kt_sha256_fd(). */
int file_hash(int fd, char ret_hex[KT_SHA256_HEX_SIZE]);
