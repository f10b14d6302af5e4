/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * HTTP with libcurl: GET into a sink, gone on with when it stalls or breaks off, and HEAD.
 *
 * An error is told at once when nothing of the content has come yet: a host that does not answer, or a
 * status. Once there was some, all that ends it early is tried again, until HTTP_ATTEMPTS in a row have
 * brought nothing new; each is an answer_note(). A stall and a broken connection are always tried again, and
 * so is a server that says that it is busy (429, 500, 502, 503, 504), until HTTP_BUSY_ATTEMPTS.
 *
 * All returns: 0 or -errno with KT_E_DOWNLOAD and a line that names the URL; -ENOENT for 404 and 410 alone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source.h"

#define HTTP_ATTEMPTS 5
#define HTTP_BUSY_ATTEMPTS 3
#define HTTP_REDIRECTS_MAX 10

/* What stands in front of the content. Strings are borrowed for the time of the call, NULL: not there. */
struct http_head {
        int status;    /* 200, 206, 416 */
        int64_t first; /* 206: the content's byte that the body begins at */
        int64_t total; /* bytes of the whole content, -1: not said */
        const char *etag, *modified;
};

/* Where the content goes; embedded in what knows. */
struct http_sink {
        int64_t have;     /* bytes that are there; to go on from when there is a `same` */
        const char *same; /* ETag or date that the bytes are of, NULL: they are of no use */
        int64_t total;    /* of the whole, -1: not known */
        /* Sets have, total and same as the head says. 1: it is complete already; -EAGAIN: ask again, from
         * another have. */
        int (*head)(struct http_sink *s, const struct http_head *head, struct kt_error *reterr);
        /* Takes all of it and adds to have. */
        int (*body)(struct http_sink *s, const void *data, size_t size, struct kt_error *reterr);
};

/* Does it begin as one? Others are never asked, nor followed to. */
bool http_url_is(const char *url);

/* HTML in place of the content (the page of a portal, or of a mirror's error) is refused, and so is nothing
 * at all. */
int http_get(const struct net *net, const char *url, struct http_sink *s, struct kt_error *reterr);

/* A text of at most max bytes; *ret is malloced and has a NUL after its *ret_size bytes. */
int http_text(const struct net *net, const char *url, size_t max, char **ret, size_t *ret_size,
              struct kt_error *reterr);

/* 1, or 0 for 404 and 410. */
int http_exists(const struct net *net, const char *url, struct kt_error *reterr);
