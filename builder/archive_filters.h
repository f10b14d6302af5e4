/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What sources and packages of them are compressed with. libarchive knows more, for some of which it would
 * start programs. */

#include <archive.h>

static inline void archive_support_source_filters(struct archive *a)
{
        archive_read_support_filter_bzip2(a);
        archive_read_support_filter_gzip(a);
        archive_read_support_filter_lzma(a);
        archive_read_support_filter_xz(a);
        archive_read_support_filter_zstd(a);
}

static inline void archive_read_freep(struct archive **a)
{
        archive_read_free(*a);
}

static inline void archive_write_freep(struct archive **a)
{
        archive_write_free(*a);
}
