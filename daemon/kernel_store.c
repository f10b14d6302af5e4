/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../common/sha256.h"
#include "../proto/errors.h"
#include "kernel_import_internal.h"

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static int write_metadata(struct import *im, struct kt_error *reterr)
{
        _cleanup_free_ char *text = kernel_metadata(im->kernel);

        return text ? import_write_file(im, "metadata.json", text, strlen(text), reterr) : oom(reterr);
}

/* What makes two entries the same, in one hash: the image, the configuration, the modules. */
static int hash_content(int dir, const struct kernel *k, char ret[KT_SHA256_HEX_SIZE])
{
        _cleanup_free_ char *all = kt_format("%s\n", k->image_sha256);
        char hex[KT_SHA256_HEX_SIZE] = "";
        int r = 0;

        for (size_t i = 0; r >= 0 && (i == 0 || k->modules[i - 1]); i++) {
                const char *name = i > 0 ? k->modules[i - 1] : "config";
                _cleanup_free_ char *path = i > 0 ? kt_format("modules/%s", name) : strdup(name),
                                    *more = NULL;
                _cleanup_close_ int fd = path ? openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

                if (fd < 0 && !(i == 0 && !k->has_config))
                        return path ? -errno : -ENOMEM;
                r = fd < 0 ? 0 : kt_sha256_fd(fd, hex);
                more = r < 0 ? NULL : kt_format("%s%s %s\n", all, name, fd < 0 ? "-" : hex);
                if (r >= 0 && !more)
                        return -ENOMEM;
                free(all);
                all = TAKE_PTR(more);
        }
        return r < 0 ? r : all ? kt_sha256_mem(all, strlen(all), ret) : -ENOMEM;
}

/* Is this very kernel under that key? 1 yes, 0 another one or a corrupt one, -ENOENT none. */
static int compare_existing(struct import *im, const char *key, const char *hash)
{
        _cleanup_close_ int dir = -1;
        char theirs[KT_SHA256_HEX_SIZE];
        struct kernel *k = NULL;
        int r = kcache_get(im->cache, key, &k, NULL);

        if (r < 0)
                return r;
        if (!k->error && strcmp(k->image_sha256, im->kernel->image_sha256) == 0) {
                dir = open(k->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                /* Without its configuration this time, it is still the one of which we know more. */
                r = !im->config ||
                    (dir >= 0 && hash_content(dir, k, theirs) >= 0 && strcmp(theirs, hash) == 0);
        }
        kernel_free(k);
        return r;
}

/* Under this key, which is taken over. -EEXIST, without a text, when something else has it. */
static int publish_as(struct import *im, char *key, const char *hash, bool *ret_existed,
                      struct kt_error *reterr)
{
        if (!key)
                return oom(reterr);
        free(im->kernel->key);
        im->kernel->key = key;
        /* Somebody may be faster: then we look at theirs, and try again should it be gone by then. */
        for (unsigned tries = 0; tries < 3; tries++) {
                int r = compare_existing(im, key, hash);

                *ret_existed = r == 1;
                if (r >= 0)
                        return r == 1 ? 0 : -EEXIST;
                if (r != -ENOENT)
                        return kt_error_set(reterr, r, KT_E_IO, "cannot look at entry %s: %s", key,
                                            strerror(-r));
                r = write_metadata(im, reterr);
                if (r >= 0)
                        r = kcache_publish(im->cache, im->temp, im->dir, key, reterr);
                if (r >= 0)
                        free(TAKE_PTR(im->temp));
                if (r != -EEXIST)
                        return r;
        }
        return -EEXIST;
}

int import_publish(struct import *im, bool *ret_existed, struct kt_error *reterr)
{
        _cleanup_free_ char *plain = strdup(im->kernel->key);
        char hash[KT_SHA256_HEX_SIZE];
        int r = hash_content(im->dir, im->kernel, hash);

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read back the kernel: %s", strerror(-r));
        r = publish_as(im, plain ? strdup(plain) : NULL, hash, ret_existed, reterr);
        if (r == -EEXIST)
                r = publish_as(im, kt_format("%s-%.8s", plain, hash), hash, ret_existed, reterr);
        if (r == -EEXIST)
                return kt_error_set(reterr, r, KT_E_BAD_KERNEL,
                                    "entry %s in %s is corrupt; remove it with `ktstrctl kernel remove %s`",
                                    im->kernel->key, im->cache->root, im->kernel->key);
        return r;
}

int import_foresee_key(struct import *im, struct kt_error *reterr)
{
        char hash[KT_SHA256_HEX_SIZE];
        int r = hash_content(im->dir, im->kernel, hash);
        char *key;

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read back the kernel: %s", strerror(-r));
        if (compare_existing(im, im->kernel->key, hash) != 0)
                return 0;
        key = kt_format("%s-%.8s", im->kernel->key, hash);
        if (!key)
                return oom(reterr);
        free(im->kernel->key);
        im->kernel->key = key;
        return 0;
}

/* --- what was built --- */

static int set_text(char **text, const char *value)
{
        char *copy = value ? strdup(value) : NULL;

        free(*text);
        *text = copy;
        return value && !copy ? -ENOMEM : 0;
}

static int describe_built(struct kernel *k, const struct kernel_build_result *built, struct kt_error *reterr)
{
        const struct {
                char **text;
                const char *value;
        } texts[] = {
                {&k->key, built->key},
                {&k->source, built->source},
                {&k->profile, built->profile},
                {&k->kconfig_hash, built->kconfig_hash},
                {&k->extra_kconfig_hash, built->extra_kconfig_hash},
                {&k->config_hash, built->config_hash},
                {&k->git_url, built->git_url},
                {&k->git_ref, built->git_ref},
                {&k->git_hash, built->git_hash},
                {&k->tree_path, built->tree_path},
                {&k->source_sha256, built->source_sha256},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(texts); i++)
                if (set_text(texts[i].text, texts[i].value) < 0)
                        return oom(reterr);
        return 0;
}

/* Is it there already, to the last byte? 1 yes, 0 another one or a corrupt one, -ENOENT none. */
static int is_stored(struct import *im, const char *hash)
{
        _cleanup_close_ int lease = -1;
        int r = compare_existing(im, im->kernel->key, hash);

        /* It may say that it is the same and have rotted. */
        return r == 1 ? kcache_use(im->cache, im->kernel->key, NULL, NULL, &lease, NULL) >= 0 : r;
}

static int publish_built(struct import *im, struct kt_error *reterr)
{
        char hash[KT_SHA256_HEX_SIZE];
        int r = hash_content(im->dir, im->kernel, hash);

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read back the kernel: %s", strerror(-r));
        r = write_metadata(im, reterr);
        if (r < 0)
                return r;
        /* Somebody may store or remove one meanwhile. */
        for (unsigned tries = 0; tries < 3; tries++) {
                const int there = is_stored(im, hash);

                if (there == 1)
                        return 0;
                if (there == -ENOENT)
                        r = kcache_publish(im->cache, im->temp, im->dir, im->kernel->key, reterr);
                else if (there >= 0)
                        r = kcache_replace(im->cache, im->temp, im->dir, im->kernel->key, reterr);
                else
                        return kt_error_set(reterr, there, KT_E_IO, "cannot look at entry %s: %s",
                                            im->kernel->key, strerror(-there));
                if (r >= 0)
                        free(TAKE_PTR(im->temp));
                if (r != -EEXIST && r != -ENOENT)
                        return r;
        }
        return kt_error_set(reterr, r, KT_E_BUSY,
                            "kernel %s comes and goes in %s while it is to be stored; build it again",
                            im->kernel->key, im->cache->root);
}

static int read_built_config(const struct kernel_build_result *built, char **ret, struct kt_error *reterr)
{
        int r = built->config.name ? import_read_config(built->config.fd, ret) : 0;

        return r < 0 ? kt_error_set(reterr, r, KT_E_BAD_KERNEL, "cannot read the configuration %s: %s",
                                    built->config.name, strerror(-r))
                     : 0;
}

int kernel_store_built(struct kcache *c, const struct kernel_build_result *built, struct kernel **ret,
                       struct kt_error *reterr)
{
        struct kernel_file tree = built->tree;
        const struct kernel_source from = {.files = &tree, .n_files = 1, .caller = built->caller};
        char *config = NULL;
        struct import im;
        int r;

        if (!kernel_key_is_valid(built->key))
                return kt_error_set_field(reterr, -EINVAL, KT_E_BAD_KERNEL, "key", "'%s' is no cache key",
                                          built->key);
        r = read_built_config(built, &config, reterr);
        if (r < 0)
                return r;
        tree.name = built->name;
        r = import_begin(&im, c, &from, config, reterr);
        if (r >= 0)
                r = describe_built(im.kernel, built, reterr);
        if (r >= 0)
                r = publish_built(&im, reterr);
        if (r >= 0)
                r = kcache_get(c, im.kernel->key, ret, reterr);
        return import_end(&im, r, reterr);
}
