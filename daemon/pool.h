/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * The pool: for each shape that is in demand a template, and guests of it that are parked and wait for a job.
 *
 *   nothing ──build──▶ template ──clone, park──▶ idle guest ──pool_take()──▶ the job's
 *
 * A shape comes in with its first job (or by being primed) and is let go when it has not been asked for in a while
 * (pool_policy.h). Building and parking happen in the background: only while the CPUs that jobs leave free suffice, so
 * never in the way of one that runs. A shape whose guests fail is left alone for a while, longer each time; its jobs boot
 * cold meanwhile. A template of which clones do not wake is thrown away and built anew.
 *
 * Lives on the loop. Idle, it has one timer at most, set to when the next shape is to be let go.
 */
/* clang-format on */

#include "guest.h"
#include "kcache.h"
#include "metrics.h"
#include "template_store.h"

struct pool;

struct pool_params {
        uv_loop_t *loop;
        struct template_store *store; /* NULL: no templates and no pool, all calls do nothing */
        struct kcache *kcache;
        struct metrics *metrics;
        const char *qemu_path, *exec_helper, *run_dir;
        unsigned host_cpus;
        unsigned idle, max;    /* guests: ready per shape, ready in all */
        uint64_t memory_bytes; /* that idle guests may take together (PSS) */
        uint64_t half_life_ms; /* of demand */
        unsigned rehearsals;   /* of each before it waits; under tcg what they translate takes 15 MB */
        unsigned hold_ms;      /* pool_shrink()'s; 0: POOL_PRESSURE_HOLD_MS */
        void (*on_empty)(void *userdata); /* after pool_stop(), once: nothing of it is left running */
        void *userdata;
};

/* Borrowed parts of params outlive the pool. */
int pool_new(const struct pool_params *params, struct pool **ret, struct kt_error *reterr);

/* Stop all guests and builds; on_empty follows, perhaps at once. Idempotent. */
void pool_stop(struct pool *p);
/* After on_empty. NULL allowed. */
void pool_free(struct pool *p);

/*
 * A job of this shape begins: it counts as demand. template (may be NULL) is what the store has for it. Each
 * is followed by one pool_end().
 */
void pool_begin(struct pool *p, struct shape *s, const struct template *t);
void pool_end(struct pool *p, struct shape *s);

/* A guest that waits, adopted with these (guest_adopt()): PARKED. NULL when there is none. Counts as hit or
 * miss. */
struct guest *pool_take(struct pool *p, const struct shape *s, const struct guest_ops *ops, void *userdata,
                        const char *console_path);

/* A clone (taken or started by the job itself) woke, or did not: err says why. */
void pool_clone_woke(struct pool *p, const struct shape *s);
void pool_clone_failed(struct pool *p, const struct shape *s, const struct kt_error *err);

/* Host CPUs that the jobs that run keep busy. Does what can be done now: call it whenever that number
 * changes. */
void pool_pump(struct pool *p, unsigned cpus_running);

/* A job has the host to itself: what is being made is given up, and nothing is made until it has not any
 * more. Guests that wait are left alone: they do nothing. */
void pool_quiet(struct pool *p, bool quiet);

/* The host is short of memory: give up half of the idle guests, and make none, nor a template, for
 * POOL_PRESSURE_HOLD_MS. */
#define POOL_PRESSURE_HOLD_MS 30000U
void pool_shrink(struct pool *p);

/* --- for people --- */

/* Wait until `idle` guests of a shape are ready; counts as demand, and as many are kept ready while that
 * lasts. done comes exactly once, possibly at once, and not after pool_unwait(); err NULL: ready; KT_E_BUSY:
 * beside the others not as many may be. */
struct pool_waiter;
int pool_prime(struct pool *p, struct shape *s, const struct template *t, unsigned idle,
               void (*done)(void *userdata, const struct kt_error *err), void *userdata,
               struct pool_waiter **ret, struct kt_error *reterr);
void pool_unwait(struct pool_waiter *w);

/* Stop the idle guests and builds of the shapes that match, and forget their demand; templates too: also
 * remove their templates. text: a shape's text, its topology or its kernel's key; NULL: all. Returns how
 * many shapes matched. */
unsigned pool_drop(struct pool *p, const char *text, bool templates);

/* The same, templates too, for the kernels that were taken out of the cache since the last time: nobody can
 * ask for their guests any more. pool_pump() does it as well. */
void pool_drop_removed(struct pool *p);

/* Look anew what each idle guest takes of memory; done (may be NULL) comes once, unless this fails. */
int pool_measure(struct pool *p, void (*done)(void *userdata), void *userdata);

enum pool_template_state {
        POOL_TEMPLATE_NONE,
        POOL_TEMPLATE_BUILDING,
        POOL_TEMPLATE_READY,
        POOL_TEMPLATE_FAILED, /* and left alone for now */
};

/* One shape, for a listing. Strings borrowed until the loop's next turn. */
struct pool_view {
        const struct shape *shape;
        enum pool_template_state template;
        int64_t template_built_us, template_build_ms; /* 0: unknown */
        unsigned idle, building, want;
        uint64_t hits, misses;
        double demand;
        uint64_t unused_ms;      /* since a job asked for it last */
        uint64_t oldest_idle_ms; /* 0: none */
        uint64_t memory_bytes;   /* PSS of its idle guests */
        unsigned failures;       /* in a row */
        const char *reason;      /* of the last failure, NULL */
        uint64_t retry_ms;       /* from now */
};

/* Calls for each shape, the one in most demand first. */
void pool_look(const struct pool *p, void (*each)(void *userdata, const struct pool_view *view),
               void *userdata);

struct pool_totals {
        unsigned shapes, idle, building;
        uint64_t hits, misses, memory_bytes;
        unsigned failing;   /* shapes that are left alone */
        const char *reason; /* of one of these, NULL. Borrowed as above */
        bool held;          /* short of memory */
};

void pool_sum(const struct pool *p, struct pool_totals *ret);
