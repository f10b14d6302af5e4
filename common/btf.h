/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A walk through raw BTF (linux/btf.h), the types of a BPF object or of the kernel: each with its name, in
 * the order of their numbers, the first one 1. Whatever the bytes are, nothing beyond them is read.
 *
 * libbpf knows all of BTF, and brings libelf and zlib to whatever is linked with it: the agent, and each
 * author's program, which may have libbpf of its own.
 */

#include <stddef.h>
#include <stdint.h>

#include <linux/btf.h>

/* All within the bytes, which are borrowed: types are aligned, and the last string ends. */
struct kt_btf {
        const char *types, *strings;
        uint32_t types_size, strings_size; /* bytes */
};

/* data: aligned to 4 bytes. -EBADMSG: it is no BTF, or damaged. */
int kt_btf_open(const void *data, size_t size, struct kt_btf *ret);

/* The type at this offset in types, with all that belongs to it, and the next one's offset; from 0 on, up to
 * types_size. NULL: it is not within, or of a kind that is not known, behind which nothing can be read. */
const struct btf_type *kt_btf_next(const struct kt_btf *b, uint32_t *at);

/* Of a type or a member: "" is none. Borrowed. */
const char *kt_btf_name(const struct kt_btf *b, uint32_t offset);
