/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "config_value.h"

enum kind {
        NUMBER,    /* unsigned */
        SIZE,      /* uint64_t, bytes */
        DISK,      /* the same, of a disk: no part of the host's memory, and "infinity" is UINT64_MAX */
        SPAN,      /* uint64_t, milliseconds */
        YES_NO,    /* bool */
        PATH,      /* char * */
        URL,       /* char * */
        PERCENT,   /* unsigned */
        LOG_LEVEL, /* int */
};

#define FIELD(name) offsetof(struct config, name)

/* Values are as they would be in the file. Without a default a path is found when all else is known. */
static const struct key {
        const char *section, *name;
        enum kind kind;
        size_t offset;
        const char *fallback, *min, *max;
} keys[_CONFIG_KEY_MAX] = {
        [CONFIG_POOL_IDLE] = {"Pool", "Idle", NUMBER, FIELD(idle_guests), "2", "0", "4096"},
        [CONFIG_POOL_MAXIMUM] = {"Pool", "Maximum", NUMBER, FIELD(pool_max), "16", "0", "4096"},
        [CONFIG_POOL_MEMORY_MAX] = {"Pool", "MemoryMax", SIZE, FIELD(pool_memory), "10%", "0", "1024T"},
        [CONFIG_POOL_KEEP] = {"Pool", "KeepSec", SPAN, FIELD(pool_keep_ms), "10min", "1ms", "365d"},
        [CONFIG_POOL_REHEARSE] = {"Pool", "Rehearse", YES_NO, FIELD(rehearse), "yes"},
        [CONFIG_POOL_TEMPLATES] = {"Pool", "Templates", YES_NO, FIELD(templates), "yes"},
        [CONFIG_POOL_TEMPLATE_DIR] = {"Pool", "TemplateDir", PATH, FIELD(template_dir)},
        [CONFIG_GUESTS_MEMORY_MAX] = {"Guests", "MemoryMax", SIZE, FIELD(guest_memory), "80%", "1M",
                                      "1024T"},
        [CONFIG_GUESTS_OVERCOMMIT] = {"Guests", "Overcommit", NUMBER, FIELD(overcommit), "0", "0", "1024"},
        [CONFIG_GUESTS_QEMU] = {"Guests", "Qemu", PATH, FIELD(qemu_path), "/usr/bin/qemu-system-x86_64"},
        [CONFIG_JOBS_QUEUE_MAX] = {"Jobs", "QueueMax", NUMBER, FIELD(queue_max), "10000", "1", "1000000"},
        [CONFIG_KERNELS_CACHE_MAX] = {"Kernels", "CacheMax", DISK, FIELD(cache_max), "infinity", "1M",
                                      "infinity"},
        [CONFIG_KERNEL_MIRROR] = {"Kernels", "KernelMirror", URL, FIELD(kernel_mirror),
                                  "https://cdn.kernel.org/pub/linux/kernel"},
        [CONFIG_KERNEL_RELEASES] = {"Kernels", "KernelReleases", URL, FIELD(kernel_releases),
                                    "https://www.kernel.org/releases.json"},
        [CONFIG_KERNEL_CANDIDATES] = {"Kernels", "KernelCandidates", URL, FIELD(kernel_candidates),
                                      "https://git.kernel.org/torvalds/t"},
        [CONFIG_KERNEL_KEYRING] = {"Kernels", "KernelKeyring", PATH, FIELD(kernel_keyring)},
        [CONFIG_BUILD_CPU_QUOTA] = {"Kernels", "BuildCPUQuota", PERCENT, FIELD(build_cpu_quota), "75%", "1%",
                                    "100%"},
        [CONFIG_DOWNLOAD_STALL] = {"Kernels", "DownloadStallSec", SPAN, FIELD(download_stall_ms), "30s",
                                   "1s", "1h"},
        [CONFIG_BUILD_SILENCE] = {"Kernels", "BuildSilenceSec", SPAN, FIELD(build_silence_ms), "30min", "1s",
                                  "365d"},
        [CONFIG_CACHE_DIR] = {"Daemon", "CacheDir", PATH, FIELD(cache_dir)},
        [CONFIG_STATE_DIR] = {"Daemon", "StateDir", PATH, FIELD(state_dir)},
        [CONFIG_IDLE_EXIT] = {"Daemon", "IdleExitSec", SPAN, FIELD(idle_exit_ms), "10min", "0", "infinity"},
        [CONFIG_LOG_LEVEL] = {"Daemon", "LogLevel", LOG_LEVEL, FIELD(log_level), "info"},
};

void config_key_names(struct conf_key ret[static _CONFIG_KEY_MAX])
{
        for (size_t i = 0; i < _CONFIG_KEY_MAX; i++)
                ret[i] = (struct conf_key){keys[i].section, keys[i].name};
}

bool config_key_is_path(enum config_key key)
{
        return keys[key].kind == PATH;
}

/* --- values --- */

static int read_quantity(enum kind kind, const char *value, uint64_t *ret)
{
        return kind == SIZE      ? config_size(value, ret)
               : kind == DISK    ? config_disk_size(value, ret)
               : kind == SPAN    ? config_span(value, ret)
               : kind == PERCENT ? config_percent(value, ret)
                                 : config_number(value, ret);
}

static int set_quantity(const struct key *k, const char *value, void *field, struct kt_error *reterr)
{
        static const struct {
                const char *noun, *examples;
        } texts[] = {[NUMBER] = {"number", ""},
                     [SIZE] = {"size", ", such as 512M, 2G or 10%"},
                     [DISK] = {"size", ", such as 512M or 20G"},
                     [SPAN] = {"time", ", such as 30s, 10min or 1h 30min"},
                     [PERCENT] = {"part", ""}};
        uint64_t n = 0, min = 0, max = 0;
        int r = read_quantity(k->kind, value, &n);

        (void)read_quantity(k->kind, k->min, &min);
        (void)read_quantity(k->kind, k->max, &max);
        if (r < 0 || n < min || n > max)
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "'%.128s' is no %s from %s to %s%s", value, texts[k->kind].noun, k->min,
                                    k->max, texts[k->kind].examples);
        if (k->kind == NUMBER || k->kind == PERCENT)
                *(unsigned *)field = (unsigned)n;
        else
                *(uint64_t *)field = n;
        return 0;
}

/* Of the two kinds that are fetched, and nothing in it that a program could take for something else. */
static bool is_url(const char *value)
{
        const char *host = strncmp(value, "https://", 8) == 0  ? value + 8
                           : strncmp(value, "http://", 7) == 0 ? value + 7
                                                               : "";

        if (!*host || *host == '/')
                return false;
        for (; *host; host++)
                if ((unsigned char)*host <= ' ' || *host == 0x7f)
                        return false;
        return true;
}

static int set_text(enum kind kind, const char *value, char **field, struct kt_error *reterr)
{
        char *copy;

        if (kind == PATH && *value != '/')
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "'%.128s' is no absolute path",
                                    value);
        if (kind == URL && !is_url(value))
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "'%.128s' is no URL that begins with https:// or http://", value);
        copy = strdup(value);
        if (!copy)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        /* What is put behind it begins with a slash. */
        for (size_t n = strlen(copy); kind == URL && copy[n - 1] == '/'; n--)
                copy[n - 1] = '\0';
        free(*field);
        *field = copy;
        return 0;
}

static int set_field(struct config *config, const struct key *k, const char *value, struct kt_error *reterr)
{
        void *field = (char *)config + k->offset;

        switch (k->kind) {
        case PATH:
        case URL:
                return set_text(k->kind, value, field, reterr);
        case YES_NO:
                if (config_yes_no(value, field) == 0)
                        return 0;
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "'%.128s' is neither yes nor no", value);
        case LOG_LEVEL:
                if (config_log_level(value, field) == 0)
                        return 0;
                return kt_error_set(reterr, -EINVAL, KT_E_INVALID_PARAMETER,
                                    "'%.128s' is none of error, warning, notice, info, debug", value);
        default:
                return set_quantity(k, value, field, reterr);
        }
}

/* --- the draft --- */

static void forget_origin(struct config_draft *draft, enum config_key key)
{
        free(draft->from[key].value);
        free(draft->from[key].where);
        draft->from[key].value = draft->from[key].where = NULL;
}

int config_reset(struct config_draft *draft, enum config_key key, struct kt_error *reterr)
{
        const struct key *k = &keys[key];
        int r = 0;

        if (k->fallback)
                r = set_field(&draft->config, k, k->fallback, reterr);
        else {
                char **path = (char **)((char *)&draft->config + k->offset);

                free(*path);
                *path = NULL;
        }
        forget_origin(draft, key);
        return r;
}

int config_set(struct config_draft *draft, enum config_key key, const char *value, const char *where,
               struct kt_error *reterr)
{
        _cleanup_free_ char *value_copy = strdup(value), *where_copy = strdup(where);
        int r;

        if (!value_copy || !where_copy)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = set_field(&draft->config, &keys[key], value, reterr);
        if (r < 0)
                return r;
        forget_origin(draft, key);
        draft->from[key].value = TAKE_PTR(value_copy);
        draft->from[key].where = TAKE_PTR(where_copy);
        return 0;
}

int config_draft_init(struct config_draft *draft, struct kt_error *reterr)
{
        int r = 0;

        *draft = (struct config_draft){.config = {.ready_fd = -1}};
        for (size_t i = 0; r == 0 && i < _CONFIG_KEY_MAX; i++)
                r = config_reset(draft, (enum config_key)i, reterr);
        return r;
}

void config_draft_done(struct config_draft *draft)
{
        for (size_t i = 0; i < _CONFIG_KEY_MAX; i++)
                forget_origin(draft, (enum config_key)i);
}

void config_show(const struct config_draft *draft, FILE *out)
{
        for (size_t i = 0; i < _CONFIG_KEY_MAX; i++) {
                const struct key *k = &keys[i];
                const void *field = (const char *)&draft->config + k->offset;
                const char *value = draft->from[i].value ?: k->fallback;

                if (k->kind == PATH)
                        value = *(char *const *)field;
                if (i == 0 || strcmp(k->section, k[-1].section) != 0)
                        fprintf(out, "%s[%s]\n", i > 0 ? "\n" : "", k->section);
                fprintf(out, "# %s", draft->from[i].where ?: "default");
                if (k->kind == SIZE && strchr(value, '%'))
                        fprintf(out, "; %s are %lluM", value,
                                (unsigned long long)*(const uint64_t *)field >> 20);
                fprintf(out, "\n%s=%s\n", k->name, value ?: "");
        }
}
