/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../proto/codec.h"
#include "../../proto/errors.h"
#include "../../proto/idl.h"
#include "../../proto/interfaces.h"
#include "unit.h"

static void idl_freep(struct kt_idl **idl)
{
        kt_idl_free(*idl);
}
#define _idl_ _cleanup_(idl_freep)

static const char example[] = "# About this.\n"
                              "interface io.example-1.Thing\n"
                              "\n"
                              "type Kind (small, large_one)\n"
                              "type Point (x: int, y: ?int)\n"
                              "type Tree (name: string, children: ?[]Tree)\n"
                              "type Empty ()\n"
                              "\n"
                              "# All at once.\n"
                              "method Do(\n"
                              "        flag: bool, # a comment behind\n"
                              "        count: ?int,\n"
                              "        ratio: ?float,\n"
                              "        any: ?object,\n"
                              "        kind: ?Kind,\n"
                              "        points: ?[]Point,\n"
                              "        names: ?[string]string,\n"
                              "        holes: ?[]?int,\n"
                              "        inner: ?(deep: ?(er: [][]int)),\n"
                              "        choice: ?(yes, no),\n"
                              "        tree: ?Tree\n"
                              ") -> (kind: Kind, empty: Empty)\n"
                              "method Nothing() -> ()\n"
                              "error Failed (message: string)\n"
                              "error Gone ()\n";

static struct kt_idl *parse_example(void)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kt_idl *idl = NULL;

        ck_assert_msg(kt_idl_parse(example, &idl, &err) == 0, "%s", kt_error_text(&err));
        return idl;
}

START_TEST(members_are_found_in_order)
{
        _idl_ struct kt_idl *idl = parse_example();

        ck_assert_str_eq(kt_idl_name(idl), "io.example-1.Thing");
        ck_assert_str_eq(kt_idl_text(idl), example);
        ck_assert_str_eq(kt_idl_method_at(idl, 0), "Do");
        ck_assert_str_eq(kt_idl_method_at(idl, 1), "Nothing");
        ck_assert_ptr_null(kt_idl_method_at(idl, 2));
        ck_assert_str_eq(kt_idl_error_at(idl, 0), "Failed");
        ck_assert_str_eq(kt_idl_error_at(idl, 1), "Gone");
        ck_assert_ptr_null(kt_idl_error_at(idl, 2));
        ck_assert(kt_idl_has_method(idl, "Do"));
        ck_assert(!kt_idl_has_method(idl, "Point"));
        ck_assert(!kt_idl_has_method(idl, "Failed"));
        ck_assert(!kt_idl_has_method(idl, "do"));
}
END_TEST

START_TEST(syntax_errors_name_line_and_column)
{
        static const char *const cases[][2] = {
                {"", "line 1, column 1: expected 'interface'"},
                {"# only a comment", "line 1, column 17: expected 'interface'"},
                {"interfaces a.B\n", "line 1, column 1"},
                {"interface\n  nodots\nmethod A() -> ()", "line 2, column 3: expected an interface name"},
                {"interface a..b\n", "line 1, column 13"},
                {"interface a.b-\n", "line 1, column 13"},
                {"interface a.\n", "line 1, column 13"},
                {"interface 1.b\n", "line 1, column 11"},
                {"interface a.b\n", "a.b, line 2, column 1: expected 'type', 'method' or 'error'"},
                {"interface a.b\nmethod A()", "line 2, column 11: expected '->'"},
                {"interface a.b\nmethod A -> ()", "line 2, column 10: expected '('"},
                {"interface a.b\nmethod a() -> ()", "line 2, column 8: expected a name that begins"},
                {"interface a.b\nmethod A(x: int,) -> ()", "line 2, column 17: expected a field name"},
                {"interface a.b\nmethod A(x int) -> ()", "line 2, column 12"},
                {"interface a.b\nmethod A(x, y) -> ()", "line 2, column 10: expected fields with types"},
                {"interface a.b\nmethod A(x: int y: int) -> ()", "line 2, column 17: expected ',' or ')'"},
                {"interface a.b\nmethod A(x: int, y) -> ()", "line 2, column 19: expected ':'"},
                {"interface a.b\ntype A (x: integer)", "line 2, column 12: expected a type"},
                {"interface a.b\ntype A (x: ??int)", "line 2, column 13: '?' twice"},
                {"interface a.b\ntype A (x: [int]int)", "line 2, column 12: expected a type"},
                {"interface a.b\ntype A (x: int, x: int)", "line 2, column 17: 'x' is there twice"},
                {"interface a.b\ntype A (one, two, one)", "line 2, column 19: 'one' is there twice"},
                {"interface a.b\ntype A ()\nerror A ()", "line 3, column 7: 'A' is there twice"},
                {"interface a.b\ntype A (\n  x: []B\n)", "line 3, column 8: no type is called 'B'"},
                {"interface a.b\nmethod A() -> (x: A)", "line 2, column 19: no type is called 'A'"},
                {"interface a.b\ntype A (_x: int)", "line 2, column 9: expected a field name"},
                {"interface a.b\ntype A (x_: int)", "line 2, column 10: an underscore"},
                {"interface a.b\ntype A (x__y: int)", "line 2, column 10: an underscore"},
                {"interface a.b\ntype A ()\nrubbish", "line 3, column 1: expected 'type'"},
                {"interface a.b\nerror A (one, two)", "line 2, column 10: expected fields"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                struct kt_idl *idl = NULL;

                ck_assert_msg(kt_idl_parse(cases[i][0], &idl, &err) == -EBADMSG, "taken: %s", cases[i][0]);
                ck_assert_ptr_null(idl);
                ck_assert_msg(strstr(kt_error_text(&err), cases[i][1]) != NULL, "%s\ngives '%s'",
                              cases[i][0], kt_error_text(&err));
        }
}
END_TEST

START_TEST(endless_nesting_is_refused)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        static char text[100000] = "interface a.b\ntype A (x: ";
        struct kt_idl *idl = NULL;
        size_t at = strlen(text);

        for (; at + 2 < sizeof(text); at += 2)
                memcpy(text + at, "[]", 2);
        ck_assert_int_eq(kt_idl_parse(text, &idl, &err), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "too deeply"));
}
END_TEST

static int check(const struct kt_idl *idl, enum kt_idl_part part, const char *name, const char *text,
                 struct kt_error *err)
{
        _cleanup_json_ struct json_object *value = NULL;

        ck_assert_int_eq(kt_json_parse(text, strlen(text), &value, NULL), 0);
        return kt_idl_check(idl, part, name, value, err);
}

START_TEST(good_values_pass)
{
        static const char *const cases[] = {
                "{\"flag\":true}",
                "{\"flag\":false,\"count\":null,\"kind\":null,\"points\":null}",
                "{\"flag\":true,\"count\":-9223372036854775808}",
                "{\"flag\":true,\"ratio\":1}",
                "{\"flag\":true,\"ratio\":1.5}",
                "{\"flag\":true,\"any\":{\"what\":[\"ever\",{}]}}",
                "{\"flag\":true,\"kind\":\"large_one\"}",
                "{\"flag\":true,\"points\":[]}",
                "{\"flag\":true,\"points\":[{\"x\":1},{\"x\":2,\"y\":3},{\"x\":4,\"y\":null}]}",
                "{\"flag\":true,\"names\":{\"a\":\"b\",\"\":\"\"}}",
                "{\"flag\":true,\"holes\":[1,null,3]}",
                "{\"flag\":true,\"inner\":{\"deep\":{\"er\":[[1],[],[2,3]]}}}",
                "{\"flag\":true,\"choice\":\"no\"}",
                "{\"flag\":true,\"tree\":{\"name\":\"a\",\"children\":[{\"name\":\"b\",\"children\":"
                "[]}]}}",
        };
        _idl_ struct kt_idl *idl = parse_example();

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

                ck_assert_msg(check(idl, KT_IDL_METHOD_IN, "Do", cases[i], &err) == 0, "%s: %s", cases[i],
                              kt_error_text(&err));
        }
        ck_assert_int_eq(kt_idl_check(idl, KT_IDL_METHOD_IN, "Nothing", NULL, NULL), 0);
        ck_assert_int_eq(check(idl, KT_IDL_METHOD_OUT, "Do", "{\"kind\":\"small\",\"empty\":{}}", NULL), 0);
        ck_assert_int_eq(check(idl, KT_IDL_ERROR, "Failed", "{\"message\":\"x\"}", NULL), 0);
        ck_assert_int_eq(check(idl, KT_IDL_TYPE, "Point", "{\"x\":1}", NULL), 0);
        ck_assert_int_eq(check(idl, KT_IDL_TYPE, "Kind", "\"small\"", NULL), 0);
}
END_TEST

START_TEST(bad_values_name_the_field_and_what_was_expected)
{
        static const char *const cases[][3] = {
                {"{}", "flag", "'flag' is missing, it must be true or false"},
                {"{\"flag\":null}", "flag", "'flag' must be true or false, not null"},
                {"{\"flag\":1}", "flag", "not an integer"},
                {"{\"flag\":true,\"flga\":true}", "flga", "unknown field 'flga', expected: flag, count"},
                {"{\"flga\":true}", "flga", "unknown field 'flga'"},
                {"{\"flag\":true,\"count\":\"5\"}", "count", "must be an integer, not a string"},
                {"{\"flag\":true,\"count\":5.0}", "count",
                 "must be an integer, not a number with a fraction"},
                {"{\"flag\":true,\"count\":9223372036854775808}", "count", "64 bits"},
                {"{\"flag\":true,\"count\":18446744073709551615}", "count", "64 bits"},
                {"{\"flag\":true,\"ratio\":\"1\"}", "ratio", "must be a number, not a string"},
                {"{\"flag\":true,\"any\":[]}", "any", "must be an object, not an array"},
                {"{\"flag\":true,\"kind\":\"huge\"}", "kind", "must be one of small, large_one, not 'huge'"},
                {"{\"flag\":true,\"kind\":1}", "kind", "not an integer"},
                {"{\"flag\":true,\"points\":{}}", "points", "must be an array, not an object"},
                {"{\"flag\":true,\"points\":[{\"x\":1},{\"y\":1}]}", "points[1].x",
                 "'points[1].x' is missing"},
                {"{\"flag\":true,\"points\":[{\"x\":1,\"z\":2}]}", "points[0].z", "expected: x, y"},
                {"{\"flag\":true,\"points\":[null]}", "points[0]", "must be an object, not null"},
                {"{\"flag\":true,\"names\":{\"a\":1}}", "names.a", "must be a string"},
                {"{\"flag\":true,\"holes\":[null,\"x\"]}", "holes[1]", "must be an integer"},
                {"{\"flag\":true,\"inner\":{\"deep\":{\"er\":[[1],[2,true]]}}}", "inner.deep.er[1][1]",
                 "not a boolean"},
                {"{\"flag\":true,\"inner\":{\"deep\":{}}}", "inner.deep.er",
                 "is missing, it must be an array"},
                {"{\"flag\":true,\"choice\":\"maybe\"}", "choice", "one of yes, no"},
                {"{\"flag\":true,\"tree\":{\"name\":\"a\",\"children\":[{\"name\":7}]}}",
                 "tree.children[0].name", "must be a string"},
        };
        _idl_ struct kt_idl *idl = parse_example();

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;

                ck_assert_msg(check(idl, KT_IDL_METHOD_IN, "Do", cases[i][0], &err) == -EINVAL, "taken: %s",
                              cases[i][0]);
                ck_assert_str_eq(err.name, KT_E_INVALID_PARAMETER);
                ck_assert_str_eq(err.field, cases[i][1]);
                ck_assert_msg(strstr(err.message, cases[i][2]) != NULL, "%s: %s", cases[i][0], err.message);
        }
        ck_assert_int_eq(check(idl, KT_IDL_METHOD_IN, "Do", "[]", NULL), -EINVAL);
}
END_TEST

START_TEST(fields_where_none_is_expected_are_refused)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _idl_ struct kt_idl *idl = parse_example();

        ck_assert_int_eq(check(idl, KT_IDL_METHOD_IN, "Nothing", "{\"a\":1}", &err), -EINVAL);
        ck_assert_str_eq(err.message, "unknown field 'a', none is expected");
}
END_TEST

START_TEST(names_of_another_part_are_not_found)
{
        _idl_ struct kt_idl *idl = parse_example();

        ck_assert_int_eq(kt_idl_check(idl, KT_IDL_METHOD_IN, "Undo", NULL, NULL), -ENOENT);
        ck_assert_int_eq(kt_idl_check(idl, KT_IDL_METHOD_IN, "Failed", NULL, NULL), -ENOENT);
        ck_assert_int_eq(kt_idl_check(idl, KT_IDL_ERROR, "Do", NULL, NULL), -ENOENT);
        ck_assert_int_eq(kt_idl_check(idl, KT_IDL_TYPE, "Do", NULL, NULL), -ENOENT);
}
END_TEST

START_TEST(interfaces_of_this_program_are_all_there)
{
        static const char *const names[] = {"io.ktstrd.Daemon", "io.ktstrd.Job",   "io.ktstrd.Kernel",
                                            "io.ktstrd.Pool",   "io.ktstrd.Shell", "org.varlink.service"};
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kt_interfaces *interfaces = NULL;
        size_t n = 0;

        ck_assert_msg(kt_interfaces_load(&interfaces, &err) == 0, "%s", kt_error_text(&err));
        for (size_t i = 0; i < KT_ARRAY_SIZE(names); i++)
                ck_assert_str_eq(kt_idl_name(kt_interfaces_find(interfaces, names[i])), names[i]);
        ck_assert_ptr_null(kt_interfaces_find(interfaces, "io.ktstrd"));
        while (kt_interfaces_at(interfaces, n))
                n++;
        ck_assert_uint_eq(n, KT_ARRAY_SIZE(names));
        ck_assert(kt_idl_has_method(kt_interfaces_find(interfaces, "io.ktstrd.Job"), "Submit"));
        kt_interfaces_free(interfaces);
}
END_TEST

START_TEST(embedded_texts_are_the_files)
{
        struct kt_interfaces *interfaces = NULL;
        const struct kt_idl *idl;

        ck_assert_int_eq(kt_interfaces_load(&interfaces, NULL), 0);
        for (size_t i = 0; (idl = kt_interfaces_at(interfaces, i)); i++) {
                _cleanup_free_ char *path = kt_format("%s/%s.varlink", KT_TEST_PROTO_DIR, kt_idl_name(idl));
                _cleanup_free_ char *text = NULL;

                ck_assert_int_eq(kt_read_file(AT_FDCWD, path, 1 << 20, &text, NULL), 0);
                ck_assert_str_eq(text, kt_idl_text(idl));
        }
        kt_interfaces_free(interfaces);
}
END_TEST

UNIT_MAIN("idl", members_are_found_in_order, syntax_errors_name_line_and_column, endless_nesting_is_refused,
          good_values_pass, bad_values_name_the_field_and_what_was_expected,
          fields_where_none_is_expected_are_refused, names_of_another_part_are_not_found,
          interfaces_of_this_program_are_all_there, embedded_texts_are_the_files)
