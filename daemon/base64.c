/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base64.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

char *base64_encode(const void *data, size_t size)
{
        char *text = malloc((size + 2) / 3 * 4 + 1);

        if (text)
                EVP_EncodeBlock((unsigned char *)text, data, (int)size);
        return text;
}

int base64_decode(const char *text, void **ret, size_t *ret_size)
{
        static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        size_t n = strspn(text, alphabet), padding = strspn(text + n, "=");
        unsigned char *data;

        /* libcrypto overlooks blanks, and counts padding as zeros. */
        if (text[n + padding] || padding > 2 || (n + padding) % 4 != 0 || n > 1 << 20)
                return -EINVAL;
        data = malloc((n + padding) / 4 * 3 + 1);
        if (!data)
                return -ENOMEM;
        if (EVP_DecodeBlock(data, (const unsigned char *)text, (int)(n + padding)) < 0) {
                free(data);
                return -EINVAL;
        }
        *ret = data;
        *ret_size = (n + padding) / 4 * 3 - padding;
        return 0;
}
