/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "answer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/buildmsg.h"
#include "../proto/codec.h"

#define PROGRESS_INTERVAL_MS 100
/* An error's line, before what is no UTF-8 in it is three bytes for each. */
#define ERROR_MAX (BUILD_LINE_MAX / 3 - 64)
/* What is around a piece of log in its line, and what escaping makes of a byte at worst (\u00xx). */
#define LOG_PIECE_MAX ((BUILD_LINE_MAX - 64) / 6)

static const char *line_of(struct json_object *o)
{
        return json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/* What compilers, git and servers say is bytes; a line that is no UTF-8 is none to ktstrd. */
void answer_line(struct json_object *o)
{
        const char *text = line_of(o);
        _cleanup_free_ char *repaired = NULL;

        if (text && !kt_utf8_valid(text, strlen(text)))
                text = repaired = kt_utf8_repair(text, strlen(text));
        if (!text || kt_write_all(STDOUT_FILENO, text, strlen(text)) < 0 ||
            kt_write_all(STDOUT_FILENO, "\n", 1) < 0)
                exit(1);
        json_object_put(o);
}

void answer(const char *member, struct json_object *value)
{
        struct json_object *o = json_object_new_object();

        kt_json_add(o, member, value);
        answer_line(o);
}

static void answer_text(const char *member, const char *fmt, va_list ap)
{
        _cleanup_free_ char *text = NULL;

        if (vasprintf(&text, fmt, ap) < 0) {
                text = NULL;
                return;
        }
        answer(member, json_object_new_string(text));
}

void answer_stage(const char *stage, const char *fmt, ...)
{
        struct json_object *o = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        va_list ap;

        kt_json_add_str(o, "stage", stage);
        if (fmt) {
                va_start(ap, fmt);
                if (vasprintf(&text, fmt, ap) < 0)
                        text = NULL;
                va_end(ap);
        }
        kt_json_add_str(o, "message", text);
        answer_line(o);
}

void answer_note(const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        answer_text("note", fmt, ap);
        va_end(ap);
}

void answer_warning(const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        answer_text("warning", fmt, ap);
        va_end(ap);
}

static int64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void answer_progress(int64_t done, int64_t total, const char *unit, const char *file)
{
        static int64_t last_ms;
        struct json_object *o;

        if (done != total && last_ms && now_ms() - last_ms < PROGRESS_INTERVAL_MS)
                return;
        last_ms = now_ms();
        o = json_object_new_object();
        kt_json_add_int(o, "done", done);
        kt_json_add_int(o, "total", total);
        kt_json_add_str(o, "unit", unit);
        kt_json_add_str(o, "file", file);
        answer("progress", o);
}

/* How much of text is a piece: not cut within a character. */
static size_t piece_size(const char *text, size_t size)
{
        size_t n = size;

        if (size <= LOG_PIECE_MAX)
                return size;
        for (n = LOG_PIECE_MAX; n > LOG_PIECE_MAX - 4 && (text[n] & 0xc0) == 0x80;)
                n--;
        return n;
}

void answer_log_line(const char *line)
{
        _cleanup_free_ char *text = kt_format("%s\n", line);
        size_t size = text ? strlen(text) : 0;

        for (const char *at = text; size > 0;) {
                const size_t n = piece_size(at, size);

                answer("log", json_object_new_string_len(at, (int)n));
                at += n;
                size -= n;
        }
}

int answer_error(const struct kt_error *err, struct json_object *details)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "name", err->name);
        kt_json_add_str(o, "message", kt_error_text(err));
        details = details ?: json_object_new_array();
        kt_json_add(o, "details", details);
        /* The important are first. */
        while (json_object_array_length(details) > 0 && strlen(line_of(o) ?: "") > ERROR_MAX)
                json_object_array_del_idx(details, json_object_array_length(details) - 1, 1);
        answer("error", o);
        return 1;
}
