/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls over the daemon's socket: blocking, one at a time. */

#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>

#include "../common/error.h"
#include "../proto/codec.h"

/* The most descriptors that one message can bring (SCM_MAX_FD in the kernel). */
#define RPC_FDS_MAX 253U

/* What a person has typed for a parameter. */
struct rpc_name {
        const char *parameter, *typed;
};

struct rpc {
        int fd;
        struct kt_wire_decoder *decoder;
        const struct rpc_name *names; /* for errors, up to an empty one; NULL: the parameters' own */
        bool private;                 /* with the user's own daemon, which is started anew when it is gone */
        /* Called every tick_ms while rpc_receive() waits; NULL: never. */
        void (*on_tick)(void *userdata);
        void *tick_data;
        int tick_ms;
        /* The signal mask while rpc_receive() waits, so that signals blocked elsewhere cannot slip in before
         * it; NULL: as it is. */
        const sigset_t *wait_mask;
};

/* Takes fd. */
int rpc_init(struct rpc *r, int fd, struct kt_error *reterr);
void rpc_done(struct rpc *r);

/* Send a call with descriptors (borrowed; all go with its first byte). Takes parameters. */
int rpc_send(struct rpc *r, const char *method, struct json_object *parameters, bool more, const int *fds,
             size_t n_fds, struct kt_error *reterr);

/*
 * The next reply: its parameters (owned by the caller; may be NULL) and whether more come. An error reply is
 * its -errno with the wire name and the daemon's message in *reterr. -EINTR when a signal came first
 * (nothing lost), -ECONNRESET when the daemon is gone.
 */
int rpc_receive(struct rpc *r, struct json_object **ret, bool *ret_continues, struct kt_error *reterr);

/* The same without waiting: 1 and a reply, 0 when there is none yet. For who polls several. */
int rpc_receive_ready(struct rpc *r, struct json_object **ret, bool *ret_continues, struct kt_error *reterr);

/* A whole simple call. */
int rpc_call(struct rpc *r, const char *method, struct json_object *parameters, struct json_object **ret,
             struct kt_error *reterr);
