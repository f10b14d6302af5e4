/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/codec.h"
#include "worker.h"

#define FOLDER ".boot"
#define FILE_SIZE_MAX (64U * 1024U)
#define RECORDS_MAX 64U

/* Its descriptor, with a lock on it: several daemons may share a cache. */
static int lock_folder(const char *root, bool make)
{
        _cleanup_free_ char *path = kt_path_join(root, FOLDER);
        _cleanup_close_ int fd = -1;
        int r;

        if (!path)
                return -ENOMEM;
        if (make && mkdir(path, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        do
                r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
        while (r == -EINTR);
        return r < 0 ? r : TAKE_FD(fd);
}

/* --- reading --- */

static bool take_record(struct json_object *o, struct kernel_boot *ret)
{
        const char *accel = json_object_is_type(kt_json_get(o, "accel"), json_type_string)
                                    ? kt_json_str(o, "accel")
                                    : NULL;
        struct kernel_boot b = {.last_ms = kt_json_int(o, "last_ms", -1),
                                .best_ms = kt_json_int(o, "best_ms", -1),
                                .boots = kt_json_int(o, "boots", -1)};
        int64_t cpus = kt_json_int(o, "cpus", 0);

        if (!accel || strlen(accel) >= sizeof(b.accel) || cpus < 1 || cpus > INT32_MAX || b.last_ms < 0 ||
            b.best_ms < 0 || b.boots < 1)
                return false;
        strcpy(b.accel, accel);
        b.cpus = (unsigned)cpus;
        *ret = b;
        return true;
}

static struct json_object *load(int folder, const char *name)
{
        _cleanup_free_ char *text = NULL;
        struct json_object *o = NULL;
        size_t size;

        if (kt_read_file(folder, name, FILE_SIZE_MAX, &text, &size) < 0 ||
            kt_json_parse(text, size, &o, NULL) < 0)
                return NULL;
        return o;
}

static int read_records(int folder, const char *name, const char *image, struct kernel_boot **ret,
                        size_t *ret_n)
{
        _cleanup_json_ struct json_object *o = load(folder, name);
        struct json_object *list = json_object_is_type(o, json_type_object) ? kt_json_get(o, "boots") : NULL;
        size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0,
               taken = 0;
        struct kernel_boot *boots;

        /* One more, for who adds one. */
        n = n < RECORDS_MAX ? n : RECORDS_MAX;
        boots = calloc(n + 1, sizeof(*boots));
        if (!boots)
                return -ENOMEM;
        /* Of another kernel that had this key before? */
        if (n > 0 && (!json_object_is_type(kt_json_get(o, "image_sha256"), json_type_string) ||
                      strcmp(kt_json_str(o, "image_sha256"), image) != 0))
                n = 0;
        for (size_t i = 0; i < n; i++) {
                struct json_object *record = json_object_array_get_idx(list, i);

                if (json_object_is_type(record, json_type_object) && take_record(record, &boots[taken]))
                        taken++;
        }
        *ret = boots;
        *ret_n = taken;
        return 0;
}

int kernel_boot_read(const char *root, const struct kernel *k, struct kernel_boot **ret, size_t *ret_n)
{
        _cleanup_free_ char *name = kt_format("%s/" FOLDER "/%s.json", root, k->key);

        return name ? read_records(AT_FDCWD, name, k->image_sha256, ret, ret_n) : -ENOMEM;
}

/* --- writing --- */

static int by_machine(const void *a, const void *b)
{
        const struct kernel_boot *x = a, *y = b;
        int d = strcmp(x->accel, y->accel);

        return d ? d : (x->cpus > y->cpus) - (x->cpus < y->cpus);
}

/* boots has room for one more. */
static size_t add_boot(struct kernel_boot *boots, size_t n, const char *accel, unsigned cpus, int64_t ms)
{
        for (size_t i = 0; i < n; i++) {
                struct kernel_boot *b = &boots[i];

                if (b->cpus != cpus || strcmp(b->accel, accel) != 0)
                        continue;
                b->last_ms = ms;
                b->best_ms = ms < b->best_ms ? ms : b->best_ms;
                b->boots++;
                return n;
        }
        if (n == RECORDS_MAX)
                return n;
        boots[n] = (struct kernel_boot){.cpus = cpus, .last_ms = ms, .best_ms = ms, .boots = 1};
        snprintf(boots[n].accel, sizeof(boots[n].accel), "%s", accel);
        qsort(boots, n + 1, sizeof(*boots), by_machine);
        return n + 1;
}

static int write_records(int folder, const char *name, const char *image, const struct kernel_boot *boots,
                         size_t n)
{
        _cleanup_json_ struct json_object *o = json_object_new_object();
        struct json_object *list = json_object_new_array();
        const char *text;

        for (size_t i = 0; i < n; i++) {
                struct json_object *record = json_object_new_object();

                kt_json_add_str(record, "accel", boots[i].accel);
                kt_json_add_int(record, "cpus", boots[i].cpus);
                kt_json_add_int(record, "last_ms", boots[i].last_ms);
                kt_json_add_int(record, "best_ms", boots[i].best_ms);
                kt_json_add_int(record, "boots", boots[i].boots);
                json_object_array_add(list, record);
        }
        kt_json_add_str(o, "image_sha256", image);
        kt_json_add(o, "boots", list);
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY);
        return text ? kt_replace_file(folder, name, text, strlen(text), 0644) : -ENOMEM;
}

int kernel_boot_write(const char *root, const struct kernel *k, const char *accel, unsigned cpus, int64_t ms)
{
        _cleanup_free_ struct kernel_boot *boots = NULL;
        _cleanup_free_ char *name = kt_format("%s.json", k->key), *entry = kt_path_join(root, k->key);
        _cleanup_close_ int folder = lock_folder(root, true);
        size_t n;
        int r;

        if (folder < 0)
                return folder;
        if (!name || !entry)
                return -ENOMEM;
        /* Whoever removes it forgets this afterwards, under the same lock. */
        if (access(entry, F_OK) < 0)
                return -errno;
        r = read_records(folder, name, k->image_sha256, &boots, &n);
        if (r < 0)
                return r;
        return write_records(folder, name, k->image_sha256, boots, add_boot(boots, n, accel, cpus, ms));
}

void kernel_boot_forget(const char *root, const char *key)
{
        _cleanup_free_ char *name = kt_format("%s.json", key);
        _cleanup_close_ int folder = lock_folder(root, false);

        if (folder >= 0 && name)
                unlinkat(folder, name, 0);
}

/* --- off the loop --- */

struct note {
        char *root, *accel;
        struct kernel kernel; /* what it is known by */
        unsigned cpus;
        int64_t ms;
};

static void note_free(struct note *n)
{
        free(n->root);
        free(n->accel);
        free(n->kernel.key);
        free(n->kernel.image_sha256);
        free(n);
}

static void on_work(void *data)
{
        const struct note *n = data;
        int r = kernel_boot_write(n->root, &n->kernel, n->accel, n->cpus, n->ms);

        if (r < 0)
                kt_log(LOG_DEBUG, "cannot note how long %s took to boot: %s", n->kernel.key, strerror(-r));
}

static void on_done(void *data, int status)
{
        note_free(data);
}

void kernel_boot_note(uv_loop_t *loop, const char *root, const struct kernel *k, const char *accel,
                      unsigned cpus, int64_t ms)
{
        struct note *n = calloc(1, sizeof(*n));

        if (!n)
                return;
        *n = (struct note){.root = strdup(root),
                           .accel = strdup(accel),
                           .kernel = {.key = strdup(k->key), .image_sha256 = strdup(k->image_sha256)},
                           .cpus = cpus,
                           .ms = ms};
        if (!n->root || !n->accel || !n->kernel.key || !n->kernel.image_sha256 ||
            worker_run(loop, on_work, on_done, n) < 0)
                note_free(n);
}
