/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* io.ktstrd.Kernel: which kernels names lead to. */

#include "call.h"

void method_kernel_resolve(struct call *call);
void method_kernel_versions(struct call *call);
