/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The types of a BPF object as the kernel has them (BTF, common/btf.h), as far as a number among its global
 * variables wants: sections, variables, and what leads from a variable to a member or an element of it.
 *
 * Whatever the bytes are, nothing beyond them is read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../common/btf.h"
#include "../../common/error.h"
#include "bpf_number.h"

struct bpf_types {
        struct kt_btf btf;
        uint32_t *at; /* owned: where in its types each is; of 0, which is void, nothing */
        uint32_t n;
};

/* data: raw BTF, borrowed until bpf_types_done(). -EBADMSG: it is none, or damaged. */
int bpf_types_open(const void *data, size_t size, struct bpf_types *ret, struct kt_error *reterr);
void bpf_types_done(struct bpf_types *b);

/* ".bss", of a type that is a section of variables; NULL: it is another. Borrowed. */
const char *bpf_types_section(const struct bpf_types *b, uint32_t id);

struct bpf_variable {
        const char *name;            /* borrowed */
        uint32_t type, offset, size; /* bytes, in its section */
};

/* Variable i of a section, from 0; false: there are no more. */
bool bpf_types_variable(const struct bpf_types *b, uint32_t section, unsigned i, struct bpf_variable *ret);

/* What is at `path` in the variable: "", ".member", "[3]", ".stats[1].count". -EINVAL, with the reason:
 * there is none, or it is no number. */
int bpf_types_locate(const struct bpf_types *b, const struct bpf_variable *v, const char *path,
                     struct bpf_number *ret, struct kt_error *reterr);
