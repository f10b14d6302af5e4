/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ktstrd-build: gets kernels and builds them, for ktstrd. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <build_config.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "answer.h"
#include "child.h"
#include "commands.h"

#define EXIT_USAGE 64
#define REQUEST_MAX (8U << 20)

static const struct {
        const char *name;
        int (*run)(struct json_object *request);
} commands[] = {
        {"build", command_build},
        {"releases", command_releases},
        {"download", command_download},
};

static const char usage[] =
        "ktstrd-build build REQUEST      get a kernel's source and build it\n"
        "ktstrd-build releases REQUEST   print the list of releases\n"
        "ktstrd-build download REQUEST   fetch one file\n"
        "\n"
        "Started by ktstrd. REQUEST is a file of JSON; the answers are JSON too, one object a line, on\n"
        "standard output. `build` prints what it is about to build, and waits for the line \"go\" on "
        "standard\n"
        "input. SIGTERM ends it, and all that it has started.\n"
        "\n"
        "  --help      this\n"
        "  --version   which version this is\n";

static int read_request(const char *path, struct json_object **ret, struct kt_error *reterr)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = kt_read_file(AT_FDCWD, path, REQUEST_MAX, &text, &size);

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read the request %s: %s", path,
                                    strerror(-r));
        r = kt_json_parse(text, size, ret, reterr);
        if (r < 0)
                return kt_error_prefix(reterr, "the request %s", path);
        return 0;
}

static int run(size_t command, const char *path)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *request = NULL;

        if (read_request(path, &request, &err) < 0) {
                if (!err.name)
                        err.name = KT_E_INVALID_PARAMETER;
                return answer_error(&err, NULL);
        }
        return commands[command].run(request);
}

int main(int argc, char **argv)
{
        if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
                fputs(usage, stdout);
                return 0;
        }
        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                puts("ktstrd-build " KT_VERSION);
                return 0;
        }
        signal(SIGPIPE, SIG_IGN);
        child_setup();
        for (size_t i = 0; argc == 3 && i < KT_ARRAY_SIZE(commands); i++)
                if (strcmp(commands[i].name, argv[1]) == 0)
                        return run(i, argv[2]);
        fputs("ktstrd-build: build, releases or download and one file are expected; see ktstrd-build "
              "--help\n",
              stderr);
        return EXIT_USAGE;
}
