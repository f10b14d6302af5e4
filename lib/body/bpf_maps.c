/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bpf_maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../common/cleanup.h"
#include "../../common/fsutil.h"

#define TEXT_MAX 4096U
#define BTF_MAX (64U << 20)
/* Wrappers of wrappers. */
#define ANCESTORS_MAX 32

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
        long r = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

        return r < 0 ? -errno : (int)r;
}

static int info_of(int fd, void *info, uint32_t size)
{
        union bpf_attr attr = {.info = {.bpf_fd = (uint32_t)fd, .info_len = size, .info = (uintptr_t)info}};

        return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

/* --- types --- */

static int read_btf(uint32_t id, void **ret, uint32_t *ret_size)
{
        union bpf_attr attr = {.btf_id = id};
        _cleanup_close_ int fd = bpf(BPF_BTF_GET_FD_BY_ID, &attr);
        struct bpf_btf_info info = {};
        _cleanup_free_ void *data = NULL;
        int r = fd < 0 ? fd : info_of(fd, &info, sizeof(info));

        if (r < 0)
                return r;
        if (info.btf_size > BTF_MAX)
                return -EFBIG;
        data = malloc(info.btf_size);
        if (!data)
                return -ENOMEM;
        *ret_size = info.btf_size;
        info = (struct bpf_btf_info){.btf = (uintptr_t)data, .btf_size = *ret_size};
        r = info_of(fd, &info, sizeof(info));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(data);
        return 0;
}

/* The types with this id, which are read once. */
static int object_of(struct bpf_maps *m, uint32_t btf_id, size_t *ret, struct kt_error *reterr)
{
        struct bpf_object *list, object = {.id = btf_id};
        uint32_t size;
        int r;

        for (*ret = 0; *ret < m->n_objects; (*ret)++)
                if (m->objects[*ret].id == btf_id)
                        return 0;
        r = read_btf(btf_id, &object.data, &size);
        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot read the types of its program (BTF): %s",
                                    strerror(-r));
        r = bpf_types_open(object.data, size, &object.types, reterr);
        list = r < 0 ? NULL : realloc(m->objects, (m->n_objects + 1) * sizeof(*list));
        if (!list) {
                bpf_types_done(&object.types);
                free(object.data);
                return r < 0 ? r : kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        }
        m->objects = list;
        m->objects[m->n_objects++] = object;
        return 0;
}

/* --- maps --- */

static bool is_known(const struct bpf_maps *m, uint32_t id)
{
        for (size_t i = 0; i < m->n; i++)
                if (m->list[i].id == id)
                        return true;
        return false;
}

/* Takes fd over. */
static int add_map(struct bpf_maps *m, int fd, uint32_t id, struct kt_error *reterr)
{
        _cleanup_close_ int owned = fd;
        struct bpf_map_info info = {};
        struct bpf_map map = {.id = id}, *list;
        int r = info_of(fd, &info, sizeof(info));

        if (r < 0)
                return kt_error_set(reterr, r, NULL, "cannot ask for BPF map %u: %s", id, strerror(-r));
        if (info.type != BPF_MAP_TYPE_ARRAY || info.max_entries != 1 || !info.btf_id)
                return 0;
        r = object_of(m, info.btf_id, &map.object, reterr);
        if (r < 0)
                return r;
        map.section = bpf_types_section(&m->objects[map.object].types, info.btf_value_type_id);
        if (!map.section)
                return 0;
        memcpy(map.name, info.name, sizeof(map.name) - 1);
        map.section_type = info.btf_value_type_id;
        map.size = info.value_size;
        map.is_constant = info.map_flags & BPF_F_RDONLY_PROG;
        map.is_mmapable = info.map_flags & BPF_F_MMAPABLE;
        list = realloc(m->list, (m->n + 1) * sizeof(*list));
        if (!list)
                return kt_error_set(reterr, -ENOMEM, NULL, "%s", strerror(ENOMEM));
        map.fd = TAKE_FD(owned);
        m->list = list;
        m->list[m->n++] = map;
        return 0;
}

/* The map that a descriptor of a process is; false: it is none. */
static bool map_id_of(int fds, int infos, const char *fd, uint32_t *ret)
{
        _cleanup_free_ char *text = NULL;
        char target[64];
        ssize_t n = readlinkat(fds, fd, target, sizeof(target) - 1);
        const char *line;
        size_t size;

        if (n < 0)
                return false;
        target[n] = '\0';
        if (!strstr(target, "bpf-map") || kt_read_file(infos, fd, TEXT_MAX, &text, &size) < 0)
                return false;
        line = strstr(text, "\nmap_id:");
        return line && sscanf(line, "\nmap_id: %u", ret) == 1;
}

/* Those of one process. One that is not there has none. */
static int look_at(struct bpf_maps *m, pid_t pid, struct kt_error *reterr)
{
        _cleanup_free_ char *fds_path = kt_format("/proc/%d/fd", (int)pid),
                            *infos_path = kt_format("/proc/%d/fdinfo", (int)pid);
        _cleanup_closedir_ DIR *fds = fds_path ? opendir(fds_path) : NULL;
        _cleanup_close_ int infos = infos_path ? open(infos_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        struct dirent *entry;

        while (fds && infos >= 0 && (entry = readdir(fds))) {
                union bpf_attr attr = {};
                int fd, r;

                if (!map_id_of(dirfd(fds), infos, entry->d_name, &attr.map_id) || is_known(m, attr.map_id))
                        continue;
                fd = bpf(BPF_MAP_GET_FD_BY_ID, &attr);
                if (fd == -ENOENT)
                        continue; /* it was closed meanwhile */
                r = fd < 0 ? kt_error_set(reterr, fd, NULL, "cannot open BPF map %u: %s", attr.map_id,
                                          strerror(-fd))
                           : add_map(m, fd, attr.map_id, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- processes --- */

/* 0: it has none, or is not there. */
static pid_t parent_of(pid_t pid)
{
        _cleanup_free_ char *path = kt_format("/proc/%d/stat", (int)pid), *text = NULL;
        const char *end;
        size_t size;
        int parent;

        if (!path || kt_read_file(AT_FDCWD, path, TEXT_MAX, &text, &size) < 0)
                return 0;
        end = strrchr(text, ')');
        return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* Of its group, as agents start schedulers, or a child of a child of … it. */
static bool is_of(pid_t pid, pid_t first)
{
        if (getpgid(pid) == first)
                return true;
        for (int i = 0; i < ANCESTORS_MAX && pid > 1 && pid != first; i++)
                pid = parent_of(pid);
        return pid == first;
}

static int look_at_all_of(struct bpf_maps *m, pid_t first, struct kt_error *reterr)
{
        _cleanup_closedir_ DIR *proc = opendir("/proc");
        struct dirent *entry;
        int r = 0;

        while (r >= 0 && proc && (entry = readdir(proc))) {
                pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

                if (pid > 1 && pid != first && is_of(pid, first))
                        r = look_at(m, pid, reterr);
        }
        return r;
}

int bpf_maps_of(pid_t pid, struct bpf_maps *ret, struct kt_error *reterr)
{
        struct bpf_maps m = {};
        int r = look_at(&m, pid, reterr);

        if (r >= 0 && m.n == 0)
                r = look_at_all_of(&m, pid, reterr);
        if (r < 0)
                bpf_maps_done(&m);
        else
                *ret = m;
        return r;
}

void bpf_maps_done(struct bpf_maps *m)
{
        for (size_t i = 0; i < m->n; i++)
                close(m->list[i].fd);
        for (size_t i = 0; i < m->n_objects; i++) {
                bpf_types_done(&m->objects[i].types);
                free(m->objects[i].data);
        }
        free(m->list);
        free(m->objects);
        *m = (struct bpf_maps){};
}
