/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sums.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "answer.h"
#include "capture.h"
#include "http.h"

#define SUMS_MAX (16U << 20)
#define BEGIN_MARKER "-----BEGIN PGP SIGNED MESSAGE-----"
#define END_MARKER "-----BEGIN PGP SIGNATURE-----"
#define HEX_DIGITS (KT_SHA256_HEX_SIZE - 1)

int sums_fetch(const struct net *net, unsigned major, char **ret, size_t *ret_size, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *url = kt_format("%s/v%u.x/sha256sums.asc", net->mirror, major);
        int r;

        if (!url)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = http_text(net, url, SUMS_MAX, ret, ret_size, &err);
        if (r >= 0)
                return 1;
        if (r == -ENOENT)
                return 0;
        kt_error_move(reterr, &err);
        return r;
}

/* --- lines --- */

struct line {
        const char *text;
        size_t size; /* without its end */
};

static bool next_line(const char **at, const char *end, struct line *ret)
{
        const char *stop;

        if (*at >= end)
                return false;
        stop = memchr(*at, '\n', (size_t)(end - *at)) ?: end;
        *ret = (struct line){*at, (size_t)(stop - *at)};
        *at = stop < end ? stop + 1 : end;
        while (ret->size > 0 && isspace((unsigned char)ret->text[ret->size - 1]))
                ret->size--;
        return true;
}

static bool line_is(const struct line *l, const char *text)
{
        return l->size == strlen(text) && memcmp(l->text, text, l->size) == 0;
}

/* "HASH  FILE" or "HASH *FILE": the name; size 0 when it is no such line. */
static struct line file_of(const struct line *l)
{
        if (l->size < HEX_DIGITS + 3 || l->text[HEX_DIGITS] != ' ')
                return (struct line){};
        for (size_t i = 0; i < HEX_DIGITS; i++)
                if (!isxdigit((unsigned char)l->text[i]))
                        return (struct line){};
        if (l->text[HEX_DIGITS + 1] != ' ' && l->text[HEX_DIGITS + 1] != '*')
                return (struct line){};
        return (struct line){l->text + HEX_DIGITS + 2, l->size - HEX_DIGITS - 2};
}

bool sums_find(const char *text, size_t size, const char *file, char ret_hex[static KT_SHA256_HEX_SIZE])
{
        const char *at = text;
        struct line l;

        while (next_line(&at, text + size, &l)) {
                struct line f = file_of(&l);

                if (f.size == 0 || !line_is(&f, file))
                        continue;
                for (size_t i = 0; i < HEX_DIGITS; i++)
                        ret_hex[i] = (char)tolower((unsigned char)l.text[i]);
                ret_hex[HEX_DIGITS] = '\0';
                return true;
        }
        return false;
}

bool sums_newest_of(const char *text, size_t size, const struct version *series, struct version *ret)
{
        static const char before[] = "linux-", after[] = ".tar.xz";
        const char *at = text;
        bool found = false;
        struct line l;

        while (next_line(&at, text + size, &l)) {
                struct line f = file_of(&l);
                size_t around = strlen(before) + strlen(after);
                char name[VERSION_TEXT_MAX];
                struct version v;

                if (f.size <= around || f.size - around >= sizeof(name) ||
                    memcmp(f.text, before, strlen(before)) != 0 ||
                    memcmp(f.text + f.size - strlen(after), after, strlen(after)) != 0)
                        continue;
                snprintf(name, sizeof(name), "%.*s", (int)(f.size - around), f.text + strlen(before));
                if (!version_parse(name, &v) || v.rc || !version_is_of(&v, series))
                        continue;
                if (!found || version_compare(&v, ret) > 0)
                        *ret = v;
                found = true;
        }
        return found;
}

/* --- what is signed --- */

bool sums_cut_markers(char *text, size_t *size)
{
        const char *at = text, *end = text + *size;
        bool begun = false, inside = false;
        char *to = text;
        struct line l;

        while (next_line(&at, end, &l)) {
                if (!begun) {
                        begun = line_is(&l, BEGIN_MARKER);
                        continue;
                }
                /* Its own headers ("Hash: SHA256") end with an empty line. */
                if (!inside) {
                        inside = l.size == 0;
                        continue;
                }
                if (line_is(&l, END_MARKER)) {
                        *to = '\0';
                        *size = (size_t)(to - text);
                        return true;
                }
                /* A line that begins with a dash has "- " in front. */
                if (l.size >= 2 && memcmp(l.text, "- ", 2) == 0)
                        l = (struct line){l.text + 2, l.size - 2};
                memmove(to, l.text, l.size);
                to += l.size;
                *to++ = '\n';
        }
        return false;
}

/* "BAD signature from ..." of "gpgv: BAD signature from ...", in place: it is put into a sentence. */
static const char *gpgv_reason(char *err)
{
        static const char *const fronts[] = {"gpgv: ", "[don't know]: "};
        char *line = last_line(err);
        size_t len;

        if (!line)
                return "it does not say why";
        line += strspn(line, " \t");
        for (size_t i = 0; i < KT_ARRAY_SIZE(fronts); i++)
                if (strncmp(line, fronts[i], strlen(fronts[i])) == 0)
                        line += strlen(fronts[i]);
        for (len = strlen(line); len > 0 && strchr(" \t\r.:;,", line[len - 1]); len--)
                ;
        line[len] = '\0';
        return len > 0 ? line : "it does not say why";
}

/* The text on gpgv's standard input; it gives back what is signed, and nothing else is looked at. */
static int ask_gpgv(const struct net *net, char **text, size_t *size, struct kt_error *reterr)
{
        const char *argv[] = {"gpgv", "--quiet", "--keyring", net->keyring, "--output", "-", "-", NULL};
        _cleanup_(captured_done) struct captured out = {};
        _cleanup_close_ int in = memfd_create("sums", MFD_CLOEXEC);
        int r;

        r = in < 0 ? -errno : kt_write_all(in, *text, *size);
        if (r < 0 || lseek(in, 0, SEEK_SET) < 0)
                return kt_error_set(reterr, r < 0 ? r : -errno, KT_E_IO, "cannot hand the sums to gpgv: %s",
                                    strerror(r < 0 ? -r : errno));
        r = capture(&(struct capture){.argv = argv, .in = in}, &out, reterr);
        if (r == -ENOENT)
                return kt_error_set(
                        reterr, r, KT_E_DOWNLOAD,
                        "gpgv is not here, and KernelKeyring= is set: install gpgv, or unset it");
        if (r < 0)
                return r;
        if (out.status != 0)
                return kt_error_set(reterr, -EKEYREJECTED, KT_E_DOWNLOAD,
                                    "the signature of the sums on %s is not good by %s (gpgv: %s); another "
                                    "mirror (KernelMirror= in ktstrd.conf) or another keyring "
                                    "(KernelKeyring=)?",
                                    net->mirror, net->keyring, gpgv_reason(out.err));
        free(*text);
        *text = TAKE_PTR(out.out);
        *size = out.out_size;
        return 0;
}

int sums_take_signed(const struct net *net, char **text, size_t *size, struct kt_error *reterr)
{
        if (net->keyring)
                return ask_gpgv(net, text, size, reterr);
        answer_note("signature not checked: KernelKeyring= is not set");
        (void)sums_cut_markers(*text, size);
        return 0;
}
