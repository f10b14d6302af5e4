/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interrupts.h"

#include "connect.h"

static volatile sig_atomic_t interrupts;
/* How it was before they were caught. */
static struct sigaction before_int, before_term;
static sigset_t before;

static void on_interrupt(int sig)
{
        interrupts++;
}

void interrupts_catch(sigset_t *ret_wait_mask)
{
        struct sigaction sa = {.sa_handler = on_interrupt};
        sigset_t ours;

        sigaction(SIGINT, &sa, &before_int);
        sigaction(SIGTERM, &sa, &before_term);
        sigemptyset(&ours);
        sigaddset(&ours, SIGINT);
        sigaddset(&ours, SIGTERM);
        sigprocmask(SIG_BLOCK, &ours, &before);
        *ret_wait_mask = before;
}

void interrupts_release(void)
{
        sigaction(SIGINT, &before_int, NULL);
        sigaction(SIGTERM, &before_term, NULL);
        sigprocmask(SIG_SETMASK, &before, NULL);
}

int interrupts_so_far(void)
{
        return interrupts;
}

void cancel_job(const struct globals *g, const char *job)
{
        struct rpc rpc = {.fd = -1};
        struct json_object *params = json_object_new_object(), *reply = NULL;
        struct globals here = *g;

        here.no_autostart = true; /* if it is gone, so is the job */
        kt_json_add_str(params, "job", job);
        if (client_connect(&here, &rpc, NULL) >= 0)
                (void)rpc_call(&rpc, "io.ktstrd.Job.Cancel", params, &reply, NULL);
        else
                json_object_put(params);
        json_object_put(reply);
        rpc_done(&rpc);
}
