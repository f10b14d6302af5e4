/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "../proto/errors.h"
#include "connect.h"
#include "exit_status.h"
#include "include_files.h"
#include "request.h"
#include "watch.h"

static const char usage[] =
        "ktstrctl shell --exec COMMAND [OPTION]...\n"
        "Run a command in a guest with /bin/sh -c (busybox).\n\n"
        "  --exec COMMAND       the command\n"
        "  -i FILE|DIR          put it under /include-files/ in the guest; may be repeated. A bare name is\n"
        "                       looked for on the PATH too; a program brings its libraries "
        "along\n" REQUEST_USAGE "  --json               one event a line\n"
        "  --socket PATH, --no-autostart\n\n"
        "Exit status: that of the command, 128+N when signal N ended it, 255 when the harness failed.\n";

enum {
        OPT_EXEC = 256,
        OPT_INCLUDE,
};

static const struct option options[] = {
        GLOBAL_OPTIONS,
        REQUEST_OPTIONS,
        {"exec", required_argument, NULL, OPT_EXEC},
        {"include-files", required_argument, NULL, OPT_INCLUDE},
        {},
};

static int include(struct bundle *b, const char *what)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        return include_files_add(b, what, &(const struct include_names){"shell", "-i"}, &err) < 0
                       ? client_tell(&verb_shell, &err)
                       : 0;
}

static int send_and_watch(struct json_object *params, struct bundle *b, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_(rpc_done) struct rpc rpc = {.fd = -1};
        struct watch w = {.verb = &verb_shell, .globals = g, .shell = true, .cancel_on_interrupt = true};
        int status;

        if (!client_connect_or_tell(&verb_shell, g, &rpc, &status)) {
                json_object_put(params);
                return EXIT_STATUS_SHELL_HARNESS;
        }
        if (rpc_send(&rpc, "io.ktstrd.Shell.Open", params, true, b->fds, b->n, &err) < 0) {
                client_tell(&verb_shell, &err);
                return EXIT_STATUS_SHELL_HARNESS;
        }
        return watch_job(&w, &rpc);
}

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct json_object *params = json_object_new_object();
        struct bundle bundle;
        int opt = -1, status = 0;

        if (bundle_init(&bundle, &err) < 0)
                return client_tell(&verb_shell, &err);
        while (!status && (opt = verb_option(&verb_shell, argc, argv, options, g, &status)) >= 0) {
                int r = request_option(&verb_shell, opt, optarg, params);

                if (r == 0 && opt == OPT_EXEC)
                        kt_json_add_str(params, "command", optarg);
                else if (r == 0 && (opt == OPT_INCLUDE || opt == 'i'))
                        status = include(&bundle, optarg);
                else if (r != 1)
                        status = r;
        }
        if (!status && opt == -1) {
                if (optind < argc)
                        status = verb_usage_error(&verb_shell, "unexpected argument '%s'", argv[optind]);
                else if (!kt_json_get(params, "command"))
                        status = verb_usage_error(
                                &verb_shell,
                                "there is no interactive shell yet; name a command with --exec");
                else {
                        kt_json_add(params, "files", json_object_get(bundle.artifacts));
                        status = request_one_kernel(&verb_shell, g, params);
                        if (status)
                                status = status == EXIT_STATUS_USAGE ? status : EXIT_STATUS_SHELL_HARNESS;
                        else
                                status = send_and_watch(TAKE_PTR(params), &bundle, g);
                }
        }
        json_object_put(params);
        bundle_done(&bundle);
        return status;
}

const struct verb verb_shell = {"shell", "run a command in a guest", usage, run, "i:"};
