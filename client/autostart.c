/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "autostart.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <build_config.h>

#include "../common/fsutil.h"
#include "../common/sockpath.h"
#include "../proto/errors.h"

/* The program to start, malloced; a bare name is looked up by execvp. */
static char *find_program(void)
{
        const char *named = getenv("KTSTRD_BINARY");
        char exe[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
        char *beside;

        if (named && *named)
                return strdup(named);
        exe[n < 0 ? 0 : n] = '\0';
        *(strrchr(exe, '/') ?: exe) = '\0';
        beside = kt_format("%s/../daemon/ktstrd", exe);
        if (beside && access(beside, X_OK) == 0)
                return beside;
        free(beside);
        return strdup(access(KT_SBIN_DIR "/ktstrd", X_OK) == 0 ? KT_SBIN_DIR "/ktstrd" : "ktstrd");
}

/* A relative KTSTR_CACHE_DIR is relative to where the caller is, which the daemon leaves. */
static int keep_cache_dir(void)
{
        const char *dir = getenv("KTSTR_CACHE_DIR");
        _cleanup_free_ char *cwd = NULL, *absolute = NULL;

        if (!dir || !*dir || *dir == '/')
                return 0;
        cwd = getcwd(NULL, 0);
        absolute = cwd ? kt_path_join(cwd, dir) : NULL;
        return absolute ? setenv("KTSTR_CACHE_DIR", absolute, 1) : -ENOMEM;
}

/* In the grandchild: leave the terminal and the caller's session behind. */
static void become_daemon(const char *program, const char *dir, const char *socket_path, int ready_fd)
{
        _cleanup_free_ char *log = kt_path_join(dir, "ktstrd.log");
        char ready[16];
        sigset_t none;
        int null = open("/dev/null", O_RDWR), out = log ? open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;

        setsid();
        if (fork() > 0)
                _exit(0);
        /* We may hold interrupts back; a daemon that did so could not be told to end. */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        dup2(null, STDIN_FILENO);
        dup2(out < 0 ? null : out, STDOUT_FILENO);
        dup2(out < 0 ? null : out, STDERR_FILENO);
        snprintf(ready, sizeof(ready), "%d", ready_fd);
        fcntl(ready_fd, F_SETFD, 0);
        if (keep_cache_dir() < 0 || chdir("/") < 0)
                _exit(1);
        execlp(program, "ktstrd", "--private", "--socket", socket_path, "--ready-fd", ready, (char *)NULL);
        dprintf(ready_fd, "cannot run %s: %s\n", program, strerror(errno));
        _exit(1);
}

/* One line: empty when it listens, else why not. */
static int wait_ready(int fd, const char *program, const char *dir, struct kt_error *reterr)
{
        char line[1024];
        size_t len = 0;
        ssize_t n;

        while (len < sizeof(line) - 1) {
                n = read(fd, line + len, sizeof(line) - 1 - len);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                len += (size_t)n;
                if (memchr(line, '\n', len))
                        break;
        }
        line[len] = '\0';
        if (len == 0)
                return kt_error_set(reterr, -ECHILD, KT_E_SHUTTING_DOWN,
                                    "%s ended before it listened; its log is %s/ktstrd.log", program, dir);
        line[strcspn(line, "\n")] = '\0';
        if (line[0])
                return kt_error_set(reterr, -ECHILD, KT_E_SHUTTING_DOWN, "cannot start a private daemon: %s",
                                    line);
        return 0;
}

static int start(const char *dir, const char *socket_path, struct kt_error *reterr)
{
        _cleanup_free_ char *program = find_program();
        int ready[2], r;
        pid_t pid;

        if (!program || pipe2(ready, O_CLOEXEC) < 0)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        pid = fork();
        if (pid == 0) {
                close(ready[0]);
                become_daemon(program, dir, socket_path, ready[1]);
        }
        close(ready[1]);
        if (pid > 0)
                waitpid(pid, NULL, 0);
        r = pid < 0 ? kt_error_set(reterr, -errno, KT_E_INTERNAL, "cannot fork: %s", strerror(errno))
                    : wait_ready(ready[0], program, dir, reterr);
        close(ready[0]);
        return r;
}

int autostart(const char *dir, const char *socket_path, struct kt_error *reterr)
{
        _cleanup_free_ char *path = kt_path_join(dir, "start.lock");
        _cleanup_close_ int lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

        if (lock < 0)
                return kt_error_set(reterr, -errno, KT_E_IO, "cannot write into %s: %s", dir,
                                    strerror(errno));
        while (flock(lock, LOCK_EX) < 0)
                if (errno != EINTR)
                        return kt_error_set(reterr, -errno, KT_E_IO, "cannot lock %s: %s", path,
                                            strerror(errno));
        /* Whoever had the lock before us has started it. */
        if (kt_socket_alive(socket_path))
                return 0;
        return start(dir, socket_path, reterr);
}
