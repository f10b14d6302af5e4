/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What one ELF file says to the dynamic loader. Read with pread, never mapped: the file may be cut while it
 * is read, and may come from anybody.
 */

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

struct kt_elf_object {
        unsigned int type;    /* ET_* */
        unsigned int machine; /* EM_* */
        bool native; /* this build's architecture, word size and byte order; else nothing below is filled */
        char *interpreter; /* PT_INTERP, or NULL. Owned, as are the next */
        char *soname;      /* or NULL */
        char *rpath;       /* DT_RPATH, NULL when there is none or a DT_RUNPATH makes it void */
        char *runpath;     /* DT_RUNPATH, or NULL */
        bool has_runpath;
        bool no_default_dirs; /* DF_1_NODEFLIB */
        char **needed;        /* DT_NEEDED, in order */
        size_t n_needed;
};

/* -ENOEXEC when it is no ELF file or a damaged one; *ret_problem is then a static text that goes on "FILE
 * …". Else 0, -ENOMEM, or the -errno of reading. ret holds nothing after a failure. */
int kt_elf_object_read(int fd, struct kt_elf_object *ret, const char **ret_problem);
void kt_elf_object_done(struct kt_elf_object *object);

/* "aarch64"; a static text for those that nobody here has heard of. */
const char *kt_elf_machine_name(unsigned int machine);

/* The machine that this program was built for. */
unsigned int kt_elf_native_machine(void);
