/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "../../common/fsutil.h"

#define NAME_MAX_BYTES 255
#define DEPTH_MAX 16

struct group *group_new(struct kt_list *groups, const char *name, const char *dir)
{
        struct group *g = calloc(1, sizeof(*g));

        if (!g)
                return NULL;
        g->name = strdup(name);
        g->dir = dir ? strdup(dir) : NULL;
        kt_list_init(&g->crews);
        if (!g->name || (dir && !g->dir)) {
                free(g->name);
                free(g->dir);
                free(g);
                return NULL;
        }
        g->live = true;
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

                if (g->live && g->dir && strcmp(g->name, name) == 0)
                        return g;
        }
        return NULL;
}

char *group_free_name(struct kt_list *groups)
{
        for (unsigned i = 0;; i++) {
                char *name = kt_format("cg_%u", i);

                if (!name || !group_find(groups, name))
                        return name;
                free(name);
        }
}

static bool is_good_part(const char *part, size_t size)
{
        /* The kernel's own files begin so: "cgroup.procs", "cpu.max". */
        if (size == 0 || size > NAME_MAX_BYTES || part[0] == '.')
                return false;
        for (size_t i = 0; i < size; i++)
                if (!isalnum((unsigned char)part[i]) && !strchr("_-:@+", part[i]))
                        return false;
        return true;
}

int group_check_name(const char *name, struct kt_error *reterr)
{
        const char *part = name;

        for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
                size_t size = strcspn(part, "/");

                if (!is_good_part(part, size))
                        break;
                if (!part[size])
                        return 0;
                part += size + 1;
        }
        return kt_error_set(
                reterr, -EINVAL, NULL,
                "cgroup '%s': a name is letters, digits, '_' and '-', with '/' between at most %d of "
                "them",
                name, DEPTH_MAX);
}

unsigned group_depth(const struct group *g)
{
        unsigned depth = 0;

        for (const char *c = g->name; *c; c++)
                depth += *c == '/';
        return depth;
}

bool group_is_below(const struct group *a, const struct group *b)
{
        size_t size = strlen(b->name);

        return strncmp(a->name, b->name, size) == 0 && a->name[size] == '/';
}

bool group_is_frozen(const struct kt_list *groups, const struct group *g)
{
        kt_list_for_each (it, groups) {
                const struct group *other = kt_list_entry(it, struct group, link);

                if (other->live && other->frozen && (other == g || group_is_below(g, other)))
                        return true;
        }
        return false;
}
