/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "include_files.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/search_path.h"
#include "../proto/errors.h"
#include "../proto/guestmsg.h"

static bool is_elf_program(int fd)
{
        char magic[4];
        struct stat st;

        return pread(fd, magic, 4, 0) == 4 && memcmp(magic, "\177ELF", 4) == 0 && fstat(fd, &st) == 0 &&
               (st.st_mode & 0111);
}

static int add_file(struct bundle *b, const char *path, const char *name, const struct include_names *names,
                    struct kt_error *reterr)
{
        _cleanup_free_ char *guest_path = kt_path_join(KT_GUEST_INCLUDE_DIR, name);
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = 0;
        struct kt_elf_deps deps = {};
        struct stat st;

        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "%s %s: %s", names->option, path,
                                    strerror(errno));
        if (!guest_path || fstat(fd, &st) < 0) {
                close(fd);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        if (is_elf_program(fd)) {
                r = kt_elf_deps_collect(path, getenv("LD_LIBRARY_PATH"), KT_E_BAD_FILE,
                                        KT_E_LIBRARY_NOT_FOUND, &deps, reterr);
                if (r >= 0)
                        r = bundle_add_libraries(b, &deps, reterr);
                kt_elf_deps_done(&deps);
        }
        if (r < 0) {
                close(fd);
                return r;
        }
        return bundle_add(b, guest_path, fd, st.st_mode, reterr);
}

/* parent_len: what of each path is cut off in the guest. */
static int add_folder(struct bundle *b, const char *path, size_t parent_len,
                      const struct include_names *names, struct kt_error *reterr)
{
        char *const roots[] = {(char *)path, NULL};
        FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        unsigned files = 0;
        FTSENT *e;
        int r = 0;

        if (!fts)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "%s %s: %s", names->option, path,
                                    strerror(errno));
        while (r >= 0 && (e = fts_read(fts))) {
                const char *name = e->fts_path + parent_len;
                struct stat st;

                if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
                        r = kt_error_set(reterr, -e->fts_errno, KT_E_BAD_FILE, "%s %s: %s", names->option,
                                         e->fts_path, strerror(e->fts_errno));
                else if (e->fts_info == FTS_F ||
                         (e->fts_info == FTS_SL && stat(e->fts_path, &st) == 0 && S_ISREG(st.st_mode))) {
                        files++;
                        r = add_file(b, e->fts_path, name, names, reterr);
                } else if (e->fts_info == FTS_DEFAULT && names->verb)
                        fprintf(stderr, "ktstrctl: %s: %s %s: no regular file, skipped\n", names->verb,
                                names->option, e->fts_path);
        }
        fts_close(fts);
        if (r >= 0 && files == 0 && names->verb)
                fprintf(stderr, "ktstrctl: %s: warning: %s %s: directory contains no regular files\n",
                        names->verb, names->option, path);
        return r;
}

int include_files_add(struct bundle *b, const char *what, const struct include_names *names,
                      struct kt_error *reterr)
{
        _cleanup_free_ char *path = realpath(what, NULL), *found = NULL;
        struct stat st;
        const char *base;

        if (!path && !strchr(what, '/')) {
                found = kt_search_path(what, R_OK);
                path = found ? realpath(found, NULL) : NULL;
        }
        if (!path)
                return kt_error_set(reterr, -ENOENT, KT_E_BAD_FILE, "%s %s: not found%s", names->option,
                                    what, strchr(what, '/') ? "" : " in filesystem or PATH");
        if (stat(path, &st) < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "%s %s: %s", names->option, what,
                                    strerror(errno));
        /* Named as it was asked for: a link keeps its own name. */
        base = strrchr(what, '/') && strrchr(what, '/')[1] ? strrchr(what, '/') + 1 : strrchr(path, '/') + 1;
        if (S_ISDIR(st.st_mode))
                return add_folder(b, path, (size_t)(strrchr(path, '/') + 1 - path), names, reterr);
        if (!S_ISREG(st.st_mode))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE, "%s %s is neither a file nor a folder",
                                    names->option, what);
        return add_file(b, path, strchr(what, '/') ? base : what, names, reterr);
}
