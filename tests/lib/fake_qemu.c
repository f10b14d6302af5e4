/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* clang-format off */
/*
 * fake-qemu: a QEMU for tests of the daemon. It takes QEMU's command line (as far as the daemon uses it),
 * maps the guest's memory files, talks QMP, and once continued plays the agent too: reads the hand-out from
 * the mailbox and the port, and sends what its script says. To the daemon's first question, whether it is a
 * QEMU (-qmp stdio), it says yes whatever the script. It has a thread for each vCPU, by QEMU's names, which do nothing; with
 * thread=single its one thread is all of them.
 *
 * Environment:
 *   FAKE_QEMU_SCRIPT  one of the scripts below, default "ok"; or "@FILE": the file's first line is the
 *                     script's name, read by each fake-qemu when it starts, so that one daemon can meet many.
 *                     Or several, for what the guest is for: "template=fail_save,pool=ok,job=panic,clone=ok";
 *                     clone: a job's own; one without a name is for the others
 *   FAKE_QEMU_RESULT  a file with the RESULT frame's JSON; without one, or while it is not there, a healthy result made up
 *                     from the job. Scheduler's output that it should have is a file of that name with ".log" behind it
 *   FAKE_QEMU_VERSION  which it says it is, default "1.2": from 8.1 on the daemon lets each vCPU have a thread
 *   FAKE_QEMU_LOG     a file; a line is appended for each thing that was handed over:
 *                     "job JSON", "file PATH MODE SIZE CRC32", "link PATH TARGET", "go", "cancel",
 *                     "input SIZE", "park REHEARSALS", "wake"; and for each step to a guest that waits:
 *                     "parked", "saved", "restored"
 *
 * Scripts:
 *   ok                HELLO, takes job and files, events, output, RESULT, powers off
 *   no_mailbox        the same, but HELLO says that the mailbox cannot be read
 *   slow_port         no_mailbox, reading the port 4 KiB at a time
 *   refuse_args       a line on stderr, exit 1
 *   never_qmp         no greeting
 *   broken_qmp        a greeting that is no JSON
 *   refuse_cont       QMP refuses `cont`
 *   odd_threads       as wait_for_cancel, and says that its vCPUs are threads that it has not
 *   die_paused        exits as soon as QMP is up
 *   die_before_hello  exits with code 3 when it is continued, a line on stderr
 *   never_hello       says something on its console, then nothing
 *   panic             a kernel panic on the console before HELLO, and a reset, which ends QEMU
 *   panic_running     the same, after the job was taken
 *   die_after_hello   killed by a signal after HELLO
 *   poweroff_early    powers off after HELLO, without a RESULT
 *   kvm_error         "KVM internal error" on stderr and QMP's STOP, after the job was taken
 *   early_frame       an EVENT before HELLO
 *   two_hellos        a second HELLO
 *   bad_hello         a HELLO that is no JSON
 *   host_frame        a frame of a type that only the host may send
 *   garbage_frames    bytes that are no frames, after HELLO
 *   oversized_frame   a header that announces more than a frame may hold
 *   hang_after_hello  takes the job, says nothing more, ignores CANCEL
 *   wait_for_cancel   takes the job, starts, and answers CANCEL with a RESULT "cancelled"
 *   flood             takes the job, then endless OUTPUT as fast as it is taken
 *   console_flood     2 MiB of console lines, then as ok
 *   slow_end          as ok, with 200 ms between the workload's end and the RESULT
 *
 * For a guest that is parked, saved or restored (all others play "ok" there):
 *   refuse_restore    QMP refuses to restore the clone
 *   fail_restore      the restore fails later
 *   never_restored    nothing comes of it
 *   die_restoring     exits meanwhile
 *   never_parked      takes PARK, says nothing
 *   die_waking        exits when it is told to park
 *   refuse_stop       QMP refuses to stop the guest
 *   never_stopped     nothing comes of it; it is logged as "stop"
 *   chatty_park       frames that a rehearsal may send, "rehearsed" on the console, then as ok; "awake" on the
 *                     console when it goes on
 *   early_parked      one that boots, and says that it is parked in place of HELLO
 *   early_hello       a clone that says HELLO though it has no job
 *   die_parked        exits once it is parked
 *   die_when_told     parked, it exits when there is a file of FAKE_QEMU_LOG's name with ".die" behind it
 *   half_dead         closes its control socket once it is parked, and lives on
 *   talk_parked       sends a frame though it is parked
 *   refuse_save       QMP refuses to save
 *   fail_save         saving fails later
 *   never_saved       nothing comes of it
 *   die_saving        exits meanwhile
 *   die_at_hand_out   exits when it is continued with a job; so does a clone that was never parked
 *   never_wakes       nothing comes of that, for either; it is logged as "woken"
 */
/* clang-format on */

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <zlib.h>

#include "../../common/fsutil.h"
#include "../../proto/codec.h"
#include "../../proto/frame.h"
#include "../../proto/guestmsg.h"
#include "../../proto/mailbox.h"

#define NODES_MAX 128
#define LOG_LINE_MAX (1U << 20)

static struct {
        const char *script;
        int qmp_fd, agent_fd, console_fd;
        bool is_clone, parked, park, wake; /* PARK, WAKE was read */
        const char *name;
        struct kt_wire_decoder *qmp;
        unsigned cpus, n_nodes;
        bool one_thread;
        pid_t *vcpu_tids;
        uint8_t *node[NODES_MAX];
        uint64_t node_size[NODES_MAX];
        uint64_t mailbox_gpa, mailbox_size;
        struct kt_frame_decoder decoder;
        struct json_object *job;
        FILE *log;
        bool gone, cancelled; /* GO, CANCEL was read */
        char file_path[4096];
        uint64_t file_left, file_size;
        unsigned file_mode;
        uLong file_crc;
} fake = {.qmp_fd = -1, .agent_fd = -1, .console_fd = -1, .name = ""};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        fprintf(stderr, "fake-qemu: ");
        vfprintf(stderr, fmt, ap);
        fprintf(stderr, "\n");
        va_end(ap);
        exit(1);
}

static bool script_is(const char *name)
{
        return strcmp(fake.script, name) == 0;
}

static void hang(void) __attribute__((noreturn));

static void hang(void)
{
        for (;;)
                pause();
}

/* In QMP's words. */
static const char *version(void)
{
        unsigned major = 1, minor = 2;
        static char text[64];

        if (getenv("FAKE_QEMU_VERSION"))
                (void)sscanf(getenv("FAKE_QEMU_VERSION"), "%u.%u", &major, &minor);
        snprintf(text, sizeof(text), "\"minor\": %u, \"major\": %u", minor, major);
        return text;
}

static void send_bytes(int fd, const void *data, size_t size)
{
        if (kt_write_all(fd, data, size) < 0)
                exit(0); /* the daemon hung up */
}

static void say(const char *text)
{
        send_bytes(fake.console_fd, text, strlen(text));
}

static void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void log_line(const char *fmt, ...)
{
        va_list ap;

        if (!fake.log)
                return;
        va_start(ap, fmt);
        vfprintf(fake.log, fmt, ap);
        va_end(ap);
        fputc('\n', fake.log);
        fflush(fake.log);
}

/* --- the command line --- */

/* The value of "name=" in an option's comma-separated list, as a number with QEMU's or C's notation. */
static bool option_number(const char *option, const char *name, unsigned long long *ret)
{
        const size_t len = strlen(name);

        for (const char *p = option; p; p = strchr(p, ',')) {
                p += *p == ',';
                if (strncmp(p, name, len) == 0 && p[len] == '=') {
                        *ret = strtoull(p + len + 1, NULL, 0);
                        return true;
                }
        }
        return false;
}

static void take_chardev(const char *option)
{
        unsigned long long fd;

        if (!option_number(option, "fd", &fd))
                die("-chardev without fd: %s", option);
        if (strstr(option, "id=qmp"))
                fake.qmp_fd = (int)fd;
        else if (strstr(option, "id=agent"))
                fake.agent_fd = (int)fd;
        else if (strstr(option, "id=console"))
                fake.console_fd = (int)fd;
}

static void take_object(const char *option)
{
        const char *path = strstr(option, "mem-path=");
        unsigned long long size;
        char copy[256];
        void *memory;
        int fd;

        if (!path || !option_number(option, "size", &size) || fake.n_nodes == NODES_MAX)
                die("cannot use -object %s", option);
        snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(path + 9, ","), path + 9);
        fd = open(copy, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                die("%s: %s", copy, strerror(errno));
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      strstr(option, "share=off") ? MAP_PRIVATE : MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                die("mmap: %s", strerror(errno));
        close(fd);
        fake.node[fake.n_nodes] = memory;
        fake.node_size[fake.n_nodes++] = size;
}

static void take_kernel_line(const char *line)
{
        const char *p = strstr(line, "ktstr.mailbox=");
        char *end;

        if (!p)
                return;
        fake.mailbox_gpa = strtoull(p + strlen("ktstr.mailbox="), &end, 0);
        fake.mailbox_size = *end == ',' ? strtoull(end + 1, NULL, 0) : 0;
}

static void parse_args(int argc, char **argv)
{
        for (int i = 1; i + 1 < argc; i++) {
                if (strcmp(argv[i], "-chardev") == 0)
                        take_chardev(argv[++i]);
                else if (strcmp(argv[i], "-object") == 0)
                        take_object(argv[++i]);
                else if (strcmp(argv[i], "-append") == 0)
                        take_kernel_line(argv[++i]);
                else if (strcmp(argv[i], "-incoming") == 0)
                        fake.is_clone = strcmp(argv[++i], "defer") == 0;
                else if (strcmp(argv[i], "-name") == 0)
                        fake.name = argv[++i];
                else if (strcmp(argv[i], "-smp") == 0)
                        fake.cpus = (unsigned)strtoul(argv[++i], NULL, 10);
                else if (strcmp(argv[i], "-accel") == 0)
                        fake.one_thread = strstr(argv[++i], "thread=single");
        }
        if (fake.qmp_fd < 0 || fake.agent_fd < 0 || fake.console_fd < 0 || fake.n_nodes == 0 ||
            fake.cpus == 0)
                die("the command line lacks something that a guest needs");
}

/* --- vCPUs --- */

static pthread_barrier_t vcpus_are_there;

static void *be_vcpu(void *data)
{
        const unsigned cpu = (unsigned)(uintptr_t)data;
        char name[16];

        snprintf(name, sizeof(name), "CPU %u/TCG", cpu);
        pthread_setname_np(pthread_self(), name);
        fake.vcpu_tids[cpu] = gettid();
        pthread_barrier_wait(&vcpus_are_there);
        hang();
}

static void make_vcpus(void)
{
        fake.vcpu_tids = calloc(fake.cpus, sizeof(*fake.vcpu_tids));
        if (!fake.vcpu_tids)
                die("out of memory");
        for (unsigned i = 0; fake.one_thread && i < fake.cpus; i++)
                fake.vcpu_tids[i] = getpid();
        if (fake.one_thread)
                return;
        pthread_barrier_init(&vcpus_are_there, NULL, fake.cpus + 1);
        for (unsigned i = 0; i < fake.cpus; i++) {
                pthread_t thread;
                const int r = pthread_create(&thread, NULL, be_vcpu, (void *)(uintptr_t)i);

                if (r != 0)
                        die("cannot make a thread: %s", strerror(r));
        }
        pthread_barrier_wait(&vcpus_are_there);
}

static const char *read_script(void)
{
        const char *script = getenv("FAKE_QEMU_SCRIPT") ?: "ok";
        static char *text;
        size_t size;

        if (*script != '@')
                return script;
        if (kt_read_file(AT_FDCWD, script + 1, 4096, &text, &size) < 0)
                die("cannot read %s", script + 1);
        text[strcspn(text, "\n")] = '\0';
        return text;
}

static const char *role(void)
{
        if (strstr(fake.name, "guest=ktstr-template-"))
                return "template";
        if (strstr(fake.name, "guest=ktstr-pool-"))
                return "pool";
        return fake.is_clone ? "clone" : "job";
}

/* Of several scripts the one for this guest. */
static const char *choose_script(const char *scripts)
{
        const char *mine = role(), *other = "ok";

        for (char *save = NULL, *one = strtok_r(strdup(scripts), ",", &save); one;
             one = strtok_r(NULL, ",", &save)) {
                const size_t len = strcspn(one, "=");

                if (one[len] == '\0')
                        other = one;
                else if (strlen(mine) == len && strncmp(one, mine, len) == 0)
                        return one + len + 1;
        }
        return other;
}

/* --- QMP --- */

static void send_json(const char *text)
{
        send_bytes(fake.qmp_fd, text, strlen(text));
        send_bytes(fake.qmp_fd, "\r\n", 2);
}

/* members: of the answer, besides its id */
static void answer(struct json_object *question, const char *members)
{
        char text[256];

        snprintf(text, sizeof(text), "{%s, \"id\": %d}", members, (int)kt_json_int(question, "id", -1));
        send_json(text);
}

static void answer_cpus(struct json_object *question)
{
        _cleanup_json_ struct json_object *message = json_object_new_object();
        struct json_object *cpus = json_object_new_array();

        for (unsigned i = 0; i < fake.cpus; i++) {
                struct json_object *cpu = json_object_new_object();

                kt_json_add_int(cpu, "cpu-index", i);
                kt_json_add_int(cpu, "thread-id", script_is("odd_threads") ? getppid() : fake.vcpu_tids[i]);
                json_object_array_add(cpus, cpu);
        }
        kt_json_add(message, "return", cpus);
        kt_json_add_int(message, "id", kt_json_int(question, "id", -1));
        send_json(json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN));
}

static void shut_down(const char *reason) __attribute__((noreturn));

static void shut_down(const char *reason)
{
        char text[256];

        snprintf(text, sizeof(text),
                 "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"SHUTDOWN\", "
                 "\"data\": {\"guest\": true, \"reason\": \"%s\"}}",
                 reason);
        send_json(text);
        exit(0);
}

static struct json_object *next_question(struct kt_wire_decoder *decoder)
{
        struct kt_wire_message message;
        char buf[4096];
        ssize_t n;

        while (kt_wire_decoder_next(decoder, &message, NULL) == 0) {
                n = read(fake.qmp_fd, buf, sizeof(buf));
                if (n <= 0)
                        exit(0);
                kt_wire_decoder_feed(decoder, buf, (size_t)n);
        }
        return message.json;
}

static void send_event_of_qmp(const char *name, const char *data)
{
        char text[256];

        snprintf(text, sizeof(text),
                 "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"%s\", \"data\": {%s}}",
                 name, data);
        send_json(text);
}

static void refuse(struct json_object *question)
{
        answer(question, "\"error\": {\"class\": \"GenericError\", \"desc\": \"not today\"}");
}

/* A clone learns from it where its mailbox is. */
static void write_state(const char *uri)
{
        FILE *f = strncmp(uri, "exec:", 5) == 0 ? popen(uri + 5, "w") : NULL;

        if (!f)
                die("cannot save to %s", uri);
        fprintf(f, "fake state 0x%llx 0x%llx\n", (unsigned long long)fake.mailbox_gpa,
                (unsigned long long)fake.mailbox_size);
        if (pclose(f) != 0)
                die("saving to %s failed", uri);
        log_line("saved");
}

static void read_state(const char *uri)
{
        unsigned long long gpa, size;
        char text[128] = "";
        int fd;

        if (sscanf(uri, "fd:%d", &fd) != 1 || read(fd, text, sizeof(text) - 1) <= 0 ||
            sscanf(text, "fake state %llx %llx", &gpa, &size) != 2)
                die("cannot restore from %s: '%s'", uri, text);
        fake.mailbox_gpa = gpa;
        fake.mailbox_size = size;
        log_line("restored");
}

static void migrate(struct json_object *question, bool incoming)
{
        const char *uri = kt_json_str(kt_json_get(question, "arguments"), "uri");

        if (script_is(incoming ? "refuse_restore" : "refuse_save")) {
                refuse(question);
                return;
        }
        if (script_is(incoming ? "die_restoring" : "die_saving"))
                exit(5);
        answer(question, "\"return\": {}");
        if (script_is(incoming ? "never_restored" : "never_saved"))
                return;
        if (script_is(incoming ? "fail_restore" : "fail_save")) {
                send_event_of_qmp("MIGRATION", "\"status\": \"failed\"");
                return;
        }
        send_event_of_qmp("MIGRATION", "\"status\": \"active\"");
        if (incoming)
                read_state(uri);
        else
                write_state(uri);
        send_event_of_qmp("MIGRATION", "\"status\": \"completed\"");
}

static void greet(void)
{
        char text[256];

        fake.qmp = kt_wire_decoder_new(0);
        if (script_is("never_qmp"))
                hang();
        if (script_is("broken_qmp")) {
                send_json("QMP{ this is not what you think }");
                hang();
        }
        snprintf(text, sizeof(text),
                 "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 3, %s}, \"package\": \"fake\"}, "
                 "\"capabilities\": [\"oob\"]}}",
                 version());
        send_json(text);
}

/* Until `cont`. */
static void serve_qmp(void)
{
        for (bool paused = true; paused;) {
                _cleanup_json_ struct json_object *question = next_question(fake.qmp);
                const char *command = kt_json_str(question, "execute") ?: "";

                if (strcmp(command, "query-cpus-fast") == 0) {
                        /* Unanswered: an answer would race with the end, and the guest might be on its way
                         * already. */
                        if (script_is("die_paused"))
                                _exit(4);
                        answer_cpus(question);
                } else if (strcmp(command, "migrate") == 0 || strcmp(command, "migrate-incoming") == 0) {
                        migrate(question, strcmp(command, "migrate-incoming") == 0);
                } else if (strcmp(command, "cont") == 0 && script_is("refuse_cont")) {
                        refuse(question);
                } else {
                        answer(question, "\"return\": {}");
                        paused = strcmp(command, "cont") != 0;
                }
        }
}

/* Nothing but `stop` comes while the guest runs. */
static void serve_stop(void)
{
        _cleanup_json_ struct json_object *question = next_question(fake.qmp);

        if (strcmp(kt_json_str(question, "execute") ?: "", "stop") != 0)
                die("asked for something else than to stop");
        if (script_is("refuse_stop")) {
                refuse(question);
                hang();
        }
        if (script_is("never_stopped")) {
                log_line("stop");
                hang();
        }
        log_line("parked"); /* now: whoever reads the answer may end us */
        send_event_of_qmp("STOP", "");
        answer(question, "\"return\": {}");
}

/* What the daemon asks at its start to learn whether this is a QEMU at all: the answers to all its
 * questions, unread. */
static int answer_check(void)
{
        printf("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 3, %s}, \"package\": \"fake\"}, "
               "\"capabilities\": []}}\n",
               version());
        puts("{\"return\": {}}");
        puts("{\"return\": {\"arch\": \"x86_64\"}}");
        puts("{\"return\": {\"enabled\": false, \"present\": true}}");
        puts("{\"return\": {}}");
        return 0;
}

static bool is_check(int argc, char **argv)
{
        for (int i = 1; i + 1 < argc; i++)
                if (strcmp(argv[i], "-qmp") == 0 && strcmp(argv[i + 1], "stdio") == 0)
                        return true;
        return false;
}

/* --- the agent: what it is handed --- */

static struct json_object *parse_payload(const struct kt_frame *frame)
{
        struct json_object *json;

        if (kt_json_parse((const char *)frame->payload, frame->size, &json, NULL) < 0)
                die("a frame of type %u is no JSON", frame->type);
        return json;
}

static void file_complete(void)
{
        if (fake.file_left == 0)
                log_line("file %s %o %llu %08lx", fake.file_path, fake.file_mode,
                         (unsigned long long)fake.file_size, fake.file_crc);
}

static void take_file(const struct kt_frame *frame)
{
        _cleanup_json_ struct json_object *json = parse_payload(frame);
        const char *link = kt_json_str(json, "link");

        if (fake.file_left > 0)
                die("a FILE inside another");
        snprintf(fake.file_path, sizeof(fake.file_path), "%s", kt_json_str(json, "path") ?: "?");
        if (link) {
                log_line("link %s %s", fake.file_path, link);
                return;
        }
        fake.file_mode = (unsigned)kt_json_int(json, "mode", 0);
        fake.file_size = fake.file_left = (uint64_t)kt_json_int(json, "size", 0);
        fake.file_crc = crc32(0, NULL, 0);
        file_complete();
}

static void take_data(const struct kt_frame *frame)
{
        if (frame->size > fake.file_left)
                die("more DATA than the file has");
        fake.file_crc = crc32(fake.file_crc, frame->payload, frame->size);
        fake.file_left -= frame->size;
        file_complete();
}

static void take_park(const struct kt_frame *frame)
{
        _cleanup_json_ struct json_object *json = parse_payload(frame);

        fake.park = true;
        log_line("park %d", (int)kt_json_int(json, "rehearsals", -1));
}

static void take_frame(const struct kt_frame *frame)
{
        switch (frame->type) {
        case KT_FRAME_JOB:
                json_object_put(fake.job);
                fake.job = parse_payload(frame);
                log_line("job %.*s", (int)frame->size, (const char *)frame->payload);
                break;
        case KT_FRAME_FILE:
                take_file(frame);
                break;
        case KT_FRAME_DATA:
                take_data(frame);
                break;
        case KT_FRAME_GO:
                if (fake.file_left > 0 || !fake.job)
                        die("GO too early");
                fake.gone = true;
                log_line("go");
                break;
        case KT_FRAME_CANCEL:
                fake.cancelled = true;
                log_line("cancel");
                break;
        case KT_FRAME_INPUT:
                log_line("input %u", frame->size);
                break;
        case KT_FRAME_PARK:
                take_park(frame);
                break;
        case KT_FRAME_WAKE:
                fake.wake = true;
                log_line("wake");
                break;
        default:
                die("a frame of type %u is not for an agent", frame->type);
        }
}

static void take_frames(void)
{
        struct kt_frame frame;
        int r;

        while ((r = kt_frame_decoder_next(&fake.decoder, &frame)) > 0)
                take_frame(&frame);
        if (r < 0)
                die("the daemon sent what is no frame: %s", strerror(-r));
}

/* Where a guest physical address of low memory is mapped here. */
static uint8_t *at_gpa(uint64_t gpa, uint64_t size)
{
        unsigned node = 0;

        while (node < fake.n_nodes && gpa >= fake.node_size[node])
                gpa -= fake.node_size[node++];
        if (node == fake.n_nodes || size > fake.node_size[node] - gpa)
                die("the mailbox is not in one node's memory");
        return fake.node[node] + gpa;
}

static bool mailbox_is_full(void)
{
        uint64_t size;
        uint32_t flags;

        return kt_mailbox_parse(at_gpa(fake.mailbox_gpa, fake.mailbox_size), fake.mailbox_size, &size,
                                &flags) == 1;
}

static void read_mailbox(void)
{
        const uint8_t *mailbox = at_gpa(fake.mailbox_gpa, fake.mailbox_size);
        uint64_t size;
        uint32_t flags;

        if (kt_mailbox_parse(mailbox, fake.mailbox_size, &size, &flags) != 1)
                die("the mailbox is not full");
        kt_frame_decoder_feed(&fake.decoder, mailbox + KT_MAILBOX_HEADER_SIZE, size);
        take_frames();
        if (!fake.gone && !(flags & KT_MAILBOX_MORE))
                die("the mailbox is all there is, and there is no GO in it");
}

/* One read; false when the daemon hung up. */
static bool read_port(size_t max)
{
        static uint8_t buf[256 * 1024];
        const ssize_t n = read(fake.agent_fd, buf, max < sizeof(buf) ? max : sizeof(buf));

        if (n <= 0)
                return false;
        kt_frame_decoder_feed(&fake.decoder, buf, (size_t)n);
        take_frames();
        return true;
}

static void take_hand_out(bool mailbox)
{
        const size_t step = script_is("slow_port") ? 4096 : SIZE_MAX;

        if (mailbox)
                read_mailbox();
        while (!fake.gone)
                if (!read_port(step))
                        exit(0);
}

/* --- the agent: what it says --- */

static void send_frame(uint32_t type, const void *payload, size_t size)
{
        uint8_t header[KT_FRAME_HEADER_SIZE];

        kt_frame_header(header, type, payload, (uint32_t)size);
        send_bytes(fake.agent_fd, header, sizeof(header));
        send_bytes(fake.agent_fd, payload, size);
}

static void send_text(uint32_t type, const char *text)
{
        send_frame(type, text, strlen(text));
}

/* Takes json. */
static void send_object(uint32_t type, struct json_object *json)
{
        send_text(type, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN |
                                                                     JSON_C_TO_STRING_NOSLASHESCAPE));
        json_object_put(json);
}

static void send_output(enum kt_output_stream stream, const char *text)
{
        char buf[1024];

        send_frame(KT_FRAME_OUTPUT, buf, (size_t)snprintf(buf, sizeof(buf), "%c%s", (int)stream, text));
}

static int64_t now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct json_object *new_event(const char *kind)
{
        struct json_object *json = json_object_new_object();

        kt_json_add_int(json, "t_ns", now_ns());
        kt_json_add_str(json, "kind", kind);
        return json;
}

static void send_event(const char *kind)
{
        send_object(KT_FRAME_EVENT, new_event(kind));
}

static void send_hello(uint32_t type, bool mailbox)
{
        struct json_object *json = json_object_new_object();

        kt_json_add_str(json, "agent", "0");
        kt_json_add_str(json, "kernel", "6.99.0-fake");
        kt_json_add_int(json, "cpus", fake.cpus);
        kt_json_add_int(json, "t_ns", now_ns());
        kt_json_add_bool(json, "mailbox", mailbox);
        if (!mailbox)
                kt_json_add_str(json, "mailbox_error", "cannot open /dev/mem: Operation not permitted");
        send_object(type, json);
}

/* --- results --- */

static struct json_object *healthy_worker(int64_t tid, int64_t duration_ns)
{
        struct json_object *json = json_object_new_object();
        char cpus[16];

        snprintf(cpus, sizeof(cpus), "%u", (unsigned)(tid % fake.cpus));
        kt_json_add_int(json, "tid", tid);
        kt_json_add_int(json, "work_units", 1000000);
        kt_json_add_int(json, "iterations", 1000);
        kt_json_add_int(json, "cpu_ns", duration_ns / 2);
        kt_json_add_int(json, "wall_ns", duration_ns);
        kt_json_add_int(json, "off_cpu_ns", duration_ns - duration_ns / 2);
        kt_json_add_int(json, "migrations", 3);
        kt_json_add_str(json, "cpus_used", cpus);
        kt_json_add_int(json, "max_gap_ns", 12000000);
        kt_json_add_int(json, "max_gap_cpu", tid % fake.cpus);
        kt_json_add_int(json, "max_gap_at_ns", duration_ns / 3);
        kt_json_add_int(json, "run_delay_ns", duration_ns / 2);
        kt_json_add_int(json, "run_count", 500);
        kt_json_add_int(json, "started_ns", now_ns() - duration_ns);
        kt_json_add_int(json, "stopped_ns", now_ns());
        kt_json_add_int(json, "paused_ns", 0);
        kt_json_add_str(json, "work", "CpuSpin");
        return json;
}

/* One scenario with the defaults of emulated CPUs, and on top of them what the job has. */
static struct json_object *scenarios(struct json_object *run)
{
        struct json_object *list = json_object_new_array(), *scenario = json_object_new_object(),
                           *checks = json_object_new_object(), *asked = kt_json_get(run, "checks");

        kt_json_add_bool(checks, "not_starved", true);
        kt_json_add_bool(checks, "isolation", true);
        kt_json_add_double(checks, "max_gap_ms", 3000);
        kt_json_add_double(checks, "max_spread_pct", 35);
        if (asked) {
                json_object_object_foreach (asked, key, value)
                        kt_json_add(checks, key, json_object_get(value));
        }
        kt_json_add(scenario, "checks", checks);
        json_object_array_add(list, scenario);
        return list;
}

static struct json_object *healthy_workload(struct json_object *run)
{
        const int64_t duration_ns = kt_json_int(run, "duration_ms", 1000) * 1000000,
                      workers = kt_json_int(run, "workers", 2);
        struct json_object *json = json_object_new_object(), *cgroups = json_object_new_array();
        char cpus[16];

        for (int64_t i = 0; i < 2; i++) {
                struct json_object *cgroup = json_object_new_object(), *list = json_object_new_array();
                char name[32];

                snprintf(name, sizeof(name), "cg_%d", (int)i);
                kt_json_add_str(cgroup, "name", name);
                kt_json_add_int(cgroup, "scenario", 0);
                kt_json_add_int(cgroup, "started_ns", now_ns() - duration_ns);
                kt_json_add_int(cgroup, "stopped_ns", now_ns());
                for (int64_t j = 0; j < workers; j++)
                        json_object_array_add(list, healthy_worker(100 + i * workers + j, duration_ns));
                kt_json_add(cgroup, "workers", list);
                json_object_array_add(cgroups, cgroup);
        }
        kt_json_add_int(json, "started_ns", now_ns() - duration_ns);
        kt_json_add_int(json, "stopped_ns", now_ns());
        snprintf(cpus, sizeof(cpus), fake.cpus > 1 ? "0-%u" : "%u", fake.cpus - 1);
        kt_json_add_str(json, "cpus", cpus);
        kt_json_add(json, "scenarios", scenarios(run));
        kt_json_add(json, "cgroups", cgroups);
        return json;
}

static struct json_object *healthy_body(struct json_object *run)
{
        struct json_object *json = json_object_new_object();

        kt_json_add_str(json, "outcome", "pass");
        kt_json_add(json, "messages", json_object_new_array());
        kt_json_add(json, "metrics", json_object_new_array());
        kt_json_add(json, "workload", healthy_workload(run));
        return json;
}

static struct json_object *healthy_sched(void)
{
        struct json_object *json = json_object_new_object();

        kt_json_add_int(json, "pid", 90);
        kt_json_add_bool(json, "attached", true);
        kt_json_add_str(json, "ops", "fake_ops");
        kt_json_add_int(json, "attach_ms", 42);
        kt_json_add_int(json, "exit_code", 0);
        kt_json_add_int(json, "stop_signal", 2);
        kt_json_add_int(json, "stop_ms", 7);
        kt_json_add_str(json, "state_after", "disabled");
        return json;
}

static struct json_object *made_up_result(const char *outcome)
{
        struct json_object *json = json_object_new_object(), *run = kt_json_get(fake.job, "run"), *exec;
        const char *command = kt_json_str(kt_json_get(fake.job, "exec"), "command");
        int code = 0;

        kt_json_add_int(json, "t_ns", now_ns());
        kt_json_add_str(json, "outcome", outcome ?: run ? "done" : "exec_done");
        if (run && kt_json_get(run, "sched"))
                kt_json_add(json, "sched", healthy_sched());
        if (run)
                kt_json_add(json, "body", healthy_body(run));
        if (command && !outcome) {
                exec = json_object_new_object();
                (void)sscanf(command, "exit %d", &code);
                kt_json_add_int(exec, "exit_code", code);
                kt_json_add(json, "exec", exec);
        }
        return json;
}

static void send_result(const char *outcome)
{
        const char *path = getenv("FAKE_QEMU_RESULT");
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (!path || access(path, F_OK) < 0) {
                send_object(KT_FRAME_RESULT, made_up_result(outcome));
                return;
        }
        if (kt_read_file(AT_FDCWD, path, KT_FRAME_PAYLOAD_MAX, &text, &size) < 0)
                die("cannot read %s", path);
        send_frame(KT_FRAME_RESULT, text, size);
}

static void send_log(void)
{
        _cleanup_free_ char *path = getenv("FAKE_QEMU_RESULT")
                                            ? kt_format("%s.log", getenv("FAKE_QEMU_RESULT"))
                                            : NULL,
                            *text = NULL;
        size_t size;

        if (!path || kt_read_file(AT_FDCWD, path, 64U << 20, &text, &size) < 0)
                return;
        for (size_t at = 0; at < size; at += 512) {
                char piece[513] = "";

                strncpy(piece, text + at, 512);
                send_output(KT_OUTPUT_SCHED_STDERR, piece);
        }
}

static void begin_run(void)
{
        struct json_object *event;

        if (kt_json_get(kt_json_get(fake.job, "run"), "sched")) {
                event = new_event("sched_started");
                kt_json_add_int(event, "pid", 90);
                send_object(KT_FRAME_EVENT, event);
                send_output(KT_OUTPUT_SCHED_STDOUT, "fake scheduler: hello\n");
                send_output(KT_OUTPUT_SCHED_STDERR, "fake scheduler: a warning\n");
                send_log();
                event = new_event("sched_attached");
                kt_json_add_str(event, "ops", "fake_ops");
                kt_json_add_int(event, "took_ms", 42);
                send_object(KT_FRAME_EVENT, event);
        }
        send_output(KT_OUTPUT_KERNEL, "[    1.234567] a line of the kernel's\n");
        send_event("workload_started");
}

static void end_run(void)
{
        send_event("workload_stopped");
        if (script_is("slow_end"))
                nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
        if (kt_json_get(kt_json_get(fake.job, "run"), "sched"))
                send_event("sched_stopping");
}

static void run_job(void)
{
        const char *command = kt_json_str(kt_json_get(fake.job, "exec"), "command");

        if (command) {
                send_output(KT_OUTPUT_STDOUT, command);
                send_output(KT_OUTPUT_STDOUT, "\n");
        } else {
                begin_run();
                end_run();
        }
        send_result(NULL);
        shut_down("guest-shutdown");
}

static void wait_for_cancel(void)
{
        begin_run();
        while (!fake.cancelled)
                if (!read_port(SIZE_MAX))
                        exit(0);
        end_run();
        send_result("cancelled");
        shut_down("guest-shutdown");
}

static void panic(const char *why) __attribute__((noreturn));

static void panic(const char *why)
{
        char text[512];

        snprintf(text, sizeof(text),
                 "[    2.026136] Kernel panic - not syncing: %s\r\n"
                 "[    2.026895] CPU: 0 UID: 0 PID: 1 Comm: swapper/0 Not tainted 6.99.0-fake\r\n"
                 "[    2.027754] Call Trace:\r\n"
                 "[    2.030724]  </TASK>\r\n"
                 "[    2.031361] Kernel Offset: disabled\r\n",
                 why);
        say(text);
        shut_down("guest-reset");
}

static void flood(void)
{
        static char payload[32 * 1024];

        memset(payload, 'x', sizeof(payload));
        payload[0] = KT_OUTPUT_SCHED_STDOUT;
        begin_run();
        for (;;)
                send_frame(KT_FRAME_OUTPUT, payload, sizeof(payload));
}

static void flood_console(void)
{
        char line[128];

        for (unsigned i = 0; i < 2 * 1024 * 1024 / 64; i++) {
                snprintf(line, sizeof(line), "%-62u\r\n", i);
                say(line);
        }
}

/* --- scripts --- */

static void before_hello(void)
{
        if (script_is("die_before_hello")) {
                fprintf(stderr, "fake-qemu: the tape ran out\n");
                exit(3);
        }
        if (script_is("panic"))
                panic("VFS: Unable to mount root fs on unknown-block(0,0)");
        if (script_is("never_hello")) {
                say("[    0.500000] Run /init as init process\r\n");
                hang();
        }
        if (script_is("early_frame"))
                send_event("workload_started");
        if (script_is("early_parked"))
                send_hello(KT_FRAME_PARKED, true);
        if (script_is("bad_hello")) {
                send_text(KT_FRAME_HELLO, "hello, sailor");
                hang();
        }
        if (script_is("console_flood"))
                flood_console();
}

static void after_hello(void)
{
        if (script_is("die_after_hello"))
                raise(SIGSEGV);
        if (script_is("poweroff_early"))
                shut_down("guest-shutdown");
        if (script_is("two_hellos"))
                send_hello(KT_FRAME_HELLO, true);
        if (script_is("garbage_frames"))
                send_text(KT_FRAME_EVENT, "{}"),
                        send_bytes(fake.agent_fd, "GET / HTTP/1.1\r\nHost: guest\r\n", 29);
        if (script_is("oversized_frame"))
                send_bytes(fake.agent_fd, "KTF1\x02\0\0\0\xff\xff\xff\x7f\0\0\0\0", 16);
        if (script_is("host_frame"))
                send_text(KT_FRAME_JOB, "{}");
}

static void fail_like_kvm(void) __attribute__((noreturn));

static void fail_like_kvm(void)
{
        fprintf(stderr, "KVM internal error. Suberror: 3\nextra data[0]: 0x0\nRAX=0000000000000000 RBX=0\n");
        send_json("{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}");
        hang();
}

/* Without a mailbox, having been handed the job proves that the daemon has read HELLO. */
static bool has_mailbox(void)
{
        return fake.mailbox_size > 0 && !script_is("no_mailbox") && !script_is("slow_port") &&
               !script_is("kvm_error");
}

static void die_when_told(void) __attribute__((noreturn));

static void die_when_told(void)
{
        _cleanup_free_ char *path = kt_format("%s.die", getenv("FAKE_QEMU_LOG"));

        while (access(path, F_OK) < 0)
                poll(NULL, 0, 5);
        exit(6);
}

/* It was continued with a job. */
static void wake_up(void)
{
        if (script_is("die_at_hand_out"))
                exit(8);
        if (script_is("never_wakes")) {
                log_line("woken");
                hang();
        }
}

/* From PARK to the job's `cont`. */
static void park(bool mailbox)
{
        fake.park = false;
        if (script_is("die_waking"))
                exit(7);
        if (script_is("never_parked"))
                hang();
        if (script_is("chatty_park")) {
                send_event("workload_started");
                send_output(KT_OUTPUT_STDOUT, "la la\n");
                send_text(KT_FRAME_RESULT, "{\"t_ns\":1,\"outcome\":\"exec_done\"}");
                say("rehearsed\r\n");
        }
        send_hello(KT_FRAME_PARKED, mailbox);
        serve_stop();
        fake.parked = true;
        if (script_is("die_parked"))
                exit(6);
        if (script_is("die_when_told"))
                die_when_told();
        if (script_is("half_dead")) {
                close(fake.qmp_fd);
                hang();
        }
        if (script_is("talk_parked"))
                send_event("workload_started");
        serve_qmp();
        wake_up();
        if (script_is("chatty_park"))
                say("awake\r\n");
}

/* Until there is a job, in the mailbox or on its way over the port. */
static void wait_for_job(bool mailbox)
{
        for (;;) {
                if (mailbox && mailbox_is_full()) {
                        if (fake.is_clone && !fake.parked)
                                wake_up();
                        if (fake.parked || fake.is_clone)
                                send_hello(KT_FRAME_HELLO, mailbox);
                        return;
                }
                while (!fake.park && !fake.wake && !fake.job)
                        if (!read_port(SIZE_MAX))
                                exit(0);
                if (fake.park) {
                        park(mailbox);
                } else {
                        if (fake.wake)
                                send_hello(KT_FRAME_HELLO, mailbox);
                        return;
                }
        }
}

static void play_agent(void)
{
        const bool mailbox = has_mailbox();

        if (!fake.is_clone) {
                before_hello();
                send_hello(KT_FRAME_HELLO, mailbox);
                after_hello();
        } else if (script_is("early_hello"))
                send_hello(KT_FRAME_HELLO, mailbox);
        wait_for_job(mailbox);
        take_hand_out(mailbox);
        if (script_is("panic_running"))
                panic("sysrq triggered crash");
        if (script_is("kvm_error"))
                fail_like_kvm();
        if (script_is("hang_after_hello"))
                hang();
        if (script_is("flood"))
                flood();
        if (script_is("wait_for_cancel") || script_is("odd_threads"))
                wait_for_cancel();
        run_job();
}

int main(int argc, char **argv)
{
        const char *log_path = getenv("FAKE_QEMU_LOG");

        signal(SIGPIPE, SIG_IGN);
        if (is_check(argc, argv))
                return answer_check();
        parse_args(argc, argv);
        fake.script = choose_script(read_script());
        if (script_is("refuse_args"))
                die("-M q35,smbus=off: Property 'pc-q35-1.2-machine.smbus' not found");
        if (log_path && !(fake.log = fopen(log_path, "ae")))
                die("cannot open %s", log_path);
        /* Others write to it too: a line is one write. */
        if (fake.log)
                setvbuf(fake.log, NULL, _IOFBF, LOG_LINE_MAX);
        kt_frame_decoder_init(&fake.decoder);
        make_vcpus();
        greet();
        serve_qmp();
        play_agent();
        return 0;
}
