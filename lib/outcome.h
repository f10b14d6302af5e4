/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a test came out, by name: what the body says, and what is read of it on the host. */

#include "include/ktstr.h"

/* "pass", "skip", "inconclusive", "fail", "error"; of what is no outcome "error". Static. */
const char *outcome_name(enum ktstr_outcome outcome);

/* The one of that name. false: there is none (NULL among them), and *ret stays as it is. */
bool outcome_find(const char *name, enum ktstr_outcome *ret);
