/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define CHUNK (64U * 1024)
/* Where more than one value begins and none is whole, looking for one ends here. */
#define LOOKS_PER_BYTE 16

static void end(struct output *o)
{
        kt_list_remove(&o->watch.link);
        kt_closep(&o->watch.fd);
        o->watch.fd = -1;
}

/* Twice as much as is to be kept, then half of it goes: so each byte is moved once. */
static bool make_room(struct output *o)
{
        size_t allocated = o->allocated ? o->allocated * 2 : CHUNK;
        char *grown;

        if (o->size < o->allocated)
                return true;
        if (o->allocated >= 2 * OUTPUT_KEPT_MIN) {
                memmove(o->bytes, o->bytes + o->size - OUTPUT_KEPT_MIN, OUTPUT_KEPT_MIN);
                o->size = OUTPUT_KEPT_MIN;
                return true;
        }
        grown = realloc(o->bytes, allocated);
        if (!grown)
                return false;
        o->bytes = grown;
        o->allocated = allocated;
        return true;
}

/* One read. false: there is no more now. */
static bool take(struct output *o)
{
        ssize_t n;

        if (o->watch.fd < 0)
                return false;
        n = make_room(o) ? read(o->watch.fd, o->bytes + o->size, o->allocated - o->size) : 0;
        if (n > 0)
                o->size += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
                end(o);
        return n > 0;
}

static void hear(struct conversation_watch *watch)
{
        take(kt_container_of(watch, struct output, watch));
}

int output_begin(struct output *o, struct conversation *talk, int *ret_write_fd)
{
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        fcntl(fds[0], F_SETFL, O_NONBLOCK);
        /* For while the test's function does something else. No more than the system allows, else as it is.
         */
        fcntl(fds[0], F_SETPIPE_SZ, 1024 * 1024);
        *o = (struct output){.watch = {.fd = fds[0], .hear = hear}};
        kt_list_append(&talk->watches, &o->watch.link);
        *ret_write_fd = fds[1];
        return 0;
}

void output_drain(struct output *o)
{
        /* No more than a pipe holds: who prints without end is not waited for. */
        for (unsigned i = 0; i < 2 * 1024 * 1024 / 4096 && take(o); i++)
                ;
}

void output_done(struct output *o)
{
        end(o);
        free(o->bytes);
        o->bytes = NULL;
        o->size = o->allocated = 0;
}

/* A value that begins here and is whole, and how long it is; NULL: none. *looked_at grows by what it took.
 */
static struct json_object *value_at(struct json_tokener *tokener, const char *text, size_t size,
                                    size_t *ret_len, uint64_t *looked_at)
{
        struct json_object *value;

        json_tokener_reset(tokener);
        value = json_tokener_parse_ex(tokener, text, (int)size);
        *ret_len = json_tokener_get_parse_end(tokener);
        *looked_at += *ret_len;
        return value;
}

struct json_object *output_last_json(const struct output *o)
{
        struct json_tokener *tokener = json_tokener_new();
        struct json_object *last = NULL;
        uint64_t looked_at = 0;

        for (size_t at = 0; tokener && at < o->size && looked_at <= (uint64_t)o->size * LOOKS_PER_BYTE;) {
                struct json_object *value = NULL;
                size_t len = 1;

                if (o->bytes[at] == '{' || o->bytes[at] == '[')
                        value = value_at(tokener, o->bytes + at, o->size - at, &len, &looked_at);
                if (value) {
                        json_object_put(last);
                        last = value;
                }
                at += value ? len : 1;
        }
        if (tokener)
                json_tokener_free(tokener);
        return last;
}

void output_last_line(const struct output *o, char *text, size_t size)
{
        size_t end_at = o->size, begin;

        while (end_at > 0 && isspace((unsigned char)o->bytes[end_at - 1]))
                end_at--;
        begin = end_at;
        while (begin > 0 && o->bytes[begin - 1] != '\n')
                begin--;
        if (end_at - begin >= size)
                end_at = begin + size - 1;
        memcpy(text, o->bytes ? o->bytes + begin : "", end_at - begin);
        text[end_at - begin] = '\0';
}
