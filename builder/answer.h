/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the helper says, as lines of JSON on standard output (proto/buildmsg.h). From one thread at a time.
 * When nobody reads any more the process ends: without the daemon there is nothing to build for.
 */

#include <stdint.h>

#include <json-c/json.h>

#include "../common/error.h"

/* An object that is a line of its own; bytes in it that are no UTF-8 are replaced. Takes it. */
void answer_line(struct json_object *o);

/* One object with one member. Takes value. */
void answer(const char *member, struct json_object *value);

/* The first time that a stage is named, and again with another message. message may be NULL. */
void answer_stage(const char *stage, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void answer_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void answer_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Left out when the last one is less than a tenth of a second ago, unless done == total. total -1: not
 * known. unit: "bytes", "objects". file may be NULL. */
void answer_progress(int64_t done, int64_t total, const char *unit, const char *file);

/* One line of the log, that has lost its end; several answers where it is longer than one may be. */
void answer_log_line(const char *line);

/* The last line of one that failed. details (array of texts, taken, the important first) may be NULL; those
 * that a line has no room for are left out. Returns the exit status, 1. */
int answer_error(const struct kt_error *err, struct json_object *details);
