/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * What the author of a scheduler's tests includes: schedulers and tests declared as data, and what a test does in the guest.
 *
 *     #include <ktstr.h>
 *
 *     KTSTR_SCHEDULER(my_sched, .name = "my_sched", .binary = "scx_my_sched",
 *             .topology = {.numa_nodes = 1, .llcs = 2, .cores = 4, .threads = 1});
 *
 *     KTSTR_TEST(basic_steady, .scheduler = &my_sched) {
 *             return ktstr_scenario_steady(ctx);
 *     }
 *
 *     cc my_tests.c $(pkg-config --cflags --libs ktstr) -o my_tests && ktstrctl test ./my_tests
 *
 * There is no main() to write: the library has one. On the host the program only says what it declares
 * (`--ktstr-list`), or hands itself to ktstrctl (no arguments, or those of `ktstrctl test`); the tests' functions
 * run inside a guest, one test a guest.
 *
 * Unset is zero, everywhere. A switch has three values: unset, KTSTR_ON, KTSTR_OFF (true is on). A number is unset
 * when 0; KTSTR_NONE turns off what a lower layer set, KTSTR_ZERO is a threshold of exactly nothing. Checks are
 * merged from the defaults, the scheduler's and the test's, the last that is set wins
 * (`ktstrctl show-thresholds TEST` shows what comes out).
 *
 * Strings and arrays in declarations are borrowed for the life of the program: literals, or KTSTR_LIST(). What the
 * compiler cannot check is checked when the program is listed; an error names file, test and field.
 *
 * Times are in the unit that the name ends in. Functions that run in the guest are called from the test's function
 * only, by the one thread that runs it.
 */
/* clang-format on */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#error "ktstr.h is C: designated initialisers and compound literals; put the tests into a .c file"
#endif

struct ktstr_ctx;
struct ktstr_scheduler;
struct ktstr_test;

/* How a test, or a part of it, came out; of several the worst counts. */
enum ktstr_outcome {
        KTSTR_PASS,
        KTSTR_SKIP,
        KTSTR_INCONCLUSIVE,
        KTSTR_FAIL,
        KTSTR_ERROR, /* the test itself cannot be run as it stands: nothing is said of the scheduler */
};

enum ktstr_switch {
        KTSTR_UNSET,
        KTSTR_ON,
        KTSTR_OFF,
};

#define KTSTR_NONE (-1)
#define KTSTR_ZERO (1e-300)

/* A NULL-terminated array of strings. */
#define KTSTR_LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* --- declarations --- */

/* llcs is the total over the nodes and a multiple of numa_nodes; cores is per LLC, threads per core. */
struct ktstr_topology {
        int numa_nodes, llcs, cores, threads;
};

/* Which presets of the gauntlet a test runs on. Unset: llcs 1 to 12, CPUs 1 to 192, one node. */
#define KTSTR_CONSTRAINT_FIELDS                                                                             \
        int min_llcs, max_llcs, min_cpus, max_cpus, min_numa_nodes, max_numa_nodes;                         \
        enum ktstr_switch requires_smt

struct ktstr_constraints {
        KTSTR_CONSTRAINT_FIELDS;
};

/*
 * What is checked (the page ktstr-tests(7) has the text of each miss). Defaults: not_starved and isolation
 * on, max_gap_ms 2000 (emulated CPUs: 3000), max_spread_pct 15 (35), and of what the monitor sees, once it
 * looks: max_imbalance_ratio 4, max_local_dsq_depth 50, fail_on_stall on, sustained_samples 5,
 * max_fallback_rate 200/s, max_keep_last_rate 100/s. All others: none.
 */
#define KTSTR_CHECK_FIELDS                                                                                  \
        enum ktstr_switch not_starved;  /* every worker makes progress */                                   \
        enum ktstr_switch isolation;    /* none runs outside its cpuset */                                  \
        double max_gap_ms;              /* between two progress points of a worker */                       \
        double max_spread_pct;          /* max - min time off CPU within a cgroup */                        \
        double max_throughput_cv;       /* of the work done by a cgroup's workers, two or more */           \
        double min_work_rate;           /* work units a second, each worker */                              \
        double max_p99_wake_latency_ns; /* of a cgroup's wake-ups */                                        \
        double max_wake_latency_cv;                                                                         \
        double min_iteration_rate;             /* iterations a second, each worker */                       \
        double max_migration_ratio;            /* migrations an iteration, each cgroup */                   \
        double min_page_locality;              /* 0 to 1: pages on the nodes that the cgroup may use */     \
        double max_cross_node_migration_ratio; /* pages migrated to another node, of those it has */        \
        double max_slow_tier_ratio;            /* pages on nodes without CPUs */                            \
        /* of the monitor: */                                                                               \
        double max_imbalance_ratio;                                                                         \
        double max_local_dsq_depth;                                                                         \
        enum ktstr_switch fail_on_stall;                                                                    \
        double sustained_samples;                                                                           \
        double max_fallback_rate, max_keep_last_rate /* events a second */

struct ktstr_checks {
        KTSTR_CHECK_FIELDS;
};

struct ktstr_sysctl {
        const char *key, *value; /* "kernel.sched_autogroup_enabled", "0" */
};
#define KTSTR_SYSCTLS(...) ((const struct ktstr_sysctl[]){__VA_ARGS__, {NULL, NULL}})

struct ktstr_scheduler {
        const char *file; /* where it is declared; set by KTSTR_SCHEDULER */
        int line;
        const char *ident;

        const char *name; /* required: what results call it */

        /* Exactly one of these. A name is looked for in KTSTR_SCHEDULER_BIN_<NAME> and KTSTR_SCHEDULER,
         * beside the test program and in the folder above it, then in PATH; a path is absolute, or from the
         * test program's folder. */
        const char *binary, *binary_path;
        /* For one that is part of the kernel: shell commands (busybox) run in the guest before and after. */
        const char *const *kernel_builtin_enable, *const *kernel_builtin_disable;

        struct ktstr_topology topology; /* of its tests' guests; unset dimensions are 1, 1, 2, 1 */
        const char *const *kernels;     /* the verifier sweep's filter: versions, ranges, labels */
        const char *const *sched_args;
        const char *const *kargs;           /* for the guest's kernel; a guest shape of its own */
        const struct ktstr_sysctl *sysctls; /* set in the guest before the scheduler starts */
        struct ktstr_constraints constraints;
        const char *cgroup_parent; /* "/p": made before the scheduler starts; its tests' cgroups are in it */

        /* A file of the host, from the test program's folder: it becomes /include-files/NAME, and
         * `--config /include-files/NAME` the first argument. */
        const char *config_file;
        /* Or: how each test's own .config is passed ("--config={file}") and where it is in the guest. */
        const char *config_arg, *config_guest_path;

        struct ktstr_checks checks;
};

struct ktstr_payload;

/*
 * A value for a global variable of the scheduler's BPF program, by its name there: "stall", or what leads to
 * an integer in it, "stats.nr_queued", "hist[3]". Nothing beside it is written, and no other program's map.
 */
struct ktstr_map_write {
        const char *field;
        int64_t value;   /* has to fit; bool: 0 or 1; of 64 bits each does, UINT64_MAX is -1 */
        const char *map; /* the end of its map's name: ".bss", ".data.stats"; unset: the one that has it */
        uint64_t at_ms;  /* after the begin of the test's first workload, while that lasts; unset: before the
                          * test's function is called, which need not wait for it */
};
#define KTSTR_MAP_WRITES(...) ((const struct ktstr_map_write[]){__VA_ARGS__, {.field = NULL}})

struct ktstr_test {
        const char *file; /* where it is declared; these four are set by KTSTR_TEST */
        int line;
        const char *name;
        enum ktstr_outcome (*func)(struct ktstr_ctx *ctx);

        const struct ktstr_scheduler *scheduler; /* NULL: EEVDF, the kernel's own */
        const char *const *extra_sched_args;     /* behind the scheduler's */
        const char *config;                      /* where the scheduler has .config_arg: the host's file */

        int numa_nodes, llcs, cores, threads; /* unset: the scheduler's */
        int memory_mib;                       /* unset: max(CPUs * 64, 256) */
        double duration_s;                    /* unset: 5 */
        int workers_per_cgroup;               /* unset: 2 */
        double watchdog_timeout_s; /* of sched_ext's watchdog, up to 30, in place of what the scheduler asks
                                    * for; unset: 5, 10 where CPUs are emulated, where it asks for more;
                                    * KTSTR_NONE: what it asks for */
        double timeout_s;          /* of the test as a whole, its guest's coming and going too; unset: its
                                    * duration and 120 s. One with several scenarios, or steps that take
                                    * longer together, wants more */
        int cleanup_budget_ms;     /* longest time from the workload's end to the guest's; unset: none */

        enum ktstr_switch ignore; /* listed, and run only when asked for */
        enum ktstr_switch
                host_only; /* run on the host, without a guest: no scheduler, no gauntlet, and no scenario */

        /* The host to itself, and each vCPU on a CPU of it; skipped on a host that is too small for it. */
        enum ktstr_switch performance_mode;
        enum ktstr_switch no_perf_mode; /* never so, whatever the command line says; not with the above */
        int cpu_budget; /* of the host's CPUs its guest may use so many, or all where there are no more;
                         * needs .no_perf_mode. unset: all */

        const struct ktstr_payload *payload; /* what the test runs; its binary is brought into the guest */
        const struct ktstr_payload *const *workloads; /* further ones: KTSTR_PAYLOADS(&a, &b) */
        const char *const *extra_include_files;       /* of the host, into /include-files/ */

        /* Written once the scheduler has attached, all or none: KTSTR_MAP_WRITES({.field = "stall", .value =
         * 1}). What is not there or does not fit is the test's error, and nothing of the scheduler's. */
        const struct ktstr_map_write *bpf_map_write;

        /* The scheduler has to end in an error, and with these words (both, where both are set): a part of
         * the scheduler's log and debug dump, or a Perl-compatible expression for it (^ and $ are the whole
         * text's). */
        enum ktstr_switch expect_err;
        const char *expect_scx_bpf_error_contains, *expect_scx_bpf_error_matches;

        /* A test that fails for its scheduler's death is run once more, traced, to tell whether it dies
         * again. Unset: so it is, where there is a scheduler whose end is not expected. */
        enum ktstr_switch auto_repro;

        /* .checks.max_gap_ms and .max_gap_ms are the same, and so with constraints. */
        union {
                struct ktstr_constraints constraints;
                struct {
                        KTSTR_CONSTRAINT_FIELDS;
                };
        };
        union {
                struct ktstr_checks checks;
                struct {
                        KTSTR_CHECK_FIELDS;
                };
        };
};

#define KTSTR_SECTION_(name) __attribute__((used, retain, section(name)))

/* Declare a scheduler: `const struct ktstr_scheduler IDENT`, for all files of the program
 * (KTSTR_SCHEDULER_EXTERN(IDENT) in the others). */
#define KTSTR_SCHEDULER_EXTERN(ident_) extern const struct ktstr_scheduler ident_
#define KTSTR_SCHEDULER(ident_, ...)                                                                        \
        KTSTR_SCHEDULER_EXTERN(ident_);                                                                     \
        const struct ktstr_scheduler ident_ = {                                                             \
                .file = __FILE__, .line = __LINE__, .ident = #ident_, __VA_ARGS__};                         \
        static const struct ktstr_scheduler *const ktstr_scheduler_##ident_##_ KTSTR_SECTION_(              \
                "ktstr_schedulers") = &ident_

/* Declare a test and define its function, which has `ctx` and runs in the guest. */
#define KTSTR_TEST(ident_, ...)                                                                             \
        static enum ktstr_outcome ident_(struct ktstr_ctx *ctx);                                            \
        static const struct ktstr_test ktstr_test_##ident_##_ = {                                           \
                .file = __FILE__, .line = __LINE__, .name = #ident_, .func = ident_, __VA_ARGS__};          \
        static const struct ktstr_test *const ktstr_test_entry_##ident_##_ KTSTR_SECTION_("ktstr_tests") =  \
                &ktstr_test_##ident_##_;                                                                    \
        static enum ktstr_outcome ident_(struct ktstr_ctx *ctx __attribute__((unused)))

/* What the library's main() is. A program that has its own (it then is the one that is linked) returns this
 * from it when it was started with arguments that are not its own. */
int ktstr_main(int argc, char **argv);

/* --- what a test knows --- */

#define KTSTR_CPUS_MAX 1024

/* A set of CPUs, or of NUMA nodes. */
struct ktstr_cpus {
        uint64_t bits[KTSTR_CPUS_MAX / 64];
};

bool ktstr_cpus_has(const struct ktstr_cpus *set, unsigned cpu);
void ktstr_cpus_add(struct ktstr_cpus *set, unsigned cpu);
unsigned ktstr_cpus_count(const struct ktstr_cpus *set);
/* "0-3,5,7-9". false: no such list, or a number that is too large. */
bool ktstr_cpus_parse(const char *list, struct ktstr_cpus *ret);
/* The same way back; as much as fits. Returns text. */
char *ktstr_cpus_format(const struct ktstr_cpus *set, char *text, size_t size);

/* The machine that the test runs on, from sysfs. LLCs and nodes are numbered from 0, those of a machine with
 * gaps in its numbers in their order: wherever this file speaks of a node (ktstr_cpuset_numa(),
 * .cpuset_mems, .mem_policy) it is by that number, and the kernel is told its own. */
struct ktstr_topo {
        struct ktstr_cpus all; /* online when the test began */
        struct ktstr_cpus
                usable; /* all but the last one where there are more than two: that is left to the system */
        unsigned n_llcs, n_nodes;
        const struct ktstr_cpus *llcs, *nodes; /* arrays; a node without CPUs is an empty set */
        const unsigned *node_ids;              /* the kernel's number of each node, ascending */
        unsigned threads;                      /* per core */
};

/* What a test's function gets. To be read only. */
struct ktstr_ctx {
        const struct ktstr_test *test;
        const struct ktstr_topo *topo;
        const char *scheduler;   /* its name; NULL: EEVDF */
        pid_t sched_pid;         /* 0: none, or part of the kernel */
        uint64_t duration_ms;    /* of the scenario: what holds are fractions of */
        unsigned workers;        /* per cgroup, where a definition does not say */
        uint64_t seed;           /* what is random in it comes of this */
        struct ktstr_body *body; /* the library's */
};

/* Say why, for the verdict, and return the outcome: `return ktstr_fail(ctx, "lost %u wake-ups", n);`. What
 * was said counts whatever the function returns. */
enum ktstr_outcome ktstr_fail(struct ktstr_ctx *ctx, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
enum ktstr_outcome ktstr_skip(struct ktstr_ctx *ctx, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
enum ktstr_outcome ktstr_inconclusive(struct ktstr_ctx *ctx, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
enum ktstr_outcome ktstr_error(struct ktstr_ctx *ctx, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
/* A line among the job's events. */
void ktstr_note(struct ktstr_ctx *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A number for the verdict's metrics; unit "" where there is none. Said twice, the last counts. */
void ktstr_metric(struct ktstr_ctx *ctx, const char *name, double value, const char *unit);
/* The worse of two. */
enum ktstr_outcome ktstr_worse(enum ktstr_outcome a, enum ktstr_outcome b);

/*
 * A global variable of the scheduler's BPF program, as struct ktstr_map_write has it, while it runs:
 *
 *     int64_t before = 0, after = 0;
 *     enum ktstr_outcome outcome = ktstr_map_read(ctx, "nr_dispatched", &before);
 *
 *     outcome = ktstr_worse(outcome, ktstr_scenario_steady(ctx));
 *     outcome = ktstr_worse(outcome, ktstr_map_read(ctx, "nr_dispatched", &after));
 *     return outcome || after > before ? outcome : ktstr_fail(ctx, "it dispatched nothing");
 *
 * One that is constant (.rodata) can be read too. An outcome other than PASS: ERROR, and it was said why;
 * FAIL: the scheduler is gone, which the verdict has; INCONCLUSIVE: the test is over, its time is up or it
 * was cancelled, which the verdict has too. *ret is as it was then.
 */
enum ktstr_outcome ktstr_map_read(struct ktstr_ctx *ctx, const char *field, int64_t *ret);
enum ktstr_outcome ktstr_map_write(struct ktstr_ctx *ctx, const char *field, int64_t value);

/* --- cpusets --- */

/* Which CPUs, in terms of the guest's topology. Fractions and parts are of topo->usable. */
enum ktstr_cpuset_kind {
        KTSTR_CPUSET_UNSET, /* no cpuset: all CPUs */
        KTSTR_CPUSET_ALL,
        KTSTR_CPUSET_LLC,
        KTSTR_CPUSET_NUMA,
        KTSTR_CPUSET_RANGE,
        KTSTR_CPUSET_DISJOINT,
        KTSTR_CPUSET_OVERLAP,
        KTSTR_CPUSET_EXACT,
};

struct ktstr_cpuset {
        enum ktstr_cpuset_kind kind;
        unsigned index, of;    /* LLC, NUMA: index alone */
        double frac, end_frac; /* OVERLAP: frac; RANGE: both */
        const char *list;      /* EXACT: "0-3,5" */
};

static inline struct ktstr_cpuset ktstr_cpuset_all(void)
{
        return (struct ktstr_cpuset){.kind = KTSTR_CPUSET_ALL};
}
static inline struct ktstr_cpuset ktstr_cpuset_llc(unsigned index)
{
        return (struct ktstr_cpuset){.kind = KTSTR_CPUSET_LLC, .index = index};
}
static inline struct ktstr_cpuset ktstr_cpuset_numa(unsigned node)
{
        return (struct ktstr_cpuset){.kind = KTSTR_CPUSET_NUMA, .index = node};
}
/* From start to end, as fractions 0 to 1. */
static inline struct ktstr_cpuset ktstr_cpuset_range(double start, double end)
{
        return (struct ktstr_cpuset){.kind = KTSTR_CPUSET_RANGE, .frac = start, .end_frac = end};
}
/* Part `index` of `of` equal parts; the last one has what is left over. */
static inline struct ktstr_cpuset ktstr_cpuset_disjoint(unsigned index, unsigned of)
{
        return (struct ktstr_cpuset){.kind = KTSTR_CPUSET_DISJOINT, .index = index, .of = of};
}
/* As disjoint, and a fraction of the part's size more at each side. */
static inline struct ktstr_cpuset ktstr_cpuset_overlap(unsigned index, unsigned of, double frac)
{
        return (struct ktstr_cpuset){.kind = KTSTR_CPUSET_OVERLAP, .index = index, .of = of, .frac = frac};
}
static inline struct ktstr_cpuset ktstr_cpuset_exact(const char *list)
{
        return (struct ktstr_cpuset){.kind = KTSTR_CPUSET_EXACT, .list = list};
}

/* --- work --- */

/* What a worker does. The list with parameters and their defaults: ktstr-tests(7), and work.h's
 * constructors. */
enum ktstr_work_type {
        KTSTR_WORK_UNSET, /* CpuSpin */
#define X(id, name, ...) KTSTR_WORK_##id,
#include "work_types.h"
#undef X
        KTSTR_WORK_CUSTOM,
        KTSTR_WORK_MAX_,
};

enum ktstr_phase_kind {
        KTSTR_PHASE_SPIN = 1,
        KTSTR_PHASE_SLEEP,
        KTSTR_PHASE_YIELD,
        KTSTR_PHASE_IO,
};

struct ktstr_phase {
        enum ktstr_phase_kind kind;
        uint64_t duration_ms;
};

struct ktstr_worker; /* a worker, to a custom function: see below */

struct ktstr_work {
        enum ktstr_work_type type;
        uint64_t p[4]; /* parameters, as the type's constructor has them; 0: the default */
        const struct ktstr_phase *phases; /* Sequence */
        unsigned n_phases;
        const char *name; /* Custom */
        void (*func)(struct ktstr_worker *w);
};

/* One constructor for each: ktstr_bursty(50, 100) and its like. */
#include "work.h"

/* A function of the author's: an endless loop that calls ktstr_worker_progress() at each iteration. The
 * worker's process is killed when its time is over. */
static inline struct ktstr_work ktstr_custom(const char *name, void (*func)(struct ktstr_worker *w))
{
        return (struct ktstr_work){.type = KTSTR_WORK_CUSTOM, .name = name, .func = func};
}
/* An iteration is done, of so many units of work. */
void ktstr_worker_progress(struct ktstr_worker *w, uint64_t units);
/* It took this long from being woken to running. */
void ktstr_worker_wake_latency(struct ktstr_worker *w, uint64_t ns);
/* Its number in its group, from 0, and the group's size. */
unsigned ktstr_worker_index(const struct ktstr_worker *w);
unsigned ktstr_worker_group_size(const struct ktstr_worker *w);
/* A random number of the worker's own sequence, which comes of the seed. */
uint64_t ktstr_worker_random(struct ktstr_worker *w);

enum ktstr_policy_class {
        KTSTR_POLICY_UNSET, /* SCHED_OTHER */
        KTSTR_POLICY_NORMAL,
        KTSTR_POLICY_BATCH,
        KTSTR_POLICY_IDLE,
        KTSTR_POLICY_FIFO,
        KTSTR_POLICY_RR,
        KTSTR_POLICY_DEADLINE,
        KTSTR_POLICY_EXT,
};

struct ktstr_policy {
        enum ktstr_policy_class class;
        int priority;                                /* FIFO, RR: 1 to 97 */
        uint64_t runtime_ns, deadline_ns, period_ns; /* DEADLINE: runtime <= deadline <= period */
};

static inline struct ktstr_policy ktstr_policy_fifo(int priority)
{
        return (struct ktstr_policy){.class = KTSTR_POLICY_FIFO, .priority = priority};
}
static inline struct ktstr_policy ktstr_policy_rr(int priority)
{
        return (struct ktstr_policy){.class = KTSTR_POLICY_RR, .priority = priority};
}
static inline struct ktstr_policy ktstr_policy_deadline(uint64_t runtime_ns, uint64_t deadline_ns,
                                                        uint64_t period_ns)
{
        return (struct ktstr_policy){.class = KTSTR_POLICY_DEADLINE,
                                     .runtime_ns = runtime_ns,
                                     .deadline_ns = deadline_ns,
                                     .period_ns = period_ns};
}
#define KTSTR_BATCH ((struct ktstr_policy){.class = KTSTR_POLICY_BATCH})
#define KTSTR_IDLE ((struct ktstr_policy){.class = KTSTR_POLICY_IDLE})
#define KTSTR_EXT ((struct ktstr_policy){.class = KTSTR_POLICY_EXT})

/* Which CPUs a worker may use, within its cpuset. */
enum ktstr_affinity_kind {
        KTSTR_AFFINITY_UNSET, /* inherited */
        KTSTR_AFFINITY_CPUS,  /* the set of .cpus */
        KTSTR_AFFINITY_EACH,  /* worker i: the i-th CPU of .cpus, round robin */
        KTSTR_AFFINITY_RANDOM /* .count CPUs of .cpus, drawn for each */
};

struct ktstr_affinity {
        enum ktstr_affinity_kind kind;
        struct ktstr_cpuset cpus; /* unset: the cgroup's, or all usable */
        unsigned count;
};

enum ktstr_mem_mode {
        KTSTR_MEM_UNSET,
        KTSTR_MEM_DEFAULT,
        KTSTR_MEM_BIND,
        KTSTR_MEM_PREFERRED,
        KTSTR_MEM_INTERLEAVE,
        KTSTR_MEM_LOCAL,
        KTSTR_MEM_PREFERRED_MANY,
        KTSTR_MEM_WEIGHTED_INTERLEAVE, /* Linux 6.9 */
};

struct ktstr_mem_policy {
        enum ktstr_mem_mode mode;
        const char *nodes; /* "0-1" */
        unsigned flags;    /* MPOL_F_STATIC_NODES and its like, of <linux/mempolicy.h> */
};

/* Workers that do the same. */
struct ktstr_work_group {
        int workers;        /* unset: ctx->workers */
        double workers_pct; /* instead: so many percent of the cgroup's CPUs, rounded up */
        struct ktstr_work work;
        struct ktstr_policy policy;
        int nice; /* -20 to 19 */
        struct ktstr_affinity affinity;
        struct ktstr_mem_policy mem_policy;
        const char *comm; /* their name to the kernel; unset: "ktstr-worker" */
        uid_t uid;
        gid_t gid;
};
#define KTSTR_WORKS(...)                                                                                    \
        .works = (const struct ktstr_work_group[]){__VA_ARGS__},                                            \
        .n_works = sizeof((const struct ktstr_work_group[]){__VA_ARGS__}) / sizeof(struct ktstr_work_group)

/*
 * A cgroup, what limits it, and who works in it: one group of workers by its own fields, or several by
 * KTSTR_WORKS() (then its own fields make one more if they say how many).
 *
 * "a/b" that nobody has defined an "a" for has one made, and removed with it. Controllers are enabled where
 * a field needs them, and cpu, by which a scheduler gets to know of cgroups, wherever the one above has no
 * workers of its own by its definition: the kernel does not let a cgroup have both workers and controllers
 * in it. So workers can be moved to one with others in it only if that has no_controllers.
 */
struct ktstr_cgroup {
        const char *name; /* unset: cg_0, cg_1, … in the order of definition; "a/b" is b within a */
        struct ktstr_cpuset cpuset;
        const char *cpuset_mems;                                      /* "0" */
        int cpu_max_quota_us, cpu_max_period_us;                      /* period unset: 100000 */
        int cpu_weight;                                               /* 1 to 10000 */
        int64_t memory_max, memory_high, memory_low, memory_swap_max; /* bytes */
        int io_weight, pids_max;
        bool no_controllers; /* for what is in it, but where a field there needs one: to a scheduler all
                                tasks below are of this cgroup */

        int workers; /* KTSTR_NONE: none of its own */
        double workers_pct;
        struct ktstr_work work;
        struct ktstr_policy policy;
        int nice;
        struct ktstr_affinity affinity;
        struct ktstr_mem_policy mem_policy;
        const char *comm;
        uid_t uid;
        gid_t gid;

        const struct ktstr_work_group *works;
        unsigned n_works;
        const struct ktstr_payload *payload; /* run in it, for the life of the cgroup */
};

/* --- operations, steps --- */

enum ktstr_op_kind {
        KTSTR_OP_ADD_CGROUP = 1,
        KTSTR_OP_REMOVE_CGROUP,
        KTSTR_OP_STOP_CGROUP,
        KTSTR_OP_SET_CPUSET,
        KTSTR_OP_CLEAR_CPUSET,
        KTSTR_OP_SWAP_CPUSETS,
        KTSTR_OP_SPAWN,
        KTSTR_OP_SPAWN_HOST,
        KTSTR_OP_SET_AFFINITY,
        KTSTR_OP_MOVE_ALL_TASKS,
        KTSTR_OP_FREEZE_CGROUP,
        KTSTR_OP_THAW_CGROUP,
        KTSTR_OP_RUN_PAYLOAD,
        KTSTR_OP_WAIT_PAYLOAD,
        KTSTR_OP_KILL_PAYLOAD,
        KTSTR_OP_CPU_OFFLINE,
        KTSTR_OP_CPU_ONLINE,
        KTSTR_OP_CPU_STORM,
        KTSTR_OP_DETACH_SCHEDULER,
        KTSTR_OP_ATTACH_SCHEDULER,
        KTSTR_OP_RESTART_SCHEDULER,
        KTSTR_OP_REPLACE_SCHEDULER,
        KTSTR_OP_MAP_WRITE,
        KTSTR_OP_CALL,
};

struct ktstr_op {
        enum ktstr_op_kind kind;
        const char *cgroup, *to;
        struct ktstr_cpuset cpuset;
        struct ktstr_cgroup def;       /* ADD_CGROUP */
        struct ktstr_work_group group; /* SPAWN, SPAWN_HOST */
        struct ktstr_affinity affinity;
        const struct ktstr_payload *payload;
        const struct ktstr_scheduler *scheduler;
        unsigned cpu;
        struct ktstr_map_write map_write; /* without .at_ms */
        uint64_t ms, count;
        enum ktstr_outcome (*call)(struct ktstr_ctx *ctx);
};

/* A cgroup that the step (or the scenario's backdrop) does not define; with its workers, which start at
 * once. Lives to the end of the step. */
static inline struct ktstr_op ktstr_op_add_cgroup(struct ktstr_cgroup def)
{
        return (struct ktstr_op){.kind = KTSTR_OP_ADD_CGROUP, .def = def};
}
/* Ends who is in it and removes it; what its workers measured counts. An error when there is none of that
 * name. */
static inline struct ktstr_op ktstr_op_remove_cgroup(const char *name)
{
        return (struct ktstr_op){.kind = KTSTR_OP_REMOVE_CGROUP, .cgroup = name};
}
/* Ends its workers, and leaves it. */
static inline struct ktstr_op ktstr_op_stop_cgroup(const char *name)
{
        return (struct ktstr_op){.kind = KTSTR_OP_STOP_CGROUP, .cgroup = name};
}
static inline struct ktstr_op ktstr_op_set_cpuset(const char *name, struct ktstr_cpuset cpuset)
{
        return (struct ktstr_op){.kind = KTSTR_OP_SET_CPUSET, .cgroup = name, .cpuset = cpuset};
}
static inline struct ktstr_op ktstr_op_clear_cpuset(const char *name)
{
        return (struct ktstr_op){.kind = KTSTR_OP_CLEAR_CPUSET, .cgroup = name};
}
static inline struct ktstr_op ktstr_op_swap_cpusets(const char *a, const char *b)
{
        return (struct ktstr_op){.kind = KTSTR_OP_SWAP_CPUSETS, .cgroup = a, .to = b};
}
/* Further workers in a cgroup. */
static inline struct ktstr_op ktstr_op_spawn(const char *name, struct ktstr_work_group group)
{
        return (struct ktstr_op){.kind = KTSTR_OP_SPAWN, .cgroup = name, .group = group};
}
/* Workers outside all cgroups of the scenario. */
static inline struct ktstr_op ktstr_op_spawn_host(struct ktstr_work_group group)
{
        return (struct ktstr_op){.kind = KTSTR_OP_SPAWN_HOST, .group = group};
}
/* Of all workers in it. */
static inline struct ktstr_op ktstr_op_set_affinity(const char *name, struct ktstr_affinity affinity)
{
        return (struct ktstr_op){.kind = KTSTR_OP_SET_AFFINITY, .cgroup = name, .affinity = affinity};
}
static inline struct ktstr_op ktstr_op_move_all_tasks(const char *from, const char *to)
{
        return (struct ktstr_op){.kind = KTSTR_OP_MOVE_ALL_TASKS, .cgroup = from, .to = to};
}
/* While it is frozen its workers are not expected to make progress. */
static inline struct ktstr_op ktstr_op_freeze_cgroup(const char *name)
{
        return (struct ktstr_op){.kind = KTSTR_OP_FREEZE_CGROUP, .cgroup = name};
}
static inline struct ktstr_op ktstr_op_thaw_cgroup(const char *name)
{
        return (struct ktstr_op){.kind = KTSTR_OP_THAW_CGROUP, .cgroup = name};
}
/* Start a payload in a cgroup (NULL: in none); wait for it, at most timeout_ms (0: the test's
 * duration and 30 s; KTSTR_NONE: no limit but the test's own); kill it. */
static inline struct ktstr_op ktstr_op_run_payload(const struct ktstr_payload *p, const char *cgroup)
{
        return (struct ktstr_op){.kind = KTSTR_OP_RUN_PAYLOAD, .payload = p, .cgroup = cgroup};
}
static inline struct ktstr_op ktstr_op_wait_payload(const struct ktstr_payload *p, const char *cgroup,
                                                    uint64_t timeout_ms)
{
        return (struct ktstr_op){
                .kind = KTSTR_OP_WAIT_PAYLOAD, .payload = p, .cgroup = cgroup, .ms = timeout_ms};
}
static inline struct ktstr_op ktstr_op_kill_payload(const struct ktstr_payload *p, const char *cgroup)
{
        return (struct ktstr_op){.kind = KTSTR_OP_KILL_PAYLOAD, .payload = p, .cgroup = cgroup};
}
/* Hotplug. CPU 0 cannot go. All come back when the scenario ends. (A scheduler without cpu_online() and
 * cpu_offline() is thrown out by the kernel, which is its failure.) */
static inline struct ktstr_op ktstr_op_cpu_offline(unsigned cpu)
{
        return (struct ktstr_op){.kind = KTSTR_OP_CPU_OFFLINE, .cpu = cpu};
}
static inline struct ktstr_op ktstr_op_cpu_online(unsigned cpu)
{
        return (struct ktstr_op){.kind = KTSTR_OP_CPU_ONLINE, .cpu = cpu};
}
/* So many times: a random CPU but 0 goes, and comes back after pause_ms. */
static inline struct ktstr_op ktstr_op_cpu_storm(uint64_t count, uint64_t pause_ms)
{
        return (struct ktstr_op){.kind = KTSTR_OP_CPU_STORM, .count = count, .ms = pause_ms};
}
/* The scheduler under test: stop it; start it again; both; start another one in its place. Each waits until
 * it is detached or attached. */
static inline struct ktstr_op ktstr_op_detach_scheduler(void)
{
        return (struct ktstr_op){.kind = KTSTR_OP_DETACH_SCHEDULER};
}
static inline struct ktstr_op ktstr_op_attach_scheduler(void)
{
        return (struct ktstr_op){.kind = KTSTR_OP_ATTACH_SCHEDULER};
}
static inline struct ktstr_op ktstr_op_restart_scheduler(void)
{
        return (struct ktstr_op){.kind = KTSTR_OP_RESTART_SCHEDULER};
}
/* Its binary is brought into the guest since it is declared in the same program. */
static inline struct ktstr_op ktstr_op_replace_scheduler(const struct ktstr_scheduler *with)
{
        return (struct ktstr_op){.kind = KTSTR_OP_REPLACE_SCHEDULER, .scheduler = with};
}
/* A global variable of the scheduler's BPF program: see struct ktstr_map_write. */
static inline struct ktstr_op ktstr_op_map_write(const char *field, int64_t value)
{
        return (struct ktstr_op){.kind = KTSTR_OP_MAP_WRITE, .map_write = {.field = field, .value = value}};
}
/* Whatever else. */
static inline struct ktstr_op ktstr_op_call(enum ktstr_outcome (*call)(struct ktstr_ctx *ctx))
{
        return (struct ktstr_op){.kind = KTSTR_OP_CALL, .call = call};
}

enum ktstr_hold_kind {
        KTSTR_HOLD_UNSET, /* FULL */
        KTSTR_HOLD_FRAC_,
        KTSTR_HOLD_FIXED_,
        KTSTR_HOLD_LOOP_,
};

struct ktstr_hold {
        enum ktstr_hold_kind kind;
        double frac;
        uint64_t ms, interval_ms;
};

/* How long a step lasts once its cgroups are there: a fraction of the test's duration, or milliseconds. */
#define KTSTR_HOLD_FULL ((struct ktstr_hold){.kind = KTSTR_HOLD_FRAC_, .frac = 1.0})
#define KTSTR_HOLD_FRAC(frac_) ((struct ktstr_hold){.kind = KTSTR_HOLD_FRAC_, .frac = (frac_)})
#define KTSTR_HOLD_FIXED_MS(ms_) ((struct ktstr_hold){.kind = KTSTR_HOLD_FIXED_, .ms = (ms_)})
/* For a fraction of the duration, the step's operations at its begin and then every interval. */
#define KTSTR_HOLD_LOOP(frac_, interval_ms_)                                                                \
        ((struct ktstr_hold){.kind = KTSTR_HOLD_LOOP_, .frac = (frac_), .interval_ms = (interval_ms_)})

/*
 * A step: its operations, then its cgroups, then its hold; at its end its cgroups go, with their workers.
 * (In a loop: its cgroups once, its operations at once and then every interval.) Between two steps the
 * scheduler must be alive.
 */
struct ktstr_step {
        const char *name; /* unset: "step N" */
        struct ktstr_hold hold;
        const struct ktstr_op *ops;
        unsigned n_ops;
        const struct ktstr_cgroup *cgroups;
        unsigned n_cgroups;
};

#define KTSTR_OPS(...)                                                                                      \
        .ops = (const struct ktstr_op[]){__VA_ARGS__},                                                      \
        .n_ops = sizeof((const struct ktstr_op[]){__VA_ARGS__}) / sizeof(struct ktstr_op)
#define KTSTR_CGROUPS(...)                                                                                  \
        .cgroups = (const struct ktstr_cgroup[]){__VA_ARGS__},                                              \
        .n_cgroups = sizeof((const struct ktstr_cgroup[]){__VA_ARGS__}) / sizeof(struct ktstr_cgroup)
/* KTSTR_STEP(hold, {cgroup}…); KTSTR_STEP_OPS(hold, KTSTR_OPS(op…), {cgroup}…). */
#define KTSTR_STEP(hold_, ...) ((struct ktstr_step){.hold = hold_, KTSTR_CGROUPS(__VA_ARGS__)})
#define KTSTR_STEP_OPS(hold_, ops_, ...)                                                                    \
        ((struct ktstr_step){.hold = hold_, ops_, KTSTR_CGROUPS(__VA_ARGS__)})

struct ktstr_scenario {
        const struct ktstr_step *steps;
        unsigned n_steps;
        const struct ktstr_cgroup
                *cgroups; /* the backdrop: there from the first step to the last (KTSTR_CGROUPS()) */
        unsigned n_cgroups;
        const struct ktstr_checks *checks; /* on top of the test's, for this scenario */
};
#define KTSTR_STEPS(...)                                                                                    \
        .steps = (const struct ktstr_step[]){__VA_ARGS__},                                                  \
        .n_steps = sizeof((const struct ktstr_step[]){__VA_ARGS__}) / sizeof(struct ktstr_step)

/*
 * Run it: all its steps in order, and check what the workers measured. The outcome as it looks from within
 * the guest; the daemon judges the same numbers once more, with what it knows of the host. A test may run
 * several; each miss counts, whatever the function returns. KTSTR_ERROR when something in it is wrong, which
 * is looked for in all steps before the first one, or cannot be set up, with the reason said; KTSTR_FAIL at
 * once when the scheduler is gone.
 */
enum ktstr_outcome ktstr_run_scenario(struct ktstr_ctx *ctx, const struct ktstr_scenario *scenario);

/* The same for steps alone: ktstr_run(ctx, KTSTR_STEP(…), KTSTR_STEP(…)). */
#define ktstr_run(ctx_, ...)                                                                                \
        ktstr_run_scenario(ctx_, &(const struct ktstr_scenario){KTSTR_STEPS(__VA_ARGS__)})

/* The canned scenarios: enum ktstr_outcome ktstr_scenario_steady(struct ktstr_ctx *ctx) and so on, and
 * ktstr_custom_basic_sched_mixed() and so on; `ktstrctl scenarios` lists them. */
#define X(func, name, summary) enum ktstr_outcome ktstr_##func(struct ktstr_ctx *ctx);
#include "scenarios.h"
#undef X

#include "payload.h"
