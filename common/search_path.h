/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The first regular file of that name in the folders of PATH that can be accessed so (R_OK, X_OK); malloced,
 * NULL when there is none. A folder of the name, and an empty place in PATH, is passed over. Without a PATH
 * it is the usual folders. */
char *kt_search_path(const char *name, int mode);
