/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * What a test's body and the agent say to one another in the guest. The body is the process in which a test's function (or a
 * canned scenario's) runs: a child of the agent, by fork for what the agent has itself, else the author's program, started as
 * `PROGRAM --ktstr-body NAME`. They talk over a pair of stream sockets whose end in the body is the descriptor that KT_BODY_FD_ENV
 * names: JSON objects, a line each, at most KT_BODY_LINE_MAX bytes.
 *
 * The agent is SCHED_FIFO 99, the body SCHED_FIFO 98, and what the body forks is SCHED_OTHER again: neither a scheduler that
 * stalls nor a worker that is real-time itself (1 to 97) keeps them from running, and a body that spins does not keep the agent
 * from ending it. SCHED_DEADLINE alone is above them; the kernel leaves the others a twentieth of each CPU. On the host
 * (host_only tests) ktstrctl is in the agent's place, and nothing is real-time.
 *
 * Times ending in _ns are the guest's CLOCK_MONOTONIC.
 *
 * The agent's first line
 *   format       int     KT_BODY_FORMAT; a body that knows another says so in a message of outcome "error"
 *   test         string  the test's name; of a canned scenario its name
 *   duration_ms  int
 *   workers      int     per cgroup
 *   watchdog_ms  int     how long to wait at the workload's end for the kernel's word when workers stand still
 *   seed         int     63 bits
 *   emulated     bool    the CPUs are software's: checks have their wider defaults, the kernel more time
 *   cgroup       string  absent: the root; else the parent of the test's cgroups, "/p", which is there
 *   own_cgroup   string  the one that the body is in, and may make others in, "/ktstr-body"; absent: it has none for itself
 *   sched        object  absent: EEVDF
 *     name       string
 *     pid        int     absent: part of the kernel
 *   checks       object  what the command line sets, on top of the test's: as Checks of io.ktstrd.Job
 *
 * Further lines of the agent
 *   {"stop": "cancelled" | "time"}                end now: stop the workers, send the result
 *   {"sched_gone": "exited" | "ejected"}          the scheduler ended by itself: the same
 *   {"answer": "ok", "pid": int} | {"answer": "failed", "error": string, "blame": "scheduler" | "agent"}
 *                                                 to what was asked, in order; blame: what failed is the scheduler's fault, or not
 *
 * Lines of the body
 *   {"event": "workload_started" | "workload_stopped"}     around all workers of a scenario
 *   {"event": "step", "state": "begin" | "end", "step": string}
 *   {"event": "note", "text": string}
 *   {"ask": "sched_stop" | "sched_start" | "sched_restart"}         the agent answers when it is done: detached, or attached
 *   {"ask": "sched_replace", "name": string, "argv": [string]}      argv[0]: the program's path in the guest
 *   {"result": {…}}                                                 once, last; then it exits with 0
 *
 * The result
 *   outcome      "pass" | "skip" | "inconclusive" | "fail" | "error"   the worst of what was said and returned, checks apart
 *   messages     [{"outcome": …, "text": string}]                      what was said, in order (KT_BODY_MESSAGES_MAX)
 *   metrics      [{"name": string, "value": number, "unit": string, "better": "lower" | "higher" | absent}]
 *   workload     object  absent: no worker ran
 *     started_ns, stopped_ns   int    of the first and the last scenario
 *     cpus       CPUs   that there are for whoever is bound to none; not empty
 *     scenarios  [{"checks": {…}}]    what is checked in each, merged from the defaults to its own, as Checks of io.ktstrd.Job;
 *                                     a number that is off is -1
 *     cgroups    []object      a cgroup of a step; one of the same name in another step is another
 *       name, scenario (index)                string, int
 *       started_ns, stopped_ns                int   when its workers were let go and stopped
 *       cpus                                  CPUs  that its cpuset allowed last; absent: no cpuset
 *       isolated                              bool  the kernel gave its workers no other CPUs than those: isolation can be judged,
 *                                                    of the CPUs that each used since that cpuset was set
 *       wakes                                 object absent: none was measured. count, p50_ns, p99_ns, max_ns: int; cv: number
 *       pages                                 object absent: none was counted, of those that its workers took since
 *                                                    they were let go. total, local, slow, migrated: int
 *       workers    []object    as in guestmsg.h, and
 *         work                                string  its type: "CpuSpin"
 *         role                                string  absent: that of all; what it does in a team of unlike ones: "messenger"
 *         cpus                                CPUs    that it might use at the end; absent: those of its cgroup, else the guest's
 *         stopped_ns                          int     when it was stopped
 *         paused_ns                           int     for how long it was frozen
 *
 * CPUs are a list as the kernel has it, in a string, in ascending order: "0-3,7".
 *
 * A body that ends otherwise (a signal, another status, end of file without a result) is the test program's fault, which the
 * agent's report says; so is one that neither ends nor answers in time, and is killed with all that it has started.
 */
/* clang-format on */

#define KT_AGENT_PRIORITY 99
#define KT_BODY_PRIORITY 98
#define KT_WORKER_PRIORITY_MAX 97

#define KT_BODY_FORMAT 1
#define KT_BODY_FD_ENV "KTSTR_BODY_FD"
#define KT_BODY_LINE_MAX (8U * 1024 * 1024)

/* How many a result may have; with more the daemon refuses it. Who makes one does not let it come to that, and says in a message of
 * outcome "error" what there was too much of. A result that has as much of all is within KT_JSON_VALUES_MAX (json_scan.h). */
#define KT_BODY_MESSAGES_MAX 256U
#define KT_BODY_METRICS_MAX 1024U
#define KT_BODY_SCENARIOS_MAX 256U
#define KT_BODY_CGROUPS_MAX 1024U
#define KT_BODY_WORKERS_MAX 4096U /* in all cgroups */

/* How the program is started. */
#define KT_BODY_OPTION "--ktstr-body"
#define KT_LIST_OPTION "--ktstr-list"

/* The sections of a program that declares tests. */
#define KT_TESTS_SECTION "ktstr_tests"
#define KT_SCHEDULERS_SECTION "ktstr_schedulers"
