/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bpf_number.h"

#include <errno.h>
#include <string.h>

int bpf_number_check(const struct bpf_number *n, int64_t value, struct kt_error *reterr)
{
        const unsigned bits = n->is_bool ? 1 : n->size * 8;
        int64_t min, max;

        if (bits == 64)
                return 0;
        max = (INT64_C(1) << (n->is_signed ? bits - 1 : bits)) - 1;
        min = n->is_signed ? -max - 1 : 0;
        if (value < min || value > max)
                return kt_error_set(
                        reterr, -ERANGE, NULL, "%lld does not fit: it has %u bit%s, from %lld to %lld",
                        (long long)value, bits, bits == 1 ? "" : "s", (long long)min, (long long)max);
        return 0;
}

int64_t bpf_number_load(const struct bpf_number *n, const void *at)
{
        const unsigned unused = 64 - n->size * 8;
        uint64_t bits = 0;

        switch ((uintptr_t)at % n->size ? 0 : n->size) {
        case 1:
                bits = *(const volatile uint8_t *)at;
                break;
        case 2:
                bits = *(const volatile uint16_t *)at;
                break;
        case 4:
                bits = *(const volatile uint32_t *)at;
                break;
        case 8:
                bits = *(const volatile uint64_t *)at;
                break;
        default: {
                /* In a packed struct: byte by byte, and so not at once. */
                uint64_t copy = 0;

                memcpy(&copy, at, n->size);
                return bpf_number_load(n, &copy);
        }
        }
        return n->is_signed ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
}

void bpf_number_store(const struct bpf_number *n, void *at, int64_t value)
{
        switch ((uintptr_t)at % n->size ? 0 : n->size) {
        case 1:
                *(volatile uint8_t *)at = (uint8_t)value;
                break;
        case 2:
                *(volatile uint16_t *)at = (uint16_t)value;
                break;
        case 4:
                *(volatile uint32_t *)at = (uint32_t)value;
                break;
        case 8:
                *(volatile int64_t *)at = value;
                break;
        default: {
                uint64_t copy = 0;

                bpf_number_store(n, &copy, value);
                memcpy(at, &copy, n->size);
        }
        }
}
