/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group.h"

#include <string.h>

struct group *group_new(struct kt_list *groups, const char *name, const char *dir, unsigned scenario)
{
        struct group *g = calloc(1, sizeof(*g));

        if (!g)
                return NULL;
        g->name = strdup(name);
        g->dir = dir ? strdup(dir) : NULL;
        g->scenario = scenario;
        kt_list_init(&g->crews);
        if (!g->name || (dir && !g->dir)) {
                free(g->name);
                free(g->dir);
                free(g);
                return NULL;
        }
        kt_list_append(groups, &g->link);
        return g;
}

void group_free(struct group *g)
{
        kt_list_for_each_safe (it, &g->crews) {
                struct group_crew *c = kt_list_entry(it, struct group_crew, link);

                kt_list_remove(&c->link);
                crew_done(&c->crew);
                free(c);
        }
        kt_list_remove(&g->link);
        free(g->name);
        free(g->dir);
        free(g);
}

struct group *group_find(struct kt_list *groups, const char *name)
{
        kt_list_for_each (it, groups) {
                struct group *g = kt_list_entry(it, struct group, link);

                if (g->live && strcmp(g->name, name) == 0)
                        return g;
        }
        return NULL;
}
