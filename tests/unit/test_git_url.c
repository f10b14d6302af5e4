/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* git_url.h: when two spellings are one repository. */

#include "../../proto/git_url.h"
#include "../lib/suite.h"
#include "unit.h"

static const char *const same[][2] = {
        {"https://h/a/b", "https://h/a/b"},
        {"https://h/a/b", "https://h/a/b/"},
        {"https://h/a/b", "https://h/a/b.git"},
        {"https://h/a/b.git/", "http://h/a/b"},
        {"https://h/a/b", "git://h/a/b.git"},
        {"https://h/a/b", "ssh://git@h/a/b"},
        {"https://h/a/b", "git@h:a/b.git"},
        {"https://h/a/b", "h:a/b"},
        {"https://h/a/b", "git@h:/a/b"},
        {"https://h/a/b", "HTTPS://H/a/b"},
        {"https://h/a/b", "https://someone:secret@h/a/b"},
        {"https://h:443/a/b", "https://h/a/b"},
        {"ssh://h:22/a/b", "git@h:a/b"},
        {"git://h:9418/a", "http://h:80/a"},
        {"https://h:8443/a", "http://h:8443/a.git"},
        {"ssh://[::1]:22/a", "[::1]:a"},
        {"file:///srv/linux", "/srv/linux"},
        {"file://localhost/srv/linux", "/srv/linux/"},
        {"/srv/linux", "/srv/linux.git"},
        {"/srv/linux", "/srv/linux/.git"},
        {"/srv/a:b", "/srv/a:b/"},
        {"/", "file:///"},
};

START_TEST(case_1_how_one_gets_there_makes_no_difference)
{
        ck_assert_msg(git_url_is_same(same[_i][0], same[_i][1]), "%s and %s", same[_i][0], same[_i][1]);
        ck_assert_msg(git_url_is_same(same[_i][1], same[_i][0]), "%s and %s", same[_i][1], same[_i][0]);
}
END_TEST

static const char *const other[][2] = {
        {"https://h/a/b", "https://h/a/c"},
        {"https://h/a/b", "https://h/a"},
        {"https://h/a/b", "https://h/a/B"},
        {"https://h/a/b", "https://i/a/b"},
        {"https://h/a/b", "https://h.a/b"},
        {"https://h:8443/a", "https://h/a"},
        {"https://h:22/a", "ssh://h/a"},
        {"https://h:80/a", "https://h/a"},
        {"/srv/linux", "https://srv/linux"},
        {"/srv/linux", "srv/linux"},
        {"file://h/srv/linux", "/srv/linux"},
        {"git@h:a", "git@h:a/b"},
        {"[::1]:a", "[::2]:a"},
        {"", "/"},
        {"", "https://h"},
        {"/srv/a:b", "/srv/a"},
};

START_TEST(case_2_another_host_port_or_path_is_another)
{
        ck_assert_msg(!git_url_is_same(other[_i][0], other[_i][1]), "%s and %s", other[_i][0], other[_i][1]);
        ck_assert_msg(!git_url_is_same(other[_i][1], other[_i][0]), "%s and %s", other[_i][1], other[_i][0]);
}
END_TEST

START_TEST(case_3_what_is_no_url_does_no_harm)
{
        static const char *const texts[] = {"",    ":",      "/",    "://", "@",  "@:",   "[",      "[:",
                                            "]:a", "a://@:", ".git", "a:",  "//", "x://", "file://"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(texts); i++)
                for (size_t k = 0; k < KT_ARRAY_SIZE(texts); k++)
                        ck_assert(git_url_is_same(texts[i], texts[k]) ==
                                  git_url_is_same(texts[k], texts[i]));
        for (size_t i = 0; i < KT_ARRAY_SIZE(texts); i++)
                ck_assert(git_url_is_same(texts[i], texts[i]));
}
END_TEST

int main(void)
{
        Suite *s = suite_create("git_url");
        TCase *t = tcase_create("git_url");

        tcase_add_loop_test(t, case_1_how_one_gets_there_makes_no_difference, 0, KT_ARRAY_SIZE(same));
        tcase_add_loop_test(t, case_2_another_host_port_or_path_is_another, 0, KT_ARRAY_SIZE(other));
        tcase_add_test(t, case_3_what_is_no_url_does_no_harm);
        suite_add_tcase(s, t);
        return suite_run(s);
}
