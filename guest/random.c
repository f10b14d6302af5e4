/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "random.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../common/cleanup.h"

#define SEED_MAX 64

int random_reseed(const char *hex)
{
        /* struct rand_pool_info with its data behind it. */
        struct {
                int entropy_bits, size;
                uint8_t data[SEED_MAX];
        } pool = {};
        _cleanup_close_ int fd = -1;
        size_t n = hex ? strlen(hex) / 2 : 0;
        unsigned byte;

        if (!hex)
                return 0;
        if (n == 0 || n > SEED_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
                        return -EINVAL;
                pool.data[i] = (uint8_t)byte;
        }
        pool.entropy_bits = (int)n * 8;
        pool.size = (int)n;
        fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
        return fd >= 0 && ioctl(fd, RNDADDENTROPY, &pool) == 0 && ioctl(fd, RNDRESEEDCRNG) == 0 ? 0 : -errno;
}
