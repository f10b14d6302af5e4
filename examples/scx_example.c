/* SPDX-License-Identifier: GPL-2.0-only */
/* scx_example: loads the scheduler, waits until it is told to stop or the kernel has thrown it out, says how
 * it ended. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/libbpf.h>

#include "scx_example.skel.h"

#define SCX_EXIT_ERROR 1024 /* enum scx_exit_kind: from here on something went wrong */
#define POLL_MS 100

static const char usage[] =
        "scx_example [OPTION]...\n"
        "A sched_ext scheduler with one queue for all, as an example of one that has tests.\n\n"
        "  --slice-ms N      how long a task runs before others have their turn (default 20)\n"
        "  --fail-after S    end in an error at second S\n"
        "  --help\n";

static volatile sig_atomic_t told_to_stop;

static void on_signal(int sig)
{
        (void)sig;
        told_to_stop = 1;
}

static double number(const char *option, const char *text)
{
        char *end;
        double n = strtod(text, &end);

        if (*text && !*end && n >= 0 && n <= 86400)
                return n;
        fprintf(stderr, "scx_example: %s takes a number, not '%s'\n", option, text);
        exit(2);
}

static double now_s(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int report(const struct scx_example *skel)
{
        fprintf(stderr, "EXIT: %s", skel->bss->uei.reason);
        if (skel->bss->uei.msg[0])
                fprintf(stderr, " (%s)", skel->bss->uei.msg);
        fputc('\n', stderr);
        return skel->bss->uei.kind >= SCX_EXIT_ERROR;
}

static int run(struct scx_example *skel, double fail_after)
{
        struct bpf_link *link = bpf_map__attach_struct_ops(skel->maps.example_ops);
        double start = now_s();

        if (!link) {
                fprintf(stderr, "scx_example: cannot attach: %s\n", strerror(errno));
                return 1;
        }
        while (!told_to_stop && !skel->bss->uei.kind) {
                if (fail_after >= 0 && now_s() - start >= fail_after)
                        skel->bss->fail = 1;
                nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
        }
        bpf_link__destroy(link);
        return report(skel);
}

int main(int argc, char **argv)
{
        static const struct option options[] = {{"slice-ms", required_argument, NULL, 's'},
                                                {"fail-after", required_argument, NULL, 'f'},
                                                {"help", no_argument, NULL, 'h'},
                                                {0}};
        struct sigaction sa = {.sa_handler = on_signal};
        double slice_ms = 20, fail_after = -1;
        struct scx_example *skel;
        int opt, status = 1;

        while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
                switch (opt) {
                case 's':
                        slice_ms = number("--slice-ms", optarg);
                        break;
                case 'f':
                        fail_after = number("--fail-after", optarg);
                        break;
                case 'h':
                        fputs(usage, stdout);
                        return 0;
                default:
                        return 2;
                }
        sigaction(SIGINT, &sa, NULL);
        sigaction(SIGTERM, &sa, NULL);
        skel = scx_example__open();
        if (!skel) {
                fprintf(stderr, "scx_example: cannot open the BPF object: %s\n", strerror(errno));
                return 1;
        }
        skel->rodata->slice_ns = (unsigned long long)(slice_ms * 1e6);
        if (scx_example__load(skel) == 0)
                status = run(skel, fail_after);
        else
                fprintf(stderr, "scx_example: cannot load: %s\n", strerror(errno));
        scx_example__destroy(skel);
        return status;
}
