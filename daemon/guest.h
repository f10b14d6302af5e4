/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * A guest: one QEMU process that runs one job and is thrown away. It knows a shape (what the machine looks
 * like) and a state machine; where its memory came from (a cold boot now) is behind guest_start().
 *
 *    guest_start()  QMP up      guest_hand_out()        HELLO          job done, guest_stop()
 *   ──────▶ STARTING ────▶ PAUSED ────────▶ BOOTING ──────▶ RUNNING ────────▶ STOPPING ──▶ GONE
 *              └──────────────┴────────────────┴───────────────┘                 ▲
 *                              └── QEMU exits, boot timeout, protocol error ─────┘
 *
 * Everything is asynchronous on the loop that guest_start() was given. on_gone comes exactly once, last,
 * after every handle is closed and every file of the guest's folder is removed; the guest is freed when it
 * returns. The guest is hostile: what it sends is checked here for framing and size and for who may send
 * what when; the meaning of JSON payloads is checked by whoever takes them. A guest that floods is slowed
 * down (port.h), not buffered. The program has to ignore SIGPIPE.
 */
/* clang-format on */

#include <uv.h>

#include "accel.h"
#include "../proto/frame.h"
#include "kernel.h"
#include "topology.h"

struct guest_shape {
        struct topology topology;
        unsigned memory_mib;
        enum accel accel;
        bool tcg_one_thread;         /* accel_report's */
        const struct kernel *kernel; /* borrowed; outlives the guest */
        const char *initramfs_path;  /* borrowed */
};

struct guest_params {
        struct guest_shape shape;
        const char *qemu_path;    /* "/usr/bin/qemu-system-x86_64" */
        const char *exec_helper;  /* ktstrd-exec: sets PDEATHSIG and execs */
        const char *run_dir;      /* the daemon's runtime folder; the guest makes run_dir/guest-ID/ */
        const char *id;           /* job id: letters, digits, '.', '_', '-' */
        unsigned boot_timeout_ms; /* from cont to HELLO; 0: the default of 90 s, and 8 s more per vCPU under
                                     tcg */
        const char *console_path; /* file that gets the guest's whole console (created, 0600), or NULL */
};

struct guest;

enum guest_end {
        GUEST_END_STOPPED,  /* guest_stop() */
        GUEST_END_POWEROFF, /* it powered off by itself after its result */
        GUEST_END_START,    /* QEMU refused its command line or ended early, or the job could not be put in
                               (KT_E_BAD_FILE) */
        GUEST_END_BOOT,     /* no HELLO within the boot timeout, or it died before */
        GUEST_END_CRASHED,  /* its own kernel panicked, reset or powered off while it had work */
        GUEST_END_DIED,     /* QEMU ended while it had work */
        GUEST_END_PROTOCOL, /* bytes that are no frames */
};

struct guest_ops {
        /* paused and ready for guest_hand_out() */
        void (*on_paused)(void *userdata);
        /* every frame from the guest, HELLO included; payload borrowed for the call.
         * May call guest_stop(). */
        void (*on_frame)(void *userdata, const struct kt_frame *frame);
        /* a piece of console output as it comes, for streaming; borrowed */
        void (*on_console)(void *userdata, const char *data, size_t size);
        /* last call; err is set (name, message with the last lines of the console) unless end is STOPPED or
         * POWEROFF */
        void (*on_gone)(void *userdata, enum guest_end end, const struct kt_error *err);
};

/* Start QEMU, paused. On failure nothing is left and no callback comes. */
int guest_start(uv_loop_t *loop, const struct guest_params *params, const struct guest_ops *ops,
                void *userdata, struct guest **ret, struct kt_error *reterr);

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
 * over the port after HELLO), and let the guest run. Legal once, in PAUSED. The files are read on a worker
 * thread. Items are copied; their descriptors are dup'ed. Failures end in on_gone.
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

/* Sum over the vCPU threads of the time they were runnable without running (/proc/PID/task/TID/schedstat,
 * second field), in ns. -ENODATA before the vCPU threads are known or after the guest is gone. */
int guest_run_delay(struct guest *g, uint64_t *ret_ns);

/* ms from cont to HELLO; 0 before. */
uint64_t guest_boot_ms(const struct guest *g);

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
