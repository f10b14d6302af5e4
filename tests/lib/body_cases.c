/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "body_cases.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/fsutil.h"

#define MS(n) KTSTR_HOLD_FIXED_MS(n)
#define PATIENCE_S 30

/* --- what the kernel says of workers and cgroups --- */

static char *read_file(const char *path)
{
        char *text = NULL;
        size_t size;

        if (kt_read_file(AT_FDCWD, path, 65536, &text, &size) < 0)
                return strdup("");
        text[strcspn(text, "\n")] = '\0';
        return text;
}

/* The first process of that name; 0: none. */
static pid_t find_process(const char *comm)
{
        DIR *d = opendir("/proc");
        struct dirent *de;
        pid_t found = 0;

        while (!found && (de = readdir(d))) {
                char *name = read_file(kt_format("/proc/%s/comm", de->d_name));

                if (atoi(de->d_name) > 0 && strcmp(name, comm) == 0)
                        found = atoi(de->d_name);
        }
        closedir(d);
        return found;
}

static void nap(long ms)
{
        nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* One that was let go has its name when it first runs. */
static pid_t wait_for_process(const char *comm)
{
        pid_t pid = 0;

        for (int i = 0; i < PATIENCE_S * 10 && !(pid = find_process(comm)); i++)
                nap(100);
        return pid;
}

static enum ktstr_outcome file_is(struct ktstr_ctx *ctx, const char *path, const char *expected)
{
        char *text = read_file(path);

        return strcmp(text, expected) == 0 ? KTSTR_PASS
                                           : ktstr_fail(ctx, "%s is '%s', not '%s'", path, text, expected);
}

/* --- cpusets --- */

static enum ktstr_outcome split(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx, KTSTR_STEP(MS(600), {.name = "left", .cpuset = ktstr_cpuset_disjoint(0, 2)},
                                         {.name = "right", .cpuset = ktstr_cpuset_disjoint(1, 2)},
                                         {.name = "llc", .cpuset = ktstr_cpuset_llc(1), .workers_pct = 50}));
}

static enum ktstr_outcome cpuset_ops(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx,
                         KTSTR_STEP(MS(300), {.name = "a", .cpuset = ktstr_cpuset_exact("0-1")},
                                    {.name = "b", .cpuset = ktstr_cpuset_exact("2-3")}),
                         {.hold = MS(300),
                          KTSTR_OPS(ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "c"}),
                                    ktstr_op_add_cgroup((struct ktstr_cgroup){
                                            .name = "d", .cpuset = ktstr_cpuset_exact("4")}),
                                    ktstr_op_set_cpuset("c", ktstr_cpuset_exact("5")),
                                    ktstr_op_swap_cpusets("c", "d"), ktstr_op_clear_cpuset("d"))});
}

/* The one above is taken the CPUs of the one below, which then has those of the one above. */
static enum ktstr_outcome cpuset_above(struct ktstr_ctx *ctx)
{
        const struct ktstr_step step = {.hold = MS(300),
                                        KTSTR_OPS(ktstr_op_set_cpuset("up", ktstr_cpuset_exact("0-2")))};

        return ktstr_run_scenario(
                ctx,
                &(struct ktstr_scenario){
                        KTSTR_CGROUPS(
                                {.name = "up", .cpuset = ktstr_cpuset_exact("0-3"), .workers = KTSTR_NONE},
                                {.name = "up/moves", .cpuset = ktstr_cpuset_exact("3")},
                                {.name = "up/stays", .cpuset = ktstr_cpuset_exact("2")}),
                        .steps = &step, .n_steps = 1});
}

/* --- nested ones, and the controllers of those above --- */

static enum ktstr_outcome look_at_tree(struct ktstr_ctx *ctx)
{
        return ktstr_worse(file_is(ctx, "/sys/fs/cgroup/top/cgroup.subtree_control", "cpuset cpu"),
                           ktstr_worse(file_is(ctx, "/sys/fs/cgroup/top/in/cpuset.cpus.effective", "2-3"),
                                       file_is(ctx, "/sys/fs/cgroup/plain/cgroup.subtree_control", "")));
}

/* A scheduler knows of those that have the cpu controller. */
static enum ktstr_outcome look_at_controllers(struct ktstr_ctx *ctx)
{
        static const char *const files[][2] = {
                {"/sys/fs/cgroup/outer/in/cgroup.controllers", "cpu"},
                {"/sys/fs/cgroup/outer/in/leaf/cgroup.controllers", "cpu"},
                {"/sys/fs/cgroup/outer/full/cgroup.controllers", "cpu"},
                {"/sys/fs/cgroup/outer/full/leaf/cgroup.controllers", ""},
                {"/sys/fs/cgroup/bare/in/cgroup.controllers", ""},
                {"/sys/fs/cgroup/bare/in/leaf/cgroup.controllers", ""},
        };
        enum ktstr_outcome worst = KTSTR_PASS;

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
                worst = ktstr_worse(worst, file_is(ctx, files[i][0], files[i][1]));
        return worst;
}

static enum ktstr_outcome controllers(struct ktstr_ctx *ctx)
{
        const struct ktstr_step look = {
                .hold = MS(100),
                KTSTR_OPS(ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "outer/in/leaf"}),
                          ktstr_op_call(look_at_controllers))};

        return ktstr_run_scenario(
                ctx,
                &(struct ktstr_scenario){
                        KTSTR_CGROUPS({.name = "outer", .workers = KTSTR_NONE},
                                      {.name = "outer/in", .workers = KTSTR_NONE}, {.name = "outer/full"},
                                      {.name = "outer/full/leaf"},
                                      {.name = "bare", .workers = KTSTR_NONE, .no_controllers = true},
                                      {.name = "bare/in", .workers = KTSTR_NONE}, {.name = "bare/in/leaf"}),
                        .steps = &look, .n_steps = 1});
}

static enum ktstr_outcome nested(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx,
                         KTSTR_STEP(MS(300), {.name = "top/in", .cpuset = ktstr_cpuset_exact("2-3")},
                                    {.name = "top/beside"}, {.name = "plain/below"}, {.name = "plain"}),
                         {.hold = MS(100)});
}

static enum ktstr_outcome nested_is_seen(struct ktstr_ctx *ctx)
{
        const struct ktstr_step look = {.hold = MS(100), KTSTR_OPS(ktstr_op_call(look_at_tree))};

        return ktstr_run_scenario(
                ctx,
                &(struct ktstr_scenario){
                        KTSTR_CGROUPS({.name = "top/in", .cpuset = ktstr_cpuset_exact("2-3")},
                                      {.name = "top/beside"}, {.name = "plain/below"}, {.name = "plain"}),
                        .steps = &look, .n_steps = 1});
}

/* --- limits, policies and the like, as the kernel has them --- */

static enum ktstr_outcome look_at_limits(struct ktstr_ctx *ctx)
{
        static const struct {
                const char *file, *text;
        } files[] = {
                {"cpu.max", "50000 200000"}, {"cpu.weight", "300"},        {"memory.max", "67108864"},
                {"memory.high", "33554432"}, {"memory.low", "1048576"},    {"memory.swap.max", "4096"},
                {"pids.max", "17"},          {"io.weight", "default 200"}, {"cpuset.mems.effective", "0"},
        };
        enum ktstr_outcome outcome = KTSTR_PASS;

        for (size_t i = 0; i < KT_ARRAY_SIZE(files); i++)
                outcome = ktstr_worse(outcome, file_is(ctx, kt_format("/sys/fs/cgroup/g/%s", files[i].file),
                                                       files[i].text));
        return outcome;
}

static enum ktstr_outcome limits(struct ktstr_ctx *ctx)
{
        const struct ktstr_step look = {.hold = MS(200), KTSTR_OPS(ktstr_op_call(look_at_limits))};

        return ktstr_run_scenario(ctx, &(struct ktstr_scenario){KTSTR_CGROUPS({.name = "g",
                                                                               .cpu_max_quota_us = 50000,
                                                                               .cpu_max_period_us = 200000,
                                                                               .cpu_weight = 300,
                                                                               .memory_max = 64 << 20,
                                                                               .memory_high = 32 << 20,
                                                                               .memory_low = 1 << 20,
                                                                               .memory_swap_max = 4096,
                                                                               .pids_max = 17,
                                                                               .io_weight = 200,
                                                                               .cpuset_mems = "0"}),
                                                                .steps = &look, .n_steps = 1});
}

static enum ktstr_outcome look_at_policies(struct ktstr_ctx *ctx)
{
        static const struct {
                const char *comm;
                int policy, priority, nice;
        } workers[] = {{"w-normal", SCHED_OTHER, 0, 5},
                       {"w-batch", SCHED_BATCH, 0, -3},
                       {"w-idle", SCHED_IDLE, 0, 0},
                       {"w-fifo", SCHED_FIFO, 3, 0},
                       {"w-rr", SCHED_RR, 4, 0},
                       {"w-dl", 6, 0, 0},
                       {"w-ext", 7, 0, 0}};
        enum ktstr_outcome outcome = KTSTR_PASS;

        for (size_t i = 0; i < KT_ARRAY_SIZE(workers); i++) {
                pid_t pid = wait_for_process(workers[i].comm);
                struct sched_param param = {};
                int policy = sched_getscheduler(pid), nice = getpriority(PRIO_PROCESS, (id_t)pid);

                sched_getparam(pid, &param);
                if (pid == 0 || policy != workers[i].policy || param.sched_priority != workers[i].priority ||
                    nice != workers[i].nice)
                        outcome = ktstr_fail(ctx, "%s: pid %d, policy %d, priority %d, nice %d",
                                             workers[i].comm, (int)pid, policy, param.sched_priority, nice);
        }
        return outcome;
}

static enum ktstr_outcome policies(struct ktstr_ctx *ctx)
{
        const struct ktstr_step look = {.hold = MS(300), KTSTR_OPS(ktstr_op_call(look_at_policies))};
        const struct ktstr_checks none = {
                .not_starved = KTSTR_OFF, .max_gap_ms = KTSTR_NONE, .max_spread_pct = KTSTR_NONE};

        return ktstr_run_scenario(
                ctx,
                &(struct ktstr_scenario){
                        KTSTR_CGROUPS(
                                {.name = "g",
                                 KTSTR_WORKS(
                                         {.workers = 1, .comm = "w-normal", .nice = 5},
                                         {.workers = 1,
                                          .comm = "w-batch",
                                          .nice = -3,
                                          .policy = KTSTR_BATCH},
                                         {.workers = 1, .comm = "w-idle", .policy = KTSTR_IDLE},
                                         {.workers = 1, .comm = "w-fifo", .policy = ktstr_policy_fifo(3)},
                                         {.workers = 1, .comm = "w-rr", .policy = ktstr_policy_rr(4)},
                                         {.workers = 1,
                                          .comm = "w-dl",
                                          .policy = ktstr_policy_deadline(20000000, 50000000, 50000000)},
                                         {.workers = 1, .comm = "w-ext", .policy = KTSTR_EXT})}),
                        .steps = &look, .n_steps = 1, .checks = &none});
}

static enum ktstr_outcome look_at_identity(struct ktstr_ctx *ctx)
{
        pid_t pid = wait_for_process("w-nobody");
        struct stat st = {};

        /* It has its name before its user. */
        for (int i = 0;
             i < PATIENCE_S * 10 && stat(kt_format("/proc/%d/task", (int)pid), &st) == 0 && st.st_uid == 0;
             i++)
                nap(100);
        if (stat(kt_format("/proc/%d/task", (int)pid), &st) < 0 || st.st_uid != 65534 || st.st_gid != 1234)
                return ktstr_fail(ctx, "pid %d is user %d, group %d", (int)pid, (int)st.st_uid,
                                  (int)st.st_gid);
        return KTSTR_PASS;
}

static enum ktstr_outcome identity(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx, {.hold = MS(300),
                               KTSTR_OPS(ktstr_op_add_cgroup((struct ktstr_cgroup){
                                                 .name = "g",
                                                 .workers = 1,
                                                 .comm = "w-nobody",
                                                 .uid = 65534,
                                                 .gid = 1234,
                                                 .mem_policy = {.mode = KTSTR_MEM_BIND, .nodes = "0"}}),
                                         ktstr_op_call(look_at_identity))});
}

/* --- tasks --- */

static enum ktstr_outcome look_at_move(struct ktstr_ctx *ctx)
{
        if (*read_file("/sys/fs/cgroup/from/cgroup.procs"))
                return ktstr_fail(ctx, "somebody is left");
        return *read_file("/sys/fs/cgroup/to/cgroup.procs") ? KTSTR_PASS
                                                            : ktstr_fail(ctx, "nobody has come");
}

static enum ktstr_outcome tasks(struct ktstr_ctx *ctx)
{
        const struct ktstr_work_group one = {.workers = 1}, two = {.workers = 2};
        const struct ktstr_affinity pinned = {.kind = KTSTR_AFFINITY_EACH,
                                              .cpus = ktstr_cpuset_exact("1-2")};

        return ktstr_run(
                ctx,
                {.hold = MS(300),
                 KTSTR_OPS(ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "from"}),
                           ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "to", .workers = KTSTR_NONE}),
                           ktstr_op_spawn("from", one), ktstr_op_spawn_host(two),
                           ktstr_op_set_affinity("from", pinned), ktstr_op_move_all_tasks("from", "to"),
                           ktstr_op_call(look_at_move), ktstr_op_remove_cgroup("from"),
                           ktstr_op_add_cgroup(
                                   (struct ktstr_cgroup){.name = "pinned",
                                                         .workers = 2,
                                                         .affinity = {.kind = KTSTR_AFFINITY_EACH,
                                                                      .cpus = ktstr_cpuset_exact("3-4")}}),
                           ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "stopped"}))},
                {.hold = MS(100),
                 KTSTR_OPS(ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "stopped"}),
                           ktstr_op_stop_cgroup("stopped"), ktstr_op_spawn("stopped", one))});
}

static enum ktstr_outcome sleep_a_while(struct ktstr_ctx *ctx)
{
        nap(8000);
        return KTSTR_PASS;
}

/* Frozen for longer than a gap may be, with what is in it, of which a part is frozen for longer still; the
 * second time it ends frozen. */
static enum ktstr_outcome freeze(struct ktstr_ctx *ctx)
{
        const struct ktstr_checks checks = {.max_gap_ms = 7500};
        const struct ktstr_step steps[] = {
                {.hold = MS(300),
                 KTSTR_OPS(ktstr_op_freeze_cgroup("ice"), ktstr_op_freeze_cgroup("ice/deep"),
                           ktstr_op_call(sleep_a_while), ktstr_op_thaw_cgroup("ice"),
                           ktstr_op_thaw_cgroup("ice/deep"))},
                {.hold = MS(1200), KTSTR_OPS(ktstr_op_freeze_cgroup("ice"))},
        };

        return ktstr_run_scenario(
                ctx, &(struct ktstr_scenario){KTSTR_CGROUPS({.name = "ice"}, {.name = "ice/berg"},
                                                            {.name = "ice/deep"}, {.name = "warm"}),
                                              .steps = steps, .n_steps = 2, .checks = &checks});
}

/* --- workers of the author's --- */

static void wakes_work(struct ktstr_worker *w)
{
        for (unsigned i = 0;; i++) {
                ktstr_worker_wake_latency(w, ktstr_worker_index(w) == 0 ? 1000 : 3000);
                ktstr_worker_progress(w, 1);
                nap(1);
        }
}

static void dies_work(struct ktstr_worker *w)
{
        ktstr_worker_progress(w, 1);
        nap(100);
        if (ktstr_worker_index(w) == 0)
                kill(getpid(), SIGSEGV);
        exit(3);
}

static void returns_work(struct ktstr_worker *w)
{
        ktstr_worker_progress(w, 1);
}

/* Its children are to be gone with it. */
static void forks_work(struct ktstr_worker *w)
{
        if (fork() == 0)
                for (;;)
                        pause();
        for (;;) {
                ktstr_worker_progress(w, 1);
                nap(10);
        }
}

static enum ktstr_outcome custom(struct ktstr_ctx *ctx)
{
        return ktstr_run(
                ctx,
                KTSTR_STEP(MS(600), {.name = "wakes", .work = ktstr_custom("Wakes", wakes_work)},
                           {.name = "dies", .work = ktstr_custom("Dies", dies_work)},
                           {.name = "returns", .workers = 1, .work = ktstr_custom("Returns", returns_work)},
                           {.name = "forks", .workers = 1, .work = ktstr_custom("Forks", forks_work)}));
}

static void eats_work(struct ktstr_worker *w)
{
        for (size_t size = 1 << 20;; nap(1)) {
                memset(malloc(size), 1, size);
                ktstr_worker_progress(w, 1);
        }
}

static enum ktstr_outcome eats(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx, KTSTR_STEP(MS(1500), {.name = "eats",
                                                    .workers = 1,
                                                    .memory_max = 3 << 20,
                                                    .work = ktstr_custom("Eats", eats_work)}));
}

/* --- hotplug --- */

static enum ktstr_outcome look_offline(struct ktstr_ctx *ctx)
{
        return file_is(ctx, "/sys/devices/system/cpu/offline", "1,3");
}

static enum ktstr_outcome hotplug(struct ktstr_ctx *ctx)
{
        return ktstr_run(
                ctx,
                {.hold = MS(300),
                 KTSTR_OPS(ktstr_op_cpu_offline(1), ktstr_op_cpu_offline(2), ktstr_op_cpu_offline(3),
                           ktstr_op_cpu_online(2), ktstr_op_call(look_offline)),
                 KTSTR_CGROUPS({.name = "a"}, {.name = "gone", .cpuset = ktstr_cpuset_exact("1-2")})},
                {.hold = MS(0), KTSTR_OPS(ktstr_op_cpu_storm(3, 20))});
}

/* A CPU is away when an error ends the scenario. */
static enum ktstr_outcome hotplug_error(struct ktstr_ctx *ctx)
{
        return ktstr_run(
                ctx, {.hold = MS(0), KTSTR_OPS(ktstr_op_cpu_offline(2), ktstr_op_remove_cgroup("typo"))});
}

/* --- what goes wrong --- */

static void run_ops(struct ktstr_ctx *ctx, struct ktstr_op op)
{
        ktstr_run(ctx, {.hold = MS(0),
                        KTSTR_OPS(ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "there"}), op)});
}

static void run_cgroup(struct ktstr_ctx *ctx, struct ktstr_cgroup def)
{
        ktstr_run(ctx, {.hold = MS(0), .cgroups = &def, .n_cgroups = 1});
}

static enum ktstr_outcome errors(struct ktstr_ctx *ctx)
{
        run_cgroup(ctx, (struct ktstr_cgroup){.cpuset = ktstr_cpuset_disjoint(0, 9)});
        run_cgroup(ctx, (struct ktstr_cgroup){.cpuset = ktstr_cpuset_disjoint(3, 3)});
        run_cgroup(ctx, (struct ktstr_cgroup){.name = "../x"});
        run_cgroup(ctx, (struct ktstr_cgroup){.cpu_weight = 10001});
        run_cgroup(ctx, (struct ktstr_cgroup){.cpuset_mems = "7"});
        run_cgroup(ctx, (struct ktstr_cgroup){
                                .cpuset = ktstr_cpuset_exact("0"),
                                .affinity = {.kind = KTSTR_AFFINITY_CPUS, .cpus = ktstr_cpuset_exact("1")}});
        run_cgroup(ctx, (struct ktstr_cgroup){.policy = ktstr_policy_fifo(0)});
        run_cgroup(ctx, (struct ktstr_cgroup){.workers = 2, .workers_pct = 50});
        run_cgroup(ctx, (struct ktstr_cgroup){.comm = "a name that is long"});
        run_cgroup(ctx, (struct ktstr_cgroup){.mem_policy = {.mode = KTSTR_MEM_BIND, .nodes = "5"}});
        run_cgroup(ctx, (struct ktstr_cgroup){.workers = 60000});
        ktstr_run(ctx, KTSTR_STEP(MS(0), {.name = "twice"}, {.name = "twice"}));
        ktstr_run(ctx,
                  KTSTR_STEP(MS(0), {.name = "up"}, {.name = "up/down", .cpuset = ktstr_cpuset_exact("0")}));
        ktstr_run(ctx, KTSTR_STEP(MS(0),
                                  {.name = "up", .cpuset = ktstr_cpuset_exact("0-1"), .workers = KTSTR_NONE},
                                  {.name = "up/down", .cpuset = ktstr_cpuset_exact("1-2")}));
        run_ops(ctx, ktstr_op_remove_cgroup("typo"));
        ktstr_run(ctx,
                  {.hold = MS(0), KTSTR_OPS(ktstr_op_freeze_cgroup("own")), KTSTR_CGROUPS({.name = "own"})});
        run_ops(ctx, ktstr_op_swap_cpusets("there", "there"));
        run_ops(ctx, ktstr_op_cpu_offline(0));
        run_ops(ctx, ktstr_op_cpu_offline(99));
        run_ops(ctx, ktstr_op_detach_scheduler());
        run_ops(ctx, ktstr_op_add_cgroup((struct ktstr_cgroup){.name = "there"}));
        ktstr_run(ctx, {.hold = MS(0)}, {.name = "late", .hold = KTSTR_HOLD_FRAC(2)});
        /* The workers of the first one wait at the gate when the second one fails. */
        ktstr_run(ctx, KTSTR_STEP(MS(0), {.name = "waits"},
                                  {.name = "fails",
                                   .cpuset = ktstr_cpuset_exact("0"),
                                   .policy = ktstr_policy_deadline(1000000, 10000000, 10000000)}));
        return KTSTR_PASS;
}

/* Two nodes: memory that is bound to one, and asked for. */
static void touches_work(struct ktstr_worker *w)
{
        const size_t size = 4 << 20;
        volatile char *p = malloc(size);

        for (;;) {
                for (size_t i = 0; i < size; i += 4096)
                        p[i] = 1;
                ktstr_worker_progress(w, 1);
        }
}

static enum ktstr_outcome numa(struct ktstr_ctx *ctx)
{
        const struct ktstr_checks pages = {.min_page_locality = 0.5,
                                           .max_slow_tier_ratio = KTSTR_ZERO,
                                           .max_cross_node_migration_ratio = 1};
        const struct ktstr_step step =
                KTSTR_STEP(MS(500),
                           {.name = "near",
                            .cpuset = ktstr_cpuset_numa(1),
                            .mem_policy = {.mode = KTSTR_MEM_BIND, .nodes = "1"},
                            .work = ktstr_custom("Touches", touches_work)},
                           {.name = "all",
                            .mem_policy = {.mode = KTSTR_MEM_INTERLEAVE, .nodes = "0-1"},
                            .work = ktstr_custom("Touches", touches_work)},
                           {.name = "weighted",
                            .cpuset_mems = "0",
                            .mem_policy = {.mode = KTSTR_MEM_WEIGHTED_INTERLEAVE, .nodes = "0"},
                            .work = ktstr_custom("Touches", touches_work)});
        const struct ktstr_scenario scenario = {.steps = &step, .n_steps = 1, .checks = &pages};

        run_cgroup(ctx, (struct ktstr_cgroup){.cpuset = ktstr_cpuset_numa(0),
                                              .mem_policy = {.mode = KTSTR_MEM_BIND, .nodes = "1"}});
        return ktstr_run_scenario(ctx, &scenario);
}

static enum ktstr_outcome lasts(struct ktstr_ctx *ctx)
{
        return ktstr_run(ctx, {.hold = MS(60000),
                               KTSTR_OPS(ktstr_op_cpu_offline(1)),
                               KTSTR_CGROUPS({.name = "a/b"}, {.name = "c"})});
}

static enum ktstr_outcome bad_load(struct ktstr_ctx *ctx)
{
        const struct ktstr_checks strict = {.min_iteration_rate = 1e12};
        const struct ktstr_step step = KTSTR_STEP(MS(300), {.workers = 1});
        const struct ktstr_scenario scenario = {.steps = &step, .n_steps = 1, .checks = &strict};

        if (ktstr_run_scenario(ctx, &scenario) != KTSTR_FAIL)
                return ktstr_error(ctx, "the checks are not heard");
        return KTSTR_FAIL;
}

const struct body_case body_cases[] = {
        {"split", split},
        {"cpuset_ops", cpuset_ops},
        {"cpuset_above", cpuset_above},
        {"nested", nested},
        {"nested_is_seen", nested_is_seen},
        {"controllers", controllers},
        {"limits", limits},
        {"policies", policies},
        {"identity", identity},
        {"tasks", tasks},
        {"freeze", freeze},
        {"custom", custom},
        {"eats", eats},
        {"hotplug", hotplug},
        {"hotplug_error", hotplug_error},
        {"errors", errors},
        {"numa", numa},
        {"lasts", lasts},
        {"bad_load", bad_load},
};
const size_t n_body_cases = KT_ARRAY_SIZE(body_cases);
