/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Schedulers that are declared wrong. Above each stands what has to be found: "field: a part of the
 * message". */
#include <ktstr.h>

/* name: is not set */
KTSTR_SCHEDULER(no_name, .binary = "scx_a");

/* name: has a slash, a backslash or a control character */
KTSTR_SCHEDULER(name_with_slash, .name = "a/b", .binary = "scx_a");

/* name: has a slash, a backslash or a control character */
KTSTR_SCHEDULER(name_with_backslash, .name = "a\\b", .binary = "scx_a");

/* binary: is not set: say where the scheduler is */
KTSTR_SCHEDULER(nowhere, .name = "nowhere");

/* binary: exactly one of */
KTSTR_SCHEDULER(in_two_places, .name = "in_two_places", .binary = "scx_a", .binary_path = "/bin/scx_a");

/* binary_path: exactly one of */
KTSTR_SCHEDULER(path_and_builtin, .name = "path_and_builtin", .binary_path = "/bin/scx_a",
                .kernel_builtin_enable = KTSTR_LIST("true"), .kernel_builtin_disable = KTSTR_LIST("true"));

/* kernel_builtin_disable: goes with .kernel_builtin_enable */
KTSTR_SCHEDULER(never_disabled, .name = "never_disabled", .kernel_builtin_enable = KTSTR_LIST("true"));

/* kernel_builtin_enable: goes with .kernel_builtin_disable */
KTSTR_SCHEDULER(never_enabled, .name = "never_enabled", .kernel_builtin_disable = KTSTR_LIST("true"));

/* sched_args: this scheduler is a part of the kernel */
KTSTR_SCHEDULER(builtin_with_args, .name = "builtin_with_args", .kernel_builtin_enable = KTSTR_LIST("true"),
                .kernel_builtin_disable = KTSTR_LIST("true"), .sched_args = KTSTR_LIST("-v"));

/* config_file: this scheduler is a part of the kernel */
KTSTR_SCHEDULER(builtin_with_config, .name = "builtin_with_config",
                .kernel_builtin_enable = KTSTR_LIST("true"), .kernel_builtin_disable = KTSTR_LIST("true"),
                .config_file = "a.json");

/* binary: has a slash: it is a name to look for; a path is .binary_path */
KTSTR_SCHEDULER(binary_is_path, .name = "binary_is_path", .binary = "build/scx_a");

/* binary: is empty */
KTSTR_SCHEDULER(empty_binary, .name = "empty_binary", .binary = "");

/* topology.llcs: 3 is not a multiple of numa_nodes, which is 2 */
KTSTR_SCHEDULER(odd_llcs, .name = "odd_llcs", .binary = "scx_a", .topology = {.numa_nodes = 2, .llcs = 3});

/* topology.llcs: 1 is not a multiple of numa_nodes, which is 2 */
KTSTR_SCHEDULER(nodes_alone, .name = "nodes_alone", .binary = "scx_a", .topology = {.numa_nodes = 2});

/* topology.cores: is -1, and has to be more than 0 */
KTSTR_SCHEDULER(no_cores, .name = "no_cores", .binary = "scx_a", .topology = {.cores = -1});

/* topology.numa_nodes: is -2, and has to be more than 0 */
/* topology.threads: is -1, and has to be more than 0 */
KTSTR_SCHEDULER(negative_nodes, .name = "negative_nodes", .binary = "scx_a",
                .topology = {.numa_nodes = -2, .llcs = 4, .threads = KTSTR_NONE});

/* topology.numa_nodes: is 129, and a guest can have at most 128 */
/* topology.llcs: 258 LLCs of 2000000000 cores of 1 threads are more CPUs than the 255 */
KTSTR_SCHEDULER(too_large, .name = "too_large", .binary = "scx_a",
                .topology = {.numa_nodes = 129, .llcs = 258, .cores = 2000000000});

/* kernels: 6.14..6.12 */
KTSTR_SCHEDULER(inverted_range, .name = "inverted_range", .binary = "scx_a",
                .kernels = KTSTR_LIST("6.12", "6.14..6.12"));

/* kernels: '6.x' is no version */
/* kernels: '6.14..' is no version */
/* kernels: '6.14, 6.15' is no version */
KTSTR_SCHEDULER(odd_kernels, .name = "odd_kernels", .binary = "scx_a",
                .kernels = KTSTR_LIST("6.x", "6.14..", "6.14, 6.15", "6.14.2-arch1-1", "6.15-rc3"));

/* kernels: is empty */
KTSTR_SCHEDULER(empty_kernel, .name = "empty_kernel", .binary = "scx_a", .kernels = KTSTR_LIST(""));

/* kargs: kernel argument 'console=ttyS1' is set by ktstrd itself */
/* kargs: kernel argument 'loglevel=7' is set by ktstrd itself */
/* kargs: kernel argument 'rdinit=/bin/sh' is set by ktstrd itself */
/* kargs: kernel argument 'ktstr.mailbox=0' is set by ktstrd itself */
/* kargs: kernel argument 'random.trust-cpu=off' is set by ktstrd itself */
KTSTR_SCHEDULER(own_kargs, .name = "own_kargs", .binary = "scx_a",
                .kargs = KTSTR_LIST("threadirqs", "console=ttyS1", "loglevel=7", "rdinit=/bin/sh",
                                    "ktstr.mailbox=0", "random.trust-cpu=off", "initcall_debug"));

/* kargs: has blanks, quotes or control characters */
/* kargs: '--' would make init's of all that follow it */
KTSTR_SCHEDULER(odd_kargs, .name = "odd_kargs", .binary = "scx_a", .kargs = KTSTR_LIST("a b", "--"));

/* sysctls: '../kernel' is no sysctl's name */
/* sysctls: 'kernel panic' is no sysctl's name */
/* sysctls: 'kernel/panic' is no sysctl's name */
/* sysctls: 'kernel.' is no sysctl's name */
/* sysctls: kernel.panic has no value */
/* sysctls: the value of kernel.panic is no single line */
KTSTR_SCHEDULER(odd_sysctls, .name = "odd_sysctls", .binary = "scx_a",
                .sysctls = KTSTR_SYSCTLS({"../kernel", "1"}, {"kernel panic", "1"}, {"kernel/panic", "1"},
                                         {"kernel.", "1"}, {"kernel.panic", NULL},
                                         {"kernel.panic", "1\n2"}));

/* cgroup_parent: 'p' has to begin with '/' */
KTSTR_SCHEDULER(relative_parent, .name = "relative_parent", .binary = "scx_a", .cgroup_parent = "p");

/* cgroup_parent: '/' has to begin with '/', name a cgroup below it */
KTSTR_SCHEDULER(root_parent, .name = "root_parent", .binary = "scx_a", .cgroup_parent = "/");

/* cgroup_parent: '/a/../b' has to begin with '/', name a cgroup below it, and have no '..' */
KTSTR_SCHEDULER(parent_goes_up, .name = "parent_goes_up", .binary = "scx_a", .cgroup_parent = "/a/../b");

/* cgroup_parent: '/a/' has to begin with '/' */
KTSTR_SCHEDULER(parent_ends_in_slash, .name = "parent_ends_in_slash", .binary = "scx_a",
                .cgroup_parent = "/a/");

/* config_guest_path: .config_arg and .config_guest_path go together */
KTSTR_SCHEDULER(no_guest_path, .name = "no_guest_path", .binary = "scx_a", .config_arg = "--config={file}");

/* config_arg: .config_arg and .config_guest_path go together */
KTSTR_SCHEDULER(no_config_arg, .name = "no_config_arg", .binary = "scx_a", .config_guest_path = "/x.json");

/* config_arg: '--config=file' has no {file} in it */
/* config_guest_path: 'x.json' is no absolute path */
KTSTR_SCHEDULER(odd_config_arg, .name = "odd_config_arg", .binary = "scx_a", .config_arg = "--config=file",
                .config_guest_path = "x.json");

/* config_file: is for all tests and .config_arg is for each test's own */
KTSTR_SCHEDULER(two_configs, .name = "two_configs", .binary = "scx_a", .config_file = "a.json",
                .config_arg = "--config={file}", .config_guest_path = "/x.json");

/* constraints.min_llcs: 4 is more than max_llcs, which is 2 */
KTSTR_SCHEDULER(no_preset, .name = "no_preset", .binary = "scx_a",
                .constraints = {.min_llcs = 4, .max_llcs = 2});

/* constraints.min_cpus: is -3, and has to be more than 0, or KTSTR_NONE */
KTSTR_SCHEDULER(negative_cpus, .name = "negative_cpus", .binary = "scx_a", .constraints = {.min_cpus = -3});

/* checks.max_gap_ms: is -5, and has to be more than 0 and at most 8.64e+07, KTSTR_ZERO or KTSTR_NONE */
/* checks.min_page_locality: is 80, and has to be more than 0 and at most 1, */
/* checks.max_wake_latency_cv: is nan */
/* checks.isolation: is 7, and has to be KTSTR_ON or KTSTR_OFF */
KTSTR_SCHEDULER(odd_checks, .name = "odd_checks", .binary = "scx_a",
                .checks = {.max_gap_ms = -5,
                           .min_page_locality = 80,
                           .max_wake_latency_cv = __builtin_nan(""),
                           .isolation = (enum ktstr_switch)7});

/* sched_args: is not UTF-8 */
KTSTR_SCHEDULER(odd_bytes, .name = "odd_bytes", .binary = "scx_a", .sched_args = KTSTR_LIST("\xff"));

KTSTR_SCHEDULER(first, .name = "same", .binary = "scx_a");
/* name: 'same' is also that of first, at */
KTSTR_SCHEDULER(second, .name = "same", .binary = "scx_b");

KTSTR_TEST(fine)
{
        return KTSTR_PASS;
}
