/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../proto/errors.h"

struct guest_memory {
        int mem_fd;
        struct memory_layout layout;
        uint64_t node_address[TOPOLOGY_NODES_MAX]; /* in QEMU */
};

/* One line of /proc/PID/maps. */
struct mapping {
        uint64_t start, end, file_offset;
        struct guest_memory_file file;
};

static bool parse_mapping(const char *line, struct mapping *ret)
{
        unsigned major_number, minor_number;
        uint64_t ino;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %x:%x %" SCNu64, &ret->start, &ret->end,
                   &ret->file_offset, &major_number, &minor_number, &ino) != 6)
                return false;
        ret->file =
                (struct guest_memory_file){.dev = makedev(major_number, minor_number), .ino = (ino_t)ino};
        return true;
}

static int find_own_mapping(const void *address, struct guest_memory_file *ret)
{
        _cleanup_fclose_ FILE *maps = fopen("/proc/self/maps", "re");
        _cleanup_free_ char *line = NULL;
        struct mapping mapping;
        size_t size = 0;

        if (!maps)
                return -errno;
        while (getline(&line, &size, maps) > 0)
                if (parse_mapping(line, &mapping) && mapping.start == (uint64_t)(uintptr_t)address) {
                        *ret = mapping.file;
                        return 0;
                }
        return -ENXIO;
}

int guest_memory_file_of(int fd, struct guest_memory_file *ret)
{
        const size_t size = (size_t)sysconf(_SC_PAGESIZE);
        void *address = mmap(NULL, size, PROT_NONE, MAP_SHARED, fd, 0);
        int r;

        if (address == MAP_FAILED)
                return -errno;
        r = find_own_mapping(address, ret);
        munmap(address, size);
        return r;
}

/* Mappings of one file may have been cut in pieces by madvise() or mprotect(); they count while they stay
 * end to end. */
static void note_mapping(struct guest_memory *m, const struct guest_memory_file *files,
                         const struct mapping *mapping, uint64_t mapped[])
{
        for (unsigned i = 0; i < m->layout.n_nodes; i++) {
                if (mapping->file.dev != files[i].dev || mapping->file.ino != files[i].ino)
                        continue;
                if (mapping->file_offset == 0 && mapped[i] == 0)
                        m->node_address[i] = mapping->start;
                if (m->node_address[i] && mapping->file_offset == mapped[i] &&
                    mapping->start == m->node_address[i] + mapped[i])
                        mapped[i] += mapping->end - mapping->start;
        }
}

/* A process that is gone has no folder in /proc; one that is not reaped yet has no memory any more. */
static int gone(int error)
{
        return error == ENOENT ? -ESRCH : -error;
}

static int find_nodes(struct guest_memory *m, pid_t pid, const struct guest_memory_file *files,
                      struct kt_error *reterr)
{
        _cleanup_fclose_ FILE *maps = NULL;
        _cleanup_free_ char *line = NULL;
        uint64_t mapped[TOPOLOGY_NODES_MAX] = {0};
        char path[48];
        size_t size = 0;
        bool any = false;

        snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
        maps = fopen(path, "re");
        if (!maps)
                return kt_error_set(reterr, gone(errno), KT_E_GUEST_START, "cannot read %s: %s", path,
                                    strerror(errno));
        while (getline(&line, &size, maps) > 0) {
                struct mapping mapping;

                if (!parse_mapping(line, &mapping))
                        continue;
                any = true;
                note_mapping(m, files, &mapping, mapped);
        }
        if (!any)
                return kt_error_set(reterr, -ESRCH, KT_E_GUEST_START, "QEMU (pid %d) is gone", (int)pid);
        for (unsigned i = 0; i < m->layout.n_nodes; i++)
                if (mapped[i] < m->layout.node_size[i])
                        return kt_error_set(reterr, -ENXIO, KT_E_GUEST_START,
                                            "QEMU (pid %d) has not mapped the memory of node %u", (int)pid,
                                            i);
        return 0;
}

int guest_memory_open(pid_t pid, const struct memory_layout *layout, const struct guest_memory_file *files,
                      struct guest_memory **ret, struct kt_error *reterr)
{
        struct guest_memory *m = calloc(1, sizeof(*m));
        char path[48];
        int r;

        if (!m)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        m->layout = *layout;
        snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
        m->mem_fd = open(path, O_RDWR | O_CLOEXEC);
        if (m->mem_fd < 0)
                r = kt_error_set(reterr, gone(errno), KT_E_GUEST_START, "cannot open %s: %s", path,
                                 strerror(errno));
        else
                r = find_nodes(m, pid, files, reterr);
        if (r < 0) {
                guest_memory_free(m);
                return r;
        }
        *ret = m;
        return 0;
}

void guest_memory_free(struct guest_memory *m)
{
        if (!m)
                return;
        kt_closep(&m->mem_fd);
        free(m);
}

/* The address in QEMU of a place in memory, and how many bytes from there are in the same node. */
static uint64_t locate(const struct guest_memory *m, uint64_t offset, uint64_t *ret_left)
{
        unsigned node = 0;

        while (offset >= m->layout.node_size[node])
                offset -= m->layout.node_size[node++];
        *ret_left = m->layout.node_size[node] - offset;
        return m->node_address[node] + offset;
}

static int transfer(const struct guest_memory *m, uint64_t gpa, void *buf, size_t size, bool writes)
{
        uint64_t offset, left;
        int r;

        r = memory_layout_offset(&m->layout, gpa, size, &offset);
        if (r < 0)
                return r;
        while (size > 0) {
                const uint64_t address = locate(m, offset, &left);
                const size_t part = size < left ? size : (size_t)left;
                ssize_t n;

                n = writes ? pwrite(m->mem_fd, buf, part, (off_t)address)
                           : pread(m->mem_fd, buf, part, (off_t)address);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -ESRCH;
                buf = (char *)buf + n;
                offset += (uint64_t)n;
                size -= (size_t)n;
        }
        return 0;
}

int guest_memory_read(const struct guest_memory *m, uint64_t gpa, void *buf, size_t size)
{
        return transfer(m, gpa, buf, size, false);
}

int guest_memory_write(const struct guest_memory *m, uint64_t gpa, const void *buf, size_t size)
{
        return transfer(m, gpa, (void *)buf, size, true);
}
