/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* io.ktstrd.Kernel.Import */

#include "call.h"

void method_kernel_import(struct call *call);
