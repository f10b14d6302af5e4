/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bpf_types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../../common/distance.h"

/* Of typedefs, qualifiers and structs in one another; what has more is a ring. */
#define DEPTH_MAX 32

static const struct btf_type *type_at(const struct bpf_types *b, uint32_t id)
{
        return id > 0 && id < b->n ? (const struct btf_type *)(b->btf.types + b->at[id]) : NULL;
}

static unsigned kind_of(const struct btf_type *t)
{
        return t ? BTF_INFO_KIND(t->info) : BTF_KIND_UNKN;
}

/* Note where each type is: they have numbers, and no fixed size. */
static int index_types(struct bpf_types *b)
{
        uint32_t at = 0, room = 0;

        b->n = 1;
        while (at < b->btf.types_size) {
                const uint32_t begin = at;

                if (!kt_btf_next(&b->btf, &at))
                        return -EBADMSG;
                if (b->n >= room) {
                        uint32_t *grown = realloc(b->at, 2 * (room + 256) * sizeof(*grown));

                        if (!grown)
                                return -ENOMEM;
                        b->at = grown;
                        room = 2 * (room + 256);
                }
                b->at[b->n++] = begin;
        }
        return 0;
}

int bpf_types_open(const void *data, size_t size, struct bpf_types *ret, struct kt_error *reterr)
{
        struct bpf_types b = {};
        int r = kt_btf_open(data, size, &b.btf);

        if (r >= 0)
                r = index_types(&b);
        if (r < 0) {
                bpf_types_done(&b);
                return r == -ENOMEM ? kt_error_set(reterr, r, NULL, "%s", strerror(ENOMEM))
                                    : kt_error_set(reterr, r, NULL,
                                                   "the types of the BPF program (BTF) are damaged");
        }
        *ret = b;
        return 0;
}

void bpf_types_done(struct bpf_types *b)
{
        free(b->at);
        *b = (struct bpf_types){};
}

const char *bpf_types_section(const struct bpf_types *b, uint32_t id)
{
        const struct btf_type *t = type_at(b, id);

        return kind_of(t) == BTF_KIND_DATASEC ? kt_btf_name(&b->btf, t->name_off) : NULL;
}

bool bpf_types_variable(const struct bpf_types *b, uint32_t section, unsigned i, struct bpf_variable *ret)
{
        const struct btf_type *t = type_at(b, section), *var;
        const struct btf_var_secinfo *info;

        if (kind_of(t) != BTF_KIND_DATASEC || i >= BTF_INFO_VLEN(t->info))
                return false;
        info = (const struct btf_var_secinfo *)(t + 1) + i;
        var = type_at(b, info->type);
        *ret = (struct bpf_variable){
                .name = kind_of(var) == BTF_KIND_VAR ? kt_btf_name(&b->btf, var->name_off) : "",
                .type = kind_of(var) == BTF_KIND_VAR ? var->type : 0,
                .offset = info->offset,
                .size = info->size,
        };
        return true;
}

/* --- from a variable to a number in it --- */

/* Without its typedefs and qualifiers. */
static const struct btf_type *plain(const struct bpf_types *b, uint32_t id)
{
        for (int depth = 0; depth < DEPTH_MAX; depth++) {
                const struct btf_type *t = type_at(b, id);

                switch (kind_of(t)) {
                case BTF_KIND_TYPEDEF:
                case BTF_KIND_VOLATILE:
                case BTF_KIND_CONST:
                case BTF_KIND_RESTRICT:
                case BTF_KIND_TYPE_TAG:
                        id = t->type;
                        break;
                default:
                        return t;
                }
        }
        return NULL;
}

/* 0: it has none, or one that no variable has. */
static uint64_t size_of(const struct bpf_types *b, uint32_t id)
{
        uint64_t n = 1;

        for (int depth = 0; depth < DEPTH_MAX && n <= UINT32_MAX; depth++) {
                const struct btf_type *t = plain(b, id);

                switch (kind_of(t)) {
                case BTF_KIND_ARRAY:
                        n *= ((const struct btf_array *)(t + 1))->nelems;
                        id = ((const struct btf_array *)(t + 1))->type;
                        break;
                case BTF_KIND_PTR:
                        return n * 8;
                case BTF_KIND_INT:
                case BTF_KIND_ENUM:
                case BTF_KIND_ENUM64:
                case BTF_KIND_FLOAT:
                case BTF_KIND_STRUCT:
                case BTF_KIND_UNION:
                        return n * t->size;
                default:
                        return 0;
                }
        }
        return 0;
}

struct place {
        uint32_t type;
        uint64_t offset;
        bool is_bitfield;
};

/* The look for a member. */
struct member_search {
        const char *name;
        struct kt_nearest near; /* the names that there are */
        /* No two members of a struct have the same name, and so in a compiler's none is looked at twice, and
         * there are fewer of them than would fill all bytes. In bytes that were made for it they may double
         * with each level. */
        uint32_t looks_left;
};

/* Looks into members without a name too. */
static bool find_member(const struct bpf_types *b, const struct btf_type *t, struct member_search *s,
                        struct place *p, int depth)
{
        const struct btf_member *m = (const struct btf_member *)(t + 1);
        const bool has_bits = BTF_INFO_KFLAG(t->info);

        for (unsigned i = 0; i < BTF_INFO_VLEN(t->info) && s->looks_left > 0; i++) {
                const char *own = kt_btf_name(&b->btf, m[i].name_off);
                const uint32_t bit = has_bits ? BTF_MEMBER_BIT_OFFSET(m[i].offset) : m[i].offset;
                const struct btf_type *inner = *own ? NULL : plain(b, m[i].type);
                const unsigned kind = kind_of(inner);

                s->looks_left--;
                if (*own)
                        kt_nearest_offer(&s->near, own);
                if (*own && strcmp(own, s->name) == 0) {
                        p->is_bitfield = (has_bits && BTF_MEMBER_BITFIELD_SIZE(m[i].offset)) || bit % 8;
                        p->type = m[i].type;
                        p->offset += bit / 8;
                        return true;
                }
                if (depth < DEPTH_MAX && (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION) &&
                    find_member(b, inner, s, p, depth + 1)) {
                        p->offset += bit / 8;
                        return true;
                }
        }
        return false;
}

static int go_to_member(const struct bpf_types *b, const char **path, struct place *p,
                        struct kt_error *reterr)
{
        const struct btf_type *t = plain(b, p->type);
        const size_t len = strcspn(*path + 1, ".[");
        _cleanup_free_ char *name = strndup(*path + 1, len);
        struct member_search s = {.name = name, .looks_left = b->btf.types_size / sizeof(struct btf_member)};
        bool found;

        if (!name)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        if (kind_of(t) != BTF_KIND_STRUCT && kind_of(t) != BTF_KIND_UNION)
                return kt_error_set(reterr, -EINVAL, NULL, "what should have '%s' is no struct", name);
        s.near = kt_nearest_to(name);
        found = find_member(b, t, &s, p, 0);
        if (!found && s.looks_left == 0)
                return kt_error_set(reterr, -EINVAL, NULL, "its types (BTF) are damaged");
        if (!found)
                return kt_error_set(reterr, -EINVAL, NULL, "its struct has no '%s'%s%s%s", name,
                                    s.near.name ? ", did you mean '" : "", s.near.name ?: "",
                                    s.near.name ? "'?" : "");
        *path += 1 + len;
        return 0;
}

static int go_to_element(const struct bpf_types *b, const char **path, struct place *p,
                         struct kt_error *reterr)
{
        const struct btf_type *t = plain(b, p->type);
        const struct btf_array *array = (const struct btf_array *)(t + 1);
        unsigned long long i;
        char *end;

        errno = 0;
        i = strtoull(*path + 1, &end, 10);
        if ((*path)[1] < '0' || (*path)[1] > '9' || *end != ']' || errno)
                return kt_error_set(reterr, -EINVAL, NULL, "'%s' is no [NUMBER]", *path);
        if (kind_of(t) != BTF_KIND_ARRAY)
                return kt_error_set(reterr, -EINVAL, NULL, "what should have [%llu] is no array", i);
        if (i >= array->nelems)
                return kt_error_set(reterr, -EINVAL, NULL, "there is no [%llu]: it has %u elements", i,
                                    array->nelems);
        p->offset += i * size_of(b, array->type);
        p->type = array->type;
        *path = end + 1;
        return 0;
}

static int be_number(const struct bpf_types *b, const struct place *p, struct bpf_number *ret,
                     struct kt_error *reterr)
{
        const struct btf_type *t = plain(b, p->type);
        const unsigned kind = kind_of(t);
        uint32_t bits = 0;

        if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION)
                return kt_error_set(reterr, -EINVAL, NULL, "it is a struct: name a member of it (a.b)");
        if (kind == BTF_KIND_ARRAY)
                return kt_error_set(reterr, -EINVAL, NULL, "it is an array: name an element of it (a[0])");
        if (kind != BTF_KIND_INT && kind != BTF_KIND_ENUM && kind != BTF_KIND_ENUM64)
                return kt_error_set(reterr, -EINVAL, NULL, "it is no integer");
        if (kind == BTF_KIND_INT)
                bits = *(const uint32_t *)(t + 1);
        if (p->is_bitfield ||
            (kind == BTF_KIND_INT && (BTF_INT_OFFSET(bits) || BTF_INT_BITS(bits) != t->size * 8)))
                return kt_error_set(reterr, -EINVAL, NULL, "it is a bit field, which shares its bytes");
        if (t->size > 8 || t->size == 0 || (t->size & (t->size - 1)))
                return kt_error_set(reterr, -EINVAL, NULL, "it is an integer of %u bytes, and not of 1 to 8",
                                    t->size);
        *ret = (struct bpf_number){
                .offset = (uint32_t)p->offset,
                .size = t->size,
                .is_signed = kind == BTF_KIND_INT ? BTF_INT_ENCODING(bits) & BTF_INT_SIGNED
                                                  : BTF_INFO_KFLAG(t->info),
                .is_bool = kind == BTF_KIND_INT && BTF_INT_ENCODING(bits) & BTF_INT_BOOL,
        };
        return 0;
}

int bpf_types_locate(const struct bpf_types *b, const struct bpf_variable *v, const char *path,
                     struct bpf_number *ret, struct kt_error *reterr)
{
        struct place p = {.type = v->type};
        struct bpf_number n;
        int r = 0;

        while (r >= 0 && *path)
                r = *path == '.' ? go_to_member(b, &path, &p, reterr)
                    : *path == '['
                            ? go_to_element(b, &path, &p, reterr)
                            : kt_error_set(reterr, -EINVAL, NULL, "'%s' is no .MEMBER or [NUMBER]", path);
        if (r >= 0)
                r = be_number(b, &p, &n, reterr);
        if (r < 0)
                return r;
        /* By its types it may lie anywhere. */
        if (p.offset > v->size || n.size > v->size - p.offset)
                return kt_error_set(reterr, -EINVAL, NULL,
                                    "it lies outside its variable: its types (BTF) are "
                                    "damaged");
        n.offset = v->offset + (uint32_t)p.offset;
        *ret = n;
        return 0;
}
