/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file_hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct known {
        struct stat of;
        char hex[KT_SHA256_HEX_SIZE];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known known[FILE_HASHES_MAX];
static unsigned n_known, oldest;

static bool same_time(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
               same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

static bool recall(const struct stat *st, char ret_hex[KT_SHA256_HEX_SIZE])
{
        bool found = false;

        pthread_mutex_lock(&lock);
        for (unsigned i = 0; i < n_known && !found; i++) {
                found = is_same(&known[i].of, st);
                if (found)
                        memcpy(ret_hex, known[i].hex, KT_SHA256_HEX_SIZE);
        }
        pthread_mutex_unlock(&lock);
        return found;
}

static void remember(const struct stat *st, const char hex[KT_SHA256_HEX_SIZE])
{
        struct known *k;

        pthread_mutex_lock(&lock);
        k = n_known < FILE_HASHES_MAX ? &known[n_known++] : &known[oldest++ % FILE_HASHES_MAX];
        k->of = *st;
        memcpy(k->hex, hex, KT_SHA256_HEX_SIZE);
        pthread_mutex_unlock(&lock);
}

static bool has_settled(const struct stat *st)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return st->st_ctim.tv_sec + 1 < now.tv_sec;
}

int file_hash(int fd, char ret_hex[KT_SHA256_HEX_SIZE])
{
        struct stat before, after;
        int r;

        if (fstat(fd, &before) < 0)
                return -errno;
        if (recall(&before, ret_hex))
                return 0;
        r = kt_sha256_fd(fd, ret_hex);
        if (r >= 0 && has_settled(&before) && fstat(fd, &after) == 0 && is_same(&before, &after))
                remember(&before, ret_hex);
        return r;
}
