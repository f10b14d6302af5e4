/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "results.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "job.h"
#include "job_json.h"
#include "server.h"
#include "worker.h"

/* What a scheduler prints is its author's: theirs alone, also where a daemon serves many. The parent is
 * there but for the first time. */
static int make_folder(char *dir)
{
        char *slash = strrchr(dir, '/');
        int r;

        if (mkdir(dir, 0700) == 0)
                return 0;
        if (errno != ENOENT)
                return -errno;
        *slash = '\0';
        r = kt_mkdir_p(AT_FDCWD, dir, 0755);
        *slash = '/';
        if (r >= 0 && mkdir(dir, 0700) < 0)
                r = -errno;
        return r;
}

/* Still the daemon's, since the job that it is of has not ended? */
static bool is_own_folder(const char *dir)
{
        struct stat st;

        return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static int open_folder(struct job *job, bool again, struct kt_error *reterr)
{
        _cleanup_free_ char *dir = kt_format("%s/results/%s", job->server->config->state_dir, job->id);
        int r;

        if (!dir)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = make_folder(dir);
        if (r == -EEXIST && again && is_own_folder(dir))
                r = 0;
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot make the result folder %s: %s", dir,
                                    strerror(-r));
        job->result_dir = TAKE_PTR(dir);
        return 0;
}

int results_open(struct job *job, struct kt_error *reterr)
{
        return open_folder(job, false, reterr);
}

int results_open_again(struct job *job, struct kt_error *reterr)
{
        return open_folder(job, true, reterr);
}

static const char *file_of(enum event_stream stream)
{
        switch (stream) {
        case STREAM_SCHEDULER_STDOUT:
        case STREAM_SCHEDULER_STDERR:
                return SCHEDULER_LOG;
        case STREAM_KERNEL:
                return "kernel.log";
        case STREAM_BUILD:
                return "build.log";
        default:
                return "output.log";
        }
}

/* Once, and in the verdict, since whoever reads the log must know. */
static void note_incomplete(struct job *job, const char *path, const char *why)
{
        if (job->log_incomplete)
                return;
        job->log_incomplete = true;
        kt_log_warning("%s is incomplete: %s", path, why);
        verdict_add_detail(&job->verdict, "%s is incomplete: %s", path, why);
}

void results_append(struct job *job, enum event_stream stream, const char *data, size_t size)
{
        _cleanup_free_ char *path = job->result_dir ? kt_path_join(job->result_dir, file_of(stream)) : NULL;
        _cleanup_close_ int fd = -1;
        int r;

        if (!path)
                return;
        if (job->result_bytes + size > RESULTS_BYTES_MAX) {
                note_incomplete(job, path, "more was printed than is kept of a job");
                return;
        }
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
        r = fd < 0 ? -errno : kt_write_all(fd, data, size);
        if (r < 0)
                note_incomplete(job, path, strerror(-r));
        else
                job->result_bytes += size;
}

/* A daemon that serves others gives each what is theirs. Not before it is complete: in a folder of somebody
 * else's a name may come to mean another file. */
static void give_away(struct job *job, int dir_fd)
{
        _cleanup_closedir_ DIR *dir = job->spec.uid != geteuid() ? fdopendir(dup(dir_fd)) : NULL;
        struct dirent *e;

        while (dir && (e = readdir(dir)))
                if (e->d_name[0] != '.' &&
                    fchownat(dir_fd, e->d_name, job->spec.uid, job->spec.gid, AT_SYMLINK_NOFOLLOW) < 0)
                        kt_log_warning("cannot give %s/%s to its user: %s", job->result_dir, e->d_name,
                                       strerror(errno));
        if (dir && fchown(dir_fd, job->spec.uid, job->spec.gid) < 0)
                kt_log_warning("cannot give %s to its user: %s", job->result_dir, strerror(errno));
}

/* For the worker. */
struct sync {
        int dir_fd;
};

static void sync_work(void *data)
{
        struct sync *s = data;

        (void)kt_fsync_tree(s->dir_fd);
}

static void sync_done(void *data, int status)
{
        struct sync *s = data;

        kt_closep(&s->dir_fd);
        free(s);
}

/* A disk takes milliseconds to be sure, and nobody waits for that. Takes dir_fd. */
static void sync_later(uv_loop_t *loop, int dir_fd)
{
        struct sync *s = malloc(sizeof(*s));

        if (s)
                s->dir_fd = dir_fd;
        if (!s || worker_run(loop, sync_work, sync_done, s) < 0) {
                free(s);
                kt_closep(&dir_fd);
        }
}

void results_save(struct job *job)
{
        _cleanup_json_ struct json_object *json = NULL;
        _cleanup_close_ int dir = -1;
        const char *text;
        int r;

        if (!job->result_dir)
                return;
        json = job_verdict_json(job);
        text = json ? json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE)
                    : NULL;
        dir = open(job->result_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = !text     ? -ENOMEM
            : dir < 0 ? -errno
                      : kt_replace_file(dir, "verdict.json", text, strlen(text), 0644);
        if (r < 0) {
                kt_log_warning("cannot write %s/verdict.json: %s", job->result_dir, strerror(-r));
                verdict_add_detail(&job->verdict, "verdict.json could not be written: %s", strerror(-r));
        }
        if (dir < 0)
                return;
        give_away(job, dir);
        sync_later(&job->server->loop, TAKE_FD(dir));
}
