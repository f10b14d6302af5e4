/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The words of OpenMetrics 1.0 text (https://prometheus.io/docs/specs/om/open_metrics_spec/): a family is
 * declared, then its samples follow, then the next family; at the very end stands OPENMETRICS_EOF. Names,
 * label names and units are the caller's to get right. Errors stay in the stream (ferror).
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define OPENMETRICS_EOF "# EOF\n"

/* type: "counter", "gauge", "histogram". unit: NULL, or what name ends in after an underscore. help: one
 * sentence without backslashes and quotes. The name of a counter has no _total: only its samples do. */
void openmetrics_family(FILE *f, const char *name, const char *type, const char *unit, const char *help);

/* One sample with at most one label (NULL: none). label_value may have any characters. */
void openmetrics_sample(FILE *f, const char *name, const char *label, const char *label_value,
                        uint64_t value);

/* The samples of one histogram: counts has one entry more than bounds, that of all that is above the last;
 * counts are not cumulative, bounds rise. sum is not negative. */
void openmetrics_histogram(FILE *f, const char *name, const char *label, const char *label_value,
                           const double *bounds, size_t n_bounds, const uint64_t *counts, double sum);
