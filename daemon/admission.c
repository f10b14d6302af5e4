/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "admission.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct admission_user {
        uid_t uid;
        unsigned cpus_running;
        uint64_t served; /* number of the last start that was one of theirs; 0: none was */
        struct kt_list waiting[_ADMISSION_PRIORITY_MAX]; /* of each priority, the oldest first */

        /* While something is looked for: the user's standing, and the next of the jobs. */
        uint64_t cpus_then, served_then;
        struct kt_list *next[_ADMISSION_PRIORITY_MAX];
};

static const char *const priority_names[_ADMISSION_PRIORITY_MAX] = {
        [ADMISSION_HIGH] = "high", [ADMISSION_NORMAL] = "normal", [ADMISSION_LOW] = "low"};

const char *admission_priority_name(enum admission_priority p)
{
        return priority_names[p];
}

enum admission_priority admission_priority_parse(const char *name)
{
        unsigned p = 0;

        while (p < _ADMISSION_PRIORITY_MAX && strcmp(name, priority_names[p]) != 0)
                p++;
        return (enum admission_priority)p;
}

void admission_init(struct admission *a)
{
        *a = (struct admission){};
        kt_list_init(&a->running);
}

void admission_done(struct admission *a)
{
        assert(kt_list_empty(&a->running));
        for (size_t i = 0; i < a->n_users; i++)
                free(a->users[i]);
        free(a->users);
        free(a->heap);
}

/* --- users --- */

static bool grow(struct admission_user ***array, size_t n)
{
        struct admission_user **grown = realloc(*array, n * sizeof(**array));

        if (grown)
                *array = grown;
        return grown != NULL;
}

struct admission_user *admission_user_of(struct admission *a, uid_t uid)
{
        struct admission_user *user;

        for (size_t i = 0; i < a->n_users; i++)
                if (a->users[i]->uid == uid)
                        return a->users[i];
        if (!grow(&a->users, a->n_users + 1) || !grow(&a->heap, a->n_users + 1))
                return NULL;
        user = calloc(1, sizeof(*user));
        if (!user)
                return NULL;
        user->uid = uid;
        for (unsigned p = 0; p < _ADMISSION_PRIORITY_MAX; p++)
                kt_list_init(&user->waiting[p]);
        return a->users[a->n_users++] = user;
}

/* --- the order of users: a heap, the first on top --- */

static struct admission_job *job_of(struct kt_list *link)
{
        return kt_list_entry(link, struct admission_job, link);
}

static bool comes_before(const struct admission_user *a, const struct admission_user *b,
                         enum admission_priority p)
{
        if (a->cpus_then != b->cpus_then)
                return a->cpus_then < b->cpus_then;
        if (a->served_then != b->served_then)
                return a->served_then < b->served_then;
        return job_of(a->next[p])->age < job_of(b->next[p])->age;
}

static void sift_down(struct admission *a, size_t i, enum admission_priority p)
{
        for (;;) {
                size_t least = i;

                for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < a->n_heap; child++)
                        if (comes_before(a->heap[child], a->heap[least], p))
                                least = child;
                if (least == i)
                        return;
                struct admission_user *user = a->heap[i];
                a->heap[i] = a->heap[least];
                a->heap[least] = user;
                i = least;
        }
}

/* Those who have jobs of this priority, ordered by where they stand. */
static void heap_fill(struct admission *a, enum admission_priority p)
{
        a->n_heap = 0;
        for (size_t i = 0; i < a->n_users; i++)
                if (!kt_list_empty(&a->users[i]->waiting[p]))
                        a->heap[a->n_heap++] = a->users[i];
        for (size_t i = a->n_heap / 2; i-- > 0;)
                sift_down(a, i, p);
}

static void heap_drop_first(struct admission *a, enum admission_priority p)
{
        a->heap[0] = a->heap[--a->n_heap];
        sift_down(a, 0, p);
}

static void stand_as_they_do(struct admission *a)
{
        for (size_t i = 0; i < a->n_users; i++) {
                struct admission_user *user = a->users[i];

                user->cpus_then = user->cpus_running;
                user->served_then = user->served;
                for (unsigned p = 0; p < _ADMISSION_PRIORITY_MAX; p++)
                        user->next[p] = user->waiting[p].next;
        }
}

/* --- jobs --- */

void admission_add(struct admission *a, struct admission_job *job)
{
        job->age = ++a->n_came;
        job->turn_came = job->runs = false;
        kt_list_append(&job->user->waiting[job->priority], &job->link);
}

void admission_start(struct admission *a, struct admission_job *job, uint64_t now_ms)
{
        kt_list_remove(&job->link);
        kt_list_append(&a->running, &job->link);
        job->runs = true;
        job->started_ms = now_ms;
        job->user->cpus_running += job->cpus;
        job->user->served = ++a->n_started;
}

void admission_remove(struct admission *a, struct admission_job *job)
{
        if (job->runs)
                job->user->cpus_running -= job->cpus;
        kt_list_remove(&job->link);
        job->user = NULL;
}

static bool has_room(const struct admission_capacity *c, const struct admission_load *running,
                     const struct admission_job *job)
{
        if (job->cpus == 0)
                return true;
        if (running->alone || (job->alone && running->building))
                return false;
        if (running->jobs == 0)
                return true;
        return !job->alone && (uint64_t)running->cpus + job->cpus <= admission_cpus(c) &&
               running->memory_mib + job->memory_mib <= c->memory_mib;
}

/* first: it is that, and has no room. Of one that a build holds up it is not the turn, and was not when
 * another came before it for a while, in which the build began. */
static void note_turn(struct admission_job *job, bool first, bool building, uint64_t now_ms)
{
        if (job->alone && building) {
                job->turn_came = false;
        } else if (first && !job->turn_came) {
                job->turn_came = true;
                job->turn_ms = now_ms;
        }
}

struct admission_job *admission_next(struct admission *a, const struct admission_capacity *capacity,
                                     const struct admission_load *running, uint64_t now_ms)
{
        bool full = running->jobs > 0 && (running->alone || running->cpus >= admission_cpus(capacity) ||
                                          running->memory_mib >= capacity->memory_mib),
             first = true;

        stand_as_they_do(a);
        a->first_is_alone = false;
        for (unsigned p = 0; p < _ADMISSION_PRIORITY_MAX; p++)
                for (heap_fill(a, p); a->n_heap > 0; heap_drop_first(a, p))
                        kt_list_for_each (it, &a->heap[0]->waiting[p]) {
                                struct admission_job *job = job_of(it);

                                if (has_room(capacity, running, job))
                                        return job;
                                note_turn(job, first, running->building, now_ms);
                                a->first_is_alone |= first && job->alone;
                                first = false;
                                /* Nobody could pass, or nobody may. */
                                if (full || (job->turn_came && now_ms - job->turn_ms >= ADMISSION_PASS_MS))
                                        return NULL;
                        }
        return NULL;
}

/* --- looking ahead --- */

void admission_ahead_begin(struct admission *a)
{
        stand_as_they_do(a);
        a->ahead = 0;
        a->n_ahead = 0;
        heap_fill(a, a->ahead);
}

struct admission_job *admission_ahead_next(struct admission *a)
{
        while (a->n_heap == 0) {
                if (a->ahead + 1 >= _ADMISSION_PRIORITY_MAX)
                        return NULL;
                heap_fill(a, ++a->ahead);
        }

        const enum admission_priority p = a->ahead;
        struct admission_user *user = a->heap[0];
        struct admission_job *job = job_of(user->next[p]);

        user->cpus_then += job->cpus;
        user->served_then = a->n_started + ++a->n_ahead;
        user->next[p] = user->next[p]->next;
        if (user->next[p] == &user->waiting[p])
                heap_drop_first(a, p);
        else
                sift_down(a, 0, p);
        return job;
}
