/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/codec.h"

int decode_log(struct json_object *event, char **ret, size_t *ret_size)
{
        struct json_object *text = kt_json_get(event, "text");
        const char *base64 = kt_json_str(event, "base64");
        size_t digits, padding;
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
        /* EVP_DecodeBlock takes blanks, and padding wherever and as much as it stands, and counts it as
         * bytes. */
        digits = strspn(base64, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
        padding = strspn(base64 + digits, "=");
        if (base64[digits + padding] || padding > 2 || (digits + padding) % 4 != 0 ||
            digits + padding > INT_MAX)
                return -EBADMSG;
        *ret = malloc((digits + padding) / 4 * 3 + 1);
        if (!*ret)
                return -ENOMEM;
        n = EVP_DecodeBlock((unsigned char *)*ret, (const unsigned char *)base64, (int)(digits + padding));
        if (n < 0) {
                free(*ret);
                *ret = NULL;
                return -EBADMSG;
        }
        *ret_size = (size_t)n - padding;
        return 0;
}
