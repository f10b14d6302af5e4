/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meminfo.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "fsutil.h"

#define FILE_MAX_BYTES 65536U

uint64_t kt_meminfo_available_kib(void)
{
        _cleanup_free_ char *text = NULL;
        unsigned long long kib;
        const char *line;
        size_t size;

        if (kt_read_file(AT_FDCWD, "/proc/meminfo", FILE_MAX_BYTES, &text, &size) < 0)
                return UINT64_MAX;
        line = strstr(text, "MemAvailable:");
        return line && sscanf(line, "MemAvailable: %llu", &kib) == 1 ? kib : UINT64_MAX;
}
