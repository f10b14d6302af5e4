/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "../common/cleanup.h"
#include "../common/fsutil.h"
#include "../proto/errors.h"
#include "answer.h"
#include "build_config.h"

#define POLL_MS 50
/* Of the time for a stall, between two attempts when the server was not reached or closed at once: times the
 * number of the attempt. */
#define PAUSE_PART 30
/* So much of the content is looked at before any of it is taken. */
#define BEGINNING 512
/* So far into a page its title is looked for. */
#define PAGE_MAX 8192
#define TITLE_MAX 80
#define FIELD_MAX 256

/* One exchange. */
struct exchange {
        const struct net *net;
        const char *url;
        struct http_sink *sink; /* NULL: HEAD */
        CURL *easy;
        int64_t moved_ms; /* when anything came last */
        char etag[FIELD_MAX], modified[FIELD_MAX];
        long long range_first, range_total; /* Content-Range; -1 */
        char begun[PAGE_MAX];               /* of the body, until `passing` */
        size_t begun_size;
        bool passing, stalled;
        int sink_r; /* what the sink ended this with: 1 or -errno */
        struct kt_error *reterr;
        char problem[CURL_ERROR_SIZE];
};

static void curl_freep(CURL **c)
{
        curl_easy_cleanup(*c);
}

static void slist_freep(struct curl_slist **l)
{
        curl_slist_free_all(*l);
}

static int64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void pause_ms(int64_t ms)
{
        struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

        while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
                ;
}

bool http_url_is(const char *url)
{
        size_t scheme = strncasecmp(url, "https://", 8) == 0  ? 8
                        : strncasecmp(url, "http://", 7) == 0 ? 7
                                                              : 0;

        return scheme > 0 && url[scheme] && url[scheme] != '/';
}

static bool begins(const char *s, const char *prefix)
{
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* What a person can do about an address that does not work. */
static const char *remedy(const struct net *net, const char *url)
{
        if (begins(url, net->mirror))
                return "is there a network? KernelMirror= in ktstrd.conf names another mirror";
        if (begins(url, net->candidates))
                return "is there a network? KernelCandidates= in ktstrd.conf names another place";
        if (begins(url, net->releases))
                return "is there a network? KernelReleases= in ktstrd.conf names another place";
        return "is there a network, and is the address right?";
}

/* --- what comes --- */

static void take_field(const char *line, size_t size, const char *name, char ret[static FIELD_MAX])
{
        size_t len = strlen(name);

        if (size <= len || line[len] != ':' || strncasecmp(line, name, len) != 0)
                return;
        for (line += len + 1, size -= len + 1; size > 0 && (*line == ' ' || *line == '\t'); line++)
                size--;
        while (size > 0 && isspace((unsigned char)line[size - 1]))
                size--;
        /* One that is cut would never match: better none. */
        if (size < FIELD_MAX)
                snprintf(ret, FIELD_MAX, "%.*s", (int)size, line);
}

static size_t on_header(char *line, size_t one, size_t size, void *data)
{
        struct exchange *x = data;
        char range[FIELD_MAX] = "";

        x->moved_ms = now_ms();
        /* After a redirection or "100 Continue" it begins anew. */
        if (size >= 5 && strncmp(line, "HTTP/", 5) == 0) {
                x->etag[0] = x->modified[0] = '\0';
                x->range_first = x->range_total = -1;
        }
        take_field(line, size, "ETag", x->etag);
        take_field(line, size, "Last-Modified", x->modified);
        take_field(line, size, "Content-Range", range);
        if (range[0] && sscanf(range, "bytes %lld-%*d/%lld", &x->range_first, &x->range_total) < 1 &&
            sscanf(range, "bytes */%lld", &x->range_total) < 1)
                x->range_first = x->range_total = -1;
        return size;
}

static long status_of(const struct exchange *x)
{
        long status = 0;

        curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
        return status;
}

/* The content's, not that of an error's page. */
static bool status_is_good(long status)
{
        return status == 200 || status == 206;
}

static bool looks_like_a_page(const struct exchange *x)
{
        char *type = NULL;
        const char *p = x->begun;

        curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type);
        if (type &&
            (strncasecmp(type, "text/html", 9) == 0 || strncasecmp(type, "application/xhtml", 17) == 0))
                return true;
        /* The middle of a content begins like anything. */
        if (status_of(x) != 200)
                return false;
        if (begins(p, "\357\273\277"))
                p += 3;
        while (isspace((unsigned char)*p))
                p++;
        return strncasecmp(p, "<!doctype html", 14) == 0 || strncasecmp(p, "<html", 5) == 0;
}

/* 0, or 1 and -errno when no more is wanted. */
static int pass_head(struct exchange *x)
{
        curl_off_t length = -1;
        struct http_head head = {
                .status = (int)status_of(x),
                .first = x->range_first,
                .total = x->range_total,
                .etag = x->etag[0] ? x->etag : NULL,
                .modified = x->modified[0] ? x->modified : NULL,
        };

        if (head.status == 200) {
                curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
                head.total = length;
        }
        return x->sink->head(x->sink, &head, x->reterr);
}

/* What came so far is seen, and is no page: from now on all goes to the sink. */
static int begin_passing(struct exchange *x)
{
        int r = pass_head(x);

        x->passing = true;
        if (r == 0 && x->begun_size > 0)
                r = x->sink->body(x->sink, x->begun, x->begun_size, x->reterr);
        return r;
}

static int take(struct exchange *x, const char *data, size_t size)
{
        int r;

        if (!x->passing) {
                size_t room = sizeof(x->begun) - 1 - x->begun_size, n = size < room ? size : room;

                memcpy(x->begun + x->begun_size, data, n);
                x->begun_size += n;
                x->begun[x->begun_size] = '\0';
                if (x->begun_size < BEGINNING && status_of(x) == 200)
                        return 0;
                /* Of a page, as much as there is room for: its title. */
                if (looks_like_a_page(x))
                        return x->begun_size < sizeof(x->begun) - 1 ? 0 : 1;
                r = begin_passing(x);
                if (r != 0)
                        return r;
                data += n;
                size -= n;
        }
        return size > 0 ? x->sink->body(x->sink, data, size, x->reterr) : 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *userdata)
{
        struct exchange *x = userdata;

        x->moved_ms = now_ms();
        if (status_is_good(status_of(x)))
                x->sink_r = take(x, data, size);
        return x->sink_r == 0 ? size : 0;
}

/* --- one exchange --- */

static void allow_http_alone(CURL *c, const char *url)
{
        /* Who asks safely is not led on to what anybody may change. */
        bool safe = strncasecmp(url, "https:", 6) == 0;

#if LIBCURL_VERSION_NUM >= 0x075500
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, safe ? "https" : "http,https");
#else
        curl_easy_setopt(c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
        curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS,
                         (long)(safe ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static int set_up(struct exchange *x, struct curl_slist **headers)
{
        char range[32];
        CURL *c = x->easy;

        curl_easy_setopt(c, CURLOPT_URL, x->url);
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_USERAGENT, "ktstrd-build/" KT_VERSION);
        curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)HTTP_REDIRECTS_MAX);
        curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)x->net->stall_ms);
        curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->problem);
        curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
        allow_http_alone(c, x->url);
        if (!x->sink)
                curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
        else if (x->sink->have > 0 && x->sink->same) {
                _cleanup_free_ char *same = kt_format("If-Range: %s", x->sink->same);

                snprintf(range, sizeof(range), "%lld-", (long long)x->sink->have);
                curl_easy_setopt(c, CURLOPT_RANGE, range);
                *headers = same ? curl_slist_append(NULL, same) : NULL;
                if (!*headers)
                        return -ENOMEM;
                curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers);
        }
        return 0;
}

/* Drive it until it ends or nothing moves any more. */
static CURLcode drive(struct exchange *x, CURLM *multi)
{
        int running = 1, left;
        CURLMsg *message;

        x->moved_ms = now_ms();
        for (;;) {
                curl_off_t connected = 0;

                if (curl_multi_perform(multi, &running) != CURLM_OK)
                        return CURLE_FAILED_INIT;
                if (!running)
                        break;
                /* Until there is a connection the time for that counts, which libcurl shares out to the
                 * host's addresses. */
                curl_easy_getinfo(x->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
                if (connected == 0)
                        x->moved_ms = now_ms();
                if (now_ms() - x->moved_ms >= (int64_t)x->net->stall_ms) {
                        x->stalled = true;
                        return CURLE_OPERATION_TIMEDOUT;
                }
                curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
        }
        message = curl_multi_info_read(multi, &left);
        return message ? message->data.result : CURLE_FAILED_INIT;
}

static CURLcode run(struct exchange *x)
{
        CURLM *multi = curl_multi_init();
        CURLcode code;

        if (!multi)
                return CURLE_OUT_OF_MEMORY;
        if (curl_multi_add_handle(multi, x->easy) != CURLM_OK)
                code = CURLE_OUT_OF_MEMORY;
        else {
                code = drive(x, multi);
                curl_multi_remove_handle(multi, x->easy);
        }
        curl_multi_cleanup(multi);
        return code;
}

/* --- what came of it --- */

static int refuse_page(struct exchange *x)
{
        const char *title = strcasestr(x->begun, "<title"), *end;

        title = title ? strchr(title, '>') : NULL;
        for (title = title ? title + 1 : ""; isspace((unsigned char)*title);)
                title++;
        end = strchr(title, '<');
        int len = (int)(end ? end - title : (long)strlen(title));
        while (len > 0 && isspace((unsigned char)title[len - 1]))
                len--;
        if (len == 0)
                return kt_error_set(x->reterr, -EBADMSG, KT_E_DOWNLOAD, "%s: an HTML page came instead; %s",
                                    x->url, remedy(x->net, x->url));
        return kt_error_set(x->reterr, -EBADMSG, KT_E_DOWNLOAD,
                            "%s: an HTML page came instead, \"%.*s%s\"; %s", x->url,
                            len < TITLE_MAX ? len : TITLE_MAX, title, len > TITLE_MAX ? "..." : "",
                            remedy(x->net, x->url));
}

/* -EAGAIN: try again in any case; -EBUSY: too, but not as often when nothing came before; -EHOSTUNREACH:
 * only when something did. */
static int judge_failure(struct exchange *x, CURLcode code)
{
        const char *why = x->problem[0] ? x->problem : curl_easy_strerror(code);

        switch (code) {
        case CURLE_OUT_OF_MEMORY:
                return kt_error_set(x->reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        case CURLE_PARTIAL_FILE:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
                return kt_error_set(x->reterr, -EAGAIN, KT_E_DOWNLOAD, "%s: the connection broke off: %s",
                                    x->url, why);
        case CURLE_TOO_MANY_REDIRECTS:
                return kt_error_set(x->reterr, -ELOOP, KT_E_DOWNLOAD,
                                    "%s: redirected more than %d times; %s", x->url, HTTP_REDIRECTS_MAX,
                                    remedy(x->net, x->url));
        case CURLE_UNSUPPORTED_PROTOCOL:
                return kt_error_set(x->reterr, -EPROTONOSUPPORT, KT_E_DOWNLOAD,
                                    "%s: redirected to where it is not gone: %s", x->url, why);
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_COULDNT_CONNECT:
        case CURLE_OPERATION_TIMEDOUT:
                return kt_error_set(x->reterr, -EHOSTUNREACH, KT_E_DOWNLOAD, "%s: not reached: %s; %s",
                                    x->url, why, remedy(x->net, x->url));
        default:
                return kt_error_set(x->reterr, -EIO, KT_E_DOWNLOAD, "%s: %s; %s", x->url, why,
                                    remedy(x->net, x->url));
        }
}

/* What passes as a rule: too many ask, or what stands in front has nothing behind it for now. */
static bool status_is_busy(long status)
{
        return status == 429 || status == 500 || (status >= 502 && status <= 504);
}

static int judge_status(struct exchange *x, long status)
{
        if (status == 404 || status == 410)
                return kt_error_set(x->reterr, -ENOENT, KT_E_DOWNLOAD, "%s: the server says %ld, not found",
                                    x->url, status);
        return kt_error_set(x->reterr,
                            status_is_busy(status) ? -EBUSY
                            : status >= 500        ? -EHOSTUNREACH
                                                   : -EIO,
                            KT_E_DOWNLOAD, "%s: the server says %ld%s; %s", x->url, status,
                            status == 401 || status == 403   ? ", not allowed"
                            : status == 429 || status == 503 ? ", busy"
                                                             : "",
                            remedy(x->net, x->url));
}

static int judge(struct exchange *x, CURLcode code)
{
        long status = status_of(x);
        struct http_sink *s = x->sink;
        int r;

        if (x->sink_r < 0)
                return x->sink_r;
        if (x->stalled)
                return kt_error_set(x->reterr, -EAGAIN, KT_E_DOWNLOAD, "%s: nothing came for %.3g s", x->url,
                                    (double)x->net->stall_ms / 1000);
        if (s && x->begun_size > 0 && !x->passing && looks_like_a_page(x))
                return refuse_page(x);
        if (code != CURLE_OK && x->sink_r == 0)
                return judge_failure(x, code);
        if (!status_is_good(status) && !(status == 416 && s && s->have > 0))
                return judge_status(x, status);
        if (!s)
                return 0;
        if (!x->passing) {
                r = status == 416 ? pass_head(x) : begin_passing(x);
                if (r < 0)
                        return r;
        }
        if (s->total >= 0 && s->have != s->total)
                return kt_error_set(x->reterr, -EAGAIN, KT_E_DOWNLOAD, "%s: %lld bytes came of %lld", x->url,
                                    (long long)s->have, (long long)s->total);
        if (s->have == 0)
                return kt_error_set(x->reterr, -ENODATA, KT_E_DOWNLOAD, "%s: it is empty; %s", x->url,
                                    remedy(x->net, x->url));
        return 0;
}

static int exchange(const struct net *net, const char *url, struct http_sink *s, struct kt_error *reterr)
{
        static bool ready;
        _cleanup_(slist_freep) struct curl_slist *headers = NULL;
        _cleanup_(curl_freep) CURL *easy = NULL;
        struct exchange x = {
                .net = net, .url = url, .sink = s, .reterr = reterr, .range_first = -1, .range_total = -1};

        if (!ready)
                ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
        x.easy = easy = ready ? curl_easy_init() : NULL;
        if (!easy || set_up(&x, &headers) < 0)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        return judge(&x, run(&x));
}

/* The attempts. s NULL: HEAD. */
static int persist(const struct net *net, const char *url, struct http_sink *s, struct kt_error *reterr)
{
        int64_t best = s ? s->have : 0;
        int vain = 0, attempts;
        bool came = false;

        if (!http_url_is(url))
                return kt_error_set(reterr, -EINVAL, KT_E_DOWNLOAD, "%s is no http:// or https:// address",
                                    url);
        for (;;) {
                _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
                int64_t started_ms = now_ms(), wait_ms;
                int r = exchange(net, url, s, &err);

                if (r >= 0)
                        return 0;
                /* Bytes that came again after the server began anew are none that bring the end nearer. */
                vain++;
                if (s && s->have > best) {
                        best = s->have;
                        came = true;
                        vain = 0;
                }
                if (r != -EAGAIN && r != -EBUSY && (r != -EHOSTUNREACH || !came)) {
                        kt_error_move(reterr, &err);
                        return r;
                }
                attempts = r == -EBUSY && !came ? HTTP_BUSY_ATTEMPTS : HTTP_ATTEMPTS;
                if (vain >= attempts)
                        return kt_error_set(reterr, -ETIMEDOUT, KT_E_DOWNLOAD,
                                            "%s; given up after %d attempts that brought nothing more",
                                            kt_error_text(&err), vain);
                if (s && s->have > 0 && s->same)
                        answer_note("%s; going on at byte %lld", kt_error_text(&err), (long long)s->have);
                else
                        answer_note("%s; beginning again", kt_error_text(&err));
                wait_ms = vain * (int64_t)(net->stall_ms / PAUSE_PART);
                /* What a stall has cost already is not waited for again. */
                wait_ms -= now_ms() - started_ms;
                if (wait_ms > 0)
                        pause_ms(wait_ms);
        }
}

int http_get(const struct net *net, const char *url, struct http_sink *s, struct kt_error *reterr)
{
        return persist(net, url, s, reterr);
}

int http_exists(const struct net *net, const char *url, struct kt_error *reterr)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        int r = persist(net, url, NULL, &err);

        if (r >= 0)
                return 1;
        if (r == -ENOENT)
                return 0;
        kt_error_move(reterr, &err);
        return r;
}

/* --- a text --- */

struct text_sink {
        struct http_sink sink;
        const char *url;
        char *text;
        size_t max;
};

static int too_long(struct text_sink *t, struct kt_error *reterr)
{
        return kt_error_set(reterr, -EFBIG, KT_E_DOWNLOAD,
                            "%s: it is longer than %zu bytes; is the address right?", t->url, t->max);
}

static int text_head(struct http_sink *s, const struct http_head *head, struct kt_error *reterr)
{
        struct text_sink *t = kt_container_of(s, struct text_sink, sink);

        s->have = 0;
        s->total = head->total;
        return head->total > (int64_t)t->max ? too_long(t, reterr) : 0;
}

static int text_body(struct http_sink *s, const void *data, size_t size, struct kt_error *reterr)
{
        struct text_sink *t = kt_container_of(s, struct text_sink, sink);
        char *grown;

        if (size > t->max - (size_t)s->have)
                return too_long(t, reterr);
        grown = realloc(t->text, (size_t)s->have + size + 1);
        if (!grown)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        t->text = grown;
        memcpy(t->text + s->have, data, size);
        s->have += (int64_t)size;
        t->text[s->have] = '\0';
        return 0;
}

int http_text(const struct net *net, const char *url, size_t max, char **ret, size_t *ret_size,
              struct kt_error *reterr)
{
        struct text_sink t = {
                .sink = {.total = -1, .head = text_head, .body = text_body}, .url = url, .max = max};
        int r = persist(net, url, &t.sink, reterr);

        if (r < 0) {
                free(t.text);
                return r;
        }
        *ret = t.text;
        *ret_size = (size_t)t.sink.have;
        return 0;
}
