/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "../common/fsutil.h"
#include "guest_internal.h"

static void send_park(struct guest *g)
{
        char text[64];
        int size = snprintf(text, sizeof(text), "{\"rehearsals\":%u}", g->rehearsals);

        if (port_send(g->port, KT_FRAME_PARK, text, (uint32_t)size) < 0)
                guest_control_failed(g, -ENOMEM, "out of memory");
}

static void on_stopped(void *data, struct json_object *answer, const struct kt_error *err)
{
        struct guest *g = data;

        if (guest_command_failed(g, err) || g->state != GUEST_PARKING)
                return;
        g->agent_waits = true;
        guest_set_state(g, GUEST_PARKED);
        g->ops.on_parked(g->userdata);
}

static void stop_vcpus(struct guest *g)
{
        guest_set_state(g, GUEST_PARKING);
        if (!g->leaving)
                uv_timer_stop(&g->timer);
        if (qmp_execute(g->qmp, "stop", NULL, GUEST_COMMAND_TIMEOUT_MS, on_stopped, g) < 0)
                guest_expect_exit(g);
}

/* The first frame of a guest that boots: from here on its agent is up. */
static void take_first(struct guest *g, const struct kt_frame *frame)
{
        if (frame->type != KT_FRAME_HELLO) {
                guest_protocol_error(g, "its first frame is no HELLO");
        } else if (guest_take_hello(g, frame) >= 0) {
                g->boot_us = (uv_hrtime() - g->cont_ns) / 1000 ?: 1;
                send_park(g);
        }
}

void guest_park_frame(struct guest *g, const struct kt_frame *frame)
{
        if (!g->agent_waits && g->boot_us == 0) {
                take_first(g, frame);
                return;
        }
        switch (frame->type) {
        case KT_FRAME_HELLO:
                guest_protocol_error(g, "a HELLO that nobody asked for");
                break;
        case KT_FRAME_PARKED:
                if (guest_take_hello(g, frame) >= 0)
                        stop_vcpus(g);
                break;
        case KT_FRAME_EVENT:
        case KT_FRAME_OUTPUT:
        case KT_FRAME_RESULT:
                break; /* of a rehearsal */
        default:
                guest_protocol_error(g, "a frame that no guest may send");
        }
}

void guest_park(struct guest *g, unsigned rehearsals)
{
        assert(g->state == GUEST_PAUSED);
        g->rehearsals = rehearsals;
        guest_continue(g, GUEST_WAKING);
        if (g->agent_waits && !guest_is_ending(g))
                send_park(g);
}
