/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the scenarios have in common. Each is written down as data: cgroups that are there throughout, and
 * steps that change something. Numbers come of the test (workers, duration) and of the topology, so that
 * each fits a guest of two CPUs and one of two hundred; what a guest is too small for is skipped, with why.
 *
 * All are checked with what the test has, but where a check says nothing about the scheduler by the
 * scenario's own design: those are turned off, and a comment at the scenario says why.
 */

#include "../include/ktstr.h"

#define RUN(ctx_, ...) ktstr_run_scenario(ctx_, &(const struct ktstr_scenario){__VA_ARGS__})
/* A whole scenario of one step: KTSTR_CGROUPS(…) for its time. */
#define THROUGHOUT KTSTR_STEPS({.hold = KTSTR_HOLD_FULL})
/* A part of a scenario in which nothing is done. */
#define WAIT(frac_)                                                                                         \
        {                                                                                                   \
                .hold = KTSTR_HOLD_FRAC(frac_)                                                              \
        }

/* Workers that do different things, or may use different CPUs, or came later than others, differ in the
 * share of time that they have. */
static const struct ktstr_checks scenario_unlike = {.max_spread_pct = KTSTR_NONE};
/* Workers that end after some milliseconds may not have had their first turn, nor a fair share. Who stands
 * still is told by the gap. */
static const struct ktstr_checks scenario_fleeting = {.not_starved = KTSTR_OFF,
                                                      .max_spread_pct = KTSTR_NONE};

/* n times what a cgroup has by default. */
static inline int scenario_workers(const struct ktstr_ctx *ctx, unsigned n)
{
        return (int)(n * ctx->workers);
}

/* CPUs that cpusets are made of. */
static inline unsigned scenario_cpus(const struct ktstr_ctx *ctx)
{
        return ktstr_cpus_count(&ctx->topo->usable);
}

/* A fraction of them, but never less than one. */
static inline double scenario_frac(const struct ktstr_ctx *ctx, double frac)
{
        const double one = 1.0 / scenario_cpus(ctx);

        return frac > one ? frac : one;
}

/* Between two of the changes of a loop: twenty in all, in a short test fewer, for what changes has to settle
 * for a moment to be seen to go wrong. */
static inline uint64_t scenario_beat_ms(const struct ktstr_ctx *ctx)
{
        const uint64_t beat = ctx->duration_ms / 20;

        return beat < 50 ? 50 : beat;
}

/* Between two changes that come as fast as can be. The body is real-time and has to let others run now and
 * then; and each cgroup that was there is in the verdict, so there may not be thousands. */
static inline uint64_t scenario_rush_ms(const struct ktstr_ctx *ctx)
{
        const uint64_t rush = ctx->duration_ms / 100;

        return rush < 20 ? 20 : rush;
}

/* One of two halves of the usable CPUs. */
static inline struct ktstr_cpuset scenario_half(unsigned i)
{
        return ktstr_cpuset_disjoint(i, 2);
}

/* Is the guest too small? Then it was said, and the test is to return KTSTR_SKIP. */
bool scenario_lacks_cpus(struct ktstr_ctx *ctx, unsigned n); /* of the usable ones */
bool scenario_lacks_llcs(struct ktstr_ctx *ctx, unsigned n);
bool scenario_lacks_nodes(struct ktstr_ctx *ctx, unsigned n); /* that have CPUs */

/* The most cgroups that a scenario makes at a time. */
#define SCENARIO_CGROUPS_MAX 256

/* So many cgroups, all as `like` (whose name is to be unset), in static memory that holds until the next
 * call; at most SCENARIO_CGROUPS_MAX. */
struct ktstr_cgroup *scenario_cgroups(unsigned n, const struct ktstr_cgroup *like);
