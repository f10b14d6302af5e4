/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the wake-ups of many workers come to. */
#include <stdlib.h>

#include "../../lib/body/wakes.h"
#include "unit.h"

#define N 128U

static struct kt_wakes wakes_of(unsigned n, uint64_t (*ns)(unsigned worker, unsigned wake))
{
        struct group group = {};
        struct group_crew crew = {.home = &group};
        struct kt_wakes wakes;

        kt_list_init(&group.crews);
        kt_list_append(&group.crews, &crew.link);
        crew.crew.n = n;
        crew.crew.counters = calloc(n, sizeof(*crew.crew.counters));
        ck_assert_ptr_nonnull(crew.crew.counters);
        for (unsigned i = 0; i < n; i++) {
                struct ktstr_worker w = {.counters = &crew.crew.counters[i], .index = i};

                for (unsigned k = 0; k < WORKER_WAKES_MAX; k++)
                        ktstr_worker_wake_latency(&w, ns(i, k));
        }
        ck_assert_int_eq(wakes_of_group(&group, &wakes), 0);
        free(crew.crew.counters);
        return wakes;
}

static uint64_t late_in_the_second_half(unsigned worker, unsigned wake)
{
        return wake < WORKER_WAKES_MAX / 2 ? 1000 : 9000;
}

START_TEST(of_many_workers_all_times_count_alike)
{
        struct kt_wakes w = wakes_of(N, late_in_the_second_half);

        ck_assert_uint_eq(w.count, N * WORKER_WAKES_MAX);
        ck_assert_uint_eq(w.p99_ns, 9000);
        /* Half and half: 4000 from the mean of 5000. */
        ck_assert_double_eq_tol(w.cv, 0.8, 0.01);
}
END_TEST

static uint64_t late_once(unsigned worker, unsigned wake)
{
        return worker == N - 1 && wake == WORKER_WAKES_MAX - 1 ? 50000 : 1000;
}

START_TEST(the_longest_is_of_all_and_not_of_a_draw)
{
        struct kt_wakes w = wakes_of(N, late_once);

        ck_assert_uint_eq(w.p99_ns, 1000);
        ck_assert_uint_eq(w.max_ns, 50000);
}
END_TEST

UNIT_MAIN("wakes", of_many_workers_all_times_count_alike, the_longest_is_of_all_and_not_of_a_draw)
