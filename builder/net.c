/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "http.h"

#define STALL_MS_DEFAULT 30000
#define STALL_MS_MAX (3600LL * 1000)

static int refuse(struct kt_error *reterr, const char *key, const char *what)
{
        return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, key, "request: %s %s", key, what);
}

/* *ret stays the request's. Slashes at the end of it are taken away there. */
static int parse_url(struct json_object *net, const char *key, const char **ret, struct kt_error *reterr)
{
        struct json_object *value = kt_json_get(net, key);
        const char *url;
        int len;

        if (!json_object_is_type(value, json_type_string))
                return refuse(reterr, key, "is missing");
        url = json_object_get_string(value);
        if (!http_url_is(url))
                return refuse(reterr, key, "is no http:// or https:// address");
        len = json_object_get_string_len(value);
        while (url[len - 1] == '/')
                len--;
        if (url[len]) {
                _cleanup_free_ char *trimmed = strndup(url, (size_t)len);

                if (!trimmed || !json_object_set_string(value, trimmed))
                        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        *ret = json_object_get_string(value);
        return 0;
}

int net_parse(struct json_object *request, struct net *ret, struct kt_error *reterr)
{
        struct json_object *o = kt_json_get(request, "net"), *keyring, *stall;
        struct net net = {.stall_ms = STALL_MS_DEFAULT};
        int r;

        if (!json_object_is_type(o, json_type_object))
                return refuse(reterr, "net", "is missing");
        r = parse_url(o, "mirror", &net.mirror, reterr);
        if (r >= 0)
                r = parse_url(o, "releases", &net.releases, reterr);
        if (r >= 0)
                r = parse_url(o, "candidates", &net.candidates, reterr);
        if (r < 0)
                return r;

        keyring = kt_json_get(o, "keyring");
        if (keyring) {
                net.keyring = json_object_get_string(keyring);
                if (!json_object_is_type(keyring, json_type_string) || net.keyring[0] != '/')
                        return refuse(reterr, "keyring", "is no absolute path");
        }
        stall = kt_json_get(o, "stall_ms");
        if (stall) {
                int64_t ms = json_object_get_int64(stall);

                if (!json_object_is_type(stall, json_type_int) || ms <= 0 || ms > STALL_MS_MAX)
                        return refuse(reterr, "stall_ms", "is no time of at most an hour");
                net.stall_ms = (uint64_t)ms;
        }
        *ret = net;
        return 0;
}

int net_check_keyring(const struct net *net, struct kt_error *reterr)
{
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r = 0;

        if (!net->keyring)
                return 0;
        fd = open(net->keyring, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                r = -errno;
        else if (S_ISDIR(st.st_mode))
                r = -EISDIR;
        return r < 0 ? kt_error_set(reterr, r, KT_E_DOWNLOAD, "cannot read KernelKeyring=%s: %s",
                                    net->keyring, strerror(-r))
                     : 0;
}
