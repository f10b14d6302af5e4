/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "errors.h"

/* --- reading --- */

static int refuse(struct kt_error *reterr, const char *field, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

static int refuse(struct kt_error *reterr, const char *field, const char *fmt, ...)
{
        va_list ap;
        int r;

        va_start(ap, fmt);
        r = kt_error_setv_field(reterr, -EBADMSG, KT_E_INVALID_PARAMETER, field, fmt, ap);
        va_end(ap);
        kt_error_prefix(reterr, "malformed message");
        return r;
}

static int read_bool(const char *key, struct json_object *value, bool *ret, struct kt_error *reterr)
{
        if (!json_object_is_type(value, json_type_boolean))
                return refuse(reterr, key, "'%s' must be true or false", key);
        *ret = json_object_get_boolean(value);
        return 0;
}

static int read_string(const char *key, struct json_object *value, const char **ret, struct kt_error *reterr)
{
        if (!json_object_is_type(value, json_type_string))
                return refuse(reterr, key, "'%s' must be a string", key);
        *ret = json_object_get_string(value);
        return 0;
}

static int read_parameters(struct json_object *value, struct json_object **ret, struct kt_error *reterr)
{
        if (value && !json_object_is_type(value, json_type_object))
                return refuse(reterr, "parameters", "'parameters' must be an object");
        *ret = value;
        return 0;
}

/* "interface.Method": something on both sides of the last dot. */
static bool is_qualified(const char *name)
{
        const char *dot = strrchr(name, '.');

        return dot && dot > name && dot[1];
}

int kt_wire_parse_call(struct json_object *json, struct kt_wire_call *ret, struct kt_error *reterr)
{
        struct kt_wire_call call = {0};

        if (!json_object_is_type(json, json_type_object))
                return refuse(reterr, "", "a call must be an object");

        json_object_object_foreach (json, key, value) {
                int r;

                if (strcmp(key, "method") == 0)
                        r = read_string(key, value, &call.method, reterr);
                else if (strcmp(key, "parameters") == 0)
                        r = read_parameters(value, &call.parameters, reterr);
                else if (strcmp(key, "oneway") == 0)
                        r = read_bool(key, value, &call.oneway, reterr);
                else if (strcmp(key, "more") == 0)
                        r = read_bool(key, value, &call.more, reterr);
                else if (strcmp(key, "upgrade") == 0)
                        r = read_bool(key, value, &call.upgrade, reterr);
                else
                        r = refuse(reterr, key, "unknown member '%.64s' in a call", key);
                if (r < 0)
                        return r;
        }
        if (!call.method)
                return refuse(reterr, "method", "'method' is missing");
        if (!is_qualified(call.method))
                return refuse(reterr, "method", "method '%.128s' must be INTERFACE.METHOD", call.method);
        if (call.oneway + call.more + call.upgrade > 1)
                return refuse(reterr, "", "'oneway', 'more' and 'upgrade' exclude each other");
        *ret = call;
        return 0;
}

int kt_wire_parse_reply(struct json_object *json, struct kt_wire_reply *ret, struct kt_error *reterr)
{
        struct kt_wire_reply reply = {0};

        if (!json_object_is_type(json, json_type_object))
                return refuse(reterr, "", "a reply must be an object");

        json_object_object_foreach (json, key, value) {
                int r;

                if (strcmp(key, "parameters") == 0)
                        r = read_parameters(value, &reply.parameters, reterr);
                else if (strcmp(key, "error") == 0)
                        r = read_string(key, value, &reply.error, reterr);
                else if (strcmp(key, "continues") == 0)
                        r = read_bool(key, value, &reply.continues, reterr);
                else
                        r = refuse(reterr, key, "unknown member '%.64s' in a reply", key);
                if (r < 0)
                        return r;
        }
        if (reply.error && !is_qualified(reply.error))
                return refuse(reterr, "error", "error '%.128s' must be INTERFACE.ERROR", reply.error);
        if (reply.error && reply.continues)
                return refuse(reterr, "continues", "an error cannot continue");
        *ret = reply;
        return 0;
}

/* --- building --- */

/* An envelope with one string and its parameters, or NULL. Takes the parameters. */
static struct json_object *make(const char *key, const char *name, struct json_object *parameters)
{
        _cleanup_json_ struct json_object *json = json_object_new_object();
        struct json_object *held = parameters ?: json_object_new_object();

        if (!json || (key && kt_json_add_str(json, key, name) < 0)) {
                json_object_put(held);
                return NULL;
        }
        if (kt_json_add(json, "parameters", held) < 0)
                return NULL;
        return TAKE_PTR(json);
}

/* Flags that are not set are left out. */
static int add_flag(struct json_object *json, const char *key, bool value)
{
        return value ? kt_json_add_bool(json, key, true) : 0;
}

struct json_object *kt_wire_make_call(const char *method, struct json_object *parameters, bool more,
                                      bool oneway)
{
        _cleanup_json_ struct json_object *json = make("method", method, parameters);

        if (!json || add_flag(json, "more", more) < 0 || add_flag(json, "oneway", oneway) < 0)
                return NULL;
        return TAKE_PTR(json);
}

struct json_object *kt_wire_make_reply(struct json_object *parameters, bool continues)
{
        _cleanup_json_ struct json_object *json = make(NULL, NULL, parameters);

        if (!json || add_flag(json, "continues", continues) < 0)
                return NULL;
        return TAKE_PTR(json);
}

struct json_object *kt_wire_make_error(const char *name, struct json_object *parameters)
{
        return make("error", name, parameters);
}

/* --- members --- */

struct json_object *kt_json_get(struct json_object *o, const char *key)
{
        struct json_object *value;

        if (!json_object_is_type(o, json_type_object) || !json_object_object_get_ex(o, key, &value))
                return NULL;
        return value;
}

const char *kt_json_str(struct json_object *o, const char *key)
{
        struct json_object *value = kt_json_get(o, key);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

int64_t kt_json_int(struct json_object *o, const char *key, int64_t dflt)
{
        struct json_object *value = kt_json_get(o, key);

        return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : dflt;
}

double kt_json_double(struct json_object *o, const char *key, double dflt)
{
        struct json_object *value = kt_json_get(o, key);

        if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
                return dflt;
        return json_object_get_double(value);
}

bool kt_json_bool(struct json_object *o, const char *key, bool dflt)
{
        struct json_object *value = kt_json_get(o, key);

        return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value) : dflt;
}

int kt_json_add(struct json_object *o, const char *key, struct json_object *value)
{
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(o, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

int kt_json_add_str(struct json_object *o, const char *key, const char *value)
{
        _cleanup_free_ char *repaired = NULL;

        if (!value)
                return 0;
        /* File names and console output are bytes; what goes over the wire must be text. */
        if (!kt_utf8_valid(value, strlen(value))) {
                repaired = kt_utf8_repair(value, strlen(value));
                if (!repaired)
                        return -ENOMEM;
                value = repaired;
        }
        return kt_json_add(o, key, json_object_new_string(value));
}

int kt_json_add_int(struct json_object *o, const char *key, int64_t value)
{
        return kt_json_add(o, key, json_object_new_int64(value));
}

/* The shortest text that reads back as the same number, with a point or an exponent so that it reads back as
 * a float. */
static void format_double(char *buf, size_t size, double value)
{
        char *comma;

        for (int digits = 15; digits <= 17; digits++) {
                snprintf(buf, size, "%.*g", digits, value);
                if (strtod(buf, NULL) == value)
                        break;
        }
        /* The client may have set a locale. */
        comma = strchr(buf, ',');
        if (comma)
                *comma = '.';
        if (!strpbrk(buf, ".e"))
                strncat(buf, ".0", size - strlen(buf) - 1);
}

int kt_json_add_double(struct json_object *o, const char *key, double value)
{
        char text[40];

        if (!isfinite(value))
                return 0;
        format_double(text, sizeof(text), value);
        return kt_json_add(o, key, json_object_new_double_s(value, text));
}

int kt_json_add_bool(struct json_object *o, const char *key, bool value)
{
        return kt_json_add(o, key, json_object_new_boolean(value));
}
