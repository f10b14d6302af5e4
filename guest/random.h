/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel's random number generator. */

/* Mix in a seed of hexadecimal digits and key the generator anew with it at once. NULL: nothing is done.
 * -errno when the kernel does not take it, -EINVAL when they are no digits. */
int random_reseed(const char *hex);
