/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What apt says of a package that it would fetch, read from its texts. */

#include <stdint.h>

#include "../common/error.h"

struct apt_file {
        char *file;    /* "linux-source-6.12_6.12.117-1~deb12u1_all.deb": what it will be named */
        char *version; /* of the package: "6.12.117-1~deb12u1" */
        char *sha256;  /* 64 hex digits; NULL: apt goes by another hash */
        int64_t size;
};

void apt_file_done(struct apt_file *f);

/* The line of apt-get --print-uris: 'URI' FILE SIZE HASH. -EBADMSG: there is none in the text; -ENOMEM. */
int apt_file_parse(const char *text, struct apt_file *ret);

/* The kernel's version in a package's ("6.12.117-1~deb12u1": "6.12.117"; "6.15~rc7-1": "6.15-rc7").
 * Malloced; NULL when none is told from it. */
char *apt_kernel_version(const char *package_version);
