/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/elfdeps.h"
#include "../common/fsutil.h"
#include "../common/sha256.h"
#include "../proto/errors.h"
#include "../proto/guestmsg.h"
#include "caller_rights.h"
#include "config.h"
#include "file_hash.h"

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static int check_kernel(const struct prepared *p, const struct kernel *k, struct kt_error *reterr)
{
        if (p->spec->sched_name && !k->sched_ext)
                return kt_error_set_field(reterr, -EOPNOTSUPP, KT_E_KERNEL_UNSUITABLE, "kernel",
                                          "kernel %s has no sched_ext (CONFIG_SCHED_CLASS_EXT is off), no "
                                          "scheduler can attach; choose "
                                          "another with --kernel, see `ktstrctl kernel list`",
                                          k->key);
        if (p->spec->sched_name && !k->has_btf)
                return kt_error_set_field(reterr, -EOPNOTSUPP, KT_E_KERNEL_UNSUITABLE, "kernel",
                                          "kernel %s has no BTF (CONFIG_DEBUG_INFO_BTF is off), no "
                                          "scheduler can be loaded; choose "
                                          "another with --kernel, see `ktstrctl kernel list`",
                                          k->key);
        return 0;
}

/* Leases the kernel, as it is now in the cache: another may have come to have its key. Takes it, also on
 * failure. */
static int prepare_shape(struct prepared *p, struct kernel *k, struct kt_error *reterr)
{
        const struct shape_params params = {
                .topology = p->spec->topology,
                .memory_mib = p->spec->memory_mib,
                .accel = p->accel,
                .kargs = p->spec->kargs,
                .report = &p->report,
                .qemu_path = p->config->qemu_path,
        };
        struct kernel *now;
        int r;

        r = kcache_use(p->kcache, k->key, NULL, &now, &p->lease_fd, reterr);
        if (r >= 0) {
                kernel_free(k);
                k = now;
        }
        if (r >= 0)
                r = initramfs_ensure(p->kcache, k, p->userland, &p->initramfs, reterr);
        if (r < 0) {
                kernel_free(k);
                return r;
        }
        return shape_new(&params, k, TAKE_PTR(p->initramfs.path), &p->shape, reterr);
}

static int prepare_guest(struct prepared *p, struct kt_error *reterr)
{
        const struct kernel_caller caller = {p->spec->uid, p->spec->gid};
        struct kernel *k;
        int r;

        r = kernel_resolve_as(p->kcache, &caller, p->spec->kernel, true, &k, reterr);
        if (r < 0)
                return r;
        r = check_kernel(p, k, reterr);
        if (r < 0) {
                kernel_free(k);
                return r;
        }
        r = prepare_shape(p, k, reterr);
        if (r >= 0 && p->store)
                p->template = template_store_get(p->store, p->shape);
        return r;
}

static const struct prepared_file *find_file(const struct prepared *p, const char *guest_path)
{
        for (size_t i = 0; i < p->n_files; i++)
                if (strcmp(p->files[i].guest_path, guest_path) == 0)
                        return &p->files[i];
        return NULL;
}

/* Is what has come for a place the same as what is there? */
static int check_same(const struct prepared_file *there, int fd, uint64_t size, const char *name,
                      struct kt_error *reterr)
{
        char ours[65], theirs[65];
        int r = 0;

        if (there->size == size) {
                r = file_hash(there->fd, ours);
                if (r >= 0)
                        r = file_hash(fd, theirs);
        }
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_BAD_FILE, "cannot read %s: %s", name, strerror(-r));
        if (there->size == size && strcmp(ours, theirs) == 0)
                return 0;
        return kt_error_set(reterr, -EEXIST, KT_E_BAD_FILE,
                            "duplicate file: two that differ are to be %s in the guest, %s and %s",
                            there->guest_path, there->name, name);
}

/* Take over an open file. name is for messages. */
static int add_file(struct prepared *p, const char *guest_path, int fd, int mode, const char *name,
                    struct kt_error *reterr)
{
        _cleanup_close_ int owned = fd;
        const struct prepared_file *there = find_file(p, guest_path);
        struct prepared_file *grown;
        struct stat st;

        if (fstat(owned, &st) < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "cannot read %s: %s", name,
                                    strerror(errno));
        if (!S_ISREG(st.st_mode))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE, "%s is no regular file", name);
        if (there)
                return check_same(there, owned, (uint64_t)st.st_size, name, reterr);
        grown = realloc(p->files, (p->n_files + 1) * sizeof(*grown));
        if (!grown)
                return oom(reterr);
        p->files = grown;
        struct prepared_file *f = &grown[p->n_files];
        *f = (struct prepared_file){.guest_path = strdup(guest_path),
                                    .name = strdup(name),
                                    .fd = TAKE_FD(owned),
                                    .size = (uint64_t)st.st_size,
                                    .mode = (unsigned)(mode >= 0 ? mode : (int)(st.st_mode & 07777))};
        p->n_files++;
        return f->guest_path && f->name ? 0 : oom(reterr);
}

/* A guest has one shell and no other interpreter. */
static int check_interpreter(int fd, const char *path, const char *error_name, struct kt_error *reterr)
{
        char interpreter[KT_SCRIPT_LINE_MAX];

        kt_script_interpreter(fd, interpreter);
        if (!interpreter[0] || strcmp(interpreter, KT_GUEST_SHELL) == 0)
                return 0;
        return kt_error_set(reterr, -ENOEXEC, error_name,
                            "%s is a script for %s, and a guest has only " KT_GUEST_SHELL
                            " (busybox): write it for that, or give a program",
                            path, interpreter);
}

/* A scheduler or a test's program by path: with the caller's rights, and its libraries as the loader would
 * find them. */
static int add_program(struct prepared *p, const char *path, const char *guest_path, const char *error_name,
                       struct kt_error *reterr)
{
        struct kt_elf_deps deps = {};
        int r;

        r = kt_elf_deps_collect(path, NULL, error_name, KT_E_LIBRARY_NOT_FOUND, &deps, reterr);
        if (r < 0)
                return r;
        r = check_interpreter(deps.program.fd, path, error_name, reterr);
        if (r >= 0)
                r = add_file(p, guest_path, TAKE_FD(deps.program.fd), 0755, path, reterr);
        for (size_t i = 0; r >= 0 && i < deps.n_files; i++) {
                struct kt_elf_file *f = &deps.files[i];
                _cleanup_free_ char *lib =
                        f->name[0] == '/' ? strdup(f->name) : kt_path_join(KT_GUEST_LIB_DIR, f->name);
                r = lib ? add_file(p, lib, TAKE_FD(f->fd), 0755, f->path, reterr) : oom(reterr);
        }
        kt_elf_deps_done(&deps);
        return r;
}

static int prepare_files(struct prepared *p, struct kt_error *reterr)
{
        const struct job_spec *spec = p->spec;
        int r = 0;

        if (spec->sched_path)
                r = add_program(p, spec->sched_path, spec->sched_program, KT_E_BAD_SCHEDULER, reterr);
        if (r >= 0 && spec->test_path)
                r = add_program(p, spec->test_path, spec->test_program, KT_E_BAD_FILE, reterr);
        for (size_t i = 0; r >= 0 && i < spec->n_files; i++) {
                struct job_file *f = &spec->files[i];
                int fd = f->path ? open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : TAKE_FD(f->fd);

                if (fd < 0)
                        return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "cannot open %s: %s", f->path,
                                            strerror(errno));
                r = add_file(p, f->guest_path, fd, f->mode, f->path ? f->path : f->guest_path, reterr);
        }
        return r;
}

static int hash_scheduler(struct prepared *p, struct kt_error *reterr)
{
        const struct prepared_file *f = p->spec->sched_program ? find_file(p, p->spec->sched_program) : NULL;
        int r = f ? file_hash(f->fd, p->sched_sha256) : 0;

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_BAD_FILE, "cannot read scheduler %s: %s",
                                    p->spec->sched_name, strerror(-r));
        return 0;
}

static void free_file(struct prepared_file *f)
{
        free(f->guest_path);
        free(f->name);
        kt_closep(&f->fd);
}

/* What every guest has need not come with the job. */
static int leave_out_what_is_there(struct prepared *p, struct kt_error *reterr)
{
        size_t n = 0;

        for (size_t i = 0; i < p->n_files; i++) {
                int r = initramfs_has(&p->initramfs, p->files[i].guest_path, p->files[i].fd);

                if (r < 0)
                        return kt_error_set(reterr, r, KT_E_BAD_FILE, "cannot read %s: %s", p->files[i].name,
                                            strerror(-r));
                if (r > 0)
                        free_file(&p->files[i]);
                else
                        p->files[n++] = p->files[i];
        }
        p->n_files = n;
        return 0;
}

static bool needs_rights(const struct job_spec *spec)
{
        bool any = spec->sched_path || spec->test_path;

        for (size_t i = 0; i < spec->n_files; i++)
                any |= spec->files[i].path != NULL;
        return any;
}

void prepare_work(struct prepared *p)
{
        struct caller_rights rights = {.n_groups = -1};
        int r;

        p->lease_fd = -1;
        /* Only paths need the caller's rights; what came as descriptors is open. */
        r = needs_rights(p->spec) ? caller_rights_take(p->spec->uid, p->spec->gid, &rights, &p->error) : 0;
        if (r >= 0) {
                r = prepare_files(p, &p->error);
                caller_rights_drop(&rights);
        }
        if (r >= 0)
                r = hash_scheduler(p, &p->error);
        if (r >= 0)
                r = prepare_guest(p, &p->error);
        if (r >= 0)
                r = leave_out_what_is_there(p, &p->error);
        p->result = r;
}

void prepare_guest_work(struct prepared *p)
{
        p->lease_fd = -1;
        p->result = prepare_guest(p, &p->error);
}

void prepared_done(struct prepared *p)
{
        template_unref(p->store, p->template);
        shape_unref(p->shape);
        kt_closep(&p->lease_fd);
        initramfs_done(&p->initramfs);
        for (size_t i = 0; i < p->n_files; i++)
                free_file(&p->files[i]);
        free(p->files);
        kt_error_done(&p->error);
}
