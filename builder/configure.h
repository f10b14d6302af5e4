/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A kernel's configuration: the base of its profile, the fragment over it, what its user adds over that,
 * `make olddefconfig`, and then the question whether what guests need has survived.
 */

#include <json-c/json.h>
#include <stdbool.h>

#include "../common/error.h"
#include "../kconfig/kconfig.h"

struct configure {
        const char *dir;     /* the kernel's source */
        const char *config;  /* absolute path of the file that is made; the .config in dir is only read */
        const char *version; /* of the kernel */
        enum kconfig_profile profile;
        bool own_config;   /* begin with the .config in dir, if there is one (KCONFIG_DEFAULT only) */
        const char *extra; /* or NULL */
};

/* Answers with the stage "configure", and a warning for each line of extra that did not survive. *ret_text
 * is the configuration, malloced. KT_E_BUILD names each option that is missing and why it may be. */
int configure(const struct configure *c, char **ret_text, struct json_object *details,
              struct kt_error *reterr);

/* --- its parts, without files --- */

/* base without the lines that set what `over` sets, and then over. Malloced; NULL when memory is out. */
char *config_merge(const char *base, const char *over);

/* What may explain that an option went. */
struct config_facts {
        const char *version, *extra; /* extra may be NULL */
        bool has_sched_ext;          /* the source has sched_ext */
        unsigned pahole;             /* 124 of v1.24; 0 when it is not installed */
        unsigned pahole_needed;      /* by the source, for BTF; 0: not known */
};

/* Is all there that a guest needs? KT_E_BUILD with all that is not. */
int config_check(const char *config, const struct config_facts *facts, struct kt_error *reterr);

/* Hands each line of extra that config does not have to `lost`: the line, and what became of the option. */
void config_lost(const char *config, const char *extra,
                 void (*lost)(void *userdata, const char *line, const char *value), void *userdata);
