/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The subcommands of ktstrd-build. Each takes its request (borrowed, an object), answers on standard output
 * (proto/buildmsg.h) and returns the exit status of the process. */

#include <json-c/json.h>

int command_build(struct json_object *request);
int command_releases(struct json_object *request);
int command_download(struct json_object *request);
