/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/errors.h"
#include "pool_internal.h"
#include "worker.h"

/* What an idle guest is taken to need before one was measured: 2 vCPUs under tcg need some 20 MB. */
#define EACH_BYTES_GUESS (64ULL << 20)

/* As many jobs of a shape have booted on a host that was never idle: then its template is worth being built
 * beside them, which is what they gain from. */
#define COLD_STARTS_MAX 3U

/* After so many clones in a row that did not wake it is the template that is at fault. */
#define CLONE_FAILURES_MAX 2U

#define SHAPES_MAX 256U

uint64_t pool_now(const struct pool *p)
{
        return uv_now(p->params.loop);
}

/* --- shapes --- */

static double demand_of(const struct pool_shape *ps)
{
        return pool_demand_at(&ps->demand, pool_now(ps->pool), ps->pool->params.half_life_ms);
}

struct pool_shape *pool_find(const struct pool *p, const char *key)
{
        kt_list_for_each (it, &p->shapes) {
                struct pool_shape *ps = kt_list_entry(it, struct pool_shape, link);

                if (strcmp(ps->shape->key, key) == 0)
                        return ps;
        }
        return NULL;
}

/* t: NULL, or the one to clone from now. */
static void set_template(struct pool_shape *ps, const struct template *t)
{
        struct template_store *store = ps->pool->params.store;

        template_unref(store, ps->template);
        ps->template = t ? template_ref(store, t) : NULL;
        ps->clone_failures = 0;
}

/* It was found to be no good, and its guests have their memory from there. */
void pool_shape_forget_template(struct pool_shape *ps)
{
        kt_list_for_each_safe (it, &ps->guests)
                pool_guest_stop(kt_list_entry(it, struct pool_guest, link));
        set_template(ps, NULL);
}

/* t: what the store had when it was asked last. It may have had none yet, for one that was built since. */
static void take_template(struct pool_shape *ps, const struct template *t)
{
        if (!t && ps->template && !template_is_intact(ps->template))
                pool_shape_forget_template(ps);
        /* Whoever brings it may have had it for a while, and it was thrown away since. */
        if (!t || ps->template == t || !template_store_offers(ps->pool->params.store, t))
                return;
        set_template(ps, t);
}

/* The least wanted of those that are in use no more, NULL when all are. */
static struct pool_shape *find_least(const struct pool *p, unsigned *ret_n)
{
        struct pool_shape *least = NULL;
        double demand = 0;

        *ret_n = 0;
        kt_list_for_each (it, &p->shapes) {
                struct pool_shape *ps = kt_list_entry(it, struct pool_shape, link);
                const double d = demand_of(ps);

                (*ret_n)++;
                if (ps->demand.running == 0 && kt_list_empty(&ps->waiters) && (!least || d < demand)) {
                        least = ps;
                        demand = d;
                }
        }
        return least;
}

/* Anybody can ask for a new shape with each job: the least wanted makes room. It is forgotten when what it
 * has is gone. */
static void limit_shapes(struct pool *p)
{
        unsigned n;
        struct pool_shape *least = find_least(p, &n);

        if (n >= SHAPES_MAX && least) {
                pool_demand_forget(&least->demand);
                least->primed = 0;
        }
}

struct pool_shape *pool_know(struct pool *p, struct shape *s, const struct template *template)
{
        struct pool_shape *ps = pool_find(p, s->key);

        if (!ps) {
                limit_shapes(p);
                ps = calloc(1, sizeof(*ps));
                if (!ps)
                        return NULL;
                ps->pool = p;
                ps->shape = shape_ref(s);
                ps->demand.at_ms = pool_now(p);
                kt_list_init(&ps->guests);
                kt_list_init(&ps->waiters);
                kt_list_append(&p->shapes, &ps->link);
        }
        take_template(ps, template);
        return ps;
}

unsigned pool_shape_count(const struct pool_shape *ps, bool parked)
{
        unsigned n = 0;

        kt_list_for_each (it, &ps->guests) {
                const struct pool_guest *pg = kt_list_entry(it, struct pool_guest, link);

                n += pg->parked == parked && !pg->leaving;
        }
        return n;
}

static bool is_wanted(const struct pool_shape *ps)
{
        return demand_of(ps) >= POOL_DEMAND_MIN || !kt_list_empty(&ps->waiters);
}

static unsigned wants(const struct pool_shape *ps)
{
        const struct pool_params *params = &ps->pool->params;
        const unsigned idle = ps->primed > params->idle ? ps->primed : params->idle;
        unsigned n = pool_demand_want(&ps->demand, idle, pool_now(ps->pool), params->half_life_ms);

        /* Who waits does so for as long as it takes. */
        kt_list_for_each (it, &ps->waiters) {
                const struct pool_waiter *w = kt_list_entry(it, struct pool_waiter, link);

                n = w->idle > n ? w->idle : n;
        }
        return n;
}

/* Whose time has come, out of the list first: who is told may send away others, ask for more, or drop it
 * all. Whoever calls this calls pool_changed() afterwards. */
static void tell(struct pool_shape *ps,
                 bool (*whose)(const struct pool_shape *ps, const struct pool_waiter *w),
                 const struct kt_error *err)
{
        struct kt_list told = KT_LIST_INIT(told);
        struct pool *p = ps->pool;
        const bool pumping = p->pumping;

        kt_list_for_each_safe (it, &ps->waiters) {
                struct pool_waiter *w = kt_list_entry(it, struct pool_waiter, link);

                if (whose && !whose(ps, w))
                        continue;
                kt_list_remove(&w->link);
                kt_list_append(&told, &w->link);
        }
        p->pumping = true; /* whatever they do, no shape goes before our caller is through */
        while (!kt_list_empty(&told)) {
                struct pool_waiter *w = kt_list_entry(told.next, struct pool_waiter, link);

                kt_list_remove(&w->link);
                w->done(w->userdata, err);
                free(w);
        }
        p->pumping = pumping;
}

void pool_tell_all(struct pool_shape *ps, const struct kt_error *err)
{
        tell(ps, NULL, err);
}

static bool has_them(const struct pool_shape *ps, const struct pool_waiter *w)
{
        return pool_shape_count(ps, true) >= w->idle;
}

static bool gets_less(const struct pool_shape *ps, const struct pool_waiter *w)
{
        return w->idle > ps->granted;
}

/* Nothing more comes of what it may have. A guest that was not measured may turn out to be smaller, and who
 * came just now is not counted yet. */
static bool is_settled(const struct pool_shape *ps)
{
        return ps->template && !ps->build && ps->pool->work == 0 && !ps->pool->again &&
               pool_shape_count(ps, false) == 0 && pool_shape_count(ps, true) >= ps->granted;
}

static void tell_waiters(struct pool_shape *ps)
{
        const struct pool_params *params = &ps->pool->params;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        tell(ps, has_them, NULL);
        if (kt_list_empty(&ps->waiters) || !is_settled(ps))
                return;
        kt_error_set(
                &err, -ENOSPC, KT_E_BUSY,
                "of %s no more than %u can be ready now: all guests that wait may be %u and take %llu MiB "
                "together (Maximum= and MemoryMax= in ktstrd.conf(5)); `ktstrctl pool` lists them",
                ps->shape->text, ps->granted, params->max, (unsigned long long)params->memory_bytes >> 20);
        tell(ps, gets_less, &err);
}

/* Nothing of it is left: forget it. */
static void forget_if_unused(struct pool_shape *ps)
{
        if (ps->build || !kt_list_empty(&ps->guests) || pool_demand_running(&ps->demand) > 0 ||
            (is_wanted(ps) && !ps->pool->stopping))
                return;
        kt_list_remove(&ps->link);
        template_unref(ps->pool->params.store, ps->template);
        shape_unref(ps->shape);
        free(ps->reason);
        free(ps);
}

void pool_shape_failed(struct pool_shape *ps, const char *what, const struct kt_error *err)
{
        const uint64_t wait = pool_backoff_ms(++ps->failures);

        ps->retry_ms = pool_now(ps->pool) + wait;
        free(ps->reason);
        ps->reason = strdup(err ? kt_error_text(err) : "it ended without a word");
        kt_log_warning("%s, of %s, failed: %s; trying again in %llu s", what, ps->shape->text,
                       ps->reason ?: "out of memory", (unsigned long long)(wait + 999) / 1000);
        pool_tell_all(ps, err);
}

/* --- templates --- */

/* For the worker. */
struct discard {
        struct pool *pool;
        char *path;
};

static void discard_work(void *data)
{
        struct discard *d = data;

        (void)kt_remove_tree(AT_FDCWD, d->path);
}

static void discard_done(void *data, int status)
{
        struct discard *d = data;
        struct pool *p = d->pool;

        free(d->path);
        free(d);
        p->work--;
        pool_changed(p);
}

void pool_shape_drop_template(struct pool_shape *ps)
{
        struct pool *p = ps->pool;
        struct discard *d = calloc(1, sizeof(*d));
        char *hidden = template_store_forget(p->params.store, ps->shape->key);

        set_template(ps, NULL);
        if (d)
                *d = (struct discard){.pool = p, .path = hidden};
        /* What cannot be removed now is swept when a daemon starts. */
        if (!d || !hidden || worker_run(p->params.loop, discard_work, discard_done, d) < 0) {
                free(hidden);
                free(d);
                return;
        }
        p->work++;
}

static void on_built(void *userdata, const struct template *t, const struct kt_error *err)
{
        struct pool_shape *ps = userdata;
        struct pool *p = ps->pool;
        const bool dropped = ps->build_dropped;

        ps->build = NULL;
        ps->build_dropped = false;
        if (t && dropped) {
                template_unref(p->params.store, t);
                pool_shape_drop_template(ps);
        } else if (t) {
                kt_log_info("template of %s built in %lld ms", ps->shape->text, (long long)t->build_ms);
                metrics_template(p->params.metrics, true);
                take_template(ps, t);
                template_unref(p->params.store, t);
                ps->failures = ps->cold_starts = 0;
        } else if (err) {
                metrics_template(p->params.metrics, false);
                /* Who is told may drop the shape: it is gone then. */
                pool_shape_failed(ps, "the template", err);
        }
        pool_changed(p);
}

static void start_build(struct pool_shape *ps)
{
        struct pool *p = ps->pool;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        char id[40];

        snprintf(id, sizeof(id), "template-%llu", (unsigned long long)++p->next_id);
        const struct template_build_params params = {
                .shape = ps->shape,
                .store = p->params.store,
                .kcache = p->params.kcache,
                .qemu_path = p->params.qemu_path,
                .exec_helper = p->params.exec_helper,
                .run_dir = p->params.run_dir,
                .id = id,
                /* Else who primed it would wait for whatever else is busy on the host. */
                .background = kt_list_empty(&ps->waiters),
        };
        if (template_build_start(p->params.loop, &params, on_built, ps, &ps->build, &err) < 0)
                pool_shape_failed(ps, "the template", &err);
}

/* --- what to do next --- */

/* Host CPUs that a guest keeps busy: one where its vCPUs share a thread, however many they are. */
static unsigned host_cpus_of(const struct shape *s)
{
        return s->accel == ACCEL_TCG && s->tcg_one_thread ? 1 : topology_cpus(&s->topology);
}

static unsigned cpus_building(const struct pool *p)
{
        unsigned n = 0;

        kt_list_for_each (it, &p->shapes) {
                const struct pool_shape *ps = kt_list_entry(it, struct pool_shape, link);

                n += ((ps->build ? 1 : 0) + pool_shape_count(ps, false)) * host_cpus_of(ps->shape);
        }
        return n;
}

/* Beside what jobs use and what is under way already; one thing at a time may be larger than the host. */
static bool has_room(const struct pool *p, const struct pool_shape *ps)
{
        const unsigned busy = p->cpus_running + cpus_building(p);

        return busy == 0 || busy + host_cpus_of(ps->shape) <= p->params.host_cpus;
}

static void share_out(struct pool *p)
{
        struct pool_wish wishes[SHAPES_MAX];
        size_t n = 0;

        kt_list_for_each (it, &p->shapes) {
                const struct pool_shape *ps = kt_list_entry(it, struct pool_shape, link);

                if (n == SHAPES_MAX)
                        break;
                wishes[n++] = (struct pool_wish){
                        .demand = demand_of(ps),
                        .want = wants(ps),
                        .each_bytes = ps->each_bytes ?: EACH_BYTES_GUESS,
                };
        }
        pool_allot(wishes, n, p->params.max, p->params.memory_bytes);
        n = 0;
        kt_list_for_each (it, &p->shapes) {
                struct pool_shape *ps = kt_list_entry(it, struct pool_shape, link);

                ps->granted = n < SHAPES_MAX ? wishes[n++].granted : 0;
        }
}

static void trim(struct pool_shape *ps)
{
        unsigned n = pool_shape_count(ps, true) + pool_shape_count(ps, false);

        kt_list_for_each_safe (it, &ps->guests) {
                struct pool_guest *pg = kt_list_entry(it, struct pool_guest, link);

                if (n <= ps->granted)
                        return;
                if (!pg->leaving) {
                        pool_guest_stop(pg);
                        n--;
                }
        }
}

static bool may_try(const struct pool_shape *ps)
{
        return ps->failures == 0 || pool_now(ps->pool) >= ps->retry_ms;
}

static void serve_template(struct pool_shape *ps)
{
        if (ps->template || ps->build || !is_wanted(ps) || !may_try(ps))
                return;
        if (has_room(ps->pool, ps) || (ps->cold_starts >= COLD_STARTS_MAX && cpus_building(ps->pool) == 0))
                start_build(ps);
}

static void serve_guests(struct pool_shape *ps)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        while (!ps->pool->stopping && ps->template && may_try(ps) && has_room(ps->pool, ps) &&
               pool_shape_count(ps, true) + pool_shape_count(ps, false) < ps->granted)
                if (pool_guest_start(ps, &err) < 0)
                        pool_shape_failed(ps, "a clone", &err);
}

static int by_demand(const void *a, const void *b)
{
        const struct pool_shape *x = *(struct pool_shape *const *)a, *y = *(struct pool_shape *const *)b;

        return (x->now < y->now) - (x->now > y->now);
}

/* The most wanted first. */
static void serve_all(struct pool *p)
{
        struct pool_shape *list[SHAPES_MAX];
        size_t n = 0;

        if (p->quiet || pool_now(p) < p->hold_until_ms)
                return;
        kt_list_for_each (it, &p->shapes) {
                if (n == SHAPES_MAX)
                        break;
                list[n] = kt_list_entry(it, struct pool_shape, link);
                list[n]->now = demand_of(list[n]);
                n++;
        }
        if (n > 0)
                qsort(list, n, sizeof(list[0]), by_demand);
        for (size_t i = 0; i < n && !p->stopping; i++) {
                serve_guests(list[i]);
                serve_template(list[i]);
        }
}

/* --- when to look again --- */

static void on_timer(uv_timer_t *timer)
{
        pool_changed(timer->data);
}

static void sooner(uint64_t *at, uint64_t when)
{
        if (*at == 0 || when < *at)
                *at = when;
}

static void set_timer(struct pool *p)
{
        const uint64_t now = pool_now(p);
        uint64_t at = 0, lasts;

        kt_list_for_each (it, &p->shapes) {
                const struct pool_shape *ps = kt_list_entry(it, struct pool_shape, link);

                if (ps->failures > 0 && ps->retry_ms > now && is_wanted(ps))
                        sooner(&at, ps->retry_ms);
                lasts = pool_demand_lasts(&ps->demand, now, p->params.half_life_ms);
                if (ps->demand.running == 0 && lasts > 0)
                        sooner(&at, now + lasts);
        }
        if (p->hold_until_ms > now)
                sooner(&at, p->hold_until_ms);
        if (p->again)
                sooner(&at, now);
        if (at == 0)
                uv_timer_stop(&p->timer);
        else
                uv_timer_start(&p->timer, on_timer, at > now ? at - now : 0, 0);
}

static void tell_if_empty(struct pool *p)
{
        if (!p->stopping || p->told_empty || p->work > 0 || !kt_list_empty(&p->shapes) || !p->timer_closed)
                return;
        p->told_empty = true;
        p->params.on_empty(p->params.userdata);
}

static void serve(struct pool *p)
{
        share_out(p);
        kt_list_for_each (it, &p->shapes)
                trim(kt_list_entry(it, struct pool_shape, link));
        serve_all(p);
        kt_list_for_each_safe (it, &p->shapes)
                tell_waiters(kt_list_entry(it, struct pool_shape, link));
}

void pool_changed(struct pool *p)
{
        /* What is started and stopped here may report at once: that is looked at in the loop's next turn. */
        if (p->pumping) {
                p->again = true;
                return;
        }
        p->pumping = true;
        p->again = false;
        if (!p->stopping)
                serve(p);
        kt_list_for_each_safe (it, &p->shapes)
                forget_if_unused(kt_list_entry(it, struct pool_shape, link));
        if (!p->stopping)
                set_timer(p);
        p->pumping = false;
        tell_if_empty(p);
}

void pool_pump(struct pool *p, unsigned cpus_running)
{
        p->cpus_running = cpus_running;
        pool_drop_removed(p);
        pool_changed(p);
}

static void give_up_what_is_made(struct pool_shape *ps)
{
        if (ps->build)
                template_build_stop(ps->build);
        kt_list_for_each_safe (it, &ps->guests) {
                struct pool_guest *pg = kt_list_entry(it, struct pool_guest, link);

                if (!pg->parked && !pg->leaving)
                        pool_guest_stop(pg);
        }
}

void pool_quiet(struct pool *p, bool quiet)
{
        const bool pumping = p->pumping;

        if (p->quiet == quiet || p->stopping)
                return;
        p->quiet = quiet;
        p->pumping = true; /* no shape goes meanwhile */
        if (quiet)
                kt_list_for_each (it, &p->shapes)
                        give_up_what_is_made(kt_list_entry(it, struct pool_shape, link));
        p->pumping = pumping;
        pool_changed(p);
}

void pool_shrink(struct pool *p)
{
        unsigned idle = 0, left;

        kt_list_for_each (it, &p->shapes)
                idle += pool_shape_count(kt_list_entry(it, struct pool_shape, link), true);
        p->hold_until_ms = pool_now(p) + (p->params.hold_ms ?: POOL_PRESSURE_HOLD_MS);
        left = (idle + 1) / 2;
        if (left > 0)
                kt_log_notice("the host is short of memory: giving up %u of %u idle guests", left, idle);
        /* From the least wanted on. */
        while (left > 0) {
                struct pool_guest *victim = NULL;

                kt_list_for_each (it, &p->shapes) {
                        struct pool_shape *ps = kt_list_entry(it, struct pool_shape, link);

                        kt_list_for_each (jt, &ps->guests) {
                                struct pool_guest *pg = kt_list_entry(jt, struct pool_guest, link);

                                if (pg->parked && !pg->leaving &&
                                    (!victim || demand_of(ps) < demand_of(victim->of)))
                                        victim = pg;
                        }
                }
                if (!victim)
                        break;
                pool_guest_stop(victim);
                left--;
        }
        pool_changed(p);
}

/* --- for jobs --- */

void pool_begin(struct pool *p, struct shape *s, const struct template *t)
{
        struct pool_shape *ps = p->params.store && !p->stopping ? pool_know(p, s, t) : NULL;

        if (!ps)
                return;
        pool_demand_begin(&ps->demand, pool_now(p), p->params.half_life_ms);
        ps->used_ms = pool_now(p);
        if (!ps->template)
                ps->cold_starts++;
}

void pool_end(struct pool *p, struct shape *s)
{
        struct pool_shape *ps = pool_find(p, s->key);

        if (!ps)
                return;
        pool_demand_end(&ps->demand, pool_now(p), p->params.half_life_ms);
        pool_changed(p);
}

/* The one that was parked last: what it uses is warm. NULL: none. */
static struct pool_guest *adopt_one(struct pool_shape *ps, const struct guest_ops *ops, void *userdata,
                                    const char *console_path)
{
        for (struct kt_list *it = ps->guests.prev; it != &ps->guests; it = it->prev) {
                struct pool_guest *pg = kt_list_entry(it, struct pool_guest, link);
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

                if (!pg->parked || pg->leaving)
                        continue;
                if (guest_adopt(pg->guest, ops, userdata, console_path, &err) >= 0)
                        return pg;
                kt_log_warning("a guest of the pool cannot be used: %s", kt_error_text(&err));
        }
        return NULL;
}

struct guest *pool_take(struct pool *p, const struct shape *s, const struct guest_ops *ops, void *userdata,
                        const char *console_path)
{
        struct pool_shape *ps = pool_find(p, s->key);
        struct pool_guest *pg = ps ? adopt_one(ps, ops, userdata, console_path) : NULL;
        struct guest *g = pg ? pg->guest : NULL;

        if (!ps)
                return NULL;
        if (!g) {
                ps->misses++;
                p->misses++;
                metrics_pool_miss(p->params.metrics);
                return NULL;
        }
        pool_guest_release(pg);
        ps->hits++;
        p->hits++;
        metrics_pool_hit(p->params.metrics);
        return g;
}

void pool_clone_woke(struct pool *p, const struct shape *s)
{
        struct pool_shape *ps = pool_find(p, s->key);

        if (ps)
                ps->clone_failures = ps->idle_deaths = 0;
}

void pool_shape_clone_failed(struct pool_shape *ps, const struct kt_error *err)
{
        pool_shape_failed(ps, "a clone", err);
        if (++ps->clone_failures >= CLONE_FAILURES_MAX && ps->template) {
                kt_log_warning("the template of %s is thrown away: its clones do not wake", ps->shape->text);
                pool_shape_drop_template(ps);
        }
}

void pool_clone_failed(struct pool *p, const struct shape *s, const struct kt_error *err)
{
        struct pool_shape *ps = pool_find(p, s->key);

        if (!ps)
                return;
        pool_shape_clone_failed(ps, err);
        pool_changed(p);
}

/* --- its own life --- */

int pool_new(const struct pool_params *params, struct pool **ret, struct kt_error *reterr)
{
        struct pool *p = calloc(1, sizeof(*p));

        if (!p)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        p->params = *params;
        kt_list_init(&p->shapes);
        uv_timer_init(params->loop, &p->timer);
        p->timer.data = p;
        *ret = p;
        return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
        struct pool *p = handle->data;

        p->timer_closed = true;
        tell_if_empty(p);
}

static void stop_shape(struct pool_shape *ps, const struct kt_error *err)
{
        pool_tell_all(ps, err);
        if (ps->build)
                template_build_stop(ps->build);
        kt_list_for_each_safe (it, &ps->guests)
                pool_guest_stop(kt_list_entry(it, struct pool_guest, link));
}

void pool_stop(struct pool *p)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (p->stopping)
                return;
        p->stopping = true;
        kt_error_set(&err, -ESHUTDOWN, KT_E_SHUTTING_DOWN, "the daemon stops");
        kt_list_for_each (it, &p->shapes)
                stop_shape(kt_list_entry(it, struct pool_shape, link), &err);
        uv_close((uv_handle_t *)&p->timer, on_timer_closed);
        pool_changed(p);
}

void pool_free(struct pool *p)
{
        if (!p)
                return;
        assert(kt_list_empty(&p->shapes) && p->work == 0);
        free(p);
}
