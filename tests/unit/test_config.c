/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "../../daemon/config.h"
#include "../../daemon/config_value.h"
#include "../../daemon/host.h"
#include "../lib/suite.h"
#include "unit.h"

/* --- values --- */

static const struct {
        const char *text;
        int r;
        uint64_t value;
} numbers[] =
        {
                {"0", 0, 0},
                {"007", 0, 7},
                {"18446744073709551615", 0, UINT64_MAX},
                {"18446744073709551616", -ERANGE, 0},
                {"", -EINVAL, 0},
                {"-1", -EINVAL, 0},
                {"+1", -EINVAL, 0},
                {" 1", -EINVAL, 0},
                {"1 ", -EINVAL, 0},
                {"1.5", -EINVAL, 0},
                {"0x10", -EINVAL, 0},
                {"1e3", -EINVAL, 0},
},
  sizes[] =
          {
                  {"4096", 0, 4096},
                  {"0", 0, 0},
                  {"1K", 0, 1024},
                  {"512M", 0, 512ULL << 20},
                  {"2G", 0, 2ULL << 30},
                  {"1024T", 0, 1ULL << 50},
                  {"16777215T", 0, 16777215ULL << 40},
                  {"16777216T", -ERANGE, 0},
                  {"101%", -ERANGE, 0},
                  {"2g", -EINVAL, 0},
                  {"2GB", -EINVAL, 0},
                  {"2GiB", -EINVAL, 0},
                  {"1.5G", -EINVAL, 0},
                  {"2 G", -EINVAL, 0},
                  {"G", -EINVAL, 0},
                  {"%", -EINVAL, 0},
                  {"10%%", -EINVAL, 0},
                  {"-1M", -EINVAL, 0},
                  {"infinity", -EINVAL, 0},
},
  spans[] = {
          {"0", 0, 0},
          {"30", 0, 30000},
          {"30s", 0, 30000},
          {"30 s", 0, 30000},
          {"500ms", 0, 500},
          {"10min", 0, 600000},
          {"10m", 0, 600000},
          {"1h 30min", 0, 5400000},
          {"1h30min", 0, 5400000},
          {"2 days 1 hour", 0, 49 * 3600000ULL},
          {"1w 1d 1hr 1minute 1second 1msec", 0, 694861001},
          {"infinity", 0, UINT64_MAX},
          {"18446744073709551615ms", 0, UINT64_MAX},
          {"18446744073709551615s", -ERANGE, 0},
          {"18446744073709551615ms 1ms", -ERANGE, 0},
          {"1h 30", -EINVAL, 0},
          {"30 10min", -EINVAL, 0},
          {"min", -EINVAL, 0},
          {"1.5h", -EINVAL, 0},
          {"10 fortnights", -EINVAL, 0},
          {"1 minut", -EINVAL, 0},
          {"1s second", -EINVAL, 0},
          {"1S", -EINVAL, 0},
          {"10min,", -EINVAL, 0},
          {"-1s", -EINVAL, 0},
          {"", -EINVAL, 0},
};

START_TEST(numbers_are_read_strictly)
{
        uint64_t n = 42;

        ck_assert_int_eq(config_number(numbers[_i].text, &n), numbers[_i].r);
        ck_assert_uint_eq(n, numbers[_i].r == 0 ? numbers[_i].value : 42);
}
END_TEST

START_TEST(sizes_are_read_strictly)
{
        uint64_t n = 42;

        ck_assert_int_eq(config_size(sizes[_i].text, &n), sizes[_i].r);
        ck_assert_uint_eq(n, sizes[_i].r == 0 ? sizes[_i].value : 42);
}
END_TEST

START_TEST(a_percentage_is_of_the_hosts_memory)
{
        uint64_t n;

        ck_assert_int_eq(config_size("0%", &n), 0);
        ck_assert_uint_eq(n, 0);
        ck_assert_int_eq(config_size("100%", &n), 0);
        ck_assert_uint_le(n, host_memory_bytes());
        ck_assert_uint_gt(n, host_memory_bytes() - 100);
}
END_TEST

START_TEST(time_spans_are_read_strictly)
{
        uint64_t n = 42;

        ck_assert_int_eq(config_span(spans[_i].text, &n), spans[_i].r);
        ck_assert_uint_eq(n, spans[_i].r == 0 ? spans[_i].value : 42);
}
END_TEST

START_TEST(yes_and_no_have_many_words)
{
        static const char *const words[2][7] = {{"no", "No", "false", "off", "0", "n", "F"},
                                                {"yes", "YES", "true", "on", "1", "y", "T"}};
        static const char *const others[] = {"", "2", "maybe", "yess", "ye", " yes"};

        for (int expected = 0; expected < 2; expected++)
                for (size_t i = 0; i < KT_ARRAY_SIZE(words[0]); i++) {
                        bool value = !expected;

                        ck_assert_int_eq(config_yes_no(words[expected][i], &value), 0);
                        ck_assert_int_eq(value, expected);
                }
        for (size_t i = 0; i < KT_ARRAY_SIZE(others); i++) {
                bool value;

                ck_assert_int_eq(config_yes_no(others[i], &value), -EINVAL);
        }
}
END_TEST

/* --- the whole --- */

/* A user's home with nothing in it, and a command line. Each test is a process of its own, so that its
 * environment is too. */
struct home {
        struct unit_dir dir;
        struct config config;
        struct kt_error err;
};

static struct home home_new(void)
{
        static const char *const variables[] = {
                "KTSTR_CACHE_DIR", "XDG_CACHE_HOME",  "XDG_STATE_HOME",    "XDG_CONFIG_HOME",
                "CACHE_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY", NULL};
        struct home h = {.dir = unit_dir_new(), .config = {.ready_fd = -1}, .err = KT_ERROR_INIT};

        for (const char *const *v = variables; *v; v++)
                unsetenv(*v);
        setenv("HOME", h.dir.path, 1);
        setenv("XDG_RUNTIME_DIR", h.dir.path, 1);
        return h;
}

static void home_done(struct home *h)
{
        config_done(&h->config);
        kt_error_done(&h->err);
        unit_dir_done(&h->dir);
}

#define _home_ _cleanup_(home_done)

static void put(const struct home *h, const char *name, const char *text)
{
        _cleanup_free_ char *path = kt_path_join(h->dir.path, name), *folder = strdup(path);
        _cleanup_fclose_ FILE *f = NULL;

        *strrchr(folder, '/') = '\0';
        ck_assert_int_eq(kt_mkdir_p(AT_FDCWD, folder, 0700), 0);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
}

static int parse(struct home *h, const char *const *options)
{
        char *argv[16] = {(char *)"ktstrd", (char *)"--private"};
        int n = 2;

        for (; options[n - 2]; n++)
                argv[n] = (char *)options[n - 2];
        config_done(&h->config);
        kt_error_done(&h->err);
        return config_parse(n, argv, &h->config, &h->err);
}

#define PARSE(h, ...) parse(h, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void expect_path(const char *path, const struct home *h, const char *below)
{
        _cleanup_free_ char *expected = kt_path_join(h->dir.path, below);

        ck_assert_str_eq(path, expected);
}

START_TEST(without_files_there_are_defaults)
{
        _home_ struct home h = home_new();
        const struct config *c = &h.config;

        ck_assert_msg(PARSE(&h) == 0, "%s", kt_error_text(&h.err));
        ck_assert_uint_eq(c->idle_guests, 2);
        ck_assert_uint_eq(c->pool_max, 16);
        ck_assert_uint_eq(c->pool_memory, host_memory_bytes() / 100 * 10);
        ck_assert_uint_eq(c->pool_keep_ms, 600000);
        ck_assert_int_eq(c->templates, true);
        expect_path(c->template_dir, &h, ".cache/ktstr/templates");
        ck_assert_uint_eq(c->guest_memory, host_memory_bytes() / 100 * 80);
        ck_assert_uint_eq(c->overcommit, 0);
        ck_assert_str_eq(c->qemu_path, "/usr/bin/qemu-system-x86_64");
        ck_assert_uint_eq(c->queue_max, 10000);
        ck_assert_uint_eq(c->cache_max, UINT64_MAX);
        expect_path(c->cache_dir, &h, ".cache/ktstr/kernels");
        expect_path(c->state_dir, &h, ".local/state/ktstr");
        ck_assert_uint_eq(c->idle_exit_ms, 600000);
        ck_assert_int_eq(c->log_level, LOG_INFO);
        ck_assert_int_eq(c->ready_fd, -1);
        ck_assert_int_eq(c->private_mode, true);
}
END_TEST

START_TEST(every_key_is_taken)
{
        _home_ struct home h = home_new();
        const struct config *c = &h.config;

        put(&h, ".config/ktstrd/ktstrd.conf",
            "[Pool]\nIdle=3\nMaximum=0\nMemoryMax=1G\nKeepSec=1h 30min\nTemplates=no\nTemplateDir=/t\n"
            "[Guests]\nMemoryMax=2G\nOvercommit=5\nQemu=/q\n"
            "[Jobs]\nQueueMax=7\n"
            "[Kernels]\nCacheMax=20G\n"
            "[Daemon]\nCacheDir=/c\nStateDir=/s\nIdleExitSec=infinity\nLogLevel=debug\n");
        ck_assert_msg(PARSE(&h) == 0, "%s", kt_error_text(&h.err));
        ck_assert_uint_eq(c->idle_guests, 3);
        ck_assert_uint_eq(c->pool_max, 0);
        ck_assert_uint_eq(c->pool_memory, 1ULL << 30);
        ck_assert_uint_eq(c->pool_keep_ms, 5400000);
        ck_assert_int_eq(c->templates, false);
        ck_assert_str_eq(c->template_dir, "/t");
        ck_assert_uint_eq(c->guest_memory, 2ULL << 30);
        ck_assert_uint_eq(c->overcommit, 5);
        ck_assert_str_eq(c->qemu_path, "/q");
        ck_assert_uint_eq(c->queue_max, 7);
        ck_assert_uint_eq(c->cache_max, 20ULL << 30);
        ck_assert_str_eq(c->cache_dir, "/c");
        ck_assert_str_eq(c->state_dir, "/s");
        ck_assert_uint_eq(c->idle_exit_ms, UINT64_MAX);
        ck_assert_int_eq(c->log_level, LOG_DEBUG);
}
END_TEST

START_TEST(options_come_before_files)
{
        _home_ struct home h = home_new();
        const struct config *c = &h.config;

        put(&h, ".config/ktstrd/ktstrd.conf",
            "[Pool]\nIdle=3\nMaximum=4\nTemplates=yes\nTemplateDir=/t\n[Guests]\nOvercommit=5\nQemu=/q\n"
            "[Daemon]\nCacheDir=/c\nStateDir=/s\nIdleExitSec=5\nLogLevel=debug\n");
        ck_assert_msg(PARSE(&h, "--pool-idle=30", "--pool-max=40", "--no-templates", "--template-dir=/T",
                            "--overcommit=50", "--qemu=/Q", "--cache-dir=/C", "--state-dir=/S",
                            "--idle-exit=1500", "--log-level=error") == 0,
                      "%s", kt_error_text(&h.err));
        ck_assert_uint_eq(c->idle_guests, 30);
        ck_assert_uint_eq(c->pool_max, 40);
        ck_assert_int_eq(c->templates, false);
        ck_assert_str_eq(c->template_dir, "/T");
        ck_assert_uint_eq(c->overcommit, 50);
        ck_assert_str_eq(c->qemu_path, "/Q");
        ck_assert_str_eq(c->cache_dir, "/C");
        ck_assert_str_eq(c->state_dir, "/S");
        ck_assert_uint_eq(c->idle_exit_ms, 1500);
        ck_assert_int_eq(c->log_level, LOG_ERR);
}
END_TEST

START_TEST(later_files_win_and_nothing_is_the_default)
{
        _home_ struct home h = home_new();

        put(&h, ".config/ktstrd/ktstrd.conf",
            "[Pool]\nIdle=3\nMaximum=3\nMemoryMax=3M\n[Guests]\nMemoryMax=300M\nQemu=/"
            "q\n[Daemon]\nCacheDir=/c\n");
        put(&h, ".config/ktstrd/ktstrd.conf.d/20.conf", "[Pool]\nIdle=5\n[Guests]\nQemu=\n");
        put(&h, ".config/ktstrd/ktstrd.conf.d/10.conf", "[Pool]\nIdle=4\nMaximum=4\n[Daemon]\nCacheDir=\n");
        ck_assert_msg(PARSE(&h) == 0, "%s", kt_error_text(&h.err));
        ck_assert_uint_eq(h.config.idle_guests, 5);
        ck_assert_uint_eq(h.config.pool_max, 4);
        ck_assert_uint_eq(h.config.pool_memory, 3U << 20);
        ck_assert_uint_eq(h.config.guest_memory, 300U << 20);
        ck_assert_str_eq(h.config.qemu_path, "/usr/bin/qemu-system-x86_64");
        expect_path(h.config.cache_dir, &h, ".cache/ktstr/kernels");
}
END_TEST

START_TEST(a_named_file_replaces_those)
{
        _home_ struct home h = home_new();
        _cleanup_free_ char *path = kt_path_join(h.dir.path, "mine");

        put(&h, ".config/ktstrd/ktstrd.conf", "[Pool]\nIdle=3\n");
        ck_assert_int_eq(PARSE(&h, "--config", path), -ENOENT);
        ck_assert_ptr_nonnull(strstr(kt_error_text(&h.err), "/mine: No such file"));
        put(&h, "mine", "[Pool]\nMaximum=3\n");
        put(&h, "mine.d/a.conf", "[Jobs]\nQueueMax=3\n");
        ck_assert_int_eq(PARSE(&h, "--config", path), 0);
        ck_assert_uint_eq(h.config.idle_guests, 2);
        ck_assert_uint_eq(h.config.pool_max, 3);
        ck_assert_uint_eq(h.config.queue_max, 3);
        ck_assert_int_eq(PARSE(&h, "--config", ""), 0);
        ck_assert_uint_eq(h.config.idle_guests, 2);
        ck_assert_int_eq(PARSE(&h, "--config", "/dev/null"), 0);
        ck_assert_uint_eq(h.config.idle_guests, 2);
        ck_assert_int_eq(PARSE(&h), 0);
        ck_assert_uint_eq(h.config.idle_guests, 3);
}
END_TEST

START_TEST(a_users_file_is_where_xdg_says)
{
        _home_ struct home h = home_new();
        _cleanup_free_ char *xdg = kt_path_join(h.dir.path, "xdg");

        put(&h, ".config/ktstrd/ktstrd.conf", "[Pool]\nIdle=3\n");
        put(&h, "xdg/ktstrd/ktstrd.conf", "[Pool]\nIdle=4\n");
        setenv("XDG_CONFIG_HOME", "relative/is/unset", 1);
        ck_assert_int_eq(PARSE(&h), 0);
        ck_assert_uint_eq(h.config.idle_guests, 3);
        setenv("XDG_CONFIG_HOME", xdg, 1);
        ck_assert_int_eq(PARSE(&h), 0);
        ck_assert_uint_eq(h.config.idle_guests, 4);
}
END_TEST

START_TEST(without_a_home_there_is_no_file)
{
        _home_ struct home h = home_new();
        static const char *const homes[] = {NULL, "", "relative"};

        for (size_t i = 0; i < KT_ARRAY_SIZE(homes); i++) {
                if (homes[i])
                        setenv("HOME", homes[i], 1);
                else
                        unsetenv("HOME");
                ck_assert_msg(PARSE(&h, "--cache-dir=/c", "--state-dir=/s") == 0, "%s",
                              kt_error_text(&h.err));
                ck_assert_uint_eq(h.config.idle_guests, 2);
        }
}
END_TEST

/* XDG, KTSTR_CACHE_DIR, systemd's, the file's, and whose it is then. */
static const struct {
        const char *xdg, *own, *service, *file, *cache_dir, *template_dir;
} caches[] = {
        {"/xdg", NULL, NULL, NULL, "/xdg/ktstr/kernels", "/xdg/ktstr/templates"},
        {"/xdg", "/own", NULL, NULL, "/own", "/own/.templates"},
        {"/xdg", NULL, NULL, "/file/kernels", "/file/kernels", "/file/templates"},
        {"/xdg", "/own/kernels//", NULL, "/file", "/own/kernels//", "/own/templates"},
        {NULL, NULL, "/service", NULL, "/service/kernels", "/service/templates"},
        {NULL, NULL, "/service", "/file/mykernels", "/file/mykernels", "/file/mykernels/.templates"},
        {NULL, "/own", "/service", "/file", "/file", "/file/.templates"},
        {NULL, NULL, NULL, "/kernels", "/kernels", "/templates"},
};

static void set_or_not(const char *name, const char *value)
{
        if (value)
                setenv(name, value, 1);
}

START_TEST(the_cache_is_that_of_the_nearest_word)
{
        _home_ struct home h = home_new();
        _cleanup_free_ char *text = kt_format("[Daemon]\nCacheDir=%s\n", caches[_i].file ?: "");

        put(&h, ".config/ktstrd/ktstrd.conf", text);
        set_or_not("XDG_CACHE_HOME", caches[_i].xdg);
        set_or_not("KTSTR_CACHE_DIR", caches[_i].own);
        set_or_not("CACHE_DIRECTORY", caches[_i].service);
        ck_assert_msg(PARSE(&h, "--socket=/s") == 0, "%s", kt_error_text(&h.err));
        ck_assert_str_eq(h.config.cache_dir, caches[_i].cache_dir);
        ck_assert_str_eq(h.config.template_dir, caches[_i].template_dir);
        ck_assert_int_eq(PARSE(&h, "--socket=/s", "--cache-dir=/option"), 0);
        ck_assert_str_eq(h.config.cache_dir, "/option");
}
END_TEST

START_TEST(relative_paths_begin_where_the_caller_is)
{
        _home_ struct home h = home_new();

        ck_assert_int_eq(fchdir(h.dir.fd), 0);
        ck_assert_int_eq(PARSE(&h, "--cache-dir=kernels", "--state-dir=s", "--qemu", "bin/q"), 0);
        expect_path(h.config.cache_dir, &h, "kernels");
        expect_path(h.config.template_dir, &h, "templates");
        expect_path(h.config.state_dir, &h, "s");
        expect_path(h.config.qemu_path, &h, "bin/q");
        setenv("KTSTR_CACHE_DIR", "c", 1);
        ck_assert_int_eq(PARSE(&h, "--socket=/s", "--template-dir=t"), 0);
        expect_path(h.config.cache_dir, &h, "c");
        expect_path(h.config.template_dir, &h, "t");
        ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

static const struct {
        const char *line, *message;
} refused[] = {
        {"[Pool]\nIdle=many", "2: Idle=: 'many' is no number from 0 to 4096"},
        {"[Pool]\nIdle=4097", "2: Idle=: '4097' is no number from 0 to 4096"},
        {"[Pool]\nMaximum=-1", "2: Maximum=: '-1' is no number from 0 to 4096"},
        {"[Pool]\nMemoryMax=2 GB",
         "2: MemoryMax=: '2 GB' is no size from 0 to 1024T, such as 512M, 2G or 10%"},
        {"[Pool]\nMemoryMax=101%",
         "2: MemoryMax=: '101%' is no size from 0 to 1024T, such as 512M, 2G or 10%"},
        {"[Pool]\nKeepSec=0",
         "2: KeepSec=: '0' is no time from 1ms to 365d, such as 30s, 10min or 1h 30min"},
        {"[Pool]\nKeepSec=infinity",
         "2: KeepSec=: 'infinity' is no time from 1ms to 365d, such as 30s, 10min or 1h 30min"},
        {"[Pool]\nTemplates=maybe", "2: Templates=: 'maybe' is neither yes nor no"},
        {"[Pool]\nTemplateDir=t", "2: TemplateDir=: 't' is no absolute path"},
        {"[Guests]\nMemoryMax=512",
         "2: MemoryMax=: '512' is no size from 1M to 1024T, such as 512M, 2G or 10%"},
        {"[Guests]\nMemoryMax=1025T",
         "2: MemoryMax=: '1025T' is no size from 1M to 1024T, such as 512M, 2G or 10%"},
        {"[Guests]\nOvercommit=1025", "2: Overcommit=: '1025' is no number from 0 to 1024"},
        {"[Guests]\nQemu=~/qemu", "2: Qemu=: '~/qemu' is no absolute path"},
        {"[Kernels]\nKernelMirror=ftp://x/y",
         "2: KernelMirror=: 'ftp://x/y' is no URL that begins with https:// or http://"},
        {"[Kernels]\nKernelMirror=https://",
         "2: KernelMirror=: 'https://' is no URL that begins with https:// or http://"},
        {"[Kernels]\nKernelReleases=https://a b",
         "2: KernelReleases=: 'https://a b' is no URL that begins with https:// or http://"},
        {"[Kernels]\nKernelCandidates=file:///etc",
         "2: KernelCandidates=: 'file:///etc' is no URL that begins with https:// or http://"},
        {"[Kernels]\nKernelKeyring=keys", "2: KernelKeyring=: 'keys' is no absolute path"},
        {"[Kernels]\nBuildCPUQuota=75", "2: BuildCPUQuota=: '75' is no part from 1% to 100%"},
        {"[Kernels]\nBuildCPUQuota=0%", "2: BuildCPUQuota=: '0%' is no part from 1% to 100%"},
        {"[Kernels]\nBuildCPUQuota=101%", "2: BuildCPUQuota=: '101%' is no part from 1% to 100%"},
        {"[Kernels]\nDownloadStallSec=0",
         "2: DownloadStallSec=: '0' is no time from 1s to 1h, such as 30s, 10min or 1h 30min"},
        {"[Jobs]\nQueueMax=0", "2: QueueMax=: '0' is no number from 1 to 1000000"},
        {"[Kernels]\nCacheMax=10%",
         "2: CacheMax=: '10%' is no size from 1M to infinity, such as 512M or 20G"},
        {"[Kernels]\nCacheMax=1023K",
         "2: CacheMax=: '1023K' is no size from 1M to infinity, such as 512M or 20G"},
        {"[Daemon]\nCacheDir=\"/c\"", "2: CacheDir=: '\"/c\"' is no absolute path"},
        {"[Daemon]\nStateDir=./s", "2: StateDir=: './s' is no absolute path"},
        {"[Daemon]\nIdleExitSec=soon",
         "2: IdleExitSec=: 'soon' is no time from 0 to infinity, such as 30s, 10min or 1h 30min"},
        {"[Daemon]\nLogLevel=7", "2: LogLevel=: '7' is none of error, warning, notice, info, debug"},
        {"[Daemon]\nLoglevel=info", "2: unknown key 'Loglevel' in [Daemon]; did you mean 'LogLevel'?"},
        {"[Damon]", "1: unknown section [Damon]; did you mean [Daemon]?"},
        {"[Job]", "1: unknown section [Job]; did you mean [Jobs]?"},
        {"[Network]", "1: unknown section [Network]; see ktstrd.conf(5)"},
};

START_TEST(a_bad_file_is_one_line_with_its_place)
{
        _home_ struct home h = home_new();
        _cleanup_free_ char *expected =
                kt_format("%s/.config/ktstrd/ktstrd.conf:%s", h.dir.path, refused[_i].message);

        put(&h, ".config/ktstrd/ktstrd.conf", refused[_i].line);
        /* Also where the command line has the key. */
        ck_assert_int_lt(PARSE(&h, "--ready-fd=17", "--pool-idle=1", "--pool-max=1"), 0);
        ck_assert_str_eq(kt_error_text(&h.err), expected);
        ck_assert_int_eq(h.config.ready_fd, 17);
        h.config.ready_fd = -1;
}
END_TEST

static const struct {
        const char *option, *message;
} bad_options[] = {
        {"--overcommit=x", "--overcommit: 'x' is no number from 0 to 1024"},
        {"--pool-idle=", "--pool-idle: '' is no number from 0 to 4096"},
        {"--pool-max=4097", "--pool-max: '4097' is no number from 0 to 4096"},
        {"--template-dir=", "--template-dir: '' is no absolute path"},
        {"--idle-exit=1s", "--idle-exit: '1s' is no number from 0 to 4294967295"},
        {"--idle-exit=4294967296", "--idle-exit: '4294967296' is no number from 0 to 4294967295"},
        {"--log-level=loud", "--log-level: 'loud' is none of error, warning, notice, info, debug"},
        {"--ready-fd=-1", "--ready-fd: '-1' is no descriptor"},
        {"--no-templates=yes",
         "option '--no-templates=yes' is unknown or lacks its value; see ktstrd --help"},
};

START_TEST(a_bad_option_names_itself)
{
        _home_ struct home h = home_new();

        ck_assert_int_lt(PARSE(&h, bad_options[_i].option), 0);
        ck_assert_str_eq(kt_error_text(&h.err), bad_options[_i].message);
}
END_TEST

int main(void)
{
        Suite *s = suite_create("config");
        TCase *values = tcase_create("values"), *whole = tcase_create("whole");

        tcase_add_loop_test(values, numbers_are_read_strictly, 0, (int)KT_ARRAY_SIZE(numbers));
        tcase_add_loop_test(values, sizes_are_read_strictly, 0, (int)KT_ARRAY_SIZE(sizes));
        tcase_add_test(values, a_percentage_is_of_the_hosts_memory);
        tcase_add_loop_test(values, time_spans_are_read_strictly, 0, (int)KT_ARRAY_SIZE(spans));
        tcase_add_test(values, yes_and_no_have_many_words);
        suite_add_tcase(s, values);
        tcase_add_test(whole, without_files_there_are_defaults);
        tcase_add_test(whole, every_key_is_taken);
        tcase_add_test(whole, options_come_before_files);
        tcase_add_test(whole, later_files_win_and_nothing_is_the_default);
        tcase_add_test(whole, a_named_file_replaces_those);
        tcase_add_test(whole, a_users_file_is_where_xdg_says);
        tcase_add_test(whole, without_a_home_there_is_no_file);
        tcase_add_loop_test(whole, the_cache_is_that_of_the_nearest_word, 0, (int)KT_ARRAY_SIZE(caches));
        tcase_add_test(whole, relative_paths_begin_where_the_caller_is);
        tcase_add_loop_test(whole, a_bad_file_is_one_line_with_its_place, 0, (int)KT_ARRAY_SIZE(refused));
        tcase_add_loop_test(whole, a_bad_option_names_itself, 0, (int)KT_ARRAY_SIZE(bad_options));
        suite_add_tcase(s, whole);
        return suite_run(s);
}
