/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * CgroupChurn: to and fro between churn_a and churn_b below its own cgroup, which its group of workers makes
 * and whoever removes the cgroup removes. A unit is a spin iteration.
 *
 * Schedulers are told of a move only between cgroups that have the cpu controller, and a cgroup with
 * processes in it can hand that on to children that are threaded; so they are. Without the controller (a
 * scenario without controllers) the children are plain, and a move is nothing that a scheduler is told.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "../../common/cleanup.h"
#include "../../common/fsutil.h"
#include "limits.h"
#include "types.h"

static int open_in(struct ktstr_worker *w, const char *child, const char *file)
{
        _cleanup_free_ char *path =
                kt_format("%s%s%s/%s", w->cgroup_dir, child ? "/" : "", child ? child : "", file);
        int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;

        if (fd < 0)
                worker_die(w, "cannot open %s of its cgroup%s%s: %s", file, child ? "'s " : "",
                           child ? child : "", strerror(errno));
        return fd;
}

static void write_in(struct ktstr_worker *w, const char *child, const char *file, const char *text)
{
        _cleanup_close_ int fd = open_in(w, child, file);
        int r = kt_write_all(fd, text, strlen(text));

        if (r < 0)
                worker_die(w, "cannot write '%s' to %s of its cgroup%s%s: %s", text, file,
                           child ? "'s " : "", child ? child : "", strerror(-r));
}

static bool has_cpu_controller(struct ktstr_worker *w)
{
        _cleanup_free_ char *path = kt_path_join(w->cgroup_dir, "cgroup.controllers"), *text = NULL;
        char *save, *word;
        size_t size;

        if (!path || kt_read_file(AT_FDCWD, path, 4096, &text, &size) < 0)
                worker_die(w, "cannot read cgroup.controllers of its cgroup: %s", strerror(errno));
        for (word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
                if (strcmp(word, "cpu") == 0)
                        return true;
        return false;
}

/* Others of the group do it at the same time: what is there already is fine. */
static int make_child(struct ktstr_worker *w, const char *name, bool threaded)
{
        _cleanup_free_ char *path = kt_path_join(w->cgroup_dir, name);

        if (!path || (mkdir(path, 0755) < 0 && errno != EEXIST))
                worker_die(w, "cannot make the cgroup %s below its own: %s", name, strerror(errno));
        if (threaded)
                write_in(w, name, "cgroup.type", "threaded");
        return open_in(w, name, "cgroup.procs");
}

static void cgroup_churn(struct ktstr_worker *w)
{
        const uint64_t spin = w->work->p[0];
        int children[2];
        bool threaded;

        if (!w->cgroup_dir)
                worker_die(w, "CgroupChurn needs a cgroup: it is of no use outside all");
        threaded = has_cpu_controller(w);
        if (threaded)
                write_in(w, NULL, "cgroup.subtree_control", "+cpu");
        children[0] = make_child(w, "churn_a", threaded);
        children[1] = make_child(w, "churn_b", threaded);
        for (unsigned i = w->index;; i++) {
                int r = kt_pwrite_all(children[i % 2], "0", 1, 0);

                if (r < 0)
                        worker_die(w, "cannot move between cgroups: %s", strerror(-r));
                worker_spin(spin);
                worker_progress(w, spin);
        }
}

const struct work_type work_type_CGROUP_CHURN = {
        .name = "CgroupChurn",
        .params = {{"spin_iterations", 1024, WORK_ITERATIONS_MAX}},
        .run = cgroup_churn,
};
