/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../common/error.h"

/*
 * May this stand on the kernel command line of a guest, behind what the daemon puts there? Refused is what
 * would take effect in place of the daemon's own (console=, init=, memmap= and the like), and what is not
 * one word. -EINVAL, the text names the argument.
 */
int kt_karg_check(const char *karg, struct kt_error *reterr);
