/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mem_policy.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../cpus.h"
#include "topo.h"

enum nodes_rule { NODES_NONE, NODES_SOME, NODES_MAYBE };

/* The kernel's numbers, which its headers have only as far as they are new. */
static const struct {
        const char *name;
        int mode;
        enum nodes_rule nodes;
        const char *since;
} modes[] = {
        [KTSTR_MEM_DEFAULT] = {"default", 0, NODES_NONE, "2.6"},
        [KTSTR_MEM_PREFERRED] = {"preferred", 1, NODES_MAYBE, "2.6"},
        [KTSTR_MEM_BIND] = {"bind", 2, NODES_SOME, "2.6"},
        [KTSTR_MEM_INTERLEAVE] = {"interleave", 3, NODES_SOME, "2.6"},
        [KTSTR_MEM_LOCAL] = {"local", 4, NODES_NONE, "3.8"},
        [KTSTR_MEM_PREFERRED_MANY] = {"preferred many", 5, NODES_SOME, "5.15"},
        [KTSTR_MEM_WEIGHTED_INTERLEAVE] = {"weighted interleave", 6, NODES_SOME, "6.9"},
};

/* Its nodes as the kernel has them. */
static struct ktstr_cpus kernel_nodes(const struct ktstr_mem_policy *m, const struct ktstr_topo *topo,
                                      const struct ktstr_cpus *nodes)
{
        /* Those are counted among the nodes that it may use. */
        return m->flags & MPOL_F_RELATIVE_NODES ? *nodes : topo_to_kernel(topo, nodes);
}

int mem_policy_apply(const struct ktstr_mem_policy *m, const struct ktstr_topo *topo)
{
        struct ktstr_cpus nodes = {};

        if (m->mode == KTSTR_MEM_UNSET)
                return 0;
        if (m->nodes && !ktstr_cpus_parse(m->nodes, &nodes))
                return -EINVAL;
        nodes = kernel_nodes(m, topo, &nodes);
        /* The kernel reads one bit less than it is told. */
        if (syscall(SYS_set_mempolicy, modes[m->mode].mode | (int)m->flags, m->nodes ? nodes.bits : NULL,
                    m->nodes ? KTSTR_CPUS_MAX + 1 : 0) < 0)
                return -errno;
        return 0;
}

/* What it says itself, before the kernel is asked. */
static int check_nodes(const struct ktstr_mem_policy *m, const struct ktstr_topo *topo,
                       struct ktstr_cpus *ret, struct kt_error *reterr)
{
        const char *name = modes[m->mode].name;

        if (m->nodes && !ktstr_cpus_parse(m->nodes, ret))
                return kt_error_set(reterr, -EINVAL, NULL, "memory policy %s: '%s' is no list of nodes",
                                    name, m->nodes);
        if (modes[m->mode].nodes == NODES_SOME && ktstr_cpus_count(ret) == 0)
                return kt_error_set(reterr, -EINVAL, NULL, "memory policy %s wants nodes", name);
        if (modes[m->mode].nodes == NODES_NONE && m->nodes)
                return kt_error_set(reterr, -EINVAL, NULL, "memory policy %s has no nodes, got '%s'", name,
                                    m->nodes);
        for (unsigned node = topo->n_nodes; node < KTSTR_CPUS_MAX; node++)
                if (ktstr_cpus_has(ret, node))
                        return kt_error_set(reterr, -EINVAL, NULL,
                                            "memory policy %s: there is no node %u, but %u nodes", name,
                                            node, topo->n_nodes);
        return 0;
}

static int try_it(const struct ktstr_mem_policy *m, const struct ktstr_topo *topo, struct kt_error *reterr)
{
        int r = mem_policy_apply(m, topo);

        mem_policy_apply(&(struct ktstr_mem_policy){.mode = KTSTR_MEM_DEFAULT}, topo);
        if (r < 0)
                return kt_error_set(
                        reterr, r, NULL,
                        "this kernel refuses the memory policy %s (nodes %s, flags 0x%x): %s; it "
                        "has to be Linux %s or newer, with CONFIG_NUMA",
                        modes[m->mode].name, m->nodes ?: "none", m->flags, strerror(-r),
                        modes[m->mode].since);
        return 0;
}

int mem_policy_check(const struct ktstr_mem_policy *m, const struct ktstr_topo *topo,
                     const struct ktstr_cpus *nodes, struct kt_error *reterr)
{
        struct ktstr_cpus wanted = {};
        char has[128];
        int r;

        if (m->mode == KTSTR_MEM_UNSET)
                return 0;
        if ((unsigned)m->mode >= KT_ARRAY_SIZE(modes))
                return kt_error_set(reterr, -EINVAL, NULL, "there is no memory policy %d", (int)m->mode);
        r = check_nodes(m, topo, &wanted, reterr);
        if (r < 0)
                return r;
        if (m->mode == KTSTR_MEM_BIND && nodes && !cpus_within(&wanted, nodes))
                return kt_error_set(
                        reterr, -EINVAL, NULL,
                        "memory policy bind: its nodes %s are not covered by the cpuset's nodes %s",
                        m->nodes, ktstr_cpus_format(nodes, has, sizeof(has)));
        return try_it(m, topo, reterr);
}
