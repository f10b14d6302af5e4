/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The body's side of what it and the agent say to one another: lines of JSON over a stream socket, see
 * proto/bodymsg.h. Whoever waits in the body waits in conversation_poll(), so that the agent's word is heard
 * at once.
 */

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

#include "../../common/error.h"
#include "../../common/list.h"

/* What else is looked at by whoever waits; the owner's. */
struct conversation_watch {
        struct kt_list link; /* among the conversation's; kt_list_remove() ends it */
        int fd;
        bool rests_in_ask; /* what the agent is asked for changes what it looks at: it is heard afterwards */
        void (*hear)(struct conversation_watch *watch); /* fd is readable, or at its end */
};

struct conversation {
        int fd; /* owned */
        char *buf;
        size_t len, allocated;
        const char *stop;           /* static: why the agent said stop ("cancelled", "time"); NULL: go on */
        bool sched_gone;            /* the scheduler ended by itself */
        bool asking;                /* conversation_ask() waits */
        struct json_object *answer; /* owned; to what was asked, until it is taken */
        struct kt_list watches;     /* struct conversation_watch; as many as there are */
        struct pollfd *polled;      /* owned; conversation_poll()'s, kept from one to the next */
        size_t polled_allocated;
};

/* Take fd over, and wait for the agent's first line. -ENODATA when it says nothing and goes. */
int conversation_begin(struct conversation *c, int fd, struct json_object **ret_first,
                       struct kt_error *reterr);
void conversation_done(struct conversation *c);

/* Hear what the agent says, and all watches; waits at most timeout_ms for it (0: not at all). An agent that
 * is gone has said stop. */
void conversation_poll(struct conversation *c, int timeout_ms);

/* Nothing more is to be begun: the agent said stop, or the scheduler is gone. */
static inline bool conversation_over(const struct conversation *c)
{
        return c->stop || c->sched_gone;
}

/* Say something (taken over, also on failure; NULL is -ENOMEM). Waits until the agent has taken it. */
int conversation_say(struct conversation *c, struct json_object *line);

/* Ask, and wait for the answer, {"answer": "ok", …}, while all watches are heard but those that rest.
 * -ECANCELED when it is over before; where it failed, the agent's words, and -EPROTO when it was the
 * scheduler's fault, else -EIO. *ret may be NULL. */
int conversation_ask(struct conversation *c, struct json_object *question, struct json_object **ret,
                     struct kt_error *reterr);
