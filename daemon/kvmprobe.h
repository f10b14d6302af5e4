/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Can this host's KVM run a stock kernel? A virtual machine of one vCPU and 2 MiB runs a page of long-mode
 * supervisor code (kvmprobe_guest.S) that does what a kernel does while it boots and what hosts that emulate
 * supervisor code were seen to fail on, and then a loop that is timed.
 *
 * Blocking, for less than a second whatever KVM does, and for ten on a host that does not let this thread
 * run; thread-safe. Neither the calling thread's signal mask nor any signal's disposition is changed when it
 * returns, and no descriptor or mapping stays behind.
 */

#include <stdint.h>

enum kvmprobe_outcome {
        KVMPROBE_USABLE,
        KVMPROBE_ABSENT,  /* no device, or no driver behind it */
        KVMPROBE_DENIED,  /* it is there and this user may not open it */
        KVMPROBE_REFUSED, /* it opens and makes no machine: too old, or busy */
        KVMPROBE_BROKEN,  /* the code stopped at an instruction, or an instruction did the wrong thing */
        KVMPROBE_SLOW,    /* it runs, at the speed of an emulator */
};

struct kvmprobe_result {
        enum kvmprobe_outcome outcome;
        char reason[256];  /* one line, never empty */
        uint64_t probe_us; /* from open to close; 0 when the device could not be opened */
};

/* device is "/dev/kvm" but in tests. */
void kvmprobe_run(const char *device, struct kvmprobe_result *ret);
