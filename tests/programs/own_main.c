/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program with a main() of its own, which is the one that is linked. */
#include <stdio.h>
#include <string.h>

#include <ktstr.h>

KTSTR_TEST(of_own_main)
{
        return KTSTR_PASS;
}

int main(int argc, char **argv)
{
        if (argc == 2 && strcmp(argv[1], "--own") == 0)
                return puts("own") < 0;
        return ktstr_main(argc, argv);
}
