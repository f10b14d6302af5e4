/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One request: checked parameters and exactly one final reply.
 *
 * A handler either finishes the call before it returns, or keeps it (call_ref) and finishes it later. A call
 * whose client went away is orphaned: on_cancel runs once, replies are dropped silently; it must still be
 * finished to be freed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "../common/error.h"

struct conn;
struct server;
struct method;

struct call {
        struct conn *conn; /* NULL once orphaned */
        struct server *server;
        const struct method *method;
        struct json_object *message;    /* owned; keeps `parameters` alive */
        struct json_object *parameters; /* borrowed, checked against the interface; never NULL */
        bool more, oneway;
        char terminator;
        uid_t uid;
        gid_t gid;
        pid_t pid;
        int *fds; /* the descriptors that came with the message; owned; -1 once taken */
        size_t n_fds;

        /* set by handlers that keep the call; both optional, on the loop, never after the final reply */
        void (*on_cancel)(struct call *call);
        void (*on_drain)(struct call *call);
        void *userdata;

        unsigned refs;
        bool finished;
};

/* Takes json and fds. The call starts with one reference, which finishing it gives back. */
struct call *call_new(struct conn *conn, struct json_object *message, struct json_object *parameters);
struct call *call_ref(struct call *call);
void call_unref(struct call *call);

/* One of a stream: the request must have had `more`. Takes parameters. */
void call_send(struct call *call, struct json_object *parameters);
/* The final reply. Takes parameters (NULL: {}). Exactly one of these two, once. */
void call_reply(struct call *call, struct json_object *parameters);
void call_fail(struct call *call, const struct kt_error *err);

/* A short form of call_fail. */
void call_fail_text(struct call *call, const char *name, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

bool call_can_send(const struct call *call);

/* The client has gone. Called by conn only. */
void call_orphan(struct call *call);

/* Descriptor number i of the message; the caller owns it. -EBADF with the field's name when
 * there is none. */
int call_take_fd(struct call *call, int64_t index, const char *field, int *ret, struct kt_error *reterr);

/* May this caller act for uid: is it that user, root, or the daemon's own user? */
bool call_may_act_for(const struct call *call, uid_t uid);
