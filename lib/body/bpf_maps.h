/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The BPF maps in which the processes of a scheduler have the global variables of their programs: arrays of
 * one element, whose type is a section. Those that other processes have are never among them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../common/error.h"
#include "bpf_types.h"

/* A program's types; its maps have the same. */
struct bpf_object {
        uint32_t id; /* of its BTF */
        void *data;
        struct bpf_types types;
};

struct bpf_map {
        int fd;
        uint32_t id;
        char name[16];       /* as the kernel cuts it: "scx_my_s.bss" */
        const char *section; /* ".bss"; borrowed of the object */
        uint32_t section_type, size;
        bool is_constant; /* to the program too: .rodata */
        bool is_mmapable;
        size_t object; /* index */
};

struct bpf_maps {
        struct bpf_map *list;
        size_t n;
        struct bpf_object *objects;
        size_t n_objects;
};

/* Those of the process; of one that has none, as a wrapper, those of what it has started. It may have none:
 * n is 0 then. When 0 was returned *ret is to be given to bpf_maps_done(). */
int bpf_maps_of(pid_t pid, struct bpf_maps *ret, struct kt_error *reterr);
void bpf_maps_done(struct bpf_maps *m);
