/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kmsg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int kmsg_open(struct kmsg *k)
{
        k->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (k->fd < 0)
                return -errno;
        return lseek(k->fd, 0, SEEK_END) < 0 ? -errno : 0;
}

void kmsg_forget(struct kmsg *k)
{
        memset(&k->sched, 0, sizeof(k->sched));
}

bool kmsg_ejected(const struct kmsg_sched *s)
{
        return s->disabled && strcmp(s->reason, "unregistered from user space") != 0;
}

static void copy(char *to, size_t size, const char *from, size_t len)
{
        len = len < size - 1 ? len : size - 1;
        memcpy(to, from, len);
        to[len] = '\0';
}

void kmsg_note(struct kmsg_sched *s, const char *text)
{
        static const char prefix[] = "sched_ext: ", sched[] = "BPF scheduler \"";
        const char *name, *quote, *rest;
        size_t len;

        if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
                return;
        text += sizeof(prefix) - 1;
        if (strncmp(text, sched, sizeof(sched) - 1) != 0) {
                /* The message belongs to the scheduler that was disabled just before; the first line is the
                 * message. */
                len = strlen(s->ops);
                if (s->disabled && !s->message[0] && strncmp(text, s->ops, len) == 0 &&
                    strncmp(text + len, ": ", 2) == 0)
                        copy(s->message, sizeof(s->message), text + len + 2, strlen(text + len + 2));
                return;
        }
        name = text + sizeof(sched) - 1;
        quote = strchr(name, '"');
        if (!quote)
                return;
        rest = quote + 1;
        if (strncmp(rest, " enabled", 8) == 0) {
                memset(s, 0, sizeof(*s));
                s->enabled = true;
                copy(s->ops, sizeof(s->ops), name, (size_t)(quote - name));
        } else if (strncmp(rest, " disabled (", 11) == 0) {
                s->disabled = true;
                s->message[0] = '\0';
                copy(s->ops, sizeof(s->ops), name, (size_t)(quote - name));
                rest += 11;
                copy(s->reason, sizeof(s->reason), rest, strcspn(rest, ")"));
        }
}

size_t kmsg_format(const char *record, size_t record_size, char *buf, size_t size, const char **ret_text)
{
        const char *text = memchr(record, ';', record_size), *nl;
        unsigned long long usec = 0;
        unsigned prio, seq;
        int head;

        if (!text || size < 32 || sscanf(record, "%u,%u,%llu", &prio, &seq, &usec) != 3)
                return 0;
        text++;
        nl = memchr(text, '\n', record_size - (size_t)(text - record));
        size_t len = nl ? (size_t)(nl - text) : record_size - (size_t)(text - record);
        head = snprintf(buf, size, "[%5llu.%06llu] ", usec / 1000000, usec % 1000000);
        if (len > size - (size_t)head - 2)
                len = size - (size_t)head - 2;
        memcpy(buf + head, text, len);
        buf[(size_t)head + len] = '\n';
        buf[(size_t)head + len + 1] = '\0';
        *ret_text = buf + head;
        return (size_t)head + len + 1;
}

size_t kmsg_next(struct kmsg *k, char *buf, size_t size)
{
        char record[8192];

        for (;;) {
                ssize_t n = k->fd < 0 ? 0 : read(k->fd, record, sizeof(record) - 1);
                const char *text;
                char line[KMSG_LINE_MAX];
                size_t len;

                if (n < 0 && errno == EPIPE)
                        continue; /* the ring overtook us; the next read goes on with what is still there */
                if (n <= 0)
                        return 0;
                record[n] = '\0';
                len = kmsg_format(record, (size_t)n, buf, size, &text);
                if (len == 0)
                        continue;
                snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
                kmsg_note(&k->sched, line);
                if (!k->oom[0] && strncmp(line, "Out of memory: ", 15) == 0)
                        copy(k->oom, sizeof(k->oom), line + 15, strcspn(line + 15, ","));
                return len;
        }
}
