/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "telemetry.h"

#include <stdlib.h>
#include <string.h>

void kt_workload_done(struct kt_workload *w)
{
        for (size_t c = 0; c < w->n_cgroups; c++) {
                struct kt_cgroup *g = &w->cgroups[c];

                for (size_t i = 0; i < g->n_workers; i++) {
                        free(g->workers[i].work);
                        free(g->workers[i].role);
                        free(g->workers[i].exit);
                }
                free(g->workers);
                free(g->name);
        }
        free(w->cgroups);
        free(w->scenarios);
        memset(w, 0, sizeof(*w));
}
