/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handout.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../proto/codec.h"
#include "../proto/errors.h"
#include "../proto/mailbox.h"

/* Payload of a DATA frame: large enough for its header not to matter, and small enough for the memory that
 * the agent takes for one, which an emulated guest is slow to give. */
#define DATA_MAX (64U * 1024U)
#define COPY_SIZE (1U << 20)

struct item {
        char *payload; /* of its JOB or FILE frame */
        uint32_t payload_size;
        uint32_t type;
        char *guest_path; /* for messages */
        int fd;
        uint64_t size; /* bytes of DATA that follow */
};

struct handout {
        struct item *items;
        size_t n_items;

        /* the next frame to be made: item's own while !in_data, else DATA of it from file_offset; n_items:
         * GO */
        size_t item;
        bool in_data, go_made;
        uint64_t file_offset;

        /* the frame being given out */
        uint8_t *frame; /* as large as the largest needs */
        size_t frame_size, frame_given;
};

static char *file_payload(const struct guest_item *item)
{
        _cleanup_json_ struct json_object *json = json_object_new_object();
        const char *text;
        int r;

        if (!json)
                return NULL;
        r = kt_json_add_str(json, "path", item->guest_path);
        if (r == 0)
                r = kt_json_add_int(json, "mode", item->mode);
        if (r == 0)
                r = item->link ? kt_json_add_str(json, "link", item->link)
                               : kt_json_add_int(json, "size", (int64_t)item->size);
        text = r == 0 ? json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN |
                                                                     JSON_C_TO_STRING_NOSLASHESCAPE)
                      : NULL;
        return text ? strdup(text) : NULL;
}

static int check_item(const struct guest_item *item, struct kt_error *reterr)
{
        if (item->guest_path && item->guest_path[0] != '/')
                return kt_error_set(reterr, -EINVAL, KT_E_BAD_FILE, "'%s' is no absolute path in the guest",
                                    item->guest_path);
        if ((item->guest_path && !kt_utf8_valid(item->guest_path, strlen(item->guest_path))) ||
            (item->link && !kt_utf8_valid(item->link, strlen(item->link))))
                return kt_error_set(reterr, -EILSEQ, KT_E_BAD_FILE,
                                    "the file name '%s' is not valid UTF-8: rename it to send it to a guest",
                                    item->guest_path);
        return 0;
}

static int item_init(struct item *i, const struct guest_item *from, struct kt_error *reterr)
{
        int r;

        *i = (struct item){.fd = -1};
        r = check_item(from, reterr);
        if (r < 0)
                return r;
        if (from->guest_path) {
                i->type = KT_FRAME_FILE;
                i->guest_path = strdup(from->guest_path);
                i->payload = file_payload(from);
        } else {
                i->type = KT_FRAME_JOB;
                i->guest_path = strdup("the job");
                i->payload = strdup(from->json);
        }
        if (!i->guest_path || !i->payload)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (strlen(i->payload) > KT_FRAME_PAYLOAD_MAX)
                return kt_error_set(reterr, -EMSGSIZE, KT_E_BAD_FILE,
                                    "%s takes %zu bytes to describe: at most %u are allowed", i->guest_path,
                                    strlen(i->payload), KT_FRAME_PAYLOAD_MAX);
        i->payload_size = (uint32_t)strlen(i->payload);
        if (!from->guest_path || from->link)
                return 0;
        i->size = from->size;
        i->fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
        if (i->fd < 0)
                return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "cannot keep %s open: %s", i->guest_path,
                                    strerror(errno));
        return 0;
}

/* Bytes. */
static size_t largest_frame(const struct handout *h)
{
        size_t payload = 0;

        for (size_t i = 0; i < h->n_items; i++) {
                const size_t data = h->items[i].size < DATA_MAX ? h->items[i].size : DATA_MAX;

                payload = payload > h->items[i].payload_size ? payload : h->items[i].payload_size;
                payload = payload > data ? payload : data;
        }
        return KT_FRAME_HEADER_SIZE + payload;
}

/* Bytes of the whole stream, or a little more. */
static uint64_t stream_size(const struct handout *h)
{
        uint64_t size = KT_FRAME_HEADER_SIZE;

        for (size_t i = 0; i < h->n_items; i++)
                size += KT_FRAME_HEADER_SIZE + h->items[i].payload_size + h->items[i].size +
                        KT_FRAME_HEADER_SIZE * (h->items[i].size / DATA_MAX + 1);
        return size;
}

int handout_new(const struct guest_item *items, size_t n_items, struct handout **ret,
                struct kt_error *reterr)
{
        struct handout *h = calloc(1, sizeof(*h));
        int r = 0;

        if (!h || !(h->items = calloc(n_items ?: 1, sizeof(*h->items)))) {
                free(h);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        for (size_t i = 0; i < n_items && r == 0; i++) {
                r = item_init(&h->items[i], &items[i], reterr);
                h->n_items = i + 1;
        }
        if (r >= 0 && !(h->frame = malloc(largest_frame(h))))
                r = kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        if (r < 0) {
                handout_free(h);
                return r;
        }
        *ret = h;
        return 0;
}

void handout_free(struct handout *h)
{
        if (!h)
                return;
        for (size_t i = 0; i < h->n_items; i++) {
                free(h->items[i].payload);
                free(h->items[i].guest_path);
                kt_closep(&h->items[i].fd);
        }
        free(h->items);
        free(h->frame);
        free(h);
}

void handout_rewind(struct handout *h)
{
        h->item = 0;
        h->in_data = h->go_made = false;
        h->file_offset = 0;
        h->frame_size = h->frame_given = 0;
}

bool handout_is_quick(const struct handout *h)
{
        for (size_t i = 0; i < h->n_items; i++)
                if (h->items[i].fd >= 0)
                        return false;
        return true;
}

bool handout_at_end(const struct handout *h)
{
        return h->go_made && h->frame_given == h->frame_size;
}

static void put_frame(struct handout *h, uint32_t type, uint32_t payload_size)
{
        kt_frame_header(h->frame, type, h->frame + KT_FRAME_HEADER_SIZE, payload_size);
        h->frame_size = KT_FRAME_HEADER_SIZE + payload_size;
        h->frame_given = 0;
}

static int read_file(const struct item *i, uint8_t *buf, uint32_t size, uint64_t offset,
                     struct kt_error *reterr)
{
        for (uint32_t got = 0; got < size;) {
                const ssize_t n = pread(i->fd, buf + got, size - got, (off_t)(offset + got));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return kt_error_set(reterr, -errno, KT_E_BAD_FILE, "cannot read the file for %s: %s",
                                            i->guest_path, strerror(errno));
                if (n == 0)
                        return kt_error_set(reterr, -EIO, KT_E_BAD_FILE,
                                            "the file for %s became shorter while it was read: submit again "
                                            "when nothing writes it",
                                            i->guest_path);
                got += (uint32_t)n;
        }
        return 0;
}

static int make_data_frame(struct handout *h, struct kt_error *reterr)
{
        const struct item *i = &h->items[h->item];
        const uint64_t left = i->size - h->file_offset;
        const uint32_t size = left < DATA_MAX ? (uint32_t)left : DATA_MAX;
        int r;

        r = read_file(i, h->frame + KT_FRAME_HEADER_SIZE, size, h->file_offset, reterr);
        if (r < 0)
                return r;
        put_frame(h, KT_FRAME_DATA, size);
        h->file_offset += size;
        if (h->file_offset == i->size) {
                h->in_data = false;
                h->item++;
        }
        return 0;
}

static void make_item_frame(struct handout *h)
{
        const struct item *i = &h->items[h->item];

        memcpy(h->frame + KT_FRAME_HEADER_SIZE, i->payload, i->payload_size);
        put_frame(h, i->type, i->payload_size);
        h->file_offset = 0;
        h->in_data = i->size > 0;
        if (!h->in_data)
                h->item++;
}

static int make_next_frame(struct handout *h, struct kt_error *reterr)
{
        if (h->in_data)
                return make_data_frame(h, reterr);
        if (h->item < h->n_items) {
                make_item_frame(h);
        } else {
                put_frame(h, KT_FRAME_GO, 0);
                h->go_made = true;
        }
        return 0;
}

ssize_t handout_read(struct handout *h, void *buf, size_t size, struct kt_error *reterr)
{
        size_t got = 0, part;
        int r;

        while (got < size && !handout_at_end(h)) {
                if (h->frame_given == h->frame_size) {
                        r = make_next_frame(h, reterr);
                        if (r < 0)
                                return r;
                }
                part = h->frame_size - h->frame_given;
                if (part > size - got)
                        part = size - got;
                memcpy((char *)buf + got, h->frame + h->frame_given, part);
                h->frame_given += part;
                got += part;
        }
        return (ssize_t)got;
}

static int write_mailbox(const struct guest_memory *m, uint64_t gpa, const void *buf, size_t size,
                         struct kt_error *reterr)
{
        const int r = guest_memory_write(m, gpa, buf, size);

        return r < 0 ? kt_error_set(reterr, r, KT_E_GUEST_DIED, "cannot write into the guest's memory: %s",
                                    strerror(-r))
                     : 0;
}

int handout_fill_mailbox(struct handout *h, const struct guest_memory *m, uint64_t gpa, uint64_t size,
                         struct kt_error *reterr)
{
        const size_t part = stream_size(h) < COPY_SIZE ? (size_t)stream_size(h) : COPY_SIZE;
        _cleanup_free_ uint8_t *buf = malloc(part);
        uint8_t header[KT_MAILBOX_HEADER_SIZE];
        const uint64_t capacity = size - KT_MAILBOX_HEADER_SIZE;
        uint64_t used = 0;
        int r;

        assert(size > KT_MAILBOX_HEADER_SIZE);
        if (!buf)
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        while (used < capacity && !handout_at_end(h)) {
                const ssize_t n = handout_read(
                        h, buf, capacity - used < part ? (size_t)(capacity - used) : part, reterr);

                if (n < 0)
                        return (int)n;
                r = write_mailbox(m, gpa + KT_MAILBOX_HEADER_SIZE + used, buf, (size_t)n, reterr);
                if (r < 0)
                        return r;
                used += (uint64_t)n;
        }
        /* Last, so that a mailbox that claims to be full is. */
        kt_mailbox_header(header, used, handout_at_end(h) ? 0 : KT_MAILBOX_MORE);
        return write_mailbox(m, gpa, header, sizeof(header), reterr);
}
