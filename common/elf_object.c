/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "elf_object.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <gelf.h>

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#else
#error "add this architecture's ELF machine number"
#endif

/* Far beyond any honest file; what is larger is not worth the memory. */
#define DYNAMIC_SIZE_MAX (1U << 20)
#define STRINGS_SIZE_MAX (64U << 20)
#define NEEDED_MAX 1024

struct reader {
        Elf *elf;
        uint64_t file_size;
        GElf_Ehdr header;
        size_t n_segments;
        const char *problem;
};

static void elf_endp(Elf **elf)
{
        elf_end(*elf);
}

static int damaged(struct reader *r, const char *problem)
{
        r->problem = problem;
        return -ENOEXEC;
}

const char *kt_elf_machine_name(unsigned int machine)
{
        static const struct {
                unsigned int machine;
                const char *name;
        } names[] = {
                {EM_X86_64, "x86_64"}, {EM_AARCH64, "aarch64"},     {EM_386, "i386"},
                {EM_ARM, "arm"},       {EM_RISCV, "riscv"},         {EM_PPC64, "ppc64"},
                {EM_S390, "s390x"},    {EM_MIPS, "mips"},           {EM_SPARCV9, "sparc64"},
                {EM_BPF, "BPF"},       {EM_LOONGARCH, "loongarch"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(names); i++)
                if (names[i].machine == machine)
                        return names[i].name;
        return "another architecture";
}

unsigned int kt_elf_native_machine(void)
{
        return NATIVE_MACHINE;
}

void kt_elf_object_done(struct kt_elf_object *object)
{
        free(object->interpreter);
        free(object->soname);
        free(object->rpath);
        free(object->runpath);
        for (size_t i = 0; i < object->n_needed; i++)
                free(object->needed[i]);
        free(object->needed);
        *object = (struct kt_elf_object){0};
}

static int read_header(struct reader *r, struct kt_elf_object *object)
{
        if (elf_kind(r->elf) != ELF_K_ELF)
                return damaged(r, "is no ELF file");
        if (!gelf_getehdr(r->elf, &r->header))
                return damaged(r, "has a damaged ELF header");
        object->type = r->header.e_type;
        object->machine = r->header.e_machine;
        object->native = r->header.e_machine == NATIVE_MACHINE &&
                         r->header.e_ident[EI_CLASS] == ELFCLASS64 &&
                         r->header.e_ident[EI_DATA] == ELFDATA2LSB;
        return 0;
}

static int segment(struct reader *r, size_t i, GElf_Phdr *ret)
{
        if (!gelf_getphdr(r->elf, (int)i, ret))
                return damaged(r, "has a damaged program header table");
        if (ret->p_offset > r->file_size || ret->p_filesz > r->file_size - ret->p_offset)
                return damaged(r, "is cut short: it says that it has more bytes than there are");
        return 0;
}

static int read_interpreter(struct reader *r, const GElf_Phdr *phdr, struct kt_elf_object *object)
{
        Elf_Data *data;

        if (phdr->p_filesz == 0 || phdr->p_filesz > PATH_MAX)
                return damaged(r, "has a damaged PT_INTERP");
        data = elf_getdata_rawchunk(r->elf, (int64_t)phdr->p_offset, phdr->p_filesz, ELF_T_BYTE);
        if (!data || data->d_size != phdr->p_filesz || ((char *)data->d_buf)[data->d_size - 1] != '\0')
                return damaged(r, "has a damaged PT_INTERP");
        free(object->interpreter);
        object->interpreter = strdup(data->d_buf);
        return object->interpreter ? 0 : -ENOMEM;
}

/* The file offset of an address, and how many bytes are in the file from there on. */
static int find_address(struct reader *r, uint64_t address, uint64_t *ret_offset, uint64_t *ret_size)
{
        GElf_Phdr phdr;
        int n;

        for (size_t i = 0; i < r->n_segments; i++) {
                n = segment(r, i, &phdr);
                if (n < 0)
                        return n;
                if (phdr.p_type != PT_LOAD || address < phdr.p_vaddr ||
                    address - phdr.p_vaddr >= phdr.p_filesz)
                        continue;
                *ret_offset = phdr.p_offset + (address - phdr.p_vaddr);
                *ret_size = phdr.p_filesz - (address - phdr.p_vaddr);
                return 0;
        }
        return damaged(r, "has a damaged dynamic section: its strings are nowhere in the file");
}

/* The strings of the dynamic section; borrowed from libelf until the file is closed. */
static int read_strings(struct reader *r, Elf_Data *dynamic, Elf_Data **ret)
{
        uint64_t address = 0, size = 0, offset, there;
        bool has_address = false;
        GElf_Dyn dyn;
        int n;

        for (int i = 0; gelf_getdyn(dynamic, i, &dyn) && dyn.d_tag != DT_NULL; i++) {
                if (dyn.d_tag == DT_STRTAB) {
                        address = dyn.d_un.d_ptr;
                        has_address = true;
                } else if (dyn.d_tag == DT_STRSZ) {
                        size = dyn.d_un.d_val;
                }
        }
        if (!has_address)
                return damaged(r, "has a damaged dynamic section: it has no strings");
        n = find_address(r, address, &offset, &there);
        if (n < 0)
                return n;
        if (size == 0 || size > there || size > STRINGS_SIZE_MAX)
                return damaged(r, "has a damaged dynamic section: its strings do not fit");
        *ret = elf_getdata_rawchunk(r->elf, (int64_t)offset, size, ELF_T_BYTE);
        if (!*ret || (*ret)->d_size != size)
                return damaged(r, "has a damaged dynamic section: its strings cannot be read");
        return 0;
}

static int copy_string(struct reader *r, Elf_Data *strings, uint64_t at, char **ret)
{
        const char *text = strings->d_buf;
        char *copy;

        if (at >= strings->d_size || !memchr(text + at, '\0', strings->d_size - at))
                return damaged(r, "has a damaged dynamic section: a string lies outside");
        copy = strdup(text + at);
        if (!copy)
                return -ENOMEM;
        free(*ret);
        *ret = copy;
        return 0;
}

static int add_needed(struct reader *r, Elf_Data *strings, uint64_t at, struct kt_elf_object *object)
{
        char **grown;

        if (object->n_needed == NEEDED_MAX)
                return damaged(r, "needs too many libraries");
        grown = reallocarray(object->needed, object->n_needed + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        object->needed = grown;
        grown[object->n_needed++] = NULL;
        return copy_string(r, strings, at, &grown[object->n_needed - 1]);
}

static int read_dynamic_entry(struct reader *r, Elf_Data *strings, const GElf_Dyn *dyn,
                              struct kt_elf_object *object)
{
        switch (dyn->d_tag) {
        case DT_NEEDED:
                return add_needed(r, strings, dyn->d_un.d_val, object);
        case DT_SONAME:
                return copy_string(r, strings, dyn->d_un.d_val, &object->soname);
        case DT_RPATH:
                return copy_string(r, strings, dyn->d_un.d_val, &object->rpath);
        case DT_RUNPATH:
                object->has_runpath = true;
                return copy_string(r, strings, dyn->d_un.d_val, &object->runpath);
        case DT_FLAGS_1:
                object->no_default_dirs = dyn->d_un.d_val & DF_1_NODEFLIB;
                return 0;
        default:
                return 0;
        }
}

static int read_dynamic(struct reader *r, const GElf_Phdr *phdr, struct kt_elf_object *object)
{
        Elf_Data *dynamic, *strings;
        GElf_Dyn dyn;
        int n;

        if (phdr->p_filesz == 0 || phdr->p_filesz > DYNAMIC_SIZE_MAX)
                return damaged(r, "has a damaged dynamic section");
        dynamic = elf_getdata_rawchunk(r->elf, (int64_t)phdr->p_offset, phdr->p_filesz, ELF_T_DYN);
        if (!dynamic || !dynamic->d_buf)
                return damaged(r, "has a damaged dynamic section");
        n = read_strings(r, dynamic, &strings);
        if (n < 0)
                return n;
        for (int i = 0; gelf_getdyn(dynamic, i, &dyn) && dyn.d_tag != DT_NULL; i++) {
                n = read_dynamic_entry(r, strings, &dyn, object);
                if (n < 0)
                        return n;
        }
        if (object->has_runpath) {
                free(object->rpath);
                object->rpath = NULL;
        }
        return 0;
}

static int read_segments(struct reader *r, struct kt_elf_object *object)
{
        GElf_Phdr phdr;
        int n = 0;

        if (elf_getphdrnum(r->elf, &r->n_segments) < 0)
                return damaged(r, "has a damaged program header table");
        /* libelf tells of none when the table lies behind the file's end. */
        if (r->n_segments != r->header.e_phnum && r->header.e_phnum != PN_XNUM)
                return damaged(r, "is cut short: its program headers are missing");
        for (size_t i = 0; i < r->n_segments && n >= 0; i++) {
                n = segment(r, i, &phdr);
                if (n >= 0 && phdr.p_type == PT_INTERP)
                        n = read_interpreter(r, &phdr, object);
                else if (n >= 0 && phdr.p_type == PT_DYNAMIC && object->n_needed == 0)
                        n = read_dynamic(r, &phdr, object);
        }
        return n;
}

int kt_elf_object_read(int fd, struct kt_elf_object *ret, const char **ret_problem)
{
        _cleanup_(kt_elf_object_done) struct kt_elf_object object = {0};
        _cleanup_(elf_endp) Elf *elf = NULL;
        struct reader reader = {0};
        struct stat st;
        int r;

        *ret_problem = "is no ELF file";
        if (fstat(fd, &st) < 0)
                return -errno;
        elf_version(EV_CURRENT);
        elf = elf_begin(fd, ELF_C_READ, NULL);
        if (!elf)
                return -ENOEXEC;

        reader.elf = elf;
        reader.file_size = (uint64_t)st.st_size;
        r = read_header(&reader, &object);
        if (r >= 0 && object.native)
                r = read_segments(&reader, &object);
        if (r < 0) {
                *ret_problem = reader.problem;
                return r;
        }
        *ret = object;
        object = (struct kt_elf_object){0};
        return 0;
}
