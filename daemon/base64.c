/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base64.h"

#include <openssl/evp.h>
#include <stdlib.h>

char *base64_encode(const void *data, size_t size)
{
        char *text = malloc((size + 2) / 3 * 4 + 1);

        if (text)
                EVP_EncodeBlock((unsigned char *)text, data, (int)size);
        return text;
}
