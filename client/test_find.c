/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test_find.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../proto/bodymsg.h"
#include "../proto/errors.h"

/* Read, never mapped: the file may be cut meanwhile. */
static int has_section(Elf *elf, const char *wanted)
{
        Elf_Scn *section = NULL;
        size_t names;

        if (elf_kind(elf) != ELF_K_ELF || elf_getshdrstrndx(elf, &names) < 0)
                return -ENOEXEC;
        while ((section = elf_nextscn(elf, section))) {
                GElf_Shdr header;
                const char *name =
                        gelf_getshdr(section, &header) ? elf_strptr(elf, names, header.sh_name) : NULL;

                if (name && strcmp(name, wanted) == 0)
                        return 1;
        }
        return 0;
}

int test_find_has_tests(const char *path)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        char magic[SELFMAG];
        Elf *elf;
        int r;

        if (fd < 0)
                return -errno;
        if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic) || memcmp(magic, ELFMAG, SELFMAG) != 0)
                return -ENOEXEC;
        elf_version(EV_CURRENT);
        elf = elf_begin(fd, ELF_C_READ, NULL);
        if (!elf)
                return -ENOEXEC;
        r = has_section(elf, KT_TESTS_SECTION);
        elf_end(elf);
        return r;
}

struct found {
        char **paths;
        size_t n;
};

static int add(struct found *f, const char *path)
{
        char **grown = realloc(f->paths, (f->n + 2) * sizeof(char *));

        if (!grown)
                return -ENOMEM;
        f->paths = grown;
        f->paths[f->n] = strdup(path);
        if (!f->paths[f->n])
                return -ENOMEM;
        f->paths[++f->n] = NULL;
        return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
        return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int visit(FTS *fts, FTSENT *e, struct found *f, struct kt_error *reterr)
{
        switch (e->fts_info) {
        case FTS_D:
                if (e->fts_level > 0 && e->fts_name[0] == '.')
                        fts_set(fts, e, FTS_SKIP);
                return 0;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
                return kt_error_set(reterr, -e->fts_errno, KT_E_BAD_FILE, "-C: %s: %s", e->fts_path,
                                    strerror(e->fts_errno));
        case FTS_F:
                if (!(e->fts_statp->st_mode & 0111) || test_find_has_tests(e->fts_accpath) <= 0)
                        return 0;
                return add(f, e->fts_path) < 0
                               ? kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory")
                               : 0;
        default:
                return 0;
        }
}

static int by_path(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

int test_find(const char *dir, char ***ret, struct kt_error *reterr)
{
        char *const roots[] = {(char *)dir, NULL};
        FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, by_name);
        struct found f = {};
        FTSENT *e;
        int r = 0;

        if (!fts)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "-C: %s: %s", dir, strerror(errno));
        while (r >= 0 && (e = fts_read(fts)))
                r = visit(fts, e, &f, reterr);
        fts_close(fts);
        if (r >= 0 && f.n == 0)
                r = kt_error_set(
                        reterr, -ENOENT, KT_E_BAD_FILE,
                        "no test program below %s: an executable with the section " KT_TESTS_SECTION
                        " was looked for, which KTSTR_TEST() makes; build it first, name it, or name its "
                        "folder with -C",
                        dir);
        if (r < 0) {
                test_find_free(f.paths);
                return r;
        }
        qsort(f.paths, f.n, sizeof(char *), by_path);
        *ret = f.paths;
        return 0;
}

void test_find_free(char **paths)
{
        for (char **p = paths; p && *p; p++)
                free(*p);
        free(paths);
}

const char *test_find_default_dir(void)
{
        struct stat st;

        return stat("build", &st) == 0 && S_ISDIR(st.st_mode) ? "build" : ".";
}
