/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_value.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"

int guest_value_bad(struct kt_error *reterr, const char *what)
{
        return kt_error_set(reterr, -EBADMSG, KT_E_GUEST_PROTOCOL, "the report is unusable: %s", what);
}

int guest_value_oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

struct json_object *guest_value_member(struct json_object *o, const char *key, enum json_type type)
{
        struct json_object *v = kt_json_get(o, key);

        return v && json_object_is_type(v, type) ? v : NULL;
}

/* Control characters are two of Unicode's blocks: terminals obey U+009B as they do ESC [. */
static void make_plain(char *text)
{
        for (unsigned char *p = (unsigned char *)text; *p; p++)
                if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
                        *p = '?';
                else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
                        p[0] = p[1] = '?';
}

char *guest_value_text(struct json_object *o, const char *key, size_t max)
{
        struct json_object *v = guest_value_member(o, key, json_type_string);
        size_t len = v ? (size_t)json_object_get_string_len(v) : 0;
        const char *from = v ? json_object_get_string(v) : NULL;
        char *text;

        if (!v)
                return NULL;
        /* Cut at a whole character: what is sent on must stay UTF-8. */
        if (len > max)
                for (len = max; len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80;)
                        len--;
        text = strndup(from, len);
        if (text)
                make_plain(text);
        return text;
}

void guest_value_copy(struct json_object *o, const char *key, char *ret, size_t size)
{
        _cleanup_free_ char *text = guest_value_text(o, key, size - 1);

        strcpy(ret, text ? text : "");
}

char *guest_value_name(struct json_object *o, const char *key, size_t max)
{
        char *name = guest_value_text(o, key, max);

        for (char *p = name; p && *p; p++)
                if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
                        *p = '?';
        return name;
}

int64_t guest_value_number(struct json_object *o, const char *key)
{
        struct json_object *v = guest_value_member(o, key, json_type_int);
        int64_t n = v ? json_object_get_int64(v) : -1;

        return n < 0 ? -1 : n;
}

uint64_t guest_value_count(struct json_object *o, const char *key)
{
        int64_t n = guest_value_number(o, key);

        return n < 0 ? 0 : (uint64_t)n;
}

double guest_value_double(struct json_object *o, const char *key)
{
        struct json_object *v = kt_json_get(o, key);
        double n = v && (json_object_is_type(v, json_type_double) || json_object_is_type(v, json_type_int))
                           ? json_object_get_double(v)
                           : 0;

        return isfinite(n) ? n : 0;
}

bool guest_value_is_true(struct json_object *o, const char *key)
{
        struct json_object *v = guest_value_member(o, key, json_type_boolean);

        return v && json_object_get_boolean(v);
}
