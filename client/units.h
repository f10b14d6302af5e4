/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* "5s", "500ms", "2m", "1h"; a plain number is seconds; "1.5s" is fine. -EINVAL, -ERANGE (0 or more than a
 * day). */
int parse_duration(const char *text, int64_t *ret_ms);

/* "512M", "2G", "2GiB"; a plain number is MiB. -EINVAL, -ERANGE. */
int parse_size(const char *text, int64_t *ret_mib);

/* A whole number from min to max. -EINVAL, -ERANGE. */
int parse_number(const char *text, int64_t min, int64_t max, int64_t *ret);

/* "12 s", "4 min 32 s", "1 h 5 min". */
void format_span(int64_t ms, char *buf, size_t size);

/* How many are ahead in the queue, and about how long that will take (below 0: not known): "3 ahead, about
 * 12 s", "next". */
void format_place(int64_t ahead, int64_t wait_ms, char *buf, size_t size);
