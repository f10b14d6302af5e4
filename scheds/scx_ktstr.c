/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* scx_ktstr: loads the BPF scheduler with faults on demand, triggers them, and reports how it ended. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include <build_config.h>

#include "scx_ktstr.skel.h"

/* Whoever writes into .bss from outside goes by these. */
_Static_assert(offsetof(struct scx_ktstr__bss, stall) == 0, "stall must be first in .bss");
_Static_assert(offsetof(struct scx_ktstr__bss, crash) == 4, "crash must be at offset 4 of .bss");

#define POLL_MS 100
#define DUMP_LEN 32768U     /* the kernel's default, SCX_EXIT_DUMP_DFL_LEN */
#define SCX_EXIT_ERROR 1024 /* enum scx_exit_kind: from here on something went wrong */
#define DEFAULT_WATCHDOG_MS 4000U
#define STALL_FILE "/tmp/ktstr_stall"
#define DEGRADE_FILE "/tmp/ktstr_degrade"

static const char usage[] =
        "scx_ktstr [OPTION]...\n"
        "A sched_ext FIFO scheduler with faults on demand, for testing what tests schedulers.\n\n"
        "  --stall-after S           dispatch nothing from second S on (0: at once)\n"
        "  --crash-after S           scx_bpf_error() at second S\n"
        "  --degrade                 tasks go to random CPUs and every second dispatch is skipped\n"
        "  --degrade-after S         the same from second S on\n"
        "  --slow                    three of four dispatches are skipped\n"
        "  --scattershot             tasks go to random CPUs\n"
        "  --fail-verify             a program that the verifier rejects\n"
        "  --verify-loop             the same with a long repetitive log\n"
        "  --exit-after S            detach and exit at second S, as if told to\n"
        "  --exit-code N             with this status (default 0)\n"
        "  --kill-after S            be killed by SIGKILL at second S\n"
        "  --release-after S         let go of sched_ext at second S and stay, whatever signal but SIGKILL "
        "comes\n"
        "  --wrapped                 be a child of a process that does nothing but wait for it\n"
        "  --watchdog-timeout-ms N   the kernel's watchdog fires after N ms (default 4000, at most 30000)\n"
        "  --exit-dump-len N         bytes of debug dump (default 32768)\n"
        "  --help, --version\n";

struct settings {
        double stall_after, crash_after, degrade_after, exit_after, kill_after,
                release_after; /* negative: never */
        unsigned exit_code;
        bool degrade, slow, scattershot, fail_verify, verify_loop, wrapped;
        unsigned watchdog_ms, dump_len;
};

static volatile sig_atomic_t told_to_stop;

static void on_signal(int sig)
{
        told_to_stop = 1;
}

static double parse_seconds(const char *option, const char *text)
{
        char *end;
        double s = strtod(text, &end);

        if (end == text || *end || !(s >= 0 && s <= 86400)) {
                fprintf(stderr, "scx_ktstr: %s: '%s' is no number of seconds from 0 to 86400\n", option,
                        text);
                exit(2);
        }
        return s;
}

static unsigned parse_unsigned(const char *option, const char *text, unsigned min, unsigned max)
{
        char *end;
        unsigned long n = strtoul(text, &end, 10);

        if (end == text || *end || *text == '-' || n < min || n > max) {
                fprintf(stderr, "scx_ktstr: %s: '%s' is no number from %u to %u\n", option, text, min, max);
                exit(2);
        }
        return (unsigned)n;
}

static void parse(int argc, char **argv, struct settings *s)
{
        enum {
                STALL = 256,
                CRASH,
                DEGRADE,
                DEGRADE_AFTER,
                SLOW,
                SCATTERSHOT,
                FAIL_VERIFY,
                VERIFY_LOOP,
                EXIT_AFTER,
                EXIT_CODE,
                KILL_AFTER,
                RELEASE_AFTER,
                WRAPPED,
                WATCHDOG,
                DUMP,
                HELP,
                VERSION
        };
        static const struct option options[] = {
                {"stall-after", required_argument, NULL, STALL},
                {"crash-after", required_argument, NULL, CRASH},
                {"degrade", no_argument, NULL, DEGRADE},
                {"degrade-after", required_argument, NULL, DEGRADE_AFTER},
                {"slow", no_argument, NULL, SLOW},
                {"scattershot", no_argument, NULL, SCATTERSHOT},
                {"fail-verify", no_argument, NULL, FAIL_VERIFY},
                {"verify-loop", no_argument, NULL, VERIFY_LOOP},
                {"exit-after", required_argument, NULL, EXIT_AFTER},
                {"exit-code", required_argument, NULL, EXIT_CODE},
                {"kill-after", required_argument, NULL, KILL_AFTER},
                {"release-after", required_argument, NULL, RELEASE_AFTER},
                {"wrapped", no_argument, NULL, WRAPPED},
                {"watchdog-timeout-ms", required_argument, NULL, WATCHDOG},
                {"exit-dump-len", required_argument, NULL, DUMP},
                {"help", no_argument, NULL, HELP},
                {"version", no_argument, NULL, VERSION},
                {},
        };
        int opt;

        *s = (struct settings){.stall_after = -1,
                               .crash_after = -1,
                               .degrade_after = -1,
                               .exit_after = -1,
                               .kill_after = -1,
                               .release_after = -1,
                               .watchdog_ms = DEFAULT_WATCHDOG_MS,
                               .dump_len = DUMP_LEN};
        opterr = 0;
        while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
                switch (opt) {
                case STALL:
                        s->stall_after = parse_seconds("--stall-after", optarg);
                        break;
                case CRASH:
                        s->crash_after = parse_seconds("--crash-after", optarg);
                        break;
                case DEGRADE:
                        s->degrade = true;
                        break;
                case DEGRADE_AFTER:
                        s->degrade_after = parse_seconds("--degrade-after", optarg);
                        break;
                case SLOW:
                        s->slow = true;
                        break;
                case SCATTERSHOT:
                        s->scattershot = true;
                        break;
                case FAIL_VERIFY:
                        s->fail_verify = true;
                        break;
                case VERIFY_LOOP:
                        s->verify_loop = true;
                        break;
                case EXIT_AFTER:
                        s->exit_after = parse_seconds("--exit-after", optarg);
                        break;
                case RELEASE_AFTER:
                        s->release_after = parse_seconds("--release-after", optarg);
                        break;
                case WRAPPED:
                        s->wrapped = true;
                        break;
                case EXIT_CODE:
                        s->exit_code = parse_unsigned("--exit-code", optarg, 0, 255);
                        break;
                case KILL_AFTER:
                        s->kill_after = parse_seconds("--kill-after", optarg);
                        break;
                case WATCHDOG:
                        s->watchdog_ms = parse_unsigned("--watchdog-timeout-ms", optarg, 1, 30000);
                        break;
                case DUMP:
                        s->dump_len = parse_unsigned("--exit-dump-len", optarg, 1, 16U << 20);
                        break;
                case HELP:
                        fputs(usage, stdout);
                        exit(0);
                case VERSION:
                        printf("scx_ktstr %s\n", KT_VERSION);
                        exit(0);
                default:
                        fprintf(stderr, "scx_ktstr: option '%s' is unknown or lacks its value; see --help\n",
                                argv[optind - 1]);
                        exit(2);
                }
        if (optind < argc) {
                fprintf(stderr, "scx_ktstr: unexpected argument '%s'; see --help\n", argv[optind]);
                exit(2);
        }
}

static void announce(const struct settings *s)
{
        if (s->degrade)
                puts("scx-ktstr: degrade mode enabled");
        if (s->slow)
                puts("scx-ktstr: slow mode enabled");
        if (s->scattershot)
                puts("scx-ktstr: scattershot mode enabled");
        if (s->scattershot && (s->degrade || s->slow))
                puts("scx-ktstr: WARNING: --scattershot bypasses SHARED_DSQ; --degrade and --slow have "
                     "little to act on");
}

static struct scx_ktstr *load(const struct settings *s, struct bpf_link **ret_link)
{
        struct scx_ktstr *skel = scx_ktstr__open();

        if (!skel) {
                fprintf(stderr, "scx_ktstr: cannot open the BPF object: %s\n", strerror(errno));
                return NULL;
        }
        skel->rodata->degrade = s->degrade;
        skel->rodata->slow = s->slow;
        skel->rodata->scattershot = s->scattershot;
        skel->rodata->fail_verify = s->fail_verify;
        skel->rodata->verify_loop = s->verify_loop;
        skel->rodata->uei_dump_len = s->dump_len;
        skel->struct_ops.ktstr_ops->timeout_ms = s->watchdog_ms;
        skel->struct_ops.ktstr_ops->exit_dump_len = s->dump_len;
        bpf_map__set_value_size(skel->maps.data_uei_dump, s->dump_len);
        if (scx_ktstr__load(skel) == 0) {
                skel->bss->stall = s->stall_after == 0;
                skel->bss->degrade_rt = s->degrade_after == 0;
                *ret_link = bpf_map__attach_struct_ops(skel->maps.ktstr_ops);
                if (*ret_link)
                        return skel;
                fprintf(stderr, "scx_ktstr: cannot attach: %s\n", strerror(errno));
        } else
                fprintf(stderr, "scx_ktstr: cannot load: %s\n", strerror(errno));
        scx_ktstr__destroy(skel);
        return NULL;
}

static double now_s(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Set a fault when its time has come or its file is there; once. */
static void trigger(volatile int *fault, double after, double elapsed, const char *file, const char *name)
{
        if (*fault)
                return;
        if (after >= 0 && elapsed >= after)
                printf("scx-ktstr: %s enabled after %gs\n", name, after);
        else if (file && access(file, F_OK) == 0)
                printf("scx-ktstr: %s enabled via %s\n", name, file);
        else
                return;
        *fault = 1;
}

/* Until a signal, or until the kernel has thrown us out, or the time to exit has come. */
static void run(struct scx_ktstr *skel, const struct settings *s)
{
        double start = now_s();

        while (!told_to_stop && !skel->bss->uei.kind) {
                double elapsed = now_s() - start;

                trigger(&skel->bss->stall, s->stall_after, elapsed, STALL_FILE, "stall");
                trigger(&skel->bss->crash, s->crash_after, elapsed, NULL, "crash");
                trigger(&skel->bss->degrade_rt, s->degrade_after, elapsed, DEGRADE_FILE, "degrade");
                if (s->kill_after >= 0 && elapsed >= s->kill_after)
                        raise(SIGKILL);
                if ((s->exit_after >= 0 && elapsed >= s->exit_after) ||
                    (s->release_after >= 0 && elapsed >= s->release_after))
                        return;
                nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
        }
}

/* In the form of the kernel's own example schedulers, which tools know how to read. */
static int report(struct scx_ktstr *skel)
{
        size_t size;
        const char *dump = bpf_map__initial_value(skel->maps.data_uei_dump, &size);

        if (dump && dump[0]) {
                fputs("\nDEBUG "
                      "DUMP\n==============================================================================="
                      "=\n\n",
                      stderr);
                fputs(dump, stderr);
                fputs("\n================================================================================"
                      "\n\n",
                      stderr);
        }
        fprintf(stderr, "EXIT: %s", skel->bss->uei.reason);
        if (skel->bss->uei.msg[0])
                fprintf(stderr, " (%s)", skel->bss->uei.msg);
        fputc('\n', stderr);
        return skel->bss->uei.kind >= SCX_EXIT_ERROR ? 1 : 0;
}

/* In the child. The parent dies of what comes to it, as a wrapper's shell or sudo may. */
static void become_child(void)
{
        int status;
        pid_t pid = fork();

        if (pid == 0)
                return;
        waitpid(pid, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(int argc, char **argv)
{
        struct sigaction sa = {.sa_handler = on_signal};
        struct bpf_link *link = NULL;
        struct scx_ktstr *skel;
        struct settings s;
        int status;

        setvbuf(stdout, NULL, _IOLBF, 0);
        parse(argc, argv, &s);
        if (s.wrapped)
                become_child();
        sigaction(SIGINT, &sa, NULL);
        sigaction(SIGTERM, &sa, NULL);
        announce(&s);
        skel = load(&s, &link);
        if (!skel)
                return 1;
        run(skel, &s);
        bpf_link__destroy(link);
        status = report(skel);
        while (s.release_after >= 0)
                pause();
        if (status == 0 && s.exit_after >= 0)
                status = (int)s.exit_code;
        scx_ktstr__destroy(skel);
        return status;
}
