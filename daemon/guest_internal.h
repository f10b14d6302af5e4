/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What these files share; nobody else includes this.
 *
 *   guest.c          the public verbs, the states, how a guest ends
 *   guest_launch.c   from parameters to a running QEMU
 *   guest_control.c  QMP: getting to PAUSED, letting it run, what QEMU reports
 *   guest_channel.c  the agent's port and the console: handing over, HELLO, frames
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
        struct guest_shape shape;
        unsigned boot_timeout_ms;

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
        char console_buffer[16384];

        struct console console;
        struct memory_layout layout;
        struct guest_memory_file memory_files[TOPOLOGY_NODES_MAX];
        struct guest_memory *memory; /* from PAUSED on */

        pid_t vcpu_tids[TOPOLOGY_CPUS_MAX];
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
        uint64_t cont_ms, boot_ms;
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

/* What guest_launch() made on disk. */
void guest_remove_dir(struct guest *g);

/* --- guest_control.c --- */

extern const struct qmp_ops guest_qmp_ops;

/* Let the guest run: HANDING or PAUSED to BOOTING. */
void guest_continue(struct guest *g);

/* --- guest_channel.c --- */

extern const struct port_ops guest_port_ops;

/* Start reading the console from fd, which is taken on success. */
int guest_open_console(struct guest *g, int fd);

/* Fill the mailbox on a worker, then let the guest run. */
int guest_begin_hand_out(struct guest *g);
