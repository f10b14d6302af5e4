/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../common/sha256.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "answer.h"
#include "http.h"

#define META_MAX 65536

/* PATH.part, and what its bytes are of in PATH.part.meta. */
struct part {
        struct http_sink sink;
        const char *url;
        char *path, *meta_path;
        char *same; /* behind sink.same */
        int fd;
};

static void part_done(struct part *p)
{
        if (p->fd >= 0)
                close(p->fd);
        free(p->path);
        free(p->meta_path);
        free(p->same);
}

static int cannot_write(const struct part *p, int r, struct kt_error *reterr)
{
        return kt_error_set(reterr, r, KT_E_IO, "cannot write %s: %s", p->path, strerror(-r));
}

/* Take what head says the content is known by. A weak ETag is no promise about bytes. */
static int part_set_same(struct part *p, const struct http_head *head)
{
        const char *same = head->etag && strncmp(head->etag, "W/", 2) != 0 ? head->etag : head->modified;

        free(p->same);
        p->same = same ? strdup(same) : NULL;
        p->sink.same = p->same;
        return same && !p->same ? -ENOMEM : 0;
}

/* Empty, and so of whatever comes. */
static int part_empty(struct part *p, struct kt_error *reterr)
{
        p->sink.have = 0;
        p->sink.total = -1;
        p->sink.same = NULL;
        if (ftruncate(p->fd, 0) < 0)
                return cannot_write(p, -errno, reterr);
        return 0;
}

static int part_write_meta(struct part *p, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();
        _cleanup_close_ int fd = -1;
        const char *text;
        int r;

        kt_json_add_str(o, "url", p->url);
        kt_json_add_str(o, "same", p->same);
        kt_json_add_int(o, "total", p->sink.total);
        text = json_object_to_json_string(o);
        /* One that is cut by a sudden end is none: the bytes would be fetched again. */
        fd = open(p->meta_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        r = !text ? -ENOMEM : fd < 0 ? -errno : kt_write_all(fd, text, strlen(text));
        return r < 0 ? cannot_write(p, r, reterr) : 0;
}

/* The bytes of an earlier time count when it is known what they are of. */
static void part_recall(struct part *p)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ struct json_object *o = NULL;
        const char *url, *same;
        struct stat st;
        size_t size;

        if (fstat(p->fd, &st) < 0 || st.st_size == 0 ||
            kt_read_file(AT_FDCWD, p->meta_path, META_MAX, &text, &size) < 0 ||
            kt_json_parse(text, size, &o, NULL) < 0)
                return;
        url = kt_json_str(o, "url");
        same = kt_json_str(o, "same");
        if (!url || !same || strcmp(url, p->url) != 0)
                return;
        p->same = strdup(same);
        if (!p->same)
                return;
        p->sink.same = p->same;
        p->sink.have = st.st_size;
        p->sink.total = kt_json_int(o, "total", -1);
}

/* The server goes on with it: does it with the same? */
static bool fits(const struct part *p, const struct http_head *head)
{
        if (head->total >= 0 && p->sink.total >= 0 && head->total != p->sink.total)
                return false;
        if (head->status == 416)
                return head->total == p->sink.have;
        if (head->etag && p->same[0] == '"' && strcmp(head->etag, p->same) != 0)
                return false;
        return head->first == p->sink.have;
}

static int part_head(struct http_sink *s, const struct http_head *head, struct kt_error *reterr)
{
        struct part *p = kt_container_of(s, struct part, sink);
        int r;

        if (head->status != 200) {
                if (!p->sink.same || !fits(p, head)) {
                        r = part_empty(p, reterr);
                        return r < 0 ? r
                                     : kt_error_set(reterr, -EAGAIN, KT_E_DOWNLOAD,
                                                    "%s: it is another file than before", p->url);
                }
                if (head->total >= 0)
                        s->total = head->total;
                return head->status == 416 ? 1 : 0;
        }
        /* In this order: what is not empty is always of what the other file says. */
        r = part_empty(p, reterr);
        if (r < 0)
                return r;
        s->total = head->total;
        if (part_set_same(p, head) < 0)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return part_write_meta(p, reterr);
}

static int part_body(struct http_sink *s, const void *data, size_t size, struct kt_error *reterr)
{
        struct part *p = kt_container_of(s, struct part, sink);
        int r = kt_pwrite_all(p->fd, data, size, (uint64_t)s->have);

        if (r < 0)
                return cannot_write(p, r, reterr);
        s->have += (int64_t)size;
        answer_progress(s->have, s->total, "bytes", NULL);
        return 0;
}

static int part_publish(struct part *p, const char *path, char *ret_sha256, struct kt_error *reterr)
{
        int r = 0;

        if (ftruncate(p->fd, p->sink.have) < 0 || fsync(p->fd) < 0)
                return cannot_write(p, -errno, reterr);
        if (ret_sha256)
                r = kt_sha256_fd(p->fd, ret_sha256);
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot read %s: %s", p->path, strerror(-r));
        if (rename(p->path, path) < 0)
                return cannot_write(p, -errno, reterr);
        (void)unlink(p->meta_path);
        return 0;
}

int download(const struct net *net, const char *url, const char *path, char *ret_sha256,
             struct kt_error *reterr)
{
        _cleanup_(part_done) struct part p = {
                .sink = {.total = -1, .head = part_head, .body = part_body},
                .url = url,
                .path = kt_format("%s.part", path),
                .meta_path = kt_format("%s.part.meta", path),
                .fd = -1,
        };
        int r;

        if (!p.path || !p.meta_path)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        p.fd = open(p.path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (p.fd < 0)
                return cannot_write(&p, -errno, reterr);
        answer_stage("download", "%s", url);
        part_recall(&p);
        if (p.sink.have > 0)
                answer_note("%lld bytes of it are here already", (long long)p.sink.have);
        r = http_get(net, url, &p.sink, reterr);
        if (r < 0) {
                if (p.sink.have == 0) {
                        (void)unlink(p.path);
                        (void)unlink(p.meta_path);
                }
                return r;
        }
        answer_progress(p.sink.have, p.sink.have, "bytes", NULL);
        return part_publish(&p, path, ret_sha256, reterr);
}
