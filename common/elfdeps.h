/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A program and the shared libraries it needs, found as the dynamic loader would find them: DT_NEEDED,
 * transitively; DT_RPATH, DT_RUNPATH with $ORIGIN, LD_LIBRARY_PATH of the caller, /etc/ld.so.cache, the
 * default folders; the interpreter from PT_INTERP. Nothing is run. A script (no ELF) is its own only file.
 *
 * Files are opened with the calling thread's rights and stay open, so that what was checked is what is used.
 */

#include <stddef.h>
#include <sys/types.h>

#include "error.h"

/* What the kernel looks at (BINPRM_BUF_SIZE). */
#define KT_SCRIPT_LINE_MAX 256

struct kt_elf_file {
        char *name; /* DT_NEEDED name ("libelf.so.1"), or the absolute path from PT_INTERP for the
                       interpreter */
        char *path; /* where it was found */
        int fd;     /* owned, O_RDONLY|O_CLOEXEC */
        mode_t mode;
        off_t size;
};

struct kt_elf_deps {
        struct kt_elf_file program;
        char *interpreter; /* PT_INTERP's path, or NULL: static. Owned; also one of `files` */
        struct kt_elf_file *files;
        size_t n_files;
};

/*
 * path: the program. -ENOENT, -EACCES (not executable), -ENOEXEC (no ELF of this machine's architecture: the
 * text names the one it is for), -ENOPKG (a library not found: the text names it and who needs it, and the
 * next step). Error names are the two given.
 */
int kt_elf_deps_collect(const char *path, const char *ld_library_path, const char *error_name,
                        const char *library_error_name, struct kt_elf_deps *ret, struct kt_error *reterr);
void kt_elf_deps_done(struct kt_elf_deps *deps);

/* The interpreter of a script ("#!/bin/sh"), and of one by env(1) the program's name in /bin; "" when fd is
 * none. */
void kt_script_interpreter(int fd, char ret[KT_SCRIPT_LINE_MAX]);
