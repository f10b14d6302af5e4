/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/limits.h"
#include "trace_text.h"

/* Of all CPUs together, and of each at least and at most: forty lines are some 4 KiB, and reading takes an
 * emulated guest a second for a megabyte. */
#define BUFFER_KIB 512L
#define CPU_MIN_KIB 16L
#define CPU_MAX_KIB 64L

/* Before lines are chosen: comments stand among them, and each has its task's name behind blanks. */
#define TAIL_BYTES (4 * KT_TRACE_BYTES_MAX)

static int put(const struct trace *t, const char *file, const char *text)
{
        _cleanup_free_ char *path = kt_path_join(t->folder, file);
        /* Not truncated: of a file of triggers that would remove them. */
        _cleanup_close_ int fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;

        if (!path)
                return -ENOMEM;
        return fd < 0 ? -errno : kt_write_all(fd, text, strlen(text));
}

static void set_buffer_size(const struct trace *t)
{
        const long kib = BUFFER_KIB / sysconf(_SC_NPROCESSORS_CONF);
        char text[24];

        snprintf(text, sizeof(text), "%ld",
                 kib < CPU_MIN_KIB   ? CPU_MIN_KIB
                 : kib > CPU_MAX_KIB ? CPU_MAX_KIB
                                     : kib);
        (void)put(t, "buffer_size_kb", text);
}

/* The kernel's own word for it is sched_ext_exit, which has all ends and is new; before it there is
 * sched_ext_dump, which has the first line of the debug dump, and that is of errors only. */
static void stop_at_error(const struct trace *t)
{
        (void)put(t, "events/sched_ext/sched_ext_exit/trigger", "traceoff if kind >= 1024");
        (void)put(t, "events/sched_ext/sched_ext_dump/trigger", "traceoff");
}

/* While a scheduler is taken down the kernel schedules in its place, and tells of each task: of one that
 * went by itself, whose process ends behind that, it would be most of the lines. */
static void leave_out_bypass(const struct trace *t)
{
        (void)put(t, "events/sched_ext/sched_ext_event/filter", "!(name ~ \"SCX_EV_BYPASS_*\")");
}

/* The agent looks around so often that on an idle CPU, where a stall leaves them all, it would be most of
 * the lines: that it wakes up, and goes back to nobody. */
static void leave_out_ourselves(const struct trace *t)
{
        const int pid = (int)getpid();
        char waking[32], switching[128];

        snprintf(waking, sizeof(waking), "pid != %d", pid);
        snprintf(switching, sizeof(switching),
                 "!(prev_pid == 0 && next_pid == %d) && !(prev_pid == %d && next_pid == 0)", pid, pid);
        (void)put(t, "events/sched/sched_wakeup/filter", waking);
        (void)put(t, "events/sched/sched_migrate_task/filter", waking);
        (void)put(t, "events/sched/sched_switch/filter", switching);
}

static void enable_events(struct trace *t)
{
        static const char *const files[] = {
                "events/sched/sched_switch/enable",         "events/sched/sched_wakeup/enable",
                "events/sched/sched_migrate_task/enable",   "events/sched_ext/enable",
                "events/bpf_trace/bpf_trace_printk/enable",
        };
        size_t n = 0;

        for (size_t i = 0; i < KT_ARRAY_SIZE(files); i++)
                n += put(t, files[i], "1") >= 0;
        if (n == 0)
                kt_error_set(&t->error, -ENOENT, NULL, "this kernel has no events to trace in %s/events",
                             t->folder);
}

static void trace_forget(struct trace *t)
{
        free(t->folder);
        free(t->tracefs);
        t->folder = t->tracefs = NULL;
}

void trace_begin(struct trace *t, const char *tracefs)
{
        _cleanup_free_ char *folder = kt_path_join(tracefs, "instances/ktstr");

        *t = (struct trace){.error = KT_ERROR_INIT};
        if (folder && mkdir(folder, 0700) < 0 && errno != EEXIST) {
                const int e = errno;

                kt_error_set(&t->error, -e, NULL,
                             e == ENOENT ? "this kernel has no tracefs (CONFIG_FTRACE)"
                                         : "no trace can be kept in %s: %s",
                             folder, strerror(e));
                return;
        }
        t->folder = TAKE_PTR(folder);
        t->tracefs = strdup(tracefs);
        if (!t->folder || !t->tracefs) {
                kt_error_set(&t->error, -ENOMEM, NULL, "out of memory");
                trace_forget(t);
                return;
        }
        set_buffer_size(t);
        leave_out_ourselves(t);
        leave_out_bypass(t);
        stop_at_error(t);
        enable_events(t);
}

/* One probe more beside those that there are; the kernel takes a whole line at once. */
static int add_probe(const struct trace *t, const char *event, const char *function, const char *arguments)
{
        _cleanup_free_ char *path = kt_path_join(t->tracefs, "kprobe_events");
        _cleanup_free_ char *line = kt_format("p:ktstr/%s %s%s\n", event, function, arguments);
        _cleanup_close_ int fd = path && line ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;

        if (!path || !line)
                return -ENOMEM;
        return fd < 0 ? -errno : kt_write_all(fd, line, strlen(line));
}

static bool probe(const struct trace *t, const char *function)
{
        static const char *const arguments[] = {" $arg* comm=p->comm:string pid=p->pid", " $arg*", ""};
        _cleanup_free_ char *event = strdup(function), *enable = NULL;

        /* "f.isra.0" is a function and no event. */
        for (char *p = event; p && *p; p++)
                if (*p == '.')
                        *p = '_';
        enable = event ? kt_format("events/ktstr/%s/enable", event) : NULL;
        for (size_t i = 0; enable && i < KT_ARRAY_SIZE(arguments); i++)
                if (add_probe(t, event, function, arguments[i]) >= 0)
                        return put(t, enable, "1") >= 0;
        return false;
}

void trace_probe(struct trace *t, const char *function)
{
        char *names;

        if (!t->folder || probe(t, function))
                return;
        names = kt_format("%s%s%s", t->unprobed ? t->unprobed : "", t->unprobed ? ", " : "", function);
        if (names) {
                free(t->unprobed);
                t->unprobed = names;
        }
}

static void trigger_at_exit(const struct trace *t, const char *mark, pid_t pid)
{
        char text[64];

        snprintf(text, sizeof(text), "%straceoff if pid == %d", mark, (int)pid);
        (void)put(t, "events/sched/sched_process_exit/trigger", text);
}

void trace_follow(struct trace *t, pid_t pid)
{
        if (!t->folder)
                return;
        if (t->pid > 0)
                trigger_at_exit(t, "!", t->pid);
        if (pid > 0)
                trigger_at_exit(t, "", pid);
        t->pid = pid;
}

void trace_stop(struct trace *t)
{
        if (t->folder)
                (void)put(t, "tracing_on", "0");
}

/* The last of a file that says no size. *ret_is_cut: there was more before. Malloced; NULL: -errno. */
static char *read_tail(const char *path, bool *ret_is_cut)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        char *text = fd < 0 ? NULL : malloc(2 * TAIL_BYTES + 1);
        size_t len = 0;
        ssize_t n;

        *ret_is_cut = false;
        if (!text)
                return NULL;
        while ((n = read(fd, text + len, 2 * TAIL_BYTES - len)) > 0) {
                len += (size_t)n;
                if (len < 2 * TAIL_BYTES)
                        continue;
                memmove(text, text + len - TAIL_BYTES, TAIL_BYTES);
                len = TAIL_BYTES;
                *ret_is_cut = true;
        }
        text[len] = '\0';
        return text;
}

void trace_end(struct trace *t)
{
        _cleanup_free_ char *path = t->folder ? kt_path_join(t->folder, "trace") : NULL, *all = NULL;
        bool is_cut = false;

        if (!path || t->text)
                return;
        trace_stop(t);
        all = read_tail(path, &is_cut);
        if (!all) {
                kt_error_set(&t->error, -errno, NULL, "cannot read %s: %s", path, strerror(errno));
                return;
        }
        t->text = trace_text_last(all, is_cut, KT_TRACE_LINES_MAX, KT_TRACE_BYTES_MAX);
        if (t->text && !*t->text && !kt_error_isset(&t->error))
                kt_error_set(&t->error, -ENODATA, NULL, "nothing was traced");
        if (t->unprobed && !kt_error_isset(&t->error))
                kt_error_set(&t->error, -ENOENT, NULL, "%s", t->unprobed);
}

void trace_done(struct trace *t)
{
        trace_forget(t);
        free(t->unprobed);
        free(t->text);
        kt_error_done(&t->error);
        *t = (struct trace){};
}
