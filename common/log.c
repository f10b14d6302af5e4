/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* Where it was called from is in no message: one funnel for all levels, whose own place would be sent. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "cleanup.h"
#include "fsutil.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define PREFIX_SIZE 128

/* Written by kt_log_open() before threads start, read-only afterwards. */
static const char *identifier = "ktstrd";
static int max_level = LOG_INFO;
static bool to_journal;

static _Thread_local struct kt_log_context context = {.uid = -1};

static const char *level_name(int level)
{
        static const char *const names[] = {
                "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug",
        };

        return names[level & LOG_PRIMASK];
}

/* systemd sets JOURNAL_STREAM to DEV:INO of the socket that it made our stderr; a
 * redirection changes those. */
static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long dev, ino;
        struct stat st;

        if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
                return false;
        return fstat(STDERR_FILENO, &st) >= 0 && st.st_dev == dev && st.st_ino == ino;
}

/* A closed stderr would hand its number to the next file that is opened, and log lines would
 * land in that. */
static int hold_stderr(void)
{
        _cleanup_close_ int fd = -1;

        if (fcntl(STDERR_FILENO, F_GETFD) >= 0)
                return 0;
        fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fd == STDERR_FILENO) {
                TAKE_FD(fd);
                return 0;
        }
        return dup2(fd, STDERR_FILENO) < 0 ? -errno : 0;
}

/* Without its socket libsystemd throws the lines away and reports success. */
static int check_journal(void)
{
        return access(JOURNAL_SOCKET, W_OK) < 0 ? -errno : 0;
}

static int choose_target(const char *target, bool *ret)
{
        if (!target || strcmp(target, "auto") == 0) {
                *ret = stderr_is_journal() && check_journal() >= 0;
                return 0;
        }
        *ret = strcmp(target, "journal") == 0;
        if (*ret)
                return check_journal();
        return strcmp(target, "stderr") == 0 ? 0 : -EINVAL;
}

int kt_log_open(const char *ident, const char *target, int level)
{
        int r;

        r = choose_target(target, &to_journal);
        if (r < 0)
                return r;

        r = hold_stderr();
        if (r < 0)
                return r;
        identifier = ident;
        max_level = level;
        return 0;
}

int kt_log_max_level(void)
{
        return max_level;
}

struct kt_log_context kt_log_swap_context(struct kt_log_context ctx)
{
        struct kt_log_context previous = context;

        context = ctx;
        return previous;
}

static struct iovec iov_string(char *s)
{
        return (struct iovec){.iov_base = s, .iov_len = strlen(s)};
}

/* The context as it stands in front of a text, so that it is seen where fields are not shown. */
static const char *context_prefix(char buf[PREFIX_SIZE])
{
        buf[0] = '\0';
        if (*context.job && context.uid >= 0)
                snprintf(buf, PREFIX_SIZE, "[job=%.64s uid=%ld] ", context.job, context.uid);
        else if (*context.job)
                snprintf(buf, PREFIX_SIZE, "[job=%.64s] ", context.job);
        else if (context.uid >= 0)
                snprintf(buf, PREFIX_SIZE, "[uid=%ld] ", context.uid);
        return buf;
}

static int send_journal(int level, const char *text)
{
        _cleanup_free_ char *message = NULL, *priority = NULL, *ident = NULL, *job = NULL, *uid = NULL;
        char prefix[PREFIX_SIZE];
        struct iovec iov[5];
        int n = 0;

        message = kt_format("MESSAGE=%s%s", context_prefix(prefix), text);
        priority = kt_format("PRIORITY=%d", level & LOG_PRIMASK);
        ident = kt_format("SYSLOG_IDENTIFIER=%s", identifier);
        if (!message || !priority || !ident)
                return -ENOMEM;
        iov[n++] = iov_string(message);
        iov[n++] = iov_string(priority);
        iov[n++] = iov_string(ident);

        if (*context.job) {
                job = kt_format("JOB=%s", context.job);
                if (!job)
                        return -ENOMEM;
                iov[n++] = iov_string(job);
        }
        if (context.uid >= 0) {
                uid = kt_format("REQUEST_UID=%ld", context.uid);
                if (!uid)
                        return -ENOMEM;
                iov[n++] = iov_string(uid);
        }
        return sd_journal_sendv(iov, n);
}

/* One write for a line, so that lines of threads and of children do not mix. */
static void print_stderr(int level, const char *text)
{
        char context_text[PREFIX_SIZE], prefix[PREFIX_SIZE + 16];
        struct iovec iov[3];
        int n;

        n = snprintf(prefix, sizeof(prefix), "%s: %s", level_name(level), context_prefix(context_text));

        iov[0] = (struct iovec){.iov_base = prefix, .iov_len = (size_t)n};
        iov[1] = (struct iovec){.iov_base = (char *)(uintptr_t)text, .iov_len = strlen(text)};
        iov[2] = (struct iovec){.iov_base = (char[]){'\n'}, .iov_len = 1};

        while (writev(STDERR_FILENO, iov, 3) < 0 && errno == EINTR)
                ;
}

void kt_log(int level, const char *fmt, ...)
{
        _cleanup_free_ char *text = NULL;
        int saved_errno = errno;
        va_list ap;
        int n;

        if ((level & LOG_PRIMASK) > max_level)
                return;

        va_start(ap, fmt);
        n = vasprintf(&text, fmt, ap);
        va_end(ap);
        if (n < 0)
                text = NULL;

        /* A journal that does not answer must not swallow the line. */
        if (!to_journal || send_journal(level, text ?: fmt) < 0)
                print_stderr(level, text ?: fmt);
        errno = saved_errno;
}
