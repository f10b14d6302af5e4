/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Finding the daemon, in this order: --socket, KTSTRD_SOCKET, the system's socket if somebody listens, the
 * user's; and failing all of these a private daemon is started there, unless --no-autostart. A socket that
 * was named and is dead is an error: nothing else was asked for.
 */

#include "rpc.h"
#include "verb.h"

int client_connect(const struct globals *g, struct rpc *ret, struct kt_error *reterr);

/* connect, or tell why not on stderr ("ktstrctl: VERB: …") and return the exit status in *ret_status. */
bool client_connect_or_tell(const struct verb *v, const struct globals *g, struct rpc *ret, int *ret_status);

/* Tell an error of the verb on stderr, in one line; returns the exit status for it. */
int client_tell(const struct verb *v, const struct kt_error *err);
