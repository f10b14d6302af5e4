/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "config.h"
#include "host.h"

static void found(struct doctor_report *r, const char *subject, enum finding_level level, const char *next,
                  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void found(struct doctor_report *r, const char *subject, enum finding_level level, const char *next,
                  const char *fmt, ...)
{
        struct doctor_finding *f;
        va_list ap;

        if (r->n_findings == DOCTOR_FINDINGS_MAX)
                return;
        f = &r->findings[r->n_findings++];
        f->subject = subject;
        f->level = level;
        f->next = next;
        va_start(ap, fmt);
        vsnprintf(f->message, sizeof(f->message), fmt, ap);
        va_end(ap);
}

static void look_at_program(struct doctor_report *r, const char *subject, const char *path, const char *next)
{
        if (path && access(path, X_OK) == 0)
                found(r, subject, FINDING_OK, NULL, "%s", path);
        else
                found(r, subject, FINDING_PROBLEM, next, "%s: %s", path ? path : "not configured",
                      path ? strerror(errno) : "no path is known");
}

static void look_at_kernels(struct doctor_report *r, struct kcache *kcache)
{
        struct kernel **list = NULL;
        unsigned n = 0, able = 0, corrupt = 0;

        if (kcache_list(kcache, &list, NULL) < 0) {
                found(r, "kernel", FINDING_PROBLEM, NULL, "the kernel cache %s cannot be read",
                      kcache_root(kcache));
                return;
        }
        for (struct kernel **k = list; *k; k++, n++) {
                able += !(*k)->error && (*k)->sched_ext && (*k)->has_btf;
                corrupt += (*k)->error != NULL;
        }
        kernel_list_free(list);
        found(r, "kernel", able ? FINDING_OK : FINDING_PROBLEM,
              able ? NULL
                   : "ktstrctl kernel build, or kernel import FILE of one that has CONFIG_SCHED_CLASS_EXT=y",
              "%u cached in %s, %u with sched_ext", n, kcache_root(kcache), able);
        if (corrupt)
                found(r, "kernel", FINDING_WARNING,
                      "ktstrctl kernel list names them, ktstrctl kernel remove KEY removes one",
                      "%u cached kernels are corrupt and are not used", corrupt);
}

static void look_at_folder(struct doctor_report *r, const char *subject, const char *path)
{
        struct statvfs st;

        if (access(path, W_OK) < 0)
                found(r, subject, FINDING_PROBLEM, "make it, or let the daemon's user write there", "%s: %s",
                      path, strerror(errno));
        else if (statvfs(path, &st) == 0) {
                unsigned long long free_mib = (unsigned long long)st.f_bavail * st.f_frsize / (1024 * 1024);

                found(r, subject, free_mib < 512 ? FINDING_WARNING : FINDING_OK,
                      free_mib < 512 ? "free some space; a kernel takes about 70 MiB" : NULL,
                      "%s, %llu MiB free", path, free_mib);
        }
}

void doctor_look(const struct config *config, struct kcache *kcache, struct doctor_report *ret)
{
        *ret = (struct doctor_report){};
        accel_probe(config->qemu_path, &ret->accel);

        const struct accel_status *kvm = &ret->accel.of[ACCEL_KVM], *tcg = &ret->accel.of[ACCEL_TCG];
        if (kvm->usable)
                found(ret, "accelerator", FINDING_OK, NULL, "kvm: %s", kvm->reason);
        else if (tcg->usable)
                found(ret, "accelerator", FINDING_WARNING, NULL,
                      "guests are emulated in software (tcg), since %s", kvm->reason);
        else
                found(ret, "accelerator", FINDING_PROBLEM, "install qemu-system-x86",
                      "neither kvm (%s) nor tcg (%s)", kvm->reason, tcg->reason);
        look_at_program(ret, "qemu", config->qemu_path, "install qemu-system-x86, or name it with --qemu");
        look_at_program(ret, "agent", config->agent_path,
                        "install ktstrd again, or name ktstr-guest with --agent");
        look_at_program(ret, "helper", config->exec_helper, "install ktstrd again");
        if (config->busybox_path)
                look_at_program(ret, "busybox", config->busybox_path, "shell --exec needs a static busybox");
        else
                found(ret, "busybox", FINDING_WARNING, "install busybox-static, or name one with --busybox",
                      "no static busybox: guests have no /bin/sh, `shell --exec` will not work");
        look_at_kernels(ret, kcache);
        look_at_folder(ret, "cache", kcache_root(kcache));
        look_at_folder(ret, "state", config->state_dir);
        found(ret, "memory", FINDING_OK, NULL, "%llu MiB for guests, %u CPUs",
              (unsigned long long)config->guest_memory >> 20, host_cpus());
}
