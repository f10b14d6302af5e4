/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "shape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/sha256.h"
#include "../proto/errors.h"
#include "qemu_args.h"

/* Changes when what a template's files are changes. */
#define KEY_FORMAT "ktstr shape 1\n"
#define CPUINFO_MAX (64U << 20)

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* --- the key --- */

/* The first processor's lines that say what a guest with the host's CPU model would see. */
static void write_host(FILE *f)
{
        static const char *const fields[] = {"vendor_id", "cpu family", "model",     "model name",
                                             "stepping",  "microcode",  "flags\t\t", "bugs"};
        _cleanup_free_ char *text = NULL;
        struct utsname u;
        size_t size;

        uname(&u);
        fprintf(f, "host %s\n", u.release);
        if (kt_read_file(AT_FDCWD, "/proc/cpuinfo", CPUINFO_MAX, &text, &size) < 0)
                return;
        for (char *save = NULL, *line = strtok_r(text, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save)) {
                if (strncmp(line, "processor", 9) == 0 && line != text)
                        break;
                for (size_t i = 0; i < KT_ARRAY_SIZE(fields); i++)
                        if (strncmp(line, fields[i], strlen(fields[i])) == 0)
                                fprintf(f, "%s\n", line);
        }
}

/* As a template would be started, with the numbers that differ from start to start left as they are here. */
static int write_args(FILE *f, const struct shape *s, const char *qemu_path)
{
        const struct qemu_args_params params = {.qemu_path = qemu_path,
                                                .id = "template",
                                                .shape = s,
                                                .agent_fd = 3,
                                                .qmp_fd = 4,
                                                .console_fd = 5,
                                                .memory_fd = 6};
        char **argv = qemu_args_make(&params);

        if (!argv)
                return -ENOMEM;
        for (char **a = argv; *a; a++)
                fprintf(f, "%s\n", *a);
        qemu_args_free(argv);
        return 0;
}

static int write_all(FILE *f, const struct shape *s, const struct shape_params *p)
{
        struct stat st;

        if (stat(p->qemu_path, &st) < 0)
                return -errno;
        fputs(KEY_FORMAT, f);
        fprintf(f, "qemu %s %lld %lld.%09ld\n", p->report->qemu_version, (long long)st.st_size,
                (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
        fprintf(f, "kernel %s %s\n", s->kernel->key, s->kernel->image_sha256);
        if (s->accel == ACCEL_KVM)
                write_host(f);
        else
                /* It is never measured twice the same. */
                fprintf(f, "tsc %u\n", (p->report->tsc_khz + 5000) / 10000);
        return write_args(f, s, p->qemu_path);
}

static int make_key(struct shape *s, const struct shape_params *p, struct kt_error *reterr)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *f = open_memstream(&text, &size);
        int r;

        if (!f)
                return oom(reterr);
        r = write_all(f, s, p);
        if (fclose(f) != 0 && r >= 0)
                r = -ENOMEM;
        if (r >= 0)
                r = kt_sha256_mem(text, size, s->key);
        return r >= 0 ? 0
                      : kt_error_set(reterr, r, KT_E_GUEST_START, "cannot look at the QEMU %s: %s",
                                     p->qemu_path, strerror(-r));
}

/* --- the rest --- */

static int plan_memory(struct shape *s, struct kt_error *reterr)
{
        uint64_t kernel_end;
        struct stat st;
        int r;

        r = qemu_args_check_topology(&s->topology, s->accel, reterr);
        if (r < 0)
                return r;
        r = memory_layout_kernel_end(s->kernel->image_path, &kernel_end, reterr);
        if (r < 0)
                return r;
        if (stat(s->initramfs_path, &st) < 0)
                return kt_error_set(reterr, -errno, KT_E_GUEST_START, "no initramfs at %s: %s",
                                    s->initramfs_path, strerror(errno));
        return memory_layout_make(&s->topology, s->memory_mib, kernel_end, (uint64_t)st.st_size,
                                  s->kernel->devmem, &s->layout, reterr);
}

static char *make_text(const struct shape *s)
{
        char topology[TOPOLOGY_TEXT_MAX];

        topology_format(&s->topology, topology);
        return kt_format("%s/%s/%uM/%s%s%s", s->kernel->key, topology, s->memory_mib, accel_name(s->accel),
                         s->kargs ? " " : "", s->kargs ? s->kargs : "");
}

/* In one string. NULL when memory is out. */
static char *join(char *const *kargs)
{
        char *all = strdup(kargs[0]);

        for (size_t i = 1; all && kargs[i]; i++) {
                char *longer = kt_format("%s %s", all, kargs[i]);

                free(all);
                all = longer;
        }
        return all;
}

int shape_new(const struct shape_params *params, struct kernel *kernel, char *initramfs_path,
              struct shape **ret, struct kt_error *reterr)
{
        struct shape *s = calloc(1, sizeof(*s));
        int r;

        if (!s) {
                kernel_free(kernel);
                free(initramfs_path);
                return oom(reterr);
        }
        *s = (struct shape){
                .refs = 1,
                .topology = params->topology,
                .memory_mib = params->memory_mib,
                .accel = params->accel,
                .tcg_one_thread = params->report->tcg_one_thread,
                .kernel = kernel,
                .initramfs_path = initramfs_path,
        };
        r = plan_memory(s, reterr);
        if (r >= 0 && params->kargs && params->kargs[0] && !(s->kargs = join(params->kargs)))
                r = oom(reterr);
        if (r >= 0 && !(s->text = make_text(s)))
                r = oom(reterr);
        if (r >= 0)
                r = make_key(s, params, reterr);
        if (r < 0) {
                shape_unref(s);
                return r;
        }
        /* Not in the key, where it is less exact. */
        if (s->accel == ACCEL_TCG)
                s->tsc_khz = (params->report->tsc_khz + 500) / 1000 * 1000;
        *ret = s;
        return 0;
}

struct shape *shape_ref(struct shape *s)
{
        s->refs++;
        return s;
}

void shape_unref(struct shape *s)
{
        if (!s || --s->refs > 0)
                return;
        kernel_free(s->kernel);
        free(s->initramfs_path);
        free(s->kargs);
        free(s->text);
        free(s);
}
