/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A test that runs on the host (.host_only): its program's body is started here, with us in the agent's
 * place (proto/bodymsg.h), no scheduler, and the host's own topology.
 *
 * A process of its own leads the conversation and says what comes of it as the daemon would, over a
 * connection: whoever follows jobs follows this one like any other. To close the connection is to cancel.
 */

#include "test_plan.h"

struct host_test_limits {
        int64_t duration_ms, timeout_ms; /* of its scenario; of the whole test */
        int64_t seed;                    /* -1: another each time */
};

/* Start it; *ret_fd is the connection. It is SIGKILLed with all of its process group when it does not end.
 */
int host_test_start(const struct test_cell *c, const struct host_test_limits *limits, int *ret_fd,
                    struct kt_error *reterr);
