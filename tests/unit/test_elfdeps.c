/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Small ELF files are written here, so that every odd one can be made and no compiler is needed. */

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>

#include "../../common/elfdeps.h"
#include "../../common/ldcache.h"
#include "unit.h"

#if defined(__x86_64__)
#define NATIVE EM_X86_64
#define FOREIGN EM_AARCH64
#define FOREIGN_NAME "aarch64"
#else
#define NATIVE EM_AARCH64
#define FOREIGN EM_X86_64
#define FOREIGN_NAME "x86_64"
#endif

struct recipe {
        unsigned int type;    /* 0: ET_DYN */
        unsigned int machine; /* 0: this host's */
        bool static_program;  /* neither interpreter nor dynamic section */
        const char *interpreter, *soname, *rpath, *runpath;
        const char *needed[8];
        bool no_default_dirs;
};

struct image {
        Elf64_Ehdr header;
        Elf64_Phdr phdr[3];
        char interpreter[64];
        Elf64_Dyn dynamic[16];
        char strings[512];
};

#define LOAD_ADDRESS 0x10000

static void add_dynamic(struct image *image, Elf64_Sxword tag, Elf64_Xword value)
{
        size_t i = 0;

        while (image->dynamic[i].d_tag != DT_NULL)
                i++;
        ck_assert_uint_lt(i, KT_ARRAY_SIZE(image->dynamic) - 1);
        image->dynamic[i] = (Elf64_Dyn){.d_tag = tag, .d_un.d_val = value};
}

/* The string at offset 0 is the empty one. */
static void add_dynamic_string(struct image *image, size_t *used, Elf64_Sxword tag, const char *text)
{
        if (!text)
                return;
        ck_assert_uint_lt(*used + strlen(text), sizeof(image->strings));
        strcpy(image->strings + *used, text);
        add_dynamic(image, tag, *used);
        *used += strlen(text) + 1;
}

static struct image make_elf(const struct recipe *recipe)
{
        struct image image = {
                .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                       EV_CURRENT},
                           .e_type = (Elf64_Half)(recipe->type ?: ET_DYN),
                           .e_machine = (Elf64_Half)(recipe->machine ?: NATIVE),
                           .e_version = EV_CURRENT,
                           .e_ehsize = sizeof(Elf64_Ehdr),
                           .e_phoff = offsetof(struct image, phdr),
                           .e_phentsize = sizeof(Elf64_Phdr),
                           .e_phnum = 1,
                           .e_shentsize = sizeof(Elf64_Shdr)},
                .phdr = {{.p_type = PT_LOAD,
                          .p_vaddr = LOAD_ADDRESS,
                          .p_filesz = sizeof(image),
                          .p_memsz = sizeof(image)},
                         {.p_type = PT_DYNAMIC,
                          .p_offset = offsetof(struct image, dynamic),
                          .p_filesz = sizeof(image.dynamic)},
                         {.p_type = PT_INTERP, .p_offset = offsetof(struct image, interpreter)}},
        };
        size_t used = 1;

        if (recipe->static_program)
                return image;
        image.header.e_phnum = 2;
        if (recipe->interpreter) {
                ck_assert_uint_lt(strlen(recipe->interpreter), sizeof(image.interpreter));
                strcpy(image.interpreter, recipe->interpreter);
                image.phdr[2].p_filesz = strlen(recipe->interpreter) + 1;
                image.header.e_phnum = 3;
        }

        for (size_t i = 0; i < KT_ARRAY_SIZE(recipe->needed); i++)
                add_dynamic_string(&image, &used, DT_NEEDED, recipe->needed[i]);
        add_dynamic_string(&image, &used, DT_SONAME, recipe->soname);
        add_dynamic_string(&image, &used, DT_RPATH, recipe->rpath);
        add_dynamic_string(&image, &used, DT_RUNPATH, recipe->runpath);
        if (recipe->no_default_dirs)
                add_dynamic(&image, DT_FLAGS_1, DF_1_NODEFLIB);
        add_dynamic(&image, DT_STRTAB, LOAD_ADDRESS + offsetof(struct image, strings));
        add_dynamic(&image, DT_STRSZ, used);
        return image;
}

static void put_bytes(struct unit_dir *dir, const char *name, const void *data, size_t size, mode_t mode)
{
        _cleanup_free_ char *copy = strdup(name);
        char *slash = strrchr(copy, '/');

        if (slash) {
                *slash = '\0';
                ck_assert_int_eq(kt_mkdir_p(dir->fd, copy, 0755), 0);
                *slash = '/';
        }
        _cleanup_close_ int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(kt_write_all(fd, data, size), 0);
        ck_assert_int_eq(fchmod(fd, mode), 0);
}

static void put_elf(struct unit_dir *dir, const char *name, const struct recipe *recipe)
{
        struct image image = make_elf(recipe);

        put_bytes(dir, name, &image, sizeof(image), 0755);
}

#define ELF(dir, name, ...) put_elf((dir), (name), &(struct recipe){__VA_ARGS__})

static int collect(struct unit_dir *dir, const char *name, const char *ld_library_path,
                   struct kt_elf_deps *deps, struct kt_error *err)
{
        _cleanup_free_ char *path = kt_path_join(dir->path, name);

        return kt_elf_deps_collect(path, ld_library_path, "t.Bad", "t.Library", deps, err);
}

/* "name=path name=path", in order, with the test's folder left out. */
static char *describe(struct unit_dir *dir, const struct kt_elf_deps *deps)
{
        char *text = strdup("");

        for (size_t i = 0; i < deps->n_files; i++) {
                const char *path = deps->files[i].path;
                char *longer;

                if (strncmp(path, dir->path, strlen(dir->path)) == 0)
                        path += strlen(dir->path);
                longer = kt_format("%s%s%s=%s", text, *text ? " " : "", deps->files[i].name, path);
                free(text);
                text = longer;
        }
        return text;
}

static void expect_files(struct unit_dir *dir, const char *name, const char *ld_library_path,
                         const char *expected)
{
        _cleanup_(kt_elf_deps_done) struct kt_elf_deps deps = {.program.fd = -1};
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *text = NULL;

        ck_assert_msg(collect(dir, name, ld_library_path, &deps, &err) == 0, "%s", kt_error_text(&err));
        text = describe(dir, &deps);
        ck_assert_str_eq(text, expected);
}

static void expect_failure(struct unit_dir *dir, const char *name, int r, const char *error, const char *why)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kt_elf_deps deps = {.program.fd = -1};

        ck_assert_int_eq(collect(dir, name, NULL, &deps, &err), r);
        ck_assert_str_eq(err.name, error);
        ck_assert_msg(strstr(err.message, why) != NULL, "%s", err.message);
        ck_assert_ptr_null(deps.files);
}

static size_t count_fds(void)
{
        _cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(d))
                n++;
        return n;
}

/* A loader that the programs here can name; its path is absolute. */
static char *put_loader(struct unit_dir *dir)
{
        ELF(dir, "ld.so", .soname = "ld-test.so.1");
        return kt_path_join(dir->path, "ld.so");
}

/* --- tests --- */

static int note_loaded(struct dl_phdr_info *info, size_t size, void *data)
{
        const struct kt_elf_deps *deps = data;
        _cleanup_free_ char *real = NULL;

        if (!info->dlpi_name[0] || strstr(info->dlpi_name, "vdso"))
                return 0;
        real = realpath(info->dlpi_name, NULL);
        ck_assert_ptr_nonnull(real);
        for (size_t i = 0; i < deps->n_files; i++) {
                _cleanup_free_ char *ours = realpath(deps->files[i].path, NULL);

                if (strcmp(ours, real) == 0)
                        return 0;
        }
        ck_abort_msg("%s is loaded, but was not found", info->dlpi_name);
        return 0;
}

START_TEST(libraries_of_this_test_are_those_that_ld_so_loaded)
{
        _cleanup_(kt_elf_deps_done) struct kt_elf_deps deps = {.program.fd = -1};
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r;

        r = kt_elf_deps_collect("/proc/self/exe", getenv("LD_LIBRARY_PATH"), "t.Bad", "t.Library", &deps,
                                &err);
        ck_assert_msg(r == 0, "%s", kt_error_text(&err));
        ck_assert_ptr_nonnull(deps.interpreter);
        ck_assert_str_eq(deps.files[0].name, deps.interpreter);
        dl_iterate_phdr(note_loaded, &deps);
}
END_TEST

START_TEST(needed_is_followed_breadth_first_and_once)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir), *expected = NULL;
        size_t fds = count_fds();

        ELF(&dir, "bin/prog", .interpreter = loader, .runpath = "$ORIGIN/../lib",
            .needed = {"a.so", "b.so"});
        ELF(&dir, "lib/a.so", .runpath = "${ORIGIN}", .needed = {"c.so", "b.so", "ld-test.so.1"});
        ELF(&dir, "lib/b.so", .runpath = "$ORIGIN:/nowhere", .needed = {"c.so", "a.so", "linux-vdso.so.1"});
        ELF(&dir, "lib/c.so", );
        expected = kt_format("%s=/ld.so a.so=/bin/../lib/a.so b.so=/bin/../lib/b.so c.so=/bin/../lib/c.so",
                             loader);
        expect_files(&dir, "bin/prog", NULL, expected);
        ck_assert_uint_eq(count_fds(), fds);
}
END_TEST

START_TEST(origin_of_a_program_is_behind_its_symlink)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir), *expected = NULL;

        ELF(&dir, "real/prog", .interpreter = loader, .runpath = "$ORIGIN", .needed = {"a.so"});
        ELF(&dir, "real/a.so", );
        ck_assert_int_eq(symlinkat("real/prog", dir.fd, "link"), 0);
        expected = kt_format("%s=/ld.so a.so=/real/a.so", loader);
        expect_files(&dir, "link", NULL, expected);
}
END_TEST

START_TEST(rpath_is_inherited_and_runpath_is_not)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir), *expected = NULL;

        ELF(&dir, "old", .interpreter = loader, .rpath = "$ORIGIN/lib", .needed = {"a.so"});
        ELF(&dir, "new", .interpreter = loader, .runpath = "$ORIGIN/lib", .needed = {"a.so"});
        ELF(&dir, "lib/a.so", .needed = {"ktstr-b.so"});
        ELF(&dir, "lib/ktstr-b.so", );
        expected = kt_format("%s=/ld.so a.so=/lib/a.so ktstr-b.so=/lib/ktstr-b.so", loader);
        expect_files(&dir, "old", NULL, expected);
        expect_failure(&dir, "new", -ENOPKG, "t.Library", "library ktstr-b.so, needed by ");
}
END_TEST

START_TEST(runpath_of_a_library_shuts_out_its_loaders_rpath)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir);

        ELF(&dir, "prog", .interpreter = loader, .rpath = "$ORIGIN/lib", .needed = {"a.so"});
        ELF(&dir, "lib/a.so", .runpath = "/nowhere", .needed = {"ktstr-b.so"});
        ELF(&dir, "lib/ktstr-b.so", );
        expect_failure(&dir, "prog", -ENOPKG, "t.Library", "lib/a.so, is not found");
}
END_TEST

START_TEST(rpath_comes_before_the_library_path_and_runpath_after)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir), *env = kt_path_join(dir.path, "env");
        _cleanup_free_ char *list = kt_format("/nowhere:%s", env);
        _cleanup_free_ char *from_env = kt_format("%s=/ld.so a.so=/env/a.so", loader);
        _cleanup_free_ char *from_lib = kt_format("%s=/ld.so a.so=/lib/a.so", loader);

        ELF(&dir, "old", .interpreter = loader, .rpath = "$ORIGIN/lib", .needed = {"a.so"});
        ELF(&dir, "new", .interpreter = loader, .runpath = "$ORIGIN/lib", .needed = {"a.so"});
        /* A DT_RPATH beside a DT_RUNPATH counts for nothing. */
        ELF(&dir, "both", .interpreter = loader, .rpath = "$ORIGIN/lib", .runpath = "/x",
            .needed = {"a.so"});
        ELF(&dir, "lib/a.so", );
        ELF(&dir, "env/a.so", );
        expect_files(&dir, "old", list, from_lib);
        expect_files(&dir, "new", list, from_env);
        expect_files(&dir, "both", list, from_env);
        expect_files(&dir, "new", NULL, from_lib);
        expect_files(&dir, "new", "", from_lib);
}
END_TEST

START_TEST(libraries_for_another_machine_are_passed_over)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir), *expected = NULL;

        ELF(&dir, "prog", .interpreter = loader, .runpath = "$ORIGIN/x:$ORIGIN/y", .needed = {"a.so"});
        ELF(&dir, "x/a.so", .machine = FOREIGN);
        ELF(&dir, "y/a.so", );
        expected = kt_format("%s=/ld.so a.so=/y/a.so", loader);
        expect_files(&dir, "prog", NULL, expected);
}
END_TEST

START_TEST(name_with_a_slash_is_a_path)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir), *expected = NULL;

        ELF(&dir, "prog", .interpreter = loader, .needed = {"$ORIGIN/sub/a.so"});
        ELF(&dir, "sub/a.so", );
        expected = kt_format("%s=/ld.so $ORIGIN/sub/a.so=/sub/a.so", loader);
        expect_files(&dir, "prog", NULL, expected);
}
END_TEST

START_TEST(system_libraries_are_found_unless_forbidden)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir);
        _cleanup_(kt_elf_deps_done) struct kt_elf_deps deps = {.program.fd = -1};

        ELF(&dir, "prog", .interpreter = loader, .needed = {"libc.so.6"});
        ck_assert_int_eq(collect(&dir, "prog", NULL, &deps, NULL), 0);
        ck_assert_str_eq(deps.files[1].name, "libc.so.6");
        ck_assert_int_eq(deps.files[1].path[0], '/');
        ck_assert_int_gt(deps.files[1].size, 100000);
        ELF(&dir, "prog", .interpreter = loader, .needed = {"libc.so.6"}, .no_default_dirs = true);
        expect_failure(&dir, "prog", -ENOPKG, "t.Library", "LD_LIBRARY_PATH");
}
END_TEST

START_TEST(static_programs_and_scripts_stand_alone)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(kt_elf_deps_done) struct kt_elf_deps deps = {.program.fd = -1};
        static const char script[] = "#!/bin/sh\nexit 0\n";

        ELF(&dir, "static", .type = ET_EXEC, .static_program = true);
        expect_files(&dir, "static", NULL, "");
        put_bytes(&dir, "script", script, strlen(script), 0755);
        ck_assert_int_eq(collect(&dir, "script", NULL, &deps, NULL), 0);
        ck_assert_uint_eq(deps.n_files, 0);
        ck_assert_ptr_null(deps.interpreter);
        ck_assert_int_eq(deps.program.size, strlen(script));
        ck_assert_int_eq(deps.program.mode & 07777, 0755);
        ck_assert_int_ge(deps.program.fd, 0);
}
END_TEST

START_TEST(what_cannot_be_run_is_refused_with_the_reason)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir);

        expect_failure(&dir, "none", -ENOENT, "t.Bad", "does not exist");
        expect_failure(&dir, ".", -EACCES, "t.Bad", "is a folder");
        ELF(&dir, "foreign", .machine = FOREIGN);
        expect_failure(&dir, "foreign", -ENOEXEC, "t.Bad",
                       "/foreign is for " FOREIGN_NAME ", this host runs ");
        ELF(&dir, "bpf", .machine = EM_BPF, .type = ET_REL, .static_program = true);
        expect_failure(&dir, "bpf", -ENOEXEC, "t.Bad", "BPF object");
        ELF(&dir, "object", .type = ET_REL, .static_program = true);
        expect_failure(&dir, "object", -ENOEXEC, "t.Bad", "link it");
        ELF(&dir, "core", .type = ET_CORE, .static_program = true);
        expect_failure(&dir, "core", -ENOEXEC, "t.Bad", "no program");
        ELF(&dir, "library", .needed = {"libc.so.6"});
        expect_failure(&dir, "library", -ENOEXEC, "t.Bad", "a shared library");
        ELF(&dir, "loaderless", .interpreter = "/nowhere/ld.so");
        expect_failure(&dir, "loaderless", -ENOPKG, "t.Library", "loader /nowhere/ld.so, needed by ");
        ELF(&dir, "relative", .interpreter = "ld.so");
        expect_failure(&dir, "relative", -ENOEXEC, "t.Bad", "no absolute path");
        put_bytes(&dir, "empty", "", 0, 0755);
        expect_failure(&dir, "empty", -ENOEXEC, "t.Bad", "is no ELF file");
        put_bytes(&dir, "text", "hello\n", 6, 0755);
        expect_failure(&dir, "text", -ENOEXEC, "t.Bad", "is no ELF file");
        ck_assert_int_eq(mkfifoat(dir.fd, "fifo", 0755), 0);
        expect_failure(&dir, "fifo", -EACCES, "t.Bad", "not a regular file");
        put_bytes(&dir, "plain", "#!/bin/sh\n", 10, 0644);
        expect_failure(&dir, "plain", -EACCES, "t.Bad", "not executable: run chmod +x");
}
END_TEST

START_TEST(damaged_library_is_named)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir);

        ELF(&dir, "prog", .interpreter = loader, .runpath = "$ORIGIN", .needed = {"a.so"});
        put_bytes(&dir, "a.so", "rubbish", 7, 0644);
        expect_failure(&dir, "prog", -ENOEXEC, "t.Library", "/a.so, needed by ");
}
END_TEST

START_TEST(every_cut_of_a_program_is_refused)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir);
        struct image image = make_elf(&(struct recipe){.interpreter = loader, .needed = {"libc.so.6"}});

        for (size_t size = 4; size < sizeof(image); size += 4) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                struct kt_elf_deps deps;

                put_bytes(&dir, "cut", &image, size, 0755);
                ck_assert_int_eq(collect(&dir, "cut", NULL, &deps, &err), -ENOEXEC);
        }
        expect_failure(&dir, "cut", -ENOEXEC, "t.Bad", "is cut short");
}
END_TEST

START_TEST(flipped_bytes_never_crash)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *loader = put_loader(&dir);
        size_t fds = count_fds();

        for (size_t at = 4; at < sizeof(struct image); at += at < offsetof(struct image, strings) ? 1 : 7) {
                struct image image = make_elf(&(struct recipe){
                        .interpreter = loader, .runpath = "$ORIGIN/$LIB", .needed = {"libc.so.6"}});
                _cleanup_(kt_elf_deps_done) struct kt_elf_deps deps = {.program.fd = -1};

                ((unsigned char *)&image)[at] ^= 0xff;
                put_bytes(&dir, "odd", &image, sizeof(image), 0755);
                collect(&dir, "odd", NULL, &deps, NULL);
        }
        ck_assert_uint_eq(count_fds(), fds);
}
END_TEST

/* --- the cache --- */

struct cache_file {
        char magic[20];
        uint32_t n, strings_size;
        uint32_t rest[5];
        struct {
                uint32_t flags, key, value, os;
                uint64_t hwcap;
        } entries[3];
        char strings[64];
};

static void put_cache(struct unit_dir *dir, const struct cache_file *file, size_t size)
{
        ck_assert_int_eq(kt_publish_file(dir->fd, "cache", file, size, 0644), 0);
}

START_TEST(cache_is_read_within_its_bounds)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_path_join(dir.path, "cache");
        uint32_t strings = offsetof(struct cache_file, strings);
        struct cache_file file = {
                .magic = "glibc-ld.so.cache1.",
                .n = 3,
                .entries = {{.key = strings, .value = strings + 5, .hwcap = 1},
                            {.key = strings, .value = strings + 5},
                            {.key = 0xffffffff, .value = 0x7fffffff}},
                .strings = "a.so\0/lib/a.so",
        };
        struct kt_ld_cache cache;
        size_t at = 0;

        file.magic[19] = '1';
        put_cache(&dir, &file, sizeof(file));
        ck_assert_int_eq(kt_ld_cache_load(path, &cache), 0);
        ck_assert_str_eq(kt_ld_cache_next(&cache, "a.so", &at), "/lib/a.so");
        ck_assert_ptr_null(kt_ld_cache_next(&cache, "a.so", &at));
        at = 0;
        ck_assert_ptr_null(kt_ld_cache_next(&cache, "b.so", &at));
        kt_ld_cache_done(&cache);

        /* More entries than the file has room for, and every cut of it. */
        file.n = 0xffffffff;
        for (size_t size = 0; size <= sizeof(file); size++) {
                put_cache(&dir, &file, size);
                ck_assert_int_eq(kt_ld_cache_load(path, &cache), 0);
                at = 0;
                while (kt_ld_cache_next(&cache, "a.so", &at))
                        ;
                kt_ld_cache_done(&cache);
        }
}
END_TEST

START_TEST(missing_or_foreign_cache_is_empty)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_path_join(dir.path, "cache");
        struct cache_file file = {.magic = "ld.so-1.7.0", .n = 3};
        struct kt_ld_cache cache;
        size_t at = 0;

        ck_assert_int_eq(kt_ld_cache_load(path, &cache), 0);
        ck_assert_ptr_null(kt_ld_cache_next(&cache, "a.so", &at));
        kt_ld_cache_done(&cache);
        put_cache(&dir, &file, sizeof(file));
        ck_assert_int_eq(kt_ld_cache_load(path, &cache), 0);
        ck_assert_ptr_null(cache.data);
        kt_ld_cache_done(&cache);
}
END_TEST

UNIT_MAIN("elfdeps", libraries_of_this_test_are_those_that_ld_so_loaded,
          needed_is_followed_breadth_first_and_once, origin_of_a_program_is_behind_its_symlink,
          rpath_is_inherited_and_runpath_is_not, runpath_of_a_library_shuts_out_its_loaders_rpath,
          rpath_comes_before_the_library_path_and_runpath_after,
          libraries_for_another_machine_are_passed_over, name_with_a_slash_is_a_path,
          system_libraries_are_found_unless_forbidden, static_programs_and_scripts_stand_alone,
          what_cannot_be_run_is_refused_with_the_reason, damaged_library_is_named,
          every_cut_of_a_program_is_refused, flipped_bytes_never_crash, cache_is_read_within_its_bounds,
          missing_or_foreign_cache_is_empty)
