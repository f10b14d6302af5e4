/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* io.ktstrd.Kernel.List, Clean */

#include "call.h"

void method_kernel_list(struct call *call);
void method_kernel_clean(struct call *call);
