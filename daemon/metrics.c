/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "host.h"
#include "openmetrics.h"
#include "server.h"

/* Seconds. A hand-out from the pool takes milliseconds, one after a boot under emulation a minute. */
static const double handout_bounds[] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                        0.2,    0.5,   1,     2,     5,    10,   20,   60};
static const double boot_bounds[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300};
static const double queue_wait_bounds[] = {0.001, 0.01, 0.1, 0.5, 1,   2,    5,    10,
                                           20,    60,   120, 300, 600, 1200, 1800, 3600};

_Static_assert(KT_ARRAY_SIZE(handout_bounds) <= METRICS_BUCKETS_MAX, "");
_Static_assert(KT_ARRAY_SIZE(boot_bounds) <= METRICS_BUCKETS_MAX, "");
_Static_assert(KT_ARRAY_SIZE(queue_wait_bounds) <= METRICS_BUCKETS_MAX, "");

static const char *const source_names[_METRICS_SOURCE_MAX] = {"cold", "clone", "pool"};

/* --- counting --- */

void metrics_init(struct metrics *m)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        *m = (struct metrics){.start_time = (double)now.tv_sec + (double)now.tv_nsec / 1e9};
}

double metrics_seconds_since(uint64_t since_ns)
{
        return (double)(uv_hrtime() - since_ns) / 1e9;
}

static void observe(struct metrics_histogram *h, const double *bounds, size_t n_bounds, double seconds)
{
        size_t i = 0;

        /* A sum that is no number, or that falls, could never be mended. */
        if (!isfinite(seconds) || seconds < 0)
                seconds = 0;
        while (i < n_bounds && seconds > bounds[i])
                i++;
        h->counts[i]++;
        h->sum += seconds;
}

void metrics_handout(struct metrics *m, enum metrics_source source, double seconds)
{
        observe(&m->handout[source], handout_bounds, KT_ARRAY_SIZE(handout_bounds), seconds);
}

void metrics_boot(struct metrics *m, enum metrics_source source, double seconds)
{
        assert(source < KT_ARRAY_SIZE(m->boot));
        observe(&m->boot[source], boot_bounds, KT_ARRAY_SIZE(boot_bounds), seconds);
}

void metrics_queue_wait(struct metrics *m, double seconds)
{
        observe(&m->queue_wait, queue_wait_bounds, KT_ARRAY_SIZE(queue_wait_bounds), seconds);
}

void metrics_job_ended(struct metrics *m, enum verdict_kind kind)
{
        m->jobs_ended[kind]++;
}

void metrics_pool_hit(struct metrics *m)
{
        m->pool_hits++;
}

void metrics_pool_miss(struct metrics *m)
{
        m->pool_misses++;
}

void metrics_template(struct metrics *m, bool built)
{
        if (built)
                m->templates_built++;
        else
                m->templates_failed++;
}

void metrics_guest_failed(struct metrics *m, enum guest_end end)
{
        if (end != GUEST_END_STOPPED && end != GUEST_END_POWEROFF)
                m->guests_failed[end]++;
}

/* --- the text --- */

static void put_counter(FILE *f, const char *name, const char *help, uint64_t value)
{
        char sample[64];

        snprintf(sample, sizeof(sample), "%s_total", name);
        openmetrics_family(f, name, "counter", NULL, help);
        openmetrics_sample(f, sample, NULL, NULL, value);
}

static void put_gauge(FILE *f, const char *name, const char *unit, const char *help, uint64_t value)
{
        openmetrics_family(f, name, "gauge", unit, help);
        openmetrics_sample(f, name, NULL, NULL, value);
}

static void put_daemon(FILE *f, const struct server *s)
{
        /* As a gauge: the readers of the older format, node_exporter's among them, know no type `info` and
         * refuse a text that has one. */
        openmetrics_family(f, "ktstrd_build_info", "gauge", NULL, "Always 1; its label tells the version.");
        openmetrics_sample(f, "ktstrd_build_info", "version", server_version(), 1);
        openmetrics_family(f, "ktstrd_start_time_seconds", "gauge", "seconds",
                           "When the daemon started, in Unix time.");
        fprintf(f, "ktstrd_start_time_seconds %.3f\n", s->metrics.start_time);
        put_gauge(f, "ktstrd_resident_memory_bytes", "bytes",
                  "Memory of the daemon itself, without its guests.", host_own_rss());
        put_gauge(f, "ktstrd_open_fds", NULL, "Descriptors that the daemon has open.", host_own_fds());
        put_gauge(f, "ktstrd_connections", NULL, "Clients that are connected.", s->n_conns);
}

static void put_jobs(FILE *f, const struct server *s)
{
        const struct metrics *m = &s->metrics;

        put_gauge(f, "ktstrd_jobs_running", NULL, "Jobs that have left the queue and not ended.",
                  server_jobs_running(s));
        put_gauge(f, "ktstrd_jobs_queued", NULL, "Jobs that wait for their turn.", server_jobs_queued(s));
        openmetrics_family(f, "ktstrd_jobs_ended", "counter", NULL, "Jobs that have ended, by verdict.");
        for (unsigned i = 0; i < KT_ARRAY_SIZE(m->jobs_ended); i++)
                openmetrics_sample(f, "ktstrd_jobs_ended_total", "verdict",
                                   verdict_kind_name((enum verdict_kind)i), m->jobs_ended[i]);
        openmetrics_family(f, "ktstrd_queue_wait_seconds", "histogram", "seconds",
                           "From a job's submission to its turn.");
        openmetrics_histogram(f, "ktstrd_queue_wait_seconds", NULL, NULL, queue_wait_bounds,
                              KT_ARRAY_SIZE(queue_wait_bounds), m->queue_wait.counts, m->queue_wait.sum);
        openmetrics_family(
                f, "ktstrd_handout_seconds", "histogram", "seconds",
                "From a job's turn to the job running in its guest, by where the guest came from.");
        for (unsigned i = 0; i < KT_ARRAY_SIZE(m->handout); i++)
                openmetrics_histogram(f, "ktstrd_handout_seconds", "source", source_names[i], handout_bounds,
                                      KT_ARRAY_SIZE(handout_bounds), m->handout[i].counts,
                                      m->handout[i].sum);
}

static void put_guests(FILE *f, const struct metrics *m)
{
        static const char *const ends[] = {
                [GUEST_END_START] = "start",       [GUEST_END_BOOT] = "boot",
                [GUEST_END_CRASHED] = "crashed",   [GUEST_END_DIED] = "died",
                [GUEST_END_PROTOCOL] = "protocol",
        };

        openmetrics_family(f, "ktstrd_boot_seconds", "histogram", "seconds",
                           "From the start of QEMU to a guest that is ready, by how it came to be.");
        for (unsigned i = 0; i < KT_ARRAY_SIZE(m->boot); i++)
                openmetrics_histogram(f, "ktstrd_boot_seconds", "source", source_names[i], boot_bounds,
                                      KT_ARRAY_SIZE(boot_bounds), m->boot[i].counts, m->boot[i].sum);
        openmetrics_family(f, "ktstrd_guests_failed", "counter", NULL,
                           "Guests that ended otherwise than they should, by how.");
        for (unsigned i = 0; i < KT_ARRAY_SIZE(ends); i++)
                if (ends[i])
                        openmetrics_sample(f, "ktstrd_guests_failed_total", "end", ends[i],
                                           m->guests_failed[i]);
        openmetrics_family(f, "ktstrd_template_builds", "counter", NULL,
                           "Buildings of a template that have ended, by result.");
        openmetrics_sample(f, "ktstrd_template_builds_total", "result", "built", m->templates_built);
        openmetrics_sample(f, "ktstrd_template_builds_total", "result", "failed", m->templates_failed);
}

static void put_pool(FILE *f, const struct metrics *m, const struct metrics_pool *pool)
{
        put_counter(f, "ktstrd_pool_hits", "Jobs that got their guest from the pool.", m->pool_hits);
        put_counter(f, "ktstrd_pool_misses", "Jobs for which the pool had no guest.", m->pool_misses);
        if (!pool)
                return;
        openmetrics_family(f, "ktstrd_pool_guests", "gauge", NULL, "Guests of the pool, by state.");
        openmetrics_sample(f, "ktstrd_pool_guests", "state", "idle", pool->idle);
        openmetrics_sample(f, "ktstrd_pool_guests", "state", "building", pool->building);
        put_gauge(f, "ktstrd_pool_memory_bytes", "bytes", "Memory that the pool's idle guests hold.",
                  pool->memory_bytes);
}

char *metrics_text(const struct server *s, const struct metrics_pool *pool)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        bool whole;

        if (!f)
                return NULL;
        put_daemon(f, s);
        put_jobs(f, s);
        put_pool(f, &s->metrics, pool);
        put_guests(f, &s->metrics);
        fputs(OPENMETRICS_EOF, f);
        whole = !ferror(f);
        return fclose(f) == 0 && whole ? TAKE_PTR(text) : NULL;
}
