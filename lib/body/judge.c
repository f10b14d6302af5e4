/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "judge.h"

#include "../../proto/codec.h"

void judge_begin(struct ktstr_body *b, const struct ktstr_scenario *scenario)
{
        struct json_object *o = json_object_new_object();

        kt_json_add(o, "checks", json_object_new_object());
        json_object_array_add(b->scenarios, o);
        b->n_scenarios++;
}

enum ktstr_outcome judge_end(struct ktstr_body *b, unsigned scenario)
{
        return KTSTR_PASS;
}
