/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../include/ktstr.h"

/* "pass", "skip", "inconclusive", "fail", "error". */
const char *outcome_name(enum ktstr_outcome outcome);
