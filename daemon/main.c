/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "config.h"
#include "server.h"

/* Whoever started us waits for one line: empty when we listen, else why not. */
static void tell_ready(int fd, const char *text)
{
        if (fd < 0)
                return;
        if (text)
                (void)kt_write_all(fd, text, strlen(text));
        (void)kt_write_all(fd, "\n", 1);
        close(fd);
}

int main(int argc, char **argv)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct config config = {.ready_fd = -1};
        struct server server;
        int r;

        signal(SIGPIPE, SIG_IGN);
        kt_log_open("ktstrd", "auto", LOG_INFO);
        r = config_parse(argc, argv, &config, &err);
        if (r == 1)
                return 0;
        if (r < 0) {
                fprintf(stderr, "ktstrd: %s\n", kt_error_text(&err));
                tell_ready(config.ready_fd, kt_error_text(&err));
                return 64;
        }
        kt_log_open("ktstrd", "auto", config.log_level);
        r = server_start(&server, &config, &err);
        if (r < 0) {
                kt_log_error("%s", kt_error_text(&err));
                tell_ready(config.ready_fd, kt_error_text(&err));
                config_done(&config);
                return 1;
        }
        tell_ready(config.ready_fd, NULL);
        config.ready_fd = -1;
        r = server_run(&server);
        config_done(&config);
        return r;
}
