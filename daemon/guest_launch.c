/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "guest_internal.h"
#include "guest_pidfile.h"
#include "qemu_args.h"

#define QEMU_READY_TIMEOUT_MS 30000U

/* First to go when the host runs out of memory: a guest is cheap, the daemon is not. */
#define OOM_SCORE_ADJ 500

/* Of one that nobody waits for. On a host that is busy all the time it gets a tenth of a CPU: 19 would be a
 * hundredth, and its boot would not end in time. */
#define BACKGROUND_NICE 10

/* The child's descriptors, in the order in which it gets them, and our ends of the sockets. */
enum {
        FD_AGENT,
        FD_QMP,
        FD_CONSOLE,
        FD_STATE,
        FD_MEMORY,
};
#define N_SOCKETS FD_STATE

_Static_assert(FD_MEMORY + TOPOLOGY_NODES_MAX <= PROCESS_FDS_MAX,
               "a guest of many nodes has many descriptors");

struct channels {
        int theirs[FD_MEMORY + TOPOLOGY_NODES_MAX];
        int ours[N_SOCKETS];
        size_t n_theirs;
};

static void channels_done(struct channels *c)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(c->theirs); i++)
                kt_closep(&c->theirs[i]);
        for (size_t i = 0; i < KT_ARRAY_SIZE(c->ours); i++)
                kt_closep(&c->ours[i]);
}

static void channels_init(struct channels *c)
{
        memset(c, 0xff, sizeof(*c)); /* every descriptor -1 */
        c->n_theirs = 0;
}

/* One node's memory: a file that is ours alone, or one that was given. It is QEMU that fills it; we only
 * need to recognise it. */
static int open_memory_file(struct guest *g, const struct guest_origin *origin, unsigned node, int *ret)
{
        _cleanup_close_ int fd = -1;
        char name[32];
        int r;

        snprintf(name, sizeof(name), "ktstr-node%u", node);
        fd = origin->memory_fds ? fcntl(origin->memory_fds[node], F_DUPFD_CLOEXEC, 3)
                                : memfd_create(name, MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (!origin->memory_fds && ftruncate(fd, (off_t)g->shape->layout.node_size[node]) < 0)
                return -errno;
        r = guest_memory_file_of(fd, &g->memory_files[node]);
        if (r < 0)
                return r;
        *ret = TAKE_FD(fd);
        return 0;
}

static int open_channels(struct guest *g, const struct guest_origin *origin, struct channels *c)
{
        int pair[2], r;

        for (unsigned i = 0; i < N_SOCKETS; i++) {
                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                        return -errno;
                c->ours[i] = pair[0];
                c->theirs[i] = pair[1];
        }
        if (g->state_fd >= 0) {
                c->theirs[FD_STATE] = fcntl(g->state_fd, F_DUPFD_CLOEXEC, 3);
                if (c->theirs[FD_STATE] < 0)
                        return -errno;
        } else {
                /* There is always one, so that the others keep their numbers. */
                c->theirs[FD_STATE] = open("/dev/null", O_RDONLY | O_CLOEXEC);
                if (c->theirs[FD_STATE] < 0)
                        return -errno;
        }
        for (unsigned i = 0; i < g->shape->layout.n_nodes; i++) {
                r = open_memory_file(g, origin, i, &c->theirs[FD_MEMORY + i]);
                if (r < 0)
                        return r;
        }
        c->n_theirs = FD_MEMORY + g->shape->layout.n_nodes;
        return 0;
}

static int make_dir(struct guest *g, struct kt_error *reterr)
{
        _cleanup_free_ char *path = kt_path_join(g->run_dir, g->dir_name);

        if (!path)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (mkdir(path, 0700) < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot make the guest's folder %s: %s", path,
                                    strerror(errno));
        g->dir_made = true;
        return 0;
}

void guest_remove_dir(struct guest *g)
{
        _cleanup_close_ int dir = -1;

        if (!g->dir_made)
                return;
        dir = open(g->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir >= 0)
                (void)kt_remove_tree(dir, g->dir_name);
}

static void on_qemu_exit(void *userdata, const struct process_exit *how)
{
        struct guest *g = userdata;
        struct tail words;

        g->process = NULL;
        g->exited = true;
        g->exit_status = how->status;
        g->exit_signal = how->signal;
        if (tail_init(&words, PROCESS_STDERR_MAX) == 0) {
                tail_add(&words, how->text, strlen(how->text));
                g->qemu_words = tail_last_line(&words);
                tail_done(&words);
        }
        guest_expect_exit(g);
        guest_conclude_if_drained(g);
        guest_part_gone(g);
}

static int start_process(struct guest *g, const struct channels *c, struct kt_error *reterr)
{
        const struct qemu_args_params args = {
                .qemu_path = g->qemu_path,
                .id = g->id,
                .shape = g->shape,
                .is_clone = g->is_clone,
                .agent_fd = PROCESS_FIRST_FD + FD_AGENT,
                .qmp_fd = PROCESS_FIRST_FD + FD_QMP,
                .console_fd = PROCESS_FIRST_FD + FD_CONSOLE,
                .memory_fd = PROCESS_FIRST_FD + FD_MEMORY,
        };
        struct process_params params = {
                .exec_helper = g->exec_helper,
                .fds = c->theirs,
                .n_fds = c->n_theirs,
                .oom_score_adj = OOM_SCORE_ADJ,
                .nice = g->background ? BACKGROUND_NICE : 0,
        };
        char **argv = qemu_args_make(&args);
        int r;

        if (!argv)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        params.argv = argv;
        r = process_start(g->loop, &params, on_qemu_exit, g, &g->process, reterr);
        qemu_args_free(argv);
        if (r < 0 && reterr)
                reterr->name = KT_E_GUEST_START;
        return r;
}

/* The parts on the loop; each that is there is counted, so that a failure can end them. QEMU comes last:
 * nothing has to be undone once it runs. */
static int start_parts(struct guest *g, struct channels *c, struct kt_error *reterr)
{
        int r;

        uv_pipe_init(g->loop, &g->console_pipe, 0);
        uv_timer_init(g->loop, &g->timer);
        g->console_pipe.data = g->timer.data = g;
        g->parts = 2;

        r = guest_open_console(g, c->ours[FD_CONSOLE]);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_GUEST_START, "cannot read the guest's console: %s",
                                    uv_strerror(r));
        TAKE_FD(c->ours[FD_CONSOLE]);
        r = port_start(g->loop, c->ours[FD_AGENT], &guest_port_ops, g, &g->port, reterr);
        if (r < 0)
                return r;
        TAKE_FD(c->ours[FD_AGENT]);
        g->parts++;
        r = qmp_start(g->loop, c->ours[FD_QMP], QEMU_READY_TIMEOUT_MS, &guest_qmp_ops, g, &g->qmp, reterr);
        if (r < 0)
                return r;
        TAKE_FD(c->ours[FD_QMP]);
        g->parts++;
        r = start_process(g, c, reterr);
        if (r < 0)
                return r;
        g->parts++;
        return 0;
}

int guest_state_fd_in_qemu(void)
{
        return PROCESS_FIRST_FD + FD_STATE;
}

int guest_launch(struct guest *g, const struct guest_params *params, struct kt_error *reterr)
{
        struct channels c;
        int r;

        r = make_dir(g, reterr);
        if (r < 0)
                return r;
        r = console_init(&g->console, params->console_path, reterr);
        if (r < 0)
                return r;

        channels_init(&c);
        r = open_channels(g, &params->origin, &c);
        if (r < 0)
                kt_error_set(reterr, r, KT_E_GUEST_START, "cannot make the guest's sockets and memory: %s",
                             strerror(-r));
        else
                r = start_parts(g, &c, reterr);
        channels_done(&c);
        if (r < 0)
                return r;
        /* Only for a sweep after the daemon was killed, and then the kernel has killed QEMU as well. */
        (void)guest_pidfile_write(g->run_dir, g->dir_name, process_pid(g->process));
        return 0;
}
