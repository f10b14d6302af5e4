/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a payload's program is found and started. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "../../common/fsutil.h"
#include "../../common/search_path.h"
#include "../../proto/guestmsg.h"
#include "cgroup.h"
#include "crew.h"
#include "payload.h"

/* --- the program --- */

static char *beside_us(const char *binary)
{
        char self[4096];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *slash;

        if (n <= 0)
                return NULL;
        self[n] = '\0';
        slash = strrchr(self, '/');
        *slash = '\0';
        return kt_path_join(self, binary);
}

/* In the guest where the host's client has put it; on the host where it would look for it. */
static char *find_program(const char *binary)
{
        const char *slash = strrchr(binary, '/');
        _cleanup_free_ char *path = kt_path_join(KT_GUEST_BIN_DIR, slash ? slash + 1 : binary);

        if (path && access(path, X_OK) == 0)
                return TAKE_PTR(path);
        free(path);
        path = binary[0] == '/' ? strdup(binary) : beside_us(binary);
        if (path && access(path, X_OK) == 0)
                return TAKE_PTR(path);
        return slash ? NULL : kt_search_path(binary, X_OK);
}

/* The program, its arguments and those of this run; the array alone is the caller's. */
static const char **make_argv(const char *path, const char *const *args, const char *const *more)
{
        size_t n = 1, i = 0;
        const char **argv;

        for (const char *const *a = args; a && *a; a++)
                n++;
        for (const char *const *a = more; a && *a; a++)
                n++;
        argv = calloc(n + 1, sizeof(*argv));
        if (!argv)
                return NULL;
        argv[i++] = path;
        for (const char *const *a = args; a && *a; a++)
                argv[i++] = *a;
        for (const char *const *a = more; a && *a; a++)
                argv[i++] = *a;
        return argv;
}

/* --- its process --- */

struct launch {
        const char *path;
        const char **argv;
        pid_t parent;
        int out, err;         /* the ends that it writes to */
        int go[2], failed[2]; /* pipes: it waits for the end of one, and writes an errno to the other */
};

/* Behind fork(). */
static void become(const struct launch *l)
{
        int null = open("/dev/null", O_RDONLY), code;
        char byte;

        setpgid(0, 0);
        crew_die_with_parent(l->parent);
        crew_be_the_first_to_go();
        signal(SIGPIPE, SIG_DFL);
        close(l->go[1]);
        while (read(l->go[0], &byte, 1) < 0 && errno == EINTR)
                ;
        if (dup2(null, STDIN_FILENO) >= 0 && dup2(l->out, STDOUT_FILENO) >= 0 &&
            dup2(l->err, STDERR_FILENO) >= 0)
                execv(l->path, (char *const *)l->argv);
        code = errno;
        (void)kt_write_all(l->failed[1], &code, sizeof(code));
        _exit(127);
}

static void close_launch(struct launch *l)
{
        int *const fds[] = {&l->out, &l->err, &l->go[0], &l->go[1], &l->failed[0], &l->failed[1]};

        for (unsigned i = 0; i < KT_ARRAY_SIZE(fds); i++) {
                kt_closep(fds[i]);
                *fds[i] = -1;
        }
}

static int open_launch(struct ktstr_payload_handle *h, struct launch *l)
{
        int r = output_begin(&h->out, &h->b->talk, &l->out);

        if (r >= 0)
                r = output_begin(&h->err, &h->b->talk, &l->err);
        if (r >= 0 && (pipe2(l->go, O_CLOEXEC) < 0 || pipe2(l->failed, O_CLOEXEC) < 0))
                r = -errno;
        return r;
}

static int launch(struct ktstr_payload_handle *h, const char *dir, struct launch *l, struct kt_error *reterr)
{
        int r = open_launch(h, l);

        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot make pipes for payload %s: %s", h->p->name,
                                    strerror(-r));
        fflush(NULL);
        h->pid = fork();
        if (h->pid == 0)
                become(l);
        if (h->pid < 0)
                return kt_error_set(reterr, -errno, NULL, "cannot fork for payload %s: %s", h->p->name,
                                    strerror(errno));
        setpgid(h->pid, h->pid);
        h->failed_fd = TAKE_FD(l->failed[0]);
        /* It is let go by the end of the pipe, once it is in its place. */
        return dir ? cgroup_move(h->b->sysfs_writer, dir, h->pid, reterr) : 0;
}

int payload_launch(struct ktstr_payload_handle *h, const char *dir, const char *const *more_args,
                   struct kt_error *reterr)
{
        struct launch l = {.parent = getpid(), .out = -1, .err = -1, .go = {-1, -1}, .failed = {-1, -1}};
        _cleanup_free_ char *path = find_program(h->p->binary);
        _cleanup_free_ const char **argv = path ? make_argv(path, h->p->args, more_args) : NULL;
        int r;

        if (!path)
                return kt_error_set(
                        reterr, -ENOENT, NULL,
                        "there is no program '%s' for payload %s: name it in the test's .payload or "
                        ".workloads, so that it is brought along",
                        h->p->binary, h->p->name);
        if (!argv)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        l.path = path;
        l.argv = argv;
        r = launch(h, dir, &l, reterr);
        /* Before the pipe's end lets it go. */
        if (r < 0 && h->pid > 0) {
                kill(-h->pid, SIGKILL);
                waitpid(h->pid, NULL, 0);
                h->pid = -1;
        }
        close_launch(&l);
        return r;
}
