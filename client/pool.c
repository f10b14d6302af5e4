/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../common/fsutil.h"
#include "request.h"
#include "simple.h"
#include "units.h"

static const char usage[] =
        "ktstrctl pool list                   what is ready before there is a job for it; also: ktstrctl "
        "pool\n"
        "ktstrctl pool prime [SHAPE]          have guests of a shape ready, and wait until they are\n"
        "ktstrctl pool drop [SHAPE]           end the ready guests of a shape, or of all, and make no more\n"
        "                                     until a job wants one\n\n"
        "SHAPE is KERNEL/TOPOLOGY/MEMORY/ACCEL as `list` shows it, or a topology alone (1n1l2c1t); for "
        "drop\n"
        "also a kernel's key.\n\n"
        "  --idle N             prime: how many guests (default: Idle= in ktstrd.conf, that is 2)\n"
        "  --kernel SPEC, --topology NnNlNcNt, --memory SIZE, --accel NAME\n"
        "                       prime: the shape, as for submit\n"
        "  --templates          drop: remove from disk too what the guests are cloned from\n"
        "  --json               machine-readable\n"
        "  --socket PATH, --no-autostart\n\n"
        "Exit status: 0 done, 3 the daemon could not do it, 64 usage, 69 no daemon.\n";

enum {
        OPT_IDLE = 256,
        OPT_TEMPLATES,
};

static const struct option options[] = {
        GLOBAL_OPTIONS,
        {"kernel", required_argument, NULL, OPT_REQUEST_KERNEL},
        {"topology", required_argument, NULL, OPT_REQUEST_TOPOLOGY},
        {"memory", required_argument, NULL, OPT_REQUEST_MEMORY},
        {"accel", required_argument, NULL, OPT_REQUEST_ACCEL},
        {"idle", required_argument, NULL, OPT_IDLE},
        {"templates", no_argument, NULL, OPT_TEMPLATES},
        {},
};

/* --- list --- */

/* "3 s", "5 min", "2 h". */
static const char *age(int64_t ms, char ret[24])
{
        const int64_t s = ms / 1000;

        if (s < 120)
                snprintf(ret, 24, "%lld s", (long long)s);
        else if (s < 7200)
                snprintf(ret, 24, "%lld min", (long long)(s / 60));
        else
                snprintf(ret, 24, "%lld h", (long long)(s / 3600));
        return ret;
}

/* One whose time has come is tried as soon as there are CPUs for it. */
static void print_failure(struct json_object *o)
{
        const int64_t times = kt_json_int(o, "failures", 0), ms = kt_json_int(o, "retry_ms", 0);
        const bool tries =
                kt_json_int(o, "building", 0) > 0 || strcmp(kt_json_str(o, "template"), "building") == 0;

        printf("  failed, ");
        if (times > 1)
                printf("%lld times in a row, ", (long long)times);
        if (tries)
                printf("and is being tried again");
        else if (ms > 0)
                printf("next try in %lld s", (long long)(ms + 999) / 1000);
        else
                printf("next try when jobs leave CPUs free");
        printf(": %s\n", kt_json_str(o, "reason"));
}

static void print_shape(struct json_object *o, int width)
{
        char used[24] = "never", oldest[24] = "-";

        if (kt_json_get(o, "unused_ms"))
                age(kt_json_int(o, "unused_ms", 0), used);
        if (kt_json_get(o, "oldest_idle_ms"))
                age(kt_json_int(o, "oldest_idle_ms", 0), oldest);
        printf("%-*s %-8s %4lld %4lld %8lld %6lld %6lld %7s %7s %6.1f MB\n", width, kt_json_str(o, "shape"),
               kt_json_str(o, "template"), (long long)kt_json_int(o, "idle", 0),
               (long long)kt_json_int(o, "want", 0), (long long)kt_json_int(o, "building", 0),
               (long long)kt_json_int(o, "hits", 0), (long long)kt_json_int(o, "misses", 0), oldest, used,
               (double)kt_json_int(o, "memory_bytes", 0) / 1e6);
        if (kt_json_str(o, "reason"))
                print_failure(o);
}

static void print_shapes(struct json_object *shapes)
{
        const size_t n = json_object_array_length(shapes);
        int width = (int)strlen("SHAPE");

        for (size_t i = 0; i < n; i++) {
                const int len = (int)strlen(kt_json_str(json_object_array_get_idx(shapes, i), "shape"));

                if (len > width)
                        width = len;
        }
        printf("%-*s %-8s %4s %4s %8s %6s %6s %7s %7s %9s\n", width, "SHAPE", "TEMPLATE", "IDLE", "WANT",
               "BUILDING", "HITS", "MISSES", "OLDEST", "UNUSED", "MEMORY");
        for (size_t i = 0; i < n; i++)
                print_shape(json_object_array_get_idx(shapes, i), width);
}

static int list(struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *shapes;
        int status;

        if (!simple_call(&verb_pool, g, "io.ktstrd.Pool.List", NULL, &reply, &status))
                return status;
        if (g->json)
                return simple_print_json(reply);
        shapes = kt_json_get(reply, "shapes");
        if (json_object_array_length(shapes) > 0)
                print_shapes(shapes);
        else if (kt_json_int(reply, "idle_max", 0) > 0)
                fprintf(stderr, "nothing is in demand: the first job of a shape brings it here, or ktstrctl "
                                "pool prime does\n");
        if (kt_json_int(reply, "idle_max", 0) == 0)
                fprintf(stderr,
                        "no guests are kept ready: Templates= or Maximum= in ktstrd.conf(5) says so\n");
        if (kt_json_bool(reply, "held", false))
                printf("The host is short of memory: no guests are made for now.\n");
        return 0;
}

/* --- prime --- */

/* A shape as `list` has it, in its parts; false when it is none. */
static bool take_apart(const char *shape, struct json_object *params)
{
        _cleanup_free_ char *copy = strdup(shape);
        char *save = NULL, *part[4];
        int64_t mib;
        unsigned n = 0;

        if (!copy)
                return false;
        for (char *p = strtok_r(copy, "/", &save); p && n < 4; p = strtok_r(NULL, "/", &save))
                part[n++] = p;
        if (n != 4 || parse_size(part[2], &mib) < 0)
                return false;
        kt_json_add_str(params, "kernel", part[0]);
        kt_json_add_str(params, "topology", part[1]);
        kt_json_add_int(params, "memory_mib", mib);
        kt_json_add_str(params, "accel", part[3]);
        return true;
}

/* Of a parameter's name that which is the option's: kernel(s), memory(_mib). */
static int option_length(const char *parameter)
{
        return (int)strcspn(parameter, "s_");
}

/* A whole shape leaves nothing for the options to say. */
static int take_shape(const char *shape, struct json_object *params)
{
        const char *const parts[] = {"kernels", "topology", "memory_mib", "accel"};
        const bool whole = strchr(shape, '/');

        for (size_t i = 0; i < KT_ARRAY_SIZE(parts); i++)
                if (kt_json_get(params, parts[i]) && (whole || strcmp(parts[i], "topology") == 0))
                        return verb_usage_error(&verb_pool, "'%s' has its %.*s: leave out --%.*s", shape,
                                                option_length(parts[i]), parts[i], option_length(parts[i]),
                                                parts[i]);
        if (whole && !take_apart(shape, params))
                return verb_usage_error(&verb_pool,
                                        "'%s' is neither a topology nor KERNEL/TOPOLOGY/MEMORY/ACCEL as "
                                        "`ktstrctl pool` lists them",
                                        shape);
        if (!whole)
                kt_json_add_str(params, "topology", shape);
        return 0;
}

/* Takes params. */
static int prime(const char *shape, struct json_object *params, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        int status = shape ? take_shape(shape, params) : 0;

        if (status) {
                json_object_put(params);
                return status;
        }
        status = request_one_kernel(&verb_pool, g, params);
        if (status) {
                json_object_put(params);
                return status;
        }
        if (!simple_call(&verb_pool, g, "io.ktstrd.Pool.Prime", params, &reply, &status))
                return status;
        if (g->json)
                return simple_print_json(reply);
        printf("%s: %lld ready after %.1f s\n", kt_json_str(reply, "shape"),
               (long long)kt_json_int(reply, "idle", 0), (double)kt_json_int(reply, "took_ms", 0) / 1000);
        return 0;
}

/* --- drop --- */

static int drop(const char *shape, struct json_object *params, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        int status;

        if (shape)
                kt_json_add_str(params, "shape", shape);
        if (!simple_call(&verb_pool, g, "io.ktstrd.Pool.Drop", params, &reply, &status))
                return status;
        if (g->json)
                return simple_print_json(reply);
        printf("dropped: %lld\n", (long long)kt_json_int(reply, "dropped", 0));
        return 0;
}

/* --- the verb --- */

static int take_option(int opt, struct json_object *params)
{
        int64_t n;
        int r = request_option(&verb_pool, opt, optarg, params);

        if (r != 0)
                return r == 1 ? 0 : r;
        if (opt == OPT_IDLE) {
                if (parse_number(optarg, 1, 100000, &n) < 0)
                        return verb_usage_error(&verb_pool, "--idle: '%s' is no number of guests, from 1 on",
                                                optarg);
                kt_json_add_int(params, "idle", n);
        } else
                kt_json_add_bool(params, "templates", true);
        return 0;
}

/* Of prime and drop each has its own. */
static int check_options(const char *what, struct json_object *params)
{
        const char *const of_prime[] = {"kernels", "topology", "memory_mib", "accel", "idle"};

        if (strcmp(what, "prime") != 0)
                for (size_t i = 0; i < KT_ARRAY_SIZE(of_prime); i++)
                        if (kt_json_get(params, of_prime[i]))
                                return verb_usage_error(&verb_pool, "%s takes no --%.*s", what,
                                                        option_length(of_prime[i]), of_prime[i]);
        if (strcmp(what, "drop") != 0 && kt_json_get(params, "templates"))
                return verb_usage_error(&verb_pool, "%s takes no --templates", what);
        return 0;
}

static int run_with(struct json_object *params, int argc, char **argv, struct globals *g)
{
        const char *what = optind < argc ? argv[optind] : "list",
                   *shape = optind + 1 < argc ? argv[optind + 1] : NULL;
        const int most = strcmp(what, "list") == 0 ? 1 : 2;
        int status;

        if (argc - optind > most)
                return verb_usage_error(&verb_pool, "unexpected argument '%s'", argv[optind + most]);
        status = check_options(what, params);
        if (status)
                return status;
        if (strcmp(what, "list") == 0)
                return list(g);
        if (strcmp(what, "prime") == 0)
                return prime(shape, json_object_get(params), g);
        if (strcmp(what, "drop") == 0)
                return drop(shape, json_object_get(params), g);
        return verb_usage_error(&verb_pool, "there is no 'pool %s': list, prime or drop", what);
}

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *params = json_object_new_object();
        int opt, status = 0;

        while (!status && (opt = verb_option(&verb_pool, argc, argv, options, g, &status)) >= 0)
                status = take_option(opt, params);
        return status || opt == -2 ? status : run_with(params, argc, argv, g);
}

const struct verb verb_pool = {"pool", "guests that are ready for a job: list, prime, drop", usage, run};
