/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "commands.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/cleanup.h"
#include "../common/sha256.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "answer.h"
#include "source.h"

static int fetch(struct json_object *request, struct json_object **ret, struct kt_error *reterr)
{
        struct json_object *url = kt_json_get(request, "url"), *path = kt_json_get(request, "path"), *file;
        char sha256[KT_SHA256_HEX_SIZE];
        struct stat st;
        struct net net;
        int r;

        r = net_parse(request, &net, reterr);
        if (r < 0)
                return r;
        if (!json_object_is_type(url, json_type_string) || !json_object_is_type(path, json_type_string) ||
            json_object_get_string(path)[0] != '/')
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "request: a download has a url and an absolute path");
        r = download(&net, json_object_get_string(url), json_object_get_string(path), sha256, reterr);
        if (r < 0)
                return r;
        if (stat(json_object_get_string(path), &st) < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot read %s: %s",
                                    json_object_get_string(path), strerror(errno));
        file = json_object_new_object();
        kt_json_add_str(file, "path", json_object_get_string(path));
        kt_json_add_int(file, "size", st.st_size);
        kt_json_add_str(file, "sha256", sha256);
        *ret = file;
        return 0;
}

int command_download(struct json_object *request)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct json_object *file = NULL;

        if (fetch(request, &file, &err) < 0)
                return answer_error(&err, NULL);
        answer("file", file);
        return 0;
}
