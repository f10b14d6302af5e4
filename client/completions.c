/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "simple.h"

#include "completions_bash.h"

static const char usage[] =
        "ktstrctl completions bash\n"
        "Print what makes bash complete ktstrctl's words: source <(ktstrctl completions bash)\n";

static int run(int argc, char **argv, struct globals *g)
{
        int status = simple_options(&verb_completions, argc, argv, g);

        if (status >= 0)
                return status;
        if (optind + 1 != argc || strcmp(argv[optind], "bash") != 0)
                return verb_usage_error(&verb_completions, "there is: bash");
        fwrite(completions_bash, 1, sizeof(completions_bash), stdout);
        return 0;
}

const struct verb verb_completions = {"completions", "for the shell", usage, run};
