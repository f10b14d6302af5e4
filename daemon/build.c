/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/buildmsg.h"
#include "../proto/errors.h"
#include "build_internal.h"
#include "host.h"
#include "results.h"
#include "server.h"
#include "worker.h"

/* From SIGTERM, or its last word, to SIGKILL. The helper ends its children in that time. */
#define KILL_AFTER_MS 5000
/* Compilers take gigabytes, and are rather to be killed than guests. */
#define HELPER_OOM_SCORE 600
#define HELPER_NICE 19U
/* For what an earlier helper has left: it was killed with its daemon, but it, too, runs only when nothing
 * else would, and on a busy machine it can be a while until it has the CPU that it takes to end. */
#define REMAINS_PATIENCE_MS 120000

void build_facts_done(struct build_facts *facts)
{
        free(facts->source);
        free(facts->version);
        free(facts->key);
        free(facts->tree);
        free(facts->why);
        *facts = (struct build_facts){};
}

/* --- folders that go --- */

struct sweep {
        struct server *server;
        struct build_dir dir;
};

static void sweep_work(void *data)
{
        struct sweep *s = data;

        build_dir_remove(&s->dir);
}

static void sweep_done(void *data, int status)
{
        struct sweep *s = data;
        struct server *server = s->server;

        build_dir_done(&s->dir);
        free(s);
        server->builds.n_left--;
        server_changed(server);
}

void build_sweep(struct server *server, struct build_dir *dir)
{
        struct sweep *s = calloc(1, sizeof(*s));

        if (!s) {
                /* The next daemon finds it. */
                build_dir_done(dir);
                return;
        }
        *s = (struct sweep){.server = server, .dir = *dir};
        *dir = BUILD_DIR_INIT;
        server->builds.n_left++;
        if (worker_run(&server->loop, sweep_work, sweep_done, s) < 0)
                sweep_done(s, 0);
}

/* --- the end --- */

static void on_timer_closed(uv_handle_t *handle)
{
        struct build *b = handle->data;
        struct server *s = b->server;

        build_identity_done(&b->identity);
        build_scope_done(&b->scope);
        build_plan_done(&b->plan);
        build_result_done(&b->result);
        build_failure_done(&b->failure);
        build_dir_done(&b->dir);
        kt_error_done(&b->error);
        kt_error_done(&b->work_error);
        free(b->request);
        free(b->key);
        free(b);
        s->builds.n_left--;
        server_changed(s);
}

/* A compiler's error is the source's, all else the harness's. */
static void judge_failure(struct build *b)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct verdict *v = &b->job->verdict;

        if (strcmp(b->failure.name, KT_E_BUILD) == 0)
                verdict_set(v, VERDICT_FAIL, "%s", b->failure.message);
        else {
                kt_error_set(&err, -EIO, b->failure.name, "%s", b->failure.message);
                verdict_set_error(v, &err);
        }
        for (size_t i = 0; i < b->failure.n_details; i++)
                verdict_add_detail(v, "%s", b->failure.details[i]);
}

static void judge_uncached(struct build *b)
{
        const struct build_facts *f = facts_of(b);
        const char *why = f->why ? f->why : "it does not say why";

        if (f->tree)
                verdict_set(&b->job->verdict, VERDICT_PASS, "built, not cached: %s; use --kernel %s", why,
                            f->tree);
        else
                verdict_set(&b->job->verdict, VERDICT_PASS, "built, not cached: %s", why);
}

static void judge(struct build *b)
{
        struct verdict *v = &b->job->verdict;

        if (b->interrupted)
                verdict_set(
                        v, VERDICT_CANCELLED,
                        "interrupted: ktstrd stops; the build is taken up again when it starts: ktstrctl "
                        "attach %s",
                        b->job->id);
        else if (b->job->cancelled && b->stored)
                verdict_set(v, VERDICT_CANCELLED, "cancelled when %s was stored already", b->key);
        else if (b->job->cancelled)
                verdict_set(v, VERDICT_CANCELLED, "cancelled");
        else if (kt_error_isset(&b->error))
                verdict_set_error(v, &b->error);
        else if (b->have_failure)
                judge_failure(b);
        else if (b->found)
                verdict_set(v, VERDICT_PASS, "already cached: %s", b->key);
        else if (b->stored)
                verdict_set(v, VERDICT_PASS, "built: %s", b->key);
        else
                judge_uncached(b);
}

/* Nothing is under way any more. */
static void conclude(struct build *b)
{
        struct job *job = b->job;

        assert(!b->process && !b->working);
        kt_closep(&b->key_lock);
        kt_closep(&b->helper_lock);
        b->key_lock = b->helper_lock = -1;
        build_end_stage(b);
        judge(b);
        /* Before anybody knows: a daemon that is killed now is not to build it again. */
        if (!b->interrupted) {
                build_dir_forget(&b->dir);
                build_sweep(b->server, &b->dir);
        } else
                build_dir_done(&b->dir);
        b->job = NULL;
        job->build = NULL;
        job->unsettled = b->interrupted;
        uv_timer_stop(&b->timer);
        uv_close((uv_handle_t *)&b->timer, on_timer_closed);
        job_end(job);
}

static void on_kill_time(uv_timer_t *timer)
{
        struct build *b = timer->data;

        if (b->process)
                process_kill_group(b->process, SIGKILL);
}

static void empty_scope_work(void *data)
{
        struct build *b = data;

        build_scope_kill(&b->scope);
}

static void on_scope_emptied(void *data, int status);

/* A helper that was killed had no time to end what it had started, and a makefile may have started what left
 * the helper's session to outlive it: as a user who builds other people's kernels. False: nothing to do. */
static bool empty_scope(struct build *b)
{
        if (!b->scope.prefix || b->scope_emptied)
                return false;
        b->scope_emptied = true;
        b->working = worker_run(&b->server->loop, empty_scope_work, on_scope_emptied, b) >= 0;
        return b->working;
}

static void on_silence(uv_timer_t *timer)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct build *b = timer->data;
        kt_log_scope(job_log_context(b->job));

        kt_error_set(&err, -ETIMEDOUT, KT_E_TIMEOUT,
                     "nothing was heard of the build for %llu s, so it was ended (BuildSilenceSec= in "
                     "ktstrd.conf); build.log has its last words",
                     (unsigned long long)b->server->config->build_silence_ms / 1000);
        build_fail(b, &err);
}

void build_hear(struct build *b)
{
        const bool its_turn = b->phase == PHASE_PLANNING || b->phase == PHASE_BUILDING;

        /* Once it is to end the timer is for that. */
        if (b->process && its_turn && !atomic_load(&b->ending) && !b->have_result && !b->have_failure &&
            !b->found)
                uv_timer_start(&b->timer, on_silence, b->server->config->build_silence_ms, 0);
}

void build_expect_exit(struct build *b)
{
        uv_timer_start(&b->timer, on_kill_time, KILL_AFTER_MS, 0);
}

void build_end(struct build *b)
{
        atomic_store(&b->ending, true);
        if (b->process && !b->terminated) {
                b->terminated = true;
                process_kill_group(b->process, SIGTERM);
                build_expect_exit(b);
        } else if (!b->process && !b->working && !empty_scope(b))
                conclude(b);
}

void build_fail(struct build *b, struct kt_error *err)
{
        if (!kt_error_isset(&b->error))
                kt_error_move(&b->error, err);
        build_end(b);
}

void build_start_work(struct build *b, void (*work)(void *data), void (*done)(void *data, int status))
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r;

        b->working = true;
        r = worker_run(&b->server->loop, work, done, b);
        if (r >= 0)
                return;
        b->working = false;
        kt_error_set(&err, r, KT_E_INTERNAL, "cannot start work: %s", strerror(-r));
        build_fail(b, &err);
}

bool build_work_is_done(struct build *b)
{
        b->working = false;
        if (kt_error_isset(&b->work_error))
                build_fail(b, &b->work_error);
        else if (atomic_load(&b->ending))
                build_end(b);
        else
                return true;
        return false;
}

static void on_scope_emptied(void *data, int status)
{
        struct build *b = data;
        kt_log_scope(job_log_context(b->job));

        if (build_work_is_done(b))
                build_end(b);
}

/* --- storing --- */

static int open_built(const struct build *b, const struct kernel_caller *caller,
                      struct kernel_build_result *built, struct kt_error *reterr)
{
        built->tree.fd = kernel_open(caller, AT_FDCWD, b->result.tree, reterr);
        if (built->tree.fd >= 0 && b->result.config)
                built->config.fd = kernel_open(caller, AT_FDCWD, b->result.config, reterr);
        return built->tree.fd < 0                         ? built->tree.fd
               : b->result.config && built->config.fd < 0 ? built->config.fd
                                                          : 0;
}

static void store_work(void *data)
{
        struct build *b = data;
        const struct build_spec *spec = spec_of(b);
        const struct kernel_caller theirs = {b->identity.user.uid, b->identity.user.gid};
        char kconfig[KCONFIG_HASH_SIZE], extra[KCONFIG_HASH_SIZE];
        struct kernel_build_result built = {
                .tree = {.name = b->result.tree, .path = b->result.tree, .fd = -1},
                .config = {.name = b->result.config, .path = b->result.config, .fd = -1},
                .caller = b->identity.becomes ? &theirs : NULL,
                .key = b->key,
                .name = b->plan.name,
                .source = b->plan.source,
                .profile = kconfig_profile_name(spec->profile),
                .kconfig_hash = kconfig,
                .config_hash = b->result.config_hash,
                .git_url = b->plan.url,
                .git_ref = b->plan.ref,
                .git_hash = b->plan.git_hash,
                .tree_path = b->plan.tree_path,
                .source_sha256 = b->plan.source_sha256,
        };
        struct kernel *kernel = NULL;
        int r;
        kt_log_scope(job_log_context(b->job));

        /* What is left of the helper could still write to what is stored. */
        if (b->scope.prefix)
                build_scope_kill(&b->scope);
        b->scope_emptied = true;
        kconfig_hash(spec->profile, kconfig);
        if (spec->extra_kconfig) {
                kconfig_hash_text(spec->extra_kconfig, strlen(spec->extra_kconfig), extra);
                built.extra_kconfig_hash = extra;
        }
        r = open_built(b, built.caller, &built, &b->work_error);
        if (r >= 0)
                r = kernel_store_built(b->server->kcache, &built, &kernel, &b->work_error);
        b->work_stored = r >= 0;
        /* Of a tree much may have been there already, as of a build that was gone on with. */
        if (b->work_stored && spec->source != BUILD_TREE && !b->went_on && b->result.objects <= UINT_MAX)
                build_objects_note(b->server->config->cache_dir, spec->profile,
                                   (unsigned)(b->result.objects > 0 ? b->result.objects : 0));
        kernel_free(kernel);
        kt_closep(&built.tree.fd);
        kt_closep(&built.config.fd);
}

static void on_stored(void *data, int status)
{
        struct build *b = data;
        kt_log_scope(job_log_context(b->job));

        b->stored = facts_of(b)->cached = b->work_stored;
        /* Of one that was replaced, or had to make room, nobody asks for guests any more. */
        pool_drop_removed(b->server->pool);
        if (build_work_is_done(b))
                build_end(b);
}

/* --- the helper's life --- */

void build_tell_helper(struct build *b, const char *word)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = process_write(b->process, word);

        /* One that has ended is told of as soon as its last words are read, and how it ended. */
        if (r < 0 && r != -EPIPE) {
                kt_error_set(&err, r, KT_E_INTERNAL, "cannot talk to " BUILD_PROGRAM ": %s", strerror(-r));
                build_fail(b, &err);
        }
}

static void start_helper(struct build *b);

/* It said nothing, so it was not it that failed. */
static bool try_without_scope(struct build *b, const struct process_exit *how)
{
        _cleanup_free_ char *text = NULL;

        if (!b->scope.prefix || b->spoke || atomic_load(&b->ending))
                return false;
        text = kt_format("niced and SCHED_IDLE: systemd-run gives no scope: %.*s",
                         (int)strcspn(how->text, "\n"), *how->text ? how->text : "it does not say why");
        build_scope_done(&b->scope);
        build_tell(b, EVENT_NOTE, text ? text : "niced and SCHED_IDLE");
        start_helper(b);
        return true;
}

static void died(struct build *b, const struct process_exit *how)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const char *end_of = how->text + strlen(how->text), *last;

        /* Its last line tells most. */
        while (end_of > how->text && end_of[-1] == '\n')
                end_of--;
        for (last = end_of; last > how->text && last[-1] != '\n';)
                last--;
        if (how->signal)
                kt_error_set(&err, -EIO, KT_E_INTERNAL, BUILD_PROGRAM " was killed by signal %d (%s)",
                             how->signal, strsignal(how->signal));
        else
                kt_error_set(&err, -EIO, KT_E_INTERNAL, BUILD_PROGRAM " ended with status %d and no result",
                             how->status);
        if (end_of > last)
                kt_error_set(&err, -EIO, KT_E_INTERNAL, "%s: %.*s", kt_error_text(&err),
                             (int)(end_of - last), last);
        build_fail(b, &err);
}

static void on_helper_exit(void *userdata, const struct process_exit *how)
{
        struct build *b = userdata;
        kt_log_scope(job_log_context(b->job));

        b->process = NULL;
        uv_timer_stop(&b->timer);
        if (try_without_scope(b, how))
                return;
        if (atomic_load(&b->ending) || b->have_failure || b->found)
                build_end(b);
        else if (!b->have_result || how->signal || how->status != 0)
                died(b, how);
        else if (!b->plan.cacheable || !b->result.cacheable)
                build_end(b);
        else {
                b->phase = PHASE_STORING;
                build_begin_stage(b, BUILD_STAGE_STORE, b->key);
                build_start_work(b, store_work, on_stored);
        }
}

static void start_helper(struct build *b)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const struct config *c = b->server->config;
        char *argv[] = {c->builder_path, (char *)"build", b->request, NULL};
        const struct process_params params = {
                .exec_helper = c->exec_helper,
                .argv = argv,
                .prefix = b->scope.prefix,
                .user = b->identity.becomes ? &b->identity.user : NULL,
                .on_line = build_on_line,
                .line_max = BUILD_LINE_MAX,
                .has_stdin = true,
                .whole_group = true,
                .fds = &b->helper_lock,
                .n_fds = 1,
                .oom_score_adj = HELPER_OOM_SCORE,
                .nice = b->scope.prefix ? 0 : HELPER_NICE,
                .idle = !b->scope.prefix,
        };

        b->phase = PHASE_PLANNING;
        if (process_start(&b->server->loop, &params, on_helper_exit, b, &b->process, &err) < 0)
                build_fail(b, &err);
        else
                build_hear(b);
}

static void on_prepared(void *data, int status)
{
        struct build *b = data;
        _cleanup_free_ char *text = NULL;
        kt_log_scope(job_log_context(b->job));

        if (!build_work_is_done(b))
                return;
        if (b->identity.note)
                build_tell(b, EVENT_NOTE, b->identity.note);
        if (b->scope.why) {
                text = kt_format("niced and SCHED_IDLE: %s", b->scope.why);
                build_tell(b, EVENT_NOTE, text ? text : "niced and SCHED_IDLE");
        }
        start_helper(b);
}

static int find_identity(struct build *b)
{
        int (*find)(const char *folder, const char *program, uid_t uid, gid_t gid,
                    struct build_identity *ret, struct kt_error *reterr) =
                spec_of(b)->source == BUILD_TREE ? build_identity_of_owner : build_identity_find;

        return find(b->dir.path, b->server->config->builder_path, b->owner.uid, b->owner.gid, &b->identity,
                    &b->work_error);
}

static void prepare_work(void *data)
{
        struct build *b = data;
        const struct config *c = b->server->config;
        const struct build_spec *spec = spec_of(b);
        int r;
        kt_log_scope(job_log_context(b->job));

        b->went_on = build_dir_has_compiled(&b->dir);
        r = build_dir_lock_helper(&b->dir, REMAINS_PATIENCE_MS, &b->ending, &b->helper_lock, &b->work_error);
        if (r >= 0)
                r = find_identity(b);
        if (r >= 0)
                r = build_dir_prepare(&b->dir, c, spec, &b->owner, &b->identity,
                                      build_scope_jobs(c->build_cpu_quota, host_cpus()), &b->request,
                                      &b->work_error);
        if (r >= 0 &&
            build_scope_find(b->job->id, c->private_mode, c->build_cpu_quota, host_cpus(), &b->scope) < 0)
                kt_error_set(&b->work_error, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* --- from outside --- */

int build_new(struct job *job, struct build_dir *dir, struct kt_error *reterr)
{
        struct build *b = calloc(1, sizeof(*b));
        struct build_facts *f = &job->build_facts;

        f->objects = -1;
        for (int i = 0; i < _BUILD_STAGE_MAX; i++)
                f->stage_ms[i] = -1;
        f->profile = kconfig_profile_name(job->spec.build->profile);
        f->source = build_spec_text(job->spec.build);
        if (!b || !f->source) {
                free(b);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        b->server = job->server;
        b->job = job;
        b->owner = (struct build_owner){job->spec.uid, job->spec.gid, job->submitted_us};
        b->dir = *dir;
        *dir = BUILD_DIR_INIT;
        b->helper_lock = b->key_lock = -1;
        uv_timer_init(&b->server->loop, &b->timer);
        b->timer.data = b;
        b->server->builds.n_left++;
        job->build = b;
        return 0;
}

void build_start(struct build *b)
{
        b->phase = PHASE_PREPARING;
        if (results_open_again(b->job, &b->error) < 0)
                build_end(b);
        else
                build_start_work(b, prepare_work, on_prepared);
}

void build_lose(struct build *b, const struct kt_error *err)
{
        kt_error_set(&b->error, err->num, err->name, "%s", kt_error_text(err));
        (void)results_open_again(b->job, NULL);
        build_end(b);
}

void build_cancel(struct build *b)
{
        build_end(b);
}

/* What is nearly there is stored: that takes a moment, and all the rest would be gone for nothing. */
void build_interrupt(struct build *b)
{
        if (b->phase == PHASE_STORING || b->job->cancelled)
                return;
        b->interrupted = true;
        build_end(b);
}
