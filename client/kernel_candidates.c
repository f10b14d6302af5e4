/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel_candidates.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"

static bool is_file(const char *path)
{
        struct stat st;

        return path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_built_tree(const char *path)
{
        _cleanup_free_ char *elf = kt_path_join(path, "vmlinux"),
                            *image = kt_path_join(path, "arch/x86/boot/bzImage");

        return is_file(elf) || is_file(image);
}

void kernel_candidates_free(char **paths)
{
        for (char **p = paths; p && *p; p++)
                free(*p);
        free(paths);
}

char **kernel_candidates(const char *here, const char *root, const char *release)
{
        const struct {
                char *path;
                bool tree;
        } all[] = {
                {kt_format("%s/linux", here), true},
                /* By its shorter name, which is what is said of it. */
                {here[0] == '.' && !here[1] ? kt_format("../linux") : kt_format("%s/../linux", here), true},
                {kt_format("%s/lib/modules/%s/build", root, release), true},
                {kt_format("%s/lib/modules/%s/vmlinuz", root, release), false},
                {kt_format("%s/boot/vmlinuz-%s", root, release), false},
                {kt_format("%s/boot/vmlinuz", root), false},
        };
        char **found = calloc(KT_ARRAY_SIZE(all) + 1, sizeof(char *));
        size_t n = 0;

        for (size_t i = 0; i < KT_ARRAY_SIZE(all); i++) {
                if (found && all[i].path &&
                    (all[i].tree ? is_built_tree(all[i].path) : is_file(all[i].path)))
                        found[n++] = all[i].path;
                else
                        free(all[i].path);
        }
        return found;
}
