/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A cgroup of a scenario: what the kernel has, and who works in it. It lives as long as the scenario; one
 * that was removed is kept for what its workers measured.
 */

#include "../../common/list.h"
#include "crew.h"

struct group {
        struct kt_list link; /* in the body's groups, in the order of their definition */
        char *name;          /* owned: "a/b" */
        char *dir;           /* owned; NULL: these workers are outside the scenario's cgroups */
        bool backdrop;       /* it lives as long as the scenario, and not only to the end of the step */
        bool live;           /* its name is taken */
        bool made;           /* the kernel has it, or may have it yet */
        bool implied;        /* only another one's name has it: "a" of "a/b" */
        bool inhabited;      /* it has, or is to have, workers of its own or a payload */
        bool no_controllers; /* those in it have none but what a field of theirs needs */
        bool going;          /* its workers are to be stopped now */
        bool has_cpus;       /* it has a cpuset: */
        struct ktstr_cpus cpus;
        bool isolated;                     /* and its workers no other CPUs */
        bool strayed;                      /* some of its workers were moved to another cgroup */
        bool has_mems;                     /* cpuset.mems was set */
        bool has_nodes;                    /* it has nodes of its own: */
        struct ktstr_cpus nodes;           /* cpuset.mems, or those of its CPUs */
        bool frozen;                       /* by its own file; see group_is_frozen() */
        uint64_t started_ns, stopped_ns;   /* 0: no worker was let go yet, is stopped yet */
        uint64_t migrated_begin, migrated; /* pages that moved to another node: before, and since */
        struct kt_list crews;              /* struct group_crew, that were made for it */
};

struct group_crew {
        struct kt_list link; /* in its home's crews */
        struct crew crew;
        struct group *home;  /* for which it was made, and where it is reported */
        struct group *where; /* in which it is now; NULL: stopped */
        uint64_t frozen_ns;  /* since when it stands still with its cgroup, or one above; 0: it does not */
};

/* One that the kernel does not have yet, at the end of `groups`, for group_free(). name and dir are copied.
 * NULL when memory is out. */
struct group *group_new(struct kt_list *groups, const char *name, const char *dir);
/* Forget it, with its crews, which must have been stopped. */
void group_free(struct group *g);

/* That is there, by name; NULL: none. Borrowed. */
struct group *group_find(struct kt_list *groups, const char *name);

/* cg_0, cg_1, …: the first that none of them has. Malloced, NULL when memory is out. */
char *group_free_name(struct kt_list *groups);

/* Is that a name for one? 0, or -EINVAL with the name and what one is. */
int group_check_name(const char *name, struct kt_error *reterr);

/* How deep it lies: 0, of "a/b" 1. */
unsigned group_depth(const struct group *g);

/* Is it frozen, itself or with one above it? */
bool group_is_frozen(const struct kt_list *groups, const struct group *g);

/* Is a below b? */
bool group_is_below(const struct group *a, const struct group *b);
