/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Programs that run as workload; what authors have of it is in ktstr.h. */

#include "output.h"
#include "run.h"

struct ktstr_payload_handle {
        struct kt_list link; /* in the body's payloads, in the order in which they were started */
        struct ktstr_body *b;
        const struct ktstr_payload *p;
        char *cgroup;     /* owned; NULL: it is where the body is, in its pen */
        char *pen;        /* owned: the folder of a cgroup that is its alone; NULL: it has none */
        bool in_scenario; /* its end is the scenario's at the latest */
        pid_t pid;        /* of its process group too; -1 once collected */
        int failed_fd;    /* at its end: it was executed; else why not, an errno */
        bool held;        /* the author has the handle: it stays until it is waited for, or killed */
        bool judged;      /* it has come to `result`; its name is free */
        struct ktstr_payload_result result;
        bool collected; /* with wait_status */
        int wait_status;
        struct output out, err;
};

/* Start it, in a cgroup of the scenario (NULL: none). *ret may be NULL; what it is set to stays until
 * payload_take(), or the test's end. -ENOENT: there is no such program, or no such cgroup; -EEXIST: it runs
 * there already; or what the kernel refuses. Nothing runs then. */
int payload_start(struct ktstr_body *b, const struct ktstr_payload *p, const char *cgroup,
                  const char *const *more_args, struct ktstr_payload_handle **ret, struct kt_error *reterr);

/* The one that runs of this payload and cgroup, borrowed; NULL: none. */
struct ktstr_payload_handle *payload_find(struct ktstr_body *b, const struct ktstr_payload *p,
                                          const char *cgroup);

/* Has it ended by itself, and all that it left behind? That is killed when it has ended; not waited for. */
bool payload_ended(struct ktstr_payload_handle *h);

/* Wait for its end, at most so long (0: the test's duration and 30 s), and judge it; it is forgotten then,
 * unless it is held. */
enum ktstr_outcome payload_finish(struct ktstr_payload_handle *h, uint64_t timeout_ms);

/* End it, and judge what it has printed; it is forgotten then, unless it is held. */
enum ktstr_outcome payload_end(struct ktstr_payload_handle *h);

/* What one came to that is held and judged; it is forgotten then. *ret may be NULL. */
enum ktstr_outcome payload_take(struct ktstr_payload_handle *h, struct ktstr_payload_result *ret);

/* The same for those in groups that are going. */
enum ktstr_outcome payload_end_going(struct ktstr_body *b);
/* And for all; or for all of the scenario. */
enum ktstr_outcome payload_end_all(struct ktstr_body *b, bool of_scenario);

/* Start its program, with more_args behind its own arguments, in the cgroup whose folder that is (NULL:
 * where the body is). 0, and h->pid is its process; or -errno, and there is none. */
int payload_launch(struct ktstr_payload_handle *h, const char *dir, const char *const *more_args,
                   struct kt_error *reterr);

/* Its metrics become the test's, and its checks are made. `killed`: how it ended says nothing. */
enum ktstr_outcome payload_judge(const struct ktstr_payload_handle *h, bool killed);
