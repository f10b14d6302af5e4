/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A guest's shape: what its key is made of, and what cannot be one. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "../../daemon/shape.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"
#include "shape_files.h"
#include "unit.h"

#define MIB (1ULL << 20)

/* All that a shape is made from; tests change a part of it. */
struct input {
        struct unit_dir dir;
        struct accel_report report;
        struct shape_params params;
        struct kernel kernel;
        char qemu_path[64], kernel_path[64], initramfs_path[64];
};

static void input_init(struct input *in)
{
        *in = (struct input){.dir = unit_dir_new()};
        snprintf(in->qemu_path, sizeof(in->qemu_path), "%s/qemu", in->dir.path);
        snprintf(in->kernel_path, sizeof(in->kernel_path), "%s/vmlinux", in->dir.path);
        snprintf(in->initramfs_path, sizeof(in->initramfs_path), "%s/initramfs", in->dir.path);
        shape_write_file(in->qemu_path, "#!", 2);
        shape_write_kernel(in->kernel_path);
        shape_write_file(in->initramfs_path, "", 0);
        strcpy(in->report.qemu_version, "7.2.22");
        in->report.tsc_khz = 2596107;
        in->params = (struct shape_params){.topology = {1, 1, 2, 1},
                                           .memory_mib = 256,
                                           .accel = ACCEL_TCG,
                                           .report = &in->report,
                                           .qemu_path = in->qemu_path};
        in->kernel = (struct kernel){.key = "6.99.0-deb-x86_64",
                                     .image_path = in->kernel_path,
                                     .image_sha256 = "00112233",
                                     .devmem = true};
}

static void input_done(struct input *in)
{
        unit_dir_done(&in->dir);
}
#define _input_ _cleanup_(input_done)

static char *copy(const char *text)
{
        return text ? strdup(text) : NULL;
}

/* As it stands in `in`, but owned. */
static struct kernel *new_kernel(const struct input *in)
{
        struct kernel *k = calloc(1, sizeof(*k));

        *k = in->kernel;
        k->key = copy(in->kernel.key);
        k->image_path = copy(in->kernel.image_path);
        k->image_sha256 = copy(in->kernel.image_sha256);
        k->path = copy(in->kernel.path);
        k->release = copy(in->kernel.release);
        k->version = copy(in->kernel.version);
        k->source = copy(in->kernel.source);
        k->built_at = copy(in->kernel.built_at);
        return k;
}

static struct shape *new_shape(const struct input *in)
{
        struct kt_error err = KT_ERROR_INIT;
        struct shape *s = NULL;
        int r = shape_new(&in->params, new_kernel(in), strdup(in->initramfs_path), &s, &err);

        ck_assert_msg(r == 0, "%s", kt_error_text(&err));
        return s;
}

static void shape_unrefp(struct shape **s)
{
        shape_unref(*s);
}
#define _shape_ _cleanup_(shape_unrefp)

START_TEST(a_shape_knows_its_layout)
{
        _input_ struct input in;
        input_init(&in);
        _shape_ struct shape *s = new_shape(&in);

        ck_assert_uint_eq(s->layout.size, 256 * MIB);
        ck_assert_uint_eq(s->layout.mailbox_gpa, 24 * MIB);
        ck_assert_uint_gt(s->layout.mailbox_size, 0);
}
END_TEST

START_TEST(a_kernel_without_devmem_has_no_mailbox)
{
        _input_ struct input in;
        input_init(&in);
        in.kernel.devmem = false;
        _shape_ struct shape *s = new_shape(&in);

        ck_assert_uint_eq(s->layout.mailbox_size, 0);
}
END_TEST

START_TEST(under_tcg_it_knows_the_counter)
{
        _input_ struct input in;
        input_init(&in);
        _shape_ struct shape *tcg = new_shape(&in), *kvm = NULL;

        ck_assert_uint_eq(tcg->tsc_khz, 2596000);
        in.params.accel = ACCEL_KVM;
        kvm = new_shape(&in);
        ck_assert_uint_eq(kvm->tsc_khz, 0);
}
END_TEST

START_TEST(the_text_is_for_people)
{
        _input_ struct input in;
        input_init(&in);
        in.params.topology = (struct topology){2, 4, 2, 1};
        _shape_ struct shape *s = new_shape(&in);

        ck_assert_str_eq(s->text, "6.99.0-deb-x86_64/2n4l2c1t/256M/tcg");
        in.params.kargs = (char *const[]){(char *)"threadirqs", (char *)"isolcpus=1", NULL};
        _shape_ struct shape *other = new_shape(&in);
        ck_assert_str_eq(other->text, "6.99.0-deb-x86_64/2n4l2c1t/256M/tcg threadirqs isolcpus=1");
        in.params.kargs = (char *const[]){NULL};
        _shape_ struct shape *same = new_shape(&in);
        ck_assert_str_eq(same->key, s->key);
}
END_TEST

START_TEST(it_lives_as_long_as_somebody_has_it)
{
        _input_ struct input in;
        input_init(&in);
        struct shape *s = new_shape(&in);

        ck_assert_ptr_eq(shape_ref(s), s);
        shape_unref(s);
        ck_assert_str_eq(s->kernel->key, "6.99.0-deb-x86_64");
        shape_unref(s);
        shape_unref(NULL);
}
END_TEST

/* --- what the key is made of --- */

static void other_kernel_key(struct input *in)
{
        in->kernel.key = "6.99.1-deb-x86_64";
}

static void other_kernel_hash(struct input *in)
{
        in->kernel.image_sha256 = "00112234";
}

static void other_nodes(struct input *in)
{
        in->params.topology = (struct topology){2, 2, 1, 1};
}

static void other_llcs(struct input *in)
{
        in->params.topology = (struct topology){1, 2, 1, 1};
}

static void other_cores(struct input *in)
{
        in->params.topology.cores = 4;
}

static void other_threads(struct input *in)
{
        in->params.topology = (struct topology){1, 1, 1, 2};
}

static void other_memory(struct input *in)
{
        in->params.memory_mib = 264;
}

static void kvm(struct input *in)
{
        in->params.accel = ACCEL_KVM;
}

static void one_thread(struct input *in)
{
        in->report.tcg_one_thread = true;
}

static void other_counter(struct input *in)
{
        in->report.tsc_khz = 2700000;
}

static void other_qemu_version(struct input *in)
{
        strcpy(in->report.qemu_version, "7.2.23");
}

static void other_qemu_path(struct input *in)
{
        char old[64];

        strcpy(old, in->qemu_path);
        strcat(in->qemu_path, "2");
        ck_assert_int_eq(rename(old, in->qemu_path), 0);
}

static void set_qemu_time(const struct input *in, int64_t seconds, long ns)
{
        const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {seconds, ns}};

        ck_assert_int_eq(utimensat(AT_FDCWD, in->qemu_path, times, 0), 0);
}

static void other_qemu_size(struct input *in)
{
        struct stat st;

        ck_assert_int_eq(stat(in->qemu_path, &st), 0);
        shape_write_file(in->qemu_path, "#!!", 3);
        set_qemu_time(in, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void other_qemu_second(struct input *in)
{
        set_qemu_time(in, 1000000000, 5);
}

static void other_qemu_nanosecond(struct input *in)
{
        struct stat st;

        ck_assert_int_eq(stat(in->qemu_path, &st), 0);
        set_qemu_time(in, st.st_mtim.tv_sec, (st.st_mtim.tv_nsec + 1) % 1000000000);
}

static void other_initramfs(struct input *in)
{
        strcat(in->initramfs_path, "2");
        shape_write_file(in->initramfs_path, "", 0);
}

static void no_devmem(struct input *in)
{
        in->kernel.devmem = false;
}

static void further_kargs(struct input *in)
{
        static char *const kargs[] = {(char *)"threadirqs", NULL};

        in->params.kargs = kargs;
}

static const struct change {
        const char *name;
        void (*make)(struct input *in);
} changes[] = {
        {"the kernel's key", other_kernel_key},
        {"the kernel's hash", other_kernel_hash},
        {"NUMA nodes", other_nodes},
        {"LLCs", other_llcs},
        {"cores", other_cores},
        {"threads", other_threads},
        {"memory", other_memory},
        {"the accelerator", kvm},
        {"what its kernel is told besides", further_kargs},
        {"tcg on one thread", one_thread},
        {"the host's counter", other_counter},
        {"QEMU's version", other_qemu_version},
        {"QEMU's path", other_qemu_path},
        {"QEMU's size", other_qemu_size},
        {"QEMU's mtime", other_qemu_second},
        {"a nanosecond of it", other_qemu_nanosecond},
        {"the initramfs", other_initramfs},
        {"a mailbox or none", no_devmem},
};

START_TEST(the_key_changes_with_what_a_guest_could_see)
{
        const struct change *change = &changes[_i];
        _input_ struct input in;
        input_init(&in);
        _shape_ struct shape *before = new_shape(&in), *after = NULL;

        ck_assert_uint_eq(strlen(before->key), SHAPE_KEY_SIZE - 1);
        change->make(&in);
        after = new_shape(&in);
        ck_assert_msg(strcmp(before->key, after->key) != 0, "%s makes no difference", change->name);
}
END_TEST

static void other_words_about_the_kernel(struct input *in)
{
        in->kernel.path = "/elsewhere";
        in->kernel.release = "6.99.0";
        in->kernel.version = "6.99";
        in->kernel.source = "image";
        in->kernel.built_at = "2025-01-01T00:00:00Z";
        in->kernel.has_btf = in->kernel.has_config = in->kernel.sched_ext = true;
        in->kernel.image_size = 77;
}

static void other_words_about_the_host(struct input *in)
{
        in->report.of[ACCEL_TCG].usable = true;
        in->report.of[ACCEL_KVM].probe_us = 4711;
        strcpy(in->report.of[ACCEL_KVM].reason, "no /dev/kvm");
        in->report.chosen = ACCEL_KVM;
}

static void qemu_was_read(struct input *in)
{
        const struct timespec times[2] = {{1000000000, 0}, {.tv_nsec = UTIME_OMIT}};

        ck_assert_int_eq(utimensat(AT_FDCWD, in->qemu_path, times, 0), 0);
        ck_assert_int_eq(chmod(in->qemu_path, 0755), 0);
}

/* Their content is in the kernel's hash and in the initramfs's name. */
static void files_were_copied(struct input *in)
{
        const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};

        ck_assert_int_eq(utimensat(AT_FDCWD, in->kernel_path, times, 0), 0);
        ck_assert_int_eq(utimensat(AT_FDCWD, in->initramfs_path, times, 0), 0);
}

static void counter_was_measured_again(struct input *in)
{
        in->report.tsc_khz += 260;
}

static void nothing(struct input *in)
{
}

static const struct change no_changes[] = {
        {"nothing", nothing},
        {"what is said about the kernel", other_words_about_the_kernel},
        {"what is said about the host", other_words_about_the_host},
        {"measuring the host's counter again", counter_was_measured_again},
        {"reading QEMU's file", qemu_was_read},
        {"other times of the kernel's files", files_were_copied},
};

START_TEST(the_key_changes_with_nothing_else)
{
        const struct change *change = &no_changes[_i % (int)KT_ARRAY_SIZE(no_changes)];
        _input_ struct input in;
        input_init(&in);
        in.params.accel = _i < (int)KT_ARRAY_SIZE(no_changes) ? ACCEL_TCG : ACCEL_KVM;
        _shape_ struct shape *before = new_shape(&in), *after = NULL;

        change->make(&in);
        after = new_shape(&in);
        ck_assert_msg(strcmp(before->key, after->key) == 0, "%s makes a difference", change->name);
}
END_TEST

/* --- what cannot be one --- */

/* What was given is freed all the same, which the sanitizer sees. */
static void expect_none(const struct input *in, const char *name, const char *field, const char *part)
{
        struct kt_error err = KT_ERROR_INIT;
        struct shape *s = NULL;

        ck_assert_int_lt(shape_new(&in->params, new_kernel(in), strdup(in->initramfs_path), &s, &err), 0);
        ck_assert_ptr_null(s);
        ck_assert_str_eq(err.name, name);
        ck_assert_str_eq(err.field ?: "", field);
        ck_assert_msg(strstr(err.message, part) != NULL, "'%s' is not in: %s", part, err.message);
        kt_error_done(&err);
}

START_TEST(no_initramfs)
{
        _input_ struct input in;
        input_init(&in);

        strcpy(in.initramfs_path, "/nonexistent/initramfs");
        expect_none(&in, KT_E_GUEST_START, "", "no initramfs at /nonexistent/initramfs: No such file");
}
END_TEST

START_TEST(no_kernel)
{
        _input_ struct input in;
        input_init(&in);

        in.kernel.image_path = in.initramfs_path;
        expect_none(&in, KT_E_BAD_KERNEL, "", "is no x86_64 ELF kernel: import it again");
        in.kernel.image_path = "/nonexistent/vmlinux";
        expect_none(&in, KT_E_BAD_KERNEL, "", "cannot open the kernel /nonexistent/vmlinux");
}
END_TEST

START_TEST(no_qemu)
{
        _input_ struct input in;
        input_init(&in);

        in.params.qemu_path = "/nonexistent/qemu";
        expect_none(&in, KT_E_GUEST_START, "",
                    "cannot look at the QEMU /nonexistent/qemu: No such file or directory");
}
END_TEST

START_TEST(too_little_memory)
{
        _input_ struct input in;
        input_init(&in);

        in.params.memory_mib = 64;
        expect_none(&in, KT_E_NEVER_FITS, "memory_mib", "64 MiB of memory are too little");
        in.params.memory_mib = SHAPE_MEMORY_MIB;
        _shape_ struct shape *s = new_shape(&in);
        ck_assert_uint_eq(s->memory_mib, SHAPE_MEMORY_MIB);
}
END_TEST

START_TEST(more_cpus_than_the_accelerator_can_number)
{
        _input_ struct input in;
        input_init(&in);

        /* 198 CPUs, but with six bits for the core and one for the thread. */
        in.params.topology = (struct topology){1, 3, 33, 2};
        in.params.memory_mib = 1024;
        expect_none(&in, KT_E_BAD_TOPOLOGY, "topology", "numbers its CPUs up to 321");
        in.params.accel = ACCEL_KVM;
        _shape_ struct shape *s = new_shape(&in);
        ck_assert_str_eq(s->text, "6.99.0-deb-x86_64/1n3l33c2t/1024M/kvm");
}
END_TEST

int main(void)
{
        Suite *s = suite_create("shape");
        TCase *t = tcase_create("shape");

        tcase_add_test(t, a_shape_knows_its_layout);
        tcase_add_test(t, a_kernel_without_devmem_has_no_mailbox);
        tcase_add_test(t, under_tcg_it_knows_the_counter);
        tcase_add_test(t, the_text_is_for_people);
        tcase_add_test(t, it_lives_as_long_as_somebody_has_it);
        tcase_add_loop_test(t, the_key_changes_with_what_a_guest_could_see, 0, (int)KT_ARRAY_SIZE(changes));
        tcase_add_loop_test(t, the_key_changes_with_nothing_else, 0, 2 * (int)KT_ARRAY_SIZE(no_changes));
        tcase_add_test(t, no_initramfs);
        tcase_add_test(t, no_kernel);
        tcase_add_test(t, no_qemu);
        tcase_add_test(t, too_little_memory);
        tcase_add_test(t, more_cpus_than_the_accelerator_can_number);
        suite_add_tcase(s, t);
        return suite_run(s);
}
