/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../../client/live.h"
#include "../../proto/codec.h"
#include "unit.h"

/* What is printed of an event, where there is no terminal. */
static void shows(const char *event, const char *line)
{
        _cleanup_free_ char *text = NULL;
        struct json_object *o = NULL;
        struct live l = {};
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(out);
        ck_assert_int_eq(kt_json_parse(event, strlen(event), &o, NULL), 0);
        live_begin(&l, out, false);
        live_event(&l, o);
        live_end(&l);
        fclose(out);
        json_object_put(o);
        ck_assert_str_eq(text, line);
}

START_TEST(a_step_is_named_once)
{
        shows("{\"kind\":\"step\",\"elapsed_ms\":70,\"state\":\"begin\",\"step\":\"step "
              "0\",\"message\":\"step 0 "
              "begins\"}",
              "   0.07s  step 0 begins\n");
        shows("{\"kind\":\"step\",\"elapsed_ms\":70,\"state\":\"end\",\"step\":\"step "
              "0\",\"message\":\"step 0 "
              "ended\"}",
              "   0.07s  step 0 ended\n");
        /* A build's. */
        shows("{\"kind\":\"step\",\"elapsed_ms\":70,\"state\":\"begin\",\"step\":\"config\",\"message\":"
              "\"configures it\"}",
              "   0.07s  config: configures it\n");
        shows("{\"kind\":\"step\",\"elapsed_ms\":70,\"state\":\"begin\",\"step\":\"compile\"}",
              "   0.07s  compile\n");
}
END_TEST

START_TEST(what_says_nothing_to_a_person_is_not_shown)
{
        shows("{\"kind\":\"step\",\"elapsed_ms\":70,\"state\":\"end\",\"step\":\"step 0\"}", "");
        shows("{\"kind\":\"note\",\"elapsed_ms\":1500,\"message\":\"a note\"}", "   1.50s  a note\n");
        shows("{\"kind\":\"warning\",\"elapsed_ms\":0,\"message\":\"of this\"}",
              "   0.00s  warning: of this\n");
}
END_TEST

UNIT_MAIN("live", a_step_is_named_once, what_says_nothing_to_a_person_is_not_shown)
