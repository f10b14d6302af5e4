/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* What an error says when there is no memory left to say more. Never freed, never written. */
static char oom_text[] = "out of memory: close other programs or give this machine more of it";

static void message_free(char *message)
{
        if (message != oom_text)
                free(message);
}

/* Messages are one line wherever they end: a terminal, a journal field, a JUnit attribute. */
static void make_one_line(char *s)
{
        size_t len = strlen(s);

        while (len > 0 && (s[len - 1] == '\n' || s[len - 1] == ' '))
                s[--len] = '\0';
        for (; *s; s++)
                if ((unsigned char)*s < ' ' || *s == 0x7f)
                        *s = ' ';
}

static char *format_message(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static char *format_message(const char *fmt, va_list ap)
{
        char *text;

        if (vasprintf(&text, fmt, ap) < 0)
                return oom_text;
        make_one_line(text);
        return text;
}

void kt_error_done(struct kt_error *err)
{
        if (!err)
                return;
        message_free(err->message);
        free(err->field);
        *err = KT_ERROR_INIT;
}

int kt_error_setv_field(struct kt_error *err, int num, const char *name, const char *field, const char *fmt,
                        va_list ap)
{
        int saved_errno = errno;
        struct kt_error fresh;

        assert(num < 0);
        if (!err)
                return num;

        /* The arguments may point into the old content, so that goes last. */
        fresh = (struct kt_error){
                .name = name,
                .num = num,
                .message = format_message(fmt, ap),
                .field = field ? strdup(field) : NULL,
        };
        kt_error_done(err);
        *err = fresh;
        errno = saved_errno;
        return num;
}

int kt_error_set(struct kt_error *err, int num, const char *name, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        kt_error_setv_field(err, num, name, NULL, fmt, ap);
        va_end(ap);
        return num;
}

int kt_error_set_field(struct kt_error *err, int num, const char *name, const char *field, const char *fmt,
                       ...)
{
        va_list ap;

        va_start(ap, fmt);
        kt_error_setv_field(err, num, name, field, fmt, ap);
        va_end(ap);
        return num;
}

int kt_error_prefix(struct kt_error *err, const char *fmt, ...)
{
        int saved_errno = errno;
        char *prefix, *whole;
        va_list ap;

        if (!err)
                return 0;

        va_start(ap, fmt);
        prefix = format_message(fmt, ap);
        va_end(ap);

        /* Without memory the message stays as it was: the cause is worth more than the context. */
        if (prefix != oom_text && asprintf(&whole, "%s: %s", prefix, kt_error_text(err)) >= 0) {
                message_free(err->message);
                err->message = whole;
        }
        message_free(prefix);
        errno = saved_errno;
        return err->num;
}

void kt_error_move(struct kt_error *dst, struct kt_error *src)
{
        struct kt_error taken = *src;

        *src = KT_ERROR_INIT;
        if (!dst) {
                kt_error_done(&taken);
                return;
        }
        kt_error_done(dst);
        *dst = taken;
}

const char *kt_error_text(const struct kt_error *err)
{
        if (err && err->message)
                return err->message;
        if (kt_error_isset(err))
                return strerrordesc_np(-err->num) ?: "unknown error";
        return "no error";
}
