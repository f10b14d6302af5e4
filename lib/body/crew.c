/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crew.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../common/meminfo.h"
#include "../cpus.h"

/* What a forked worker costs at most: its task and kernel stack, page tables, and the pages that it writes
 * to. */
#define WORKER_KIB 128U

void crew_be_the_first_to_go(void)
{
        _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd >= 0)
                (void)kt_write_all(fd, "1000", 4);
}

struct birth {
        const struct crew_plan *plan;
        const struct gate *gate;
        uint32_t ticket;
        pid_t parent;
        int talk_fd;
};

void crew_die_with_parent(pid_t parent)
{
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(1);
}

static void worker_main(struct crew *c, struct ktstr_worker *w, const struct birth *b)
{
        setpgid(0, 0);
        crew_die_with_parent(b->parent);
        /* The agent takes the end of the body's conversation for the body's end. */
        if (b->talk_fd >= 0)
                close(b->talk_fd);
        /* What the kernel's log and the dump call it. */
        prctl(PR_SET_NAME, b->plan->comm ?: "ktstr-worker");
        crew_be_the_first_to_go();
        gate_wait(b->gate, b->ticket);
        if (b->plan->settle)
                b->plan->settle(w, b->plan->data);
        /* Another user's process has lost it. */
        crew_die_with_parent(b->parent);
        worker_begin(w);
        c->type->run(w);
        worker_die(w, "the work of %s ended", c->type->name);
}

int crew_check_memory(uint64_t n, struct kt_error *reterr)
{
        uint64_t needed = n * WORKER_KIB, there = kt_meminfo_available_kib();

        if (needed <= there)
                return 0;
        return kt_error_set(
                reterr, -ENOMEM, NULL,
                "%llu workers need about %llu MiB and its memory has %llu MiB free: give it more (--memory; "
                ".memory_mib of a test), or fewer workers",
                (unsigned long long)n, (unsigned long long)needed / 1024, (unsigned long long)there / 1024);
}

static void *map_shared(size_t size)
{
        void *p =
                mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        return p == MAP_FAILED ? NULL : p;
}

/* Different sequences for all workers of a test, and the same ones each time. */
static uint64_t seed_of(const struct crew_plan *plan, unsigned i)
{
        return plan->seed + (uint64_t)(i + 1) * 0xd1342543de82ef95ULL;
}

/* One worker, in the team that is being made. */
static int fork_worker(struct crew *c, struct work_team *team, unsigned team_size, const struct birth *b,
                       struct kt_error *reterr)
{
        unsigned i = c->n;
        struct crew_worker *w = &c->workers[i];
        pid_t pid;

        w->counters = &c->counters[i];
        w->role = c->type->role ? c->type->role(i % team_size) : NULL;
        pid = fork();
        if (pid == 0) {
                struct ktstr_worker self = {
                        .counters = w->counters,
                        .work = &c->work,
                        .topo = b->plan->topo,
                        .team = team,
                        .team_index = i % team_size,
                        .team_size = team_size,
                        .index = i,
                        .group_size = b->plan->n,
                        .cgroup_dir = b->plan->cgroup_dir,
                        .cpus = &b->plan->cpus[i],
                        .random = seed_of(b->plan, i),
                };

                worker_main(c, &self, b);
        }
        if (pid < 0)
                return kt_error_set(reterr, -errno, NULL,
                                    "cannot fork worker %u of %u: %s; give the guest more with --memory",
                                    i + 1, b->plan->n, strerror(errno));
        setpgid(pid, pid);
        w->pid = w->tid = pid;
        c->n = i + 1;
        return 0;
}

static int fork_team(struct crew *c, unsigned team_size, size_t shared_size, const struct birth *b,
                     struct kt_error *reterr)
{
        struct work_team team = {};
        int r = 0;

        if (shared_size)
                team.shared = (char *)c->teams + c->n / team_size * shared_size;
        if (c->type->open_fds)
                r = c->type->open_fds(&c->work, &team.fds, &team.n_fds, reterr);
        for (unsigned i = 0; r >= 0 && i < team_size; i++)
                r = fork_worker(c, &team, team_size, b, reterr);
        for (unsigned i = 0; i < team.n_fds; i++)
                kt_closep(&team.fds[i]);
        free(team.fds);
        return r;
}

static int map_memory(struct crew *c, unsigned n, unsigned team_size, size_t shared_size)
{
        c->allocated = n;
        c->workers = calloc(n, sizeof(*c->workers));
        c->counters = map_shared(n * sizeof(*c->counters));
        c->teams_size = n / team_size * shared_size;
        if (c->teams_size)
                c->teams = map_shared(c->teams_size);
        return c->workers && c->counters && (c->teams || !c->teams_size) ? 0 : -ENOMEM;
}

int crew_make(struct crew *c, const struct crew_plan *plan, const struct gate *gate,
              struct conversation *talk, struct kt_error *reterr)
{
        struct birth b = {.plan = plan,
                          .gate = gate,
                          .ticket = gate_ticket(gate),
                          .parent = getpid(),
                          .talk_fd = talk->fd};
        unsigned team_size;
        size_t shared_size;
        int r;

        *c = (struct crew){.work = work_with_defaults(plan->work), .type = work_type_of(plan->work->type)};
        r = crew_check_memory(plan->n, reterr);
        if (r < 0)
                return r;
        team_size = c->type->team_size ? c->type->team_size(&c->work) : 1;
        /* Each team's begins at a cache line of its own. */
        shared_size = c->type->shared_size ? (c->type->shared_size(&c->work) + 63) & ~(size_t)63 : 0;
        if (map_memory(c, plan->n, team_size, shared_size) < 0)
                return kt_error_set(reterr, -ENOMEM, NULL, "cannot make %u workers: %s", plan->n,
                                    strerror(ENOMEM));
        fflush(NULL); /* what stands in the buffers is not each worker's to print */
        while (r >= 0 && c->n < plan->n) {
                r = fork_team(c, team_size, shared_size, &b, reterr);
                if (c->n % 16 < team_size)
                        conversation_poll(talk, 0);
                if (r >= 0 && conversation_over(talk))
                        r = kt_error_set(reterr, -ECANCELED, NULL,
                                         "it was over before all workers were made");
        }
        return r;
}

void crew_done(struct crew *c)
{
        if (c->counters)
                munmap(c->counters, c->allocated * sizeof(*c->counters));
        if (c->teams)
                munmap(c->teams, c->teams_size);
        free(c->workers);
        *c = (struct crew){};
}

void crew_released(struct crew *c, uint64_t now_ns)
{
        c->started_ns = now_ns;
        for (unsigned i = 0; i < c->n; i++)
                c->counters[i].started_ns = c->counters[i].last_ns = now_ns;
}

/* As /proc/PID/stat has it: 'R' waits for a CPU or has one. '?': it cannot be told. */
static char state_of(pid_t pid)
{
        _cleanup_free_ char *path = kt_format("/proc/%d/stat", (int)pid), *text = NULL;
        const char *end;
        size_t size;

        if (!path || kt_read_file(AT_FDCWD, path, 4096, &text, &size) < 0)
                return '?';
        end = strrchr(text, ')');
        return end && end[1] == ' ' ? end[2] : '?';
}

bool crew_is_stuck(const struct crew *c, uint64_t now_ns, uint64_t stuck_ns)
{
        for (unsigned i = 0; i < c->n; i++) {
                const struct crew_worker *w = &c->workers[i];

                if (worker_still_since(w->counters) + stuck_ns < now_ns && state_of(w->pid) == 'R')
                        return true;
        }
        return false;
}

void crew_paused(struct crew *c, uint64_t since_ns, uint64_t until_ns)
{
        c->paused_ns += until_ns - since_ns;
        for (unsigned i = 0; i < c->n; i++) {
                struct worker_counters *k = c->workers[i].counters;

                k->paused_until_ns = until_ns;
                atomic_fetch_add(&k->paused_ns, until_ns - since_ns);
        }
}

void crew_cpus_changed(struct crew *c)
{
        for (unsigned i = 0; i < c->n; i++)
                atomic_fetch_add(&c->workers[i].counters->cpus_rounds, 1);
}

/* /proc/PID/schedstat: time on the CPU, time waiting for one, times it was given one. */
static void read_schedstat(struct crew_worker *w)
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

/* One that stands still now has a gap that it could not note itself. One that sleeps or waits for another
 * has none: it is not the scheduler that keeps it. */
static void account_for_standstill(struct crew_worker *w, uint64_t now_ns)
{
        struct worker_counters *k = w->counters;
        uint64_t since = worker_still_since(w->counters);

        if (now_ns <= since || now_ns - since <= k->max_gap_ns || state_of(w->pid) != 'R')
                return;
        k->max_gap_ns = now_ns - since;
        k->max_gap_at_ns = now_ns - k->started_ns;
        k->max_gap_cpu = k->last_cpu;
}

/* Whatever bound it: its cpuset and those above, an affinity, its own work. */
static void read_affinity(struct crew_worker *w)
{
        if (cpus_of_thread(w->tid, &w->cpus) < 0)
                w->cpus = (struct ktstr_cpus){};
}

/* It stays a zombie until crew_kill(), and its figures with it. */
static void note_end(struct crew_worker *w)
{
        siginfo_t si = {};

        if (w->pid <= 0 || waitid(P_PID, (id_t)w->pid, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
            si.si_pid == 0)
                return;
        w->ended = true;
        w->wait_status =
                si.si_code == CLD_EXITED ? W_EXITCODE(si.si_status, 0) : W_EXITCODE(0, si.si_status);
}

void crew_measure(struct crew *c, uint64_t now_ns)
{
        c->stopped_ns = now_ns;
        /* Who was never let go has nothing to show. */
        if (c->started_ns == 0)
                return;
        for (unsigned i = 0; i < c->n; i++) {
                note_end(&c->workers[i]);
                read_schedstat(&c->workers[i]);
                read_affinity(&c->workers[i]);
                account_for_standstill(&c->workers[i], now_ns);
        }
}

void crew_kill(struct crew *c)
{
        for (unsigned i = 0; i < c->n; i++) {
                struct crew_worker *w = &c->workers[i];

                if (w->pid <= 0)
                        continue;
                kill(-w->pid, SIGKILL);
                if (waitpid(w->pid, NULL, WNOHANG) == w->pid)
                        w->pid = -1;
        }
}

bool crew_reap(struct crew *c)
{
        bool all = true;

        for (unsigned i = 0; i < c->n; i++) {
                struct crew_worker *w = &c->workers[i];
                int status;

                if (w->pid <= 0)
                        continue;
                if (waitpid(w->pid, &status, WNOHANG) == w->pid)
                        w->pid = -1;
                else
                        all = false;
        }
        return all;
}
