/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon: its loop, its listeners and everything that lives as long as it does. Start order is the order
 * of the fields; shutdown runs backwards: no new connections, no new calls, jobs end, guests end, writes
 * drain, handles close, the loop returns.
 */

#include <stdbool.h>
#include <uv.h>

#include "../common/error.h"
#include "../common/list.h"
#include "../proto/interfaces.h"
#include "accel.h"
#include "builds.h"
#include "config.h"
#include "job.h"
#include "kcache.h"
#include "metrics.h"
#include "pool.h"
#include "release_fetch.h"
#include "userland.h"

#define SERVER_CONNS_MAX 4096U
#define SERVER_CONNS_PER_UID_MAX 2048U
/* Bytes that one uid's connections may hold here, sent and not yet complete or not yet written. */
#define SERVER_BYTES_PER_UID_MAX (256U * 1024U * 1024U)

struct server {
        const struct config *config;
        uv_loop_t loop;
        uint64_t start_ms; /* uv_now at start */
        struct kt_interfaces *interfaces;
        struct kcache *kcache;
        struct userland userland;
        struct release_fetch *releases;
        int run_dir_fd; /* held: ours alone */

        bool accel_known;
        struct accel_report accel;
        struct kt_list accel_waiters; /* those of server_when_accel_known() */

        struct metrics metrics;
        struct template_store *templates; /* NULL: every guest boots cold */
        struct pool *pool;
        unsigned pumped_cpus;      /* that the pool was told of last */
        bool pool_empty;           /* it was stopped, and is */
        struct pressure *pressure; /* NULL: not watched */
        struct jobs jobs;
        struct builds builds;
        unsigned n_runs; /* that have not ended, or whose guest has not */

        struct listener *listener;
        struct kt_list conns, conns_ready; /* all; those whose next request waits for the loop's next turn */
        unsigned n_conns;

        uv_signal_t sigterm, sigint;
        uv_timer_t idle, notify, turn;
        unsigned told_running, told_queued; /* the last STATUS= */
        bool draining;                      /* no new jobs; exit when the last has ended */
        bool stopping;
        int exit_status;
};

/* Everything up and listening, or an error and nothing left. config outlives the server. */
int server_start(struct server *s, const struct config *config, struct kt_error *reterr);

/* Run until stopped. Returns the exit status. The loop is closed and all is freed afterwards. */
int server_run(struct server *s);

/* Begin the shutdown: cancels jobs, interrupts builds. Idempotent. */
void server_stop(struct server *s);

/* Finish the jobs that are there, then stop. */
void server_drain(struct server *s);

/* Does this uid hold more bytes than it may? Then an error that says so. */
int server_admit_bytes(struct server *s, uid_t uid, struct kt_error *reterr);

/* A job or a connection came or went: look whether the idle timer should run or a drain is complete, and
 * tell systemd. */
void server_changed(struct server *s);

/* For conn: one more, one less. -EBUSY with a text when a limit is reached. */
int server_admit(struct server *s, uid_t uid, struct kt_error *reterr);

/* Call known once the accelerators have been probed, now if they have: exactly once, also when the server
 * stops meanwhile. -ENOMEM. */
int server_when_accel_known(struct server *s, void (*known)(void *userdata), void *userdata);

/* Builds too. */
unsigned server_jobs_running(const struct server *s);
unsigned server_jobs_queued(const struct server *s);

const char *server_version(void);
/* Where clients find this daemon. Borrowed. */
const char *server_socket(const struct server *s);
