/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shape.h"

#include <assert.h>

static bool lacks(struct ktstr_ctx *ctx, unsigned has, unsigned wants, const char *what)
{
        if (has >= wants)
                return false;
        ktstr_skip(ctx, "needs %u %s, this guest has %u: give it a larger topology", wants, what, has);
        return true;
}

bool scenario_lacks_cpus(struct ktstr_ctx *ctx, unsigned n)
{
        return lacks(ctx, scenario_cpus(ctx), n, "CPUs besides the one that is left to the system");
}

bool scenario_lacks_llcs(struct ktstr_ctx *ctx, unsigned n)
{
        return lacks(ctx, ctx->topo->n_llcs, n, "LLCs");
}

bool scenario_lacks_nodes(struct ktstr_ctx *ctx, unsigned n)
{
        unsigned has = 0;

        for (unsigned i = 0; i < ctx->topo->n_nodes; i++)
                has += ktstr_cpus_count(&ctx->topo->nodes[i]) > 0;
        return lacks(ctx, has, n, "NUMA nodes with CPUs");
}

struct ktstr_cgroup *scenario_cgroups(unsigned n, const struct ktstr_cgroup *like)
{
        static struct ktstr_cgroup cgroups[SCENARIO_CGROUPS_MAX];

        assert(n <= SCENARIO_CGROUPS_MAX);
        for (unsigned i = 0; i < n; i++)
                cgroups[i] = *like;
        return cgroups;
}
