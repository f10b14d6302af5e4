/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files that a shape is worked out from, none of which runs. */

#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "../../common/fsutil.h"

/* With 1n1l2c1t the least is 88 MiB. */
#define SHAPE_MEMORY_MIB 96

static inline void shape_write_file(const char *path, const void *data, size_t size)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(kt_write_all(fd, data, size), 0);
        close(fd);
}

/* The header of an x86_64 ELF whose one segment ends at 24 MiB. */
static inline void shape_write_kernel(const char *path)
{
        const struct {
                Elf64_Ehdr header;
                Elf64_Phdr segment;
        } elf = {{.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                  .e_type = ET_EXEC,
                  .e_machine = EM_X86_64,
                  .e_phoff = sizeof(Elf64_Ehdr),
                  .e_phentsize = sizeof(Elf64_Phdr),
                  .e_phnum = 1},
                 {.p_type = PT_LOAD, .p_paddr = 16 << 20, .p_memsz = 8 << 20}};

        shape_write_file(path, &elf, sizeof(elf));
}
