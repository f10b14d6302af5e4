/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bpf/btf.h>
#include <errno.h>
#include <string.h>

#include "../../guest/ops_layout.h"
#include "unit.h"

#define BITS 8

/* struct OPS, with timeout_ms at this byte. */
static int add_ops(struct btf *b, const char *name, int u32, uint32_t timeout_at)
{
        int id = btf__add_struct(b, name, timeout_at + 8);

        ck_assert_int_gt(id, 0);
        ck_assert_int_eq(btf__add_field(b, "flags", u32, 0, 0), 0);
        ck_assert_int_eq(btf__add_field(b, "timeout_ms", u32, timeout_at * BITS, 0), 0);
        return id;
}

/* struct bpf_struct_ops_OPS, with its data at 64. */
static int add_value(struct btf *b, const char *name, int common, int ops)
{
        int id = btf__add_struct(b, name, 512);

        ck_assert_int_gt(id, 0);
        ck_assert_int_eq(btf__add_field(b, "common", common, 0, 0), 0);
        ck_assert_int_eq(btf__add_field(b, "data", ops, 64 * BITS, 0), 0);
        return id;
}

/* One type of each kind, so that all have to be stepped over. */
static int add_all_kinds(struct btf *b)
{
        int u32 = btf__add_int(b, "unsigned int", 4, 0), proto = btf__add_func_proto(b, u32), func,
            enumeration;

        ck_assert_int_eq(btf__add_func_param(b, "a", u32), 0);
        ck_assert_int_eq(btf__add_func_param(b, "b", u32), 0);
        func = btf__add_func(b, "f", BTF_FUNC_STATIC, proto);
        ck_assert_int_gt(btf__add_decl_tag(b, "tag", func, -1), 0);
        ck_assert_int_gt(btf__add_array(b, u32, u32, 3), 0);
        ck_assert_int_gt(btf__add_ptr(b, u32), 0);
        ck_assert_int_gt(btf__add_union(b, "u", 4), 0);
        ck_assert_int_eq(btf__add_field(b, "timeout_ms", u32, 0, 0), 0);
        enumeration = btf__add_enum(b, "e", 4);
        ck_assert_int_gt(enumeration, 0);
        ck_assert_int_eq(btf__add_enum_value(b, "E", 1), 0);
        ck_assert_int_gt(btf__add_enum64(b, "e64", 8, false), 0);
        ck_assert_int_eq(btf__add_enum64_value(b, "E64", 1), 0);
        ck_assert_int_gt(btf__add_fwd(b, "sched_ext_ops", BTF_FWD_STRUCT), 0);
        ck_assert_int_gt(btf__add_typedef(b, "sched_ext_ops", u32), 0);
        ck_assert_int_gt(btf__add_volatile(b, u32), 0);
        ck_assert_int_gt(btf__add_const(b, u32), 0);
        ck_assert_int_gt(btf__add_restrict(b, u32), 0);
        ck_assert_int_gt(btf__add_var(b, "v", BTF_VAR_STATIC, u32), 0);
        ck_assert_int_gt(btf__add_datasec(b, ".data", 4), 0);
        ck_assert_int_eq(btf__add_datasec_var_info(b, u32, 0, 4), 0);
        ck_assert_int_gt(btf__add_float(b, "double", 8), 0);
        ck_assert_int_gt(btf__add_type_tag(b, "rcu", u32), 0);
        return u32;
}

static int parse(const struct btf *b, struct ops_layout ret[OPS_LAYOUTS])
{
        uint32_t size;
        const void *data = btf__raw_data(b, &size);

        ck_assert_ptr_nonnull(data);
        return ops_layout_parse(data, size, ret);
}

START_TEST(both_kinds_of_ops_are_found_in_whatever_order)
{
        struct ops_layout found[OPS_LAYOUTS];
        struct btf *b = btf__new_empty();
        int u32 = add_all_kinds(b), value, cid_value, ops;

        /* A struct may be named before it is there. */
        value = add_value(b, "bpf_struct_ops_sched_ext_ops", u32, u32 + 100);
        ops = add_ops(b, "sched_ext_ops_cid", u32, 320);
        cid_value = add_value(b, "bpf_struct_ops_sched_ext_ops_cid", u32, ops);
        for (int id = (int)btf__type_cnt(b); id < u32 + 100; id++)
                ck_assert_int_gt(btf__add_ptr(b, u32), 0);
        ck_assert_int_eq(add_ops(b, "sched_ext_ops", u32, 280), u32 + 100);

        ck_assert_int_eq(parse(b, found), 0);
        ck_assert_uint_eq(found[0].value_type, (uint32_t)value);
        ck_assert_uint_eq(found[0].timeout_offset, 64 + 280);
        ck_assert_uint_eq(found[1].value_type, (uint32_t)cid_value);
        ck_assert_uint_eq(found[1].timeout_offset, 64 + 320);
        btf__free(b);
}
END_TEST

START_TEST(a_kernel_may_have_the_first_kind_alone)
{
        struct ops_layout found[OPS_LAYOUTS];
        struct btf *b = btf__new_empty();
        int u32 = add_all_kinds(b), value;

        value = add_value(b, "bpf_struct_ops_sched_ext_ops", u32, add_ops(b, "sched_ext_ops", u32, 8));
        ck_assert_int_eq(parse(b, found), 0);
        ck_assert_uint_eq(found[0].value_type, (uint32_t)value);
        ck_assert_uint_eq(found[0].timeout_offset, 72);
        ck_assert_uint_eq(found[1].value_type, 0);
        btf__free(b);
}
END_TEST

START_TEST(a_kernel_without_them_has_none)
{
        struct ops_layout found[OPS_LAYOUTS];
        struct btf *b = btf__new_empty();
        int u32 = add_all_kinds(b), other;

        ck_assert_int_eq(parse(b, found), -ENOENT);
        /* Ops whose timeout is called otherwise, and a value that has something else in it. */
        other = btf__add_struct(b, "sched_ext_ops", 8);
        ck_assert_int_eq(btf__add_field(b, "timeout_us", u32, 0, 0), 0);
        add_value(b, "bpf_struct_ops_sched_ext_ops", u32, other);
        add_ops(b, "sched_ext_ops_cid", u32, 8);
        add_value(b, "bpf_struct_ops_sched_ext_ops_cid", u32, u32);
        ck_assert_int_eq(parse(b, found), -ENOENT);
        btf__free(b);
}
END_TEST

/* Whose parts would be where they say, if it began with them. */
START_TEST(a_header_that_is_too_short_is_refused)
{
        struct ops_layout found[OPS_LAYOUTS];
        struct btf *b = btf__new_empty();
        int u32 = add_all_kinds(b);
        struct btf_header *h;
        uint32_t size;
        const void *data;

        add_value(b, "bpf_struct_ops_sched_ext_ops", u32, add_ops(b, "sched_ext_ops", u32, 8));
        data = btf__raw_data(b, &size);
        h = malloc(size);
        ck_assert_ptr_nonnull(h);
        memcpy(h, data, size);
        ck_assert_int_eq(ops_layout_parse(h, size, found), 0);
        h->type_off += h->hdr_len;
        h->str_off += h->hdr_len;
        h->hdr_len = 0;
        ck_assert_int_eq(ops_layout_parse(h, size, found), -EBADMSG);
        free(h);
        btf__free(b);
}
END_TEST

/* Each on the heap by itself, so that a byte too much is seen. */
START_TEST(no_cut_and_no_flipped_byte_leads_astray)
{
        struct btf *b = btf__new_empty();
        int u32 = add_all_kinds(b);
        uint32_t size;
        const void *data;

        add_value(b, "bpf_struct_ops_sched_ext_ops", u32, add_ops(b, "sched_ext_ops", u32, 8));
        data = btf__raw_data(b, &size);
        for (uint32_t cut = 0; cut < size; cut++) {
                _cleanup_free_ char *copy = malloc(cut > 0 ? cut : 1);
                struct ops_layout found[OPS_LAYOUTS];

                memcpy(copy, data, cut);
                ck_assert_int_eq(ops_layout_parse(copy, cut, found), -EBADMSG);
        }
        for (uint32_t at = 0; at < size; at++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        _cleanup_free_ char *copy = malloc(size);
                        struct ops_layout found[OPS_LAYOUTS];

                        memcpy(copy, data, size);
                        copy[at] = (char)(copy[at] ^ (1 << bit));
                        int r = ops_layout_parse(copy, size, found);
                        ck_assert(r == 0 || r == -EBADMSG || r == -ENOENT);
                }
        btf__free(b);
}
END_TEST

UNIT_MAIN("ops_layout", both_kinds_of_ops_are_found_in_whatever_order,
          a_kernel_may_have_the_first_kind_alone, a_kernel_without_them_has_none,
          a_header_that_is_too_short_is_refused, no_cut_and_no_flipped_byte_leads_astray)
