/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../daemon/sched_log.h"
#include "unit.h"

static struct sched_log extract(const char *text)
{
        struct sched_log log;

        sched_log_extract(text, strlen(text), &log);
        return log;
}

/* As libbpf prints it on 6.18. */
#define VERIFIER_LOG                                                                                        \
        "libbpf: prog 'ktstr_enqueue': BPF program load failed: Permission denied\n"                        \
        "libbpf: prog 'ktstr_enqueue': -- BEGIN PROG LOAD LOG --\n"                                         \
        "0: R1=ctx() R10=fp0\n"                                                                             \
        "; if (fail_verify) @ scx_ktstr.bpf.c:67\n"                                                         \
        "4: (71) r1 = *(u8 *)(r1 +0)           ; R1=1\n"                                                    \
        "; *(volatile int *)0 = 1; @ scx_ktstr.bpf.c:34\n"                                                  \
        "8: (63) *(u32 *)(r1 +0) = r2\n"                                                                    \
        "R1 invalid mem access 'scalar'\n"

#define VERIFIER_END                                                                                        \
        "processed 8 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read "   \
        "0\n"                                                                                               \
        "-- END PROG LOAD LOG --\n"                                                                         \
        "libbpf: prog 'ktstr_enqueue': failed to load: -13\n"                                               \
        "scx_ktstr: cannot load: Permission denied\n"

START_TEST(the_verifiers_complaint_comes_with_its_place)
{
        struct sched_log log = extract(VERIFIER_LOG VERIFIER_END);

        ck_assert_str_eq(log.error_text,
                         "R1 invalid mem access 'scalar' (in ktstr_enqueue, scx_ktstr.bpf.c:34)");
        ck_assert(strncmp(log.verifier_log, "0: R1=ctx()", 11) == 0);
        ck_assert_ptr_null(strstr(log.verifier_log, "END PROG"));
        ck_assert_ptr_null(log.dump);
        sched_log_done(&log);
}
END_TEST

START_TEST(the_report_of_newer_kernels_does_not_hide_the_complaint)
{
        struct sched_log log = extract(
                VERIFIER_LOG "\nVerification failed: Register Type Safety: Invalid dereference\n\n"
                             "At:\n  ktstr_enqueue @ scx_ktstr.bpf.c:34:28\n\nSuggestion:\n"
                             "  arithmetic, helper calls, or other operations that can invalidate it.\n"
                             "\n" VERIFIER_END);

        ck_assert_str_eq(log.error_text,
                         "R1 invalid mem access 'scalar' (in ktstr_enqueue, scx_ktstr.bpf.c:34)");
        ck_assert_ptr_nonnull(strstr(log.verifier_log, "Suggestion:"));
        sched_log_done(&log);
}
END_TEST

START_TEST(a_log_that_is_cut_off_still_counts)
{
        struct sched_log log = extract(
                "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n0: R1=ctx()\nback-edge from insn 4 to 3");

        ck_assert_str_eq(log.error_text, "back-edge from insn 4 to 3 (in p)");
        sched_log_done(&log);
        log = extract("libbpf: prog 'p': -- BEGIN PROG LOAD LOG --");
        ck_assert_ptr_nonnull(log.verifier_log);
        sched_log_done(&log);
}
END_TEST

START_TEST(libbpfs_first_real_complaint_is_the_reason)
{
        struct sched_log log = extract(
                "libbpf: struct_ops x: member y not found in kernel, skipping it as it's set to zero\n"
                "libbpf: extern (func ksym) 'scx_bpf_consume': not found in kernel or module BTFs\n"
                "libbpf: failed to load object 'scx_simple'\n"
                "scx_simple: exit\n");

        ck_assert_str_eq(log.error_text,
                         "libbpf: extern (func ksym) 'scx_bpf_consume': not found in kernel or module BTFs");
        ck_assert_ptr_null(log.verifier_log);
        sched_log_done(&log);
}
END_TEST

START_TEST(the_kernels_words_weigh_more_than_a_warning)
{
        struct sched_log log = extract("libbpf: Failed to bump RLIMIT_MEMLOCK\n"
                                       "DEBUG DUMP\n====\n\ninit[105] triggered exit kind 1026:\n\n====\n\n"
                                       "EXIT: runnable task stall (init[105] failed to run for 4.952s)\n");

        ck_assert_str_eq(log.error_text, "EXIT: runnable task stall (init[105] failed to run for 4.952s)");
        ck_assert_str_eq(log.dump, "\ninit[105] triggered exit kind 1026:\n\n");
        sched_log_done(&log);
}
END_TEST

START_TEST(a_proper_farewell_is_no_complaint)
{
        struct sched_log log = extract("EXIT: unregistered from user space\nsaw a config error\n");

        ck_assert_str_eq(log.error_text, "saw a config error");
        sched_log_done(&log);
}
END_TEST

START_TEST(bytes_that_are_no_text_do_no_harm)
{
        static const char bytes[] = "\xff\x00 oops\x1b[31m";
        struct sched_log log;

        sched_log_extract(bytes, sizeof(bytes) - 1, &log);
        ck_assert_str_eq(log.error_text, "?? oops?[31m");
        sched_log_done(&log);
        sched_log_extract("", 0, &log);
        ck_assert_ptr_null(log.error_text);
        sched_log_done(&log);
}
END_TEST

/* `n` lines of 64 bytes between two others. */
static struct sched_log extract_long(const char *before, size_t n, const char *behind)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        struct sched_log log;

        fputs(before, f);
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%063zu\n", i);
        fputs(behind, f);
        fclose(f);
        sched_log_extract(text, size, &log);
        return log;
}

START_TEST(what_is_too_long_for_a_verdict_is_cut_where_the_point_is_not)
{
        const size_t max = 1 << 20;
        struct sched_log log = extract_long("libbpf: prog 'x': -- BEGIN PROG LOAD LOG --\n", 20000,
                                            "R1 bad\nprocessed 1\n-- END PROG LOAD LOG --\n");

        ck_assert_str_eq(log.error_text, "R1 bad (in x)");
        ck_assert_uint_le(strlen(log.verifier_log), max);
        ck_assert_uint_gt(strlen(log.verifier_log), max - 128);
        ck_assert_ptr_nonnull(strstr(log.verifier_log, "R1 bad\nprocessed 1\n"));
        ck_assert_uint_eq(strspn(log.verifier_log, "0123456789"), 63);
        sched_log_done(&log);
        log = extract_long("DEBUG DUMP\n====\nwhat triggered it\n", 20000, "====\n");
        ck_assert_uint_eq(strlen(log.dump), max);
        ck_assert_int_eq(strncmp(log.dump, "what triggered it\n", 18), 0);
        sched_log_done(&log);
}
END_TEST

START_TEST(a_line_without_an_end_is_cut)
{
        char *text = malloc(100001);
        struct sched_log log;

        memset(text, 'x', 100000);
        text[100000] = '\0';
        log = extract(text);
        ck_assert_uint_eq(strlen(log.error_text), 4096);
        sched_log_done(&log);
        free(text);
}
END_TEST

START_TEST(exit_kinds_are_the_kernels)
{
        ck_assert_str_eq(sched_exit_kind("runnable task stall"), "error_stall");
        ck_assert_str_eq(sched_exit_kind("scx_bpf_error"), "error_bpf");
        ck_assert_str_eq(sched_exit_kind("unregistered from user space"), "unreg");
        ck_assert_str_eq(sched_exit_kind("words of a later kernel"), "unknown");
        ck_assert_str_eq(sched_exit_kind(NULL), "unknown");
}
END_TEST

UNIT_MAIN("sched_log", the_verifiers_complaint_comes_with_its_place,
          the_report_of_newer_kernels_does_not_hide_the_complaint, a_log_that_is_cut_off_still_counts,
          libbpfs_first_real_complaint_is_the_reason, the_kernels_words_weigh_more_than_a_warning,
          a_proper_farewell_is_no_complaint, bytes_that_are_no_text_do_no_harm,
          what_is_too_long_for_a_verdict_is_cut_where_the_point_is_not, a_line_without_an_end_is_cut,
          exit_kinds_are_the_kernels)
