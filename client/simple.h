/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What most verbs are: a call, an answer, some lines. */

#include "connect.h"

/* Parse only global options; operands are left at optind. -1: go on, else return this status. */
int simple_options(const struct verb *v, int argc, char **argv, struct globals *g);

/* Connect, call, and take the reply (owned by the caller). False: told on stderr, *ret_status is to be
 * returned. Takes params. */
bool simple_call(const struct verb *v, const struct globals *g, const char *method,
                 struct json_object *params, struct json_object **ret, int *ret_status);

/* One JSON value on stdout, pretty. Returns 0. */
int simple_print_json(struct json_object *o);
