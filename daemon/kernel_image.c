/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

#define ELF_SIZE_MAX (2ULL << 30)
#define BZIMAGE_SIZE_MAX (512LL << 20)
#define PAYLOAD_SIZE_MIN 16U
#define HEADER_SIZE 0x268

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

/* What kernels are compressed with, and nothing else that libarchive knows: for some of it it would start
 * programs. */
static void support_kernel_filters(struct archive *a)
{
        archive_read_support_filter_bzip2(a);
        archive_read_support_filter_gzip(a);
        archive_read_support_filter_lz4(a);
        archive_read_support_filter_lzma(a);
        archive_read_support_filter_xz(a);
        archive_read_support_filter_zstd(a);
        archive_read_support_format_raw(a);
}

struct unpacked {
        uint64_t size;
        uint32_t crc;
};

/* Decompress to out and say what it was. */
static int decompress(const uint8_t *data, size_t size, int out, const char *name, struct unpacked *ret,
                      struct kt_error *reterr)
{
        _cleanup_(archive_freep) struct archive *a = archive_read_new();
        struct archive_entry *entry;
        static const size_t chunk = 256 * 1024;
        _cleanup_free_ char *buf = malloc(chunk);
        struct unpacked u = {.crc = (uint32_t)crc32(0, NULL, 0)};
        la_ssize_t n;

        if (!a || !buf)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        support_kernel_filters(a);
        if (archive_read_open_memory(a, data, size) != ARCHIVE_OK ||
            archive_read_next_header(a, &entry) != ARCHIVE_OK)
                return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL,
                                    "%s: its payload cannot be unpacked: %s; fetch or build it again", name,
                                    archive_error_string(a) ? archive_error_string(a)
                                                            : "unknown compression");
        if (archive_filter_code(a, 0) == ARCHIVE_FILTER_NONE)
                return bad(reterr, name,
                           "has a payload in no compression that is known here: it is damaged, fetch it "
                           "again; or build it with another "
                           "(CONFIG_KERNEL_ZSTD=y)");
        while ((n = archive_read_data(a, buf, chunk)) > 0) {
                u.size += (uint64_t)n;
                u.crc = (uint32_t)crc32(u.crc, (const unsigned char *)buf, (unsigned)n);
                if (u.size > ELF_SIZE_MAX)
                        return bad(reterr, name, "unpacks to more than 2 GiB");
                int r = kt_write_all(out, buf, (size_t)n);
                if (r < 0)
                        return kt_error_set(reterr, r, KT_E_IO, "cannot write the unpacked kernel: %s",
                                            strerror(-r));
        }
        if (n < 0)
                return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL,
                                    "%s: its payload is damaged or cut off: %s; fetch or build it again",
                                    name,
                                    archive_error_string(a) ? archive_error_string(a) : "no more is known");
        *ret = u;
        return 0;
}

static int unpack_bzimage(const uint8_t *data, size_t size, int out, const char *name,
                          struct kt_error *reterr)
{
        uint64_t setup = ((data[0x1f1] ? data[0x1f1] : 4U) + 1U) * 512ULL;
        uint64_t offset = setup + le32(data + 0x248), length = le32(data + 0x24c);
        uint32_t version = data[0x206] | (uint32_t)data[0x207] << 8, stated;
        struct unpacked unpacked = {};
        bool gzip;
        int r;

        if (version < 0x208)
                return bad(reterr, name, "has a boot protocol older than 2.08 (Linux 2.6.26)");
        if (length < PAYLOAD_SIZE_MIN || offset + length > size)
                return bad(reterr, name,
                           "is cut off: its payload reaches beyond its end; fetch or build it again");
        /* The last four bytes are the unpacked size: gzip's own trailer, appended to all others
         * (scripts/Makefile.lib: size_append). */
        stated = le32(data + offset + length - 4);
        gzip = data[offset] == 0x1f && data[offset + 1] == 0x8b;
        r = decompress(data + offset, length - (gzip ? 0 : 4), out, name, &unpacked, reterr);
        if (r < 0)
                return r;
        if (stated != (uint32_t)unpacked.size)
                return bad(reterr, name,
                           "unpacks to another size than it states; it is damaged, fetch or build it again");
        /* libarchive looks at all formats' checksums but gzip's. */
        if (gzip && le32(data + offset + length - 8) != unpacked.crc)
                return bad(reterr, name,
                           "unpacks to something with another checksum; it is damaged, fetch or build it "
                           "again");
        return 0;
}

/* In memory, not mapped: a file that its owner truncates meanwhile would end the daemon with SIGBUS. */
static int read_bzimage(int in, off_t size, uint8_t **ret)
{
        _cleanup_free_ uint8_t *data = malloc((size_t)size);
        off_t at = 0;

        if (!data)
                return -ENOMEM;
        while (at < size) {
                ssize_t n = pread(in, data + at, (size_t)(size - at), at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                at += n;
        }
        *ret = TAKE_PTR(data);
        return 0;
}

static bool is_elf(const uint8_t *head, ssize_t n)
{
        return n >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0;
}

static bool is_bzimage(const uint8_t *head, ssize_t n)
{
        return n == HEADER_SIZE && memcmp(head + 0x202, "HdrS", 4) == 0 && head[0x1fe] == 0x55 &&
               head[0x1ff] == 0xaa;
}

int kernel_image_to_elf(int in, int out, const char *name, struct kt_error *reterr)
{
        _cleanup_free_ uint8_t *data = NULL;
        uint8_t head[HEADER_SIZE];
        struct stat st;
        ssize_t n;
        int r;

        if (fstat(in, &st) < 0 || (n = pread(in, head, sizeof(head), 0)) < 0 || lseek(in, 0, SEEK_SET) < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_KERNEL, "cannot read %s: %s", name,
                                    strerror(errno));
        if (n == 0)
                return bad(reterr, name, "is empty; fetch or build it again");
        if (is_elf(head, n)) {
                r = kt_copy_fd(in, out, ELF_SIZE_MAX, NULL);
                if (r == -EFBIG)
                        return bad(reterr, name, "is larger than 2 GiB; strip it, or name its bzImage");
                return r < 0 ? kt_error_set(reterr, r, KT_E_IO, "cannot copy %s: %s", name, strerror(-r))
                             : 0;
        }
        if (!is_bzimage(head, n))
                return bad(reterr, name,
                           "is no kernel: neither a Debian package, a bzImage (vmlinuz) nor an ELF "
                           "(vmlinux); name one of these");
        if (st.st_size < HEADER_SIZE || st.st_size > BZIMAGE_SIZE_MAX)
                return bad(reterr, name, "has no size that a bzImage can have");
        r = read_bzimage(in, st.st_size, &data);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_BAD_KERNEL, "cannot read %s: %s", name,
                                    r == -ENODATA ? "it became shorter meanwhile" : strerror(-r));
        return unpack_bzimage(data, (size_t)st.st_size, out, name, reterr);
}
