/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/errors.h"
#include "guest_internal.h"

#define EXIT_GRACE_MS 5000U
#define BOOT_TIMEOUT_MS 90000U
#define BOOT_TIMEOUT_PER_CPU_MS 8000U /* a 64-CPU guest takes minutes under TCG */
#define CLONE_TIMEOUT_MS 20000U
#define CLONE_TIMEOUT_PER_CPU_MS 1000U
#define MIGRATION_TIMEOUT_MS 60000U /* some milliseconds as a rule; a host that swaps takes longer */
#define PENDING_MAX (1U << 20)

/* --- states --- */

static const bool moves[_GUEST_STATE_MAX][_GUEST_STATE_MAX] = {
        [GUEST_STARTING] = {[GUEST_PAUSED] = true, [GUEST_STOPPING] = true},
        [GUEST_PAUSED] = {[GUEST_HANDING] = true, [GUEST_WAKING] = true, [GUEST_STOPPING] = true},
        [GUEST_WAKING] = {[GUEST_PARKING] = true, [GUEST_STOPPING] = true},
        [GUEST_PARKING] = {[GUEST_PARKED] = true, [GUEST_STOPPING] = true},
        [GUEST_PARKED] = {[GUEST_HANDING] = true, [GUEST_SAVING] = true, [GUEST_STOPPING] = true},
        [GUEST_SAVING] = {[GUEST_PARKED] = true, [GUEST_STOPPING] = true},
        [GUEST_HANDING] = {[GUEST_BOOTING] = true, [GUEST_STOPPING] = true},
        [GUEST_BOOTING] = {[GUEST_RUNNING] = true, [GUEST_STOPPING] = true},
        [GUEST_RUNNING] = {[GUEST_STOPPING] = true},
        [GUEST_STOPPING] = {[GUEST_GONE] = true},
};

void guest_set_state(struct guest *g, enum guest_state to)
{
        assert(moves[g->state][to]);
        g->state = to;
}

static void guest_free(struct guest *g)
{
        guest_memory_free(g->memory);
        handout_free(g->handout);
        console_done(&g->console);
        kt_error_done(&g->err);
        free(g->pending);
        free(g->qemu_words);
        free(g->note);
        free(g->mailbox_error);
        kt_closep(&g->state_fd);
        free(g->id);
        free(g->run_dir);
        free(g->dir_name);
        free(g->qemu_path);
        free(g->exec_helper);
        free(g);
}

void guest_part_gone(struct guest *g)
{
        assert(g->parts > 0);
        if (--g->parts > 0)
                return;
        guest_set_state(g, GUEST_GONE);
        guest_remove_dir(g);
        if (g->started)
                g->ops.on_gone(g->userdata, g->end, kt_error_isset(&g->err) ? &g->err : NULL);
        guest_free(g);
}

static void on_part_closed(uv_handle_t *handle)
{
        guest_part_gone(handle->data);
}

void guest_end(struct guest *g, enum guest_end end, struct kt_error *err)
{
        if (guest_is_ending(g)) {
                kt_error_done(err);
                return;
        }
        guest_set_state(g, GUEST_STOPPING);
        g->end = end;
        if (err)
                kt_error_move(&g->err, err);
        if (g->process)
                process_kill(g->process, SIGKILL);
        if (g->qmp)
                qmp_stop(g->qmp);
        if (g->port)
                port_stop(g->port);
        uv_close((uv_handle_t *)&g->console_pipe, on_part_closed);
        uv_close((uv_handle_t *)&g->timer, on_part_closed);
}

static const char *error_name(enum guest_end end)
{
        switch (end) {
        case GUEST_END_START:
                return KT_E_GUEST_START;
        case GUEST_END_BOOT:
                return KT_E_GUEST_BOOT;
        case GUEST_END_PROTOCOL:
                return KT_E_GUEST_PROTOCOL;
        default:
                return KT_E_GUEST_DIED;
        }
}

void guest_fail(struct guest *g, enum guest_end end, struct kt_error *err, const char *context)
{
        if (context)
                kt_error_prefix(err, "%s", context);
        if (!err->name)
                err->name = error_name(end);
        guest_end(g, end, err);
}

/* --- how it went --- */

/* The words for a guest whose QEMU ended before the guest had a job. */
static void explain_start(const struct guest *g, struct kt_error *err)
{
        const char *words = g->qemu_words ?: "";

        if (*words)
                kt_error_set(err, -ECHILD, KT_E_GUEST_START, "QEMU did not start the guest: %s", words);
        else if (g->exit_signal)
                kt_error_set(err, -ECHILD, KT_E_GUEST_START,
                             "QEMU was killed by signal %d before the guest ran", g->exit_signal);
        else if (g->exited)
                kt_error_set(err, -ECHILD, KT_E_GUEST_START, "QEMU exited with code %d and said nothing",
                             g->exit_status);
        else
                kt_error_set(err, -ETIMEDOUT, KT_E_GUEST_START,
                             "QEMU closed its control socket and does not exit");
}

/* What happened to a guest that had a job, as far as QEMU tells. Malloced. */
static char *explain_exit(const struct guest *g)
{
        const char *words = g->qemu_words ?: "";

        if (strcmp(g->shutdown_reason, "guest-reset") == 0)
                return kt_format("its kernel reset the machine");
        if (strcmp(g->shutdown_reason, "guest-shutdown") == 0)
                return kt_format("it powered off before its result was there");
        if (*g->shutdown_reason)
                return kt_format("QEMU ended it (%s)", g->shutdown_reason);
        if (g->exit_signal == SIGKILL)
                return kt_format("QEMU was killed; did the host run out of memory?");
        if (g->exit_signal)
                return kt_format("QEMU crashed with signal %d", g->exit_signal);
        if (g->exited)
                return kt_format("QEMU exited with code %d%s%s", g->exit_status, *words ? ": " : "", words);
        return kt_format("QEMU closed its sockets and does not exit");
}

/* The console's word is the better one where the kernel said why. */
static void explain_death(const struct guest *g, struct kt_error *err)
{
        const bool booting = g->state == GUEST_BOOTING || g->state == GUEST_WAKING;
        const char *name = booting ? KT_E_GUEST_BOOT : KT_E_GUEST_DIED,
                   *when = booting ? (g->agent_waits ? "when it was woken" : "while it booted")
                           : g->state == GUEST_RUNNING ? "while it ran"
                                                       : "while it waited for a job";
        _cleanup_free_ char *line = console_telling_line(&g->console), *how = explain_exit(g);

        if (line && strncmp(line, "Kernel panic", strlen("Kernel panic")) == 0)
                kt_error_set(err, -ECHILD, name, "the guest died %s: %s", when, line);
        else
                kt_error_set(err, -ECHILD, name, "the guest died %s: %s; %s%s", when, how ?: "out of memory",
                             line && *line ? "the last on its console: " : "its console is empty",
                             line ?: "");
}

/* Was it what runs in the guest that ended it, and not the host? */
static bool own_doing(const struct guest *g)
{
        _cleanup_free_ char *line = console_telling_line(&g->console);

        return strncmp(g->shutdown_reason, "guest-", 6) == 0 ||
               (line && strncmp(line, "Kernel panic", strlen("Kernel panic")) == 0);
}

void guest_conclude(struct guest *g)
{
        struct kt_error err = KT_ERROR_INIT;

        switch (g->state) {
        case GUEST_STARTING:
        case GUEST_PAUSED:
        case GUEST_HANDING:
                explain_start(g, &err);
                guest_end(g, GUEST_END_START, &err);
                break;
        case GUEST_BOOTING:
        case GUEST_WAKING:
                explain_death(g, &err);
                guest_end(g, GUEST_END_BOOT, &err);
                break;
        case GUEST_PARKING:
        case GUEST_PARKED:
        case GUEST_SAVING:
                explain_death(g, &err);
                guest_end(g, GUEST_END_DIED, &err);
                break;
        case GUEST_RUNNING:
                if (!g->poweroff_expected)
                        explain_death(g, &err);
                guest_end(g,
                          g->poweroff_expected ? GUEST_END_POWEROFF
                          : own_doing(g)       ? GUEST_END_CRASHED
                                               : GUEST_END_DIED,
                          &err);
                break;
        default:
                break;
        }
}

void guest_conclude_if_drained(struct guest *g)
{
        if (g->exited && g->port_eof && g->console_eof)
                guest_conclude(g);
}

static void on_time_over(uv_timer_t *timer)
{
        struct guest *g = timer->data;

        g->time_over(g);
}

/* A daemon that was not run for a while finds the timer due and what QEMU has said meanwhile unread: one
 * turn of the loop more, and that is heard first. */
static void on_timer(uv_timer_t *timer)
{
        uv_timer_start(timer, on_time_over, 1, 0);
}

void guest_start_timer(struct guest *g, void (*time_over)(struct guest *g), unsigned ms)
{
        g->time_over = time_over;
        uv_timer_start(&g->timer, on_timer, ms, 0);
}

void guest_expect_exit(struct guest *g)
{
        if (guest_is_ending(g) || g->leaving)
                return;
        g->leaving = true;
        guest_start_timer(g, guest_conclude, EXIT_GRACE_MS);
}

/* --- verbs --- */

/* The id becomes a file name and a part of an option of QEMU's. */
static bool is_plain(const char *id)
{
        const size_t len = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

        return len > 0 && id[len] == '\0' && len <= 64;
}

static unsigned default_boot_timeout(const struct guest_params *params)
{
        const unsigned cpus =
                params->shape->accel == ACCEL_TCG ? topology_cpus(&params->shape->topology) : 0;

        return params->origin.state_fd >= 0 ? CLONE_TIMEOUT_MS + CLONE_TIMEOUT_PER_CPU_MS * cpus
                                            : BOOT_TIMEOUT_MS + BOOT_TIMEOUT_PER_CPU_MS * cpus;
}

/* QEMU reads on from where its descriptor is, and clones start at the same time: each has an opening of its
 * own. */
static int open_again(int fd)
{
        char path[32];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int take_origin(struct guest *g, const struct guest_origin *origin, struct kt_error *reterr)
{
        if (origin->state_fd < 0)
                return 0;
        g->is_clone = g->agent_waits = true;
        g->state_fd = open_again(origin->state_fd);
        if (g->state_fd < 0)
                return kt_error_set(reterr, g->state_fd, KT_E_GUEST_START,
                                    "cannot open the template's state for a clone: %s",
                                    strerror(-g->state_fd));
        if (origin->mailbox_error && !(g->mailbox_error = strdup(origin->mailbox_error)))
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return 0;
}

static struct guest *guest_new(uv_loop_t *loop, const struct guest_params *params,
                               const struct guest_ops *ops, void *userdata)
{
        struct guest *g = calloc(1, sizeof(*g));

        if (!g)
                return NULL;
        g->console.fd = g->state_fd = -1;
        g->loop = loop;
        g->ops = *ops;
        g->userdata = userdata;
        g->shape = params->shape;
        g->background = params->background;
        g->boot_timeout_ms = params->boot_timeout_ms ?: default_boot_timeout(params);
        g->migration_timeout_ms = params->migration_timeout_ms ?: MIGRATION_TIMEOUT_MS;
        g->id = strdup(params->id);
        g->run_dir = strdup(params->run_dir);
        g->dir_name = kt_format("guest-%s", params->id);
        g->qemu_path = strdup(params->qemu_path);
        g->exec_helper = strdup(params->exec_helper);
        if (!g->id || !g->run_dir || !g->dir_name || !g->qemu_path || !g->exec_helper) {
                guest_free(g);
                return NULL;
        }
        return g;
}

int guest_start(uv_loop_t *loop, const struct guest_params *params, const struct guest_ops *ops,
                void *userdata, struct guest **ret, struct kt_error *reterr)
{
        struct guest *g;
        int r;

        if (!is_plain(params->id))
                return kt_error_set(reterr, -EINVAL, KT_E_INTERNAL, "'%.80s' cannot be the id of a guest",
                                    params->id);
        g = guest_new(loop, params, ops, userdata);
        if (!g)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = take_origin(g, &params->origin, reterr);
        if (r >= 0)
                r = guest_launch(g, params, reterr);
        if (r < 0) {
                guest_remove_dir(g);
                if (g->parts > 0)
                        guest_end(g, GUEST_END_START, NULL);
                else
                        guest_free(g);
                return r;
        }
        g->started = true;
        *ret = g;
        return 0;
}

void guest_freeze(struct guest *g)
{
        assert(g->state == GUEST_PARKED);
        if (g->process)
                process_kill(g->process, SIGSTOP);
        g->frozen = true;
}

void guest_thaw(struct guest *g)
{
        if (g->frozen && g->process)
                process_kill(g->process, SIGCONT);
        g->frozen = false;
}

int guest_adopt(struct guest *g, const struct guest_ops *ops, void *userdata, const char *console_path,
                struct kt_error *reterr)
{
        int r;

        /* Its owner knows when it is gone, and that is a little later. */
        if (guest_is_ending(g) || g->leaving)
                return kt_error_set(reterr, -ESRCH, KT_E_GUEST_DIED, "the guest has just died");
        assert(g->state == GUEST_PARKED);
        r = console_keep(&g->console, console_path);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory");
        g->ops = *ops;
        g->userdata = userdata;
        return 0;
}

int guest_hand_out(struct guest *g, const struct guest_item *items, size_t n_items, struct kt_error *reterr)
{
        int r;

        assert(g->state == GUEST_PAUSED || g->state == GUEST_PARKED);
        r = handout_new(items, n_items, &g->handout, reterr);
        if (r < 0)
                return r;
        guest_thaw(g);
        r = guest_begin_hand_out(g);
        if (r < 0) {
                handout_free(g->handout);
                g->handout = NULL;
                return kt_error_set(reterr, r, KT_E_INTERNAL, "cannot start a worker: %s", uv_strerror(r));
        }
        return 0;
}

/* Behind the hand-out's frames, which are sent in pieces. */
static void append_pending(struct guest *g, uint32_t type, const void *payload, uint32_t size)
{
        const size_t frame_size = KT_FRAME_HEADER_SIZE + (size_t)size;
        uint8_t *grown;

        if (g->pending_size + frame_size > PENDING_MAX ||
            !(grown = realloc(g->pending, g->pending_size + frame_size))) {
                kt_log_warning("a frame for guest %s is dropped, too many wait already", g->id);
                return;
        }
        kt_frame_header(grown + g->pending_size, type, payload, size);
        if (size > 0)
                memcpy(grown + g->pending_size + KT_FRAME_HEADER_SIZE, payload, size);
        g->pending = grown;
        g->pending_size += frame_size;
}

void guest_send(struct guest *g, uint32_t type, const void *payload, uint32_t size)
{
        if (g->state != GUEST_RUNNING)
                return;
        if (g->handout)
                append_pending(g, type, payload, size);
        else if (port_send(g->port, type, payload, size) < 0)
                kt_log_warning("a frame for guest %s is dropped, memory is out", g->id);
}

size_t guest_queued(const struct guest *g)
{
        return g->state == GUEST_RUNNING ? g->pending_size + port_queued(g->port) : 0;
}

void guest_stop(struct guest *g)
{
        guest_end(g, GUEST_END_STOPPED, NULL);
}

void guest_expect_poweroff(struct guest *g)
{
        g->poweroff_expected = true;
}

/* --- questions --- */

pid_t guest_pid(const struct guest *g)
{
        return g->process ? process_pid(g->process) : 0;
}

/* Second field of schedstat, in ns. */
static int read_run_delay(pid_t pid, pid_t tid, uint64_t *ret_ns)
{
        _cleanup_free_ char *text = NULL;
        unsigned long long ns;
        char path[64];
        size_t size;
        int r;

        snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)pid, (int)tid);
        r = kt_read_file(AT_FDCWD, path, 4096, &text, &size);
        if (r < 0 || sscanf(text, "%*u %llu", &ns) != 1)
                return -ENODATA;
        *ret_ns = ns;
        return 0;
}

int guest_run_delays(struct guest *g, uint64_t *ret_ns, unsigned *ret_n)
{
        int r;

        if (!g->process || g->n_vcpu_tids == 0)
                return -ENODATA;
        for (unsigned i = 0; i < g->n_vcpu_tids; i++) {
                r = read_run_delay(process_pid(g->process), g->vcpu_tids[i], &ret_ns[i]);
                if (r < 0)
                        return r;
        }
        *ret_n = g->n_vcpu_tids;
        return 0;
}

uint64_t guest_boot_us(const struct guest *g)
{
        return g->boot_us;
}

const char *guest_mailbox_error(const struct guest *g)
{
        return g->mailbox_error;
}

const char *guest_qemu_version(const struct guest *g)
{
        return g->qemu_version;
}

const char *guest_note(const struct guest *g)
{
        return g->note;
}

char *guest_console_tail(const struct guest *g, unsigned lines)
{
        return tail_lines(&g->console.tail, lines);
}
