/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "agent.h"

/* One chunk takes about a microsecond natively and some ten under emulation: gaps are seen to that grain. */
#define CHUNK 1024U

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

static void worker_main(struct worker_counters *k, int gate)
{
        struct sched_param param = {};
        char byte;

        setpgid(0, 0);
        sched_setscheduler(0, SCHED_OTHER, &param);
        /* The gate opens by being closed: read returns at its end. */
        while (read(gate, &byte, 1) < 0 && errno == EINTR)
                ;
        spin(k);
}

int crew_make(struct crew *c, unsigned n, struct kt_error *reterr)
{
        int gate[2];

        memset(c, 0, sizeof(*c));
        c->gate = -1;
        c->workers = calloc(n, sizeof(*c->workers));
        c->shared = mmap(NULL, n * sizeof(*c->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                         -1, 0);
        if (!c->workers || c->shared == MAP_FAILED || pipe2(gate, O_CLOEXEC) < 0)
                return kt_error_set(reterr, -ENOMEM, NULL, "cannot make %u workers: %s", n, strerror(errno));
        c->gate = gate[1];
        for (unsigned i = 0; i < n; i++) {
                struct worker *w = &c->workers[i];

                w->counters = &c->shared[i];
                w->pid = fork();
                if (w->pid == 0) {
                        close(gate[1]);
                        worker_main(w->counters, gate[0]);
                }
                if (w->pid < 0) {
                        int r = kt_error_set(reterr, -errno, NULL, "cannot fork worker %u of %u: %s", i + 1,
                                             n, strerror(errno));
                        close(gate[0]);
                        return r;
                }
                setpgid(w->pid, w->pid);
                w->tid = w->pid;
                c->n = i + 1;
        }
        close(gate[0]);
        return 0;
}

void crew_go(struct crew *c)
{
        c->started_ns = agent_now_ns();
        kt_closep(&c->gate);
        c->gate = -1;
}

bool crew_progressed_since(const struct crew *c, uint64_t since_ns)
{
        for (unsigned i = 0; i < c->n; i++)
                if (c->workers[i].counters->last_ns < since_ns)
                        return false;
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
