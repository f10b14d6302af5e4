/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conversation.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "../../proto/bodymsg.h"
#include "../../proto/codec.h"

#define CHUNK 4096U
#define WAIT_MS 1000

/* One read's worth. 0 at the end of file, -EAGAIN when there is nothing now. */
static ssize_t receive(struct conversation *c)
{
        ssize_t n;

        if (c->allocated - c->len < CHUNK) {
                size_t allocated = c->allocated ? c->allocated * 2 : 2UL * CHUNK;
                char *grown = allocated <= KT_BODY_LINE_MAX ? realloc(c->buf, allocated) : NULL;

                if (!grown)
                        return -EMSGSIZE;
                c->buf = grown;
                c->allocated = allocated;
        }
        n = recv(c->fd, c->buf + c->len, CHUNK, MSG_DONTWAIT);
        if (n < 0)
                return errno == EINTR ? -EAGAIN : -errno;
        c->len += (size_t)n;
        return n;
}

/* The next whole line as an object; NULL: none now. */
static struct json_object *next_line(struct conversation *c, bool *ret_bad)
{
        char *end = c->len ? memchr(c->buf, '\n', c->len) : NULL;
        struct json_object *line = NULL;
        size_t size;

        if (!end)
                return NULL;
        size = (size_t)(end - c->buf);
        *ret_bad = kt_json_parse(c->buf, size, &line, NULL) < 0;
        memmove(c->buf, end + 1, c->len - size - 1);
        c->len -= size + 1;
        return line;
}

static const char *stop_reason(const char *why)
{
        return strcmp(why, "time") == 0 ? "time" : "cancelled";
}

static void hear(struct conversation *c, struct json_object *line)
{
        const char *stop = kt_json_str(line, "stop");

        if (stop)
                c->stop = stop_reason(stop);
        else if (kt_json_str(line, "sched_gone"))
                c->sched_gone = true;
        else if (kt_json_str(line, "answer")) {
                kt_json_putp(&c->answer);
                c->answer = json_object_get(line);
        }
}

/* All that have come. false: one is no JSON. */
static bool hear_lines(struct conversation *c)
{
        struct json_object *line;
        bool bad = false;

        while ((line = next_line(c, &bad))) {
                hear(c, line);
                json_object_put(line);
        }
        return !bad;
}

static void hear_agent(struct conversation *c)
{
        ssize_t n;

        while ((n = receive(c)) > 0)
                ;
        if (!hear_lines(c) || n != -EAGAIN)
                c->stop = "cancelled";
        if (n != -EAGAIN) {
                /* poll() would return at once for ever. */
                close(c->fd);
                c->fd = -1;
        }
}

/* As many as there are watches, and the agent; it grows only. */
static bool make_room(struct conversation *c, size_t n)
{
        const size_t allocated = n > 2 * c->polled_allocated ? n : 2 * c->polled_allocated;
        struct pollfd *grown;

        if (n <= c->polled_allocated)
                return true;
        grown = reallocarray(c->polled, allocated, sizeof(*grown));
        if (!grown)
                return false;
        c->polled = grown;
        c->polled_allocated = allocated;
        return true;
}

static size_t count_watches(const struct conversation *c)
{
        size_t n = 0;

        kt_list_for_each (it, &c->watches)
                n++;
        return n;
}

static struct conversation_watch *watch_of(struct kt_list *link)
{
        return kt_list_entry(link, struct conversation_watch, link);
}

/* poll() passes over one that is below 0. */
static int fd_of(const struct conversation *c, const struct conversation_watch *watch)
{
        return c->asking && watch->rests_in_ask ? -1 : watch->fd;
}

void conversation_poll(struct conversation *c, int timeout_ms)
{
        const size_t n = 1 + count_watches(c);
        size_t i = 1;

        if (!make_room(c, n)) {
                /* As where there is no room for what the agent says: a wait that hears half of it is none.
                 */
                c->stop = "cancelled";
                return;
        }
        c->polled[0] = (struct pollfd){.fd = c->fd, .events = POLLIN};
        kt_list_for_each (it, &c->watches)
                c->polled[i++] = (struct pollfd){.fd = fd_of(c, watch_of(it)), .events = POLLIN};
        if (poll(c->polled, n, timeout_ms) <= 0)
                return;
        if (c->polled[0].revents)
                hear_agent(c);
        i = 1;
        /* One that hears may take itself off the list, and nobody else. */
        kt_list_for_each_safe (it, &c->watches)
                if (c->polled[i++].revents)
                        watch_of(it)->hear(watch_of(it));
}

int conversation_begin(struct conversation *c, int fd, struct json_object **ret_first,
                       struct kt_error *reterr)
{
        struct pollfd p = {.fd = fd, .events = POLLIN};
        bool bad = false;
        ssize_t n;

        *c = (struct conversation){.fd = fd};
        kt_list_init(&c->watches);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        while (!(*ret_first = next_line(c, &bad))) {
                if (bad)
                        return kt_error_set(reterr, -EBADMSG, NULL, "what the agent says is not JSON");
                n = receive(c);
                if (n == -EAGAIN)
                        poll(&p, 1, WAIT_MS);
                else if (n <= 0)
                        return kt_error_set(reterr, n < 0 ? (int)n : -ENODATA, NULL,
                                            "the agent said nothing: %s",
                                            n < 0 ? strerror((int)-n) : "end of file");
        }
        /* What came in the same piece: nobody is told of it by poll() any more. */
        if (!hear_lines(c))
                c->stop = "cancelled";
        return 0;
}

void conversation_done(struct conversation *c)
{
        kt_closep(&c->fd);
        c->fd = -1;
        kt_json_putp(&c->answer);
        c->answer = NULL;
        free(c->buf);
        c->buf = NULL;
        free(c->polled);
        c->polled = NULL;
        c->polled_allocated = 0;
}

int conversation_say(struct conversation *c, struct json_object *line)
{
        _cleanup_json_ struct json_object *owned = line;
        _cleanup_free_ char *text = NULL;
        size_t size, sent = 0;
        int r;

        if (!line)
                return -ENOMEM;
        if (c->fd < 0)
                return -EPIPE;
        r = kt_wire_encode(line, '\n', &text, &size);
        if (r < 0)
                return r;
        if (size > KT_BODY_LINE_MAX)
                return -EMSGSIZE;
        while (sent < size) {
                ssize_t n = send(c->fd, text + sent, size - sent, MSG_NOSIGNAL);

                if (n < 0 && errno != EINTR)
                        return -errno;
                sent += n > 0 ? (size_t)n : 0;
        }
        return 0;
}

int conversation_ask(struct conversation *c, struct json_object *question, struct json_object **ret,
                     struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *answer = NULL;
        int r;

        kt_json_putp(&c->answer);
        c->answer = NULL;
        r = conversation_say(c, question);
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot ask the agent: %s", strerror(-r));
        c->asking = true;
        while (!c->answer && !conversation_over(c))
                conversation_poll(c, WAIT_MS);
        c->asking = false;
        answer = TAKE_PTR(c->answer);
        if (!answer)
                return kt_error_set(reterr, -ECANCELED, NULL, "it was over before the agent answered");
        if (strcmp(kt_json_str(answer, "answer"), "ok") != 0)
                return kt_error_set(
                        reterr,
                        strcmp(kt_json_str(answer, "blame") ?: "", "scheduler") == 0 ? -EPROTO : -EIO, NULL,
                        "%s", kt_json_str(answer, "error") ?: "the agent does not say why");
        if (ret)
                *ret = TAKE_PTR(answer);
        return 0;
}
