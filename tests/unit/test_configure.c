/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../builder/configure.h"

#include <errno.h>
#include <string.h>

#include "../../proto/errors.h"
#include "unit.h"

/* All that guests need, as olddefconfig leaves it. */
#define GOOD                                                                                                \
        "CONFIG_64BIT=y\nCONFIG_BPF_SYSCALL=y\nCONFIG_BPF_JIT=y\nCONFIG_SCHED_CLASS_EXT=y\n"                \
        "CONFIG_DEBUG_INFO=y\nCONFIG_DEBUG_INFO_DWARF5=y\nCONFIG_DEBUG_INFO_BTF=y\n"                        \
        "CONFIG_TRACING_SUPPORT=y\nCONFIG_FTRACE=y\nCONFIG_KPROBES=y\nCONFIG_KPROBE_EVENTS=y\n"             \
        "CONFIG_PERF_EVENTS=y\nCONFIG_BPF_EVENTS=y\nCONFIG_HYPERVISOR_GUEST=y\nCONFIG_PVH=y\n"              \
        "CONFIG_PCI=y\nCONFIG_VIRTIO_MENU=y\nCONFIG_VIRTIO_PCI=y\nCONFIG_TTY=y\nCONFIG_VIRTIO_CONSOLE=y\n"

static const struct config_facts usual = {
        .version = "6.14.2", .has_sched_ext = true, .pahole = 124, .pahole_needed = 116};

static void expect(const char *config, struct config_facts facts, const char *message)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = config_check(config, &facts, &err);

        if (!message) {
                ck_assert_msg(r == 0, "%s", kt_error_text(&err));
                return;
        }
        ck_assert_int_eq(r, -ENOENT);
        ck_assert_str_eq(err.message, message);
        ck_assert_str_eq(err.name, KT_E_BUILD);
}

/* GOOD with more lines merged over it. */
static void expect_with(const char *over, struct config_facts facts, const char *message)
{
        _cleanup_free_ char *config = config_merge(GOOD, over);

        expect(config, facts, message);
}

START_TEST(what_is_merged_over_takes_the_place_of_what_was)
{
        static const struct {
                const char *base, *over, *merged;
        } cases[] = {
                {"CONFIG_A=y\nCONFIG_B=y\n", "CONFIG_A=m\n", "CONFIG_B=y\nCONFIG_A=m\n"},
                {"CONFIG_A=y\n", "# CONFIG_A is not set", "# CONFIG_A is not set\n"},
                {"# CONFIG_A is not set\nCONFIG_AB=y", "CONFIG_A=y\n", "CONFIG_AB=y\nCONFIG_A=y\n"},
                {"# a comment on CONFIG_A\nCONFIG_A=y\n", "", "# a comment on CONFIG_A\nCONFIG_A=y\n"},
                {"", "CONFIG_A=\"x y\"\n", "CONFIG_A=\"x y\"\n"},
                {"CONFIG_A=1\n", "CONFIG_A=2\r\n", "CONFIG_A=2\r\n"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *merged = config_merge(cases[i].base, cases[i].over);

                ck_assert_str_eq(merged, cases[i].merged);
        }
}
END_TEST

static void collect(void *userdata, const char *line, const char *value)
{
        char *text = userdata;

        snprintf(text + strlen(text), 256 - strlen(text), "%s>%s|", line, value ? value : "?");
}

START_TEST(lines_that_are_lost_are_named)
{
        static const struct {
                const char *config, *extra, *lost;
        } cases[] = {
                {"CONFIG_A=y\nCONFIG_N=64\nCONFIG_S=\"x y\"\n",
                 "CONFIG_A=y\nCONFIG_N=64\nCONFIG_S=\"x y\"\n", ""},
                {"CONFIG_A=m\n", "CONFIG_A=y", "CONFIG_A=y>m|"},
                {"", "CONFIG_A=y\nCONFIG_B=m\n", "CONFIG_A=y>n|CONFIG_B=m>n|"},
                {"CONFIG_A=y\n", "# CONFIG_A is not set\n", "# CONFIG_A is not set>y|"},
                {"", "# CONFIG_A is not set\nCONFIG_B=n\n", ""},
                {"CONFIG_N=64\n", "CONFIG_N=128\r\n", "CONFIG_N=128>64|"},
                /* The last of several counts. */
                {"CONFIG_A=y\n", "# CONFIG_A is not set\nCONFIG_A=y\n", ""},
                {"", "# a comment\n\nNR_CPUS=4\n", "NR_CPUS=4>?|"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                char lost[256] = "";

                config_lost(cases[i].config, cases[i].extra, collect, lost);
                ck_assert_str_eq(lost, cases[i].lost);
        }
}
END_TEST

START_TEST(a_good_one_is_good)
{
        expect(GOOD, usual, NULL);
}
END_TEST

START_TEST(each_that_is_missing_is_named)
{
        static const char *const required[] = {
                "SCHED_CLASS_EXT", "DEBUG_INFO_BTF", "BPF_SYSCALL", "FTRACE",
                "KPROBE_EVENTS",   "BPF_EVENTS",     "PVH",         "VIRTIO_PCI",
                "VIRTIO_CONSOLE",
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(required); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                _cleanup_free_ char *over = kt_format("# CONFIG_%s is not set\n", required[i]);
                _cleanup_free_ char *config = config_merge(GOOD, over);
                _cleanup_free_ char *beginning =
                        kt_format("CONFIG_%s did not survive olddefconfig: ", required[i]);

                ck_assert_int_eq(config_check(config, &usual, &err), -ENOENT);
                ck_assert_msg(strncmp(err.message, beginning, strlen(beginning)) == 0, "%s", err.message);
        }
}
END_TEST

START_TEST(an_old_kernel_is_the_reason)
{
        struct config_facts old = usual;

        old.version = "6.6.1";
        old.has_sched_ext = false;
        expect_with(
                "# CONFIG_SCHED_CLASS_EXT is not set\n", old,
                "CONFIG_SCHED_CLASS_EXT did not survive olddefconfig: kernel 6.6.1 has no sched_ext, which "
                "came with 6.12");
}
END_TEST

START_TEST(pahole_is_the_reason)
{
        static const char over[] =
                "# CONFIG_DEBUG_INFO_BTF is not set\n# CONFIG_SCHED_CLASS_EXT is not set\n";
        struct config_facts facts = usual;

        facts.pahole = 0;
        expect_with(over, facts,
                    "CONFIG_SCHED_CLASS_EXT did not survive olddefconfig: CONFIG_DEBUG_INFO_BTF, which it "
                    "needs, is off: pahole is not installed; install the package dwarves; nor did "
                    "CONFIG_DEBUG_INFO_BTF");
        facts.pahole = 117;
        expect_with(over, facts,
                    "CONFIG_SCHED_CLASS_EXT did not survive olddefconfig: CONFIG_DEBUG_INFO_BTF, which it "
                    "needs, is off: pahole 1.17 is too old, 1.21 is needed; nor did CONFIG_DEBUG_INFO_BTF");
        facts.pahole = 124;
        facts.pahole_needed = 126;
        expect_with("# CONFIG_DEBUG_INFO_BTF is not set\n", facts,
                    "CONFIG_DEBUG_INFO_BTF did not survive olddefconfig: pahole 1.24 is too old, 1.26 is "
                    "needed");
}
END_TEST

START_TEST(all_that_are_missing_are_named)
{
        expect_with(
                "# CONFIG_BPF_JIT is not set\n# CONFIG_SCHED_CLASS_EXT is not set\n"
                "# CONFIG_PCI is not set\n# CONFIG_VIRTIO_PCI is not set\n# CONFIG_FTRACE is not set\n",
                usual,
                "CONFIG_SCHED_CLASS_EXT did not survive olddefconfig: CONFIG_BPF_JIT, which it needs, is "
                "off; nor did CONFIG_FTRACE: the source does not know it, or something that it depends on "
                "is off; nor did CONFIG_VIRTIO_PCI: CONFIG_PCI, which it needs, is off");
}
END_TEST

START_TEST(what_excludes_it_is_the_reason)
{
        expect_with("CONFIG_DEBUG_INFO_REDUCED=y\n# CONFIG_DEBUG_INFO_BTF is not set\n", usual,
                    "CONFIG_DEBUG_INFO_BTF did not survive olddefconfig: CONFIG_DEBUG_INFO_REDUCED, which "
                    "excludes it, is on");
}
END_TEST

START_TEST(what_it_needs_is_the_reason)
{
        expect_with("# CONFIG_PCI is not set\n# CONFIG_VIRTIO_PCI is not set\n", usual,
                    "CONFIG_VIRTIO_PCI did not survive olddefconfig: CONFIG_PCI, which it needs, is off");
}
END_TEST

START_TEST(a_module_does_not_do)
{
        expect_with("CONFIG_VIRTIO_CONSOLE=m\n", usual,
                    "CONFIG_VIRTIO_CONSOLE did not survive olddefconfig: it is a module, and a guest loads "
                    "none before it can be reached");
}
END_TEST

START_TEST(the_extra_configuration_is_the_reason)
{
        struct config_facts facts = usual;

        facts.extra = "# CONFIG_PVH is not set\n";
        expect_with("# CONFIG_PVH is not set\n", facts,
                    "CONFIG_PVH did not survive olddefconfig: the extra configuration turns it off");
        facts.extra = "CONFIG_PCI=n\n";
        expect_with("# CONFIG_PCI is not set\n# CONFIG_VIRTIO_PCI is not set\n", facts,
                    "CONFIG_VIRTIO_PCI did not survive olddefconfig: the extra configuration turns off "
                    "CONFIG_PCI, which it needs");
        facts.extra = "CONFIG_DEBUG_INFO_REDUCED=y\n";
        expect_with("CONFIG_DEBUG_INFO_REDUCED=y\n# CONFIG_DEBUG_INFO_BTF is not set\n", facts,
                    "CONFIG_DEBUG_INFO_BTF did not survive olddefconfig: the extra configuration turns on "
                    "CONFIG_DEBUG_INFO_REDUCED, which excludes it");
}
END_TEST

UNIT_MAIN("configure", what_is_merged_over_takes_the_place_of_what_was, lines_that_are_lost_are_named,
          a_good_one_is_good, each_that_is_missing_is_named, an_old_kernel_is_the_reason,
          all_that_are_missing_are_named, pahole_is_the_reason, what_excludes_it_is_the_reason,
          what_it_needs_is_the_reason, a_module_does_not_do, the_extra_configuration_is_the_reason)
