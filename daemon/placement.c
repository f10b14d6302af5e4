/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "placement.h"

#include <errno.h>

#include "../lib/cpus.h"

/* What is left while a placement is made. */
struct supply {
        const struct placement_host *host;
        struct ktstr_cpus left;
};

static struct ktstr_cpus usable_of(const struct placement_host *host, const struct ktstr_cpus *set)
{
        return cpus_and(set, &host->cpus);
}

static unsigned llc_size(const struct placement_host *host, unsigned llc)
{
        const struct ktstr_cpus cpus = usable_of(host, &host->llcs[llc]);

        return ktstr_cpus_count(&cpus);
}

/* The core's CPUs that are in the LLC and may be used. */
static struct ktstr_cpus core_in(const struct placement_host *host, unsigned core, unsigned llc)
{
        const struct ktstr_cpus cpus = cpus_and(&host->cores[core], &host->llcs[llc]);

        return usable_of(host, &cpus);
}

static void take(struct supply *s, const struct ktstr_cpus *from, unsigned n, struct placement *p)
{
        for (unsigned i = 0; i < n; i++) {
                const unsigned cpu = cpus_nth(from, i);

                p->vcpus[p->n_vcpus++] = (uint16_t)cpu;
                cpus_remove(&s->left, cpu);
        }
}

/* The cores of the LLC that have as many threads as the guest's. */
static unsigned count_whole_cores(const struct placement_host *host, unsigned llc, unsigned threads)
{
        unsigned n = 0;

        for (unsigned core = 0; core < host->n_cores; core++) {
                const struct ktstr_cpus cpus = core_in(host, core, llc);

                n += ktstr_cpus_count(&cpus) >= threads;
        }
        return n;
}

static void fill_core_by_core(struct supply *s, unsigned llc, const struct topology *guest,
                              struct placement *p)
{
        unsigned skip = count_whole_cores(s->host, llc, guest->threads) - guest->cores;

        for (unsigned core = 0; core < s->host->n_cores; core++) {
                const struct ktstr_cpus cpus = core_in(s->host, core, llc);

                if (ktstr_cpus_count(&cpus) < guest->threads)
                        continue;
                if (skip > 0)
                        skip--;
                else
                        take(s, &cpus, guest->threads, p);
        }
}

/* Neighbours beside each other, the last of them. */
static void fill_cpu_by_cpu(struct supply *s, unsigned llc, unsigned n, struct placement *p)
{
        unsigned skip = llc_size(s->host, llc) - n;

        for (unsigned core = 0; core < s->host->n_cores; core++) {
                struct ktstr_cpus cpus = core_in(s->host, core, llc);

                for (; skip > 0 && ktstr_cpus_count(&cpus) > 0; skip--)
                        cpus_remove(&cpus, cpus_nth(&cpus, 0));
                take(s, &cpus, ktstr_cpus_count(&cpus), p);
        }
}

static void fill_llc(struct supply *s, unsigned llc, const struct topology *guest, struct placement *p)
{
        if (count_whole_cores(s->host, llc, guest->threads) >= guest->cores)
                fill_core_by_core(s, llc, guest, p);
        else
                fill_cpu_by_cpu(s, llc, guest->cores * guest->threads, p);
}

/* The lowest that is left, of a core without vCPUs if there is one. */
static unsigned choose_rest(const struct supply *s)
{
        for (unsigned core = 0; core < s->host->n_cores; core++) {
                const struct ktstr_cpus cpus = usable_of(s->host, &s->host->cores[core]);

                if (ktstr_cpus_count(&cpus) > 0 && cpus_within(&cpus, &s->left))
                        return cpus_nth(&cpus, 0);
        }
        return cpus_nth(&s->left, 0);
}

int placement_make(const struct placement_host *host, const struct topology *guest, struct placement *ret,
                   struct kt_error *reterr)
{
        const unsigned vcpus = topology_cpus(guest), each = guest->cores * guest->threads,
                       cpus = ktstr_cpus_count(&host->cpus);
        struct supply s = {.host = host, .left = host->cpus};
        struct placement p = {};
        unsigned large = 0;

        if (cpus < vcpus + 1)
                return kt_error_set(reterr, -ENOSPC, NULL,
                                    "performance mode wants %u CPUs of the host, one for each of %u vCPU%s "
                                    "and one for the rest; it may use %u",
                                    vcpus + 1, vcpus, vcpus == 1 ? "" : "s", cpus);
        for (unsigned llc = 0; llc < host->n_llcs; llc++)
                large += llc_size(host, llc) >= each;
        if (large < guest->llcs)
                return kt_error_set(
                        reterr, -ENOSPC, NULL,
                        "performance mode wants %u LLC%s of the host with %u CPU%s each, one for "
                        "each LLC of the guest; %u %s that many that it may use",
                        guest->llcs, guest->llcs == 1 ? "" : "s", each, each == 1 ? "" : "s", large,
                        large == 1 ? "has" : "have");
        for (unsigned llc = 0, skip = large - guest->llcs; llc < host->n_llcs; llc++) {
                if (llc_size(host, llc) < each)
                        continue;
                if (skip > 0)
                        skip--;
                else
                        fill_llc(&s, llc, guest, &p);
        }
        p.rest = (uint16_t)choose_rest(&s);
        *ret = p;
        return 0;
}

struct ktstr_cpus placement_cpus(const struct placement *p)
{
        struct ktstr_cpus cpus = {};

        for (unsigned i = 0; i < p->n_vcpus; i++)
                ktstr_cpus_add(&cpus, p->vcpus[i]);
        ktstr_cpus_add(&cpus, p->rest);
        return cpus;
}
