/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "template_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../common/sha256.h"
#include "../proto/codec.h"
#include "../proto/errors.h"

#define FORMAT 1
#define METADATA_MAX (1U << 20)
#define STATE_MAX (64LL << 20) /* 0.4 MB as a rule, some kilobytes a vCPU */
#define STATE_TIMEOUT_MS 10000
#define PAGE 4096U
#define READ_SIZE (1U << 20)
#define SPARE_ROOM ((uint64_t)64 << 20)

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static void memory_name(char ret[32], unsigned node)
{
        snprintf(ret, 32, "memory-%u", node);
}

/* --- hashes --- */

/* Of the pages that are not all zero, each with its number, so that it is the same whatever holes the file
 * has. */
static int hash_block(EVP_MD_CTX *ctx, const uint8_t *data, size_t size, uint64_t offset)
{
        static const uint8_t zeros[PAGE];

        for (size_t at = 0; at < size; at += PAGE) {
                const size_t n = size - at < PAGE ? size - at : PAGE;
                const uint64_t page = htole64((offset + at) / PAGE);

                if (memcmp(data + at, zeros, n) == 0)
                        continue;
                if (EVP_DigestUpdate(ctx, &page, sizeof(page)) != 1 ||
                    EVP_DigestUpdate(ctx, data + at, n) != 1)
                        return -EIO;
        }
        return 0;
}

static int hash_range(EVP_MD_CTX *ctx, int fd, uint8_t *buf, off_t from, off_t to)
{
        for (off_t at = from; at < to;) {
                const size_t want = to - at < (off_t)READ_SIZE ? (size_t)(to - at) : READ_SIZE;
                size_t got = 0;

                while (got < want) {
                        const ssize_t n = pread(fd, buf + got, want - got, at + (off_t)got);

                        if (n < 0 && errno == EINTR)
                                continue;
                        if (n <= 0)
                                return n < 0 ? -errno : -ENODATA;
                        got += (size_t)n;
                }
                const int r = hash_block(ctx, buf, got, (uint64_t)at);
                if (r < 0)
                        return r;
                at += (off_t)got;
        }
        return 0;
}

static int hash_data(EVP_MD_CTX *ctx, int fd, off_t size)
{
        _cleanup_free_ uint8_t *buf = malloc(READ_SIZE);
        off_t from = 0, to;
        int r;

        if (!buf || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
                return -ENOMEM;
        for (;;) {
                from = lseek(fd, from, SEEK_DATA);
                if (from < 0)
                        return errno == ENXIO ? 0 : -errno; /* only a hole is left */
                to = lseek(fd, from, SEEK_HOLE);
                if (to < 0)
                        return -errno;
                /* Data may begin and end within a page of ours where the file system's blocks are smaller.
                 */
                from = from / PAGE * PAGE;
                to = (to + PAGE - 1) / PAGE * PAGE;
                if (to > size)
                        to = size;
                r = hash_range(ctx, fd, buf, from, to);
                if (r < 0)
                        return r;
                from = to;
                if (from >= size)
                        return 0;
        }
}

static int hash_memory(int fd, off_t size, char ret[KT_SHA256_HEX_SIZE])
{
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        uint8_t digest[EVP_MAX_MD_SIZE];
        int r;

        if (!ctx)
                return -ENOMEM;
        r = hash_data(ctx, fd, size);
        if (r >= 0 && EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
                r = -EIO;
        EVP_MD_CTX_free(ctx);
        for (unsigned i = 0; r >= 0 && i < 32; i++)
                snprintf(ret + 2 * i, 3, "%02x", digest[i]);
        return r;
}

/* --- opening --- */

static struct template *template_new(const char *key, unsigned n_nodes)
{
        struct template *t = calloc(1, sizeof(*t));

        if (!t)
                return NULL;
        snprintf(t->key, sizeof(t->key), "%s", key);
        t->n_nodes = n_nodes;
        t->state_fd = -1;
        for (unsigned i = 0; i < KT_ARRAY_SIZE(t->memory_fds); i++)
                t->memory_fds[i] = -1;
        return t;
}

void template_free(struct template *t)
{
        if (!t)
                return;
        for (unsigned i = 0; i < t->n_nodes; i++)
                kt_closep(&t->memory_fds[i]);
        kt_closep(&t->state_fd);
        free(t->mailbox_error);
        free(t);
}

static bool is_unchanged(int fd, const struct file_stamp *then)
{
        struct file_stamp now;
        struct stat st;

        if (fstat(fd, &st) < 0 || st.st_nlink == 0)
                return false;
        now = file_stamp_of(&st);
        return file_stamp_equal(&now, then);
}

bool template_is_intact(const struct template *t)
{
        for (unsigned i = 0; i < t->n_nodes; i++)
                if (!is_unchanged(t->memory_fds[i], &t->stamps[i]))
                        return false;
        return is_unchanged(t->state_fd, &t->stamps[t->n_nodes]);
}

static int distrust(struct kt_error *reterr, const char *what, const char *why)
{
        return kt_error_set(reterr, -EBADMSG, KT_E_IO, "its %s %s", what, why);
}

/* What this process has run out of says nothing about the template. */
static int cannot_read(struct kt_error *reterr, const char *what, int num)
{
        const bool ours = num == -EMFILE || num == -ENFILE || num == -ENOMEM;

        return kt_error_set(reterr, ours ? num : -EBADMSG, KT_E_IO, "its %s cannot be read: %s", what,
                            strerror(-num));
}

/* One file of it, ours and nobody else's. */
static int open_own(int dir_fd, const char *name, int *ret, struct stat *ret_st, struct kt_error *reterr)
{
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0 || fstat(fd, ret_st) < 0)
                return cannot_read(reterr, name, -errno);
        if (!S_ISREG(ret_st->st_mode) || ret_st->st_uid != geteuid() || (ret_st->st_mode & 077))
                return distrust(reterr, name, "is not this user's alone");
        *ret = TAKE_FD(fd);
        return 0;
}

/* And of the right size, with the right hash. */
static int open_file(int dir_fd, const char *name, off_t size, const char *sha256, bool is_memory, int *ret,
                     struct file_stamp *ret_stamp, struct kt_error *reterr)
{
        _cleanup_close_ int fd = -1;
        char hash[KT_SHA256_HEX_SIZE];
        struct stat st;
        int r = open_own(dir_fd, name, &fd, &st, reterr);

        if (r < 0)
                return r;
        if (st.st_size != size)
                return distrust(reterr, name, "has another size than it had");
        *ret_stamp = file_stamp_of(&st);
        r = is_memory ? hash_memory(fd, size, hash) : kt_sha256_fd(fd, hash);
        if (r < 0)
                return cannot_read(reterr, name, r);
        if (!sha256 || strcmp(hash, sha256) != 0)
                return distrust(reterr, name, "is damaged: its hash is another than it was");
        *ret = TAKE_FD(fd);
        return 0;
}

int template_read_metadata(int dir_fd, struct json_object **ret, struct kt_error *reterr)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r = open_own(dir_fd, "metadata.json", &fd, &st, reterr);

        if (r < 0)
                return r;
        if (st.st_size > METADATA_MAX)
                return distrust(reterr, "metadata.json", "is too large");
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return oom(reterr);
        r = kt_read_all(fd, text, (size_t)st.st_size);
        if (r < 0)
                return cannot_read(reterr, "metadata.json", r);
        if (kt_json_parse(text, (size_t)st.st_size, ret, NULL) < 0 ||
            !json_object_is_type(*ret, json_type_object))
                return distrust(reterr, "metadata.json", "is no JSON object");
        return 0;
}

static int open_files(struct template *t, const struct shape *s, int dir_fd, struct json_object *meta,
                      struct kt_error *reterr)
{
        struct json_object *memory = kt_json_get(meta, "memory_sha256");
        const int64_t state_size = kt_json_int(meta, "state_size", -1);
        char name[32];
        int r;

        if (kt_json_int(meta, "format", 0) != FORMAT ||
            strcmp(kt_json_str(meta, "key") ?: "", s->key) != 0 ||
            !json_object_is_type(memory, json_type_array) ||
            json_object_array_length(memory) != t->n_nodes || state_size <= 0 || state_size > STATE_MAX)
                return distrust(reterr, "metadata.json", "is that of another template");
        for (unsigned i = 0; i < t->n_nodes; i++) {
                memory_name(name, i);
                r = open_file(dir_fd, name, (off_t)s->layout.node_size[i],
                              json_object_get_string(json_object_array_get_idx(memory, i)), true,
                              &t->memory_fds[i], &t->stamps[i], reterr);
                if (r < 0)
                        return r;
        }
        return open_file(dir_fd, "state", state_size, kt_json_str(meta, "state_sha256"), false, &t->state_fd,
                         &t->stamps[t->n_nodes], reterr);
}

static int take_facts(struct template *t, struct json_object *meta, struct kt_error *reterr)
{
        const char *mailbox_error = kt_json_str(meta, "mailbox_error");

        t->built_us = kt_json_int(meta, "built_us", 0);
        t->build_ms = kt_json_int(meta, "build_ms", 0);
        t->boot_ms = kt_json_int(meta, "boot_ms", 0);
        if (mailbox_error && !(t->mailbox_error = strdup(mailbox_error)))
                return oom(reterr);
        return 0;
}

static int open_trusted(int dir_fd, const struct shape *s, struct template **ret, struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *meta = NULL;
        struct template *t = template_new(s->key, s->layout.n_nodes);
        struct stat st;
        int r;

        if (!t)
                return oom(reterr);
        if (fstat(dir_fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077))
                r = distrust(reterr, "folder", "is not this user's alone");
        else
                r = template_read_metadata(dir_fd, &meta, reterr);
        if (r >= 0)
                r = open_files(t, s, dir_fd, meta, reterr);
        if (r >= 0)
                r = take_facts(t, meta, reterr);
        if (r < 0) {
                template_free(t);
                return r;
        }
        *ret = t;
        return 0;
}

int template_open(const char *root, const struct shape *s, struct template **ret, struct kt_error *reterr)
{
        _cleanup_free_ char *path = kt_path_join(root, s->key);
        _cleanup_close_ int dir_fd = -1;
        int r;

        if (!path)
                return oom(reterr);
        dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (dir_fd < 0 && errno == ENOENT)
                return -ENOENT;
        r = dir_fd < 0 ? cannot_read(reterr, "folder", -errno) : open_trusted(dir_fd, s, ret, reterr);
        if (r == -EBADMSG)
                template_remove(root, s->key);
        else if (r >= 0)
                template_mark_used(root, s->key);
        return r;
}

void template_mark_used(const char *root, const char *key)
{
        _cleanup_free_ char *path = kt_path_join(root, key);

        if (path)
                (void)utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
}

char *template_hide(const char *root, const char *key)
{
        _cleanup_free_ char *path = kt_path_join(root, key),
                            *gone = kt_format("%s/" GONE_PREFIX "%s", root, key);

        if (!path || !gone)
                return NULL;
        if (rename(path, gone) == 0)
                return TAKE_PTR(gone);
        if (errno == ENOENT)
                return NULL;
        /* What an earlier removal has left may be in the way. */
        (void)kt_remove_tree(AT_FDCWD, gone);
        return rename(path, gone) == 0 ? TAKE_PTR(gone) : TAKE_PTR(path);
}

void template_remove(const char *root, const char *key)
{
        _cleanup_free_ char *hidden = template_hide(root, key);

        if (hidden)
                (void)kt_remove_tree(AT_FDCWD, hidden);
}

/* --- making --- */

static int check_room(const char *root, const struct shape *s, struct kt_error *reterr)
{
        struct statvfs st;
        uint64_t room;

        if (statvfs(root, &st) < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot look at %s: %s", root, strerror(errno));
        room = (uint64_t)st.f_bavail * st.f_frsize;
        if (room < s->layout.size + SPARE_ROOM)
                return kt_error_set(
                        reterr, -ENOSPC, KT_E_IO,
                        "no room for a template in %s: %" PRIu64 " MiB are free, a guest of %u MiB may need "
                        "%" PRIu64 "; make room, or choose another folder with TemplateDir= in ktstrd.conf",
                        root, room >> 20, s->memory_mib, (uint64_t)((s->layout.size + SPARE_ROOM) >> 20));
        return 0;
}

static int make_memory_files(struct template_draft *d, const struct shape *s)
{
        char name[32];

        for (unsigned i = 0; i < d->n_nodes; i++) {
                memory_name(name, i);
                d->memory_fds[i] = openat(d->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                if (d->memory_fds[i] < 0 || ftruncate(d->memory_fds[i], (off_t)s->layout.node_size[i]) < 0)
                        return -errno;
        }
        return 0;
}

static int make_draft(struct template_draft *d, const char *root, const struct shape *s)
{
        d->path = kt_format("%s/" TEMP_PREFIX "XXXXXX", root);
        if (!d->path)
                return -ENOMEM;
        if (!mkdtemp(d->path)) {
                d->path[0] = '\0';
                return -errno;
        }
        d->dir_fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (d->dir_fd < 0 || flock(d->dir_fd, LOCK_SH | LOCK_NB) < 0)
                return -errno;
        d->state_path = kt_path_join(d->path, "state");
        return d->state_path ? make_memory_files(d, s) : -ENOMEM;
}

int template_draft_new(const char *root, const struct shape *s, struct template_draft **ret,
                       struct kt_error *reterr)
{
        struct template_draft *d;
        int r = check_room(root, s, reterr);

        if (r < 0)
                return r;
        d = calloc(1, sizeof(*d));
        if (!d)
                return oom(reterr);
        d->dir_fd = -1;
        d->n_nodes = s->layout.n_nodes;
        for (unsigned i = 0; i < KT_ARRAY_SIZE(d->memory_fds); i++)
                d->memory_fds[i] = -1;
        r = make_draft(d, root, s);
        if (r < 0) {
                template_draft_free(d);
                return kt_error_set(reterr, r, KT_E_IO, "cannot make a template in %s: %s", root,
                                    strerror(-r));
        }
        *ret = d;
        return 0;
}

void template_draft_free(struct template_draft *d)
{
        if (!d)
                return;
        for (unsigned i = 0; i < d->n_nodes; i++)
                kt_closep(&d->memory_fds[i]);
        /* Twice: the shell that a QEMU saves its state with outlives it for a moment, in which it may make
         * its file where all others have just been removed. */
        if (d->path && d->path[0] && kt_remove_tree(AT_FDCWD, d->path) < 0)
                (void)kt_remove_tree(AT_FDCWD, d->path);
        kt_closep(&d->dir_fd);
        free(d->path);
        free(d->state_path);
        free(d);
}

/* It was on its way when QEMU said that it was saved. -ETIMEDOUT. */
static int wait_for_state(const struct template_draft *d)
{
        _cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        char events[4096];
        struct pollfd p = {.fd = fd, .events = POLLIN};

        /* Watched before it is looked for: it cannot come in between. */
        if (fd < 0 || inotify_add_watch(fd, d->path, IN_MOVED_TO) < 0)
                return -errno;
        while (access(d->state_path, F_OK) < 0) {
                if (errno != ENOENT)
                        return -errno;
                if (poll(&p, 1, STATE_TIMEOUT_MS) == 0)
                        return -ETIMEDOUT;
                (void)!read(fd, events, sizeof(events));
        }
        return 0;
}

static int describe_files(struct template_draft *d, const struct shape *s, struct json_object *meta)
{
        _cleanup_close_ int state_fd = -1;
        struct json_object *memory = json_object_new_array();
        char hash[KT_SHA256_HEX_SIZE];
        struct stat st;
        int r;

        kt_json_add(meta, "memory_sha256", memory);
        for (unsigned i = 0; i < d->n_nodes; i++) {
                r = hash_memory(d->memory_fds[i], (off_t)s->layout.node_size[i], hash);
                if (r < 0)
                        return r;
                json_object_array_add(memory, json_object_new_string(hash));
        }
        r = wait_for_state(d);
        if (r < 0)
                return r;
        state_fd = open(d->state_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (state_fd < 0 || fchmod(state_fd, 0600) < 0 || fstat(state_fd, &st) < 0)
                return -errno;
        if (st.st_size == 0 || st.st_size > STATE_MAX)
                return -EBADMSG;
        r = kt_sha256_fd(state_fd, hash);
        kt_json_add_int(meta, "state_size", st.st_size);
        kt_json_add_str(meta, "state_sha256", hash);
        return r;
}

static int write_metadata(struct template_draft *d, const struct shape *s,
                          const struct template_facts *facts)
{
        _cleanup_json_ struct json_object *meta = json_object_new_object();
        struct timespec now;
        const char *text;
        int r;

        clock_gettime(CLOCK_REALTIME, &now);
        kt_json_add_int(meta, "format", FORMAT);
        kt_json_add_str(meta, "key", s->key);
        kt_json_add_str(meta, "shape", s->text);
        kt_json_add_str(meta, "kernel", s->kernel->key);
        kt_json_add_int(meta, "built_us", (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
        kt_json_add_int(meta, "build_ms", facts->build_ms);
        kt_json_add_int(meta, "boot_ms", facts->boot_ms);
        if (facts->mailbox_error)
                kt_json_add_str(meta, "mailbox_error", facts->mailbox_error);
        r = describe_files(d, s, meta);
        if (r < 0)
                return r;
        text = json_object_to_json_string_ext(meta, JSON_C_TO_STRING_PRETTY);
        return text ? kt_publish_file(d->dir_fd, "metadata.json", text, strlen(text), 0600) : -ENOMEM;
}

static int give_name(const char *root, struct template_draft *d, const struct shape *s)
{
        _cleanup_close_ int root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = kt_fsync_tree(d->dir_fd);

        if (r < 0)
                return r;
        if (root_fd < 0 || renameat(AT_FDCWD, d->path, root_fd, s->key) < 0)
                return -errno;
        d->path[0] = '\0'; /* it is no draft any more */
        return fsync(root_fd) < 0 ? -errno : 0;
}

static bool is_taken(int r)
{
        return r == -EEXIST || r == -ENOTEMPTY || r == -ENOTDIR;
}

int template_publish(const char *root, struct template_draft *draft, const struct shape *s,
                     const struct template_facts *facts, struct template **ret, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = write_metadata(draft, s, facts);

        if (r == -EBADMSG)
                return kt_error_set(reterr, r, KT_E_IO,
                                    "QEMU wrote no usable device state for the template in %s", root);
        if (r >= 0)
                r = give_name(root, draft, s);
        /* Another was first. If that is no good it is gone when this returns, and ours takes its place. */
        if (is_taken(r)) {
                r = template_open(root, s, ret, &err);
                if (r >= 0)
                        return 0;
                kt_log_warning("a template of %s that was there already is no good: %s", s->text,
                               r == -ENOENT ? "it is gone" : kt_error_text(&err));
                r = give_name(root, draft, s);
        }
        if (r < 0 && !is_taken(r))
                return kt_error_set(reterr, r, KT_E_IO, "cannot write the template into %s: %s", root,
                                    strerror(-r));
        r = template_open(root, s, ret, reterr);
        return r != -ENOENT ? r
                            : kt_error_set(reterr, r, KT_E_IO,
                                           "the template in %s was removed as soon as it was there", root);
}
