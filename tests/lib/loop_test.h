/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For tests of what lives on a uv loop: a loop with a limit in time, descriptors and children counted at
 * both ends. */

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <uv.h>

struct loop_test {
        uv_loop_t loop;
        uv_timer_t limit, tick;
        unsigned fds;
};

static inline unsigned loop_test_count_fds(void)
{
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

static inline void loop_test_on_limit(uv_timer_t *timer)
{
        ck_abort_msg("the loop does not come to its end");
}

/* uv keeps descriptors for signals and workers once they were used; use them before counting. */
static inline void loop_test_warm_up_work(uv_work_t *request)
{
}

static inline void loop_test_on_child(uv_signal_t *handle, int signum)
{
}

static inline void loop_test_warm_up(void)
{
        uv_signal_t signal_handle;
        uv_work_t work;
        uv_loop_t loop;

        ck_assert_int_eq(uv_loop_init(&loop), 0);
        uv_signal_init(&loop, &signal_handle);
        uv_signal_start(&signal_handle, loop_test_on_child, SIGCHLD);
        uv_close((uv_handle_t *)&signal_handle, NULL);
        uv_queue_work(&loop, &work, loop_test_warm_up_work, NULL);
        uv_run(&loop, UV_RUN_DEFAULT);
        ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static inline void loop_test_begin(struct loop_test *t, unsigned limit_ms)
{
        signal(SIGPIPE, SIG_IGN);
        loop_test_warm_up();
        t->fds = loop_test_count_fds();
        ck_assert_int_eq(uv_loop_init(&t->loop), 0);
        uv_timer_init(&t->loop, &t->limit);
        uv_timer_start(&t->limit, loop_test_on_limit, limit_ms, 0);
        uv_unref((uv_handle_t *)&t->limit);
        uv_timer_init(&t->loop, &t->tick);
}

static inline void loop_test_on_tick(uv_timer_t *timer)
{
}

/* Run until that holds, be it something that no callback tells. The limit holds too. */
static inline void loop_test_until(struct loop_test *t, bool (*holds)(void *userdata), void *userdata)
{
        uv_timer_start(&t->tick, loop_test_on_tick, 2, 2);
        while (!holds(userdata))
                uv_run(&t->loop, UV_RUN_ONCE);
        uv_timer_stop(&t->tick);
}

/* Run until nothing is left on the loop, then see that nothing is left at all. */
static inline void loop_test_end(struct loop_test *t)
{
        int status;

        uv_run(&t->loop, UV_RUN_DEFAULT);
        uv_close((uv_handle_t *)&t->limit, NULL);
        uv_close((uv_handle_t *)&t->tick, NULL);
        uv_run(&t->loop, UV_RUN_DEFAULT);
        ck_assert_int_eq(uv_loop_close(&t->loop), 0);
        ck_assert_int_eq(waitpid(-1, &status, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
        ck_assert_uint_eq(loop_test_count_fds(), t->fds);
}
