/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sched_log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"

struct span {
        const char *start;
        size_t size;
};

static bool next_line(const char **p, const char *end, struct span *ret)
{
        const char *nl;

        if (*p >= end)
                return false;
        nl = memchr(*p, '\n', (size_t)(end - *p));
        ret->start = *p;
        ret->size = (size_t)((nl ? nl : end) - *p);
        *p = nl ? nl + 1 : end;
        return true;
}

static bool contains(struct span s, const char *needle)
{
        return memmem(s.start, s.size, needle, strlen(needle)) != NULL;
}

static bool begins(struct span s, const char *prefix)
{
        size_t len = strlen(prefix);

        return s.size >= len && memcmp(s.start, prefix, len) == 0;
}

/* A copy whose bytes may go out as JSON: what is no printable ASCII, newline or tab becomes '?'. */
static char *copy(struct span s)
{
        char *text = malloc(s.size + 1);

        if (!text)
                return NULL;
        for (size_t i = 0; i < s.size; i++) {
                unsigned char ch = (unsigned char)s.start[i];
                text[i] = (ch >= 0x20 && ch < 0x7f) || ch == '\n' || ch == '\t' ? (char)ch : '?';
        }
        text[s.size] = '\0';
        return text;
}

/* The lines between one that contains `from` and one that contains `to` (or the end). */
static struct span between(const char *text, size_t size, const char *from, const char *to)
{
        const char *p = text, *end = text + size;
        struct span line, found = {NULL, 0};

        while (next_line(&p, end, &line)) {
                if (!found.start && contains(line, from))
                        found.start = p;
                else if (found.start && contains(line, to)) {
                        found.size = (size_t)(line.start - found.start);
                        return found;
                }
        }
        if (found.start)
                found.size = (size_t)(end - found.start);
        return found;
}

/* The debug dump: a heading, a row of '=', the dump, a row of '='. */
static struct span find_dump(const char *text, size_t size)
{
        const char *p = text, *end = text + size;
        struct span line, found = {NULL, 0};
        bool heading = false;

        while (next_line(&p, end, &line)) {
                if (contains(line, "DEBUG DUMP"))
                        heading = true;
                else if (heading && begins(line, "====")) {
                        if (found.start) {
                                found.size = (size_t)(line.start - found.start);
                                return found;
                        }
                        found.start = p;
                }
        }
        if (found.start)
                found.size = (size_t)(end - found.start);
        return found;
}

/* In a verifier log the complaint is the last line before the statistics. */
static struct span verifier_complaint(struct span log)
{
        const char *p = log.start, *end = log.start + log.size;
        struct span line, last = {NULL, 0};

        while (next_line(&p, end, &line)) {
                if (begins(line, "processed "))
                        break;
                if (line.size > 0)
                        last = line;
        }
        return last;
}

/* Without a verifier log: libbpf's first complaint, else the kernel's words as the scheduler printed them, else the last line. */
static struct span first_complaint(const char *text, size_t size)
{
        const char *p = text, *end = text + size;
        struct span line, last = {NULL, 0};

        while (next_line(&p, end, &line)) {
                if (begins(line, "libbpf: ") && !contains(line, "skipping it") && !contains(line, "-22") &&
                    (contains(line, "not found") || contains(line, "ailed") || contains(line, "rror") ||
                     contains(line, "mismatch") || contains(line, "incompatible")))
                        return line;
                if (begins(line, "EXIT: "))
                        return line;
                if (line.size > 0)
                        last = line;
        }
        return last;
}

void sched_log_extract(const char *text, size_t size, struct sched_log *ret)
{
        struct span log = between(text, size, "BEGIN PROG LOAD LOG", "END PROG LOAD LOG");
        struct span dump = find_dump(text, size);
        struct span why = log.start ? verifier_complaint(log) : first_complaint(text, size);

        *ret = (struct sched_log){
                .error_text = why.start ? copy(why) : NULL,
                .verifier_log = log.start ? copy(log) : NULL,
                .dump = dump.start ? copy(dump) : NULL,
        };
}

void sched_log_done(struct sched_log *l)
{
        free(l->error_text);
        free(l->verifier_log);
        free(l->dump);
        *l = (struct sched_log){};
}

const char *sched_exit_kind(const char *reason)
{
        static const struct {
                const char *words, *kind;
        } kinds[] = {
                {"unregistered from user space", "unreg"},
                {"unregistered from BPF", "unreg_bpf"},
                {"unregistered from the main kernel", "unreg_kern"},
                {"disabled by sysrq-S", "sysrq"},
                {"parent exiting", "parent"},
                {"runtime error", "error"},
                {"scx_bpf_error", "error_bpf"},
                {"runnable task stall", "error_stall"},
        };

        for (size_t i = 0; reason && i < KT_ARRAY_SIZE(kinds); i++)
                if (strcmp(reason, kinds[i].words) == 0)
                        return kinds[i].kind;
        return "unknown";
}
