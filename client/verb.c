/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verb.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "exit_status.h"

int verb_usage_error(const struct verb *v, const char *fmt, ...)
{
        va_list ap;

        fprintf(stderr, "ktstrctl: %s: ", v->name);
        va_start(ap, fmt);
        vfprintf(stderr, fmt, ap);
        va_end(ap);
        fprintf(stderr, "; see ktstrctl %s --help\n", v->name);
        return EXIT_STATUS_USAGE;
}

int verb_option(const struct verb *v, int argc, char **argv, const struct option *options, struct globals *g,
                int *ret_status)
{
        char letters[16];

        snprintf(letters, sizeof(letters), ":h%s", v->letters ? v->letters : "");
        for (;;) {
                int opt = getopt_long(argc, argv, letters, options, NULL);

                switch (opt) {
                case OPT_GLOBAL_SOCKET:
                        g->socket = optarg;
                        continue;
                case OPT_GLOBAL_NO_AUTOSTART:
                        g->no_autostart = true;
                        continue;
                case OPT_GLOBAL_JSON:
                        g->json = true;
                        continue;
                case 'h':
                case OPT_GLOBAL_HELP:
                        fputs(v->usage, stdout);
                        *ret_status = 0;
                        return -2;
                case ':':
                        *ret_status = verb_usage_error(v, "option %s needs a value", argv[optind - 1]);
                        return -2;
                case '?':
                        /* A letter may stand among others in one word; a long one is the word before. */
                        *ret_status = optopt > 0 && optopt < 128
                                              ? verb_usage_error(v, "unknown option -%c", optopt)
                                              : verb_usage_error(v, "unknown option %s", argv[optind - 1]);
                        return -2;
                default:
                        return opt;
                }
        }
}
