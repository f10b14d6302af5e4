/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "simple.h"

static const char usage[] = "ktstrctl metrics [--output FILE] [--json]\n"
                            "What the daemon has counted and measured, as OpenMetrics text.\n\n"
                            "  --output FILE        into FILE, which has the old text or the new one at any "
                            "time, never a part\n";

enum {
        OPT_OUTPUT = 256,
};

static const struct option options[] = {GLOBAL_OPTIONS, {"output", required_argument, NULL, OPT_OUTPUT}, {}};

/* The folder of the file to write, and its name there. What has the name is replaced: it had better be a
 * file, and no device. Returns the descriptor. */
static int open_folder(const char *path, const char **ret_name, struct kt_error *reterr)
{
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        _cleanup_free_ char *folder = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (!folder)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "cannot open the folder of %s: %s", path,
                                    strerror(errno));
        if (!*name || (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode)))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE,
                                    "'%s' is no file that could be replaced; name another with --output",
                                    path);
        *ret_name = name;
        return TAKE_FD(fd);
}

static char *what_was_asked_for(struct json_object *reply, bool json)
{
        if (!json)
                return strdup(kt_json_str(reply, "text"));
        return kt_format("%s\n", json_object_to_json_string_ext(
                                         reply, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int run(int argc, char **argv, struct globals *g)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *reply = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int folder_fd = -1;
        const char *output = NULL, *name = NULL;
        int status = 0, opt, r;

        while ((opt = verb_option(&verb_metrics, argc, argv, options, g, &status)) >= 0)
                output = optarg;
        if (opt == -2)
                return status;
        if (optind < argc)
                return verb_usage_error(&verb_metrics, "unexpected argument '%s'", argv[optind]);
        if (output && (folder_fd = open_folder(output, &name, &err)) < 0)
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
        /* Whoever collects it is another user as a rule. */
        r = kt_publish_file(folder_fd, name, text, strlen(text), 0644);
        if (r >= 0)
                return 0;
        kt_error_set(&err, r, KT_E_IO, "cannot write %s: %s", output, strerror(-r));
        return client_tell(&verb_metrics, &err);
}

const struct verb verb_metrics = {"metrics", "what it has counted, for monitoring", usage, run};
