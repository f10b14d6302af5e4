/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files that go along with a request: each a descriptor and the Artifact that names it. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../common/elfdeps.h"
#include "../common/error.h"

struct bundle {
        int *fds; /* owned */
        size_t n;
        struct json_object *artifacts; /* array of {guest_path, file_fd, mode} */
};

int bundle_init(struct bundle *b, struct kt_error *reterr);
void bundle_done(struct bundle *b);

/* Add a descriptor (taken over) without an Artifact; returns its index, or -ENOMEM. */
int bundle_add_fd(struct bundle *b, int fd, struct kt_error *reterr);

/* Add a file (fd is taken over). The same guest_path twice is -EEXIST with a text
 * that contains "duplicate". */
int bundle_add(struct bundle *b, const char *guest_path, int fd, mode_t mode, struct kt_error *reterr);

/* Is there a file that becomes this one? */
bool bundle_has(const struct bundle *b, const char *guest_path);

/* Add the libraries of a program, where its loader will find them in the guest. One that is there already is
 * left; another one of its name is -EEXIST with a text. */
int bundle_add_libraries(struct bundle *b, struct kt_elf_deps *deps, struct kt_error *reterr);

/* Open a program that is to run in the guest and add its libraries. *ret_fd is the caller's, for one of the
 * first two. Errors as of kt_elf_deps_collect(), by error_name; -ENOEXEC also for a script that no guest has
 * the interpreter of. */
int bundle_open_program(struct bundle *b, const char *path, const char *error_name, int *ret_fd,
                        struct kt_error *reterr);

/* A new array of the artifacts that were added since there were n of them. NULL when memory is out. */
struct json_object *bundle_artifacts_since(const struct bundle *b, size_t n);
