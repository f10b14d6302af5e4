/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a scheduler printed, searched for what matters: the BPF error, the verifier's log, the debug dump. */

#include <stddef.h>

struct sched_log {
        char *error_text;   /* the one line that says why, NULL when none looks like it; at most 4 KiB */
        char *verifier_log; /* between libbpf's BEGIN and END PROG LOAD LOG, the first; its last MiB */
        char *dump;         /* the debug dump that follows the kernel's exit report; its first MiB */
};

/* text: stdout and stderr, as they came; any bytes. All results malloced; memory running out leaves NULL. */
void sched_log_extract(const char *text, size_t size, struct sched_log *ret);
void sched_log_done(struct sched_log *l);

/* enum scx_exit_kind without its prefix, in lower case ("error_stall"), from the kernel's words ("runnable
 * task stall"). "unknown" when they are new. Static. The words: scx_exit_reason() in kernel/sched/ext.c. */
const char *sched_exit_kind(const char *reason);
