/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../../daemon/conf_file.h"
#include "../lib/suite.h"
#include "unit.h"

static const struct conf_key keys[] = {
        {"Pool", "Idle"},        {"Pool", "MemoryMax"}, {"Pool", "TemplateDir"},
        {"Guests", "MemoryMax"}, {"Guests", "Qemu"},
};

/* What was assigned, one after the other: "Pool.Idle=3@f:2;". */
struct heard {
        char text[4096];
};

static int hear(size_t key, const char *value, const char *where, void *data, struct kt_error *reterr)
{
        struct heard *h = data;
        size_t n = strlen(h->text);

        if (strcmp(value, "bad") == 0)
                return kt_error_set(reterr, -ERANGE, "name", "'bad' is no good");
        snprintf(h->text + n, sizeof(h->text) - n, "%s.%s=%s@%s;", keys[key].section, keys[key].name, value,
                 strrchr(where, '/') ? strrchr(where, '/') + 1 : where);
        return 0;
}

static struct conf_reader reader_for(struct heard *h)
{
        *h = (struct heard){};
        return (struct conf_reader){keys, KT_ARRAY_SIZE(keys), "the manual", hear, h};
}

/* A text that may have NULs in it. */
struct sample {
        const char *text;
        size_t size;
        const char *expected;
};
#define SAMPLE(text, expected)                                                                              \
        {                                                                                                   \
                text, sizeof(text) - 1, expected                                                            \
        }

static const struct sample taken[] = {
        SAMPLE("", ""),
        SAMPLE("\n\n  \n", ""),
        SAMPLE("[Pool]", ""),
        SAMPLE("[Pool]\nIdle=3\n", "Pool.Idle=3@f:2;"),
        SAMPLE("[Pool]\nIdle=3", "Pool.Idle=3@f:2;"),
        SAMPLE("\xef\xbb\xbf[Pool]\r\nIdle=3\r\n", "Pool.Idle=3@f:2;"),
        SAMPLE(" [Pool] \n\t Idle \t=  a b  \t\n", "Pool.Idle=a b@f:2;"),
        SAMPLE("[Pool]\nIdle=\nIdle= \t\n", "Pool.Idle=@f:2;Pool.Idle=@f:3;"),
        SAMPLE("[Pool]\nIdle=a=b#c;d\n", "Pool.Idle=a=b#c;d@f:2;"),
        SAMPLE("# a\n; b\n  # c\n[Pool]\n#Idle=4\n\t;Idle=5\nIdle=6\n", "Pool.Idle=6@f:7;"),
        SAMPLE("# no assignment \\\n[Pool]\nIdle=3\n", "Pool.Idle=3@f:3;"),
        SAMPLE("[Pool]\nMemoryMax=1\n[Guests]\nMemoryMax=2\n[Pool]\nMemoryMax=3\n",
               "Pool.MemoryMax=1@f:2;Guests.MemoryMax=2@f:4;Pool.MemoryMax=3@f:6;"),
        SAMPLE("[Pool]\nIdle=1\\\n  2\\\n3\nIdle=4\n", "Pool.Idle=1   2 3@f:2;Pool.Idle=4@f:5;"),
        SAMPLE("[Pool]\nIdle=1\\\r\n2\r\n", "Pool.Idle=1 2@f:2;"),
        SAMPLE("[Pool]\nIdle=1\\\n# aside\n  ; aside \\\n2\n", "Pool.Idle=1 2@f:2;"),
        SAMPLE("[Pool]\nIdle=1\\\n\nIdle=2\n", "Pool.Idle=1@f:2;Pool.Idle=2@f:4;"),
        SAMPLE("[Pool]\nIdle=1\\\\\nIdle=2\\\\\\\n3", "Pool.Idle=1\\\\@f:2;Pool.Idle=2\\\\ 3@f:3;"),
        SAMPLE("[Pool]\nIdle=1\\\n", "Pool.Idle=1@f:2;"),
        SAMPLE("\\\n[Pool]\n\\\nIdle\\\n=3\n", "Pool.Idle=3@f:3;"),
        SAMPLE("[Pool]\nIdle=\xc3\xa4\xe2\x82\xac\n", "Pool.Idle=\xc3\xa4\xe2\x82\xac@f:2;"),
};

START_TEST(assignments_are_told_with_their_lines)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct heard h;
        const struct conf_reader reader = reader_for(&h);
        int r = conf_parse("f", taken[_i].text, taken[_i].size, &reader, &err);

        ck_assert_msg(r == 0, "%s", kt_error_text(&err));
        ck_assert_str_eq(h.text, taken[_i].expected);
}
END_TEST

static const struct sample refused[] = {
        SAMPLE("[Pol]\n", "f:1: unknown section [Pol]; did you mean [Pool]?"),
        SAMPLE("[pool]\n", "f:1: unknown section [pool]; did you mean [Pool]?"),
        SAMPLE("[Service]\n", "f:1: unknown section [Service]; see the manual"),
        SAMPLE("[Po\\\nol]\n", "f:1: unknown section [Po ol]; did you mean [Pool]?"),
        SAMPLE("[]\n", "f:1: unknown section []; see the manual"),
        SAMPLE("\n\n[Pool\n", "f:3: '[Pool' is no section; write [Section] on a line of its own"),
        SAMPLE("[\n", "f:1: '[' is no section; write [Section] on a line of its own"),
        SAMPLE("[Pool] Idle=3\n",
               "f:1: '[Pool] Idle=3' is no section; write [Section] on a line of its own"),
        SAMPLE("[Pool]]\n", "f:1: '[Pool]]' is no section; write [Section] on a line of its own"),
        SAMPLE("[Pool] # ours\n",
               "f:1: '[Pool] # ours' is no section; write [Section] on a line of its own"),
        SAMPLE("Idle=3\n[Pool]\n", "f:1: 'Idle=' stands before the first [Section]"),
        SAMPLE("[Pool]\nIdle\n", "f:2: 'Idle' is neither [Section] nor Key=value"),
        SAMPLE("[Pool]\n=3\n", "f:2: '=3' is neither [Section] nor Key=value"),
        SAMPLE("[Pool]\nIdel=3\n", "f:2: unknown key 'Idel' in [Pool]; did you mean 'Idle'?"),
        SAMPLE("[Pool]\nidle =3\n", "f:2: unknown key 'idle' in [Pool]; did you mean 'Idle'?"),
        SAMPLE("[Pool]\nTEMPLATEDIRS=/x\n",
               "f:2: unknown key 'TEMPLATEDIRS' in [Pool]; did you mean 'TemplateDir'?"),
        SAMPLE("[Guests]\nMemoryMay=1\n",
               "f:2: unknown key 'MemoryMay' in [Guests]; did you mean 'MemoryMax'?"),
        SAMPLE("[Pool]\nQemu=/x\n", "f:2: unknown key 'Qemu' in [Pool]; did you mean 'Qemu' in [Guests]?"),
        SAMPLE("[Pool]\nFrobnicate=1\n", "f:2: unknown key 'Frobnicate' in [Pool]; see the manual"),
        SAMPLE("[Pool]\nFrobn\\\nicate=1\n", "f:2: unknown key 'Frobn icate' in [Pool]; see the manual"),
        SAMPLE("[Pool]\nIdle=1\\\n[Guests]\nQemu=x\n",
               "f:4: unknown key 'Qemu' in [Pool]; did you mean 'Qemu' in "
               "[Guests]?"),
        SAMPLE("[Pool]\n\nIdle=bad\n", "f:3: Idle=: 'bad' is no good"),
        SAMPLE("[Pool]\nMemoryMax=\\\n\\\nbad\n", "f:2: MemoryMax=: 'bad' is no good"),
        SAMPLE("[Pool]\nIdle=1\0002\n", "f:2: there is a NUL byte in this line"),
        SAMPLE("[Pool]\n# a\0comment\n", "f:2: there is a NUL byte in this line"),
        SAMPLE("[Pool]\nIdle=1\\\n\xff\n", "f:3: this line is not UTF-8"),
        SAMPLE("[Pool]\n# Stra\xdf"
               "e\n",
               "f:2: this line is not UTF-8"),
};

START_TEST(what_is_wrong_is_named_with_its_line)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct heard h;
        const struct conf_reader reader = reader_for(&h);

        ck_assert_int_lt(conf_parse("f", refused[_i].text, refused[_i].size, &reader, &err), 0);
        ck_assert_str_eq(kt_error_text(&err), refused[_i].expected);
}
END_TEST

START_TEST(what_the_setter_returns_is_returned)
{
        struct heard h;
        const struct conf_reader reader = reader_for(&h);
        static const char text[] = "[Pool]\nIdle=1\nIdle=bad\nIdle=2\n";

        ck_assert_int_eq(conf_parse("f", text, strlen(text), &reader, NULL), -ERANGE);
        ck_assert_str_eq(h.text, "Pool.Idle=1@f:2;");
}
END_TEST

/* "[Pool]", and an Idle= whose line, or lines together, have this many bytes. */
static char *long_line(size_t length, bool continued)
{
        static const char head[] = "[Pool]\n", key[] = "Idle=";
        char *text = malloc(strlen(head) + length + 2);

        ck_assert_ptr_nonnull(text);
        memset(text, '1', strlen(head) + length);
        memcpy(text, head, strlen(head));
        memcpy(text + strlen(head), key, strlen(key));
        if (continued)
                memcpy(text + strlen(head) + length - 2, "\\\n", 2);
        strcpy(text + strlen(head) + length, "\n");
        return text;
}

START_TEST(a_line_has_an_end)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *longest = long_line(CONF_LINE_MAX, false),
                            *longer = long_line(CONF_LINE_MAX + 1, false),
                            *continued = long_line(CONF_LINE_MAX + 1, true), *joined = NULL;
        struct heard h;
        const struct conf_reader reader = reader_for(&h);

        ck_assert_int_eq(conf_parse("f", longest, strlen(longest), &reader, &err), 0);
        ck_assert_int_eq(conf_parse("f", longer, strlen(longer), &reader, &err), -EINVAL);
        ck_assert_str_eq(kt_error_text(&err), "f:2: this line is longer than 8192 bytes");

        /* One byte of two goes to the line's end. */
        ck_assert_int_eq(conf_parse("f", continued, strlen(continued), &reader, &err), 0);
        joined = kt_format("%s23\n", continued);
        ck_assert_ptr_nonnull(joined);
        joined[strlen(continued) - 1] = '1';
        ck_assert_int_eq(conf_parse("f", joined, strlen(joined), &reader, &err), -EINVAL);
        ck_assert_str_eq(kt_error_text(&err), "f:3: this line is longer than 8192 bytes");
}
END_TEST

/* --- files --- */

static void put(const struct unit_dir *dir, const char *name, const char *text)
{
        _cleanup_free_ char *path = kt_path_join(dir->path, name);
        _cleanup_fclose_ FILE *f = NULL;

        ck_assert_ptr_nonnull(path);
        for (char *slash = strchr(path + strlen(dir->path) + 1, '/'); slash;
             slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
                *slash = '/';
        }
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
}

static int read_named(const struct unit_dir *dir, const char *name, struct heard *h, struct kt_error *reterr)
{
        _cleanup_free_ char *path = kt_path_join(dir->path, name);
        const struct conf_reader reader = reader_for(h);

        return conf_read(path, &reader, reterr);
}

START_TEST(a_file_is_read)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct heard h;

        put(&dir, "a", "[Pool]\nIdle=3\n");
        ck_assert_int_eq(read_named(&dir, "a", &h, &err), 0);
        ck_assert_str_eq(h.text, "Pool.Idle=3@a:2;");
        ck_assert_int_eq(symlinkat("/dev/null", dir.fd, "null"), 0);
        ck_assert_int_eq(read_named(&dir, "null", &h, &err), 0);
        ck_assert_str_eq(h.text, "");
        ck_assert_int_eq(read_named(&dir, "none", &h, &err), -ENOENT);
        ck_assert_int_eq(kt_error_isset(&err), 0);
}
END_TEST

START_TEST(what_cannot_be_read_is_an_error_that_names_it)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct heard h;

        ck_assert_int_eq(mkdirat(dir.fd, "folder", 0700), 0);
        ck_assert_int_eq(read_named(&dir, "folder", &h, &err), -EISDIR);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "/folder: Is a directory"));
        ck_assert_int_eq(mkfifoat(dir.fd, "fifo", 0600), 0);
        ck_assert_int_eq(read_named(&dir, "fifo", &h, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "/fifo is no file"));
        ck_assert_int_eq(symlinkat("loop", dir.fd, "loop"), 0);
        ck_assert_int_eq(read_named(&dir, "loop", &h, &err), -ELOOP);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "cannot read /tmp/"));
        put(&dir, "large", "");
        ck_assert_int_eq(fchmodat(dir.fd, "large", 0600, 0), 0);
        _cleanup_free_ char *path = kt_path_join(dir.path, "large");
        ck_assert_int_eq(truncate(path, CONF_FILE_MAX + 1), 0);
        ck_assert_int_eq(read_named(&dir, "large", &h, &err), -EFBIG);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "/large is larger than 1048576 bytes"));
}
END_TEST

static int read_folders(const struct unit_dir *dir, struct heard *h, struct kt_error *reterr)
{
        _cleanup_free_ char *first = kt_path_join(dir->path, "etc"),
                            *second = kt_path_join(dir->path, "run"),
                            *third = kt_path_join(dir->path, "lib");
        const char *const folders[] = {first, second, third, NULL};
        const struct conf_reader reader = reader_for(h);

        return conf_read_dropins(folders, &reader, reterr);
}

START_TEST(dropins_are_read_by_name_over_all_folders)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct heard h;

        /* None of the folders is there. */
        ck_assert_int_eq(read_folders(&dir, &h, &err), 0);
        ck_assert_str_eq(h.text, "");

        put(&dir, "lib/10-a.conf", "[Pool]\nIdle=1\n");
        put(&dir, "etc/20-b.conf", "[Pool]\nIdle=2\n");
        put(&dir, "run/15-c.conf", "[Pool]\nIdle=3\n");
        put(&dir, "lib/30-d.conf", "[Pool]\nIdle=4\n");
        put(&dir, "etc/9-e.conf", "[Pool]\nIdle=5\n");
        ck_assert_int_eq(read_folders(&dir, &h, &err), 0);
        ck_assert_str_eq(h.text, "Pool.Idle=1@10-a.conf:2;Pool.Idle=3@15-c.conf:2;Pool.Idle=2@20-b.conf:2;"
                                 "Pool.Idle=4@30-d.conf:2;Pool.Idle=5@9-e.conf:2;");
}
END_TEST

START_TEST(a_name_hides_the_same_in_later_folders)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct heard h;

        put(&dir, "lib/a.conf", "[Pool]\nIdle=1\n");
        put(&dir, "run/a.conf", "[Pool]\nIdle=2\n");
        put(&dir, "lib/b.conf", "this is hidden");
        put(&dir, "etc/b.conf", "[Pool]\nIdle=3\n");
        put(&dir, "lib/c.conf", "this is masked");
        ck_assert_int_eq(symlinkat("/dev/null", dir.fd, "run/c.conf"), 0);
        ck_assert_int_eq(symlinkat("/nowhere", dir.fd, "run/d.conf"), 0);
        ck_assert_int_eq(read_folders(&dir, &h, &err), 0);
        ck_assert_str_eq(h.text, "Pool.Idle=2@a.conf:2;Pool.Idle=3@b.conf:2;");
}
END_TEST

START_TEST(only_visible_conf_files_are_dropins)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        static const char *const others[] = {"etc/.a.conf", "etc/.conf", "etc/a.conf~", "etc/a.conf.rpmnew",
                                             "etc/README",  "etc/conf",  "etc/aconf",   "etc/a.CONF"};
        struct heard h;

        for (size_t i = 0; i < KT_ARRAY_SIZE(others); i++)
                put(&dir, others[i], "no assignment");
        put(&dir, "etc/x.y.conf", "[Pool]\nIdle=1\n");
        ck_assert_int_eq(read_folders(&dir, &h, &err), 0);
        ck_assert_str_eq(h.text, "Pool.Idle=1@x.y.conf:2;");
}
END_TEST

START_TEST(what_is_wrong_with_a_dropin_names_it)
{
        _unit_dir_ struct unit_dir dir = unit_dir_new();
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_free_ char *expected =
                kt_format("%s/run/a.conf:1: unknown section [Poo]; did you mean [Pool]?", dir.path);
        struct heard h;

        put(&dir, "run/a.conf", "[Poo]\n");
        ck_assert_int_eq(read_folders(&dir, &h, &err), -EINVAL);
        ck_assert_str_eq(kt_error_text(&err), expected);

        put(&dir, "lib", "a file in the folder's place");
        ck_assert_int_eq(read_folders(&dir, &h, &err), -ENOTDIR);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&err), "/lib: Not a directory"));
}
END_TEST

int main(void)
{
        Suite *s = suite_create("conf_file");
        TCase *c = tcase_create("text"), *files = tcase_create("files");

        tcase_add_loop_test(c, assignments_are_told_with_their_lines, 0, (int)KT_ARRAY_SIZE(taken));
        tcase_add_loop_test(c, what_is_wrong_is_named_with_its_line, 0, (int)KT_ARRAY_SIZE(refused));
        tcase_add_test(c, what_the_setter_returns_is_returned);
        tcase_add_test(c, a_line_has_an_end);
        suite_add_tcase(s, c);
        tcase_add_test(files, a_file_is_read);
        tcase_add_test(files, what_cannot_be_read_is_an_error_that_names_it);
        tcase_add_test(files, dropins_are_read_by_name_over_all_folders);
        tcase_add_test(files, a_name_hides_the_same_in_later_folders);
        tcase_add_test(files, only_visible_conf_files_are_dropins);
        tcase_add_test(files, what_is_wrong_with_a_dropin_names_it);
        suite_add_tcase(s, files);
        return suite_run(s);
}
