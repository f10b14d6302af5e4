/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gauntlet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

char *gauntlet_name(const char *test, const char *preset, const char *kernel)
{
        return kt_format("gauntlet/%s/%s%s%s", test, preset, kernel ? "/" : "", kernel ? kernel : "");
}

static int ask_room(struct gauntlet_room *room, struct rpc *rpc, const struct preset *p, const char *accel,
                    struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *params = json_object_new_object();
        int r;

        kt_json_add_str(params, "topology", p->topology);
        kt_json_add_str(params, "accel", accel);
        r = rpc_call(rpc, "io.ktstrd.Job.Room", params, &reply, &err);
        if (r >= 0) {
                room->cpus = (unsigned)kt_json_int(reply, "cpus", 0);
                room->memory_mib = (unsigned)kt_json_int(reply, "memory_mib", 0);
                return 0;
        }
        if (!err.name || strcmp(err.name, KT_E_BAD_TOPOLOGY) != 0) {
                kt_error_move(reterr, &err);
                return r;
        }
        room->refusal = strdup(kt_error_text(&err));
        return room->refusal ? 0 : kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

int gauntlet_ask(struct gauntlet *g, struct rpc *rpc, const char *accel, struct kt_error *reterr)
{
        *g = (struct gauntlet){};
        for (size_t i = 0; i < PRESETS_MAX; i++) {
                int r = ask_room(&g->rooms[i], rpc, &presets[i], accel, reterr);

                if (r < 0)
                        return r;
        }
        return 0;
}

void gauntlet_done(struct gauntlet *g)
{
        for (size_t i = 0; i < PRESETS_MAX; i++)
                free(g->rooms[i].refusal);
}

static unsigned wanted_memory_mib(const struct preset *p, unsigned memory_mib)
{
        const unsigned least = preset_memory_mib(p);

        return memory_mib > least ? memory_mib : least;
}

char *gauntlet_why_not(const struct gauntlet *g, const struct preset *p, unsigned memory_mib)
{
        const struct gauntlet_room *room = &g->rooms[p - presets];
        const unsigned memory = wanted_memory_mib(p, memory_mib), cpus = preset_cpus(p);

        if (room->refusal)
                return strdup(room->refusal);
        if (memory > room->memory_mib)
                return kt_format("%s wants %u MiB, guests have at most %u MiB here (MemoryMax= in "
                                 "ktstrd.conf)",
                                 p->name, memory, room->memory_mib);
        if (cpus > room->cpus)
                return kt_format("%s has %u CPUs, guests have %u at a time here (Overcommit= in "
                                 "ktstrd.conf); --force runs it alone",
                                 p->name, cpus, room->cpus);
        return NULL;
}

unsigned gauntlet_memory_mib(const struct gauntlet *g, const struct preset *p, unsigned memory_mib)
{
        const struct gauntlet_room *room = &g->rooms[p - presets];
        const unsigned memory = wanted_memory_mib(p, memory_mib);

        return room->memory_mib > 0 && memory > room->memory_mib ? room->memory_mib : memory;
}
