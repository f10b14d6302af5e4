/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the daemon listens and where the client looks: one answer for both programs. */

#include <stdbool.h>

#include "error.h"

#define KT_SOCKET_NAME "io.ktstrd"
#define KT_SYSTEM_RUNTIME_DIR "/run/ktstrd"

/*
 * The user's runtime folder: $XDG_RUNTIME_DIR/ktstrd, or /tmp/ktstrd-UID when that is unset. Created 0700
 * when create is set; refused (-EPERM) when it belongs to somebody else, is a symlink, or is open to others.
 * A private daemon serves one cache: when KTSTR_CACHE_DIR or XDG_CACHE_HOME is set, the folder gets a
 * sub-folder named by the first eight digits of the SHA-256 of the kernel cache's path.
 */
int kt_user_runtime_dir(bool create, char **ret, struct kt_error *reterr);

/* The kernel cache's root: KTSTR_CACHE_DIR verbatim, $XDG_CACHE_HOME/ktstr/kernels,
 * $HOME/.cache/ktstr/kernels. HOME unset, empty, "/" or relative is refused with a text that names
 * KTSTR_CACHE_DIR. */
int kt_cache_dir(char **ret, struct kt_error *reterr);

/* $XDG_STATE_HOME/ktstr or $HOME/.local/state/ktstr. */
int kt_state_dir(char **ret, struct kt_error *reterr);

/* Is somebody listening on this Unix socket? Connects and hangs up. */
bool kt_socket_alive(const char *path);
