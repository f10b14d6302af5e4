/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "../../lib/work/work_type.h"
#include "unit.h"
#include "work_crew.h"

#define RUN_NS 200000000ULL

enum wakes {
        NO_WAKES,
        ALL,          /* each worker measures its wake-ups */
        ALL_BUT_FIRST /* of the team */
};

struct run_case {
        struct ktstr_work work;
        unsigned workers;
        enum wakes wakes;
        bool real_time;
};

static const struct run_case runs[] = {
        {{.type = KTSTR_WORK_UNSET}, 2},
        {{.type = KTSTR_WORK_CPU_SPIN}, 2},
        {{.type = KTSTR_WORK_YIELD_HEAVY}, 2},
        {{.type = KTSTR_WORK_MIXED}, 2},
        {{.type = KTSTR_WORK_IO_SYNC}, 2},
        {{.type = KTSTR_WORK_BURSTY, .p = {5, 10}}, 2},
        {{.type = KTSTR_WORK_PIPE_IO}, 4},
        {{.type = KTSTR_WORK_FUTEX_PING_PONG}, 4, ALL},
        {{.type = KTSTR_WORK_CACHE_PRESSURE}, 2},
        {{.type = KTSTR_WORK_CACHE_PRESSURE, .p = {1024, 3}}, 1},
        {{.type = KTSTR_WORK_CACHE_YIELD}, 2},
        {{.type = KTSTR_WORK_CACHE_PIPE}, 2},
        {{.type = KTSTR_WORK_FUTEX_FAN_OUT}, 5, ALL_BUT_FIRST},
        {{.type = KTSTR_WORK_FUTEX_FAN_OUT, .p = {1}}, 4, ALL_BUT_FIRST},
        {{.type = KTSTR_WORK_FAN_OUT_COMPUTE}, 5, ALL_BUT_FIRST},
        {{.type = KTSTR_WORK_FORK_EXIT}, 2},
        {{.type = KTSTR_WORK_NICE_SWEEP}, 2},
        {{.type = KTSTR_WORK_AFFINITY_CHURN}, 2},
        {{.type = KTSTR_WORK_POLICY_CHURN}, 2},
        {{.type = KTSTR_WORK_PAGE_FAULT_CHURN}, 2},
        {{.type = KTSTR_WORK_MUTEX_CONTENTION}, 4},
        {{.type = KTSTR_WORK_WAKE_CHAIN}, 4, ALL},
        {{.type = KTSTR_WORK_WAKE_CHAIN, .p = {2}}, 4, ALL},
        {{.type = KTSTR_WORK_THUNDERING_HERD}, 8, ALL_BUT_FIRST},
        {{.type = KTSTR_WORK_TIMER_LATENCY}, 2, ALL},
        {{.type = KTSTR_WORK_PRIORITY_INVERSION}, 3, .real_time = true},
        {{.type = KTSTR_WORK_PREEMPT_STORM}, 4, .real_time = true},
        {{.type = KTSTR_WORK_RT_STARVATION}, 4, .real_time = true},
        {{.type = KTSTR_WORK_SIGNAL_STORM}, 2},
        {{.type = KTSTR_WORK_SCHBENCH, .p = {0, 1000}}, 4, ALL_BUT_FIRST},
        {{.type = KTSTR_WORK_SEQUENCE,
          .phases = (const struct ktstr_phase[]){{KTSTR_PHASE_SPIN, 2},
                                                 {KTSTR_PHASE_SLEEP, 2},
                                                 {KTSTR_PHASE_YIELD, 2},
                                                 {KTSTR_PHASE_IO, 2}},
          .n_phases = 4},
         2},
};

static enum wakes expected_wakes;

static bool measures(const struct work_crew *c, unsigned i)
{
        return expected_wakes == ALL ||
               (expected_wakes == ALL_BUT_FIRST && i % c->type->team_size(&c->work) != 0);
}

static bool all_progressed(const struct work_crew *c)
{
        for (unsigned i = 0; i < c->n; i++) {
                const struct worker_counters *k = &c->counters[i];

                if (k->iterations < 3 || k->last_ns < k->started_ns + RUN_NS)
                        return false;
                if (measures(c, i) && k->wake_count == 0)
                        return false;
        }
        return true;
}

/* Of who is dead: between two looks at one that runs it goes on. */
static void check_counters(const struct work_crew *c)
{
        const uint64_t now = worker_now_ns();

        for (unsigned i = 0; i < c->n; i++) {
                const struct worker_counters *k = &c->counters[i];
                const uint64_t kept = k->wake_count < WORKER_WAKES_MAX ? k->wake_count : WORKER_WAKES_MAX;

                ck_assert_uint_ge(k->work_units, k->iterations);
                ck_assert_uint_le(k->max_gap_ns, now - k->started_ns);
                ck_assert_uint_ne(k->cpus_used[0], 0);
                if (!measures(c, i))
                        ck_assert_uint_eq(k->wake_count, 0);
                for (uint64_t n = 0; n < kept; n++)
                        ck_assert_uint_le(k->wakes_ns[n], now - k->started_ns);
        }
}

/* What it has open beyond what it was forked with has no name in any folder. */
static void check_files(const struct work_crew *c)
{
        for (unsigned i = 0; i < c->n; i++)
                for (int fd = 0; fd < 64; fd++) {
                        _cleanup_free_ char *path = kt_format("/proc/%d/fd/%d", (int)c->pids[i], fd);
                        struct stat theirs, ours;

                        if (stat(path, &theirs) < 0 || !S_ISREG(theirs.st_mode))
                                continue;
                        if (fstat(fd, &ours) == 0 && ours.st_ino == theirs.st_ino &&
                            ours.st_dev == theirs.st_dev)
                                continue;
                        ck_assert_msg(theirs.st_nlink == 0, "%s leaves a file", c->type->name);
                }
}

static bool real_time_is_allowed(void)
{
        pid_t pid = fork();
        int status;

        if (pid == 0)
                _exit(sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) < 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        return status == 0;
}

START_TEST(each_type_makes_progress_and_leaves_nothing)
{
        const struct run_case *run = &runs[_i];
        struct kt_error err = KT_ERROR_INIT;
        struct work_crew c;

        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        if (run->real_time && !real_time_is_allowed()) {
                printf("%s skipped: SCHED_FIFO is refused here\n", work_type_of(run->work.type)->name);
                return;
        }
        ck_assert_msg(work_check(&run->work, run->workers, NULL, &err) == 0, "%s", kt_error_text(&err));
        expected_wakes = run->wakes;
        work_crew_start(&c, &run->work, run->workers, NULL);
        work_crew_until(&c, all_progressed, "a worker makes no progress, or measures no wake-up");
        check_files(&c);
        work_crew_kill(&c);
        check_counters(&c);
        work_crew_free(&c);
}
END_TEST

/* In place of libc's: a scheduler that never lets a worker run again that has yielded. */
static bool yields_for_ever;

int sched_yield(void)
{
        while (yields_for_ever)
                pause();
        return (int)syscall(SYS_sched_yield);
}

static bool all_have_begun(const struct work_crew *c)
{
        for (unsigned i = 0; i < c->n; i++)
                if (c->counters[i].iterations == 0)
                        return false;
        return true;
}

static const enum ktstr_work_type yielding[] = {KTSTR_WORK_MIXED, KTSTR_WORK_CACHE_YIELD,
                                                KTSTR_WORK_NICE_SWEEP, KTSTR_WORK_AFFINITY_CHURN,
                                                KTSTR_WORK_POLICY_CHURN};

/* Else it would have starved, whatever it had done in the time that it was given. */
START_TEST(what_is_done_counts_before_the_yield)
{
        const struct ktstr_work work = {.type = yielding[_i]};
        struct work_crew c;

        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        yields_for_ever = true;
        work_crew_start(&c, &work, 2, NULL);
        work_crew_until(&c, all_have_begun, "what a worker did is not counted");
        work_crew_stop(&c);
}
END_TEST

/* Likewise: a round of page faults takes an emulated guest a quarter of a second. */
START_TEST(a_round_of_page_faults_counts_in_small_parts)
{
        const struct ktstr_work work = {.type = KTSTR_WORK_PAGE_FAULT_CHURN};
        struct work_crew c;

        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        work_crew_start(&c, &work, 1, NULL);
        work_crew_until(&c, all_have_begun, "no page is touched");
        /* It goes on meanwhile. */
        ck_assert_uint_le(c.counters[0].work_units, 16 * (c.counters[0].iterations + 1));
        work_crew_stop(&c);
}
END_TEST

static uint64_t seen_iterations, seen_since_ns;

/* Nobody did anything for a while, in which a busy machine still gives each its turn. */
static bool stands_still(const struct work_crew *c)
{
        uint64_t sum = 0, now = worker_now_ns();

        for (unsigned i = 0; i < c->n; i++)
                sum += c->counters[i].iterations;
        if (sum != seen_iterations) {
                seen_iterations = sum;
                seen_since_ns = now;
        }
        return now - seen_since_ns > 300000000ULL;
}

static const struct ktstr_work teams[] = {
        {.type = KTSTR_WORK_PIPE_IO},         {.type = KTSTR_WORK_CACHE_PIPE},
        {.type = KTSTR_WORK_FUTEX_PING_PONG}, {.type = KTSTR_WORK_FUTEX_FAN_OUT},
        {.type = KTSTR_WORK_WAKE_CHAIN},      {.type = KTSTR_WORK_THUNDERING_HERD},
        {.type = KTSTR_WORK_SIGNAL_STORM},
};

/* All are killed one after the other: who is later must not have ended for want of a partner. */
START_TEST(who_loses_its_partner_waits)
{
        const struct work_type *type = work_type_of(teams[_i].type);
        const struct ktstr_work work = work_with_defaults(&teams[_i]);
        struct work_crew c;

        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        expected_wakes = NO_WAKES;
        work_crew_start(&c, &teams[_i], type->team_size(&work), NULL);
        work_crew_until(&c, all_progressed, "a worker makes no progress");
        ck_assert_int_eq(kill(c.pids[c.n - 1], SIGKILL), 0);
        work_crew_until(&c, stands_still, "goes on without its partner");
        work_crew_check_alive(&c);
        work_crew_stop(&c);
}
END_TEST

static bool low_and_high_progressed(const struct work_crew *c)
{
        return c->counters[0].iterations > 0 && c->counters[2].iterations >= 10;
}

static uint64_t longest_wait_of_high(void)
{
        const struct ktstr_work work = ktstr_priority_inversion(20000, 30000);
        struct work_crew c;
        uint64_t gap_ns;

        work_crew_start(&c, &work, 3, NULL);
        work_crew_until(&c, low_and_high_progressed, "high does not get the lock");
        work_crew_kill(&c);
        gap_ns = c.counters[2].max_gap_ns;
        work_crew_free(&c);
        return gap_ns;
}

/* Low has a hundredth of the CPU beside middle, at most: that high has the lock that often, and never waits
 * long, is the lent priority. A host that keeps all of them from the CPU may make it seem otherwise, but
 * not each time. */
START_TEST(a_waiting_high_lends_low_its_priority)
{
        uint64_t gap_ns = UINT64_MAX;

        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        if (!real_time_is_allowed()) {
                printf("PriorityInversion skipped: SCHED_FIFO is refused here\n");
                return;
        }
        for (unsigned i = 0; i < 3 && gap_ns >= 1000000000ULL; i++)
                gap_ns = longest_wait_of_high();
        ck_assert_uint_lt(gap_ns, 1000000000ULL);
}
END_TEST

/* The second version's hierarchy, where the test may make a cgroup; "": nowhere. */
static char *make_cgroup(void)
{
        _cleanup_free_ char *mounts = NULL;
        char *save, *line;
        size_t size;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, "/proc/self/mounts", 1 << 20, &mounts, &size), 0);
        for (line = strtok_r(mounts, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char dir[256], type[32], *path;

                if (sscanf(line, "%*s %255s %31s", dir, type) != 2 || strcmp(type, "cgroup2") != 0)
                        continue;
                path = kt_format("%s/ktstr-unit-%d", dir, (int)getpid());
                if (mkdir(path, 0755) == 0)
                        return path;
                free(path);
        }
        return NULL;
}

static bool has_cpu_controller(const char *dir)
{
        _cleanup_free_ char *weight = kt_path_join(dir, "cpu.weight");

        return access(weight, F_OK) == 0;
}

static bool seen_in[2];

static bool was_in_both(const struct work_crew *c)
{
        _cleanup_free_ char *path = kt_format("/proc/%d/cgroup", (int)c->pids[0]), *text = NULL;
        size_t size;

        if (kt_read_file(AT_FDCWD, path, 65536, &text, &size) < 0)
                return false;
        seen_in[0] |= strstr(text, "/churn_a\n") != NULL;
        seen_in[1] |= strstr(text, "/churn_b\n") != NULL;
        return seen_in[0] && seen_in[1];
}

START_TEST(cgroup_churn_moves_between_two_below_its_own)
{
        const struct ktstr_work work = ktstr_cgroup_churn(0);
        _cleanup_free_ char *dir = make_cgroup();
        struct work_crew c;
        bool has_cpu;

        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        if (!dir) {
                printf("CgroupChurn skipped: no cgroup can be made here\n");
                return;
        }
        has_cpu = has_cpu_controller(dir);
        expected_wakes = NO_WAKES;
        work_crew_start(&c, &work, 3, dir);
        work_crew_until(&c, all_progressed, "a worker makes no progress");
        work_crew_until(&c, was_in_both, "does not move");
        work_crew_stop(&c);
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_free_ char *child = kt_path_join(dir, i == 0 ? "churn_a" : "churn_b");
                _cleanup_free_ char *weight = kt_path_join(child, "cpu.weight");

                /* Else a scheduler is told of no move. */
                ck_assert_int_eq(access(weight, F_OK) == 0, has_cpu);
                ck_assert_int_eq(rmdir(child), 0);
        }
        ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

static void returns(struct ktstr_worker *w)
{
}

static void check_dies(const struct ktstr_work *work, const char *line)
{
        struct work_crew c;
        int status;

        work_crew_start(&c, work, 1, NULL);
        ck_assert_int_eq(waitpid(c.pids[0], &status, 0), c.pids[0]);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        ck_assert_str_eq(c.counters[0].died, line);
}

START_TEST(who_cannot_go_on_says_why)
{
        const struct ktstr_work mine = ktstr_custom("mine", returns), churn = ktstr_cgroup_churn(0);

        check_dies(&mine, "the function of mine returned: it has to be an endless loop");
        check_dies(&churn, "CgroupChurn needs a cgroup: it is of no use outside all");
}
END_TEST

static const char *const names[KTSTR_WORK_MAX_] = {
#define X(id, name, ...) [KTSTR_WORK_##id] = name,
#include "../../lib/include/work_types.h"
#undef X
        [KTSTR_WORK_CUSTOM] = "Custom",
};

START_TEST(names_are_those_of_the_list)
{
        for (unsigned i = KTSTR_WORK_UNSET + 1; i < KTSTR_WORK_MAX_; i++) {
                ck_assert_str_eq(work_type_of(i)->name, names[i]);
                if (i == KTSTR_WORK_SEQUENCE || i == KTSTR_WORK_CUSTOM)
                        ck_assert_ptr_null(work_type_find(names[i]));
                else
                        ck_assert_ptr_eq(work_type_find(names[i]), work_type_of(i));
        }
        ck_assert_str_eq(work_type_of(KTSTR_WORK_UNSET)->name, "CpuSpin");
        ck_assert_ptr_null(work_type_of(KTSTR_WORK_MAX_));
        ck_assert_ptr_null(work_type_find("pipeio"));
        ck_assert_ptr_null(work_type_find(""));
}
END_TEST

START_TEST(unset_parameters_have_their_defaults)
{
        static const struct {
                enum ktstr_work_type type;
                uint64_t p[4];
        } cases[] = {
                {KTSTR_WORK_CPU_SPIN, {0}},
                {KTSTR_WORK_BURSTY, {50, 100}},
                {KTSTR_WORK_PIPE_IO, {1024}},
                {KTSTR_WORK_FUTEX_PING_PONG, {1024}},
                {KTSTR_WORK_CACHE_PRESSURE, {32, 64}},
                {KTSTR_WORK_CACHE_YIELD, {32, 64}},
                {KTSTR_WORK_CACHE_PIPE, {32, 1024}},
                {KTSTR_WORK_FUTEX_FAN_OUT, {4, 1024}},
                {KTSTR_WORK_FAN_OUT_COMPUTE, {4, 256, 5, 100}},
                {KTSTR_WORK_AFFINITY_CHURN, {1024}},
                {KTSTR_WORK_POLICY_CHURN, {1024}},
                {KTSTR_WORK_PAGE_FAULT_CHURN, {4096, 256, 64}},
                {KTSTR_WORK_MUTEX_CONTENTION, {4, 256, 1024}},
                {KTSTR_WORK_WAKE_CHAIN, {4, 1024}},
                {KTSTR_WORK_THUNDERING_HERD, {7, 256, 2000}},
                {KTSTR_WORK_SMT_SIBLING_SPIN, {1024}},
                {KTSTR_WORK_TIMER_LATENCY, {1000}},
                {KTSTR_WORK_CGROUP_CHURN, {1024}},
                {KTSTR_WORK_PRIORITY_INVERSION, {5000, 20000}},
                {KTSTR_WORK_PREEMPT_STORM, {3, 500, 100}},
                {KTSTR_WORK_RT_STARVATION, {3, 90, 100000}},
                {KTSTR_WORK_SIGNAL_STORM, {1024}},
                {KTSTR_WORK_SCHBENCH, {3, 30000, 2, 16}},
        };

        for (unsigned i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                const struct ktstr_work unset = {.type = cases[i].type},
                                        set = {.type = cases[i].type, .p = {3}};
                const struct ktstr_work whole = work_with_defaults(&unset);

                for (unsigned k = 0; k < 4; k++)
                        ck_assert_msg(whole.p[k] == cases[i].p[k], "%s p[%u] is %llu", names[cases[i].type],
                                      k, (unsigned long long)whole.p[k]);
                ck_assert_uint_eq(work_with_defaults(&set).p[0], 3);
                ck_assert_uint_eq(work_with_defaults(&set).p[1], cases[i].p[1]);
        }
        ck_assert_int_eq(work_with_defaults(&(struct ktstr_work){}).type, KTSTR_WORK_CPU_SPIN);
}
END_TEST

struct refusal {
        struct ktstr_work work;
        unsigned workers;
        const char *text;
};

static const struct refusal refusals[] = {
        {{.type = KTSTR_WORK_PIPE_IO}, 3, "PipeIo requires num_workers divisible by 2, got 3"},
        {{.type = KTSTR_WORK_FUTEX_PING_PONG},
         1,
         "FutexPingPong requires num_workers divisible by 2, got 1"},
        {{.type = KTSTR_WORK_CACHE_PIPE}, 5, "CachePipe requires num_workers divisible by 2, got 5"},
        {{.type = KTSTR_WORK_FUTEX_FAN_OUT}, 4, "FutexFanOut requires num_workers divisible by 5, got 4"},
        {{.type = KTSTR_WORK_FUTEX_FAN_OUT, .p = {2}},
         4,
         "FutexFanOut requires num_workers divisible by 3, got 4"},
        {{.type = KTSTR_WORK_FAN_OUT_COMPUTE},
         6,
         "FanOutCompute requires num_workers divisible by 5, got 6"},
        {{.type = KTSTR_WORK_MUTEX_CONTENTION},
         2,
         "MutexContention requires num_workers divisible by 4, got 2"},
        {{.type = KTSTR_WORK_WAKE_CHAIN}, 6, "WakeChain requires num_workers divisible by 4, got 6"},
        {{.type = KTSTR_WORK_THUNDERING_HERD},
         4,
         "ThunderingHerd requires num_workers divisible by 8, got 4"},
        {{.type = KTSTR_WORK_PRIORITY_INVERSION},
         2,
         "PriorityInversion requires num_workers divisible by 3, got 2"},
        {{.type = KTSTR_WORK_PREEMPT_STORM}, 2, "PreemptStorm requires num_workers divisible by 4, got 2"},
        {{.type = KTSTR_WORK_RT_STARVATION}, 2, "RtStarvation requires num_workers divisible by 4, got 2"},
        {{.type = KTSTR_WORK_SIGNAL_STORM}, 1, "SignalStorm requires num_workers divisible by 2, got 1"},
        {{.type = KTSTR_WORK_SCHBENCH}, 2, "Schbench requires num_workers divisible by 4, got 2"},
        {{.type = KTSTR_WORK_SMT_SIBLING_SPIN},
         2,
         "SmtSiblingSpin requires cores with 2 threads, and the topology has 1: set threads"},
        {{.type = KTSTR_WORK_CPU_SPIN, .p = {7}}, 1, "CpuSpin has no parameter p[0], got 7"},
        {{.type = KTSTR_WORK_BURSTY, .p = {1, 2, 3}}, 1, "Bursty has no parameter p[2], got 3"},
        {{.type = KTSTR_WORK_BURSTY, .p = {1, 3600001}},
         1,
         "Bursty: sleep_ms is at most 3600000, got 3600001"},
        {{.type = KTSTR_WORK_FUTEX_FAN_OUT, .p = {UINT64_MAX}},
         1,
         "FutexFanOut: fan_out is at most 1023, got 18446744073709551615"},
        {{.type = KTSTR_WORK_CACHE_PRESSURE, .p = {1, 1025}},
         1,
         "stride_bytes is 1025, and the buffer has only 1024"},
        {{.type = KTSTR_WORK_WAKE_CHAIN, .p = {1}}, 1, "WakeChain: length is at least 2, got 1"},
        {{.type = KTSTR_WORK_PREEMPT_STORM, .p = {0, 100, 100}},
         4,
         "PreemptStorm: burst_us is less than period_us, got 100 and 100"},
        {{.type = KTSTR_WORK_RT_STARVATION, .p = {0, 96}},
         4,
         "RtStarvation: busy_pct is at most 95, got 96"},
        {{.type = KTSTR_WORK_SEQUENCE}, 1, "Sequence has no phases"},
        {{.type = KTSTR_WORK_SEQUENCE,
          .phases = (const struct ktstr_phase[]){{KTSTR_PHASE_SPIN, 1}, {KTSTR_PHASE_SLEEP, 0}},
          .n_phases = 2},
         1,
         "phase 1 of Sequence lasts 1 to 3600000 ms, got 0"},
        {{.type = KTSTR_WORK_SEQUENCE, .phases = (const struct ktstr_phase[]){{0, 1}}, .n_phases = 1},
         1,
         "phase 0 of Sequence is of no known kind"},
        {{.type = KTSTR_WORK_CUSTOM}, 1, "Custom has no function: ktstr_custom(name, function)"},
        {{.type = KTSTR_WORK_MAX_}, 1, "there is no work type 31"},
};

START_TEST(what_cannot_be_is_refused)
{
        static const struct ktstr_topo topo = {.threads = 1};
        const struct refusal *refusal = &refusals[_i];
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(work_check(&refusal->work, refusal->workers, &topo, &err), -EINVAL);
        ck_assert_str_eq(err.message, refusal->text);
}
END_TEST

START_TEST(siblings_are_wanted_once_the_topology_is_known)
{
        static const struct ktstr_topo smt = {.threads = 2};
        const struct ktstr_work work = ktstr_smt_sibling_spin(0);

        ck_assert_int_eq(work_check(&work, 2, NULL, NULL), 0);
        ck_assert_int_eq(work_check(&work, 2, &smt, NULL), 0);
        ck_assert_int_eq(work_check(&work, 3, &smt, NULL), -EINVAL);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("work");
        TCase *table = tcase_create("table"), *run = tcase_create("run");
        SRunner *runner;
        int failed;

        tcase_add_test(table, names_are_those_of_the_list);
        tcase_add_test(table, unset_parameters_have_their_defaults);
        tcase_add_loop_test(table, what_cannot_be_is_refused, 0, KT_ARRAY_SIZE(refusals));
        tcase_add_test(table, siblings_are_wanted_once_the_topology_is_known);
        tcase_set_timeout(run, 60);
        tcase_add_loop_test(run, each_type_makes_progress_and_leaves_nothing, 0, KT_ARRAY_SIZE(runs));
        tcase_add_loop_test(run, what_is_done_counts_before_the_yield, 0, KT_ARRAY_SIZE(yielding));
        tcase_add_test(run, a_round_of_page_faults_counts_in_small_parts);
        tcase_add_loop_test(run, who_loses_its_partner_waits, 0, KT_ARRAY_SIZE(teams));
        tcase_add_test(run, a_waiting_high_lends_low_its_priority);
        tcase_add_test(run, cgroup_churn_moves_between_two_below_its_own);
        tcase_add_test(run, who_cannot_go_on_says_why);
        suite_add_tcase(suite, table);
        suite_add_tcase(suite, run);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
