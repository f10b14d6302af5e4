/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "function_name.h"

#include "limits.h"

static bool begins_a_name(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool kt_function_name_is_sound(const char *name, size_t len)
{
        if (len == 0 || len > KT_TRACE_FUNCTION_BYTES_MAX || !begins_a_name(*name))
                return false;
        for (size_t i = 1; i < len; i++)
                if (!begins_a_name(name[i]) && !(name[i] >= '0' && name[i] <= '9') && name[i] != '.')
                        return false;
        return true;
}
