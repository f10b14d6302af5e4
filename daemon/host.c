/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../lib/cpus.h"

unsigned host_cpus(void)
{
        cpu_set_t set;

        if (sched_getaffinity(0, sizeof(set), &set) == 0)
                return (unsigned)CPU_COUNT(&set);
        return (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

int host_cpu_set(struct ktstr_cpus *ret)
{
        return cpus_of_thread(0, ret);
}

uint64_t host_memory_bytes(void)
{
        struct sysinfo info;

        if (sysinfo(&info) < 0)
                return 1ULL << 30;
        return (uint64_t)info.totalram * info.mem_unit;
}

uint64_t host_own_rss(void)
{
        _cleanup_free_ char *text = NULL;
        unsigned long total, resident;
        size_t size;

        if (kt_read_file(-1, "/proc/self/statm", 4096, &text, &size) < 0 ||
            sscanf(text, "%lu %lu", &total, &resident) != 2)
                return 0;
        return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

unsigned host_own_fds(void)
{
        _cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
        struct dirent *de;
        unsigned n = 0;

        if (!d)
                return 0;
        while ((de = readdir(d)))
                n += de->d_name[0] != '.';
        return n - 1; /* without the one that reads the folder */
}
