/* SPDX-License-Identifier: GPL-2.0-only */
/* One queue for all, and idle CPUs first: the smallest scheduler that is still one. For Linux 6.13 and
 * later. */
#include <stdbool.h>
#include <linux/types.h>

typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* What this needs of the kernel's types, found by name in the running one. A scheduler that needs more
 * includes a vmlinux.h (bpftool btf dump file /sys/kernel/btf/vmlinux format c). */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct {
        int pid;
};

enum scx_exit_kind {
        SCX_EXIT_NONE = 0,
};

struct scx_exit_info {
        enum scx_exit_kind kind;
        const char *reason;
        char *msg;
};

#pragma clang attribute pop

struct sched_ext_ops {
        s32 (*select_cpu)(struct task_struct *p, s32 prev_cpu, u64 wake_flags);
        void (*enqueue)(struct task_struct *p, u64 enq_flags);
        void (*dispatch)(s32 cpu, struct task_struct *prev);
        void (*cpu_online)(s32 cpu);
        void (*cpu_offline)(s32 cpu);
        s32 (*init)(void);
        void (*exit)(struct scx_exit_info *ei);
        u32 timeout_ms;
        char name[128];
};

#define SCX_DSQ_LOCAL 0x8000000000000002ULL
#define SHARED_DSQ 0

extern s32 scx_bpf_create_dsq(u64 dsq_id, s32 node) __ksym;
extern s32 scx_bpf_select_cpu_dfl(struct task_struct *p, s32 prev_cpu, u64 wake_flags, bool *is_idle) __ksym;
extern void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym;
extern bool scx_bpf_dsq_move_to_local(u64 dsq_id) __ksym;
extern void scx_bpf_error_bstr(char *fmt, unsigned long long *data, u32 data__sz) __ksym;

char _license[] SEC("license") = "GPL";

const volatile unsigned long long slice_ns = 20000000;

/* The loader sets it: the next task that is enqueued finds an error that there is not. */
volatile int fail;

/* How it ended, for the loader. */
struct {
        int kind;
        char reason[128];
        char msg[256];
} uei;

SEC("struct_ops/example_select_cpu")
s32 BPF_PROG(example_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
        bool is_idle = false;
        s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);

        if (is_idle)
                scx_bpf_dsq_insert(p, SCX_DSQ_LOCAL, slice_ns, 0);
        return cpu;
}

SEC("struct_ops/example_enqueue")
void BPF_PROG(example_enqueue, struct task_struct *p, u64 enq_flags)
{
        static char text[] = "example: told to fail";
        unsigned long long none[1] = {};

        if (fail)
                scx_bpf_error_bstr(text, none, 0);
        scx_bpf_dsq_insert(p, SHARED_DSQ, slice_ns, enq_flags);
}

SEC("struct_ops/example_dispatch")
void BPF_PROG(example_dispatch, s32 cpu, struct task_struct *prev)
{
        scx_bpf_dsq_move_to_local(SHARED_DSQ);
}

/* There is nothing to do when CPUs come and go: but without these two the kernel ends a scheduler then. */
SEC("struct_ops/example_cpu_online")
void BPF_PROG(example_cpu_online, s32 cpu)
{
}

SEC("struct_ops/example_cpu_offline")
void BPF_PROG(example_cpu_offline, s32 cpu)
{
}

SEC("struct_ops.s/example_init")
s32 BPF_PROG(example_init)
{
        return scx_bpf_create_dsq(SHARED_DSQ, -1);
}

SEC("struct_ops/example_exit")
void BPF_PROG(example_exit, struct scx_exit_info *ei)
{
        bpf_probe_read_kernel_str(uei.reason, sizeof(uei.reason), ei->reason);
        bpf_probe_read_kernel_str(uei.msg, sizeof(uei.msg), ei->msg);
        /* Last: it is what the loader waits for. */
        __sync_val_compare_and_swap(&uei.kind, 0, ei->kind);
}

SEC(".struct_ops.link")
struct sched_ext_ops example_ops = {
        .select_cpu = (void *)example_select_cpu,
        .enqueue = (void *)example_enqueue,
        .dispatch = (void *)example_dispatch,
        .cpu_online = (void *)example_cpu_online,
        .cpu_offline = (void *)example_cpu_offline,
        .init = (void *)example_init,
        .exit = (void *)example_exit,
        .timeout_ms = 5000,
        .name = "example",
};
