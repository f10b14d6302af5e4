/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where things are that nobody named. */

#include "config.h"

/* Folders and socket: systemd's *_DIRECTORY for a service; a user's folders otherwise. */
int config_fill_folders(struct config *c, struct kt_error *reterr);

/* QEMU, and our own programs: in the build folder that this one runs from, else where they are installed.
 * busybox_path stays NULL where there is no static busybox. -ENOMEM. */
int config_fill_programs(struct config *c);
