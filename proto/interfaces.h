/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The interfaces of this folder's .varlink files, whose texts are part of the program. */

#include "idl.h"

struct kt_interfaces; /* immutable after loading, may be shared between threads */

int kt_interfaces_load(struct kt_interfaces **ret, struct kt_error *reterr);
void kt_interfaces_free(struct kt_interfaces *interfaces);

/* By name ("io.ktstrd.Job"), NULL when there is none. */
const struct kt_idl *kt_interfaces_find(const struct kt_interfaces *interfaces, const char *name);

/* One after the other, NULL after the last. */
const struct kt_idl *kt_interfaces_at(const struct kt_interfaces *interfaces, size_t i);

/* The interface of "io.ktstrd.Job.Submit", NULL when there is none. */
const struct kt_idl *kt_interfaces_of_method(const struct kt_interfaces *interfaces, const char *method);
