/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "../../daemon/kernel_features.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"
#include "unit.h"

#define KFUNC_TAG 1U /* tagged as one */

static int add_func(struct btf *b, const char *name, int proto, unsigned flags)
{
        int id = btf__add_func(b, name, BTF_FUNC_STATIC, proto);

        ck_assert_int_gt(id, 0);
        if (flags & KFUNC_TAG)
                ck_assert_int_gt(btf__add_decl_tag(b, "bpf_kfunc", id, -1), 0);
        return id;
}

/* What a kernel with sched_ext has; tags as pahole writes them from 1.26 on. */
static struct btf *kernel_btf(unsigned tag)
{
        struct btf *b = btf__new_empty();
        int u64 = btf__add_int(b, "unsigned long long", 8, 0), proto = btf__add_func_proto(b, 0);

        add_func(b, "scx_bpf_kick_cpu", proto, tag);
        add_func(b, "scx_bpf_dsq_insert", proto, tag);
        add_func(b, "scx_bpf_dsq_insert", proto, tag);
        add_func(b, "scx_bpf_dsq_insert_impl", proto, 0);
        add_func(b, "scx_bpf_lonely_impl", proto, tag);
        add_func(b, "scx_bpf_consume", proto, 0);
        add_func(b, "__scx_bpf_select_cpu_and", proto, tag);
        add_func(b, "__scx_bpf_helper", proto, 0);
        add_func(b, "bpf_iter_scx_dsq_new", proto, tag);
        add_func(b, "scx_init_task", proto, 0);
        add_func(b, "bpf_cpumask_create", proto, tag);
        ck_assert_int_gt(btf__add_struct(b, "sched_ext_ops", 16), 0);
        ck_assert_int_eq(btf__add_field(b, "select_cpu", u64, 0, 0), 0);
        ck_assert_int_eq(btf__add_field(b, "enqueue", u64, 64, 0), 0);
        ck_assert_int_gt(btf__add_enum64(b, "scx_ops_flags", 8, false), 0);
        ck_assert_int_eq(btf__add_enum64_value(b, "SCX_OPS_ENQ_LAST", 2), 0);
        ck_assert_int_eq(btf__add_enum64_value(b, "__SCX_OPS_INTERNAL_MASK", 7), 0);
        ck_assert_int_eq(btf__add_enum64_value(b, "SCX_OPS_HIGH", 1ULL << 63), 0);
        ck_assert_int_gt(btf__add_enum(b, "scx_exit_kind", 4), 0);
        ck_assert_int_eq(btf__add_enum_value(b, "SCX_EXIT_ERROR", 1024), 0);
        ck_assert_int_gt(btf__add_enum(b, "scx_rq_flags", 4), 0);
        ck_assert_int_eq(btf__add_enum_value(b, "SCX_RQ_ONLINE", 1), 0);
        return b;
}

static uint32_t write_btf(const struct unit_dir *dir, const struct btf *b)
{
        uint32_t size;
        const void *data = btf__raw_data(b, &size);

        ck_assert_ptr_nonnull(data);
        ck_assert_int_eq(kt_replace_file(dir->fd, "btf", data, size, 0600), 0);
        return size;
}

static void ck_assert_strings(char *const *strings, const char *const *expected, size_t n)
{
        for (size_t i = 0; i < n; i++)
                ck_assert_pstr_eq(strings[i], expected[i]);
        ck_assert_ptr_null(strings[n]);
}

START_TEST(a_kernels_features_are_found)
{
        static const char *const kfuncs[] = {"__scx_bpf_select_cpu_and", "bpf_iter_scx_dsq_new",
                                             "scx_bpf_consume",          "scx_bpf_dsq_insert",
                                             "scx_bpf_kick_cpu",         "scx_bpf_lonely_impl"},
                                 *const untagged[] = {"__scx_bpf_helper",     "__scx_bpf_select_cpu_and",
                                                      "bpf_iter_scx_dsq_new", "scx_bpf_consume",
                                                      "scx_bpf_dsq_insert",   "scx_bpf_kick_cpu",
                                                      "scx_bpf_lonely_impl"},
                                 *const ops[] = {"select_cpu", "enqueue"};
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_path_join(dir.path, "btf");
        struct btf *b = kernel_btf(_i == 0 ? KFUNC_TAG : 0);
        struct kernel_features *f;
        uint32_t size = write_btf(&dir, b);

        ck_assert_int_eq(kernel_features_read(path, &f, NULL), 0);
        ck_assert_uint_eq(f->btf_size, size);
        if (_i == 0)
                ck_assert_strings(f->kfuncs, kfuncs, KT_ARRAY_SIZE(kfuncs));
        else
                ck_assert_strings(f->kfuncs, untagged, KT_ARRAY_SIZE(untagged));
        ck_assert_strings(f->ops, ops, KT_ARRAY_SIZE(ops));
        ck_assert_uint_eq(f->n_constants, 3);
        ck_assert_str_eq(f->constants[0].enumeration, "scx_ops_flags");
        ck_assert_str_eq(f->constants[0].name, "SCX_OPS_ENQ_LAST");
        ck_assert(f->constants[0].value == 2);
        ck_assert_str_eq(f->constants[1].name, "SCX_OPS_HIGH");
        ck_assert(f->constants[1].value == 1ULL << 63);
        ck_assert_str_eq(f->constants[2].name, "SCX_EXIT_ERROR");
        ck_assert(f->constants[2].value == 1024);
        kernel_features_free(f);
        btf__free(b);
}
END_TEST

START_TEST(a_kernel_without_sched_ext_has_none)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_path_join(dir.path, "btf");
        struct btf *b = btf__new_empty();
        struct kernel_features *f;

        ck_assert_int_gt(btf__add_int(b, "int", 4, BTF_INT_SIGNED), 0);
        write_btf(&dir, b);
        ck_assert_int_eq(kernel_features_read(path, &f, NULL), 0);
        ck_assert_ptr_null(f->kfuncs);
        ck_assert_ptr_null(f->ops[0]);
        ck_assert_uint_eq(f->n_constants, 0);
        kernel_features_free(f);
        btf__free(b);
}
END_TEST

START_TEST(each_cut_is_an_error)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_path_join(dir.path, "btf");
        struct btf *b = kernel_btf(KFUNC_TAG);
        uint32_t size;
        const void *data = btf__raw_data(b, &size);

        for (uint32_t cut = 0; cut < size; cut++) {
                struct kt_error err = KT_ERROR_INIT;
                struct kernel_features *f;

                ck_assert_int_eq(kt_replace_file(dir.fd, "btf", data, cut, 0600), 0);
                ck_assert_msg(kernel_features_read(path, &f, &err) == -EBADMSG, "cut to %u of %u", cut,
                              size);
                ck_assert_str_eq(err.name, KT_E_BAD_KERNEL);
                ck_assert_ptr_nonnull(strstr(err.message, path));
                kt_error_done(&err);
        }
        btf__free(b);
}
END_TEST

START_TEST(no_flipped_byte_leads_astray)
{
        static const unsigned char masks[] = {0x01, 0x80, 0xff};
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *path = kt_path_join(dir.path, "btf");
        struct btf *b = kernel_btf(KFUNC_TAG);
        uint32_t size;
        const void *data = btf__raw_data(b, &size);
        _cleanup_free_ unsigned char *copy = malloc(size);

        memcpy(copy, data, size);
        for (uint32_t i = 0; i < size * KT_ARRAY_SIZE(masks); i++) {
                unsigned char *at = &copy[i / KT_ARRAY_SIZE(masks)], mask = masks[i % KT_ARRAY_SIZE(masks)];
                struct kernel_features *f = NULL;

                *at ^= mask;
                ck_assert_int_eq(kt_replace_file(dir.fd, "btf", copy, size, 0600), 0);
                (void)kernel_features_read(path, &f, NULL);
                kernel_features_free(f);
                *at ^= mask;
        }
        btf__free(b);
}
END_TEST

START_TEST(what_is_not_there_is_said)
{
        struct kt_error err = KT_ERROR_INIT;
        struct kernel_features *f;

        ck_assert_int_eq(kernel_features_read("/nonexistent/btf", &f, &err), -ENOENT);
        ck_assert_ptr_nonnull(strstr(err.message, "/nonexistent/btf"));
        kt_error_done(&err);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kernel_features");
        TCase *c = tcase_create("kernel_features");

        tcase_set_timeout(c, 60);
        tcase_add_loop_test(c, a_kernels_features_are_found, 0, 2);
        tcase_add_test(c, a_kernel_without_sched_ext_has_none);
        tcase_add_test(c, each_cut_is_an_error);
        tcase_add_test(c, no_flipped_byte_leads_astray);
        tcase_add_test(c, what_is_not_there_is_said);
        suite_add_tcase(s, c);
        return suite_run(s);
}
