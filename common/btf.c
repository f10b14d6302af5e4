/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "btf.h"

#include <errno.h>

#include "cleanup.h"

int kt_btf_open(const void *data, size_t size, struct kt_btf *ret)
{
        const struct btf_header *h = data;
        struct kt_btf b;
        size_t body;

        if (size < sizeof(*h) || h->magic != BTF_MAGIC || h->hdr_len < sizeof(*h) || h->hdr_len > size ||
            h->hdr_len % 4 != 0 || h->type_off % 4 != 0)
                return -EBADMSG;
        body = size - h->hdr_len;
        if (h->type_off > body || h->type_len > body - h->type_off || h->str_off > body ||
            h->str_len > body - h->str_off || h->str_len == 0)
                return -EBADMSG;
        b = (struct kt_btf){.types = (const char *)data + h->hdr_len + h->type_off,
                            .strings = (const char *)data + h->hdr_len + h->str_off,
                            .types_size = h->type_len,
                            .strings_size = h->str_len};
        if (b.strings[b.strings_size - 1] != '\0')
                return -EBADMSG;
        *ret = b;
        return 0;
}

/* What follows a type's head, by its kind: bytes, and bytes for each of what it has vlen of. -1: not known.
 */
static int64_t size_of_rest(uint32_t kind, uint32_t vlen)
{
        static const struct {
                uint8_t fixed, each;
        } rests[] = {
                [BTF_KIND_INT] = {4, 0},        [BTF_KIND_PTR] = {0, 0},      [BTF_KIND_ARRAY] = {12, 0},
                [BTF_KIND_STRUCT] = {0, 12},    [BTF_KIND_UNION] = {0, 12},   [BTF_KIND_ENUM] = {0, 8},
                [BTF_KIND_FWD] = {0, 0},        [BTF_KIND_TYPEDEF] = {0, 0},  [BTF_KIND_VOLATILE] = {0, 0},
                [BTF_KIND_CONST] = {0, 0},      [BTF_KIND_RESTRICT] = {0, 0}, [BTF_KIND_FUNC] = {0, 0},
                [BTF_KIND_FUNC_PROTO] = {0, 8}, [BTF_KIND_VAR] = {4, 0},      [BTF_KIND_DATASEC] = {0, 12},
                [BTF_KIND_FLOAT] = {0, 0},      [BTF_KIND_DECL_TAG] = {4, 0}, [BTF_KIND_TYPE_TAG] = {0, 0},
                [BTF_KIND_ENUM64] = {0, 12},
        };

        if (kind == BTF_KIND_UNKN || kind >= KT_ARRAY_SIZE(rests))
                return -1;
        return (int64_t)rests[kind].fixed + (int64_t)rests[kind].each * vlen;
}

const struct btf_type *kt_btf_next(const struct kt_btf *b, uint32_t *at)
{
        const struct btf_type *t = (const struct btf_type *)(b->types + *at);
        const uint32_t left = b->types_size - *at;
        int64_t rest;

        if (left < sizeof(*t))
                return NULL;
        rest = size_of_rest(BTF_INFO_KIND(t->info), BTF_INFO_VLEN(t->info));
        if (rest < 0 || rest > (int64_t)(left - sizeof(*t)))
                return NULL;
        *at += (uint32_t)(sizeof(*t) + (size_t)rest);
        return t;
}

const char *kt_btf_name(const struct kt_btf *b, uint32_t offset)
{
        return offset < b->strings_size ? b->strings + offset : "";
}
