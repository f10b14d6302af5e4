/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "make_output.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"

static bool begins(const char *s, const char *prefix)
{
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *s, const char *suffix)
{
        size_t len = strlen(s), n = strlen(suffix);

        return len >= n && strcmp(s + len - n, suffix) == 0;
}

static bool has_one_of(const char *line, const char *const *texts)
{
        for (; *texts; texts++)
                if (strstr(line, *texts))
                        return true;
        return false;
}

static bool begins_with_one_of(const char *line, const char *const *texts)
{
        for (; *texts; texts++)
                if (begins(line, *texts))
                        return true;
        return false;
}

/* "init/Kconfig:12: unknown statement", not ".config:12:warning: …". */
static bool is_of_kconfig(const char *line)
{
        const char *colon = strchr(line, ':'), *base = line;
        size_t digits;

        if (!colon || strstr(line, "warning: "))
                return false;
        for (const char *p = line; p < colon; p++)
                base = *p == '/' ? p + 1 : base;
        digits = strspn(colon + 1, "0123456789");
        return begins(base, "Kconfig") && digits > 0 && colon[1 + digits] == ':';
}

/* "make[2]: *** [scripts/Makefile.build:229: kernel/sched/ext.o] Error 1" */
static bool is_of_make(const char *line)
{
        return begins(line, "make") && strstr(line, "*** [");
}

enum make_error make_error_of(const char *line)
{
        static const char *const disk[] = {"No space left on device", "Disk quota exceeded", NULL};
        static const char *const memory[] = {
                "Killed signal terminated program", ": internal compiler error: Killed",
                "terminated with signal 9",         ": out of memory allocating",
                "virtual memory exhausted",         "memory exhausted",
                "Cannot allocate memory",           NULL,
        };
        static const char *const consequence[] = {
                "collect2: error: ld returned", "ld: final link failed", ": in function `",
                "Waiting for unfinished jobs",  "*** Deleting ",         NULL,
        };
        static const char *const error[] = {
                ": error: ",
                ": fatal error: ",
                ": Error: ", /* the assembler */
                ": internal compiler error: ",
                "undefined reference to ",
                ": multiple definition of ",
                ": cannot find ",
                "relocation truncated to fit",
                "FAILED unresolved symbol",
                "Failed to generate BTF",
                "No rule to make target",
                "recursive dependency detected",
                ": command not found",
                NULL,
        };
        static const char *const error_beginning[] = {
                "error: ",  "Error: ", "ERROR: ", "FAILED: ",  "pahole: ", "ld: ",
                "ld.lld: ", "BTF: ",   "*** ",    "objtool: ", NULL,
        };
        bool warning = strstr(line, "warning: ") != NULL;

        /* Of defconfig, each time. */
        if (begins(line, "*** Default configuration is based on "))
                return MAKE_NO_ERROR;
        if (has_one_of(line, disk))
                return MAKE_DISK_FULL;
        if (has_one_of(line, memory) || (is_of_make(line) && ends(line, "] Killed")))
                return MAKE_MEMORY;
        if (has_one_of(line, consequence) || is_of_make(line))
                return MAKE_CONSEQUENCE;
        if (has_one_of(line, error) || is_of_kconfig(line))
                return MAKE_ERROR;
        if (!warning && begins_with_one_of(line, error_beginning))
                return MAKE_ERROR;
        /* "/bin/sh: 1: bc: not found"; "Makefile:779: *** missing separator.  Stop." */
        if ((strstr(line, "sh: ") && ends(line, ": not found")) || strstr(line, ": *** "))
                return MAKE_ERROR;
        return MAKE_NO_ERROR;
}

/* "  CC [M]  fs/x.o": where the rest begins; *ret_verb_size of "CC". NULL when it is no such line. */
static const char *command_of(const char *line, size_t *ret_verb_size)
{
        const char *p = line + 2;
        size_t n;

        if (line[0] != ' ' || line[1] != ' ' || !isupper((unsigned char)*p))
                return NULL;
        for (n = 0; isupper((unsigned char)p[n]) || isdigit((unsigned char)p[n]) || p[n] == '_'; n++)
                ;
        if (p[n] != ' ' || n < 2)
                return NULL;
        *ret_verb_size = n;
        p += n + strspn(p + n, " ");
        if (p[0] == '[' && p[1] && p[2] == ']')
                p += 3 + strspn(p + 3, " ");
        return *p ? p : NULL;
}

static bool makes_an_object(const char *verb, size_t size)
{
        static const char *const verbs[] = {"CC", "AS", "AR", "LD", "HOSTCC", "HOSTLD", "RUSTC", "LINK"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(verbs); i++)
                if (strlen(verbs[i]) == size && strncmp(verbs[i], verb, size) == 0)
                        return true;
        return false;
}

static void take_file(struct make_output *m, const char *path)
{
        size_t len = m->dir ? strlen(m->dir) : 0;
        char *copy;

        if (len > 0 && begins(path, m->dir) && path[len] == '/')
                path += len + 1;
        copy = strndup(path, strcspn(path, " "));
        if (!copy)
                return;
        free(m->file);
        m->file = copy;
}

static void take_warning(struct make_output *m, const char *line)
{
        for (unsigned i = 0; i < m->n_warnings; i++)
                if (strcmp(m->warnings[i], line) == 0)
                        return;
        if (m->n_warnings == MAKE_WARNINGS_MAX) {
                m->more_warnings++;
                return;
        }
        m->warnings[m->n_warnings] = strdup(line);
        if (!m->warnings[m->n_warnings])
                return;
        m->n_warnings++;
        if (m->on_warning)
                m->on_warning(m->userdata, line);
}

static void add_detail(struct make_output *m, char *taken)
{
        if (!taken)
                return;
        if (m->n_details == MAKE_DETAILS_MAX)
                free(taken);
        else
                m->details[m->n_details++] = taken;
}

/* The last n lines, oldest first. */
static void push(char **lines, unsigned max, unsigned *n, const char *line)
{
        char *copy = strdup(line);

        if (!copy)
                return;
        if (*n == max) {
                free(lines[0]);
                memmove(lines, lines + 1, (max - 1) * sizeof(*lines));
                (*n)--;
        }
        lines[(*n)++] = copy;
}

static void clear(char **lines, unsigned *n)
{
        for (unsigned i = 0; i < *n; i++)
                free(lines[i]);
        *n = 0;
}

/* "In file included from …", "x.c: In function 'f':", "x.s: Assembler messages:", "x.o: in function `f':" */
static bool leads_to_an_error(const char *line)
{
        return begins(line, "In file included from ") || begins(line, "                 from ") ||
               strstr(line, ": In function ") || strstr(line, ": At top level") ||
               ends(line, ": Assembler messages:") || strstr(line, ": in function `");
}

/* " 123 |   code", "     |   ^~~~", "x.h:7:1: note: …" */
static bool belongs_to_an_error(const char *line)
{
        const char *p = line + strspn(line, " ");

        p += strspn(p, "0123456789");
        p += strspn(p, " ");
        return (line[0] == ' ' && *p == '|') || strstr(line, ": note: ");
}

static void take_error(struct make_output *m, enum make_error kind, const char *line)
{
        if (kind > m->worst) {
                char *copy = strdup(line);

                if (!copy)
                        return;
                free(m->error);
                m->error = copy;
                m->worst = kind;
        }
        if (kind == MAKE_CONSEQUENCE)
                return;
        for (unsigned i = 0; i < m->n_before; i++)
                add_detail(m, m->before[i]);
        m->n_before = 0;
        add_detail(m, strdup(line));
        m->following = true;
}

bool make_output_line(struct make_output *m, const char *line)
{
        enum make_error kind;
        const char *path;
        size_t size;

        if (line[strspn(line, " \t")] == '\0')
                return false;
        path = command_of(line, &size);
        if (path) {
                m->objects += makes_an_object(line + 2, size);
                m->following = false;
                clear(m->before, &m->n_before);
                take_file(m, path);
                return true;
        }
        kind = make_error_of(line);
        if (kind != MAKE_NO_ERROR)
                m->following = false;
        if (leads_to_an_error(line)) {
                m->following = false;
                push(m->before, KT_ARRAY_SIZE(m->before), &m->n_before, line);
        } else if (kind != MAKE_NO_ERROR) {
                take_error(m, kind, line);
        } else if (strstr(line, "warning: ")) {
                m->following = false;
                clear(m->before, &m->n_before);
                take_warning(m, line);
        } else if (m->following && belongs_to_an_error(line)) {
                add_detail(m, strdup(line));
        } else {
                m->following = false;
        }
        if (kind != MAKE_CONSEQUENCE)
                push(m->recent, KT_ARRAY_SIZE(m->recent), &m->n_recent, line);
        return false;
}

/* Without make's own beginning: "make[1]: *** No rule …" */
static const char *without_make(const char *line)
{
        const char *stars = strstr(line, "*** ");

        return begins(line, "make") && stars ? stars + 4 : line[0] == '*' && stars ? stars + 4 : line;
}

/* Of "make[2]: *** [scripts/Makefile.build:229: kernel/sched/ext.o] Error 1": the target, and how it ended.
 */
static int consequence(const struct make_output *m, struct kt_error *reterr)
{
        const char *bracket = strstr(m->error, "*** ["), *end = bracket ? strrchr(bracket, ']') : NULL;
        const char *target;

        if (!end)
                return kt_error_set(reterr, -EIO, KT_E_BUILD, "%s", without_make(m->error));
        target = memrchr(bracket, ' ', (size_t)(end - bracket));
        target = target && target > bracket + 4 ? target + 1 : bracket + 5;
        return kt_error_set(reterr, -EIO, KT_E_BUILD, "making %.*s failed:%s%s%s", (int)(end - target),
                            target, end + 1, m->n_recent ? "; last it said: " : ", without a word why",
                            m->n_recent ? m->recent[m->n_recent - 1] : "");
}

int make_output_failure(const struct make_output *m, int status, struct kt_error *reterr)
{
        switch (m->worst) {
        case MAKE_DISK_FULL:
                return kt_error_set(reterr, -ENOSPC, KT_E_IO, "the disk is full: %s; make room in %s",
                                    without_make(m->error), m->dir ? m->dir : "its file system");
        case MAKE_MEMORY:
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL,
                                    "memory ran out%s%s: %s; build with fewer jobs at once (--jobs)",
                                    m->file ? " near " : "", m->file ? m->file : "", without_make(m->error));
        case MAKE_ERROR:
                return kt_error_set(reterr, -EIO, KT_E_BUILD, "%s", without_make(m->error));
        case MAKE_CONSEQUENCE:
                return consequence(m, reterr);
        default:
                if (status == 128 + 9)
                        return kt_error_set(
                                reterr, -ENOMEM, KT_E_BUILD,
                                "make was killed, most likely because memory ran out; build with "
                                "fewer jobs at once (--jobs)");
                return kt_error_set(reterr, -EIO, KT_E_BUILD, "make ended with status %d%s%s", status,
                                    m->n_recent ? ": " : " and said nothing",
                                    m->n_recent ? m->recent[m->n_recent - 1] : "");
        }
}

void make_output_done(struct make_output *m)
{
        free(m->file);
        free(m->error);
        clear(m->warnings, &m->n_warnings);
        clear(m->details, &m->n_details);
        clear(m->before, &m->n_before);
        clear(m->recent, &m->n_recent);
        *m = (struct make_output){0};
}
