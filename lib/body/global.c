/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "global.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/distance.h"
#include "bpf_maps.h"

struct search {
        const struct bpf_maps *maps;
        const char *who, *map, *field, *path; /* path: what of field is behind the variable's name */
        char *name;
        bool to_write;

        const struct bpf_map *found;
        struct bpf_variable variable;
        struct kt_nearest nearest;
};

static bool ends_with(const char *text, const char *end)
{
        const size_t n = strlen(text), m = strlen(end);

        return m <= n && strcmp(text + n - m, end) == 0;
}

static bool is_asked_for(const struct search *s, const struct bpf_map *m)
{
        return !s->map || ends_with(m->section, s->map) || ends_with(m->name, s->map);
}

/* Constants give way to variables of the same name, where it is to be written. */
static int look_into(struct search *s, const struct bpf_map *m, struct kt_error *reterr)
{
        const struct bpf_types *types = &s->maps->objects[m->object].types;
        struct bpf_variable v;

        for (unsigned i = 0; bpf_types_variable(types, m->section_type, i, &v); i++) {
                if (*v.name && !(s->to_write && m->is_constant))
                        kt_nearest_offer(&s->nearest, v.name);
                if (strcmp(v.name, s->name) != 0 || (s->found && s->to_write && m->is_constant))
                        continue;
                if (s->found && !(s->to_write && s->found->is_constant))
                        return kt_error_set(
                                reterr, -ENOTUNIQ, NULL,
                                "%s has more than one global '%s', in %s and %s: give one a name "
                                "of its own, or say which with .map",
                                s->who, s->name, s->found->name, m->name);
                s->found = m;
                s->variable = v;
        }
        return 0;
}

static int refuse_map(const struct search *s, struct kt_error *reterr)
{
        char names[256] = "";
        size_t len = 0;

        for (size_t i = 0; i < s->maps->n && len < sizeof(names); i++)
                len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
                                        s->maps->list[i].section);
        return kt_error_set(reterr, -ENOENT, NULL, "%s has no map '%s' of global variables; it has %s",
                            s->who, s->map, names);
}

static int search_all(struct search *s, struct kt_error *reterr)
{
        bool any = false;
        int r = 0;

        s->nearest = kt_nearest_to(s->name);
        for (size_t i = 0; r >= 0 && i < s->maps->n; i++)
                if (is_asked_for(s, &s->maps->list[i])) {
                        any = true;
                        r = look_into(s, &s->maps->list[i], reterr);
                }
        if (r < 0)
                return r;
        if (!any)
                return refuse_map(s, reterr);
        if (!s->found)
                return kt_error_set(reterr, -ENOENT, NULL, "no global '%s' in %s%s%s%s%s%s", s->name, s->who,
                                    s->map ? ", map " : "", s->map ?: "",
                                    s->nearest.name ? ", did you mean '" : "", s->nearest.name ?: "",
                                    s->nearest.name ? "'?" : "");
        return 0;
}

/* What was found, as what can be had of it. */
static int take(const struct search *s, struct global *ret, struct kt_error *reterr)
{
        const struct bpf_map *m = s->found;
        struct global g = {.fd = -1, .is_mmapable = m->is_mmapable, .map_size = m->size};
        int r;

        if (s->to_write && m->is_constant)
                return kt_error_set(reterr, -EROFS, NULL,
                                    "global '%s' of %s is in %s, which is constant once the program is "
                                    "loaded: pass it to the scheduler, with .sched_args",
                                    s->name, s->who, m->section);
        if (s->to_write && !m->is_mmapable)
                return kt_error_set(reterr, -EOPNOTSUPP, NULL,
                                    "global '%s' of %s is in %s, which has static variables only and so "
                                    "cannot be mapped: declare it without 'static'",
                                    s->name, s->who, m->section);
        r = bpf_types_locate(&s->maps->objects[m->object].types, &s->variable, s->path, &g.number, reterr);
        if (r < 0)
                return kt_error_prefix(reterr, "global '%s' of %s", s->field, s->who);
        if (g.number.size > m->size || g.number.offset > m->size - g.number.size)
                return kt_error_set(reterr, -EBADMSG, NULL, "global '%s' of %s is outside of its map",
                                    s->field, s->who);
        g.fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 3);
        if (g.fd < 0)
                return kt_error_set(reterr, -errno, NULL, "cannot keep map %s: %s", m->name,
                                    strerror(errno));
        memcpy(g.map, m->name, sizeof(g.map));
        *ret = g;
        return 0;
}

static void bpf_maps_donep(struct bpf_maps *m)
{
        bpf_maps_done(m);
}

int global_find(pid_t pid, const char *who, const char *map, const char *field, bool to_write,
                struct global *ret, struct kt_error *reterr)
{
        _cleanup_(bpf_maps_donep) struct bpf_maps maps = {};
        const size_t len = strcspn(field, ".[");
        _cleanup_free_ char *name = strndup(field, len);
        struct search s = {.maps = &maps,
                           .who = who,
                           .map = map,
                           .field = field,
                           .path = field + len,
                           .name = name,
                           .to_write = to_write};
        int r;

        if (!name)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        r = bpf_maps_of(pid, &maps, reterr);
        if (r < 0)
                return kt_error_prefix(reterr, "the globals of %s (pid %d)", who, (int)pid);
        if (maps.n == 0)
                return kt_error_set(reterr, -ESRCH, NULL,
                                    "%s (pid %d) and what it has started have no BPF map with global "
                                    "variables",
                                    who, (int)pid);
        r = search_all(&s, reterr);
        return r < 0 ? r : take(&s, ret, reterr);
}

void global_done(struct global *g)
{
        kt_closep(&g->fd);
        g->fd = -1;
}

/* --- its value --- */

/* The pages that it is on. */
struct window {
        char *base;
        size_t size;
        char *at; /* the number */
};

static int map_window(const struct global *g, int prot, struct window *ret, struct kt_error *reterr)
{
        const uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE), first = g->number.offset & ~(page - 1);
        struct window w = {.size = g->number.offset + g->number.size - first};

        w.base = mmap(NULL, w.size, prot, MAP_SHARED, g->fd, first);
        if (w.base == MAP_FAILED)
                return kt_error_set(reterr, -errno, NULL, "cannot map %s: %s%s", g->map, strerror(errno),
                                    errno == EPERM ? ": it is frozen" : "");
        w.at = w.base + (g->number.offset - first);
        *ret = w;
        return 0;
}

/* A copy of all of it is all that there is of a map that cannot be mapped. */
static int read_copy(const struct global *g, int64_t *ret, struct kt_error *reterr)
{
        _cleanup_free_ char *value = malloc(g->map_size);
        uint32_t key = 0;
        union bpf_attr attr = {.map_fd = (uint32_t)g->fd, .key = (uintptr_t)&key, .value = (uintptr_t)value};

        if (!value)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        if (syscall(__NR_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) < 0)
                return kt_error_set(reterr, -errno, NULL, "cannot read %s: %s", g->map, strerror(errno));
        *ret = bpf_number_load(&g->number, value + g->number.offset);
        return 0;
}

int global_read(const struct global *g, int64_t *ret, struct kt_error *reterr)
{
        struct window w;
        int r;

        if (!g->is_mmapable)
                return read_copy(g, ret, reterr);
        r = map_window(g, PROT_READ, &w, reterr);
        if (r < 0)
                return r;
        *ret = bpf_number_load(&g->number, w.at);
        munmap(w.base, w.size);
        return 0;
}

int global_write(const struct global *g, int64_t value, int64_t *ret_before, struct kt_error *reterr)
{
        struct window w;
        int r = bpf_number_check(&g->number, value, reterr);

        if (r >= 0)
                r = map_window(g, PROT_READ | PROT_WRITE, &w, reterr);
        if (r < 0)
                return r;
        *ret_before = bpf_number_load(&g->number, w.at);
        bpf_number_store(&g->number, w.at, value);
        munmap(w.base, w.size);
        return 0;
}
