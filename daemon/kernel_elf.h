/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The uncompressed kernel: an ELF file, looked at and slimmed. Blocking. */

#include <stdbool.h>
#include <stddef.h>

#include "../common/error.h"

struct kernel_elf {
        bool pvh; /* it has the PVH entry note (XEN_ELFNOTE_PHYS32_ENTRY) by which it is booted directly */
        char *release;  /* from its banner "Linux version RELEASE (", NULL when there is none */
        char *config;   /* from IKCONFIG, NULL when it was built without */
        bool sched_ext; /* its BTF knows sched_ext: for kernels whose configuration is unknown */
        void *btf;      /* content of .BTF, NULL when there is none */
        size_t btf_size;
};

/* name is for messages. KT_E_BAD_KERNEL when it is no x86_64 kernel or is cut. The file is mapped: nobody
 * may truncate it meanwhile. */
int kernel_elf_read(int fd, const char *name, struct kernel_elf *ret, struct kt_error *reterr);
void kernel_elf_done(struct kernel_elf *k);

/* Copy in to out without what only debuggers want (sections .debug_*); what is loaded stays where it is,
 * symbols stay. */
int kernel_elf_slim(int in, int out, const char *name, struct kt_error *reterr);
