/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.ktstrd.Kernel: the cache's calls block, so each is the work of a thread. */
#include <errno.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "build_request.h"
#include "dispatch.h"
#include "kernel_json.h"
#include "kernel_work.h"
#include "method_kernel_import.h"
#include "method_kernel_info.h"
#include "method_kernel_list.h"
#include "method_kernel_resolve.h"
#include "server.h"

/* --- Remove --- */

static void do_remove(struct kernel_work *w)
{
        w->result = kcache_remove(w->kcache, w->spec, &w->error);
}

/* Nobody can ask for its guests any more. */
static struct json_object *reply_removed(struct kernel_work *w)
{
        pool_drop_removed(w->call->server->pool);
        return json_object_new_object();
}

static void start_with_spec(struct call *call, const char *key, void (*work)(struct kernel_work *),
                            struct json_object *(*reply)(struct kernel_work *))
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        const char *spec = kt_json_str(call->parameters, key);
        struct kernel_work *w = kernel_work_new(call, work, reply);

        if (!w)
                return;
        w->spec = spec ? strdup(spec) : NULL;
        if (spec && !w->spec) {
                kt_error_set(&err, -ENOMEM, KT_E_INTERNAL, "out of memory");
                kernel_work_fail(w, &err);
        } else
                kernel_work_start(w);
}

static void remove_(struct call *call)
{
        start_with_spec(call, "key", do_remove, reply_removed);
}

const struct method methods_kernel[] = {
        {"io.ktstrd.Kernel.Import", method_kernel_import},
        {"io.ktstrd.Kernel.Build", build_request},
        {"io.ktstrd.Kernel.List", method_kernel_list, .while_draining = true},
        {"io.ktstrd.Kernel.Clean", method_kernel_clean},
        {"io.ktstrd.Kernel.Info", method_kernel_info, .while_draining = true},
        {"io.ktstrd.Kernel.Diff", method_kernel_diff, .while_draining = true},
        {"io.ktstrd.Kernel.Remove", remove_},
        {"io.ktstrd.Kernel.Resolve", method_kernel_resolve, .while_draining = true},
        {"io.ktstrd.Kernel.Versions", method_kernel_versions, .while_draining = true},
        {},
};
