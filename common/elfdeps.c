/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "elfdeps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <elf.h>

#include "elf_object.h"
#include "fsutil.h"
#include "ldcache.h"

#define LD_CACHE_PATH "/etc/ld.so.cache"
#define FILES_MAX 1024

#if defined(__x86_64__)
#define MULTIARCH_DIR "lib/x86_64-linux-gnu"
#define PLATFORM "x86_64"
#elif defined(__aarch64__)
#define MULTIARCH_DIR "lib/aarch64-linux-gnu"
#define PLATFORM "aarch64"
#endif

static const char *const default_dirs[] = {
        "/" MULTIARCH_DIR, "/usr/" MULTIARCH_DIR, "/lib64", "/usr/lib64", "/lib", "/usr/lib",
};

/* A file that was found, and what it asks of the loader. */
struct found {
        struct kt_elf_file file;
        struct kt_elf_object object;
        char *origin;               /* its folder */
        const struct found *loader; /* who needed it first; NULL for the program */
};

struct collector {
        struct found *found[FILES_MAX]; /* the program, then what is needed, breadth first as ld.so loads */
        size_t n;
        struct kt_ld_cache cache;
        const char *ld_library_path;
        const char *error_name, *library_error_name;
        struct kt_error *reterr;
};

static void file_done(struct kt_elf_file *file)
{
        free(file->name);
        free(file->path);
        if (file->fd >= 0)
                close(file->fd);
        *file = (struct kt_elf_file){.fd = -1};
}

static void found_free(struct found *f)
{
        if (!f)
                return;
        file_done(&f->file);
        kt_elf_object_done(&f->object);
        free(f->origin);
        free(f);
}

static void found_freep(struct found **f)
{
        found_free(*f);
}

static void collector_done(struct collector *c)
{
        for (size_t i = 0; i < c->n; i++)
                found_free(c->found[i]);
        kt_ld_cache_done(&c->cache);
}

void kt_elf_deps_done(struct kt_elf_deps *deps)
{
        if (!deps)
                return;
        file_done(&deps->program);
        for (size_t i = 0; i < deps->n_files; i++)
                file_done(&deps->files[i]);
        free(deps->files);
        free(deps->interpreter);
        *deps = (struct kt_elf_deps){.program.fd = -1};
}

static int no_memory(struct collector *c)
{
        return kt_error_set(c->reterr, -ENOMEM, c->error_name, "out of memory");
}

/* Open a regular file; a FIFO in its place must not block us. */
static int open_file(const char *path, struct kt_elf_file *ret)
{
        _cleanup_close_ int fd = -1;
        struct stat st;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        ret->path = strdup(path);
        if (!ret->path)
                return -ENOMEM;
        ret->mode = st.st_mode;
        ret->size = st.st_size;
        ret->fd = TAKE_FD(fd);
        return 0;
}

static struct found *found_new(const char *name, const struct found *loader)
{
        struct found *f = calloc(1, sizeof(*f));

        if (!f)
                return NULL;
        f->file.fd = -1;
        f->file.name = strdup(name);
        f->loader = loader;
        if (!f->file.name) {
                found_free(f);
                return NULL;
        }
        return f;
}

/* "/a/b" of "/a/b/c", "." of "c". */
static char *folder_of(const char *path)
{
        const char *slash = strrchr(path, '/');

        if (!slash)
                return strdup(".");
        return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int add_found(struct collector *c, struct found *f)
{
        if (c->n == FILES_MAX)
                return kt_error_set(c->reterr, -ENOEXEC, c->error_name, "%s needs more than %d libraries",
                                    c->found[0]->file.path, FILES_MAX - 1);
        if (!f->origin)
                f->origin = folder_of(f->file.path);
        if (!f->origin)
                return no_memory(c);
        c->found[c->n++] = f;
        return 0;
}

/* --- the program --- */

static int program_open_failed(struct collector *c, const char *path, int r)
{
        switch (r) {
        case -ENOENT:
        case -ENOTDIR:
                return kt_error_set(c->reterr, -ENOENT, c->error_name,
                                    "%s does not exist: check the path, or build it first", path);
        case -EISDIR:
                return kt_error_set(c->reterr, -EACCES, c->error_name,
                                    "%s is a folder: name the program in it", path);
        case -EINVAL:
                return kt_error_set(c->reterr, -EACCES, c->error_name,
                                    "%s is not a regular file: name a program", path);
        case -EACCES:
                return kt_error_set(c->reterr, r, c->error_name, "%s cannot be read: check its permissions",
                                    path);
        default:
                return kt_error_set(c->reterr, r, c->error_name, "%s cannot be opened: %s", path,
                                    strerror(-r));
        }
}

static int check_program_type(struct collector *c, const struct found *f)
{
        const struct kt_elf_object *o = &f->object;
        const char *path = f->file.path, *native = kt_elf_machine_name(kt_elf_native_machine());

        if (o->machine == EM_BPF)
                return kt_error_set(c->reterr, -ENOEXEC, c->error_name,
                                    "%s is a BPF object: name the program that loads it", path);
        if (!o->native)
                return kt_error_set(c->reterr, -ENOEXEC, c->error_name,
                                    "%s is for %s%s, this host runs %s: build it for %s", path,
                                    o->machine == kt_elf_native_machine() ? "another word size of " : "",
                                    kt_elf_machine_name(o->machine), native, native);
        if (o->type == ET_REL)
                return kt_error_set(c->reterr, -ENOEXEC, c->error_name,
                                    "%s is an object file: link it to a program", path);
        if (o->type != ET_EXEC && o->type != ET_DYN)
                return kt_error_set(c->reterr, -ENOEXEC, c->error_name, "%s is an ELF file but no program",
                                    path);
        if (!o->interpreter && o->n_needed > 0)
                return kt_error_set(c->reterr, -ENOEXEC, c->error_name,
                                    "%s is a shared library, not a program", path);
        return 0;
}

/* The program's $ORIGIN is its place after all symlinks, as for ld.so, which asks the kernel. */
static char *real_origin(const struct kt_elf_file *file)
{
        char link[64], path[PATH_MAX];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", file->fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n <= 0)
                return folder_of(file->path);
        path[n] = '\0';
        return folder_of(path);
}

/* Takes *f over on success. */
static int keep_found(struct collector *c, struct found **f)
{
        int r = add_found(c, *f);

        if (r < 0)
                return r;
        TAKE_PTR(*f);
        return 0;
}

static bool is_script(int fd)
{
        char start[2];

        return pread(fd, start, sizeof(start), 0) == sizeof(start) && start[0] == '#' && start[1] == '!';
}

static int read_program(struct collector *c, struct found *f)
{
        const char *path = f->file.path, *problem;
        int r;

        r = kt_elf_object_read(f->file.fd, &f->object, &problem);
        if (r == -ENOEXEC)
                return kt_error_set(c->reterr, r, c->error_name, "%s %s: build it again", path, problem);
        if (r < 0)
                return kt_error_set(c->reterr, r, c->error_name, "%s cannot be read: %s", path,
                                    strerror(-r));
        return check_program_type(c, f);
}

/* A script is its own only file: it has no interpreter and needs nothing that this module knows of. */
static int open_program(struct collector *c, const char *path)
{
        _cleanup_(found_freep) struct found *f = found_new(path, NULL);
        int r;

        if (!f)
                return no_memory(c);
        r = open_file(path, &f->file);
        if (r < 0)
                return program_open_failed(c, path, r);
        /* With the rights in effect, which in the daemon are those of the user who asked. */
        if (faccessat(f->file.fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) < 0)
                return kt_error_set(c->reterr, -EACCES, c->error_name,
                                    "%s is not executable: run chmod +x %s", path, path);
        f->origin = real_origin(&f->file);
        if (!is_script(f->file.fd)) {
                r = read_program(c, f);
                if (r < 0)
                        return r;
        }
        return keep_found(c, &f);
}

/* --- where libraries are --- */

/* Debian's glibc says lib/ARCH-linux-gnu for $LIB, those of other distributions lib64. */
static const char *lib_token(void)
{
        return access("/" MULTIARCH_DIR, F_OK) >= 0 ? MULTIARCH_DIR : "lib64";
}

static bool is_name_character(char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* Is $NAME or ${NAME} at text? Its length, or 0. */
static size_t match_token(const char *text, const char *name)
{
        size_t len = strlen(name);

        if (strncmp(text, "${", 2) == 0 && strncmp(text + 2, name, len) == 0 && text[2 + len] == '}')
                return len + 3;
        if (text[0] == '$' && strncmp(text + 1, name, len) == 0 && !is_name_character(text[1 + len]))
                return len + 1;
        return 0;
}

/* Replace $ORIGIN, $LIB and $PLATFORM in the first len bytes of text. */
static char *expand_tokens(const char *text, size_t len, const char *origin)
{
        const struct {
                const char *name, *value;
        } tokens[] = {{"ORIGIN", origin}, {"LIB", lib_token()}, {"PLATFORM", PLATFORM}};
        _cleanup_free_ char *source = strndup(text, len);
        char *out = NULL;
        size_t out_size;
        FILE *f;

        if (!source)
                return NULL;
        f = open_memstream(&out, &out_size);
        if (!f)
                return NULL;
        for (const char *at = source; *at;) {
                size_t taken = 0;

                for (size_t i = 0; i < KT_ARRAY_SIZE(tokens) && taken == 0; i++) {
                        taken = match_token(at, tokens[i].name);
                        if (taken > 0)
                                fputs(tokens[i].value, f);
                }
                if (taken == 0) {
                        fputc(*at, f);
                        taken = 1;
                }
                at += taken;
        }
        if (fclose(f) != 0) {
                free(out);
                return NULL;
        }
        return out;
}

/* Try one path: 1 and f filled when it is a library for this machine, 0 when ld.so would look on, -errno
 * when it would stop. */
static int try_path(struct collector *c, const char *path, struct found *f)
{
        const char *problem;
        int r;

        r = open_file(path, &f->file);
        if (r == -ENOMEM)
                return no_memory(c);
        if (r == -EMFILE || r == -ENFILE)
                return kt_error_set(c->reterr, r, c->error_name, "cannot open %s: %s", path, strerror(-r));
        if (r < 0)
                return 0;
        r = kt_elf_object_read(f->file.fd, &f->object, &problem);
        if (r == -ENOEXEC)
                return kt_error_set(c->reterr, r, c->library_error_name,
                                    "library %s, needed by %s, %s: install it again", path,
                                    f->loader->file.path, problem);
        if (r < 0)
                return kt_error_set(c->reterr, r, c->library_error_name, "library %s cannot be read: %s",
                                    path, strerror(-r));
        if (f->object.native && f->object.type == ET_DYN)
                return 1;

        close(TAKE_FD(f->file.fd));
        free(TAKE_PTR(f->file.path));
        kt_elf_object_done(&f->object);
        return 0;
}

static int try_dir(struct collector *c, const char *dir, struct found *f)
{
        _cleanup_free_ char *path = kt_path_join(dir, f->file.name);

        return path ? try_path(c, path, f) : no_memory(c);
}

/* A list as in LD_LIBRARY_PATH and DT_RUNPATH; an empty part is the working folder. */
static int try_list(struct collector *c, const char *list, const char *separators, const char *origin,
                    struct found *f)
{
        int r;

        if (!list || !*list)
                return 0;
        for (const char *at = list;;) {
                size_t len = strcspn(at, separators);
                _cleanup_free_ char *dir = expand_tokens(len ? at : ".", len ?: 1, origin);

                r = dir ? try_dir(c, dir, f) : no_memory(c);
                if (r != 0 || !at[len])
                        return r;
                at += len + 1;
        }
}

/* DT_RPATH of who needs it, of who needed that, and so up to the program. */
static int try_rpaths(struct collector *c, struct found *f)
{
        int r = 0;

        if (f->loader->object.has_runpath)
                return 0;
        for (const struct found *l = f->loader; l && r == 0; l = l->loader)
                r = try_list(c, l->object.rpath, ":", l->origin, f);
        return r;
}

static int try_cache(struct collector *c, struct found *f)
{
        const char *path;
        size_t at = 0;
        int r = 0;

        while (r == 0 && (path = kt_ld_cache_next(&c->cache, f->file.name, &at)))
                r = try_path(c, path, f);
        return r;
}

static int try_defaults(struct collector *c, struct found *f)
{
        int r = 0;

        if (f->loader->object.no_default_dirs)
                return 0;
        r = try_cache(c, f);
        for (size_t i = 0; i < KT_ARRAY_SIZE(default_dirs) && r == 0; i++)
                r = try_dir(c, default_dirs[i], f);
        return r;
}

/* In ld.so's order: see "Rpath token expansion" and the list before it in ld.so(8). */
static int search(struct collector *c, struct found *f)
{
        int r;

        if (strchr(f->file.name, '/')) {
                _cleanup_free_ char *path =
                        expand_tokens(f->file.name, strlen(f->file.name), f->loader->origin);

                return path ? try_path(c, path, f) : no_memory(c);
        }
        r = try_rpaths(c, f);
        if (r == 0)
                r = try_list(c, c->ld_library_path, ":;", c->found[0]->origin, f);
        if (r == 0)
                r = try_list(c, f->loader->object.runpath, ":", f->loader->origin, f);
        if (r == 0)
                r = try_defaults(c, f);
        return r;
}

/* --- collecting --- */

/* Loaded under this name, or calling itself so. The program is known to nobody by its path. */
static bool is_there(const struct collector *c, const char *name)
{
        for (size_t i = 1; i < c->n; i++) {
                const struct found *f = c->found[i];

                if (strcmp(f->file.name, name) == 0 ||
                    (f->object.soname && strcmp(f->object.soname, name) == 0))
                        return true;
        }
        /* These come from the kernel, not from a file. */
        return strcmp(name, "linux-vdso.so.1") == 0 || strcmp(name, "linux-gate.so.1") == 0;
}

static int find_library(struct collector *c, const char *name, const struct found *loader)
{
        _cleanup_(found_freep) struct found *f = NULL;
        int r;

        if (is_there(c, name))
                return 0;
        f = found_new(name, loader);
        if (!f)
                return no_memory(c);
        r = search(c, f);
        if (r == 0)
                return kt_error_set(c->reterr, -ENOPKG, c->library_error_name,
                                    "library %s, needed by %s, is not found: install the package that has "
                                    "it, or put its folder into LD_LIBRARY_PATH",
                                    name, loader->file.path);
        return r < 0 ? r : keep_found(c, &f);
}

static int find_interpreter(struct collector *c)
{
        _cleanup_(found_freep) struct found *f = NULL;
        const struct found *program = c->found[0];
        const char *path = program->object.interpreter;
        int r;

        if (!path)
                return 0;
        if (*path != '/')
                return kt_error_set(c->reterr, -ENOEXEC, c->error_name,
                                    "%s names the loader '%s', which is no absolute path",
                                    program->file.path, path);
        f = found_new(path, program);
        if (!f)
                return no_memory(c);
        r = try_path(c, path, f);
        if (r == 0)
                return kt_error_set(c->reterr, -ENOPKG, c->library_error_name,
                                    "loader %s, needed by %s, is not found: install the C library that it "
                                    "was built for",
                                    path, program->file.path);
        return r < 0 ? r : keep_found(c, &f);
}

static int find_all(struct collector *c)
{
        int r;

        r = kt_ld_cache_load(LD_CACHE_PATH, &c->cache);
        if (r < 0)
                return kt_error_set(c->reterr, r, c->library_error_name, "cannot read " LD_CACHE_PATH ": %s",
                                    strerror(-r));
        r = find_interpreter(c);
        for (size_t i = 0; i < c->n && r >= 0; i++) {
                const struct found *f = c->found[i];

                for (size_t k = 0; k < f->object.n_needed && r >= 0; k++)
                        r = find_library(c, f->object.needed[k], f);
        }
        return r;
}

static struct kt_elf_file take_file(struct found *f)
{
        struct kt_elf_file file = f->file;

        f->file = (struct kt_elf_file){.fd = -1};
        return file;
}

static int hand_over(struct collector *c, struct kt_elf_deps *ret)
{
        struct kt_elf_deps deps = {.program.fd = -1};

        if (c->n > 1) {
                deps.files = calloc(c->n - 1, sizeof(deps.files[0]));
                if (!deps.files)
                        return no_memory(c);
        }
        deps.interpreter = TAKE_PTR(c->found[0]->object.interpreter);
        deps.program = take_file(c->found[0]);
        for (size_t i = 1; i < c->n; i++)
                deps.files[deps.n_files++] = take_file(c->found[i]);
        *ret = deps;
        return 0;
}

int kt_elf_deps_collect(const char *path, const char *ld_library_path, const char *error_name,
                        const char *library_error_name, struct kt_elf_deps *ret, struct kt_error *reterr)
{
        _cleanup_free_ struct collector *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return kt_error_set(reterr, -ENOMEM, error_name, "out of memory");
        c->ld_library_path = ld_library_path;
        c->error_name = error_name;
        c->library_error_name = library_error_name;
        c->reterr = reterr;

        r = open_program(c, path);
        if (r >= 0)
                r = find_all(c);
        if (r >= 0)
                r = hand_over(c, ret);
        collector_done(c);
        return r;
}

void kt_script_interpreter(int fd, char ret[KT_SCRIPT_LINE_MAX])
{
        char line[KT_SCRIPT_LINE_MAX], *save = NULL;
        ssize_t n = pread(fd, line, sizeof(line) - 1, 0);
        const char *program, *name;

        ret[0] = '\0';
        line[n < 0 ? 0 : n] = '\0';
        if (strncmp(line, "#!", 2) != 0)
                return;
        line[strcspn(line, "\n")] = '\0';
        program = strtok_r(line + 2, " \t\r", &save);
        name = program && strcmp(program, "/usr/bin/env") == 0 ? strtok_r(NULL, " \t\r", &save) : NULL;
        if (name && !strchr(name, '/'))
                snprintf(ret, KT_SCRIPT_LINE_MAX, "/bin/%.200s", name);
        else if (name || program)
                snprintf(ret, KT_SCRIPT_LINE_MAX, "%s", name ? name : program);
}
