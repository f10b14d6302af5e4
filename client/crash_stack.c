/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crash_stack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../proto/codec.h"
#include "../proto/function_name.h"

static bool begins(const char *name, const char *prefix)
{
        return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* By what they begin with. */
static bool is_generic(const char *name)
{
        static const char *const prefixes[] = {
                /* how the error is taken down */
                "scx_exit",
                "scx_vexit",
                "__scx_exit",
                "scx_bpf_error",
                "scx_ops_error",
                "scx_ops_exit",
                "scx_kf_exit",
                "scx_error",
                "scx_verror",
                "__scx_error",
                /* the scheduler's programs, and what is in between */
                "bpf_prog_",
                "bpf__sched_ext_ops_",
                "bpf_trampoline_",
                "__bpf_prog_",
                "bpf_dispatcher_",
                /* what all goes through */
                "asm_",
                "sysvec_",
                "__sysvec_",
                "entry_",
                "do_syscall_",
                "__x64_sys_",
                "__do_sys_",
                "__se_sys_",
                "x64_sys_",
                "__arm64_sys_",
                "el0",
                "el1",
                "invoke_syscall",
                "ret_from_",
                "kthread",
                "worker_thread",
                "process_one_work",
                "process_scheduled_works",
                "__schedule",
                "schedule",
                "preempt_schedule",
                "do_idle",
                "cpu_startup_entry",
                "cpu_idle",
                "default_idle",
                "start_secondary",
                "rest_init",
                "start_kernel",
                "x86_64_start_",
                "common_startup_",
                "secondary_startup_",
                "irq_",
                "__irq_",
                "handle_",
                "do_softirq",
                "__do_softirq",
                "call_timer_fn",
                "run_timer_softirq",
                "__run_timer",
                "hrtimer_",
                "__hrtimer_",
                "tick_",
                "update_process_times",
                "rcu_",
                "dump_stack",
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(prefixes); i++)
                if (begins(name, prefixes[i]))
                        return true;
        return false;
}

static bool is_among(struct json_object *names, const char *name)
{
        for (size_t i = 0; i < json_object_array_length(names); i++)
                if (strcmp(json_object_get_string(json_object_array_get_idx(names, i)), name) == 0)
                        return true;
        return false;
}

/* "  NAME+0x2d8/0xcb0", with a mark before or a module behind, or an address that has no name. False: the
 * line is no frame. *ret_name: malloced; NULL: none that a probe could go by. */
static bool read_frame(const char *line, size_t len, char **ret_name)
{
        const char *plus;

        *ret_name = NULL;
        while (len > 0 && (*line == ' ' || *line == '\t' || *line == '?')) {
                line++;
                len--;
        }
        plus = memchr(line, '+', len);
        if (!plus || plus == line || strncmp(plus, "+0x", 3) != 0)
                return len > 2 && begins(line, "0x");
        if (kt_function_name_is_sound(line, (size_t)(plus - line)))
                *ret_name = strndup(line, (size_t)(plus - line));
        return true;
}

struct json_object *crash_stack(const char *dump)
{
        static const char heading[] = "Backtrace:\n";
        struct json_object *names = json_object_new_array();
        const char *line = dump ? strstr(dump, heading) : NULL;

        if (!line)
                return names;
        line += strlen(heading);
        while (*line && json_object_array_length(names) < CRASH_STACK_MAX) {
                const size_t len = strcspn(line, "\n");
                _cleanup_free_ char *name = NULL;

                if (!read_frame(line, len, &name) || (name && strcmp(name, "__schedule") == 0))
                        return names;
                if (name && !is_generic(name) && !is_among(names, name))
                        json_object_array_add(names, json_object_new_string(name));
                line += len + (line[len] == '\n');
        }
        return names;
}
