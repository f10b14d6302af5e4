/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include "../common/cleanup.h"
#include "../proto/codec.h"
#include "answer.h"
#include "source.h"

int command_releases(struct json_object *request)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct json_object *list;
        struct net net;

        if (net_parse(request, &net, &err) < 0 || releases_fetch(&net, &list, &err) < 0)
                return answer_error(&err, NULL);
        answer_line(list);
        return 0;
}
