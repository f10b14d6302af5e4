/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What these files share; nobody else includes this.
 *
 *   guest.c          the public verbs, the states, how a guest ends
 *   guest_launch.c   from parameters to a running QEMU
 *   guest_control.c  QMP: getting to PAUSED, letting it run, what QEMU reports
 *   guest_migrate.c  device state: restoring a clone, saving a template
 *   guest_park.c     running without a job, up to where the agent waits for one
 *   guest_channel.c  the agent's port and the console: handing over, HELLO, frames
 *   guest_confine.c  which of the host's CPUs its threads run on
 *
 * A guest is made of parts, each of which ends by itself and says so: the process, the QMP client, the port,
 * the console's pipe, the timer, and a worker while one runs. The guest counts them and is gone when none is
 * left.
 */

#include "console.h"
#include "guest.h"
#include "guest_memory.h"
#include "handout.h"
#include "port.h"
#include "process.h"
#include "qmp.h"

enum guest_state {
        GUEST_STARTING,
        GUEST_PAUSED,
        GUEST_WAKING,  /* runs; PARKED is waited for */
        GUEST_PARKING, /* QEMU is told to stop it */
        GUEST_PARKED,
        GUEST_SAVING,
        GUEST_HANDING, /* a worker fills the mailbox; the guest is paused */
        GUEST_BOOTING,
        GUEST_RUNNING,
        GUEST_STOPPING,
        GUEST_GONE,
        _GUEST_STATE_MAX,
};

struct guest {
        uv_loop_t *loop;
        struct guest_ops ops;
        void *userdata;

        char *id, *run_dir, *dir_name;
        bool dir_made;
        char *qemu_path, *exec_helper;
        const struct shape *shape;
        unsigned boot_timeout_ms, migration_timeout_ms;
        int state_fd; /* of a clone, until it is restored; else -1 */
        bool is_clone, background;
        bool agent_waits; /* the agent was up when the guest was stopped last, and waits for its mailbox or a
                             WAKE */
        bool frozen;
        unsigned rehearsals;
        char *mailbox_error; /* the agent's words */

        enum guest_state state;
        bool started;       /* guest_start() succeeded, so on_gone is owed */
        unsigned parts;     /* see above */
        enum guest_end end; /* from STOPPING on */
        struct kt_error err;

        struct process *process; /* NULL once it exited */
        struct qmp *qmp;
        struct port *port;
        uv_pipe_t console_pipe;
        uv_timer_t timer; /* the boot timeout; the grace once QEMU is on its way out */
        void (*time_over)(struct guest *g);

        struct console console;
        struct guest_memory_file memory_files[TOPOLOGY_NODES_MAX];
        struct guest_memory *memory; /* from PAUSED on */

        pid_t vcpu_tids[TOPOLOGY_CPUS_MAX]; /* no thread twice */
        unsigned n_vcpu_tids;
        char qemu_version[32];

        /* how QEMU went */
        bool leaving; /* it has EXIT_GRACE_MS from when this was set */
        bool exited, port_eof, console_eof;
        int exit_status, exit_signal;
        char *qemu_words;         /* the last line of its standard error */
        char shutdown_reason[32]; /* of QMP's SHUTDOWN event, "" before */

        struct handout *handout; /* until all of it is in the guest */
        uint8_t *pending;        /* frames that wait for the hand-out to be through */
        size_t pending_size;
        char *note;
        uint64_t cont_ns, boot_us;
        bool poweroff_expected;
};

/* --- guest.c --- */

/* Asserts that the move is legal. */
void guest_set_state(struct guest *g, enum guest_state to);

/* The one way to STOPPING; the first cause counts. err's content is taken (NULL: none). */
void guest_end(struct guest *g, enum guest_end end, struct kt_error *err);

/* End it for a failure in what the host does: the text in front of err's message, its name kept or else that
 * of `end`. */
void guest_fail(struct guest *g, enum guest_end end, struct kt_error *err, const char *context);

/* QEMU is on its way out, or should be: wait a little for what it still has to say, then end. */
void guest_expect_exit(struct guest *g);

/* Once that much time is over, and what has come within it has been heard. One at a time; uv_timer_stop()
 * ends it. */
void guest_start_timer(struct guest *g, void (*time_over)(struct guest *g), unsigned ms);

/* QEMU has exited and its sockets were read to their ends, or it had time enough: find words for
 * it and end. */
void guest_conclude(struct guest *g);
void guest_conclude_if_drained(struct guest *g);

/* A part ended. The guest may be freed by this. */
void guest_part_gone(struct guest *g);

static inline bool guest_is_ending(const struct guest *g)
{
        return g->state == GUEST_STOPPING || g->state == GUEST_GONE;
}

/* --- guest_launch.c --- */

int guest_launch(struct guest *g, const struct guest_params *params, struct kt_error *reterr);

/* The number of the device state's descriptor in the QEMU of a clone. */
int guest_state_fd_in_qemu(void);

/* What guest_launch() made on disk. */
void guest_remove_dir(struct guest *g);

/* --- guest_control.c --- */

extern const struct qmp_ops guest_qmp_ops;

/* Let the guest run: to BOOTING or WAKING. */
void guest_continue(struct guest *g, enum guest_state to);

/* A QEMU that does what it should not, by when it does it. */
void guest_control_failed(struct guest *g, int num, const char *text);

/* The same for a command's outcome: true when it was a failure, which is dealt with then. */
bool guest_command_failed(struct guest *g, const struct kt_error *err);

#define GUEST_COMMAND_TIMEOUT_MS 20000U

/* The machine is as it should be: look at its CPUs and memory, then PAUSED. */
void guest_take_stock(struct guest *g);

/* --- guest_migrate.c --- */

/* Restore the clone, then guest_take_stock(). */
void guest_restore(struct guest *g);

/* QMP's MIGRATION event. */
void guest_on_migration(struct guest *g, const char *status);

/* --- guest_park.c --- */

/* A frame of a guest in WAKING. */
void guest_park_frame(struct guest *g, const struct kt_frame *frame);

/* --- guest_channel.c --- */

extern const struct port_ops guest_port_ops;

/* Start reading the console from fd, which is taken on success. */
int guest_open_console(struct guest *g, int fd);

/* What a HELLO or PARKED says. -EPROTO, and the guest is ended, when it is none. */
int guest_take_hello(struct guest *g, const struct kt_frame *frame);

void guest_protocol_error(struct guest *g, const char *text);

/* Fill the mailbox on a worker, then let the guest run. */
int guest_begin_hand_out(struct guest *g);
