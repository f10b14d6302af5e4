/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Each scenario as data, on several topologies: what it defines and does is possible. Nothing is run: the
 * library's side of ktstr.h is played here.
 */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/scenario/scenarios.h"
#include "unit.h"

static const char *const names[] = {
#define X(func, name, summary) name,
#include "../../lib/include/scenarios.h"
#undef X
};

/* What is looked at, for a message. */
static struct {
        const char *scenario;
        char topology[32];
        unsigned workers, n_runs;
        char skip[256];
} now;

#define EXPECT(expr_, fmt_, ...)                                                                            \
        ck_assert_msg(expr_, "%s on %s, %u workers: " fmt_, now.scenario, now.topology,                     \
                      now.workers __VA_OPT__(, ) __VA_ARGS__)

/* --- the guest --- */

#define LLCS_MAX 16

static struct ktstr_cpus llcs[LLCS_MAX], nodes[LLCS_MAX];

static unsigned add_range(struct ktstr_cpus *set, unsigned from, unsigned n)
{
        for (unsigned cpu = from; cpu < from + n; cpu++)
                ktstr_cpus_add(set, cpu);
        return from + n;
}

static struct ktstr_topo topology(unsigned n_nodes, unsigned n_llcs, unsigned cores, unsigned threads)
{
        struct ktstr_topo t = {
                .n_llcs = n_llcs, .n_nodes = n_nodes, .llcs = llcs, .nodes = nodes, .threads = threads};
        const unsigned cpus = n_llcs * cores * threads;
        unsigned next = 0;

        memset(llcs, 0, sizeof(llcs));
        memset(nodes, 0, sizeof(nodes));
        add_range(&t.all, 0, cpus);
        add_range(&t.usable, 0, cpus > 2 ? cpus - 1 : cpus);
        for (unsigned i = 0; i < n_llcs; i++)
                next = add_range(&llcs[i], next, cores * threads);
        next = 0;
        for (unsigned i = 0; i < n_nodes; i++)
                next = add_range(&nodes[i], next, cpus / n_nodes);
        snprintf(now.topology, sizeof(now.topology), "%un%ul%uc%ut", n_nodes, n_llcs, cores, threads);
        return t;
}

void ktstr_cpus_add(struct ktstr_cpus *set, unsigned cpu)
{
        set->bits[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

unsigned ktstr_cpus_count(const struct ktstr_cpus *set)
{
        unsigned n = 0;

        for (unsigned i = 0; i < KTSTR_CPUS_MAX / 64; i++)
                n += (unsigned)__builtin_popcountll(set->bits[i]);
        return n;
}

enum ktstr_outcome ktstr_skip(struct ktstr_ctx *ctx, const char *fmt, ...)
{
        va_list ap;

        (void)ctx;
        va_start(ap, fmt);
        vsnprintf(now.skip, sizeof(now.skip), fmt, ap);
        va_end(ap);
        return KTSTR_SKIP;
}

/* --- the cgroups that are there --- */

#define THERE_MAX 512

struct there {
        char name[64];
        bool has_workers, of_step;
};

static struct there there[THERE_MAX];
static unsigned n_there;

static struct there *find(const char *name)
{
        for (unsigned i = 0; i < n_there; i++)
                if (strcmp(there[i].name, name) == 0)
                        return &there[i];
        return NULL;
}

static bool is_within(const char *name, const char *parent)
{
        const size_t len = strlen(parent);

        return strncmp(name, parent, len) == 0 && name[len] == '/';
}

static void check_cpuset(const struct ktstr_ctx *ctx, const struct ktstr_cpuset *set)
{
        const unsigned usable = ktstr_cpus_count(&ctx->topo->usable);

        switch (set->kind) {
        case KTSTR_CPUSET_UNSET:
        case KTSTR_CPUSET_ALL:
                break;
        case KTSTR_CPUSET_LLC:
                EXPECT(set->index < ctx->topo->n_llcs, "LLC %u", set->index);
                break;
        case KTSTR_CPUSET_NUMA:
                EXPECT(set->index < ctx->topo->n_nodes, "node %u", set->index);
                break;
        case KTSTR_CPUSET_RANGE:
                EXPECT(set->frac >= 0 && set->end_frac <= 1, "range %g to %g", set->frac, set->end_frac);
                EXPECT((set->end_frac - set->frac) * usable > 0.999, "a range of no CPU");
                break;
        case KTSTR_CPUSET_DISJOINT:
        case KTSTR_CPUSET_OVERLAP:
                EXPECT(set->index < set->of && set->of <= usable, "part %u of %u", set->index, set->of);
                break;
        case KTSTR_CPUSET_EXACT:
                EXPECT(strcmp(set->list, "0-1") == 0 && usable >= 2, "CPUs %s", set->list);
                break;
        }
}

static void check_affinity(const struct ktstr_ctx *ctx, const struct ktstr_affinity *affinity)
{
        check_cpuset(ctx, &affinity->cpus);
        if (affinity->kind == KTSTR_AFFINITY_RANDOM)
                EXPECT(affinity->count > 0, "no CPU to draw");
}

static unsigned divisor_of(const struct ktstr_work *work)
{
        switch (work->type) {
        case KTSTR_WORK_PIPE_IO:
        case KTSTR_WORK_FUTEX_PING_PONG:
        case KTSTR_WORK_CACHE_PIPE:
                return 2;
        case KTSTR_WORK_FUTEX_FAN_OUT:
        case KTSTR_WORK_FAN_OUT_COMPUTE:
                return (work->p[0] ? (unsigned)work->p[0] : 4) + 1;
        case KTSTR_WORK_MUTEX_CONTENTION:
                return work->p[0] ? (unsigned)work->p[0] : 4;
        default:
                return 1;
        }
}

static void check_group(const struct ktstr_ctx *ctx, int workers, const struct ktstr_work *work,
                        const struct ktstr_policy *policy, const struct ktstr_affinity *affinity)
{
        const unsigned n = workers ? (unsigned)workers : ctx->workers;

        EXPECT(workers >= 0 && n > 0 && n <= 1024, "%d workers", workers);
        EXPECT(n % divisor_of(work) == 0, "%u workers in teams of %u", n, divisor_of(work));
        /* It would starve what a BPF scheduler has. */
        if (policy->class == KTSTR_POLICY_FIFO || policy->class == KTSTR_POLICY_RR)
                EXPECT(work->type == KTSTR_WORK_BURSTY, "real-time work that does not sleep");
        check_affinity(ctx, affinity);
}

static void add(const struct ktstr_ctx *ctx, const struct ktstr_cgroup *def, unsigned index, bool of_step)
{
        struct there *t = &there[n_there];
        const char *slash;

        EXPECT(n_there < THERE_MAX, "too many cgroups");
        if (def->name)
                snprintf(t->name, sizeof(t->name), "%s", def->name);
        else
                snprintf(t->name, sizeof(t->name), "cg_%u", index);
        EXPECT(!find(t->name), "a second %s", t->name);
        t->has_workers = def->n_works > 0 || def->workers != KTSTR_NONE;
        t->of_step = of_step;
        slash = strrchr(t->name, '/');
        if (slash) {
                char parent[64] = "";
                struct there *p;

                memcpy(parent, t->name, (size_t)(slash - t->name));
                p = find(parent);
                EXPECT(p, "%s before what it is in", t->name);
                EXPECT(!p->has_workers, "workers in %s, which has others in it", parent);
        }
        n_there++;
        check_cpuset(ctx, &def->cpuset);
        for (unsigned i = 0; i < def->n_works; i++)
                check_group(ctx, def->works[i].workers, &def->works[i].work, &def->works[i].policy,
                            &def->works[i].affinity);
        if (def->n_works == 0 && t->has_workers)
                check_group(ctx, def->workers, &def->work, &def->policy, &def->affinity);
}

static void take_away(const char *name)
{
        struct there *t = find(name);

        EXPECT(t, "no %s to remove", name);
        for (unsigned i = 0; i < n_there; i++)
                EXPECT(!is_within(there[i].name, name), "%s goes before %s", name, there[i].name);
        *t = there[--n_there];
}

static void check_op(const struct ktstr_ctx *ctx, const struct ktstr_op *op)
{
        if (op->cgroup && op->kind != KTSTR_OP_REMOVE_CGROUP)
                EXPECT(find(op->cgroup), "no %s", op->cgroup);
        if (op->to)
                EXPECT(find(op->to), "no %s", op->to);
        switch (op->kind) {
        case KTSTR_OP_ADD_CGROUP:
                EXPECT(op->def.name, "one without a name");
                add(ctx, &op->def, 0, true);
                break;
        case KTSTR_OP_REMOVE_CGROUP:
                take_away(op->cgroup);
                break;
        case KTSTR_OP_SET_CPUSET:
                check_cpuset(ctx, &op->cpuset);
                break;
        case KTSTR_OP_SET_AFFINITY:
                check_affinity(ctx, &op->affinity);
                break;
        case KTSTR_OP_SPAWN:
        case KTSTR_OP_SPAWN_HOST:
                check_group(ctx, op->group.workers, &op->group.work, &op->group.policy, &op->group.affinity);
                break;
        case KTSTR_OP_CLEAR_CPUSET:
        case KTSTR_OP_SWAP_CPUSETS:
        case KTSTR_OP_MOVE_ALL_TASKS:
                break;
        default:
                ck_abort_msg("%s: operation %d", now.scenario, op->kind);
        }
}

static void end_step(void)
{
        unsigned kept = 0;

        for (unsigned i = 0; i < n_there; i++)
                if (!there[i].of_step)
                        there[kept++] = there[i];
        n_there = kept;
}

static double check_step(const struct ktstr_ctx *ctx, const struct ktstr_step *step, unsigned n_defined)
{
        const bool loop = step->hold.kind == KTSTR_HOLD_LOOP_;

        EXPECT(loop || step->hold.kind == KTSTR_HOLD_FRAC_, "a hold that does not go with the duration");
        if (loop)
                EXPECT(step->hold.interval_ms >= 20 && step->n_ops > 0, "a loop without rest, or use");
        for (int round = 0; round < (loop ? 3 : 1); round++)
                for (unsigned i = 0; i < step->n_ops; i++)
                        check_op(ctx, &step->ops[i]);
        for (unsigned i = 0; i < step->n_cgroups; i++)
                add(ctx, &step->cgroups[i], n_defined + i, true);
        EXPECT(n_there > 0, "nobody is there");
        end_step();
        return step->hold.frac;
}

enum ktstr_outcome ktstr_run_scenario(struct ktstr_ctx *ctx, const struct ktstr_scenario *s)
{
        double sum = 0;

        now.n_runs++;
        n_there = 0;
        for (unsigned i = 0; i < s->n_cgroups; i++)
                add(ctx, &s->cgroups[i], i, false);
        for (unsigned i = 0; i < s->n_steps; i++)
                sum += check_step(ctx, &s->steps[i], s->n_cgroups);
        EXPECT(sum > 0.999 && sum < 1.001, "its steps take %g of the duration", sum);
        return KTSTR_INCONCLUSIVE; /* what no scenario returns by itself */
}

/* --- the tests --- */

/* Returns how many of them skip. */
static unsigned go_through(struct ktstr_topo topo, unsigned workers, uint64_t duration_ms)
{
        struct ktstr_ctx ctx = {.topo = &topo, .workers = workers, .duration_ms = duration_ms};
        unsigned skipped = 0;

        now.workers = workers;
        for (size_t i = 0; i < KT_ARRAY_SIZE(names); i++) {
                enum ktstr_outcome outcome;

                now.scenario = names[i];
                now.n_runs = 0;
                now.skip[0] = '\0';
                outcome = ktstr_scenario_find(names[i])->func(&ctx);
                if (outcome == KTSTR_SKIP) {
                        EXPECT(now.n_runs == 0 && strncmp(now.skip, "needs ", 6) == 0, "skips: %s",
                               now.skip);
                        skipped++;
                } else
                        EXPECT(outcome == KTSTR_INCONCLUSIVE && now.n_runs == 1 && !now.skip[0],
                               "outcome %d of %u runs", outcome, now.n_runs);
        }
        return skipped;
}

START_TEST(where_there_is_room_each_does_what_can_be_done)
{
        static const unsigned workers[] = {1, 2, 3, 8};

        for (size_t i = 0; i < KT_ARRAY_SIZE(workers); i++) {
                ck_assert_uint_eq(go_through(topology(2, 2, 2, 1), workers[i], 5000), 1);
                ck_assert_uint_eq(go_through(topology(2, 4, 4, 2), workers[i], 100), 0);
                ck_assert_uint_eq(go_through(topology(4, 12, 8, 2), workers[i], 60000), 0);
                ck_assert_uint_eq(go_through(topology(1, 14, 18, 1), workers[i], 5000), 1);
        }
}
END_TEST

START_TEST(few_need_more_than_the_default_guest_and_most_no_more_than_one_cpu)
{
        const unsigned n = KT_ARRAY_SIZE(names);

        ck_assert_uint_eq(n, 62);
        ck_assert_uint_le(go_through(topology(1, 1, 2, 1), 2, 5000), 4);
        ck_assert_uint_le(go_through(topology(1, 1, 1, 1), 2, 5000), n / 2);
}
END_TEST

START_TEST(names_are_unique_and_summaries_of_one_line)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(names); i++) {
                const struct ktstr_scenario_entry *entry = ktstr_scenario_find(names[i]);

                ck_assert_uint_lt(strlen(entry->summary), 70);
                ck_assert_ptr_null(strchr(entry->summary, '\n'));
                /* The first of that name. */
                for (size_t j = 0; j < i; j++)
                        ck_assert_str_ne(names[i], names[j]);
        }
        ck_assert_ptr_null(ktstr_scenario_find("stead"));
        ck_assert_ptr_null(ktstr_scenario_find(""));
}
END_TEST

UNIT_MAIN("scenarios", where_there_is_room_each_does_what_can_be_done,
          few_need_more_than_the_default_guest_and_most_no_more_than_one_cpu,
          names_are_unique_and_summaries_of_one_line)
