/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which tests to run when there is time for some only (--budget SECONDS): those that together show the most
 * kinds of runs.
 *
 * A cell (a test, on a topology, under a kernel) has features, of 35:
 *   scheduler     4   one of them, by its name's hash
 *   test          4   likewise
 *   kernel        4   likewise, where there are several
 *   CPUs          5   <= 8, <= 16, <= 64, <= 128, more
 *   LLCs          5   1, 2, 3-4, 5-8, more
 *   NUMA nodes    4   1, 2, 3-4, more
 *   duration      3   <= 2 s, <= 10 s, more
 *   SMT, many workers (more than 4 a cgroup), expected error, payload, host only, gauntlet   1 each
 *
 * Of the cells that the rest of the budget is enough for, the one that adds the most features an estimated
 * second is taken, again and again; when none adds any, the shortest. Of equals the first in the list. So
 * the same list and budget give the same choice; the sum of the estimates is never above the budget; and
 * more time never covers fewer features. (A proof: where a larger budget makes a different choice, that cell
 * is one which the smaller budget is not enough for, at a rate at least as good as any in it; so it alone
 * has as many features as the whole smaller budget can add.)
 *
 * An estimate is the test's duration and what its guest takes besides, as if each had to be booted and ran
 * by itself. A template that is there, and jobs side by side, make it faster than that.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget_cell {
        /* set by the owner; strings are borrowed */
        const char *test;
        const char *scheduler; /* NULL: EEVDF */
        const char *kernel;    /* NULL where there is one alone */
        unsigned numa_nodes, llcs, cores, threads;
        unsigned workers; /* a cgroup */
        uint64_t duration_ms;
        bool expect_err, payload, host_only, gauntlet;

        /* set here */
        uint64_t estimate_ms, features;
        bool chosen;
};

struct budget {
        uint64_t budget_ms, used_ms;
        size_t n, n_chosen;
        unsigned n_features, n_covered; /* of all cells, and of those that were chosen */
        size_t shortest;                /* the first of the cells with the least estimate; n > 0 */
};

/*
 * What a guest with so many CPUs takes besides the workload, in ms: its boot, mostly. Emulated 2.5 s and 0.3
 * s a CPU (on two cores 3 s for 2 CPUs, 5 for 16, 21 for 64), with KVM 1 s and 25 ms a CPU.
 */
uint64_t budget_guest_ms(unsigned cpus, bool emulated);

/* Choose. emulated: the guests have no KVM. False: out of memory, nothing is chosen. */
bool budget_choose(struct budget_cell *cells, size_t n, uint64_t budget_ms, bool emulated,
                   struct budget *ret);

/* "ktstr budget: 42/1200 tests, 295/300s used, 38/38 configurations covered". Malloced; NULL: out of
 * memory. */
char *budget_line(const struct budget *b);
