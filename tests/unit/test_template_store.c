/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The templates that were verified: each once, for all who want it, while they want it. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "../../common/fsutil.h"
#include "../../daemon/template_store.h"
#include "../lib/suite.h"
#include "template_files.h"
#include "unit.h"

static struct template_files f;
static struct template_store *store;
static struct shape other; /* a shape besides that of f */

static void setup(void)
{
        template_files_init(&f);
        other = f.shape;
        memset(other.key, 'b', SHAPE_KEY_SIZE - 1);
        ck_assert_int_eq(template_store_new(f.root, &store, NULL), 0);
}

/* That no references are left is asserted in there. */
static void teardown(void)
{
        template_store_free(store);
        template_files_done(&f);
}

static const struct template *publish(void)
{
        struct template_draft *d = template_files_draft(&f);
        struct kt_error err = KT_ERROR_INIT;
        const struct template *t = NULL;

        ck_assert_msg(template_store_publish(store, d, &f.shape, &(struct template_facts){}, &t, &err) == 0,
                      "%s", kt_error_text(&err));
        template_draft_free(d);
        return t;
}

/* On disk, as another daemon would leave one: unknown to the store. */
static void leave_one(struct shape *s)
{
        struct template_files there = f;

        there.shape = *s;
        struct template_draft *d = template_files_draft(&there);
        template_free(template_files_publish(&there, d, NULL));
        template_draft_free(d);
}

/* As the pool does. */
static void discard(const char *key)
{
        _cleanup_free_ char *hidden = template_store_forget(store, key);

        if (hidden)
                ck_assert_int_eq(kt_remove_tree(AT_FDCWD, hidden), 0);
}

static void flip(const char *name)
{
        int fd = template_files_open(&f, name);
        uint8_t byte;

        ck_assert_int_eq(pread(fd, &byte, 1, 0), 1);
        byte ^= 1;
        ck_assert_int_eq(pwrite(fd, &byte, 1, 0), 1);
        close(fd);
}

START_TEST(there_is_none_at_first)
{
        ck_assert_ptr_null(template_store_get(store, &f.shape));
        ck_assert_str_eq(template_store_root(store), f.root);
}
END_TEST

START_TEST(one_that_is_published_is_had_by_all)
{
        const struct template *t = publish(), *again = template_store_get(store, &f.shape);

        ck_assert_ptr_eq(again, t);
        ck_assert_ptr_eq(template_ref(store, t), t);
        template_unref(store, t);
        template_unref(store, t);
        template_unref(store, again);
        template_unref(store, NULL);
}
END_TEST

START_TEST(one_that_lies_there_is_had)
{
        const struct template *t;

        leave_one(&f.shape);
        t = template_store_get(store, &f.shape);
        ck_assert_ptr_nonnull(t);
        ck_assert_str_eq(t->key, f.shape.key);
        ck_assert_ptr_null(template_store_get(store, &other));
        template_unref(store, t);
}
END_TEST

START_TEST(a_store_keeps_what_nobody_has_for_the_next)
{
        const struct template *t;

        leave_one(&f.shape);
        t = template_store_get(store, &f.shape);
        template_unref(store, t);
        ck_assert_ptr_eq(template_store_get(store, &f.shape), t);
        template_unref(store, t);
}
END_TEST

/* What is not looked at again may go. */
START_TEST(it_is_verified_once)
{
        _cleanup_free_ char *metadata = template_files_path(&f, "metadata.json");
        const struct template *t, *again;

        leave_one(&f.shape);
        t = template_store_get(store, &f.shape);
        ck_assert_int_eq(unlink(metadata), 0);
        again = template_store_get(store, &f.shape);
        ck_assert_ptr_eq(again, t);
        template_unref(store, t);
        template_unref(store, again);
}
END_TEST

START_TEST(one_that_was_touched_is_verified_anew)
{
        const struct template *t, *again;
        int fd;

        leave_one(&f.shape);
        t = template_store_get(store, &f.shape);
        template_files_age(&f);
        fd = template_files_open(&f, "state");
        ck_assert_int_eq(futimens(fd, NULL), 0);
        close(fd);
        again = template_store_get(store, &f.shape);
        ck_assert_ptr_nonnull(again);
        ck_assert_ptr_ne(again, t);
        /* The old one stays open for who has it. */
        ck_assert(!template_is_intact(t));
        ck_assert(template_is_intact(again));
        template_unref(store, t);
        template_unref(store, again);
}
END_TEST

START_TEST(one_that_was_changed_is_nobodys_any_more)
{
        const struct template *t;

        leave_one(&f.shape);
        t = template_store_get(store, &f.shape);
        template_files_age(&f);
        flip("memory-0");
        ck_assert_ptr_null(template_store_get(store, &f.shape));
        ck_assert_uint_eq(template_files_count(&f), 0);
        ck_assert_int_eq(fcntl(t->state_fd, F_GETFD), FD_CLOEXEC);
        template_unref(store, t);
}
END_TEST

START_TEST(one_that_was_thrown_away_stays_open_for_who_has_it)
{
        const struct template *t = publish();
        char state[64] = "";

        discard(f.shape.key);
        ck_assert_uint_eq(template_files_count(&f), 0);
        ck_assert_ptr_null(template_store_get(store, &f.shape));
        ck_assert_int_gt(pread(t->state_fd, state, sizeof(state) - 1, 0), 0);
        ck_assert_str_eq(state, TEMPLATE_STATE);
        ck_assert_ptr_eq(template_ref(store, t), t);
        template_unref(store, t);
        template_unref(store, t);
        discard(f.shape.key);
}
END_TEST

START_TEST(one_that_nobody_has_opened_is_thrown_away_too)
{
        leave_one(&f.shape);
        discard(f.shape.key);
        ck_assert_uint_eq(template_files_count(&f), 0);
}
END_TEST

START_TEST(the_next_one_takes_the_place_of_one_that_was_thrown_away)
{
        const struct template *old = publish(), *new;

        discard(f.shape.key);
        new = publish();
        ck_assert_ptr_ne(new, old);
        ck_assert(template_is_intact(new));
        template_unref(store, old);
        ck_assert_ptr_eq(template_store_get(store, &f.shape), new);
        template_unref(store, new);
        template_unref(store, new);
}
END_TEST

START_TEST(of_two_that_are_published_the_first_is_had)
{
        struct template_draft *d = template_files_draft(&f);
        const struct template *first = publish(), *second = NULL;

        ck_assert_int_eq(
                template_store_publish(store, d, &f.shape, &(struct template_facts){}, &second, NULL), 0);
        template_draft_free(d);
        ck_assert_uint_eq(first->stamps[0].ino, second->stamps[0].ino);
        template_unref(store, first);
        template_unref(store, second);
}
END_TEST

START_TEST(a_root_that_cannot_be_is_told)
{
        struct template_store *none = NULL;
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(template_store_new("/dev/null/templates", &none, &err), -ENOTDIR);
        ck_assert_ptr_null(none);
        ck_assert_ptr_nonnull(strstr(err.message, "/dev/null/templates"));
        kt_error_done(&err);
        template_store_free(NULL);
}
END_TEST

/* --- from many threads --- */

struct getter {
        pthread_t thread;
        const struct shape *shape;
        const struct template *got;
        atomic_bool done;
};

static void *get(void *data)
{
        struct getter *g = data;

        g->got = template_store_get(store, g->shape);
        g->done = true;
        return NULL;
}

static void start_getter(struct getter *g, const struct shape *s)
{
        *g = (struct getter){.shape = s};
        ck_assert_int_eq(pthread_create(&g->thread, NULL, get, g), 0);
}

START_TEST(many_threads_have_the_same_one)
{
        struct getter getters[8];

        leave_one(&f.shape);
        for (size_t i = 0; i < KT_ARRAY_SIZE(getters); i++)
                start_getter(&getters[i], &f.shape);
        for (size_t i = 0; i < KT_ARRAY_SIZE(getters); i++) {
                ck_assert_int_eq(pthread_join(getters[i].thread, NULL), 0);
                ck_assert_ptr_nonnull(getters[i].got);
                ck_assert_ptr_eq(getters[i].got, getters[0].got);
        }
        for (size_t i = 0; i < KT_ARRAY_SIZE(getters); i++)
                template_unref(store, getters[i].got);
}
END_TEST

/* Who opens the file waits until the descriptor is closed, and we are told by SIGIO. -1: not here. */
static int hold_file(const char *name)
{
        _cleanup_free_ char *path = template_files_path(&f, name);
        sigset_t set;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        sigemptyset(&set);
        sigaddset(&set, SIGIO);
        ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
        if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0) {
                puts("skipped: this file system knows no leases");
                close(fd);
                return -1;
        }
        return fd;
}

static void wait_until_opened(void)
{
        const struct timespec limit = {.tv_sec = 30};
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGIO);
        ck_assert_int_eq(sigtimedwait(&set, NULL, &limit), SIGIO);
}

START_TEST(one_that_is_being_verified_is_in_nobody_elses_way)
{
        const struct template *b, *again;
        struct getter a;
        int held;

        leave_one(&f.shape);
        leave_one(&other);
        b = template_store_get(store, &other);
        held = hold_file("state");
        if (held < 0) {
                template_unref(store, b);
                return;
        }
        start_getter(&a, &f.shape);
        wait_until_opened();

        template_ref(store, b);
        template_unref(store, b);
        again = template_store_get(store, &other);
        template_unref(store, b);
        template_unref(store, again);
        discard(other.key);
        ck_assert(!a.done);

        close(held);
        ck_assert_int_eq(pthread_join(a.thread, NULL), 0);
        ck_assert_ptr_nonnull(a.got);
        template_unref(store, a.got);
}
END_TEST

START_TEST(who_wants_what_is_being_verified_waits_for_it)
{
        struct getter a, b;
        int held;

        leave_one(&f.shape);
        held = hold_file("state");
        if (held < 0)
                return;
        start_getter(&a, &f.shape);
        wait_until_opened();
        start_getter(&b, &f.shape);
        close(held);
        ck_assert_int_eq(pthread_join(a.thread, NULL), 0);
        ck_assert_int_eq(pthread_join(b.thread, NULL), 0);
        ck_assert_ptr_nonnull(a.got);
        ck_assert_ptr_eq(a.got, b.got);
        template_unref(store, a.got);
        template_unref(store, b.got);
}
END_TEST

START_TEST(who_waits_for_one_that_is_no_good_gets_none)
{
        struct getter a, b;
        int held;

        leave_one(&f.shape);
        flip("state");
        held = hold_file("state");
        if (held < 0)
                return;
        start_getter(&a, &f.shape);
        wait_until_opened();
        start_getter(&b, &f.shape);
        close(held);
        ck_assert_int_eq(pthread_join(a.thread, NULL), 0);
        ck_assert_int_eq(pthread_join(b.thread, NULL), 0);
        ck_assert_ptr_null(a.got);
        ck_assert_ptr_null(b.got);
}
END_TEST

START_TEST(one_that_is_thrown_away_while_it_is_verified_is_not_had)
{
        struct getter a;
        int held;

        leave_one(&f.shape);
        held = hold_file("state");
        if (held < 0)
                return;
        start_getter(&a, &f.shape);
        wait_until_opened();
        discard(f.shape.key);
        ck_assert(!a.done);
        close(held);
        ck_assert_int_eq(pthread_join(a.thread, NULL), 0);
        ck_assert_ptr_null(a.got);
        ck_assert_uint_eq(template_files_count(&f), 0);
}
END_TEST

/* --- in use --- */

static void set_used(time_t seconds)
{
        _cleanup_free_ char *path = template_files_path(&f, "");
        const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};

        ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

START_TEST(every_get_counts_as_use_not_only_the_first)
{
        const struct template *t = publish(), *again;

        set_used(1000000000);
        again = template_store_get(store, &f.shape);
        ck_assert_ptr_eq(again, t);
        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert_uint_eq(template_files_count(&f), 1);
        template_unref(store, t);
        template_unref(store, again);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("template_store");
        TCase *one = tcase_create("one thread"), *many = tcase_create("many threads");
        TCase *all[] = {one, many};

        for (size_t i = 0; i < KT_ARRAY_SIZE(all); i++) {
                tcase_add_checked_fixture(all[i], setup, teardown);
                tcase_set_timeout(all[i], 120);
                suite_add_tcase(s, all[i]);
        }
        tcase_add_test(one, there_is_none_at_first);
        tcase_add_test(one, one_that_is_published_is_had_by_all);
        tcase_add_test(one, one_that_lies_there_is_had);
        tcase_add_test(one, a_store_keeps_what_nobody_has_for_the_next);
        tcase_add_test(one, it_is_verified_once);
        tcase_add_test(one, one_that_was_touched_is_verified_anew);
        tcase_add_test(one, one_that_was_changed_is_nobodys_any_more);
        tcase_add_test(one, one_that_was_thrown_away_stays_open_for_who_has_it);
        tcase_add_test(one, one_that_nobody_has_opened_is_thrown_away_too);
        tcase_add_test(one, the_next_one_takes_the_place_of_one_that_was_thrown_away);
        tcase_add_test(one, of_two_that_are_published_the_first_is_had);
        tcase_add_test(one, a_root_that_cannot_be_is_told);
        tcase_add_test(one, every_get_counts_as_use_not_only_the_first);
        tcase_add_test(many, many_threads_have_the_same_one);
        tcase_add_test(many, one_that_is_being_verified_is_in_nobody_elses_way);
        tcase_add_test(many, who_wants_what_is_being_verified_waits_for_it);
        tcase_add_test(many, who_waits_for_one_that_is_no_good_gets_none);
        tcase_add_test(many, one_that_is_thrown_away_while_it_is_verified_is_not_had);
        return suite_run(s);
}
