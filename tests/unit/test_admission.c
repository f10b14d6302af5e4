/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <time.h>

#include "../../common/cleanup.h"
#include "../../daemon/admission.h"
#include "../lib/suite.h"

#define JOBS_MAX 10000
#define ALICE 1001
#define BOB 1002
#define CAROL 1003

/* A host, and jobs that have a letter to be told apart by. */
static struct {
        struct admission a;
        struct admission_capacity capacity;
        struct admission_load load;
        uint64_t now_ms;
        struct admission_job jobs[JOBS_MAX];
        char letters[JOBS_MAX];
        size_t n;
} h;

static void setup(void)
{
        memset(&h, 0, sizeof(h));
        admission_init(&h.a);
        h.capacity = (struct admission_capacity){
                .host_cpus = 2, .overcommit = 4, .memory_mib = 4096}; /* 8 vCPUs */
}

static struct admission_job *add_full(char letter, uid_t uid, enum admission_priority priority,
                                      unsigned cpus, unsigned memory_mib)
{
        struct admission_job *job = &h.jobs[h.n];

        *job = (struct admission_job){.user = admission_user_of(&h.a, uid),
                                      .cpus = cpus,
                                      .memory_mib = memory_mib,
                                      .priority = priority};
        h.letters[h.n++] = letter;
        ck_assert_ptr_nonnull(job->user);
        admission_add(&h.a, job);
        return job;
}

static struct admission_job *add(char letter, uid_t uid, unsigned cpus)
{
        return add_full(letter, uid, ADMISSION_NORMAL, cpus, 64);
}

static struct admission_job *add_alone(char letter, uid_t uid, unsigned cpus)
{
        struct admission_job *job = add(letter, uid, cpus);

        job->alone = true;
        return job;
}

static char letter_of(const struct admission_job *job)
{
        return job ? h.letters[job - h.jobs] : '-';
}

static struct admission_job *next(void)
{
        return admission_next(&h.a, &h.capacity, &h.load, h.now_ms);
}

static void start(struct admission_job *job)
{
        admission_start(&h.a, job, h.now_ms);
        h.load.jobs++;
        h.load.alone |= job->alone;
        h.load.cpus += job->cpus;
        h.load.memory_mib += job->memory_mib;
}

static void end(struct admission_job *job)
{
        admission_remove(&h.a, job);
        h.load.jobs--;
        if (job->alone)
                h.load.alone = false;
        h.load.cpus -= job->cpus;
        h.load.memory_mib -= job->memory_mib;
}

/* Start what has room; their letters. */
static const char *pump(void)
{
        static char started[JOBS_MAX + 1];
        struct admission_job *job;
        size_t n = 0;

        while ((job = next())) {
                start(job);
                started[n++] = letter_of(job);
        }
        started[n] = '\0';
        return started;
}

static const char *look_ahead(void)
{
        static char order[JOBS_MAX + 1];
        struct admission_job *job;
        size_t n = 0;

        for (admission_ahead_begin(&h.a); (job = admission_ahead_next(&h.a));)
                order[n++] = letter_of(job);
        order[n] = '\0';
        return order;
}

static void end_all(void)
{
        while (!kt_list_empty(&h.a.running))
                end(kt_list_entry(h.a.running.next, struct admission_job, link));
}

/* Everything through one slot: the order in which they start. */
static const char *one_at_a_time(void)
{
        static char order[JOBS_MAX + 1];
        struct admission_job *job;
        size_t n = 0;

        h.capacity.host_cpus = h.capacity.overcommit = 1;
        while ((job = next())) {
                start(job);
                order[n++] = letter_of(job);
                end(job);
        }
        order[n] = '\0';
        return order;
}

static void teardown(void)
{
        for (size_t i = 0; i < h.n; i++)
                if (h.jobs[i].user)
                        admission_remove(&h.a, &h.jobs[i]);
        admission_done(&h.a);
}

START_TEST(an_empty_queue_has_nothing)
{
        ck_assert_ptr_null(next());
        ck_assert_str_eq(look_ahead(), "");
}
END_TEST

START_TEST(of_one_user_the_oldest_comes_first)
{
        for (char c = 'a'; c <= 'h'; c++)
                add(c, ALICE, 2);
        ck_assert_str_eq(look_ahead(), "abcdefgh");
        ck_assert_str_eq(pump(), "abcd");
        end(&h.jobs[1]);
        end(&h.jobs[3]);
        ck_assert_str_eq(pump(), "ef");
        ck_assert_str_eq(look_ahead(), "gh");
}
END_TEST

START_TEST(priority_comes_before_all_else)
{
        add_full('l', ALICE, ADMISSION_LOW, 1, 64);
        add_full('n', ALICE, ADMISSION_NORMAL, 1, 64);
        add_full('m', BOB, ADMISSION_NORMAL, 1, 64);
        add_full('h', CAROL, ADMISSION_HIGH, 1, 64);
        add_full('k', BOB, ADMISSION_LOW, 1, 64);
        add_full('i', CAROL, ADMISSION_HIGH, 1, 64);
        ck_assert_str_eq(look_ahead(), "hinmlk");
        ck_assert_str_eq(pump(), "hinmlk");
}
END_TEST

START_TEST(the_user_with_the_fewest_vcpus_running_comes_first)
{
        start(add('A', ALICE, 3));
        start(add('B', BOB, 1));
        add('a', ALICE, 1);
        add('b', BOB, 1);
        add('c', CAROL, 1);
        ck_assert_str_eq(look_ahead(), "cba");
        ck_assert_str_eq(pump(), "cba");
}
END_TEST

START_TEST(a_flood_of_one_user_leaves_another_half_of_the_host)
{
        for (unsigned i = 0; i < 20; i++)
                add('a', ALICE, 1);
        ck_assert_str_eq(pump(), "aaaaaaaa");
        for (unsigned i = 0; i < 6; i++)
                add('b', BOB, 1);
        /* As Alice's end, Bob catches up; then they alternate. */
        for (unsigned i = 0; i < 4; i++) {
                end(&h.jobs[i]);
                ck_assert_str_eq(pump(), "b");
        }
        ck_assert_str_eq(look_ahead(), "ababaaaaaaaaaa");
        end(&h.jobs[4]);
        ck_assert_str_eq(pump(), "a");
        end(&h.jobs[20]);
        ck_assert_str_eq(pump(), "b");
}
END_TEST

START_TEST(one_vcpu_weighs_one_not_one_job)
{
        for (unsigned i = 0; i < 4; i++)
                add('a', ALICE, 4);
        for (unsigned i = 0; i < 8; i++)
                add('b', BOB, 1);
        h.capacity.host_cpus = 6; /* 24 vCPUs */
        ck_assert_str_eq(look_ahead(), "abbbbabbbbaa");
        ck_assert_str_eq(pump(), "abbbbabbbbaa");
}
END_TEST

START_TEST(through_one_slot_users_take_turns)
{
        for (unsigned i = 0; i < 5; i++)
                add('a', ALICE, 1);
        for (unsigned i = 0; i < 3; i++)
                add('b', BOB, 1);
        add('c', CAROL, 1);
        /* Whoever was served least recently; of those that never were, who came first. */
        ck_assert_str_eq(look_ahead(), "abcababaa");
        ck_assert_str_eq(one_at_a_time(), "abcababaa");
        add('a', ALICE, 1);
        add('b', BOB, 1);
        ck_assert_str_eq(one_at_a_time(), "ba");
}
END_TEST

START_TEST(one_job_always_runs)
{
        add('a', ALICE, 200);
        add('b', ALICE, 200);
        ck_assert_str_eq(pump(), "a");
        end_all();
        ck_assert_str_eq(pump(), "b");
        end_all();
        h.capacity.host_cpus = 0;
        add('c', ALICE, 1);
        ck_assert_str_eq(pump(), "c");
}
END_TEST

START_TEST(nothing_runs_beside_one_that_wants_the_host_to_itself)
{
        add('a', ALICE, 1);
        add_alone('P', ALICE, 1);
        add('b', ALICE, 1);
        ck_assert_str_eq(pump(), "ab");
        end(&h.jobs[0]);
        ck_assert_str_eq(pump(), "");
        ck_assert(h.a.first_is_alone);
        end(&h.jobs[2]);
        ck_assert_str_eq(pump(), "P");
        ck_assert(!h.a.first_is_alone);
        add('c', BOB, 1);
        add_full('h', CAROL, ADMISSION_HIGH, 1, 64);
        add_alone('Q', ALICE, 1);
        h.now_ms += 10 * ADMISSION_PASS_MS;
        ck_assert_str_eq(pump(), "");
        ck_assert(!h.a.first_is_alone);
        end_all();
        ck_assert_str_eq(pump(), "hc");
        end_all();
        ck_assert_str_eq(pump(), "Q");
}
END_TEST

START_TEST(one_that_wants_the_host_to_itself_is_passed_until_it_has_waited)
{
        start(add('A', ALICE, 1));
        add_alone('P', ALICE, 1);
        h.now_ms = 1;
        ck_assert_str_eq(pump(), "");
        add('a', ALICE, 1);
        h.now_ms += ADMISSION_PASS_MS - 1;
        ck_assert_str_eq(pump(), "a");
        add('b', ALICE, 1);
        h.now_ms++;
        ck_assert_str_eq(pump(), "");
        end_all();
        ck_assert_str_eq(pump(), "P");
        end_all();
        ck_assert_str_eq(pump(), "b");
}
END_TEST

/* For the one that waited for it, it is from then on as with any other: it is passed until it has waited. */
static void end_build(void)
{
        h.load.building = false;
        ck_assert_str_eq(pump(), "");
        add('c', ALICE, 1);
        ck_assert_str_eq(pump(), "c");
        h.now_ms += ADMISSION_PASS_MS;
        add('d', ALICE, 1);
        ck_assert_str_eq(pump(), "");
}

/* A build may take an hour, in which all others go on. */
START_TEST(one_that_wants_the_host_to_itself_waits_for_a_build_and_is_passed)
{
        h.load.building = true;
        add_alone('P', ALICE, 1);
        add('a', ALICE, 1);
        h.now_ms = 1;
        ck_assert_str_eq(pump(), "a");
        h.now_ms += 10 * ADMISSION_PASS_MS;
        add('b', ALICE, 1);
        ck_assert_str_eq(pump(), "b");
        ck_assert(h.a.first_is_alone);
        end_build();
        end_all();
        ck_assert_str_eq(pump(), "P");
}
END_TEST

/* Its turn had come, and then another was first, beside whom a build could begin. */
START_TEST(a_build_that_begins_later_is_no_reason_to_hold_up_others)
{
        start(add('A', ALICE, 8));
        add_alone('P', ALICE, 1);
        h.now_ms = 1;
        ck_assert_str_eq(pump(), "");
        ck_assert(h.a.first_is_alone);
        add_full('h', BOB, ADMISSION_HIGH, 1, 64);
        ck_assert_str_eq(pump(), "");
        ck_assert(!h.a.first_is_alone);
        h.load.building = true;
        h.now_ms += 10 * ADMISSION_PASS_MS;
        end_all();
        ck_assert_str_eq(pump(), "h");
        end_all();
        add('a', ALICE, 1);
        ck_assert_str_eq(pump(), "a");
        h.now_ms += 10 * ADMISSION_PASS_MS;
        add('b', ALICE, 1);
        ck_assert_str_eq(pump(), "b");
        end_build();
}
END_TEST

/* It ends as it starts, however full the host is. */
START_TEST(one_without_vcpus_waits_for_nobody_to_end)
{
        add_alone('P', ALICE, 1);
        add('S', ALICE, 0);
        add('a', ALICE, 1);
        ck_assert_str_eq(pump(), "PS");
        end(&h.jobs[1]);
        ck_assert(h.load.alone);
        ck_assert_str_eq(pump(), "");
        end_all();
        ck_assert_str_eq(pump(), "a");
        start(add('L', ALICE, 9));
        add('U', ALICE, 0);
        ck_assert_str_eq(pump(), "U");
}
END_TEST

START_TEST(beside_another_a_job_needs_its_vcpus)
{
        start(add('A', ALICE, 5));
        add('a', ALICE, 4);
        ck_assert_ptr_null(next());
        h.capacity.overcommit = 5; /* 10 */
        ck_assert_str_eq(pump(), "a");
}
END_TEST

START_TEST(beside_another_a_job_needs_its_memory)
{
        start(add_full('A', ALICE, ADMISSION_NORMAL, 1, 3000));
        add_full('a', ALICE, ADMISSION_NORMAL, 1, 1097);
        ck_assert_ptr_null(next());
        add_full('b', ALICE, ADMISSION_NORMAL, 1, 1096);
        ck_assert_str_eq(pump(), "b");
        ck_assert_uint_eq(h.load.memory_mib, 4096);
        end_all();
        ck_assert_str_eq(pump(), "a");
}
END_TEST

START_TEST(smaller_ones_pass_one_without_room_until_it_has_waited)
{
        start(add('A', ALICE, 5));
        add('L', ALICE, 6);
        h.now_ms = 5000;
        ck_assert_str_eq(pump(), ""); /* its turn has come */
        add('a', ALICE, 1);
        add('b', ALICE, 4);
        add('c', ALICE, 1);
        h.now_ms += ADMISSION_PASS_MS - 1;
        ck_assert_str_eq(pump(), "ac");
        end(&h.jobs[2]);
        end(&h.jobs[4]);
        add('d', ALICE, 1);
        h.now_ms++;
        ck_assert_str_eq(pump(), "");
        end(&h.jobs[0]);
        ck_assert_str_eq(pump(), "Ld");
        ck_assert_str_eq(look_ahead(), "b");
}
END_TEST

START_TEST(nobody_passes_it_however_they_rank)
{
        start(add('A', ALICE, 5));
        add('L', BOB, 6);
        h.now_ms = 1;
        ck_assert_str_eq(pump(), "");
        h.now_ms += ADMISSION_PASS_MS;
        add('a', ALICE, 1);
        add_full('l', CAROL, ADMISSION_LOW, 1, 64);
        ck_assert_str_eq(pump(), "");
        /* Who comes before it does not pass it. */
        add_full('h', CAROL, ADMISSION_HIGH, 1, 64);
        ck_assert_str_eq(pump(), "h");
        end(&h.jobs[0]);
        ck_assert_str_eq(pump(), "La");
}
END_TEST

START_TEST(the_time_counts_from_its_turn)
{
        start(add('A', ALICE, 5));
        add('L', ALICE, 4);
        add('M', ALICE, 8);
        h.now_ms = 1;
        ck_assert_str_eq(pump(), "");
        h.now_ms = 60000;
        end(&h.jobs[0]);
        ck_assert_str_eq(pump(), "L");
        /* It has waited for a minute, but until now others were ahead. */
        add('a', ALICE, 1);
        ck_assert_str_eq(pump(), "a");
        h.now_ms += ADMISSION_PASS_MS;
        add('b', ALICE, 1);
        ck_assert_str_eq(pump(), "");
}
END_TEST

START_TEST(a_large_one_is_not_starved_by_a_stream_of_small_ones)
{
        struct admission_job *large;

        for (unsigned i = 0; i < 8; i++)
                add('s', i % 2 ? ALICE : BOB, 1);
        pump();
        large = add('L', ALICE, 8);
        while (!large->runs) {
                ck_assert_uint_lt(h.n, 1000);
                add('s', h.n % 2 ? ALICE : BOB, 1);
                pump();
                h.now_ms += 500;
                end(kt_list_entry(h.a.running.next, struct admission_job, link));
                pump();
        }
        ck_assert_uint_ge(large->started_ms, ADMISSION_PASS_MS);
        ck_assert_uint_le(large->started_ms, ADMISSION_PASS_MS + 20 * 500);
}
END_TEST

START_TEST(one_that_is_cancelled_was_never_there)
{
        start(add('A', ALICE, 8));
        add('L', ALICE, 8);
        add('a', ALICE, 1);
        h.now_ms = 1;
        ck_assert_str_eq(pump(), "");
        h.now_ms += ADMISSION_PASS_MS;
        end(&h.jobs[0]);
        start(add('B', BOB, 4));
        ck_assert_str_eq(pump(), "");
        admission_remove(&h.a, &h.jobs[1]);
        ck_assert_str_eq(pump(), "a");
        ck_assert_str_eq(look_ahead(), "");
}
END_TEST

START_TEST(looking_ahead_is_what_comes_when_all_have_room)
{
        static char ahead[JOBS_MAX + 1];
        unsigned seed = 1;

        for (unsigned i = 0; i < 500; i++)
                add_full((char)('!' + rand_r(&seed) % 90), (uid_t)(1000 + rand_r(&seed) % 7),
                         (enum admission_priority)(rand_r(&seed) % _ADMISSION_PRIORITY_MAX),
                         1 + (unsigned)rand_r(&seed) % 16, 1);
        for (unsigned i = 0; i < 20; i++)
                start(&h.jobs[i]);
        h.capacity =
                (struct admission_capacity){.host_cpus = 100000, .overcommit = 1, .memory_mib = 1 << 20};
        strcpy(ahead, look_ahead());
        ck_assert_uint_eq(strlen(ahead), 480);
        ck_assert_str_eq(ahead, look_ahead());
        ck_assert_str_eq(ahead, pump());
}
END_TEST

static double seconds(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

START_TEST(ten_thousand_go_through)
{
        const double began = seconds();
        size_t n = 0;

        for (unsigned i = 0; i < JOBS_MAX; i++)
                add('x', (uid_t)(1000 + i % 100), 1 + i % 8);
        for (; n < JOBS_MAX; h.now_ms += 100) {
                n += strlen(pump());
                end(kt_list_entry(h.a.running.next, struct admission_job, link));
        }
        /* A hundred times what it takes. */
        ck_assert_double_lt(seconds() - began, 30);
}
END_TEST

START_TEST(priorities_have_names)
{
        ck_assert_int_eq(admission_priority_parse("high"), ADMISSION_HIGH);
        ck_assert_int_eq(admission_priority_parse("normal"), ADMISSION_NORMAL);
        ck_assert_int_eq(admission_priority_parse("low"), ADMISSION_LOW);
        ck_assert_int_eq(admission_priority_parse("urgent"), _ADMISSION_PRIORITY_MAX);
        ck_assert_str_eq(admission_priority_name(ADMISSION_LOW), "low");
}
END_TEST

int main(void)
{
        const TTest *const tests[] = {
                an_empty_queue_has_nothing,
                of_one_user_the_oldest_comes_first,
                priority_comes_before_all_else,
                the_user_with_the_fewest_vcpus_running_comes_first,
                a_flood_of_one_user_leaves_another_half_of_the_host,
                one_vcpu_weighs_one_not_one_job,
                through_one_slot_users_take_turns,
                one_job_always_runs,
                nothing_runs_beside_one_that_wants_the_host_to_itself,
                one_that_wants_the_host_to_itself_is_passed_until_it_has_waited,
                one_that_wants_the_host_to_itself_waits_for_a_build_and_is_passed,
                a_build_that_begins_later_is_no_reason_to_hold_up_others,
                one_without_vcpus_waits_for_nobody_to_end,
                beside_another_a_job_needs_its_vcpus,
                beside_another_a_job_needs_its_memory,
                smaller_ones_pass_one_without_room_until_it_has_waited,
                nobody_passes_it_however_they_rank,
                the_time_counts_from_its_turn,
                a_large_one_is_not_starved_by_a_stream_of_small_ones,
                one_that_is_cancelled_was_never_there,
                looking_ahead_is_what_comes_when_all_have_room,
                ten_thousand_go_through,
                priorities_have_names,
        };
        Suite *s = suite_create("admission");
        TCase *c = tcase_create("admission");

        tcase_set_timeout(c, 60);
        tcase_add_checked_fixture(c, setup, teardown);
        for (size_t i = 0; i < KT_ARRAY_SIZE(tests); i++)
                tcase_add_test(c, tests[i]);
        suite_add_tcase(s, c);
        return suite_run(s);
}
