/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "topo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../../common/fsutil.h"
#include "../cpus.h"

#define FILE_MAX_BYTES 65536

/* A file's text without its line break; NULL when it is not there. */
static char *read_text(const char *sys, const char *name)
{
        _cleanup_free_ char *path = kt_path_join(sys, name);
        char *text;
        size_t size;

        if (!path || kt_read_file(AT_FDCWD, path, FILE_MAX_BYTES, &text, &size) < 0)
                return NULL;
        text[strcspn(text, "\n")] = '\0';
        return text;
}

static bool read_cpus(const char *sys, const char *name, struct ktstr_cpus *ret)
{
        _cleanup_free_ char *text = read_text(sys, name);

        return text && ktstr_cpus_parse(text, ret);
}

/* Those that share this CPU's last cache: of the highest level, not for instructions alone. */
static bool last_cache(const char *sys, unsigned cpu, struct ktstr_cpus *ret)
{
        int highest = 0;

        for (unsigned i = 0;; i++) {
                _cleanup_free_ char *base = kt_format("devices/system/cpu/cpu%u/cache/index%u", cpu, i);
                _cleanup_free_ char *level_file = base ? kt_path_join(base, "level") : NULL;
                _cleanup_free_ char *type_file = base ? kt_path_join(base, "type") : NULL;
                _cleanup_free_ char *list_file = base ? kt_path_join(base, "shared_cpu_list") : NULL;
                _cleanup_free_ char *level = level_file ? read_text(sys, level_file) : NULL;
                _cleanup_free_ char *type = type_file ? read_text(sys, type_file) : NULL;
                struct ktstr_cpus cpus;

                if (!level || !type || !list_file)
                        break;
                if (strcmp(type, "Instruction") == 0 || atoi(level) <= highest ||
                    !read_cpus(sys, list_file, &cpus))
                        continue;
                highest = atoi(level);
                *ret = cpus;
        }
        return highest > 0;
}

/* What is not in another set of the array yet becomes one more. */
static int append(struct ktstr_cpus **sets, unsigned *n, const struct ktstr_cpus *set)
{
        struct ktstr_cpus *grown = reallocarray(*sets, *n + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        grown[(*n)++] = *set;
        *sets = grown;
        return 0;
}

static bool in_one_of(const struct ktstr_cpus *sets, unsigned n, unsigned cpu)
{
        for (unsigned i = 0; i < n; i++)
                if (ktstr_cpus_has(&sets[i], cpu))
                        return true;
        return false;
}

static int read_nodes(const char *sys, const struct ktstr_cpus *all, const struct ktstr_cpus *online,
                      struct ktstr_cpus **ret, unsigned *ret_n)
{
        int r = 0;

        for (unsigned node = 0; node < KTSTR_CPUS_MAX && r >= 0; node++) {
                _cleanup_free_ char *name = kt_format("devices/system/node/node%u/cpulist", node);
                struct ktstr_cpus cpus = {};

                if (!ktstr_cpus_has(online, node))
                        continue;
                if (name && read_cpus(sys, name, &cpus))
                        cpus = cpus_and(&cpus, all);
                r = append(ret, ret_n, &cpus);
        }
        return r;
}

/* The numbers of a set, ascending; malloced. */
static unsigned *list_numbers(const struct ktstr_cpus *set)
{
        unsigned *numbers = calloc(ktstr_cpus_count(set), sizeof(*numbers)), n = 0;

        for (unsigned i = 0; numbers && i < KTSTR_CPUS_MAX; i++)
                if (ktstr_cpus_has(set, i))
                        numbers[n++] = i;
        return numbers;
}

/* The nodes of a kernel without NUMA: one, of all CPUs. */
static int take_nodes(const char *sys, struct ktstr_topo *t)
{
        struct ktstr_cpus online, *nodes = NULL;
        int r;

        if (read_cpus(sys, "devices/system/node/online", &online) && ktstr_cpus_count(&online) > 0) {
                r = read_nodes(sys, &t->all, &online, &nodes, &t->n_nodes);
        } else {
                online = (struct ktstr_cpus){.bits = {1}};
                r = append(&nodes, &t->n_nodes, &t->all);
        }
        t->nodes = nodes;
        t->node_ids = list_numbers(&online);
        return r < 0 ? r : t->node_ids ? 0 : -ENOMEM;
}

/* Where there are no caches to be seen: the CPU's node. */
static struct ktstr_cpus node_of(const struct ktstr_cpus *nodes, unsigned n, unsigned cpu)
{
        struct ktstr_cpus alone = {};

        for (unsigned i = 0; i < n; i++)
                if (ktstr_cpus_has(&nodes[i], cpu))
                        return nodes[i];
        ktstr_cpus_add(&alone, cpu);
        return alone;
}

static int read_llcs(const char *sys, const struct ktstr_topo *t, struct ktstr_cpus **ret, unsigned *ret_n)
{
        int r = 0;

        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX && r >= 0; cpu++) {
                struct ktstr_cpus cpus;

                if (!ktstr_cpus_has(&t->all, cpu) || in_one_of(*ret, *ret_n, cpu))
                        continue;
                if (!last_cache(sys, cpu, &cpus))
                        cpus = node_of(t->nodes, t->n_nodes, cpu);
                cpus = cpus_and(&cpus, &t->all);
                r = append(ret, ret_n, &cpus);
        }
        return r;
}

static bool read_siblings(const char *sys, unsigned cpu, struct ktstr_cpus *ret)
{
        _cleanup_free_ char *name = kt_format("devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);

        return name && read_cpus(sys, name, ret);
}

static unsigned read_threads(const char *sys, const struct ktstr_cpus *all)
{
        unsigned most = 1;

        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX; cpu++) {
                struct ktstr_cpus siblings;

                if (!ktstr_cpus_has(all, cpu) || !read_siblings(sys, cpu, &siblings))
                        continue;
                most = ktstr_cpus_count(&siblings) > most ? ktstr_cpus_count(&siblings) : most;
        }
        return most;
}

int topo_read_cores(const char *sys, const struct ktstr_cpus *cpus, struct ktstr_cpus **ret, unsigned *ret_n)
{
        struct ktstr_cpus *cores = NULL;
        unsigned n = 0;
        int r = 0;

        for (unsigned cpu = 0; cpu < KTSTR_CPUS_MAX && r >= 0; cpu++) {
                struct ktstr_cpus core = {};

                if (!ktstr_cpus_has(cpus, cpu) || in_one_of(cores, n, cpu))
                        continue;
                if (!read_siblings(sys, cpu, &core))
                        core = (struct ktstr_cpus){};
                core = cpus_and(&core, cpus);
                ktstr_cpus_add(&core, cpu);
                r = append(&cores, &n, &core);
        }
        if (r < 0) {
                free(cores);
                return r;
        }
        *ret = cores;
        *ret_n = n;
        return 0;
}

int topo_read(const char *sys, struct ktstr_topo *ret, struct kt_error *reterr)
{
        struct ktstr_cpus *llcs = NULL;
        struct ktstr_topo t = {};
        int r;

        if (!read_cpus(sys, "devices/system/cpu/online", &t.all) || ktstr_cpus_count(&t.all) == 0)
                return kt_error_set(reterr, -ENODEV, NULL,
                                    "%s/devices/system/cpu/online has no list of CPUs", sys);
        t.usable = t.all;
        if (ktstr_cpus_count(&t.all) > 2)
                cpus_remove(&t.usable, cpus_nth(&t.all, ktstr_cpus_count(&t.all) - 1));
        t.threads = read_threads(sys, &t.all);
        r = take_nodes(sys, &t);
        if (r >= 0)
                r = read_llcs(sys, &t, &llcs, &t.n_llcs);
        t.llcs = llcs;
        if (r < 0) {
                topo_done(&t);
                return kt_error_set(reterr, r, NULL, "cannot read the topology: %s", strerror(-r));
        }
        *ret = t;
        return 0;
}

void topo_done(struct ktstr_topo *t)
{
        free((void *)t->nodes);
        free((void *)t->node_ids);
        free((void *)t->llcs);
        *t = (struct ktstr_topo){};
}

struct ktstr_cpus topo_nodes_of(const struct ktstr_topo *t, const struct ktstr_cpus *cpus)
{
        struct ktstr_cpus nodes = {};

        for (unsigned node = 0; node < t->n_nodes; node++) {
                struct ktstr_cpus both = cpus_and(&t->nodes[node], cpus);

                if (ktstr_cpus_count(&both) > 0)
                        ktstr_cpus_add(&nodes, node);
        }
        return nodes;
}

struct ktstr_cpus topo_to_kernel(const struct ktstr_topo *t, const struct ktstr_cpus *nodes)
{
        struct ktstr_cpus ids = {};

        for (unsigned node = 0; node < t->n_nodes; node++)
                if (ktstr_cpus_has(nodes, node))
                        ktstr_cpus_add(&ids, t->node_ids ? t->node_ids[node] : node);
        return ids;
}

unsigned topo_from_kernel(const struct ktstr_topo *t, unsigned id)
{
        unsigned node = 0;

        while (node < t->n_nodes && (t->node_ids ? t->node_ids[node] : node) != id)
                node++;
        return node;
}
