/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * A client of QEMU's machine protocol over a connected socket: greeting, capabilities, commands with
 * answers, events.
 *
 *   qmp_start()    greeting, capabilities      EOF, broken JSON, timeout       qmp_stop()
 *   ──────▶ GREETING ──────────────▶ READY ───────────────────────▶ FAILED ──────▶ CLOSING ──▶ (freed)
 *              └───────────────────────┴─────────── qmp_stop() ───────────────────────▲
 *
 * Any callback may call qmp_stop(). on_failed comes at most once; on_closed exactly once, last, after
 * qmp_stop(), and the client is freed when it returns. Every command has exactly one outcome: its answer, or
 * an error when the client fails or is stopped.
 */
/* clang-format on */

#include <json-c/json.h>
#include <uv.h>

#include "../common/error.h"

#define QMP_MESSAGE_MAX (1024U * 1024U)

struct qmp;

struct qmp_ops {
        /* commands may be sent now; version is "7.2.22" */
        void (*on_ready)(void *userdata, const char *version);
        /* data borrowed, NULL when the event has none */
        void (*on_event)(void *userdata, const char *name, struct json_object *data);
        /* the stream is of no further use: -EPIPE it was closed, -EBADMSG it is not QMP, -ETIMEDOUT no
         * answer */
        void (*on_failed)(void *userdata, const struct kt_error *err);
        void (*on_closed)(void *userdata);
};

/* answer borrowed, NULL on failure; err NULL on success. -EREMOTEIO: QEMU refused, with its words. */
typedef void (*qmp_reply_cb)(void *data, struct json_object *answer, const struct kt_error *err);

/* Takes fd on success. timeout_ms: from now to on_ready. On failure nothing is left but what closes at the
 * loop's next turn. */
int qmp_start(uv_loop_t *loop, int fd, unsigned timeout_ms, const struct qmp_ops *ops, void *userdata,
              struct qmp **ret, struct kt_error *reterr);

/* arguments is taken over (also on failure), NULL for none. cb may be NULL. On failure cb is not called. */
int qmp_execute(struct qmp *q, const char *command, struct json_object *arguments, unsigned timeout_ms,
                qmp_reply_cb cb, void *data);

/* Idempotent. The outcomes of pending commands (-ECANCELED) come before it returns, on_closed later. */
void qmp_stop(struct qmp *q);
