/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Templates on disk: made, opened again, distrusted, swept. */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../../daemon/template.h"
#include "../../proto/errors.h"
#include "../lib/suite.h"
#include "template_files.h"
#include "unit.h"

/* A root, a shape, and the one template that most tests begin with. */
static struct template_files f;

static void setup(void)
{
        template_files_init(&f);
}

static void teardown(void)
{
        template_files_done(&f);
}

static struct template *publish(void)
{
        struct template_draft *d = template_files_draft(&f);
        struct template *t = template_files_publish(&f, d, NULL);

        template_draft_free(d);
        return t;
}

static void publish_one(void)
{
        template_free(publish());
}

/* --- made and found again --- */

START_TEST(there_is_none_at_first)
{
        struct kt_error err = KT_ERROR_INIT;
        struct template *t = NULL;

        ck_assert_int_eq(template_open(f.root, &f.shape, &t, &err), -ENOENT);
        ck_assert(!kt_error_isset(&err));
        ck_assert_ptr_null(t);
}
END_TEST

START_TEST(a_draft_has_empty_files_of_the_shapes_size)
{
        struct template_draft *d;
        struct stat st;

        ck_assert_int_eq(template_draft_new(f.root, &f.shape, &d, NULL), 0);
        for (unsigned i = 0; i < f.shape.layout.n_nodes; i++) {
                ck_assert_int_eq(fstat(d->memory_fds[i], &st), 0);
                ck_assert_int_eq(st.st_size, (off_t)f.shape.layout.node_size[i]);
                ck_assert_int_eq(st.st_mode & 07777, 0600);
                ck_assert_int_eq(st.st_blocks, 0);
        }
        ck_assert_int_eq(stat(d->path, &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0700);
        ck_assert_int_lt(access(d->state_path, F_OK), 0);
        template_draft_free(d);
        ck_assert_uint_eq(template_files_count(&f), 0);
        template_draft_free(NULL);
}
END_TEST

static void expect_memory(const struct template *t)
{
        char buf[sizeof(TEMPLATE_WORDS)];

        for (size_t i = 0; i < KT_ARRAY_SIZE(template_words); i++) {
                ck_assert_int_eq(pread(t->memory_fds[template_words[i].node], buf, sizeof(buf),
                                       template_words[i].offset),
                                 sizeof(buf));
                ck_assert_str_eq(buf, TEMPLATE_WORDS);
        }
        ck_assert_int_eq(pread(t->memory_fds[0], buf, sizeof(buf), 4096), sizeof(buf));
        ck_assert_int_eq(buf[0], 0);
}

START_TEST(what_is_published_is_found_again)
{
        struct template *made, *found;
        char state[64] = "";

        made = publish();
        ck_assert_str_eq(made->key, f.shape.key);
        expect_memory(made);
        template_free(made);

        ck_assert_int_eq(template_open(f.root, &f.shape, &found, NULL), 0);
        ck_assert_str_eq(found->key, f.shape.key);
        ck_assert_uint_eq(found->n_nodes, 2);
        expect_memory(found);
        ck_assert_int_gt(pread(found->state_fd, state, sizeof(state) - 1, 0), 0);
        ck_assert_str_eq(state, TEMPLATE_STATE);
        ck_assert(template_is_intact(found));
        template_free(found);
        template_free(NULL);
}
END_TEST

START_TEST(the_facts_of_its_making_are_kept)
{
        const struct template_facts facts = {
                .mailbox_error = "cannot open /dev/mem: \"no\"", .build_ms = 2345, .boot_ms = 1234};
        struct template_draft *d = template_files_draft(&f);
        struct template *t;
        struct timespec now;

        template_free(template_files_publish(&f, d, &facts));
        template_draft_free(d);
        ck_assert_int_eq(template_open(f.root, &f.shape, &t, NULL), 0);
        clock_gettime(CLOCK_REALTIME, &now);
        ck_assert_str_eq(t->mailbox_error, facts.mailbox_error);
        ck_assert_int_eq(t->build_ms, 2345);
        ck_assert_int_eq(t->boot_ms, 1234);
        ck_assert_int_gt(t->built_us, (now.tv_sec - 60) * 1000000LL);
        ck_assert_int_le(t->built_us, (now.tv_sec + 1) * 1000000LL);
        template_free(t);
}
END_TEST

START_TEST(without_a_word_about_the_mailbox_there_is_none)
{
        struct template *t = publish();

        ck_assert_ptr_null(t->mailbox_error);
        template_free(t);
}
END_TEST

/* A copy that fills the holes, or that makes new ones, is the same memory. */
START_TEST(holes_are_no_part_of_what_is_verified)
{
        static const uint8_t zeros[65536];
        struct template *t;
        int fd;

        publish_one();
        fd = template_files_open(&f, "memory-1");
        ck_assert_int_eq(kt_pwrite_all(fd, zeros, sizeof(zeros), 4 << 20), 0);
        close(fd);
        ck_assert_int_eq(template_open(f.root, &f.shape, &t, NULL), 0);
        expect_memory(t);
        template_free(t);
}
END_TEST

START_TEST(its_files_are_for_this_user_alone)
{
        static const char *const names[] = {"memory-0", "memory-1", "state", "metadata.json"};
        struct stat st;

        umask(0);
        publish_one();
        for (size_t i = 0; i < KT_ARRAY_SIZE(names); i++) {
                _cleanup_free_ char *path = template_files_path(&f, names[i]);

                ck_assert_int_eq(stat(path, &st), 0);
                ck_assert_int_eq(st.st_mode & 07777, 0600);
        }
}
END_TEST

START_TEST(nothing_is_published_without_a_state)
{
        struct template_draft *d;
        struct template *t = NULL;
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(template_draft_new(f.root, &f.shape, &d, NULL), 0);
        ck_assert_int_lt(template_publish(f.root, d, &f.shape, &(struct template_facts){}, &t, &err), 0);
        ck_assert_str_eq(err.name, KT_E_IO);
        kt_error_done(&err);
        template_files_write(d->state_path, "", 0);
        ck_assert_int_eq(template_publish(f.root, d, &f.shape, &(struct template_facts){}, &t, &err),
                         -EBADMSG);
        ck_assert_ptr_nonnull(strstr(err.message, "QEMU wrote no usable device state"));
        kt_error_done(&err);
        template_draft_free(d);
        ck_assert_uint_eq(template_files_count(&f), 0);
}
END_TEST

/* --- what cannot be trusted --- */

static void flip(const char *name, off_t offset)
{
        int fd = template_files_open(&f, name);
        uint8_t byte;

        ck_assert_int_eq(pread(fd, &byte, 1, offset), 1);
        byte ^= 1;
        ck_assert_int_eq(pwrite(fd, &byte, 1, offset), 1);
        close(fd);
}

static void flip_state(void)
{
        flip("state", 3);
}

static void flip_memory(void)
{
        flip("memory-0", template_words[0].offset);
}

static void flip_hole(void)
{
        flip("memory-1", (8 << 20) - 1);
}

static void blank_page(void)
{
        static const uint8_t zeros[4096];
        int fd = template_files_open(&f, "memory-1");

        ck_assert_int_eq(kt_pwrite_all(fd, zeros, sizeof(zeros), 0), 0);
        close(fd);
}

/* The same pages at other places. */
static void move_page(void)
{
        int fd = template_files_open(&f, "memory-1");
        char page[4096];

        ck_assert_int_eq(pread(fd, page, sizeof(page), 0), sizeof(page));
        ck_assert_int_eq(pwrite(fd, page, sizeof(page), 8192), sizeof(page));
        ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof(page)), 0);
        close(fd);
}

static void swap_nodes(void)
{
        _cleanup_free_ char *a = template_files_path(&f, "memory-0"),
                            *b = template_files_path(&f, "memory-1");

        ck_assert_int_eq(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), 0);
}

static void resize(const char *name, off_t by)
{
        int fd = template_files_open(&f, name);
        struct stat st;

        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(ftruncate(fd, st.st_size + by), 0);
        close(fd);
}

static void truncate_state(void)
{
        resize("state", -1);
}

static void lengthen_state(void)
{
        resize("state", 1);
}

static void truncate_memory(void)
{
        resize("memory-0", -4096);
}

static void lengthen_memory(void)
{
        resize("memory-1", 4096);
}

static void no_file(const char *name)
{
        _cleanup_free_ char *path = template_files_path(&f, name);

        ck_assert_int_eq(unlink(path), 0);
}

static void no_state(void)
{
        no_file("state");
}

static void no_memory(void)
{
        no_file("memory-1");
}

static void no_metadata(void)
{
        no_file("metadata.json");
}

static void set_metadata(const char *text)
{
        _cleanup_free_ char *path = template_files_path(&f, "metadata.json");

        template_files_write(path, text, strlen(text));
}

static void empty_metadata(void)
{
        set_metadata("");
}

static void garbage_metadata(void)
{
        set_metadata("{\"format\": 1, \"key");
}

static void array_metadata(void)
{
        set_metadata("[1, 2]");
}

/* A part of its text replaced. */
static void edit_metadata(const char *from, const char *to)
{
        _cleanup_free_ char *path = template_files_path(&f, "metadata.json"), *old = NULL, *text = NULL;
        char *at;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, path, 65536, &old, NULL), 0);
        at = strstr(old, from);
        ck_assert_ptr_nonnull(at);
        *at = '\0';
        text = kt_format("%s%s%s", old, to, at + strlen(from));
        set_metadata(text);
}

static void endless_metadata(void)
{
        resize("metadata.json", 1 << 20);
}

static void metadata_of_another_key(void)
{
        edit_metadata("\"key\":\"aaaa", "\"key\":\"aaab");
}

static void metadata_of_another_format(void)
{
        edit_metadata("\"format\":1", "\"format\":2");
}

static void metadata_without_format(void)
{
        edit_metadata("\"format\":", "\"tamrof\":");
}

static void metadata_with_a_number_for_a_key(void)
{
        edit_metadata("\"key\":\"", "\"key\":7,\"yek\":\"");
}

static void metadata_without_memory(void)
{
        edit_metadata("\"memory_sha256\":", "\"memory\":");
}

static void metadata_of_three_nodes(void)
{
        edit_metadata("\"memory_sha256\":[", "\"memory_sha256\":[\"00\",");
}

static void metadata_with_null_hashes(void)
{
        edit_metadata("\"memory_sha256\":[", "\"memory_sha256\":[null,null],\"was\":[");
}

static void metadata_without_state(void)
{
        edit_metadata("\"state_sha256\":", "\"was\":");
}

static void metadata_of_an_endless_state(void)
{
        edit_metadata("\"state_size\":", "\"state_size\":99999999999,\"was\":");
}

static void metadata_of_no_state(void)
{
        edit_metadata("\"state_size\":", "\"state_size\":0,\"was\":");
}

static void set_mode(const char *name, mode_t mode)
{
        _cleanup_free_ char *path = template_files_path(&f, name);

        ck_assert_int_eq(chmod(path, mode), 0);
}

static void state_for_the_group(void)
{
        set_mode("state", 0640);
}

static void memory_for_others(void)
{
        set_mode("memory-0", 0602);
}

static void metadata_for_others(void)
{
        set_mode("metadata.json", 0606);
}

static void folder_for_the_group(void)
{
        set_mode("", 0750);
}

static void folder_for_others(void)
{
        set_mode("", 0701);
}

static void give_away(const char *name)
{
        _cleanup_free_ char *path = template_files_path(&f, name);

        ck_assert_int_eq(chown(path, 12345, (gid_t)-1), 0);
}

static void state_of_another(void)
{
        give_away("state");
}

static void memory_of_another(void)
{
        give_away("memory-1");
}

static void metadata_of_another(void)
{
        give_away("metadata.json");
}

static void folder_of_another(void)
{
        give_away("");
}

/* Moved out, and a link to it in its place. */
static void link_instead(const char *name)
{
        _cleanup_free_ char *path = template_files_path(&f, name),
                            *moved = kt_path_join(f.dir.path, "moved");

        ck_assert_int_eq(rename(path, moved), 0);
        ck_assert_int_eq(symlink(moved, path), 0);
}

static void state_is_a_link(void)
{
        link_instead("state");
}

static void memory_is_a_link(void)
{
        link_instead("memory-0");
}

static void metadata_is_a_link(void)
{
        link_instead("metadata.json");
}

static void folder_is_a_link(void)
{
        link_instead("");
}

static void state_is_a_fifo(void)
{
        _cleanup_free_ char *path = template_files_path(&f, "state");

        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void metadata_is_a_fifo(void)
{
        _cleanup_free_ char *path = template_files_path(&f, "metadata.json");

        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void memory_is_a_folder(void)
{
        _cleanup_free_ char *path = template_files_path(&f, "memory-0");

        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void folder_is_a_file(void)
{
        _cleanup_free_ char *path = template_files_path(&f, "");

        ck_assert_int_eq(kt_remove_tree(AT_FDCWD, path), 0);
        template_files_write(path, "x", 1);
}

static const struct distrust {
        void (*change)(void);
        const char *message;
        bool as_root; /* only root can do that to a file */
} distrusts[] = {
        {flip_state, "its state is damaged"},
        {flip_memory, "its memory-0 is damaged"},
        {flip_hole, "its memory-1 is damaged"},
        {blank_page, "its memory-1 is damaged"},
        {move_page, "its memory-1 is damaged"},
        {swap_nodes, "its memory-0 has another size"},
        {truncate_state, "its state has another size"},
        {lengthen_state, "its state has another size"},
        {truncate_memory, "its memory-0 has another size"},
        {lengthen_memory, "its memory-1 has another size"},
        {no_state, "its state cannot be read: No such file"},
        {no_memory, "its memory-1 cannot be read: No such file"},
        {no_metadata, "its metadata.json cannot be read: No such file"},
        {empty_metadata, "its metadata.json is no JSON object"},
        {garbage_metadata, "its metadata.json is no JSON object"},
        {array_metadata, "its metadata.json is no JSON object"},
        {endless_metadata, "its metadata.json is too large"},
        {metadata_of_another_key, "its metadata.json is that of another template"},
        {metadata_of_another_format, "its metadata.json is that of another template"},
        {metadata_without_format, "its metadata.json is that of another template"},
        {metadata_with_a_number_for_a_key, "its metadata.json is that of another template"},
        {metadata_without_memory, "its metadata.json is that of another template"},
        {metadata_of_three_nodes, "its metadata.json is that of another template"},
        {metadata_with_null_hashes, "its memory-0 is damaged"},
        {metadata_without_state, "its state is damaged"},
        {metadata_of_an_endless_state, "its metadata.json is that of another template"},
        {metadata_of_no_state, "its metadata.json is that of another template"},
        {state_for_the_group, "its state is not this user's alone"},
        {memory_for_others, "its memory-0 is not this user's alone"},
        {metadata_for_others, "its metadata.json is not this user's alone"},
        {folder_for_the_group, "its folder is not this user's alone"},
        {folder_for_others, "its folder is not this user's alone"},
        {state_of_another, "its state is not this user's alone", true},
        {memory_of_another, "its memory-1 is not this user's alone", true},
        {metadata_of_another, "its metadata.json is not this user's alone", true},
        {folder_of_another, "its folder is not this user's alone", true},
        {state_is_a_link, "its state cannot be read: Too many levels of symbolic links"},
        {memory_is_a_link, "its memory-0 cannot be read: Too many levels of symbolic links"},
        {metadata_is_a_link, "its metadata.json cannot be read: Too many levels of symbolic links"},
        {folder_is_a_link, "its folder"},
        {state_is_a_fifo, "its state is not this user's alone"},
        {metadata_is_a_fifo, "its metadata.json is not this user's alone"},
        {memory_is_a_folder, "its memory-0 cannot be read: Is a directory"},
        {folder_is_a_file, "its folder cannot be read: Not a directory"},
};

START_TEST(what_is_not_as_it_was_is_removed_with_a_reason)
{
        const struct distrust *d = &distrusts[_i];
        struct kt_error err = KT_ERROR_INIT;
        struct template *t = NULL;

        if (d->as_root && geteuid() != 0)
                return;
        publish_one();
        d->change();
        ck_assert_int_eq(template_open(f.root, &f.shape, &t, &err), -EBADMSG);
        ck_assert_ptr_null(t);
        ck_assert_str_eq(err.name, KT_E_IO);
        ck_assert_msg(strstr(err.message, d->message) != NULL, "'%s' is not in: %s", d->message,
                      err.message);
        kt_error_done(&err);
        ck_assert_uint_eq(template_files_count(&f), 0);
        ck_assert_int_eq(template_open(f.root, &f.shape, &t, NULL), -ENOENT);
}
END_TEST

START_TEST(what_a_link_led_to_is_left_alone)
{
        _cleanup_free_ char *moved = kt_path_join(f.dir.path, "moved");
        struct template *t;

        publish_one();
        folder_is_a_link();
        ck_assert_int_eq(template_open(f.root, &f.shape, &t, NULL), -EBADMSG);
        ck_assert_int_eq(access(moved, F_OK), 0);
}
END_TEST

START_TEST(that_this_process_is_short_of_descriptors_is_not_the_templates_fault)
{
        const int next = dup(0);
        struct kt_error err = KT_ERROR_INIT;
        struct template *t;
        struct rlimit all, few;

        publish_one();
        close(next);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
        for (int more = 0; more < 4; more++) {
                few = (struct rlimit){(rlim_t)(next + more), all.rlim_max};
                ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
                ck_assert_int_eq(template_open(f.root, &f.shape, &t, &err), -EMFILE);
                ck_assert_ptr_nonnull(strstr(err.message, "Too many open files"));
                kt_error_done(&err);
        }
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
        ck_assert_int_eq(template_open(f.root, &f.shape, &t, NULL), 0);
        template_free(t);
}
END_TEST

START_TEST(a_shape_of_another_size_does_not_get_it)
{
        struct kt_error err = KT_ERROR_INIT;
        struct template *t;

        publish_one();
        f.shape.layout.node_size[1] += 2 << 20;
        ck_assert_int_eq(template_open(f.root, &f.shape, &t, &err), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(err.message, "another size"));
        kt_error_done(&err);
}
END_TEST

/* --- two makers --- */

START_TEST(of_two_publishers_the_first_makes_it)
{
        struct template_draft *a = template_files_draft(&f), *b = template_files_draft(&f);
        struct template *first, *second;

        first = template_files_publish(&f, a, &(struct template_facts){.build_ms = 1});
        second = template_files_publish(&f, b, &(struct template_facts){.build_ms = 2});
        ck_assert_int_eq(second->build_ms, 1);
        ck_assert_uint_eq(second->stamps[0].ino, first->stamps[0].ino);
        ck_assert_uint_eq(template_files_count(&f), 2);
        template_draft_free(b);
        template_draft_free(a);
        ck_assert_uint_eq(template_files_count(&f), 1);
        ck_assert(template_is_intact(first));
        template_free(first);
        template_free(second);
}
END_TEST

/* What is in the way of the second one. */
static void expect_replaced(void (*change)(void))
{
        struct template_draft *d = template_files_draft(&f);
        struct template *t;

        publish_one();
        change();
        t = template_files_publish(&f, d, &(struct template_facts){.build_ms = 2});
        ck_assert_int_eq(t->build_ms, 2);
        expect_memory(t);
        template_free(t);
        template_draft_free(d);
        ck_assert_uint_eq(template_files_count(&f), 1);
}

START_TEST(one_that_is_damaged_makes_room_for_the_next)
{
        expect_replaced(flip_state);
}
END_TEST

START_TEST(what_bears_its_name_and_is_none_makes_room_for_it)
{
        expect_replaced(folder_is_a_file);
}
END_TEST

START_TEST(publishers_in_many_processes_do_not_disturb_each_other)
{
        struct template *t;
        pid_t pids[8];
        int status;

        for (size_t i = 0; i < KT_ARRAY_SIZE(pids); i++) {
                pids[i] = fork();
                if (pids[i] == 0) {
                        publish_one();
                        _exit(0);
                }
        }
        for (size_t i = 0; i < KT_ARRAY_SIZE(pids); i++) {
                ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
                ck_assert_int_eq(status, 0);
        }
        ck_assert_uint_eq(template_files_count(&f), 1);
        ck_assert_int_eq(template_open(f.root, &f.shape, &t, NULL), 0);
        template_free(t);
}
END_TEST

/* --- what changes after it was opened --- */

static void touch_state(void)
{
        int fd = template_files_open(&f, "state");

        ck_assert_int_eq(futimens(fd, NULL), 0);
        close(fd);
}

static void remove_it(void)
{
        template_remove(f.root, f.shape.key);
}

static void remove_state(void)
{
        no_file("state");
}

static const struct {
        void (*change)(void);
        bool intact;
} later[] = {
        {flip_state, false},     {flip_memory, false},     {flip_hole, false},
        {truncate_state, false}, {lengthen_memory, false}, {state_for_the_group, false},
        {touch_state, false},    {remove_state, false},    {remove_it, false},
        {no_metadata, true},
};

START_TEST(a_change_after_it_was_opened_is_seen)
{
        struct template *t = publish();

        ck_assert(template_is_intact(t));
        template_files_age(&f);
        later[_i].change();
        ck_assert_int_eq(template_is_intact(t), later[_i].intact);
        template_free(t);
}
END_TEST

START_TEST(a_clone_that_reads_and_writes_its_own_copy_changes_nothing)
{
        struct template *t = publish();
        uint8_t *p = mmap(NULL, f.shape.layout.node_size[0], PROT_READ | PROT_WRITE, MAP_PRIVATE,
                          t->memory_fds[0], 0);
        char byte;

        ck_assert_ptr_ne(p, MAP_FAILED);
        p[5 << 20] = 1;
        ck_assert_int_eq(pread(t->state_fd, &byte, 1, 0), 1);
        ck_assert(template_is_intact(t));
        munmap(p, f.shape.layout.node_size[0]);
        template_free(t);
}
END_TEST

START_TEST(one_that_is_removed_stays_open_for_who_has_it)
{
        struct template *t = publish(), *none;

        template_remove(f.root, f.shape.key);
        ck_assert_uint_eq(template_files_count(&f), 0);
        ck_assert_int_eq(template_open(f.root, &f.shape, &none, NULL), -ENOENT);
        expect_memory(t);
        template_free(t);
        template_remove(f.root, f.shape.key);
}
END_TEST

START_TEST(what_is_left_of_an_earlier_removal_is_in_nobodys_way)
{
        _cleanup_free_ char *left = kt_format("%s/.tmp-gone-%s/state", f.root, f.shape.key);

        publish_one();
        ck_assert_int_eq(kt_mkdir_p(AT_FDCWD, left, 0700), 0);
        template_remove(f.root, f.shape.key);
        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert_uint_eq(template_files_count(&f), 0);
}
END_TEST

/* --- a maker that dies --- */

#define ANY UINT32_MAX

/* This process ends at its next such call, with this first argument or ANY. */
static void die_at(long call, uint32_t first_argument)
{
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, first_argument == ANY ? 2 : 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, first_argument, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = {KT_ARRAY_SIZE(code), code};

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                _exit(77);
}

static void die_at_its_lock(void)
{
        die_at(SYS_flock, ANY);
        template_files_draft(&f);
}

static void die_at_its_memory(void)
{
        die_at(SYS_ftruncate, ANY);
        template_files_draft(&f);
}

static void make_memory_only(void)
{
        struct template_draft *d = template_files_draft(&f);

        unlink(d->state_path);
}

static void make_all_but_metadata(void)
{
        template_files_draft(&f);
}

/* While metadata.json gets its name. */
static void die_at_metadata(void)
{
        struct template_draft *d = template_files_draft(&f);

        die_at(SYS_renameat, (uint32_t)d->dir_fd);
        template_files_publish(&f, d, NULL);
}

/* While what was written is made to last. */
static void die_at_fsync(void)
{
        struct template_draft *d = template_files_draft(&f);

        die_at(SYS_fsync, ANY);
        template_files_publish(&f, d, NULL);
}

/* While it gets its name. */
static void die_at_its_name(void)
{
        struct template_draft *d = template_files_draft(&f);

        die_at(SYS_renameat, (uint32_t)AT_FDCWD);
        template_files_publish(&f, d, NULL);
}

static const struct {
        void (*make)(void);
        bool dies; /* by itself */
} makers[] = {
        {die_at_its_lock, true},        {die_at_its_memory, true}, {make_memory_only, false},
        {make_all_but_metadata, false}, {die_at_metadata, true},   {die_at_fsync, true},
        {die_at_its_name, true},
};

START_TEST(a_maker_that_dies_leaves_nothing_that_is_taken_for_a_template)
{
        struct template *t;
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                makers[_i].make();
                _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
                puts("skipped: this process may not filter its system calls");
                return;
        }
        ck_assert_int_eq(status, makers[_i].dies ? SIGSYS | (status & 0x80) : 0);
        ck_assert_uint_eq(template_files_count(&f), 1);
        ck_assert_int_eq(template_open(f.root, &f.shape, &t, NULL), -ENOENT);
        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert_uint_eq(template_files_count(&f), 0);
        publish_one();
}
END_TEST

START_TEST(the_draft_of_a_living_maker_is_spared)
{
        struct template_draft *d = template_files_draft(&f);

        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert_int_eq(access(d->state_path, F_OK), 0);
        template_free(template_files_publish(&f, d, NULL));
        template_draft_free(d);
}
END_TEST

START_TEST(the_draft_of_another_living_process_is_spared)
{
        int ready[2], end[2], status;
        char byte;
        pid_t pid;

        ck_assert_int_eq(pipe(ready) | pipe(end), 0);
        pid = fork();
        if (pid == 0) {
                struct template_draft *d = template_files_draft(&f);

                close(end[1]);
                (void)!write(ready[1], "", 1);
                (void)!read(end[0], &byte, 1);
                template_free(template_files_publish(&f, d, NULL));
                _exit(0);
        }
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert_uint_eq(template_files_count(&f), 1);
        close(end[1]);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        close(end[0]);
        close(ready[0]);
        close(ready[1]);
}
END_TEST

/* --- the root --- */

START_TEST(a_missing_root_is_made_for_this_user_alone)
{
        _cleanup_free_ char *root = kt_path_join(f.dir.path, "a/b/templates");
        struct stat st;

        umask(0);
        ck_assert_int_eq(template_root_open(root, NULL), 0);
        ck_assert_int_eq(stat(root, &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0700);
}
END_TEST

static void expect_no_root(const char *root, int num, const char *part)
{
        struct kt_error err = KT_ERROR_INIT;

        ck_assert_int_eq(template_root_open(root, &err), num);
        ck_assert_str_eq(err.name, KT_E_IO);
        ck_assert_msg(strstr(err.message, part) != NULL, "'%s' is not in: %s", part, err.message);
        ck_assert_ptr_nonnull(strstr(err.message, root));
        kt_error_done(&err);
}

START_TEST(a_root_that_cannot_be_is_told)
{
        expect_no_root("/dev/null/templates", -ENOTDIR, "Not a directory");
}
END_TEST

START_TEST(a_root_that_others_may_write_is_refused)
{
        ck_assert_int_eq(chmod(f.root, 0755), 0);
        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert_int_eq(chmod(f.root, 0720), 0);
        expect_no_root(f.root, -EPERM, "can be written by others");
        ck_assert_int_eq(chmod(f.root, 0702), 0);
        expect_no_root(f.root, -EPERM, "can be written by others");
        ck_assert_int_eq(chmod(f.root, 0700), 0);
        if (geteuid() == 0) {
                ck_assert_int_eq(chown(f.root, 12345, (gid_t)-1), 0);
                expect_no_root(f.root, -EPERM, "can be written by others");
        }
}
END_TEST

/* A folder with the name of a template, used that many seconds ago. */
static void make_used(unsigned number, time_t ago)
{
        _cleanup_free_ char *path = kt_format("%s/%064x", f.root, number);
        const struct timespec times[2] = {{time(NULL) - ago, 0}, {time(NULL) - ago, 0}};

        ck_assert_int_eq(mkdir(path, 0700), 0);
        ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_there(unsigned number)
{
        _cleanup_free_ char *path = kt_format("%s/%064x", f.root, number);

        return access(path, F_OK) == 0;
}

#define DAY (24 * 3600)

START_TEST(what_was_not_used_for_long_is_swept)
{
        make_used(1, TEMPLATE_KEEP_DAYS * DAY + 60);
        make_used(2, TEMPLATE_KEEP_DAYS * DAY - 60);
        make_used(3, 0);
        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert(!is_there(1));
        ck_assert(is_there(2));
        ck_assert(is_there(3));
}
END_TEST

START_TEST(of_too_many_those_that_were_used_last_stay)
{
        /* Not in the order of their names. */
        for (unsigned i = 0; i < TEMPLATES_MAX + 3; i++)
                make_used(i, ((i * 31) % (TEMPLATES_MAX + 3)) * 60);
        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert_uint_eq(template_files_count(&f), TEMPLATES_MAX);
        for (unsigned i = 0; i < TEMPLATES_MAX + 3; i++)
                ck_assert_int_eq(is_there(i), (i * 31) % (TEMPLATES_MAX + 3) < TEMPLATES_MAX);
}
END_TEST

/* One that says of which shape it is. */
static void make_of(unsigned number, time_t ago, const char *shape)
{
        _cleanup_free_ char *path = kt_format("%s/%064x/metadata.json", f.root, number),
                            *text = kt_format("{\"shape\":\"%s\"}", shape),
                            *dir = kt_format("%s/%064x", f.root, number);
        const struct timespec times[2] = {{time(NULL) - ago, 0}, {time(NULL) - ago, 0}};
        FILE *file;

        make_used(number, ago);
        file = fopen(path, "we");
        ck_assert_ptr_nonnull(file);
        fputs(text, file);
        fclose(file);
        ck_assert_int_eq(chmod(path, 0600), 0);
        ck_assert_int_eq(utimensat(AT_FDCWD, dir, times, 0), 0);
}

START_TEST(who_comes_after_another_of_its_shape_takes_its_place)
{
        const struct shape s = {.key = "ff", .text = (char *)"k/1n1l2c1t/256M/tcg"};

        make_of(1, TEMPLATE_SUPERSEDED_S + 60, s.text);
        make_of(2, TEMPLATE_SUPERSEDED_S - 60, s.text); /* perhaps somebody else's, and in use */
        make_of(3, TEMPLATE_SUPERSEDED_S + 60, "k/1n1l4c1t/256M/tcg");
        make_used(4, TEMPLATE_SUPERSEDED_S + 60); /* says nothing */
        template_root_tidy(f.root, &s);
        ck_assert(!is_there(1));
        ck_assert(is_there(2));
        ck_assert(is_there(3));
        ck_assert(is_there(4));
}
END_TEST

START_TEST(what_is_no_template_is_nobodys_to_sweep)
{
        static const char *const folders[] = {
                "src",
                ".cache",
                ".tmp-",
                ".tmp-mine",
                ".tmp-a/bcde",
                ".tmp-gone-with-the-wind",
                /* all but a key */
                "00000000000000000000000000000000000000000000000000000000000000",
                "000000000000000000000000000000000000000000000000000000000000000G",
                "00000000000000000000000000000000000000000000000000000000000000000",
        };
        const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
        _cleanup_free_ char *notes = kt_path_join(f.root, "notes");

        template_files_write(notes, "to do", 5);
        ck_assert_int_eq(utimensat(AT_FDCWD, notes, times, 0), 0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(folders); i++) {
                _cleanup_free_ char *path = kt_path_join(f.root, folders[i]);

                ck_assert_int_eq(kt_mkdir_p(AT_FDCWD, path, 0700), 0);
                ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
        }
        make_used(1, TEMPLATE_KEEP_DAYS * DAY + 60);
        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert(!is_there(1));
        ck_assert_int_eq(access(notes, F_OK), 0);
        for (size_t i = 0; i < KT_ARRAY_SIZE(folders); i++) {
                _cleanup_free_ char *path = kt_path_join(f.root, folders[i]);

                ck_assert_msg(access(path, F_OK) == 0, "%s is gone", folders[i]);
        }
}
END_TEST

START_TEST(other_things_do_not_count_as_templates)
{
        for (unsigned i = 0; i < TEMPLATES_MAX; i++) {
                _cleanup_free_ char *path = kt_format("%s/thing-%u", f.root, i);

                make_used(i, 60);
                template_files_write(path, "", 0);
        }
        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert_uint_eq(template_files_count(&f), 2 * TEMPLATES_MAX);
}
END_TEST

START_TEST(opening_one_is_using_it)
{
        _cleanup_free_ char *path = template_files_path(&f, "");
        const struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
        struct template *t;

        publish_one();
        ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
        ck_assert_int_eq(template_open(f.root, &f.shape, &t, NULL), 0);
        template_free(t);
        ck_assert_int_eq(template_root_open(f.root, NULL), 0);
        ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

/* --- room --- */

START_TEST(a_disk_without_room_is_told_beforehand)
{
        struct kt_error err = KT_ERROR_INIT;
        struct template_draft *d = NULL;

        /* Each test is a process of its own. */
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", f.root, "tmpfs", 0, "size=50m") < 0) {
                puts("skipped: this user may not mount");
                return;
        }
        ck_assert_int_eq(template_draft_new(f.root, &f.shape, &d, &err), -ENOSPC);
        ck_assert_ptr_null(d);
        ck_assert_str_eq(err.name, KT_E_IO);
        ck_assert_ptr_nonnull(strstr(err.message, "no room for a template in "));
        ck_assert_ptr_nonnull(strstr(err.message,
                                     ": 50 MiB are free, a guest of 24 MiB may need 88; make room, "
                                     "or choose another folder with TemplateDir="));
        kt_error_done(&err);
        ck_assert_uint_eq(template_files_count(&f), 0);

        ck_assert_int_eq(mount(NULL, f.root, NULL, MS_REMOUNT, "size=100m"), 0);
        publish_one();
        ck_assert_int_eq(umount(f.root), 0);
}
END_TEST

START_TEST(a_root_that_went_away_is_told)
{
        struct kt_error err = KT_ERROR_INIT;
        struct template_draft *d = NULL;

        ck_assert_int_eq(rmdir(f.root), 0);
        ck_assert_int_eq(template_draft_new(f.root, &f.shape, &d, &err), -ENOENT);
        ck_assert_ptr_nonnull(strstr(err.message, f.root));
        kt_error_done(&err);
        ck_assert_int_eq(mkdir(f.root, 0700), 0);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("template");
        TCase *life = tcase_create("life"), *trust = tcase_create("trust"), *root = tcase_create("root");
        TCase *all[] = {life, trust, root};

        for (size_t i = 0; i < KT_ARRAY_SIZE(all); i++) {
                tcase_add_checked_fixture(all[i], setup, teardown);
                tcase_set_timeout(all[i], 60);
                suite_add_tcase(s, all[i]);
        }
        tcase_add_test(life, there_is_none_at_first);
        tcase_add_test(life, a_draft_has_empty_files_of_the_shapes_size);
        tcase_add_test(life, what_is_published_is_found_again);
        tcase_add_test(life, the_facts_of_its_making_are_kept);
        tcase_add_test(life, without_a_word_about_the_mailbox_there_is_none);
        tcase_add_test(life, holes_are_no_part_of_what_is_verified);
        tcase_add_test(life, its_files_are_for_this_user_alone);
        tcase_add_test(life, nothing_is_published_without_a_state);
        tcase_add_test(life, of_two_publishers_the_first_makes_it);
        tcase_add_test(life, one_that_is_damaged_makes_room_for_the_next);
        tcase_add_test(life, what_bears_its_name_and_is_none_makes_room_for_it);
        tcase_add_test(life, publishers_in_many_processes_do_not_disturb_each_other);
        tcase_add_test(life, a_disk_without_room_is_told_beforehand);
        tcase_add_test(life, a_root_that_went_away_is_told);
        tcase_add_loop_test(trust, what_is_not_as_it_was_is_removed_with_a_reason, 0,
                            (int)KT_ARRAY_SIZE(distrusts));
        tcase_add_test(trust, what_a_link_led_to_is_left_alone);
        tcase_add_test(trust, that_this_process_is_short_of_descriptors_is_not_the_templates_fault);
        tcase_add_test(trust, a_shape_of_another_size_does_not_get_it);
        tcase_add_loop_test(trust, a_change_after_it_was_opened_is_seen, 0, (int)KT_ARRAY_SIZE(later));
        tcase_add_test(trust, a_clone_that_reads_and_writes_its_own_copy_changes_nothing);
        tcase_add_test(trust, one_that_is_removed_stays_open_for_who_has_it);
        tcase_add_test(trust, what_is_left_of_an_earlier_removal_is_in_nobodys_way);
        tcase_add_loop_test(root, a_maker_that_dies_leaves_nothing_that_is_taken_for_a_template, 0,
                            (int)KT_ARRAY_SIZE(makers));
        tcase_add_test(root, the_draft_of_a_living_maker_is_spared);
        tcase_add_test(root, the_draft_of_another_living_process_is_spared);
        tcase_add_test(root, a_missing_root_is_made_for_this_user_alone);
        tcase_add_test(root, a_root_that_cannot_be_is_told);
        tcase_add_test(root, a_root_that_others_may_write_is_refused);
        tcase_add_test(root, what_was_not_used_for_long_is_swept);
        tcase_add_test(root, of_too_many_those_that_were_used_last_stay);
        tcase_add_test(root, who_comes_after_another_of_its_shape_takes_its_place);
        tcase_add_test(root, what_is_no_template_is_nobodys_to_sweep);
        tcase_add_test(root, other_things_do_not_count_as_templates);
        tcase_add_test(root, opening_one_is_using_it);
        return suite_run(s);
}
