/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel's make prints, understood line by line: the file at hand, how many objects there are so
 * far, warnings, and of a make that failed the error that a person has to see, which is never the last line.
 * No I/O. Lines of several compilers at once may be mixed, whole.
 */

#include <stdbool.h>
#include <stdint.h>

#include "../common/error.h"

#define MAKE_WARNINGS_MAX 50
#define MAKE_DETAILS_MAX 40

/* How much a line tells of why a make failed. The first of the highest kind is the error. */
enum make_error {
        MAKE_NO_ERROR,
        MAKE_CONSEQUENCE, /* make's own "*** [target] Error 1", and the like */
        MAKE_ERROR,       /* of a compiler, linker, Kconfig, pahole */
        MAKE_MEMORY,      /* a compiler was killed, or had no memory */
        MAKE_DISK_FULL,
        _MAKE_ERROR_MAX,
};

enum make_error make_error_of(const char *line);

struct make_output {
        /* Given at the start; all may be left empty. */
        const char *dir; /* of the kernel; paths below it are shown relative */
        void (*on_warning)(void *userdata, const char *line); /* each once, MAKE_WARNINGS_MAX at most */
        void *userdata;

        int64_t objects;        /* made so far */
        char *file;             /* that was named last; NULL before the first */
        uint64_t more_warnings; /* beyond those that were handed out */

        char *warnings[MAKE_WARNINGS_MAX];
        unsigned n_warnings;

        enum make_error worst;
        char *error;                     /* the first line of that kind */
        char *details[MAKE_DETAILS_MAX]; /* errors and what belongs to them, in order */
        unsigned n_details;
        bool following;  /* the last line was one of details' errors, or belongs to it */
        char *before[8]; /* lines that an error would belong to */
        unsigned n_before;
        char *recent[10]; /* the last that name no file: all there is when no line is known as an error */
        unsigned n_recent;
};

void make_output_done(struct make_output *m);

/* Take one line. Returns whether it named another file. Out of memory loses lines, nothing else. */
bool make_output_line(struct make_output *m, const char *line);

/* make ended with this status, which is not 0: what to tell. KT_E_BUILD when it is the source's fault; that
 * the disk is full is KT_E_IO, that memory ran out KT_E_INTERNAL. -errno.
 * The details stay the object's. */
int make_output_failure(const struct make_output *m, int status, struct kt_error *reterr);
