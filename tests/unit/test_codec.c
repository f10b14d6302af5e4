/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "../../proto/codec.h"
#include "../../proto/json_scan.h"
#include "unit.h"

static void decoder_freep(struct kt_wire_decoder **d)
{
        kt_wire_decoder_free(*d);
}
#define _decoder_ _cleanup_(decoder_freep)

static void expect_value(const char *text, const char *compact)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *json = NULL;

        ck_assert_msg(kt_json_parse(text, strlen(text), &json, &err) == 0, "%s: %s", text,
                      kt_error_text(&err));
        ck_assert_str_eq(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN), compact);
}

static void expect_no_value(const char *text, size_t size, const char *why)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct json_object *json = NULL;

        ck_assert_msg(kt_json_parse(text, size, &json, &err) == -EBADMSG, "taken: %s", text);
        ck_assert_ptr_null(json);
        ck_assert_msg(strstr(kt_error_text(&err), why) != NULL, "%s: %s", text, kt_error_text(&err));
}

START_TEST(values_of_json_are_taken)
{
        expect_value("{}", "{}");
        expect_value(" \t\r\n[ ] ", "[]");
        expect_value("{\"a\":[1,-2,3.5,1e3,true,false,null,\"x\"]}",
                     "{\"a\":[1,-2,3.5,1e3,true,false,null,\"x\"]}");
        expect_value("\"\\u00e9\\ud83d\\ude00\\n\"", "\"\u00e9\U0001f600\\n\"");
        expect_value("9223372036854775807", "9223372036854775807");
        expect_value("-9223372036854775808", "-9223372036854775808");
        expect_value("0", "0");
        expect_value("-0.5E-2", "-0.5E-2");
}
END_TEST

START_TEST(what_json_c_would_let_pass_is_refused)
{
        static const char *const cases[][2] = {
                {"", "empty"},
                {"  ", "empty"},
                {"01", "follows"},
                {"1.", "ends too early"},
                {".5", "expected a value"},
                {"+1", "expected a value"},
                {"-", "ends too early"},
                {"1e", "ends too early"},
                {"0x10", "follows"},
                {"NaN", "expected a value"},
                {"Infinity", "expected a value"},
                {"-Infinity", "malformed number"},
                {"1e999", "out of range"},
                {"True", "expected a value"},
                {"nul", "ends too early"},
                {"nulL", "expected a value"},
                {"'a'", "expected a value"},
                {"[1,]", "expected a value"},
                {"[1 2]", "expected ',' or ']'"},
                {"[}", "expected a value"},
                {"{\"a\":1,}", "key"},
                {"{\"a\"}", "':'"},
                {"{a:1}", "key"},
                {"{\"a\":1]", "expected ',' or '}'"},
                {"/* c */ 1", "expected a value"},
                {"1 // c", "follows"},
                {"{} {}", "follows"},
                {"{}}", "follows"},
                {"\"\\x41\"", "escape"},
                {"\"\\u12g4\"", "hex"},
                {"\"a\nb\"", "control character"},
                {"\"a\tb\"", "control character"},
                {"\"a\\u0000b\"", "NUL"},
                {"\"open", "ends too early"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++)
                expect_no_value(cases[i][0], strlen(cases[i][0]), cases[i][1]);
        expect_no_value("{}\0", 3, "follows");
}
END_TEST

START_TEST(integers_are_never_cut)
{
        _cleanup_json_ struct json_object *json = NULL;
        static const char at_most[] = "18446744073709551615";

        expect_no_value("18446744073709551616", 20, "integer out of range");
        expect_no_value("[-9223372036854775809]", 22, "integer out of range");
        expect_no_value("{\"a\":123456789012345678901234567890}", 36, "integer out of range");
        /* These are left to the check against the interface, which can name the field. */
        ck_assert_int_eq(kt_json_parse(at_most, strlen(at_most), &json, NULL), 0);
        ck_assert_uint_eq(json_object_get_uint64(json), UINT64_MAX);
        /* No integers. */
        expect_value("123456789012345678901234567890.5", "123456789012345678901234567890.5");
        expect_value("123456789012345678901234567890e1", "123456789012345678901234567890e1");
}
END_TEST

START_TEST(duplicate_keys_are_refused_wherever_and_however_written)
{
        static const char *const cases[] = {
                "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}",   "[{\"x\":{\"k\":1,\"l\":2,\"k\":3}}]",
                "{\"\":1,\"\":2}",   "{\"a\":{\"b\":1},\"a\":2}",
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++)
                expect_no_value(cases[i], strlen(cases[i]), "same key twice");
        expect_value("{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}]}",
                     "{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}]}");
        /* A colon in a string is no member. */
        expect_value("{\"a:b\":\"c:d\"}", "{\"a:b\":\"c:d\"}");
}
END_TEST

START_TEST(bad_utf8_is_refused)
{
        static const char *const cases[] = {
                "\"\xff\"",
                "\"\xc3\"",
                "\"\xc0\x80\"",
                "\"\xed\xa0\x80\"",
                "\"\xe0\x80\xaf\"",
                "\"\xf4\x90\x80\x80\"",
                "\"\xf0\x80\x80\x80\"",
                "{\"\x80\":1}",
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++)
                expect_no_value(cases[i], strlen(cases[i]), "UTF-8");
        ck_assert(kt_utf8_valid("a\u00e9\u20ac\U0001f600", 10));
        ck_assert(!kt_utf8_valid("a\0b", 3));
        ck_assert(!kt_utf8_valid("\xe2\x82", 2));
        ck_assert(kt_utf8_valid("", 0));
}
END_TEST

START_TEST(depth_is_limited_exactly)
{
        char text[8 * (KT_WIRE_DEPTH_MAX + 1)] = "";
        _cleanup_json_ struct json_object *arrays = NULL, *objects = NULL;
        size_t n = KT_WIRE_DEPTH_MAX;
        char *at = text;

        memset(text, '[', n + 1);
        memset(text + n + 1, ']', n + 1);
        ck_assert_int_eq(kt_json_parse(text + 1, 2 * n, &arrays, NULL), 0);
        expect_no_value(text, 2 * n + 2, "too deeply");

        for (size_t i = 0; i < n; i++)
                at = stpcpy(at, "{\"a\":");
        at = stpcpy(at, "1");
        memset(at, '}', n);
        ck_assert_int_eq(kt_json_parse(text, (size_t)(at - text) + n, &objects, NULL), 0);
        stpcpy(at - 1, "{");
        expect_no_value(text, (size_t)(at - text), "too deeply");
}
END_TEST

START_TEST(number_of_values_is_limited_exactly)
{
        /* An array of n - 1 numbers: n values. */
        size_t n = KT_JSON_VALUES_MAX, size = 2 * (n - 1) + 1;
        _cleanup_free_ char *text = malloc(size + 2);
        _cleanup_json_ struct json_object *json = NULL;

        for (size_t i = 0; i < size; i += 2)
                memcpy(text + i, ",1", 2);
        text[0] = '[';
        text[size - 1] = ']';
        ck_assert_int_eq(kt_json_parse(text, size, &json, NULL), 0);
        ck_assert_uint_eq(json_object_array_length(json), n - 1);
        memcpy(text + size - 1, ",1]", 3);
        expect_no_value(text, size + 2, "too many values");
}
END_TEST

START_TEST(repaired_text_is_valid_and_keeps_what_was)
{
        _cleanup_free_ char *text = kt_utf8_repair("a\xff\xc3\xa9\xc3", 5);

        ck_assert_str_eq(text, "a\ufffd\u00e9\ufffd");
}
END_TEST

/* --- streams --- */

static void expect_message(struct kt_wire_decoder *d, const char *compact, char terminator)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct kt_wire_message message;

        ck_assert_msg(kt_wire_decoder_next(d, &message, &err) == 1, "%s", kt_error_text(&err));
        ck_assert_str_eq(json_object_to_json_string_ext(message.json, JSON_C_TO_STRING_PLAIN), compact);
        ck_assert_int_eq(message.terminator, terminator);
        json_object_put(message.json);
}

static void expect_nothing(struct kt_wire_decoder *d)
{
        struct kt_wire_message message;

        ck_assert_int_eq(kt_wire_decoder_next(d, &message, NULL), 0);
}

static void expect_broken(const char *stream, size_t size, size_t max, int r, const char *why)
{
        _decoder_ struct kt_wire_decoder *d = kt_wire_decoder_new(max);
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT, again = KT_ERROR_INIT;
        struct kt_wire_message message;

        ck_assert_int_eq(kt_wire_decoder_feed(d, stream, size), 0);
        ck_assert_int_eq(kt_wire_decoder_next(d, &message, &err), r);
        ck_assert_msg(strstr(kt_error_text(&err), why) != NULL, "%s", kt_error_text(&err));

        /* The stream is of no further use, even when good bytes follow. */
        ck_assert_int_eq(kt_wire_decoder_feed(d, "{}", 3), 0);
        ck_assert_int_eq(kt_wire_decoder_next(d, &message, &again), r);
        ck_assert(kt_error_isset(&again));
}

START_TEST(messages_may_be_cut_anywhere)
{
        static const char stream[] = "{\"a\":\"x\\\"}\"}\0{\"b\":[1,2]} \0{\"c\":null}\n";
        size_t size = sizeof(stream) - 1;

        for (size_t cut = 0; cut <= size; cut++) {
                _decoder_ struct kt_wire_decoder *d = kt_wire_decoder_new(0);
                struct kt_wire_message message;
                int seen = 0;

                ck_assert_int_eq(kt_wire_decoder_feed(d, stream, cut), 0);
                while (kt_wire_decoder_next(d, &message, NULL) == 1) {
                        json_object_put(message.json);
                        seen++;
                }
                ck_assert_int_eq(kt_wire_decoder_feed(d, stream + cut, size - cut), 0);
                while (kt_wire_decoder_next(d, &message, NULL) == 1) {
                        json_object_put(message.json);
                        seen++;
                }
                ck_assert_int_eq(seen, 3);
                ck_assert_uint_eq(kt_wire_decoder_pending(d, NULL), 0);
        }
}
END_TEST

START_TEST(pipelined_messages_come_in_order)
{
        static const char stream[] = "{\"a\":1}\0{\"a\":2}\0{\"a\":3}\0{\"a\":4}";
        _decoder_ struct kt_wire_decoder *d = kt_wire_decoder_new(0);
        const char *rest;

        /* The last has no terminator yet: sizeof counts one that the literal ends with. */
        ck_assert_int_eq(kt_wire_decoder_feed(d, stream, sizeof(stream) - 1), 0);
        expect_message(d, "{\"a\":1}", '\0');
        expect_message(d, "{\"a\":2}", '\0');
        expect_message(d, "{\"a\":3}", '\0');
        expect_nothing(d);
        ck_assert_uint_eq(kt_wire_decoder_pending(d, &rest), 7);
        ck_assert_mem_eq(rest, "{\"a\":4}", 7);
        ck_assert_int_eq(kt_wire_decoder_feed(d, "", 1), 0);
        expect_message(d, "{\"a\":4}", '\0');
}
END_TEST

START_TEST(newline_ends_a_message_only_after_its_value)
{
        static const char stream[] =
                "\n\n{\n  \"method\": \"a.B\",\n  \"parameters\": {\n    \"x\": \"}\\n\"\n  }\n}\n"
                "  \n{\"y\":1}  \t\n\r\n";
        _decoder_ struct kt_wire_decoder *d = kt_wire_decoder_new(0);

        for (size_t i = 0; i + 1 < sizeof(stream); i++) {
                ck_assert_int_eq(kt_wire_decoder_feed(d, stream + i, 1), 0);
                if (strcmp(stream + i, "\n  \n{\"y\":1}  \t\n\r\n") == 0)
                        expect_message(d, "{\"method\":\"a.B\",\"parameters\":{\"x\":\"}\\n\"}}", '\n');
                else if (strcmp(stream + i, "\n\r\n") == 0)
                        expect_message(d, "{\"y\":1}", '\n');
                else
                        expect_nothing(d);
        }
        ck_assert_uint_eq(kt_wire_decoder_pending(d, NULL), 0);
}
END_TEST

START_TEST(message_size_is_limited_exactly)
{
        _decoder_ struct kt_wire_decoder *d = kt_wire_decoder_new(10);
        struct kt_wire_message message;

        ck_assert_int_eq(kt_wire_decoder_feed(d, "{\"a\":1234}", 11), 0);
        ck_assert_int_eq(kt_wire_decoder_next(d, &message, NULL), 1);
        ck_assert_uint_eq(message.size, 10);
        json_object_put(message.json);
        expect_broken("{\"a\":12345}", 12, 10, -EMSGSIZE, "at most 10 bytes");
        /* Refused before its end is seen, and blanks at its end count too. */
        expect_broken("{\"a\":\"12345", 11, 10, -EMSGSIZE, "at most 10 bytes");
        expect_broken("{}          ", 12, 10, -EMSGSIZE, "at most 10 bytes");
}
END_TEST

START_TEST(blanks_between_messages_are_not_kept)
{
        _decoder_ struct kt_wire_decoder *d = kt_wire_decoder_new(10);
        char blanks[64];

        memset(blanks, '\n', sizeof(blanks));
        ck_assert_int_eq(kt_wire_decoder_feed(d, blanks, sizeof(blanks)), 0);
        expect_nothing(d);
        ck_assert_uint_eq(kt_wire_decoder_pending(d, NULL), 0);
        ck_assert_int_eq(kt_wire_decoder_feed(d, "{\"a\":1}\n", 8), 0);
        expect_message(d, "{\"a\":1}", '\n');
}
END_TEST

START_TEST(nothing_is_held_between_messages)
{
        _decoder_ struct kt_wire_decoder *d = kt_wire_decoder_new(0);
        static char text[1 << 20];

        for (int i = 0; i < 2; i++) {
                memset(text, 'x', sizeof(text));
                text[0] = text[sizeof(text) - 2] = '"';
                text[sizeof(text) - 1] = '\n';
                ck_assert_int_eq(kt_wire_decoder_feed(d, text, sizeof(text)), 0);
                ck_assert_uint_ge(kt_wire_decoder_held(d), sizeof(text));
                text[sizeof(text) - 1] = '\0';
                expect_message(d, text, '\n');
                ck_assert_uint_eq(kt_wire_decoder_held(d), 0);
                expect_nothing(d);
                ck_assert_int_eq(kt_wire_decoder_feed(d, " \n", 2), 0);
                expect_nothing(d);
                ck_assert_uint_eq(kt_wire_decoder_held(d), 0);
        }
}
END_TEST

START_TEST(malformed_streams_are_refused)
{
        expect_broken("", 1, 0, -EBADMSG, "empty");
        expect_broken(" ", 2, 0, -EBADMSG, "empty");
        expect_broken("{\"a\":1", 7, 0, -EBADMSG, "ends too early");
        expect_broken("{\"a\":\"b\0c\"}", 12, 0, -EBADMSG, "ends too early");
        expect_broken("{} x", 5, 0, -EBADMSG, "follows the value at byte 3");
        expect_broken("{}{}", 5, 0, -EBADMSG, "follows the value at byte 2");
        expect_broken("GET / HTTP/1.1\r\n", 16, 0, -EBADMSG, "expected a value at byte 0");
        expect_broken("{\"a\":1,\"a\":2}", 14, 0, -EBADMSG, "twice");
        expect_broken("{\"a\":\"\xff\"}\n", 10, 0, -EBADMSG, "UTF-8 at byte 6");
        expect_broken("{\"a\":1 \"b\":2}", 14, 0, -EBADMSG, "expected ',' or '}' at byte 7");
}
END_TEST

START_TEST(long_streams_do_not_grow_the_buffer)
{
        _decoder_ struct kt_wire_decoder *d = kt_wire_decoder_new(0);
        static const char message[] = "{\"method\":\"io.ktstrd.Daemon.Ping\"}";

        /* Messages and their halves alternate, so that something is always pending. */
        ck_assert_int_eq(kt_wire_decoder_feed(d, message, 10), 0);
        for (int i = 0; i < 10000; i++) {
                ck_assert_int_eq(kt_wire_decoder_feed(d, message + 10, sizeof(message) - 10), 0);
                ck_assert_int_eq(kt_wire_decoder_feed(d, message, 10), 0);
                expect_message(d, message, '\0');
                ck_assert_uint_eq(kt_wire_decoder_pending(d, NULL), 10);
        }
}
END_TEST

START_TEST(encoded_is_compact_and_terminated)
{
        _cleanup_json_ struct json_object *json = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        size_t size;

        kt_json_add_str(json, "path", "/a/b");
        kt_json_add_str(json, "text", "line\nline");
        ck_assert_int_eq(kt_wire_encode(json, '\n', &text, &size), 0);
        ck_assert_uint_eq(size, strlen("{\"path\":\"/a/b\",\"text\":\"line\\nline\"}\n"));
        ck_assert_mem_eq(text, "{\"path\":\"/a/b\",\"text\":\"line\\nline\"}\n", size);
}
END_TEST

/* --- envelopes --- */

static struct json_object *parse(const char *text)
{
        struct json_object *json = NULL;

        ck_assert_int_eq(kt_json_parse(text, strlen(text), &json, NULL), 0);
        return json;
}

START_TEST(call_is_read)
{
        _cleanup_json_ struct json_object *json =
                parse("{\"method\":\"io.ktstrd.Job.Submit\",\"parameters\":{\"a\":1},\"more\":true,"
                      "\"oneway\":false}");
        _cleanup_json_ struct json_object *bare = parse("{\"method\":\"a.B\",\"parameters\":null}");
        struct kt_wire_call call;

        ck_assert_int_eq(kt_wire_parse_call(json, &call, NULL), 0);
        ck_assert_str_eq(call.method, "io.ktstrd.Job.Submit");
        ck_assert_int_eq(kt_json_int(call.parameters, "a", 0), 1);
        ck_assert(call.more && !call.oneway && !call.upgrade);
        ck_assert_int_eq(kt_wire_parse_call(bare, &call, NULL), 0);
        ck_assert_ptr_null(call.parameters);
        ck_assert(!call.more);
}
END_TEST

START_TEST(call_that_is_none_is_refused_with_the_member)
{
        static const char *const cases[][2] = {
                {"[]", ""},
                {"{}", "method"},
                {"{\"method\":1}", "method"},
                {"{\"method\":\"nodot\"}", "method"},
                {"{\"method\":\".B\"}", "method"},
                {"{\"method\":\"a.\"}", "method"},
                {"{\"method\":\"a.B\",\"parameters\":[]}", "parameters"},
                {"{\"method\":\"a.B\",\"more\":1}", "more"},
                {"{\"method\":\"a.B\",\"oneway\":null}", "oneway"},
                {"{\"method\":\"a.B\",\"upgrade\":\"yes\"}", "upgrade"},
                {"{\"method\":\"a.B\",\"more\":true,\"oneway\":true}", ""},
                {"{\"method\":\"a.B\",\"id\":7}", "id"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                _cleanup_json_ struct json_object *json = parse(cases[i][0]);
                struct kt_wire_call call;

                ck_assert_int_eq(kt_wire_parse_call(json, &call, &err), -EBADMSG);
                ck_assert_str_eq(err.field, cases[i][1]);
        }
}
END_TEST

START_TEST(replies_that_were_made_are_read)
{
        _cleanup_json_ struct json_object *params = json_object_new_object();
        _cleanup_json_ struct json_object *call = NULL, *reply = NULL, *error = NULL;
        struct kt_wire_reply got;
        struct kt_wire_call got_call;

        kt_json_add_int(params, "x", 5);
        reply = kt_wire_make_reply(json_object_get(params), true);
        ck_assert_int_eq(kt_wire_parse_reply(reply, &got, NULL), 0);
        ck_assert(got.continues && !got.error);
        ck_assert_int_eq(kt_json_int(got.parameters, "x", 0), 5);

        error = kt_wire_make_error("a.b.Failed", NULL);
        ck_assert_int_eq(kt_wire_parse_reply(error, &got, NULL), 0);
        ck_assert_str_eq(got.error, "a.b.Failed");
        ck_assert(!got.continues);

        call = kt_wire_make_call("a.B", NULL, true, false);
        ck_assert_int_eq(kt_wire_parse_call(call, &got_call, NULL), 0);
        ck_assert(got_call.more && !got_call.oneway);
        ck_assert_str_eq(json_object_to_json_string_ext(call, JSON_C_TO_STRING_PLAIN),
                         "{\"method\":\"a.B\",\"parameters\":{},\"more\":true}");
}
END_TEST

START_TEST(reply_that_is_none_is_refused)
{
        static const char *const cases[] = {
                "[]",
                "{\"error\":1}",
                "{\"error\":\"nodot\"}",
                "{\"continues\":1}",
                "{\"parameters\":7}",
                "{\"extra\":7}",
                "{\"error\":\"a.B\",\"continues\":true}",
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_json_ struct json_object *json = parse(cases[i]);
                struct kt_wire_reply reply;

                ck_assert_int_eq(kt_wire_parse_reply(json, &reply, NULL), -EBADMSG);
        }
}
END_TEST

START_TEST(getters_give_defaults_and_never_coerce)
{
        _cleanup_json_ struct json_object *o =
                parse("{\"s\":\"5\",\"i\":5,\"d\":2.5,\"b\":true,\"n\":null}");

        ck_assert_str_eq(kt_json_str(o, "s"), "5");
        ck_assert_ptr_null(kt_json_str(o, "i"));
        ck_assert_ptr_null(kt_json_str(o, "n"));
        ck_assert_int_eq(kt_json_int(o, "s", -1), -1);
        ck_assert_int_eq(kt_json_int(o, "i", -1), 5);
        ck_assert_int_eq(kt_json_int(o, "n", -1), -1);
        ck_assert(kt_json_double(o, "d", 0) == 2.5);
        ck_assert(kt_json_double(o, "i", 0) == 5);
        ck_assert(kt_json_bool(o, "b", false));
        ck_assert(!kt_json_bool(o, "i", false));
        ck_assert_ptr_null(kt_json_get(o, "none"));
        ck_assert_ptr_null(kt_json_get(NULL, "s"));
        ck_assert_int_eq(kt_json_int(NULL, "i", 9), 9);
}
END_TEST

START_TEST(members_added_are_always_json)
{
        _cleanup_json_ struct json_object *o = json_object_new_object(), *back = NULL;
        const char *text;

        ck_assert_int_eq(kt_json_add_str(o, "absent", NULL), 0);
        ck_assert_int_eq(kt_json_add_str(o, "bytes", "caf\xe9"), 0);
        ck_assert_int_eq(kt_json_add_double(o, "nan", NAN), 0);
        ck_assert_int_eq(kt_json_add_double(o, "inf", INFINITY), 0);
        ck_assert_int_eq(kt_json_add_double(o, "tenth", 0.1), 0);
        ck_assert_int_eq(kt_json_add_double(o, "whole", 15), 0);
        ck_assert_int_eq(kt_json_add_double(o, "tiny", 1e-300), 0);
        ck_assert_int_eq(kt_json_add_int(o, "min", INT64_MIN), 0);
        ck_assert_int_eq(kt_json_add_bool(o, "yes", true), 0);
        ck_assert_int_eq(kt_json_add(o, "null", NULL), -ENOMEM);

        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
        ck_assert_str_eq(text, "{\"bytes\":\"caf\ufffd\",\"tenth\":0.1,\"whole\":15.0,\"tiny\":1e-300,"
                               "\"min\":-9223372036854775808,\"yes\":true}");
        back = parse(text);
        ck_assert(kt_json_double(back, "tenth", 0) == 0.1);
        ck_assert(kt_json_double(back, "tiny", 0) == 1e-300);
}
END_TEST

UNIT_MAIN("codec", values_of_json_are_taken, what_json_c_would_let_pass_is_refused, integers_are_never_cut,
          duplicate_keys_are_refused_wherever_and_however_written, bad_utf8_is_refused,
          depth_is_limited_exactly, number_of_values_is_limited_exactly,
          repaired_text_is_valid_and_keeps_what_was, messages_may_be_cut_anywhere,
          pipelined_messages_come_in_order, newline_ends_a_message_only_after_its_value,
          message_size_is_limited_exactly, blanks_between_messages_are_not_kept,
          nothing_is_held_between_messages, malformed_streams_are_refused,
          long_streams_do_not_grow_the_buffer, encoded_is_compact_and_terminated, call_is_read,
          call_that_is_none_is_refused_with_the_member, replies_that_were_made_are_read,
          reply_that_is_none_is_refused, getters_give_defaults_and_never_coerce,
          members_added_are_always_json)
