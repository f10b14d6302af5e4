/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An interface, and after a NUL a value that is checked against each of its parts. */

#include <assert.h>
#include <string.h>

#include "../../proto/codec.h"
#include "../../proto/idl.h"
#include "fuzz.h"

static void check_all(const struct kt_idl *idl, struct json_object *value)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const char *name;

        for (size_t i = 0; (name = kt_idl_method_at(idl, i)); i++) {
                assert(kt_idl_has_method(idl, name));
                if (kt_idl_check(idl, KT_IDL_METHOD_IN, name, value, &err) < 0)
                        assert(err.name && err.message);
                kt_idl_check(idl, KT_IDL_METHOD_OUT, name, value, &err);
        }
        for (size_t i = 0; (name = kt_idl_error_at(idl, i)); i++)
                kt_idl_check(idl, KT_IDL_ERROR, name, value, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        size_t text_size = strnlen((const char *)data, size);
        _cleanup_free_ char *text = strndup((const char *)data, text_size);
        _cleanup_json_ struct json_object *value = NULL;
        struct kt_idl *idl = NULL;

        assert(text);
        if (kt_idl_parse(text, &idl, &err) < 0) {
                assert(err.message && !idl);
                return 0;
        }
        if (text_size < size)
                kt_json_parse((const char *)data + text_size + 1, size - text_size - 1, &value, NULL);
        assert(strcmp(kt_idl_text(idl), text) == 0);
        check_all(idl, value);
        kt_idl_free(idl);
        return 0;
}
