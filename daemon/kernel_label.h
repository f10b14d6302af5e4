/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a kernel is called where there are several: in the output and the results of a run. Letters, digits
 * and underscores, so that it can be part of a test's name.
 *
 *   kernel_6_14_2, kernel_6_15_rc3           its version
 *   kernel_git_{owner}_{repo}_{ref}          built from git
 *   kernel_local_{hash6}, kernel_local_unknown    built from a tree, with and without a commit
 *   kernel_path_{basename}_{crc6}[_dirty]    named by a path, the CRC-32 of which it has; dirty when the
 *                                            kernel's release says that its tree had changes
 */

#include "kernel.h"

/* "kernel_" and the text in lower case, with one underscore for each run of other characters and none at the
 * end. Malloced, as all of these; NULL when memory is out. */
char *kernel_label_text(const char *text);

/* Of a cached entry. */
char *kernel_label(const struct kernel *k);

/* Of one that was named by this absolute path. */
char *kernel_label_path(const struct kernel *k, const char *path);

/* Free to use beside those that there are already: itself, or with "_2", "_3", … at its end, whichever is
 * not among them. Takes label; NULL stays NULL. */
char *kernel_label_unique(char *label, char *const *taken, size_t n_taken);
