/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

/* A Verdict for a person: the verdict and its reason first, then what explains it, then the figures. */
void render_verdict(FILE *f, struct json_object *verdict, const char *what, bool colours);
