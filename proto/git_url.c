/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "git_url.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "../common/cleanup.h"

struct text {
        const char *at;
        size_t size;
};

/* Of a folder here host is empty. */
struct place {
        struct text host, port, path;
};

static bool is(struct text t, const char *word)
{
        return t.size == strlen(word) && strncasecmp(t.at, word, t.size) == 0;
}

static struct text cut_end(struct text path)
{
        static const char suffix[] = ".git";
        const size_t n = strlen(suffix);

        while (path.size > 1 && path.at[path.size - 1] == '/')
                path.size--;
        if (path.size <= n || memcmp(path.at + path.size - n, suffix, n) != 0)
                return path;
        path.size -= n;
        while (path.size > 1 && path.at[path.size - 1] == '/')
                path.size--;
        return path;
}

static bool is_default_port(struct text scheme, struct text port)
{
        static const struct {
                const char *scheme, *port;
        } defaults[] = {{"https", "443"}, {"http", "80"}, {"ssh", "22"},  {"git+ssh", "22"},
                        {"git", "9418"},  {"ftp", "21"},  {"ftps", "990"}};

        for (size_t i = 0; i < KT_ARRAY_SIZE(defaults); i++)
                if (is(scheme, defaults[i].scheme))
                        return is(port, defaults[i].port);
        return false;
}

/* "user@host:port", of which only the host must be there. */
static void split_host(struct text t, struct place *ret)
{
        const char *at = memrchr(t.at, '@', t.size), *colon, *bracket;

        if (at)
                t = (struct text){at + 1, t.size - (size_t)(at + 1 - t.at)};
        /* An address of IPv6 has colons of its own, between brackets. */
        bracket = memrchr(t.at, ']', t.size);
        colon = memrchr(t.at, ':', t.size);
        if (colon && colon > bracket) {
                ret->port = (struct text){colon + 1, t.size - (size_t)(colon + 1 - t.at)};
                t.size = (size_t)(colon - t.at);
        }
        ret->host = t;
}

/* What stands behind a host: absolute or not is the same to whom it serves. */
static struct text path_of_host(const char *path)
{
        path += strspn(path, "/");
        return (struct text){path, strlen(path)};
}

/* "host:path" as ssh and scp take it; NULL: a path, in which a colon comes behind a slash. */
static const char *colon_of_scp(const char *url)
{
        const char *bracket = url + strcspn(url, "/[]");
        const char *from = *bracket == '[' ? strchr(bracket, ']') : url;
        const char *colon = from ? from + strcspn(from, ":/") : url + strlen(url);

        return *colon == ':' && colon > url ? colon : NULL;
}

static struct place place_of(const char *url)
{
        const char *after = strstr(url, "://"), *colon;
        struct place p = {};

        if (after) {
                const struct text scheme = {url, (size_t)(after - url)};
                const char *host = after + 3, *path = host + strcspn(host, "/");

                split_host((struct text){host, (size_t)(path - host)}, &p);
                if (is_default_port(scheme, p.port))
                        p.port.size = 0;
                if (is(scheme, "file") && (p.host.size == 0 || is(p.host, "localhost"))) {
                        p.host.size = 0;
                        p.path = (struct text){path, strlen(path)};
                } else
                        p.path = path_of_host(path);
        } else if ((colon = colon_of_scp(url))) {
                split_host((struct text){url, (size_t)(colon - url)}, &p);
                p.path = path_of_host(colon + 1);
        } else
                p.path = (struct text){url, strlen(url)};
        p.path = cut_end(p.path);
        return p;
}

bool git_url_is_same(const char *a, const char *b)
{
        const struct place p = place_of(a), q = place_of(b);

        return p.host.size == q.host.size && p.port.size == q.port.size && p.path.size == q.path.size &&
               (p.host.size == 0 || strncasecmp(p.host.at, q.host.at, p.host.size) == 0) &&
               (p.port.size == 0 || memcmp(p.port.at, q.port.at, p.port.size) == 0) &&
               (p.path.size == 0 || memcmp(p.path.at, q.path.at, p.path.size) == 0);
}
