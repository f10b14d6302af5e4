/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../common/search_path.h"

/* Its absolute path, malloced; NULL when there is none in PATH. */
static char *find_program(const char *name)
{
        char *file = kt_search_path(name, X_OK);

        if (file && *file == '/')
                return file;
        free(file);
        return NULL;
}

static bool has_user_manager(void)
{
        const char *dir = getenv("XDG_RUNTIME_DIR");
        _cleanup_free_ char *path = dir && *dir == '/' ? kt_path_join(dir, "systemd/private") : NULL;

        return path && access(path, F_OK) == 0;
}

unsigned build_scope_jobs(unsigned quota, unsigned cpus)
{
        const unsigned jobs = (unsigned)(((unsigned long long)quota * cpus + 99) / 100);

        return jobs > 0 ? jobs : 1;
}

/* Takes program. */
static int make_prefix(struct build_scope *s, char *program, unsigned quota)
{
        char *words[] = {
                program,
                strdup(s->user ? "--user" : "--system"),
                strdup("--scope"),
                strdup("--quiet"),
                strdup("--collect"),
                kt_format("--unit=%s", s->unit),
                strdup("-p"),
                strdup("CPUWeight=idle"),
                strdup("-p"),
                kt_format("CPUQuota=%u%%", quota),
                strdup("--"),
        };
        bool complete = true;

        s->prefix = calloc(KT_ARRAY_SIZE(words) + 1, sizeof(char *));
        for (size_t i = 0; i < KT_ARRAY_SIZE(words); i++)
                complete = complete && words[i];
        if (s->prefix && complete) {
                memcpy(s->prefix, words, sizeof(words));
                return 0;
        }
        for (size_t i = 0; i < KT_ARRAY_SIZE(words); i++)
                free(words[i]);
        return -ENOMEM;
}

int build_scope_find(const char *job, bool private_mode, unsigned quota, unsigned cpus,
                     struct build_scope *ret)
{
        const bool own = geteuid() != 0 || private_mode;
        struct build_scope s = {.user = own && has_user_manager()};
        _cleanup_free_ char *program = NULL;
        const char *why = NULL;
        int r = 0;

        if (!s.user && (geteuid() != 0 || sd_booted() <= 0))
                why = "no systemd here";
        else if (!(program = find_program("systemd-run")))
                why = "no systemd-run here";
        if (why) {
                s.why = strdup(why);
                r = s.why ? 0 : -ENOMEM;
        } else {
                s.unit = kt_format("ktstrd-build-%s.scope", job);
                r = s.unit ? make_prefix(&s, TAKE_PTR(program), quota * cpus) : -ENOMEM;
        }
        if (r < 0)
                build_scope_done(&s);
        else
                *ret = s;
        return r;
}

void build_scope_done(struct build_scope *s)
{
        for (char **w = s->prefix; w && *w; w++)
                free(*w);
        free(s->prefix);
        free(s->unit);
        free(s->why);
        *s = (struct build_scope){};
}

void build_scope_kill(const struct build_scope *s)
{
        _cleanup_free_ char *program = s->unit ? find_program("systemctl") : NULL;
        char *argv[] = {program,        (char *)(s->user ? "--user" : "--system"),
                        (char *)"kill", (char *)"--signal=SIGKILL",
                        s->unit,        NULL};
        posix_spawn_file_actions_t actions;
        pid_t pid;

        if (!program || posix_spawn_file_actions_init(&actions) != 0)
                return;
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        if (posix_spawn(&pid, program, &actions, NULL, argv, environ) == 0)
                while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        posix_spawn_file_actions_destroy(&actions);
}
