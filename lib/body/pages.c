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

static bool has(const char *line, size_t size, const char *word)
{
        return memmem(line, size, word, strlen(word));
}

/* One mapping: "ADDRESS POLICY file=/x anon=5 mapmax=2 N0=3 N1=2 kernelpagesize_kB=4". Of a file's that
 * others have mapped too the pages are not its own: libc, the program, memory that the body shares with it.
 */
static void add_line(const char *line, size_t size, struct pages_by_node *p)
{
        const char *kb = memmem(line, size, "kernelpagesize_kB=", 18);
        unsigned long long scale = kb ? strtoull(kb + 18, NULL, 10) / 4 : 1;

        if (has(line, size, " file=") && has(line, size, " mapmax="))
                return;
        for (const char *at = line; (at = memmem(at, (size_t)(line + size - at), " N", 2)); at += 2) {
                unsigned long long n;
                unsigned id;

                if (sscanf(at, " N%u=%llu", &id, &n) == 2 && id < PAGES_NODES_MAX)
                        p->n[id] += n * (scale ?: 1);
        }
}

struct pages_by_node pages_parse(const char *numa_maps)
{
        struct pages_by_node p = {};

        while (*numa_maps) {
                size_t size = strcspn(numa_maps, "\n");

                add_line(numa_maps, size, &p);
                numa_maps += size + (numa_maps[size] == '\n');
        }
        return p;
}

struct pages_by_node pages_of_process(pid_t pid)
{
        _cleanup_free_ char *path = kt_format("/proc/%d/numa_maps", (int)pid), *text = NULL;
        size_t size;

        if (!path || kt_read_file(AT_FDCWD, path, FILE_MAX_BYTES, &text, &size) < 0)
                return (struct pages_by_node){};
        return pages_parse(text);
}

void pages_add_taken(const struct pages_by_node *before, const struct pages_by_node *now,
                     const struct ktstr_topo *topo, const struct ktstr_cpus *nodes, struct kt_pages *p)
{
        for (unsigned id = 0; id < PAGES_NODES_MAX; id++) {
                uint64_t n = now->n[id] > before->n[id] ? now->n[id] - before->n[id] : 0;
                unsigned node = topo_from_kernel(topo, id);

                p->total += n;
                if (ktstr_cpus_has(nodes, node))
                        p->local += n;
                if (node < topo->n_nodes && ktstr_cpus_count(&topo->nodes[node]) == 0)
                        p->slow += n;
        }
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
