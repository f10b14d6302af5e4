/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "builds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/log.h"
#include "../proto/errors.h"
#include "build.h"
#include "queue.h"
#include "server.h"

/* Between looks at what another daemon has: twice as long each time, from what one takes to die. */
#define LOOK_MIN_MS 50
#define LOOK_MAX_MS 30000

/* The job there, when it is a build that has not ended. */
static struct job *build_at(struct kt_list *it)
{
        struct job *job = kt_list_entry(it, struct job, link);

        return job->spec.kind == JOB_BUILD && job->state != JOB_ENDED ? job : NULL;
}

unsigned builds_ahead(const struct job *job)
{
        struct jobs *jobs = &job->server->jobs;
        unsigned n = 0;

        kt_list_for_each (it, &jobs->all) {
                struct job *other = build_at(it);

                if (other == job)
                        break;
                n += other != NULL;
        }
        return n;
}

/* Whoever is building the same, or waits to. A path is what its user may open. */
static struct job *find_same(struct server *s, const struct build_spec *spec, uid_t uid)
{
        const bool any_user = spec->source != BUILD_TREE && spec->source != BUILD_TARBALL;

        kt_list_for_each (it, &s->jobs.all) {
                struct job *job = build_at(it);

                if (job && !job->cancelled && (any_user || job->spec.uid == uid) &&
                    build_spec_same(job->spec.build, spec))
                        return job;
        }
        return NULL;
}

static void tell_place(struct job *job)
{
        struct event *e = job_event_new(job, EVENT_QUEUED);

        if (!e)
                return;
        job->told_ahead = builds_ahead(job);
        e->position = (int)job->told_ahead;
        if (e->position == 0 && !jobs_want_no_build(&job->server->jobs))
                e->wait_ms = 0;
        job_publish(job, e);
}

static void tell_places(struct server *s)
{
        kt_list_for_each (it, &s->jobs.all) {
                struct job *job = build_at(it);

                if (job && job->state == JOB_QUEUED && builds_ahead(job) < job->told_ahead)
                        tell_place(job);
        }
}

static int add(struct server *s, struct job *job, struct build_dir *dir, struct kt_error *reterr)
{
        int r = build_new(job, dir, reterr);

        if (r < 0)
                return r;
        kt_list_append(&s->jobs.all, &job->link);
        s->jobs.n_alive++;
        s->builds.n_queued++;
        return 0;
}

/* Takes the spec in any case. */
static int new_job(struct server *s, struct build_spec *spec, const struct build_owner *owner,
                   struct job **ret, struct kt_error *reterr)
{
        struct job_spec job_spec = {.kind = JOB_BUILD, .uid = owner->uid, .gid = owner->gid, .build = spec};
        int r = job_new(&s->jobs, &job_spec, ret, reterr);

        if (r < 0)
                build_spec_free(spec);
        return r;
}

int builds_submit(struct server *s, struct build_spec *spec, uid_t uid, gid_t gid, struct job **ret,
                  struct kt_error *reterr)
{
        const struct job *same = find_same(s, spec, uid);
        struct build_owner owner = {.uid = uid, .gid = gid};
        struct build_dir dir = BUILD_DIR_INIT;
        struct job *job;
        int r;

        if (s->builds.n_queued >= s->config->queue_max) {
                build_spec_free(spec);
                return kt_error_set(reterr, -EBUSY, KT_E_BUSY,
                                    "%u builds are queued already; try again later", s->builds.n_queued);
        }
        r = new_job(s, spec, &owner, &job, reterr);
        if (r < 0)
                return r;
        owner.submitted_us = job->submitted_us;
        r = build_dir_make(s->config->cache_dir, job->id, spec, &owner, &dir, reterr);
        if (r >= 0) {
                r = add(s, job, &dir, reterr);
                if (r < 0) {
                        build_dir_forget(&dir);
                        build_dir_done(&dir);
                }
        }
        if (r < 0) {
                job_drop(job);
                return r;
        }
        kt_log_scope(job_log_context(job));
        kt_log_info("submitted: a build of %s", job->build_facts.source);
        tell_place(job);
        if (same) {
                memcpy(job->same_as, same->id, sizeof(job->same_as));
                job_say(job, EVENT_QUEUED, NULL,
                        "job %s builds the same already; `ktstrctl attach %s` shows how far it is", same->id,
                        same->id);
        }
        *ret = job;
        return 0;
}

static struct job *next_build(struct server *s)
{
        kt_list_for_each (it, &s->jobs.all) {
                struct job *job = build_at(it);

                if (job)
                        return job;
        }
        return NULL;
}

void builds_pump(struct server *s)
{
        struct builds *b = &s->builds;

        /* One that ends on the spot comes here again. */
        if (b->pumping || s->stopping)
                return;
        /* One that wants the host to itself waits for the build that runs, not for all that will. */
        if (jobs_want_no_build(&s->jobs))
                return;
        b->pumping = true;
        while (!b->running && b->n_queued > 0) {
                struct job *next = next_build(s),
                           *same = *next->same_as ? jobs_find(&s->jobs, next->same_as) : NULL;
                kt_log_scope(job_log_context(next));

                b->running = next;
                b->n_queued--;
                next->state = JOB_RUNNING;
                /* What it wanted anew was built anew since it was asked for. */
                if (same && same->state == JOB_ENDED && same->build_facts.cached)
                        next->spec.build->force = false;
                build_start(next->build);
        }
        b->pumping = false;
        tell_places(s);
        server_changed(s);
}

void builds_leave(struct job *job)
{
        struct builds *b = &job->server->builds;

        if (b->running == job)
                b->running = NULL;
        else
                b->n_queued--;
}

/* --- what a daemon has left --- */

struct left {
        struct job *job; /* in no list yet */
        struct build_dir dir;
        struct kt_error lost; /* set: it cannot be gone on with */
};

/* The order in which they were submitted, as far as their times tell. */
static int earlier_first(const void *a, const void *b)
{
        const struct job *x = ((const struct left *)a)->job, *y = ((const struct left *)b)->job;

        return (x->submitted_us > y->submitted_us) - (x->submitted_us < y->submitted_us);
}

static bool is_id(const char *name)
{
        return strlen(name) == 8 && strspn(name, "abcdefghijkmnpqrstuvwxyz23456789") == 8;
}

/* One of them as a job again: 1; 0: it is none; -EBUSY: another daemon has it. */
static int take_up(struct server *s, const char *id, struct left *ret)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct build_owner owner = {.uid = geteuid(), .gid = getegid()};
        struct left left = {.dir = BUILD_DIR_INIT};
        struct build_spec *spec = NULL;
        int r;

        if (!is_id(id) || jobs_find(&s->jobs, id))
                return 0;
        r = build_dir_open(s->config->cache_dir, id, &left.dir, &err);
        if (r < 0) {
                if (r != -EBUSY && r != -ENOENT)
                        kt_log_warning("%s", kt_error_text(&err));
                return r == -EBUSY ? r : 0;
        }
        r = build_dir_read(&left.dir, &spec, &owner, &left.lost);
        if (r == -ENOENT) {
                kt_error_done(&left.lost);
                build_sweep(s, &left.dir);
                return 0;
        }
        if (r < 0)
                spec = build_spec_new();
        if (!spec || new_job(s, spec, &owner, &left.job, &err) < 0) {
                kt_log_warning("%s is left for later: out of memory", left.dir.path);
                kt_error_done(&left.lost);
                build_dir_done(&left.dir);
                return 0;
        }
        memcpy(left.job->id, id, strlen(id) + 1);
        if (owner.submitted_us)
                left.job->submitted_us = owner.submitted_us;
        *ret = left;
        return 1;
}

static void go_on(struct server *s, struct left *left)
{
        struct job *job = left->job;
        kt_log_scope(job_log_context(job));

        if (add(s, job, &left->dir, NULL) < 0) {
                build_dir_done(&left->dir);
                job_drop(job);
        } else if (kt_error_isset(&left->lost)) {
                kt_log_warning("%s", kt_error_text(&left->lost));
                build_lose(job->build, &left->lost);
        } else {
                kt_log_info("a build of %s is taken up again", job->build_facts.source);
                tell_place(job);
                job_say(job, EVENT_NOTE, NULL, "taken up again after a restart");
        }
        kt_error_done(&left->lost);
}

/* What is not held by others any more: taken up, or over. */
static void take_up_held(struct server *s)
{
        char **ids = s->builds.held;
        size_t n = 0, n_held = 0, max = 0;
        struct left *all;

        while (ids[max])
                max++;
        all = calloc(max + 1, sizeof(*all));
        for (size_t i = 0; i < max; i++) {
                int r = all ? take_up(s, ids[i], &all[n]) : -EBUSY;

                if (r == -EBUSY)
                        ids[n_held++] = ids[i];
                else
                        free(ids[i]);
                n += r > 0;
        }
        ids[n_held] = NULL;
        if (n > 0)
                qsort(all, n, sizeof(*all), earlier_first);
        /* None begins before all are there. */
        s->builds.pumping = true;
        for (size_t i = 0; i < n; i++)
                go_on(s, &all[i]);
        s->builds.pumping = false;
        free(all);
        builds_pump(s);
}

static void look(uv_timer_t *timer)
{
        struct server *s = timer->data;
        struct builds *b = &s->builds;

        /* One that leaves begins nothing. */
        if (s->stopping || s->draining)
                return;
        take_up_held(s);
        if (!b->held[0])
                return;
        uv_timer_start(timer, look, b->look_ms, 0);
        b->look_ms = b->look_ms * 2 < LOOK_MAX_MS ? b->look_ms * 2 : LOOK_MAX_MS;
}

void builds_take_up(struct server *s)
{
        struct builds *b = &s->builds;

        b->held = build_dir_list(s->config->cache_dir);
        if (!b->held)
                return;
        look(&b->look);
        for (char **id = b->held; *id; id++)
                kt_log_info("job %s is another daemon's, and is taken up when that one is gone", *id);
}

void builds_init(struct server *s)
{
        s->builds = (struct builds){.look_ms = LOOK_MIN_MS};
        uv_timer_init(&s->loop, &s->builds.look);
        s->builds.look.data = s;
}

void builds_done(struct server *s)
{
        build_dir_list_free(s->builds.held);
        s->builds.held = NULL;
}
