/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../common/btf.h"
#include "../common/cleanup.h"
#include "../common/fsutil.h"

#define KERNEL_BTF "/sys/kernel/btf/vmlinux"
#define SIZE_MAX_BYTES (256U * 1024U * 1024U)

/* What of both structs was found. */
struct found {
        uint32_t ops, timeout_offset;           /* struct OPS */
        uint32_t value, data_type, data_offset; /* struct bpf_struct_ops_OPS */
};

struct walk {
        struct kt_btf btf;
        struct found found[OPS_LAYOUTS];
};

static const char *const ops_names[OPS_LAYOUTS] = {"sched_ext_ops", "sched_ext_ops_cid"};
static const char value_prefix[] = "bpf_struct_ops_";

/* A member's type and its place in bytes; false: there is none of this name. */
static bool find_member(const struct walk *w, const struct btf_type *t, const char *name, uint32_t *ret_type,
                        uint32_t *ret_offset)
{
        const struct btf_member *m = (const struct btf_member *)(t + 1);

        for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++) {
                if (strcmp(kt_btf_name(&w->btf, m[i].name_off), name) != 0)
                        continue;
                *ret_type = m[i].type;
                *ret_offset =
                        (BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BIT_OFFSET(m[i].offset) : m[i].offset) / 8;
                return true;
        }
        return false;
}

static void take_struct(struct walk *w, const struct btf_type *t, uint32_t id)
{
        const size_t len = sizeof(value_prefix) - 1;
        const char *name = kt_btf_name(&w->btf, t->name_off);
        const bool is_value = strncmp(name, value_prefix, len) == 0;
        uint32_t ignored;

        for (size_t i = 0; i < OPS_LAYOUTS; i++) {
                struct found *f = &w->found[i];

                if (strcmp(is_value ? name + len : name, ops_names[i]) != 0)
                        continue;
                if (is_value && find_member(w, t, "data", &f->data_type, &f->data_offset))
                        f->value = id;
                else if (!is_value && find_member(w, t, "timeout_ms", &ignored, &f->timeout_offset))
                        f->ops = id;
        }
}

static int walk_types(struct walk *w)
{
        const struct btf_type *t;
        uint32_t id = 1;

        for (uint32_t at = 0; at < w->btf.types_size; id++) {
                t = kt_btf_next(&w->btf, &at);
                if (!t)
                        return -EBADMSG;
                if (BTF_INFO_KIND(t->info) == BTF_KIND_STRUCT)
                        take_struct(w, t, id);
        }
        return 0;
}

int ops_layout_parse(const void *btf, size_t size, struct ops_layout ret[OPS_LAYOUTS])
{
        struct walk w = {};
        int r = -ENOENT;

        if (kt_btf_open(btf, size, &w.btf) < 0 || walk_types(&w) < 0)
                return -EBADMSG;
        for (size_t i = 0; i < OPS_LAYOUTS; i++) {
                const struct found *f = &w.found[i];

                ret[i] = (struct ops_layout){};
                if (f->ops == 0 || f->value == 0 || f->data_type != f->ops)
                        continue;
                ret[i] = (struct ops_layout){f->value, f->data_offset + f->timeout_offset};
                r = 0;
        }
        return r;
}

/* sysfs hands it out by the page; from Linux 6.16 on it can be mapped instead, in a third of the time. */
static int read_kernel(struct ops_layout ret[OPS_LAYOUTS])
{
        _cleanup_close_ int fd = open(KERNEL_BTF, O_RDONLY | O_CLOEXEC);
        _cleanup_free_ char *btf = NULL;
        struct stat st;
        size_t size;
        void *map;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
                r = ops_layout_parse(map, (size_t)st.st_size, ret);
                munmap(map, (size_t)st.st_size);
                return r;
        }
        r = kt_read_file(AT_FDCWD, KERNEL_BTF, SIZE_MAX_BYTES, &btf, &size);
        return r < 0 ? r : ops_layout_parse(btf, size, ret);
}

int ops_layout_kernel(const struct ops_layout **ret)
{
        static struct ops_layout layouts[OPS_LAYOUTS];
        static bool known;
        static int r;

        if (!known)
                r = read_kernel(layouts);
        known = true;
        *ret = r < 0 ? NULL : layouts;
        return r;
}
