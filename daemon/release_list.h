/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What kernels there are (kernel.org's releases.json, as ktstrd-build tells it): a value, owned by whoever
 * has it. One is kept in the kernel cache, {root}/.releases.json, for all daemons of that.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/error.h"

/* How old a list may be that is still gone by. */
#define RELEASE_LIST_MAX_AGE_MS (60 * 60 * 1000)

struct release {
        char *version; /* "6.14.2", "6.15-rc3", "next-20251112" */
        char *moniker; /* "stable", "longterm", "mainline", "linux-next" */
        char *source;  /* URL of its tarball, or NULL */
        bool eol;      /* its series gets no more releases */
};

struct release_list {
        struct release *of;
        size_t n;
        char *latest_stable; /* or NULL */
};

void release_list_free(struct release_list *list);

/* What `ktstrd-build releases` prints (proto/buildmsg.h). -EBADMSG with KT_E_DOWNLOAD when it is none. */
int release_list_parse(struct json_object *o, struct release_list **ret, struct kt_error *reterr);

/* The one that is kept, when it is not older. -ENOENT; blocks for a moment. */
int release_list_load(const char *root, int64_t max_age_ms, struct release_list **ret);

/* Keep what release_list_parse() took. -errno; blocks for a moment. */
int release_list_store(const char *root, struct json_object *o);

/* Has this version's series come to its end? It says so, or has no release of that series although it has
 * newer ones. A candidate has no end: its series begins. list NULL: not known, false. */
bool release_list_says_eol(const struct release_list *list, const char *version);
