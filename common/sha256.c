/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sha256.h"

#include <errno.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "cleanup.h"

#define CHUNK_SIZE (256U * 1024U)

static void md_ctx_freep(EVP_MD_CTX **ctx)
{
        EVP_MD_CTX_free(*ctx);
}

static EVP_MD_CTX *sha256_begin(void)
{
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();

        if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
                EVP_MD_CTX_free(ctx);
                return NULL;
        }
        return ctx;
}

static int sha256_end(EVP_MD_CTX *ctx, char ret_hex[KT_SHA256_HEX_SIZE])
{
        static const char digits[] = "0123456789abcdef";
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned int len = 0;

        if (EVP_DigestFinal_ex(ctx, sum, &len) != 1 || len != (KT_SHA256_HEX_SIZE - 1) / 2)
                return -EIO;
        for (unsigned int i = 0; i < len; i++) {
                ret_hex[2 * i] = digits[sum[i] >> 4];
                ret_hex[2 * i + 1] = digits[sum[i] & 15];
        }
        ret_hex[2 * len] = '\0';
        return 0;
}

int kt_sha256_fd(int fd, char ret_hex[KT_SHA256_HEX_SIZE])
{
        _cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = sha256_begin();
        _cleanup_free_ char *chunk = malloc(CHUNK_SIZE);
        off_t offset = 0;

        if (!ctx || !chunk)
                return -ENOMEM;
        for (;;) {
                ssize_t n = pread(fd, chunk, CHUNK_SIZE, offset);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return sha256_end(ctx, ret_hex);
                if (EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1)
                        return -EIO;
                offset += n;
        }
}

int kt_sha256_mem(const void *data, size_t size, char ret_hex[KT_SHA256_HEX_SIZE])
{
        _cleanup_(md_ctx_freep) EVP_MD_CTX *ctx = sha256_begin();

        if (!ctx)
                return -ENOMEM;
        if (EVP_DigestUpdate(ctx, data, size) != 1)
                return -EIO;
        return sha256_end(ctx, ret_hex);
}
