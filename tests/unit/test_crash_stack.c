/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../../client/crash_stack.h"

#include <string.h>

#include "unit.h"

static const struct {
        const char *dump, *names; /* as JSON */
} dumps[] = {
        {NULL, "[]"},
        {"", "[]"},
        {"no stack\n", "[]"},
        /* as kernels have printed them */
        {"\nktstr: root\nswapper/1[0] triggered exit kind 1025 on CPU 1:\n  scx_bpf_error "
         "(crash)\n\nBacktrace:\n"
         "  scx_exit_bstr+0xdd/0x110\n  scx_bpf_error_bstr+0x60/0xa0\n"
         "  bpf_prog_c50298dbc2649edc_ktstr_dispatch+0x65/0xce\n  bpf__sched_ext_ops_dispatch+0x50/0xad\n"
         "  do_pick_task_scx+0x2d8/0xcb0\n  __schedule+0x6c3/0x1080\n  schedule+0x28/0xa0\n"
         "  do_nanosleep+0x53/0x190\n  __x64_sys_clock_nanosleep+0xf7/0x180\n  do_syscall_64+0xc2/0x520\n"
         "  entry_SYSCALL_64_after_hwframe+0x76/0x7e\n\nCPU states\n----------\n  other+0x1/0x2\n",
         "[\"do_pick_task_scx\"]"},
        {"Backtrace:\n  do_enqueue_task+0x1/0x2\n  enqueue_task_scx+0x1/0x2\n  try_to_wake_up+0x1/0x2\n"
         "  hrtimer_wakeup+0x1/0x2\n  scheduler_tick+0x1/0x2\n  __schedule_more+0x1/0x2\n  f+0x1/0x2\n",
         "[\"do_enqueue_task\",\"enqueue_task_scx\",\"try_to_wake_up\",\"f\"]"},
        {"Backtrace:\n  scx_vexit+0x6d/0xa0\n  __scx_exit+0x4f/0x70\n  scx_watchdog_workfn+0x1b6/0x260\n"
         "  process_one_work+0x1cd/0x3c0\n  worker_thread+0x1af/0x320\n  kthread+0xe5/0x120\n"
         "  ret_from_fork+0x2bc/0x350\n  ret_from_fork_asm+0x1a/0x30\n\n",
         "[\"scx_watchdog_workfn\"]"},
        /* of the first CPU while it is idle: what it booted by is there no more */
        {"Backtrace:\n  do_pick_task_scx+0x2d8/0xcb0\n  __schedule+0x6c3/0x1080\n  schedule_idle+0x22/0x40\n"
         "  do_idle+0x16d/0x210\n  cpu_startup_entry+0x29/0x30\n  rest_init+0xcc/0xd0\n"
         "  start_kernel+0x98d/0xa50\n  x86_64_start_reservations+0x24/0x30\n"
         "  x86_64_start_kernel+0xd6/0xe0\n  common_startup_64+0x13e/0x141\n",
         "[\"do_pick_task_scx\"]"},
        /* of a module, a guess, one twice, and one that goes on in the text's end */
        {"Backtrace:\n  f.isra.0+0x1/0x2 [mod]\n  ? g+0x1/0x2\n  f.isra.0+0x5/0x6\n  h+0x1",
         "[\"f.isra.0\",\"g\",\"h\"]"},
        {"Backtrace:\n  a+0x1/0x2\nnot a frame\n  b+0x1/0x2\n", "[\"a\"]"},
        {"Backtrace:\n  +0x1/0x2\n  b+0x1/0x2\n", "[]"},
        /* a frame without a name, and names that no probe goes by: what is behind them counts */
        {"Backtrace:\n  0xffffffffc0401083\n  a+0x1/0x2\n", "[\"a\"]"},
        {"Backtrace:\n  f()+0x1/0x2\n  1g+0x1/0x2\n  h i+0x1/0x2\n  .j+0x1\n  ?k?+0x1\n  b+0x1/0x2\n",
         "[\"b\"]"},
        {"Backtrace:\n  a+1/2\n", "[]"},
        {"Backtrace:\n  a+0x1\n  b+0x1\n  c+0x1\n  d+0x1\n  e+0x1\n  f+0x1\n  g+0x1\n  h+0x1\n  i+0x1\n",
         "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]"},
};

START_TEST(what_is_worth_a_probe_is_found)
{
        for (size_t i = 0; i < KT_ARRAY_SIZE(dumps); i++) {
                struct json_object *names = crash_stack(dumps[i].dump);

                ck_assert_str_eq(json_object_to_json_string_ext(names, JSON_C_TO_STRING_PLAIN),
                                 dumps[i].names);
                json_object_put(names);
        }
}
END_TEST

/* Longer than any function is: the daemon would refuse all of the job for it. */
START_TEST(a_name_that_is_too_long_is_left_out)
{
        char dump[400] = "Backtrace:\n  ";
        struct json_object *names;

        memset(dump + strlen(dump), 'x', 200);
        strcat(dump, "+0x1/0x2\n  b+0x1/0x2\n");
        names = crash_stack(dump);
        ck_assert_str_eq(json_object_to_json_string_ext(names, JSON_C_TO_STRING_PLAIN), "[\"b\"]");
        json_object_put(names);
}
END_TEST

UNIT_MAIN("crash_stack", what_is_worth_a_probe_is_found, a_name_that_is_too_long_is_left_out)
