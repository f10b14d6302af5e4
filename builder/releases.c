/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "releases.h"

#include <errno.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "answer.h"
#include "http.h"
#include "sums.h"

#define LIST_MAX (4U << 20)
#define ROWS_MAX 1000
#define WORD_MAX 64
#define URL_MAX 1024
/* What is newer has had no time yet for the worst to be found. */
#define MATURE_PATCHES 8
/* No series has ever had so many patch releases, and none so many series. */
#define PROBE_MAX 4096U

/* --- the list --- */

/* A word of a row as it may be handed on: into paths, keys and messages. NULL: it is none. */
static const char *word(struct json_object *row, const char *key)
{
        struct json_object *value = kt_json_get(row, key);
        const char *text =
                json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
        size_t len = text ? strlen(text) : 0;

        if (len == 0 || len > WORD_MAX ||
            strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-") != len)
                return NULL;
        return text;
}

static bool has_moniker(struct json_object *row, const char *a, const char *b)
{
        const char *moniker = word(row, "moniker");

        return moniker && (strcmp(moniker, a) == 0 || strcmp(moniker, b) == 0);
}

static struct json_object *parse_row(struct json_object *row)
{
        const char *version, *moniker;
        struct json_object *source, *eol, *o;

        if (!json_object_is_type(row, json_type_object))
                return NULL;
        version = word(row, "version");
        moniker = word(row, "moniker");
        source = kt_json_get(row, "source");
        eol = kt_json_get(row, "iseol");
        if (!version || !moniker)
                return NULL;
        o = json_object_new_object();
        kt_json_add_str(o, "version", version);
        kt_json_add_str(o, "moniker", moniker);
        kt_json_add_bool(o, "eol",
                         json_object_is_type(eol, json_type_boolean) && json_object_get_boolean(eol));
        if (json_object_is_type(source, json_type_string) && http_url_is(json_object_get_string(source)) &&
            json_object_get_string_len(source) <= URL_MAX)
                kt_json_add_str(o, "source", json_object_get_string(source));
        else
                json_object_object_add(o, "source", NULL);
        return o;
}

int releases_parse(const char *text, size_t size, struct json_object **ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *json = NULL, *o = NULL;
        struct json_object *rows, *latest, *list;
        int r;

        r = kt_json_parse(text, size, &json, reterr);
        if (r < 0)
                return r;
        rows = json_object_is_type(json, json_type_object) ? kt_json_get(json, "releases") : NULL;
        if (!json_object_is_type(rows, json_type_array))
                return kt_error_set(reterr, -EBADMSG, KT_E_DOWNLOAD, "it has no \"releases\"");

        o = json_object_new_object();
        list = json_object_new_array();
        if (!o || !list || kt_json_add(o, "releases", list) < 0)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        for (size_t i = 0; i < json_object_array_length(rows) && i < ROWS_MAX; i++) {
                struct json_object *row = parse_row(json_object_array_get_idx(rows, i));

                if (row)
                        json_object_array_add(list, row);
        }
        if (json_object_array_length(list) == 0)
                return kt_error_set(reterr, -EBADMSG, KT_E_DOWNLOAD, "it has no release in it");
        latest = kt_json_get(json, "latest_stable");
        if (json_object_is_type(latest, json_type_object))
                kt_json_add_str(o, "latest_stable", word(latest, "version"));
        *ret = TAKE_PTR(o);
        return 0;
}

int releases_fetch(const struct net *net, struct json_object **ret, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = http_text(net, net->releases, LIST_MAX, &text, &size, reterr);
        if (r < 0)
                return r;
        r = releases_parse(text, size, ret, &err);
        if (r < 0)
                return kt_error_set(
                        reterr, r, KT_E_DOWNLOAD,
                        "%s is no list of kernel releases: %s; is KernelReleases= in ktstrd.conf right?",
                        net->releases, kt_error_text(&err));
        return 0;
}

/* --- the newest --- */

static void take_newer(bool *found, struct version *best, const struct version *v)
{
        if (!*found || version_compare(v, best) > 0)
                *best = *v;
        *found = true;
}

/* The row's version, when it is one of those that are kept up with patches. */
static bool stable_version(struct json_object *row, struct version *ret)
{
        const char *version = kt_json_str(row, "version");

        /* A release that has no patch yet is still in the mainline's row. */
        return (has_moniker(row, "stable", "longterm") || has_moniker(row, "mainline", "mainline")) &&
               version && version_parse(version, ret) && ret->rc == 0;
}

static bool newest_mature(struct json_object *rows, unsigned patches, bool eol, struct version *ret)
{
        bool found = false;

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                struct version v;

                if (stable_version(row, &v) && v.part[2] >= patches &&
                    (eol || !kt_json_bool(row, "eol", false)))
                        take_newer(&found, ret, &v);
        }
        return found;
}

bool releases_newest_mature(struct json_object *list, unsigned patches, struct version *ret)
{
        struct json_object *rows = kt_json_get(list, "releases");

        return newest_mature(rows, patches, false, ret) || newest_mature(rows, patches, true, ret);
}

bool releases_newest_of(struct json_object *list, const struct version *series, bool candidates,
                        struct version *ret)
{
        struct json_object *rows = kt_json_get(list, "releases");
        bool found = false;

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *row = json_object_array_get_idx(rows, i);
                const char *version = kt_json_str(row, "version");
                struct version v;

                if (candidates ? version && version_parse(version, &v) && v.rc > 0 : stable_version(row, &v))
                        if (version_is_of(&v, series))
                                take_newer(&found, ret, &v);
        }
        return found;
}

/* --- what is on the mirror, listed or not --- */

static int mirror_has(const struct net *net, const struct version *v, struct kt_error *reterr)
{
        char text[VERSION_TEXT_MAX];
        _cleanup_free_ char *url = NULL;

        version_text(v, text);
        url = kt_format("%s/v%u.x/linux-%s.tar.xz", net->mirror, v->part[0], text);
        if (!url)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return http_exists(net, url, reterr);
}

/* The highest number in that place of v with which the mirror has it: they come without gaps. 1: found. */
static int probe_part(const struct net *net, struct version *v, int place, struct kt_error *reterr)
{
        unsigned has = 0, lacks = 1;
        int r;

        v->part[place] = 0;
        r = mirror_has(net, v, reterr);
        while (r == 1 && lacks < PROBE_MAX) {
                v->part[place] = lacks;
                r = mirror_has(net, v, reterr);
                if (r == 1) {
                        has = lacks;
                        lacks *= 2;
                } else if (r == 0) {
                        r = 1;
                        break;
                }
        }
        while (r == 1 && lacks - has > 1) {
                unsigned middle = has + (lacks - has) / 2;

                v->part[place] = middle;
                r = mirror_has(net, v, reterr);
                if (r == 1)
                        has = middle;
                else if (r == 0) {
                        lacks = middle;
                        r = 1;
                }
        }
        v->part[place] = has;
        return r;
}

static int newest_on_mirror(const struct net *net, const struct version *series, struct version *ret,
                            struct kt_error *reterr)
{
        _cleanup_free_ char *sums = NULL;
        struct version v = {.part = {series->part[0], series->part[1]}, .parts = 3};
        size_t size;
        int r;

        r = sums_fetch(net, series->part[0], &sums, &size, reterr);
        if (r > 0)
                return sums_newest_of(sums, size, series, ret) ? 1 : 0;
        if (r < 0)
                return r;
        answer_note("the mirror has no list of its files: asking for them one by one");
        if (series->parts < 2) {
                r = probe_part(net, &v, 1, reterr);
                if (r <= 0)
                        return r;
        }
        r = probe_part(net, &v, 2, reterr);
        *ret = v;
        return r;
}

/* 1, 0 when there is none, or -errno when neither the list nor the mirror could be asked. */
static int newest_of(const struct net *net, struct json_object *list, const struct version *series,
                     struct version *ret, struct kt_error *reterr)
{
        if (list && releases_newest_of(list, series, false, ret))
                return 1;
        return newest_on_mirror(net, series, ret, reterr);
}

static char *latest(const char *series, const struct version *v)
{
        char text[VERSION_TEXT_MAX];

        version_text(v, text);
        return kt_format("latest %s: %s", series, text);
}

static char *nearest(const struct net *net, struct json_object *list, const struct version *v)
{
        struct version series = *v, found;
        char name[VERSION_TEXT_MAX];

        /* 6.14.22 is of 6.14.x, 6.99 of 6.x; 9 is of none. */
        series.rc = 0;
        if (v->parts == 3 || v->rc) {
                series.parts = 2;
                if (v->rc && list && releases_newest_of(list, &series, true, &found)) {
                        snprintf(name, sizeof(name), "%u.%u-rc", v->part[0], v->part[1]);
                        return latest(name, &found);
                }
                if (newest_of(net, list, &series, &found, NULL) > 0) {
                        snprintf(name, sizeof(name), "%u.%u.x", v->part[0], v->part[1]);
                        return latest(name, &found);
                }
        }
        series.parts = 1;
        if (v->parts > 1 && newest_of(net, list, &series, &found, NULL) > 0) {
                snprintf(name, sizeof(name), "%u.x", v->part[0]);
                return latest(name, &found);
        }
        return list && releases_newest_mature(list, 0, &found) ? latest("stable", &found) : NULL;
}

char *release_nearest(const struct net *net, const struct version *v)
{
        _cleanup_json_ struct json_object *list = NULL;

        (void)releases_fetch(net, &list, NULL);
        return nearest(net, list, v);
}

/* --- what a name means --- */

static int resolve_default(const struct net *net, struct version *ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *list = NULL;
        _cleanup_free_ char *near = NULL;
        int r;

        answer_stage("resolve", "the newest stable with at least %d patch releases", MATURE_PATCHES);
        r = releases_fetch(net, &list, reterr);
        if (r < 0)
                return r;
        if (releases_newest_mature(list, MATURE_PATCHES, ret))
                return 0;
        near = releases_newest_mature(list, 0, ret) ? latest("stable", ret) : NULL;
        return kt_error_set(
                reterr, -ENOENT, KT_E_NO_SUCH_KERNEL,
                "no stable release has %d patch releases yet.%s%s; name the version that is to be built",
                MATURE_PATCHES, near ? " " : "", near ?: "");
}

static int resolve_prefix(const struct net *net, const char *spec, const struct version *series,
                          struct version *ret, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_json_ struct json_object *list = NULL;
        _cleanup_free_ char *near = NULL;
        int r;

        answer_stage("resolve", "the newest %s.x", spec);
        /* A mirror alone will do, where kernel.org itself cannot be reached. */
        if (releases_fetch(net, &list, &err) < 0)
                answer_warning("%s; looking on the mirror", kt_error_text(&err));
        r = newest_of(net, list, series, ret, reterr);
        if (r != 0)
                return r < 0 ? r : 0;
        near = series->parts == 2 && list && releases_newest_of(list, series, true, ret)
                       ? latest("candidate", ret)
                       : nearest(net, list, series);
        return kt_error_set(reterr, -ENOENT, KT_E_NO_SUCH_KERNEL, "version %s not found.%s%s", spec,
                            near ? " " : "", near ?: "");
}

int release_resolve(const struct net *net, const char *spec, char **ret, struct kt_error *reterr)
{
        struct version v = {};
        char text[VERSION_TEXT_MAX];
        bool whole;
        int r = 0;

        if (spec && !version_parse(spec, &v))
                return kt_error_set(
                        reterr, -EINVAL, KT_E_NO_SUCH_KERNEL,
                        "'%s' is no version of a kernel; name one such as 6.14.2, 6.15-rc3, 6.12 or 6",
                        spec);
        whole = v.parts == 3 || v.rc;
        if (!spec)
                r = resolve_default(net, &v, reterr);
        else if (!whole)
                r = resolve_prefix(net, spec,
                                   &(struct version){.part = {v.part[0], v.part[1]}, .parts = v.parts}, &v,
                                   reterr);
        if (r < 0)
                return r;
        version_text(&v, text);
        *ret = strdup(text);
        return *ret ? 0 : kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}
