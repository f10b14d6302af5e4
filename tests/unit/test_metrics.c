/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "../../daemon/metrics.h"
#include "../../daemon/openmetrics.h"
#include "../../daemon/server.h"
#include "unit.h"

#include <build_config.h>

/* --- a reader of OpenMetrics 1.0 that forgives nothing --- */

#define NAME_MAX_ 64
#define SAMPLES_MAX 512
#define FAMILIES_MAX 64

struct sample {
        char key[256]; /* name and labels as they stand */
        char name[NAME_MAX_];
        char labels[256]; /* without le, as they stand */
        char le[32];      /* "" when there is none */
        char number[64];
        double value;
};

struct reader {
        char families[FAMILIES_MAX][NAME_MAX_];
        char type[NAME_MAX_], unit[NAME_MAX_];
        bool help;
        size_t n_families, n_samples;
        struct sample samples[SAMPLES_MAX];
        bool in_histogram; /* buckets were seen, its _count and _sum not yet */
        bool counted;      /* and its _count was */
};

#define REFUSE_IF(condition)                                                                                \
        do {                                                                                                \
                if (condition)                                                                              \
                        return #condition;                                                                  \
        } while (0)

static const char *family_of(const struct reader *r)
{
        return r->n_families ? r->families[r->n_families - 1] : "";
}

static bool is_name(const char *s)
{
        if (!isalpha((unsigned char)*s))
                return false;
        for (; *s; s++)
                if (!isalnum((unsigned char)*s) && *s != '_')
                        return false;
        return true;
}

static bool ends_in(const char *s, const char *end)
{
        size_t n = strlen(s), m = strlen(end);

        return n > m && strcmp(s + n - m, end) == 0;
}

/* The line after "# ": one word, a name, the rest. */
static const char *read_descriptor(struct reader *r, char *line)
{
        char *kind = strsep(&line, " "), *name = strsep(&line, " "), *rest = line;

        REFUSE_IF(!name || !is_name(name));
        REFUSE_IF(!rest || !*rest);
        REFUSE_IF(r->in_histogram);
        if (strcmp(kind, "TYPE") == 0) {
                for (size_t i = 0; i < r->n_families; i++)
                        REFUSE_IF(strcmp(r->families[i], name) == 0);
                REFUSE_IF(r->n_families && !r->help);
                REFUSE_IF(strcmp(rest, "counter") != 0 && strcmp(rest, "gauge") != 0 &&
                          strcmp(rest, "histogram") != 0);
                snprintf(r->families[r->n_families++], NAME_MAX_, "%s", name);
                snprintf(r->type, sizeof(r->type), "%s", rest);
                r->unit[0] = '\0';
                r->help = false;
                return NULL;
        }
        REFUSE_IF(strcmp(name, family_of(r)) != 0);
        REFUSE_IF(r->help); /* the last of the three */
        if (strcmp(kind, "UNIT") == 0) {
                char suffix[NAME_MAX_];

                snprintf(suffix, sizeof(suffix), "_%s", rest);
                REFUSE_IF(r->unit[0] || !ends_in(name, suffix));
                snprintf(r->unit, sizeof(r->unit), "%s", rest);
                return NULL;
        }
        REFUSE_IF(strcmp(kind, "HELP") != 0);
        REFUSE_IF(strpbrk(rest, "\\\""));
        r->help = true;
        return NULL;
}

/* name="value", …} from after the brace on; *at is behind it afterwards. */
static const char *read_labels(char **at, struct sample *s)
{
        char *p = *at;

        for (;;) {
                char *begin = p, *value;
                bool is_le;

                REFUSE_IF(!isalpha((unsigned char)*p));
                while (isalnum((unsigned char)*p) || *p == '_')
                        p++;
                is_le = strncmp(begin, "le=", 3) == 0;
                REFUSE_IF(*p++ != '=' || *p++ != '"');
                for (value = p; *p != '"'; p++) {
                        REFUSE_IF(!*p);
                        if (*p == '\\') {
                                p++;
                                REFUSE_IF(!*p || !strchr("\\\"n", *p));
                        }
                }
                if (is_le) {
                        REFUSE_IF(s->le[0]);
                        snprintf(s->le, sizeof(s->le), "%.*s", (int)(p - value), value);
                } else
                        snprintf(s->labels + strlen(s->labels), sizeof(s->labels) - strlen(s->labels),
                                 "%.*s;", (int)(p + 1 - begin), begin);
                p++;
                if (*p == ',')
                        p++;
                else {
                        REFUSE_IF(*p != '}');
                        *at = p + 1;
                        return NULL;
                }
        }
}

static bool is_integer(const char *s)
{
        return *s && strspn(s, "0123456789") == strlen(s);
}

static const char *read_bucket(struct reader *r, const struct sample *s)
{
        const struct sample *before = s > r->samples ? s - 1 : NULL;
        double bound = strcmp(s->le, "+Inf") == 0 ? INFINITY : strtod(s->le, NULL);

        REFUSE_IF(!is_integer(s->number));
        /* canonical: a float in any case */
        REFUSE_IF(!isinf(bound) && !strpbrk(s->le, ".e"));
        REFUSE_IF(r->counted);
        if (r->in_histogram) {
                REFUSE_IF(strcmp(before->labels, s->labels) != 0);
                REFUSE_IF(strcmp(before->le, "+Inf") == 0);
                REFUSE_IF(strtod(before->le, NULL) >= bound);
                REFUSE_IF(before->value > s->value);
        }
        r->in_histogram = true;
        return NULL;
}

static const char *read_histogram(struct reader *r, const struct sample *s, const char *suffix)
{
        const struct sample *before = s > r->samples ? s - 1 : NULL;

        if (strcmp(suffix, "_bucket") == 0)
                return s->le[0] ? read_bucket(r, s) : "no le";
        REFUSE_IF(s->le[0]);
        REFUSE_IF(!r->in_histogram || strcmp(before->labels, s->labels) != 0);
        if (strcmp(suffix, "_count") == 0) {
                REFUSE_IF(strcmp(before->le, "+Inf") != 0);
                REFUSE_IF(!is_integer(s->number) || s->value != before->value);
                r->counted = true;
                return NULL;
        }
        REFUSE_IF(strcmp(suffix, "_sum") != 0);
        REFUSE_IF(!r->counted);
        REFUSE_IF(s->value < 0 || (before->value == 0 && s->value != 0));
        r->in_histogram = r->counted = false;
        return NULL;
}

static const char *read_sample(struct reader *r, char *line)
{
        struct sample *s = &r->samples[r->n_samples];
        size_t name_length = strcspn(line, "{ "), family_length = strlen(family_of(r));
        char *at = line + name_length, *end;
        const char *wrong, *suffix;

        REFUSE_IF(r->n_samples == SAMPLES_MAX);
        REFUSE_IF(!r->help);
        *s = (struct sample){};
        snprintf(s->name, sizeof(s->name), "%.*s", (int)name_length, line);
        REFUSE_IF(!is_name(s->name));
        if (*at == '{') {
                at++;
                wrong = read_labels(&at, s);
                if (wrong)
                        return wrong;
        }
        snprintf(s->key, sizeof(s->key), "%.*s", (int)(at - line), line);
        for (size_t i = 0; i < r->n_samples; i++)
                REFUSE_IF(strcmp(r->samples[i].key, s->key) == 0);
        REFUSE_IF(*at != ' ');
        snprintf(s->number, sizeof(s->number), "%s", at + 1);
        s->value = strtod(s->number, &end);
        REFUSE_IF(end == s->number || *end || !isdigit((unsigned char)s->number[0]));
        REFUSE_IF(!isfinite(s->value));
        REFUSE_IF(strncmp(s->name, family_of(r), family_length) != 0);
        suffix = s->name + family_length;
        r->n_samples++;
        if (strcmp(r->type, "histogram") == 0)
                return read_histogram(r, s, suffix);
        REFUSE_IF(s->le[0]);
        REFUSE_IF(strcmp(suffix, strcmp(r->type, "counter") == 0 ? "_total" : "") != 0);
        return NULL;
}

/* What is wrong with it, or NULL. */
static const char *read_all(struct reader *r, const char *text)
{
        _cleanup_free_ char *copy = strdup(text);
        const char *wrong = NULL;
        char *rest = copy, *line;

        *r = (struct reader){};
        while (!wrong && (line = strsep(&rest, "\n"))) {
                REFUSE_IF(!rest); /* a line without its end */
                if (strcmp(line, "# EOF") == 0) {
                        REFUSE_IF(*rest);
                        REFUSE_IF(r->in_histogram);
                        REFUSE_IF(r->n_families && !r->help);
                        return NULL;
                }
                wrong = strncmp(line, "# ", 2) == 0 ? read_descriptor(r, line + 2) : read_sample(r, line);
        }
        return wrong ? wrong : "no end";
}

static struct reader *read_or_abort(const char *text)
{
        static struct reader r;
        const char *wrong = read_all(&r, text);

        ck_assert_msg(!wrong, "after sample %zu (%s): %s\n%s", r.n_samples,
                      r.n_samples ? r.samples[r.n_samples - 1].key : "", wrong, text);
        return &r;
}

static double value_of(const struct reader *r, const char *key)
{
        for (size_t i = 0; i < r->n_samples; i++)
                if (strcmp(r->samples[i].key, key) == 0)
                        return r->samples[i].value;
        ck_abort_msg("there is no %s", key);
}

static bool has_family(const struct reader *r, const char *name)
{
        for (size_t i = 0; i < r->n_families; i++)
                if (strcmp(r->families[i], name) == 0)
                        return true;
        return false;
}

/* --- tests --- */

#define HEAD "# TYPE a gauge\n# HELP a b\n"
#define HISTOGRAM "# TYPE h histogram\n# HELP h b\n"

START_TEST(the_reader_refuses_what_is_wrong)
{
        static const char *const wrong[] = {
                "",
                HEAD "a 1\n",
                HEAD "a 1\n# EOF",
                HEAD "a 1\n# EOF\n\n",
                HEAD "a 1\n# EOF\n" HEAD,
                "a 1\n# EOF\n",
                "# HELP a b\na 1\n# EOF\n",
                "# TYPE a gauge\na 1\n# EOF\n",
                HEAD "b 1\n# EOF\n",
                HEAD "a_total 1\n# EOF\n",
                HEAD "a 1\na 2\n# EOF\n",
                HEAD "a 1 12345\n# EOF\n",
                HEAD "a NaN\n# EOF\n",
                HEAD "a{b=\"c} 1\n# EOF\n",
                HEAD "a{b=\"\\c\"} 1\n# EOF\n",
                HEAD "a{} 1\n# EOF\n",
                HEAD HEAD "# EOF\n",
                HEAD "# UNIT a seconds\n# EOF\n",
                "# TYPE a gauge\n# UNIT a seconds\n# HELP a b\n# EOF\n",
                "# TYPE a counter\n# HELP a b\na 1\n# EOF\n",
                "# TYPE a info\n# HELP a b\na_info 1\n# EOF\n",
                HISTOGRAM "h_count 0\nh_sum 0.0\n# EOF\n",
                HISTOGRAM "h_bucket{le=\"1.0\"} 1\nh_count 1\nh_sum 0.5\n# EOF\n",
                HISTOGRAM "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 0.5\n# EOF\n",
                HISTOGRAM "h_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 0.5\n# EOF\n",
                HISTOGRAM "h_bucket{le=\"2.0\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\n"
                          "h_count 1\nh_sum 0.5\n# EOF\n",
                HISTOGRAM "h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_count 2\nh_sum 0.5\n# EOF\n",
                HISTOGRAM "h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_count 1\n# EOF\n",
                HISTOGRAM "h_bucket{a=\"x\",le=\"1.0\"} 1\nh_bucket{a=\"y\",le=\"+Inf\"} 1\n"
                          "h_count{a=\"y\"} 1\nh_sum{a=\"y\"} 0.5\n# EOF\n",
        };
        static struct reader r;

        for (size_t i = 0; i < KT_ARRAY_SIZE(wrong); i++)
                ck_assert_msg(read_all(&r, wrong[i]) != NULL, "taken for good:\n%s", wrong[i]);
        read_or_abort(HEAD "a{b=\"c\\\"\\\\\\n\",d=\"e\"} 1.5\na{b=\"f\"} 2\n# EOF\n");
        read_or_abort(HISTOGRAM "h_bucket{le=\"1e-05\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
                                "h_count 2\nh_sum 2.5\n# EOF\n");
}
END_TEST

static struct server server;

static struct metrics *fresh(void)
{
        server = (struct server){};
        metrics_init(&server.metrics);
        return &server.metrics;
}

static const struct reader *exposed(const struct metrics_pool *pool)
{
        _cleanup_free_ char *text = metrics_text(&server, pool);

        ck_assert_ptr_nonnull(text);
        return read_or_abort(text);
}

START_TEST(before_anything_happened_all_is_there_and_zero)
{
        const struct reader *r;
        static const char *const nothing_yet[] = {
                "ktstrd_jobs_ended_total{verdict=\"pass\"}",
                "ktstrd_jobs_ended_total{verdict=\"fail\"}",
                "ktstrd_jobs_ended_total{verdict=\"inconclusive\"}",
                "ktstrd_jobs_ended_total{verdict=\"skip\"}",
                "ktstrd_jobs_ended_total{verdict=\"cancelled\"}",
                "ktstrd_jobs_ended_total{verdict=\"error\"}",
                "ktstrd_handout_seconds_count{source=\"cold\"}",
                "ktstrd_handout_seconds_count{source=\"clone\"}",
                "ktstrd_handout_seconds_count{source=\"pool\"}",
                "ktstrd_boot_seconds_count{source=\"cold\"}",
                "ktstrd_boot_seconds_count{source=\"clone\"}",
                "ktstrd_queue_wait_seconds_count",
                "ktstrd_pool_hits_total",
                "ktstrd_pool_misses_total",
                "ktstrd_pool_guests{state=\"idle\"}",
                "ktstrd_pool_memory_bytes",
                "ktstrd_template_builds_total{result=\"built\"}",
                "ktstrd_template_builds_total{result=\"failed\"}",
                "ktstrd_guests_failed_total{end=\"start\"}",
                "ktstrd_guests_failed_total{end=\"protocol\"}",
                "ktstrd_jobs_running",
                "ktstrd_jobs_queued",
                "ktstrd_connections",
        };

        fresh();
        r = exposed(&(struct metrics_pool){});
        for (size_t i = 0; i < KT_ARRAY_SIZE(nothing_yet); i++)
                ck_assert_msg(value_of(r, nothing_yet[i]) == 0, "%s", nothing_yet[i]);
}
END_TEST

START_TEST(what_is_counted_is_what_is_shown)
{
        struct metrics *m = fresh();
        const struct reader *r;

        for (int i = 0; i < 3; i++)
                metrics_job_ended(m, VERDICT_FAIL);
        metrics_job_ended(m, VERDICT_CANCELLED);
        metrics_pool_hit(m);
        metrics_pool_hit(m);
        metrics_pool_miss(m);
        metrics_template(m, true);
        metrics_template(m, false);
        metrics_template(m, false);
        metrics_guest_failed(m, GUEST_END_BOOT);
        metrics_guest_failed(m, GUEST_END_CRASHED);
        metrics_guest_failed(m, GUEST_END_CRASHED);
        metrics_guest_failed(m, GUEST_END_STOPPED);
        metrics_guest_failed(m, GUEST_END_POWEROFF);
        server.jobs.n_running = 4;
        server.jobs.n_queued = 5;
        server.n_conns = 6;
        r = exposed(&(struct metrics_pool){.idle = 7, .building = 8, .memory_bytes = 9ULL << 30});

        ck_assert_double_eq(value_of(r, "ktstrd_jobs_ended_total{verdict=\"fail\"}"), 3);
        ck_assert_double_eq(value_of(r, "ktstrd_jobs_ended_total{verdict=\"cancelled\"}"), 1);
        ck_assert_double_eq(value_of(r, "ktstrd_jobs_ended_total{verdict=\"pass\"}"), 0);
        ck_assert_double_eq(value_of(r, "ktstrd_pool_hits_total"), 2);
        ck_assert_double_eq(value_of(r, "ktstrd_pool_misses_total"), 1);
        ck_assert_double_eq(value_of(r, "ktstrd_template_builds_total{result=\"built\"}"), 1);
        ck_assert_double_eq(value_of(r, "ktstrd_template_builds_total{result=\"failed\"}"), 2);
        ck_assert_double_eq(value_of(r, "ktstrd_guests_failed_total{end=\"boot\"}"), 1);
        ck_assert_double_eq(value_of(r, "ktstrd_guests_failed_total{end=\"crashed\"}"), 2);
        ck_assert_double_eq(value_of(r, "ktstrd_guests_failed_total{end=\"died\"}"), 0);
        ck_assert_double_eq(value_of(r, "ktstrd_jobs_running"), 4);
        ck_assert_double_eq(value_of(r, "ktstrd_jobs_queued"), 5);
        ck_assert_double_eq(value_of(r, "ktstrd_connections"), 6);
        ck_assert_double_eq(value_of(r, "ktstrd_pool_guests{state=\"idle\"}"), 7);
        ck_assert_double_eq(value_of(r, "ktstrd_pool_guests{state=\"building\"}"), 8);
        ck_assert_double_eq(value_of(r, "ktstrd_pool_memory_bytes"), (double)(9ULL << 30));
        ck_assert_double_eq(value_of(r, "ktstrd_build_info{version=\"" KT_VERSION "\"}"), 1);
}
END_TEST

START_TEST(times_lie_in_their_buckets)
{
        struct metrics *m = fresh();
        const struct reader *r;

        metrics_handout(m, METRICS_POOL, 0.0004);
        metrics_handout(m, METRICS_POOL, 0.0005); /* a bound belongs to its bucket */
        metrics_handout(m, METRICS_POOL, 0.0014);
        metrics_handout(m, METRICS_POOL, 60.5);
        metrics_handout(m, METRICS_COLD, 2);
        metrics_boot(m, METRICS_CLONE, 0.06);
        metrics_boot(m, METRICS_COLD, 300);
        metrics_queue_wait(m, 0);
        metrics_queue_wait(m, 3599);
        metrics_queue_wait(m, 86400);
        r = exposed(NULL);

        ck_assert_double_eq(value_of(r, "ktstrd_handout_seconds_bucket{source=\"pool\",le=\"0.0005\"}"), 2);
        ck_assert_double_eq(value_of(r, "ktstrd_handout_seconds_bucket{source=\"pool\",le=\"0.001\"}"), 2);
        ck_assert_double_eq(value_of(r, "ktstrd_handout_seconds_bucket{source=\"pool\",le=\"0.002\"}"), 3);
        ck_assert_double_eq(value_of(r, "ktstrd_handout_seconds_bucket{source=\"pool\",le=\"60.0\"}"), 3);
        ck_assert_double_eq(value_of(r, "ktstrd_handout_seconds_bucket{source=\"pool\",le=\"+Inf\"}"), 4);
        ck_assert_double_eq_tol(value_of(r, "ktstrd_handout_seconds_sum{source=\"pool\"}"), 60.5023, 1e-9);
        ck_assert_double_eq(value_of(r, "ktstrd_handout_seconds_count{source=\"cold\"}"), 1);
        ck_assert_double_eq(value_of(r, "ktstrd_handout_seconds_count{source=\"clone\"}"), 0);
        ck_assert_double_eq(value_of(r, "ktstrd_boot_seconds_bucket{source=\"clone\",le=\"0.05\"}"), 0);
        ck_assert_double_eq(value_of(r, "ktstrd_boot_seconds_bucket{source=\"clone\",le=\"0.1\"}"), 1);
        ck_assert_double_eq(value_of(r, "ktstrd_boot_seconds_bucket{source=\"cold\",le=\"120.0\"}"), 0);
        ck_assert_double_eq(value_of(r, "ktstrd_boot_seconds_bucket{source=\"cold\",le=\"300.0\"}"), 1);
        ck_assert_double_eq(value_of(r, "ktstrd_queue_wait_seconds_bucket{le=\"0.001\"}"), 1);
        ck_assert_double_eq(value_of(r, "ktstrd_queue_wait_seconds_bucket{le=\"3600.0\"}"), 2);
        ck_assert_double_eq(value_of(r, "ktstrd_queue_wait_seconds_count"), 3);
        ck_assert_double_eq(value_of(r, "ktstrd_queue_wait_seconds_sum"), 89999);
}
END_TEST

START_TEST(a_time_that_is_none_spoils_nothing)
{
        struct metrics *m = fresh();
        const struct reader *r;

        metrics_queue_wait(m, -1);
        metrics_queue_wait(m, NAN);
        metrics_queue_wait(m, INFINITY);
        metrics_queue_wait(m, 1.5);
        r = exposed(NULL);
        ck_assert_double_eq(value_of(r, "ktstrd_queue_wait_seconds_count"), 4);
        ck_assert_double_eq(value_of(r, "ktstrd_queue_wait_seconds_sum"), 1.5);
        ck_assert_double_ge(metrics_seconds_since(uv_hrtime() - 1500000000), 1.5);
}
END_TEST

START_TEST(without_a_pool_its_gauges_are_left_out)
{
        const struct reader *r;

        fresh();
        r = exposed(NULL);
        ck_assert(!has_family(r, "ktstrd_pool_guests"));
        ck_assert(!has_family(r, "ktstrd_pool_memory_bytes"));
        ck_assert(has_family(r, "ktstrd_pool_hits"));
        ck_assert(has_family(exposed(&(struct metrics_pool){}), "ktstrd_pool_guests"));
}
END_TEST

START_TEST(the_process_is_this_one)
{
        double before = (double)time(NULL), fds, started;
        const struct reader *r;
        int fd;

        fresh();
        r = exposed(NULL);
        started = value_of(r, "ktstrd_start_time_seconds");
        ck_assert_double_ge(started, before);
        ck_assert_double_le(started, (double)time(NULL) + 1);
        ck_assert_double_gt(value_of(r, "ktstrd_resident_memory_bytes"), 100000);
        fds = value_of(r, "ktstrd_open_fds");
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_double_eq(value_of(exposed(NULL), "ktstrd_open_fds"), fds + 1);
        close(fd);
}
END_TEST

START_TEST(any_label_value_comes_through)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        openmetrics_family(f, "a", "gauge", NULL, "b");
        openmetrics_sample(f, "a", "label", "say \"C:\\new\"\nor not", 18446744073709551615ULL);
        fputs(OPENMETRICS_EOF, f);
        ck_assert_int_eq(fclose(f), 0);
        read_or_abort(text);
        ck_assert_str_eq(text, "# TYPE a gauge\n# HELP a b\n"
                               "a{label=\"say \\\"C:\\\\new\\\"\\nor not\"} 18446744073709551615\n"
                               "# EOF\n");
}
END_TEST

UNIT_MAIN("metrics", the_reader_refuses_what_is_wrong, before_anything_happened_all_is_there_and_zero,
          what_is_counted_is_what_is_shown, times_lie_in_their_buckets, a_time_that_is_none_spoils_nothing,
          without_a_pool_its_gauges_are_left_out, the_process_is_this_one, any_label_value_comes_through)
