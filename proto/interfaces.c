/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interfaces.h"

#include <errno.h>
#include <string.h>

#include "errors.h"
#include "varlink_texts.h"

struct kt_interfaces {
        size_t n;
        struct kt_idl *idl[];
};

void kt_interfaces_free(struct kt_interfaces *interfaces)
{
        if (!interfaces)
                return;
        for (size_t i = 0; i < interfaces->n; i++)
                kt_idl_free(interfaces->idl[i]);
        free(interfaces);
}

int kt_interfaces_load(struct kt_interfaces **ret, struct kt_error *reterr)
{
        size_t n = KT_ARRAY_SIZE(varlink_texts);
        struct kt_interfaces *interfaces;
        int r;

        interfaces = calloc(1, sizeof(*interfaces) + n * sizeof(interfaces->idl[0]));
        if (!interfaces)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        for (; interfaces->n < n; interfaces->n++) {
                r = kt_idl_parse(varlink_texts[interfaces->n], &interfaces->idl[interfaces->n], reterr);
                if (r < 0) {
                        kt_interfaces_free(interfaces);
                        return r;
                }
        }
        *ret = interfaces;
        return 0;
}

const struct kt_idl *kt_interfaces_find(const struct kt_interfaces *interfaces, const char *name)
{
        for (size_t i = 0; i < interfaces->n; i++)
                if (strcmp(kt_idl_name(interfaces->idl[i]), name) == 0)
                        return interfaces->idl[i];
        return NULL;
}

const struct kt_idl *kt_interfaces_at(const struct kt_interfaces *interfaces, size_t i)
{
        return i < interfaces->n ? interfaces->idl[i] : NULL;
}

const struct kt_idl *kt_interfaces_of_method(const struct kt_interfaces *interfaces, const char *method)
{
        const char *dot = strrchr(method, '.');
        _cleanup_free_ char *name = dot ? strndup(method, (size_t)(dot - method)) : NULL;

        return name ? kt_interfaces_find(interfaces, name) : NULL;
}
