/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_elf.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18 /* include/xen/interface/elfnote.h */
#define CONFIG_SIZE_MAX (4U * 1024U * 1024U)

struct image {
        const uint8_t *data;
        size_t size;
        const Elf64_Ehdr *eh;
        const Elf64_Shdr *sh; /* NULL without sections */
        const char *names;
        size_t names_size;
};

static bool within(const struct image *im, uint64_t offset, uint64_t size)
{
        return offset <= im->size && size <= im->size - offset;
}

/* What is wrong with it, NULL when it is whole: the tables, and all that is loaded. */
static const char *problem_of(const struct image *im)
{
        if (memcmp(im->eh->e_ident, ELFMAG, SELFMAG) != 0 || im->eh->e_ident[EI_CLASS] != ELFCLASS64 ||
            im->eh->e_machine != EM_X86_64)
                return "holds no x86_64 kernel; guests here are x86_64, import a kernel built for it";
        if (!within(im, im->eh->e_phoff, (uint64_t)im->eh->e_phnum * sizeof(Elf64_Phdr)) ||
            !within(im, im->eh->e_shoff, (uint64_t)im->eh->e_shnum * sizeof(Elf64_Shdr)))
                return "is cut off; fetch or build it again";
        for (unsigned i = 0; i < im->eh->e_phnum; i++) {
                Elf64_Phdr ph;

                memcpy(&ph, im->data + im->eh->e_phoff + i * sizeof(ph), sizeof(ph));
                if (ph.p_type == PT_LOAD && !within(im, ph.p_offset, ph.p_filesz))
                        return "is cut off; fetch or build it again";
        }
        return NULL;
}

static int map_image(int fd, const char *name, struct image *ret, struct kt_error *reterr)
{
        struct image im = {};
        const char *problem;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot read %s: %s", name, strerror(errno));
        im.size = (size_t)st.st_size;
        if (im.size < sizeof(Elf64_Ehdr))
                return kt_error_set(reterr, -ENOEXEC, KT_E_BAD_KERNEL,
                                    "%s is too short for a kernel; fetch or build it again", name);
        im.data = mmap(NULL, im.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (im.data == MAP_FAILED)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot map %s: %s", name, strerror(errno));
        im.eh = (const Elf64_Ehdr *)(const void *)im.data;
        problem = problem_of(&im);
        if (problem) {
                munmap((void *)im.data, im.size);
                return kt_error_set(reterr, -ENOEXEC, KT_E_BAD_KERNEL, "%s %s", name, problem);
        }
        if (im.eh->e_shnum > 0 && im.eh->e_shstrndx < im.eh->e_shnum && im.eh->e_shoff % 8 == 0) {
                im.sh = (const Elf64_Shdr *)(const void *)(im.data + im.eh->e_shoff);
                const Elf64_Shdr *s = &im.sh[im.eh->e_shstrndx];
                if (within(&im, s->sh_offset, s->sh_size)) {
                        im.names = (const char *)im.data + s->sh_offset;
                        im.names_size = s->sh_size;
                }
        }
        *ret = im;
        return 0;
}

/* Does the section's name begin with these bytes? With its size a string is compared with its end. */
static bool section_begins(const struct image *im, const Elf64_Shdr *s, const char *prefix, size_t len)
{
        return im->names && s->sh_name < im->names_size && len <= im->names_size - s->sh_name &&
               memcmp(im->names + s->sh_name, prefix, len) == 0;
}

/* A PT_NOTE segment with a note of owner "Xen" and the type of the PVH entry. */
static bool has_pvh_note(const struct image *im)
{
        for (unsigned i = 0; i < im->eh->e_phnum; i++) {
                Elf64_Phdr ph;

                memcpy(&ph, im->data + im->eh->e_phoff + i * sizeof(ph), sizeof(ph));
                if (ph.p_type != PT_NOTE || !within(im, ph.p_offset, ph.p_filesz))
                        continue;
                for (uint64_t at = 0; at + sizeof(Elf64_Nhdr) <= ph.p_filesz;) {
                        Elf64_Nhdr n;
                        uint64_t rest = ph.p_filesz - at;

                        memcpy(&n, im->data + ph.p_offset + at, sizeof(n));
                        if (n.n_namesz > rest || n.n_descsz > rest)
                                break;
                        if (n.n_type == XEN_ELFNOTE_PHYS32_ENTRY && n.n_namesz == 4 &&
                            rest >= sizeof(n) + 4 &&
                            memcmp(im->data + ph.p_offset + at + sizeof(n), "Xen", 4) == 0)
                                return true;
                        at += sizeof(n) + ((n.n_namesz + 3ULL) & ~3ULL) + ((n.n_descsz + 3ULL) & ~3ULL);
                }
        }
        return false;
}

static char *find_release(const struct image *im)
{
        static const char banner[] = "Linux version ";
        const uint8_t *p = im->data, *end = im->data + im->size;

        while ((p = memmem(p, (size_t)(end - p), banner, sizeof(banner) - 1))) {
                const char *start;
                size_t len = 0;

                p += sizeof(banner) - 1;
                start = (const char *)p;
                while (p + len < end && len < 128 && start[len] > ' ' && start[len] < 0x7f)
                        len++;
                if (len > 2 && start[0] >= '0' && start[0] <= '9' && p + len < end && start[len] == ' ')
                        return strndup(start, len);
        }
        return NULL;
}

/* kernel/configs.c: the gzipped .config between two marks. */
static char *find_ikconfig(const struct image *im)
{
        const uint8_t *start = memmem(im->data, im->size, "IKCFG_ST\x1f\x8b", 10);
        const uint8_t *end =
                start ? memmem(start, im->size - (size_t)(start - im->data), "IKCFG_ED", 8) : NULL;
        z_stream z = {};
        char *text;
        int r;

        if (!end)
                return NULL;
        text = malloc(CONFIG_SIZE_MAX + 1);
        if (!text || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) {
                free(text);
                return NULL;
        }
        z.next_in = (unsigned char *)(uintptr_t)(start + 8);
        z.avail_in = (unsigned)(end - start - 8);
        z.next_out = (unsigned char *)text;
        z.avail_out = CONFIG_SIZE_MAX;
        r = inflate(&z, Z_FINISH);
        text[CONFIG_SIZE_MAX - z.avail_out] = '\0';
        inflateEnd(&z);
        if (r != Z_STREAM_END) {
                free(text);
                return NULL;
        }
        return text;
}

static int read_btf(const struct image *im, struct kernel_elf *ret)
{
        for (unsigned i = 0; im->sh && i < im->eh->e_shnum; i++) {
                const Elf64_Shdr *s = &im->sh[i];

                if (!section_begins(im, s, ".BTF", sizeof(".BTF")) || s->sh_type == SHT_NOBITS ||
                    !within(im, s->sh_offset, s->sh_size) || s->sh_size == 0)
                        continue;
                ret->btf = malloc(s->sh_size);
                if (!ret->btf)
                        return -ENOMEM;
                memcpy(ret->btf, im->data + s->sh_offset, s->sh_size);
                ret->btf_size = s->sh_size;
                return 0;
        }
        return 0;
}

int kernel_elf_read(int fd, const char *name, struct kernel_elf *ret, struct kt_error *reterr)
{
        struct image im;
        int r = map_image(fd, name, &im, reterr);

        if (r < 0)
                return r;
        *ret = (struct kernel_elf){
                .pvh = has_pvh_note(&im), .release = find_release(&im), .config = find_ikconfig(&im)};
        if (read_btf(&im, ret) < 0) {
                munmap((void *)im.data, im.size);
                kernel_elf_done(ret);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        ret->sched_ext = ret->btf && memmem(ret->btf, ret->btf_size, "sched_ext_ops", 14);
        munmap((void *)im.data, im.size);
        return 0;
}

void kernel_elf_done(struct kernel_elf *k)
{
        free(k->release);
        free(k->config);
        free(k->btf);
        memset(k, 0, sizeof(*k));
}

/*
 * Section numbers must not change (symbols name them), and what is loaded must keep its place in the file.
 * So: copy everything up to the end of what is loaded, append the other sections that are kept, and write a
 * section table in which those left out are empty.
 */
static int write_slim(const struct image *im, int out)
{
        _cleanup_free_ Elf64_Shdr *table = calloc(im->eh->e_shnum, sizeof(*table));
        uint64_t end = im->eh->e_phoff + (uint64_t)im->eh->e_phnum * sizeof(Elf64_Phdr);
        Elf64_Ehdr eh = *im->eh;
        int r;

        if (end < sizeof(eh))
                end = sizeof(eh);
        if (!table)
                return -ENOMEM;
        memcpy(table, im->sh, im->eh->e_shnum * sizeof(*table));
        for (unsigned i = 0; i < im->eh->e_phnum; i++) {
                Elf64_Phdr ph;

                memcpy(&ph, im->data + im->eh->e_phoff + i * sizeof(ph), sizeof(ph));
                if (within(im, ph.p_offset, ph.p_filesz) && ph.p_offset + ph.p_filesz > end)
                        end = ph.p_offset + ph.p_filesz;
        }
        r = kt_pwrite_all(out, im->data, end, 0);
        for (unsigned i = 1; r >= 0 && i < im->eh->e_shnum; i++) {
                Elf64_Shdr *s = &table[i];

                if (s->sh_type == SHT_NOBITS || s->sh_type == SHT_NULL ||
                    (within(im, s->sh_offset, s->sh_size) && s->sh_offset + s->sh_size <= end))
                        continue;
                if (section_begins(im, s, ".debug_", 7) || section_begins(im, s, ".rela.debug_", 12) ||
                    !within(im, s->sh_offset, s->sh_size)) {
                        s->sh_type = SHT_NOBITS;
                        s->sh_size = 0;
                        continue;
                }
                end = (end + 63) & ~63ULL;
                r = kt_pwrite_all(out, im->data + s->sh_offset, s->sh_size, end);
                s->sh_offset = end;
                end += s->sh_size;
        }
        end = (end + 63) & ~63ULL;
        eh.e_shoff = end;
        if (r >= 0)
                r = kt_pwrite_all(out, table, im->eh->e_shnum * sizeof(*table), end);
        return r < 0 ? r : kt_pwrite_all(out, &eh, sizeof(eh), 0);
}

int kernel_elf_slim(int in, int out, const char *name, struct kt_error *reterr)
{
        struct image im;
        int r = map_image(in, name, &im, reterr);

        if (r < 0)
                return r;
        if (im.sh)
                r = write_slim(&im, out);
        else
                r = kt_pwrite_all(out, im.data, im.size, 0);
        munmap((void *)im.data, im.size);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot write the kernel: %s", strerror(-r));
        return 0;
}
