/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The socket that clients connect to: our own, or the one that systemd hands over. */

#include <stdbool.h>

#include "../common/error.h"

struct server;
struct listener;

/*
 * Listen on what systemd passed (LISTEN_FDS; the first, should there be more), else on path: made 0600, or
 * 0660 as root with the group "ktstr" if there is one. A socket file that nobody serves is replaced; a live
 * one is -EADDRINUSE. The file is removed again by listener_stop(), but one of systemd's is left.
 */
int listener_start(struct server *server, const char *path, struct listener **ret, struct kt_error *reterr);

/* Accept no more. Idempotent; NULL allowed. */
void listener_stop(struct listener *l);

/* Is somebody there who was not accepted yet? */
bool listener_is_asked(const struct listener *l);

/* Where clients find it, for status and log. */
const char *listener_path(const struct listener *l);
