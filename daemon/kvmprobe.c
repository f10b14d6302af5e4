/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kvmprobe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "../common/cleanup.h"
#include "kvmprobe_guest.h"

/*
 * The deadline. KVM_RUN leaves the kernel early only for a signal, so one is sent to this thread alone by a
 * timer and taken in by KVM itself: it is blocked in the thread and, through KVM_SET_SIGNAL_MASK, open while
 * the guest runs. KVM_RUN then returns EINTR with the signal still pending, and it is never delivered: no
 * handler is needed, and nothing that is process-wide is touched. A signal that arrives before KVM_RUN is
 * entered ends it at once. So no thread, no child.
 *
 * A thread that had a CPU for less than half of that time was kept from it by a busy host, which says
 * nothing of KVM: it is given as much again, up to the patience.
 */
#define DEADLINE_SIGNAL (SIGRTMAX - 1)
#define DEADLINE_MS 700
#define PATIENCE_MS 10000

/*
 * The timed loop: the best of a few rounds, in time on a CPU. A CPU needs about a third of a nanosecond for
 * each of its instructions, QEMU's TCG (when this host is itself such a guest) a few, KVM's emulator
 * hundreds.
 */
#define LOOP_ITERATIONS 20000
#define LOOP_ROUNDS 8
#define LOOP_SLOW_PS 50000 /* picoseconds an instruction */

#define NSEC_PER_MSEC 1000000ULL

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

extern const uint8_t kvmprobe_guest_start[GUEST_CODE_SIZE], kvmprobe_guest_stubs[];

/* What the guest was doing, for people. */
static const char *const step_names[GUEST_STEPS] = {
        [GUEST_STEP_START] = "its first instruction",
        [GUEST_STEP_SEGMENTS] = "loading segments",
        [GUEST_STEP_CONTROL] = "control registers",
        [GUEST_STEP_CPUID] = "cpuid",
        [GUEST_STEP_INT3] = "int3",
        [GUEST_STEP_FAULTS] = "a fault",
        [GUEST_STEP_MSRS] = "model-specific registers",
        [GUEST_STEP_PAGING] = "changing the page table",
        [GUEST_STEP_STRINGS] = "string instructions",
        [GUEST_STEP_ATOMICS] = "atomic instructions",
        [GUEST_STEP_CMPXCHG16B] = "cmpxchg16b",
        [GUEST_STEP_BMI2] = "shlx",
        [GUEST_STEP_SSE] = "SSE state (fxsave, fxrstor)",
        [GUEST_STEP_XSAVE] = "extended state (xsave, xrstor)",
        [GUEST_STEP_USER_MODE] = "going to user mode and back",
        [GUEST_STEP_INTERRUPT] = "an interrupt",
        [GUEST_STEP_LOOP] = "the timed loop",
};

struct probe {
        int kvm_fd, vm_fd, vcpu_fd;
        uint8_t *memory; /* of the guest */
        struct kvm_run *run;
        size_t run_size;
        timer_t deadline;
        uint64_t started_ns, deadline_cpu_ns; /* the latter: the thread's time when the deadline was set */
        struct kvmprobe_result *result;
};

static uint64_t read_clock(clockid_t clock)
{
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static uint64_t now_ns(void)
{
        return read_clock(CLOCK_MONOTONIC);
}

/* What the thread has had of a CPU, its guest's part of it as well. */
static uint64_t cpu_ns(void)
{
        return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* Note how it ended; the value says "do not go on". */
static int conclude(struct probe *p, enum kvmprobe_outcome outcome, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

static int conclude(struct probe *p, enum kvmprobe_outcome outcome, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        p->result->outcome = outcome;
        vsnprintf(p->result->reason, sizeof(p->result->reason), fmt, ap);
        va_end(ap);
        return -1;
}

static int refused(struct probe *p, const char *what)
{
        int num = errno;

        if (num == EBUSY)
                return conclude(p, KVMPROBE_REFUSED,
                                "another hypervisor has this CPU's virtualization (%s): stop it", what);
        return conclude(p, KVMPROBE_REFUSED, "KVM refuses %s: %s", what, strerror(num));
}

static int open_device(struct probe *p, const char *device)
{
        p->kvm_fd = open(device, O_RDWR | O_CLOEXEC);
        if (p->kvm_fd >= 0)
                return 0;
        switch (errno) {
        case ENOENT:
                return conclude(p, KVMPROBE_ABSENT,
                                "no %s: load kvm-amd or kvm-intel; in a virtual machine, have its host turn "
                                "on nested virtualization",
                                device);
        case ENODEV:
        case ENXIO:
                return conclude(p, KVMPROBE_ABSENT,
                                "no driver behind %s: load kvm-amd or kvm-intel, and see that the firmware "
                                "has virtualization on",
                                device);
        case EACCES:
        case EPERM:
                return conclude(p, KVMPROBE_DENIED,
                                "no permission for %s: join the group kvm ('usermod -aG kvm USER' as root, "
                                "then log in again)",
                                device);
        default:
                return conclude(p, KVMPROBE_ABSENT, "cannot open %s: %s", device, strerror(errno));
        }
}

static int create_vm(struct probe *p)
{
        struct kvm_userspace_memory_region region = {.memory_size = GUEST_MEMORY_SIZE};
        int version;

        version = ioctl(p->kvm_fd, KVM_GET_API_VERSION, 0);
        if (version != KVM_API_VERSION)
                return conclude(p, KVMPROBE_REFUSED,
                                "this is no KVM, or one of before 2007 (API version %d)", version);
        p->vm_fd = ioctl(p->kvm_fd, KVM_CREATE_VM, 0);
        if (p->vm_fd < 0)
                return refused(p, "a virtual machine");
        /* Where Intel's hosts keep three pages of their own; harmless on others. */
        if (ioctl(p->vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000UL) < 0)
                return refused(p, "a place for its task state");

        p->memory = mmap(NULL, GUEST_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (p->memory == MAP_FAILED)
                return refused(p, "2 MiB of memory");
        region.userspace_addr = (uintptr_t)p->memory;
        if (ioctl(p->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
                return refused(p, "memory for a virtual machine");
        return 0;
}

static int create_vcpu(struct probe *p)
{
        int size;

        p->vcpu_fd = ioctl(p->vm_fd, KVM_CREATE_VCPU, 0UL);
        if (p->vcpu_fd < 0)
                return refused(p, "a virtual CPU");
        size = ioctl(p->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
        if (size < (int)sizeof(*p->run))
                return refused(p, "the page of a virtual CPU");
        p->run_size = (size_t)size;
        p->run = mmap(NULL, p->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu_fd, 0);
        if (p->run == MAP_FAILED)
                return refused(p, "the page of a virtual CPU");
        return 0;
}

/* What the code may use, and shall put into CR4 and XCR0: all that its CPUID has, as a kernel would. */
struct cpu_features {
        uint64_t flags, cr4, xcr0;
};

static void note_leaf(const struct kvm_cpuid_entry2 *e, struct cpu_features *f)
{
        if (e->function == 1) {
                if (e->ecx & 1U << 13)
                        f->flags |= GUEST_FEATURE_CX16;
                if (e->ecx & 1U << 26) {
                        f->flags |= GUEST_FEATURE_XSAVE;
                        f->cr4 |= 1U << 18;
                }
        } else if (e->function == 7 && e->index == 0) {
                if (e->ebx & 1U << 8)
                        f->flags |= GUEST_FEATURE_BMI2;
                if (e->ebx & 1U << 0) /* FSGSBASE */
                        f->cr4 |= 1U << 16;
                if (e->ebx & 1U << 7) /* SMEP */
                        f->cr4 |= 1U << 20;
                if (e->ebx & 1U << 20) {
                        f->flags |= GUEST_FEATURE_SMAP;
                        f->cr4 |= 1U << 21;
                }
        } else if (e->function == 0xd && e->index == 0) {
                f->xcr0 = e->eax & 7; /* x87, SSE, AVX */
        } else if (e->function == 0xd && e->index == 1) {
                if (e->eax & 1U << 3)
                        f->flags |= GUEST_FEATURE_XSAVES;
        }
}

static int set_cpuid(struct probe *p, struct cpu_features *ret)
{
        const unsigned max = 256;
        _cleanup_free_ struct kvm_cpuid2 *cpuid = NULL;
        /* PAE, MCE, PGE, OSFXSR, OSXMMEXCPT */
        struct cpu_features f = {.cr4 = 1U << 5 | 1U << 6 | 1U << 7 | 1U << 9 | 1U << 10};

        cpuid = calloc(1, sizeof(*cpuid) + max * sizeof(cpuid->entries[0]));
        if (!cpuid)
                return refused(p, "its list of CPU features");
        cpuid->nent = max;
        if (ioctl(p->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
                return refused(p, "its list of CPU features");
        if (ioctl(p->vcpu_fd, KVM_SET_CPUID2, cpuid) < 0)
                return refused(p, "the CPU features it offers itself");
        for (unsigned i = 0; i < cpuid->nent; i++)
                note_leaf(&cpuid->entries[i], &f);
        *ret = f;
        return 0;
}

static void put64(struct probe *p, unsigned long address, uint64_t value)
{
        memcpy(p->memory + address, &value, sizeof(value));
}

/* A descriptor-table register's image: limit, then base. */
static void put_table(struct probe *p, unsigned long address, uint16_t limit, uint64_t base)
{
        memcpy(p->memory + address, &limit, sizeof(limit));
        memcpy(p->memory + address + sizeof(limit), &base, sizeof(base));
}

static void fill_page_tables(struct probe *p)
{
        const uint64_t kernel = 3, user = 7; /* present, writable; and for user mode */

        put64(p, GUEST_PML4, GUEST_PDPT | user);
        put64(p, GUEST_PDPT, GUEST_PD | user);
        put64(p, GUEST_PD, GUEST_PT | user);
        for (uint64_t page = 0; page < GUEST_MEMORY_SIZE; page += 4096)
                put64(p, GUEST_PT + page / 4096 * 8, page | kernel);
        put64(p, GUEST_PT + GUEST_UNMAPPED / 4096 * 8, 0);
        put64(p, GUEST_PT + GUEST_USER_STACK_PAGE / 4096 * 8, GUEST_USER_STACK_PAGE | user);
        put64(p, GUEST_PT + GUEST_USER_CODE / 4096 * 8, GUEST_CODE | user);
}

static void fill_descriptors(struct probe *p)
{
        const uint64_t stubs = GUEST_CODE + (uint64_t)(kvmprobe_guest_stubs - kvmprobe_guest_start);

        put64(p, GUEST_GDT + GUEST_SEL_CODE, 0x00af9b000000ffff);
        put64(p, GUEST_GDT + GUEST_SEL_DATA, 0x00cf93000000ffff);
        put64(p, GUEST_GDT + (GUEST_SEL_USER_DATA & ~7), 0x00cff3000000ffff);
        put64(p, GUEST_GDT + (GUEST_SEL_USER_CODE & ~7), 0x00affb000000ffff);
        put64(p, GUEST_GDT + GUEST_SEL_TSS, 0x0000890000000067 | (uint64_t)GUEST_TSS << 16);
        put64(p, GUEST_TSS + 4, GUEST_STACK_TOP); /* RSP0 */
        for (uint64_t v = 0; v < GUEST_VECTORS; v++) {
                const uint64_t at = stubs + v * GUEST_STUB_SIZE;

                put64(p, GUEST_IDT + v * 16,
                      (at & 0xffff) | (uint64_t)GUEST_SEL_CODE << 16 | 0x8eULL << 40 | (at >> 16) << 48);
                put64(p, GUEST_IDT + v * 16 + 8, 0);
        }
        put_table(p, GUEST_PARAMS + GUEST_PARAM_GDTR, GUEST_GDT_SIZE - 1, GUEST_GDT);
        put_table(p, GUEST_PARAMS + GUEST_PARAM_IDTR, GUEST_VECTORS * 16 - 1, GUEST_IDT);
}

static void fill_memory(struct probe *p, const struct cpu_features *f)
{
        memcpy(p->memory + GUEST_CODE, kvmprobe_guest_start, GUEST_CODE_SIZE);
        fill_page_tables(p);
        fill_descriptors(p);
        put64(p, GUEST_PARAMS + GUEST_PARAM_FEATURES, f->flags);
        put64(p, GUEST_PARAMS + GUEST_PARAM_CR4, f->cr4);
        put64(p, GUEST_PARAMS + GUEST_PARAM_XCR0, f->xcr0);
        put64(p, GUEST_PARAMS + GUEST_PARAM_ITERATIONS, LOOP_ITERATIONS);
}

/* The CPU starts where a kernel's 64-bit entry point does: long mode, paging on, flat segments. */
static int set_registers(struct probe *p)
{
        struct kvm_segment code = {.selector = GUEST_SEL_CODE,
                                   .limit = 0xffffffff,
                                   .type = 11,
                                   .present = 1,
                                   .s = 1,
                                   .l = 1,
                                   .g = 1};
        struct kvm_segment data = {.selector = GUEST_SEL_DATA,
                                   .limit = 0xffffffff,
                                   .type = 3,
                                   .present = 1,
                                   .s = 1,
                                   .db = 1,
                                   .g = 1};
        struct kvm_regs regs = {.rip = GUEST_CODE, .rsp = GUEST_STACK_TOP, .rflags = 2};
        struct kvm_sregs sregs;

        if (ioctl(p->vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
                return refused(p, "the registers of a virtual CPU");
        sregs.cs = code;
        sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
        sregs.cr0 = 0x80050033; /* PG, AM, WP, NE, ET, MP, PE */
        sregs.cr3 = GUEST_PML4;
        sregs.cr4 = 1U << 5; /* PAE */
        sregs.efer = 0xd01;  /* NXE, LMA, LME, SCE */
        if (ioctl(p->vcpu_fd, KVM_SET_SREGS, &sregs) < 0)
                return refused(p, "long mode");
        if (ioctl(p->vcpu_fd, KVM_SET_REGS, &regs) < 0)
                return refused(p, "the registers of a virtual CPU");
        return 0;
}

/* While the guest runs, only the deadline's signal is open. */
static int set_signal_mask(struct probe *p)
{
        union {
                struct kvm_signal_mask mask;
                uint8_t bytes[sizeof(struct kvm_signal_mask) + 8];
        } u = {.mask.len = 8};
        uint64_t blocked = ~(1ULL << (DEADLINE_SIGNAL - 1));

        memcpy(u.mask.sigset, &blocked, sizeof(blocked));
        if (ioctl(p->vcpu_fd, KVM_SET_SIGNAL_MASK, &u) < 0)
                return refused(p, "a signal mask");
        return 0;
}

/* " (bytes 48 0f c7 0f)" of the instruction at rip, from KVM if it says, else from the guest's memory. */
static void format_bytes(const struct probe *p, uint64_t rip, char *ret, size_t size)
{
        uint8_t bytes[15];
        size_t n = 0, used;

        if (p->run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
            p->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
            p->run->emulation_failure.ndata >= 3 &&
            p->run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
                n = p->run->emulation_failure.insn_size;
                if (n > sizeof(bytes))
                        n = sizeof(bytes);
                memcpy(bytes, p->run->emulation_failure.insn_bytes, n);
        }
        if (n == 0 && rip < GUEST_MEMORY_SIZE - sizeof(bytes)) {
                n = 8;
                memcpy(bytes, p->memory + rip, n);
        }
        ret[0] = '\0';
        if (n > 8)
                n = 8;
        used = (size_t)snprintf(ret, size, "%s", n > 0 ? " (bytes" : "");
        for (size_t i = 0; i < n; i++)
                used += (size_t)snprintf(ret + used, size - used, " %02x", bytes[i]);
        if (n > 0)
                snprintf(ret + used, size - used, ")");
}

static const char *step_name(const struct kvm_regs *regs)
{
        return regs->r15 < GUEST_STEPS ? step_names[regs->r15] : "an unknown place";
}

static int broken_exit(struct probe *p, const struct kvm_regs *regs)
{
        char bytes[64];

        format_bytes(p, regs->rip, bytes, sizeof(bytes));
        switch (p->run->exit_reason) {
        case KVM_EXIT_INTERNAL_ERROR:
                return conclude(p, KVMPROBE_BROKEN,
                                "this host's KVM cannot run kernel code: it gave up at %s%s, internal error "
                                "%u%s",
                                step_name(regs), bytes, p->run->internal.suberror,
                                p->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
                                        ? " (its emulator lacks the instruction)"
                                        : "");
        case KVM_EXIT_SHUTDOWN:
                return conclude(p, KVMPROBE_BROKEN,
                                "this host's KVM cannot run kernel code: triple fault at %s%s",
                                step_name(regs), bytes);
        case KVM_EXIT_FAIL_ENTRY:
                return conclude(p, KVMPROBE_BROKEN,
                                "this host's KVM cannot run kernel code: the CPU refuses to enter the guest "
                                "at %s (reason 0x%llx)",
                                step_name(regs),
                                (unsigned long long)p->run->fail_entry.hardware_entry_failure_reason);
        default:
                return conclude(p, KVMPROBE_BROKEN,
                                "this host's KVM cannot run kernel code: exit %u at %s%s",
                                p->run->exit_reason, step_name(regs), bytes);
        }
}

static int broken_word(struct probe *p, uint8_t word, const struct kvm_regs *regs)
{
        char bytes[64];

        if (word == GUEST_SAYS_EXCEPTION) {
                format_bytes(p, regs->rbx, bytes, sizeof(bytes));
                return conclude(p, KVMPROBE_BROKEN,
                                "this host's KVM cannot run kernel code: exception %llu at %s%s",
                                (unsigned long long)regs->r12, step_name(regs), bytes);
        }
        return conclude(p, KVMPROBE_BROKEN, "this host's KVM cannot run kernel code: wrong result at %s",
                        step_name(regs));
}

/* EINTR: the deadline. */
static int late(struct probe *p, const struct kvm_regs *regs)
{
        if (regs->r15 == GUEST_STEP_LOOP)
                return conclude(p, KVMPROBE_SLOW,
                                "this host's KVM emulates kernel code: %u turns of a loop take more than %u "
                                "ms",
                                LOOP_ITERATIONS, DEADLINE_MS);
        return conclude(p, KVMPROBE_BROKEN,
                        "this host's KVM cannot run kernel code: still at %s after %u ms", step_name(regs),
                        DEADLINE_MS);
}

static int judge_speed(struct probe *p, uint64_t best_ns)
{
        const uint64_t ps = best_ns * 1000 / (LOOP_ITERATIONS * GUEST_LOOP_INSTRUCTIONS);

        if (ps > LOOP_SLOW_PS)
                return conclude(p, KVMPROBE_SLOW,
                                "this host's KVM emulates kernel code: %llu ns an instruction, where a CPU "
                                "needs less than one",
                                (unsigned long long)(ps / 1000));
        p->result->outcome = KVMPROBE_USABLE;
        snprintf(p->result->reason, sizeof(p->result->reason),
                 "runs kernel code, %llu.%02llu ns an instruction", (unsigned long long)(ps / 1000),
                 (unsigned long long)(ps % 1000 / 10));
        return 0;
}

struct loop_timing {
        uint64_t started_ns, best_ns, total_ns;
        unsigned rounds;
};

/* Returns 1 when there is enough to judge. */
static int time_loop(struct loop_timing *t, uint8_t word)
{
        uint64_t took;

        if (word == GUEST_SAYS_LOOP_START) {
                t->started_ns = cpu_ns();
                return 0;
        }
        took = cpu_ns() - t->started_ns;
        t->total_ns += took;
        if (t->rounds++ == 0 || took < t->best_ns)
                t->best_ns = took;
        return t->rounds == LOOP_ROUNDS || t->total_ns > DEADLINE_MS / 4 * NSEC_PER_MSEC;
}

static void take_in_deadline(void)
{
        const struct timespec at_once = {0};
        sigset_t deadline;

        sigemptyset(&deadline);
        sigaddset(&deadline, DEADLINE_SIGNAL);
        while (sigtimedwait(&deadline, NULL, &at_once) == DEADLINE_SIGNAL)
                ;
}

static void set_deadline(struct probe *p)
{
        const struct itimerspec when = {.it_value.tv_nsec = DEADLINE_MS * NSEC_PER_MSEC};

        p->deadline_cpu_ns = cpu_ns();
        timer_settime(p->deadline, 0, &when, NULL);
}

static bool was_kept_waiting(const struct probe *p)
{
        return cpu_ns() - p->deadline_cpu_ns < DEADLINE_MS / 2 * NSEC_PER_MSEC &&
               now_ns() - p->started_ns < PATIENCE_MS * NSEC_PER_MSEC;
}

/* Run until the verdict is in. Each turn is one KVM_RUN. */
static int run_guest(struct probe *p)
{
        struct kvm_interrupt irq = {.irq = GUEST_VECTOR_IRQ};
        struct loop_timing timing = {0};
        struct kvm_regs regs;

        for (;;) {
                const int r = ioctl(p->vcpu_fd, KVM_RUN, 0);
                const int num = errno;
                uint8_t word;

                if (ioctl(p->vcpu_fd, KVM_GET_REGS, &regs) < 0)
                        return refused(p, "the registers of a virtual CPU");
                if (r < 0 && num == EINTR) {
                        if (!was_kept_waiting(p))
                                return late(p, &regs);
                        take_in_deadline();
                        set_deadline(p);
                        continue;
                }
                if (r < 0 && num == EAGAIN)
                        continue;
                if (r < 0) {
                        errno = num;
                        return refused(p, "to run a virtual CPU");
                }
                if (p->run->exit_reason == KVM_EXIT_HLT && regs.r15 == GUEST_STEP_INTERRUPT) {
                        if (ioctl(p->vcpu_fd, KVM_INTERRUPT, &irq) < 0)
                                return refused(p, "an interrupt");
                        continue;
                }
                if (p->run->exit_reason != KVM_EXIT_IO || p->run->io.port != GUEST_PORT)
                        return broken_exit(p, &regs);
                word = ((const uint8_t *)p->run)[p->run->io.data_offset];
                if (word != GUEST_SAYS_LOOP_START && word != GUEST_SAYS_LOOP_END)
                        return broken_word(p, word, &regs);
                if (time_loop(&timing, word))
                        return judge_speed(p, timing.best_ns);
        }
}

static int probe_machine(struct probe *p)
{
        struct cpu_features features = {0};
        int r;

        r = create_vm(p);
        if (r < 0)
                return r;
        r = create_vcpu(p);
        if (r < 0)
                return r;
        r = set_cpuid(p, &features);
        if (r < 0)
                return r;
        fill_memory(p, &features);
        r = set_registers(p);
        if (r < 0)
                return r;
        r = set_signal_mask(p);
        if (r < 0)
                return r;
        return run_guest(p);
}

static void release(struct probe *p)
{
        if (p->run != MAP_FAILED)
                munmap(p->run, p->run_size);
        if (p->vcpu_fd >= 0)
                close(p->vcpu_fd);
        if (p->vm_fd >= 0)
                close(p->vm_fd);
        if (p->memory != MAP_FAILED)
                munmap(p->memory, GUEST_MEMORY_SIZE);
        close(p->kvm_fd);
}

static int make_deadline(struct probe *p)
{
        struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = DEADLINE_SIGNAL};

        event.sigev_notify_thread_id = gettid();
        return timer_create(CLOCK_MONOTONIC, &event, &p->deadline);
}

/* Run the machine with the deadline's signal blocked, and leave no signal pending that is ours. */
static void probe_under_deadline(struct probe *p)
{
        sigset_t deadline, saved;

        sigemptyset(&deadline);
        sigaddset(&deadline, DEADLINE_SIGNAL);
        pthread_sigmask(SIG_BLOCK, &deadline, &saved);
        if (make_deadline(p) < 0) {
                conclude(p, KVMPROBE_REFUSED, "cannot be probed: no timer for the deadline: %s",
                         strerror(errno));
        } else {
                set_deadline(p);
                probe_machine(p);
                timer_delete(p->deadline);
                take_in_deadline();
        }
        pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

void kvmprobe_run(const char *device, struct kvmprobe_result *ret)
{
        struct probe p = {
                .kvm_fd = -1,
                .vm_fd = -1,
                .vcpu_fd = -1,
                .memory = MAP_FAILED,
                .run = MAP_FAILED,
                .started_ns = now_ns(),
                .result = ret,
        };

        *ret = (struct kvmprobe_result){0};
        if (open_device(&p, device) < 0)
                return;
        probe_under_deadline(&p);
        release(&p);
        ret->probe_us = (now_ns() - p.started_ns) / 1000;
}
