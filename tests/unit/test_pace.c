/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../client/pace.h"
#include "unit.h"

START_TEST(until_one_is_refused_there_are_as_many_as_asked_for)
{
        struct pace p;

        pace_init(&p, 3);
        ck_assert(pace_allows(&p, 2, 0));
        ck_assert(!pace_allows(&p, 3, 0));
        pace_taken(&p, 3);
        ck_assert(!pace_allows(&p, 3, 0));
        ck_assert_int_eq(pace_wait_ms(&p, 0), -1);
}
END_TEST

START_TEST(from_then_on_each_that_ends_makes_room_for_one)
{
        struct pace p;

        pace_init(&p, 100);
        for (int i = 0; i < 36; i++)
                ck_assert(pace_refused(&p, 64, 1000));
        ck_assert(!pace_allows(&p, 64, 1000));
        ck_assert(pace_allows(&p, 63, 1000));
}
END_TEST

START_TEST(pauses_grow_with_each_try_that_is_refused)
{
        struct pace p;
        int64_t now = 1000;
        int pause = (int)PACE_PAUSE_MIN_MS;

        pace_init(&p, 100);
        /* Those that went out together count once. */
        ck_assert(pace_refused(&p, 64, now));
        ck_assert(pace_refused(&p, 64, now));
        for (int i = 0; i < 10; i++) {
                ck_assert_int_eq(pace_wait_ms(&p, now), pause);
                ck_assert(!pace_allows(&p, 64, now + pause - 1));
                now += pause;
                ck_assert_int_eq(pace_wait_ms(&p, now), 0);
                ck_assert(pace_allows(&p, 64, now));
                /* One, and its answer is waited for. */
                ck_assert(!pace_allows(&p, 65, now));
                ck_assert_int_eq(pace_wait_ms(&p, now), -1);
                ck_assert(pace_refused(&p, 64, now));
                pause = pause * 2 < (int)PACE_PAUSE_MAX_MS ? pause * 2 : (int)PACE_PAUSE_MAX_MS;
        }
}
END_TEST

START_TEST(after_one_that_was_taken_there_is_another_at_once)
{
        struct pace p;

        pace_init(&p, 100);
        ck_assert(pace_refused(&p, 64, 1000));
        ck_assert(pace_allows(&p, 64, 2000));
        pace_taken(&p, 65);
        ck_assert(pace_allows(&p, 65, 2000));
        ck_assert(!pace_allows(&p, 66, 2000));
        /* Never more than was asked for. */
        pace_taken(&p, 100);
        ck_assert(!pace_allows(&p, 100, 2000));
}
END_TEST

START_TEST(without_any_of_ours_patience_has_an_end)
{
        struct pace p;

        pace_init(&p, 16);
        ck_assert(pace_refused(&p, 0, 1000));
        ck_assert(!pace_allows(&p, 0, 1000));
        ck_assert(pace_allows(&p, 0, 1000 + PACE_PAUSE_MIN_MS));
        ck_assert(pace_refused(&p, 0, 1000 + PACE_PATIENCE_MS - 1));
        ck_assert(!pace_refused(&p, 0, 1000 + PACE_PATIENCE_MS));
        /* With one of ours it is there anew. */
        pace_taken(&p, 1);
        ck_assert(pace_refused(&p, 1, 900000));
        ck_assert(pace_refused(&p, 0, 1000000));
        ck_assert(pace_refused(&p, 0, 1000000 + PACE_PATIENCE_MS - 1));
}
END_TEST

UNIT_MAIN("pace", until_one_is_refused_there_are_as_many_as_asked_for,
          from_then_on_each_that_ends_makes_room_for_one, pauses_grow_with_each_try_that_is_refused,
          after_one_that_was_taken_there_is_another_at_once, without_any_of_ours_patience_has_an_end)
