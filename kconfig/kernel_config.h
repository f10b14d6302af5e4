/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A kernel's configuration as text (.config). */

/* The value of CONFIG_name: 'y', 'm', or 'n' when it is not set. config NULL: '?'. */
char kernel_config_get(const char *config, const char *name);
