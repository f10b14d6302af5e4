/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <zlib.h>

#include "../../lib/cpus.h"
#include "../../proto/errors.h"
#include "../../proto/mailbox.h"
#include "guest_fixture.h"

static uint64_t thread_delay(void)
{
        _cleanup_free_ char *path = kt_format("/proc/%d/schedstat", (int)guest_pid(f.guest)), *text = NULL;
        unsigned long long ns;
        size_t size;

        ck_assert_int_ge(kt_read_file(AT_FDCWD, path, 4096, &text, &size), 0);
        ck_assert_int_eq(sscanf(text, "%*u %llu", &ns), 1);
        return ns;
}

/* A thread's CPUs, and whose they are: of a vCPU's thread its number, else 2. */
static const char *told_cpus(const char *tid, unsigned *ret_whose)
{
        _cleanup_free_ char *comm = kt_format("/proc/%d/task/%s/comm", (int)guest_pid(f.guest), tid),
                            *name = NULL;
        static char text[64];
        struct ktstr_cpus cpus;
        size_t size;

        ck_assert_int_ge(kt_read_file(AT_FDCWD, comm, 64, &name, &size), 0);
        if (sscanf(name, "CPU %u/TCG", ret_whose) != 1)
                *ret_whose = 2;
        ck_assert_int_eq(cpus_of_thread(atoi(tid), &cpus), 0);
        return ktstr_cpus_format(&cpus, text, sizeof(text));
}

static void look_at_threads(void)
{
        _cleanup_free_ char *path = kt_format("/proc/%d/task", (int)guest_pid(f.guest));
        _cleanup_closedir_ DIR *tasks = opendir(path);
        struct dirent *de;

        ck_assert_ptr_nonnull(tasks);
        while ((de = readdir(tasks))) {
                unsigned whose;
                const char *cpus;

                if (de->d_name[0] == '.')
                        continue;
                cpus = told_cpus(de->d_name, &whose);
                ck_assert_uint_le(whose, 2);
                ck_assert(!*f.cpus_of[whose] || strcmp(f.cpus_of[whose], cpus) == 0);
                strcpy(f.cpus_of[whose], cpus);
        }
}

static void kill_it(void)
{
        siginfo_t info;

        ck_assert_int_eq(kill(guest_pid(f.guest), SIGKILL), 0);
        ck_assert_int_eq(waitid(P_PID, (id_t)guest_pid(f.guest), &info, WEXITED | WNOWAIT), 0);
}

static void confine(void)
{
        struct kt_error err = KT_ERROR_INIT;

        if (f.kill_before)
                kill_it();
        f.confine_r = guest_confine(f.guest, f.confine, &err);
        snprintf(f.confine_error, sizeof(f.confine_error), "%s", f.confine_r < 0 ? kt_error_text(&err) : "");
        kt_error_done(&err);
        if (!f.kill_before)
                look_at_threads();
}

static void on_paused(void *userdata)
{
        const struct guest_item job = {.json = RUN_JOB, .fd = -1};
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_ptr_eq(userdata, &f);
        f.paused++;
        f.thread_delay_ns[0] = thread_delay();
        f.run_delay_r = guest_run_delays(f.guest, f.run_delay_ns, &f.n_run_delays);
        f.thread_delay_ns[1] = thread_delay();
        strcpy(f.version, guest_qemu_version(f.guest));
        if (f.confine)
                confine();
        if (f.stop_when_paused) {
                guest_stop(f.guest);
                return;
        }
        if (f.kill_before)
                return;
        ck_assert_int_eq(guest_hand_out(f.guest, f.items ?: &job, f.items ? f.n_items : 1, &err), 0);
}

static void setup(void)
{
        setup_guest(on_paused);
}

/* --- the good way --- */

START_TEST(a_job_runs_and_the_guest_powers_off)
{
        run("ok");
        expect_end(GUEST_END_POWEROFF, "", "");
        ck_assert_uint_eq(f.paused, 1);
        ck_assert_uint_eq(f.frames[KT_FRAME_HELLO], 1);
        ck_assert_uint_eq(f.frames[KT_FRAME_EVENT], 5);
        ck_assert_uint_eq(f.frames[KT_FRAME_OUTPUT], 3);
        ck_assert_uint_eq(f.frames[KT_FRAME_RESULT], 1);
        ck_assert_uint_gt(f.boot_us, 0);
        ck_assert_str_eq(f.version, "1.2.3");
        ck_assert_ptr_null(f.note);
}
END_TEST

START_TEST(run_delay_is_known_once_paused)
{
        run("ok");
        ck_assert_int_eq(f.run_delay_r, 0);
}
END_TEST

/* As under TCG before QEMU 8.1. */
START_TEST(a_thread_that_is_all_cpus_waits_once)
{
        f.shape.tcg_one_thread = true;
        ck_assert_uint_gt(topology_cpus(&f.shape.topology), 1);
        run("ok");
        ck_assert_uint_gt(f.thread_delay_ns[0], 0);
        ck_assert_uint_eq(f.n_run_delays, 1);
        ck_assert_uint_ge(f.run_delay_ns[0], f.thread_delay_ns[0]);
        ck_assert_uint_le(f.run_delay_ns[0], f.thread_delay_ns[1]);
}
END_TEST

/* The first and the last that we may use; on a host of one CPU the same. */
static void find_cpus(unsigned *ret_first, unsigned *ret_last)
{
        struct ktstr_cpus cpus;

        ck_assert_int_eq(cpus_of_thread(0, &cpus), 0);
        *ret_first = cpus_nth(&cpus, 0);
        *ret_last = cpus_nth(&cpus, ktstr_cpus_count(&cpus) - 1);
}

/* Its other threads to the first of these, beside what there is in cpus. */
static void run_confined(struct guest_cpus *cpus, const char *script)
{
        unsigned first, last;

        find_cpus(&first, &last);
        ktstr_cpus_add(&cpus->others, first);
        f.confine = cpus;
        run(script);
}

START_TEST(each_thread_is_on_the_cpu_that_it_is_confined_to)
{
        struct guest_cpus cpus = {};
        char first[16], last[16];
        unsigned a = 0, b = 0;

        find_cpus(&a, &b);
        cpus.vcpus = (const uint16_t[]){(uint16_t)b, (uint16_t)a};
        ktstr_cpus_add(&cpus.others, a);
        f.confine = &cpus;
        run("ok");
        expect_end(GUEST_END_POWEROFF, "", "");
        ck_assert_str_eq(f.confine_error, "");
        snprintf(first, sizeof(first), "%u", a);
        snprintf(last, sizeof(last), "%u", b);
        ck_assert_str_eq(f.cpus_of[0], last);
        ck_assert_str_eq(f.cpus_of[1], first);
        ck_assert_str_eq(f.cpus_of[2], first);
}
END_TEST

START_TEST(all_threads_are_on_the_cpus_of_a_budget)
{
        struct guest_cpus cpus = {};
        unsigned a = 0, b = 0;
        char text[64];

        find_cpus(&a, &b);
        ktstr_cpus_add(&cpus.others, b);
        f.confine = &cpus;
        run("ok");
        ck_assert_str_eq(f.confine_error, "");
        ktstr_cpus_format(&cpus.others, text, sizeof(text));
        for (unsigned i = 0; i < KT_ARRAY_SIZE(f.cpus_of); i++)
                ck_assert_str_eq(f.cpus_of[i], text);
}
END_TEST

START_TEST(one_thread_for_two_vcpus_cannot_be_on_two_cpus)
{
        struct guest_cpus cpus = {.vcpus = (const uint16_t[]){0, 0}};

        f.shape.tcg_one_thread = f.stop_when_paused = true;
        run_confined(&cpus, "ok");
        ck_assert_int_eq(f.confine_r, -EOPNOTSUPP);
        ck_assert_str_eq(f.confine_error, "QEMU has 1 thread for 2 vCPUs: they cannot have a CPU each");
}
END_TEST

START_TEST(a_thread_that_is_not_qemus_is_told)
{
        struct guest_cpus cpus = {.vcpus = (const uint16_t[]){0}};

        f.shape.topology = (struct topology){1, 1, 1, 1};
        f.stop_when_paused = true;
        run_confined(&cpus, "odd_threads");
        ck_assert_int_eq(f.confine_r, -ENOENT);
        ck_assert_ptr_nonnull(strstr(f.confine_error, ", which it says is that of vCPU 0"));
}
END_TEST

/* It is its death that is told then, not what it has no more. */
START_TEST(one_that_has_just_died_is_not_to_be_confined)
{
        struct guest_cpus cpus = {.vcpus = (const uint16_t[]){0, 0}};

        f.kill_before = true;
        run_confined(&cpus, "ok");
        ck_assert_int_eq(f.confine_r, -ESRCH);
        expect_end(GUEST_END_START, KT_E_GUEST_START, "QEMU was killed by signal 9 before the guest ran");
}
END_TEST

START_TEST(cpus_that_are_not_there_are_told)
{
        struct guest_cpus cpus = {};

        ktstr_cpus_add(&cpus.others, KTSTR_CPUS_MAX - 1);
        f.stop_when_paused = true;
        f.confine = &cpus;
        run("ok");
        ck_assert_int_eq(f.confine_r, -EINVAL);
        ck_assert_ptr_nonnull(
                strstr(f.confine_error, " cannot be confined to CPU 1023 of the host: it is offline"));
}
END_TEST

START_TEST(cpus_of_which_one_is_not_there_are_told)
{
        struct guest_cpus cpus = {};

        ktstr_cpus_add(&cpus.others, KTSTR_CPUS_MAX - 1);
        f.stop_when_paused = true;
        run_confined(&cpus, "ok");
        ck_assert_int_eq(f.confine_r, -EAGAIN);
        ck_assert_ptr_nonnull(strstr(f.confine_error, ",1023 of the host: it is kept from some of them"));
}
END_TEST

START_TEST(run_delay_is_unknown_before)
{
        uint64_t ns[TOPOLOGY_CPUS_MAX];
        unsigned n;

        start("ok");
        ck_assert_int_eq(guest_run_delays(f.guest, ns, &n), -ENODATA);
        guest_stop(f.guest);
}
END_TEST

START_TEST(a_stopped_guest_ends_as_stopped)
{
        f.stop_at_frame = KT_FRAME_HELLO;
        run("hang_after_hello");
        expect_end(GUEST_END_STOPPED, "", "");
}
END_TEST

START_TEST(stop_is_idempotent_and_works_at_once)
{
        start("ok");
        guest_stop(f.guest);
        guest_stop(f.guest);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.gone, 1);
        expect_end(GUEST_END_STOPPED, "", "");
        ck_assert_uint_eq(f.paused, 0);
}
END_TEST

START_TEST(a_paused_guest_can_be_stopped)
{
        f.stop_when_paused = true;
        run("ok");
        expect_end(GUEST_END_STOPPED, "", "");
        ck_assert_uint_eq(f.frames[KT_FRAME_HELLO], 0);
}
END_TEST

static void on_paused_stop_while_handing(void *userdata)
{
        on_paused(userdata);
        guest_stop(f.guest);
}

START_TEST(a_guest_can_be_stopped_while_it_is_handed_its_job)
{
        f.ops.on_paused = on_paused_stop_while_handing;
        run("ok");
        expect_end(GUEST_END_STOPPED, "", "");
}
END_TEST

START_TEST(a_running_guest_can_be_stopped_at_its_result)
{
        f.stop_at_frame = KT_FRAME_RESULT;
        run("ok");
        expect_end(GUEST_END_STOPPED, "", "");
}
END_TEST

START_TEST(cancel_reaches_the_agent)
{
        f.cancel_when_running = true;
        run("wait_for_cancel");
        expect_end(GUEST_END_POWEROFF, "", "");
        _cleanup_free_ char *log = read_log();
        ck_assert_ptr_nonnull(strstr(log, "\ncancel\n"));
}
END_TEST

/* --- handing over --- */

static int make_file(const char *name, size_t size, uLong *ret_crc)
{
        _cleanup_free_ char *path = in_dir(name);
        _cleanup_free_ uint8_t *data = malloc(size ?: 1);
        uint32_t x = 12345;

        for (size_t i = 0; i < size; i++) {
                x = x * 1664525 + 1013904223;
                data[i] = (uint8_t)(x >> 24);
        }
        write_file(path, data, size);
        *ret_crc = crc32(crc32(0, NULL, 0), data, (uInt)size);
        return open(path, O_RDONLY | O_CLOEXEC);
}

/* A job, an empty file, a large one, a link; returns what the fake must have written down. */
static char *prepare_items(struct guest_item items[static 4], size_t large_size)
{
        uLong empty_crc, large_crc;

        items[0] = (struct guest_item){.json = RUN_JOB, .fd = -1};
        items[1] = (struct guest_item){
                .guest_path = "/ktstr/lib/empty", .fd = make_file("empty", 0, &empty_crc), .mode = 0644};
        items[2] = (struct guest_item){.guest_path = "/ktstr/bin/x",
                                       .fd = make_file("large", large_size, &large_crc),
                                       .size = large_size,
                                       .mode = 0755};
        items[3] = (struct guest_item){.guest_path = "/ktstr/bin/y", .link = "x", .fd = -1};
        f.items = items;
        f.n_items = 4;
        return kt_format("job " RUN_JOB
                         "\nfile /ktstr/lib/empty 644 0 %08lx\nfile /ktstr/bin/x 755 %zu %08lx\n"
                         "link /ktstr/bin/y x\ngo\n",
                         empty_crc, large_size, large_crc);
}

static void expect_handed(const char *script, size_t large_size)
{
        struct guest_item items[4];
        _cleanup_free_ char *expected = prepare_items(items, large_size), *log = NULL;

        run(script);
        expect_end(GUEST_END_POWEROFF, "", "");
        log = read_log();
        ck_assert_str_eq(log, expected);
        close(items[1].fd);
        close(items[2].fd);
}

START_TEST(what_fits_goes_through_the_mailbox)
{
        expect_handed("ok", 3 * MIB + 17);
        ck_assert_ptr_null(f.note);
}
END_TEST

START_TEST(what_does_not_fit_follows_over_the_port)
{
        expect_handed("ok", KT_MAILBOX_SIZE + 5 * MIB + 17);
}
END_TEST

START_TEST(everything_goes_over_the_port_when_the_agent_has_no_mailbox)
{
        expect_handed("no_mailbox", 3 * MIB + 17);
        ck_assert_ptr_nonnull(strstr(f.note, "cannot open /dev/mem"));
}
END_TEST

START_TEST(everything_goes_over_the_port_when_the_kernel_has_no_devmem)
{
        lay_out(false);
        expect_handed("ok", 3 * MIB + 17);
        ck_assert_ptr_nonnull(strstr(f.note, "no /dev/mem"));
}
END_TEST

START_TEST(a_slow_reader_gets_it_all)
{
        expect_handed("slow_port", MIB + 17);
}
END_TEST

START_TEST(a_frame_sent_during_the_hand_out_comes_behind_it)
{
        struct guest_item items[4];
        _cleanup_free_ char *expected = prepare_items(items, 3 * MIB), *log = NULL;

        f.cancel_when_running = true;
        /* It goes on reading after GO, and what comes next must be a whole CANCEL. */
        setenv("FAKE_QEMU_SCRIPT", "wait_for_cancel", 1);
        lay_out(false);
        run("wait_for_cancel");
        expect_end(GUEST_END_POWEROFF, "", "");
        log = read_log();
        ck_assert_int_eq(strncmp(log, expected, strlen(expected)), 0);
        ck_assert_str_eq(log + strlen(expected), "cancel\n");
        close(items[1].fd);
        close(items[2].fd);
}
END_TEST

START_TEST(a_file_that_shrank_ends_the_guest)
{
        struct guest_item items[4];
        _cleanup_free_ char *expected = prepare_items(items, MIB);

        items[2].size = 2 * MIB;
        run("ok");
        expect_end(GUEST_END_START, KT_E_BAD_FILE, "/ktstr/bin/x became shorter");
        close(items[1].fd);
        close(items[2].fd);
}
END_TEST

START_TEST(a_file_that_shrank_ends_the_guest_without_mailbox_too)
{
        struct guest_item items[4];
        _cleanup_free_ char *expected = prepare_items(items, MIB);

        items[2].size = 2 * MIB;
        run("no_mailbox");
        expect_end(GUEST_END_START, KT_E_BAD_FILE, "/ktstr/bin/x became shorter");
        close(items[1].fd);
        close(items[2].fd);
}
END_TEST

static void on_paused_hand_out_nonsense(void *userdata)
{
        const struct guest_item items[2] = {{.json = RUN_JOB, .fd = -1}, {.guest_path = "no/root", .fd = 0}};
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(guest_hand_out(f.guest, items, 2, &err), -EINVAL);
        ck_assert_str_eq(err.name, KT_E_BAD_FILE);
        kt_error_done(&err);
        guest_stop(f.guest);
}

START_TEST(a_relative_path_is_refused)
{
        f.ops.on_paused = on_paused_hand_out_nonsense;
        run("ok");
        expect_end(GUEST_END_STOPPED, "", "");
}
END_TEST

/* --- how it can fail --- */

static const struct failure {
        const char *script;
        enum guest_end end;
        const char *name, *message;
        unsigned hellos;
} failures[] = {
        {"refuse_args", GUEST_END_START, KT_E_GUEST_START, "Property 'pc-q35-1.2-machine.smbus' not found",
         0},
        {"broken_qmp", GUEST_END_START, KT_E_GUEST_START, "does not speak QMP", 0},
        {"die_paused", GUEST_END_START, KT_E_GUEST_START, "exited with code 4", 0},
        {"refuse_cont", GUEST_END_BOOT, KT_E_GUEST_BOOT, "QEMU refused cont: not today", 0},
        {"die_before_hello", GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "QEMU exited with code 3: fake-qemu: the tape ran out", 0},
        {"panic", GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest died while it booted: Kernel panic - not syncing: VFS: Unable to mount root fs "
         "on unknown-block(0,0)",
         0},
        {"panic_running", GUEST_END_CRASHED, KT_E_GUEST_DIED,
         "the guest died while it ran: Kernel panic - not syncing: sysrq triggered crash", 1},
        {"die_after_hello", GUEST_END_DIED, KT_E_GUEST_DIED, "QEMU crashed with signal 11", 1},
        {"poweroff_early", GUEST_END_CRASHED, KT_E_GUEST_DIED, "powered off before its result", 1},
        {"kvm_error", GUEST_END_DIED, KT_E_GUEST_DIED, "KVM internal error. Suberror: 3; --accel tcg", 1},
        {"early_frame", GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL, "first frame is no HELLO", 0},
        {"two_hellos", GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL, "a frame that no guest may send", 1},
        {"bad_hello", GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL, "HELLO is no JSON", 0},
        {"host_frame", GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL, "a frame that no guest may send", 1},
        {"garbage_frames", GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL, "bytes that are no frames", 1},
        {"oversized_frame", GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL, "larger than any may be", 1},
};

START_TEST(each_failure_has_its_words)
{
        const struct failure *x = &failures[_i];

        run(x->script);
        expect_end(x->end, x->name, x->message);
        ck_assert_uint_eq(f.frames[KT_FRAME_HELLO], x->hellos);
}
END_TEST

START_TEST(a_panic_is_in_the_consoles_tail)
{
        run("panic");
        ck_assert_str_eq(f.tail, "[    2.027754] Call Trace:\n[    2.030724]  </TASK>\n[    2.031361] "
                                 "Kernel Offset: disabled");
}
END_TEST

static bool has_spoken(void *userdata)
{
        return f.console_bytes > 0;
}

START_TEST(a_guest_that_never_is_ready_ends_at_its_timeout)
{
        start("never_hello");
        loop_test_until(&f.t, has_spoken, NULL);
        let_time_pass();
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.gone, 1);
        expect_end(GUEST_END_BOOT, KT_E_GUEST_BOOT, "the last on its console: Run /init as init process");
}
END_TEST

START_TEST(a_flood_is_taken_without_being_kept)
{
        start("flood");
        while (f.output_bytes < 64 * MIB)
                uv_run(&f.t.loop, UV_RUN_ONCE);
        guest_stop(f.guest);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        expect_end(GUEST_END_STOPPED, "", "");
}
END_TEST

START_TEST(the_whole_console_is_in_its_file)
{
        struct stat st;

        run("console_flood");
        expect_end(GUEST_END_POWEROFF, "", "");
        ck_assert_int_eq(stat(f.console_path, &st), 0);
        ck_assert_int_eq(st.st_size, 2 * MIB);
        ck_assert_uint_eq(f.console_bytes, 2 * MIB);
        ck_assert_int_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(never_qmp_can_be_stopped)
{
        start("never_qmp");
        guest_stop(f.guest);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        expect_end(GUEST_END_STOPPED, "", "");
}
END_TEST

/* --- a start that fails leaves nothing --- */

static void expect_no_start(const char *name)
{
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_lt(guest_start(&f.t.loop, &f.params, &f.ops, &f, &f.guest, &err), 0);
        ck_assert_str_eq(err.name, name);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.gone, 0);
        kt_error_done(&err);
}

START_TEST(no_helper)
{
        f.params.exec_helper = "/nonexistent/ktstrd-exec";
        expect_no_start(KT_E_GUEST_START);
}
END_TEST

START_TEST(an_id_that_is_no_file_name)
{
        f.params.id = "../../etc";
        expect_no_start(KT_E_INTERNAL);
}
END_TEST

START_TEST(a_folder_that_is_there_is_left_alone)
{
        _cleanup_free_ char *path = in_dir("guest-j1");

        ck_assert_int_eq(mkdir(path, 0700), 0);
        expect_no_start(KT_E_IO);
        ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(no_qemu_is_said_as_it_is)
{
        f.params.qemu_path = "/nonexistent/qemu";
        run("ok");
        expect_end(GUEST_END_START, KT_E_GUEST_START,
                   "cannot run /nonexistent/qemu: No such file or directory");
}
END_TEST

/* --- the sweep --- */

START_TEST(the_sweep_kills_orphans_and_removes_folders)
{
        _cleanup_free_ char *other = in_dir("other");

        ck_assert_int_eq(mkdir(other, 0700), 0);
        start("hang_after_hello");
        guest_sweep(f.dir);
        ck_assert(!exists("guest-j1"));
        ck_assert(exists("other"));
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        expect_end(GUEST_END_START, KT_E_GUEST_START, "killed");
}
END_TEST

START_TEST(the_sweep_spares_who_only_has_the_same_pid)
{
        _cleanup_free_ char *dir = in_dir("guest-old"), *path = in_dir("guest-old/pid"),
                            *text = kt_format("%d 1\n", getpid());

        ck_assert_int_eq(mkdir(dir, 0700), 0);
        write_file(path, text, strlen(text));
        guest_sweep(f.dir);
        ck_assert(!exists("guest-old"));
}
END_TEST

int main(void)
{
        Suite *s = suite_create("guest");
        TCase *life = tcase_create("life"), *hand_out = tcase_create("hand out"),
              *fail = tcase_create("failures"), *no_start = tcase_create("no start");
        TCase *all[] = {life, hand_out, fail, no_start};
        SRunner *runner;
        int failed;

        for (size_t i = 0; i < KT_ARRAY_SIZE(all); i++) {
                tcase_add_checked_fixture(all[i], setup, teardown_guest);
                tcase_set_timeout(all[i], 120);
                suite_add_tcase(s, all[i]);
        }
        tcase_add_test(life, a_job_runs_and_the_guest_powers_off);
        tcase_add_test(life, run_delay_is_known_once_paused);
        tcase_add_test(life, a_thread_that_is_all_cpus_waits_once);
        tcase_add_test(life, one_that_has_just_died_is_not_to_be_confined);
        tcase_add_test(life, each_thread_is_on_the_cpu_that_it_is_confined_to);
        tcase_add_test(life, all_threads_are_on_the_cpus_of_a_budget);
        tcase_add_test(life, one_thread_for_two_vcpus_cannot_be_on_two_cpus);
        tcase_add_test(life, a_thread_that_is_not_qemus_is_told);
        tcase_add_test(life, cpus_that_are_not_there_are_told);
        tcase_add_test(life, cpus_of_which_one_is_not_there_are_told);
        tcase_add_test(life, run_delay_is_unknown_before);
        tcase_add_test(life, a_stopped_guest_ends_as_stopped);
        tcase_add_test(life, stop_is_idempotent_and_works_at_once);
        tcase_add_test(life, a_paused_guest_can_be_stopped);
        tcase_add_test(life, a_guest_can_be_stopped_while_it_is_handed_its_job);
        tcase_add_test(life, a_running_guest_can_be_stopped_at_its_result);
        tcase_add_test(life, cancel_reaches_the_agent);
        tcase_add_test(life, the_sweep_kills_orphans_and_removes_folders);
        tcase_add_test(life, the_sweep_spares_who_only_has_the_same_pid);
        tcase_add_test(hand_out, what_fits_goes_through_the_mailbox);
        tcase_add_test(hand_out, what_does_not_fit_follows_over_the_port);
        tcase_add_test(hand_out, everything_goes_over_the_port_when_the_agent_has_no_mailbox);
        tcase_add_test(hand_out, everything_goes_over_the_port_when_the_kernel_has_no_devmem);
        tcase_add_test(hand_out, a_slow_reader_gets_it_all);
        tcase_add_test(hand_out, a_frame_sent_during_the_hand_out_comes_behind_it);
        tcase_add_test(hand_out, a_file_that_shrank_ends_the_guest);
        tcase_add_test(hand_out, a_file_that_shrank_ends_the_guest_without_mailbox_too);
        tcase_add_test(hand_out, a_relative_path_is_refused);
        tcase_add_loop_test(fail, each_failure_has_its_words, 0, (int)KT_ARRAY_SIZE(failures));
        tcase_add_test(fail, a_panic_is_in_the_consoles_tail);
        tcase_add_test(fail, a_guest_that_never_is_ready_ends_at_its_timeout);
        tcase_add_test(fail, a_flood_is_taken_without_being_kept);
        tcase_add_test(fail, the_whole_console_is_in_its_file);
        tcase_add_test(fail, never_qmp_can_be_stopped);
        tcase_add_test(no_start, no_helper);
        tcase_add_test(no_start, an_id_that_is_no_file_name);
        tcase_add_test(no_start, a_folder_that_is_there_is_left_alone);
        tcase_add_test(no_start, no_qemu_is_said_as_it_is);

        runner = srunner_create(s);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
