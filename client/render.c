/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "render.h"

#include <ctype.h>
#include <string.h>

#include "../proto/codec.h"
#include "units.h"

#define LOG_LINES_SHOWN 40
#define CHECKS_SHOWN 8U /* of one name */
#define LIST_SHOWN 16U  /* cgroups, metrics, messages */

static const char *colour_of(const char *verdict)
{
        if (strcmp(verdict, "pass") == 0)
                return "\033[1;32m";
        return strcmp(verdict, "fail") == 0 ? "\033[1;31m" : "\033[1;33m";
}

static void print_head(FILE *f, struct json_object *v, const char *what, bool colours)
{
        const char *verdict = kt_json_str(v, "verdict"), *reason = kt_json_str(v, "reason");

        if (colours)
                fputs(colour_of(verdict), f);
        for (const char *p = verdict; *p; p++)
                fputc(toupper((unsigned char)*p), f);
        if (colours)
                fputs("\033[0m", f);
        fprintf(f, " %s%s%s (%.1f s)\n", what ? what : "", what ? ": " : "", reason,
                (double)kt_json_int(v, "elapsed_ms", 0) / 1000);
}

static void print_block(FILE *f, const char *title, const char *part, const char *text, unsigned lines)
{
        fprintf(f, "  %s%s:\n", title, part);
        while (*text && lines-- > 0) {
                size_t len = strcspn(text, "\n");

                fprintf(f, "    %.*s\n", (int)len, text);
                text += len + (text[len] == '\n');
        }
}

/* Where the point of a verifier log is. */
static void print_end(FILE *f, const char *title, const char *text)
{
        const char *p = text + strlen(text);
        unsigned lines = 0;

        while (p > text && lines < LOG_LINES_SHOWN)
                if (*--p == '\n' && p[1])
                        lines++;
        if (p > text)
                p++;
        print_block(f, title, p > text ? " (its end)" : "", p, LOG_LINES_SHOWN);
}

/* Where the point of a debug dump is: what triggered it, and the runqueues; counters come last. */
static void print_beginning(FILE *f, const char *title, const char *text)
{
        const char *p = text;
        unsigned lines = 0;

        while (*p && lines < LOG_LINES_SHOWN) {
                p += strcspn(p, "\n");
                p += *p == '\n';
                lines++;
        }
        print_block(f, title, *p ? " (its beginning)" : "", text, LOG_LINES_SHOWN);
}

/* Its further lines, of a console for instance, stand under the first. */
static void print_note(FILE *f, const char *lead, const char *text)
{
        for (const char *p = text; *p; lead = "") {
                size_t len = strcspn(p, "\n");

                fprintf(f, "  %-10s %.*s\n", lead, (int)len, p);
                p += len + (p[len] == '\n');
        }
}

/* What the test said, but for what is the verdict's reason already. */
static void print_messages(FILE *f, struct json_object *messages, const char *reason)
{
        size_t n = messages ? json_object_array_length(messages) : 0, shown = 0;

        for (size_t i = 0; i < n; i++) {
                struct json_object *m = json_object_array_get_idx(messages, i);
                const char *text = kt_json_str(m, "text");
                char lead[32];

                if (strcmp(text, reason) == 0)
                        continue;
                if (shown++ == LIST_SHOWN) {
                        fprintf(f, "  … and %zu more messages\n", n - i);
                        return;
                }
                snprintf(lead, sizeof(lead), "%s:", kt_json_str(m, "outcome"));
                print_note(f, lead, text);
        }
}

static void print_scheduler(FILE *f, struct json_object *s)
{
        const char *error = kt_json_str(s, "error_text"), *verifier = kt_json_str(s, "verifier_log"),
                   *dump = kt_json_str(s, "dump"), *kind = kt_json_str(s, "exit_kind"),
                   *ops = kt_json_str(s, "ops");
        const char *outcome = kt_json_str(s, "outcome");
        bool well = strcmp(outcome, "stopped") == 0;

        if (error && !well)
                fprintf(f, "  error:     %s\n", error);
        fprintf(f, "  scheduler: %s", outcome);
        if (ops)
                fprintf(f, ", attached as '%s' after %lld ms", ops,
                        (long long)kt_json_int(s, "attach_ms", 0));
        if (kind)
                fprintf(f, ", exit kind %s", kind);
        if (kt_json_get(s, "exit_code"))
                fprintf(f, ", exit status %lld", (long long)kt_json_int(s, "exit_code", 0));
        if (kt_json_get(s, "exit_signal"))
                fprintf(f, ", signal %lld", (long long)kt_json_int(s, "exit_signal", 0));
        fputc('\n', f);
        if (verifier && !well)
                print_end(f, "verifier log", verifier);
        if (dump && !well)
                print_beginning(f, "debug dump", dump);
}

static void print_trace(FILE *f, struct json_object *trace, const char *error)
{
        const size_t n = trace ? json_object_array_length(trace) : 0;

        if (error)
                fprintf(f, "  trace:     %s: %s\n", n > 0 ? "without" : "none", error);
        if (n > 0)
                fputs("  trace (its end):\n", f);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "    %s\n", json_object_get_string(json_object_array_get_idx(trace, i)));
}

/* A line for those of one name that were not shown; begins to count anew. */
static void print_left_out(FILE *f, size_t *same)
{
        if (*same > CHECKS_SHOWN)
                fprintf(f, "  %-12s %-13s … and %zu more\n", "", "", *same - CHECKS_SHOWN);
        *same = 0;
}

static void print_checks(FILE *f, struct json_object *checks)
{
        const char *before = "";
        size_t same = 0, n = checks ? json_object_array_length(checks) : 0;

        for (size_t i = 0; i < n; i++) {
                struct json_object *c = json_object_array_get_idx(checks, i);
                const char *name = kt_json_str(c, "name");

                if (strcmp(name, before) != 0)
                        print_left_out(f, &same);
                before = name;
                if (++same > CHECKS_SHOWN)
                        continue;
                fprintf(f, "  %-12s %-13s %s\n", name, kt_json_str(c, "verdict"), kt_json_str(c, "text"));
        }
        print_left_out(f, &same);
}

static void print_cgroup(FILE *f, struct json_object *g)
{
        fprintf(f, "  %s: workers=%lld cpus=%lld spread=%.1f%% gap=%lldms migrations=%lld iter=%lld",
                kt_json_str(g, "name"), (long long)kt_json_int(g, "workers", 0),
                (long long)kt_json_int(g, "cpus", 0), kt_json_double(g, "spread_pct", 0),
                (long long)kt_json_int(g, "gap_ms", 0), (long long)kt_json_int(g, "migrations", 0),
                (long long)kt_json_int(g, "iterations", 0));
        if (kt_json_get(g, "wakes"))
                fprintf(f, " wakes=%lld p50=%.1fus p99=%.1fus", (long long)kt_json_int(g, "wakes", 0),
                        (double)kt_json_int(g, "wake_p50_ns", 0) / 1000,
                        (double)kt_json_int(g, "wake_p99_ns", 0) / 1000);
        fputc('\n', f);
}

/* Of a list as long as it pleases a test, the first and how many are left out. */
static void print_list(FILE *f, struct json_object *list, const char *what,
                       void (*print)(FILE *f, struct json_object *o))
{
        size_t n = list ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n && i < LIST_SHOWN; i++)
                print(f, json_object_array_get_idx(list, i));
        if (n > LIST_SHOWN)
                fprintf(f, "  … and %zu more %s\n", n - LIST_SHOWN, what);
}

static void print_metric(FILE *f, struct json_object *m)
{
        const char *unit = kt_json_str(m, "unit"), *better = kt_json_str(m, "better");

        fprintf(f, "  metric:    %s = %.10g%s%s", kt_json_str(m, "name"), kt_json_double(m, "value", 0),
                unit && *unit ? " " : "", unit ? unit : "");
        if (better)
                fprintf(f, " (%s is better)", better);
        fputc('\n', f);
}

/* Where the guest came from and how long that took: a boot takes seconds, to wake milliseconds. */
static void print_origin(FILE *f, struct json_object *g)
{
        const char *source = kt_json_str(g, "source");
        const int64_t ms = kt_json_int(g, "boot_ms", 0);

        if (source && strcmp(source, "cold") != 0)
                fprintf(f, ", %s and awake in %lld ms",
                        strcmp(source, "pool") == 0 ? "ready in the pool" : "cloned", (long long)ms);
        else
                fprintf(f, ", up in %.1f s", (double)ms / 1000);
}

static void print_guest(FILE *f, struct json_object *g)
{
        fprintf(f, "  guest:     Linux %s, %s, %lld CPUs, %lld MiB, %s (%s)", kt_json_str(g, "release"),
                kt_json_str(g, "topology"), (long long)kt_json_int(g, "cpus", 0),
                (long long)kt_json_int(g, "memory_mib", 0), kt_json_str(g, "accel"),
                kt_json_str(g, "accel_reason"));
        if (kt_json_get(g, "boot_ms"))
                print_origin(f, g);
        fputc('\n', f);
}

static void print_placement(FILE *f, struct json_object *p)
{
        fprintf(f, "  host CPUs: %s", kt_json_str(p, "host_cpus"));
        if (kt_json_bool(p, "performance_mode", false))
                fprintf(f, ", one for each vCPU and CPU %lld for the rest; no other job ran",
                        (long long)kt_json_int(p, "rest", 0));
        fputc('\n', f);
}

/* What came of a build is one line, unless something went wrong. */
static void print_built(FILE *f, struct json_object *v, struct json_object *build)
{
        char took[32];

        fputs(kt_json_str(v, "reason"), f);
        if (!kt_json_bool(build, "existed", false)) {
                format_span(kt_json_int(v, "elapsed_ms", 0), took, sizeof(took));
                fprintf(f, " (%s)", took);
        }
        fputc('\n', f);
        fflush(f);
}

void render_verdict(FILE *f, struct json_object *v, const char *what, bool colours)
{
        struct json_object *build = kt_json_get(v, "build");
        struct json_object *scheduler = kt_json_get(v, "scheduler"), *guest = kt_json_get(v, "guest"),
                           *host = kt_json_get(v, "host"), *details = kt_json_get(v, "details");

        if (build && strcmp(kt_json_str(v, "verdict"), "pass") == 0) {
                print_built(f, v, build);
                return;
        }
        print_head(f, v, build ? kt_json_str(build, "source") : what, colours);
        if (scheduler)
                print_scheduler(f, scheduler);
        print_trace(f, kt_json_get(v, "trace"), kt_json_str(v, "trace_error"));
        print_messages(f, kt_json_get(v, "messages"), kt_json_str(v, "reason"));
        print_checks(f, kt_json_get(v, "checks"));
        print_list(f, kt_json_get(v, "metrics"), "metrics", print_metric);
        print_list(f, kt_json_get(v, "cgroups"), "cgroups", print_cgroup);
        if (guest)
                print_guest(f, guest);
        if (kt_json_get(v, "placement"))
                print_placement(f, kt_json_get(v, "placement"));
        if (host)
                fprintf(f,
                        "  host:      kept the vCPUs waiting %lld ms in %lld ms, a worker %lld ms at most\n",
                        (long long)kt_json_int(host, "run_delay_ms", 0),
                        (long long)kt_json_int(host, "window_ms", 0),
                        (long long)kt_json_int(host, "worker_delay_ms", 0));
        if (kt_json_get(v, "seed"))
                fprintf(f, "  seed:      %lld\n", (long long)kt_json_int(v, "seed", 0));
        for (size_t i = 0; details && i < json_object_array_length(details); i++)
                print_note(f, "note:", json_object_get_string(json_object_array_get_idx(details, i)));
        if (kt_json_str(v, "result_dir"))
                fprintf(f, "  logs:      %s\n", kt_json_str(v, "result_dir"));
        fflush(f);
}
