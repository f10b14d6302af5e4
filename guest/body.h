/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The process in which a test runs (proto/bodymsg.h): started, spoken to by lines, ended. What is said is
 * talk.h's.
 */

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "../common/error.h"
#include "agent.h"
#include "rt_budget.h"

/* Of each of its streams so much is sent on as it comes, and of the rest only the end: a test that prints
 * without end fills no disk, and waits for nobody. */
#define BODY_OUTPUT_MAX (8ULL * 1024 * 1024)

struct body_spec {
        const char *test;         /* its name; borrowed, as all here */
        const char *program;      /* its path in the guest; NULL: */
        int (*func)(int talk_fd); /* what runs in a copy of us instead; the exit status */
        int cgroup_fd;            /* that it is born in; 0: ours */
};

struct body {
        struct agent *agent;
        const struct body_spec *spec;
        pid_t pid;  /* and its session; stays when it has ended */
        int fd;     /* our end of the conversation; -1 once it has closed its own */
        int end_fd; /* its pidfd; -1 once it has ended */
        bool realtime, ended;
        int wait_status; /* when ended */
        struct rt_budget rt_budget;

        char *buf; /* what it said and was not taken */
        size_t len, size, searched, taken;
};

/* Start it: b is to be released with body_done(). spec has to live as long as the body. -errno: there are no
 * sockets, or no process; nothing is to be done then. */
int body_start(struct body *b, struct agent *a, const struct body_spec *spec, struct kt_error *reterr);

/* Say a line; takes the object, also on failure. -EPIPE when it does not listen any more, -EAGAIN when it
 * does not read. */
int body_say(struct body *b, struct json_object *line);

/* The next line that it said: 1 with *ret, which the caller owns; 0 when there is none now; -EBADMSG when it
 * is none that a body may say, with its beginning in the error. Nothing can be taken after that. */
int body_hear(struct body *b, struct json_object **ret, struct kt_error *reterr);

/* agent_poll(), woken too by what it says and by its end; both are to be taken then. */
void body_wait(struct body *b, int timeout_ms);

/* Has it ended? (And not: has it closed its end of the conversation?) */
bool body_has_ended(struct body *b);

/* Why it ended without a result, for a person. */
void body_explain(const struct body *b, const char *how, struct kt_error *reterr);

/* SIGKILL to it and to all of its session. True: they are gone, or are only waited for to be collected. */
bool body_kill(struct body *b);

/* Its streams end, and what is kept of it is freed. Its process should have ended. */
void body_done(struct body *b);
