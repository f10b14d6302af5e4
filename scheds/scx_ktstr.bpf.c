/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A FIFO scheduler over one shared DSQ, with faults on demand. The faults that strike while it runs are
 * plain ints at the start of .bss, so that user space, and a host that looks into the guest's memory, can
 * set them.
 */
#include "scx.bpf.h"

char _license[] SEC("license") = "GPL";

#define SHARED_DSQ 0

/* The order is a contract: stall at offset 0 of .bss, crash at offset 4 (scx_ktstr.c asserts it). */
volatile int stall;      /* dispatch nothing: the watchdog will find a runnable task that does not run */
volatile int crash;      /* scx_bpf_error() at the next dispatch */
volatile int degrade_rt; /* every second dispatch does nothing */
unsigned int degrade_cnt, slow_cnt;

struct {
        int kind;
        long long exit_code;
        char reason[128];
        char msg[1024];
} uei;

/* Resized by the loader to the dump's length. */
char uei_dump[1] SEC(".data.uei_dump");

const volatile bool degrade, slow, scattershot, fail_verify, verify_loop;
const volatile unsigned int uei_dump_len;

/* A store through NULL, which no verifier lets pass. */
static __always_inline void bad_store(void)
{
        *(volatile int *)0 = 1;
}

/* A log with a repeating pattern in it, and then a rejection. */
static __always_inline void repeat_and_fail(void)
{
        volatile u64 x = bpf_ktime_get_ns();

#pragma unroll
        for (int i = 0; i < 8; i++) {
                x = x * 31 + 7;
                if (x & 1)
                        x ^= x >> 3;
                else
                        x += x << 2;
        }
        bad_store();
}

static __always_inline bool insert_somewhere(struct task_struct *p, u64 enq_flags)
{
        u32 cpu = bpf_get_prandom_u32();

        cpu %= bpf_ksym_exists(scx_bpf_nr_cpu_ids) ? scx_bpf_nr_cpu_ids() : 1;
        if (!bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
                return false;
        scx_insert(p, SCX_DSQ_LOCAL_ON | cpu, SCX_SLICE_DFL, enq_flags);
        return true;
}

SEC("struct_ops/ktstr_enqueue")
void BPF_PROG(ktstr_enqueue, struct task_struct *p, u64 enq_flags)
{
        if (fail_verify)
                bad_store();
        if (verify_loop)
                repeat_and_fail();
        /* Kernel threads are exempt from all faults: the watchdog that shall find a stall is one of them. */
        if (p->flags & PF_KTHREAD) {
                scx_insert(p, SCX_DSQ_LOCAL, SCX_SLICE_DFL, enq_flags);
                return;
        }
        if ((scattershot || degrade || degrade_rt) && insert_somewhere(p, enq_flags))
                return;
        scx_insert(p, SHARED_DSQ, SCX_SLICE_DFL, enq_flags);
}

SEC("struct_ops/ktstr_dispatch")
void BPF_PROG(ktstr_dispatch, s32 cpu, struct task_struct *prev)
{
        if (stall)
                return;
        if (crash) {
                scx_error("ktstr: host-triggered crash");
                return;
        }
        if ((degrade || degrade_rt) && __sync_fetch_and_add(&degrade_cnt, 1) % 2)
                return;
        if (slow && __sync_fetch_and_add(&slow_cnt, 1) % 4)
                return;
        scx_move_to_local(SHARED_DSQ);
}

SEC("struct_ops/ktstr_dump")
void BPF_PROG(ktstr_dump, struct scx_dump_ctx *dump_ctx)
{
        static char fmt[] = "stall=%d crash=%d degrade_rt=%d\n";
        unsigned long long data[] = {stall, crash, degrade_rt};

        if (bpf_ksym_exists(scx_bpf_dump_bstr))
                scx_bpf_dump_bstr(fmt, data, sizeof(data));
}

SEC("struct_ops.s/ktstr_init")
s32 BPF_PROG(ktstr_init)
{
        return scx_bpf_create_dsq(SHARED_DSQ, -1);
}

SEC("struct_ops/ktstr_exit")
void BPF_PROG(ktstr_exit, struct scx_exit_info *ei)
{
        bpf_probe_read_kernel_str(uei.reason, sizeof(uei.reason), ei->reason);
        bpf_probe_read_kernel_str(uei.msg, sizeof(uei.msg), ei->msg);
        bpf_probe_read_kernel_str(uei_dump, uei_dump_len, ei->dump);
        uei.exit_code = ei->exit_code;
        /* Last, and so that nobody sees it before the rest: it is what user space waits for. */
        __sync_val_compare_and_swap(&uei.kind, 0, ei->kind);
}

SEC(".struct_ops.link")
struct sched_ext_ops ktstr_ops = {
        .enqueue = (void *)ktstr_enqueue,
        .dispatch = (void *)ktstr_dispatch,
        .dump = (void *)ktstr_dump,
        .init = (void *)ktstr_init,
        .exit = (void *)ktstr_exit,
        .timeout_ms = 20000,
        .name = "ktstr",
};
