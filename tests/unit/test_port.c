/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/socket.h>
#include <unistd.h>

#include "../../common/fsutil.h"
#include "../../daemon/port.h"
#include "../../proto/errors.h"
#include "../lib/loop_test.h"
#include "../lib/suite.h"

struct fixture {
        struct loop_test t;
        int peer;
        struct port *port;
        uint32_t stop_at_type;

        unsigned frames, eofs, failed, closed, written;
        uint32_t last_type, last_size;
        uint64_t bytes;
        int error, write_status;
        char name[64];
};

static struct fixture f;

static void on_frame(void *userdata, const struct kt_frame *frame)
{
        f.frames++;
        f.last_type = frame->type;
        f.last_size = frame->size;
        f.bytes += frame->size;
        if (frame->type == f.stop_at_type)
                port_stop(f.port);
}

static void on_eof(void *userdata)
{
        f.eofs++;
}

static void on_failed(void *userdata, const struct kt_error *err)
{
        f.failed++;
        f.error = err->num;
        snprintf(f.name, sizeof(f.name), "%s", err->name);
}

static void on_closed(void *userdata)
{
        ck_assert_ptr_eq(userdata, &f);
        f.closed++;
        f.port = NULL;
}

static void on_written(void *userdata, int status)
{
        f.written++;
        f.write_status = status;
}

static const struct port_ops ops = {on_frame, on_eof, on_failed, on_closed};

static void setup(void)
{
        int pair[2];

        memset(&f, 0, sizeof(f));
        loop_test_begin(&f.t, 50000);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        f.peer = pair[1];
        ck_assert_int_eq(port_start(&f.t.loop, pair[0], &ops, &f, &f.port, NULL), 0);
}

static void teardown(void)
{
        if (f.port)
                port_stop(f.port);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.closed, 1);
        if (f.peer >= 0)
                close(f.peer);
        loop_test_end(&f.t);
}

static void hang_up(void)
{
        close(f.peer);
        f.peer = -1;
}

static size_t put_frame(uint8_t *at, uint32_t type, const char *payload)
{
        const size_t size = strlen(payload);

        kt_frame_header(at, type, payload, (uint32_t)size);
        memcpy(at + KT_FRAME_HEADER_SIZE, payload, size);
        return KT_FRAME_HEADER_SIZE + size;
}

static void say_frame(uint32_t type, const char *payload)
{
        uint8_t buf[256];

        ck_assert_int_eq(kt_write_all(f.peer, buf, put_frame(buf, type, payload)), 0);
}

static void run_until(const unsigned *counter, unsigned n)
{
        while (*counter < n)
                ck_assert(uv_run(&f.t.loop, UV_RUN_ONCE) != 0 || *counter >= n);
}

START_TEST(frames_come_however_they_are_cut)
{
        uint8_t buf[256];
        size_t size = put_frame(buf, 1, "one");

        size += put_frame(buf + size, 2, "three");
        for (size_t i = 0; i < size; i++) {
                ck_assert_int_eq(kt_write_all(f.peer, buf + i, 1), 0);
                uv_run(&f.t.loop, UV_RUN_NOWAIT);
        }
        run_until(&f.frames, 2);
        ck_assert_uint_eq(f.last_type, 2);
        ck_assert_uint_eq(f.last_size, 5);
}
END_TEST

START_TEST(what_was_sent_before_the_end_comes_before_the_end)
{
        say_frame(1, "last words");
        hang_up();
        run_until(&f.eofs, 1);
        ck_assert_uint_eq(f.frames, 1);
        ck_assert_uint_eq(f.failed, 0);
}
END_TEST

START_TEST(garbage_fails_it_once)
{
        ck_assert_int_eq(kt_write_all(f.peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27), 0);
        run_until(&f.failed, 1);
        ck_assert_int_eq(f.error, -EBADMSG);
        ck_assert_str_eq(f.name, KT_E_GUEST_PROTOCOL);
        say_frame(1, "too late");
        hang_up();
        uv_run(&f.t.loop, UV_RUN_NOWAIT);
        ck_assert_uint_eq(f.failed, 1);
        ck_assert_uint_eq(f.frames + f.eofs, 0);
}
END_TEST

START_TEST(a_wrong_checksum_fails_it)
{
        uint8_t buf[64];
        const size_t size = put_frame(buf, 1, "text");

        buf[size - 1] ^= 1;
        ck_assert_int_eq(kt_write_all(f.peer, buf, size), 0);
        run_until(&f.failed, 1);
        ck_assert_int_eq(f.error, -EBADMSG);
}
END_TEST

START_TEST(stop_from_a_frame_drops_the_rest)
{
        f.stop_at_type = 2;
        say_frame(1, "a");
        say_frame(2, "b");
        say_frame(3, "c");
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.frames, 2);
        ck_assert_uint_eq(f.closed, 1);
}
END_TEST

START_TEST(what_is_sent_arrives_in_order)
{
        struct kt_frame_decoder decoder;
        struct kt_frame frame;
        uint8_t buf[256];
        ssize_t n;

        ck_assert_int_eq(port_send(f.port, 20, NULL, 0), 0);
        ck_assert_int_eq(port_write(f.port,
                                    memcpy(malloc(put_frame(buf, 21, "in")), buf, KT_FRAME_HEADER_SIZE + 2),
                                    KT_FRAME_HEADER_SIZE + 2, on_written),
                         0);
        run_until(&f.written, 1);
        ck_assert_int_eq(f.write_status, 0);
        ck_assert_uint_eq(port_queued(f.port), 0);
        kt_frame_decoder_init(&decoder);
        n = read(f.peer, buf, sizeof(buf));
        ck_assert_int_eq(n, 2 * KT_FRAME_HEADER_SIZE + 2);
        ck_assert_int_eq(kt_frame_decoder_feed(&decoder, buf, (size_t)n), 0);
        ck_assert_int_eq(kt_frame_decoder_next(&decoder, &frame), 1);
        ck_assert_uint_eq(frame.type, 20);
        ck_assert_int_eq(kt_frame_decoder_next(&decoder, &frame), 1);
        ck_assert_uint_eq(frame.type, 21);
        kt_frame_decoder_done(&decoder);
}
END_TEST

START_TEST(a_write_that_waits_is_told_of_the_stop)
{
        const size_t size = 8 << 20;

        ck_assert_int_eq(port_write(f.port, calloc(1, size), size, on_written), 0);
        ck_assert_uint_gt(port_queued(f.port), 0);
        port_stop(f.port);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.written, 1);
        ck_assert_int_eq(f.write_status, UV_ECANCELED);
}
END_TEST

START_TEST(a_closed_port_drops_what_is_sent)
{
        hang_up();
        run_until(&f.eofs, 1);
        ck_assert_int_eq(port_send(f.port, 20, "x", 1), 0);
        ck_assert_int_eq(port_write(f.port, malloc(1), 1, on_written), -EPIPE);
        ck_assert_uint_eq(f.written, 0);
}
END_TEST

/* A peer on a thread that sends as fast as it is let. */
static void flood(void *arg)
{
        const bool large = *(const bool *)arg;
        static uint8_t payload[256 * 1024];
        uint8_t header[KT_FRAME_HEADER_SIZE];
        const uint32_t size = large ? sizeof(payload) : 0;

        kt_frame_header(header, 2, payload, size);
        while (send(f.peer, header, sizeof(header), MSG_NOSIGNAL) > 0 &&
               (size == 0 || send(f.peer, payload, size, MSG_NOSIGNAL) > 0))
                ;
}

START_TEST(a_flood_is_held_to_its_rate)
{
        bool large = _i == 0;
        const uint64_t started_ms = uv_now(&f.t.loop);
        uint64_t took_ms, allowed;
        uv_thread_t thread;

        uv_update_time(&f.t.loop);
        ck_assert_int_eq(uv_thread_create(&thread, flood, &large), 0);
        /* Who floods may be kept from its CPU for as long as it likes. */
        while (uv_now(&f.t.loop) - started_ms < 500 || f.frames <= 10)
                uv_run(&f.t.loop, UV_RUN_ONCE);
        took_ms = uv_now(&f.t.loop) - started_ms;
        port_stop(f.port);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        uv_thread_join(&thread);

        /* One window and one read may come on top, once and not with each window. */
        allowed = large ? PORT_BYTES_PER_SECOND : PORT_FRAMES_PER_SECOND;
        allowed = allowed * (took_ms + 60) / 1000 + (large ? 128 << 10 : 4096);
        ck_assert_uint_le(large ? f.bytes : f.frames, allowed);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("port");
        TCase *c = tcase_create("port");

        tcase_add_checked_fixture(c, setup, teardown);
        tcase_set_timeout(c, 60);
        tcase_add_test(c, frames_come_however_they_are_cut);
        tcase_add_test(c, what_was_sent_before_the_end_comes_before_the_end);
        tcase_add_test(c, garbage_fails_it_once);
        tcase_add_test(c, a_wrong_checksum_fails_it);
        tcase_add_test(c, stop_from_a_frame_drops_the_rest);
        tcase_add_test(c, what_is_sent_arrives_in_order);
        tcase_add_test(c, a_write_that_waits_is_told_of_the_stop);
        tcase_add_test(c, a_closed_port_drops_what_is_sent);
        tcase_add_loop_test(c, a_flood_is_held_to_its_rate, 0, 2);
        suite_add_tcase(s, c);
        return suite_run(s);
}
