/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cgroups that the kernel does not come to. They are folders of an ordinary file system here. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/body/define.h"
#include "../../lib/body/judge.h"
#include "unit.h"

#define PATIENCE_MS 60000

static const struct ktstr_scenario empty;

struct fixture {
        struct unit_dir dir;
        struct ktstr_body b;
        struct run r;
        char *fifo;
};

/* The writer hangs at a pipe that nobody reads, as in a kernel that waits for a lock. */
static void set_up(struct fixture *f)
{
        *f = (struct fixture){.dir = unit_dir_new(), .b = {.talk = {.fd = -1}}};
        f->r = (struct run){.b = &f->b, .scenario = &empty};
        kt_list_init(&f->b.talk.watches);
        kt_list_init(&f->b.groups);
        kt_list_init(&f->b.payloads);
        ck_assert_int_eq(judge_begin(&f->b, &empty, NULL), 0);
        f->b.cgroup_parent = strdup(f->dir.path);
        f->b.sysfs_writer = sysfs_writer_new(&f->b.talk);
        ck_assert_ptr_nonnull(f->b.sysfs_writer);
        f->fifo = kt_path_join(f->dir.path, "fifo");
        ck_assert_int_eq(mkfifo(f->fifo, 0600), 0);
        ck_assert_int_eq(sysfs_writer_write(f->b.sysfs_writer, f->fifo, "x", 1), -ETIMEDOUT);
}

/* It hangs no longer while the descriptor is open, and is waited for however slow it is. */
static int let_go(struct fixture *f)
{
        int fd = open(f->fifo, O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        sysfs_writer_set_patience(f->b.sysfs_writer, PATIENCE_MS);
        return fd;
}

static void tear_down(struct fixture *f)
{
        kt_list_for_each_safe (it, &f->b.groups)
                group_free(kt_list_entry(it, struct group, link));
        kt_workload_done(&f->b.workload);
        sysfs_writer_free(f->b.sysfs_writer);
        free(f->b.cgroup_parent);
        free(f->fifo);
        unit_dir_done(&f->dir);
}

START_TEST(what_is_made_too_late_is_removed)
{
        const struct ktstr_cgroup def = {.name = "late"};
        struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *dir = NULL;
        struct fixture f;
        struct group *g;
        int fd;

        set_up(&f);
        ck_assert_int_eq(define_cgroups(&f.r, &def, 1, &err), -ETIMEDOUT);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "late: the kernel does not come to it"));
        kt_error_done(&err);
        g = group_find(&f.b.groups, "late");
        ck_assert_ptr_nonnull(g);
        /* It comes to it now, and goes on with what else is to be done. */
        dir = kt_path_join(f.dir.path, "late");
        ck_assert_int_eq(mkdir(dir, 0755), 0);
        fd = let_go(&f);
        g->going = true;
        ck_assert_int_eq(remove_groups(&f.r, NULL), 0);
        ck_assert_int_lt(access(dir, F_OK), 0);
        close(fd);
        tear_down(&f);
}
END_TEST

START_TEST(what_was_never_made_is_none_to_remove)
{
        const struct ktstr_cgroup def = {.name = "never"};
        struct fixture f;
        int fd;

        set_up(&f);
        ck_assert_int_eq(define_cgroups(&f.r, &def, 1, NULL), -ETIMEDOUT);
        fd = let_go(&f);
        group_find(&f.b.groups, "never")->going = true;
        ck_assert_int_eq(remove_groups(&f.r, NULL), 0);
        close(fd);
        tear_down(&f);
}
END_TEST

UNIT_MAIN("define", what_is_made_too_late_is_removed, what_was_never_made_is_none_to_remove)
