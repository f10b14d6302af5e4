/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/errors.h"
#include "pool_internal.h"

int pool_prime(struct pool *p, struct shape *s, const struct template *t, unsigned idle,
               void (*done)(void *userdata, const struct kt_error *err), void *userdata,
               struct pool_waiter **ret, struct kt_error *reterr)
{
        struct pool_waiter *w;
        struct pool_shape *ps;

        if (!p->params.store)
                return kt_error_set(reterr, -EOPNOTSUPP, KT_E_NO_POOL,
                                    "this daemon makes no templates: see Templates= in ktstrd.conf(5)");
        if (p->stopping)
                return kt_error_set(reterr, -ESHUTDOWN, KT_E_SHUTTING_DOWN, "the daemon stops");
        if (idle > p->params.max)
                return kt_error_set_field(
                        reterr, -ERANGE, KT_E_INVALID_PARAMETER, "idle",
                        "%u guests are more than the pool may hold (%u, Maximum= in ktstrd.conf(5))", idle,
                        p->params.max);
        w = calloc(1, sizeof(*w));
        ps = w ? pool_know(p, s, t) : NULL;
        if (!ps) {
                free(w);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        *w = (struct pool_waiter){.pool = p, .idle = idle, .done = done, .userdata = userdata};
        kt_list_append(&ps->waiters, &w->link);
        pool_demand_prime(&ps->demand, pool_now(p), p->params.half_life_ms);
        ps->primed = idle;
        /* Asked for by a person: now, whatever failed before. */
        ps->failures = ps->idle_deaths = 0;
        *ret = w;
        pool_changed(p);
        return 0;
}

void pool_unwait(struct pool_waiter *w)
{
        struct pool *p = w->pool;

        kt_list_remove(&w->link);
        free(w);
        pool_changed(p);
}

static bool matches(const struct pool_shape *ps, const char *text)
{
        char topology[TOPOLOGY_TEXT_MAX];

        topology_format(&ps->shape->topology, topology);
        return !text || strcmp(text, ps->shape->text) == 0 || strcmp(text, topology) == 0 ||
               strcmp(text, ps->shape->kernel->key) == 0;
}

static void drop(struct pool_shape *ps, bool templates)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, -ECANCELED, KT_E_DROPPED, "%s was dropped from the pool while it was made ready",
                     ps->shape->text);
        pool_tell_all(ps, &err);
        kt_list_for_each_safe (it, &ps->guests)
                pool_guest_stop(kt_list_entry(it, struct pool_guest, link));
        if (ps->build) {
                template_build_stop(ps->build);
                ps->build_dropped |= templates;
        }
        if (templates)
                pool_shape_drop_template(ps);
        pool_demand_forget(&ps->demand);
        ps->primed = 0;
        ps->failures = ps->idle_deaths = 0;
}

unsigned pool_drop(struct pool *p, const char *text, bool templates)
{
        unsigned n = 0;

        kt_list_for_each (it, &p->shapes) {
                struct pool_shape *ps = kt_list_entry(it, struct pool_shape, link);

                if (!matches(ps, text))
                        continue;
                drop(ps, templates);
                n++;
        }
        pool_changed(p);
        return n;
}

void pool_drop_removed(struct pool *p)
{
        char **keys = p->params.kcache ? kcache_take_removed(p->params.kcache) : NULL;

        for (char **k = keys; k && *k; k++)
                (void)pool_drop(p, *k, true);
        kcache_keys_free(keys);
}

static void view_guests(const struct pool_shape *ps, struct pool_view *v)
{
        kt_list_for_each (it, &ps->guests) {
                const struct pool_guest *pg = kt_list_entry(it, struct pool_guest, link);
                const uint64_t age = pg->parked ? pool_now(ps->pool) - pg->parked_ms : 0;

                if (pg->leaving)
                        continue;
                v->idle += pg->parked;
                v->building += !pg->parked;
                v->memory_bytes += pg->pss_bytes;
                if (age > v->oldest_idle_ms)
                        v->oldest_idle_ms = age;
        }
}

static struct pool_view view_of(const struct pool_shape *ps)
{
        const uint64_t now = pool_now(ps->pool);
        struct pool_view v = {
                .shape = ps->shape,
                .template = ps->build          ? POOL_TEMPLATE_BUILDING
                            : ps->template     ? POOL_TEMPLATE_READY
                            : ps->failures > 0 ? POOL_TEMPLATE_FAILED
                                               : POOL_TEMPLATE_NONE,
                .template_built_us = ps->template ? ps->template->built_us : 0,
                .template_build_ms = ps->template ? ps->template->build_ms : 0,
                .want = ps->granted,
                .hits = ps->hits,
                .misses = ps->misses,
                .demand = pool_demand_at(&ps->demand, now, ps->pool->params.half_life_ms),
                .unused_ms = ps->used_ms ? now - ps->used_ms : 0,
                .failures = ps->failures,
                .reason = ps->failures > 0 ? ps->reason : NULL,
                .retry_ms = ps->failures > 0 && ps->retry_ms > now ? ps->retry_ms - now : 0,
        };

        view_guests(ps, &v);
        return v;
}

static int by_demand(const void *a, const void *b)
{
        const struct pool_view *x = a, *y = b;

        return (x->demand < y->demand) - (x->demand > y->demand);
}

void pool_look(const struct pool *p, void (*each)(void *userdata, const struct pool_view *view),
               void *userdata)
{
        struct pool_view *views = NULL, *grown;
        size_t n = 0;

        kt_list_for_each (it, &p->shapes) {
                grown = reallocarray(views, n + 1, sizeof(*views));
                if (!grown)
                        break;
                views = grown;
                views[n++] = view_of(kt_list_entry(it, struct pool_shape, link));
        }
        if (n > 0)
                qsort(views, n, sizeof(*views), by_demand);
        for (size_t i = 0; i < n; i++)
                each(userdata, &views[i]);
        free(views);
}

void pool_sum(const struct pool *p, struct pool_totals *ret)
{
        *ret = (struct pool_totals){
                .hits = p->hits, .misses = p->misses, .held = pool_now(p) < p->hold_until_ms};
        kt_list_for_each (it, &p->shapes) {
                const struct pool_shape *ps = kt_list_entry(it, struct pool_shape, link);
                const struct pool_view v = view_of(ps);

                ret->shapes++;
                ret->idle += v.idle;
                ret->building += v.building + (v.template == POOL_TEMPLATE_BUILDING);
                ret->memory_bytes += v.memory_bytes;
                if (v.failures > 0) {
                        ret->failing++;
                        ret->reason = ps->reason;
                }
        }
}
