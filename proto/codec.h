/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The wire: Varlink messages, one JSON object each, ended by NUL. A complete JSON value that is followed by
 * a newline is accepted too and answered in kind, for nc and jq. No I/O here: bytes in, objects out.
 *
 * Strict: UTF-8 valid, depth at most KT_WIRE_DEPTH_MAX, at most KT_WIRE_MESSAGE_MAX bytes, at most
 * KT_JSON_VALUES_MAX values, no duplicate keys, no bytes after the value, no NaN or infinity, no integer
 * outside 64 bits, no NUL in strings (not as \u0000 either).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "../common/error.h"

#define KT_WIRE_MESSAGE_MAX (16U * 1024U * 1024U)
#define KT_WIRE_DEPTH_MAX 32

static inline void kt_json_putp(struct json_object **o)
{
        if (*o)
                json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(kt_json_putp)

struct kt_wire_message {
        struct json_object *json; /* owned by the taker */
        char terminator;          /* '\0' or '\n': what to end the answer with */
        size_t size;              /* bytes of the message without its terminator */
};

struct kt_wire_decoder;

/* max_message: bytes; 0 for KT_WIRE_MESSAGE_MAX. NULL when memory is out. */
struct kt_wire_decoder *kt_wire_decoder_new(size_t max_message);
void kt_wire_decoder_free(struct kt_wire_decoder *d);

/* Append received bytes. Any cut is fine: a message split over many calls or many messages in one. */
int kt_wire_decoder_feed(struct kt_wire_decoder *d, const void *data, size_t size);

/* 1 and a message; 0 more bytes needed; -EBADMSG, -EMSGSIZE, -ENOMEM with a text: the stream is of no
 * further use. Whitespace (and empty lines) between newline-terminated messages is skipped. */
int kt_wire_decoder_next(struct kt_wire_decoder *d, struct kt_wire_message *ret, struct kt_error *reterr);

/* Bytes buffered and not yet taken. After an upgrade the caller takes them: *ret borrowed until the next
 * call. */
size_t kt_wire_decoder_pending(struct kt_wire_decoder *d, const char **ret);

/* Bytes of memory that this takes: none between messages. */
size_t kt_wire_decoder_held(const struct kt_wire_decoder *d);

/* Parse one complete value, strictly, as above. */
int kt_json_parse(const char *text, size_t size, struct json_object **ret, struct kt_error *reterr);

/* Compact text (no newline in it) plus terminator, malloced. *ret_size counts the terminator. -EMSGSIZE
 * beyond KT_WIRE_MESSAGE_MAX. */
int kt_wire_encode(struct json_object *json, char terminator, char **ret, size_t *ret_size);

/* --- one call, as it stands in the envelope --- */

struct kt_wire_call {
        const char *method;             /* borrowed from the message: "interface.Method" */
        struct json_object *parameters; /* borrowed; NULL when absent, null */
        bool oneway, more, upgrade;
};

/* Check the envelope: an object, method a string with a dot, flags bools, nothing else in it. -EBADMSG with
 * a text. */
int kt_wire_parse_call(struct json_object *json, struct kt_wire_call *ret, struct kt_error *reterr);

struct kt_wire_reply {
        struct json_object *parameters; /* borrowed; NULL when absent */
        const char *error;              /* borrowed; NULL on success */
        bool continues;
};
int kt_wire_parse_reply(struct json_object *json, struct kt_wire_reply *ret, struct kt_error *reterr);

/* Build envelopes. They take parameters over (NULL: {}); NULL when memory is out (parameters released). */
struct json_object *kt_wire_make_call(const char *method, struct json_object *parameters, bool more,
                                      bool oneway);
struct json_object *kt_wire_make_reply(struct json_object *parameters, bool continues);
struct json_object *kt_wire_make_error(const char *name, struct json_object *parameters);

/* --- values that a check against the interface has passed: absent or null gives the default --- */

const char *kt_json_str(struct json_object *o, const char *key); /* borrowed, NULL when absent */
int64_t kt_json_int(struct json_object *o, const char *key, int64_t dflt);
double kt_json_double(struct json_object *o, const char *key, double dflt);
bool kt_json_bool(struct json_object *o, const char *key, bool dflt);
struct json_object *kt_json_get(struct json_object *o, const char *key); /* the same, or null */

/* Add a member. -ENOMEM is the only failure. Bytes of a string that are no UTF-8 become U+FFFD; a double
 * that JSON cannot express (NaN, infinity) is not added. */
int kt_json_add_str(struct json_object *o, const char *key, const char *value); /* nothing when NULL */
int kt_json_add_int(struct json_object *o, const char *key, int64_t value);
int kt_json_add_double(struct json_object *o, const char *key, double value);
int kt_json_add_bool(struct json_object *o, const char *key, bool value);
/* Takes value, also on failure; NULL is -ENOMEM. */
int kt_json_add(struct json_object *o, const char *key, struct json_object *value);

/* Is this valid UTF-8 without NUL? */
bool kt_utf8_valid(const void *data, size_t size);

/* A malloced copy with U+FFFD for each byte that is none (NUL among them). NULL when memory is out. */
char *kt_utf8_repair(const char *data, size_t size);
