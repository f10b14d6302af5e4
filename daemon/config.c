/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/log.h"
#include "../proto/errors.h"
#include "config_places.h"

#include <build_config.h>

#define IDLE_EXIT_MS (10U * 60 * 1000)

static const char usage[] =
        "ktstrd [OPTION]...\n"
        "Serve sched_ext test guests on a Unix socket. Usually started by systemd or by ktstrctl.\n\n"
        "  --socket PATH        listen here (default: /run/ktstrd/io.ktstrd as root's service, else the "
        "user's)\n"
        "  --private            leave after ten idle minutes\n"
        "  --idle-exit MS       another time for that\n"
        "  --ready-fd N         write one line to descriptor N when listening: empty, or why not\n"
        "  --cache-dir DIR      kernel cache\n"
        "  --state-dir DIR      results\n"
        "  --run-dir DIR        guests' scratch\n"
        "  --qemu PATH          qemu-system-x86_64\n"
        "  --agent PATH         ktstr-guest\n"
        "  --busybox PATH       a static busybox\n"
        "  --exec-helper PATH   ktstrd-exec\n"
        "  --overcommit N       vCPUs per host CPU (default: 2 under kvm, 8 under tcg)\n"
        "  --log-level LEVEL    error, warning, notice, info, debug\n"
        "  --help, --version\n";

enum {
        OPT_SOCKET = 256,
        OPT_PRIVATE,
        OPT_IDLE_EXIT,
        OPT_READY_FD,
        OPT_CACHE_DIR,
        OPT_STATE_DIR,
        OPT_RUN_DIR,
        OPT_QEMU,
        OPT_AGENT,
        OPT_BUSYBOX,
        OPT_EXEC_HELPER,
        OPT_OVERCOMMIT,
        OPT_LOG_LEVEL,
        OPT_HELP,
        OPT_VERSION,
};

static const struct option options[] = {
        {"socket", required_argument, NULL, OPT_SOCKET},
        {"private", no_argument, NULL, OPT_PRIVATE},
        {"idle-exit", required_argument, NULL, OPT_IDLE_EXIT},
        {"ready-fd", required_argument, NULL, OPT_READY_FD},
        {"cache-dir", required_argument, NULL, OPT_CACHE_DIR},
        {"state-dir", required_argument, NULL, OPT_STATE_DIR},
        {"run-dir", required_argument, NULL, OPT_RUN_DIR},
        {"qemu", required_argument, NULL, OPT_QEMU},
        {"agent", required_argument, NULL, OPT_AGENT},
        {"busybox", required_argument, NULL, OPT_BUSYBOX},
        {"exec-helper", required_argument, NULL, OPT_EXEC_HELPER},
        {"overcommit", required_argument, NULL, OPT_OVERCOMMIT},
        {"log-level", required_argument, NULL, OPT_LOG_LEVEL},
        {"help", no_argument, NULL, OPT_HELP},
        {"version", no_argument, NULL, OPT_VERSION},
        {},
};

void config_done(struct config *c)
{
        free(c->socket_path);
        free(c->cache_dir);
        free(c->state_dir);
        free(c->run_dir);
        free(c->qemu_path);
        free(c->agent_path);
        free(c->busybox_path);
        free(c->exec_helper);
        memset(c, 0, sizeof(*c));
        c->ready_fd = -1;
}

static int parse_unsigned(const char *option, const char *text, unsigned max, unsigned *ret,
                          struct kt_error *reterr)
{
        char *end;
        unsigned long n;

        errno = 0;
        n = strtoul(text, &end, 10);
        if (errno || *end || end == text || *text == '-' || n > max)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "--%s: '%s' is no number from 0 to %u", option, text, max);
        *ret = (unsigned)n;
        return 0;
}

static int parse_level(const char *text, struct kt_error *reterr)
{
        static const struct {
                const char *name;
                int level;
        } levels[] = {{"error", LOG_ERR},
                      {"warning", LOG_WARNING},
                      {"notice", LOG_NOTICE},
                      {"info", LOG_INFO},
                      {"debug", LOG_DEBUG}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(levels); i++)
                if (strcmp(text, levels[i].name) == 0)
                        return kt_log_open("ktstrd", "auto", levels[i].level);
        return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                            "--log-level: '%s' is none of error, warning, notice, info, debug", text);
}

static int take_path(char **to, const char *text)
{
        free(*to);
        *to = strdup(text);
        return *to ? 0 : -ENOMEM;
}

static int parse_option(int opt, struct config *c, struct kt_error *reterr)
{
        unsigned n = 0;
        int r;

        switch (opt) {
        case OPT_SOCKET:
                return take_path(&c->socket_path, optarg);
        case OPT_PRIVATE:
                c->private_mode = true;
                return 0;
        case OPT_IDLE_EXIT:
                return parse_unsigned("idle-exit", optarg, UINT_MAX, &c->idle_exit_ms, reterr);
        case OPT_READY_FD:
                r = parse_unsigned("ready-fd", optarg, INT_MAX, &n, reterr);
                c->ready_fd = r < 0 ? -1 : (int)n;
                return r;
        case OPT_CACHE_DIR:
                return take_path(&c->cache_dir, optarg);
        case OPT_STATE_DIR:
                return take_path(&c->state_dir, optarg);
        case OPT_RUN_DIR:
                return take_path(&c->run_dir, optarg);
        case OPT_QEMU:
                return take_path(&c->qemu_path, optarg);
        case OPT_AGENT:
                return take_path(&c->agent_path, optarg);
        case OPT_BUSYBOX:
                return take_path(&c->busybox_path, optarg);
        case OPT_EXEC_HELPER:
                return take_path(&c->exec_helper, optarg);
        case OPT_OVERCOMMIT:
                return parse_unsigned("overcommit", optarg, 1024, &c->overcommit, reterr);
        case OPT_LOG_LEVEL:
                return parse_level(optarg, reterr);
        case OPT_HELP:
                fputs(usage, stdout);
                return 1;
        case OPT_VERSION:
                printf("ktstrd %s\n", KT_VERSION);
                return 1;
        default:
                return -ENOTSUP;
        }
}

int config_parse(int argc, char **argv, struct config *ret, struct kt_error *reterr)
{
        struct config c = {.ready_fd = -1, .idle_exit_ms = IDLE_EXIT_MS};
        int opt, r = 0;

        opterr = 0;
        optind = 1;
        while (r == 0 && (opt = getopt_long(argc, argv, "", options, NULL)) != -1)
                r = parse_option(opt, &c, reterr);
        if (r == -ENOTSUP)
                kt_error_set(reterr, r, KT_E_INVALID_PARAMETER,
                             "option '%s' is unknown or lacks its value; see ktstrd --help",
                             argv[optind - 1]);
        if (r == 0 && optind < argc)
                r = kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                 "unexpected argument '%s'; see ktstrd --help", argv[optind]);
        if (r == 0)
                r = config_fill_folders(&c, reterr);
        if (r == 0)
                r = config_fill_programs(&c);
        if (r == -ENOMEM && !kt_error_isset(reterr))
                kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory");
        if (r != 0) {
                ret->ready_fd = c.ready_fd;
                c.ready_fd = -1;
                config_done(&c);
                return r;
        }
        *ret = c;
        return 0;
}
