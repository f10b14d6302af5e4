/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../../daemon/qemu_args.h"
#include "../../proto/errors.h"
#include "../../proto/kargs.h"
#include "../lib/suite.h"

static char *kargs; /* of the guests that are made; NULL: none */

static char **make(struct topology t, enum accel accel, bool devmem)
{
        struct kernel kernel = {.image_path = (char *)"/k/vmlinux"};
        struct shape shape = {
                .topology = t,
                .memory_mib = topology_default_memory_mib(&t),
                .accel = accel,
                .kernel = &kernel,
                .initramfs_path = (char *)"/k/initramfs",
                .kargs = kargs,
        };
        const struct qemu_args_params params = {
                .qemu_path = "/bin/qemu",
                .id = "j7",
                .shape = &shape,
                .agent_fd = 3,
                .qmp_fd = 4,
                .console_fd = 5,
                .memory_fd = 6,
        };
        char **argv;

        ck_assert_int_eq(memory_layout_make(&t, shape.memory_mib, 70 << 20, 0, devmem, &shape.layout, NULL),
                         0);
        argv = qemu_args_make(&params);
        ck_assert_ptr_nonnull(argv);
        return argv;
}

/* The n-th value of an option, NULL when there are fewer. */
static const char *value(char **argv, const char *option, unsigned n)
{
        for (; argv[0] && argv[1]; argv++)
                if (strcmp(argv[0], option) == 0 && n-- == 0)
                        return argv[1];
        return NULL;
}

static bool has(char **argv, const char *option)
{
        for (; *argv; argv++)
                if (strcmp(*argv, option) == 0)
                        return true;
        return false;
}

START_TEST(a_plain_guest)
{
        char **argv = make((struct topology){1, 1, 2, 1}, ACCEL_TCG, true);

        ck_assert_str_eq(argv[0], "/bin/qemu");
        ck_assert_str_eq(value(argv, "-accel", 0), "tcg");
        ck_assert_str_eq(value(argv, "-cpu", 0), "max,-erms");
        ck_assert_str_eq(value(argv, "-smp", 0), "2,sockets=1,cores=2,threads=1");
        ck_assert_str_eq(value(argv, "-m", 0), "256M");
        ck_assert_str_eq(value(argv, "-object", 0),
                         "memory-backend-file,id=m0,size=268435456,mem-path=/proc/self/fd/6,share=on");
        ck_assert_ptr_null(value(argv, "-object", 1));
        ck_assert_str_eq(value(argv, "-numa", 0), "node,nodeid=0,memdev=m0,cpus=0-1");
        ck_assert_ptr_null(value(argv, "-numa", 1));
        ck_assert_str_eq(value(argv, "-kernel", 0), "/k/vmlinux");
        ck_assert_str_eq(value(argv, "-initrd", 0), "/k/initramfs");
        ck_assert_str_eq(value(argv, "-name", 0), "guest=ktstr-j7,debug-threads=on");
        ck_assert(has(argv, "-S") && has(argv, "-no-reboot") && has(argv, "-nodefaults"));
        qemu_args_free(argv);
}
END_TEST

START_TEST(each_llc_is_a_socket_and_each_node_has_its_memory)
{
        char **argv = make((struct topology){2, 4, 2, 2}, ACCEL_TCG, true);

        ck_assert_str_eq(value(argv, "-smp", 0), "16,sockets=4,cores=2,threads=2");
        ck_assert_str_eq(value(argv, "-numa", 0), "node,nodeid=0,memdev=m0,cpus=0-7");
        ck_assert_str_eq(value(argv, "-numa", 1), "node,nodeid=1,memdev=m1,cpus=8-15");
        ck_assert_str_eq(value(argv, "-numa", 2), "dist,src=0,dst=1,val=20");
        ck_assert_ptr_null(value(argv, "-numa", 3));
        ck_assert_ptr_nonnull(strstr(value(argv, "-object", 1), "id=m1,"));
        ck_assert_ptr_nonnull(strstr(value(argv, "-object", 1), "/proc/self/fd/7,"));
        qemu_args_free(argv);
}
END_TEST

START_TEST(threads_under_tcg_need_an_intel)
{
        char **argv = make((struct topology){1, 1, 1, 2}, ACCEL_TCG, true);

        ck_assert_str_eq(value(argv, "-cpu", 0), "max,-erms,vendor=GenuineIntel");
        qemu_args_free(argv);
}
END_TEST

START_TEST(an_old_tcg_gets_one_thread)
{
        const struct qemu_args_params params = {
                .qemu_path = "/bin/qemu",
                .id = "j7",
                .shape = &(struct shape){
                        .topology = {1, 1, 2, 1},
                        .accel = ACCEL_TCG,
                        .tcg_one_thread = true,
                        .kernel = &(struct kernel){.image_path = (char *)"/k/vmlinux"},
                        .initramfs_path = (char *)"/k/initramfs",
                        .layout = {.size = 256 << 20, .n_nodes = 1, .node_size = {256 << 20}}}};
        char **argv = qemu_args_make(&params);

        ck_assert_str_eq(value(argv, "-accel", 0), "tcg,thread=single");
        qemu_args_free(argv);
}
END_TEST

START_TEST(kvm_is_split_and_has_the_hosts_cpu)
{
        char **argv = make((struct topology){1, 1, 1, 2}, ACCEL_KVM, true);

        ck_assert_str_eq(value(argv, "-accel", 0), "kvm");
        ck_assert_str_eq(value(argv, "-cpu", 0), "host");
        ck_assert_ptr_nonnull(strstr(value(argv, "-M", 0), ",kernel-irqchip=split"));
        qemu_args_free(argv);
}
END_TEST

START_TEST(the_kernel_is_told_where_the_mailbox_is)
{
        char **argv = make((struct topology){1, 1, 1, 1}, ACCEL_TCG, true);
        const char *line = value(argv, "-append", 0);

        ck_assert_ptr_nonnull(strstr(line, " memmap=0x2000000$0x4600000 ktstr.mailbox=0x4600000,0x2000000"));
        ck_assert_ptr_nonnull(strstr(line, "panic=-1"));
        ck_assert_ptr_nonnull(strstr(line, "console=ttyS0"));
        qemu_args_free(argv);
}
END_TEST

START_TEST(the_kernel_is_told_how_fast_its_counter_is)
{
        struct kernel kernel = {.image_path = (char *)"/k/vmlinux"};
        struct shape shape = {.topology = {1, 1, 1, 1},
                              .accel = ACCEL_TCG,
                              .kernel = &kernel,
                              .initramfs_path = (char *)"/k/initramfs"};
        const struct qemu_args_params params = {.qemu_path = "q", .id = "j7", .shape = &shape};
        char **argv;

        ck_assert_int_eq(memory_layout_make(&shape.topology, 256, 70 << 20, 0, true, &shape.layout, NULL),
                         0);
        argv = qemu_args_make(&params);
        ck_assert_ptr_null(strstr(value(argv, "-append", 0), "tsc_early_khz"));
        qemu_args_free(argv);
        shape.tsc_khz = 2596000;
        argv = qemu_args_make(&params);
        ck_assert_ptr_nonnull(strstr(value(argv, "-append", 0), " tsc_early_khz=2596000"));
        qemu_args_free(argv);
}
END_TEST

START_TEST(a_kernel_without_devmem_is_told_of_none)
{
        char **argv = make((struct topology){1, 1, 1, 1}, ACCEL_TCG, false);

        ck_assert_ptr_null(strstr(value(argv, "-append", 0), "mailbox"));
        ck_assert_ptr_null(strstr(value(argv, "-append", 0), "memmap"));
        qemu_args_free(argv);
}
END_TEST

START_TEST(what_a_job_tells_the_kernel_comes_last)
{
        static const char words[] = " threadirqs isolcpus=1";
        const char *line;
        char **argv;

        kargs = (char *)words + 1;
        argv = make((struct topology){1, 1, 1, 1}, ACCEL_TCG, true);
        line = value(argv, "-append", 0);
        ck_assert_str_eq(line + strlen(line) - strlen(words), words);
        qemu_args_free(argv);
        kargs = NULL;
}
END_TEST

/* The list of what a job may not set has all that is set here. */
START_TEST(what_is_told_here_is_nobody_elses)
{
        char **argv = make((struct topology){1, 1, 1, 1}, ACCEL_TCG, true), *line, *save = NULL;
        unsigned n = 0;

        line = strdup(value(argv, "-append", 0));
        for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save), n++)
                ck_assert_msg(kt_karg_check(word, NULL) < 0, "%s could be set by a job", word);
        ck_assert_uint_gt(n, 10);
        ck_assert_int_lt(kt_karg_check("tsc_early_khz=1", NULL), 0);
        free(line);
        qemu_args_free(argv);
}
END_TEST

START_TEST(apic_ids_end_under_tcg)
{
        const struct topology fits = {1, 15, 8, 2}, last = {1, 1, 255, 1}, beyond = {1, 14, 9, 2};
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(qemu_args_check_topology(&fits, ACCEL_TCG, NULL), 0);
        ck_assert_int_eq(qemu_args_check_topology(&last, ACCEL_TCG, NULL), 0);
        ck_assert_int_eq(qemu_args_check_topology(&beyond, ACCEL_KVM, NULL), 0);
        ck_assert_int_eq(qemu_args_check_topology(&beyond, ACCEL_TCG, &err), -E2BIG);
        ck_assert_str_eq(err.name, KT_E_BAD_TOPOLOGY);
        ck_assert_ptr_nonnull(strstr(err.message, "1n14l9c2t numbers its CPUs up to 433"));
        kt_error_done(&err);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("qemu_args");
        TCase *c = tcase_create("qemu_args");

        tcase_add_test(c, a_plain_guest);
        tcase_add_test(c, each_llc_is_a_socket_and_each_node_has_its_memory);
        tcase_add_test(c, threads_under_tcg_need_an_intel);
        tcase_add_test(c, an_old_tcg_gets_one_thread);
        tcase_add_test(c, kvm_is_split_and_has_the_hosts_cpu);
        tcase_add_test(c, the_kernel_is_told_where_the_mailbox_is);
        tcase_add_test(c, the_kernel_is_told_how_fast_its_counter_is);
        tcase_add_test(c, a_kernel_without_devmem_is_told_of_none);
        tcase_add_test(c, what_a_job_tells_the_kernel_comes_last);
        tcase_add_test(c, what_is_told_here_is_nobody_elses);
        tcase_add_test(c, apic_ids_end_under_tcg);
        suite_add_tcase(s, c);
        return suite_run(s);
}
