/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../builder/request.h"

#include <string.h>

#include "../../proto/codec.h"
#include "../../proto/errors.h"
#include "unit.h"

static int parse(const char *text, struct json_object **ret_json, struct request *ret,
                 struct kt_error *reterr)
{
        ck_assert_int_eq(kt_json_parse(text, strlen(text), ret_json, NULL), 0);
        return request_parse(*ret_json, ret, reterr);
}

START_TEST(all_that_can_be_asked_for_arrives)
{
        _cleanup_json_ struct json_object *json = NULL;
        struct request q;

        ck_assert_int_eq(
                parse("{\"source\": {\"kind\": \"git\", \"url\": \"https://x/y\", \"ref\": \"v6.14\"}, "
                      "\"profile\": \"tiny\", \"extra_kconfig\": \"CONFIG_A=y\", \"clean\": true, "
                      "\"jobs\": 3, \"objects\": 900, \"work\": \"/w\", \"net\": {}}",
                      &json, &q, NULL),
                0);
        ck_assert_int_eq(q.kind, SOURCE_GIT);
        ck_assert_str_eq(q.url, "https://x/y");
        ck_assert_str_eq(q.ref, "v6.14");
        ck_assert_int_eq(q.profile, KCONFIG_TINY);
        ck_assert_str_eq(q.extra_kconfig, "CONFIG_A=y");
        ck_assert(q.clean);
        ck_assert_uint_eq(q.jobs, 3);
        ck_assert_int_eq(q.objects, 900);
        ck_assert_str_eq(q.work, "/w");
}
END_TEST

START_TEST(little_is_needed)
{
        _cleanup_json_ struct json_object *json = NULL;
        struct request q;

        ck_assert_int_eq(parse("{\"source\": {\"kind\": \"version\", \"version\": null}, \"profile\": "
                               "\"default\", \"extra_kconfig\": \"\", \"work\": \"/w\"}",
                               &json, &q, NULL),
                         0);
        ck_assert_int_eq(q.kind, SOURCE_VERSION);
        ck_assert_ptr_null(q.version);
        ck_assert_ptr_null(q.extra_kconfig);
        ck_assert(!q.clean);
        ck_assert_uint_eq(q.jobs, 0);
        ck_assert_int_eq(q.objects, 0);
}
END_TEST

START_TEST(a_tarball_without_a_name_has_its_path)
{
        _cleanup_json_ struct json_object *json = NULL;
        struct request q;

        ck_assert_int_eq(parse("{\"source\": {\"kind\": \"tarball\", \"path\": \"/a.tar\"}, \"profile\": "
                               "\"default\", \"work\": \"/w\"}",
                               &json, &q, NULL),
                         0);
        ck_assert_str_eq(q.name, "/a.tar");
}
END_TEST

#define TREE "\"source\": {\"kind\": \"tree\", \"path\": \"/t\"}, "
#define REST "\"profile\": \"tiny\", \"work\": \"/w\""
#define GIT(url, ref)                                                                                       \
        "{\"source\": {\"kind\": \"git\", \"url\": \"" url "\", \"ref\": \"" ref "\"}, " REST "}"

START_TEST(what_is_wrong_is_named)
{
        static const struct {
                const char *text, *field, *message;
        } cases[] = {
                {"{" REST "}", "source", "request: source is missing, or no object"},
                {"{\"source\": \"x\", " REST "}", "source", "request: source is missing, or no object"},
                {"{\"source\": {}, " REST "}", "source.kind", "request: source.kind is missing"},
                {"{\"source\": {\"kind\": \"cvs\"}, " REST "}", "source.kind",
                 "request: source.kind must be version, tarball, package, git or tree, not 'cvs'"},
                {"{\"source\": {\"kind\": \"tree\"}, " REST "}", "source.path",
                 "request: source.path is missing"},
                {"{\"source\": {\"kind\": \"tree\", \"path\": \"t\"}, " REST "}", "source.path",
                 "request: source.path must be an absolute path, not 't'"},
                {"{\"source\": {\"kind\": \"tree\", \"path\": \"/t\", \"ref\": \"x\"}, " REST "}", "ref",
                 "request: source.ref is not known"},
                {"{\"source\": {\"kind\": \"version\", \"version\": 6}, " REST "}", "source.version",
                 "request: source.version is no text"},
                {"{\"source\": {\"kind\": \"package\", \"name\": \"\"}, " REST "}", "source.name",
                 "request: source.name is empty"},
                {GIT("--upload-pack=x", "r"), "source.url",
                 "request: source.url may not begin with '-', as '--upload-pack=x' does"},
                {GIT("https://x", "-r"), "source.ref",
                 "request: source.ref may not begin with '-', as '-r' does"},
                {GIT("https://x", "a b"), "source.ref",
                 "request: source.ref may have no blanks and control characters"},
                {"{" TREE "\"work\": \"/w\"}", "profile", "request: profile is missing"},
                {"{" TREE "\"work\": \"/w\", \"profile\": \"huge\"}", "profile",
                 "request: profile must be default or tiny, not 'huge'"},
                {"{" TREE "\"profile\": \"tiny\"}", "work", "request: work is missing"},
                {"{" TREE REST ", \"jobs\": -1}", "jobs", "request: jobs must be from 0 to 4096, not -1"},
                {"{" TREE REST ", \"jobs\": \"2\"}", "jobs", "request: jobs is no number"},
                {"{" TREE REST ", \"clean\": 1}", "clean", "request: clean is neither true nor false"},
                {"{" TREE REST ", \"colour\": 1}", "colour", "request: colour is not known"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                _cleanup_json_ struct json_object *json = NULL;
                struct request q;

                ck_assert_int_lt(parse(cases[i].text, &json, &q, &err), 0);
                ck_assert_str_eq(err.message, cases[i].message);
                ck_assert_str_eq(err.field, cases[i].field);
                ck_assert_str_eq(err.name, KT_E_INVALID_PARAMETER);
        }
}
END_TEST

UNIT_MAIN("build_request", all_that_can_be_asked_for_arrives, little_is_needed,
          a_tarball_without_a_name_has_its_path, what_is_wrong_is_named)
