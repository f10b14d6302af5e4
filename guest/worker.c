/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "agent.h"

/* One chunk takes about a microsecond natively and some ten under emulation: gaps are seen to that grain. */
#define CHUNK 1024U

/* What a forked worker costs at most: its task and kernel stack, page tables, and the pages that it writes
 * to. */
#define WORKER_KIB 128U

static void note_cpu(struct worker_counters *k, uint32_t cpu, bool first)
{
        if (!first && cpu != k->last_cpu)
                atomic_fetch_add_explicit(&k->migrations, 1, memory_order_relaxed);
        k->last_cpu = cpu;
        if (cpu < WORKER_CPUS_MAX)
                atomic_fetch_or_explicit(&k->cpus_used[cpu / 64], 1ULL << (cpu % 64), memory_order_relaxed);
}

static void note_gap(struct worker_counters *k, uint64_t now, uint32_t cpu)
{
        uint64_t gap = now - k->last_ns;

        if (gap <= k->max_gap_ns)
                return;
        k->max_gap_ns = gap;
        k->max_gap_at_ns = now - k->started_ns;
        k->max_gap_cpu = cpu;
}

static void spin(struct worker_counters *k)
{
        volatile uint64_t sink = 0;
        uint64_t now = agent_now_ns();

        k->started_ns = now;
        k->last_ns = now;
        note_cpu(k, (uint32_t)sched_getcpu(), true);
        for (;;) {
                for (unsigned i = 0; i < CHUNK; i++)
                        sink += i;
                now = agent_now_ns();
                uint32_t cpu = (uint32_t)sched_getcpu();
                note_gap(k, now, cpu);
                note_cpu(k, cpu, false);
                k->last_ns = now;
                atomic_fetch_add_explicit(&k->work_units, CHUNK, memory_order_relaxed);
                atomic_fetch_add_explicit(&k->iterations, 1, memory_order_relaxed);
        }
}

/* When memory runs out the workload goes first: the scheduler is what is looked at. */
static void be_the_first_to_go(void)
{
        _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd >= 0)
                (void)kt_write_all(fd, "1000", 4);
}

static void worker_main(struct worker_counters *k, _Atomic uint32_t *gate)
{
        struct sched_param param = {};

        setpgid(0, 0);
        sched_setscheduler(0, SCHED_OTHER, &param);
        /* What the kernel's log and the dump call it. */
        prctl(PR_SET_NAME, "ktstr-worker");
        be_the_first_to_go();
        /* A futex, and not the end of a pipe: woken readers take a pipe's lock one after the other, and
         * those that spin already keep those that hold it from running, so that of hundreds many would never
         * begin. */
        while (atomic_load(gate) == 0)
                syscall(SYS_futex, gate, FUTEX_WAIT, 0, NULL, NULL, 0);
        spin(k);
}

static uint64_t available_kib(void)
{
        _cleanup_free_ char *text = NULL;
        unsigned long long kib;
        const char *line;
        size_t size;

        if (kt_read_file(AT_FDCWD, "/proc/meminfo", 65536, &text, &size) < 0)
                return UINT64_MAX;
        line = strstr(text, "MemAvailable:");
        return line && sscanf(line, "MemAvailable: %llu", &kib) == 1 ? kib : UINT64_MAX;
}

/* A guest that runs out of memory may take minutes to notice: rather not begin. */
static int check_memory(unsigned n, struct kt_error *reterr)
{
        uint64_t needed = (uint64_t)n * WORKER_KIB, there = available_kib();

        if (needed <= there)
                return 0;
        return kt_error_set(reterr, -ENOMEM, NULL,
                            "%u workers need about %llu MiB and its memory has %llu MiB free: give it more "
                            "with --memory, or "
                            "fewer --workers",
                            n, (unsigned long long)needed / 1024, (unsigned long long)there / 1024);
}

int crew_make(struct crew *c, struct agent *a, unsigned n, struct kt_error *reterr)
{
        const size_t shared_size = n * sizeof(*c->shared) + sizeof(*c->gate);

        int r = check_memory(n, reterr);

        memset(c, 0, sizeof(*c));
        if (r < 0)
                return r;
        c->workers = calloc(n, sizeof(*c->workers));
        c->shared = mmap(NULL, shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (!c->workers || c->shared == MAP_FAILED)
                return kt_error_set(reterr, -ENOMEM, NULL, "cannot make %u workers: %s", n, strerror(errno));
        c->gate = (_Atomic uint32_t *)(c->shared + n);
        for (unsigned i = 0; i < n; i++) {
                struct worker *w = &c->workers[i];

                w->counters = &c->shared[i];
                w->pid = fork();
                if (w->pid == 0)
                        worker_main(w->counters, c->gate);
                if (w->pid < 0)
                        return kt_error_set(
                                reterr, -errno, NULL,
                                "cannot fork worker %u of %u: %s; give the guest more with --memory", i + 1,
                                n, strerror(errno));
                setpgid(w->pid, w->pid);
                w->tid = w->pid;
                c->n = i + 1;
                if (i % 16 == 0)
                        agent_poll(a, 0);
                if (a->kmsg.oom[0])
                        return kt_error_set(reterr, -ENOMEM, NULL, "%s", a->kmsg.oom);
        }
        return 0;
}

void crew_go(struct crew *c)
{
        c->started_ns = agent_now_ns();
        atomic_store(c->gate, 1);
        syscall(SYS_futex, c->gate, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool crew_progressed_since(const struct crew *c, uint64_t since_ns)
{
        for (unsigned i = 0; i < c->n; i++) {
                siginfo_t ended = {};

                if (c->workers[i].counters->last_ns >= since_ns)
                        continue;
                /* One that ended by itself is left to crew_stop(). */
                waitid(P_PID, (id_t)c->workers[i].pid, &ended, WEXITED | WNOHANG | WNOWAIT);
                if (ended.si_pid == 0)
                        return false;
        }
        return true;
}

/* /proc/PID/schedstat: time on the CPU, time waiting for one, times it was given one. */
static void read_schedstat(struct worker *w)
{
        _cleanup_free_ char *path = kt_format("/proc/%d/schedstat", (int)w->pid), *text = NULL;
        unsigned long long cpu, delay, count;
        size_t size;

        if (path && kt_read_file(AT_FDCWD, path, 256, &text, &size) >= 0 &&
            sscanf(text, "%llu %llu %llu", &cpu, &delay, &count) == 3) {
                w->cpu_ns = cpu;
                w->run_delay_ns = delay;
                w->run_count = count;
        }
}

/* One that stands still now has a gap that it could not note itself. */
static void account_for_standstill(struct worker *w, uint64_t started_ns, uint64_t now)
{
        struct worker_counters *k = w->counters;
        uint64_t from = k->last_ns ? k->last_ns : started_ns;

        if (now > from && now - from > k->max_gap_ns) {
                k->max_gap_ns = now - from;
                k->max_gap_at_ns = now - (k->started_ns ? k->started_ns : started_ns);
                k->max_gap_cpu = k->last_cpu;
        }
}

void crew_stop(struct crew *c)
{
        if (c->started_ns == 0)
                c->started_ns = agent_now_ns();
        c->stopped_ns = agent_now_ns();
        for (unsigned i = 0; i < c->n; i++) {
                struct worker *w = &c->workers[i];

                /* One that ended by itself stays a zombie until crew_reap(), and its figures with it. */
                read_schedstat(w);
                account_for_standstill(w, c->started_ns, c->stopped_ns);
        }
        for (unsigned i = 0; i < c->n; i++) {
                struct worker *w = &c->workers[i];

                if (waitpid(w->pid, &w->wait_status, WNOHANG) == w->pid)
                        w->reaped = true; /* before it was told to: the report says how */
                else
                        kill(w->pid, SIGKILL);
        }
}

bool crew_reap(struct crew *c, int timeout_ms)
{
        uint64_t end = agent_now_ns() + (uint64_t)timeout_ms * 1000000ULL;
        bool all = false;

        while (!all) {
                all = true;
                for (unsigned i = 0; i < c->n; i++) {
                        struct worker *w = &c->workers[i];
                        int status;

                        if (w->reaped || w->pid <= 0)
                                continue;
                        if (waitpid(w->pid, &status, WNOHANG) == w->pid)
                                w->pid = -1;
                        else
                                all = false;
                }
                if (all || agent_now_ns() > end)
                        break;
                nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        }
        return all;
}
