/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* On which nodes is the workers' memory? */
#include "check_internal.h"

/* What share of a cgroup's pages, against its limit: above it, or below it for one that is a floor. */
static void judge(struct checker *c, const struct kt_cgroup *g, uint64_t part, double limit,
                  const char *what)
{
        bool is_floor = c->threshold->kind == KT_THRESHOLD_MIN;
        double share;

        if (g->pages.total == 0)
                return;
        share = (double)part / (double)g->pages.total;
        if (is_floor ? share >= limit : share <= limit)
                check_saw(c, share, limit);
        else
                check_say(check_missed(c, KT_FAIL, share, limit),
                          "%s %.4f %s %.4f (%.64s, %llu of %llu pages)", what, share,
                          is_floor ? "below floor" : "exceeds limit", limit, g->name,
                          (unsigned long long)part, (unsigned long long)g->pages.total);
}

static void judge_locality(struct checker *c, const struct kt_cgroup *g, double floor)
{
        judge(c, g, g->pages.local, floor, "page locality");
}

static void say_locality(struct kt_check_result *r)
{
        check_say(r, "lowest page locality %.4f (floor %.4f)", r->value, r->threshold);
}

static void judge_migrated(struct checker *c, const struct kt_cgroup *g, double limit)
{
        judge(c, g, g->pages.migrated, limit, "cross-node migration ratio");
}

static void say_migrated(struct kt_check_result *r)
{
        check_say(r, "highest cross-node migration ratio %.4f (limit %.4f)", r->value, r->threshold);
}

static void judge_slow(struct checker *c, const struct kt_cgroup *g, double limit)
{
        judge(c, g, g->pages.slow, limit, "slow tier ratio");
}

static void say_slow(struct kt_check_result *r)
{
        check_say(r, "highest slow tier ratio %.4f (limit %.4f)", r->value, r->threshold);
}

const struct check checks_memory[] = {
        {"min_page_locality", judge_locality, say_locality,
         "page locality: no worker took a page of its own"},
        {"max_cross_node_migration_ratio", judge_migrated, say_migrated,
         "cross-node migration ratio: no worker took a page of its own"},
        {"max_slow_tier_ratio", judge_slow, say_slow, "slow tier ratio: no worker took a page of its own"},
};
const size_t checks_memory_n = KT_ARRAY_SIZE(checks_memory);
