/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdint.h>

/* Find "ktstr.mailbox=0xADDR,0xSIZE" in a kernel command line. -ENOENT without one, -EINVAL when it is
 * malformed. */
int cmdline_mailbox(const char *cmdline, uint64_t *ret_addr, uint64_t *ret_size);
