/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/guestmsg.h"

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

int bundle_init(struct bundle *b, struct kt_error *reterr)
{
        *b = (struct bundle){.artifacts = json_object_new_array()};
        return b->artifacts ? 0 : oom(reterr);
}

void bundle_done(struct bundle *b)
{
        for (size_t i = 0; i < b->n; i++)
                close(b->fds[i]);
        free(b->fds);
        json_object_put(b->artifacts);
        *b = (struct bundle){};
}

int bundle_add_fd(struct bundle *b, int fd, struct kt_error *reterr)
{
        int *grown = realloc(b->fds, (b->n + 1) * sizeof(int));

        if (!grown) {
                close(fd);
                return oom(reterr);
        }
        b->fds = grown;
        b->fds[b->n] = fd;
        return (int)b->n++;
}

static bool has(const struct bundle *b, const char *guest_path)
{
        for (size_t i = 0; i < json_object_array_length(b->artifacts); i++)
                if (strcmp(kt_json_str(json_object_array_get_idx(b->artifacts, i), "guest_path"),
                           guest_path) == 0)
                        return true;
        return false;
}

int bundle_add(struct bundle *b, const char *guest_path, int fd, mode_t mode, struct kt_error *reterr)
{
        struct json_object *o;
        int index;

        if (has(b, guest_path)) {
                close(fd);
                return kt_error_set(reterr, -EEXIST, KT_E_BAD_FILE,
                                    "duplicate: two files would become %s in the guest", guest_path);
        }
        index = bundle_add_fd(b, fd, reterr);
        if (index < 0)
                return index;
        o = json_object_new_object();
        if (!o || json_object_array_add(b->artifacts, o) < 0)
                return oom(reterr);
        kt_json_add_str(o, "guest_path", guest_path);
        kt_json_add_int(o, "file_fd", index);
        kt_json_add_int(o, "mode", mode & 07777);
        return 0;
}

int bundle_add_libraries(struct bundle *b, struct kt_elf_deps *deps, struct kt_error *reterr)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < deps->n_files; i++) {
                struct kt_elf_file *f = &deps->files[i];
                _cleanup_free_ char *path =
                        f->name[0] == '/' ? strdup(f->name) : kt_path_join(KT_GUEST_LIB_DIR, f->name);

                if (!path)
                        return oom(reterr);
                if (!has(b, path))
                        r = bundle_add(b, path, TAKE_FD(f->fd), 0755, reterr);
        }
        return r;
}
