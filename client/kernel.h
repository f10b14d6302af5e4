/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verbs under `ktstrctl kernel`, one a file. argv holds the operands; options are parsed already. */

#include "simple.h"

int kernel_import(int argc, char **argv, struct globals *g);
int kernel_list(int argc, char **argv, struct globals *g);
int kernel_info(int argc, char **argv, struct globals *g);
int kernel_resolve(int argc, char **argv, struct globals *g);
int kernel_remove(int argc, char **argv, struct globals *g);

/* What keeps an entry from running schedulers: "", " (no BTF)" and the like. */
const char *kernel_marks(struct json_object *entry);
