/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sched_log.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"

/* A verdict is one message, which has an end (KT_WIRE_MESSAGE_MAX); the whole is in scheduler.log. */
#define LINE_MAX_BYTES 4096U
#define BLOCK_MAX_BYTES (1024U * 1024U)

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

/* Of something long its beginning, or its end from a line's beginning on. */
static struct span head(struct span s, size_t max)
{
        return (struct span){s.start, s.size < max ? s.size : max};
}

static struct span tail(struct span s, size_t max)
{
        const char *cut = s.start + (s.size > max ? s.size - max : 0), *nl;

        nl = cut > s.start ? memchr(cut, '\n', max) : NULL;
        cut = nl ? nl + 1 : cut;
        return (struct span){cut, (size_t)(s.start + s.size - cut)};
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

/* The text of a line after the last `mark` in it; nothing when it has none. */
static struct span after_last(struct span line, const char *mark)
{
        const size_t len = strlen(mark);

        for (size_t i = line.size; i-- > 0;)
                if (line.size - i >= len && memcmp(line.start + i, mark, len) == 0)
                        return (struct span){line.start + i + len, line.size - i - len};
        return (struct span){NULL, 0};
}

/* In a verifier log the complaint is the last line before the statistics, or before the report that kernels
 * from 7.3 on add ("Verification failed: …"). The line of source that it is about is the last one named
 * before it ("; text @ file.bpf.c:34"). */
static struct span verifier_complaint(struct span log, struct span *ret_source)
{
        const char *p = log.start, *end = log.start + log.size;
        struct span line, last = {NULL, 0};

        *ret_source = (struct span){NULL, 0};
        while (next_line(&p, end, &line)) {
                if (begins(line, "processed ") || begins(line, "verification time ") ||
                    begins(line, "Verification failed: "))
                        break;
                if (begins(line, "; ") && contains(line, " @ "))
                        *ret_source = after_last(line, " @ ");
                if (line.size > 0)
                        last = line;
        }
        return last;
}

/* "R1 invalid mem access 'scalar' (in my_enqueue, my.bpf.c:34)" */
static char *explain_verifier_log(const char *text, struct span log)
{
        struct span source, why = verifier_complaint(log, &source), program = {NULL, 0};
        _cleanup_free_ char *what = why.start ? copy(head(why, LINE_MAX_BYTES)) : NULL, *where = NULL,
                            *name = NULL;
        const char *begin =
                log.start -
                1; /* the end of libbpf's line: "libbpf: prog 'NAME': -- BEGIN PROG LOAD LOG --" */

        while (begin > text && begin[-1] != '\n')
                begin--;
        if (strncmp(begin, "libbpf: prog '", 14) == 0) {
                program.start = begin + 14;
                program.size = strcspn(program.start, "'\n");
        }
        name = program.start ? copy(head(program, LINE_MAX_BYTES)) : NULL;
        where = source.start ? copy(head(source, LINE_MAX_BYTES)) : NULL;
        if (!what || !name)
                return TAKE_PTR(what);
        return kt_format("%s (in %s%s%s)", what, name, where ? ", " : "", where ? where : "");
}

/* Without a verifier log: the kernel's words as the scheduler printed them on its way out, else libbpf's
 * first complaint, else the last line. */
static struct span first_complaint(const char *text, size_t size)
{
        const char *p = text, *end = text + size;
        struct span line, last = {NULL, 0}, complaint = {NULL, 0};

        while (next_line(&p, end, &line)) {
                if (begins(line, "EXIT: ") && !contains(line, "unregistered from user space"))
                        return line;
                if (!complaint.start && begins(line, "libbpf: ") && !contains(line, "skipping it") &&
                    !contains(line, "-22") &&
                    (contains(line, "not found") || contains(line, "ailed") || contains(line, "rror") ||
                     contains(line, "mismatch") || contains(line, "incompatible")))
                        complaint = line;
                if (line.size > 0)
                        last = line;
        }
        return complaint.start ? complaint : last;
}

void sched_log_extract(const char *text, size_t size, struct sched_log *ret)
{
        struct span log = between(text, size, "BEGIN PROG LOAD LOG", "END PROG LOAD LOG");
        struct span dump = find_dump(text, size);
        struct span why = log.start ? (struct span){NULL, 0} : first_complaint(text, size);

        *ret = (struct sched_log){
                .error_text = log.start   ? explain_verifier_log(text, log)
                              : why.start ? copy(head(why, LINE_MAX_BYTES))
                                          : NULL,
                .verifier_log = log.start ? copy(tail(log, BLOCK_MAX_BYTES)) : NULL,
                .dump = dump.start ? copy(head(dump, BLOCK_MAX_BYTES)) : NULL,
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
