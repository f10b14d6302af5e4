/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/mailbox.h"
#include "cmdline.h"
#include "files.h"
#include "hello.h"

#define FEED_CHUNK (64U * 1024U)

/* How long a parked agent looks at the mailbox without sleeping, in guest time. The host stops the guest
 * within about a millisecond; a busy host takes longer, and then the job is noticed a millisecond late. */
#define WATCH_NS (50ULL * 1000000)
#define WATCH_ROUND 200U /* looks between two at the port */

/* A guest that wakes finds its job before this is over. If not, its clock ran on while it was stopped, and
 * does not tell. */
#define WAKING_MAX_NS (60ULL * 1000000000)

struct intake {
        struct agent *agent;
        struct inbox *inbox;
        bool parked;
        uint64_t parked_ns;
        struct file_writer writer;
        struct json_object *job;
        bool go;
};

void inbox_open(struct inbox *in)
{
        _cleanup_free_ char *cmdline = NULL;
        _cleanup_close_ int fd = -1;
        uint64_t addr, size;
        size_t len;
        void *map;

        memset(in, 0, sizeof(*in));
        if (kt_read_file(AT_FDCWD, "/proc/cmdline", 65536, &cmdline, &len) < 0 ||
            cmdline_mailbox(cmdline, &addr, &size) < 0) {
                snprintf(in->why_not, sizeof(in->why_not), "the kernel command line names no mailbox");
                return;
        }
        fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                snprintf(in->why_not, sizeof(in->why_not), "/dev/mem: %s", strerror(errno));
                return;
        }
        map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)addr);
        if (map == MAP_FAILED) {
                snprintf(in->why_not, sizeof(in->why_not), "mapping /dev/mem: %s", strerror(errno));
                return;
        }
        /* No child needs it, and each would copy its page tables: 3 ms of a fork under emulation. */
        madvise(map, size, MADV_DONTFORK);
        in->mailbox = map;
        in->size = size;
}

static void end_parking(struct intake *t)
{
        const uint64_t now = agent_now_ns();

        t->parked = false;
        if (now - t->agent->begin_ns > WAKING_MAX_NS)
                t->agent->begin_ns = now;
}

static int take_frame(struct intake *t, const struct kt_frame *f, struct kt_error *reterr)
{
        int r;

        switch (f->type) {
        case KT_FRAME_JOB:
                json_object_put(TAKE_PTR(t->job));
                return kt_json_parse((const char *)f->payload, f->size, &t->job, reterr);
        case KT_FRAME_FILE:
                return file_begin(&t->writer, f->payload, f->size, reterr);
        case KT_FRAME_DATA:
                return file_data(&t->writer, f->payload, f->size, reterr);
        case KT_FRAME_GO:
                t->go = true;
                return file_end(&t->writer, reterr);
        case KT_FRAME_CANCEL:
                t->agent->cancelled = true;
                t->go = true;
                return 0;
        case KT_FRAME_PARK:
                r = hello_park(t->agent, t->inbox, f, reterr);
                t->parked = r >= 0;
                t->parked_ns = agent_now_ns();
                return r;
        case KT_FRAME_WAKE:
                end_parking(t);
                hello_send(t->agent, t->inbox, KT_FRAME_HELLO);
                return 0;
        default:
                return 0;
        }
}

static int take_frames(struct intake *t, struct kt_error *reterr)
{
        struct kt_frame f;
        int r;

        while (!t->go && (r = port_next(&t->agent->port, &f)) != 0) {
                if (r < 0)
                        return kt_error_set(reterr, r, NULL, "what the host sent is damaged: %s",
                                            strerror(-r));
                r = take_frame(t, &f, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Everything in the mailbox goes through the port's decoder, since a frame may begin there and end on the
 * port. */
static int take_mailbox(struct inbox *in, struct intake *t, uint64_t size, struct kt_error *reterr)
{
        for (uint64_t at = 0; at < size; at += FEED_CHUNK) {
                size_t n = size - at < FEED_CHUNK ? (size_t)(size - at) : FEED_CHUNK;
                int r = kt_frame_decoder_feed(&t->agent->port.decoder,
                                              in->mailbox + KT_MAILBOX_HEADER_SIZE + at, n);

                if (r >= 0)
                        r = take_frames(t, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* 1 when there was a job in it, 0 when it is empty. */
static int look_into_mailbox(struct inbox *in, struct intake *t, struct kt_error *reterr)
{
        uint8_t header[KT_MAILBOX_HEADER_SIZE];
        uint64_t size;
        uint32_t flags;
        int r;

        if (!in->mailbox)
                return 0;
        memcpy(header, in->mailbox, sizeof(header));
        r = kt_mailbox_parse(header, in->size, &size, &flags);
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "the mailbox is damaged");
        if (r == 0)
                return 0;
        if (t->parked) {
                hello_send(t->agent, in, KT_FRAME_HELLO);
                end_parking(t);
        }
        r = take_mailbox(in, t, size, reterr);
        return r < 0 ? r : 1;
}

/* Look at the mailbox for a while and not sleep, if a guest that was just parked may: is it full? */
static void watch_mailbox(const struct inbox *in, const struct intake *t)
{
        const volatile uint64_t *magic = (const volatile uint64_t *)(const void *)in->mailbox;

        if (!t->parked || !in->mailbox)
                return;
        for (unsigned i = 0; i < WATCH_ROUND && *magic != KT_MAILBOX_MAGIC; i++)
                __builtin_ia32_pause();
}

/* ms that a wait for the port may take. */
static int patience(const struct intake *t, bool mailbox_taken)
{
        if (mailbox_taken)
                return -1;
        if (t->parked && agent_now_ns() - t->parked_ns < WATCH_NS)
                return 0;
        /* Until the job is there the mailbox is looked at every millisecond: its writer cannot wake us. */
        return 1;
}

static int wait_for_go(struct inbox *in, struct intake *t, struct kt_error *reterr)
{
        bool mailbox_taken = false;
        int r;

        while (!t->go) {
                struct pollfd p = {.fd = t->agent->port.fd, .events = POLLIN};

                if (!mailbox_taken) {
                        watch_mailbox(in, t);
                        r = look_into_mailbox(in, t, reterr);
                        if (r < 0)
                                return r;
                        mailbox_taken = r > 0;
                        if (t->go)
                                break;
                }
                if (t->parked)
                        t->agent->begin_ns = agent_now_ns();
                if (poll(&p, 1, patience(t, mailbox_taken)) <= 0 || !(p.revents & POLLIN))
                        continue;
                r = port_receive(&t->agent->port);
                if (r < 0)
                        return kt_error_set(reterr, r, NULL, "reading from the host: %s", strerror(-r));
                r = take_frames(t, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

int inbox_take(struct inbox *in, struct agent *a, struct json_object **ret, struct kt_error *reterr)
{
        struct intake t = {.agent = a, .inbox = in};
        int r;

        file_writer_init(&t.writer);
        r = wait_for_go(in, &t, reterr);
        file_writer_done(&t.writer);
        if (r >= 0 && (!t.job || !json_object_is_type(t.job, json_type_object)) && !a->cancelled)
                r = kt_error_set(reterr, -EBADMSG, NULL, "the host said GO without a job");
        if (r < 0) {
                json_object_put(t.job);
                return r;
        }
        *ret = t.job;
        return 0;
}
