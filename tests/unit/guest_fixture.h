/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A guest of the fake QEMU and what came of it, for tests of what guests do. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../daemon/guest_internal.h"
#include "../lib/loop_test.h"

#define MIB (1ULL << 20)
#define RUN_JOB                                                                                             \
        "{\"job\":\"j1\",\"kind\":\"run\",\"wall_ns\":1,\"run\":{\"scenario\":\"steady\",\"duration_ms\":"  \
        "1000,\"workers\":2,"                                                                               \
        "\"watchdog_ms\":5000,\"sched\":{\"name\":\"x\",\"argv\":[\"/ktstr/bin/x\"]}}}"

struct fixture {
        struct loop_test t;
        char dir[32]; /* run_dir */
        char *kernel_path, *initramfs_path, *log_path, *console_path;
        struct kernel kernel;
        struct shape shape;
        struct guest_params params;
        struct guest_ops ops;
        struct guest *guest;

        const struct guest_item *items; /* NULL: the job alone */
        size_t n_items;
        uint32_t stop_at_frame; /* guest_stop() when a frame of this type comes */
        bool stop_when_paused, cancel_when_running;

        unsigned paused, gone, frames[32];
        enum guest_end end;
        char message[512], name[64];
        char *tail;
        char *note;
        size_t output_bytes, console_bytes;
        uint64_t boot_us;
        const struct guest_cpus *confine; /* to be done when it is paused */
        bool kill_before;                 /* it has died by then, of which the loop has not heard */
        /* then: */
        int confine_r;
        char confine_error[256], cpus_of[3][64]; /* those of vCPU 0, vCPU 1, and of all else */
        int run_delay_r;
        /* by its own account when it was paused, between what /proc has of QEMU's one thread */
        uint64_t run_delay_ns[TOPOLOGY_CPUS_MAX], thread_delay_ns[2];
        unsigned n_run_delays;
        char version[32];
};

static struct fixture f;

static inline char *in_dir(const char *name)
{
        return kt_path_join(f.dir, name);
}

static inline void write_file(const char *path, const void *data, size_t size)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(kt_write_all(fd, data, size), 0);
        close(fd);
}

static inline void on_frame(void *userdata, const struct kt_frame *frame)
{
        ck_assert_uint_lt(frame->type, 32);
        f.frames[frame->type]++;
        if (frame->type == KT_FRAME_HELLO) {
                f.boot_us = guest_boot_us(f.guest);
                free(f.note);
                f.note = guest_note(f.guest) ? strdup(guest_note(f.guest)) : NULL;
                if (f.cancel_when_running) {
                        guest_send(f.guest, KT_FRAME_CANCEL, NULL, 0);
                        ck_assert_uint_gt(guest_queued(f.guest) + 1, 0);
                }
        }
        if (frame->type == KT_FRAME_OUTPUT)
                f.output_bytes += frame->size;
        if (frame->type == KT_FRAME_RESULT)
                guest_expect_poweroff(f.guest);
        if (frame->type == f.stop_at_frame)
                guest_stop(f.guest);
}

static inline void on_console(void *userdata, const char *data, size_t size)
{
        f.console_bytes += size;
}

static inline void on_gone(void *userdata, enum guest_end end, const struct kt_error *err)
{
        f.gone++;
        f.end = end;
        snprintf(f.message, sizeof(f.message), "%s", err ? kt_error_text(err) : "");
        snprintf(f.name, sizeof(f.name), "%s", err ? err->name : "");
        free(f.tail);
        f.tail = guest_console_tail(f.guest, 3);
        f.guest = NULL;
}

/* mailbox: whether the guest's kernel has one to give. */
static inline void lay_out(bool mailbox)
{
        ck_assert_int_eq(memory_layout_make(&f.shape.topology, f.shape.memory_mib, 70 * MIB, 0, mailbox,
                                            &f.shape.layout, NULL),
                         0);
}

static inline void setup_guest(void (*on_paused)(void *userdata))
{
        memset(&f, 0, sizeof(f));
        strcpy(f.dir, "/tmp/ktstr-guest-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(f.dir));
        f.kernel_path = in_dir("vmlinux");
        f.initramfs_path = in_dir("initramfs");
        f.log_path = in_dir("log");
        f.console_path = in_dir("console");
        write_file(f.kernel_path, "", 0);
        write_file(f.initramfs_path, "", 0);
        setenv("FAKE_QEMU_LOG", f.log_path, 1);
        f.kernel = (struct kernel){.image_path = f.kernel_path};
        f.shape = (struct shape){.topology = {1, 1, 2, 1},
                                 .memory_mib = 256,
                                 .accel = ACCEL_TCG,
                                 .kernel = &f.kernel,
                                 .initramfs_path = f.initramfs_path};
        lay_out(true);
        f.params = (struct guest_params){
                .shape = &f.shape,
                .origin = GUEST_ORIGIN_BOOT,
                .qemu_path = KT_TEST_FAKE_QEMU,
                .exec_helper = KT_TEST_EXEC_HELPER,
                .run_dir = f.dir,
                .id = "j1",
                .boot_timeout_ms = 60000,
                .console_path = f.console_path,
        };
        f.ops = (struct guest_ops){
                .on_paused = on_paused, .on_frame = on_frame, .on_console = on_console, .on_gone = on_gone};
        loop_test_begin(&f.t, 60000);
}

static inline bool exists(const char *name)
{
        _cleanup_free_ char *path = in_dir(name);

        return access(path, F_OK) == 0;
}

static inline void teardown_guest(void)
{
        loop_test_end(&f.t);
        ck_assert(!exists("guest-j1"));
        ck_assert_int_eq(kt_remove_tree(AT_FDCWD, f.dir), 0);
        free(f.kernel_path);
        free(f.initramfs_path);
        free(f.log_path);
        free(f.console_path);
        free(f.tail);
        free(f.note);
}

static inline void start(const char *script)
{
        struct kt_error err = KT_ERROR_INIT;

        setenv("FAKE_QEMU_SCRIPT", script, 1);
        ck_assert_int_eq(guest_start(&f.t.loop, &f.params, &f.ops, &f, &f.guest, &err), 0);
        ck_assert_int_gt(guest_pid(f.guest), 0);
        ck_assert(exists("guest-j1/pid"));
}

static inline void run(const char *script)
{
        start(script);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.gone, 1);
}

/* The guest's time for what it is at is over. */
static inline void let_time_pass(void)
{
        guest_start_timer(f.guest, f.guest->time_over, 0);
}

static inline void expect_end(enum guest_end end, const char *name, const char *part_of_message)
{
        ck_assert_msg(f.end == end, "end is %d, not %d: %s", (int)f.end, (int)end, f.message);
        ck_assert_str_eq(f.name, name);
        ck_assert_msg(strstr(f.message, part_of_message) != NULL, "'%s' is not in: %s", part_of_message,
                      f.message);
}

static inline char *read_log(void)
{
        size_t size;
        char *text;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, f.log_path, 64 * 1024, &text, &size), 0);
        return text;
}
