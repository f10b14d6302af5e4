/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../proto/bodymsg.h"

#ifndef SCHED_EXT
#define SCHED_EXT 7
#endif

/* As in <linux/sched/types.h>, which cannot be included beside <sched.h> of every libc. */
struct attr {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
};

static const struct {
        const char *name;
        uint32_t policy;
} classes[] = {
        [KTSTR_POLICY_UNSET] = {"NORMAL", SCHED_OTHER}, [KTSTR_POLICY_NORMAL] = {"NORMAL", SCHED_OTHER},
        [KTSTR_POLICY_BATCH] = {"BATCH", SCHED_BATCH},  [KTSTR_POLICY_IDLE] = {"IDLE", SCHED_IDLE},
        [KTSTR_POLICY_FIFO] = {"FIFO", SCHED_FIFO},     [KTSTR_POLICY_RR] = {"RR", SCHED_RR},
        [KTSTR_POLICY_DEADLINE] = {"DEADLINE", 6},      [KTSTR_POLICY_EXT] = {"EXT", SCHED_EXT},
};

static bool is_real_time(const struct ktstr_policy *p)
{
        return p->class == KTSTR_POLICY_FIFO || p->class == KTSTR_POLICY_RR;
}

static int check_deadline(const struct ktstr_policy *p, struct kt_error *reterr)
{
        if (p->runtime_ns > 0 && p->runtime_ns <= p->deadline_ns && p->deadline_ns <= p->period_ns)
                return 0;
        return kt_error_set(reterr, -EINVAL, NULL,
                            "policy DEADLINE wants 0 < runtime <= deadline <= period, got %" PRIu64
                            ", %" PRIu64 ", %" PRIu64 " ns",
                            p->runtime_ns, p->deadline_ns, p->period_ns);
}

int policy_check(const struct ktstr_policy *p, int nice, struct kt_error *reterr)
{
        if ((unsigned)p->class >= KT_ARRAY_SIZE(classes))
                return kt_error_set(reterr, -EINVAL, NULL, "there is no policy %d", (int)p->class);
        if (nice < -20 || nice > 19)
                return kt_error_set(reterr, -EINVAL, NULL, "nice is from -20 to 19, got %d", nice);
        if (p->class == KTSTR_POLICY_DEADLINE)
                return check_deadline(p, reterr);
        if (is_real_time(p) && (p->priority == KT_AGENT_PRIORITY || p->priority == KT_BODY_PRIORITY))
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "policy %s wants a priority from 1 to %d, got %d, which is that of %s: "
                                    "nothing of a test may keep it from running",
                                    classes[p->class].name, KT_WORKER_PRIORITY_MAX, p->priority,
                                    p->priority == KT_AGENT_PRIORITY ? "the agent" : "the test's body");
        if (is_real_time(p) && (p->priority < 1 || p->priority > KT_WORKER_PRIORITY_MAX))
                return kt_error_set(reterr, -EINVAL, NULL, "policy %s wants a priority from 1 to %d, got %d",
                                    classes[p->class].name, KT_WORKER_PRIORITY_MAX, p->priority);
        if (!is_real_time(p) && p->priority != 0)
                return kt_error_set(reterr, -EINVAL, NULL, "policy %s has no priority, got %d",
                                    classes[p->class].name, p->priority);
        return 0;
}

static const char *why(const struct ktstr_policy *p, int err)
{
        if (p->class == KTSTR_POLICY_EXT && err == EINVAL)
                return "this kernel has no SCHED_EXT";
        if (p->class == KTSTR_POLICY_DEADLINE && err == EBUSY)
                return "there is no bandwidth left for it";
        if (p->class == KTSTR_POLICY_DEADLINE && err == EPERM)
                return "it may not have a cpuset or an affinity that are not all CPUs";
        return strerror(err);
}

int policy_apply(pid_t pid, const struct ktstr_policy *p, int nice, struct kt_error *reterr)
{
        const struct attr a = {
                .size = sizeof(a),
                .policy = classes[p->class].policy,
                .nice = nice,
                .priority = (uint32_t)p->priority,
                .runtime = p->runtime_ns,
                .deadline = p->deadline_ns,
                .period = p->period_ns,
        };

        if (p->class == KTSTR_POLICY_UNSET && nice == 0)
                return 0;
        if (syscall(SYS_sched_setattr, pid, &a, 0) == 0 || errno == ESRCH)
                return 0;
        return kt_error_set(reterr, -errno, NULL, "cannot give a worker the policy %s, nice %d: %s",
                            classes[p->class].name, nice, why(p, errno));
}
