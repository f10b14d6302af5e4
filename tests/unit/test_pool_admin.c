/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pool as people see it: looked at, primed, dropped. */

#include <errno.h>

#include "../../daemon/pool_policy.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"
#include "pool_fixture.h"

/* Somebody who waits, and what he was told. */
struct waiting {
        struct pool_waiter *waiter;
        unsigned told;
        bool failed;
        char name[64], message[256];
};

static struct waiting waiting[4];

static void setup(void)
{
        memset(waiting, 0, sizeof(waiting));
        setup_pool();
}

static void on_told(void *userdata, const struct kt_error *err)
{
        struct waiting *w = userdata;

        w->told++;
        w->failed = err;
        snprintf(w->name, sizeof(w->name), "%s", err ? err->name : "");
        snprintf(w->message, sizeof(w->message), "%s", err ? kt_error_text(err) : "");
}

static void prime(struct waiting *w, struct shape *s, unsigned idle)
{
        const struct template *t = template_store_get(f.store, s);

        ck_assert_int_eq(pool_prime(f.pool, s, t, idle, on_told, w, &w->waiter, NULL), 0);
        template_unref(f.store, t);
}

static bool is_told(void *userdata)
{
        const struct waiting *w = userdata;

        return w->told > 0;
}

static void expect_ready(struct waiting *w)
{
        loop_test_until(&f.t, is_told, w);
        ck_assert_uint_eq(w->told, 1);
        ck_assert_msg(!w->failed, "%s", w->message);
}

static void expect_told(struct waiting *w, const char *name, const char *part)
{
        loop_test_until(&f.t, is_told, w);
        ck_assert_uint_eq(w->told, 1);
        ck_assert_str_eq(w->name, name);
        ck_assert_msg(strstr(w->message, part) != NULL, "'%s' is not in: %s", part, w->message);
}

/* --- prime --- */

START_TEST(who_primes_is_told_when_they_are_ready)
{
        stop_clock();
        prime(&waiting[0], f.shape, 3);
        ck_assert_uint_eq(waiting[0].told, 0);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_BUILDING);
        ck_assert_uint_eq(look(f.shape).view.unused_ms, 0);
        expect_ready(&waiting[0]);
        ck_assert_uint_eq(sum().idle, 3);
        ck_assert_uint_eq(look(f.shape).view.want, 3);
        ck_assert_double_eq(look(f.shape).view.demand, 1);
}
END_TEST

START_TEST(who_primes_what_is_ready_is_told_at_once)
{
        begin_and_pump(2);
        until_idle(2);
        prime(&waiting[0], f.shape, 2);
        ck_assert_uint_eq(waiting[0].told, 1);
        ck_assert(!waiting[0].failed);
}
END_TEST

START_TEST(each_is_told_when_as_many_are_ready_as_he_asked_for)
{
        f.params.host_cpus = 2; /* one after the other */
        close_pool();
        open_pool();
        prime(&waiting[0], f.shape, 1);
        prime(&waiting[1], f.shape, 3);
        expect_ready(&waiting[0]);
        ck_assert_uint_eq(waiting[1].told, 0);
        expect_ready(&waiting[1]);
        ck_assert_uint_eq(sum().idle, 3);
}
END_TEST

START_TEST(who_primes_is_told_of_a_failure)
{
        set_script("template=fail_save");
        prime(&waiting[0], f.shape, 1);
        expect_told(&waiting[0], KT_E_GUEST_DIED, "QEMU could not save the guest's state");
}
END_TEST

START_TEST(who_primes_is_told_of_a_clone_that_fails)
{
        set_script("pool=die_waking");
        prime(&waiting[0], f.shape, 2);
        expect_told(&waiting[0], KT_E_GUEST_BOOT, "the guest died when it was woken");
}
END_TEST

START_TEST(what_was_left_alone_is_tried_at_once_when_it_is_primed)
{
        stop_clock();
        set_script("template=fail_save");
        begin_and_pump(1);
        until_failures(1);
        set_script("ok");
        prime(&waiting[0], f.shape, 1);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_BUILDING);
        expect_ready(&waiting[0]);
}
END_TEST

START_TEST(who_does_not_wait_any_more_is_not_told)
{
        prime(&waiting[0], f.shape, 1);
        prime(&waiting[1], f.shape, 1);
        pool_unwait(waiting[0].waiter);
        expect_ready(&waiting[1]);
        ck_assert_uint_eq(waiting[0].told, 0);
}
END_TEST

static bool is_not_in_demand(void *userdata)
{
        return look(f.shape).view.demand < POOL_DEMAND_MIN;
}

START_TEST(what_only_somebody_waited_for_goes_with_him)
{
        f.params.half_life_ms = 1;
        f.params.host_cpus = 2;
        close_pool();
        open_pool();
        pool_pump(f.pool, 2);
        prime(&waiting[0], f.shape, 1);
        loop_test_until(&f.t, is_not_in_demand, NULL);
        ck_assert(look(f.shape).found);
        pool_unwait(waiting[0].waiter);
        until_shapes(0);
}
END_TEST

START_TEST(what_was_primed_is_kept_ready_without_anyone_who_waits)
{
        prime(&waiting[0], f.shape, 2);
        pool_unwait(waiting[0].waiter);
        until_idle(2);
}
END_TEST

START_TEST(what_was_primed_fades_like_any_demand)
{
        f.params.half_life_ms = 20;
        close_pool();
        open_pool();
        prime(&waiting[0], f.shape, 2);
        expect_ready(&waiting[0]);
        until_shapes(0);
}
END_TEST

/* --- callbacks that call back --- */

static void on_told_unwait_next(void *userdata, const struct kt_error *err)
{
        struct waiting *w = userdata;

        on_told(w, err);
        pool_unwait(w[1].waiter);
}

static void prime_and_unwait_next(struct waiting *w, struct shape *s)
{
        ck_assert_int_eq(pool_prime(f.pool, s, NULL, 1, on_told_unwait_next, w, &w->waiter, NULL), 0);
}

START_TEST(one_who_is_told_may_send_the_next_one_away)
{
        prime_and_unwait_next(&waiting[0], f.shape);
        prime(&waiting[1], f.shape, 1);
        prime(&waiting[2], f.shape, 1);
        expect_ready(&waiting[0]);
        expect_ready(&waiting[2]);
        ck_assert_uint_eq(waiting[1].told, 0);
}
END_TEST

START_TEST(one_who_is_told_of_a_failure_may_do_so_too)
{
        set_script("template=fail_save");
        prime_and_unwait_next(&waiting[0], f.shape);
        prime(&waiting[1], f.shape, 1);
        expect_told(&waiting[0], KT_E_GUEST_DIED, "");
        ck_assert_uint_eq(waiting[1].told, 0);
}
END_TEST

static void on_told_drop_all(void *userdata, const struct kt_error *err)
{
        on_told(userdata, err);
        pool_drop(f.pool, NULL, false);
}

START_TEST(one_who_is_told_may_drop_all)
{
        begin(f.other);
        pool_pump(f.pool, 0);
        until_idle(1);
        end(f.other, 1);
        ck_assert_int_eq(pool_prime(f.pool, f.shape, NULL, 1, on_told_drop_all, &waiting[0],
                                    &waiting[0].waiter, NULL),
                         0);
        prime(&waiting[1], f.shape, 2);
        expect_ready(&waiting[0]);
        expect_told(&waiting[1], KT_E_DROPPED, "was dropped");
        until_shapes(0);
}
END_TEST

static void prime_and_drop_all(struct waiting *w, struct shape *s)
{
        ck_assert_int_eq(pool_prime(f.pool, s, NULL, 1, on_told_drop_all, w, &w->waiter, NULL), 0);
}

START_TEST(one_who_is_told_that_a_template_failed_may_drop_all)
{
        set_script("template=fail_save");
        prime_and_drop_all(&waiting[0], f.shape);
        expect_told(&waiting[0], KT_E_GUEST_DIED, "QEMU could not save the guest's state");
        until_shapes(0);
}
END_TEST

START_TEST(one_who_is_told_that_a_guest_failed_may_drop_all)
{
        set_script("pool=fail_restore");
        prime_and_drop_all(&waiting[0], f.shape);
        expect_told(&waiting[0], KT_E_GUEST_START, "QEMU could not restore the clone's state");
        until_shapes(0);
}
END_TEST

START_TEST(one_who_is_told_that_a_jobs_clone_failed_may_drop_all)
{
        struct kt_error err = KT_ERROR_INIT;

        kt_error_set(&err, -EIO, KT_E_GUEST_BOOT, "it did not wake");
        pool_pump(f.pool, 4); /* nothing is made for it */
        prime_and_drop_all(&waiting[0], f.shape);
        pool_clone_failed(f.pool, f.shape, &err);
        expect_told(&waiting[0], KT_E_GUEST_BOOT, "it did not wake");
        ck_assert_uint_eq(sum().shapes, 0);
        kt_error_done(&err);
}
END_TEST

static void on_told_prime_more(void *userdata, const struct kt_error *err)
{
        on_told(userdata, err);
        prime(&waiting[1], f.shape, 2);
}

static bool is_measured(void *userdata)
{
        return look(f.shape).view.memory_bytes > 0;
}

START_TEST(one_who_is_told_may_ask_for_more)
{
        begin_and_pump(1);
        loop_test_until(&f.t, is_measured, NULL);
        ck_assert_int_eq(pool_prime(f.pool, f.shape, NULL, 1, on_told_prime_more, &waiting[0],
                                    &waiting[0].waiter, NULL),
                         0);
        expect_ready(&waiting[0]);
        expect_ready(&waiting[1]);
        ck_assert_uint_eq(sum().idle, 2);
}
END_TEST

/* --- what cannot be had --- */

/* By the time that they are ready nobody would want them any more, but for who waits. */
START_TEST(who_waits_gets_them_however_fast_demand_fades)
{
        f.params.half_life_ms = 1;
        close_pool();
        open_pool();
        prime(&waiting[0], f.shape, 3);
        expect_ready(&waiting[0]);
        until_shapes(0);
}
END_TEST

START_TEST(who_asks_for_more_than_memory_holds_is_told)
{
        f.params.memory_bytes = 1 << 20;
        close_pool();
        open_pool();
        prime(&waiting[0], f.shape, 2);
        expect_told(&waiting[0], KT_E_BUSY,
                    "of " KERNEL_KEY "/1n1l2c1t/96M/tcg no more than 0 can be ready now: all guests that "
                    "wait may be 8 and take 1 MiB");
}
END_TEST

START_TEST(who_asks_for_more_than_others_leave_is_told)
{
        f.params.max = 3;
        close_pool();
        open_pool();
        begin(f.other);
        begin(f.other);
        pool_pump(f.pool, 0);
        until_idle(2);
        prime(&waiting[0], f.shape, 3);
        expect_told(&waiting[0], KT_E_BUSY,
                    "no more than 1 can be ready now: all guests that wait may be 3 and");
        ck_assert_uint_eq(look(f.shape).view.idle, 1);
        ck_assert_uint_eq(look(f.other).view.idle, 2);
        /* What fits is had. */
        prime(&waiting[1], f.shape, 1);
        expect_ready(&waiting[1]);
}
END_TEST

/* The first one is taken for larger than it turns out to be. */
START_TEST(who_asks_for_what_only_seems_too_much_gets_it)
{
        f.params.memory_bytes = 100 << 20;
        close_pool();
        open_pool();
        prime(&waiting[0], f.shape, 4);
        expect_ready(&waiting[0]);
}
END_TEST

START_TEST(who_waits_for_room_beside_jobs_goes_on_waiting)
{
        f.params.host_cpus = 2;
        close_pool();
        open_pool();
        pool_pump(f.pool, 2);
        prime(&waiting[0], f.shape, 1);
        ck_assert_uint_eq(sum().building, 0);
        uv_run(&f.t.loop, UV_RUN_NOWAIT);
        ck_assert_uint_eq(waiting[0].told, 0);
        pool_pump(f.pool, 0);
        expect_ready(&waiting[0]);
}
END_TEST

static void expect_refused(int num, unsigned idle, const char *name, const char *part)
{
        struct pool_waiter *w = NULL;
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(pool_prime(f.pool, f.shape, NULL, idle, on_told, &waiting[0], &w, &err), num);
        ck_assert_ptr_null(w);
        ck_assert_str_eq(err.name, name);
        ck_assert_msg(strstr(err.message, part) != NULL, "'%s' is not in: %s", part, err.message);
        ck_assert_uint_eq(waiting[0].told, 0);
        ck_assert_uint_eq(sum().shapes, 0);
        kt_error_done(&err);
}

START_TEST(more_than_the_pool_may_hold_are_refused)
{
        expect_refused(-ERANGE, 9, KT_E_INVALID_PARAMETER, "9 guests are more than the pool may hold (8,");
}
END_TEST

START_TEST(without_templates_nothing_can_be_primed)
{
        close_pool();
        f.params.store = NULL;
        ck_assert_int_eq(pool_new(&f.params, &f.pool, NULL), 0);
        f.n_empty = 0;
        expect_refused(-EOPNOTSUPP, 1, KT_E_NO_POOL, "Templates=");
}
END_TEST

START_TEST(who_primes_a_pool_that_stops_is_refused)
{
        pool_stop(f.pool);
        expect_refused(-ESHUTDOWN, 1, KT_E_SHUTTING_DOWN, "the daemon stops");
}
END_TEST

START_TEST(who_waits_is_told_when_the_pool_stops)
{
        prime(&waiting[0], f.shape, 1);
        prime(&waiting[1], f.other, 1);
        pool_stop(f.pool);
        for (unsigned i = 0; i < 2; i++) {
                ck_assert_uint_eq(waiting[i].told, 1);
                ck_assert_str_eq(waiting[i].name, KT_E_SHUTTING_DOWN);
        }
}
END_TEST

/* --- drop --- */

static void make_both_ready(void)
{
        begin_and_pump(1);
        begin(f.other);
        pool_pump(f.pool, 0);
        until_idle(2);
        end(f.shape, 1);
        end(f.other, 1);
}

START_TEST(what_is_dropped_is_forgotten_and_its_template_kept)
{
        make_both_ready();
        ck_assert_uint_eq(pool_drop(f.pool, f.shape->text, false), 1);
        ck_assert_uint_eq(sum().idle, 1);
        until_shapes(1);
        ck_assert(!look(f.shape).found);
        ck_assert(has_template(f.shape));
        begin_and_pump(1);
        until_idle(2);
        ck_assert_uint_eq(count_log("saved"), 2);
}
END_TEST

static bool has_no_template(void *shape)
{
        return !has_template(shape);
}

START_TEST(its_template_is_dropped_too_when_it_should_be)
{
        make_both_ready();
        ck_assert_uint_eq(pool_drop(f.pool, f.shape->text, true), 1);
        loop_test_until(&f.t, has_no_template, f.shape);
        ck_assert(has_template(f.other));
        begin_and_pump(1);
        until_idle(2);
        ck_assert_uint_eq(count_log("saved"), 3);
}
END_TEST

START_TEST(what_is_dropped_is_named_in_several_ways)
{
        static const struct {
                const char *text;
                unsigned n;
        } names[] = {{"1n1l2c1t", 1}, {"1n1l1c2t", 1}, {"1n1l4c1t", 0}, {KERNEL_KEY, 2},
                     {NULL, 2},       {"", 0},         {"6.99.0", 0}};

        make_both_ready();
        for (size_t i = 0; i < KT_ARRAY_SIZE(names); i++) {
                begin(f.shape);
                begin(f.other);
                pool_pump(f.pool, 0);
                until_idle(2);
                end(f.shape, 1);
                end(f.other, 1);
                ck_assert_uint_eq(pool_drop(f.pool, names[i].text, false), names[i].n);
                ck_assert_uint_eq(sum().idle, 2 - names[i].n);
        }
}
END_TEST

/* The job that runs has its guest. */
START_TEST(none_are_made_until_a_job_asks_again)
{
        begin_and_pump(2);
        until_idle(2);
        ck_assert_uint_eq(pool_drop(f.pool, NULL, false), 1);
        pool_pump(f.pool, 0);
        ck_assert_uint_eq(sum().idle, 0);
        ck_assert_uint_eq(sum().building, 0);
        ck_assert_uint_eq(look(f.shape).view.want, 0);
        end(f.shape, 1);
        ck_assert_uint_eq(sum().building, 0);
        ck_assert(look(f.shape).found);
        begin_and_pump(1);
        until_idle(1);
        ck_assert_uint_eq(look(f.shape).view.want, 1);
        end(f.shape, 2);
        ck_assert_uint_eq(sum().idle, 1);
        ck_assert_uint_eq(pool_drop(f.pool, NULL, false), 1);
        until_shapes(0);
}
END_TEST

START_TEST(nor_is_a_template)
{
        begin_and_pump(1);
        until_idle(1);
        ck_assert_uint_eq(pool_drop(f.pool, NULL, true), 1);
        loop_test_until(&f.t, has_no_template, f.shape);
        pool_pump(f.pool, 0);
        ck_assert_int_eq(look(f.shape).view.template, POOL_TEMPLATE_NONE);
        end(f.shape, 1);
        until_shapes(0);
        close_pool();
        ck_assert_uint_eq(count_entries(f.root), 0);
}
END_TEST

START_TEST(what_is_primed_fades_beside_a_job_that_was_forgotten)
{
        f.params.half_life_ms = 20;
        close_pool();
        open_pool();
        begin_and_pump(1);
        until_idle(1);
        ck_assert_uint_eq(pool_drop(f.pool, NULL, false), 1);
        prime(&waiting[0], f.shape, 1);
        expect_ready(&waiting[0]);
        until_idle(0);
        ck_assert(look(f.shape).found);
        end(f.shape, 1);
        ck_assert(!look(f.shape).found || sum().idle == 0);
        until_shapes(0);
}
END_TEST

START_TEST(who_waits_for_what_is_dropped_is_told)
{
        set_script("template=never_hello");
        prime(&waiting[0], f.shape, 1);
        prime(&waiting[1], f.other, 1);
        ck_assert_uint_eq(pool_drop(f.pool, f.shape->text, false), 1);
        expect_told(&waiting[0], KT_E_DROPPED, "was dropped from the pool");
        ck_assert_uint_eq(waiting[1].told, 0);
        until_shapes(1);
}
END_TEST

static bool guest_is_there(void *id)
{
        _cleanup_free_ char *path = kt_format("%s/guest-%s", f.run_dir, (char *)id);

        return access(path, F_OK) == 0;
}

START_TEST(what_is_being_built_is_dropped)
{
        set_script("template=never_hello");
        begin_and_pump(1);
        end(f.shape, 1);
        loop_test_until(&f.t, guest_is_there, "template-1");
        ck_assert_uint_eq(pool_drop(f.pool, NULL, false), 1);
        until_shapes(0);
        ck_assert_uint_eq(count_entries(f.run_dir), 0);
        ck_assert_uint_eq(count_entries(f.root), 0);
        ck_assert_uint_eq(f.metrics.templates_failed, 0);
}
END_TEST

START_TEST(a_guest_that_is_being_cloned_is_dropped)
{
        set_script("pool=never_parked");
        begin_and_pump(1);
        end(f.shape, 1);
        until_log("park 1");
        ck_assert_uint_eq(pool_drop(f.pool, NULL, false), 1);
        until_shapes(0);
        ck_assert_uint_eq(count_entries(f.run_dir), 0);
        ck_assert_uint_eq(f.metrics.guests_failed[GUEST_END_BOOT], 0);
}
END_TEST

START_TEST(a_failure_is_forgotten_with_what_is_dropped)
{
        stop_clock();
        set_script("template=fail_save");
        begin_and_pump(1);
        until_failures(1);
        end(f.shape, 1);
        ck_assert_uint_eq(pool_drop(f.pool, NULL, false), 1);
        ck_assert_uint_eq(sum().shapes, 0);
        ck_assert_uint_eq(sum().failing, 0);
}
END_TEST

/* --- a template that is there when it is dropped --- */

static volatile sig_atomic_t was_opened;

static void on_opened(int signum)
{
        was_opened = 1;
}

static bool is_opened(void *userdata)
{
        return was_opened;
}

/* The device state of the one template in the making. */
static char *find_draft(void)
{
        _cleanup_closedir_ DIR *dir = opendir(f.root);
        char *path = NULL;

        ck_assert_ptr_nonnull(dir);
        for (struct dirent *e; (e = readdir(dir));)
                if (strncmp(e->d_name, ".tmp-", 5) == 0)
                        path = kt_format("%s/%s/state", f.root, e->d_name);
        ck_assert_ptr_nonnull(path);
        return path;
}

static void do_nothing(uv_work_t *request)
{
}

static void on_nothing_done(uv_work_t *request, int status)
{
        request->data = NULL;
}

static bool is_done(void *request)
{
        return ((uv_work_t *)request)->data == NULL;
}

static void setup_two_workers(void)
{
        memset(waiting, 0, sizeof(waiting));
        setup_pool_with("2");
}

/* Whoever publishes it waits at its state until we let go. */
START_TEST(a_template_that_comes_too_late_is_dropped_too)
{
        _cleanup_free_ char *path = NULL;
        uv_work_t nothing = {.data = &nothing};
        int fd;

        signal(SIGIO, on_opened);
        begin_and_pump(1);
        until_log("saved");
        path = find_draft();
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0) {
                puts("skipped: this file system knows no leases");
                close(fd);
                return;
        }
        loop_test_until(&f.t, is_opened, NULL);
        end(f.shape, 1);
        ck_assert_uint_eq(pool_drop(f.pool, NULL, true), 1);
        /* Behind the removal, for which the other worker is there. */
        ck_assert_int_eq(uv_queue_work(&f.t.loop, &nothing, do_nothing, on_nothing_done), 0);
        loop_test_until(&f.t, is_done, &nothing);
        close(fd);
        until_shapes(0);
        close_pool();
        ck_assert_uint_eq(count_entries(f.root), 0);
}
END_TEST

/* --- look --- */

struct order {
        const struct shape *shapes[4];
        unsigned n;
};

static void add_shape(void *userdata, const struct pool_view *view)
{
        struct order *o = userdata;

        o->shapes[o->n++] = view->shape;
}

START_TEST(the_one_in_most_demand_comes_first)
{
        struct order o = {};

        begin(f.shape);
        begin(f.other);
        begin(f.other);
        pool_look(f.pool, add_shape, &o);
        ck_assert_uint_eq(o.n, 2);
        ck_assert_ptr_eq(o.shapes[0], f.other);
        end(f.other, 2);
        for (unsigned i = 0; i < 3; i++)
                begin(f.shape);
        o.n = 0;
        pool_look(f.pool, add_shape, &o);
        ck_assert_ptr_eq(o.shapes[0], f.shape);
}
END_TEST

START_TEST(an_empty_pool_has_nothing_to_show)
{
        struct order o = {};

        pool_look(f.pool, add_shape, &o);
        ck_assert_uint_eq(o.n, 0);
        ck_assert_uint_eq(sum().shapes + sum().idle + sum().building, 0);
        ck_assert(!sum().held);
        ck_assert_ptr_null(sum().reason);
        ck_assert_uint_eq(pool_drop(f.pool, NULL, true), 0);
}
END_TEST

static bool is_a_moment_old(void *userdata)
{
        return look(f.shape).view.oldest_idle_ms > 5 && look(f.shape).view.unused_ms > 5;
}

START_TEST(it_is_told_how_long_guests_wait)
{
        begin_and_pump(1);
        ck_assert_uint_eq(look(f.shape).view.oldest_idle_ms, 0);
        until_idle(1);
        loop_test_until(&f.t, is_a_moment_old, NULL);
}
END_TEST

/* --- all of it in any order --- */

static uint32_t dice;

static unsigned roll(unsigned sides)
{
        dice = dice * 1664525 + 1013904223;
        return (dice >> 16) % sides;
}

/* One that a job took: it is ended without ever having had it. */
static void on_any_frame(void *userdata, const struct kt_frame *frame)
{
}

static unsigned n_taken;

static void on_any_gone(void *userdata, enum guest_end end, const struct kt_error *err)
{
        n_taken--;
}

static void take_and_stop(struct shape *s)
{
        static const struct guest_ops ops = {.on_frame = on_any_frame, .on_gone = on_any_gone};
        struct guest *g = pool_take(f.pool, s, &ops, NULL, NULL);

        if (!g)
                return;
        n_taken++;
        guest_stop(g);
}

static void do_anything(void);

/* A client whose next request came with the last one. */
static void on_told_do_anything(void *userdata, const struct kt_error *err)
{
        on_told(userdata, err);
        if (roll(4) == 0)
                pool_drop(f.pool, NULL, roll(2));
        else if (roll(4) == 0)
                do_anything();
}

static void prime_any(struct shape *s)
{
        struct waiting *w = &waiting[roll(4)];
        const bool waits = w->waiter && !w->told;
        int r;

        if (waits)
                pool_unwait(w->waiter);
        memset(w, 0, sizeof(*w));
        if (waits)
                return;
        r = pool_prime(f.pool, s, NULL, 1 + roll(3), on_told_do_anything, w, &w->waiter, NULL);
        ck_assert(r == 0 || r == -ESHUTDOWN);
}

static void do_anything(void)
{
        static const char *const scripts[] = {"ok", "template=fail_save,pool=die_waking",
                                              "pool=fail_restore", "template=never_hello,pool=never_parked",
                                              "pool=no_mailbox"};
        struct shape *s = roll(2) ? f.shape : f.other;
        struct kt_error err = KT_ERROR_INIT;

        switch (roll(32)) {
        case 0:
                pool_drop(f.pool, roll(2) ? s->text : NULL, roll(2));
                break;
        case 1:
                pool_shrink(f.pool);
                break;
        case 2:
                kt_error_set(&err, -EIO, KT_E_GUEST_BOOT, "so it is said");
                pool_clone_failed(f.pool, s, &err);
                kt_error_done(&err);
                break;
        case 3:
                set_script(scripts[roll(KT_ARRAY_SIZE(scripts))]);
                break;
        case 4:
                (void)pool_measure(f.pool, NULL, NULL);
                break;
        case 5 ... 8:
                pool_clone_woke(f.pool, s);
                break;
        case 9 ... 13:
                prime_any(s);
                break;
        case 14 ... 17:
                take_and_stop(s);
                break;
        case 18 ... 23:
                begin(s);
                break;
        default:
                if (f.running[s == f.other] > 0)
                        end(s, 1);
        }
        pool_pump(f.pool, roll(3));
}

static bool none_is_taken(void *userdata)
{
        return n_taken == 0;
}

static bool was_looked_at(void *looked)
{
        bool before = *(bool *)looked;

        *(bool *)looked = true;
        return before;
}

/* Something happens, or two milliseconds pass. */
static void turn(void)
{
        bool looked = false;

        loop_test_until(&f.t, was_looked_at, &looked);
}

static void setup_any(void)
{
        memset(waiting, 0, sizeof(waiting));
        setup_pool_with("4");
}

/* What is left, and what the sanitizers say, is all that is looked at. */
START_TEST(whatever_happens_nothing_is_left)
{
        dice = (uint32_t)_i;
        f.params.half_life_ms = 50;
        f.params.hold_ms = 5;
        close_pool();
        open_pool();
        for (unsigned step = 0; step < 400; step++) {
                do_anything();
                for (unsigned turns = roll(6); turns > 0; turns--)
                        turn();
        }
        loop_test_until(&f.t, none_is_taken, NULL);
        close_pool();
        for (size_t i = 0; i < KT_ARRAY_SIZE(waiting); i++)
                ck_assert_uint_eq(waiting[i].told, waiting[i].waiter != NULL);
        ck_assert_uint_eq(count_entries(f.run_dir), 0);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("pool_admin");
        TCase *primed = tcase_create("prime"), *dropped = tcase_create("drop"),
              *looked = tcase_create("look"), *late = tcase_create("late"), *any = tcase_create("any order");
        TCase *all[] = {primed, dropped, looked};

        for (size_t i = 0; i < KT_ARRAY_SIZE(all); i++) {
                tcase_add_checked_fixture(all[i], setup, teardown_pool);
                tcase_set_timeout(all[i], 120);
                suite_add_tcase(s, all[i]);
        }
        tcase_add_test(primed, who_primes_is_told_when_they_are_ready);
        tcase_add_test(primed, who_primes_what_is_ready_is_told_at_once);
        tcase_add_test(primed, each_is_told_when_as_many_are_ready_as_he_asked_for);
        tcase_add_test(primed, who_primes_is_told_of_a_failure);
        tcase_add_test(primed, who_primes_is_told_of_a_clone_that_fails);
        tcase_add_test(primed, what_was_left_alone_is_tried_at_once_when_it_is_primed);
        tcase_add_test(primed, who_does_not_wait_any_more_is_not_told);
        tcase_add_test(primed, what_only_somebody_waited_for_goes_with_him);
        tcase_add_test(primed, what_was_primed_is_kept_ready_without_anyone_who_waits);
        tcase_add_test(primed, what_was_primed_fades_like_any_demand);
        tcase_add_test(primed, one_who_is_told_may_send_the_next_one_away);
        tcase_add_test(primed, one_who_is_told_of_a_failure_may_do_so_too);
        tcase_add_test(primed, one_who_is_told_may_drop_all);
        tcase_add_test(primed, one_who_is_told_that_a_template_failed_may_drop_all);
        tcase_add_test(primed, one_who_is_told_that_a_guest_failed_may_drop_all);
        tcase_add_test(primed, one_who_is_told_that_a_jobs_clone_failed_may_drop_all);
        tcase_add_test(primed, one_who_is_told_may_ask_for_more);
        tcase_add_test(primed, who_primes_a_pool_that_stops_is_refused);
        tcase_add_test(primed, who_waits_gets_them_however_fast_demand_fades);
        tcase_add_test(primed, who_asks_for_more_than_memory_holds_is_told);
        tcase_add_test(primed, who_asks_for_more_than_others_leave_is_told);
        tcase_add_test(primed, who_asks_for_what_only_seems_too_much_gets_it);
        tcase_add_test(primed, who_waits_for_room_beside_jobs_goes_on_waiting);
        tcase_add_test(primed, more_than_the_pool_may_hold_are_refused);
        tcase_add_test(primed, without_templates_nothing_can_be_primed);
        tcase_add_test(primed, who_waits_is_told_when_the_pool_stops);
        tcase_add_test(dropped, what_is_dropped_is_forgotten_and_its_template_kept);
        tcase_add_test(dropped, its_template_is_dropped_too_when_it_should_be);
        tcase_add_test(dropped, what_is_dropped_is_named_in_several_ways);
        tcase_add_test(dropped, none_are_made_until_a_job_asks_again);
        tcase_add_test(dropped, nor_is_a_template);
        tcase_add_test(dropped, what_is_primed_fades_beside_a_job_that_was_forgotten);
        tcase_add_test(dropped, who_waits_for_what_is_dropped_is_told);
        tcase_add_test(dropped, what_is_being_built_is_dropped);
        tcase_add_test(dropped, a_guest_that_is_being_cloned_is_dropped);
        tcase_add_test(dropped, a_failure_is_forgotten_with_what_is_dropped);
        tcase_add_checked_fixture(late, setup_two_workers, teardown_pool);
        tcase_set_timeout(late, 120);
        suite_add_tcase(s, late);
        tcase_add_test(late, a_template_that_comes_too_late_is_dropped_too);
        tcase_add_checked_fixture(any, setup_any, teardown_pool);
        tcase_set_timeout(any, 120);
        suite_add_tcase(s, any);
        tcase_add_loop_test(any, whatever_happens_nothing_is_left, 1, 9);
        tcase_add_test(looked, the_one_in_most_demand_comes_first);
        tcase_add_test(looked, an_empty_pool_has_nothing_to_show);
        tcase_add_test(looked, it_is_told_how_long_guests_wait);
        return suite_run(s);
}
