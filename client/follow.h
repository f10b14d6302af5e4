/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A build goes on as the same job when its private daemon is gone: with another, which is started for it.
 * That takes a while and more than one try. A daemon that was killed hangs up before it has closed all the
 * rest, so that its socket may still take a connection that nobody serves, and its build may still be locked
 * when the next one looks for it. So this is tried again for some time, which ends with the first event; a
 * second daemon that goes away is not replaced, for it may be the build that kills it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "watch.h"

struct follow {
        const struct watch *watch;
        int64_t until_ms;  /* 0: the first daemon is there */
        unsigned pause_ms; /* before the next try */
        bool told_waiting, over;
};

/*
 * The stream of the job has ended with *err. True: it is one that goes on, and its stream has begun anew on
 * *rpc; *err is done. False: *err is to be told, and when an interrupt came first it says so. Blocks, but
 * for interrupts.
 */
bool follow_on(struct follow *f, struct rpc *rpc, const char *job, struct kt_error *err);

/* Is there no event yet of the one that goes on? Then nobody can be asked to cancel it. */
bool follow_waits(const struct follow *f);

/* There is an event. */
void follow_arrived(struct follow *f);
