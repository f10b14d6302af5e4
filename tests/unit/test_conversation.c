/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../lib/body/conversation.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../proto/codec.h"
#include "unit.h"

/* The body's side; the other one, for the test to be the agent. */
static int begin(struct conversation *c)
{
        _cleanup_json_ struct json_object *first = NULL;
        int pair[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ck_assert_int_eq(write(pair[1], "{}\n", 3), 3);
        ck_assert_int_eq(conversation_begin(c, pair[0], &first, NULL), 0);
        return pair[1];
}

struct watched {
        struct conversation_watch watch;
        int write_fd;
        unsigned heard;
};

static void hear(struct conversation_watch *watch)
{
        struct watched *w = kt_container_of(watch, struct watched, watch);
        char byte;

        ck_assert_int_eq(read(watch->fd, &byte, 1), 1);
        w->heard++;
}

static void watch(struct conversation *c, struct watched *w)
{
        int fds[2];

        ck_assert_int_eq(pipe(fds), 0);
        *w = (struct watched){.watch = {.fd = fds[0], .hear = hear}, .write_fd = fds[1]};
        kt_list_append(&c->watches, &w->watch.link);
}

static void unwatch(struct watched *w)
{
        kt_list_remove(&w->watch.link);
        close(w->watch.fd);
        close(w->write_fd);
}

/* 32 payloads have two pipes each, and the timer of what is written at its time comes last. */
START_TEST(the_last_of_many_is_heard)
{
        static struct watched many[200];
        struct conversation c;
        const int agent = begin(&c);

        for (size_t i = 0; i < KT_ARRAY_SIZE(many); i++) {
                watch(&c, &many[i]);
                ck_assert_int_eq(write(many[i].write_fd, "x", 1), 1);
                conversation_poll(&c, 0);
                ck_assert_uint_eq(many[i].heard, 1);
        }
        ck_assert(!conversation_over(&c));
        for (size_t i = 0; i < KT_ARRAY_SIZE(many); i++) {
                ck_assert_uint_eq(many[i].heard, 1);
                unwatch(&many[i]);
        }
        close(agent);
        conversation_poll(&c, 0);
        ck_assert_str_eq(c.stop, "cancelled");
        conversation_done(&c);
}
END_TEST

/* What is heard while the answer is awaited, and is the agent that gives it. */
struct answering {
        struct watched watched;
        int agent;
};

static void hear_and_answer(struct conversation_watch *watch)
{
        static const char answer[] = "{\"answer\":\"ok\",\"pid\":7}\n";
        struct answering *a = kt_container_of(watch, struct answering, watched.watch);

        hear(watch);
        ck_assert_int_eq(write(a->agent, answer, sizeof(answer) - 1), sizeof(answer) - 1);
}

START_TEST(what_rests_is_heard_behind_the_answer)
{
        _cleanup_json_ struct json_object *answer = NULL;
        struct answering other;
        struct watched resting;
        struct conversation c;
        const int agent = begin(&c);

        watch(&c, &resting);
        resting.watch.rests_in_ask = true;
        watch(&c, &other.watched);
        other.watched.watch.hear = hear_and_answer;
        other.agent = agent;
        ck_assert_int_eq(write(resting.write_fd, "x", 1), 1);
        ck_assert_int_eq(write(other.watched.write_fd, "x", 1), 1);
        ck_assert_int_eq(conversation_ask(&c, json_object_new_object(), &answer, NULL), 0);
        ck_assert_int_eq(kt_json_int(answer, "pid", 0), 7);
        ck_assert_uint_eq(other.watched.heard, 1);
        ck_assert_uint_eq(resting.heard, 0);
        conversation_poll(&c, 0);
        ck_assert_uint_eq(resting.heard, 1);
        unwatch(&resting);
        unwatch(&other.watched);
        close(agent);
        conversation_done(&c);
}
END_TEST

UNIT_MAIN("conversation", the_last_of_many_is_heard, what_rests_is_heard_behind_the_answer)
