/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "accel.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../proto/errors.h"
#include "kvmprobe.h"
#include "qemu_check.h"
#include "tsc.h"

static const char *const names[_ACCEL_MAX] = {[ACCEL_KVM] = "kvm", [ACCEL_TCG] = "tcg"};

const char *accel_name(enum accel a)
{
        assert(a >= 0 && a < _ACCEL_MAX);
        return names[a];
}

static void judge_tcg(const struct qemu_check *qemu, struct accel_status *ret)
{
        ret->usable = qemu->runs;
        ret->probe_us = qemu->took_us;
        if (qemu->runs)
                snprintf(ret->reason, sizeof(ret->reason), "QEMU %s emulates an x86_64 CPU%s", qemu->version,
                         qemu->parallel_tcg ? ""
                                            : "; its vCPUs share one host thread, for with one each QEMU "
                                              "corrupts guests before 8.1");
        else
                memcpy(ret->reason, qemu->reason, sizeof(ret->reason));
}

/* KVM itself first: what is wrong with it matters more than what is wrong with QEMU, which is said under tcg
 * too. */
static void judge_kvm(const struct kvmprobe_result *kvm, const struct qemu_check *qemu,
                      struct accel_status *ret)
{
        ret->probe_us = kvm->probe_us;
        if (kvm->outcome != KVMPROBE_USABLE || (qemu->runs && qemu->has_kvm)) {
                ret->usable = kvm->outcome == KVMPROBE_USABLE;
                memcpy(ret->reason, kvm->reason, sizeof(ret->reason));
        } else if (qemu->runs) {
                snprintf(ret->reason, sizeof(ret->reason),
                         "the host's KVM works, but this QEMU %s was built without it: use the "
                         "distribution's",
                         qemu->version);
        } else {
                memcpy(ret->reason, qemu->reason, sizeof(ret->reason));
        }
}

void accel_probe(const char *qemu_path, struct accel_report *ret)
{
        const struct tsc_moment begin = tsc_look();
        struct kvmprobe_result kvm;
        struct qemu_check qemu;

        *ret = (struct accel_report){0};
        kvmprobe_run("/dev/kvm", &kvm);
        qemu_check_run(qemu_path, &qemu);
        judge_kvm(&kvm, &qemu, &ret->of[ACCEL_KVM]);
        judge_tcg(&qemu, &ret->of[ACCEL_TCG]);
        ret->tcg_one_thread = qemu.runs && !qemu.parallel_tcg;
        memcpy(ret->qemu_version, qemu.version, sizeof(ret->qemu_version));
        ret->tsc_khz = tsc_khz_since(&begin);
        ret->chosen = ret->of[ACCEL_KVM].usable ? ACCEL_KVM : ACCEL_TCG;
}

static int pick_auto(const struct accel_report *report, enum accel *ret, struct kt_error *reterr)
{
        if (!report->of[report->chosen].usable)
                return kt_error_set(reterr, -ENODEV, KT_E_ACCEL_UNUSABLE,
                                    "no accelerator can run a guest here: %s",
                                    report->of[report->chosen].reason);
        *ret = report->chosen;
        return 0;
}

int accel_pick(const struct accel_report *report, const char *asked, enum accel *ret,
               struct kt_error *reterr)
{
        if (!asked || strcmp(asked, "auto") == 0)
                return pick_auto(report, ret, reterr);
        for (enum accel a = 0; a < _ACCEL_MAX; a++) {
                if (strcmp(asked, names[a]) != 0)
                        continue;
                if (!report->of[a].usable)
                        return kt_error_set_field(
                                reterr, -ENODEV, KT_E_ACCEL_UNUSABLE, "accel",
                                "%s cannot run a guest here: %s; take --accel auto, and see "
                                "`ktstrctl doctor`",
                                names[a], report->of[a].reason);
                *ret = a;
                return 0;
        }
        return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "accel",
                                  "unknown accelerator '%s': use auto, kvm or tcg", asked);
}
