/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_key.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../kconfig/kconfig.h"
#include "../proto/errors.h"
#include "kernel.h"

#define HASH_DIGITS 7      /* of commits and of tarballs */
#define CRC_DIGITS 8       /* of configurations */
#define REF_LENGTH_MAX 80U /* a longer one is cut: the commit says which it is */

static int bad_part(const char *what, const char *value, struct kt_error *reterr)
{
        return kt_error_set(reterr, -EINVAL, KT_E_BUILD,
                            "what is to be built cannot be named in the kernel cache: its %s is %s%.100s%s",
                            what, value ? "'" : "", value ?: "not known", value ? "'" : "");
}

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

/* Is `text` at least so many lower-case hex digits, and nothing else? */
static bool is_hash(const char *text, size_t digits)
{
        return text && strspn(text, "0123456789abcdef") == strlen(text) && strlen(text) >= digits;
}

/* What keys may not have is replaced, in place. */
static void make_nameable(char *ref)
{
        if (strlen(ref) > REF_LENGTH_MAX)
                ref[REF_LENGTH_MAX] = '\0';
        for (char *p = ref; *p; p++)
                if (*p == '/' || *p == '\\' || (unsigned char)*p <= ' ' || *p == 0x7f ||
                    (*p == '.' && (p == ref || p[-1] == '.')))
                        *p = '-';
}

static int tarball_origin(const struct kernel_key *of, char **ret, struct kt_error *reterr)
{
        if (!of->version || !kernel_key_is_valid(of->version))
                return bad_part("version", of->version, reterr);
        if (of->source_sha256 && !is_hash(of->source_sha256, HASH_DIGITS))
                return bad_part("SHA-256", of->source_sha256, reterr);
        *ret = of->source_sha256 ? kt_format("%s-tarball-%.*s", of->version, HASH_DIGITS, of->source_sha256)
                                 : kt_format("%s-tarball", of->version);
        return *ret ? 0 : oom(reterr);
}

static int git_origin(const struct kernel_key *of, char **ret, struct kt_error *reterr)
{
        _cleanup_free_ char *ref = of->ref ? strdup(of->ref) : NULL;

        if (of->ref && !ref)
                return oom(reterr);
        if (!ref || !*ref)
                return bad_part("git ref", of->ref, reterr);
        if (!is_hash(of->git_hash, HASH_DIGITS))
                return bad_part("commit", of->git_hash, reterr);
        make_nameable(ref);
        *ret = kt_format("%s-git-%.*s", ref, HASH_DIGITS, of->git_hash);
        return *ret ? 0 : oom(reterr);
}

static int local_origin(const struct kernel_key *of, char **ret, struct kt_error *reterr)
{
        char crc[KCONFIG_HASH_SIZE];

        if (of->git_hash && !is_hash(of->git_hash, HASH_DIGITS))
                return bad_part("commit", of->git_hash, reterr);
        if (!of->git_hash && (!of->tree_path || !*of->tree_path))
                return bad_part("folder", of->tree_path, reterr);
        if (of->git_hash)
                *ret = kt_format("local-%.*s", HASH_DIGITS, of->git_hash);
        else {
                kconfig_hash_text(of->tree_path, strlen(of->tree_path), crc);
                *ret = kt_format("local-unknown-%s", crc);
        }
        return *ret ? 0 : oom(reterr);
}

static int append_text(char **key, const char *tail, struct kt_error *reterr)
{
        char *longer = kt_format("%s-%s", *key, tail);

        if (!longer)
                return oom(reterr);
        free(*key);
        *key = longer;
        return 0;
}

/* "-tag12345678", or nothing where there is no such hash. */
static int append_crc(char **key, const char *tag, const char *crc, const char *what,
                      struct kt_error *reterr)
{
        _cleanup_free_ char *tail = NULL;

        if (!crc)
                return 0;
        if (!is_hash(crc, CRC_DIGITS))
                return bad_part(what, crc, reterr);
        tail = kt_format("%s%.*s", tag, CRC_DIGITS, crc);
        return tail ? append_text(key, tail, reterr) : oom(reterr);
}

int kernel_key_make(const struct kernel_key *of, char **ret, struct kt_error *reterr)
{
        static const struct {
                const char *source;
                int (*origin)(const struct kernel_key *of, char **ret, struct kt_error *reterr);
        } sources[] = {{"tarball", tarball_origin}, {"git", git_origin}, {"local", local_origin}};
        _cleanup_free_ char *key = NULL;
        enum kconfig_profile profile;
        int r = -ENOENT;

        if (!of->profile || kconfig_profile_from(of->profile, &profile) < 0)
                return bad_part("profile", of->profile, reterr);
        if (!of->kconfig_hash)
                return bad_part("configuration's hash", NULL, reterr);
        for (size_t i = 0; of->source && i < KT_ARRAY_SIZE(sources); i++)
                if (strcmp(of->source, sources[i].source) == 0)
                        r = sources[i].origin(of, &key, reterr);
        if (r == -ENOENT)
                return bad_part("kind of source", of->source, reterr);
        if (r >= 0)
                r = append_text(&key, "x86_64", reterr);
        if (r >= 0 && strcmp(of->source, "local") == 0)
                r = append_crc(&key, "cfg", of->own_config, "own configuration's hash", reterr);
        if (r >= 0 && profile != KCONFIG_DEFAULT)
                r = append_text(&key, of->profile, reterr);
        if (r >= 0)
                r = append_crc(&key, "kc", of->kconfig_hash, "configuration's hash", reterr);
        if (r >= 0)
                r = append_crc(&key, "xkc", of->extra_kconfig_hash, "extra configuration's hash", reterr);
        if (r < 0)
                return r;
        if (!kernel_key_is_valid(key))
                return bad_part("name", key, reterr);
        *ret = TAKE_PTR(key);
        return 0;
}
