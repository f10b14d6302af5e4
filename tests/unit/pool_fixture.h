/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A pool on a loop, with the fake QEMU for its guests. */

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "../../common/sha256.h"
#include "../../daemon/pool.h"
#include "../lib/loop_test.h"
#include "shape_files.h"
#include "unit.h"

#define KERNEL_KEY "6.99.0-deb-x86_64"

static struct {
        struct loop_test t;
        struct unit_dir dir;
        char *run_dir, *kernels, *root, *log_path; /* root: of the templates */
        char image_sha256[KT_SHA256_HEX_SIZE];
        struct accel_report report;
        struct kcache *kcache;
        struct template_store *store;
        struct metrics metrics;
        struct pool_params params;
        struct pool *pool;
        struct shape *shape, *other; /* of 2 vCPUs each */
        unsigned n_empty;
        unsigned running[2]; /* jobs of shape, of other */
        uint64_t now_ms;     /* where the clock was stopped; 0: it goes */
} f;

/* --- time --- */

/* Whatever asks a loop for the time asks here, in libuv's place, whose timers go on. */
uint64_t uv_now(const uv_loop_t *loop)
{
        return f.now_ms ?: loop->time;
}

/* What the pool does after a time it does when we say so, not when a busy host comes to it. */
static inline void stop_clock(void)
{
        f.now_ms = f.t.loop.time;
}

static inline void pass_ms(uint64_t ms)
{
        f.now_ms += ms;
        pool_pump(f.pool, 0);
}

static inline struct shape *new_shape(unsigned cores, unsigned threads)
{
        const struct shape_params params = {.topology = {1, 1, cores, threads},
                                            .memory_mib = SHAPE_MEMORY_MIB,
                                            .accel = ACCEL_TCG,
                                            .report = &f.report,
                                            .qemu_path = f.params.qemu_path};
        struct kernel *k = calloc(1, sizeof(*k));
        struct kt_error err = KT_ERROR_INIT;
        struct shape *s = NULL;

        *k = (struct kernel){.key = strdup(KERNEL_KEY),
                             .image_path = kt_format("%s/" KERNEL_KEY "/vmlinux", f.kernels),
                             .image_sha256 = strdup(f.image_sha256),
                             .devmem = true};
        ck_assert_msg(shape_new(&params, k, kt_format("%s/" KERNEL_KEY "/initramfs", f.kernels), &s, &err) ==
                              0,
                      "%s", kt_error_text(&err));
        return s;
}

/* As an import leaves it. */
static inline void make_kernel(void)
{
        _cleanup_free_ char *dir = kt_path_join(f.kernels, KERNEL_KEY),
                            *image = kt_path_join(dir, "vmlinux"),
                            *initramfs = kt_path_join(dir, "initramfs"),
                            *metadata = kt_path_join(dir, "metadata.json"), *text = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;

        ck_assert_int_eq(kt_mkdir_p(AT_FDCWD, dir, 0700), 0);
        shape_write_kernel(image);
        shape_write_file(initramfs, "", 0);
        fd = open(image, O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(kt_sha256_fd(fd, f.image_sha256), 0);
        ck_assert_int_eq(fstat(fd, &st), 0);
        text = kernel_metadata(&(struct kernel){.key = (char *)KERNEL_KEY,
                                                .release = (char *)"6.99.0",
                                                .version = (char *)"6.99.0",
                                                .arch = (char *)"x86_64",
                                                .source = (char *)"package",
                                                .built_at = (char *)"2025-01-01T00:00:00Z",
                                                .image_sha256 = f.image_sha256,
                                                .image_size = (uint64_t)st.st_size,
                                                .devmem = true});
        shape_write_file(metadata, text, strlen(text));
}

static inline void on_empty(void *userdata)
{
        f.n_empty++;
}

/* Make the pool of f.params. */
static inline void open_pool(void)
{
        ck_assert_int_eq(template_store_new(f.root, &f.store, NULL), 0);
        f.params.store = f.store;
        ck_assert_int_eq(pool_new(&f.params, &f.pool, NULL), 0);
        f.n_empty = 0;
}

static inline bool is_empty(void *userdata)
{
        return f.n_empty > 0;
}

static inline void end(struct shape *s, unsigned jobs)
{
        for (unsigned i = 0; i < jobs; i++) {
                f.running[s == f.other]--;
                pool_end(f.pool, s);
        }
}

/* With its jobs, as far as they run still. */
static inline void close_pool(void)
{
        pool_stop(f.pool);
        end(f.shape, f.running[0]);
        end(f.other, f.running[1]);
        loop_test_until(&f.t, is_empty, NULL);
        ck_assert_uint_eq(f.n_empty, 1);
        pool_free(f.pool);
        template_store_free(f.store);
        f.pool = NULL;
        f.store = NULL;
}

static inline void set_script(const char *script)
{
        setenv("FAKE_QEMU_SCRIPT", script, 1);
}

/* workers: with one, what runs on it can be kept from running, and comes in the order in which it was begun.
 */
static inline void setup_pool_with(const char *workers)
{
        memset(&f, 0, sizeof(f));
        setenv("UV_THREADPOOL_SIZE", workers, 1);
        set_script("ok");
        f.dir = unit_dir_new();
        f.run_dir = kt_path_join(f.dir.path, "run");
        f.kernels = kt_path_join(f.dir.path, "kernels");
        f.root = kt_path_join(f.dir.path, "templates");
        f.log_path = kt_path_join(f.dir.path, "log");
        setenv("FAKE_QEMU_LOG", f.log_path, 1);
        shape_write_file(f.log_path, "", 0);
        ck_assert_int_eq(mkdir(f.run_dir, 0700), 0);
        make_kernel();
        loop_test_begin(&f.t, 60000);
        ck_assert_int_eq(kcache_open(f.kernels, &f.kcache, NULL), 0);
        metrics_init(&f.metrics);
        f.params = (struct pool_params){
                .loop = &f.t.loop,
                .kcache = f.kcache,
                .metrics = &f.metrics,
                .qemu_path = KT_TEST_FAKE_QEMU,
                .exec_helper = KT_TEST_EXEC_HELPER,
                .run_dir = f.run_dir,
                .host_cpus = 4,
                .idle = 1,
                .max = 8,
                .memory_bytes = 8ULL << 30,
                .half_life_ms = 600000,
                .rehearsals = 1,
                .on_empty = on_empty,
        };
        f.shape = new_shape(2, 1);
        f.other = new_shape(1, 2);
        open_pool();
}

static inline void setup_pool(void)
{
        setup_pool_with("1");
}

static inline unsigned count_entries(const char *path)
{
        _cleanup_closedir_ DIR *dir = opendir(path);
        unsigned n = 0;

        ck_assert_ptr_nonnull(dir);
        for (struct dirent *e; (e = readdir(dir));)
                n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
        return n;
}

/* Nothing is left: no process, descriptor, folder, draft. */
static inline void teardown_pool(void)
{
        if (f.pool)
                close_pool();
        shape_unref(f.shape);
        shape_unref(f.other);
        kcache_free(f.kcache);
        loop_test_end(&f.t);
        ck_assert_uint_eq(count_entries(f.run_dir), 0);
        free(f.run_dir);
        free(f.kernels);
        free(f.root);
        free(f.log_path);
        unit_dir_done(&f.dir);
}

/* --- looking --- */

struct look {
        const struct shape *shape;
        struct pool_view view;
        char reason[256];
        bool found;
};

static inline void look_at(void *userdata, const struct pool_view *view)
{
        struct look *l = userdata;

        if (view->shape != l->shape)
                return;
        l->found = true;
        l->view = *view;
        snprintf(l->reason, sizeof(l->reason), "%s", view->reason ?: "");
}

static inline struct look look(const struct shape *s)
{
        struct look l = {.shape = s};

        pool_look(f.pool, look_at, &l);
        return l;
}

static inline struct pool_totals sum(void)
{
        struct pool_totals totals;

        pool_sum(f.pool, &totals);
        return totals;
}

static inline bool has_template(const struct shape *s)
{
        _cleanup_free_ char *path = kt_format("%s/%s/metadata.json", f.root, s->key);

        return access(path, F_OK) == 0;
}

/* --- waiting --- */

static inline bool has_idle(void *n)
{
        return sum().idle == (uintptr_t)n;
}

static inline void until_idle(uintptr_t n)
{
        loop_test_until(&f.t, has_idle, (void *)n);
}

static inline bool has_shapes(void *n)
{
        return sum().shapes == (uintptr_t)n;
}

static inline void until_shapes(uintptr_t n)
{
        loop_test_until(&f.t, has_shapes, (void *)n);
}

static inline bool has_failures(void *n)
{
        return look(f.shape).view.failures == (uintptr_t)n;
}

/* In a row, of f.shape. */
static inline void until_failures(uintptr_t n)
{
        loop_test_until(&f.t, has_failures, (void *)n);
}

static inline bool is_ready(void *shape)
{
        return look(shape).view.template == POOL_TEMPLATE_READY;
}

static inline void until_ready(struct shape *s)
{
        loop_test_until(&f.t, is_ready, s);
}

static inline unsigned count_log(const char *line)
{
        _cleanup_free_ char *log = NULL;
        unsigned n = 0;

        ck_assert_int_eq(kt_read_file(AT_FDCWD, f.log_path, 1 << 20, &log, NULL), 0);
        for (char *save = NULL, *at = strtok_r(log, "\n", &save); at; at = strtok_r(NULL, "\n", &save))
                n += strcmp(at, line) == 0;
        return n;
}

static inline bool log_has(void *line)
{
        return count_log(line) > 0;
}

static inline void until_log(const char *line)
{
        loop_test_until(&f.t, log_has, (char *)line);
}

/* --- what is to run on a worker does not, until it is let go --- */

static struct {
        uv_work_t request;
        uv_sem_t let_go;
} held;

static inline void hold_work(uv_work_t *request)
{
        uv_sem_wait(&held.let_go);
}

static inline void hold_done(uv_work_t *request, int status)
{
        uv_sem_destroy(&held.let_go);
}

static inline void hold_workers(void)
{
        ck_assert_int_eq(uv_sem_init(&held.let_go, 0), 0);
        ck_assert_int_eq(uv_queue_work(&f.t.loop, &held.request, hold_work, hold_done), 0);
}

static inline void let_workers_go(void)
{
        uv_sem_post(&held.let_go);
}

/* --- acting --- */

static inline void begin(struct shape *s)
{
        const struct template *t = template_store_get(f.store, s);

        f.running[s == f.other]++;
        pool_begin(f.pool, s, t);
        template_unref(f.store, t);
}

/* As many are in demand, and what follows from it is begun. */
static inline void begin_and_pump(unsigned jobs)
{
        for (unsigned i = 0; i < jobs; i++)
                begin(f.shape);
        pool_pump(f.pool, 0);
}
