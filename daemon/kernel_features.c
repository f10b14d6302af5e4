/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_features.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/errors.h"

/* A kernel's is some 5 MB. */
#define BTF_SIZE_MAX (256U * 1024U * 1024U)

/* Of those that a scheduler uses: others are the kernel's own affair. */
static const char *const enumerations[] = {
        "scx_ops_flags",           "scx_enq_flags",    "scx_deq_flags",
        "scx_wake_flags",          "scx_kick_flags",   "scx_reenq_flags",
        "scx_pick_idle_cpu_flags", "scx_dsq_id_flags", "scx_cap_flags",
        "scx_dsq_iter_flags",      "scx_tg_flags",     "scx_cpu_preempt_reason",
        "scx_exit_kind",           "scx_exit_code",    "scx_public_consts",
};

static int silence(enum libbpf_print_level level, const char *format, va_list arguments)
{
        return 0;
}

struct reading {
        const struct btf *btf;
        struct kernel_features *features;
        size_t n_kfuncs, room;
};

static const char *name_of(const struct reading *rd, uint32_t offset)
{
        const char *name = btf__name_by_offset(rd->btf, offset);

        return name ? name : "";
}

/* --- kfuncs --- */

/* So are those called that the sets of kernel/sched/ext.c name. What begins with "__" may be a helper of one
 * instead; the tags tell, but not of every kfunc: 6.16's scx_bpf_consume has none. */
static bool is_ours(const char *name, bool untagged)
{
        static const char *const beginnings[] = {"scx_bpf_", "bpf_iter_scx_", "__scx_bpf_"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(beginnings); i++)
                if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
                        return name[0] != '_' || !untagged;
        return false;
}

/* Which functions are tagged as kfuncs, by type id: malloced bytes. NULL in *ret: the BTF has no such tags,
 * which pahole writes from 1.26 on. */
static int find_tagged(const struct reading *rd, bool **ret)
{
        uint32_t n = btf__type_cnt(rd->btf);
        bool *tagged = calloc(n, sizeof(*tagged)), any = false;

        if (!tagged)
                return -ENOMEM;
        for (uint32_t i = 1; i < n; i++) {
                const struct btf_type *t = btf__type_by_id(rd->btf, i);

                if (btf_is_decl_tag(t) && strcmp(name_of(rd, t->name_off), "bpf_kfunc") == 0 && t->type < n)
                        tagged[t->type] = any = true;
        }
        if (!any) {
                free(tagged);
                tagged = NULL;
        }
        *ret = tagged;
        return 0;
}

static int add_kfunc(struct reading *rd, const char *name)
{
        struct kernel_features *f = rd->features;

        if (rd->n_kfuncs + 1 >= rd->room) {
                size_t room = rd->room ? rd->room * 2 : 128;
                char **grown = realloc(f->kfuncs, room * sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                f->kfuncs = grown;
                rd->room = room;
        }
        f->kfuncs[rd->n_kfuncs] = strdup(name);
        if (!f->kfuncs[rd->n_kfuncs])
                return -ENOMEM;
        f->kfuncs[++rd->n_kfuncs] = NULL;
        return 0;
}

static int by_name(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_kfunc(const struct kernel_features *f, size_t n, const char *name, size_t len)
{
        for (size_t i = 0; i < n; i++)
                if (f->kfuncs[i] && strncmp(f->kfuncs[i], name, len) == 0 && f->kfuncs[i][len] == '\0')
                        return true;
        return false;
}

/* Sorted and each once; and without NAME_impl, which is how NAME is called within a kernel that adds
 * arguments of its own to it. */
static void tidy_kfuncs(struct reading *rd)
{
        struct kernel_features *f = rd->features;
        size_t kept = 0;

        if (rd->n_kfuncs == 0)
                return;
        qsort(f->kfuncs, rd->n_kfuncs, sizeof(*f->kfuncs), by_name);
        for (size_t i = 0; i < rd->n_kfuncs; i++) {
                char *name = TAKE_PTR(f->kfuncs[i]);
                size_t len = strlen(name);
                bool inner =
                        len > 5 && strcmp(name + len - 5, "_impl") == 0 && has_kfunc(f, kept, name, len - 5);

                if (inner || (kept > 0 && strcmp(f->kfuncs[kept - 1], name) == 0))
                        free(name);
                else
                        f->kfuncs[kept++] = name;
        }
        f->kfuncs[kept] = NULL;
}

static int read_kfuncs(struct reading *rd)
{
        _cleanup_free_ bool *tagged = NULL;
        int r = find_tagged(rd, &tagged);

        for (uint32_t i = 1; r >= 0 && i < btf__type_cnt(rd->btf); i++) {
                const struct btf_type *t = btf__type_by_id(rd->btf, i);

                if (btf_is_func(t) && is_ours(name_of(rd, t->name_off), tagged && !tagged[i]))
                        r = add_kfunc(rd, name_of(rd, t->name_off));
        }
        if (r >= 0)
                tidy_kfuncs(rd);
        return r;
}

/* --- operations and constants --- */

static int read_ops(struct reading *rd)
{
        int id = btf__find_by_name_kind(rd->btf, "sched_ext_ops", BTF_KIND_STRUCT);
        const struct btf_type *t = id > 0 ? btf__type_by_id(rd->btf, (uint32_t)id) : NULL;
        unsigned n = t ? btf_vlen(t) : 0;

        rd->features->ops = calloc(n + 1, sizeof(char *));
        if (!rd->features->ops)
                return -ENOMEM;
        for (unsigned i = 0; i < n; i++) {
                rd->features->ops[i] = strdup(name_of(rd, btf_members(t)[i].name_off));
                if (!rd->features->ops[i])
                        return -ENOMEM;
        }
        return 0;
}

static int add_constant(struct reading *rd, const char *enumeration, const char *name, uint64_t value)
{
        struct kernel_features *f = rd->features;
        struct kernel_constant *grown;

        /* Masks of what is valid, ends of what is counted. */
        if (strncmp(name, "__", 2) == 0)
                return 0;
        grown = realloc(f->constants, (f->n_constants + 1) * sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        f->constants = grown;
        grown[f->n_constants] = (struct kernel_constant){strdup(enumeration), strdup(name), value};
        f->n_constants++;
        return grown[f->n_constants - 1].enumeration && grown[f->n_constants - 1].name ? 0 : -ENOMEM;
}

static int read_enumeration(struct reading *rd, const char *name)
{
        int id = btf__find_by_name_kind(rd->btf, name, BTF_KIND_ENUM64), r = 0;
        const struct btf_type *t;

        if (id <= 0)
                id = btf__find_by_name_kind(rd->btf, name, BTF_KIND_ENUM);
        t = id > 0 ? btf__type_by_id(rd->btf, (uint32_t)id) : NULL;
        for (unsigned i = 0; r >= 0 && t && i < btf_vlen(t); i++)
                if (btf_is_enum64(t))
                        r = add_constant(rd, name, name_of(rd, btf_enum64(t)[i].name_off),
                                         btf_enum64_value(&btf_enum64(t)[i]));
                else
                        r = add_constant(rd, name, name_of(rd, btf_enum(t)[i].name_off),
                                         (uint32_t)btf_enum(t)[i].val);
        return r;
}

static int read_all(struct reading *rd)
{
        int r = read_kfuncs(rd);

        if (r >= 0)
                r = read_ops(rd);
        for (size_t i = 0; r >= 0 && i < KT_ARRAY_SIZE(enumerations); i++)
                r = read_enumeration(rd, enumerations[i]);
        return r;
}

int kernel_features_parse(const void *data, size_t size, const char *name, struct kernel_features **ret,
                          struct kt_error *reterr)
{
        struct kernel_features *f = calloc(1, sizeof(*f));
        struct reading rd = {.features = f};
        struct btf *btf;
        int r;

        if (!f)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        libbpf_set_print(silence);
        btf = size <= UINT32_MAX ? btf__new(data, (uint32_t)size) : NULL;
        if (!btf) {
                r = errno == ENOMEM ? -ENOMEM : -EBADMSG;
                free(f);
                return kt_error_set(reterr, r, KT_E_BAD_KERNEL, "cannot read the BTF in %s: %s", name,
                                    r == -ENOMEM ? "out of memory"
                                                 : "it is damaged; import the kernel again");
        }
        rd.btf = btf;
        f->btf_size = size;
        r = read_all(&rd);
        btf__free(btf);
        if (r < 0) {
                kernel_features_free(f);
                return kt_error_set(reterr, r, KT_E_INTERNAL, "out of memory");
        }
        *ret = f;
        return 0;
}

int kernel_features_read(const char *btf_path, struct kernel_features **ret, struct kt_error *reterr)
{
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r = kt_read_file(AT_FDCWD, btf_path, BTF_SIZE_MAX, &data, &size);

        if (r < 0)
                return kt_error_set(reterr, r, KT_E_BAD_KERNEL, "cannot read the BTF in %s: %s", btf_path,
                                    strerror(-r));
        return kernel_features_parse(data, size, btf_path, ret, reterr);
}

static void free_strings(char **strings)
{
        for (char **s = strings; s && *s; s++)
                free(*s);
        free(strings);
}

void kernel_features_free(struct kernel_features *f)
{
        if (!f)
                return;
        free_strings(f->kfuncs);
        free_strings(f->ops);
        for (size_t i = 0; i < f->n_constants; i++) {
                free(f->constants[i].enumeration);
                free(f->constants[i].name);
        }
        free(f->constants);
        free(f);
}
