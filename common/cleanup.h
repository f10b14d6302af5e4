/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Scope-bound cleanup for what lives inside one function: memory, descriptors, streams.
 * Never for a uv handle that was initialised, nor for an object that embeds one: closing those is
 * asynchronous and must not happen by leaving a scope.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void kt_freep(void *p)
{
        free(*(void **)p);
}

static inline void kt_closep(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

static inline void kt_fclosep(FILE **f)
{
        if (*f)
                fclose(*f);
}

static inline void kt_closedirp(DIR **d)
{
        if (*d)
                closedir(*d);
}

#define _cleanup_free_ _cleanup_(kt_freep)
#define _cleanup_close_ _cleanup_(kt_closep)
#define _cleanup_fclose_ _cleanup_(kt_fclosep)
#define _cleanup_closedir_ _cleanup_(kt_closedirp)

/* Hand a value out of a cleanup variable: the variable is emptied, the caller owns the value. */
#define TAKE_PTR(ptr)                                                                                       \
        ({                                                                                                  \
                __typeof__(ptr) *_pp = &(ptr);                                                              \
                __typeof__(ptr) _p = *_pp;                                                                  \
                *_pp = NULL;                                                                                \
                _p;                                                                                         \
        })

#define TAKE_FD(fd)                                                                                         \
        ({                                                                                                  \
                int *_fdp = &(fd);                                                                          \
                int _fd = *_fdp;                                                                            \
                *_fdp = -1;                                                                                 \
                _fd;                                                                                        \
        })

#define KT_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define kt_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
