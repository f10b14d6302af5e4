/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../proto/frame.h"
#include "unit.h"

static size_t make_frame(uint8_t *buf, uint32_t type, const void *payload, uint32_t size)
{
        kt_frame_header(buf, type, payload, size);
        if (size > 0)
                memcpy(buf + KT_FRAME_HEADER_SIZE, payload, size);
        return KT_FRAME_HEADER_SIZE + size;
}

static void expect_frame(struct kt_frame_decoder *d, uint32_t type, const void *payload, uint32_t size)
{
        struct kt_frame frame;

        ck_assert_int_eq(kt_frame_decoder_next(d, &frame), 1);
        ck_assert_uint_eq(frame.type, type);
        ck_assert_uint_eq(frame.size, size);
        ck_assert(memcmp(frame.payload, payload, size) == 0);
}

START_TEST(header_is_laid_out_as_documented)
{
        static const uint8_t expected[] = {
                'K',
                'T',
                'F',
                '1',
                2,
                0,
                0,
                0,
                5,
                0,
                0,
                0,
                /* CRC-32 of "hello" is 0x3610a686 */
                0x86,
                0xa6,
                0x10,
                0x36,
        };
        uint8_t header[KT_FRAME_HEADER_SIZE];

        kt_frame_header(header, KT_FRAME_EVENT, "hello", 5);
        ck_assert_mem_eq(header, expected, sizeof(expected));
}
END_TEST

START_TEST(frame_may_be_cut_anywhere)
{
        uint8_t stream[256];
        size_t size = make_frame(stream, KT_FRAME_HELLO, "{\"a\":1}", 7);

        size += make_frame(stream + size, KT_FRAME_GO, NULL, 0);
        for (size_t cut = 0; cut <= size; cut++) {
                struct kt_frame_decoder d;
                struct kt_frame frame;
                int seen = 0;

                kt_frame_decoder_init(&d);
                ck_assert_int_eq(kt_frame_decoder_feed(&d, stream, cut), 0);
                while (kt_frame_decoder_next(&d, &frame) > 0)
                        seen++;
                ck_assert_int_eq(kt_frame_decoder_feed(&d, stream + cut, size - cut), 0);
                while (kt_frame_decoder_next(&d, &frame) > 0)
                        seen++;
                ck_assert_int_eq(seen, 2);
                kt_frame_decoder_done(&d);
        }
}
END_TEST

START_TEST(bytes_one_by_one_give_the_same_frames)
{
        struct kt_frame_decoder d;
        struct kt_frame frame;
        uint8_t stream[64];
        size_t size = make_frame(stream, KT_FRAME_DATA, "payload", 7);

        kt_frame_decoder_init(&d);
        for (size_t i = 0; i + 1 < size; i++) {
                ck_assert_int_eq(kt_frame_decoder_feed(&d, stream + i, 1), 0);
                ck_assert_int_eq(kt_frame_decoder_next(&d, &frame), 0);
        }
        ck_assert_int_eq(kt_frame_decoder_feed(&d, stream + size - 1, 1), 0);
        expect_frame(&d, KT_FRAME_DATA, "payload", 7);
        ck_assert_int_eq(kt_frame_decoder_next(&d, &frame), 0);
        kt_frame_decoder_done(&d);
}
END_TEST

START_TEST(many_frames_in_one_read_come_in_order)
{
        _cleanup_free_ uint8_t *stream = malloc(1000 * 32);
        struct kt_frame_decoder d;
        struct kt_frame frame;
        size_t size = 0;

        for (uint32_t i = 0; i < 1000; i++)
                size += make_frame(stream + size, i, &i, sizeof(i));
        kt_frame_decoder_init(&d);
        ck_assert_int_eq(kt_frame_decoder_feed(&d, stream, size), 0);
        for (uint32_t i = 0; i < 1000; i++)
                expect_frame(&d, i, &i, sizeof(i));
        ck_assert_int_eq(kt_frame_decoder_next(&d, &frame), 0);
        kt_frame_decoder_done(&d);
}
END_TEST

START_TEST(memory_is_bounded_by_what_is_pending)
{
        struct kt_frame_decoder d;
        uint8_t stream[4096 + KT_FRAME_HEADER_SIZE];
        static const uint8_t payload[4096];
        size_t size = make_frame(stream, KT_FRAME_DATA, payload, sizeof(payload));

        kt_frame_decoder_init(&d);
        for (int i = 0; i < 1000; i++) {
                ck_assert_int_eq(kt_frame_decoder_feed(&d, stream, size), 0);
                expect_frame(&d, KT_FRAME_DATA, payload, sizeof(payload));
        }
        ck_assert_uint_le(d.allocated, 4 * sizeof(stream));
        kt_frame_decoder_done(&d);
}
END_TEST

static void expect_largest(uint32_t type, uint32_t max)
{
        _cleanup_free_ uint8_t *stream = malloc(KT_FRAME_HEADER_SIZE + max);
        _cleanup_free_ uint8_t *payload = malloc(max);
        struct kt_frame_decoder d;
        struct kt_frame frame;
        size_t size;

        memset(payload, 0x5a, max);
        size = make_frame(stream, type, payload, max);
        kt_frame_decoder_init(&d);
        ck_assert_int_eq(kt_frame_decoder_feed(&d, stream, size), 0);
        expect_frame(&d, type, payload, max);

        /* The header alone is enough to refuse. */
        stream[8] += 1;
        ck_assert_int_eq(kt_frame_decoder_feed(&d, stream, KT_FRAME_HEADER_SIZE), 0);
        ck_assert_int_eq(kt_frame_decoder_next(&d, &frame), -EMSGSIZE);
        kt_frame_decoder_done(&d);
}

START_TEST(largest_payload_passes_and_one_more_byte_does_not)
{
        expect_largest(KT_FRAME_DATA, KT_FRAME_PAYLOAD_MAX);
        expect_largest(KT_FRAME_OUTPUT, KT_FRAME_PAYLOAD_MAX);
        expect_largest(KT_FRAME_RESULT, KT_FRAME_RESULT_MAX);
}
END_TEST

static void expect_refused(size_t at, uint8_t flip)
{
        struct kt_frame_decoder d;
        struct kt_frame frame;
        uint8_t stream[64], good[64];
        size_t size = make_frame(stream, KT_FRAME_EVENT, "payload", 7);

        memcpy(good, stream, size);
        stream[at] ^= flip;
        kt_frame_decoder_init(&d);
        ck_assert_int_eq(kt_frame_decoder_feed(&d, stream, size), 0);
        ck_assert_int_eq(kt_frame_decoder_next(&d, &frame), -EBADMSG);

        /* And stays refused, whatever comes. */
        ck_assert_int_eq(kt_frame_decoder_feed(&d, good, size), -EBADMSG);
        ck_assert_int_eq(kt_frame_decoder_next(&d, &frame), -EBADMSG);
        kt_frame_decoder_done(&d);
}

START_TEST(damage_is_refused_for_good)
{
        expect_refused(0, 1);                           /* magic */
        expect_refused(12, 0x80);                       /* checksum */
        expect_refused(KT_FRAME_HEADER_SIZE, 1);        /* first byte of the payload */
        expect_refused(KT_FRAME_HEADER_SIZE + 6, 0x40); /* last */
        expect_refused(8, 1);                           /* size, now 6: the checksum is of 7 */
}
END_TEST

UNIT_MAIN("frame", header_is_laid_out_as_documented, frame_may_be_cut_anywhere,
          bytes_one_by_one_give_the_same_frames, many_frames_in_one_read_come_in_order,
          memory_is_bounded_by_what_is_pending, largest_payload_passes_and_one_more_byte_does_not,
          damage_is_refused_for_good)
