/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../daemon/base64.h"
#include "unit.h"

START_TEST(text_and_data_are_each_others)
{
        static const struct {
                const char *data;
                size_t size;
                const char *text;
        } pairs[] = {
                {"", 0, ""},
                {"f", 1, "Zg=="},
                {"fo", 2, "Zm8="},
                {"foo", 3, "Zm9v"},
                {"foob", 4, "Zm9vYg=="},
                {"fooba", 5, "Zm9vYmE="},
                {"\0\0", 2, "AAA="},
                {"\xff\xfe\xfb", 3, "//77"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(pairs); i++) {
                _cleanup_free_ char *text = base64_encode(pairs[i].data, pairs[i].size);
                _cleanup_free_ void *data = NULL;
                size_t size = 99;

                ck_assert_str_eq(text, pairs[i].text);
                ck_assert_int_eq(base64_decode(pairs[i].text, &data, &size), 0);
                ck_assert_uint_eq(size, pairs[i].size);
                ck_assert_mem_eq(data, pairs[i].data, size);
        }
}
END_TEST

START_TEST(what_is_no_base64_is_refused)
{
        static const char *const wrong[] = {"Z",     "Zg",     "Zg=",  "Zg===",    "Z===", "====", "Zm9v ",
                                            " Zm9v", "Zm9v\n", "Zm=v", "Zg==Zg==", "Zm9-", "Zm9_", "Zm.v"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(wrong); i++) {
                void *data = NULL;
                size_t size = 0;

                ck_assert_msg(base64_decode(wrong[i], &data, &size) == -EINVAL, "taken: '%s'", wrong[i]);
                ck_assert_ptr_null(data);
        }
}
END_TEST

UNIT_MAIN("base64", text_and_data_are_each_others, what_is_no_base64_is_refused)
