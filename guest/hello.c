/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hello.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <build_config.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/guestmsg.h"
#include "files.h"
#include "hierarchy.h"
#include "job.h"
#include "ops_layout.h"

#define REHEARSALS_MAX 16
#define CLEAR_NS 10000000000ULL
#define CLEAR_POLL_MS 5
#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define CLOCK_WAIT_NS (5ULL * 1000000000)

/* All but the time, without the closing brace. Made once: nothing of it changes, and a guest that wakes is
 * waited for. */
static const char *facts(const struct inbox *in)
{
        static char text[1024];
        _cleanup_json_ struct json_object *o = NULL;
        struct utsname u;
        size_t len;

        if (text[0])
                return text;
        o = json_object_new_object();
        uname(&u);
        kt_json_add_str(o, "agent", KT_VERSION);
        kt_json_add_str(o, "kernel", u.release);
        kt_json_add_int(o, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
        kt_json_add_bool(o, "mailbox", in->mailbox != NULL);
        if (!in->mailbox)
                kt_json_add_str(o, "mailbox_error", in->why_not);
        snprintf(text, sizeof(text), "%s", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
        len = strlen(text);
        if (len > 0)
                text[len - 1] = '\0';
        return text;
}

void hello_send(struct agent *a, const struct inbox *in, uint32_t type)
{
        char text[1100];
        int size = snprintf(text, sizeof(text), "%s,\"t_ns\":%lld}", facts(in), (long long)agent_now_ns());

        port_send(&a->port, type, text, (uint32_t)size);
}

/* A job of this kind goes its whole way but for its files: the clock, the seed, fork, exec, pipes, the
 * kernel's log, RESULT. */
static void rehearse(struct agent *a, const char *kind_and_what)
{
        _cleanup_json_ struct json_object *job = NULL;
        struct timespec now;
        char text[512];
        int size;

        clock_gettime(CLOCK_REALTIME, &now);
        size = snprintf(text, sizeof(text), "{\"wall_ns\":%lld,\"seed\":\"%064d\",%s}",
                        now.tv_sec * 1000000000LL + now.tv_nsec, 0, kind_and_what);
        a->begin_ns = agent_now_ns();
        if (kt_json_parse(text, (size_t)size, &job, NULL) == 0)
                (void)job_run(a, job);
}

/* Short, and with time for a busy host to let it come to its end: how long all of it may take is watched
 * from there. */
#define SHORT_RUN "\"duration_ms\":20,\"workers\":1,\"watchdog_ms\":600000,\"timeout_ms\":600000}"

/* A job that brings a file. */
static void rehearse_file(void)
{
        static const char path[] = "/tmp/rehearsal", data[65536];
        char text[128];
        int size = snprintf(text, sizeof(text), "{\"path\":\"%s\",\"mode\":493,\"size\":%zu}", path,
                            sizeof(data));
        struct file_writer w;

        file_writer_init(&w);
        if (file_begin(&w, text, (size_t)size, NULL) >= 0)
                (void)file_data(&w, data, sizeof(data), NULL);
        file_writer_done(&w);
        unlink(path);
}

static void rehearse_all(struct agent *a)
{
        const struct ops_layout *ignored;

        (void)ops_layout_kernel(&ignored);
        rehearse_file();
        rehearse(a, "\"kind\":\"exec\",\"exec\":{\"command\":\"echo\"}");
        /* A test: its body, cgroups and workers, as long as it takes for all of them to run. */
        if (access(KT_GUEST_REHEARSAL, X_OK) == 0)
                rehearse(a, "\"kind\":\"run\",\"run\":{\"test\":{\"name\":\"" KT_GUEST_REHEARSAL_TEST
                            "\",\"program\":\"" KT_GUEST_REHEARSAL "\"}," SHORT_RUN);
        else
                rehearse(a, "\"kind\":\"run\",\"run\":{\"scenario\":\"steady\"," SHORT_RUN);
}

/* The kernel measures its clock for a second or so after it is up, and then switches to it with all CPUs
 * stopped. A template is taken behind that: its clones would each go through it again, in the middle of a
 * job. */
static void wait_for_clock(void)
{
        const uint64_t end = agent_now_ns() + CLOCK_WAIT_NS;

        while (agent_now_ns() < end) {
                _cleanup_free_ char *name = NULL;
                size_t size;

                if (kt_read_file(AT_FDCWD, CLOCKSOURCE, 64, &name, &size) < 0 ||
                    strncmp(name, "tsc-early", 9) != 0)
                        return;
                nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        }
}

/* What was killed takes its time to be gone, on one CPU and on a busy host. */
static bool clear_rehearsal(struct agent *a, const struct hierarchy *before,
                            char ret_left[HIERARCHY_NAME_MAX])
{
        const uint64_t end = agent_now_ns() + CLEAR_NS;

        while (hierarchy_has_left(before, ret_left)) {
                if (agent_now_ns() >= end)
                        return false;
                hierarchy_kill(before);
                agent_poll(a, CLEAR_POLL_MS);
                hierarchy_remove(before);
        }
        return true;
}

int hello_park(struct agent *a, const struct inbox *in, const struct kt_frame *park, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        int64_t rehearsals = 0;

        if (kt_json_parse((const char *)park->payload, park->size, &o, NULL) == 0)
                rehearsals = kt_json_int(o, "rehearsals", 0);
        wait_for_clock();
        for (int64_t i = 0; i < rehearsals && i < REHEARSALS_MAX; i++) {
                struct hierarchy before;
                char left[HIERARCHY_NAME_MAX];
                bool clean;

                hierarchy_begin(&before, NULL);
                rehearse_all(a);
                clean = clear_rehearsal(a, &before, left);
                hierarchy_done(&before);
                if (!clean)
                        return kt_error_set(reterr, -EBUSY, NULL,
                                            "the rehearsal has left something behind: %s", left);
                hierarchy_renew_cage();
        }
        a->begin_ns = agent_now_ns();
        hello_send(a, in, KT_FRAME_PARKED);
        return 0;
}
