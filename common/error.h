/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What went wrong, for a person and for a program.
 *
 * A function that can fail in a way somebody will read takes `struct kt_error *reterr` last. The caller
 * owns it (usually `_cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;`), may pass NULL, and
 * finds it untouched on success. The return value stays the plain 0 or -errno, so that it can be compared.
 *
 * Not thread-safe: one error object belongs to one thread at a time.
 */

#include <stdarg.h>

#include "cleanup.h"

struct kt_error {
        const char *name; /* wire name, static: one of KT_E_* in proto/errors.h; NULL while unset */
        int num;          /* -errno, or 0 while unset */
        char *message;    /* owned; one line: what, where, what to do next. May be the static OOM text */
        char *field;      /* owned; path of the offending request field, or NULL */
};

#define KT_ERROR_INIT ((struct kt_error){0})

/* Release what an error holds and make it KT_ERROR_INIT again. NULL is allowed. */
void kt_error_done(struct kt_error *err);

/*
 * Fill err (NULL allowed) and return num, so that `return kt_error_set(reterr, -ENOENT, KT_E_…, "…")` is
 * one line. num must be negative. A previous content is replaced (and may be among the arguments). errno is
 * preserved. Line breaks and other control characters in the text become blanks. When memory runs out the
 * message becomes a static text: reporting never fails. name is NULL for what never goes over the wire.
 */
int kt_error_set(struct kt_error *err, int num, const char *name, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));

/* The same, naming the request field at fault (dotted path, copied). */
int kt_error_set_field(struct kt_error *err, int num, const char *name, const char *field, const char *fmt,
                       ...) __attribute__((format(printf, 5, 6)));

/* The same, for a function that takes such arguments itself. */
int kt_error_setv_field(struct kt_error *err, int num, const char *name, const char *field, const char *fmt,
                        va_list ap) __attribute__((format(printf, 5, 0)));

/* Put text in front of the message: "text: message". Returns err->num, so it can be returned too. */
int kt_error_prefix(struct kt_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Move src into dst (which is released first); src is KT_ERROR_INIT afterwards. */
void kt_error_move(struct kt_error *dst, struct kt_error *src);

/* The message, or a text for num when there is none. Borrowed, never NULL. */
const char *kt_error_text(const struct kt_error *err);

static inline int kt_error_isset(const struct kt_error *err)
{
        return err && err->num != 0;
}
