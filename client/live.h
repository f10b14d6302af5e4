/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a person sees while a job runs: one line per stage; on a terminal the last of them is alive and
 * counts its time. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

/* How often the open line's time is to be renewed. */
#define LIVE_TICK_MS 100

struct live {
        FILE *out; /* stdout, or stderr where stdout is for something else */
        bool silent, terminal, line_open;
        bool queued;           /* the open line is about the queue */
        int told_tenths;       /* of the stage's progress, where there is no terminal */
        struct timespec began; /* the open line's stage */
        double began_s;        /* the same, as the job counts */
        char message[512];
        char stage[128]; /* of a build: the message without its progress */
};

/* What an event says to a person, in a line: its message, or its place in the queue, for which buf has room
 * (LIVE_PLACE_MAX). NULL: nothing. Borrowed from either. */
#define LIVE_PLACE_MAX 80
const char *live_message(struct json_object *event, char *buf, size_t size);

void live_begin(struct live *l, FILE *out, bool silent);
void live_event(struct live *l, struct json_object *event);
/* Renew the open line: how long its stage has taken so far. */
void live_tick(struct live *l);
/* Lines of a log, each with its source in front. */
void live_log(struct live *l, const char *stream, const char *bytes, size_t size);
/* Close the live line. */
void live_end(struct live *l);

/* Colours: out is a terminal and NO_COLOR is not set. */
bool live_colours(FILE *out);
