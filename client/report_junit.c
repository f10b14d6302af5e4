/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run as JUnit's XML: a suite for each program, written when all is known. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "output_file.h"
#include "test_report.h"

/* XML 1.0 has no place for these, escaped or not. */
static bool is_forbidden(const unsigned char *p)
{
        return (*p < ' ' && *p != '\t' && *p != '\n') || *p == 0x7f ||
               (p[0] == 0xef && p[1] == 0xbf && (p[2] == 0xbe || p[2] == 0xbf));
}

static const char *escape_of(char c)
{
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        /* In an attribute they would be blanks. */
        case '\n':
                return "&#10;";
        case '\t':
                return "&#9;";
        default:
                return NULL;
        }
}

void test_report_xml_text(FILE *f, const char *text)
{
        _cleanup_free_ char *valid = kt_utf8_repair(text, strlen(text));

        for (const char *p = valid ? valid : ""; *p; p++) {
                const char *escape = escape_of(*p);

                if (is_forbidden((const unsigned char *)p)) {
                        fputs("\xef\xbf\xbd", f);
                        p += (unsigned char)*p == 0xef ? 2 : 0;
                } else if (escape)
                        fputs(escape, f);
                else
                        fputc(*p, f);
        }
}

static void attribute(FILE *f, const char *name, const char *value)
{
        fprintf(f, " %s=\"", name);
        test_report_xml_text(f, value ? value : "");
        fputc('"', f);
}

static void put_text_line(FILE *f, const char *text)
{
        test_report_xml_text(f, text);
        fputc('\n', f);
}

static void put_text_lines(FILE *f, struct json_object *lines)
{
        for (size_t i = 0; i < json_object_array_length(lines); i++)
                put_text_line(f, json_object_get_string(json_object_array_get_idx(lines, i)));
}

static void put_failure(FILE *f, const struct test_session *s, const struct cell_result *x)
{
        const char *element =
                x->outcome == TEST_FAIL || x->outcome == TEST_INCONCLUSIVE ? "failure" : "error";
        _cleanup_json_ struct json_object *details = cell_result_details(x), *repro = cell_result_repro(x);
        _cleanup_free_ char *again = test_session_again(s, x);
        const char *logs = kt_json_str(x->verdict, "result_dir");

        fprintf(f, "      <%s", element);
        attribute(f, "type", test_outcome_word(x->outcome));
        attribute(f, "message", x->reason);
        fputc('>', f);
        put_text_line(f, x->reason ? x->reason : "");
        put_text_lines(f, details);
        if (logs)
                put_text_line(f, logs);
        if (json_object_array_length(repro) > 0)
                put_text_line(f, "--- auto-repro ---");
        put_text_lines(f, repro);
        put_text_line(f, again ? again : "");
        fprintf(f, "</%s>\n", element);
}

static bool is_skipped(const struct cell_result *x)
{
        return x->outcome == TEST_SKIP || x->outcome == TEST_IGNORED || x->outcome == TEST_NOT_RUN;
}

static void put_case(FILE *f, const struct test_session *s, const struct cell_result *x)
{
        fputs("    <testcase", f);
        attribute(f, "classname", test_program_name(x->cell->program));
        attribute(f, "name", x->cell->name);
        fprintf(f, " time=\"%.3f\">\n", (double)x->elapsed_ms / 1000);
        if (cell_result_seed(x) >= 0)
                fprintf(f, "      <properties><property name=\"seed\" value=\"%lld\"/></properties>\n",
                        (long long)cell_result_seed(x));
        if (is_skipped(x)) {
                fputs("      <skipped", f);
                attribute(f, "message", x->reason);
                fputs("/>\n", f);
        } else if (x->outcome != TEST_PASS)
                put_failure(f, s, x);
        fputs("    </testcase>\n", f);
}

struct numbers {
        unsigned tests, failures, errors, skipped;
};

/* Of one program, or of all (NULL). */
static struct numbers count(const struct test_session *s, const struct test_program *p)
{
        struct numbers n = {};

        for (size_t i = 0; i < s->plan.n; i++) {
                const struct cell_result *x = &s->results[i];

                if (p && x->cell->program != p)
                        continue;
                n.tests++;
                n.failures += x->outcome == TEST_FAIL || x->outcome == TEST_INCONCLUSIVE;
                n.errors += x->outcome == TEST_ERROR || x->outcome == TEST_CANCELLED;
                n.skipped += is_skipped(x);
        }
        return n;
}

/* The time is the whole run's: guests run beside one another. */
static void put_numbers(FILE *f, const struct test_session *s, struct numbers n)
{
        fprintf(f, " tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\" time=\"%.3f\">\n", n.tests,
                n.failures, n.errors, n.skipped, (double)s->elapsed_ms / 1000);
}

static void put_suite(FILE *f, const struct test_session *s, const struct test_program *p)
{
        fputs("  <testsuite", f);
        attribute(f, "name", p->path);
        put_numbers(f, s, count(s, p));
        for (size_t i = 0; i < s->plan.n; i++)
                if (s->plan.cells[i].program == p)
                        put_case(f, s, &s->results[i]);
        fputs("  </testsuite>\n", f);
}

static bool is_first_of_program(const struct test_session *s, size_t i)
{
        for (size_t k = 0; k < i; k++)
                if (s->plan.cells[k].program == s->plan.cells[i].program)
                        return false;
        return true;
}

static int end(struct test_report *r, struct kt_error *reterr)
{
        const struct test_session *s = r->session;
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"ktstr\"", f);
        put_numbers(f, s, count(s, NULL));
        for (size_t i = 0; i < s->plan.n; i++)
                if (is_first_of_program(s, i))
                        put_suite(f, s, s->plan.cells[i].program);
        fputs("</testsuites>\n", f);
        if (fclose(f) != 0)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return output_file_publish(r->data, text, size, reterr);
}

static void done(struct test_report *r)
{
        output_file_free(r->data);
}

static void result(struct test_report *r, const struct cell_result *x)
{
        r->told++;
}

static const struct test_report_ops ops = {.result = result, .end = end, .done = done};

int test_report_junit_open(struct test_report *r, const char *path, struct kt_error *reterr)
{
        struct output_file *file;
        int e = output_file_open(path, &file, reterr);

        if (e >= 0)
                *r = (struct test_report){.ops = &ops, .data = file};
        return e;
}
