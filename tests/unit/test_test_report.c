/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands in a report, whatever was said. */
#include <string.h>

#include "../../client/test_report.h"
#include "unit.h"

static void assert_xml(const char *text, const char *expected)
{
        _cleanup_free_ char *got = NULL;
        size_t size;
        FILE *f = open_memstream(&got, &size);

        test_report_xml_text(f, text);
        fclose(f);
        ck_assert_str_eq(got, expected);
}

START_TEST(markup_is_escaped)
{
        assert_xml("a<b>&\"c\"]]>", "a&lt;b&gt;&amp;&quot;c&quot;]]&gt;");
        assert_xml("tab\tand\nline", "tab&#9;and&#10;line");
}
END_TEST

START_TEST(what_xml_forbids_is_replaced)
{
        assert_xml("\033[1m\001\r\x7f", "\xef\xbf\xbd[1m\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
        /* U+FFFE and U+FFFF, and what is beside them */
        assert_xml("\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
        assert_xml("\xef\xbf", "\xef\xbf\xbd\xef\xbf\xbd");
        /* half a character, a surrogate */
        assert_xml("\xc3", "\xef\xbf\xbd");
        assert_xml("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}
END_TEST

START_TEST(other_text_stays)
{
        assert_xml("gap of 3 ms · 'ä' € 😀", "gap of 3 ms · 'ä' € 😀");
        assert_xml("", "");
}
END_TEST

UNIT_MAIN("test_report", markup_is_escaped, what_xml_forbids_is_replaced, other_text_stays)
