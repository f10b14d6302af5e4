/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config_places.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/elf_object.h"
#include "../common/fsutil.h"
#include "../common/sockpath.h"
#include "../proto/buildmsg.h"

#include <build_config.h>

/* One of our own programs: beside us in the build tree, else where it was installed. */
static char *own_program(const char *dir, const char *in_tree, const char *name)
{
        char *path = kt_format("%s/%s", dir, in_tree);

        if (path && access(path, X_OK) == 0)
                return path;
        free(path);
        return kt_path_join(KT_LIBEXEC_DIR, name);
}

/* One that is linked to libraries runs in no guest: they are not taken along for it. */
static bool is_static_program(const char *path)
{
        _cleanup_close_ int fd = access(path, X_OK) == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        struct kt_elf_object object;
        const char *problem;
        bool is;

        if (fd < 0 || kt_elf_object_read(fd, &object, &problem) < 0)
                return false;
        is = object.native && !object.interpreter;
        kt_elf_object_done(&object);
        return is;
}

/* Installed with us, unpacked for the build, or the distribution's own. */
static char *find_busybox(void)
{
        const char *const places[] = {KT_LIBEXEC_DIR "/busybox", KT_BUSYBOX, "/usr/bin/busybox",
                                      "/bin/busybox"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(places); i++)
                if (*places[i] && is_static_program(places[i]))
                        return strdup(places[i]);
        return NULL;
}

/* Its only use is in a guest, with the agent that it was built with. */
static char *find_rehearsal(const char *agent)
{
        const char *slash = strrchr(agent, '/');
        char *path = kt_format("%.*sktstr-rehearsal", slash ? (int)(slash - agent + 1) : 0, agent);

        if (path && access(path, X_OK) == 0)
                return path;
        free(path);
        return NULL;
}

int config_fill_programs(struct config *c)
{
        char exe[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

        exe[n < 0 ? 0 : n] = '\0';
        char *slash = strrchr(exe, '/');
        if (slash)
                *slash = '\0';
        if (!c->agent_path)
                c->agent_path = own_program(exe, "../guest/ktstr-guest", "ktstr-guest");
        if (!c->exec_helper)
                c->exec_helper = own_program(exe, "ktstrd-exec", "ktstrd-exec");
        if (!c->builder_path)
                c->builder_path = own_program(exe, "../builder/" BUILD_PROGRAM, BUILD_PROGRAM);
        if (!c->busybox_path)
                c->busybox_path = find_busybox();
        if (c->agent_path)
                c->rehearsal_path = find_rehearsal(c->agent_path);
        return c->agent_path && c->exec_helper && c->builder_path ? 0 : -ENOMEM;
}

/* Beside the kernels, where these have a folder in the cache. */
static char *default_template_dir(const char *cache_dir)
{
        static const char kernels[] = "/kernels";
        size_t n = strlen(cache_dir), tail = strlen(kernels);

        while (n > 1 && cache_dir[n - 1] == '/')
                n--;
        if (n >= tail && strncmp(cache_dir + n - tail, kernels, tail) == 0)
                return kt_format("%.*s/templates", (int)(n - tail), cache_dir);
        return kt_path_join(cache_dir, ".templates");
}

int config_fill_folders(struct config *c, struct kt_error *reterr)
{
        const char *dir;
        int r = 0;

        dir = getenv("CACHE_DIRECTORY");
        if (!c->cache_dir && dir)
                c->cache_dir = kt_path_join(dir, "kernels");
        else if (!c->cache_dir)
                r = kt_cache_dir(&c->cache_dir, reterr);
        if (r < 0)
                return r;
        if (!c->template_dir && c->cache_dir)
                c->template_dir = default_template_dir(c->cache_dir);
        dir = getenv("STATE_DIRECTORY");
        if (!c->state_dir && dir)
                c->state_dir = strdup(dir);
        else if (!c->state_dir)
                r = kt_state_dir(&c->state_dir, reterr);
        if (r < 0)
                return r;
        return c->cache_dir && c->template_dir && c->state_dir ? 0 : -ENOMEM;
}

int config_fill_socket(struct config *c, struct kt_error *reterr)
{
        _cleanup_free_ char *runtime = NULL;
        const char *dir = getenv("RUNTIME_DIRECTORY");
        int r = 0;

        if (dir)
                runtime = strdup(dir);
        else if (!c->socket_path)
                r = kt_user_runtime_dir(true, &runtime, reterr);
        if (r < 0)
                return r;
        if (!c->socket_path && runtime)
                c->socket_path = kt_path_join(runtime, KT_SOCKET_NAME);
        /* Of one daemon, as the socket is. */
        if (!c->run_dir && c->socket_path)
                c->run_dir = kt_format("%s.guests", c->socket_path);
        return c->socket_path && c->run_dir ? 0 : -ENOMEM;
}
