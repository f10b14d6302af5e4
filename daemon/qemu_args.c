/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu_args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "../proto/guestmsg.h"

#define APIC_ID_MAX 254U /* 255 addresses all CPUs */

/* What the trimmed machine does without. Its SeaBIOS would also draw on the serial port
 * but for graphics=on. */
#define MACHINE_OFF "smbus=off,sata=off,usb=off,vmport=off,i8042=off,hpet=off"

/* Arguments in the making; failed once memory ran out. */
struct args {
        char **list;
        size_t n, allocated;
        bool failed;
};

static void add_text(struct args *a, char *text)
{
        char **grown;

        if (a->n + 1 >= a->allocated) {
                grown = reallocarray(a->list, a->allocated + 64, sizeof(char *));
                if (grown) {
                        a->list = grown;
                        a->allocated += 64;
                }
        }
        if (!text || a->n + 1 >= a->allocated) {
                free(text);
                a->failed = true;
                return;
        }
        a->list[a->n++] = text;
        a->list[a->n] = NULL;
}

static void add(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct args *a, const char *fmt, ...)
{
        va_list ap;
        char *text;

        va_start(ap, fmt);
        if (vasprintf(&text, fmt, ap) < 0)
                text = NULL;
        va_end(ap);
        add_text(a, text);
}

static void add_machine(struct args *a, const struct qemu_args_params *p)
{
        const bool kvm = p->shape->accel == ACCEL_KVM;

        add(a, "-nodefaults");
        add(a, "-no-user-config");
        add(a, "-display");
        add(a, "none");
        add(a, "-name");
        add(a, "guest=ktstr-%s,debug-threads=on", p->id);
        add(a, "-M");
        add(a, "q35,%s%s", MACHINE_OFF, kvm ? ",kernel-irqchip=split" : "");
        add(a, "-accel");
        add(a, "%s%s", accel_name(p->shape->accel),
            p->shape->accel == ACCEL_TCG && p->shape->tcg_one_thread ? ",thread=single" : "");
        add(a, "-no-reboot");
        add(a, "-S");
}

static void add_cpus(struct args *a, const struct qemu_args_params *p)
{
        const struct topology *t = &p->shape->topology;

        add(a, "-cpu");
        if (p->shape->accel == ACCEL_KVM)
                add(a, "host");
        else
                /* TCG's max is an AMD, of which QEMU believes no threads without topoext. It has fast string
                 * operations, which under emulation go byte by byte: without them kernel and libc clear and
                 * copy by words, which takes a seventh off a boot. */
                add(a, "max,-erms%s", t->threads > 1 ? ",vendor=GenuineIntel" : "");
        add(a, "-smp");
        add(a, "%u,sockets=%u,cores=%u,threads=%u", topology_cpus(t), t->llcs, t->cores, t->threads);
}

static void add_nodes(struct args *a, const struct qemu_args_params *p)
{
        const struct memory_layout *l = &p->shape->layout;
        const unsigned cpus = topology_cpus(&p->shape->topology) / l->n_nodes;

        add(a, "-m");
        add(a, "%" PRIu64 "M", l->size >> 20);
        for (unsigned i = 0; i < l->n_nodes; i++) {
                add(a, "-object");
                add(a, "memory-backend-file,id=m%u,size=%" PRIu64 ",mem-path=/proc/self/fd/%u,share=%s", i,
                    l->node_size[i], (unsigned)p->memory_fd + i, p->is_clone ? "off" : "on");
                add(a, "-numa");
                add(a, "node,nodeid=%u,memdev=m%u,cpus=%u-%u", i, i, i * cpus, (i + 1) * cpus - 1);
        }
        for (unsigned i = 0; i < l->n_nodes; i++)
                for (unsigned j = i + 1; j < l->n_nodes; j++) {
                        add(a, "-numa");
                        add(a, "dist,src=%u,dst=%u,val=20", i, j);
                }
}

static void add_channels(struct args *a, const struct qemu_args_params *p)
{
        add(a, "-chardev");
        add(a, "socket,id=qmp,fd=%d", p->qmp_fd);
        add(a, "-mon");
        add(a, "chardev=qmp,mode=control");
        add(a, "-chardev");
        add(a, "socket,id=console,fd=%d", p->console_fd);
        add(a, "-serial");
        add(a, "chardev:console");
        add(a, "-chardev");
        add(a, "socket,id=agent,fd=%d", p->agent_fd);
        add(a, "-device");
        add(a, "virtio-serial-pci,max_ports=2");
        add(a, "-device");
        add(a, "virtserialport,chardev=agent,name=%s,nr=1", KT_GUEST_PORT_NAME);
}

/* NULL: out of memory. */
static char *kernel_line(const struct shape *s)
{
        _cleanup_free_ char *line = qemu_args_kernel_line(&s->layout);
        char tsc[32] = "";

        if (s->tsc_khz)
                snprintf(tsc, sizeof(tsc), " tsc_early_khz=%u", s->tsc_khz);
        /* The job's last: what it may set is not among ours. */
        return line ? kt_format("%s%s%s%s", line, tsc, s->kargs ? " " : "", s->kargs ? s->kargs : "") : NULL;
}

static void add_past(struct args *a, const struct qemu_args_params *p)
{
        if (p->is_clone) {
                add(a, "-incoming");
                add(a, "defer");
                return;
        }
        add(a, "-kernel");
        add(a, "%s", p->shape->kernel->image_path);
        add(a, "-initrd");
        add(a, "%s", p->shape->initramfs_path);
        add(a, "-append");
        add_text(a, kernel_line(p->shape));
}

char *qemu_args_kernel_line(const struct memory_layout *l)
{
        /* norandmaps: QEMU knows what it has translated by the virtual address too (before 8.0), so that under
         * emulation each start of a program with shared libraries would be translated anew, which is 20 ms. */
        static const char always[] = "quiet console=ttyS0 earlyprintk=ttyS0 panic=-1 8250.nr_uarts=1 "
                                     "mitigations=off nokaslr norandmaps "
                                     "no_timer_check tsc=reliable cryptomgr.notests random.trust_cpu=on "
                                     "rcupdate.rcu_expedited=1";

        if (l->mailbox_size == 0)
                return strdup(always);
        return kt_format("%s memmap=0x%" PRIx64 "$0x%" PRIx64 " ktstr.mailbox=0x%" PRIx64 ",0x%" PRIx64,
                         always, l->mailbox_size, l->mailbox_gpa, l->mailbox_gpa, l->mailbox_size);
}

char **qemu_args_make(const struct qemu_args_params *params)
{
        struct args a = {0};

        add(&a, "%s", params->qemu_path);
        add_machine(&a, params);
        add_cpus(&a, params);
        add_nodes(&a, params);
        add_channels(&a, params);
        add_past(&a, params);
        if (a.failed) {
                qemu_args_free(a.list);
                return NULL;
        }
        return a.list;
}

void qemu_args_free(char **argv)
{
        if (!argv)
                return;
        for (char **p = argv; *p; p++)
                free(*p);
        free(argv);
}

/* Bits that hold the numbers 0 … n-1. */
static unsigned width(unsigned n)
{
        unsigned bits = 0;

        while ((1U << bits) < n)
                bits++;
        return bits;
}

int qemu_args_check_topology(const struct topology *t, enum accel accel, struct kt_error *reterr)
{
        const unsigned thread_bits = width(t->threads), core_bits = width(t->cores);
        const unsigned last = ((t->llcs - 1) << (core_bits + thread_bits)) |
                              ((t->cores - 1) << thread_bits) | (t->threads - 1);
        char text[TOPOLOGY_TEXT_MAX];

        if (accel == ACCEL_KVM || last <= APIC_ID_MAX)
                return 0;
        topology_format(t, text);
        return kt_error_set_field(reterr, -E2BIG, KT_E_BAD_TOPOLOGY, "topology",
                                  "topology %s numbers its CPUs up to %u and %s only knows numbers up to "
                                  "%u: take cores and threads "
                                  "that are powers of two, or fewer of them",
                                  text, last, accel_name(accel), APIC_ID_MAX);
}
