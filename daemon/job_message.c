/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "job_message.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "../proto/codec.h"
#include "job.h"

/* Loading a large scheduler under emulation takes tens of seconds: scx_qmap's 100,000 verified instructions
 * 3 s on an idle host. */
#define ATTACH_TIMEOUT_MS 60000
#define STOP_TIMEOUT_MS 10000
#define SEED_SIZE 32 /* what the kernel's generator is keyed with */

static void add_seed(struct json_object *o)
{
        uint8_t seed[SEED_SIZE];
        char hex[2 * SEED_SIZE + 1];

        if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
                return;
        for (unsigned i = 0; i < SEED_SIZE; i++)
                snprintf(hex + 2 * i, 3, "%02x", seed[i]);
        kt_json_add_str(o, "seed", hex);
}

char *job_message(const struct job_spec *spec, const char *id, const char *sched_guest_path)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        kt_json_add_str(o, "job", id);
        kt_json_add_int(o, "wall_ns", (int64_t)now.tv_sec * 1000000000LL + now.tv_nsec);
        add_seed(o);
        if (spec->kind == JOB_EXEC) {
                struct json_object *exec = json_object_new_object();

                kt_json_add_str(exec, "command", spec->command);
                kt_json_add_str(o, "kind", "exec");
                kt_json_add(o, "exec", exec);
        } else {
                struct json_object *run = json_object_new_object();

                kt_json_add_str(run, "scenario", spec->scenario);
                kt_json_add_int(run, "duration_ms", (int64_t)spec->duration_ms);
                kt_json_add_int(run, "workers", spec->workers);
                kt_json_add_int(run, "watchdog_ms", JOB_WATCHDOG_MS);
                if (spec->sched_name) {
                        struct json_object *sched = json_object_new_object(),
                                           *argv = json_object_new_array();

                        json_object_array_add(argv, json_object_new_string(sched_guest_path));
                        for (char **a = spec->sched_args; a && *a; a++)
                                json_object_array_add(argv, json_object_new_string(*a));
                        kt_json_add_str(sched, "name", spec->sched_name);
                        kt_json_add(sched, "argv", argv);
                        kt_json_add_int(sched, "attach_timeout_ms", ATTACH_TIMEOUT_MS);
                        kt_json_add_int(sched, "stop_timeout_ms", STOP_TIMEOUT_MS);
                        kt_json_add(run, "sched", sched);
                }
                kt_json_add_str(o, "kind", "run");
                kt_json_add(o, "run", run);
        }
        return strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
}
