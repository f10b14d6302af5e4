/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "config_files.h"
#include "config_keys.h"
#include "config_places.h"
#include "config_value.h"

#include <build_config.h>

static const char usage[] =
        "ktstrd [OPTION]...\n"
        "Serve sched_ext test guests on a Unix socket. Usually started by systemd or by ktstrctl.\n\n"
        "  --socket PATH        listen here (default: /run/ktstrd/io.ktstrd as root's service, else the "
        "user's)\n"
        "  --config FILE        read FILE and FILE.d/ in place of ktstrd.conf(5); \"\": no file\n"
        "  --show-config        print the configuration and where it is from\n"
        "  --private            leave after ten idle minutes; the user's own configuration\n"
        "  --idle-exit MS       another time for that\n"
        "  --ready-fd N         write one line to descriptor N when listening: empty, or why not\n"
        "  --cache-dir DIR      kernel cache\n"
        "  --state-dir DIR      results\n"
        "  --run-dir DIR        guests' scratch\n"
        "  --qemu PATH          qemu-system-x86_64\n"
        "  --agent PATH         ktstr-guest\n"
        "  --busybox PATH       a static busybox\n"
        "  --exec-helper PATH   ktstrd-exec\n"
        "  --builder PATH       ktstrd-build\n"
        "  --overcommit N       vCPUs per host CPU (default: 2 under kvm, 8 under tcg)\n"
        "  --pool-idle N        guests kept ready for a shape in demand\n"
        "  --pool-max N         guests kept ready in all; 0: none\n"
        "  --no-templates       boot every guest, clone none\n"
        "  --template-dir DIR   what guests are cloned from\n"
        "  --log-level LEVEL    error, warning, notice, info, debug\n"
        "  --help, --version\n";

enum {
        OPT_SOCKET = 256,
        OPT_CONFIG,
        OPT_SHOW_CONFIG,
        OPT_PRIVATE,
        OPT_IDLE_EXIT,
        OPT_READY_FD,
        OPT_RUN_DIR,
        OPT_AGENT,
        OPT_BUSYBOX,
        OPT_EXEC_HELPER,
        OPT_BUILDER,
        OPT_HELP,
        OPT_VERSION,
        OPT_KEY, /* and an enum config_key: what the file has too */
};

static const struct option options[] = {
        {"socket", required_argument, NULL, OPT_SOCKET},
        {"config", required_argument, NULL, OPT_CONFIG},
        {"show-config", no_argument, NULL, OPT_SHOW_CONFIG},
        {"private", no_argument, NULL, OPT_PRIVATE},
        {"idle-exit", required_argument, NULL, OPT_IDLE_EXIT},
        {"ready-fd", required_argument, NULL, OPT_READY_FD},
        {"cache-dir", required_argument, NULL, OPT_KEY + CONFIG_CACHE_DIR},
        {"state-dir", required_argument, NULL, OPT_KEY + CONFIG_STATE_DIR},
        {"run-dir", required_argument, NULL, OPT_RUN_DIR},
        {"qemu", required_argument, NULL, OPT_KEY + CONFIG_GUESTS_QEMU},
        {"agent", required_argument, NULL, OPT_AGENT},
        {"busybox", required_argument, NULL, OPT_BUSYBOX},
        {"exec-helper", required_argument, NULL, OPT_EXEC_HELPER},
        {"builder", required_argument, NULL, OPT_BUILDER},
        {"overcommit", required_argument, NULL, OPT_KEY + CONFIG_GUESTS_OVERCOMMIT},
        {"pool-idle", required_argument, NULL, OPT_KEY + CONFIG_POOL_IDLE},
        {"pool-max", required_argument, NULL, OPT_KEY + CONFIG_POOL_MAXIMUM},
        {"no-templates", no_argument, NULL, OPT_KEY + CONFIG_POOL_TEMPLATES},
        {"template-dir", required_argument, NULL, OPT_KEY + CONFIG_POOL_TEMPLATE_DIR},
        {"log-level", required_argument, NULL, OPT_KEY + CONFIG_LOG_LEVEL},
        {"help", no_argument, NULL, OPT_HELP},
        {"version", no_argument, NULL, OPT_VERSION},
        {},
};

/* What the command line has beside struct config. */
struct command_line {
        const char *config_file; /* NULL: not named */
        bool show;
        char *idle_exit; /* owned; as the file would have it */
        struct {
                const char *value, *option; /* NULL: not there */
        } keys[_CONFIG_KEY_MAX];
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
        free(c->rehearsal_path);
        free(c->exec_helper);
        free(c->builder_path);
        free(c->kernel_mirror);
        free(c->kernel_releases);
        free(c->kernel_candidates);
        free(c->kernel_keyring);
        free(c->template_dir);
        memset(c, 0, sizeof(*c));
        c->ready_fd = -1;
}

static int take_path(char **to, const char *text)
{
        free(*to);
        *to = strdup(text);
        return *to ? 0 : -ENOMEM;
}

static int parse_ready_fd(const char *text, int *ret, struct kt_error *reterr)
{
        uint64_t n;

        if (config_number(text, &n) < 0 || n > INT_MAX)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "--ready-fd: '%s' is no descriptor", text);
        *ret = (int)n;
        return 0;
}

static int parse_idle_exit(const char *text, struct command_line *line, struct kt_error *reterr)
{
        uint64_t ms;

        if (config_number(text, &ms) < 0 || ms > UINT_MAX)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "--idle-exit: '%s' is no number from 0 to %u", text, UINT_MAX);
        free(line->idle_exit);
        line->idle_exit = kt_format("%sms", text);
        line->keys[CONFIG_IDLE_EXIT].value = line->idle_exit;
        line->keys[CONFIG_IDLE_EXIT].option = "idle-exit";
        return line->idle_exit ? 0 : -ENOMEM;
}

static int parse_option(int opt, const char *name, struct command_line *line, struct config *c,
                        struct kt_error *reterr)
{
        switch (opt) {
        case OPT_SOCKET:
                return take_path(&c->socket_path, optarg);
        case OPT_CONFIG:
                line->config_file = optarg;
                return 0;
        case OPT_SHOW_CONFIG:
                line->show = true;
                return 0;
        case OPT_PRIVATE:
                c->private_mode = true;
                return 0;
        case OPT_IDLE_EXIT:
                return parse_idle_exit(optarg, line, reterr);
        case OPT_READY_FD:
                return parse_ready_fd(optarg, &c->ready_fd, reterr);
        case OPT_RUN_DIR:
                return take_path(&c->run_dir, optarg);
        case OPT_AGENT:
                return take_path(&c->agent_path, optarg);
        case OPT_BUSYBOX:
                return take_path(&c->busybox_path, optarg);
        case OPT_EXEC_HELPER:
                return take_path(&c->exec_helper, optarg);
        case OPT_BUILDER:
                return take_path(&c->builder_path, optarg);
        case OPT_HELP:
                fputs(usage, stdout);
                return 1;
        case OPT_VERSION:
                printf("ktstrd %s\n", KT_VERSION);
                return 1;
        default:
                if (opt < OPT_KEY)
                        return -ENOTSUP;
                line->keys[opt - OPT_KEY].value = optarg ?: "no";
                line->keys[opt - OPT_KEY].option = name;
                return 0;
        }
}

static int parse_command_line(int argc, char **argv, struct command_line *line, struct config *c,
                              struct kt_error *reterr)
{
        int opt, index = 0, r = 0;

        opterr = 0;
        optind = 1;
        while (r == 0 && (opt = getopt_long(argc, argv, "", options, &index)) != -1)
                r = parse_option(opt, options[index].name, line, c, reterr);
        if (r == -ENOTSUP)
                return kt_error_set(reterr, r, KT_E_INVALID_PARAMETER,
                                    "option '%s' is unknown or lacks its value; see ktstrd --help",
                                    argv[optind - 1]);
        if (r == 0 && optind < argc)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "unexpected argument '%s'; see ktstrd --help", argv[optind]);
        return r;
}

/* What somebody gave who stands in a folder: its paths begin there. */
static int set_given(struct config_draft *draft, enum config_key key, const char *value, const char *where,
                     struct kt_error *reterr)
{
        _cleanup_free_ char *cwd = NULL, *path = NULL;

        if (!config_key_is_path(key) || !*value || *value == '/')
                return config_set(draft, key, value, where, reterr);
        cwd = getcwd(NULL, 0);
        if (!cwd)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot tell the working directory: %s",
                                    strerror(errno));
        path = kt_path_join(cwd, value);
        return path ? config_set(draft, key, path, where, reterr) : -ENOMEM;
}

/* Another cache by the environment is another daemon, on a socket of its own (sockpath.h): that is what its
 * caller wants, whatever the file says. A service has its cache from systemd instead, which the file
 * replaces. */
static int take_environment(struct config_draft *draft, struct kt_error *reterr)
{
        const char *cache_dir = getenv("KTSTR_CACHE_DIR");

        if (!cache_dir || !*cache_dir || getenv("CACHE_DIRECTORY"))
                return 0;
        return set_given(draft, CONFIG_CACHE_DIR, cache_dir, "KTSTR_CACHE_DIR", reterr);
}

static int take_options(struct config_draft *draft, const struct command_line *line, struct kt_error *reterr)
{
        for (size_t i = 0; i < _CONFIG_KEY_MAX; i++) {
                const char *option = line->keys[i].option;
                _cleanup_free_ char *where = NULL;
                int r;

                if (!option)
                        continue;
                where = kt_format("--%s", option);
                r = where ? set_given(draft, (enum config_key)i, line->keys[i].value, where, reterr)
                          : -ENOMEM;
                if (r < 0 && kt_error_isset(reterr))
                        kt_error_prefix(reterr, "--%s", option);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int make_config(const struct command_line *line, struct config_draft *draft, struct kt_error *reterr)
{
        struct config *c = &draft->config;
        int r = config_read_files(draft, line->config_file, c->private_mode || geteuid() != 0, reterr);

        if (r == 0)
                r = take_environment(draft, reterr);
        if (r == 0)
                r = take_options(draft, line, reterr);
        if (r == 0)
                r = config_fill_folders(c, reterr);
        if (r == 0 && line->show) {
                config_show(draft, stdout);
                return 1;
        }
        if (r == 0)
                r = config_fill_socket(c, reterr);
        return r == 0 ? config_fill_programs(c) : r;
}

int config_parse(int argc, char **argv, struct config *ret, struct kt_error *reterr)
{
        struct command_line line = {};
        struct config_draft draft;
        int r;

        r = config_draft_init(&draft, reterr);
        if (r == 0)
                r = parse_command_line(argc, argv, &line, &draft.config, reterr);
        if (r == 0)
                r = make_config(&line, &draft, reterr);
        if (r == -ENOMEM && !kt_error_isset(reterr))
                kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory");
        free(line.idle_exit);
        config_draft_done(&draft);
        if (r != 0) {
                ret->ready_fd = draft.config.ready_fd;
                config_done(&draft.config);
                return r;
        }
        *ret = draft.config;
        return 0;
}
