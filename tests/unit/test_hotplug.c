/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPUs that go: what is to be put back. The CPU is one that no machine has, so that none goes here. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../lib/body/hotplug.h"
#include "unit.h"

#define CPU (KTSTR_CPUS_MAX - 1)
#define PATIENCE_MS 60000 /* however slow what is waited for may be */

static struct ktstr_body b = {.talk = {.fd = -1}};
static struct run r = {.b = &b};

static void set_up(void)
{
        ktstr_cpus_add(&b.topo.all, CPU);
        kt_list_init(&b.groups);
        kt_list_init(&b.talk.watches);
        b.sysfs_writer = sysfs_writer_new(&b.talk);
        ck_assert_ptr_nonnull(b.sysfs_writer);
}

START_TEST(what_the_kernel_refuses_is_not_away)
{
        set_up();
        sysfs_writer_set_patience(b.sysfs_writer, PATIENCE_MS);
        ck_assert_int_eq(hotplug_offline(&r, CPU, NULL), -ENOENT);
        ck_assert_uint_eq(ktstr_cpus_count(&r.offline), 0);
        ck_assert_int_eq(hotplug_restore(&r, NULL), 0);
        sysfs_writer_free(b.sysfs_writer);
}
END_TEST

START_TEST(what_the_kernel_does_not_come_to_is_put_back)
{
        char dir[] = "/tmp/ktstr-hotplug-XXXXXX", *path;
        int fd;

        set_up();
        ck_assert_ptr_nonnull(mkdtemp(dir));
        path = kt_format("%s/fifo", dir);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        /* Nobody reads: it hangs, as in a kernel that waits for a CPU. */
        ck_assert_int_eq(sysfs_writer_write(b.sysfs_writer, path, "x", 1), -ETIMEDOUT);
        ck_assert_int_eq(hotplug_offline(&r, CPU, NULL), -ETIMEDOUT);
        ck_assert(ktstr_cpus_has(&r.offline, CPU));
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        sysfs_writer_set_patience(b.sysfs_writer, PATIENCE_MS);
        /* It is tried, and this machine says what it thinks of that. */
        ck_assert_int_eq(hotplug_restore(&r, NULL), -ENOENT);
        close(fd);
        unlink(path);
        rmdir(dir);
        free(path);
        sysfs_writer_free(b.sysfs_writer);
}
END_TEST

UNIT_MAIN("hotplug", what_the_kernel_refuses_is_not_away, what_the_kernel_does_not_come_to_is_put_back)
