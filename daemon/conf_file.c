/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../common/distance.h"
#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"

#define BLANKS " \t\r"
/* Letters by which a name may differ from one that is meant. */
#define NEAR 2U

struct reading {
        const struct conf_reader *reader;
        const char *path;
        unsigned line;       /* that is being looked at */
        const char *section; /* of the reader's; NULL before the first */
        char text[CONF_LINE_MAX + 1];
        size_t length;
        unsigned begun; /* where the text began; 0: there is none */
};

static int refuse(const struct reading *g, unsigned line, struct kt_error *reterr, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

static int refuse(const struct reading *g, unsigned line, struct kt_error *reterr, const char *fmt, ...)
{
        char text[512];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "%s:%u: %s", g->path, line, text);
}

/* --- did you mean --- */

static unsigned name_distance(const char *a, const char *b)
{
        char lower[2][64];
        const char *const names[] = {a, b};

        for (int i = 0; i < 2; i++) {
                size_t n = strlen(names[i]);

                if (n >= sizeof(lower[i]))
                        return UINT_MAX;
                for (size_t j = 0; j <= n; j++)
                        lower[i][j] = (char)tolower((unsigned char)names[i][j]);
        }
        return kt_edit_distance(lower[0], lower[1]);
}

static int refuse_section(const struct reading *g, const char *name, struct kt_error *reterr)
{
        const struct conf_reader *r = g->reader;
        const char *nearest = NULL;
        unsigned best = NEAR + 1;

        for (size_t i = 0; i < r->n_keys; i++) {
                unsigned d = name_distance(name, r->keys[i].section);

                if (d < best) {
                        best = d;
                        nearest = r->keys[i].section;
                }
        }
        if (nearest)
                return refuse(g, g->begun, reterr, "unknown section [%.64s]; did you mean [%s]?", name,
                              nearest);
        return refuse(g, g->begun, reterr, "unknown section [%.64s]; see %s", name, r->manual);
}

static int refuse_key(const struct reading *g, const char *name, struct kt_error *reterr)
{
        const struct conf_reader *r = g->reader;
        const struct conf_key *nearest = NULL;
        unsigned best = 2 * NEAR + 1;

        for (size_t i = 0; i < r->n_keys; i++) {
                unsigned d = name_distance(name, r->keys[i].name);

                if (d > NEAR)
                        continue;
                /* Of two that are as near, the one in this section. */
                d = 2 * d + (strcmp(r->keys[i].section, g->section) != 0);
                if (d < best) {
                        best = d;
                        nearest = &r->keys[i];
                }
        }
        if (!nearest)
                return refuse(g, g->begun, reterr, "unknown key '%.64s' in [%s]; see %s", name, g->section,
                              r->manual);
        if (strcmp(nearest->section, g->section) == 0)
                return refuse(g, g->begun, reterr, "unknown key '%.64s' in [%s]; did you mean '%s'?", name,
                              g->section, nearest->name);
        return refuse(g, g->begun, reterr, "unknown key '%.64s' in [%s]; did you mean '%s' in [%s]?", name,
                      g->section, nearest->name, nearest->section);
}

/* --- lines --- */

static char *strip(char *text)
{
        size_t n;

        text += strspn(text, BLANKS);
        for (n = strlen(text); n > 0 && strchr(BLANKS, text[n - 1]); n--)
                ;
        text[n] = '\0';
        return text;
}

static int take_section(struct reading *g, char *text, struct kt_error *reterr)
{
        const struct conf_reader *r = g->reader;
        char *end = text + strlen(text) - 1;

        if (*end != ']' || end != strchr(text, ']'))
                return refuse(g, g->begun, reterr,
                              "'%.64s' is no section; write [Section] on a line of its own", text);
        *end = '\0';
        for (size_t i = 0; i < r->n_keys; i++)
                if (strcmp(r->keys[i].section, text + 1) == 0) {
                        g->section = r->keys[i].section;
                        return 0;
                }
        return refuse_section(g, text + 1, reterr);
}

static int assign(const struct reading *g, size_t key, const char *value, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const struct conf_reader *r = g->reader;
        _cleanup_free_ char *where = kt_format("%s:%u", g->path, g->begun);
        int n;

        if (!where)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        n = r->assign(key, value, where, r->data, &err);
        if (n < 0)
                return kt_error_set(reterr, n, err.name, "%s: %s=: %s", where, r->keys[key].name,
                                    kt_error_text(&err));
        return 0;
}

static int take_assignment(const struct reading *g, char *text, struct kt_error *reterr)
{
        const struct conf_reader *r = g->reader;
        char *equals = strchr(text, '='), *name;

        if (!equals || equals == text)
                return refuse(g, g->begun, reterr, "'%.64s' is neither [Section] nor Key=value", text);
        *equals = '\0';
        name = strip(text);
        if (!g->section)
                return refuse(g, g->begun, reterr, "'%.64s=' stands before the first [Section]", name);
        for (size_t i = 0; i < r->n_keys; i++)
                if (strcmp(r->keys[i].section, g->section) == 0 && strcmp(r->keys[i].name, name) == 0)
                        return assign(g, i, strip(equals + 1), reterr);
        return refuse_key(g, name, reterr);
}

/* What was gathered is complete. */
static int end_line(struct reading *g, struct kt_error *reterr)
{
        char *text = strip(g->text);
        int r = 0;

        if (*text == '[')
                r = take_section(g, text, reterr);
        else if (*text)
                r = take_assignment(g, text, reterr);
        g->length = 0;
        g->begun = 0;
        return r;
}

static bool goes_on(const char *text, size_t n)
{
        size_t backslashes = 0;

        while (backslashes < n && text[n - 1 - backslashes] == '\\')
                backslashes++;
        return backslashes % 2 == 1;
}

static int add_line(struct reading *g, const char *text, size_t n, struct kt_error *reterr)
{
        bool more;

        if (memchr(text, '\0', n))
                return refuse(g, g->line, reterr, "there is a NUL byte in this line");
        if (!kt_utf8_valid(text, n))
                return refuse(g, g->line, reterr, "this line is not UTF-8");
        if (n > 0 && text[n - 1] == '\r')
                n--;
        /* A comment does not end what goes on around it. */
        size_t indent = 0;
        while (indent < n && strchr(BLANKS, text[indent]))
                indent++;
        if (indent < n && (text[indent] == '#' || text[indent] == ';'))
                return 0;
        if (n > CONF_LINE_MAX - g->length)
                return refuse(g, g->line, reterr, "this line is longer than %u bytes", CONF_LINE_MAX);
        memcpy(g->text + g->length, text, n);
        g->length += n;
        g->text[g->length] = '\0';
        if (!g->begun)
                g->begun = g->line;
        more = goes_on(text, n);
        if (more)
                g->text[g->length - 1] = ' ';
        return more ? 0 : end_line(g, reterr);
}

int conf_parse(const char *path, const char *text, size_t size, const struct conf_reader *reader,
               struct kt_error *reterr)
{
        struct reading g = {.reader = reader, .path = path};
        const char *end = text + size;
        int r = 0;

        if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
                text += 3;
        while (text < end && r == 0) {
                const char *newline = memchr(text, '\n', (size_t)(end - text));
                const char *stop = newline ? newline : end;

                g.line++;
                r = add_line(&g, text, (size_t)(stop - text), reterr);
                text = newline ? newline + 1 : end;
        }
        return r == 0 && g.begun ? end_line(&g, reterr) : r;
}

/* --- files --- */

static bool is_null_device(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

int conf_read(const char *path, const struct conf_reader *reader, struct kt_error *reterr)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (is_null_device(path))
                return 0;
        r = kt_read_file(AT_FDCWD, path, CONF_FILE_MAX, &text, &size);
        if (r == -ENOENT)
                return r;
        if (r == -EFBIG)
                return kt_error_set(reterr, r, KT_E_IO, "%s is larger than %u bytes", path, CONF_FILE_MAX);
        if (r == -EINVAL)
                return kt_error_set(reterr, r, KT_E_IO, "%s is no file", path);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s: %s", path, strerror(-r));
        return conf_parse(path, text, size, reader, reterr);
}
