/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_label.h"

#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../kconfig/kconfig.h"
#include "../proto/kernel_spec.h"

#define DIGITS 6 /* of a hash */

static bool is_kept(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

char *kernel_label_text(const char *text)
{
        static const char prefix[] = "kernel_";
        char *label = malloc(sizeof(prefix) + strlen(text)), *p;

        if (!label)
                return NULL;
        p = stpcpy(label, prefix);
        for (; *text; text++) {
                const char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;

                if (is_kept(c))
                        *p++ = c;
                else if (p[-1] != '_')
                        *p++ = '_';
        }
        if (p[-1] == '_')
                p--;
        *p = '\0';
        return label;
}

static char *label_of(char *text)
{
        char *label = text ? kernel_label_text(text) : NULL;

        free(text);
        return label;
}

/* "tj/sched_ext" of "https://git.kernel.org/pub/scm/linux/kernel/git/tj/sched_ext.git", and of
 * "git@host:tj/sched_ext"; what is left of the host is none of it. */
static const char *owner_and_repo(const char *url, size_t *ret_len)
{
        const char *scheme = strstr(url, "://"),
                   *start = scheme ? strchr(scheme + 3, '/') : strchr(url, ':');
        size_t len, at;

        if (!scheme && (!start || memchr(url, '/', (size_t)(start - url))))
                start = url; /* a path */
        if (!start)
                start = url;
        start += *start == '/' || *start == ':';
        len = strlen(start);
        while (len > 0 && start[len - 1] == '/')
                len--;
        if (len > 4 && strncmp(start + len - 4, ".git", 4) == 0)
                len -= 4;
        at = len;
        for (unsigned slashes = 0; at > 0; at--)
                if (start[at - 1] == '/' && ++slashes == 2)
                        break;
        *ret_len = len - at;
        return start + at;
}

char *kernel_label(const struct kernel *k)
{
        if (kernel_is_built(k) && strcmp(k->source, "git") == 0 && k->git_url && k->git_ref) {
                size_t len;
                const char *repo = owner_and_repo(k->git_url, &len);

                return label_of(kt_format("git_%.*s_%s", (int)len, repo, kernel_git_ref_name(k->git_ref)));
        }
        if (kernel_is_built(k) && strcmp(k->source, "local") == 0)
                return label_of(k->git_hash ? kt_format("local_%.*s", DIGITS, k->git_hash)
                                            : strdup("local_unknown"));
        return kernel_label_text(k->version);
}

char *kernel_label_path(const struct kernel *k, const char *path)
{
        const size_t release = strlen(k->release);
        const bool dirty = release > 6 && strcmp(k->release + release - 6, "-dirty") == 0;
        const char *base = strrchr(path, '/');
        char crc[KCONFIG_HASH_SIZE];

        kconfig_hash_text(path, strlen(path), crc);
        return label_of(kt_format("path_%s_%.*s%s", base && base[1] ? base + 1 : path, DIGITS, crc,
                                  dirty ? "_dirty" : ""));
}

static bool is_among(const char *label, char *const *taken, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(taken[i], label) == 0)
                        return true;
        return false;
}

char *kernel_label_unique(char *label, char *const *taken, size_t n_taken)
{
        char *unique = label;

        for (unsigned i = 2; unique && is_among(unique, taken, n_taken); i++) {
                if (unique != label)
                        free(unique);
                unique = kt_format("%s_%u", label, i);
        }
        if (unique != label)
                free(label);
        return unique;
}
