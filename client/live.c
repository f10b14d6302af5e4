/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../proto/codec.h"

bool live_colours(void)
{
        const char *no = getenv("NO_COLOR");

        return isatty(STDOUT_FILENO) && !(no && *no);
}

void live_begin(struct live *l, bool silent)
{
        *l = (struct live){.silent = silent, .terminal = isatty(STDOUT_FILENO)};
}

void live_end(struct live *l)
{
        if (l->line_open) {
                fputc('\n', stdout);
                l->line_open = false;
        }
        fflush(stdout);
}

/* A stage that has begun is shown with its time and is overwritten by the next of the same kind; one that is over stays. */
void live_event(struct live *l, struct json_object *event)
{
        const char *message = kt_json_str(event, "message"), *kind = kt_json_str(event, "kind");
        int64_t position = kt_json_int(event, "position", 0);
        char queued[64];

        if (l->silent)
                return;
        if (!message && strcmp(kind, "queued") == 0) {
                if (position == 0)
                        return;
                snprintf(queued, sizeof(queued), "queued, %lld ahead", (long long)position);
                message = queued;
        }
        if (!message)
                return;
        live_end(l);
        printf("%7.2fs  %s", (double)kt_json_int(event, "elapsed_ms", 0) / 1000, message);
        l->line_open = true;
        if (!l->terminal)
                live_end(l);
        fflush(stdout);
}

void live_log(struct live *l, const char *stream, const char *bytes, size_t size)
{
        live_end(l);
        for (size_t at = 0; at < size;) {
                const char *nl = memchr(bytes + at, '\n', size - at);
                size_t len = nl ? (size_t)(nl - bytes) - at : size - at;

                printf("%17s | %.*s\n", stream, (int)len, bytes + at);
                at += len + 1;
        }
        fflush(stdout);
}
