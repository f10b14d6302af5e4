/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* PageFaultChurn. A unit is a page touched. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "limits.h"
#include "types.h"

/* Between two progress points, whatever a round is: a fault is half a millisecond where CPUs are emulated on
 * a busy host. */
#define TOUCHES_A_CHUNK 16U

static void touch(struct ktstr_worker *w, volatile uint8_t *region, uint64_t pages, size_t page, uint64_t n)
{
        while (n > 0) {
                uint64_t chunk = n < TOUCHES_A_CHUNK ? n : TOUCHES_A_CHUNK;

                for (uint64_t i = 0; i < chunk; i++)
                        region[ktstr_worker_random(w) % pages * page] = 1;
                worker_progress(w, chunk);
                n -= chunk;
        }
}

static void page_fault_churn(struct ktstr_worker *w)
{
        const size_t size = w->work->p[0] * 1024, page = (size_t)sysconf(_SC_PAGESIZE);
        void *region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (region == MAP_FAILED)
                worker_die(w, "cannot have %zu KiB of memory: %s", size / 1024, strerror(errno));
        /* Faults of a page each. EINVAL: the kernel has no huge pages anyway. */
        madvise(region, size, MADV_NOHUGEPAGE);
        for (;;) {
                touch(w, region, size < page ? 1 : size / page, page, w->work->p[1]);
                worker_spin(w->work->p[2]);
                if (madvise(region, size, MADV_DONTNEED) < 0)
                        worker_die(w, "cannot give its pages back: %s", strerror(errno));
        }
}

const struct work_type work_type_PAGE_FAULT_CHURN = {
        .name = "PageFaultChurn",
        .params = {{"region_kib", 4096, WORK_KIB_MAX},
                   {"touches", 256, WORK_OPERATIONS_MAX},
                   {"spin_iterations", 64, WORK_ITERATIONS_MAX}},
        .run = page_fault_churn,
};
