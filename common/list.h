/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An intrusive doubly linked list with a sentinel head. A link that is in no list points at itself. */

#include <stdbool.h>
#include <stddef.h>

#include "cleanup.h"

struct kt_list {
        struct kt_list *next, *prev;
};

#define KT_LIST_INIT(l)                                                                                     \
        {                                                                                                   \
                &(l), &(l)                                                                                  \
        }

static inline void kt_list_init(struct kt_list *l)
{
        l->next = l->prev = l;
}

static inline bool kt_list_empty(const struct kt_list *l)
{
        return l->next == l;
}

static inline void kt_list_append(struct kt_list *head, struct kt_list *l)
{
        l->prev = head->prev;
        l->next = head;
        head->prev->next = l;
        head->prev = l;
}

/* Take a link out of whatever list it is in; harmless on a link that is in none. */
static inline void kt_list_remove(struct kt_list *l)
{
        l->prev->next = l->next;
        l->next->prev = l->prev;
        kt_list_init(l);
}

#define kt_list_entry(l, type, member) kt_container_of(l, type, member)

#define kt_list_for_each(it, head) for (struct kt_list *it = (head)->next; it != (head); it = it->next)

/* The body may remove `it`. */
#define kt_list_for_each_safe(it, head)                                                                     \
        for (struct kt_list *it = (head)->next, *_next = it->next; it != (head);                            \
             it = _next, _next = it->next)
