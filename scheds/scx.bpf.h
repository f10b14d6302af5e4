/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* clang-format off */
/*
 * What a BPF scheduler needs of sched_ext, from 6.12 to 7.3, and no more: the types by CO-RE (only the members used; libbpf matches them
 * by name against the running kernel's BTF), and the kfuncs with their renames. So nothing of a kernel is needed to build.
 *
 * Renames (kernel/sched/ext.c):
 *   6.13  scx_bpf_dispatch           → scx_bpf_dsq_insert
 *   6.13  scx_bpf_consume            → scx_bpf_dsq_move_to_local
 *   6.19  scx_bpf_dsq_insert         → scx_bpf_dsq_insert___v2, which says whether it did
 *   7.1   scx_bpf_dsq_move_to_local  → …___v2, which takes flags
 */
/* clang-format on */

#include <stdbool.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u32 u32;
typedef __s32 s32;
typedef __u64 u64;
typedef __s64 s64;

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* An enum here, where the kernel has one; its values are the kernel's. */
enum scx_exit_kind {
        SCX_EXIT_NONE = 0,
};

/* Whole, since a kfunc's argument must be a struct here where it is one in the kernel. */
struct cpumask {
        unsigned long bits[1];
};

struct task_struct {
        int pid;
        unsigned int flags;
        const struct cpumask *cpus_ptr;
        char comm[16];
};

struct scx_exit_info {
        enum scx_exit_kind kind;
        s64 exit_code;
        const char *reason;
        char *msg;
        char *dump;
};

struct scx_dump_ctx;

#pragma clang attribute pop

/* Members by name; those left out are as good as NULL. */
struct sched_ext_ops {
        void (*enqueue)(struct task_struct *p, u64 enq_flags);
        void (*dispatch)(s32 cpu, struct task_struct *prev);
        void (*dump)(struct scx_dump_ctx *ctx);
        s32 (*init)(void);
        void (*exit)(struct scx_exit_info *ei);
        u64 flags;
        u32 timeout_ms;
        u32 exit_dump_len;
        char name[128];
};

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

#define SCX_DSQ_LOCAL 0x8000000000000002ULL
#define SCX_DSQ_LOCAL_ON 0xc000000000000000ULL
#define SCX_SLICE_DFL (20ULL * 1000 * 1000) /* ns */

extern s32 scx_bpf_create_dsq(u64 dsq_id, s32 node) __ksym;
extern void scx_bpf_error_bstr(char *fmt, unsigned long long *data, u32 data__sz) __ksym;
extern void scx_bpf_dump_bstr(char *fmt, unsigned long long *data, u32 data__sz) __ksym __weak;
extern u32 scx_bpf_nr_cpu_ids(void) __ksym __weak;
extern bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *cpumask) __ksym;

extern void scx_bpf_dispatch(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym __weak;
extern void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym __weak;
extern bool scx_bpf_dsq_insert___v2(struct task_struct *p, u64 dsq_id, u64 slice,
                                    u64 enq_flags) __ksym __weak;
extern bool scx_bpf_consume(u64 dsq_id) __ksym __weak;
extern bool scx_bpf_dsq_move_to_local(u64 dsq_id) __ksym __weak;
extern bool scx_bpf_dsq_move_to_local___v2(u64 dsq_id, u64 enq_flags) __ksym __weak;

static __always_inline void scx_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags)
{
        if (bpf_ksym_exists(scx_bpf_dsq_insert___v2))
                scx_bpf_dsq_insert___v2(p, dsq_id, slice, enq_flags);
        else if (bpf_ksym_exists(scx_bpf_dsq_insert))
                scx_bpf_dsq_insert(p, dsq_id, slice, enq_flags);
        else
                scx_bpf_dispatch(p, dsq_id, slice, enq_flags);
}

static __always_inline bool scx_move_to_local(u64 dsq_id)
{
        if (bpf_ksym_exists(scx_bpf_dsq_move_to_local___v2))
                return scx_bpf_dsq_move_to_local___v2(dsq_id, 0);
        if (bpf_ksym_exists(scx_bpf_dsq_move_to_local))
                return scx_bpf_dsq_move_to_local(dsq_id);
        return scx_bpf_consume(dsq_id);
}

/* scx_bpf_error("text") without arguments, scx_dump("format %d", one, two …) with at most three numbers. */
#define scx_error(text)                                                                                     \
        ({                                                                                                  \
                static char _fmt[] = text;                                                                  \
                unsigned long long _none[1] = {};                                                           \
                scx_bpf_error_bstr(_fmt, _none, 0);                                                         \
        })
