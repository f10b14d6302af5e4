/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "build_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../common/fsutil.h"
#include "../common/log.h"
#include "../proto/buildmsg.h"
#include "../proto/codec.h"
#include "../proto/errors.h"
#include "build_net.h"
#include "config.h"

#define FOLDER ".builds"
#define REQUEST "request.json"
#define HELPER_REQUEST "helper.json"
#define FORMAT 1
#define REQUEST_MAX (8U * 1024U * 1024U)
/* With a repository in it a kernel's has some 5 GiB. */
#define TARBALL_MAX (16ULL << 30)
/* More than any kernel has. */
#define OBJECTS_MAX 1000000U

/* For what is to be removed: a daemon that stops waits for it. */
#define REMOVE_PATIENCE_MS 15000
#define HELPER_POLL_MS 50

static int oom(struct kt_error *reterr)
{
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

static int io_error(int num, const char *what, const char *path, struct kt_error *reterr)
{
        if (num == -ENOMEM)
                return oom(reterr);
        if (num == -ENOSPC || num == -EDQUOT)
                return kt_error_set(reterr, num, KT_E_IO,
                                    "%s %s: no space left; make room, or remove a kernel with `ktstrctl "
                                    "kernel remove KEY`",
                                    what, path);
        return kt_error_set(reterr, num, KT_E_IO, "%s %s: %s", what, path, strerror(-num));
}

void build_dir_done(struct build_dir *dir)
{
        free(dir->path);
        free(dir->work);
        kt_closep(&dir->fd);
        kt_closep(&dir->lock_fd);
        *dir = BUILD_DIR_INIT;
}

/* --- the folder and its lock --- */

static int set_paths(struct build_dir *dir, const char *cache_dir, const char *id)
{
        dir->path = kt_format("%s/" FOLDER "/%s", cache_dir, id);
        dir->work = dir->path ? kt_path_join(dir->path, "work") : NULL;
        return dir->work ? 0 : -ENOMEM;
}

/* Only what is ours: who could write to it could have us build, or write, as anybody. */
static int open_own(struct build_dir *dir)
{
        struct stat st;

        dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir->fd < 0 || fstat(dir->fd, &st) < 0)
                return -errno;
        return st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : -EPERM;
}

static int take_lock(struct build_dir *dir)
{
        dir->lock_fd = openat(dir->fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (dir->lock_fd < 0)
                return -errno;
        if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        return 0;
}

static struct json_object *spec_json(const struct build_spec *spec, const struct build_owner *owner)
{
        struct json_object *o = json_object_new_object();

        kt_json_add_int(o, "format", FORMAT);
        kt_json_add_int(o, "uid", owner->uid);
        kt_json_add_int(o, "gid", owner->gid);
        kt_json_add_int(o, "submitted_us", owner->submitted_us);
        kt_json_add_str(o, "source", build_source_name(spec->source));
        kt_json_add_str(o, "version", spec->version);
        kt_json_add_str(o, "tarball_name", spec->tarball_name);
        kt_json_add_str(o, "tarball_path", spec->tarball_path);
        kt_json_add_str(o, "package", spec->package);
        kt_json_add_str(o, "git_url", spec->git_url);
        kt_json_add_str(o, "git_ref", spec->git_ref);
        kt_json_add_str(o, "tree", spec->tree);
        kt_json_add_str(o, "profile", kconfig_profile_name(spec->profile));
        kt_json_add_str(o, "extra_kconfig", spec->extra_kconfig);
        kt_json_add_bool(o, "force", spec->force);
        kt_json_add_bool(o, "clean", spec->clean);
        kt_json_add_int(o, "jobs", spec->jobs);
        return o;
}

static int write_json(int dir_fd, const char *name, struct json_object *o, mode_t mode)
{
        const char *text =
                json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

        return text ? kt_replace_file(dir_fd, name, text, strlen(text), mode) : -ENOMEM;
}

/* The folder is there: fill it. */
static int fill(struct build_dir *dir, const struct build_spec *spec, const struct build_owner *owner)
{
        _cleanup_json_ struct json_object *o = NULL;
        int r = open_own(dir);

        if (r >= 0)
                r = take_lock(dir);
        if (r < 0)
                return r;
        o = spec_json(spec, owner);
        return o ? write_json(dir->fd, REQUEST, o, 0600) : -ENOMEM;
}

int build_dir_make(const char *cache_dir, const char *id, const struct build_spec *spec,
                   const struct build_owner *owner, struct build_dir *ret, struct kt_error *reterr)
{
        _cleanup_free_ char *all = kt_path_join(cache_dir, FOLDER);
        struct build_dir dir = BUILD_DIR_INIT;
        int r = all ? set_paths(&dir, cache_dir, id) : -ENOMEM;

        if (r >= 0)
                r = kt_mkdir_p(AT_FDCWD, all, 0755);
        if (r >= 0 && mkdir(dir.path, 0711) < 0)
                r = -errno;
        else if (r >= 0) {
                r = fill(&dir, spec, owner);
                if (r < 0)
                        (void)kt_remove_tree(AT_FDCWD, dir.path);
        }
        if (r < 0) {
                io_error(r, "cannot make a folder to build in,", dir.path, reterr);
                build_dir_done(&dir);
                return r;
        }
        *ret = dir;
        return 0;
}

int build_dir_open(const char *cache_dir, const char *id, struct build_dir *ret, struct kt_error *reterr)
{
        struct build_dir dir = BUILD_DIR_INIT;
        int r = set_paths(&dir, cache_dir, id);

        if (r >= 0)
                r = open_own(&dir);
        if (r >= 0)
                r = take_lock(&dir);
        if (r < 0) {
                io_error(r, "cannot open", dir.path, reterr);
                build_dir_done(&dir);
                return r;
        }
        *ret = dir;
        return 0;
}

static int copy_text(struct json_object *o, const char *key, char **ret)
{
        const char *text = kt_json_str(o, key);

        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -ENOMEM : 0;
}

/* It is our own writing, so what does not fit means that it is damaged. */
static int read_spec(struct json_object *o, struct build_spec *spec)
{
        const char *source = kt_json_str(o, "source"), *profile = kt_json_str(o, "profile");
        bool known = false;

        for (int i = 0; source && i < _BUILD_SOURCE_MAX; i++)
                if (strcmp(source, build_source_name((enum build_source)i)) == 0) {
                        spec->source = (enum build_source)i;
                        known = true;
                }
        if (!known || !profile || kconfig_profile_from(profile, &spec->profile) < 0)
                return -EBADMSG;
        if (copy_text(o, "version", &spec->version) < 0 ||
            copy_text(o, "tarball_name", &spec->tarball_name) < 0 ||
            copy_text(o, "tarball_path", &spec->tarball_path) < 0 ||
            copy_text(o, "package", &spec->package) < 0 || copy_text(o, "git_url", &spec->git_url) < 0 ||
            copy_text(o, "git_ref", &spec->git_ref) < 0 || copy_text(o, "tree", &spec->tree) < 0 ||
            copy_text(o, "extra_kconfig", &spec->extra_kconfig) < 0)
                return -ENOMEM;
        spec->force = kt_json_bool(o, "force", false);
        spec->clean = kt_json_bool(o, "clean", false);
        spec->jobs = (unsigned)kt_json_int(o, "jobs", 0);
        if ((spec->source == BUILD_TARBALL && !spec->tarball_name) ||
            (spec->source == BUILD_PACKAGE && !spec->package) ||
            (spec->source == BUILD_GIT && (!spec->git_url || !spec->git_ref)) ||
            (spec->source == BUILD_TREE && !spec->tree))
                return -EBADMSG;
        return 0;
}

static bool is_there(const struct build_dir *dir, const char *name)
{
        struct stat st;

        return fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Can it be gone on with? */
static int check_source(const struct build_dir *dir, const struct build_spec *spec, struct kt_error *reterr)
{
        struct stat st;

        if (spec->source == BUILD_TARBALL && !spec->tarball_path && !is_there(dir, "tarball"))
                return kt_error_set(reterr, -EIO, KT_E_IO,
                                    "lost: %s was not taken over before ktstrd ended; build it again",
                                    spec->tarball_name);
        if (spec->source == BUILD_TREE && stat(spec->tree, &st) < 0 && errno == ENOENT)
                return kt_error_set(reterr, -EIO, KT_E_IO, "lost: %s is gone", spec->tree);
        return 0;
}

static int read_request(const struct build_dir *dir, struct build_spec *spec, struct build_owner *ret_owner)
{
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r = kt_read_file(dir->fd, REQUEST, REQUEST_MAX, &text, &size);

        if (r >= 0)
                r = kt_json_parse(text, size, &o, NULL);
        if (r < 0)
                return r;
        if (!json_object_is_type(o, json_type_object) || kt_json_int(o, "format", 0) != FORMAT)
                return -EBADMSG;
        *ret_owner = (struct build_owner){.uid = (uid_t)kt_json_int(o, "uid", 0),
                                          .gid = (gid_t)kt_json_int(o, "gid", 0),
                                          .submitted_us = kt_json_int(o, "submitted_us", 0)};
        return read_spec(o, spec);
}

int build_dir_read(const struct build_dir *dir, struct build_spec **ret, struct build_owner *ret_owner,
                   struct kt_error *reterr)
{
        struct build_spec *spec = build_spec_new();
        int r = spec ? read_request(dir, spec, ret_owner) : -ENOMEM;

        if (r >= 0)
                r = check_source(dir, spec, reterr);
        else if (r == -ENOENT || r == -ENOMEM)
                io_error(r, "cannot read the request in", dir->path, reterr);
        else
                r = kt_error_set(reterr, -EBADMSG, KT_E_IO,
                                 "lost: %s/" REQUEST " is damaged; build it again", dir->path);
        if (r < 0)
                build_spec_free(spec);
        else
                *ret = spec;
        return r;
}

char **build_dir_list(const char *cache_dir)
{
        _cleanup_free_ char *all = kt_path_join(cache_dir, FOLDER);
        _cleanup_closedir_ DIR *dir = all ? opendir(all) : NULL;
        char **ids = NULL;
        struct dirent *e;
        size_t n = 0;

        while (dir && (e = readdir(dir))) {
                char **grown;

                if (e->d_name[0] == '.')
                        continue;
                grown = realloc(ids, (n + 2) * sizeof(*ids));
                if (!grown)
                        break;
                ids = grown;
                ids[n] = strdup(e->d_name);
                ids[n + 1] = NULL;
                if (!ids[n])
                        break;
                n++;
        }
        return ids;
}

void build_dir_list_free(char **ids)
{
        for (char **id = ids; id && *id; id++)
                free(*id);
        free(ids);
}

/* --- what the helper starts from --- */

static struct json_object *source_json(const struct build_dir *dir, const struct build_spec *spec)
{
        struct json_object *o = json_object_new_object();
        _cleanup_free_ char *tarball = kt_path_join(dir->path, "tarball");

        kt_json_add_str(o, "kind", build_source_name(spec->source));
        switch (spec->source) {
        case BUILD_VERSION:
                kt_json_add_str(o, "version", spec->version);
                break;
        case BUILD_TARBALL:
                kt_json_add_str(o, "path", tarball);
                kt_json_add_str(o, "name", spec->tarball_name);
                break;
        case BUILD_PACKAGE:
                kt_json_add_str(o, "name", spec->package);
                break;
        case BUILD_GIT:
                kt_json_add_str(o, "url", spec->git_url);
                kt_json_add_str(o, "ref", spec->git_ref);
                break;
        default:
                kt_json_add_str(o, "path", spec->tree);
        }
        return o;
}

bool build_dir_has_compiled(const struct build_dir *dir)
{
        return is_there(dir, "compiling");
}

static char *objects_path(const char *cache_dir, enum kconfig_profile profile)
{
        return kt_format("%s/" FOLDER "/.objects-%s", cache_dir, kconfig_profile_name(profile));
}

unsigned build_objects_known(const char *cache_dir, enum kconfig_profile profile)
{
        _cleanup_free_ char *path = objects_path(cache_dir, profile), *text = NULL;
        unsigned n = 0;

        if (!path || kt_read_file(AT_FDCWD, path, 64, &text, NULL) < 0 || sscanf(text, "%u", &n) != 1)
                return 0;
        return n < OBJECTS_MAX ? n : 0;
}

void build_objects_note(const char *cache_dir, enum kconfig_profile profile, unsigned n)
{
        _cleanup_free_ char *path = objects_path(cache_dir, profile);
        _cleanup_close_ int dir = -1;
        char text[16], *slash;
        int size;

        if (!path || n == 0 || n >= OBJECTS_MAX)
                return;
        slash = strrchr(path, '/');
        *slash = '\0';
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        size = snprintf(text, sizeof(text), "%u\n", n);
        /* Without it there is no percentage, and no harm. */
        if (dir >= 0)
                (void)kt_replace_file(dir, slash + 1, text, (size_t)size, 0644);
}

static struct json_object *helper_json(const struct build_dir *dir, const struct config *config,
                                       const struct build_spec *spec, unsigned jobs)
{
        struct json_object *o = json_object_new_object();

        kt_json_add(o, "source", source_json(dir, spec));
        kt_json_add_str(o, "profile", kconfig_profile_name(spec->profile));
        kt_json_add_str(o, "extra_kconfig", spec->extra_kconfig);
        kt_json_add_bool(o, "clean", spec->clean && !build_dir_has_compiled(dir));
        kt_json_add_int(o, "jobs", spec->jobs ? spec->jobs : jobs);
        kt_json_add_int(o, "objects", build_objects_known(config->cache_dir, spec->profile));
        kt_json_add_str(o, "work", dir->work);
        kt_json_add(o, "net", build_net(config));
        return o;
}

static int give(const struct build_dir *dir, const char *name, const struct build_identity *identity)
{
        if (!identity->becomes)
                return 0;
        return fchownat(dir->fd, name, identity->user.uid, identity->user.gid, AT_SYMLINK_NOFOLLOW) < 0
                       ? -errno
                       : 0;
}

/* What an earlier helper left is the next one's only when both are the same user. */
static int make_work(const struct build_dir *dir, const struct build_identity *identity)
{
        const uid_t uid = identity->becomes ? identity->user.uid : geteuid();
        struct stat st;
        int r;

        if (fstatat(dir->fd, "work", &st, AT_SYMLINK_NOFOLLOW) == 0) {
                if (S_ISDIR(st.st_mode) && st.st_uid == uid)
                        return 0;
                r = kt_remove_tree(dir->fd, "work");
                if (r < 0)
                        return r;
        }
        if (mkdirat(dir->fd, "work", 0700) < 0)
                return -errno;
        return give(dir, "work", identity);
}

static int copy_tarball(const struct build_dir *dir, const struct build_spec *spec,
                        const struct build_owner *owner, struct kt_error *reterr)
{
        const struct kernel_caller caller = {owner->uid, owner->gid};
        _cleanup_close_ int opened = -1, to = -1;
        int from = spec->tarball_fd, r;
        struct stat st;

        if (from < 0)
                from = opened = kernel_open(&caller, AT_FDCWD, spec->tarball_path, reterr);
        if (from < 0)
                return from;
        if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_KERNEL, "%s is no file", spec->tarball_name);
        to = openat(dir->fd, "tarball.part", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        r = to < 0 || lseek(from, 0, SEEK_SET) < 0 ? -errno : kt_copy_fd(from, to, TARBALL_MAX, NULL);
        if (r == -EFBIG) {
                unlinkat(dir->fd, "tarball.part", 0);
                return kt_error_set(reterr, r, KT_E_BAD_KERNEL,
                                    "%s is larger than %llu GiB: no kernel's source is", spec->tarball_name,
                                    TARBALL_MAX >> 30);
        }
        if (r >= 0 && renameat(dir->fd, "tarball.part", dir->fd, "tarball") < 0)
                r = -errno;
        return r < 0 ? io_error(r, "cannot copy the tarball into", dir->path, reterr) : 0;
}

int build_dir_prepare(const struct build_dir *dir, const struct config *config,
                      const struct build_spec *spec, const struct build_owner *owner,
                      const struct build_identity *identity, unsigned jobs, char **ret_request,
                      struct kt_error *reterr)
{
        _cleanup_json_ struct json_object *o = NULL;
        _cleanup_free_ char *path = kt_path_join(dir->path, HELPER_REQUEST);
        int r = path ? make_work(dir, identity) : -ENOMEM;

        if (r < 0)
                return io_error(r, "cannot make", dir->work, reterr);
        if (spec->source == BUILD_TARBALL) {
                r = is_there(dir, "tarball") ? 0 : copy_tarball(dir, spec, owner, reterr);
                if (r < 0)
                        return r;
                r = give(dir, "tarball", identity);
                if (r < 0)
                        return io_error(r, "cannot hand over the tarball in", dir->path, reterr);
        }
        o = helper_json(dir, config, spec, jobs);
        r = o ? write_json(dir->fd, HELPER_REQUEST, o, 0600) : -ENOMEM;
        if (r >= 0)
                r = give(dir, HELPER_REQUEST, identity);
        if (r < 0)
                return io_error(r, "cannot write", path, reterr);
        *ret_request = TAKE_PTR(path);
        return 0;
}

/* --- what the helper leaves --- */

static void sleep_ms(unsigned ms)
{
        const struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000L};

        nanosleep(&ts, NULL);
}

int build_dir_lock_helper(const struct build_dir *dir, unsigned patience_ms, const atomic_bool *give_up,
                          int *ret_fd, struct kt_error *reterr)
{
        _cleanup_close_ int fd =
                openat(dir->fd, "helper.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return io_error(-errno, "cannot open helper.lock in", dir->path, reterr);
        for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += HELPER_POLL_MS) {
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return io_error(-errno, "cannot lock helper.lock in", dir->path, reterr);
                if (give_up && atomic_load(give_up))
                        return kt_error_set(reterr, -ECANCELED, KT_E_INTERNAL, "cancelled");
                if (waited >= patience_ms)
                        return kt_error_set(reterr, -ETIMEDOUT, KT_E_IO,
                                            "something of an earlier build in %s has not ended for %u s",
                                            dir->path, patience_ms / 1000);
                sleep_ms(HELPER_POLL_MS);
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

void build_dir_note_compiling(const struct build_dir *dir)
{
        int fd = openat(dir->fd, "compiling", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

        /* Without it a build that is gone on with is cleaned once more, and only takes longer. */
        kt_closep(&fd);
}

void build_dir_forget(const struct build_dir *dir)
{
        if (unlinkat(dir->fd, REQUEST, 0) < 0 && errno != ENOENT)
                kt_log_warning("cannot remove %s/" REQUEST ": %s", dir->path, strerror(errno));
}

void build_dir_remove(const struct build_dir *dir)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        _cleanup_close_ int helper = -1;
        int r = build_dir_lock_helper(dir, REMOVE_PATIENCE_MS, NULL, &helper, &err);

        if (r < 0)
                kt_log_warning("%s", kt_error_text(&err));
        /* What is large first, and only then the lock: who looks meanwhile sees that it is had. */
        (void)kt_remove_tree(dir->fd, "work");
        r = kt_remove_tree(AT_FDCWD, dir->path);
        if (r < 0)
                kt_log_warning("cannot remove %s: %s", dir->path, strerror(-r));
}
