/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* io.ktstrd.Kernel.Build: from a call's parameters to a job. */

struct call;

void build_request(struct call *call);
