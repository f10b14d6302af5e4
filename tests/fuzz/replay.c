/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs a fuzz target over a folder of inputs, as they are and with a few thousand mutations each, always the
 * same ones. It is no search, but it runs everywhere and with every build.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../common/cleanup.h"
#include "../../common/fsutil.h"
#include "fuzz.h"

#define INPUT_MAX (1U << 20)
#define MUTATIONS 2000

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 17;
        random_state ^= random_state << 5;
        return random_state;
}

/* In a block of exactly its size, so that a sanitizer sees the first byte read beyond. */
static void run(const char *input, size_t size)
{
        _cleanup_free_ uint8_t *copy = malloc(size ?: 1);

        if (!copy)
                abort();
        memcpy(copy, input, size);
        LLVMFuzzerTestOneInput(copy, size);
}

/* Change, remove, repeat or exchange bytes at a place. The buffer has room for twice the input. */
static size_t mutate(char *buf, size_t size)
{
        static const char interesting[] = "\0\xff\x7f\x80{}[]\"\\:,?()#\n";
        size_t at, n;

        if (size == 0)
                return 0;
        at = next_random() % size;
        n = 1 + next_random() % (size - at < 16 ? size - at : 16);
        switch (next_random() % 5) {
        case 0:
                buf[at] ^= (char)(1 << next_random() % 8);
                return size;
        case 1:
                buf[at] = interesting[next_random() % (sizeof(interesting) - 1)];
                return size;
        case 2:
                memmove(buf + at, buf + at + n, size - at - n);
                return size - n;
        case 3:
                memmove(buf + at + n, buf + at, size - at);
                return size + n;
        default:
                return at;
        }
}

static void run_mutations(const char *input, size_t size)
{
        _cleanup_free_ char *buf = malloc(size * 2 + 64);

        if (!buf)
                abort();
        for (int i = 0; i < MUTATIONS; i++) {
                uint32_t steps = 1 + next_random() % 4;
                size_t n = size;

                memcpy(buf, input, size);
                while (steps-- > 0)
                        n = mutate(buf, n);
                run(buf, n);
        }
}

int main(int argc, char **argv)
{
        _cleanup_closedir_ DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
        struct dirent *de;
        size_t inputs = 0;

        if (!d) {
                fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
                return EXIT_FAILURE;
        }
        while ((de = readdir(d))) {
                _cleanup_free_ char *input = NULL;
                size_t size;

                if (de->d_name[0] == '.')
                        continue;
                if (kt_read_file(dirfd(d), de->d_name, INPUT_MAX, &input, &size) < 0) {
                        fprintf(stderr, "cannot read %s/%s\n", argv[1], de->d_name);
                        return EXIT_FAILURE;
                }
                run(input, size);
                run_mutations(input, size);
                inputs++;
        }
        printf("%zu inputs\n", inputs);
        return inputs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
