/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../client/decode.h"
#include "../../daemon/base64.h"
#include "../../proto/codec.h"
#include "../lib/suite.h"

static int decode(const char *key, const char *value, char **ret, size_t *ret_size)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();

        if (key)
                ck_assert_int_eq(kt_json_add_str(o, key, value), 0);
        return decode_log(o, ret, ret_size);
}

static const struct {
        const char *base64, *bytes;
        size_t size;
} good[] = {
        {"", "", 0},        {"Zg==", "f", 1},        {"Zm8=", "fo", 2},
        {"Zm9v", "foo", 3}, {"Zm9vYg==", "foob", 4}, {"AAAA", "\0\0\0", 3},
        {"AA==", "\0", 1},  {"/+8=", "\377\357", 2}, {"Cg==", "\n", 1},
};

START_TEST(base64_becomes_its_bytes)
{
        _cleanup_free_ char *bytes = NULL;
        size_t size = 77;

        ck_assert_int_eq(decode("base64", good[_i].base64, &bytes, &size), 0);
        ck_assert_uint_eq(size, good[_i].size);
        ck_assert(memcmp(bytes, good[_i].bytes, size) == 0);
}
END_TEST

static const char *const bad[] = {
        "Z",    "Zg",       "Zg=",      "Zg===", "=",          "==",       "====",  "=AAA",
        "Z===", "Zm9v=",    "Zm9vZg",   "Zm=v",  "Zm9v\n",     " Zm9v",    "Zm9v ", "Zm 9v",
        "Z-_v", "Zm9v====", "Zm9vAA=A", "Zm9*",  "\303\244AA", "Zm9v=AAA",
};

START_TEST(what_is_no_base64_is_refused)
{
        char *bytes = NULL;
        size_t size = 77;

        ck_assert_int_eq(decode("base64", bad[_i], &bytes, &size), -EBADMSG);
        ck_assert_ptr_null(bytes);
        ck_assert_uint_eq(size, 77);
}
END_TEST

START_TEST(what_the_daemon_encodes_is_decoded)
{
        uint8_t bytes[100];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i * 37);
        for (size_t size = 0; size < sizeof(bytes); size++) {
                _cleanup_free_ char *text = base64_encode(bytes, size), *got = NULL;
                size_t got_size;

                ck_assert_int_eq(decode("base64", text, &got, &got_size), 0);
                ck_assert_uint_eq(got_size, size);
                ck_assert(memcmp(got, bytes, size) == 0);
        }
}
END_TEST

START_TEST(text_is_taken_as_it_is)
{
        _cleanup_free_ char *bytes = NULL, *nothing = NULL;
        size_t size;

        ck_assert_int_eq(decode("text", "Zm9v \303\244\n", &bytes, &size), 0);
        ck_assert_uint_eq(size, 8);
        ck_assert_mem_eq(bytes, "Zm9v \303\244\n", size);
        ck_assert_int_eq(decode("text", "", &nothing, &size), 0);
        ck_assert_uint_eq(size, 0);
}
END_TEST

START_TEST(an_event_with_neither_is_refused)
{
        char *bytes = NULL;
        size_t size;

        ck_assert_int_eq(decode(NULL, NULL, &bytes, &size), -EBADMSG);
        ck_assert_int_eq(decode("txt", "x", &bytes, &size), -EBADMSG);
        ck_assert_ptr_null(bytes);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("decode");
        TCase *c = tcase_create("decode");

        tcase_add_loop_test(c, base64_becomes_its_bytes, 0, (int)KT_ARRAY_SIZE(good));
        tcase_add_loop_test(c, what_is_no_base64_is_refused, 0, (int)KT_ARRAY_SIZE(bad));
        tcase_add_test(c, what_the_daemon_encodes_is_decoded);
        tcase_add_test(c, text_is_taken_as_it_is);
        tcase_add_test(c, an_event_with_neither_is_refused);
        suite_add_tcase(s, c);
        return suite_run(s);
}
