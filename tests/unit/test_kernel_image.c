/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../../daemon/kernel_image.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"
#include "kernel_bytes.h"

/* checked: its format has a checksum, so that a flipped bit shows. */
static const struct {
        const char *name;
        bool checked;
} compressions[] = {{"gzip", true},  {"bzip2", true}, {"xz", true},
                    {"lzma", false}, {"lz4", false},  {"zstd", false}};

static int convert(const void *data, size_t size, struct kb *ret, struct kt_error *reterr)
{
        _cleanup_close_ int in = kb_file(data, size), out = memfd_create("out", MFD_CLOEXEC);
        int r = kernel_image_to_elf(in, out, "vmlinuz", reterr);

        if (r >= 0 && ret)
                *ret = kb_read(out);
        return r;
}

START_TEST(each_compression_gives_back_what_was_put_in)
{
        _kb_ struct kb elf = kb_elf(&(struct kb_kernel){.debug = 300000}),
                       image = kb_bzimage(compressions[_i].name, &elf), got = {};

        ck_assert_int_eq(convert(image.data, image.size, &got, NULL), 0);
        ck_assert_uint_eq(got.size, elf.size);
        ck_assert_mem_eq(got.data, elf.data, elf.size);
}
END_TEST

START_TEST(an_elf_is_taken_as_it_is)
{
        _kb_ struct kb elf = kb_elf(&(struct kb_kernel){}), got = {};

        ck_assert_int_eq(convert(elf.data, elf.size, &got, NULL), 0);
        ck_assert_uint_eq(got.size, elf.size);
        ck_assert_mem_eq(got.data, elf.data, elf.size);
}
END_TEST

/* All that it takes is a hole, and a hole fills the disk when it is copied. */
START_TEST(an_elf_that_never_ends_is_refused)
{
        _kb_ struct kb elf = kb_elf(&(struct kb_kernel){});
        _cleanup_close_ int in = kb_file(elf.data, elf.size), out = open("/dev/null", O_WRONLY | O_CLOEXEC);
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(ftruncate(in, 1LL << 42), 0);
        ck_assert_int_eq(kernel_image_to_elf(in, out, "vmlinux", &err), -EBADMSG);
        ck_assert_str_eq(err.name, KT_E_BAD_KERNEL);
        ck_assert_ptr_nonnull(strstr(err.message, "larger than 2 GiB"));
        kt_error_done(&err);
}
END_TEST

START_TEST(what_follows_the_payload_is_left_out)
{
        _kb_ struct kb elf = kb_elf(&(struct kb_kernel){}), image = kb_bzimage(compressions[_i].name, &elf),
                       got = {};
        char signature[3000];

        memset(signature, 'S', sizeof(signature));
        kb_add(&image, signature, sizeof(signature));
        ck_assert_int_eq(convert(image.data, image.size, &got, NULL), 0);
        ck_assert_uint_eq(got.size, elf.size);
}
END_TEST

START_TEST(each_cut_is_noticed)
{
        _kb_ struct kb elf = kb_elf(&(struct kb_kernel){}), image = kb_bzimage(compressions[_i].name, &elf);

        for (size_t size = 0; size < image.size; size++) {
                struct kt_error err = KT_ERROR_INIT;

                ck_assert_msg(convert(image.data, size, NULL, &err) < 0, "cut to %zu of %zu", size,
                              image.size);
                ck_assert_str_eq(err.name, KT_E_BAD_KERNEL);
                ck_assert_ptr_nonnull(strstr(err.message, "vmlinuz"));
                kt_error_done(&err);
        }
}
END_TEST

START_TEST(each_flipped_byte_is_noticed_or_does_no_harm)
{
        _kb_ struct kb elf = kb_elf(&(struct kb_kernel){}), image = kb_bzimage(compressions[_i].name, &elf);

        for (size_t at = 0x1f0; at < image.size; at++) {
                _kb_ struct kb got = {};

                /* What the setup code would be, of which nothing is read. */
                if (at == 0x270)
                        at = KB_PAYLOAD_AT;
                image.data[at] ^= 0x55;
                if (convert(image.data, image.size, &got, NULL) >= 0 && compressions[_i].checked)
                        ck_assert_msg(got.size == elf.size && memcmp(got.data, elf.data, elf.size) == 0,
                                      "byte %zu of %zu", at, image.size);
                image.data[at] ^= 0x55;
        }
}
END_TEST

START_TEST(the_stated_size_must_be_that_of_what_comes_out)
{
        _kb_ struct kb elf = kb_elf(&(struct kb_kernel){}), image = kb_bzimage(compressions[_i].name, &elf);
        struct kt_error err = KT_ERROR_INIT;

        image.data[image.size - 4]++;
        ck_assert_int_eq(convert(image.data, image.size, NULL, &err), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(err.message, "vmlinuz unpacks to another size"));
        kt_error_done(&err);
}
END_TEST

static const struct {
        size_t at;
        uint8_t value;
        const char *message;
} headers[] = {
        {0x206, 0x07, "boot protocol"},
        {0x202, 'X', "is no kernel"},
        {0x1fe, 0, "is no kernel"},
        {0x1f1, 64, "beyond its end"},
        {0x24b, 0x7f, "beyond its end"},
        {0x24f, 0xff, "beyond its end"},
        {KB_PAYLOAD_AT, 'P', "no compression"},
};

START_TEST(what_is_wrong_with_the_header_is_named)
{
        _kb_ struct kb elf = kb_elf(&(struct kb_kernel){}), image = kb_bzimage("gzip", &elf);
        struct kt_error err = KT_ERROR_INIT;

        image.data[headers[_i].at] = headers[_i].value;
        ck_assert_int_lt(convert(image.data, image.size, NULL, &err), 0);
        ck_assert_msg(strstr(err.message, headers[_i].message) != NULL, "'%s' is not in: %s",
                      headers[_i].message, err.message);
        ck_assert_str_eq(err.name, KT_E_BAD_KERNEL);
        kt_error_done(&err);
}
END_TEST

START_TEST(a_payload_of_no_size_is_refused)
{
        _kb_ struct kb elf = kb_elf(&(struct kb_kernel){}), image = kb_bzimage("gzip", &elf);

        for (uint8_t length = 0; length < 32; length++) {
                memcpy(image.data + 0x24c, (uint8_t[4]){length}, 4);
                ck_assert_int_lt(convert(image.data, image.size, NULL, NULL), 0);
        }
}
END_TEST

int main(void)
{
        Suite *s = suite_create("kernel_image");
        TCase *c = tcase_create("kernel_image");

        tcase_set_timeout(c, 120);
        tcase_add_loop_test(c, each_compression_gives_back_what_was_put_in, 0,
                            (int)KT_ARRAY_SIZE(compressions));
        tcase_add_test(c, an_elf_is_taken_as_it_is);
        tcase_add_test(c, an_elf_that_never_ends_is_refused);
        tcase_add_loop_test(c, what_follows_the_payload_is_left_out, 0, (int)KT_ARRAY_SIZE(compressions));
        tcase_add_loop_test(c, each_cut_is_noticed, 0, (int)KT_ARRAY_SIZE(compressions));
        tcase_add_loop_test(c, each_flipped_byte_is_noticed_or_does_no_harm, 0,
                            (int)KT_ARRAY_SIZE(compressions));
        tcase_add_loop_test(c, the_stated_size_must_be_that_of_what_comes_out, 0,
                            (int)KT_ARRAY_SIZE(compressions));
        tcase_add_loop_test(c, what_is_wrong_with_the_header_is_named, 0, (int)KT_ARRAY_SIZE(headers));
        tcase_add_test(c, a_payload_of_no_size_is_refused);
        suite_add_tcase(s, c);
        return suite_run(s);
}
