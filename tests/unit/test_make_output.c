/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../builder/make_output.h"

#include <errno.h>
#include <string.h>

#include "../../proto/errors.h"
#include "unit.h"

static void feed(struct make_output *m, const char *text)
{
        _cleanup_free_ char *copy = strdup(text);
        char *line, *next = copy;

        while ((line = strsep(&next, "\n")))
                make_output_line(m, line);
}

static void expect_failure(const char *text, int num, const char *name, const char *message)
{
        _cleanup_(make_output_done) struct make_output m = {.dir = "/src"};
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        feed(&m, text);
        ck_assert_int_eq(make_output_failure(&m, 2, &err), num);
        ck_assert_str_eq(err.message, message);
        ck_assert_str_eq(err.name, name);
}

static void expect_detail(const struct make_output *m, unsigned i, const char *line)
{
        ck_assert_uint_lt(i, m->n_details);
        ck_assert_str_eq(m->details[i], line);
}

START_TEST(objects_are_counted_and_the_file_is_named)
{
        _cleanup_(make_output_done) struct make_output m = {.dir = "/src"};

        ck_assert_ptr_null(m.file);
        ck_assert(make_output_line(&m, "  CC      kernel/sched/ext.o"));
        ck_assert_str_eq(m.file, "kernel/sched/ext.o");
        ck_assert_int_eq(m.objects, 1);
        ck_assert(make_output_line(&m, "  CC [M]  fs/fat/cache.o"));
        ck_assert_str_eq(m.file, "fs/fat/cache.o");
        feed(&m, "  HOSTCC  scripts/basic/fixdep\n  AS      arch/x86/entry/entry_64.o\n"
                 "  AR      kernel/sched/built-in.a\n  LD      vmlinux.o");
        ck_assert_int_eq(m.objects, 6);
        /* What makes no object is named, not counted. */
        feed(&m, "  SYNC    include/config/auto.conf\n  CALL    scripts/checksyscalls.sh\n"
                 "  DESCEND objtool\n  BTF     .tmp_vmlinux.btf.o");
        ck_assert_int_eq(m.objects, 6);
        ck_assert_str_eq(m.file, ".tmp_vmlinux.btf.o");
        feed(&m, "  CC      /src/tools/objtool/check.o\n  LINK    /src/tools/objtool/objtool");
        ck_assert_str_eq(m.file, "tools/objtool/objtool");
        ck_assert_int_eq(m.objects, 8);
}
END_TEST

START_TEST(other_lines_name_no_file)
{
        static const char *const lines[] = {
                "",
                "   ",
                "# configuration written to .config",
                "make[1]: Entering directory '/src'",
                "  text that is indented",
                "  CC",
                "  C x",
                "   CC      three/blanks.o",
        };
        _cleanup_(make_output_done) struct make_output m = {0};

        for (size_t i = 0; i < KT_ARRAY_SIZE(lines); i++)
                ck_assert_msg(!make_output_line(&m, lines[i]), "'%s'", lines[i]);
        ck_assert_int_eq(m.objects, 0);
        ck_assert_ptr_null(m.file);
}
END_TEST

static unsigned n_warnings;
static char last_warning[256];

static void on_warning(void *userdata, const char *line)
{
        n_warnings++;
        snprintf(last_warning, sizeof(last_warning), "%s", line);
}

START_TEST(a_warning_is_handed_out_once_and_not_without_end)
{
        _cleanup_(make_output_done) struct make_output m = {.on_warning = on_warning};
        char line[64];

        feed(&m, "kernel/x.c: In function 'f':\nkernel/x.c:7:5: warning: unused variable 'a'\n"
                 "    7 |  int a;\nkernel/x.c:7:5: warning: unused variable 'a'");
        ck_assert_uint_eq(n_warnings, 1);
        ck_assert_str_eq(last_warning, "kernel/x.c:7:5: warning: unused variable 'a'");
        for (unsigned i = 0; i < MAKE_WARNINGS_MAX + 9; i++) {
                snprintf(line, sizeof(line), "x.c:%u:1: warning: w", i);
                make_output_line(&m, line);
        }
        ck_assert_uint_eq(n_warnings, MAKE_WARNINGS_MAX);
        ck_assert_uint_eq(m.more_warnings, 10);
        ck_assert_int_eq(m.worst, MAKE_NO_ERROR);
}
END_TEST

START_TEST(warnings_of_tools_are_warnings)
{
        _cleanup_(make_output_done) struct make_output m = {.on_warning = on_warning};

        feed(&m, "vmlinux.o: warning: objtool: f+0x10: unreachable instruction\n"
                 "ld: warning: vmlinux has a LOAD segment with RWX permissions\n"
                 "/w/config:12:warning: symbol value 'x' invalid for NR_CPUS\n"
                 "make[3]: warning: Clock skew detected.  Your build may be incomplete.");
        ck_assert_uint_eq(n_warnings, 4);
        ck_assert_int_eq(m.worst, MAKE_NO_ERROR);
}
END_TEST

/* gcc 12, make -j2: other compilers' lines in between. */
START_TEST(of_a_compiler_it_is_the_first_error)
{
        static const char text[] =
                "  CC      kernel/sched/core.o\n"
                "  CC      kernel/sched/ext.o\n"
                "In file included from kernel/sched/build_policy.c:61:\n"
                "kernel/sched/ext.c: In function 'scx_init':\n"
                "kernel/sched/ext.c:123:5: error: 'foo' undeclared (first use in this function)\n"
                "  123 |     foo = 1;\n"
                "      |     ^~~\n"
                "kernel/sched/ext.c:123:5: note: each undeclared identifier is reported only once\n"
                "  AR      init/built-in.a\n"
                "      |     not of it\n"
                "kernel/sched/ext.c:150:1: error: expected ';' before '}' token\n"
                "make[4]: *** Deleting file 'kernel/sched/build_policy.o'\n"
                "make[4]: *** [scripts/Makefile.build:229: kernel/sched/build_policy.o] Error 1\n"
                "make[4]: *** Waiting for unfinished jobs....\n"
                "make[3]: *** [scripts/Makefile.build:478: kernel/sched] Error 2\n"
                "make[2]: *** [scripts/Makefile.build:478: kernel] Error 2\n"
                "make[1]: *** [/src/Makefile:1937: .] Error 2\n"
                "make: *** [Makefile:224: __sub-make] Error 2\n";
        _cleanup_(make_output_done) struct make_output m = {0};
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

        feed(&m, text);
        ck_assert_int_eq(make_output_failure(&m, 2, &err), -EIO);
        ck_assert_str_eq(err.name, KT_E_BUILD);
        ck_assert_str_eq(err.message,
                         "kernel/sched/ext.c:123:5: error: 'foo' undeclared (first use in this function)");
        expect_detail(&m, 0, "In file included from kernel/sched/build_policy.c:61:");
        expect_detail(&m, 1, "kernel/sched/ext.c: In function 'scx_init':");
        expect_detail(&m, 2, err.message);
        expect_detail(&m, 3, "  123 |     foo = 1;");
        expect_detail(&m, 4, "      |     ^~~");
        expect_detail(&m, 5,
                      "kernel/sched/ext.c:123:5: note: each undeclared identifier is reported only once");
        expect_detail(&m, 6, "kernel/sched/ext.c:150:1: error: expected ';' before '}' token");
        ck_assert_uint_eq(m.n_details, 7);
}
END_TEST

START_TEST(details_have_an_end)
{
        _cleanup_(make_output_done) struct make_output m = {0};
        char line[64];

        for (unsigned i = 0; i < 3 * MAKE_DETAILS_MAX; i++) {
                snprintf(line, sizeof(line), "x.c:%u:1: error: e", i);
                make_output_line(&m, line);
        }
        ck_assert_uint_eq(m.n_details, MAKE_DETAILS_MAX);
        expect_detail(&m, 0, "x.c:0:1: error: e");
}
END_TEST

START_TEST(of_other_tools_it_is_their_line)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"ld: kernel/sched/ext.o: in function `scx_init':\n"
                 "ext.c:(.text+0x12): undefined reference to `no_such'\n"
                 "make[2]: *** [scripts/Makefile.vmlinux:34: vmlinux] Error 1",
                 "ext.c:(.text+0x12): undefined reference to `no_such'"},
                {"ld: a.o:(.data+0x0): multiple definition of `x'; b.o:(.data+0x0): first defined here",
                 "ld: a.o:(.data+0x0): multiple definition of `x'; b.o:(.data+0x0): first defined here"},
                {"/usr/bin/ld: cannot find -lelf: No such file or directory\n"
                 "collect2: error: ld returned 1 exit status",
                 "/usr/bin/ld: cannot find -lelf: No such file or directory"},
                {"arch/x86/entry/x.S: Assembler messages:\n"
                 "arch/x86/entry/x.S:12: Error: no such instruction: `movx %rax'",
                 "arch/x86/entry/x.S:12: Error: no such instruction: `movx %rax'"},
                {"kernel/Kconfig.preempt:12: syntax error\nmake[1]: *** [x: olddefconfig] Error 1",
                 "kernel/Kconfig.preempt:12: syntax error"},
                {"Kconfig:8: can't open file \"nothing/Kconfig\"",
                 "Kconfig:8: can't open file \"nothing/Kconfig\""},
                {"make[1]: *** No rule to make target 'kernel/x.o', needed by 'kernel/built-in.a'.  Stop.",
                 "No rule to make target 'kernel/x.o', needed by 'kernel/built-in.a'.  Stop."},
                {"Makefile:779: *** missing separator.  Stop.",
                 "Makefile:779: *** missing separator.  Stop."},
                {"***\n*** Configuration file \"/w/config\" not found!\n***\n"
                 "*** Please run some configurator (e.g. \"make oldconfig\" or",
                 "Configuration file \"/w/config\" not found!"},
                {"  BTFIDS  vmlinux\nFAILED: load BTF from vmlinux: Invalid argument\n"
                 "make[2]: *** [scripts/Makefile.vmlinux:34: vmlinux] Error 255",
                 "FAILED: load BTF from vmlinux: Invalid argument"},
                {"BTF: .tmp_vmlinux.btf: pahole (pahole) is not available\n"
                 "Failed to generate BTF for vmlinux\nTry to disable CONFIG_DEBUG_INFO_BTF",
                 "BTF: .tmp_vmlinux.btf: pahole (pahole) is not available"},
                {"/bin/sh: 1: bc: not found\nmake[1]: *** [./Kbuild:24: timeconst.h] Error 127",
                 "/bin/sh: 1: bc: not found"},
                {"scripts/x.c:1:10: fatal error: gelf.h: No such file or directory\n"
                 "compilation terminated.",
                 "scripts/x.c:1:10: fatal error: gelf.h: No such file or directory"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++)
                expect_failure(cases[i].text, -EIO, KT_E_BUILD, cases[i].message);
}
END_TEST

START_TEST(a_compiler_that_was_killed_comes_before_what_follows_from_it)
{
        expect_failure("  CC      drivers/a.o\n"
                       "drivers/b.c:1:1: error: e\n"
                       "gcc: fatal error: Killed signal terminated program cc1\n"
                       "compilation terminated.\n"
                       "make[3]: *** [scripts/Makefile.build:229: drivers/a.o] Error 1",
                       -ENOMEM, KT_E_INTERNAL,
                       "memory ran out near drivers/a.o: gcc: fatal error: Killed signal terminated program "
                       "cc1; build with fewer jobs at once (--jobs)");
        ck_assert_int_eq(make_error_of("make[2]: *** [scripts/Makefile.vmlinux:34: vmlinux] Killed"),
                         MAKE_MEMORY);
        ck_assert_int_eq(make_error_of("cc1: out of memory allocating 65536 bytes after a total of 1 bytes"),
                         MAKE_MEMORY);
}
END_TEST

START_TEST(a_full_disk_comes_before_everything)
{
        expect_failure(
                "x.c:1:1: error: e\n"
                "fatal error: error writing to /tmp/ccX.s: No space left on device\n"
                "gcc: fatal error: Killed signal terminated program cc1",
                -ENOSPC, KT_E_IO,
                "the disk is full: fatal error: error writing to /tmp/ccX.s: No space left on device; "
                "make room in /src");
}
END_TEST

START_TEST(where_nothing_is_known_as_an_error_the_target_and_the_last_words_are_told)
{
        expect_failure(
                "  GEN     include/generated/x.h\n"
                "strange tool: I will not\n"
                "make[2]: *** [scripts/Makefile.build:229: include/generated/x.h] Error 3\n"
                "make: *** [Makefile:224: __sub-make] Error 2",
                -EIO, KT_E_BUILD,
                "making include/generated/x.h failed: Error 3; last it said: strange tool: I will not");
        expect_failure("  CC      a.o\nmake: *** [Makefile:9: a.o] Error 1", -EIO, KT_E_BUILD,
                       "making a.o failed: Error 1, without a word why");
        expect_failure("", -EIO, KT_E_BUILD, "make ended with status 2 and said nothing");
}
END_TEST

START_TEST(what_sounds_like_an_error_and_is_none)
{
        static const char *const lines[] = {
                "  CC      lib/error-inject.o",
                "  CC      kernel/error.o",
                "#error here",
                "checking for errors... none",
                "kernel/x.c: In function 'f':",
                "  LD      vmlinux.o",
                "    7 |  int error;",
                "*** Default configuration is based on 'x86_64_defconfig'",
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(lines); i++)
                ck_assert_msg(make_error_of(lines[i]) == MAKE_NO_ERROR, "%s", lines[i]);
}
END_TEST

UNIT_MAIN("make_output", objects_are_counted_and_the_file_is_named, other_lines_name_no_file,
          a_warning_is_handed_out_once_and_not_without_end, warnings_of_tools_are_warnings,
          of_a_compiler_it_is_the_first_error, details_have_an_end, of_other_tools_it_is_their_line,
          a_compiler_that_was_killed_comes_before_what_follows_from_it, a_full_disk_comes_before_everything,
          where_nothing_is_known_as_an_error_the_target_and_the_last_words_are_told,
          what_sounds_like_an_error_and_is_none)
