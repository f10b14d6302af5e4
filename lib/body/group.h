/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A cgroup of a scenario: what the kernel has, who works in it, and what is reported of it when it is gone.
 * It lives as long as the body: one that was removed is a record.
 */

#include "../../common/list.h"
#include "crew.h"

struct group {
        struct kt_list link; /* in the body's groups, in the order in which they were made */
        char *name;          /* owned: "a/b" */
        char *dir;           /* owned; NULL: these workers are outside all cgroups */
        unsigned scenario;   /* number of the scenario that made it */
        bool backdrop;       /* it lives as long as the scenario, and not only to the end of the step */
        bool live;           /* it is there */
        bool going;          /* its workers are to be stopped now */
        bool has_cpus;       /* it has a cpuset: */
        struct ktstr_cpus cpus;
        bool isolated;                   /* and has had that one since its first worker started */
        uint64_t started_ns, stopped_ns; /* 0: no worker was let go yet, is stopped yet */
        struct kt_list crews;            /* struct group_crew, that were made for it */
};

struct group_crew {
        struct kt_list link; /* in its home's crews */
        struct crew crew;
        struct group *home;  /* for which it was made, and where it is reported */
        struct group *where; /* in which it is now; NULL: stopped */
};

/* One that is not in the kernel yet, at the end of `groups`. NULL when memory is out. */
struct group *group_new(struct kt_list *groups, const char *name, const char *dir, unsigned scenario);
/* Forget it; its crews must have been stopped. */
void group_free(struct group *g);

/* That is there, by name; NULL: none. */
struct group *group_find(struct kt_list *groups, const char *name);
