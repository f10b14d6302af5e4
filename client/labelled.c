/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "labelled.h"

#include <stdio.h>
#include <string.h>

#include "../proto/codec.h"
#include "decode.h"
#include "live.h"

static void show_text(const struct labelled *l, const char *from, const char *text, size_t size)
{
        for (size_t at = 0; at < size;) {
                const char *nl = memchr(text + at, '\n', size - at);
                size_t len = nl ? (size_t)(nl - text) - at : size - at;

                printf("%-*s %17s | %.*s\n", l->width, l->label, from, (int)len, text + at);
                at += len + 1;
        }
}

static void show_log(const struct labelled *l, struct json_object *event)
{
        _cleanup_free_ char *bytes = NULL;
        size_t size;

        if (l->verbose && decode_log(event, &bytes, &size) >= 0)
                show_text(l, kt_json_str(event, "stream"), bytes, size);
}

void labelled_show(struct labelled *l, struct json_object *event)
{
        const char *kind = kt_json_str(event, "kind"), *message;
        char place[LIVE_PLACE_MAX];

        if (strcmp(kind, "log") == 0) {
                show_log(l, event);
                return;
        }
        if (strcmp(kind, "queued") == 0 && l->queued)
                return;
        message = live_message(event, place, sizeof(place));
        l->queued = l->queued || (message && strcmp(kind, "queued") == 0);
        if (message)
                printf("%-*s %7.2fs  %s\n", l->width, l->label,
                       (double)kt_json_int(event, "elapsed_ms", 0) / 1000, message);
        fflush(stdout);
}
