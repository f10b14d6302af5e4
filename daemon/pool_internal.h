/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What these files share; nobody else includes this.
 *
 *   pool.c         shapes, what is to be done for them, the verbs for jobs
 *   pool_guest.c   one guest of the pool: from its start to being parked, taken or gone
 *   pool_measure.c what the guests that wait take of the host's memory
 *   pool_admin.c   the verbs for people: prime, drop, look
 */

#include "../common/list.h"
#include "pool.h"
#include "pool_policy.h"
#include "template_build.h"

struct pool {
        struct pool_params params;
        struct kt_list shapes;
        uv_timer_t timer;
        bool quiet; /* a job has the host to itself */
        bool stopping, timer_closed, told_empty;
        bool pumping, again;    /* pool_changed() is at it; it was called meanwhile */
        unsigned cpus_running;  /* as pool_pump() was told last */
        uint64_t hold_until_ms; /* short of memory until then */
        unsigned work;          /* workers that run for it */
        uint64_t next_id;
        uint64_t hits, misses;
};

struct pool_shape {
        struct kt_list link;
        struct pool *pool;
        struct shape *shape;
        const struct template *template; /* a reference, or NULL */
        struct template_build *build;
        bool build_dropped;    /* nobody wants to keep what comes of it */
        struct kt_list guests; /* struct pool_guest */
        struct kt_list waiters;
        struct pool_demand demand;
        double now;           /* its demand at the last look */
        unsigned primed;      /* guests that somebody asked to have ready; 0: as configured */
        unsigned cold_starts; /* jobs that booted for want of a template */
        unsigned granted;     /* of the last allotment */
        uint64_t used_ms;     /* when a job asked last, or 0 */
        uint64_t hits, misses;
        uint64_t each_bytes; /* PSS of the guest measured last, 0: none yet */

        unsigned failures;       /* in a row */
        unsigned clone_failures; /* in a row, of this template */
        unsigned idle_deaths;    /* of guests that waited, in a row: no job woke one between them */
        uint64_t retry_ms;
        char *reason;
};

struct pool_guest {
        struct kt_list link;
        struct pool_shape *of;
        struct guest *guest;
        bool parked, leaving;
        uint64_t id, start_ns, parked_ms, pss_bytes;
};

struct pool_waiter {
        struct kt_list link;
        struct pool *pool;
        unsigned idle;
        void (*done)(void *userdata, const struct kt_error *err);
        void *userdata;
};

/* --- pool.c --- */

struct pool_shape *pool_find(const struct pool *p, const char *key);

/* The shape, added if it is new; template: what is known of its template, or NULL. NULL: out of memory. */
struct pool_shape *pool_know(struct pool *p, struct shape *s, const struct template *template);

/* What is left to do after something happened. */
void pool_changed(struct pool *p);

/* Whoever waits for guests of it. For this, and for what may come to it, holds: pool_changed() is to be
 * called afterwards, and the shape is there until then. */
void pool_tell_all(struct pool_shape *ps, const struct kt_error *err);

/* A build or a guest of this shape failed: leave it alone for a while. */
void pool_shape_failed(struct pool_shape *ps, const char *what, const struct kt_error *err);

/* The same for a clone that did not wake: after some in a row its template is thrown away. */
void pool_shape_clone_failed(struct pool_shape *ps, const struct kt_error *err);

unsigned pool_shape_count(const struct pool_shape *ps, bool parked);

/* Its template is no good: nor are the guests that have their memory from there. What is on disk under its
 * name by now may be another. */
void pool_shape_forget_template(struct pool_shape *ps);

/* Without its template nothing can be cloned until it is built anew. */
void pool_shape_drop_template(struct pool_shape *ps);

uint64_t pool_now(const struct pool *p);

/* --- pool_guest.c --- */

int pool_guest_start(struct pool_shape *ps, struct kt_error *reterr);
void pool_guest_stop(struct pool_guest *pg);
/* Its guest is gone, or belongs to somebody else now. */
void pool_guest_release(struct pool_guest *pg);
