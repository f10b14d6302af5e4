/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../guest/trace.h"

#include <string.h>
#include <sys/stat.h>

#include "../../guest/trace_text.h"
#include "../../proto/limits.h"
#include "unit.h"

/* --- lines --- */

static const struct {
        const char *text;
        bool is_cut;
        unsigned lines;
        size_t bytes;
        const char *last;
} texts[] = {
        {"", false, 3, 100, ""},
        {"a\n", false, 3, 100, "a\n"},
        {"a", false, 3, 100, "a\n"},
        {"# tracer: nop\n#\n   a-1 [000] x\n##### CPU 1 buffer started ####\n\n \t\n\tb\n", false, 3, 100,
         "a-1 [000] x\nb\n"},
        {"a\nb\nc\nd\n", false, 3, 100, "b\nc\nd\n"},
        {"a\nb\nc\nd\n", false, 4, 100, "a\nb\nc\nd\n"},
        /* whole lines, and each with its line break */
        {"aaaa\nbb\ncc\n", false, 3, 11, "aaaa\nbb\ncc\n"},
        {"aaaa\nbb\ncc\n", false, 3, 10, "bb\ncc\n"},
        {"aaaa\nbb\ncc", false, 3, 6, "bb\ncc\n"},
        {"aaaa\nbb\ncc\n", false, 3, 5, "cc\n"},
        {"aaaa\nbb\ncc\n", false, 3, 2, ""},
        /* a line that is too long ends it: what is before it was not the last */
        {"a\nbbbbbbbb\nc\n", false, 3, 8, "c\n"},
        {"alf\nb\n", true, 3, 100, "b\n"},
        {"alf", true, 3, 100, ""},
        {"", true, 3, 100, ""},
};

START_TEST(the_last_lines_are_kept)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(texts); i++) {
                _cleanup_free_ char *last =
                        trace_text_last(texts[i].text, texts[i].is_cut, texts[i].lines, texts[i].bytes);

                ck_assert_str_eq(last, texts[i].last);
        }
}
END_TEST

/* --- what is asked of the kernel: a folder that looks like its instance --- */

static char folder[] = "/tmp/ktstr-trace-XXXXXX";

static char *path_of(const char *file)
{
        return kt_format("%s/%s", folder, file);
}

static void make(const char *file, const char *text)
{
        _cleanup_free_ char *path = path_of(file), *in = strdup(path);
        FILE *f;

        *strrchr(in, '/') = '\0';
        ck_assert_int_eq(kt_mkdir_p(AT_FDCWD, in, 0700), 0);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
}

static void expect(const char *file, const char *text)
{
        _cleanup_free_ char *path = path_of(file), *got = NULL;
        size_t size;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, path, 1 << 20, &got, &size), 0);
        ck_assert_str_eq(got, text);
}

START_TEST(it_begins_and_ends_with_what_the_kernel_has)
{
        static const char *const there[] = {
                "instances/ktstr/tracing_on",
                "instances/ktstr/buffer_size_kb",
                "instances/ktstr/events/sched/sched_switch/enable",
                "instances/ktstr/events/sched_ext/enable",
                "instances/ktstr/events/sched_ext/sched_ext_dump/trigger",
                "instances/ktstr/events/sched/sched_process_exit/trigger",
                "instances/ktstr/events/sched_ext/sched_ext_event/filter",
        };
        struct trace t;

        ck_assert_ptr_nonnull(mkdtemp(folder));
        for (size_t i = 0; i < KT_ARRAY_SIZE(there); i++)
                make(there[i], "");
        make("instances/ktstr/trace", "# nothing\n  <idle>-0 [001] d..2. 1.5: sched_switch: x\n");
        trace_begin(&t, folder);
        ck_assert(!kt_error_isset(&t.error));
        expect(there[2], "1");
        expect(there[3], "1");
        expect(there[4], "traceoff");
        expect(there[6], "!(name ~ \"SCX_EV_BYPASS_*\")");
        expect(there[0], "");
        trace_follow(&t, 77);
        expect(there[5], "traceoff if pid == 77");
        make(there[5], "");
        trace_follow(&t, 0);
        expect(there[5], "!traceoff if pid == 77");
        trace_end(&t);
        expect(there[0], "0");
        ck_assert_str_eq(t.text, "<idle>-0 [001] d..2. 1.5: sched_switch: x\n");
        ck_assert(!kt_error_isset(&t.error));
        trace_done(&t);
        ck_assert_int_eq(kt_remove_tree(AT_FDCWD, folder), 0);
}
END_TEST

/* Of more than is read at once, too. */
START_TEST(functions_are_probed_as_far_as_they_can_be)
{
        struct trace t;

        ck_assert_ptr_nonnull(mkdtemp(strcpy(folder, "/tmp/ktstr-trace-XXXXXX")));
        make("kprobe_events", "");
        make("instances/ktstr/events/sched_ext/enable", "");
        make("instances/ktstr/events/ktstr/f_isra_0/enable", "");
        make("instances/ktstr/trace", "x\n");
        trace_begin(&t, folder);
        trace_probe(&t, "f.isra.0");
        expect("instances/ktstr/events/ktstr/f_isra_0/enable", "1");
        /* Of these no event comes. */
        trace_probe(&t, "g");
        trace_probe(&t, "h");
        expect("kprobe_events", "p:ktstr/f_isra_0 f.isra.0 $arg* comm=p->comm:string pid=p->pid\n"
                                "p:ktstr/g g $arg* comm=p->comm:string pid=p->pid\n"
                                "p:ktstr/h h $arg* comm=p->comm:string pid=p->pid\n");
        trace_end(&t);
        ck_assert_str_eq(kt_error_text(&t.error), "g, h");
        ck_assert_str_eq(t.text, "x\n");
        trace_done(&t);
        ck_assert_int_eq(kt_remove_tree(AT_FDCWD, folder), 0);
}
END_TEST

START_TEST(a_long_trace_is_cut)
{
        _cleanup_free_ char *long_one = malloc(40 * 10000 + 1),
                            *expected = malloc(40 * KT_TRACE_LINES_MAX + 1);
        struct trace t;

        ck_assert_ptr_nonnull(mkdtemp(strcpy(folder, "/tmp/ktstr-trace-XXXXXX")));
        for (unsigned i = 0; i < 10000; i++)
                sprintf(long_one + 40 * i, "%-39u\n", i);
        for (unsigned i = 0; i < KT_TRACE_LINES_MAX; i++)
                sprintf(expected + 40 * i, "%-39u\n", 10000 - KT_TRACE_LINES_MAX + i);
        make("instances/ktstr/events/sched_ext/enable", "");
        make("instances/ktstr/trace", long_one);
        trace_begin(&t, folder);
        trace_end(&t);
        ck_assert_str_eq(t.text, expected);
        trace_done(&t);
        ck_assert_int_eq(kt_remove_tree(AT_FDCWD, folder), 0);
}
END_TEST

START_TEST(what_cannot_be_had_is_said)
{
        _cleanup_free_ char *instance = NULL;
        struct trace t;

        trace_begin(&t, "/nonexistent");
        ck_assert_str_eq(kt_error_text(&t.error), "this kernel has no tracefs (CONFIG_FTRACE)");
        trace_follow(&t, 77);
        trace_stop(&t);
        trace_end(&t);
        ck_assert_ptr_null(t.text);
        trace_done(&t);

        ck_assert_ptr_nonnull(mkdtemp(strcpy(folder, "/tmp/ktstr-trace-XXXXXX")));
        make("instances/x", "");
        trace_begin(&t, folder);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&t.error), "this kernel has no events to trace in "));
        trace_done(&t);

        make("instances/ktstr/events/sched_ext/enable", "");
        make("instances/ktstr/trace", "# tracer: nop\n");
        trace_begin(&t, folder);
        trace_end(&t);
        ck_assert_str_eq(kt_error_text(&t.error), "nothing was traced");
        trace_done(&t);
        ck_assert_int_eq(kt_remove_tree(AT_FDCWD, folder), 0);
}
END_TEST

START_TEST(one_that_was_not_begun_does_nothing)
{
        struct trace t = {};

        trace_follow(&t, 77);
        trace_stop(&t);
        trace_end(&t);
        ck_assert_ptr_null(t.text);
        ck_assert(!kt_error_isset(&t.error));
        trace_done(&t);
}
END_TEST

UNIT_MAIN("trace", the_last_lines_are_kept, it_begins_and_ends_with_what_the_kernel_has, a_long_trace_is_cut,
          functions_are_probed_as_far_as_they_can_be, what_cannot_be_had_is_said,
          one_that_was_not_begun_does_nothing)
