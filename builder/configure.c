/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "configure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "answer.h"
#include "child.h"
#include "make_run.h"
#include "version.h"

#define CONFIG_MAX (4U << 20)
#define NOT_SET " is not set"

/* --- lines of configurations --- */

/* Which option does the line set? Its name without CONFIG_, of *ret_size bytes; NULL: none. */
static const char *option_of(const char *line, size_t len, size_t *ret_size)
{
        const char *name = line;
        bool off = len > 2 && memcmp(line, "# ", 2) == 0;
        size_t n = 0;

        name += off ? 2 : 0;
        len -= off ? 2 : 0;
        if (len < 8 || strncmp(name, "CONFIG_", 7) != 0)
                return NULL;
        name += 7;
        len -= 7;
        while (n < len && (name[n] == '_' || (name[n] >= '0' && name[n] <= '9') ||
                           (name[n] >= 'A' && name[n] <= 'Z') || (name[n] >= 'a' && name[n] <= 'z')))
                n++;
        *ret_size = n;
        if (off ? len - n >= strlen(NOT_SET) && strncmp(name + n, NOT_SET, strlen(NOT_SET)) == 0
                : n < len && name[n] == '=')
                return name;
        return NULL;
}

/* The end of a line without blanks at its end, such as a \r. */
static size_t trimmed(const char *line, size_t len)
{
        while (len > 0 && strchr(" \t\r", line[len - 1]))
                len--;
        return len;
}

/* What the last line that sets it sets it to: "y", "128", "n" of one that is not set. false: no line does.
 */
static bool value_of(const char *config, const char *name, size_t name_size, char *buf, size_t size)
{
        bool found = false;

        for (const char *p = config; p && *p; p = strchr(p, '\n'), p += p != NULL) {
                size_t len = trimmed(p, strcspn(p, "\n")), n;
                const char *option = option_of(p, len, &n);

                if (!option || n != name_size || memcmp(option, name, n) != 0)
                        continue;
                found = true;
                if (*p == '#')
                        snprintf(buf, size, "n");
                else
                        snprintf(buf, size, "%.*s", (int)(p + len - option - n - 1), option + n + 1);
        }
        return found;
}

static void final_value(const char *config, const char *name, size_t name_size, char *buf, size_t size)
{
        if (!value_of(config, name, name_size, buf, size))
                snprintf(buf, size, "n");
}

static bool is_on(const char *config, const char *name)
{
        char value[64];

        final_value(config, name, strlen(name), value, sizeof(value));
        return strcmp(value, "y") == 0;
}

char *config_merge(const char *base, const char *over)
{
        size_t base_len = strlen(base), over_len = strlen(over), at = 0;
        char *text = malloc(base_len + over_len + 3);

        if (!text)
                return NULL;
        for (const char *p = base; *p;) {
                size_t len = strcspn(p, "\n"), n;
                const char *option = option_of(p, len, &n);
                char value[8];

                if (!option || !value_of(over, option, n, value, sizeof(value))) {
                        memcpy(text + at, p, len);
                        text[at + len] = '\n';
                        at += len + 1;
                }
                p += len + (p[len] == '\n');
        }
        memcpy(text + at, over, over_len);
        at += over_len;
        if (at > 0 && text[at - 1] != '\n')
                text[at++] = '\n';
        text[at] = '\0';
        return text;
}

void config_lost(const char *config, const char *extra,
                 void (*lost)(void *userdata, const char *line, const char *value), void *userdata)
{
        for (const char *p = extra; *p;) {
                size_t len = strcspn(p, "\n"), used = trimmed(p, len), n;
                const char *option = option_of(p, used, &n);
                _cleanup_free_ char *line = strndup(p, used);
                char wanted[512], value[512];

                p += len + (p[len] == '\n');
                if (!line || used == 0)
                        continue;
                if (!option) {
                        if (line[0] != '#')
                                lost(userdata, line, NULL);
                        continue;
                }
                final_value(extra, option, n, wanted, sizeof(wanted));
                final_value(config, option, n, value, sizeof(value));
                if (strcmp(wanted, value) != 0)
                        lost(userdata, line, value);
        }
}

/* --- what must have survived --- */

struct need {
        const char *name;
        const char *needs[6]; /* "NAME", "!NAME": what it depends on, the likeliest first */
};

static const struct need needs[] = {
        {"SCHED_CLASS_EXT", {"BPF_SYSCALL", "BPF_JIT", "DEBUG_INFO_BTF"}},
        {"DEBUG_INFO_BTF",
         {"DEBUG_INFO", "!DEBUG_INFO_REDUCED", "!DEBUG_INFO_SPLIT", "!GCC_PLUGIN_RANDSTRUCT",
          "BPF_SYSCALL"}},
        {"BPF_SYSCALL", {NULL}},
        {"FTRACE", {"TRACING_SUPPORT"}},
        {"KPROBE_EVENTS", {"KPROBES", "FTRACE"}},
        {"BPF_EVENTS", {"BPF_SYSCALL", "PERF_EVENTS", "KPROBE_EVENTS"}},
        {"PVH", {"64BIT", "HYPERVISOR_GUEST"}},
        {"VIRTIO_PCI", {"PCI", "VIRTIO_MENU"}},
        {"VIRTIO_CONSOLE", {"TTY", "VIRTIO_MENU"}},
};

/* In the order in which they are named; "m" does not do, since a guest has to be reached before it could
 * load anything. */
static const char *const required[] = {
        "SCHED_CLASS_EXT", "DEBUG_INFO_BTF", "BPF_SYSCALL", "FTRACE", "KPROBE_EVENTS", "BPF_EVENTS", "PVH",
        "VIRTIO_PCI",      "VIRTIO_CONSOLE",
};

static const struct need *needs_of(const char *name)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(needs); i++)
                if (strcmp(needs[i].name, name) == 0)
                        return &needs[i];
        return NULL;
}

static bool extra_has(const char *extra, const char *name, bool wanted)
{
        char value[64];

        return extra && value_of(extra, name, strlen(name), value, sizeof(value)) &&
               (strcmp(value, "y") == 0) == wanted;
}

static char *why_pahole(const char *config, const struct config_facts *f)
{
        /* Kconfig's own: BTF out of DWARF 5 needs 1.21. */
        unsigned needed = f->pahole_needed ? f->pahole_needed : 116;

        if (needed < 121 && is_on(config, "DEBUG_INFO_DWARF5"))
                needed = 121;
        if (f->pahole == 0)
                return kt_format("pahole is not installed; install the package dwarves");
        if (f->pahole < needed)
                return kt_format("pahole %u.%02u is too old, %u.%02u is needed", f->pahole / 100,
                                 f->pahole % 100, needed / 100, needed % 100);
        return NULL;
}

/* The likely reason; malloced, NULL when memory is out. */
static char *why(const char *config, const char *name, const struct config_facts *f, unsigned depth)
{
        const struct need *n = needs_of(name);
        char value[64], *text;

        if (extra_has(f->extra, name, false))
                return kt_format("the extra configuration turns it off");
        if (strcmp(name, "SCHED_CLASS_EXT") == 0 && !f->has_sched_ext)
                return kt_format("kernel %s has no sched_ext, which came with 6.12", f->version);
        final_value(config, name, strlen(name), value, sizeof(value));
        if (strcmp(value, "m") == 0)
                return kt_format("it is a module, and a guest loads none before it can be reached");
        for (size_t i = 0; n && i < KT_ARRAY_SIZE(n->needs) && n->needs[i]; i++) {
                bool off = n->needs[i][0] == '!';
                const char *need = n->needs[i] + off;
                _cleanup_free_ char *because = NULL;

                if (is_on(config, need) != off)
                        continue;
                if (extra_has(f->extra, need, off))
                        return kt_format("the extra configuration turns %s CONFIG_%s, %s",
                                         off ? "on" : "off", need,
                                         off ? "which excludes it" : "which it needs");
                if (off)
                        return kt_format("CONFIG_%s, which excludes it, is on", need);
                because = depth < 3 && needs_of(need) ? why(config, need, f, depth + 1) : NULL;
                return kt_format("CONFIG_%s, which it needs, is off%s%s", need, because ? ": " : "",
                                 because ? because : "");
        }
        if (strcmp(name, "DEBUG_INFO_BTF") == 0) {
                text = why_pahole(config, f);
                if (text)
                        return text;
        }
        return kt_format("the source does not know it, or something that it depends on is off");
}

/* text (NULL: it is the first) with one more in it; malloced, NULL when memory is out. Why several are gone
 * is often the same, and then said once. */
static char *name_missing(const char *text, const char *name, const char *reason)
{
        if (!text)
                return kt_format("CONFIG_%s did not survive olddefconfig: %s", name, reason);
        if (strstr(text, reason))
                return kt_format("%s; nor did CONFIG_%s", text, name);
        return kt_format("%s; nor did CONFIG_%s: %s", text, name, reason);
}

int config_check(const char *config, const struct config_facts *facts, struct kt_error *reterr)
{
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < KT_ARRAY_SIZE(required); i++) {
                _cleanup_free_ char *reason = NULL;
                char *longer;

                if (is_on(config, required[i]))
                        continue;
                reason = why(config, required[i], facts, 0);
                longer = reason ? name_missing(text, required[i], reason) : NULL;
                if (!longer)
                        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
                free(text);
                text = longer;
        }
        return text ? kt_error_set(reterr, -ENOENT, KT_E_BUILD, "%s", text) : 0;
}

/* --- with files --- */

/* "v1.24" */
static void on_pahole_version(void *userdata, const char *line, bool replaced)
{
        unsigned major, minor;

        if (sscanf(line, "v%u.%u", &major, &minor) == 2 && minor < 100)
                *(unsigned *)userdata = major * 100 + minor;
}

/* Of "depends on PAHOLE_VERSION >= 116", the first below config DEBUG_INFO_BTF. */
static unsigned pahole_needed(const char *dir)
{
        _cleanup_free_ char *path = kt_path_join(dir, "lib/Kconfig.debug"), *text = NULL;
        const char *p;
        unsigned n;

        if (!path || kt_read_file(AT_FDCWD, path, CONFIG_MAX, &text, NULL) < 0)
                return 0;
        p = strstr(text, "\nconfig DEBUG_INFO_BTF\n");
        p = p ? strstr(p, "depends on PAHOLE_VERSION >= ") : NULL;
        return p && sscanf(p, "depends on PAHOLE_VERSION >= %u", &n) == 1 ? n : 0;
}

/* From 6.12 on each has it; an older one may have been given it. */
static bool has_sched_ext(const char *dir, const char *version)
{
        _cleanup_free_ char *path = kt_path_join(dir, "kernel/Kconfig.preempt"), *text = NULL;
        struct version v;

        if (version_parse(version, &v) && (v.part[0] > 6 || (v.part[0] == 6 && v.part[1] >= 12)))
                return true;
        return path && kt_read_file(AT_FDCWD, path, CONFIG_MAX, &text, NULL) == 0 &&
               strstr(text, "config SCHED_CLASS_EXT\n");
}

static int read_config(const char *path, char **ret, struct kt_error *reterr)
{
        int r = kt_read_file(AT_FDCWD, path, CONFIG_MAX, ret, NULL);

        return r < 0 ? kt_error_set(reterr, r, KT_E_IO, "cannot read %s: %s", path, strerror(-r)) : 0;
}

/* Half of one is written anew the next time. */
static int write_config(const char *path, const char *text, struct kt_error *reterr)
{
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        int r = fd < 0 ? -errno : kt_write_all(fd, text, strlen(text));

        return r < 0 ? kt_error_set(reterr, r, KT_E_IO, "cannot write %s: %s", path, strerror(-r)) : 0;
}

static int make_config(const struct configure *c, const char *target, struct json_object *details,
                       struct kt_error *reterr)
{
        struct make m = {.dir = c->dir, .config = c->config, .target = target};

        return make_run(&m, NULL, details, reterr);
}

static int make_base(const struct configure *c, char **ret, struct json_object *details,
                     struct kt_error *reterr)
{
        _cleanup_free_ char *own = kt_path_join(c->dir, ".config");
        const char *target = kconfig_base_target(c->profile);
        int r;

        if (!own)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (c->own_config && c->profile == KCONFIG_DEFAULT && access(own, F_OK) == 0) {
                answer_stage("configure", "its own .config");
                return read_config(own, ret, reterr);
        }
        answer_stage("configure", "%s", target);
        /* An old one would be begun with by some targets. */
        (void)unlink(c->config);
        r = make_config(c, target, details, reterr);
        return r < 0 ? r : read_config(c->config, ret, reterr);
}

static void warn_of_lost(void *userdata, const char *line, const char *value)
{
        if (value)
                answer_warning("extra configuration: '%s' did not survive olddefconfig, it is %s", line,
                               value);
        else
                answer_warning("extra configuration: '%s' is no line of a configuration", line);
}

static void log_lost(void *userdata, const char *line, const char *value)
{
        _cleanup_free_ char *text = kt_format("profile: '%s' did not survive olddefconfig, it is %s", line,
                                              value ? value : "no line of a configuration");

        if (text)
                answer_log_line(text);
}

int configure(const struct configure *c, char **ret_text, struct json_object *details,
              struct kt_error *reterr)
{
        static const char *const pahole_argv[] = {"pahole", "--version", NULL};
        struct config_facts facts = {.version = c->version, .extra = c->extra};
        struct child pahole = {.argv = pahole_argv, .on_line = on_pahole_version, .userdata = &facts.pahole};
        const char *fragment = kconfig_fragment(c->profile);
        _cleanup_free_ char *base = NULL, *with_fragment = NULL, *all = NULL, *text = NULL;
        int r = make_base(c, &base, details, reterr);

        if (r < 0)
                return r;
        with_fragment = config_merge(base, fragment);
        all = with_fragment ? config_merge(with_fragment, c->extra ? c->extra : "") : NULL;
        if (!all)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        r = write_config(c->config, all, reterr);
        if (r < 0)
                return r;
        answer_stage("configure", "olddefconfig");
        r = make_config(c, "olddefconfig", details, reterr);
        if (r >= 0)
                r = read_config(c->config, &text, reterr);
        if (r < 0)
                return r;
        if (c->extra)
                config_lost(text, c->extra, warn_of_lost, NULL);
        config_lost(text, fragment, log_lost, NULL);
        (void)child_run(&pahole, NULL);
        facts.pahole_needed = pahole_needed(c->dir);
        facts.has_sched_ext = has_sched_ext(c->dir, c->version);
        r = config_check(text, &facts, reterr);
        if (r < 0)
                return r;
        *ret_text = TAKE_PTR(text);
        return 0;
}
