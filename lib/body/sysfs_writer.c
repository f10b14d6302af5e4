/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sysfs_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "../../common/fsutil.h"
#include "worker.h"

#define NS_PER_MS 1000000ULL
#define TICK_MS 50
#define STACK_SIZE 65536U

/*
 * The kernel comes to a write when its CPUs have run for long enough, and emulated ones get what their host
 * leaves them: on one that has ten times as much to do as it can, a millisecond of the kernel's work takes a
 * second. How much they had nobody in there can tell: there is no stolen time, and the guest's clock goes on
 * meanwhile. So there it is waited for ten times as long as is usual. A kernel that really hangs is told so
 * much later, and an agent that has no more time says stop before.
 */
#define EMULATED_PATIENCE_MS 20000ULL

enum deed { DEED_WRITE, DEED_MKDIR, DEED_RMDIR };

struct sysfs_writer {
        struct conversation *talk;
        uint64_t patience_ms;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        int done_fd; /* an eventfd: one for each deed that is done */

        /* under the lock */
        bool busy, leave;
        enum deed deed;
        char *path, *text; /* owned */
        int result;
};

static int write_file(const char *path, const char *text)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
        size_t size = strlen(text);

        if (fd < 0)
                return -errno;
        return write(fd, text, size) == (ssize_t)size ? 0 : -errno;
}

static int act(enum deed deed, const char *path, const char *text)
{
        switch (deed) {
        case DEED_WRITE:
                return write_file(path, text);
        case DEED_MKDIR:
                return mkdir(path, 0755) < 0 ? -errno : 0;
        default:
                return rmdir(path) < 0 ? -errno : 0;
        }
}

static void *work(void *data)
{
        struct sysfs_writer *s = data;

        pthread_mutex_lock(&s->lock);
        for (;;) {
                int result;

                while (!s->busy && !s->leave)
                        pthread_cond_wait(&s->wake, &s->lock);
                if (!s->busy)
                        break;
                pthread_mutex_unlock(&s->lock);
                /* Nobody else touches deed, path and text while it is busy. */
                result = act(s->deed, s->path, s->text);
                pthread_mutex_lock(&s->lock);
                s->result = result;
                s->busy = false;
                eventfd_write(s->done_fd, 1);
        }
        pthread_mutex_unlock(&s->lock);
        return NULL;
}

/* As important as the body itself, whatever the body's children are. The body is FIFO or ordinary, and the
 * agent makes it one or the other at any time: asked for both, policy and priority may be of two moments,
 * and a thread of such a pair is refused. */
static int start_thread(struct sysfs_writer *s)
{
        struct sched_param param = {};
        pthread_attr_t attr;
        int policy, r;

        sched_getparam(0, &param);
        policy = param.sched_priority > 0 ? SCHED_FIFO : SCHED_OTHER;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
        pthread_attr_setschedpolicy(&attr, policy);
        pthread_attr_setschedparam(&attr, &param);
        r = pthread_create(&s->thread, &attr, work, s);
        pthread_attr_destroy(&attr);
        return -r;
}

struct sysfs_writer *sysfs_writer_new(struct conversation *talk)
{
        struct sysfs_writer *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return NULL;
        s->talk = talk;
        s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        pthread_mutex_init(&s->lock, NULL);
        pthread_cond_init(&s->wake, NULL);
        r = s->done_fd < 0 ? -errno : start_thread(s);
        if (r >= 0)
                return s;
        kt_closep(&s->done_fd);
        free(s);
        errno = -r;
        return NULL;
}

void sysfs_writer_free(struct sysfs_writer *s)
{
        bool busy;

        if (!s)
                return;
        pthread_mutex_lock(&s->lock);
        busy = s->busy;
        s->leave = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
        /* One that hangs in the kernel ends with the process. */
        if (busy)
                return;
        pthread_join(s->thread, NULL);
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->lock);
        kt_closep(&s->done_fd);
        free(s->path);
        free(s->text);
        free(s);
}

void sysfs_writer_set_patience(struct sysfs_writer *s, uint64_t patience_ms)
{
        s->patience_ms = patience_ms;
}

uint64_t sysfs_writer_patience_ms(uint64_t watchdog_ms, bool emulated)
{
        return emulated && watchdog_ms < EMULATED_PATIENCE_MS ? EMULATED_PATIENCE_MS : watchdog_ms;
}

static bool is_busy(struct sysfs_writer *s)
{
        bool busy;

        pthread_mutex_lock(&s->lock);
        busy = s->busy;
        pthread_mutex_unlock(&s->lock);
        return busy;
}

/* Until it is done with what it does. */
static int wait_done(struct sysfs_writer *s, uint64_t limit_ms)
{
        const uint64_t begin = worker_now_ns(), limit = begin + limit_ms * NS_PER_MS,
                       last = limit + s->patience_ms * NS_PER_MS;
        struct pollfd p = {.fd = s->done_fd, .events = POLLIN};
        eventfd_t count;

        for (;;) {
                /* The clock first: what is done when its time is over is done, however late we look. */
                uint64_t now = worker_now_ns();

                if (!is_busy(s))
                        return 0;
                if (now >= (conversation_over(s->talk) ? limit : last))
                        return -ETIMEDOUT;
                poll(&p, 1, TICK_MS);
                eventfd_read(s->done_fd, &count);
                if (now >= limit)
                        conversation_poll(s->talk, 0);
        }
}

static int have_done(struct sysfs_writer *s, enum deed deed, const char *path, const char *text,
                     uint64_t limit_ms)
{
        /* It may still be at what nobody waited for any more. */
        int r = wait_done(s, limit_ms);

        if (r < 0)
                return r;
        free(s->path);
        free(s->text);
        s->deed = deed;
        s->path = strdup(path);
        s->text = strdup(text);
        if (!s->path || !s->text)
                return -ENOMEM;
        pthread_mutex_lock(&s->lock);
        s->busy = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
        r = wait_done(s, limit_ms);
        return r < 0 ? r : s->result;
}

int sysfs_writer_write(struct sysfs_writer *s, const char *path, const char *text, uint64_t limit_ms)
{
        return have_done(s, DEED_WRITE, path, text, limit_ms);
}

int sysfs_writer_mkdir(struct sysfs_writer *s, const char *path, uint64_t limit_ms)
{
        return have_done(s, DEED_MKDIR, path, "", limit_ms);
}

int sysfs_writer_rmdir(struct sysfs_writer *s, const char *path, uint64_t limit_ms)
{
        return have_done(s, DEED_RMDIR, path, "", limit_ms);
}
