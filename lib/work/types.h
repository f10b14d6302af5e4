/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Each work type as its file defines it, for the table: work_type_PIPE_IO is that of KTSTR_WORK_PIPE_IO. */

#include "work_type.h"

#define X(id, name, ...) extern const struct work_type work_type_##id;
#include "../include/work_types.h"
#undef X
