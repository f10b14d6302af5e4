/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An integer, a bool or an enumeration among the global variables of a BPF program. */

#include <stdbool.h>
#include <stdint.h>

#include "../../common/error.h"

struct bpf_number {
        uint32_t offset; /* bytes, in its section */
        uint32_t size;   /* 1, 2, 4 or 8 */
        bool is_signed, is_bool;
};

/* -ERANGE: it does not fit. One of 64 bits takes each value as it is. */
int bpf_number_check(const struct bpf_number *n, int64_t value, struct kt_error *reterr);

/* To and from the bytes of a number; on a mapping that others use, at once where it is aligned. */
int64_t bpf_number_load(const struct bpf_number *n, const void *at);
void bpf_number_store(const struct bpf_number *n, void *at, int64_t value);
