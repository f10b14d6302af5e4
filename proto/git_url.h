/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The many spellings of where a git repository is. */

#include <stdbool.h>

/*
 * Is it the same repository, as far as the text tells? Host and path are compared. How one gets there makes
 * no difference: scheme, user, a port that is the scheme's own, slashes and a ".git" at the end.
 * "git@host:path" is host and path, "file:///p" and "/p" are the same folder; a path is compared as it is
 * written.
 */
bool git_url_is_same(const char *a, const char *b);
