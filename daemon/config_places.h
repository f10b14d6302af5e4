/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where things are that nobody named. */

#include "config.h"

/* systemd's *_DIRECTORY for a service; a user's folders otherwise. */
int config_fill_folders(struct config *c, struct kt_error *reterr);

/* The socket and the guests' scratch beside it, in the same way. Makes a user's runtime folder. */
int config_fill_socket(struct config *c, struct kt_error *reterr);

/* Our own programs: in the build folder that this one runs from, else where they are installed. busybox_path
 * stays NULL where there is no static busybox. -ENOMEM. */
int config_fill_programs(struct config *c);
