/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Frames as a guest may send them, the first byte being the size of the pieces, and a mailbox's header. */

#include <assert.h>

#include "../../proto/frame.h"
#include "../../proto/mailbox.h"
#include "fuzz.h"

static void decode_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
        struct kt_frame_decoder d;
        struct kt_frame frame;
        int r = 0;

        kt_frame_decoder_init(&d);
        while (size > 0 && r >= 0) {
                size_t n = size < piece ? size : piece;

                assert(kt_frame_decoder_feed(&d, data, n) == 0);
                while ((r = kt_frame_decoder_next(&d, &frame)) > 0) {
                        uint8_t header[KT_FRAME_HEADER_SIZE];

                        assert(frame.size <= kt_frame_payload_max(frame.type));
                        /* Reads the whole payload. */
                        kt_frame_header(header, frame.type, frame.payload, frame.size);
                }
                data += n;
                size -= n;
        }
        if (r < 0)
                assert(kt_frame_decoder_feed(&d, "", 1) == r && kt_frame_decoder_next(&d, &frame) == r);
        kt_frame_decoder_done(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint64_t frames;
        uint32_t flags;

        if (size == 0)
                return 0;
        decode_in_pieces(data + 1, size - 1, data[0] ?: 256);
        if (size >= KT_MAILBOX_HEADER_SIZE && kt_mailbox_parse(data, 4096, &frames, &flags) > 0)
                assert(frames <= 4096 - KT_MAILBOX_HEADER_SIZE);
        return 0;
}
