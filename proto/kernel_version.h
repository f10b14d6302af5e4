/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Versions of kernels: as releases have them, and as users name them. */

#include <stdbool.h>

/* "6.18.15" of "6.18.15+deb13-cloud-amd64"; "6.15-rc3" of "6.15.0-rc3-foo", "6.15" of "6.15.0": as
 * kernel.org calls them. Malloced. */
char *kernel_version_of(const char *release);

/* Numerically by components (6.18 is 6.18.0), a release candidate before its release: <0, 0, >0. */
int kernel_version_compare(const char *a, const char *b);

/* Is this a version as a user names one: one to three numbers, perhaps "-rcN"? */
bool kernel_version_is(const char *text);

/* "6.18" stands for 6.18 and all of 6.18.x, but not for a candidate; "6.18.15" for itself; "6.15-rc3"
 * for 6.15-rc3, also written 6.15.0-rc3. */
bool kernel_version_matches(const char *version, const char *wanted);
