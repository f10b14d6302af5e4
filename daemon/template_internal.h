/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What these files share; nobody else includes this.
 *
 *   template.c        one template: made, published, verified, removed
 *   template_root.c   which templates stay
 */

#include <json-c/json.h>

#include "template.h"

#define TEMP_PREFIX ".tmp-"
#define GONE_PREFIX TEMP_PREFIX "gone-" /* and the key */
#define TEMP_RANDOM 6                   /* letters and digits of mkdtemp()'s */

/* Of the template whose folder this is; unverified. -EBADMSG with what is wrong with it. */
int template_read_metadata(int dir_fd, struct json_object **ret, struct kt_error *reterr);
