/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <malloc.h>
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

/* A daemon that idles should be small: buffers of a guest or a job, of which most is never touched, come
 * from the kernel and go back there, where malloc would by and by keep them; and four worker threads need no
 * memory of their own each. */
static void tune_malloc(void)
{
        mallopt(M_MMAP_THRESHOLD, 64 * 1024);
        mallopt(M_TRIM_THRESHOLD, 256 * 1024);
        mallopt(M_ARENA_MAX, 2);
}

int main(int argc, char **argv)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct config config = {.ready_fd = -1};
        struct server server;
        int r;

        signal(SIGPIPE, SIG_IGN);
        tune_malloc();
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
