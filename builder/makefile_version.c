/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "makefile_version.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "archive_filters.h"

#define CHUNK (256U * 1024U)
/* Its first lines have the version; the whole of it is 70 KiB. */
#define MAKEFILE_MAX (1U << 20)

/* The value of the first "NAME = value", without blanks, in buf; false when there is none. */
static bool variable(const char *text, const char *name, char *buf, size_t size)
{
        size_t len = strlen(name);

        for (const char *p = text; p; p = strchr(p, '\n')) {
                const char *v;
                size_t n;

                p += *p == '\n';
                if (strncmp(p, name, len) != 0)
                        continue;
                v = p + len + strspn(p + len, " \t");
                if (*v != '=')
                        continue;
                v++;
                v += strspn(v, " \t");
                n = strcspn(v, " \t\r\n#");
                if (n >= size)
                        return false;
                memcpy(buf, v, n);
                buf[n] = '\0';
                return true;
        }
        return false;
}

static bool is_number(const char *s)
{
        return *s && s[strspn(s, "0123456789")] == '\0';
}

int makefile_version(const char *text, char **ret)
{
        char version[8], patchlevel[8], sublevel[8], extra[64];
        size_t candidate = 0;

        if (!variable(text, "VERSION", version, sizeof(version)) || !is_number(version) ||
            !variable(text, "PATCHLEVEL", patchlevel, sizeof(patchlevel)) || !is_number(patchlevel))
                return -ENOENT;
        if (!variable(text, "SUBLEVEL", sublevel, sizeof(sublevel)) || !is_number(sublevel))
                strcpy(sublevel, "0");
        if (variable(text, "EXTRAVERSION", extra, sizeof(extra)) && strncmp(extra, "-rc", 3) == 0 &&
            isdigit((unsigned char)extra[3]))
                candidate = 3 + strspn(extra + 3, "0123456789");
        *ret = kt_format("%s.%s%s%s%.*s", version, patchlevel, strcmp(sublevel, "0") == 0 ? "" : ".",
                         strcmp(sublevel, "0") == 0 ? "" : sublevel, (int)candidate, extra);
        return *ret ? 0 : -ENOMEM;
}

/* "linux-6.14.2/Makefile", "./linux-6.14.2/Makefile", "Makefile" */
static bool is_the_makefile(const char *path)
{
        const char *slash;

        if (strncmp(path, "./", 2) == 0)
                path += 2;
        slash = strchr(path, '/');
        return strcmp(slash ? slash + 1 : path, "Makefile") == 0;
}

static int bad(const char *name, const char *why, struct kt_error *reterr)
{
        return kt_error_set(reterr, -EBADMSG, KT_E_BAD_KERNEL, "%s is no kernel source: %s", name, why);
}

int tarball_version(const char *path, const char *name, char **ret, struct kt_error *reterr)
{
        _cleanup_(archive_read_freep) struct archive *a = archive_read_new();
        _cleanup_free_ char *text = malloc(MAKEFILE_MAX + 1);
        struct archive_entry *entry;
        int s;

        if (!a || !text)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        archive_support_source_filters(a);
        archive_read_support_format_tar(a);
        if (archive_read_open_filename(a, path, CHUNK) != ARCHIVE_OK)
                return bad(name, archive_error_string(a), reterr);
        while ((s = archive_read_next_header(a, &entry)) == ARCHIVE_OK || s == ARCHIVE_WARN) {
                const char *member = archive_entry_pathname(entry);
                la_ssize_t n;
                int r;

                if (!member || archive_entry_filetype(entry) != AE_IFREG || !is_the_makefile(member))
                        continue;
                n = archive_read_data(a, text, MAKEFILE_MAX);
                if (n < 0)
                        break;
                text[n] = '\0';
                r = makefile_version(text, ret);
                if (r == -ENOENT)
                        return bad(name, "its Makefile says no VERSION and PATCHLEVEL", reterr);
                return r < 0 ? kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory") : 0;
        }
        if (s == ARCHIVE_EOF)
                return bad(name, "there is no Makefile in it", reterr);
        return bad(name, archive_error_string(a) ?: "it is damaged", reterr);
}
