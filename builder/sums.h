/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mirror's sha256sums.asc: lines "HASH  FILE", clear-signed. It lists all releases of a major version.
 */

#include <stdbool.h>
#include <stddef.h>

#include "../common/sha256.h"
#include "source.h"
#include "version.h"

/* 1, 0 when the mirror has none, or -errno. *ret is malloced, with a NUL after its *ret_size bytes. */
int sums_fetch(const struct net *net, unsigned major, char **ret, size_t *ret_size, struct kt_error *reterr);

/*
 * Only what is signed, cut to it in place. With a keyring gpgv says what that is (KT_E_DOWNLOAD when the
 * signature is not good); without one it is what stands between the markers, or all when there are none.
 */
int sums_take_signed(const struct net *net, char **text, size_t *size, struct kt_error *reterr);

/* What stands between the markers of a clear-signed text, in place; false: it has none. */
bool sums_cut_markers(char *text, size_t *size);

bool sums_find(const char *text, size_t size, const char *file, char ret_hex[static KT_SHA256_HEX_SIZE]);

/* The newest release (linux-VERSION.tar.xz) of this series. false: there is none. */
bool sums_newest_of(const char *text, size_t size, const struct version *series, struct version *ret);
