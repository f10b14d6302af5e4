/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../../lib/body/worker.h"
#include "unit.h"

#define MS 1000000ULL

/* In a test's own process, as in a worker's. */
static struct worker_counters counters;
static struct ktstr_worker worker = {.counters = &counters, .index = 3, .group_size = 5};

/* When others of its team let it go. */
static _Atomic uint64_t released;

/* When it began its last sleep. */
static uint64_t fell_asleep;

/* In place of the C library's. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *ret_left)
{
        fell_asleep = worker_now_ns();
        return syscall(SYS_clock_nanosleep, clock, flags, until, ret_left) < 0 ? errno : 0;
}

static void pass(uint64_t ns)
{
        const uint64_t until = worker_now_ns() + ns;

        while (worker_now_ns() < until)
                ;
}

/* Of all that has passed since `begin`, so much is in no gap. How long the rest took says nothing: this
 * process may not have been run. */
static void no_gap_has(uint64_t ns, uint64_t begin)
{
        ck_assert_uint_le(counters.max_gap_ns, worker_now_ns() - begin - ns);
}

START_TEST(progress_counts_and_notes_gap_and_cpu)
{
        uint64_t now;

        worker_begin(&worker);
        ck_assert_uint_ne(counters.started_ns, 0);
        pass(30 * MS);
        worker_progress(&worker, 7);
        now = worker_progress(&worker, 5);
        ck_assert_uint_eq(counters.work_units, 12);
        ck_assert_uint_eq(counters.iterations, 2);
        ck_assert_uint_eq(counters.last_ns, now);
        ck_assert_uint_ge(counters.max_gap_ns, 30 * MS);
        ck_assert_uint_ge(counters.max_gap_at_ns, counters.max_gap_ns);
        ck_assert_uint_ne(counters.cpus_used[counters.last_cpu / 64] >> counters.last_cpu % 64 & 1, 0);
}
END_TEST

START_TEST(a_migration_is_a_change_of_cpu)
{
        worker_begin(&worker);
        counters.last_cpu = KTSTR_CPUS_MAX + 1; /* as if it came from there */
        worker_progress(&worker, 1);
        ck_assert_uint_ge(counters.migrations, 1);
        ck_assert_uint_lt(counters.last_cpu, KTSTR_CPUS_MAX);
}
END_TEST

START_TEST(cpus_of_before_a_change_are_forgotten)
{
        const unsigned old = KTSTR_CPUS_MAX - 1;

        worker_begin(&worker);
        counters.cpus_used[old / 64] |= 1ULL << old % 64;
        worker_progress(&worker, 1);
        ck_assert_uint_ne(counters.cpus_used[old / 64], 0);
        counters.cpus_rounds++;
        worker_progress(&worker, 1);
        ck_assert_uint_eq(counters.cpus_round, counters.cpus_rounds);
        ck_assert_uint_eq(counters.cpus_used[old / 64] >> old % 64, 0);
        /* That it did not move does not mean that it was nowhere. */
        ck_assert_uint_ne(counters.cpus_used[counters.last_cpu / 64] >> counters.last_cpu % 64 & 1, 0);
}
END_TEST

START_TEST(a_sleep_on_purpose_is_no_gap_but_what_was_before_is)
{
        const uint64_t begin = worker_now_ns();
        uint64_t until;

        worker_begin(&worker);
        pass(20 * MS);
        until = worker_now_ns() + 400 * MS;
        worker_sleep_until(&worker, until);
        worker_progress(&worker, 1);
        ck_assert_uint_ge(counters.max_gap_ns, 20 * MS);
        no_gap_has(fell_asleep < until ? until - fell_asleep : 0, begin);
}
END_TEST

START_TEST(who_looks_at_one_that_waits_sees_until_when)
{
        const struct timespec nap = {.tv_nsec = 1000000};
        struct worker_counters *k =
                mmap(NULL, sizeof(*k), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct ktstr_worker w = {.counters = k};
        uint64_t until = worker_now_ns() + 600000 * MS;
        pid_t pid;

        ck_assert_ptr_ne(k, MAP_FAILED);
        pid = fork();
        if (pid == 0) {
                worker_begin(&w);
                worker_sleep_until(&w, until);
                _exit(0);
        }
        /* Not when it began to sleep, and nothing on top of when it is to wake. */
        for (int i = 0; i < 30000 && worker_still_since(k) != until; i++)
                nanosleep(&nap, NULL);
        ck_assert_uint_eq(worker_still_since(k), until);
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);

        worker_begin(&worker);
        worker_wait_begins(&worker, &released);
        ck_assert_uint_eq(worker_still_since(&counters), counters.last_ns);
        released = counters.last_ns + 7;
        ck_assert_uint_eq(worker_still_since(&counters), counters.last_ns + 7);
}
END_TEST

START_TEST(to_wake_late_is_a_gap)
{
        uint64_t until;

        worker_begin(&worker);
        until = counters.last_ns + 5 * MS;
        pass(60 * MS); /* in place of a timer that fires late: it is past that time */
        worker_sleep_until(&worker, until);
        ck_assert_uint_le(counters.last_ns, until);
        worker_progress(&worker, 1);
        ck_assert_uint_ge(counters.max_gap_ns, 55 * MS);
}
END_TEST

START_TEST(waiting_for_others_is_no_gap_but_to_run_late_after_it_is)
{
        const uint64_t begin = worker_now_ns();

        worker_begin(&worker);
        worker_wait_begins(&worker, &released);
        pass(50 * MS);
        released = worker_now_ns();
        pass(30 * MS);
        worker_wait_ended(&worker);
        worker_progress(&worker, 1);
        ck_assert_uint_ge(counters.max_gap_ns, 30 * MS);
        no_gap_has(50 * MS, begin);
        /* It was let go before it came to wait. */
        worker_wait_begins(&worker, &released);
        worker_wait_ended(&worker);
        ck_assert_uint_gt(counters.last_ns, released);
}
END_TEST

/* What the body does while a worker is frozen. */
static void was_frozen(uint64_t since, uint64_t until)
{
        counters.paused_ns += until - since;
        counters.paused_until_ns = until;
}

START_TEST(a_pause_is_taken_off_once)
{
        uint64_t begin;

        worker_begin(&worker);
        begin = counters.last_ns;
        pass(200 * MS);
        was_frozen(begin, worker_now_ns());
        worker_wait_begins(&worker, &released);
        no_gap_has(200 * MS, begin);
        begin = worker_now_ns();
        released = begin;
        worker_wait_ended(&worker);
        pass(150 * MS);
        worker_progress(&worker, 1);
        ck_assert_uint_ge(counters.max_gap_ns, 150 * MS);
}
END_TEST

START_TEST(a_pause_before_it_was_let_go_excuses_nothing)
{
        uint64_t begin;

        worker_begin(&worker);
        worker_wait_begins(&worker, &released);
        begin = counters.last_ns;
        pass(200 * MS);
        was_frozen(begin, worker_now_ns());
        released = worker_now_ns();
        worker_wait_ended(&worker);
        pass(150 * MS);
        worker_progress(&worker, 1);
        ck_assert_uint_ge(counters.max_gap_ns, 150 * MS);
}
END_TEST

static volatile sig_atomic_t signals;

static void on_signal(int signo)
{
        signals++;
}

/* Until it is killed. */
static pid_t start_signalling(pid_t whom)
{
        const struct timespec nap = {.tv_nsec = 1000000};
        pid_t pid = fork();

        if (pid == 0)
                for (;;) {
                        kill(whom, SIGUSR1);
                        nanosleep(&nap, NULL);
                }
        return pid;
}

START_TEST(signals_do_not_end_a_sleep)
{
        /* No sleep is begun again, but to wait for a process is. */
        const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        pid_t pid;

        sigaction(SIGUSR1, &action, NULL);
        worker_begin(&worker);
        pid = start_signalling(getpid());
        for (int before = signals; signals < before + 10;) {
                const uint64_t until = worker_now_ns() + 100 * MS;

                ck_assert_uint_ge(worker_sleep_until(&worker, until), until);
        }
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(the_draw_keeps_all_at_first_and_then_any)
{
        const uint64_t n = 10 * WORKER_WAKES_MAX;
        uint64_t later = 0;

        worker_begin(&worker);
        for (uint64_t i = 0; i < n; i++) {
                ktstr_worker_wake_latency(&worker, i);
                if (i + 1 == WORKER_WAKES_MAX)
                        for (uint64_t k = 0; k < WORKER_WAKES_MAX; k++)
                                ck_assert_uint_eq(counters.wakes_ns[k], k);
        }
        ck_assert_uint_eq(counters.wake_count, n);
        ck_assert_uint_eq(counters.wake_max_ns, n - 1);
        /* Half of what is kept is of the later half, give or take five standard deviations. */
        for (uint64_t k = 0; k < WORKER_WAKES_MAX; k++)
                later += counters.wakes_ns[k] >= n / 2;
        ck_assert_uint_ge(later, WORKER_WAKES_MAX / 2 - 160);
        ck_assert_uint_le(later, WORKER_WAKES_MAX / 2 + 160);
}
END_TEST

START_TEST(a_wait_that_found_it_done_was_no_wake_up)
{
        _Atomic uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t pid;
        int status;

        ck_assert_ptr_ne(word, MAP_FAILED);
        *word = 1;
        ck_assert(!worker_futex_wait(word, 0));
        *word = 0;
        pid = fork();
        if (pid == 0)
                _exit(worker_futex_wait(word, 0) ? 0 : 1);
        /* A wake-up without a change does not end the wait; the first one that is let through says that it
         * sleeps. */
        while (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0)
                ;
        ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
        *word = 1;
        worker_futex_wake(word, 1);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(random_numbers_come_of_the_seed)
{
        struct ktstr_worker a = {.random = 1}, b = {.random = 1}, c = {.random = 2};
        const uint64_t first = ktstr_worker_random(&a);

        ck_assert_uint_eq(first, ktstr_worker_random(&b));
        ck_assert_uint_ne(first, ktstr_worker_random(&a));
        ck_assert_uint_ne(first, ktstr_worker_random(&c));
        ck_assert_uint_eq(ktstr_worker_index(&worker), 3);
        ck_assert_uint_eq(ktstr_worker_group_size(&worker), 5);
}
END_TEST

START_TEST(who_dies_leaves_a_line)
{
        struct worker_counters *shared =
                mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct ktstr_worker w = {.counters = shared};
        int status;
        pid_t pid;

        ck_assert_ptr_ne(shared, MAP_FAILED);
        pid = fork();
        if (pid == 0)
                worker_die(&w, "cannot %s: %0200d", "go on", 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        ck_assert_int_eq(strncmp(shared->died, "cannot go on: 000", 17), 0);
        ck_assert_uint_eq(strlen(shared->died), sizeof(shared->died) - 1);
}
END_TEST

UNIT_MAIN("body_worker", progress_counts_and_notes_gap_and_cpu, a_migration_is_a_change_of_cpu,
          cpus_of_before_a_change_are_forgotten, a_sleep_on_purpose_is_no_gap_but_what_was_before_is,
          who_looks_at_one_that_waits_sees_until_when, to_wake_late_is_a_gap,
          waiting_for_others_is_no_gap_but_to_run_late_after_it_is, a_pause_is_taken_off_once,
          a_pause_before_it_was_let_go_excuses_nothing, signals_do_not_end_a_sleep,
          the_draw_keeps_all_at_first_and_then_any, a_wait_that_found_it_done_was_no_wake_up,
          random_numbers_come_of_the_seed, who_dies_leaves_a_line)
