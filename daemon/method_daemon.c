/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.ktstrd.Daemon */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "dispatch.h"
#include "doctor.h"
#include "host.h"
#include "server.h"
#include "worker.h"

static void ping(struct call *call)
{
        call_reply(call, NULL);
}

static void status(struct call *call)
{
        struct server *s = call->server;
        struct json_object *o = json_object_new_object();
        struct kernel **kernels = NULL;
        struct pool_totals pool;
        int n = 0;

        /* A handful of small files in the page cache. */
        if (kcache_list(s->kcache, &kernels, NULL) >= 0) {
                while (kernels[n])
                        n++;
                kernel_list_free(kernels);
        }
        kt_json_add_str(o, "version", server_version());
        kt_json_add_int(o, "pid", getpid());
        kt_json_add_int(o, "uid", geteuid());
        kt_json_add_int(o, "uptime_ms", (int64_t)(uv_now(&s->loop) - s->start_ms));
        kt_json_add_str(o, "socket", server_socket(s));
        kt_json_add_bool(o, "private", s->config->private_mode);
        kt_json_add_bool(o, "draining", s->draining);
        kt_json_add_int(o, "connections", s->n_conns);
        kt_json_add_int(o, "jobs_running", server_jobs_running(s));
        kt_json_add_int(o, "jobs_queued", server_jobs_queued(s));
        kt_json_add_int(o, "jobs_ended", (int64_t)s->jobs.n_ended);
        kt_json_add_int(o, "kernels", n);
        kt_json_add_str(o, "cache_dir", s->config->cache_dir);
        kt_json_add_str(o, "state_dir", s->config->state_dir);
        kt_json_add_str(o, "accelerator", s->accel_known ? accel_name(s->accel.chosen) : "being probed");
        kt_json_add_int(o, "rss_bytes", (int64_t)host_own_rss());
        pool_sum(s->pool, &pool);
        kt_json_add_int(o, "guests_idle", pool.idle);
        kt_json_add_int(o, "guests_building", pool.building);
        kt_json_add_int(o, "guests_idle_bytes", (int64_t)pool.memory_bytes);
        kt_json_add_str(o, "pool_failure", pool.reason);
        kt_json_add_str(o, "pool_held", pool.held ? "the host is short of memory" : NULL);
        call_reply(call, o);
}

static void metrics(struct call *call)
{
        _cleanup_free_ char *text = NULL;
        struct pool_totals sum;
        struct json_object *o;

        pool_sum(call->server->pool, &sum);
        text = metrics_text(call->server, &(struct metrics_pool){.idle = sum.idle,
                                                                 .building = sum.building,
                                                                 .memory_bytes = sum.memory_bytes});
        if (!text) {
                call_fail_text(call, KT_E_INTERNAL, "out of memory");
                return;
        }
        o = json_object_new_object();
        kt_json_add_str(o, "text", text);
        call_reply(call, o);
}

struct doctor_work {
        struct call *call;
        struct doctor_report report;
};

static void doctor_work(void *data)
{
        struct doctor_work *w = data;

        doctor_look(w->call->server->config, w->call->server->kcache, &w->report);
}

static struct json_object *accelerators_json(const struct accel_report *r)
{
        struct json_object *a = json_object_new_array();

        for (int i = 0; i < _ACCEL_MAX; i++) {
                struct json_object *o = json_object_new_object();

                kt_json_add_str(o, "name", accel_name((enum accel)i));
                kt_json_add_bool(o, "usable", r->of[i].usable);
                kt_json_add_bool(o, "chosen", r->chosen == (enum accel)i && r->of[i].usable);
                kt_json_add_str(o, "reason", r->of[i].reason);
                if (r->of[i].probe_us)
                        kt_json_add_int(o, "probe_us", (int64_t)r->of[i].probe_us);
                json_object_array_add(a, o);
        }
        return a;
}

static void doctor_done(void *data, int status_)
{
        static const char *const levels[] = {"ok", "warning", "problem"};
        struct doctor_work *w = data;
        struct json_object *o = json_object_new_object(), *findings = json_object_new_array();

        for (size_t i = 0; i < w->report.n_findings; i++) {
                const struct doctor_finding *f = &w->report.findings[i];
                struct json_object *j = json_object_new_object();

                kt_json_add_str(j, "subject", f->subject);
                kt_json_add_str(j, "level", levels[f->level]);
                kt_json_add_str(j, "message", f->message);
                kt_json_add_str(j, "next", f->next);
                json_object_array_add(findings, j);
        }
        w->call->server->accel = w->report.accel;
        w->call->server->accel_known = true;
        kt_json_add(o, "accelerators", accelerators_json(&w->report.accel));
        kt_json_add(o, "findings", findings);
        call_reply(w->call, o);
        free(w);
}

static void doctor(struct call *call)
{
        struct doctor_work *w = calloc(1, sizeof(*w));

        if (w)
                w->call = call;
        if (!w || worker_run(&call->server->loop, doctor_work, doctor_done, w) < 0) {
                free(w);
                call_fail_text(call, KT_E_INTERNAL, "out of memory");
        }
}

static void drain(struct call *call)
{
        struct server *s = call->server;

        call_reply(call, NULL);
        server_drain(s);
}

const struct method methods_daemon[] = {
        {"io.ktstrd.Daemon.Ping", ping, .while_draining = true},
        {"io.ktstrd.Daemon.Status", status, .while_draining = true},
        {"io.ktstrd.Daemon.Metrics", metrics, .while_draining = true},
        {"io.ktstrd.Daemon.Doctor", doctor, .while_draining = true},
        {"io.ktstrd.Daemon.Drain", drain, .owner_only = true, .while_draining = true},
        {},
};
