/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timeout_override.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/cleanup.h"
#include "../proto/bodymsg.h"
#include "../proto/codec.h"
#include "../proto/limits.h"
#include "ops_layout.h"
#include "spawn.h"

/* A pidfd of any thread: a task that calls is told by its own id, and need not be the first of its process.
 * Linux 6.9, and so any with sched_ext. */
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* What counts more comes later: a scheduler may hand over its ops more than once. */
enum timeout_state {
        TIMEOUT_NOT_SEEN,
        TIMEOUT_KEPT,
        TIMEOUT_REPLACED,
        TIMEOUT_NO_FILTER,
        TIMEOUT_NO_LAYOUT,
        TIMEOUT_NO_ACCESS,
        TIMEOUT_NO_SUPERVISOR,
};

/* Shared with the supervisors, which write it before the scheduler goes on. */
struct timeout_found {
        enum timeout_state state;
        int error;
        uint32_t own_ms;
};

void timeout_override_init(struct timeout_override *o, struct json_object *wish)
{
        int64_t timeout_ms = wish ? kt_json_int(wish, "timeout_ms", 0) : 0;

        *o = (struct timeout_override){};
        if (timeout_ms < 1 || timeout_ms > KT_SCX_TIMEOUT_MAX_MS)
                return;
        o->timeout_ms = (uint32_t)timeout_ms;
        o->at_most = kt_json_bool(wish, "at_most", false);
}

void timeout_override_done(struct timeout_override *o)
{
        timeout_override_end(o);
        if (o->found)
                munmap(o->found, sizeof(*o->found));
        *o = (struct timeout_override){};
}

void timeout_override_forget(struct timeout_override *o)
{
        /* One that lives on, with what has outlived its start, is an orphan. */
        (void)timeout_override_collect(o);
        o->supervisor = 0;
        if (o->found)
                *o->found = (struct timeout_found){};
}

/* One that the kernel will not take is left for it to refuse. */
uint32_t timeout_override_decide(const struct timeout_override *o, uint32_t own_ms)
{
        const uint32_t means = own_ms > 0 ? own_ms : KT_SCX_TIMEOUT_MAX_MS;

        if (means > KT_SCX_TIMEOUT_MAX_MS || means == o->timeout_ms || (o->at_most && means < o->timeout_ms))
                return own_ms;
        return o->timeout_ms;
}

/* --- the supervisor --- */

struct supervisor {
        const struct timeout_override *override;
        int listener;
};

static void note(const struct timeout_override *o, enum timeout_state state, int error, uint32_t own_ms)
{
        struct timeout_found *f = o->found;

        if (state <= f->state)
                return;
        f->error = error;
        f->own_ms = own_ms;
        __atomic_store_n(&f->state, state, __ATOMIC_RELEASE);
}

/* Of a map of struct_ops the type of its values, by the kernel's BTF; 0: it is another map, or cannot be
 * looked at. */
static uint32_t value_type_of(pid_t tid, int map_fd)
{
        struct bpf_map_info info = {};
        _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
        _cleanup_close_ int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, map_fd, 0);
        union bpf_attr attr = {
                .info = {.bpf_fd = (uint32_t)fd, .info_len = sizeof(info), .info = (uintptr_t)&info}};

        if (fd < 0 || syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) < 0)
                return 0;
        return info.type == BPF_MAP_TYPE_STRUCT_OPS ? info.btf_vmlinux_value_type_id : 0;
}

static void replace(const struct supervisor *s, int memory, off_t at)
{
        uint32_t own_ms, becomes_ms;

        if (pread(memory, &own_ms, sizeof(own_ms), at) != sizeof(own_ms))
                return;
        becomes_ms = timeout_override_decide(s->override, own_ms);
        if (becomes_ms == own_ms)
                note(s->override, TIMEOUT_KEPT, 0, own_ms);
        else if (pwrite(memory, &becomes_ms, sizeof(becomes_ms), at) != sizeof(becomes_ms))
                note(s->override, TIMEOUT_NO_ACCESS, errno, own_ms);
        else
                note(s->override, TIMEOUT_REPLACED, 0, own_ms > 0 ? own_ms : KT_SCX_TIMEOUT_MAX_MS);
}

/* The call waits for us; what it hands over is in its memory. Through /proc, which needs no
 * CONFIG_CROSS_MEMORY_ATTACH and writes also where a program has made its ops read-only. What cannot be read
 * there the kernel cannot read either, and says so itself. */
static void look(const struct supervisor *s, const struct seccomp_notif *n)
{
        const size_t size =
                n->data.args[2] < sizeof(union bpf_attr) ? (size_t)n->data.args[2] : sizeof(union bpf_attr);
        const struct ops_layout *layouts;
        union bpf_attr attr = {};
        char path[32];

        snprintf(path, sizeof(path), "/proc/%u/mem", n->pid);
        _cleanup_close_ int memory = open(path, O_RDWR | O_CLOEXEC);
        const int error = errno;

        /* The id may have become another one's. */
        if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n->id) < 0)
                return;
        if (memory < 0)
                note(s->override, TIMEOUT_NO_ACCESS, error, 0);
        if (memory < 0 || pread(memory, &attr, size, (off_t)n->data.args[1]) != (ssize_t)size)
                return;
        const uint32_t type = value_type_of((pid_t)n->pid, (int)attr.map_fd);
        if (type == 0)
                return;
        int r = ops_layout_kernel(&layouts);
        if (r < 0) {
                note(s->override, TIMEOUT_NO_LAYOUT, -r, 0);
                return;
        }
        for (size_t i = 0; i < OPS_LAYOUTS; i++)
                if (layouts[i].value_type == type)
                        replace(s, memory, (off_t)(attr.value + layouts[i].timeout_offset));
}

static void answer(const struct supervisor *s)
{
        struct seccomp_notif n = {};
        struct seccomp_notif_resp go_on = {.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

        if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
                return; /* a signal has ended the call */
        look(s, &n);
        go_on.id = n.id;
        /* The call's arguments could be changed behind our back: it is no bound for who wants that. */
        (void)ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on);
}

/* What timeout_override_join() sends: a filter's listener, or why there is none. -1: neither, its process is
 * gone. */
static int receive_listener(const struct supervisor *s, int fd)
{
        char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(sizeof(size_t))));
        int error = 0, listener;
        struct iovec part = {&error, sizeof(error)};
        struct msghdr msg = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};

        if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) != sizeof(error))
                return -1;
        if (!CMSG_FIRSTHDR(&msg)) {
                note(s->override, TIMEOUT_NO_FILTER, error, 0);
                return -1;
        }
        memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(listener));
        return listener;
}

/* Its exit status: 0 when there is nothing more to watch. */
static int supervise(const struct timeout_override *o, int fd)
{
        struct supervisor s = {.override = o};
        struct pollfd p = {.events = POLLIN};

        /* The ends of pipes, of the host's port: whoever waits for their end must not wait for us. */
        if (dup2(fd, SPAWN_KEPT_FD) < 0)
                return 1;
        close_range(SPAWN_KEPT_FD + 1, ~0U, 0);
        s.listener = p.fd = receive_listener(&s, SPAWN_KEPT_FD);
        close(SPAWN_KEPT_FD);
        /* What comes without POLLIN is POLLHUP: nobody has the filter any more. */
        while (s.listener >= 0 && poll(&p, 1, -1) == 1 && p.revents & POLLIN)
                answer(&s);
        return 0;
}

int timeout_override_begin(struct timeout_override *o, struct kt_error *reterr)
{
        const struct sched_param param = {.sched_priority = KT_AGENT_PRIORITY};
        int fds[2];
        pid_t pid;

        if (o->timeout_ms == 0)
                return 0;
        (void)timeout_override_collect(o);
        if (!o->found) {
                void *page = mmap(NULL, sizeof(*o->found), PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

                if (page == MAP_FAILED)
                        return kt_error_set(reterr, -errno, NULL, "cannot watch over the timeout: %s",
                                            strerror(errno));
                o->found = page;
        }
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return kt_error_set(reterr, -errno, NULL, "cannot make sockets: %s", strerror(errno));
        pid = fork();
        if (pid == 0) {
                close(fds[0]);
                _exit(supervise(o, fds[1]));
        }
        close(fds[1]);
        if (pid < 0) {
                int r = kt_error_set(reterr, -errno, NULL, "cannot start the timeout's supervisor: %s",
                                     strerror(errno));
                close(fds[0]);
                return r;
        }
        /* As spawn_copy() does. */
        sched_setscheduler(pid, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
        o->fd = fds[0];
        o->supervisor = pid;
        return 0;
}

void timeout_override_end(struct timeout_override *o)
{
        if (o->fd > 0)
                close(o->fd);
        o->fd = 0;
}

pid_t timeout_override_collect(struct timeout_override *o)
{
        int status = 0;
        pid_t pid = o->supervisor > 0 ? waitpid(o->supervisor, &status, WNOHANG) : -1;

        if (pid == 0)
                return o->supervisor;
        o->supervisor = 0;
        if (pid > 0 && status != 0)
                note(o, TIMEOUT_NO_SUPERVISOR, ESRCH, 0);
        return 0;
}

/* --- what is started --- */

/* The listener of a filter that is in force from now on; -errno. */
static int set_filter(void)
{
        /* The kernel takes an int for the command: of what is passed only the lower half counts. */
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_MAP_UPDATE_ELEM, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
        /* A signal does not take a call back that we are looking at. */
        int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                              SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
                              &program);

        return fd < 0 ? -errno : fd;
}

int timeout_override_join(const struct timeout_override *o)
{
        char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(sizeof(size_t)))) = {};
        int listener = set_filter(), error = listener < 0 ? -listener : 0;
        struct iovec part = {&error, sizeof(error)};
        struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

        if (listener >= 0) {
                msg.msg_control = space;
                msg.msg_controllen = sizeof(space);
                *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                                        .cmsg_type = SCM_RIGHTS,
                                                        .cmsg_len = CMSG_LEN(sizeof(listener))};
                memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &listener, sizeof(listener));
        }
        if (sendmsg(SPAWN_KEPT_FD, &msg, MSG_NOSIGNAL) < 0) {
                error = errno;
                note(o, TIMEOUT_NO_SUPERVISOR, error, 0);
                dprintf(STDERR_FILENO, "ktstr-guest: nobody watches over the timeout: %s\n",
                        strerror(error));
        } else {
                error = 0; /* also of no filter: that is told */
        }
        kt_closep(&listener);
        close(SPAWN_KEPT_FD);
        return -error;
}

/* --- what came of it --- */

bool timeout_override_is_lost(struct timeout_override *o, struct kt_error *reterr)
{
        (void)timeout_override_collect(o);
        if (!o->found || __atomic_load_n(&o->found->state, __ATOMIC_ACQUIRE) != TIMEOUT_NO_SUPERVISOR)
                return false;
        timeout_override_result(o, NULL, reterr);
        return true;
}

int timeout_override_result(const struct timeout_override *o, uint32_t *ret_own_ms, struct kt_error *reterr)
{
        if (o->timeout_ms == 0)
                return 0;
        /* Without any: nothing was started. */
        switch (o->found ? __atomic_load_n(&o->found->state, __ATOMIC_ACQUIRE) : TIMEOUT_NOT_SEEN) {
        case TIMEOUT_KEPT:
                return 0;
        case TIMEOUT_REPLACED:
                *ret_own_ms = o->found->own_ms;
                return 1;
        case TIMEOUT_NOT_SEEN:
                return kt_error_set(reterr, -ENOENT, NULL,
                                    "its operations were not seen on their way into the kernel: what loads "
                                    "it has to be started with it, and to use BPF_MAP_UPDATE_ELEM");
        case TIMEOUT_NO_FILTER:
                return kt_error_set(reterr, -o->found->error, NULL,
                                    "the kernel refuses a seccomp filter that tells of calls: %s; it needs "
                                    "CONFIG_SECCOMP_FILTER, and no other such filter",
                                    strerror(o->found->error));
        case TIMEOUT_NO_LAYOUT:
                return kt_error_set(reterr, -o->found->error, NULL,
                                    "where the kernel has it does not show in /sys/kernel/btf/vmlinux: %s",
                                    strerror(o->found->error));
        case TIMEOUT_NO_ACCESS:
                return kt_error_set(reterr, -o->found->error, NULL,
                                    "the scheduler's memory cannot be changed: %s",
                                    strerror(o->found->error));
        case TIMEOUT_NO_SUPERVISOR:
                return kt_error_set(reterr, -o->found->error, NULL,
                                    "what watches over its calls in the guest ended before it did, and the "
                                    "kernel refuses them since");
        }
        return -EINVAL;
}
