/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* errors.h and the .varlink files name the same errors. The header is read as text, so that a name added
 * there cannot be forgotten here. */

#include <errno.h>
#include <string.h>

#include "../../proto/codec.h"
#include "../../proto/errors.h"
#include "../../proto/interfaces.h"
#include "unit.h"

static struct kt_interfaces *interfaces;
static char *header;

static void set_up(void)
{
        ck_assert_int_eq(kt_interfaces_load(&interfaces, NULL), 0);
        ck_assert_int_eq(kt_read_file(AT_FDCWD, KT_TEST_PROTO_DIR "/errors.h", 1 << 20, &header, NULL), 0);
}

static void tear_down(void)
{
        kt_interfaces_free(interfaces);
        free(header);
}

/* The next "…" after a `#define KT_E_`, malloced; NULL after the last. */
static char *next_name(const char **at)
{
        const char *define = strstr(*at, "#define KT_E_"), *begin, *end;

        if (!define)
                return NULL;
        begin = strchr(define, '"');
        ck_assert_ptr_nonnull(begin);
        end = strchr(begin + 1, '"');
        ck_assert_ptr_nonnull(end);
        *at = end + 1;
        return strndup(begin + 1, (size_t)(end - begin - 1));
}

static bool is_declared(const char *name)
{
        const char *dot = strrchr(name, '.');
        _cleanup_free_ char *interface = strndup(name, (size_t)(dot - name));
        const struct kt_idl *idl = kt_interfaces_find(interfaces, interface);
        const char *error;

        for (size_t i = 0; idl && (error = kt_idl_error_at(idl, i)); i++)
                if (strcmp(error, dot + 1) == 0)
                        return true;
        return false;
}

START_TEST(each_name_of_the_header_is_declared_once)
{
        const char *at = header;
        char *name;
        size_t n = 0;

        while ((name = next_name(&at))) {
                _cleanup_free_ char *quoted = kt_format("\"%s\"", name);

                ck_assert_msg(is_declared(name), "%s stands in no .varlink file", name);
                ck_assert_msg(strstr(at, quoted) == NULL, "%s stands twice in errors.h", name);
                free(name);
                n++;
        }
        ck_assert_uint_gt(n, 20);
}
END_TEST

START_TEST(each_declared_error_is_in_the_header)
{
        const struct kt_idl *idl;
        const char *error;

        for (size_t i = 0; (idl = kt_interfaces_at(interfaces, i)); i++)
                for (size_t k = 0; (error = kt_idl_error_at(idl, k)); k++) {
                        _cleanup_free_ char *quoted = kt_format("\"%s.%s\"", kt_idl_name(idl), error);

                        ck_assert_msg(strstr(header, quoted) != NULL, "errors.h lacks %s", quoted);
                }
}
END_TEST

START_TEST(errors_of_ours_carry_message_and_field)
{
        _cleanup_json_ struct json_object *both = json_object_new_object(),
                                          *message = json_object_new_object();
        _cleanup_json_ struct json_object *none = json_object_new_object();
        const struct kt_idl *idl;
        const char *error;

        kt_json_add_str(message, "message", "x");
        kt_json_add_str(both, "message", "x");
        kt_json_add_str(both, "field", "y");
        for (size_t i = 0; (idl = kt_interfaces_at(interfaces, i)); i++) {
                if (strncmp(kt_idl_name(idl), "io.ktstrd.", 10) != 0)
                        continue;
                for (size_t k = 0; (error = kt_idl_error_at(idl, k)); k++) {
                        ck_assert_int_eq(kt_idl_check(idl, KT_IDL_ERROR, error, both, NULL), 0);
                        ck_assert_int_eq(kt_idl_check(idl, KT_IDL_ERROR, error, message, NULL), 0);
                        ck_assert_int_eq(kt_idl_check(idl, KT_IDL_ERROR, error, none, NULL), -EINVAL);
                }
        }
}
END_TEST

static void expect_parameter(const char *name, const char *parameter)
{
        const struct kt_idl *idl = kt_interfaces_find(interfaces, "org.varlink.service");
        _cleanup_json_ struct json_object *value = json_object_new_object();

        if (parameter)
                kt_json_add_str(value, parameter, "x");
        ck_assert_int_eq(kt_idl_check(idl, KT_IDL_ERROR, strrchr(name, '.') + 1, value, NULL), 0);
}

START_TEST(errors_of_varlink_are_those_of_its_specification)
{
        expect_parameter(KT_E_INTERFACE_NOT_FOUND, "interface");
        expect_parameter(KT_E_METHOD_NOT_FOUND, "method");
        expect_parameter(KT_E_METHOD_NOT_IMPLEMENTED, "method");
        expect_parameter(KT_E_INVALID_PARAMETER, "parameter");
        expect_parameter(KT_E_PERMISSION_DENIED, NULL);
        expect_parameter(KT_E_EXPECTED_MORE, NULL);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("errors");
        TCase *tcase = tcase_create("errors");
        SRunner *runner;
        int failed;

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, each_name_of_the_header_is_declared_once);
        tcase_add_test(tcase, each_declared_error_is_in_the_header);
        tcase_add_test(tcase, errors_of_ours_carry_message_and_field);
        tcase_add_test(tcase, errors_of_varlink_are_those_of_its_specification);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
