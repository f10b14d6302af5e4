/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json_scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum state {
        START,       /* before the top-level value */
        VALUE,       /* a value must follow */
        FIRST_VALUE, /* after '[': a value, or ']' */
        FIRST_KEY,   /* after '{': a key, or '}' */
        KEY,         /* after ',' in an object */
        COLON,
        AFTER_VALUE, /* ',' or the container's end */
        DONE,        /* after the top-level value */
        STRING,
        ESCAPE,
        HEX,
        LITERAL,
        MINUS,
        ZERO,
        INTEGER,
        POINT,
        FRACTION,
        EXPONENT,
        EXPONENT_SIGN,
        EXPONENT_DIGITS,
};

void kt_json_scan_init(struct kt_json_scan *s, unsigned int depth_max)
{
        assert(depth_max <= 64);
        *s = (struct kt_json_scan){.state = START, .depth_max = depth_max};
}

bool kt_json_scan_empty(const struct kt_json_scan *s)
{
        return s->state == START;
}

static bool number_may_end(int state)
{
        return state == ZERO || state == INTEGER || state == FRACTION || state == EXPONENT_DIGITS;
}

bool kt_json_scan_complete(const struct kt_json_scan *s)
{
        return s->state == DONE || (s->depth == 0 && number_may_end(s->state));
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool refuse(struct kt_json_scan *s, const char *problem)
{
        s->problem = problem;
        return false;
}

static bool go(struct kt_json_scan *s, int state)
{
        s->state = state;
        return true;
}

static bool end_value(struct kt_json_scan *s)
{
        return go(s, s->depth > 0 ? AFTER_VALUE : DONE);
}

static bool open_container(struct kt_json_scan *s, bool object)
{
        if (s->depth == s->depth_max)
                return refuse(s, "nested too deeply");
        s->objects = s->objects << 1 | object;
        s->depth++;
        return go(s, object ? FIRST_KEY : FIRST_VALUE);
}

static bool close_container(struct kt_json_scan *s, char c)
{
        bool object = s->objects & 1;

        if (c != (object ? '}' : ']'))
                return refuse(s, object ? "expected ',' or '}'" : "expected ',' or ']'");
        s->objects >>= 1;
        s->depth--;
        return end_value(s);
}

static bool begin_string(struct kt_json_scan *s, bool key)
{
        s->in_key = key;
        return go(s, STRING);
}

static bool begin_literal(struct kt_json_scan *s, const char *rest)
{
        s->rest = rest;
        return go(s, LITERAL);
}

static bool begin_number(struct kt_json_scan *s, char c)
{
        s->negative = c == '-';
        s->too_large = false;
        s->integer = c == '-' ? 0 : (uint64_t)(c - '0');
        return go(s, c == '-' ? MINUS : c == '0' ? ZERO : INTEGER);
}

static bool begin_value(struct kt_json_scan *s, char c)
{
        if (s->values++ == KT_JSON_VALUES_MAX)
                return refuse(s, "too many values in one message");
        switch (c) {
        case '{':
                return open_container(s, true);
        case '[':
                return open_container(s, false);
        case '"':
                return begin_string(s, false);
        case 't':
                return begin_literal(s, "rue");
        case 'f':
                return begin_literal(s, "alse");
        case 'n':
                return begin_literal(s, "ull");
        case '-':
        case '0' ... '9':
                return begin_number(s, c);
        default:
                return refuse(s, "expected a value");
        }
}

/* Between the tokens. */
static bool step_structure(struct kt_json_scan *s, char c)
{
        if (is_blank(c))
                return true;

        switch (s->state) {
        case START:
        case VALUE:
                return begin_value(s, c);
        case FIRST_VALUE:
                return c == ']' ? close_container(s, c) : begin_value(s, c);
        case FIRST_KEY:
                if (c == '}')
                        return close_container(s, c);
                return c == '"' ? begin_string(s, true) : refuse(s, "expected a key in quotes or '}'");
        case KEY:
                return c == '"' ? begin_string(s, true) : refuse(s, "expected a key in quotes");
        case COLON:
                if (c != ':')
                        return refuse(s, "expected ':'");
                s->members++;
                return go(s, VALUE);
        case AFTER_VALUE:
                if (c == ',')
                        return go(s, s->objects & 1 ? KEY : VALUE);
                return close_container(s, c);
        default:
                return refuse(s, "something follows the value");
        }
}

static bool step_escape(struct kt_json_scan *s, char c)
{
        if (c == 'u') {
                s->hex = 0;
                s->hex_left = 4;
                return go(s, HEX);
        }
        if (c == '\0' || !strchr("\"\\/bfnrt", c))
                return refuse(s, "unknown escape in a string");
        return go(s, STRING);
}

static bool step_hex(struct kt_json_scan *s, char c)
{
        uint32_t digit;

        if (is_digit(c))
                digit = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                digit = (uint32_t)((c | 0x20) - 'a') + 10;
        else
                return refuse(s, "\\u needs four hex digits");

        s->hex = s->hex << 4 | digit;
        if (--s->hex_left > 0)
                return true;
        /* Text is passed on as C strings, which would end here. */
        if (s->hex == 0)
                return refuse(s, "a string may not contain NUL");
        return go(s, STRING);
}

static bool step_string(struct kt_json_scan *s, char c)
{
        if (c == '"')
                return s->in_key ? go(s, COLON) : end_value(s);
        if (c == '\\')
                return go(s, ESCAPE);
        if ((unsigned char)c < 0x20)
                return refuse(s, "control character in a string");
        return true;
}

static bool step_literal(struct kt_json_scan *s, char c)
{
        if (c != *s->rest)
                return refuse(s, "expected a value");
        s->rest++;
        return *s->rest ? true : end_value(s);
}

/* What a number can go on with; *ret is its next state. */
static bool number_goes_on(int state, char c, int *ret)
{
        bool exponent = c == 'e' || c == 'E';

        switch (state) {
        case MINUS:
                *ret = c == '0' ? ZERO : INTEGER;
                return is_digit(c);
        case ZERO:
                *ret = c == '.' ? POINT : EXPONENT;
                return c == '.' || exponent;
        case INTEGER:
                *ret = c == '.' ? POINT : exponent ? EXPONENT : INTEGER;
                return c == '.' || exponent || is_digit(c);
        case POINT:
                *ret = FRACTION;
                return is_digit(c);
        case FRACTION:
                *ret = exponent ? EXPONENT : FRACTION;
                return exponent || is_digit(c);
        case EXPONENT:
                *ret = is_digit(c) ? EXPONENT_DIGITS : EXPONENT_SIGN;
                return is_digit(c) || c == '+' || c == '-';
        default:
                *ret = EXPONENT_DIGITS;
                return is_digit(c);
        }
}

static void add_digit(struct kt_json_scan *s, char c)
{
        if (__builtin_mul_overflow(s->integer, 10, &s->integer) ||
            __builtin_add_overflow(s->integer, (uint64_t)(c - '0'), &s->integer))
                s->too_large = true;
}

/* What no 64-bit integer holds, signed when negative, would be cut by json-c without a word. */
static bool integer_fits(const struct kt_json_scan *s)
{
        if (s->state != INTEGER)
                return true;
        return !s->too_large && (!s->negative || s->integer <= (uint64_t)INT64_MAX + 1);
}

static bool step_number(struct kt_json_scan *s, char c)
{
        int next;

        if (number_goes_on(s->state, c, &next)) {
                if (next == INTEGER)
                        add_digit(s, c);
                return go(s, next);
        }
        if (!number_may_end(s->state))
                return refuse(s, "malformed number");
        if (!integer_fits(s))
                return refuse(s, "integer out of range");
        end_value(s);
        return step_structure(s, c);
}

static bool step(struct kt_json_scan *s, char c)
{
        switch (s->state) {
        case STRING:
                return step_string(s, c);
        case ESCAPE:
                return step_escape(s, c);
        case HEX:
                return step_hex(s, c);
        case LITERAL:
                return step_literal(s, c);
        case MINUS ... EXPONENT_DIGITS:
                return step_number(s, c);
        default:
                return step_structure(s, c);
        }
}

bool kt_json_scan_finish(struct kt_json_scan *s)
{
        if (s->problem)
                return false;
        if (kt_json_scan_empty(s))
                return refuse(s, "it is empty");
        if (!kt_json_scan_complete(s))
                return refuse(s, "it ends too early");
        /* A blank ends a number, and changes nothing elsewhere. */
        return step(s, ' ');
}

/* Bytes that only make a string longer: most of what a long message is made of. */
static size_t plain_length(const char *text, size_t size)
{
        size_t n = 0;

        while (n < size && text[n] != '"' && text[n] != '\\' && (unsigned char)text[n] >= 0x20)
                n++;
        return n;
}

size_t kt_json_scan_run(struct kt_json_scan *s, const char *text, size_t size)
{
        size_t i = 0;

        while (!s->problem) {
                if (s->state == STRING)
                        i += plain_length(text + i, size - i);
                if (i == size || !step(s, text[i]))
                        break;
                i++;
        }
        return i;
}
