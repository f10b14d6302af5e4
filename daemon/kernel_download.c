/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_download.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/sha256.h"
#include "../proto/buildmsg.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "build_identity.h"
#include "build_net.h"
#include "process.h"
#include "worker.h"

#define FOLDER ".downloads"
#define NAME_SIZE 101U
#define SLOTS 16U /* of one URL, at once */
#define KILL_AFTER_MS 3000U
#define MESSAGE_MAX 2000
#define OOM_SCORE_ADJ 500 /* before any guest: it can go on later */

struct kernel_download {
        uv_loop_t *loop;
        const struct config *config;
        char *root, *url;
        char name[NAME_SIZE]; /* for people, and of the file */
        kernel_download_stage_cb on_stage;
        kernel_download_cb on_done;
        void *userdata;
        uid_t uid; /* of who asks */
        gid_t gid;

        /* The worker's while it works, then the loop's. */
        struct kernel_downloaded place;
        struct build_identity identity;
        int request; /* -1: not made yet */
        struct kt_error err;

        struct process *process;
        uv_timer_t kill; /* from the start of the process to its close callback */
        bool stopped, has_file;
        char stage[NAME_SIZE + 80];
};

static int fail(struct kernel_download *d, int num, const char *what)
{
        return kt_error_set(&d->err, num, KT_E_IO, "cannot download %s: %s: %s", d->url, what,
                            strerror(-num));
}

void kernel_downloaded_done(struct kernel_downloaded *d)
{
        free(d->path);
        free(d->folder);
        kt_closep(&d->lock_fd);
        *d = KERNEL_DOWNLOADED_INIT;
}

void kernel_downloaded_remove(struct kernel_downloaded *d)
{
        if (d->folder)
                kt_remove_tree(AT_FDCWD, d->folder);
        kernel_downloaded_done(d);
}

static void download_free(struct kernel_download *d)
{
        kernel_downloaded_done(&d->place);
        free(d->root);
        free(d->url);
        build_identity_done(&d->identity);
        kt_closep(&d->request);
        kt_error_done(&d->err);
        free(d);
}

/* --- URLs --- */

int kernel_download_check(const char *url, struct kt_error *reterr)
{
        const char *host = strncmp(url, "https://", 8) == 0  ? url + 8
                           : strncmp(url, "http://", 7) == 0 ? url + 7
                                                             : NULL;

        if (!host || !*host || *host == '/')
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "files.url",
                                          "'%.200s' is no http:// or https:// address", url);
        if (strlen(url) > KERNEL_DOWNLOAD_URL_MAX)
                return kt_error_set_field(reterr, -EINVAL, KT_E_INVALID_PARAMETER, "files.url",
                                          "an address has at most %u characters", KERNEL_DOWNLOAD_URL_MAX);
        for (const char *p = url; *p; p++)
                if ((unsigned char)*p <= ' ' || *p == 0x7f)
                        return kt_error_set_field(
                                reterr, -EINVAL, KT_E_INVALID_PARAMETER, "files.url",
                                "an address has no blanks or control characters; %%20 is one");
        if (memchr(host, '@', strcspn(host, "/?#")))
                return kt_error_set_field(
                        reterr, -EINVAL, KT_E_INVALID_PARAMETER, "files.url",
                        "an address with a name or password in it would be shown to all who "
                        "use this cache; download the file and import it");
        return 0;
}

/* The last part of its path, of characters that a file's name may have anywhere. */
static void name_of(const char *url, char ret[NAME_SIZE])
{
        const size_t end = strcspn(url, "?#");
        const char *slash = memrchr(url, '/', end);
        size_t n = 0;

        for (const char *p = slash ? slash + 1 : url; p < url + end && n + 1 < NAME_SIZE; p++)
                ret[n++] = isalnum((unsigned char)*p) || strchr("-._+~", *p) ? *p : '_';
        ret[n] = '\0';
        if (n == 0)
                strcpy(ret, "file");
}

/* --- its folder, on a worker --- */

/* For the helper to write in. */
static int give(const struct kernel_download *d, int folder)
{
        const struct process_user *user = &d->identity.user;

        return d->identity.becomes && fchown(folder, user->uid, user->gid) < 0 ? -errno : 0;
}

/* Of those of this URL and the helper's user, the first that nobody has: what another user left is not gone
 * on with. */
static int take_folder(struct kernel_download *d, const char *parent)
{
        char hash[KT_SHA256_HEX_SIZE];
        int r = kt_sha256_mem(d->url, strlen(d->url), hash);

        for (unsigned slot = 0; r >= 0 && slot < SLOTS; slot++) {
                _cleanup_free_ char *path =
                        kt_format("%s/%.16s-%u-%u", parent, hash, (unsigned)d->place.uid, slot);
                _cleanup_close_ int fd = -1;
                struct stat by_fd, by_name;

                if (!path)
                        return -ENOMEM;
                if (mkdir(path, 0700) < 0 && errno != EEXIST)
                        return -errno;
                fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                /* Whoever had it may have removed it since it was opened. */
                if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &by_fd) < 0 ||
                    lstat(path, &by_name) < 0 || by_fd.st_ino != by_name.st_ino)
                        continue;
                r = give(d, fd);
                if (r < 0)
                        return r;
                d->place.folder = TAKE_PTR(path);
                d->place.lock_fd = TAKE_FD(fd);
                return 0;
        }
        return r < 0 ? r : -EBUSY;
}

static struct json_object *request_json(const struct kernel_download *d)
{
        struct json_object *o = json_object_new_object();

        kt_json_add(o, "net", build_net(d->config));
        kt_json_add_str(o, "url", d->url);
        kt_json_add_str(o, "path", d->place.path);
        return o;
}

static int make_request(struct kernel_download *d)
{
        _cleanup_json_ struct json_object *request = request_json(d);

        d->request = build_request_file(request);
        return d->request < 0 ? d->request : 0;
}

static void prepare_work(void *data)
{
        struct kernel_download *d = data;
        _cleanup_free_ char *parent = kt_path_join(d->root, FOLDER);
        int r = parent ? kt_mkdir_p(AT_FDCWD, parent, 0711) : -ENOMEM;

        /* Those of each helper are its own; it passes through here. */
        if (r >= 0 && chmod(parent, 0711) < 0)
                r = -errno;
        if (r >= 0 &&
            build_identity_find(parent, d->config->builder_path, d->uid, d->gid, &d->identity, &d->err) < 0)
                return;
        d->place.uid = d->identity.becomes ? d->identity.user.uid : geteuid();
        if (r >= 0)
                r = take_folder(d, parent);
        if (r >= 0) {
                d->place.path = kt_format("%s/of-%s", d->place.folder, d->name);
                r = d->place.path ? make_request(d) : -ENOMEM;
        }
        if (r < 0)
                fail(d, r, d->root);
}

/* What a helper says is there has to be a file; and a folder without a part is of no use to anybody. */
static void end_work(void *data)
{
        struct kernel_download *d = data;
        _cleanup_free_ char *part = d->place.path ? kt_format("%s.part", d->place.path) : NULL;
        struct stat st;

        if (d->has_file && (lstat(d->place.path, &st) < 0 || !S_ISREG(st.st_mode)))
                kt_error_set(&d->err, -EIO, KT_E_DOWNLOAD, "the download of %s ended well, but left no file",
                             d->url);
        if (kt_error_isset(&d->err) && d->place.folder && !(part && lstat(part, &st) == 0))
                kernel_downloaded_remove(&d->place);
}

static void end_done(void *data, int status)
{
        struct kernel_download *d = data;
        bool failed = kt_error_isset(&d->err);

        d->on_done(d->userdata, failed ? NULL : &d->place, failed ? &d->err : NULL);
        /* It was taken over. */
        if (!failed)
                d->place = KERNEL_DOWNLOADED_INIT;
        download_free(d);
}

static void end(struct kernel_download *d)
{
        if (d->stopped && !kt_error_isset(&d->err))
                kt_error_set(&d->err, -ECANCELED, KT_E_DOWNLOAD, "the download of %s was cancelled", d->url);
        if (worker_run(d->loop, end_work, end_done, d) < 0)
                end_done(d, 0);
}

/* --- what the helper says --- */

static void tell_progress(struct kernel_download *d, struct json_object *progress)
{
        const int64_t done = kt_json_int(progress, "done", 0), total = kt_json_int(progress, "total", -1),
                      most = total > done ? total : done;
        const bool small = most < 10 * 1024 * 1024;
        const int shift = small ? 10 : 20;
        const char *unit = small ? "KiB" : "MiB";
        char stage[sizeof(d->stage)];

        if (done < 0)
                return;
        if (total >= 0)
                snprintf(stage, sizeof(stage), "downloading %s: %lld of %lld %s", d->name,
                         (long long)(done >> shift), (long long)(total >> shift), unit);
        else
                snprintf(stage, sizeof(stage), "downloading %s: %lld %s", d->name,
                         (long long)(done >> shift), unit);
        if (strcmp(stage, d->stage) == 0)
                return;
        strcpy(d->stage, stage);
        d->on_stage(d->userdata, stage);
}

static void take_error(struct kernel_download *d, struct json_object *error)
{
        const char *message = json_object_is_type(kt_json_get(error, "message"), json_type_string)
                                      ? kt_json_str(error, "message")
                                      : NULL,
                   *name = json_object_is_type(kt_json_get(error, "name"), json_type_string)
                                   ? kt_json_str(error, "name")
                                   : NULL;

        kt_error_set(&d->err, -EIO, name && strcmp(name, KT_E_IO) == 0 ? KT_E_IO : KT_E_DOWNLOAD, "%.*s",
                     MESSAGE_MAX, message ? message : "the download failed and did not say why");
}

static void on_line(void *userdata, const char *line, size_t size, bool cut)
{
        struct kernel_download *d = userdata;
        _cleanup_json_ struct json_object *o = NULL;
        struct json_object *progress, *error;

        if (cut || d->stopped || kt_json_parse(line, size, &o, NULL) < 0 ||
            !json_object_is_type(o, json_type_object))
                return;
        progress = kt_json_get(o, "progress");
        error = kt_json_get(o, "error");
        if (json_object_is_type(progress, json_type_object))
                tell_progress(d, progress);
        if (json_object_is_type(error, json_type_object))
                take_error(d, error);
        if (kt_json_get(o, "file"))
                d->has_file = true;
}

/* --- the helper --- */

static void on_timer_closed(uv_handle_t *handle)
{
        end(handle->data);
}

static void on_exit_(void *userdata, const struct process_exit *how)
{
        struct kernel_download *d = userdata;

        d->process = NULL;
        if (how->signal && !d->stopped)
                kt_error_set(&d->err, -EIO, KT_E_DOWNLOAD, "the download of %s was ended by signal %d",
                             d->url, how->signal);
        else if ((how->status || !d->has_file) && !d->stopped && !kt_error_isset(&d->err))
                kt_error_set(&d->err, -EIO, KT_E_DOWNLOAD,
                             "the download of %s failed: %s ended with %d%s%.*s", d->url, BUILD_PROGRAM,
                             how->status, *how->text ? ": " : "", MESSAGE_MAX, how->text);
        uv_close((uv_handle_t *)&d->kill, on_timer_closed);
}

static void on_kill(uv_timer_t *timer)
{
        struct kernel_download *d = timer->data;

        if (d->process)
                process_kill(d->process, SIGKILL);
}

static void prepare_done(void *data, int status)
{
        struct kernel_download *d = data;
        char *const argv[] = {d->config->builder_path, (char *)"download", (char *)BUILD_REQUEST_INHERITED,
                              NULL};
        const struct process_params params = {
                .exec_helper = d->config->exec_helper,
                .argv = argv,
                .on_line = on_line,
                .line_max = BUILD_LINE_MAX,
                .user = d->identity.becomes ? &d->identity.user : NULL,
                .whole_group = true,
                .fds = &d->request,
                .n_fds = 1,
                .oom_score_adj = OOM_SCORE_ADJ,
        };

        if (d->stopped || kt_error_isset(&d->err)) {
                end(d);
                return;
        }
        snprintf(d->stage, sizeof(d->stage), "downloading %s", d->name);
        d->on_stage(d->userdata, d->stage);
        if (process_start(d->loop, &params, on_exit_, d, &d->process, &d->err) < 0) {
                end(d);
                return;
        }
        uv_timer_init(d->loop, &d->kill);
        d->kill.data = d;
}

int kernel_downloaded_open(const struct kernel_downloaded *d)
{
        _cleanup_close_ int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        /* A helper that lies may have put a name for somebody else's file there. */
        return S_ISREG(st.st_mode) && st.st_uid == d->uid && st.st_nlink == 1 ? TAKE_FD(fd) : -EPERM;
}

int kernel_download_start(uv_loop_t *loop, const struct kernel_download_params *params,
                          kernel_download_stage_cb on_stage, kernel_download_cb on_done, void *userdata,
                          struct kernel_download **ret, struct kt_error *reterr)
{
        struct kernel_download *d = calloc(1, sizeof(*d));
        int r = kernel_download_check(params->url, reterr);

        if (r >= 0 && d) {
                *d = (struct kernel_download){
                        .loop = loop,
                        .config = params->config,
                        .root = strdup(params->root),
                        .url = strdup(params->url),
                        .on_stage = on_stage,
                        .on_done = on_done,
                        .userdata = userdata,
                        .uid = params->uid,
                        .gid = params->gid,
                        .place = KERNEL_DOWNLOADED_INIT,
                        .request = -1,
                };
                name_of(params->url, d->name);
        }
        if (r < 0) {
                free(d);
                return r;
        }
        if (!d || !d->root || !d->url || worker_run(loop, prepare_work, prepare_done, d) < 0) {
                if (d)
                        download_free(d);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        *ret = d;
        return 0;
}

void kernel_download_stop(struct kernel_download *d)
{
        if (d->stopped)
                return;
        d->stopped = true;
        if (!d->process)
                return;
        process_kill(d->process, SIGTERM);
        uv_timer_start(&d->kill, on_kill, KILL_AFTER_MS, 0);
}

/* --- what nobody came back for --- */

/* When something last happened to it, or in it. */
static time_t last_touched(int folder)
{
        _cleanup_close_ int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_closedir_ DIR *dir = again >= 0 ? fdopendir(again) : NULL;
        time_t latest = 0;
        struct dirent *e;
        struct stat st;

        if (dir)
                TAKE_FD(again);
        if (fstat(folder, &st) == 0)
                latest = st.st_mtime;
        while (dir && (e = readdir(dir)))
                if (strcmp(e->d_name, "..") != 0 &&
                    fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime > latest)
                        latest = st.st_mtime;
        return latest;
}

void kernel_download_sweep(const char *root)
{
        _cleanup_free_ char *path = kt_path_join(root, FOLDER);
        _cleanup_closedir_ DIR *dir = path ? opendir(path) : NULL;
        const time_t oldest = time(NULL) - KERNEL_DOWNLOAD_KEEP_DAYS * 24 * 3600;
        struct dirent *e;

        while (dir && (e = readdir(dir))) {
                _cleanup_close_ int fd = -1;

                if (e->d_name[0] == '.')
                        continue;
                fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && last_touched(fd) < oldest)
                        kt_remove_tree(dirfd(dir), e->d_name);
        }
}
