/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exit_status.h"

#include <stddef.h>
#include <string.h>

#include "../common/cleanup.h"
#include "../proto/errors.h"

int exit_status_of_verdict(const char *verdict)
{
        static const struct {
                const char *verdict;
                int status;
        } table[] = {
                {"pass", EXIT_STATUS_PASS},           {"skip", EXIT_STATUS_PASS},
                {"fail", EXIT_STATUS_FAIL},           {"inconclusive", EXIT_STATUS_INCONCLUSIVE},
                {"cancelled", EXIT_STATUS_CANCELLED},
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(table); i++)
                if (strcmp(verdict, table[i].verdict) == 0)
                        return table[i].status;
        return EXIT_STATUS_HARNESS;
}

int exit_status_of_error(const char *name)
{
        static const char *const typed_wrong[] = {
                KT_E_INVALID_PARAMETER, KT_E_BAD_TOPOLOGY,      KT_E_NEVER_FITS,     KT_E_UNKNOWN_SCENARIO,
                KT_E_BAD_SCHEDULER,     KT_E_LIBRARY_NOT_FOUND, KT_E_BAD_FILE,       KT_E_NO_SUCH_KERNEL,
                KT_E_BAD_KERNEL,        KT_E_NO_SUCH_JOB,       KT_E_ACCEL_UNUSABLE, KT_E_KERNEL_UNSUITABLE,
                KT_E_PERMISSION_DENIED, KT_E_NO_SUCH_SHAPE,
        };

        for (size_t i = 0; i < KT_ARRAY_SIZE(typed_wrong); i++)
                if (strcmp(name, typed_wrong[i]) == 0)
                        return EXIT_STATUS_USAGE;
        if (strcmp(name, KT_E_BUSY) == 0 || strcmp(name, KT_E_SHUTTING_DOWN) == 0)
                return EXIT_STATUS_NO_DAEMON;
        return EXIT_STATUS_HARNESS;
}

int exit_status_of_end(const char *verdict, const char *error)
{
        if (error && exit_status_of_error(error) == EXIT_STATUS_USAGE)
                return EXIT_STATUS_USAGE;
        return exit_status_of_verdict(verdict);
}

int exit_status_worse(int a, int b)
{
        static const int worst_first[] = {EXIT_STATUS_USAGE,   EXIT_STATUS_NO_DAEMON,
                                          EXIT_STATUS_HARNESS, EXIT_STATUS_CANCELLED,
                                          EXIT_STATUS_FAIL,    EXIT_STATUS_INCONCLUSIVE};

        for (size_t i = 0; i < KT_ARRAY_SIZE(worst_first); i++)
                if (a == worst_first[i] || b == worst_first[i])
                        return worst_first[i];
        return EXIT_STATUS_PASS;
}
