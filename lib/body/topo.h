/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The machine's CPUs, caches and memory, as sysfs tells them. */

#include "../../common/error.h"
#include "../include/ktstr.h"

/* Fills *ret from the folder of a sysfs ("/sys"); to be released with topo_done(). -ENODEV: there is no list
 * of CPUs, with the file named; -ENOMEM. A machine whose sysfs tells of no caches is one LLC a NUMA node,
 * and one without nodes is one node. */
int topo_read(const char *sys, struct ktstr_topo *ret, struct kt_error *reterr);
void topo_done(struct ktstr_topo *t);

/* The cores of these CPUs, each a set of those that share it, in the order of their first; malloced. A CPU
 * of which sysfs does not tell is a core. -ENOMEM. */
int topo_read_cores(const char *sys, const struct ktstr_cpus *cpus, struct ktstr_cpus **ret,
                    unsigned *ret_n);

/* The nodes of these CPUs. */
struct ktstr_cpus topo_nodes_of(const struct ktstr_topo *t, const struct ktstr_cpus *cpus);

/*
 * Nodes are numbered as the topology has them, but for what the kernel reads and writes: these two are where
 * one becomes the other. A topology that was not read (node_ids NULL) has the kernel's numbers.
 */
/* These nodes, which have to be there, by the kernel's numbers. */
struct ktstr_cpus topo_to_kernel(const struct ktstr_topo *t, const struct ktstr_cpus *nodes);
/* The node that the kernel calls so; n_nodes: none. */
unsigned topo_from_kernel(const struct ktstr_topo *t, unsigned id);
