/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A scanner that follows JSON text (RFC 8259, to the letter) byte by byte and knows at every byte whether
 * the text is still good and whether its value is complete. It finds the end of a message on a stream, and
 * stands guard before json-c, which takes more than JSON: numbers like 01, NaN, integers that it then cuts
 * to 64 bits, strings with NUL.
 *
 * It keeps no text and allocates nothing. UTF-8 is not looked at.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* json-c takes hundreds of bytes for a value that is two bytes of text: what bounds the text bounds too
 * little. */
#define KT_JSON_VALUES_MAX (128U * 1024U)

struct kt_json_scan {
        int state;        /* private, as is all down to depth_max */
        uint64_t objects; /* one bit per open container, innermost lowest: 1 is an object, 0 an array */
        const char *rest; /* of a literal */
        uint32_t hex;     /* of a \u escape, so far */
        unsigned int hex_left;
        uint64_t integer; /* value of the number's digits so far */
        bool negative, too_large;
        bool in_key;
        unsigned int depth, depth_max;
        size_t values;       /* begun so far */
        size_t members;      /* of all objects so far, duplicates counted */
        const char *problem; /* static text once a byte was refused */
};

/* depth_max: at most 64. */
void kt_json_scan_init(struct kt_json_scan *s, unsigned int depth_max);

/* Look at up to size bytes and return how many were taken. Fewer than size: the byte after them was refused,
 * see s->problem. Blanks before and after the value are taken. */
size_t kt_json_scan_run(struct kt_json_scan *s, const char *text, size_t size);

/* The text ends here: true when it was one complete value; else s->problem says what is wrong. */
bool kt_json_scan_finish(struct kt_json_scan *s);

/* Nothing but blanks so far. */
bool kt_json_scan_empty(const struct kt_json_scan *s);

/* What was taken is one complete value. A top-level number is complete and may still go on. */
bool kt_json_scan_complete(const struct kt_json_scan *s);
