/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "guest_internal.h"

/* From 9.1 on QEMU wants files by this name, before 8.2 it does not know it. */
#define FILE_URI_SINCE_MAJOR 9U

static void failed(struct guest *g, const char *text)
{
        guest_control_failed(g, -EIO, text);
}

static void on_timeout(struct guest *g)
{
        failed(g, g->state == GUEST_SAVING ? "QEMU did not save the guest's state in time"
                                           : "QEMU did not restore the clone's state in time");
}

/* Memory that lies in files stays where it is (x-ignore-shared); the end is reported by an event. */
static struct json_object *capabilities(void)
{
        static const char *const names[] = {"x-ignore-shared", "events"};
        struct json_object *arguments = json_object_new_object(), *list = json_object_new_array();

        for (size_t i = 0; i < KT_ARRAY_SIZE(names); i++) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "capability", names[i]);
                kt_json_add_bool(o, "state", true);
                json_object_array_add(list, o);
        }
        kt_json_add(arguments, "capabilities", list);
        return arguments;
}

static void on_started(void *data, struct json_object *answer, const struct kt_error *err)
{
        (void)guest_command_failed(data, err);
}

/* The two commands go out together; that the first was refused ends the guest before the second matters. */
static void migrate(struct guest *g, const char *command, char *uri)
{
        struct json_object *arguments = uri ? json_object_new_object() : NULL;
        int r = -ENOMEM;

        if (arguments) {
                kt_json_add_str(arguments, "uri", uri);
                r = qmp_execute(g->qmp, "migrate-set-capabilities", capabilities(), GUEST_COMMAND_TIMEOUT_MS,
                                on_started, g);
        }
        if (r >= 0)
                r = qmp_execute(g->qmp, command, TAKE_PTR(arguments), GUEST_COMMAND_TIMEOUT_MS, on_started,
                                g);
        json_object_put(arguments);
        free(uri);
        if (r < 0)
                guest_control_failed(g, r, "cannot talk to QEMU");
        else if (!g->leaving)
                guest_start_timer(g, on_timeout, g->migration_timeout_ms);
}

void guest_restore(struct guest *g)
{
        const int fd = guest_state_fd_in_qemu();

        migrate(g, "migrate-incoming",
                strtoul(g->qemu_version, NULL, 10) >= FILE_URI_SINCE_MAJOR
                        ? kt_format("file:/proc/self/fd/%d", fd)
                        : kt_format("fd:%d", fd));
}

/* For the shell that QEMU runs: in single quotes nothing but those is special. Malloced. */
static char *quoted(const char *path)
{
        char *text = malloc(4 * strlen(path) + 3), *p = text;

        if (!text)
                return NULL;
        *p++ = '\'';
        for (; *path; path++)
                if (*path == '\'')
                        p = stpcpy(p, "'\\''");
                else
                        *p++ = *path;
        strcpy(p, "'");
        return text;
}

void guest_save(struct guest *g, const char *path)
{
        _cleanup_free_ char *part = kt_format("%s.part", path), *from = part ? quoted(part) : NULL,
                            *to = quoted(path);

        assert(g->state == GUEST_PARKED && !g->is_clone);
        guest_set_state(g, GUEST_SAVING);
        /* QEMU says that it is done when the last of it is in the pipe: whole is what has its name. */
        migrate(g, "migrate", from && to ? kt_format("exec:cat >%s && mv %s %s", from, from, to) : NULL);
}

static void on_completed(struct guest *g)
{
        if (g->state != GUEST_SAVING && g->state != GUEST_STARTING)
                return;
        if (!g->leaving)
                uv_timer_stop(&g->timer);
        if (g->state == GUEST_SAVING) {
                guest_set_state(g, GUEST_PARKED);
                g->ops.on_saved(g->userdata);
        } else if (g->state == GUEST_STARTING) {
                kt_closep(&g->state_fd);
                g->state_fd = -1;
                guest_take_stock(g);
        }
}

void guest_on_migration(struct guest *g, const char *status)
{
        if (strcmp(status, "completed") == 0)
                on_completed(g);
        else if (strcmp(status, "failed") == 0)
                failed(g, g->state == GUEST_SAVING ? "QEMU could not save the guest's state"
                                                   : "QEMU could not restore the clone's state");
}
