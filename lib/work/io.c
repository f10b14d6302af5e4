/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* IoSync. A unit is a write. */

#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/fsutil.h"
#include "types.h"

#define PIECE (64U * 1024)
#define SLEEP_NS 100000U

int io_open(struct ktstr_worker *w)
{
        /* Where there is a disk behind it, a sync waits for that; overlays and a guest's first file system
         * may know no files without a name, and memory will do. */
        static const char *const folders[] = {"/var/tmp", "/tmp"};
        int fd;

        for (unsigned i = 0; i < KT_ARRAY_SIZE(folders); i++) {
                fd = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
                if (fd >= 0)
                        return fd;
        }
        fd = memfd_create("ktstr-io", MFD_CLOEXEC);
        if (fd < 0)
                worker_die(w, "cannot make a temporary file: %s", strerror(errno));
        return fd;
}

uint64_t io_once(struct ktstr_worker *w, int fd)
{
        static char piece[PIECE];
        int r;

        piece[0]++;
        r = kt_pwrite_all(fd, piece, sizeof(piece), 0);
        if (r < 0)
                worker_die(w, "cannot write 64 KiB to its temporary file: %s", strerror(-r));
        while (fdatasync(fd) < 0)
                if (errno != EINTR)
                        worker_die(w, "cannot sync its temporary file: %s", strerror(errno));
        worker_sleep_until(w, worker_now_ns() + SLEEP_NS);
        return worker_progress(w, 1);
}

static void io_sync(struct ktstr_worker *w)
{
        int fd = io_open(w);

        for (;;)
                io_once(w, fd);
}

const struct work_type work_type_IO_SYNC = {.name = "IoSync", .run = io_sync};
