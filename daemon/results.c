/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "results.h"

#include <errno.h>
#include <fcntl.h>
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

int results_open(struct job *job, struct kt_error *reterr)
{
        _cleanup_free_ char *dir = kt_format("%s/results/%s", job->server->config->state_dir, job->id);
        int r;

        if (!dir)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        /* What a scheduler prints is its author's: theirs alone, also where a daemon serves many. */
        r = kt_mkdir_p(AT_FDCWD, dir, 0755);
        if (r >= 0 && chmod(dir, 0700) < 0)
                r = -errno;
        if (r < 0)
                return kt_error_set(reterr, r, KT_E_IO, "cannot make the result folder %s: %s", dir, strerror(-r));
        job->result_dir = TAKE_PTR(dir);
        /* A daemon that serves others gives each what is theirs. */
        if (job->spec.uid != geteuid() && chown(job->result_dir, job->spec.uid, job->spec.gid) < 0)
                kt_log_debug("cannot give %s to its user: %s", job->result_dir, strerror(errno));
        return 0;
}

static const char *file_of(enum event_stream stream)
{
        switch (stream) {
        case STREAM_SCHEDULER_STDOUT:
        case STREAM_SCHEDULER_STDERR:
                return "scheduler.log";
        case STREAM_KERNEL:
                return "kernel.log";
        case STREAM_CONSOLE:
                return "console.log";
        default:
                return "output.log";
        }
}

void results_append(struct job *job, enum event_stream stream, const char *data, size_t size)
{
        _cleanup_free_ char *path = job->result_dir ? kt_path_join(job->result_dir, file_of(stream)) : NULL;
        _cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
        int r = fd < 0 ? -errno : kt_write_all(fd, data, size);

        if (r < 0 && path) {
                kt_log_warning("cannot write %s: %s", path, strerror(-r));
                if (!job->log_incomplete)
                        verdict_add_detail(&job->verdict, "%s is incomplete: %s", path, strerror(-r));
                job->log_incomplete = true;
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
        text = json ? json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE) : NULL;
        dir = open(job->result_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = !text ? -ENOMEM : dir < 0 ? -errno : kt_publish_file(dir, "verdict.json", text, strlen(text), 0644);
        if (r < 0) {
                kt_log_warning("cannot write %s/verdict.json: %s", job->result_dir, strerror(-r));
                verdict_add_detail(&job->verdict, "verdict.json could not be written: %s", strerror(-r));
        }
}
