/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json_object.h>

#include "finding.h"
#include "program.h"

/* All that a program declares and what is wrong with it, as proto/listmsg.h has it; the caller's. */
json_object *list_program(const struct program *p, const struct findings *f);
