/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../../daemon/kernel_diff.h"
#include "unit.h"

static const char config_a[] = "# Linux\n"
                               "CONFIG_SAME=y\n"
                               "CONFIG_HZ=250\n"
                               "# CONFIG_OFF_HERE is not set\n"
                               "CONFIG_ONLY_A=m\n"
                               "CONFIG_TEXT=\"a=b\"\n"
                               "CONFIG_NO=n\n",
                  config_b[] = "CONFIG_TEXT=\"a=c\"\n"
                               "CONFIG_HZ=1000\n"
                               "CONFIG_OFF_HERE=y\n"
                               "CONFIG_SAME=y\n"
                               "# CONFIG_ONLY_A is not set\n"
                               "# CONFIG_NEW_AND_OFF is not set";

static struct kernel_features features_of(char **kfuncs, char **ops, struct kernel_constant *constants,
                                          size_t n)
{
        return (struct kernel_features){
                .kfuncs = kfuncs, .ops = ops, .constants = constants, .n_constants = n};
}

START_TEST(options_that_differ_are_told)
{
        static const struct kernel_option expected[] = {
                {(char *)"CONFIG_HZ", (char *)"250", (char *)"1000"},
                {(char *)"CONFIG_OFF_HERE", NULL, (char *)"y"},
                {(char *)"CONFIG_ONLY_A", (char *)"m", NULL},
                {(char *)"CONFIG_TEXT", (char *)"\"a=b\"", (char *)"\"a=c\""},
        };
        struct kernel_diff *d;

        ck_assert_int_eq(kernel_diff_new(config_a, config_b, NULL, NULL, &d), 0);
        ck_assert_uint_eq(d->n_options, KT_ARRAY_SIZE(expected));
        for (size_t i = 0; i < KT_ARRAY_SIZE(expected); i++) {
                ck_assert_str_eq(d->options[i].option, expected[i].option);
                ck_assert_pstr_eq(d->options[i].a, expected[i].a);
                ck_assert_pstr_eq(d->options[i].b, expected[i].b);
        }
        kernel_diff_free(d);
}
END_TEST

START_TEST(the_same_configuration_has_no_differences)
{
        struct kernel_diff *d;

        ck_assert_int_eq(kernel_diff_new(config_a, config_a, NULL, NULL, &d), 0);
        ck_assert_uint_eq(d->n_options, 0);
        kernel_diff_free(d);
        ck_assert_int_eq(kernel_diff_new("", config_a, NULL, NULL, &d), 0);
        ck_assert_uint_eq(d->n_options, 4);
        kernel_diff_free(d);
}
END_TEST

START_TEST(names_that_only_one_has_are_told)
{
        char *kfuncs_a[] = {(char *)"scx_bpf_a", (char *)"scx_bpf_both", NULL},
             *kfuncs_b[] = {(char *)"scx_bpf_b", (char *)"scx_bpf_both", (char *)"scx_bpf_c", NULL},
             *ops_a[] = {(char *)"tick", (char *)"enqueue", NULL}, *ops_b[] = {(char *)"enqueue", NULL};
        struct kernel_constant constants[] = {{(char *)"scx_ops_flags", (char *)"SCX_OPS_X", 1}};
        struct kernel_features a = features_of(kfuncs_a, ops_a, NULL, 0),
                               b = features_of(kfuncs_b, ops_b, constants, 1);
        struct kernel_diff *d;

        ck_assert_int_eq(kernel_diff_new(NULL, NULL, &a, &b, &d), 0);
        ck_assert_str_eq(d->kfuncs.a[0], "scx_bpf_a");
        ck_assert_ptr_null(d->kfuncs.a[1]);
        ck_assert_str_eq(d->kfuncs.b[0], "scx_bpf_b");
        ck_assert_str_eq(d->kfuncs.b[1], "scx_bpf_c");
        ck_assert_ptr_null(d->kfuncs.b[2]);
        ck_assert_str_eq(d->ops.a[0], "tick");
        ck_assert_ptr_null(d->ops.a[1]);
        ck_assert_ptr_null(d->ops.b[0]);
        ck_assert_ptr_null(d->flags.a[0]);
        ck_assert_str_eq(d->flags.b[0], "SCX_OPS_X");
        kernel_diff_free(d);
}
END_TEST

START_TEST(what_one_does_not_have_is_not_compared)
{
        char *kfuncs[] = {(char *)"scx_bpf_a", NULL};
        struct kernel_features a = features_of(kfuncs, NULL, NULL, 0);
        struct kernel_diff *d;

        ck_assert_int_eq(kernel_diff_new(config_a, NULL, &a, NULL, &d), 0);
        ck_assert_uint_eq(d->n_options, 0);
        ck_assert_ptr_null(d->kfuncs.a[0]);
        ck_assert_ptr_null(d->kfuncs.b[0]);
        ck_assert_ptr_null(d->flags.b[0]);
        kernel_diff_free(d);
}
END_TEST

UNIT_MAIN("kernel_diff", options_that_differ_are_told, the_same_configuration_has_no_differences,
          names_that_only_one_has_are_told, what_one_does_not_have_is_not_compared)
