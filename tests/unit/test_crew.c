/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Crews on this machine: no cgroup, no scheduler but its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "../../lib/body/crew.h"
#include "unit.h"

#define N 4
#define PATIENCE_MS 30000
#define HOUR_NS 3600000000000ULL

static struct ktstr_topo topo = {.n_nodes = 1, .n_llcs = 1, .threads = 1};
static struct ktstr_cpus cpus[N];
static struct gate gate;
static struct conversation talk = {.fd = -1};

static struct crew_plan plan_of(const struct ktstr_work *work, unsigned n)
{
        return (struct crew_plan){.n = n, .work = work, .topo = &topo, .cpus = cpus, .seed = 1};
}

static void nap(void)
{
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void wait_progress(const struct crew *c)
{
        for (unsigned i = 0; i < c->n; i++) {
                int ms = 0;

                for (; c->counters[i].iterations < 3 && ms < PATIENCE_MS; ms += 2)
                        nap();
                ck_assert_msg(ms < PATIENCE_MS, "worker %u makes no progress: %s", i, c->counters[i].died);
        }
}

/* The kernel adds it up from time to time. */
static void wait_cpu_time(struct crew *c)
{
        for (unsigned i = 0; i < c->n; i++) {
                int ms = 0;

                for (; crew_measure(c, worker_now_ns()), c->workers[i].cpu_ns == 0 && ms < PATIENCE_MS;
                     ms += 2)
                        nap();
                ck_assert_int_lt(ms, PATIENCE_MS);
        }
}

/* Until its one worker has gone to sleep. */
static void wait_asleep(const struct crew *c)
{
        _cleanup_free_ char *path = kt_format("/proc/%d/stat", (int)c->workers[0].pid);
        char state = '?';

        for (int ms = 0; state != 'S' && ms < PATIENCE_MS; ms += 2) {
                _cleanup_free_ char *text = NULL;

                ck_assert_int_eq(kt_read_file(AT_FDCWD, path, 4096, &text, NULL), 0);
                state = strrchr(text, ')')[2];
                nap();
        }
        ck_assert_int_eq(state, 'S');
}

/* Workers that wait at the gate. */
static void make(struct crew *c, const struct ktstr_work *work, unsigned n)
{
        const struct crew_plan plan = plan_of(work, n);

        ck_assert_int_eq(gate_init(&gate), 0);
        ck_assert_int_eq(crew_make(c, &plan, &gate, &talk, NULL), 0);
        ck_assert_uint_eq(c->n, n);
}

static void release(struct crew *c, uint64_t now_ns)
{
        crew_released(c, now_ns);
        gate_open(&gate);
}

static void finish(struct crew *c)
{
        int ms = 0;

        crew_kill(c);
        for (; !crew_reap(c) && ms < PATIENCE_MS; ms += 2)
                nap();
        ck_assert_int_lt(ms, PATIENCE_MS);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
        crew_done(c);
        gate_done(&gate);
}

START_TEST(nobody_works_before_the_gate_is_open)
{
        const struct ktstr_work work = ktstr_cpu_spin();
        struct crew c;

        make(&c, &work, N);
        for (int i = 0; i < 20; i++)
                nap();
        for (unsigned i = 0; i < N; i++)
                ck_assert_uint_eq(c.counters[i].started_ns, 0);
        release(&c, worker_now_ns());
        wait_progress(&c);
        wait_cpu_time(&c);
        for (unsigned i = 0; i < N; i++)
                ck_assert_uint_gt(c.counters[i].work_units, 0);
        finish(&c);
}
END_TEST

START_TEST(teams_have_what_they_share)
{
        const struct ktstr_work works[] = {ktstr_pipe_io(16), ktstr_futex_ping_pong(16)};

        for (size_t i = 0; i < KT_ARRAY_SIZE(works); i++) {
                struct crew c;

                make(&c, &works[i], N);
                release(&c, worker_now_ns());
                wait_progress(&c);
                crew_measure(&c, worker_now_ns());
                finish(&c);
        }
}
END_TEST

static void dies(struct ktstr_worker *w)
{
        worker_die(w, "number %u has had enough", ktstr_worker_index(w));
}

START_TEST(one_that_ends_by_itself_says_why)
{
        const struct ktstr_work work = ktstr_custom("Dies", dies);
        siginfo_t info;
        struct crew c;

        make(&c, &work, 2);
        release(&c, worker_now_ns());
        for (unsigned i = 0; i < 2; i++)
                waitid(P_PID, (id_t)c.workers[i].pid, &info, WEXITED | WNOWAIT);
        /* It is no longer there to stand still. */
        ck_assert(!crew_is_stuck(&c, worker_now_ns() + 1000000000000ULL, 1));
        crew_measure(&c, worker_now_ns());
        crew_kill(&c);
        for (unsigned i = 0; i < 2; i++) {
                ck_assert(c.workers[i].ended);
                ck_assert_int_eq(WEXITSTATUS(c.workers[i].wait_status), 1);
        }
        ck_assert_str_eq(c.counters[1].died, "number 1 has had enough");
        finish(&c);
}
END_TEST

START_TEST(what_ends_when_the_measuring_is_over_did_not_end_by_itself)
{
        const struct ktstr_work work = ktstr_cpu_spin();
        siginfo_t info;
        struct crew c;

        make(&c, &work, 2);
        release(&c, worker_now_ns());
        wait_progress(&c);
        kill(c.workers[0].pid, SIGSEGV);
        waitid(P_PID, (id_t)c.workers[0].pid, &info, WEXITED | WNOWAIT);
        crew_measure(&c, worker_now_ns());
        /* As a partner of a crew that is killed before this one. */
        kill(c.workers[1].pid, SIGPIPE);
        waitid(P_PID, (id_t)c.workers[1].pid, &info, WEXITED | WNOWAIT);
        crew_kill(&c);
        ck_assert(c.workers[0].ended && WIFSIGNALED(c.workers[0].wait_status));
        ck_assert_int_eq(WTERMSIG(c.workers[0].wait_status), SIGSEGV);
        ck_assert(!c.workers[1].ended);
        finish(&c);
}
END_TEST

static void sleeps(struct ktstr_worker *w)
{
        ktstr_worker_progress(w, 1);
        ktstr_worker_progress(w, 1);
        ktstr_worker_progress(w, 1);
        for (;;)
                pause();
}

static void hogs(struct ktstr_worker *w)
{
        ktstr_worker_progress(w, 1);
        ktstr_worker_progress(w, 1);
        ktstr_worker_progress(w, 1);
        for (;;)
                worker_spin(1000);
}

START_TEST(who_wants_a_cpu_and_makes_no_progress_stands_still)
{
        const struct ktstr_work works[] = {ktstr_custom("Sleeps", sleeps), ktstr_custom("Hogs", hogs)};

        for (int runs = 0; runs < 2; runs++) {
                uint64_t gap;
                struct crew c;

                make(&c, &works[runs], 1);
                release(&c, worker_now_ns());
                wait_progress(&c);
                if (!runs)
                        wait_asleep(&c);
                for (int i = 0; i < 50; i++)
                        nap();
                ck_assert_int_eq(crew_is_stuck(&c, worker_now_ns(), 50000000), runs);
                ck_assert(!crew_is_stuck(&c, worker_now_ns(), 600000000000ULL));
                gap = c.counters[0].max_gap_ns;
                crew_measure(&c, worker_now_ns());
                /* Only one of them has a gap that it could not note itself. */
                if (runs)
                        ck_assert_uint_ge(c.counters[0].max_gap_ns, 50000000);
                else
                        ck_assert_uint_eq(c.counters[0].max_gap_ns, gap);
                finish(&c);
        }
}
END_TEST

static void progresses(struct ktstr_worker *w)
{
        for (;;) {
                ktstr_worker_progress(w, 1);
                nap();
        }
}

START_TEST(a_pause_is_no_gap)
{
        const struct ktstr_work work = ktstr_custom("Progresses", progresses);
        uint64_t released = worker_now_ns(), end, begin;
        struct crew c;

        make(&c, &work, 1);
        release(&c, released);
        wait_progress(&c);
        /* As the freezer does. */
        kill(c.workers[0].pid, SIGSTOP);
        waitpid(c.workers[0].pid, NULL, WUNTRACED);
        begin = worker_now_ns();
        while (worker_now_ns() < begin + 300000000ULL)
                nap();
        end = worker_now_ns();
        crew_paused(&c, begin, end);
        ck_assert_uint_eq(c.paused_ns, end - begin);
        kill(c.workers[0].pid, SIGCONT);
        begin = c.counters[0].iterations;
        for (int ms = 0; c.counters[0].iterations < begin + 2 && ms < PATIENCE_MS; ms += 2)
                nap();
        crew_measure(&c, worker_now_ns());
        /* Of the rest it may have been kept from running for all that the host wanted. */
        ck_assert_uint_le(c.counters[0].max_gap_ns, worker_now_ns() - released - c.paused_ns);
        finish(&c);
}
END_TEST

/* Nothing but the gap that it ends up with tells of one that was run late. */
START_TEST(to_be_run_late_at_first_is_a_gap)
{
        const struct ktstr_work works[] = {ktstr_custom("Sleeps", sleeps), ktstr_custom("Hogs", hogs)};

        /* Longer than it can then be kept from running while it does its first steps. */
        const uint64_t late_ns = worker_now_ns() / 2;

        for (int i = 0; i < 2; i++) {
                struct crew c;

                make(&c, &works[i], 1);
                release(&c, worker_now_ns() - late_ns);
                wait_progress(&c);
                ck_assert_uint_eq(c.counters[0].started_ns, c.started_ns);
                ck_assert_uint_ge(c.counters[0].max_gap_ns, late_ns);
                ck_assert_uint_eq(c.counters[0].max_gap_at_ns, c.counters[0].max_gap_ns);
                finish(&c);
        }
}
END_TEST

START_TEST(a_pause_excuses_no_standstill_after_it)
{
        const struct ktstr_work work = ktstr_custom("Hogs", hogs);
        uint64_t last, now;
        struct crew c;

        make(&c, &work, 1);
        release(&c, worker_now_ns());
        wait_progress(&c);
        /* As if it had been frozen for an hour, let go, and not run for another one since. */
        last = c.counters[0].last_ns;
        now = last + 2 * HOUR_NS;
        crew_paused(&c, last, last + HOUR_NS);
        ck_assert(crew_is_stuck(&c, now, HOUR_NS - 1));
        ck_assert(!crew_is_stuck(&c, now, HOUR_NS));
        crew_measure(&c, now);
        ck_assert_uint_eq(c.counters[0].max_gap_ns, HOUR_NS);
        finish(&c);
}
END_TEST

START_TEST(more_workers_than_memory_are_refused_before_they_are_made)
{
        const struct ktstr_work work = ktstr_cpu_spin();
        struct crew_plan plan = plan_of(&work, 2000000000);
        struct kt_error err = KT_ERROR_INIT;
        struct crew c;

        ck_assert_int_eq(gate_init(&gate), 0);
        ck_assert_int_eq(crew_make(&c, &plan, &gate, &talk, &err), -ENOMEM);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "2000000000 workers need about"));
        ck_assert_uint_eq(c.n, 0);
        kt_error_done(&err);
        finish(&c);
}
END_TEST

UNIT_MAIN("crew", nobody_works_before_the_gate_is_open, teams_have_what_they_share,
          one_that_ends_by_itself_says_why, what_ends_when_the_measuring_is_over_did_not_end_by_itself,
          who_wants_a_cpu_and_makes_no_progress_stands_still, to_be_run_late_at_first_is_a_gap,
          a_pause_is_no_gap, a_pause_excuses_no_standstill_after_it,
          more_workers_than_memory_are_refused_before_they_are_made)
