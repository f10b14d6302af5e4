/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A number among the global variables of a scheduler's BPF program, found by its name, to be read and
 * written while the program and its user space go on: through a mapping of its map, so that the variables
 * beside it stay what they are.
 */

#include <stdint.h>
#include <sys/types.h>

#include "../../common/error.h"
#include "bpf_types.h"

struct global {
        int fd; /* of its map; owned */
        bool is_mmapable;
        uint32_t map_size;
        char map[16];
        struct bpf_number number;
};

/*
 * pid: the scheduler's; who: its name, for messages. map: the end of the map's or the section's name
 * (".bss"); NULL: whichever it is in. field: "stall", "stats.nr_queued", "hist[3]". to_write: not one that
 * is constant.
 *
 * -ESRCH: no process of the scheduler has globals. -ENOENT: there is no such variable; the text has one that
 * may have been meant. Others: with a text. global_done() when 0 was returned.
 */
int global_find(pid_t pid, const char *who, const char *map, const char *field, bool to_write,
                struct global *ret, struct kt_error *reterr);
void global_done(struct global *g);

int global_read(const struct global *g, int64_t *ret, struct kt_error *reterr);

/* *ret_before: what it was. -ERANGE: value does not fit. */
int global_write(const struct global *g, int64_t value, int64_t *ret_before, struct kt_error *reterr);
