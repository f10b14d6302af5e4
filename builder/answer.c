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
/* What is around a piece of log in its line, and what escaping makes of a byte at worst (\u00xx). */
#define LOG_PIECE_MAX ((BUILD_LINE_MAX - 64) / 6)

void answer_line(struct json_object *o)
{
        const char *text =
                json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
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

/* Length of the UTF-8 sequence at text, 0 when there is none. */
static size_t sequence(const unsigned char *text, size_t size)
{
        size_t n = text[0] < 0x80                       ? 1
                   : text[0] >= 0xc2 && text[0] < 0xe0  ? 2
                   : text[0] >= 0xe0 && text[0] < 0xf0  ? 3
                   : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
                                                        : 0;

        if (n == 0 || n > size)
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
        /* Overlong, surrogates, beyond the last. */
        if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
            (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
                return 0;
        return n;
}

void answer_log(const char *text, size_t size)
{
        char piece[LOG_PIECE_MAX + 4];
        size_t at = 0;

        while (at < size) {
                size_t used = 0;

                while (at < size && used < LOG_PIECE_MAX) {
                        size_t n = sequence((const unsigned char *)text + at, size - at);

                        if (n == 0 || text[at] == '\0')
                                piece[used++] = '?';
                        else {
                                memcpy(piece + used, text + at, n);
                                used += n;
                        }
                        at += n ? n : 1;
                }
                answer("log", json_object_new_string_len(piece, (int)used));
        }
}

void answer_log_line(const char *line)
{
        _cleanup_free_ char *text = kt_format("%s\n", line);

        if (text)
                answer_log(text, strlen(text));
}

int answer_error(const struct kt_error *err, struct json_object *details)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "name", err->name);
        kt_json_add_str(o, "message", kt_error_text(err));
        kt_json_add(o, "details", details ?: json_object_new_array());
        answer("error", o);
        return 1;
}
