/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../lib/thresholds.h"
#include "../../proto/codec.h"
#include "../../proto/errors.h"
#include "unit.h"

static int parse(const char *text, struct ktstr_checks *ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;

        ck_assert_int_eq(kt_json_parse(text, strlen(text), &o, NULL), 0);
        return kt_checks_parse(o, ret, reterr);
}

static const char *shown(const struct ktstr_checks *c, const char *field)
{
        static char text[64];

        return kt_checks_format(c, kt_threshold_find(field), text, sizeof(text));
}

/* The table and struct ktstr_checks cannot drift apart: its fields, in their order, are all of it. */
START_TEST(the_table_has_every_field)
{
        size_t at = 0;

        for (size_t i = 0; i < kt_thresholds_n; i++) {
                const struct kt_threshold *t = &kt_thresholds[i];
                size_t size = t->kind == KT_THRESHOLD_SWITCH ? sizeof(enum ktstr_switch) : sizeof(double);

                at = (at + size - 1) / size * size;
                ck_assert_msg(t->offset == at, "%s is at %zu, not at %zu", t->name, t->offset, at);
                at += size;
        }
        ck_assert_uint_eq(at, sizeof(struct ktstr_checks));
}
END_TEST

START_TEST(defaults_are_wider_for_emulated_cpus)
{
        struct ktstr_checks kvm = kt_checks_default(false), tcg = kt_checks_default(true);

        ck_assert_str_eq(shown(&kvm, "max_gap_ms"), "2000 ms");
        ck_assert_str_eq(shown(&tcg, "max_gap_ms"), "3000 ms");
        ck_assert_str_eq(shown(&kvm, "max_spread_pct"), "15 %");
        ck_assert_str_eq(shown(&tcg, "max_spread_pct"), "35 %");
        ck_assert_str_eq(shown(&kvm, "not_starved"), "on");
        ck_assert_str_eq(shown(&kvm, "isolation"), "on");
        ck_assert_str_eq(shown(&kvm, "min_iteration_rate"), "unset");
        ck_assert_str_eq(shown(&kvm, "max_imbalance_ratio"), "4");
        ck_assert_str_eq(shown(&kvm, "max_fallback_rate"), "200 /s");
}
END_TEST

START_TEST(the_last_that_is_set_wins_and_off_is_set)
{
        struct ktstr_checks c = kt_checks_default(false);
        const struct ktstr_checks scheduler = {
                .max_gap_ms = 1500, .max_spread_pct = KTSTR_NONE, .isolation = KTSTR_OFF};
        const struct ktstr_checks test = {
                .max_spread_pct = 50, .not_starved = KTSTR_OFF, .max_migration_ratio = KTSTR_ZERO};

        kt_checks_merge(&c, &scheduler);
        ck_assert_str_eq(shown(&c, "max_spread_pct"), "off");
        kt_checks_merge(&c, &test);
        ck_assert_str_eq(shown(&c, "max_gap_ms"), "1500 ms");
        ck_assert_str_eq(shown(&c, "max_spread_pct"), "50 %");
        ck_assert_str_eq(shown(&c, "isolation"), "off");
        ck_assert_str_eq(shown(&c, "not_starved"), "off");
        ck_assert_str_eq(shown(&c, "max_migration_ratio"), "0");
        ck_assert(kt_checks_has(&c, kt_threshold_find("max_migration_ratio")));
        ck_assert(!kt_checks_has(&c, kt_threshold_find("isolation")));
        ck_assert(!kt_checks_has(&c, kt_threshold_find("max_throughput_cv")));
}
END_TEST

START_TEST(json_there_and_back_is_the_same)
{
        const char *text =
                "{\"not_starved\":true,\"isolation\":false,\"max_gap_ms\":1500.0,\"max_spread_pct\":"
                "-1.0,\"max_migration_ratio\":0.0}";
        struct ktstr_checks c = {};
        _cleanup_json_ struct json_object *o = NULL;

        ck_assert_int_eq(parse(text, &c, NULL), 0);
        ck_assert_int_eq(c.isolation, KTSTR_OFF);
        ck_assert(c.max_spread_pct == KTSTR_NONE);
        ck_assert(c.max_migration_ratio == KTSTR_ZERO);
        o = kt_checks_json(&c);
        ck_assert_str_eq(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN), text);
}
END_TEST

START_TEST(layers_can_be_parsed_over_one_another)
{
        struct ktstr_checks c = kt_checks_default(false);

        ck_assert_int_eq(parse("{\"max_gap_ms\":null,\"max_spread_pct\":7}", &c, NULL), 0);
        ck_assert_int_eq(kt_checks_parse(NULL, &c, NULL), 0);
        ck_assert_str_eq(shown(&c, "max_gap_ms"), "2000 ms");
        ck_assert_str_eq(shown(&c, "max_spread_pct"), "7 %");
}
END_TEST

START_TEST(what_is_no_check_is_refused_by_name)
{
        static const struct {
                const char *text, *field, *words;
        } cases[] = {
                {"[]", "checks", "no object"},
                {"{\"max_gap\":1}", "checks", "no check 'max_gap'"},
                {"{\"max_gap_ms\":\"1\"}", "max_gap_ms", "no number"},
                {"{\"max_gap_ms\":-2}", "max_gap_ms", "from 0 to"},
                {"{\"max_gap_ms\":1e300}", "max_gap_ms", "from 0 to"},
                {"{\"max_spread_pct\":101}", "max_spread_pct", "from 0 to 100"},
                {"{\"min_page_locality\":1.5}", "min_page_locality", "from 0 to 1"},
                {"{\"isolation\":1}", "isolation", "neither true nor false"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                struct ktstr_checks c = {};

                ck_assert_msg(parse(cases[i].text, &c, &err) == -EINVAL, "%s", cases[i].text);
                ck_assert_str_eq(err.name, KT_E_INVALID_PARAMETER);
                ck_assert_str_eq(err.field, cases[i].field);
                ck_assert_msg(strstr(kt_error_text(&err), cases[i].words), "%s", kt_error_text(&err));
        }
}
END_TEST

UNIT_MAIN("thresholds", the_table_has_every_field, defaults_are_wider_for_emulated_cpus,
          the_last_that_is_set_wins_and_off_is_set, json_there_and_back_is_the_same,
          layers_can_be_parsed_over_one_another, what_is_no_check_is_refused_by_name)
