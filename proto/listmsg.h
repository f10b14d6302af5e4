/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* clang-format off */
/*
 * What a test program prints when it is started with KT_LIST_OPTION: one JSON object, on stdout, whatever is wrong with what it
 * declares; its exit status is 0.
 *
 *   ktstr_list   int      KT_LIST_FORMAT
 *   version      string   of the library
 *   errors       []object what is wrong: file, line, test (or scheduler), field, message; a program with errors runs nothing
 *   schedulers   []object in the order of their declaration
 *   tests        []object likewise
 *
 * A scheduler and a test have the fields of struct ktstr_scheduler and struct ktstr_test by their names, but for func; what is
 * unset is absent. proto/listing.idl has the types. Lists of strings are arrays; topology, constraints and checks are objects
 * (a test's too; its four dimensions are in `topology`); a switch is true or false; a number that is KTSTR_NONE is -1, one that
 * is KTSTR_ZERO is 0; sysctls is [{"key", "value"}], bpf_map_write [{"field", "value", "map", "at_ms"}]; a test's `scheduler`
 * is the ident of one in `schedulers`; `payload` and `workloads` come as one array, `payloads`: [{"name", "binary", "args",
 * "include_files"}]. `replaces` of a test: idents of further schedulers that have to be in the guest, which are all that its
 * program declares with a binary other than its own.
 *
 * In the guest a scheduler's program is KT_GUEST_BIN_DIR/NAME by its `name`, the one under test and one of `replaces` alike; a
 * payload's is KT_GUEST_BIN_DIR/FILE by the file name of its `binary`.
 */
/* clang-format on */

#define KT_LIST_FORMAT 1
