/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu_check.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "../common/cleanup.h"

#define OUTPUT_MAX 16384

static const char questions[] = "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-target\"}"
                                "{\"execute\":\"query-kvm\"}{\"execute\":\"quit\"}";

static uint64_t now_us(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000ULL + (uint64_t)ts.tv_nsec / 1000;
}

static void give_reason(struct qemu_check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void give_reason(struct qemu_check *c, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
        va_end(ap);
}

static bool is_executable(const char *path, struct qemu_check *c)
{
        struct stat st;

        if (!path || !*path) {
                give_reason(c, "no qemu-system-x86_64 was found: install the package qemu-system-x86");
                return false;
        }
        if (stat(path, &st) < 0) {
                give_reason(c, "no QEMU at %.100s (%s): install the package qemu-system-x86", path,
                            strerror(errno));
                return false;
        }
        if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0) {
                give_reason(c,
                            "%.100s is no program that this user may run: install the package "
                            "qemu-system-x86",
                            path);
                return false;
        }
        return true;
}

/* Its stdin holds all the questions, its stdout and stderr are *ret_output. */
static int start(const char *path, int *ret_output, pid_t *ret_pid)
{
        char *const argv[] = {(char *)path, "-nodefaults", "-no-user-config",
                              "-display",   "none",        "-machine",
                              "q35",        "-accel",      "tcg",
                              "-m",         "16",          "-S",
                              "-qmp",       "stdio",       NULL};
        int in[2] = {-1, -1}, out[2] = {-1, -1};
        _cleanup_close_ int in_read = -1, in_write = -1, out_read = -1, out_write = -1;
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none, all;
        int r;

        if (pipe2(in, O_CLOEXEC) < 0)
                return -errno;
        in_read = in[0];
        in_write = in[1];
        if (pipe2(out, O_CLOEXEC) < 0)
                return -errno;
        out_read = out[0];
        out_write = out[1];
        /* A new pipe takes this much, so it cannot block; nor raise SIGPIPE, since we hold its other end. */
        if (write(in_write, questions, sizeof(questions) - 1) != (ssize_t)sizeof(questions) - 1)
                return -EIO;

        sigemptyset(&none);
        sigfillset(&all);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, in_read, STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, out_write, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, out_write, STDERR_FILENO);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        r = posix_spawn(ret_pid, path, &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return -r;
        *ret_output = TAKE_FD(out_read);
        return 0;
}

/* Everything it prints until it ends. -ETIMEDOUT when it does not end in time. */
static int read_all(int fd, char ret[OUTPUT_MAX])
{
        const uint64_t deadline_us = now_us() + QEMU_CHECK_TIMEOUT_MS * 1000ULL;
        size_t used = 0;

        for (;;) {
                const uint64_t now = now_us();
                struct pollfd p = {.fd = fd, .events = POLLIN};
                char spill[512];
                const bool full = used == OUTPUT_MAX - 1;
                ssize_t n;

                ret[used] = '\0';
                /* When the time is over too: what it has said meanwhile counts, however late we look. */
                if (poll(&p, 1, now < deadline_us ? (int)((deadline_us - now) / 1000) + 1 : 0) <= 0) {
                        if (now >= deadline_us)
                                return -ETIMEDOUT;
                        continue;
                }
                if (full && now >= deadline_us)
                        return -ETIMEDOUT;
                n = read(fd, full ? spill : ret + used, full ? sizeof(spill) : OUTPUT_MAX - 1 - used);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return 0;
                if (n > 0 && !full)
                        used += (size_t)n;
        }
}

struct answers {
        char version[32], arch[32];
        int major, minor;
        bool has_kvm;
        const char *complaint; /* the first line that is no answer; borrowed */
};

static json_object *member(json_object *object, const char *name, json_type type)
{
        json_object *value;

        if (!json_object_is_type(object, json_type_object) ||
            !json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, type))
                return NULL;
        return value;
}

static void note_version(json_object *greeting, struct answers *a)
{
        json_object *qemu = member(member(greeting, "version", json_type_object), "qemu", json_type_object);

        a->major = json_object_get_int(member(qemu, "major", json_type_int));
        a->minor = json_object_get_int(member(qemu, "minor", json_type_int));
        snprintf(a->version, sizeof(a->version), "%d.%d.%d", a->major, a->minor,
                 json_object_get_int(member(qemu, "micro", json_type_int)));
}

static void note_line(const char *line, struct answers *a)
{
        json_object *object = json_tokener_parse(line), *value, *answer;

        if (!object) {
                if (!a->complaint && *line && *line != '{')
                        a->complaint = line;
                return;
        }
        value = member(object, "QMP", json_type_object);
        if (value)
                note_version(value, a);
        answer = member(object, "return", json_type_object);
        value = member(answer, "arch", json_type_string);
        if (value)
                snprintf(a->arch, sizeof(a->arch), "%s", json_object_get_string(value));
        value = member(answer, "present", json_type_boolean);
        if (value)
                a->has_kvm = json_object_get_boolean(value);
        json_object_put(object);
}

static void judge(const char *path, char *output, struct qemu_check *c)
{
        struct answers a = {0};
        char *state = NULL;

        for (char *line = strtok_r(output, "\r\n", &state); line; line = strtok_r(NULL, "\r\n", &state))
                note_line(line, &a);
        if (!*a.arch) {
                give_reason(c, "%.80s makes no q35 machine under TCG: %.100s", path,
                            a.complaint ? a.complaint : "it says nothing; is it QEMU?");
        } else if (strcmp(a.arch, "x86_64") != 0) {
                give_reason(c, "%.100s emulates %s, not x86_64: install the package qemu-system-x86", path,
                            a.arch);
        } else {
                c->runs = true;
                c->has_kvm = a.has_kvm;
                c->parallel_tcg = a.major > 8 || (a.major == 8 && a.minor >= 1);
                memcpy(c->version, a.version, sizeof(c->version));
        }
}

void qemu_check_run(const char *path, struct qemu_check *ret)
{
        _cleanup_close_ int output_fd = -1;
        char output[OUTPUT_MAX];
        const uint64_t started_us = now_us();
        pid_t pid;
        int r;

        *ret = (struct qemu_check){0};
        if (!is_executable(path, ret))
                return;
        r = start(path, &output_fd, &pid);
        if (r < 0) {
                give_reason(ret, "cannot start %.100s: %s", path, strerror(-r));
                return;
        }
        r = read_all(output_fd, output);
        if (r < 0)
                kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        if (r < 0)
                give_reason(ret, "%.100s does not answer: %s; try it by hand", path, strerror(-r));
        else
                judge(path, output, ret);
        ret->took_us = now_us() - started_us;
}
