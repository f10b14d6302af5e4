/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The code that the KVM probe runs: long mode, supervisor, what a stock kernel does while it boots. To the
 * daemon it is data, which it copies to GUEST_CODE in the probe's machine.
 *
 * r15: the step being done. r13, r14: the exception that is due and where to go on after it (r13 is -1 when
 * none is). ebp: the features the guest was given.
 */

#include "kvmprobe_guest.h"

        .macro step number
        movl $\number, %r15d
        .endm

        /* The next instruction must raise vector; go on at resume. */
        .macro expect vector, resume
        movl $\vector, %r13d
        leaq \resume(%rip), %r14
        .endm

        .macro say what
        movb $\what, %al
        outb %al, $GUEST_PORT
        .endm

        .macro without feature, label
        testl $\feature, %ebp
        jz \label
        .endm

        /* Write a pattern (canonical where it is an address), read it back, put the old value there. */
        .macro try_msr number, low, high
        movl $\number, %ecx
        rdmsr
        movl %eax, %esi
        movl %edx, %edi
        movl $\low, %eax
        movl $\high, %edx
        wrmsr
        xorl %eax, %eax
        xorl %edx, %edx
        rdmsr
        cmpl $\low, %eax
        jne wrong
        cmpl $\high, %edx
        jne wrong
        movl %esi, %eax
        movl %edi, %edx
        wrmsr
        .endm

        .section .rodata.kvmprobe_guest, "a", @progbits
        .balign 16
        .globl kvmprobe_guest_start, kvmprobe_guest_stubs
        .hidden kvmprobe_guest_start, kvmprobe_guest_stubs

kvmprobe_guest_start:
        movq $GUEST_STACK_TOP, %rsp
        movl $-1, %r13d
        movl GUEST_PARAMS + GUEST_PARAM_FEATURES, %ebp

        step GUEST_STEP_SEGMENTS
        lgdt GUEST_PARAMS + GUEST_PARAM_GDTR
        lidt GUEST_PARAMS + GUEST_PARAM_IDTR
        movl $GUEST_SEL_DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        pushq $GUEST_SEL_CODE
        leaq 1f(%rip), %rax
        pushq %rax
        lretq
1:      movl $GUEST_SEL_TSS, %eax
        ltr %ax
        xorl %eax, %eax
        lldt %ax

        step GUEST_STEP_CONTROL
        movq GUEST_PARAMS + GUEST_PARAM_CR4, %rax
        movq %rax, %cr4
        movq %cr4, %rdx
        cmpq %rax, %rdx
        jne wrong
        movq %cr0, %rax
        orq $8, %rax
        movq %rax, %cr0
        clts
        movq %cr0, %rax
        testb $8, %al
        jnz wrong
        xorl %eax, %eax
        movq %rax, %dr0
        movq $0x400, %rax
        movq %rax, %dr7
        movq %cr8, %rax
        wbinvd

        step GUEST_STEP_CPUID
        xorl %eax, %eax
        xorl %ecx, %ecx
        cpuid
        cmpl $1, %eax
        jb wrong
        movl GUEST_PARAMS + GUEST_PARAM_FEATURES, %ebp

        step GUEST_STEP_INT3
        expect 3, 1f
        int3
        jmp wrong
1:
        step GUEST_STEP_FAULTS
        expect 6, 1f
        ud2
        jmp wrong
1:      expect 13, 1f
        movl $0xfff8, %eax
        movl %eax, %ds
        jmp wrong
1:      expect 14, 1f
        movq GUEST_UNMAPPED, %rax
        jmp wrong
1:      movq %cr2, %rax
        cmpq $GUEST_UNMAPPED, %rax
        jne wrong

        step GUEST_STEP_MSRS
        rdtsc
        movl $0x10, %ecx                                /* TSC */
        rdmsr
        movl $0x1b, %ecx                                /* APIC base */
        rdmsr
        movl $0xc0000080, %ecx                          /* EFER */
        rdmsr
        wrmsr
        movl $0x277, %ecx                               /* PAT */
        rdmsr
        wrmsr
        try_msr 0x174, GUEST_SEL_CODE, 0                /* SYSENTER_CS */
        try_msr 0xc0000100, 0x89abcdef, 0x00001234      /* FS base */
        try_msr 0xc0000101, 0x89abcdef, 0xffff8888      /* GS base */
        try_msr 0xc0000102, 0x89abcdef, 0xffff9999      /* kernel GS base */
        try_msr 0xc0000082, 0x89abcdef, 0xffffffff      /* LSTAR */

        /* Move a page about in the page table, with both ways of making the CPU forget the old place. */
        step GUEST_STEP_PAGING
        movq $0xa5a5, GUEST_PAGE_A
        movq $0x5a5a, GUEST_PAGE_B
        movq $(GUEST_PAGE_A | 3), GUEST_PT + GUEST_ALIAS / 4096 * 8
        movq %cr3, %rax
        movq %rax, %cr3
        cmpq $0xa5a5, GUEST_ALIAS
        jne wrong
        movq $(GUEST_PAGE_B | 3), GUEST_PT + GUEST_ALIAS / 4096 * 8
        movq %cr3, %rax
        movq %rax, %cr3
        cmpq $0x5a5a, GUEST_ALIAS
        jne wrong
        movq $(GUEST_PAGE_A | 1), GUEST_PT + GUEST_ALIAS / 4096 * 8
        invlpg GUEST_ALIAS
        cmpq $0xa5a5, GUEST_ALIAS
        jne wrong
        expect 14, 1f                                   /* it is read-only now, and CR0.WP is set */
        movq $0, GUEST_ALIAS
        jmp wrong
1:      cmpq $0xa5a5, GUEST_PAGE_A
        jne wrong

        step GUEST_STEP_STRINGS
        cld
        movl $GUEST_PAGE_A, %edi
        movl $512, %ecx
        movq $0x1122334455667788, %rax
        rep stosq
        movl $GUEST_PAGE_A, %esi
        movl $GUEST_PAGE_B, %edi
        movl $4096, %ecx
        rep movsb
        movl $GUEST_PAGE_A, %esi
        movl $GUEST_PAGE_B, %edi
        movl $512, %ecx
        repe cmpsq
        jne wrong
        cmpq %rax, GUEST_PAGE_B + 4088
        jne wrong
        without GUEST_FEATURE_SMAP, 1f
        stac
        clac
1:
        step GUEST_STEP_ATOMICS
        movq $1, GUEST_PAGE_A
        movl $2, %eax
        lock xaddq %rax, GUEST_PAGE_A
        cmpq $1, %rax
        jne wrong
        movl $3, %eax
        movl $7, %ecx
        lock cmpxchgq %rcx, GUEST_PAGE_A
        jne wrong
        lock btsq $40, GUEST_PAGE_A
        jc wrong
        mfence
        pause

        step GUEST_STEP_CMPXCHG16B
        without GUEST_FEATURE_CX16, 1f
        movq $11, GUEST_PAGE_A
        movq $12, GUEST_PAGE_A + 8
        movl $11, %eax
        movl $12, %edx
        movl $21, %ebx
        movl $22, %ecx
        lock cmpxchg16b GUEST_PAGE_A
        jne wrong
        cmpq $22, GUEST_PAGE_A + 8
        jne wrong
1:
        step GUEST_STEP_BMI2
        without GUEST_FEATURE_BMI2, 1f
        movl $5, %eax
        movl $3, %ecx
        shlxq %rcx, %rax, %rdx
        cmpl $40, %edx
        jne wrong
        shrxl %ecx, %edx, %eax
        cmpl $5, %eax
        jne wrong
1:
        step GUEST_STEP_SSE
        fninit
        movl $0x1f80, GUEST_PAGE_A
        ldmxcsr GUEST_PAGE_A
        movq $0x13579bdf, %rax
        movq %rax, %xmm0
        fxsaveq GUEST_XSAVE_AREA
        pxor %xmm0, %xmm0
        fxrstorq GUEST_XSAVE_AREA
        movq %xmm0, %rdx
        cmpq %rax, %rdx
        jne wrong

        step GUEST_STEP_XSAVE
        without GUEST_FEATURE_XSAVE, 2f
        movl $GUEST_XSAVE_AREA, %edi
        movl $512, %ecx
        xorl %eax, %eax
        rep stosq
        xorl %ecx, %ecx
        movl GUEST_PARAMS + GUEST_PARAM_XCR0, %eax
        xorl %edx, %edx
        xsetbv
        xgetbv
        cmpl GUEST_PARAMS + GUEST_PARAM_XCR0, %eax
        jne wrong
        movl $-1, %eax
        movl $-1, %edx
        movq $0x2468, %rbx
        movq %rbx, %xmm0
        xsave64 GUEST_XSAVE_AREA
        pxor %xmm0, %xmm0
        xrstor64 GUEST_XSAVE_AREA
        movq %xmm0, %rcx
        cmpq %rbx, %rcx
        jne wrong
        without GUEST_FEATURE_XSAVES, 2f
        movl $0xda0, %ecx                               /* XSS */
        xorl %eax, %eax
        xorl %edx, %edx
        wrmsr
        movl $-1, %eax
        movl $-1, %edx
        xsaves64 GUEST_XSAVE_AREA
        pxor %xmm0, %xmm0
        xrstors64 GUEST_XSAVE_AREA
        movq %xmm0, %rcx
        cmpq %rbx, %rcx
        jne wrong
2:
        step GUEST_STEP_USER_MODE
        movl $0xc0000081, %ecx                          /* STAR */
        xorl %eax, %eax
        movl $(GUEST_SEL_SYSRET << 16 | GUEST_SEL_CODE), %edx
        wrmsr
        movl $0xc0000082, %ecx                          /* LSTAR */
        leaq from_user(%rip), %rax
        xorl %edx, %edx
        wrmsr
        movl $0xc0000084, %ecx                          /* FMASK */
        movl $0x47700, %eax
        xorl %edx, %edx
        wrmsr
        pushq $GUEST_SEL_USER_DATA
        pushq $GUEST_USER_STACK_TOP
        pushq $2
        pushq $GUEST_SEL_USER_CODE
        pushq $(GUEST_USER_CODE + user_code - kvmprobe_guest_start)
        iretq

user_code:
        pushq $1
        popq %rax
        syscall
        pushq $2
        popq %rax
        syscall
        ud2

from_user:
        swapgs
        swapgs
        cmpl $2, %eax
        je 1f
        cmpl $1, %eax
        jne wrong
        sysretq
1:      movq $GUEST_STACK_TOP, %rsp

        step GUEST_STEP_INTERRUPT
        expect GUEST_VECTOR_IRQ, 1f
        sti
        hlt
        jmp wrong
1:      cli

        /* The host times from START to END, and lets it go round as often as it likes. */
        step GUEST_STEP_LOOP
again:  say GUEST_SAYS_LOOP_START
        movl GUEST_PARAMS + GUEST_PARAM_ITERATIONS, %ecx
        xorl %edx, %edx
1:      addq %rcx, GUEST_PAGE_A
        decl %ecx
        jnz 1b
        say GUEST_SAYS_LOOP_END
        jmp again

wrong:  say GUEST_SAYS_WRONG
        hlt

unexpected:
        popq %r11
        movq (%rsp), %rbx
        say GUEST_SAYS_EXCEPTION
        hlt

exception:
        popq %r12
        cmpl %r12d, %r13d
        jne unexpected
        addq $8, %rsp                                   /* the error code */
        movq %r14, (%rsp)
        movl $-1, %r13d
        iretq

        .set WITH_ERROR_CODE, 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21 | 3 << 29

        /* Where the gates of the IDT lead: an error code, if the vector brings none, then the vector. */
        .balign GUEST_STUB_SIZE
kvmprobe_guest_stubs:
        .set vector, 0
        .rept GUEST_VECTORS
        .balign GUEST_STUB_SIZE
        .if !((1 << vector) & WITH_ERROR_CODE)
        pushq $0
        .endif
        pushq $vector
        jmp exception
        .set vector, vector + 1
        .endr
        /* An error if it is more than that already. */
        .org GUEST_CODE_SIZE

        .section .note.GNU-stack, "", @progbits
