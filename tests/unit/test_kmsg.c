/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../../guest/kmsg.h"
#include "unit.h"

static struct kmsg_sched s;

static void say(const char *text)
{
        kmsg_note(&s, text);
}

START_TEST(the_kernels_words_are_those_of_the_scheduler)
{
        memset(&s, 0, sizeof(s));
        say("sched_ext: BPF scheduler \"mine\" enabled");
        ck_assert(s.enabled && !s.disabled);
        ck_assert_str_eq(s.ops, "mine");
        say("sched_ext: BPF scheduler \"mine\" disabled (runnable task stall)");
        say("sched_ext: mine: kworker/0:1[7] failed to run for 4.512s");
        say("   watchdog_timer+0x1f/0x30");
        ck_assert(s.disabled);
        ck_assert_str_eq(s.reason, "runnable task stall");
        ck_assert_str_eq(s.message, "kworker/0:1[7] failed to run for 4.512s");
}
END_TEST

START_TEST(the_first_message_counts_and_only_its_schedulers)
{
        memset(&s, 0, sizeof(s));
        say("sched_ext: mine: before it was disabled");
        say("sched_ext: BPF scheduler \"mine\" disabled (scx_bpf_error)");
        say("sched_ext: another: not its own");
        ck_assert_str_eq(s.message, "");
        say("sched_ext: mine: the first");
        say("sched_ext: mine: the second");
        ck_assert_str_eq(s.message, "the first");
}
END_TEST

START_TEST(another_scheduler_begins_anew)
{
        memset(&s, 0, sizeof(s));
        say("sched_ext: BPF scheduler \"old\" disabled (runtime error)");
        say("sched_ext: BPF scheduler \"new\" enabled");
        ck_assert(s.enabled && !s.disabled);
        ck_assert_str_eq(s.ops, "new");
        ck_assert_str_eq(s.reason, "");
}
END_TEST

START_TEST(what_is_no_word_of_sched_ext_is_passed_over)
{
        memset(&s, 0, sizeof(s));
        say("");
        say("sched_ext: ");
        say("sched_ext: BPF scheduler \"unterminated");
        say("sched_ext: BPF scheduler \"x\" did something new");
        say("systemd: BPF scheduler \"x\" enabled");
        ck_assert(!s.enabled && !s.disabled);
}
END_TEST

START_TEST(long_words_are_cut)
{
        char text[4096];
        int n;

        memset(&s, 0, sizeof(s));
        n = snprintf(text, sizeof(text), "sched_ext: BPF scheduler \"");
        memset(text + n, 'n', 3000);
        snprintf(text + n + 3000, 100, "\" disabled (r)");
        say(text);
        ck_assert_uint_eq(strlen(s.ops), sizeof(s.ops) - 1);
        ck_assert_str_eq(s.reason, "r");
}
END_TEST

static void expect_line(const char *record, const char *line)
{
        char buf[64];
        const char *text = NULL;
        size_t n = kmsg_format(record, strlen(record), buf, sizeof(buf), &text);

        ck_assert_uint_eq(n, strlen(line));
        ck_assert_mem_eq(buf, line, n);
}

START_TEST(a_record_becomes_a_line)
{
        expect_line("6,1,12345678,-;hello\n SUBSYSTEM=pci\n", "[   12.345678] hello\n");
        expect_line("6,1,5,-;", "[    0.000005] \n");
        expect_line("30,99,1000000,c;one; two", "[    1.000000] one; two\n");
        expect_line("no record", "");
        expect_line("6,1;too few", "");
        /* Cut to the buffer, and still a line. */
        expect_line("6,1,0,-;0123456789012345678901234567890123456789012345678901234567890123456789",
                    "[    0.000000] 01234567890123456789012345678901234567890123456\n");
}
END_TEST

UNIT_MAIN("kmsg", the_kernels_words_are_those_of_the_scheduler,
          the_first_message_counts_and_only_its_schedulers, another_scheduler_begins_anew,
          what_is_no_word_of_sched_ext_is_passed_over, long_words_are_cut, a_record_becomes_a_line)
