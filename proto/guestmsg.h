/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * The JSON payloads of the frames between host and guest. Times ending in _ns are the guest's CLOCK_MONOTONIC
 * unless the name says otherwise; a field that does not apply is absent.
 *
 * HELLO (guest to host: when the agent is up, and once more when a job wakes it after it was parked)
 *   agent      string  agent version (KT_VERSION)
 *   kernel     string  uname -r
 *   cpus       int     online CPUs
 *   t_ns       int     now
 *   mailbox    bool    the mailbox could be mapped; when false the host sends everything over the port
 *   mailbox_error string  why not, when it could not
 *
 * PARK (host to guest, before there is a job)
 *   rehearsals int     how often to go through a job that does nothing, whose frames the host ignores: what is used for the
 *                      first time costs an emulated guest tens of milliseconds
 *
 * PARKED (guest to host): as HELLO. From here on the agent waits for its mailbox without sleeping for a while, so that a guest
 *   that is stopped now finds its job at once when it goes on.
 *
 * JOB (host to guest)
 *   job        string  id, for messages only
 *   kind       "run" | "exec"
 *   wall_ns    int     host CLOCK_REALTIME when the guest is let run
 *   seed       string  64 hexadecimal digits for the kernel's random number generator, which is reseeded: guests that are
 *                      copies of one another would have the same numbers
 *   run        object  for "run":
 *     scenario     string  one of lib/include/scenarios.h; or
 *     test         object  name; program (its path in the guest)
 *     duration_ms  int
 *     workers      int     per cgroup
 *     seed         int
 *     emulated     bool
 *     timeout_ms   int     for the test's body, from its start; then it is told to stop, and 2 s later killed
 *     checks       object  as Checks of io.ktstrd.Job
 *     sysctls      []      key, value
 *     cgroup_parent string
 *     trace        bool    what the kernel did is traced from before the scheduler starts to its end
 *     trace_functions []string  functions of the kernel whose calls are among it
 *     watchdog_ms  int     how long to wait for the kernel's word after the workload when the scheduler seems stuck
 *     sched        object  absent: EEVDF
 *       name              string    label, for messages
 *       argv              []string  argv[0] is the program's path in the guest; absent:
 *       enable, disable   []string  shell commands, of one that is part of the kernel
 *       attach_timeout_ms int
 *       stop_timeout_ms   int       from SIGINT to SIGKILL
 *       watchdog          object    the timeout of sched_ext's watchdog, for it and what replaces it; absent: the scheduler's own
 *         timeout_ms        int
 *         at_most           bool    one whose own is shorter keeps it
 *   exec       object  for "exec":
 *     command    string  run by /bin/sh -c
 *
 * FILE (host to guest)
 *   path       string  absolute, normalised path in the guest; parents are made
 *   mode       int     permission bits
 *   size       int     bytes that follow in DATA frames (0: none follow)
 *   link       string  instead of size: make a symlink with this target
 *
 * EVENT (guest to host)
 *   t_ns       int
 *   kind       one of
 *     "sched_started"     pid
 *     "sched_attached"    ops (string), took_ms
 *     "workload_started"
 *     "workload_stopped"
 *     "step"              state ("begin", "end"), step
 *     "sched_stopping"
 *     "note"              text; also what became of `watchdog`, where it is not the scheduler's own
 *
 * RESULT (guest to host, once, last)
 *   t_ns       int
 *   outcome    string
 *     "done"              the test came to its end (and the scheduler, if any, was stopped by us)
 *     "body_failed"       the test's body crashed, exited or hung without a result; `error` says how
 *     "not_attached"      the scheduler did not attach: it exited or the attach timeout passed
 *     "sched_exited"      it ended by itself while it should have run
 *     "sched_ejected"     the kernel disabled it while it should have run
 *     "exec_done"         an "exec" job's command ended
 *     "cancelled"         CANCEL arrived
 *     "declaration_failed" what was declared of the guest cannot be had: a sysctl, the cgroups' parent, a command that
 *                         enables or disables a scheduler, its watchdog's timeout; `error` says which, and why
 *     "out_of_memory"     the guest's memory ran out; `error` says who was killed, and what to do
 *     "setup_failed"      the agent could not do its part; `error` says what
 *   error      string  for "body_failed", "declaration_failed", "out_of_memory", "setup_failed"
 *   sched      object  when a scheduler was asked for
 *     pid             int
 *     attached        bool
 *     ops             string  as in /sys/kernel/sched_ext/root/ops
 *     attach_ms       int     exec to attached
 *     exit_code       int     how its process ended; neither field: it did not end, or was not started
 *     exit_signal     int
 *     stop_signal     int     the last signal that the agent sent it (2 or 9)
 *     stop_ms         int     from the first to the process's end
 *     forced_timeout_ms int   of the JOB's `watchdog`, in place of the timeout that the scheduler asked for; absent: it has its own
 *     gone_ns         int     t_ns when it was seen to have ended by itself; absent: it did not
 *     ended_after_ms  int     from when it was seen to have attached to gone_ns; absent: it did neither, or one of both
 *     state_after     string  /sys/kernel/sched_ext/state at the end; must be "disabled"
 *     disabled_reason string  the kernel's words in `sched_ext: BPF scheduler "x" disabled (REASON)`
 *     disabled_message string its next line(s): `sched_ext: x: MESSAGE`
 *   trace      string  of a JOB with `trace`: the last lines before the scheduler had left, the oldest first; at most
 *                      KT_TRACE_LINES_MAX and KT_TRACE_BYTES_MAX
 *   trace_error string what of it could not be had
 *   body       object  the result of bodymsg.h, as it came; the members of `workload.cgroups[].workers[]` are
 *         tid, work_units, iterations        int
 *         cpu_ns, wall_ns, off_cpu_ns         int   off = wall - cpu
 *         migrations                          int
 *         cpus_used                           string "0-3,7"; "": it never ran
 *         max_gap_ns                          int   longest time between two progress points
 *         max_gap_cpu                         int   CPU at its end
 *         max_gap_at_ns                       int   its end, from the worker's start
 *         run_delay_ns, run_count             int   /proc/self/schedstat, over the worker's life
 *         started_ns                          int   when it was let go: its first gap begins here
 *         exit                                string  absent: it worked until it was stopped; else how it ended by itself:
 *                                                     "signal 11", "exit 1", its own words. The body's outcome is "error" then
 *   exec       object  for "exec"
 *     exit_code | exit_signal  int
 */
/* clang-format on */

#include "limits.h"

/* How long sched_ext's watchdog may take to throw out a scheduler that stalls: who has waited for the
 * timeout is found when it is looked for next, twice in a timeout; then there is the dump. */
#define KT_WATCHDOG_MS_OF(timeout_ms) ((timeout_ms) + (timeout_ms) / 2 + 10000)
/* When the timeout is the scheduler's own. */
#define KT_WATCHDOG_MS KT_WATCHDOG_MS_OF(KT_SCX_TIMEOUT_MAX_MS)

#define KT_GUEST_PORT_NAME "io.ktstrd.agent" /* /dev/virtio-ports/… and /sys/class/virtio-ports/… /name */
#define KT_GUEST_BIN_DIR "/ktstr/bin"        /* where the scheduler is put */
/* Its libraries, by DT_NEEDED name; LD_LIBRARY_PATH of what is run. */
#define KT_GUEST_LIB_DIR "/ktstr/lib"
/* What a guest goes through before it waits for a job: a test program, where there is one, with a test of
 * this name. */
#define KT_GUEST_REHEARSAL KT_GUEST_BIN_DIR "/ktstr-rehearsal"
#define KT_GUEST_REHEARSAL_TEST "rehearsal"
/* The one interpreter that a guest has: busybox's. */
#define KT_GUEST_SHELL "/bin/sh"
#define KT_GUEST_INCLUDE_DIR "/include-files"
