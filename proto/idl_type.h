/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a parsed interface is made of: between idl_parse.c, which builds it, and idl.c, which checks values
 * with it. */

#include <stdbool.h>
#include <stddef.h>

#include "../common/error.h"

enum kt_idl_kind {
        KT_IDL_BOOL,
        KT_IDL_INT,
        KT_IDL_FLOAT,
        KT_IDL_STRING,
        KT_IDL_OBJECT,   /* any JSON object */
        KT_IDL_STRUCT,   /* fields */
        KT_IDL_ENUM,     /* fields, of which the names only */
        KT_IDL_NAMED,    /* name, target */
        KT_IDL_ARRAY,    /* element */
        KT_IDL_MAP,      /* element; keys are strings */
        KT_IDL_OPTIONAL, /* element */
};

struct kt_idl_type {
        enum kt_idl_kind kind;
        struct kt_idl_type *element; /* owned */
        struct kt_idl_field *fields; /* owned */
        size_t n_fields;
        char *name;         /* owned; of KT_IDL_NAMED */
        size_t name_offset; /* where it stands in the text, for the message when nothing is called so */
        const struct kt_idl_type *target; /* borrowed; what the name stands for */
};

struct kt_idl_field {
        char *name;
        struct kt_idl_type *type; /* NULL in enums */
};

enum kt_idl_member_kind {
        KT_IDL_MEMBER_TYPE,
        KT_IDL_MEMBER_METHOD,
        KT_IDL_MEMBER_ERROR,
};

struct kt_idl_member {
        enum kt_idl_member_kind kind;
        char *name;
        struct kt_idl_type *in;  /* of a method; of types and errors the only one */
        struct kt_idl_type *out; /* of a method, else NULL */
};

struct kt_idl {
        char *text;
        char *name;
        struct kt_idl_member *members;
        size_t n_members;
};

void kt_idl_type_free(struct kt_idl_type *type);

/* Fill idl->name and idl->members from idl->text. What was built before a failure stays in idl. */
int kt_idl_parse_text(struct kt_idl *idl, struct kt_error *reterr);

/* NULL when there is none. Types, methods and errors share one name space. */
const struct kt_idl_member *kt_idl_find(const struct kt_idl *idl, const char *name);
