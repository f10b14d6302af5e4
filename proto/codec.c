/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "json_scan.h"

/* --- text --- */

/* Bytes of the character at p, 0 when it is none: no overlong forms, no surrogates, nothing beyond U+10FFFF,
 * no NUL. */
static size_t utf8_character(const unsigned char *p, size_t size)
{
        size_t len;

        if (p[0] < 0x80)
                return p[0] != 0;
        if (p[0] >= 0xc2 && p[0] <= 0xdf)
                len = 2;
        else if (p[0] >= 0xe0 && p[0] <= 0xef)
                len = 3;
        else if (p[0] >= 0xf0 && p[0] <= 0xf4)
                len = 4;
        else
                return 0;

        if (size < len)
                return 0;
        for (size_t i = 1; i < len; i++)
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
            (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
                return 0;
        return len;
}

/* Bytes from the start that are valid. */
static size_t utf8_prefix(const unsigned char *p, size_t size)
{
        size_t at = 0, n;

        while (at < size && (n = utf8_character(p + at, size - at)) > 0)
                at += n;
        return at;
}

bool kt_utf8_valid(const void *data, size_t size)
{
        return utf8_prefix(data, size) == size;
}

char *kt_utf8_repair(const char *data, size_t size)
{
        static const char replacement[] = "\xef\xbf\xbd";
        char *text, *out;

        if (size > (SIZE_MAX - 1) / 3)
                return NULL;
        text = out = malloc(size * 3 + 1);
        if (!text)
                return NULL;
        for (size_t at = 0; at < size;) {
                size_t n = utf8_prefix((const unsigned char *)data + at, size - at);

                out = mempcpy(out, data + at, n);
                at += n;
                if (at < size) {
                        out = mempcpy(out, replacement, 3);
                        at++;
                }
        }
        *out = '\0';
        return text;
}

/* --- one value --- */

/* Members of all objects below o, to be compared with what the scanner counted: json-c keeps the last of two
 * members with the same key. Stops at a number that is none. */
static int count_members(struct json_object *o, size_t *count)
{
        int r = 0;

        if (json_object_is_type(o, json_type_object)) {
                json_object_object_foreach (o, key, value) {
                        (void)key;
                        (*count)++;
                        if (r == 0)
                                r = count_members(value, count);
                }
        } else if (json_object_is_type(o, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(o) && r == 0; i++)
                        r = count_members(json_object_array_get_idx(o, i), count);
        } else if (json_object_is_type(o, json_type_double) && !isfinite(json_object_get_double(o))) {
                r = -ERANGE;
        }
        return r;
}

static int bad(struct kt_error *reterr, const char *problem, size_t offset)
{
        return kt_error_set(reterr, -EBADMSG, KT_E_INVALID_PARAMETER, "malformed message: %s at byte %zu",
                            problem, offset);
}

/* Text that the scanner took for one complete value, with `members` members. */
static int build(const char *text, size_t size, size_t members, struct json_object **ret,
                 struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *json = NULL;
        size_t valid = utf8_prefix((const unsigned char *)text, size), count = 0;
        enum json_tokener_error problem;
        struct json_tokener *tok;

        if (valid != size)
                return bad(reterr, "invalid UTF-8", valid);

        /* The scanner has bounded the depth; json-c counts it a little differently. */
        tok = json_tokener_new_ex(KT_WIRE_DEPTH_MAX + 2);
        if (!tok)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        /* Without JSON_TOKENER_STRICT: the scanner is stricter, and json-c 0.18 then refuses all that is not
         * ASCII. */
        json = json_tokener_parse_ex(tok, text, (int)size);
        problem = json_tokener_get_error(tok);
        /* A top-level number could go on; the terminating NUL tells that it does not. */
        if (problem == json_tokener_continue) {
                json = json_tokener_parse_ex(tok, "", 1);
                problem = json_tokener_get_error(tok);
        }
        json_tokener_free(tok);

        if (problem == json_tokener_error_parse_number)
                return kt_error_set(reterr, -EBADMSG, KT_E_INVALID_PARAMETER,
                                    "malformed message: a number is out of range");
        if (problem != json_tokener_success)
                return kt_error_set(reterr, -EBADMSG, KT_E_INVALID_PARAMETER, "malformed message: %s",
                                    json_tokener_error_desc(problem));
        if (count_members(json, &count) < 0)
                return kt_error_set(reterr, -EBADMSG, KT_E_INVALID_PARAMETER,
                                    "malformed message: a number is out of range");
        if (count != members)
                return kt_error_set(reterr, -EBADMSG, KT_E_INVALID_PARAMETER,
                                    "malformed message: an object has the same key twice");
        *ret = TAKE_PTR(json);
        return 0;
}

int kt_json_parse(const char *text, size_t size, struct json_object **ret, struct kt_error *reterr)
{
        struct kt_json_scan scan;
        size_t taken;

        if (size > KT_WIRE_MESSAGE_MAX)
                return kt_error_set(reterr, -EMSGSIZE, KT_E_INVALID_PARAMETER,
                                    "message of %zu bytes: at most %u are allowed", size,
                                    KT_WIRE_MESSAGE_MAX);
        kt_json_scan_init(&scan, KT_WIRE_DEPTH_MAX);
        taken = kt_json_scan_run(&scan, text, size);
        if (taken < size)
                return bad(reterr, scan.problem, taken);
        if (!kt_json_scan_finish(&scan))
                return bad(reterr, scan.problem, size);
        return build(text, size, scan.members, ret, reterr);
}

/* --- the stream --- */

struct kt_wire_decoder {
        char *buf;
        size_t start, len, allocated;
        size_t scanned;           /* of those len bytes */
        struct kt_json_scan scan; /* stands behind the bytes scanned */
        size_t max_message;
        int failed;
};

struct kt_wire_decoder *kt_wire_decoder_new(size_t max_message)
{
        struct kt_wire_decoder *d = calloc(1, sizeof(*d));

        if (!d)
                return NULL;
        d->max_message =
                max_message == 0 || max_message > KT_WIRE_MESSAGE_MAX ? KT_WIRE_MESSAGE_MAX : max_message;
        kt_json_scan_init(&d->scan, KT_WIRE_DEPTH_MAX);
        return d;
}

void kt_wire_decoder_free(struct kt_wire_decoder *d)
{
        if (!d)
                return;
        free(d->buf);
        free(d);
}

int kt_wire_decoder_feed(struct kt_wire_decoder *d, const void *data, size_t size)
{
        if (size == 0)
                return 0;
        if (d->allocated - d->start - d->len < size && d->start > 0) {
                memmove(d->buf, d->buf + d->start, d->len);
                d->start = 0;
        }
        if (d->allocated - d->start - d->len < size) {
                size_t want = d->allocated ?: 4096;
                char *grown;

                if (size > SIZE_MAX / 4)
                        return -ENOMEM;
                while (want < d->len + size)
                        want *= 2;
                grown = realloc(d->buf, want);
                if (!grown)
                        return -ENOMEM;
                d->buf = grown;
                d->allocated = want;
        }
        memcpy(d->buf + d->start + d->len, data, size);
        d->len += size;
        return 0;
}

static void drop(struct kt_wire_decoder *d, size_t size)
{
        d->start += size;
        d->len -= size;
        d->scanned = 0;
        kt_json_scan_init(&d->scan, KT_WIRE_DEPTH_MAX);
        /* What is between messages holds no memory: a connection is idle for most of its life, and one long
         * message would be paid for until its end. */
        if (d->len == 0) {
                free(d->buf);
                d->buf = NULL;
                d->start = d->allocated = 0;
        }
}

/* Blanks between messages are not part of any, and are not kept while waiting for one. */
static void skip_blanks(struct kt_wire_decoder *d)
{
        size_t n = 0;

        while (n < d->len && d->buf[d->start + n] && strchr(" \t\r\n", d->buf[d->start + n]))
                n++;
        drop(d, n);
}

/* Bytes from here on that end no message whatever they mean: the first, and those up to the next NUL or
 * newline. */
static size_t run_length(const char *at, size_t size)
{
        size_t n = 1;

        while (n < size && at[n] != '\0' && at[n] != '\n')
                n++;
        return n;
}

/* Scan until the message's end: 1 with its size (its terminator stands behind), 0 more
 * bytes needed, -errno. */
static int find_end(struct kt_wire_decoder *d, size_t *ret_size, struct kt_error *reterr)
{
        const char *message = d->buf + d->start;
        size_t limit = d->len < d->max_message ? d->len : d->max_message;

        while (d->scanned < d->len) {
                char c = message[d->scanned];
                size_t n, taken;

                if (c == '\0' || (c == '\n' && kt_json_scan_complete(&d->scan))) {
                        *ret_size = d->scanned;
                        return 1;
                }
                if (d->scanned == d->max_message)
                        return kt_error_set(reterr, -EMSGSIZE, KT_E_INVALID_PARAMETER,
                                            "message too long: at most %zu bytes are allowed",
                                            d->max_message);
                n = run_length(message + d->scanned, limit - d->scanned);
                taken = kt_json_scan_run(&d->scan, message + d->scanned, n);
                d->scanned += taken;
                if (taken < n)
                        return bad(reterr, d->scan.problem, d->scanned);
        }
        return 0;
}

static int take_message(struct kt_wire_decoder *d, struct kt_wire_message *ret, struct kt_error *reterr)
{
        struct json_object *json;
        size_t size = 0;
        int r;

        if (d->scanned == 0)
                skip_blanks(d);
        r = find_end(d, &size, reterr);
        if (r <= 0)
                return r;
        if (!kt_json_scan_finish(&d->scan))
                return bad(reterr, d->scan.problem, size);
        r = build(d->buf + d->start, size, d->scan.members, &json, reterr);
        if (r < 0)
                return r;
        *ret = (struct kt_wire_message){
                .json = json,
                .terminator = d->buf[d->start + size],
                .size = size,
        };
        drop(d, size + 1);
        return 1;
}

int kt_wire_decoder_next(struct kt_wire_decoder *d, struct kt_wire_message *ret, struct kt_error *reterr)
{
        int r;

        if (d->failed)
                return kt_error_set(reterr, d->failed, KT_E_INVALID_PARAMETER,
                                    "an earlier message was malformed: connect again");
        r = take_message(d, ret, reterr);
        if (r < 0)
                d->failed = r;
        return r;
}

size_t kt_wire_decoder_pending(struct kt_wire_decoder *d, const char **ret)
{
        if (ret)
                *ret = d->buf ? d->buf + d->start : "";
        return d->len;
}

size_t kt_wire_decoder_held(const struct kt_wire_decoder *d)
{
        return d->allocated;
}

int kt_wire_encode(struct json_object *json, char terminator, char **ret, size_t *ret_size)
{
        const char *text;
        size_t size;
        char *copy;

        text = json_object_to_json_string_length(
                json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
        if (!text)
                return -ENOMEM;
        if (size > KT_WIRE_MESSAGE_MAX)
                return -EMSGSIZE;
        copy = malloc(size + 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, text, size);
        copy[size] = terminator;
        *ret = copy;
        *ret_size = size + 1;
        return 0;
}
