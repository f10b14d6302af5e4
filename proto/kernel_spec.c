/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "errors.h"
#include "git_url.h"
#include "kernel_version.h"

#define GIT_PREFIX "git+"
#define SHA_DIGITS 40U
#define TAGS "refs/tags/"
#define HEADS "refs/heads/"

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

void kernel_spec_done(struct kernel_spec *s)
{
        free(s->text);
        free(s->start);
        free(s->end);
        free(s->git_url);
        free(s->git_ref);
        *s = (struct kernel_spec){};
}

static bool is_sha(const char *text)
{
        return strlen(text) == SHA_DIGITS && strspn(text, "0123456789abcdef") == SHA_DIGITS;
}

static int parse_git(const char *text, struct kernel_spec *s, struct kt_error *reterr)
{
        static const struct {
                const char *prefix;
                enum kernel_git_ref kind;
        } kinds[] = {{"tag=", KERNEL_GIT_TAG}, {"branch=", KERNEL_GIT_BRANCH}, {"sha=", KERNEL_GIT_SHA}};
        const char *url = text + strlen(GIT_PREFIX), *hash = strrchr(url, '#'), *ref = hash ? hash + 1 : "";

        s->kind = KERNEL_SPEC_GIT;
        for (size_t i = 0; i < KT_ARRAY_SIZE(kinds); i++)
                if (strncmp(ref, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
                        ref += strlen(kinds[i].prefix);
                        s->git_ref_kind = kinds[i].kind;
                        break;
                }
        if (!*ref || hash == url)
                return kt_error_set_field(
                        reterr, -EINVAL, KT_E_INVALID_PARAMETER, "kernel",
                        "'%s' does not say what to take: git+URL#REF, with a branch, a tag "
                        "or a commit as REF",
                        text);
        if (s->git_ref_kind == KERNEL_GIT_SHA && !is_sha(ref))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "kernel",
                                          "'%s': a commit is 40 hex digits, and '%s' is not", text, ref);
        s->git_url = strndup(url, (size_t)(hash - url));
        s->git_ref = strdup(ref);
        return s->git_url && s->git_ref ? 0 : oom(reterr);
}

/* Fills the ends in when this is a range. */
static int parse_range(const char *text, struct kernel_spec *s, struct kt_error *reterr)
{
        const char *dots = strstr(text, ".."), *end = dots ? dots + 2 : NULL;
        _cleanup_free_ char *a = dots ? strndup(text, (size_t)(dots - text)) : NULL;
        bool equals = end && *end == '=';

        if (!dots)
                return 0;
        if (!a)
                return oom(reterr);
        end += equals;
        if (!kernel_version_is(a) || !kernel_version_is(end))
                return 0;
        if (kernel_version_compare(a, end) > 0 && !kernel_version_matches(a, end))
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "kernel",
                                          "inverted kernel range '%s': nothing is from %s up to %s; did you "
                                          "mean %s..%s%s?",
                                          text, a, end, end, equals ? "=" : "", a);
        s->kind = KERNEL_SPEC_RANGE;
        s->start = TAKE_PTR(a);
        s->end = strdup(end);
        return s->end ? 0 : oom(reterr);
}

int kernel_spec_parse(const char *text, struct kernel_spec *ret, struct kt_error *reterr)
{
        int r;

        *ret = (struct kernel_spec){.kind = KERNEL_SPEC_KEY, .text = strdup(text)};
        if (!ret->text)
                return oom(reterr);
        if (strncmp(text, GIT_PREFIX, strlen(GIT_PREFIX)) == 0)
                return parse_git(text, ret, reterr);
        r = parse_range(text, ret, reterr);
        if (r < 0 || ret->kind == KERNEL_SPEC_RANGE)
                return r;
        if (strchr(text, '/') || text[0] == '.' || text[0] == '~')
                ret->kind = KERNEL_SPEC_PATH;
        else if (kernel_version_is(text))
                ret->kind = KERNEL_SPEC_VERSION;
        return 0;
}

static bool is_candidate(const char *version)
{
        return strstr(version, "-rc") != NULL;
}

bool kernel_spec_covers(const struct kernel_spec *range, const char *version)
{
        if (is_candidate(version) && !is_candidate(range->start) && !is_candidate(range->end))
                return false;
        return kernel_version_compare(version, range->start) >= 0 &&
               (kernel_version_compare(version, range->end) <= 0 ||
                kernel_version_matches(version, range->end));
}

/* --- git sources --- */

static const char *skip_prefix(const char *text, const char *prefix)
{
        const size_t n = strlen(prefix);

        return strncmp(text, prefix, n) == 0 ? text + n : text;
}

const char *kernel_git_ref_name(const char *ref)
{
        const char *name = skip_prefix(ref, TAGS);

        return name == ref ? skip_prefix(ref, HEADS) : name;
}

static bool is_hash_of(const char *ref, const char *hash)
{
        const size_t n = strlen(ref);

        return n >= 7 && n <= strlen(hash) && strspn(ref, "0123456789abcdef") == n &&
               strncmp(ref, hash, n) == 0;
}

bool kernel_spec_is_git(const struct kernel_spec *s, const char *url, const char *ref, const char *hash)
{
        bool tag = strncmp(ref, TAGS, strlen(TAGS)) == 0, head = strncmp(ref, HEADS, strlen(HEADS)) == 0;

        if (!git_url_is_same(s->git_url, url))
                return false;
        if ((s->git_ref_kind == KERNEL_GIT_ANY || s->git_ref_kind == KERNEL_GIT_SHA) && hash &&
            is_hash_of(s->git_ref, hash))
                return true;
        if ((s->git_ref_kind == KERNEL_GIT_TAG && head) || (s->git_ref_kind == KERNEL_GIT_BRANCH && tag))
                return false;
        return strcmp(kernel_git_ref_name(s->git_ref), kernel_git_ref_name(ref)) == 0;
}
