/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "follow.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../common/cleanup.h"
#include "../proto/errors.h"
#include "connect.h"

/* A daemon that dies on a busy machine, and the start of another. */
#define FOLLOW_MS 15000
#define PAUSE_MIN_MS 20
#define PAUSE_MAX_MS 500

static bool is(const struct kt_error *err, const char *name)
{
        return err->name && strcmp(err->name, name) == 0;
}

static int64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int attach(struct follow *f, struct rpc *rpc, const char *job, struct kt_error *reterr)
{
        struct json_object *params;
        struct rpc again = {.fd = -1};
        int r = client_connect(f->watch->globals, &again, reterr);

        if (r < 0)
                return r;
        params = json_object_new_object();
        kt_json_add_str(params, "job", job);
        r = rpc_send(&again, "io.ktstrd.Job.Attach", params, true, NULL, 0, reterr);
        if (r < 0) {
                rpc_done(&again);
                return r;
        }
        again.on_tick = rpc->on_tick;
        again.tick_data = rpc->tick_data;
        again.tick_ms = rpc->tick_ms;
        again.wait_mask = rpc->wait_mask;
        rpc_done(rpc);
        *rpc = again;
        return 0;
}

/* Is it worth another try? Then what a person is to know of that is said. */
static bool goes_on(struct follow *f, const struct rpc *rpc, const char *job, const struct kt_error *err)
{
        const char *verb = f->watch->verb->name;
        const bool begun = f->until_ms > 0, unknown = begun && is(err, KT_E_NO_SUCH_JOB);

        if (f->over || (!unknown && !is(err, KT_E_SHUTTING_DOWN)))
                return false;
        if (!begun) {
                if (!rpc->private || f->watch->globals->no_autostart)
                        return false;
                fprintf(stderr, "ktstrctl: %s: the daemon is gone; job %s goes on with another\n", verb,
                        job);
                f->until_ms = now_ms() + FOLLOW_MS;
        }
        if (unknown && !f->told_waiting) {
                fprintf(stderr, "ktstrctl: %s: the other has not taken job %s up yet; waiting\n", verb, job);
                f->told_waiting = true;
        }
        return true;
}

/* False: there is no other try, for the time is over or an interrupt came. */
static bool wait_for_turn(struct follow *f, const struct rpc *rpc, struct kt_error *err)
{
        const struct timespec pause = {.tv_nsec = f->pause_ms * 1000000L};

        if (now_ms() >= f->until_ms && is(err, KT_E_NO_SUCH_JOB)) {
                kt_error_set(err, -ETIMEDOUT, KT_E_BUSY,
                             "not taken up again within %d s: another daemon has its folder, or it was over "
                             "when its daemon went",
                             FOLLOW_MS / 1000);
                return false;
        }
        if (now_ms() >= f->until_ms)
                return false;
        if (ppoll(NULL, 0, &pause, rpc->wait_mask) < 0)
                return false;
        f->pause_ms = f->pause_ms * 2 < PAUSE_MAX_MS ? f->pause_ms * 2 : PAUSE_MAX_MS;
        return true;
}

bool follow_on(struct follow *f, struct rpc *rpc, const char *job, struct kt_error *err)
{
        while (goes_on(f, rpc, job, err)) {
                /* At once for the first time: most often that is enough. */
                if (f->pause_ms == 0)
                        f->pause_ms = PAUSE_MIN_MS;
                else if (!wait_for_turn(f, rpc, err))
                        return false;
                kt_error_done(err);
                if (attach(f, rpc, job, err) >= 0)
                        return true;
        }
        return false;
}

bool follow_waits(const struct follow *f)
{
        return f->until_ms > 0 && !f->over;
}

void follow_arrived(struct follow *f)
{
        f->over = f->until_ms > 0;
}
