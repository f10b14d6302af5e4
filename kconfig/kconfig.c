/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kconfig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "kconfig_texts.h"

static const struct {
        const char *name, *base;
} profiles[_KCONFIG_PROFILE_MAX] = {
        [KCONFIG_DEFAULT] = {"default", "defconfig"},
        [KCONFIG_TINY] = {"tiny", "tinyconfig"},
};

const char *kconfig_profile_name(enum kconfig_profile profile)
{
        return profiles[profile].name;
}

int kconfig_profile_from(const char *name, enum kconfig_profile *ret)
{
        for (int i = 0; i < _KCONFIG_PROFILE_MAX; i++)
                if (strcmp(profiles[i].name, name) == 0) {
                        *ret = (enum kconfig_profile)i;
                        return 0;
                }
        return -EINVAL;
}

const char *kconfig_base_target(enum kconfig_profile profile)
{
        return profiles[profile].base;
}

const char *kconfig_fragment(enum kconfig_profile profile)
{
        return kconfig_texts[profile];
}

void kconfig_hash_text(const char *text, size_t size, char ret[static KCONFIG_HASH_SIZE])
{
        snprintf(ret, KCONFIG_HASH_SIZE, "%08lx", crc32_z(0, (const unsigned char *)text, size));
}

void kconfig_hash(enum kconfig_profile profile, char ret[static KCONFIG_HASH_SIZE])
{
        const char *fragment = kconfig_fragment(profile);

        kconfig_hash_text(fragment, strlen(fragment), ret);
}
