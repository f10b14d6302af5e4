/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.ktstrd.Pool */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "dispatch.h"
#include "job_request.h"
#include "prepare.h"
#include "queue.h"
#include "server.h"
#include "worker.h"

/* --- List --- */

static struct json_object *shape_json(const struct pool_view *v)
{
        static const char *const states[] = {[POOL_TEMPLATE_NONE] = "none",
                                             [POOL_TEMPLATE_BUILDING] = "building",
                                             [POOL_TEMPLATE_READY] = "ready",
                                             [POOL_TEMPLATE_FAILED] = "failed"};
        struct json_object *o = json_object_new_object();
        const struct shape *s = v->shape;
        char topology[TOPOLOGY_TEXT_MAX];

        topology_format(&s->topology, topology);
        kt_json_add_str(o, "shape", s->text);
        kt_json_add_str(o, "key", s->key);
        kt_json_add_str(o, "kernel", s->kernel->key);
        kt_json_add_str(o, "topology", topology);
        kt_json_add_int(o, "memory_mib", s->memory_mib);
        kt_json_add_str(o, "accel", accel_name(s->accel));
        kt_json_add_str(o, "template", states[v->template]);
        if (v->template_built_us > 0) {
                kt_json_add_int(o, "template_built_us", v->template_built_us);
                kt_json_add_int(o, "template_build_ms", v->template_build_ms);
        }
        kt_json_add_int(o, "idle", v->idle);
        kt_json_add_int(o, "building", v->building);
        kt_json_add_int(o, "want", v->want);
        kt_json_add_int(o, "hits", (int64_t)v->hits);
        kt_json_add_int(o, "misses", (int64_t)v->misses);
        kt_json_add(o, "demand", json_object_new_double(v->demand));
        if (v->unused_ms > 0)
                kt_json_add_int(o, "unused_ms", (int64_t)v->unused_ms);
        if (v->idle > 0)
                kt_json_add_int(o, "oldest_idle_ms", (int64_t)v->oldest_idle_ms);
        kt_json_add_int(o, "memory_bytes", (int64_t)v->memory_bytes);
        kt_json_add_int(o, "failures", v->failures);
        kt_json_add_str(o, "reason", v->reason);
        if (v->retry_ms > 0)
                kt_json_add_int(o, "retry_ms", (int64_t)v->retry_ms);
        return o;
}

static void add_shape(void *userdata, const struct pool_view *v)
{
        json_object_array_add(userdata, shape_json(v));
}

static void reply_list(void *userdata)
{
        struct call *call = userdata;
        struct server *s = call->server;
        struct json_object *o = json_object_new_object(), *shapes = json_object_new_array();
        struct pool_totals sum;

        pool_look(s->pool, add_shape, shapes);
        pool_sum(s->pool, &sum);
        kt_json_add(o, "shapes", shapes);
        kt_json_add_int(o, "idle_max", s->templates ? s->config->pool_max : 0);
        kt_json_add_int(o, "memory_max_bytes", (int64_t)s->config->pool_memory);
        kt_json_add_int(o, "memory_bytes", (int64_t)sum.memory_bytes);
        kt_json_add_bool(o, "held", sum.held);
        call_reply(call, o);
}

/* What they take changes with each that comes or goes, since they share it. */
static void list(struct call *call)
{
        if (pool_measure(call->server->pool, reply_list, call) < 0)
                call_fail_text(call, KT_E_INTERNAL, "out of memory");
}

/* --- Prime --- */

/* Lives until the reply: first on a worker, then in the pool's list of those who wait. */
struct prime {
        struct call *call;
        struct job_spec spec;
        struct prepared prep;
        struct pool_waiter *waiter; /* NULL before and after it waits */
        unsigned idle;
        uint64_t start_ms;
};

static void prime_free(struct prime *p)
{
        prepared_done(&p->prep);
        job_spec_done(&p->spec);
        free(p);
}

static void on_primed(void *userdata, const struct kt_error *err)
{
        struct prime *p = userdata;
        struct call *call = p->call;
        struct json_object *o;

        call->on_cancel = NULL;
        if (err)
                call_fail(call, err);
        else {
                o = json_object_new_object();
                kt_json_add_str(o, "shape", p->prep.shape->text);
                kt_json_add_int(o, "idle", p->idle);
                kt_json_add_int(o, "took_ms", (int64_t)(uv_now(&call->server->loop) - p->start_ms));
                call_reply(call, o);
        }
        prime_free(p);
}

/* Whoever asked has gone: the guests are made all the same. */
static void on_prime_cancelled(struct call *call)
{
        struct prime *p = call->userdata;

        if (!p->waiter)
                return;
        pool_unwait(p->waiter);
        call_reply(call, NULL);
        prime_free(p);
}

static void on_prime_prepared(void *data, int status)
{
        struct prime *p = data;
        struct call *call = p->call;
        struct server *s = call->server;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (p->prep.result < 0) {
                on_primed(p, &p->prep.error);
                return;
        }
        if (!call->conn || s->stopping) {
                kt_error_set(&err, -ESHUTDOWN, KT_E_SHUTTING_DOWN, "the daemon stops");
                on_primed(p, &err);
                return;
        }
        call->userdata = p;
        call->on_cancel = on_prime_cancelled;
        if (pool_prime(s->pool, p->prep.shape, p->prep.template, p->idle, on_primed, p, &p->waiter, &err) <
            0)
                on_primed(p, &err);
}

static void prime_work(void *data)
{
        struct prime *p = data;

        prepare_guest_work(&p->prep);
}

static int take_idle(struct prime *p, struct kt_error *reterr)
{
        struct call *call = p->call;
        const struct config *c = call->server->config;
        int64_t idle = kt_json_int(call->parameters, "idle", c->idle_guests);

        if (idle < 1 || idle > c->pool_max)
                return kt_error_set_field(
                        reterr, -ERANGE, KT_E_INVALID_PARAMETER, "idle",
                        "from 1 to %u guests can be ready (Maximum= in ktstrd.conf(5)), not "
                        "%lld: say how many with --idle",
                        c->pool_max, (long long)idle);
        p->idle = (unsigned)idle;
        return 0;
}

static void prime_begin(void *userdata)
{
        struct prime *p = userdata;
        struct server *s = p->call->server;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = accel_pick(&s->accel, p->spec.accel, &p->prep.accel, &err);

        p->prep.report = s->accel;
        if (r >= 0) {
                r = worker_run(&s->loop, prime_work, on_prime_prepared, p);
                if (r < 0)
                        kt_error_set(&err, r, KT_E_INTERNAL, "cannot start work: %s", strerror(-r));
        }
        if (r < 0)
                on_primed(p, &err);
}

static int prime_take(struct prime *p, struct kt_error *reterr)
{
        struct server *s = p->call->server;
        int r = take_idle(p, reterr);

        if (r >= 0)
                r = job_request_guest(p->call, &p->spec, reterr);
        if (r >= 0)
                r = queue_check_memory(&s->jobs, p->spec.memory_mib, reterr);
        return r;
}

static void prime(struct call *call)
{
        struct server *s = call->server;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct prime *p;

        if (!s->templates || s->config->pool_max == 0) {
                call_fail_text(call, KT_E_NO_POOL,
                               "this daemon keeps no guests ready, for it runs with %s (ktstrd.conf(5)): "
                               "change that and start it anew",
                               s->templates ? "Maximum=0" : "Templates=no");
                return;
        }
        p = calloc(1, sizeof(*p));
        if (!p) {
                call_fail_text(call, KT_E_INTERNAL, "out of memory");
                return;
        }
        p->call = call;
        p->start_ms = uv_now(&s->loop);
        p->prep = (struct prepared){.kcache = s->kcache,
                                    .config = s->config,
                                    .userland = &s->userland,
                                    .store = s->templates,
                                    .spec = &p->spec,
                                    .lease_fd = -1};
        if (prime_take(p, &err) < 0)
                on_primed(p, &err);
        else if (server_when_accel_known(s, prime_begin, p) < 0) {
                kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");
                on_primed(p, &err);
        }
}

/* --- Drop --- */

static void drop(struct call *call)
{
        const char *shape = kt_json_str(call->parameters, "shape");
        unsigned n =
                pool_drop(call->server->pool, shape, kt_json_bool(call->parameters, "templates", false));
        struct json_object *o;

        if (shape && n == 0) {
                call_fail_text(call, KT_E_NO_SUCH_SHAPE,
                               "no shape '%s' in the pool; `ktstrctl pool` lists them", shape);
                return;
        }
        o = json_object_new_object();
        kt_json_add_int(o, "dropped", n);
        call_reply(call, o);
}

const struct method methods_pool[] = {
        {"io.ktstrd.Pool.List", list, .while_draining = true},
        {"io.ktstrd.Pool.Prime", prime},
        {"io.ktstrd.Pool.Drop", drop, .while_draining = true},
        {},
};
