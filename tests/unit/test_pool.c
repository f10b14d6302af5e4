/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pool as jobs see it: templates and guests come with demand, go without it, and are left alone when
 * they fail. */

#include <errno.h>

#include "../../proto/errors.h"
#include "../lib/suite.h"
#include "pool_fixture.h"

#define TEMPLATE_LOG "park 3\nparked\nsaved\n"
#define GUEST_LOG "restored\npark 1\nparked\n"
#define JOB "{\"job\":\"j1\",\"kind\":\"exec\",\"wall_ns\":1,\"exec\":{\"command\":\"true\"}}"

static void expect_log(const char *expected)
{
        _cleanup_free_ char *log = NULL;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, f.log_path, 1 << 20, &log, NULL), 0);
        ck_assert_str_eq(log, expected);
}

/* --- a job that takes a guest --- */

static struct {
        struct guest *guest;
        unsigned gone, frames;
        enum guest_end end;
} job;

static void on_job_frame(void *userdata, const struct kt_frame *frame)
{
        ck_assert_ptr_eq(userdata, &job);
        job.frames++;
        if (frame->type == KT_FRAME_RESULT)
                guest_expect_poweroff(job.guest);
}

static void on_job_gone(void *userdata, enum guest_end end, const struct kt_error *err)
{
        ck_assert_ptr_eq(userdata, &job);
        job.gone++;
        job.end = end;
}

static const struct guest_ops job_ops = {.on_frame = on_job_frame, .on_gone = on_job_gone};

static bool take(struct shape *s, const char *console_path)
{
        memset(&job, 0, sizeof(job));
        job.guest = pool_take(f.pool, s, &job_ops, &job, console_path);
        return job.guest;
}

static bool job_is_over(void *userdata)
{
        return job.gone > 0;
}

static void run_job(void)
{
        const struct guest_item item = {.json = JOB, .fd = -1};

        ck_assert_int_eq(guest_hand_out(job.guest, &item, 1, NULL), 0);
        loop_test_until(&f.t, job_is_over, NULL);
        ck_assert_int_eq(job.end, GUEST_END_POWEROFF);
}

/* --- demand --- */

START_TEST(demand_leads_to_a_template_and_then_to_a_guest_that_waits)
{
        struct look l;

        begin_and_pump(1);
        l = look(f.shape);
        ck_assert_int_eq(l.view.template, POOL_TEMPLATE_BUILDING);
        ck_assert_uint_eq(sum().building, 1);
        until_idle(1);
        l = look(f.shape);
        ck_assert_int_eq(l.view.template, POOL_TEMPLATE_READY);
        ck_assert_uint_eq(l.view.want, 1);
        ck_assert_uint_eq(l.view.idle, 1);
        ck_assert_uint_eq(l.view.building, 0);
        ck_assert_int_gt(l.view.template_built_us, 0);
        ck_assert_int_ge(l.view.template_build_ms, 0);
        ck_assert_double_ge(l.view.demand, 1);
        ck_assert_uint_eq(l.view.failures, 0);
        ck_assert(has_template(f.shape));
        expect_log(TEMPLATE_LOG GUEST_LOG);
        ck_assert_uint_eq(f.metrics.templates_built, 1);
        ck_assert_uint_eq(f.metrics.templates_failed, 0);
}
END_TEST

static bool is_measured(void *userdata)
{
        return look(f.shape).view.memory_bytes > 0;
}

START_TEST(what_an_idle_guest_takes_is_known)
{
        begin_and_pump(1);
        loop_test_until(&f.t, is_measured, NULL);
        ck_assert_uint_eq(sum().memory_bytes, look(f.shape).view.memory_bytes);
        /* Of the fake: less than a guest has, more than a page. */
        ck_assert_uint_gt(sum().memory_bytes, 4096);
        ck_assert_uint_lt(sum().memory_bytes, (uint64_t)SHAPE_MEMORY_MIB << 20);
}
END_TEST

START_TEST(as_many_as_ran_at_once_are_made_ready)
{
        begin_and_pump(3);
        until_idle(3);
        ck_assert_uint_eq(look(f.shape).view.want, 3);
        ck_assert_uint_eq(count_log("saved"), 1);
        ck_assert_uint_eq(count_log("restored"), 3);
}
END_TEST

START_TEST(a_job_takes_a_guest_that_waits_and_another_takes_its_place)
{
        _cleanup_free_ char *console = kt_path_join(f.dir.path, "console"), *text = NULL;

        set_script("chatty_park");
        begin_and_pump(1);
        until_idle(1);
        ck_assert(take(f.shape, console));
        ck_assert_uint_eq(look(f.shape).view.hits, 1);
        ck_assert_uint_eq(look(f.shape).view.misses, 0);
        ck_assert_uint_eq(sum().hits, 1);
        ck_assert_uint_eq(f.metrics.pool_hits, 1);
        ck_assert_uint_eq(sum().idle, 0);
        pool_pump(f.pool, 2);
        ck_assert_uint_eq(sum().building, 1);
        run_job();
        ck_assert_uint_ge(job.frames, 3);
        ck_assert_int_eq(kt_read_file(AT_FDCWD, console, 4096, &text, NULL), 0);
        ck_assert_str_eq(text, "awake\r\n");
        end(f.shape, 1);
        until_idle(1);
        ck_assert_uint_eq(f.metrics.guests_failed[GUEST_END_DIED], 0);
}
END_TEST

START_TEST(a_guest_that_was_taken_is_the_jobs_alone)
{
        begin_and_pump(1);
        until_idle(1);
        ck_assert(take(f.shape, NULL));
        close_pool();
        ck_assert_uint_eq(job.gone, 0);
        guest_stop(job.guest);
        loop_test_until(&f.t, job_is_over, NULL);
        ck_assert_int_eq(job.end, GUEST_END_STOPPED);
}
END_TEST

START_TEST(a_job_that_finds_none_is_a_miss)
{
        begin(f.shape);
        ck_assert(!take(f.shape, NULL));
        ck_assert_uint_eq(look(f.shape).view.misses, 1);
        ck_assert_uint_eq(look(f.shape).view.hits, 0);
        ck_assert_uint_eq(sum().misses, 1);
        ck_assert_uint_eq(f.metrics.pool_misses, 1);
        /* Nor does it find another shape's. */
        pool_pump(f.pool, 0);
        until_idle(1);
        begin(f.other);
        ck_assert(!take(f.other, NULL));
        ck_assert_uint_eq(sum().misses, 2);
        ck_assert_uint_eq(sum().idle, 1);
}
END_TEST

START_TEST(without_a_pool_for_it_nothing_is_counted)
{
        ck_assert(!take(f.shape, NULL));
        pool_end(f.pool, f.shape);
        pool_clone_woke(f.pool, f.shape);
        pool_clone_failed(f.pool, f.shape, NULL);
        ck_assert_uint_eq(sum().misses, 0);
        ck_assert_uint_eq(sum().shapes, 0);
}
END_TEST

/* --- never in a job's way --- */

START_TEST(nothing_is_made_while_jobs_have_the_cpus)
{
        f.params.host_cpus = 2;
        close_pool();
        open_pool();
        begin(f.shape);
        pool_pump(f.pool, 2);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_NONE);
        pool_pump(f.pool, 1);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_NONE);
        pool_pump(f.pool, 0);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_BUILDING);
        pool_pump(f.pool, 2);
        until_ready(f.shape);
        ck_assert_uint_eq(sum().building, 0);
        ck_assert_uint_eq(look(f.shape).view.want, 1);
        pool_pump(f.pool, 0);
        ck_assert_uint_eq(sum().building, 1);
}
END_TEST

static bool nothing_is_made(void *userdata)
{
        return sum().building == 0;
}

/* The template that was begun is given up, and begun again. */
START_TEST(nothing_is_made_while_a_job_has_the_host_to_itself)
{
        begin_and_pump(1);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_BUILDING);
        pool_quiet(f.pool, true);
        loop_test_until(&f.t, nothing_is_made, NULL);
        begin(f.other);
        pool_pump(f.pool, 0);
        ck_assert_uint_eq(sum().building, 0);
        ck_assert_uint_eq(f.metrics.templates_failed, 0);
        pool_quiet(f.pool, false);
        until_idle(2);
        ck_assert_uint_eq(f.metrics.templates_built, 2);
}
END_TEST

START_TEST(guests_that_wait_do_so_beside_a_job_that_has_the_host_to_itself)
{
        begin_and_pump(1);
        until_idle(1);
        pool_quiet(f.pool, true);
        ck_assert_uint_eq(sum().idle, 1);
        ck_assert(take(f.shape, NULL));
        ck_assert_uint_eq(sum().building, 0);
        run_job();
        pool_quiet(f.pool, false);
        until_idle(1);
}
END_TEST

START_TEST(after_some_jobs_that_booted_the_template_is_built_beside_them)
{
        f.params.host_cpus = 2;
        close_pool();
        open_pool();
        for (unsigned i = 0; i < 2; i++) {
                begin(f.shape);
                pool_pump(f.pool, 2);
                ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_NONE);
        }
        begin(f.shape);
        pool_pump(f.pool, 2);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_BUILDING);
        until_ready(f.shape);
        /* Guests are another matter. */
        pool_pump(f.pool, 2);
        ck_assert_uint_eq(sum().building, 0);
}
END_TEST

START_TEST(what_is_larger_than_the_host_is_made_when_it_is_alone)
{
        f.params.host_cpus = 1;
        close_pool();
        open_pool();
        begin(f.shape);
        pool_pump(f.pool, 1);
        ck_assert_uint_eq(sum().building, 0);
        begin_and_pump(1);
        ck_assert_uint_eq(sum().building, 1);
        until_idle(2);
}
END_TEST

START_TEST(one_is_made_after_the_other_and_the_most_wanted_first)
{
        f.params.host_cpus = 2;
        close_pool();
        open_pool();
        begin(f.shape);
        begin(f.other);
        begin(f.other);
        pool_pump(f.pool, 0);
        ck_assert_int_eq(look(f.other).view.template, POOL_TEMPLATE_BUILDING);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_NONE);
        until_idle(3);
        ck_assert_uint_eq(look(f.shape).view.idle, 1);
        ck_assert_uint_eq(look(f.other).view.idle, 2);
}
END_TEST

START_TEST(what_all_may_have_is_shared_out)
{
        f.params.max = 2;
        close_pool();
        open_pool();
        begin_and_pump(3);
        until_idle(2);
        ck_assert_uint_eq(look(f.shape).view.want, 2);
        /* The first of each comes before the second of any. */
        begin(f.other);
        pool_pump(f.pool, 0);
        ck_assert_uint_eq(look(f.shape).view.idle, 1);
        until_idle(2);
        ck_assert_uint_eq(look(f.shape).view.idle, 1);
        ck_assert_uint_eq(look(f.other).view.idle, 1);
}
END_TEST

START_TEST(memory_is_a_limit_too)
{
        f.params.memory_bytes = 100 << 20; /* before one is measured it is taken for 64 MiB */
        close_pool();
        open_pool();
        begin_and_pump(3);
        ck_assert_uint_eq(look(f.shape).view.want, 1);
        until_idle(3); /* they are smaller than that */
        f.params.memory_bytes = 0;
        close_pool();
        open_pool();
        begin_and_pump(1);
        ck_assert_uint_eq(look(f.shape).view.want, 0);
}
END_TEST

/* --- without demand --- */

START_TEST(what_is_not_used_any_more_is_let_go_and_its_template_kept)
{
        f.params.half_life_ms = 20;
        close_pool();
        open_pool();
        begin_and_pump(1);
        until_idle(1);
        end(f.shape, 1);
        ck_assert_uint_eq(sum().idle, 1);
        until_shapes(0);
        ck_assert_uint_eq(count_entries(f.run_dir), 0);
        ck_assert(has_template(f.shape));
}
END_TEST

START_TEST(what_is_in_use_is_not_let_go)
{
        f.params.half_life_ms = 1;
        close_pool();
        open_pool();
        begin_and_pump(1);
        begin(f.other);
        pool_pump(f.pool, 0);
        until_idle(2);
        end(f.shape, 1);
        until_shapes(1);
        ck_assert(!look(f.shape).found);
        ck_assert_uint_eq(look(f.other).view.idle, 1);
}
END_TEST

START_TEST(what_comes_back_into_demand_needs_no_new_template)
{
        f.params.half_life_ms = 10;
        close_pool();
        open_pool();
        begin_and_pump(1);
        until_idle(1);
        end(f.shape, 1);
        until_shapes(0);
        begin_and_pump(1);
        until_idle(1);
        ck_assert_uint_eq(count_log("saved"), 1);
}
END_TEST

START_TEST(the_next_daemon_finds_the_template)
{
        begin_and_pump(1);
        until_idle(1);
        close_pool();
        open_pool();
        begin_and_pump(1);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_READY);
        ck_assert_int_gt(look(f.shape).view.template_built_us, 0);
        until_idle(1);
        expect_log(TEMPLATE_LOG GUEST_LOG GUEST_LOG);
}
END_TEST

START_TEST(guests_of_a_kernel_without_mailbox_are_kept_ready_too)
{
        set_script("no_mailbox");
        begin_and_pump(1);
        until_idle(1);
        ck_assert(take(f.shape, NULL));
        run_job();
        ck_assert_uint_eq(count_log("wake"), 1);
}
END_TEST

/* --- what fails, where time passes when we say so --- */

static void setup_stopped(void)
{
        setup_pool();
        stop_clock();
}

START_TEST(a_template_that_cannot_be_built_is_left_alone_longer_each_time)
{
        struct look l;

        set_script("template=fail_save");
        begin_and_pump(1);
        until_failures(1);
        l = look(f.shape);
        ck_assert_int_eq(l.view.template, POOL_TEMPLATE_FAILED);
        ck_assert_str_eq(l.reason, "QEMU could not save the guest's state");
        ck_assert_uint_eq(l.view.retry_ms, 1000);
        ck_assert_uint_eq(sum().failing, 1);
        ck_assert_str_eq(sum().reason, "QEMU could not save the guest's state");
        ck_assert_uint_eq(f.metrics.templates_failed, 1);
        ck_assert_uint_eq(count_entries(f.root), 0);
        /* What else happens is no reason to try. */
        begin_and_pump(3);
        ck_assert_uint_eq(sum().building, 0);
        pass_ms(999);
        ck_assert_uint_eq(sum().building, 0);

        pass_ms(1);
        until_failures(2);
        ck_assert_uint_eq(look(f.shape).view.retry_ms, 2000);
        set_script("ok");
        pass_ms(2000);
        until_idle(4);
        l = look(f.shape);
        ck_assert_uint_eq(l.view.failures, 0);
        ck_assert_str_eq(l.reason, "");
        ck_assert_uint_eq(l.view.retry_ms, 0);
        ck_assert_uint_eq(sum().failing, 0);
}
END_TEST

START_TEST(a_shape_that_fails_is_in_nobody_elses_way)
{
        set_script("template=fail_save");
        begin_and_pump(1);
        until_failures(1);
        set_script("ok");
        begin(f.other);
        pool_pump(f.pool, 0);
        until_ready(f.other);
        ck_assert_uint_eq(look(f.shape).view.failures, 1);
}
END_TEST

static const struct {
        const char *script, *reason;
} template_failures[] = {
        {"template=refuse_args", "Property 'pc-q35-1.2-machine.smbus' not found"},
        {"template=panic", "the guest died while it booted: Kernel panic"},
        {"template=die_waking", "the guest died while it booted: QEMU exited with code 7"},
        {"template=die_saving", "QEMU exited with code 5"},
        {"template=talk_parked", "it spoke before it was let run"},
};

START_TEST(a_template_that_fails_has_its_words)
{
        set_script(template_failures[_i].script);
        begin_and_pump(1);
        until_failures(1);
        ck_assert_msg(strstr(look(f.shape).reason, template_failures[_i].reason) != NULL,
                      "'%s' is not in: %s", template_failures[_i].reason, look(f.shape).reason);
        ck_assert_uint_eq(count_entries(f.root), 0);
        ck_assert_uint_eq(count_entries(f.run_dir), 0);
}
END_TEST

START_TEST(a_template_of_a_kernel_that_was_removed_fails)
{
        _cleanup_free_ char *kernel = kt_path_join(f.kernels, KERNEL_KEY);

        ck_assert_int_eq(kt_remove_tree(AT_FDCWD, kernel), 0);
        begin_and_pump(1);
        until_failures(1);
        ck_assert_ptr_nonnull(strstr(look(f.shape).reason, "kernel " KERNEL_KEY " is not in "));
}
END_TEST

START_TEST(a_template_of_a_kernel_that_was_changed_fails)
{
        _cleanup_free_ char *image = kt_path_join(f.kernels, KERNEL_KEY "/vmlinux");
        _cleanup_close_ int fd = open(image, O_WRONLY | O_CLOEXEC);

        ck_assert_int_eq(pwrite(fd, "x", 1, 100), 1);
        begin_and_pump(1);
        until_failures(1);
        ck_assert_ptr_nonnull(strstr(look(f.shape).reason, "is not what was stored"));
        ck_assert_uint_eq(count_entries(f.root), 0);
}
END_TEST

START_TEST(a_clone_that_fails_is_left_alone_too)
{
        set_script("pool=fail_restore");
        begin_and_pump(1);
        until_failures(1);
        ck_assert_str_eq(look(f.shape).reason, "QEMU could not restore the clone's state");
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_READY);
        ck_assert_uint_eq(f.metrics.guests_failed[GUEST_END_START], 1);
        set_script("ok");
        pass_ms(1000);
        until_idle(1);
        ck_assert_uint_eq(look(f.shape).view.failures, 0);
        ck_assert_uint_eq(count_log("saved"), 1);
}
END_TEST

static bool has_no_template(void *userdata)
{
        return !has_template(f.shape);
}

START_TEST(a_template_whose_clones_do_not_wake_is_thrown_away_after_two)
{
        set_script("pool=die_waking");
        begin_and_pump(1);
        until_failures(1);
        ck_assert(has_template(f.shape));
        pass_ms(1000);
        until_failures(2);
        ck_assert_int_ne(look(f.shape).view.template, POOL_TEMPLATE_READY);
        loop_test_until(&f.t, has_no_template, NULL);
        set_script("ok");
        pass_ms(2000);
        until_idle(1);
        ck_assert_uint_eq(count_log("saved"), 2);
        ck_assert_uint_eq(f.metrics.templates_built, 2);
}
END_TEST

START_TEST(a_template_whose_files_went_is_built_anew)
{
        begin_and_pump(1);
        until_idle(1);
        template_remove(f.root, f.shape->key);
        begin(f.shape);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_NONE);
        ck_assert_uint_eq(sum().idle, 0);
        ck_assert(!take(f.shape, NULL));
        pool_pump(f.pool, 0);
        until_idle(2);
        ck_assert(has_template(f.shape));
        ck_assert_uint_eq(count_log("saved"), 2);
}
END_TEST

/* A job may have asked before it was there. */
START_TEST(a_job_that_knows_of_no_template_takes_none_away)
{
        begin_and_pump(1);
        until_idle(1);
        f.running[0]++;
        pool_begin(f.pool, f.shape, NULL);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_READY);
        ck_assert(take(f.shape, NULL));
        run_job();
}
END_TEST

START_TEST(clones_of_jobs_count_as_well)
{
        struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, -ECHILD, KT_E_GUEST_BOOT, "the guest died when it was woken");
        begin_and_pump(1);
        until_idle(1);
        pool_clone_failed(f.pool, f.shape, &err);
        ck_assert_str_eq(look(f.shape).reason, "the guest died when it was woken");
        pool_clone_woke(f.pool, f.shape);
        pool_clone_failed(f.pool, f.shape, &err);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_READY);
        pool_clone_failed(f.pool, f.shape, &err);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_FAILED);
        loop_test_until(&f.t, has_no_template, NULL);
        kt_error_done(&err);
}
END_TEST

/* As the kernel does to who takes too much memory. */
static void kill_guest(const char *id)
{
        _cleanup_free_ char *path = kt_format("%s/guest-%s/pid", f.run_dir, id), *text = NULL;
        int pid;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, path, 4096, &text, NULL), 0);
        ck_assert_int_eq(sscanf(text, "%d", &pid), 1);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
}

START_TEST(a_guest_that_dies_while_it_waits_is_replaced)
{
        begin_and_pump(1);
        until_idle(1);
        kill_guest("pool-2");
        until_failures(1);
        ck_assert_uint_eq(sum().idle, 0);
        ck_assert_ptr_nonnull(strstr(look(f.shape).reason, "the guest died while it waited for a job"));
        ck_assert_ptr_nonnull(strstr(look(f.shape).reason, "did the host run out of memory?"));
        ck_assert_uint_eq(f.metrics.guests_failed[GUEST_END_DIED], 1);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_READY);
        pass_ms(1000);
        until_idle(1);
        ck_assert_uint_eq(count_log("saved"), 1);
}
END_TEST

static void replaced_after(uint64_t ms)
{
        ck_assert_uint_eq(look(f.shape).view.retry_ms, ms);
        pass_ms(ms);
        until_idle(1);
}

START_TEST(guests_that_die_one_after_the_other_are_replaced_later_each_time)
{
        begin_and_pump(1);
        until_idle(1);
        kill_guest("pool-2");
        until_failures(1);
        replaced_after(1000);
        ck_assert_uint_eq(look(f.shape).view.failures, 0);
        kill_guest("pool-3");
        until_failures(2);
        replaced_after(2000);
        /* One that wakes for a job ends that. */
        pool_clone_woke(f.pool, f.shape);
        kill_guest("pool-4");
        until_failures(1);
        replaced_after(1000);
}
END_TEST

/* --- a host that is short of memory --- */

START_TEST(half_of_the_idle_guests_are_given_up)
{
        begin_and_pump(4);
        until_idle(4);
        pool_shrink(f.pool);
        ck_assert_uint_eq(sum().idle, 2);
        ck_assert(sum().held);
        pool_pump(f.pool, 0);
        ck_assert_uint_eq(sum().building, 0);
        pool_shrink(f.pool);
        ck_assert_uint_eq(sum().idle, 1);
        pool_shrink(f.pool);
        ck_assert_uint_eq(sum().idle, 0);
}
END_TEST

START_TEST(they_come_back_when_memory_had_time_to_recover)
{
        f.params.hold_ms = 100;
        close_pool();
        open_pool();
        begin_and_pump(4);
        until_idle(4);
        pool_shrink(f.pool);
        ck_assert_uint_eq(sum().idle, 2);
        ck_assert(sum().held);
        pass_ms(100);
        ck_assert(!sum().held);
        until_idle(4);
}
END_TEST

/* It takes as much as a guest. */
START_TEST(no_template_is_built_meanwhile)
{
        f.params.hold_ms = 100;
        close_pool();
        open_pool();
        begin(f.shape);
        pool_shrink(f.pool);
        ck_assert(sum().held);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_NONE);
        begin_and_pump(3);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_NONE);
        pass_ms(100);
        ck_assert(!sum().held);
        until_idle(4);
}
END_TEST

START_TEST(those_of_the_least_wanted_are_given_up_first)
{
        begin(f.shape);
        begin(f.shape);
        begin(f.other);
        begin(f.other);
        end(f.shape, 2);
        begin(f.other);
        pool_pump(f.pool, 0);
        until_idle(5);
        pool_shrink(f.pool);
        ck_assert_uint_eq(look(f.shape).view.idle, 0);
        ck_assert_uint_eq(look(f.other).view.idle, 2);
}
END_TEST

/* --- the end --- */

START_TEST(a_pool_without_templates_does_nothing)
{
        struct pool_params params = f.params;
        struct pool *p;

        params.store = NULL;
        ck_assert_int_eq(pool_new(&params, &p, NULL), 0);
        pool_begin(p, f.shape, NULL);
        pool_pump(p, 0);
        ck_assert_ptr_null(pool_take(p, f.shape, &job_ops, &job, NULL));
        pool_clone_woke(p, f.shape);
        pool_shrink(p);
        ck_assert_uint_eq(pool_drop(p, NULL, true), 0);
        pool_end(p, f.shape);
        pool_stop(p);
        loop_test_until(&f.t, is_empty, NULL);
        pool_free(p);
        pool_free(NULL);
        f.n_empty = 0;
        ck_assert_uint_eq(count_entries(f.run_dir), 0);
}
END_TEST

static bool guest_is_there(void *id)
{
        _cleanup_free_ char *path = kt_format("%s/guest-%s", f.run_dir, (char *)id);

        return access(path, F_OK) == 0;
}

static const struct {
        const char *script;
        bool (*when)(void *userdata);
        void *userdata;
} stops[] = {
        {"ok", NULL, NULL},                                   /* the template's files are being made */
        {"template=never_qmp", guest_is_there, "template-1"}, /* its guest starts */
        {"template=never_hello", guest_is_there, "template-1"},
        {"template=never_parked", log_has, "park 3"},
        {"template=never_stopped", log_has, "stop"},
        {"template=never_saved", log_has, "parked"},
        {"template=fail_save", has_failures, (void *)1}, /* it is left alone */
        {"pool=never_qmp", guest_is_there, "pool-2"},
        {"pool=never_restored", guest_is_there, "pool-2"},
        {"pool=never_parked", log_has, "park 1"},
        {"pool=never_stopped", log_has, "stop"},
        {"pool=fail_restore", has_failures, (void *)1},
        {"ok", has_idle, (void *)1},
        {"ok", is_measured, NULL},
};

/* The teardown looks at what is left. */
START_TEST(a_pool_can_be_stopped_whatever_it_is_at)
{
        set_script(stops[_i].script);
        begin_and_pump(1);
        if (stops[_i].when)
                loop_test_until(&f.t, stops[_i].when, stops[_i].userdata);
        end(f.shape, 1);
        pool_stop(f.pool);
        pool_stop(f.pool);
        close_pool();
        ck_assert_uint_eq(count_entries(f.run_dir), 0);
        ck_assert_uint_le(count_entries(f.root), 1);
        ck_assert(count_entries(f.root) == 0 || has_template(f.shape));
}
END_TEST

static bool guest_is_gone(void *id)
{
        return log_has("saved") && !guest_is_there(id);
}

START_TEST(a_template_that_is_all_but_there_is_kept_when_the_pool_stops)
{
        begin_and_pump(1);
        loop_test_until(&f.t, guest_is_there, "template-1");
        hold_workers();
        loop_test_until(&f.t, guest_is_gone, "template-1");
        ck_assert(!has_template(f.shape));
        end(f.shape, 1);
        pool_stop(f.pool);
        let_workers_go();
        close_pool();
        ck_assert(has_template(f.shape));
}
END_TEST

START_TEST(a_pool_stops_after_a_template_that_is_being_thrown_away)
{
        begin_and_pump(1);
        until_idle(1);
        end(f.shape, 1);
        hold_workers();
        ck_assert_uint_eq(pool_drop(f.pool, NULL, true), 1);
        pool_stop(f.pool);
        uv_run(&f.t.loop, UV_RUN_NOWAIT);
        ck_assert_uint_eq(f.n_empty, 0);
        let_workers_go();
        close_pool();
        ck_assert(!has_template(f.shape));
}
END_TEST

START_TEST(a_pool_is_not_empty_before_its_jobs_have_ended)
{
        begin_and_pump(1);
        until_idle(1);
        pool_stop(f.pool);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.n_empty, 0);
        ck_assert_uint_eq(count_entries(f.run_dir), 0);
        end(f.shape, 1);
        ck_assert_uint_eq(f.n_empty, 1);
}
END_TEST

START_TEST(a_job_that_begins_late_finds_no_pool)
{
        begin(f.shape);
        pool_stop(f.pool);
        f.running[1]++;
        pool_begin(f.pool, f.other, NULL);
        ck_assert(!take(f.shape, NULL));
}
END_TEST

int main(void)
{
        Suite *s = suite_create("pool");
        TCase *demand = tcase_create("demand"), *fail = tcase_create("failures"),
              *stop = tcase_create("stop");
        TCase *all[] = {demand, fail, stop};

        for (size_t i = 0; i < KT_ARRAY_SIZE(all); i++) {
                tcase_add_checked_fixture(all[i], all[i] == fail ? setup_stopped : setup_pool,
                                          teardown_pool);
                tcase_set_timeout(all[i], 120);
                suite_add_tcase(s, all[i]);
        }
        tcase_add_test(demand, demand_leads_to_a_template_and_then_to_a_guest_that_waits);
        tcase_add_test(demand, what_an_idle_guest_takes_is_known);
        tcase_add_test(demand, as_many_as_ran_at_once_are_made_ready);
        tcase_add_test(demand, a_job_takes_a_guest_that_waits_and_another_takes_its_place);
        tcase_add_test(demand, a_guest_that_was_taken_is_the_jobs_alone);
        tcase_add_test(demand, a_job_that_finds_none_is_a_miss);
        tcase_add_test(demand, without_a_pool_for_it_nothing_is_counted);
        tcase_add_test(demand, nothing_is_made_while_jobs_have_the_cpus);
        tcase_add_test(demand, nothing_is_made_while_a_job_has_the_host_to_itself);
        tcase_add_test(demand, guests_that_wait_do_so_beside_a_job_that_has_the_host_to_itself);
        tcase_add_test(demand, after_some_jobs_that_booted_the_template_is_built_beside_them);
        tcase_add_test(demand, what_is_larger_than_the_host_is_made_when_it_is_alone);
        tcase_add_test(demand, one_is_made_after_the_other_and_the_most_wanted_first);
        tcase_add_test(demand, what_all_may_have_is_shared_out);
        tcase_add_test(demand, memory_is_a_limit_too);
        tcase_add_test(demand, what_is_not_used_any_more_is_let_go_and_its_template_kept);
        tcase_add_test(demand, what_is_in_use_is_not_let_go);
        tcase_add_test(demand, what_comes_back_into_demand_needs_no_new_template);
        tcase_add_test(demand, the_next_daemon_finds_the_template);
        tcase_add_test(demand, guests_of_a_kernel_without_mailbox_are_kept_ready_too);
        tcase_add_test(fail, a_template_that_cannot_be_built_is_left_alone_longer_each_time);
        tcase_add_test(fail, a_shape_that_fails_is_in_nobody_elses_way);
        tcase_add_loop_test(fail, a_template_that_fails_has_its_words, 0,
                            (int)KT_ARRAY_SIZE(template_failures));
        tcase_add_test(fail, a_template_of_a_kernel_that_was_removed_fails);
        tcase_add_test(fail, a_template_of_a_kernel_that_was_changed_fails);
        tcase_add_test(fail, a_clone_that_fails_is_left_alone_too);
        tcase_add_test(fail, a_template_whose_clones_do_not_wake_is_thrown_away_after_two);
        tcase_add_test(fail, a_template_whose_files_went_is_built_anew);
        tcase_add_test(fail, a_job_that_knows_of_no_template_takes_none_away);
        tcase_add_test(fail, clones_of_jobs_count_as_well);
        tcase_add_test(fail, a_guest_that_dies_while_it_waits_is_replaced);
        tcase_add_test(fail, guests_that_die_one_after_the_other_are_replaced_later_each_time);
        tcase_add_test(fail, half_of_the_idle_guests_are_given_up);
        tcase_add_test(fail, they_come_back_when_memory_had_time_to_recover);
        tcase_add_test(fail, no_template_is_built_meanwhile);
        tcase_add_test(fail, those_of_the_least_wanted_are_given_up_first);
        tcase_add_test(stop, a_pool_without_templates_does_nothing);
        tcase_add_loop_test(stop, a_pool_can_be_stopped_whatever_it_is_at, 0, (int)KT_ARRAY_SIZE(stops));
        tcase_add_test(stop, a_template_that_is_all_but_there_is_kept_when_the_pool_stops);
        tcase_add_test(stop, a_pool_stops_after_a_template_that_is_being_thrown_away);
        tcase_add_test(stop, a_pool_is_not_empty_before_its_jobs_have_ended);
        tcase_add_test(stop, a_job_that_begins_late_finds_no_pool);
        return suite_run(s);
}
