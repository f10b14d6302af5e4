/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "../../daemon/kernel_elf.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"
#include "kernel_bytes.h"

static int read_bytes(const void *data, size_t size, struct kernel_elf *ret, struct kt_error *reterr)
{
        _cleanup_close_ int fd = kb_file(data, size);

        return kernel_elf_read(fd, "it", ret, reterr);
}

static struct kernel_elf read_kernel(const struct kb_kernel *k)
{
        _kb_ struct kb b = kb_elf(k);
        struct kernel_elf e;

        ck_assert_int_eq(read_bytes(b.data, b.size, &e, NULL), 0);
        return e;
}

START_TEST(what_a_kernel_is_is_read)
{
        struct kernel_elf e = read_kernel(
                &(struct kb_kernel){.release = "6.18.15+deb13-cloud-amd64", .ikconfig = KB_CONFIG});

        ck_assert_str_eq(e.release, "6.18.15+deb13-cloud-amd64");
        ck_assert_str_eq(e.config, KB_CONFIG);
        ck_assert(e.pvh);
        ck_assert(e.sched_ext);
        ck_assert_uint_eq(e.btf_size, sizeof(KB_BTF));
        ck_assert_mem_eq(e.btf, KB_BTF, sizeof(KB_BTF));
        kernel_elf_done(&e);
}
END_TEST

START_TEST(what_a_kernel_lacks_is_told)
{
        struct kernel_elf e = read_kernel(&(struct kb_kernel){.no_btf = true, .no_pvh = true});

        ck_assert(!e.pvh);
        ck_assert(!e.sched_ext);
        ck_assert_ptr_null(e.btf);
        ck_assert_ptr_null(e.config);
        kernel_elf_done(&e);
        e = read_kernel(&(struct kb_kernel){.btf_without_sched_ext = true});
        ck_assert_ptr_nonnull(e.btf);
        ck_assert(!e.sched_ext);
        kernel_elf_done(&e);
}
END_TEST

static const struct {
        const char *text, *release, *found;
} banners[] = {
        {"Linux version %s (%s@%s) ", "6.18.1-x", "6.18.1-x"},
        {"Linux version 6.1 Linux version ", "6.18.1-x", "6.1"},
        {"Linux version x.y ", "6.18.1-x", "6.18.1-x"},
        {"Linux version 9.9.9\n", "6.18.1-x", "6.18.1-x"},
        {NULL, "next-20260101", NULL},
        {NULL, "7", NULL},
};

START_TEST(the_release_is_that_of_the_banner)
{
        struct kernel_elf e =
                read_kernel(&(struct kb_kernel){.text = banners[_i].text, .release = banners[_i].release});

        ck_assert_pstr_eq(e.release, banners[_i].found);
        kernel_elf_done(&e);
}
END_TEST

START_TEST(a_banner_that_goes_on_and_on_is_none)
{
        char release[300];
        struct kernel_elf e;

        memset(release, '6', sizeof(release));
        release[200] = '\0';
        e = read_kernel(&(struct kb_kernel){.release = release});
        ck_assert_ptr_null(e.release);
        kernel_elf_done(&e);
}
END_TEST

START_TEST(a_damaged_configuration_is_none)
{
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){.ikconfig = KB_CONFIG});
        uint8_t *mark = memmem(b.data, b.size, "IKCFG_ST", 8);
        struct kernel_elf e;

        ck_assert_ptr_nonnull(mark);
        mark[30] ^= 0xff;
        ck_assert_int_eq(read_bytes(b.data, b.size, &e, NULL), 0);
        ck_assert_ptr_null(e.config);
        kernel_elf_done(&e);

        /* Its end is missing. */
        mark[30] ^= 0xff;
        memcpy(memmem(b.data, b.size, "IKCFG_ED", 8), "XXXXXXXX", 8);
        ck_assert_int_eq(read_bytes(b.data, b.size, &e, NULL), 0);
        ck_assert_ptr_null(e.config);
        kernel_elf_done(&e);
}
END_TEST

START_TEST(what_is_none_is_refused_by_name)
{
        struct kt_error err = KT_ERROR_INIT;
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){.machine = EM_AARCH64});
        struct kernel_elf e;

        ck_assert_int_eq(read_bytes(b.data, b.size, &e, &err), -ENOEXEC);
        ck_assert_str_eq(err.name, KT_E_BAD_KERNEL);
        ck_assert_ptr_nonnull(strstr(err.message, "it holds no x86_64 kernel"));
        b.data[18] = EM_X86_64;
        b.data[EI_CLASS] = ELFCLASS32;
        ck_assert_int_eq(read_bytes(b.data, b.size, &e, &err), -ENOEXEC);
        b.data[EI_CLASS] = ELFCLASS64;
        b.data[0] = 'E';
        ck_assert_int_eq(read_bytes(b.data, b.size, &e, &err), -ENOEXEC);
        ck_assert_int_eq(read_bytes("", 0, &e, &err), -ENOEXEC);
        kt_error_done(&err);
}
END_TEST

START_TEST(each_cut_is_noticed)
{
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){.ikconfig = KB_CONFIG, .debug = 100});
        struct kernel_elf e;

        for (size_t size = 0; size < b.size; size++) {
                struct kt_error err = KT_ERROR_INIT;

                ck_assert_msg(read_bytes(b.data, size, &e, &err) < 0, "cut to %zu of %zu", size, b.size);
                ck_assert_str_eq(err.name, KT_E_BAD_KERNEL);
                ck_assert_ptr_nonnull(strstr(err.message, "again"));
                kt_error_done(&err);
        }
}
END_TEST

START_TEST(a_cut_that_takes_only_what_is_loaded_is_noticed)
{
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){.no_btf = true});
        Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)b.data;
        Elf64_Phdr *load = (Elf64_Phdr *)(void *)(b.data + header->e_phoff);
        struct kernel_elf e;

        load->p_filesz = b.size;
        ck_assert_int_eq(read_bytes(b.data, b.size, &e, NULL), -ENOEXEC);
}
END_TEST

/* A file that ends with its page, so that a byte read beyond is not there. */
START_TEST(a_name_without_an_end_is_not_read_beyond_the_file)
{
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){});
        Elf64_Ehdr *header;
        Elf64_Shdr *sections;
        struct kernel_elf e;

        while ((b.size + 4) % (size_t)sysconf(_SC_PAGESIZE))
                kb_add(&b, "", 1);
        kb_add(&b, ".BTF", 4);
        header = (Elf64_Ehdr *)(void *)b.data;
        sections = (Elf64_Shdr *)(void *)(b.data + header->e_shoff);
        sections[KB_NAMES].sh_offset = b.size - 4;
        sections[KB_NAMES].sh_size = 4;
        sections[KB_BTF_SECTION].sh_name = 0;
        ck_assert_int_eq(read_bytes(b.data, b.size, &e, NULL), 0);
        ck_assert_ptr_null(e.btf);
        kernel_elf_done(&e);
}
END_TEST

static void read_and_slim(const struct kb *b)
{
        _cleanup_close_ int in = kb_file(b->data, b->size), out = memfd_create("out", MFD_CLOEXEC);
        struct kernel_elf e;

        if (kernel_elf_read(in, "it", &e, NULL) == 0)
                kernel_elf_done(&e);
        (void)kernel_elf_slim(in, out, "it", NULL);
}

/* Headers, segments and section table with each byte otherwise; the sanitizers and the kernel watch what is
 * touched. */
START_TEST(no_byte_of_the_tables_leads_astray)
{
        static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){.debug = 10});
        size_t table = b.size - KB_SECTIONS * sizeof(Elf64_Shdr);

        for (size_t at = 0; at < b.size; at++) {
                uint8_t was = b.data[at];

                if (at >= sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) && at < table)
                        continue;
                for (size_t i = 0; i < KT_ARRAY_SIZE(values); i++) {
                        b.data[at] = values[i];
                        read_and_slim(&b);
                }
                b.data[at] = was;
        }
}
END_TEST

static struct kb slim(const struct kb *b)
{
        _cleanup_close_ int in = kb_file(b->data, b->size), out = memfd_create("out", MFD_CLOEXEC);

        ck_assert_int_eq(kernel_elf_slim(in, out, "it", NULL), 0);
        return kb_read(out);
}

START_TEST(slim_drops_what_only_debuggers_want)
{
        _kb_ struct kb fat = kb_elf(&(struct kb_kernel){.ikconfig = KB_CONFIG, .debug = 100000}),
                       thin = slim(&fat);
        const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)thin.data;
        const Elf64_Shdr *sections = (const Elf64_Shdr *)(const void *)(thin.data + header->e_shoff);
        const Elf64_Phdr *before = (const Elf64_Phdr *)(const void *)(fat.data + sizeof(*header));
        const Elf64_Phdr *after = (const Elf64_Phdr *)(const void *)(thin.data + header->e_phoff);
        struct kernel_elf e;

        ck_assert_uint_lt(thin.size, 4096);
        ck_assert_uint_eq(header->e_shnum, KB_SECTIONS);
        ck_assert_uint_eq(sections[KB_DEBUG].sh_type, SHT_NOBITS);
        ck_assert_uint_eq(sections[KB_DEBUG].sh_size, 0);
        ck_assert_mem_eq(before, after, 2 * sizeof(*before));
        ck_assert_mem_eq(fat.data + before[0].p_offset, thin.data + before[0].p_offset, before[0].p_filesz);
        ck_assert_int_eq(read_bytes(thin.data, thin.size, &e, NULL), 0);
        ck_assert_str_eq(e.release, "6.18.1-test");
        ck_assert_str_eq(e.config, KB_CONFIG);
        ck_assert(e.pvh);
        ck_assert_mem_eq(e.btf, KB_BTF, sizeof(KB_BTF));
        kernel_elf_done(&e);
}
END_TEST

START_TEST(slim_of_slim_is_the_same)
{
        _kb_ struct kb fat = kb_elf(&(struct kb_kernel){.debug = 5000}), once = slim(&fat),
                       twice = slim(&once);

        ck_assert_uint_eq(once.size, twice.size);
        ck_assert_mem_eq(once.data, twice.data, once.size);
}
END_TEST

START_TEST(slim_keeps_its_header_where_nothing_is_loaded)
{
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){}), thin = {};
        struct kernel_elf e;

        ((Elf64_Ehdr *)(void *)b.data)->e_phnum = 0;
        ((Elf64_Ehdr *)(void *)b.data)->e_phoff = 0;
        thin = slim(&b);
        ck_assert_int_eq(read_bytes(thin.data, thin.size, &e, NULL), 0);
        ck_assert_str_eq(e.release, "6.18.1-test");
        ck_assert_mem_eq(e.btf, KB_BTF, sizeof(KB_BTF));
        kernel_elf_done(&e);
}
END_TEST

START_TEST(without_sections_all_is_kept)
{
        _kb_ struct kb b = kb_elf(&(struct kb_kernel){}), thin = {};

        ((Elf64_Ehdr *)(void *)b.data)->e_shnum = 0;
        thin = slim(&b);
        ck_assert_uint_eq(thin.size, b.size);
        ck_assert_mem_eq(thin.data, b.data, b.size);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kernel_elf");
        TCase *c = tcase_create("kernel_elf");

        tcase_set_timeout(c, 60);
        tcase_add_test(c, what_a_kernel_is_is_read);
        tcase_add_test(c, what_a_kernel_lacks_is_told);
        tcase_add_loop_test(c, the_release_is_that_of_the_banner, 0, (int)KT_ARRAY_SIZE(banners));
        tcase_add_test(c, a_banner_that_goes_on_and_on_is_none);
        tcase_add_test(c, a_damaged_configuration_is_none);
        tcase_add_test(c, what_is_none_is_refused_by_name);
        tcase_add_test(c, each_cut_is_noticed);
        tcase_add_test(c, a_cut_that_takes_only_what_is_loaded_is_noticed);
        tcase_add_test(c, a_name_without_an_end_is_not_read_beyond_the_file);
        tcase_add_test(c, no_byte_of_the_tables_leads_astray);
        tcase_add_test(c, slim_drops_what_only_debuggers_want);
        tcase_add_test(c, slim_of_slim_is_the_same);
        tcase_add_test(c, slim_keeps_its_header_where_nothing_is_loaded);
        tcase_add_test(c, without_sections_all_is_kept);
        suite_add_tcase(s, c);
        return suite_run(s);
}
