/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What builder/source.h declares, as a program, for tests that see it over real HTTP: fetch-driver REQUEST
 * VERB …. The request's file has "net"; answers as the helper's, with what comes of it last as
 * {"result": …}. */

#include <fcntl.h>
#include <string.h>

#include "../../builder/answer.h"
#include "../../builder/commands.h"
#include "../../builder/source.h"
#include "../../common/cleanup.h"
#include "../../common/fsutil.h"
#include "../../proto/codec.h"

static struct json_object *from_source(struct source *s)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_str(o, "tarball", s->tarball);
        kt_json_add_str(o, "version", s->version);
        kt_json_add_str(o, "name", s->name);
        kt_json_add_str(o, "source_sha256", s->source_sha256);
        source_done(s);
        return o;
}

static int run(struct json_object *request, int argc, char **argv, struct json_object **ret,
               struct kt_error *reterr)
{
        const char *verb = argv[2], *arg = argc > 3 ? argv[3] : NULL, *work = argc > 4 ? argv[4] : NULL;
        _cleanup_free_ char *version = NULL;
        struct source s = {};
        struct net net;
        int r;

        if (strcmp(verb, "package-find") == 0) {
                r = package_find(arg, &s, reterr);
                *ret = r < 0 ? NULL : from_source(&s);
                return r;
        }
        if (strcmp(verb, "package-fetch") == 0) {
                r = package_fetch(arg, work, &s, reterr);
                *ret = r < 0 ? NULL : from_source(&s);
                return r;
        }
        if (strcmp(verb, "unpack") == 0) {
                *ret = json_object_new_boolean(true);
                return tarball_unpack(arg, strrchr(arg, '/') + 1, work, reterr);
        }
        r = net_parse(request, &net, reterr);
        if (r >= 0 && strcmp(verb, "resolve") == 0) {
                r = release_resolve(&net, arg, &version, reterr);
                *ret = r < 0 ? NULL : json_object_new_string(version);
        } else if (r >= 0) {
                r = release_fetch(&net, arg, work, &s, reterr);
                *ret = r < 0 ? NULL : from_source(&s);
        }
        return r;
}

int main(int argc, char **argv)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *request = NULL;
        struct json_object *result = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (argc < 3 || kt_read_file(AT_FDCWD, argv[1], 1U << 20, &text, &size) < 0 ||
            kt_json_parse(text, size, &request, NULL) < 0)
                return 64;
        if (strcmp(argv[2], "releases") == 0)
                return command_releases(request);
        if (strcmp(argv[2], "download") == 0)
                return command_download(request);
        if (run(request, argc, argv, &result, &err) < 0) {
                json_object_put(result);
                return answer_error(&err, NULL);
        }
        answer("result", result);
        return 0;
}
