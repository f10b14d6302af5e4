/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The gauntlet: each test on each preset that its constraints accept. What of it this host can take is the
 * daemon's to say (io.ktstrd.Job.Room). A preset is too large when
 *   - the accelerator cannot number its CPUs,
 *   - its guest wants more memory than guests may have, or
 *   - it has more vCPUs than the daemon lets run at a time: such a guest runs, alone, and so slowly that
 * what it measures is the host. Such cells are skipped with that reason. Who forces them gets a guest with
 * as much memory as there is; what the accelerator cannot do it cannot do by force either, and ends as
 * error.
 */

#include "../common/error.h"
#include "preset.h"
#include "rpc.h"

/* What this host has for a preset. */
struct gauntlet_room {
        unsigned cpus, memory_mib;
        char *refusal; /* NULL: the accelerator takes the topology */
};

struct gauntlet {
        struct gauntlet_room rooms[PRESETS_MAX]; /* in the order of presets[] */
};

/* "gauntlet/TEST/PRESET", and "/KERNEL" where that is not NULL. Malloced; NULL: out of memory. */
char *gauntlet_name(const char *test, const char *preset, const char *kernel);

/* Ask the daemon for all presets. accel: as Submit has it, NULL is auto. An error is the call's; that a
 * preset is refused is none. gauntlet_done() in any case. */
int gauntlet_ask(struct gauntlet *g, struct rpc *rpc, const char *accel, struct kt_error *reterr);
void gauntlet_done(struct gauntlet *g);

/* Why a guest of this preset and memory is too large here: malloced, NULL when it is not (or memory is
 * out). memory_mib: what the test asks for, 0 where it does not; never less than preset_memory_mib(). */
char *gauntlet_why_not(const struct gauntlet *g, const struct preset *p, unsigned memory_mib);

/* The memory to submit it with: that of the preset or of the test, the larger, but no more than the host
 * has. */
unsigned gauntlet_memory_mib(const struct gauntlet *g, const struct preset *p, unsigned memory_mib);
