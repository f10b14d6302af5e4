/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the two halves of the KVM probe agree on: kvmprobe.c outside, kvmprobe_guest.S inside. Read by the
 * assembler too.
 *
 * The guest's 2 MiB are mapped one to one in pages of 4 KiB. The code is mapped a second time for user mode,
 * and ALIAS is a page that the code moves about to see that changes of its page table take effect.
 */

#define GUEST_MEMORY_SIZE 0x200000

#define GUEST_PML4 0x1000
#define GUEST_PDPT 0x2000
#define GUEST_PD 0x3000
#define GUEST_PT 0x4000
#define GUEST_GDT 0x5000
#define GUEST_IDT 0x6000
#define GUEST_TSS 0x7000
#define GUEST_PARAMS 0x8000
#define GUEST_XSAVE_AREA 0x9000 /* a page; legacy state and AVX take 832 bytes */
#define GUEST_PAGE_A 0xa000
#define GUEST_PAGE_B 0xb000
#define GUEST_STACK_TOP 0xd000
#define GUEST_USER_STACK_PAGE 0xe000
#define GUEST_USER_STACK_TOP 0xf000
#define GUEST_CODE 0x10000
#define GUEST_CODE_SIZE 0x1000
#define GUEST_USER_CODE 0x20000
#define GUEST_ALIAS 0x30000
#define GUEST_UNMAPPED 0x31000

/* Selectors. SYSRET wants user data 8 below user code. */
#define GUEST_SEL_CODE 0x08
#define GUEST_SEL_DATA 0x10
#define GUEST_SEL_SYSRET 0x1b
#define GUEST_SEL_USER_DATA 0x23
#define GUEST_SEL_USER_CODE 0x2b
#define GUEST_SEL_TSS 0x30
#define GUEST_GDT_SIZE 0x40

#define GUEST_VECTORS 33 /* the exceptions, and one interrupt */
#define GUEST_VECTOR_IRQ 32
#define GUEST_STUB_SIZE 16

/* Offsets in the page at GUEST_PARAMS, eight bytes each. */
#define GUEST_PARAM_FEATURES 0
#define GUEST_PARAM_CR4 8
#define GUEST_PARAM_XCR0 16
#define GUEST_PARAM_ITERATIONS 24
#define GUEST_PARAM_GDTR 32
#define GUEST_PARAM_IDTR 48

/* Features the guest was given, and its code may therefore use. */
#define GUEST_FEATURE_CX16 1
#define GUEST_FEATURE_BMI2 2
#define GUEST_FEATURE_XSAVE 4
#define GUEST_FEATURE_XSAVES 8
#define GUEST_FEATURE_SMAP 16

/* What the code writes to GUEST_PORT, one byte. */
#define GUEST_PORT 0xe0
#define GUEST_SAYS_LOOP_START 1
#define GUEST_SAYS_LOOP_END 2
#define GUEST_SAYS_WRONG 3     /* an instruction ran and its result is not what it must be */
#define GUEST_SAYS_EXCEPTION 4 /* one that was not asked for; rbx: its address, r12: its vector */

/* The step being done, in r15. The names are in kvmprobe.c, in the same order. */
#define GUEST_STEP_START 0
#define GUEST_STEP_SEGMENTS 1
#define GUEST_STEP_CONTROL 2
#define GUEST_STEP_CPUID 3
#define GUEST_STEP_INT3 4
#define GUEST_STEP_FAULTS 5
#define GUEST_STEP_MSRS 6
#define GUEST_STEP_PAGING 7
#define GUEST_STEP_STRINGS 8
#define GUEST_STEP_ATOMICS 9
#define GUEST_STEP_CMPXCHG16B 10
#define GUEST_STEP_BMI2 11
#define GUEST_STEP_SSE 12
#define GUEST_STEP_XSAVE 13
#define GUEST_STEP_USER_MODE 14
#define GUEST_STEP_INTERRUPT 15
#define GUEST_STEP_LOOP 16
#define GUEST_STEPS 17

#define GUEST_LOOP_INSTRUCTIONS 3 /* a turn of the timed loop */
