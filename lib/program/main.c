/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The main() of a program that has none. Alone in its file: the linker takes it out of the library only
 * then. */
#include "../include/ktstr.h"

int main(int argc, char **argv);

int main(int argc, char **argv)
{
        return ktstr_main(argc, argv);
}
