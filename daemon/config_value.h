/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How values are written in the configuration. All of a text must be one: -EINVAL otherwise, -ERANGE for
 * what has no room in 64 bits. */

#include <stdbool.h>
#include <stdint.h>

int config_number(const char *text, uint64_t *ret);

/* Bytes: "4096", "512M", "2G" (K, M, G, T, to the base of 1024), or "10%" of the host's memory. */
int config_size(const char *text, uint64_t *ret_bytes);

/* The same without a part of the memory; "infinity" is UINT64_MAX. */
int config_disk_size(const char *text, uint64_t *ret_bytes);

/* "75%". */
int config_percent(const char *text, uint64_t *ret);

/* A time span: "30" (seconds), "500ms", "10min", "1h 30min". "infinity" is UINT64_MAX. */
int config_span(const char *text, uint64_t *ret_ms);

/* yes, no, and the other words for them: true, on, 1; false, off, 0. */
int config_yes_no(const char *text, bool *ret);

/* error … debug, as LOG_ERR … LOG_DEBUG. */
int config_log_level(const char *text, int *ret);
