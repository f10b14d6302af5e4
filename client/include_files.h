/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bundle.h"

/* What messages call the verb, and where the file was named: {"shell", "-i"}. verb NULL: nothing is told on
 * stderr. */
struct include_names {
        const char *verb, *option;
};

/*
 * Put a file or folder of ours under /include-files/ in the guest. A file keeps its name; a folder keeps its
 * structure below its own name; a bare name that is no file here is looked for on the PATH. ELF programs
 * bring their libraries. Devices, sockets and FIFOs are skipped with a note on stderr, an empty folder with
 * a warning.
 */
int include_files_add(struct bundle *b, const char *what, const struct include_names *names,
                      struct kt_error *reterr);
