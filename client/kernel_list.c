/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel.h"

#include <stdio.h>
#include <string.h>

/* What keeps it from running schedulers. */
const char *kernel_marks(struct json_object *entry)
{
        bool sched_ext = kt_json_bool(entry, "sched_ext", false),
             btf = kt_json_bool(entry, "has_btf", false);

        if (!sched_ext)
                return btf ? " (no sched_ext)" : " (no sched_ext) (no BTF)";
        return btf ? "" : " (no BTF)";
}

static bool has_status(struct json_object *e, const char *wanted)
{
        const char *status = kt_json_str(e, "kconfig_status");

        return status && strcmp(status, wanted) == 0;
}

static bool is_stale(struct json_object *e)
{
        return has_status(e, "stale");
}

static bool is_untracked(struct json_object *e)
{
        return has_status(e, "untracked");
}

static bool is_eol(struct json_object *e)
{
        return kt_json_bool(e, "eol", false);
}

static bool is_corrupt(struct json_object *e)
{
        return kt_json_str(e, "error") != NULL;
}

static void print_entry(struct json_object *e)
{
        const char *version = kt_json_str(e, "version");

        if (is_corrupt(e)) {
                printf("  %-48s (corrupt: %s)\n", kt_json_str(e, "key"), kt_json_str(e, "error"));
                return;
        }
        printf("  %-48s %-12s %-8s %-7s %s%s%s%s%s\n", kt_json_str(e, "key"), version ? version : "-",
               kt_json_str(e, "source"), kt_json_str(e, "arch"), kt_json_str(e, "built_at"),
               is_stale(e)       ? " (stale kconfig)"
               : is_untracked(e) ? " (untracked kconfig)"
                                 : "",
               kt_json_str(e, "extra_kconfig_hash") ? " (extra kconfig)" : "", is_eol(e) ? " (EOL)" : "",
               kernel_marks(e));
}

/* What the tags mean, of those that there are; not among the rows, which a script reads. */
static void print_legends(struct json_object *entries)
{
        static const struct {
                bool (*applies)(struct json_object *e);
                const char *text;
        } legends[] = {
                {is_eol, "(EOL): kernel.org makes no more releases of this series"},
                {is_untracked,
                 "(untracked kconfig): not known which of ktstrd's configurations it was built "
                 "with; `ktstrctl kernel build --force` builds it anew"},
                {is_stale, "(stale kconfig): built with a configuration that is not this ktstrd's any more; "
                           "`ktstrctl kernel build` builds it anew"},
                {is_corrupt, "(corrupt): is never used; `ktstrctl kernel clean --corrupt-only` removes it"},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(legends); i++)
                for (size_t k = 0; k < json_object_array_length(entries); k++)
                        if (legends[i].applies(json_object_array_get_idx(entries, k))) {
                                fprintf(stderr, "%s\n", legends[i].text);
                                break;
                        }
}

static void print_sum(struct json_object *reply, size_t n)
{
        const double gib = 1024.0 * 1024.0 * 1024.0;
        const int64_t max = kt_json_int(reply, "max_bytes", 0);

        fprintf(stderr, "%zu kernel%s, %.2f GiB", n, n == 1 ? "" : "s",
                (double)kt_json_int(reply, "size_bytes", 0) / gib);
        if (max > 0)
                fprintf(stderr, " of %.2f GiB", (double)max / gib);
        fputc('\n', stderr);
}

int kernel_list(int argc, char **argv, struct globals *g)
{
        _cleanup_json_ struct json_object *reply = NULL;
        struct json_object *entries;
        size_t n;
        int status;

        if (!simple_call(&verb_kernel, g, "io.ktstrd.Kernel.List", NULL, &reply, &status))
                return status;
        if (g->json)
                return simple_print_json(reply);
        entries = kt_json_get(reply, "entries");
        n = json_object_array_length(entries);
        fprintf(stderr, "cache: %s\n", kt_json_str(reply, "root"));
        if (n == 0) {
                puts("no cached kernels. Run `ktstrctl kernel build` to download and build a kernel, or "
                     "`ktstrctl kernel import FILE` to take one in.");
                return 0;
        }
        printf("  %-48s %-12s %-8s %-7s %s\n", "KEY", "VERSION", "SOURCE", "ARCH", "BUILT");
        for (size_t i = 0; i < n; i++)
                print_entry(json_object_array_get_idx(entries, i));
        fflush(stdout);
        print_legends(entries);
        print_sum(reply, n);
        return 0;
}
