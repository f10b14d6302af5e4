/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Of the text of tracefs' file `trace` what a person reads. Pure. */

#include <stdbool.h>
#include <stddef.h>

/* The last lines, at most so many and so many bytes together, each without the blanks before it and with a
 * line break behind it; comments and blank lines do not count, nor what of the first line may be missing
 * when is_cut. Malloced, "" when there are none; NULL when memory is out. */
char *trace_text_last(const char *text, bool is_cut, unsigned lines, size_t bytes);
