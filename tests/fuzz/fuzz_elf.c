/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Programs and libraries as a user may name them. */

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

#include "../../common/elf_object.h"
#include "../../common/fsutil.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_close_ int fd = memfd_create("elf", MFD_CLOEXEC);
        struct kt_elf_object object;
        const char *problem;
        int r;

        assert(fd >= 0);
        assert(kt_write_all(fd, data, size) == 0);
        r = kt_elf_object_read(fd, &object, &problem);
        if (r == 0)
                kt_elf_object_done(&object);
        else
                assert(r != -ENOEXEC || problem);
        return 0;
}
