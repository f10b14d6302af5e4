/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The body: the process in the guest in which a test's function runs. It hears from the agent what the test
 * is, runs the function, and says what came of it (proto/bodymsg.h).
 */

#include "../include/ktstr.h"

/*
 * Be the body: fd is its end of the conversation (taken over), func the test's or the scenario's function,
 * test its declaration or NULL. To be called in a process of its own. Returns what that has to _exit() with:
 * 0 when the result was said, whatever it is; else 1, with a line on stderr.
 */
int ktstr_body_main(int fd, enum ktstr_outcome (*func)(struct ktstr_ctx *ctx),
                    const struct ktstr_test *test);
