/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "guest_internal.h"

#define COMMAND_TIMEOUT_MS 20000U

/* A QEMU that does what it should not, by when it does it. */
static void control_failed(struct guest *g, int num, const char *text)
{
        const enum guest_end end = g->state == GUEST_RUNNING   ? GUEST_END_DIED
                                   : g->state == GUEST_BOOTING ? GUEST_END_BOOT
                                                               : GUEST_END_START;
        struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, num, NULL, "%s", text);
        guest_fail(g, end, &err, NULL);
}

/* --- to PAUSED --- */

static bool take_thread_ids(struct guest *g, struct json_object *answer)
{
        const size_t n = json_object_is_type(answer, json_type_array) ? json_object_array_length(answer) : 0;

        if (n != topology_cpus(&g->shape.topology))
                return false;
        for (size_t i = 0; i < n; i++) {
                const int64_t tid = kt_json_int(json_object_array_get_idx(answer, i), "thread-id", 0);

                if (tid <= 0 || tid > INT32_MAX)
                        return false;
                g->vcpu_tids[i] = (pid_t)tid;
        }
        g->n_vcpu_tids = (unsigned)n;
        return true;
}

static void on_cpus(void *data, struct json_object *answer, const struct kt_error *err)
{
        struct guest *g = data;
        struct kt_error failure = KT_ERROR_INIT;
        int r;

        if (g->state != GUEST_STARTING)
                return;
        if (err) {
                /* A client that failed tells why in on_failed. */
                if (err->num == -EREMOTEIO)
                        control_failed(g, err->num, kt_error_text(err));
                return;
        }
        if (!take_thread_ids(g, answer)) {
                control_failed(g, -EBADMSG, "QEMU does not have the CPUs that it was asked for");
                return;
        }
        r = guest_memory_open(guest_pid(g), &g->layout, g->memory_files, &g->memory, &failure);
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

static void on_ready(void *userdata, const char *version)
{
        struct guest *g = userdata;
        int r;

        snprintf(g->qemu_version, sizeof(g->qemu_version), "%s", version);
        r = qmp_execute(g->qmp, "query-cpus-fast", NULL, COMMAND_TIMEOUT_MS, on_cpus, g);
        if (r < 0)
                control_failed(g, r, "cannot talk to QEMU");
}

/* --- to BOOTING --- */

static void on_boot_timeout(uv_timer_t *timer)
{
        struct guest *g = timer->data;
        struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *line = console_telling_line(&g->console);

        kt_error_set(&err, -ETIMEDOUT, KT_E_GUEST_BOOT, "the guest was not ready after %u s; %s%s",
                     g->boot_timeout_ms / 1000,
                     line && *line ? "the last on its console: " : "its console is empty", line ?: "");
        guest_end(g, GUEST_END_BOOT, &err);
}

static void on_continued(void *data, struct json_object *answer, const struct kt_error *err)
{
        struct guest *g = data;

        if (!guest_is_ending(g) && err && err->num == -EREMOTEIO)
                control_failed(g, err->num, kt_error_text(err));
}

/* BOOTING begins with the question, not with its answer: the agent's HELLO has a socket of its own and may
 * come first. */
void guest_continue(struct guest *g)
{
        int r;

        guest_set_state(g, GUEST_BOOTING);
        g->cont_ms = uv_now(g->loop);
        uv_timer_start(&g->timer, on_boot_timeout, g->boot_timeout_ms, 0);
        r = qmp_execute(g->qmp, "cont", NULL, COMMAND_TIMEOUT_MS, on_continued, g);
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
        control_failed(g, -EIO, text ?: "QEMU stopped the guest");
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
        } else if (strcmp(name, "STOP") == 0 && g->state >= GUEST_BOOTING && !*g->shutdown_reason) {
                on_stopped_by_qemu(g);
        }
}

static void on_failed(void *userdata, const struct kt_error *err)
{
        struct guest *g = userdata;

        /* A closed socket is how QEMU's end looks from here; its exit tells more. */
        if (err->num == -EPIPE)
                guest_expect_exit(g);
        else
                control_failed(g, err->num, kt_error_text(err));
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
