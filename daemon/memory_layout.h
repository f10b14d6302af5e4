/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a guest's memory lies in its physical address space. Pure arithmetic, but for reading the kernel's
 * program headers.
 *
 *   0 ─ 16 MiB ─ kernel ─ mailbox ─ … ─ firmware, initramfs ─ top of low memory ─ hole ─ 4 GiB ─ the rest
 *
 * The mailbox lies right behind the kernel. It is filled before the firmware runs, and both the firmware (in
 * the 16 MiB at the top and just below them) and the kernel, before it knows of the mailbox, take memory
 * from the top.
 *
 * The nodes' memory lies end to end, in the order of their numbers, and is cut in two by q35's hole below 4
 * GiB. The first node also holds the kernel and the mailbox; it is made larger by as much, so that what is
 * left to use is the same on every node.
 */

#include <stdbool.h>
#include <stdint.h>

#include "../common/error.h"
#include "topology.h"

struct memory_layout {
        uint64_t size;     /* bytes, all nodes */
        uint64_t low_size; /* of these below the hole */
        unsigned n_nodes;
        uint64_t node_size[TOPOLOGY_NODES_MAX];
        uint64_t mailbox_gpa;  /* guest physical address */
        uint64_t mailbox_size; /* 0: there is none */
};

/* Where the image's loadable segments end in physical memory. KT_E_BAD_KERNEL when it is no x86_64 ELF. */
int memory_layout_kernel_end(const char *image_path, uint64_t *ret, struct kt_error *reterr);

/* KT_E_NEVER_FITS, naming the least that is enough, when memory_mib is too little. mailbox: whether the
 * guest's kernel can give one to the agent. Sizes in bytes. */
int memory_layout_make(const struct topology *topology, unsigned memory_mib, uint64_t kernel_end,
                       uint64_t initramfs_size, bool mailbox, struct memory_layout *ret,
                       struct kt_error *reterr);

/* Where `size` bytes at gpa lie, counted over the nodes end to end: -EFAULT when they are not all memory or
 * cross the hole. */
int memory_layout_offset(const struct memory_layout *l, uint64_t gpa, uint64_t size, uint64_t *ret);
