/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "kernel.h"

#define FILE_NAME ".releases.json"
#define FILE_SIZE_MAX (1024U * 1024U)
#define RELEASES_MAX 1000U

void release_list_free(struct release_list *list)
{
        if (!list)
                return;
        for (size_t i = 0; i < list->n; i++) {
                free(list->of[i].version);
                free(list->of[i].moniker);
                free(list->of[i].source);
        }
        free(list->of);
        free(list->latest_stable);
        free(list);
}

static int copy_text(struct json_object *o, const char *key, char **ret)
{
        const char *text = kt_json_str(o, key);

        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -ENOMEM : 0;
}

static bool is_text_or_none(struct json_object *o, const char *key)
{
        struct json_object *value = kt_json_get(o, key);

        return !value || json_object_is_type(value, json_type_string);
}

static int take_release(struct json_object *o, struct release *ret)
{
        if (!json_object_is_type(o, json_type_object) ||
            !json_object_is_type(kt_json_get(o, "version"), json_type_string) ||
            !json_object_is_type(kt_json_get(o, "moniker"), json_type_string) ||
            !json_object_is_type(kt_json_get(o, "eol"), json_type_boolean) || !is_text_or_none(o, "source"))
                return -EBADMSG;
        ret->eol = kt_json_bool(o, "eol", false);
        if (copy_text(o, "version", &ret->version) < 0 || copy_text(o, "moniker", &ret->moniker) < 0 ||
            copy_text(o, "source", &ret->source) < 0)
                return -ENOMEM;
        return 0;
}

static int take_all(struct json_object *releases, size_t n, struct release_list *list)
{
        int r = 0;

        list->of = calloc(n, sizeof(*list->of));
        if (!list->of)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                list->n = i + 1;
                r = take_release(json_object_array_get_idx(releases, i), &list->of[i]);
        }
        return r;
}

int release_list_parse(struct json_object *o, struct release_list **ret, struct kt_error *reterr)
{
        struct json_object *releases = kt_json_get(o, "releases");
        struct release_list *list;
        size_t n;
        int r;

        if (!json_object_is_type(releases, json_type_array) || !is_text_or_none(o, "latest_stable") ||
            (n = json_object_array_length(releases)) == 0 || n > RELEASES_MAX)
                return kt_error_set(reterr, -EBADMSG, KT_E_DOWNLOAD,
                                    "the list of kernel releases has another form than is known");
        list = calloc(1, sizeof(*list));
        r = list ? copy_text(o, "latest_stable", &list->latest_stable) : -ENOMEM;
        if (r >= 0)
                r = take_all(releases, n, list);
        if (r >= 0) {
                *ret = list;
                return 0;
        }
        release_list_free(list);
        if (r == -EBADMSG)
                return kt_error_set(
                        reterr, r, KT_E_DOWNLOAD,
                        "the list of kernel releases has an entry of another form than is known");
        return kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory");
}

/* --- the one that is kept --- */

static int64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int release_list_load(const char *root, int64_t max_age_ms, struct release_list **ret)
{
        _cleanup_free_ char *path = kt_path_join(root, FILE_NAME), *text = NULL;
        _cleanup_json_ struct json_object *o = NULL;
        int64_t age_ms;
        size_t size;
        int r = path ? kt_read_file(AT_FDCWD, path, FILE_SIZE_MAX, &text, &size) : -ENOMEM;

        if (r < 0)
                return r == -ENOMEM ? r : -ENOENT;
        if (kt_json_parse(text, size, &o, NULL) < 0 || !json_object_is_type(o, json_type_object))
                return -ENOENT;
        age_ms = now_ms() - kt_json_int(o, "fetched_ms", 0);
        /* One from the future is of another clock. */
        if (age_ms < 0 || age_ms > max_age_ms)
                return -ENOENT;
        r = release_list_parse(o, ret, NULL);
        return r == -EBADMSG ? -ENOENT : r;
}

int release_list_store(const char *root, struct json_object *o)
{
        _cleanup_close_ int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_json_ struct json_object *kept = json_object_new_object();
        const char *text;

        if (dir < 0)
                return -errno;
        kt_json_add_int(kept, "fetched_ms", now_ms());
        kt_json_add_str(kept, "latest_stable", kt_json_str(o, "latest_stable"));
        kt_json_add(kept, "releases", json_object_get(kt_json_get(o, "releases")));
        text = json_object_to_json_string_ext(kept, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        return text ? kt_replace_file(dir, FILE_NAME, text, strlen(text), 0644) : -ENOMEM;
}

/* --- what it says --- */

/* "6.14" of "6.14.2" and of "6.14-rc3": how much of the text that is; 0: it is no version. */
static size_t series_of(const char *version)
{
        size_t major = strspn(version, "0123456789"), minor;

        if (major == 0 || version[major] != '.')
                return 0;
        minor = strspn(version + major + 1, "0123456789");
        return minor > 0 ? major + 1 + minor : 0;
}

bool release_list_says_eol(const struct release_list *list, const char *version)
{
        const size_t series = series_of(version);
        bool ended = false, in_list = false, is_older = false;

        if (!list || series == 0 || strstr(version, "-rc"))
                return false;
        for (size_t i = 0; i < list->n; i++) {
                const struct release *r = &list->of[i];

                if (series_of(r->version) == 0)
                        continue;
                is_older |= kernel_version_compare(version, r->version) < 0;
                if (series_of(r->version) != series || strncmp(r->version, version, series) != 0)
                        continue;
                in_list = true;
                ended |= r->eol;
        }
        return in_list ? ended : is_older;
}
