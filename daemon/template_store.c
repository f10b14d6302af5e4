/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "template_store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "../common/fsutil.h"
#include "../common/list.h"
#include "../common/log.h"
#include "../proto/errors.h"

/* One that is known, or that somebody is verifying. The store's own reference is counted too, until it is
 * discarded. */
struct entry {
        struct kt_list link;
        char key[SHAPE_KEY_SIZE];
        struct template *template; /* NULL while it is verified */
        unsigned refs;
        bool discarded;
};

struct template_store {
        char *root;
        pthread_mutex_t lock; /* held over a rename at most, never over reading: the loop wants it */
        pthread_cond_t verified;
        struct kt_list entries;
};

int template_store_new(const char *root, struct template_store **ret, struct kt_error *reterr)
{
        struct template_store *store;
        int r = template_root_open(root, reterr);

        if (r < 0)
                return r;
        store = calloc(1, sizeof(*store));
        if (!store || !(store->root = strdup(root))) {
                free(store);
                return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
        }
        pthread_mutex_init(&store->lock, NULL);
        pthread_cond_init(&store->verified, NULL);
        kt_list_init(&store->entries);
        *ret = store;
        return 0;
}

static void entry_unref(struct entry *e)
{
        if (--e->refs > 0)
                return;
        kt_list_remove(&e->link);
        template_free(e->template);
        free(e);
}

static void entry_discard(struct entry *e)
{
        if (e->discarded)
                return;
        e->discarded = true;
        entry_unref(e);
}

void template_store_free(struct template_store *store)
{
        if (!store)
                return;
        kt_list_for_each_safe (it, &store->entries)
                entry_discard(kt_list_entry(it, struct entry, link));
        assert(kt_list_empty(&store->entries));
        pthread_cond_destroy(&store->verified);
        pthread_mutex_destroy(&store->lock);
        free(store->root);
        free(store);
}

const char *template_store_root(const struct template_store *store)
{
        return store->root;
}

static struct entry *find(struct template_store *store, const char *key)
{
        kt_list_for_each (it, &store->entries) {
                struct entry *e = kt_list_entry(it, struct entry, link);

                if (!e->discarded && strcmp(e->key, key) == 0)
                        return e;
        }
        return NULL;
}

static struct entry *find_template(struct template_store *store, const struct template *t)
{
        kt_list_for_each (it, &store->entries) {
                struct entry *e = kt_list_entry(it, struct entry, link);

                if (e->template == t)
                        return e;
        }
        return NULL;
}

static struct entry *add(struct template_store *store, const char *key)
{
        struct entry *e = calloc(1, sizeof(*e));

        if (!e)
                return NULL;
        snprintf(e->key, sizeof(e->key), "%s", key);
        e->refs = 1;
        kt_list_append(&store->entries, &e->link);
        return e;
}

static struct template *open_template(struct template_store *store, const struct shape *s)
{
        _cleanup_(kt_error_done) struct kt_error err = KT_ERROR_INIT;
        struct template *t = NULL;
        int r = template_open(store->root, s, &t, &err);

        if (r < 0 && r != -ENOENT)
                kt_log_warning("the template of %s %s: %s", s->text,
                               r == -EBADMSG ? "is thrown away" : "cannot be used for now",
                               kt_error_text(&err));
        return t;
}

/* Lets go of the lock meanwhile; the entry stands for it, so that others wait for that. */
static struct entry *verify(struct template_store *store, const struct shape *s)
{
        struct entry *e = add(store, s->key);

        if (!e)
                return NULL;
        e->refs++;
        pthread_mutex_unlock(&store->lock);
        struct template *t = open_template(store, s);
        pthread_mutex_lock(&store->lock);

        e->template = t;
        if (!t)
                entry_discard(e);
        pthread_cond_broadcast(&store->verified);
        if (!e->discarded)
                return e;
        entry_unref(e);
        return NULL;
}

/* One that is there; NULL: it has to be verified first. */
static struct entry *find_verified(struct template_store *store, const struct shape *s)
{
        struct entry *e;

        while ((e = find(store, s->key)) && !e->template)
                pthread_cond_wait(&store->verified, &store->lock);
        if (!e)
                return NULL;
        if (!template_is_intact(e->template)) {
                kt_log_warning("the template of %s has changed on disk and is verified anew", s->text);
                entry_discard(e);
                return NULL;
        }
        template_mark_used(store->root, s->key);
        e->refs++;
        return e;
}

const struct template *template_store_get(struct template_store *store, const struct shape *s)
{
        const struct template *found;
        struct entry *e;

        pthread_mutex_lock(&store->lock);
        e = find_verified(store, s);
        if (!e)
                e = verify(store, s);
        found = e ? e->template : NULL;
        pthread_mutex_unlock(&store->lock);
        return found;
}

int template_store_publish(struct template_store *store, struct template_draft *draft, const struct shape *s,
                           const struct template_facts *facts, const struct template **ret,
                           struct kt_error *reterr)
{
        struct template *t;
        struct entry *e;
        int r = template_publish(store->root, draft, s, facts, &t, reterr);

        if (r < 0)
                return r;
        template_root_tidy(store->root, s);
        pthread_mutex_lock(&store->lock);
        e = find(store, s->key);
        if (e)
                entry_discard(e);
        e = add(store, s->key);
        if (e) {
                e->refs++;
                *ret = e->template = t;
        }
        pthread_mutex_unlock(&store->lock);
        if (e)
                return 0;
        template_free(t);
        return kt_error_set(reterr, -ENOMEM, KT_E_INTERNAL, "out of memory");
}

const struct template *template_ref(struct template_store *store, const struct template *t)
{
        pthread_mutex_lock(&store->lock);
        find_template(store, t)->refs++;
        pthread_mutex_unlock(&store->lock);
        return t;
}

void template_unref(struct template_store *store, const struct template *t)
{
        if (!t)
                return;
        pthread_mutex_lock(&store->lock);
        entry_unref(find_template(store, t));
        pthread_mutex_unlock(&store->lock);
}

bool template_store_offers(struct template_store *store, const struct template *t)
{
        bool offers;

        pthread_mutex_lock(&store->lock);
        offers = !find_template(store, t)->discarded;
        pthread_mutex_unlock(&store->lock);
        return offers;
}

char *template_store_forget(struct template_store *store, const char *key)
{
        struct entry *e;
        char *hidden;

        pthread_mutex_lock(&store->lock);
        e = find(store, key);
        if (e)
                entry_discard(e);
        hidden = template_hide(store->root, key);
        pthread_mutex_unlock(&store->lock);
        return hidden;
}
