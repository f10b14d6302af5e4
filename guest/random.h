/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's random number generator. */

/* Mix in a seed of hexadecimal digits and key the generator anew with it at once. NULL, or what are no
 * digits: nothing is done. A kernel that takes none goes on as it is. */
void random_reseed(const char *hex);
