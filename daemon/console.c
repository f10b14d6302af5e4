/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/errors.h"

#define TELLING_LINE_MAX 300

static int open_file(struct console *c, const char *path, struct kt_error *reterr)
{
        if (!path)
                return 0;
        c->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        return c->fd >= 0 ? 0
                          : kt_error_set(reterr, -errno, KT_E_IO, "cannot create %s: %s", path,
                                         strerror(errno));
}

int console_init(struct console *c, const char *path, struct kt_error *reterr)
{
        int r;

        *c = (struct console){.fd = -1};
        if (tail_init(&c->tail, CONSOLE_TAIL_MAX) < 0)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = open_file(c, path, reterr);
        if (r < 0)
                console_done(c);
        return r;
}

int console_keep(struct console *c, const char *path)
{
        char *copy = path ? strdup(path) : NULL;

        if (path && !copy)
                return -ENOMEM;
        kt_closep(&c->fd);
        free(c->path);
        c->fd = -1;
        c->path = copy;
        c->written = 0;
        tail_clear(&c->tail);
        return 0;
}

void console_done(struct console *c)
{
        tail_done(&c->tail);
        free(c->path);
        c->path = NULL;
        kt_closep(&c->fd);
        c->fd = -1;
}

static void write_file(struct console *c, const char *data, size_t size)
{
        static const char cut[] = "\n[the console said more than is kept]\n";
        int r;

        if (c->written + size > CONSOLE_FILE_MAX) {
                data = cut;
                size = strlen(cut);
        }
        r = kt_write_all(c->fd, data, size);
        c->written += size;
        if (r < 0)
                kt_log_warning("the guest's console is not kept any further: %s", strerror(-r));
        if (r < 0 || data == cut) {
                kt_closep(&c->fd);
                c->fd = -1;
        }
}

static void open_late(struct console *c)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *path = TAKE_PTR(c->path);

        if (open_file(c, path, &err) < 0)
                kt_log_warning("the guest's console is not kept: %s", kt_error_text(&err));
}

void console_add(struct console *c, const char *data, size_t size)
{
        tail_add(&c->tail, data, size);
        if (c->path)
                open_late(c);
        if (c->fd >= 0)
                write_file(c, data, size);
}

/* The last place where `what` stands, NULL when there is none. */
static const char *find_last(const char *text, const char *what)
{
        const char *found = NULL;

        for (const char *p = text; (p = strstr(p, what)); p++)
                found = p;
        return found;
}

/* "[    2.032212] text" to "text" */
static const char *skip_time_stamp(const char *line)
{
        const char *p = line;

        if (*p != '[')
                return line;
        p += 1 + strspn(p + 1, " 0123456789.");
        return p[0] == ']' && p[1] == ' ' ? p + 2 : line;
}

char *console_telling_line(const struct console *c)
{
        static const char *const telling[] = {
                "Kernel panic - not syncing",
                "BUG: ",
                "Oops: ",
                "ktstr-guest: ",
        };
        const char *text = tail_text(&c->tail), *found = NULL, *start;
        _cleanup_free_ char *last = NULL;
        size_t len;

        for (size_t i = 0; i < KT_ARRAY_SIZE(telling) && !found; i++)
                found = find_last(text, telling[i]);
        if (!found) {
                last = tail_last_line(&c->tail);
                if (!last)
                        return NULL;
                text = found = last;
        }
        for (start = found; start > text && start[-1] != '\n';)
                start--;
        start = skip_time_stamp(start);
        len = strcspn(start, "\n");
        return strndup(start, len < TELLING_LINE_MAX ? len : TELLING_LINE_MAX);
}
