/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The wire: the first byte says in pieces of which size the others arrive. */

#include <assert.h>

#include "../../proto/codec.h"
#include "fuzz.h"

/* What was taken must survive being sent. */
static void send_back(struct json_object *json)
{
        struct json_object *again = NULL;
        struct kt_wire_reply reply;
        struct kt_wire_call call;
        size_t size;
        char *text;

        assert(kt_wire_encode(json, '\0', &text, &size) == 0);
        assert(kt_json_parse(text, size - 1, &again, NULL) == 0);
        assert(json_object_equal(json, again));
        kt_wire_parse_call(json, &call, NULL);
        kt_wire_parse_reply(json, &reply, NULL);
        json_object_put(again);
        free(text);
}

static void decode_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
        struct kt_wire_decoder *d = kt_wire_decoder_new(4096);
        struct kt_wire_message message;
        int r = 0;

        assert(d);
        while (size > 0 && r >= 0) {
                size_t n = size < piece ? size : piece;

                assert(kt_wire_decoder_feed(d, data, n) == 0);
                while ((r = kt_wire_decoder_next(d, &message, NULL)) > 0) {
                        assert(message.size <= 4096);
                        send_back(message.json);
                        json_object_put(message.json);
                }
                data += n;
                size -= n;
        }
        kt_wire_decoder_free(d);
}

/* A text that is one value is one message when NUL follows it. */
static void compare_with_stream(const uint8_t *data, size_t size)
{
        struct kt_wire_decoder *d = kt_wire_decoder_new(0);
        struct json_object *json = NULL;
        struct kt_wire_message message;
        int r;

        assert(d);
        r = kt_json_parse((const char *)data, size, &json, NULL);
        assert(kt_wire_decoder_feed(d, data, size) == 0);
        assert(kt_wire_decoder_feed(d, "", 1) == 0);
        if (r == 0) {
                assert(kt_wire_decoder_next(d, &message, NULL) == 1);
                assert(json_object_equal(json, message.json));
                json_object_put(message.json);
                json_object_put(json);
        }
        kt_wire_decoder_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size == 0)
                return 0;
        decode_in_pieces(data + 1, size - 1, data[0] ?: 256);
        compare_with_stream(data + 1, size - 1);
        return 0;
}
