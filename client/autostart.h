/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../common/error.h"

/* Start a private ktstrd that listens on socket_path, or wait for the one that another client is starting;
 * returns when it listens. Its log is dir/ktstrd.log. The program: $KTSTRD_BINARY, beside us in the build
 * tree, where it was installed, or on the PATH. */
int autostart(const char *dir, const char *socket_path, struct kt_error *reterr);
