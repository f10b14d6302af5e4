/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a message to its handler: envelope, interface, parameters, permission; then the method's function. */

#include "call.h"

struct conn;

struct method {
        const char *name; /* "io.ktstrd.Job.Submit" */
        void (*handle)(struct call *call);
        bool owner_only;     /* only root and the daemon's own user */
        bool while_draining; /* still served when the daemon takes no more jobs */
};

/* All methods of a family; ended by a NULL name. */
extern const struct method methods_service[];
extern const struct method methods_daemon[];
extern const struct method methods_job[];
extern const struct method methods_kernel[];
extern const struct method methods_pool[];
extern const struct method methods_shell[];

/* Handle one message. Takes message and the fds (which may be none). Always ends in a reply,
 * now or later. */
void dispatch(struct conn *conn, struct json_object *message, char terminator, int *fds, size_t n_fds);

const struct method *dispatch_find(const char *name);
/* To iterate in tests: NULL after the last. */
const struct method *dispatch_at(size_t i);
