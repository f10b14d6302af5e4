/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hello.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <build_config.h>

#include "../proto/codec.h"
#include "exec.h"

#define REHEARSALS_MAX 16

void hello_send(struct agent *a, const struct inbox *in, uint32_t type)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();
        struct utsname u;
        const char *text;

        uname(&u);
        kt_json_add_str(o, "agent", KT_VERSION);
        kt_json_add_str(o, "kernel", u.release);
        kt_json_add_int(o, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
        kt_json_add_int(o, "t_ns", (int64_t)agent_now_ns());
        kt_json_add_bool(o, "mailbox", in->mailbox != NULL);
        if (!in->mailbox)
                kt_json_add_str(o, "mailbox_error", in->why_not);
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
        port_send(&a->port, type, text, (uint32_t)strlen(text));
}

/* A command is the whole way of a job but for its files: fork, exec, pipes, the kernel's log, RESULT. */
static void rehearse(struct agent *a)
{
        _cleanup_json_ struct json_object *job = NULL;
        static const char text[] = "{\"exec\":{\"command\":\"echo\"}}";

        if (kt_json_parse(text, sizeof(text) - 1, &job, NULL) == 0)
                exec_job(a, job);
}

void hello_park(struct agent *a, const struct inbox *in, const struct kt_frame *park)
{
        _cleanup_json_ struct json_object *o = NULL;
        int64_t rehearsals = 0;

        if (kt_json_parse((const char *)park->payload, park->size, &o, NULL) == 0)
                rehearsals = kt_json_int(o, "rehearsals", 0);
        for (int64_t i = 0; i < rehearsals && i < REHEARSALS_MAX; i++)
                rehearse(a);
        hello_send(a, in, KT_FRAME_PARKED);
}
