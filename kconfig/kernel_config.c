/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_config.h"

#include <string.h>

char kernel_config_get(const char *config, const char *name)
{
        size_t len = strlen(name);

        if (!config)
                return '?';
        for (const char *p = config; p; p = strchr(p, '\n')) {
                if (*p == '\n')
                        p++;
                if (strncmp(p, "CONFIG_", 7) == 0 && strncmp(p + 7, name, len) == 0 && p[7 + len] == '=')
                        return p[8 + len] == 'm' ? 'm' : p[8 + len] == 'n' ? 'n' : 'y';
        }
        return 'n';
}
