/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The least that work types need around them: one team or several, forked as the body does it, each worker
 * in a process group of its own. What a worker measured stands in shared memory. */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/fsutil.h"
#include "../../lib/work/work_type.h"

#define WORK_CREW_MAX 16U
#define WORK_CREW_DEADLINE_NS 30000000000ULL

struct work_crew {
        const struct work_type *type;
        struct ktstr_work work;
        unsigned n;
        pid_t pids[WORK_CREW_MAX];
        struct worker_counters *counters;
        char *shared;
        size_t shared_size; /* of a team */
};

static inline void *work_crew_map(size_t size)
{
        void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        ck_assert_ptr_ne(p, MAP_FAILED);
        return p;
}

static inline void work_crew_fork(struct work_crew *c, struct work_team *team, unsigned team_size,
                                  unsigned i, const char *cgroup_dir)
{
        static const struct ktstr_topo topo = {.threads = 1};
        struct ktstr_worker w = {
                .counters = &c->counters[i],
                .work = &c->work,
                .topo = &topo,
                .team = team,
                .team_index = i % team_size,
                .team_size = team_size,
                .index = i,
                .group_size = c->n,
                .cgroup_dir = cgroup_dir,
                .random = i + 1,
        };

        c->pids[i] = fork();
        ck_assert_int_ge(c->pids[i], 0);
        if (c->pids[i] == 0) {
                setpgid(0, 0);
                prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves none spinning */
                if (cgroup_dir) {
                        _cleanup_free_ char *procs = kt_path_join(cgroup_dir, "cgroup.procs");
                        _cleanup_close_ int fd = open(procs, O_WRONLY | O_CLOEXEC);

                        if (kt_write_all(fd, "0", 1) < 0)
                                worker_die(&w, "cannot enter %s", cgroup_dir);
                }
                worker_begin(&w);
                c->type->run(&w);
                worker_die(&w, "run() returned");
        }
        setpgid(c->pids[i], c->pids[i]);
}

static inline void work_crew_start(struct work_crew *c, const struct ktstr_work *work, unsigned n,
                                   const char *cgroup_dir)
{
        unsigned team_size;

        *c = (struct work_crew){.type = work_type_of(work->type), .work = work_with_defaults(work), .n = n};
        team_size = c->type->team_size ? c->type->team_size(&c->work) : 1;
        ck_assert_uint_le(n, WORK_CREW_MAX);
        ck_assert_uint_eq(n % team_size, 0);
        c->counters = work_crew_map(n * sizeof(*c->counters));
        c->shared_size = c->type->shared_size ? (c->type->shared_size(&c->work) + 63) / 64 * 64 : 0;
        if (c->shared_size)
                c->shared = work_crew_map(n / team_size * c->shared_size);
        for (unsigned i = 0; i < n; i += team_size) {
                struct work_team team = {.shared = c->shared ? c->shared + i / team_size * c->shared_size
                                                             : NULL};
                struct kt_error err = KT_ERROR_INIT;

                if (c->type->open_fds)
                        ck_assert_msg(c->type->open_fds(&c->work, &team.fds, &team.n_fds, &err) == 0, "%s",
                                      kt_error_text(&err));
                for (unsigned k = 0; k < team_size; k++)
                        work_crew_fork(c, &team, team_size, i + k, cgroup_dir);
                for (unsigned k = 0; k < team.n_fds; k++)
                        close(team.fds[k]);
                free(team.fds);
        }
}

/* None has ended by itself. */
static inline void work_crew_check_alive(const struct work_crew *c)
{
        for (unsigned i = 0; i < c->n; i++) {
                siginfo_t ended = {};

                ck_assert_int_eq(waitid(P_PID, (id_t)c->pids[i], &ended, WEXITED | WNOHANG | WNOWAIT), 0);
                ck_assert_msg(ended.si_pid == 0 || ended.si_status == SIGKILL, "worker %u of %s ended: %s",
                              i, c->type->name, c->counters[i].died);
        }
}

/* Look at it again and again until it is so. */
static inline void work_crew_until(const struct work_crew *c, bool (*is_so)(const struct work_crew *c),
                                   const char *what)
{
        const uint64_t end = worker_now_ns() + WORK_CREW_DEADLINE_NS;

        while (!is_so(c)) {
                work_crew_check_alive(c);
                ck_assert_msg(worker_now_ns() < end, "%s: %s", c->type->name, what);
                nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        }
}

/* The counters stay, and stand still. The caller is a subreaper: what a worker leaves behind becomes its
 * child. */
static inline void work_crew_kill(struct work_crew *c)
{
        for (unsigned i = 0; i < c->n; i++)
                ck_assert_int_eq(kill(-c->pids[i], SIGKILL), 0);
        for (unsigned i = 0; i < c->n; i++) {
                int status;

                ck_assert_int_eq(waitpid(c->pids[i], &status, 0), c->pids[i]);
                ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
                              "worker %u of %s: status %d", i, c->type->name, status);
        }
        /* Children of theirs were in their groups, and end too. */
        while (waitpid(-1, NULL, 0) > 0)
                ;
        ck_assert_int_eq(errno, ECHILD);
}

static inline void work_crew_free(struct work_crew *c)
{
        munmap(c->counters, c->n * sizeof(*c->counters));
}

static inline void work_crew_stop(struct work_crew *c)
{
        work_crew_kill(c);
        work_crew_free(c);
}
