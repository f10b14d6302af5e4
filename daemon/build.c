/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build.h"

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
#include "build_scope.h"
#include "host.h"
#include "kernel_key.h"
#include "results.h"
#include "server.h"
#include "worker.h"

/* From SIGTERM, or its last word, to SIGKILL. The helper ends its children in that time. */
#define KILL_AFTER_MS 5000
#define LOCK_POLL_MS 500
/* Compilers take gigabytes, and are rather to be killed than guests. */
#define HELPER_OOM_SCORE 600
#define HELPER_NICE 19U
/* Of a helper that prints without end. */
#define OUTPUT_MAX (1024ULL * 1024U * 1024U)
/* Stages, notes and warnings that are kept as events; all of them are in the log. */
#define MESSAGES_MAX 1000U
/* Of progress no more than the helper may tell. */
#define PROGRESS_INTERVAL_MS 90U

enum phase {
        PHASE_WAITING,   /* in the queue */
        PHASE_PREPARING, /* worker */
        PHASE_PLANNING,  /* the helper, until it says what it will build */
        PHASE_LOOKING,   /* worker: is it cached, is the key free? */
        PHASE_LOCKED,    /* another daemon has the key: looks again when the timer says so */
        PHASE_BUILDING,  /* the helper, until it has ended */
        PHASE_STORING,   /* worker */
};

struct build {
        struct server *server;
        struct job *job; /* NULL once it has its verdict: what is left is a timer that closes */
        struct build_owner owner;
        struct build_dir dir;
        enum phase phase;
        atomic_bool ending;    /* whatever is under way has to end; the worker reads it too */
        bool interrupted;      /* the folder stays */
        struct kt_error error; /* why it ends; the first counts */
        uv_timer_t timer;

        bool working; /* a worker has all that it reads, and these: */
        struct kt_error work_error;
        bool work_found, work_stored;

        /* the helper */
        struct build_identity identity;
        struct build_scope scope;
        bool scope_emptied; /* nothing of the helper runs in it any more */
        bool went_on;       /* an earlier daemon's had begun to compile */
        char *request;      /* its path */
        int helper_lock;    /* until it has it; -1 */
        struct process *process;
        bool spoke, terminated;
        uint64_t output_bytes;

        struct build_plan plan;
        struct build_result result;
        struct build_failure failure;
        bool have_plan, have_result, have_failure;

        char *key;    /* NULL: not known, or not cacheable */
        int key_lock; /* -1: not had */
        bool found, told_locked, stored;

        enum build_stage stage;
        bool in_stage;
        uint64_t stage_ms;    /* uv_now when it began */
        uint64_t progress_ms; /* when it was told last; 0: not of this stage */
        bool progress_full;   /* it was all */
        unsigned n_messages;
};

void build_facts_done(struct build_facts *facts)
{
        free(facts->source);
        free(facts->version);
        free(facts->key);
        free(facts->tree);
        free(facts->why);
        *facts = (struct build_facts){};
}

static const struct build_spec *spec_of(const struct build *b)
{
        return b->job->spec.build;
}

static struct build_facts *facts_of(struct build *b)
{
        return &b->job->build_facts;
}

static uint64_t now_ms(struct build *b)
{
        uv_update_time(&b->server->loop);
        return uv_now(&b->server->loop);
}

/* What memory is too short for is not told. */
static void set_text(char **to, const char *text)
{
        char *copy = text ? strdup(text) : NULL;

        if (!copy)
                return;
        free(*to);
        *to = copy;
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

static void end_stage(struct build *b)
{
        struct event *e;

        if (!b->in_stage)
                return;
        b->in_stage = false;
        facts_of(b)->stage_ms[b->stage] += (int64_t)(now_ms(b) - b->stage_ms);
        if (b->n_messages > MESSAGES_MAX)
                return;
        e = job_event_new(b->job, EVENT_STEP);
        if (!e)
                return;
        e->state = "end";
        e->step = build_stage_name(b->stage);
        job_publish(b->job, e);
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
        end_stage(b);
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

/* It has been told to go, or has said its last word. */
static void expect_exit(struct build *b)
{
        uv_timer_start(&b->timer, on_kill_time, KILL_AFTER_MS, 0);
}

/* Come to an end as soon as what is under way has. */
static void end(struct build *b)
{
        atomic_store(&b->ending, true);
        if (b->process && !b->terminated) {
                b->terminated = true;
                process_kill_group(b->process, SIGTERM);
                expect_exit(b);
        } else if (!b->process && !b->working && !empty_scope(b))
                conclude(b);
}

/* Takes what err holds. */
static void fail(struct build *b, struct kt_error *err)
{
        if (!kt_error_isset(&b->error))
                kt_error_move(&b->error, err);
        end(b);
}

static void start_work(struct build *b, void (*work)(void *data), void (*done)(void *data, int status))
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r;

        b->working = true;
        r = worker_run(&b->server->loop, work, done, b);
        if (r >= 0)
                return;
        b->working = false;
        kt_error_set(&err, r, KT_E_INTERNAL, "cannot start work: %s", strerror(-r));
        fail(b, &err);
}

/* What every done callback begins with. False: it came to its end. */
static bool work_is_done(struct build *b)
{
        b->working = false;
        if (kt_error_isset(&b->work_error))
                fail(b, &b->work_error);
        else if (atomic_load(&b->ending))
                end(b);
        else
                return true;
        return false;
}

static void on_scope_emptied(void *data, int status)
{
        struct build *b = data;
        kt_log_scope(job_log_context(b->job));

        if (work_is_done(b))
                end(b);
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
        if (work_is_done(b))
                end(b);
}

/* --- events --- */

/* May one more be told? It says so when that is over. */
static bool count_message(struct build *b)
{
        if (b->n_messages > MESSAGES_MAX)
                return false;
        if (b->n_messages++ < MESSAGES_MAX)
                return true;
        job_say(b->job, EVENT_NOTE, NULL, "further stages, notes and warnings are only in build.log");
        return false;
}

static void tell(struct build *b, enum event_kind kind, const char *text)
{
        if (count_message(b))
                job_say(b->job, kind, NULL, "%s", text);
}

static void begin_stage(struct build *b, enum build_stage stage, const char *text)
{
        struct event *e;

        if (b->in_stage && b->stage != stage)
                end_stage(b);
        if (!b->in_stage) {
                b->in_stage = true;
                b->stage = stage;
                b->stage_ms = now_ms(b);
                if (facts_of(b)->stage_ms[stage] < 0)
                        facts_of(b)->stage_ms[stage] = 0;
                if (stage == BUILD_STAGE_COMPILE)
                        build_dir_note_compiling(&b->dir);
        }
        if (!count_message(b))
                return;
        b->progress_ms = 0; /* its first one is told at once */
        e = job_event_new(b->job, EVENT_STEP);
        if (!e)
                return;
        e->state = "begin";
        e->step = build_stage_name(stage);
        e->message = text ? strdup(text) : NULL;
        job_publish(b->job, e);
}

static void show_progress(struct build *b, struct build_answer *a)
{
        const int64_t done = a->progress.done, total = a->progress.total;
        const uint64_t now = now_ms(b);
        struct event *e;

        /* The last one is told at once, but not as often as it likes. */
        if (b->progress_ms && now - b->progress_ms < PROGRESS_INTERVAL_MS &&
            (done != total || b->progress_full))
                return;
        b->progress_ms = now;
        b->progress_full = done == total;
        e = job_event_new(b->job, EVENT_PROGRESS);
        if (!e)
                return;
        e->step = b->in_stage ? build_stage_name(b->stage) : NULL;
        e->done = done;
        e->total = total;
        e->unit = a->progress.unit;
        if (total > 0)
                e->percent = done < total ? 100.0 * (double)done / (double)total : 100.0;
        e->file = TAKE_PTR(a->progress.file);
        job_publish(b->job, e);
}

static void keep_log(struct build *b, const char *text, size_t size)
{
        struct event *e;

        if (size == 0)
                return;
        results_append(b->job, STREAM_BUILD, text, size);
        e = job_event_new(b->job, EVENT_LOG);
        if (!e)
                return;
        e->stream = STREAM_BUILD;
        e->data = malloc(size);
        if (!e->data) {
                event_free(e);
                return;
        }
        memcpy(e->data, text, size);
        e->data_size = size;
        job_publish(b->job, e);
}

/* A line in the log that make has not printed, so that it reads as what happened. */
static void log_line(struct build *b, const char *kind, const char *text)
{
        _cleanup_free_ char *line = kt_format("== %s%s%s\n", kind, *kind && *text ? ": " : "", text);

        if (line)
                keep_log(b, line, strlen(line));
}

/* --- the key --- */

/* What the ref is called where nobody doubts whether it is a tag or a branch. */
static const char *short_ref(const char *ref)
{
        static const char *const before[] = {"refs/tags/", "refs/heads/"};

        for (size_t i = 0; ref && i < KT_ARRAY_SIZE(before); i++)
                if (strncmp(ref, before[i], strlen(before[i])) == 0 && ref[strlen(before[i])])
                        return ref + strlen(before[i]);
        return ref;
}

static int make_key(struct build *b, struct kt_error *reterr)
{
        const struct build_spec *spec = spec_of(b);
        char kconfig[KCONFIG_HASH_SIZE], extra[KCONFIG_HASH_SIZE];
        const struct kernel_key of = {
                .source = b->plan.source,
                .version = b->plan.version,
                .source_sha256 = b->plan.source_sha256,
                .ref = short_ref(b->plan.ref),
                .git_hash = b->plan.git_hash,
                .tree_path = b->plan.tree_path,
                .own_config = b->plan.own_config,
                .profile = kconfig_profile_name(spec->profile),
                .kconfig_hash = kconfig,
                .extra_kconfig_hash = spec->extra_kconfig ? extra : NULL,
        };

        kconfig_hash(spec->profile, kconfig);
        if (spec->extra_kconfig)
                kconfig_hash_text(spec->extra_kconfig, strlen(spec->extra_kconfig), extra);
        return kernel_key_make(&of, &b->key, reterr);
}

static bool same_hash(const char *a, const char *b)
{
        return !a || !b || strcmp(a, b) == 0;
}

/* The key has a few digits of a hash only, which another source may share. */
static bool is_cached(const struct build *b)
{
        struct kernel *k = NULL;
        bool is;

        if (kcache_get(b->server->kcache, b->key, &k, NULL) < 0)
                return false;
        is = !k->error && same_hash(k->git_hash, b->plan.git_hash) &&
             same_hash(k->source_sha256, b->plan.source_sha256);
        kernel_free(k);
        return is;
}

/* Who had the key may just have stored it: look once more when it is ours. */
static void look_work(void *data)
{
        struct build *b = data;
        const bool force = spec_of(b)->force;
        int r;

        b->work_found = !force && is_cached(b);
        if (b->work_found)
                return;
        r = kcache_lock_key(b->server->kcache, b->key, false, &b->key_lock, &b->work_error);
        if (r == -EBUSY)
                kt_error_done(&b->work_error);
        else if (r >= 0)
                b->work_found = !force && is_cached(b);
}

static void tell_helper(struct build *b, const char *word)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = process_write(b->process, word);

        /* One that has ended is told of as soon as its last words are read, and how it ended. */
        if (r < 0 && r != -EPIPE) {
                kt_error_set(&err, r, KT_E_INTERNAL, "cannot talk to " BUILD_PROGRAM ": %s", strerror(-r));
                fail(b, &err);
        }
}

static void look(struct build *b);

static void on_look_again(uv_timer_t *timer)
{
        look(timer->data);
}

static void wait_for_key(struct build *b)
{
        _cleanup_free_ char *text = NULL;

        b->phase = PHASE_LOCKED;
        if (!b->told_locked) {
                text = kt_format("another daemon builds %s; waiting for it", b->key);
                tell(b, EVENT_NOTE, text ? text : "another daemon builds it; waiting for it");
                b->told_locked = true;
        }
        uv_timer_start(&b->timer, on_look_again, LOCK_POLL_MS, 0);
}

static void on_looked(void *data, int status)
{
        struct build *b = data;
        kt_log_scope(job_log_context(b->job));

        if (!work_is_done(b))
                return;
        b->found = b->work_found;
        if (!b->found && b->key_lock < 0) {
                wait_for_key(b);
                return;
        }
        b->phase = PHASE_BUILDING;
        if (!b->found) {
                tell_helper(b, "go\n");
                return;
        }
        facts_of(b)->cached = facts_of(b)->existed = true;
        expect_exit(b);
        tell_helper(b, "stop\n");
}

static void look(struct build *b)
{
        b->phase = PHASE_LOOKING;
        start_work(b, look_work, on_looked);
}

/* --- what the helper says --- */

static void refuse(struct build *b, const char *what)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, -EBADMSG, KT_E_INTERNAL, BUILD_PROGRAM " %s", what);
        fail(b, &err);
}

static const char *plan_source(enum build_source source)
{
        return source == BUILD_GIT ? "git" : source == BUILD_TREE ? "local" : "tarball";
}

static void take_plan(struct build *b, struct build_answer *a)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct build_facts *f = facts_of(b);

        if (b->have_plan) {
                refuse(b, "plans twice");
                return;
        }
        if (strcmp(a->plan.source, plan_source(spec_of(b)->source)) != 0) {
                refuse(b, "plans to build something else than it was asked for");
                return;
        }
        b->have_plan = true;
        b->plan = a->plan;
        a->plan = (struct build_plan){};
        set_text(&f->source, b->plan.name);
        set_text(&f->version, b->plan.version);
        if (!b->plan.cacheable) {
                set_text(&f->why, b->plan.why);
                b->phase = PHASE_BUILDING;
                tell_helper(b, "go\n");
        } else if (make_key(b, &err) < 0)
                fail(b, &err);
        else {
                set_text(&f->key, b->key);
                look(b);
        }
}

/* Its tree is the user's, or in the folder that it was given. */
static bool is_where_it_may_be(const struct build *b, const char *path)
{
        const size_t n = strlen(b->dir.work);

        if (spec_of(b)->source == BUILD_TREE && strcmp(path, spec_of(b)->tree) == 0)
                return true;
        return strncmp(path, b->dir.work, n) == 0 && path[n] == '/';
}

static void take_result(struct build *b, struct build_answer *a)
{
        struct build_facts *f = facts_of(b);

        if (b->phase != PHASE_BUILDING || b->found) {
                refuse(b, "has a result before it was told to build");
                return;
        }
        if (!is_where_it_may_be(b, a->result.tree) ||
            (a->result.config && !is_where_it_may_be(b, a->result.config))) {
                refuse(b, "has built where it may not");
                return;
        }
        b->have_result = true;
        b->result = a->result;
        a->result = (struct build_result){};
        set_text(&f->version, b->result.version);
        f->objects = b->result.objects;
        if (b->plan.cacheable && !b->result.cacheable)
                set_text(&f->why, b->result.why);
        if (spec_of(b)->source == BUILD_TREE)
                set_text(&f->tree, spec_of(b)->tree);
        expect_exit(b);
}

static void take_failure(struct build *b, struct build_answer *a)
{
        b->have_failure = true;
        b->failure = a->failure;
        a->failure = (struct build_failure){};
        log_line(b, "error", b->failure.message);
        expect_exit(b);
}

static void take_answer(struct build *b, struct build_answer *a)
{
        if (b->have_result || b->have_failure) {
                refuse(b, "goes on after its last word");
                return;
        }
        switch (a->kind) {
        case BUILD_ANSWER_STAGE:
                log_line(b, build_stage_name(a->stage), a->text ? a->text : "");
                begin_stage(b, a->stage, a->text);
                break;
        case BUILD_ANSWER_PROGRESS:
                show_progress(b, a);
                break;
        case BUILD_ANSWER_WARNING:
                log_line(b, "warning", a->text);
                tell(b, EVENT_WARNING, a->text);
                break;
        case BUILD_ANSWER_NOTE:
                log_line(b, "", a->text);
                tell(b, EVENT_NOTE, a->text);
                break;
        case BUILD_ANSWER_LOG:
                keep_log(b, a->text, a->text_size);
                break;
        case BUILD_ANSWER_PLAN:
                take_plan(b, a);
                break;
        case BUILD_ANSWER_RESULT:
                take_result(b, a);
                break;
        case BUILD_ANSWER_ERROR:
                take_failure(b, a);
                break;
        }
}

static void on_line(void *userdata, const char *line, size_t size, bool cut)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct build *b = userdata;
        struct build_answer a;
        kt_log_scope(job_log_context(b->job));

        /* Nobody but it needs the lock from here on: it is free when it and its children have ended. */
        kt_closep(&b->helper_lock);
        b->helper_lock = -1;
        b->spoke = true;
        b->output_bytes += size;
        if (atomic_load(&b->ending))
                return;
        if (cut)
                refuse(b, "said a line that is too long");
        else if (b->output_bytes > OUTPUT_MAX)
                refuse(b, "prints without end");
        else if (build_answer_parse(line, size, &a, &err) < 0)
                fail(b, &err);
        else {
                take_answer(b, &a);
                build_answer_done(&a);
        }
}

/* --- the helper's life --- */

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
        tell(b, EVENT_NOTE, text ? text : "niced and SCHED_IDLE");
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
        fail(b, &err);
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
                end(b);
        else if (!b->have_result || how->signal || how->status != 0)
                died(b, how);
        else if (!b->plan.cacheable || !b->result.cacheable)
                end(b);
        else {
                b->phase = PHASE_STORING;
                begin_stage(b, BUILD_STAGE_STORE, b->key);
                start_work(b, store_work, on_stored);
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
                .on_line = on_line,
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
                fail(b, &err);
}

static void on_prepared(void *data, int status)
{
        struct build *b = data;
        _cleanup_free_ char *text = NULL;
        kt_log_scope(job_log_context(b->job));

        if (!work_is_done(b))
                return;
        if (b->identity.note)
                tell(b, EVENT_NOTE, b->identity.note);
        if (b->scope.why) {
                text = kt_format("niced and SCHED_IDLE: %s", b->scope.why);
                tell(b, EVENT_NOTE, text ? text : "niced and SCHED_IDLE");
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
        r = build_dir_lock_helper(&b->dir, &b->ending, &b->helper_lock, &b->work_error);
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
                end(b);
        else
                start_work(b, prepare_work, on_prepared);
}

void build_lose(struct build *b, const struct kt_error *err)
{
        kt_error_set(&b->error, err->num, err->name, "%s", kt_error_text(err));
        (void)results_open_again(b->job, NULL);
        end(b);
}

void build_cancel(struct build *b)
{
        end(b);
}

/* What is nearly there is stored: that takes a moment, and all the rest would be gone for nothing. */
void build_interrupt(struct build *b)
{
        if (b->phase == PHASE_STORING || b->job->cancelled)
                return;
        b->interrupted = true;
        end(b);
}
