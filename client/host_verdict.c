/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host_verdict.h"

#include <errno.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"

static struct json_object *new_verdict(const char *word, const char *reason)
{
        static const char *const arrays[] = {"details", "checks", "cgroups", "workers"};
        struct json_object *v = json_object_new_object();

        kt_json_add_str(v, "verdict", word);
        kt_json_add_str(v, "reason", reason);
        for (size_t i = 0; i < KT_ARRAY_SIZE(arrays); i++)
                kt_json_add(v, arrays[i], json_object_new_array());
        return v;
}

struct json_object *host_verdict_error(const struct kt_error *err)
{
        struct json_object *v = new_verdict("error", kt_error_text(err));

        kt_json_add_str(v, "error", err->name ? err->name : KT_E_INTERNAL);
        return v;
}

/* From the best to the worst. */
static int rank(const char *outcome)
{
        static const char *const worse[] = {"pass", "skip", "inconclusive", "fail", "error"};

        for (size_t i = 0; outcome && i < KT_ARRAY_SIZE(worse); i++)
                if (strcmp(worse[i], outcome) == 0)
                        return (int)i;
        return -1;
}

static const char *text_of(struct json_object *o, const char *key)
{
        return json_object_is_type(kt_json_get(o, key), json_type_string) ? kt_json_str(o, key) : NULL;
}

/* The first of what was said that is as bad as all of it. */
static const char *reason_of(struct json_object *messages, int worst)
{
        for (size_t i = 0; i < json_object_array_length(messages); i++) {
                struct json_object *m = json_object_array_get_idx(messages, i);

                if (rank(text_of(m, "outcome")) == worst)
                        return text_of(m, "text");
        }
        return worst == 0 ? "passed on the host" : "it gave no reason";
}

int host_verdict(struct json_object *result, struct json_object **ret, struct kt_error *reterr)
{
        struct json_object *messages = kt_json_get(result, "messages"), *v,
                           *metrics = kt_json_get(result, "metrics");
        int worst = rank(text_of(result, "outcome"));

        if (worst < 0 || (messages && !json_object_is_type(messages, json_type_array)))
                return kt_error_set(reterr, -EPROTO, KT_E_TEST_PROGRAM, "the body's result is none");
        for (size_t i = 0; messages && i < json_object_array_length(messages); i++) {
                const int r = rank(text_of(json_object_array_get_idx(messages, i), "outcome"));

                worst = r > worst ? r : worst;
        }
        v = new_verdict((const char *const[]){"pass", "skip", "inconclusive", "fail", "error"}[worst],
                        messages ? reason_of(messages, worst) : "");
        if (worst == 4)
                kt_json_add_str(v, "error", KT_E_TEST_PROGRAM);
        if (messages)
                kt_json_add(v, "messages", json_object_get(messages));
        if (json_object_is_type(metrics, json_type_array))
                kt_json_add(v, "metrics", json_object_get(metrics));
        *ret = v;
        return 0;
}
