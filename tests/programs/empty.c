/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Declares nothing, has no main(), and takes all that the header has. */
#include <ktstr.h>
