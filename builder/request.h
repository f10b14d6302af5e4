/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What `ktstrd-build build` is asked for (proto/buildmsg.h), checked. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "../common/error.h"
#include "../kconfig/kconfig.h"

enum source_kind {
        SOURCE_VERSION,
        SOURCE_TARBALL,
        SOURCE_PACKAGE,
        SOURCE_GIT,
        SOURCE_TREE,
        _SOURCE_KIND_MAX,
};

/* A value; all strings are borrowed from the JSON. */
struct request {
        enum source_kind kind;
        const char *version; /* SOURCE_VERSION: NULL for the newest stable */
        const char *path;    /* SOURCE_TARBALL, SOURCE_TREE: absolute */
        const char *name;    /* SOURCE_TARBALL: for a person; SOURCE_PACKAGE */
        const char *url, *ref;
        enum kconfig_profile profile;
        const char *extra_kconfig; /* NULL: none */
        bool clean;
        unsigned jobs;   /* 0: one a CPU */
        int64_t objects; /* 0: no idea */
        const char *work;
};

int request_parse(struct json_object *json, struct request *ret, struct kt_error *reterr);
