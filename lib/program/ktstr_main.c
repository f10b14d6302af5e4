/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a test program does when it is started: list itself, be a test's body, or hand itself to ktstrctl. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json_object.h>

#include "../../common/cleanup.h"
#include "../../proto/bodymsg.h"
#include "../body/body.h"
#include "list.h"
#include "program.h"
#include "validate.h"

#define STATUS_USAGE 64       /* as ktstrctl's */
#define STATUS_UNAVAILABLE 69 /* likewise: what would run the tests is not there */

static int list(const struct program *p)
{
        struct findings wrong;
        json_object *o;
        const char *text;
        int r;

        validate_program(p, &wrong);
        o = list_program(p, &wrong);
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!text)
                program_oom();
        r = puts(text) < 0 || fflush(stdout) != 0 ? 1 : 0;
        if (r != 0)
                fprintf(stderr, "%s: the list of tests cannot be written: %s\n",
                        program_invocation_short_name, strerror(errno));
        json_object_put(o);
        findings_done(&wrong);
        return r;
}

/* The body's end of its conversation: what the environment names, once. */
static int conversation_fd(void)
{
        const char *text = getenv(KT_BODY_FD_ENV);
        char *end = NULL;
        long fd = text ? strtol(text, &end, 10) : -1;

        if (!text || !*text || *end || fd < 0 || fd > INT_MAX || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
                return -1;
        unsetenv(KT_BODY_FD_ENV);
        return (int)fd;
}

/* Be the body of one test. Does not go through exit(): what else is in the program has no part in it. */
static int body(const char *name)
{
        struct program p = program_read();
        const struct ktstr_test *test = program_find_test(&p, name);
        int fd = conversation_fd();

        program_done(&p);
        if (!test)
                fprintf(stderr, "%s: there is no test '%s'\n", program_invocation_short_name, name);
        else if (fd < 0)
                fprintf(stderr, "%s: %s is how a test is started in its guest; to run it: ktstrctl test\n",
                        program_invocation_short_name, KT_BODY_OPTION);
        else
                _exit(ktstr_body_main(fd, test->func, test));
        return STATUS_USAGE;
}

static int usage(const char *option, const char *what)
{
        fprintf(stderr, "%s: %s takes %s\n", program_invocation_short_name, option, what);
        return STATUS_USAGE;
}

/* This program for ktstrctl, as it was typed where that is a path. */
static const char *self(const char *argv0, char *path, size_t size)
{
        ssize_t len;

        if (argv0 && strchr(argv0, '/'))
                return argv0;
        len = readlink("/proc/self/exe", path, size - 1);
        if (len < 0)
                return argv0;
        path[len] = '\0';
        return path;
}

static int hand_over(int argc, char **argv)
{
        const char *ktstrctl = getenv("KTSTRCTL");
        char path[4096];
        char **args = calloc((size_t)argc + 3, sizeof(*args));
        bool named = ktstrctl && *ktstrctl;

        if (!args)
                program_oom();
        args[0] = (char *)(named ? ktstrctl : "ktstrctl");
        args[1] = (char *)"test";
        args[2] = (char *)self(argv[0], path, sizeof(path));
        for (int i = 1; i < argc; i++)
                args[i + 2] = argv[i];
        if (named)
                execv(args[0], args);
        else
                execvp(args[0], args);
        if (named)
                fprintf(stderr, "%s: KTSTRCTL names %s, which cannot be started: %s\n",
                        program_invocation_short_name, args[0], strerror(errno));
        else if (errno == ENOENT)
                fprintf(stderr,
                        "%s: ktstrctl, which runs the tests, is not in PATH: install ktstrd, or name it by "
                        "KTSTRCTL\n",
                        program_invocation_short_name);
        else
                fprintf(stderr, "%s: ktstrctl, which runs the tests, cannot be started: %s\n",
                        program_invocation_short_name, strerror(errno));
        free(args);
        return STATUS_UNAVAILABLE;
}

static int list_this(void)
{
        struct program p = program_read();
        int r = list(&p);

        program_done(&p);
        return r;
}

int ktstr_main(int argc, char **argv)
{
        if (argc > 1 && strcmp(argv[1], KT_LIST_OPTION) == 0)
                return argc == 2 ? list_this() : usage(KT_LIST_OPTION, "nothing else");
        if (argc > 1 && strcmp(argv[1], KT_BODY_OPTION) == 0)
                return argc == 3 ? body(argv[2]) : usage(KT_BODY_OPTION, "the name of a test");
        return hand_over(argc, argv);
}
