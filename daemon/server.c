/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "build_identity.h"
#include "build_net.h"
#include "config.h"
#include "conn.h"
#include "guest.h"
#include "host.h"
#include "listener.h"
#include "pressure.h"
#include "queue.h"
#include "run_dir.h"
#include "worker.h"

#include <build_config.h>

const char *server_version(void)
{
        return KT_VERSION;
}

const char *server_socket(const struct server *s)
{
        return s->listener ? listener_path(s->listener) : s->config->socket_path;
}

int server_admit(struct server *s, uid_t uid, struct kt_error *reterr)
{
        unsigned n = 0;

        if (s->n_conns >= SERVER_CONNS_MAX)
                return kt_error_set(reterr, -EBUSY, KT_E_BUSY,
                                    "%u connections are open already; try again later", s->n_conns);
        kt_list_for_each (it, &s->conns)
                n += conn_peer(conn_from_link(it))->uid == uid;
        if (n >= SERVER_CONNS_PER_UID_MAX)
                return kt_error_set(reterr, -EBUSY, KT_E_BUSY, "uid %u has %u connections open already",
                                    (unsigned)uid, n);
        return 0;
}

int server_admit_bytes(struct server *s, uid_t uid, struct kt_error *reterr)
{
        size_t held = 0;

        kt_list_for_each (it, &s->conns) {
                struct conn *c = conn_from_link(it);
                held += conn_peer(c)->uid == uid ? conn_held_bytes(c) : 0;
        }
        if (held > SERVER_BYTES_PER_UID_MAX)
                return kt_error_set(reterr, -EBUSY, KT_E_BUSY,
                                    "uid %u has %zu MiB under way already, of %u that one user may have",
                                    (unsigned)uid, held >> 20, SERVER_BYTES_PER_UID_MAX >> 20);
        return 0;
}

unsigned server_jobs_running(const struct server *s)
{
        return s->jobs.n_running + (s->builds.running != NULL);
}

unsigned server_jobs_queued(const struct server *s)
{
        return s->jobs.n_queued + s->builds.n_queued;
}

/* --- the accelerator --- */

static void probe_work(void *data)
{
        struct server *s = data;

        accel_probe(s->config->qemu_path, &s->accel);
}

struct accel_waiter {
        struct kt_list link;
        void (*known)(void *userdata);
        void *userdata;
};

int server_when_accel_known(struct server *s, void (*known)(void *userdata), void *userdata)
{
        struct accel_waiter *w;

        if (s->accel_known) {
                known(userdata);
                return 0;
        }
        w = malloc(sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (struct accel_waiter){.known = known, .userdata = userdata};
        kt_list_append(&s->accel_waiters, &w->link);
        return 0;
}

static void call_waiters(struct server *s)
{
        kt_list_for_each_safe (it, &s->accel_waiters) {
                struct accel_waiter *w = kt_list_entry(it, struct accel_waiter, link);

                kt_list_remove(&w->link);
                w->known(w->userdata);
                free(w);
        }
}

static void probe_done(void *data, int status)
{
        struct server *s = data;

        s->accel_known = true;
        for (int i = 0; i < _ACCEL_MAX; i++)
                kt_log_info("accelerator %s: %s", accel_name((enum accel)i), s->accel.of[i].reason);
        jobs_pump(&s->jobs);
        call_waiters(s);
}

/* --- what systemd is told --- */

static void on_watchdog(uv_timer_t *timer)
{
        sd_notify(0, "WATCHDOG=1");
}

static void start_notifying(struct server *s)
{
        uint64_t interval_us = 0;

        sd_notifyf(0, "READY=1\nSTATUS=listening on %s", server_socket(s));
        /* Only where systemd asked: an idle daemon otherwise has no timer at all. */
        if (sd_watchdog_enabled(0, &interval_us) > 0)
                uv_timer_start(&s->notify, on_watchdog, 0, interval_us / 2000);
}

static void tell_status(struct server *s)
{
        const unsigned running = server_jobs_running(s), queued = server_jobs_queued(s);

        if (s->told_running == running && s->told_queued == queued)
                return;
        s->told_running = running;
        s->told_queued = queued;
        sd_notifyf(0, "STATUS=%s%u jobs running, %u queued",
                   s->stopping   ? "stopping, "
                   : s->draining ? "draining, "
                                 : "",
                   running, queued);
}

/* --- shutdown --- */

static void close_handle(void *handle)
{
        if (!uv_is_closing(handle))
                uv_close(handle, NULL);
}

/* The last step: nothing is left that could start something new. */
static void close_rest(struct server *s)
{
        close_handle(&s->sigterm);
        close_handle(&s->sigint);
        close_handle(&s->idle);
        close_handle(&s->notify);
        close_handle(&s->turn);
        close_handle(&s->builds.look);
        pressure_stop(TAKE_PTR(s->pressure));
        /* Stopping one comes back here for the others, so that no place in the list can be kept. */
        while (!kt_list_empty(&s->conns))
                conn_stop(conn_from_link(s->conns.next));
}

void server_stop(struct server *s)
{
        if (s->stopping)
                return;
        s->stopping = true;
        sd_notify(0, "STOPPING=1\nSTATUS=ending jobs");
        kt_log_info("stopping");
        listener_stop(TAKE_PTR(s->listener));
        jobs_cancel_all(&s->jobs);
        pool_stop(s->pool);
        release_fetch_stop(s->releases);
        server_changed(s);
}

void server_drain(struct server *s)
{
        if (s->draining || s->stopping)
                return;
        s->draining = true;
        kt_log_info("draining: %u jobs to go", server_jobs_running(s) + server_jobs_queued(s));
        server_changed(s);
}

static void on_idle(uv_timer_t *timer)
{
        struct server *s = timer->data;

        /* Timers come before connections: where the host did not let us run, somebody may have come since.
         */
        if (!s->stopping && listener_is_asked(s->listener)) {
                uv_timer_start(&s->idle, on_idle, s->config->idle_exit_ms, 0);
                return;
        }
        kt_log_info("idle for %llu ms, leaving", (unsigned long long)s->config->idle_exit_ms);
        server_stop(s);
}

/* Host CPUs that the guests of jobs keep busy: of one whose vCPUs share a thread it is one. */
static unsigned cpus_busy(const struct server *s)
{
        return s->accel.chosen == ACCEL_TCG && s->accel.tcg_one_thread ? s->jobs.n_running
                                                                       : s->jobs.cpus_running;
}

void server_changed(struct server *s)
{
        bool busy = s->jobs.n_alive > 0;

        tell_status(s);
        if (s->stopping) {
                if (!busy && s->n_runs == 0 && s->builds.n_left == 0 && s->pool_empty)
                        close_rest(s);
                return;
        }
        /* Connections come and go too, which is nothing to the pool. */
        if (!s->draining && s->pumped_cpus != cpus_busy(s)) {
                s->pumped_cpus = cpus_busy(s);
                pool_pump(s->pool, s->pumped_cpus);
        }
        if (!s->draining)
                pool_quiet(s->pool, s->jobs.alone_runs);
        if (s->draining && !busy) {
                server_stop(s);
                return;
        }
        if (!s->config->private_mode || uv_is_closing((uv_handle_t *)&s->idle))
                return;
        if (busy || s->n_conns > 0)
                uv_timer_stop(&s->idle);
        else if (!uv_is_active((uv_handle_t *)&s->idle))
                uv_timer_start(&s->idle, on_idle, s->config->idle_exit_ms, 0);
}

static void on_signal(uv_signal_t *handle, int signum)
{
        struct server *s = handle->data;

        kt_log_info("got %s", strsignal(signum));
        server_stop(s);
}

/* --- the pool --- */

static void on_pool_empty(void *userdata)
{
        struct server *s = userdata;

        s->pool_empty = true;
        server_changed(s);
}

static void on_pressure(void *userdata)
{
        struct server *s = userdata;

        if (!s->stopping)
                pool_shrink(s->pool);
}

/* Without it guests go when the kernel takes them: they are the first that it kills. */
static int watch_pressure(struct server *s)
{
        _cleanup_free_ char *why = NULL;
        int r;

        if (!s->templates)
                return 0;
        r = pressure_watch(&s->loop, on_pressure, s, &s->pressure, &why);
        if (why)
                kt_log_info("memory pressure is not watched: %s", why);
        return r;
}

static int open_pool(struct server *s, struct kt_error *reterr)
{
        const struct config *c = s->config;
        struct pool_params params;
        int r = c->templates ? template_store_new(c->template_dir, &s->templates, reterr) : 0;

        if (r < 0)
                return r;
        params = (struct pool_params){
                .loop = &s->loop,
                .store = s->templates,
                .kcache = s->kcache,
                .metrics = &s->metrics,
                .qemu_path = c->qemu_path,
                .exec_helper = c->exec_helper,
                .run_dir = c->run_dir,
                .host_cpus = host_cpus(),
                .idle = c->idle_guests,
                .max = c->pool_max,
                .memory_bytes = c->pool_memory,
                .half_life_ms = c->pool_keep_ms,
                .rehearsals = c->rehearse ? 1 : 0,
                .on_empty = on_pool_empty,
                .userdata = s,
        };
        r = pool_new(&params, &s->pool, reterr);
        return r < 0 ? r : watch_pressure(s);
}

/* --- start --- */

/* Thousands of connections, each guest a handful more: take what we may. */
static void raise_descriptor_limit(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
}

static int make_state_dir(const struct config *c, struct kt_error *reterr)
{
        int r = kt_mkdir_p(AT_FDCWD, c->state_dir, 0755);

        return r < 0 ? kt_error_set(reterr, r, KT_E_IO, "cannot make %s: %s", c->state_dir, strerror(-r))
                     : 0;
}

static int open_kernels(struct server *s, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *net = build_net(s->config);
        struct release_fetch_params params = {.loop = &s->loop,
                                              .builder = s->config->builder_path,
                                              .exec_helper = s->config->exec_helper,
                                              .net = net};
        int r = kcache_open(s->config->cache_dir, &s->kcache, reterr);

        if (r < 0)
                return r;
        kcache_set_max(s->kcache, s->config->cache_max);
        r = userland_find(s->config, &s->userland, reterr);
        if (r < 0)
                return r;
        params.root = kcache_root(s->kcache);
        params.becomes = build_identity_of_nobody("/", s->config->builder_path, &params.user);
        r = release_fetch_new(&params, &s->releases);
        return r < 0 ? kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory") : 0;
}

static int start_parts(struct server *s, struct kt_error *reterr)
{
        int r = make_state_dir(s->config, reterr);

        if (r >= 0)
                r = kt_interfaces_load(&s->interfaces, reterr);
        if (r >= 0)
                r = open_kernels(s, reterr);
        if (r >= 0)
                r = open_pool(s, reterr);
        if (r >= 0)
                r = listener_start(s, s->config->socket_path, &s->listener, reterr);
        if (r >= 0)
                r = run_dir_take(s->config->run_dir, &s->run_dir_fd, reterr);
        if (r >= 0)
                guest_sweep(s->config->run_dir);
        if (r >= 0)
                builds_take_up(s);
        return r < 0 ? r : worker_run(&s->loop, probe_work, probe_done, s);
}

int server_start(struct server *s, const struct config *config, struct kt_error *reterr)
{
        int r;

        *s = (struct server){.config = config, .run_dir_fd = -1};
        kt_list_init(&s->conns);
        kt_list_init(&s->conns_ready);
        kt_list_init(&s->accel_waiters);
        metrics_init(&s->metrics);
        jobs_init(&s->jobs, s);
        raise_descriptor_limit();
        r = uv_loop_init(&s->loop);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_INTERNAL, "cannot make a loop: %s", uv_strerror(r));
        s->start_ms = uv_now(&s->loop);
        uv_signal_init(&s->loop, &s->sigterm);
        uv_signal_init(&s->loop, &s->sigint);
        uv_timer_init(&s->loop, &s->idle);
        uv_timer_init(&s->loop, &s->notify);
        uv_timer_init(&s->loop, &s->turn);
        builds_init(s);
        s->sigterm.data = s->sigint.data = s->idle.data = s->notify.data = s->turn.data = s;

        r = start_parts(s, reterr);
        if (r < 0) {
                listener_stop(TAKE_PTR(s->listener));
                s->stopping = true;
                if (s->pool)
                        pool_stop(s->pool);
                release_fetch_stop(s->releases);
                close_rest(s);
                server_run(s);
                return r;
        }
        uv_signal_start(&s->sigterm, on_signal, SIGTERM);
        uv_signal_start(&s->sigint, on_signal, SIGINT);
        start_notifying(s);
        server_changed(s);
        kt_log_info("ktstrd %s listens on %s; kernels in %s", KT_VERSION, server_socket(s),
                    config->cache_dir);
        return 0;
}

int server_run(struct server *s)
{
        int r;

        uv_run(&s->loop, UV_RUN_DEFAULT);
        r = uv_loop_close(&s->loop);
        assert(r == 0);
        (void)r;
        run_dir_leave(s->config->run_dir, s->run_dir_fd);
        jobs_done(&s->jobs);
        builds_done(s);
        pool_free(s->pool);
        template_store_free(s->templates);
        release_fetch_free(s->releases);
        kcache_free(s->kcache);
        userland_done(&s->userland);
        kt_interfaces_free(s->interfaces);
        return s->exit_status;
}
