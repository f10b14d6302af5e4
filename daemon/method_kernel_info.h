/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is in a kernel, and in what two of them differ: handlers of io.ktstrd.Kernel. */

#include "call.h"

void method_kernel_info(struct call *call);
void method_kernel_diff(struct call *call);
