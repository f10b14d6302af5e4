/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "../../daemon/base64.h"
#include "../../daemon/pressure.h"
#include "../lib/loop_test.h"
#include "unit.h"

#define PSI_PATH "/proc/pressure/memory"
#define PSI_TRIGGER "some 200000 2000000"

/* A watch, what came of it, and a writer who says that there is pressure. */
struct scene {
        struct loop_test t;
        struct pressure *pressure;
        char *why;
        int writer;
        unsigned calls, stop_after, rounds;
        uint64_t called_at[8]; /* ms */
        void (*on_call)(struct scene *s);
};

static void on_pressure(void *userdata)
{
        struct scene *s = userdata;

        s->called_at[s->calls++] = uv_now(&s->t.loop);
        if (s->on_call)
                s->on_call(s);
        if (s->calls == s->stop_after)
                pressure_stop(s->pressure);
}

static void write_once(struct scene *s)
{
        ck_assert_int_eq(write(s->writer, "x", 1), 1);
}

/* text: what MEMORY_PRESSURE_WRITE says, NULL: nothing */
static void watch(struct scene *s, const char *path, const char *text)
{
        _cleanup_free_ char *encoded = text ? base64_encode(text, strlen(text) + 1) : NULL;

        unsetenv("MEMORY_PRESSURE_WATCH");
        unsetenv("MEMORY_PRESSURE_WRITE");
        if (path)
                setenv("MEMORY_PRESSURE_WATCH", path, 1);
        if (encoded)
                setenv("MEMORY_PRESSURE_WRITE", encoded, 1);
        ck_assert_int_eq(pressure_watch(&s->t.loop, on_pressure, s, &s->pressure, &s->why), 0);
        ck_assert((s->pressure == NULL) == (s->why != NULL));
}

static void watch_fifo(struct scene *s, const struct unit_dir *dir, const char *text)
{
        _cleanup_free_ char *path = kt_path_join(dir->path, "fifo");

        ck_assert_int_eq(mkfifo(path, 0600), 0);
        loop_test_begin(&s->t, 50000);
        watch(s, path, text);
        ck_assert_ptr_nonnull(s->pressure);
        s->writer = open(path, O_WRONLY | O_CLOEXEC);
        ck_assert_int_ge(s->writer, 0);
}

static void end(struct scene *s)
{
        uv_run(&s->t.loop, UV_RUN_DEFAULT);
        if (s->writer > 0)
                close(s->writer);
        loop_test_end(&s->t);
        free(s->why);
}

static void nothing_is_left(struct scene *s)
{
        int n = -1;

        ck_assert_int_eq(ioctl(s->writer, FIONREAD, &n), 0);
        ck_assert_int_eq(n, 0);
}

START_TEST(several_reports_are_one_call)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct scene s = {.stop_after = 1, .on_call = nothing_is_left};
        char much[20000] = "";

        watch_fifo(&s, &dir, NULL);
        write_once(&s);
        write_once(&s);
        ck_assert_int_eq(write(s.writer, much, sizeof(much)), sizeof(much));
        end(&s);
        ck_assert_uint_eq(s.calls, 1);
}
END_TEST

START_TEST(what_comes_meanwhile_comes_a_second_later)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct scene s = {.stop_after = 3, .on_call = write_once};

        watch_fifo(&s, &dir, NULL);
        write_once(&s);
        end(&s);
        ck_assert_uint_eq(s.calls, 3);
        ck_assert_uint_ge(s.called_at[1] - s.called_at[0], 1000);
        ck_assert_uint_ge(s.called_at[2] - s.called_at[1], 1000);
}
END_TEST

START_TEST(a_stopped_watch_says_nothing)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct scene s = {};

        watch_fifo(&s, &dir, NULL);
        write_once(&s);
        pressure_stop(s.pressure);
        pressure_stop(s.pressure);
        pressure_stop(NULL);
        end(&s);
        ck_assert_uint_eq(s.calls, 0);
}
END_TEST

static void on_idle(uv_idle_t *idle)
{
        struct scene *s = idle->data;

        /* A few rounds of the loop: a report that was there would have come. */
        if (s->rounds-- > 0)
                return;
        uv_close((uv_handle_t *)idle, NULL);
        pressure_stop(s->pressure);
}

START_TEST(what_is_written_to_a_fifo_is_no_report)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct scene s = {.rounds = 5};
        uv_idle_t idle;

        watch_fifo(&s, &dir, "hello");
        uv_idle_init(&s.t.loop, &idle);
        idle.data = &s;
        uv_idle_start(&idle, on_idle);
        end(&s);
        ck_assert_uint_eq(s.calls, 0);
}
END_TEST

static void hang_up(struct scene *s)
{
        close(s->writer);
        s->writer = -1;
}

START_TEST(a_socket_is_written_to_and_read_until_it_ends)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        struct scene s = {.on_call = hang_up};
        char text[16] = "";
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", dir.path);
        ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        ck_assert_int_eq(listen(listener, 1), 0);
        loop_test_begin(&s.t, 50000);
        watch(&s, address.sun_path, "hello");
        ck_assert_ptr_nonnull(s.pressure);
        s.writer = accept(listener, NULL, NULL);
        ck_assert_int_ge(s.writer, 0);
        ck_assert_int_eq(read(s.writer, text, sizeof(text)), 6);
        ck_assert_str_eq(text, "hello");
        write_once(&s);

        /* It returns once the watch has seen the end of the socket and has nothing to wait for. */
        uv_run(&s.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(s.calls, 1);
        pressure_stop(s.pressure);
        end(&s);
        close(listener);
}
END_TEST

START_TEST(what_cannot_be_watched_is_said)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_free_ char *plain = kt_path_join(dir.path, "plain"), *none = kt_path_join(dir.path, "none");
        const struct {
                const char *path, *word;
        } cases[] = {
                {"/dev/null", "MEMORY_PRESSURE_WATCH is /dev/null"},
                {"pressure", "no absolute path"},
                {none, none},
                {plain, "reports nothing"},
                {dir.path, "no file, FIFO or socket"},
                {"/dev/zero", "no file, FIFO or socket"},
        };

        ck_assert_int_eq(kt_publish_file(dir.fd, "plain", "", 0, 0600), 0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(cases); i++) {
                struct scene s = {};

                loop_test_begin(&s.t, 50000);
                watch(&s, cases[i].path, PSI_TRIGGER);
                ck_assert_msg(s.why && strstr(s.why, cases[i].word), "%s: %s", cases[i].path, s.why);
                end(&s);
        }
}
END_TEST

START_TEST(a_text_that_is_no_base64_is_said)
{
        struct scene s = {};

        loop_test_begin(&s.t, 50000);
        setenv("MEMORY_PRESSURE_WATCH", PSI_PATH, 1);
        setenv("MEMORY_PRESSURE_WRITE", "some 200000 2000000", 1);
        ck_assert_int_eq(pressure_watch(&s.t.loop, on_pressure, &s, &s.pressure, &s.why), 0);
        ck_assert_ptr_null(s.pressure);
        ck_assert_ptr_nonnull(strstr(s.why, "MEMORY_PRESSURE_WRITE is no Base64"));
        end(&s);
}
END_TEST

/* 0, or why the kernel does not let us. */
static int kernel_says(void)
{
        _cleanup_close_ int fd = open(PSI_PATH, O_RDWR | O_CLOEXEC);

        if (fd < 0)
                return errno;
        return write(fd, PSI_TRIGGER, sizeof(PSI_TRIGGER)) < 0 ? errno : 0;
}

START_TEST(the_kernel_is_watched_where_it_allows_it)
{
        const struct {
                const char *path, *text;
        } ways[] = {{NULL, NULL}, {"", NULL}, {PSI_PATH, PSI_TRIGGER}};
        int refused = kernel_says();

        for (size_t i = 0; i < KT_ARRAY_SIZE(ways); i++) {
                struct scene s = {};

                loop_test_begin(&s.t, 50000);
                watch(&s, ways[i].path, ways[i].text);
                if (refused)
                        ck_assert_msg(s.why && strstr(s.why, PSI_PATH) && strstr(s.why, strerror(refused)),
                                      "%s: %s", strerror(refused), s.why);
                else
                        ck_assert_msg(!s.why, "%s", s.why);
                pressure_stop(s.pressure);
                end(&s);
        }
}
END_TEST

START_TEST(the_kernel_has_to_be_told_when_to_report)
{
        struct scene s = {};

        loop_test_begin(&s.t, 50000);
        watch(&s, PSI_PATH, NULL);
        ck_assert_ptr_nonnull(s.why);
        if (kernel_says() == 0)
                ck_assert_ptr_nonnull(strstr(s.why, "was not told when to report"));
        end(&s);
}
END_TEST

UNIT_MAIN("pressure", several_reports_are_one_call, what_comes_meanwhile_comes_a_second_later,
          a_stopped_watch_says_nothing, what_is_written_to_a_fifo_is_no_report,
          a_socket_is_written_to_and_read_until_it_ends, what_cannot_be_watched_is_said,
          a_text_that_is_no_base64_is_said, the_kernel_is_watched_where_it_allows_it,
          the_kernel_has_to_be_told_when_to_report)
