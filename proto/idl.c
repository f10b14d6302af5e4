/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "idl.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "idl_type.h"

void kt_idl_type_free(struct kt_idl_type *type)
{
        if (!type)
                return;
        kt_idl_type_free(type->element);
        for (size_t i = 0; i < type->n_fields; i++) {
                free(type->fields[i].name);
                kt_idl_type_free(type->fields[i].type);
        }
        free(type->fields);
        free(type->name);
        free(type);
}

void kt_idl_free(struct kt_idl *idl)
{
        if (!idl)
                return;
        for (size_t i = 0; i < idl->n_members; i++) {
                free(idl->members[i].name);
                kt_idl_type_free(idl->members[i].in);
                kt_idl_type_free(idl->members[i].out);
        }
        free(idl->members);
        free(idl->name);
        free(idl->text);
        free(idl);
}

int kt_idl_parse(const char *text, struct kt_idl **ret, struct kt_error *reterr)
{
        struct kt_idl *idl = calloc(1, sizeof(*idl));
        int r;

        if (idl)
                idl->text = strdup(text);
        if (!idl || !idl->text) {
                kt_idl_free(idl);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        r = kt_idl_parse_text(idl, reterr);
        if (r < 0) {
                kt_idl_free(idl);
                return r;
        }
        *ret = idl;
        return 0;
}

const char *kt_idl_name(const struct kt_idl *idl)
{
        return idl->name;
}

const char *kt_idl_text(const struct kt_idl *idl)
{
        return idl->text;
}

const struct kt_idl_member *kt_idl_find(const struct kt_idl *idl, const char *name)
{
        for (size_t i = 0; i < idl->n_members; i++)
                if (strcmp(idl->members[i].name, name) == 0)
                        return &idl->members[i];
        return NULL;
}

bool kt_idl_has_method(const struct kt_idl *idl, const char *name)
{
        const struct kt_idl_member *member = kt_idl_find(idl, name);

        return member && member->kind == KT_IDL_MEMBER_METHOD;
}

static const char *name_at(const struct kt_idl *idl, enum kt_idl_member_kind kind, size_t i)
{
        for (size_t m = 0; m < idl->n_members; m++)
                if (idl->members[m].kind == kind && i-- == 0)
                        return idl->members[m].name;
        return NULL;
}

const char *kt_idl_method_at(const struct kt_idl *idl, size_t i)
{
        return name_at(idl, KT_IDL_MEMBER_METHOD, i);
}

const char *kt_idl_error_at(const struct kt_idl *idl, size_t i)
{
        return name_at(idl, KT_IDL_MEMBER_ERROR, i);
}

/* --- checking --- */

/* Where in the value a check stands: the way up from here to its root, on the stack of the recursion. */
struct place {
        const struct place *up;
        const char *key; /* NULL: an array's element */
        size_t index;
};

static void print_place(FILE *f, const struct place *place)
{
        if (!place)
                return;
        print_place(f, place->up);
        if (!place->key)
                fprintf(f, "[%zu]", place->index);
        else
                fprintf(f, "%s%s", place->up ? "." : "", place->key);
}

static char *place_text(const struct place *place)
{
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        print_place(f, place);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* "guest_path, path, file_fd" */
static char *list_fields(const struct kt_idl_type *type)
{
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return NULL;
        for (size_t i = 0; i < type->n_fields; i++)
                fprintf(f, "%s%s", i > 0 ? ", " : "", type->fields[i].name);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static const char *expected(const struct kt_idl_type *type)
{
        switch (type->kind) {
        case KT_IDL_BOOL:
                return "true or false";
        case KT_IDL_INT:
                return "an integer";
        case KT_IDL_FLOAT:
                return "a number";
        case KT_IDL_STRING:
                return "a string";
        case KT_IDL_OBJECT:
        case KT_IDL_STRUCT:
        case KT_IDL_MAP:
                return "an object";
        case KT_IDL_ENUM:
                return "a string of a fixed set";
        case KT_IDL_ARRAY:
                return "an array";
        case KT_IDL_NAMED:
                return expected(type->target);
        case KT_IDL_OPTIONAL:
                return expected(type->element);
        }
        return "something else";
}

static const char *found(struct json_object *value)
{
        switch (json_object_get_type(value)) {
        case json_type_null:
                return "null";
        case json_type_boolean:
                return "a boolean";
        case json_type_double:
                return "a number with a fraction";
        case json_type_int:
                return "an integer";
        case json_type_object:
                return "an object";
        case json_type_array:
                return "an array";
        case json_type_string:
                return "a string";
        }
        return "something else";
}

enum problem {
        WRONG_TYPE,
        OUT_OF_RANGE,
        NOT_IN_ENUM,
        MISSING,
        UNKNOWN,
};

static int complain(enum problem problem, const struct place *place, const struct kt_idl_type *type,
                    struct json_object *value, struct kt_error *reterr)
{
        _cleanup_free_ char *path = NULL, *fields = NULL;
        const char *name = KT_E_INVALID_PARAMETER;

        if (!reterr)
                return -EINVAL;
        path = place_text(place);
        fields = list_fields(type);
        if (!path || !fields)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (!place)
                return kt_error_set(reterr, -EINVAL, name, "parameters must be %s, not %s", expected(type),
                                    found(value));

        switch (problem) {
        case OUT_OF_RANGE:
                return kt_error_set_field(reterr, -EINVAL, name, path,
                                          "'%s' must fit into 64 bits with a sign", path);
        case NOT_IN_ENUM:
                return kt_error_set_field(reterr, -EINVAL, name, path, "'%s' must be one of %s, not '%.64s'",
                                          path, fields, json_object_get_string(value));
        case MISSING:
                return kt_error_set_field(reterr, -EINVAL, name, path, "'%s' is missing, it must be %s",
                                          path, expected(type));
        case UNKNOWN:
                if (type->n_fields == 0)
                        return kt_error_set_field(reterr, -EINVAL, name, path,
                                                  "unknown field '%s', none is expected", path);
                return kt_error_set_field(reterr, -EINVAL, name, path, "unknown field '%s', expected: %s",
                                          path, fields);
        default:
                return kt_error_set_field(reterr, -EINVAL, name, path, "'%s' must be %s, not %s", path,
                                          expected(type), found(value));
        }
}

static int check_type(const struct kt_idl_type *type, struct json_object *value, const struct place *place,
                      struct kt_error *reterr);

static const struct kt_idl_field *find_field(const struct kt_idl_type *type, const char *name)
{
        for (size_t i = 0; i < type->n_fields; i++)
                if (strcmp(type->fields[i].name, name) == 0)
                        return &type->fields[i];
        return NULL;
}

static int check_struct(const struct kt_idl_type *type, struct json_object *value, const struct place *up,
                        struct kt_error *reterr)
{
        struct json_object *member;
        int r;

        /* The unknown first: when a name was mistyped, that is the better hint than the one that is missing
         * for it. */
        json_object_object_foreach (value, key, ignored) {
                (void)ignored;
                if (!find_field(type, key))
                        return complain(UNKNOWN, &(struct place){.up = up, .key = key}, type, NULL, reterr);
        }
        for (size_t i = 0; i < type->n_fields; i++) {
                const struct kt_idl_field *field = &type->fields[i];
                struct place place = {.up = up, .key = field->name};

                if (json_object_object_get_ex(value, field->name, &member))
                        r = check_type(field->type, member, &place, reterr);
                else if (field->type->kind != KT_IDL_OPTIONAL)
                        r = complain(MISSING, &place, field->type, NULL, reterr);
                else
                        r = 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_array(const struct kt_idl_type *type, struct json_object *value, const struct place *up,
                       struct kt_error *reterr)
{
        size_t n = json_object_array_length(value);

        for (size_t i = 0; i < n; i++) {
                struct place place = {.up = up, .index = i};
                int r = check_type(type->element, json_object_array_get_idx(value, i), &place, reterr);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int check_map(const struct kt_idl_type *type, struct json_object *value, const struct place *up,
                     struct kt_error *reterr)
{
        json_object_object_foreach (value, key, member) {
                struct place place = {.up = up, .key = key};
                int r = check_type(type->element, member, &place, reterr);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* json-c holds what is beyond int64 as an unsigned number, and its getter would cut it. */
static bool fits_int64(struct json_object *value)
{
        return json_object_get_int64(value) < INT64_MAX || json_object_get_uint64(value) <= INT64_MAX;
}

static bool type_matches(const struct kt_idl_type *type, struct json_object *value)
{
        switch (type->kind) {
        case KT_IDL_BOOL:
                return json_object_is_type(value, json_type_boolean);
        case KT_IDL_INT:
                return json_object_is_type(value, json_type_int);
        case KT_IDL_FLOAT:
                return json_object_is_type(value, json_type_int) ||
                       json_object_is_type(value, json_type_double);
        case KT_IDL_STRING:
        case KT_IDL_ENUM:
                return json_object_is_type(value, json_type_string);
        case KT_IDL_ARRAY:
                return json_object_is_type(value, json_type_array);
        default:
                return json_object_is_type(value, json_type_object);
        }
}

static int check_type(const struct kt_idl_type *type, struct json_object *value, const struct place *place,
                      struct kt_error *reterr)
{
        if (type->kind == KT_IDL_OPTIONAL) {
                if (!value)
                        return 0;
                type = type->element;
        }
        if (type->kind == KT_IDL_NAMED)
                type = type->target;
        if (!type_matches(type, value))
                return complain(WRONG_TYPE, place, type, value, reterr);

        switch (type->kind) {
        case KT_IDL_INT:
                return fits_int64(value) ? 0 : complain(OUT_OF_RANGE, place, type, value, reterr);
        case KT_IDL_ENUM:
                if (!find_field(type, json_object_get_string(value)))
                        return complain(NOT_IN_ENUM, place, type, value, reterr);
                return 0;
        case KT_IDL_STRUCT:
                return check_struct(type, value, place, reterr);
        case KT_IDL_ARRAY:
                return check_array(type, value, place, reterr);
        case KT_IDL_MAP:
                return check_map(type, value, place, reterr);
        default:
                return 0;
        }
}

static const struct kt_idl_type *part_type(const struct kt_idl *idl, enum kt_idl_part part, const char *name)
{
        static const enum kt_idl_member_kind kinds[] = {
                [KT_IDL_METHOD_IN] = KT_IDL_MEMBER_METHOD,
                [KT_IDL_METHOD_OUT] = KT_IDL_MEMBER_METHOD,
                [KT_IDL_ERROR] = KT_IDL_MEMBER_ERROR,
                [KT_IDL_TYPE] = KT_IDL_MEMBER_TYPE,
        };
        const struct kt_idl_member *member = kt_idl_find(idl, name);

        if (!member || member->kind != kinds[part])
                return NULL;
        return part == KT_IDL_METHOD_OUT ? member->out : member->in;
}

int kt_idl_check(const struct kt_idl *idl, enum kt_idl_part part, const char *name,
                 struct json_object *value, struct kt_error *reterr)
{
        const struct kt_idl_type *type = part_type(idl, part, name);
        struct json_object *empty = NULL;
        int r;

        if (!type)
                return kt_error_set(reterr, -ENOENT, KT_E_METHOD_NOT_FOUND, "%s has no '%.128s'", idl->name,
                                    name);
        if (!value) {
                value = empty = json_object_new_object();
                if (!empty)
                        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        r = check_type(type, value, NULL, reterr);
        json_object_put(empty);
        return r;
}
