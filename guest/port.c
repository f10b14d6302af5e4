/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/guestmsg.h"
#include "agent.h"

#define WHOLE_MAX 4096U /* frames up to this go out in one write */

#define PORTS_DIR "/sys/class/virtio-ports"

static int open_by_name(void)
{
        _cleanup_closedir_ DIR *dir = opendir(PORTS_DIR);
        struct dirent *e;

        while (dir && (e = readdir(dir))) {
                _cleanup_free_ char *path = kt_format(PORTS_DIR "/%s/name", e->d_name), *name = NULL;
                _cleanup_free_ char *device = kt_format("/dev/%s", e->d_name);
                size_t size;

                if (e->d_name[0] == '.' || !path || !device ||
                    kt_read_file(AT_FDCWD, path, 256, &name, &size) < 0)
                        continue;
                name[strcspn(name, "\n")] = '\0';
                if (strcmp(name, KT_GUEST_PORT_NAME) == 0)
                        return open(device, O_RDWR | O_CLOEXEC);
        }
        errno = ENODEV;
        return -1;
}

int port_open(struct port *p, int timeout_ms)
{
        uint64_t end = agent_now_ns() + (uint64_t)timeout_ms * 1000000ULL;

        kt_frame_decoder_init(&p->decoder);
        /* The port's name comes from the host by a message after the device is there, and nothing can be
         * polled for it. */
        while ((p->fd = open_by_name()) < 0 && agent_now_ns() < end)
                nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        return p->fd < 0 ? -ENODEV : 0;
}

void port_send(struct port *p, uint32_t type, const void *payload, uint32_t size)
{
        static uint8_t whole[WHOLE_MAX];
        uint8_t header[KT_FRAME_HEADER_SIZE];

        kt_frame_header(header, type, payload, size);
        /* Each write waits until the host has taken it. */
        if (size <= sizeof(whole) - sizeof(header)) {
                memcpy(whole, header, sizeof(header));
                if (size > 0)
                        memcpy(whole + sizeof(header), payload, size);
                (void)kt_write_all(p->fd, whole, sizeof(header) + size);
        } else if (kt_write_all(p->fd, header, sizeof(header)) >= 0)
                (void)kt_write_all(p->fd, payload, size);
}

int port_receive(struct port *p)
{
        static uint8_t buf[256 * 1024];
        ssize_t n = read(p->fd, buf, sizeof(buf));

        if (n < 0)
                return errno == EINTR || errno == EAGAIN ? 0 : -errno;
        if (n > 0 && kt_frame_decoder_feed(&p->decoder, buf, (size_t)n) < 0)
                return -ENOMEM;
        return (int)n;
}

int port_next(struct port *p, struct kt_frame *ret)
{
        return kt_frame_decoder_next(&p->decoder, ret);
}
