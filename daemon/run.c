/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "run.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/errors.h"
#include "../proto/guestmsg.h"
#include "agent_event.h"
#include "guest.h"
#include "job.h"
#include "job_confine.h"
#include "job_message.h"
#include "judge.h"
#include "kernel_boot.h"
#include "kernel_resolve.h"
#include "prepare.h"
#include "results.h"
#include "server.h"
#include "worker.h"

struct run {
        struct server *server;
        struct job
                *job; /* NULL once it has its verdict: what is left is waiting for guest and timers to go */
        struct prepared prep;
        struct guest *guest;
        enum metrics_source source; /* of the guest */
        bool in_demand;             /* pool_begin() was called */
        uv_timer_t timeout, sample;
        int n_handles; /* timers not yet closed */

        bool awake;     /* it has said HELLO */
        bool concluded; /* it has been judged; what may be left is to search the log: */
        struct expect_search search;
        char *log_path, *words;
        uint64_t start_ns; /* uv_hrtime when QEMU was started */
        struct evidence seen;
};

static uint64_t host_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* --- the end --- */

static void free_if_over(struct run *run)
{
        struct server *s = run->server;

        if (run->job || run->guest || run->n_handles > 0)
                return;
        prepared_done(&run->prep);
        evidence_done(&run->seen);
        kt_error_done(&run->search.error);
        free(run->log_path);
        free(run->words);
        free(run);
        s->n_runs--;
        server_changed(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
        struct run *run = handle->data;

        run->n_handles--;
        free_if_over(run);
}

/* The verdict is set, and nobody waits for the guest to be gone too. */
static void finish(struct run *run)
{
        struct job *job = run->job;

        if (run->in_demand)
                pool_end(run->server->pool, run->prep.shape);
        job_confine_end(job);
        run->job = NULL;
        job->run = NULL;
        uv_timer_stop(&run->timeout);
        uv_timer_stop(&run->sample);
        uv_close((uv_handle_t *)&run->timeout, on_timer_closed);
        uv_close((uv_handle_t *)&run->sample, on_timer_closed);
        job_end(job);
}

static void fail(struct run *run, const struct kt_error *err)
{
        if (run->job->cancelled)
                verdict_set(&run->job->verdict, VERDICT_CANCELLED, "cancelled");
        else
                verdict_set_error(&run->job->verdict, err);
        finish(run);
}

static void skip(struct run *run)
{
        verdict_set(&run->job->verdict, VERDICT_SKIP, "%s", run->job->skip);
        finish(run);
}

/* --- the guest --- */

static void start_guest(struct run *run);

/* One that comes of a template and does not wake is no reason for the job to fail: there are other ways. */
static bool try_another_way(struct run *run, enum guest_end end, const struct kt_error *err)
{
        static const char *const failed[] = {
                [METRICS_POOL] = "a guest of the pool", [METRICS_CLONE] = "a clone"};

        if (run->awake || run->source == METRICS_COLD || run->job->cancelled || run->seen.timed_out ||
            kt_error_isset(&run->seen.failure) || !err || strcmp(err->name, KT_E_BAD_FILE) == 0)
                return false;
        verdict_add_detail(&run->job->verdict,
                           "%s failed before it had the job, which got another guest: %s",
                           failed[run->source], kt_error_text(err));
        pool_clone_failed(run->server->pool, run->prep.shape, err);
        run->source = run->source == METRICS_POOL ? METRICS_CLONE : METRICS_COLD;
        start_guest(run);
        return true;
}

static void settle(struct run *run)
{
        judge_settle(run->job, &run->seen, &run->search);
        finish(run);
}

static void on_search(void *data)
{
        struct run *run = data;

        expect_search(&run->search);
}

static void on_searched(void *data, int status)
{
        struct run *run = data;
        kt_log_scope(job_log_context(run->job));

        if (status < 0)
                kt_error_set(&run->search.error, status, KT_E_INTERNAL,
                             "what the scheduler printed was not searched");
        settle(run);
}

/* The log of a scheduler that was to fail is searched where that does not hold up the others. false: it need
 * not be, or could not be begun, which is the search's error then. */
static bool begin_search(struct run *run)
{
        struct job *job = run->job;
        int r;

        if (!expect_wants_search(&job->spec.expect, &job->verdict))
                return false;
        run->log_path = kt_path_join(job->result_dir, SCHEDULER_LOG);
        run->words = judge_kernel_words(&job->verdict);
        run->search = (struct expect_search){
                .expect = &job->spec.expect, .log_path = run->log_path, .words = run->words};
        r = run->log_path && run->words ? worker_run(&run->server->loop, on_search, on_searched, run)
                                        : -ENOMEM;
        if (r < 0)
                kt_error_set(&run->search.error, r, KT_E_INTERNAL, "cannot search the log: %s",
                             strerror(-r));
        return r >= 0;
}

static void conclude(struct run *run, enum guest_end end, const struct kt_error *err, const char *console)
{
        job_say(run->job, EVENT_GUEST, "gone", "guest gone");
        run->concluded = true;
        judge(run->job, &run->seen, end, err, console);
        if (!begin_search(run))
                settle(run);
}

static void on_gone(void *userdata, enum guest_end end, const struct kt_error *err)
{
        struct run *run = userdata;
        _cleanup_free_ char *tail = guest_console_tail(run->guest, 15);

        metrics_guest_failed(&run->server->metrics, end);
        run->guest = NULL;
        if (run->job && !run->concluded) {
                kt_log_scope(job_log_context(run->job));

                if (try_another_way(run, end, err))
                        return;
                conclude(run, end, err, tail);
        }
        free_if_over(run);
}

static void on_sample(uv_timer_t *timer)
{
        struct run *run = timer->data;
        uint64_t delays[TOPOLOGY_CPUS_MAX];
        unsigned n;

        if (run->guest && guest_run_delays(run->guest, delays, &n) == 0)
                delay_log_add(&run->seen.delays, host_ns(), delays, n);
}

static void on_timeout(uv_timer_t *timer)
{
        struct run *run = timer->data;
        kt_log_scope(job_log_context(run->job));

        run->seen.timed_out = true;
        if (run->guest)
                guest_stop(run->guest);
}

/* End the guest because of this; the first cause counts. */
static void give_up(struct run *run, struct kt_error *err)
{
        if (!kt_error_isset(&run->seen.failure))
                kt_error_move(&run->seen.failure, err);
        guest_stop(run->guest);
}

static void hand_over(struct run *run)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ struct guest_item *items = calloc(run->prep.n_files + 1, sizeof(*items));
        _cleanup_free_ char *json = job_message(&run->job->spec, run->job->id, run->prep.accel == ACCEL_TCG);
        int r;

        if (!items || !json) {
                kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");
                give_up(run, &err);
                return;
        }
        r = job_confine_guest(run->job, run->guest, &err);
        if (r < 0) {
                if (r != -ESRCH)
                        give_up(run, &err);
                return;
        }
        items[0] = (struct guest_item){.fd = -1, .json = json};
        for (size_t i = 0; i < run->prep.n_files; i++) {
                const struct prepared_file *f = &run->prep.files[i];
                items[i + 1] = (struct guest_item){
                        .guest_path = f->guest_path, .fd = f->fd, .size = f->size, .mode = f->mode};
        }
        if (guest_hand_out(run->guest, items, run->prep.n_files + 1, &err) < 0)
                give_up(run, &err);
}

static void on_paused(void *userdata)
{
        struct run *run = userdata;

        if (!run->job)
                return;
        kt_log_scope(job_log_context(run->job));
        hand_over(run);
}

static void say_awake(struct run *run, const struct guest_hello *hello)
{
        const struct guest_facts *g = &run->job->guest;

        if (run->source == METRICS_COLD)
                job_say(run->job, EVENT_GUEST, "running",
                        "guest up after %lld ms: Linux %s, %u CPUs (%s), %s", (long long)g->boot_ms,
                        hello->kernel, g->cpus, g->topology, g->accel);
        else
                job_say(run->job, EVENT_GUEST, "running",
                        "guest awake after %.1f ms: Linux %s, %u CPUs (%s), %s",
                        (double)guest_boot_us(run->guest) / 1000, hello->kernel, g->cpus, g->topology,
                        g->accel);
}

static void count_awake(struct run *run)
{
        struct metrics *m = &run->server->metrics;
        const struct shape *shape = run->prep.shape;

        metrics_handout(m, run->source, metrics_seconds_since(run->job->turn_ns));
        if (run->source != METRICS_POOL)
                metrics_boot(m, run->source, metrics_seconds_since(run->start_ns));
        if (run->source != METRICS_COLD)
                pool_clone_woke(run->server->pool, run->prep.shape);
        else
                kernel_boot_note(&run->server->loop, kcache_root(run->server->kcache), shape->kernel,
                                 accel_name(shape->accel), topology_cpus(&shape->topology),
                                 run->job->guest.boot_ms);
}

static void on_hello(struct run *run, const struct kt_frame *frame)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct guest_facts *g = &run->job->guest;
        struct guest_hello hello;

        if (guest_hello_parse(frame, &hello, &err) < 0) {
                give_up(run, &err);
                return;
        }
        run->awake = true;
        run->job->state = JOB_RUNNING;
        g->boot_ms = (int64_t)(guest_boot_us(run->guest) / 1000);
        free(g->qemu);
        g->qemu = strdup(guest_qemu_version(run->guest));
        count_awake(run);
        say_awake(run, &hello);
        if (guest_note(run->guest))
                verdict_add_detail(&run->job->verdict, "%s", guest_note(run->guest));
}

static void on_agent_event(struct run *run, const struct kt_frame *frame)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct guest_event e;

        if (guest_event_parse(frame, &e, &err) < 0) {
                give_up(run, &err);
                return;
        }
        agent_event(run->job, &run->seen, &e);
        if (strncmp(e.kind, "workload_", 9) == 0)
                on_sample(&run->sample);
}

static void on_output(struct run *run, const struct kt_frame *frame)
{
        static const enum event_stream streams[] = {
                [KT_OUTPUT_SCHED_STDOUT] = STREAM_SCHEDULER_STDOUT,
                [KT_OUTPUT_SCHED_STDERR] = STREAM_SCHEDULER_STDERR,
                [KT_OUTPUT_STDOUT] = STREAM_STDOUT,
                [KT_OUTPUT_STDERR] = STREAM_STDERR,
                [KT_OUTPUT_KERNEL] = STREAM_KERNEL,
        };
        const char *data = (const char *)frame->payload + 1;
        size_t size = frame->size > 0 ? frame->size - 1 : 0;
        unsigned id = frame->size > 0 ? frame->payload[0] : 0;

        if (size == 0 || id < KT_OUTPUT_SCHED_STDOUT || id > KT_OUTPUT_KERNEL)
                return;
        if (id == KT_OUTPUT_SCHED_STDOUT || id == KT_OUTPUT_SCHED_STDERR)
                evidence_add_output(&run->seen, data, size);
        results_append(run->job, streams[id], data, size);

        struct event *e = job_event_new(run->job, EVENT_LOG);
        if (!e)
                return;
        e->stream = streams[id];
        e->data = malloc(size);
        if (!e->data) {
                event_free(e);
                return;
        }
        memcpy(e->data, data, size);
        e->data_size = size;
        job_publish(run->job, e);
}

static void on_result(struct run *run, const struct kt_frame *frame)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (guest_report_parse(frame, &run->seen.report, &err) < 0) {
                give_up(run, &err);
                return;
        }
        run->seen.have_report = true;
        run->seen.result_ns = uv_hrtime();
        on_sample(&run->sample);
        guest_stop(run->guest);
        conclude(run, GUEST_END_STOPPED, NULL, NULL);
}

static void on_frame(void *userdata, const struct kt_frame *frame)
{
        struct run *run = userdata;
        kt_log_scope(job_log_context(run->job));

        switch (frame->type) {
        case KT_FRAME_HELLO:
                on_hello(run, frame);
                break;
        case KT_FRAME_EVENT:
                on_agent_event(run, frame);
                break;
        case KT_FRAME_OUTPUT:
                on_output(run, frame);
                break;
        case KT_FRAME_RESULT:
                on_result(run, frame);
                break;
        default:
                break;
        }
}

static const struct guest_ops guest_ops = {.on_paused = on_paused, .on_frame = on_frame, .on_gone = on_gone};

/* --- the beginning --- */

static void note_guest(struct run *run)
{
        const struct shape *shape = run->prep.shape;
        struct guest_facts *g = &run->job->guest;
        _cleanup_free_ char *note = kernel_resolve_note(run->job->spec.kernel, shape->kernel);

        if (note)
                verdict_add_detail(&run->job->verdict, "%s", note);
        g->accel = accel_name(shape->accel);
        g->accel_reason = strdup(run->server->accel.of[shape->accel].reason);
        g->kernel = strdup(shape->kernel->key);
        g->release = strdup(shape->kernel->release);
        if (run->prep.sched_sha256[0])
                run->job->sched_sha256 = strdup(run->prep.sched_sha256);
}

static void say_source(struct run *run)
{
        static const char *const names[] = {
                [METRICS_COLD] = "cold", [METRICS_CLONE] = "clone", [METRICS_POOL] = "pool"};
        static const char *const verbs[] = {[METRICS_COLD] = "booting",
                                            [METRICS_CLONE] = "cloning a guest of",
                                            [METRICS_POOL] = "taking a ready guest of"};
        struct guest_facts *g = &run->job->guest;

        g->source = names[run->source];
        job_say(run->job, EVENT_GUEST, "booting", "%s %s on %s under %s", verbs[run->source], g->kernel,
                g->topology, g->accel);
}

static int start_qemu(struct run *run, struct kt_error *reterr)
{
        const struct config *c = run->server->config;
        const struct template *t = run->source == METRICS_CLONE ? run->prep.template : NULL;
        _cleanup_free_ char *console = kt_path_join(run->job->result_dir, "console.log");
        const struct guest_params params = {
                .shape = run->prep.shape,
                .origin = t ? (struct guest_origin){t->memory_fds, t->state_fd, t->mailbox_error}
                            : GUEST_ORIGIN_BOOT,
                .qemu_path = c->qemu_path,
                .exec_helper = c->exec_helper,
                .run_dir = c->run_dir,
                .id = run->job->id,
                .console_path = console,
        };

        run->start_ns = uv_hrtime();
        say_source(run);
        return guest_start(&run->server->loop, &params, &guest_ops, run, &run->guest, reterr);
}

static bool take_from_pool(struct run *run)
{
        _cleanup_free_ char *console = kt_path_join(run->job->result_dir, "console.log");

        run->guest = pool_take(run->server->pool, run->prep.shape, &guest_ops, run, console);
        if (!run->guest)
                return false;
        say_source(run);
        hand_over(run);
        return true;
}

/* The fastest way that there is, from run->source on. */
static void start_guest(struct run *run)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (run->source == METRICS_POOL) {
                if (take_from_pool(run))
                        return;
                run->source = METRICS_CLONE;
        }
        if (run->source == METRICS_CLONE && !run->prep.template)
                run->source = METRICS_COLD;
        if (start_qemu(run, &err) < 0)
                fail(run, &err);
}

static void on_prepared(void *data, int status)
{
        struct run *run = data;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        kt_log_scope(job_log_context(run->job));

        if (run->job->cancelled || status < 0)
                verdict_set(&run->job->verdict, VERDICT_CANCELLED, "cancelled"), finish(run);
        else if (run->prep.result < 0)
                fail(run, &run->prep.error);
        else if (run->seen.timed_out) {
                kt_error_set(&err, -ETIMEDOUT, KT_E_TIMEOUT,
                             "preparing the job alone took more than %llu ms",
                             (unsigned long long)run->job->spec.timeout_ms);
                fail(run, &err);
        } else {
                note_guest(run);
                pool_begin(run->server->pool, run->prep.shape, run->prep.template);
                run->in_demand = true;
                start_guest(run);
        }
}

static void on_prepare(void *data)
{
        struct run *run = data;
        kt_log_scope(job_log_context(run->job));

        prepare_work(&run->prep);
}

static int start(struct run *run, struct kt_error *reterr)
{
        int r = accel_pick(&run->server->accel, run->job->spec.accel, &run->prep.accel, reterr);

        if (r >= 0)
                r = results_open(run->job, reterr);
        if (r >= 0)
                r = job_confine_begin(run->job, reterr);
        if (r < 0 || run->job->skip)
                return r;
        r = worker_run(&run->server->loop, on_prepare, on_prepared, run);
        return r < 0 ? kt_error_set(reterr, r, KT_E_INTERNAL, "cannot start work: %s", strerror(-r)) : 0;
}

void run_start(struct job *job)
{
        struct run *run = calloc(1, sizeof(*run));
        struct server *s = job->server;
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        if (!run) {
                verdict_set(&job->verdict, VERDICT_ERROR, "out of memory");
                job_end(job);
                return;
        }
        run->server = s;
        run->job = job;
        run->source = METRICS_POOL;
        job->run = run;
        s->n_runs++;
        run->prep = (struct prepared){.kcache = s->kcache,
                                      .config = s->config,
                                      .userland = &s->userland,
                                      .store = s->templates,
                                      .spec = &job->spec,
                                      .report = s->accel,
                                      .lease_fd = -1};
        uv_timer_init(&s->loop, &run->timeout);
        uv_timer_init(&s->loop, &run->sample);
        run->timeout.data = run->sample.data = run;
        run->n_handles = 2;
        uv_timer_start(&run->timeout, on_timeout, job->spec.timeout_ms, 0);
        uv_timer_start(&run->sample, on_sample, DELAY_LOG_INTERVAL_NS / 1000000,
                       DELAY_LOG_INTERVAL_NS / 1000000);
        if (start(run, &err) < 0)
                fail(run, &err);
        else if (job->skip)
                skip(run);
}

void run_cancel(struct run *run)
{
        if (run->guest)
                guest_stop(run->guest);
}
