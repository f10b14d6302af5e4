/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Kernels that lie about where the user is: built source trees, then what is installed. */

/*
 * Paths of those that are there, the preferred first; NULL-terminated, malloced, free with
 * kernel_candidates_free(). NULL when memory is out. A tree counts where something was built in it.
 *   HERE/linux, HERE/../linux, ROOT/lib/modules/RELEASE/build, ROOT/lib/modules/RELEASE/vmlinuz,
 *   ROOT/boot/vmlinuz-RELEASE, ROOT/boot/vmlinuz
 * here: "." for the folder that we are in; root: "" but in tests; release: as uname -r has it.
 */
char **kernel_candidates(const char *here, const char *root, const char *release);
void kernel_candidates_free(char **paths);
