/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where in the bytes that a scheduler hands to the kernel its timeout is, as the kernel's BTF tells: the
 * value of a struct_ops map is `struct bpf_struct_ops_OPS { …; struct OPS data; }`, and kernels add
 * operations in front of `timeout_ms`.
 *
 * libbpf could tell it too; but it brings libelf, and makes an index of all types for what one walk through
 * them finds.
 */

#include <stddef.h>
#include <stdint.h>

struct ops_layout {
        uint32_t value_type; /* id of the value's struct in the kernel's BTF; 0: this kernel has no such ops
                              */
        uint32_t timeout_offset; /* bytes, from the value's beginning */
};

/* sched_ext_ops, and sched_ext_ops_cid, which newer kernels have for schedulers that number the CPUs
 * themselves. */
#define OPS_LAYOUTS 2

/* Of raw BTF. -EBADMSG: it is damaged, or has a kind of type that is not known; -ENOENT: it knows no
 * sched_ext, or its timeout is elsewhere. */
int ops_layout_parse(const void *btf, size_t size, struct ops_layout ret[OPS_LAYOUTS]);

/* Of the kernel that runs: *ret is static. The first time takes an emulated guest some 30 ms, before Linux
 * 6.16 a hundred, and so is part of what is rehearsed; later ones nothing. Also other -errno: it cannot be
 * read. */
int ops_layout_kernel(const struct ops_layout **ret);
