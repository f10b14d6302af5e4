/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "memory_layout.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../proto/errors.h"
#include "../proto/mailbox.h"

#define MIB (1ULL << 20)
#define FOUR_GIB (4ULL << 30)

/* QEMU's q35: all of it is low while it is less than 2.75 GiB, else 2 GiB are. */
#define Q35_LOW_MAX 0xb0000000ULL
#define Q35_LOW_SPLIT 0x80000000ULL

#define KERNEL_START (16 * MIB)
#define MAILBOX_ALIGN (2 * MIB)
#define NODE_ALIGN (8 * MIB)
#define NODE_MIN (16 * MIB)
#define FIRMWARE_ROOM (16 * MIB)  /* SeaBIOS's tables and scratch memory */
#define INITRAMFS_SLACK (2 * MIB) /* ACPI tables above it, alignment */
#define PROGRAM_HEADERS_MAX 64

static uint64_t round_up(uint64_t value, uint64_t align)
{
        return (value + align - 1) / align * align;
}

static uint64_t round_down(uint64_t value, uint64_t align)
{
        return value / align * align;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

int memory_layout_kernel_end(const char *image_path, uint64_t *ret, struct kt_error *reterr)
{
        _cleanup_close_ int fd = open(image_path, O_RDONLY | O_CLOEXEC);
        Elf64_Phdr headers[PROGRAM_HEADERS_MAX];
        Elf64_Ehdr elf;
        uint64_t end = 0;
        size_t size;

        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_KERNEL, "cannot open the kernel %s: %s",
                                    image_path, strerror(errno));
        if (pread(fd, &elf, sizeof(elf), 0) != sizeof(elf) || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
            elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64 ||
            elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum == 0 || elf.e_phnum > PROGRAM_HEADERS_MAX)
                return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL,
                                    "%s is no x86_64 ELF kernel: import it again", image_path);
        size = elf.e_phnum * sizeof(Elf64_Phdr);
        if (pread(fd, headers, size, (off_t)elf.e_phoff) != (ssize_t)size)
                return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL,
                                    "the kernel %s is truncated: import it again", image_path);
        for (unsigned i = 0; i < elf.e_phnum; i++)
                if (headers[i].p_type == PT_LOAD && headers[i].p_paddr < FOUR_GIB &&
                    headers[i].p_memsz < FOUR_GIB)
                        end = max_u64(end, headers[i].p_paddr + headers[i].p_memsz);
        *ret = end;
        return 0;
}

/* Memory that the first node has on top of its share. */
static uint64_t first_node_extra(uint64_t kernel_end, bool mailbox)
{
        const uint64_t kernel = kernel_end > KERNEL_START ? kernel_end - KERNEL_START : 0;

        return round_up(kernel, NODE_ALIGN) + (mailbox ? KT_MAILBOX_SIZE : 0);
}

/* Kept free at the top of low memory: the firmware works there and the initramfs is put there. */
static uint64_t top_gap(uint64_t initramfs_size)
{
        return max_u64(FIRMWARE_ROOM, round_up(initramfs_size + INITRAMFS_SLACK, MIB));
}

static uint64_t least_size(unsigned n_nodes, uint64_t kernel_end, uint64_t initramfs_size, bool mailbox)
{
        return KERNEL_START + first_node_extra(kernel_end, mailbox) + n_nodes * NODE_MIN +
               top_gap(initramfs_size);
}

static void cut_into_nodes(struct memory_layout *l, uint64_t extra)
{
        const uint64_t share = round_down((l->size - extra) / l->n_nodes, NODE_ALIGN);

        for (unsigned i = 1; i < l->n_nodes; i++)
                l->node_size[i] = share;
        l->node_size[0] = l->size - share * (l->n_nodes - 1);
}

int memory_layout_make(const struct topology *topology, unsigned memory_mib, uint64_t kernel_end,
                       uint64_t initramfs_size, bool mailbox, struct memory_layout *ret,
                       struct kt_error *reterr)
{
        const uint64_t least = least_size(topology->numa_nodes, kernel_end, initramfs_size, mailbox);
        struct memory_layout l = {.size = memory_mib * MIB, .n_nodes = topology->numa_nodes};

        if (l.size < least)
                return kt_error_set_field(reterr, -ENOSPC, KT_E_NEVER_FITS, "memory_mib",
                                          "%u MiB of memory are too little for this kernel, initramfs and "
                                          "topology: give the guest "
                                          "%llu MiB or more",
                                          memory_mib, (unsigned long long)(round_up(least, MIB) / MIB));
        l.low_size = l.size >= Q35_LOW_MAX ? Q35_LOW_SPLIT : l.size;
        cut_into_nodes(&l, first_node_extra(kernel_end, mailbox));
        if (mailbox) {
                l.mailbox_size = KT_MAILBOX_SIZE;
                l.mailbox_gpa = round_up(max_u64(kernel_end, KERNEL_START), MAILBOX_ALIGN);
        }
        *ret = l;
        return 0;
}

int memory_layout_offset(const struct memory_layout *l, uint64_t gpa, uint64_t size, uint64_t *ret)
{
        uint64_t offset;

        if (gpa < l->low_size) {
                if (size > l->low_size - gpa)
                        return -EFAULT;
                *ret = gpa;
                return 0;
        }
        if (gpa < FOUR_GIB)
                return -EFAULT;
        offset = l->low_size + (gpa - FOUR_GIB);
        if (gpa - FOUR_GIB >= l->size - l->low_size || size > l->size - offset)
                return -EFAULT;
        *ret = offset;
        return 0;
}
