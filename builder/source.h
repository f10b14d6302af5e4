/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a kernel's source is from. All of these block, answer with stages and progress (answer.h) as they
 * go, and go on with what an earlier time has left in `work`: they may be killed at any moment, and what is
 * whole is told from what is half by its name.
 */

#include <json-c/json.h>
#include <stdint.h>

#include "../common/error.h"

/* How the outside is reached; from the request's "net". Strings are borrowed from it. */
struct net {
        const char *mirror, *releases,
                *candidates; /* base URLs without a slash at the end; the list's URL */
        const char
                *keyring; /* of those who sign the sums; NULL: signatures are not looked at, which is said */
        uint64_t stall_ms; /* a download that brings nothing for so long is begun again */
};

int net_parse(struct json_object *request, struct net *ret, struct kt_error *reterr);

/* Can the keyring be read, if there is to be one? Asked before anything comes that it is needed for. */
int net_check_keyring(const struct net *net, struct kt_error *reterr);

/* A tarball that is here whole. Release with source_done(). */
struct source {
        char *tarball;       /* absolute path, below work */
        char *version;       /* "6.14.2"; NULL when only its Makefile knows */
        char *name;          /* for a person: "linux-6.14.2.tar.xz", "linux-source-6.12 6.12.117-1" */
        char *url;           /* it is from there; NULL of what was here */
        char *source_sha256; /* 64 hex digits; NULL of a release of kernel.org's, which its version names */
};

void source_done(struct source *s);

/* "6.14.2" and "6.15-rc3" are themselves, a prefix is its newest, NULL the newest stable with at least 8
 * patch releases. KT_E_NO_SUCH_KERNEL with the nearest that there is. *ret is malloced. */
int release_resolve(const struct net *net, const char *spec, char **ret, struct kt_error *reterr);

/* The tarball of a version, checked against the release's sums. */
int release_fetch(const struct net *net, const char *version, const char *work, struct source *ret,
                  struct kt_error *reterr);

/* A Debian source package of the machine's apt. package_find() asks only apt's lists (version and
 * source_sha256, which is that of the package, and name), package_fetch() gets it and takes the tarball out
 * of it. */
int package_find(const char *package, struct source *ret, struct kt_error *reterr);
int package_fetch(const char *package, const char *work, struct source *ret, struct kt_error *reterr);

/* Unpack as dir, without the folder that all in it is in: dir/Makefile is there afterwards. It appears whole
 * (DIR.part until then), in place of what was there. KT_E_BAD_KERNEL when it is no kernel source, or cut, or
 * leads out of itself. */
int tarball_unpack(const char *tarball, const char *name, const char *dir, struct kt_error *reterr);

/* One file by URL to path, gone on with from path.part; what is there is fetched anew. ret_sha256 (65 bytes)
 * may be NULL. */
int download(const struct net *net, const char *url, const char *path, char *ret_sha256,
             struct kt_error *reterr);

/* The list of releases as in proto/buildmsg.h. Owned by the caller. */
int releases_fetch(const struct net *net, struct json_object **ret, struct kt_error *reterr);
