/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "guest_internal.h"

static enum guest_end end_by_state(enum guest_state state)
{
        switch (state) {
        case GUEST_BOOTING:
        case GUEST_WAKING:
                return GUEST_END_BOOT;
        case GUEST_RUNNING:
        case GUEST_PARKING:
        case GUEST_PARKED:
        case GUEST_SAVING:
                return GUEST_END_DIED;
        default:
                return GUEST_END_START;
        }
}

void guest_control_failed(struct guest *g, int num, const char *text)
{
        const enum guest_end end = end_by_state(g->state);
        struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, num, NULL, "%s", text);
        guest_fail(g, end, &err, NULL);
}

/* --- to PAUSED --- */

/* QEMU may emulate all its CPUs in one thread: what that waits counts once. */
static void add_thread(struct guest *g, pid_t tid)
{
        for (unsigned i = 0; i < g->n_vcpu_tids; i++)
                if (g->vcpu_tids[i] == tid)
                        return;
        g->vcpu_tids[g->n_vcpu_tids++] = tid;
}

static bool take_thread_ids(struct guest *g, struct json_object *answer)
{
        const size_t n = json_object_is_type(answer, json_type_array) ? json_object_array_length(answer) : 0;

        if (n != topology_cpus(&g->shape->topology))
                return false;
        for (size_t i = 0; i < n; i++) {
                const int64_t tid = kt_json_int(json_object_array_get_idx(answer, i), "thread-id", 0);

                if (tid <= 0 || tid > INT32_MAX)
                        return false;
                add_thread(g, (pid_t)tid);
        }
        return true;
}

bool guest_command_failed(struct guest *g, const struct kt_error *err)
{
        if (guest_is_ending(g))
                return true;
        /* A client that failed tells why in on_failed. */
        if (err && err->num == -EREMOTEIO)
                guest_control_failed(g, err->num, kt_error_text(err));
        return err != NULL;
}

static void on_cpus(void *data, struct json_object *answer, const struct kt_error *err)
{
        struct guest *g = data;
        struct kt_error failure = KT_ERROR_INIT;
        int r;

        if (guest_command_failed(g, err) || g->state != GUEST_STARTING)
                return;
        if (!take_thread_ids(g, answer)) {
                guest_control_failed(g, -EBADMSG, "QEMU does not have the CPUs that it was asked for");
                return;
        }
        r = guest_memory_open(guest_pid(g), &g->shape->layout, g->memory_files, &g->memory, &failure);
        if (r == -ESRCH) {
                kt_error_done(&failure);
                guest_expect_exit(g);
                return;
        }
        if (r < 0) {
                guest_fail(g, GUEST_END_START, &failure, NULL);
                return;
        }
        guest_set_state(g, GUEST_PAUSED);
        g->ops.on_paused(g->userdata);
}

void guest_take_stock(struct guest *g)
{
        int r = qmp_execute(g->qmp, "query-cpus-fast", NULL, GUEST_COMMAND_TIMEOUT_MS, on_cpus, g);

        if (r < 0)
                guest_control_failed(g, r, "cannot talk to QEMU");
}

static void on_ready(void *userdata, const char *version)
{
        struct guest *g = userdata;

        snprintf(g->qemu_version, sizeof(g->qemu_version), "%s", version);
        if (g->is_clone)
                guest_restore(g);
        else
                guest_take_stock(g);
}

/* --- to BOOTING or WAKING --- */

static void on_boot_timeout(struct guest *g)
{
        struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *line = console_telling_line(&g->console);

        kt_error_set(&err, -ETIMEDOUT, KT_E_GUEST_BOOT, "the guest %s after %u s; %s%s",
                     g->agent_waits ? "did not wake" : "was not ready", g->boot_timeout_ms / 1000,
                     line && *line ? "the last on its console: " : "its console is empty", line ?: "");
        guest_end(g, GUEST_END_BOOT, &err);
}

static void on_continued(void *data, struct json_object *answer, const struct kt_error *err)
{
        (void)guest_command_failed(data, err);
}

/* The new state begins with the question, not with its answer: the agent's word has a socket of its own and
 * may come first. */
void guest_continue(struct guest *g, enum guest_state to)
{
        int r;

        guest_set_state(g, to);
        g->cont_ns = uv_hrtime();
        /* One that is on its way out has its time already. */
        if (!g->leaving)
                guest_start_timer(g, on_boot_timeout, g->boot_timeout_ms);
        r = qmp_execute(g->qmp, "cont", NULL, GUEST_COMMAND_TIMEOUT_MS, on_continued, g);
        if (r < 0)
                guest_expect_exit(g);
}

/* --- what QEMU reports --- */

/* The accelerator gave up: QEMU stops the CPUs, keeps living, and has said why on its standard error. */
static void on_stopped_by_qemu(struct guest *g)
{
        const char *words = g->process ? strstr(process_stderr(g->process), "KVM") : NULL;
        _cleanup_free_ char *text = NULL;

        text = words ? kt_format("QEMU stopped the guest: %.*s; --accel tcg does without KVM",
                                 (int)strcspn(words, "\n"), words)
                     : kt_format("QEMU stopped the guest and does not say why");
        guest_control_failed(g, -EIO, text ?: "QEMU stopped the guest");
}

/* One that is parking is stopped by us. */
static bool should_run(const struct guest *g)
{
        return g->state == GUEST_BOOTING || g->state == GUEST_RUNNING || g->state == GUEST_WAKING;
}

static void on_event(void *userdata, const char *name, struct json_object *data)
{
        struct guest *g = userdata;

        if (guest_is_ending(g))
                return;
        if (strcmp(name, "SHUTDOWN") == 0) {
                snprintf(g->shutdown_reason, sizeof(g->shutdown_reason), "%s",
                         kt_json_str(data, "reason") ?: "no reason given");
                guest_expect_exit(g);
        } else if (strcmp(name, "GUEST_PANICKED") == 0) {
                snprintf(g->shutdown_reason, sizeof(g->shutdown_reason), "guest-panic");
                guest_expect_exit(g);
        } else if (strcmp(name, "STOP") == 0 && !*g->shutdown_reason && should_run(g)) {
                on_stopped_by_qemu(g);
        } else if (strcmp(name, "MIGRATION") == 0) {
                guest_on_migration(g, kt_json_str(data, "status") ?: "");
        }
}

static void on_failed(void *userdata, const struct kt_error *err)
{
        struct guest *g = userdata;

        /* A closed socket is how QEMU's end looks from here; its exit tells more. */
        if (err->num == -EPIPE)
                guest_expect_exit(g);
        else
                guest_control_failed(g, err->num, kt_error_text(err));
}

static void on_closed(void *userdata)
{
        struct guest *g = userdata;

        g->qmp = NULL;
        guest_part_gone(g);
}

const struct qmp_ops guest_qmp_ops = {
        .on_ready = on_ready,
        .on_event = on_event,
        .on_failed = on_failed,
        .on_closed = on_closed,
};
