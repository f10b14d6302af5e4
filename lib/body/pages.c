/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pages.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../../common/fsutil.h"
#include "topo.h"

#define FILE_MAX_BYTES (16U << 20)

/* One mapping: "ADDRESS POLICY anon=5 N0=3 N1=2 kernelpagesize_kB=4". */
static void count_line(const char *line, size_t size, const struct ktstr_topo *topo,
                       const struct ktstr_cpus *nodes, struct kt_pages *p)
{
        const char *kb = memmem(line, size, "kernelpagesize_kB=", 18);
        unsigned long long scale = kb ? strtoull(kb + 18, NULL, 10) / 4 : 1;

        for (const char *at = line; (at = memmem(at, (size_t)(line + size - at), " N", 2)); at += 2) {
                unsigned long long n;
                unsigned id, node;

                if (sscanf(at, " N%u=%llu", &id, &n) != 2)
                        continue;
                node = topo_from_kernel(topo, id);
                n *= scale ?: 1;
                p->total += n;
                if (ktstr_cpus_has(nodes, node))
                        p->local += n;
                if (node < topo->n_nodes && ktstr_cpus_count(&topo->nodes[node]) == 0)
                        p->slow += n;
        }
}

void pages_count(const char *numa_maps, const struct ktstr_topo *topo, const struct ktstr_cpus *nodes,
                 struct kt_pages *p)
{
        while (*numa_maps) {
                size_t size = strcspn(numa_maps, "\n");

                count_line(numa_maps, size, topo, nodes, p);
                numa_maps += size + (numa_maps[size] == '\n');
        }
}

void pages_of_process(pid_t pid, const struct ktstr_topo *topo, const struct ktstr_cpus *nodes,
                      struct kt_pages *p)
{
        _cleanup_free_ char *path = kt_format("/proc/%d/numa_maps", (int)pid), *text = NULL;
        size_t size;

        if (path && kt_read_file(AT_FDCWD, path, FILE_MAX_BYTES, &text, &size) >= 0)
                pages_count(text, topo, nodes, p);
}

static bool read_counter(const char *path, uint64_t *ret)
{
        static const char name[] = "numa_pages_migrated ";
        _cleanup_free_ char *text = NULL;
        const char *line;
        size_t size;

        if (kt_read_file(AT_FDCWD, path, FILE_MAX_BYTES, &text, &size) < 0)
                return false;
        line = strstr(text, name);
        if (!line)
                return false;
        *ret = strtoull(line + sizeof(name) - 1, NULL, 10);
        return true;
}

uint64_t pages_migrated(const char *cgroup_dir)
{
        _cleanup_free_ char *path = cgroup_dir ? kt_path_join(cgroup_dir, "memory.stat") : NULL;
        uint64_t n = 0;

        if (!path || !read_counter(path, &n))
                read_counter("/proc/vmstat", &n);
        return n;
}
