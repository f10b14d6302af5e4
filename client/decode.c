/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/codec.h"

int decode_log(struct json_object *event, char **ret, size_t *ret_size)
{
        struct json_object *text = kt_json_get(event, "text");
        const char *base64 = kt_json_str(event, "base64");
        size_t len;
        int n;

        if (text) {
                *ret_size = (size_t)json_object_get_string_len(text);
                *ret = malloc(*ret_size + 1);
                if (!*ret)
                        return -ENOMEM;
                memcpy(*ret, json_object_get_string(text), *ret_size);
                return 0;
        }
        if (!base64)
                return -EBADMSG;
        len = strlen(base64);
        *ret = malloc(len / 4 * 3 + 1);
        if (!*ret)
                return -ENOMEM;
        n = EVP_DecodeBlock((unsigned char *)*ret, (const unsigned char *)base64, (int)len);
        if (n < 0) {
                free(*ret);
                *ret = NULL;
                return -EBADMSG;
        }
        /* EVP_DecodeBlock counts the padding as bytes. */
        while (len > 0 && base64[len - 1] == '=') {
                len--;
                n--;
        }
        *ret_size = (size_t)n;
        return 0;
}
