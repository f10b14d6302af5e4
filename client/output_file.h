/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file that is written as a whole, or not at all: what has its name is replaced. */

#include <stddef.h>

#include "../common/error.h"

struct output_file;

/* Open its folder. -EINVAL with a text when the name is one of something else than a file (a device, a
 * link). */
int output_file_open(const char *path, struct output_file **ret, struct kt_error *reterr);

/* Readable for all: whoever collects it is another user as a rule. */
int output_file_publish(struct output_file *f, const char *text, size_t size, struct kt_error *reterr);

void output_file_free(struct output_file *f);
