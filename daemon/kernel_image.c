/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

#define ELF_SIZE_MAX (2ULL << 30)
#define HEADER_SIZE 0x268U

static void archive_freep(struct archive **a)
{
        archive_read_free(*a);
}

static uint32_t le32(const uint8_t *p)
{
        return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int bad(struct kt_error *reterr, const char *name, const char *what)
{
        return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL, "%s %s", name, what);
}

/* Decompress to out and say how much it was. */
static int decompress(const uint8_t *data, size_t size, int out, const char *name, uint64_t *ret_size,
                      struct kt_error *reterr)
{
        _cleanup_(archive_freep) struct archive *a = archive_read_new();
        struct archive_entry *entry;
        static const size_t chunk = 1024 * 1024;
        _cleanup_free_ char *buf = malloc(chunk);
        uint64_t total = 0;
        la_ssize_t n;

        if (!a || !buf)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        archive_read_support_filter_all(a);
        archive_read_support_format_raw(a);
        if (archive_read_open_memory(a, data, size) != ARCHIVE_OK || archive_read_next_header(a, &entry) != ARCHIVE_OK)
                return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL, "%s: its payload cannot be unpacked: %s", name,
                                    archive_error_string(a) ? archive_error_string(a) : "unknown compression");
        while ((n = archive_read_data(a, buf, chunk)) > 0) {
                total += (uint64_t)n;
                if (total > ELF_SIZE_MAX)
                        return bad(reterr, name, "unpacks to more than 2 GiB");
                int r = kt_write_all(out, buf, (size_t)n);
                if (r < 0)
                        return kt_error_set(reterr, r, KT_E_IO, "cannot write the unpacked kernel: %s", strerror(-r));
        }
        if (n < 0)
                return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL, "%s: its payload is damaged or cut off: %s", name,
                                    archive_error_string(a) ? archive_error_string(a) : "no more is known");
        *ret_size = total;
        return 0;
}

static int unpack_bzimage(const uint8_t *data, size_t size, int out, const char *name, struct kt_error *reterr)
{
        uint64_t setup = ((data[0x1f1] ? data[0x1f1] : 4U) + 1U) * 512ULL;
        uint64_t offset = setup + le32(data + 0x248), length = le32(data + 0x24c), unpacked = 0;
        uint32_t version = data[0x206] | (uint32_t)data[0x207] << 8, stated;
        bool gzip;
        int r;

        if (version < 0x208)
                return bad(reterr, name, "has a boot protocol older than 2.08 (Linux 2.6.26)");
        if (length < 8 || offset + length > size)
                return bad(reterr, name, "is cut off: its payload reaches beyond its end; fetch it again");
        /* The last four bytes are the unpacked size: gzip's own trailer, appended to all others (scripts/Makefile.lib: size_append). */
        stated = le32(data + offset + length - 4);
        gzip = data[offset] == 0x1f && data[offset + 1] == 0x8b;
        r = decompress(data + offset, length - (gzip ? 0 : 4), out, name, &unpacked, reterr);
        if (r < 0)
                return r;
        if (stated != (uint32_t)unpacked)
                return bad(reterr, name, "unpacks to another size than it states; it is damaged");
        return 0;
}

static int convert(const uint8_t *data, size_t size, int in, int out, const char *name, struct kt_error *reterr)
{
        if (size > SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0) {
                int r = kt_copy_fd(in, out, NULL);
                return r < 0 ? kt_error_set(reterr, r, KT_E_IO, "cannot copy %s: %s", name, strerror(-r)) : 0;
        }
        if (size > HEADER_SIZE && memcmp(data + 0x202, "HdrS", 4) == 0 && data[0x1fe] == 0x55 && data[0x1ff] == 0xaa)
                return unpack_bzimage(data, size, out, name, reterr);
        return bad(reterr, name, "is no kernel: neither a bzImage (vmlinuz) nor an ELF (vmlinux)");
}

int kernel_image_to_elf(int in, int out, const char *name, struct kt_error *reterr)
{
        struct stat st;
        uint8_t *data;
        int r;

        if (fstat(in, &st) < 0 || lseek(in, 0, SEEK_SET) < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_KERNEL, "cannot read %s: %s", name, strerror(errno));
        if (st.st_size == 0)
                return bad(reterr, name, "is empty");
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, in, 0);
        if (data == MAP_FAILED)
                return kt_error_set(reterr, -errno, KT_E_BAD_KERNEL, "cannot read %s: %s", name, strerror(errno));
        r = convert(data, (size_t)st.st_size, in, out, name, reterr);
        munmap(data, (size_t)st.st_size);
        return r;
}
