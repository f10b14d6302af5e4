/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../../common/cleanup.h"

/* The team's descriptors: the pipe from worker 0 to 1, then that from 1 to 0. */
enum {
        READ_OF_1,
        WRITE_OF_0,
        READ_OF_0,
        WRITE_OF_1,
        N_FDS,
};

unsigned exchange_team_size(const struct ktstr_work *work)
{
        return 2;
}

int exchange_open_fds(const struct ktstr_work *work, int **ret, unsigned *ret_n, struct kt_error *reterr)
{
        _cleanup_free_ int *fds = calloc(N_FDS, sizeof(*fds));

        if (!fds)
                return kt_error_set(reterr, -ENOMEM, NULL, "cannot make pipes: memory is out");
        if (pipe2(fds, O_CLOEXEC) < 0)
                return kt_error_set(reterr, -errno, NULL, "cannot make a pipe: %s", strerror(errno));
        if (pipe2(fds + READ_OF_0, O_CLOEXEC) < 0) {
                int saved = errno;

                close(fds[READ_OF_1]);
                close(fds[WRITE_OF_0]);
                return kt_error_set(reterr, -saved, NULL, "cannot make a pipe: %s", strerror(saved));
        }
        *ret = TAKE_PTR(fds);
        *ret_n = N_FDS;
        return 0;
}

static int read_end(const struct ktstr_worker *w)
{
        return w->team->fds[w->team_index == 0 ? READ_OF_0 : READ_OF_1];
}

static int write_end(const struct ktstr_worker *w)
{
        return w->team->fds[w->team_index == 0 ? WRITE_OF_0 : WRITE_OF_1];
}

void exchange_begin(struct ktstr_worker *w)
{
        for (unsigned i = 0; i < N_FDS; i++)
                if (w->team->fds[i] != read_end(w) && w->team->fds[i] != write_end(w))
                        close(w->team->fds[i]);
        signal(SIGPIPE, SIG_IGN);
}

void exchange(struct ktstr_worker *w)
{
        char byte = 1;
        ssize_t n;

        do
                n = write(write_end(w), &byte, 1);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno != EPIPE)
                worker_die(w, "cannot write to its partner's pipe: %s", strerror(errno));
        while (n == 1) {
                n = read(read_end(w), &byte, 1);
                if (n == 1)
                        return;
                if (n < 0 && errno == EINTR)
                        n = 1;
                else if (n < 0)
                        worker_die(w, "cannot read from its partner's pipe: %s", strerror(errno));
        }
        worker_orphaned();
}
