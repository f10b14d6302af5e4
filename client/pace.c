/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pace.h"

void pace_init(struct pace *p, size_t max)
{
        *p = (struct pace){.max = max, .limit = max};
}

static void let_one_more(struct pace *p, size_t under_way)
{
        p->probing = true;
        p->limit = under_way < p->max ? under_way + 1 : p->max;
}

bool pace_allows(struct pace *p, size_t under_way, int64_t now_ms)
{
        if (p->pause_ms > 0 && !p->probing && now_ms >= p->again_ms)
                let_one_more(p, under_way);
        return under_way < p->limit;
}

void pace_taken(struct pace *p, size_t under_way)
{
        p->alone_ms = 0;
        if (p->pause_ms == 0)
                return;
        p->pause_ms = PACE_PAUSE_MIN_MS;
        let_one_more(p, under_way);
}

bool pace_refused(struct pace *p, size_t taken, int64_t now_ms)
{
        /* Those that went out together are refused together. */
        if (p->pause_ms == 0 || p->probing) {
                p->pause_ms = p->pause_ms * 2 > PACE_PAUSE_MAX_MS ? PACE_PAUSE_MAX_MS : p->pause_ms * 2;
                if (p->pause_ms == 0)
                        p->pause_ms = PACE_PAUSE_MIN_MS;
                p->again_ms = now_ms + p->pause_ms;
        }
        p->probing = false;
        p->limit = taken;
        if (taken > 0)
                p->alone_ms = 0;
        else if (p->alone_ms == 0)
                p->alone_ms = now_ms;
        return taken > 0 || now_ms - p->alone_ms < PACE_PATIENCE_MS;
}

int pace_wait_ms(const struct pace *p, int64_t now_ms)
{
        if (p->pause_ms == 0 || p->probing)
                return -1;
        return p->again_ms > now_ms ? (int)(p->again_ms - now_ms) : 0;
}
