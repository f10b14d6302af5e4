/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernels that we build are configured with: a profile is a base that the kernel's own Makefile
 * knows, and a fragment that is merged over it. */

#include <stddef.h>
#include <stdint.h>

enum kconfig_profile {
        KCONFIG_DEFAULT, /* defconfig, or the .config that a tree has already */
        KCONFIG_TINY,    /* tinyconfig: the fastest guest there is */
        _KCONFIG_PROFILE_MAX,
};

#define KCONFIG_HASH_SIZE 9 /* eight hex digits and a NUL */

/* "default", "tiny". */
const char *kconfig_profile_name(enum kconfig_profile profile);
/* -EINVAL when there is none of that name. */
int kconfig_profile_from(const char *name, enum kconfig_profile *ret);

/* The make target of its base: "defconfig", "tinyconfig". */
const char *kconfig_base_target(enum kconfig_profile profile);

/* The fragment, text of CONFIG_ lines. */
const char *kconfig_fragment(enum kconfig_profile profile);

/* CRC-32 (zlib's) of a text as eight hex digits. */
void kconfig_hash_text(const char *text, size_t size, char ret[static KCONFIG_HASH_SIZE]);

/* That of the profile's fragment: what the kc… of a cache key is, and a kernel built with another is stale.
 */
void kconfig_hash(enum kconfig_profile profile, char ret[static KCONFIG_HASH_SIZE]);
