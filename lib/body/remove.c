/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end of cgroups, with all who are in them. */
#include <errno.h>

#include "cgroup.h"
#include "define.h"
#include "payload.h"
#include "wait.h"
#include "workload.h"

static bool is_empty(struct run *r, void *data)
{
        return !cgroup_event(data, "populated");
}

/* Dying takes a turn on a CPU. */
static int do_not_die(struct run *r, struct kt_error *reterr)
{
        return kt_error_set(reterr, -ETIMEDOUT, NULL,
                            "workers that were killed %llu s ago are not dead: nobody lets them run",
                            (unsigned long long)r->b->watchdog_ms / 1000);
}

static int remove_group(struct run *r, struct group *g, struct kt_error *reterr)
{
        int e = 0;

        if (g->made) {
                cgroup_kill(r->b->sysfs_writer, g->dir);
                e = wait_for_end(r, is_empty, g->dir);
        }
        if (e == -ETIMEDOUT)
                return do_not_die(r, reterr);
        if (e >= 0 && g->made)
                e = cgroup_remove(r->b->sysfs_writer, g->dir, reterr);
        if (e >= 0)
                g->live = g->made = g->going = false;
        return e;
}

/* A cgroup that is in another goes before it. */
static int remove_depth(struct run *r, unsigned depth, struct kt_error *reterr)
{
        int first = 0;

        kt_list_for_each (it, &r->b->groups) {
                struct group *g = kt_list_entry(it, struct group, link);
                int e = 0;

                if (g->going && group_depth(g) == depth)
                        e = remove_group(r, g, first ? NULL : reterr);
                first = first ?: e;
        }
        return first;
}

int remove_groups(struct run *r, struct kt_error *reterr)
{
        unsigned deepest = 0;
        int first;

        kt_list_for_each (it, &r->b->groups) {
                const struct group *g = kt_list_entry(it, struct group, link);

                if (g->going && group_depth(g) > deepest)
                        deepest = group_depth(g);
        }
        first = workload_stop(r);
        if (first == -ETIMEDOUT)
                do_not_die(r, reterr);
        r->payloads = ktstr_worse(r->payloads, payload_end_going(r->b));
        for (unsigned depth = deepest + 1; depth-- > 0;) {
                int e = remove_depth(r, depth, first ? NULL : reterr);

                first = first ?: e;
        }
        return first;
}
