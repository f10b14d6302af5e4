/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>

#include "../../daemon/worker.h"
#include "../lib/loop_test.h"
#include "../lib/suite.h"

struct job {
        pthread_t worked_on, done_on;
        unsigned worked, done;
        int status;
};

static void work(void *data)
{
        struct job *j = data;

        j->worked_on = pthread_self();
        j->worked++;
}

static void done(void *data, int status)
{
        struct job *j = data;

        ck_assert_uint_eq(j->worked, 1);
        j->done_on = pthread_self();
        j->done++;
        j->status = status;
}

START_TEST(work_is_off_the_loop_and_done_is_on_it)
{
        struct job jobs[20] = {0};
        struct loop_test t;

        loop_test_begin(&t, 50000);
        for (int i = 0; i < 20; i++)
                ck_assert_int_eq(worker_run(&t.loop, work, done, &jobs[i]), 0);
        uv_run(&t.loop, UV_RUN_DEFAULT);
        for (int i = 0; i < 20; i++) {
                ck_assert_uint_eq(jobs[i].done, 1);
                ck_assert_int_eq(jobs[i].status, 0);
                ck_assert(pthread_equal(jobs[i].done_on, pthread_self()));
                ck_assert(!pthread_equal(jobs[i].worked_on, pthread_self()));
        }
        loop_test_end(&t);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("worker");
        TCase *c = tcase_create("worker");

        tcase_add_test(c, work_is_off_the_loop_and_done_is_on_it);
        suite_add_tcase(s, c);
        return suite_run(s);
}
