/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * A guest: one QEMU process that runs one job and is thrown away. It knows a shape (what the machine looks
 * like), where its memory comes from, and a state machine:
 *
 *    guest_start()  QMP up, clone restored      guest_hand_out()     cont          HELLO       job done, guest_stop()
 *   ──────▶ STARTING ──────────────▶ PAUSED ──────────▶ HANDING ──────▶ BOOTING ──────▶ RUNNING ──────▶ STOPPING ──▶ GONE
 *                                      │                   ▲                                               ▲
 *                        guest_park()  │                   │ guest_hand_out()                              │
 *                                      ▼     PARKED        │                                               │
 *                                   WAKING ───────▶ PARKING ──▶ PARKED ◀──▶ SAVING (guest_save())           │
 *                                      └──────────────┴──────────┴── QEMU exits, time-outs, errors ────────┘
 *
 * A guest that is parked has run up to the point where its agent waits for a job, and was stopped there. From
 * such a one a template is saved (template.h), of which clones are started; a clone may be handed its job at
 * once, or be parked again to wait for one: what it has run then is translated and in memory, and it wakes in
 * a millisecond or two.
 *
 * Everything is asynchronous on the loop that guest_start() was given. on_gone comes exactly once, last,
 * after every handle is closed and every file of the guest's folder is removed; the guest is freed when it
 * returns. The guest is hostile: what it sends is checked here for framing and size and for who may send
 * what when; the meaning of JSON payloads is checked by whoever takes them. A guest that floods is slowed
 * down (port.h), not buffered. The program has to ignore SIGPIPE.
 */
/* clang-format on */

#include <uv.h>

#include "../lib/include/ktstr.h"
#include "../proto/frame.h"
#include "shape.h"

/* What a guest's memory is, and whether the machine has a past. */
struct guest_origin {
        /* One file per node, of its size, open for reading and writing; borrowed for the call. NULL: memory
         * that nobody shares. */
        const int *memory_fds;
        /* -1: it boots, and what it does to its memory is in the files. Else the device state of a template
         * (from offset 0, borrowed for the call): a clone, whose changes to its memory are its own. */
        int state_fd;
        /* Of a clone: why its agent cannot read the mailbox, or NULL when it can. Borrowed for the call. */
        const char *mailbox_error;
};

#define GUEST_ORIGIN_BOOT ((struct guest_origin){.state_fd = -1})

struct guest_params {
        const struct shape *shape; /* borrowed; outlives the guest */
        struct guest_origin origin;
        const char *qemu_path;    /* "/usr/bin/qemu-system-x86_64" */
        const char *exec_helper;  /* ktstrd-exec: sets PDEATHSIG and execs */
        const char *run_dir;      /* the daemon's runtime folder; the guest makes run_dir/guest-ID/ */
        const char *id;           /* of a job or of the pool: letters, digits, '.', '_', '-' */
        unsigned boot_timeout_ms; /* from cont to HELLO or PARKED; 0: the default of 90 s, and 8 s more per
                                     vCPU under tcg; for a clone 20 s, and 1 s more */
        unsigned migration_timeout_ms; /* for restoring a clone, and for saving; 0: the default of 60 s */
        bool background;               /* nobody waits for it: it yields to all else on the host */
        const char *console_path; /* file that gets the guest's whole console (created, 0600), or NULL */
};

struct guest;

enum guest_end {
        GUEST_END_STOPPED,  /* guest_stop() */
        GUEST_END_POWEROFF, /* it powered off by itself after its result */
        GUEST_END_START,   /* QEMU refused its command line, did not restore its clone or ended early, or the
                              job could not be put in (KT_E_BAD_FILE) */
        GUEST_END_BOOT,    /* no HELLO or PARKED within the boot timeout, or it died before */
        GUEST_END_CRASHED, /* its own kernel panicked, reset or powered off while it had work */
        GUEST_END_DIED,    /* QEMU ended while it had work, or while it waited for some */
        GUEST_END_PROTOCOL, /* bytes that are no frames */
};

struct guest_ops {
        /* paused and ready for guest_hand_out() or guest_park() */
        void (*on_paused)(void *userdata);
        /* what guest_park() is for is done; may be NULL when it is never called. May call any verb */
        void (*on_parked)(void *userdata);
        /* the same for guest_save() */
        void (*on_saved)(void *userdata);
        /* every frame from the guest that has a job, HELLO included; payload borrowed for the call. Not
         * those of its rehearsals. May call guest_stop(). */
        void (*on_frame)(void *userdata, const struct kt_frame *frame);
        /* a piece of console output as it comes, for streaming; borrowed. May be NULL */
        void (*on_console)(void *userdata, const char *data, size_t size);
        /* last call; err is set (name, message with the last lines of the console) unless end is STOPPED or
         * POWEROFF */
        void (*on_gone)(void *userdata, enum guest_end end, const struct kt_error *err);
};

/* Start QEMU, paused. On failure nothing is left and no callback comes. */
int guest_start(uv_loop_t *loop, const struct guest_params *params, const struct guest_ops *ops,
                void *userdata, struct guest **ret, struct kt_error *reterr);

/* Give a parked guest to somebody else: from now on it is ops that are called, and console_path (or NULL)
 * gets what its console says. On failure nothing has changed. -ESRCH: it has died, and on_gone is on its way
 * to who has it. */
int guest_adopt(struct guest *g, const struct guest_ops *ops, void *userdata, const char *console_path,
                struct kt_error *reterr);

/* Let it run until its agent waits for a job, go through `rehearsals` jobs that do nothing, and stop it:
 * on_parked. Legal in PAUSED. Failures end in on_gone. */
void guest_park(struct guest *g, unsigned rehearsals);

/* Stop the QEMU of a parked guest too (SIGSTOP), until it is adopted and handed its job, or thawed: a QEMU
 * whose guest is stopped may wake hundreds of times a second for a timer of the stopped clock (7.2 does).
 * Legal in PARKED. */
void guest_freeze(struct guest *g);
void guest_thaw(struct guest *g);

/* Write the device state of a parked guest that has booted on files to a new file at path: on_saved; with
 * its memory files that is a template. The file may appear a moment later than on_saved comes, also when the
 * guest is gone; it is whole when it does. Legal in PARKED. Failures end in on_gone. */
void guest_save(struct guest *g, const char *path);

/* Which of the host's CPUs a guest runs on. */
struct guest_cpus {
        const uint16_t *vcpus;    /* one CPU for the thread of each vCPU; NULL: these are as the others */
        struct ktstr_cpus others; /* for all other threads; not empty */
};

/*
 * Confine all threads of its QEMU, and with them those that they will make. Legal in PAUSED and PARKED,
 * before it is handed its job. -ESRCH: QEMU has died, and on_gone is on its way. Any other failure
 * (KT_E_GUEST_START): the host has no such CPUs for us, or QEMU no thread for each vCPU; some of its threads
 * may be confined.
 */
int guest_confine(struct guest *g, const struct guest_cpus *cpus, struct kt_error *reterr);

/* One thing to hand over: a JSON frame's payload (JOB), or a file of which fd is read from offset 0. */
struct guest_item {
        const char *guest_path; /* NULL: this is the JOB */
        int fd;                 /* borrowed until on_handed/gone; -1 for a link */
        uint64_t size;
        unsigned mode;
        const char *link; /* symlink target, or NULL */
        const char *json; /* JOB payload */
};

/*
 * Put the job and its files into the mailbox (what does not fit, or all when the kernel has no /dev/mem,
 * over the port after HELLO), and let the guest run. Legal once, in PAUSED and PARKED. The files are read on
 * a worker thread. Items are copied; their descriptors are dup'ed. Failures end in on_gone.
 */
int guest_hand_out(struct guest *g, const struct guest_item *items, size_t n_items, struct kt_error *reterr);

/* Queue one frame for the guest (CANCEL, INPUT). Silently dropped unless RUNNING. */
void guest_send(struct guest *g, uint32_t type, const void *payload, uint32_t size);

/* Bytes that guest_send() took and the guest did not yet: whoever sends much waits for this to shrink. */
size_t guest_queued(const struct guest *g);

/* End it: SIGKILL to QEMU, no ceremony (nothing of a guest is worth keeping).
 * Idempotent; on_gone follows. */
void guest_stop(struct guest *g);

/* Say that the job's last frame was seen, so that a power-off is expected. */
void guest_expect_poweroff(struct guest *g);

pid_t guest_pid(const struct guest *g);

/* Of each vCPU thread the time that it was runnable without running (/proc/PID/task/TID/schedstat, second
 * field), in ns, each time in the same order: room for TOPOLOGY_CPUS_MAX. -ENODATA before the vCPU threads
 * are known or after the guest is gone. */
int guest_run_delays(struct guest *g, uint64_t *ret_ns, unsigned *ret_n);

/* From cont to HELLO, 0 before: of a clone, or of one that was parked, what it took to wake. */
uint64_t guest_boot_us(const struct guest *g);

/* Why the agent cannot read its mailbox, in its words, or NULL when it can. Known when it is parked.
 * Borrowed. */
const char *guest_mailbox_error(const struct guest *g);

/* QEMU's version text from QMP's greeting, "" before. Borrowed. */
const char *guest_qemu_version(const struct guest *g);

/* What somebody who reads the job's result should know about how it was handed over (it did not go through
 * the mailbox, and why), or NULL. Known when HELLO is. Borrowed. */
const char *guest_note(const struct guest *g);

/* The last lines of the console, at most `lines`; malloced, "" when there were none. */
char *guest_console_tail(const struct guest *g, unsigned lines);

/* At the daemon's start, before there are guests: remove the guest-ID folders that an earlier daemon left in
 * run_dir, and kill what is still running of them (which is told from an unrelated process by the start time
 * that the folder knows). Blocks for a moment when there is something to kill. */
void guest_sweep(const char *run_dir);
