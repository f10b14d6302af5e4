/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "output_file.h"
#include "simple.h"

static const char usage[] = "ktstrctl metrics [--output FILE] [--json]\n"
                            "What the daemon has counted and measured, as OpenMetrics text.\n\n"
                            "  --output FILE        into FILE, which has the old text or the new one at any "
                            "time, never a part\n";

enum {
        OPT_OUTPUT = 256,
};

static const struct option options[] = {GLOBAL_OPTIONS, {"output", required_argument, NULL, OPT_OUTPUT}, {}};

static char *what_was_asked_for(struct json_object *reply, bool json)
{
        if (!json)
                return strdup(kt_json_str(reply, "text"));
        return kt_format("%s\n", json_object_to_json_string_ext(
                                         reply, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void free_output(struct output_file **file)
{
        output_file_free(*file);
}

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *reply = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_(free_output) struct output_file *file = NULL;
        const char *output = NULL;
        int status = 0, opt;

        while ((opt = verb_option(&verb_metrics, argc, argv, options, g, &status)) >= 0)
                output = optarg;
        if (opt == -2)
                return status;
        if (optind < argc)
                return verb_usage_error(&verb_metrics, "unexpected argument '%s'", argv[optind]);
        if (output && output_file_open(output, &file, &err) < 0)
                return client_tell(&verb_metrics, &err);
        if (!simple_call(&verb_metrics, g, "io.ktstrd.Daemon.Metrics", NULL, &reply, &status))
                return status;
        text = what_was_asked_for(reply, g->json);
        if (!text) {
                kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");
                return client_tell(&verb_metrics, &err);
        }
        if (!output) {
                fputs(text, stdout);
                return 0;
        }
        return output_file_publish(file, text, strlen(text), &err) < 0 ? client_tell(&verb_metrics, &err)
                                                                       : 0;
}

const struct verb verb_metrics = {"metrics", "what it has counted, for monitoring", usage, run};
