/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "build_internal.h"
#include "kernel_key.h"
#include "server.h"

#define LOCK_POLL_MS 500

/* What the ref is called where nobody doubts whether it is a tag or a branch. */
static const char *short_ref(const char *ref)
{
        static const char *const before[] = {"refs/tags/", "refs/heads/"};

        for (size_t i = 0; ref && i < KT_ARRAY_SIZE(before); i++)
                if (strncmp(ref, before[i], strlen(before[i])) == 0 && ref[strlen(before[i])])
                        return ref + strlen(before[i]);
        return ref;
}

int build_make_key(struct build *b, struct kt_error *reterr)
{
        const struct build_spec *spec = spec_of(b);
        char kconfig[KCONFIG_HASH_SIZE], extra[KCONFIG_HASH_SIZE];
        const struct kernel_key of = {
                .source = b->plan.source,
                .version = b->plan.version,
                .source_sha256 = b->plan.source_sha256,
                .ref = short_ref(b->plan.ref),
                .git_hash = b->plan.git_hash,
                .tree_path = b->plan.tree_path,
                .own_config = b->plan.own_config,
                .profile = kconfig_profile_name(spec->profile),
                .kconfig_hash = kconfig,
                .extra_kconfig_hash = spec->extra_kconfig ? extra : NULL,
        };

        kconfig_hash(spec->profile, kconfig);
        if (spec->extra_kconfig)
                kconfig_hash_text(spec->extra_kconfig, strlen(spec->extra_kconfig), extra);
        return kernel_key_make(&of, &b->key, reterr);
}

static bool same_hash(const char *a, const char *b)
{
        return !a || !b || strcmp(a, b) == 0;
}

/* The key has a few digits of a hash only, which another source may share. */
static bool is_cached(const struct build *b)
{
        struct kernel *k = NULL;
        bool is;

        if (kcache_get(b->server->kcache, b->key, &k, NULL) < 0)
                return false;
        is = !k->error && same_hash(k->git_hash, b->plan.git_hash) &&
             same_hash(k->source_sha256, b->plan.source_sha256);
        kernel_free(k);
        return is;
}

/* Who had the key may just have stored it: look once more when it is ours. */
static void look_work(void *data)
{
        struct build *b = data;
        const bool force = spec_of(b)->force;
        int r;

        b->work_found = !force && is_cached(b);
        if (b->work_found)
                return;
        r = kcache_lock_key(b->server->kcache, b->key, false, &b->key_lock, &b->work_error);
        if (r == -EBUSY)
                kt_error_done(&b->work_error);
        else if (r >= 0)
                b->work_found = !force && is_cached(b);
}

static void on_look_again(uv_timer_t *timer)
{
        build_look(timer->data);
}

static void wait_for_key(struct build *b)
{
        _cleanup_free_ char *text = NULL;

        b->phase = PHASE_LOCKED;
        if (!b->told_locked) {
                text = kt_format("another daemon builds %s; waiting for it", b->key);
                build_tell(b, EVENT_NOTE, text ? text : "another daemon builds it; waiting for it");
                b->told_locked = true;
        }
        uv_timer_start(&b->timer, on_look_again, LOCK_POLL_MS, 0);
}

static void on_looked(void *data, int status)
{
        struct build *b = data;
        kt_log_scope(job_log_context(b->job));

        if (!build_work_is_done(b))
                return;
        b->found = b->work_found;
        if (!b->found && b->key_lock < 0) {
                wait_for_key(b);
                return;
        }
        b->phase = PHASE_BUILDING;
        if (!b->found) {
                build_hear(b);
                build_tell_helper(b, "go\n");
                return;
        }
        facts_of(b)->cached = facts_of(b)->existed = true;
        build_expect_exit(b);
        build_tell_helper(b, "stop\n");
}

void build_look(struct build *b)
{
        b->phase = PHASE_LOOKING;
        uv_timer_stop(&b->timer);
        build_start_work(b, look_work, on_looked);
}
