/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The smallest files that are taken for kernels, and packages of them, made in memory. They boot nothing. */

#include <archive.h>
#include <archive_entry.h>
#include <check.h>
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/fsutil.h"

#define KB_CONFIG "CONFIG_SCHED_CLASS_EXT=y\nCONFIG_PVH=y\nCONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_CONSOLE=y\n"
#define KB_BTF "\237\353\0sched_ext_ops"

struct kb {
        uint8_t *data;
        size_t size;
};

static inline void kb_done(struct kb *b)
{
        free(b->data);
        *b = (struct kb){};
}
#define _kb_ _cleanup_(kb_done)

static inline size_t kb_add(struct kb *b, const void *data, size_t size)
{
        size_t at = b->size;

        b->data = realloc(b->data, at + size + 1);
        ck_assert_ptr_nonnull(b->data);
        if (size > 0)
                memcpy(b->data + at, data, size);
        b->size += size;
        return at;
}

static inline void kb_align(struct kb *b, size_t alignment)
{
        while (b->size % alignment)
                kb_add(b, "", 1);
}

/* A file with this content, at its end: readers must not depend on the position. */
static inline int kb_file(const void *data, size_t size)
{
        int fd = memfd_create("kernel", MFD_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(kt_write_all(fd, data, size), 0);
        return fd;
}

static inline struct kb kb_read(int fd)
{
        struct kb b = {};
        uint8_t chunk[65536];
        ssize_t n;

        while ((n = pread(fd, chunk, sizeof(chunk), (off_t)b.size)) > 0)
                kb_add(&b, chunk, (size_t)n);
        ck_assert_int_eq(n, 0);
        return b;
}

/* --- compression --- */

static inline struct kb kb_lz4_legacy(const void *data, size_t size)
{
        struct kb b = {};
        uint32_t length = (uint32_t)(1 + (size - 15) / 255 + 1 + size);

        /* One block of literals alone. */
        ck_assert_uint_ge(size, 15);
        ck_assert_uint_lt(size, 1U << 20);
        kb_add(&b, "\002\041\114\030", 4);
        kb_add(&b, &length, 4);
        kb_add(&b, "\360", 1);
        for (size_t rest = size - 15; rest >= 255; rest -= 255)
                kb_add(&b, "\377", 1);
        kb_add(&b, &(uint8_t){(uint8_t)((size - 15) % 255)}, 1);
        kb_add(&b, data, size);
        return b;
}

static inline struct kb kb_compress(const char *how, const void *data, size_t size)
{
        struct archive *a = archive_write_new();
        struct archive_entry *e = archive_entry_new();
        size_t room = size * 2 + 65536;
        struct kb b = {};

        if (strcmp(how, "lz4") == 0) {
                archive_write_free(a);
                archive_entry_free(e);
                return kb_lz4_legacy(data, size);
        }
        b.data = malloc(room);
        ck_assert_int_eq(archive_write_add_filter_by_name(a, how), ARCHIVE_OK);
        /* Little to compress, and unpacked thousands of times: no dictionaries of megabytes. */
        ck_assert_int_eq(archive_write_set_filter_option(a, how, "compression-level", "1"), ARCHIVE_OK);
        ck_assert_int_eq(archive_write_set_format_raw(a), ARCHIVE_OK);
        ck_assert_int_eq(archive_write_open_memory(a, b.data, room, &b.size), ARCHIVE_OK);
        archive_entry_set_pathname(e, "data");
        archive_entry_set_filetype(e, AE_IFREG);
        ck_assert_int_eq(archive_write_header(a, e), ARCHIVE_OK);
        ck_assert_int_eq(archive_write_data(a, data, size), (la_ssize_t)size);
        ck_assert_int_eq(archive_write_close(a), ARCHIVE_OK);
        archive_write_free(a);
        archive_entry_free(e);
        return b;
}

/* --- kernels --- */

struct kb_kernel {
        const char *release;  /* NULL: 6.18.1-test */
        const char *ikconfig; /* put in the image, gzipped */
        const char *text;     /* stands in front of the banner */
        bool no_btf, no_pvh, btf_without_sched_ext;
        unsigned machine; /* 0: x86_64 */
        size_t debug;     /* bytes of .debug_info */
};

/* Sections of kb_elf(), by index. */
enum { KB_TEXT = 1, KB_NOTES, KB_BTF_SECTION, KB_DEBUG, KB_NAMES, KB_SECTIONS };

static inline struct kb kb_elf(const struct kb_kernel *k)
{
        static const char names[] = "\0.text\0.notes\0.BTF\0.debug_info\0.shstrtab";
        static const struct {
                uint32_t name, type;
        } kinds[KB_SECTIONS] = {
                {0, 0},          {1, SHT_PROGBITS}, {7, SHT_NOTE}, {14, SHT_PROGBITS}, {19, SHT_PROGBITS},
                {31, SHT_STRTAB}};
        const struct {
                Elf64_Nhdr n;
                char name[4];
                uint32_t entry;
        } note = {{4, 4, k->no_pvh ? 1 : 18}, "Xen", 0x1000000};
        Elf64_Shdr sections[KB_SECTIONS] = {};
        Elf64_Phdr segments[2] = {};
        Elf64_Ehdr header = {};
        struct kb b = {}, parts[KB_SECTIONS] = {};
        char banner[256];

        if (k->text)
                kb_add(&parts[KB_TEXT], k->text, strlen(k->text));
        snprintf(banner, sizeof(banner), "Linux version %s (nobody)", k->release ?: "6.18.1-test");
        kb_add(&parts[KB_TEXT], banner, strlen(banner) + 1);
        if (k->ikconfig) {
                _kb_ struct kb packed = kb_compress("gzip", k->ikconfig, strlen(k->ikconfig));

                kb_add(&parts[KB_TEXT], "IKCFG_ST", 8);
                kb_add(&parts[KB_TEXT], packed.data, packed.size);
                kb_add(&parts[KB_TEXT], "IKCFG_ED", 8);
        }
        kb_add(&parts[KB_NOTES], &note, sizeof(note));
        if (k->btf_without_sched_ext)
                kb_add(&parts[KB_BTF_SECTION], "\237\353\0task_struct", 15);
        else if (!k->no_btf)
                kb_add(&parts[KB_BTF_SECTION], KB_BTF, sizeof(KB_BTF));
        if (k->debug) {
                parts[KB_DEBUG] = (struct kb){malloc(k->debug), k->debug};
                memset(parts[KB_DEBUG].data, 'D', k->debug);
        }
        kb_add(&parts[KB_NAMES], names, sizeof(names));

        kb_add(&b, &header, sizeof(header));
        kb_add(&b, segments, sizeof(segments));
        for (unsigned i = 1; i < KB_SECTIONS; i++) {
                kb_align(&b, 8);
                sections[i] = (Elf64_Shdr){.sh_name = kinds[i].name,
                                           .sh_type = kinds[i].type,
                                           .sh_offset = kb_add(&b, parts[i].data, parts[i].size),
                                           .sh_size = parts[i].size};
                kb_done(&parts[i]);
        }
        kb_align(&b, 8);
        header = (Elf64_Ehdr){
                .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                .e_type = ET_EXEC,
                .e_machine = (Elf64_Half)(k->machine ?: EM_X86_64),
                .e_version = EV_CURRENT,
                .e_phoff = sizeof(header),
                .e_shoff = b.size,
                .e_ehsize = sizeof(header),
                .e_phentsize = sizeof(Elf64_Phdr),
                .e_phnum = 2,
                .e_shentsize = sizeof(Elf64_Shdr),
                .e_shnum = KB_SECTIONS,
                .e_shstrndx = KB_NAMES};
        segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                                   .p_offset = sections[KB_TEXT].sh_offset,
                                   .p_filesz = sections[KB_TEXT].sh_size};
        segments[1] = (Elf64_Phdr){.p_type = PT_NOTE,
                                   .p_offset = sections[KB_NOTES].sh_offset,
                                   .p_filesz = sections[KB_NOTES].sh_size};
        kb_add(&b, sections, sizeof(sections));
        memcpy(b.data, &header, sizeof(header));
        memcpy(b.data + sizeof(header), segments, sizeof(segments));
        return b;
}

#define KB_PAYLOAD_AT (5 * 512 + 16)

/* A bzImage around it, its payload compressed so. */
static inline struct kb kb_bzimage(const char *how, const struct kb *content)
{
        _kb_ struct kb packed = kb_compress(how, content->data, content->size);
        uint8_t setup[KB_PAYLOAD_AT] = {
                [0x1f1] = 4,   [0x1fe] = 0x55, [0x1ff] = 0xaa, [0x202] = 'H', [0x203] = 'd',
                [0x204] = 'r', [0x205] = 'S',  [0x206] = 0x0f, [0x207] = 2,   [0x248] = 16};
        uint32_t size = (uint32_t)content->size;
        struct kb b = {};

        if (strcmp(how, "gzip") != 0)
                kb_add(&packed, &size, sizeof(size));
        memcpy(setup + 0x24c, &(uint32_t){(uint32_t)packed.size}, 4);
        kb_add(&b, setup, sizeof(setup));
        kb_add(&b, packed.data, packed.size);
        return b;
}

/* --- packages --- */

struct kb_member {
        const char *path;
        const void *data;
        size_t size;
        const char *link; /* a symbolic link instead */
};

static inline void kb_ar_member(struct kb *b, const char *name, const void *data, size_t size)
{
        char head[61];

        snprintf(head, sizeof(head), "%-16s%-12d%-6d%-6d%-8s%-10zu`\n", name, 0, 0, 0, "100644", size);
        kb_add(b, head, 60);
        kb_add(b, data, size);
        if (size % 2)
                kb_add(b, "\n", 1);
}

/* An archive of these, packed. format sets it. */
static inline struct kb kb_archive(const char *how, int (*format)(struct archive *),
                                   const struct kb_member *members, size_t n)
{
        struct archive *a = archive_write_new();
        size_t room = 1U << 20;
        struct kb b = {};

        for (size_t i = 0; i < n; i++)
                room += members[i].size * 2;
        b.data = malloc(room);
        if (strcmp(how, "none") != 0)
                ck_assert_int_eq(archive_write_add_filter_by_name(a, how), ARCHIVE_OK);
        format(a);
        ck_assert_int_eq(archive_write_open_memory(a, b.data, room, &b.size), ARCHIVE_OK);
        for (size_t i = 0; i < n; i++) {
                struct archive_entry *e = archive_entry_new();

                archive_entry_set_pathname(e, members[i].path);
                archive_entry_set_filetype(e, members[i].link ? AE_IFLNK : AE_IFREG);
                if (members[i].link)
                        archive_entry_set_symlink(e, members[i].link);
                archive_entry_set_size(e, (la_int64_t)members[i].size);
                ck_assert_int_eq(archive_write_header(a, e), ARCHIVE_OK);
                if (members[i].size)
                        ck_assert_int_eq(archive_write_data(a, members[i].data, members[i].size),
                                         (la_ssize_t)members[i].size);
                archive_entry_free(e);
        }
        ck_assert_int_eq(archive_write_close(a), ARCHIVE_OK);
        archive_write_free(a);
        return b;
}

/* A Debian package; how: a filter of libarchive's, "none" for a plain tar. */
static inline struct kb kb_deb(const char *how, const struct kb_member *members, size_t n)
{
        _kb_ struct kb tar = kb_archive(how, archive_write_set_format_ustar, members, n);
        struct kb b = {};

        kb_add(&b, "!<arch>\n", 8);
        kb_ar_member(&b, "debian-binary", "2.0\n", 4);
        kb_ar_member(&b, "control.tar", "", 0);
        kb_ar_member(&b, "data.tar.x", tar.data, tar.size);
        return b;
}

/* The same as an RPM: the lead, a signature and a header of no tags, the payload. */
static inline struct kb kb_rpm(const char *how, const struct kb_member *members, size_t n)
{
        _kb_ struct kb cpio = kb_archive(how, archive_write_set_format_cpio_newc, members, n);
        static const uint8_t lead[96] = {0xed, 0xab, 0xee, 0xdb, 3, [78] = 0, 5},
                             header[16] = {0x8e, 0xad, 0xe8, 1};
        struct kb b = {};

        kb_add(&b, lead, sizeof(lead));
        kb_add(&b, header, sizeof(header));
        kb_add(&b, header, sizeof(header));
        kb_add(&b, cpio.data, cpio.size);
        return b;
}
