/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The Varlink interface definition language: parsing the .varlink files and checking JSON values against
 * them. The daemon checks every request with the very text that it serves to those who ask for its
 * description.
 */

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#include "../common/error.h"

struct kt_idl; /* one interface; immutable after parsing, may be shared between threads */

/* text is copied (NUL-terminated). -EBADMSG with line and column in the message. */
int kt_idl_parse(const char *text, struct kt_idl **ret, struct kt_error *reterr);
void kt_idl_free(struct kt_idl *idl);

const char *kt_idl_name(const struct kt_idl *idl); /* "io.ktstrd.Job" */
const char *kt_idl_text(const struct kt_idl *idl); /* as it was parsed */

enum kt_idl_part {
        KT_IDL_METHOD_IN,
        KT_IDL_METHOD_OUT,
        KT_IDL_ERROR,
        KT_IDL_TYPE,
};

bool kt_idl_has_method(const struct kt_idl *idl, const char *name);

/* Names of all methods or errors, in order; NULL after the last. */
const char *kt_idl_method_at(const struct kt_idl *idl, size_t i);
const char *kt_idl_error_at(const struct kt_idl *idl, size_t i);

/*
 * Check a value (NULL counts as {}). Strict: a missing field that is not optional, an unknown field, a wrong
 * type, an enum value that is none, an int outside int64 are -EINVAL with KT_E_INVALID_PARAMETER, the
 * field's dotted path ("files[2].file_fd") and a text that says what was expected. An optional field may be
 * absent or null.
 */
int kt_idl_check(const struct kt_idl *idl, enum kt_idl_part part, const char *name,
                 struct json_object *value, struct kt_error *reterr);
