/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "../../daemon/userland.h"
#include "../../proto/errors.h"
#include "../../proto/guestmsg.h"
#include "unit.h"

static const struct userland_file *find(const struct userland *u, const char *name)
{
        for (size_t i = 0; i < u->n; i++)
                if (strcmp(u->files[i].name, name) == 0)
                        return &u->files[i];
        return NULL;
}

START_TEST(without_a_rehearsal_it_is_agent_and_busybox)
{
        const struct config config = {.agent_path = (char *)"/x/agent",
                                      .busybox_path = (char *)"/x/busybox"};
        struct userland u;

        ck_assert_int_eq(userland_find(&config, &u, NULL), 0);
        ck_assert_uint_eq(u.n, 2);
        ck_assert_str_eq(u.files[0].path, "/x/agent");
        ck_assert_str_eq(u.files[0].name, "init");
        ck_assert_str_eq(u.files[1].path, "/x/busybox");
        ck_assert_str_eq(u.files[1].name, "bin/busybox");
        userland_done(&u);
}
END_TEST

/* This program stands for it: what it is linked with has the place that a job's libraries have. */
START_TEST(a_rehearsal_has_its_libraries_with_it)
{
        char self[PATH_MAX] = "";
        const struct config config = {.agent_path = (char *)"/x/agent", .rehearsal_path = self};
        const struct userland_file *libc;
        struct userland u;

        ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
        ck_assert_int_eq(userland_find(&config, &u, NULL), 0);
        ck_assert_ptr_nonnull(find(&u, KT_GUEST_REHEARSAL + 1));
        ck_assert_str_eq(find(&u, KT_GUEST_REHEARSAL + 1)->path, self);
        ck_assert_ptr_nonnull(find(&u, "lib64/ld-linux-x86-64.so.2"));
        libc = find(&u, "ktstr/lib/libc.so.6");
        ck_assert_ptr_nonnull(libc);
        ck_assert_int_eq(libc->path[0], '/');
        ck_assert_uint_eq(libc->mode, 0755);
        userland_done(&u);
}
END_TEST

START_TEST(one_that_cannot_be_read_is_told)
{
        const struct config config = {.agent_path = (char *)"/x/agent", .rehearsal_path = (char *)"/x/gone"};
        struct kt_error err = KT_ERROR_INIT;
        struct userland u;

        ck_assert_int_eq(userland_find(&config, &u, &err), -ENOENT);
        ck_assert_str_eq(err.name, KT_E_IO);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "/x/gone"));
        kt_error_done(&err);
        userland_done(&u);
}
END_TEST

UNIT_MAIN("userland", without_a_rehearsal_it_is_agent_and_busybox, a_rehearsal_has_its_libraries_with_it,
          one_that_cannot_be_read_is_told)
