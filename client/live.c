/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../proto/codec.h"
#include "units.h"

bool live_colours(FILE *out)
{
        const char *no = getenv("NO_COLOR");

        return isatty(fileno(out)) && !(no && *no);
}

void live_begin(struct live *l, FILE *out, bool silent)
{
        *l = (struct live){.out = out, .silent = silent, .terminal = isatty(fileno(out))};
}

static double seconds_since(const struct timespec *then)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

/* Bytes of text that fill at most `columns`, cut between characters. */
static int fitting(const char *text, unsigned columns)
{
        size_t n = 0;

        while (text[n] && columns > 0) {
                n++;
                while ((text[n] & 0xc0) == 0x80)
                        n++;
                columns--;
        }
        return (int)n;
}

/* A line that wraps could not be overwritten: the message gives way as long as the line is alive. */
static void draw(const struct live *l, bool last)
{
        struct winsize size;
        unsigned columns =
                ioctl(fileno(l->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 40 ? size.ws_col : 80;

        fprintf(l->out, "\r\033[K%7.2fs  %.*s  %.1f s", l->began_s,
                last ? (int)strlen(l->message) : fitting(l->message, columns - 22), l->message,
                seconds_since(&l->began));
        fflush(l->out);
}

void live_tick(struct live *l)
{
        if (l->line_open)
                draw(l, false);
}

void live_end(struct live *l)
{
        if (l->line_open) {
                draw(l, true);
                fputc('\n', l->out);
                l->line_open = false;
        }
        fflush(l->out);
}

/* What is said of one that waits; nothing when it starts at once. */
static const char *queued_message(struct json_object *event, char *buf, size_t size)
{
        int64_t position = kt_json_int(event, "position", 0), wait_ms = kt_json_int(event, "wait_ms", -1);
        const size_t n = strlen("queued: ");

        if (position == 0 && wait_ms == 0)
                return NULL;
        memcpy(buf, "queued: ", n);
        format_place(position, wait_ms, buf + n, size - n);
        return buf;
}

const char *live_message(struct json_object *event, char *buf, size_t size)
{
        const char *message = kt_json_str(event, "message");

        if (message || strcmp(kt_json_str(event, "kind"), "queued") != 0)
                return message;
        return queued_message(event, buf, size);
}

/* A line of its own, above the one that is alive. */
static void say(struct live *l, struct json_object *event, const char *kind, const char *text)
{
        const bool open = l->line_open;

        if (open)
                fputs("\r\033[K", l->out);
        fprintf(l->out, "%7.2fs  %s%s\n", (double)kt_json_int(event, "elapsed_ms", 0) / 1000, kind, text);
        if (open)
                draw(l, false);
        fflush(l->out);
}

/* How far a stage is: "34 % (48 of 141 MiB)". */
static void format_progress(struct json_object *event, char *buf, size_t size)
{
        const char *unit = kt_json_str(event, "unit");
        const bool bytes = unit && strcmp(unit, "bytes") == 0;
        const long long by = bytes ? 1 << 20 : 1, done = kt_json_int(event, "done", 0) / by,
                        total = kt_json_int(event, "total", -1);
        const double percent = kt_json_double(event, "percent", -1);

        if (percent >= 0)
                snprintf(buf, size, "%d %% (%lld of %lld%s)", (int)percent, done, total / by,
                         bytes ? " MiB" : "");
        else
                snprintf(buf, size, "%lld%s", done, bytes ? " MiB" : "");
}

/* What is left of the stage, as fast as it went so far; nothing where that would be a guess. */
static void format_left(const struct live *l, double percent, char *buf, size_t size)
{
        const double s = seconds_since(&l->began);
        char span[32];

        *buf = '\0';
        if (percent < 2 || percent >= 100 || s < 3)
                return;
        format_span((int64_t)(s * 1000 * (100 - percent) / percent), span, sizeof(span));
        snprintf(buf, size, ", about %s left", span);
}

static void show_progress(struct live *l, struct json_object *event)
{
        const double percent = kt_json_double(event, "percent", -1);
        const char *file = kt_json_str(event, "file");
        char progress[64], left[64];

        if (!*l->stage)
                return;
        format_progress(event, progress, sizeof(progress));
        if (!l->terminal) {
                const int tenths = (int)percent / 10;

                if (percent >= 0 && tenths > l->told_tenths) {
                        l->told_tenths = tenths;
                        snprintf(l->message, sizeof(l->message), "%s: %s", l->stage, progress);
                        say(l, event, "", l->message);
                }
                return;
        }
        format_left(l, percent, left, sizeof(left));
        snprintf(l->message, sizeof(l->message), "%s: %s%s%s%s", l->stage, progress, left, file ? ", " : "",
                 file ? file : "");
        draw(l, false);
}

/* The name of a step stands before what is said of it, unless that begins with it ("step 0 begins"), and is
 * what a build's progress goes on with. */
static const char *stage_message(struct live *l, struct json_object *event, char *buf, size_t size)
{
        const char *step = kt_json_str(event, "step"), *message = kt_json_str(event, "message");

        const size_t len = strlen(step);

        l->told_tenths = 0;
        snprintf(l->stage, sizeof(l->stage), "%s", step);
        if (message && strncmp(message, step, len) == 0 && message[len] == ' ')
                return message;
        snprintf(buf, size, "%s%s%s", step, message ? ": " : "", message ? message : "");
        return buf;
}

static bool is_stage(struct json_object *event)
{
        const char *step = kt_json_str(event, "step"), *state = kt_json_str(event, "state");

        return step && state && strcmp(step, "workload") != 0 && strcmp(state, "begin") == 0;
}

/* When it began, what it is; on a terminal how long it takes, until the next one begins. */
void live_event(struct live *l, struct json_object *event)
{
        const char *kind = kt_json_str(event, "kind"), *message;
        bool queued = strcmp(kind, "queued") == 0;
        char place[LIVE_PLACE_MAX], stage[400];

        if (l->silent)
                return;
        message = live_message(event, place, sizeof(place));
        if (strcmp(kind, "progress") == 0) {
                show_progress(l, event);
                return;
        }
        if (message && (strcmp(kind, "note") == 0 || strcmp(kind, "warning") == 0)) {
                say(l, event, strcmp(kind, "warning") == 0 ? "warning: " : "", message);
                return;
        }
        if (strcmp(kind, "step") == 0 && is_stage(event))
                message = stage_message(l, event, stage, sizeof(stage));
        if (!message)
                return;
        /* To wait is one stage, however often its end is told anew. */
        if (!(queued && l->line_open && l->queued)) {
                live_end(l);
                l->began_s = (double)kt_json_int(event, "elapsed_ms", 0) / 1000;
                clock_gettime(CLOCK_MONOTONIC, &l->began);
        }
        l->queued = queued;
        snprintf(l->message, sizeof(l->message), "%s", message);
        if (l->terminal) {
                l->line_open = true;
                draw(l, false);
        } else
                fprintf(l->out, "%7.2fs  %s\n", l->began_s, l->message);
        fflush(l->out);
}

void live_log(struct live *l, const char *stream, const char *bytes, size_t size)
{
        live_end(l);
        for (size_t at = 0; at < size;) {
                const char *nl = memchr(bytes + at, '\n', size - at);
                size_t len = nl ? (size_t)(nl - bytes) - at : size - at;

                fprintf(l->out, "%17s | %.*s\n", stream, (int)len, bytes + at);
                at += len + 1;
        }
        fflush(l->out);
}
