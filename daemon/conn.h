/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One client: its socket, who it is, what it has sent and what is still to be written to it.
 *
 * Requests of one connection are answered in order, one at a time: while a call is open nothing more is
 * read, so a client that pipelines is held back by its own socket buffer. A client that closes is the cancel
 * signal for its open call; one that only shuts down its writing half (nc -N) still gets its answer.
 *
 * Descriptors are received with recvmsg (uv_pipe passes handles, not files) and queued; a message takes from
 * the front of the queue as many as the highest index in its fields named `…_fd`.
 *
 * Lifetime: conn_start() to the close callback of its poll handle; the server's list holds it. Everything
 * runs on the loop.
 */

#include <sys/socket.h>
#include <uv.h>

#include "../common/list.h"

struct server;
struct call;
struct conn;
struct json_object;

/* Takes fd on success only. */
int conn_start(struct server *server, int fd, struct conn **ret);

/* Close: orphans the open call (its cancel hook runs), drops unwritten bytes. Idempotent. */
void conn_stop(struct conn *c);

/* Queue one message. Takes json. Drops it silently when the connection is closing. -EPIPE tells so. */
int conn_send(struct conn *c, struct json_object *json, char terminator);

/* Is there room for another stream message? When not, the open call's on_drain hook runs once there is. */
bool conn_can_send(const struct conn *c);

/* Register the open call; there is none yet. Borrowed: the call says when it is done. */
void conn_open_call(struct conn *c, struct call *call);

/* The open call is finished: the next request is taken when the loop comes round, so that nothing happens in
 * here. */
void conn_call_done(struct conn *c);

/* Bytes of memory for what was received and is not yet handled, and bytes not yet written. */
size_t conn_held_bytes(const struct conn *c);

const struct ucred *conn_peer(const struct conn *c);
struct server *conn_server(const struct conn *c);
struct conn *conn_from_link(struct kt_list *link);
