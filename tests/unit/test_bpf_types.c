/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/btf.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../../lib/body/bpf_types.h"
#include "../lib/suite.h"

/* Types as a compiler makes them, one after the other; they are numbered from 1. */
static struct {
        uint32_t words[512];
        size_t n_words;
        char strings[512];
        size_t strings_size;
        uint32_t n;
} made;

static uint32_t text(const char *name)
{
        const size_t at = made.strings_size;

        if (!*name)
                return 0;
        memcpy(made.strings + at, name, strlen(name) + 1);
        made.strings_size += strlen(name) + 1;
        return (uint32_t)at;
}

static void put(uint32_t word)
{
        ck_assert_uint_lt(made.n_words, KT_ARRAY_SIZE(made.words));
        made.words[made.n_words++] = word;
}

static uint32_t type(const char *name, unsigned kind, unsigned vlen, uint32_t size_or_type)
{
        put(text(name));
        put(kind << 24 | vlen);
        put(size_or_type);
        return ++made.n;
}

static uint32_t integer(const char *name, uint32_t size, uint32_t encoding, uint32_t bits)
{
        uint32_t id = type(name, BTF_KIND_INT, 0, size);

        put(encoding << 24 | bits);
        return id;
}

static uint32_t array(uint32_t of, uint32_t n)
{
        uint32_t id = type("", BTF_KIND_ARRAY, 0, 0);

        put(of);
        put(1);
        put(n);
        return id;
}

static void member(const char *name, uint32_t of, uint32_t bit)
{
        put(text(name));
        put(of);
        put(bit);
}

static uint32_t variable(const char *name, uint32_t of)
{
        uint32_t id = type(name, BTF_KIND_VAR, 0, of);

        put(BTF_VAR_GLOBAL_ALLOCATED);
        return id;
}

static void in_section(uint32_t var, uint32_t offset, uint32_t size)
{
        put(var);
        put(offset);
        put(size);
}

static uint32_t section;

/*
 * volatile int stall; bool on; unsigned char small; u64 total; enum mode mode;
 * struct stats { u32 nr; union { s16 low; u16 high; }; u32 bits:3; struct stats *next; } stats[2];
 * __int128 wide; int *pointer; int outside (by its size)
 */
static void make(void)
{
        uint32_t int_id, u8, u64, u32, s16, u16, boolean, wide, mode, pointer, stats, stats_array, unnamed;
        uint32_t vars[9];

        memset(&made, 0, sizeof(made));
        made.strings_size = 1;
        int_id = integer("int", 4, BTF_INT_SIGNED, 32);
        u8 = integer("unsigned char", 1, 0, 8);
        u64 = integer("unsigned long long", 8, 0, 64);
        u32 = integer("unsigned int", 4, 0, 32);
        s16 = integer("short", 2, BTF_INT_SIGNED, 16);
        u16 = integer("unsigned short", 2, 0, 16);
        boolean = integer("_Bool", 1, BTF_INT_BOOL, 8);
        wide = integer("__int128", 16, BTF_INT_SIGNED, 128);
        mode = type("mode", BTF_KIND_ENUM, 1, 4);
        put(text("MODE_A"));
        put(0);
        pointer = type("", BTF_KIND_PTR, 0, int_id);
        unnamed = type("", BTF_KIND_UNION, 2, 2);
        member("low", s16, 0);
        member("high", u16, 0);
        stats = type("stats", BTF_KIND_STRUCT, 4, 24);
        made.words[made.n_words - 2] |= 1U << 31; /* it has bit fields */
        member("nr", u32, 0);
        member("", unnamed, 32);
        member("bits", u32, 3U << 24 | 64);
        member("next", pointer, 128);
        stats_array = array(stats, 2);
        vars[0] = variable("stall",
                           type("", BTF_KIND_VOLATILE, 0, type("my_int", BTF_KIND_TYPEDEF, 0, int_id)));
        vars[1] = variable("on", boolean);
        vars[2] = variable("small", u8);
        vars[3] = variable("total", u64);
        vars[4] = variable("mode", mode);
        vars[5] = variable("stats", stats_array);
        vars[6] = variable("wide", wide);
        vars[7] = variable("pointer", pointer);
        vars[8] = variable("outside", u64);
        section = type(".bss", BTF_KIND_DATASEC, 9, 128);
        in_section(vars[0], 0, 4);
        in_section(vars[1], 4, 1);
        in_section(vars[2], 5, 1);
        in_section(vars[3], 8, 8);
        in_section(vars[4], 16, 4);
        in_section(vars[5], 24, 48);
        in_section(vars[6], 80, 16);
        in_section(vars[7], 96, 8);
        in_section(vars[8], 104, 4);
}

/* What was made, as the kernel hands it out. */
static void *bytes(size_t *ret_size)
{
        const struct btf_header h = {.magic = BTF_MAGIC,
                                     .version = 1,
                                     .hdr_len = sizeof(h),
                                     .type_len = (uint32_t)(made.n_words * 4),
                                     .str_off = (uint32_t)(made.n_words * 4),
                                     .str_len = (uint32_t)made.strings_size};
        char *data;

        *ret_size = sizeof(h) + h.type_len + h.str_len;
        data = malloc(*ret_size);
        ck_assert_ptr_nonnull(data);
        memcpy(data, &h, sizeof(h));
        memcpy(data + sizeof(h), made.words, h.type_len);
        memcpy(data + sizeof(h) + h.type_len, made.strings, h.str_len);
        return data;
}

static int locate(const char *name, const char *path, struct bpf_number *ret, struct kt_error *reterr)
{
        struct bpf_types types;
        struct bpf_variable v;
        size_t size;
        void *data;
        int r = -ENOENT;

        make();
        data = bytes(&size);
        ck_assert_int_eq(bpf_types_open(data, size, &types, NULL), 0);
        for (unsigned i = 0; r == -ENOENT && bpf_types_variable(&types, section, i, &v); i++)
                if (strcmp(v.name, name) == 0)
                        r = bpf_types_locate(&types, &v, path, ret, reterr);
        bpf_types_done(&types);
        free(data);
        return r;
}

START_TEST(a_section_has_its_variables)
{
        static const char *const names[] = {"stall", "on",   "small",   "total",  "mode",
                                            "stats", "wide", "pointer", "outside"};
        struct bpf_types types;
        struct bpf_variable v;
        size_t size;
        void *data;

        make();
        data = bytes(&size);
        ck_assert_int_eq(bpf_types_open(data, size, &types, NULL), 0);
        ck_assert_uint_eq(types.n, made.n + 1);
        ck_assert_str_eq(bpf_types_section(&types, section), ".bss");
        ck_assert_ptr_null(bpf_types_section(&types, 1));
        ck_assert_ptr_null(bpf_types_section(&types, 0));
        ck_assert_ptr_null(bpf_types_section(&types, section + 1));
        for (unsigned i = 0; i < KT_ARRAY_SIZE(names); i++) {
                ck_assert(bpf_types_variable(&types, section, i, &v));
                ck_assert_str_eq(v.name, names[i]);
        }
        ck_assert(!bpf_types_variable(&types, section, KT_ARRAY_SIZE(names), &v));
        ck_assert(!bpf_types_variable(&types, 1, 0, &v));
        bpf_types_done(&types);
        free(data);
}
END_TEST

static const struct {
        const char *name, *path;
        struct bpf_number number;
} found[] = {
        {"stall", "", {0, 4, true, false}},           {"on", "", {4, 1, false, true}},
        {"small", "", {5, 1, false, false}},          {"total", "", {8, 8, false, false}},
        {"mode", "", {16, 4, false, false}},          {"stats", "[0].nr", {24, 4, false, false}},
        {"stats", "[1].nr", {48, 4, false, false}},   {"stats", "[1].low", {52, 2, true, false}},
        {"stats", "[1].high", {52, 2, false, false}},
};

START_TEST(a_number_is_where_its_types_say)
{
        const struct bpf_number *n = &found[_i].number;
        struct kt_error err = KT_ERROR_INIT;
        struct bpf_number is;

        ck_assert_msg(locate(found[_i].name, found[_i].path, &is, &err) == 0, "%s%s: %s", found[_i].name,
                      found[_i].path, kt_error_text(&err));
        ck_assert_uint_eq(is.offset, n->offset);
        ck_assert_uint_eq(is.size, n->size);
        ck_assert_int_eq(is.is_signed, n->is_signed);
        ck_assert_int_eq(is.is_bool, n->is_bool);
}
END_TEST

static const struct {
        const char *name, *path, *message;
} refused[] = {
        {"stall", "[0]", "what should have [0] is no array"},
        {"stall", ".x", "what should have 'x' is no struct"},
        {"stall", "x", "'x' is no .MEMBER or [NUMBER]"},
        {"stats", "", "it is an array: name an element of it (a[0])"},
        {"stats", "[0]", "it is a struct: name a member of it (a.b)"},
        {"stats", "[2].nr", "there is no [2]: it has 2 elements"},
        {"stats", "[99999999999999999999].nr", "'[99999999999999999999].nr' is no [NUMBER]"},
        {"stats", "[-1]", "'[-1]' is no [NUMBER]"},
        {"stats", "[1", "'[1' is no [NUMBER]"},
        {"stats", "[0].nrr", "its struct has no 'nrr', did you mean 'nr'?"},
        {"stats", "[0].height", "its struct has no 'height', did you mean 'high'?"},
        {"stats", "[0].zzzzzz", "its struct has no 'zzzzzz'"},
        {"stats", "[0].bits", "it is a bit field, which shares its bytes"},
        {"stats", "[0].next", "it is no integer"},
        {"pointer", "", "it is no integer"},
        {"wide", "", "it is an integer of 16 bytes, and not of 1 to 8"},
        {"outside", "", "it lies outside its variable: its types (BTF) are damaged"},
};

START_TEST(what_is_no_number_is_refused_with_the_reason)
{
        struct kt_error err = KT_ERROR_INIT;
        struct bpf_number is;

        ck_assert_int_eq(locate(refused[_i].name, refused[_i].path, &is, &err), -EINVAL);
        ck_assert_str_eq(kt_error_text(&err), refused[_i].message);
        kt_error_done(&err);
}
END_TEST

/* Opened from a block of its own size, in which a sanitizer sees what is read beyond. */
static int open_copy(const void *data, size_t size)
{
        void *copy = malloc(size ?: 1);
        struct bpf_types types;
        struct bpf_variable v;
        struct bpf_number n;
        int r;

        memcpy(copy, data, size);
        r = bpf_types_open(copy, size, &types, NULL);
        if (r == 0) {
                for (uint32_t id = 0; id < types.n; id++)
                        for (unsigned i = 0; bpf_types_variable(&types, id, i, &v); i++) {
                                (void)bpf_types_locate(&types, &v, "", &n, NULL);
                                (void)bpf_types_locate(&types, &v, "[1].high", &n, NULL);
                        }
                bpf_types_done(&types);
        }
        free(copy);
        return r;
}

START_TEST(cut_off_it_is_refused)
{
        size_t size;
        char *data;

        make();
        data = bytes(&size);
        ck_assert_int_eq(open_copy(data, size), 0);
        for (size_t n = 0; n < size; n++)
                ck_assert_int_eq(open_copy(data, n), -EBADMSG);
        free(data);
}
END_TEST

START_TEST(damaged_it_is_not_read_beyond)
{
        size_t size, opened = 0;
        char *data;

        make();
        data = bytes(&size);
        for (size_t i = 0; i < size; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        data[i] = (char)(data[i] ^ 1 << bit);
                        opened += open_copy(data, size) == 0;
                        data[i] = (char)(data[i] ^ 1 << bit);
                }
        ck_assert_uint_gt(opened, 0);
        free(data);
}
END_TEST

#define LEVELS 32

/* Each has the next one twice, without a name: for a name that is not there, twice as much is to be looked
 * into on each level. */
START_TEST(structs_that_double_are_not_looked_into_for_ever)
{
        struct bpf_variable deep = {.size = 8};
        struct kt_error err = KT_ERROR_INIT;
        struct bpf_types types;
        struct bpf_number n;
        size_t size;
        void *data;

        memset(&made, 0, sizeof(made));
        made.strings_size = 1;
        deep.type = integer("int", 4, BTF_INT_SIGNED, 32);
        for (unsigned level = 0; level < LEVELS; level++) {
                const uint32_t inner = deep.type;

                deep.type = type("", BTF_KIND_UNION, 2, 4);
                member(level ? "" : "low", inner, 0);
                member(level ? "" : "high", inner, 0);
        }
        data = bytes(&size);
        ck_assert_int_eq(bpf_types_open(data, size, &types, NULL), 0);
        ck_assert_int_eq(bpf_types_locate(&types, &deep, ".zzzzzz", &n, &err), -EINVAL);
        ck_assert_str_eq(kt_error_text(&err), "its types (BTF) are damaged");
        kt_error_done(&err);
        /* One that is on the way is found all the same. */
        ck_assert_int_eq(bpf_types_locate(&types, &deep, ".low", &n, NULL), 0);
        bpf_types_done(&types);
        free(data);
}
END_TEST

static const struct {
        struct bpf_number number;
        int64_t min, max;
} ranges[] = {
        {{0, 1, false, true}, 0, 1},           {{0, 1, false, false}, 0, 255},
        {{0, 1, true, false}, -128, 127},      {{0, 2, true, false}, INT16_MIN, INT16_MAX},
        {{0, 4, false, false}, 0, UINT32_MAX}, {{0, 4, true, false}, INT32_MIN, INT32_MAX},
};

START_TEST(what_fits_comes_back_and_leaves_its_neighbours)
{
        const struct bpf_number *n = &ranges[_i].number;
        const int64_t values[] = {ranges[_i].min, ranges[_i].max};
        _Alignas(8) unsigned char at[24], expected[24];

        ck_assert_int_eq(bpf_number_check(n, ranges[_i].min - 1, NULL), -ERANGE);
        ck_assert_int_eq(bpf_number_check(n, ranges[_i].max + 1, NULL), -ERANGE);
        for (unsigned i = 0; i < 2; i++)
                /* Aligned, and not. */
                for (unsigned offset = 8; offset < 10; offset++) {
                        memset(at, 0x55, sizeof(at));
                        ck_assert_int_eq(bpf_number_check(n, values[i], NULL), 0);
                        bpf_number_store(n, at + offset, values[i]);
                        ck_assert_int_eq(bpf_number_load(n, at + offset), values[i]);
                        memset(expected, 0x55, sizeof(expected));
                        memcpy(expected + offset, at + offset, n->size);
                        ck_assert_mem_eq(at, expected, sizeof(at));
                }
}
END_TEST

START_TEST(of_64_bits_each_value_fits)
{
        static const struct bpf_number n = {.size = 8};
        uint64_t at = 0;

        ck_assert_int_eq(bpf_number_check(&n, -1, NULL), 0);
        bpf_number_store(&n, &at, -1);
        ck_assert(at == UINT64_MAX);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("bpf_types");
        TCase *c = tcase_create("bpf_types");

        tcase_add_test(c, a_section_has_its_variables);
        tcase_add_loop_test(c, a_number_is_where_its_types_say, 0, (int)KT_ARRAY_SIZE(found));
        tcase_add_loop_test(c, what_is_no_number_is_refused_with_the_reason, 0, (int)KT_ARRAY_SIZE(refused));
        tcase_add_test(c, cut_off_it_is_refused);
        tcase_add_test(c, damaged_it_is_not_read_beyond);
        tcase_add_test(c, structs_that_double_are_not_looked_into_for_ever);
        tcase_add_loop_test(c, what_fits_comes_back_and_leaves_its_neighbours, 0,
                            (int)KT_ARRAY_SIZE(ranges));
        tcase_add_test(c, of_64_bits_each_value_fits);
        suite_add_tcase(s, c);
        return suite_run(s);
}
