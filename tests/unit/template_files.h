/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A folder for templates, a shape of two nodes that no machine has, and templates of it that nothing wakes
 * from. */

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../daemon/template.h"
#include "unit.h"

#define TEMPLATE_WORDS "words in the guest's memory"
#define TEMPLATE_STATE "the state of its devices"

/* Where they stand: at both ends, and across a megabyte's edge. The rest are holes. */
static const struct {
        unsigned node;
        off_t offset;
} template_words[] = {
        {0, 0}, {0, (1 << 20) - 10}, {0, (16 << 20) - (off_t)sizeof(TEMPLATE_WORDS)}, {1, 0}, {1, 3 << 20},
};

struct template_files {
        struct unit_dir dir;
        char *root;
        struct kernel kernel;
        struct shape shape;
};

static inline void template_files_init(struct template_files *f)
{
        *f = (struct template_files){.dir = unit_dir_new()};
        f->root = kt_path_join(f->dir.path, "templates");
        f->kernel = (struct kernel){.key = "6.99.0"};
        f->shape =
                (struct shape){.refs = 1,
                               .topology = {2, 2, 1, 1},
                               .memory_mib = 24,
                               .kernel = &f->kernel,
                               .layout = {.size = 24 << 20, .n_nodes = 2, .node_size = {16 << 20, 8 << 20}},
                               .text = "6.99.0/2n2l1c1t/24M/tcg"};
        memset(f->shape.key, 'a', SHAPE_KEY_SIZE - 1);
        ck_assert_int_eq(template_root_open(f->root, NULL), 0);
}

static inline void template_files_done(struct template_files *f)
{
        free(f->root);
        unit_dir_done(&f->dir);
}

static inline void template_files_write(const char *path, const void *data, size_t size)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(kt_write_all(fd, data, size), 0);
        close(fd);
}

/* What a guest has left before it is published. */
static inline struct template_draft *template_files_draft(struct template_files *f)
{
        struct template_draft *d = NULL;

        ck_assert_int_eq(template_draft_new(f->root, &f->shape, &d, NULL), 0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(template_words); i++)
                ck_assert_int_eq(kt_pwrite_all(d->memory_fds[template_words[i].node], TEMPLATE_WORDS,
                                               sizeof(TEMPLATE_WORDS), (uint64_t)template_words[i].offset),
                                 0);
        template_files_write(d->state_path, TEMPLATE_STATE, strlen(TEMPLATE_STATE));
        return d;
}

/* facts: or NULL. The draft stays. */
static inline struct template *template_files_publish(struct template_files *f, struct template_draft *d,
                                                      const struct template_facts *facts)
{
        struct kt_error err = KT_ERROR_INIT;
        struct template *t = NULL;

        ck_assert_msg(
                template_publish(f->root, d, &f->shape, facts ?: &(struct template_facts){}, &t, &err) == 0,
                "%s", kt_error_text(&err));
        return t;
}

/* A file of the template; "": its folder. Malloced. */
static inline char *template_files_path(const struct template_files *f, const char *name)
{
        return kt_format("%s/%s%s%s", f->root, f->shape.key, *name ? "/" : "", name);
}

static inline int template_files_open(const struct template_files *f, const char *name)
{
        _cleanup_free_ char *path = template_files_path(f, name);
        int fd = open(path, O_RDWR | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* Until who changes one of its files leaves another time on it: the kernel's clock for that goes in steps of
 * up to 10 ms. */
static inline void template_files_age(const struct template_files *f)
{
        static const char *const names[] = {"state", "memory-0", "memory-1"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(names); i++) {
                _cleanup_free_ char *path = template_files_path(f, names[i]);
                struct timespec now;
                struct stat st;

                ck_assert_int_eq(stat(path, &st), 0);
                do
                        clock_gettime(CLOCK_REALTIME_COARSE, &now);
                while (now.tv_sec < st.st_ctim.tv_sec ||
                       (now.tv_sec == st.st_ctim.tv_sec && now.tv_nsec <= st.st_ctim.tv_nsec));
        }
}

/* All that is in the root, hidden or not. */
static inline unsigned template_files_count(const struct template_files *f)
{
        _cleanup_closedir_ DIR *dir = opendir(f->root);
        unsigned n = 0;

        ck_assert_ptr_nonnull(dir);
        for (struct dirent *e; (e = readdir(dir));)
                n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        return n;
}
