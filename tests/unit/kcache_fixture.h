/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A kernel cache in a folder of its own, gone with its scope: _cache_ struct cache t = cache_new(); */

#include <check.h>

#include "../../common/fsutil.h"
#include "../../daemon/kcache.h"
#include "unit.h"

struct cache {
        struct unit_dir dir;
        struct kcache *c;
};

static struct cache cache_new(void)
{
        struct cache t = {.dir = unit_dir_new()};
        _cleanup_free_ char *root = kt_path_join(t.dir.path, "kernels");

        ck_assert_int_eq(kcache_open(root, &t.c, NULL), 0);
        return t;
}

static void cache_done(struct cache *t)
{
        kcache_free(t->c);
        unit_dir_done(&t->dir);
}
#define _cache_ _cleanup_(cache_done)
