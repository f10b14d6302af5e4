/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Guests that wait for a job: parked, saved, restored as clones, adopted, woken; and how each can fail. */

#include <sys/mman.h>

#include "../../proto/errors.h"
#include "../../proto/mailbox.h"
#include "guest_fixture.h"

#define REHEARSALS 2U

enum act {
        NOTHING,
        HAND_OUT,
        PARK,
        SAVE,
        STOP,
};

/* What to do when, and what came. */
static struct {
        enum act paused, parked, saved;
        bool stop_at_once;        /* guest_stop() right behind that */
        unsigned wake_timeout_ms; /* its boot timeout from PARKED on; 0: what it is */
        const char *state_path;
        int memory_fds[TOPOLOGY_NODES_MAX];
        int state_fd;

        unsigned n_parked, n_saved;
        uint64_t parked_boot_us;
        char *mailbox_error;
} p;

static void act(enum act what)
{
        const struct guest_item job = {.json = RUN_JOB, .fd = -1};

        switch (what) {
        case HAND_OUT:
                ck_assert_int_eq(guest_hand_out(f.guest, f.items ?: &job, f.items ? f.n_items : 1, NULL), 0);
                break;
        case PARK:
                guest_park(f.guest, REHEARSALS);
                break;
        case SAVE:
                guest_save(f.guest, p.state_path);
                break;
        case STOP:
                guest_stop(f.guest);
                break;
        default:
                break;
        }
        if (p.stop_at_once && what != PARK)
                guest_stop(f.guest);
}

static void on_paused(void *userdata)
{
        ck_assert_ptr_eq(userdata, &f);
        f.paused++;
        act(p.paused);
}

static void on_parked(void *userdata)
{
        const char *why = guest_mailbox_error(f.guest);

        ck_assert_ptr_eq(userdata, &f);
        p.n_parked++;
        p.parked_boot_us = guest_boot_us(f.guest);
        free(p.mailbox_error);
        p.mailbox_error = why ? strdup(why) : NULL;
        if (p.wake_timeout_ms)
                f.guest->boot_timeout_ms = p.wake_timeout_ms;
        act(p.parked);
}

static void on_saved(void *userdata)
{
        ck_assert_ptr_eq(userdata, &f);
        p.n_saved++;
        act(p.saved);
}

/* Files of our own for its memory, as a template's are. */
static void make_memory(void)
{
        for (unsigned i = 0; i < f.shape.layout.n_nodes; i++) {
                if (p.memory_fds[i] > 0)
                        close(p.memory_fds[i]);
                p.memory_fds[i] = memfd_create("memory", MFD_CLOEXEC);
                ck_assert_int_ge(p.memory_fds[i], 0);
                ck_assert_int_eq(ftruncate(p.memory_fds[i], (off_t)f.shape.layout.node_size[i]), 0);
        }
        f.params.origin.memory_fds = p.memory_fds;
}

/* They are counted when the loop ends, so they are there before it begins. */
static void setup(void)
{
        memset(&p, 0, sizeof(p));
        p.paused = PARK;
        p.parked = STOP;
        p.saved = STOP;
        p.state_fd = -1;
        setup_guest(on_paused);
        f.ops.on_parked = on_parked;
        f.ops.on_saved = on_saved;
        p.state_path = in_dir("state");
}

static void close_origin(void)
{
        for (unsigned i = 0; i < TOPOLOGY_NODES_MAX; i++)
                if (p.memory_fds[i] > 0)
                        close(p.memory_fds[i]);
        kt_closep(&p.state_fd);
}

static void teardown(void)
{
        close_origin();
        teardown_guest();
        free(p.mailbox_error);
        free((char *)p.state_path);
}

/* A guest boots, is parked and saved; from then on the fixture's guests are clones of it. */
static void make_template(void)
{
        const enum act paused = p.paused, parked = p.parked;

        make_memory();
        p.paused = PARK;
        p.parked = SAVE;
        run("ok");
        ck_assert_uint_eq(p.n_saved, 1);
        p.paused = paused;
        p.parked = parked;
        p.n_parked = p.n_saved = f.gone = f.paused = 0;
        ck_assert_int_eq(unlink(f.log_path), 0);
        p.state_fd = open(p.state_path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(p.state_fd, 0);
        f.params.origin.state_fd = p.state_fd;
}

static void expect_log(const char *expected)
{
        _cleanup_free_ char *log = read_log();

        ck_assert_str_eq(log, expected);
}

static void expect_no_frames(void)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(f.frames); i++)
                ck_assert_uint_eq(f.frames[i], 0);
}

static void expect_a_whole_job(void)
{
        expect_end(GUEST_END_POWEROFF, "", "");
        ck_assert_uint_eq(f.frames[KT_FRAME_HELLO], 1);
        ck_assert_uint_eq(f.frames[KT_FRAME_EVENT], 5);
        ck_assert_uint_eq(f.frames[KT_FRAME_OUTPUT], 3);
        ck_assert_uint_eq(f.frames[KT_FRAME_RESULT], 1);
        ck_assert_uint_gt(f.boot_us, 0);
}

/* --- a guest that boots --- */

START_TEST(one_that_boots_is_parked)
{
        run("ok");
        expect_end(GUEST_END_STOPPED, "", "");
        ck_assert_uint_eq(p.n_parked, 1);
        ck_assert_uint_gt(p.parked_boot_us, 0);
        ck_assert_ptr_null(p.mailbox_error);
        expect_log("park 2\nparked\n");
}
END_TEST

START_TEST(what_it_says_before_it_has_a_job_is_kept_back)
{
        run("chatty_park");
        expect_end(GUEST_END_STOPPED, "", "");
        ck_assert_uint_eq(p.n_parked, 1);
        expect_no_frames();
}
END_TEST

START_TEST(a_parked_guest_takes_a_job)
{
        p.parked = HAND_OUT;
        run("chatty_park");
        ck_assert_uint_eq(p.n_parked, 1);
        expect_a_whole_job();
        ck_assert_ptr_null(f.note);
        expect_log("park 2\nparked\njob " RUN_JOB "\ngo\n");
}
END_TEST

START_TEST(what_the_agent_says_of_its_mailbox_is_known)
{
        run("no_mailbox");
        expect_end(GUEST_END_STOPPED, "", "");
        ck_assert_str_eq(p.mailbox_error, "cannot open /dev/mem: Operation not permitted");
}
END_TEST

START_TEST(without_a_mailbox_a_parked_guest_is_woken_by_a_frame)
{
        p.parked = HAND_OUT;
        run("no_mailbox");
        expect_a_whole_job();
        ck_assert_ptr_nonnull(strstr(f.note, "cannot open /dev/mem"));
        expect_log("park 2\nparked\nwake\njob " RUN_JOB "\ngo\n");
}
END_TEST

START_TEST(and_so_it_is_when_its_kernel_has_none)
{
        lay_out(false);
        p.parked = HAND_OUT;
        run("ok");
        expect_a_whole_job();
        ck_assert_ptr_nonnull(strstr(f.note, "no /dev/mem"));
        expect_log("park 2\nparked\nwake\njob " RUN_JOB "\ngo\n");
}
END_TEST

/* --- saving --- */

START_TEST(a_parked_guest_is_saved)
{
        _cleanup_free_ char *state = NULL;

        make_memory();
        p.parked = SAVE;
        run("ok");
        expect_end(GUEST_END_STOPPED, "", "");
        ck_assert_uint_eq(p.n_parked, 1);
        ck_assert_uint_eq(p.n_saved, 1);
        expect_log("park 2\nparked\nsaved\n");
        ck_assert_int_eq(kt_read_file(AT_FDCWD, p.state_path, 4096, &state, NULL), 0);
        ck_assert_int_eq(strncmp(state, "fake state", 10), 0);
}
END_TEST

START_TEST(a_saved_guest_takes_a_job_or_is_saved_again)
{
        make_memory();
        p.parked = SAVE;
        p.saved = HAND_OUT;
        run("ok");
        expect_a_whole_job();
        expect_log("park 2\nparked\nsaved\njob " RUN_JOB "\ngo\n");
}
END_TEST

START_TEST(it_is_saved_where_it_should_be_whatever_that_is_called)
{
        free((char *)p.state_path);
        p.state_path = in_dir("it's a 'state'; $(exit 3)");
        make_memory();
        p.parked = SAVE;
        run("ok");
        ck_assert_uint_eq(p.n_saved, 1);
        ck_assert(exists("it's a 'state'; $(exit 3)"));
}
END_TEST

START_TEST(it_boots_on_the_files_that_it_was_given)
{
        _cleanup_free_ uint8_t *header = calloc(1, KT_MAILBOX_HEADER_SIZE);
        uint64_t size;
        uint32_t flags;

        make_memory();
        p.parked = HAND_OUT;
        run("ok");
        expect_a_whole_job();
        /* The hand-out went through its mailbox, which lies in there. */
        ck_assert_int_eq(
                pread(p.memory_fds[0], header, KT_MAILBOX_HEADER_SIZE, (off_t)f.shape.layout.mailbox_gpa),
                KT_MAILBOX_HEADER_SIZE);
        ck_assert_int_eq(kt_mailbox_parse(header, f.shape.layout.mailbox_size, &size, &flags), 1);
}
END_TEST

/* --- clones --- */

START_TEST(a_clone_takes_a_job)
{
        make_template();
        p.paused = HAND_OUT;
        run("ok");
        ck_assert_uint_eq(f.paused, 1);
        ck_assert_uint_eq(p.n_parked, 0);
        expect_a_whole_job();
        expect_log("restored\njob " RUN_JOB "\ngo\n");
}
END_TEST

START_TEST(a_clone_is_parked_and_takes_a_job)
{
        make_template();
        p.parked = HAND_OUT;
        run("chatty_park");
        ck_assert_uint_eq(p.n_parked, 1);
        expect_a_whole_job();
        expect_log("restored\npark 2\nparked\njob " RUN_JOB "\ngo\n");
}
END_TEST

START_TEST(a_clone_says_how_long_it_took_to_wake)
{
        make_template();
        run("ok");
        ck_assert_uint_eq(p.parked_boot_us, 0);
        f.gone = 0;
        p.parked = HAND_OUT;
        run("ok");
        ck_assert_uint_gt(f.boot_us, 0);
}
END_TEST

START_TEST(a_clone_of_several_nodes_is_restored)
{
        f.shape.topology = (struct topology){2, 2, 1, 1};
        lay_out(true);
        make_template();
        p.parked = HAND_OUT;
        run("ok");
        expect_a_whole_job();
}
END_TEST

START_TEST(what_a_clone_does_to_its_memory_is_its_own)
{
        static const uint8_t zeros[KT_MAILBOX_HEADER_SIZE];
        uint8_t header[KT_MAILBOX_HEADER_SIZE];

        make_template();
        p.paused = HAND_OUT;
        run("ok");
        expect_a_whole_job();
        ck_assert_int_eq(pread(p.memory_fds[0], header, sizeof(header), (off_t)f.shape.layout.mailbox_gpa),
                         sizeof(header));
        ck_assert_int_eq(memcmp(header, zeros, sizeof(header)), 0);
}
END_TEST

static void on_second_gone(void *userdata, enum guest_end end, const struct kt_error *err)
{
        unsigned *gone = userdata;

        ck_assert_int_eq(end, GUEST_END_STOPPED);
        (*gone)++;
}

static struct guest *second;

static void on_second_paused(void *userdata)
{
        guest_stop(second);
}

/* Each reads the state from its beginning, whoever else does. */
START_TEST(two_clones_are_restored_at_once)
{
        const struct guest_ops ops = {
                .on_paused = on_second_paused, .on_frame = on_frame, .on_gone = on_second_gone};
        unsigned gone = 0;

        make_template();
        ck_assert_int_gt(lseek(p.state_fd, 0, SEEK_END), 0);
        start("ok");
        f.params.id = "j2";
        f.params.console_path = NULL;
        ck_assert_int_eq(guest_start(&f.t.loop, &f.params, &ops, &gone, &second, NULL), 0);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(gone, 1);
        ck_assert_uint_eq(p.n_parked, 1);
        expect_end(GUEST_END_STOPPED, "", "");
        ck_assert(!exists("guest-j2"));
}
END_TEST

static void expect_woken(const char *log)
{
        struct guest_item items[2] = {{.json = RUN_JOB, .fd = -1},
                                      {.guest_path = "/ktstr/bin/y", .link = "x", .fd = -1}};

        f.items = items;
        f.n_items = 2;
        run("no_mailbox");
        f.items = NULL;
        expect_a_whole_job();
        ck_assert_ptr_nonnull(strstr(f.note, "Permission denied, says the template"));
        expect_log(log);
}

START_TEST(a_clone_whose_agent_has_no_mailbox_is_woken_by_a_frame)
{
        make_template();
        f.params.origin.mailbox_error = "Permission denied, says the template";
        p.paused = HAND_OUT;
        expect_woken("restored\nwake\njob " RUN_JOB "\nlink /ktstr/bin/y x\ngo\n");
}
END_TEST

START_TEST(and_so_it_is_when_its_kernel_gave_the_template_none)
{
        lay_out(false);
        make_template();
        p.parked = HAND_OUT;
        run("ok");
        expect_a_whole_job();
        ck_assert_ptr_nonnull(strstr(f.note, "no /dev/mem"));
        expect_log("restored\npark 2\nparked\nwake\njob " RUN_JOB "\ngo\n");
}
END_TEST

START_TEST(a_state_that_cannot_be_opened_is_told)
{
        struct kt_error err = KT_ERROR_INIT;

        make_memory();
        f.params.origin.state_fd = 9999;
        ck_assert_int_eq(guest_start(&f.t.loop, &f.params, &f.ops, &f, &f.guest, &err), -ENOENT);
        ck_assert_str_eq(err.name, KT_E_GUEST_START);
        ck_assert_ptr_nonnull(strstr(err.message, "the template's state"));
        kt_error_done(&err);
}
END_TEST

/* --- adoption --- */

/* Who takes the guest over. */
static struct {
        unsigned frames, gone;
        char console[64];
} heir;

static void on_heirs_frame(void *userdata, const struct kt_frame *frame)
{
        ck_assert_ptr_eq(userdata, &heir);
        heir.frames++;
        if (frame->type == KT_FRAME_RESULT)
                guest_expect_poweroff(f.guest);
}

static void on_heirs_console(void *userdata, const char *data, size_t size)
{
        ck_assert_ptr_eq(userdata, &heir);
        strncat(heir.console, data, size);
}

static void on_heirs_gone(void *userdata, enum guest_end end, const struct kt_error *err)
{
        ck_assert_ptr_eq(userdata, &heir);
        ck_assert_int_eq(end, GUEST_END_POWEROFF);
        heir.gone++;
}

static const struct guest_ops heirs_ops = {
        .on_frame = on_heirs_frame, .on_console = on_heirs_console, .on_gone = on_heirs_gone};

static bool is_parked_and_has_spoken(void *userdata)
{
        return p.n_parked == 1 && f.console_bytes >= strlen("rehearsed\r\n");
}

static void adopt(const char *console_path)
{
        memset(&heir, 0, sizeof(heir));
        p.parked = NOTHING;
        start("chatty_park");
        loop_test_until(&f.t, is_parked_and_has_spoken, NULL);
        ck_assert_int_eq(guest_adopt(f.guest, &heirs_ops, &heir, console_path, NULL), 0);
        act(HAND_OUT);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
}

static void expect_inherited(void)
{
        ck_assert_uint_eq(heir.gone, 1);
        ck_assert_uint_eq(heir.frames, 10);
        ck_assert_str_eq(heir.console, "awake\r\n");
        /* Nothing more for those that it was taken from. */
        ck_assert_uint_eq(f.gone, 0);
        ck_assert_uint_eq(f.console_bytes, strlen("rehearsed\r\n"));
        expect_no_frames();
}

static void expect_file(const char *path, const char *expected)
{
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, path, 4096, &text, NULL), 0);
        ck_assert_str_eq(text, expected);
}

START_TEST(who_adopts_a_guest_gets_what_comes_from_then_on)
{
        _cleanup_free_ char *path = in_dir("heirs-console");
        struct stat st;

        adopt(path);
        expect_inherited();
        expect_file(path, "awake\r\n");
        expect_file(f.console_path, "rehearsed\r\n");
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(a_clone_is_adopted_too)
{
        make_template();
        f.params.console_path = NULL;
        adopt(NULL);
        expect_inherited();
}
END_TEST

START_TEST(an_adoption_without_a_file_ends_the_old_one)
{
        adopt(NULL);
        expect_inherited();
        expect_file(f.console_path, "rehearsed\r\n");
}
END_TEST

START_TEST(a_console_that_cannot_be_kept_does_not_matter_to_the_job)
{
        adopt("/nonexistent/console");
        expect_inherited();
}
END_TEST

/* --- frozen --- */

/* The third field of /proc/PID/stat. */
static char process_state(void)
{
        _cleanup_free_ char *path = kt_format("/proc/%d/stat", (int)guest_pid(f.guest)), *text = NULL;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, path, 4096, &text, NULL), 0);
        return strrchr(text, ')')[2];
}

static bool is_frozen(void *userdata)
{
        return process_state() == 'T';
}

static bool is_parked(void *userdata)
{
        return p.n_parked > 0;
}

static void park_and_freeze(void)
{
        make_template();
        p.parked = NOTHING;
        start("chatty_park");
        loop_test_until(&f.t, is_parked, NULL);
        guest_freeze(f.guest);
        loop_test_until(&f.t, is_frozen, NULL);
}

START_TEST(a_frozen_guest_takes_a_job)
{
        park_and_freeze();
        act(HAND_OUT);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        expect_a_whole_job();
}
END_TEST

START_TEST(a_frozen_guest_is_adopted)
{
        park_and_freeze();
        memset(&heir, 0, sizeof(heir));
        ck_assert_int_eq(guest_adopt(f.guest, &heirs_ops, &heir, NULL, NULL), 0);
        act(HAND_OUT);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(heir.gone, 1);
        ck_assert_uint_eq(heir.frames, 10);
}
END_TEST

static bool is_thawed(void *userdata)
{
        return process_state() != 'T';
}

START_TEST(a_frozen_guest_is_thawed)
{
        park_and_freeze();
        guest_thaw(f.guest);
        guest_thaw(f.guest);
        loop_test_until(&f.t, is_thawed, NULL);
        act(HAND_OUT);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        expect_a_whole_job();
}
END_TEST

START_TEST(a_frozen_guest_is_stopped)
{
        park_and_freeze();
        guest_stop(f.guest);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        expect_end(GUEST_END_STOPPED, "", "");
}
END_TEST

START_TEST(a_frozen_guest_that_is_killed_has_its_words)
{
        park_and_freeze();
        ck_assert_int_eq(kill(guest_pid(f.guest), SIGKILL), 0);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        expect_end(GUEST_END_DIED, KT_E_GUEST_DIED,
                   "the guest died while it waited for a job: QEMU was killed; did the host run out of "
                   "memory?");
}
END_TEST

START_TEST(one_that_has_just_ended_is_not_adopted)
{
        struct kt_error err = KT_ERROR_INIT;

        park_and_freeze();
        guest_stop(f.guest);
        ck_assert_int_eq(guest_adopt(f.guest, &heirs_ops, &heir, NULL, &err), -ESRCH);
        ck_assert_str_eq(err.name, KT_E_GUEST_DIED);
        kt_error_done(&err);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        expect_end(GUEST_END_STOPPED, "", "");
}
END_TEST

/* Before the loop has heard of it. */
START_TEST(a_frozen_guest_that_was_killed_takes_no_job)
{
        park_and_freeze();
        ck_assert_int_eq(kill(guest_pid(f.guest), SIGKILL), 0);
        act(HAND_OUT);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_int_ne(f.end, GUEST_END_STOPPED);
        ck_assert_msg(strstr(f.message, "killed") != NULL, "%s", f.message);
        ck_assert_uint_eq(f.frames[KT_FRAME_HELLO], 0);
}
END_TEST

/* --- how it can fail --- */

#define PERHAPS 99U /* what comes first is a matter of chance */

static const struct failure {
        const char *script;
        bool clone;
        enum act paused, parked;
        enum guest_end end;
        const char *name, *message;
        unsigned n_parked;
} failures[] = {
        /* a clone is restored */
        {"refuse_restore", true, NOTHING, NOTHING, GUEST_END_START, KT_E_GUEST_START,
         "QEMU refused migrate-incoming: not today", 0},
        {"fail_restore", true, NOTHING, NOTHING, GUEST_END_START, KT_E_GUEST_START,
         "QEMU could not restore the clone's state", 0},
        {"never_restored", true, NOTHING, NOTHING, GUEST_END_START, KT_E_GUEST_START,
         "QEMU did not restore the clone's state in time", 0},
        {"die_restoring", true, NOTHING, NOTHING, GUEST_END_START, KT_E_GUEST_START,
         "QEMU exited with code 5 and said nothing", 0},
        {"die_paused", true, NOTHING, NOTHING, GUEST_END_START, KT_E_GUEST_START, "QEMU exited with code 4",
         0},
        /* it goes up to where its agent waits */
        {"refuse_cont", true, PARK, NOTHING, GUEST_END_BOOT, KT_E_GUEST_BOOT, "QEMU refused cont: not today",
         0},
        {"never_parked", false, PARK, NOTHING, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest was not ready after", 0},
        {"never_parked", true, PARK, NOTHING, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest did not wake after", 0},
        {"die_waking", false, PARK, NOTHING, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest died while it booted: QEMU exited with code 7; its console is empty", 0},
        {"die_waking", true, PARK, NOTHING, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest died when it was woken: QEMU exited with code 7; its console is empty", 0},
        {"panic", false, PARK, NOTHING, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest died while it booted: Kernel panic - not syncing: VFS", 0},
        {"die_before_hello", false, PARK, NOTHING, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "QEMU exited with code 3: fake-qemu: the tape ran out", 0},
        {"poweroff_early", false, PARK, NOTHING, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest died while it booted: it powered off before its result was there", 0},
        {"bad_hello", false, PARK, NOTHING, GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL,
         "its HELLO is no JSON object", 0},
        {"host_frame", false, PARK, NOTHING, GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL,
         "a frame that no guest may send", 0},
        {"garbage_frames", false, PARK, NOTHING, GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL,
         "bytes that are no frames", 0},
        {"early_frame", false, PARK, NOTHING, GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL,
         "its first frame is no HELLO", 0},
        {"early_parked", false, PARK, NOTHING, GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL,
         "its first frame is no HELLO", 0},
        {"two_hellos", false, PARK, NOTHING, GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL,
         "a HELLO that nobody asked for", 0},
        {"early_hello", true, PARK, NOTHING, GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL,
         "a HELLO that nobody asked for", 0},
        {"refuse_stop", false, PARK, NOTHING, GUEST_END_DIED, KT_E_GUEST_DIED,
         "QEMU refused stop: not today", 0},
        {"refuse_stop", true, PARK, NOTHING, GUEST_END_DIED, KT_E_GUEST_DIED, "QEMU refused stop: not today",
         0},
        /* it waits */
        {"die_parked", false, PARK, NOTHING, GUEST_END_DIED, KT_E_GUEST_DIED,
         "the guest died while it waited for a job: QEMU exited with code 6; its console is empty", 1},
        {"die_parked", true, PARK, NOTHING, GUEST_END_DIED, KT_E_GUEST_DIED,
         "the guest died while it waited for a job: QEMU exited with code 6; its console is empty", 1},
        {"talk_parked", false, PARK, NOTHING, GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL,
         "it spoke before it was let run", PERHAPS},
        {"talk_parked", true, PARK, NOTHING, GUEST_END_PROTOCOL, KT_E_GUEST_PROTOCOL,
         "it spoke before it was let run", PERHAPS},
        /* it is saved */
        {"refuse_save", false, PARK, SAVE, GUEST_END_DIED, KT_E_GUEST_DIED,
         "QEMU refused migrate: not today", 1},
        {"fail_save", false, PARK, SAVE, GUEST_END_DIED, KT_E_GUEST_DIED,
         "QEMU could not save the guest's state", 1},
        {"never_saved", false, PARK, SAVE, GUEST_END_DIED, KT_E_GUEST_DIED,
         "QEMU did not save the guest's state in time", 1},
        {"die_saving", false, PARK, SAVE, GUEST_END_DIED, KT_E_GUEST_DIED,
         "the guest died while it waited for a job: QEMU exited with code 5", 1},
        /* it is woken */
        {"die_at_hand_out", false, PARK, HAND_OUT, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest died when it was woken: QEMU exited with code 8; its console is empty", 1},
        {"die_at_hand_out", true, PARK, HAND_OUT, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest died when it was woken: QEMU exited with code 8; its console is empty", 1},
        {"never_wakes", false, PARK, HAND_OUT, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest did not wake after", 1},
        {"never_wakes", true, PARK, HAND_OUT, GUEST_END_BOOT, KT_E_GUEST_BOOT,
         "the guest did not wake after", 1},
        {"panic_running", true, PARK, HAND_OUT, GUEST_END_CRASHED, KT_E_GUEST_DIED,
         "the guest died while it ran: Kernel panic - not syncing: sysrq", 1},
};

/* With what never comes, and with nothing that comes before it. */
static void be_impatient(const char *script)
{
        unsigned *timeout_ms = strcmp(script, "never_parked") == 0  ? &f.params.boot_timeout_ms
                               : strcmp(script, "never_wakes") == 0 ? &p.wake_timeout_ms
                                                                    : &f.params.migration_timeout_ms;

        if (strncmp(script, "never_", 6) == 0)
                *timeout_ms = 300;
}

START_TEST(each_failure_has_its_words)
{
        const struct failure *x = &failures[_i];

        if (x->clone)
                make_template();
        else
                make_memory();
        be_impatient(x->script);
        p.paused = x->paused;
        p.parked = x->parked;
        run(x->script);
        expect_end(x->end, x->name, x->message);
        if (x->n_parked != PERHAPS)
                ck_assert_uint_eq(p.n_parked, x->n_parked);
        ck_assert_uint_eq(p.n_saved, 0);
        if (f.frames[KT_FRAME_HELLO] == 0)
                expect_no_frames();
}
END_TEST

static void on_parked_tell_it_to_die(void *userdata)
{
        _cleanup_free_ char *path = kt_format("%s.die", f.log_path);

        p.n_parked++;
        write_file(path, "", 0);
}

START_TEST(one_that_dies_after_a_while_has_its_words)
{
        make_template();
        f.ops.on_parked = on_parked_tell_it_to_die;
        run("die_when_told");
        ck_assert_uint_eq(p.n_parked, 1);
        expect_end(GUEST_END_DIED, KT_E_GUEST_DIED,
                   "the guest died while it waited for a job: QEMU exited with code 6");
}
END_TEST

static bool log_has(void *line)
{
        _cleanup_free_ char *log = NULL;

        return kt_read_file(AT_FDCWD, f.log_path, 65536, &log, NULL) == 0 && strstr(log, line);
}

static bool is_half_gone(void *userdata)
{
        return p.n_parked > 0 && f.guest->leaving;
}

START_TEST(one_that_is_half_gone_has_no_time_to_wake)
{
        p.parked = NOTHING;
        start("half_dead");
        loop_test_until(&f.t, is_half_gone, NULL);
        act(HAND_OUT);
        let_time_pass();
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        expect_end(GUEST_END_BOOT, KT_E_GUEST_BOOT, "QEMU closed its sockets and does not exit");
}
END_TEST

static void on_parked_hand_out_too_little(void *userdata)
{
        struct guest_item items[2] = {{.json = RUN_JOB, .fd = -1}, {.guest_path = "/ktstr/x", .size = 10}};

        p.n_parked++;
        items[1].fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(guest_hand_out(f.guest, items, 2, NULL), 0);
        close(items[1].fd);
}

START_TEST(a_file_that_is_too_short_ends_a_parked_guest_as_well)
{
        f.ops.on_parked = on_parked_hand_out_too_little;
        run("ok");
        expect_end(GUEST_END_START, KT_E_BAD_FILE, "/ktstr/x became shorter");
}
END_TEST

static void on_parked_hand_out_nonsense(void *userdata)
{
        const struct guest_item items[2] = {{.json = RUN_JOB, .fd = -1}, {.guest_path = "no/root", .fd = 0}};
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(guest_hand_out(f.guest, items, 2, &err), -EINVAL);
        kt_error_done(&err);
        act(HAND_OUT);
}

START_TEST(a_parked_guest_that_refused_a_job_takes_another)
{
        f.ops.on_parked = on_parked_hand_out_nonsense;
        run("ok");
        expect_a_whole_job();
}
END_TEST

/* --- guest_stop() in each state --- */

static bool is_up(void *userdata)
{
        return f.paused > 0;
}

static void expect_stopped(void)
{
        guest_stop(f.guest);
        guest_stop(f.guest);
        uv_run(&f.t.loop, UV_RUN_DEFAULT);
        ck_assert_uint_eq(f.gone, 1);
        expect_end(GUEST_END_STOPPED, "", "");
}

START_TEST(a_clone_is_stopped_at_once)
{
        make_template();
        start("ok");
        expect_stopped();
        ck_assert_uint_eq(f.paused, 0);
}
END_TEST

static const struct stop {
        const char *script;
        bool clone;
        enum act paused, parked;
        const char *log; /* when this stands in it */
} stops[] = {
        {"never_parked", false, PARK, NOTHING, "park 2"},
        {"never_parked", true, PARK, NOTHING, "park 2"},
        {"never_stopped", false, PARK, NOTHING, "stop"},
        {"never_stopped", true, PARK, NOTHING, "stop"},
        {"ok", false, PARK, NOTHING, "parked"},
        {"ok", true, PARK, NOTHING, "parked"},
        {"never_saved", false, PARK, SAVE, "parked"},
        {"never_wakes", true, PARK, HAND_OUT, "parked"},
        {"hang_after_hello", true, PARK, HAND_OUT, "go"},
        {"hang_after_hello", true, HAND_OUT, NOTHING, "go"},
};

START_TEST(one_that_gets_no_further_is_stopped)
{
        const struct stop *x = &stops[_i];

        if (x->clone)
                make_template();
        else
                make_memory();
        p.paused = x->paused;
        p.parked = x->parked;
        start(x->script);
        loop_test_until(&f.t, log_has, (char *)x->log);
        expect_stopped();
}
END_TEST

START_TEST(a_clone_that_waits_for_a_verb_is_stopped)
{
        make_template();
        p.paused = NOTHING;
        start("ok");
        loop_test_until(&f.t, is_up, NULL);
        expect_stopped();
}
END_TEST

START_TEST(a_clone_that_is_never_restored_is_stopped)
{
        make_template();
        start("never_restored");
        loop_test_until(&f.t, log_has, "");
        expect_stopped();
        ck_assert_uint_eq(f.paused, 0);
}
END_TEST

/* Right behind the verb, before anything has come of it. */
static const struct {
        bool clone, mailbox;
        enum act paused, parked;
} at_once[] = {
        {false, true, PARK, SAVE},       {false, true, PARK, HAND_OUT},    {true, true, PARK, HAND_OUT},
        {true, true, HAND_OUT, NOTHING}, {true, false, HAND_OUT, NOTHING}, {true, false, PARK, HAND_OUT},
        {false, false, PARK, HAND_OUT},  {true, true, PARK, STOP},
};

START_TEST(one_that_has_just_begun_is_stopped)
{
        lay_out(at_once[_i].mailbox);
        if (at_once[_i].clone)
                make_template();
        else
                make_memory();
        p.paused = at_once[_i].paused;
        p.parked = at_once[_i].parked;
        p.stop_at_once = true;
        run("ok");
        expect_end(GUEST_END_STOPPED, "", "");
        expect_no_frames();
}
END_TEST

static void on_paused_park_and_stop(void *userdata)
{
        guest_park(f.guest, REHEARSALS);
        guest_stop(f.guest);
}

START_TEST(one_that_was_just_let_run_is_stopped)
{
        if (_i)
                make_template();
        f.ops.on_paused = on_paused_park_and_stop;
        run("ok");
        expect_end(GUEST_END_STOPPED, "", "");
        ck_assert_uint_eq(p.n_parked, 0);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("guest_park");
        TCase *life = tcase_create("life"), *clones = tcase_create("clones"),
              *adopted = tcase_create("adopted"), *fail = tcase_create("failures"),
              *stop = tcase_create("stop");
        TCase *all[] = {life, clones, adopted, fail, stop};
        SRunner *runner;
        int failed;

        for (size_t i = 0; i < KT_ARRAY_SIZE(all); i++) {
                tcase_add_checked_fixture(all[i], setup, teardown);
                tcase_set_timeout(all[i], 120);
                suite_add_tcase(s, all[i]);
        }
        tcase_add_test(life, one_that_boots_is_parked);
        tcase_add_test(life, what_it_says_before_it_has_a_job_is_kept_back);
        tcase_add_test(life, a_parked_guest_takes_a_job);
        tcase_add_test(life, what_the_agent_says_of_its_mailbox_is_known);
        tcase_add_test(life, without_a_mailbox_a_parked_guest_is_woken_by_a_frame);
        tcase_add_test(life, and_so_it_is_when_its_kernel_has_none);
        tcase_add_test(life, a_parked_guest_is_saved);
        tcase_add_test(life, a_saved_guest_takes_a_job_or_is_saved_again);
        tcase_add_test(life, it_is_saved_where_it_should_be_whatever_that_is_called);
        tcase_add_test(life, it_boots_on_the_files_that_it_was_given);
        tcase_add_test(clones, a_clone_takes_a_job);
        tcase_add_test(clones, a_clone_is_parked_and_takes_a_job);
        tcase_add_test(clones, a_clone_says_how_long_it_took_to_wake);
        tcase_add_test(clones, a_clone_of_several_nodes_is_restored);
        tcase_add_test(clones, what_a_clone_does_to_its_memory_is_its_own);
        tcase_add_test(clones, two_clones_are_restored_at_once);
        tcase_add_test(clones, a_clone_whose_agent_has_no_mailbox_is_woken_by_a_frame);
        tcase_add_test(clones, and_so_it_is_when_its_kernel_gave_the_template_none);
        tcase_add_test(clones, a_state_that_cannot_be_opened_is_told);
        tcase_add_test(adopted, who_adopts_a_guest_gets_what_comes_from_then_on);
        tcase_add_test(adopted, a_clone_is_adopted_too);
        tcase_add_test(adopted, an_adoption_without_a_file_ends_the_old_one);
        tcase_add_test(adopted, a_console_that_cannot_be_kept_does_not_matter_to_the_job);
        tcase_add_test(adopted, a_frozen_guest_takes_a_job);
        tcase_add_test(adopted, a_frozen_guest_is_adopted);
        tcase_add_test(adopted, a_frozen_guest_is_thawed);
        tcase_add_test(adopted, a_frozen_guest_is_stopped);
        tcase_add_test(adopted, a_frozen_guest_that_is_killed_has_its_words);
        tcase_add_test(adopted, one_that_has_just_ended_is_not_adopted);
        tcase_add_test(adopted, a_frozen_guest_that_was_killed_takes_no_job);
        tcase_add_loop_test(fail, each_failure_has_its_words, 0, (int)KT_ARRAY_SIZE(failures));
        tcase_add_test(fail, one_that_dies_after_a_while_has_its_words);
        tcase_add_test(fail, one_that_is_half_gone_has_no_time_to_wake);
        tcase_add_test(fail, a_file_that_is_too_short_ends_a_parked_guest_as_well);
        tcase_add_test(fail, a_parked_guest_that_refused_a_job_takes_another);
        tcase_add_test(stop, a_clone_is_stopped_at_once);
        tcase_add_loop_test(stop, one_that_gets_no_further_is_stopped, 0, (int)KT_ARRAY_SIZE(stops));
        tcase_add_test(stop, a_clone_that_waits_for_a_verb_is_stopped);
        tcase_add_test(stop, a_clone_that_is_never_restored_is_stopped);
        tcase_add_loop_test(stop, one_that_has_just_begun_is_stopped, 0, (int)KT_ARRAY_SIZE(at_once));
        tcase_add_loop_test(stop, one_that_was_just_let_run_is_stopped, 0, 2);

        runner = srunner_create(s);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
